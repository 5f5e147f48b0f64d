//! Zip archives that triage programs leave behind.

use super::{Candidate, Opened, Refusal};
use crate::source::tree::archive::zip;
use std::sync::Arc;

/// Whether it begins as a zip archive does, or as one of several parts.
pub(super) fn probe(candidate: &Candidate<'_>) -> bool {
    [b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08"].iter().any(|magic| candidate.head.starts_with(*magic))
}

/// Lists it.
pub(super) fn open(candidate: &Candidate<'_>) -> Result<Opened, Refusal> {
    const UNPACK: &str = "unpack it with its password and give the folder";
    let is_first_part = candidate.head.starts_with(b"PK\x07\x08");
    let part =
        || Refusal::new("it is one part of a split zip archive", "join the parts with `zip -s 0` and give the result");
    let mut problems = Vec::new();
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
            let why = format!("it begins like a zip archive, but {error}");
            return Err(Refusal::new(why, "unpack what can be unpacked and give the folder"));
        }
    };
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
