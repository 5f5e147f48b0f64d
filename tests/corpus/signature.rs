//! Signers of real program files against what osslsigncode says of them.

use artifacts::formats::pages::{KEPT, Pages};
use artifacts::formats::pe::Pe;
use evidence::{Focus, Input, Record, Sink};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Every program file below a folder that has certificates.
fn signed_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            signed_files(&path, found);
        } else if entry.metadata().is_ok_and(|facts| facts.len() < 16 << 20) {
            let bytes = std::fs::read(&path).unwrap();
            if bytes.starts_with(b"MZ")
                && Pe::parse(&Pages::program(&bytes, KEPT)).is_ok_and(|pe| pe.security().is_some())
            {
                found.push(path);
            }
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The certificates in a file, and the digests of the image that they may hold.
fn signed(bytes: &[u8]) -> (&[u8], [String; 2]) {
    let data = bytes.to_vec();
    let file = Pages::program(&data, KEPT);
    let pe = Pe::parse(&file).unwrap();
    let range = pe.security().unwrap();
    let digests = [super::image_digest::<sha2::Sha256>(&pe, bytes), super::image_digest::<sha1::Sha1>(&pe, bytes)];
    (&bytes[range.start as usize..range.end as usize], digests.map(|digest| hex(&digest)))
}

/// What our reader says of the certificates in a file.
fn ours(bytes: &[u8]) -> Record {
    let (certificates, digests) = signed(bytes);
    read(certificates, digests)
}

fn read(certificates: &[u8], [sha256, sha1]: [String; 2]) -> Record {
    let line = json!({
        "path": "x.exe",
        "image_sha256": sha256,
        "image_sha1": sha1,
        "certificates": hex(certificates),
    });
    let text = format!("{{\"taken\":1,\"answer\":\"ok\"}}\n{line}\n").into_bytes();
    let focus = Focus::default();
    let input = Input { original_path: "images.jsonl", bytes: &text, companions: Vec::new(), focus: &focus };
    let mut records = Vec::new();
    let mut keep = |record| records.push(record);
    let mut sink = Sink::new("images.jsonl", &mut keep);
    (artifacts::by_id("volatile").unwrap().parse)(&input, &mut sink);
    assert_eq!(sink.finish(), []);
    records.pop().unwrap()
}

#[test]
#[cfg_attr(not(all(corpus, foreign)), ignore = "needs COMTRAIL_CORPUS and osslsigncode: COMTRAIL_FOREIGN_REQUIRED=1")]
fn signers_agree_with_osslsigncode() {
    let corpus = super::folder();
    let mut files = Vec::new();
    signed_files(&corpus, &mut files);
    files.sort();
    let (mut signers, mut digests) = (0, 0);
    for path in &files {
        let bytes = std::fs::read(path).unwrap();
        let record = ours(&bytes);
        // Whatever is cut off or changed in them is read to an end.
        let (certificates, _) = signed(&bytes);
        for at in (0..certificates.len()).step_by(53) {
            read(&certificates[..at], Default::default());
            let mut changed = certificates.to_vec();
            changed[at] ^= 0x81;
            read(&changed, Default::default());
        }
        let output = Command::new("osslsigncode").arg("verify").arg("-in").arg(path).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        // What it says of the first signature; some damaged files it does not read at all.
        let Some(first) = text.split("Signature Index: ").find(|part| part.starts_with('0')) else { continue };
        let after = |name: &str| {
            let value = first.lines().find_map(|line| line.trim().strip_prefix(name))?;
            Some(value.trim_start_matches([' ', ':']).trim().to_owned())
        };
        let name = path.display();
        if let (Some(current), Some(calculated)) = (after("Current message digest"), after("Calculated message digest"))
        {
            let same = Some(current.as_str()) == calculated.split_whitespace().next();
            let ours = record.fields.text("Signature");
            let expected = if same { "signed digest is the file's" } else { "signed digest is another file's" };
            assert_eq!(ours, Some(expected), "{name}");
            digests += 1;
        }
        if let (Some(subject), Some(serial)) = (after("Subject"), after("Serial")) {
            // It writes the parts of a name from the country to the person, RFC 4514 the other way round.
            let of_ours = record.fields.text("Signer").unwrap_or_default();
            let common = subject.rsplit("/CN=").next().unwrap();
            let common = common.split("/emailAddress=").next().unwrap();
            assert!(of_ours.contains(common), "{name}: {of_ours} and {subject}");
            let number = |text: &str| text.trim_start_matches('0').to_lowercase();
            assert_eq!(number(record.fields.text("SerialNumber").unwrap()), number(&serial), "{name}");
            signers += 1;
        }
    }
    println!("{} signed files, {digests} digests and {signers} signers compared", files.len());
    assert!(signers >= 5 && digests > signers, "{signers} of {}", files.len());
}
