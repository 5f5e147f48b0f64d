//! What records of one kind have in common, as four-byte numbers.
//!
//! Records come by the hundred thousand and have the same type, meanings and field names again and again: a *shape*.
//! Encoded records hold the number of their shape, and reading them back gives the same static texts again, without a
//! copy. Which number a shape has depends on which thread came first, so nothing is ever ordered by it.

use evidence::{Claim, FieldName, Record, RecordType, Role};
use foldhash::fast::RandomState;
use parking_lot::RwLock;
use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::Arc;

/// Most shapes with field names of their own; the program's own artifacts and Windows' providers have some hundreds, but
/// a hostile log can have one for each record. Beyond this number the names are written into the records.
const MOST_SHAPES: usize = 4096;
/// Most fields of such a shape.
const MOST_FIELDS: usize = 128;

/// What records of one kind have in common.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) artifact: &'static str,
    pub(crate) of: &'static RecordType,
    pub(crate) claims: &'static [Claim],
    /// What each moment means.
    pub(crate) meanings: Box<[&'static str]>,
    /// The names of all fields; `None` when they are in the record.
    pub(crate) fields: Option<Box<[&'static str]>>,
    /// Where among these the fields with a role are, in the order of their declaration.
    roles: Box<[(Role, usize)]>,
}

impl Shape {
    /// Of a record whose fields all have static names, and not too many of them, or without the names.
    fn new(record: &Record, named: bool) -> Self {
        let fields: Option<Box<[_]>> = named.then(|| record.fields.names().filter_map(static_name).collect());
        let at = |name| fields.iter().flatten().position(|there| *there == name);
        let declared = record.of.fields.iter().chain(record.of.shared);
        Shape {
            artifact: record.artifact,
            of: record.of,
            claims: record.claims,
            meanings: record.moments.iter().map(|moment| moment.meaning.0).collect(),
            roles: declared.filter_map(|field| Some((field.role?, at(field.name)?))).collect(),
            fields,
        }
    }

    /// Where the field with a role is among the named ones.
    pub(super) fn in_role(&self, role: Role) -> Option<usize> {
        self.roles.iter().find(|(there, _)| *there == role).map(|(_, index)| *index)
    }

    fn is_of(&self, record: &Record, named: bool) -> bool {
        let is_named_alike = match &self.fields {
            Some(fields) => named && fields.iter().copied().map(Some).eq(record.fields.names().map(static_name)),
            None => !named,
        };
        is_named_alike
            && self.artifact == record.artifact
            && self.of == record.of
            && self.claims == record.claims
            && self.meanings.iter().eq(record.moments.iter().map(|moment| &moment.meaning.0))
    }
}

fn static_name(name: &FieldName) -> Option<&'static str> {
    match name {
        FieldName::Static(name) => Some(name),
        FieldName::Shared(_) => None,
    }
}

/// The shapes of everything that was merged so far.
#[derive(Default)]
pub(crate) struct Shapes {
    known: RwLock<Known>,
    hasher: RandomState,
}

#[derive(Default)]
struct Known {
    names: Names,
    /// Numbers by the hash of what they stand for.
    by_hash: HashMap<u64, Vec<u32>, RandomState>,
}

impl Known {
    fn find(&self, hash: u64, record: &Record, named: bool) -> Option<u32> {
        let mut found = self.by_hash.get(&hash).into_iter().flatten().copied();
        found.find(|number| self.names.shape(*number).is_some_and(|shape| shape.is_of(record, named)))
    }
}

impl Shapes {
    /// The number of a record's shape, and whether the shape has the names of the fields.
    pub(super) fn number(&self, record: &Record) -> (u32, bool) {
        let named = record.fields.len() <= MOST_FIELDS && record.fields.names().all(|name| static_name(name).is_some());
        match self.find_or_add(record, named) {
            Some(number) => (number, named),
            // What found no room never finds it, so all records of a kind are encoded alike.
            None => (self.find_or_add(record, false).unwrap_or(u32::MAX), false),
        }
    }

    /// The number; `None` where there is no room for more names.
    fn find_or_add(&self, record: &Record, named: bool) -> Option<u32> {
        let hash = self.hash(record, named);
        if let Some(number) = self.known.read().find(hash, record, named) {
            return Some(number);
        }
        let mut known = self.known.write();
        // Another thread may have come first.
        if let Some(number) = known.find(hash, record, named) {
            return Some(number);
        }
        let count = known.names.0.len();
        if named && count >= MOST_SHAPES {
            return None;
        }
        let number = u32::try_from(count).ok()?;
        known.names.0.push(Arc::new(Shape::new(record, named)));
        known.by_hash.entry(hash).or_default().push(number);
        Some(number)
    }

