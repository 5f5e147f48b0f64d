//! Zip archives: the bundle, and archives that serve as a source.

mod huffman;
pub(crate) mod inflate;
pub(crate) mod inflating;
pub(crate) mod reader;
pub(crate) mod writer;
