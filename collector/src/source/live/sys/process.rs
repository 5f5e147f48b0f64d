//! The processes of the host.

use super::token::{Identity, identity};
use super::{Handle, checked, text, ticks};
use std::ffi::c_void;
use std::io;
use windows_sys::Wdk::System::Threading::{NtQueryInformationProcess, ProcessBasicInformation};
use windows_sys::Win32::Foundation::FILETIME;
use windows_sys::Win32::System::Diagnostics::Debug::ReadProcessMemory;
use windows_sys::Win32::System::Diagnostics::ToolHelp::{
    CreateToolhelp32Snapshot, MODULEENTRY32W, Module32FirstW, Module32NextW, PROCESSENTRY32W, Process32FirstW,
    Process32NextW, TH32CS_SNAPMODULE, TH32CS_SNAPMODULE32, TH32CS_SNAPPROCESS,
};
use windows_sys::Win32::System::Threading::{
    GetProcessTimes, OpenProcess, PROCESS_BASIC_INFORMATION, PROCESS_NAME_NATIVE, PROCESS_QUERY_LIMITED_INFORMATION,
    PROCESS_VM_READ, QueryFullProcessImageNameW,
};

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

    /// When it was started and when it ended, in FILETIME ticks; 0 while it runs.
    fn times(&self) -> io::Result<(u64, u64)> {
        let [mut created, mut exited, mut kernel, mut user] = [FILETIME::default(); 4];
        // SAFETY: all pointers are to live variables.
        checked(unsafe { GetProcessTimes(self.0.0, &mut created, &mut exited, &mut kernel, &mut user) })?;
        Ok((ticks(created), ticks(exited)))
    }

    /// When it was started, in FILETIME ticks.
    pub(crate) fn started(&self) -> io::Result<u64> {
        self.times().map(|(started, _)| started)
    }

    /// Whether it has ended, and only its object is still held by somebody.
    pub(crate) fn has_ended(&self) -> bool {
        self.times().is_ok_and(|(_, ended)| ended != 0)
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
