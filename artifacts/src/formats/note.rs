//! What a reader of a format found to be wrong, before it is known which item it belongs to.

use evidence::{Locator, ProblemKind, Sink};

/// Something about a file that a reader of the report should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// What kind of problem.
    pub kind: ProblemKind,
    /// Byte offset in the file, where there is one.
    pub offset: Option<u64>,
    /// What is wrong, in a sentence.
    pub what: String,
    /// What it costs, in a sentence.
    pub effect: &'static str,
    /// Whether everything that was meant to be read was read all the same.
    pub costs_nothing: bool,
}

impl Note {
    pub(crate) fn new(kind: ProblemKind, what: impl Into<String>, effect: &'static str) -> Self {
        Note { kind, offset: None, what: what.into(), effect, costs_nothing: false }
    }

    pub(crate) fn at(mut self, offset: u64) -> Self {
        self.offset = Some(offset);
        self
    }

    /// Hands it over as a problem of the item being parsed.
    pub fn report(self, sink: &mut Sink<'_>) {
        let locator = self.offset.map(|offset| Locator::ByteRange { offset, length: 4 });
        if self.costs_nothing {
            sink.note(self.kind, locator, self.what, self.effect);
        } else {
            sink.problem(self.kind, locator, self.what, self.effect);
        }
    }
}
