//! Files that nobody has looked at, so that nothing is called absent that only was not examined.

use crate::paths::PathKey;
use evidence::{LEADS_UNREAD, Problem, ProblemKind, Stage};
use std::collections::HashMap;

/// What the collection could not examine of the files that records name.
#[derive(Default)]
pub(super) struct Unread {
    /// By path without volume: each path that was looked for, and whether what came of it could be read.
    looked_for: HashMap<String, Vec<(PathKey, bool)>>,
    /// Whether files that records name were left out, or not asked for.
    is_incomplete: bool,
    /// Whether a part of the collection is missing, which may hold any of them.
    lacks_part: bool,
}

/// Why a file may be there all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Because {
    /// Reading failed.
    Unreadable,
    /// It was not looked for, or left out.
    NotLookedFor,
    /// A part of the collection is missing, and the file may be in it.
    PartMissing,
    /// What the evidence does not hold may have been on the volume all the same.
    NoFileSystem,
}

impl Unread {
    pub(super) fn new(failures: &[Problem]) -> Self {
        let mut unread = Unread::default();
        for problem in failures {
            let is_failure =
                matches!(problem.kind, ProblemKind::ReadFailed | ProblemKind::AccessDenied | ProblemKind::Locked);
            let is_of_acquiring = problem.stage == Stage::Acquire;
            let was_cut_off = matches!(problem.kind, ProblemKind::LimitReached | ProblemKind::Interrupted);
            let is_of_looking = is_of_acquiring || problem.stage == Stage::Locate;
            unread.lacks_part |= problem.stage == Stage::Bundle && problem.kind == ProblemKind::Interrupted;
            unread.is_incomplete |= is_of_looking && was_cut_off && problem.item.is_empty()
                || is_of_acquiring && is_failure && problem.what.starts_with(LEADS_UNREAD);
            let was_looked_for = problem.stage == Stage::Locate && problem.kind == ProblemKind::NotFound;
            if !problem.item.is_empty() && (was_looked_for || is_of_acquiring && is_failure) {
                let key = PathKey::new(&problem.item);
                unread.looked_for.entry(key.rest.clone()).or_default().push((key, was_looked_for));
            }
        }
        unread
    }

    /// Whether the collection looked for this file and says that it is not there.
    pub(super) fn was_looked_for(&self, path: &str) -> bool {
        let key = PathKey::new(path);
        let mut known = self.looked_for.get(&key.rest).into_iter().flatten();
        known.any(|(one, was_read)| *was_read && one.same_file(&key))
    }

    /// Why it cannot be said that none of these files is there; `None` where all were looked for.
    pub(super) fn any_of<'a>(&self, paths: impl Iterator<Item = &'a str>) -> Option<Because> {
        let mut because = None;
        for path in paths {
            let key = PathKey::new(path);
            let known = self.looked_for.get(&key.rest).into_iter().flatten().filter(|(one, _)| one.same_file(&key));
            match known.map(|(_, was_read)| *was_read).min() {
                Some(false) => return Some(Because::Unreadable),
                None if self.lacks_part => because = Some(Because::PartMissing),
                None if self.is_incomplete => because = Some(Because::NotLookedFor),
                Some(true) | None => {}
            }
        }
        because
    }
}

impl Because {
    /// Said of an assembly that may be there.
    pub(super) fn of_assembly(self) -> &'static str {
        match self {
            Because::Unreadable => "Whether the assembly is there could not be read",
            Because::NotLookedFor => "The assembly was not looked for, because the collection was cut off before",
            Because::PartMissing => {
                "Whether the assembly was collected is not known, because a part of the collection is missing"
            }
            Because::NoFileSystem => {
                "The assembly is not in the evidence, which holds no file system from which to tell whether it was there"
            }
        }
    }

    /// Said of an assembly that was deleted.
    pub(super) fn of_deleted(self) -> &'static str {
        match self {
            Because::Unreadable => "The assembly was deleted, and whether its content is still there could not be read",
            Because::NotLookedFor => {
                "The assembly was deleted, and its content was not looked for, because the collection was cut off before"
            }
            Because::PartMissing => {
                "The assembly was deleted, and whether its content was recovered is not known, because a part of the \
                 collection is missing"
            }
            Because::NoFileSystem => "The assembly was deleted, and its content is not in the evidence",
        }
    }

    /// Added to how the path was resolved.
    pub(super) fn of_path(self) -> &'static str {
        match self {
            Because::Unreadable => "; whether the file is there could not be read",
            Because::NotLookedFor => "; the file was not looked for",
            Because::PartMissing => "; whether the file was collected is not known",
            Because::NoFileSystem => {
                "; the file is not in the evidence, which holds no file system from which to tell whether it was there"
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(stage: Stage, kind: ProblemKind, item: &str, what: &str) -> Problem {
        Problem::new(stage, kind, item, what, "")
    }

    #[test]
    fn v9_only_what_was_looked_for_and_read_is_not_there() {
        let not_there = problem(Stage::Locate, ProblemKind::NotFound, r"C:\a\x.dll", "a record names it");
        let unread = problem(Stage::Acquire, ProblemKind::ReadFailed, r"c:\A\y.dll", "bad sector");
        let of = |failures: &[Problem], paths: &[&str]| Unread::new(failures).any_of(paths.iter().copied());
        let found = [not_there.clone(), unread.clone()];
        assert_eq!(of(&found, &[r"C:\a\x.dll", r"C:\a\z.dll"]), None, "everything was followed");
        assert_eq!(of(&found, &[r"C:\a\x.dll", r"C:\a\y.dll"]), Some(Because::Unreadable));
        for cut in [
            problem(Stage::Acquire, ProblemKind::LimitReached, "", "2 files were left out"),
            problem(Stage::Acquire, ProblemKind::Interrupted, "", "by the user"),
            problem(
                Stage::Acquire,
                ProblemKind::ReadFailed,
                r"C:\Security.evtx",
                &format!("{LEADS_UNREAD}: bad sector"),
            ),
        ] {
            let found = [not_there.clone(), cut];
            assert_eq!(of(&found, &[r"C:\a\x.dll"]), None, "it was looked for before");
            assert_eq!(of(&found, &[r"C:\a\x.dll", r"C:\a\z.dll"]), Some(Because::NotLookedFor));
        }
        let lacking = [not_there, problem(Stage::Bundle, ProblemKind::Interrupted, "part 1 of the collection A", "")];
        assert_eq!(of(&lacking, &[r"C:\a\x.dll"]), None, "a part that is there says that it was looked for");
        assert_eq!(of(&lacking, &[r"C:\a\x.dll", r"C:\a\z.dll"]), Some(Because::PartMissing));
        let elsewhere = problem(Stage::Acquire, ProblemKind::LimitReached, r"C:\big.bin", "too large");
        assert_eq!(of(&[elsewhere], &[r"C:\a\z.dll"]), None);
    }
}
