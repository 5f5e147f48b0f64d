//! Problems as they come, without a million equal ones taking a million times the memory.

use crate::problem::{Problem, ProblemKind, Stage};
use std::collections::{BTreeMap, BTreeSet};

/// Problems of one wording that are listed with their items; further ones are counted.
const LISTED: usize = 50;
/// The words around the count of the further ones.
const SAME: &str = "; the same was met ";
const TIMES: &str = " more times";
/// Wordings of one step and kind that are kept apart; problems of further ones are counted together.
const WORDINGS: usize = 2_000;

/// What equal problems share.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Wording {
    stage: Stage,
    kind: ProblemKind,
    what: String,
    effect: String,
    is_note: bool,
}

/// The first problems of one wording, in their order, and how many more there are.
#[derive(Clone, Debug, Default)]
struct Equal {
    listed: BTreeSet<Problem>,
    more: u64,
}

impl Equal {
    fn add(&mut self, problem: Problem) {
        self.listed.insert(problem);
        if self.listed.len() > LISTED {
            // The last goes, whichever came first: so the order in which threads find them decides nothing.
            self.listed.pop_last();
            self.more += 1;
        }
    }
}

/// Every problem of a run. The same problem twice is one.
#[derive(Clone, Debug, Default)]
pub struct Problems {
    by_wording: BTreeMap<Wording, Equal>,
    /// How many wordings a step has of a kind; notes have room of their own.
    wordings: BTreeMap<(Stage, &'static str, bool), usize>,
    /// Problems of wordings that there was no room for.
    unlisted: BTreeMap<(Stage, &'static str, bool), (ProblemKind, u64)>,
}

impl Problems {
    /// Takes one.
    pub fn push(&mut self, problem: Problem) {
        let wording = Wording {
            stage: problem.stage,
            kind: problem.kind.clone(),
            what: problem.what.clone(),
            effect: problem.effect.clone(),
            is_note: problem.is_note,
        };
        if let Some(equal) = self.by_wording.get_mut(&wording) {
            equal.add(problem);
            return;
        }
        let step = (problem.stage, problem.kind.name(), problem.is_note);
        let wordings = self.wordings.entry(step).or_default();
        if *wordings >= WORDINGS {
            self.unlisted.entry(step).or_insert((problem.kind, 0)).1 += 1;
            return;
        }
        *wordings += 1;
        self.by_wording.entry(wording).or_default().add(problem);
    }

    /// How many more there were of the wording of this problem, where it is the one that counts those without a place in
    /// the list.
    pub fn counted(problem: &Problem) -> Option<u64> {
        let (_, count) = problem.what.rsplit_once(SAME)?;
        count.strip_suffix(TIMES).filter(|_| problem.item.is_empty())?.parse().ok()
    }

    /// The problems in order; where there are too many to list, one more that counts the rest.
    pub fn into_vec(self) -> Vec<Problem> {
        let mut all = Vec::new();
        for (wording, equal) in self.by_wording {
            all.extend(equal.listed);
            if equal.more > 0 {
                let what = format!("{}{SAME}{}{TIMES}", wording.what, equal.more);
                let more = Problem::new(wording.stage, wording.kind, "", what, wording.effect);
                all.push(Problem { is_note: wording.is_note, ..more });
            }
        }
        for ((stage, _, is_note), (kind, count)) in self.unlisted {
            let (what, effect) = match is_note {
                true => ("notes", "everything that was meant to be read was read all the same"),
                false => ("problems", "what they cost is not said one by one"),
            };
            let what = format!("{count} more {what} of this kind were met, which are not listed");
            all.push(Problem { is_note, ..Problem::new(stage, kind, "", what, effect) });
        }
        all.sort();
        all
    }

    /// How many there are, counted ones included.
    pub fn len(&self) -> u64 {
        let listed = self.by_wording.values().map(|equal| equal.listed.len() as u64 + equal.more);
        listed.sum::<u64>() + self.unlisted.values().map(|(_, count)| count).sum::<u64>()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.by_wording.is_empty()
    }
}

impl Extend<Problem> for Problems {
    fn extend<T: IntoIterator<Item = Problem>>(&mut self, problems: T) {
        problems.into_iter().for_each(|problem| self.push(problem));
    }
}

impl FromIterator<Problem> for Problems {
    fn from_iter<T: IntoIterator<Item = Problem>>(problems: T) -> Self {
        let mut all = Problems::default();
        all.extend(problems);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(item: u64, what: &str) -> Problem {
        Problem::new(Stage::Parse, ProblemKind::ReadFailed, format!("{item:07}"), what, "an effect")
    }

    #[test]
    fn few_are_listed_in_order_and_once() {
        let all: Problems = [problem(2, "a"), problem(1, "b"), problem(1, "a"), problem(2, "a")].into_iter().collect();
        let items: Vec<(String, String)> = all.into_vec().into_iter().map(|one| (one.item, one.what)).collect();
        let pair = |item: &str, what: &str| (item.to_owned(), what.to_owned());
        assert_eq!(items, [pair("0000001", "a"), pair("0000001", "b"), pair("0000002", "a")]);
    }

    #[test]
    fn many_equal_ones_are_counted_whatever_their_order() {
        let forward: Problems = (0..1_000_000).map(|item| problem(item, "it is empty")).collect();
        let backward: Problems = (0..1_000_000).rev().map(|item| problem(item, "it is empty")).collect();
        assert_eq!(forward.len(), 1_000_000);
        let listed = forward.into_vec();
        assert_eq!(listed.len(), LISTED + 1);
        assert_eq!(listed, backward.into_vec());
        assert_eq!(listed[0].what, "it is empty; the same was met 999950 more times");
        assert_eq!((listed[1].item.as_str(), listed[LISTED].item.as_str()), ("0000000", "0000049"));
    }

    #[test]
    fn many_notes_hide_no_problem() {
        let notes = (0..10_000).map(|item| problem(item, &format!("offset {item}")).as_note());
        let all: Problems = notes.chain([problem(0, "offset 0"), problem(1, "another")]).collect();
        let (notes, problems): (Vec<_>, Vec<_>) = all.into_vec().into_iter().partition(|one| one.is_note);
        assert_eq!((notes.len(), problems.len()), (WORDINGS + 1, 2));
        assert!(notes.iter().any(|one| one.what.starts_with("8000 more notes of this kind")));
        assert_eq!(["another", "offset 0"], [1, 0].map(|at: usize| problems[at].what.as_str()));
    }

    #[test]
    fn many_different_ones_are_counted_by_kind() {
        let all: Problems = (0..10_000).map(|item| problem(item, &format!("offset {item}"))).collect();
        assert_eq!(all.len(), 10_000);
        let listed = all.into_vec();
        assert_eq!(listed.len(), WORDINGS + 1);
        assert!(listed.iter().any(|one| one.what.starts_with("8000 more problems of this kind")));
    }
}
