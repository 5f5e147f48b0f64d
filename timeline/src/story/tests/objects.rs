//! Which of the collected objects is meant, and how many there are.

use super::*;
use evidence::ItemStatus;

fn wanted_by(id: u32, path: &str, artifact: &str) -> Item {
    Item { wanted_by: vec![artifact.to_owned()], ..item(id, path) }
}

#[test]
fn of_several_objects_at_a_path_the_whole_one_is_the_file() {
    let records = vec![audit(
        "2026-03-04 14:12:33.121",
        "0x1e4c",
        REGASM,
        r"regasm.exe /U C:\w\x.dll",
        ("0x1c90", r"C:\x\powershell.exe"),
        LABEL_HIGH,
    )];
    let of = |id| wanted_by(id, r"C:\w\x.dll", "lead");
    let partial = Item { status: ItemStatus::Partial, ..of(2) };
    let deleted = Item { recovery: Some(Recovery::ClustersFree), ..of(3) };
    let whole = of(4);
    let elsewhere = wanted_by(5, r"D:\w\x.dll", "lead");
    let sha256 = |more: Vec<Item>| only(&correlate(more, &records)).assembly.sha256.clone();
    let all = vec![partial.clone(), deleted.clone(), whole.clone(), elsewhere];
    assert_eq!(sha256(all), Some(whole.sha256));
    assert_eq!(sha256(vec![partial.clone(), Item { id: ItemId(3), ..deleted.clone() }]), Some(deleted.sha256));
    assert_eq!(sha256(vec![partial.clone()]), Some(partial.sha256));
    // By another path under which records know it.
    let linked = Item { named_as: vec![r"C:\w\x.dll".to_owned()], ..wanted_by(2, r"C:\real\y.dll", "lead") };
    assert_eq!(sha256(vec![linked.clone()]), Some(linked.sha256));
}

#[test]
fn coverage_counts_the_objects_of_an_artifact() {
    let prefetch = |id: u32| wanted_by(id, &format!(r"C:\Windows\Prefetch\A.EXE-{id}.pf"), "prefetch");
    let row = |more: Vec<Item>| {
        let coverage = correlate(more, &Vec::new()).coverage;
        coverage.into_iter().find(|one| one.source == "prefetch").unwrap()
    };
    let one = row(vec![prefetch(2)]);
    assert_eq!(one.item.as_deref(), Some(r"C:\Windows\Prefetch\A.EXE-2.pf"));
    let not_collected = Item { bundle_path: None, ..prefetch(4) };
    let two = row(vec![prefetch(2), prefetch(3), not_collected]);
    assert!(two.present && two.item.is_none() && two.meaning.starts_with("2 objects; "), "{}", two.meaning);
}

#[test]
fn empty_logs_beyond_a_thousand_are_counted() {
    let log = |name: String, records: u64| {
        let mut fields = Fields::new();
        fields.push("Channel", name);
        fields.push("Records", records);
        (ItemId(0), values("event-log", "windows:evtx:channel", fields))
    };
    let mut records: Entries = (0..1_100).map(|number| log(format!("x{number}"), 0)).collect();
    records.extend([log("Security".to_owned(), 0), log("y".to_owned(), 7)]);
    let coverage = correlate(vec![], &records).coverage;
    let rows = |wanted: &dyn Fn(&str) -> bool| coverage.iter().filter(|one| wanted(&one.source)).count();
    assert_eq!(rows(&|source| source.starts_with('x')), 1_000);
    assert_eq!(rows(&|source| source == "Security" || source == "y"), 2, "these are never only counted");
    let further = coverage.iter().find(|one| one.source == "further event logs").unwrap();
    assert!(!further.present && further.meaning.starts_with("100 more logs are empty"), "{}", further.meaning);
}

#[test]
fn coverage_has_every_artifact_in_one_of_four_states() {
    use evidence::CoverageState::{Absent, NotRead, NotSearched, Read};
    let pf = item(2, r"C:\Windows\Prefetch\APP.EXE-12345678.pf");
    let pf = Item { wanted_by: vec!["prefetch".to_owned()], ..pf };
    let items = vec![pf];
    let told = |searched: &[&str]| {
        let searched = searched.iter().map(|id| (*id).to_owned()).collect();
        let correlator =
            Correlator::new(Host::default(), &items, ::artifacts::ALL, own_acts()).having_searched(Some(searched));
        correlator.finish().coverage
    };
    let ids: Vec<&str> = ::artifacts::ALL.iter().map(|artifact| artifact.id).collect();
    let all = told(&ids);
    let state = |coverage: &[evidence::Coverage], id: &str| {
        let rows: Vec<_> = coverage.iter().filter(|one| one.source == id).collect();
        assert_eq!(rows.len(), 1, "{id}");
        rows[0].state
    };
    let with_channels = |id: &str| ::artifacts::by_id(id).unwrap().records.iter().any(|of| !of.channels.is_empty());
    for id in ids.iter().filter(|id| !with_channels(id)) {
        let expected = match *id {
            "prefetch" => Read,
            "volatile" => NotSearched,
            _ => Absent,
        };
        assert_eq!(state(&all, id), expected, "{id}");
    }
    assert_eq!(state(&told(&["prefetch"]), "mft"), NotSearched, "the collection did not look for it");
    // What is collected and not read says so.
    static UNREAD: evidence::Artifact =
        evidence::Artifact { reads: &[evidence::Reads::File(r"\x")], ..evidence::Artifact::named("prefetch") };
    static ONLY: [&evidence::Artifact; 1] = [&UNREAD];
    let unread = Correlator::new(Host::default(), &items, &ONLY, own_acts()).finish().coverage;
    assert_eq!(state(&unread, "prefetch"), NotRead);
}
