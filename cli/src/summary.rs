//! What an analysis came to, for somebody at a terminal: the answer, one line for each run, the worst first, what is
//! registered now and what was cleared.

use crate::progress::printable;
use console::{Style, Term};
use evidence::{Answer, Citation, Clearing, Execution, Registration, RegistrationState};
use std::collections::BTreeSet;
use std::io::{self, Write};
use timeline::{Report, StatementKind};

/// How text is laid out.
pub(crate) struct Page {
    /// Columns of a line.
    pub(crate) width: usize,
}

/// Runs and attempts that have a line.
const MOST_LINES: usize = 50;
/// Names in a line.
const MOST_NAMES: usize = 3;

impl Page {
    /// As wide as the terminal; 80 columns where there is none.
    pub(crate) fn of_standard_output() -> Self {
        let term = Term::stdout();
        let width = if term.is_term() { usize::from(term.size().1) } else { 80 };
        Page { width: width.clamp(44, 200) }
    }

    /// Writes a text in lines that fit; a longer word stands whole. What a line after the first begins with is `indent`.
    pub(crate) fn wrapped(&self, out: &mut dyn Write, first: &str, indent: &str, text: &str) -> io::Result<()> {
        let text = printable(text);
        let (mut line, mut length) = (first.to_owned(), first.chars().count());
        let mut is_empty = true;
        for word in text.split(' ') {
            let more = word.chars().count();
            if !is_empty && length + 1 + more > self.width {
                writeln!(out, "{line}")?;
                (line, length, is_empty) = (indent.to_owned(), indent.chars().count(), true);
            }
            if !is_empty {
                line.push(' ');
                length += 1;
            }
            line.push_str(word);
            length += more;
            is_empty = false;
        }
        writeln!(out, "{line}")
    }

    /// A line with a name in front, as all facts at the end have.
    pub(crate) fn fact(&self, out: &mut dyn Write, name: &str, text: &str) -> io::Result<()> {
        self.wrapped(out, &format!("{name:<12} "), "             ", text)
    }

    /// What an analysis came to.
    pub(crate) fn report(&self, report: &Report, every_note: bool, out: &mut dyn Write) -> io::Result<()> {
        self.wrapped(out, "", "", &report.summary.answer)?;
        self.runs(report, out)?;
        self.attempts(report, out)?;
        writeln!(out)?;
        self.registered(&report.registrations, &|sources| report.rests_on_changed(sources), out)?;
        for (log, clearings) in report.clearings() {
            let when = |clearing: &&Clearing| {
                let at = clearing.at.map_or_else(|| "at a time not recorded".to_owned(), |at| seconds(&at.to_string()));
                format!("{at} by {}", clearing.by.as_deref().unwrap_or("an account not recorded"))
            };
            let told: Vec<String> = clearings.iter().map(when).collect();
            let told = few(told.iter().map(String::as_str));
            self.fact(out, "cleared", &format!("{log}: {told}; runs before that can be missing"))?;
        }
        self.notes(report, every_note, out)
    }

    fn runs(&self, report: &Report, out: &mut dyn Write) -> io::Result<()> {
        let runs: Vec<&Execution> = report.worst_first().into_iter().map(|run| &run.subject).collect();
        if runs.is_empty() {
            return Ok(());
        }
        writeln!(out)?;
        for run in runs.iter().take(MOST_LINES) {
            let when = match (run.started, run.not_after) {
                (Some(at), _) => seconds(&at.to_string()),
                (None, Some(at)) => format!("until {}", seconds(&at.to_string())),
                (None, None) => "time not recorded".to_owned(),
            };
            let who = run.user.as_ref().and_then(|user| user.name.as_deref().or(user.sid.as_deref()));
            let parent = run.parent.as_ref().and_then(|parent| parent.image.as_deref()).map(file_name);
            let about = [
                who.map_or("user not recorded", |name| name.rsplit('\\').next().unwrap_or(name)).to_owned(),
                parent.map_or_else(|| "parent not recorded".to_owned(), |name| format!("from {name}")),
                short_command(run),
            ];
            let (verdict, style) = verdict(run.method.runs);
            self.row(
                out,
                &run.id,
                &when,
                &format!("{verdict:<15}"),
                &style,
                &format!("{}{}", changed(report.run_rests_on_changed(run)), about.join("  ")),
            )?;
        }
        self.more(out, runs.len(), "runs")
    }

