//! On-disk layouts as typed values, without meaning: an artifact file says what they mean.

pub mod hive;
pub mod mam;
pub mod scca;
