//! A directory for an archive that has lost its own, from the local headers before each entry.
//!
//! What is found is written as a central directory into a temporary file, so everything else reads it like any other.

use super::central::{CENTRAL_HEADER, CUT, DATA_DESCRIPTOR, LOCAL_HEADER, extra_fields};
use super::inflate::{Coding, Inflate};
use crate::file_bytes::FileBytes;
use crate::spill::Spill;
use evidence::Bytes;
use evidence::le::{u16_or_0, u32_or_0, u64_or_0};
use std::io::{self, BufWriter, Write};

/// Bytes that are searched at a time.
const PIECE: usize = 1 << 17;

/// A directory of ours.
pub(crate) struct Rebuilt {
    /// Its bytes; the first entry begins at 0.
    pub(crate) directory: FileBytes,
    /// Entries in it.
    pub(crate) count: u64,
    /// Where the last of them ends.
    pub(crate) end: u64,
}

/// One local header.
struct Local {
    header: [u8; 30],
    /// Name and extra fields.
    rest: Vec<u8>,
    at: u64,
}

/// What is known of an entry.
struct Found {
    packed: u64,
    size: u64,
    crc: u32,
    is_cut: bool,
    /// Where the search goes on.
    next: u64,
}

/// Searches the archive from front to back.
pub(crate) fn rebuild(bytes: &dyn Bytes, spill: &Spill) -> io::Result<Rebuilt> {
    let mut out = BufWriter::with_capacity(1 << 16, spill.file()?);
    let (mut at, mut count, mut end) = (0, 0, 0);
    while let Some(header_at) = find(bytes, at, &mut |_, four| four == LOCAL_HEADER.to_le_bytes())? {
        let Some(local) = Local::read(bytes, header_at)? else {
            at = header_at + 4;
            continue;
        };
        let found = local.extent(bytes)?;
        write_entry(&mut out, &local, &found)?;
        count += 1;
        at = found.next.max(header_at + 30);
        end = at;
    }
    let file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
    Ok(Rebuilt { directory: FileBytes::new(file)?, count, end: end.min(bytes.len()) })
}

/// The next place from here on with `PK` where the test of the place and the four bytes holds.
fn find(bytes: &dyn Bytes, from: u64, test: &mut dyn FnMut(u64, [u8; 4]) -> bool) -> io::Result<Option<u64>> {
    let finder = memchr::memmem::Finder::new(b"PK");
    let mut piece = vec![0; PIECE];
    let mut at = from;
    loop {
        let read = bytes.read_full_at(at, &mut piece)?;
        for hit in finder.find_iter(&piece[..read]) {
            if let Some(four) = piece[..read].get(hit..hit + 4)
                && test(at + hit as u64, [four[0], four[1], four[2], four[3]])
            {
                return Ok(Some(at + hit as u64));
            }
        }
        if read < piece.len() {
            return Ok(None);
        }
        // What begins in the last three bytes is looked at with the next piece.
        at += read as u64 - 3;
    }
}

impl Local {
    /// `None` where the bytes after the signature cannot be those of a header.
    fn read(bytes: &dyn Bytes, at: u64) -> io::Result<Option<Local>> {
        let mut header = [0; 30];
        if bytes.read_full_at(at, &mut header)? != 30 {
            return Ok(None);
        }
        let lengths = usize::from(u16_or_0(&header, 26)) + usize::from(u16_or_0(&header, 28));
        let is_likely = header[4] <= 100 && u16_or_0(&header, 8) <= 99 && u16_or_0(&header, 26) > 0;
        let mut rest = vec![0; if is_likely { lengths } else { 0 }];
        if !is_likely || bytes.read_full_at(at + 30, &mut rest)? != lengths {
            return Ok(None);
        }
        Ok(Some(Local { header, rest, at }))
    }

    fn data(&self) -> u64 {
        self.at + 30 + self.rest.len() as u64
    }

