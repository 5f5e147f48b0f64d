//! Several copies of one file, links to files, and disks that are parents of others.

use super::*;

const SYSTEM: &str = r"C:\Windows\System32\config\SYSTEM";

/// A hive of one bin that ends with this byte.
pub(super) fn hive(last: u8) -> Vec<u8> {
    let mut hive = vec![0; 8192];
    hive[..4].copy_from_slice(b"regf");
    hive[40..44].copy_from_slice(&4096u32.to_le_bytes());
    // "regf" and 0x1000 as numbers, XOR.
    hive[508..512].copy_from_slice(&0x6667_7572_u32.to_le_bytes());
    hive[4096..4100].copy_from_slice(b"hbin");
    hive[4104..4108].copy_from_slice(&4096u32.to_le_bytes());
    hive[8191] = last;
    hive
}

/// A longer one whose checksum is wrong.
fn damaged() -> Vec<u8> {
    let mut hive = hive(0);
    hive[200] = 1;
    hive.resize(20_000, 7);
    hive
}

fn hives(source: &Source) -> Vec<String> {
    at(source, &Reads::Key { hive: evidence::Hive::System, key: "" })
}

/// Whether the artifacts of event logs get a file.
fn is_analysed(source: &Source, original: &str) -> bool {
    let (volume, tree) = source.volumes.iter().find(|(own, _)| original.starts_with(&own.original_path("\\"))).unwrap();
    let tree = tree.as_ref().unwrap();
    tree.is_whole(&tree.lookup(&original[volume.original_path("").len()..]).unwrap().unwrap())
}

/// The bytes of the file with this original path.
pub(super) fn bytes_of(source: &Source, original: &str) -> Vec<u8> {
    let (volume, tree) = source.volumes.iter().find(|(own, _)| original.starts_with(&own.original_path("\\"))).unwrap();
    let tree = tree.as_ref().unwrap();
    let path = &original[volume.original_path("").len()..];
    tree.open(&tree.lookup(path).unwrap().unwrap()).unwrap().read_all(1 << 20).unwrap().unwrap()
}

pub(super) fn problems(source: &Source) -> Vec<Problem> {
    source.volumes.iter().flat_map(|(_, tree)| tree.as_ref().unwrap().take_problems()).collect()
}

/// A zip archive in which members have one name: `~` in a name was a letter when it was packed.
fn zip_of_twins(files: Files<'_>) -> Vec<u8> {
    let mut numbered: Vec<(String, &[u8])> = Vec::new();
    for (index, (name, content)) in files.iter().enumerate() {
        numbered.push((name.replace('~', &index.to_string()), content));
    }
    let plain: Vec<(&str, &[u8])> = numbered.iter().map(|(name, content)| (name.as_str(), *content)).collect();
    let mut zip = zip_of(&plain);
    for ((name, _), (packed, _)) in files.iter().zip(&numbered) {
        let wanted = name.replace('~', "M");
        let places: Vec<usize> = zip
            .windows(packed.len())
            .enumerate()
            .filter(|(_, part)| *part == packed.as_bytes())
            .map(|(at, _)| at)
            .collect();
        assert_eq!(places.len(), 2, "before the member and in the directory");
        places.iter().for_each(|at| zip[*at..*at + wanted.len()].copy_from_slice(wanted.as_bytes()));
    }
    zip
}

#[test]
fn of_two_copies_the_readable_one_is_used_however_long_the_other_is() {
    let folder = make(&[
        ("uploads/auto/C%3A/Windows/System32/config/SYSTEM", &damaged()),
        ("uploads/auto/C%3A/Windows/System32/config/SYSTEM.LOG1", b"regf of another moment"),
        ("uploads/auto/C%3A/Windows/System32/config/SAM", &hive(1)),
        ("uploads/ntfs/%5C%5C.%5CC%3A/Windows/System32/config/SYSTEM", &hive(9)),
        ("uploads/ntfs/%5C%5C.%5CC%3A/Windows/System32/config/SYSTEM.LOG1", b"regf of its log"),
        ("uploads/ntfs/%5C%5C.%5CC%3A/Windows/System32/config/SAM", &hive(2)),
    ]);
    let found = opened(folder.path());
    assert_eq!(found.len(), 1);
    let other = r"{C-auto}\Windows\System32\config\SYSTEM";
    assert_eq!(hives(&found[0]), [SYSTEM, other]);
    assert_eq!(bytes_of(&found[0], SYSTEM), hive(9));
    assert_eq!(bytes_of(&found[0], other), damaged());
    assert!(is_analysed(&found[0], SYSTEM) && !is_analysed(&found[0], other));
    let said = problems(&found[0]);
    let of_hive: Vec<&Problem> = said.iter().filter(|problem| problem.item == SYSTEM[2..]).collect();
    let [Problem { kind: ProblemKind::Inconsistent { a, b }, effect, .. }] = of_hive[..] else { panic!("{said:?}") };
    assert!(
        a.starts_with("8192 bytes in /uploads/ntfs/") && b.starts_with("20000 bytes in /uploads/auto/"),
        "{a}; {b}"
    );
    assert!(effect.contains("signature") && effect.contains("checksums"), "{effect}");
    // A log is used with the hive that it lies beside, though the other one is longer.
    let log = crate::run::locate(&found[0], &Reads::Key { hive: evidence::Hive::System, key: "" }).0;
    let logs = crate::run::hive_logs(&found[0], &log[0]);
    let logs: Vec<String> = logs.iter().map(|log| log.original_path(&found[0].volumes[log.volume].0)).collect();
    assert_eq!(logs, [format!("{SYSTEM}.LOG1")]);
    assert_eq!(bytes_of(&found[0], &logs[0]), b"regf of its log");
    // Of two whole ones of one length, what was read below the file system.
    assert_eq!(bytes_of(&found[0], &SYSTEM.replace("SYSTEM", "SAM")), hive(2));
    assert!(is_analysed(&found[0], r"{C-auto}\Windows\System32\config\SAM"));
}

