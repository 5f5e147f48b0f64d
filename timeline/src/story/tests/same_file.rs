//! Which file ran, where the collection has a deleted one of the same path. Small hosts with all else are in `fixtures/cases`.

use super::*;
use evidence::{Filetime, Locator};

const PATH: &str = r"C:\w\x.dll";

fn run_at(when: &str, end: &str) -> Entries {
    let parent = ("0x1c90", r"C:\x\powershell.exe");
    let line = r"regasm.exe /U C:\w\x.dll";
    vec![audit(when, "0x1e4c", REGASM64, line, parent, LABEL_MEDIUM), exited(end, "0x1e4c", REGASM64, "0x64")]
}

/// The file that is there now, made after the run, and the deleted one, with record 70 of which the sequence number was
/// counted up to 4.
fn both(records: &mut Entries) -> Vec<Item> {
    let (now, of_now) = assembly(2, PATH, &[]);
    let (before, of_before) = assembly(3, PATH, &["ExecutesOnUnregister"]);
    records.extend([of_now, of_before]);
    let now = Item { times: made_at("2026-03-04 14:20:00"), mft_entry: Some(71), mft_sequence: Some(2), ..now };
    let recovery = Some(Recovery::ClustersFree);
    vec![now, Item { recovery, mft_entry: Some(70), mft_sequence: Some(4), ..before }]
}

/// The journal and the $MFT of the volume: the deletion of the earlier file, and of which time there is every change.
fn journal(records: &mut Entries, first: &str, deleted: &str) -> Vec<Item> {
    let mut fields = Fields::new();
    fields.push("Records", 9_u64);
    fields.push("First", time(first));
    fields.push("Last", Filetime(time(deleted).0));
    fields.push("Whole", true);
    records.push((ItemId(4), values("usn-journal", "windows:ntfs:usn_changes", fields)));
    let mut fields = Fields::new();
    fields.push("Name", "x.dll");
    fields.push("Path", r"\w\x.dll");
    fields.push("Entry", 70_u64);
    fields.push("Sequence", 3_u64);
    fields.push("Reasons", vec!["FILE_DELETE", "CLOSE"]);
    let mut gone = at(values("usn-journal", "windows:ntfs:usn", fields), Meaning::JOURNAL, deleted);
    gone.locator = Locator::UsnRecord { usn: 800, offset: 800 };
    records.push((ItemId(4), gone));
    let mut fields = Fields::new();
    fields.push("Path", r"\w");
    fields.push("Name", "w");
    fields.push("InUse", true);
    fields.push("Directory", true);
    fields.push("Entry", 60_u64);
    fields.push("Sequence", 1_u64);
    records.push((ItemId(5), values("mft", "windows:ntfs:file", fields)));
    vec![item(4, r"C:\$Extend\$UsnJrnl:$J"), item(5, r"C:\$MFT")]
}

#[test]
fn j_1_the_deleted_file_that_was_there_during_the_run_is_judged() {
    let mut records = run_at("2026-03-04 14:12:33.121", "2026-03-04 14:12:34");
    let mut items = both(&mut records);
    items.extend(journal(&mut records, "2026-03-04 08:00:00", "2026-03-04 14:19:00"));
    let story = correlate(items, &records);
    let run = only(&story);
    let same = run.assembly.same_file.as_ref().unwrap();
    assert_eq!((run.assembly.state, same.state), (AssemblyState::Recovered, Answer::Yes), "{}", same.because);
    assert_eq!(run.assembly.sha256, Some(format!("{:064x}", 3)));
    assert_eq!(run.assembly.judged.as_deref(), Some(PATH));
    assert!(
        run.assembly.resolution.contains("was deleted at 2026-03-04 14:19:00.000 UTC"),
        "{}",
        run.assembly.resolution
    );
    assert!(run.assembly.resolution.contains(&format!("{:064x}", 2)), "{}", run.assembly.resolution);
    assert_eq!((run.method.runs, &run.method.if_same_file), (Answer::Yes, &None), "{}", run.method.because);
}

/// It was there before the run; that it was there during it nothing shows.
#[test]
fn j_1_a_deleted_file_of_the_path_need_not_be_the_one_that_ran() {
    let mut records = run_at("2026-03-04 14:12:33.121", "2026-03-04 14:12:34");
    let items = both(&mut records);
    let story = correlate(items, &records);
    let run = only(&story);
    assert_eq!(run.assembly.sha256, Some(format!("{:064x}", 3)), "it is likelier than what was made after the run");
    assert_eq!(run.assembly.same_file.as_ref().unwrap().state, Answer::Unknown);
    assert_eq!(run.method.runs, Answer::Unknown, "{}", run.method.because);
    assert_eq!(run.method.if_same_file.as_ref().unwrap().runs, Answer::Yes);
}

/// Nothing is at the path now. A deletion before the run is that of another file than the one that ran.
#[test]
fn j_1_a_file_that_was_deleted_before_the_run_is_not_the_one_that_ran() {
    for (deleted, runs) in [("2026-03-04 14:19:00", Answer::Yes), ("2026-03-04 09:00:00", Answer::Unknown)] {
        let mut records = run_at("2026-03-04 14:12:33.121", "2026-03-04 14:12:34");
        let mut items = both(&mut records);
        items.remove(0);
        records.retain(|(item, _)| item.0 != 2);
        items.extend(journal(&mut records, "2026-03-04 08:00:00", deleted));
        let story = correlate(items, &records);
        let run = only(&story);
        assert_eq!(run.method.runs, runs, "{deleted}: {}", run.method.because);
    }
}
