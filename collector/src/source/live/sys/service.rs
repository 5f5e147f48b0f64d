//! Services.

use super::{last, text_at};
use std::io;
use std::ptr::null;
use windows_sys::Win32::Foundation::{ERROR_MORE_DATA, GetLastError};
use windows_sys::Win32::System::Services::{
    CloseServiceHandle, ENUM_SERVICE_STATUS_PROCESSW, EnumServicesStatusExW, OpenSCManagerW, SC_ENUM_PROCESS_INFO,
    SC_MANAGER_ENUMERATE_SERVICE, SERVICE_STATE_ALL, SERVICE_WIN32,
};

/// One service.
pub(crate) struct Service {
    pub(crate) name: String,
    pub(crate) display_name: String,
    pub(crate) kind: u32,
    pub(crate) state: u32,
    pub(crate) pid: u32,
}

/// Every service that is no driver.
pub(crate) fn services() -> io::Result<Vec<Service>> {
    // SAFETY: null names mean this machine and its database.
    let manager = unsafe { OpenSCManagerW(null(), null(), SC_MANAGER_ENUMERATE_SERVICE) };
    if manager.is_null() {
        return Err(last());
    }
    let mut services = Vec::new();
    let mut resume = 0;
    let outcome = loop {
        let mut buffer = vec![0u64; 32 << 10];
        let (mut needed, mut count) = (0, 0);
        // SAFETY: the buffer is as long as is said and all pointers live through the call.
        let done = unsafe {
            EnumServicesStatusExW(
                manager,
                SC_ENUM_PROCESS_INFO,
                SERVICE_WIN32,
                SERVICE_STATE_ALL,
                buffer.as_mut_ptr().cast(),
                (buffer.len() * 8) as u32,
                &mut needed,
                &mut count,
                &mut resume,
                null(),
            )
        };
        // SAFETY: no arguments.
        let error = unsafe { GetLastError() };
        if done == 0 && (error != ERROR_MORE_DATA || count == 0) {
            break Err(last());
        }
        let count = (count as usize).min(buffer.len() * 8 / size_of::<ENUM_SERVICE_STATUS_PROCESSW>());
        // SAFETY: the system filled so many structures into the aligned buffer, which outlives the use.
        let listed =
            unsafe { std::slice::from_raw_parts(buffer.as_ptr().cast::<ENUM_SERVICE_STATUS_PROCESSW>(), count) };
        for one in listed {
            services.push(Service {
                name: text_at(one.lpServiceName),
                display_name: text_at(one.lpDisplayName),
                kind: one.ServiceStatusProcess.dwServiceType,
                state: one.ServiceStatusProcess.dwCurrentState,
                pid: one.ServiceStatusProcess.dwProcessId,
            });
        }
        if done != 0 {
            break Ok(());
        }
    };
    // SAFETY: the handle was given to us by the system and is not used any more.
    unsafe { CloseServiceHandle(manager) };
    outcome.map(|()| services)
}
