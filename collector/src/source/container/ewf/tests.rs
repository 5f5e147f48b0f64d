//! Images made by hand, by the format's description.

use super::image::{About, Image};
use super::sections::SIGNATURE;
use super::segment::SegmentFile;
use crate::source::container::{Disk, disk_at};
use evidence::Bytes;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

const CHUNK: usize = 1024;

/// Chunk `number` of the disk: every byte tells which chunk it is of.
fn chunk(number: usize) -> Vec<u8> {
    (0..CHUNK).map(|at| (number * 37 + at % (200 + number % 50)) as u8).collect()
}

fn disk(chunks: usize) -> Vec<u8> {
    (0..chunks).flat_map(chunk).collect()
}

fn summed(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.extend(adler2::adler32_slice(&bytes).to_le_bytes());
    bytes
}

fn section(file: &mut Vec<u8>, name: &str, data: &[u8]) {
    let is_end = name == "next" || name == "done";
    let (at, size) = (file.len() as u64, if is_end { 0 } else { 76 + data.len() as u64 });
    let mut descriptor = name.as_bytes().to_vec();
    descriptor.resize(16, 0);
    descriptor.extend((at + size).to_le_bytes());
    descriptor.extend(size.to_le_bytes());
    descriptor.resize(72, 0);
    file.extend(summed(descriptor));
    file.extend_from_slice(data);
}

/// What a volume or data section says.
#[derive(Clone, Copy)]
struct Volume {
    chunks: u32,
    sectors: u64,
    set: u8,
}

impl Volume {
    fn of(chunks: usize) -> Self {
        Volume { chunks: chunks as u32, sectors: (chunks * CHUNK / 512) as u64, set: 7 }
    }

    fn bytes(self) -> Vec<u8> {
        let mut bytes = vec![0; 1048];
        bytes[4..8].copy_from_slice(&self.chunks.to_le_bytes());
        bytes[8..12].copy_from_slice(&2u32.to_le_bytes());
        bytes[12..16].copy_from_slice(&512u32.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.sectors.to_le_bytes());
        bytes[64..80].fill(self.set);
        summed(bytes)
    }
}

/// Chunks with even numbers are compressed, the others stored.
fn packed(number: usize) -> Vec<u8> {
    if number.is_multiple_of(2) { zlib(&chunk(number)) } else { summed(chunk(number)) }
}

fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

fn table(entries: &[u32], base: u64) -> Vec<u8> {
    let mut header = (entries.len() as u32).to_le_bytes().to_vec();
    header.extend([0; 4]);
    header.extend(base.to_le_bytes());
    header.extend([0; 4]);
    let mut bytes = summed(header);
    bytes.extend(summed(entries.iter().flat_map(|entry| entry.to_le_bytes()).collect()));
    bytes
}

/// A segment file with the chunks of this range, as EnCase 6 writes it.
fn segment(number: u16, chunks: std::ops::Range<usize>, volume: Volume, is_last: bool) -> Vec<u8> {
    let mut file = SIGNATURE.to_vec();
    file.push(1);
    file.extend(number.to_le_bytes());
    file.extend([0; 2]);
    section(&mut file, if number == 1 { "volume" } else { "data" }, &volume.bytes());
    let base = file.len() as u64;
    let (mut sectors, mut entries) = (Vec::new(), Vec::new());
    for chunk in chunks {
        entries.push((76 + sectors.len()) as u32 | if chunk.is_multiple_of(2) { 1 << 31 } else { 0 });
        sectors.extend(packed(chunk));
    }
    section(&mut file, "sectors", &sectors);
    section(&mut file, "table", &table(&entries, base));
    section(&mut file, "table2", &table(&entries, base));
    section(&mut file, if is_last { "done" } else { "next" }, &[]);
    file
}

/// Four chunks in each of four segment files.
fn segments() -> Vec<Vec<u8>> {
    (0..4).map(|index| segment(index as u16 + 1, index * 4..index * 4 + 4, Volume::of(16), index == 3)).collect()
}

fn open(files: &[Vec<u8>]) -> Result<(Image, About), String> {
    let file = |(index, bytes): (usize, &Vec<u8>)| SegmentFile::of(&format!("x.E{:02}", index + 1), None, bytes);
    Image::open(files.iter().enumerate().filter(|(_, bytes)| !bytes.is_empty()).map(file).collect(), "x.E01".to_owned())
}

/// Which chunks of sixteen can be read; they have to be the right ones.
fn readable(image: &dyn Bytes) -> Vec<usize> {
    let read = |number: &usize| {
        let mut bytes = vec![0; CHUNK];
        let read = image.read_full_at((number * CHUNK) as u64, &mut bytes);
        assert!(read.is_err() || bytes == chunk(*number), "chunk {number} has other bytes");
        read.is_ok()
    };
    (0..(image.len() as usize / CHUNK).min(16)).filter(read).collect()
}

