//! The calls into Windows that std does not wrap: the one module of this project with `unsafe` code.
//!
//! Every function is safe to call, checks what the system returns, and gives an [`io::Error`] with the system's code
//! where it refuses. Buffers are owned by Rust, their lengths come from Rust, and handles are closed when they are
//! dropped. What lies beyond the libraries that are always loaded is taken from System32 only, by full search flags, so
//! that a library planted beside the program is never loaded.
//!
//! Reference: Microsoft, *Windows API* pages of each function named.
#![allow(unsafe_code)]

use std::ffi::c_void;
use std::io;
use std::ptr::{null, null_mut};
use windows_sys::Wdk::System::Threading::{NtQueryInformationProcess, ProcessBasicInformation};
use windows_sys::Win32::Foundation::{
    CloseHandle, ERROR_INSUFFICIENT_BUFFER, ERROR_MORE_DATA, ERROR_NOT_ALL_ASSIGNED, FILETIME, GetLastError, HANDLE,
    INVALID_HANDLE_VALUE, LUID, LocalFree, WAIT_TIMEOUT,
};
use windows_sys::Win32::Security::Authentication::Identity::{LSA_UNICODE_STRING, SECURITY_LOGON_SESSION_DATA};
use windows_sys::Win32::Security::Authorization::ConvertSidToStringSidW;
use windows_sys::Win32::Security::{
    AdjustTokenPrivileges, GetTokenInformation, LookupPrivilegeValueW, SE_PRIVILEGE_ENABLED, TOKEN_ADJUST_PRIVILEGES,
    TOKEN_ELEVATION, TOKEN_ELEVATION_TYPE, TOKEN_INFORMATION_CLASS, TOKEN_MANDATORY_LABEL, TOKEN_PRIVILEGES,
    TOKEN_QUERY, TOKEN_STATISTICS, TOKEN_USER, TokenElevation, TokenElevationType, TokenIntegrityLevel, TokenSessionId,
    TokenStatistics, TokenUser,
};
use windows_sys::Win32::Storage::FileSystem::{GetDriveTypeW, GetLogicalDrives, GetVolumeInformationW};
use windows_sys::Win32::System::Diagnostics::Debug::ReadProcessMemory;
use windows_sys::Win32::System::Diagnostics::ToolHelp::{
    CreateToolhelp32Snapshot, MODULEENTRY32W, Module32FirstW, Module32NextW, PROCESSENTRY32W, Process32FirstW,
    Process32NextW, TH32CS_SNAPMODULE, TH32CS_SNAPMODULE32, TH32CS_SNAPPROCESS,
};
use windows_sys::Win32::System::LibraryLoader::{
    GetProcAddress, LOAD_LIBRARY_SEARCH_SYSTEM32, LoadLibraryExW, SetDefaultDllDirectories,
};
use windows_sys::Win32::System::Services::{
    CloseServiceHandle, ENUM_SERVICE_STATUS_PROCESSW, EnumServicesStatusExW, OpenSCManagerW, SC_ENUM_PROCESS_INFO,
    SC_MANAGER_ENUMERATE_SERVICE, SERVICE_STATE_ALL, SERVICE_WIN32,
};
use windows_sys::Win32::System::SystemInformation::{
    GetSystemWindowsDirectoryW, GetTickCount64, IMAGE_FILE_MACHINE_AMD64,
};
use windows_sys::Win32::System::Threading::{
    GetCurrentProcess, GetProcessIoCounters, GetProcessTimes, IO_COUNTERS, IsWow64Process2, OpenProcess,
    OpenProcessToken, PROCESS_BASIC_INFORMATION, PROCESS_MODE_BACKGROUND_BEGIN, PROCESS_NAME_NATIVE,
    PROCESS_QUERY_LIMITED_INFORMATION, PROCESS_VM_READ, QueryFullProcessImageNameW, SetPriorityClass,
    WaitForSingleObject,
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
    (told != 0).then_some(process != 0 || native != IMAGE_FILE_MACHINE_AMD64)
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
fn sid_text(sid: *mut c_void) -> io::Result<String> {
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

fn identity(process: HANDLE) -> io::Result<Identity> {
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

/// One line of the process list.
pub(crate) struct Listed {
    pub(crate) pid: u32,
    pub(crate) parent_pid: u32,
    pub(crate) name: String,
}

/// Every process.
pub(crate) fn processes() -> io::Result<Vec<Listed>> {
    // SAFETY: no pointers are passed.
    let snapshot = Handle::new(unsafe { CreateToolhelp32Snapshot(TH32CS_SNAPPROCESS, 0) })?;
    let mut entry = PROCESSENTRY32W { dwSize: size_of::<PROCESSENTRY32W>() as u32, ..Default::default() };
    let mut listed = Vec::new();
    // SAFETY: the snapshot is valid and the entry says its own size.
    let mut more = unsafe { Process32FirstW(snapshot.0, &mut entry) };
    while more != 0 {
        listed.push(Listed {
            pid: entry.th32ProcessID,
            parent_pid: entry.th32ParentProcessID,
            name: text(&entry.szExeFile),
        });
        // SAFETY: as above.
        more = unsafe { Process32NextW(snapshot.0, &mut entry) };
    }
    Ok(listed)
}

/// Paths of the images that a process has loaded.
pub(crate) fn modules(pid: u32) -> io::Result<Vec<String>> {
    // SAFETY: no pointers are passed.
    let snapshot = unsafe { CreateToolhelp32Snapshot(TH32CS_SNAPMODULE | TH32CS_SNAPMODULE32, pid) };
    let snapshot = Handle::new(snapshot)?;
    let mut entry = MODULEENTRY32W { dwSize: size_of::<MODULEENTRY32W>() as u32, ..Default::default() };
    let mut modules = Vec::new();
    // SAFETY: the snapshot is valid and the entry says its own size.
    let mut more = unsafe { Module32FirstW(snapshot.0, &mut entry) };
    while more != 0 {
        modules.push(text(&entry.szExePath));
        // SAFETY: as above.
        more = unsafe { Module32NextW(snapshot.0, &mut entry) };
    }
    Ok(modules)
}

/// A process that was opened for looking at it.
pub(crate) struct Process(Handle);

/// What a process was started with, as it stands in its own memory, where it can change it.
pub(crate) struct Parameters {
    pub(crate) command_line: String,
    pub(crate) current_directory: String,
}

impl Process {
    pub(crate) fn open(pid: u32) -> io::Result<Process> {
        // SAFETY: no pointers are passed.
        let whole = unsafe { OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION | PROCESS_VM_READ, 0, pid) };
        Handle::new(whole)
            .or_else(|_| {
                // Protected processes refuse to have their memory read, and still tell the rest.
                // SAFETY: no pointers are passed.
                Handle::new(unsafe { OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION, 0, pid) })
            })
            .map(Process)
    }

    /// Path of the image in the form of the kernel, `\Device\HarddiskVolume3\…`, or of Win32.
    pub(crate) fn image(&self, native: bool) -> io::Result<String> {
        let mut units = vec![0u16; 32_768];
        let mut length = units.len() as u32;
        let form = if native { PROCESS_NAME_NATIVE } else { 0 };
        // SAFETY: the buffer is as long as is said and lives through the call.
        checked(unsafe { QueryFullProcessImageNameW(self.0.0, form, units.as_mut_ptr(), &mut length) })?;
        Ok(text(&units))
    }

    /// When it was started, in FILETIME ticks.
    pub(crate) fn started(&self) -> io::Result<u64> {
        let [mut created, mut exited, mut kernel, mut user] = [FILETIME::default(); 4];
        // SAFETY: all pointers are to live variables.
        checked(unsafe { GetProcessTimes(self.0.0, &mut created, &mut exited, &mut kernel, &mut user) })?;
        Ok(ticks(created))
    }

    /// Whether it still runs.
    pub(crate) fn is_running(&self) -> bool {
        // SAFETY: the handle is valid; nothing is waited for.
        unsafe { WaitForSingleObject(self.0.0, 0) == WAIT_TIMEOUT }
    }

    pub(crate) fn identity(&self) -> io::Result<Identity> {
        identity(self.0.0)
    }

    /// Bytes of its memory.
    fn memory(&self, address: u64, length: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        let mut read = 0;
        // SAFETY: the buffer is as long as is said; the address is another process's and only the system reads it.
        let done = unsafe {
            ReadProcessMemory(self.0.0, address as *const c_void, bytes.as_mut_ptr().cast(), length, &mut read)
        };
        checked(done)?;
        bytes.truncate(read);
        if bytes.len() == length { Ok(bytes) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }

    fn pointer(&self, address: u64) -> io::Result<u64> {
        let bytes = self.memory(address, 8)?;
        Ok(bytes.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes)))
    }

    /// A UNICODE_STRING of its memory: length, room, and where the text is.
    fn unicode(&self, address: u64) -> io::Result<String> {
        let head = self.memory(address, 16)?;
        let length = usize::from(u16::from_le_bytes([head[0], head[1]]));
        let at = head.last_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
        let text = self.memory(at, length)?;
        let units: Vec<u16> = text.chunks_exact(2).map(|unit| u16::from_le_bytes([unit[0], unit[1]])).collect();
        Ok(String::from_utf16_lossy(&units))
    }

    /// Command line and current directory from the process environment block.
    pub(crate) fn parameters(&self) -> io::Result<Parameters> {
        let mut basic = PROCESS_BASIC_INFORMATION::default();
        let mut length = 0;
        // SAFETY: the structure is as long as is said and lives through the call.
        let status = unsafe {
            NtQueryInformationProcess(
                self.0.0,
                ProcessBasicInformation,
                (&raw mut basic).cast(),
                size_of::<PROCESS_BASIC_INFORMATION>() as u32,
                &mut length,
            )
        };
        if status < 0 {
            return Err(io::Error::other(format!("NtQueryInformationProcess: status {status:#010x}")));
        }
        // Places in a 64-bit process: PEB.ProcessParameters, then CurrentDirectory.DosPath and CommandLine.
        let parameters = self.pointer(basic.PebBaseAddress as u64 + 0x20)?;
        Ok(Parameters {
            current_directory: self.unicode(parameters + 0x38)?,
            command_line: self.unicode(parameters + 0x70)?,
        })
    }
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

/// One connection or listening port, as the kernel's table has it.
pub(crate) struct Connection {
    pub(crate) protocol: &'static str,
    pub(crate) local: std::net::SocketAddr,
    pub(crate) remote: Option<std::net::SocketAddr>,
    pub(crate) state: u32,
    pub(crate) pid: u32,
    /// FILETIME ticks of its creation.
    pub(crate) created: u64,
}

type TableFunction = unsafe extern "system" fn(*mut c_void, *mut u32, i32, u32, i32, u32) -> u32;

/// A table of the IP helper: the number of its rows, then the rows.
fn table(name: &std::ffi::CStr, family: u32, class: i32) -> io::Result<Vec<u64>> {
    let function = function("iphlpapi.dll", name)?;
    // SAFETY: GetExtendedTcpTable and GetExtendedUdpTable have this signature.
    let call: TableFunction = unsafe { std::mem::transmute(function) };
    let mut buffer = vec![0u64; 4096];
    for _ in 0..8 {
        let mut size = (buffer.len() * 8) as u32;
        // SAFETY: the buffer is as long as is said and lives through the call.
        match unsafe { call(buffer.as_mut_ptr().cast(), &mut size, 0, family, class, 0) } {
            0 => return Ok(buffer),
            ERROR_INSUFFICIENT_BUFFER if size < 64 << 20 => buffer.resize(size as usize / 8 + 1024, 0),
            error => return Err(io::Error::from_raw_os_error(error as i32)),
        }
    }
    Err(io::Error::from_raw_os_error(ERROR_INSUFFICIENT_BUFFER as i32))
}

/// Rows of a fixed size behind the count of a table, as bytes.
fn rows(table: &[u64], row: usize, first: usize) -> impl Iterator<Item = Vec<u8>> {
    let bytes: Vec<u8> = table.iter().flat_map(|word| word.to_le_bytes()).collect();
    let count = bytes.first_chunk().map_or(0, |count| u32::from_le_bytes(*count)) as usize;
    (0..count).map_while(move |index| bytes.get(first + index * row..first + (index + 1) * row).map(<[u8]>::to_vec))
}

fn long(row: &[u8], at: usize) -> u32 {
    row.get(at..at + 4).map_or(0, |bytes| u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
}

/// A port stands in network order in the low half of a number.
fn port(row: &[u8], at: usize) -> u16 {
    row.get(at..at + 2).map_or(0, |bytes| u16::from_be_bytes([bytes[0], bytes[1]]))
}

fn v4(row: &[u8], at: usize) -> std::net::IpAddr {
    row.get(at..at + 4).map_or([0; 4], |bytes| [bytes[0], bytes[1], bytes[2], bytes[3]]).into()
}

fn v6(row: &[u8], at: usize) -> std::net::IpAddr {
    row.get(at..at + 16).and_then(|bytes| <[u8; 16]>::try_from(bytes).ok()).unwrap_or_default().into()
}

fn created(row: &[u8], at: usize) -> u64 {
    u64::from(long(row, at)) | u64::from(long(row, at + 4)) << 32
}

/// Every TCP connection and UDP port with its owner.
pub(crate) fn connections() -> io::Result<Vec<Connection>> {
    /// The address family, the class with the time of creation, and where in a row what stands.
    const IPV4: u32 = 2;
    const IPV6: u32 = 23;
    const TCP_WITH_TIMES: i32 = 8;
    const UDP_WITH_TIMES: i32 = 2;
    let address = |address, port| std::net::SocketAddr::new(address, port);
    let mut found = Vec::new();
    for row in rows(&table(c"GetExtendedTcpTable", IPV4, TCP_WITH_TIMES)?, 160, 8) {
        found.push(Connection {
            protocol: "tcp",
            state: long(&row, 0),
            local: address(v4(&row, 4), port(&row, 8)),
            remote: Some(address(v4(&row, 12), port(&row, 16))),
            pid: long(&row, 20),
            created: created(&row, 24),
        });
    }
    // A host can be without IPv6.
    for row in table(c"GetExtendedTcpTable", IPV6, TCP_WITH_TIMES).iter().flat_map(|table| rows(table, 192, 8)) {
        found.push(Connection {
            protocol: "tcp",
            state: long(&row, 48),
            local: address(v6(&row, 0), port(&row, 20)),
            remote: Some(address(v6(&row, 24), port(&row, 44))),
            pid: long(&row, 52),
            created: created(&row, 56),
        });
    }
    for row in table(c"GetExtendedUdpTable", IPV4, UDP_WITH_TIMES).iter().flat_map(|table| rows(table, 160, 8)) {
        found.push(Connection {
            protocol: "udp",
            state: 0,
            local: address(v4(&row, 0), port(&row, 4)),
            remote: None,
            pid: long(&row, 8),
            created: created(&row, 16),
        });
    }
    for row in table(c"GetExtendedUdpTable", IPV6, UDP_WITH_TIMES).iter().flat_map(|table| rows(table, 176, 8)) {
        found.push(Connection {
            protocol: "udp",
            state: 0,
            local: address(v6(&row, 0), port(&row, 20)),
            remote: None,
            pid: long(&row, 24),
            created: created(&row, 32),
        });
    }
    Ok(found)
}

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

/// A name that the resolver remembers, and the type of its record.
pub(crate) struct Remembered {
    pub(crate) name: String,
    pub(crate) kind: u16,
}

/// The names in the cache of the resolver. The function is not documented; its table is a list of entries.
pub(crate) fn dns_cache() -> io::Result<Vec<Remembered>> {
    #[repr(C)]
    struct Entry {
        next: *const Entry,
        name: *const u16,
        kind: u16,
        data_length: u16,
        flags: u32,
    }
    const MOST: usize = 100_000;
    let function = function("dnsapi.dll", c"DnsGetCacheDataTable")?;
    // SAFETY: the function takes the address of a pointer and answers with truth.
    let call: unsafe extern "system" fn(*mut *const Entry) -> i32 = unsafe { std::mem::transmute(function) };
    let mut entry: *const Entry = null();
    // SAFETY: the pointer is to a live variable.
    if unsafe { call(&mut entry) } == 0 {
        return Err(last());
    }
    let mut names = Vec::new();
    while !entry.is_null() && names.len() < MOST {
        // SAFETY: the system gave a list that ends with null; its memory is left to the end of the program, because how
        // to free it is not documented either.
        let one = unsafe { &*entry };
        names.push(Remembered { name: text_at(one.name), kind: one.kind });
        entry = one.next;
    }
    Ok(names)
}

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

/// What kind of drive a letter is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DriveKind {
    Removable,
    Fixed,
    Network,
    Optical,
    Ram,
    Unknown,
}

/// A drive letter and what is mounted there.
pub(crate) struct Drive {
    pub(crate) letter: char,
    pub(crate) kind: DriveKind,
    /// Name of the file system; empty where none could be asked.
    pub(crate) file_system: String,
    pub(crate) label: String,
    pub(crate) serial: u32,
}

/// Every drive letter that is in use.
pub(crate) fn drives() -> Vec<Drive> {
    // SAFETY: no arguments.
    let mask = unsafe { GetLogicalDrives() };
    let used = ('A'..='Z').enumerate().filter(|(bit, _)| mask >> bit & 1 != 0);
    used.map(|(_, letter)| {
        let root = wide(&format!("{letter}:\\"));
        // SAFETY: the path ends with a zero.
        let kind = match unsafe { GetDriveTypeW(root.as_ptr()) } {
            2 => DriveKind::Removable,
            3 => DriveKind::Fixed,
            4 => DriveKind::Network,
            5 => DriveKind::Optical,
            6 => DriveKind::Ram,
            _ => DriveKind::Unknown,
        };
        let (mut label, mut file_system, mut serial) = ([0u16; 64], [0u16; 64], 0);
        // A drive of the network, or one without a medium, is not asked: it could take minutes.
        if matches!(kind, DriveKind::Fixed | DriveKind::Removable | DriveKind::Ram) {
            // SAFETY: the buffers are as long as is said and live through the call; null where nothing is asked.
            unsafe {
                GetVolumeInformationW(
                    root.as_ptr(),
                    label.as_mut_ptr(),
                    label.len() as u32,
                    &mut serial,
                    null_mut(),
                    null_mut(),
                    file_system.as_mut_ptr(),
                    file_system.len() as u32,
                );
            }
        }
        Drive { letter, kind, file_system: text(&file_system), label: text(&label), serial }
    })
    .collect()
}

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