    fn attempts(&self, report: &Report, out: &mut dyn Write) -> io::Result<()> {
        for attempt in report.attempts.iter().take(MOST_LINES) {
            let when = attempt.started.map_or_else(|| "time not recorded".to_owned(), |at| seconds(&at.to_string()));
            let led_to = match &attempt.led_to {
                Some(run) => format!("asked for {run}"),
                None => "asked for a run".to_owned(),
            };
            let changed = changed(report.rests_on_changed(&attempt.sources));
            let about = format!("{changed}{}  {}", file_name(&attempt.image), attempt.command);
            self.row(out, &attempt.id, &when, &format!("{led_to:<15}"), &Style::new(), &about)?;
        }
        self.more(out, report.attempts.len(), "attempts")
    }

    /// One line where it fits in a form that still says something, else two.
    fn row(
        &self,
        out: &mut dyn Write,
        id: &str,
        when: &str,
        verdict: &str,
        style: &Style,
        about: &str,
    ) -> io::Result<()> {
        const LEAST: usize = 36;
        let about = printable(about);
        let head = format!("{id:<4} {when:<20}");
        let used = head.chars().count() + 2 + verdict.chars().count() + 2;
        let verdict = style.apply_to(verdict);
        match self.width.checked_sub(used).filter(|left| *left >= LEAST) {
            Some(left) => writeln!(out, "{head}  {verdict}  {}", cut(&about, left)),
            None => {
                writeln!(out, "{head}  {verdict}")?;
                writeln!(out, "     {}", cut(&about, self.width - 5))
            }
        }
    }

    fn more(&self, out: &mut dyn Write, all: usize, what: &str) -> io::Result<()> {
        match all.checked_sub(MOST_LINES) {
            Some(more @ 1..) => writeln!(out, "     and {more} more {what}, which the report lists"),
            _ => Ok(()),
        }
    }

    /// The managed classes that COM would load now.
    fn registered(
        &self,
        registrations: &[Registration],
        rests_on_changed: &dyn Fn(&[Citation]) -> bool,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        // COM replays the logs as soon as the hive is loaded.
        let current: Vec<&Registration> = registrations.iter().filter(|one| one.is_current()).collect();
        if current.is_empty() {
            return Ok(());
        }
        let of_users: BTreeSet<&str> =
            current.iter().filter_map(|one| one.of_users()).map(|loads| loads.path.as_str()).collect();
        let classes = match current.len() {
            1 => "1 managed class".to_owned(),
            count => format!("{count} managed classes"),
        };
        let in_log = current.iter().filter(|one| one.state == RegistrationState::LogOnly).count();
        let classes = match in_log {
            0 => classes,
            in_log if in_log == current.len() => format!("{classes} (only in the transaction log)"),
            in_log => format!("{classes} ({in_log} of them only in the transaction log)"),
        };
        let text = match of_users.len() {
            0 => format!(
                "{classes}, none of which is known to load a file from where ordinary users can write, or from a share"
            ),
            _ => format!(
                "{classes}; from where ordinary users can write, or from a share: {}",
                few(of_users.iter().copied())
            ),
        };
        let on_changed = current.iter().any(|one| rests_on_changed(&one.sources));
        self.fact(out, "registered", &format!("{}{text}", changed(on_changed)))
    }

    /// What limits the answer.
    fn notes(&self, report: &Report, all: bool, out: &mut dyn Write) -> io::Result<()> {
        let notes: Vec<_> = report.summary.statements.iter().filter(|one| one.kind != StatementKind::Finding).collect();
        if all {
            for note in notes {
                let text = match &note.about {
                    Some(about) => format!("{about}: {}", note.text),
                    None => note.text.clone(),
                };
                self.fact(out, "why", &format!("{}{text}", changed(report.statement_rests_on_changed(note))))?;
            }
        } else if !notes.is_empty() {
            let count = notes.len();
            let (are, it) = if count == 1 { ("sentence", "says") } else { ("sentences", "say") };
            self.fact(
                out,
                "why",
                &format!("{count} {are} of the report {it} why, and what is not known (-v shows them here)"),
            )?;
        }
        Ok(())
    }
}

/// What a line begins with that rests on an object which was changed after it was sealed.
fn changed(rests: bool) -> &'static str {
    if rests { "[changed] " } else { "" }
}

/// Whether code of an assembly is expected to have run, in two words.
fn verdict(answer: Answer) -> (&'static str, Style) {
    match answer {
        Answer::Yes => ("CODE EXPECTED", Style::new().red().bold()),
        Answer::Unknown => ("code not known", Style::new().yellow()),
        // In no colour: that nothing of it was to run is no statement that it is harmless.
        Answer::No => ("no code", Style::new()),
    }
}

