//! Sources made for the tests.

use super::*;
use evidence::{Recovery, Stage};
use sha2::Digest;
use std::io::Read;

/// A zip archive of a folder, as another program writes it.
pub(crate) fn zip_of(folder: &Path, archive: &Path) {
    fn add(zip: &mut zip::ZipWriter<std::fs::File>, root: &Path, folder: &Path) {
        let mut entries: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        entries.sort();
        for path in entries {
            if path.is_dir() {
                add(zip, root, &path);
            } else {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
                zip.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
                std::io::copy(&mut std::fs::File::open(&path).unwrap(), zip).unwrap();
            }
        }
    }
    let mut zip = zip::ZipWriter::new(std::fs::File::create(archive).unwrap());
    add(&mut zip, folder, folder);
    zip.finish().unwrap();
}

/// The fixture host: a GPT disk with one NTFS volume at 1 MiB.
pub(crate) fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/hosts/ws-fin-07.E01")
}

/// The disk in the fixture, and the place of its volume.
pub(crate) fn disk() -> (Vec<u8>, std::ops::Range<usize>) {
    let mut disk = Vec::new();
    ewf::EwfReader::open(fixture()).unwrap().read_to_end(&mut disk).unwrap();
    (disk, 1 << 20..(1 << 20) + (38 << 20))
}

const MIB: usize = 1 << 20;

fn partition(kind: u8, first: usize, sectors: usize) -> [u8; 16] {
    let mut entry = [0; 16];
    entry[4] = kind;
    entry[8..12].copy_from_slice(&u32::try_from(first).unwrap().to_le_bytes());
    entry[12..].copy_from_slice(&u32::try_from(sectors).unwrap().to_le_bytes());
    entry
}

fn boot_record(disk: &mut [u8], at: usize, entries: &[[u8; 16]]) {
    for (slot, entry) in entries.iter().enumerate() {
        disk[at + 446 + slot * 16..][..16].copy_from_slice(entry);
    }
    disk[at + 510..][..2].copy_from_slice(&[0x55, 0xAA]);
}

/// A disk with an empty primary partition, and the volume in the second logical one.
fn mbr_with_logical(volume: &[u8]) -> Vec<u8> {
    let mut disk = vec![0; 4 * MIB + volume.len() + MIB];
    let extended = MIB / 512 * 2;
    let rest = disk.len() / 512 - extended;
    boot_record(&mut disk, 0, &[partition(0x83, 2048, 100), partition(0x0F, extended, rest)]);
    boot_record(&mut disk, extended * 512, &[partition(0x83, 64, 100), partition(0x05, 2048, 90_000)]);
    boot_record(&mut disk, (extended + 2048) * 512, &[partition(0x07, 2048, volume.len() / 512)]);
    disk[4 * MIB..][..volume.len()].copy_from_slice(volume);
    disk
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xEDB8_8320 & 0u32.wrapping_sub(crc & 1)))
    })
}

/// A GPT disk of 4,096-byte sectors with one partition at 1 MiB.
fn gpt_of_4096(volume: &[u8]) -> Vec<u8> {
    let sectors = (volume.len() + 3 * MIB) / 4096;
    let mut disk = vec![0; sectors * 4096];
    boot_record(&mut disk, 0, &[partition(0xEE, 1, sectors - 1)]);
    let mut entries = vec![0; 128 * 128];
    entries[..16].copy_from_slice(&[
        0xA2, 0xA0, 0xD0, 0xEB, 0xE5, 0xB9, 0x33, 0x44, 0x87, 0xC0, 0x68, 0xB6, 0xB7, 0x26, 0x99, 0xC7,
    ]);
    entries[32..40].copy_from_slice(&256u64.to_le_bytes());
    entries[40..48].copy_from_slice(&(255 + volume.len() as u64 / 4096).to_le_bytes());
    for (here, other, table) in [(1, sectors - 1, 2), (sectors - 1, 1, sectors - 5)] {
        let mut header = vec![0; 92];
        header[..8].copy_from_slice(b"EFI PART");
        header[8..16].copy_from_slice(&[0, 0, 1, 0, 92, 0, 0, 0]);
        for (at, value) in [(24, here), (32, other), (40, 6), (48, sectors - 6), (72, table)] {
            header[at..at + 8].copy_from_slice(&(value as u64).to_le_bytes());
        }
        header[80..88].copy_from_slice(&[128, 0, 0, 0, 128, 0, 0, 0]);
        header[88..].copy_from_slice(&crc32(&entries).to_le_bytes());
        let crc = crc32(&header);
        header[16..20].copy_from_slice(&crc.to_le_bytes());
        disk[here * 4096..][..92].copy_from_slice(&header);
        disk[table * 4096..][..entries.len()].copy_from_slice(&entries);
    }
    disk[MIB..][..volume.len()].copy_from_slice(volume);
    disk
}

