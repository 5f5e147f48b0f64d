//! A shadow copy made for the collection, through the Volume Shadow Copy Service.
//!
//! It is of the kind that takes no part of other programs and vanishes with the object that made it, at the latest with
//! this process.
//!
//! Reference: Microsoft, *IVssBackupComponents*. The places in the table of functions are those of vsbackup.h.

use super::{Untyped, function, text_at, wide};
use parking_lot::Mutex;
use std::ffi::c_void;
use std::io;
use std::ptr::null_mut;
use windows_sys::core::GUID;

/// An object of COM: a pointer to the table of its functions.
type Object = *mut *const Untyped;

/// VSS_CTX_FILE_SHARE_BACKUP: not kept, and no program is asked to prepare its files.
const NOT_KEPT_WITHOUT_WRITERS: i32 = 0x10;
/// VSS_BT_COPY.
const COPY: i32 = 5;
/// VSS_OBJECT_SNAPSHOT.
const SNAPSHOT: i32 = 2;
const FINISHED: i32 = 0x0004_230A; // VSS_S_ASYNC_FINISHED
const INFINITE: u32 = u32::MAX;

/// Places in the tables of functions.
mod slot {
    pub(super) const RELEASE: usize = 2;
    pub(super) const INITIALIZE_FOR_BACKUP: usize = 5;
    pub(super) const SET_BACKUP_STATE: usize = 6;
    pub(super) const SET_CONTEXT: usize = 35;
    pub(super) const START_SNAPSHOT_SET: usize = 36;
    pub(super) const ADD_TO_SNAPSHOT_SET: usize = 37;
    pub(super) const DO_SNAPSHOT_SET: usize = 38;
    pub(super) const DELETE_SNAPSHOTS: usize = 39;
    pub(super) const GET_SNAPSHOT_PROPERTIES: usize = 42;
    pub(super) const ASYNC_WAIT: usize = 4;
    pub(super) const ASYNC_QUERY_STATUS: usize = 5;
}

/// VSS_SNAPSHOT_PROP.
#[repr(C)]
struct Properties {
    id: GUID,
    set: GUID,
    count: i32,
    device: *const u16,
    rest: [u64; 10],
}

const _: () = assert!(size_of::<Properties>() == 128 && std::mem::offset_of!(Properties, device) == 40);

/// An object that is given back when it is dropped.
struct Owned(Object);

// SAFETY: the objects live in the multithreaded apartment, where any thread may call them.
unsafe impl Send for Owned {}

impl Owned {
    /// The function at a place of the table.
    fn function(&self, slot: usize) -> Untyped {
        // SAFETY: the object is alive, and its table has at least as many functions as the interface.
        unsafe { *(*self.0).add(slot) }
    }

    /// Asks a function whose only argument is the object and `argument`.
    fn call<T>(&self, slot: usize, argument: T) -> io::Result<()> {
        type OneArgument<T> = unsafe extern "system" fn(Object, T) -> i32;
        // SAFETY: the callers below give the argument that the function at this place takes.
        let call = unsafe { std::mem::transmute::<Untyped, OneArgument<T>>(self.function(slot)) };
        // SAFETY: the object is alive, and what the argument points to lives through the call.
        succeeded(unsafe { call(self.0, argument) })
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        type Release = unsafe extern "system" fn(Object) -> u32;
        // SAFETY: the third function of every object of COM has this signature.
        let release = unsafe { std::mem::transmute::<Untyped, Release>(self.function(slot::RELEASE)) };
        // SAFETY: the object is alive and is not used any more.
        unsafe { release(self.0) };
    }
}

fn succeeded(result: i32) -> io::Result<()> {
    if result >= 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(result)) }
}

/// A shadow copy that was made.
pub(crate) struct ShadowCopy {
    id: GUID,
    /// Path of the device.
    pub(crate) device: String,
    maker: Mutex<Option<Owned>>,
}

