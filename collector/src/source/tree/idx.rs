//! Velociraptor leaves the holes of a sparse file out of its upload and writes `<file>.idx` beside it, which says where
//! each part belongs.
//!
//! Reference: Velociraptor, `actions/proto/vql.proto`, message `Index` with its `Range`s, written as JSON.

use crate::file_bytes::{Section, within};
use crate::source::Content;
use evidence::Bytes;
use serde::Deserializer;
use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::fmt;
use std::io;
use std::ops::Range;
use std::sync::Arc;

/// The end of the name of such a file.
pub(super) const ENDING: &str = ".idx";
/// Most ranges of such a file: 24 MiB of memory.
const MOST_RANGES: usize = 1 << 20;

/// Reads JSON from front to back.
fn reader(json: &dyn Bytes) -> impl io::Read + '_ {
    io::BufReader::new(Section::new(json, 0, json.len()))
}

/// Whether this is such a file by its form, be it right or wrong: an object with a list of ranges.
pub(super) fn is_index(json: &dyn Bytes) -> bool {
    #[derive(serde::Deserialize)]
    struct Any {
        #[serde(rename = "ranges")]
        _ranges: Vec<IgnoredAny>,
    }
    serde_json::from_reader::<_, Any>(reader(json)).is_ok()
}

/// Members that are zero are left out by the program.
#[derive(serde::Deserialize)]
struct StoredRange {
    #[serde(default)]
    file_offset: u64,
    #[serde(default)]
    original_offset: u64,
    #[serde(default)]
    file_length: u64,
    #[serde(default)]
    length: u64,
}

/// A part of the original that is in the upload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Part {
    original: u64,
    uploaded: u64,
    length: u64,
}

/// Where the parts of an upload belong.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Index {
    /// Length of the original in bytes.
    pub(super) size: u64,
    /// In the order of the original.
    parts: Vec<Part>,
}

/// Takes the ranges one by one, since there can be more of them in the text than fit into memory.
struct Builder {
    index: Index,
    /// Length of the upload, and how much of it belongs to the ranges so far.
    uploaded: u64,
    used: u64,
}

impl Builder {
    fn add(&mut self, range: &StoredRange) -> Result<(), String> {
        let index = &mut self.index;
        let end = range.original_offset.checked_add(range.length).ok_or("a range ends beyond every file")?;
        if range.original_offset < index.size {
            let offset = range.original_offset;
            return Err(format!("the range at offset {offset} overlaps the one before it, or is not in its order"));
        }
        index.size = end;
        let length = range.file_length.min(range.length);
        match range.file_offset.checked_add(length) {
            _ if length == 0 => Ok(()),
            Some(_) if range.file_offset < self.used => {
                Err(format!("two ranges have the same bytes of the upload at offset {}", range.file_offset))
            }
            Some(_) if index.parts.len() >= MOST_RANGES => Err(format!("it has more than {MOST_RANGES} ranges")),
            Some(end) if end <= self.uploaded => {
                self.used = end;
                index.parts.push(Part { original: range.original_offset, uploaded: range.file_offset, length });
                Ok(())
            }
            _ => Err(format!(
                "a range of {length} bytes at offset {} is not in the {} bytes of the upload",
                range.file_offset, self.uploaded
            )),
        }
    }
}

/// The object in the file.
impl<'de> Visitor<'de> for &mut Builder {
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an object with a list of ranges")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let mut is_there = false;
        while let Some(name) = members.next_key::<String>()? {
            if name == "ranges" {
                is_there = true;
                members.next_value_seed(&mut *self)?;
            } else {
                members.next_value::<IgnoredAny>()?;
            }
        }
        if is_there { Ok(()) } else { Err(Error::missing_field("ranges")) }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut ranges: A) -> Result<(), A::Error> {
        while let Some(range) = ranges.next_element()? {
            self.add(&range).map_err(Error::custom)?;
        }
        Ok(())
    }
}

/// The list in it.
impl<'de> DeserializeSeed<'de> for &mut Builder {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, ranges: D) -> Result<(), D::Error> {
        ranges.deserialize_seq(self)
    }
}

impl Index {
    /// Reads one for an upload of this length; the error says what is wrong with it.
    pub(super) fn parse(json: &dyn Bytes, uploaded: u64) -> Result<Index, String> {
        let mut builder = Builder { index: Index { size: 0, parts: Vec::new() }, uploaded, used: 0 };
        let mut json = serde_json::Deserializer::from_reader(reader(json));
        json.deserialize_map(&mut builder).and_then(|()| json.end()).map_err(|error| error.to_string())?;
        match builder.index.parts.is_empty() && uploaded > 0 {
            true => Err("it has no range with data".to_owned()),
            false => Ok(builder.index),
        }
    }

