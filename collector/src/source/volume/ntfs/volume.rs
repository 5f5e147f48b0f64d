//! The volume: its geometry, its $MFT however fragmented, and single file records.

use super::placed::Placed;
use evidence::{Bytes, Problem, ProblemKind, Stage};
use ntfs_layout::{BootSector, Extents, FileRecord, Form, MftReader, NonResident, kind};
use parking_lot::Mutex;
use std::sync::Arc;

/// Most problems kept of one volume until they are taken.
const MAX_PROBLEMS: usize = 1000;
/// NTFS itself allows 256 KiB for an attribute list.
pub(crate) const MAX_ATTRIBUTE_LIST: u64 = 1 << 20;

/// An NTFS volume whose $MFT was found.
pub(crate) struct Volume {
    pub(crate) bytes: Arc<dyn Bytes>,
    pub(crate) boot: BootSector,
    /// The content of $MFT.
    pub(crate) mft: Placed,
    problems: Mutex<(Vec<Problem>, u64)>,
}

impl Volume {
    /// Finds $MFT by the boot sector, by $MFTMirr where its own first record is lost.
    pub(crate) fn open(bytes: Arc<dyn Bytes>) -> Result<Self, Problem> {
        let fatal = |kind, what: &str| {
            Problem::new(Stage::Source, kind, "", what, "nothing on this NTFS volume can be searched or collected")
        };
        let Some((boot, from_backup)) = crate::source::volume::kind::ntfs_boot_sector(&*bytes) else {
            let kind = ProblemKind::BadSignature {
                offset: 3,
                expected: "NTFS".into(),
                actual: "no usable boot sector".into(),
            };
            return Err(fatal(kind, "neither the boot sector nor its backup describes an NTFS volume"));
        };
        let mut volume = Volume {
            mft: Placed {
                volume: bytes.clone(),
                cluster_size: u64::from(boot.cluster_size),
                extents: Extents::default(),
                size: 0,
                initialized: 0,
            },
            bytes,
            boot,
            problems: Mutex::default(),
        };
        if from_backup {
            volume.problem(
                ProblemKind::BadSignature {
                    offset: 0,
                    expected: "an NTFS boot sector".into(),
                    actual: "other bytes".into(),
                },
                r"\$Boot",
                "the boot sector is damaged; its backup in the last sector was used",
                "none for the files; the volume does not start on its host, which somebody may have intended",
            );
        }
        let mut record = Vec::new();
        let found = volume.first_record(volume.boot.mft_lcn, &mut record)
            || volume.first_record(volume.boot.mft_mirror_lcn, &mut record) && {
                volume.problem(
                    ProblemKind::ReadFailed,
                    r"\$MFT",
                    "the first file record is damaged; its copy in $MFTMirr was used",
                    "none, if the copy is current",
                );
                true
            };
        if !found {
            return Err(fatal(
                ProblemKind::ReadFailed,
                "the first record of $MFT and its copy in $MFTMirr are both damaged",
            ));
        }
        volume.find_mft(&mut record);
        let known = volume.mft.extents.end().saturating_mul(volume.mft.cluster_size);
        let possible = known.min(volume.bytes.len());
        if volume.mft.size > possible {
            volume.damaged_mft(&format!("it claims {} bytes, of which {possible} can be there", volume.mft.size));
            volume.mft.size = possible;
        }
        if volume.mft.extents.end() == 0 {
            return Err(fatal(ProblemKind::ReadFailed, "the first record of $MFT does not say where $MFT lies"));
        }
        Ok(volume)
    }

    fn first_record(&self, lcn: u64, record: &mut Vec<u8>) -> bool {
        record.resize(self.boot.record_size as usize, 0);
        let Some(offset) = lcn.checked_mul(u64::from(self.boot.cluster_size)) else { return false };
        self.bytes.read_full_at(offset, record).is_ok_and(|read| read == record.len())
            && FileRecord::parse(0, &mut record.clone()).is_ok_and(|record| {
                record.attributes().map_while(Result::ok).any(|a| a.kind == kind::DATA && a.name.is_empty())
            })
    }

