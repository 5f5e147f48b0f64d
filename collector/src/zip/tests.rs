//! An archive is read, and what is odd about its form is seen.

use super::central::{CENTRAL_HEADER, END_RECORD, Entry};
use super::reader::Directory;
use super::strict;
use evidence::le::u32_or_0;
use std::io::{self, Cursor, Read, Write};

fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in files {
        zip.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(content).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// What is odd about the form of the archive.
pub(crate) fn oddities(bytes: &[u8]) -> Vec<(String, String)> {
    let bytes = bytes.to_vec();
    let (mut order, mut odd) = (Vec::new(), Vec::new());
    let directory = Directory::look(&bytes, &mut |at, entry| {
        order.push((entry.header_offset, at));
        Ok(())
    })
    .unwrap();
    order.sort_unstable();
    let mut take = |name: &str, what| odd.push((name.to_owned(), what));
    let count = order.len() as u64;
    strict::odd_places(&bytes, &directory, count, order.into_iter().map(|(_, at)| Ok(at)), &mut take).unwrap();
    odd
}

/// The directory and all of its entries, in order.
pub(crate) fn listing(bytes: &[u8]) -> io::Result<(Directory, Vec<Entry>)> {
    let mut entries = Vec::new();
    let directory = Directory::look(&bytes.to_vec(), &mut |_, entry| {
        entries.push(entry);
        Ok(())
    })?;
    Ok((directory, entries))
}

fn content(bytes: &[u8], (directory, entries): &(Directory, Vec<Entry>), index: usize) -> io::Result<Vec<u8>> {
    let bytes = bytes.to_vec();
    let mut all = Vec::new();
    directory.open(&bytes, &entries[index])?.read_to_end(&mut all)?;
    Ok(all)
}

#[test]
fn reads_what_another_program_wrote() {
    let long = b"abc".repeat(10_000);
    let bytes = archive(&[("a/one.txt", b"one"), ("empty", b""), ("long", &long)]);
    let directory = listing(&bytes).unwrap();
    assert_eq!(directory.1.iter().map(|e| e.name.as_str()).collect::<Vec<_>>(), ["a/one.txt", "empty", "long"]);
    assert_eq!(content(&bytes, &directory, 0).unwrap(), b"one");
    assert_eq!(content(&bytes, &directory, 1).unwrap(), b"");
    assert_eq!(content(&bytes, &directory, 2).unwrap(), long);
    assert_eq!(oddities(&bytes), []);
}

#[test]
fn bytes_before_between_and_after_are_odd() {
    let good = archive(&[("a", b"one"), ("b", b"two")]);
    let mut before = b"hidden".to_vec();
    before.extend(&good);
    assert!(!oddities(&before).is_empty());
    let mut after = good.clone();
    after.extend(b"hidden");
    assert!(!oddities(&after).is_empty());
    // A third entry whose directory line is cut out leaves its local part behind.
    let three = archive(&[("a", b"one"), ("b", b"two"), ("c", b"six")]);
    let cut = three.windows(4).rposition(|w| w == CENTRAL_HEADER.to_le_bytes()).unwrap();
    let end = three.windows(4).rposition(|w| w == END_RECORD.to_le_bytes()).unwrap();
    let mut hidden = three[..cut].to_vec();
    hidden.extend(&three[end..]);
    let end = hidden.len() - 22;
    hidden[end + 8] = 2;
    hidden[end + 10] = 2;
    let size = u32_or_0(&hidden, end + 12) - (three.len() - 22 - cut) as u32;
    hidden[end + 12..end + 16].copy_from_slice(&size.to_le_bytes());
    let odd = oddities(&hidden);
    assert!(odd.iter().any(|(_, what)| what.contains("hidden")), "{odd:?}");
}

#[test]
fn damage_is_an_error_and_never_a_panic() {
    let good = archive(&[("a/one.txt", b"one"), ("long", &b"abc".repeat(1000))]);
    for length in 0..good.len() {
        let cut = good[..length].to_vec();
        if listing(&cut).is_ok() {
            let _ = oddities(&cut);
        }
    }
    for at in 0..good.len() {
        for value in [0, 0xff, good[at] ^ 1] {
            let mut bad = good.clone();
            bad[at] = value;
            if let Ok(directory) = listing(&bad) {
                let _ = oddities(&bad);
                for index in 0..directory.1.len() {
                    let _ = content(&bad, &directory, index);
                }
            }
        }
    }
    let mut bomb = listing(&good).unwrap();
    bomb.1[1].size = 1 << 40;
    assert!(content(&good, &bomb, 1).unwrap_err().to_string().contains("longer than compression allows"));
    let mut wrong = good.clone();
    wrong[30 + 9] ^= 1;
    let directory = listing(&wrong).unwrap();
    assert!(content(&wrong, &directory, 0).is_err());
}
