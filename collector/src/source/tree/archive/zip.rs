//! Zip archives that triage programs leave behind.

use super::rows::{Row, Rows, Sorter};
use super::{Archive, Member, Members, Odd, be};
use crate::file_bytes::FileBytes;
use crate::spill::Spill;
use crate::zip::central::{End, Entries, Entry};
use crate::zip::member::{Around, Wanted};
use crate::zip::names::Unflagged;
use crate::zip::scan;
use evidence::{Bytes, Problem, ProblemKind, Stage, name};
use std::io;
use std::sync::Arc;

/// Where the directory of the archive is.
enum Directory {
    /// In the archive.
    Own(End),
    /// It is lost, and this is what the local headers give.
    Rebuilt { directory: FileBytes, end: u64 },
}

struct Zip {
    /// What the archive is called, for problems.
    name: String,
    bytes: Arc<dyn Bytes>,
    directory: Directory,
    unflagged: Unflagged,
    /// By the offset of its local header: where each entry ends, where its description lies, and where the furthest of
    /// the entries before it ends.
    places: Rows,
}

/// In the place of a member: it is meant by the name in its own header, which is not that of the directory.
const OTHER_NAME: u64 = 1 << 63;

/// With what the description of an AFF4 volume begins: its name, which is also the comment of the archive.
///
/// Reference: *AFF4 Standard*, version 1.0.
const AFF4: &[u8] = b"aff4://";

/// What the entries have in common.
#[derive(Default)]
pub(crate) struct Facts {
    /// Files, without folders.
    pub(crate) files: u64,
    /// Files that need a password.
    pub(crate) encrypted: u64,
    /// Files whose bytes other entries claim too.
    pub(crate) shared: u64,
    /// `data.zip` is encrypted and `metadata.json` is beside it, as Velociraptor locks a collection.
    pub(crate) is_locked_collection: bool,
    /// It is an AFF4 volume by its description or its comment.
    pub(crate) is_aff4: bool,
    /// It says to be one of several parts.
    pub(crate) is_part: bool,
}

/// Lists a zip archive.
pub(crate) fn open(
    bytes: Arc<dyn Bytes>,
    name: &str,
    spill: &Spill,
    problems: &mut Vec<Problem>,
) -> io::Result<(Archive, Facts)> {
    let directory = directory(&*bytes, name, spill, problems)?;
    let places = Sorter::new(spill).finish(|_| true)?;
    let mut zip = Zip { name: name::shown(name).into_owned(), bytes, directory, unflagged: Unflagged::Utf8, places };
    let mut survey = Survey::default();
    let mut sorter = Sorter::new(spill);
    for entry in zip.entries() {
        let (at, entry) = entry?;
        survey.look(at, &entry);
        let (start, end) = entry.least_extent();
        sorter.push(place(start, end, at))?;
    }
    if survey.is_not_utf8 {
        zip.unflagged = Unflagged::Cp437;
    }
    zip.places = survey.places(sorter, &zip)?;
    if let Directory::Own(end) = &zip.directory {
        survey.say_shift(name, end.shift, &*zip.bytes, problems)?;
    }
    survey.say(name, problems);
    let mut facts = survey.facts;
    if let Directory::Own(end) = &zip.directory {
        facts.is_part = end.is_part;
        facts.is_aff4 |= end.comment.starts_with(AFF4);
    }
    facts.is_aff4 |= survey.description.is_some_and(|at| zip.begins_with(at, AFF4, spill));
    Ok((Archive::new(Box::new(zip), name, spill, problems)?, facts))
}

