//! The disk of an image as a whole: what was found wrong with its container, and whether it still has its stored digests.

use super::Source;
use super::container::{Disk, Integrity};
use crate::progress::{Observer, Progress, Step};
use evidence::{Bytes, Problem, ProblemKind, Stage, hex};
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

/// Bytes read at a time.
const BLOCK: usize = 1 << 20;
/// The unit in which unreadable parts are counted.
const SECTOR: usize = 512;
/// Sectors that are given up singly; a medium that is gone would otherwise take days to say so.
const MAX_BAD_SECTORS: u64 = 1 << 20;

/// The disk that an image holds.
pub struct Media {
    name: String,
    bytes: Arc<dyn Bytes>,
    integrity: Integrity,
    checked: OnceLock<Read>,
}

/// What reading all of it gave.
#[derive(Default)]
struct Read {
    digests: Vec<(&'static str, String)>,
    unreadable: u64,
    interrupted: bool,
}

impl Media {
    /// The disk of a container that is called so.
    pub(crate) fn new(name: String, disk: &mut Disk) -> Self {
        let integrity = std::mem::take(&mut disk.integrity);
        Media { name, bytes: disk.bytes.clone(), integrity, checked: OnceLock::new() }
    }

    /// What was found wrong with the container while its bytes were read so far.
    pub(crate) fn problems(&self) -> Vec<Problem> {
        self.integrity.faults.iter().flat_map(|faults| faults.problems()).collect()
    }
}

/// What a check of an image gave.
pub(crate) struct Checked {
    /// For each stored digest whether the disk has it.
    pub(crate) facts: Vec<(String, String)>,
    /// Whatever is no agreement.
    pub(crate) problems: Vec<Problem>,
}

impl Source {
    /// Why [`crate::CollectRequest::check_image`] has nothing to compare; `None` where the source stores digests of a disk.
    pub fn why_no_check(&self) -> Option<String> {
        let has_none = self.media.iter().all(|media| media.integrity.digests.is_empty());
        has_none.then(|| format!("the {} stores no digest of a disk, so there is nothing to compare", self.kind))
    }

