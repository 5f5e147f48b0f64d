//! Tar archives: ustar, pax, GNU and the form before them.
//!
//! Reference: POSIX.1-2017, *pax*, "ustar Interchange Format" and "pax Extended Header"; GNU tar manual, "Basic Tar
//! Format" and "Storing Sparse Files".

mod header;
mod sparse;

use super::{Archive, Member, Members};
use crate::spill::Spill;
use evidence::{Bytes, Problem, ProblemKind, Stage, name};
use header::{BLOCK, Bad, Described, Step};
pub(crate) use header::{has_magic, is_header, was_header};
use std::io;
use std::sync::Arc;

/// The archive.
struct Tar {
    bytes: Arc<dyn Bytes>,
    name: String,
}

/// Lists a tar archive.
pub(crate) fn open(
    bytes: Arc<dyn Bytes>,
    name: &str,
    spill: &Spill,
    problems: &mut Vec<Problem>,
) -> io::Result<Archive> {
    let tar = Tar { bytes, name: name.to_owned() };
    Archive::new(Box::new(tar), name, spill, problems)
}

impl Tar {
    fn problem(&self, kind: ProblemKind, what: String, effect: &str) -> Problem {
        Problem::new(Stage::Source, kind, name::shown(&self.name), what, effect)
    }

    /// Where the next header is, from this block on.
    fn next_header(&self, from: u64) -> io::Result<Option<u64>> {
        let mut blocks = vec![0; BLOCK * 128];
        let mut at = from;
        loop {
            // A hole that is larger than any disk is not read block by block.
            at = at.max(self.bytes.next_data(at) / BLOCK as u64 * BLOCK as u64);
            let read = self.bytes.read_full_at(at, &mut blocks)?;
            for (block, offset) in blocks[..read].chunks_exact(BLOCK).zip((at..).step_by(BLOCK)) {
                if is_header(block) {
                    return Ok(Some(offset));
                }
            }
            if read < blocks.len() {
                return Ok(None);
            }
            at += read as u64;
        }
    }

    /// Whether a member can begin or the archive can end here.
    fn is_border(&self, at: u64) -> io::Result<bool> {
        let mut block = [0; BLOCK];
        let read = self.bytes.read_full_at(at, &mut block)?;
        Ok(at == self.bytes.len() || read == BLOCK && (is_header(&block) || block.iter().all(|byte| *byte == 0)))
    }

    /// Goes on behind what is no header, and says what was passed over.
    fn resume(&self, from: u64, bad: Bad, after_end: bool, problems: &mut Vec<Problem>) -> io::Result<Option<u64>> {
        let at = from;
        let mut next = None;
        for end in bad.was.iter().flat_map(|(_, ends)| ends) {
            if next.is_none() && self.is_border(*end)? {
                next = Some(*end);
            }
        }
        if next.is_none() {
            next = self.next_header(bad.at.max(from) + BLOCK as u64)?;
        }
        let end = next.unwrap_or(self.bytes.len());
        let kind = ProblemKind::BadSignature {
            offset: bad.at,
            expected: "the header of a member".to_owned(),
            actual: bad.why.to_owned(),
        };
        let (what, effect) = if let Some((name, _)) = &bad.was {
            let name = super::shortened(&name::shown(name));
            (
                format!("the header of {name} at offset {} in the tar archive is damaged: it has {}", bad.at, bad.why),
                "that member is not read, and its name can be what is damaged; those behind it are",
            )
        } else if after_end {
            (format!("{} bytes follow the end of the tar archive", end - at), "what they are is not known")
        } else {
            (
                format!("{} bytes of the tar archive at offset {at} cannot be understood", end - at),
                "members that lie there are not seen",
            )
        };
        problems.push(self.problem(kind, what, effect));
        Ok(next)
    }

    fn walk(
        &self,
        at: &mut u64,
        take: &mut dyn FnMut(u64, Member) -> io::Result<()>,
        problems: &mut Vec<Problem>,
    ) -> io::Result<()> {
        let length = self.bytes.len();
        let mut after_end = false;
        let mut parts = 0u64;
        let mut is_cut = false;
        while *at < length {
            match header::read(&*self.bytes, *at)? {
                Step::Member(described) => {
                    let Described { member, next, kind, data, stored, .. } = *described;
                    after_end = false;
                    if kind == b'M' {
                        parts += 1;
                    } else if kind != b'V' {
                        take(*at, member)?;
                    }
                    if data.saturating_add(stored) > length {
                        let there = length.saturating_sub(data);
                        let kind = ProblemKind::Truncated { offset: length, expected: stored, actual: there };
                        let what = "the tar archive ends within its last member".to_owned();
                        let effect =
                            "what is there of that member is kept; its end, and the members after it, are missing";
                        problems.push(self.problem(kind, what, effect));
                        is_cut = true;
                    }
                    *at = next.unwrap_or(length);
                }
                Step::Zeros => {
                    after_end = true;
                    let data = self.bytes.next_data(*at) / BLOCK as u64 * BLOCK as u64;
                    *at = data.max(*at + BLOCK as u64);
                }
                Step::Bad(bad) => match self.resume(*at, bad, after_end, problems)? {
                    Some(next) => *at = next,
                    None => *at = length,
                },
            }
        }
        if parts > 0 {
            let kind = ProblemKind::UnsupportedVersion { found: "an archive of several volumes".to_owned() };
            let what = format!("files of this tar archive that begin in the volume before it: {parts}");
            problems.push(self.problem(
                kind,
                what,
                "they are not seen; join the volumes with tar -M and give the result",
            ));
        }
        if !after_end && !is_cut {
            let kind = ProblemKind::Truncated { offset: length, expected: 2 * BLOCK as u64, actual: 0 };
            let what = "the tar archive has no end mark".to_owned();
            problems.push(self.problem(
                kind,
                what,
                "it may have been cut, and members after its last one may be missing",
            ));
        }
        Ok(())
    }

    fn described(&self, at: u64) -> io::Result<Described> {
        match header::read(&*self.bytes, at)? {
            Step::Member(described) => Ok(*described),
            _ => Err(io::Error::new(io::ErrorKind::InvalidData, "its header is not there any more")),
        }
    }
}

impl Members for Tar {
    fn backslash_separates(&self) -> bool {
        false
    }

    fn each(&self, take: &mut dyn FnMut(u64, Member) -> io::Result<()>, problems: &mut Vec<Problem>) -> io::Result<()> {
        let mut at = 0;
        let mut ours = false;
        let result = self.walk(&mut at, &mut |at, member| take(at, member).inspect_err(|_| ours = true), problems);
        match result {
            Err(error) if !ours => {
                let what = format!("the tar archive cannot be read from offset {at} on: {error}");
                problems.push(self.problem(ProblemKind::ReadFailed, what, "members that lie there are not seen"));
                Ok(())
            }
            other => other,
        }
    }

    fn member(&self, at: u64) -> io::Result<Member> {
        Ok(self.described(at)?.member)
    }

    fn open(&self, at: u64, _: &Spill) -> io::Result<Arc<dyn Bytes>> {
        let described = self.described(at)?;
        sparse::open(&self.bytes, &described)
    }
}

#[cfg(test)]
mod tests;
