//! COM registrations of managed classes: what `regasm` and `regsvcs` write for each class, and what
//! installers, servicing and hijackers write in the same form.
//!
//! # What Windows records
//! For each class a key `CLSID\{…}` with `InprocServer32`, whose default value is the runtime's loader
//! `mscoree.dll` and whose values `Class`, `Assembly`, `RuntimeVersion` and `CodeBase` tell the loader what to
//! load; a subkey for each assembly version repeats them. `ProgId`, `Implemented Categories`, `TypeLib`, `AppID`
//! and `TreatAs` belong to the class. For each value type a key `Record\{…}\<version>` with the same values.
//!
//! # When it writes
//! At registration. The last-written time of a key is that of its last change; a registration writes all keys of
//! a class within milliseconds, so a wider spread means that something was changed later. Unregistering deletes
//! the values one by one and then the keys that became empty.
//!
//! # Where
//! `SOFTWARE\Classes` of the machine in two views, and each user's `UsrClass.dat` and `NTUSER.DAT`.
//! `Wow6432Node\Classes` and `Classes\Wow6432Node` are links of one another, so the hive holds the classes once;
//! where a damaged or old hive holds them twice with the same content, one record is given. Copies that
//! virtualisation made for a user (`VirtualStore`) are read as well.
//!
//! # What it supports
//! That a class was registered, in which view and for whom, which assembly it names and, with `CodeBase`, from
//! where that would be loaded. The spelling of the category `{62C8FE65-4EBB-45e7-…}` is kept because the
//! framework's own code spells it differently from what imports usually do.
//!
//! # What it does not
//! That `regasm` or `regsvcs` ran: an import of a `.reg` file gives the same keys. That the assembly was ever
//! loaded. That the file named was there. A value has no time of its own.
//!
//! # Versions
//! All since .NET 1.0. The view is `64` on 64-bit Windows and `32` for `Wow6432Node`. On 32-bit Windows there is
//! one view, `32`; such a system is told by `BuildLabEx` or, where that does not name an architecture, by the
//! absence of `Wow6432Node`.
//!
//! # Limits
//! A hive that was not cleanly closed is read before and after its logs are applied; `State` says where the
//! registration is. Registrations in freed cells have the state `deleted` and what is left of them. After
//! `regasm /u` the values are freed without their key, so they are given as records of their own,
//! `windows:registry:com_value`; which class they belonged to is not known.
//!
//! # References
//! - Microsoft, *Registering Assemblies with COM*, <https://learn.microsoft.com/dotnet/framework/interop/registering-assemblies-with-com>
//! - Microsoft, reference source of `System.Runtime.InteropServices.RegistrationServices`
//! - Microsoft, *Registry Keys Affected by WOW64*, <https://learn.microsoft.com/windows/win32/winprog64/shared-registry-keys>
//! - M. Suhanov, *Windows registry file format specification*, <https://github.com/msuhanov/regf>

mod class;
mod fields;
mod remains;
mod search;
#[cfg(test)]
mod tests;

use super::{HIVE, InHive, MEMORY};
use crate::formats::hive::{Key, Reader};
use evidence::{
    Artifact, Beside, Claim, Field, Hive, Lead, Parse, Phase, Reads, Record, RecordType, RegistrationState as State,
    RegistryView, Sink, Tells, ValueRef,
};
use fields::{CODE_BASE, VERSIONS};
use search::Registrations;

