//! Where evidence comes from. A source is opened by its content, never by its file name, and offers volumes;
//! each volume is a tree of files that can be looked up, listed and opened.

pub(crate) mod container;
#[cfg(test)]
pub(crate) mod faulty;
pub mod live;
mod media;
mod open;
pub(crate) mod tree;
pub mod volume;

#[doc(hidden)]
pub use container::examine as examine_container;
pub use live::early::Early;
pub use media::Media;
pub use open::open;
#[doc(hidden)]
pub use tree::archive::examine as examine_archive;

use evidence::{Bytes, FileTimes, Format, Method, Problem, Recovery};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

/// The id of a volume of files outside of every tree of Windows; further ones have a number behind it.
pub(crate) const LOOSE: &str = "files";

/// What a volume is. Only some kinds can be searched; the others are named, never taken for empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VolumeKind {
    /// NTFS, read by ourselves.
    Ntfs,
    /// A folder of the analysis machine.
    Folder,
    /// The members of an archive.
    Archive,
    /// The state of a live host, in memory.
    Live,
    /// NTFS as it was at an earlier moment.
    ShadowCopy,
    /// Files outside of every tree of Windows.
    Loose,
    /// Copies of files that differ from those on the last volume before it that is of another kind.
    OtherCopy,
    /// Encrypted with BitLocker.
    BitLocker,
    /// ReFS.
    Refs,
    /// FAT12, FAT16 or FAT32.
    Fat,
    /// exFAT.
    ExFat,
    /// Another file system, or another use of a partition, by its stable name.
    Other(&'static str),
    /// Nothing that we recognise.
    Unknown,
}

impl VolumeKind {
    /// Whether it is a whole file system, which says of each path whether a file is there.
    pub fn is_file_system(self) -> bool {
        matches!(self, VolumeKind::Ntfs | VolumeKind::ShadowCopy)
    }

    /// The stable name used in the bundle.
    pub fn name(self) -> &'static str {
        match self {
            VolumeKind::Ntfs => "ntfs",
            VolumeKind::Folder => "folder",
            VolumeKind::Archive => "archive",
            VolumeKind::Live => "live",
            VolumeKind::ShadowCopy => "shadow_copy",
            VolumeKind::Loose => "loose_files",
            VolumeKind::OtherCopy => "other_copy",
            VolumeKind::BitLocker => "bitlocker",
            VolumeKind::Refs => "refs",
            VolumeKind::Fat => "fat",
            VolumeKind::ExFat => "exfat",
            VolumeKind::Other(name) => name,
            VolumeKind::Unknown => "unknown",
        }
    }
}

/// By what Windows knows a partition in `MountedDevices`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PartitionId {
    /// Of an MBR disk.
    Mbr {
        /// The disk's signature.
        signature: u32,
        /// First byte on the disk.
        offset: u64,
    },
    /// Of a GPT disk: the partition's own GUID, upper case in braces.
    Gpt(String),
}

/// One volume of a source.
#[derive(Clone, Debug)]
pub struct Volume {
    /// Id used in bundle paths: the drive letter (`C`), else `volume-9A3C11F2` by serial number, else
    /// `volume-at-1048576` by byte offset.
    pub id: String,
    /// Drive letter. For an image the system volume is called `C` until the hives say otherwise, see
    /// [`Source::mount`].
    pub letter: Option<char>,
    /// The partition, where there is a partition table.
    pub partition: Option<PartitionId>,
    /// Kind.
    pub kind: VolumeKind,
    /// Label, where it has one.
    pub label: Option<String>,
    /// Serial number.
    pub serial: Option<u64>,
    /// Byte offset in the disk image, 0 otherwise.
    pub offset: u64,
    /// Length in bytes, 0 where it is not known.
    pub size: u64,
    /// Bytes per cluster, 0 where there are none.
    pub cluster_size: u32,
    /// Whether the Windows of this host is installed on it.
    pub is_system: bool,
    /// Where the Windows folder is, from the root of the volume: `\Windows`, in an older installation
    /// `\Windows.old\Windows`. Users' profiles are beside it.
    pub windows: String,
    /// Why bytes of it can be wrong without being known as such: a checksum of the archive around it does not match.
    pub doubt: Option<String>,
}

impl Volume {
    /// A volume of which nothing else is known yet.
    pub(crate) fn new(id: impl Into<String>, kind: VolumeKind) -> Self {
        Volume {
            id: id.into(),
            letter: None,
            partition: None,
            kind,
            label: None,
            serial: None,
            offset: 0,
            size: 0,
            cluster_size: 0,
            is_system: false,
            windows: r"\Windows".to_owned(),
            doubt: None,
        }
    }

