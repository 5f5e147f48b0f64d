//! NTFS structures of the real corpus against what other people's tools say about them.

use super::{Comparison, files, folder};
use collector::source::volume::kind::probe;
use collector::source::volume::ntfs::NtfsTree;
use collector::source::{Tree, VolumeKind};
use evidence::Filetime;
use ntfs::structured_values::NtfsFileNamespace;
use ntfs::{Ntfs, NtfsAttributeFlags, NtfsAttributeType, NtfsError};
use ntfs_layout::{FileName, MftReader, Paths, RecordFault, UsnReader, kind, reason_names};
use std::collections::BTreeMap;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;

fn read_at(mut file: &std::fs::File, offset: u64, buffer: &mut [u8]) -> std::io::Result<()> {
    file.seek(SeekFrom::Start(offset))?;
    file.read_exact(buffer)
}

/// The oracle's names of the tools, as it compares them.
fn names_a_tool(name: &str) -> bool {
    let name = name.to_lowercase();
    name.contains("regasm") || name.contains("regsvcs")
}

/// Places in the file where a record of the length that the first one states has its signature.
fn signatures(mft: &[u8]) -> u64 {
    let length = mft.get(0x1C..0x20).map_or(0, |bytes| u32::from_le_bytes(bytes.try_into().unwrap()) as usize);
    mft.chunks_exact(length.max(1024)).filter(|record| record.starts_with(b"FILE")).count() as u64
}

/// The oracle counts records that it can read: `segments` those with an intact `FILE` signature, `named` those of
/// them that bear a name. Where it gave up (`error`) it had counted the records before the first torn one.
#[test]
#[cfg_attr(not(corpus), ignore = "needs COMTRAIL_CORPUS")]
fn mft_records_agree_with_the_oracle() {
    let mut comparison = Comparison::of("file records of $MFT", &folder());
    comparison.each("mft.jsonl", |comparison, line, path| {
        comparison.count();
        let bytes = std::fs::read(path).unwrap();
        let reader = MftReader::new(&bytes);
        let (mut segments, mut named, mut torn) = (0u64, 0u64, 0u64);
        let (mut tools, mut files_of_tools) = (0u64, 0u64);
        let mut before_first_torn = None;
        let mut pass = reader.pass();
        while let Some(entry) = pass.next_record() {
            let record = match entry.record {
                Ok(record) if record.is_baad() => continue,
                Ok(record) => record,
                Err(RecordFault::Zeroed | RecordFault::BadSignature(_) | RecordFault::Truncated { .. }) => continue,
                Err(other) => {
                    comparison.differ(format!("record {}: {other}", entry.number));
                    continue;
                }
            };
            if !record.fixups().intact() || record.fixups().already_applied {
                torn += 1;
                before_first_torn.get_or_insert(segments);
            }
            segments += 1;
            let names: Vec<String> = record
                .attributes()
                .map_while(Result::ok)
                .filter(|attribute| attribute.kind == kind::FILE_NAME)
                .filter_map(|attribute| FileName::parse(attribute.resident()?).map(|name| name.name.to_string()))
                .collect();
            named += u64::from(!names.is_empty());
            let of_tools = names.iter().filter(|name| names_a_tool(name)).count() as u64;
            (tools, files_of_tools) = (tools + of_tools, files_of_tools + of_tools.min(1));
        }
        if line["error"].is_string() {
            // The oracle refuses the whole file at its first torn record; we must agree up to there, find that record
            // torn, and go on after it.
            comparison.check(torn > 0, "nothing torn, where the oracle fails");
            if let Some(before) = before_first_torn {
                comparison.same_number("segments before the first torn one", &line["segments"], before);
            }
            comparison.same("segments", &signatures(&bytes), &segments);
            return;
        }
        comparison.same("torn", &0, &torn);
        comparison.same_number("segments", &line["segments"], segments);
        comparison.same_number("named", &line["named"], named);
        if let Some(theirs) = line["regasm_regsvcs"].as_array() {
            // A file with two such names can stand there once or twice.
            let is_right = (files_of_tools..=tools).contains(&(theirs.len() as u64));
            comparison.check(is_right, format!("{tools} names of tools, theirs {theirs:?}"));
        }
    });
    comparison.finish();
}

