//! What a host is called, and what it says of itself: read from the source before anything is collected.

use collector::source::{PartitionId, Source, VolumeKind};
use collector::{Located, first_located};
use evidence::{Bytes, Group, Hive, Input, Reads, Record, Role, Tells, Told};
use std::collections::BTreeMap;
use std::path::Path;

/// A name for a host that nothing in it names: of several, the folder or archive of the source that it lies in; of one,
/// the source itself.
pub(crate) fn by_place(source: &Source, path: &Path, several: bool) -> String {
    let place = source.facts.iter().find(|(name, _)| several && name == "place in the source");
    let first = place.and_then(|(_, place)| place.split(['/', '\\']).find(|part| !part.is_empty()));
    if let Some(first) = first {
        return first.to_owned();
    }
    path.file_stem().or_else(|| path.file_name()).map_or_else(|| "source".to_owned(), collector::shown)
}

/// The host's own words about itself, by name.
pub(crate) type Facts = Vec<(String, String)>;

/// Those that a bundle has, by their names in it; the name of the host first.
pub(crate) const HOST_FACTS: [(&str, Role); 4] = [
    ("ComputerName", Role::Computer),
    ("Domain", Role::Domain),
    ("ProductName", Role::Product),
    ("Build", Role::Build),
];

/// Hives of one kind that are asked for them.
const MOST_HIVES: usize = 16;

/// Facts of the system volume's hives that describe the bundle, and the drive letters of the partitions. The analysis
/// reads them again, with citations.
pub(crate) fn host_facts(source: &Source) -> (Facts, Vec<(PartitionId, char)>) {
    let (mut facts, mut letters) = (Vec::new(), Vec::new());
    let groups = Group::all_of(artifacts::telling(Tells::HostName));
    let is_present =
        |one: &Located| !matches!(source.volumes[one.volume].0.kind, VolumeKind::ShadowCopy | VolumeKind::OtherCopy);
    for hive in [Hive::System, Hive::Software] {
        for located in first_located(source, &Reads::Key { hive, key: "" }, MOST_HIVES, &is_present).0 {
            let (volume, tree) = &source.volumes[located.volume];
            let Some(Ok(content)) = tree.as_ref().map(|tree| tree.open(&located.found)) else {
                continue;
            };
            let path = located.original_path(volume);
            for group in &groups {
                group.parse(&Input::new(&path, &*content), &mut |_, record| {
                    for (name, role) in HOST_FACTS.iter() {
                        if let Some(value) = record.text_of(*role) {
                            facts.push(((*name).to_owned(), value.to_owned()));
                        }
                    }
                    letters.extend(mounted(&record));
                });
            }
        }
    }
    (facts, letters)
}

/// The partition and its drive letter, where a record of `MountedDevices` has both.
fn mounted(record: &Record) -> Option<(PartitionId, char)> {
    let mut name = record.text_of(Role::Name)?.strip_prefix(r"\DosDevices\")?.chars();
    let letter = name.next().filter(char::is_ascii_alphabetic).filter(|_| name.eq([':']))?;
    let id = match (record.text_of(Role::PartitionGuid), record.text_of(Role::DiskSignature)) {
        (Some(guid), _) => PartitionId::Gpt(guid.to_owned()),
        (None, Some(signature)) => PartitionId::Mbr {
            signature: u32::from_str_radix(signature, 16).ok()?,
            offset: record.role(Role::Offset)?.number()?,
        },
        (None, None) => return None,
    };
    Some((id, letter))
}

/// The beginning of a file.
struct Head<'a> {
    whole: &'a dyn Bytes,
    length: u64,
}

impl Bytes for Head<'_> {
    fn len(&self) -> u64 {
        self.whole.len().min(self.length)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> std::io::Result<usize> {
        let left = usize::try_from(self.len().saturating_sub(offset)).unwrap_or(usize::MAX);
        let wanted = buffer.len().min(left);
        self.whole.read_at(offset, &mut buffer[..wanted])
    }
}

/// The computer that most records at the beginnings of the logs name. Problems of this reading are not lost: the
/// analysis reads the logs again.
pub(crate) fn named_by_records(source: &Source) -> Option<String> {
    /// Logs that are looked into, and how far: the header and the first two chunks.
    const MOST_LOGS: usize = 16;
    const LENGTH: u64 = 4096 + 2 * 65_536;
    let artifact = artifacts::ALL.iter().find(|artifact| artifact.records.iter().any(|of| of.is_event()))?;
    let mut votes: BTreeMap<String, usize> = BTreeMap::new();
    // What other computers forwarded does not name this one.
    let channels = artifact.records.iter().flat_map(|of| of.channels);
    let forwarded = |path: &str| channels.clone().any(|channel| channel.is_forwarded && channel.is_file(path));
    let is_own = |one: &Located| !one.found.is_folder && !forwarded(&one.found.path);
    let located = artifact.reads.iter().flat_map(|location| first_located(source, location, MOST_LOGS, &is_own).0);
    for one in located.take(MOST_LOGS) {
        let Some(tree) = source.volumes.get(one.volume).and_then(|(_, tree)| tree.as_deref()) else { continue };
        let Ok(content) = tree.open(&one.found) else { continue };
        let head = Head { whole: &*content, length: LENGTH };
        artifact.parse_alone(&Input::new(&one.found.path, &head), &mut |record| {
            if let Some(computer) =
                record.role(Role::Computer).and_then(Told::text).filter(|computer| !computer.is_empty())
            {
                *votes.entry(computer.to_owned()).or_default() += 1;
            }
        });
    }
    votes.into_iter().max_by_key(|(_, count)| *count).map(|(computer, _)| computer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_beginning_is_read() {
        let bytes: Vec<u8> = (0..100).collect();
        let head = Head { whole: &bytes, length: 10 };
        assert_eq!(head.read_all(1000).unwrap(), Some((0..10).collect()));
        assert_eq!(head.read_at(20, &mut [0; 4]).unwrap(), 0);
    }

    #[test]
    fn drive_letters_of_mounted_partitions() {
        let of = |entries: &[(&'static str, &str)], offset: Option<u64>| {
            let mut fields = evidence::Fields::new();
            entries.iter().for_each(|(name, value)| fields.push(*name, *value));
            fields.push_some("Offset", offset);
            let of = artifacts::ALL.iter().flat_map(|one| one.records).find(|of| of.tells == Tells::Volume).unwrap();
            mounted(&Record {
                artifact: "host",
                of,
                subject: String::new(),
                user: None,
                moments: Vec::new(),
                fields,
                claims: &[],
                locator: evidence::Locator::Whole,
                integrity: evidence::Integrity::Intact,
            })
        };
        let mbr = [("Name", r"\DosDevices\D:"), ("DiskSignature", "5CBEA03E")];
        let id = PartitionId::Mbr { signature: 0x5CBE_A03E, offset: 1 << 20 };
        assert_eq!(of(&mbr, Some(1 << 20)), Some((id, 'D')));
        assert_eq!(of(&mbr, None), None);
        let gpt = [("Name", r"\DosDevices\C:"), ("PartitionGuid", "{0C5E1A7D-2F3B-4648-9C1D-E2F3A4B5C6D7}")];
        assert_eq!(of(&gpt, None), Some((PartitionId::Gpt("{0C5E1A7D-2F3B-4648-9C1D-E2F3A4B5C6D7}".to_owned()), 'C')));
        for name in [r"\??\Volume{1}", r"\DosDevices\CD:", r"\DosDevices\C", r"\DosDevices\1:"] {
            assert_eq!(of(&[("Name", name), gpt[1]], None), None, "{name}");
        }
    }
}
