//! Paths through symbolic links, as far as these lead to folders of the same volume.

use super::super::links;
use super::{Child, Entry, FileTree, Folders, Shared, lock, of_folder};
use crate::source::Found;
use evidence::{Problem, ProblemKind, Stage, name};

/// Links that lead nowhere that are named.
const MAX_LINKS_SAID: usize = 100;

/// A link on a path.
pub(super) struct Led {
    pub(super) path: String,
    /// Where it leads, as stored.
    pub(super) text: String,
    pub(super) target: Vec<String>,
    /// The components of the path behind it.
    pub(super) rest: Vec<String>,
}

/// What a path comes to.
pub(super) enum Walked {
    There(Folders),
    Link(Led),
}

impl Folders {
    pub(super) fn is_empty(&self) -> bool {
        matches!(self, Folders::Here(folders) if folders.is_empty())
    }
}

impl Shared {
    /// The copies without those that have the same path in the same root. If such a one differs, that is said.
    pub(super) fn first_of_each_root(&self, path: &str, copies: &[(usize, Entry)]) -> Vec<(usize, Entry)> {
        let mut first: Vec<(usize, Entry)> = Vec::new();
        for (root, copy) in copies {
            let Some((_, used)) = first.iter().find(|(of, _)| of == root) else {
                first.push((*root, copy.clone()));
                continue;
            };
            if !self.equal(used, copy).unwrap_or(false) {
                let bytes = |entry: &Entry| format!("{} bytes", entry.size());
                lock(&self.problems).push(Problem::new(
                    Stage::Source,
                    ProblemKind::Inconsistent { a: bytes(used), b: bytes(copy) },
                    name::shown(path),
                    "the source has several copies of it, which differ, under names that differ in upper and lower case only",
                    "only the first is examined under this path; what the other one holds is not known",
                ));
            }
        }
        first
    }

    /// Every folder of the store that is this folder of the volume, behind the links on its path.
    pub(super) fn folders(&self, path: &str) -> Result<Folders, Problem> {
        let mut current = links::components(path);
        let mut followed: Option<Led> = None;
        for _ in 0..=links::MOST_LINKS {
            match self.walk(&current)? {
                Walked::Link(led) => {
                    current = [led.target.as_slice(), &led.rest].concat();
                    followed = Some(led);
                }
                Walked::There(folders) => {
                    // What is missing below a folder is absent; if the folder is missing itself, nothing is known.
                    if let (Some(led), true) = (followed, folders.is_empty())
                        && matches!(self.walk(&led.target)?, Walked::There(target) if target.is_empty())
                    {
                        let why = "no folder of the source is there";
                        return Err(links::problem(&led.path, Some(&led.text), why));
                    }
                    return Ok(folders);
                }
            }
        }
        Err(links::problem(path, None, "it leads through links in a circle"))
    }

    /// The same up to the first link.
    pub(super) fn walk(&self, components: &[String]) -> Result<Walked, Problem> {
        let same = self.above.iter().zip(components).take_while(|(above, name)| above.eq_ignore_ascii_case(name));
        let same = same.count();
        if same < self.above.len() {
            let folders = if same == components.len() { Folders::Above(same) } else { Folders::Here(Vec::new()) };
            return Ok(Walked::There(folders));
        }
        let mut current: Vec<(usize, String)> =
            self.roots.iter().enumerate().map(|(index, root)| (index, root.key.clone())).collect();
        for (depth, component) in components.iter().enumerate().skip(same) {
            let at = links::path_of(&components[..depth]);
            let (mut next, mut link) = (Vec::new(), None);
            for (root, folder) in &current {
                let listing = self.listing(*root, folder).map_err(|problem| of_folder(problem, &at))?;
                for entry in self.named(folder, &listing, component)? {
                    if entry.child.is_link {
                        link.get_or_insert_with(|| (*root, entry.child.clone()));
                    } else if entry.child.is_folder {
                        next.push((*root, entry.child.key.clone()));
                    }
                }
            }
            if next.is_empty()
                && let Some((root, child)) = link
                && let Some((text, target)) = self.led(root, &components[..depth], &child)?
            {
                let (path, rest) = (format!("{at}\\{component}"), components[depth + 1..].to_vec());
                return Ok(Walked::Link(Led { path, text, target, rest }));
            }
            current = next;
        }
        Ok(Walked::There(Folders::Here(current)))
    }

    /// Where a link in this folder leads, as stored and as path of the volume. `None` for what is no link, but no file
    /// either; an error where it leads out of the volume.
    fn led(&self, root: usize, folder: &[String], child: &Child) -> Result<Option<(String, Vec<String>)>, Problem> {
        let path = format!("{}\\{}", links::path_of(folder), child.name);
        let Some(text) = self.store.link(&child.key) else {
            return match self.store.what(&child.key) {
                None | Some("a link") => Err(links::problem(&path, None, "where it leads cannot be read")),
                Some(_) => Ok(None),
            };
        };
        let own = &self.roots[root];
        let here = self.store.local_path(&own.key).and_then(|path| std::path::absolute(path).ok());
        let here = here.map(|path| super::super::kept(path.as_os_str()));
        let letter = links::letter(&own.place);
        match links::target(folder, &text, here.as_deref(), letter) {
            Some(target) => Ok(Some((text, target))),
            None => Err(links::problem(&path, Some(&text), "that is outside of this volume, and it is not followed")),
        }
    }
}

impl FileTree {
    /// A link as the path through it has it: a folder, where it leads to one of the volume.
    pub(super) fn behind(&self, mut found: Found) -> Result<Found, Problem> {
        match self.shared.folders(&found.path) {
            Ok(folders) => found.is_folder = !folders.is_empty(),
            Err(problem) => {
                let file = match self.shared.walk(&links::components(&found.path)) {
                    Ok(Walked::Link(led)) => self.find(&links::path_of(&led.target))?,
                    _ => None,
                };
                if file.is_none_or(|(_, entry)| entry.child.is_link) {
                    return Err(problem);
                }
            }
        }
        Ok(found)
    }

    /// A link as its folder has it. Where it leads to what is seen in or above this folder anyway it stays a mere link, or
    /// files would be found twice, and folders without end. Where it leads nowhere is said.
    pub(super) fn listed_link(&self, found: Found) -> Found {
        let path = links::components(&found.path);
        let folder = path.split_last().map(|(_, folder)| folder).unwrap_or_default();
        let problem = match (self.behind(found.clone()), self.shared.walk(&path)) {
            (Ok(behind), Ok(Walked::Link(led))) if behind.is_folder => {
                if links::is_around(folder, &led.target) {
                    return found;
                } else if led.path.eq_ignore_ascii_case(&found.path) {
                    return behind;
                }
                links::problem(&found.path, Some(&led.text), "it lies behind another link, and is not followed further")
            }
            (Ok(_), _) => return found,
            (Err(problem), _) => problem,
        };
        let mut problems = lock(&self.shared.problems);
        let mut said = lock(&self.shared.said);
        if said.len() < MAX_LINKS_SAID && said.insert(found.path.to_uppercase()) {
            problems.push(problem);
            if said.len() == MAX_LINKS_SAID {
                problems.push(links::problem(&found.path, None, "further links that lead nowhere are not named"));
            }
        }
        found
    }
}