    /// Whether there is anything to tell of it: other copies only where there are any.
    pub(crate) fn is_shown(&self, tree: Option<&dyn Tree>) -> bool {
        let has_any = |tree: &dyn Tree| {
            let mut any = false;
            let root = tree.lookup("").ok().flatten();
            let listed = root.is_some_and(|root| tree.each(&root, &mut |_| any = true).is_ok());
            listed && any
        };
        self.kind != VolumeKind::OtherCopy || tree.is_some_and(has_any)
    }

    /// The path as evidence names it: `C:\a.dll`, or `{volume-9A3C11F2}\a.dll` where the letter is not known; kept as
    /// [`evidence::name`] keeps names.
    pub(crate) fn original_path(&self, path: &str) -> String {
        match self.letter {
            Some(letter) => format!("{letter}:{path}"),
            None => format!("{{{}}}{path}", self.id),
        }
    }

    /// The folder beside which users' profiles are, from the root of the volume: empty for the root itself.
    pub(crate) fn beside_windows(&self) -> &str {
        self.windows.rsplit_once('\\').map_or("", |(beside, _)| beside)
    }

    /// Takes what an NTFS volume says of itself.
    pub(crate) fn describe(&mut self, tree: &volume::ntfs::NtfsTree) {
        self.label = tree.label().map(str::to_owned);
        self.serial = Some(tree.serial());
        self.size = tree.size();
        self.cluster_size = tree.cluster_size();
    }
}

/// One file, stream or folder of a volume.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct Found {
    /// Path from the root of the volume, `\Windows\System32\config\SYSTEM`, in the spelling of the volume, kept as
    /// [`evidence::name`] keeps names.
    pub path: String,
    /// Name of the alternate stream; `None` for the unnamed one.
    pub stream: Option<String>,
    /// Whether it is a folder.
    pub is_folder: bool,
    /// Length in bytes.
    pub size: u64,
    /// Times.
    pub times: FileTimes,
    /// File record number and sequence on NTFS.
    pub mft: Option<(u64, u16)>,
    /// Set for a deleted file: how its content can be had.
    pub recovery: Option<Recovery>,
    /// How opening it reads it.
    pub method: Method,
}

impl Found {
    /// The path with the stream, as Windows writes it.
    pub fn full_path(&self) -> String {
        match &self.stream {
            None => self.path.clone(),
            Some(stream) => format!("{}:{stream}", self.path),
        }
    }
}

/// The bytes of a found object. Holes read as zeros.
pub trait Content: Bytes {
    /// The ranges that hold data, in order; everything between them is a hole. A plain file is one range.
    fn data_ranges(&self) -> Vec<Range<u64>>;

    /// The ranges that the source does not have, in order. They read as zeros, and what was there is not known.
    fn missing(&self) -> Vec<Range<u64>> {
        Vec::new()
    }
}

/// The files of one volume. Names compare as the volume compares them, without regard to case.
pub trait Tree: Send + Sync {
    /// The file, folder or stream at this path (`\a\b.dll` or `\a\b.dll:stream`), 8.3 names included.
    fn lookup(&self, path: &str) -> Result<Option<Found>, Problem>;

    /// Whether only a part of the volume was given and this path lies outside of it, so that nothing is known of it.
    fn lies_outside(&self, _path: &str) -> bool {
        false
    }

    /// Where the first junction or symbolic link on this path leads, as the path that is meant then: from a drive letter,
    /// or from the root of this volume. `None` without one.
    fn link(&self, _path: &str) -> Option<String> {
        None
    }

    /// Calls for the children of a folder, each with its alternate streams after it, in any order: a folder can have
    /// millions of names. Reparse points are listed, never followed off the volume.
    fn each(&self, folder: &Found, take: &mut dyn FnMut(Found)) -> Result<(), Problem>;

    /// The same of a folder that is known to be small.
    fn list(&self, folder: &Found) -> Result<Vec<Found>, Problem> {
        let mut children = Vec::new();
        self.each(folder, &mut |child| children.push(child))?;
        Ok(children)
    }

    /// Further files that have this path, where several can.
    fn further(&self, _path: &str) -> Vec<Found> {
        Vec::new()
    }

    /// Whether a file can be read as what it should be; `false` only where it is known that it cannot.
    fn is_whole(&self, _found: &Found) -> bool {
        true
    }

    /// The alternate streams of a file.
    fn streams(&self, file: &Found) -> Result<Vec<Found>, Problem>;

    /// Deleted files whose rebuilt path is this one, or, where the folder is unknown, whose name is.
    fn lookup_deleted(&self, path: &str) -> Vec<Found>;

    /// Opens the content.
    fn open(&self, found: &Found) -> Result<Box<dyn Content>, Problem>;

