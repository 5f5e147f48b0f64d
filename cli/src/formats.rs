//! Which files of the timeline are written.

use std::fmt;
use timeline::Format;

/// What stands for no file.
const NONE: &str = "none";

/// The formats, in the order in which the program knows them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Formats(Vec<&'static Format>);

/// All of them.
impl Default for Formats {
    fn default() -> Self {
        Formats(Format::ALL.to_vec())
    }
}

impl Formats {
    /// `jsonl,csv`, or `none`.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        match text {
            NONE => Ok(Formats(Vec::new())),
            _ => Self::named(text.split(',').map(str::trim)),
        }
    }

    /// Those of these names.
    pub(crate) fn named<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Self, String> {
        let mut chosen = Vec::new();
        for name in names {
            let known = || Format::ALL.iter().map(|format| format.name).collect::<Vec<_>>().join(", ");
            chosen.push(
                Format::named(name)
                    .ok_or_else(|| format!("`{name}` is no format; there are {}, or {NONE}", known()))?,
            );
        }
        Ok(Formats(Format::ALL.iter().copied().filter(|format| chosen.contains(format)).collect()))
    }

    /// Each of them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &'static Format> {
        self.0.iter().copied()
    }
}

impl fmt::Display for Formats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.iter().map(|format| format.name).collect();
        f.write_str(if names.is_empty() { NONE } else { "" })?;
        f.write_str(&names.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_as_they_are_written() {
        assert_eq!(Formats::parse("jsonl,csv,body"), Ok(Formats::default()));
        for (text, shown) in [("body,jsonl", "jsonl,body"), ("csv", "csv"), ("csv, csv", "csv"), ("none", "none")] {
            assert_eq!(Formats::parse(text).unwrap().to_string(), shown);
        }
        for wrong in ["", "xml", "csv,", "none,csv", "CSV"] {
            assert!(Formats::parse(wrong).unwrap_err().contains("jsonl, csv, body, or none"), "{wrong}");
        }
    }
}
