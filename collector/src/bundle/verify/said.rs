//! What the action log and the files of the bag say of one thing, in rows that are sorted and compared.

use crate::digest::sha256;
use crate::spill::Sorter;
use evidence::{Item, ItemStatus, Problem};
use std::io;

/// What two places say of one thing, so that it can be seen whether both do.
pub(super) struct Said {
    key: Vec<u8>,
    by_log: bool,
}

impl Said {
    pub(super) fn push(self, said: &mut Sorter) -> io::Result<()> {
        said.push(&self.key, &[u8::from(self.by_log)])
    }
}

pub(super) const OF_ERROR: u8 = b'e';
pub(super) const OF_OBJECT: u8 = b'o';

pub(super) fn object(path: &str, round: u64, bytes: u64, result: &str, digest: &str, by_log: bool) -> Said {
    let facts = sha256(format!("{round} {bytes} {result} {digest}").as_bytes());
    Said { key: [&[OF_OBJECT], path.as_bytes(), &facts].concat(), by_log }
}

pub(super) fn error(what: &str, by_log: bool) -> Said {
    Said { key: [&[OF_ERROR][..], &sha256(what.as_bytes())].concat(), by_log }
}

pub(super) fn of_object(item: &Item) -> Said {
    let result = match item.status {
        ItemStatus::Complete => "complete",
        ItemStatus::Partial => "partial",
        ItemStatus::Failed => "failed",
    };
    object(&item.original_path, item.round.into(), item.stored_size, result, &item.sha256, false)
}

pub(super) fn of_failure(problem: &Problem) -> Said {
    let what = problem.what.rsplit_once("; the same was met ").map_or(problem.what.as_str(), |(what, _)| what);
    error(what, false)
}

/// Whether it stands for problems that are counted and not listed.
pub(super) fn is_counted(problem: &Problem) -> bool {
    problem.what.ends_with("more problems of this kind were met, which are not listed")
}
