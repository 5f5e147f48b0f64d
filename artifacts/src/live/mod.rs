//! What a running host is asked.

pub(crate) mod volatile;
