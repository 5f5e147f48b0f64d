//! Background Activity Moderator and Desktop Activity Moderator: when each program was last active, for each user.
//!
//! # What Windows records
//! Below a key for each user, named by the SID, one value for each program: its name is the device path of the image, or
//! the name of the package where it is a packaged application; its data begins with a FILETIME, the time at which the
//! program was last active.
//!
//! # When it writes
//! By tests of others, when a process starts and again when it ends. The service `dam` does the same on hosts with connected
//! standby.
//!
//! # Where
//! SYSTEM `ControlSet*\Services\{bam,dam}\State\UserSettings\<SID>`; Windows 10 1709 and 1803 have it without `State`.
//! Every control set is read: one that is not in use keeps what was active before.
//!
//! # What it supports
//! A program of this path ran under this account and was active at this time.
//!
//! # What it does not
//! When the program started, with which arguments, who started it, and whether it ran more than once: each run overwrites
//! the time of the one before. Absence means nothing: console programs that were started from a shell are usually not
//! recorded, programs from network and removable volumes are not, entries older than about seven days and those of programs
//! that are gone are removed when Windows starts, and servers mostly keep none.
//!
//! # Versions
//! Windows 10 1709 and later, and Windows 11.
//!
//! # Limits
//! Of the data only the time is read; the meaning of the 16 bytes behind it is not published. Deleted keys and values are
//! not searched.
//!
//! # References
//! See the references of [`ARTIFACT`].

use super::{Found, HIVE, Hive, InHive, MEMORY, starts_with};
use crate::formats::hive::Value;
use evidence::le::u64_at;
use evidence::{
    Artifact, Beside, Claim, Field, Fields, Hive as Kind, Integrity, Lead, Locator, Meaning, Moment, Parse, Phase,
    ProblemKind, Reads, Record, RecordType, Role, RunTime, Sink, Tells, Timestamp, ValueRef, technique::lies_elsewhere,
};

/// The two activity moderators.
pub(crate) static ARTIFACT: Artifact = Artifact {
    id: "bam",
    title: "Activity moderators (BAM and DAM)",
    records: &[&ACTIVITY],
    reads: &[
        Reads::Key { hive: Kind::System, key: r"ControlSet*\Services\bam\State\UserSettings\*" },
        Reads::Key { hive: Kind::System, key: r"ControlSet*\Services\bam\UserSettings\*" },
        Reads::Key { hive: Kind::System, key: r"ControlSet*\Services\dam\State\UserSettings\*" },
        Reads::Key { hive: Kind::System, key: r"ControlSet*\Services\dam\UserSettings\*" },
    ],
    supports: "That a program of this path ran under this account and was active at this time.",
    does_not_support: "When the program started, with which arguments, who started it, and whether it ran more than once. \
                       That there is no entry does not show that a program did not run: console programs that were started \
                       from a shell are usually not recorded, and entries older than about seven days are removed when \
                       Windows starts.",
    windows: "Windows 10 1709 and later, and Windows 11, by default; mostly not on Windows Server.",
    references: &[
        "libyal, winreg-kb, Background Activity Moderator, https://winreg-kb.readthedocs.io/",
        "nk0, BAM, https://nk0.gitbook.io/dfir/windows/forensics/evidence-of-execution/bam",
    ],
    phase: Phase::Independent,
    older_states: true,
    beside: Beside::HiveLogs,
    memory: MEMORY,
    parse: Some(Parse::In(&HIVE, &InHive(read))),
    leads: Some(leads),
};

/// A program from where a copy of a tool could lie under another name.
fn leads(record: &Record) -> Vec<Lead> {
    let image = IMAGE.of(record).and_then(ValueRef::as_text).filter(|image| lies_elsewhere(image));
    image.map(|image| Lead::Program(image.to_owned())).into_iter().collect()
}

const IMAGE: Field = Field::text("Image", "device path of the program, verbatim").role(Role::Image);
const PACKAGE: Field = Field::text("Package", "name of the package, where the entry has no path");
const SERVICE: Field = Field::text("Service", "the service that keeps the entry: `bam` or `dam`");

