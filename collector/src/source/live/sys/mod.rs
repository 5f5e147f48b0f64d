//! The calls into Windows that std does not wrap: the one module of this project with `unsafe` code, a file for each
//! part of the system.
//!
//! Every function is safe to call, checks what the system returns, and gives an [`io::Error`] with the system's code
//! where it refuses. Buffers are owned by Rust, their lengths come from Rust, and handles are closed when they are
//! dropped. What lies beyond the libraries that are always loaded is taken from System32 only, by full search flags, so
//! that a library planted beside the program is never loaded.
//!
//! Reference: Microsoft, *Windows API* pages of each function named.
#![allow(unsafe_code)]

mod console;
mod drive;
mod event_log;
mod network;
mod process;
mod registry;
mod service;
mod session;
mod shadow;
mod token;

pub(crate) use console::on_console_event;
pub(crate) use drive::{Drive, DriveKind, drives};
pub(crate) use event_log::export_log;
pub(crate) use network::{Connection, connections, dns_cache};
pub(crate) use process::{Listed, Process, modules, processes};
pub(crate) use registry::Key;
pub(crate) use service::{Service, services};
pub(crate) use session::{Session, sessions};
pub(crate) use shadow::ShadowCopy;
pub(crate) use token::{enable_privilege, is_elevated};

use std::io;
use std::ptr::null_mut;
use windows_sys::Win32::Foundation::{CloseHandle, FILETIME, HANDLE, INVALID_HANDLE_VALUE};
use windows_sys::Win32::System::LibraryLoader::{
    GetProcAddress, LOAD_LIBRARY_SEARCH_SYSTEM32, LoadLibraryExW, SetDefaultDllDirectories,
};
use windows_sys::Win32::System::SystemInformation::{
    GetSystemWindowsDirectoryW, GetTickCount64, IMAGE_FILE_MACHINE_AMD64, IMAGE_FILE_MACHINE_UNKNOWN,
};
use windows_sys::Win32::System::Threading::{
    GetCurrentProcess, GetProcessIoCounters, IO_COUNTERS, IsWow64Process2, PROCESS_MODE_BACKGROUND_BEGIN,
    SetPriorityClass,
};
use windows_sys::Win32::System::WindowsProgramming::GetComputerNameW;

/// What the system said about the last call.
fn last() -> io::Error {
    io::Error::last_os_error()
}

fn checked(result: i32) -> io::Result<()> {
    if result == 0 { Err(last()) } else { Ok(()) }
}

/// Text for Windows: UTF-16 with a zero behind it.
fn wide(text: &str) -> Vec<u16> {
    text.encode_utf16().chain([0]).collect()
}

/// Text from Windows, up to the first zero.
fn text(units: &[u16]) -> String {
    let end = units.iter().position(|unit| *unit == 0).unwrap_or(units.len());
    String::from_utf16_lossy(&units[..end])
}

fn ticks(time: FILETIME) -> u64 {
    u64::from(time.dwHighDateTime) << 32 | u64::from(time.dwLowDateTime)
}

/// A kernel handle that is closed when it is dropped.
struct Handle(HANDLE);

impl Handle {
    fn new(handle: HANDLE) -> io::Result<Self> {
        if handle.is_null() || handle == INVALID_HANDLE_VALUE { Err(last()) } else { Ok(Handle(handle)) }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: the handle was given to us by the system, is valid, and nobody else closes it.
        unsafe { CloseHandle(self.0) };
    }
}

/// Makes every later load of a library look in System32 only.
pub(crate) fn load_from_system_only() -> io::Result<()> {
    // SAFETY: no pointers are passed.
    checked(unsafe { SetDefaultDllDirectories(LOAD_LIBRARY_SEARCH_SYSTEM32) })
}

/// Whether this program runs under an emulation or on a machine of another architecture, so that it would see
/// redirected folders. `None` where the system cannot say (before Windows 10 1511).
pub(crate) fn is_emulated() -> Option<bool> {
    let (mut process, mut native) = (0, 0);
    // SAFETY: both pointers are to live variables of the right type; the pseudo handle is always valid.
    let told = unsafe { IsWow64Process2(GetCurrentProcess(), &mut process, &mut native) };
    (told != 0).then(|| runs_elsewhere(process, native))
}