/// `regasm /U T1218.009.dll`: the command line with the program's name instead of its path.
fn short_command(run: &Execution) -> String {
    let name = run.tool.name();
    let name = if run.renamed { format!("{} ({name})", file_name(&run.image)) } else { name.to_owned() };
    let Some(line) = run.command_line.as_deref() else { return format!("{name} (command line not recorded)") };
    let line = line.trim_start();
    let rest = match line.strip_prefix('"') {
        Some(quoted) => quoted.split_once('"').map_or("", |(_, rest)| rest),
        None => match line.get(..run.image.len()).is_some_and(|start| start.eq_ignore_ascii_case(&run.image)) {
            true => &line[run.image.len()..],
            false => line.split_once(char::is_whitespace).map_or("", |(_, rest)| rest),
        },
    };
    format!("{name} {}", rest.trim()).trim_end().to_owned()
}

fn file_name(path: &str) -> &str {
    path.rsplit(['\\', '/']).next().unwrap_or(path)
}

/// `2026-03-04T14:12:33.1200000Z` to `2026-03-04 14:12:33Z`.
fn seconds(time: &str) -> String {
    match time.split_once('.') {
        Some((whole, _)) => format!("{}Z", whole.replace('T', " ")),
        None => time.replace('T', " "),
    }
}

/// The first names, and how many more there are.
fn few<'a>(names: impl ExactSizeIterator<Item = &'a str>) -> String {
    let count = names.len();
    let mut text = names.take(MOST_NAMES).collect::<Vec<_>>().join(", ");
    if let Some(more @ 1..) = count.checked_sub(MOST_NAMES) {
        text.push_str(&format!(" and {more} more"));
    }
    text
}

/// A text of at most so many characters: its end is kept too, since that of a command line names the file.
pub(crate) fn cut(text: &str, most: usize) -> String {
    let length = text.chars().count();
    if length <= most {
        return text.to_owned();
    }
    let kept = most.saturating_sub(1);
    let (start, end) = (kept - kept / 2, kept / 2);
    let first: String = text.chars().take(start).collect();
    let last: String = text.chars().skip(length - end).collect();
    format!("{first}…{last}")
}

/// A text of at most so many characters, without its end.
pub(crate) fn cut_at_end(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let first: String = text.chars().take(most.saturating_sub(1)).collect();
    format!("{}…", first.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_fit_a_terminal() {
        let page = Page { width: 80 };
        let mut out = Vec::new();
        page.wrapped(&mut out, "  ", "  ", &"four ".repeat(40)).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.lines().count() > 2 && text.lines().all(|line| line.len() <= 80), "{text}");
        let mut out = Vec::new();
        page.wrapped(&mut out, "", "", "two words").unwrap();
        assert_eq!(out, b"two words\n");
        for width in [44, 50, 80, 140] {
            let page = Page { width };
            let mut out = Vec::new();
            let about = format!("joe  from cmd.exe  regasm /U {}.dll", "x".repeat(200));
            page.row(&mut out, "E1", "2026-03-04 14:12:33Z", "code not known ", &Style::new(), &about).unwrap();
            let text = String::from_utf8(out).unwrap();
            assert!(text.lines().all(|line| line.chars().count() <= width), "{width}: {text}");
            assert!(text.contains("joe") && text.trim_end().ends_with("x.dll"), "{text}");
            assert_eq!(text.lines().count(), if width < 80 { 2 } else { 1 });
        }
    }

    #[test]
    fn a_cut_keeps_both_ends() {
        assert_eq!(cut("abcdefghij", 10), "abcdefghij");
        assert_eq!(cut("abcdefghij", 7), "abc…hij");
        assert_eq!(cut("abcdefghij", 1), "…");
    }

    #[test]
    fn a_class_that_only_the_log_registers_is_registered() {
        let registration = |state: &str| Registration {
            id: String::new(),
            clsid: "{1}".to_owned(),
            view: evidence::RegistryView::Bits64,
            hive: r"C:\Windows\System32\config\SOFTWARE".to_owned(),
            user: None,
            server: Some("mscoree.dll".to_owned()),
            class: None,
            assembly: None,
            runtime_version: None,
            code_base: None,
            loads: None,
            threading_model: None,
            prog_id: None,
            last_written: None,
            state: RegistrationState::named(state).unwrap(),
            versions: Vec::new(),
            categories: Vec::new(),
            executions: Vec::new(),
            assemblies: Vec::new(),
            sources: Vec::new(),
        };
        let said = |states: &[&str]| {
            let mut out = Vec::new();
            let all: Vec<_> = states.iter().map(|state| registration(state)).collect();
            Page { width: 200 }.registered(&all, &|_| false, &mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        let three = said(&["current", "log_only", "current", "deleted", "before_log", "event"]);
        assert!(
            three.starts_with("registered   3 managed classes (1 of them only in the transaction log), none"),
            "{three}"
        );
        assert!(said(&["current"]).starts_with("registered   1 managed class, none"));
        assert!(said(&["log_only"]).starts_with("registered   1 managed class (only in the transaction log), none"));
        assert_eq!(said(&["deleted"]), "");
    }
}
