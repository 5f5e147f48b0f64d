//! Every citation of a report and every row of its timeline, opened in the bundle by a few lines that know nothing of our
//! readers: the object by its hash, with the `zip` crate, and what the format has at the place.

use serde_json::Value;
use sha2::Digest;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::Read;
use std::path::{Path, PathBuf};

/// Rows of a timeline that are opened; a full timeline has hundreds of thousands.
const MOST_ROWS: usize = 20_000;
/// Objects longer than this are not opened.
const LONGEST: u64 = 256 << 20;

/// How many citations were opened, by the kind of their place; `dirty hive` are those that could not be, because their
/// offsets are those after the hive's logs were applied.
pub(crate) type Counts = BTreeMap<String, usize>;

/// A sealed bundle: an archive, or its folder.
enum Bundle {
    Archive(zip::ZipArchive<std::fs::File>, String),
    Folder(PathBuf),
}

impl Bundle {
    fn open(path: &Path) -> Option<Bundle> {
        if path.is_dir() {
            return path.join("bagit.txt").is_file().then(|| Bundle::Folder(path.to_owned()));
        }
        let archive = zip::ZipArchive::new(std::fs::File::open(path).ok()?).ok()?;
        let bag = archive.file_names().find_map(|name| Some(name.ok()?.strip_suffix("/bagit.txt")?.to_owned()))?;
        Some(Bundle::Archive(archive, bag))
    }

    fn read(&mut self, path: &str) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        match self {
            Bundle::Archive(archive, bag) => {
                archive.by_name(&format!("{bag}/{path}")).ok()?.read_to_end(&mut bytes).ok()?;
            }
            Bundle::Folder(folder) => bytes = std::fs::read(folder.join(path)).ok()?,
        }
        Some(bytes)
    }
}

/// The objects that citations name, each read once.
struct Objects {
    bundles: Vec<Bundle>,
    /// Bundle and line of `objects.jsonl`, by path on the host.
    lines: HashMap<String, Vec<(usize, Value)>>,
    whole: HashMap<(String, String), Option<Vec<u8>>>,
    /// Whether objects were changed on purpose, so that their hashes do not fit.
    is_changed: bool,
}

impl Objects {
    fn of(paths: &[PathBuf], is_changed: bool) -> Objects {
        let mut bundles: Vec<Bundle> = paths.iter().filter_map(|path| Bundle::open(path)).collect();
        let mut lines: HashMap<String, Vec<(usize, Value)>> = HashMap::new();
        for (index, bundle) in bundles.iter_mut().enumerate() {
            let text = String::from_utf8(bundle.read("metadata/objects.jsonl").unwrap_or_default()).unwrap();
            for line in text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
                let path = line["original_path"].as_str().unwrap_or_default().to_owned();
                lines.entry(path).or_default().push((index, line));
            }
        }
        Objects { bundles, lines, whole: HashMap::new(), is_changed }
    }

    /// The bytes of an object as they were on the host, with its holes; an error where no object has this path and hash.
    fn whole(&mut self, item: &str, sha256: &str) -> Result<&Option<Vec<u8>>, String> {
        let key = (item.to_owned(), sha256.to_owned());
        if !self.whole.contains_key(&key) {
            let candidates = self.lines.get(item).ok_or(format!("no object {item}"))?;
            let mut found = candidates
                .iter()
                .filter(|(_, line)| self.is_changed || line["file_sha256"] == sha256 || line["sha256"] == sha256);
            let (bundle, line) = found.next().ok_or(format!("no object {item} has the hash {sha256}"))?.clone();
            let whole = match line["size"].as_u64().is_some_and(|size| size <= LONGEST) {
                true => Some(self.read(bundle, &line, sha256)?),
                false => None,
            };
            self.whole.insert(key.clone(), whole);
        }
        Ok(&self.whole[&key])
    }

    fn read(&mut self, bundle: usize, line: &Value, sha256: &str) -> Result<Vec<u8>, String> {
        let path = line["bundle_path"].as_str().ok_or("an object without a place in the bundle")?;
        let stored = self.bundles[bundle].read(path).ok_or(format!("{path} is not in the bundle"))?;
        let number = |value: &Value| value.as_u64().unwrap() as usize;
        let mut whole = stored.clone();
        if let Some(ranges) = line["stored_ranges"].as_array() {
            whole = vec![0; number(&line["size"])];
            for range in ranges {
                let (at, from) = (number(&range["offset"]), number(&range["stored_at"]));
                let length = number(&range["length"]);
                whole[at..at + length].copy_from_slice(&stored[from..from + length]);
            }
        }
        // Of a file with holes that are not known it is that of what is stored.
        let hash =
            |bytes: &[u8]| -> String { sha2::Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect() };
        match hash(&whole) == sha256 || hash(&stored) == sha256 || self.is_changed {
            true => Ok(whole),
            false => Err(format!("{path} has not the hash {sha256} that is cited")),
        }
    }
}

