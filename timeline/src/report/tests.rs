use super::sample::{self, framework_registration, names, problem};
use super::*;
use crate::assess::Assessed;
use crate::story::Story;
use evidence::{Confidence, Coverage, JoinRule, Problem, ProblemKind, RegistrationState, Stage};
use serde_json::Value as Json;

/// Writes the sample pages, to be looked at, where `COMTRAIL_SAMPLE_REPORTS` names a folder.
fn keep(name: &str, html: &str) {
    if let Some(folder) = std::env::var_os("COMTRAIL_SAMPLE_REPORTS") {
        std::fs::write(std::path::Path::new(&folder).join(name), html).unwrap();
    }
}

/// Markup that is open at the end, or closed without being open. Void elements, the doctype and comments are left out.
fn unbalanced(html: &str) -> Vec<String> {
    const VOID: [&str; 9] = ["!DOCTYPE", "!--", "meta", "br", "rect", "line", "circle", "link", "img"];
    let mut open: Vec<String> = Vec::new();
    let mut wrong = Vec::new();
    let body = html.replace(include_str!("html/style.css"), "");
    for tag in body.split('<').skip(1) {
        let tag = tag.split('>').next().unwrap_or_default();
        let name = tag.trim_start_matches('/').split([' ', '/']).next().unwrap_or_default();
        if VOID.contains(&name) {
            continue;
        }
        if tag.starts_with('/') {
            match open.pop() {
                Some(last) if last == name => {}
                other => wrong.push(format!("</{name}> closes {other:?}")),
            }
        } else {
            open.push(name.to_owned());
        }
    }
    wrong.extend(open);
    wrong
}