fn said(about: &About) -> String {
    about.problems.iter().map(|problem| format!("{}\n", problem.what)).collect()
}

#[test]
fn whole_images_are_read_whole() {
    let (image, about) = open(&segments()).unwrap();
    assert_eq!(image.read_all(1 << 20).unwrap().unwrap(), disk(16));
    assert!(about.problems.is_empty(), "{}", said(&about));
    // SMART has neither sectors nor table2, and the chunks behind the entries of the table, without a checksum between.
    let mut file = segments()[0][..13].to_vec();
    let mut short = Volume::of(4).bytes()[..90].to_vec();
    short[16..24].copy_from_slice(&[8, 0, 0, 0, 0, 0, 0, 0]);
    section(&mut file, "volume", &summed(short));
    let (at, mut data, mut entries) = (file.len() + 76 + 24 + 16, Vec::new(), Vec::new());
    for number in 0..4 {
        entries.push((at + data.len()) as u32 | 1 << 31);
        data.extend(zlib(&chunk(number)));
    }
    let table = table(&entries, 0);
    section(&mut file, "table", &[&table[..table.len() - 4], &data].concat());
    section(&mut file, "done", &[]);
    let (image, about) = open(&[file]).unwrap();
    assert_eq!(image.read_all(1 << 20).unwrap().unwrap(), disk(4));
    assert!(about.problems.is_empty(), "{}", said(&about));
}

#[test]
fn a_damaged_chunk_is_an_error_that_names_it_and_its_segment() {
    for (number, words) in
        [(5, "the checksum (Adler-32) of chunk 5 does not match"), (6, "does not decompress to a chunk")]
    {
        let mut files = segments();
        let packed = packed(number);
        let at = files[1].windows(packed.len()).position(|bytes| bytes == packed).unwrap();
        files[1][at + packed.len() - 5] ^= 4;
        let (image, about) = open(&files).unwrap();
        assert_eq!(readable(&image), (0..16).filter(|other| *other != number).collect::<Vec<_>>());
        let error = image.read_at((number * CHUNK) as u64, &mut [0; 8]).unwrap_err().to_string();
        assert!(error.starts_with("segment 2 (x.E02): ") && error.contains(words), "{error}");
        let found = crate::source::container::Faults::problems(&*about.recorder);
        let [problem] = &found[..] else { panic!("{found:?}") };
        assert!(problem.what.contains("segment 2 (x.E02): the checksum (Adler-32"), "{problem:?}");
        assert_eq!(problem.kind, evidence::ProblemKind::BadChecksum { offset: (number * CHUNK) as u64 });
    }
}

#[test]
fn a_table_has_a_copy() {
    let mut files = segments();
    let at = files[2].windows(5).position(|bytes| bytes == b"table").unwrap();
    files[2][at + 76 + 24 + 5] ^= 1;
    let (image, about) = open(&files).unwrap();
    assert_eq!(readable(&image).len(), 16);
    let found = crate::source::container::Faults::problems(&*about.recorder);
    assert!(found.len() == 1 && found[0].what.contains("its copy was used"), "{found:?}");
    let copy = files[2].windows(6).position(|bytes| bytes == b"table2").unwrap();
    files[2][copy + 76 + 24 + 5] ^= 1;
    let (image, _) = open(&files).unwrap();
    assert_eq!(readable(&image), [0, 1, 2, 3, 4, 5, 6, 7, 12, 13, 14, 15]);
}

#[test]
fn a_lost_segment_costs_its_own_chunks() {
    let without = |lost: &[usize]| {
        let mut files = segments();
        lost.iter().for_each(|index| files[*index].clear());
        let (image, about) = open(&files).unwrap();
        assert_eq!(image.len(), 16 * CHUNK as u64);
        (readable(&image), said(&about))
    };
    let (read, said) = without(&[1]);
    assert_eq!(read, [0, 1, 2, 3, 8, 9, 10, 11, 12, 13, 14, 15]);
    assert!(said.contains("segment 2 of the image is missing"), "{said}");
    assert_eq!(without(&[1, 2]).0, [0, 1, 2, 3, 12, 13, 14, 15]);
    assert_eq!(without(&[0]).0, (4..16).collect::<Vec<_>>());
    let (read, said) = without(&[3]);
    assert_eq!(read, (0..12).collect::<Vec<_>>());
    assert!(said.contains("segment 4 is missing"), "{said}");
    // What stands between two losses has no certain place.
    assert_eq!(without(&[0, 2]).0, [12, 13, 14, 15]);
}

