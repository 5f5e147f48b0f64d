//! Whole volumes made by hand, each with one thing that sound volumes of a test machine do not have.

use super::aligned::tests::Sectors;
use super::testing::*;
use super::*;
use evidence::{Filetime, Recovery};
use std::io;

const ROOT: FileReference = FileReference { entry: 5, sequence: 5 };

fn open(image: &mut Image) -> NtfsTree {
    NtfsTree::open(Arc::new(image.build())).unwrap()
}

fn read(tree: &NtfsTree, path: &str) -> Vec<u8> {
    let found = tree.lookup(path).unwrap().unwrap_or_else(|| panic!("{path} is not found"));
    let content = tree.open(&found).unwrap();
    assert_eq!(content.len(), found.size, "{path}");
    content.read_all(1 << 24).unwrap().unwrap()
}

fn words(problems: &[Problem]) -> String {
    problems.iter().map(|problem| format!("{} {}\n", problem.item, problem.what)).collect()
}

/// A resident file with this content.
fn small(entry: u64, parent: FileReference, name: &str, content: &[u8]) -> (u64, Vec<u8>) {
    (entry, record(1, 1, None, &[named(parent, name), resident(0x80, "", content)]))
}

#[test]
fn names_streams_and_times() {
    let mut image = Image::new(64, 40);
    let folder = at(20, 2);
    let long = named(folder, "A long name.dll");
    let short = resident(0x30, "", &file_name(folder, 2, "ALONGN~1.DLL"));
    let mut si = vec![0; 72];
    si[0] = 21;
    si[8] = 22;
    let file = [
        resident(0x10, "", &si),
        short,
        long,
        resident(0x80, "", b"MZ"),
        resident(0x80, "Zone.Identifier", b"[ZoneTransfer]"),
    ];
    let names = [(at(21, 1), "A long name.dll")];
    image
        .root(&[(folder, "Temp")])
        .put(20, record(2, 3, None, &[named(ROOT, "Temp"), index_root(folder, &names, None)]))
        .put(21, record(1, 1, None, &file));
    let tree = open(&mut image);
    let found = tree.lookup(r"\TEMP\a LONG name.DLL").unwrap().unwrap();
    assert_eq!(found.path, r"\Temp\A long name.dll");
    assert_eq!((found.size, found.mft, found.recovery), (2, Some((21, 1)), None));
    assert_eq!(found.times.si.unwrap().born, Some(Filetime(21)));
    assert_eq!(found.times.file_name.unwrap().modified, Some(Filetime(12)));
    assert_eq!(read(&tree, r"\temp\a long name.dll:zone.identifier"), b"[ZoneTransfer]");
    assert_eq!(read(&tree, r"\temp\a long name.dll:zone.identifier:$DATA"), b"[ZoneTransfer]");
    assert!(tree.lookup(r"\temp\a long name.dll:other").unwrap().is_none());
    assert!(tree.lookup(r"\temp\a long name.dll\x").unwrap().is_none());
    assert!(tree.lookup(r"\nowhere\x").unwrap().is_none());
    let temp = tree.lookup(r"\Temp").unwrap().unwrap();
    let listed: Vec<String> = tree.list(&temp).unwrap().iter().map(Found::full_path).collect();
    assert_eq!(listed, [r"\Temp\A long name.dll", r"\Temp\A long name.dll:Zone.Identifier"]);
    assert_eq!(tree.streams(&found).unwrap().len(), 1);
    assert_eq!(tree.serial(), 0x1234_5678_9ABC_DEF0);
    assert!(words(&tree.take_problems()).contains("upper-case"), "there is no $UpCase on this volume");
    assert!(tree.take_problems().is_empty());
}

