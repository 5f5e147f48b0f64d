//! Tar archives, as UAC and acquire leave them behind.

use super::{Candidate, Opened, Refusal};
use crate::source::tree::archive::tar;
use std::sync::Arc;

/// Whether it begins with the header of a member.
pub(super) fn probe(candidate: &Candidate<'_>) -> bool {
    tar::is_header(&candidate.head)
}

/// Lists it.
pub(super) fn open(candidate: &Candidate<'_>) -> Result<Opened, Refusal> {
    let mut problems = Vec::new();
    let archive = tar::open(candidate.bytes.clone(), candidate.name, candidate.spill, &mut problems)
        .map_err(|error| Refusal::new(format!("it is a tar archive, but {error}"), "extract what can be"))?;
    Ok(Opened::Files(Arc::new(archive), problems))
}
