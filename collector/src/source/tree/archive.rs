//! Archives as stores: the folders of what zip and tar archives hold one member after the other.
//!
//! A directory of two million members does not fit beside everything else, so only a sorted table of fixed rows is made,
//! in a temporary file where it is long: the folder, the name, and where the member is described. The description is read
//! again whenever it is needed.

mod rows;
pub(crate) mod tar;
pub(crate) mod zip;

use super::links::LONGEST_TARGET;
use super::{Child, Store};
use crate::source::VolumeKind;
use crate::spill::Spill;
use evidence::{Bytes, Macb, Method, Problem, ProblemKind, Stage, name};
use parking_lot::Mutex;
use rows::{ROW, Row, Rows, Sorter};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::ops::Range;
use std::sync::Arc;

/// One member of an archive as it is described there.
#[derive(Clone, Debug, Default)]
pub(crate) struct Member {
    /// Name as stored, kept reversibly; [`evidence::name`].
    pub(crate) name: String,
    pub(crate) is_folder: bool,
    /// A symbolic link or a device: named, never followed.
    pub(crate) is_link: bool,
    /// Where a symbolic link leads, if that is described with it.
    pub(crate) leads_to: Option<String>,
    /// Another name of the member whose name this is.
    pub(crate) same_as: Option<String>,
    pub(crate) size: u64,
    pub(crate) times: Option<Macb>,
}

/// What can be read of the members of an archive, each by the place where it is described.
pub(crate) trait Members: Send + Sync {
    /// Whether a backslash separates folders too. Against the format, zip archives made on Windows have it.
    fn backslash_separates(&self) -> bool;

    /// Calls for every member and its place.
    fn each(&self, take: &mut dyn FnMut(u64, Member) -> io::Result<()>, problems: &mut Vec<Problem>) -> io::Result<()>;

    /// The member that is described at this place.
    fn member(&self, at: u64) -> io::Result<Member>;

    /// Its bytes.
    fn open(&self, at: u64, spill: &Spill) -> io::Result<Arc<dyn Bytes>>;

    /// The same for one who reads only the beginning.
    fn begin(&self, at: u64, spill: &Spill) -> io::Result<Arc<dyn Bytes>> {
        self.open(at, spill)
    }
}

/// The archive, with its folders.
pub(crate) struct Archive {
    members: Box<dyn Members>,
    spill: Spill,
    /// Rows of folder, name, kind, place and depth.
    rows: Rows,
    hashes: RandomState,
    /// The long name that was taken apart last.
    last: Mutex<Option<(u64, Arc<Parsed>)>>,
}

/// The folder whose children are read, with the bytes that the rows of its children begin with.
struct Folder {
    /// A member in it or the folder itself.
    own: Arc<Parsed>,
    depth: usize,
    start: [u8; 8],
}

/// Rows whose members are read in the order of their places.
const BATCH: usize = 1 << 14;
/// Names that a problem gives as examples.
const EXAMPLES: usize = 5;
/// Characters at each end that a problem gives of a long name.
const SHOWN: usize = 100;
/// Folders of one name. A path of Windows has 32,767 characters, and nobody makes folders of one letter in it; but a name in
/// an archive can have 32,768 folders, and each costs all those who walk through them the length of its path.
const MAX_FOLDERS: usize = 4096;
/// Bytes of a name that is not taken apart again for each of its folders.
const LONG_NAME: usize = 256;
/// Hard links that are followed one after the other.
const MAX_LINKS: u32 = 8;
/// The kinds in a row. Folders come first, so that those of one name follow each other.
const FOLDER: u8 = 0;
const MEMBER: u8 = 1;
/// Where a row has the number of a member among those of its name.
const NUMBER: usize = 29;
/// Length of what the rows of one name begin with, without regard to case, and of what those of one spelling do.
const FOLDED: usize = 12;
const SPELLED: usize = 17;

