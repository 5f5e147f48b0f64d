use super::super::super::{Child, Store};
use super::*;
use std::io::{Cursor, Write};
use std::process::Command;

fn spill() -> (tempfile::TempDir, Spill) {
    let folder = tempfile::tempdir().unwrap();
    let spill = Spill::into_folder(folder.path());
    (folder, spill)
}

pub(super) fn open_bytes(bytes: &[u8]) -> io::Result<(tempfile::TempDir, Archive, Facts, Vec<Problem>)> {
    let (folder, spill) = spill();
    let mut problems = Vec::new();
    let (archive, facts) = open(Arc::new(bytes.to_vec()), "a.zip", &spill, &mut problems)?;
    Ok((folder, archive, facts, problems))
}

/// Every file by its path, in order.
pub(super) fn all(store: &dyn Store) -> Vec<(String, Child)> {
    let mut files = Vec::new();
    let mut folders = vec![(String::new(), String::new())];
    while let Some((path, key)) = folders.pop() {
        for child in store.children(&key).unwrap() {
            let named = store.named(&key, &child.name).unwrap();
            assert!(named.iter().any(|one| (&one.key, &one.name) == (&child.key, &child.name)), "{named:?}");
            let path = format!("{path}/{}", child.name);
            if child.is_folder {
                folders.push((path, child.key));
            } else {
                files.push((path, child));
            }
        }
    }
    files.sort_by(|a, b| a.0.cmp(&b.0));
    files
}

pub(super) fn opened(store: &dyn Store, path: &str) -> io::Result<Arc<dyn Bytes>> {
    let files = all(store);
    let (_, child) = files.iter().find(|(name, _)| name == path).unwrap_or_else(|| panic!("{path} in {files:?}"));
    store.open(&child.key)
}

/// As many bytes as there are, and whether an error ended them.
pub(super) fn as_far_as_it_goes(bytes: &dyn Bytes) -> (Vec<u8>, bool) {
    let mut all = Vec::new();
    let mut block = [0; 10_000];
    loop {
        match bytes.read_at(all.len() as u64, &mut block) {
            Ok(0) => return (all, false),
            Ok(read) => all.extend(&block[..read]),
            Err(_) => return (all, true),
        }
    }
}

