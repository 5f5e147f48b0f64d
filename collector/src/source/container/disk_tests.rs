//! Virtual disks that QEMU made, against the raw image that they were made of; and what hostile ones do.

use super::{Disk, disk_at};
use std::path::Path;
use std::process::Command;

/// Bytes that say where they belong, with holes.
fn pattern(length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    for (index, chunk) in bytes.chunks_mut(4096).enumerate() {
        // Written and unwritten stretches of many lengths, and some that compress.
        match index * 7 / 5 % 11 {
            0..=3 => {}
            4 | 5 => chunk.fill(u8::try_from(index % 251).unwrap()),
            _ => chunk.chunks_mut(8).enumerate().for_each(|(place, word)| {
                let value = (index as u64 * 512 + place as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
                word.copy_from_slice(&value.to_le_bytes()[..word.len()]);
            }),
        }
    }
    bytes[length / 2..length.min(length / 2 + (6 << 20))].fill(0);
    bytes
}

/// Runs a program of others.
fn runs(program: &str, folder: &Path, arguments: &[&str]) {
    let output = Command::new(program).current_dir(folder).args(arguments).output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// The same bytes, read whole and from odd places, and what is passed over as holes is zeros.
fn is_like(disk: &Disk, raw: &[u8], name: &str) {
    assert!(disk.bytes.len() >= raw.len() as u64, "{name}: {} bytes", disk.bytes.len());
    let all = disk.bytes.read_all(1 << 30).unwrap().unwrap();
    assert!(all[..raw.len()] == *raw && all[raw.len()..].iter().all(|byte| *byte == 0), "{name}");
    let mut at = 1;
    while at + 5000 < raw.len() {
        let mut part = [0; 5000];
        assert_eq!(disk.bytes.read_full_at(at as u64, &mut part).unwrap(), part.len(), "{name}");
        assert!(part == raw[at..at + part.len()], "{name} at {at}");
        at += 777_777;
    }
    let (mut at, mut passed) = (0, 0);
    while at < disk.bytes.len() {
        let next = disk.bytes.next_data(at);
        assert!(next >= at);
        let hole = usize::try_from(at).unwrap()..usize::try_from(next).unwrap();
        passed += hole.len();
        assert!(all[hole].iter().all(|byte| *byte == 0), "{name}: data in a hole at {at}");
        at = next + 65536;
    }
    let has_holes = !["fixed", "flat", "raw", "difference", "log"].iter().any(|kind| name.contains(kind));
    assert!(!has_holes || passed > 1 << 20, "{name}: no hole is known");
}

/// Name, format and options of every variant that QEMU makes.
const VARIANTS: [(&str, &[&str]); 17] = [
    ("fixed.vhd", &["-O", "vpc", "-o", "subformat=fixed,force_size=on"]),
    ("dynamic.vhd", &["-O", "vpc", "-o", "subformat=dynamic,force_size=on"]),
    ("dynamic.vhdx", &["-O", "vhdx", "-o", "subformat=dynamic,block_size=1M"]),
    ("fixed.vhdx", &["-O", "vhdx", "-o", "subformat=fixed"]),
    ("sparse.vmdk", &["-O", "vmdk", "-o", "subformat=monolithicSparse"]),
    ("zeroed.vmdk", &["-O", "vmdk", "-o", "subformat=monolithicSparse,zeroed_grain=on"]),
    ("flat.vmdk", &["-O", "vmdk", "-o", "subformat=monolithicFlat"]),
    ("split.vmdk", &["-O", "vmdk", "-o", "subformat=twoGbMaxExtentSparse"]),
    ("splitflat.vmdk", &["-O", "vmdk", "-o", "subformat=twoGbMaxExtentFlat"]),
    ("stream.vmdk", &["-O", "vmdk", "-o", "subformat=streamOptimized"]),
    ("plain.qcow2", &["-O", "qcow2"]),
    ("old.qcow2", &["-O", "qcow2", "-o", "compat=0.10,cluster_size=4096"]),
    ("packed.qcow2", &["-c", "-O", "qcow2"]),
    ("zstd.qcow2", &["-c", "-O", "qcow2", "-o", "compression_type=zstd,cluster_size=1M"]),
    ("subclusters.qcow2", &["-O", "qcow2", "-o", "extended_l2=on,cluster_size=128k"]),
    ("outside.qcow2", &["-O", "qcow2", "-o", "data_file=outside.raw,data_file_raw=off"]),
    ("dynamic.vdi", &["-O", "vdi"]),
];

fn made_by_qemu(folder: &Path, raw: &[u8]) {
    std::fs::write(folder.join("disk.raw"), raw).unwrap();
    for (name, options) in VARIANTS {
        let mut arguments = vec!["convert", "-f", "raw"];
        arguments.extend(options);
        arguments.extend(["disk.raw", name]);
        runs("qemu-img", folder, &arguments);
    }
    runs("qemu-img", folder, &["convert", "-f", "raw", "-O", "vdi", "-o", "static=on", "disk.raw", "fixed.vdi"]);
}

#[test]
#[cfg_attr(not(foreign), ignore = "needs programs of others: COMTRAIL_FOREIGN_REQUIRED=1")]
fn every_variant_that_qemu_writes_gives_the_bytes_of_the_raw_image() {
    let folder = tempfile::tempdir().unwrap();
    let raw = pattern(21 << 20);
    made_by_qemu(folder.path(), &raw);
    for name in VARIANTS.iter().map(|(name, _)| *name).chain(["fixed.vdi", "split-s001.vmdk", "splitflat-f001.vmdk"]) {
        let disk = disk_at(&folder.path().join(name)).unwrap_or_else(|refusal| panic!("{name}: {refusal:?}"));
        assert!(disk.problems.is_empty(), "{name}: {:?}", disk.problems);
        is_like(&disk, &raw, name);
    }
}

#[test]
#[cfg_attr(not(foreign), ignore = "needs programs of others: COMTRAIL_FOREIGN_REQUIRED=1")]
fn an_extent_of_several_stands_for_all_and_alone_for_none() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let raw = pattern(13 << 20);
    let (first, second) = raw.split_at(7 << 20);
    for (name, half) in [("a", first), ("b", second)] {
        std::fs::write(path("half.raw"), half).unwrap();
        let option = "subformat=twoGbMaxExtentSparse";
        let target = format!("{name}.vmdk");
        let arguments = ["convert", "-f", "raw", "-O", "vmdk", "-o", option, "half.raw", &target];
        runs("qemu-img", folder.path(), &arguments);
        std::fs::remove_file(path(&target)).unwrap();
    }
    let refusal = disk_at(&path("a-s001.vmdk")).err().unwrap();
    assert!(refusal.why.contains("one extent of a VMDK"), "{refusal:?}");
    let lines =
        format!("RW {} SPARSE \"a-s001.vmdk\"\nRW {} SPARSE \"b-s001.vmdk\"\n", (7 << 20) / 512, (6 << 20) / 512);
    let text = format!("# Disk DescriptorFile\nversion=1\nCID=1\nparentCID=ffffffff\ncreateType=\"custom\"\n{lines}");
    std::fs::write(path("whole.vmdk"), text).unwrap();
    for name in ["whole.vmdk", "a-s001.vmdk", "b-s001.vmdk"] {
        let disk = disk_at(&path(name)).unwrap();
        assert_eq!(disk.files.len(), 3, "{name}");
        is_like(&disk, &raw, name);
    }
}

#[test]
#[cfg_attr(not(foreign), ignore = "needs programs of others: COMTRAIL_FOREIGN_REQUIRED=1")]
fn overlays_are_read_with_their_backing_files_and_refused_without() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let mut raw = pattern(9 << 20);
    std::fs::write(path("base.raw"), &raw).unwrap();
    let make = |arguments: &[&str]| runs("qemu-img", folder.path(), arguments);
    make(&["convert", "-f", "raw", "-c", "-O", "qcow2", "base.raw", "base.qcow2"]);
    make(&["convert", "-f", "raw", "-O", "vmdk", "base.raw", "base.vmdk"]);
    let extended = "extended_l2=on,cluster_size=128k";
    make(&["create", "-q", "-f", "qcow2", "-b", "base.qcow2", "-F", "qcow2", "middle.qcow2", "10M"]);
    make(&[
        "create",
        "-q",
        "-f",
        "qcow2",
        "-o",
        extended,
        "-b",
        "/elsewhere/middle.qcow2",
        "-F",
        "qcow2",
        "-u",
        "top.qcow2",
        "10M",
    ]);
    make(&["create", "-q", "-f", "qcow2", "-b", "base.raw", "-F", "raw", "of-raw.qcow2"]);
    make(&["create", "-q", "-f", "vmdk", "-b", "base.vmdk", "-F", "vmdk", "delta.vmdk"]);
    // The overlay names a place that is not there; QEMU is told where it is, comtrail looks beside it.
    make(&["rebase", "-q", "-u", "-b", "middle.qcow2", "-F", "qcow2", "top.qcow2"]);
    let write = |name: &str, raw: &mut Vec<u8>| {
        raw.resize(if name.ends_with(".qcow2") && name != "of-raw.qcow2" { 10 << 20 } else { 9 << 20 }, 0);
        for (at, length, byte) in [(70_000, 300, 1), (1 << 20, 200_000, 2), ((9 << 20) - 512, 512, 3)] {
            raw[at..at + length].fill(byte);
            let format = name.rsplit('.').next().unwrap();
            let command = format!("write -P {byte} {at} {length}");
            runs("qemu-io", folder.path(), &["-f", format, "-c", &command, name]);
        }
        // Zeros over the backing file's data.
        raw[4 << 20..5 << 20].fill(0);
        let format = name.rsplit('.').next().unwrap();
        runs("qemu-io", folder.path(), &["-f", format, "-c", "write -z 4M 1M", name]);
    };
    let base = raw.clone();
    for name in ["top.qcow2", "of-raw.qcow2", "delta.vmdk"] {
        raw.clone_from(&base);
        write(name, &mut raw);
        let disk = disk_at(&path(name)).unwrap_or_else(|refusal| panic!("{name}: {refusal:?}"));
        is_like(&disk, &raw, &format!("{name} over raw"));
        assert!(disk.problems.is_empty());
    }
    assert_eq!(disk_at(&path("top.qcow2")).unwrap().files.len(), 3);
    // A parent that was changed is not the one that the delta was made from.
    let mut changed = std::fs::read(path("base.vmdk")).unwrap();
    let at = memchr::memmem::find(&changed, b"CID=").unwrap() + 4;
    changed[at] = if changed[at] == b'a' { b'b' } else { b'a' };
    std::fs::write(path("base.vmdk"), changed).unwrap();
    let refusal = disk_at(&path("delta.vmdk")).err().unwrap();
    assert!(refusal.why.contains("base.vmdk beside it is not that disk"), "{refusal:?}");
    for (gone, child) in [("middle.qcow2", "top.qcow2"), ("base.raw", "of-raw.qcow2"), ("base.vmdk", "delta.vmdk")] {
        std::fs::remove_file(path(gone)).unwrap();
        let refusal = disk_at(&path(child)).err().unwrap();
        assert!(refusal.why.contains(&format!("{gone} is not beside it")), "{refusal:?}");
    }
}

