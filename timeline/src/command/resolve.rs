//! Which files an assembly argument can mean.
//!
//! Only text is looked at. Which of the candidates existed is for others to find out.
//!
//! Reference: Microsoft, *SearchPathW function*; *Dynamic-Link Library Search Order* (SafeProcessSearchMode);
//! *Naming Files, Paths, and Namespaces*.

use super::place::{self, Asker, Machine, Share, View};
use crate::paths::{self, Form, PathKey};
use evidence::Tool;

/// Where the file lies when it is not on a volume of this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remote {
    /// A share.
    Unc,
    /// A web folder, opened through the WebDAV redirector.
    WebDav,
    /// An address that the tool hands to the loader.
    Url,
    /// A device that is not a volume.
    Device,
}

/// The files that an assembly argument can mean.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolution {
    /// Full paths in the order in which the tool would try them.
    pub candidates: Vec<String>,
    /// How they were found, in words.
    pub rule: String,
    /// Candidates that are, or may be, other files than the text says.
    pub views: Vec<View>,
    /// The path leads over a share of this machine.
    pub is_own_share: bool,
    /// Set when the path points away from this machine.
    pub remote: Option<Remote>,
    /// Name of an alternate data stream.
    pub stream: Option<String>,
    /// True when a part that decides is missing: the current directory is not known.
    pub incomplete: bool,
    /// The argument is an assembly's display name, which is looked up in the global assembly cache.
    pub display_name: bool,
}

impl Resolution {
    /// Without a candidate.
    fn by(rule: &str) -> Self {
        Resolution {
            candidates: Vec::new(),
            rule: rule.to_owned(),
            views: Vec::new(),
            is_own_share: false,
            remote: None,
            stream: None,
            incomplete: false,
            display_name: false,
        }
    }

    /// One file.
    fn at(path: String, rule: &str) -> Self {
        Resolution { candidates: vec![path], ..Resolution::by(rule) }
    }

    /// One file that is not on a volume of this machine.
    fn elsewhere(remote: Remote, path: String, rule: &str) -> Self {
        Resolution { remote: Some(remote), ..Resolution::at(path, rule) }
    }
}

/// Finds the files that `argument` of `tool` can mean, for a process like this on such a machine.
pub fn resolve(tool: Tool, argument: &str, asker: &Asker<'_>, machine: &Machine) -> Resolution {
    if is_display_name(argument) {
        let rule = "an assembly's display name, looked up in the global assembly cache";
        return Resolution { display_name: true, ..Resolution::by(rule) };
    }
    let from_url = paths::from_file_url(argument);
    let path = from_url.as_deref().unwrap_or(argument);
    let (current_directory, over_share) = local_directory(asker, machine);
    let current_directory = current_directory.as_deref();
    let mut found = match paths::form(path) {
        Form::Empty => Resolution::by("the argument is empty"),
        Form::Url => Resolution::elsewhere(Remote::Url, path.to_owned(), "an address on the network"),
        Form::Unc => on_share(path, asker, machine),
        Form::Device => Resolution::elsewhere(Remote::Device, path.to_owned(), "a device"),
        Form::Volume => {
            Resolution::at(paths::canonical(path), "a path by device or volume, whose drive letter it does not say")
        }
        Form::Drive if from_url.is_some() => Resolution::at(paths::canonical(path), "a file address"),
        Form::Drive => Resolution::at(paths::canonical(path), "a full path"),
        Form::DriveRelative => in_directory_of_drive(&paths::canonical(path), current_directory),
        Form::Rooted => in_root(path, current_directory),
        Form::Relative => searched(tool, current_directory, search(tool, path, current_directory, asker, machine)),
    };
    // The redirector acts on local paths alone: what is opened over a share is the folder itself.
    let untouched = match over_share {
        Some(how) if paths::form(path) == Form::Relative => {
            found.is_own_share = true;
            found.rule.push_str(&format!("; the current directory is on {how}"));
            current_directory.map(|directory| paths::join(directory, path))
        }
        _ => None,
    };
    if !found.is_own_share || untouched.is_some() {
        redirect(&mut found, untouched.as_deref(), asker, machine);
    }
    found.stream = found.candidates.first().and_then(|path| paths::split_stream(path).1).map(str::to_owned);
    if let Some(stream) = &found.stream {
        found.rule.push_str(&format!("; the alternate data stream \"{stream}\""));
    }
    if argument.contains('~') {
        found.rule.push_str("; short names cannot be resolved from text");
    }
    found
}

