//! What the manifests say.

use super::rows::Row;
use super::{Check, MANIFESTS, OPTIONAL, TAG_FILES, TAG_MANIFEST, WrongKind};
use crate::digest::{of_hex, sha256};
use crate::spill::Sorter;
use evidence::hex;
use std::fmt::Write;
use std::io;

/// The digest and the path of a line, if it is written as this program writes it.
fn entry(line: &str, is_sha256: bool) -> Option<(Vec<u8>, &str)> {
    let (text, path) = line.split_once("  ")?;
    let digest = match is_sha256 {
        true => of_hex::<32>(text)?.to_vec(),
        false => of_hex::<64>(text)?.to_vec(),
    };
    // No name in a bag has a letter that a manifest would have to write in another way.
    (!path.is_empty() && !path.contains(['%', '\r'])).then_some((digest, path))
}

impl Check<'_> {
    pub(super) fn manifests(&mut self, rows: &mut Sorter) -> io::Result<()> {
        let there = OPTIONAL.map(|name| self.tags.contains_key(name));
        if there[0] != there[1] {
            let missing = OPTIONAL[usize::from(there[0])];
            self.wrong(WrongKind::Missing, missing, "is missing, although the bundle has other digests of SHA-512");
        }
        let mut pushed = Ok(());
        for (index, name) in MANIFESTS.into_iter().enumerate() {
            let is_sha256 = name.contains("sha256");
            let is_of_tags = name.starts_with("tag");
            let mut before = String::new();
            self.each_line(name, |check, number, line| {
                let Some((digest, path)) = entry(line, is_sha256) else {
                    check.wrong(
                        WrongKind::Metadata,
                        name,
                        format!("line {number} is not written as a manifest entry is"),
                    );
                    return;
                };
                if path <= before.as_str() {
                    check.wrong(WrongKind::Metadata, name, format!("line {number} is not in the order of the paths"));
                }
                if path.starts_with("data/") == is_of_tags {
                    let what = if is_of_tags {
                        "is payload, and listed among the tag files"
                    } else {
                        "is no payload, and listed as such"
                    };
                    check.wrong(WrongKind::Metadata, path, format!("{what} in {name}"));
                }
                path.clone_into(&mut before);
                if pushed.is_ok() {
                    pushed = rows.push(path.as_bytes(), &Row::Stated(index as u8, digest).to_bytes());
                }
            });
        }
        pushed
    }

    /// The tag manifests, which nothing else lists, have to be what this program writes of the files that are there.
    pub(super) fn tag_manifests(&mut self) -> io::Result<()> {
        let mut listed: Vec<&str> = TAG_FILES
            .into_iter()
            .filter(|tag| !tag.starts_with("tagmanifest-"))
            .filter(|tag| self.tags.contains_key(tag))
            .collect();
        listed.sort_unstable();
        for name in [TAG_MANIFEST, OPTIONAL[1]] {
            let Some(actual) = self.digests.get(name) else { continue };
            let mut text = String::new();
            for path in &listed {
                let Some(digested) = self.digests.get(path) else { continue };
                let digest = match name == TAG_MANIFEST {
                    true => hex(&digested.sha256),
                    false => digested.sha512.map(|sha512| hex(&sha512)).unwrap_or_default(),
                };
                let _ = writeln!(text, "{digest}  {path}");
            }
            if sha256(text.as_bytes()) != actual.sha256 {
                let what =
                    "does not list exactly the files that are there, with their digests, as this program writes it";
                self.wrong(WrongKind::Metadata, name, what);
            }
        }
        self.report.tag_manifest_sha256 = self.digests.get(TAG_MANIFEST).map(|digested| hex(&digested.sha256));
        Ok(())
    }
}