fn check_page(html: &str) {
    assert_eq!(unbalanced(html), Vec::<String>::new());
    for outside in ["<script", "http://", "https://", "src=", "url(", "@import", "javascript:", " on"] {
        let found = html.to_lowercase().match_indices(outside).map(|(at, _)| at).collect::<Vec<_>>();
        // " on" is looked for as the start of an attribute only.
        let found: Vec<usize> = found
            .into_iter()
            .filter(|at| {
                outside != " on" || {
                    let rest = &html[*at..];
                    rest.split(['=', '>', '<', ' '])
                        .nth(1)
                        .is_some_and(|name| rest[1 + name.len()..].starts_with("=\""))
                }
            })
            .collect();
        assert!(found.is_empty(), "{outside} at {found:?}");
    }
    let ids: Vec<&str> = html.split(" id=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    let mut unique = ids.clone();
    unique.sort_unstable();
    unique.dedup();
    assert_eq!(unique.len(), ids.len(), "ids are unique");
    for target in html.split("href=\"#").skip(1).filter_map(|rest| rest.split('"').next()) {
        assert!(unique.binary_search(&target).is_ok(), "#{target} leads nowhere");
    }
}

#[test]
fn the_page_says_everything_and_every_link_leads_somewhere() {
    let html = sample::report().to_html();
    keep("full.html", &html);
    check_page(&html);
    for text in [
        "Two runs were found: one of regasm and one of regsvcs.",
        "Recorded: regasm ran as process 6176 on 2019-07-19 14:45:55.699 UTC (07:45:55 host time, UTC-7) \
         (2019-07-19 14:45:55.700 UTC corrected for changes of the clock), \
         on MSEDGEWIN10, as MSEDGEWIN10\\IEUser with administrator rights, started by cmd.exe, to unregister T1121.dll.",
        "regasm.exe  /U T1121.dll",
        "{17C7DA62-8517-3DF1-A67C-BD4BCD2C5C3F}",
        "file:///C:/AtomicRedTeam/T1121.DLL",
        "12 others, of one assembly, counted",
        "A1",
        "5f7c5f7c",
        "ZoneId=3",
        "events of the missing part are not in the timeline",
        "record 43 at offset 0xfb28",
    ] {
        assert!(html.contains(text), "{text}");
    }
}

#[test]
fn a_host_without_a_run_says_what_cannot_be_known() {
    let (tool, bundle) = names();
    let Story { declared, host, coverage, .. } = sample::story();
    let story = Story { declared, host, coverage, ..Story::default() };
    let report = Report::new(tool, bundle, story, Assessed::default(), Vec::new());
    let html = report.to_html();
    keep("empty.html", &html);
    check_page(&html);
    for text in [
        "No run of regasm or regsvcs was found in the evidence. That is no proof that none took place",
        "Nothing was there of Security and prefetch files",
        "<span class=\"kind\">Limits</span>MSEDGEWIN10\\IEUser cleared the event log Microsoft-Windows-Sysmon/Operational on",
        "No problem arose",
    ] {
        assert!(html.contains(text), "{text}");
    }
    let (tool, bundle) = names();
    check_page(&Report::new(tool, bundle, Story::default(), Assessed::default(), Vec::new()).to_html());
}

#[test]
fn a_huge_report_stays_bounded_and_says_what_it_leaves_out() {
    let (tool, bundle) = names();
    let mut story = sample::story();
    story.registrations.extend((100..5100).map(|number| {
        let mut registration = framework_registration(number);
        if number % 2 == 0 {
            registration.code_base = Some("file:///C:/x.dll".to_owned());
        }
        registration
    }));
    let run = story.executions[0].clone();
    story.executions.extend((3..1003).map(|number| {
        let mut run = run.clone();
        run.id = format!("E{number}");
        run.merge_candidates = vec![format!("E{}", number + 100)];
        run
    }));
    story.assemblies.push(story.assemblies[0].clone());
    let problems = (0..2000)
        .map(|number| {
            let mut problem = problem(number);
            problem.effect = format!("effect {}", number % 400);
            problem
        })
        .collect();
    let report = Report::new(tool, bundle, story, Assessed::default(), problems);
    let html = report.to_html();
    keep("huge.html", &html);
    check_page(&html);
    assert!(html.len() < 4 << 20, "{}", html.len());
    assert!(html.contains("802 more are not shown here; report.json has every one."));
    let json: Json = serde_json::from_slice(&report.to_json().unwrap()).unwrap();
    assert_eq!(json["registrations"].as_array().unwrap().len(), 5013);
}

#[test]
fn hostile_text_stays_text() {
    let evil = "\"><script>alert(1)</script><img src=x onerror=alert(1)>'\u{202e}\u{0}&amp;";
    let (tool, mut bundle) = names();
    bundle.file = evil.to_owned();
    bundle.source = vec![evil.to_owned()];
    let mut story = sample::story();
    story.host.name = Some(evil.to_owned());
    for run in &mut story.executions {
        run.image = evil.to_owned();
        run.command_line = Some(evil.to_owned());
        run.computer = Some(evil.to_owned());
        run.method.because = evil.to_owned();
        run.related.iter_mut().for_each(|one| one.what = evil.to_owned());
        run.sources.iter_mut().for_each(|source| source.item = evil.to_owned());
    }
    story.coverage.push(Coverage { source: evil.to_owned(), ..story.coverage[0].clone() });
    story.registrations[0].class = Some(evil.to_owned());
    story.assemblies[0].path = evil.to_owned();
    story.attempts[0].command = evil.to_owned();
    let mut report = Report::new(tool, bundle, story, Assessed::default(), Vec::new());
    report.changed = Some(ChangedBundle::new(&[], vec![evil.to_owned()], 0, Default::default()));
    report.case = CaseFacts { id: Some(evil.to_owned()), examiner: Some(evil.to_owned()), ..CaseFacts::default() };
    let html = report.to_html();
    assert_eq!(unbalanced(&html), Vec::<String>::new());
    assert!(!html.contains("<script") && !html.contains("<img") && !html.contains('\u{202e}') && !html.contains('\0'));
    assert!(html.contains(r"\u{202e}"));
    let json: Json = serde_json::from_slice(&report.to_json().unwrap()).unwrap();
    assert_eq!(json["executions"][0]["image"], evil, "JSON keeps the text as it is");
}

#[test]
fn the_words_of_each_confidence_are_fixed() {
    let report = sample::report();
    let phrase = |confidence, sources: &[_]| answer::phrase(report.declared, confidence, sources);
    let sources = report.executions[0].sources.clone();
    let mut both = sources.clone();
    both[1].artifact = "prefetch".to_owned();
    assert_eq!(phrase(Confidence::Direct, &sources), "Recorded");
    assert_eq!(phrase(Confidence::Strong, &both), "Established by event logs and prefetch files");
    assert_eq!(phrase(Confidence::Circumstantial, &sources), "Consistent with");
    assert_eq!(phrase(Confidence::Presence, &sources), "Present on the system");
}

#[test]
fn the_same_findings_give_the_same_bytes() {
    let (one, other) = (sample::report(), sample::report());
    assert_eq!(one.to_json().unwrap(), other.to_json().unwrap());
    assert_eq!(one.to_html(), other.to_html());
}

fn schema() -> Json {
    serde_json::from_str(include_str!("../../../docs/report.schema.json")).unwrap()
}

/// Where a value departs from the published schema: the keywords that the schema uses, and on top of JSON Schema that no
/// member is left undescribed. A foreign validator judges as well, where there is one.
fn departures(root: &Json, schema: &Json, value: &Json, at: &str, wrong: &mut Vec<String>) {
    if let Some(name) = schema["$ref"].as_str() {
        let target = &root["$defs"][name.rsplit('/').next().unwrap()];
        assert!(target.is_object(), "{name} is not defined");
        return departures(root, target, value, at, wrong);
    }
    if let Some(choices) = schema["anyOf"].as_array() {
        let fits = |choice: &&Json| {
            let mut found = Vec::new();
            departures(root, choice, value, at, &mut found);
            found.is_empty()
        };
        // The departures of the first choice say more than that none fits.
        if choices.iter().find(fits).is_none() {
            departures(root, &choices[0], value, at, wrong);
        }
        return;
    }
    let kind = match value {
        Json::Null => "null",
        Json::Bool(_) => "boolean",
        Json::Number(_) => "integer",
        Json::String(_) => "string",
        Json::Array(_) => "array",
        Json::Object(_) => "object",
    };
    let allowed: Vec<&str> = match &schema["type"] {
        Json::String(one) => vec![one],
        Json::Array(several) => several.iter().filter_map(Json::as_str).collect(),
        _ => Vec::new(),
    };
    if !allowed.is_empty() && !allowed.contains(&kind) {
        wrong.push(format!("{at} is {kind}, not {allowed:?}"));
    }
    if schema["enum"].as_array().is_some_and(|choices| !choices.contains(value)) {
        wrong.push(format!("{at} is {value}, which is not listed"));
    }
    if schema.get("const").is_some_and(|wanted| wanted != value) {
        wrong.push(format!("{at} is {value}"));
    }
    if let (Json::Array(values), Some(items)) = (value, schema.get("items")) {
        for (index, value) in values.iter().enumerate() {
            departures(root, items, value, &format!("{at}[{index}]"), wrong);
        }
    }
    if let (Json::Object(members), Some(properties)) = (value, schema["properties"].as_object()) {
        for (name, value) in members {
            match properties.get(name) {
                Some(schema) => departures(root, schema, value, &format!("{at}.{name}"), wrong),
                None => wrong.push(format!("{at}.{name} is not described")),
            }
        }
        for name in schema["required"].as_array().into_iter().flatten().filter_map(Json::as_str) {
            if !members.contains_key(name) {
                wrong.push(format!("{at}.{name} is missing"));
            }
        }
    }
}

fn sample_json() -> Json {
    serde_json::from_slice(&sample::report().to_json().unwrap()).unwrap()
}

#[test]
fn the_schema_describes_every_member() {
    let schema = schema();
    let check = |value: &Json| {
        let mut wrong = Vec::new();
        departures(&schema, &schema, value, "report", &mut wrong);
        wrong
    };
    let mut report = sample_json();
    assert_eq!(check(&report), Vec::<String>::new());
    report["executions"][0]["mode"] = Json::from("sleep");
    report["executions"][1]["pid"] = Json::from("1060");
    report["attempts"][0].as_object_mut().unwrap().remove("command_line");
    report["host"]["secret"] = Json::from(1);
    assert_eq!(
        check(&report),
        [
            "report.host.secret is not described",
            "report.executions[0].mode is \"sleep\", which is not listed",
            "report.executions[1].pid is string, not [\"integer\", \"null\"]",
            "report.attempts[0].command_line is missing",
        ]
    );
}

#[test]
fn a_changed_bundle_is_said_first_and_marks_what_rests_on_it() {
    let mut report = sample::report();
    let cited = report.executions[0].sources[0].item.clone();
    let untouched = report.assemblies[0].path.clone();
    report.changed = Some(ChangedBundle::new(&[], vec!["a.evtx: changed".to_owned()], 1, [cited.clone()].into()));
    let bytes = report.to_json().unwrap();
    assert!(
        bytes.starts_with(b"{\n  \"changed_after_sealing\": {\n    \"statement\": \"This bundle was changed after")
    );
    let json: Json = serde_json::from_slice(&bytes).unwrap();
    let mut wrong = Vec::new();
    departures(&schema(), &schema(), &json, "report", &mut wrong);
    assert_eq!(wrong, Vec::<String>::new());
    let (mut marked, mut open) = (0, vec![&json]);
    while let Some(value) = open.pop() {
        if value.get("locator").is_some() {
            let is_marked = value.get("object_changed") == Some(&Json::Bool(true));
            assert_eq!(is_marked, value["item"] == cited.as_str(), "{value}");
            marked += usize::from(is_marked);
        }
        match value {
            Json::Object(members) => open.extend(members.values()),
            Json::Array(values) => open.extend(values),
            _ => {}
        }
    }
    assert!(marked > 3, "{marked}");
    // What an entry rests on is looked for in its text: the path of the changed object in a citation or in its coverage.
    let (path, mut counts) = (Json::from(cited.as_str()).to_string(), [0, 0]);
    let lists = ["executions", "attempts", "lookalikes", "registrations", "assemblies", "coverage"];
    for entry in lists.iter().flat_map(|list| json[list].as_array().unwrap()) {
        let rests = entry.to_string().contains(&format!("\"item\":{path}"));
        assert_eq!(entry.get("rests_on_changed") == Some(&Json::Bool(true)), rests, "{entry}");
        counts[usize::from(rests)] += 1;
    }
    assert!(counts[0] > 0 && counts[1] > 3, "{counts:?}");
    for statement in json["summary"]["statements"].as_array().unwrap() {
        let about = statement["about"].as_str();
        let rests = about.is_some() || statement.to_string().contains(&format!("\"item\":{path}"));
        assert_eq!(statement.get("rests_on_changed") == Some(&Json::Bool(true)), rests, "{statement}");
    }
    let html = report.to_html();
    assert!(html.lines().next().unwrap().contains("was changed after it was sealed"));
    let body = html.split_once("<body>").unwrap().1;
    assert!(body.starts_with("<section class=\"changed\"><p><strong>This bundle was changed after it was sealed"));
    assert!(
        html.contains(&format!("{cited}</code> ")) && html.contains("changed after the bundle was sealed</strong>")
    );
    assert!(!html.contains(&format!("{untouched}</code> <span class=\"soft small\">assembly</span> <strong>changed")));
    assert!(!html.contains("is unchanged") && html.contains("<strong>It was changed after it was sealed</strong>"));
    let places = html.split_once("id=\"citations\"").unwrap().1;
    for object in places.split("<li><code>").skip(1) {
        let is_changed = object.contains("changed after the bundle was sealed");
        for number in object.split("<li id=\"c").skip(1).map(|place| place.split('"').next().unwrap()) {
            let marks = html.matches(&format!("[{number} changed]</a>")).count();
            let plain = html.matches(&format!("\">[{number}]</a>")).count();
            assert_eq!((marks > 0, plain > 0), (is_changed, !is_changed), "{number}");
        }
    }
    for (start, end) in [("id=\"answer\"", "</section>"), ("id=\"E1\"", "</article>"), ("id=\"A1\"", "</li>")] {
        let entry = html.split_once(start).unwrap().1.split_once(end).unwrap().0;
        assert!(entry.contains(RESTS_ON_CHANGED), "{start}");
    }
    assert!(
        !sample::report().to_html().contains(RESTS_ON_CHANGED) && !sample::report().to_html().contains(" changed]")
    );
}

/// The rules are declared once; the page, the documentation and the schema say the same of them, and of no others.
#[test]
fn every_rule_is_explained_wherever_rules_are() {
    let docs = include_str!("../../../docs/report.md");
    let ids: Vec<&str> = JoinRule::ALL.iter().map(|rule| rule.id()).collect();
    let table = docs.split_once("### Join rules").unwrap().1.split("\n## ").next().unwrap();
    let rows: Vec<&str> = table.lines().filter(|line| line.starts_with("| `")).collect();
    let wanted: Vec<String> =
        JoinRule::ALL.iter().map(|rule| format!("| `{}` | {} |", rule.id(), rule.meaning())).collect();
    assert_eq!(rows, wanted);
    assert_eq!(schema()["$defs"]["citation"]["properties"]["rule"]["enum"], Json::from(ids));
    let html = sample::report().to_html();
    let legend = html.split_once("id=\"rules\"").unwrap().1.split_once("</dl>").unwrap().0;
    let mut page = Vec::new();
    for entry in legend.split("<dt id=\"rule-").skip(1) {
        let (_, entry) = entry.split_once("\">").unwrap();
        let (id, meaning) = entry.trim_end_matches("</dd>").split_once("</dt><dd>").unwrap();
        page.push(format!("| `{id}` | {} |", meaning.replace("&#39;", "'")));
    }
    assert_eq!(page, wanted);
    assert!(
        html.contains("<a href=\"#rule-J1\">rule J1</a>, recorded")
            && !html.contains(", direct<")
            && !html.contains(", strong<")
    );
}

#[test]
fn a_tool_that_ran_and_is_not_there_is_named() {
    let place = |name: &str| format!(r"%SystemRoot%\Microsoft.NET\Framework*\v*\{name}");
    let absent =
        |item: String| Problem::new(Stage::Locate, ProblemKind::NotFound, item, "nothing is at this place", "");
    let said = |problems: Vec<Problem>| {
        let (tool, bundle) = names();
        let report = Report::new(tool, bundle, sample::story(), Assessed::default(), problems);
        let found = report.summary.statements.into_iter().filter(|one| one.text.contains("no file of that name"));
        found.map(|one| one.text.split(',').next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(said(vec![absent(place("RegAsm.exe")), absent(place("RegSvcs.exe.config"))]), ["RegAsm.exe ran"]);
    assert_eq!(said(vec![absent(r"C:\Temp\RegSvcs.exe".to_owned())]), Vec::<String>::new());
}

#[test]
fn v_4_the_ladder_has_other_marks_for_what_is_shown_and_what_is_expected() {
    use evidence::Step;
    let steps = |shown: Step, expected: Step, inferred: &[Step]| {
        let mut report = sample::report();
        let proof = &mut report.executions[0].proof;
        (proof.shown, proof.expected, proof.inferred) = (shown, expected, inferred.to_vec());
        let html = report.to_html();
        let run = html.split_once("<article class=\"run\" id=\"E1\"").unwrap().1;
        let ladder = run.split_once("<ol class=\"ladder\">").unwrap().1.split_once("</ol>").unwrap().0.to_owned();
        ladder.split("</li>").map(str::to_owned).collect::<Vec<_>>()
    };
    let is = |item: &str, mark: &str, words: &str| {
        assert!(item.starts_with(mark) && item.contains(&format!("<span class=\"note\">{words}</span>")), "{item}");
    };
    let (by_rule, shown) = ("expected by the rules of the tool, not shown", "<li class=\"shown\">");
    let ladder = steps(Step::L2, Step::L4, &[Step::L3, Step::L4]);
    is(&ladder[2], &format!("{shown}L2 It ran with this assembly"), "shown");
    is(&ladder[3], "<li class=\"expected\">L3 The tool opened or loaded", by_rule);
    is(&ladder[4], "<li class=\"expected\">L4 A method of the assembly ran", by_rule);
    is(&ladder[5], "<li>L5", "not reached");
    let ladder = steps(Step::L5, Step::L5, &[Step::L4]);
    is(&ladder[4], "<li class=\"concluded\">L4", "concluded from what is shown");
    is(&ladder[5], &format!("{shown}L5 An effect of it was observed"), "shown");
    let ladder = steps(Step::L2, Step::L2, &[]);
    is(&ladder[3], "<li>L3", "not reached");
}

#[test]
fn what_was_not_read_is_never_said_not_to_be_there() {
    let hive = r"C:\Windows\System32\config\SOFTWARE";
    let cut = ProblemKind::Truncated { offset: 4096, expected: 8192, actual: 4096 };
    let damaged = Problem::new(Stage::Parse, cut, hive, "it is cut off", "keys can be missing");
    let ended = Problem::new(Stage::Acquire, ProblemKind::Interrupted, "", "the collection was ended early", "");
    let page = |problems: Vec<Problem>| {
        let (tool, bundle) = names();
        let Story { declared, host, mut coverage, .. } = sample::story();
        coverage[0].source = "com-registration".to_owned();
        let story = Story { declared, host, coverage, ..Story::default() };
        Report::new(tool, bundle, story, Assessed::default(), problems).to_html()
    };
    let whole = page(Vec::new());
    assert!(whole.contains("No registration of a managed class was found."));
    assert!(whole.contains("Nothing was there of Security and prefetch files"));
    for (problem, why) in [(damaged, "SOFTWARE was not read, or not whole"), (ended, "the collection is not complete")]
    {
        let is_ended = problem.kind == ProblemKind::Interrupted;
        let html = page(vec![problem]);
        assert!(html.contains("Whether a managed class is registered is not known: ") && html.contains(why), "{why}");
        assert!(!html.contains("No registration of a managed class was found"));
        assert!(html.contains("Whether regasm or regsvcs ran is not known"));
        assert!(html.contains("Whether another program was told to start one of the tools is not known"));
        assert!(!html.contains("No run of regasm") && !html.contains("No process of another program"));
        assert_eq!(html.contains("Nothing was there of"), !is_ended);
        assert_eq!(html.contains("whether the host has them is not known: the collection is not complete"), is_ended);
        assert!(!html.contains("everything else was read"));
    }
}

#[test]
fn the_parts_that_were_changed_are_named() {
    let said = |parts: &[(u64, &str)]| {
        let parts: Vec<_> = parts.iter().map(|(number, bag)| (*number, (*bag).to_owned())).collect();
        ChangedBundle::new(&parts, vec!["x".to_owned()], 1, Default::default()).statement
    };
    let rest = "because that was accepted. What rests on a changed object is marked.";
    assert_eq!(
        said(&[]),
        format!("This bundle was changed after it was sealed (one thing is wrong with it), and was analysed {rest}")
    );
    assert_eq!(
        said(&[(2, "B-2")]),
        format!(
            "Of this collection part 2 (B-2) was changed after it was sealed (one thing is wrong with it), and was \
             analysed {rest}"
        )
    );
    assert_eq!(
        said(&[(1, "B"), (2, "B-2"), (4, "B-4")]),
        format!(
            "Of this collection part 1 (B), part 2 (B-2) and part 4 (B-4) were changed after they were sealed (one thing is \
             wrong with them), and were analysed {rest}"
        )
    );
}

/// Python's jsonschema, which knows nothing of this program.
#[test]
#[cfg_attr(not(foreign), ignore = "needs programs of others: COMTRAIL_FOREIGN_REQUIRED=1")]
fn a_foreign_validator_accepts_the_report() {
    let python = |code: &str, arguments: &[&std::path::Path]| {
        std::process::Command::new("python3").arg("-c").arg(code).args(arguments).output()
    };
    let folder = tempfile::tempdir().unwrap();
    let (schema, report) = (folder.path().join("schema.json"), folder.path().join("report.json"));
    std::fs::write(&schema, include_str!("../../../docs/report.schema.json")).unwrap();
    std::fs::write(&report, sample::report().to_json().unwrap()).unwrap();
    let code = "import json, sys, jsonschema\n\
                schema, report = (json.load(open(path, encoding='utf-8')) for path in sys.argv[1:])\n\
                jsonschema.Draft202012Validator.check_schema(schema)\n\
                jsonschema.Draft202012Validator(schema).validate(report)\n";
    let output = python(code, &[&schema, &report]).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn what_com_would_load_from_where_users_write_is_in_the_answer_without_any_run() {
    let told = |state, user_writable| {
        let mut report = sample::report();
        report.executions.clear();
        report.registrations.truncate(1);
        let one = &mut report.registrations[0];
        (one.state, one.executions) = (state, Vec::new());
        one.loads.as_mut().unwrap().user_writable = user_writable;
        let sources = one.sources.clone();
        let statements = answer::summarize(&report).statements;
        let told = statements.into_iter().find(|one| one.text.starts_with("Registered in the evidence: "));
        told.map(|told| {
            assert_eq!(told.citations, sources);
            told.text
        })
    };
    let current = told(RegistrationState::Current, Some(true)).unwrap();
    assert!(current.contains(r"C:\AtomicRedTeam\T1121.DLL"), "{current}");
    assert!(current.ends_with("No run that was found belongs to it."), "{current}");
    let in_the_log = told(RegistrationState::LogOnly, Some(true)).unwrap();
    assert!(in_the_log.contains("is in the transaction log of "), "{in_the_log}");
    assert!(current.starts_with("Registered in the evidence: COM would load "), "{current}");
    // On another computer nobody knows who writes; what only administrators write is no news, nor is what is gone.
    assert!(told(RegistrationState::Current, None).is_some());
    assert_eq!(told(RegistrationState::Current, Some(false)), None);
    assert_eq!(told(RegistrationState::Deleted, Some(true)), None);
}

/// `UPDATE_EXPECT=1` writes the file anew; the change is then looked at.
#[test]
fn the_shape_is_the_published_one() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/report/sample.json");
    let report = sample::report().to_json().unwrap();
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(&path, &report).unwrap();
    }
    let expected = std::fs::read(&path).unwrap();
    assert!(report == expected, "report.json has another shape than src/report/sample.json");
}
