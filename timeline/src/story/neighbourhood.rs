//! What the processes around the runs did, kept for those who judge a run.

use super::process::{Note, Process};
use super::source::Places;
use evidence::Related;
use std::collections::BTreeMap;

/// The neighbours of the runs, by the id of the run.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Neighbourhood {
    effects: BTreeMap<String, Vec<Related>>,
}

impl Neighbourhood {
    /// Takes what the process of a run did.
    pub(super) fn add(&mut self, run: &str, process: &Process, places: &Places<'_>) {
        let seen = [&process.child, &process.connection, &process.injected];
        seen.into_iter().flatten().for_each(|note| self.note(run, related(note, places)));
    }

    /// Takes one effect of a run.
    pub(crate) fn note(&mut self, run: &str, effect: Related) {
        self.effects.entry(run.to_owned()).or_default().push(effect);
    }

    /// What a run did to its surroundings, or they to it: a child, a connection, an injection; the first of each.
    pub(crate) fn effects_of(&self, run: &str) -> &[Related] {
        self.effects.get(run).map_or(&[], Vec::as_slice)
    }
}

fn related(note: &Note, places: &Places<'_>) -> Related {
    Related { at: note.at, what: note.what.clone(), class: note.class, citation: places.cite(&note.cited) }
}
