//! What the console tells: Ctrl-C and Ctrl-Break, and that it is closed, the user logs off or the system shuts down.

use super::checked;
use std::io;
use std::sync::OnceLock;
use std::time::Duration;
use windows_sys::Win32::System::Console::{
    CTRL_BREAK_EVENT, CTRL_C_EVENT, CTRL_CLOSE_EVENT, CTRL_LOGOFF_EVENT, CTRL_SHUTDOWN_EVENT, SetConsoleCtrlHandler,
};
use windows_sys::core::BOOL;

static TOLD: OnceLock<fn(bool)> = OnceLock::new();

/// Calls for each of these events, on a thread of its own, with whether the system ends this program within seconds.
///
/// Reference: Microsoft, *HandlerRoutine callback function*: for the last three the program ends as soon as the handler
/// returns, and after some seconds even if it does not.
pub(crate) fn on_console_event(told: fn(bool)) -> io::Result<()> {
    TOLD.get_or_init(|| told);
    // SAFETY: the handler is a function of this program and stays for as long as it runs.
    checked(unsafe { SetConsoleCtrlHandler(Some(handler), 1) })
}

unsafe extern "system" fn handler(event: u32) -> BOOL {
    let Some(told) = TOLD.get() else { return 0 };
    match event {
        CTRL_C_EVENT | CTRL_BREAK_EVENT => told(false),
        CTRL_CLOSE_EVENT | CTRL_LOGOFF_EVENT | CTRL_SHUTDOWN_EVENT => {
            told(true);
            // While this does not return, the bundle can be sealed.
            loop {
                std::thread::sleep(Duration::from_millis(50));
            }
        }
        _ => return 0,
    }
    1
}
