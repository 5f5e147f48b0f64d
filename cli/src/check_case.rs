//! `comtrail verify CASE/`: whether an analysis is what was made, and whether its bundle is the one that it names.
//!
//! The manifest is compared with what this program writes byte for byte, so that nothing in it can be written otherwise.
//! What nobody can see from the folder alone is an analysis whose files and manifest were all made anew; for that there is
//! the hash that was written down, and `--again`.

use crate::Outcome;
use crate::analyze::{self, Analyzed, Options};
use crate::args::{CheckOptions, Common};
use crate::collect::file_hash;
use crate::formats::Formats;
use crate::parts::Given;
use crate::place::{self, ANALYSIS, FOOTPRINT, INDEX, MANIFEST};
use crate::progress::printable;
use crate::run;
use collector::{Kept, OpenBundle, VerifyReport, shown};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufReader, Read, Write};
use std::path::{Path, PathBuf};
use timeline::{Index, IndexedHost};

/// Longest manifest or JSON file that is read. An overview of thousands of hosts is far shorter.
const LONGEST: u64 = 16 << 20;

/// What was added and stands on the terminal; JSON has all.
const SHOWN: usize = 20;

/// More parts of one collection are not analysed together.
const MOST_PARTS: usize = 1 << 12;

/// What checking an analysis gave.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Checked {
    /// What is wrong.
    pub(crate) wrong: Vec<String>,
    /// What is wrong with the bundle and was so when the analysis was made, which says so itself.
    pub(crate) changed: Vec<String>,
    /// What could not be checked.
    pub(crate) open: Vec<String>,
    /// What lies in the folder and is none of what this program puts there: it makes nothing less right, and whoever hands
    /// the folder over as evidence hands it over as well.
    pub(crate) added: Vec<String>,
    /// What was checked and is right.
    pub(crate) right: Vec<String>,
    /// SHA-256 of the manifest.
    pub(crate) manifest_sha256: Option<String>,
}

impl Checked {
    /// 1 where something is wrong, with the bundle too, 2 where something could not be checked or was added.
    pub(crate) fn outcome(&self) -> Outcome {
        match (self.wrong.is_empty() && self.changed.is_empty(), self.open.is_empty() && self.added.is_empty()) {
            (false, _) => Outcome::NotValid,
            (true, false) => Outcome::WithProblems,
            (true, true) => Outcome::Complete,
        }
    }

    /// For programs.
    pub(crate) fn to_json(&self, folder: &Path) -> Value {
        serde_json::json!({
            "analysis": shown(folder), "valid": self.wrong.is_empty() && self.changed.is_empty(), "complete": self.outcome() == Outcome::Complete,
            "analysis_manifest_sha256": self.manifest_sha256, "wrong": self.wrong,
            "changed_before_the_analysis": self.changed, "not_checked": self.open,
            "not_listed": self.added, "checked": self.right,
        })
    }

    /// For people.
    pub(crate) fn write(&self, folder: &Path, quiet: bool, out: &mut dyn Write) -> std::io::Result<()> {
        let verdict = match self.outcome() {
            Outcome::Complete if quiet => return Ok(()),
            Outcome::Complete => "the analysis is unchanged",
            Outcome::WithProblems if self.open.is_empty() => "the analysis is valid",
            Outcome::WithProblems => "the analysis is unchanged, as far as it was checked",
            Outcome::NotValid if self.wrong.is_empty() => {
                "the analysis is unchanged. Its bundle was changed after it was sealed, as the analysis itself says"
            }
            Outcome::NotValid => "NOT the analysis that was made",
        };
        let added = match self.added.len() {
            0 => String::new(),
            1 => format!(", but 1 file or folder lies there that {MANIFEST} does not list"),
            count => format!(", but {count} files or folders lie there that {MANIFEST} does not list"),
        };
        writeln!(out, "{}: {verdict}{added}", printable(&shown(folder)))?;
        for line in self.wrong.iter().chain(&self.changed).chain(&self.open).chain(&self.right) {
            writeln!(out, "  {}", printable(line))?;
        }
        for name in self.added.iter().take(SHOWN) {
            writeln!(out, "  not listed: {}", printable(name))?;
        }
        let more = self.added.len().saturating_sub(SHOWN);
        if more > 0 {
            writeln!(out, "  and {more} more; --json lists them")?;
        }
        if let Some(sha256) = &self.manifest_sha256 {
            writeln!(out, "  analysis  {sha256}")?;
        }
        Ok(())
    }

