//! The places in the evidence that a report cites: which rows of the timeline they are, and what those say.

use evidence::{Citation, Filetime};
use serde::{Serialize, Serializer};
use std::collections::HashMap;

/// Cited places by object.
#[derive(Debug, Default)]
pub struct Cited {
    objects: HashMap<(String, String), Places>,
}

/// The cited places of an object by their words.
pub(crate) type Places = HashMap<String, Place>;

/// A cited place.
#[derive(Debug, Default)]
pub(crate) struct Place {
    /// Ids of what it belongs to, in the order of the report; none where it is only cited.
    pub(crate) owners: Vec<String>,
    /// Whether the report shows what the record says.
    pub(crate) is_told: bool,
}

impl Cited {
    /// Adds a place, what it belongs to, and whether the report shows what its record says.
    pub(crate) fn add(&mut self, citation: &Citation, owner: Option<&str>, is_told: bool) {
        let object = (citation.item.clone(), citation.sha256.clone());
        let place = self.objects.entry(object).or_default().entry(citation.locator.to_string()).or_default();
        place.is_told |= is_told;
        if let Some(owner) = owner
            && !place.owners.iter().any(|there| there == owner)
        {
            place.owners.push(owner.to_owned());
        }
    }

    /// The cited places of an object.
    pub(crate) fn of_object(&self, path: &str, sha256: &str) -> Option<&Places> {
        self.objects.get(&(path.to_owned(), sha256.to_owned()))
    }
}

/// Most fields of a record that are told, and most characters of a value.
pub(crate) const MOST_FIELDS: usize = 24;
pub(crate) const MOST_CHARACTERS: usize = 400;

/// A row of the timeline that is cited, as the report shows it.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct CitedRecord {
    /// The row's id in the timeline.
    pub event_id: String,
    /// Original path of the object.
    pub item: String,
    /// SHA-256 of the object.
    pub sha256: String,
    /// Words of the cited place in it.
    pub place: String,
    /// The time, UTC.
    pub at: Option<Filetime>,
    /// What the time means, in the words of the row.
    pub meaning: String,
    /// Number and provider of an event of a log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
    /// The sentence of the row.
    pub says: String,
    /// What the record holds in the fields that the analysis reads, shortened.
    #[serde(skip_serializing_if = "Fields::is_empty")]
    pub fields: Fields,
    /// Whether the place counts in the object's decompressed data.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub decompressed: bool,
    /// Ids of the runs, attempts and registrations that it belongs to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub belongs_to: Vec<String>,
    /// Whether the report shows it, and not its id alone.
    #[serde(skip)]
    pub(crate) is_told: bool,
}

/// Names of fields with their values as people read them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fields(pub Vec<(String, String)>);

impl Fields {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for Fields {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}
