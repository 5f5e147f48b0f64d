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
//! SYSTEM (name, domain, addresses, shares, zone, volumes, prefetch setting), SOFTWARE (version, zones with their rules, profiles,
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

mod fields;
mod security;
mod software;
mod system;
#[cfg(test)]
mod tests;

use super::{Found, HIVE, InHive, MEMORY};
use evidence::{Artifact, Beside, Fields, Hive, Parse, Phase, Reads, Record, RecordType, Sink, Tells, Value};

/// The host itself.
pub(crate) static ARTIFACT: Artifact = Artifact {
    id: "host",
    title: "The host: name, version, zone, accounts, volumes, settings",
    records: &[&SYSTEM, &OS, &TIME_ZONE, &TIME_ZONE_RULES, &USER, &VOLUME, &SHARE, &ADDRESS, &SETTING],
    reads: &[
        Reads::Key { hive: Hive::System, key: r"CurrentControlSet\Control" },
        Reads::Key { hive: Hive::System, key: r"CurrentControlSet\Services\Tcpip\Parameters" },
        Reads::Key { hive: Hive::System, key: r"CurrentControlSet\Services\LanmanServer\Shares" },
        Reads::Key { hive: Hive::System, key: "MountedDevices" },
        Reads::Key { hive: Hive::Software, key: r"Microsoft\Windows NT\CurrentVersion" },
        Reads::Key { hive: Hive::Software, key: r"Microsoft\Windows\CurrentVersion\Policies\System" },
        Reads::Key { hive: Hive::Software, key: r"Microsoft\Cryptography" },
        Reads::Key { hive: Hive::Sam, key: r"SAM\Domains\Account" },
        Reads::Key { hive: Hive::Security, key: r"Policy\PolAcDmS" },
        Reads::Key { hive: Hive::Security, key: r"Policy\PolAdtEv" },
    ],
    supports: "Which computer this is, which Windows it ran, which local time was valid when, which account a SID \
               belongs to, which volume a path means, which folders it shares, and whether Windows was set to record \
               command lines and prefetch files.",
    does_not_support: "What was set at an earlier time; only the last state of each hive is read.",
    windows: "All versions; always on.",
    references: &[
        "https://learn.microsoft.com/windows/win32/api/timezoneapi/",
        "https://learn.microsoft.com/windows-server/identity/ad-ds/manage/component-updates/command-line-process-auditing",
        "https://winreg-kb.readthedocs.io/",
    ],
    phase: Phase::Independent,
    older_states: false,
    beside: Beside::HiveLogs,
    memory: MEMORY,
    parse: Some(Parse::In(&HIVE, &InHive(read))),
    leads: None,
};

static SYSTEM: RecordType = RecordType {
    fields: fields::SYSTEM_FIELDS,
    says: "Moment of all of these: `Content Modification Time` of the key that holds them, where it says something. Locator: that key, or the value. From SYSTEM all but the SID, from SAM or SECURITY the SID alone.",
    tells: Tells::HostName,
    message: "The computer is {ComputerName}[ in domain {Domain}][, control set {ControlSet}]",
    ..RecordType::named("windows:host:system")
};

static OS: RecordType = RecordType {
    fields: fields::OS_FIELDS,
    says: "Moment: `Installation Time`.",
    tells: Tells::HostSystem,
    message: "The system is {ProductName}[ {DisplayVersion}][, build {Build}][.{Ubr}]",
    ..RecordType::named("windows:host:os")
};

static TIME_ZONE: RecordType = RecordType {
    fields: fields::TIME_ZONE_FIELDS,
    says: "What is set.",
    tells: Tells::TimeZone,
    message: "The time zone is {Name}[, bias {ActiveTimeBias|Bias} minutes]",
    ..RecordType::named("windows:host:time_zone")
};

static TIME_ZONE_RULES: RecordType = RecordType {
    fields: fields::TIME_ZONE_RULES_FIELDS,
    says: "One per zone of `Time Zones`; undated.",
    tells: Tells::TimeZoneRules,
    message: "Rules of time zone {Name}",
    ..RecordType::named("windows:host:time_zone_rules")
};

static USER: RecordType = RecordType {
    fields: fields::USER_FIELDS,
    says: "One per profile, and one per local account. `user`: its SID.",
    tells: Tells::Account,
    message: "User {Sid}[ is {Name}][, profile {ProfilePath}]",
    ..RecordType::named("windows:host:user")
};

static VOLUME: RecordType = RecordType {
    fields: fields::VOLUME_FIELDS,
    says: "One for each name under which a volume was mounted.",
    tells: Tells::Volume,
    message: "Volume {Name}[, disk signature {DiskSignature}][ at offset {Offset}][, partition {PartitionGuid}][, device {Device}]",
    ..RecordType::named("windows:host:volume")
};

static SHARE: RecordType = RecordType {
    fields: fields::SHARE_FIELDS,
    says: "One per folder that the host shares, from `LanmanServer\\Shares`; the administrative shares are not there.",
    tells: Tells::Share,
    message: "Share {Name} is the folder {Path}",
    ..RecordType::named("windows:host:share")
};

static ADDRESS: RecordType = RecordType {
    fields: fields::ADDRESS_FIELDS,
    says: "One per address of an interface.",
    tells: Tells::Address,
    message: "Interface {Interface} has the address {Address}",
    ..RecordType::named("windows:host:address")
};

static SETTING: RecordType = RecordType {
    fields: fields::SETTING_FIELDS,
    says: "One per setting. The moment of `ShutdownTime` is `Last Shutdown Time`.",
    tells: Tells::Setting,
    message: "Setting {Name} is {Value}",
    ..RecordType::named("windows:host:setting")
};

fn read(hive: &super::Hive<'_>, sink: &mut Sink<'_>) {
    match hive.kind {
        Some(Hive::System) => system::read(hive, sink),
        Some(Hive::Software) => software::read(hive, sink),
        Some(Hive::Sam) => security::read_sam(hive, sink),
        Some(Hive::Security) => security::read_security(hive, sink),
        Some(Hive::NtUser | Hive::UsrClass) | None => {}
    }
}

impl Found<'_> {
    /// A DWORD that Windows reads as signed.
    fn signed(&self, name: &str) -> Option<Value> {
        let number = u32::try_from(self.number(name)?).ok()?;
        Some(Value::Signed(i64::from(number.cast_signed())))
    }

    /// A record of this key, with the time of its last change.
    fn of_host(&self, of: &'static RecordType, subject: impl Into<String>, fields: Fields) -> Record {
        self.record(&ARTIFACT, of, subject, fields)
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
        fields.push(fields::SETTING_NAME.name, name);
        fields.push(fields::VALUE.name, value);
        sink.record(Record { locator: self.locator(Some(name)), ..self.of_host(&SETTING, name, fields) });
    }
}

/// The eight 16-bit numbers of a stored date, in the stored order.
fn eight_numbers(bytes: &[u8]) -> Option<Value> {
    let numbers = bytes.get(..16)?.chunks_exact(2).map(|pair| u32::from(u16::from_le_bytes([pair[0], pair[1]])));
    Some(Value::from(numbers.collect::<Vec<u32>>()))
}
