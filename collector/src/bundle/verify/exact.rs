//! JSON that says exactly what its schema has: each member once, none missing, none more, each of its type.

use serde::de::{DeserializeOwned, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::fmt;

/// A value in which no object has a member twice.
struct Once(Value);

struct OnceVisitor;

impl<'de> Visitor<'de> for OnceVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut all = Vec::new();
        while let Some(Once(value)) = list.next_element()? {
            all.push(value);
        }
        Ok(all.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut all = Map::new();
        while let Some((name, Once(value))) = members.next_entry::<String, Once>()? {
            if all.contains_key(&name) {
                return Err(A::Error::custom(format!("the member {name} stands in it twice")));
            }
            all.insert(name, value);
        }
        Ok(all.into())
    }
}

impl<'de> Deserialize<'de> for Once {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OnceVisitor).map(Once)
    }
}

/// The value of a text in which no object has a member twice.
pub(super) fn value(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map(|Once(value)| value).map_err(|error| error.to_string())
}

/// What the text says in the form `T`; the reason when it says more, less or something else.
pub(super) fn read<T: DeserializeOwned + Serialize>(text: &str) -> Result<T, String> {
    let stated = value(text)?;
    let read = T::deserialize(&stated).map_err(|error| error.to_string())?;
    let known = serde_json::to_value(&read).map_err(|error| error.to_string())?;
    same(&stated, &known, "").map_or(Ok(read), Err)
}

/// Whether a member that is not there says the same.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        _ => false,
    }
}

/// Where two values differ. A member that may be left out when it is empty may also be there.
pub(super) fn same(stated: &Value, known: &Value, place: &str) -> Option<String> {
    let inside = |name: &str| if place.is_empty() { name.to_owned() } else { format!("{place}.{name}") };
    match (stated, known) {
        (Value::Object(stated), Value::Object(known)) => {
            let unknown = stated.iter().find_map(|(name, value)| match known.get(name) {
                Some(known) => same(value, known, &inside(name)),
                None if is_empty(value) && is_known_when_empty(name) => None,
                None => Some(format!("it has a member that is not of its form: {}", inside(name))),
            });
            unknown.or_else(|| {
                let missing = known.keys().find(|name| !stated.contains_key(*name))?;
                Some(format!("the member {} is missing", inside(missing)))
            })
        }
        (Value::Array(stated), Value::Array(known)) if stated.len() == known.len() => {
            stated.iter().zip(known).find_map(|(stated, known)| same(stated, known, place))
        }
        _ if stated == known => None,
        _ => Some(format!("{place} is not of its form")),
    }
}

/// Members that earlier versions wrote also where they are empty.
fn is_known_when_empty(name: &str) -> bool {
    name == "sha512"
}

#[cfg(test)]
mod tests {
    use super::*;
    use evidence::Item;

    const ITEM: &str = r#"{"id":0,"original_path":"C:\\a","wanted_by":["mft"],"round":0,"volume":"C","size":1,"stored_size":0,"sha256":"","sha512":"","times":{},"method":"raw_ntfs","status":"failed"}"#;

    #[test]
    fn exactly_what_the_form_has() {
        assert_eq!(read::<Item>(ITEM).map(|item| item.size), Ok(1));
        for (from, to, why) in [
            (r#""round":0"#, r#""round":0,"more":1"#, "not of its form: more"),
            (
                r#""times":{}"#,
                r#""times":{"container":{"modified":null,"accessed":null,"changed":null,"born":null,"x":1}}"#,
                "not of its form: times.container.x",
            ),
            (r#""round":0"#, r#""round":0,"round":0"#, "stands in it twice"),
            (r#""round":0"#, r#""round":"0""#, "invalid type"),
            (r#""round":0,"#, "", "missing field"),
            (r#""round":0"#, r#""round":-1"#, "invalid value"),
            (r#""status":"failed"}"#, r#""status":"failed"} {}"#, "trailing"),
        ] {
            let said = read::<Item>(&ITEM.replace(from, to)).unwrap_err();
            assert!(said.contains(why), "{to}: {said}");
        }
    }
}
