//! Every file of the real corpus against what other people's tools say about it.
//!
//! The corpus is not part of the project. `COMTRAIL_CORPUS` names its unpacked folder; without it these tests are
//! ignored, and with `COMTRAIL_CORPUS_REQUIRED=1` a missing corpus is a failure.

mod assembly;
mod event_log;
mod ntfs;
mod prefetch;
mod registry;
mod signature;
mod volumes;

use artifacts::formats::pe::Pe;
use sha2::Digest;
use std::path::{Path, PathBuf};

/// The corpus folder.
pub(crate) fn folder() -> PathBuf {
    std::env::var_os("COMTRAIL_CORPUS").expect("COMTRAIL_CORPUS names the unpacked corpus").into()
}

/// The digest of a program's image as Authenticode takes it.
pub(crate) fn image_digest<D: Digest>(pe: &Pe<'_>, bytes: &[u8]) -> Vec<u8> {
    let mut digest = D::new();
    for range in pe.image_ranges().unwrap() {
        digest.update(&bytes[range.start as usize..range.end as usize]);
    }
    digest.finalize().to_vec()
}

/// Every line of every ground truth file of this name, wherever it lies below `ground_truth/`.
pub(crate) fn ground_truth(corpus: &Path, name: &str) -> Vec<serde_json::Value> {
    fn visit(folder: &Path, name: &str, lines: &mut Vec<serde_json::Value>) {
        let mut entries: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        entries.sort();
        for entry in entries {
            if entry.is_dir() {
                visit(&entry, name, lines);
            } else if entry.file_name().is_some_and(|file| file == name) {
                let text = std::fs::read_to_string(&entry).unwrap();
                lines.extend(
                    text.lines().filter(|line| !line.is_empty()).map(|line| serde_json::from_str(line).unwrap()),
                );
            }
        }
    }
    let mut lines = Vec::new();
    visit(&corpus.join("ground_truth"), name, &mut lines);
    lines
}

/// The evidence file that a ground truth line names. `archive.7z!member` was unpacked to `archive.7z.d/member`.
pub(crate) fn evidence_file(corpus: &Path, line: &serde_json::Value) -> PathBuf {
    let name = line["file"].as_str().unwrap();
    corpus.join(name.replace('!', ".d/"))
}
