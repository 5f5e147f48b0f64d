//! Which names a file of a bag can have.

use super::{Check, MANIFESTS, TAG_FILES, WrongKind};

/// The top folder, if this is its `bagit.txt`.
pub(in crate::bundle) fn root_in(name: &str) -> Option<&str> {
    name.strip_suffix("/bagit.txt").filter(|root| !root.is_empty() && !root.contains('/'))
}

/// Whether a name stays inside the folder that it is unpacked to, on every system.
fn is_safe(name: &str) -> bool {
    !name.contains(['\\', '\0', ':']) && !name.split('/').any(|part| matches!(part, "" | "." | ".."))
}

/// Whether it is meant as a manifest.
fn is_like_manifest(path: &str) -> bool {
    let path = path.to_ascii_lowercase();
    (path.starts_with("manifest-") || path.starts_with("tagmanifest-")) && path.ends_with(".txt")
}

impl Check<'_> {
    /// The tag file that this path in the bag is, if it is one; says what is wrong with the name.
    pub(super) fn name(&mut self, path: &str) -> Option<&'static str> {
        if !is_safe(path) {
            self.wrong(WrongKind::Archive, path, "its name can lead out of the folder that it is unpacked to");
        } else if !path.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
            self.wrong(WrongKind::Archive, path, "its name is not of the letters that names in a bag have");
        }
        let tag = TAG_FILES.into_iter().find(|tag| *tag == path);
        if tag.is_none() && !path.starts_with("data/") {
            let what = if is_like_manifest(path) {
                format!("is a manifest of another name than {}", MANIFESTS.join(", "))
            } else {
                "was added: it is neither payload nor a file that a bag of this kind has".to_owned()
            };
            self.wrong(WrongKind::Added, path, what);
        }
        tag
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_climb() {
        for name in ["data/a", "data/a b/c=2A", "x..y/..z"] {
            assert!(is_safe(name), "{name}");
        }
        for name in ["../a", "data/../a", "/a", "data//a", "data/.", r"data\a", "c:a", "a\0b", "a/"] {
            assert!(!is_safe(name), "{name}");
        }
        assert!(is_like_manifest("TagManifest-SHA256.txt") && !is_like_manifest("metadata/manifest-x.txt"));
    }
}