    fn name(&self) -> &[u8] {
        &self.rest[..usize::from(u16_or_0(&self.header, 26)).min(self.rest.len())]
    }

    fn extra(&self) -> &[u8] {
        &self.rest[self.name().len()..]
    }

    fn flags(&self) -> u16 {
        u16_or_0(&self.header, 6)
    }

    /// How far its packed bytes reach.
    fn extent(&self, bytes: &dyn Bytes) -> io::Result<Found> {
        let (mut packed, mut size) = (u64::from(u32_or_0(&self.header, 18)), u64::from(u32_or_0(&self.header, 22)));
        let fields = extra_fields(self.extra());
        if let Some((_, content)) = fields.iter().find(|(id, content)| *id == 1 && content.len() >= 16) {
            // In a local header both lengths are there, the unpacked one first.
            if size == 0xffff_ffff {
                size = u64_or_0(content, 0);
            }
            if packed == 0xffff_ffff {
                packed = u64_or_0(content, 8);
            }
        }
        let (data, crc) = (self.data(), u32_or_0(&self.header, 14));
        if self.flags() & 8 == 0 || packed != 0 {
            let end = data.saturating_add(packed);
            let there = end.min(bytes.len());
            return Ok(Found { packed: there - data.min(there), size, crc, is_cut: false, next: there });
        }
        if let Some(coding) = self.coding()
            && let Some(found) = self.by_stream(bytes, data, coding)?
        {
            return Ok(found);
        }
        self.by_descriptor(bytes, data)
    }

    fn coding(&self) -> Option<Coding> {
        match (u16_or_0(&self.header, 8), self.flags() & 1) {
            (8, 0) => Some(Coding::Deflate),
            (9, 0) => Some(Coding::Deflate64),
            _ => None,
        }
    }

    /// A packed stream says itself where it ends; `None` where it is damaged or cut.
    fn by_stream(&self, bytes: &dyn Bytes, data: u64, coding: Coding) -> io::Result<Option<Found>> {
        let mut inflate = Inflate::new(bytes, data, bytes.len().saturating_sub(data), coding);
        let (mut size, mut crc) = (0, flate2::Crc::new());
        loop {
            match inflate.fill() {
                Ok([]) => break,
                Ok(piece) => {
                    size += piece.len() as u64;
                    crc.update(piece);
                }
                Err(error) => {
                    let is_stream = matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof);
                    return if is_stream { Ok(None) } else { Err(error) };
                }
            }
        }
        let packed = inflate.taken();
        let end = data + packed;
        let mut signature = [0; 4];
        bytes.read_full_at(end, &mut signature)?;
        let at = end + if signature == DATA_DESCRIPTOR.to_le_bytes() { 4 } else { 0 };
        Ok(Some(match descriptor(bytes, at, packed)? {
            Some((crc, size, length)) => Found { packed, size, crc, is_cut: false, next: at + length },
            None => Found { packed, size, crc: crc.sum(), is_cut: true, next: end },
        }))
    }

    /// The lengths stand behind the data: there is a descriptor where its packed length is the way that it is away.
    fn by_descriptor(&self, bytes: &dyn Bytes, data: u64) -> io::Result<Found> {
        let mut found = None;
        let mut failed = None;
        let mut next_header = None;
        find(bytes, data, &mut |at, four| {
            let signature = u32::from_le_bytes(four);
            let fields = match signature {
                DATA_DESCRIPTOR => Some((at + 4, at)),
                LOCAL_HEADER | CENTRAL_HEADER => {
                    next_header = next_header.or((signature == CENTRAL_HEADER).then_some(at));
                    None
                }
                _ => return false,
            };
            // Without a signature it ends where the next header begins, in its short or its long form.
            let places = fields.map_or_else(
                || vec![(at.saturating_sub(12), at.saturating_sub(12)), (at.saturating_sub(20), at.saturating_sub(20))],
                |place| vec![place],
            );
            for (at, end) in places.into_iter().filter(|(_, end)| *end >= data) {
                match descriptor(bytes, at, end - data) {
                    Ok(Some((crc, size, length))) => {
                        found = Some(Found { packed: end - data, size, crc, is_cut: false, next: at + length });
                        return true;
                    }
                    Ok(None) => {}
                    Err(error) => {
                        failed = Some(error);
                        return true;
                    }
                }
            }
            false
        })?;
        match (failed, found) {
            (Some(error), _) => Err(error),
            (_, Some(found)) => Ok(found),
            _ => Ok(self.unknown(bytes, data, next_header.unwrap_or(bytes.len()))),
        }
    }

    /// Neither lengths nor checksum are anywhere: what can be unpacked is what there is.
    fn unknown(&self, bytes: &dyn Bytes, data: u64, end: u64) -> Found {
        let mut crc = flate2::Crc::new();
        let packed = end.saturating_sub(data);
        let mut size = packed;
        if let Some(coding) = self.coding() {
            size = 0;
            let mut inflate = Inflate::new(bytes, data, packed, coding);
            while let Ok(piece) = inflate.fill() {
                if piece.is_empty() {
                    break;
                }
                size += piece.len() as u64;
                crc.update(piece);
            }
        }
        Found { packed, size, crc: crc.sum(), is_cut: true, next: data + packed }
    }
}

