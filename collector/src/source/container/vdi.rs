//! VirtualBox's VDI: dynamic, fixed and differencing.
//!
//! Reference: VirtualBox, `src/VBox/Storage/VDICore.h`. Numbers are little-endian.

use super::blocks::{Layout, Place, Table, array, invalid, le32, le64, section};
use super::parent::{self, Known, Wanted};
use super::{Candidate, Disk, Refusal};
use evidence::{Bytes, guid_text};
use std::io;

const SIGNATURE: u32 = 0xBEDA_107F;
const HEADER: u64 = 472;
const ADVICE: &str = "convert it to a raw image (VBoxManage clonemedium --format RAW) and give that";

/// Whether it has a VDI's signature.
pub(super) fn probe(candidate: &Candidate<'_>) -> bool {
    le32(&candidate.head, 64) == SIGNATURE
}

/// The identifier of a disk and that of its last change.
fn identity(bytes: &dyn Bytes) -> Option<([u8; 16], [u8; 16])> {
    let header = section(bytes, 0, HEADER, HEADER).ok()?;
    (le32(&header, 64) == SIGNATURE).then(|| (array(&header, 392), array(&header, 408)))
}

/// Opens it with its parents.
pub(super) fn open(candidate: &Candidate<'_>) -> Result<Disk, Refusal> {
    let header = &candidate.head;
    let version = le32(header, 68);
    if version >> 16 != 1 {
        let why = format!("this VDI is of version {}.{}, which is not read", version >> 16, version & 0xFFFF);
        return Err(Refusal::new(why, ADVICE));
    }
    let kind = match le32(header, 76) {
        1 => "dynamic",
        2 => "fixed",
        3 | 4 => "differencing",
        other => return Err(Refusal::new(format!("this VDI is of type {other}, which is not known"), ADVICE)),
    };
    let (size, block, extra) = (le64(header, 368), u64::from(le32(header, 376)), u64::from(le32(header, 380)));
    if header.len() < 472 || block == 0 || !block.is_multiple_of(512) || size > i64::MAX as u64 {
        return Err(Refusal::new("the header of this VDI is damaged: sizes in it cannot be", ADVICE));
    }
    let layout = Vdi {
        file: Table::new(candidate.bytes.clone()),
        size,
        block,
        extra,
        table: u64::from(le32(header, 340)),
        data: u64::from(le32(header, 344)),
        entries: u64::from(le32(header, 384)),
    };
    let facts =
        vec![("VDI type".to_owned(), kind.to_owned()), ("VDI identifier".to_owned(), guid_text(&array(header, 392)))];
    let files: Vec<_> = candidate.path().map(ToOwned::to_owned).into_iter().collect();
    let problems = Vec::new();
    let mut parent = None;
    if kind == "differencing" {
        let (id, changed): ([u8; 16], [u8; 16]) = (array(header, 424), array(header, 440));
        let fits = |bytes: &dyn Bytes| {
            identity(bytes).is_some_and(|(its, last)| its == id && (changed == [0; 16] || last == changed))
        };
        let wanted = Wanted {
            kind: "VDI",
            // A VDI does not know the name of its parent.
            names: Vec::new(),
            endings: &[".vdi"],
            fits: &fits,
            by: format!("its identifier is {} and that of its last change {}", guid_text(&id), guid_text(&changed)),
            raw: false,
        };
        parent = Some(("parent disk", parent::open(candidate, &wanted)?));
    }
    Ok(parent::layered("VDI image", layout, parent, Known { facts, problems, files }))
}

struct Vdi {
    file: Table,
    size: u64,
    block: u64,
    /// Bytes before the data of each block.
    extra: u64,
    table: u64,
    data: u64,
    entries: u64,
}

impl Layout for Vdi {
    fn length(&self) -> u64 {
        self.size
    }

    fn locate(&self, offset: u64) -> io::Result<(Place<'_>, u64)> {
        let (index, within) = (offset / self.block, offset % self.block);
        if index >= self.entries {
            return Err(invalid(format!(
                "the VDI's block map has {} entries and none for byte {offset}",
                self.entries
            )));
        }
        let length = self.block - within;
        let place = match u32::from_le_bytes(self.file.entry(self.table + index * 4)?) {
            u32::MAX => Place::Parent,
            0xFFFF_FFFE => Place::Zero,
            number => {
                let block = u64::from(number).checked_mul(self.block + self.extra);
                let at = block.and_then(|block| block.checked_add(self.data + self.extra + within));
                let at = at.ok_or_else(|| invalid("the VDI's block map points beyond any file"))?;
                Place::Stored(self.file.bytes(), at)
            }
        };
        Ok((place, length))
    }
}
