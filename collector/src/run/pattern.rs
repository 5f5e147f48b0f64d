//! Path patterns of declared locations: `*` and `?` within a component, `**` over components, a stream after `:`.

use crate::source::{Found, Tree};
use evidence::{Problem, ProblemKind, Stage, name};

/// A pattern below some folder of a volume.
pub(crate) struct Pattern<'a> {
    components: Vec<&'a str>,
    stream: Option<&'a str>,
}

/// Folders below each other that `**` follows at most.
const MAX_DEPTH: usize = 64;
/// Names that one pattern looks at at most.
const MAX_NAMES: u64 = 4_000_000;

fn last(path: &str) -> &str {
    path.rsplit('\\').next().unwrap_or_default()
}

fn has_wildcard(component: &str) -> bool {
    component.contains(['*', '?'])
}

impl<'a> Pattern<'a> {
    /// Parses `\a\*\b.dll:stream`.
    pub(crate) fn new(text: &'a str) -> Self {
        let mut components: Vec<&str> = text.split('\\').filter(|component| !component.is_empty()).collect();
        let stream = components.last().and_then(|last| last.split_once(':'));
        let (stream, last) = (stream.map(|(_, stream)| stream), stream.map(|(name, _)| name));
        if let (Some(slot), Some(last)) = (components.last_mut(), last) {
            *slot = last;
        }
        Pattern { components, stream }
    }

    /// Every file or stream that matches below this folder, in any order, as it is found; what several ways lead to comes
    /// several times. What could not be listed comes back as problems.
    pub(crate) fn each(&self, tree: &dyn Tree, base: &str, problems: &mut Vec<Problem>, take: &mut dyn FnMut(Found)) {
        let mut walk = Walk { tree, pattern: self, problems, names: 0, take };
        walk.descend(base.trim_end_matches('\\'), &self.components, 0);
    }
}

/// What lies where a file or folder is looked for and is none.
fn other(path: &str, what: &str) -> Problem {
    let effect = "what should lie here is not examined: it is not in the source, and where it is is not known";
    Problem::new(Stage::Locate, ProblemKind::ReadFailed, path, what, effect)
}

struct Walk<'a, 'b> {
    tree: &'b dyn Tree,
    pattern: &'b Pattern<'a>,
    problems: &'b mut Vec<Problem>,
    names: u64,
    take: &'b mut dyn FnMut(Found),
}

impl Walk<'_, '_> {
    fn lookup(&mut self, path: &str) -> Option<Found> {
        match self.tree.lookup(path) {
            Ok(found) => found,
            Err(problem) => {
                self.problems.push(problem);
                None
            }
        }
    }

    /// Goes through a folder. Its children are never kept, since there can be millions.
    fn each_child(&mut self, folder: &str, take: &mut dyn FnMut(&mut Self, Found)) {
        let Some(folder) = self.lookup(folder) else { return };
        if !folder.is_folder {
            self.problems.push(other(&folder.path, "what lies here is no folder, although one is looked for here"));
            return;
        }
        let listed = self.tree.each(&folder, &mut |child| {
            self.names = self.names.saturating_add(1);
            if self.names == MAX_NAMES + 1 {
                self.problems.push(Problem::new(
                    Stage::Locate,
                    ProblemKind::LimitReached,
                    self.pattern.components.join("\\"),
                    format!("more than {MAX_NAMES} names would have to be looked at"),
                    "files that this pattern stands for may be missing",
                ));
            }
            if self.names <= MAX_NAMES {
                take(self, child);
            }
        });
        self.problems.extend(listed.err());
    }

    /// The same, with the folders in it alone.
    fn each_folder(&mut self, folder: &str, take: &mut dyn FnMut(&mut Self, &str)) {
        self.each_child(folder, &mut |walk, child| {
            if child.is_folder && child.stream.is_none() {
                take(walk, &child.path);
            }
        });
    }

    fn descend(&mut self, folder: &str, rest: &[&str], depth: usize) {
        let [component, further @ ..] = rest else { return };
        if depth > MAX_DEPTH {
            self.problems.push(Problem::new(
                Stage::Locate,
                ProblemKind::LimitReached,
                folder,
                format!("folders are nested more than {MAX_DEPTH} deep"),
                "what lies deeper is not searched",
            ));
            return;
        }
        if *component == "**" {
            self.descend(folder, further, depth + 1);
            self.each_folder(folder, &mut |walk, child| walk.descend(child, rest, depth + 1));
        } else if !further.is_empty() && has_wildcard(component) {
            self.each_folder(folder, &mut |walk, child| {
                if name::is_like(component, last(child)) {
                    walk.descend(child, further, depth + 1);
                }
            });
        } else if has_wildcard(component) || further.is_empty() && self.pattern.stream.is_some_and(has_wildcard) {
            let wanted = self.pattern.stream;
            self.each_child(folder, &mut |walk, child| {
                let is_wanted = match (wanted, &child.stream) {
                    (None, None) => !child.is_folder,
                    (Some(pattern), Some(stream)) => name::is_like(pattern, stream),
                    _ => false,
                };
                if is_wanted && name::is_like(component, last(&child.path)) {
                    (walk.take)(child);
                }
            });
        } else if further.is_empty() {
            let path = match self.pattern.stream {
                Some(stream) => format!("{folder}\\{component}:{stream}"),
                None => format!("{folder}\\{component}"),
            };
            let mut found = self.lookup(&path);
            if let Some(folder) = found.take_if(|found| found.is_folder && found.stream.is_none()) {
                self.problems
                    .push(other(&folder.path, "what lies here is a folder, although a file is looked for here"));
            }
            found.into_iter().chain(self.tree.further(&path)).for_each(&mut *self.take);
        } else {
            self.descend(&format!("{folder}\\{component}"), further, depth + 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards() {
        for (pattern, name) in
            [("*", ""), ("*.evtx", "A.EVTX"), ("a?c", "ABC"), ("*a*a*", "banana"), ("x*", "X"), ("ä*", "Äx")]
        {
            assert!(name::is_like(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [("?", ""), ("*.evtx", "a.evt"), ("a?c", "ac"), ("*aa*", "banana"), ("", "x")] {
            assert!(!name::is_like(pattern, name), "{pattern} {name}");
        }
        assert!(!name::is_like(&"*a".repeat(60), &"a".repeat(200).replace("aaaaa", "aaaab")), "ends in bounded time");
    }
}
