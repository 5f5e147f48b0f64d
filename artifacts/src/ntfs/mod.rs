//! What the file system keeps about files.

pub(crate) mod mft;
pub(crate) mod usn_journal;
mod wanted;
