//! Logon sessions.

use super::token::sid_text;
use super::{Untyped, function};
use std::ffi::c_void;
use std::io;
use std::ptr::null_mut;
use windows_sys::Win32::Foundation::LUID;
use windows_sys::Win32::Security::Authentication::Identity::{LSA_UNICODE_STRING, SECURITY_LOGON_SESSION_DATA};

/// One logon session.
pub(crate) struct Session {
    pub(crate) logon_id: u64,
    pub(crate) user: String,
    pub(crate) domain: String,
    pub(crate) package: String,
    pub(crate) kind: u32,
    pub(crate) session: u32,
    pub(crate) sid: Option<String>,
    /// FILETIME ticks of the logon.
    pub(crate) logon: u64,
}

/// Every logon session, and how many of them the system would not describe.
pub(crate) fn sessions() -> io::Result<(Vec<Session>, usize)> {
    type Enumerate = unsafe extern "system" fn(*mut u32, *mut *mut LUID) -> i32;
    type Describe = unsafe extern "system" fn(*const LUID, *mut *mut SECURITY_LOGON_SESSION_DATA) -> i32;
    type Free = unsafe extern "system" fn(*mut c_void) -> i32;
    let of = |name| function("secur32.dll", name);
    let (enumerate, describe, free) =
        (of(c"LsaEnumerateLogonSessions")?, of(c"LsaGetLogonSessionData")?, of(c"LsaFreeReturnBuffer")?);
    // SAFETY: the three functions have these signatures.
    let (enumerate, describe, free) = unsafe {
        (
            std::mem::transmute::<Untyped, Enumerate>(enumerate),
            std::mem::transmute::<Untyped, Describe>(describe),
            std::mem::transmute::<Untyped, Free>(free),
        )
    };
    let (mut count, mut list) = (0, null_mut());
    // SAFETY: both pointers are to live variables.
    let status = unsafe { enumerate(&mut count, &mut list) };
    if status < 0 {
        return Err(io::Error::other(format!("LsaEnumerateLogonSessions: status {status:#010x}")));
    }
    let (mut sessions, mut refused) = (Vec::new(), 0);
    for index in 0..count as usize {
        let mut data = null_mut();
        // SAFETY: the list holds `count` ids; the other pointer is to a live variable.
        let status = unsafe { describe(list.add(index), &mut data) };
        if status < 0 || data.is_null() {
            refused += 1;
            continue;
        }
        // SAFETY: the system gave a complete structure, which is freed below, after its last use.
        let one = unsafe { &*data };
        sessions.push(Session {
            logon_id: (one.LogonId.HighPart as u32 as u64) << 32 | u64::from(one.LogonId.LowPart),
            user: lsa_text(&one.UserName),
            domain: lsa_text(&one.LogonDomain),
            package: lsa_text(&one.AuthenticationPackage),
            kind: one.LogonType,
            session: one.Session,
            sid: (!one.Sid.is_null()).then(|| sid_text(one.Sid).ok()).flatten(),
            logon: u64::try_from(one.LogonTime).unwrap_or(0),
        });
        // SAFETY: the buffer came from the call above and is not used any more.
        unsafe { free(data.cast()) };
    }
    if !list.is_null() {
        // SAFETY: the list came from the call above and is not used any more.
        unsafe { free(list.cast()) };
    }
    Ok((sessions, refused))
}

/// A text of the security authority, with its length in bytes.
fn lsa_text(text: &LSA_UNICODE_STRING) -> String {
    if text.Buffer.is_null() {
        return String::new();
    }
    // SAFETY: the system says how long the text is, and the buffer that it lies in is not freed yet.
    String::from_utf16_lossy(unsafe { std::slice::from_raw_parts(text.Buffer, usize::from(text.Length) / 2) })
}
