//! Rules about the source itself that the compiler does not check.

use evidence::{Role, Tells};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

const CRATES: [&str; 6] = ["evidence", "ntfs-layout", "artifacts", "collector", "timeline", "cli"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

/// Every Rust file below a folder.
fn all_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

/// Those that are more than tests, by their names.
fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let is_of_tests = |path: &PathBuf| {
        let name = path.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
        let below = path.strip_prefix(folder).unwrap().iter().any(|part| part == "tests");
        below || matches!(name, "tests" | "testing" | "faulty") || name.ends_with("_tests")
    };
    all_files(folder).into_iter().filter(|path| !is_of_tests(path)).collect()
}

/// A file without its tests, which are the last thing in it, and without comments.
fn code(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let tests = lines.windows(2).position(|pair| pair[0] == "#[cfg(test)]" && pair[1].ends_with('{'));
    let code = lines[..tests.unwrap_or(lines.len())].iter();
    code.filter(|line| !line.trim_start().starts_with("//")).copied().collect::<Vec<_>>().join("\n")
}

#[test]
fn siblings_do_not_know_each_other() {
    let allowed: [(&str, &[&str]); 5] = [
        ("evidence", &[]),
        ("ntfs-layout", &["evidence"]),
        ("artifacts", &["evidence", "ntfs-layout"]),
        ("collector", &["evidence", "ntfs-layout"]),
        ("timeline", &["evidence"]),
    ];
    let members: BTreeSet<&str> = allowed.iter().map(|(name, _)| *name).chain(["comtrail"]).collect();
    for (name, may) in allowed {
        let manifest = std::fs::read_to_string(root().join(name).join("Cargo.toml")).unwrap();
        let dependencies = manifest.split("[dependencies]").nth(1).unwrap().split("\n[").next().unwrap();
        for line in dependencies.lines() {
            let crate_name = line.split(['.', ' ', '=']).next().unwrap();
            if members.contains(crate_name) {
                assert!(may.contains(&crate_name), "{name} depends on {crate_name}");
            }
        }
    }
}

#[test]
fn unsafe_code_stands_in_one_module_and_says_why() {
    let sys = root().join("collector/src/source/live/sys");
    assert!(sys.is_dir());
    for folder in CRATES {
        for file in rust_files(&root().join(folder).join("src")) {
            let text = std::fs::read_to_string(&file).unwrap();
            if !file.starts_with(&sys) {
                assert!(!text.contains("unsafe_code") && !text.contains("unsafe {"), "{}", file.display());
                continue;
            }
            let lines: Vec<&str> = text.lines().map(str::trim).collect();
            for (at, line) in lines.iter().enumerate().filter(|(_, line)| line.contains("unsafe {")) {
                let said = lines[at.saturating_sub(6)..at].iter().any(|line| line.contains("SAFETY:"));
                assert!(said, "{}:{} has no SAFETY reason: {line}", file.display(), at + 1);
            }
        }
    }
}

#[test]
fn every_artifact_file_is_registered_and_documented() {
    let folder = root().join("artifacts").join("src");
    let list = std::fs::read_to_string(folder.join("lib.rs")).unwrap();
    let mut found = 0;
    for path in rust_files(&folder) {
        let name = path.file_stem().unwrap().to_str().unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        if !text.contains("static ARTIFACT: Artifact") {
            continue;
        }
        found += 1;
        let in_rooms = path.parent().unwrap().strip_prefix(&folder).unwrap().iter();
        let room: Vec<_> = in_rooms.map(|room| format!("{}::", room.to_str().unwrap())).collect();
        let named = format!("&{}{name}::ARTIFACT,", room.concat());
        assert!(list.contains(&named), "{named} is not in ALL");
        for heading in [
            "What Windows records",
            "When it writes",
            "Where",
            "What it supports",
            "What it does not",
            "Versions",
            "Limits",
            "References",
        ] {
            let there = text.lines().any(|line| line.starts_with("//! #") && line.trim_end().ends_with(heading));
            assert!(there, "{name}.rs has no heading «{heading}»");
        }
    }
    assert_eq!(found, artifacts::ALL.len());
}