#[test]
fn members_of_one_name_are_copies_of_one_file() {
    let log = "C/Windows/System32/winevt/Logs/Security.~vtx";
    let zip = zip_of_twins(&[
        ("C/Windows/System32/config/SYSTE~", &hive(1)),
        ("C/Windows/System32/config/SYSTE~", &damaged()),
        ("C/Windows/System32/config/SYSTE~", b"regf"),
        ("C/Windows/System32/config/SOFTWARE", HIVE),
        (&log.replace("~vtx", "evt~"), LOG),
        (&log.replace("~vtx", "evt~"), b"longer, and no log"),
    ]);
    let folder = make(&[("host.zip", &zip)]);
    for path in [folder.path().join("host.zip"), folder.path().to_owned()] {
        let found = opened(&path);
        assert_eq!(found.len(), 1);
        let other = r"{C-copy}\Windows\System32\config\SYSTEM";
        let numbered = format!("{other}=~1");
        assert_eq!(hives(&found[0]), [SYSTEM, other, &numbered]);
        assert_eq!(bytes_of(&found[0], SYSTEM), hive(1), "the first one is whole");
        assert_eq!(bytes_of(&found[0], other), b"regf", "the last one");
        assert_eq!(bytes_of(&found[0], &numbered), damaged());
        // Names are sought with a wildcard there.
        let pattern = Reads::File(r"%SystemRoot%\System32\winevt\Logs\*.evt?");
        let names =
            [r"C:\Windows\System32\winevt\Logs\Security.evtM", r"{C-copy}\Windows\System32\winevt\Logs\Security.evtM"];
        assert_eq!(at(&found[0], &pattern), names);
        let said = problems(&found[0]);
        assert!(said.len() == 2 && said[0].kind.particulars().contains("an earlier member"), "{said:?}");
        assert!(found[0].volumes.iter().all(|(volume, tree)| volume.is_shown(tree.as_deref())));
    }
}

#[test]
fn files_outside_of_trees_are_no_copies_of_each_other() {
    let zip = zip_of_twins(&[("logs/a.evt~", LOG), ("logs/a.evt~", b"ElfFile\0second")]);
    let folder = make(&[("logs.zip", &zip)]);
    let found = opened(folder.path());
    let paths = [r"{files}\logs.zip\logs\a.evtM", r"{files}\logs.zip\logs\a=~1.evtM"];
    assert_eq!(logs(&found[0]), paths);
    assert_eq!(paths.map(|path| bytes_of(&found[0], path)), [&b"ElfFile\0second"[..], LOG]);
}

