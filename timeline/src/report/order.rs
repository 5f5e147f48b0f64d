//! In which order runs are told.

use super::answer::each_clearing;
use super::model::{Judged, Report};
use evidence::{Answer, Clearing, Execution, Step};
use std::cmp::Reverse;

impl Report {
    /// The clearings of each log by its name, each once and in the order of time.
    pub fn clearings(&self) -> Vec<(&str, Vec<&Clearing>)> {
        each_clearing(&self.coverage)
    }

    /// The runs as they are told to people, the worst first: an effect was observed, a method is expected to have run, it is
    /// not known, none is; among equals the one for which the findings count most, then the earlier.
    pub fn worst_first(&self) -> Vec<&Judged<Execution>> {
        let mut runs: Vec<&Judged<Execution>> = self.executions.iter().collect();
        runs.sort_by_key(|run| {
            let method = match run.method.runs {
                Answer::Yes => 0,
                Answer::Unknown => 1,
                Answer::No => 2,
            };
            let counts: i64 = run.findings.iter().map(|finding| finding.counts).sum();
            let at = run.started.or(run.not_after);
            (run.proof.shown < Step::L5, method, Reverse(counts), at.is_none(), at)
        });
        runs
    }
}
