//! The journal: every action and every object as it happens, in a file of its own beside the bundle that grows.
//!
//! The bundle describes itself only when it is sealed. What describes it until then is kept in memory and in nameless
//! files, which go when the program is killed; the journal stays, and `recover` makes a bundle of both. One JSON object a
//! line; a last line that is cut off is none. When the bundle is sealed and was read back, the journal has done its duty
//! and is removed, since the bundle then holds all of it.

use super::about::About;
use super::failures;
use crate::zip::writer::Output;
use evidence::{Item, Problem};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeSet;
use std::io::{self, BufRead, Read, SeekFrom};
use std::path::{Path, PathBuf};

/// What is appended to the name of the unfinished bundle.
const SUFFIX: &str = ".log";

/// The journal of an unfinished bundle.
pub(crate) fn journal_of(partial: &Path) -> PathBuf {
    let mut name = partial.as_os_str().to_owned();
    name.push(SUFFIX);
    PathBuf::from(name)
}

/// An object as the journal has it.
#[derive(Serialize, Deserialize)]
pub(crate) struct Noted {
    pub(crate) item: Item,
    /// Where its local header begins in the unfinished bundle; nowhere when nothing was obtained.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) at: Option<u64>,
    /// What went wrong with it, as `failures.jsonl` has it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) problems: Vec<Value>,
}

/// What was learned of an object after it was acquired.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Later {
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub(crate) wanted_by: BTreeSet<String>,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub(crate) named_by: BTreeSet<String>,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub(crate) named_as: BTreeSet<String>,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub(crate) companions: BTreeSet<String>,
}

/// What was learned later of an object that the journal already has.
#[derive(Serialize, Deserialize)]
pub(crate) struct Learned {
    /// Its path, as [`Item::exact_path`] has it.
    pub(crate) path: String,
    /// File record number and sequence of a deleted file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) mft: Option<(u64, u16)>,
    #[serde(flatten)]
    pub(crate) more: Later,
}

/// A line of the journal.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Line {
    /// What the bag is: the first line.
    About(Box<About>),
    /// A line of the action log, as it stands there.
    Action(Value),
    /// A long object is being read from here on; what became of it is not known yet.
    Reading(Box<Noted>),
    /// What became of an object.
    Object(Box<Noted>),
    /// Who else asks for an object, or names it.
    Learned(Box<Learned>),
    /// What is wrong with the image as a whole, as far as it was read; the last such line counts.
    Image(Vec<Value>),
    /// What went wrong with something else.
    Problem(Value),
}

/// Writes the journal.
pub(crate) struct Journal {
    output: Box<dyn Output>,
    /// Where its last whole line ends.
    at: u64,
    /// Lines that are not written yet.
    held: Vec<u8>,
}

impl Journal {
    pub(crate) fn new(output: Box<dyn Output>) -> Self {
        Journal { output, at: 0, held: Vec::new() }
    }

    /// Adds a line, which is written with the next flush; gives its length.
    pub(crate) fn add(&mut self, line: &Line) -> io::Result<u64> {
        let before = self.held.len();
        serde_json::to_writer(&mut self.held, line)?;
        self.held.push(b'\n');
        Ok((self.held.len() - before) as u64)
    }

    /// Adds what is wrong with the image as a whole so far.
    pub(crate) fn image(&mut self, problems: &[Problem]) -> io::Result<()> {
        self.add(&Line::Image(problems.iter().map(failures::to_json).collect())).map(|_| ())
    }

    /// Adds problems that belong to no object.
    pub(crate) fn problem(&mut self, problem: &Problem) -> io::Result<()> {
        self.add(&Line::Problem(failures::to_json(problem))).map(|_| ())
    }

    /// Gives the lines to the system, so that they stay when the program is killed. After an error the lines are still to
    /// be written.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        if self.held.is_empty() {
            return Ok(());
        }
        // A try that failed may have written a part.
        self.output.seek(SeekFrom::Start(self.at))?;
        self.output.write_all(&self.held)?;
        self.at += self.held.len() as u64;
        self.held.clear();
        Ok(())
    }

    /// Writes it through to the medium.
    pub(crate) fn sync(&mut self) -> io::Result<()> {
        self.flush()?;
        self.output.sync()
    }

    /// Takes back the last line, which has this length, whether it was written or not.
    pub(crate) fn take_back(&mut self, line: u64) -> io::Result<()> {
        match self.held.len().checked_sub(usize::try_from(line).unwrap_or(usize::MAX)) {
            Some(length) => self.held.truncate(length),
            None => self.at = self.at.saturating_sub(line),
        }
        self.undo()
    }

    /// Cuts off what a failed try left behind its last whole line.
    pub(crate) fn undo(&mut self) -> io::Result<()> {
        self.output.cut(self.at)
    }
}

impl Noted {
    /// An object with what went wrong.
    pub(crate) fn new(item: Item, at: Option<u64>, problems: &[Problem]) -> Self {
        Noted { item, at, problems: problems.iter().map(failures::to_json).collect() }
    }

    /// What went wrong with it.
    pub(crate) fn problems(&self) -> Vec<Problem> {
        problems(&self.problems)
    }
}

/// Problems as the journal has them.
pub(crate) fn problems(lines: &[Value]) -> Vec<Problem> {
    lines.iter().filter_map(failures::from_json).collect()
}

/// Longest line that is read; the longest that is written has 1,000 unreadable ranges and as many stored ones.
const MAX_LINE: u64 = 16 << 20;

/// Calls for each line of a journal up to the first that is none; gives the number of lines, and whether it ended there.
pub(crate) fn each(reader: impl Read, take: &mut dyn FnMut(Line) -> io::Result<()>) -> io::Result<(u64, bool)> {
    let mut reader = io::BufReader::with_capacity(1 << 16, reader);
    let mut text = Vec::new();
    for number in 0.. {
        text.clear();
        if (&mut reader).take(MAX_LINE).read_until(b'\n', &mut text)? == 0 {
            return Ok((number, true));
        }
        if text.last() != Some(&b'\n') {
            return Ok((number, false));
        }
        match serde_json::from_slice(&text) {
            Ok(line) => take(line)?,
            Err(_) => return Ok((number, false)),
        }
    }
    Ok((u64::MAX, true))
}
