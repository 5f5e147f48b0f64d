//! `comtrail inspect`: what a file is and whether the tools would run its code. Files are read, never loaded.

mod text;

use crate::args::Common;
use crate::progress::printable;
use crate::summary::Page;
use crate::table::{Cell, Column, Table, grouped};
use anyhow::Context;
use console::Style;
use evidence::{Answer, Bytes, Input, Problem, ProgramKind, Record, Role, Tells, Told};
use parking_lot::Mutex;
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// Most assemblies beside a file that are read with it.
const MAX_SIBLINGS: usize = 32;

/// Describes the files. Returns whether all could be read without a problem.
pub(crate) fn run(files: &[PathBuf], common: &Common, out: &mut dyn Write) -> anyhow::Result<bool> {
    let json = common.json;
    let mut is_whole = true;
    let mut list = Vec::new();
    let mut all = Vec::new();
    for path in files {
        match path.is_dir() {
            true => programs_below(path, &mut all)?,
            false => all.push(path.clone()),
        }
    }
    anyhow::ensure!(!all.is_empty(), "there is no program in the folder, nor below");
    // Of several files each is a line; what one is in full, it says alone.
    let in_full = all.len() == 1 || common.verbose;
    let (mut lines, mut doubtful) = (Vec::new(), Vec::new());
    for path in &all {
        let shown = collector::shown(path);
        match describe(path) {
            Err(error) => {
                is_whole = false;
                doubtful.push((shown.clone(), format!("it cannot be read: {error}")));
                if json {
                    list.push(serde_json::json!({"path": shown, "error": error.to_string()}));
                } else if common.quiet {
                    crate::complain(&format!("{shown}: cannot be read: {error}"));
                } else if in_full {
                    writeln!(out, "{}\n  cannot be read: {error}\n", printable(&shown))?;
                } else {
                    lines.push(Line {
                        path: shown,
                        verdict: Verdict::Unread(error.to_string()),
                        kind: "",
                        facts: None,
                    });
                }
            }
            Ok((record, problems)) => {
                let problem = problems.iter().find(|problem| !problem.is_note);
                if problem.is_some() || record.is_none() {
                    is_whole = false;
                    let why = problem.map_or("nothing is known of it", |problem| problem.what.as_str());
                    doubtful.push((shown.clone(), why.to_owned()));
                }
                let record = record.as_ref();
                if json {
                    let fields = record.map(|record| &record.fields);
                    list.push(serde_json::json!({"path": shown, "facts": fields, "problems": problems}));
                } else if in_full && !common.quiet {
                    text::write(&shown, record, &problems, out)?;
                } else {
                    lines.push(Line::new(shown, record, &problems));
                }
            }
        }
    }
    if json {
        serde_json::to_writer_pretty(&mut *out, &list)?;
        writeln!(out)?;
    } else if !common.quiet && !in_full {
        let page = Page::of_standard_output();
        table(lines, &page, out)?;
        not_in_full(&doubtful, all.len(), &page, out)?;
    }
    Ok(is_whole)
}

/// Says which of the files are the reason for the exit status 2, and why.
fn not_in_full(files: &[(String, String)], all: usize, page: &Page, out: &mut dyn Write) -> io::Result<()> {
    const MOST: usize = 10;
    if files.is_empty() {
        return Ok(());
    }
    let (count, were) = (files.len(), if files.len() == 1 { "was" } else { "were" });
    page.wrapped(out, "\n", "", &format!("{count} of {all} files {were} not examined in full (exit status 2):"))?;
    for (path, why) in files.iter().take(MOST) {
        page.wrapped(out, "  ", "    ", &format!("{path}: {why}"))?;
    }
    match count.saturating_sub(MOST) {
        0 => Ok(()),
        more => writeln!(out, "  and {more} more; -v describes them"),
    }
}

/// Whether the tools run code of a file, the worst first.
enum Verdict {
    /// By these commands.
    Yes(String),
    /// By these commands that is not known.
    Unknown(String),
    /// The file could not be read, and why.
    Unread(String),
    No,
}

/// One line of the table of many.
struct Line {
    path: String,
    verdict: Verdict,
    kind: &'static str,
    /// Bytes and SHA-256.
    facts: Option<(u64, String)>,
}

