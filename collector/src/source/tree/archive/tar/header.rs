//! The headers of a tar member: its own, and those before it that say more of it.

use super::super::Member;
use evidence::{Bytes, Filetime, Macb, name};
use std::io;

/// Everything in a tar archive begins at a multiple of this.
pub(crate) const BLOCK: usize = 512;
/// Longest extended header or long name that is read.
const MAX_EXTENDED: u64 = 1 << 20;
/// Headers before the one of the member.
const MAX_BEFORE: u32 = 64;

/// How the holes of a member are described.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Holes {
    None,
    /// In the header, four at first, and in this many bytes behind it.
    Gnu {
        first: Vec<u8>,
        more: bool,
    },
    /// In the extended header: offset and length of each part.
    Listed(Vec<(u64, u64)>),
    /// Before the data, as text.
    Text,
}

/// A member with everything about it.
pub(super) struct Described {
    pub(super) member: Member,
    pub(super) kind: u8,
    /// Where what follows its header begins.
    pub(super) data: u64,
    /// Bytes of the archive that it has there.
    pub(super) stored: u64,
    pub(super) holes: Holes,
    /// Where the next member begins.
    pub(super) next: Option<u64>,
}

/// What begins at a place.
pub(super) enum Step {
    Member(Box<Described>),
    /// A block of zeros, which ends an archive.
    Zeros,
    /// No header.
    Bad(Bad),
}

/// What stands where a header should.
pub(super) struct Bad {
    /// What is wrong with it.
    pub(super) why: &'static str,
    /// Where it stands.
    pub(super) at: u64,
    /// If it still looks like a header: the name in it, and where its member can end, the nearest first.
    pub(super) was: Option<(String, Vec<u64>)>,
}

/// A number in a header: octal digits, or binary where the highest bit is set.
fn number(field: &[u8]) -> Option<i64> {
    match field.first()? {
        first @ (0x80..=0xBF | 0xFF) => {
            let mut value: i128 = if *first == 0xFF { -1 } else { i128::from(first & 0x3F) };
            for byte in &field[1..] {
                value = value.checked_mul(256)?.checked_add(i128::from(*byte))?;
            }
            i64::try_from(value).ok()
        }
        _ => {
            let text = field.split(|byte| *byte == 0).next()?.trim_ascii();
            let digits = std::str::from_utf8(text).ok()?;
            if digits.is_empty() { Some(0) } else { i64::from_str_radix(digits, 8).ok() }
        }
    }
}

fn length(field: &[u8]) -> Option<u64> {
    u64::try_from(number(field)?).ok()
}

/// Whether a block is the header of a member: its checksum is right, either way in which it was ever computed.
pub(crate) fn is_header(block: &[u8]) -> bool {
    let Some(block) = block.get(..BLOCK) else { return false };
    let Some(stated) = number(&block[148..156]) else { return false };
    let unsigned = |byte: &u8| i64::from(*byte);
    let signed = |byte: &u8| i64::from(byte.cast_signed());
    let sum = |value: fn(&u8) -> i64| {
        block[..148].iter().map(value).sum::<i64>() + 8 * 32 + block[156..].iter().map(value).sum::<i64>()
    };
    // A block of zeros has the sum of the spaces that stand for the checksum, and states 0.
    block[0] != 0 && (stated == sum(unsigned) || stated == sum(signed)) || is_nameless(block, stated, sum(unsigned))
}

/// Whether a block looks like the header of a member in which a byte is not what it was: at most one of its numbers is
/// anything but octal digits, spaces and zeros, and its size and its checksum are not both missing.
pub(crate) fn was_header(block: &[u8]) -> bool {
    let Some(block) = block.get(..BLOCK) else { return false };
    let is_clean = |field: &[u8]| field.iter().all(|byte| matches!(byte, b'0'..=b'7' | b' ' | 0));
    let has_digits = |field: &[u8]| field.iter().filter(|byte| byte.is_ascii_digit()).count() >= 5;
    let fields = [100..108, 108..116, 116..124, 124..136, 136..148, 148..156];
    let clean = fields.into_iter().filter(|field| is_clean(&block[field.clone()])).count();
    block[0] != 0 && clean >= 5 && (has_digits(&block[124..136]) || has_digits(&block[148..156]))
}

/// The sizes that a member can have whose header has one wrong bit, the smallest first: the one that is stated, if the bit
/// is elsewhere, and those with which the checksum is right. None where more than a bit is wrong.
fn sizes(block: &[u8; BLOCK]) -> Vec<u64> {
    let field = &block[124..136];
    let Some(stated) = number(&block[148..156]) else { return length(field).into_iter().collect() };
    let sum = block[..148].iter().chain(&block[156..]).map(|byte| i64::from(*byte)).sum::<i64>() + 8 * 32;
    let difference = stated - sum;
    if !difference.unsigned_abs().is_power_of_two() {
        return Vec::new();
    }
    let mut sizes: Vec<u64> = length(field).into_iter().collect();
    for (at, byte) in field.iter().enumerate() {
        let flipped = (0..8).map(|bit| byte ^ 1 << bit);
        let right = flipped.into_iter().find(|right| i64::from(*right) - i64::from(*byte) == difference);
        let mut field = field.to_vec();
        field[at] = right.unwrap_or(*byte);
        sizes.extend(length(&field));
    }
    sizes.sort_unstable();
    sizes.dedup();
    sizes
}

