//! The objects of a bundle as those who analyse them see them, however many there are.

use crate::{Item, ItemId};
use std::borrow::Cow;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hash};

/// The objects of a bundle: all in order, one by its id, one by its path. There can be millions, so whoever holds them need
/// not have them in memory, and whoever asks keeps only what it needs.
pub trait Items: Sync {
    /// How many there are. Their ids are the numbers below it.
    fn count(&self) -> usize;

    /// Whether there is none.
    fn is_empty(&self) -> bool {
        self.count() == 0
    }

    /// The one with this id.
    fn by_id(&self, id: ItemId) -> Option<Cow<'_, Item>>;

    /// The one with this [`Item::exact_path`]; of several, such as deleted files of one name, the last.
    fn by_path(&self, exact_path: &str) -> Option<Cow<'_, Item>>;

    /// Gives every one, in the order of the ids.
    fn each(&self, take: &mut dyn FnMut(&Item));
}

impl Items for Vec<Item> {
    fn count(&self) -> usize {
        self.len()
    }

    fn by_id(&self, id: ItemId) -> Option<Cow<'_, Item>> {
        // Ids are places as a rule; those of a few objects that are put together by hand need not be.
        let at_its_place = self.get(id.0 as usize).filter(|item| item.id == id);
        at_its_place.or_else(|| self.iter().find(|item| item.id == id)).map(Cow::Borrowed)
    }

    fn by_path(&self, exact_path: &str) -> Option<Cow<'_, Item>> {
        self.iter().rev().find(|item| item.exact_path() == exact_path).map(Cow::Borrowed)
    }

    fn each(&self, take: &mut dyn FnMut(&Item)) {
        self.iter().for_each(take);
    }
}

/// Finds numbers by a key of which only a hash is kept: eight bytes for each number, whatever the keys are. Another key can
/// have the same hash, so what is found has to be looked at. Nobody can choose keys whose hashes agree, since the hash
/// function is made anew for each index.
#[derive(Debug, Default)]
pub struct KeyIndex {
    hasher: RandomState,
    /// The upper half of a hash above the number.
    rows: Vec<u64>,
}

impl KeyIndex {
    fn upper_half<K: Hash + ?Sized>(&self, key: &K) -> u64 {
        self.hasher.hash_one(key) & 0xFFFF_FFFF_0000_0000
    }

    /// Adds a number. [`KeyIndex::sort`] has to follow before anything is looked up.
    pub fn add<K: Hash + ?Sized>(&mut self, key: &K, number: u32) {
        self.rows.push(self.upper_half(key) | u64::from(number));
    }

    /// Makes what was added ready to be found.
    pub fn sort(&mut self) {
        self.rows.sort_unstable();
        self.rows.shrink_to_fit();
    }

    /// The numbers that this key may have, in order.
    pub fn candidates<K: Hash + ?Sized>(&self, key: &K) -> impl DoubleEndedIterator<Item = u32> + '_ {
        let hash = self.upper_half(key);
        let start = self.rows.partition_point(|row| *row < hash);
        let end = start + self.rows[start..].partition_point(|row| row ^ hash <= 0xFFFF_FFFF);
        self.rows[start..end].iter().map(|row| (row & 0xFFFF_FFFF) as u32)
    }

    /// Groups of numbers whose keys may be equal: only groups of two and more.
    pub fn groups(&self) -> impl Iterator<Item = Vec<u32>> + '_ {
        let groups = self.rows.chunk_by(|a, b| (a ^ b) <= 0xFFFF_FFFF).filter(|group| group.len() > 1);
        groups.map(|group| group.iter().map(|row| (row & 0xFFFF_FFFF) as u32).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_finds_every_number_of_a_key() {
        let mut index = KeyIndex::default();
        for number in 0..10_000u32 {
            index.add(&format!("key {}", number / 2), number);
        }
        index.sort();
        for key in 0..5_000u32 {
            let found: Vec<u32> = index.candidates(&format!("key {key}")).collect();
            assert!(found.contains(&(2 * key)) && found.contains(&(2 * key + 1)), "{key}: {found:?}");
            assert!(found.len() < 10 && found.is_sorted());
        }
        assert_eq!(index.groups().map(|group| group.len()).sum::<usize>(), 10_000);
        assert_eq!(KeyIndex::default().candidates("none").count(), 0);
    }
}