/// COM registrations of managed classes.
pub(crate) static ARTIFACT: Artifact = Artifact {
    id: "com-registration",
    title: "COM registrations of managed classes",
    records: &[&CLASS, &RECORD, &VALUE],
    reads: &[
        Reads::Key { hive: Hive::Software, key: r"Classes\CLSID" },
        Reads::Key { hive: Hive::Software, key: r"Classes\Record" },
        Reads::Key { hive: Hive::Software, key: r"Classes\Wow6432Node\CLSID" },
        Reads::Key { hive: Hive::Software, key: r"Classes\Wow6432Node\Record" },
        Reads::Key { hive: Hive::Software, key: r"Wow6432Node\Classes\CLSID" },
        Reads::Key { hive: Hive::Software, key: r"Wow6432Node\Classes\Record" },
        Reads::Key { hive: Hive::UsrClass, key: "CLSID" },
        Reads::Key { hive: Hive::UsrClass, key: "Record" },
        Reads::Key { hive: Hive::UsrClass, key: r"Wow6432Node\CLSID" },
        Reads::Key { hive: Hive::UsrClass, key: r"Wow6432Node\Record" },
        Reads::Key { hive: Hive::UsrClass, key: r"VirtualStore\MACHINE\SOFTWARE\Classes\CLSID" },
        Reads::Key { hive: Hive::UsrClass, key: r"VirtualStore\MACHINE\SOFTWARE\Classes\Record" },
        Reads::Key { hive: Hive::UsrClass, key: r"VirtualStore\MACHINE\SOFTWARE\Classes\Wow6432Node\CLSID" },
        Reads::Key { hive: Hive::UsrClass, key: r"VirtualStore\MACHINE\SOFTWARE\Classes\Wow6432Node\Record" },
        Reads::Key { hive: Hive::UsrClass, key: r"VirtualStore\MACHINE\SOFTWARE\Wow6432Node\Classes\CLSID" },
        Reads::Key { hive: Hive::UsrClass, key: r"VirtualStore\MACHINE\SOFTWARE\Wow6432Node\Classes\Record" },
        Reads::Key { hive: Hive::NtUser, key: r"Software\Classes\CLSID" },
        Reads::Key { hive: Hive::NtUser, key: r"Software\Classes\Record" },
        Reads::Key { hive: Hive::NtUser, key: r"Software\Classes\Wow6432Node\CLSID" },
        Reads::Key { hive: Hive::NtUser, key: r"Software\Classes\Wow6432Node\Record" },
    ],
    supports: "A managed class was registered for COM in this view, with this assembly and code base; each key \
               carries the time of its last change. A registration may be current, only in the hive's logs, only \
               in the hive before its logs, or deleted.",
    does_not_support: "That regasm or regsvcs wrote it: installers, servicing and .reg files write the same keys. \
                       That the assembly was loaded, or that the file was there.",
    windows: "All versions with the .NET Framework; always on.",
    references: &[
        "https://learn.microsoft.com/dotnet/framework/interop/registering-assemblies-with-com",
        "https://learn.microsoft.com/windows/win32/winprog64/shared-registry-keys",
        "https://github.com/msuhanov/regf",
    ],
    phase: Phase::Independent,
    older_states: false,
    beside: Beside::HiveLogs,
    memory: MEMORY,
    parse: Some(Parse::In(&HIVE, &InHive(read))),
    leads: Some(leads),
};

const CLAIMS: &[Claim] = &[Claim::Installed, Claim::Deleted];

/// A class.
static CLASS: RecordType = RecordType {
    fields: fields::CLASS_FIELDS,
    says: "Moments: last-written times of InprocServer32 and of the CLSID key, each with its key as locator. Locator: the CLSID key. A class that the logs change has two records, `current` and `before_log`.",
    tells: Tells::ComClass,
    claims: CLAIMS,
    message: "COM class {Clsid} is registered[ with server {Server}][, class {Class}][ of assembly {Assembly}][, code base {CodeBase}][, ProgId {ProgId}][, state {State}]",
    absence: "an unregistration or a failed registration leaves no key, and a deleted key may have been overwritten",
    ..RecordType::named("windows:registry:com_class")
};

/// A version of a value type.
static RECORD: RecordType = RecordType {
    fields: fields::RECORD_FIELDS,
    says: "A version of a value type. Moment: the version key's.",
    claims: CLAIMS,
    message: "COM value type {Guid} is registered[, class {Class}][ of assembly {Assembly}][, code base {CodeBase}][, state {State}]",
    ..RecordType::named("windows:registry:com_record")
};

/// A deleted value of which no class is known.
static VALUE: RecordType = RecordType {
    fields: fields::VALUE_FIELDS,
    says: "A deleted value that no key claims any more (what `regasm /u` leaves). Undated; its class is not known. Locator: byte range.",
    claims: CLAIMS,
    message: "Deleted COM value {ValueName}: {Value}",
    ..RecordType::named("windows:registry:com_value")
};

