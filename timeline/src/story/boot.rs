//! When the machine started and stopped.
//!
//! Reference: Microsoft, *Kernel-General 12 and 13*; *EventLog 6005, 6006, 6008*; *Kernel-Power 41*.

use super::clock::{Machine, Stamp};
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
    machine: Machine,
    /// The name that it had then.
    computer: String,
    started: Option<Stamp>,
    ended: Option<Stamp>,
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
    /// Takes a sign of a machine, under the name that it has. Returns whether a new boot of it begins with that.
    pub(super) fn sign(
        &mut self,
        (machine, computer): (Machine, &str),
        sign: BootSign,
        at: Stamp,
        source: Source,
    ) -> bool {
        let open = self.runs.iter_mut().rev().find(|run| run.machine == machine);
        match sign {
            BootSign::Started(start) => {
                let started = start.map_or(at, |start| at.of_the_same_clock(start));
                match open {
                    Some(run) if run.recorded && run.started.map(|at| at.recorded) == Some(started.recorded) => {
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
                    _ => self.open((machine, computer), started, true, "the kernel recorded its start", source),
                }
            }
            BootSign::LogStarted | BootSign::AuditStarted | BootSign::FirstProcess => match open {
                Some(run) if run.ended.is_none() && near(run.started, at) => {
                    if sign != BootSign::FirstProcess {
                        push(&mut run.sources, source);
                    }
                    false
                }
                _ => {
                    let because = match sign {
                        BootSign::LogStarted => "the event log service started; the kernel's own record is missing",
                        BootSign::AuditStarted => "the audit of the system started; the kernel's own record is missing",
                        _ => "a first process of a start was recorded; the kernel's own record is missing",
                    };
                    self.open((machine, computer), at, false, because, source)
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

    fn open(
        &mut self,
        (machine, computer): (Machine, &str),
        started: Stamp,
        recorded: bool,
        because: &str,
        source: Source,
    ) -> bool {
        if self.runs.len() < MOST {
            self.runs.push(Run {
                machine,
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
    pub(super) fn end_after(&self, machine: Option<Machine>, at: Filetime) -> Option<Filetime> {
        self.changes(machine).filter(|change| *change > at).min()
    }

    /// When the machine last stopped or started before a moment, at most so many ticks before it.
    pub(super) fn change_before(&self, machine: Option<Machine>, at: Filetime, ticks: i64) -> Option<Filetime> {
        let earliest = at.checked_add_ticks(ticks.checked_neg()?)?;
        Some(self.changes(machine).filter(|change| *change <= at).max().map_or(earliest, |last| last.max(earliest)))
    }

    fn changes(&self, machine: Option<Machine>) -> impl Iterator<Item = Filetime> {
        let of_it = self.runs.iter().filter(move |run| machine.is_none_or(|machine| run.machine == machine));
        of_it.flat_map(|run| [run.started, run.ended]).flatten().map(|at| at.recorded)
    }

    pub(super) fn finish(self, places: &Places) -> Vec<Boot> {
        self.runs
            .into_iter()
            .map(|run| Boot {
                started: run.started.map(|at| at.recorded),
                started_corrected: run.started.and_then(Stamp::corrected),
                ended: run.ended.map(|at| at.recorded),
                ended_corrected: run.ended.and_then(Stamp::corrected),
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

fn near(one: Option<Stamp>, other: Stamp) -> bool {
    one.is_some_and(|one| other.ticks_since(one).abs() <= ONE_START)
}
