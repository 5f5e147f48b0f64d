//! The action log: what was done, in order, each line bound to the one before by a hash.
//!
//! `hash` is the SHA-256 of `prev_hash` (as hexadecimal text) followed by the line itself without its member `hash`,
//! in the canonical form of RFC 8785: members sorted by name, no spaces. The first `prev_hash` is 64 zeros. The last
//! hash stands in `bag-info.txt`, so a line that is changed, removed or added later is seen.

use crate::digest::sha256;
use crate::spill::{Spill, Spool};
use evidence::{Filetime, hex};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{self, BufRead, Read, Write};

/// `prev_hash` of the first line.
const START: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// Writes the log.
pub(crate) struct ActionLog {
    lines: Spool,
    last: String,
    count: u64,
}

fn canonical(entry: &BTreeMap<&str, Value>) -> String {
    // Our members are texts and numbers below 2^53 under ASCII names; for these, serde_json's compact form of a
    // sorted map is the canonical one.
    serde_json::to_string(entry).unwrap_or_default()
}

impl ActionLog {
    pub(crate) fn new(spill: &Spill) -> Self {
        ActionLog { lines: Spool::new(spill), last: START.to_owned(), count: 0 }
    }

    /// Goes on with a log whose lines are given as they stand there; `false`, and the line is not taken, where it does not
    /// continue the chain.
    pub(crate) fn follow(&mut self, line: &Value) -> io::Result<bool> {
        let text = format!("{}\n", serde_json::to_string(line)?);
        let Ok(last) = check_from(text.as_bytes(), (&self.last, self.count)) else { return Ok(false) };
        self.lines.push(text.as_bytes())?;
        self.last = last;
        self.count += 1;
        Ok(true)
    }

    /// Adds a line and gives it. Members of `about` come to `seq`, `t_utc`, `action`, `object` and `result`.
    pub(crate) fn add(
        &mut self,
        now: Filetime,
        action: &str,
        object: &str,
        result: &str,
        about: &[(&'static str, Value)],
    ) -> io::Result<Value> {
        let mut entry: BTreeMap<&str, Value> = about.iter().map(|(name, value)| (*name, value.clone())).collect();
        entry.insert("seq", self.count.into());
        entry.insert("t_utc", now.to_string().into());
        entry.insert("action", action.into());
        entry.insert("object", object.into());
        entry.insert("result", result.into());
        entry.insert("prev_hash", self.last.clone().into());
        let hash = hex(&sha256(format!("{}{}", self.last, canonical(&entry)).as_bytes()));
        entry.insert("hash", hash.clone().into());
        self.lines.push(format!("{}\n", canonical(&entry)).as_bytes())?;
        self.last = hash;
        self.count += 1;
        Ok(Value::Object(entry.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()))
    }

    /// The last hash.
    pub(crate) fn head(&self) -> &str {
        &self.last
    }

    /// Copies the log.
    pub(crate) fn write_to(&mut self, sink: &mut dyn Write) -> io::Result<()> {
        io::copy(&mut self.lines.read(0)?, sink).map(|_| ())
    }
}

/// Longest line that is checked.
const MAX_LINE: u64 = 1 << 20;

/// Checks the chain; gives the last hash, or which line (counted from 1) is the first wrong one and why.
pub(crate) fn check(log: impl BufRead) -> Result<String, (u64, String)> {
    check_from(log, (START, 0))
}

/// The same for lines that follow one with this hash and as many lines in all.
fn check_from(mut log: impl BufRead, (last, before): (&str, u64)) -> Result<String, (u64, String)> {
    let mut last = last.to_owned();
    let mut line = Vec::new();
    for number in 1u64.. {
        line.clear();
        let read = (&mut log).take(MAX_LINE).read_until(b'\n', &mut line).map_err(|e| (number, e.to_string()))?;
        if read == 0 {
            break;
        }
        let mut entry: BTreeMap<String, Value> =
            serde_json::from_slice(&line).map_err(|error| (number, format!("it is no JSON object: {error}")))?;
        let hash = entry.remove("hash").and_then(|hash| hash.as_str().map(str::to_owned));
        if entry.get("prev_hash").and_then(Value::as_str) != Some(&last) {
            return Err((number, "its prev_hash is not the hash of the line before".to_owned()));
        }
        if entry.get("seq").and_then(Value::as_u64) != Some(before + number - 1) {
            return Err((number, format!("its seq is not {}", before + number - 1)));
        }
        let borrowed: BTreeMap<&str, Value> =
            entry.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
        last = hex(&sha256(format!("{last}{}", canonical(&borrowed)).as_bytes()));
        if hash.as_deref() != Some(&last) {
            return Err((number, "its hash does not match what it says".to_owned()));
        }
    }
    Ok(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_change_breaks_the_chain() {
        let mut log = ActionLog::new(&Spill::into_folder(&std::env::temp_dir()));
        for number in 0..3u64 {
            log.add(Filetime(number), "acquire", r"C:\a", "complete", &[("bytes", number.into())]).unwrap();
        }
        let mut text = Vec::new();
        log.write_to(&mut text).unwrap();
        assert_eq!(check(text.as_slice()).as_deref(), Ok(log.head()));
        let lines: Vec<&str> = std::str::from_utf8(&text).unwrap().lines().collect();
        let removed = format!("{}\n{}\n", lines[0], lines[2]);
        assert_eq!(check(removed.as_bytes()).unwrap_err().0, 2);
        let changed = String::from_utf8(text.clone()).unwrap().replacen("\"bytes\":1", "\"bytes\":7", 1);
        assert_eq!(check(changed.as_bytes()).unwrap_err().0, 2);
        let swapped = format!("{}\n{}\n", lines[1], lines[0]);
        assert_eq!(check(swapped.as_bytes()).unwrap_err().0, 1);
    }

    /// The first line by hand: printf '%s%s' 000…000 '{…}' | sha256sum.
    #[test]
    fn the_hash_is_that_of_the_text() {
        let mut log = ActionLog::new(&Spill::into_folder(&std::env::temp_dir()));
        log.add(Filetime(0), "begin", "", "ok", &[]).unwrap();
        let text = format!(
            "{START}{{\"action\":\"begin\",\"object\":\"\",\"prev_hash\":\"{START}\",\"result\":\"ok\",\"seq\":0,\
             \"t_utc\":\"1601-01-01T00:00:00.0000000Z\"}}"
        );
        assert_eq!(log.head(), hex(&sha256(text.as_bytes())));
    }
}
