//! The host itself: its name, Windows version, time zone, accounts, volumes and the settings that decide what
//! it records.
//!
//! # What Windows records
//! Its own configuration, in the hives that it loads at start.
//!
//! # When it writes
//! Setup writes most of it, the rest when someone changes it. `ShutdownTime` is written at each clean shutdown.
//! Except for that and the install times nothing here is an event; the record's moment is the last change of the
//! key that holds it.
//!
//! # Where
//! SYSTEM (name, domain, zone, volumes, prefetch setting), SOFTWARE (version, zones with their rules, profiles,
//! policies), SAM (local accounts), SECURITY (machine SID, audit policy). A hive is told by the keys below its
//! root, not by its file name.
//!
//! # What it supports
//! How to read the other evidence: which local time was valid when, who a SID is, which volume a path means, and
//! whether Windows was set to record command lines and prefetch files at all.
//!
//! # What it does not
//! What was set at another time: a setting is that of the last flush of the hive.
//!
//! # Versions
//! Windows XP to 11. `UBR` exists from 8.1, `DisplayVersion` from 10 20H2, `InstallTime` from 10.
//!
//! # Limits
//! Only the control set that `Select\Current` names is read. Values are those after the hive's logs were applied.
//! The group memberships and password data of SAM are not read.
//!
//! # References
//! - Microsoft, *TIME_ZONE_INFORMATION*, *DYNAMIC_TIME_ZONE_INFORMATION*, <https://learn.microsoft.com/windows/win32/api/timezoneapi/>
//! - Microsoft, *Include command line in process creation events*, <https://learn.microsoft.com/windows-server/identity/ad-ds/manage/component-updates/command-line-process-auditing>
//! - J. Metz, *Windows registry*, <https://winreg-kb.readthedocs.io/>
//! - M. Suhanov, *Windows registry file format specification*, <https://github.com/msuhanov/regf>

mod security;
mod software;
mod system;
#[cfg(test)]
mod tests;

use crate::com_registration::hive_logs;
use crate::formats::hive::{HiveFile, Key, Reader};
use evidence::{
    Artifact, Claim, Fields, Hive, Input, Integrity, Location, Locator, Meaning, Moment, Phase, Record, Sink,
    Timestamp, Value, no_leads,
};

/// The host itself.
pub(crate) static ARTIFACT: Artifact = Artifact {
    id: "host",
    title: "The host: name, version, zone, accounts, volumes, settings",
    data_types: &[SYSTEM, OS, TIME_ZONE, TIME_ZONE_RULES, USER, VOLUME, SETTING],
    locations: &[
        Location::Key { hive: Hive::System, key: r"ControlSet…\Control" },
        Location::Key { hive: Hive::System, key: "MountedDevices" },
        Location::Key { hive: Hive::Software, key: r"Microsoft\Windows NT\CurrentVersion" },
        Location::Key { hive: Hive::Software, key: r"Microsoft\Windows\CurrentVersion\Policies\System" },
        Location::Key { hive: Hive::Sam, key: r"SAM\Domains\Account\Users" },
        Location::Key { hive: Hive::Security, key: "Policy" },
    ],
    claims: NO_CLAIMS,
    supports: "Which computer this is, which Windows it ran, which local time was valid when, which account a SID \
               belongs to, which volume a path means, and whether Windows was set to record command lines and \
               prefetch files.",
    does_not_support: "What was set at an earlier time; only the last state of each hive is read.",
    windows: "All versions; always on.",
    references: &[
        "https://learn.microsoft.com/windows/win32/api/timezoneapi/",
        "https://learn.microsoft.com/windows-server/identity/ad-ds/manage/component-updates/command-line-process-auditing",
        "https://winreg-kb.readthedocs.io/",
    ],
    phase: Phase::Independent,
    older_states: false,
    parse,
    leads: no_leads,
};

const SYSTEM: &str = "windows:host:system";
const OS: &str = "windows:host:os";
const TIME_ZONE: &str = "windows:host:time_zone";
const TIME_ZONE_RULES: &str = "windows:host:time_zone_rules";
const USER: &str = "windows:host:user";
const VOLUME: &str = "windows:host:volume";
const SETTING: &str = "windows:host:setting";

