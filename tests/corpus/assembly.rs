//! Every program file of the corpus: what dnfile reads in its metadata, what its signature says of its image hash, what
//! Windows wrote when it was registered.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{Comparison, beginning_with};
use artifacts::formats::cli::{Metadata, Table};
use artifacts::formats::pages::{KEPT, Pages};
use artifacts::formats::pe::Pe;
use evidence::{Bytes, Input, Problem, Record, Value, ValueRef};
use serde_json::Value as Json;

fn parse(artifact: &str, path: &str, bytes: &[u8]) -> (Vec<Record>, Vec<Problem>) {
    let mut records = Vec::new();
    let bytes = bytes.to_vec();
    let input = Input::new(path, &bytes);
    let artifact = artifacts::by_id(artifact).unwrap();
    let problems = artifact.parse_alone(&input, &mut |record| records.push(record));
    (records, problems)
}

/// The same bytes where they lie in no memory, so that they are read in pages.
struct InPages<'a>(&'a [u8]);

impl Bytes for InPages<'_> {
    fn len(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.0.read_at(offset, buffer)
    }
}

/// What dnfile reads in the files.
fn dnfile(files: &[PathBuf]) -> Vec<Json> {
    let is_there = Command::new("python3").args(["-c", "import dnfile"]).output().is_ok_and(|run| run.status.success());
    assert!(is_there, "python3 has no dnfile (pip install dnfile)");
    let mut child = Command::new("python3")
        .args(["-c", include_str!("assembly.py")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let names: String = files.iter().map(|path| format!("{}\n", path.display())).collect();
    child.stdin.take().unwrap().write_all(names.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The text of a member, empty where there is none.
fn text<'a>(value: impl Into<ValueRef<'a>>, name: &str) -> String {
    value.into().get(name).and_then(Value::as_text).unwrap_or("").to_owned()
}

#[test]
#[cfg_attr(not(all(corpus, foreign)), ignore = "needs COMTRAIL_CORPUS and dnfile: COMTRAIL_FOREIGN_REQUIRED=1")]
fn every_assembly_as_dnfile_reads_it() {
    let corpus = super::folder();
    let is_managed = |path: &PathBuf| {
        let data = std::fs::read(path).unwrap();
        Pe::parse(&Pages::program(&data, KEPT)).is_ok_and(|pe| pe.cli_header().is_some())
    };
    let paths: Vec<PathBuf> = beginning_with(&corpus, b"MZ").into_iter().filter(is_managed).collect();
    let answers = dnfile(&paths);
    assert_eq!(answers.len(), paths.len());
    let mut comparison = Comparison::of("assemblies", &corpus);
    let mut types = 0;
    for (path, theirs) in paths.iter().zip(&answers) {
        comparison.one(path.display(), |comparison| {
            comparison.count();
            let data = &std::fs::read(path).unwrap();
            // None of it is held, so that all is read in pages.
            let bytes = InPages(data);
            let file = Pages::program(&bytes, 0);
            let pe = Pe::parse(&file).unwrap();
            let metadata = Metadata::parse(&pe, pe.cli_header().unwrap());
            if let Some(error) = theirs.get("error") {
                return comparison.differ(format!("dnfile: {error}; we: {:?}", metadata.map(|one| one.malformed)));
            }
            let metadata = metadata.unwrap();
            let mut differ = |what: &str, ours: String, theirs: String| {
                if ours != theirs {
                    comparison.differ(format!("{what}: theirs {theirs}, ours {ours}"));
                }
            };
            let rows: BTreeMap<usize, u64> = theirs["rows"]
                .as_object()
                .unwrap()
                .iter()
                .map(|(number, count)| (number.parse().unwrap(), count.as_u64().unwrap()))
                .collect();
            for (number, count) in metadata.counts() {
                let theirs = rows.get(&number).copied().unwrap_or(0);
                differ(&format!("rows of table {number:#x}"), count.to_string(), theirs.to_string());
            }
            let (records, _) = parse("assembly", &path.to_string_lossy().replace('/', r"\"), data);
            let cli = records[0].fields.get("Cli").unwrap();
            differ("MVID", text(cli, "Mvid"), format!("{{{}}}", theirs["mvid"].as_str().unwrap()));
            if let (Some(ours), Some(theirs)) = (cli.get("Assembly"), theirs["assembly"].as_object()) {
                differ("name", text(ours, "Name"), theirs["name"].as_str().unwrap().to_owned());
                let version: Vec<String> = theirs["version"].as_array().unwrap().iter().map(Json::to_string).collect();
                differ("version", text(ours, "Version"), version.join("."));
            } else {
                differ(
                    "manifest",
                    cli.get("Assembly").is_some().to_string(),
                    (!theirs["assembly"].is_null()).to_string(),
                );
            }
            let all = theirs["types"].as_array().unwrap();
            for (row, theirs) in (1..).zip(all) {
                types += 1;
                differ("type name", metadata.name(Table::TypeDef, row, 1), theirs["name"].as_str().unwrap().to_owned());
                let namespace = metadata.name(Table::TypeDef, row, 2);
                differ("namespace", namespace, theirs["namespace"].as_str().unwrap().to_owned());
            }
            for one in cli.get("Types").map(Value::items).unwrap_or_default() {
                let row = usize::from_str_radix(&text(one, "Token")[4..], 16).unwrap();
                let ours = one.get("Attributes").map(Value::items).unwrap_or_default();
                let mut ours: Vec<&str> = ours.iter().filter_map(Value::as_text).collect();
                let mut theirs: Vec<&str> =
                    all[row - 1]["attributes"].as_array().unwrap().iter().filter_map(Json::as_str).collect();
                ours.sort_unstable();
                theirs.sort_unstable();
                differ(&format!("attributes of {}", text(one, "Name")), ours.join(","), theirs.join(","));
            }
        });
    }
    println!("{types} types");
    comparison.finish();
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

/// The DigestInfo of SHA-256 and of SHA-1 in DER, before the digest itself.
const SHA256_INFO: &[u8] =
    &[0x30, 0x31, 0x30, 0x0D, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20];
const SHA1_INFO: &[u8] = &[0x30, 0x21, 0x30, 0x09, 0x06, 0x05, 0x2B, 0x0E, 0x03, 0x02, 0x1A, 0x05, 0x00, 0x04, 0x14];

/// Whether osslsigncode takes this digest for the file's as well, so that the file was changed after it was signed.
fn is_altered(path: &Path, ours: &[u8]) -> bool {
    let run = Command::new("osslsigncode").arg("verify").arg("-in").arg(path).output().expect("osslsigncode runs");
    let hex: String = ours.iter().map(|byte| format!("{byte:02X}")).collect();
    let text = String::from_utf8_lossy(&run.stdout).into_owned();
    text.lines().any(|line| line.trim().starts_with("Calculated message digest") && line.contains(&hex))
}

#[test]
#[cfg_attr(not(all(corpus, foreign)), ignore = "needs COMTRAIL_CORPUS and osslsigncode: COMTRAIL_FOREIGN_REQUIRED=1")]
fn image_hashes_are_those_that_were_signed() {
    let corpus = super::folder();
    let mut comparison = Comparison::of("signed digests", &corpus);
    for path in beginning_with(&corpus, b"MZ") {
        comparison.one(path.display(), |comparison| {
            let data = std::fs::read(&path).unwrap();
            let file = Pages::program(&data, KEPT);
            let Ok(pe) = Pe::parse(&file) else { return };
            let Some(range) = pe.security() else { return };
            let certificates = &data[range.start as usize..range.end as usize];
            let ours = [
                (SHA256_INFO, super::image_digest::<sha2::Sha256>(&pe, &data)),
                (SHA1_INFO, super::image_digest::<sha1::Sha1>(&pe, &data)),
            ];
            for (info, ours) in ours {
                let Some(at) = find(certificates, info) else { continue };
                let signed = &certificates[at + info.len()..at + info.len() + ours.len()];
                comparison.count();
                let is_right = signed == ours || is_altered(&path, &ours);
                comparison.check(is_right, format!("signed {signed:02x?}, image {ours:02x?}"));
            }
        });
    }
    comparison.finish();
}

#[test]
#[cfg_attr(not(corpus), ignore = "needs COMTRAIL_CORPUS")]
fn every_program_is_described() {
    let corpus = super::folder();
    let mut comparison = Comparison::of("described programs", &corpus);
    let (mut kinds, mut outlooks) = (BTreeMap::<String, u32>::new(), Vec::new());
    for path in beginning_with(&corpus, b"MZ") {
        comparison.one(path.display(), |comparison| {
            comparison.count();
            let (records, _) =
                parse("assembly", &path.to_string_lossy().replace('/', r"\"), &std::fs::read(&path).unwrap());
            let [record] = &records[..] else { return comparison.differ(format!("{} records", records.len())) };
            let fields = &record.fields;
            *kinds.entry(fields.text("Kind").unwrap().to_owned()).or_default() += 1;
            for name in ["ExecutesOnRegister", "ExecutesOnUnregister", "ExecutesOnLoad"] {
                if let Some(outlook) = fields.get(name).filter(|one| one.get("State").unwrap().as_text() != Some("no"))
                {
                    outlooks.push(format!("{}: {name}: {outlook:?}", path.file_name().unwrap().to_string_lossy()));
                }
            }
        });
    }
    println!("{kinds:?}\n{}", outlooks.join("\n"));
    comparison.finish();
}

/// Name and key token of an assembly.
type Assembly = [String; 2];

/// Full names of types of the corpus with their version and id, by their assembly.
fn types_of_assemblies(corpus: &Path) -> BTreeMap<Assembly, BTreeMap<String, (String, String)>> {
    let mut known: BTreeMap<Assembly, BTreeMap<String, (String, String)>> = BTreeMap::new();
    for path in beginning_with(corpus, b"MZ") {
        let path_text = path.to_string_lossy().replace('/', r"\");
        let (records, _) = parse("assembly", &path_text, &std::fs::read(&path).unwrap());
        let Some(cli) = records.first().and_then(|record| record.fields.get("Cli")) else { continue };
        let Some(assembly) = cli.get("Assembly") else { continue };
        let types = known.entry(["Name", "PublicKeyToken"].map(|name| text(assembly, name))).or_default();
        for one in cli.get("Types").map(Value::items).unwrap_or_default() {
            types.insert(text(one, "Name"), (text(assembly, "Version"), text(one, "Clsid")));
        }
    }
    known
}

#[test]
#[cfg_attr(not(corpus), ignore = "needs COMTRAIL_CORPUS")]
fn ids_are_those_that_windows_registered() {
    let corpus = super::folder();
    let known = types_of_assemblies(&corpus);
    let mut comparison = Comparison::of("registrations of assemblies of the corpus", &corpus);
    let (mut right, mut changed) = (0, 0);
    for path in beginning_with(&corpus, b"regf") {
        let name = path.file_name().unwrap().to_string_lossy().to_uppercase();
        if !name.starts_with("SOFTWARE") {
            continue;
        }
        comparison.one(path.display(), |comparison| {
            let bytes = std::fs::read(&path).unwrap();
            let (records, _) = parse("com-registration", r"C:\Windows\System32\config\SOFTWARE", &bytes);
            for record in &records {
                let fields = &record.fields;
                let (Some(assembly), Some(class), Some(clsid)) =
                    (fields.text("Assembly"), fields.text("Class"), fields.text("Clsid"))
                else {
                    continue;
                };
                let part = |name: &str| assembly.split(", ").find_map(|part| part.strip_prefix(name)).unwrap_or("null");
                let simple = assembly.split(',').next().unwrap_or("").to_owned();
                let key = [simple, part("PublicKeyToken=").to_owned()];
                let Some((version, ours)) = known.get(&key).and_then(|types| types.get(class)) else { continue };
                let is_right = ours.eq_ignore_ascii_case(clsid);
                let difference = format!("{class} of {assembly}: registered {clsid}, ours {ours} of {version}");
                if is_right || part("Version=") == version {
                    comparison.count();
                    comparison.check(is_right, difference);
                } else {
                    changed += 1;
                    comparison.pass_over(difference);
                }
                right += usize::from(is_right);
            }
        });
    }
    // Another version of an assembly can have another id for a class, which is the exception.
    comparison
        .check(changed <= right, format!("{changed} classes of another version differ, {right} have the same id"));
    comparison.finish();
}
