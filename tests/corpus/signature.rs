//! Signers of real program files against what osslsigncode says of them.

use super::{Comparison, beginning_with};
use artifacts::formats::pages::{KEPT, Pages};
use artifacts::formats::pe::Pe;
use evidence::{Input, Record};
use serde_json::json;
use std::process::Command;

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
    let input = Input::new("images.jsonl", &text);
    let mut records = Vec::new();
    let problems = artifacts::by_id("volatile").unwrap().parse_alone(&input, &mut |record| records.push(record));
    assert_eq!(problems, []);
    records.pop().unwrap()
}

#[test]
#[cfg_attr(not(all(corpus, foreign)), ignore = "needs COMTRAIL_CORPUS and osslsigncode: COMTRAIL_FOREIGN_REQUIRED=1")]
fn signers_agree_with_osslsigncode() {
    let corpus = super::folder();
    let mut comparison = Comparison::of("signatures", &corpus);
    let (mut signers, mut digests) = (0, 0);
    for path in beginning_with(&corpus, b"MZ") {
        comparison.one(path.display(), |comparison| {
            let bytes = std::fs::read(&path).unwrap();
            let is_signed = |bytes| Pe::parse(&Pages::program(bytes, KEPT)).is_ok_and(|pe| pe.security().is_some());
            if bytes.len() >= 16 << 20 || !is_signed(&bytes) {
                return;
            }
            let record = ours(&bytes);
            // Whatever is cut off or changed in them is read to an end.
            let (certificates, _) = signed(&bytes);
            for at in (0..certificates.len()).step_by(53) {
                read(&certificates[..at], Default::default());
                let mut changed = certificates.to_vec();
                changed[at] ^= 0x81;
                read(&changed, Default::default());
            }
            let output = Command::new("osslsigncode").arg("verify").arg("-in").arg(&path).output().unwrap();
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            // What it says of the first signature; some damaged files it does not read at all.
            let Some(first) = text.split("Signature Index: ").find(|part| part.starts_with('0')) else { return };
            let after = |name: &str| {
                let value = first.lines().find_map(|line| line.trim().strip_prefix(name))?;
                Some(value.trim_start_matches([' ', ':']).trim().to_owned())
            };
            comparison.count();
            if let (Some(current), Some(calculated)) =
                (after("Current message digest"), after("Calculated message digest"))
            {
                let same = Some(current.as_str()) == calculated.split_whitespace().next();
                let expected = if same { "signed digest is the file's" } else { "signed digest is another file's" };
                comparison.same("signature", &Some(expected), &record.fields.text("Signature"));
                digests += 1;
            }
            if let (Some(subject), Some(serial)) = (after("Subject"), after("Serial")) {
                // It writes the parts of a name from the country to the person, RFC 4514 the other way round and with
                // a backslash before some signs.
                let of_ours = record.fields.text("Signer").unwrap_or_default().replace('\\', "");
                if let Some((_, common)) = subject.rsplit_once("/CN=").filter(|(_, common)| !common.contains(r"\x")) {
                    let common = common.split("/emailAddress=").next().unwrap();
                    comparison.check(of_ours.contains(common), format!("signer: theirs {subject}, ours {of_ours}"));
                }
                let number = |text: &str| text.trim_start_matches('0').to_lowercase();
                let of_ours = record.fields.text("SerialNumber").unwrap_or_default();
                comparison.same("serial number", &number(&serial), &number(of_ours));
                signers += 1;
            }
        });
    }
    println!("{digests} digests and {signers} signers compared");
    comparison.finish();
}