/// Facts about the host are the frame of the findings, not evidence for one.
const NO_CLAIMS: &[Claim] = &[];

fn parse(input: &Input<'_>, sink: &mut Sink<'_>) {
    let mut notes = Vec::new();
    if let Some(mut hive) = HiveFile::load(input.bytes, &hive_logs(input), &mut notes) {
        hive.apply_logs(&mut notes);
        let reader = hive.reader();
        let has = |path: &str| reader.key(path).is_some();
        if has("Select") && (has("MountedDevices") || has("Setup")) {
            system::read(&reader, sink);
        } else if has(r"Microsoft\Windows NT\CurrentVersion") {
            software::read(&reader, sink);
        } else if has(r"SAM\Domains") {
            security::read_sam(&reader, sink);
        } else if has(r"Policy\PolAdtEv") || has(r"Policy\Secrets") {
            security::read_security(&reader, sink);
        }
        notes.extend(reader.take_notes());
        notes.extend(hive.take_failures());
    }
    notes.into_iter().for_each(|note| note.report(sink));
}

/// A key with its path in the hive.
struct Found<'r> {
    key: Key<'r>,
    path: String,
}

impl<'r> Found<'r> {
    fn at(reader: &'r Reader<'r>, path: &str) -> Option<Found<'r>> {
        Some(Found { key: reader.key(path)?, path: path.to_owned() })
    }

    fn below(&self, path: &str) -> Option<Found<'r>> {
        Some(Found { key: self.key.descend(path)?, path: format!("{}\\{path}", self.path) })
    }

    fn subkeys(&self) -> impl Iterator<Item = Found<'r>> + '_ {
        self.key.subkeys().map(|key| Found { path: format!("{}\\{}", self.path, key.name()), key })
    }

    fn name(&self) -> String {
        self.key.name().to_string()
    }

    fn text(&self, name: &str) -> Option<String> {
        self.key.value(name)?.text().filter(|text| !text.is_empty())
    }

    fn number(&self, name: &str) -> Option<u64> {
        self.key.value(name)?.number()
    }

    /// A DWORD that Windows reads as signed.
    fn signed(&self, name: &str) -> Option<Value> {
        let number = u32::try_from(self.number(name)?).ok()?;
        Some(Value::Signed(i64::from(number.cast_signed())))
    }

    fn bytes(&self, name: &str) -> Option<Vec<u8>> {
        Some(self.key.value(name)?.bytes().into_owned())
    }

    fn locator(&self, value: Option<&str>) -> Locator {
        let found = value.and_then(|name| self.key.value(name));
        let offset = found.map_or(self.key.offset(), |value| value.offset);
        Locator::RegistryKey { key: self.path.clone(), value: value.map(str::to_owned), offset }
    }

    /// A record of this key, with the time of its last change.
    fn record(&self, data_type: &'static str, subject: impl Into<String>, fields: Fields) -> Record {
        let moment = Timestamp::filetime(self.key.last_written()).map(|at| Moment::at(Meaning::KEY_WRITTEN, at));
        Record {
            artifact: ARTIFACT.id,
            data_type,
            subject: subject.into(),
            user: None,
            moments: moment.into_iter().collect(),
            fields,
            claims: NO_CLAIMS,
            locator: self.locator(None),
            integrity: Integrity::Intact,
        }
    }

    /// A setting record of one value, if it is there.
    fn setting(&self, name: &'static str, sink: &mut Sink<'_>) {
        let Some(stored) = self.key.value(name) else { return };
        let value = match (stored.number(), stored.text()) {
            (Some(number), _) => Value::from(number),
            (None, Some(text)) => Value::from(text),
            (None, None) => return,
        };
        let mut fields = Fields::new();
        fields.push("Name", name);
        fields.push("Value", value);
        sink.record(Record { locator: self.locator(Some(name)), ..self.record(SETTING, name, fields) });
    }
}

/// The eight 16-bit numbers of a stored date, in the stored order.
fn eight_numbers(bytes: &[u8]) -> Option<Value> {
    let numbers = bytes.get(..16)?.chunks_exact(2).map(|pair| u32::from(u16::from_le_bytes([pair[0], pair[1]])));
    Some(Value::from(numbers.collect::<Vec<u32>>()))
}
