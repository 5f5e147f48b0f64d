//! Archives that another program packed, and what can be hidden in their form.

use super::*;

/// An entry as it stands in the archive.
#[derive(Clone)]
struct Raw {
    name: Vec<u8>,
    local_name: Vec<u8>,
    data: Vec<u8>,
    method: u16,
    crc: u32,
    size: u32,
    flags: u16,
    needed: [u16; 2],
    made_by: u16,
    time: [u32; 2],
    attributes: u32,
    internal: u16,
    part: u16,
    extra: [Vec<u8>; 2],
    comment: Vec<u8>,
    /// Sizes and checksum that the local header has instead of the right ones.
    local: Option<[u32; 3]>,
    behind: Vec<u8>,
}

/// The bundle as Info-ZIP would pack it: with times, and made on Unix by version 3.0.
fn raw(bytes: &[u8]) -> Vec<Raw> {
    let bytes = bytes.to_vec();
    files(&bytes)
        .into_iter()
        .map(|(name, content)| {
            let mut crc = flate2::Crc::new();
            crc.update(&content);
            let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::new(9));
            encoder.write_all(&content).unwrap();
            Raw {
                local_name: name.clone().into_bytes(),
                name: name.into_bytes(),
                data: encoder.finish().unwrap(),
                method: 8,
                crc: crc.sum(),
                size: content.len() as u32,
                flags: 0,
                needed: [20, 20],
                made_by: 0x031E,
                time: [0x5B7A_6A00; 2],
                attributes: 0o100_644 << 16,
                internal: 1,
                part: 0,
                extra: [b"UT\x05\x00\x01\0\0\0\0".to_vec(), b"UT\x05\x00\x01\0\0\0\0".to_vec()],
                comment: Vec::new(),
                local: None,
                behind: Vec::new(),
            }
        })
        .collect()
}

fn put(out: &mut Vec<u8>, halves: &[u16]) {
    halves.iter().for_each(|half| out.extend(half.to_le_bytes()));
}

fn put_long(out: &mut Vec<u8>, words: &[u32]) {
    words.iter().for_each(|word| out.extend(word.to_le_bytes()));
}

fn build(entries: &[Raw], comment: &[u8]) -> Vec<u8> {
    let (mut out, mut directory) = (Vec::new(), Vec::new());
    for entry in entries {
        let at = out.len() as u32;
        let right = [entry.crc, entry.data.len() as u32, entry.size];
        out.extend(b"PK\x03\x04");
        put(&mut out, &[entry.needed[0], entry.flags, entry.method]);
        put_long(&mut out, &[entry.time[0]]);
        put_long(&mut out, &entry.local.unwrap_or(right));
        put(&mut out, &[entry.local_name.len() as u16, entry.extra[0].len() as u16]);
        out.extend([&entry.local_name[..], &entry.extra[0], &entry.data, &entry.behind].concat());
        directory.extend(b"PK\x01\x02");
        put(&mut directory, &[entry.made_by, entry.needed[1], entry.flags, entry.method]);
        put_long(&mut directory, &[entry.time[1]]);
        put_long(&mut directory, &right);
        let lengths = [entry.name.len(), entry.extra[1].len(), entry.comment.len()].map(|length| length as u16);
        put(&mut directory, &lengths);
        put(&mut directory, &[entry.part, entry.internal]);
        put_long(&mut directory, &[entry.attributes, at]);
        directory.extend([&entry.name[..], &entry.extra[1], &entry.comment].concat());
    }
    let start = out.len() as u32;
    out.extend(&directory);
    out.extend(b"PK\x05\x06\0\0\0\0");
    put(&mut out, &[entries.len() as u16; 2]);
    put_long(&mut out, &[directory.len() as u32, start]);
    put(&mut out, &[comment.len() as u16]);
    out.extend(comment);
    out
}

