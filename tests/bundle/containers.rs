//! One disk through every kind of container gives the same objects.

use super::*;
use evidence::Stage;
use std::fs::File;
use std::io::{Seek, SeekFrom, Write};

const MIB: usize = 1 << 20;
pub(crate) const RECORD: usize = 1024;
pub(crate) const CLUSTER: usize = 4096;
/// Bytes of the large volume, and from where on files lie in it.
const LARGE: u64 = 5 << 30;
const FAR: u64 = (4 << 30) + (300 << 20);

/// Runs a program of others; `false` where it is not installed and need not be.
fn runs(program: &str, folder: &Path, arguments: &[&str]) -> bool {
    let output = match Command::new(program).current_dir(folder).args(arguments).output() {
        Ok(output) => output,
        Err(error) if cfg!(foreign) => panic!("{program}: {error}"),
        Err(_) => return false,
    };
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    true
}

/// What `qemu-img convert` makes of a raw image.
const VARIANTS: [(&str, &[&str]); 11] = [
    ("fixed.vhd", &["-O", "vpc", "-o", "subformat=fixed,force_size=on"]),
    ("dynamic.vhd", &["-O", "vpc", "-o", "subformat=dynamic,force_size=on"]),
    ("plain.vhdx", &["-O", "vhdx"]),
    ("sparse.vmdk", &["-O", "vmdk", "-o", "subformat=monolithicSparse"]),
    ("split.vmdk", &["-O", "vmdk", "-o", "subformat=twoGbMaxExtentSparse"]),
    ("stream.vmdk", &["-O", "vmdk", "-o", "subformat=streamOptimized"]),
    ("flat.vmdk", &["-O", "vmdk", "-o", "subformat=monolithicFlat"]),
    ("plain.qcow2", &["-O", "qcow2"]),
    ("packed.qcow2", &["-c", "-O", "qcow2"]),
    ("zstd.qcow2", &["-c", "-O", "qcow2", "-o", "compression_type=zstd"]),
    ("dynamic.vdi", &["-O", "vdi"]),
];

/// What our builder makes of it.
const BUILT: [&str; 5] = ["difference.vhd", "difference.vhdx", "log.vhdx", "difference.vdi", "esx.vmdk"];

/// A compressed overlay of which the backing file has other bytes wherever the overlay has some, and the rest.
fn overlay(folder: &Path) -> bool {
    let path = |name: &str| folder.join(name);
    let mut backing = std::fs::read(path("disk.raw")).unwrap();
    for (index, chunk) in backing.chunks_mut(192 << 10).enumerate() {
        if index % 2 == 0 {
            chunk.iter_mut().for_each(|byte| *byte ^= 0xA5);
        }
    }
    std::fs::write(path("backing.raw"), backing).unwrap();
    runs("qemu-img", folder, &["convert", "-c", "-f", "raw", "-O", "qcow2", "backing.raw", "backing.qcow2"])
        // What differs from the backing file is written to the overlay, compressed.
        && runs("qemu-img", folder, &["convert", "-c", "-f", "raw", "-O", "qcow2", "-B", "backing.qcow2", "-F", "qcow2", "disk.raw", "overlay.qcow2"])
}

/// Cuts the image in the folder into parts, which stay sparse where it is.
fn split(folder: &Path, length: u64) {
    let mut image = File::open(folder.join("disk.raw")).unwrap();
    let total = image.metadata().unwrap().len();
    let mut buffer = vec![0; MIB];
    for number in 0..total.div_ceil(length) {
        let mut part = File::create(folder.join(format!("part.{:03}", number + 1))).unwrap();
        let size = length.min(total - number * length);
        part.set_len(size).unwrap();
        for at in (0..size).step_by(MIB) {
            let count = usize::try_from(size - at).unwrap().min(MIB);
            image.seek(SeekFrom::Start(number * length + at)).unwrap();
            std::io::Read::read_exact(&mut image, &mut buffer[..count]).unwrap();
            if buffer[..count].iter().any(|byte| *byte != 0) {
                part.seek(SeekFrom::Start(at)).unwrap();
                part.write_all(&buffer[..count]).unwrap();
            }
        }
    }
}