/// A place in an object: the locator's kind, its number, where, how long, and the words for it.
struct Place {
    kind: String,
    number: u64,
    offset: u64,
    length: u64,
    text: String,
}

impl Place {
    /// A locator of report.json.
    fn of_citation(locator: &Value) -> Place {
        let number = |name: &str| locator[name].as_u64();
        Place {
            kind: locator["kind"].as_str().unwrap_or_default().to_owned(),
            number: ["record_id", "entry", "usn", "token"].iter().find_map(|name| number(name)).unwrap_or(0),
            offset: number("offset").unwrap_or(0),
            length: number("length").unwrap_or(0),
            text: locator["text"].as_str().unwrap_or_default().to_owned(),
        }
    }

    /// The locator of a row, which is the same in words.
    fn of_row(text: &str) -> Place {
        const KINDS: [(&str, &str); 7] = [
            ("record ", "evtx_record"),
            ("key ", "registry_key"),
            ("value ", "registry_key"),
            ("MFT record ", "mft_entry"),
            ("USN ", "usn_record"),
            ("token ", "metadata_token"),
            ("offset ", "byte_range"),
        ];
        let digits = |text: &str| {
            let end = text.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(text.len());
            let text = &text[..end];
            match text.strip_prefix("0x") {
                Some(hex) => u64::from_str_radix(hex, 16).unwrap_or(u64::MAX),
                None => text.parse().unwrap_or(0),
            }
        };
        let (begin, kind) = KINDS.into_iter().find(|(begin, _)| text.starts_with(begin)).unwrap_or(("", "whole"));
        let after = text.rsplit_once("offset ").map_or("", |(_, after)| after);
        let length = if kind == "byte_range" { after.split_once(", ").map_or("", |(_, length)| length) } else { "" };
        let number = if kind == "registry_key" { "" } else { &text[begin.len()..] };
        Place {
            kind: kind.to_owned(),
            number: digits(number),
            offset: digits(after),
            length: digits(length),
            text: text.to_owned(),
        }
    }

    /// A key node or value node with its signature and the name that is cited, in a cell that has a length.
    fn check_key(&self, bytes: &[u8]) -> Result<(), String> {
        let (at, le) = (self.offset as usize, little_endian(bytes));
        let is_value = self.text.starts_with("value ");
        // Signature, places of the name's length, of the flags and of the name, and the flag for a byte a letter.
        let (signature, length, flags, name, is_short) =
            if is_value { (0x6B76, 2, 16, 20, 1) } else { (0x6B6E, 72, 2, 76, 0x20) };
        if le(at, 2)? != signature || le(at.wrapping_sub(4), 4)? == 0 {
            return Err(format!(
                "{:#x} in a cell of {:#x}, no signature of it",
                le(at, 2)?,
                le(at.wrapping_sub(4), 4)?
            ));
        }
        let length = le(at + length, 2)? as usize;
        let stored = bytes.get(at + name..at + name + length).ok_or("a name beyond the object's end")?;
        let name = match le(at + flags, 2)? & is_short {
            0 => {
                let units: Vec<u16> =
                    stored.chunks_exact(2).map(|unit| u16::from_le_bytes([unit[0], unit[1]])).collect();
                String::from_utf16_lossy(&units)
            }
            _ => String::from_utf8_lossy(stored).into_owned(),
        };
        let cited = self.text.rsplit_once(" at offset ").map_or("", |(cited, _)| cited);
        let is_right = match is_value {
            _ if !name.is_ascii() || name.contains(char::is_control) => true,
            true if name.is_empty() => cited.starts_with("value (Default) of key "),
            true => cited.starts_with(&format!("value {name} of key ")),
            false => cited == "key " || cited.ends_with(&format!("\\{name}")) || cited == format!("key {name}"),
        };
        if is_right { Ok(()) } else { Err(format!("{name} stands there")) }
    }

