//! One file, whole: the attributes of its base record and of every extension record.

use super::compressed::Compressed;
use super::placed::{Placed, Resident};
use super::volume::{MAX_ATTRIBUTE_LIST, Volume};
use crate::source::Content;
use evidence::{Bytes, Macb};
use ntfs_layout::{
    Attribute, AttributeFlags, Extents, FileName, FileRecord, FileReference, Form, Namespace, NonResident, RecordFault,
    ReparsePoint, ReparseTarget, StandardInformation, attribute_list, kind,
};
use std::collections::BTreeSet;

/// More extension records than 256 KiB of attribute list can name.
const MAX_RECORDS: usize = 8192;

/// Where the value of an attribute is.
#[derive(Clone, Debug)]
pub(crate) enum Body {
    Resident(Vec<u8>),
    Clusters { extents: Extents, size: u64, initialized: u64, compression_unit: u8 },
}

/// One attribute, its parts joined.
#[derive(Clone, Debug)]
pub(crate) struct Value {
    pub(crate) kind: u32,
    pub(crate) name: String,
    pub(crate) flags: AttributeFlags,
    pub(crate) body: Body,
}

impl Value {
    /// Length in bytes.
    pub(crate) fn size(&self) -> u64 {
        match &self.body {
            Body::Resident(value) => value.len() as u64,
            Body::Clusters { size, .. } => *size,
        }
    }

    /// The stored bytes without undoing any compression or encryption.
    pub(crate) fn stored(&self, volume: &Volume) -> Box<dyn Content> {
        match &self.body {
            Body::Resident(value) => Box::new(Resident(value.clone())),
            Body::Clusters { extents, size, initialized, .. } => {
                Box::new(placed(volume, extents.clone(), *size, *initialized))
            }
        }
    }

    /// The content with NTFS' own compression undone; an error in words where it is one that we do not know.
    pub(crate) fn plain(&self, volume: &Volume) -> Result<Box<dyn Content>, String> {
        match &self.body {
            Body::Clusters { extents, size, initialized, compression_unit }
                if self.flags.compressed() && *compression_unit > 0 =>
            {
                let method = self.flags.0 & 0xFF;
                if method != 1 {
                    return Err(format!("compression method {method} is not defined"));
                }
                let stored = placed(volume, extents.clone(), *size, *initialized);
                Ok(Box::new(Compressed::new(stored, *compression_unit)?))
            }
            _ => Ok(self.stored(volume)),
        }
    }
}

fn placed(volume: &Volume, extents: Extents, size: u64, initialized: u64) -> Placed {
    let cluster_size = u64::from(volume.boot.cluster_size);
    Placed { volume: volume.bytes.clone(), cluster_size, extents, size, initialized }
}

/// One name of a file.
#[derive(Clone, Debug)]
pub(crate) struct FileNameOwned {
    pub(crate) parent: FileReference,
    pub(crate) namespace: Namespace,
    pub(crate) times: Macb,
    pub(crate) name: String,
}

/// A file, with the attributes of all its records.
#[derive(Clone, Debug)]
pub(crate) struct File {
    pub(crate) reference: FileReference,
    pub(crate) in_use: bool,
    pub(crate) is_folder: bool,
    pub(crate) values: Vec<Value>,
    /// What could not be read of it, in words; empty for a sound file.
    pub(crate) faults: Vec<String>,
}

/// A part of an attribute as one record holds it.
struct Part {
    kind: u32,
    name: Vec<u8>,
    text: String,
    flags: AttributeFlags,
    first_vcn: u64,
    form: PartForm,
}

enum PartForm {
    Resident(Vec<u8>),
    Clusters { last_vcn: u64, runs: Vec<u8>, compression_unit: u8, size: u64, initialized: u64 },
}

impl Part {
    fn new(attribute: &Attribute<'_>) -> Self {
        let (first_vcn, form) = match attribute.form {
            Form::Resident(value) => (0, PartForm::Resident(value.to_vec())),
            Form::NonResident(place) => (
                place.first_vcn,
                PartForm::Clusters {
                    last_vcn: place.last_vcn,
                    runs: place.runs.to_vec(),
                    compression_unit: place.compression_unit,
                    // Lengths are signed on the disk; a larger one would also make sums overflow.
                    size: place.size.min(i64::MAX as u64),
                    initialized: place.initialized.min(i64::MAX as u64),
                },
            ),
        };
        Part {
            kind: attribute.kind,
            name: attribute.name.as_bytes().to_vec(),
            text: attribute.name.to_string(),
            flags: attribute.flags,
            first_vcn,
            form,
        }
    }
}

