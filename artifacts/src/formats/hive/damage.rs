//! The damage that a reader meets, noted once.

use super::Note;
use evidence::ProblemKind;
use std::cell::{Cell, RefCell};

/// Most places of damage that one reader lists.
const MAX_NOTES: usize = 100;

/// What was met so far.
#[derive(Default)]
pub(super) struct Damage {
    notes: RefCell<Vec<Note>>,
    /// How many notes there was no room for.
    unlisted: Cell<usize>,
}

impl Damage {
    pub(super) fn note(&self, note: Note) {
        let mut notes = self.notes.borrow_mut();
        // Reaching a limit costs most of all, so it is listed whatever was met before.
        if notes.contains(&note) {
            return;
        }
        if notes.len() < MAX_NOTES || note.kind == ProblemKind::LimitReached && notes.len() < 2 * MAX_NOTES {
            notes.push(note);
        } else {
            self.unlisted.set(self.unlisted.get() + 1);
        }
    }

    /// The notes, which are forgotten by this.
    pub(super) fn take(&self) -> Vec<Note> {
        let mut notes = self.notes.take();
        let unlisted = self.unlisted.take();
        if unlisted > 0 {
            notes.push(Note::new(
                ProblemKind::LimitReached,
                format!("{unlisted} more times something damaged was met in the hive"),
                "the hive is damaged in more places than are shown",
            ));
        }
        notes
    }

    pub(super) fn forget(&self) {
        self.notes.borrow_mut().clear();
        self.unlisted.set(0);
    }

    /// How often something was noted.
    pub(super) fn count(&self) -> usize {
        self.notes.borrow().len() + self.unlisted.get()
    }
}
