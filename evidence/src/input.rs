//! What a parser gets.

use crate::bytes::Bytes;
use crate::hive::Hive;
use crate::item::FileTimes;
use std::collections::BTreeSet;

/// Which files a focused artifact should describe: names in upper case, matched against the last component
/// of a path, and folders (upper case, without drive, `\USERS\PUBLIC`) whose direct children count as well.
#[derive(Clone, Debug, Default)]
pub struct Focus {
    /// Describe everything, whatever the other members say.
    pub everything: bool,
    /// File names, upper case.
    pub names: BTreeSet<String>,
    /// Folders, upper case, leading backslash, no trailing one.
    pub folders: BTreeSet<String>,
}

impl Focus {
    /// Whether a file with this full path (leading backslash, no drive) is wanted.
    pub fn wants(&self, path: &str) -> bool {
        if self.everything {
            return true;
        }
        let name = path.rsplit('\\').next().unwrap_or(path);
        if self.names.contains(&name.to_uppercase()) {
            return true;
        }
        if self.folders.is_empty() {
            return false;
        }
        let upper = path.to_uppercase();
        let folder = upper.rsplit_once('\\').map_or("", |(folder, _)| folder);
        self.folders.contains(folder) || self.folders.contains(&upper)
    }
}

/// What a parser gets. It sees bytes, never a path of the analysis machine.
#[derive(Clone)]
pub struct Input<'a> {
    /// Path on the host, verbatim, for artifacts whose place is part of their meaning.
    pub original_path: &'a str,
    /// The bytes.
    pub bytes: &'a dyn Bytes,
    /// The file's own times, for artifacts that are told by them; absent where the file is only a copy.
    pub times: FileTimes,
    /// Objects that are read with it, by original path, as [`crate::Artifact::beside`] says.
    pub companions: Vec<(&'a str, &'a dyn Bytes)>,
    /// Which files an artifact of [`crate::Phase::Focused`] should describe.
    pub focus: &'a Focus,
}

impl<'a> Input<'a> {
    /// Bytes with this path on the host, of which nothing else is known.
    pub fn new(original_path: &'a str, bytes: &'a dyn Bytes) -> Self {
        static NOTHING: Focus = Focus { everything: false, names: BTreeSet::new(), folders: BTreeSet::new() };
        Input { original_path, bytes, times: FileTimes::default(), companions: Vec::new(), focus: &NOTHING }
    }

    /// The companion whose original path ends so, in any case.
    pub fn companion(&self, suffix: &str) -> Option<&'a dyn Bytes> {
        let suffix = suffix.to_uppercase();
        self.companions.iter().find(|(path, _)| path.to_uppercase().ends_with(&suffix)).map(|(_, bytes)| *bytes)
    }

    /// The companions that are transaction logs.
    pub fn hive_logs(&self) -> Vec<&'a dyn Bytes> {
        self.companions.iter().filter(|(path, _)| Hive::is_log(path)).map(|(_, bytes)| *bytes).collect()
    }
}
