//! Every program file of the corpus: what dnfile reads in its metadata, what its signature says of its image hash, what
//! Windows wrote when it was registered.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use artifacts::formats::cli::{Metadata, Table};
use artifacts::formats::pages::{KEPT, Pages};
use artifacts::formats::pe::Pe;
use evidence::{Bytes, Focus, Input, Problem, Record, Sink, Value, ValueRef};
use serde_json::Value as Json;

/// Files of which another program reads something else, by SHA-256, with the reason.
const ALTERED_AFTER_SIGNING: [(&str, &str); 1] = [(
    "50c2638966b17e75703c40bbfc0914b6142b822c6dbd39e0e7a5bf0ff3ab59f1",
    "osslsigncode computes the same digest as we do and calls it a mismatch: the file was changed after it was signed",
)];

/// Classes that another version of their assembly registered under another id, with the reason.
const OTHER_VERSION: [(&str, &str, &str); 1] = [(
    "System.EnterpriseServices.RegistrationHelperTx",
    "{9E31421C-2F15-4F35-AD20-66FB9D4CD428}",
    "registered by version 1.0.5000.0; the corpus has version 4.0.0.0, whose Guid attribute is {C89AC250-E18A-4FC7-ABD5-B8897B6A78A5}",
)];

/// Every file below a folder that begins with these bytes.
fn beginning_with(folder: &Path, magic: &[u8], found: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            beginning_with(&path, magic, found);
            continue;
        }
        let mut head = vec![0; magic.len()];
        let mut file = std::fs::File::open(&path).unwrap();
        if file.read_exact(&mut head).is_ok() && head == magic {
            found.push(path);
        }
    }
}

fn programs(corpus: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    beginning_with(corpus, b"MZ", &mut found);
    found.into_iter().map(|path| (path.clone(), std::fs::read(path).unwrap())).collect()
}