/// The components of a name as a path. Nothing of a name is repaired: `..` stays a component, so what climbs lies in a
/// folder of that name and never where it would climb to, and a name from the root of a file system lies in a folder that
/// is called like the separator.
fn components(name: &str, backslash: bool) -> Vec<&str> {
    let is_separator = move |c: char| c == '/' || backslash && c == '\\';
    let mut parts: Vec<&str> = name.starts_with(is_separator).then(|| &name[..1]).into_iter().collect();
    let mut rest = name.trim_matches(is_separator);
    while !rest.is_empty() {
        // What is deeper than any path of Windows stays together: it is one name with separators in it.
        let end = if parts.len() < MAX_FOLDERS { rest.find(is_separator) } else { None }.unwrap_or(rest.len());
        if &rest[..end] != "." {
            parts.push(&rest[..end]);
        }
        rest = rest[end..].trim_start_matches(is_separator);
    }
    parts
}

/// The description of a member, taken apart once: a name can have tens of thousands of folders.
struct Parsed {
    member: Member,
    /// Where each component lies in the name.
    parts: Vec<Range<usize>>,
    /// The hash of the path of the first components, none of them first.
    hashes: Vec<u64>,
}

impl Parsed {
    fn new(member: Member, backslash: bool, hashes: &RandomState) -> Self {
        let parts: Vec<Range<usize>> = components(&member.name, backslash)
            .into_iter()
            .map(|part| {
                let start = part.as_ptr().addr() - member.name.as_ptr().addr();
                start..start + part.len()
            })
            .collect();
        let hashes = prefix_hashes(hashes, parts.iter().map(|part| &member.name[part.clone()]));
        Parsed { member, parts, hashes }
    }

    fn part(&self, index: usize) -> Option<&str> {
        self.parts.get(index).map(|part| &self.member.name[part.clone()])
    }

    /// Whether the first components are those of another name.
    fn begins_like(&self, other: &Parsed, depth: usize) -> bool {
        std::ptr::eq(self, other) || (0..depth).all(|index| self.part(index) == other.part(index))
    }
}

/// A name for a problem: of a long one the beginning and the end.
fn shortened(name: &str) -> String {
    let count = name.chars().count();
    if count <= 2 * SHOWN {
        return name.to_owned();
    }
    let (begin, end): (String, String) =
        (name.chars().take(SHOWN).collect(), name.chars().skip(count - SHOWN).collect());
    format!("{begin}[… {} characters …]{end}", count - 2 * SHOWN)
}

/// Names with something in common.
#[derive(Default)]
struct Odd {
    count: u64,
    examples: Vec<String>,
}

impl Odd {
    fn add(&mut self, name: &str) {
        self.count += 1;
        if self.examples.len() < EXAMPLES {
            self.examples.push(shortened(&name::shown(name)));
        }
    }

    fn say(&self) -> String {
        let more = if self.count > self.examples.len() as u64 { ", …" } else { "" };
        format!("{}{more}", self.examples.join(", "))
    }
}

/// Where a member or the one that a folder is known by is described, and how deep the folder lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Key {
    Root,
    Folder { at: u64, depth: usize },
    Member { at: u64 },
}

impl Key {
    fn parse(key: &str) -> Option<Key> {
        if key.is_empty() {
            return Some(Key::Root);
        }
        match key.split_once('.') {
            Some((at, depth)) => Some(Key::Folder { at: at.parse().ok()?, depth: depth.parse().ok()? }),
            None => Some(Key::Member { at: key.parse().ok()? }),
        }
    }
}

fn be(bytes: &[u8]) -> u64 {
    bytes.iter().take(8).fold(0, |value, byte| value << 8 | u64::from(*byte))
}

fn row(folder: u64, name: u64, kind: u8, at: u64, depth: usize) -> Row {
    let mut row = [0; ROW];
    row[..8].copy_from_slice(&folder.to_be_bytes());
    row[8..16].copy_from_slice(&name.to_be_bytes());
    row[16] = kind;
    row[17..25].copy_from_slice(&at.to_be_bytes());
    row[25..29].copy_from_slice(&u32::try_from(depth).unwrap_or(u32::MAX).to_be_bytes());
    row
}

/// The name of an earlier member with the name of a later one: the number stands where the bundle has its own numbers,
/// before the ending, so that it is still taken for what it is.
pub(super) fn numbered(name: &str, number: u16) -> String {
    if number == 0 {
        return name.to_owned();
    }
    let (stem, ending) = match name.rfind('.') {
        Some(dot) if dot > 0 => name.split_at(dot),
        _ => (name, ""),
    };
    format!("{stem}=~{number}{ending}")
}

