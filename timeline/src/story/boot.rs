//! When the machine started and stopped.
//!
//! Reference: Microsoft, *Kernel-General 12 and 13*; *EventLog 6005, 6006, 6008*; *Kernel-Power 41*.

use super::log_event::BootSign;
use super::source::{Places, Source};
use crate::host::Boot;
use evidence::Filetime;

const MINUTE: i64 = 60 * 10_000_000;
/// Signs of one start lie at most this far apart.
const ONE_START: i64 = 10 * MINUTE;
/// Most boots kept; a log with more is damaged or hostile.
const MOST: usize = 10_000;

struct Run {
    computer: String,
    started: Option<Filetime>,
    ended: Option<Filetime>,
    /// A record of the kernel says so.
    recorded: bool,
    because: String,
    sources: Vec<Source>,
}

/// The boots seen so far.
#[derive(Default)]
pub(super) struct Boots {
    runs: Vec<Run>,
}

impl Boots {
    /// Takes a sign. Returns whether a new boot of that computer begins with it.
    pub(super) fn sign(&mut self, computer: &str, sign: BootSign, at: Filetime, source: Source) -> bool {
        let open = self.runs.iter_mut().rev().find(|run| run.computer == computer);
        match sign {
            BootSign::Started(start) => {
                let started = start.unwrap_or(at);
                match open {
                    Some(run) if run.recorded && run.started == Some(started) => {
                        push(&mut run.sources, source);
                        false
                    }
                    // An earlier sign of the same start: the kernel's time is the better one.
                    Some(run) if !run.recorded && run.ended.is_none() && near(run.started, started) => {
                        (run.started, run.recorded) = (Some(started), true);
                        "the kernel recorded its start".clone_into(&mut run.because);
                        push(&mut run.sources, source);
                        false
                    }
                    _ => self.open(computer, started, true, "the kernel recorded its start", source),
                }
            }
            BootSign::LogStarted | BootSign::FirstProcess => match open {
                Some(run) if run.ended.is_none() && near(run.started, at) => {
                    if sign == BootSign::LogStarted {
                        push(&mut run.sources, source);
                    }
                    false
                }
                _ => {
                    let because = match sign {
                        BootSign::LogStarted => "the event log service started; the kernel's own record is missing",
                        _ => "a first process of a start was recorded; the kernel's own record is missing",
                    };
                    self.open(computer, at, false, because, source)
                }
            },
            BootSign::Stopped => {
                if let Some(run) = open
                    && run.ended.is_none_or(|ended| at.ticks_since(ended) <= ONE_START)
                {
                    run.ended = Some(at);
                    push(&mut run.sources, source);
                }
                false
            }
            BootSign::Unclean => {
                if let Some(run) = open {
                    push(&mut run.sources, source);
                    if !run.because.contains("not clean") {
                        run.because.push_str("; the end before it was not clean");
                    }
                }
                false
            }
        }
    }

    fn open(&mut self, computer: &str, started: Filetime, recorded: bool, because: &str, source: Source) -> bool {
        if self.runs.len() < MOST {
            self.runs.push(Run {
                computer: computer.to_owned(),
                started: Some(started),
                ended: None,
                recorded,
                because: because.to_owned(),
                sources: vec![source],
            });
        }
        true
    }

    /// When the machine, which ran at a moment, next stopped or started, as far as that is recorded.
    pub(super) fn end_after(&self, computer: Option<&str>, at: Filetime) -> Option<Filetime> {
        self.changes(computer).filter(|change| *change > at).min()
    }

    /// When the machine last stopped or started before a moment, at most so many ticks before it.
    pub(super) fn change_before(&self, computer: Option<&str>, at: Filetime, ticks: i64) -> Option<Filetime> {
        let earliest = at.checked_add_ticks(ticks.checked_neg()?)?;
        Some(self.changes(computer).filter(|change| *change <= at).max().map_or(earliest, |last| last.max(earliest)))
    }

    fn changes(&self, computer: Option<&str>) -> impl Iterator<Item = Filetime> {
        let of_it = self.runs.iter().filter(move |run| computer.is_none_or(|computer| run.computer == computer));
        of_it.flat_map(|run| [run.started, run.ended]).flatten()
    }

    pub(super) fn finish(self, places: &Places) -> Vec<Boot> {
        self.runs
            .into_iter()
            .map(|run| Boot {
                started: run.started,
                ended: run.ended,
                inferred: !run.recorded,
                because: run.because,
                computer: Some(run.computer),
                sources: run.sources.iter().map(|source| places.plain(source)).collect(),
            })
            .collect()
    }
}

fn push(sources: &mut Vec<Source>, source: Source) {
    if sources.len() < 8 && !sources.contains(&source) {
        sources.push(source);
    }
}

fn near(one: Option<Filetime>, other: Filetime) -> bool {
    one.is_some_and(|one| other.ticks_since(one).abs() <= ONE_START)
}
