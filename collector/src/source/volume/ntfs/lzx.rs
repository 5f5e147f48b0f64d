//! LZX as WIM archives and the Windows Overlay Filter use it: chunks of up to 32 KiB, each on its own.
//!
//! It differs from the LZX of cabinets in how a block states its length, in having no header for the translation of
//! x86 calls (which is always on, as for a file of 12,000,000 bytes), and in beginning afresh at every chunk.
//!
//! Reference: *[MS-PATCH]* for LZX; Microsoft, *Windows Imaging File Format (WIM)* for the variant.

/// Matches reach back at most this far, and no chunk is longer.
const WINDOW: usize = 32_768;
/// Position slots of a 32 KiB window.
const SLOTS: usize = 30;
const MAIN_SYMBOLS: usize = 256 + 8 * SLOTS;
const LENGTH_SYMBOLS: usize = 249;
/// The translation of calls is defined by a file size that WIM fixes.
const TRANSLATION_SIZE: i32 = 12_000_000;

const DAMAGED: &str = "an LZX chunk is damaged";

/// Sixteen-bit little-endian words, most significant bit first. After the end come zeros, because the last
/// code may be shorter than what is looked at to find it.
struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
    held: u64,
    count: u32,
}

impl<'a> Bits<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Bits { bytes, at: 0, held: 0, count: 0 }
    }

    /// The next `count` bits (at most 17) without taking them.
    fn peek(&mut self, count: u32) -> u32 {
        while self.count < count {
            let byte = |at: usize| u64::from(self.bytes.get(at).copied().unwrap_or(0));
            self.held = self.held << 16 | byte(self.at + 1) << 8 | byte(self.at);
            self.at += 2;
            self.count += 16;
        }
        (self.held >> (self.count - count)) as u32 & ((1 << count) - 1)
    }

    fn take(&mut self, count: u32) -> Result<u32, &'static str> {
        let value = self.peek(count);
        self.count -= count;
        // Two words of zeros after the end are looked at, never used.
        if self.at > self.bytes.len() + 4 { Err(DAMAGED) } else { Ok(value) }
    }

    /// Goes to the start of the next word; a word just begun or ended is passed over whole.
    fn align(&mut self) -> &'a [u8] {
        self.peek(1);
        let whole_words_held = (self.count - 1) / 16;
        let at = self.at - 2 * whole_words_held as usize;
        self.bytes.get(at..).unwrap_or(&[])
    }
}

/// A canonical prefix code of at most 16 bits.
struct Code {
    /// For each length the first code word, its index in `symbols`, and how many there are.
    first: [u32; 17],
    index: [u32; 17],
    count: [u32; 17],
    symbols: Vec<u16>,
    longest: u32,
}

impl Code {
    /// From the length of each symbol's code word, 0 for unused symbols. Incomplete codes are allowed; their
    /// missing words are errors when met.
    fn new(lengths: &[u8]) -> Result<Self, &'static str> {
        let mut code = Code { first: [0; 17], index: [0; 17], count: [0; 17], symbols: Vec::new(), longest: 0 };
        for length in lengths {
            code.count[usize::from(*length)] += 1;
        }
        code.count[0] = 0;
        let (mut next, mut index) = (0u32, 0);
        for length in 1..=16 {
            next <<= 1;
            (code.first[length], code.index[length]) = (next, index);
            next += code.count[length];
            index += code.count[length];
            if next > 1 << length {
                return Err(DAMAGED);
            }
            if code.count[length] > 0 {
                code.longest = length as u32;
            }
        }
        let mut places = code.index;
        code.symbols = vec![0; index as usize];
        for (symbol, length) in lengths.iter().enumerate().filter(|(_, length)| **length > 0) {
            let place = &mut places[usize::from(*length)];
            code.symbols[*place as usize] = symbol as u16;
            *place += 1;
        }
        Ok(code)
    }

    fn decode(&self, bits: &mut Bits<'_>) -> Result<usize, &'static str> {
        let ahead = bits.peek(16);
        for length in 1..=self.longest {
            let word = ahead >> (16 - length);
            let offset = word.wrapping_sub(self.first[length as usize]);
            if offset < self.count[length as usize] {
                bits.take(length)?;
                return Ok(usize::from(self.symbols[(self.index[length as usize] + offset) as usize]));
            }
        }
        Err(DAMAGED)
    }
}

