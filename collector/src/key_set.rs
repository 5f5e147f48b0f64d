//! A set of numbers that takes eight bytes for each, with little beside them, however many there are.

use std::collections::HashSet;

/// Numbers that are kept as they come, before they are sorted in among the others.
const RECENT: usize = 1 << 16;

/// Hashes of what was seen.
#[derive(Default)]
pub(crate) struct KeySet {
    sorted: Vec<u64>,
    recent: HashSet<u64>,
}

impl KeySet {
    pub(crate) fn contains(&self, key: u64) -> bool {
        self.recent.contains(&key) || self.sorted.binary_search(&key).is_ok()
    }

    pub(crate) fn insert(&mut self, key: u64) {
        if self.contains(key) {
            return;
        }
        self.recent.insert(key);
        if self.recent.len() >= RECENT {
            // A vector that grows by itself doubles.
            self.sorted.reserve_exact(self.recent.len());
            self.sorted.extend(self.recent.drain());
            self.sorted.sort_unstable();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_in_is_in_it_and_nothing_else() {
        let mut set = KeySet::default();
        let key = |number: u64| number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let count = 3 * RECENT as u64 + 5;
        for number in (0..count).chain(0..count) {
            set.insert(key(number));
        }
        assert!((0..count).all(|number| set.contains(key(number))));
        assert!((count..2 * count).all(|number| !set.contains(key(number))));
        assert_eq!(set.sorted.len() + set.recent.len(), count as usize);
        assert_eq!(set.sorted.capacity(), 3 * RECENT);
    }
}
