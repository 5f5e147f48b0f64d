//! Tokens: whom a process runs as, and which privileges this one has.

use super::{Handle, checked, last, wide};
use std::ffi::c_void;
use std::io;
use std::ptr::{null, null_mut};
use windows_sys::Win32::Foundation::{
    ERROR_INSUFFICIENT_BUFFER, ERROR_NOT_ALL_ASSIGNED, GetLastError, HANDLE, LUID, LocalFree,
};
use windows_sys::Win32::Security::Authorization::ConvertSidToStringSidW;
use windows_sys::Win32::Security::{
    AdjustTokenPrivileges, GetTokenInformation, LookupPrivilegeValueW, SE_PRIVILEGE_ENABLED, TOKEN_ADJUST_PRIVILEGES,
    TOKEN_ELEVATION, TOKEN_ELEVATION_TYPE, TOKEN_INFORMATION_CLASS, TOKEN_MANDATORY_LABEL, TOKEN_PRIVILEGES,
    TOKEN_QUERY, TOKEN_STATISTICS, TOKEN_USER, TokenElevation, TokenElevationType, TokenIntegrityLevel, TokenSessionId,
    TokenStatistics, TokenUser,
};
use windows_sys::Win32::System::Threading::{GetCurrentProcess, OpenProcessToken};

/// A token.
struct Token(Handle);

impl Token {
    fn of(process: HANDLE, access: u32) -> io::Result<Token> {
        let mut token = null_mut();
        // SAFETY: the process handle is valid for the call and the pointer is to a live variable.
        checked(unsafe { OpenProcessToken(process, access, &mut token) })?;
        Handle::new(token).map(Token)
    }

    /// One kind of information, as the structure that the system fills, aligned for any of them.
    fn information(&self, class: TOKEN_INFORMATION_CLASS) -> io::Result<Vec<u64>> {
        let mut buffer = vec![0u64; 64];
        loop {
            let length = (buffer.len() * 8) as u32;
            let mut needed = 0;
            // SAFETY: the buffer is as long as is said, and lives through the call.
            let done = unsafe { GetTokenInformation(self.0.0, class, buffer.as_mut_ptr().cast(), length, &mut needed) };
            if done != 0 {
                return Ok(buffer);
            }
            // SAFETY: no arguments.
            let error = unsafe { GetLastError() };
            if error != ERROR_INSUFFICIENT_BUFFER || needed <= length || needed > 1 << 20 {
                return Err(last());
            }
            buffer.resize(needed as usize / 8 + 1, 0);
        }
    }
}

/// The SID that a pointer inside of a buffer of the system leads to.
pub(super) fn sid_text(sid: *mut c_void) -> io::Result<String> {
    let mut words = null_mut();
    // SAFETY: the SID was put into a live buffer by the system; the text that it allocates is freed below.
    checked(unsafe { ConvertSidToStringSidW(sid, &mut words) })?;
    let mut length = 0;
    // SAFETY: the system ends the text with a zero.
    while unsafe { *words.add(length) } != 0 {
        length += 1;
    }
    // SAFETY: as many units were just read.
    let sid = String::from_utf16_lossy(unsafe { std::slice::from_raw_parts(words, length) });
    // SAFETY: the text was allocated by the system for us, and is not used any more.
    unsafe { LocalFree(words.cast()) };
    Ok(sid)
}

/// What a token says about whom a process runs as.
#[derive(Default)]
pub(crate) struct Identity {
    /// SID of the account.
    pub(crate) user: Option<String>,
    /// SID of the mandatory label.
    pub(crate) integrity: Option<String>,
    /// 1 default, 2 full, 3 limited.
    pub(crate) elevation_type: Option<u32>,
    pub(crate) elevated: Option<bool>,
    pub(crate) session: Option<u32>,
    pub(crate) logon_id: Option<u64>,
}

pub(super) fn identity(process: HANDLE) -> io::Result<Identity> {
    let token = Token::of(process, TOKEN_QUERY)?;
    let mut identity = Identity::default();
    if let Ok(buffer) = token.information(TokenUser) {
        // SAFETY: the system filled a TOKEN_USER into a buffer that is aligned and longer; it outlives the use.
        let user = unsafe { &*buffer.as_ptr().cast::<TOKEN_USER>() };
        identity.user = sid_text(user.User.Sid).ok();
    }
    if let Ok(buffer) = token.information(TokenIntegrityLevel) {
        // SAFETY: as above, with a TOKEN_MANDATORY_LABEL.
        let label = unsafe { &*buffer.as_ptr().cast::<TOKEN_MANDATORY_LABEL>() };
        identity.integrity = sid_text(label.Label.Sid).ok();
    }
    if let Ok(buffer) = token.information(TokenElevation) {
        // SAFETY: as above, with a TOKEN_ELEVATION.
        identity.elevated = Some(unsafe { &*buffer.as_ptr().cast::<TOKEN_ELEVATION>() }.TokenIsElevated != 0);
    }
    if let Ok(buffer) = token.information(TokenElevationType) {
        // SAFETY: as above, with a TOKEN_ELEVATION_TYPE, which is a number.
        identity.elevation_type = u32::try_from(unsafe { *buffer.as_ptr().cast::<TOKEN_ELEVATION_TYPE>() }).ok();
    }
    if let Ok(buffer) = token.information(TokenSessionId) {
        // SAFETY: as above, with a number.
        identity.session = Some(unsafe { *buffer.as_ptr().cast::<u32>() });
    }
    if let Ok(buffer) = token.information(TokenStatistics) {
        // SAFETY: as above, with a TOKEN_STATISTICS.
        let luid: LUID = unsafe { &*buffer.as_ptr().cast::<TOKEN_STATISTICS>() }.AuthenticationId;
        identity.logon_id = Some((luid.HighPart as u32 as u64) << 32 | u64::from(luid.LowPart));
    }
    Ok(identity)
}

/// Whether this process runs with administrator rights.
pub(crate) fn is_elevated() -> bool {
    // SAFETY: the pseudo handle is always valid.
    identity(unsafe { GetCurrentProcess() }).ok().and_then(|identity| identity.elevated).unwrap_or(false)
}

/// Enables a privilege that the token of this process holds.
pub(crate) fn enable_privilege(name: &str) -> io::Result<()> {
    // SAFETY: the pseudo handle is always valid.
    let token = Token::of(unsafe { GetCurrentProcess() }, TOKEN_ADJUST_PRIVILEGES | TOKEN_QUERY)?;
    let mut state = TOKEN_PRIVILEGES { PrivilegeCount: 1, ..Default::default() };
    state.Privileges[0].Attributes = SE_PRIVILEGE_ENABLED;
    // SAFETY: the name ends with a zero and the pointer is to a live variable.
    checked(unsafe { LookupPrivilegeValueW(null(), wide(name).as_ptr(), &mut state.Privileges[0].Luid) })?;
    // SAFETY: the structure is complete and lives through the call; no previous state is asked for.
    checked(unsafe { AdjustTokenPrivileges(token.0.0, 0, &state, 0, null_mut(), null_mut()) })?;
    // SAFETY: no arguments. Success is also answered when the privilege is not held.
    if unsafe { GetLastError() } == ERROR_NOT_ALL_ASSIGNED {
        return Err(io::Error::from_raw_os_error(ERROR_NOT_ALL_ASSIGNED as i32));
    }
    Ok(())
}
