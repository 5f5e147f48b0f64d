//! The hives of the registry: where each lies, and which one a file is.

/// A registry hive, which implies its transaction logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Hive {
    /// HKLM\SOFTWARE.
    Software,
    /// HKLM\SYSTEM.
    System,
    /// HKLM\SAM.
    Sam,
    /// HKLM\SECURITY.
    Security,
    /// Every user's NTUSER.DAT.
    NtUser,
    /// Every user's UsrClass.dat.
    UsrClass,
}

impl Hive {
    /// Where the hive file lies.
    pub fn globs(self) -> &'static [&'static str] {
        match self {
            Hive::Software => &[r"%SystemRoot%\System32\config\SOFTWARE"],
            Hive::System => &[r"%SystemRoot%\System32\config\SYSTEM"],
            Hive::Sam => &[r"%SystemRoot%\System32\config\SAM"],
            Hive::Security => &[r"%SystemRoot%\System32\config\SECURITY"],
            Hive::NtUser => &[r"%UserProfile%\NTUSER.DAT"],
            Hive::UsrClass => &[r"%UserProfile%\AppData\Local\Microsoft\Windows\UsrClass.dat"],
        }
    }

    /// The folder of the profile in which a user's hive of this path lies, in any case; `None` for other files.
    pub fn profile_of(path: &str) -> Option<&str> {
        let globs = [Hive::NtUser, Hive::UsrClass].into_iter().flat_map(Hive::globs);
        let mut folders = globs.filter_map(|glob| {
            let end = glob.strip_prefix("%UserProfile%")?;
            let (folder, its_end) = path.split_at_checked(path.len().checked_sub(end.len())?)?;
            its_end.eq_ignore_ascii_case(end).then_some(folder)
        });
        folders.next()
    }

    /// What stands behind the name of a hive file in those of its transaction logs.
    pub const LOGS: [&str; 3] = [".LOG", ".LOG1", ".LOG2"];

    /// Whether a path is that of a transaction log, in any case.
    pub fn is_log(path: &str) -> bool {
        let upper = path.to_uppercase();
        Hive::LOGS.iter().any(|ending| upper.ends_with(ending))
    }

    /// Which hive this is: by the file name in its base block, else by its own name.
    pub fn of(head: &[u8], name: &str) -> Option<Hive> {
        // The field holds the end of the path under which the hive was loaded: at most 32 UTF-16 units.
        let units = head.get(48..112).unwrap_or_default().chunks_exact(2);
        let units = units.map(|unit| u16::from_le_bytes([unit[0], unit[1]])).take_while(|unit| *unit != 0);
        let stored = String::from_utf16_lossy(&units.collect::<Vec<_>>());
        [stored.as_str(), name].iter().find_map(|path| {
            let name = path.rsplit('\\').next().unwrap_or_default().to_uppercase();
            Some(match name.as_str() {
                "SOFTWARE" => Hive::Software,
                "SYSTEM" => Hive::System,
                "SAM" => Hive::Sam,
                "SECURITY" => Hive::Security,
                "NTUSER.DAT" => Hive::NtUser,
                "USRCLASS.DAT" => Hive::UsrClass,
                _ => return None,
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hive_of_a_user_tells_whose_profile_it_lies_in() {
        for (path, folder) in [
            (r"C:\Users\jdoe\NTUSER.DAT", Some(r"C:\Users\jdoe")),
            (r"C:\Users\jdoe\ntuser.dat", Some(r"C:\Users\jdoe")),
            (r"C:\Users\jdoe\AppData\Local\Microsoft\Windows\UsrClass.dat", Some(r"C:\Users\jdoe")),
            (r"C:\Users\jdoe\UsrClass.dat", None),
            (r"C:\Windows\System32\config\SOFTWARE", None),
            ("NTUSER.DAT", None),
            ("\u{e4}TUSER.DAT", None),
        ] {
            assert_eq!(Hive::profile_of(path), folder, "{path}");
        }
    }
}
