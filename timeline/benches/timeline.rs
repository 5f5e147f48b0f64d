//! How fast records become a timeline: merging alone, and merging with each file format. Prints processor
//! time, because other work on the machine changes it least; asserts nothing about it.
//!
//! `cargo bench -p timeline` measures file records of $MFT, the most numerous of all; the number of files
//! can be given as an argument.

#![allow(clippy::disallowed_macros, clippy::disallowed_methods, clippy::disallowed_types)]

use evidence::{Claim, Fields, Integrity, ItemId, Locator, Meaning, Moment, Record, RecordType, Tells, Timestamp};

static FILE: RecordType = RecordType { tells: Tells::File, ..RecordType::named("windows:ntfs:file") };

use std::io::Write;
use timeline::{Format, Marks, Merger, Output, write_timeline};

/// Bytes of a file record, for the comparison with tools that are measured in bytes of $MFT.
const RECORD_BYTES: f64 = 1024.0;

fn main() {
    let files = std::env::args().filter_map(|argument| argument.parse().ok()).next().unwrap_or(200_000);
    let records: Vec<Record> = (0..files).map(file).collect();
    let events: usize = records.iter().map(|record| timeline::Event::all_of(ItemId(0), record).len()).sum();
    let mut out = std::io::stdout().lock();
    let mut say = |text: String| writeln!(out, "{text}").unwrap_or_default();
    say(format!("{files} file records with 8 times each give {events} rows"));
    let each = Format::ALL.iter().map(|format| (format!("merge and {}", format.name), vec![*format]));
    let none = ("merge without a file".to_owned(), Vec::new());
    for (name, formats) in [none].into_iter().chain(each).chain([("merge and all".to_owned(), Format::ALL.to_vec())]) {
        let mut best = f64::MAX;
        for _ in 0..3 {
            let before = processor_seconds();
            run(&records, &formats);
            best = best.min(processor_seconds() - before);
        }
        say(format!(
            "{name:22} {:5.2} µs per file, {:4.0} MB of $MFT per processor second",
            best * 1e6 / files as f64,
            files as f64 * RECORD_BYTES / 1e6 / best
        ));
    }
}

fn run(records: &[Record], formats: &[&'static Format]) {
    let Ok(folder) = tempfile::tempdir() else { return };
    let merger = Merger::new(folder.path(), 128 << 20);
    for record in records {
        merger.add(ItemId(0), record);
    }
    let mut outputs: Vec<Output<std::io::Sink>> = formats
        .iter()
        .map(|format| Output { format, name: format.file_name.to_owned(), to: std::io::sink() })
        .collect();
    let written = merger
        .finish()
        .map_err(Into::into)
        .and_then(|sorted| write_timeline(sorted, &Vec::new(), Marks::default(), &mut outputs, &mut || ()));
    if let Err(error) = written {
        panic!("{error}");
    }
}

/// A file as Windows leaves it: made and written within a second, half of them read later.
fn file(number: u64) -> Record {
    let mut fields = Fields::new();
    let path =
        format!(r"\Windows\WinSxS\amd64_component-{}_31bf3856ad364e35_10.0.17763.1\file{number}.dll", number / 7);
    fields.push("Path", path.as_str());
    fields.push("Name", format!("file{number}.dll"));
    fields.push("ShortName", format!("FILE{}~1.DLL", number % 10));
    fields.push("Entry", number);
    fields.push("Sequence", 3u64);
    fields.push("ParentEntry", number / 7);
    fields.push("ParentSequence", 1u64);
    fields.push("InUse", !number.is_multiple_of(20));
    fields.push("Directory", false);
    fields.push("Size", number * 37 % 1_000_000);
    fields.push("PathCertain", true);
    let born = 131_000_000_000_000_000 + number.wrapping_mul(0x9E37_79B9_7F4A_7C15) % 10_000_000_000_000_000;
    let (written, read) = (born + number % 10_000_000, born + number % 2 * 864_000_000_000);
    let moments = [
        (Meaning::SI_CREATED, born),
        (Meaning::SI_MODIFIED, written),
        (Meaning::SI_CHANGED, written),
        (Meaning::SI_ACCESSED, read),
        (Meaning::FN_CREATED, born),
        (Meaning::FN_MODIFIED, born),
        (Meaning::FN_CHANGED, born),
        (Meaning::FN_ACCESSED, born),
    ];
    Record {
        artifact: "mft",
        of: &FILE,
        subject: path,
        user: None,
        moments: moments
            .into_iter()
            .filter_map(|(meaning, ticks)| Some(Moment::at(meaning, Timestamp::filetime(ticks)?)))
            .collect(),
        fields,
        claims: &[Claim::Present],
        locator: Locator::MftEntry { entry: number, sequence: 3, offset: number * 1024 },
        integrity: Integrity::Intact,
    }
}

/// Processor time of this process so far, where the system tells it in `/proc`; else time since the start.
fn processor_seconds() -> f64 {
    static START: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    let start = START.get_or_init(std::time::Instant::now);
    let ticks = std::fs::read_to_string("/proc/self/stat").ok().and_then(|stat| {
        let numbers: Vec<f64> =
            stat.rsplit_once(')')?.1.split_whitespace().filter_map(|number| number.parse().ok()).collect();
        // The letter of the state is no number, so these are the 14th and 15th fields.
        Some(numbers.get(10)? + numbers.get(11)?)
    });
    ticks.map_or(start.elapsed().as_secs_f64(), |ticks| ticks / 100.0)
}
