//! What is kept in registry hives.

pub(crate) mod com_registration;
pub(crate) mod event_log_file;
pub(crate) mod host;
