//! `comtrail analyze`: from a bundle to the timeline and the report.
//!
//! Every independent artifact in parallel, then the artifacts that describe only what the others are about, then one pass
//! over the merged events.

mod beside;
mod changed;
mod output;
mod report;
mod work;

use crate::args::{Common, TimelineScope};
use crate::formats::Formats;
use crate::parts::{Collection, Given, refuse_changed};
use crate::place::{self, hash_of};
use crate::signals;
use anyhow::Context;
use changed::Changed;
use collector::{BundleReader, OpenBundle, Spill, VerifyReport};
use output::Hashes;
use report::Work;
use std::path::{Path, PathBuf};
use timeline::{Report, Rules};

/// What of the analysis is recorded beside it, because it decides what comes out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) full_timeline: bool,
    pub(crate) accept_changed: bool,
    /// The files of the timeline.
    pub(crate) timeline: Formats,
}

impl Options {
    /// As the command line asks for.
    pub(crate) fn new(scope: &TimelineScope, accept_changed: bool) -> Self {
        Options { full_timeline: scope.full_timeline, accept_changed, timeline: scope.timeline.clone() }
    }
}

/// What is to be analysed, and where to.
pub(crate) struct Request<'a> {
    /// One, or the parts of one collection.
    pub(crate) bundles: &'a [PathBuf],
    pub(crate) folder: &'a Path,
    pub(crate) options: &'a Options,
    /// Whether an analysis that is there gives way.
    pub(crate) replace: bool,
    /// What reading the only bundle back gave, where this program wrote it just now.
    pub(crate) read_back: Option<&'a VerifyReport>,
    pub(crate) common: &'a Common,
}

/// What the analysis came to.
pub(crate) struct Analyzed {
    pub(crate) report: Report,
    /// SHA-256 of the list of all its files.
    pub(crate) manifest_sha256: String,
    /// The bundles, the first part of a collection first.
    pub(crate) bundles: Vec<Sealed>,
    /// Serial numbers of the volumes that were read.
    pub(crate) serials: Vec<String>,
    /// Folder of the host's Windows.
    pub(crate) windows: Option<String>,
}

/// A bundle, by what is written down of it.
pub(crate) struct Sealed {
    /// Name of the bag.
    pub(crate) bag: String,
    /// SHA-256 of its file.
    pub(crate) archive_sha256: Option<String>,
    /// Last hash of its action log.
    pub(crate) log_head: Option<String>,
}

/// Analyses a bundle, or the parts of one collection, into a folder.
pub(crate) fn analyze(request: &Request<'_>) -> anyhow::Result<Analyzed> {
    let _analysing = signals::analysing(request.bundles, request.folder);
    // A bundle that is not there, or is none, leaves no folder behind.
    let mut opened = Vec::new();
    for path in request.bundles {
        opened.push((path, OpenBundle::open(path)?));
    }
    place::folder(request.folder)?;
    place::refuse_bag(request.folder)?;
    place::refuse_analysis(request.folder, request.replace)?;
    let pool = rayon::ThreadPoolBuilder::new().num_threads(request.common.worker_threads()).build()?;
    pool.install(|| {
        let mut given = Vec::new();
        for (path, opened) in opened {
            let accepts = request.options.accept_changed;
            let part = match request.read_back {
                Some(read_back) => Given::verified(path, opened, read_back.clone()),
                // What was changed has to be known before anything rests on it.
                None if accepts => Given::verify(path, opened, request.common)?,
                None => Given::begin(path, opened, request.common)?,
            };
            if !accepts {
                refuse_changed(path, &part.verified)?;
            }
            given.push(part);
        }
        // Everything is made aside and gets its name when all is whole.
        let aside = place::temporary(request.folder)?;
        let analyzed = make(given, aside.path(), request.options, request.common)?;
        let names = place::hashed_files(&request.options.timeline);
        publish(aside.path(), request.folder, names, request.replace)?;
        if request.replace {
            place::remove_unlisted(request.folder, &request.options.timeline)?;
        }
        Ok(analyzed)
    })
}

