//! The machine that the evidence describes: its name, its zone, its accounts and volumes.
//!
//! All of it is read from the evidence, never from the machine on which the analysis runs.

mod zone;

pub use zone::TimeZone;

use crate::paths::{self, PathKey};
use evidence::{Citation, Filetime, Item, Record, Role, Tells};
use serde::Serialize;
use std::net::IpAddr;

/// The machine that the evidence describes. What no record tells is absent.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Host {
    /// Computer name.
    pub name: Option<String>,
    /// Domain, as the network settings name it.
    pub domain: Option<String>,
    /// Product name of Windows. Windows 11 calls itself Windows 10 here; the build tells them apart.
    pub product: Option<String>,
    /// Build number.
    pub build: Option<String>,
    /// Time zone with its rules.
    pub time_zone: Option<TimeZone>,
    /// Number of the control set that was in use.
    pub control_set: Option<u64>,
    /// When the machine ran, from the event logs.
    pub boots: Vec<Boot>,
    /// When its clock was changed by a second or more, from the event logs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub clock_changes: Vec<ClockChange>,
    /// Accounts with a profile on the machine.
    pub users: Vec<HostUser>,
    /// Volumes with their names.
    pub volumes: Vec<HostVolume>,
    /// Settings that decide what the machine records and how it looks for files.
    pub settings: Vec<Setting>,
    /// Build of Windows with its branch and processor.
    #[serde(skip)]
    pub build_lab: Option<String>,
    /// Its own shares by their names, with their folders.
    #[serde(skip)]
    pub shares: Vec<(String, String)>,
    /// The network addresses that are set, or that it last got.
    #[serde(skip)]
    pub addresses: Vec<IpAddr>,
    /// Whether its name is that of the records in its logs, since no hive has one.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub name_by_records: bool,
    /// Other computers that the records of its own logs name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub other_computers: Vec<String>,
    /// Whether a record of its own logs names it.
    #[serde(skip)]
    pub named_in_logs: bool,
    /// Letters of the collected volumes with their serial numbers, as Windows shows them: `9A3C11F2`.
    #[serde(skip)]
    pub serials: Vec<(String, String)>,
    /// How many records describe it.
    #[serde(skip)]
    pub records: u64,
}

/// A change of the clock.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ClockChange {
    /// What the clock showed before, UTC.
    pub before: Filetime,
    /// What it showed after that.
    pub after: Filetime,
    /// Whether a record says so. Else only the times of the records go back, and these are two of them.
    pub is_recorded: bool,
    /// The account and the program that changed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// The computer that the records name.
    pub computer: String,
    /// The records.
    pub sources: Vec<Citation>,
}

/// One run of the machine, from start to shutdown.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Boot {
    /// Start, UTC.
    pub started: Option<Filetime>,
    /// The same corrected for known changes of the clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_corrected: Option<Filetime>,
    /// Shutdown, UTC; absent while running and after an unclean end.
    pub ended: Option<Filetime>,
    /// The same corrected for known changes of the clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_corrected: Option<Filetime>,
    /// True when no record says that the machine started, and something else implies it.
    pub inferred: bool,
    /// What says so, in words.
    pub because: String,
    /// The computer that the records name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub computer: Option<String>,
    /// The records.
    pub sources: Vec<Citation>,
}

/// An account with a profile on the machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HostUser {
    /// Security identifier.
    pub sid: String,
    /// Account name; where the record has none, the name of the profile folder, which may differ.
    pub name: Option<String>,
    /// Profile folder.
    pub profile: Option<String>,
}

/// A volume and what it is called.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HostVolume {
    /// `C:`, where it had a letter.
    pub letter: Option<String>,
    /// What identifies it: partition GUID, or disk signature and offset, or a device path.
    pub identity: String,
    /// `\Volume{…}` names.
    pub names: Vec<String>,
}

/// A setting by the name of its registry value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Setting {
    /// Name of the value.
    pub name: String,
    /// The value as text.
    pub value: String,
}

impl Host {
    /// Takes what the records of its own logs call it, and which others they name. Where no hive has its name, theirs is it.
    pub(crate) fn takes_names(&mut self, this: Vec<String>, others: Vec<String>) {
        self.named_in_logs = !this.is_empty();
        if self.name.is_none() {
            // The last is the newest, where it was renamed.
            self.name = this.into_iter().next_back();
            self.name_by_records = self.name.is_some();
        }
        self.other_computers = others;
    }