/// The hash of a path, with the length of each component, so that no two paths are the same bytes. Of every path that the
/// first components make, the empty one first.
fn prefix_hashes<'a>(hashes: &RandomState, path: impl Iterator<Item = &'a str>) -> Vec<u64> {
    let mut hasher = hashes.build_hasher();
    let mut all = vec![hasher.finish()];
    all.extend(path.map(|component| {
        hasher.write_usize(component.len());
        hasher.write(component.as_bytes());
        hasher.finish()
    }));
    all
}

/// The hash of a name: half of it without regard to case, so that one name is found among millions.
fn name_hash(hashes: &RandomState, name: &str) -> u64 {
    let hash = |name: &str| prefix_hashes(hashes, std::iter::once(name))[1];
    let (folded, exact) = (hash(&name::folded(name)), hash(name));
    folded << 32 | exact & 0xFFFF_FFFF
}

/// The bytes that rows begin with whose name is this one without regard to case.
fn start_of(parent: [u8; 8], hashes: &RandomState, name: &str) -> [u8; FOLDED] {
    let mut start = [0; FOLDED];
    start[..8].copy_from_slice(&parent);
    start[8..].copy_from_slice(&name_hash(hashes, name).to_be_bytes()[..4]);
    start
}

/// The name and the number that [`numbered`] made this one of.
pub(super) fn unnumbered(name: &str) -> Option<(String, u64)> {
    let (stem, ending) = name.rfind('.').filter(|dot| *dot > 0).map_or((name, ""), |dot| name.split_at(dot));
    let (stem, number) = stem.rsplit_once("=~")?;
    Some((format!("{stem}{ending}"), number.parse().ok().filter(|number| *number > 0)?))
}

/// Fills the rows.
struct Builder {
    hashes: RandomState,
    sorter: Sorter,
    backslash: bool,
    /// The folders of the member before, which need no row a second time.
    before: Vec<String>,
    climbing: Odd,
    absolute: Odd,
    deep: Odd,
    nameless: u64,
}

impl Builder {
    fn add(&mut self, at: u64, member: &Member) -> io::Result<()> {
        let path = components(&member.name, self.backslash);
        if path.is_empty() {
            // A tar archive of a folder begins with `./`.
            self.nameless += u64::from(!member.is_folder);
            return Ok(());
        }
        if path.contains(&"..") {
            self.climbing.add(&member.name);
        } else if matches!(path[0], "/" | "\\") {
            self.absolute.add(&member.name);
        }
        if path.len() > MAX_FOLDERS {
            self.deep.add(&member.name);
        }
        let folders = if member.is_folder { path.len() } else { path.len() - 1 };
        let known = self.before.iter().zip(&path[..folders]).take_while(|(a, b)| a == b).count();
        let parents = prefix_hashes(&self.hashes, path[..folders].iter().copied());
        for depth in known..folders {
            let name = name_hash(&self.hashes, path[depth]);
            self.sorter.push(row(parents[depth], name, FOLDER, at, depth + 1))?;
        }
        self.before.truncate(known);
        self.before.extend(path[known..folders].iter().map(|name| (*name).to_owned()));
        if !member.is_folder {
            let name = name_hash(&self.hashes, path[folders]);
            self.sorter.push(row(parents[folders], name, MEMBER, at, path.len()))?;
        }
        Ok(())
    }
}

impl Archive {
    /// Lists the archive of this name.
    pub(crate) fn new(
        members: Box<dyn Members>,
        name: &str,
        spill: &Spill,
        problems: &mut Vec<Problem>,
    ) -> io::Result<Self> {
        let mut builder = Builder {
            hashes: RandomState::new(),
            sorter: Sorter::new(spill),
            backslash: members.backslash_separates(),
            before: Vec::new(),
            climbing: Odd::default(),
            absolute: Odd::default(),
            deep: Odd::default(),
            nameless: 0,
        };
        members.each(&mut |at, member| builder.add(at, &member), problems)?;
        let Builder { hashes, sorter, climbing, absolute, deep, nameless, .. } = builder;
        let mut last = [0xFF; 17];
        let mut doubled = Odd::default();
        let mut failed = None;
        let rows = sorter.finish(|row| {
            let is_same = row[..17] == last;
            last.copy_from_slice(&row[..17]);
            if is_same && row[16] == MEMBER {
                let named = if doubled.examples.len() < EXAMPLES {
                    members.member(be(&row[17..25]))
                } else {
                    Ok(Member::default())
                };
                match named {
                    Ok(member) => doubled.add(&member.name),
                    Err(error) => failed = Some(error),
                }
            }
            !is_same || row[16] == MEMBER
        })?;
        if let Some(error) = failed {
            return Err(error);
        }
        say_names(name, &climbing, &absolute, &doubled, nameless, problems);
        say_deep(name, &deep, problems);
        Ok(Archive { members, spill: spill.clone(), rows, hashes, last: Mutex::default() })
    }