#[test]
fn without_the_count_of_all_chunks_nothing_behind_a_loss_is_placed() {
    let volume = Volume { chunks: 0, sectors: 0, set: 7 };
    let mut files: Vec<Vec<u8>> =
        (0..4).map(|index| segment(index as u16 + 1, index * 4..index * 4 + 4, volume, index == 3)).collect();
    let (image, about) = open(&files).unwrap();
    assert_eq!((image.len(), readable(&image).len()), (16 * CHUNK as u64, 16));
    assert!(said(&about).contains("counts 0 chunks and 0 sectors"), "{}", said(&about));
    files[1].clear();
    let (image, about) = open(&files).unwrap();
    assert_eq!((image.len(), readable(&image)), (12 * CHUNK as u64, vec![0, 1, 2, 3]));
    assert!(said(&about).contains("8 chunks stand behind segment 2"), "{}", said(&about));
}

#[test]
fn a_cut_segment_loses_what_stood_behind_the_cut() {
    for length in [0, 5, 13, 80, 1200, 2000, 3500] {
        let mut files = segments();
        files[1].truncate(length);
        let (image, about) = open(&files).unwrap();
        let read = readable(&image);
        assert!(
            read.starts_with(&[0, 1, 2, 3]) && read.ends_with(&[8, 9, 10, 11, 12, 13, 14, 15]),
            "{length}: {read:?}"
        );
        let named = said(&about);
        assert!(named.contains("segment 2") || named.contains("x.E02"), "{length}: {named}");
    }
}

#[test]
fn a_segment_of_another_image_is_not_used() {
    let mut files = segments();
    files[2] = segment(3, 100..104, Volume { set: 8, ..Volume::of(16) }, false);
    let (image, about) = open(&files).unwrap();
    assert_eq!(readable(&image), [0, 1, 2, 3, 4, 5, 6, 7, 12, 13, 14, 15]);
    assert!(said(&about).contains("segment 3 (x.E03) is a segment of another image"), "{}", said(&about));
    // Without an identifier its count shows that something does not fit, and nothing shows what.
    let volume = Volume { set: 0, ..Volume::of(16) };
    let mut files: Vec<Vec<u8>> =
        (0..4).map(|index| segment(index as u16 + 1, index * 4..index * 4 + 4, volume, index == 3)).collect();
    files[2] = segment(3, 100..103, volume, false);
    let (image, _) = open(&files).unwrap();
    assert_eq!(readable(&image), [0, 1, 2, 3]);
    // One is left over from a longer image.
    let files = [&segments()[..], &[segment(5, 100..104, volume, true)]].concat();
    let (image, about) = open(&files).unwrap();
    assert_eq!(readable(&image).len(), 16);
    assert!(said(&about).contains("segment 5 (x.E05) stands behind the last segment"), "{}", said(&about));
    // Its name and its header contradict each other.
    let named = [(1, 0), (2, 2), (3, 1)]
        .map(|(name, index)| SegmentFile::of(&format!("x.E0{name}"), Some(name), &segments()[index]));
    let (image, about) = Image::open(named.into(), "x.E01".to_owned()).unwrap();
    assert_eq!(readable(&image), [0, 1, 2, 3]);
    assert!(said(&about).contains("x.E02 is segment 2 by its name, but says that it is segment 3"), "{}", said(&about));
}

#[test]
fn a_damaged_volume_section_is_replaced_by_a_copy_or_confirmed_by_chunks() {
    let mut files = segments();
    let at = files[0].windows(6).position(|bytes| bytes == b"volume").unwrap() + 76;
    files[0][at + 8] = 4;
    let (image, _) = open(&files).unwrap();
    assert_eq!(readable(&image).len(), 16);
    let mut alone = vec![segment(1, 0..16, Volume::of(16), true)];
    alone[0][at + 8] = 4;
    assert!(open(&alone).map(|_| ()).unwrap_err().contains("volume section is damaged"));
    alone[0][at + 8] = 2;
    alone[0][at + 17] = 1;
    let (image, about) = open(&alone).unwrap();
    assert_eq!((image.len(), readable(&image).len()), (16 * CHUNK as u64, 16));
    assert!(said(&about).contains("volume section does not have its checksum"), "{}", said(&about));
}

fn random() -> impl FnMut() -> usize {
    let mut state = 1u64;
    move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize
    }
}

/// Whatever changes in the sections, with their checksums made right again: no panic, no endless reading, no great memory.
#[test]
fn hostile_sections_end() {
    let whole = segments();
    let mut random = random();
    for _ in 0..3000 {
        let mut files = whole.clone();
        let file = &mut files[random() % 4];
        let structures: Vec<usize> = (13..file.len() - 80)
            .filter(|at| file[*at].is_ascii_lowercase() && file[at + 6..at + 10] == [0; 4])
            .collect();
        let at = structures[random() % structures.len()];
        for _ in 0..1 + random() % 3 {
            file[at + 16 + random() % 90] = [0, 0xFF, random() as u8][random() % 3];
        }
        if at + 76 <= file.len() {
            let sum = adler2::adler32_slice(&file[at..at + 72]);
            file[at + 72..at + 76].copy_from_slice(&sum.to_le_bytes());
        }
        if let Ok((image, _)) = open(&files) {
            for number in 0..16 {
                let _ = image.read_at(number * CHUNK as u64, &mut [0; 512]);
            }
            let _ = image.read_at(image.len() - 1, &mut [0; 2]);
        }
    }
}