#[cfg(target_os = "linux")]
#[test]
fn spellings_that_differ_in_case_only_are_copies_of_one_file() {
    let folder = make(&[
        ("C/Windows/System32/config/SYSTEM", &damaged()),
        ("C/Windows/System32/config/system", &hive(3)),
        ("C/Windows/System32/winevt/Logs/A.evtx", LOG),
        ("C/Windows/system32/winevt/Logs/A.evtx", b"ElfFile\0longer"),
        ("logs/B.evtx", LOG),
        ("LOGS/B.evtx", b"ElfFile\0another"),
    ]);
    let found = opened(folder.path());
    assert_eq!(found.len(), 2, "one host, and the files outside of it");
    let (own, other) = (r"C:\Windows\System32\config\system", r"{C-copy}\Windows\System32\config\SYSTEM");
    assert_eq!(hives(&found[0]), [own, other]);
    assert_eq!((bytes_of(&found[0], own), bytes_of(&found[0], other)), (hive(3), damaged()));
    let (own, other) = (r"C:\Windows\system32\winevt\Logs\A.evtx", r"{C-copy}\Windows\System32\winevt\Logs\A.evtx");
    assert_eq!(logs(&found[0]), [own, other]);
    assert_eq!(bytes_of(&found[0], own), b"ElfFile\0longer");
    assert_eq!(bytes_of(&found[0], other), LOG);
    assert_eq!(problems(&found[0]).len(), 2);
    for (path, bytes) in [(r"{files}\logs\B.evtx", LOG), (r"{files}\LOGS\B.evtx", b"ElfFile\0another")] {
        assert_eq!(bytes_of(&found[1], path), bytes, "{path}");
    }
}

#[test]
fn a_volume_without_other_copies_is_not_told() {
    let folder = make(&[("C/Windows/System32/config/SYSTEM", HIVE)]);
    let found = opened(folder.path());
    assert_eq!(hives(&found[0]), [SYSTEM]);
    let shown: Vec<bool> = found[0].volumes.iter().map(|(volume, tree)| volume.is_shown(tree.as_deref())).collect();
    assert_eq!(shown, [true, false]);
}

#[cfg(unix)]
#[test]
fn links_to_files_are_followed_inside_of_the_source() {
    use std::os::unix::fs::symlink;
    let outside = make(&[("secret.evtx", b"ElfFile\0secret")]);
    let folder = make(&[
        ("C/Windows/System32/config/SOFTWARE", HIVE),
        ("C/Windows/System32/winevt/Logs/Own.evtx", LOG),
        ("C/Elsewhere/real.bin", b"ElfFile\0in the volume"),
        ("C/Elsewhere/hive", &hive(4)),
        ("D/kept.bin", b"ElfFile\0on the other drive"),
        ("loose/x.bin", b"text"),
    ]);
    let (tree, place) =
        (folder.path().join("C"), |name: &str| folder.path().join("C/Windows/System32/winevt/Logs").join(name));
    symlink("/Elsewhere/hive", tree.join("Windows/System32/config/SYSTEM")).unwrap();
    symlink("../../../../Elsewhere/real.bin", place("A.evtx")).unwrap();
    symlink("A.evtx", place("B.evtx")).unwrap();
    symlink("../../../../../D/kept.bin", place("C.evtx")).unwrap();
    symlink(folder.path().join("D/kept.bin"), place("D.evtx")).unwrap();
    symlink(r"D:\kept.bin", place("E.evtx")).unwrap();
    symlink(outside.path().join("secret.evtx"), place("F.evtx")).unwrap();
    symlink("G.evtx", place("G.evtx")).unwrap();
    symlink("../../../../../../up.evtx", place("H.evtx")).unwrap();
    symlink("../C/Elsewhere/real.bin", folder.path().join("loose/inside.evtx")).unwrap();
    symlink(outside.path().join("secret.evtx"), folder.path().join("loose/outside.evtx")).unwrap();
    let found = opened(folder.path());
    assert_eq!(bytes_of(&found[0], SYSTEM), hive(4));
    assert_eq!(hives(&found[0]), [SYSTEM]);
    let log = |name: &str| format!(r"C:\Windows\System32\winevt\Logs\{name}.evtx");
    let read = |name: &str| bytes_of(&found[0], &log(name));
    assert_eq!(["A", "B"].map(read), [b"ElfFile\0in the volume"; 2]);
    assert_eq!(["C", "D", "E"].map(read), [b"ElfFile\0on the other drive"; 3]);
    let files = found[0].volumes[0].1.as_ref().unwrap();
    assert_eq!(files.lookup(&log("C")[2..]).unwrap().unwrap().size, 26);
    for name in ["F", "G", "H"] {
        let problem = files.lookup(&log(name)[2..]).err().unwrap();
        assert_eq!(problem.kind, ProblemKind::AccessDenied, "{problem:?}");
    }
    let said = &found[0].problems;
    assert!(said.len() == 1 && said[0].item == r"\loose\outside.evtx", "{said:?}");
    assert!(said[0].what.contains("secret.evtx"), "{said:?}");
}

#[cfg(unix)]
#[test]
fn a_tree_is_known_by_what_can_be_opened_in_it() {
    let folder = make(&[("case/C/Windows/System32/winevt/Logs/B.evtx", LOG)]);
    let link = folder.path().join("case/C/Windows/System32/winevt/Logs/A.evtx");
    std::os::unix::fs::symlink("/nowhere", link).unwrap();
    let found = opened(folder.path());
    assert_eq!(found.len(), 1);
    assert_eq!(bytes_of(&found[0], r"C:\Windows\System32\winevt\Logs\B.evtx"), LOG);
}