/// The current directory, as a local one where it is on a share of this machine; then also what that share is.
fn local_directory(asker: &Asker<'_>, machine: &Machine) -> (Option<String>, Option<String>) {
    let Some(directory) = asker.current_directory.filter(|directory| !directory.is_empty()) else {
        return (None, None);
    };
    if paths::form(directory) == Form::Unc
        && let Share::Local(local, how) = place::share(&paths::canonical(directory), asker, machine)
    {
        return (Some(local), Some(how));
    }
    (Some(directory.to_owned()), None)
}

/// Puts for each candidate the file that the process gets, and both where that is not known.
fn redirect(found: &mut Resolution, untouched: Option<&str>, asker: &Asker<'_>, machine: &Machine) {
    let mut candidates: Vec<String> = Vec::new();
    let mut add = |path: String| {
        if !candidates.iter().any(|seen| PathKey::new(seen) == PathKey::new(&path)) {
            candidates.push(path);
        }
    };
    for path in std::mem::take(&mut found.candidates) {
        let is_local = matches!(paths::form(&path), Form::Drive | Form::Volume) && untouched != Some(&*path);
        match place::view(&path, asker, machine).filter(|_| is_local) {
            Some(view) => {
                add(view.path.clone());
                if !view.is_sure {
                    add(path);
                }
                found.views.push(view);
            }
            None => add(path),
        }
    }
    found.candidates = candidates;
}

/// `\\host\share\x.dll`.
fn on_share(path: &str, asker: &Asker<'_>, machine: &Machine) -> Resolution {
    let canonical = paths::canonical(path);
    let web = canonical.to_ascii_uppercase();
    let host = web[2..].split('\\').next().unwrap_or_default();
    if web.contains(r"\DAVWWWROOT") || host.contains('@') {
        return Resolution::elsewhere(Remote::WebDav, canonical, "a web folder");
    }
    match place::share(&canonical, asker, machine) {
        Share::Local(local, how) => Resolution { is_own_share: true, ..Resolution::at(local, &how) },
        Share::UnknownFolder(how) => Resolution { is_own_share: true, incomplete: true, ..Resolution::by(how) },
        Share::Elsewhere => Resolution::elsewhere(Remote::Unc, canonical, "a share of another machine"),
    }
}

/// The drive of the current directory, `C:`.
fn drive_of(current_directory: Option<&str>) -> Option<String> {
    let directory = paths::canonical(current_directory?);
    matches!(paths::form(&directory), Form::Drive).then(|| directory[..2].to_owned())
}

/// `C:x.dll`.
fn in_directory_of_drive(path: &str, current_directory: Option<&str>) -> Resolution {
    let (drive, rest) = path.split_at(2);
    let is_same = drive_of(current_directory).is_some_and(|current| current.eq_ignore_ascii_case(drive));
    match current_directory.filter(|_| is_same) {
        Some(directory) => {
            Resolution::at(paths::join(directory, rest), "relative to the current directory of its drive")
        }
        None => {
            let rule = "relative to the current directory of another drive, which is not recorded; its root is assumed";
            let path = paths::canonical(&format!(r"{drive}\{rest}"));
            Resolution { incomplete: true, ..Resolution::at(path, rule) }
        }
    }
}

/// `\folder\x.dll`.
fn in_root(path: &str, current_directory: Option<&str>) -> Resolution {
    match drive_of(current_directory) {
        Some(drive) => {
            let rule = "relative to the root of the current drive";
            Resolution::at(paths::canonical(&format!("{drive}{path}")), rule)
        }
        None => {
            let rule = "relative to the root of the current drive, which is not recorded; C: is assumed";
            let path = paths::canonical(&format!("C:{path}"));
            Resolution { incomplete: true, ..Resolution::at(path, rule) }
        }
    }
}