/// The directory of the archive, if all of it can be read, or else one of what is there.
fn directory(bytes: &dyn Bytes, name: &str, spill: &Spill, problems: &mut Vec<Problem>) -> io::Result<Directory> {
    let why = match End::find(bytes).and_then(|end| is_own(bytes, &end).map(|()| end)) {
        Ok(end) => return Ok(Directory::Own(end)),
        Err(why) => why,
    };
    let rebuilt = scan::rebuild(bytes, spill)?;
    if rebuilt.count == 0 {
        return Err(why);
    }
    let count = rebuilt.count;
    // Where the directory begins behind the last entry and names no more than were found, nothing was lost in front of it.
    let listed = Entries::new(bytes, rebuilt.end, bytes.len(), 0, Unflagged::Utf8).take_while(Result::is_ok).count();
    let is_all = listed as u64 == count;
    let directory = format!("the directory at the end of the archive cannot be read: {why}");
    let kind = match rebuilt.end.checked_sub(bytes.len()) {
        _ if is_all => {
            ProblemKind::Inconsistent { a: directory, b: format!("{count} entries have a header of their own") }
        }
        Some(missing @ 1..) => ProblemKind::Truncated { offset: bytes.len(), expected: missing, actual: 0 },
        _ => ProblemKind::ReadFailed,
    };
    problems.push(Problem::new(
        Stage::Source,
        kind,
        name::shown(name),
        format!("the zip archive has lost its directory; entries found by the header before each: {count}"),
        "entries whose own header is damaged or cut off are not seen, and an entry that had been deleted from the archive \
         can be among those that are",
    ));
    Ok(Directory::Rebuilt { directory: rebuilt.directory, end: rebuilt.end })
}

/// Whether bytes that begin otherwise end as a zip archive does: with an end record that reaches their end, behind a
/// directory of which every entry can be read, as many as the record says, and at least one of them has its own header
/// where the directory points.
pub(crate) fn is_at_end(bytes: &dyn Bytes) -> bool {
    let Ok(end) = End::find(bytes) else { return false };
    if !end.is_exact {
        return false;
    }
    if end.is_part {
        return true;
    }
    let (mut count, mut has_header) = (0u64, false);
    for entry in end.entries(bytes, Unflagged::Utf8) {
        let Ok((_, entry)) = entry else { return false };
        count += 1;
        has_header = has_header || entry.has_header(bytes);
    }
    has_header && end.counts(count)
}

/// Reads a directory once. Of an archive that is cut, the last directory can be that of an archive inside of it.
fn is_own(bytes: &dyn Bytes, end: &End) -> io::Result<()> {
    let mut magic = [0; 4];
    bytes.read_full_at(0, &mut magic)?;
    let (mut is_first_there, mut is_empty) = (magic != *b"PK\x03\x04", true);
    for entry in end.entries(bytes, Unflagged::Utf8) {
        is_first_there |= entry?.1.least_extent().0 == 0;
        is_empty = false;
    }
    if is_first_there || is_empty && end.start == 0 {
        return Ok(());
    }
    let what = "the last directory in it lacks the entry with which the archive begins";
    Err(io::Error::new(io::ErrorKind::InvalidData, what))
}

fn place(start: u64, end: u64, at: u64) -> Row {
    let mut row = [0; size_of::<Row>()];
    row[..8].copy_from_slice(&start.to_be_bytes());
    row[8..16].copy_from_slice(&end.to_be_bytes());
    row[16..24].copy_from_slice(&at.to_be_bytes());
    row
}

/// What is seen while every entry is looked at once.
#[derive(Default)]
struct Survey {
    facts: Facts,
    /// A name without the flag for UTF-8 is none, which shows that the program wrote them all in another way.
    is_not_utf8: bool,
    encrypted: Odd,
    /// Entries that lay in what the archive has lost.
    lost: Odd,
    shared: Odd,
    has_data: bool,
    /// Where a file that should describe an AFF4 volume is described.
    description: Option<u64>,
    has_metadata: bool,
}

impl Survey {
    fn look(&mut self, at: u64, entry: &Entry) {
        if entry.is_lost {
            self.lost.add(&entry.name);
        }
        self.is_not_utf8 |= !entry.says_utf8() && !name::is_text(&entry.name);
        if entry.is_folder() {
            return;
        }
        self.facts.files += 1;
        self.has_metadata |= entry.name == "metadata.json";
        if entry.is_encrypted() {
            self.facts.encrypted += 1;
            self.encrypted.add(&entry.name);
            self.has_data |= entry.name == "data.zip";
        }
        if entry.name == "container.description" {
            self.description = Some(at);
        }
        self.facts.is_locked_collection = self.has_data && self.has_metadata;
    }

