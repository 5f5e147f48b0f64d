//! VMware's VMDK: a descriptor with its extents, which are flat files, sparse ones or nothing at all; monolithic, split into
//! files of 2 GB, stream-optimised, of ESX; and deltas with their parents.
//!
//! Reference: VMware, *Virtual Disk Format 5.0*; QEMU, `block/vmdk.c`.

use super::blocks::{Layout, Place, invalid, section};
use super::parent::{self, Known, Neighbour, Wanted};
use super::vmdk_sparse::{self, ADVICE, SECTOR, Sparse};
use super::{Candidate, Disk, Refusal, item};
use evidence::{Bytes, Problem, ProblemKind, Stage};
use std::io;
use std::sync::Arc;

/// The longest descriptor that is read.
const MAX_DESCRIPTOR: u64 = 1 << 20;

/// Whether it begins as an extent or as a descriptor does.
pub(super) fn probe(candidate: &Candidate<'_>) -> bool {
    vmdk_sparse::is_sparse(&candidate.head)
        || is_descriptor(&candidate.head)
        || is_flat(candidate.name) && matches!(descriptor_beside(candidate), Ok(Some(_)))
}

/// Whether the name is that of a flat extent: `disk-flat.vmdk`, `disk-f001.vmdk`.
fn is_flat(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let end = name.strip_suffix(".vmdk").and_then(|stem| stem.rsplit_once("-f"));
    end.is_some_and(|(_, rest)| rest == "lat" || rest.len() == 3 && rest.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Whether the name is that of one sparse extent of several: `disk-s001.vmdk`.
fn is_numbered(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let end = name.strip_suffix(".vmdk").and_then(|stem| stem.rsplit_once("-s"));
    end.is_some_and(|(_, rest)| rest.len() == 3 && rest.bytes().all(|byte| byte.is_ascii_digit()))
}

fn is_descriptor(head: &[u8]) -> bool {
    const FIRST: &[u8] = b"# disk descriptorfile";
    let text = head.trim_ascii_start();
    text.get(..FIRST.len()).is_some_and(|line| line.eq_ignore_ascii_case(FIRST))
}

/// The text that says what a disk consists of.
#[derive(Default)]
struct Descriptor {
    kind: String,
    id: Option<u32>,
    parent: Option<u32>,
    parent_name: String,
    is_encrypted: bool,
    extents: Vec<Line>,
}

/// One line about an extent.
struct Line {
    is_accessible: bool,
    sectors: u64,
    kind: String,
    name: String,
    /// Sectors of the file before the extent.
    skip: u64,
}

impl Descriptor {
    fn parse(text: &[u8]) -> Descriptor {
        let text = match std::str::from_utf8(text) {
            Ok(text) => text.to_owned(),
            // The encoding that it names is one of single bytes then; only names hold other than ASCII.
            Err(_) => text.iter().map(|byte| char::from(*byte)).collect(),
        };
        let mut descriptor = Descriptor::default();
        for line in text.lines().map(|line| line.trim_matches(['\0', ' ', '\t', '\r'])) {
            if let Some(extent) = Line::parse(line) {
                descriptor.extents.push(extent);
            } else if let Some((key, value)) = line.split_once('=') {
                let value = value.trim().trim_matches('"');
                let number = || u32::from_str_radix(value, 16).ok();
                match key.trim().to_ascii_lowercase().as_str() {
                    "cid" => descriptor.id = number(),
                    "parentcid" => descriptor.parent = number().filter(|id| *id != u32::MAX),
                    "createtype" => value.clone_into(&mut descriptor.kind),
                    "parentfilenamehint" => value.clone_into(&mut descriptor.parent_name),
                    key => descriptor.is_encrypted |= key.starts_with("encryption."),
                }
            }
        }
        descriptor
    }

    /// The descriptor that a file is or has in it.
    fn of(bytes: &dyn Bytes) -> io::Result<Option<Descriptor>> {
        let head = section(bytes, 0, bytes.len().min(SECTOR), SECTOR)?;
        if is_descriptor(&head) {
            return Ok(Some(Descriptor::parse(&section(bytes, 0, bytes.len(), MAX_DESCRIPTOR)?)));
        }
        let Some((at, length)) = vmdk_sparse::descriptor(&head) else { return Ok(None) };
        Ok(Some(Descriptor::parse(&section(bytes, at, length, MAX_DESCRIPTOR)?)))
    }
}

impl Line {
    /// `RW 4192256 SPARSE "disk-s001.vmdk"`, `RW 63 FLAT "disk-flat.vmdk" 0`, `RW 16 ZERO`.
    fn parse(line: &str) -> Option<Line> {
        let (access, rest) = line.split_once(' ')?;
        if !matches!(access, "RW" | "RDONLY" | "NOACCESS") {
            return None;
        }
        let (sectors, rest) = rest.trim_start().split_once(' ')?;
        let rest = rest.trim();
        let (kind, rest) = rest.split_once(' ').unwrap_or((rest, ""));
        let mut quoted = rest.splitn(3, '"').skip(1);
        let (name, skip) = (quoted.next().unwrap_or(""), quoted.next().unwrap_or(""));
        Some(Line {
            is_accessible: access != "NOACCESS",
            sectors: sectors.parse().ok()?,
            kind: kind.to_ascii_uppercase(),
            name: name.to_owned(),
            skip: skip.trim().split(' ').next().and_then(|skip| skip.parse().ok()).unwrap_or(0),
        })
    }
}

/// What a range of the disk is stored in.
enum Extent {
    Zero,
    Flat(Arc<dyn Bytes>, u64),
    Sparse(Box<Sparse>),
    /// Its file is not there.
    Lost(String),
}

/// The extents of a disk, one after the other.
struct Vmdk {
    starts: Vec<u64>,
    extents: Vec<Extent>,
    length: u64,
}

impl Vmdk {
    fn push(&mut self, extent: Extent, length: u64) -> Result<(), Refusal> {
        let end = self.length.checked_add(length).filter(|end| *end <= i64::MAX as u64);
        self.starts.push(self.length);
        self.extents.push(extent);
        self.length = end.ok_or_else(|| Refusal::new("this VMDK gives a size that no disk has", ADVICE))?;
        Ok(())
    }

    fn extent(&self, offset: u64) -> io::Result<(&Extent, u64, u64)> {
        let index = self.starts.partition_point(|start| *start <= offset).saturating_sub(1);
        let end = self.starts.get(index + 1).copied().unwrap_or(self.length);
        let extent = self.extents.get(index).ok_or_else(|| invalid("the VMDK has no extents"))?;
        Ok((extent, offset - self.starts[index], end - offset))
    }
}

impl Layout for Vmdk {
    fn length(&self) -> u64 {
        self.length
    }

    fn packed_length(&self) -> u64 {
        let grain = |extent: &Extent| if let Extent::Sparse(sparse) = extent { sparse.grain() } else { 0 };
        self.extents.iter().map(grain).max().unwrap_or(0).max(SECTOR)
    }

    fn locate(&self, offset: u64) -> io::Result<(Place<'_>, u64)> {
        let (extent, within, left) = self.extent(offset)?;
        match extent {
            Extent::Zero => Ok((Place::Zero, left)),
            Extent::Flat(bytes, skip) => Ok((Place::Stored(&**bytes, skip.saturating_add(within)), left)),
            Extent::Lost(why) => Err(io::Error::new(io::ErrorKind::UnexpectedEof, why.clone())),
            Extent::Sparse(sparse) => {
                let (place, length) = sparse.locate(within)?;
                let place = match place {
                    Place::Packed(start) => Place::Packed(offset - within + start),
                    place => place,
                };
                Ok((place, length.min(left)))
            }
        }
    }

    fn unpack(&self, start: u64) -> io::Result<Vec<u8>> {
        match self.extent(start)? {
            (Extent::Sparse(sparse), within, _) => sparse.unpack(within),
            _ => Err(invalid("the VMDK's extent is not compressed")),
        }
    }
}

/// Opens it with its extents and parents.
pub(super) fn open(candidate: &Candidate<'_>) -> Result<Disk, Refusal> {
    let cannot =
        |error: io::Error| Refusal::new(format!("the descriptor of this VMDK cannot be read: {error}"), ADVICE);
    let own = Descriptor::of(&*candidate.bytes).map_err(cannot)?;
    if is_descriptor(&candidate.head) {
        return assemble(candidate, &own.unwrap_or_default());
    }
    // An extent of several has room for a descriptor too, which is left empty.
    if let Some(descriptor) = own.filter(|descriptor| descriptor.extents.len() == 1) {
        return monolithic(candidate, &descriptor);
    }
    match descriptor_beside(candidate).map_err(cannot)? {
        Some(found) => {
            let (store, folder, spill) = (candidate.store, candidate.folder, candidate.spill);
            let (path, bytes) = (found.path.as_deref(), found.bytes.clone());
            let mut other = Candidate::new(store, folder, &found.name, path, bytes, spill).map_err(cannot)?;
            other.chain.clone_from(&candidate.chain);
            let descriptor = Descriptor::of(&*other.bytes).map_err(cannot)?.unwrap_or_default();
            let disk = assemble(&other, &descriptor);
            candidate.uses(&found.key);
            candidate.used.borrow_mut().extend(other.used());
            disk
        }
        None if vmdk_sparse::is_hosted(&candidate.head) && !is_numbered(candidate.name) => {
            monolithic(candidate, &Descriptor::default())
        }
        None => Err(Refusal::new(
            "this is one extent of a VMDK, and the descriptor that says what it is a part of is not beside it",
            "copy the small .vmdk file that belongs to it there",
        )),
    }
}

/// The descriptor beside an extent that names it.
fn descriptor_beside(candidate: &Candidate<'_>) -> io::Result<Option<Neighbour>> {
    for file in parent::files(candidate)? {
        let is_other = file.name != candidate.name && file.name.to_lowercase().ends_with(".vmdk");
        if !is_other || file.size > MAX_DESCRIPTOR {
            continue;
        }
        let Ok(found) = parent::neighbour(candidate, &file) else { continue };
        let names = |line: &Line| parent::file_name(&line.name).eq_ignore_ascii_case(candidate.name);
        if Descriptor::of(&*found.bytes).ok().flatten().is_some_and(|text| text.extents.iter().any(names)) {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// A file that has its own descriptor in it. It may have been renamed since.
fn monolithic(candidate: &Candidate<'_>, descriptor: &Descriptor) -> Result<Disk, Refusal> {
    let mut vmdk = Vmdk { starts: Vec::new(), extents: Vec::new(), length: 0 };
    let sparse = Sparse::open(candidate.bytes.clone(), &Arc::default(), 0)?;
    let length = sparse.length();
    vmdk.push(Extent::Sparse(Box::new(sparse)), length)?;
    let files = candidate.path().map(ToOwned::to_owned).into_iter().collect();
    finish(candidate, descriptor, vmdk, files, Vec::new())
}

/// A disk of which the descriptor is a file of its own.
fn assemble(candidate: &Candidate<'_>, descriptor: &Descriptor) -> Result<Disk, Refusal> {
    let mut vmdk = Vmdk { starts: Vec::new(), extents: Vec::new(), length: 0 };
    let mut files: Vec<_> = candidate.path().map(ToOwned::to_owned).into_iter().collect();
    let (mut missing, mut found) = (Vec::new(), 0u64);
    let pages = Arc::default();
    let beside = parent::Beside::of(candidate)
        .map_err(|error| Refusal::new(format!("the extents of this VMDK cannot be read: {error}"), ADVICE))?;
    let mut problems = Vec::new();
    for line in &descriptor.extents {
        let length = line.sectors.saturating_mul(SECTOR);
        let name = parent::file_name(&line.name);
        if line.kind == "ZERO" {
            vmdk.push(Extent::Zero, length)?;
            continue;
        }
        let cannot =
            |error: io::Error| Refusal::new(format!("{name}, an extent of this VMDK, cannot be read: {error}"), ADVICE);
        let file = if line.is_accessible { beside.named(&line.name).map_err(cannot)? } else { None };
        let Some(file) = file else {
            missing.push(name.to_owned());
            vmdk.push(Extent::Lost(format!("{name}, an extent of the VMDK, is not there")), length)?;
            continue;
        };
        found += 1;
        candidate.uses(&file.key);
        files.extend(file.path);
        let head = section(&*file.bytes, 0, file.bytes.len().min(SECTOR), SECTOR).map_err(cannot)?;
        let extent = match line.kind.as_str() {
            "FLAT" | "VMFS" => {
                let skip = line.skip.saturating_mul(SECTOR);
                problems.extend(short(candidate, name, skip.saturating_add(length), file.bytes.len()));
                Extent::Flat(file.bytes, skip)
            }
            "SPARSE" | "VMFSSPARSE" if vmdk_sparse::is_sparse(&head) => {
                Extent::Sparse(Box::new(Sparse::open(file.bytes, &pages, found)?))
            }
            kind => {
                let why = format!("{name}, an extent of this VMDK, is of the kind {kind}, which is not read");
                return Err(Refusal::new(why, ADVICE));
            }
        };
        vmdk.push(extent, length)?;
    }
    let names = missing.join(", ");
    if descriptor.extents.is_empty() {
        return Err(Refusal::new("this is the descriptor of a VMDK that names no extents", "give the whole disk"));
    }
    if found == 0 && !missing.is_empty() {
        let why = format!("this is the descriptor of a VMDK, which holds no data; its extent {names} is missing");
        return Err(Refusal::new(why, "copy it beside the descriptor"));
    }
    if !missing.is_empty() {
        problems.push(Problem::new(
            Stage::Source,
            ProblemKind::ReadFailed,
            item(candidate),
            format!("extents of the VMDK are not beside its descriptor: {names}"),
            "the parts of the disk that they hold cannot be read",
        ));
    }
    finish(candidate, descriptor, vmdk, files, problems)
}

/// Says that a flat extent's file is shorter than its line.
fn short(candidate: &Candidate<'_>, name: &str, expected: u64, actual: u64) -> Option<Problem> {
    let kind = ProblemKind::Truncated { offset: actual, expected, actual };
    let what = format!("{name}, an extent of the VMDK, has {actual} bytes instead of {expected}");
    let problem = Problem::new(Stage::Source, kind, item(candidate), what, "the rest of it cannot be read");
    (actual < expected).then_some(problem)
}

fn finish(
    candidate: &Candidate<'_>,
    descriptor: &Descriptor,
    vmdk: Vmdk,
    files: Vec<std::path::PathBuf>,
    problems: Vec<Problem>,
) -> Result<Disk, Refusal> {
    if descriptor.is_encrypted {
        return Err(Refusal::new("this VMDK is encrypted, and what is in it cannot be read without its key", ADVICE));
    }
    let mut facts = vec![("VMDK type".to_owned(), descriptor.kind.clone())];
    if vmdk.extents.len() > 1 {
        facts.push(("extents".to_owned(), vmdk.extents.len().to_string()));
    }
    let mut parent = None;
    if let Some(id) = descriptor.parent {
        let fits = |bytes: &dyn Bytes| Descriptor::of(bytes).ok().flatten().is_some_and(|its| its.id == Some(id));
        let wanted = Wanted {
            kind: "VMDK",
            names: vec![descriptor.parent_name.clone()],
            endings: &[".vmdk"],
            fits: &fits,
            by: format!("its content ID is {id:08x}"),
            raw: false,
        };
        parent = Some(("parent disk", parent::open(candidate, &wanted)?));
    }
    Ok(parent::layered("VMDK image", vmdk, parent, Known { facts, problems, files }))
}