#[test]
fn every_kind_of_image_of_one_volume_gives_the_same_objects() {
    let folder = tempfile::tempdir().unwrap();
    let (disk, place) = disk();
    let volume = &disk[place];
    let mut backup = disk.clone();
    backup[512 + 60] ^= 1;
    let mut no_primary = disk.clone();
    no_primary[512..512 * 34].fill(0);
    let images: [(&str, Vec<u8>); 7] = [
        ("raw of a disk.txt", disk.clone()),
        ("bare volume", volume.to_vec()),
        ("mbr", mbr_with_logical(volume)),
        ("gpt with a damaged header", backup),
        ("gpt without its first table", no_primary),
        ("gpt of 4096", gpt_of_4096(volume)),
        ("split", Vec::new()),
    ];
    let everything = Collection { artifacts: &[&EVERYTHING], ..Collection::default() };
    let collect = |image: &Path, name: &str| {
        let bundle = folder.path().join(format!("{name}.zip"));
        let collected = everything.run(image, &bundle, &nothing_named).unwrap();
        assert!(collected.verified.is_right());
        let items = collected.items().unwrap();
        // Windows does not remove a file that is read-only.
        if cfg!(unix) {
            std::fs::remove_file(&bundle).unwrap();
        }
        (items, collected.problems)
    };
    let (expected, problems) = collect(&fixture(), "e01");
    assert!(expected.len() > 30 && !problems.iter().any(|problem| problem.stage == Stage::Source), "{problems:?}");
    // ntfscat of ntfs-3g gives these for an NTFS-compressed and an ordinary file of the volume.
    for (path, sha256) in [
        (
            r"C:\Windows\System32\winevt\Logs\Microsoft-Windows-PowerShell%4Operational.evtx",
            "db52ff9e5de67c306a8fec5507ed61290a6dfed0207e2867072b44b81fa1b03e",
        ),
        (
            r"C:\Windows\Prefetch\REGASM.EXE-13EF66F9.pf",
            "a429798f6916781cf51be173e5274d3392fabda0cbeca6eed4dd675e9c4e9645",
        ),
    ] {
        assert_eq!(expected.iter().find(|item| item.original_path == path).unwrap().sha256, sha256, "{path}");
    }
    // libewf made it of the same disk; see fixtures/README.md.
    let (items, problems) = collect(&fixture().with_extension("Ex01"), "ex01");
    assert!(items == expected && !problems.iter().any(|problem| problem.stage == Stage::Source), "{problems:?}");
    for (name, bytes) in images {
        let mut image = folder.path().join(name);
        if name == "split" {
            for (number, part) in disk.chunks(7 * MIB + 100).enumerate() {
                std::fs::write(folder.path().join(format!("split.{:03}", number + 1)), part).unwrap();
            }
            image = folder.path().join("split.003");
        } else {
            std::fs::write(&image, bytes).unwrap();
        }
        let (items, problems) = collect(&image, name);
        assert!(items == expected, "{name}");
        let said = problems.iter().filter(|problem| problem.stage == Stage::Source).count();
        // The primary table that is damaged or missing; the two partitions of Linux.
        let expected_problems = match name {
            "mbr" => 2,
            name if name.starts_with("gpt with") => 1,
            _ => 0,
        };
        assert_eq!(said, expected_problems, "{name}: {problems:?}");
    }
}

