//! Everything about the form of an archive through which bytes could be hidden in it, or through which two programs could
//! see two different contents.
//!
//! Reference: PKWARE, *.ZIP File Format Specification (APPNOTE.TXT)* 4.3 to 4.5; Info-ZIP, *extrafld.txt*.

use super::central::{DATA_DESCRIPTOR, END_RECORD, Entry, LOCAL_HEADER, ZIP64_END_RECORD, ZIP64_LOCATOR, damaged};
use super::reader::Directory;
use super::writer;
use evidence::le::{u16_or_0, u32_or_0, u64_or_0};
use evidence::{Bytes, name};
use std::io;

/// What was seen of one entry.
struct Form {
    /// Where it ends, its data descriptor included.
    end: u64,
    /// Whether both of its headers are, byte for byte, what this program writes.
    is_ours: bool,
    /// What is odd about it.
    odd: Vec<String>,
}

/// Flags that say something of how an entry is to be read and that are understood: how hard it was compressed, that a data
/// descriptor follows, that the name is UTF-8.
const KNOWN_FLAGS: u16 = 0x080E;
/// The data descriptor follows.
const DESCRIPTOR: u16 = 8;
/// The version of the format that has ZIP64, as tenths.
const ZIP64_VERSION: u16 = 45;

/// Both headers of an entry.
struct Headers {
    central: Vec<u8>,
    local: Vec<u8>,
}

impl Headers {
    fn read(bytes: &dyn Bytes, directory: &Directory, at: u64, entry: &Entry) -> io::Result<Headers> {
        let mut central = vec![0; 46];
        bytes.read_full_at(at, &mut central)?;
        let length = 46 + [28, 30, 32].iter().map(|field| usize::from(u16_or_0(&central, *field))).sum::<usize>();
        central.resize(length, 0);
        let data = directory.data_start(bytes, entry)?;
        let length = usize::try_from(data - entry.header_offset).map_err(io::Error::other)?;
        let mut local = vec![0; length];
        if bytes.read_full_at(at, &mut central)? != central.len()
            || bytes.read_full_at(entry.header_offset, &mut local)? != local.len()
            || u32_or_0(&local, 0) != LOCAL_HEADER
        {
            return Err(damaged("no whole header where the directory points"));
        }
        Ok(Headers { central, local })
    }

    fn name(&self) -> &[u8] {
        &self.central[46..46 + usize::from(u16_or_0(&self.central, 28))]
    }

    fn central_extra(&self) -> &[u8] {
        let start = 46 + usize::from(u16_or_0(&self.central, 28));
        &self.central[start..start + usize::from(u16_or_0(&self.central, 30))]
    }

    fn local_name(&self) -> &[u8] {
        &self.local[30..(30 + usize::from(u16_or_0(&self.local, 26))).min(self.local.len())]
    }

    fn local_extra(&self) -> &[u8] {
        &self.local[(30 + usize::from(u16_or_0(&self.local, 26))).min(self.local.len())..]
    }

    /// Whether they are what this program writes of such a file.
    fn is_ours(&self, entry: &Entry, shift: i64) -> bool {
        let Ok(name) = std::str::from_utf8(self.name()) else { return false };
        [true, false].into_iter().any(|large| {
            writer::headers(name, entry, stated(entry.header_offset, shift), large)
                .is_ok_and(|(local, central)| local == self.local && central == self.central)
        })
    }
}

/// Names of entries that are kept to be named.
const NAMED: usize = 1000;

/// An offset as the archive states it, where all are shifted by what stands before the archive.
fn stated(offset: u64, shift: i64) -> u64 {
    match shift {
        0.. => offset.saturating_sub(shift.unsigned_abs()),
        _ => offset.saturating_add(shift.unsigned_abs()),
    }
}