/// Collects everything of a source: what the bundle's manifest says, and what became of each object.
fn collected(folder: &Path, source: &Path, memory: u64) -> (String, BTreeMap<String, (String, u64, ItemStatus)>) {
    let bundle = folder.join(format!("{}.zip", source.file_name().unwrap().to_string_lossy()));
    let limits = Limits { memory, ..Limits::default() };
    let everything = Collection { artifacts: &[&EVERYTHING], limits, ..Collection::default() };
    let collected = everything.run(source, &bundle, &nothing_named).unwrap();
    assert!(collected.verified.is_right(), "{}", source.display());
    let said: Vec<_> = collected.problems.iter().filter(|problem| problem.stage == Stage::Source).collect();
    assert!(said.is_empty(), "{}: {said:?}", source.display());
    let result = (foreign::member(&bundle, "manifest-sha256.txt"), objects(&bundle));
    // Windows does not remove a file that is read-only.
    if cfg!(unix) {
        std::fs::remove_file(&bundle).unwrap();
    }
    result
}

#[test]
fn every_container_of_one_disk_gives_the_same_manifest() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let (disk, _) = images::disk();
    std::fs::write(path("disk.raw"), &disk).unwrap();
    split(folder.path(), 7 << 20);
    let fixture = images::fixture();
    let mut sources = vec![path("part.004"), fixture.clone(), fixture.with_extension("Ex01")];
    let is_built = runs(
        "python3",
        folder.path(),
        &[concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/build/disks.py"), "disk.raw", "."],
    );
    sources.extend(BUILT.iter().filter(|_| is_built).map(|name| path(name)));
    for (name, options) in VARIANTS {
        let arguments: Vec<&str> =
            ["convert", "-f", "raw"].iter().chain(options).chain(&["disk.raw", name]).copied().collect();
        if runs("qemu-img", folder.path(), &arguments) {
            sources.push(path(name));
        }
    }
    if overlay(folder.path()) {
        sources.push(path("overlay.qcow2"));
    }
    let (expected, _) = collected(folder.path(), &path("disk.raw"), 64 << 20);
    assert!(expected.lines().count() > 30);
    for source in sources {
        let (manifest, _) = collected(folder.path(), &source, 64 << 20);
        assert!(manifest == expected, "{}", source.display());
    }
}

#[test]
fn the_files_of_one_disk_in_a_folder_are_one_host() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("disk.raw"), images::disk().0).unwrap();
    let (expected, _) = collected(folder.path(), &path("disk.raw"), 64 << 20);
    let is_one = |name: &str| {
        let spill = collector::Spill::into_folder(folder.path());
        let sources = source::open(&path(name), &spill).unwrap();
        let said: Vec<_> = sources[0].problems.iter().filter(|problem| problem.stage == Stage::Source).collect();
        assert!(sources.len() == 1 && said.is_empty(), "{name}: {} hosts, {said:?}", sources.len());
        let (manifest, _) = collected(folder.path(), &path(name), 64 << 20);
        assert!(manifest == expected, "{name}");
    };
    std::fs::create_dir(path("parts")).unwrap();
    split(folder.path(), 9 << 20);
    for number in 1..=5 {
        let name = format!("part.{number:03}");
        std::fs::rename(path(&name), path("parts").join(&name)).unwrap();
    }
    is_one("parts");
    for kind in ["monolithicFlat", "twoGbMaxExtentSparse", "twoGbMaxExtentFlat"] {
        std::fs::create_dir(path(kind)).unwrap();
        let (option, target) = (format!("subformat={kind}"), format!("{kind}/disk.vmdk"));
        let arguments = ["convert", "-f", "raw", "-O", "vmdk", "-o", &option, "disk.raw", &target];
        if runs("qemu-img", folder.path(), &arguments) {
            is_one(kind);
        }
    }
}

/// A file record without its fix-ups, which stand at the end of each sector in the file.
pub(crate) fn without_fixups(stored: &[u8]) -> Vec<u8> {
    let mut record = stored.to_vec();
    let array = usize::from(u16::from_le_bytes([record[4], record[5]]));
    for sector in 1..=RECORD / 512 {
        record.copy_within(array + 2 * sector..array + 2 * sector + 2, sector * 512 - 2);
    }
    record
}

pub(crate) fn with_fixups(mut record: Vec<u8>) -> Vec<u8> {
    let array = usize::from(u16::from_le_bytes([record[4], record[5]]));
    for sector in 1..=RECORD / 512 {
        record.copy_within(sector * 512 - 2..sector * 512, array + 2 * sector);
        record.copy_within(array..array + 2, sector * 512 - 2);
    }
    record
}