impl Volume {
    /// Everything about one file.
    pub(crate) fn file(&self, entry: u64) -> Result<File, RecordFault> {
        File::read(self, entry)
    }

    /// The unnamed content of a system file, up to `limit` bytes.
    pub(crate) fn system_file(&self, entry: u64, limit: u64) -> Option<Vec<u8>> {
        let content = self.system_content(entry)?;
        content.read_all(limit).ok()?
    }

    /// The unnamed content of a system file.
    pub(crate) fn system_content(&self, entry: u64) -> Option<Box<dyn Content>> {
        let file = self.file(entry).ok()?;
        let value = file.stream("")?;
        value.plain(self).ok()
    }
}

impl File {
    /// Reads the base record and all extension records. Deleted files are read too; `in_use` tells.
    pub(crate) fn read(volume: &Volume, entry: u64) -> Result<File, RecordFault> {
        let records = volume.records();
        let mut buffer = Vec::new();
        let base = records.record(entry, &mut buffer)?;
        let mut file = File {
            reference: base.reference(),
            in_use: base.in_use(),
            is_folder: base.is_folder(),
            values: Vec::new(),
            faults: Vec::new(),
        };
        if let Some(owner) = base.base() {
            file.faults.push(format!("record {entry} is an extension of record {owner}, not a file of its own"));
        }
        let mut parts = Vec::new();
        file.take(&base, &mut parts);
        if let Some(list) = file.attribute_list(volume, &parts) {
            let wanted: BTreeSet<u64> =
                attribute_list(&list).map(|line| line.record.entry).filter(|record| *record != entry).collect();
            if wanted.len() > MAX_RECORDS {
                file.faults.push(format!("it claims {} extension records", wanted.len()));
            }
            for extension in wanted.into_iter().take(MAX_RECORDS) {
                match records.record(extension, &mut buffer) {
                    Ok(record) if file.owns(&record) => file.take(&record, &mut parts),
                    Ok(_) => file.faults.push(format!("extension record {extension} belongs to another file")),
                    Err(fault) => file.faults.push(format!("extension record {extension}: {fault}")),
                }
            }
        }
        file.join(parts, volume.boot.clusters());
        Ok(file)
    }

    /// Whether an extension record is this file's. Deletion counts up the sequence of base and extension
    /// alike but leaves the base reference, which then names the sequence before.
    fn owns(&self, record: &FileRecord<'_>) -> bool {
        let Some(base) = record.base() else { return false };
        base.entry == self.reference.entry
            && (base.sequence == self.reference.sequence
                || !self.in_use && !record.in_use() && base.next_sequence() == self.reference.sequence)
    }

    fn take(&mut self, record: &FileRecord<'_>, parts: &mut Vec<Part>) {
        let fixups = record.fixups();
        if record.is_baad() {
            self.faults.push(format!("record {} is marked as torn by NTFS", record.number()));
        } else if !fixups.intact() {
            let torn: Vec<String> = fixups.torn_parts().map(|part| part.to_string()).collect();
            self.faults.push(match torn.is_empty() {
                true => format!("record {} has a malformed update sequence array", record.number()),
                false => format!("record {} is torn in its 512-byte parts {}", record.number(), torn.join(", ")),
            });
        }
        for attribute in record.attributes() {
            match attribute {
                Ok(attribute) => parts.push(Part::new(&attribute)),
                Err(fault) => self.faults.push(format!("record {}: {fault}", record.number())),
            }
        }
    }

    fn attribute_list(&mut self, volume: &Volume, parts: &[Part]) -> Option<Vec<u8>> {
        let part = parts.iter().find(|part| part.kind == kind::ATTRIBUTE_LIST)?;
        match &part.form {
            PartForm::Resident(value) => Some(value.clone()),
            PartForm::Clusters { last_vcn, runs, compression_unit, size, initialized } => {
                let place = NonResident {
                    first_vcn: part.first_vcn,
                    last_vcn: *last_vcn,
                    runs,
                    compression_unit: *compression_unit,
                    allocated: 0,
                    size: *size,
                    initialized: *initialized,
                };
                let mut extents = Extents::default();
                if let Err(fault) = extents.append(&place, volume.boot.clusters()) {
                    self.faults.push(format!("its attribute list: {fault}"));
                }
                match placed(volume, extents, *size, *initialized).read_all(MAX_ATTRIBUTE_LIST) {
                    Ok(Some(list)) => Some(list),
                    Ok(None) => {
                        self.faults.push(format!("its attribute list claims {size} bytes"));
                        None
                    }
                    Err(error) => {
                        self.faults.push(format!("its attribute list could not be read: {error}"));
                        None
                    }
                }
            }
        }
    }

