//! Field values of a record: what the artifact stores, typed no further than its own format types it.

use crate::time::Filetime;
use foldhash::fast::FixedState;
use parking_lot::RwLock;
use std::collections::HashSet;
use std::sync::Arc;

/// One stored value. Missing is a missing field, never an empty text.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Text as stored; unpaired surrogates become U+FFFD.
    Text(String),
    /// An unsigned number.
    Unsigned(u64),
    /// A signed number.
    Signed(i64),
    /// A flag.
    Bool(bool),
    /// A moment in UTC.
    Time(Filetime),
    /// Several values in the stored order.
    List(Vec<Value>),
    /// Named values in the stored order.
    Map(Vec<(String, Value)>),
}

impl Value {
    /// The value without its own memory.
    pub fn view(&self) -> ValueRef<'_> {
        match self {
            Value::Text(text) => ValueRef::Text(text),
            Value::Unsigned(number) => ValueRef::Unsigned(*number),
            Value::Signed(number) => ValueRef::Signed(*number),
            Value::Bool(flag) => ValueRef::Bool(*flag),
            Value::Time(time) => ValueRef::Time(*time),
            Value::List(items) => ValueRef::List(items),
            Value::Map(members) => ValueRef::Map(members),
        }
    }

    /// See [`ValueRef::as_text`].
    pub fn as_text(&self) -> Option<&str> {
        self.view().as_text()
    }

    /// See [`ValueRef::as_number`].
    pub fn as_number(&self) -> Option<u64> {
        self.view().as_number()
    }

    /// See [`ValueRef::as_bool`].
    pub fn as_bool(&self) -> Option<bool> {
        self.view().as_bool()
    }

    /// See [`ValueRef::as_time`].
    pub fn as_time(&self) -> Option<Filetime> {
        self.view().as_time()
    }

    /// See [`ValueRef::items`].
    pub fn items(&self) -> &[Value] {
        self.view().items()
    }

    /// See [`ValueRef::get`].
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.view().get(name)
    }
}

/// A value that stands in [`Fields`] or in a [`Value`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ValueRef<'a> {
    /// Text as stored; unpaired surrogates become U+FFFD.
    Text(&'a str),
    /// An unsigned number.
    Unsigned(u64),
    /// A signed number.
    Signed(i64),
    /// A flag.
    Bool(bool),
    /// A moment in UTC.
    Time(Filetime),
    /// Several values in the stored order.
    List(&'a [Value]),
    /// Named values in the stored order.
    Map(&'a [(String, Value)]),
}

impl<'a> ValueRef<'a> {
    /// The text, if this is one.
    pub fn as_text(self) -> Option<&'a str> {
        match self {
            ValueRef::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The number, if this is one, or a text that spells one: decimal, or hexadecimal after `0x`.
    /// Windows writes process ids both ways (Security 4688 in hexadecimal, Sysmon in decimal).
    pub fn as_number(self) -> Option<u64> {
        match self {
            ValueRef::Unsigned(number) => Some(number),
            ValueRef::Signed(number) => u64::try_from(number).ok(),
            ValueRef::Text(text) => {
                let text = text.trim();
                match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
                    Some(hex) => u64::from_str_radix(hex, 16).ok(),
                    None => text.parse().ok(),
                }
            }
            _ => None,
        }
    }

    /// The flag, if this is one.
    pub fn as_bool(self) -> Option<bool> {
        match self {
            ValueRef::Bool(flag) => Some(flag),
            _ => None,
        }
    }

    /// The moment, if this is one.
    pub fn as_time(self) -> Option<Filetime> {
        match self {
            ValueRef::Time(time) => Some(time),
            _ => None,
        }
    }

    /// The members of a list; nothing for any other value.
    pub fn items(self) -> &'a [Value] {
        match self {
            ValueRef::List(items) => items,
            _ => &[],
        }
    }

    /// The named member of a map.
    pub fn get(self, name: &str) -> Option<&'a Value> {
        match self {
            ValueRef::Map(members) => members.iter().find(|(key, _)| key == name).map(|(_, value)| value),
            _ => None,
        }
    }

    /// The same with its own texts.
    pub fn to_value(self) -> Value {
        match self {
            ValueRef::Text(text) => Value::Text(text.to_owned()),
            ValueRef::Unsigned(number) => Value::Unsigned(number),
            ValueRef::Signed(number) => Value::Signed(number),
            ValueRef::Bool(flag) => Value::Bool(flag),
            ValueRef::Time(time) => Value::Time(time),
            ValueRef::List(items) => Value::List(items.to_vec()),
            ValueRef::Map(members) => Value::Map(members.to_vec()),
        }
    }
}

impl<'a> From<&'a Value> for ValueRef<'a> {
    fn from(value: &'a Value) -> Self {
        value.view()
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Value::Text(text)
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Value::Unsigned(number)
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Self {
        Value::Unsigned(u64::from(number))
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Value::Bool(flag)
    }
}

impl From<Filetime> for Value {
    fn from(time: Filetime) -> Self {
        Value::Time(time)
    }
}

