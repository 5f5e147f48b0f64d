//! Windows XML event log files: header, chunks, records and their binary XML.
//!
//! Nothing here allocates by a number that the file gives, and every walk has a budget: a chunk is 64 KiB, and all that
//! it describes must fit in there.
//!
//! Reference: libyal, *Windows XML Event Log (EVTX) format*; Microsoft, [MS-EVEN6] section 2.2.12 *BinXml*.

mod chunk;
mod event;
mod template;
mod value;

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) mod writer;

pub use chunk::{CHUNK_SIZE, Chunk, FileHeader, RawRecord};
pub use event::{Event, Events, StoredOrigin, Values};
pub use template::{Label, Naming, Part, Place, Undecodable};
pub use value::RawValue;
