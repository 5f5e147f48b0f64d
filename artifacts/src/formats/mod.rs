//! On-disk layouts as typed values, without meaning: an artifact file says what they mean.

pub mod evtx;
pub mod mam;
pub mod scca;