/// One entry: a program of a user.
static ACTIVITY: RecordType = RecordType {
    tells: Tells::Row,
    claims: &[Claim::Executed(RunTime::LastActivity)],
    fields: &[IMAGE, PACKAGE, SERVICE],
    says: "One record per entry. Moment: `Last Active Time`; none where the entry stores 0, and then the record claims nothing. `subject`: the name of the value. `user`: the name of its key. Locator: the value.",
    message: "Entry of the activity moderator ({Service}) for {Image|Package}; its time is that of the last activity",
    absence: "Windows 10 1709 and later keep a program's last activity for about seven days, usually leave out console programs that were started from a shell, and mostly keep none on servers",
    ..RecordType::named("windows:registry:bam")
};

/// Values that stand beside the entries, numbers and no programs.
const NO_PROGRAMS: [&str; 2] = ["Version", "SequenceNumber"];
/// Length of an entry.
const ENTRY: usize = 24;
/// Type number of REG_BINARY.
const BINARY: u32 = 3;
const NO_RUN: &str = "the entry does not say when the program was active, so it shows no run";

fn read(hive: &Hive<'_>, sink: &mut Sink<'_>) {
    hive.for_each_key(&ARTIFACT, &mut |user| {
        let sid = Some(user.name()).filter(|name| starts_with(name, "S-1-"));
        if sid.is_none() {
            let kind = ProblemKind::OutOfRange { raw: user.name() };
            let effect = "of the programs below it is not known under which account they ran";
            sink.problem(kind, Some(user.locator(None)), "the key of a user is not named by a SID", effect);
        }
        for value in user.key.values() {
            let name = value.name().to_string();
            if NO_PROGRAMS.iter().any(|other| other.eq_ignore_ascii_case(&name)) && value.number().is_some() {
                continue;
            }
            entry(user, sid.as_deref(), name, &value, sink);
        }
    });
}

fn entry(user: &Found<'_>, sid: Option<&str>, name: String, value: &Value<'_>, sink: &mut Sink<'_>) {
    let locator = Locator::RegistryKey { key: user.path.clone(), value: Some(name.clone()), offset: value.offset };
    let place = Some(locator.clone());
    if value.type_code != BINARY {
        let kind = ProblemKind::OutOfRange { raw: format!("type {}", value.type_code) };
        return sink.problem(kind, place, format!("the entry of {name} is no binary value"), NO_RUN);
    }
    let data = value.bytes();
    let length = || ProblemKind::OutOfRange { raw: format!("{} bytes", data.len()) };
    let Some(ticks) = u64_at(&data, 0) else {
        return sink.problem(length(), place, format!("the entry of {name} ends within its time"), NO_RUN);
    };
    let is_whole = value.whole && data.len() >= ENTRY;
    if !is_whole {
        let effect = "its time is read as it stands; whether the entry is what Windows wrote is not known";
        sink.problem(length(), place.clone(), format!("the entry of {name} is cut short behind its time"), effect);
    }
    let moment = Timestamp::filetime(ticks).map(|at| Moment::at(Meaning::LAST_ACTIVE, at));
    if moment.is_none() {
        let kind = ProblemKind::OutOfRange { raw: "0".to_owned() };
        sink.problem(kind, place, format!("the entry of {name} has no time"), NO_RUN);
    }
    let mut fields = Fields::new();
    fields.push(if name.contains('\\') { IMAGE.name } else { PACKAGE.name }, name.as_str());
    fields.push_some(SERVICE.name, user.path.split('\\').nth(2));
    sink.record(Record {
        user: sid.map(str::to_owned),
        claims: if moment.is_some() { ACTIVITY.claims } else { &[] },
        moments: moment.into_iter().collect(),
        locator,
        integrity: if is_whole { Integrity::Intact } else { Integrity::Corrupted },
        ..user.record(&ARTIFACT, &ACTIVITY, name, fields)
    });
}