    /// Takes over what a part gave, with its name before it.
    fn add(&mut self, name: &str, part: Checked) {
        let named = |lines: Vec<String>| lines.into_iter().map(|line| format!("{name}: {line}")).collect::<Vec<_>>();
        self.wrong.extend(named(part.wrong));
        self.changed.extend(named(part.changed));
        self.open.extend(named(part.open));
        self.added.extend(part.added.into_iter().map(|file| format!("{name}/{file}")));
        self.right.extend(named(part.right));
    }
}

/// Whether a folder holds an analysis or the overview of several, and not an unpacked bundle.
pub(crate) fn is_case(folder: &Path) -> bool {
    folder.is_dir()
        && !folder.join("bagit.txt").exists()
        && (place::analysis_in(folder).is_some()
            || INDEX.iter().any(|name| folder.join(name).symlink_metadata().is_ok()))
}

/// Checks the folder of an analysis, or of several.
pub(crate) fn check(folder: &Path, options: &CheckOptions, common: &Common) -> anyhow::Result<Checked> {
    let is_overview = INDEX.iter().any(|name| folder.join(name).symlink_metadata().is_ok())
        && folder.join(ANALYSIS).symlink_metadata().is_err();
    let mut checked = if is_overview { overview(folder, options, common)? } else { one(folder, options, common)?.0 };
    if let Some(expected) = &options.expect_manifest
        && checked.manifest_sha256.as_ref() != Some(expected)
    {
        checked.wrong.push(format!("{MANIFEST} has not the SHA-256 that was expected, {expected}"));
    }
    Ok(checked)
}

/// Several hosts: the manifest over all, and each of them.
fn overview(folder: &Path, options: &CheckOptions, common: &Common) -> anyhow::Result<Checked> {
    let mut checked = Checked::default();
    let mut wanted: BTreeSet<String> = INDEX.map(str::to_owned).into();
    let (mut hosts, mut without_report) = (Vec::new(), Vec::new());
    let index = json(&folder.join(INDEX[1]));
    match &index {
        Ok(index) => {
            for host in index["hosts"].as_array().into_iter().flatten() {
                let Some(name) = host["folder"].as_str().filter(|name| is_plain(name)) else { continue };
                if !host["report"].is_string() {
                    without_report.push(name.to_owned());
                    continue;
                }
                wanted.insert(format!("{name}/{MANIFEST}"));
                hosts.push((name.to_owned(), host["analysis_manifest_sha256"].as_str().map(str::to_owned)));
            }
        }
        Err(error) => checked.wrong.push(format!("{} {error}", INDEX[1])),
    }
    checked.manifest_sha256 = files(folder, &wanted, &mut checked);
    let is_host =
        |name: &str| without_report.iter().any(|host| host == name) || hosts.iter().any(|host| host.0 == name);
    checked.added = added(folder, &|name| name == MANIFEST || INDEX.contains(&name) || is_host(name));
    // Whoever follows a link looks at what lies elsewhere, and hands over the link.
    let is_link = |name: &str| folder.join(name).is_symlink();
    let all = without_report.iter().chain(hosts.iter().map(|(name, _)| name));
    checked.wrong.extend(all.filter(|name| is_link(name)).map(|name| format!("{name} is a link")));
    hosts.retain(|(name, _)| !is_link(name));
    without_report.retain(|name| !is_link(name));
    for name in &without_report {
        let inside = added(&folder.join(name), &|_| false);
        checked.added.extend(inside.into_iter().map(|file| format!("{name}/{file}")));
    }
    let of_host = CheckOptions { expect_manifest: None, ..options.clone() };
    let mut anew = BTreeMap::new();
    for (name, stated) in hosts {
        let (part, analyzed) = one(&folder.join(&name), &of_host, common)?;
        if let (Some(analyzed), Ok(index)) = (analyzed, &index) {
            let stated = index["hosts"].as_array().into_iter().flatten().find(|host| host["folder"] == *name);
            let stated = |field: &str| stated.and_then(|host| host[field].as_str()).map(str::to_owned);
            let host = run::indexed(stated("name").unwrap_or_default(), name.clone(), stated("bundle"), &analyzed);
            anew.insert(name.clone(), host);
        }
        if part.manifest_sha256 != stated {
            checked.wrong.push(format!("{name}: its manifest is not the one that {} names", INDEX[1]));
        }
        checked.add(&name, part);
    }
    if let (true, Ok(index)) = (options.again, &index) {
        overview_again(folder, index, anew, &mut checked)?;
    }
    Ok(checked)
}

