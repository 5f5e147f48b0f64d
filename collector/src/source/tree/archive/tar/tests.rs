use super::super::super::Store;
use super::*;
use crate::source::tree::Child;
use std::process::Command;

/// Where the tests' own folder is, and what makes temporary files.
fn spill() -> (tempfile::TempDir, Spill) {
    let folder = tempfile::tempdir().unwrap();
    let spill = Spill::into_folder(folder.path());
    (folder, spill)
}

fn open_bytes(bytes: Vec<u8>) -> (Archive, Vec<Problem>) {
    let (_folder, spill) = spill();
    let mut problems = Vec::new();
    let archive = open(Arc::new(bytes), "a.tar", &spill, &mut problems).unwrap();
    (archive, problems)
}

/// Every file and link by its path, in order.
fn all(store: &dyn Store) -> Vec<(String, Child)> {
    let mut files = Vec::new();
    let mut folders = vec![(String::new(), String::new())];
    while let Some((path, key)) = folders.pop() {
        for child in store.children(&key).unwrap() {
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

fn content(store: &dyn Store, files: &[(String, Child)], path: &str) -> Vec<u8> {
    let (_, child) = files.iter().find(|(name, _)| name == path).unwrap_or_else(|| panic!("{path} in {files:?}"));
    store.open(&child.key).unwrap().read_all(1 << 28).unwrap().unwrap()
}

/// What GNU tar makes of a folder.
fn made_by_tar(folder: &std::path::Path, options: &[&str]) -> Vec<u8> {
    let run = Command::new("tar").args(options).args(["-cf", "-", "."]).current_dir(folder).output().expect("GNU tar");
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    run.stdout
}

#[test]
#[cfg_attr(not(foreign), ignore = "needs programs of others: COMTRAIL_FOREIGN_REQUIRED=1")]
fn what_gnu_tar_writes_in_each_format() {
    let folder = tempfile::tempdir().unwrap();
    let long = format!("{}/{}", "d".repeat(120), "f".repeat(140));
    let deep = folder.path().join(&long);
    std::fs::create_dir_all(deep.parent().unwrap()).unwrap();
    std::fs::write(&deep, "long").unwrap();
    std::fs::write(folder.path().join("one"), "first").unwrap();
    std::fs::write(folder.path().join("empty"), "").unwrap();
    std::fs::hard_link(folder.path().join("one"), folder.path().join("two")).unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink("one", folder.path().join("way")).unwrap();
    let time = std::time::UNIX_EPOCH + std::time::Duration::new(1_777_885_200, 123_456_700);
    std::fs::File::options().write(true).open(folder.path().join("one")).unwrap().set_modified(time).unwrap();
    for format in ["gnu", "pax", "v7", "ustar", "oldgnu"] {
        let short = matches!(format, "v7" | "ustar");
        let options = [&format!("--format={format}")[..], if short { "--exclude=./ddd*" } else { "--exclude=nothing" }];
        let bytes = made_by_tar(folder.path(), &options);
        let (archive, problems) = open_bytes(bytes);
        assert_eq!(problems, [], "{format}");
        let files = all(&archive);
        assert_eq!(files.len(), if short { 4 } else { 5 }, "{format}: {files:?}");
        assert_eq!(content(&archive, &files, "/one"), b"first");
        assert_eq!(content(&archive, &files, "/two"), b"first", "{format}");
        assert_eq!(content(&archive, &files, "/empty"), b"");
        if !short {
            assert_eq!(content(&archive, &files, &format!("/{long}")), b"long");
        }
        for (path, child) in &files {
            assert_eq!(child.is_link, path == "/way");
            if path == "/one" || path == "/two" {
                // 2026-05-04 09:00:00 UTC in units of 100 ns since 1601; only pax keeps the fraction.
                let expected = 134_223_588_000_000_000 + if format == "pax" { 1_234_567 } else { 0 };
                assert_eq!(child.times.unwrap().modified.unwrap().0, expected, "{format}");
                assert_eq!(child.size, 5);
            }
        }
    }
}

#[test]
#[cfg(unix)]
#[cfg_attr(not(foreign), ignore = "needs programs of others: COMTRAIL_FOREIGN_REQUIRED=1")]
fn holes_in_every_format_of_gnu_tar() {
    use std::os::unix::fs::FileExt;
    let folder = tempfile::tempdir().unwrap();
    let file = std::fs::File::create(folder.path().join("image")).unwrap();
    let mut expected = vec![0u8; 6 << 20];
    // More parts than a header holds, and a hole at the end.
    for part in 0..60u64 {
        let data = format!("part {part}").repeat(500);
        file.write_all_at(data.as_bytes(), part * 65_536).unwrap();
        expected[(part * 65_536) as usize..][..data.len()].copy_from_slice(data.as_bytes());
    }
    file.set_len(expected.len() as u64).unwrap();
    std::fs::write(folder.path().join("later"), "x").unwrap();
    for options in [
        &["--format=gnu", "-S"][..],
        &["--format=pax", "-S", "--sparse-version=0.0"],
        &["--format=pax", "-S", "--sparse-version=0.1"],
        &["--format=pax", "-S", "--sparse-version=1.0"],
    ] {
        let bytes = made_by_tar(folder.path(), options);
        assert!(bytes.len() < expected.len(), "the holes are left out");
        let (archive, problems) = open_bytes(bytes);
        assert_eq!(problems, [], "{options:?}");
        let files = all(&archive);
        assert_eq!(
            files.iter().map(|(path, child)| (path.as_str(), child.size)).collect::<Vec<_>>(),
            [("/image", expected.len() as u64), ("/later", 1)]
        );
        assert!(content(&archive, &files, "/image") == expected, "{options:?}");
        let image = archive.open(&files[0].1.key).unwrap();
        assert_eq!(image.next_data(5 << 20), 6 << 20);
        // What GNU tar stores of it is in blocks of the file system; none of the data is in a hole.
        for part in 0..60u64 {
            let (start, length) = (part * 65_536, format!("part {part}").len() as u64 * 500);
            assert_eq!(image.next_data(start), start);
            let hole = image.next_hole(start);
            assert!((length..65_536).contains(&(hole - start)), "{options:?}: {hole} behind {start}");
            assert_eq!(image.next_data(hole), if part < 59 { start + 65_536 } else { 6 << 20 });
        }
    }
}

/// A header by hand: name, size, kind and checksum.
fn header(name: &str, size: usize, kind: u8) -> Vec<u8> {
    let mut block = vec![0; BLOCK];
    block[..name.len()].copy_from_slice(name.as_bytes());
    block[124..135].copy_from_slice(format!("{size:011o}").as_bytes());
    block[156] = kind;
    block[257..265].copy_from_slice(b"ustar\x0000");
    block[148..156].fill(b' ');
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..154].copy_from_slice(format!("{sum:06o}").as_bytes());
    block[154] = 0;
    block
}

fn plain(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, data) in members {
        bytes.extend(header(name, data.len(), b'0'));
        bytes.extend(*data);
        bytes.resize(bytes.len().next_multiple_of(BLOCK), 0);
    }
    bytes.resize(bytes.len() + 2 * BLOCK, 0);
    bytes
}

#[test]
fn names_that_climb_stay_what_they_are() {
    let members: [(&str, &[u8]); 5] =
        [("a/../../up", b"1"), ("up", b"2"), ("/root/f", b"3"), ("root/f", b"4"), ("a\\b", b"5")];
    let (archive, problems) = open_bytes(plain(&members));
    let files = all(&archive);
    let paths: Vec<&str> = files.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(paths, ["///root/f", "/a/../../up", "/a\\b", "/root/f", "/up"]);
    assert_eq!(content(&archive, &files, "/a/../../up"), b"1");
    assert_eq!(content(&archive, &files, "/up"), b"2");
    assert_eq!(content(&archive, &files, "///root/f"), b"3");
    assert_eq!(content(&archive, &files, "/root/f"), b"4");
    assert!(
        problems[0].kind == ProblemKind::NotUnderstood
            && problems[0].what.ends_with("climb out of their folder with «..»: a/../../up")
    );
    assert!(problems[1].what.contains("root of a file system"));
}

#[test]
fn two_members_of_one_name_are_both_kept() {
    let members: [(&str, &[u8]); 4] =
        [("x/a.log", b"first"), ("x/b", b""), ("x/a.log", b"second"), ("x/a.log", b"third")];
    let (archive, problems) = open_bytes(plain(&members));
    let files = all(&archive);
    let texts: Vec<(&str, Vec<u8>)> =
        files.iter().map(|(path, _)| (path.as_str(), content(&archive, &files, path))).collect();
    let expected: [(&str, &[u8]); 4] =
        [("/x/a.log", b"third"), ("/x/a=~1.log", b"first"), ("/x/a=~2.log", b"second"), ("/x/b", b"")];
    assert_eq!(texts, expected.map(|(path, text)| (path, text.to_vec())));
    assert!(problems[0].kind.particulars().contains("x/a"), "{problems:?}");
}

#[test]
fn what_is_there_of_a_cut_archive_is_kept() {
    let data = vec![7u8; 5000];
    let whole = plain(&[("a", b"1"), ("b", &data)]);
    let (archive, problems) = open_bytes(whole[..1024 + 512 + 3000].to_vec());
    let files = all(&archive);
    assert_eq!(files[1].1.size, 5000);
    assert_eq!(content(&archive, &files, "/b"), data[..3000]);
    assert!(matches!(problems[0].kind, ProblemKind::Truncated { .. }), "{problems:?}");
    let (_, problems) = open_bytes(whole[..1024].to_vec());
    assert!(problems[0].what.contains("no end mark"), "{problems:?}");
}

#[test]
fn a_damaged_header_costs_only_its_member() {
    let mut bytes = plain(&[("a", b"1"), ("b", b"2"), ("c", b"3")]);
    bytes[1024 + 3] ^= 1;
    let (archive, problems) = open_bytes(bytes);
    let paths: Vec<String> = all(&archive).into_iter().map(|(path, _)| path).collect();
    assert_eq!(paths, ["/a", "/c"]);
    assert!(problems[0].what.contains("the header of b at"), "{problems:?}");
    assert!(problems[0].what.contains("at offset 1024"), "{problems:?}");
}

/// Every bit of the first header, in archives of Python's tarfile form: the member is named, and those behind it are read.
#[test]
fn any_wrong_bit_in_the_first_header_costs_only_its_member() {
    let inner = plain(&[("inner", b"a tar archive in the archive")]);
    let mut good = plain(&[("C/first.tar", &inner), ("C/second", b"2"), ("C/third", b"3")]);
    for at in [0, good.len() - 1024 - 2 * 1024, good.len() - 1024 - 1024] {
        let block = &mut good[at..at + BLOCK];
        for (field, text) in
            [(100..107, "0000644"), (108..115, "0001000"), (116..123, "0001000"), (136..147, "15173612345")]
        {
            block[field].copy_from_slice(text.as_bytes());
        }
        block[148..156].fill(b' ');
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    }
    assert_eq!(open_bytes(good.clone()).1, []);
    for bit in 0..BLOCK * 8 {
        let mut bad = good.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        let head = &bad[..BLOCK];
        if is_header(head) {
            // A bit of the checksum's own field that no program reads.
            assert!((148..156).contains(&(bit / 8)), "bit {bit}");
            continue;
        }
        assert!(was_header(head) && has_magic(head), "bit {bit}");
        let (archive, problems) = open_bytes(bad.clone());
        let paths: Vec<String> = all(&archive).into_iter().map(|(path, _)| path).collect();
        assert!(paths.starts_with(&["/C/second".to_owned(), "/C/third".to_owned()]), "bit {bit}: {paths:?}");
        let name = name::from_bytes(head[..100].split(|byte| *byte == 0).next().unwrap());
        assert!(problems[0].what.contains(&*name::shown(&name)), "bit {bit}: {problems:?}");
        // Where the bit can also be one of the size, the nearer end is taken, and the archive in the member is met behind it.
        assert!(paths.len() == 2 || paths[2..] == ["/inner"], "bit {bit}: {paths:?}");
    }
    for other in [&b"MZ\x90\0\x03\0\0\0\x04\0\0\0\xff\xff\0\0"[..], &[0; BLOCK], b"regf", &[b'7'; BLOCK]] {
        let mut block = other.to_vec();
        block.resize(BLOCK, 0);
        assert!(!was_header(&block) || !has_magic(&block));
    }
}

#[test]
fn any_byte_may_be_anything() {
    let mut good = plain(&[("./x/one", b"first"), ("two", &[9; 700])]);
    let record = b"30 mtime=1350244992.023960108\n21 path=x/\xC3\xBC and more\n";
    let mut pax = header("p", record.len(), b'x');
    pax.extend(record);
    pax.resize(2 * BLOCK, 0);
    good.splice(0..0, pax);
    for at in (0..good.len()).filter(|at| good[*at] != 0 || at % 97 == 0) {
        for value in [b'7', 0xFF, good[at] ^ 1] {
            let mut bad = good.clone();
            bad[at] = value;
            // A header whose checksum is wrong is not looked into, so the checksum is made right again.
            for block in [0, 2 * BLOCK] {
                bad[block + 148..block + 156].fill(b' ');
                let sum: u32 = bad[block..block + BLOCK].iter().map(|byte| u32::from(*byte)).sum();
                bad[block + 148..block + 155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
            }
            let (archive, _) = open_bytes(bad);
            for (_, child) in all(&archive) {
                if let Ok(bytes) = archive.open(&child.key) {
                    let mut buffer = [0; 2000];
                    let _ = bytes.read_full_at(0, &mut buffer);
                    let _ = bytes.read_full_at(bytes.len().saturating_sub(5), &mut buffer);
                }
            }
        }
    }
}
