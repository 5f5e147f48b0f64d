//! Bundles that were changed in every way that could be thought of.

use super::*;
use crate::Error;
use crate::bundle::verify_bytes;
use crate::run::tests::collect_named;
use crate::source::faulty::{Faulty, FaultyTree};
use crate::zip::writer::{Packing, ZipWriter};
use serde_json::Value;
use std::io::{Cursor, Write};
use std::sync::Arc;

mod flowing;
mod forged;
mod mutated;
mod shaped;
mod unpacked;
mod while_read;

static NEVER: AtomicBool = AtomicBool::new(false);

fn said_of(bytes: &[u8]) -> Result<VerifyReport, Error> {
    verify_bytes(Arc::new(bytes.to_vec()), Path::new("bundle"), &NEVER, &crate::Silent)
}

/// What is wrong with the bundle, in words.
fn wrong(bytes: &[u8]) -> Vec<String> {
    match said_of(bytes) {
        Ok(report) => report.wrong.iter().map(ToString::to_string).collect(),
        Err(error) => vec![error.to_string()],
    }
}

fn bundle_of(files: Vec<(&'static str, Faulty)>) -> Vec<u8> {
    let source = FaultyTree::new(files).source();
    let (_folder, collected) = collect_named(&source, &|_| Vec::new(), &NEVER, &crate::Silent);
    std::fs::read(&collected.path).unwrap()
}

/// A small bundle: a file that is compressed, one that is not, an empty one, and one with an unreadable sector.
fn small() -> Vec<u8> {
    let text = b"Reg".repeat(100);
    let partial = Faulty::new(vec![7; 1500]).bad(std::slice::from_ref(&(512..1024)));
    bundle_of(vec![
        ("a.log", Faulty::new(text)),
        ("b.bin", Faulty::new((0..40).collect())),
        ("c.empty", Faulty::new(Vec::new())),
        ("d.bad", partial),
    ])
}

/// The same with a file whose hole of 2 MiB is left out.
fn with_hole() -> Vec<u8> {
    let mut data = vec![0; 3 << 20];
    data[..100].fill(1);
    data[3 << 20 >> 1..].iter_mut().take(100).for_each(|byte| *byte = 2);
    let data_at = std::iter::once(0..100).chain(std::iter::once(3 << 19..(3 << 19) + 100));
    let ranges: Vec<_> = data_at.collect();
    bundle_of(vec![("a.log", Faulty::new(b"text".repeat(50))), ("sparse", Faulty::new(data).ranges(&ranges))])
}

/// The files of a bundle, in their order, as another program reads them.
fn files(bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
    (0..archive.len())
        .map(|index| {
            let mut file = archive.by_index(index).unwrap();
            let mut content = Vec::new();
            file.read_to_end(&mut content).unwrap();
            (file.name().unwrap().into_owned(), content)
        })
        .collect()
}

/// An archive of these files in the form in which this program writes it.
fn packed(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()), &Spill::into_folder(&std::env::temp_dir()));
    for (name, content) in files {
        let mut packing = Packing::new(name.clone(), false);
        packing.write_all(content).unwrap();
        zip.add(packing.finish().unwrap()).unwrap();
    }
    zip.finish().unwrap().into_inner()
}