/// Reads code lengths, which are stored as differences from those of the block before.
fn read_lengths(bits: &mut Bits<'_>, lengths: &mut [u8]) -> Result<(), &'static str> {
    let mut pre = [0u8; 20];
    for length in &mut pre {
        *length = bits.take(4)? as u8;
    }
    let pre = Code::new(&pre)?;
    let changed = |old: u8, symbol: usize| (i32::from(old) - symbol as i32).rem_euclid(17) as u8;
    let mut at = 0;
    while at < lengths.len() {
        let (run, value) = match pre.decode(bits)? {
            17 => (4 + bits.take(4)?, Some(0)),
            18 => (20 + bits.take(5)?, Some(0)),
            19 => {
                let run = 4 + bits.take(1)?;
                let symbol = pre.decode(bits)?;
                if symbol > 16 {
                    return Err(DAMAGED);
                }
                (run, Some(changed(lengths[at], symbol)))
            }
            symbol => {
                lengths[at] = changed(lengths[at], symbol);
                (1, None)
            }
        };
        let end = (at + run as usize).min(lengths.len());
        if let Some(value) = value {
            lengths[at..end].fill(value);
        }
        at = end;
    }
    Ok(())
}

/// Extra bits and first distance of each position slot.
fn slots() -> ([u32; SLOTS], [u32; SLOTS]) {
    let (mut bits, mut base) = ([0; SLOTS], [0; SLOTS]);
    for slot in 0..SLOTS {
        bits[slot] = (slot as u32 / 2).saturating_sub(1);
        if slot > 0 {
            base[slot] = base[slot - 1] + (1 << bits[slot - 1]);
        }
    }
    (bits, base)
}

/// What a chunk is decompressed with, and what stays from one of its blocks to the next.
struct Decoder<'a> {
    bits: Bits<'a>,
    slot_bits: [u32; SLOTS],
    slot_base: [u32; SLOTS],
    /// The last distances, the newest first.
    recent: [usize; 3],
    main_lengths: [u8; MAIN_SYMBOLS],
    length_lengths: [u8; LENGTH_SYMBOLS],
}

/// Decompresses one chunk to exactly the length of `out`.
pub(crate) fn decompress(packed: &[u8], out: &mut [u8]) -> Result<(), &'static str> {
    if out.len() > WINDOW {
        return Err("an LZX chunk is longer than its window");
    }
    let mut decoder = Decoder::new(packed);
    let mut at = 0;
    while at < out.len() {
        let kind = decoder.bits.take(3)?;
        let size = if decoder.bits.take(1)? == 1 { WINDOW } else { decoder.bits.take(16)? as usize };
        if size == 0 {
            return Err(DAMAGED);
        }
        let end = (at + size).min(out.len());
        match kind {
            1 => decoder.coded(at, &mut out[..end], false)?,
            2 => decoder.coded(at, &mut out[..end], true)?,
            3 => decoder.stored(&mut out[at..end])?,
            _ => return Err(DAMAGED),
        }
        at = end;
    }
    undo_call_translation(out);
    Ok(())
}

impl<'a> Decoder<'a> {
    fn new(packed: &'a [u8]) -> Self {
        let (slot_bits, slot_base) = slots();
        Decoder {
            bits: Bits::new(packed),
            slot_bits,
            slot_base,
            recent: [1; 3],
            main_lengths: [0; MAIN_SYMBOLS],
            length_lengths: [0; LENGTH_SYMBOLS],
        }
    }