#[test]
fn names_that_differ_in_case_only() {
    let mut image = Image::new(64, 40);
    let posix = |name: &str, content: &[u8]| {
        record(1, 1, None, &[resident(0x30, "", &file_name(ROOT, 0, name)), resident(0x80, "", content)])
    };
    image
        .root(&[(at(20, 1), "a.txt"), (at(21, 1), "A.TXT")])
        .put(20, posix("a.txt", b"a"))
        .put(21, posix("A.TXT", b"A"));
    let tree = open(&mut image);
    let listed = tree.list(&tree.lookup("\\").unwrap().unwrap()).unwrap();
    assert_eq!(listed.iter().map(|found| found.path.as_str()).collect::<Vec<_>>(), [r"\A.TXT", r"\a.txt"]);
    for found in &listed {
        let content = tree.open(found).unwrap().read_all(9).unwrap().unwrap();
        assert_eq!(content, &found.path.as_bytes()[1..2]);
        assert_eq!(tree.lookup(&found.path).unwrap().unwrap().mft, found.mft);
    }
}

#[test]
fn an_mft_whose_runs_continue_in_an_extension_record() {
    let mut image = Image::new(64, 0);
    image.mft = vec![(4, 4), (20, 4), (12, 4)];
    let size = 12 * CLUSTER as u64;
    let first = Clusters { kind: 0x80, size, runs: &[(Some(4), 4)], ..Clusters::default() }.build();
    let second = Clusters { kind: 0x80, first_vcn: 4, runs: &[(Some(20), 4)], ..Clusters::default() }.build();
    let third = Clusters { kind: 0x80, first_vcn: 8, runs: &[(Some(12), 4)], ..Clusters::default() }.build();
    let list = [list_line(0x80, 0, at(0, 1)), list_line(0x80, 4, at(15, 1)), list_line(0x80, 8, at(16, 1))].concat();
    let (entry, file) = small(47, ROOT, "last.txt", b"in the last record");
    image
        .put(0, record(1, 1, None, &[resident(0x20, "", &list), first]))
        .put(15, record(1, 1, Some(at(0, 1)), &[second]))
        .put(16, record(1, 1, Some(at(0, 1)), &[third]))
        .root(&[(at(47, 1), "last.txt"), (at(0, 1), "$MFT")])
        .put(entry, file);
    let tree = open(&mut image);
    assert_eq!(read(&tree, r"\last.txt"), b"in the last record");
    assert_eq!(read(&tree, r"\$MFT").len(), 12 * CLUSTER);
    // Without the middle part the rest cannot be placed, and this is said.
    image.put(15, vec![0; 1024]);
    let tree = open(&mut image);
    assert!(tree.lookup(r"\last.txt").unwrap().is_none());
    assert!(words(&tree.take_problems()).contains("$MFT part of $MFT cannot be found"));
}

#[test]
fn damaged_boot_sector_first_record_and_torn_records() {
    let mut image = Image::new(64, 40);
    let (entry, file) = small(20, ROOT, "a.txt", b"content");
    image.root(&[(at(20, 1), "a.txt")]).put(entry, file);
    let good = image.build();
    let mut bytes = good.clone();
    bytes[..512].fill(0xEE);
    bytes[4 * CLUSTER..4 * CLUSTER + 1024].fill(0xEE);
    let tree = NtfsTree::open(Arc::new(bytes)).unwrap();
    assert_eq!(read(&tree, r"\a.txt"), b"content");
    let said = words(&tree.take_problems());
    assert!(said.contains("backup") && said.contains("$MFTMirr"), "{said}");

    let mut bytes = good.clone();
    let torn = 4 * CLUSTER + 20 * 1024 + 1022;
    bytes[torn..torn + 2].copy_from_slice(&[1, 1]);
    let tree = NtfsTree::open(Arc::new(bytes)).unwrap();
    assert_eq!(read(&tree, r"\a.txt"), b"content");
    assert!(words(&tree.take_problems()).contains("torn in its 512-byte parts 1"));

    for (from, to) in [(0, good.len()), (0, 4 * CLUSTER + 1024)] {
        let mut bytes = good.clone();
        bytes[from..to].fill(0);
        assert!(NtfsTree::open(Arc::new(bytes)).is_err());
    }
    assert!(NtfsTree::open(Arc::new(Vec::new())).is_err());
}