    /// Whether the format has at this place what is cited; false where it cannot be told.
    fn check(&self, bytes: &[u8]) -> Result<bool, String> {
        let (at, le) = (self.offset as usize, little_endian(bytes));
        let expect = |is_right: bool, what: String| if is_right { Ok(true) } else { Err(what) };
        match self.kind.as_str() {
            "evtx_record" => {
                expect(le(at, 4)? == 0x2A2A, format!("{:#x}, no `**\\0\\0`", le(at, 4)?))?;
                expect(le(at + 8, 8)? == self.number, format!("record {} stands there", le(at + 8, 8)?))
            }
            // Where its sequence numbers differ, a hive was not closed, and its offsets are those after its logs were
            // applied: what they moved is not seen in the file as stored.
            "registry_key" => match self.check_key(bytes) {
                Err(_) if le(4, 4)? != le(8, 4)? => Ok(false),
                checked => checked.map(|()| true),
            },
            "mft_entry" => {
                expect(le(at, 4)? == 0x454C_4946, format!("{:#x}, no `FILE`", le(at, 4)?))?;
                // Since Windows XP a record has its own number, before its update sequence.
                let own = if le(at + 4, 2)? >= 0x30 { le(at + 0x2C, 4)? } else { self.number };
                expect(own == self.number, format!("record {own} stands there"))
            }
            "usn_record" => {
                let (length, version) = (le(at, 4)?, le(at + 4, 2)?);
                let usn = match version {
                    2 => le(at + 24, 8)?,
                    3 | 4 => le(at + 40, 8)?,
                    other => return Err(format!("version {other}")),
                };
                let is_right = usn == self.number && length >= 56 && length % 8 == 0;
                expect(is_right, format!("USN {usn} of {length} bytes stands there"))?;
                le((at as u64 + length) as usize - 1, 1).map(|_| true)
            }
            "byte_range" => {
                let end = self.offset.checked_add(self.length).ok_or("beyond any object")?;
                expect(end <= bytes.len() as u64, format!("the object has {} bytes", bytes.len()))
            }
            "metadata_token" => expect(at < bytes.len() && self.number >> 24 < 0x2D, "outside the object".to_owned()),
            "whole" => Ok(true),
            other => Err(format!("a kind of place that nobody knows: {other}")),
        }
    }
}

/// Reads numbers of up to eight bytes.
fn little_endian(bytes: &[u8]) -> impl Fn(usize, usize) -> Result<u64, String> {
    |at, length| {
        let bytes = at.checked_add(length).and_then(|end| bytes.get(at..end)).ok_or("beyond the object's end")?;
        Ok(bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }
}

/// Every object of a document that cites: `{item, sha256, locator, …}`.
fn citations(report: &Value) -> Vec<(String, String, Place)> {
    let (mut found, mut open) = (Vec::new(), vec![report]);
    while let Some(value) = open.pop() {
        match value {
            Value::Object(members) => {
                if let (Some(item), Some(sha256), Some(locator)) =
                    (value["item"].as_str(), value["sha256"].as_str(), members.get("locator"))
                {
                    found.push((item.to_owned(), sha256.to_owned(), Place::of_citation(locator)));
                }
                open.extend(members.values());
            }
            Value::Array(items) => open.extend(items),
            _ => {}
        }
    }
    found
}

/// Opens every citation of the analysis in this folder, and fails with all that are wrong.
pub(crate) fn check(case: &Path, bundles: &[PathBuf]) -> Counts {
    let report: Value = serde_json::from_slice(&std::fs::read(case.join("report.json")).unwrap()).unwrap();
    let mut objects = Objects::of(bundles, !report["changed_after_sealing"].is_null());
    let mut counts = Counts::new();
    if objects.bundles.is_empty() {
        return counts;
    }
    let mut all: Vec<(&str, (String, String, Place))> =
        citations(&report).into_iter().map(|one| ("report.json", one)).collect();
    let rows = std::fs::read_to_string(case.join("timeline.jsonl")).unwrap_or_default();
    for row in rows.lines().take(MOST_ROWS) {
        let row: Value = serde_json::from_str(row).unwrap();
        if let (Some(item), Some(sha256), Some(text)) =
            (row["item"].as_str(), row["item_sha256"].as_str(), row["locator"].as_str())
        {
            all.push(("timeline.jsonl", (item.to_owned(), sha256.to_owned(), Place::of_row(text))));
        }
    }
    let mut wrong = BTreeSet::new();
    for (file, (item, sha256, place)) in all {
        let checked = match objects.whole(&item, &sha256) {
            Ok(Some(bytes)) => place.check(bytes),
            Ok(None) => continue,
            Err(error) => Err(error),
        };
        match checked {
            Ok(true) => *counts.entry(place.kind).or_default() += 1,
            Ok(false) => *counts.entry("dirty hive".to_owned()).or_default() += 1,
            Err(error) => drop(wrong.insert(format!("{file}: {item}, {}: {error}", place.text))),
        }
    }
    println!("{}: citations opened: {counts:?}", case.display());
    let all: Vec<String> = wrong.into_iter().collect();
    assert!(all.is_empty(), "{}: {} wrong citations:\n{}", case.display(), all.len(), all.join("\n"));
    counts
}

/// The bundles that lie in a folder.
pub(crate) fn bundles_in(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.extension().is_some_and(|extension| extension == "zip")).collect()
}