    /// The host that these records describe. Where two records disagree the first one counts.
    pub fn from_records(records: &[(Item, Record)]) -> Host {
        let mut host = Host { records: records.len() as u64, ..Host::default() };
        let mut zone = None;
        let mut zones: Vec<&Record> = Vec::new();
        for (_, record) in records {
            match record.of.tells {
                Tells::HostName => {
                    keep(&mut host.name, text(record, Role::Computer));
                    keep(&mut host.domain, text(record, Role::Domain));
                    keep(&mut host.control_set, control_set(record));
                }
                Tells::HostSystem => {
                    keep(&mut host.product, text(record, Role::Product));
                    keep(&mut host.build, text(record, Role::Build));
                    keep(&mut host.build_lab, text(record, Role::BuildLab));
                }
                Tells::TimeZone => keep(&mut zone, Some(record)),
                Tells::TimeZoneRules => zones.push(record),
                Tells::Account => host.add_user(record),
                Tells::Volume => host.add_volume(record),
                Tells::Share => {
                    if let (Some(name), Some(folder)) = (text(record, Role::Name), text(record, Role::Path)) {
                        host.shares.push((name, folder));
                    }
                }
                Tells::Address => {
                    let address = text(record, Role::Address).and_then(|address| address.parse().ok());
                    host.addresses.extend(address.filter(|address: &IpAddr| !address.is_unspecified()));
                }
                Tells::Setting => {
                    if let (Some(name), Some(value)) = (text(record, Role::Name), text(record, Role::Value))
                        && host.setting(&name).is_none()
                    {
                        host.settings.push(Setting { name, value });
                    }
                }
                _ => {}
            }
        }
        host.time_zone = zone.map(|setting| TimeZone::new(setting, &zones));
        host.users.sort_by(|a, b| a.sid.cmp(&b.sid));
        host.volumes.sort_by(|a, b| {
            (a.letter.is_none(), &a.letter, &a.identity).cmp(&(b.letter.is_none(), &b.letter, &b.identity))
        });
        host.settings.sort_by(|a, b| a.name.cmp(&b.name));
        host
    }

    fn add_user(&mut self, record: &Record) {
        let Some(sid) = text(record, Role::UserSid) else { return };
        let profile = text(record, Role::Profile);
        let folder = profile.as_deref().map(paths::file_name).filter(|name| !name.is_empty()).map(str::to_owned);
        let name = text(record, Role::UserName).or(folder);
        match self.users.iter_mut().find(|user| user.sid == sid) {
            Some(user) => {
                keep(&mut user.profile, profile);
                keep(&mut user.name, name);
            }
            None => self.users.push(HostUser { sid, name, profile }),
        }
    }

    fn add_volume(&mut self, record: &Record) {
        let Some(name) = text(record, Role::Name) else { return };
        let identity = if let Some(guid) = text(record, Role::PartitionGuid) {
            format!("partition {}", guid.to_uppercase())
        } else if let (Some(signature), Some(offset)) = (text(record, Role::DiskSignature), text(record, Role::Offset))
        {
            format!("disk {signature} offset {offset}")
        } else if let Some(device) = text(record, Role::Device) {
            format!("device {device}")
        } else {
            format!("name {name}")
        };
        let at = match self.volumes.iter().position(|volume| volume.identity == identity) {
            Some(at) => at,
            None => {
                self.volumes.push(HostVolume { letter: None, identity, names: Vec::new() });
                self.volumes.len() - 1
            }
        };
        let volume = &mut self.volumes[at];
        if let Some(letter) = paths::strip_prefix_any_case(&name, r"\DosDevices\") {
            keep(&mut volume.letter, Some(letter.to_uppercase()));
        } else {
            let name = name.trim_start_matches(r"\??").to_owned();
            if !volume.names.contains(&name) {
                volume.names.push(name);
            }
        }
    }

    /// The value of a setting.
    pub fn setting(&self, name: &str) -> Option<&str> {
        self.settings
            .iter()
            .find(|setting| setting.name.eq_ignore_ascii_case(name))
            .map(|setting| setting.value.as_str())
    }