/// `x.dll`, which has these candidates.
fn searched(tool: Tool, current_directory: Option<&str>, candidates: Vec<String>) -> Resolution {
    let is_on_share = candidates.first().is_some_and(|path| paths::form(path) == Form::Unc);
    let rule = match (tool, current_directory) {
        (Tool::Regasm, Some(_)) => "relative to the current directory, then by Windows' search order",
        (Tool::Regsvcs, Some(_)) => {
            "by Windows' search order: the tool's directory, the current directory, the system directories"
        }
        (_, None) => "relative, and the current directory is not recorded; only fixed directories are candidates",
    };
    Resolution {
        candidates,
        remote: is_on_share.then_some(Remote::Unc),
        incomplete: current_directory.is_none(),
        ..Resolution::by(rule)
    }
}

/// `Name, Version=…` or `Name, PublicKeyToken=…`, the text form of an assembly identity.
pub(crate) fn is_display_name(text: &str) -> bool {
    let mut parts = text.split(',');
    let name = parts.next().unwrap_or_default();
    let mut identity = parts.map(|part| part.trim().to_ascii_lowercase()).peekable();
    let known = |part: &String| {
        ["version=", "culture=", "publickeytoken=", "processorarchitecture=", "retargetable="]
            .iter()
            .any(|start| part.starts_with(start))
    };
    identity.peek().is_some() && !name.contains(['\\', '/', ':']) && identity.all(|part| known(&part))
}

fn search(
    tool: Tool,
    path: &str,
    current_directory: Option<&str>,
    asker: &Asker<'_>,
    machine: &Machine,
) -> Vec<String> {
    let own = asker.image.and_then(paths::directory).map(paths::canonical);
    let windows = asker.windows();
    let cwd_after_system = machine.cwd_after_system;
    let mut directories: Vec<String> = Vec::new();
    let current = current_directory.map(str::to_owned);
    if tool == Tool::Regasm {
        directories.extend(current.clone());
    }
    directories.extend(own.clone());
    if !cwd_after_system {
        directories.extend(current.clone());
    }
    directories.extend(["System32", "System"].map(|name| format!(r"{windows}\{name}")));
    if cwd_after_system {
        directories.extend(current);
    }
    directories.push(windows);
    let mut candidates: Vec<String> = Vec::new();
    for directory in directories {
        let candidate = paths::join(&directory, path);
        if !candidates.iter().any(|seen| PathKey::new(seen) == PathKey::new(&candidate)) {
            candidates.push(candidate);
        }
    }
    candidates
}

#[cfg(test)]
mod tests {
    use super::*;

    const IMAGE: &str = r"C:\Windows\Microsoft.NET\Framework\v4.0.30319\RegAsm.exe";

    fn asker<'a>(current_directory: Option<&'a str>, image: Option<&'a str>) -> Asker<'a> {
        Asker { current_directory, image, ..Asker::default() }
    }

    fn first(argument: &str, directory: Option<&str>) -> (Option<String>, Option<Remote>, bool) {
        let found = resolve(Tool::Regasm, argument, &asker(directory, Some(IMAGE)), &Machine::default());
        (found.candidates.first().cloned(), found.remote, found.incomplete)
    }

