//! Every way to change a bundle is seen.

use super::*;
use std::io::{Cursor, Read, Write};

const LOG: &str = "data/raw/C/Windows/System32/winevt/Logs/Security.evtx";

type Files = Vec<(String, Vec<u8>)>;

fn unpacked(bundle: &Path) -> Files {
    let mut archive = zip::ZipArchive::new(std::fs::File::open(bundle).unwrap()).unwrap();
    (0..archive.len())
        .map(|index| {
            let mut file = archive.by_index(index).unwrap();
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes).unwrap();
            (file.name().unwrap().into_owned(), bytes)
        })
        .collect()
}

fn packed(files: &Files) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in files {
        zip.start_file(name.as_str(), zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(content).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// What verification says of these bytes.
fn said(bytes: &[u8]) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("b.zip");
    std::fs::write(&path, bytes).unwrap();
    match collector::verify(&path, 2, &NEVER, &Silent) {
        Ok(report) => {
            assert_eq!(report.is_right(), report.wrong.is_empty());
            report.wrong.iter().map(ToString::to_string).collect()
        }
        Err(error) => vec![error.to_string()],
    }
}

fn bundle() -> (tempfile::TempDir, PathBuf) {
    let (folder, evidence, bundle) = small_host();
    Collection::default().run(&evidence, &bundle, &nothing_named).unwrap();
    (folder, bundle)
}

#[test]
fn changed_removed_added_and_renamed_files_are_seen() {
    let (_folder, bundle) = bundle();
    let files = unpacked(&bundle);
    assert_eq!(said(&packed(&files)), [] as [&str; 0], "repacking by another program changes nothing");
    for index in 0..files.len() {
        let (name, content) = &files[index];
        let short = name.split_once('/').unwrap().1;
        let mut removed = files.clone();
        removed.remove(index);
        assert!(
            said(&packed(&removed)).iter().any(|what| what.contains(short) || short == "bagit.txt"),
            "{name} removed"
        );
        let mut renamed = files.clone();
        renamed[index].0.push('x');
        let what = said(&packed(&renamed));
        assert!(what.len() >= 2 || short == "bagit.txt", "{name} renamed: {what:?}");
        for byte in [0, content.len() / 2, content.len().saturating_sub(1)] {
            if byte < content.len() {
                let mut changed = files.clone();
                changed[index].1[byte] ^= 1;
                assert!(
                    said(&packed(&changed)).iter().any(|what| what.starts_with(short))
                        || short.starts_with("tagmanifest"),
                    "{name} {byte}"
                );
                assert!(!said(&packed(&changed)).is_empty(), "{name} {byte}");
            }
        }
    }
    let root = files[0].0.split_once('/').unwrap().0.to_owned();
    for added in ["data/raw/C/new", "metadata/new.json", "new.txt", "data/../new", "fetch.txt"] {
        let mut more = files.clone();
        more.push((format!("{root}/{added}"), b"new".to_vec()));
        assert!(said(&packed(&more)).iter().any(|what| what.contains("new") || what.contains("fetch")), "{added}");
    }
    let mut outside = files.clone();
    outside.push(("elsewhere/new".to_owned(), Vec::new()));
    assert_eq!(said(&packed(&outside)), ["elsewhere/new: lies outside of the bag"]);
    let mut folders = packed(&files);
    folders.extend(b"trailing");
    assert!(!said(&folders).is_empty());
}

#[test]
fn every_wrong_thing_is_listed() {
    let (_folder, bundle) = bundle();
    let mut files = unpacked(&bundle);
    let payload: Vec<usize> = (0..files.len()).filter(|index| files[*index].0.contains("/winevt/")).collect();
    for index in &payload {
        files[*index].1.push(b'!');
    }
    let what = said(&packed(&files));
    assert_eq!(payload.len(), 2);
    for index in payload {
        let short = files[index].0.split_once('/').unwrap().1;
        assert_eq!(what.iter().filter(|what| what.starts_with(short)).count(), 2, "a digest and a length: {what:?}");
    }
}

#[test]
fn a_second_entry_of_the_same_name_is_seen() {
    let (_folder, bundle) = bundle();
    let mut files = unpacked(&bundle);
    let index = files.iter().position(|(name, _)| name.ends_with("Security.evtx")).unwrap();
    // The zip library refuses to write a name twice, so a name of the same length is patched afterwards.
    let name = files[index].0.clone();
    let other = name.replace("Security.evtx", "Securitx.evtx");
    files.push((other.clone(), b"other".to_vec()));
    let mut bytes = packed(&files);
    let mut at = 0;
    while let Some(found) = bytes[at..].windows(other.len()).position(|window| window == other.as_bytes()) {
        bytes[at + found..at + found + other.len()].copy_from_slice(name.as_bytes());
        at += found + 1;
    }
    assert!(said(&bytes).iter().any(|what| what.contains("occurs 2 times")), "{:?}", said(&bytes));
    let path = _folder.path().join("doubled.zip");
    std::fs::write(&path, &bytes).unwrap();
    assert!(BundleReader::open(&path).is_err());
}

#[test]
fn every_changed_byte_of_the_archive_is_seen_or_means_nothing() {
    let (_folder, bundle) = bundle();
    let bytes = std::fs::read(&bundle).unwrap();
    let original = unpacked(&bundle);
    // Times, permissions, versions and the like are no part of the evidence; every other byte is.
    let mut unseen = Vec::new();
    for at in (0..bytes.len()).step_by(3) {
        let mut changed = bytes.clone();
        changed[at] ^= 0x10;
        if said(&changed).is_empty() {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("b.zip");
            std::fs::write(&path, &changed).unwrap();
            assert_eq!(unpacked(&path), original, "byte {at}");
            unseen.push(at);
        }
    }
    assert!(unseen.len() < bytes.len() / 20, "{} of {}", unseen.len(), bytes.len());
}

#[test]
fn an_object_that_was_changed_is_never_analyzed() {
    let (_folder, bundle) = bundle();
    let mut files = unpacked(&bundle);
    let index = files.iter().position(|(name, _)| name.ends_with("Security.evtx")).unwrap();
    files[index].1[0] ^= 1;
    let path = _folder.path().join("changed.zip");
    std::fs::write(&path, packed(&files)).unwrap();
    let reader = BundleReader::open(&path).unwrap();
    for item in reader.items().to_vec() {
        let opened = reader.open_item(&item, _folder.path());
        assert_eq!(opened.is_err(), item.original_path.ends_with("Security.evtx"));
    }
}

#[test]
fn a_change_of_what_no_parser_reads_is_refused() {
    use crate::program::{comtrail, text};
    let (folder, bundle) = bundle();
    let reader = BundleReader::open(&bundle).unwrap();
    // The artifact is the test's own, so that the program has no parser for it.
    let unread = reader.items().to_vec().into_iter().find(|item| item.wanted_by == ["registry"]).unwrap();
    let files = unpacked(&bundle);
    let case = folder.path().join("case");
    let path = folder.path().join("b.zip");
    let analyze = |files: &Files, more: &[&str]| {
        std::fs::write(&path, packed(files)).unwrap();
        let output = comtrail(&[&["analyze", text(&path), "-o", text(&case), "--quiet"], more].concat());
        (output.status.code().unwrap(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    for changed in [unread.bundle_path.as_deref().unwrap(), LOG] {
        let mut files = files.clone();
        files.iter_mut().find(|(name, _)| name.ends_with(changed)).unwrap().1[0] ^= 1;
        let (status, refused) = analyze(&files, &[]);
        assert_eq!(status, 1, "{changed}: {refused}");
        assert_eq!(std::fs::read_dir(&case).unwrap().count(), 0, "{changed} left something");
        let verified = said(&packed(&files));
        assert!(verified.len() == 1 && verified[0].starts_with(changed), "{verified:?}");
        let words = format!("was changed after it was sealed, and nothing of it was analysed: {}. ", verified[0]);
        assert!(refused.contains(&words), "{refused}");
    }
    let (status, said) = analyze(&files, &[]);
    assert!(matches!(status, 0 | 2) && case.join("report.json").is_file(), "{said}");
}

/// The bundle is begun to be verified, something happens to the file, and it is read: what that gives.
fn meanwhile(bundle: &Path, happens: &dyn Fn()) -> Result<(Vec<Item>, collector::VerifyReport), String> {
    let folder = tempfile::tempdir().unwrap();
    let opened = collector::OpenBundle::open(bundle).unwrap();
    let structure = opened.structure(&NEVER, &Silent).unwrap();
    assert!(structure.so_far().is_valid());
    happens();
    let spill = collector::Spill::into_folder(folder.path());
    let reader = opened.read_verifying(structure, &spill, &NEVER).map_err(|error| error.to_string())?;
    let items = reader.items().to_vec();
    for item in items.iter().filter(|item| item.bundle_path.is_some()) {
        reader.open_item(item, folder.path()).map_err(|error| error.to_string())?;
    }
    let report = reader.end_verifying(&NEVER, &Silent).map_err(|error| error.to_string())?;
    match report.is_valid() && reader.is_as_verified(&report).unwrap() {
        true => Ok((items, report)),
        false => Err(format!("{:?}", report.wrong)),
    }
}

#[test]
fn what_is_put_in_the_place_of_a_bundle_meanwhile_is_never_accepted() {
    let (folder, bundle) = bundle();
    let whole = std::fs::read(&bundle).unwrap();
    let (items, report) = meanwhile(&bundle, &|| ()).unwrap();
    assert_eq!(report.bytes, items.iter().map(|item| item.stored_size).sum::<u64>());
    // A bundle of its own, valid as well: of another host, and as long as the first one where that can be.
    let evidence = folder.path().join("other");
    host(&evidence, &[("Windows/System32/config/SYSTEM", b"system HIVE"), HOST[3]]);
    let other = folder.path().join("other.zip");
    Collection::default().run(&evidence, &other, &nothing_named).unwrap();
    let other = std::fs::read(&other).unwrap();
    let mut changed = unpacked(&bundle);
    changed.iter_mut().find(|(name, _)| name.ends_with("Security.evtx")).unwrap().1[0] ^= 1;
    let changed = packed(&changed);
    for replacement in [&other, &changed, &whole[..whole.len() / 2].to_vec(), &Vec::new()] {
        let aside = folder.path().join("aside.zip");
        // Another file with its name: on unix the one that is open stays, and it alone is read.
        #[cfg(unix)]
        {
            std::fs::write(&aside, replacement).unwrap();
            let got = meanwhile(&bundle, &|| std::fs::rename(&aside, &bundle).unwrap());
            assert_eq!(got, Ok((items.clone(), report.clone())));
            std::fs::remove_file(&bundle).unwrap();
            std::fs::write(&bundle, &whole).unwrap();
        }
        // Other bytes in the same file.
        std::fs::write(&aside, &whole).unwrap();
        let got = meanwhile(&aside, &|| std::fs::write(&aside, replacement).unwrap());
        assert!(got.is_err(), "{got:?}");
    }
    // The same of a folder: what describes the bag, or an object, is replaced.
    let bag = folder.path().join("bag");
    for (name, content) in unpacked(&bundle) {
        let path = bag.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
    assert_eq!(meanwhile(&bag, &|| ()).unwrap().0, items);
    let bag = std::fs::read_dir(&bag).unwrap().next().unwrap().unwrap().path();
    for file in ["metadata/objects.jsonl", "metadata/host.json", "bag-info.txt", LOG] {
        let before = std::fs::read(bag.join(file)).unwrap();
        let mut after = before.clone();
        after[before.len() / 2] ^= 1;
        let got = meanwhile(&bag, &|| std::fs::write(bag.join(file), &after).unwrap());
        assert!(got.is_err(), "{file}: {got:?}");
        std::fs::write(bag.join(file), before).unwrap();
    }
}