impl ShadowCopy {
    /// Makes one of the volume with this letter.
    pub(crate) fn of(letter: char) -> io::Result<ShadowCopy> {
        type Initialize = unsafe extern "system" fn(*const c_void, u32) -> i32;
        type Create = unsafe extern "system" fn(*mut Object) -> i32;
        // SAFETY: both functions have these signatures.
        let (initialize, create) = unsafe {
            (
                std::mem::transmute::<Untyped, Initialize>(function("ole32.dll", c"CoInitializeEx")?),
                std::mem::transmute::<Untyped, Create>(function("vssapi.dll", c"CreateVssBackupComponentsInternal")?),
            )
        };
        let mut object = null_mut();
        // SAFETY: nothing is reserved, and the other pointer is to a live variable.
        let made = unsafe {
            succeeded(initialize(std::ptr::null(), 0))?;
            create(&mut object)
        };
        succeeded(made)?;
        if object.is_null() {
            return Err(io::Error::other("the service gave no object"));
        }
        let maker = Owned(object);
        maker.call(slot::INITIALIZE_FOR_BACKUP, null_mut::<u16>())?;
        maker.call(slot::SET_CONTEXT, NOT_KEPT_WITHOUT_WRITERS)?;
        type SetState = unsafe extern "system" fn(Object, u8, u8, i32, u8) -> i32;
        type AddVolume = unsafe extern "system" fn(Object, *const u16, GUID, *mut GUID) -> i32;
        // SAFETY: the functions at these places have these signatures.
        let (set_state, add_volume) = unsafe {
            (
                std::mem::transmute::<Untyped, SetState>(maker.function(slot::SET_BACKUP_STATE)),
                std::mem::transmute::<Untyped, AddVolume>(maker.function(slot::ADD_TO_SNAPSHOT_SET)),
            )
        };
        // SAFETY: the object is alive.
        succeeded(unsafe { set_state(maker.0, 0, 0, COPY, 0) })?;
        let (mut set, mut id) = (GUID::from_u128(0), GUID::from_u128(0));
        maker.call(slot::START_SNAPSHOT_SET, &raw mut set)?;
        let volume = wide(&format!("{letter}:\\"));
        // SAFETY: the object is alive, the name ends with a zero and the pointer is to a live variable.
        succeeded(unsafe { add_volume(maker.0, volume.as_ptr(), GUID::from_u128(0), &mut id) })?;
        let mut pending: Object = null_mut();
        maker.call(slot::DO_SNAPSHOT_SET, &raw mut pending)?;
        if pending.is_null() {
            return Err(io::Error::other("the service gave nothing to wait for"));
        }
        let pending = Owned(pending);
        pending.call(slot::ASYNC_WAIT, INFINITE)?;
        type Query = unsafe extern "system" fn(Object, *mut i32, *mut i32) -> i32;
        // SAFETY: the function at this place has this signature.
        let query = unsafe { std::mem::transmute::<Untyped, Query>(pending.function(slot::ASYNC_QUERY_STATUS)) };
        let mut outcome = 0;
        // SAFETY: the object is alive and the pointer is to a live variable; the other one may be null.
        succeeded(unsafe { query(pending.0, &mut outcome, null_mut()) })?;
        if outcome != FINISHED {
            return Err(io::Error::from_raw_os_error(outcome));
        }
        let device = device_of(&maker, id)?;
        Ok(ShadowCopy { id, device, maker: Mutex::new(Some(maker)) })
    }

    /// The number that the service gave it.
    pub(crate) fn id(&self) -> String {
        let GUID { data1, data2, data3, data4 } = self.id;
        let mut bytes = [0; 16];
        bytes[..4].copy_from_slice(&data1.to_le_bytes());
        bytes[4..6].copy_from_slice(&data2.to_le_bytes());
        bytes[6..8].copy_from_slice(&data3.to_le_bytes());
        bytes[8..].copy_from_slice(&data4);
        evidence::guid_text(&bytes)
    }

    /// Deletes it. It is gone as well when this is never asked.
    pub(crate) fn delete(&self) -> io::Result<()> {
        type Delete = unsafe extern "system" fn(Object, GUID, i32, i32, *mut i32, *mut GUID) -> i32;
        let Some(maker) = self.maker.lock().take() else { return Ok(()) };
        // SAFETY: the function at this place has this signature.
        let delete = unsafe { std::mem::transmute::<Untyped, Delete>(maker.function(slot::DELETE_SNAPSHOTS)) };
        let (mut deleted, mut refused) = (0, GUID::from_u128(0));
        // SAFETY: the object is alive and the pointers are to live variables.
        succeeded(unsafe { delete(maker.0, self.id, SNAPSHOT, 1, &mut deleted, &mut refused) })?;
        if deleted == 1 { Ok(()) } else { Err(io::Error::other(format!("{deleted} were deleted"))) }
    }
}

/// The device of a shadow copy.
fn device_of(maker: &Owned, id: GUID) -> io::Result<String> {
    type Describe = unsafe extern "system" fn(Object, GUID, *mut Properties) -> i32;
    type Free = unsafe extern "system" fn(*mut Properties);
    let free = function("vssapi.dll", c"VssFreeSnapshotProperties")?;
    // SAFETY: both functions have these signatures, and a structure of numbers and pointers may be all zeros.
    let (describe, free, mut properties) = unsafe {
        (
            std::mem::transmute::<Untyped, Describe>(maker.function(slot::GET_SNAPSHOT_PROPERTIES)),
            std::mem::transmute::<Untyped, Free>(free),
            std::mem::zeroed::<Properties>(),
        )
    };
    // SAFETY: the object is alive and the structure is as the service expects it.
    succeeded(unsafe { describe(maker.0, id, &mut properties) })?;
    let device = text_at(properties.device);
    // SAFETY: the service filled the structure, whose texts are not used any more.
    unsafe { free(&mut properties) };
    if device.is_empty() { Err(io::Error::other("the service named no device")) } else { Ok(device) }
}
