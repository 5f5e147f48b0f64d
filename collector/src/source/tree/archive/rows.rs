//! Rows of fixed length, sorted, that are searched without having them in memory.

use crate::file_bytes::FileBytes;
use crate::spill::Spill;
use evidence::Bytes;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;

/// A row. Its bytes in order are its order.
pub(super) type Row = [u8; ROW];
/// Length of a row in bytes.
pub(super) const ROW: usize = 32;
/// Rows that stay in memory: 2 MiB.
const IN_MEMORY: usize = 1 << 16;
/// Rows that are read at a time of each run that is merged.
const AT_ONCE: usize = 1 << 9;

/// Takes rows in any order.
pub(super) struct Sorter {
    spill: Spill,
    rows: Vec<Row>,
    /// Sorted runs, one after the other, by the index of their first row.
    file: Option<FileBytes>,
    runs: Vec<u64>,
    in_file: u64,
    capacity: usize,
}

impl Sorter {
    pub(super) fn new(spill: &Spill) -> Self {
        Sorter { spill: spill.clone(), rows: Vec::new(), file: None, runs: Vec::new(), in_file: 0, capacity: IN_MEMORY }
    }

    #[cfg(test)]
    pub(super) fn with_capacity(spill: &Spill, capacity: usize) -> Self {
        Sorter { capacity, ..Sorter::new(spill) }
    }

    pub(super) fn push(&mut self, row: Row) -> io::Result<()> {
        self.rows.push(row);
        if self.rows.len() >= self.capacity { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.rows.sort_unstable();
        let file = match &self.file {
            Some(file) => file,
            None => self.file.insert(FileBytes::new(self.spill.file()?)?),
        };
        file.write_at(self.in_file * ROW as u64, self.rows.as_flattened())?;
        self.runs.push(self.in_file);
        self.in_file += self.rows.len() as u64;
        self.rows.clear();
        Ok(())
    }

    /// Every row in order; those that are not taken are left out.
    pub(super) fn finish(mut self, mut take: impl FnMut(&mut Row) -> bool) -> io::Result<Rows> {
        if self.file.is_none() {
            self.rows.sort_unstable();
            self.rows.retain_mut(|row| take(row));
            self.rows.shrink_to_fit();
            return Ok(Rows { length: self.rows.len() as u64, held: Held::Memory(self.rows) });
        }
        self.flush()?;
        self.rows = Vec::new();
        let Some(file) = self.file else { return Err(io::Error::other("no temporary file")) };
        let mut runs: Vec<Run> = self.runs.iter().map(|at| Run { at: *at, end: 0, rows: Vec::new() }).collect();
        let ends = self.runs.iter().skip(1).copied().chain([self.in_file]);
        runs.iter_mut().zip(ends).for_each(|(run, end)| run.end = end);
        let mut heap = BinaryHeap::new();
        for (index, run) in runs.iter_mut().enumerate() {
            heap.extend(run.next(&file)?.map(|row| Reverse((row, index))));
        }
        let merged = FileBytes::new(self.spill.file()?)?;
        let (mut written, mut batch) = (0u64, Vec::with_capacity(AT_ONCE));
        while let Some(Reverse((mut row, index))) = heap.pop() {
            heap.extend(runs[index].next(&file)?.map(|row| Reverse((row, index))));
            if take(&mut row) {
                batch.push(row);
            }
            if batch.len() >= AT_ONCE || heap.is_empty() {
                merged.write_at(written * ROW as u64, batch.as_flattened())?;
                written += batch.len() as u64;
                batch.clear();
            }
        }
        Ok(Rows { length: written, held: Held::File(FileBytes::longer(merged)?) })
    }
}

/// A sorted part of a file.
struct Run {
    at: u64,
    end: u64,
    /// Rows that were read, in reverse order.
    rows: Vec<Row>,
}

impl Run {
    fn next(&mut self, file: &FileBytes) -> io::Result<Option<Row>> {
        if self.rows.is_empty() {
            let count = (self.end - self.at).min(AT_ONCE as u64) as usize;
            self.rows.resize(count, [0; ROW]);
            read_rows(file, self.at, &mut self.rows)?;
            self.at += count as u64;
            self.rows.reverse();
        }
        Ok(self.rows.pop())
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
    File(FileBytes),
}

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
            Held::File(file) => {
                let mut row = [[0; ROW]];
                read_rows(file, index, &mut row)?;
                Ok(row[0])
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
            let mut sorter = Sorter::with_capacity(&spill, capacity);
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
