//! What the SYSTEM hive says of the host.

use super::super::{Found, Hive};
use super::fields::{
    ACTIVE_TIME_BIAS, ADDRESS, BIAS, COMPUTER_NAME, CONTROL_SET, DAYLIGHT_BIAS, DAYLIGHT_DATE, DEVICE, DISK_SIGNATURE,
    DOMAIN, DYNAMIC_DAYLIGHT_TIME_DISABLED, HOSTNAME, INTERFACE, OFFSET, PARTITION_GUID, SETTING_NAME, SHARE_NAME,
    SHARE_PATH, STANDARD_BIAS, STANDARD_DATE, VALUE, VOLUME_NAME, ZONE_NAME,
};
use super::{SETTING, SHARE, SYSTEM, TIME_ZONE, VOLUME, eight_numbers};
use crate::formats::hive::Data;
use evidence::{Fields, Locator, Meaning, Moment, ProblemKind, Record, Sink, Timestamp, Value, guid_text};

pub(super) fn read(hive: &Hive<'_>, sink: &mut Sink<'_>) {
    let select = hive.key("Select");
    let current = select.as_ref().and_then(|select| select.number("Current"));
    let set = current.map(|number| format!("ControlSet{number:03}"));
    let Some(control_set) = set.as_deref().and_then(|set| hive.key(set)) else {
        sink.problem(
            ProblemKind::Inconsistent {
                a: format!("Select\\Current names {}", set.as_deref().unwrap_or("no control set")),
                b: "no such key is there".to_owned(),
            },
            select.map(|select| select.locator(Some("Current"))),
            "the current control set cannot be read",
            "name, time zone and settings of the host are unknown",
        );
        volumes(hive, sink);
        return;
    };
    system(&control_set, sink);
    shares(&control_set, sink);
    addresses(&control_set, sink);
    time_zone(&control_set, sink);
    volumes(hive, sink);
    if let Some(prefetch) = control_set.below(r"Control\Session Manager\Memory Management\PrefetchParameters") {
        prefetch.setting("EnablePrefetcher", sink);
    }
    if let Some(manager) = control_set.below(r"Control\Session Manager") {
        manager.setting("SafeProcessSearchMode", sink);
        if let Some(environment) = manager.below("Environment") {
            environment.setting("PROCESSOR_ARCHITECTURE", sink);
        }
    }
    if let Some(windows) = control_set.below(r"Control\Windows") {
        shutdown(&windows, sink);
    }
}

fn system(control_set: &Found<'_>, sink: &mut Sink<'_>) {
    let name = control_set.below(r"Control\ComputerName\ComputerName");
    let tcpip = control_set.below(r"Services\Tcpip\Parameters");
    let of_tcpip = |name: &str| tcpip.as_ref().and_then(|key| key.text(name));
    let computer = name.as_ref().and_then(|key| key.text("ComputerName"));
    let mut fields = Fields::new();
    fields.push_some(COMPUTER_NAME.name, computer.clone());
    fields.push_some(HOSTNAME.name, of_tcpip("Hostname").or_else(|| of_tcpip("NV Hostname")));
    fields.push_some(DOMAIN.name, of_tcpip("Domain").or_else(|| of_tcpip("NV Domain")));
    fields.push(CONTROL_SET.name, control_set.name());
    let place = name.as_ref().unwrap_or(control_set);
    sink.record(place.of_host(&SYSTEM, computer.unwrap_or_default(), fields));
}

/// One record for each folder that is shared. A value is a list of `Name=text`.
fn shares(control_set: &Found<'_>, sink: &mut Sink<'_>) {
    let Some(shares) = control_set.below(r"Services\LanmanServer\Shares") else { return };
    for value in shares.key.values() {
        let Data::Texts(texts) = value.data() else { continue };
        let of = |name: &str| {
            let mut found = texts.iter().filter_map(|text| text.split_once('='));
            found.find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, text)| text.to_owned())
        };
        // A printer is shared too, and has no folder.
        let Some(path) = of("Path").filter(|path| path.contains('\\')) else { continue };
        let stored = value.name().to_string();
        let name = of("ShareName").filter(|name| !name.is_empty()).unwrap_or_else(|| stored.clone());
        let mut fields = Fields::new();
        fields.push(SHARE_NAME.name, name.as_str());
        fields.push(SHARE_PATH.name, path);
        let locator = Locator::RegistryKey { key: shares.path.clone(), value: Some(stored), offset: value.offset };
        sink.record(Record { locator, ..shares.of_host(&SHARE, name, fields) });
    }
}

