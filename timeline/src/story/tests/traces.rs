//! Runs that a record shows by its claim alone.

use super::*;
use evidence::{Claim, Field, Identified, Identity, RecordType, Role, RunTime};

const JDOE: &str = "S-1-5-21-1-2-3-1104";

const IMAGE: Field = Field::text("Program", "its path").role(Role::Image);
const BITS: Field = Field::number("Bits", "32 or 64").role(Role::Bits);

/// Types that no parser declares: what is taken is taken by the claim.
static ACTIVITY: RecordType = RecordType {
    claims: &[Claim::Executed(RunTime::LastActivity)],
    fields: &[IMAGE],
    ..RecordType::named("test:activity")
};
static WINDOW: RecordType = RecordType {
    claims: &[Claim::Executed(RunTime::Window)],
    fields: &[IMAGE, BITS],
    ..RecordType::named("test:window")
};
static ENDED: RecordType =
    RecordType { claims: &[Claim::Executed(RunTime::End)], fields: &[IMAGE], ..RecordType::named("test:ended") };

static STARTED: RecordType =
    RecordType { claims: &[Claim::Executed(RunTime::Start)], fields: &[IMAGE], ..RecordType::named("test:started") };
static BEFORE: RecordType =
    RecordType { claims: &[Claim::Executed(RunTime::Before)], fields: &[IMAGE], ..RecordType::named("test:before") };

fn trace(of: &'static RecordType, artifact: &'static str, image: &str, times: &[&str]) -> (ItemId, Record) {
    let mut fields = Fields::new();
    fields.push(IMAGE.name, image);
    let mut record = Record { of, claims: of.claims, ..values(artifact, "test:trace", fields) };
    record.user = Some(JDOE.to_owned());
    (ItemId(5), times.iter().fold(record, |record, time| at(record, Meaning::LAST_RUN, time)))
}

fn start(when: &str, pid: &str) -> (ItemId, Record) {
    let of_jdoe = [
        ("NewProcessId", pid),
        ("NewProcessName", REGASM64),
        ("CommandLine", "RegAsm.exe a.dll"),
        ("ProcessId", "0x10"),
        ("SubjectUserSid", JDOE),
    ];
    security(when, 4688, &of_jdoe)
}

fn end(when: &str, pid: &str) -> (ItemId, Record) {
    security(when, 4689, &[("ProcessId", pid), ("ProcessName", REGASM64), ("Status", "0x0")])
}

/// A start as Sysmon records it, with the account by its name.
fn named(when: &str, image: &str, user: &str) -> (ItemId, Record) {
    sysmon(when, 1, &[("ProcessGuid", "{A}"), ("ProcessId", "4"), ("Image", image), ("User", user)])
}

fn rules(execution: &Execution, artifact: &str) -> Vec<(&'static str, Confidence)> {
    let of_it = execution.sources.iter().filter(|source| source.artifact == artifact);
    of_it.map(|source| (source.rule.unwrap().id(), source.confidence.unwrap())).collect()
}

#[test]
fn a_run_that_only_a_last_activity_shows_is_anonymous_and_has_no_start() {
    let device = r"\Device\HarddiskVolume3\Windows\Microsoft.NET\Framework64\v4.0.30319\RegAsm.exe";
    let story = correlate(vec![], &vec![trace(&ACTIVITY, "bam", device, &["2026-03-04 14:12:40"])]);
    let run = only(&story);
    assert_eq!((run.identified, run.identity), (Identified::Anonymous, Identity::ByPath));
    assert_eq!((run.started, run.not_after), (None, Some(time("2026-03-04 14:12:40"))));
    let user = run.user.as_ref().unwrap();
    assert_eq!((user.sid.as_deref(), user.named_by.as_deref()), (Some(JDOE), Some("bam")));
    assert_eq!(rules(run, "bam"), [("anchor", Confidence::Strong)]);
}

/// A host with these accounts and their profiles.
fn with_profiles(users: &[(&str, &str)]) -> Host {
    let user = |(sid, profile): &(&str, &str)| crate::host::HostUser {
        sid: (*sid).to_owned(),
        name: profile.rsplit('\\').next().map(str::to_owned),
        profile: Some((*profile).to_owned()),
    };
    Host { users: users.iter().map(user).collect(), ..Host::default() }
}

/// A value in the hive of the user of this profile, with nothing in the record that says whose it is.
fn in_the_hive_of(id: u32, user: &str) -> (Item, (ItemId, Record)) {
    let (_, mut record) = trace(&ACTIVITY, "other", REGASM64, &["2026-03-04 14:12:40"]);
    record.user = None;
    (item(id, &format!(r"C:\Users\{user}\NTUSER.DAT")), (ItemId(id), record))
}