/// Gives the files of an analysis their names. The manifest comes last, so that without it an analysis is never taken for
/// whole.
pub(crate) fn publish(
    aside: &Path,
    folder: &Path,
    names: impl IntoIterator<Item = &'static str>,
    replace: bool,
) -> anyhow::Result<()> {
    let manifest = folder.join(place::MANIFEST);
    if replace && manifest.symlink_metadata().is_ok() {
        std::fs::remove_file(&manifest).with_context(|| format!("cannot replace {}", collector::shown(&manifest)))?;
    }
    for name in names.into_iter().chain([place::MANIFEST]) {
        place::publish(&aside.join(name), &folder.join(name), replace)?;
    }
    Ok(())
}

/// Makes every file of an analysis in a folder: the same bytes for the same bundles, options and version.
pub(crate) fn make(given: Vec<Given>, folder: &Path, options: &Options, common: &Common) -> anyhow::Result<Analyzed> {
    let collection = Collection::read(given, options.accept_changed, &Spill::into_folder(folder))?;
    let changed = (!collection.is_valid()).then(|| Changed::accept(&collection));
    let mut hashes = Hashes::default();
    let rules = Rules::own()?;
    let work = Work { collection: &collection, changed: changed.as_ref(), folder, options, rules, common };
    let report = work.report(&mut hashes)?;
    hashes.write(folder, place::ANALYSIS, &about(&report, options)?)?;
    hashes.write(folder, "report.json", &report.to_json()?)?;
    hashes.write(folder, "report.html", report.to_html().as_bytes())?;
    let manifest = hashes.manifest();
    place::write(folder, place::MANIFEST, manifest.as_bytes())?;
    let sealed = |(part, verified): (&BundleReader, &VerifyReport)| Sealed {
        bag: part.bag().to_owned(),
        archive_sha256: verified.archive_sha256.clone(),
        log_head: verified.log_head.clone(),
    };
    let volumes = collection.reader.host()["volumes"].as_array();
    let of_volumes = |name: &'static str| {
        volumes.into_iter().flatten().filter_map(move |volume| Some(volume[name].as_str()?.to_owned()))
    };
    let (serials, windows) = (of_volumes("serial").collect(), of_volumes("windows").next());
    let bundles = collection.reader.each_part().zip(&collection.verified).map(sealed).collect();
    Ok(Analyzed { report, manifest_sha256: hash_of(manifest.as_bytes()), bundles, serials, windows })
}

/// `analysis.json`: of which bundle, by which version and with which options. No time, path or name of the machine that
/// analyses stands in it, so that the same bundle gives the same bytes.
fn about(report: &Report, options: &Options) -> anyhow::Result<Vec<u8>> {
    let mut about = serde_json::Map::new();
    if let Some(changed) = &report.changed {
        about.insert("changed_after_sealing".to_owned(), serde_json::to_value(changed)?);
    }
    about.insert("schema".to_owned(), "comtrail-analysis/1".into());
    about.insert("tool".to_owned(), serde_json::to_value(&report.tool)?);
    about.insert(
        "bundle".to_owned(),
        serde_json::json!({
            "bag": report.bundle.bag,
            "archive_sha256": report.bundle.archive_sha256,
            "tag_manifest_sha256": report.bundle.sha256,
        }),
    );
    if !report.bundle.parts.is_empty() {
        about.insert("parts".to_owned(), serde_json::to_value(&report.bundle.parts)?);
    }
    let Options { full_timeline, accept_changed, timeline } = options;
    let timeline: Vec<&str> = timeline.iter().map(|format| format.name).collect();
    about.insert(
        "options".to_owned(),
        serde_json::json!({ "full_timeline": full_timeline, "accept_changed": accept_changed, "timeline": timeline }),
    );
    let rules = report.rules.as_ref().map_or("none", |rules| &rules.sha256);
    about.insert("rules_sha256".to_owned(), rules.into());
    let mut bytes = serde_json::to_vec_pretty(&about)?;
    bytes.push(b'\n');
    Ok(bytes)
}