/// Gives a record for each registration. None is held longer than it takes to compare it with its other state, which is
/// read again where it is needed.
fn read(hive: &super::Hive<'_>, sink: &mut Sink<'_>) {
    let views = Views::of(hive);
    // Looking up what was met before must not count as damage of what is being read, so it has readers of its own.
    let look_up = hive.another_reader();
    let before = [(); 3].map(|()| hive.reader_before_logs());
    let mut earlier = None;
    if let [Some(reader), Some(look_up), _] = &before {
        let registrations = earlier.insert(Registrations::new(reader, look_up, views));
        registrations.for_each(&mut |_| {});
    }
    let user = hive.user();
    let mut later = Registrations::new(&hive.reader, &look_up, views);
    later.for_each(&mut |registration| {
        let same = earlier.as_ref().and_then(|earlier| earlier.at_key(&registration));
        let is_new = same.is_none() && earlier.as_ref().is_some_and(|earlier| !earlier.full);
        let state = if is_new { State::LogOnly } else { State::Current };
        sink.record(registration.record(state, user.clone()));
        if let Some(earlier) = same.filter(|earlier| !earlier.unchanged_from(&registration)) {
            sink.record(earlier.record(State::BeforeLog, user.clone()));
        }
    });
    if let ([_, Some(look_up), Some(reader)], false) = (&before, later.full) {
        Registrations::new(reader, look_up, views).for_each(&mut |registration| {
            if later.at_key(&registration).is_none() {
                sink.record(registration.record(State::BeforeLog, user.clone()));
            }
        });
    }
    if later.full || earlier.is_some_and(|earlier| earlier.full) {
        search::full_note().report(sink);
    }
    remains::read(hive, views, &later, user.as_deref(), sink);
}

/// Which of the two views of the registry a key belongs to.
#[derive(Clone, Copy, Debug)]
struct Views {
    hive: Option<Hive>,
    /// Whether the Windows of a SOFTWARE hive is a 32-bit one.
    windows_32: bool,
}

impl Views {
    fn of(hive: &super::Hive<'_>) -> Views {
        let windows_32 = hive.kind == Some(Hive::Software) && is_windows_32(&hive.reader);
        Views { hive: hive.kind, windows_32 }
    }

    /// The view of a key at or below one that holds classes. The path may not reach the root.
    fn of_path(self, path: &str) -> RegistryView {
        match self.hive {
            Some(Hive::Software) if self.windows_32 || path.to_uppercase().contains(r"WOW6432NODE\") => {
                RegistryView::Bits32
            }
            Some(Hive::Software) => RegistryView::Bits64,
            _ => RegistryView::User,
        }
    }
}

fn is_windows_32(reader: &Reader<'_>) -> bool {
    let Some(version) = reader.key(r"Microsoft\Windows NT\CurrentVersion") else { return false };
    let lab = version.value("BuildLabEx").or_else(|| version.value("BuildLab")).and_then(|value| value.text());
    match lab {
        Some(lab) if lab.contains("x86") => true,
        Some(lab) if lab.contains("64") && lab.contains("fre") => false,
        _ => reader.key("Wow6432Node").is_none(),
    }
}

/// The name of a key, for paths.
fn name_of(key: &Key<'_>) -> String {
    key.name().to_string()
}

fn leads(record: &Record) -> Vec<Lead> {
    let text = |field: &Field| field.of(record).and_then(ValueRef::as_text);
    let mut paths: Vec<&str> = text(&CODE_BASE).into_iter().collect();
    if let Some(versions) = VERSIONS.of(record) {
        paths.extend(versions.items().iter().filter_map(|version| version.get(CODE_BASE.name)?.as_text()));
    }
    if text(&fields::VALUE_NAME).is_some_and(|name| name.eq_ignore_ascii_case(CODE_BASE.name)) {
        paths.extend(text(&fields::VALUE));
    }
    paths.sort_unstable();
    paths.dedup();
    paths.into_iter().filter(|path| !path.is_empty()).map(|path| Lead::Path(path.to_owned())).collect()
}