#[test]
fn what_a_hive_of_a_user_holds_is_of_that_user() {
    let host = || with_profiles(&[(JDOE, r"C:\Users\jdoe"), ("S-1-5-21-1-2-3-500", r"C:\Users\adm")]);
    let ((jdoe, of_jdoe), (adm, of_adm)) = (in_the_hive_of(5, "jdoe"), in_the_hive_of(6, "adm"));
    let story = correlate_with(host(), vec![jdoe.clone()], &vec![of_jdoe.clone()]);
    let user = only(&story).user.as_ref().unwrap();
    assert_eq!((user.sid.as_deref(), user.named_by.as_deref()), (Some(JDOE), Some("other")));
    // Beside a process of the one user, what the other one's hive holds is another run.
    let records =
        vec![start("2026-03-04 14:12:33", "0x1a"), end("2026-03-04 14:12:41", "0x1a"), of_jdoe.clone(), of_adm.clone()];
    let story = correlate_with(host(), vec![jdoe.clone(), adm.clone()], &records);
    assert_eq!(story.executions.len(), 2, "{:#?}", story.executions);
    // Two users are two also where no list of profiles names them, and a copy of a hive is no third.
    let (copy, of_copy) = (item(7, r"{shadow-copy}\Users\jdoe\NTUSER.DAT"), (ItemId(7), of_jdoe.1.clone()));
    let story = correlate(vec![jdoe, adm, copy], &vec![of_jdoe, of_adm, of_copy]);
    let places: Vec<usize> = story.executions.iter().map(|run| run.sources.len()).collect();
    assert_eq!(places, [2, 1]);
}

#[test]
fn a_last_activity_within_a_recorded_run_is_that_run() {
    let records = |activity: &str| {
        vec![
            start("2026-03-04 14:12:33", "0x1a"),
            end("2026-03-04 14:12:41", "0x1a"),
            trace(&ACTIVITY, "bam", REGASM64, &[activity]),
        ]
    };
    let story = correlate(vec![], &records("2026-03-04 14:12:40"));
    let run = only(&story);
    assert_eq!((run.identified, run.not_after), (Identified::Full, None));
    assert_eq!(rules(run, "bam"), [("J18", Confidence::Strong)]);
    // So soon after the end it is a run that was noticed late, or another one.
    let story = correlate(vec![], &records("2026-03-04 14:13:30"));
    assert_eq!(rules(only(&story), "bam"), [("J18", Confidence::Circumstantial)]);
    // Before the start and after the end it is another run.
    for other in ["2026-03-04 14:12:20", "2026-03-04 14:20:00"] {
        assert_eq!(correlate(vec![], &records(other)).executions.len(), 2, "{other}");
    }
}

#[test]
fn an_activity_before_the_end_of_a_run_of_which_no_start_is_recorded_is_of_that_run() {
    let records = |of: &'static RecordType, when: &str| {
        vec![end("2026-03-04 14:12:41", "0x1a"), trace(of, "other", REGASM64, &[when])]
    };
    for of in [&ACTIVITY, &STARTED] {
        let story = correlate(vec![], &records(of, "2026-03-04 14:10:00"));
        assert_eq!(rules(only(&story), "other"), [("J18", Confidence::Circumstantial)]);
        for other in ["2026-03-02 14:10:00", "2026-03-04 14:20:00"] {
            assert_eq!(correlate(vec![], &records(of, other)).executions.len(), 2, "{other}");
        }
    }
    let mut records = records(&ACTIVITY, "2026-03-04 14:10:00");
    records.push(logged("2026-03-04 14:11:00", "Microsoft-Windows-Kernel-General", "System", 12, &[]));
    assert_eq!(correlate(vec![], &records).executions.len(), 2, "the machine was started in between");
}

#[test]
fn without_a_recorded_end_a_last_activity_is_of_the_run_before_it_in_the_same_boot() {
    let activity = trace(&ACTIVITY, "bam", REGASM64, &["2026-03-04 15:00:00"]);
    let runs = [start("2026-03-04 14:12:33", "0x1a"), start("2026-03-04 14:30:00", "0x1b")];
    let mut records: Vec<_> = runs.clone().into_iter().chain([activity.clone()]).collect();
    let story = correlate(vec![], &records);
    assert_eq!(story.executions.len(), 2);
    assert_eq!(rules(&story.executions[1], "bam"), [("J18", Confidence::Circumstantial)]);
    let system = |when, id| logged(when, "Microsoft-Windows-Kernel-General", "System", id, &[]);
    records.push(system("2026-03-04 14:40:00", 12));
    assert_eq!(correlate(vec![], &records).executions.len(), 3, "the machine was started anew in between");
    // Another account is another run.
    let mut other = activity;
    other.1.user = Some("S-1-5-21-1-2-3-500".to_owned());
    let records: Vec<_> = runs.into_iter().chain([other]).collect();
    assert_eq!(correlate(vec![], &records).executions.len(), 3);
}