#[test]
fn deleted_files_and_their_clusters() {
    let mut image = Image::new(64, 60);
    let clusters = |lcn| Clusters { kind: 0x80, size: 3, runs: &[(Some(lcn), 1)], ..Clusters::default() }.build();
    let bitmap = Clusters { kind: 0x80, size: 8, runs: &[(Some(50), 1)], ..Clusters::default() }.build();
    let folder = at(20, 2);
    let mut free = [0xFFu8; 8];
    free[41 / 8] &= !(1 << (41 % 8));
    image
        .root(&[(folder, "Temp")])
        .write(50, &free)
        .write(41, b"DLL")
        .write(42, b"xxx")
        .put(6, record(6, 1, None, &[bitmap]))
        .put(20, record(2, 3, None, &[named(ROOT, "Temp"), index_root(folder, &[], None)]))
        .put(30, record(2, 0, None, &[named(folder, "gone.dll"), clusters(41)]))
        .put(31, record(5, 0, None, &[named(folder, "Gone.dll"), clusters(42), resident(0x80, "s", b"ads")]))
        .put(32, record(2, 0, None, &[named(at(20, 1), "gone.dll"), resident(0x80, "", b"orphan")]))
        .put(33, record(2, 0, None, &[named(ROOT, "gone.dll"), resident(0x80, "", b"elsewhere")]))
        .put(34, record(2, 1, None, &[named(folder, "gone.dll"), resident(0x80, "", b"not deleted")]));
    let tree = open(&mut image);
    let found = tree.lookup_deleted(r"\temp\GONE.dll");
    let said: Vec<_> = found.iter().map(|f| (f.path.as_str(), f.mft.unwrap().0, f.recovery.unwrap())).collect();
    assert_eq!(
        said,
        [
            (r"\Temp\gone.dll", 30, Recovery::ClustersFree),
            (r"\Temp\Gone.dll", 31, Recovery::ClustersReused),
            (r"{orphan}\gone.dll", 32, Recovery::Resident)
        ]
    );
    assert_eq!(tree.open(&found[0]).unwrap().read_all(9).unwrap().unwrap(), b"DLL");
    assert_eq!(tree.open(&found[2]).unwrap().read_all(9).unwrap().unwrap(), b"orphan");
    assert_eq!(tree.lookup_deleted("gone.dll").len(), 4, "a bare name is looked for in every folder");
    assert_eq!(tree.lookup_deleted(r"\temp\gone.dll:S").len(), 1);
    assert_eq!(tree.lookup_deleted(r"\temp\other.dll").len(), 0);
    assert!(tree.lookup(r"\temp\gone.dll").unwrap().is_none());
    let mut stale = found[0].clone();
    stale.mft = Some((30, 1));
    assert!(tree.open(&stale).is_err(), "the record has another owner");
}

