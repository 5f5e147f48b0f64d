//! The event log service.

use super::{checked, function, wide};
use std::ffi::c_void;
use std::io;
use std::ptr::null;

/// Copies a channel of the event log into a file, as the service itself reads it.
pub(crate) fn export_log(channel: &str, to: &str) -> io::Result<()> {
    /// The path is the name of a channel; errors in the query are tolerated.
    const CHANNEL_PATH: u32 = 1;
    const TOLERATE: u32 = 0x1000;
    type Export = unsafe extern "system" fn(*const c_void, *const u16, *const u16, *const u16, u32) -> i32;
    let function = function("wevtapi.dll", c"EvtExportLog")?;
    // SAFETY: EvtExportLog has this signature.
    let call: Export = unsafe { std::mem::transmute(function) };
    // SAFETY: all texts end with a zero and live through the call; no session means this machine.
    checked(unsafe {
        call(null(), wide(channel).as_ptr(), wide("*").as_ptr(), wide(to).as_ptr(), CHANNEL_PATH | TOLERATE)
    })
}