    /// The files whose content is of such a format, wherever they lie, if the tree is one of files that were found by
    /// their content.
    fn of_format(&self, _wanted: &dyn Fn(Format) -> bool) -> Vec<Result<Found, Problem>> {
        Vec::new()
    }

    /// What went wrong while the tree was read so far (damaged file records and the like); taken once.
    fn take_problems(&self) -> Vec<Problem>;
}

/// A volume with its tree, where it can be searched.
pub type OpenedVolume = (Volume, Option<Arc<dyn Tree>>);

/// An opened source.
pub struct Source {
    /// What it is, in words: `folder`, `zip archive`, `raw image`, `split raw image`, `E01 image`.
    pub kind: &'static str,
    /// What is known about the image as a whole: its partition scheme, the hashes that an E01 stores.
    pub facts: Vec<(String, String)>,
    /// Every volume, searched or only named, with its tree where it can be searched.
    pub volumes: Vec<OpenedVolume>,
    /// What went wrong on the way.
    pub problems: Vec<Problem>,
    /// The files or the folder on the analysis machine that it consists of.
    pub files: Vec<PathBuf>,
    /// Whether it is an installation that a newer one of the same source has replaced: Windows.old.
    pub is_older: bool,
    /// What opening it made on the host, and what is taken away again before the bundle is sealed.
    pub made: Option<Box<dyn Made>>,
    /// The volatile state of a live host, where it lies until it is in the bundle.
    pub early: Option<Early>,
    /// The disks of images that it lies on, each as a whole. Hosts on one disk share them.
    pub media: Vec<Arc<Media>>,
}

/// Something that a live collection made on the host.
pub trait Made: Send + Sync {
    /// What it is, in words.
    fn name(&self) -> String;

    /// Takes it away.
    fn remove(&self) -> std::io::Result<()>;
}

impl Source {
    /// Whether it is a running host, whose files change while they are read.
    pub fn is_live(&self) -> bool {
        self.volumes.iter().any(|(volume, _)| volume.kind == VolumeKind::Live)
    }

    /// Gives the volumes the drive letters under which the host had mounted them. Volumes that are not among these keep
    /// theirs, unless another one turns out to have it.
    pub fn mount(&mut self, letters: &[(PartitionId, char)]) {
        let of = |volume: &Volume| {
            let id = volume.partition.as_ref()?;
            letters.iter().find(|(mounted, _)| mounted == id).map(|(_, letter)| letter.to_ascii_uppercase())
        };
        let known: Vec<Option<char>> = self.volumes.iter().map(|(volume, _)| of(volume)).collect();
        for ((volume, _), letter) in self.volumes.iter_mut().zip(&known) {
            if let Some(letter) = letter {
                volume.letter = Some(*letter);
                volume.id = letter.to_string();
            } else if volume.letter.is_some() && known.contains(&volume.letter) {
                volume.letter = None;
                volume.id = format!("volume-at-{}", volume.offset);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn volumes_get_the_letters_that_the_host_gave_them() {
        let volume = |id: &str, letter, partition| Volume {
            id: id.to_owned(),
            letter,
            partition,
            kind: VolumeKind::Ntfs,
            label: None,
            serial: None,
            offset: 4096,
            size: 0,
            cluster_size: 0,
            is_system: letter.is_some(),
            windows: r"\Windows".to_owned(),
            doubt: None,
        };
        let first = PartitionId::Mbr { signature: 7, offset: 1 << 20 };
        let second = PartitionId::Gpt("{A}".to_owned());
        let named = |letters: &[(PartitionId, char)]| {
            let volumes = [("C", Some('C'), Some(first.clone())), ("volume-1", None, Some(second.clone()))];
            let volumes = volumes.map(|(id, letter, partition)| (volume(id, letter, partition), None));
            let mut source = Source {
                kind: "raw image",
                facts: Vec::new(),
                volumes: volumes.into(),
                problems: Vec::new(),
                files: Vec::new(),
                is_older: false,
                made: None,
                early: None,
                media: Vec::new(),
            };
            source.mount(letters);
            source.volumes.into_iter().map(|(volume, _)| (volume.id, volume.letter)).collect::<Vec<_>>()
        };
        let pair = |id: &str, letter| (id.to_owned(), letter);
        assert_eq!(named(&[]), [pair("C", Some('C')), pair("volume-1", None)]);
        let other = PartitionId::Mbr { signature: 8, offset: 1 << 20 };
        assert_eq!(named(&[(other, 'D')]), [pair("C", Some('C')), pair("volume-1", None)], "of another disk");
        let both = [(first.clone(), 'd'), (second.clone(), 'C')];
        assert_eq!(named(&both), [pair("D", Some('D')), pair("C", Some('C'))]);
        assert_eq!(named(&both[1..]), [pair("volume-at-4096", None), pair("C", Some('C'))]);
    }
}