    /// The ranges of the original that the upload has.
    fn data(&self) -> Vec<Range<u64>> {
        self.parts.iter().map(|part| part.original..part.original + part.length).collect()
    }

    /// The ranges of the original that the upload does not have.
    fn holes(&self) -> Vec<Range<u64>> {
        let mut holes = Vec::new();
        let mut at = 0;
        for part in self.data() {
            if part.start > at {
                holes.push(at..part.start);
            }
            at = part.end;
        }
        if at < self.size {
            holes.push(at..self.size);
        }
        holes
    }
}

/// The original, as far as the upload has it.
pub(super) struct Restored {
    pub(super) uploaded: Arc<dyn Bytes>,
    pub(super) index: Arc<Index>,
}

impl Bytes for Restored {
    fn len(&self) -> u64 {
        self.index.size
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let parts = &self.index.parts;
        let next = parts.partition_point(|part| part.original + part.length <= offset);
        match parts.get(next) {
            Some(part) if part.original <= offset => match within(part.original + part.length, offset, buffer) {
                [] => Ok(0),
                buffer => self.uploaded.read_at(part.uploaded + (offset - part.original), buffer),
            },
            following => {
                let buffer = within(following.map_or(self.index.size, |part| part.original), offset, buffer);
                buffer.fill(0);
                Ok(buffer.len())
            }
        }
    }

    fn next_data(&self, offset: u64) -> u64 {
        let parts = &self.index.parts;
        let next = parts.partition_point(|part| part.original + part.length <= offset);
        parts.get(next).map_or(self.index.size.max(offset), |part| part.original.max(offset))
    }

    fn flaw(&self) -> Option<String> {
        self.uploaded.flaw()
    }
}

impl Content for Restored {
    fn data_ranges(&self) -> Vec<Range<u64>> {
        self.index.data()
    }

    fn missing(&self) -> Vec<Range<u64>> {
        self.index.holes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(file_offset: u64, original_offset: u64, file_length: u64, length: u64) -> String {
        format!(
            r#"{{"file_offset":{file_offset},"original_offset":{original_offset},"file_length":{file_length},"length":{length}}}"#
        )
    }

    fn index(ranges: &[String], uploaded: u64) -> Result<Index, String> {
        Index::parse(&format!(r#"{{"ranges":[{}]}}"#, ranges.join(",")).into_bytes(), uploaded)
    }

    #[test]
    fn parts_stand_where_they_belong() {
        let ranges = [range(0, 0, 3, 3), range(3, 3, 0, 4), range(3, 7, 2, 2), range(5, 9, 0, 2)];
        let restored = Restored { uploaded: Arc::new(b"abcde".to_vec()), index: Arc::new(index(&ranges, 5).unwrap()) };
        assert_eq!(restored.read_all(100).unwrap().unwrap(), b"abc\0\0\0\0de\0\0");
        assert_eq!(restored.data_ranges(), [0..3, 7..9]);
        assert_eq!(restored.missing(), [3..7, 9..11]);
        assert_eq!([0, 4, 8, 9].map(|offset| restored.next_data(offset)), [0, 7, 8, 11]);
        // As the program writes it: zeros are left out.
        let short = br#"{"ranges":[{"file_length":5,"length":5}],"more":{}}"#.to_vec();
        assert_eq!(Index::parse(&short, 5).unwrap().size, 5);
    }

    #[test]
    fn impossible_ranges_are_refused() {
        for ranges in [
            vec![range(0, 0, 6, 6)],
            vec![range(u64::MAX, 0, 6, 6)],
            vec![range(0, u64::MAX, 1, 1)],
            vec![range(0, 0, 3, 3), range(3, 2, 2, 2)],
            vec![range(0, 0, 0, 9)],
            vec![range(3, 3, 2, 2), range(0, 0, 3, 3)],
            vec![range(0, 0, 3, 3), range(2, 3, 3, 3)],
            vec![],
        ] {
            assert!(index(&ranges, 5).is_err(), "{ranges:?}");
        }
        for json in ["not JSON", "{}", r#"{"ranges":[{"file_length":5,"length":5}]} more"#] {
            assert!(Index::parse(&json.as_bytes().to_vec(), 5).is_err(), "{json}");
        }
        let is_index = |json: &str| is_index(&json.as_bytes().to_vec());
        assert!(is_index(r#"{"ranges":[{"file_length":"x"}]}"#) && !is_index("{}") && !is_index("[1]"));
    }
}