#[test]
fn content_kept_by_filter_drivers_and_ciphers() {
    let mut image = Image::new(64, 60);
    let hole =
        |size: u64| Clusters { kind: 0x80, flags: 0x8000, size, runs: &[(None, 18)], ..Clusters::default() }.build();
    let packed = include_bytes!("vectors/lzx.bin");
    let stored = Clusters {
        kind: 0x80,
        name: WOF_STREAM,
        size: packed.len() as u64,
        runs: &[(Some(30), 5)],
        ..Clusters::default()
    };
    let wof = |provider, algorithm| {
        resident(
            0xC0,
            "",
            &[0x17, 0, 0, 0x80, 16, 0, 0, 0, 1, 0, 0, 0, provider, 0, 0, 0, 1, 0, 0, 0, algorithm, 0, 0, 0],
        )
    };
    let secret = Clusters { kind: 0x80, flags: 0x4000, size: 4, runs: &[(Some(40), 1)], ..Clusters::default() }.build();
    let cloud = resident(0xC0, "", &[0x1A, 0x90, 0, 0x90, 0, 0, 0, 0]);
    image
        .root(&[(at(20, 1), "w.dll"), (at(21, 1), "wim.dll"), (at(22, 1), "efs.txt"), (at(23, 1), "cloud.doc")])
        .write(30, packed)
        .write(40, b"????")
        .put(20, record(1, 1, None, &[named(ROOT, "w.dll"), hole(70_000), stored.build(), wof(2, 1)]))
        .put(21, record(1, 1, None, &[named(ROOT, "wim.dll"), hole(70_000), stored.build(), wof(1, 0)]))
        .put(22, record(1, 1, None, &[named(ROOT, "efs.txt"), secret]))
        .put(23, record(1, 1, None, &[named(ROOT, "cloud.doc"), hole(9999), cloud]));
    let tree = open(&mut image);
    assert!(read(&tree, r"\w.dll").starts_with(b"reg") || read(&tree, r"\w.dll").len() == 70_000);
    assert_eq!(read(&tree, r"\w.dll:WofCompressedData"), packed, "it can be had when it is asked for");
    assert_eq!(tree.streams(&tree.lookup(r"\w.dll").unwrap().unwrap()).unwrap().len(), 0);
    tree.take_problems();
    assert_eq!(read(&tree, r"\efs.txt"), b"????");
    assert!(words(&tree.take_problems()).contains("EFS"));
    for path in [r"\wim.dll", r"\cloud.doc"] {
        let found = tree.lookup(path).unwrap().unwrap();
        assert!(tree.open(&found).is_err(), "zeros in place of {path} would be an invention");
    }
}

#[test]
fn extension_records_of_other_files_and_in_circles() {
    let mut image = Image::new(64, 60);
    let list = [list_line(0x80, 0, at(21, 1)), list_line(0x80, 0, at(22, 1)), list_line(0x80, 0, at(20, 1))].concat();
    let part = |text: &[u8]| [resident(0x80, "", text), resident(0x20, "", &list)];
    image
        .root(&[(at(20, 1), "a.txt")])
        .put(20, record(1, 1, None, &[resident(0x20, "", &list), named(ROOT, "a.txt")]))
        .put(21, record(1, 1, Some(at(20, 1)), &part(b"mine")))
        .put(22, record(1, 1, Some(at(30, 1)), &part(b"not mine")));
    let tree = open(&mut image);
    assert_eq!(read(&tree, r"\a.txt"), b"mine");
    assert!(words(&tree.take_problems()).contains("extension record 22 belongs to another file"));
}

#[test]
fn a_folder_tree_in_circles_still_gives_its_names() {
    let mut image = Image::new(64, 60);
    let folder = at(20, 2);
    let allocation = Clusters { kind: 0xA0, name: "$I30", size: 8192, runs: &[(Some(30), 2)], ..Clusters::default() };
    let names = [(at(21, 1), "m.txt")];
    let attributes = [
        named(ROOT, "d"),
        index_root(folder, &[], Some(0)),
        allocation.build(),
        resident(0xB0, "$I30", &[3, 0, 0, 0, 0, 0, 0, 0]),
    ];
    let (entry, file) = small(21, folder, "m.txt", b"found");
    image
        .root(&[(folder, "d")])
        .put(20, record(2, 3, None, &attributes))
        .put(entry, file)
        // Each of the two index records says that what comes last is in the other.
        .write(30, &index_record(0, folder, &[(at(21, 9), "b")], Some(1)))
        .write(31, &index_record(1, folder, &names, Some(0)));
    let tree = open(&mut image);
    assert_eq!(read(&tree, r"\d\M.TXT"), b"found");
    assert!(tree.lookup(r"\d\zzz").unwrap().is_none(), "and the search for what is not there ends");
    let listed = tree.list(&tree.lookup(r"\d").unwrap().unwrap()).unwrap();
    assert_eq!(listed.len(), 1);
    assert!(words(&tree.take_problems()).contains("leads to another file's record"));
    // A damaged index record hides only its own names.
    image.write(30, &[0xEE; 4096]);
    let tree = open(&mut image);
    assert_eq!(read(&tree, r"\d\m.txt"), b"found");
    assert!(words(&tree.take_problems()).contains("does not begin with INDX"));
}

