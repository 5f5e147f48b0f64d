//! Tells a person or a program how far the run is.

use parking_lot::Mutex;
use std::io::{IsTerminal, Write};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// How progress is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// Not at all.
    Silent,
    /// A bar on the terminal.
    Bar,
    /// Plain lines, where standard error is not a terminal.
    Lines,
    /// One JSON object a line.
    Json,
}

impl Style {
    /// What the options and the terminal call for.
    pub(crate) fn choose(quiet: bool, json: bool) -> Style {
        if json {
            Style::Json
        } else if quiet {
            Style::Silent
        } else if std::io::stderr().is_terminal() {
            Style::Bar
        } else {
            Style::Lines
        }
    }
}

/// The phases that a command goes through, in order; some of them may not come.
static STAGES: OnceLock<&'static [&'static str]> = OnceLock::new();

/// Says once which phases there will be, so that each is shown with its number.
pub(crate) fn expect(stages: &'static [&'static str]) {
    let _ = STAGES.set(stages);
}

/// What records name is collected while they are read, so that this phase has the other one within it.
const LEADS: &str = "following leads";
/// The phase that comes again within it.
const COLLECTING: &str = "collecting";

/// `[2/7] collecting`.
fn numbered(phase: &str) -> String {
    /// The phase before this one.
    static BEFORE: Mutex<String> = Mutex::new(String::new());
    let mut before = BEFORE.lock();
    let (shown, now) = numbered_after(STAGES.get().copied().unwrap_or_default(), &before, phase);
    *before = now;
    shown
}

/// How a phase is shown after another one, and which one it then is.
fn numbered_after(stages: &[&str], before: &str, phase: &str) -> (String, String) {
    let (now, shown) = match before == LEADS && phase == COLLECTING {
        true => (LEADS, format!("{LEADS}: {COLLECTING}")),
        false => (phase, phase.to_owned()),
    };
    let shown = match stages.iter().position(|stage| *stage == now) {
        Some(place) => format!("[{}/{}] {shown}", place + 1, stages.len()),
        None => shown,
    };
    (shown, now.to_owned())
}

/// `, 3s left`; nothing before anything is done, since nothing is known then.
fn left(state: &indicatif::ProgressState, out: &mut dyn std::fmt::Write) {
    if state.pos() > 0 && state.eta().as_secs() > 0 {
        let _ = write!(out, ", {:#} left", indicatif::HumanDuration(state.eta()));
    }
}

/// The end of a path, which is what tells it from others.
fn end_of(what: &str) -> String {
    const MOST: usize = 40;
    let what = printable(what);
    match what.chars().count().checked_sub(MOST) {
        Some(more @ 1..) => format!("…{}", what.chars().skip(more + 1).collect::<String>()),
        _ => what,
    }
}

/// One phase of the run after another.
pub(crate) struct Progress {
    style: Style,
    started: Instant,
    state: Mutex<State>,
}

struct State {
    phase: &'static str,
    phase_started: Instant,
    done: u64,
    total: u64,
    last_shown: Option<Instant>,
    bar: Option<indicatif::ProgressBar>,
}

/// Between two updates; more often nobody can read.
const INTERVAL: Duration = Duration::from_millis(250);

impl Progress {
    /// Nothing has begun yet.
    pub(crate) fn new(style: Style) -> Self {
        let now = Instant::now();
        let state = State { phase: "", phase_started: now, done: 0, total: 0, last_shown: None, bar: None };
        Progress { style, started: now, state: Mutex::new(state) }
    }

    /// Begins a phase of `total` bytes, 0 where that is not known.
    pub(crate) fn phase(&self, phase: &'static str, total: u64) {
        let mut state = self.lock();
        if let Some(bar) = state.bar.take() {
            bar.finish_and_clear();
        }
        *state = State { phase, phase_started: Instant::now(), done: 0, total, last_shown: None, bar: None };
        match self.style {
            Style::Bar => {
                let template = if total > 0 {
                    "{prefix} {wide_bar} {bytes} of {total_bytes}, {elapsed}{left}\n  {msg}"
                } else {
                    "{prefix} {bytes}, {elapsed}\n  {msg}"
                };
                let style = indicatif::ProgressStyle::with_template(template)
                    .unwrap_or_else(|_| indicatif::ProgressStyle::default_bar())
                    .with_key("left", left);
                let bar =
                    if total > 0 { indicatif::ProgressBar::new(total) } else { indicatif::ProgressBar::no_length() };
                bar.set_style(style);
                bar.set_prefix(numbered(phase));
                state.bar = Some(bar);
            }
            Style::Lines => write_line(&numbered(phase)),
            Style::Json => self.write_json(&state, ""),
            Style::Silent => {}
        }
    }