    /// Whether its Windows is a 64-bit one, by the processor that it was built for.
    pub(crate) fn is_64_bit(&self) -> Option<bool> {
        let lab = self.build_lab.iter().flat_map(|lab| lab.split('.'));
        let built_for = lab.filter_map(|part| part.strip_suffix("fre").or_else(|| part.strip_suffix("chk")));
        let mut processors = self.setting("PROCESSOR_ARCHITECTURE").into_iter().chain(built_for);
        processors.find_map(|processor| match processor.to_ascii_lowercase().as_str() {
            "amd64" | "arm64" | "ia64" => Some(true),
            "x86" => Some(false),
            _ => None,
        })
    }

    /// Local civil time at a moment, with its offset, by the rule valid at that date; a reading that occurs
    /// twice when the clock is set back says so. `None` where the zone is not known.
    pub fn local(&self, at: Filetime) -> Option<String> {
        self.time_zone.as_ref()?.local(at)
    }

    /// The account name of a SID.
    pub fn user_name(&self, sid: &str) -> Option<&str> {
        self.users.iter().find(|user| user.sid.eq_ignore_ascii_case(sid))?.name.as_deref()
    }

    /// The SID of the account whose profile is this folder, if exactly one has it.
    pub(crate) fn sid_of_profile(&self, folder: &str) -> Option<&str> {
        let same = |profile: &String| PathKey::new(profile).same_file(&PathKey::new(folder));
        let mut found = self.users.iter().filter(|user| user.profile.as_ref().is_some_and(same));
        found.next().filter(|_| found.next().is_none()).map(|user| user.sid.as_str())
    }

    /// The SID of the account that a name means on this machine, to compare it with other records: one of the system's own,
    /// or the only one with a profile whose name has no other domain. A name alone proves no account.
    pub(crate) fn sid_meant(&self, name: &str) -> Option<&str> {
        const OWN: [(&str, &str); 3] =
            [("SYSTEM", "S-1-5-18"), ("LOCAL SERVICE", "S-1-5-19"), ("NETWORK SERVICE", "S-1-5-20")];
        let account = name.rsplit('\\').next().unwrap_or(name);
        if let Some((_, sid)) = OWN.iter().find(|(own, _)| own.eq_ignore_ascii_case(account)) {
            return Some(sid);
        }
        self.sid_of(name).or_else(|| {
            // `jdoe.CORP` is the profile of an account `jdoe` where there was one already.
            let is_it = |name: &str| {
                paths::strip_prefix_any_case(name, account).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
            };
            let mut found = self.users.iter().filter(|user| user.name.as_deref().is_some_and(is_it));
            found
                .next()
                .filter(|user| found.next().is_none() && user.sid.starts_with("S-1-5-21-"))
                .map(|user| user.sid.as_str())
        })
    }

    /// The SID of a local account named `MACHINE\name`, if exactly one profile has that name.
    pub(crate) fn sid_of(&self, name: &str) -> Option<&str> {
        let (machine, account) = name.split_once('\\')?;
        if !self.name.as_deref().is_some_and(|own| own.eq_ignore_ascii_case(machine)) {
            return None;
        }
        let mut found = self.users.iter().filter(|user| {
            user.sid.starts_with("S-1-5-21-")
                && user.name.as_deref().is_some_and(|name| name.eq_ignore_ascii_case(account))
        });
        match (found.next(), found.next()) {
            (Some(user), None) => Some(&user.sid),
            _ => None,
        }
    }