#[cfg(unix)]
#[test]
fn a_link_to_another_drive_of_the_collection_is_followed() {
    use std::os::unix::fs::symlink;
    let folder = make(&[
        ("C/Windows/System32/config/SYSTEM", HIVE),
        ("C/Windows/System32/winevt/x", b""),
        ("D/Kept/Logs/Security.evtx", LOG),
    ]);
    let link = folder.path().join("C/Windows/System32/winevt/Logs");
    for target in ["../../../../D/Kept/Logs", r"D:\Kept\Logs", r"\??\D:\Kept\Logs\"] {
        symlink(target, &link).unwrap();
        let found = opened(folder.path());
        let pattern = Reads::File(r"%SystemRoot%\System32\winevt\Logs\*.evtx");
        assert_eq!(at(&found[0], &pattern), [r"D:\Kept\Logs\Security.evtx"], "{target}");
        std::fs::remove_file(&link).unwrap();
    }
    symlink(r"E:\Logs", &link).unwrap();
    let found = opened(folder.path());
    let said = crate::run::locate(&found[0], &Reads::File(r"%SystemRoot%\System32\winevt\Logs\*.evtx")).1;
    assert!(said.len() == 1 && said[0].what.contains(r"E:\Logs"), "{said:?}");
}

/// A QCOW2 of version 2 that holds nothing of its own, over this file.
fn overlay(backing: &str, size: usize, encryption: u32) -> Vec<u8> {
    let mut disk = vec![0; 3 << 16];
    disk[..4].copy_from_slice(b"QFI\xfb");
    disk[4..8].copy_from_slice(&2u32.to_be_bytes());
    disk[8..16].copy_from_slice(&256u64.to_be_bytes());
    disk[16..20].copy_from_slice(&u32::try_from(backing.len()).unwrap().to_be_bytes());
    disk[20..24].copy_from_slice(&16u32.to_be_bytes());
    disk[24..32].copy_from_slice(&(size as u64).to_be_bytes());
    disk[32..36].copy_from_slice(&encryption.to_be_bytes());
    disk[36..40].copy_from_slice(&1u32.to_be_bytes());
    disk[40..48].copy_from_slice(&(1u64 << 16).to_be_bytes());
    disk[48..56].copy_from_slice(&(2u64 << 16).to_be_bytes());
    disk[56..60].copy_from_slice(&1u32.to_be_bytes());
    disk[256..256 + backing.len()].copy_from_slice(backing.as_bytes());
    disk
}

#[test]
fn a_disk_that_another_one_is_a_difference_to_is_no_host_of_its_own() {
    let base = disk_of(&[&crate::source::volume::ntfs::tests::fixture_volume()]);
    let kinds = |found: &[Source]| found.iter().map(|source| source.kind).collect::<Vec<_>>();
    for (base_name, child) in [("a.raw", "b.qcow2"), ("b.raw", "a.qcow2"), ("a.raw", "sub/b.qcow2")] {
        let other = overlay(base_name, base.len(), 0);
        let files = [(base_name, &base[..]), (child, &other[..])];
        let beside = !child.contains('/');
        let folder = make(&files);
        let packed = make(&[("disks.zip", &zip_of(&files))]);
        for path in [folder.path().to_owned(), packed.path().join("disks.zip")] {
            let found = opened(&path);
            let expected = if beside { "QCOW2 image" } else { "raw image" };
            assert_eq!(kinds(&found), [expected], "{base_name} and {child} in {}", path.display());
            let facts = &found[0].facts;
            assert_eq!(facts.iter().any(|fact| *fact == ("backing file".to_owned(), base_name.to_owned())), beside);
            assert_eq!(found[0].problems.is_empty(), beside, "the parent of the one in the other folder is missing");
        }
    }
    // Two states of one disk, and one behind the other, are as many hosts as nothing is a difference to.
    let over = |name: &str| overlay(name, base.len(), 0);
    let folder = make(&[
        ("a.raw", &base),
        ("b.qcow2", &over("a.raw")),
        ("c.qcow2", &over("b.qcow2")),
        ("d.qcow2", &over("a.raw")),
    ]);
    assert_eq!(kinds(&opened(folder.path())), ["QCOW2 image"; 2]);
    // A difference that cannot be opened says nothing of its parent.
    let folder = make(&[("a.qcow2", &overlay("b.raw", base.len(), 1)), ("b.raw", &base)]);
    let found = opened(folder.path());
    assert_eq!(kinds(&found), ["raw image"]);
    assert_eq!(found[0].problems.len(), 1, "{:?}", found[0].problems);
}