impl Line {
    fn new(path: String, record: Option<&Record>, problems: &[Problem]) -> Self {
        let Some(record) = record else {
            let why = problems.first().map_or_else(|| "nothing is known of it".to_owned(), |one| one.what.clone());
            return Line { path, verdict: Verdict::Unread(why), kind: "", facts: None };
        };
        let by = |wanted: Answer| {
            let state = |role| record.role(role).and_then(|outlook| Answer::named(outlook.text_of(Role::State)?));
            let commands = text::COMMANDS.iter().filter(|(.., role)| state(*role) == Some(wanted));
            commands.map(|(_, short, _)| *short).collect::<Vec<_>>().join(", ")
        };
        let verdict = match (by(Answer::Yes), by(Answer::Unknown)) {
            (yes, unknown) if !yes.is_empty() && !unknown.is_empty() => {
                Verdict::Yes(format!("{yes}; perhaps {unknown}"))
            }
            (yes, _) if !yes.is_empty() => Verdict::Yes(yes),
            (_, unknown) if !unknown.is_empty() => Verdict::Unknown(unknown),
            _ => Verdict::No,
        };
        let kind = match record.text_of(Role::Kind).and_then(ProgramKind::named) {
            Some(ProgramKind::Managed) => ".NET",
            Some(ProgramKind::Native) => "native",
            None => "stream",
            Some(ProgramKind::NotPe) => "no program",
        };
        let size = record.role(Role::Size).and_then(Told::number).unwrap_or(0);
        let facts = (size, record.text_of(Role::Sha256).unwrap_or_default().to_owned());
        Line { path, verdict, kind, facts: Some(facts) }
    }
}

/// The files, those whose code runs first.
fn table(mut lines: Vec<Line>, page: &Page, out: &mut dyn Write) -> io::Result<()> {
    lines.sort_by(|one, other| (rank(&one.verdict), &one.path).cmp(&(rank(&other.verdict), &other.path)));
    let mut table = Table::new([
        Column::text("file", Some(16), 9),
        Column::text("kind", None, 3),
        Column::number("bytes", 2),
        Column::text("code would run by", Some(24), 8).cut_at_end(),
        Column::sha256(1),
    ]);
    for line in lines {
        let verdict = match line.verdict {
            Verdict::Yes(by) => Cell::styled(format!("YES: {by}"), Style::new().red().bold()),
            Verdict::Unknown(by) => Cell::styled(format!("not known: {by}"), Style::new().yellow()),
            Verdict::Unread(why) => Cell::styled(format!("cannot be read: {why}"), Style::new().yellow()),
            Verdict::No => Cell::new("no"),
        };
        let (bytes, sha256) = line.facts.map_or_else(Default::default, |(bytes, sha256)| (grouped(bytes), sha256));
        table.push([Cell::new(line.path), Cell::new(line.kind), Cell::new(bytes), verdict, Cell::new(sha256)]);
    }
    table.write(page, out)
}

fn rank(verdict: &Verdict) -> u8 {
    match verdict {
        Verdict::Yes(_) => 0,
        Verdict::Unknown(_) => 1,
        Verdict::Unread(_) => 2,
        Verdict::No => 3,
    }
}

/// The files in a folder and below that begin as programs do, by path. Links are not followed.
fn programs_below(folder: &Path, found: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    let mut folders = vec![folder.to_owned()];
    let first = found.len();
    while let Some(folder) = folders.pop() {
        let entries =
            std::fs::read_dir(&folder).with_context(|| format!("cannot read {}", collector::shown(&folder)))?;
        for entry in entries {
            let entry = entry.with_context(|| format!("cannot read {}", collector::shown(&folder)))?;
            let kind = entry.file_type().with_context(|| format!("cannot read {}", collector::shown(entry.path())))?;
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() {
                let mut start = [0; 2];
                // What cannot be opened is not left out: it is told with its error.
                let begins = File::open(entry.path()).and_then(|mut file| file.read_exact(&mut start));
                match begins {
                    Ok(()) if start == *b"MZ" => found.push(entry.path()),
                    Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => found.push(entry.path()),
                    _ => {}
                }
            }
        }
    }
    found[first..].sort();
    Ok(())
}

type Description = (Option<Record>, Vec<Problem>);

