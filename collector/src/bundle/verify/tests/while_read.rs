//! A bundle whose objects are verified while they are read.

use super::*;
use crate::bundle::{BundleReader, OpenBundle};
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

/// Counts how often each byte is read.
struct Counted {
    bytes: Vec<u8>,
    times: Arc<Vec<AtomicU32>>,
}

impl Bytes for Counted {
    fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.bytes.read_at(offset, buffer)?;
        let from = offset as usize;
        self.times[from.min(self.times.len())..][..read].iter().for_each(|one| {
            one.fetch_add(1, Ordering::Relaxed);
        });
        Ok(read)
    }
}

/// Name in the bag, and where its bytes lie, of every object of the archive that has bytes.
fn payload(archive: &[u8]) -> Vec<(String, std::ops::Range<usize>)> {
    let mut zip = zip::ZipArchive::new(Cursor::new(archive)).unwrap();
    let all = (0..zip.len()).map(|index| {
        let member = zip.by_index(index).unwrap();
        let start = member.data_start().unwrap() as usize;
        (member.name().unwrap().into_owned(), start..start + member.compressed_size() as usize)
    });
    all.filter(|(name, range)| name.contains("/data/") && !range.is_empty()).collect()
}

fn reader(archive: &[u8], folder: &Path) -> (BundleReader, Arc<Vec<AtomicU32>>) {
    let times: Arc<Vec<AtomicU32>> = Arc::new((0..archive.len()).map(|_| AtomicU32::new(0)).collect());
    let counted = Counted { bytes: archive.to_vec(), times: times.clone() };
    let opened = OpenBundle::of(Arc::new(counted), Path::new("bundle")).unwrap();
    let structure = opened.structure(&NEVER, &crate::Silent).unwrap();
    assert_eq!(structure.so_far().wrong, []);
    (opened.read_verifying(structure, &Spill::into_folder(folder), &NEVER).unwrap(), times)
}

/// How often the bytes of each object were read; several numbers where some were read more often than others.
fn counts(objects: &[(String, std::ops::Range<usize>)], times: &[AtomicU32]) -> Vec<Vec<u32>> {
    let of = |range: &std::ops::Range<usize>| times[range.clone()].iter().map(|times| times.load(Ordering::Relaxed));
    let all = objects.iter().map(|(_, range)| {
        let mut counts: Vec<u32> = of(range).collect();
        counts.dedup();
        counts
    });
    all.collect()
}

#[test]
fn each_object_is_read_once_for_the_analysis_and_the_verification_together() {
    let folder = tempfile::tempdir().unwrap();
    // Too long for what looks for the end of the archive, and nothing that can be compressed.
    let mut number = 1u32;
    let mut next = || {
        number = number.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (number >> 24) as u8
    };
    let long = |next: &mut dyn FnMut() -> u8| Faulty::new((0..200_000).map(|_| next()).collect());
    let text = Faulty::new(b"Reg".repeat(100));
    let archive =
        bundle_of(vec![("a", long(&mut next)), ("b", long(&mut next)), ("c.log", text), ("d", long(&mut next))]);
    let objects = payload(&archive);
    assert_eq!(objects.len(), 4);
    let from_the_end: Vec<bool> = objects.iter().map(|(_, range)| archive.len() - range.end < 70_000).collect();
    assert_eq!(from_the_end, [false, false, false, true], "the end of the archive is looked for in its last bytes");
    for left in 0..objects.len() {
        let (reader, times) = reader(&archive, folder.path());
        let once = counts(&objects, &times);
        assert_eq!(once[..3], [[1], [1], [1]], "the hash of the archive needs each byte, and nothing else does yet");
        let more = |by: &dyn Fn(usize) -> u32| -> Vec<Vec<u32>> {
            let all = once.iter().enumerate();
            all.map(|(index, counts)| counts.iter().map(|count| count + by(index)).collect()).collect()
        };
        for item in reader.items().to_vec() {
            if item.bundle_path.as_ref().is_some_and(|path| !objects[left].0.ends_with(path.as_str())) {
                reader.open_item(&item, folder.path()).unwrap();
            }
        }
        assert_eq!(counts(&objects, &times), more(&|index| u32::from(index != left)));
        let report = reader.end_verifying(&NEVER, &crate::Silent).unwrap();
        assert_eq!(counts(&objects, &times), more(&|_| 1));
        assert_eq!(report, said_of(&archive).unwrap());
        assert!(report.is_valid() && reader.is_as_verified(&report).unwrap());
        assert!(reader.end_verifying(&NEVER, &crate::Silent).is_err(), "it was ended");
    }
}

/// Verified at once, while nobody reads it, and while everything is read, the bundle gives the same report: that this is
/// wrong with these objects.
pub(super) fn is_said_alike(bundle: &[u8], wrong: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let expected = said_of(bundle).unwrap();
    let mut said: Vec<&str> = expected.wrong.iter().map(|wrong| wrong.path.as_str()).collect();
    said.dedup();
    assert_eq!(said, wrong);
    for is_opened in [false, true] {
        let (reader, _) = reader(bundle, folder.path());
        for item in reader.items().to_vec() {
            let Some(path) = item.bundle_path.as_deref().filter(|_| is_opened) else { continue };
            for _ in 0..2 {
                assert_eq!(reader.open_item(&item, folder.path()).is_err(), wrong.contains(&path), "{path}");
            }
        }
        assert_eq!(reader.end_verifying(&NEVER, &crate::Silent).unwrap(), expected, "{is_opened}");
    }
}

#[test]
fn what_is_wrong_is_said_alike_whoever_reads_it_first() {
    for bundle in [small(), with_hole()] {
        is_said_alike(&bundle, &[]);
        let whole = files(&bundle);
        for (index, (name, content)) in whole.iter().enumerate() {
            let Some((_, path)) = name.split_once('/').filter(|(_, path)| path.starts_with("data/")) else { continue };
            if content.is_empty() {
                continue;
            }
            let mut changed = whole.clone();
            *changed[index].1.last_mut().unwrap() ^= 1;
            is_said_alike(&packed(&changed), &[path]);
        }
    }
}