/// Makes the overview anew from the analyses that were made anew, and compares every byte. What stands in it alone is taken
/// as it is: what the source was called, and why a host has no report.
fn overview_again(
    folder: &Path,
    index: &Value,
    mut anew: BTreeMap<String, IndexedHost>,
    checked: &mut Checked,
) -> anyhow::Result<()> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut hosts = Vec::new();
    for host in index["hosts"].as_array().into_iter().flatten() {
        let name = text(&host["folder"]);
        if !host["report"].is_string() {
            let headline = text(&host["headline"]);
            let why = headline.strip_prefix("Not examined: ").unwrap_or_default();
            let bundle = host["bundle"].as_str().map(str::to_owned);
            hosts.push(IndexedHost::without_report(text(&host["name"]), name, bundle, why));
        } else if let Some(host) = anew.remove(&name) {
            hosts.push(host);
        } else {
            let why = format!("the overview was not made anew, since the analysis of {} was not", printable(&name));
            checked.open.push(why);
            return Ok(());
        }
    }
    let made = Index::new(run::tool(), text(&index["source"]), hosts);
    let before = checked.wrong.len();
    for (name, made) in [(INDEX[0], made.to_html().into_bytes()), (INDEX[1], made.to_json()?)] {
        match read(&folder.join(name)) {
            Ok(found) if found == made => {}
            Ok(_) => checked.wrong.push(format!("{name} is not what the analyses give when it is made anew")),
            Err(error) => checked.wrong.push(format!("{name} {error}")),
        }
    }
    if checked.wrong.len() == before {
        checked
            .right
            .push("made anew, the overview has the same bytes; the source's name was taken from it".to_owned());
    }
    Ok(())
}

/// Whether a name leads to a folder beside the overview and nowhere else.
fn is_plain(name: &str) -> bool {
    !matches!(name, "" | "." | "..") && !name.contains(['/', '\\', ':', '\n', '\r'])
}

/// One analysis, and what it gave where it was made anew.
fn one(folder: &Path, options: &CheckOptions, common: &Common) -> anyhow::Result<(Checked, Option<Analyzed>)> {
    let mut checked = Checked::default();
    let about = json(&folder.join(ANALYSIS)).and_then(|about| About::of(&about));
    let timeline = about.as_ref().map(|about| about.options.timeline.clone()).unwrap_or_default();
    let wanted: BTreeSet<String> = place::hashed_files(&timeline).into_iter().map(str::to_owned).collect();
    checked.manifest_sha256 = files(folder, &wanted, &mut checked);
    let is_unpacked = |name: &str| {
        let parts = about.as_ref().map_or(&[][..], |about| &about.parts);
        parts.iter().any(|part| part.bag == name && part.has_bag_of(&folder.join(name)))
    };
    let own = |name: &str| wanted.contains(name) || [MANIFEST, FOOTPRINT].contains(&name) || is_unpacked(name);
    checked.added = added(folder, &own);
    let about = match about {
        Ok(about) => about,
        Err(error) => {
            let said = format!("{ANALYSIS} ");
            if !checked.wrong.iter().any(|wrong| wrong.starts_with(&said)) {
                checked.wrong.push(said + &error);
            }
            return Ok((checked, None));
        }
    };
    let analyzed = of_bundles(folder, &about, options, common, &mut checked)?;
    Ok((checked, analyzed))
}

