//! Every parser, through the list of all artifacts: golden files and robustness.

mod golden;
mod robustness;

use std::path::{Path, PathBuf};

use evidence::{Artifact, FileTimes, Filetime, Focus, Input, Macb, Problem, Record};

/// One fixture: a folder of `fixtures/<artifact>/`.
struct Case {
    folder: PathBuf,
    artifact: &'static Artifact,
    input: Vec<u8>,
    companions: Vec<(String, Vec<u8>)>,
    focus: Focus,
    times: FileTimes,
    origin: Origin,
}

impl Case {
    /// What the artifact's parser gives for it.
    fn parse(&self) -> (Vec<Record>, Vec<Problem>) {
        let companions = &self.companions;
        let companions =
            companions.iter().map(|(path, bytes)| (path.as_str(), bytes as &dyn evidence::Bytes)).collect();
        let input = Input::new(&self.origin.original_path, &self.input);
        collect(self.artifact, &Input { companions, focus: &self.focus, times: self.times, ..input })
    }
}

/// `origin.toml`: where a fixture comes from, and what other tools read in it.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Origin {
    /// Where it comes from, in a sentence; read by people only.
    origin: String,
    /// The path that the input has on its host.
    original_path: String,
    /// Other objects that belong to it.
    #[serde(default)]
    companion: Vec<Companion>,
    /// What a focused artifact should describe; everything where it is missing.
    focus: Option<Names>,
    /// Times of the file on its volume, for artifacts that are told by them.
    times: Option<Times>,
    /// What other tools say; at least one, so that a golden file never certifies itself.
    independent: Vec<Independent>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Companion {
    file: String,
    original_path: String,
}

/// Times as people write them, in UTC: `2026-03-04 14:12:34.0021234`.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Times {
    created: String,
    modified: String,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Names {
    #[serde(default)]
    names: Vec<String>,
    #[serde(default)]
    folders: Vec<String>,
}

/// One value that a tool which is not ours reads in the fixture.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Independent {
    /// The tool and its version.
    tool: String,
    /// Which line of `expected.jsonl`, the first one where it is missing.
    #[serde(default)]
    line: usize,
    /// JSON pointer into that line, `/fields/RunCount`.
    pointer: String,
    /// What stands there: text as it is, anything else as JSON.
    value: String,
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures")
}

fn folders(of: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(of).unwrap().map(|entry| entry.unwrap().path());
    let mut folders: Vec<PathBuf> = entries.filter(|path| path.is_dir()).collect();
    folders.sort();
    folders
}

/// Every fixture of an artifact. Folders that are not named after one hold other things and are listed here, or evidence for
/// an artifact that is to come, of which nothing can have been reviewed.
fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for folder in folders(&fixtures()) {
        let name = folder.file_name().unwrap().to_str().unwrap();
        match artifacts::by_id(name) {
            Some(artifact) => cases.extend(folders(&folder).into_iter().map(|folder| case(artifact, folder))),
            None if ["build", "hosts"].contains(&name) => {}
            None => {
                let mut all = folders(&folder).into_iter();
                let is_to_come = |case: PathBuf| case.join("input").is_file() && !case.join("expected.jsonl").exists();
                assert!(all.all(is_to_come), "fixtures/{name} is not the id of an artifact");
            }
        }
    }
    cases
}

fn case(artifact: &'static Artifact, folder: PathBuf) -> Case {
    let read =
        |name: &str| std::fs::read(folder.join(name)).unwrap_or_else(|error| panic!("{folder:?}/{name}: {error}"));
    let text = String::from_utf8(read("origin.toml")).unwrap();
    let origin: Origin = toml::from_str(&text).unwrap_or_else(|error| panic!("{folder:?}/origin.toml: {error}"));
    assert!(!origin.origin.is_empty(), "{folder:?}: origin.toml does not say where the fixture comes from");
    assert!(!origin.independent.is_empty(), "{folder:?}: origin.toml has no value of an independent tool");
    let companions = origin.companion.iter().map(|one| (one.original_path.clone(), read(&one.file))).collect();
    let focus = match &origin.focus {
        None => Focus { everything: true, ..Focus::default() },
        Some(focus) => Focus {
            everything: false,
            names: focus.names.iter().cloned().collect(),
            folders: focus.folders.iter().cloned().collect(),
        },
    };
    let time = |text: &String| Some(Filetime::parse_utc(text).unwrap_or_else(|| panic!("{folder:?}: {text}")));
    let si = |times: &Times| Macb { born: time(&times.created), modified: time(&times.modified), ..Macb::default() };
    let times = FileTimes { si: origin.times.as_ref().map(si), ..FileTimes::default() };
    Case { artifact, input: read("input"), companions, focus, times, origin, folder }
}

/// What an artifact's parser gives for these bytes.
pub(crate) fn parse(
    artifact: &'static Artifact,
    original_path: &str,
    bytes: &[u8],
    companions: &[(String, Vec<u8>)],
    focus: &Focus,
) -> (Vec<Record>, Vec<Problem>) {
    parse_bytes(artifact, original_path, &bytes.to_vec(), companions, focus)
}

fn parse_bytes(
    artifact: &'static Artifact,
    original_path: &str,
    bytes: &dyn evidence::Bytes,
    companions: &[(String, Vec<u8>)],
    focus: &Focus,
) -> (Vec<Record>, Vec<Problem>) {
    let companions = companions.iter().map(|(path, bytes)| (path.as_str(), bytes as &dyn evidence::Bytes)).collect();
    collect(artifact, &Input { companions, focus, ..Input::new(original_path, bytes) })
}

fn collect(artifact: &'static Artifact, input: &Input<'_>) -> (Vec<Record>, Vec<Problem>) {
    let mut records = Vec::new();
    let problems = artifact.parse_alone(input, &mut |record| records.push(record));
    (records, problems)
}
