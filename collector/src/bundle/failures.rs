//! Problems as lines of `metadata/failures.jsonl`, and back.

use evidence::{Locator, Problem, ProblemKind, Stage};
use serde_json::{Map, Value, json};

/// One problem as JSON: its published form, and under `details` the numbers of its kind.
pub(crate) fn to_json(problem: &Problem) -> Value {
    let mut value = serde_json::to_value(problem).unwrap_or(Value::Null);
    // Here the kind alone says what is a note, as in bundles of before; that of an absent place is the only one.
    if let Value::Object(members) = &mut value {
        members.remove("note");
    }
    let details = match &problem.kind {
        ProblemKind::Truncated { offset, expected, actual } => {
            json!({"offset": offset, "expected": expected, "actual": actual})
        }
        ProblemKind::BadSignature { offset, expected, actual } => {
            json!({"offset": offset, "expected": expected, "actual": actual})
        }
        ProblemKind::BadChecksum { offset } => json!({"offset": offset}),
        ProblemKind::UnsupportedVersion { found } => json!({"found": found}),
        ProblemKind::OutOfRange { raw } => json!({"raw": raw}),
        ProblemKind::Inconsistent { a, b } => json!({"a": a, "b": b}),
        _ => return value,
    };
    if let Value::Object(members) = &mut value {
        members.insert("details".to_owned(), details);
    }
    value
}

fn text(members: &Map<String, Value>, name: &str) -> String {
    members.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn number(members: &Map<String, Value>, name: &str) -> u64 {
    members.get(name).and_then(Value::as_u64).unwrap_or_default()
}

fn locator(value: &Value) -> Option<Locator> {
    let members = value.as_object()?;
    Some(match members.get("kind")?.as_str()? {
        "byte_range" => Locator::ByteRange { offset: number(members, "offset"), length: number(members, "length") },
        "mft_entry" => Locator::MftEntry {
            entry: number(members, "entry"),
            sequence: u16::try_from(number(members, "sequence")).ok()?,
            offset: number(members, "offset"),
        },
        "whole" => Locator::Whole,
        _ => return None,
    })
}

/// The problem of a line; `None` when the line is none.
pub(crate) fn from_json(value: &Value) -> Option<Problem> {
    let members = value.as_object()?;
    let stages =
        [Stage::Source, Stage::Locate, Stage::Acquire, Stage::Bundle, Stage::Parse, Stage::Correlate, Stage::Report];
    let stage = stages.into_iter().find(|stage| Some(stage.name()) == members.get("stage").and_then(Value::as_str))?;
    let empty = Map::new();
    let details = members.get("details").and_then(Value::as_object).unwrap_or(&empty);
    let kind = match members.get("kind")?.as_str()? {
        "not_found" => ProblemKind::NotFound,
        "not_understood" => ProblemKind::NotUnderstood,
        "access_denied" => ProblemKind::AccessDenied,
        "locked" => ProblemKind::Locked,
        "read_failed" => ProblemKind::ReadFailed,
        "truncated" => ProblemKind::Truncated {
            offset: number(details, "offset"),
            expected: number(details, "expected"),
            actual: number(details, "actual"),
        },
        "bad_signature" => ProblemKind::BadSignature {
            offset: number(details, "offset"),
            expected: text(details, "expected"),
            actual: text(details, "actual"),
        },
        "bad_checksum" => ProblemKind::BadChecksum { offset: number(details, "offset") },
        "unsupported_version" => ProblemKind::UnsupportedVersion { found: text(details, "found") },
        "out_of_range" => ProblemKind::OutOfRange { raw: text(details, "raw") },
        "inconsistent" => ProblemKind::Inconsistent { a: text(details, "a"), b: text(details, "b") },
        "dirty" => ProblemKind::Dirty,
        "limit_reached" => ProblemKind::LimitReached,
        "parser_panicked" => ProblemKind::ParserPanicked,
        "interrupted" => ProblemKind::Interrupted,
        _ => return None,
    };
    let [item, what, effect] = ["item", "what", "effect"].map(|name| text(members, name));
    let locator = members.get("locator").and_then(locator);
    Some(Problem { locator, ..Problem::new(stage, kind, item, what, effect) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_comes_back() {
        let kinds = [
            ProblemKind::NotFound,
            ProblemKind::NotUnderstood,
            ProblemKind::AccessDenied,
            ProblemKind::Locked,
            ProblemKind::ReadFailed,
            ProblemKind::Truncated { offset: 1, expected: 2, actual: 3 },
            ProblemKind::BadSignature { offset: 1, expected: "a".into(), actual: "b".into() },
            ProblemKind::BadChecksum { offset: u64::MAX },
            ProblemKind::UnsupportedVersion { found: "x".into() },
            ProblemKind::OutOfRange { raw: "y".into() },
            ProblemKind::Inconsistent { a: "a".into(), b: "b".into() },
            ProblemKind::Dirty,
            ProblemKind::LimitReached,
            ProblemKind::ParserPanicked,
            ProblemKind::Interrupted,
        ];
        for kind in kinds {
            let problem = Problem::new(Stage::Acquire, kind, r"C:\a", "what", "effect")
                .at(Locator::ByteRange { offset: 5, length: 6 });
            let line = serde_json::to_string(&to_json(&problem)).unwrap();
            assert_eq!(from_json(&serde_json::from_str(&line).unwrap()), Some(problem));
        }
        assert_eq!(from_json(&json!({"stage": "acquire", "kind": "other"})), None);
    }
}