/// A file, with the assemblies beside it that it refers to: a method of the tools may lie in a base class there.
fn describe(path: &Path) -> io::Result<Description> {
    let bytes = FileBytes::open(path)?;
    let alone = describe_with(path, &bytes, &[]);
    let siblings = alone.0.as_ref().map(|record| siblings(path, record)).unwrap_or_default();
    Ok(if siblings.is_empty() { alone } else { describe_with(path, &bytes, &siblings) })
}

fn describe_with(path: &Path, bytes: &FileBytes, siblings: &[(String, FileBytes)]) -> Description {
    let Some(artifact) = artifacts::telling(Tells::ProgramFile).next() else { return (None, Vec::new()) };
    // The name alone: folders of this machine mean nothing on a Windows host.
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let companions = siblings.iter().map(|(name, bytes)| (name.as_str(), bytes as &dyn Bytes)).collect();
    // Nor are its times those of a Windows host.
    let input = Input { companions, ..Input::new(&name, bytes) };
    let mut found = None;
    let problems = artifact.parse_alone(&input, &mut |record| found = Some(record));
    (found, problems)
}

/// The files of the same folder that have the name of a referenced assembly, in any case.
fn siblings(path: &Path, record: &Record) -> Vec<(String, FileBytes)> {
    let references = record.role(Role::Cli).and_then(|cli| cli.role(Role::References));
    let wanted: BTreeSet<String> = references
        .into_iter()
        .flat_map(Told::texts)
        .filter_map(|one| Some(one.split(", Version=").next()?.to_lowercase()))
        .flat_map(|name| [format!("{name}.dll"), format!("{name}.exe")])
        .collect();
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let Some(entries) = std::fs::read_dir(folder).ok().filter(|_| !wanted.is_empty()) else { return Vec::new() };
    let mut found: Vec<PathBuf> = entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|other| other.file_name() != path.file_name())
        .filter(|other| other.file_name().is_some_and(|name| wanted.contains(&name.to_string_lossy().to_lowercase())))
        .collect();
    found.sort();
    found
        .into_iter()
        .filter_map(|path| {
            let bytes = FileBytes::open(&path).ok()?;
            Some((path.file_name()?.to_string_lossy().into_owned(), bytes))
        })
        .take(MAX_SIBLINGS)
        .collect()
}

/// A file that is read where it is asked for, so that its size costs no memory.
struct FileBytes {
    file: Mutex<File>,
    length: u64,
}

impl FileBytes {
    fn open(path: &Path) -> io::Result<Self> {
        if let Some(what) = collector::special_file(path) {
            return Err(io::Error::other(format!("it is {what}, not a file")));
        }
        let file = File::open(path)?;
        let facts = file.metadata()?;
        if !facts.is_file() {
            return Err(io::Error::other("it is not a file"));
        }
        Ok(FileBytes { file: Mutex::new(file), length: facts.len() })
    }
}

impl Bytes for FileBytes {
    fn len(&self) -> u64 {
        self.length
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.length.saturating_sub(offset)).unwrap_or(usize::MAX);
        let wanted = buffer.len().min(left);
        let mut file = self.file.lock();
        file.seek(SeekFrom::Start(offset))?;
        file.read(&mut buffer[..wanted])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fixture(case: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/assembly").join(case).join("input")
    }

    fn text(files: &[PathBuf], json: bool) -> (bool, String) {
        said(files, &[if json { "--json" } else { "--verbose" }])
    }

    fn said(files: &[PathBuf], options: &[&str]) -> (bool, String) {
        let words = ["comtrail", "inspect", "file"].iter().chain(options);
        let common = <crate::args::Cli as clap::Parser>::parse_from(words).common;
        let mut out = Vec::new();
        let is_whole = run(files, &common, &mut out).unwrap();
        (is_whole, String::from_utf8(out).unwrap())
    }

