//! Which file of this machine a path means: what the File System Redirector makes of it for a 32-bit process, and which
//! folder a share of the machine itself is.
//!
//! Reference: Microsoft, *File System Redirector*, <https://learn.microsoft.com/windows/win32/winprog64/file-system-redirector>;
//! *[MS-DTYP]: UNC*; *IPv6 literal host names* (`ipv6-literal.net`).

use crate::paths;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What is known of a machine that decides which file a path means there. What is not known is absent or empty.
#[derive(Clone, Debug, Default)]
pub struct Machine {
    /// Whether Windows is a 64-bit one.
    pub is_64_bit: Option<bool>,
    /// Build number of Windows.
    pub build: Option<u32>,
    /// Its names, the present and earlier ones, without a domain.
    pub names: Vec<String>,
    /// Its domain.
    pub domain: Option<String>,
    /// Its network addresses.
    pub addresses: Vec<IpAddr>,
    /// Its own shares with their folders, as far as they were read.
    pub shares: Vec<(String, String)>,
    /// The setting SafeProcessSearchMode: the system directories are searched before the current one.
    pub cwd_after_system: bool,
}

/// The process that asks for a file.
#[derive(Clone, Copy, Debug, Default)]
pub struct Asker<'a> {
    /// Its current directory.
    pub current_directory: Option<&'a str>,
    /// Path of its image.
    pub image: Option<&'a str>,
    /// Whether it is a 32-bit process, where something other than its path tells.
    pub is_32_bit: Option<bool>,
    /// The name of the computer on which it ran, as its record has it.
    pub computer: Option<&'a str>,
}

/// Another file than its text says that a path means, or may mean.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// The path as asked for.
    pub from: String,
    /// The path of the file.
    pub path: String,
    /// False where it may be either of the two.
    pub is_sure: bool,
    /// Why, to be added to a sentence.
    pub words: String,
}

/// Folders of System32 that 32-bit processes see as they are.
const EXEMPT: [&str; 6] = ["catroot", "catroot2", "driverstore", r"drivers\etc", "logfiles", "spool"];
/// First build of Windows that exempts `driverstore`: that of Windows 7.
const EXEMPTS_DRIVERSTORE: u32 = 7600;
/// The share that is the folder of Windows.
const ADMIN: &str = "ADMIN$";
/// The end of a host name that spells an IPv6 address.
const IPV6_LITERAL: &str = ".ipv6-literal.net";
/// Characters of a NetBIOS name.
const NETBIOS: usize = 15;

impl Asker<'_> {
    /// Whether it is a 32-bit process, by its path first: the frameworks of either kind lie apart.
    pub(crate) fn is_32_bit(&self) -> Option<bool> {
        let by_path = self.image.and_then(|image| {
            let image = paths::fold(&paths::canonical(image));
            let after = &image[image.find(evidence::technique::FRAMEWORK)? + evidence::technique::FRAMEWORK.len()..];
            Some(after.starts_with('\\'))
        });
        by_path.or(self.is_32_bit)
    }

    /// The folder of Windows, where its path tells; only a framework lies at a known place below it.
    pub(crate) fn windows(&self) -> String {
        let own = self.image.and_then(paths::directory).map(paths::canonical);
        own.and_then(|directory| {
            let at = directory.to_ascii_uppercase().find(evidence::technique::FRAMEWORK)?;
            // Only a drive path tells the Windows directory; a device path keeps its own volume.
            Some(directory[..at].to_owned())
        })
        .unwrap_or_else(|| r"C:\Windows".to_owned())
    }
}

/// `tail` behind this first folder, in any case: empty, or with its backslash.
fn behind<'a>(tail: &'a str, folder: &str) -> Option<&'a str> {
    paths::strip_prefix_any_case(tail, folder).filter(|rest| rest.is_empty() || rest.starts_with('\\'))
}

