//! Where an object lies in the bundle: a name that every system can store, made from any path.
//!
//! A name consists of printable ASCII only. Everything else, and what some system or program would not keep as it
//! is, becomes `=XX`, a byte in upper-case hexadecimal, as in quoted-printable mail; a literal `=` becomes `=3D`, so
//! nothing is ambiguous. It is not `%XX`: BagIt demands that a percent sign in a file name be encoded once more in
//! the manifests, the Python library `bagit` does not undo that, and a bag that only some programs accept is of no use.

use crate::key_set::KeySet;

/// File systems keep names up to 255 bytes.
const MAX_COMPONENT: usize = 200;
/// Some programs keep paths up to 4,096 bytes, the folder that they unpack to included.
const MAX_PATH: usize = 1_500;

/// Names that Windows reserves in every folder, with any extension.
const RESERVED: [&str; 6] = ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"];

fn is_reserved(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or(name).trim_end().to_ascii_uppercase();
    let bytes = stem.as_bytes();
    let numbered = bytes.len() == 4 && matches!(&bytes[..3], b"COM" | b"LPT") && bytes[3].is_ascii_digit();
    RESERVED.contains(&stem.as_str()) || numbered
}

/// One component of a path as it is stored.
fn component(name: &str) -> String {
    let mut encoded = String::with_capacity(name.len());
    let reserved = is_reserved(name);
    // What is no text in a name is encoded as the bytes that it is.
    let bytes = evidence::name::to_bytes(name);
    let last = bytes.len().saturating_sub(1);
    for (at, byte) in bytes.iter().copied().enumerate() {
        let plain = match byte {
            // A name of dots only would mean a folder; Windows drops dots and spaces at the end.
            b'.' => at != last,
            b' ' => at != 0 && at != last,
            b'=' | b'%' | b'"' | b'*' | b':' | b'<' | b'>' | b'?' | b'|' | b'/' | b'\\' => false,
            _ => byte.is_ascii_graphic() && !(reserved && at == 0),
        };
        if plain {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("={byte:02X}"));
        }
    }
    if encoded.len() > MAX_COMPONENT {
        // The beginning stays for people, the digest keeps names apart. `=~` cannot come out of the encoding.
        let digest = evidence::hex(&crate::digest::sha256(&bytes)[..8]);
        let mut end = MAX_COMPONENT - 2 - digest.len();
        while encoded.as_bytes()[end.saturating_sub(2)..end].contains(&b'=') {
            end -= 1;
        }
        encoded.truncate(end);
        encoded.push_str("=~");
        encoded.push_str(&digest);
    }
    encoded
}

/// A name for a file or folder beside a bundle, encoded as the names in it are, so that every system can store it.
pub fn encoded_name(name: &str) -> String {
    if name.is_empty() { "=~".to_owned() } else { component(name) }
}

/// Gives out names, each once, also on systems that ignore case and where a file cannot have the name of a folder.
#[derive(Default)]
pub(crate) struct Names {
    files: KeySet,
    folders: KeySet,
}

/// A name without regard to case, as a number. Should two names ever share one, the second gets a suffix that it
/// does not need.
fn key(name: &str) -> u64 {
    use std::hash::Hasher;
    let mut hasher = std::hash::DefaultHasher::new();
    hasher.write(name.to_ascii_lowercase().as_bytes());
    hasher.finish()
}

impl Names {
    /// The bundle path of an object: `data/raw/<volume>/<path>`, a stream as `<path>=3A<stream>`.
    pub(crate) fn allocate(&mut self, volume: &str, path: &str) -> String {
        let mut bundle_path = format!("data/raw/{}", component(volume));
        let components: Vec<&str> = path.split('\\').filter(|name| !name.is_empty()).collect();
        for (index, name) in components.iter().enumerate() {
            let is_file = index + 1 == components.len();
            let name = component(name);
            let wanted = format!("{bundle_path}/{name}");
            let mut candidate = wanted.clone();
            for number in 2u32.. {
                let key = key(&candidate);
                let taken = self.files.contains(key) || is_file && self.folders.contains(key);
                if !taken {
                    break;
                }
                candidate = format!("{wanted}=~{number}");
            }
            if !is_file {
                self.folders.insert(key(&candidate));
            }
            bundle_path = candidate;
        }
        if bundle_path.len() > MAX_PATH {
            let digest = evidence::hex(&crate::digest::sha256(bundle_path.as_bytes()));
            bundle_path = format!("data/raw/{}/=~long/{digest}", component(volume));
        }
        self.files.insert(key(&bundle_path));
        bundle_path
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn one(path: &str) -> String {
        Names::default().allocate("C", path)
    }

    #[test]
    fn ordinary_names_stay_readable() {
        assert_eq!(one(r"\Windows\System32\config\SYSTEM"), "data/raw/C/Windows/System32/config/SYSTEM");
        assert_eq!(one(r"\$Extend\$UsnJrnl:$J"), "data/raw/C/$Extend/$UsnJrnl=3A$J");
        assert_eq!(one(r"\a b\Sysmon%4Operational.evtx"), "data/raw/C/a b/Sysmon=254Operational.evtx");
    }

    #[test]
    fn hostile_names_stay_inside_and_are_kept_by_every_system() {
        assert_eq!(one(r"\..\..\etc"), "data/raw/C/.=2E/.=2E/etc");
        assert_eq!(one(r"\.\x. "), "data/raw/C/=2E/x.=20");
        assert_eq!(one("\\a/b\r\n\u{202e}"), "data/raw/C/a=2Fb=0D=0A=E2=80=AE");
        assert_eq!(one(r"\NUL\con.txt\com1\Comma"), "data/raw/C/=4EUL/=63on.txt/=63om1/Comma");
        assert_eq!(one("\\=41"), "data/raw/C/=3D41");
        assert_eq!(one(&evidence::name::from_bytes(b"\\J\x81rg")), "data/raw/C/J=81rg");
        for path in [r"\..", "\\\u{0}", "\\\u{e9}", "\\e\u{301}", r"\...", "\\ "] {
            let name = one(path);
            assert!(name.bytes().all(|b| b.is_ascii_graphic()), "{name}");
            assert!(!name.split('/').any(|part| part.is_empty() || part.ends_with('.')), "{name}");
        }
    }

    #[test]
    fn every_object_gets_its_own_name() {
        let mut names = Names::default();
        let paths = [r"\a\B", r"\A\b", r"\a", r"\a\b\c", r"\a:x", r"\a=3Ax"];
        let given: Vec<String> = paths.iter().map(|path| names.allocate("C", path)).collect();
        assert_eq!(given[1], "data/raw/C/A/b=~2");
        assert_eq!(given[2], "data/raw/C/a=~2");
        assert_eq!(given[3], "data/raw/C/a/b=~3/c");
        let lower: HashSet<String> = given.iter().map(|name| name.to_lowercase()).collect();
        assert_eq!(lower.len(), paths.len(), "{given:?}");
    }

    #[test]
    fn long_names_are_cut_and_stay_apart() {
        let mut names = Names::default();
        let long = "\u{4e00}".repeat(255);
        let (a, b) = (names.allocate("C", &format!("\\{long}a")), names.allocate("C", &format!("\\{long}b")));
        assert_ne!(a, b);
        assert!(a.len() <= 220, "{a}");
        let deep = "\\x".repeat(5_000);
        assert!(names.allocate("C", &deep).len() < 200);
    }
}
