//! Sources of which the checksums do not match, or of which a part is not what its name says.

use super::*;
use evidence::hex;

const AT_LOG: &str = "C/Windows/System32/winevt/Logs/Security.evtx";

/// One member of a tar archive, by hand, and the two empty blocks behind it.
fn tar_of(name: &str, content: &[u8]) -> Vec<u8> {
    let mut header = [0; 512];
    header[..name.len()].copy_from_slice(name.as_bytes());
    let fields: [(usize, String); 4] = [
        (100, "0000644\0".to_owned()),
        (124, format!("{:011o}\0", content.len())),
        (136, "00000000000\0".to_owned()),
        (257, "ustar\x0000".to_owned()),
    ];
    for (at, field) in fields {
        header[at..at + field.len()].copy_from_slice(field.as_bytes());
    }
    header[156] = b'0';
    header[148..156].fill(b' ');
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let padding = content.len().next_multiple_of(512) - content.len();
    [&header[..], content, &vec![0; padding + 1024]].concat()
}

fn stored(name: &str, content: &[u8], method: zip::CompressionMethod) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    zip.start_file(name, zip::write::SimpleFileOptions::default().compression_method(method)).unwrap();
    zip.write_all(content).unwrap();
    zip.finish().unwrap().into_inner()
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

/// The archive with another bit where this stands.
fn with_wrong_bit(mut archive: Vec<u8>, what: &[u8]) -> Vec<u8> {
    let at = memchr::memmem::find(&archive, what).unwrap();
    archive[at] ^= 1;
    archive
}

/// A checksum over a whole archive or image does not say where it is wrong, so it speaks against everything on its volumes.
#[test]
fn a_wrong_bit_below_a_checksum_speaks_against_all_that_lies_there() {
    let log = [LOG, &[7; 3000], b"here"].concat();
    let tar = tar_of(AT_LOG, &log);
    let packings: [(&str, Vec<u8>); 3] = [
        ("host.tar.gz", gzip(&tar)),
        ("stored.zip", stored("host.tar", &tar, zip::CompressionMethod::Stored)),
        ("folder.zip", stored("host.tar.gz", &gzip(&tar), zip::CompressionMethod::Stored)),
    ];
    for (name, whole) in packings {
        let wrong = with_wrong_bit(whole.clone(), b"here");
        let folder = make(&[(&format!("good/{name}"), &whole), (&format!("wrong/{name}"), &wrong)]);
        let good = opened(&folder.path().join("good").join(name));
        assert_eq!((good[0].volumes[0].0.doubt.as_deref(), &good[0].problems[..]), (None, &[][..]), "{name}");
        for given in [folder.path().join("wrong").join(name), folder.path().join("wrong")] {
            let found = opened(&given);
            let doubt = found[0].volumes[0].0.doubt.clone().unwrap();
            assert!(doubt.contains("CRC-32") && doubt.ends_with("where the wrong bytes are is not known"), "{doubt}");
            let kinds: Vec<&ProblemKind> = found[0].problems.iter().map(|problem| &problem.kind).collect();
            assert_eq!(kinds, [&ProblemKind::BadChecksum { offset: 0 }], "{name}");
        }
    }
}