    /// The member that is described at this place.
    fn parsed(&self, at: u64) -> io::Result<Arc<Parsed>> {
        let mut last = self.last.lock();
        if let Some((of, parsed)) = &*last
            && *of == at
        {
            return Ok(parsed.clone());
        }
        let member = self.members.member(at)?;
        let parsed = Arc::new(Parsed::new(member, self.members.backslash_separates(), &self.hashes));
        if parsed.member.name.len() >= LONG_NAME {
            *last = Some((at, parsed.clone()));
        }
        Ok(parsed)
    }

    /// The folder of this key; `None` if it is the key of none.
    fn folder(&self, key: &str) -> io::Result<Option<Folder>> {
        let (own, depth) = match Key::parse(key) {
            Some(Key::Root) => (Arc::new(Parsed::new(Member::default(), false, &self.hashes)), 0),
            Some(Key::Folder { at, depth }) => (self.parsed(at)?, depth),
            Some(Key::Member { .. }) | None => return Ok(None),
        };
        let start = own.hashes.get(depth).map(|hash| hash.to_be_bytes());
        Ok(start.map(|start| Folder { own, depth, start }))
    }

    /// What lies in a folder: rows of its path, checked by the names themselves.
    fn each_child(&self, folder: &Folder, take: &mut dyn FnMut(Child) -> io::Result<()>) -> io::Result<()> {
        let mut batch: Vec<Row> = Vec::new();
        let mut same = 0u16;
        for row in self.rows.starting_with(&folder.start) {
            let row = row?;
            // Of members of one name the last is the one that unpacking leaves; those before it are numbered.
            match batch.last_mut() {
                Some(before) if before[..17] == row[..17] && row[16] == MEMBER => {
                    same = same.saturating_add(1);
                    before[NUMBER..NUMBER + 2].copy_from_slice(&same.to_be_bytes());
                }
                _ => same = 0,
            }
            if batch.len() >= BATCH {
                self.children_of(folder, &mut batch, take)?;
            }
            batch.push(row);
        }
        self.children_of(folder, &mut batch, take)
    }

    /// The children whose rows begin so: of each spelling the last member, or the one that has this number.
    fn each_named(
        &self,
        folder: &Folder,
        start: [u8; FOLDED],
        number: Option<u64>,
        take: &mut dyn FnMut(Child) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut at = self.rows.first(&start)?;
        let mut batch = Vec::new();
        while at < self.rows.len() {
            let first = self.rows.get(at)?;
            if !first.starts_with(&start) {
                break;
            }
            let mut after = first[..SPELLED].to_vec();
            // The kind is the last byte and small.
            after[SPELLED - 1] += 1;
            let end = self.rows.first(&after)?.max(at + 1);
            // The first of several has the number 1, the last has none.
            let wanted = match number {
                None => Some(end - 1),
                Some(number) => at.checked_add(number - 1).filter(|wanted| *wanted < end - 1),
            };
            if let Some(wanted) = wanted {
                let mut row = self.rows.get(wanted)?;
                let number = u16::try_from(number.unwrap_or(0)).unwrap_or(u16::MAX);
                row[NUMBER..NUMBER + 2].copy_from_slice(&number.to_be_bytes());
                batch.push(row);
            }
            at = end;
        }
        self.children_of(folder, &mut batch, take)
    }