/// The disks that our own builder makes, in Python.
fn made_by_builder(folder: &Path, raw: &[u8]) {
    std::fs::write(folder.join("disk.raw"), raw).unwrap();
    runs("python3", folder, &[concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/build/disks.py"), "disk.raw", "."]);
}

const BUILT: [&str; 5] = ["difference.vhd", "difference.vhdx", "log.vhdx", "difference.vdi", "esx.vmdk"];

#[test]
#[cfg_attr(not(foreign), ignore = "needs programs of others: COMTRAIL_FOREIGN_REQUIRED=1")]
fn differences_and_an_unreplayed_log_give_the_bytes_of_the_raw_image() {
    let folder = tempfile::tempdir().unwrap();
    let raw = pattern(13 << 20);
    made_by_builder(folder.path(), &raw);
    for name in BUILT.into_iter().chain(["esx-delta.vmdk"]) {
        let before = std::fs::read(folder.path().join(name)).unwrap();
        let disk = disk_at(&folder.path().join(name)).unwrap_or_else(|refusal| panic!("{name}: {refusal:?}"));
        assert!(disk.problems.is_empty(), "{name}: {:?}", disk.problems);
        is_like(&disk, &raw, name);
        assert!(std::fs::read(folder.path().join(name)).unwrap() == before, "{name} was written to");
    }
    assert_eq!(disk_at(&folder.path().join("difference.vhd")).unwrap().files.len(), 2);
    // Readers that are not ours say that these are such disks, and what is in them.
    let check = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/build/check_disks.py");
    runs("python3", folder.path(), &[check, "disk.raw", "."]);
}

#[test]
#[cfg_attr(not(foreign), ignore = "needs programs of others: COMTRAIL_FOREIGN_REQUIRED=1")]
fn a_parent_is_found_by_what_it_is_and_named_where_it_is_not_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let raw = pattern(13 << 20);
    made_by_builder(folder.path(), &raw);
    for (child, base, other) in [
        ("difference.vhd", "base.vhd", "Server old.vhd"),
        ("difference.vhdx", "base.vhdx", "disk.avhdx"),
        ("difference.vdi", "base.vdi", "{5a1c}.VDI"),
    ] {
        std::fs::rename(path(base), path(other)).unwrap();
        is_like(&disk_at(&path(child)).unwrap(), &raw, child);
        std::fs::rename(path(other), path("elsewhere")).unwrap();
        let refusal = disk_at(&path(child)).err().unwrap();
        let is_named =
            refusal.why.contains(&format!("its parent disk {base} is not beside it")) || child.ends_with("vdi");
        assert!(is_named && refusal.why.contains("is not beside it"), "{refusal:?}");
        // Another disk of that name.
        let mut bytes = std::fs::read(path("elsewhere")).unwrap();
        match child {
            "difference.vhd" => bytes.iter_mut().rev().take(440).for_each(|byte| *byte ^= 1),
            // Both headers are damaged, and so is the identifier.
            "difference.vhdx" => bytes[64 << 10..(128 << 10) + 64].fill(1),
            _ => bytes[408] ^= 1,
        }
        std::fs::write(path(base), bytes).unwrap();
        let refusal = disk_at(&path(child)).err().unwrap();
        let is_said = refusal.why.contains(&format!("the {base} beside it is not that disk"));
        assert!(is_said || child.ends_with("vdi"), "{refusal:?}");
        std::fs::rename(path("elsewhere"), path(base)).unwrap();
    }
}

#[test]
#[cfg_attr(not(foreign), ignore = "needs programs of others: COMTRAIL_FOREIGN_REQUIRED=1")]
fn a_damaged_log_is_said_and_what_it_holds_is_not_taken_for_right() {
    let folder = tempfile::tempdir().unwrap();
    let raw = pattern(13 << 20);
    made_by_builder(folder.path(), &raw);
    let path = folder.path().join("log.vhdx");
    let mut bytes = std::fs::read(&path).unwrap();
    // The first entry of the sequence goes on at the start of the log.
    bytes[(1 << 20) + 100] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    let disk = disk_at(&path).unwrap();
    assert!(disk.problems[0].what.contains("log of the VHDX cannot be replayed"), "{:?}", disk.problems);
}

#[test]
fn a_chain_that_leads_back_ends() {
    let folder = tempfile::tempdir().unwrap();
    for (name, backing) in [("a.qcow2", "b.qcow2"), ("b.qcow2", "a.qcow2"), ("self.qcow2", "self.qcow2")] {
        // QEMU's header of version 2 by hand: the backing file's name lies at 512.
        let mut image = vec![0; 4096];
        image[..8].copy_from_slice(b"QFI\xfb\0\0\0\x02");
        image[8..16].copy_from_slice(&512u64.to_be_bytes());
        image[16..20].copy_from_slice(&u32::try_from(backing.len()).unwrap().to_be_bytes());
        image[20..24].copy_from_slice(&16u32.to_be_bytes());
        image[24..32].copy_from_slice(&(1u64 << 20).to_be_bytes());
        image[512..512 + backing.len()].copy_from_slice(backing.as_bytes());
        std::fs::write(folder.path().join(name), image).unwrap();
    }
    for name in ["a.qcow2", "self.qcow2"] {
        let refusal = disk_at(&folder.path().join(name)).err().unwrap();
        assert!(refusal.why.contains("is not that disk"), "{refusal:?}");
    }
}

#[test]
fn what_is_left_out_or_cannot_be_read_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("disk");
    // QEMU's header of version 2 by hand: 64 KiB clusters, one empty table at 4096.
    let mut header = vec![0; 8192];
    header[..8].copy_from_slice(b"QFI\xfb\0\0\0\x02");
    header[20..24].copy_from_slice(&16u32.to_be_bytes());
    header[24..32].copy_from_slice(&(1u64 << 20).to_be_bytes());
    header[36..40].copy_from_slice(&1u32.to_be_bytes());
    header[40..48].copy_from_slice(&4096u64.to_be_bytes());
    let with = |at: usize, value: u8| {
        let mut changed = header.clone();
        changed[at] = value;
        std::fs::write(&path, changed).unwrap();
        disk_at(&path)
    };
    let disk = with(63, 2).unwrap();
    assert!(disk.problems[0].what.contains("2 internal snapshots"), "{:?}", disk.problems);
    assert_eq!(disk.bytes.next_data(0), 1 << 20);
    assert!(with(35, 2).err().unwrap().why.contains("encrypted"));
    assert!(with(7, 1).err().unwrap().why.contains("QCOW of version 1"));
    let extent = "# Disk DescriptorFile\nversion=1\nCID=1\nparentCID=ffffffff\nRW 16 FLAT \"gone-flat.vmdk\" 0\n";
    std::fs::write(&path, extent).unwrap();
    let refusal = disk_at(&path).err().unwrap();
    assert!(refusal.why.contains("gone-flat.vmdk is missing"), "{refusal:?}");
    // What is there of a disk is read; what is not is unreadable and said.
    std::fs::write(&path, format!("{extent}RW 1 FLAT \"here-flat.vmdk\" 0\nRW 3 ZERO\n")).unwrap();
    std::fs::write(folder.path().join("HERE-flat.vmdk"), [7; 512]).unwrap();
    let disk = disk_at(&path).unwrap();
    assert!(disk.problems[0].what.contains("gone-flat.vmdk"), "{:?}", disk.problems);
    let mut sector = [1; 512];
    assert!(disk.bytes.read_at(0, &mut sector).is_err());
    assert_eq!(disk.bytes.read_at(16 * 512, &mut sector).unwrap(), 512);
    assert_eq!((sector, disk.bytes.len()), ([7; 512], 20 * 512));
    assert_eq!(disk.bytes.read_at(17 * 512, &mut sector).unwrap(), 512);
    assert_eq!(sector, [0; 512]);
}