    /// $MFT's own runs: those in its first record, then those that its attribute list names, each of which
    /// lies in the part of $MFT that is known by then.
    fn find_mft(&mut self, record: &mut [u8]) {
        let clusters = self.boot.clusters();
        let Ok(first) = FileRecord::parse(0, record) else { return };
        let mut list = None;
        for attribute in first.attributes().map_while(Result::ok) {
            match (attribute.kind, attribute.form) {
                (kind::DATA, Form::NonResident(place)) if attribute.name.is_empty() && place.first_vcn == 0 => {
                    self.mft.size = place.size.min(i64::MAX as u64);
                    self.mft.initialized = place.initialized.min(self.mft.size);
                    self.append(&place, clusters);
                }
                (kind::ATTRIBUTE_LIST, Form::Resident(value)) => list = Some(value.to_vec()),
                (kind::ATTRIBUTE_LIST, Form::NonResident(place)) => {
                    let mut extents = Extents::default();
                    if let Err(fault) = extents.append(&place, clusters) {
                        self.damaged_mft(&fault.to_string());
                    }
                    let content =
                        Placed { extents, size: place.size, initialized: place.initialized, ..self.mft.clone() };
                    match content.read_all(MAX_ATTRIBUTE_LIST) {
                        Ok(Some(value)) => list = Some(value),
                        Ok(None) => self.damaged_mft("its attribute list is impossibly long"),
                        Err(error) => self.damaged_mft(&format!("its attribute list could not be read: {error}")),
                    }
                }
                _ => {}
            }
        }
        let list = list.unwrap_or_default();
        let mut parts: Vec<_> = ntfs_layout::attribute_list(&list)
            .filter(|entry| entry.kind == kind::DATA && entry.name.is_empty() && entry.first_vcn > 0)
            .map(|entry| (entry.first_vcn, entry.record))
            .collect();
        parts.sort_unstable();
        parts.dedup();
        let mut buffer = Vec::new();
        for (first_vcn, reference) in parts {
            if first_vcn < self.mft.extents.end() {
                continue;
            }
            let mft = self.mft.clone();
            let reader = MftReader::with_record_size(&mft, self.boot.record_size as usize);
            let part = reader.record(reference.entry, &mut buffer).ok().and_then(|record| {
                record.attributes().map_while(Result::ok).find_map(|attribute| match attribute.form {
                    Form::NonResident(place)
                        if attribute.kind == kind::DATA
                            && attribute.name.is_empty()
                            && place.first_vcn == first_vcn
                            && record.base().is_some_and(|base| base.entry == 0) =>
                    {
                        Some(place)
                    }
                    _ => None,
                })
            });
            match part {
                Some(place) => self.append(&place, clusters),
                None => self.damaged_mft(&format!("record {reference}, which holds more of its runs, is damaged")),
            }
        }
    }

    fn append(&mut self, place: &NonResident<'_>, clusters: u64) {
        if let Err(fault) = self.mft.extents.append(place, clusters) {
            self.damaged_mft(&fault.to_string());
        }
    }

    fn damaged_mft(&self, what: &str) {
        self.problem(
            ProblemKind::ReadFailed,
            r"\$MFT",
            format!("part of $MFT cannot be found: {what}"),
            "files whose records lie in that part are missing, though they may exist",
        );
    }

    /// Reads file records.
    pub(crate) fn records(&self) -> MftReader<'_> {
        MftReader::with_record_size(&self.mft, self.boot.record_size as usize)
    }

    /// Notes a problem; beyond a limit they are only counted.
    pub(crate) fn problem(&self, kind: ProblemKind, item: &str, what: impl Into<String>, effect: &str) {
        self.push(Problem::new(Stage::Source, kind, item, what, effect));
    }

    /// Notes a problem that is made already.
    pub(crate) fn push(&self, problem: Problem) {
        let mut guard = self.problems.lock();
        let (problems, left_out) = &mut *guard;
        if problems.contains(&problem) {
            return;
        }
        if problems.len() < MAX_PROBLEMS { problems.push(problem) } else { *left_out += 1 }
    }

    /// Takes what was noted.
    pub(crate) fn take_problems(&self) -> Vec<Problem> {
        let (mut problems, left_out) = std::mem::take(&mut *self.problems.lock());
        if left_out > 0 {
            problems.push(Problem::new(
                Stage::Source,
                ProblemKind::LimitReached,
                "",
                format!("{left_out} more problems of this volume are not listed"),
                "the volume is damaged in more places than are shown",
            ));
        }
        problems
    }
}
