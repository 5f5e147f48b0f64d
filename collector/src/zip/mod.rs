//! Zip archives: the bundle, and archives that serve as a source.

pub(crate) mod reader;
pub(crate) mod writer;
