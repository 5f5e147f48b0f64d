//! Paths through symbolic links, as far as these lead to folders of the same volume.

use super::super::links;
use super::listing::plain;
use super::{Child, Entry, FileTree, Folders, Shared, of_folder, read_problem};
use crate::source::tree::layout::drive_letter;
use crate::source::{Content, Found};
use evidence::{Problem, ProblemKind, Stage, name};
use std::collections::HashMap;

/// Links that lead nowhere that are named.
const MAX_LINKS_SAID: usize = 100;

/// Bytes of a path that is long, and of all long paths that are kept.
const LONG_PATH: usize = 512;
const MAX_LONG_PATHS: usize = 4 << 20;

/// Where folders with long paths are, and how these are spelled: to walk down thousands of folders takes its time.
#[derive(Default)]
pub(super) struct LongPaths {
    folders: HashMap<String, Vec<(usize, String)>>,
    pub(super) spelled: HashMap<String, String>,
    /// Bytes of the paths.
    bytes: usize,
}

impl LongPaths {
    /// Whether this path is long enough; makes room for it.
    pub(super) fn takes(&mut self, path: &str) -> bool {
        if path.len() < LONG_PATH {
            return false;
        }
        if self.bytes > MAX_LONG_PATHS {
            *self = LongPaths::default();
        }
        self.bytes += 2 * path.len();
        true
    }
}

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
    /// Every folder of the store that is this folder of the volume, behind the links on its path.
    pub(super) fn folders(&self, path: &str) -> Result<Folders, Problem> {
        if let Some(folders) = self.long.lock().folders.get(path) {
            return Ok(Folders::Here(folders.clone()));
        }
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
                    let mut long = self.long.lock();
                    if let Folders::Here(folders) = &folders
                        && long.takes(path)
                    {
                        long.folders.insert(path.to_owned(), folders.clone());
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
            let at = || links::path_of(&components[..depth]);
            let (mut next, mut link) = (Vec::new(), None);
            for (root, folder) in &current {
                let listing = self.listing(*root, folder).map_err(|problem| of_folder(problem, &at()))?;
                let mut named = self.named(folder, &listing, component)?;
                if !self.joins && named.iter().any(|entry| entry.child.name == *component) {
                    named.retain(|entry| entry.child.name == *component);
                }
                for entry in named {
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
                let (path, rest) = (format!("{}\\{component}", at()), components[depth + 1..].to_vec());
                return Ok(Walked::Link(Led { path, text, target, rest }));
            }
            current = next;
        }
        Ok(Walked::There(Folders::Here(current)))
    }

    /// Whether nothing of the volume has this path.
    fn is_nowhere(&self, path: &str) -> Result<bool, Problem> {
        let (folder, name) = path.rsplit_once('\\').unwrap_or(("", path));
        match self.folders(folder) {
            Ok(folders) if folders.is_empty() => Ok(true),
            Ok(_) => Ok(self.of_name(folder, name)?.is_empty()),
            // Behind further links; following them says what is wrong.
            Err(_) => Ok(false),
        }
    }

    /// The file outside of the volume, but in the source, that the link of this name in a folder leads to. That place is
    /// searched by names from the root of the source, so that no link leads out of it.
    fn in_source(&self, folder: &str, name: &str) -> Result<Option<Entry>, Problem> {
        let links = self.of_name(folder, name)?;
        let Some((root, link)) = links.into_iter().find(|(_, entry)| entry.child.is_link) else { return Ok(None) };
        let Some(path) = self.path_in_source(root, folder, &link.child) else { return Ok(None) };
        let Some((last, folders)) = path.split_last() else { return Ok(None) };
        let named = |folder: &str, name: &str, is_folder: bool| {
            let mut named = self.store.named(folder, name).unwrap_or_default();
            named.retain(|child| child.is_folder == is_folder && !child.is_link);
            let exact = named.iter().position(|child| child.name == name).unwrap_or(0);
            named.into_iter().nth(exact)
        };
        let mut key = String::new();
        for folder in folders {
            let Some(child) = named(&key, folder, true) else { return Ok(None) };
            key = child.key;
        }
        Ok(named(&key, last, false).map(plain))
    }

    /// Where the first link on a path leads, if that is on another drive of the same collection: `D:\Logs`.
    pub(super) fn on_other_drive(&self, components: &[String]) -> Option<String> {
        for depth in 0..components.len() {
            let folder = links::path_of(&components[..depth]);
            let named = self.of_name(&folder, &components[depth]).ok()?;
            if named.iter().any(|(_, entry)| entry.child.is_folder) {
                continue;
            }
            let (root, link) = named.into_iter().find(|(_, entry)| entry.child.is_link)?;
            let own = self.place(root);
            let path = self.path_in_source(root, &folder, &link.child)?;
            let (drive, above) = own.split_last()?;
            let (other, inside) = path.strip_prefix(above)?.split_first()?;
            let (letter, _) = drive_letter(other).filter(|_| other != drive)?;
            return Some(format!("{letter}:{}", links::path_of(&[inside, &components[depth + 1..]].concat())));
        }
        None
    }

    /// The folders of the source that a root lies in, with its own.
    fn place(&self, root: usize) -> Vec<String> {
        self.roots[root].place.split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect()
    }

    /// Where a link leads as a path from the root of the source; `None` if that is not in it.
    fn path_in_source(&self, root: usize, folder: &str, link: &Child) -> Option<Vec<String>> {
        let text = self.store.link(&link.key)?;
        let own = self.place(root);
        let here = self.store.local_path("").and_then(|path| std::path::absolute(path).ok());
        let here = here.map(|path| super::super::kept(path.as_os_str()));
        let drive = |letter: char| {
            let (_, above) = own.split_last()?;
            let mut key = String::new();
            for part in above {
                key = self.store.named(&key, part).ok()?.into_iter().find(|child| child.is_folder)?.key;
            }
            let mut found = None;
            let is_drive = |child: &Child| {
                child.is_folder && drive_letter(&child.name).is_some_and(|(own, _)| own.eq_ignore_ascii_case(&letter))
            };
            let listed = self.store.each(&key, &mut |child| {
                if found.is_none() && is_drive(&child) {
                    found = Some(child.name);
                }
                Ok(())
            });
            listed.ok()?;
            Some([above, &[found?]].concat())
        };
        links::in_source(&[own.clone(), links::components(folder)].concat(), &text, here.as_deref(), &drive)
    }

    /// The path of a folder as its one root spells it, found from its top down once; `None` where more is to be looked at: a
    /// link on the path, several roots, several folders that are one to the volume, or no such folder.
    pub(super) fn spelled(&self, folder: &str) -> Result<Option<String>, Problem> {
        let ([root], []) = (&self.roots[..], &self.above[..]) else { return Ok(None) };
        let (mut spelled, mut key) = (String::new(), root.key.clone());
        for component in folder.split('\\').filter(|component| !component.is_empty()) {
            let listing = self.listing(0, &key)?;
            let named = self.named(&key, &listing, component)?;
            if self.joins && named.iter().filter(|entry| entry.child.is_folder).count() > 1 {
                return Ok(None);
            }
            let entry = named.into_iter().next();
            let Some(entry) = entry.filter(|entry| entry.child.is_folder && !entry.child.is_link) else {
                return Ok(None);
            };
            spelled.push('\\');
            spelled.push_str(&entry.child.name);
            key = entry.child.key;
        }
        Ok(Some(spelled))
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
    /// A link as the path through it has it: the folder or the file that it leads to.
    pub(super) fn behind(&self, mut found: Found) -> Result<Found, Problem> {
        match self.shared.folders(&found.path) {
            Ok(folders) if !folders.is_empty() => found.is_folder = true,
            Ok(_) => {}
            Err(problem) => match self.file_behind(&found.path)? {
                Some(file) => found.size = file.size(),
                None => return Err(problem),
            },
        }
        Ok(found)
    }

    /// The file that the links on a path lead to, in the volume or else in the source. `None` where no file is there.
    fn file_behind(&self, path: &str) -> Result<Option<Entry>, Problem> {
        let mut current = path.to_owned();
        for _ in 0..=links::MOST_LINKS {
            let (folder, name) = current.rsplit_once('\\').unwrap_or(("", &current));
            let walked = self.shared.walk(&links::components(&current));
            let led = match walked {
                Ok(Walked::There(folders)) if !folders.is_empty() => return Ok(None),
                Ok(Walked::There(_)) => {
                    let file = self.find(&current)?.map(|(_, entry)| entry);
                    return Ok(file.filter(|entry| !entry.child.is_link && !entry.child.is_folder));
                }
                Ok(Walked::Link(led)) => links::path_of(&[led.target, led.rest].concat()),
                Err(problem) => return self.shared.in_source(folder, name)?.map(Some).ok_or(problem),
            };
            if led.is_empty() || self.shared.is_nowhere(&led)? {
                return self.shared.in_source(folder, name);
            }
            current = led;
        }
        Err(links::problem(path, None, "it leads through links in a circle"))
    }

    /// The bytes of the file that a link leads to.
    pub(super) fn content_behind(&self, path: &str, link: &Entry) -> Result<Box<dyn Content>, Problem> {
        if let Some(what) = self.shared.store.what(&link.child.key).filter(|what| *what != "a link") {
            let effect = "nothing of it is collected";
            let what = format!("it is {what}, which is not opened");
            return Err(Problem::new(Stage::Acquire, ProblemKind::AccessDenied, name::shown(path), what, effect));
        }
        match self.file_behind(path) {
            Ok(Some(file)) => self.shared.content(&file).map_err(|error| read_problem(Stage::Acquire, path, &error)),
            Ok(None) => {
                let target = self.shared.store.link(&link.child.key);
                let why = "no file of the source is there";
                Err(Problem { stage: Stage::Acquire, ..links::problem(path, target.as_deref(), why) })
            }
            Err(problem) => Err(Problem { stage: Stage::Acquire, ..problem }),
        }
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
                } else if name::same(&led.path, &found.path) {
                    return behind;
                }
                links::problem(&found.path, Some(&led.text), "it lies behind another link, and is not followed further")
            }
            (Ok(behind), _) => return behind,
            (Err(problem), _) => problem,
        };
        let mut problems = self.shared.problems.lock();
        let mut said = self.shared.said.lock();
        if said.len() < MAX_LINKS_SAID && said.insert(name::folded(&found.path)) {
            problems.push(problem);
            if said.len() == MAX_LINKS_SAID {
                problems.push(links::problem(&found.path, None, "further links that lead nowhere are not named"));
            }
        }
        found
    }
}
