//! Opens a source of evidence, finds the declared locations in it, acquires them, and writes and verifies
//! the bundle. It never interprets an artifact.

pub mod source;