    /// The entries by place, each with the end of the furthest before it.
    fn places(&mut self, sorter: Sorter, zip: &Zip) -> io::Result<Rows> {
        let (mut end, mut holder, mut is_told) = (0, None, true);
        sorter.finish(|row| {
            row[24..].copy_from_slice(&u64::to_be_bytes(end));
            let (start, own_end, at) = (be(row), be(&row[8..]), be(&row[16..]));
            let is_shared = start < end;
            if is_shared && !is_told {
                self.add_shared(zip, holder);
                is_told = true;
            }
            if is_shared {
                self.add_shared(zip, Some(at));
            }
            if own_end > end {
                (end, holder, is_told) = (own_end, Some(at), is_shared);
            }
            true
        })
    }

    fn add_shared(&mut self, zip: &Zip, at: Option<u64>) {
        self.facts.shared += 1;
        // The name is only for the examples.
        let entry = at.filter(|_| self.shared.examples.len() < super::EXAMPLES).and_then(|at| zip.entry(at).ok());
        match entry {
            Some(entry) => self.shared.add(&entry.name),
            None => self.shared.count += 1,
        }
    }

    /// What stands before the archive, or what it has lost there.
    fn say_shift(&self, archive: &str, shift: i64, bytes: &dyn Bytes, problems: &mut Vec<Problem>) -> io::Result<()> {
        let (kind, what, effect) = if shift < 0 {
            let missing = shift.unsigned_abs();
            (
                ProblemKind::Truncated { offset: 0, expected: missing, actual: 0 },
                format!(
                    "the zip archive has lost its first {missing} bytes, and with them files that its directory names: {} ({})",
                    self.lost.count,
                    self.lost.say()
                ),
                "the files that lay there cannot be read; those behind them are",
            )
        } else {
            let mut magic = [0; 2];
            bytes.read_full_at(0, &mut magic)?;
            // The program that unpacks a self-extracting archive is what has to stand there.
            if shift == 0 || &magic == b"MZ" {
                return Ok(());
            }
            (
                ProblemKind::Inconsistent {
                    a: format!("{shift} bytes are before the zip archive"),
                    b: "a zip archive begins with its first entry".to_owned(),
                },
                format!("the zip archive begins at offset {shift} of the file"),
                "the archive is read; what is before it is not examined",
            )
        };
        problems.push(Problem::new(Stage::Source, kind, name::shown(archive), what, effect));
        Ok(())
    }

    fn say(&self, archive: &str, problems: &mut Vec<Problem>) {
        let mut say = |kind, what: String, effect: &str| {
            problems.push(Problem::new(Stage::Source, kind, name::shown(archive), what, effect));
        };
        if self.encrypted.count > 0 {
            say(
                ProblemKind::UnsupportedVersion { found: format!("encrypted: {}", self.encrypted.say()) },
                format!("files in the archive that are encrypted: {} of {}", self.encrypted.count, self.facts.files),
                "they cannot be read; unpack the archive with its password and give the folder",
            );
        }
        if self.shared.count > 0 {
            say(
                ProblemKind::Inconsistent {
                    a: format!(
                        "entries that claim bytes of another one: {} ({})",
                        self.shared.count,
                        self.shared.say()
                    ),
                    b: "each entry of a zip archive has bytes of its own".to_owned(),
                },
                "entries of the archive overlap, as in archives that are made to fill a disk".to_owned(),
                "none of the overlapping entries is read",
            );
        }
    }
}

