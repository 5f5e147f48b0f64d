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