/// The CRC-32 of a packed member is compared too, also where only its beginning was needed to list it.
#[test]
fn a_member_is_read_to_its_end_for_its_checksum() {
    let tail: Vec<u8> = (0..3_000_000u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    let tar = [&tar_of(AT_LOG, LOG)[..], &tail].concat();
    let whole = stored("host.tar", &tar, zip::CompressionMethod::Deflated);
    // The directory states the CRC-32 behind its signature and twelve more bytes, the local header behind ten.
    let directory = memchr::memmem::rfind(&whole, b"PK\x01\x02").unwrap();
    let mut wrong = whole.clone();
    wrong[directory + 16] ^= 1;
    wrong[14] ^= 1;
    let folder = make(&[("good.zip", &whole), ("wrong.zip", &wrong)]);
    assert_eq!(opened(&folder.path().join("good.zip"))[0].volumes[0].0.doubt, None);
    let doubt = opened(&folder.path().join("wrong.zip"))[0].volumes[0].0.doubt.clone().unwrap();
    let mut crc = flate2::Crc::new();
    crc.update(&tar);
    assert!(doubt.contains(&hex(&crc.sum().to_be_bytes()).to_uppercase()), "{doubt}");
}

/// A host must not be left out of an answer without a word because nothing of its archive or image is left.
#[test]
fn what_is_named_like_an_image_or_archive_and_is_none_is_named() {
    let names =
        ["B.zip", "B.E01", "B.raw", "B.vhdx", "B.tar.gz", "B.001", "B.Ex01", "B.dd", "B.vmdk", "B.qcow2", "B.tar"];
    let good = zip_of(&[(AT_LOG, LOG)]);
    let random: Vec<u8> = (1..200_000u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    let lost = &zip_of(&[("a", &random)])[100..50_000];
    for content in [&[][..], &vec![0; 2 << 20], &random, lost] {
        for name in names {
            let folder = make(&[("A.zip", &good), (name, content)]);
            let found = opened(folder.path());
            let named: Vec<(&str, &ProblemKind)> =
                found[0].problems.iter().map(|problem| (problem.item.as_str(), &problem.kind)).collect();
            assert_eq!((found.len(), named), (1, vec![(&*format!("\\{name}"), &ProblemKind::NotUnderstood)]));
        }
    }
    let others: [(&str, &[u8]); 5] =
        [("A.zip", &good), ("report.2024", b""), ("a.bin", &random), ("notes.gz", b""), ("photo.002", &random)];
    assert_eq!(opened(make(&others).path())[0].problems, []);
}

#[test]
fn a_bundle_is_no_source() {
    let bag: Files<'_> =
        &[("WS/bagit.txt", b"x"), ("WS/metadata/objects.jsonl", b"x"), (&format!("WS/data/{AT_LOG}"), LOG)];
    let unpacked = make(bag);
    let case = make(&[("x.zip", &zip_of(bag)), ("report.json", b"{}")]);
    for given in
        [unpacked.path().to_owned(), unpacked.path().join("WS"), case.path().join("x.zip"), case.path().to_owned()]
    {
        let said = refusal(&given);
        assert!(said.contains("it is a bundle of comtrail") && said.contains("`comtrail analyze "), "{said}");
    }
    let other = make(&[("WS/bagit.txt", b"x"), (&format!("WS/{AT_LOG}"), LOG)]);
    assert_eq!(opened(other.path()).len(), 1, "a bag of another program");
}

/// Another kind of thing in the place of a folder or a file is not the same as nothing there.
#[test]
fn what_lies_in_the_place_of_a_folder_or_file_is_said() {
    let at_logs = "C/Windows/System32/winevt/Logs";
    let folder = make(&[("C/Windows/System32/config/SYSTEM", HIVE), ("C/Windows/System32/config/SOFTWARE/x", b"x")]);
    std::fs::create_dir_all(folder.path().join("C/Windows/System32/winevt")).unwrap();
    let problems = |pattern| {
        let found = opened(folder.path());
        let (located, problems) = crate::run::locate(&found[0], &Reads::File(pattern));
        let said: Vec<_> = problems.into_iter().map(|problem| (problem.kind, problem.item, problem.what)).collect();
        (located.len(), said)
    };
    let kind = ProblemKind::ReadFailed;
    let said = "what lies here is a folder, although a file is looked for here".to_owned();
    let item = r"C:\Windows\System32\config\SOFTWARE".to_owned();
    assert_eq!(problems(r"%SystemRoot%\System32\config\SOFTWARE"), (0, vec![(kind.clone(), item, said)]));
    let logs = r"%SystemRoot%\System32\winevt\Logs\*.evtx";
    assert_eq!(problems(logs), (0, Vec::new()), "nothing is there");
    let item = r"C:\Windows\System32\winevt\Logs".to_owned();
    let said = "what lies here is no folder, although one is looked for here".to_owned();
    std::fs::write(folder.path().join(at_logs), b"x").unwrap();
    assert_eq!(problems(logs), (0, vec![(kind.clone(), item.clone(), said.clone())]), "a file");
    #[cfg(unix)]
    {
        std::fs::remove_file(folder.path().join(at_logs)).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(folder.path().join(at_logs)).status().unwrap().success());
        assert_eq!(problems(logs), (0, vec![(kind, item, said)]), "a pipe");
    }
}