    #[test]
    fn a_folder_gives_its_programs_and_quiet_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let below = folder.path().join("b/c");
        std::fs::create_dir_all(&below).unwrap();
        std::fs::copy(fixture("com-hooks"), below.join("hooks.bin")).unwrap();
        std::fs::copy(fixture("serviced"), folder.path().join("a.dll")).unwrap();
        std::fs::write(folder.path().join("note.txt"), "text").unwrap();
        std::fs::write(folder.path().join("empty"), "").unwrap();
        let (_, text) = text(&[folder.path().to_owned()], false);
        let places = ["a.dll", "hooks.bin"].map(|name| text.find(name).unwrap());
        assert!(places[0] < places[1] && !text.contains("note.txt") && !text.contains("empty\n"), "{text}");
        assert_eq!(said(&[folder.path().to_owned()], &["-q"]).1, "");
    }

    #[test]
    fn several_files_are_a_line_each_the_worst_first() {
        let folder = tempfile::tempdir().unwrap();
        let named = [("a-none.dll", "lookalike"), ("b-serviced.dll", "serviced"), ("c-hooks.dll", "com-hooks")];
        for (name, case) in named {
            std::fs::copy(fixture(case), folder.path().join(name)).unwrap();
        }
        let files = [folder.path().to_owned(), folder.path().join("missing.dll")];
        let (is_whole, text) = said(&files, &[]);
        let lines: Vec<&str> = text.lines().collect();
        assert!(!is_whole && lines.len() >= 6, "{text}");
        let table = lines.iter().position(|line| line.starts_with("file ")).unwrap();
        let firsts = lines[table + 1..].iter().take(4).map(|line| line.split(' ').next().unwrap());
        assert_eq!(
            firsts.collect::<Vec<_>>(),
            ["b-serviced.dll", "c-hooks.dll", "missing.dll", "a-none.dll"],
            "{text}"
        );
        assert!(lines[table + 2].contains("YES: regasm") && lines[table + 3].contains("cannot be read: "), "{text}");
        let last =
            lines.iter().position(|line| line.ends_with(" of 4 files were not examined in full (exit status 2):"));
        let last = last.unwrap_or_else(|| panic!("{text}"));
        assert!(lines[table..last].iter().all(|line| line.chars().count() <= 80), "{text}");
        assert!(lines[last..].iter().any(|line| line.contains("missing.dll")), "{text}");
        assert_eq!(said(&files, &["-q"]).1, "");
    }

    #[test]
    fn the_answer_stands_first_and_lines_fit_a_terminal() {
        for case in ["com-hooks", "base-missing", "misshapen", "serviced", "config-file"] {
            let (_, text) = text(&[fixture(case)], false);
            let answer = text.find("Would the tools run code of it?").unwrap();
            assert!(answer < text.find("SHA-256").unwrap(), "{text}");
            for line in text.lines().skip(1).filter(|line| line.trim().contains(' ')) {
                assert!(line.chars().count() <= 80, "{case}: {line}");
            }
        }
        let (is_whole, text) = text(&[fixture("com-hooks")], false);
        assert!(is_whole);
        assert!(text.contains("regasm /u     YES: Demo.Case.Hook.Unreg (0x06000004) is called"), "{text}");
    }

    #[test]
    fn assemblies_beside_the_file_are_read_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("addin.dll");
        std::fs::copy(fixture("base-beside"), &file).unwrap();
        assert!(text(std::slice::from_ref(&file), false).1.contains("regasm /u     UNKNOWN"));
        std::fs::copy(fixture("base-beside").with_file_name("shared"), folder.path().join("SHARED.dll")).unwrap();
        let (_, text) = text(&[file], false);
        assert!(text.contains("regasm /u     YES: Shared.Base.Elsewhere"), "{text}");
    }

    // Windows has no files of such names.
    #[cfg(unix)]
    #[test]
    fn for_programs_one_object_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let hostile = folder.path().join("a\u{1b}[2J.dll");
        std::fs::write(&hostile, b"MZ").unwrap();
        let files = [fixture("serviced"), hostile.clone(), folder.path().join("none")];
        let (is_whole, json) = text(&files, true);
        let list: Vec<serde_json::Value> = serde_json::from_str(&json).unwrap();
        assert!(!is_whole);
        assert_eq!(list[0]["facts"]["ExecutesForRegsvcs"]["State"], "yes");
        assert_eq!((&list[1]["facts"]["Kind"], list[1]["problems"].as_array().unwrap().len()), (&"not_pe".into(), 1));
        assert!(list[2]["error"].is_string());
        assert!(!text(&[hostile], false).1.contains('\u{1b}'));
    }
}
