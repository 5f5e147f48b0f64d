//! `comtrail analyze` of several bundles: parts of one collection are read as one; of several collections each is answered
//! in a folder of its own, and the overview tells of all.

use crate::args::Common;
use crate::collect::file_hash;
use crate::run::{Done, indexed, overview};
use crate::{Outcome, analyze, hosts, in_words, place, say, signals};
use collector::{BundleReader, OpenBundle, Part, Silent, Spill};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use timeline::IndexedHost;

/// A collection, and its bundles.
struct Collection {
    /// What its parts have in common; a bundle that cannot be read is one of its own.
    group: String,
    /// Name of the host.
    name: String,
    bundles: Vec<PathBuf>,
    /// What identifies its first part, where that is there.
    first: Option<String>,
}

/// What of the analysis was asked for.
pub(crate) struct Request<'a> {
    pub(crate) bundles: &'a [PathBuf],
    pub(crate) folder: &'a Path,
    pub(crate) options: &'a analyze::Options,
    pub(crate) replace: bool,
    pub(crate) common: &'a Common,
}

impl Request<'_> {
    fn of<'r>(&'r self, bundles: &'r [PathBuf], folder: &'r Path) -> analyze::Request<'r> {
        let (options, replace, common) = (self.options, self.replace, self.common);
        analyze::Request { bundles, folder, options, replace, read_back: None, common }
    }
}

/// Analyses the bundles.
pub(crate) fn analyze(request: &Request<'_>, out: &mut dyn Write) -> anyhow::Result<Outcome> {
    let bundles = once(request.bundles);
    let request = &Request { bundles: &bundles, ..*request };
    let collections = match request.bundles {
        [_, _, ..] => collections(request.bundles, &Spill::beside(request.folder)),
        _ => Vec::new(),
    };
    if collections.len() < 2 {
        let analyzed = analyze::analyze(&request.of(request.bundles, request.folder))?;
        return say::analyzed(&analyzed, None, request.folder, request.common, out);
    }
    place::refuse_overview(request.folder, request.replace)?;
    let names: Vec<(&str, bool)> = collections.iter().map(|one| (one.name.as_str(), false)).collect();
    let folders = hosts::folders(&names);
    for folder in &folders {
        place::refuse_analysis(&request.folder.join(folder), request.replace)?;
    }
    let source = format!("{} bundles", request.bundles.len());
    overview(
        (request.folder, request.replace),
        &source,
        request.common,
        collections.into_iter().zip(folders),
        out,
        |(collection, folder)| {
            let name = collection.name.clone();
            if signals::is_interrupted() {
                let why = "the analysis was interrupted before this bundle was begun";
                return (IndexedHost::without_report(name, folder, None, why), Outcome::WithProblems);
            }
            one(request, &collection, &folder).unwrap_or_else(|error| {
                let why = in_words(&error);
                crate::complain(&format!("{folder}: {why}"));
                (IndexedHost::without_report(name, folder, None, &why), Outcome::NotValid)
            })
        },
    )
}

fn one(request: &Request<'_>, collection: &Collection, folder: &str) -> anyhow::Result<Done> {
    let own = place::folder_of_host(request.folder, folder)?;
    let analyzed = analyze::analyze(&request.of(&collection.bundles, &own))?;
    let outcome = say::outcome_of(&analyzed.report, None);
    Ok((indexed(collection.name.clone(), folder.to_owned(), None, &analyzed), outcome))
}

/// Which part a bundle that cannot be read says that it is, so that it is refused together with its collection.
fn damaged_part(path: &Path) -> Option<Part> {
    let structure = OpenBundle::open(path).ok()?.structure(signals::cancel(), &Silent).ok()?;
    Some(structure.so_far().part.clone()).filter(|part| !part.of.is_empty())
}

/// Each bundle once, by where it lies and by its bytes. One that was given twice is said.
fn once(given: &[PathBuf]) -> Vec<PathBuf> {
    let length = |path: &PathBuf| path.metadata().ok().filter(std::fs::Metadata::is_file).map(|facts| facts.len());
    let mut of_length: BTreeMap<u64, usize> = BTreeMap::new();
    given.iter().filter_map(length).for_each(|length| *of_length.entry(length).or_default() += 1);
    // Only what is as long as another one can be the same.
    let may_be_there_twice = |path: &&PathBuf| length(path).is_some_and(|length| of_length[&length] > 1);
    let mut once: Vec<PathBuf> = Vec::new();
    let (mut places, mut hashes) = (BTreeMap::new(), BTreeMap::new());
    for path in given {
        let place = path.canonicalize().unwrap_or_else(|_| path.clone());
        let mut before: Option<&PathBuf> = places.get(&place).copied();
        if before.is_none() {
            places.insert(place, path);
            let hash = Some(path).filter(may_be_there_twice).and_then(|path| file_hash(path).ok());
            before = hash.and_then(|hash| hashes.insert(hash, path));
        }
        match before {
            Some(before) if before == path => crate::complain(&format!("{} was given twice", collector::shown(path))),
            Some(before) => {
                let (before, path) = (collector::shown(before), collector::shown(path));
                crate::complain(&format!("{before} was given twice: {path} is the same bundle"));
            }
            None => once.push(path.clone()),
        }
    }
    once
}

/// The collections that the bundles are of, in the order in which they are given.
fn collections(bundles: &[PathBuf], spill: &Spill) -> Vec<Collection> {
    let mut all: Vec<Collection> = Vec::new();
    for path in bundles {
        let stem = || collector::shown(path.file_stem().unwrap_or(path.as_os_str()));
        let read = BundleReader::open_with(path, spill).and_then(|reader| {
            let (group, number) = reader.part()?;
            let first = (number == 1).then(|| reader.tag_manifest_sha256()).transpose()?;
            Ok((group, first, reader.host()["name"].as_str().map_or_else(stem, str::to_owned)))
        });
        let (group, first, name) = read.unwrap_or_else(|_| match damaged_part(path) {
            Some(part) => (part.of, (part.number == 1).then(String::new), stem()),
            None => (collector::shown(path), Some(String::new()), stem()),
        });
        // Two first parts of one name are of two collections, unless one bundle was given twice.
        let is_same =
            |one: &Collection| one.group == group && (one.first == first || one.first.is_none() || first.is_none());
        match all.iter_mut().find(|one| is_same(one)) {
            Some(one) => {
                one.bundles.push(path.clone());
                one.first = one.first.take().or(first);
            }
            None => all.push(Collection { group, name, bundles: vec![path.clone()], first }),
        }
    }
    all
}
