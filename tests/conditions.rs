//! The build script of every crate: which tests can run, so that the others are counted as ignored, with their reason,
//! instead of passing without having done anything.
//!
//! A condition holds where its variable is set, and where one of the `_REQUIRED` ones demands it: then nothing is ignored,
//! and a test that lacks what it needs fails and says what that is.

#![allow(clippy::disallowed_macros, clippy::disallowed_methods, clippy::disallowed_types)]

/// The name of each condition, the variables that make it hold.
const CONDITIONS: [(&str, &[&str]); 4] = [
    // Real evidence of other people, in this folder.
    ("corpus", &["COMTRAIL_CORPUS", "COMTRAIL_CORPUS_REQUIRED"]),
    // The disk that was composed of it.
    ("composite", &["COMTRAIL_COMPOSITE", "COMTRAIL_CORPUS_REQUIRED"]),
    // The Windows program, and Wine.
    ("windows_program", &["COMTRAIL_WINDOWS_EXE", "COMTRAIL_WINDOWS_REQUIRED"]),
    // Programs of other people: Chromium, unzip, 7z, qemu-img, Python with its libraries, and a system that lets mount.
    ("foreign", &["COMTRAIL_FOREIGN_REQUIRED"]),
];

fn main() {
    println!("cargo:rerun-if-changed=../tests/conditions.rs");
    for (condition, variables) in CONDITIONS {
        println!("cargo:rustc-check-cfg=cfg({condition})");
        for variable in variables {
            println!("cargo:rerun-if-env-changed={variable}");
        }
        if variables.iter().any(|variable| std::env::var_os(variable).is_some_and(|value| !value.is_empty())) {
            println!("cargo:rustc-cfg={condition}");
        }
    }
}
