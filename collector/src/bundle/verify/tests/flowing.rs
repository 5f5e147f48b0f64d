//! Long objects, which are inflated while they are read.

use super::*;
use crate::bundle::{BundleReader, OpenBundle};

/// Numbers as text, which compress well and repeat nowhere.
fn numbers() -> Vec<u8> {
    (0..400_000u32).flat_map(|n| format!("{n:07} {:08x}\n", n.wrapping_mul(2_654_435_761)).into_bytes()).collect()
}

fn archive() -> Vec<u8> {
    bundle_of(vec![("a.log", Faulty::new(numbers())), ("b.log", Faulty::new(b"text".repeat(50)))])
}

/// A place for temporary files at which none can be made.
fn nowhere() -> Spill {
    Spill::into_folder(Path::new("/nonexistent/folder")).holding(1000)
}

/// A bundle that is verified while it is read.
fn while_read(archive: &[u8]) -> BundleReader {
    let opened = OpenBundle::of(Arc::new(archive.to_vec()), Path::new("bundle")).unwrap();
    let structure = opened.structure(&NEVER, &crate::Silent).unwrap();
    opened.read_verifying(structure, &Spill::into_folder(&std::env::temp_dir()), &NEVER).unwrap()
}

/// One that was verified before.
fn verified(archive: &[u8], report: &VerifyReport) -> BundleReader {
    let opened = OpenBundle::of(Arc::new(archive.to_vec()), Path::new("bundle")).unwrap();
    let mut reader = opened.read(&Spill::into_folder(&std::env::temp_dir())).unwrap();
    assert!(reader.rely_on(report).unwrap());
    reader
}

fn open(reader: &BundleReader, spill: &Spill) -> Box<dyn Bytes> {
    let long = reader.items().to_vec().into_iter().find(|item| item.original_path.ends_with("a.log")).unwrap();
    reader.open_item_with(&long, spill).unwrap()
}

fn is_read(bytes: &dyn Bytes, data: &[u8], offset: usize, length: usize) -> io::Result<bool> {
    let mut buffer = vec![0; length];
    let read = bytes.read_full_at(offset as u64, &mut buffer)?;
    Ok(buffer[..read] == data[offset..(offset + length).min(data.len())])
}

#[test]
fn from_front_to_back_no_file_is_needed() {
    let (archive, data) = (archive(), numbers());
    let report = said_of(&archive).unwrap();
    for reader in [while_read(&archive), verified(&archive, &report)] {
        let bytes = open(&reader, &nowhere());
        assert_eq!(bytes.len(), data.len() as u64);
        // As the parser of a log reads: a header, then chunk by chunk, now and then one again; and all of it twice.
        for _ in 0..2 {
            assert!(is_read(&*bytes, &data, 0, 4096).unwrap());
            for at in (4096..data.len()).step_by(65_536) {
                assert!(is_read(&*bytes, &data, at, 65_536).unwrap(), "{at}");
                assert!(is_read(&*bytes, &data, at.saturating_sub(300_000), 512).unwrap(), "{at}");
            }
        }
        assert!(reader.failure().is_none());
        if reader.is_verifying() {
            assert_eq!(reader.end_verifying(&NEVER, &crate::Silent).unwrap(), report);
        }
    }
}

#[test]
fn back_and_forth_it_is_read_from_a_file() {
    let (archive, data) = (archive(), numbers());
    let report = said_of(&archive).unwrap();
    let folder = tempfile::tempdir().unwrap();
    for reader in [while_read(&archive), verified(&archive, &report)] {
        for places in [[0, 6_000_000, 3], [6_799_990, 3_000_000, 100], [3_000_000, 6_000_000, 1_000_000]] {
            let bytes = open(&reader, &Spill::into_folder(folder.path()).holding(1000));
            for at in places {
                assert!(is_read(&*bytes, &data, at, 70_000).unwrap(), "{at}");
            }
            let without = open(&reader, &nowhere());
            let read: Vec<bool> = places.iter().map(|at| is_read(&*without, &data, *at, 70_000).is_ok()).collect();
            assert!(read[0] && !read[2], "{places:?}");
            assert!(matches!(reader.failure(), Some(Error::Write { .. })));
        }
        if reader.is_verifying() {
            assert_eq!(reader.end_verifying(&NEVER, &crate::Silent).unwrap(), report);
        }
    }
}

#[test]
fn what_was_changed_is_known_before_its_last_bytes_are_given() {
    let (whole, data) = (archive(), numbers());
    let mut changed = files(&whole);
    let long = changed.iter_mut().find(|(name, _)| name.ends_with("a.log")).unwrap();
    long.1[5] ^= 1;
    let changed = packed(&changed);
    let folder = tempfile::tempdir().unwrap();
    for offsets in [&[0, 1 << 20][..], &[6_000_000, 0]] {
        let reader = while_read(&changed);
        let bytes = open(&reader, &Spill::into_folder(folder.path()).holding(1000));
        let read_all = || bytes.read_all(u64::MAX);
        offsets.iter().for_each(|at| drop(is_read(&*bytes, &data, *at, 10)));
        assert!(read_all().unwrap_err().to_string().contains("SHA-256"));
        assert!(matches!(reader.failure(), Some(Error::DamagedBundle { .. })));
        let said = reader.end_verifying(&NEVER, &crate::Silent).unwrap();
        assert_eq!(said, said_of(&changed).unwrap());
        assert!(!said.is_valid());
    }
}

#[test]
fn a_medium_that_fails_after_the_verification_is_noticed() {
    let whole = archive();
    let report = said_of(&whole).unwrap();
    let mut zip = zip::ZipArchive::new(Cursor::new(&whole[..])).unwrap();
    let index = (0..zip.len()).find(|at| zip.by_index(*at).unwrap().name().unwrap().ends_with("a.log")).unwrap();
    let member = zip.by_index(index).unwrap();
    let (start, length) = (member.data_start().unwrap() as usize, member.compressed_size() as usize);
    drop(member);
    let mut failing = whole.clone();
    failing[start + length / 2] ^= 4;
    let reader = verified(&failing, &report);
    assert!(open(&reader, &nowhere()).read_all(u64::MAX).is_err());
    assert!(matches!(reader.failure(), Some(Error::DamagedBundle { .. })));
}