/// Opens the citations of whatever analysis a run of the program left: that of one host, or of several in folders.
pub(crate) fn check_run(arguments: &[&str]) {
    let Some((_, case)) = arguments.iter().zip(&arguments[1..]).find(|(option, _)| **option == "-o") else { return };
    let given = arguments.iter().skip(1).map(PathBuf::from);
    let given: Vec<PathBuf> = if arguments[0] == "analyze" { given.collect() } else { Vec::new() };
    let case = Path::new(case);
    let below = std::fs::read_dir(case).into_iter().flatten().map(|entry| entry.unwrap().path());
    for folder in below.chain([case.to_owned()]).filter(|folder| folder.join("report.json").is_file()) {
        check(&folder, &[given.clone(), bundles_in(&folder)].concat());
    }
}

/// Zeros with these bytes at a place.
fn with(at: usize, parts: &[&[u8]]) -> Vec<u8> {
    let mut bytes = vec![0; 0x100];
    let part = parts.concat();
    bytes[at..at + part.len()].copy_from_slice(&part);
    bytes
}

#[test]
fn what_stands_elsewhere_is_seen() {
    let entry = with(0x40, &[b"FILE\x30", &[0; 0x27], &9u32.to_le_bytes()]);
    let key = with(0x40, &[&(-96i32).to_le_bytes(), b"nk\x20", &[0; 69], &[4, 0, 0, 0], b"Demo"]);
    let value = with(0x40, &[&(-32i32).to_le_bytes(), b"vk", &[4, 0], &[0; 12], &[1, 0, 0, 0], b"Path"]);
    let change = with(0x40, &[&[64, 0, 0, 0, 2, 0, 0, 0], &[0; 16], &8192u64.to_le_bytes()]);
    for (bytes, right, wrong) in [
        (with(0x40, &[b"**\0\0\x18\0\0\0", &7u64.to_le_bytes()]), "record 7 at offset 0x40", "record 8 at offset 0x40"),
        (entry, "MFT record 9-1 at offset 0x40", "MFT record 8-1 at offset 0x40"),
        (key, r"key Classes\Demo at offset 0x44", r"key Classes\Other at offset 0x44"),
        (
            value,
            r"value Path of key Classes\Demo at offset 0x44",
            r"value (Default) of key Classes\Demo at offset 0x44",
        ),
        (change, "USN 8192 at offset 0x40", "USN 8193 at offset 0x40"),
        (with(0, &[]), "offset 0xf0, 16 bytes", "offset 0xf0, 17 bytes"),
        (with(0, &[]), "token 0x06000001 at offset 0x10", "token 0x06000001 at offset 0x100"),
    ] {
        assert_eq!(Place::of_row(right).check(&bytes), Ok(true), "{right}");
        assert!(Place::of_row(wrong).check(&bytes).is_err(), "{wrong}");
        if !right.starts_with(['o', 't']) {
            let moved = right.replace("0x4", "0x5");
            assert!(Place::of_row(&moved).check(&bytes).is_err(), "{moved}");
            assert!(Place::of_row(right).check(&bytes[..0x48]).is_err(), "{right}");
        }
    }
    assert_eq!(Place::of_row("whole file").check(&[]), Ok(true));
    // A hive that was not closed is not read as it was stored.
    let mut dirty = with(0x40, &[b"nothing of a key"]);
    dirty[4] = 1;
    assert_eq!(Place::of_row("key Demo at offset 0x44").check(&dirty), Ok(false));
}
