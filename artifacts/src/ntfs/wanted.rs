//! Which files of a volume the focus means, decided before their paths are built.

use std::collections::{HashMap, HashSet};

use evidence::Focus;
use foldhash::fast::RandomState;
use ntfs_layout::{FileReference, Name, Paths};

/// Decides by name and by folder, before any path is built.
pub(crate) struct Wanted<'a> {
    focus: &'a Focus,
    /// Last components of the wanted folders, because a folder itself is wanted too.
    folder_names: HashSet<&'a str>,
    /// Folders above the wanted ones that are wanted themselves.
    above: HashSet<&'a str>,
    /// Folders asked so far, with the answer.
    folders: HashMap<FileReference, bool, RandomState>,
    upper: String,
}

/// Most answers kept about folders.
const MAX_FOLDERS: usize = 1 << 18;

impl<'a> Wanted<'a> {
    pub(crate) fn new(focus: &'a Focus) -> Self {
        let folder_names = focus.folders.iter().filter_map(|folder| folder.rsplit('\\').next()).collect();
        Wanted { focus, folder_names, above: HashSet::new(), folders: HashMap::default(), upper: String::new() }
    }

    /// The same with the folders above the wanted ones: what becomes of them becomes of the paths through them.
    pub(crate) fn with_folders_above(focus: &'a Focus) -> Self {
        let mut wanted = Wanted::new(focus);
        for folder in &focus.folders {
            let mut path = folder.as_str();
            while let Some((above, _)) = path.rsplit_once('\\').filter(|(above, _)| !above.is_empty()) {
                wanted.folder_names.extend(above.rsplit('\\').next());
                wanted.above.insert(above);
                path = above;
            }
        }
        wanted
    }

    /// Whether the focus names a file with this name in this folder, or the folder of this name.
    pub(crate) fn wants(&mut self, parent: FileReference, name: Name<'_>, paths: &mut Paths<'_>) -> bool {
        upper_case(name, &mut self.upper);
        if self.focus.names.contains(&self.upper) {
            return true;
        }
        if self.focus.folders.is_empty() {
            return false;
        }
        if self.folder_names.contains(self.upper.as_str()) {
            let path = paths.path(parent, name).0;
            if self.focus.wants(&path) || self.above.contains(path.to_uppercase().as_str()) {
                return true;
            }
        }
        if self.folders.len() >= MAX_FOLDERS {
            self.folders.clear();
        }
        let focus = self.focus;
        *self.folders.entry(parent).or_insert_with(|| focus.folders.contains(&paths.folder(parent).path.to_uppercase()))
    }
}

/// The name in upper case, as `str::to_uppercase` would have it.
fn upper_case(name: Name<'_>, upper: &mut String) {
    upper.clear();
    name.push_to(upper);
    // Nearly every name is ASCII, and this runs for every file and change of a volume.
    if upper.is_ascii() {
        upper.make_ascii_uppercase();
    } else {
        *upper = upper.to_uppercase();
    }
}
