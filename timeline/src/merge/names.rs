//! What records of one kind have in common, as four-byte numbers.
//!
//! Records come by the hundred thousand and have the same artifact, type, meanings and field names again and again: a
//! *shape*. Spilled records hold the number of their shape, and reading them back gives the same static texts again,
//! without a copy. The number is a hash of the texts, so that it does not depend on which thread saw them first.

use evidence::{Claim, FieldName, Record, RecordType};
use foldhash::fast::RandomState;
use parking_lot::RwLock;
use std::cell::RefCell;
use std::collections::HashMap;
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
    /// The names of all fields; `None` when they stand in the record.
    pub(crate) fields: Option<Box<[&'static str]>>,
}

/// Everything numbered so far.
static TABLE: RwLock<Option<HashMap<u32, Arc<Shape>, RandomState>>> = RwLock::new(None);

/// The numbers of shapes that this thread has seen, by the addresses of their texts. A static text never moves and is
/// never freed, so its address stands for it, and no lock is taken.
#[derive(Default)]
struct Seen {
    numbers: HashMap<Box<[usize]>, (u32, bool), RandomState>,
    /// The last record's key and number, since records of a kind come together.
    last: (Vec<usize>, (u32, bool)),
    /// Kept for its memory.
    key: Vec<usize>,
}

thread_local! {
    static SEEN: RefCell<Seen> = RefCell::new(Seen::default());
}