pub(crate) fn le32(bytes: &[u8], at: usize) -> usize {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize
}

/// The clusters of a non-resident attribute, in order.
pub(crate) fn clusters(attribute: &[u8]) -> Vec<u64> {
    let mut at = usize::from(u16::from_le_bytes([attribute[32], attribute[33]]));
    let (mut clusters, mut place) = (Vec::new(), 0i64);
    while attribute[at] != 0 {
        let (lengths, places) = (usize::from(attribute[at] & 15), usize::from(attribute[at] >> 4));
        let number = |bytes: &[u8]| bytes.iter().rev().fold(0i64, |value, byte| (value << 8) | i64::from(*byte));
        let length = number(&attribute[at + 1..][..lengths]);
        let delta = number(&attribute[at + 1 + lengths..][..places]);
        let shift = 64 - 8 * u32::try_from(places).unwrap();
        place += (delta << shift) >> shift;
        clusters.extend((place..place + length).map(|cluster| u64::try_from(cluster).unwrap()));
        at += 1 + lengths + places;
    }
    clusters
}

/// Runs of clusters as an attribute stores them.
pub(crate) fn mapping(runs: &[(u64, u64)]) -> Vec<u8> {
    let (mut pairs, mut before) = (Vec::new(), 0i64);
    for (place, length) in runs {
        let place = i64::try_from(*place).unwrap();
        pairs.push(0x42);
        pairs.extend(&length.to_le_bytes()[..2]);
        pairs.extend(&(place - before).to_le_bytes()[..4]);
        before = place;
    }
    pairs.push(0);
    pairs
}

/// Moves the data of each plain file behind 4 GiB, in pieces of which a later one lies before an earlier one, and makes
/// the volume as long as that takes. Where the data was stand other bytes.
fn spread(volume: &mut [u8], image: &mut File) -> usize {
    let table = le32(volume, 48) * CLUSTER;
    let mut next = FAR / CLUSTER as u64;
    let mut moved = 0;
    for entry in 24..200 {
        let at = table + entry * RECORD;
        if &volume[at..at + 4] != b"FILE" || volume[at + 22] != 1 {
            continue;
        }
        let mut record = without_fixups(&volume[at..at + RECORD]);
        let mut place = usize::from(u16::from_le_bytes([record[20], record[21]]));
        while le32(&record, place) != 0xFFFF_FFFF {
            let length = le32(&record, place + 4);
            let attribute = record[place..place + length].to_vec();
            let is_plain = le32(&attribute, 0) == 0x80 && attribute[8] == 1 && attribute[12..14] == [0, 0];
            let old = if is_plain { clusters(&attribute) } else { Vec::new() };
            if old.len() > 1 {
                let runs = fragments(&old, &mut next);
                let start = usize::from(u16::from_le_bytes([attribute[32], attribute[33]]));
                let mut new = [&attribute[..start], &mapping(&runs)].concat();
                new.resize(new.len().next_multiple_of(8), 0);
                let new_length = u32::try_from(new.len()).unwrap();
                new[4..8].copy_from_slice(&new_length.to_le_bytes());
                let used = le32(&record, 24) + new.len() - length;
                assert!(used <= RECORD, "record {entry}");
                record.splice(place..place + length, new);
                record.resize(RECORD, 0);
                record[24..28].copy_from_slice(&u32::try_from(used).unwrap().to_le_bytes());
                let places = runs.iter().flat_map(|(place, length)| *place..place + length);
                for (from, to) in old.iter().zip(places) {
                    let from = usize::try_from(*from).unwrap() * CLUSTER;
                    image.seek(SeekFrom::Start(to * CLUSTER as u64)).unwrap();
                    image.write_all(&volume[from..from + CLUSTER]).unwrap();
                    volume[from..from + CLUSTER].fill(0xEE);
                }
                moved += 1;
            }
            place += le32(&record, place + 4);
        }
        volume[at..at + RECORD].copy_from_slice(&with_fixups(record));
    }
    moved
}

/// Up to twelve pieces with gaps between them, the last piece at the first place.
fn fragments(old: &[u64], next: &mut u64) -> Vec<(u64, u64)> {
    let length = old.len().div_ceil(12).max(1);
    let mut runs: Vec<(u64, u64)> = old.chunks(length).map(|piece| (0, piece.len() as u64)).collect();
    for run in runs.iter_mut().rev() {
        run.0 = *next;
        *next += run.1 + 3;
    }
    runs
}

