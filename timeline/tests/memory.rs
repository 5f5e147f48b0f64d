//! The merge and the writers stay within their memory whatever the number of events. In a file of its own, because the
//! peak of a process is measured.

#![allow(clippy::disallowed_macros, clippy::disallowed_methods, clippy::disallowed_types)]

use evidence::{Claim, Fields, Integrity, ItemId, Locator, Meaning, Moment, Record, RecordType, Tells, Timestamp};

static FILE: RecordType = RecordType { tells: Tells::File, ..RecordType::named("windows:ntfs:file") };

use timeline::{Format, Marks, Merger, Output, write_timeline};

const BUDGET: usize = 16 << 20;
const MIB: u64 = 1 << 20;

fn file(number: u64) -> Record {
    let mut fields = Fields::new();
    fields.push("Name", format!("file{number}.dll"));
    fields.push("Size", number);
    let meanings = [Meaning::SI_CREATED, Meaning::SI_MODIFIED, Meaning::SI_ACCESSED, Meaning::FN_CREATED];
    let moment = |index: usize| -> Option<Moment> {
        let ticks = 1 + number.wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(index as u32) % 1_000_000_000_000;
        Some(Moment::at(meanings[index], Timestamp::filetime(ticks)?))
    };
    Record {
        artifact: "mft",
        of: &FILE,
        subject: format!(r"\Windows\WinSxS\some-component-{}\file{number}.dll", number / 7),
        user: None,
        moments: (0..meanings.len()).filter_map(moment).collect(),
        fields,
        claims: &[Claim::Present],
        locator: Locator::MftEntry { entry: number, sequence: 1, offset: number * 1024 },
        integrity: Integrity::Intact,
    }
}

fn write(records: u64) -> Result<u64, Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let merger = Merger::new(folder.path(), BUDGET);
    (1..=records).for_each(|number| merger.add(ItemId(0), &file(number)));
    let sink = |format: &&'static Format| Output { format, name: String::new(), to: std::io::sink() };
    let mut outputs: Vec<_> = Format::ALL.iter().map(sink).collect();
    let summary = write_timeline(merger.finish()?, &Vec::new(), Marks::default(), &mut outputs, &mut || ())?;
    Ok(summary.events)
}

/// Most memory that this process ever had, in bytes; `None` where the system does not tell.
fn peak() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().trim_end_matches("kB").trim().parse::<u64>().ok()? * 1024)
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "the peak of memory is read from /proc")]
fn ten_times_the_events_need_no_more_memory() {
    let records = 40_000;
    assert_eq!(write(records).unwrap(), 4 * records);
    let one = peak().unwrap();
    assert_eq!(write(10 * records).unwrap(), 40 * records);
    let ten = peak().unwrap();
    println!("peak: {} MiB, with ten times the events {} MiB", one / MIB, ten / MIB);
    assert!(ten < one + 16 * MIB, "{one} {ten}");
}
