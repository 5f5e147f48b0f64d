//! Services.

use super::{last, text_at};
use std::io;
use std::ptr::null;
use windows_sys::Win32::Foundation::{ERROR_MORE_DATA, GetLastError};
use windows_sys::Win32::System::Services::{
    CloseServiceHandle, ENUM_SERVICE_STATUS_PROCESSW, EnumServicesStatusExW, OpenSCManagerW, OpenServiceW,
    QUERY_SERVICE_CONFIGW, QueryServiceConfigW, SC_ENUM_PROCESS_INFO, SC_HANDLE, SC_MANAGER_ENUMERATE_SERVICE,
    SERVICE_QUERY_CONFIG, SERVICE_STATE_ALL, SERVICE_WIN32,
};

/// One service.
pub(crate) struct Service {
    pub(crate) name: String,
    pub(crate) display_name: String,
    pub(crate) kind: u32,
    pub(crate) state: u32,
    pub(crate) pid: u32,
    /// 0 boot, 1 system, 2 automatic, 3 on demand, 4 disabled.
    pub(crate) start_type: Option<u32>,
    pub(crate) command_line: Option<String>,
    pub(crate) account: Option<String>,
}

/// How a service is started, where the system tells.
fn configuration(manager: SC_HANDLE, name: *const u16) -> Option<(u32, String, String)> {
    // SAFETY: the manager is open and the name, which the system gave, ends with a zero.
    let service = unsafe { OpenServiceW(manager, name, SERVICE_QUERY_CONFIG) };
    if service.is_null() {
        return None;
    }
    // The system needs no more than 8 KiB.
    let mut buffer = vec![0u64; 1024];
    let mut needed = 0;
    // SAFETY: the buffer is as long as is said and lives through the call; the service is open, and closed once.
    let done = unsafe {
        let done = QueryServiceConfigW(service, buffer.as_mut_ptr().cast(), (buffer.len() * 8) as u32, &mut needed);
        CloseServiceHandle(service);
        done
    };
    // SAFETY: the system filled such a structure into the buffer, which is aligned, longer and outlives the use.
    let told = (done != 0).then(|| unsafe { &*buffer.as_ptr().cast::<QUERY_SERVICE_CONFIGW>() })?;
    Some((told.dwStartType, text_at(told.lpBinaryPathName), text_at(told.lpServiceStartName)))
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
            let told = configuration(manager, one.lpServiceName);
            services.push(Service {
                name: text_at(one.lpServiceName),
                display_name: text_at(one.lpDisplayName),
                kind: one.ServiceStatusProcess.dwServiceType,
                state: one.ServiceStatusProcess.dwCurrentState,
                pid: one.ServiceStatusProcess.dwProcessId,
                start_type: told.as_ref().map(|told| told.0),
                command_line: told.as_ref().map(|told| told.1.clone()),
                account: told.map(|told| told.2),
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
