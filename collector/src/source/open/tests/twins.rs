//! Users whose names differ little: in letters that NTFS tells apart, and in case only.

use super::copies::{bytes_of, hive, problems};
use super::*;

const USERS: Reads = Reads::Key { hive: evidence::Hive::NtUser, key: "" };

/// A tar archive (ustar) of these files.
fn tar_of(files: Files<'_>) -> Vec<u8> {
    let mut tar = Vec::new();
    for (name, content) in files {
        let mut header = [0; 512];
        header[..name.len()].copy_from_slice(name.as_bytes());
        header[100..107].copy_from_slice(b"0000644");
        header[124..135].copy_from_slice(format!("{:011o}", content.len()).as_bytes());
        header[136..147].copy_from_slice(b"00000000000");
        header[148..156].fill(b' ');
        header[156] = b'0';
        header[257..265].copy_from_slice(b"ustar\x0000");
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        tar.extend(header);
        tar.extend(*content);
        tar.resize(tar.len().next_multiple_of(512), 0);
    }
    tar.resize(tar.len() + 1024, 0);
    tar
}

/// Every hive of a user in this source, with its last byte.
fn hives(source: &Source) -> Vec<(String, u8)> {
    at(source, &USERS).into_iter().map(|path| (path.clone(), *bytes_of(source, &path).last().unwrap())).collect()
}

#[test]
fn users_of_names_that_ntfs_tells_apart_are_several() {
    let names =
        ["Weiss", "Weiß", "fi", "irmak", "sam", "\u{b5}", "\u{131}rmak", "\u{17f}am", "Σ", "\u{3bc}", "ς", "\u{fb01}"];
    let paths: Vec<String> = names.iter().map(|name| format!("C/Users/{name}/NTUSER.DAT")).collect();
    let contents: Vec<Vec<u8>> = (1..).take(names.len()).map(hive).collect();
    let mut files = vec![("C/Windows/System32/winevt/Logs/Security.evtx", LOG)];
    files.extend(paths.iter().map(String::as_str).zip(contents.iter().map(Vec::as_slice)));
    let folder = make(&[("x.zip", &zip_of(&files)), ("x.tar", &tar_of(&files))]);
    let tree = make(&files);
    for place in [tree.path().to_owned(), folder.path().join("x.zip"), folder.path().join("x.tar")] {
        let found = opened(&place);
        assert_eq!(found.len(), 1);
        let mut wanted: Vec<(String, u8)> =
            names.iter().zip(1..).map(|(name, last)| (format!(r"C:\Users\{name}\NTUSER.DAT"), last)).collect();
        wanted.sort();
        let mut users = hives(&found[0]);
        users.sort();
        assert_eq!(users, wanted, "{}", place.display());
        assert_eq!(problems(&found[0]), [], "{}", place.display());
    }
}

/// Two names that NTFS takes for one, in a source that has both: each has its own bytes, and its own spelling.
#[cfg(target_os = "linux")]
#[test]
fn users_of_names_that_differ_in_case_only_keep_their_spelling() {
    for (one, other) in [("A", "a"), ("Ärne", "äRNE"), ("Σ", "σ")] {
        let path = |name: &str, file: &str| format!("C/Users/{name}/{file}");
        let (first, second) = (path(one, "NTUSER.DAT"), path(other, "NTUSER.DAT"));
        let (log_of_first, log) = (path(one, "NTUSER.DAT.LOG1"), path(other, "NTUSER.DAT.LOG1"));
        let alone = path(other, "AppData/Local/Microsoft/Windows/UsrClass.dat");
        for (of_first, of_second) in [(hive(1), hive(2)), (hive(1)[..5000].to_vec(), hive(2))] {
            let files = [
                ("C/Windows/System32/winevt/Logs/Security.evtx", LOG),
                (first.as_str(), of_first.as_slice()),
                (second.as_str(), of_second.as_slice()),
                (log_of_first.as_str(), b"regf of the first".as_slice()),
                (log.as_str(), b"regf of the other"),
                (alone.as_str(), &hive(3)),
            ];
            let folder = make(&[("x.zip", &zip_of(&files))]);
            let tree = make(&files);
            for place in [tree.path().to_owned(), folder.path().join("x.zip")] {
                let found = opened(&place);
                let of = |path: &str| *bytes_of(&found[0], path).last().unwrap();
                let users = at(&found[0], &USERS);
                let is_first = of_first.len() == of_second.len();
                let (used, copied) = if is_first { (one, other) } else { (other, one) };
                let (used, copied) =
                    (format!(r"C:\Users\{used}\NTUSER.DAT"), format!(r"{{C-copy}}\Users\{copied}\NTUSER.DAT"));
                assert_eq!(users, [used.clone(), copied.clone()]);
                let lasts = [of_first.last().copied().unwrap(), 2];
                assert_eq!([of(&used), of(&copied)], if is_first { lasts } else { [2, lasts[0]] });
                // The log that lies beside the hive belongs to it.
                let log = bytes_of(&found[0], &format!("{used}.LOG1"));
                assert_eq!(log.ends_with(b"the first"), is_first, "{place:?}");
                let class = Reads::Key { hive: evidence::Hive::UsrClass, key: "" };
                let own = format!(r"C:\Users\{other}\AppData\Local\Microsoft\Windows\UsrClass.dat");
                assert_eq!(at(&found[0], &class), [own]);
                let said = format!("{:?}", problems(&found[0]));
                let both = [one, other].map(|name| format!(r"\Users\{name}\NTUSER.DAT").escape_debug().to_string());
                assert!(both.iter().all(|name| said.contains(name)), "{said}");
            }
        }
    }
}

#[test]
fn names_of_a_zip_that_differ_in_one_byte_are_both_kept() {
    let mut zip = zip_of(&[
        ("C/Windows/System32/winevt/Logs/Security.evtx", LOG),
        ("C/Users/J#rg/NTUSER.DAT", &hive(1)),
        ("C/Users/J@rg/NTUSER.DAT", &hive(2)),
    ]);
    // Latin-1 for ä and å, which code page 437 has for the two cases of sigma.
    for (mark, byte) in [(b"J#rg", 0xE4), (b"J@rg", 0xE5)] {
        let places: Vec<usize> = (0..zip.len() - 4).filter(|at| zip[*at..*at + 4] == *mark).collect();
        assert_eq!(places.len(), 2, "before the member and in the directory");
        places.iter().for_each(|at| zip[at + 1] = byte);
    }
    let folder = make(&[("x.zip", &zip)]);
    let found = opened(&folder.path().join("x.zip"));
    let users = hives(&found[0]);
    let wanted = [(r"C:\Users\JΣrg\NTUSER.DAT".to_owned(), 1), (r"{C-copy}\Users\Jσrg\NTUSER.DAT".to_owned(), 2)];
    assert_eq!(users, wanted);
}