fn field(id: u16, content: &[u8]) -> Vec<u8> {
    [&id.to_le_bytes()[..], &(content.len() as u16).to_le_bytes(), content].concat()
}

#[test]
fn another_program_may_pack_it_again() {
    let entries = raw(&small());
    let report = said_of(&build(&entries, b"")).unwrap();
    assert!(report.is_complete(), "{report:#?}");
    assert!(report.notes.iter().any(|note| note.contains("packed by another program")), "{report:#?}");
    let mut streamed = entries.clone();
    for entry in &mut streamed {
        entry.flags = 8;
        entry.local = Some([0; 3]);
        entry.behind = b"PK\x07\x08".to_vec();
        let right = [entry.crc, entry.data.len() as u32, entry.size];
        put_long(&mut entry.behind, &right);
    }
    assert_eq!(wrong(&build(&streamed, b"")), [] as [&str; 0]);
    streamed[3].local = Some([0, 1, 1]);
    assert!(!wrong(&build(&streamed, b"")).is_empty());
    let mut with_folder = entries.clone();
    let root = entries[0].name.split(|byte| *byte == b'/').next().unwrap();
    let name = [root, b"/"].concat();
    with_folder.insert(
        0,
        Raw {
            local_name: name.clone(),
            name,
            data: Vec::new(),
            method: 0,
            crc: 0,
            size: 0,
            attributes: 0o040_755 << 16 | 0x10,
            ..entries[0].clone()
        },
    );
    assert_eq!(wrong(&build(&with_folder, b"")), [] as [&str; 0]);
}

type Change = fn(&mut Raw);

#[test]
fn everything_that_can_be_hidden_in_the_form_is_found() {
    let entries = raw(&small());
    let changes: &[(&str, Change)] = &[
        ("2 bytes are hidden behind its compressed data", |e| e.data.extend(b"xy")),
        ("bytes are hidden", |e| e.behind = b"hidden".to_vec()),
        ("are no extra field", |e| e.extra[0].extend(b"abc")),
        ("are no extra field", |e| e.extra[1].extend(b"abc")),
        ("hidden in an extra field 0x9999 in its local header", |e| e.extra[0].extend(field(0x9999, b"hidden"))),
        ("hidden in an extra field 0x9999 in the directory", |e| e.extra[1].extend(field(0x9999, b"hidden"))),
        ("hidden in an extra field 0x5455", |e| e.extra[1] = field(0x5455, b"\x01\0\0\0\0hidden")),
        ("hidden in an extra field 0x5455", |e| e.extra[1].extend(field(0x5455, b"\x01\0\0\0\0"))),
        ("hidden in an extra field 0x0001", |e| e.extra[1].extend(field(1, b"12345678"))),
        ("hidden in an extra field 0x000a", |e| e.extra[0].extend(field(10, &[[1; 4].as_slice(), &[0; 28]].concat()))),
        ("hidden in an extra field 0x000d", |e| e.extra[0].extend(field(13, b"............/etc/passwd"))),
        ("hidden in an extra field 0x6375", |e| e.extra[1].extend(field(0x6375, b"\x01....a comment"))),
        ("gives it another name: elsewhere", |e| e.extra[0].extend(field(0x7075, b"\x01....elsewhere"))),
        ("gives it another name: elsewhere", |e| e.extra[1].extend(field(0x7075, b"\x01....elsewhere"))),
        ("it has a comment of 6 bytes", |e| e.comment = b"hidden".to_vec()),
        ("another part of the archive", |e| e.part = 1),
        ("bits that mean nothing", |e| e.internal = 0x8001),
        ("encrypted or to be read in another way", |e| e.flags = 1 << 5),
        ("a later version of the format", |e| e.needed = [51, 51]),
        ("another version of the format", |e| e.needed = [10, 20]),
        ("other flags, method or time", |e| e.time[0] += 1),
        ("another name than the directory", |e| e.local_name[3] ^= 1),
        ("other sizes or another CRC", |e| e.local = Some([e.crc, e.data.len() as u32, e.size + 1])),
        ("other sizes or another CRC", |e| e.local = Some([e.crc ^ 1, e.data.len() as u32, e.size])),
        ("is a symbolic link", |e| e.attributes = 0o120_777 << 16),
        ("is a symbolic link", |e| (e.made_by, e.attributes) = (0x001E, 0o120_777 << 16)),
        ("is a symbolic link", |e| (e.made_by, e.attributes) = (0x131E, 0o120_777 << 16)),
        ("a reparse point", |e| (e.made_by, e.attributes) = (0x0A1E, 0x420)),
        ("is a device, pipe or socket", |e| e.attributes = 0o020_644 << 16),
        ("is a device, pipe or socket", |e| (e.made_by, e.attributes) = (0x051E, 0o060_644 << 16)),
        ("is a device, pipe or socket", |e| e.attributes = 0o010_644 << 16),
        ("a folder by its attributes", |e| e.attributes |= 0x10),
        ("a type that no file has", |e| e.attributes = 0o040_644 << 16),
        ("volume label", |e| (e.made_by, e.attributes) = (0x0014, 0x08)),
        ("rights of its owner or group", |e| e.attributes = 0o104_755 << 16),
    ];
    for index in [1, entries.len() - 1] {
        for (words, change) in changes {
            let mut changed = entries.clone();
            change(&mut changed[index]);
            let said = wrong(&build(&changed, b""));
            assert!(said.iter().any(|what| what.contains(words)), "{words}: {said:#?}");
        }
    }
    let good = build(&entries, b"");
    assert!(wrong(&build(&entries, b"hidden")).iter().any(|what| what.contains("comment of 6 bytes")));
    assert!(wrong(&[b"hidden", &good[..]].concat()).iter().any(|what| what.contains("stand before the archive")));
    assert!(wrong(&[&good[..], b"hidden"].concat()).iter().any(|what| what.contains("follow the end record")));
}