    #[test]
    fn every_form() {
        let here = Some(r"C:\AtomicRedTeam\");
        for (argument, directory, wanted, remote, incomplete) in [
            ("T1121.dll", here, r"C:\AtomicRedTeam\T1121.dll", None, false),
            (r"..\x.dll", here, r"C:\x.dll", None, false),
            (r".\sub/../x.dll", here, r"C:\AtomicRedTeam\x.dll", None, false),
            (r"D:\a\x.dll", here, r"D:\a\x.dll", None, false),
            ("C:/a b/x.dll", None, r"C:\a b\x.dll", None, false),
            ("C:x.dll", here, r"C:\AtomicRedTeam\x.dll", None, false),
            ("D:x.dll", here, r"D:\x.dll", None, true),
            (r"\tmp\x.dll", here, r"C:\tmp\x.dll", None, false),
            (r"\tmp\x.dll", None, r"C:\tmp\x.dll", None, true),
            ("file:///C:/a%20b/x.dll", here, r"C:\a b\x.dll", None, false),
            (r"\\?\C:\a\x.dll", here, r"C:\a\x.dll", None, false),
            (r"\??\C:\a\x.dll", here, r"C:\a\x.dll", None, false),
            (r"C:\a\x.dll. ", here, r"C:\a\x.dll", None, false),
            (r"C:\a\x.dll:s", here, r"C:\a\x.dll:s", None, false),
            (r"\\10.20.5.77\c$\x\u.dll", here, r"\\10.20.5.77\c$\x\u.dll", Some(Remote::Unc), false),
            (r"\\?\UNC\srv\share\u.dll", here, r"\\srv\share\u.dll", Some(Remote::Unc), false),
            (r"\\localhost\c$\x\u.dll", here, r"C:\x\u.dll", None, false),
            (r"\\h@SSL@443\DavWWWRoot\p\u.dll", here, r"\\h@SSL@443\DavWWWRoot\p\u.dll", Some(Remote::WebDav), false),
            (r"\\h@8080\p\u.dll", here, r"\\h@8080\p\u.dll", Some(Remote::WebDav), false),
            ("http://h/u.dll", here, "http://h/u.dll", Some(Remote::Url), false),
            (r"\\.\pipe\u.dll", here, r"\\.\pipe\u.dll", Some(Remote::Device), false),
            (r"\Device\HarddiskVolume3\a\u.dll", here, r"\Device\HarddiskVolume3\a\u.dll", None, false),
            ("x.dll", Some(r"\\srv\share\d"), r"\\srv\share\d\x.dll", Some(Remote::Unc), false),
        ] {
            assert_eq!(first(argument, directory), (Some(wanted.to_owned()), remote, incomplete), "{argument}");
        }
        assert_eq!(first("", here), (None, None, false));
    }

    #[test]
    fn search_order() {
        let found = resolve(Tool::Regasm, "x.dll", &asker(Some(r"C:\w"), Some(IMAGE)), &Machine::default());
        assert_eq!(
            found.candidates,
            [
                r"C:\w\x.dll",
                r"C:\Windows\Microsoft.NET\Framework\v4.0.30319\x.dll",
                r"C:\Windows\SysWOW64\x.dll",
                r"C:\Windows\System32\x.dll",
                r"C:\Windows\System\x.dll",
                r"C:\Windows\x.dll"
            ]
        );
        let image = r"C:\Windows\Microsoft.NET\Framework64\v4.0.30319\RegSvcs.exe";
        let after_system = Machine { cwd_after_system: true, ..Machine::default() };
        let found = resolve(Tool::Regsvcs, "x.dll", &asker(Some(r"C:\w"), Some(image)), &after_system);
        assert_eq!(
            found.candidates,
            [
                r"C:\Windows\Microsoft.NET\Framework64\v4.0.30319\x.dll",
                r"C:\Windows\System32\x.dll",
                r"C:\Windows\System\x.dll",
                r"C:\w\x.dll",
                r"C:\Windows\x.dll"
            ]
        );
        let found = resolve(Tool::Regasm, "x.dll", &Asker::default(), &Machine::default());
        assert!(found.incomplete);
        assert_eq!(found.candidates[..2], [r"C:\Windows\SysWOW64\x.dll", r"C:\Windows\System32\x.dll"]);
    }

    #[test]
    fn display_names() {
        assert!(is_display_name("T1121, Version=0.0.0.0, Culture=neutral, PublicKeyToken=cb1364609f40a1dc"));
        assert!(is_display_name("Foo,Version=1.0.0.0"));
        assert!(!is_display_name("T1121.dll"));
        assert!(!is_display_name(r"C:\a, b\x.dll"));
        assert!(!is_display_name("a,b.dll"));
        let found = resolve(Tool::Regsvcs, "Foo, Version=1.0.0.0", &Asker::default(), &Machine::default());
        assert!(found.display_name && found.candidates.is_empty());
    }

    #[test]
    fn streams_are_said() {
        let found = resolve(Tool::Regasm, r"a.txt:hidden", &asker(Some(r"C:\w"), None), &Machine::default());
        assert_eq!(found.stream.as_deref(), Some("hidden"));
        assert_eq!(found.candidates[0], r"C:\w\a.txt:hidden");
    }
}
