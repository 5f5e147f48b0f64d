//! Windows paths as text: what form a path has, its canonical spelling, and when two spellings mean one file.
//!
//! Nothing here touches a file system. 8.3 names and junctions cannot be resolved from text alone, so two
//! spellings that differ by one of them count as different files.
//!
//! Reference: Microsoft, *Naming Files, Paths, and Namespaces*; *Path format overview (.NET)*.

use std::borrow::Cow;

/// The form of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Nothing at all.
    Empty,
    /// `C:\a`.
    Drive,
    /// `C:a`, relative to the directory of that drive.
    DriveRelative,
    /// `\a`, relative to the root of the current drive.
    Rooted,
    /// `a\b`.
    Relative,
    /// `\\server\share\a`, WebDAV (`\\host@SSL\DavWWWRoot\a`) included.
    Unc,
    /// `\Device\HarddiskVolume3\a`, `\VOLUME{…}\a`, `{volume-9A3C11F2}\a`, `\\?\Volume{…}\a`.
    Volume,
    /// `\\.\pipe\x` and other devices.
    Device,
    /// `http://…`.
    Url,
}

/// Folders that Windows names by a GUID, where each is unless it was moved. The second table is below the profile of a
/// user.
///
/// Reference: Microsoft, *KNOWNFOLDERID*.
const FOLDERS: [(&str, &str); 8] = [
    ("{F38BF404-1D43-42F2-9305-67DE0B28FC23}", r"\Windows"),
    ("{1AC14E77-02E7-4E5D-B744-2EB1AE5198B7}", r"\Windows\System32"),
    ("{D65231B0-B2F1-4857-A4CE-A8E7C6EA7D27}", r"\Windows\SysWOW64"),
    ("{905E63B6-C1BF-494E-B29C-65B732D3D21A}", r"\Program Files"),
    ("{6D809377-6AF0-444B-8957-A3773F02200E}", r"\Program Files"),
    ("{7C5A40EF-A0FB-4BFC-874A-C0F2E0B9FA8E}", r"\Program Files (x86)"),
    ("{62AB5D82-FDC1-4DC3-A9DD-070D1D495D97}", r"\ProgramData"),
    ("{DFDF76A2-C82A-4D63-906A-5644AC457385}", r"\Users\Public"),
];
const FOLDERS_OF_A_USER: [(&str, &str); 6] = [
    ("{5E6C858F-0E22-4760-9AFE-EA3317B67173}", ""),
    ("{B4BFCC3A-DB2C-424C-B029-7FE99A87C641}", r"\Desktop"),
    ("{374DE290-123F-4565-9164-39C4925E467B}", r"\Downloads"),
    ("{FDD39AD0-238F-46AF-ADB4-6C85480369C7}", r"\Documents"),
    ("{F1B32785-6FBA-4FCF-9D55-7B8E7F157091}", r"\AppData\Local"),
    ("{3EB685DB-65F9-4CF6-A03A-E3EF65729F3D}", r"\AppData\Roaming"),
];

/// The path with the folder that a GUID at its beginning names, if it is one of these.
fn with_folder(path: &str, folders: &[(&str, &str)]) -> Option<String> {
    folders.iter().find_map(|(guid, folder)| {
        let rest = strip_prefix_any_case(path, guid)?;
        (rest.is_empty() || rest.starts_with(['\\', '/'])).then(|| format!("{folder}{rest}"))
    })
}

/// The path in the profile of a user that one which begins with the GUID of a folder of a user means.
pub(crate) fn in_profile(path: &str, profile: &str) -> Option<String> {
    Some(format!("{}{}", profile.trim_end_matches(['\\', '/']), with_folder(path, &FOLDERS_OF_A_USER)?))
}

/// Takes off `\\?\`, `\??\` and `\\.\` where a drive letter, UNC or volume follows, puts a folder for its GUID, and turns `/`
/// into `\`.
fn without_prefix(path: &str) -> Cow<'_, str> {
    // Nearly every path begins with a drive letter, and every process has some.
    if has_drive(path) && !path.contains('/') {
        return Cow::Borrowed(path);
    }
    Cow::Owned(rewritten(path.replace('/', "\\")))
}