/// What the redirector of a 64-bit Windows makes of a path below the folder of Windows for a 32-bit process, and what for.
fn redirected(tail: &str, build: Option<u32>) -> Option<String> {
    if let Some(rest) = behind(tail, "Sysnative") {
        return Some(format!("System32{rest}"));
    }
    if let Some(rest) = behind(tail, r"lastgood\system32") {
        return Some(format!(r"lastgood\SysWOW64{rest}"));
    }
    if paths::split_stream(tail).0.eq_ignore_ascii_case("regedit.exe") {
        return Some(format!(r"SysWOW64\{tail}"));
    }
    let rest = behind(tail, "System32")?;
    let inside = rest.trim_start_matches('\\');
    let is_exempt = |folder: &str| {
        let is_old = build.is_some_and(|build| build < EXEMPTS_DRIVERSTORE);
        behind(inside, folder).is_some() && !(folder == "driverstore" && is_old)
    };
    (!EXEMPT.iter().any(|folder| is_exempt(folder))).then(|| format!("SysWOW64{rest}"))
}

/// What a process gets for a canonical path that is not the file of its text; `None` where it is.
pub(super) fn view(path: &str, asker: &Asker<'_>, machine: &Machine) -> Option<View> {
    let (head, tail) = paths::below(path, &asker.windows())?;
    let view = |to: &str, is_sure, words| Some(View { from: path.to_owned(), path: to.to_owned(), is_sure, words });
    let is_32_bit = asker.is_32_bit();
    if is_32_bit == Some(false) || machine.is_64_bit == Some(false) {
        behind(tail, "Sysnative")?;
        let because = match is_32_bit {
            Some(false) => "a 64-bit process",
            _ => "a process of a 32-bit Windows",
        };
        return view(path, true, format!("; for {because} there is no folder Sysnative of Windows"));
    }
    let to = format!("{head}\\{}", redirected(tail, machine.build)?);
    let unknown = match (is_32_bit, machine.is_64_bit) {
        (Some(true), Some(true)) => {
            let words = format!(
                "; the tool is a 32-bit program and Windows a 64-bit one, whose File System Redirector makes {to} of {path}"
            );
            return view(&to, true, words);
        }
        (Some(_), _) => "it is not known whether Windows is a 64-bit one",
        (None, Some(_)) => "it is not known whether the tool was a 32-bit process",
        (None, None) => "it is not known whether the tool was a 32-bit process and Windows a 64-bit one",
    };
    let words = format!("; it is {to} if the File System Redirector acted, and else {path}: {unknown}");
    view(&to, false, words)
}

