//! Where a statement comes from, kept small until the report needs it.

use crate::event::{Event, Happening};
use evidence::{Citation, Confidence, Integrity, Item, ItemId, Items, JoinRule, Locator};
use std::borrow::Cow;

/// A place in the evidence.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Source {
    pub(super) artifact: &'static str,
    pub(super) item: ItemId,
    pub(super) locator: Locator,
    /// Whether it was recovered from where nothing counts it any more.
    pub(super) recovered: bool,
}

impl Source {
    /// The record of an event; for a moment with its own place, that place.
    pub(super) fn of(event: &impl Happening) -> Self {
        let recovered = event.integrity() == Integrity::Recovered;
        Source { artifact: event.artifact(), item: event.item(), locator: event.locator(), recovered }
    }

    /// The record of an event as a whole.
    pub(super) fn whole(event: &Event) -> Self {
        Source { locator: event.record.locator.clone(), ..Source::of(event) }
    }

    /// The record of an event wherever it stands.
    pub(super) fn all_of(event: &impl Happening) -> Vec<Self> {
        /// A log that was archived many times would otherwise fill the report.
        const MOST: usize = 4;
        let others = event.copies().map(|other| Source {
            artifact: event.artifact(),
            item: other.item,
            locator: other.locator,
            recovered: other.integrity == Integrity::Recovered,
        });
        std::iter::once(Source::of(event)).chain(others).take(MOST).collect()
    }

    /// What was recovered is never direct: it may be older than it seems, or damaged.
    pub(super) fn by(self, rule: JoinRule, confidence: Confidence) -> Cited {
        let confidence = if self.recovered { confidence.max(Confidence::Strong) } else { confidence };
        Cited { source: self, rule, confidence }
    }
}

/// A place with the rule by which it was joined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cited {
    pub(super) source: Source,
    pub(super) rule: JoinRule,
    pub(super) confidence: Confidence,
}

/// Original paths and hashes of the items, for citations.
pub(super) struct Places<'a> {
    items: &'a dyn Items,
}

impl<'a> Places<'a> {
    pub(super) fn new(items: &'a dyn Items) -> Self {
        Places { items }
    }

    pub(super) fn item(&self, item: ItemId) -> Option<Cow<'_, Item>> {
        self.items.by_id(item)
    }

    pub(super) fn path(&self, item: ItemId) -> String {
        self.items.by_id(item).map(|item| item.original_path.clone()).unwrap_or_default()
    }

    pub(super) fn cite(&self, cited: &Cited) -> Citation {
        let mut citation = self.plain(&cited.source);
        citation.rule = Some(cited.rule);
        citation.confidence = Some(cited.confidence);
        citation
    }

    /// A citation that no join led to.
    pub(super) fn plain(&self, source: &Source) -> Citation {
        let found = self.items.by_id(source.item);
        let (item, sha256) =
            found.map(|item| (item.original_path.clone(), item.cited_sha256().to_owned())).unwrap_or_default();
        Citation {
            artifact: source.artifact.to_owned(),
            item,
            sha256,
            locator: source.locator.clone(),
            rule: None,
            confidence: None,
            event_id: None,
            recovered: source.recovered,
        }
    }
}