#[test]
fn every_artifact_says_what_it_is() {
    let mut ids = BTreeSet::new();
    for artifact in artifacts::ALL {
        assert!(ids.insert(artifact.id), "{} stands twice", artifact.id);
        for text in [artifact.title, artifact.supports, artifact.does_not_support, artifact.windows] {
            assert!(text.len() > 3, "{} has an empty text", artifact.id);
        }
        assert!(!artifact.references.is_empty(), "{} has no reference", artifact.id);
        assert!(!artifact.reads.is_empty(), "{} has no location", artifact.id);
        assert!(!artifact.records.is_empty(), "{} has no data type", artifact.id);
    }
}

#[test]
fn the_generated_pages_are_current() {
    for (format, page) in [("markdown", "docs/artifacts.md"), ("records", "docs/records.md")] {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_comtrail"))
            .args(["artifacts", "--format", format])
            .output()
            .unwrap();
        assert_eq!(
            String::from_utf8(output.stdout).unwrap(),
            std::fs::read_to_string(root().join(page)).unwrap_or_default(),
            "run: cargo run -- artifacts --format {format} > {page}"
        );
    }
}

#[test]
fn every_declared_field_says_what_stands_in_it() {
    fn ask(fields: &[evidence::Field], at: &str, missing: &mut Vec<String>) {
        for field in fields {
            if field.says.len() < 3 {
                missing.push(format!("{at}.{}", field.name));
            }
            ask(field.members(), &format!("{at}.{}", field.name), missing);
        }
    }
    let mut missing = Vec::new();
    for of in artifacts::ALL.iter().flat_map(|artifact| artifact.records) {
        ask(of.fields, of.name, &mut missing);
    }
    assert_eq!(missing, Vec::<String>::new());
}