/// Compares the files with the manifest, and the manifest with what this program would write. Gives the manifest's hash.
fn files(folder: &Path, wanted: &BTreeSet<String>, checked: &mut Checked) -> Option<String> {
    let bytes = match read(&folder.join(MANIFEST)) {
        Ok(bytes) => bytes,
        Err(error) => {
            checked.wrong.push(format!("{MANIFEST} {error}"));
            return None;
        }
    };
    let before = checked.wrong.len();
    let written = String::from_utf8_lossy(&bytes);
    let mut stated: BTreeMap<&str, &str> = BTreeMap::new();
    for (number, line) in (1..).zip(written.lines()) {
        match line.split_once("  ").filter(|(_, name)| wanted.contains(*name)) {
            Some((sha256, name)) => {
                if stated.insert(name, sha256).is_some() {
                    checked.wrong.push(format!("{MANIFEST} lists {name} twice"));
                }
            }
            None => checked.wrong.push(format!("{MANIFEST}: line {number} lists nothing that an analysis has")),
        }
    }
    let mut text = String::new();
    for name in wanted {
        match regular(&folder.join(name)).and_then(|()| file_hash(&folder.join(name)).map_err(|error| in_words(&error)))
        {
            Ok(sha256) => {
                match stated.get(name.as_str()) {
                    None => checked.wrong.push(format!("{MANIFEST} does not list {name}")),
                    Some(there) if !there.eq_ignore_ascii_case(&sha256) => {
                        checked.wrong.push(format!("{name} was changed: its SHA-256 is {sha256}"));
                    }
                    Some(_) => {}
                }
                text.push_str(&place::manifest_line(name, &sha256));
            }
            Err(error) => checked.wrong.push(format!("{name} {error}")),
        }
    }
    if checked.wrong.len() == before && text.as_bytes() != bytes {
        checked.wrong.push(format!("{MANIFEST} is not written as this program writes it"));
    } else if checked.wrong.len() == before {
        checked.right.push(format!("{} files are as {MANIFEST} says", wanted.len()));
    }
    Some(place::hash_of(&bytes))
}

/// What lies in a folder and is neither one of its own names nor a bundle, finished or not, by name.
fn added(folder: &Path, is_own: &dyn Fn(&str) -> bool) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let others = entries
        .filter(|entry| !entry.file_name().to_str().is_some_and(is_own) && collector::kept(&entry.path()).is_none());
    let mut names: Vec<String> = others.map(|entry| shown(entry.file_name())).collect();
    names.sort();
    names
}

/// What `analysis.json` says.
struct About {
    version: String,
    /// The bundle, or the parts of the collection.
    parts: Vec<PartOf>,
    options: Options,
    /// Whether it says that its bundle was changed after it was sealed.
    says_changed: bool,
}

/// A bundle that was analysed.
struct PartOf {
    /// Its number, where it is a part of a collection.
    number: Option<u64>,
    bag: String,
    archive_sha256: Option<String>,
    tag_manifest_sha256: String,
}

impl About {
    fn of(about: &Value) -> Result<Self, String> {
        let text = |place: &str| {
            let value = about.pointer(place).and_then(Value::as_str).map(str::to_owned);
            value.ok_or_else(|| format!("does not say {}", place.trim_start_matches('/').replace('/', ".")))
        };
        let option =
            |name: &str| about["options"][name].as_bool().ok_or_else(|| format!("does not say options.{name}"));
        if text("/schema")? != "comtrail-analysis/1" {
            return Err("is of a version that this program does not know".to_owned());
        }
        let bundle = |place: &str| -> Result<PartOf, String> {
            Ok(PartOf {
                number: about.pointer(&format!("{place}/part")).and_then(Value::as_u64),
                bag: text(&format!("{place}/bag"))?,
                archive_sha256: text(&format!("{place}/archive_sha256")).ok(),
                tag_manifest_sha256: text(&format!("{place}/tag_manifest_sha256"))?,
            })
        };
        let parts = match about["parts"].as_array().map_or(0, Vec::len) {
            0 => vec![bundle("/bundle")?],
            count if count > MOST_PARTS => return Err(format!("names more than {MOST_PARTS} parts")),
            count => (0..count).map(|number| bundle(&format!("/parts/{number}"))).collect::<Result<_, _>>()?,
        };
        Ok(About {
            version: text("/tool/version")?,
            parts,
            options: Options {
                full_timeline: option("full_timeline")?,
                accept_changed: option("accept_changed")?,
                timeline: timeline_of(&about["options"]["timeline"])?,
            },
            says_changed: about.get("changed_after_sealing").is_some(),
        })
    }
}

/// The files of the timeline that an analysis has; earlier versions wrote all and did not say so.
fn timeline_of(names: &Value) -> Result<Formats, String> {
    let Some(names) = names.as_array() else {
        return if names.is_null() { Ok(Formats::default()) } else { Err("does not say options.timeline".to_owned()) };
    };
    Formats::named(names.iter().map(|name| name.as_str().unwrap_or_default()))
        .map_err(|error| format!("does not say options.timeline: {error}"))
}