    /// The children that these rows are. They are read in the order in which they lie, since an archive that is packed as
    /// a whole is slow to go back in.
    fn children_of(
        &self,
        parent: &Folder,
        rows: &mut Vec<Row>,
        take: &mut dyn FnMut(Child) -> io::Result<()>,
    ) -> io::Result<()> {
        rows.sort_unstable_by_key(|row| be(&row[17..25]));
        for row in rows.drain(..) {
            let at = be(&row[17..25]);
            let parsed = self.parsed(at)?;
            let Some(name) = parsed.part(parent.depth).filter(|_| parsed.begins_like(&parent.own, parent.depth)) else {
                continue;
            };
            let member = &parsed.member;
            let is_last = parsed.parts.len() == parent.depth + 1;
            if row[16] == FOLDER {
                take(Child {
                    name: name.to_owned(),
                    key: format!("{at}.{}", parent.depth + 1),
                    is_folder: true,
                    is_link: false,
                    size: 0,
                    times: member.times.filter(|_| is_last && member.is_folder),
                })?;
            } else if is_last {
                let target = if member.same_as.is_some() { self.target(member)? } else { None };
                let size = target.map_or(member.size, |(_, target)| target.size);
                take(Child {
                    name: numbered(name, u16::from_be_bytes([row[NUMBER], row[NUMBER + 1]])),
                    key: at.to_string(),
                    is_folder: false,
                    is_link: member.is_link,
                    size,
                    times: member.times,
                })?;
            }
        }
        Ok(())
    }

    /// The member whose bytes a hard link has.
    fn target(&self, link: &Member) -> io::Result<Option<(u64, Member)>> {
        let mut next = link.same_as.clone();
        for _ in 0..MAX_LINKS {
            let Some(name) = next else { return Ok(None) };
            let path = components(&name, self.members.backslash_separates());
            let Some((last, folder)) = path.split_last() else { return Ok(None) };
            let folder = prefix_hashes(&self.hashes, folder.iter().copied());
            let mut start = folder.last().copied().unwrap_or_default().to_be_bytes().to_vec();
            start.extend(name_hash(&self.hashes, last).to_be_bytes());
            start.push(MEMBER);
            let mut found = None;
            for row in self.rows.starting_with(&start) {
                let at = be(&row?[17..25]);
                let member = self.members.member(at)?;
                if member.same_as.is_none() {
                    return Ok(Some((at, member)));
                }
                found = Some(member);
            }
            next = found.and_then(|member| member.same_as);
        }
        Ok(None)
    }
}

fn say_names(archive: &str, climbing: &Odd, absolute: &Odd, doubled: &Odd, nameless: u64, problems: &mut Vec<Problem>) {
    let mut say = |kind, what: String, effect: &str| {
        problems.push(Problem::new(Stage::Source, kind, name::shown(archive), what, effect));
    };
    // All of them are looked at, so that nothing is lost.
    let below = "a name in an archive should be a path below its root";
    if climbing.count > 0 {
        say(
            ProblemKind::NotUnderstood,
            format!("{} names in the archive climb out of their folder with «..»: {}", climbing.count, climbing.say()),
            "in a tree of a host these files are not examined: they are kept in folders called «..», and are not taken for \
             files of the place that they climb to; unpack the archive with care and give the folder",
        );
    }
    if absolute.count > 0 {
        say(
            ProblemKind::Inconsistent { a: absolute.say(), b: below.to_owned() },
            format!("names in the archive begin at the root of a file system: {}", absolute.count),
            "they are kept apart from the other names, in a folder called «/»",
        );
    }
    if doubled.count > 0 {
        say(
            ProblemKind::Inconsistent {
                a: format!("members with the name of another one: {} ({})", doubled.count, doubled.say()),
                b: "a name should stand for one file".to_owned(),
            },
            "the archive holds several files under one name".to_owned(),
            "the last of each name is the one that unpacking leaves and has the name; those before it are called «=~1», «=~2» \
             and so on, and where such a name is looked for on a volume all of them are copies of one file",
        );
    }
    if nameless > 0 {
        say(
            ProblemKind::OutOfRange { raw: "an empty name".to_owned() },
            format!("files without a name in the archive: {nameless}"),
            "they are not looked at",
        );
    }
}

/// Says which names have more folders than are told apart.
fn say_deep(archive: &str, deep: &Odd, problems: &mut Vec<Problem>) {
    if deep.count > 0 {
        problems.push(Problem::new(
            Stage::Source,
            ProblemKind::LimitReached,
            name::shown(archive),
            format!("names in the archive with more than {MAX_FOLDERS} folders: {} ({})", deep.count, deep.say()),
            "what is deeper is kept as one name in the last of these folders; a file there is looked at by its content, and a \
             folder of Windows there is not recognised",
        ));
    }
}

