//! What an archive states of its entries against what they are, and archives that do not begin where the file does.

use super::tests::{ByHand, all, archive, as_far_as_it_goes, numbers, open_bytes, opened};
use crate::source::tree::Store;
use evidence::ProblemKind;

/// Where the line of the directory and the local header of the first entry have CRC-32, packed length and length.
fn fields(bytes: &[u8]) -> ([usize; 3], [usize; 3]) {
    let line = bytes.windows(4).position(|four| four == b"PK\x01\x02").unwrap();
    ([line + 16, line + 20, line + 24], [14, 18, 22])
}

fn set(bytes: &mut [u8], at: usize, value: u32) {
    bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
}

fn get(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

/// The first entry's bytes and what is said against them.
fn read(bytes: &[u8]) -> (Vec<u8>, String) {
    let (_folder, archive, _, problems) = open_bytes(bytes).unwrap();
    assert_eq!(problems, []);
    let files = all(&archive);
    assert!(files[0].1.size > 0, "it is passed over");
    let opened = opened(&archive, &files[0].0).unwrap();
    let content = as_far_as_it_goes(&*opened).0;
    (content, opened.flaw().unwrap_or_default())
}

/// Deflated and stored, in memory and streamed: each figure in the directory, in the local header and in both is replaced.
#[test]
fn every_figure_that_is_wrong_is_named_with_the_right_one() {
    for data in [numbers(3_000), numbers(600_000)] {
        for method in [zip::CompressionMethod::Stored, zip::CompressionMethod::Deflated] {
            let good = archive(&[("a", &data), ("b", b"later")], method);
            let (central, local) = fields(&good);
            assert_eq!(read(&good), (data.clone(), String::new()));
            for (figure, wrong) in [(2, 0), (2, 100), (2, data.len() as u32 + 7), (0, 0x0BAD_C0DE)] {
                for places in [&[central[figure]][..], &[local[figure]], &[central[figure], local[figure]]] {
                    let mut bad = good.clone();
                    places.iter().for_each(|at| set(&mut bad, *at, wrong));
                    let (content, flaw) = read(&bad);
                    let right = get(&good, central[figure]);
                    let told = |value: u32| match figure {
                        0 => flaw.contains(&format!("{value:08X}")),
                        _ => flaw.contains(&value.to_string()),
                    };
                    let what = format!("{method} {places:?} of {figure} as {wrong}: {flaw}");
                    assert!(told(wrong) && told(right), "{what}");
                    // Nothing says that there is more, and all that is stated to be there was read.
                    let is_short =
                        places.len() == 2 && data.len() > 8 << 20 && method == zip::CompressionMethod::Deflated;
                    if !(is_short && wrong > 8 << 20) {
                        assert!(content == data, "{} bytes, {what}", content.len());
                    }
                }
            }
        }
    }
}

#[test]
fn a_packed_length_that_is_wrong_is_named_with_the_right_one() {
    let data = numbers(3_000);
    let good = archive(&[("a", &data), ("b", b"later")], zip::CompressionMethod::Deflated);
    let (central, local) = fields(&good);
    let right = get(&good, central[1]);
    for wrong in [0, right - 9] {
        let mut bad = good.clone();
        set(&mut bad, central[1], wrong);
        let (content, flaw) = read(&bad);
        assert!(content == data && flaw.contains(&wrong.to_string()) && flaw.contains(&right.to_string()), "{flaw}");
        // In both places nothing says where it ends, and what is in the stated bytes is read.
        set(&mut bad, local[1], wrong);
        if wrong > 0 {
            let (content, flaw) = read(&bad);
            assert!(
                data.starts_with(&content) && content.len() > 1_000 && flaw.contains("could be unpacked"),
                "{flaw}"
            );
        }
    }
}

/// All of an entry's figures are zero in the directory, as if nothing had been there.
#[test]
fn an_entry_that_the_directory_calls_empty_is_read() {
    let data = numbers(3_000);
    for method in [zip::CompressionMethod::Stored, zip::CompressionMethod::Deflated] {
        let mut bad = archive(&[("a", &data), ("b", b"later")], method);
        let (central, _) = fields(&bad);
        central.iter().for_each(|at| set(&mut bad, *at, 0));
        let (content, flaw) = read(&bad);
        assert!(content == data && flaw.contains(&data.len().to_string()), "{flaw}");
    }
    let empty = archive(&[("a", b"")], zip::CompressionMethod::Deflated);
    let (_folder, archive, ..) = open_bytes(&empty).unwrap();
    assert_eq!(all(&archive)[0].1.size, 0);
    assert_eq!(opened(&archive, "/a").unwrap().flaw(), None);
}

/// The same archive with its offsets from the first byte of the file, as the programs write it that make one unpack itself.
fn with_absolute_offsets(stub: &[u8], archive: &[u8]) -> Vec<u8> {
    let mut bytes = [stub, archive].concat();
    let end = bytes.len() - 22;
    let mut line = stub.len() + get(&bytes, end + 16) as usize;
    let start = get(&bytes, end + 16) + stub.len() as u32;
    set(&mut bytes, end + 16, start);
    while line < end {
        let moved = get(&bytes, line + 42) + stub.len() as u32;
        set(&mut bytes, line + 42, moved);
        let lengths = [28, 30, 32].map(|at| usize::from(u16::from_le_bytes([bytes[line + at], bytes[line + at + 1]])));
        line += 46 + lengths.iter().sum::<usize>();
    }
    bytes
}

#[test]
fn what_stands_before_an_archive_moves_no_entry() {
    let data = numbers(2_000);
    let good = archive(&[("a", &data), ("x/b", b"later")], zip::CompressionMethod::Deflated);
    for (stub, told) in [(&b"MZ, and a program that unpacks it"[..], 0), (b"anything at all", 1)] {
        let relative = [stub, &good].concat();
        for bytes in [relative, with_absolute_offsets(stub, &good)] {
            assert!(super::is_at_end(&bytes));
            let (_folder, archive, _, problems) = open_bytes(&bytes).unwrap();
            assert!(as_far_as_it_goes(&*opened(&archive, "/a").unwrap()) == (data.clone(), false));
            assert_eq!(as_far_as_it_goes(&*opened(&archive, "/x/b").unwrap()).0, b"later");
            // With offsets from the first byte nothing shows that the archive does not begin there.
            assert!(problems.len() <= told, "{problems:?}");
        }
    }
}

#[test]
fn an_archive_that_lost_its_beginning_gives_what_is_behind() {
    let data = numbers(2_000);
    let files: [(&str, &[u8]); 4] = [("first", &data), ("second", &data), ("x/third", b"3"), ("fourth", &data)];
    let good = archive(&files, zip::CompressionMethod::Deflated);
    let cut = good[1_024..].to_vec();
    assert!(super::is_at_end(&cut));
    let (_folder, archive, _, problems) = open_bytes(&cut).unwrap();
    let [problem] = &problems[..] else { panic!("{problems:?}") };
    assert!(problem.what.contains("first 1024 bytes") && problem.what.contains("1 (first)"), "{problem:?}");
    assert!(matches!(problem.kind, ProblemKind::Truncated { .. }));
    assert_eq!(all(&archive).len(), 4, "the lost one is still named");
    for (name, content) in &files[1..] {
        let opened = opened(&archive, &format!("/{name}")).unwrap();
        assert!(as_far_as_it_goes(&*opened) == (content.to_vec(), false) && opened.flaw().is_none());
    }
    assert!(opened(&archive, "/first").err().unwrap().to_string().contains("lost"));
    // Nothing but the directory is left.
    let directory = good.windows(4).position(|four| four == b"PK\x01\x02").unwrap();
    assert!(!super::is_at_end(&good[directory..].to_vec()));
    // Overwritten, not lost.
    let mut zeros = good.clone();
    zeros[..1_024].fill(0);
    assert!(super::is_at_end(&zeros));
    let (_folder, archive, ..) = open_bytes(&zeros).unwrap();
    assert!(as_far_as_it_goes(&*opened(&archive, "/second").unwrap()) == (data, false));
    assert!(opened(&archive, "/first").is_err());
}

#[test]
fn zip_bytes_somewhere_in_a_file_make_no_archive_of_it() {
    let good = archive(&[("a", b"one")], zip::CompressionMethod::Stored);
    assert!(super::is_at_end(&[b"MZ", &good[..]].concat()));
    let directory = good.windows(4).position(|four| four == b"PK\x01\x02").unwrap();
    let mut other_name = good.clone();
    other_name[directory + 46] = b'b';
    let mut other_count = good.clone();
    let end = good.len() - 22;
    other_count[end + 10] = 2;
    for (what, bytes) in [
        ("more behind it", [&good[..], b"more"].concat()),
        ("nothing but the end", [b"MZ", &good[end..]].concat()),
        ("nothing but the directory", [b"MZ", &good[directory..]].concat()),
        ("the header is of another", other_name),
        ("the count is another", other_count),
        ("the beginning alone", good[..directory].to_vec()),
    ] {
        assert!(!super::is_at_end(&bytes), "{what}");
    }
}

/// Names of 64 KiB with 32,767 folders each, which nobody shares: linear in their length, and nothing of them is lost.
#[test]
fn the_deepest_names_cost_no_more_than_they_are_long() {
    let mut by_hand = ByHand::new();
    let below = "d/".repeat(32_000);
    for number in 0..20 {
        by_hand.entry(format!("{number}/{below}a.evtx").as_bytes(), 0x800, b"content");
    }
    let whole = format!("t/{}b", "e/".repeat(3_000));
    by_hand.entry(whole.as_bytes(), 0x800, b"content");
    let before = std::time::Instant::now();
    let (_folder, archive, _, problems) = open_bytes(&by_hand.finish()).unwrap();
    let [problem] = &problems[..] else { panic!("{problems:?}") };
    assert_eq!(problem.kind, ProblemKind::LimitReached);
    assert!(problem.what.contains(": 20 (") && problem.what.len() < 3_000, "{problem:?}");
    let (mut files, mut folders) = (Vec::new(), vec![(String::new(), 0)]);
    while let Some((key, depth)) = folders.pop() {
        for child in archive.children(&key).unwrap() {
            match child.is_folder {
                true => folders.push((child.key, depth + 1)),
                false => files.push((child, depth)),
            }
        }
    }
    assert_eq!(files.len(), 21);
    for (file, depth) in files {
        assert_eq!(archive.open(&file.key).unwrap().read_all(10).unwrap().unwrap(), b"content");
        let expected = if file.name == "b" { 3_001 } else { 4_096 };
        assert_eq!((depth, file.name.ends_with('b') || file.name.ends_with("d/a.evtx")), (expected, true));
    }
    // Minutes where the work grows with the square of the depth.
    assert!(before.elapsed().as_secs() < 30, "{:?}", before.elapsed());
}