/// The bundles of an analysis: found by their hashes, verified, and analysed anew if that is wanted.
fn of_bundles(
    folder: &Path,
    about: &About,
    options: &CheckOptions,
    common: &Common,
    checked: &mut Checked,
) -> anyhow::Result<Option<Analyzed>> {
    options.its_bundles.iter().try_for_each(|path| place::refuse_special(path))?;
    let pool = rayon::ThreadPoolBuilder::new().num_threads(common.worker_threads()).build()?;
    pool.install(|| {
        let mut found: Vec<Given> = Vec::new();
        for part in &about.parts {
            found.extend(part.find(folder, about, &found, options, common, checked)?);
        }
        let is_whole = found.len() == about.parts.len();
        judge(&found, is_whole, about.says_changed && about.options.accept_changed, checked);
        if options.again && is_whole {
            return again(folder, about, found, common, checked);
        }
        Ok(None)
    })
}

impl PartOf {
    /// Finds the bundle that was analysed; where there are bundles with its name and it is none of them, that is wrong.
    /// Those that were found already are others.
    fn find(
        &self,
        folder: &Path,
        about: &About,
        found: &[Given],
        options: &CheckOptions,
        common: &Common,
        checked: &mut Checked,
    ) -> anyhow::Result<Option<Given>> {
        let mut candidates = match options.its_bundles.as_slice() {
            [] => self.candidates(folder),
            // The only one that was given for the only one that there is has to be it.
            [only] if about.parts.len() == 1 => vec![only.clone()],
            given => given.iter().filter(|path| self.has_bag_of(path)).cloned().collect(),
        };
        candidates.retain(|path| !found.iter().any(|one| one.path == *path));
        if candidates.is_empty() {
            let part = self.number.map(|number| format!("part {number}, ")).unwrap_or_default();
            let place = match options.its_bundles.is_empty() {
                true => "is neither in the folder nor in the one above",
                false => "is not among those that were given",
            };
            checked.open.push(format!("{part}the bundle {} {place}, so it was not checked; give --bundle", self.bag));
            return Ok(None);
        }
        let mut others = Vec::new();
        for path in candidates {
            let opened = OpenBundle::open(&path).map_err(anyhow::Error::from);
            match opened.and_then(|opened| Given::verify(&path, opened, common)) {
                Ok(given) if self.is(&given.verified) => return Ok(Some(given)),
                Ok(given) => {
                    let is_packed_otherwise =
                        given.verified.tag_manifest_sha256.as_ref() == Some(&self.tag_manifest_sha256);
                    let why = match is_packed_otherwise {
                        true => {
                            "its tag manifest is the same, but it is not in the form, packed or unpacked, that was analysed"
                        }
                        false => "its hash is another",
                    };
                    others.push(format!("{} is not the bundle that was analysed: {why}", shown(&path)));
                }
                Err(error) => others.push(format!("{}: {error:#}", shown(&path))),
            }
        }
        checked.wrong.extend(others);
        Ok(None)
    }

    /// Bundles with this bag in the folder and in the one above.
    fn candidates(&self, folder: &Path) -> Vec<PathBuf> {
        let above = collector::real_path(folder).ok().and_then(|folder| folder.parent().map(Path::to_owned));
        let mut found: Vec<PathBuf> = Vec::new();
        for place in [Some(folder.to_owned()), above].into_iter().flatten() {
            let mut paths: Vec<PathBuf> =
                std::fs::read_dir(place).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
            paths.sort();
            found.extend(paths.into_iter().filter(|path| self.has_bag_of(path)));
        }
        found
    }

    /// Whether this is a bundle with its bag, in the form in which it was analysed.
    fn has_bag_of(&self, path: &Path) -> bool {
        match self.archive_sha256 {
            Some(_) => collector::kept(path) == Some(Kept::Bundle(self.bag.clone())),
            None => path.join("bagit.txt").is_file() && path.file_name().is_some_and(|name| shown(name) == self.bag),
        }
    }

    /// Whether a verified bundle is the one that was analysed.
    fn is(&self, verified: &VerifyReport) -> bool {
        verified.archive_sha256 == self.archive_sha256
            && verified.tag_manifest_sha256.as_ref().is_none_or(|sha256| *sha256 == self.tag_manifest_sha256)
    }
}

