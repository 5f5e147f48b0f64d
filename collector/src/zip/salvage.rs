//! Single entries of an archive that never got its directory, from their local headers alone.

use super::central::{LOCAL_HEADER, extra_fields};
use crate::file_bytes::Section;
use evidence::Bytes;
use evidence::le::{u16_or_0, u32_or_0, u64_or_0};
use std::io::{self, BufReader, Read};

/// What a local header says.
pub(crate) struct Local {
    pub(crate) name: String,
    method: u16,
    /// Lengths of the stored form and of the content, and the CRC-32; `None` while it was being written.
    known: Option<(u64, u64, u32)>,
    /// Where the stored form begins.
    data: u64,
}

impl Local {
    /// The local header at this place; `None` where there is none that this program writes.
    pub(crate) fn at(bytes: &dyn Bytes, at: u64) -> io::Result<Option<Local>> {
        let mut header = [0; 30];
        if bytes.read_full_at(at, &mut header)? != 30 || u32_or_0(&header, 0) != LOCAL_HEADER {
            return Ok(None);
        }
        let (name_length, extra_length) = (usize::from(u16_or_0(&header, 26)), usize::from(u16_or_0(&header, 28)));
        let mut rest = vec![0; name_length + extra_length];
        let method = u16_or_0(&header, 8);
        // This program writes neither flags but that of UTF-8, nor other methods.
        let is_ours = u16_or_0(&header, 6) & !(1 << 11) == 0 && matches!(method, 0 | 8);
        if !is_ours || bytes.read_full_at(at + 30, &mut rest)? != rest.len() {
            return Ok(None);
        }
        let Ok(name) = String::from_utf8(rest[..name_length].to_vec()) else { return Ok(None) };
        let (mut size, mut packed) = (u64::from(u32_or_0(&header, 22)), u64::from(u32_or_0(&header, 18)));
        let long = extra_fields(&rest[name_length..]).into_iter().find(|(id, content)| *id == 1 && content.len() >= 16);
        if let Some((_, content)) = long {
            (size, packed) = (u64_or_0(content, 0), u64_or_0(content, 8));
        }
        let data = at + 30 + rest.len() as u64;
        let is_known = data.checked_add(packed).is_some_and(|end| end <= bytes.len());
        let known = is_known.then_some((packed, size, u32_or_0(&header, 14)));
        Ok(Some(Local { name, method, known, data }))
    }

    /// The next local header from here on whose name begins so, and where it is.
    pub(crate) fn find(bytes: &dyn Bytes, from: u64, prefix: &str) -> io::Result<Option<(u64, Local)>> {
        const PIECE: usize = 1 << 17;
        let finder = memchr::memmem::Finder::new(b"PK\x03\x04");
        let mut piece = vec![0; PIECE];
        let mut at = from;
        loop {
            let read = bytes.read_full_at(at, &mut piece)?;
            for hit in finder.find_iter(&piece[..read]) {
                let place = at + hit as u64;
                if let Some(local) = Local::at(bytes, place)?.filter(|local| local.name.starts_with(prefix)) {
                    return Ok(Some((place, local)));
                }
            }
            if read < piece.len() {
                return Ok(None);
            }
            // What begins in the last three bytes is looked at with the next piece.
            at += read as u64 - 3;
        }
    }

    /// Whether it is stored as it is.
    pub(crate) fn is_stored(&self) -> bool {
        self.method == 0
    }

    /// Length of the content and its CRC-32; `None` where the header was not completed or the archive ends before.
    pub(crate) fn stated(&self) -> Option<(u64, u32)> {
        self.known.map(|(_, size, crc)| (size, crc))
    }

    /// Where the next entry begins, as far as that is known.
    pub(crate) fn end(&self) -> Option<u64> {
        self.known.map(|(packed, _, _)| self.data + packed)
    }

    /// The content, as far as it is there. Of an entry whose header was not completed, everything to the end of the archive
    /// is its own.
    pub(crate) fn content<'a>(&self, bytes: &'a dyn Bytes) -> Box<dyn Read + Send + 'a> {
        let length = self.known.map_or(bytes.len().saturating_sub(self.data), |(packed, _, _)| packed);
        let section = Section::new(bytes, self.data, length);
        match self.is_stored() {
            true => Box::new(section),
            false => Box::new(flate2::bufread::DeflateDecoder::new(BufReader::with_capacity(1 << 16, section))),
        }
    }
}