impl Store for Archive {
    fn kind(&self) -> VolumeKind {
        VolumeKind::Archive
    }

    fn method(&self) -> Method {
        Method::Archive
    }

    fn each(&self, folder: &str, take: &mut dyn FnMut(Child) -> io::Result<()>) -> io::Result<()> {
        self.folder(folder)?.map_or(Ok(()), |folder| self.each_child(&folder, take))
    }

    fn named(&self, folder: &str, name: &str) -> io::Result<Vec<Child>> {
        let Some(folder) = self.folder(folder)? else { return Ok(Vec::new()) };
        let mut named = Vec::new();
        let mut take = |child: Child| {
            if name::same(&child.name, name) {
                named.push(child);
            }
            Ok(())
        };
        self.each_named(&folder, start_of(folder.start, &self.hashes, name), None, &mut take)?;
        if let Some((name, number)) = unnumbered(name) {
            self.each_named(&folder, start_of(folder.start, &self.hashes, &name), Some(number), &mut take)?;
        }
        Ok(named)
    }

    fn open(&self, file: &str) -> io::Result<Arc<dyn Bytes>> {
        self.members.open(self.place(file)?, &self.spill)
    }

    fn head(&self, file: &str, length: usize) -> io::Result<Vec<u8>> {
        let mut head = vec![0; length];
        let read = self.members.begin(self.place(file)?, &self.spill)?.read_full_at(0, &mut head)?;
        head.truncate(read);
        Ok(head)
    }

    fn replaced(&self, child: &Child) -> Option<String> {
        let (name, _) = unnumbered(&child.name)?;
        let Some(Key::Member { at }) = Key::parse(&child.key) else { return None };
        let member = self.members.member(at).ok()?;
        (components(&member.name, self.members.backslash_separates()).last() == Some(&name.as_str())).then_some(name)
    }

    fn link(&self, child: &str) -> Option<String> {
        let Some(Key::Member { at }) = Key::parse(child) else { return None };
        let member = self.members.member(at).ok().filter(|member| member.is_link)?;
        // A zip archive has it where a file has its bytes.
        let inside = || self.head(child, LONGEST_TARGET).ok().map(|bytes| name::from_bytes(&bytes));
        member.leads_to.or_else(inside).filter(|target| !target.is_empty())
    }
}

impl Archive {
    /// Where the member is described that has the bytes of this file.
    fn place(&self, file: &str) -> io::Result<u64> {
        let Some(Key::Member { at }) = Key::parse(file) else {
            return Err(io::Error::new(io::ErrorKind::NotFound, "it is a folder"));
        };
        let member = self.members.member(at)?;
        match (self.target(&member)?, member.same_as) {
            (Some((target, _)), _) => Ok(target),
            (None, None) => Ok(at),
            (None, Some(name)) => {
                let what = format!("it is a hard link to {}, which the archive does not hold", name::shown(&name));
                Err(io::Error::new(io::ErrorKind::InvalidData, what))
            }
        }
    }
}

/// Lists an archive of any bytes, zip or tar, and reads the beginning and the end of every file in it. For fuzzing.
#[doc(hidden)]
pub fn examine(bytes: Vec<u8>, spill: &Spill) -> io::Result<u64> {
    let mut problems = Vec::new();
    let bytes: Arc<dyn Bytes> = Arc::new(bytes);
    let mut magic = [0; 2];
    bytes.read_full_at(0, &mut magic)?;
    let archive = match &magic {
        b"PK" => zip::open(bytes, "a", spill, &mut problems)?.0,
        _ if zip::is_at_end(&*bytes) => zip::open(bytes, "a", spill, &mut problems)?.0,
        _ => tar::open(bytes, "a", spill, &mut problems)?,
    };
    let (mut files, mut folders) = (0, vec![String::new()]);
    while let Some(folder) = folders.pop() {
        for child in archive.children(&folder)? {
            if child.is_folder {
                folders.push(child.key);
            } else if let Ok(bytes) = archive.open(&child.key) {
                files += 1;
                let mut buffer = vec![0; 1 << 16];
                let _ = (bytes.read_full_at(0, &mut buffer), bytes.flaw());
                let _ = bytes.read_full_at(bytes.len().saturating_sub(1 << 12), &mut buffer);
            }
        }
    }
    Ok(files)
}
