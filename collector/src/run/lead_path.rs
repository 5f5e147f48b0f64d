//! From a path in a record to a file on one of the volumes.

use crate::source::{Volume, VolumeKind};
use evidence::name;

/// A file that a record names and that should be collected with what belongs to it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LeadPath {
    /// Full path: `C:\…`, `\Device\HarddiskVolume3\…`, `\VOLUME{01d1217a9c4c6779-8c9f49ec}\…`, `\SystemRoot\…`,
    /// or from a root without saying of which volume. Of a program that is only looked at, also its name alone.
    pub path: String,
    /// What names it, in words for people: the item, and where in it.
    pub named_by: String,
    /// Id of the artifact that this file belongs to, where Windows was told to keep it there. It parses the file, and
    /// lacks it where the file is missing. `None` for a file that a record merely names; [`evidence::Item::RAN`] for a program
    /// that is only looked at, because it ran and may be a tool under another name.
    pub kept_for: Option<&'static str>,
}

/// Where a path can lie.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Places {
    /// Indexes of the volumes, the likeliest first.
    pub(crate) volumes: Vec<usize>,
    /// Path from the root of the volume.
    pub(crate) path: String,
}

/// The path from the root, with `.` and `..` done away with as Windows does, before it looks at any file.
fn from_root(path: &str) -> String {
    let mut components: Vec<&str> = Vec::new();
    for component in path.split(['\\', '/']) {
        match component {
            "" | "." => {}
            ".." => {
                components.pop();
            }
            name => components.push(name),
        }
    }
    components.iter().fold(String::new(), |path, component| path + "\\" + component)
}

fn strip_prefix<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (start, rest) = text.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then_some(rest)
}

/// Resolves a path; an error says why it can lie on no volume of this source.
pub(crate) fn places(path: &str, volumes: &[&Volume]) -> Result<Places, &'static str> {
    let select = |wanted: &dyn Fn(&Volume) -> bool| -> Vec<usize> {
        // No record names a file by where somebody put a copy of it.
        let has_paths = |volume: &Volume| !matches!(volume.kind, VolumeKind::Loose | VolumeKind::OtherCopy);
        (0..volumes.len()).filter(|index| has_paths(volumes[*index]) && wanted(volumes[*index])).collect()
    };
    let anywhere = || {
        let mut all = select(&|volume| volume.is_system);
        all.extend(select(&|volume| !volume.is_system));
        all
    };
    let path = path.trim().replace('/', "\\");
    let mut plain = path.as_str();
    for prefix in [r"\\?\", r"\??\", r"\\.\"] {
        plain = plain.strip_prefix(prefix).unwrap_or(plain);
    }
    if let Some(rest) = strip_prefix(plain, r"UNC\").or_else(|| plain.strip_prefix(r"\\")) {
        return Err(if rest.is_empty() { "it is not a path of a file" } else { "it is on another machine" });
    }
    let mut characters = plain.chars();
    if let (Some(letter), Some(':'), Some('\\')) = (characters.next(), characters.next(), characters.next())
        && letter.is_ascii_alphabetic()
    {
        let mut found = select(&|volume| volume.letter.is_some_and(|own| own.eq_ignore_ascii_case(&letter)));
        if found.is_empty() {
            // Which letter the other volumes of an image had is not known before the hives are read.
            found = select(&|volume| volume.letter.is_none());
        }
        return match found.is_empty() {
            true => Err("the source has no volume that could have this drive letter"),
            false => Ok(Places { volumes: found, path: from_root(&plain[2..]) }),
        };
    }
    if let Some(rest) = strip_prefix(plain, r"\SystemRoot\") {
        let system = select(&|volume| volume.is_system);
        let windows = system.first().map_or(r"\Windows", |index| volumes[*index].windows.as_str());
        return Ok(Places { path: from_root(&format!(r"{windows}\{rest}")), volumes: system });
    }
    if let Some(rest) = strip_prefix(plain, r"\Device\") {
        let Some((device, local)) = rest.split_once('\\') else { return Err("it is not a path of a file") };
        if strip_prefix(device, "Mup").is_some() || strip_prefix(device, "LanmanRedirector").is_some() {
            return Err("it is on another machine");
        }
        return Ok(Places { volumes: anywhere(), path: from_root(local) });
    }
    if let Some(rest) = strip_prefix(plain, r"\VOLUME{").or_else(|| strip_prefix(plain, "Volume{")) {
        let Some((name, local)) = rest.split_once('}') else { return Err("it is not a path of a file") };
        // Prefetch: creation time and serial number. Elsewhere it is a GUID, which no volume stores.
        let serial = name.split_once('-').filter(|(_, serial)| serial.len() == 8);
        let serial = serial.and_then(|(_, serial)| u32::from_str_radix(serial, 16).ok());
        let mut found = match serial {
            Some(serial) => select(&|volume| volume.serial.is_some_and(|own| own as u32 == serial)),
            None => Vec::new(),
        };
        if found.is_empty() {
            found = anywhere();
        }
        return Ok(Places { volumes: found, path: from_root(local) });
    }
    if plain.starts_with('\\') {
        return Ok(Places { volumes: anywhere(), path: from_root(plain) });
    }
    Err("it is not a full path")
}

