//! On-disk layouts as typed values, without meaning: an artifact file says what they mean.

pub mod cli;
pub mod evtx;
pub mod hive;
pub mod mam;
pub(crate) mod note;
pub mod pages;
pub mod pe;
pub mod scca;
pub(crate) mod signature;
pub(crate) mod task_cache;