impl Zip {
    fn entries(&self) -> Entries<'_> {
        match &self.directory {
            Directory::Own(end) => end.entries(&*self.bytes, self.unflagged),
            Directory::Rebuilt { directory, .. } => Entries::new(directory, 0, directory.len(), 0, self.unflagged),
        }
    }

    fn entry(&self, at: u64) -> io::Result<Entry> {
        match &self.directory {
            Directory::Own(end) => Entry::at(&*self.bytes, at, end.shift, self.unflagged),
            Directory::Rebuilt { directory, .. } => Entry::at(directory, at, 0, self.unflagged),
        }
    }

    /// Where the entries end.
    fn end(&self) -> u64 {
        match &self.directory {
            Directory::Own(end) => end.start,
            Directory::Rebuilt { end, .. } => *end,
        }
    }

    /// Where the next entry begins; `None` if another one claims some of the same bytes.
    fn next_after(&self, entry: &Entry) -> io::Result<Option<u64>> {
        let (start, end) = entry.least_extent();
        let first = self.places.first(&start.to_be_bytes())?;
        if first >= self.places.len() {
            return Ok(Some(u64::MAX));
        }
        let own = self.places.get(first)?;
        let next = if first + 1 < self.places.len() { be(&self.places.get(first + 1)?) } else { u64::MAX };
        Ok((be(&own[24..]) <= start && next >= end).then_some(next))
    }

    fn content(&self, at: u64, wanted: Wanted, spill: &Spill) -> io::Result<Arc<dyn Bytes>> {
        let entry = self.entry(at & !OTHER_NAME)?;
        let Some(next) = self.next_after(&entry)? else {
            let what =
                "another entry of the archive claims the same bytes, as in archives that are made to fill a disk";
            return Err(io::Error::new(io::ErrorKind::InvalidData, what));
        };
        let is_rebuilt = matches!(self.directory, Directory::Rebuilt { .. });
        let around = Around { end: next.min(self.end()), is_rebuilt };
        entry.content(&self.bytes, around, wanted, spill)
    }

    fn begins_with(&self, at: u64, magic: &[u8], spill: &Spill) -> bool {
        let mut begin = vec![0; magic.len()];
        let content = self.content(at, Wanted::Beginning, spill);
        content.and_then(|content| content.read_full_at(0, &mut begin)).is_ok_and(|_| begin == magic)
    }

    fn described(&self, entry: Entry) -> Member {
        Member {
            is_folder: entry.is_folder(),
            is_link: entry.is_link,
            leads_to: None,
            same_as: None,
            size: entry.listed_size(&*self.bytes),
            times: entry.times,
            name: entry.name,
        }
    }
}

impl Members for Zip {
    fn backslash_separates(&self) -> bool {
        true
    }

    fn each(&self, take: &mut dyn FnMut(u64, Member) -> io::Result<()>, problems: &mut Vec<Problem>) -> io::Result<()> {
        let mut renamed = Odd::default();
        for entry in self.entries() {
            let (at, entry) = entry?;
            let other = entry.other_name(&*self.bytes, self.unflagged)?;
            let first = entry.name.clone();
            take(at, self.described(entry.clone()))?;
            if let Some(other) = other {
                renamed.add(&format!("{first} and {other}"));
                take(at | OTHER_NAME, Member { name: other, ..self.described(entry) })?;
            }
        }
        if renamed.count > 0 {
            problems.push(Problem::new(
                Stage::Source,
                ProblemKind::Inconsistent { a: "one name in the directory".to_owned(), b: renamed.say() },
                self.name.as_str(),
                format!("files with another name in their own header than in the directory: {}", renamed.count),
                "which name is right is not known; each file is looked for under both",
            ));
        }
        Ok(())
    }

    fn member(&self, at: u64) -> io::Result<Member> {
        let mut entry = self.entry(at & !OTHER_NAME)?;
        if at & OTHER_NAME != 0 {
            entry.name = entry.other_name(&*self.bytes, self.unflagged)?.unwrap_or(entry.name);
        }
        Ok(self.described(entry))
    }

    fn open(&self, at: u64, spill: &Spill) -> io::Result<Arc<dyn Bytes>> {
        self.content(at, Wanted::All, spill)
    }

    fn begin(&self, at: u64, spill: &Spill) -> io::Result<Arc<dyn Bytes>> {
        self.content(at, Wanted::Beginning, spill)
    }
}

#[cfg(test)]
mod stated_tests;
#[cfg(test)]
mod tests;