/// The oracle computes its times in floating point, which misses the stored 100 ns ticks by up to two microseconds
/// (`docs/differences.md`): equal means within that.
fn is_time(theirs: &serde_json::Value, ours: Option<Filetime>) -> bool {
    match (theirs.as_str(), ours) {
        (None, None) => true,
        (Some(text), Some(ours)) => {
            let theirs = Filetime::parse_utc(text.strip_suffix("+00:00").unwrap_or(text)).unwrap();
            ours.ticks_since(theirs).abs() <= 30
        }
        _ => false,
    }
}

#[test]
#[cfg_attr(not(corpus), ignore = "needs COMTRAIL_CORPUS")]
fn journal_records_agree_with_the_oracle() {
    let mut comparison = Comparison::of("records of change journals", &folder());
    comparison.each("usn.jsonl", |comparison, line, path| {
        comparison.count();
        let bytes = std::fs::read(path).unwrap();
        let mut reader = UsnReader::new(&bytes);
        let (mut records, mut first, mut last, mut hits) = (0u64, None, None, Vec::new());
        while let Some(record) = reader.next_record() {
            records += 1;
            // A record of version 4 has neither time nor name.
            first = first.or(record.time);
            last = record.time.or(last);
            let Some(name) = record.name.map(|name| name.to_string()) else { continue };
            if names_a_tool(&name) {
                let reasons = reason_names(record.reason).collect::<Vec<_>>().join("|");
                hits.push((record.usn, record.time, name, format!("USN_REASON.{reasons}")));
            }
        }
        comparison.same_number("records", &line["records"], records);
        for (what, ours) in [("first", first), ("last", last)] {
            let is_right = line[what].is_null() || is_time(&line[what], ours);
            comparison.check(is_right, format!("{what}: theirs {}, ours {ours:?}", line[what]));
        }
        let Some(theirs) = line["regasm_regsvcs"].as_array() else { return };
        comparison.same("records that name the tools", &theirs.len(), &hits.len());
        for (theirs, (usn, time, name, reasons)) in theirs.iter().zip(hits) {
            let same = theirs[0] == usn && is_time(&theirs[1], time) && theirs[2] == name && theirs[3] == reasons;
            comparison.check(same, format!("{theirs}, not {usn} {time:?} {name} {reasons}"));
        }
    });
    comparison.finish();
}

/// Longest volume that is read into memory here.
const LONGEST: u64 = 1 << 30;

/// Calls `compare` for every NTFS volume of the corpus that lies in a file as it is: the file is the volume, or has it in
/// a partition.
fn each_volume(comparison: &mut Comparison, mut compare: impl FnMut(&mut Comparison, &Path, Vec<u8>)) {
    for path in files(&folder()) {
        let file = std::fs::File::open(&path).unwrap();
        let mut head = [0; 512];
        if read_at(&file, 0, &mut head).is_err() {
            continue;
        }
        let is_ntfs = |sector: &[u8]| &sector[3..11] == b"NTFS    ";
        let mut offsets = Vec::new();
        if is_ntfs(&head) {
            offsets.push(0);
        } else if head[510..] == [0x55, 0xAA] {
            offsets
                .extend((0..4).map(|n| {
                    u64::from(u32::from_le_bytes(head[454 + 16 * n..458 + 16 * n].try_into().unwrap())) * 512
                }));
        }
        for offset in offsets {
            let mut sector = [0; 512];
            if read_at(&file, offset, &mut sector).is_err() || !is_ntfs(&sector) {
                continue;
            }
            let sectors = u64::from_le_bytes(sector[40..48].try_into().unwrap());
            let bytes_per_sector = u64::from(u16::from_le_bytes([sector[11], sector[12]]));
            let length = sectors.saturating_add(1).saturating_mul(bytes_per_sector);
            let there = file.metadata().unwrap().len() - offset;
            comparison.one(format!("{} at {offset}", path.display()), |comparison| {
                // The last sector is a copy of the first; some images end before it. Less is a boot sector alone, or a
                // volume that was cut off.
                if bytes_per_sector < 512 || there + bytes_per_sector < length || there > LONGEST {
                    return comparison.pass_over(format!("a volume of {length} bytes, {there} are there"));
                }
                let mut bytes = vec![0; there.min(length) as usize];
                read_at(&file, offset, &mut bytes).unwrap();
                compare(comparison, &path, bytes);
            });
        }
    }
}

