//! A bundle whose objects are verified while they are read, so that each is inflated once for both.

use super::stored::Stored;
use super::verify::{ALL_ZEROS, Expected, Store, Structure, VerifyReport};
use crate::progress::Observer;
use evidence::Item;
use parking_lot::Mutex;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Bits that are kept at most; objects beyond are read once more at the end.
const MOST_BITS: u64 = 1 << 28;

/// The shortest line of the directory of an archive: no two files have places that are closer.
const SHORTEST_LINE: u64 = 46;

/// How far the verification of a bundle is.
pub(super) struct Verifying {
    structure: Mutex<Option<Structure>>,
    has_sha512: bool,
    /// Zeros that may still be hashed.
    pub(super) zeros: AtomicU64,
    pub(super) cancel: &'static AtomicBool,
    /// The place of the first file, and how far places lie apart at least.
    first: u64,
    apart: u64,
    /// A bit for each place at which a file can be: whether it was read and is right.
    done: Vec<AtomicU64>,
}

impl Verifying {
    /// Nothing is read yet.
    pub(super) fn new(structure: Structure, store: &Stored, objects: usize, cancel: &'static AtomicBool) -> Self {
        let (first, apart, places) = match store {
            Stored::Archive { directory, .. } => {
                let (start, size) = directory.extent();
                (start, SHORTEST_LINE, size / SHORTEST_LINE + 1)
            }
            // The place of a file in a folder is the number of its object.
            Stored::Folder { .. } => (0, 1, objects as u64),
        };
        let words = places.min(MOST_BITS).div_ceil(64);
        Verifying {
            has_sha512: structure.has_sha512(),
            structure: Mutex::new(Some(structure)),
            zeros: AtomicU64::new(ALL_ZEROS),
            cancel,
            first,
            apart,
            done: (0..words).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    /// What the bytes of an object have to give.
    pub(super) fn expected(&self, item: &Item) -> Expected {
        let expected = Expected::of(item);
        Expected { sha512: expected.sha512.filter(|_| self.has_sha512), ..expected }
    }

    fn bit(&self, place: u64) -> Option<(&AtomicU64, u64)> {
        let number = place.checked_sub(self.first)? / self.apart;
        let word = self.done.get(usize::try_from(number / 64).ok()?)?;
        Some((word, 1 << (number % 64)))
    }

    /// Whether the file at this place was read and is right.
    pub(super) fn is_done(&self, place: u64) -> bool {
        self.bit(place).is_some_and(|(word, bit)| word.load(Ordering::Relaxed) & bit != 0)
    }

    /// It was read and is right.
    pub(super) fn done(&self, place: u64) {
        if let Some((word, bit)) = self.bit(place) {
            word.fetch_or(bit, Ordering::Relaxed);
        }
    }

    /// Reads what is not done, and ends. An error also where it was ended before.
    pub(super) fn end(
        &self,
        store: Store<'_>,
        cancel: &AtomicBool,
        observer: &dyn Observer,
    ) -> io::Result<VerifyReport> {
        let structure = self.structure.lock().take();
        let structure = structure.ok_or_else(|| io::Error::other("it was verified before"))?;
        // What an object was compared with is what the manifests say only where nothing is wrong with either.
        let is_right = structure.so_far().is_valid();
        structure.contents(store, &|place| is_right && self.is_done(place), cancel, observer)
    }
}
