//! Collects event logs, hives, prefetch files, $MFT and the change journal of a source into a bundle, to measure it.
//!
//! `collect SOURCE BUNDLE.zip [PATTERN…]`: with patterns, these are collected from every volume instead.

use collector::{CollectRequest, Limits, Silent, ToolFacts, source};
use evidence::{Artifact, Filetime, Hive, Location, Phase, no_leads};
use std::io::Write;
use std::path::Path;
use std::sync::atomic::AtomicBool;

static LOCATIONS: [Location; 11] = [
    Location::File(r"%SystemRoot%\System32\winevt\Logs\*.evtx"),
    Location::File(r"%SystemRoot%\Prefetch\*.pf"),
    Location::File(r"%SystemRoot%\System32\sru\*"),
    Location::File(r"%SystemRoot%\System32\Tasks\**\*"),
    Location::File(r"%SystemRoot%\System32\wbem\Repository\*"),
    Location::File(r"%SystemRoot%\appcompat\Programs\*"),
    Location::Key { hive: Hive::System, key: "" },
    Location::Key { hive: Hive::Software, key: "" },
    Location::Key { hive: Hive::NtUser, key: "" },
    Location::Key { hive: Hive::UsrClass, key: "" },
    Location::EveryVolume(r"\$MFT"),
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [evidence, bundle, patterns @ ..] = arguments.as_slice() else {
        return Err("usage: collect SOURCE BUNDLE.zip [PATTERN…]".into());
    };
    let patterns: Vec<Location> =
        patterns.iter().map(|pattern| Location::EveryVolume(Box::leak(pattern.clone().into_boxed_str()))).collect();
    let locations: &'static [Location] = if patterns.is_empty() { &LOCATIONS } else { patterns.leak() };
    let artifact = Artifact {
        id: "files",
        title: "files",
        data_types: &[],
        locations,
        claims: &[],
        supports: "",
        does_not_support: "",
        windows: "",
        references: &[],
        phase: Phase::Independent,
        parse: |_, _| (),
        leads: no_leads,
    };
    let source = source::open(Path::new(evidence))?;
    let collected = collector::collect(&CollectRequest {
        source: &source,
        artifacts: &[&artifact],
        leads: &|_| Vec::new(),
        destination: Path::new(bundle),
        name: "measured",
        host: &[],
        tool: &ToolFacts::default(),
        started: Filetime(0),
        now: &|| Filetime(0),
        limits: Limits::default(),
        threads: std::env::var("THREADS").ok().and_then(|threads| threads.parse().ok()).unwrap_or(2),
        cancel: &AtomicBool::new(false),
        observer: &Silent,
    })?;
    let stored: u64 = collected.items.iter().map(|item| item.stored_size).sum();
    let mut out = std::io::stdout();
    writeln!(out, "{} objects, {stored} bytes, right: {}", collected.items.len(), collected.verified.is_right())?;
    for problem in collected.problems {
        writeln!(out, "{}: {} ({})", problem.item, problem.what, problem.kind.particulars())?;
    }
    Ok(())
}