#[test]
fn a_hundred_thousand_names() {
    const RECORDS: u64 = 3200;
    let mut image = Image::new(RECORDS + 64, 60);
    let folder = at(20, 2);
    let runs = [(Some(32), RECORDS)];
    let size = RECORDS * 4096;
    let allocation = Clusters { kind: 0xA0, name: "$I30", size, runs: &runs, ..Clusters::default() };
    let attributes = [named(ROOT, "d"), index_root(folder, &[], Some(0)), allocation.build()];
    image.root(&[(folder, "d")]).put(20, record(2, 3, None, &attributes));
    let (entry, file) = small(21, folder, "n", b"x");
    image.put(entry, file);
    let mut count = 0;
    for number in 0..RECORDS {
        let names: Vec<String> = (0..32).map(|n| format!("name {:07}", number * 32 + n)).collect();
        let names: Vec<_> = names.iter().map(|name| (at(21, 1), name.as_str())).collect();
        count += names.len();
        image.write(32 + number, &index_record(number, folder, &names, None));
    }
    let tree = open(&mut image);
    let listed = tree.list(&tree.lookup(r"\d").unwrap().unwrap()).unwrap();
    assert_eq!(listed.len(), count);
    assert!(tree.lookup(r"\d\name 0102399").unwrap().is_some());
}

#[test]
fn a_device_that_serves_only_whole_sectors() {
    let mut image = Image::new(64, 40);
    let (entry, file) = small(20, ROOT, "a.txt", b"content");
    image.root(&[(at(20, 1), "a.txt")]).put(entry, file);
    let bytes = image.build();
    assert!(NtfsTree::open(Arc::new(Sectors(bytes.clone()))).is_ok_and(|tree| tree.lookup(r"\a.txt").is_ok()));
    let tree = NtfsTree::open(Arc::new(Aligned::new(Sectors(bytes), 512))).unwrap();
    assert_eq!(read(&tree, r"\A.TXT"), b"content");
}

/// A volume of which some bytes cannot be read.
struct BadSector(Vec<u8>, std::ops::Range<u64>);

impl Bytes for BadSector {
    fn len(&self) -> u64 {
        Bytes::len(&self.0)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        if offset < self.1.end && offset + buffer.len() as u64 > self.1.start {
            return Err(io::Error::other("bad sector"));
        }
        self.0.read_at(offset, buffer)
    }
}

#[test]
fn a_bad_sector_is_an_error_of_its_range() {
    let mut image = Image::new(64, 40);
    let data = Clusters { kind: 0x80, size: 12_000, runs: &[(Some(40), 3)], ..Clusters::default() }.build();
    image
        .root(&[(at(20, 1), "a.txt")])
        .put(20, record(1, 1, None, &[named(ROOT, "a.txt"), data]))
        .write(40, &[7; 12_000]);
    let start = 41 * CLUSTER as u64;
    let tree = NtfsTree::open(Arc::new(BadSector(image.build(), start..start + 512))).unwrap();
    let content = tree.open(&tree.lookup(r"\a.txt").unwrap().unwrap()).unwrap();
    let mut part = [0; 4096];
    assert_eq!(content.read_full_at(0, &mut part).unwrap(), 4096);
    assert!(content.read_at(4096, &mut part).is_err());
    assert_eq!(content.read_full_at(4608, &mut part).unwrap(), 4096);
}