/// The same for a path without `/`.
fn rewritten(path: String) -> String {
    if let Some(path) = with_folder(&path, &FOLDERS) {
        return path;
    }
    for prefix in [r"\\?\", r"\??\", r"\\.\", r"\\?\GLOBALROOT"] {
        let Some(rest) = strip_prefix_any_case(&path, prefix) else { continue };
        if let Some(share) = strip_prefix_any_case(rest, r"UNC\") {
            return format!(r"\\{share}");
        }
        if has_drive(rest) {
            return rest.to_owned();
        }
        if strip_prefix_any_case(rest, "Volume{").is_some() {
            return format!(r"\{rest}");
        }
        if strip_prefix_any_case(rest, r"\Device\").is_some() {
            return rest.to_owned();
        }
    }
    path
}

fn has_drive(path: &str) -> bool {
    let bytes = path.as_bytes();
    bytes.len() >= 2 && bytes[0].is_ascii_alphabetic() && bytes[1] == b':'
}

/// `text` without `prefix`, compared without regard to ASCII case.
pub(crate) fn strip_prefix_any_case<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let head = text.get(..prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then(|| &text[prefix.len()..])
}

/// `text` without `suffix`, compared without regard to ASCII case.
pub(crate) fn strip_suffix_any_case<'a>(text: &'a str, suffix: &str) -> Option<&'a str> {
    let at = text.len().checked_sub(suffix.len())?;
    let tail = text.get(at..)?;
    tail.eq_ignore_ascii_case(suffix).then(|| &text[..at])
}

/// The form of a path, after its namespace prefix.
pub(crate) fn form(path: &str) -> Form {
    let url = path.find("://").is_some_and(|at| at > 1 && path[..at].bytes().all(|byte| byte.is_ascii_alphanumeric()));
    if url && strip_prefix_any_case(path, "file:").is_none() {
        return Form::Url;
    }
    let path = without_prefix(path);
    let bytes = path.as_bytes();
    match bytes {
        [] => Form::Empty,
        _ if has_drive(&path) && bytes.get(2) == Some(&b'\\') => Form::Drive,
        _ if has_drive(&path) => Form::DriveRelative,
        _ if split_volume(&path).is_some() => Form::Volume,
        [b'\\', b'\\', b'.' | b'?', b'\\', ..] => Form::Device,
        [b'\\', b'\\', ..] => Form::Unc,
        [b'\\', ..] => Form::Rooted,
        _ => Form::Relative,
    }
}

/// Splits `\Device\HarddiskVolume3\a`, `\VOLUME{…}\a` or `{volume-…}\a` into volume and `\a`.
fn split_volume(path: &str) -> Option<(&str, &str)> {
    let end = if let Some(rest) = strip_prefix_any_case(path, r"\Device\") {
        let name = rest.find('\\').unwrap_or(rest.len());
        if !rest[..name].to_ascii_uppercase().starts_with("HARDDISKVOLUME") {
            return None;
        }
        path.len() - rest.len() + name
    } else if strip_prefix_any_case(path, r"\VOLUME{").is_some() || path.starts_with('{') {
        path.find('}')? + 1
    } else {
        return None;
    };
    let rest = path.get(end..)?;
    (rest.is_empty() || rest.starts_with('\\')).then(|| path.split_at(end))
}

