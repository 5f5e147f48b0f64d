//! What a file is that was given or found: a disk image or an archive, by its content. One line in [`ALL`] and one file for
//! each; what is recognised and not read has a line in [`refused::REFUSED`].

mod blocks;
#[cfg(test)]
mod disk_tests;
mod ewf;
mod ex01;
mod examine;
mod gzip;
mod parent;
mod qcow2;
mod refused;
mod split;
mod tar;
mod vdi;
mod vhd;
mod vhdx;
mod vhdx_log;
mod vmdk;
mod vmdk_sparse;
mod zip;

pub use examine::examine;
pub(crate) use zip::of_bundle;

use super::tree::Store;
use crate::spill::Spill;
use evidence::{Bytes, Problem};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A file that may be a container, and its neighbours: further segments and parent disks lie beside it.
pub(crate) struct Candidate<'a> {
    /// Where it lies: a folder of this machine or an archive.
    pub(crate) store: &'a Arc<dyn Store>,
    /// The key of its folder in the store.
    pub(crate) folder: &'a str,
    /// Its name in this folder.
    pub(crate) name: &'a str,
    /// Its path on this machine; `None` inside of an archive.
    path: Option<&'a Path>,
    /// Its bytes.
    pub(crate) bytes: Arc<dyn Bytes>,
    /// Its first bytes, [`HEAD`] at most.
    pub(crate) head: Vec<u8>,
    /// Its last bytes, [`TAIL`] at most.
    pub(crate) tail: Vec<u8>,
    /// For what has to be kept beside memory.
    pub(crate) spill: &'a Spill,
    /// The names of the disks that this is a parent of, directly or through others.
    chain: Vec<String>,
    /// The keys of the neighbours that what was opened consists of.
    used: RefCell<BTreeSet<String>>,
    /// The keys of the neighbours that are its parent disks, with what those consist of.
    parents: RefCell<BTreeSet<String>>,
}

/// Bytes at the beginning that a probe sees.
pub(crate) const HEAD: usize = 1 << 16;
/// Bytes at the end that a probe sees.
pub(crate) const TAIL: usize = 1024;

impl<'a> Candidate<'a> {
    /// Reads head and tail.
    pub(crate) fn new(
        store: &'a Arc<dyn Store>,
        folder: &'a str,
        name: &'a str,
        path: Option<&'a Path>,
        bytes: Arc<dyn Bytes>,
        spill: &'a Spill,
    ) -> io::Result<Self> {
        let read = |offset: u64, length: usize| -> io::Result<Vec<u8>> {
            let mut buffer = vec![0; length];
            let read = bytes.read_full_at(offset, &mut buffer)?;
            buffer.truncate(read);
            Ok(buffer)
        };
        let head = read(0, usize::try_from(bytes.len()).unwrap_or(HEAD).min(HEAD))?;
        let from = bytes.len().saturating_sub(TAIL as u64);
        let tail = read(from, usize::try_from(bytes.len() - from).unwrap_or(TAIL))?;
        let (chain, used, parents) = (Vec::new(), RefCell::default(), RefCell::default());
        Ok(Candidate { store, folder, name, path, bytes, head, tail, spill, chain, used, parents })
    }

    /// A member of an archive of which only the first bytes are known, because the last ones would cost reading it all.
    pub(crate) fn of_member(
        store: &'a Arc<dyn Store>,
        folder: &'a str,
        name: &'a str,
        bytes: Arc<dyn Bytes>,
        head: Vec<u8>,
        spill: &'a Spill,
    ) -> Self {
        let (chain, used, parents) = (Vec::new(), RefCell::default(), RefCell::default());
        Candidate { store, folder, name, path: None, bytes, head, tail: Vec::new(), spill, chain, used, parents }
    }

    /// Its path on this machine; `None` inside of an archive.
    pub(crate) fn path(&self) -> Option<&Path> {
        self.path
    }

    /// Says that a neighbour is a part of what is opened.
    fn uses(&self, key: &str) {
        self.used.borrow_mut().insert(key.to_owned());
    }

    /// The keys of its parent disks, which are nothing of their own where it could be opened.
    pub(crate) fn parents(&self) -> BTreeSet<String> {
        self.parents.take()
    }

