//! Small hosts, each for one rule: `fixtures/cases/<name>.zip`, with what happened in words and what a right analysis says in
//! `<name>.json`. The programs in `fixtures/build` that end with `_cases.py` write them.

use crate::program::{comtrail, text};
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/cases")
}

/// What stands at a pointer; at one that ends with `/#` the length of the list.
fn told(report: &Value, pointer: &str) -> Value {
    match pointer.strip_suffix("/#") {
        Some(list) => Value::from(report.pointer(list).and_then(Value::as_array).map(Vec::len)),
        None => report.pointer(pointer).cloned().unwrap_or_default(),
    }
}

/// Whether a value is the expected one: the same, or a text (or a list or an object, as text) that has or lacks some words.
fn agrees(value: &Value, expected: &Value) -> bool {
    let words = |name: &str| expected.get(name).and_then(Value::as_str);
    let shown = || value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    match (words("has"), words("lacks")) {
        (Some(has), _) => shown().contains(has),
        (_, Some(lacks)) => !value.is_null() && !shown().contains(lacks),
        _ => value == expected,
    }
}

fn check(name: &str) {
    let case: Value = serde_json::from_slice(&std::fs::read(folder().join(format!("{name}.json"))).unwrap()).unwrap();
    let out = tempfile::tempdir().unwrap();
    let to = out.path().join("case");
    let source = folder().join(format!("{name}.zip"));
    let output = comtrail(&["run", text(&source), "-o", text(&to), "--quiet"]);
    let status = output.status.code();
    assert!(matches!(status, Some(0 | 2)), "exit {status:?}: {}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&std::fs::read(to.join("report.json")).unwrap()).unwrap();
    let expected: &Map<String, Value> = case["expect"].as_object().unwrap();
    assert!(!expected.is_empty());
    let mut wrong: Vec<String> = expected
        .iter()
        .map(|(pointer, expected)| (pointer, told(&report, pointer), expected))
        .filter(|(_, value, expected)| !agrees(value, expected))
        .map(|(pointer, value, expected)| format!("{pointer}: {value}, and right is {expected}"))
        .collect();
    if let Some(exit) = case.get("exit").filter(|exit| exit.as_i64() != status.map(i64::from)) {
        wrong.push(format!("exit {status:?}, and right is {exit}"));
    }
    assert!(wrong.is_empty(), "{}\n{}", case["told"], wrong.join("\n"));
}

/// One test for each case, named as the case is.
macro_rules! cases {
    ($($name:ident)*) => {
        $(#[test] fn $name() { check(stringify!($name)); })*
        const TESTED: &[&str] = &[$(stringify!($name)),*];
    };
}

cases! {
    j_11_a_target_account_that_is_not_set_is_not_the_user
}

#[test]
fn every_case_has_its_test() {
    let mut cases: Vec<String> = std::fs::read_dir(folder())
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().into_string().unwrap().strip_suffix(".json").map(str::to_owned))
        .collect();
    cases.sort();
    let mut tested = TESTED.to_vec();
    tested.sort_unstable();
    assert_eq!(cases, tested);
}