/// What is odd about an archive, each with the entry's name, or an empty one. Takes where its entries, so many, are listed,
/// in the order in which they lie. Gives whether this program wrote the archive: then its headers are all of one form, and
/// one of another form was changed. An archive that another program packed has a form of its own, and hides nothing all
/// the same.
pub(crate) fn odd_places(
    bytes: &dyn Bytes,
    directory: &Directory,
    count: u64,
    order: impl Iterator<Item = io::Result<u64>>,
    odd: &mut dyn FnMut(&str, String),
) -> io::Result<bool> {
    let mut expected = 0;
    let (mut ours, mut others) = (0u64, 0u64);
    let mut other_names = Vec::new();
    for at in order {
        let at = at?;
        let entry = directory.entry(bytes, at)?;
        if entry.header_offset != expected {
            let offset = entry.header_offset;
            odd(&entry.name, format!("begins at offset {offset}, where {expected} is due: bytes are hidden or shared"));
        }
        let form = form(bytes, directory, at, &entry).unwrap_or_else(|error| Form {
            end: entry.header_offset,
            is_ours: false,
            odd: vec![error.to_string()],
        });
        expected = form.end;
        form.odd.into_iter().for_each(|what| odd(&entry.name, what));
        if form.is_ours {
            ours += 1;
        } else {
            others += 1;
            if other_names.len() < NAMED {
                other_names.push(entry.name);
            }
        }
    }
    if expected != directory.start {
        let start = directory.start;
        odd("", format!("the directory begins at offset {start}, where {expected} is due: bytes are hidden"));
    }
    odd_end(bytes, directory, count)?.into_iter().for_each(|what| odd("", what));
    let is_ours = ours >= others;
    if is_ours {
        let what = "its headers were changed after the archive was written";
        other_names.iter().for_each(|name| odd(name, what.to_owned()));
        let unnamed = others - other_names.len() as u64;
        if unnamed > 0 {
            odd("", format!("the headers of {unnamed} more files were changed after the archive was written"));
        }
    }
    Ok(is_ours)
}

/// Looks at one entry, which is listed at this place of the directory. An error is one that leaves unknown where it ends.
fn form(bytes: &dyn Bytes, directory: &Directory, at: u64, entry: &Entry) -> io::Result<Form> {
    let headers = Headers::read(bytes, directory, at, entry)?;
    let data_end = entry.header_offset + headers.local.len() as u64 + entry.packed_size;
    let mut form = Form { end: data_end, is_ours: headers.is_ours(entry, directory.shift), odd: Vec::new() };
    if form.is_ours {
        return Ok(form);
    }
    let odd = &mut form.odd;
    odd_central(&headers, entry, odd);
    odd_local(&headers, entry, odd);
    if entry.flags & DESCRIPTOR != 0 {
        match descriptor(bytes, data_end, entry)? {
            Some(length) => form.end += length,
            None => odd.push("its data descriptor does not match the directory".to_owned()),
        }
    }
    Ok(form)
}

fn odd_central(headers: &Headers, entry: &Entry, odd: &mut Vec<String>) {
    let central = &headers.central;
    let mut say = |is_odd: bool, what: &str| {
        if is_odd {
            odd.push(what.to_owned());
        }
    };
    say(u16_or_0(central, 32) != 0, &format!("it has a comment of {} bytes", u16_or_0(central, 32)));
    say(entry.part != 0, "it claims to be in another part of the archive");
    say(u16_or_0(central, 36) > 1, "its internal attributes have bits that mean nothing");
    say(entry.flags & !KNOWN_FLAGS != 0, "its flags say that it is encrypted or to be read in another way");
    say(u16_or_0(central, 6) > ZIP64_VERSION, "it asks for a later version of the format than it needs");
    say(
        entry.flags & 0x800 == 0 && !headers.name().is_ascii(),
        "its name is not ASCII and does not say in which letters it is written",
    );
    odd.extend(odd_type(u32_or_0(central, 38), entry.is_folder()));
    let long = [20, 24, 42].iter().filter(|field| u32_or_0(central, **field) == u32::MAX).count();
    odd.extend(odd_extra(headers.central_extra(), headers.name(), &[long * 8], "in the directory"));
}

