//! Zip archives: the bundle, and archives that serve as a source.

pub(crate) mod blocks;
pub(crate) mod central;
mod huffman;
pub(crate) mod inflate;
pub(crate) mod inflating;
pub(crate) mod member;
pub(crate) mod names;
pub(crate) mod reader;
pub(crate) mod salvage;
pub(crate) mod scan;
pub(crate) mod strict;
#[cfg(test)]
pub(crate) mod tests;
pub(crate) mod writer;
