//! Tar archives, as UAC and acquire leave them behind.

use super::{Candidate, Opened, Refusal};
use crate::source::tree::archive::tar;
use std::sync::Arc;

/// Whether it begins with the header of a member, or with what is left of one.
pub(super) fn probe(candidate: &Candidate<'_>) -> bool {
    let head = &candidate.head;
    tar::is_header(head) || tar::was_header(head) && (tar::has_magic(head) || has_further_header(head))
}

/// Whether another header stands at one of the next places where it can.
fn has_further_header(head: &[u8]) -> bool {
    head.chunks_exact(512).skip(1).any(tar::is_header)
}

/// Lists it.
pub(super) fn open(candidate: &Candidate<'_>) -> Result<Opened, Refusal> {
    let mut problems = Vec::new();
    let archive = tar::open(candidate.bytes.clone(), candidate.name, candidate.spill, &mut problems)
        .map_err(|error| Refusal::new(format!("it is a tar archive, but {error}"), "extract what can be"))?;
    Ok(Opened::Files(Arc::new(archive), problems))
}