#[test]
fn a_sparse_file_is_stored_without_its_hole_and_read_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let bundle = folder.path().join("b.zip");
    let everything = Collection { artifacts: &[&EVERYTHING], ..Collection::default() };
    let collected = everything.run(&fixture(), &bundle, &nothing_named).unwrap();
    let items = collected.items().unwrap();
    let sparse = items.iter().find(|item| item.original_path == r"C:\Windows\Temp\sparse.bin").unwrap();
    assert_eq!((sparse.size, sparse.stored_size), (4 << 20, 4096));
    let bytes = content(&bundle, r"C:\Windows\Temp\sparse.bin");
    // ntfscat says so.
    let sha256 = "4ec046dac273f2e62e6262a878888d4b4f755dda0a9bef3925ecdef22b1cc35c";
    assert_eq!(sha2::Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect::<String>(), sha256);
    foreign::accepts(&bundle);
}

#[test]
fn a_deleted_file_that_a_record_names_is_recovered_with_its_streams() {
    let folder = tempfile::tempdir().unwrap();
    let bundle = folder.path().join("b.zip");
    let leads = |acquired: &AcquiredItem<'_>| match acquired.item.original_path.ends_with("Security.evtx") {
        true => [
            r"C:\Users\jdoe\AppData\Local\Temp\T1218.009.dll",
            r"\VOLUME{01da2f77aaaaaaaa-9a3c11f2}\USERS\JDOE\APPDATA\LOCAL\TEMP\LEDGER.DLL",
        ]
        .map(|path| LeadPath { path: path.to_owned(), named_by: "a test".to_owned(), kept_for: None })
        .to_vec(),
        false => Vec::new(),
    };
    let collected = Collection::default().run(&fixture(), &bundle, &leads).unwrap();
    let items = collected.items().unwrap();
    let leads: Vec<_> = items.iter().filter(|item| item.round == 1).collect();
    let paths: Vec<&str> = leads.iter().map(|item| item.original_path.as_str()).collect();
    let temp = r"C:\Users\jdoe\AppData\Local\Temp";
    assert_eq!(
        paths,
        [
            format!(r"{temp}\Ledger.dll"),
            format!(r"{temp}\Ledger.dll:Zone.Identifier"),
            format!(r"{temp}\T1218.009.dll")
        ]
    );
    assert_eq!(leads[2].recovery, Some(Recovery::ClustersFree));
    assert!(leads[2].sha1.is_some() && content(&bundle, paths[2]).starts_with(b"MZ"));
    assert_eq!(leads[0].companions, [paths[1]]);
    assert_eq!(String::from_utf8(content(&bundle, paths[1])).unwrap().lines().next(), Some("[ZoneTransfer]"));
}