#[test]
fn a_large_fragmented_volume_gives_the_same_manifest_through_every_container() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let (disk, place) = images::disk();
    let mut volume = disk[place].to_vec();
    std::fs::write(path("before.raw"), &volume).unwrap();
    let (_, before) = collected(folder.path(), &path("before.raw"), 64 << 20);
    let mut image = File::create(path("disk.raw")).unwrap();
    image.set_len(LARGE).unwrap();
    let moved = spread(&mut volume, &mut image);
    assert!(moved >= 8, "{moved} files were moved");
    volume[40..48].copy_from_slice(&(LARGE / 512 - 1).to_le_bytes());
    image.seek(SeekFrom::Start(0)).unwrap();
    image.write_all(&volume).unwrap();
    image.seek(SeekFrom::Start(LARGE - 512)).unwrap();
    image.write_all(&volume[..512]).unwrap();
    drop(image);
    let (expected, objects) = collected(folder.path(), &path("disk.raw"), 64 << 20);
    // Moving changes no file but those of the file system itself.
    let plain = |path: &&String| !path.contains(r"\$");
    assert_eq!(before.keys().filter(plain).collect::<Vec<_>>(), objects.keys().filter(plain).collect::<Vec<_>>());
    for (path, object) in before.iter().filter(|(path, _)| plain(path)) {
        assert_eq!(&objects[path], object, "{path}");
    }
    split(folder.path(), 1 << 30);
    let mut sources = vec![path("part.005")];
    for (name, options) in VARIANTS {
        let arguments: Vec<&str> =
            ["convert", "-f", "raw"].iter().chain(options).chain(&["disk.raw", name]).copied().collect();
        if runs("qemu-img", folder.path(), &arguments) {
            sources.push(path(name));
        }
    }
    // One of several extents stands for all of them.
    sources.extend(Some(path("split-s002.vmdk")).filter(|extent| extent.exists()));
    for source in sources {
        let (manifest, _) = collected(folder.path(), &source, 64 << 20);
        assert!(manifest == expected, "{}", source.display());
    }
}

/// A zip archive with one file in it, stored or packed.
fn zipped(folder: &Path, archive: &str, member: &str, method: zip::CompressionMethod) {
    let mut zip = zip::ZipWriter::new(File::create(folder.join(archive)).unwrap());
    let options = zip::write::SimpleFileOptions::default().compression_method(method);
    zip.start_file(format!("evidence/{member}"), options).unwrap();
    std::io::copy(&mut File::open(folder.join(member)).unwrap(), &mut zip).unwrap();
    zip.finish().unwrap();
}

#[test]
fn a_disk_in_an_archive_gives_the_same_manifest() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("disk.raw"), images::disk().0).unwrap();
    let (expected, _) = collected(folder.path(), &path("disk.raw"), 64 << 20);
    zipped(folder.path(), "stored.zip", "disk.raw", zip::CompressionMethod::Stored);
    zipped(folder.path(), "packed.zip", "disk.raw", zip::CompressionMethod::Deflated);
    zipped(folder.path(), "outer.zip", "packed.zip", zip::CompressionMethod::Stored);
    zipped(folder.path(), "packed outer.zip", "packed.zip", zip::CompressionMethod::Deflated);
    let mut sources = vec!["stored.zip", "packed.zip", "outer.zip", "packed outer.zip"];
    if runs("tar", folder.path(), &["-cf", "disk.tar", "disk.raw"]) {
        runs("tar", folder.path(), &["-czf", "disk.tar.gz", "disk.raw"]);
        sources.extend(["disk.tar", "disk.tar.gz"]);
    }
    if runs("qemu-img", folder.path(), &["convert", "-c", "-f", "raw", "-O", "qcow2", "disk.raw", "disk.qcow2"]) {
        zipped(folder.path(), "qcow2.zip", "disk.qcow2", zip::CompressionMethod::Deflated);
        sources.push("qcow2.zip");
    }
    split(folder.path(), 9 << 20);
    if runs("tar", folder.path(), &["-cf", "parts.tar", "part.001", "part.002", "part.003", "part.004", "part.005"]) {
        sources.push("parts.tar");
    }
    for source in sources {
        let (manifest, _) = collected(folder.path(), &path(source), 64 << 20);
        assert!(manifest == expected, "{source}");
    }
}