    /// Reads the whole disk of an image and compares the digests that the image stores.
    pub(crate) fn check_image(&self, cancel: &AtomicBool, observer: &dyn Observer) -> Checked {
        let mut checked = Checked { facts: Vec::new(), problems: Vec::new() };
        if let Some(what) = self.why_no_check() {
            checked.facts.push(("check of the image".to_owned(), what.clone()));
            let item = self.files.first().map(|file| file.display().to_string()).unwrap_or_default();
            let effect = "whether the disk is what was acquired is not known from the source itself";
            checked.problems.push(Problem::new(Stage::Source, ProblemKind::NotFound, item, what, effect));
        }
        for media in &self.media {
            let read = media.checked.get_or_init(|| match media.integrity.digests.is_empty() {
                true => Read::default(),
                false => read(media, cancel, observer),
            });
            for (algorithm, expected) in &media.integrity.digests {
                let (result, kind) = read.compare(algorithm, expected);
                checked.problems.extend(kind.map(|kind| disagreement(media, algorithm, expected, &result, kind)));
                let which = if self.media.len() == 1 { String::new() } else { format!(" of {}", media.name) };
                checked.facts.push((format!("check of the stored {algorithm}{which}"), result));
            }
        }
        checked
    }
}

fn disagreement(media: &Media, algorithm: &str, expected: &str, result: &str, kind: ProblemKind) -> Problem {
    let what = format!("check of the stored {algorithm} {expected}: {result}");
    let effect = match kind {
        ProblemKind::BadChecksum { .. } => {
            "the disk in the image is not the one whose digest was stored when it was acquired, or the stored digest is wrong"
        }
        _ => "whether the image is what was acquired is not known from this check",
    };
    Problem::new(Stage::Source, kind, media.name.clone(), what, effect)
}

impl Read {
    /// The result in words, and what kind of problem it is unless it is none.
    fn compare(&self, algorithm: &str, expected: &str) -> (String, Option<ProblemKind>) {
        if self.interrupted {
            return ("not finished: it was interrupted".to_owned(), Some(ProblemKind::Interrupted));
        }
        if self.unreadable > 0 {
            let result = format!("cannot be checked: {} bytes could not be read", self.unreadable);
            return (result, Some(ProblemKind::ReadFailed));
        }
        match self.digests.iter().find(|(name, _)| *name == algorithm) {
            Some((_, computed)) if computed.eq_ignore_ascii_case(expected) => ("matches".to_owned(), None),
            Some((_, computed)) => {
                (format!("does not match: computed {computed}"), Some(ProblemKind::BadChecksum { offset: 0 }))
            }
            None => {
                let kind = ProblemKind::UnsupportedVersion { found: algorithm.to_owned() };
                ("cannot be checked: this version does not compute it".to_owned(), Some(kind))
            }
        }
    }
}

/// Running digests of the algorithms that are stored.
#[derive(Default)]
struct Running {
    md5: Option<Md5>,
    sha1: Option<Sha1>,
    sha256: Option<Sha256>,
}

impl Running {
    fn of(stored: &[(&'static str, String)]) -> Self {
        let is_stored = |name: &str| stored.iter().any(|(algorithm, _)| *algorithm == name);
        Running {
            md5: is_stored("MD5").then(Md5::new),
            sha1: is_stored("SHA-1").then(Sha1::new),
            sha256: is_stored("SHA-256").then(Sha256::new),
        }
    }

    fn update(&mut self, block: &[u8]) {
        let Running { md5, sha1, sha256 } = self;
        let others = || {
            sha1.iter_mut().for_each(|sha1| sha1.update(block));
            sha256.iter_mut().for_each(|sha256| sha256.update(block));
        };
        rayon::join(|| md5.iter_mut().for_each(|md5| md5.update(block)), others);
    }

    fn finish(self) -> Vec<(&'static str, String)> {
        let mut digests = Vec::new();
        digests.extend(self.md5.map(|md5| ("MD5", hex(&md5.finalize()))));
        digests.extend(self.sha1.map(|sha1| ("SHA-1", hex(&sha1.finalize()))));
        digests.extend(self.sha256.map(|sha256| ("SHA-256", hex(&sha256.finalize()))));
        digests
    }
}

/// Reads all bytes once. One block is hashed while the next is read.
fn read(media: &Media, cancel: &AtomicBool, observer: &dyn Observer) -> Read {
    let bytes = &*media.bytes;
    let total = bytes.len();
    let mut running = Running::of(&media.integrity.digests);
    let (mut at, mut unreadable, mut bad_sectors) = (0u64, 0u64, 0u64);
    let (mut block, mut next) = (Vec::new(), Vec::new());
    loop {
        if cancel.load(Ordering::Relaxed) {
            return Read { digests: Vec::new(), unreadable, interrupted: true };
        }
        let mut fill = |next: &mut Vec<u8>| {
            next.resize(usize::try_from(total - at).unwrap_or(BLOCK).min(BLOCK), 0);
            fill(bytes, at, next, &mut bad_sectors)
        };
        // After the first unreadable byte no digest can be right, but how much cannot be read is still of interest.
        let hash = || {
            if unreadable == 0 {
                running.update(&block)
            }
        };
        let (bad, ()) = rayon::join(|| fill(&mut next), hash);
        unreadable += bad;
        at += next.len() as u64;
        observer.event(Progress {
            step: Step::CheckImage,
            path: &media.name,
            bytes_done: at,
            bytes_total: total,
            items_done: 0,
            items_total: 1,
        });
        if next.is_empty() {
            return Read { digests: running.finish(), unreadable, interrupted: false };
        }
        std::mem::swap(&mut block, &mut next);
    }
}

/// Fills the block and gives the number of its bytes that cannot be read.
fn fill(bytes: &dyn Bytes, at: u64, block: &mut [u8], bad_sectors: &mut u64) -> u64 {
    if block.is_empty() || bytes.read_full_at(at, block).is_ok_and(|read| read == block.len()) {
        return 0;
    }
    if *bad_sectors >= MAX_BAD_SECTORS {
        return block.len() as u64;
    }
    let mut bad = 0;
    for (index, sector) in block.chunks_mut(SECTOR).enumerate() {
        if !bytes.read_full_at(at + (index * SECTOR) as u64, sector).is_ok_and(|read| read == sector.len()) {
            bad += sector.len() as u64;
            *bad_sectors += 1;
        }
    }
    bad
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Silent;
    use crate::source::faulty::Faulty;

    /// MD5 and SHA-1 of "abc" are those of RFC 1321 and FIPS 180-2.
    const MD5_OF_ABC: &str = "900150983cd24fb0d6963f7d28e17f72";
    const SHA1_OF_ABC: &str = "A9993E364706816ABA3E25717850C26C9CD0D89D";

    fn check(bytes: Arc<dyn Bytes>, digests: &[(&'static str, &str)]) -> (Vec<(String, String)>, Vec<Problem>) {
        let digests = digests.iter().map(|(name, digest)| (*name, (*digest).to_owned())).collect();
        let integrity = Integrity { digests, faults: None };
        let mut disk =
            Disk { kind: "E01 image", bytes, facts: Vec::new(), problems: Vec::new(), files: Vec::new(), integrity };
        let source = Source {
            kind: disk.kind,
            facts: Vec::new(),
            volumes: Vec::new(),
            problems: Vec::new(),
            files: Vec::new(),
            is_older: false,
            made: None,
            early: None,
            media: vec![Arc::new(Media::new("a.E01".to_owned(), &mut disk))],
        };
        let checked = source.check_image(&AtomicBool::new(false), &Silent);
        (checked.facts, checked.problems)
    }

    #[test]
    fn stored_digests_are_compared() {
        let abc: Arc<dyn Bytes> = Arc::new(b"abc".to_vec());
        let (facts, problems) = check(abc.clone(), &[("MD5", MD5_OF_ABC), ("SHA-1", SHA1_OF_ABC)]);
        assert_eq!(facts[0], ("check of the stored MD5".to_owned(), "matches".to_owned()));
        assert_eq!(facts[1], ("check of the stored SHA-1".to_owned(), "matches".to_owned()));
        assert!(problems.is_empty(), "{problems:?}");

        let (facts, problems) = check(abc.clone(), &[("MD5", &"0".repeat(32))]);
        assert_eq!(facts[0].1, format!("does not match: computed {MD5_OF_ABC}"));
        assert_eq!(problems[0].kind, ProblemKind::BadChecksum { offset: 0 });

        let (facts, problems) = check(abc, &[]);
        assert!(facts[0].1.contains("stores no digest") && problems.len() == 1, "{facts:?} {problems:?}");
    }

    #[test]
    fn what_cannot_be_read_is_counted_and_no_digest_is_claimed() {
        let data = vec![7; 3 * BLOCK + 100];
        let faulty = Faulty::new(data).bad(&[100..200, 2 * BLOCK as u64..2 * BLOCK as u64 + 513]);
        let (facts, problems) = check(Arc::new(faulty), &[("MD5", MD5_OF_ABC)]);
        assert_eq!(facts[0].1, "cannot be checked: 1536 bytes could not be read");
        assert_eq!(problems[0].kind, ProblemKind::ReadFailed);
    }
}