/// Whether a program for x86-64 with this answer of the system runs on another architecture: an emulated one has a machine
/// of its own, but for x86-64 on Arm, which only the machine's shows.
fn runs_elsewhere(process: u16, native: u16) -> bool {
    process != IMAGE_FILE_MACHINE_UNKNOWN || native != IMAGE_FILE_MACHINE_AMD64
}

/// The NetBIOS name of this machine.
pub(crate) fn computer_name() -> io::Result<String> {
    let mut units = [0u16; 64];
    let mut length = units.len() as u32;
    // SAFETY: the buffer is as long as is said and lives through the call.
    checked(unsafe { GetComputerNameW(units.as_mut_ptr(), &mut length) })?;
    Ok(text(&units))
}

/// The folder that Windows is installed in.
pub(crate) fn windows_folder() -> io::Result<String> {
    let mut units = [0u16; 260];
    // SAFETY: the buffer is as long as is said and lives through the call.
    checked(unsafe { GetSystemWindowsDirectoryW(units.as_mut_ptr(), units.len() as u32) } as i32)?;
    Ok(text(&units))
}

/// Milliseconds since the machine was started.
pub(crate) fn uptime_ms() -> u64 {
    // SAFETY: no arguments.
    unsafe { GetTickCount64() }
}

/// Gives this process background priority for processor, disk and memory.
pub(crate) fn work_in_background() -> io::Result<()> {
    // SAFETY: the pseudo handle is always valid.
    checked(unsafe { SetPriorityClass(GetCurrentProcess(), PROCESS_MODE_BACKGROUND_BEGIN) })
}

/// Bytes that this process read and wrote so far, by the system's count.
pub(crate) fn io_counters() -> io::Result<(u64, u64)> {
    let mut counters = IO_COUNTERS::default();
    // SAFETY: the pointer is to a live variable of the right type; the pseudo handle is always valid.
    checked(unsafe { GetProcessIoCounters(GetCurrentProcess(), &mut counters) })?;
    Ok((counters.ReadTransferCount, counters.WriteTransferCount))
}

/// A function whose arguments are not known yet.
type Untyped = unsafe extern "system" fn() -> isize;

/// A function of a library that lies in System32 and is loaded from nowhere else.
fn function(library: &str, name: &std::ffi::CStr) -> io::Result<Untyped> {
    // SAFETY: the name ends with a zero; the flags allow System32 only. The library stays loaded, as functions of it
    // are used until the end of the program.
    let module = unsafe { LoadLibraryExW(wide(library).as_ptr(), null_mut(), LOAD_LIBRARY_SEARCH_SYSTEM32) };
    if module.is_null() {
        return Err(last());
    }
    // SAFETY: the module is loaded and the name ends with a zero.
    unsafe { GetProcAddress(module, name.as_ptr().cast()) }.ok_or_else(last)
}

/// A text of the system that ends with a zero, where there is one.
fn text_at(units: *const u16) -> String {
    if units.is_null() {
        return String::new();
    }
    let mut length = 0;
    // SAFETY: the system ends its texts with a zero; a limit guards against one that it forgot.
    while length < 32_768 && unsafe { *units.add(length) } != 0 {
        length += 1;
    }
    // SAFETY: as many units were just read.
    String::from_utf16_lossy(unsafe { std::slice::from_raw_parts(units, length) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use windows_sys::Win32::System::SystemInformation::{IMAGE_FILE_MACHINE_ARM64, IMAGE_FILE_MACHINE_I386};

    #[test]
    fn only_its_own_architecture_is_no_emulation() {
        assert!(!runs_elsewhere(IMAGE_FILE_MACHINE_UNKNOWN, IMAGE_FILE_MACHINE_AMD64));
        assert!(runs_elsewhere(IMAGE_FILE_MACHINE_UNKNOWN, IMAGE_FILE_MACHINE_ARM64), "x86-64 on Arm");
        assert!(runs_elsewhere(IMAGE_FILE_MACHINE_I386, IMAGE_FILE_MACHINE_AMD64), "32-bit");
    }
}