#[test]
fn any_byte_may_be_anything() {
    let mut image = Image::new(64, 40);
    let folder = at(20, 2);
    let allocation = Clusters { kind: 0xA0, name: "$I30", size: 4096, runs: &[(Some(30), 1)], ..Clusters::default() };
    let (entry, file) = small(21, folder, "m.txt", b"found");
    let data = Clusters {
        kind: 0x80,
        flags: 1,
        unit: 4,
        size: 70_000,
        runs: &[(Some(40), 3), (None, 29)],
        ..Clusters::default()
    };
    let list = list_line(0x80, 0, at(23, 1));
    image
        .root(&[(folder, "d"), (at(22, 1), "c.bin")])
        .put(20, record(2, 3, None, &[named(ROOT, "d"), index_root(folder, &[], Some(0)), allocation.build()]))
        .put(entry, file)
        .put(22, record(1, 1, None, &[resident(0x20, "", &list), named(ROOT, "c.bin")]))
        .put(23, record(1, 1, Some(at(22, 1)), &[data.build()]))
        .write(30, &index_record(0, folder, &[(at(21, 1), "m.txt")], None));
    let good = image.build();
    let interesting = (0..512).chain((4 * CLUSTER..4 * CLUSTER + 700).step_by(3)).chain(
        [5, 20, 21, 22, 23]
            .into_iter()
            .flat_map(|entry| (0..520).step_by(5).map(move |n| 4 * CLUSTER + entry * 1024 + n)),
    );
    for at in interesting.chain(30 * CLUSTER..30 * CLUSTER + 200) {
        for value in [0x80, 0xFF] {
            let mut bytes = good.clone();
            bytes[at] = value;
            let Ok(tree) = NtfsTree::open(Arc::new(bytes)) else { continue };
            let mut stack: Vec<Found> = tree.lookup("\\").ok().flatten().into_iter().collect();
            let mut visited = 0;
            while let Some(found) = stack.pop() {
                visited += 1;
                assert!(visited < 100);
                if let Ok(content) = tree.open(&found) {
                    let _ = content.data_ranges();
                    let _ = content.read_full_at(0, &mut [0; 70_000]);
                    let _ = content.read_at(found.size.saturating_sub(9), &mut [0; 99]);
                }
                if found.is_folder && visited < 10 {
                    stack.extend(tree.list(&found).unwrap_or_default());
                }
            }
            let _ = tree.lookup(r"\d\m.txt");
            let _ = tree.lookup_deleted("m.txt");
            let _ = tree.take_problems();
        }
    }
}

/// Bytes of which one is another.
struct Changed {
    whole: Arc<Vec<u8>>,
    at: usize,
    value: u8,
}

impl Bytes for Changed {
    fn len(&self) -> u64 {
        self.whole.len() as u64
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.whole.read_at(offset, buffer)?;
        if let Some(byte) = self.at.checked_sub(offset as usize).and_then(|at| buffer[..read].get_mut(at)) {
            *byte = self.value;
        }
        Ok(read)
    }
}

/// The volume of the fixture host. The library needs a whole volume with its table of letters, and this is one.
pub(crate) fn fixture_volume() -> Vec<u8> {
    let host = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/hosts/ws-fin-07.E01");
    let disk = crate::source::container::disk_at(&host).unwrap().bytes;
    let volume = &crate::source::volume::partitions::find(&disk).partitions[0];
    let slice = crate::file_bytes::Slice::new(disk, volume.offset, volume.length);
    slice.read_all(1 << 28).unwrap().unwrap()
}

#[test]
fn any_byte_of_a_real_folder_index_may_be_anything() {
    let whole = Arc::new(fixture_volume());
    let sound = NtfsTree::open(whole.clone()).unwrap();
    assert!(sound.library.is_some());
    let folder = r"\Windows\System32\winevt\Logs";
    let logs = sound.list(&sound.lookup(folder).unwrap().unwrap()).unwrap();
    let name: Vec<u8> = "Security.evtx".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let is_index = |at: &usize| {
        let block = &whole[*at..at + 4096];
        block.starts_with(b"INDX") && block.windows(name.len()).any(|part| part == name)
    };
    let index = (0..whole.len() - 4096).step_by(4096).find(is_index).unwrap();
    for at in index..index + 200 {
        for value in [0, 1, 8, 0x80, 0xFF] {
            let Ok(tree) = NtfsTree::open(Arc::new(Changed { whole: whole.clone(), at, value })) else { continue };
            let found = tree.lookup(&format!("{folder}\\Security.evtx"));
            let _ = tree.lookup(&format!("{folder}\\nothing.evtx"));
            // Where the index leads nowhere, reading the whole folder finds what is still named in it.
            let listed = tree.list(&tree.lookup(folder).unwrap().unwrap()).unwrap_or_default();
            assert!(listed.len() <= 2 * logs.len(), "{at} {value}");
            let is_listed = listed.iter().any(|file| file.path == format!("{folder}\\Security.evtx"));
            assert!(found.ok().flatten().is_some() || !is_listed, "byte {} is {value}", at - index);
        }
    }
}