/// One spelling for all of a path: backslashes, no `.`, `..` applied, no trailing dots or spaces of a
/// component (Windows drops them unless the path has the `\\?\` prefix), namespace prefix taken off. Case
/// and drive are kept; a relative path stays relative.
pub(crate) fn canonical(path: &str) -> String {
    let keeps_trailing = path.starts_with(r"\\?\");
    let path = without_prefix(path);
    let (root, rest) = root_of(&path);
    let mut parts: Vec<&str> = Vec::new();
    for part in rest.split('\\') {
        match part {
            "" | "." => {}
            ".." => {
                let popped = parts.last().is_some_and(|last| *last != "..");
                if popped {
                    parts.pop();
                } else if root.is_empty() {
                    parts.push("..");
                }
            }
            part if keeps_trailing => parts.push(part),
            part => {
                let trimmed = part.trim_end_matches(['.', ' ']);
                if !trimmed.is_empty() {
                    parts.push(trimmed);
                }
            }
        }
    }
    let mut canonical = String::with_capacity(path.len());
    canonical.push_str(root);
    for (index, part) in parts.into_iter().enumerate() {
        canonical.push_str(if index > 0 { "\\" } else { "" });
        canonical.push_str(part);
    }
    canonical
}

/// Root (with its backslash) and rest of a path without namespace prefix.
fn root_of(path: &str) -> (&str, &str) {
    let after = |at: usize| {
        let at = if path.as_bytes().get(at) == Some(&b'\\') { at + 1 } else { at };
        path.split_at(at)
    };
    match form(path) {
        Form::Drive | Form::DriveRelative => after(2),
        Form::Volume => after(split_volume(path).map_or(0, |(volume, _)| volume.len())),
        Form::Unc => {
            // Server and share are the root: `..` never leaves them.
            let server = path[2..].find('\\').map_or(path.len(), |at| at + 2);
            let share =
                path.get(server + 1..).and_then(|rest| rest.find('\\')).map_or(path.len(), |at| server + 1 + at);
            after(share)
        }
        Form::Device => after(3),
        Form::Rooted => after(0),
        Form::Relative | Form::Empty | Form::Url => ("", path),
    }
}

/// The canonical path behind its volume, `\a\b`, in its own case.
pub(crate) fn after_volume(path: &str) -> String {
    format!("\\{}", root_of(&canonical(path)).1)
}

/// A canonical path split behind a folder that it lies in: the folder in the spelling of the path, and the rest.
pub(crate) fn below<'a>(path: &'a str, folder: &str) -> Option<(&'a str, &'a str)> {
    let folder = PathKey::new(folder);
    let (root, rest) = root_of(path);
    let parts = folder.rest.matches('\\').count();
    let at = root.len() + rest.match_indices('\\').nth(parts.checked_sub(1)?)?.0;
    PathKey::new(&path[..at]).same_file(&folder).then(|| (&path[..at], &path[at + 1..]))
}

/// A directory and a relative path as one canonical path.
pub(crate) fn join(directory: &str, relative: &str) -> String {
    canonical(&format!("{}\\{relative}", directory.trim_end_matches(['\\', '/'])))
}

/// The last component, without a stream name.
pub(crate) fn file_name(path: &str) -> &str {
    let name = path.rsplit(['\\', '/']).next().unwrap_or(path);
    split_stream(name).0
}

/// The directory of a path, without its last backslash.
pub(crate) fn directory(path: &str) -> Option<&str> {
    path.rfind(['\\', '/']).map(|at| &path[..at])
}

/// The name without its extension, lower case; trailing dots and spaces do not count.
pub(crate) fn stem(name: &str) -> String {
    let name = file_name(name).trim_end_matches(['.', ' ']);
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    stem.to_ascii_lowercase()
}

/// Path and stream name: `C:\a.dll:s` is the stream `s` of `C:\a.dll`. `:$DATA` alone names the file itself.
pub(crate) fn split_stream(path: &str) -> (&str, Option<&str>) {
    let name_at = path.rfind(['\\', '/']).map_or(0, |at| at + 1);
    let skip = if name_at == 0 && has_drive(path) { 2 } else { 0 };
    let Some(colon) = path.get(name_at + skip..).and_then(|name| name.find(':')).map(|at| at + name_at + skip) else {
        return (path, None);
    };
    let stream = &path[colon + 1..];
    let stream = strip_suffix_any_case(stream, ":$DATA").unwrap_or(stream);
    (&path[..colon], (!stream.is_empty()).then_some(stream))
}

pub(crate) use evidence::name::folded as fold;

/// A path to compare with others: which volume, as far as its spelling tells, and the rest in upper case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct PathKey {
    /// `C:`, `\DEVICE\HARDDISKVOLUME3`, `\VOLUME{…}`, `\\SERVER\SHARE`, or empty.
    pub(crate) volume: String,
    /// `\WINDOWS\X.EXE`.
    pub(crate) rest: String,
}

impl PathKey {
    /// The key of a path; relative paths get an empty volume.
    pub(crate) fn new(path: &str) -> Self {
        let canonical = fold(&canonical(path));
        let (root, rest) = root_of(&canonical);
        PathKey { volume: root.trim_end_matches('\\').to_owned(), rest: ["\\", rest].concat() }
    }

    /// Whether both can be the same file: the same rest, and volumes that do not exclude each other. Two
    /// drive letters, two servers and two volume ids exclude each other; a letter and a device name do not,
    /// since which device had which letter is not stored in the path.
    pub(crate) fn same_file(&self, other: &PathKey) -> bool {
        self.rest == other.rest && volumes_agree(&self.volume, &other.volume)
    }
}