impl<T: Into<Value>> From<Vec<T>> for Value {
    fn from(items: Vec<T>) -> Self {
        Value::List(items.into_iter().map(Into::into).collect())
    }
}

/// Text as text, times as RFC 3339, maps in their stored order: the shape of `report.json` and `--json`.
impl serde::Serialize for ValueRef<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match *self {
            ValueRef::Text(text) => serializer.serialize_str(text),
            ValueRef::Unsigned(number) => serializer.serialize_u64(number),
            ValueRef::Signed(number) => serializer.serialize_i64(number),
            ValueRef::Bool(flag) => serializer.serialize_bool(flag),
            ValueRef::Time(time) => time.serialize(serializer),
            ValueRef::List(items) => serializer.collect_seq(items),
            ValueRef::Map(members) => serializer.collect_map(members.iter().map(|(key, value)| (key, value))),
        }
    }
}

impl serde::Serialize for Value {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.view().serialize(serializer)
    }
}

/// Name of a field.
#[derive(Clone, Debug)]
pub enum FieldName {
    /// Lives as long as the program.
    Static(&'static str),
    /// Came from the evidence; its records share it.
    Shared(Arc<str>),
}

/// Names from the evidence that live as long as the program. Windows' own providers have some thousand names, which
/// come in every record of their kind; a hostile log can bring any number, so there are limits.
static KEPT: RwLock<HashSet<&'static str, FixedState>> = RwLock::new(HashSet::with_hasher(FixedState::with_seed(0)));
const MOST_KEPT: usize = 8192;
const LONGEST_KEPT: usize = 64;

impl FieldName {
    /// A name from the evidence that many records will have: kept for as long as the program runs, while there are
    /// few and short ones.
    pub fn kept(name: &str) -> Self {
        if name.len() > LONGEST_KEPT {
            return FieldName::Shared(name.into());
        }
        if let Some(kept) = KEPT.read().get(name) {
            return FieldName::Static(kept);
        }
        let mut all = KEPT.write();
        if let Some(kept) = all.get(name) {
            return FieldName::Static(kept);
        }
        if all.len() >= MOST_KEPT {
            return FieldName::Shared(name.into());
        }
        let name: &'static str = Box::leak(name.into());
        all.insert(name);
        FieldName::Static(name)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        match self {
            FieldName::Static(name) => name,
            FieldName::Shared(name) => name,
        }
    }
}

impl PartialEq for FieldName {
    fn eq(&self, other: &Self) -> bool {
        let (own, other) = (self.as_str(), other.as_str());
        std::ptr::eq(own, other) || own == other
    }
}

impl Eq for FieldName {}

impl From<&'static str> for FieldName {
    fn from(name: &'static str) -> Self {
        FieldName::Static(name)
    }
}

impl From<String> for FieldName {
    fn from(name: String) -> Self {
        FieldName::Shared(name.into())
    }
}

/// The named values of a record, in the order in which the artifact stores them.
///
/// All texts stand in one piece of memory, because records come by the hundred thousand and an allocation for each text
/// would cost more than reading it.
#[derive(Clone, Default)]
pub struct Fields {
    texts: String,
    slots: Vec<(FieldName, Slot)>,
}

/// Where the value of a field is.
#[derive(Clone)]
enum Slot {
    /// A range of the texts.
    Text(u32, u32),
    Unsigned(u64),
    Signed(i64),
    Bool(bool),
    Time(Filetime),
    /// A list, a map, or a text too large for the range.
    Other(Box<Value>),
}

/// What can be put into [`Fields`] without becoming a [`Value`] on the way.
pub trait FieldValue {
    /// Adds the field.
    fn put(self, name: FieldName, fields: &mut Fields);
}

impl FieldValue for &str {
    fn put(self, name: FieldName, fields: &mut Fields) {
        let start = fields.texts.len();
        fields.texts.push_str(self);
        fields.push_from(name, start);
    }
}

impl FieldValue for ValueRef<'_> {
    fn put(self, name: FieldName, fields: &mut Fields) {
        let slot = match self {
            ValueRef::Text(text) => return text.put(name, fields),
            ValueRef::Unsigned(number) => Slot::Unsigned(number),
            ValueRef::Signed(number) => Slot::Signed(number),
            ValueRef::Bool(flag) => Slot::Bool(flag),
            ValueRef::Time(time) => Slot::Time(time),
            ValueRef::List(_) | ValueRef::Map(_) => Slot::Other(Box::new(self.to_value())),
        };
        fields.slots.push((name, slot));
    }
}

impl FieldValue for Value {
    fn put(self, name: FieldName, fields: &mut Fields) {
        match self {
            Value::List(_) | Value::Map(_) => fields.slots.push((name, Slot::Other(Box::new(self)))),
            scalar => scalar.view().put(name, fields),
        }
    }
}

macro_rules! scalar {
    ($($type:ty => $slot:expr),*) => {$(
        impl FieldValue for $type {
            fn put(self, name: FieldName, fields: &mut Fields) {
                fields.slots.push((name, $slot(self.into())));
            }
        }
    )*};
}

