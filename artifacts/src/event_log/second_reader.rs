//! The crate `evtx` as a second reader, for records that our own cannot decode.

use super::naming;
use crate::formats::evtx::{CHUNK_SIZE, Label, Part, Place, RawRecord};
use evidence::{Fields, Filetime, guarded};
use serde_json::Value;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Most JSON that is taken of one record.
const MAX_JSON: usize = 1 << 20;

/// What the second reader makes of a record.
#[derive(Debug, PartialEq)]
pub(super) struct Decoded {
    pub(super) provider: String,
    pub(super) provider_guid: String,
    pub(super) channel: String,
    pub(super) event_id: u64,
    pub(super) time: Option<u64>,
    pub(super) fields: Fields,
}

/// Reads the given records of a chunk; those that this reader cannot decode either are missing. The chunk is read once,
/// whatever their number, and only up to the reader's first error.
pub(super) fn decode(chunk: &[u8], records: &[RawRecord]) -> HashMap<usize, Decoded> {
    let wanted: HashSet<u64> = records.iter().map(|record| record.body as u64).collect();
    let mut found = HashMap::new();
    // What was decoded before a panic stays.
    let _ = guarded(|| {
        let mut whole = chunk.to_vec();
        whole.resize(CHUNK_SIZE, 0);
        let Ok(mut data) = evtx::EvtxChunkData::new(whole, false) else { return };
        let settings = evtx::ParserSettings::new().recover_records(true);
        let Ok(mut chunk) = data.parse(Arc::new(settings)) else { return };
        for record in chunk.iter() {
            let Ok(record) = record else { return };
            let body = record.binxml_offset;
            if !wanted.contains(&body) {
                continue;
            }
            let Ok(json) = record.into_json_bytes() else { continue };
            if let Some(decoded) = (json.data.len() <= MAX_JSON)
                .then(|| serde_json::from_slice(&json.data).ok())
                .flatten()
                .and_then(|json: Value| event(&json))
            {
                found.insert(body as usize, decoded);
            }
        }
    });
    found
}

fn event(json: &Value) -> Option<Decoded> {
    let event = json.get("Event")?;
    let system = event.get("System")?;
    let attribute = |element: &str, name: &str| {
        text(system.get(element)?.get("#attributes")?.get(name)?).filter(|text| !text.is_empty())
    };
    let content = |element: &str| text(system.get(element)?);
    let mut fields = Fields::new();
    if let Value::Object(parts) = event {
        for (name, part) in parts.iter().filter(|(name, _)| *name != "#attributes") {
            let inside = match name.as_str() {
                "System" => Part::System,
                "RenderingInfo" => Part::Rendering,
                _ => Part::Data,
            };
            element(inside, name, part, &mut fields);
        }
    }
    Some(Decoded {
        provider: attribute("Provider", "Name").unwrap_or_default(),
        provider_guid: attribute("Provider", "Guid").unwrap_or_default(),
        channel: content("Channel").unwrap_or_default(),
        event_id: content("EventID")?.parse().ok()?,
        time: attribute("TimeCreated", "SystemTime").and_then(|text| Filetime::parse_utc(&text)).map(|time| time.0),
        fields,
    })
}

/// A scalar, or the text of an element with attributes.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Object(members) => text(members.get("#text")?),
        Value::Null | Value::Array(_) => None,
    }
}

/// Adds what an element holds. The reader writes `Data` elements with a `Name` as members of that name.
fn element(inside: Part, name: &str, value: &Value, fields: &mut Fields) {
    let content = Place { part: inside, element: name, attribute: None, name: None };
    let Value::Object(members) = value else { return put(&content, value, fields) };
    for (member, value) in members {
        match (member.as_str(), value) {
            ("#attributes", Value::Object(attributes)) => {
                for (attribute, value) in attributes {
                    put(&Place { attribute: Some(attribute), ..content }, value, fields);
                }
            }
            ("#text", _) => put(&content, value, fields),
            _ => element(inside, member, value, fields),
        }
    }
}

/// Adds one value, or each of several.
fn put(place: &Place<'_>, value: &Value, fields: &mut Fields) {
    let members = match value {
        Value::Array(members) => &members[..],
        one => std::slice::from_ref(one),
    };
    match naming::label(place) {
        Label::Skip => {}
        Label::Named(label) => {
            let texts: Vec<String> = members.iter().filter_map(text).collect();
            if !texts.is_empty() {
                fields.push(label, texts.join(", "));
            }
        }
        Label::Numbered => {
            for (number, member) in members.iter().enumerate() {
                fields.push_some(format!("Data[{number}]"), text(member));
            }
        }
    }
}