    /// `bytes` more are done, at `what`.
    pub(crate) fn advance(&self, bytes: u64, what: &str) {
        let mut state = self.lock();
        state.done += bytes;
        if state.last_shown.is_some_and(|shown| shown.elapsed() < INTERVAL) {
            return;
        }
        state.last_shown = Some(Instant::now());
        match self.style {
            Style::Bar => {
                if let Some(bar) = &state.bar {
                    bar.set_position(state.done);
                    bar.set_message(end_of(what));
                }
            }
            Style::Json => self.write_json(&state, what),
            Style::Lines | Style::Silent => {}
        }
    }

    /// The number of bytes of this phase became known, or grew.
    pub(crate) fn total(&self, total: u64) {
        let mut state = self.lock();
        state.total = total;
        if let Some(bar) = &state.bar {
            bar.set_length(total);
        }
    }

    /// Ends the display.
    pub(crate) fn finish(&self) {
        if let Some(bar) = self.lock().bar.take() {
            bar.finish_and_clear();
        }
    }

    fn lock(&self) -> parking_lot::MutexGuard<'_, State> {
        self.state.lock()
    }

    fn write_json(&self, state: &State, what: &str) {
        let seconds = state.phase_started.elapsed().as_secs_f64();
        let rate = if seconds > 0.0 { state.done as f64 / seconds } else { 0.0 };
        let left = (state.total > state.done && rate > 0.0).then(|| (state.total - state.done) as f64 / rate);
        let line = serde_json::json!({
            "progress": state.phase,
            "current": what,
            "bytes_done": state.done,
            "bytes_total": (state.total > 0).then_some(state.total),
            "bytes_per_second": rate.round(),
            "seconds_left": left.map(f64::round),
            "seconds": (self.started.elapsed().as_secs_f64() * 10.0).round() / 10.0,
        });
        write_line(&line.to_string());
    }
}

/// A line on standard error. That it cannot be written must not end a collection.
fn write_line(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Names from evidence as a terminal may show them: control characters could move the cursor or change colours,
/// bidirectional ones could make a name read as another.
pub(crate) fn printable(text: &str) -> String {
    text.chars()
        .map(|c| {
            let hidden = c.is_control()
                || matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}');
            if hidden { format!("\\u{{{:x}}}", u32::from(c)) } else { c.to_string() }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_path_is_shown() {
        assert_eq!(end_of(r"C:\Windows\System32\config\SYSTEM"), r"C:\Windows\System32\config\SYSTEM");
        let long = end_of(r"C:\Windows\System32\winevt\Logs\Microsoft-Windows-Sysmon%4Operational.evtx");
        assert_eq!(long, "…rosoft-Windows-Sysmon%4Operational.evtx");
        assert!(long.chars().count() <= 40, "{long}");
    }

    #[test]
    fn phases_never_go_back() {
        let stages = ["locating", COLLECTING, LEADS, "sealing"];
        let mut before = String::new();
        let phases = ["locating", COLLECTING, LEADS, COLLECTING, LEADS, "sealing", "locating", COLLECTING, "other"];
        let shown: Vec<String> = phases
            .iter()
            .map(|phase| {
                let (shown, now) = numbered_after(&stages, &before, phase);
                before = now;
                shown
            })
            .collect();
        assert_eq!(
            shown,
            [
                "[1/4] locating",
                "[2/4] collecting",
                "[3/4] following leads",
                "[3/4] following leads: collecting",
                "[3/4] following leads",
                "[4/4] sealing",
                "[1/4] locating",
                "[2/4] collecting",
                "other"
            ]
        );
    }

    #[test]
    fn hostile_names_are_shown_as_they_are() {
        assert_eq!(printable("annex\u{202e}txt.dll\u{1b}[2J"), "annex\\u{202e}txt.dll\\u{1b}[2J");
    }
}
