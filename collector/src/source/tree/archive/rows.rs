//! Rows of fixed length, sorted, that are searched without having them in memory.

use crate::file_bytes::FileBytes;
use crate::spill::{self, Spill};
use evidence::Bytes;
use parking_lot::Mutex;
use std::io;

/// A row. Its bytes in order are its order.
pub(super) type Row = [u8; ROW];
/// Length of a row in bytes.
pub(super) const ROW: usize = 32;
/// Bytes that are kept in memory while rows are sorted.
const SORTED_IN_MEMORY: usize = 6 << 20;
/// Sorted rows that stay in memory: 2 MiB. Of more, so many are written at a time.
const IN_MEMORY: usize = 1 << 16;

/// Takes rows in any order.
pub(super) struct Sorter {
    spill: Spill,
    rows: spill::Sorter,
    in_memory: usize,
}

impl Sorter {
    pub(super) fn new(spill: &Spill) -> Self {
        Sorter::with_capacity(spill, SORTED_IN_MEMORY, IN_MEMORY)
    }

    fn with_capacity(spill: &Spill, budget: usize, in_memory: usize) -> Self {
        Sorter { spill: spill.clone(), rows: spill::Sorter::new(spill, budget), in_memory }
    }

    pub(super) fn push(&mut self, row: Row) -> io::Result<()> {
        self.rows.push(&row, &[])
    }

    /// Every row in order; those that are not taken are left out.
    pub(super) fn finish(self, mut take: impl FnMut(&mut Row) -> bool) -> io::Result<Rows> {
        let (mut rows, mut file, mut written): (Vec<Row>, Option<FileBytes>, u64) = (Vec::new(), None, 0);
        let mut write = |rows: &mut Vec<Row>, file: &mut Option<FileBytes>| {
            let out = match file {
                Some(file) => file,
                none => none.insert(FileBytes::new(self.spill.file()?)?),
            };
            out.write_at(written * ROW as u64, rows.as_flattened())?;
            written += rows.len() as u64;
            rows.clear();
            Ok::<u64, io::Error>(written)
        };
        for row in self.rows.finish()? {
            let (key, _) = row?;
            let mut row = Row::try_from(&*key).map_err(io::Error::other)?;
            if take(&mut row) {
                if rows.len() >= self.in_memory {
                    write(&mut rows, &mut file)?;
                }
                rows.push(row);
            }
        }
        if file.is_none() {
            rows.shrink_to_fit();
            return Ok(Rows { length: rows.len() as u64, held: Held::Memory(rows) });
        }
        let length = write(&mut rows, &mut file)?;
        let file = file.ok_or_else(|| io::Error::other("no temporary file"))?;
        Ok(Rows { length, held: Held::File(file.longer()?, Mutex::default()) })
    }
}

fn read_rows(file: &FileBytes, index: u64, rows: &mut [Row]) -> io::Result<()> {
    let bytes = rows.as_flattened_mut();
    if file.read_full_at(index * ROW as u64, bytes)? == bytes.len() {
        Ok(())
    } else {
        Err(io::Error::other("a temporary file lost its end"))
    }
}

enum Held {
    Memory(Vec<Row>),
    File(FileBytes, Mutex<Vec<Option<Block>>>),
}

/// Rows that are read at a time, with their number among those of the file.
type Block = (u64, Vec<Row>);

/// Rows of a block, 4 KiB.
const BLOCK: u64 = 128;
/// Blocks that are kept: a search begins at the same rows each time.
const BLOCKS: u64 = 128;

/// Sorted rows.
pub(super) struct Rows {
    held: Held,
    length: u64,
}

impl Rows {
    pub(super) fn len(&self) -> u64 {
        self.length
    }

    /// The row of this index, which is below the length.
    pub(super) fn get(&self, index: u64) -> io::Result<Row> {
        match &self.held {
            Held::Memory(rows) => usize::try_from(index)
                .ok()
                .and_then(|index| rows.get(index).copied())
                .ok_or_else(|| io::Error::other("no such row")),
            Held::File(file, kept) => {
                let number = index / BLOCK;
                let mut kept = kept.lock();
                kept.resize(BLOCKS as usize, None);
                let slot = &mut kept[(number % BLOCKS) as usize];
                if slot.as_ref().is_none_or(|(of, _)| *of != number) {
                    let count = self.length.saturating_sub(number * BLOCK).min(BLOCK);
                    let mut rows = vec![[0; ROW]; count as usize];
                    read_rows(file, number * BLOCK, &mut rows)?;
                    *slot = Some((number, rows));
                }
                let row = slot.as_ref().and_then(|(_, rows)| rows.get((index % BLOCK) as usize));
                row.copied().ok_or_else(|| io::Error::other("no such row"))
            }
        }
    }

    /// Index of the first row that begins with these bytes or with greater ones.
    pub(super) fn first(&self, start: &[u8]) -> io::Result<u64> {
        let (mut low, mut high) = (0, self.length);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.get(middle)?[..start.len().min(ROW)] < *start {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok(low)
    }

    /// Every row that begins with these bytes, in order.
    pub(super) fn starting_with(&self, start: &[u8]) -> impl Iterator<Item = io::Result<Row>> + '_ {
        let start = start.to_vec();
        let mut index = self.first(&start);
        std::iter::from_fn(move || {
            let at = match &mut index {
                Ok(at) if *at < self.length => std::mem::replace(at, *at + 1),
                Ok(_) => return None,
                Err(error) => {
                    let error = std::mem::replace(error, io::Error::other("the rows could not be read"));
                    index = Ok(self.length);
                    return Some(Err(error));
                }
            };
            match self.get(at) {
                Ok(row) if row.starts_with(&start) => Some(Ok(row)),
                Ok(_) => None,
                Err(error) => {
                    index = Ok(self.length);
                    Some(Err(error))
                }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_in_order_whether_in_memory_or_not() {
        let folder = tempfile::tempdir().unwrap();
        let spill = Spill::into_folder(folder.path());
        for (count, capacity) in [(0u32, 10), (5, 10), (10, 10), (5_000, 10), (5_000, 700), (5_000, 9_000)] {
            let mut sorter = Sorter::with_capacity(&spill, capacity * 100, capacity);
            let mut expected = Vec::new();
            for number in 0..count {
                let mut row = [0; ROW];
                row[..4].copy_from_slice(&(number.wrapping_mul(2_654_435_761) >> 22).to_be_bytes());
                row[4..8].copy_from_slice(&number.to_be_bytes());
                sorter.push(row).unwrap();
                if number % 3 != 0 {
                    expected.push(row);
                }
            }
            expected.sort_unstable();
            let rows = sorter.finish(|row| u32::from_be_bytes([row[4], row[5], row[6], row[7]]) % 3 != 0).unwrap();
            let given: Vec<Row> = (0..rows.len()).map(|index| rows.get(index).unwrap()).collect();
            assert!(given == expected, "{count} rows, {capacity} in memory");
            for start in [0u32, 1, 77, 1023, 5000] {
                let start = start.to_be_bytes();
                let with: Vec<Row> = rows.starting_with(&start).map(Result::unwrap).collect();
                let expected: Vec<Row> = expected.iter().filter(|row| row.starts_with(&start)).copied().collect();
                assert!(with == expected);
            }
        }
    }
}
