//! The registry as the running system has it: keys are listed and values read, nothing is loaded or written.

use super::{text, ticks, wide};
use std::io;
use std::ptr::{null, null_mut};
use windows_sys::Win32::Foundation::{ERROR_FILE_NOT_FOUND, ERROR_MORE_DATA, ERROR_NO_MORE_ITEMS, FILETIME};
use windows_sys::Win32::System::Registry::{
    HKEY, HKEY_LOCAL_MACHINE, KEY_READ, KEY_WOW64_64KEY, RegCloseKey, RegEnumKeyExW, RegOpenKeyExW, RegQueryInfoKeyW,
    RegQueryValueExW,
};

/// An open key, closed when it is dropped.
pub(crate) struct Key(HKEY);

impl Drop for Key {
    fn drop(&mut self) {
        // SAFETY: the key was opened by us and nobody else closes it.
        unsafe { RegCloseKey(self.0) };
    }
}

fn checked(status: u32) -> io::Result<()> {
    if status == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(status as i32)) }
}

impl Key {
    fn below(parent: HKEY, path: &str) -> io::Result<Key> {
        let mut key = null_mut();
        // SAFETY: the path ends with a zero and the pointer is to a live variable; the parent is open.
        checked(unsafe { RegOpenKeyExW(parent, wide(path).as_ptr(), 0, KEY_READ | KEY_WOW64_64KEY, &mut key) })?;
        Ok(Key(key))
    }

    /// A key of this machine.
    pub(crate) fn of_machine(path: &str) -> io::Result<Key> {
        Self::below(HKEY_LOCAL_MACHINE, path)
    }

    /// A key below this one.
    pub(crate) fn open(&self, path: &str) -> io::Result<Key> {
        Self::below(self.0, path)
    }

    /// The names of the keys below.
    pub(crate) fn names(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        loop {
            // The name of a key has at most 255 units.
            let mut units = [0u16; 256];
            let mut length = units.len() as u32;
            let index = names.len() as u32;
            // SAFETY: the buffer is as long as is said and lives through the call; nothing else is asked for.
            let status = unsafe {
                let name = units.as_mut_ptr();
                RegEnumKeyExW(self.0, index, name, &mut length, null(), null_mut(), null_mut(), null_mut())
            };
            match status {
                ERROR_NO_MORE_ITEMS => return Ok(names),
                status => checked(status)?,
            }
            names.push(text(&units));
        }
    }

    /// A value's bytes, at most a megabyte; `None` where there is none.
    pub(crate) fn value(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        let name = wide(name);
        let mut bytes = vec![0u8; 4096];
        loop {
            let mut length = bytes.len() as u32;
            // SAFETY: the name ends with a zero; the buffer is as long as is said and lives through the call.
            let status =
                unsafe { RegQueryValueExW(self.0, name.as_ptr(), null(), null_mut(), bytes.as_mut_ptr(), &mut length) };
            match status {
                ERROR_FILE_NOT_FOUND => return Ok(None),
                ERROR_MORE_DATA if bytes.len() < 1 << 20 => bytes.resize(bytes.len() * 4, 0),
                status => {
                    checked(status)?;
                    bytes.truncate(length as usize);
                    return Ok(Some(bytes));
                }
            }
        }
    }

    /// A value as text.
    pub(crate) fn text(&self, name: &str) -> io::Result<Option<String>> {
        Ok(self.value(name)?.map(|bytes| {
            let units: Vec<u16> = bytes.chunks_exact(2).map(|unit| u16::from_le_bytes([unit[0], unit[1]])).collect();
            text(&units)
        }))
    }

    /// A value as a number of four or eight bytes.
    pub(crate) fn number(&self, name: &str) -> io::Result<Option<u64>> {
        Ok(self.value(name)?.and_then(|bytes| match bytes.len() {
            4 => bytes.first_chunk().map(|bytes| u64::from(u32::from_le_bytes(*bytes))),
            8 => bytes.first_chunk().map(|bytes| u64::from_le_bytes(*bytes)),
            _ => None,
        }))
    }

    /// When something in it was written for the last time, in FILETIME ticks.
    pub(crate) fn written(&self) -> io::Result<u64> {
        let mut time = FILETIME::default();
        // SAFETY: the key is open, the last pointer is to a live variable and nothing else is asked for.
        checked(unsafe {
            RegQueryInfoKeyW(
                self.0,
                null_mut(),
                null_mut(),
                null(),
                null_mut(),
                null_mut(),
                null_mut(),
                null_mut(),
                null_mut(),
                null_mut(),
                null_mut(),
                &mut time,
            )
        })?;
        Ok(ticks(time))
    }
}
