//! Windows XML event log files: header, chunks, records and their binary XML.
//!
//! Reference: libyal, *Windows XML Event Log (EVTX) format*; Microsoft, [MS-EVEN6] section 2.2.12 *BinXml*.

mod binxml;
mod chunk;
mod value;

pub use binxml::{Element, Node, OnValue, RenderError, SystemValues, Templates};
pub use chunk::{CHUNK_SIZE, Chunk, FileHeader, RawRecord};
pub use value::RawValue;