/// FNV-1a with 32 bits.
fn hash(texts: impl Iterator<Item = &'static str>, numbers: &[u64]) -> u32 {
    let bytes = texts.flat_map(|text| text.bytes().chain([0])).chain(numbers.iter().flat_map(|one| one.to_le_bytes()));
    bytes.fold(0x811C_9DC5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

/// The number of a record's shape, and whether it has the names of the fields.
pub(super) fn number(record: &Record) -> (u32, bool) {
    SEEN.with_borrow_mut(|seen| {
        let named = write_key(record, &mut seen.key);
        if seen.key == seen.last.0 {
            return seen.last.1;
        }
        let found = seen.numbers.get(&*seen.key).copied().unwrap_or_else(|| {
            let found = place(record, named);
            if seen.numbers.len() < 2 * MOST_SHAPES {
                seen.numbers.insert(seen.key.as_slice().into(), found);
            }
            found
        });
        std::mem::swap(&mut seen.last.0, &mut seen.key);
        seen.last.1 = found;
        found
    })
}

fn static_text(text: &'static str) -> [usize; 2] {
    [text.as_ptr() as usize, text.len()]
}

/// What stands for the shape of a record, and whether the names of the fields are in it.
fn write_key(record: &Record, key: &mut Vec<usize>) -> bool {
    key.clear();
    key.extend(static_text(record.artifact));
    key.push(std::ptr::from_ref(record.of) as usize);
    key.extend([record.claims.as_ptr() as usize, record.claims.len(), record.moments.len()]);
    key.extend(record.moments.iter().flat_map(|moment| static_text(moment.meaning.0)));
    let head = key.len();
    let mut named = record.fields.len() <= MOST_FIELDS;
    for name in record.fields.names() {
        match name {
            FieldName::Static(name) if named => key.extend(static_text(name)),
            _ => named = false,
        }
    }
    if !named {
        key.truncate(head);
        // Tells a record without fields from one whose names are not known here.
        key.push(usize::MAX);
    }
    named
}

/// Puts the shape into the table, without the names when there are too many of them.
fn place(record: &Record, named: bool) -> (u32, bool) {
    let mut table = TABLE.write();
    let table = table.get_or_insert_default();
    let names = record.fields.names().map_while(|name| match name {
        FieldName::Static(name) => Some(*name),
        FieldName::Shared(_) => None,
    });
    let mut shape = Shape {
        artifact: record.artifact,
        of: record.of,
        claims: record.claims,
        meanings: record.moments.iter().map(|moment| moment.meaning.0).collect(),
        fields: named.then(|| names.collect()),
    };
    let number = free_or_own(table, &shape);
    if named && table.len() >= MOST_SHAPES && !table.contains_key(&number) {
        shape.fields = None;
        return (insert(table, shape), false);
    }
    (insert(table, shape), named)
}

fn insert(table: &mut HashMap<u32, Arc<Shape>, RandomState>, shape: Shape) -> u32 {
    let number = free_or_own(table, &shape);
    table.entry(number).or_insert_with(|| Arc::new(shape));
    number
}

/// The number that this shape has already, or the next free one after its hash.
fn free_or_own(table: &HashMap<u32, Arc<Shape>, RandomState>, shape: &Shape) -> u32 {
    // Events of one type differ from those of another by their provider and their numbers.
    let (provider, ids) = shape.of.logged.map_or(("", &[][..]), |logged| (logged.provider, logged.ids));
    let texts = [shape.artifact, shape.of.name, provider].into_iter();
    let texts = texts.chain(shape.claims.iter().map(|claim| claim.name())).chain(shape.meanings.iter().copied());
    let texts = texts.chain(["\n"]).chain(shape.fields.iter().flat_map(|names| names.iter().copied()));
    let mut number = hash(texts, ids);
    while table.get(&number).is_some_and(|there| **there != *shape) {
        number = number.wrapping_add(1);
    }
    number
}

/// The way back: the table as it is when every record is in.
#[derive(Clone)]
pub(crate) struct Names(HashMap<u32, Arc<Shape>, RandomState>);

impl Names {
    /// Everything numbered until now.
    pub(super) fn now() -> Self {
        Names(TABLE.read().clone().unwrap_or_default())
    }

    /// The shape with this number.
    pub(super) fn shape(&self, number: u32) -> Option<&Shape> {
        self.0.get(&number).map(|shape| &**shape)
    }

    /// Every shape with its number.
    pub(crate) fn shapes(&self) -> impl Iterator<Item = (u32, &Shape)> {
        self.0.iter().map(|(number, shape)| (*number, &**shape))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use evidence::{Fields, Integrity, Locator};

    static NAMES: RecordType = RecordType::named("test:names");
    static A: RecordType = RecordType::named("a");
    static B: RecordType = RecordType::named("b");
    static C: RecordType = RecordType::named("c");

    fn record(names: impl IntoIterator<Item = FieldName>) -> Record {
        let mut fields = Fields::new();
        names.into_iter().for_each(|name| fields.push(name, 1u64));
        Record {
            artifact: "test",
            of: &NAMES,
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
        static ONE: &str = "Path";
        let two: &'static str = &"xPath"[1..];
        assert_ne!(ONE.as_ptr(), two.as_ptr());
        let (number, named) = super::number(&record([ONE.into()]));
        assert_eq!((number, named), super::number(&record([two.into()])));
        assert!(named);
        assert_eq!(Names::now().shape(number).unwrap().fields.as_deref(), Some(&["Path"][..]));
    }

    #[test]
    fn types_of_events_are_told_apart_whatever_comes_first() {
        let all = artifacts::ALL.iter().flat_map(|artifact| artifact.records).filter(|of| of.is_event());
        let number = |of: &&'static RecordType| {
            let shape = Shape { artifact: "test", of, claims: &[], meanings: Box::default(), fields: None };
            free_or_own(&HashMap::default(), &shape)
        };
        let numbers: Vec<u32> = all.map(number).collect();
        assert!(numbers.len() > 100);
        assert_eq!(numbers.iter().collect::<std::collections::BTreeSet<_>>().len(), numbers.len());
    }

    #[test]
    fn names_that_do_not_live_as_long_stay_in_the_record() {
        let (number, named) = super::number(&record(["Path".into(), String::from("Own").into()]));
        assert!(!named);
        assert_eq!(Names::now().shape(number).unwrap().fields, None);
        assert_ne!(number, super::number(&record([])).0, "no fields is something else");
        assert!(!super::number(&record(vec![FieldName::Static("x"); MOST_FIELDS + 1])).1);
    }

    #[test]
    fn colliding_hashes_stay_apart() {
        let shape = |of| Shape { artifact: "test", of, claims: &[], meanings: Box::default(), fields: None };
        let mut table = HashMap::default();
        let first = insert(&mut table, shape(&A));
        table.insert(free_or_own(&HashMap::default(), &shape(&B)), Arc::new(shape(&C)));
        let second = insert(&mut table, shape(&B));
        assert_eq!(*table[&second], shape(&B));
        assert_eq!((insert(&mut table, shape(&A)), insert(&mut table, shape(&B))), (first, second));
    }
}