/// What a share is.
pub(super) enum Share {
    /// A folder of this machine: the local path, and how it was found.
    Local(String, String),
    /// One of this machine, of which the folder is not known.
    UnknownFolder(&'static str),
    /// One of another machine.
    Elsewhere,
}

/// What `\\host\share\file` means, a canonical path.
pub(super) fn share(path: &str, asker: &Asker<'_>, machine: &Machine) -> Share {
    let Some((host, rest)) = path.strip_prefix(r"\\").and_then(|path| path.split_once('\\')) else {
        return Share::Elsewhere;
    };
    if !is_own(host, asker, machine) {
        return Share::Elsewhere;
    }
    let (share, file) = rest.split_once('\\').unwrap_or((rest, ""));
    // An address may have been that of another machine at the time of the run.
    let by = match address(host) {
        Some(address) if !address.is_loopback() => ", by the address that its registry has",
        _ => "",
    };
    if let Some((name, folder)) = machine.shares.iter().find(|(name, _)| name.eq_ignore_ascii_case(share)) {
        let how = format!("the share {name} of this machine{by}, which is the folder {folder} now");
        return Share::Local(paths::join(folder, file), how);
    }
    let administrative = format!("an administrative share of this machine{by}");
    match share.as_bytes() {
        [letter, b'$'] if letter.is_ascii_alphabetic() => {
            Share::Local(format!("{}:\\{file}", char::from(letter.to_ascii_uppercase())), administrative)
        }
        _ if share.eq_ignore_ascii_case(ADMIN) => Share::Local(paths::join(&asker.windows(), file), administrative),
        _ => Share::UnknownFolder("a share of this machine; none of that name was read, so its folder is not known"),
    }
}

/// Whether a host in a path is this machine.
fn is_own(host: &str, asker: &Asker<'_>, machine: &Machine) -> bool {
    if host == "." || host.eq_ignore_ascii_case("localhost") {
        return true;
    }
    if let Some(address) = address(host) {
        return address.is_loopback() || machine.addresses.contains(&address);
    }
    let (label, suffix) = host.trim_end_matches('.').split_once('.').unwrap_or((host.trim_end_matches('.'), ""));
    let is_in_domain = match machine.domain.as_deref() {
        Some(domain) if !suffix.is_empty() => suffix.eq_ignore_ascii_case(domain.trim_end_matches('.')),
        _ => true,
    };
    let mut names = machine.names.iter().map(String::as_str).chain(asker.computer);
    is_in_domain && names.any(|name| is_name(label, name.split('.').next().unwrap_or_default()))
}

/// Whether two names are one; the registry and some records keep only the first characters of a long one.
fn is_name(host: &str, name: &str) -> bool {
    let (host, name) = (host.to_lowercase(), name.to_lowercase());
    let cut = |text: &str| text.chars().take(NETBIOS).collect::<String>();
    !name.is_empty() && (host == name || name.chars().count() == NETBIOS && cut(&host) == name)
}

/// The address that a host name spells.
fn address(host: &str) -> Option<IpAddr> {
    if let Ok(address) = host.parse::<Ipv4Addr>() {
        return Some(address.into());
    }
    let text = match paths::strip_suffix_any_case(host, IPV6_LITERAL) {
        // `-` stands for `:`, and the interface follows an `s`.
        Some(literal) => literal.split(['s', 'S']).next().unwrap_or_default().replace('-', ":"),
        None => {
            let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
            host.split('%').next().unwrap_or_default().to_owned()
        }
    };
    let address: Ipv6Addr = text.parse().ok()?;
    Some(address.to_ipv4_mapped().map_or(IpAddr::V6(address), IpAddr::V4))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::{Remote, resolve};
    use evidence::Tool;

    const REGASM: &str = r"C:\Windows\Microsoft.NET\Framework\v4.0.30319\RegAsm.exe";
    const REGASM64: &str = r"C:\Windows\Microsoft.NET\Framework64\v4.0.30319\RegAsm.exe";

    fn machine(is_64_bit: Option<bool>, build: Option<u32>) -> Machine {
        Machine { is_64_bit, build, ..Machine::default() }
    }

    fn candidates(image: &str, argument: &str, machine: &Machine) -> Vec<String> {
        let asker = Asker { image: Some(image), current_directory: Some(r"C:\w"), ..Asker::default() };
        resolve(Tool::Regasm, argument, &asker, machine).candidates
    }

    #[test]
    fn j5_what_a_32_bit_tool_gets_on_a_64_bit_windows() {
        // By the tables of Microsoft's page on the redirector.
        for (argument, wanted) in [
            (r"C:\Windows\System32\x.dll", r"C:\Windows\SysWOW64\x.dll"),
            (r"c:\windows\SYSTEM32\sub\x.dll", r"c:\windows\SysWOW64\sub\x.dll"),
            ("C:/Windows/system32/x.dll", r"C:\Windows\SysWOW64\x.dll"),
            (r"\\?\C:\Windows\System32\x.dll", r"C:\Windows\SysWOW64\x.dll"),
            (r"\\.\C:\Windows\System32\x.dll", r"C:\Windows\SysWOW64\x.dll"),
            (r"C:\Windows\Temp\..\System32\.\x.dll", r"C:\Windows\SysWOW64\x.dll"),
            (r"\Windows\System32\x.dll", r"C:\Windows\SysWOW64\x.dll"),
            (r"..\Windows\System32\x.dll", r"C:\Windows\SysWOW64\x.dll"),
            ("file:///C:/Windows/System32/x.dll", r"C:\Windows\SysWOW64\x.dll"),
            (r"C:\Windows\System32\x.txt:s", r"C:\Windows\SysWOW64\x.txt:s"),
            (r"C:\Windows\Sysnative\x.dll", r"C:\Windows\System32\x.dll"),
            (r"C:\Windows\sysNATIVE\drivers\x.dll", r"C:\Windows\System32\drivers\x.dll"),
            (r"C:\Windows\lastgood\system32\x.dll", r"C:\Windows\lastgood\SysWOW64\x.dll"),
            (r"C:\Windows\regedit.exe", r"C:\Windows\SysWOW64\regedit.exe"),
            // What it leaves alone.
            (r"C:\Windows\System32\catroot\x.dll", r"C:\Windows\System32\catroot\x.dll"),
            (r"C:\Windows\System32\CatRoot2\x.dll", r"C:\Windows\System32\CatRoot2\x.dll"),
            (r"C:\Windows\System32\DriverStore\a\x.dll", r"C:\Windows\System32\DriverStore\a\x.dll"),
            (r"C:\Windows\System32\drivers\etc\x.dll", r"C:\Windows\System32\drivers\etc\x.dll"),
            (r"C:\Windows\System32\LogFiles\x.dll", r"C:\Windows\System32\LogFiles\x.dll"),
            (r"C:\Windows\System32\spool\drivers\color\x.dll", r"C:\Windows\System32\spool\drivers\color\x.dll"),
            (r"C:\Windows\SysWOW64\x.dll", r"C:\Windows\SysWOW64\x.dll"),
            (r"C:\Windows\System32x\x.dll", r"C:\Windows\System32x\x.dll"),
            (r"C:\Windows\x\System32\x.dll", r"C:\Windows\x\System32\x.dll"),
            (r"D:\Windows\System32\x.dll", r"D:\Windows\System32\x.dll"),
            (r"C:\System32\x.dll", r"C:\System32\x.dll"),
            // Not quite what it leaves alone.
            (r"C:\Windows\System32\drivers\x.dll", r"C:\Windows\SysWOW64\drivers\x.dll"),
            (r"C:\Windows\System32\spooler\x.dll", r"C:\Windows\SysWOW64\spooler\x.dll"),
            (r"C:\Windows\System32\drivers\etcetera\x.dll", r"C:\Windows\SysWOW64\drivers\etcetera\x.dll"),
            (r"C:\Windows\System32\catroot3\x.dll", r"C:\Windows\SysWOW64\catroot3\x.dll"),
            (r"C:\Windows\System32\spool\..\x.dll", r"C:\Windows\SysWOW64\x.dll"),
        ] {
            assert_eq!(candidates(REGASM, argument, &machine(Some(true), Some(19045)))[0], wanted, "{argument}");
        }
        // `driverstore` is exempt from Windows 7 on.
        let in_store = r"C:\Windows\System32\DriverStore\x.dll";
        let of_vista = candidates(REGASM, in_store, &machine(Some(true), Some(6002)));
        assert_eq!(of_vista, [r"C:\Windows\SysWOW64\DriverStore\x.dll"]);
        // Another folder of Windows.
        let winnt = r"D:\WINNT\Microsoft.NET\Framework\v2.0.50727\RegAsm.exe";
        let found = candidates(winnt, r"D:\WINNT\System32\x.dll", &machine(Some(true), None));
        assert_eq!(found, [r"D:\WINNT\SysWOW64\x.dll"]);
    }

    #[test]
    fn j5_who_is_redirected() {
        let (system, native) = (r"C:\Windows\System32\x.dll", r"C:\Windows\Sysnative\x.dll");
        let wow = r"C:\Windows\SysWOW64\x.dll";
        let renamed = r"C:\Temp\a.exe";
        for (image, is_64_bit, argument, wanted) in [
            (REGASM, Some(true), system, &[wow][..]),
            (REGASM, Some(false), system, &[system]),
            (REGASM, None, system, &[wow, system]),
            (REGASM64, Some(true), system, &[system]),
            (REGASM64, None, system, &[system]),
            (renamed, Some(true), system, &[wow, system]),
            (renamed, None, system, &[wow, system]),
            (renamed, Some(false), system, &[system]),
            (REGASM, Some(true), native, &[system]),
            (REGASM, Some(false), native, &[native]),
            (REGASM, None, native, &[system, native]),
            (REGASM64, Some(true), native, &[native]),
            (r"c:/windows/microsoft.net/framework/v4.0.30319/regasm.exe", Some(true), system, &[wow]),
        ] {
            let found = candidates(image, argument, &machine(is_64_bit, None));
            assert_eq!(found, wanted, "{image} {is_64_bit:?} {argument}");
        }
        // What else tells of the kind of a process decides where its place does not.
        let asker = Asker { image: Some(renamed), is_32_bit: Some(true), ..Asker::default() };
        assert_eq!(resolve(Tool::Regasm, system, &asker, &machine(Some(true), None)).candidates, [wow]);
    }

    #[test]
    fn j5_the_current_directory_and_the_search() {
        let asker = Asker { image: Some(REGASM), current_directory: Some(r"C:\Windows\System32\"), ..Asker::default() };
        let found = resolve(Tool::Regasm, "x.dll", &asker, &machine(Some(true), None));
        assert_eq!(
            found.candidates,
            [
                r"C:\Windows\SysWOW64\x.dll",
                r"C:\Windows\Microsoft.NET\Framework\v4.0.30319\x.dll",
                r"C:\Windows\System\x.dll",
                r"C:\Windows\x.dll"
            ]
        );
    }

    #[test]
    fn j5_the_words_say_what_was_redirected_and_why() {
        let words = |image, argument: &str, is_64_bit| {
            let asker = Asker { image: Some(image), ..Asker::default() };
            let found = resolve(Tool::Regasm, argument, &asker, &machine(is_64_bit, None));
            found.views.into_iter().map(|view| view.words).collect::<String>()
        };
        assert_eq!(
            words(REGASM, r"C:\Windows\System32\x.dll", Some(true)),
            r"; the tool is a 32-bit program and Windows a 64-bit one, whose File System Redirector makes C:\Windows\SysWOW64\x.dll of C:\Windows\System32\x.dll"
        );
        assert_eq!(
            words(REGASM, r"C:\Windows\System32\x.dll", None),
            r"; it is C:\Windows\SysWOW64\x.dll if the File System Redirector acted, and else C:\Windows\System32\x.dll: it is not known whether Windows is a 64-bit one"
        );
        assert_eq!(
            words(REGASM64, r"C:\Windows\Sysnative\x.dll", Some(true)),
            "; for a 64-bit process there is no folder Sysnative of Windows"
        );
        assert_eq!(words(REGASM, r"C:\Windows\System32\spool\x.dll", Some(true)), "");
    }

    fn this() -> Machine {
        Machine {
            is_64_bit: Some(true),
            names: vec!["ws-fin-07".to_owned(), "old-pc".to_owned(), "accounting-fron".to_owned()],
            domain: Some("corp.example".to_owned()),
            addresses: vec![Ipv4Addr::new(10, 20, 5, 7).into()],
            shares: vec![("Tools".to_owned(), r"D:\Shared Tools".to_owned())],
            ..Machine::default()
        }
    }

    #[test]
    fn j9_shares_of_this_machine() {
        for (argument, wanted) in [
            (r"\\WS-FIN-07\C$\a\x.dll", r"C:\a\x.dll"),
            (r"\\ws-fin-07.CORP.example\d$\x.dll", r"D:\x.dll"),
            (r"//ws-fin-07/C$/a/x.dll", r"C:\a\x.dll"),
            (r"\\?\UNC\WS-FIN-07\C$\a\x.dll", r"C:\a\x.dll"),
            ("file://ws-fin-07/C$/a/x.dll", r"C:\a\x.dll"),
            (r"\\OLD-PC\ADMIN$\Temp\x.dll", r"C:\Windows\Temp\x.dll"),
            (r"\\accounting-front-7\C$\x.dll", r"C:\x.dll"),
            (r"\\127.0.0.1\ADMIN$\Temp\x.dll", r"C:\Windows\Temp\x.dll"),
            (r"\\127.9.9.9\c$\x.dll", r"C:\x.dll"),
            (r"\\localhost\admin$\x.dll", r"C:\Windows\x.dll"),
            (r"\\::1\C$\x.dll", r"C:\x.dll"),
            (r"\\[::1]\C$\x.dll", r"C:\x.dll"),
            (r"\\--1.ipv6-literal.net\C$\x.dll", r"C:\x.dll"),
            (r"\\0-0-0-0-0-0-0-1.IPv6-literal.net\C$\x.dll", r"C:\x.dll"),
            (r"\\10.20.5.7\C$\x.dll", r"C:\x.dll"),
            (r"\\WS-FIN-07\tools\sub\x.dll", r"D:\Shared Tools\sub\x.dll"),
            // The redirector does not act on what is opened over a share.
            (r"\\localhost\ADMIN$\System32\x.dll", r"C:\Windows\System32\x.dll"),
        ] {
            let asker = Asker { image: Some(REGASM), ..Asker::default() };
            let found = resolve(Tool::Regasm, argument, &asker, &this());
            assert_eq!((found.candidates, found.remote), (vec![wanted.to_owned()], None), "{argument}");
        }
    }

    #[test]
    fn j9_shares_of_another_machine() {
        for argument in [
            r"\\WS-FIN-08\C$\x.dll",
            r"\\WS-FIN-07.other.example\C$\x.dll",
            r"\\WS-FIN\C$\x.dll",
            r"\\10.20.5.77\C$\x.dll",
            r"\\128.0.0.1\C$\x.dll",
            r"\\fe80--1s4.ipv6-literal.net\C$\x.dll",
            r"\\corp.example\C$\x.dll",
        ] {
            let found = resolve(Tool::Regasm, argument, &Asker::default(), &this());
            assert_eq!((found.candidates, found.remote), (vec![argument.to_owned()], Some(Remote::Unc)), "{argument}");
        }
        for argument in [r"\\localhost\DavWWWRoot\x.dll", r"\\ws-fin-07@8080\p\x.dll"] {
            let found = resolve(Tool::Regasm, argument, &Asker::default(), &this());
            assert_eq!(found.remote, Some(Remote::WebDav), "{argument}");
        }
    }

    #[test]
    fn j9_a_share_whose_folder_is_not_known() {
        for argument in [r"\\WS-FIN-07\Drop\x.dll", r"\\127.0.0.1\Drop\x.dll"] {
            let found = resolve(Tool::Regasm, argument, &Asker::default(), &this());
            assert!(found.candidates.is_empty() && found.incomplete && found.remote.is_none(), "{argument}");
            assert_eq!(found.rule, "a share of this machine; none of that name was read, so its folder is not known");
        }
    }

    #[test]
    fn j9_the_computer_of_the_record_and_the_current_directory() {
        let asker = Asker {
            image: Some(REGASM),
            current_directory: Some(r"\\PC-9\C$\Windows\System32"),
            computer: Some("PC-9"),
            ..Asker::default()
        };
        let found = resolve(Tool::Regasm, "x.dll", &asker, &machine(Some(true), None));
        assert_eq!((found.candidates[0].as_str(), found.remote), (r"C:\Windows\System32\x.dll", None));
        let other = Asker { computer: Some("PC-8"), ..asker };
        let found = resolve(Tool::Regasm, "x.dll", &other, &machine(Some(true), None));
        assert_eq!(found.remote, Some(Remote::Unc));
    }
}
