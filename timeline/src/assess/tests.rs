use super::*;
use crate::report::sample;
use evidence::{AssemblyState, Identified, Identity, Mode, Related};

/// The findings of a run by the own rules, in the story of the sample.
fn findings(change: impl FnOnce(&mut Execution)) -> Vec<Finding> {
    let mut story = sample::story();
    change(&mut story.executions[0]);
    assess(&story, &Rules::own().unwrap()).executions.swap_remove(0)
}

fn of<'f>(findings: &'f [Finding], id: &str) -> (Presence, i64, &'f str) {
    let found = findings.iter().find(|finding| finding.id == id).unwrap();
    (found.state, found.counts, &found.because)
}

#[test]
fn a_tool_outside_of_its_folder_is_a_finding_as_far_as_it_is_the_tool() {
    let image = r"C:\ProgramData\Upd\svc.exe";
    let outside = |identity| {
        move |run: &mut Execution| {
            run.image = image.to_owned();
            run.identity = identity;
        }
    };
    let proven = findings(outside(Identity::Proven));
    assert_eq!(of(&proven, "F-IMG-PATH").0, Presence::Present);
    assert_eq!(of(&proven, "F-IMG-PATH").1, 10);
    let by_name = findings(outside(Identity::ByName));
    assert_eq!((of(&by_name, "F-IMG-PATH").0, of(&by_name, "F-IMG-PATH").1), (Presence::Present, 5));
    let inside = findings(|_| {});
    assert_eq!((of(&inside, "F-IMG-PATH").0, of(&inside, "F-IMG-PATH").1), (Presence::Absent, 0));
    let nameless = findings(|run| {
        run.image = "RegAsm.exe".to_owned();
        run.identified = Identified::Anonymous;
    });
    assert_eq!(of(&nameless, "F-IMG-PATH").0, Presence::Unknown);
}

#[test]
fn where_the_assembly_lies_is_told_by_the_table_of_places() {
    let at = |path: &'static str| {
        move |run: &mut Execution| {
            run.assembly.argument = Some(path.to_owned());
            run.assembly.resolved_path = Some(path.to_owned());
            run.assembly.state = AssemblyState::Present;
        }
    };
    for (path, state, counts) in [
        (r"C:\Users\Public\a.dll", Presence::Present, 9),
        (r"C:\ProgramData\V\a.dll", Presence::Present, 9),
        (r"C:\Program Files\V\a.dll", Presence::Absent, 0),
        (r"\\srv\share\a.dll", Presence::Absent, 0),
    ] {
        let found = findings(at(path));
        let (is, counted, because) = of(&found, "F-CMD-WRITABLE");
        assert_eq!((is, counted), (state, counts), "{path}: {because}");
    }
    // A name that was put together from a folder that is only likely counts half.
    let likely = findings(|run| {
        run.assembly.argument = Some("a.dll".to_owned());
        run.assembly.resolved_path = Some(r"C:\Users\jdoe\a.dll".to_owned());
        run.assembly.sha256 = None;
        run.current_directory = None;
    });
    assert_eq!(of(&likely, "F-CMD-WRITABLE").1, 4);
    let unknown = findings(|run| run.assembly.resolved_path = None);
    assert_eq!(of(&unknown, "F-CMD-WRITABLE").0, Presence::Unknown);
}

#[test]
fn nothing_ran_only_where_nothing_was_asked_and_nothing_was_seen() {
    let usage = |exit: Option<u64>| {
        move |run: &mut Execution| {
            (run.mode, run.exit_code) = (Mode::Usage, exit);
            run.warnings.clear();
        }
    };
    assert_eq!(of(&findings(usage(Some(0))), "B-NOEXEC").1, -8);
    assert_eq!(of(&findings(usage(None)), "B-NOEXEC").1, -4);
    let register = findings(|run| run.mode = Mode::Register);
    assert_eq!(of(&register, "B-NOEXEC").0, Presence::Absent);
    let unknown = findings(|run| run.mode = Mode::Unknown);
    assert_eq!(of(&unknown, "B-NOEXEC").0, Presence::Unknown);
    let mut story = sample::story();
    usage(Some(0))(&mut story.executions[0]);
    let seen: Related = story.executions[0].related[0].clone();
    story.neighbourhood.note(&story.executions[0].id.clone(), seen);
    let found = assess(&story, &Rules::own().unwrap());
    assert_eq!(of(&found.executions[0], "B-NOEXEC").0, Presence::Absent);
}

#[test]
fn the_file_of_a_registration_is_placed_by_the_same_table() {
    for (code_base, user_writable) in [
        ("file:///C:/ProgramData/W/a.dll", Some(Some(true))),
        (r"C:\Users\u\AppData\Roaming\a%20b.dll", Some(Some(true))),
        (r"C:\PROGRA~1\MICROS~2\Office14\a.dll", Some(Some(false))),
        ("file:///C:/Program Files/V/a.dll", Some(Some(false))),
        (r"C:\Windows\Microsoft.NET\a.dll", Some(Some(false))),
        ("file://server/share/a.dll", Some(None)),
        ("https://server/a.dll", Some(None)),
        // Which folder these mean is not known.
        (r"%ProgramFiles%\V\a.dll", None),
        ("a.dll", None),
    ] {
        let mut story = sample::story();
        story.registrations.truncate(1);
        story.registrations[0].code_base = Some(code_base.to_owned());
        let loads = assess(&story, &Rules::own().unwrap()).registrations.swap_remove(0);
        assert_eq!(loads.map(|loads| loads.user_writable), user_writable, "{code_base}");
    }
    // Without a name of its own it is the collected assembly that has the class.
    let mut story = sample::story();
    story.registrations.truncate(1);
    story.registrations[0].code_base = None;
    let file = story.assemblies[0].clone();
    story.registrations[0].assemblies = vec![file.sha256];
    let loads = assess(&story, &Rules::own().unwrap()).registrations.swap_remove(0).unwrap();
    assert_eq!(loads.path, file.path);
}