    /// Joins the parts of each value. Resident values stand alone, since a file has several $FILE_NAMEs.
    fn join(&mut self, mut parts: Vec<Part>, volume_clusters: u64) {
        parts.sort_by(|a, b| (a.kind, &a.name, a.first_vcn).cmp(&(b.kind, &b.name, b.first_vcn)));
        let mut last: Option<(u32, Vec<u8>)> = None;
        for part in parts {
            let key = Some((part.kind, part.name));
            let continues = part.first_vcn > 0 && key == last;
            match part.form {
                PartForm::Resident(value) => {
                    self.values.push(Value {
                        kind: part.kind,
                        name: part.text,
                        flags: part.flags,
                        body: Body::Resident(value),
                    });
                    last = None;
                    continue;
                }
                PartForm::Clusters { last_vcn, runs, compression_unit, size, initialized } => {
                    let place = NonResident {
                        first_vcn: part.first_vcn,
                        last_vcn,
                        runs: &runs,
                        compression_unit,
                        allocated: 0,
                        size,
                        initialized,
                    };
                    let appended = match self.values.last_mut().map(|value| &mut value.body) {
                        Some(Body::Clusters { extents, .. }) if continues => extents.append(&place, volume_clusters),
                        _ => {
                            let mut extents = Extents::default();
                            let appended = extents.append(&place, volume_clusters);
                            self.values.push(Value {
                                kind: part.kind,
                                name: part.text,
                                flags: part.flags,
                                body: Body::Clusters {
                                    extents,
                                    size,
                                    initialized: initialized.min(size),
                                    compression_unit,
                                },
                            });
                            appended
                        }
                    };
                    if let Err(fault) = appended {
                        self.faults.push(format!("attribute {:#x}: {fault}", part.kind));
                    }
                    last = key;
                }
            }
        }
        for value in &self.values {
            if matches!(&value.body, Body::Clusters { extents, .. } if extents.overlap()) {
                self.faults.push(format!("attribute {:#x} claims the same cluster twice", value.kind));
            }
        }
    }

    /// The first value of this type and name.
    pub(crate) fn value(&self, kind: u32, name: &str) -> Option<&Value> {
        self.values.iter().find(|value| value.kind == kind && value.name == name)
    }

    /// The content, or the alternate stream of exactly this name.
    pub(crate) fn stream(&self, name: &str) -> Option<&Value> {
        self.value(kind::DATA, name)
    }

    /// All alternate streams.
    pub(crate) fn alternate_streams(&self) -> impl Iterator<Item = &Value> {
        let wof = self.wof().is_some();
        self.values
            .iter()
            .filter(|value| value.kind == kind::DATA && !value.name.is_empty())
            // The filter driver hides this one: it is the compressed form of the content.
            .filter(move |value| !(wof && value.name == WOF_STREAM))
    }

    fn resident(&self, kind: u32) -> impl Iterator<Item = &[u8]> {
        self.values.iter().filter(move |value| value.kind == kind).filter_map(|value| match &value.body {
            Body::Resident(bytes) => Some(bytes.as_slice()),
            Body::Clusters { .. } => None,
        })
    }

    /// $STANDARD_INFORMATION.
    pub(crate) fn standard_information(&self) -> Option<StandardInformation> {
        self.resident(kind::STANDARD_INFORMATION).find_map(StandardInformation::parse)
    }

    /// All names.
    pub(crate) fn names(&self) -> Vec<FileNameOwned> {
        self.resident(kind::FILE_NAME)
            .filter_map(FileName::parse)
            .map(|name| FileNameOwned {
                parent: name.parent,
                namespace: name.namespace,
                times: name.times,
                name: name.name.to_string(),
            })
            .collect()
    }

    /// The reparse point's value.
    pub(crate) fn reparse(&self) -> Option<&[u8]> {
        self.resident(kind::REPARSE_POINT).next()
    }

    /// How the Windows Overlay Filter keeps the content, if it does.
    pub(crate) fn wof(&self) -> Option<ntfs_layout::WofFile> {
        match ReparsePoint::parse(self.reparse()?)?.target {
            ReparseTarget::Wof(wof) => Some(wof),
            _ => None,
        }
    }
}

/// The stream in which the Windows Overlay Filter keeps the compressed content.
pub(crate) const WOF_STREAM: &str = "WofCompressedData";