scalar!(u64 => Slot::Unsigned, u32 => Slot::Unsigned, bool => Slot::Bool, Filetime => Slot::Time);

impl FieldValue for String {
    fn put(self, name: FieldName, fields: &mut Fields) {
        self.as_str().put(name, fields);
    }
}

impl<T: Into<Value>> FieldValue for Vec<T> {
    fn put(self, name: FieldName, fields: &mut Fields) {
        Value::from(self).put(name, fields);
    }
}

impl Fields {
    /// No fields yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// No fields yet, with room for some, and for their texts.
    pub fn with_capacity(count: usize, text_bytes: usize) -> Self {
        Fields { texts: String::with_capacity(text_bytes), slots: Vec::with_capacity(count) }
    }

    /// Adds a field; a name may occur once, later values are ignored because the first one is what readers see.
    pub fn push(&mut self, name: impl Into<FieldName>, value: impl FieldValue) {
        value.put(name.into(), self);
    }

    /// Adds a field where there is a value.
    pub fn push_some(&mut self, name: impl Into<FieldName>, value: Option<impl FieldValue>) {
        if let Some(value) = value {
            self.push(name, value);
        }
    }

    /// All texts so far, for [`Fields::push_from`].
    pub fn texts(&mut self) -> &mut String {
        &mut self.texts
    }

    /// Adds a text field of what was appended to [`Fields::texts`] since it had this length.
    pub fn push_from(&mut self, name: impl Into<FieldName>, start: usize) {
        let slot = match (u32::try_from(start), u32::try_from(self.texts.len())) {
            (Ok(start), Ok(end)) => Slot::Text(start, end),
            _ => Slot::Other(Box::new(Value::Text(self.texts.split_off(start)))),
        };
        self.slots.push((name.into(), slot));
    }

    fn value<'a>(&'a self, slot: &'a Slot) -> ValueRef<'a> {
        match slot {
            Slot::Text(start, end) => {
                ValueRef::Text(self.texts.get(*start as usize..*end as usize).unwrap_or_default())
            }
            Slot::Unsigned(number) => ValueRef::Unsigned(*number),
            Slot::Signed(number) => ValueRef::Signed(*number),
            Slot::Bool(flag) => ValueRef::Bool(*flag),
            Slot::Time(time) => ValueRef::Time(*time),
            Slot::Other(value) => value.view(),
        }
    }

    /// The first value of this name.
    pub fn get(&self, name: &str) -> Option<ValueRef<'_>> {
        self.slots.iter().find(|(key, _)| key.as_str() == name).map(|(_, slot)| self.value(slot))
    }

    /// The first value of this name as text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name)?.as_text()
    }

    /// The first value of this name as a number, see [`ValueRef::as_number`].
    pub fn number(&self, name: &str) -> Option<u64> {
        self.get(name)?.as_number()
    }

    /// All fields in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, ValueRef<'_>)> {
        self.slots.iter().map(|(name, slot)| (name.as_str(), self.value(slot)))
    }

    /// The names of all fields in order, as they were given.
    pub fn names(&self) -> impl Iterator<Item = &FieldName> {
        self.slots.iter().map(|(name, _)| name)
    }

    /// How many fields there are.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }
}

impl std::fmt::Debug for Fields {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl PartialEq for Fields {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl serde::Serialize for Fields {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kept_name_is_the_same_text_each_time() {
        let (FieldName::Static(one), FieldName::Static(two)) = (FieldName::kept("Kept"), FieldName::kept("Kept"))
        else {
            panic!("a short name is kept");
        };
        assert!(std::ptr::eq(one, two));
        assert!(matches!(FieldName::kept(&"x".repeat(LONGEST_KEPT + 1)), FieldName::Shared(_)));
    }

    #[test]
    fn fields_read_back_what_was_put_in() {
        let mut fields = Fields::new();
        fields.push("Text", "a");
        fields.push("Empty", "");
        fields.push("Owned", "b".to_owned());
        fields.push("Number", 7u64);
        fields.push("List", vec!["x", "y"]);
        fields.push_some("Missing", None::<u64>);
        fields.push("Text", "later");
        let start = fields.texts().len();
        fields.texts().push_str("appended");
        fields.push_from("From", start);
        let all: Vec<_> = fields.iter().map(|(name, value)| (name, value.to_value())).collect();
        let expected: [(&str, Value); 7] = [
            ("Text", "a".into()),
            ("Empty", "".into()),
            ("Owned", "b".into()),
            ("Number", 7u64.into()),
            ("List", vec!["x", "y"].into()),
            ("Text", "later".into()),
            ("From", "appended".into()),
        ];
        assert_eq!(all, expected);
        assert_eq!((fields.text("Text"), fields.number("Number"), fields.get("Missing")), (Some("a"), Some(7), None));
    }

    #[test]
    fn process_ids_in_both_spellings() {
        assert_eq!(Value::from("0x1e4c").as_number(), Some(7756));
        assert_eq!(Value::from("7756").as_number(), Some(7756));
        assert_eq!(Value::from("-").as_number(), None);
    }
}