/// Path, file record, length, and the bytes where they are neither compressed nor a hole of the size of the volume.
type Walked = BTreeMap<String, (u64, u16, u64, Option<Vec<u8>>)>;

/// The walk of the crate `ntfs`, along the trees of the folders, and the paths whose file record it refused.
///
/// It reads a record as one piece. Where clusters are smaller than records and $MFT is fragmented, half of a record may
/// lie elsewhere; the crate then reads a stranger's half and takes the record for torn (`docs/differences.md`).
fn walk_of_the_oracle(bytes: &[u8]) -> Result<(Walked, Vec<String>), NtfsError> {
    let mut refused = Vec::new();
    let mut volume = std::io::Cursor::new(bytes);
    let ntfs = Ntfs::new(&mut volume)?;
    let mut walked = Walked::new();
    let mut folders = vec![(String::new(), 5)];
    while let Some((folder, number)) = folders.pop() {
        let file = ntfs.file(&mut volume, number)?;
        let index = file.directory_index(&mut volume)?;
        let mut entries = index.entries();
        while let Some(entry) = entries.next(&mut volume) {
            let entry = entry?;
            let name = entry.key().unwrap()?;
            let child = entry.file_reference();
            if name.namespace() == NtfsFileNamespace::Dos || child.file_record_number() == number {
                continue;
            }
            let path = format!("{folder}\\{}", name.name().to_string_lossy());
            let (number, sequence) = (child.file_record_number(), child.sequence_number());
            let child = match ntfs.file(&mut volume, number) {
                Ok(child) => child,
                Err(NtfsError::UpdateSequenceNumberMismatch { .. })
                    if ntfs.cluster_size() < ntfs.file_record_size() =>
                {
                    refused.push(path);
                    continue;
                }
                Err(error) => return Err(error),
            };
            if child.is_directory() {
                folders.push((path.clone(), number));
            }
            walked.insert(path.clone(), (number, sequence, 0, None));
            let mut attributes = child.attributes();
            while let Some(item) = attributes.next(&mut volume) {
                let item = item?;
                let attribute = item.to_attribute()?;
                if attribute.ty()? != NtfsAttributeType::Data {
                    continue;
                }
                let stream = attribute.name()?.to_string_lossy();
                let value = attribute.value(&mut volume)?;
                // The crate takes clusters that begin at 0 for a hole, and so gives zeros for $Boot.
                const BOOT: u64 = 7;
                let plain = number != BOOT
                    && !attribute.flags().contains(NtfsAttributeFlags::COMPRESSED)
                    && value.len() < 1 << 22;
                let mut content = None;
                if plain {
                    let bytes = content.insert(Vec::new());
                    value.clone().attach(&mut volume).read_to_end(bytes)?;
                }
                let path = if stream.is_empty() { path.clone() } else { format!("{path}:{stream}") };
                walked.insert(path, (number, sequence, value.len(), content));
            }
        }
    }
    Ok((walked, refused))
}

/// Our walk along the folders. Each path is also rebuilt from $MFT alone, which must give the same.
fn our_walk(tree: &NtfsTree, wanted: &Walked, comparison: &mut Comparison) -> Walked {
    let mft = tree.open(&tree.lookup(r"\$MFT").unwrap().unwrap()).unwrap();
    let records = MftReader::new(&*mft);
    let mut paths = Paths::new(&records);
    let mut buffer = Vec::new();
    let mut walked = Walked::new();
    let mut folders = vec![tree.lookup("\\").unwrap().unwrap()];
    while let Some(folder) = folders.pop() {
        for found in tree.list(&folder).unwrap() {
            let path = found.full_path();
            let looked_up = tree.lookup(&path.to_uppercase()).unwrap().unwrap();
            comparison.same(&path, &(&found.path, found.mft), &(&looked_up.path, looked_up.mft));
            let content = match wanted.get(&path) {
                Some((.., Some(_))) => Some(tree.open(&found).unwrap().read_all(1 << 22).unwrap().unwrap()),
                _ => None,
            };
            let (number, sequence) = found.mft.unwrap();
            let record = records.record(number, &mut buffer).unwrap();
            if let (Some(name), 1) = (record.long_name(), record.link_count()) {
                comparison.same(&path, &(found.path.clone(), true), &paths.path(name.parent, name.name));
            }
            walked.insert(path, (number, sequence, found.size, content));
            if found.is_folder {
                folders.push(found);
            }
        }
    }
    walked
}