#[test]
fn names_that_several_programs_read_in_several_ways() {
    let entries = raw(&small());
    let root = String::from_utf8(entries[0].name.clone()).unwrap().split('/').next().unwrap().to_owned();
    for (name, words) in [
        (format!("{root}/data/../../up"), "can lead out of the folder"),
        (format!("{root}/data/raw/c:x"), "can lead out of the folder"),
        (format!("{root}/data\\raw"), "can lead out of the folder"),
        (format!("{root}/data/raw/\u{fc}"), "not of the letters"),
        (format!("{root}/data/raw/a\nb"), "not of the letters"),
        ("elsewhere/x".to_owned(), "lies outside of the bag"),
        (format!("{root}/BagIt.txt"), "occurs 2 times in the archive, in upper and lower case"),
        (format!("{root}/bagit.txt"), "occurs 2 times in the archive"),
        (format!("{root}/fetch.txt"), "neither payload nor a file that a bag of this kind has"),
        (format!("{root}/manifest-md5.txt"), "is a manifest of another name"),
        (format!("{root}/empty/"), "is a folder without any file"),
        (format!("{root}/data/raw/new"), "was added"),
    ] {
        let mut changed = entries.clone();
        let is_folder = name.ends_with('/');
        let mut entry = Raw { local_name: name.clone().into_bytes(), name: name.into_bytes(), ..entries[0].clone() };
        if is_folder {
            (entry.data, entry.size, entry.crc, entry.method) = (Vec::new(), 0, 0, 0);
        }
        changed.push(entry);
        let said = wrong(&build(&changed, b""));
        assert!(said.iter().any(|what| what.contains(words)), "{words}: {said:#?}");
    }
    // A local header that lies in the content of another entry is read by programs that go from front to back.
    let mut shared = entries.clone();
    shared.push(entries[2].clone());
    assert!(wrong(&build(&shared, b"")).iter().any(|what| what.contains("occurs 2 times")));
}
