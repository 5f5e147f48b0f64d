//! Marvin32, the keyed hash with which Windows protects the entries of a hive log.
//!
//! Reference: Microsoft, US patent 8,555,057; M. Suhanov, *Windows registry file format specification*
//! (the seed of hive logs).

const SEED: u64 = 0x82EF_4D88_7A4E_55C5;

struct State {
    low: u32,
    high: u32,
}

impl State {
    fn take(&mut self, word: u32) {
        self.low = self.low.wrapping_add(word);
        self.high ^= self.low;
        self.low = self.low.rotate_left(20).wrapping_add(self.high);
        self.high = self.high.rotate_left(9) ^ self.low;
        self.low = self.low.rotate_left(27).wrapping_add(self.high);
        self.high = self.high.rotate_left(19);
    }
}

/// The hash of these bytes with the seed of hive logs.
pub(super) fn hash(bytes: &[u8]) -> u64 {
    let mut state = State { low: SEED as u32, high: (SEED >> 32) as u32 };
    let words = bytes.chunks_exact(4);
    let rest = words.remainder();
    for word in words {
        state.take(u32::from_le_bytes([word[0], word[1], word[2], word[3]]));
    }
    let mut last = [0; 4];
    last[..rest.len()].copy_from_slice(rest);
    last[rest.len()] = 0x80;
    state.take(u32::from_le_bytes(last));
    state.take(0);
    u64::from(state.low) | u64::from(state.high) << 32
}

#[cfg(test)]
mod tests {
    use super::hash;

    /// Values computed with a separate implementation, in another language, whose results agree with the
    /// hashes that Windows stored in 60 entries of real logs.
    #[test]
    fn agrees_with_an_independent_implementation() {
        for (bytes, expected) in VECTORS {
            assert_eq!(hash(bytes), *expected, "{bytes:?}");
        }
    }

    const VECTORS: &[(&[u8], u64)] = &[
        (b"", 0xb39e_fca4_0396_6e08),
        (b"a", 0x21a0_13c7_26f2_92f4),
        (b"abc", 0xb9cf_3dfc_a419_14f7),
        (b"regf", 0x419e_f36b_5445_e5ac),
        (b"HvLE entry", 0xbef0_5fc3_b494_d9a0),
    ];
}