fn fixture(extension: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/hosts/ws-fin-07");
    std::fs::read(path.with_extension(extension)).unwrap()
}

/// The bytes of the disk, in pieces that are shared with nobody.
fn whole(bytes: &dyn Bytes) -> Vec<u8> {
    bytes.read_all(1 << 30).unwrap().unwrap()
}

/// One bit is flipped anywhere in an image, two thousand times: what can be read is right.
#[test]
fn one_flipped_bit_never_gives_other_bytes() {
    let mut random = random();
    for extension in ["E01", "Ex01"] {
        let file = fixture(extension);
        let opened = |file: &[u8]| -> Option<Arc<dyn Bytes>> {
            let files = vec![SegmentFile::of(&format!("x.{extension}"), Some(1), file)];
            match extension {
                "E01" => Image::open(files, "x".to_owned()).ok().map(|(image, _)| Arc::new(image) as Arc<dyn Bytes>),
                _ => super::Ex01::open(files, "x".to_owned()).ok().map(|(image, _)| Arc::new(image) as Arc<dyn Bytes>),
            }
        };
        let right = whole(&*opened(&file).unwrap());
        // Chunks of data that is not all alike; the others are the same few bytes again and again.
        let step = 32 << 10;
        let is_plain = |at: &usize| right[*at..at + step].iter().all(|byte| *byte == right[*at]);
        let places: Vec<usize> = (0..right.len()).step_by(step).filter(|at| !is_plain(at)).collect();
        let mut errors = 0;
        for _ in 0..1000 {
            let mut flipped = file.clone();
            let bit = random() % (file.len() * 8);
            flipped[bit / 8] ^= 1 << (bit % 8);
            let Some(image) = opened(&flipped) else {
                errors += 1;
                continue;
            };
            let mut bytes = vec![0; step];
            for at in &places {
                match image.read_full_at(*at as u64, &mut bytes) {
                    Ok(read) => assert!(bytes[..read] == right[*at..at + read], "{extension}: bit {bit}, offset {at}"),
                    Err(_) => errors += 1,
                }
            }
        }
        assert!(errors > 500, "{extension}: {errors}");
    }
}

/// Another reader's bytes of an image. It checks no checksum, but these images are whole.
fn by_another_reader(path: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut ewf::EwfReader::open(path).unwrap(), &mut bytes).unwrap();
    bytes
}

#[test]
fn another_reader_gives_the_same_bytes() {
    let host = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/hosts/ws-fin-07.E01");
    let mut images = vec![host];
    if let Some(corpus) = std::env::var_os("COMTRAIL_CORPUS") {
        let folder = Path::new(&corpus).join("debian-plaso-20241006/test_data");
        images.extend(
            ["image.E01", "image-split.E01"].map(|name| folder.join(name)).into_iter().filter(|path| path.exists()),
        );
    }
    for image in images {
        let disk = disk_at(&image).unwrap();
        assert!(disk.problems.is_empty(), "{}: {:?}", image.display(), disk.problems);
        assert!(whole(&*disk.bytes) == by_another_reader(&image), "{}", image.display());
    }
}

#[test]
fn segments_are_found_whichever_is_given() {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in ["x.E01", "x.e02", "X.E03", "x.E04"].iter().zip(segments()) {
        std::fs::write(folder.path().join(name), bytes).unwrap();
    }
    for name in ["x.E05.txt", "x.txt", "x.vhd"] {
        std::fs::write(folder.path().join(name), "no segment").unwrap();
    }
    for name in ["x.E01", "x.E04"] {
        let image = disk_at(&folder.path().join(name)).unwrap();
        assert_eq!(whole(&*image.bytes), disk(16), "{name}");
        assert_eq!((image.files.len(), image.problems.len()), (4, 0), "{name}: {:?}", image.problems);
    }
}

/// libewf computed the digests when it made the images.
#[test]
fn the_fixtures_have_their_stored_digests() {
    for extension in ["E01", "Ex01"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/hosts/ws-fin-07").with_extension(extension);
        let Disk { bytes, integrity, .. } = disk_at(&path).unwrap();
        let computed = <[u8; 16] as From<_>>::from(<md5::Md5 as md5::Digest>::digest(whole(&*bytes)));
        assert_eq!(integrity.digests[0], ("MD5", evidence::hex(&computed)), "{extension}");
    }
}