#[test]
fn a_trace_with_a_name_only_is_joined_by_name_account_and_kind() {
    let window = |bits: u64| {
        let mut all = trace(&WINDOW, "usage", "RegAsm.exe", &["2026-03-04 14:12:42", "2026-03-04 14:12:42"]);
        all.1.fields.push(BITS.name, bits);
        all
    };
    let run = [start("2026-03-04 14:12:33", "0x1a"), end("2026-03-04 14:12:41", "0x1a")];
    let story = correlate(vec![], &run.clone().into_iter().chain([window(64)]).collect());
    assert_eq!(rules(only(&story), "usage"), [("J8", Confidence::Strong)]);
    let story = correlate(vec![], &run.into_iter().chain([window(32)]).collect());
    assert_eq!(story.executions.len(), 2);
    let alone = &story.executions[1];
    assert_eq!((alone.identity, alone.confidence), (Identity::ByName, Confidence::Circumstantial));
}

#[test]
fn a_window_alone_has_its_first_moment_as_start_and_its_last_as_bound() {
    let (first, last) = ("2026-03-01 08:00:00", "2026-03-04 14:12:42");
    let story = correlate(vec![], &vec![trace(&WINDOW, "usage", "RegAsm.exe", &[first, last])]);
    let run = only(&story);
    assert_eq!((run.started, run.not_after), (Some(time(first)), Some(time(last))));
}

#[test]
fn traces_of_several_artifacts_that_one_run_can_have_left_are_one_run() {
    let records = vec![
        trace(&ACTIVITY, "bam", REGASM64, &["2026-03-04 14:12:40"]),
        trace(&WINDOW, "usage", "regasm.exe", &["2026-03-04 14:12:41", "2026-03-04 14:12:41"]),
        trace(&ACTIVITY, "other", REGASM64, &["2026-03-04 14:12:39"]),
        trace(&ENDED, "ended", REGASM64, &["2026-03-04 14:12:39"]),
    ];
    let story = correlate(vec![], &records);
    let run = only(&story);
    let artifacts: Vec<&str> = run.sources.iter().map(|source| source.artifact.as_str()).collect();
    assert_eq!(artifacts, ["other", "bam", "usage"], "an end alone is no trace of a run");
    assert_eq!(run.not_after, Some(time("2026-03-04 14:12:39")));
    // The same artifact twice is two runs.
    let twice = ["2026-03-04 14:12:40", "2026-03-05 09:00:00"].map(|at| trace(&ACTIVITY, "bam", REGASM64, &[at]));
    assert_eq!(correlate(vec![], &twice.to_vec()).executions.len(), 2);
}

#[test]
fn other_programs_leave_no_trace_of_the_tools() {
    let records = vec![trace(&ACTIVITY, "bam", r"C:\Windows\System32\cmd.exe", &["2026-03-04 14:12:40"])];
    assert!(correlate(vec![], &records).executions.is_empty());
}

#[test]
fn a_time_by_which_a_program_had_run_is_of_the_last_run_before_it_however_long_ago() {
    let seen = |when: &str| trace(&BEFORE, "seen", REGASM64, &[when]);
    let runs = [
        start("2026-03-04 14:12:33", "0x1a"),
        end("2026-03-04 14:12:41", "0x1a"),
        logged("2026-03-05 08:00:00", "Microsoft-Windows-Kernel-General", "System", 12, &[]),
        start("2026-03-05 14:30:00", "0x1b"),
        end("2026-03-05 14:30:09", "0x1b"),
    ];
    for (when, of) in [("2026-03-04 14:12:33", 0), ("2026-03-05 09:00:00", 0), ("2026-04-01 00:00:00", 1)] {
        let story = correlate(vec![], &runs.clone().into_iter().chain([seen(when)]).collect());
        assert_eq!(story.executions.len(), 2, "{when}");
        assert_eq!(rules(&story.executions[of], "seen"), [("J18", Confidence::Circumstantial)], "{when}");
    }
    let story = correlate(vec![], &runs.into_iter().chain([seen("2026-03-04 14:12:20")]).collect());
    assert_eq!(story.executions.len(), 3, "before the first start it is of an earlier run");
    let story = correlate(vec![], &vec![seen("2026-03-04 14:12:20")]);
    assert_eq!((only(&story).started, only(&story).not_after), (None, Some(time("2026-03-04 14:12:20"))));
    // Beside another trace of the run it says nothing new.
    let activity = trace(&ACTIVITY, "bam", REGASM64, &["2026-03-04 14:12:40"]);
    let story = correlate(vec![], &vec![activity, seen("2026-03-11 00:00:00")]);
    assert_eq!(only(&story).not_after, Some(time("2026-03-04 14:12:40")));
}

