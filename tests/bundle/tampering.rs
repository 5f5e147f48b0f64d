//! Every way to change a bundle is seen.

use super::*;
use std::io::{Cursor, Read, Write};

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
