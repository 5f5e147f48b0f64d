//! Connections, and the names that the resolver remembers.

use super::{function, last, text_at};
use std::ffi::c_void;
use std::io;
use std::ptr::null;
use windows_sys::Win32::Foundation::ERROR_INSUFFICIENT_BUFFER;

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