#[test]
fn what_cannot_be_searched_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let mut disk = vec![0; 8 * MIB];
    let kinds: [(&str, usize, &[u8]); 4] = [
        ("bitlocker", 3, b"-FVE-FS-"),
        ("refs", 3, b"ReFS\0\0\0\0"),
        ("exfat", 3, b"EXFAT   "),
        ("unknown", 3, b"????????"),
    ];
    let entries: Vec<[u8; 16]> = (0..kinds.len()).map(|index| partition(7, 2048 * (index + 1), 2048)).collect();
    boot_record(&mut disk, 0, &entries);
    for (index, (_, at, magic)) in kinds.iter().enumerate() {
        disk[(index + 1) * MIB + at..][..8].copy_from_slice(magic);
    }
    let image = folder.path().join("disk");
    std::fs::write(&image, &disk).unwrap();
    let bundle = folder.path().join("b.zip");
    let error = Collection::default().run(&image, &bundle, &nothing_named).unwrap_err().to_string();
    for said in ["BitLocker", "ReFS", "exFAT", "1 other"] {
        assert!(error.contains(said), "{said}: {error}");
    }
    assert!(!error.contains('\n') && !bundle.exists());
    // Beside a volume that can be read they are problems, and are listed with the volumes.
    let (volume, place) = self::disk();
    let volume = &volume[place];
    let mut disk = vec![0; 2 * MIB + volume.len()];
    boot_record(&mut disk, 0, &[partition(7, 2048, 2048), partition(7, 4096, volume.len() / 512)]);
    disk[MIB + 3..][..8].copy_from_slice(b"-FVE-FS-");
    disk[2 * MIB..].copy_from_slice(volume);
    std::fs::write(&image, &disk).unwrap();
    let collected = Collection::default().run(&image, &bundle, &nothing_named).unwrap();
    let problem = collected.problems.iter().find(|problem| problem.stage == Stage::Source).unwrap();
    assert_eq!(problem.item, "volume at byte 1048576");
    let reader = BundleReader::open(&bundle).unwrap();
    let listed: Vec<(&str, bool)> = reader.host()["volumes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|volume| (volume["kind"].as_str().unwrap(), volume["searched"].as_bool().unwrap()))
        .collect();
    assert_eq!(listed, [("bitlocker", false), ("ntfs", true)]);
}

#[test]
fn what_is_no_source_is_refused_with_a_reason() {
    let folder = tempfile::tempdir().unwrap();
    let cases: [(&str, &[u8], &str); 5] = [
        ("empty", b"", "it is empty"),
        ("broken.Ex01", b"EVF2\x0d\x0a\x81\x00 and no more", "the Ex01 image cannot be opened"),
        ("broken.zip", b"PK\x03\x04 and no more", "begins like a zip archive"),
        ("broken.E01", b"EVF\x09\x0d\x0a\xff\x00 and no more", "the E01 image cannot be opened"),
        ("logical.L01", b"LVF\x09\x0d\x0a\xff\x00 and no more", "logical evidence file"),
    ];
    for (name, bytes, expected) in cases {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let error = Collection::default().run(&path, &folder.path().join("b.zip"), &nothing_named).unwrap_err();
        assert!(error.to_string().contains(expected), "{name}: {error}");
    }
}

#[test]
fn a_damaged_image_ends_and_keeps_what_can_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let (disk, place) = disk();
    let e01 = std::fs::read(fixture()).unwrap();
    let mut cases: Vec<(String, Vec<u8>)> = Vec::new();
    for length in [512, 4096, MIB, MIB + 512, place.start + 4 * MIB, disk.len() / 2] {
        cases.push((format!("raw cut at {length}"), disk[..length].to_vec()));
    }
    for length in [13, 100, 5000, e01.len() / 2, e01.len() - 1] {
        cases.push((format!("E01 cut at {length}"), e01[..length].to_vec()));
    }
    let mut state = 7u64;
    for round in 0..6 {
        let mut damaged = if round % 2 == 0 { disk.clone() } else { e01.clone() };
        let reach = damaged.len().min(6 * MIB);
        for _ in 0..200 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            damaged[(state >> 33) as usize % reach] ^= 1 << (state & 7);
        }
        cases.push((format!("flipped {round}"), damaged));
    }
    for (name, bytes) in cases {
        let image = folder.path().join(&name);
        std::fs::write(&image, bytes).unwrap();
        let bundle = folder.path().join(format!("{name}.zip"));
        match Collection::default().run(&image, &bundle, &nothing_named) {
            Ok(collected) => {
                assert!(collected.verified.is_right(), "{name}: {:?}", collected.verified);
                let said = collected.problems.iter().any(|problem| problem.stage != Stage::Locate);
                assert!(said || name.starts_with("flipped"), "{name}: {:?}", collected.problems);
            }
            Err(error) => assert!(matches!(error, collector::Error::NotASource { .. }), "{name}: {error}"),
        }
    }
}
