//! What the SOFTWARE hive says of the host.

use super::super::{Found, Hive};
use super::fields::{
    BIAS, BUILD, BUILD_LAB, CURRENT_VERSION, DAYLIGHT_BIAS, DISPLAY_VERSION, INSTALL_DATE, INSTALLATION_TYPE,
    PRODUCT_NAME, PROFILE_PATH, REGISTERED_OWNER, RULE_DAYLIGHT_DATE, RULE_STANDARD_DATE, RULES, SID, STANDARD_BIAS,
    UBR, YEAR, ZONE_NAME,
};
use super::{OS, TIME_ZONE_RULES, USER, eight_numbers};
use crate::formats::hive::Data;
use evidence::{Fields, Locator, Meaning, Moment, Record, Sink, Timestamp, Value};

pub(super) fn read(hive: &Hive<'_>, sink: &mut Sink<'_>) {
    if let Some(version) = hive.key(r"Microsoft\Windows NT\CurrentVersion") {
        os(&version, sink);
        if let Some(profiles) = version.below("ProfileList") {
            users(&profiles, sink);
        }
        if let Some(zones) = version.below("Time Zones") {
            zones.subkeys().for_each(|zone| time_zone_rules(&zone, sink));
        }
    }
    let policies = r"Microsoft\Windows\CurrentVersion\Policies\System";
    if let Some(policies) = hive.key(policies) {
        for name in ["EnableLUA", "FilterAdministratorToken", "LocalAccountTokenFilterPolicy"] {
            policies.setting(name, sink);
        }
        if let Some(audit) = policies.below("Audit") {
            audit.setting("ProcessCreationIncludeCmdLine_Enabled", sink);
        }
    }
    if let Some(cryptography) = hive.key(r"Microsoft\Cryptography") {
        cryptography.setting("MachineGuid", sink);
    }
}

fn os(version: &Found<'_>, sink: &mut Sink<'_>) {
    let product = version.text("ProductName");
    let mut fields = Fields::new();
    fields.push_some(PRODUCT_NAME.name, product.clone());
    fields.push_some(BUILD.name, version.text("CurrentBuildNumber").or_else(|| version.text("CurrentBuild")));
    fields.push_some(UBR.name, version.number("UBR"));
    fields.push_some(DISPLAY_VERSION.name, version.text("DisplayVersion").or_else(|| version.text("ReleaseId")));
    fields.push_some(CURRENT_VERSION.name, version.text("CurrentVersion"));
    fields.push_some(BUILD_LAB.name, version.text("BuildLabEx").or_else(|| version.text("BuildLab")));
    fields.push_some(INSTALLATION_TYPE.name, version.text("InstallationType"));
    fields.push_some(REGISTERED_OWNER.name, version.text("RegisteredOwner"));
    // The newer value has 100 ns, the older one seconds of the same moment.
    let precise = version.number("InstallTime").and_then(Timestamp::filetime);
    let seconds =
        version.number("InstallDate").and_then(|number| u32::try_from(number).ok()).filter(|number| *number != 0);
    let installed = precise.or_else(|| seconds.and_then(Timestamp::unix32));
    fields.push_some(INSTALL_DATE.name, installed.map(|at| at.ticks));
    let mut record = version.of_host(&OS, product.unwrap_or_default(), fields);
    record.moments = installed.into_iter().map(|at| Moment::at(Meaning("Installation Time"), at)).collect();
    sink.record(record);
}

/// One record for each profile: a user who logged on to this host at least once.
fn users(profiles: &Found<'_>, sink: &mut Sink<'_>) {
    for profile in profiles.subkeys() {
        // Windows renames a profile that it could not load and starts a temporary one under the old name.
        let key = profile.name();
        let sid = key.strip_suffix(".bak").unwrap_or(&key);
        if !sid.starts_with("S-1-") {
            continue;
        }
        let path = profile.text("ProfileImagePath");
        let mut fields = Fields::new();
        fields.push(SID.name, sid);
        fields.push_some(PROFILE_PATH.name, path);
        let record = profile.of_host(&USER, sid, fields);
        sink.record(Record { user: Some(sid.to_owned()), ..record });
    }
}

/// Most years of rules of one time zone. Windows has them for some twenty years.
const MOST_YEARS: usize = 1_000;

fn time_zone_rules(zone: &Found<'_>, sink: &mut Sink<'_>) {
    let mut rules = Vec::new();
    rules.extend(zone.bytes("TZI").and_then(|bytes| rule(None, &bytes)));
    if let Some(dynamic) = zone.below("Dynamic DST") {
        let mut years: Vec<(u32, Value)> = dynamic
            .key
            .values()
            .filter_map(|value| {
                let year = value.name().to_string().parse().ok()?;
                let Data::Bytes(bytes) = value.data() else { return None };
                Some((year, rule(Some(year), &bytes)?))
            })
            .take(MOST_YEARS + 1)
            .collect();
        if years.len() > MOST_YEARS {
            years.truncate(MOST_YEARS);
            let what = format!("a time zone has rules for more than {MOST_YEARS} years");
            dynamic.key.note_limit(what, "the local times of other years may be wrong");
        }
        years.sort_by_key(|(year, _)| *year);
        rules.extend(years.into_iter().map(|(_, rule)| rule));
    }
    if rules.is_empty() {
        return;
    }
    let name = zone.name();
    let mut fields = Fields::new();
    fields.push(ZONE_NAME.name, name.as_str());
    fields.push(RULES.name, Value::List(rules));
    let locator = Locator::RegistryKey { key: zone.path.clone(), value: None, offset: zone.key.offset() };
    // The time of these keys is that of a Windows update, and there are about 140 of them.
    sink.record(Record { moments: Vec::new(), locator, ..zone.of_host(&TIME_ZONE_RULES, name, fields) });
}

/// A `REG_TZI_FORMAT`: three biases in minutes and the two dates of change.
fn rule(year: Option<u32>, bytes: &[u8]) -> Option<Value> {
    let bias = |offset: usize| {
        let bytes = bytes.get(offset..)?.first_chunk()?;
        Some(Value::Signed(i64::from(i32::from_le_bytes(*bytes))))
    };
    let mut members: Vec<(String, Value)> = Vec::new();
    if let Some(year) = year {
        members.push((YEAR.name.to_owned(), Value::from(year)));
    }
    members.push((BIAS.name.to_owned(), bias(0)?));
    members.push((STANDARD_BIAS.name.to_owned(), bias(4)?));
    members.push((DAYLIGHT_BIAS.name.to_owned(), bias(8)?));
    members.push((RULE_STANDARD_DATE.name.to_owned(), eight_numbers(bytes.get(12..)?)?));
    members.push((RULE_DAYLIGHT_DATE.name.to_owned(), eight_numbers(bytes.get(28..)?)?));
    Some(Value::Map(members))
}