#[test]
#[cfg_attr(not(foreign), ignore = "needs programs of others: COMTRAIL_FOREIGN_REQUIRED=1")]
fn an_image_that_is_cut_gives_errors_and_never_other_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let raw = pattern(12 << 20);
    made_by_qemu(folder.path(), &raw);
    let path = folder.path().join("cut");
    for (name, _) in VARIANTS {
        let whole = std::fs::read(folder.path().join(name)).unwrap();
        for percent in [30, 60, 90] {
            std::fs::write(&path, &whole[..whole.len() * percent / 100]).unwrap();
            let Ok(disk) = disk_at(&path) else { continue };
            let mut lost = 0;
            for (index, expected) in raw.chunks(32 << 10).enumerate() {
                let mut part = vec![0; expected.len()];
                match disk.bytes.read_full_at((index * (32 << 10)) as u64, &mut part) {
                    Ok(read) if read == part.len() => {
                        assert!(part == *expected, "{name} cut at {percent} %: piece {index}")
                    }
                    // A fixed image that has lost its footer is a raw image that ends early.
                    _ => lost += 1,
                }
            }
            assert!(
                lost > 0 || name.starts_with("split") || name.contains("flat") || name == "outside.qcow2",
                "{name} cut at {percent} %"
            );
        }
    }
}

