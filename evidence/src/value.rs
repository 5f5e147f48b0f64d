//! Field values of a record: what the artifact stores, typed no further than its own format types it.

use crate::time::Filetime;

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
    /// The text, if this is one.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The number, if this is one, or a text that spells one: decimal, or hexadecimal after `0x`.
    /// Windows writes process ids both ways (Security 4688 in hexadecimal, Sysmon in decimal).
    pub fn as_number(&self) -> Option<u64> {
        match self {
            Value::Unsigned(number) => Some(*number),
            Value::Signed(number) => u64::try_from(*number).ok(),
            Value::Text(text) => {
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
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Value::Bool(flag) => Some(*flag),
            _ => None,
        }
    }

    /// The moment, if this is one.
    pub fn as_time(&self) -> Option<Filetime> {
        match self {
            Value::Time(time) => Some(*time),
            _ => None,
        }
    }

    /// The members of a list; nothing for any other value.
    pub fn items(&self) -> &[Value] {
        match self {
            Value::List(items) => items,
            _ => &[],
        }
    }

    /// The named member of a map.
    pub fn get(&self, name: &str) -> Option<&Value> {
        match self {
            Value::Map(members) => members.iter().find(|(key, _)| key == name).map(|(_, value)| value),
            _ => None,
        }
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
impl serde::Serialize for Value {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Value::Text(text) => serializer.serialize_str(text),
            Value::Unsigned(number) => serializer.serialize_u64(*number),
            Value::Signed(number) => serializer.serialize_i64(*number),
            Value::Bool(flag) => serializer.serialize_bool(*flag),
            Value::Time(time) => time.serialize(serializer),
            Value::List(items) => serializer.collect_seq(items),
            Value::Map(members) => serializer.collect_map(members.iter().map(|(key, value)| (key, value))),
        }
    }
}

/// The named values of a record, in the order in which the artifact stores them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fields(Vec<(std::borrow::Cow<'static, str>, Value)>);

impl Fields {
    /// No fields yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// No fields yet, with room for some.
    pub fn with_capacity(count: usize) -> Self {
        Fields(Vec::with_capacity(count))
    }

    /// Adds a field; a name may occur once, later values are ignored because the first one is what readers see.
    pub fn push(&mut self, name: impl Into<std::borrow::Cow<'static, str>>, value: impl Into<Value>) {
        self.0.push((name.into(), value.into()));
    }

    /// Adds a field where there is a value.
    pub fn push_some(&mut self, name: impl Into<std::borrow::Cow<'static, str>>, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.push(name, value);
        }
    }

    /// The first value of this name.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// The first value of this name as text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name)?.as_text()
    }

    /// The first value of this name as a number, see [`Value::as_number`].
    pub fn number(&self, name: &str) -> Option<u64> {
        self.get(name)?.as_number()
    }

    /// All fields in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(key, value)| (key.as_ref(), value))
    }

    /// All fields in order, with names as they were given: borrowed for those that the program knows.
    pub fn entries(&self) -> impl Iterator<Item = (&std::borrow::Cow<'static, str>, &Value)> {
        self.0.iter().map(|(key, value)| (key, value))
    }

    /// How many fields there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
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
    fn process_ids_in_both_spellings() {
        assert_eq!(Value::from("0x1e4c").as_number(), Some(7756));
        assert_eq!(Value::from("7756").as_number(), Some(7756));
        assert_eq!(Value::from("-").as_number(), None);
    }
}