#[test]
fn last_activities_of_different_boots_or_days_are_different_runs() {
    let both = |later: &str| {
        vec![trace(&ACTIVITY, "bam", REGASM64, &["2026-03-04 14:12:40"]), trace(&ACTIVITY, "other", REGASM64, &[later])]
    };
    only(&correlate(vec![], &both("2026-03-04 15:00:00")));
    assert_eq!(correlate(vec![], &both("2026-03-06 15:00:00")).executions.len(), 2);
    let mut records = both("2026-03-04 15:00:00");
    records.push(logged("2026-03-04 14:40:00", "Microsoft-Windows-Kernel-General", "System", 12, &[]));
    assert_eq!(correlate(vec![], &records).executions.len(), 2);
}

#[test]
fn a_start_that_was_recorded_late_is_not_after_the_bound() {
    let started = trace(&STARTED, "start", REGASM64, &["2026-03-04 14:12:45"]);
    let active = trace(&ACTIVITY, "bam", REGASM64, &["2026-03-04 14:12:40"]);
    let story = correlate(vec![], &vec![started, active]);
    let bound = Some(time("2026-03-04 14:12:40"));
    assert_eq!((only(&story).started, only(&story).not_after), (bound, bound));
}

#[test]
fn an_account_that_only_a_name_tells_is_another_one_where_it_has_another_profile() {
    let activity = |sid: &str| {
        let (id, mut record) = trace(&ACTIVITY, "bam", REGASM64, &["2026-03-04 14:12:40"]);
        record.user = Some(sid.to_owned());
        (id, record)
    };
    let adm = "S-1-5-21-1-2-3-500";
    let profiles = [(JDOE, r"C:\Users\jdoe"), (adm, r"C:\Users\adm")];
    let runs = |user: &str, sid: &str, profiles: &[(&str, &str)]| {
        let records = vec![named("2026-03-04 14:12:33", REGASM64, user), activity(sid)];
        correlate_with(with_profiles(profiles), vec![], &records).executions.len()
    };
    assert_eq!(runs(r"CORP\jdoe", JDOE, &profiles), 1);
    assert_eq!(runs(r"CORP\jdoe", adm, &profiles), 2);
    assert_eq!(runs(r"NT AUTHORITY\SYSTEM", JDOE, &profiles), 2);
    assert_eq!(runs(r"NT AUTHORITY\SYSTEM", "S-1-5-18", &profiles), 1);
    // Which of the two has the name is not known, or nobody has it.
    assert_eq!(runs(r"CORP\jdoe", adm, &[profiles[0], profiles[1], ("S-1-5-21-7-8-9-1001", r"C:\Users\jdoe.CORP")]), 1);
    assert_eq!(runs(r"CORP\jdoe", adm, &[profiles[1]]), 1);
}

#[test]
fn a_folder_that_is_named_by_a_guid_is_the_folder_of_the_process() {
    let records = |image: &str, process: &str| {
        let (_, mut trace) = trace(&STARTED, "assist", image, &["2026-03-04 14:12:33.5"]);
        trace.user = None;
        vec![named("2026-03-04 14:12:33", process, r"CORP\jdoe"), (ItemId(5), trace)]
    };
    let hive = || vec![item(5, r"C:\Users\jdoe\NTUSER.DAT")];
    for (image, process) in [
        (r"{F38BF404-1D43-42F2-9305-67DE0B28FC23}\Microsoft.NET\Framework64\v4.0.30319\RegAsm.exe", REGASM64),
        (r"{374DE290-123F-4565-9164-39C4925E467B}\regasm.exe", r"C:\Users\jdoe\Downloads\regasm.exe"),
    ] {
        let story = correlate(hive(), &records(image, process));
        assert_eq!(rules(only(&story), "assist"), [("J18", Confidence::Strong)], "{image}");
        // The 32-bit program, or one in another profile, is another one.
        let other = process.replace("Framework64", "Framework").replace("jdoe", "adm");
        assert_eq!(correlate(hive(), &records(image, &other)).executions.len(), 2, "{image}");
    }
    let alone = vec![
        records(r"{F38BF404-1D43-42F2-9305-67DE0B28FC23}\Microsoft.NET\Framework64\v4.0.30319\RegAsm.exe", "x")
            .remove(1),
    ];
    assert_eq!(only(&correlate(hive(), &alone)).identity, Identity::ByPath);
}
