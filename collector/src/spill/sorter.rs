//! Sorts more rows than fit into memory.

use super::Spill;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, Write};

/// Runs that are merged at a time; each costs a buffer.
const MOST_RUNS: usize = 64;
const BUFFER: usize = 1 << 15;

/// Takes rows in any order and gives them back in the order of their keys, equal keys as they came.
pub(crate) struct Sorter {
    spill: Spill,
    /// Bytes of rows that stay in memory.
    budget: usize,
    held: usize,
    rows: Vec<Row>,
    runs: Vec<File>,
}

/// What a row costs in memory beside its bytes.
const ROW: usize = 64;

impl Sorter {
    /// Keeps so many bytes in memory and the rest in files.
    pub(crate) fn new(spill: &Spill, budget: usize) -> Self {
        Sorter { spill: spill.clone(), budget, held: 0, rows: Vec::new(), runs: Vec::new() }
    }

    /// Takes a row.
    pub(crate) fn push(&mut self, key: &[u8], value: &[u8]) -> io::Result<()> {
        let bytes = key.len() + value.len() + ROW;
        if self.held + bytes > self.budget && !self.rows.is_empty() {
            self.flush()?;
        }
        self.held += bytes;
        self.rows.push((key.into(), value.into()));
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.rows.sort_by(|a, b| a.0.cmp(&b.0));
        let mut out = BufWriter::with_capacity(BUFFER, self.spill.file()?);
        for (key, value) in self.rows.drain(..) {
            write_row(&mut out, &key, &value)?;
        }
        self.runs.push(rewound(out)?);
        self.held = 0;
        if self.runs.len() >= MOST_RUNS {
            let runs = std::mem::take(&mut self.runs);
            let mut out = BufWriter::with_capacity(BUFFER, self.spill.file()?);
            for row in Merge::new(runs)? {
                let (key, value) = row?;
                write_row(&mut out, &key, &value)?;
            }
            self.runs.push(rewound(out)?);
        }
        Ok(())
    }

    /// The rows in order.
    pub(crate) fn finish(mut self) -> io::Result<Sorted> {
        if self.runs.is_empty() {
            self.rows.sort_by(|a, b| a.0.cmp(&b.0));
            return Ok(Sorted::InMemory(self.rows.into_iter()));
        }
        self.flush()?;
        Merge::new(self.runs).map(Sorted::Merged)
    }
}

fn rewound(out: BufWriter<File>) -> io::Result<File> {
    let mut file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.rewind()?;
    Ok(file)
}

fn write_row(out: &mut impl Write, key: &[u8], value: &[u8]) -> io::Result<()> {
    for part in [key, value] {
        let length = u32::try_from(part.len()).map_err(io::Error::other)?;
        out.write_all(&length.to_le_bytes())?;
    }
    out.write_all(key)?;
    out.write_all(value)
}

/// A row: its key and its value.
pub(crate) type Row = (Box<[u8]>, Box<[u8]>);

fn read_row(run: &mut BufReader<File>) -> io::Result<Option<Row>> {
    let mut lengths = [0; 8];
    match run.read(&mut lengths[..1])? {
        0 => return Ok(None),
        _ => run.read_exact(&mut lengths[1..])?,
    }
    let length =
        |at: usize| u32::from_le_bytes([lengths[at], lengths[at + 1], lengths[at + 2], lengths[at + 3]]) as usize;
    let (mut key, mut value) = (vec![0; length(0)], vec![0; length(4)]);
    run.read_exact(&mut key)?;
    run.read_exact(&mut value)?;
    Ok(Some((key.into(), value.into())))
}

/// The rows in order.
pub(crate) enum Sorted {
    /// There were few.
    InMemory(std::vec::IntoIter<Row>),
    /// From files.
    Merged(Merge),
}

impl Iterator for Sorted {
    type Item = io::Result<Row>;

    fn next(&mut self) -> Option<io::Result<Row>> {
        match self {
            Sorted::InMemory(rows) => rows.next().map(Ok),
            Sorted::Merged(merge) => merge.next(),
        }
    }
}

/// The next row of a run: key, number of the run, value.
type Next = (Box<[u8]>, usize, Box<[u8]>);

/// Merges sorted runs.
pub(crate) struct Merge {
    runs: Vec<BufReader<File>>,
    /// The next row of each run: its key, then the number of the run, so that equal keys stay in order.
    next: BinaryHeap<Reverse<Next>>,
}

impl Merge {
    fn new(runs: Vec<File>) -> io::Result<Self> {
        let runs = runs.into_iter().map(|run| BufReader::with_capacity(BUFFER, run)).collect();
        let mut merge = Merge { runs, next: BinaryHeap::new() };
        for index in 0..merge.runs.len() {
            merge.advance(index)?;
        }
        Ok(merge)
    }

    fn advance(&mut self, index: usize) -> io::Result<()> {
        if let Some((key, value)) = read_row(&mut self.runs[index])? {
            self.next.push(Reverse((key, index, value)));
        }
        Ok(())
    }
}

impl Iterator for Merge {
    type Item = io::Result<Row>;

    fn next(&mut self) -> Option<io::Result<Row>> {
        let Reverse((key, index, value)) = self.next.pop()?;
        Some(self.advance(index).map(|()| (key, value)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_number_of_rows_comes_back_in_order() {
        let folder = tempfile::tempdir().unwrap();
        for (rows, budget) in [(0u32, 100), (1, 100), (50, 1 << 20), (5_000, 100), (5_000, 7_000), (20_000, 5_000)] {
            let mut sorter = Sorter::new(&Spill::into_folder(folder.path()), budget);
            let mut expected = Vec::new();
            for row in 0..rows {
                let key = (row.wrapping_mul(2_654_435_761) % 1_000).to_be_bytes();
                sorter.push(&key, &row.to_be_bytes()).unwrap();
                expected.push((key.to_vec(), row.to_be_bytes().to_vec()));
            }
            expected.sort();
            let given: Vec<(Vec<u8>, Vec<u8>)> = sorter
                .finish()
                .unwrap()
                .map(|row| row.map(|(key, value)| (key.into(), value.into())).unwrap())
                .collect();
            assert_eq!(given, expected, "{rows} rows in {budget} bytes");
        }
    }
}