/// Where a path can be on a volume, the likeliest first: what an older installation recorded lies below `Windows.old` now.
pub(crate) fn on_volume(volume: &Volume, path: &str) -> Vec<String> {
    let moved = Some(volume.beside_windows()).filter(|beside| volume.is_system && !beside.is_empty());
    moved.map(|beside| format!("{beside}{path}")).into_iter().chain([path.to_owned()]).collect()
}

/// The files that belong to a program or library at this path: type library, configuration, symbols.
pub(crate) fn siblings(path: &str) -> Vec<String> {
    let (folder, name) = path.rsplit_once('\\').unwrap_or(("", path));
    let stem = match name.rsplit_once('.') {
        Some((stem, _)) if !stem.is_empty() => stem,
        _ => name,
    };
    let mut siblings = vec![
        format!("{folder}\\{stem}.tlb"),
        format!("{folder}\\{name}.config"),
        format!("{folder}\\{stem}.config"),
        format!("{folder}\\{stem}.pdb"),
    ];
    siblings.dedup();
    siblings.retain(|sibling| !name::same(sibling, path));
    siblings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::VolumeKind;

    fn volume(letter: Option<char>, serial: Option<u64>, is_system: bool) -> Volume {
        Volume { letter, serial, is_system, ..Volume::new("", VolumeKind::Ntfs) }
    }

    #[test]
    fn every_form_finds_its_volume() {
        let volumes = [volume(None, Some(0x1111_2222_8C9F_49EC), false), volume(Some('C'), Some(0x9A3C_11F2), true)];
        let volumes: Vec<&Volume> = volumes.iter().collect();
        for (path, expected, local) in [
            (r"c:\a\..\b\.\x.dll", vec![1], r"\b\x.dll"),
            (r"\\?\C:\x.dll", vec![1], r"\x.dll"),
            (r"\??\C:\x.dll", vec![1], r"\x.dll"),
            ("C:/a/x.dll", vec![1], r"\a\x.dll"),
            (r"D:\x.dll", vec![0], r"\x.dll"),
            (r"\Device\HarddiskVolume3\a\x.dll", vec![1, 0], r"\a\x.dll"),
            (r"\VOLUME{01d1217a9c4c6779-8c9f49ec}\x.dll", vec![0], r"\x.dll"),
            (r"\VOLUME{01d1217a9c4c6779-00000000}\x.dll", vec![1, 0], r"\x.dll"),
            (r"\\?\Volume{2ec5b5ef-0000-0000-0000-100000000000}\x.dll", vec![1, 0], r"\x.dll"),
            (r"\SystemRoot\System32\x.dll", vec![1], r"\Windows\System32\x.dll"),
            (r"\Users\x.dll", vec![1, 0], r"\Users\x.dll"),
            (r"C:\..\..\x.dll", vec![1], r"\x.dll"),
        ] {
            let found = places(path, &volumes).unwrap();
            assert_eq!((found.volumes, found.path.as_str()), (expected, local), "{path}");
        }
        for path in ["x.dll", r"\\server\share\x.dll", r"\Device\Mup\server\x.dll", "", r"\Device\X", "ü"] {
            assert!(places(path, &volumes).is_err(), "{path}");
        }
    }

    #[test]
    fn an_older_installation_is_looked_for_where_it_is_now() {
        let old = Volume { windows: r"\Windows.old\Windows".to_owned(), ..volume(Some('C'), None, true) };
        assert_eq!(on_volume(&old, r"\Users\x\a.dll"), [r"\Windows.old\Users\x\a.dll", r"\Users\x\a.dll"]);
        assert_eq!(on_volume(&volume(Some('C'), None, true), r"\x.dll"), [r"\x.dll"]);
        let root = places(r"\SystemRoot\System32\x.dll", &[&old]).unwrap();
        assert_eq!(root.path, r"\Windows.old\Windows\System32\x.dll");
        let loose = Volume::new("files", VolumeKind::Loose);
        assert!(places(r"C:\x.dll", &[&loose]).is_err());
    }

    #[test]
    fn what_belongs_to_a_library() {
        assert_eq!(siblings(r"\a\x.dll"), [r"\a\x.tlb", r"\a\x.dll.config", r"\a\x.config", r"\a\x.pdb"]);
        assert_eq!(siblings(r"\a\x"), [r"\a\x.tlb", r"\a\x.config", r"\a\x.pdb"]);
        assert_eq!(siblings(r"\a\x.pdb").len(), 3);
    }
}