    /// A block of literals and matches, which fills `out` from `at` on. Where it is `aligned`, the low bits of distances
    /// have a code of their own.
    fn coded(&mut self, mut at: usize, out: &mut [u8], aligned: bool) -> Result<(), &'static str> {
        let aligned = if aligned { Some(self.read_aligned()?) } else { None };
        read_lengths(&mut self.bits, &mut self.main_lengths[..256])?;
        read_lengths(&mut self.bits, &mut self.main_lengths[256..])?;
        read_lengths(&mut self.bits, &mut self.length_lengths)?;
        let (main, lengths) = (Code::new(&self.main_lengths)?, Code::new(&self.length_lengths)?);
        while at < out.len() {
            let symbol = main.decode(&mut self.bits)?;
            let Some(symbol) = symbol.checked_sub(256) else {
                out[at] = symbol as u8;
                at += 1;
                continue;
            };
            let mut length = symbol % 8 + 2;
            if length == 9 {
                length += lengths.decode(&mut self.bits)?;
            }
            let distance = self.distance(symbol / 8, aligned.as_ref())?;
            if distance == 0 || distance > at || length > out.len() - at {
                return Err(DAMAGED);
            }
            for to in at..at + length {
                out[to] = out[to - distance];
            }
            at += length;
        }
        Ok(())
    }

    /// The code of the low bits of distances.
    fn read_aligned(&mut self) -> Result<Code, &'static str> {
        let mut lengths = [0u8; 8];
        for length in &mut lengths {
            *length = self.bits.take(3)? as u8;
        }
        Code::new(&lengths)
    }

    /// How far a match reaches back, by its position slot.
    fn distance(&mut self, slot: usize, aligned: Option<&Code>) -> Result<usize, &'static str> {
        if slot < 3 {
            self.recent.swap(0, slot);
            return Ok(self.recent[0]);
        }
        let extra = self.slot_bits[slot];
        let low = match aligned {
            Some(aligned) if extra >= 3 => (self.bits.take(extra - 3)? << 3) + aligned.decode(&mut self.bits)? as u32,
            _ => self.bits.take(extra)?,
        };
        let distance = (self.slot_base[slot] + low) as usize - 2;
        self.recent = [distance, self.recent[0], self.recent[1]];
        Ok(distance)
    }

    /// A block of bytes as they are, with the last distances before them.
    fn stored(&mut self, out: &mut [u8]) -> Result<(), &'static str> {
        let rest = self.bits.align();
        for (number, recent) in self.recent.iter_mut().enumerate() {
            let bytes = rest.get(4 * number..).and_then(|bytes| bytes.first_chunk()).ok_or(DAMAGED)?;
            *recent = u32::from_le_bytes(*bytes) as usize;
        }
        let length = out.len();
        out.copy_from_slice(rest.get(12..12 + length).ok_or(DAMAGED)?);
        self.bits = Bits::new(rest.get(12 + length.next_multiple_of(2)..).unwrap_or(&[]));
        Ok(())
    }
}

/// x86 calls (E8) were given absolute targets before compression, so that calls of one function look alike.
fn undo_call_translation(out: &mut [u8]) {
    let last = out.len().saturating_sub(10);
    let mut at = 0;
    while at < last {
        if out[at] != 0xE8 {
            at += 1;
            continue;
        }
        let target = i32::from_le_bytes([out[at + 1], out[at + 2], out[at + 3], out[at + 4]]);
        let position = at as i32;
        if (0..TRANSLATION_SIZE).contains(&target) {
            out[at + 1..at + 5].copy_from_slice(&(target - position).to_le_bytes());
        } else if (-position..0).contains(&target) {
            out[at + 1..at + 5].copy_from_slice(&(target + TRANSLATION_SIZE).to_le_bytes());
        }
        at += 5;
    }
}