    /// The path with a drive letter in place of its volume, and whether that is certain. `\Volume{…}` names
    /// are stored with their letters. Device numbers are not stored anywhere: with one lettered volume that
    /// is not a drive for removable media, its letter is taken and called uncertain.
    pub(crate) fn with_letter(&self, path: &str) -> Option<(String, bool)> {
        let key = PathKey::new(path);
        let rest = paths::after_volume(path);
        let by_name = self
            .volumes
            .iter()
            .find(|volume| volume.letter.is_some() && volume.names.iter().any(|name| paths::fold(name) == key.volume));
        if let Some(letter) = by_name.and_then(|volume| volume.letter.as_deref()) {
            return Some((format!("{letter}{rest}"), true));
        }
        // The cache manager names a volume by when it was made and its serial number.
        let serial = key.volume.strip_prefix(r"\VOLUME{").and_then(|name| name.strip_suffix('}')?.rsplit_once('-'));
        if let Some((_, serial)) = serial
            && let Some((letter, _)) = self.serials.iter().find(|(_, there)| there.eq_ignore_ascii_case(serial))
        {
            return Some((format!("{letter}{rest}"), true));
        }
        if !key.volume.starts_with(r"\DEVICE\HARDDISKVOLUME") && !key.volume.starts_with(r"\VOLUME{") {
            return None;
        }
        let mut fixed = self.volumes.iter().filter(|volume| {
            volume.letter.is_some() && (volume.identity.starts_with("partition") || volume.identity.starts_with("disk"))
        });
        match (fixed.next().and_then(|volume| volume.letter.as_deref()), fixed.next()) {
            (Some(letter), None) => Some((format!("{letter}{rest}"), false)),
            _ => None,
        }
    }
}

fn keep<T>(slot: &mut Option<T>, value: Option<T>) {
    if slot.is_none() {
        *slot = value;
    }
}

/// A field as text; numbers in decimal.
fn text(record: &Record, role: Role) -> Option<String> {
    let told = record.role(role)?;
    let text = match told.text() {
        Some(text) => text.trim_end_matches('\0').to_owned(),
        None => told.number()?.to_string(),
    };
    (!text.is_empty()).then_some(text)
}

/// The control set's number, from `1` or `ControlSet001`.
fn control_set(record: &Record) -> Option<u64> {
    let told = record.role(Role::ControlSet)?;
    told.number()
        .or_else(|| told.text()?.trim_start_matches(|character: char| !character.is_ascii_digit()).parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{item, record};

    fn host(records: &[(&'static str, &[(&'static str, &str)])]) -> Host {
        let records: Vec<_> = records
            .iter()
            .map(|(kind, fields)| (item(0, r"C:\Windows\System32\config\SYSTEM"), record("host", kind, fields)))
            .collect();
        Host::from_records(&records)
    }

    #[test]
    fn what_the_hives_tell() {
        let host = host(&[
            (
                "windows:host:system",
                &[("ComputerName", "WS-FIN-07"), ("Domain", "corp.example"), ("ControlSet", "ControlSet001")],
            ),
            ("windows:host:os", &[("ProductName", "Windows 10 Pro"), ("Build", "19045")]),
            ("windows:host:user", &[("Sid", "S-1-5-21-1-2-3-1104"), ("ProfilePath", r"C:\Users\jdoe")]),
            ("windows:host:setting", &[("Name", "EnableLUA"), ("Value", "1")]),
            (
                "windows:host:volume",
                &[("Name", r"\DosDevices\C:"), ("DiskSignature", "12345678"), ("Offset", "1048576")],
            ),
            (
                "windows:host:volume",
                &[
                    ("Name", r"\??\Volume{8a0e1c57-0000-0000-0000-100000000000}"),
                    ("DiskSignature", "12345678"),
                    ("Offset", "1048576"),
                ],
            ),
        ]);
        assert_eq!(host.name.as_deref(), Some("WS-FIN-07"));
        assert_eq!(host.control_set, Some(1));
        assert_eq!(host.build.as_deref(), Some("19045"));
        assert_eq!(host.user_name("S-1-5-21-1-2-3-1104"), Some("jdoe"));
        assert_eq!(host.sid_of(r"WS-FIN-07\JDOE"), Some("S-1-5-21-1-2-3-1104"));
        assert_eq!(host.sid_of(r"CORP\jdoe"), None, "another authority's jdoe is another account");
        assert_eq!(host.setting("enablelua"), Some("1"));
        assert_eq!(host.volumes.len(), 1);
        assert_eq!(
            host.with_letter(r"\\?\Volume{8A0E1C57-0000-0000-0000-100000000000}\a\b.dll"),
            Some((r"C:\a\b.dll".to_owned(), true))
        );
        assert_eq!(host.with_letter(r"\device\harddiskvolume2\a\b.dll"), Some((r"C:\a\b.dll".to_owned(), false)));
        assert_eq!(host.with_letter(r"C:\a"), None);
    }
}