/// CRC-32, unpacked length and own length of a descriptor at this place, if it gives this packed length.
fn descriptor(bytes: &dyn Bytes, at: u64, packed: u64) -> io::Result<Option<(u32, u64, u64)>> {
    let mut fields = [0; 22];
    let read = bytes.read_full_at(at, &mut fields)?;
    let long = read >= 20 && u64_or_0(&fields, 4) == packed;
    let short = read >= 12 && u64::from(u32_or_0(&fields, 4)) == packed;
    // Of an empty file the short form is also the beginning of the long one; what follows tells.
    let is_short = short && (!long || fields[12..].starts_with(b"PK") && !fields[20..].starts_with(b"PK"));
    Ok(match (is_short, long) {
        (true, _) => Some((u32_or_0(&fields, 0), u64::from(u32_or_0(&fields, 8)), 12)),
        (_, true) => Some((u32_or_0(&fields, 0), u64_or_0(&fields, 12), 20)),
        _ => None,
    })
}

/// Writes a line of a central directory, with all lengths in their long form.
fn write_entry(out: &mut impl Write, local: &Local, found: &Found) -> io::Result<()> {
    let extra = local.extra();
    let mut fields = Vec::new();
    for (id, content) in extra_fields(extra).into_iter().filter(|(id, _)| *id != 1) {
        fields.extend(id.to_le_bytes());
        fields.extend(u16::try_from(content.len()).unwrap_or(0).to_le_bytes());
        fields.extend(content);
    }
    // The fields of the local header and our own one fit together, or the others are left out.
    if fields.len() + 28 > usize::from(u16::MAX) {
        fields.clear();
    }
    let mut long = vec![1, 0, 24, 0];
    [found.size, found.packed, local.at].iter().for_each(|value| long.extend(value.to_le_bytes()));
    let mut header = [0; 46];
    header[..4].copy_from_slice(&CENTRAL_HEADER.to_le_bytes());
    header[6..16].copy_from_slice(&local.header[4..14]);
    header[16..20].copy_from_slice(&found.crc.to_le_bytes());
    header[20..28].fill(0xFF);
    header[28..30].copy_from_slice(&local.header[26..28]);
    header[30..32].copy_from_slice(&u16::try_from(fields.len() + 28).unwrap_or(28).to_le_bytes());
    header[36..38].copy_from_slice(&if found.is_cut { CUT } else { 0 }.to_le_bytes());
    header[42..].fill(0xFF);
    out.write_all(&header)?;
    out.write_all(local.name())?;
    out.write_all(&long)?;
    out.write_all(&fields)
}
