//! Zip archives that triage programs leave behind.

use super::{Candidate, Opened, Refusal};
use crate::source::tree::{self, archive::zip};
use std::sync::Arc;

/// Whether it ends as a zip archive does, whatever stands before: the program that unpacks it, other bytes, or less than
/// there was, because its beginning is lost. Zip bytes somewhere in a file do not make it one.
pub(super) fn probe_end(candidate: &Candidate<'_>) -> bool {
    let lower = candidate.name.to_ascii_lowercase();
    // The comment of an archive can be longer than what is seen of the end here, and the end of a member of another archive
    // is not seen at all, since that costs unpacking it.
    let is_likely = [".zip", ".exe"].iter().any(|ending| lower.ends_with(ending))
        || memchr::memmem::find(&candidate.tail, b"PK\x05\x06").is_some();
    is_likely && zip::is_at_end(&*candidate.bytes)
}

/// Whether it begins as a zip archive does, or as one of several parts.
pub(super) fn probe(candidate: &Candidate<'_>) -> bool {
    [b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08"].iter().any(|magic| candidate.head.starts_with(*magic))
}

/// Why a bundle of this name is no source.
pub(crate) fn of_bundle(name: &str) -> Refusal {
    let advice = format!("analyse it with `comtrail analyze {name} -o CASE`");
    Refusal::new("it is a bundle of comtrail, and its files no longer lie where they lay on the host", advice)
}

/// Lists it.
pub(super) fn open(candidate: &Candidate<'_>) -> Result<Opened, Refusal> {
    const UNPACK: &str = "unpack it with its password and give the folder";
    let is_first_part = candidate.head.starts_with(b"PK\x07\x08");
    let part =
        || Refusal::new("it is one part of a split zip archive", "join the parts with `zip -s 0` and give the result");
    let mut problems = Vec::new();
    // Reading a member of another archive shows how long it is.
    let _ = candidate.bytes.read_at(0, &mut [0]);
    let opened = zip::open(candidate.bytes.clone(), candidate.name, candidate.spill, &mut problems);
    let (archive, facts) = match opened {
        // Of a split archive the first part has no directory and the last has nothing else.
        Ok((_, facts)) if facts.is_part => return Err(part()),
        Ok(_) if is_first_part && problems.iter().any(|problem| problem.what.contains("lost its directory")) => {
            return Err(part());
        }
        Ok(opened) => opened,
        Err(_) if is_first_part => return Err(part()),
        Err(error) => {
            let part = if probe(candidate) { "begins" } else { "ends" };
            let why = format!("it {part} like a zip archive, but {error}");
            return Err(Refusal::new(why, "unpack what can be unpacked and give the folder"));
        }
    };
    if tree::is_bundle(&archive) {
        return Err(of_bundle(candidate.name));
    }
    if facts.is_aff4 {
        return Err(Refusal::new(
            "it is an AFF4 image, which is not read",
            "convert it to a raw image or E01 and give that",
        ));
    }
    if facts.is_locked_collection {
        let why = "it is a collection that Velociraptor locked: data.zip in it is encrypted";
        return Err(Refusal::new(
            why,
            "import it into the server that holds the key, or unpack data.zip with its password, and give that",
        ));
    }
    if facts.files > 0 && facts.encrypted == facts.files {
        return Err(Refusal::new("it is a zip archive in which every file is encrypted with a password", UNPACK));
    }
    if facts.files > 0 && facts.shared >= facts.files {
        let why = "it is a zip archive of which all entries overlap, as in archives that are made to fill a disk";
        return Err(Refusal::new(why, "find out where it comes from; nothing of it is unpacked"));
    }
    Ok(Opened::Files(Arc::new(archive), problems))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An archive of stored entries with these flags, by hand.
    fn refusal_of(entries: &[(&str, u8)]) -> Option<String> {
        let (mut bytes, mut directory) = (Vec::new(), Vec::new());
        for (name, flags) in entries {
            let at = bytes.len() as u32;
            // No content, whose CRC-32 is 0.
            let fields = [&[20, 0, *flags][..], &[0; 19], &[name.len() as u8, 0, 0, 0]].concat();
            bytes.extend([b"PK\x03\x04", &fields[..], name.as_bytes()].concat());
            directory.extend([b"PK\x01\x02\x14\0", &fields[..], &[0; 10], &at.to_le_bytes(), name.as_bytes()].concat());
        }
        let (start, count) = (bytes.len() as u32, entries.len() as u16);
        bytes.extend(&directory);
        bytes.extend([b"PK\x05\x06\0\0\0\0", &count.to_le_bytes()[..], &count.to_le_bytes()].concat());
        bytes.extend([&(directory.len() as u32).to_le_bytes()[..], &start.to_le_bytes(), &[0; 2]].concat());
        let folder = tempfile::tempdir().unwrap();
        let spill = crate::Spill::into_folder(folder.path());
        let store: Arc<dyn crate::source::tree::Store> = Arc::new(crate::source::tree::Folder::new(folder.path()));
        let candidate = Candidate::new(&store, "", "a.zip", None, Arc::new(bytes), &spill).unwrap();
        assert!(probe(&candidate));
        open(&candidate).err().map(|refusal| refusal.why)
    }

    #[test]
    fn archives_that_cannot_be_read_are_named() {
        assert_eq!(refusal_of(&[("a", 0), ("b", 1)]), None);
        assert!(refusal_of(&[("f/", 0), ("f/a", 1), ("b", 1)]).unwrap().contains("encrypted with a password"));
        assert!(refusal_of(&[("data.zip", 1), ("metadata.json", 0)]).unwrap().contains("Velociraptor locked"));
    }
}
