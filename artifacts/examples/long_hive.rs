//! Writes a SOFTWARE hive of so many MiB with so many managed classes, to measure what reading it takes:
//! `cargo run -p artifacts --example long_hive -- 900 5000 SOFTWARE`.

#![allow(clippy::disallowed_macros, clippy::disallowed_methods, clippy::disallowed_types)]

#[path = "../src/formats/hive/long_hive.rs"]
#[allow(dead_code)]
mod long_hive;

use evidence::Bytes;
use std::io::Write;

fn main() -> std::io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [length, classes, path] = arguments.as_slice() else {
        return Err(std::io::Error::other("usage: long_hive MIB CLASSES PATH"));
    };
    let number = |text: &str| text.parse::<u64>().map_err(std::io::Error::other);
    let hive = long_hive::LongHive::new(number(length)? << 20, number(classes)?);
    let mut file = std::io::BufWriter::new(std::fs::File::create_new(path)?);
    let mut buffer = vec![0; 4096];
    let mut offset = 0;
    while offset < hive.len() {
        let read = hive.read_full_at(offset, &mut buffer)?;
        file.write_all(&buffer[..read])?;
        offset += read as u64;
    }
    file.flush()
}