/// What is wrong with the bundles of an analysis. `is_whole` says that all of them were found, `is_said` that the analysis
/// itself says that something is wrong with them.
fn judge(found: &[Given], is_whole: bool, is_said: bool, checked: &mut Checked) {
    let last = found.iter().map(|given| given.verified.part.number).max();
    // What an interrupted part lacks, the later ones have.
    let is_gone_on_with = |number: u64| is_whole && Some(number) != last;
    for given in found {
        let (name, verified) = (given.name(), &given.verified);
        let wrong = if is_said { &mut checked.changed } else { &mut checked.wrong };
        wrong.extend(verified.wrong.iter().map(|wrong| format!("{name}: {wrong}")));
        if verified.more_wrong > 0 {
            wrong.push(format!("{name}: {} more things are wrong", verified.more_wrong));
        }
        if verified.is_valid() {
            checked.right.push(format!("{name} is the bundle that was analysed, and valid"));
            if !verified.is_complete() && !is_gone_on_with(verified.part.number) {
                checked.open.push(format!("{name} does not hold all that was to be collected"));
            }
        }
    }
    let numbers: BTreeSet<u64> = found.iter().map(|given| given.verified.part.number).collect();
    if is_whole && numbers.iter().zip(1..).any(|(number, expected)| *number != expected) {
        checked.open.push("a part of the collection was not there when it was analysed".to_owned());
    }
}

/// Analyses the bundles anew and compares every byte.
fn again(
    folder: &Path,
    about: &About,
    bundles: Vec<Given>,
    common: &Common,
    checked: &mut Checked,
) -> anyhow::Result<Option<Analyzed>> {
    let own = env!("CARGO_PKG_VERSION");
    if about.version != own {
        checked.open.push(format!(
            "not comparable: version {} made the analysis, and this is version {own}; use that one",
            about.version
        ));
        return Ok(None);
    }
    let aside = place::temporary(folder)?;
    let analyzed = analyze::make(bundles, aside.path(), &about.options, common)?;
    let before = checked.wrong.len();
    for name in place::hashed_files(&about.options.timeline).into_iter().chain([MANIFEST]) {
        match same(&aside.path().join(name), &folder.join(name)) {
            Ok(None) => {}
            Ok(Some(at)) => {
                checked.wrong.push(format!(
                    "{name} differs from byte {at} on from what the bundle gives when it is analysed anew"
                ));
            }
            Err(error) => checked.wrong.push(format!("{name} {error}")),
        }
    }
    if checked.wrong.len() == before {
        checked.right.push("analysed anew, the bundle gives the same bytes".to_owned());
    }
    Ok(Some(analyzed))
}

/// The first byte, counted from 0, in which two files differ.
fn same(made: &Path, found: &Path) -> Result<Option<u64>, String> {
    regular(found)?;
    let open = |path: &Path| File::open(path).map(BufReader::new).map_err(|error| in_words(&error));
    let (mut made, mut found) = (open(made)?, open(found)?);
    let (mut left, mut right) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    let mut at = 0;
    loop {
        let (one, other) = (fill(&mut made, &mut left)?, fill(&mut found, &mut right)?);
        let differs = left[..one].iter().zip(&right[..other]).position(|(left, right)| left != right);
        if let Some(differs) = differs.or((one != other).then_some(one.min(other))) {
            return Ok(Some(at + differs as u64));
        }
        if one == 0 {
            return Ok(None);
        }
        at += one as u64;
    }
}

fn fill(reader: &mut impl Read, buffer: &mut [u8]) -> Result<usize, String> {
    let mut filled = 0;
    while filled < buffer.len() {
        match reader.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(in_words(&error)),
        }
    }
    Ok(filled)
}

fn in_words(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "is missing".to_owned(),
        _ => format!("cannot be read: {error}"),
    }
}

/// Refuses what is no file: an analysis has no links, and a pipe would be waited for.
fn regular(path: &Path) -> Result<(), String> {
    match path.symlink_metadata() {
        Ok(facts) if facts.is_file() => Ok(()),
        Ok(facts) if facts.is_symlink() => Err("is a link".to_owned()),
        Ok(_) => Err("is no file".to_owned()),
        Err(error) => Err(in_words(&error)),
    }
}

/// The bytes of a short file.
fn read(path: &Path) -> Result<Vec<u8>, String> {
    regular(path)?;
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|error| in_words(&error))?;
    file.take(LONGEST + 1).read_to_end(&mut bytes).map_err(|error| in_words(&error))?;
    if bytes.len() as u64 > LONGEST {
        return Err(format!("is longer than {LONGEST} bytes"));
    }
    Ok(bytes)
}

fn json(path: &Path) -> Result<Value, String> {
    serde_json::from_slice(&read(path)?).map_err(|error| format!("is no JSON: {error}"))
}

#[cfg(test)]
mod tests;
