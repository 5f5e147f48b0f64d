//! Which file a run is judged by: the one that is at the path now, the one that was there, or neither.

use super::process::Process;
use super::run::{Context, Run};
use super::same_file::{Asked, Earlier, Listed, Standing};
use super::source::Cited;
use crate::paths::{self, PathKey};
use evidence::{Answer, AssemblyState, Confidence, JoinRule};

impl Run {
    /// Whether the collected file is the one that ran. Where it is not, and that one was collected, that one is judged.
    pub(super) fn settle(&mut self, process: Option<&Process>, context: &Context<'_>) {
        let Some(path) = self.assembly.resolved_path.clone() else { return };
        let (Some(item), Some(_)) = (self.item, &self.assembly.sha256) else {
            return self.look_where_it_went(&path, context);
        };
        let Some(start) = self.start else {
            let because = "when the tool started is not known".to_owned();
            self.same = Some(Standing { state: Answer::Unknown, because, cited: Vec::new() });
            return self.say_of_today();
        };
        let stream = self.stream.clone();
        let key = PathKey::new(paths::split_stream(&path).0);
        let asked = Asked {
            path: &path,
            stream: stream.as_deref(),
            item,
            start,
            listed: self.listed(&key, context),
            loaded: process.and_then(|process| loaded(process, &PathKey::new(&path))),
            own: context.own,
        };
        let files = context.files;
        self.same = files.is_same(&asked);
        if self.same.as_ref().is_none_or(|same| same.state == Answer::Yes) {
            return;
        }
        match files.earlier(&asked) {
            Some(earlier) if earlier.item.is_some_and(|found| found != item) => {
                self.judge_earlier(&earlier, &asked, context);
            }
            Some(earlier) if earlier.item.is_none() => {
                self.say_of_today();
                self.assembly.resolution.push_str(&format!(
                    "; the file that was there during the run {}, and was not collected",
                    earlier.what
                ));
                if let Some(same) = &mut self.same {
                    same.cited.extend(earlier.cited);
                }
            }
            _ => self.say_of_today(),
        }
    }

    /// No file is at the path now: it may have been renamed, and be there under another name.
    fn look_where_it_went(&mut self, path: &str, context: &Context<'_>) {
        let is_gone =
            matches!(self.assembly.state, AssemblyState::Absent | AssemblyState::Deleted | AssemblyState::Unknown);
        let Some(start) = self.start.filter(|_| is_gone && self.item.is_none()) else { return };
        let key = PathKey::new(paths::split_stream(path).0);
        let Some(earlier) = context.files.moved_away(path, start, self.listed(&key, context).as_ref()) else { return };
        if !earlier.is_moved {
            return;
        }
        let Some(item) = earlier.item.and_then(|item| context.places.item(item)) else {
            self.assembly.resolution.push_str(&format!("; the file {}, and was not collected", earlier.what));
            self.no_facts = format!("The assembly {}, and was not collected", earlier.what);
            return;
        };
        let asked = Asked { path, stream: None, item: item.id, start, listed: None, loaded: None, own: context.own };
        self.take(item.id, item.cited_sha256(), item.status, item.recovery.is_some());
        self.assembly.judged = Some(item.original_path.clone());
        self.assembly.resolution.push_str(&format!(
            "; the file {}, was collected from {}, and is the one that is judged",
            earlier.what, item.original_path
        ));
        self.same = context.files.is_unchanged(&asked, &earlier);
    }

    fn say_of_today(&mut self) {
        self.assembly.resolution.push_str("; the hash is that of the file now there");
    }

    /// Takes the file that was there during the run in place of the one that is there now.
    fn judge_earlier(&mut self, earlier: &Earlier, asked: &Asked<'_>, context: &Context<'_>) {
        let Some(item) = earlier.item.and_then(|item| context.places.item(item)) else { return };
        let now = self.assembly.sha256.take().unwrap_or_default();
        self.take(item.id, item.cited_sha256(), item.status, item.recovery.is_some());
        self.assembly.judged = Some(item.original_path.clone());
        self.assembly.resolution.push_str(&format!(
            "; the file that was there during the run {}, was collected from {}, and is the one that is judged; the file \
             now there is another, with the SHA-256 {now}",
            earlier.what, item.original_path
        ));
        self.same = context.files.is_unchanged(&asked.of(item.id), earlier);
    }

    /// What the prefetch file of the tool has of a path.
    fn listed(&self, key: &PathKey, context: &Context<'_>) -> Option<Listed> {
        let slot = self.slots.first()?;
        let file = context.prefetch.get(slot.file)?;
        let references = file.references(key);
        let is_of_run = file.run_count == Some(1) || file.last_run() == Some(slot.at);
        let confidence = if is_of_run { Confidence::Strong } else { Confidence::Circumstantial };
        let cited = file.source.clone().by(JoinRule::J7, confidence);
        (!references.is_empty()).then_some(Listed { references, is_of_run, cited })
    }
}

/// The hash with which a process loaded an image.
fn loaded(process: &Process, key: &PathKey) -> Option<(String, Cited)> {
    let mut found = process.loaded.iter().filter(|one| one.image.same_file(key));
    found.find_map(|one| Some((one.sha256.clone()?, one.cited.clone())))
}