#[test]
#[cfg_attr(not(corpus), ignore = "needs COMTRAIL_CORPUS")]
fn volumes_hold_the_same_files_as_to_the_oracle() {
    let mut comparison = Comparison::of("NTFS volumes", &folder());
    each_volume(&mut comparison, |comparison, _, bytes| {
        comparison.check(probe(&bytes) == VolumeKind::Ntfs, "not taken for NTFS");
        let (theirs, refused) = match walk_of_the_oracle(&bytes) {
            Ok(walked) => walked,
            Err(error) => return comparison.pass_over(format!("the oracle cannot walk it: {error}")),
        };
        comparison.count();
        let boot_sector = bytes[..512].to_vec();
        let tree = NtfsTree::open(Arc::new(bytes)).unwrap();
        let boot = tree.open(&tree.lookup(r"\$Boot").unwrap().unwrap()).unwrap().read_all(1 << 20).unwrap().unwrap();
        comparison.check(boot[..512] == boot_sector, "$Boot is not the boot sector");
        let ours = our_walk(&tree, &theirs, comparison);
        for (file, found) in &theirs {
            let short = |walked: Option<&(u64, u16, u64, Option<Vec<u8>>)>| {
                walked.map(|(n, s, l, c)| (*n, *s, *l, c.as_ref().map(Vec::len)))
            };
            if ours.get(file) != Some(found) {
                comparison.differ(format!("{file}: {:?}, not {:?}", short(ours.get(file)), short(Some(found))));
            }
        }
        for file in refused.iter().filter(|file| !ours.contains_key(*file)) {
            comparison.differ(format!("{file} is missing"));
        }
        let damage = tree.take_problems();
        comparison.check(damage.iter().all(|problem| !problem.what.contains("torn")), format!("{damage:?}"));
        let refused = |file: &str| refused.iter().any(|folder| file.starts_with(folder.as_str()));
        let more: Vec<_> = ours.keys().filter(|file| !theirs.contains_key(*file) && !refused(file)).collect();
        comparison.check(more.is_empty(), format!("only ours: {more:?}"));
    });
    comparison.finish();
}

#[test]
#[cfg_attr(not(corpus), ignore = "needs COMTRAIL_CORPUS")]
fn damaged_volumes_are_read_as_far_as_they_go() {
    let mut random = 0x9E37_79B9u32;
    let mut comparison = Comparison::of("damaged NTFS volumes", &folder());
    each_volume(&mut comparison, |comparison, path, bytes| {
        comparison.count();
        let mut survived = 0;
        for round in 0..30 {
            let mut bytes = bytes.clone();
            for _ in 0..400 {
                random ^= random << 13;
                random ^= random >> 17;
                random ^= random << 5;
                // Most of the damage where the structures are: the first megabyte, and all of it in turn.
                let reach = if round % 2 == 0 { bytes.len() } else { bytes.len().min(1 << 20) };
                let at = random as usize % reach;
                bytes[at] ^= 1 << (random >> 29);
            }
            if round % 10 == 9 {
                bytes.truncate(random as usize % bytes.len());
            }
            let Ok(tree) = NtfsTree::open(Arc::new(bytes)) else { continue };
            survived += 1;
            let mut stack: Vec<_> = tree.lookup("\\").ok().flatten().into_iter().collect();
            let mut visited = 0;
            while let Some(found) = stack.pop() {
                visited += 1;
                assert!(visited < 100_000, "{}: the walk does not end", path.display());
                if let Ok(content) = tree.open(&found) {
                    for range in content.data_ranges().into_iter().take(4) {
                        let _ = content.read_full_at(range.start, &mut [0; 9000]);
                    }
                }
                if found.is_folder && found.path.matches('\\').count() < 20 {
                    stack.extend(tree.list(&found).unwrap_or_default());
                }
            }
            tree.lookup_deleted("a.dll");
            tree.take_problems();
        }
        comparison.check(survived > 0, "no damaged version of it can be opened");
    });
    comparison.finish();
}