/// An archive by the `zip` crate, the oracle beside our reader.
pub(super) fn archive(files: &[(&str, &[u8])], method: zip::CompressionMethod) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in files {
        zip.start_file(*name, zip::write::SimpleFileOptions::default().compression_method(method)).unwrap();
        zip.write_all(content).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

pub(super) fn numbers(count: u32) -> Vec<u8> {
    (0..count).flat_map(|n| format!("{n:08X} {:08X}\n", n.wrapping_mul(2_654_435_761)).into_bytes()).collect()
}

#[test]
fn what_the_oracle_wrote_is_there() {
    let long = numbers(600_000);
    let files: [(&str, &[u8]); 5] =
        [("a/one.txt", b"one"), ("a/b/two", b"two"), ("empty", b""), ("c\\d", b"by Windows"), ("long", &long)];
    for method in [zip::CompressionMethod::Stored, zip::CompressionMethod::Deflated] {
        let bytes = archive(&files, method);
        let mut oracle = zip::ZipArchive::new(Cursor::new(bytes.clone())).unwrap();
        let (_folder, archive, facts, problems) = open_bytes(&bytes).unwrap();
        assert_eq!((problems, facts.files), (Vec::new(), 5));
        assert_eq!(all(&archive).len(), oracle.len());
        for index in 0..oracle.len() {
            let mut entry = oracle.by_index(index).unwrap();
            let path = format!("/{}", entry.name().unwrap().replace('\\', "/"));
            let mut expected = Vec::new();
            io::copy(&mut entry, &mut expected).unwrap();
            let bytes = opened(&archive, &path).unwrap();
            assert!(as_far_as_it_goes(&*bytes) == (expected, false), "{path}");
            assert_eq!(bytes.flaw(), None);
        }
    }
}

#[test]
#[cfg_attr(not(foreign), ignore = "needs programs of others: COMTRAIL_FOREIGN_REQUIRED=1")]
fn deflate64_as_seven_zip_packs_it() {
    let folder = tempfile::tempdir().unwrap();
    // Repetitions longer than deflate can say, and some more than 32 KiB back.
    let mut data = numbers(60_000);
    let copy = data[10_000..700_000].to_vec();
    data.extend(std::iter::repeat_n(7, 300_000));
    data.extend(copy);
    std::fs::write(folder.path().join("data"), &data).unwrap();
    std::fs::write(folder.path().join("huge"), data.repeat(5)).unwrap();
    let made = Command::new("7z")
        .args(["a", "-tzip", "-mm=Deflate64", "a.zip", "data", "huge"])
        .current_dir(folder.path())
        .output()
        .expect("7z");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let bytes = std::fs::read(folder.path().join("a.zip")).unwrap();
    let (_folder, archive, ..) = open_bytes(&bytes).unwrap();
    for (path, expected) in [("/data", data.clone()), ("/huge", data.repeat(5))] {
        let opened = opened(&archive, path).unwrap();
        assert!(as_far_as_it_goes(&*opened) == (expected.clone(), false));
        assert_eq!(opened.flaw(), None);
        let mut middle = vec![0; 100_000];
        assert_eq!(opened.read_full_at(data.len() as u64 / 2, &mut middle).unwrap(), middle.len());
        assert!(expected[data.len() / 2..].starts_with(&middle), "behind the front");
    }
}

#[test]
fn other_methods_are_named() {
    let mut bytes = archive(&[("a", b"one one one one one one")], zip::CompressionMethod::Deflated);
    let directory = bytes.windows(4).rposition(|four| four == b"PK\x01\x02").unwrap();
    bytes[8] = 14;
    bytes[directory + 10] = 14;
    let (_folder, archive, ..) = open_bytes(&bytes).unwrap();
    assert!(opened(&archive, "/a").err().unwrap().to_string().contains("method 14 (LZMA)"));
}

#[test]
fn what_is_there_of_a_damaged_entry_is_read() {
    let data = numbers(3_000);
    for method in [zip::CompressionMethod::Stored, zip::CompressionMethod::Deflated] {
        let good = archive(&[("a", &data), ("b", b"later")], method);
        let mut tried = 0;
        for at in (31..good.len() - 200).step_by(1_117) {
            let mut bad = good.clone();
            bad[at] ^= 1 << (at % 8);
            let (_folder, archive, _, problems) = open_bytes(&bad).unwrap();
            assert_eq!(problems, []);
            let opened = opened(&archive, "/a").unwrap();
            let (there, _) = as_far_as_it_goes(&*opened);
            assert!(opened.flaw().is_some(), "at {at}");
            if method == zip::CompressionMethod::Stored {
                assert_eq!(there.len(), data.len());
                assert!(opened.flaw().unwrap().contains("CRC-32"));
            }
            tried += 1;
        }
        assert!(tried > 10);
    }
}

/// An archive by hand: entries with their local headers, and a directory that can point anywhere.
pub(super) struct ByHand {
    local: Vec<u8>,
    central: Vec<u8>,
    count: u16,
}

impl ByHand {
    pub(super) fn new() -> Self {
        ByHand { local: Vec::new(), central: Vec::new(), count: 0 }
    }

    /// Writes a stored entry and its line of the directory.
    pub(super) fn entry(&mut self, name: &[u8], flags: u16, content: &[u8]) {
        let at = self.local.len() as u32;
        let mut crc = flate2::Crc::new();
        crc.update(content);
        let fields = |out: &mut Vec<u8>| {
            out.extend([20, 0]);
            out.extend(flags.to_le_bytes());
            out.extend([0; 6]);
            out.extend(crc.sum().to_le_bytes());
            out.extend((content.len() as u32).to_le_bytes());
            out.extend((content.len() as u32).to_le_bytes());
            out.extend((name.len() as u16).to_le_bytes());
            out.extend([0; 2]);
        };
        self.local.extend(b"PK\x03\x04");
        fields(&mut self.local);
        self.local.extend(name);
        self.local.extend(content);
        self.line(&fields, name, at);
    }

    fn line(&mut self, fields: &dyn Fn(&mut Vec<u8>), name: &[u8], at: u32) {
        self.central.extend(b"PK\x01\x02\x14\x00");
        fields(&mut self.central);
        self.central.extend([0; 10]);
        self.central.extend(at.to_le_bytes());
        self.central.extend(name);
        self.count += 1;
    }

    pub(super) fn finish(self) -> Vec<u8> {
        let mut bytes = self.local;
        let start = bytes.len() as u32;
        bytes.extend(&self.central);
        bytes.extend(b"PK\x05\x06\0\0\0\0");
        bytes.extend(self.count.to_le_bytes());
        bytes.extend(self.count.to_le_bytes());
        bytes.extend((self.central.len() as u32).to_le_bytes());
        bytes.extend(start.to_le_bytes());
        bytes.extend([0; 2]);
        bytes
    }
}

#[test]
fn names_are_what_their_flag_says_and_never_become_one() {
    let mut by_hand = ByHand::new();
    for (name, flags) in
        [(&b"J\x81rg/a"[..], 0), (b"J\x94rg/a", 0), ("J\u{e4}rg/a".as_bytes(), 0x800), (b"J\x81rg/b", 0x800)]
    {
        by_hand.entry(name, flags, name);
    }
    let (_folder, archive, _, problems) = open_bytes(&by_hand.finish()).unwrap();
    assert_eq!(problems, []);
    let paths: Vec<String> = all(&archive).into_iter().map(|(path, _)| path).collect();
    let bytes = name::from_bytes(b"/J\x81rg/b");
    let mut expected = ["/J\u{fc}rg/a", "/J\u{f6}rg/a", "/J\u{e4}rg/a", &bytes];
    expected.sort_unstable();
    assert_eq!(paths, expected);
    // Where all are UTF-8, they are UTF-8 although the flag is forgotten.
    let mut by_hand = ByHand::new();
    by_hand.entry("J\u{fc}rg".as_bytes(), 0, b"1");
    let (_folder, archive, ..) = open_bytes(&by_hand.finish()).unwrap();
    assert_eq!(all(&archive)[0].0, "/J\u{fc}rg");
}

#[test]
fn names_that_climb_are_kept_and_said() {
    let mut by_hand = ByHand::new();
    for name in ["Logs\\..\\..\\up.evtx", "Windows/System32/x", "C:\\..\\y", "/abs/z", "./w"] {
        by_hand.entry(name.as_bytes(), 0x800, name.as_bytes());
    }
    let (_folder, archive, _, problems) = open_bytes(&by_hand.finish()).unwrap();
    let paths: Vec<String> = all(&archive).into_iter().map(|(path, _)| path).collect();
    assert_eq!(paths, ["///abs/z", "/C:/../y", "/Logs/../../up.evtx", "/Windows/System32/x", "/w"]);
    assert_eq!(problems.len(), 2);
    assert!(problems[0].what.contains("Logs\\..\\..\\up.evtx"), "{problems:?}");
}

#[test]
fn entries_that_share_their_bytes_are_refused() {
    let mut by_hand = ByHand::new();
    by_hand.entry(b"good", 0, b"own bytes");
    by_hand.entry(b"kernel", 0, &[1; 1000]);
    for number in 0..300 {
        let name = format!("copy{number:03}");
        let fields = |out: &mut Vec<u8>| {
            out.extend([20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 9, 9, 9, 0xE8, 3, 0, 0, 0xE8, 3, 0, 0]);
            out.extend((name.len() as u16).to_le_bytes());
            out.extend([0; 2]);
        };
        by_hand.line(&fields, name.as_bytes(), 30 + 4 + 9);
    }
    let (_folder, archive, facts, problems) = open_bytes(&by_hand.finish()).unwrap();
    assert_eq!((facts.files, facts.shared), (302, 301));
    assert!(problems[0].what.contains("overlap"), "{problems:?}");
    assert_eq!(as_far_as_it_goes(&*opened(&archive, "/good").unwrap()).0, b"own bytes");
    for path in ["/kernel", "/copy000", "/copy299"] {
        assert!(opened(&archive, path).err().unwrap().to_string().contains("claims the same bytes"));
    }
}

#[test]
fn encrypted_entries_are_counted_and_a_locked_collection_is_named() {
    let mut by_hand = ByHand::new();
    by_hand.entry(b"data.zip", 1, b"????????????");
    by_hand.entry(b"metadata.json", 0, b"{}");
    let (_folder, archive, facts, problems) = open_bytes(&by_hand.finish()).unwrap();
    assert!(facts.is_locked_collection && facts.encrypted == 1);
    assert!(problems[0].kind.particulars().contains("data.zip"));
    assert!(opened(&archive, "/data.zip").err().unwrap().to_string().contains("encrypted"));
    assert!(opened(&archive, "/metadata.json").is_ok());
}

/// What a program writes that cannot go back in its output: lengths behind the data.
fn streamed(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new_stream(Vec::new());
    for (name, content) in files {
        zip.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(content).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

#[test]
fn an_archive_without_its_directory_is_read_by_its_local_headers() {
    let data = numbers(2_000);
    // An archive in the archive has headers of its own, which are no entries of the outer one.
    let inner = archive(&[("inner", b"PK\x03\x04 and more")], zip::CompressionMethod::Stored);
    let files: [(&str, &[u8]); 4] = [("a", b"first"), ("in.zip", &inner), ("empty", b""), ("long", &data)];
    let plain = archive(&files, zip::CompressionMethod::Stored);
    for whole in [plain, archive(&files, zip::CompressionMethod::Deflated), streamed(&files)] {
        let directory = whole.windows(4).position(|four| four == b"PK\x01\x02").unwrap();
        let directory = if directory < 2_000 {
            whole
                .windows(4)
                .rposition(|four| four == b"PK\x05\x06")
                .map(|end| u32::from_le_bytes(whole[end + 16..end + 20].try_into().unwrap()) as usize)
                .unwrap()
        } else {
            directory
        };
        let mut damaged = whole.clone();
        damaged[directory] ^= 1;
        // Whole up to its end, and behind that more than a comment can be long.
        let trailing = [&whole[..], &[7; 100_000]].concat();
        for (bad, is_all) in
            [(&whole[..directory], false), (&whole[..directory + 60], false), (&damaged, false), (&trailing, true)]
        {
            let (_folder, archive, _, problems) = open_bytes(bad).unwrap();
            assert_eq!(matches!(problems[0].kind, ProblemKind::Inconsistent { .. }), is_all, "{problems:?}");
            assert!(problems[0].what.contains("lost its directory"), "{problems:?}");
            let paths: Vec<String> = all(&archive).into_iter().map(|(path, _)| path).collect();
            assert_eq!(paths, ["/a", "/empty", "/in.zip", "/long"]);
            for (name, content) in &files {
                let bytes = opened(&archive, &format!("/{name}")).unwrap();
                assert!(as_far_as_it_goes(&*bytes) == (content.to_vec(), false), "{name}");
                assert_eq!(bytes.flaw(), None, "{name}");
            }
        }
        // The end of the last entry is lost too.
        let (_folder, archive, ..) = open_bytes(&whole[..directory - 3_000]).unwrap();
        let bytes = opened(&archive, "/long").unwrap();
        let (there, _) = as_far_as_it_goes(&*bytes);
        assert!(data.starts_with(&there) && there.len() > 1_000 && bytes.flaw().is_some());
    }
}

#[test]
fn any_byte_may_be_anything() {
    let good = archive(&[("x/one", b"first first first first"), ("two", &[9; 300])], zip::CompressionMethod::Deflated);
    let streamed = streamed(&[("x/one", b"first"), ("two", &[9; 300])]);
    for good in [good, streamed] {
        for at in 0..good.len() {
            for value in [0xFF, good[at] ^ 1] {
                let mut bad = good.clone();
                bad[at] = value;
                for bad in [&bad[..], &bad[..at]] {
                    let Ok((_folder, archive, ..)) = open_bytes(bad) else { continue };
                    for (_, child) in all(&archive) {
                        if let Ok(bytes) = archive.open(&child.key) {
                            assert!(as_far_as_it_goes(&*bytes).0.len() < 1 << 20);
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn many_entries_cost_little_memory() {
    let mut by_hand = ByHand::new();
    for number in 0..70_000u32 {
        by_hand.entry(format!("f{}/g{}/{number}", number % 300, number % 7).as_bytes(), 0, b"");
        by_hand.count = 0;
    }
    let (_folder, archive, facts, problems) = open_bytes(&by_hand.finish()).unwrap();
    assert_eq!((problems, facts.files), (Vec::new(), 70_000));
    let root = archive.children("").unwrap();
    assert_eq!(root.len(), 300);
    let f5 = root.iter().find(|child| child.name == "f5").unwrap();
    // 5, 305, 605, … have every remainder of seven.
    let inside = archive.children(&f5.key).unwrap();
    assert_eq!(inside.len(), 7);
    let g5 = inside.iter().find(|child| child.name == "g5").unwrap();
    let mut names: Vec<u32> =
        archive.children(&g5.key).unwrap().iter().map(|child| child.name.parse().unwrap()).collect();
    let named = archive.named(&g5.key, "2105").unwrap();
    assert_eq!(named.iter().map(|child| child.name.as_str()).collect::<Vec<_>>(), ["2105"]);
    assert!(archive.named(&g5.key, "306").unwrap().is_empty());
    names.sort_unstable();
    assert_eq!(names, (0..70_000).filter(|n| n % 300 == 5 && n % 7 == 5).collect::<Vec<u32>>());
}

#[test]
fn a_name_that_is_another_one_in_the_directory_is_looked_for_under_both() {
    let mut bytes = archive(&[("C/winevt/a.evtx", b"one"), ("C/b", b"two")], zip::CompressionMethod::Deflated);
    let at = bytes.windows(8).rposition(|window| window == b"winevt/a").unwrap();
    bytes[at] = b's';
    let (_folder, archive, _, problems) = open_bytes(&bytes).unwrap();
    let mut paths: Vec<String> = all(&archive).into_iter().map(|(path, _)| path).collect();
    paths.sort();
    assert_eq!(paths, ["/C/b", "/C/sinevt/a.evtx", "/C/winevt/a.evtx"]);
    for path in &paths[1..] {
        assert_eq!(opened(&archive, path).unwrap().read_all(10).unwrap().unwrap(), b"one");
    }
    let [problem] = &problems[..] else { panic!("{problems:?}") };
    assert!(problem.what.contains("another name") && problem.kind.particulars().contains("sinevt"), "{problem:?}");
}