/// The value of a $REPARSE_POINT that leads to a path: a junction, or a symbolic link relative to its folder.
fn reparse(target: &str, relative: bool) -> Vec<u8> {
    let name = utf16(target);
    let length = name.len() as u16;
    let mut data: Vec<u8> = [0, length, length, 0].iter().flat_map(|number: &u16| number.to_le_bytes()).collect();
    if relative {
        data.extend(1u32.to_le_bytes());
    }
    data.extend(name);
    let tag: u32 = if relative { ReparsePoint::SYMLINK } else { ReparsePoint::MOUNT_POINT };
    let head = [&tag.to_le_bytes()[..], &(data.len() as u16).to_le_bytes(), &[0, 0]].concat();
    [head, data].concat()
}

/// `\Data\a long name.dll`, and ways to it: `\Old` and `\Data\Again` lead to `\Data`, `\Rel` to
/// `Data`, `\Away` to another volume, and `\One` and `\Two` to each other.
pub(crate) fn volume_with_links() -> Vec<u8> {
    let data = at(20, 1);
    let link = |name: &str, parent: FileReference, target: &str, relative: bool| {
        record(1, 3, None, &[named(parent, name), resident(0xC0, "", &reparse(target, relative))])
    };
    let mut image = Image::new(64, 60);
    let names = [
        (data, "Data"),
        (at(30, 1), "Old"),
        (at(31, 1), "Rel"),
        (at(32, 1), "Away"),
        (at(33, 1), "One"),
        (at(34, 1), "Two"),
    ];
    let inside = [(at(21, 1), "a long name.dll"), (at(35, 1), "Again")];
    image
        .root(&names)
        .put(20, record(1, 3, None, &[named(ROOT, "Data"), index_root(data, &inside, None)]))
        .put(21, record(1, 1, None, &[named(data, "a long name.dll"), resident(0x80, "", b"MZ content")]))
        .put(30, link("Old", ROOT, r"\??\C:\Data", false))
        .put(31, link("Rel", ROOT, "Data", true))
        .put(32, link("Away", ROOT, r"\??\D:\Data\", false))
        .put(33, link("One", ROOT, r"\??\C:\Two", false))
        .put(34, link("Two", ROOT, r"\??\C:\One", false))
        .put(35, link("Again", data, r"\??\C:\Data", false));
    image.build()
}

#[test]
fn junctions_and_links_say_where_they_lead() {
    let tree = NtfsTree::open(Arc::new(volume_with_links())).unwrap();
    let leads = |path: &str| tree.link(path);
    assert_eq!(leads(r"\Old\a long name.dll").as_deref(), Some(r"C:\Data\a long name.dll"));
    assert_eq!(leads(r"\OLD").as_deref(), Some(r"C:\Data"));
    assert_eq!(leads(r"\Data\Again\Again\x:stream").as_deref(), Some(r"C:\Data\Again\x:stream"), "one at a time");
    assert_eq!(leads(r"\Rel\b.dll").as_deref(), Some(r"\Data\b.dll"));
    assert_eq!(leads(r"\Away\b.dll").as_deref(), Some(r"D:\Data\b.dll"));
    for path in [r"\Data\a long name.dll", r"\Nothing\Old", r"\", ""] {
        assert_eq!(leads(path), None, "{path}");
    }
}