#[test]
#[cfg_attr(not(foreign), ignore = "needs programs of others: COMTRAIL_FOREIGN_REQUIRED=1")]
fn any_byte_of_a_virtual_disk_may_be_anything() {
    let folder = tempfile::tempdir().unwrap();
    let raw = pattern(12 << 20);
    made_by_qemu(folder.path(), &raw);
    made_by_builder(folder.path(), &raw);
    let mut state = 7u64;
    let mut random = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap() % below.max(1)
    };
    let path = folder.path().join("damaged");
    let variants = VARIANTS.iter().map(|(name, _)| *name).filter(|name| !name.starts_with("fixed"));
    for name in variants.chain(BUILT) {
        let whole = std::fs::read(folder.path().join(name)).unwrap();
        let mut damaged = whole.clone();
        std::fs::write(&path, &damaged).unwrap();
        for round in 0..300 {
            // Structures lie in the first sectors and near the ends; most changes are made there.
            let reach = [512, 4096, 3 << 20, whole.len()][round % 4].min(whole.len());
            let mut changed = Vec::new();
            for _ in 0..=round % 3 {
                let at = if random(5) == 0 { whole.len() - 1 - random(reach) } else { random(reach) };
                damaged[at] = [0, 0xFF, 0x7F, 0x80, u8::try_from(random(256)).unwrap()][random(5)];
                changed.push(at);
            }
            write_at(&path, &changed, &damaged);
            if let Ok(disk) = disk_at(&path) {
                let length = disk.bytes.len();
                let mut buffer = vec![0; 70_000];
                for at in [0, length / 3, length.saturating_sub(70_000), u64::MAX - 70_000] {
                    let read = disk.bytes.read_full_at(at, &mut buffer).unwrap_or(0);
                    assert!(read as u64 <= length.saturating_sub(at), "{name}");
                }
                assert!(disk.bytes.next_data(0) <= length, "{name}");
            }
            changed.iter().for_each(|at| damaged[*at] = whole[*at]);
            write_at(&path, &changed, &damaged);
        }
    }
}

fn write_at(path: &Path, places: &[usize], bytes: &[u8]) {
    use std::io::{Seek, SeekFrom, Write};
    let mut file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
    for at in places {
        file.seek(SeekFrom::Start(*at as u64)).unwrap();
        file.write_all(&bytes[*at..=*at]).unwrap();
    }
}