    fn hash(&self, record: &Record, named: bool) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        std::ptr::from_ref(record.of).hash(&mut hasher);
        record.moments.iter().for_each(|moment| moment.meaning.hash(&mut hasher));
        hasher.write_u8(u8::from(named));
        if named {
            record.fields.names().for_each(|name| hasher.write(name.as_str().as_bytes()));
        }
        hasher.finish()
    }

    /// The way back, as far as it is known now.
    pub(super) fn names(&self) -> Names {
        self.known.read().names.clone()
    }

    /// Reads the way back where it is, without a copy.
    pub(super) fn with_names<T>(&self, read: impl FnOnce(&Names) -> T) -> T {
        read(&self.known.read().names)
    }
}

/// The way back: shapes by their numbers.
#[derive(Clone, Default)]
pub(crate) struct Names(Vec<Arc<Shape>>);

impl Names {
    /// The shape with this number.
    pub(super) fn shape(&self, number: u32) -> Option<&Shape> {
        self.0.get(number as usize).map(|shape| &**shape)
    }

    /// Every shape, in the order of the numbers.
    pub(crate) fn shapes(&self) -> impl Iterator<Item = &Shape> {
        self.0.iter().map(|shape| &**shape)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use evidence::{Fields, Integrity, Locator};

    static ONE: RecordType = RecordType::named("test:shapes");
    /// A type of the same name, as the rows of one log have.
    static TWO: RecordType = RecordType::named("test:shapes");

    fn record(of: &'static RecordType, names: impl IntoIterator<Item = FieldName>) -> Record {
        let mut fields = Fields::new();
        names.into_iter().for_each(|name| fields.push(name, 1u64));
        Record {
            artifact: "test",
            of,
            subject: String::new(),
            user: None,
            moments: Vec::new(),
            fields,
            claims: &[],
            locator: Locator::Whole,
            integrity: Integrity::Intact,
        }
    }

    #[test]
    fn equal_texts_at_different_addresses_share_a_number() {
        static PATH: &str = "Path";
        let same: &'static str = &"xPath"[1..];
        assert_ne!(PATH.as_ptr(), same.as_ptr());
        let shapes = Shapes::default();
        let (number, named) = shapes.number(&record(&ONE, [PATH.into()]));
        assert_eq!((number, named), shapes.number(&record(&ONE, [same.into()])));
        assert!(named);
        assert_eq!(shapes.names().shape(number).unwrap().fields.as_deref(), Some(&["Path"][..]));
    }

    #[test]
    fn types_of_one_name_stay_apart() {
        let shapes = Shapes::default();
        let numbers = [&ONE, &TWO, &ONE].map(|of| shapes.number(&record(of, [])).0);
        assert!(numbers[0] != numbers[1] && numbers[0] == numbers[2], "{numbers:?}");
    }

    #[test]
    fn names_that_do_not_live_as_long_stay_in_the_record() {
        let shapes = Shapes::default();
        let (number, named) = shapes.number(&record(&ONE, ["Path".into(), String::from("Own").into()]));
        assert!(!named);
        assert_eq!(shapes.names().shape(number).unwrap().fields, None);
        assert_ne!(number, shapes.number(&record(&ONE, [])).0, "no fields is something else");
        assert!(!shapes.number(&record(&ONE, vec![FieldName::Static("x"); MOST_FIELDS + 1])).1);
    }

    #[test]
    fn any_number_of_names_takes_bounded_room() {
        let shapes = Shapes::default();
        let name = |number: usize| FieldName::Static(Box::leak(format!("Name{number}").into()));
        let (first, last) = (record(&ONE, [name(0)]), record(&ONE, [name(MOST_SHAPES)]));
        assert!(shapes.number(&first).1);
        (1..MOST_SHAPES + 9).for_each(|number| _ = shapes.number(&record(&ONE, [name(number)])));
        assert!(shapes.number(&first).1 && !shapes.number(&last).1);
        assert_eq!(shapes.names().0.len(), MOST_SHAPES + 1, "and one without names");
    }
}
