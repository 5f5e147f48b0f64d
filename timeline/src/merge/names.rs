//! Texts that live as long as the program, as four-byte numbers.
//!
//! A record names its artifact, its type, its meanings and most of its fields by static texts. Spilled
//! records hold a number for each, and reading them back gives the static text again, without a copy. The
//! number is a hash of the text, so that it does not depend on which thread saw it first. The table grows
//! only with the texts that the program itself contains.

use evidence::Claim;
use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::{PoisonError, RwLock};

/// Number that no static text has.
pub(super) const NOT_STATIC: u32 = 0;

/// Everything numbered so far.
#[derive(Clone, Default)]
struct Table {
    texts: HashMap<u32, &'static str, Fast>,
    claims: HashMap<u32, &'static [Claim], Fast>,
}

static TABLE: RwLock<Option<Table>> = RwLock::new(None);

/// Hashes the few integers used as keys here.
#[derive(Clone, Copy, Default)]
pub(super) struct Mix(u64);

type Fast = BuildHasherDefault<Mix>;

impl Hasher for Mix {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u32(&mut self, number: u32) {
        self.write_u64(u64::from(number));
    }

    fn write_usize(&mut self, number: usize) {
        self.write_u64(number as u64);
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = (self.0.rotate_left(23) ^ number).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        self.0 ^= self.0 >> 29;
    }
}

/// Finds the number of static texts by their address; one per thread, so that no lock is taken for a text
/// seen before. A static text never moves and is never freed, so its address stands for it.
#[derive(Default)]
struct Seen {
    texts: HashMap<(usize, usize), u32, Fast>,
    claims: HashMap<(usize, usize), u32, Fast>,
}

thread_local! {
    static SEEN: RefCell<Seen> = RefCell::new(Seen::default());
}

/// FNV-1a with 32 bits.
fn hash(bytes: impl Iterator<Item = u8>) -> u32 {
    bytes.fold(0x811C_9DC5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

/// The next free number, or the one that this value already has.
fn place<T: PartialEq + Copy>(map: &mut HashMap<u32, T, Fast>, wanted: u32, value: T) -> u32 {
    let mut number = wanted;
    loop {
        if number == NOT_STATIC {
            number = 1;
        }
        match map.get(&number) {
            None => {
                map.insert(number, value);
                return number;
            }
            Some(there) if *there == value => return number,
            Some(_) => number = number.wrapping_add(1),
        }
    }
}

/// The number of a static text.
pub(super) fn number(text: &'static str) -> u32 {
    SEEN.with_borrow_mut(|seen| {
        *seen.texts.entry((text.as_ptr() as usize, text.len())).or_insert_with(|| {
            let mut table = TABLE.write().unwrap_or_else(PoisonError::into_inner);
            place(&mut table.get_or_insert_default().texts, hash(text.bytes()), text)
        })
    })
}

/// The number of a static list of claims.
pub(super) fn claims_number(claims: &'static [Claim]) -> u32 {
    SEEN.with_borrow_mut(|seen| {
        *seen.claims.entry((claims.as_ptr() as usize, claims.len())).or_insert_with(|| {
            let mut table = TABLE.write().unwrap_or_else(PoisonError::into_inner);
            let names = claims.iter().flat_map(|claim| claim.name().bytes().chain([0]));
            place(&mut table.get_or_insert_default().claims, hash(names), claims)
        })
    })
}

/// The way back: a copy of the table, taken when every record is in.
#[derive(Clone)]
pub(crate) struct Names(Table);

impl Names {
    /// Everything numbered until now.
    pub(super) fn now() -> Self {
        Names(TABLE.read().unwrap_or_else(PoisonError::into_inner).clone().unwrap_or_default())
    }

    /// The text with this number.
    pub(super) fn text(&self, number: u32) -> Option<&'static str> {
        self.0.texts.get(&number).copied()
    }

    /// The claims with this number.
    pub(super) fn claims(&self, number: u32) -> Option<&'static [Claim]> {
        self.0.claims.get(&number).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_texts_at_different_addresses_share_a_number() {
        static ONE: &str = "Path";
        let two: &'static str = &"xPath"[1..];
        assert_ne!(ONE.as_ptr(), two.as_ptr());
        assert_eq!(number(ONE), number(two));
        assert_eq!(Names::now().text(number(ONE)), Some("Path"));
    }

    #[test]
    fn colliding_hashes_stay_apart() {
        let mut map = HashMap::default();
        assert_eq!(place(&mut map, 7, "a"), 7);
        assert_eq!(place(&mut map, 7, "b"), 8);
        assert_eq!(place(&mut map, 7, "b"), 8);
        assert_eq!(place(&mut map, u32::MAX, "c"), u32::MAX);
        assert_eq!(place(&mut map, u32::MAX, "d"), 1, "zero is never given");
    }
}
