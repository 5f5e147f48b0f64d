//! What gzip packed: a tar archive, a disk image, or anything else.
//!
//! Reference: RFC 1952.

use super::{Candidate, Opened, Refusal};
use crate::zip::inflating::{Inflating, gzip_stream};
use evidence::{Bytes, Problem, ProblemKind, Stage, name};
use std::sync::Arc;

/// Whether it begins as a gzip file does, with flags that are known.
pub(super) fn probe(candidate: &Candidate<'_>) -> bool {
    candidate.head.starts_with(&[0x1F, 0x8B, 8]) && candidate.head.get(3).is_some_and(|flags| flags & 0xE0 == 0)
}

/// The name that the file has when it is unpacked.
fn inner_name(packed: &str) -> String {
    let cut = |end: &str| {
        let at = packed.len().checked_sub(end.len()).filter(|at| packed.is_char_boundary(*at))?;
        packed[at..].eq_ignore_ascii_case(end).then(|| packed[..at].to_owned())
    };
    if let Some(stem) = cut(".tgz") {
        return format!("{stem}.tar");
    }
    [".gzip", ".gz"]
        .iter()
        .find_map(|end| cut(end))
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| packed.to_owned())
}

/// Reads it to its end once, to know how long it is and whether it is whole.
pub(super) fn open(candidate: &Candidate<'_>) -> Result<Opened, Refusal> {
    let advice = "unpack what can be with gzip and give that";
    let refuse = |error: std::io::Error| Refusal::new(format!("it is a gzip file, but {error}"), advice);
    if gzip_stream(&*candidate.bytes, 0).map_err(refuse)?.is_none() {
        return Err(Refusal::new("it begins like a gzip file, but its header is cut", advice));
    }
    let bytes = Inflating::gzip(candidate.bytes.clone(), candidate.spill).map_err(refuse)?;
    let flaw = bytes.flaw();
    if bytes.is_empty() {
        let why = flaw
            .map_or_else(|| "it is a gzip file of nothing".to_owned(), |flaw| format!("it is a gzip file, but {flaw}"));
        return Err(Refusal::new(why, advice));
    }
    let problem = |kind, what, effect: &str| {
        Problem::new(
            Stage::Source,
            kind,
            name::shown(candidate.name),
            format!("the gzip file is damaged: {what}"),
            effect,
        )
    };
    let wrong = flaw.map(|flaw| {
        let effect =
            "what could be unpacked is used as it is; some of it can be wrong, and what would follow is missing";
        problem(ProblemKind::BadChecksum { offset: 0 }, flaw, effect)
    });
    let behind = bytes.behind().map(|what| problem(ProblemKind::NotUnderstood, what, "they are not examined"));
    let problems = wrong.into_iter().chain(behind).collect();
    Ok(Opened::One(Arc::new(bytes), inner_name(candidate.name), problems))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_what_is_in_it() {
        for (packed, name) in [
            ("host.tar.gz", "host.tar"),
            ("HOST.TGZ", "HOST.tar"),
            ("disk.raw.GZ", "disk.raw"),
            ("x", "x"),
            (".gz", ".gz"),
            ("é.gz", "é"),
            ("a\u{1f600}", "a\u{1f600}"),
        ] {
            assert_eq!(inner_name(packed), name);
        }
    }

    fn open_file(name: &str, bytes: Vec<u8>) -> Result<Opened, Refusal> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, &bytes).unwrap();
        let store: Arc<dyn crate::source::tree::Store> = Arc::new(crate::source::tree::Folder::new(folder.path()));
        let spill = crate::Spill::into_folder(folder.path());
        let candidate = Candidate::new(&store, "", name, Some(&path), Arc::new(bytes), &spill).unwrap();
        super::super::open(&candidate).map(|opened| opened.expect("it is recognised"))
    }

    fn packed(data: &[u8]) -> Vec<u8> {
        use std::io::Write;
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn one_file_comes_out_and_what_is_wrong_is_said() {
        let data: Vec<u8> = (0..700_000u32).flat_map(u32::to_le_bytes).collect();
        let whole = packed(&data);
        let Ok(Opened::One(bytes, name, problems)) = open_file("disk.raw.gz", whole.clone()) else { panic!() };
        assert_eq!((bytes.len(), name.as_str(), problems), (data.len() as u64, "disk.raw", Vec::new()));
        let mut last = [0; 4];
        bytes.read_full_at(data.len() as u64 - 4, &mut last).unwrap();
        assert_eq!(u32::from_le_bytes(last), 699_999);
        let mut middle = [0; 4];
        bytes.read_full_at(4_000, &mut middle).unwrap();
        assert_eq!(u32::from_le_bytes(middle), 1_000, "behind the front");
        let Ok(Opened::One(bytes, _, problems)) = open_file("a.gz", whole[..whole.len() / 2].to_vec()) else {
            panic!()
        };
        assert!(bytes.len() > 100_000 && problems[0].what.contains("ends early"), "{problems:?}");
        assert!(open_file("a.gz", packed(b"")).is_err_and(|refusal| refusal.why.contains("of nothing")));
    }
}
