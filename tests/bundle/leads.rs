//! The leads loop.

use super::*;

fn lead(path: &str, by: &AcquiredItem<'_>) -> LeadPath {
    LeadPath { path: path.to_owned(), named_by: format!("{} says so", by.item.original_path), kept_for: None }
}

#[test]
fn what_is_named_is_collected_with_what_belongs_to_it() {
    let (_folder, evidence, bundle) = small_host();
    let leads = |acquired: &AcquiredItem<'_>| {
        let bytes = acquired.bytes.read_all(1 << 20).unwrap().unwrap();
        match bytes.as_slice() {
            b"sysmon" => vec![lead(r"c:\temp\X.DLL", acquired), lead(r"C:\Temp\gone.dll", acquired)],
            b"security" => vec![lead(r"\Device\HarddiskVolume3\Temp\x.dll", acquired)],
            b"MZ program" => vec![lead("C:\\Users\\jdoe\\Desktop\\annex\u{202e}txt.dll", acquired)],
            // Named by an object of a later round, and collected already: it only learns who names it.
            b"MZ annex" => vec![lead(r"C:\Windows\System32\config\SYSTEM", acquired)],
            b"system hive" => {
                assert_eq!(acquired.companions.len(), 2);
                assert_eq!(acquired.companions[0].1.read_all(100).unwrap().unwrap(), b"log one");
                Vec::new()
            }
            _ => Vec::new(),
        }
    };
    let collected = Collection::default().run(&evidence, &bundle, &leads).unwrap();
    assert!(collected.verified.is_right());
    let round = |path: &str| {
        let items = collected.items().unwrap();
        let item = items.iter().find(|item| item.original_path == path).unwrap_or_else(|| panic!("{path}"));
        (item.round, item.wanted_by.join(" "), item.named_by.len())
    };
    assert_eq!(round(r"C:\Temp\x.dll"), (1, "lead".to_owned(), 2));
    assert_eq!(round(r"C:\Temp\x.tlb"), (1, "lead".to_owned(), 1));
    assert_eq!(round(r"C:\Temp\x.dll.config"), (1, "lead".to_owned(), 1));
    assert_eq!(round("C:\\Users\\jdoe\\Desktop\\annex\u{202e}txt.dll"), (2, "lead".to_owned(), 1));
    assert_eq!(round(r"C:\Windows\System32\config\SYSTEM"), (0, "lead registry".to_owned(), 1));
    assert_eq!(collected.rounds, 3);
    let items = collected.items().unwrap();
    let program = items.iter().find(|item| item.original_path == r"C:\Temp\x.dll").unwrap();
    // printf 'MZ program' | md5sum
    assert_eq!(program.md5.as_deref(), Some("31c9608c9d8b6ab93af2ce0ffde357e5"));
    assert_eq!(program.companions, [r"C:\Temp\x.dll.config", r"C:\Temp\x.tlb"]);
    let gone = collected.problems.iter().find(|problem| problem.item == r"C:\Temp\gone.dll").unwrap();
    assert!(gone.kind == ProblemKind::NotFound && gone.what.contains("Sysmon%4Operational.evtx says so"), "{gone:?}");
    let actions = foreign::member(&bundle, "metadata/actions.jsonl");
    assert_eq!(actions.matches(r#""action":"follow lead""#).count(), 5);
    assert_eq!(actions.matches(r#""action":"leads""#).count(), 3);
}

#[test]
fn rounds_and_lead_files_are_limited() {
    let folder = tempfile::tempdir().unwrap();
    let evidence = folder.path().join("evidence");
    let names: Vec<String> = (0..30).map(|number| format!("C/Windows/chain/{number}.dll")).collect();
    let files: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), b"x".as_slice())).collect();
    host(&evidence, &files);
    host(&evidence, &[("C/Windows/System32/winevt/Logs/a.evtx", b"x")]);
    // Each names the next.
    let chain = |acquired: &AcquiredItem<'_>| {
        let name = acquired.item.original_path.rsplit('\\').next().unwrap();
        let next = name.strip_suffix(".dll").map_or(0, |number| number.parse::<u32>().unwrap() + 1);
        vec![lead(&format!(r"C:\Windows\chain\{next}.dll"), acquired)]
    };
    let run = |name: &str, limits: Limits, leads: &(dyn Fn(&AcquiredItem<'_>) -> Vec<LeadPath> + Sync)| {
        let collection = Collection { limits, ..Collection::default() };
        let collected = collection.run(&evidence, &folder.path().join(name), leads).unwrap();
        let said = collected.problems.iter().filter(|problem| problem.kind == ProblemKind::LimitReached).count();
        (collected.items().unwrap().len(), said)
    };
    assert_eq!(run("a.zip", Limits { max_rounds: 4, ..Limits::default() }, &chain), (5, 1));
    assert_eq!(run("b.zip", Limits { max_rounds: 1000, ..Limits::default() }, &chain), (31, 0));
    let all =
        |acquired: &AcquiredItem<'_>| (0..30).map(|n| lead(&format!(r"C:\Windows\chain\{n}.dll"), acquired)).collect();
    assert_eq!(run("c.zip", Limits { max_lead_files: 7, ..Limits::default() }, &all), (8, 1));
    assert_eq!(run("d.zip", Limits { max_lead_bytes: 5, ..Limits::default() }, &all), (6, 1));
}

#[test]
fn what_cannot_be_on_the_source_is_said() {
    let (_folder, evidence, bundle) = small_host();
    let leads = |acquired: &AcquiredItem<'_>| match acquired.item.original_path.ends_with("Security.evtx") {
        true => [r"\\server\share\x.dll", "x.dll", r"E:\x.dll", r"C:\Temp", r"C:\Temp\..\..\..\secret"]
            .map(|path| lead(path, acquired))
            .to_vec(),
        false => Vec::new(),
    };
    let before = Collection::default().artifacts.len();
    let collected = Collection::default().run(&evidence, &bundle, &leads).unwrap();
    let said = collected.problems.iter().filter(|problem| problem.what.contains("says so")).count();
    assert_eq!((said, before), (5, 3));
    assert!(collected.items().unwrap().iter().all(|item| item.round == 0));
}
