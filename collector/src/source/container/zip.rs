//! Zip archives that triage programs leave behind.

use super::{Candidate, Opened, Refusal};
use crate::source::tree::archive::zip;
use std::sync::Arc;

/// Whether it begins as a zip archive does.
pub(super) fn probe(candidate: &Candidate<'_>) -> bool {
    [b"PK\x03\x04", b"PK\x05\x06"].iter().any(|magic| candidate.head.starts_with(*magic))
}

/// Lists it.
pub(super) fn open(candidate: &Candidate<'_>) -> Result<Opened, Refusal> {
    let mut problems = Vec::new();
    let archive = zip::open(candidate.bytes.clone(), candidate.name, candidate.spill, &mut problems)
        .map_err(|error| Refusal::new(format!("it begins like a zip archive, but {error}"), "extract what can be"))?;
    Ok(Opened::Files(Arc::new(archive), problems))
}