    /// The keys of the neighbours that what was opened consists of, which are nothing of their own.
    pub(crate) fn used(&self) -> BTreeSet<String> {
        self.used.take()
    }
}

/// Why something recognised is not opened, and what to give instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// What it is or what is wrong, as the end of a sentence about the file.
    pub(crate) why: String,
    /// What to do.
    pub(crate) advice: String,
}

impl Refusal {
    pub(crate) fn new(why: impl Into<String>, advice: impl Into<String>) -> Self {
        Refusal { why: why.into(), advice: advice.into() }
    }
}

/// A disk with its volumes.
pub(crate) struct Disk {
    /// In words: `E01 image`.
    pub(crate) kind: &'static str,
    pub(crate) bytes: Arc<dyn Bytes>,
    pub(crate) facts: Vec<(String, String)>,
    pub(crate) problems: Vec<Problem>,
    /// Every file of this machine that it consists of.
    pub(crate) files: Vec<PathBuf>,
    /// How its bytes can be checked.
    pub(crate) integrity: Integrity,
}

/// By what a container's bytes can be checked. The default is a container that has nothing of the kind.
#[derive(Default)]
pub(crate) struct Integrity {
    /// Digests of the whole disk that the container stores: name of the algorithm, lower-case hexadecimal.
    pub(crate) digests: Vec<(&'static str, String)>,
    /// What is found wrong with the container while its bytes are read.
    pub(crate) faults: Option<Arc<dyn Faults>>,
}

/// Notes what is found wrong with a container while its bytes are read.
pub(crate) trait Faults: Send + Sync {
    /// Everything so far.
    fn problems(&self) -> Vec<Problem>;
}

/// What a container holds.
pub(crate) enum Opened {
    /// A disk.
    Disk(Disk),
    /// Files, with what is wrong with the archive.
    Files(Arc<dyn Store>, Vec<Problem>),
    /// One file, of which is still to be found out what it is: what a compressor packed. With its name, and with what is
    /// wrong with the packed form.
    One(Arc<dyn Bytes>, String, Vec<Problem>),
}

/// A kind of container.
pub(crate) struct Container {
    /// In words, for people: `zip archive`.
    pub(crate) name: &'static str,
    /// Whether a file is one.
    pub(crate) probe: fn(&Candidate<'_>) -> bool,
    /// Opens it.
    pub(crate) open: fn(&Candidate<'_>) -> Result<Opened, Refusal>,
    /// Whether checksums of its own cover what is read from it.
    is_checked: bool,
    /// Whether the name of a file says that it is one.
    is_named: fn(&str) -> bool,
}

/// Every kind of container that is read, in the order in which they are asked.
pub(crate) static ALL: &[Container] = &[
    // By names, before what a part begins with is taken for the whole.
    Container {
        name: split::NAME,
        probe: split::probe,
        open: split::open,
        is_checked: false,
        is_named: split::is_first_name,
    },
    Container {
        name: "zip archive",
        probe: zip::probe,
        open: zip::open,
        is_checked: true,
        is_named: |name| ends_in(name, &["zip"]),
    },
    Container {
        name: "tar archive",
        probe: tar::probe,
        open: tar::open,
        is_checked: false,
        is_named: |name| ends_in(name, &["tar"]),
    },
    Container {
        name: "gzip file",
        probe: gzip::probe,
        open: gzip::open,
        is_checked: true,
        is_named: |name| ends_in(name, &["tgz", "tar.gz"]),
    },
    Container {
        name: "E01 image",
        probe: ewf::is_e01,
        open: |file| ewf::open_e01(file).map(Opened::Disk),
        is_checked: true,
        is_named: |name| ends_in(name, &["e01"]),
    },
    Container {
        name: "Ex01 image",
        probe: ewf::is_ex01,
        open: |file| ewf::open_ex01(file).map(Opened::Disk),
        is_checked: true,
        is_named: |name| ends_in(name, &["ex01"]),
    },
    Container {
        name: "VHDX image",
        probe: vhdx::probe,
        open: |file| vhdx::open(file).map(Opened::Disk),
        is_checked: false,
        is_named: |name| ends_in(name, &["vhdx", "avhdx"]),
    },
    Container {
        name: "VMDK image",
        probe: vmdk::probe,
        open: |file| vmdk::open(file).map(Opened::Disk),
        is_checked: false,
        is_named: |name| ends_in(name, &["vmdk"]),
    },
    Container {
        name: "QCOW2 image",
        probe: qcow2::probe,
        open: |file| qcow2::open(file).map(Opened::Disk),
        is_checked: false,
        is_named: |name| ends_in(name, &["qcow2"]),
    },
    Container {
        name: "VDI image",
        probe: vdi::probe,
        open: |file| vdi::open(file).map(Opened::Disk),
        is_checked: false,
        is_named: |name| ends_in(name, &["vdi"]),
    },
    // Last, because a fixed one is known by its end alone.
    Container {
        name: "VHD image",
        probe: vhd::probe,
        open: |file| vhd::open(file).map(Opened::Disk),
        is_checked: false,
        is_named: |name| ends_in(name, &["vhd", "avhd"]),
    },
    Container {
        name: "zip archive",
        probe: zip::probe_end,
        open: zip::open,
        is_checked: true,
        is_named: |name| ends_in(name, &["zip"]),
    },
];

/// Whether a name has one of these endings.
fn ends_in(name: &str, endings: &[&str]) -> bool {
    let lower = name.to_lowercase();
    endings.iter().any(|ending| lower.strip_suffix(ending).is_some_and(|stem| stem.len() > 1 && stem.ends_with('.')))
}

/// What a file of this name should be, in words, where that is a container or the raw image of a disk.
pub(crate) fn named(name: &str) -> Option<&'static str> {
    let raw = || split::is_raw_name(name).then_some("raw image");
    ALL.iter().find(|container| (container.is_named)(name)).map(|container| container.name).or_else(raw)
}

/// Whether what is read from this file is covered by checksums of its own, so that one around it adds nothing.
pub(crate) fn checks_itself(file: &Candidate<'_>) -> bool {
    ALL.iter().find(|container| (container.probe)(file)).is_some_and(|container| container.is_checked)
}

/// Whether a file is a segment of an image whose first segment lies beside it.
pub(crate) fn is_later_segment(file: &Candidate<'_>) -> bool {
    ewf::is_later_segment(file)
}

/// Opens a file as what it is; `None` where nothing is recognised, which a raw disk image can be all the same.
pub(crate) fn open(file: &Candidate<'_>) -> Result<Option<Opened>, Refusal> {
    if let Some(refused) = refused::REFUSED.iter().find(|refused| (refused.probe)(file)) {
        return Err(Refusal::new(refused.what, refused.advice));
    }
    match ALL.iter().find(|container| (container.probe)(file)) {
        Some(container) => (container.open)(file).map(Some),
        None => Ok(None),
    }
}

/// Opens the archive that a program carries behind its own bytes; `None` where there is none.
pub(crate) fn behind_program(file: &Candidate<'_>) -> Result<Option<Opened>, Refusal> {
    if zip::probe_end(file) { zip::open(file).map(Some) } else { Ok(None) }
}

/// What a problem with a container is said of: its path, or its name in an archive.
fn item(file: &Candidate<'_>) -> String {
    file.path().map_or_else(|| file.name.to_owned(), |path| path.display().to_string())
}

/// The disk that a file of this machine is, raw where nothing else is recognised.
#[cfg(test)]
pub(crate) fn disk_at(path: &Path) -> Result<Disk, Refusal> {
    use crate::{file_bytes::FileBytes, source::tree::Folder};
    let store: Arc<dyn Store> = Arc::new(Folder::new(path.parent().unwrap()));
    let name = path.file_name().unwrap().to_string_lossy();
    let spill = Spill::beside(path);
    let file = Arc::new(FileBytes::open(path).unwrap());
    let candidate = Candidate::new(&store, "", &name, Some(path), file, &spill).unwrap();
    match open(&candidate)? {
        Some(Opened::Disk(disk)) => Ok(disk),
        Some(_) => panic!("{} is no disk", path.display()),
        None => {
            let bytes = candidate.bytes.clone();
            Ok(Disk {
                kind: "raw image",
                bytes,
                facts: Vec::new(),
                problems: Vec::new(),
                files: vec![path.to_owned()],
                integrity: Integrity::default(),
            })
        }
    }
}