fn volumes_agree(a: &str, b: &str) -> bool {
    let kind = |volume: &str| match volume.as_bytes() {
        [] => 0,
        [_, b':', ..] => 1,
        [b'\\', b'\\', ..] => 2,
        [b'{', ..] => 3,
        [b'\\', b'V', ..] => 4,
        _ => 5,
    };
    let (left, right) = (kind(a), kind(b));
    if left == right {
        return a == b;
    }
    // A file on a share is not a file of a local volume; everything else may be.
    left != 2 && right != 2
}

/// The path that a `file:` URL names: `file:///C:/a%20b.dll` is `C:\a b.dll`, `file://server/share/x` a UNC
/// path. `None` for other text.
pub(crate) fn from_file_url(text: &str) -> Option<String> {
    let rest = strip_prefix_any_case(text.trim(), "file:")?;
    let decoded = percent_decoded(rest).replace('/', "\\");
    let slashes = decoded.bytes().take_while(|byte| *byte == b'\\').count();
    let path = &decoded[slashes..];
    if has_drive(path) {
        return Some(path.to_owned());
    }
    (!path.is_empty() && slashes >= 2).then(|| format!(r"\\{path}"))
}

fn percent_decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = |at: usize| bytes.get(at).and_then(|byte| (*byte as char).to_digit(16));
        match (bytes[at], hex(at + 1), hex(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                out.push((high * 16 + low) as u8);
                at += 3;
            }
            (byte, ..) => {
                out.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        for (path, wanted) in [
            ("", Form::Empty),
            (r"C:\a", Form::Drive),
            ("c:/a", Form::Drive),
            (r"\\?\C:\a", Form::Drive),
            (r"\??\C:\a", Form::Drive),
            ("C:a", Form::DriveRelative),
            (r"\a", Form::Rooted),
            (r"a\b", Form::Relative),
            (r"..\b", Form::Relative),
            (r"\\s\h\a", Form::Unc),
            ("//s/h/a", Form::Unc),
            (r"\\?\UNC\s\h\a", Form::Unc),
            (r"\\h@SSL@443\DavWWWRoot\p", Form::Unc),
            (r"\Device\HarddiskVolume3\a", Form::Volume),
            (r"\VOLUME{01d1217a9c4c6779-8c9f49ec}\A", Form::Volume),
            (r"\\?\Volume{8a0e1c57-0000-0000-0000-100000000000}\a", Form::Volume),
            (r"{volume-9A3C11F2}\a.dll", Form::Volume),
            (r"\\.\pipe\x", Form::Device),
            ("http://x/y", Form::Url),
        ] {
            assert_eq!(form(path), wanted, "{path}");
        }
    }

    #[test]
    fn canonical_spellings() {
        for (path, wanted) in [
            (r"C:\a\..\b\.\c.dll", r"C:\b\c.dll"),
            (r"C:/a//b/c.dll. .", r"C:\a\b\c.dll"),
            (r"C:\..\..\a", r"C:\a"),
            (r"..\..\a", r"..\..\a"),
            (r"\\s\h\..\..\a", r"\\s\h\a"),
            (r"\\?\C:\a\x.dll", r"C:\a\x.dll"),
            (r"\Device\HarddiskVolume3\..\a", r"\Device\HarddiskVolume3\a"),
            (r"C:\a.dll:s", r"C:\a.dll:s"),
            (r"\a\.\b", r"\a\b"),
        ] {
            assert_eq!(canonical(path), wanted, "{path}");
        }
    }

    #[test]
    fn streams_and_names() {
        assert_eq!(split_stream(r"C:\a.dll:s"), (r"C:\a.dll", Some("s")));
        assert_eq!(split_stream(r"C:\a.dll:s:$DATA"), (r"C:\a.dll", Some("s")));
        assert_eq!(split_stream(r"C:\a.dll"), (r"C:\a.dll", None));
        assert_eq!(split_stream("C:a.dll"), ("C:a.dll", None));
        assert_eq!(split_stream("a.dll:s"), ("a.dll", Some("s")));
        assert_eq!(stem(r"C:\Windows\RegAsm.EXE."), "regasm");
        assert_eq!(stem("regasm"), "regasm");
    }

    #[test]
    fn the_same_file_in_other_spellings() {
        let key = PathKey::new(r"C:\Windows\Microsoft.NET\Framework\v4.0.30319\RegAsm.exe");
        for same in [
            r"c:/windows/microsoft.net/framework/v4.0.30319/regasm.exe",
            r"\device\harddiskvolume2\windows\microsoft.net\framework\v4.0.30319\regasm.exe",
            r"\VOLUME{01da2f77-9a3c11f2}\WINDOWS\MICROSOFT.NET\FRAMEWORK\V4.0.30319\REGASM.EXE",
            r"\Windows\Microsoft.NET\Framework\v4.0.30319\RegAsm.exe",
            r"{volume-9A3C11F2}\Windows\Microsoft.NET\Framework\v4.0.30319\RegAsm.exe",
            r"{f38bf404-1d43-42f2-9305-67de0b28fc23}\Microsoft.NET\Framework\v4.0.30319\RegAsm.exe",
        ] {
            assert!(key.same_file(&PathKey::new(same)), "{same}");
        }
        for other in [
            r"D:\Windows\Microsoft.NET\Framework\v4.0.30319\RegAsm.exe",
            r"\\c\share\Windows\Microsoft.NET\Framework\v4.0.30319\RegAsm.exe",
            r"C:\Windows\Microsoft.NET\Framework64\v4.0.30319\RegAsm.exe",
            // The folder of the 64-bit system programs.
            r"{1AC14E77-02E7-4E5D-B744-2EB1AE5198B7}\Microsoft.NET\Framework\v4.0.30319\RegAsm.exe",
            // A GUID that names no folder of the machine is a volume.
            r"{B4BFCC3A-DB2C-424C-B029-7FE99A87C641}\Microsoft.NET\Framework\v4.0.30319\RegAsm.exe",
        ] {
            assert!(!key.same_file(&PathKey::new(other)), "{other}");
        }
    }

    #[test]
    fn folders_of_a_user_are_in_the_profile() {
        for (path, wanted) in [
            (r"{B4BFCC3A-DB2C-424C-B029-7FE99A87C641}\a.exe", Some(r"C:\Users\jdoe\Desktop\a.exe")),
            (r"{5e6c858f-0e22-4760-9afe-ea3317b67173}\a.exe", Some(r"C:\Users\jdoe\a.exe")),
            (r"{F38BF404-1D43-42F2-9305-67DE0B28FC23}\a.exe", None),
            (r"{B4BFCC3A-DB2C-424C-B029-7FE99A87C641}x\a.exe", None),
        ] {
            assert_eq!(in_profile(path, r"C:\Users\jdoe\").as_deref(), wanted, "{path}");
        }
    }

    #[test]
    fn hostile_paths_do_not_panic() {
        let pieces =
            ["\\", "/", "?", "C:", ".", "..", "{", "}", "ä", "ı", "UNC", r"\Device\", "\0", ":", "file:///", "%", " "];
        for number in 0..pieces.len().pow(4) {
            let path: String = (0..4u32).map(|place| pieces[number / pieces.len().pow(place) % pieces.len()]).collect();
            let canonical = canonical(&path);
            let _ = (form(&path), PathKey::new(&path), split_stream(&path), from_file_url(&path), after_volume(&path));
            assert_eq!(super::canonical(&canonical).is_empty(), canonical.is_empty(), "{path}");
            let own = (r"\\s\h".to_owned(), path.clone());
            let machine = crate::command::Machine {
                names: vec!["s".to_owned(), path.clone()],
                shares: vec![own],
                ..crate::command::Machine::default()
            };
            for image in [path.as_str(), r"C:\Windows\Microsoft.NET\Framework\v4.0.30319\RegAsm.exe"] {
                let asker = crate::command::Asker {
                    current_directory: Some(&path),
                    image: Some(image),
                    ..crate::command::Asker::default()
                };
                let _ = crate::command::resolve(evidence::Tool::Regasm, &path, &asker, &machine);
                let _ = below(&canonical, image);
            }
        }
    }

    #[test]
    fn file_urls() {
        for (url, wanted) in [
            ("file:///C:/AtomicRedTeam/T1121.DLL", Some(r"C:\AtomicRedTeam\T1121.DLL")),
            ("FILE:///c:/a%20b/%C3%A4.dll", Some(r"c:\a b\ä.dll")),
            ("file://server/share/x.dll", Some(r"\\server\share\x.dll")),
            (r"file:///C:\a\b.dll", Some(r"C:\a\b.dll")),
            ("file:///", None),
            ("http://x/y.dll", None),
            ("T1121, Version=0.0.0.0", None),
            ("file:///C:/100%", Some(r"C:\100%")),
        ] {
            assert_eq!(from_file_url(url).as_deref(), wanted, "{url}");
        }
    }
}