/// What is declared wrongly compiles, and would silently give no run, no sentence, or a sentence with a hole in it.
#[test]
fn what_shows_a_run_declares_what_the_answer_asks_for() {
    let mut wrong = Vec::new();
    let rows = artifacts::ALL.iter().flat_map(|artifact| artifact.records).filter(|of| of.tells == Tells::Row);
    for of in rows {
        let has = |role| of.in_role(role).next().is_some();
        for time in of.claims.iter().filter_map(|claim| claim.run_time()) {
            let missing = [
                (!time.shows_a_run(), "RunTime: a time of this kind alone makes no run"),
                (!has(Role::Image), "fields: no field has Role::Image"),
                (of.message.is_empty(), "message: a row has no sentence"),
                (of.absence.is_empty(), "absence: coverage cannot say what a missing record means"),
            ];
            wrong.extend(missing.iter().filter(|(is, _)| *is).map(|(_, what)| format!("{}: {what}", of.name)));
        }
        let names = of.message.split('{').skip(1).filter_map(|rest| rest.split_once('}'));
        for name in names.flat_map(|(name, _)| name.split('|')).filter_map(|name| name.split(':').next()) {
            let is_declared = of.fields.iter().chain(of.shared).any(|field| field.name == name);
            if !is_declared && !name.starts_with('@') {
                wrong.push(format!("{}: message: {{{name}}} is no field", of.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// An artifact that is only in the list of all is not yet one: each place that knows artifacts must know this one.
#[test]
fn every_artifact_is_in_every_place() {
    let page = std::fs::read_to_string(root().join("docs/artifacts.md")).unwrap();
    let reviewed = |id: &str| {
        let cases = std::fs::read_dir(root().join("fixtures").join(id)).into_iter().flatten().flatten();
        cases.into_iter().any(|case| case.path().join("expected.jsonl").is_file())
    };
    // The fuzz target takes its artifact from the list by number, and has to reach all of them.
    let fuzz = std::fs::read_to_string(root().join("fuzz/fuzz_targets/artifacts.rs")).unwrap();
    let is_fuzzed = fuzz.contains("artifacts::ALL[usize::from(*artifact) % artifacts::ALL.len()]");
    let mut missing = Vec::new();
    for artifact in artifacts::ALL {
        let id = artifact.id;
        for (place, is_there) in [
            (
                "docs/artifacts.md",
                page.lines().any(|line| line.starts_with("## ") && line.ends_with(&format!("(`{id}`)"))),
            ),
            ("fixtures/", reviewed(id)),
            ("fuzz/fuzz_targets/artifacts.rs", is_fuzzed && artifacts::ALL.len() <= 256),
        ] {
            if !is_there {
                missing.push(format!("{id} is missing from {place}"));
            }
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

#[test]
fn no_file_is_too_long_to_read() {
    for folder in CRATES.into_iter().chain(["tests"]) {
        for file in all_files(&root().join(folder)) {
            let lines = std::fs::read_to_string(&file).unwrap().lines().count();
            assert!(lines <= 800, "{} has {lines} lines", file.display());
        }
    }
}

/// `a::{b, c::D as E}` is `a::b` and `a::c::D`.
fn expand(path: &str) -> Vec<String> {
    let Some((before, group)) = path.split_once('{') else {
        return path.split(" as ").next().map(str::to_owned).into_iter().collect();
    };
    let mut depth = 0;
    let between = |c: char| {
        depth += i32::from(c == '{') - i32::from(c == '}');
        c == ',' && depth == 0
    };
    let inside = group.trim_end().strip_suffix('}').unwrap_or(group).split(between).map(str::trim);
    inside.filter(|one| !one.is_empty()).flat_map(|one| expand(&format!("{before}{one}"))).collect()
}

/// Every path in a file that begins with `crate` or `super`.
fn paths_in(code: &str) -> Vec<String> {
    let is_of_path = |c: char| c.is_alphanumeric() || matches!(c, '_' | ':');
    let starts = ["crate::", "super::"].into_iter().flat_map(|start| code.match_indices(start));
    let of = |at: usize| {
        let rest = &code[at..];
        let end = rest.find(|c| !is_of_path(c)).unwrap_or(rest.len());
        // A group ends with its declaration.
        let end = rest[end..].starts_with('{').then(|| rest.find(';')).flatten().unwrap_or(end);
        expand(&rest[..end])
    };
    starts.filter(|(at, _)| !code[..*at].ends_with(is_of_path)).flat_map(|(at, _)| of(at)).collect()
}

/// Which files of a crate each of its files uses, beside those above it.
fn uses(source: &Path) -> BTreeMap<String, BTreeSet<String>> {
    let module = |path: &PathBuf| {
        let path = path.strip_prefix(source).unwrap().with_extension("");
        let parts = path.iter().map(|part| part.to_str().unwrap().to_owned());
        parts.filter(|part| !matches!(part.as_str(), "mod" | "lib" | "main")).collect::<Vec<_>>()
    };
    let files: BTreeMap<Vec<String>, PathBuf> =
        rust_files(source).into_iter().map(|path| (module(&path), path)).collect();
    let file_of = |own: &[String], path: String| {
        let mut module = own.to_vec();
        for part in path.split("::") {
            match part {
                "crate" => module.clear(),
                "super" => _ = module.pop(),
                part => module.push(part.to_owned()),
            }
        }
        while !module.is_empty() && !files.contains_key(&module) {
            module.pop();
        }
        module
    };
    let of = |(own, path): (&Vec<String>, &PathBuf)| {
        let used = paths_in(&code(path)).into_iter().map(|path| file_of(own, path));
        (own.join("::"), used.filter(|used| !own.starts_with(used)).map(|used| used.join("::")).collect())
    };
    files.iter().map(of).collect()
}

#[test]
fn no_files_use_each_other_in_a_circle() {
    for name in CRATES {
        let mut left = uses(&root().join(name).join("src"));
        assert!(left.values().any(|used| !used.is_empty()), "{name} was not read");
        // Whatever uses nothing that is left, or is used by nothing that is left, is in no circle.
        while let Some(free) = left.keys().find(|one| {
            left[*one].iter().all(|used| !left.contains_key(used)) || left.values().all(|used| !used.contains(*one))
        }) {
            let free = free.clone();
            left.remove(&free);
        }
        assert!(left.is_empty(), "files of {name} use each other: {left:#?}");
    }
}

/// Files of the six crates whose code is in the program.
fn program_files() -> Vec<PathBuf> {
    let all = CRATES.iter().flat_map(|folder| rust_files(&root().join(folder).join("src")));
    all.filter(|file| !is_of_tests(file)).collect()
}

/// Whether a file is a module that is compiled for tests only.
fn is_of_tests(file: &Path) -> bool {
    let (folder, name) = (file.parent().unwrap(), file.file_stem().unwrap().to_str().unwrap());
    let above = [folder.join("mod.rs"), folder.join("lib.rs"), folder.with_extension("rs")];
    let is_declared = |text: &str| {
        let mut parts = text.split("#[cfg(test)]\n").skip(1);
        parts.any(|part| part.lines().next().is_some_and(|line| line.ends_with(&format!("mod {name};"))))
    };
    file.iter().any(|part| part == "tests")
        || above.iter().any(|one| std::fs::read_to_string(one).is_ok_and(|text| is_declared(&text)))
}

/// The literals of text in a piece of code, each with what stands before it.
fn literals(code: &str) -> Vec<(&str, &str)> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(rest) = code.get(at..) {
        let Some(first) = rest.chars().next() else { break };
        let hashes = rest.trim_start_matches('r').bytes().take_while(|byte| *byte == b'#').count();
        let opening = format!("r{}\"", "#".repeat(hashes));
        let is_word = code[..at].ends_with(|last: char| last.is_alphanumeric() || last == '_');
        at += match first {
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '\'' if rest.starts_with("'\\") => rest.get(3..).and_then(|end| end.find('\'')).map_or(1, |end| end + 4),
            '\'' if rest.chars().nth(2) == Some('\'') => rest.char_indices().nth(2).map_or(1, |(end, _)| end + 1),
            'r' if rest.starts_with(&opening) && (!is_word || code[..at].ends_with('b')) => {
                let closing = format!("\"{}", "#".repeat(hashes));
                let text = &rest[opening.len()..];
                let end = text.find(&closing).unwrap_or(text.len());
                found.push((&code[..at], &text[..end]));
                opening.len() + end + closing.len()
            }
            '"' => {
                let mut is_escaped = false;
                let is_end = |one: char| {
                    let ends = one == '"' && !is_escaped;
                    is_escaped = one == '\\' && !is_escaped;
                    ends
                };
                let end = rest[1..].find(is_end).unwrap_or(rest.len() - 1);
                found.push((&code[..at], &rest[1..=end]));
                end + 2
            }
            other => other.len_utf8(),
        };
    }
    found
}

/// Whether the last thing before a literal is the call of one of these functions, or the name of one of these members.
fn is_given_to(before: &str, names: &[&str]) -> bool {
    let before = before.trim_end();
    names.iter().any(|name| before.strip_suffix(name).is_some_and(|rest| !rest.ends_with(char::is_alphanumeric)))
}

/// Names that are declared, and are written elsewhere all the same because they are something else there: the end of the
/// file's path, the names, and what they are.
const SOMETHING_ELSE: [(&str, &[&str], &str); 5] = [
    ("collector/src/run/mod.rs", &["host"], "what a host without a name is called"),
    ("collector/src/source/tree/layout.rs", &["mft"], "a folder of collecting programs"),
    ("collector/src/source/live/snapshot.rs", &["ActiveTimeBias", "LastKnownGoodTime"], "values of the registry"),
    ("timeline/src/story/registration.rs", &["ProgId", "assembly"], "a key and a value of the registry"),
    ("cli/src/host_name.rs", &["ComputerName", "ProductName"], "published names of a bundle's facts"),
];

/// What is wrong with the literals of a file.
fn misplaced_names(file: &str, code: &str) -> Vec<String> {
    fn add(fields: &'static [evidence::Field], names: &mut BTreeSet<&'static str>) {
        for field in fields {
            names.insert(field.name);
            add(field.members(), names);
        }
    }
    let types = || artifacts::ALL.iter().flat_map(|artifact| artifact.records);
    let mut fields = BTreeSet::new();
    types().for_each(|of| [of.fields, of.shared].into_iter().for_each(|some| add(some, &mut fields)));
    // Words of one part, such as `Name`, are English as well: they count where something is asked for by them.
    let is_compound =
        |name: &str| name.contains(['_', '.']) || name.chars().filter(char::is_ascii_uppercase).count() > 1;
    let asking = ["get(", "text(", "number(", "flag(", "list(", "push(", "push_some(", "text_of("];
    let declaring = ["named(", "id:", "Field::text(", "Field::number(", "Field::time(", "Field::flag(", "field("];
    let for_people = ["fact(", "heading(", "Column::text(", "plural(groups.len(),"];
    let is_declaring = |before: &str| file.starts_with("artifacts/") && is_given_to(before, &declaring);
    let is_something_else =
        |text: &str| SOMETHING_ELSE.iter().any(|(other, names, _)| file == *other && names.contains(&text));
    let mut wrong = Vec::new();
    for (before, text) in literals(code) {
        if is_something_else(text) || is_declaring(before) || is_given_to(before, &for_people) {
            continue;
        }
        let what = if artifacts::by_id(text).is_some() {
            "the id of an artifact"
        } else if types().any(|of| of.name == text) {
            "a type of records"
        } else if file != "evidence/src/technique.rs" && evidence::Tool::named(text).is_some() {
            "the name of a tool"
        } else if !fields.contains(text) {
            continue;
        } else if file.starts_with("artifacts/") {
            // Formats have the same names for their own parts; a record is filled by what is declared.
            if !is_given_to(before, &["fields.push(", "fields.push_some("]) {
                continue;
            }
            "a field of a record"
        } else if is_compound(text) || is_given_to(before, &asking) {
            "a field of a record"
        } else {
            continue;
        };
        wrong.push(format!("{file}: \"{text}\" is {what}, behind: {}", before.lines().next_back().unwrap_or_default()));
    }
    wrong
}

#[test]
fn what_is_declared_is_named_in_one_place() {
    let wrong: Vec<String> = program_files()
        .iter()
        .flat_map(|file| {
            let name = file.strip_prefix(root()).unwrap().to_str().unwrap().replace('\\', "/");
            misplaced_names(&name, &code(file))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The test above sees what it looks for, and nothing else.
#[test]
fn a_name_that_is_planted_is_found() {
    let found = |file: &str, code: &str| misplaced_names(file, code).len();
    for code in [
        r#"source.artifact != "prefetch""#,
        r#"id == "lead" || id == "assembly""#,
        r#"of.name == "windows:registry:bam""#,
        r##"record.fields.text(r#"Name"#)"##,
        r#"let image = fields.get("CommandLine");"#,
        r#"let names = ["DisplayName"];"#,
        r#"let quote = '"'; let tool = "RegAsm.exe"; // "bam""#,
    ] {
        assert_eq!(found("timeline/src/story/run.rs", code), 1, "{code}");
        assert_eq!(found("cli/src/main.rs", code), 1, "{code}");
    }
    for code in [
        r#"page.fact("Assembly"); page.raw("Name")"#,
        r#"// "prefetch""#,
        r#"let text = "the prefetch file, \"bam\"";"#,
        r#"fn life<'a>(text: &'a str) {} let words = 'a'; "a prefetch file""#,
    ] {
        assert_eq!(found("timeline/src/report/html/runs.rs", code), 0, "{code}");
    }
    let declaration = r#"id: "bam", Field::text("CommandLine", "…"), RecordType::named("windows:registry:bam")"#;
    assert_eq!((found("artifacts/src/a.rs", declaration), found("timeline/src/a.rs", declaration)), (0, 3));
    assert_eq!(found("artifacts/src/a.rs", r#"version.text("ProductName"); fields.push("ProductName", 1)"#), 1);
}