/// What kind of file the attributes make of it. Programs differ in whether they look at who made the archive, so that is
/// not asked here.
fn odd_type(attributes: u32, is_folder: bool) -> Option<String> {
    let what = match attributes >> 28 {
        0 | 8 => None,
        4 if is_folder => None,
        0xA => Some("is a symbolic link"),
        1 | 2 | 6 | 0xC => Some("is a device, pipe or socket"),
        _ => Some("is of a type that no file has"),
    };
    let what = what.or(match attributes {
        _ if attributes & 0x400 != 0 => Some("is a link of Windows (a reparse point)"),
        _ if attributes & 0x10 != 0 && !is_folder => Some("is a folder by its attributes and a file by its name"),
        _ if attributes & 0x48 != 0 => Some("is a volume label or a device of MS-DOS"),
        _ if attributes >> 16 & 0o7000 != 0 => Some("would run with the rights of its owner or group"),
        _ => None,
    });
    what.map(str::to_owned)
}

fn odd_local(headers: &Headers, entry: &Entry, odd: &mut Vec<String>) {
    let (central, local) = (&headers.central, &headers.local);
    if headers.local_name() != headers.name() {
        odd.push("its local header has another name than the directory".to_owned());
    }
    let common = |bytes: &[u8], at: usize| (u16_or_0(bytes, at), u16_or_0(bytes, at + 2), u32_or_0(bytes, at + 4));
    if common(local, 6) != common(central, 8) {
        odd.push("its local header has other flags, method or time than the directory".to_owned());
    }
    let (here, there) = (u16_or_0(local, 4), u16_or_0(central, 6));
    if here != there && (here.max(there) != ZIP64_VERSION || here.min(there) > ZIP64_VERSION) {
        odd.push("its local header asks for another version of the format than the directory".to_owned());
    }
    let (mut size, mut packed) = (u64::from(u32_or_0(local, 22)), u64::from(u32_or_0(local, 18)));
    let is_long = size == u64::from(u32::MAX) || packed == u64::from(u32::MAX);
    let extra = headers.local_extra();
    let fields = super::central::extra_fields(extra);
    if let Some((_, content)) = fields.iter().find(|(id, content)| is_long && *id == 1 && content.len() >= 16) {
        (size, packed) = (u64_or_0(content, 0), u64_or_0(content, 8));
    }
    let stated = (size, packed, u32_or_0(local, 14));
    let is_later = entry.flags & DESCRIPTOR != 0 && stated == (0, 0, 0);
    if stated != (entry.size, entry.packed_size, entry.crc) && !is_later {
        odd.push("its local header has other sizes or another CRC than the directory".to_owned());
    }
    let long: &[usize] = if is_long { &[16] } else { &[] };
    odd.extend(odd_extra(extra, headers.name(), long, "in its local header"));
}

/// What is odd about the extra fields. `long` are the lengths that the one with long sizes can have.
fn odd_extra(mut extra: &[u8], raw_name: &[u8], long: &[usize], place: &str) -> Option<String> {
    let mut seen = Vec::new();
    while !extra.is_empty() {
        let (id, length) = (u16_or_0(extra, 0), usize::from(u16_or_0(extra, 2)));
        let Some(content) = extra.get(4..4 + length) else {
            return Some(format!("{} bytes {place} are no extra field", extra.len()));
        };
        let is_plain = match id {
            1 => long.contains(&length) && length > 0,
            // Times, of Info-ZIP: which ones follow; the directory has the first only.
            0x5455 => {
                let count = content.first().map_or(0, |flags| (flags & 7).count_ones() as usize);
                length == 1 + 4 * count || length == 5 || length == 1
            }
            // User and group.
            0x7875 => length == 11 && (content[0], content[1], content[6]) == (1, 4, 4),
            0x5855 => matches!(length, 8 | 12),
            0x7855 => matches!(length, 0 | 4),
            // Times of NTFS.
            0x000a => length == 32 && content[..8] == [0, 0, 0, 0, 1, 0, 24, 0],
            0x7075 if content.get(5..).is_some_and(|name| name != raw_name) => {
                let other = name::from_bytes(&content[5..]);
                return Some(format!("an extra field {place} gives it another name: {other}"));
            }
            0x7075 => {
                let mut crc = flate2::Crc::new();
                crc.update(raw_name);
                length >= 5 && content[0] == 1 && u32_or_0(content, 1) == crc.sum()
            }
            _ => false,
        };
        if !is_plain || seen.contains(&id) {
            return Some(format!("{length} bytes are hidden in an extra field 0x{id:04x} {place}"));
        }
        seen.push(id);
        extra = &extra[4 + length..];
    }
    None
}

