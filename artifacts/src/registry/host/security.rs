//! What the SAM and SECURITY hives say of accounts and auditing.

use super::super::{Found, Hive};
use super::fields::{MACHINE_SID, RID, SETTING_NAME, SID, USER_NAME, VALUE};
use super::{SETTING, SYSTEM, USER};
use evidence::{Fields, ProblemKind, Record, Sink, Value};

/// Local accounts, and the SID of the machine they belong to.
pub(super) fn read_sam(hive: &Hive<'_>, sink: &mut Sink<'_>) {
    let Some(account) = hive.key(r"SAM\Domains\Account") else { return };
    // The machine's SID stands at the end of V: revision 1, four sub-authorities, the first of them 21.
    let machine = account.bytes("V").as_deref().and_then(|bytes| sid(bytes.get(bytes.len().checked_sub(24)?..)?));
    match &machine {
        Some(machine) => {
            let mut fields = Fields::new();
            fields.push(MACHINE_SID.name, machine.as_str());
            sink.record(account.of_host(&SYSTEM, machine.as_str(), fields));
        }
        None => sink.problem(
            ProblemKind::OutOfRange { raw: format!("{} bytes", account.bytes("V").map_or(0, |bytes| bytes.len())) },
            Some(account.locator(Some("V"))),
            "the machine SID is not where it should be in the account domain's value V",
            "local accounts are known by their last number only",
        ),
    }
    let Some(names) = account.below(r"Users\Names") else { return };
    for name in names.subkeys() {
        // The type number of the default value is the account's relative id.
        let Some(rid) = name.key.value("").map(|value| value.type_code) else { continue };
        let sid = machine.as_ref().map(|machine| format!("{machine}-{rid}"));
        let mut fields = Fields::new();
        fields.push_some(SID.name, sid.clone());
        fields.push(RID.name, rid);
        fields.push(USER_NAME.name, name.name());
        let record = name.of_host(&USER, name.name(), fields);
        sink.record(Record { user: sid, ..record });
    }
}

/// Machine SID and audit policy.
pub(super) fn read_security(hive: &Hive<'_>, sink: &mut Sink<'_>) {
    if let Some(domain) = hive.key(r"Policy\PolAcDmS")
        && let Some(machine) = domain.bytes("").as_deref().and_then(sid)
    {
        let mut fields = Fields::new();
        fields.push(MACHINE_SID.name, machine.as_str());
        sink.record(domain.of_host(&SYSTEM, machine, fields));
    }
    if let Some(policy) = hive.key(r"Policy\PolAdtEv") {
        audit_policy(&policy, sink);
    }
}

/// A SID in its binary form, as text.
fn sid(bytes: &[u8]) -> Option<String> {
    let [1, count, authority @ ..] = bytes else { return None };
    let count = usize::from(*count);
    let (authority, rest) = authority.split_at_checked(6)?;
    let subs = rest.get(..count * 4)?.chunks_exact(4).map(|sub| u32::from_le_bytes([sub[0], sub[1], sub[2], sub[3]]));
    let authority = authority.iter().fold(0u64, |number, byte| number << 8 | u64::from(*byte));
    if !(1..=15).contains(&count) {
        return None;
    }
    Some(subs.fold(format!("S-1-{authority}"), |text, sub| format!("{text}-{sub}")))
}

/// Categories before "Detailed Tracking": System, Logon/Logoff, Object Access, Privilege Use.
const CATEGORIES_BEFORE: usize = 4;
/// The first two settings of "Detailed Tracking", in the order of their ids {0CCE922B-…} and {0CCE922C-…}.
const PROCESS_SETTINGS: [&str; 2] = ["AuditProcessCreation", "AuditProcessTermination"];

