use super::*;
use crate::formats::hive::writer::{KeySpec, hive};
use evidence::{Beside, Bytes, Group, ProblemKind};
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

/// An artifact as one is added: a declared key, and what is read of it.
static RUNS: Artifact = Artifact {
    reads: &[Reads::Key { hive: Kind::System, key: r"CurrentControlSet\Services\toy\UserSettings\*" }],
    beside: Beside::HiveLogs,
    memory: MEMORY,
    parse: Some(Parse::In(&HIVE, &InHive(runs))),
    ..Artifact::named("runs")
};
static RUN: RecordType = RecordType::named("test:run");

fn runs(hive: &Hive<'_>, sink: &mut Sink<'_>) {
    hive.for_each_key(&RUNS, &mut |user| {
        for value in user.key.values() {
            let name = value.name().to_string();
            let record = user.record(&RUNS, &RUN, name.clone(), Fields::new());
            sink.record(Record { user: Some(user.name()), locator: user.locator(Some(&name)), ..record });
        }
    });
}

/// One whose keys are named by GUIDs, with a key of one name below each.
static COUNTS: Artifact = Artifact {
    reads: &[Reads::Key { hive: Kind::System, key: r"Setup\Of*Users\{*}\Count" }],
    parse: Some(Parse::In(&HIVE, &InHive(counts))),
    ..Artifact::named("counts")
};

fn counts(hive: &Hive<'_>, sink: &mut Sink<'_>) {
    hive.for_each_key(&COUNTS, &mut |key| {
        let record = key.record(&COUNTS, &RUN, "x", Fields::new());
        sink.record(Record { locator: key.locator(Some("x")), ..record });
    });
}

/// One that fails on everything.
static FAILING: Artifact = Artifact {
    reads: &[Reads::Key { hive: Kind::System, key: "Setup" }],
    parse: Some(Parse::In(&HIVE, &InHive(|_, _| panic!("it fails")))),
    ..Artifact::named("failing")
};

/// One that is in other hives.
static OF_USERS: Artifact = Artifact {
    reads: &[Reads::Key { hive: Kind::NtUser, key: "Software" }],
    parse: Some(Parse::In(&HIVE, &InHive(|_, _| panic!("it was called")))),
    ..Artifact::named("of-users")
};

fn system(current: Option<u32>) -> Vec<u8> {
    let mut root = KeySpec::new("ROOT").at("Setup", KeySpec::new("x"));
    if let Some(current) = current {
        root = root.key(KeySpec::new("Select").dword("Current", current));
    }
    for set in ["ControlSet001", "ControlSet002"] {
        for user in ["S-1-5-18", "S-1-5-21-1"] {
            let program = KeySpec::new(user).text(&format!(r"\Device\{set}\a.exe"), "1");
            root = root.at(&format!(r"{set}\Services\toy\UserSettings"), program);
        }
    }
    hive(&root, 0)
}

/// Keys and users of the records, and what went wrong.
fn read(artifacts: &[&'static Artifact], bytes: &dyn Bytes) -> (Vec<String>, Vec<ProblemKind>) {
    let mut found = Vec::new();
    let groups = Group::all_of(artifacts.iter().copied());
    assert_eq!(groups.len(), 1);
    let problems = groups[0].parse(&Input::new("SYSTEM", bytes), &mut |artifact, record| {
        assert_eq!(artifact.id, record.artifact);
        let Locator::RegistryKey { key, value, .. } = record.locator else { panic!("{:?}", record.locator) };
        assert_eq!(value.as_deref(), Some(record.subject.as_str()));
        found.push(format!("{key} of {}", record.user.unwrap_or_default()));
    });
    (found, problems.into_iter().map(|problem| problem.kind).collect())
}

#[test]
fn a_declared_key_is_found_for_every_user_in_the_set_that_was_in_use() {
    let (found, problems) = read(&[&RUNS], &system(Some(2)));
    assert_eq!(
        found,
        [
            r"ControlSet002\Services\toy\UserSettings\S-1-5-18 of S-1-5-18",
            r"ControlSet002\Services\toy\UserSettings\S-1-5-21-1 of S-1-5-21-1"
        ]
    );
    assert_eq!(problems, []);
}

#[test]
fn a_star_stands_for_any_characters_of_one_name_wherever_it_is() {
    let names =
        [r"OfAllUsers\{1}\Count", r"ofusers\{22}\count", r"OfUsers\3\Count", r"OfUsers\{4}\Other", r"Ofx\{5}\Count"];
    let root = names.iter().fold(KeySpec::new("ROOT").key(KeySpec::new("Select")), |root, name| {
        let (above, last) = name.rsplit_once('\\').unwrap();
        root.at(&format!(r"Setup\{above}"), KeySpec::new(last).text("x", "1"))
    });
    let (found, problems) = read(&[&COUNTS], &hive(&root, 0));
    assert_eq!(problems, []);
    assert_eq!(found, [r"Setup\OfAllUsers\{1}\Count of ", r"Setup\ofusers\{22}\Count of "]);
}

#[test]
fn where_it_is_lost_which_set_was_in_use_every_one_is_read() {
    for current in [None, Some(7)] {
        let (found, problems) = read(&[&RUNS], &system(current));
        assert_eq!(found.len(), 4, "{found:?}");
        assert!(found[0].starts_with("ControlSet001") && found[3].starts_with("ControlSet002"), "{found:?}");
        assert_eq!(problems, []);
    }
}

#[test]
fn a_part_that_fails_costs_the_others_nothing_and_who_is_elsewhere_is_not_called() {
    let bytes = system(Some(1));
    assert_eq!(read(&[&OF_USERS], &bytes), (vec![], vec![]));
    let (found, problems) = read(&[&FAILING, &OF_USERS, &RUNS], &bytes);
    assert_eq!((found.len(), problems), (2, vec![ProblemKind::ParserPanicked]));
}

/// Counts what is read of it.
struct Counted(Vec<u8>, AtomicU64);

impl Bytes for Counted {
    fn len(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.0.read_at(offset, buffer)?;
        self.1.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

#[test]
fn a_hive_is_read_once_for_all() {
    let count = |artifacts: &[&'static Artifact]| {
        let counted = Counted(system(Some(1)), AtomicU64::new(0));
        read(artifacts, &counted);
        counted.1.into_inner()
    };
    let of_one = count(&[&RUNS]);
    assert!(of_one > 0);
    assert_eq!(count(&[&RUNS, &RUNS, &FAILING]), of_one);
}