/// The length of the data descriptor that stands here, if it says what the directory says.
fn descriptor(bytes: &dyn Bytes, at: u64, entry: &Entry) -> io::Result<Option<u64>> {
    let mut fields = [0; 24];
    bytes.read_full_at(at, &mut fields)?;
    let signed = usize::from(u32_or_0(&fields, 0) == DATA_DESCRIPTOR) * 4;
    let has_crc = u32_or_0(&fields, signed) == entry.crc;
    let is_short = has_crc
        && u64::from(u32_or_0(&fields, signed + 4)) == entry.packed_size
        && u64::from(u32_or_0(&fields, signed + 8)) == entry.size;
    let is_long =
        has_crc && u64_or_0(&fields, signed + 4) == entry.packed_size && u64_or_0(&fields, signed + 12) == entry.size;
    // Of an empty file the short form is also the beginning of the long one.
    Ok(match (is_long, is_short) {
        (true, _) if entry.size != 0 => Some(signed as u64 + 20),
        (_, true) => Some(signed as u64 + 12),
        (true, _) => Some(signed as u64 + 20),
        _ => None,
    })
}

/// What is odd about what follows the directory, which has so many entries: exactly one end record, with the records of
/// ZIP64 before it where the numbers need them, and nothing else.
fn odd_end(bytes: &dyn Bytes, directory: &Directory, count: u64) -> io::Result<Vec<String>> {
    let mut odd = directory.odd_ends.clone();
    let start = directory.start + directory.size;
    let length = bytes.len().saturating_sub(start);
    if length != 22 && length != 98 {
        odd.push(format!("{length} bytes follow the directory, where the end record alone is due"));
        return Ok(odd);
    }
    let mut tail = vec![0; length as usize];
    bytes.read_full_at(start, &mut tail)?;
    let (long, end) = tail.split_at(tail.len() - 22);
    let own = stated(directory.start, directory.shift);
    let short = |number: u64, most: u64| number.min(most);
    let most = u64::from(u32::MAX);
    let is_right = u32_or_0(end, 0) == END_RECORD
        && u32_or_0(end, 4) == 0
        && [u16_or_0(end, 8), u16_or_0(end, 10)].iter().all(|stated| u64::from(*stated) == short(count, 0xFFFF))
        && u64::from(u32_or_0(end, 12)) == short(directory.size, most)
        && u64::from(u32_or_0(end, 16)) == short(own, most)
        && u16_or_0(end, 20) == 0;
    let is_long_right = long.is_empty()
        || u32_or_0(long, 0) == ZIP64_END_RECORD
            && u64_or_0(long, 4) == 44
            && u64_or_0(long, 16) == 0
            && [u64_or_0(long, 24), u64_or_0(long, 32)] == [count; 2]
            && u64_or_0(long, 40) == directory.size
            && u64_or_0(long, 48) == own
            && u32_or_0(long, 56) == ZIP64_LOCATOR
            && u32_or_0(long, 60) == 0
            && u64_or_0(long, 64) == stated(start, directory.shift)
            && u32_or_0(long, 72) == 1;
    if !is_right || !is_long_right {
        odd.push("the end record does not say what the directory has".to_owned());
    }
    Ok(odd)
}