/// Whether starting and ending a process is audited: 0 no, 1 success, 2 failure, 3 both.
///
/// The value holds the number of categories at offset 4, at offset 8 where the number of settings of each
/// category stands, and from offset 12 a 16-bit setting for each subcategory. Windows versions differ in the
/// numbers only, so they are used, and the two settings are looked for nowhere else.
fn audit_policy(policy: &Found<'_>, sink: &mut Sink<'_>) {
    let Some(value) = policy.key.value("") else { return };
    let Some(settings) = process_settings(&value.bytes()) else {
        sink.problem(
            ProblemKind::UnsupportedVersion { found: format!("an audit policy of {} bytes", value.data_length()) },
            Some(policy.locator(Some(""))),
            "the audit policy does not have the known layout",
            "whether Windows was set to record process starts is unknown; their absence from the log means nothing",
        );
        return;
    };
    for (name, setting) in PROCESS_SETTINGS.into_iter().zip(settings) {
        let mut fields = Fields::new();
        fields.push(SETTING_NAME.name, name);
        fields.push(VALUE.name, Value::from(u32::from(setting)));
        sink.record(Record { locator: policy.locator(Some("")), ..policy.of_host(&SETTING, name, fields) });
    }
}

fn process_settings(bytes: &[u8]) -> Option<[u16; 2]> {
    let word = |offset: usize| Some(u16::from_le_bytes(*bytes.get(offset..)?.first_chunk()?));
    let categories = usize::from(word(4)?);
    let counts_at = usize::from(word(8)?);
    if categories <= CATEGORIES_BEFORE || word(6)? != 0 || word(10)? != 0 {
        return None;
    }
    let counts =
        (0..categories).map(|index| word(counts_at + 2 * index).map(usize::from)).collect::<Option<Vec<_>>>()?;
    let all = counts.iter().sum::<usize>();
    let settings_end = 12 + 2 * all;
    if counts_at + 2 * categories != bytes.len() || !(settings_end..=settings_end + 2).contains(&counts_at) {
        return None;
    }
    let first = counts[..CATEGORIES_BEFORE].iter().sum::<usize>();
    let settings = [word(12 + 2 * first)?, word(14 + 2 * first)?];
    (counts[CATEGORIES_BEFORE] >= 2 && settings.iter().all(|setting| *setting <= 3)).then_some(settings)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A policy in which each setting of "Detailed Tracking" is its own place in that category, modulo 4.
    fn policy(counts: &[u16], spare: bool) -> Vec<u8> {
        let all: u16 = counts.iter().sum();
        let mut bytes = vec![0, 1, 0, 0, counts.len() as u8, 0, 0, 0];
        let counts_at = 12 + 2 * u32::from(all) + if spare { 2 } else { 0 };
        bytes.extend(counts_at.to_le_bytes());
        for (category, count) in counts.iter().enumerate() {
            for place in 0..*count {
                bytes.extend(if category == 4 { (place + 1) % 4 } else { 0 }.to_le_bytes());
            }
        }
        bytes.extend(vec![0; if spare { 2 } else { 0 }]);
        counts.iter().for_each(|count| bytes.extend(count.to_le_bytes()));
        bytes
    }

    #[test]
    fn process_settings_of_every_windows_version() {
        // The numbers of subcategories of Windows 7, 10 and 11.
        for counts in [[5, 9, 12, 3, 4, 6, 6, 4, 4], [5, 11, 14, 3, 6, 6, 6, 4, 4], [5, 12, 14, 3, 6, 6, 6, 4, 4]] {
            for spare in [false, true] {
                assert_eq!(process_settings(&policy(&counts, spare)), Some([1, 2]), "{counts:?} {spare}");
            }
        }
    }

    #[test]
    fn other_layouts_are_not_guessed() {
        let good = policy(&[5, 11, 14, 3, 6, 6, 6, 4, 4], true);
        for cut in 0..good.len() {
            assert_eq!(process_settings(&good[..cut]), None, "{cut}");
        }
        for at in [4, 8] {
            let mut bad = good.clone();
            bad[at] ^= 0x01;
            assert_eq!(process_settings(&bad), None, "{at}");
        }
        assert_eq!(process_settings(&[0xFF; 200]), None);
    }

    #[test]
    fn sids() {
        let bytes = [1, 2, 0, 0, 0, 0, 0, 5, 32, 0, 0, 0, 0x20, 2, 0, 0];
        assert_eq!(sid(&bytes).as_deref(), Some("S-1-5-32-544"));
        assert_eq!(sid(&bytes[..15]), None);
        assert_eq!(sid(&[1, 0, 0, 0, 0, 0, 0, 5]), None);
        assert_eq!(sid(&[]), None);
    }
}