/// Whether a block has the magic of POSIX and GNU, of which a byte may be wrong.
pub(crate) fn has_magic(block: &[u8]) -> bool {
    let magic = block.get(257..262).unwrap_or_default();
    magic.iter().zip(b"ustar").filter(|(own, expected)| own == expected).count() >= 4
}

/// A pax header may lack a name; its magic shows that it is a header.
fn is_nameless(block: &[u8], stated: i64, sum: i64) -> bool {
    block[0] == 0 && stated == sum && block[257..262] == *b"ustar"
}

fn text(field: &[u8]) -> &[u8] {
    field.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// What extended headers and long names say.
#[derive(Default)]
struct Extended {
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    size: Option<u64>,
    real_size: Option<u64>,
    times: Macb,
    parts: Vec<(u64, u64)>,
    /// The version of the description of holes.
    major: Option<u64>,
    sparse: bool,
    /// There is an extended header of pax.
    is_pax: bool,
}

/// A time of a pax header: seconds since 1970 with a fraction.
fn pax_time(value: &[u8]) -> Option<Filetime> {
    let text = std::str::from_utf8(value).ok()?;
    let (text, sign) = text.strip_prefix('-').map_or((text, 1), |text| (text, -1));
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let seconds: i64 = whole.parse().ok()?;
    let mut ticks = 0i64;
    for place in 0..7 {
        let digit = fraction.as_bytes().get(place).copied().unwrap_or(b'0');
        ticks = ticks * 10 + i64::from(digit.is_ascii_digit().then(|| digit - b'0')?);
    }
    Filetime::from_unix_seconds(sign * seconds)?.checked_add_ticks(sign * ticks)
}

fn decimal(value: &[u8]) -> Option<u64> {
    std::str::from_utf8(value).ok()?.trim().parse().ok()
}

impl Extended {
    /// The records of a pax header: `LENGTH KEY=VALUE` and a line feed each.
    fn pax(&mut self, mut records: &[u8]) -> Option<()> {
        while !records.is_empty() && records[0] != 0 {
            let space = records.iter().take(20).position(|byte| *byte == b' ')?;
            let length = usize::try_from(decimal(&records[..space])?).ok()?;
            let record = records.get(space + 1..length)?;
            let record = record.strip_suffix(b"\n").unwrap_or(record);
            let equals = record.iter().position(|byte| *byte == b'=')?;
            self.record(&record[..equals], &record[equals + 1..]);
            records = &records[length..];
        }
        Some(())
    }

    fn record(&mut self, key: &[u8], value: &[u8]) {
        match key {
            b"path" if self.path.is_none() || !self.sparse => self.path = Some(value.to_vec()),
            b"GNU.sparse.name" => {
                self.sparse = true;
                self.path = Some(value.to_vec());
            }
            b"linkpath" => self.link = Some(value.to_vec()),
            b"size" => self.size = decimal(value),
            b"mtime" => self.times.modified = pax_time(value),
            b"atime" => self.times.accessed = pax_time(value),
            b"ctime" => self.times.changed = pax_time(value),
            b"LIBARCHIVE.creationtime" => self.times.born = pax_time(value),
            b"GNU.sparse.major" => self.major = decimal(value),
            b"GNU.sparse.realsize" | b"GNU.sparse.size" => {
                self.sparse = true;
                self.real_size = decimal(value);
            }
            b"GNU.sparse.offset" => self.parts.extend(decimal(value).map(|offset| (offset, 0))),
            b"GNU.sparse.numbytes" => {
                if let (Some(part), Some(length)) = (self.parts.last_mut(), decimal(value)) {
                    part.1 = length;
                }
            }
            b"GNU.sparse.map" => {
                let numbers: Vec<u64> = value.split(|byte| *byte == b',').filter_map(decimal).collect();
                self.parts = numbers.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect();
            }
            _ => {}
        }
    }
}

/// Behind so many bytes and what fills their last block.
pub(super) fn behind(at: u64, length: u64) -> Option<u64> {
    at.checked_add(length.checked_next_multiple_of(BLOCK as u64)?)
}

/// What begins at this place: a member with the headers before it.
pub(super) fn read(bytes: &dyn Bytes, at: u64) -> io::Result<Step> {
    let mut at = at;
    let bad = |why, at| Ok(Step::Bad(Bad { why, at, was: None }));
    let mut extended = Extended::default();
    for _ in 0..MAX_BEFORE {
        let mut block = [0; BLOCK];
        if bytes.read_full_at(at, &mut block)? != BLOCK {
            return bad("less than a header before the end", at);
        }
        if block.iter().all(|byte| *byte == 0) {
            return Ok(Step::Zeros);
        }
        if !is_header(&block) {
            let why = "a checksum that does not match";
            let was = was_header(&block).then(|| {
                let data = at + BLOCK as u64;
                let described = member(&block, data, 0, block[156], extended);
                let ends = sizes(&block).into_iter().filter_map(|size| behind(data, size)).collect();
                (described.member.name, ends)
            });
            return Ok(Step::Bad(Bad { why, at, was }));
        }
        let Some(size) = length(&block[124..136]) else { return bad("a size that is no number", at) };
        let kind = block[156];
        at += BLOCK as u64;
        if !matches!(kind, b'x' | b'X' | b'g' | b'L' | b'K') {
            let mut described = member(&block, at, size, kind, extended);
            if matches!(described.holes, Holes::Gnu { more: true, .. }) {
                described.next = behind(map_end(bytes, at)?, described.stored);
            }
            return Ok(Step::Member(Box::new(described)));
        }
        if size > MAX_EXTENDED {
            return bad("an extended header longer than any name", at);
        }
        let mut data = vec![0; size as usize];
        if bytes.read_full_at(at, &mut data)? != data.len() {
            return bad("an extended header that the end cuts", at);
        }
        match kind {
            b'x' | b'X' if extended.pax(&data).is_none() => {
                return bad("an extended header that cannot be read", at);
            }
            b'x' | b'X' => extended.is_pax = true,
            b'L' => extended.path = Some(text(&data).to_vec()),
            b'K' => extended.link = Some(text(&data).to_vec()),
            _ => {}
        }
        let Some(next) = behind(at, size) else { return bad("a size beyond any archive", at) };
        at = next;
    }
    bad("more extended headers than a member has", at)
}

fn member(block: &[u8; BLOCK], data: u64, size: u64, kind: u8, extended: Extended) -> Described {
    let is_posix = block[257..263] == *b"ustar\0";
    let is_gnu = block[257..265] == *b"ustar  \0";
    let stored_name = || {
        let (name, prefix) = (text(&block[..100]), text(&block[345..500]));
        if is_posix && !prefix.is_empty() { [prefix, b"/", name].concat() } else { name.to_vec() }
    };
    let path = extended.path.clone().unwrap_or_else(stored_name);
    let stored = extended.size.unwrap_or(size);
    let mut times = extended.times;
    let time = |field: &[u8]| number(field).and_then(Filetime::from_unix_seconds);
    times.modified = times.modified.or_else(|| time(&block[136..148]));
    if is_gnu {
        let set = |field: &[u8]| if field[0] == 0 { None } else { time(field) };
        times.accessed = times.accessed.or_else(|| set(&block[345..357]));
        times.changed = times.changed.or_else(|| set(&block[357..369]));
    }
    let has_data = !matches!(kind, b'2'..=b'6' | b'V');
    let is_hard_link = kind == b'1';
    // A hard link of pax may have the bytes again; others may state a size and have none.
    let stored = if has_data && (!is_hard_link || extended.is_pax) { stored } else { 0 };
    let (holes, real_size) = match kind {
        b'S' => {
            let holes = Holes::Gnu { first: block[386..482].to_vec(), more: block[482] != 0 };
            (holes, length(&block[483..495]))
        }
        _ if extended.major == Some(1) => (Holes::Text, extended.real_size),
        _ if extended.sparse => (Holes::Listed(extended.parts.clone()), extended.real_size),
        _ => (Holes::None, None),
    };
    let link = extended.link.clone().unwrap_or_else(|| text(&block[157..257]).to_vec());
    let is_folder = matches!(kind, b'5' | b'D') || matches!(kind, b'0' | 0) && path.ends_with(b"/");
    let member = Member {
        name: name::from_bytes(&path),
        is_folder,
        is_link: matches!(kind, b'2' | b'3' | b'4' | b'6'),
        leads_to: (kind == b'2').then(|| name::from_bytes(&link)),
        same_as: (is_hard_link && stored == 0).then(|| name::from_bytes(&link)),
        size: real_size.unwrap_or(stored),
        times: Some(times).filter(|times| *times != Macb::default()),
    };
    Described { member, kind, data, stored, holes, next: behind(data, stored) }
}

/// Where the map of a GNU member with holes ends, which can go on in blocks before the data.
fn map_end(bytes: &dyn Bytes, mut at: u64) -> io::Result<u64> {
    loop {
        let mut block = [0; BLOCK];
        let read = bytes.read_full_at(at, &mut block)?;
        at += BLOCK as u64;
        if read < BLOCK || block[504] == 0 {
            return Ok(at);
        }
    }
}
