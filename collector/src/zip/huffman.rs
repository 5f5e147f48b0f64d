//! Tables of the prefix codes of a deflate block.

/// Bits of a code that one look gives.
const FAST: u32 = 10;
/// Longest code.
const LONGEST: usize = 15;

/// Finds the symbol that the next bits are.
pub(super) struct Table {
    /// By the next ten bits: symbol and length of its code; 0 where it is longer or there is none.
    fast: Vec<u16>,
    /// How many codes there are of each length.
    counts: [u16; LONGEST + 1],
    /// Symbols in the order of their codes.
    symbols: Vec<u16>,
}

impl Default for Table {
    fn default() -> Self {
        Table { fast: vec![0; 1 << FAST], counts: [0; LONGEST + 1], symbols: Vec::new() }
    }
}

impl Table {
    /// Takes the lengths of the codes of all symbols; false where there are more codes than fit. Fewer are allowed, as
    /// streams with a single distance have them; bits that are no code are then an error when they come.
    pub(super) fn build(&mut self, lengths: &[u8]) -> bool {
        self.fast.fill(0);
        self.counts = [0; LONGEST + 1];
        for length in lengths {
            self.counts[usize::from(*length).min(LONGEST)] += 1;
        }
        self.counts[0] = 0;
        let mut left = 1i32;
        for count in &self.counts[1..] {
            left = (left << 1) - i32::from(*count);
            if left < 0 {
                return false;
            }
        }
        let (mut code, mut place) = (0u32, 0usize);
        let (mut next_code, mut next_place) = ([0u32; LONGEST + 1], [0usize; LONGEST + 1]);
        for length in 1..=LONGEST {
            (next_code[length], next_place[length]) = (code, place);
            code = (code + u32::from(self.counts[length])) << 1;
            place += usize::from(self.counts[length]);
        }
        self.symbols.clear();
        self.symbols.resize(place, 0);
        for (symbol, length) in (0u16..).zip(lengths) {
            let length = usize::from(*length);
            if length == 0 {
                continue;
            }
            self.symbols[next_place[length]] = symbol;
            next_place[length] += 1;
            let code = next_code[length];
            next_code[length] += 1;
            if length as u32 <= FAST {
                // Codes are packed with their highest bit first, everything else with its lowest.
                let reversed = code.reverse_bits() >> (32 - length);
                for slot in (reversed as usize..1 << FAST).step_by(1 << length) {
                    self.fast[slot] = symbol << 4 | length as u16;
                }
            }
        }
        true
    }

    /// The symbol at the low end of these bits, and the length of its code.
    #[inline]
    pub(super) fn find(&self, bits: u64) -> Option<(u16, u32)> {
        let entry = self.fast[bits as usize & ((1 << FAST) - 1)];
        if entry != 0 {
            return Some((entry >> 4, u32::from(entry & 15)));
        }
        self.find_long(bits)
    }

    fn find_long(&self, bits: u64) -> Option<(u16, u32)> {
        let (mut code, mut first, mut place) = (0usize, 0usize, 0usize);
        for length in 1..=LONGEST {
            code |= (bits >> (length - 1)) as usize & 1;
            let count = usize::from(self.counts[length]);
            if code < first + count {
                return Some((*self.symbols.get(place + (code - first))?, length as u32));
            }
            place += count;
            first = (first + count) << 1;
            code <<= 1;
        }
        None
    }
}