/// One record for each address of an interface.
fn addresses(control_set: &Found<'_>, sink: &mut Sink<'_>) {
    let Some(interfaces) = control_set.below(r"Services\Tcpip\Parameters\Interfaces") else { return };
    for interface in interfaces.subkeys() {
        for name in ["IPAddress", "DhcpIPAddress"] {
            let addresses = match interface.key.value(name).map(|value| value.data()) {
                Some(Data::Texts(addresses)) => addresses,
                Some(Data::Text(address)) => vec![address],
                _ => continue,
            };
            for address in addresses.into_iter().filter(|address| !matches!(address.as_str(), "" | "0.0.0.0")) {
                let mut fields = Fields::new();
                fields.push(INTERFACE.name, interface.name());
                fields.push(ADDRESS.name, address.as_str());
                let record = interface.of_host(&super::ADDRESS, address, fields);
                sink.record(Record { locator: interface.locator(Some(name)), ..record });
            }
        }
    }
}

fn time_zone(control_set: &Found<'_>, sink: &mut Sink<'_>) {
    let Some(zone) = control_set.below(r"Control\TimeZoneInformation") else { return };
    let name = zone.text("TimeZoneKeyName").or_else(|| zone.text("StandardName"));
    let mut fields = Fields::new();
    fields.push_some(ZONE_NAME.name, name.clone());
    for field in [BIAS, STANDARD_BIAS, DAYLIGHT_BIAS, ACTIVE_TIME_BIAS] {
        // Windows has the same names for them.
        fields.push_some(field.name, zone.signed(field.name));
    }
    // Stored in the kernel's order, with the day of the week last (TIME_FIELDS, wdm.h), and kept so; the rules
    // below `Time Zones` have the order of a SYSTEMTIME.
    fields.push_some(STANDARD_DATE.name, zone.bytes("StandardStart").and_then(|bytes| eight_numbers(&bytes)));
    fields.push_some(DAYLIGHT_DATE.name, zone.bytes("DaylightStart").and_then(|bytes| eight_numbers(&bytes)));
    // XP has another name for the same switch.
    let disabled = zone.number("DynamicDaylightTimeDisabled").or_else(|| zone.number("DisableAutoDaylightTimeSet"));
    fields.push_some(DYNAMIC_DAYLIGHT_TIME_DISABLED.name, disabled.map(|number| number != 0));
    sink.record(zone.of_host(&TIME_ZONE, name.unwrap_or_default(), fields));
}

fn shutdown(windows: &Found<'_>, sink: &mut Sink<'_>) {
    let Some(raw) = windows.bytes("ShutdownTime").as_deref().and_then(|bytes| bytes.first_chunk().copied()) else {
        return;
    };
    let Some(at) = Timestamp::filetime(u64::from_le_bytes(raw)) else { return };
    let mut fields = Fields::new();
    fields.push(SETTING_NAME.name, "ShutdownTime");
    fields.push(VALUE.name, Value::Time(at.ticks));
    let record = windows.of_host(&SETTING, "ShutdownTime", fields);
    sink.record(Record {
        moments: vec![Moment::at(Meaning("Last Shutdown Time"), at)],
        locator: windows.locator(Some("ShutdownTime")),
        ..record
    });
}

/// One record for each name under which a volume was mounted.
fn volumes(hive: &Hive<'_>, sink: &mut Sink<'_>) {
    let Some(mounted) = hive.key("MountedDevices") else { return };
    for value in mounted.key.values() {
        let name = value.name().to_string();
        let mut fields = Fields::new();
        fields.push(VOLUME_NAME.name, name.as_str());
        let bytes: &[u8] = &value.bytes();
        if let (12, Some(signature), Some(offset)) = (bytes.len(), bytes.first_chunk(), bytes.last_chunk()) {
            fields.push(DISK_SIGNATURE.name, format!("{:08X}", u32::from_le_bytes(*signature)));
            fields.push(OFFSET.name, u64::from_le_bytes(*offset));
        } else if let Some(guid) = bytes.strip_prefix(b"DMIO:ID:").and_then(|rest| <&[u8; 16]>::try_from(rest).ok()) {
            fields.push(PARTITION_GUID.name, guid_text(guid));
        } else {
            let units = bytes.chunks_exact(2).map(|unit| u16::from_le_bytes([unit[0], unit[1]]));
            let text: String = char::decode_utf16(units.take_while(|unit| *unit != 0))
                .map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER))
                .collect();
            fields.push(DEVICE.name, text);
        }
        let locator =
            Locator::RegistryKey { key: mounted.path.clone(), value: Some(name.clone()), offset: value.offset };
        sink.record(Record { locator, ..mounted.of_host(&VOLUME, name, fields) });
    }
}