fn parse(artifact: &str, path: &str, bytes: &[u8]) -> (Vec<Record>, Vec<Problem>) {
    let mut records = Vec::new();
    let mut keep = |record| records.push(record);
    let mut sink = Sink::new(path, &mut keep);
    let bytes = bytes.to_vec();
    let input = Input { original_path: path, bytes: &bytes, companions: Vec::new(), focus: &Focus::default() };
    (artifacts::by_id(artifact).unwrap().parse)(&input, &mut sink);
    let problems = sink.finish();
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
    let managed: Vec<(PathBuf, Vec<u8>)> = programs(&corpus)
        .into_iter()
        .filter(|(_, data)| Pe::parse(&Pages::program(data, KEPT)).is_ok_and(|pe| pe.cli_header().is_some()))
        .collect();
    assert!(!managed.is_empty(), "no .NET file in the corpus");
    let paths: Vec<PathBuf> = managed.iter().map(|(path, _)| path.clone()).collect();
    let answers = dnfile(&paths);
    assert_eq!(answers.len(), managed.len());
    let mut differences = Vec::new();
    let mut types = 0;
    for ((path, data), theirs) in managed.iter().zip(&answers) {
        let name = path.display();
        // None of it is held, so that all is read in pages.
        let bytes = InPages(data);
        let file = Pages::program(&bytes, 0);
        let pe = Pe::parse(&file).unwrap();
        let metadata = Metadata::parse(&pe, pe.cli_header().unwrap());
        if let Some(error) = theirs.get("error") {
            differences.push(format!("{name}: dnfile: {error}; we: {:?}", metadata.map(|one| one.malformed)));
            continue;
        }
        let metadata = metadata.unwrap();
        let mut differ = |what: &str, ours: String, theirs: String| {
            if ours != theirs {
                differences.push(format!("{name}: {what}: theirs {theirs}, ours {ours}"));
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
            differ("manifest", cli.get("Assembly").is_some().to_string(), (!theirs["assembly"].is_null()).to_string());
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
    }
    println!("{} assemblies, {types} types", managed.len());
    assert!(differences.is_empty(), "{} differences:\n{}", differences.len(), differences.join("\n"));
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

/// The DigestInfo of SHA-256 and of SHA-1 in DER, before the digest itself.
const SHA256_INFO: &[u8] =
    &[0x30, 0x31, 0x30, 0x0D, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20];
const SHA1_INFO: &[u8] = &[0x30, 0x21, 0x30, 0x09, 0x06, 0x05, 0x2B, 0x0E, 0x03, 0x02, 0x1A, 0x05, 0x00, 0x04, 0x14];

#[test]
#[cfg_attr(not(corpus), ignore = "needs COMTRAIL_CORPUS")]
fn image_hashes_are_those_that_were_signed() {
    let corpus = super::folder();
    let (mut compared, mut wrong) = (0, Vec::new());
    for (path, data) in programs(&corpus) {
        let file = Pages::program(&data, KEPT);
        let Ok(pe) = Pe::parse(&file) else { continue };
        let Some(range) = pe.security() else { continue };
        let certificates = &data[range.start as usize..range.end as usize];
        let ours = [
            (SHA256_INFO, super::image_digest::<sha2::Sha256>(&pe, &data)),
            (SHA1_INFO, super::image_digest::<sha1::Sha1>(&pe, &data)),
        ];
        for (info, ours) in ours {
            let Some(at) = find(certificates, info) else { continue };
            let signed = &certificates[at + info.len()..at + info.len() + ours.len()];
            compared += 1;
            let sha256: String =
                <sha2::Sha256 as sha2::Digest>::digest(&data).iter().map(|byte| format!("{byte:02x}")).collect();
            let is_altered = ALTERED_AFTER_SIGNING.iter().any(|(file, _)| *file == sha256);
            if (signed == ours) == is_altered {
                wrong.push(format!("{}: signed {signed:02x?}, image {ours:02x?}", path.display()));
            }
        }
    }
    println!("{compared} signed digests");
    assert!(compared > 0, "no signed file in the corpus");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
#[cfg_attr(not(corpus), ignore = "needs COMTRAIL_CORPUS")]
fn every_program_is_described() {
    let corpus = super::folder();
    let (mut kinds, mut outlooks) = (BTreeMap::<String, u32>::new(), Vec::new());
    for (path, data) in programs(&corpus) {
        let (records, _) = parse("assembly", &path.to_string_lossy().replace('/', r"\"), &data);
        let [record] = &records[..] else { panic!("{}: {} records", path.display(), records.len()) };
        let fields = &record.fields;
        *kinds.entry(fields.text("Kind").unwrap().to_owned()).or_default() += 1;
        for name in ["ExecutesOnRegister", "ExecutesOnUnregister", "ExecutesOnLoad"] {
            if let Some(outlook) = fields.get(name).filter(|one| one.get("State").unwrap().as_text() != Some("no")) {
                outlooks.push(format!("{}: {name}: {outlook:?}", path.file_name().unwrap().to_string_lossy()));
            }
        }
    }
    println!("{kinds:?}\n{}", outlooks.join("\n"));
}

#[test]
#[cfg_attr(not(corpus), ignore = "needs COMTRAIL_CORPUS")]
fn ids_are_those_that_windows_registered() {
    let corpus = super::folder();
    // Full names of types and their ids, by name and key token of their assembly.
    let mut known: BTreeMap<(String, String), BTreeMap<String, String>> = BTreeMap::new();
    for (path, data) in programs(&corpus) {
        let (records, _) = parse("assembly", &path.to_string_lossy().replace('/', r"\"), &data);
        let Some(cli) = records.first().and_then(|record| record.fields.get("Cli")) else { continue };
        let Some(assembly) = cli.get("Assembly") else { continue };
        let types = known.entry((text(assembly, "Name"), text(assembly, "PublicKeyToken"))).or_default();
        for one in cli.get("Types").map(Value::items).unwrap_or_default() {
            types.insert(text(one, "Name"), text(one, "Clsid"));
        }
    }
    let mut hives = Vec::new();
    beginning_with(&corpus, b"regf", &mut hives);
    let (mut compared, mut wrong) = (0, Vec::new());
    for path in hives {
        let bytes = std::fs::read(&path).unwrap();
        let name = path.file_name().unwrap().to_string_lossy().to_uppercase();
        if !name.starts_with("SOFTWARE") {
            continue;
        }
        let (records, _) = parse("com-registration", r"C:\Windows\System32\config\SOFTWARE", &bytes);
        for record in &records {
            let fields = &record.fields;
            let (Some(assembly), Some(class), Some(clsid)) =
                (fields.text("Assembly"), fields.text("Class"), fields.text("Clsid"))
            else {
                continue;
            };
            let simple = assembly.split(',').next().unwrap_or("").to_owned();
            let token = assembly.rsplit_once("PublicKeyToken=").map_or("null", |(_, token)| token).to_owned();
            let Some(ours) = known.get(&(simple, token)).and_then(|types| types.get(class)) else { continue };
            compared += 1;
            let is_other_version =
                OTHER_VERSION.iter().any(|(class, id, _)| fields.text("Class") == Some(class) && clsid == *id);
            if ours.eq_ignore_ascii_case(clsid) == is_other_version {
                wrong.push(format!("{}: {class} of {assembly}: registered {clsid}, ours {ours}", path.display()));
            }
        }
    }
    println!("{compared} registrations of assemblies of the corpus");
    assert!(compared > 0, "nothing that is registered in a hive of the corpus is in it as well");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
