//! Which events the technique needs, what each may support, and which of its values say what and whom it is about.
//!
//! To keep another event, add its number to a row of its provider or write a new row. The provider decides together with
//! the number, because the same number means different things under different providers.

use evidence::Claim::{self, *};
use evidence::RunTime;
use foldhash::fast::RandomState;
use std::collections::HashMap;
use std::rc::Rc;

/// One row: events of a provider that are alike.
#[derive(Debug)]
pub(super) struct Kind {
    /// Name of the provider in any case, with `*` at the end for every name that begins so; or its GUID in braces, for
    /// providers that can be installed under another name.
    provider: &'static str,
    /// Event ids; none means every one that no row before has.
    ids: &'static [u64],
    /// What a record may support.
    pub(super) claims: &'static [Claim],
    /// Fields that say what it is about, the first that it has.
    pub(super) subject: &'static [&'static str],
    /// Fields that say whom it is about, the first that names an account. `System.UserID` is the account that logged,
    /// which is the one concerned only for some providers.
    pub(super) user: &'static [&'static str],
}

type Names = &'static [&'static str];

const fn kind(
    provider: &'static str,
    ids: &'static [u64],
    claims: &'static [Claim],
    subject: Names,
    user: Names,
) -> Kind {
    Kind { provider, ids, claims, subject, user }
}

const SECURITY: &str = "Microsoft-Windows-Security-Auditing";
const SYSMON: &str = "Microsoft-Windows-Sysmon";
/// Sysmon's driver and service may be renamed; its provider keeps this.
const SYSMON_GUID: &str = "{5770385f-c22a-43e0-bf4c-06f5698ffbd9}";
const COMPLUS_GUID: &str = "{0f177893-4a9c-4709-b921-f432d67f43d5}";
const EVENTLOG: &str = "Microsoft-Windows-Eventlog";
const TASKS: &str = "Microsoft-Windows-TaskScheduler";
const WMI: &str = "Microsoft-Windows-WMI-Activity";
const DEFENDER: &str = "Microsoft-Windows-Windows Defender";
const FIREWALL: &str = "Microsoft-Windows-Windows Firewall With Advanced Security";
const PROFILES: &str = "Microsoft-Windows-User Profiles Service";
const SESSIONS: &str = "Microsoft-Windows-TerminalServices-LocalSessionManager";
const REMOTE: &str = "Microsoft-Windows-TerminalServices-RemoteConnectionManager";

const SUBJECT_USER: Names = &["SubjectUserSid"];
const TARGET_USER: Names = &["TargetUserSid", "TargetSid", "SubjectUserSid"];
const LOGGED_BY: Names = &["System.UserID"];
const NOBODY: Names = &[];

/// Every event that is kept.
static KINDS: &[Kind] = &[
    // Security. A target account is the one that the new process or session belongs to.
    kind(SECURITY, &[4688], &[Executed(RunTime::Start)], &["NewProcessName"], TARGET_USER),
    kind(SECURITY, &[4689], &[Executed(RunTime::End)], &["ProcessName"], SUBJECT_USER),
    kind(SECURITY, &[4624], &[LoggedOn], &["TargetUserName"], TARGET_USER),
    kind(SECURITY, &[4634, 4647, 4964], &[LoggedOn], &["TargetUserName"], TARGET_USER),
    kind(SECURITY, &[4625], &[], &["TargetUserName"], TARGET_USER),
    kind(SECURITY, &[4648], &[LoggedOn], &["ProcessName", "TargetUserName"], SUBJECT_USER),
    kind(SECURITY, &[4672], &[LoggedOn], &["SubjectUserName"], SUBJECT_USER),
    kind(SECURITY, &[4778, 4779], &[LoggedOn], &["AccountName"], NOBODY),
    kind(SECURITY, &[4800, 4801, 4802, 4803], &[LoggedOn], &["TargetUserName"], TARGET_USER),
    kind(SECURITY, &[4697], &[Persisted, Installed], &["ServiceFileName", "ServiceName"], SUBJECT_USER),
    kind(SECURITY, &[4698, 4700, 4702], &[Persisted], &["TaskName"], SUBJECT_USER),
    kind(SECURITY, &[4699], &[Deleted], &["TaskName"], SUBJECT_USER),
    kind(SECURITY, &[4701], &[], &["TaskName"], SUBJECT_USER),
    kind(SECURITY, &[4657], &[Installed], &["ObjectName"], SUBJECT_USER),
    kind(SECURITY, &[4656, 4663], &[Opened], &["ObjectName"], SUBJECT_USER),
    kind(SECURITY, &[4660], &[Deleted], &["ProcessName"], SUBJECT_USER),
    kind(SECURITY, &[5140, 5145], &[Opened, Connected], &["RelativeTargetName", "ShareName"], SUBJECT_USER),
    kind(SECURITY, &[5154, 5156, 5158], &[Connected], &["Application"], NOBODY),
    kind(SECURITY, &[5157], &[], &["Application"], NOBODY),
    kind(SECURITY, &[4616, 4673, 4674, 4703], &[], &["ProcessName", "SubjectUserName"], SUBJECT_USER),
    kind(SECURITY, &[4907], &[], &["ObjectName"], SUBJECT_USER),
    kind(SECURITY, &[4719, 4739, 4904, 4905], &[], &["AuditSourceName", "SubjectUserName"], SUBJECT_USER),
    kind(SECURITY, &[4720, 4728, 4732, 4738], &[], &["TargetUserName"], SUBJECT_USER),
    kind(SECURITY, &[4608, 4609], &[], &[], NOBODY),
    kind(EVENTLOG, &[1102], &[Deleted], &["System.Channel"], SUBJECT_USER),
    kind(EVENTLOG, &[104], &[Deleted], &["Channel"], LOGGED_BY),
    kind(EVENTLOG, &[1100, 1101, 1104, 1105, 1108], &[], &[], NOBODY),
    // Sysmon. It names accounts in words; the account that logs is always the system's.
    kind(SYSMON, &[1], &[Executed(RunTime::Start)], &["Image"], &["User"]),
    kind(SYSMON, &[5], &[Executed(RunTime::End)], &["Image"], &["User"]),
    kind(SYSMON, &[2], &[Present], &["TargetFilename"], &["User"]),
    kind(SYSMON, &[3], &[Connected], &["Image"], &["User"]),
    kind(SYSMON, &[22], &[Connected], &["QueryName"], &["User"]),
    kind(SYSMON, &[6, 7], &[Present, Opened], &["ImageLoaded"], &["User"]),
    kind(SYSMON, &[8, 10], &[], &["TargetImage"], &["SourceUser"]),
    kind(SYSMON, &[9], &[Opened], &["Device"], &["User"]),
    kind(SYSMON, &[11, 15, 29], &[Present], &["TargetFilename"], &["User"]),
    kind(SYSMON, &[12, 13, 14], &[Installed], &["TargetObject"], &["User"]),
    kind(SYSMON, &[17, 18], &[], &["PipeName"], &["User"]),
    kind(SYSMON, &[19, 20, 21], &[Persisted], &["Name", "Consumer"], &["User"]),
    kind(SYSMON, &[23, 26], &[Deleted], &["TargetFilename"], &["User"]),
    kind(SYSMON, &[27, 28], &[], &["TargetFilename"], &["User"]),
    kind(SYSMON, &[], &[], &["Image"], &["User"]),
    // System.
    kind("Service Control Manager", &[7045], &[Persisted, Installed], &["ImagePath", "ServiceName"], LOGGED_BY),
    kind("Service Control Manager", &[7034, 7035, 7036, 7040], &[], &["param1"], LOGGED_BY),
    kind("Microsoft-Windows-Kernel-General", &[1, 12, 13], &[], &[], NOBODY),
    kind("EventLog", &[6005, 6006, 6008, 6009, 6013], &[], &[], NOBODY),
    kind("Microsoft-Windows-Kernel-Power", &[41], &[], &[], NOBODY),
    kind("User32", &[1074], &[], &["param1"], LOGGED_BY),
    kind("Microsoft-Windows-UserPnp", &[20001, 20003], &[Installed], &["DriverName", "ServiceName"], NOBODY),
    kind("Microsoft-Windows-DistributedCOM", &[10010, 10016], &[], &["param4", "param1"], LOGGED_BY),
    kind("DCOM", &[10010, 10016], &[], &["param4", "param1"], LOGGED_BY),
    // Application.
    kind("MsiInstaller", &[1033, 11707], &[Installed], &["Data[0]"], LOGGED_BY),
    kind("MsiInstaller", &[1034, 11724], &[Deleted], &["Data[0]"], LOGGED_BY),
    kind("MsiInstaller", &[1035, 1038, 1040, 1042, 11708], &[], &["Data[0]"], LOGGED_BY),
    kind("Microsoft-Windows-RestartManager", &[10000, 10001], &[], &[], LOGGED_BY),
    kind(".NET Runtime", &[1022, 1023, 1025, 1026], &[Executed(RunTime::Failed)], &["Data[0]"], NOBODY),
    kind(
        "Application Error",
        &[1000],
        &[Executed(RunTime::Failed)],
        &["AppPath", "Data[10]", "AppName", "Data[0]"],
        NOBODY,
    ),
    kind("Windows Error Reporting", &[1001], &[Executed(RunTime::Failed)], &["P1", "Data[5]"], NOBODY),
    kind("Microsoft-Windows-Complus", &[], &[], &["param1"], LOGGED_BY),
    kind(COMPLUS_GUID, &[], &[], &["param1"], LOGGED_BY),
    kind("COM+", &[], &[], &["Data[0]"], LOGGED_BY),
    kind("Microsoft-Windows-EventSystem", &[4354, 4355, 4356, 4625], &[], &["param1"], NOBODY),
    kind("EventSystem", &[4354, 4355, 4356, 4625], &[], &["Data[0]"], NOBODY),
    kind("Microsoft-Windows-MSDTC*", &[], &[], &["param1"], NOBODY),
    kind("MSDTC*", &[], &[], &["Data[0]"], NOBODY),
    kind(PROFILES, &[1530, 1531, 1534], &[], &["Data[0]"], LOGGED_BY),
    kind(PROFILES, &[1, 2, 5, 67], &[LoggedOn], &["Key", "File"], LOGGED_BY),
    kind("ScreenConnect*", &[], &[], &["Data[0]"], NOBODY),
    // Channels of their own.
    kind(TASKS, &[106, 140], &[Persisted], &["TaskName"], &["UserContext", "UserName"]),
    kind(TASKS, &[141], &[Deleted], &["TaskName"], &["UserName"]),
    kind(TASKS, &[129], &[Executed(RunTime::Scheduled)], &["Path", "TaskName"], NOBODY),
    kind(TASKS, &[200, 201], &[Executed(RunTime::Scheduled)], &["ActionName", "TaskName"], NOBODY),
    kind(TASKS, &[100, 102, 110], &[Executed(RunTime::Scheduled)], &["TaskName"], &["UserContext"]),
    kind(TASKS, &[107, 108, 118, 119, 142, 322], &[], &["TaskName"], &["UserName"]),
    kind(
        "Microsoft-Windows-PowerShell",
        &[4103, 4104, 4105, 4106],
        &[Executed(RunTime::LastActivity)],
        &["Path", "ScriptBlockId"],
        LOGGED_BY,
    ),
    kind(
        "PowerShellCore",
        &[4103, 4104, 4105, 4106],
        &[Executed(RunTime::LastActivity)],
        &["Path", "ScriptBlockId"],
        LOGGED_BY,
    ),
    kind("Microsoft-Windows-PowerShell", &[40961, 40962, 53504], &[Executed(RunTime::LastActivity)], &[], LOGGED_BY),
    kind("PowerShellCore", &[40961, 40962, 53504], &[Executed(RunTime::LastActivity)], &[], LOGGED_BY),
    kind("PowerShell", &[400, 403, 600, 800], &[Executed(RunTime::LastActivity)], &["Data[0]"], NOBODY),
    kind(WMI, &[5857], &[Executed(RunTime::LastActivity)], &["ProviderPath", "ProviderName"], NOBODY),
    kind(WMI, &[5858], &[], &["Operation"], &["User"]),
    kind(WMI, &[5859, 5860], &[], &["Query", "Provider"], &["User"]),
    kind(WMI, &[5861], &[Persisted], &["ESS", "CONSUMER"], NOBODY),
    kind(DEFENDER, &[1006, 1007, 1015, 1116, 1117, 1118, 1119], &[Present], &["Path"], &["Detection User", "User"]),
    kind(DEFENDER, &[1121, 1122, 1129], &[], &["Path"], &["User"]),
    kind(DEFENDER, &[2050, 2051, 5001, 5004, 5007, 5010, 5012, 5013], &[], &["New Value", "Filename"], NOBODY),
    kind(
        "Microsoft-Windows-AppLocker",
        &[8002, 8003, 8005, 8006],
        &[Executed(RunTime::LastActivity)],
        &["FullFilePath", "FilePath"],
        &["TargetUser"],
    ),
    kind("Microsoft-Windows-AppLocker", &[8004, 8007], &[Present], &["FullFilePath", "FilePath"], &["TargetUser"]),
    kind("Microsoft-Windows-CodeIntegrity", &[3033, 3076, 3077], &[Present], &["File Name", "FileNameBuffer"], NOBODY),
    kind("Microsoft-Windows-CodeIntegrity", &[3089, 3099], &[], &["PolicyName"], NOBODY),
    kind(
        FIREWALL,
        &[2002, 2003, 2004, 2005, 2006, 2033, 2052, 2059, 2060, 2071, 2073, 2097, 2099],
        &[],
        &["ApplicationPath", "RuleName"],
        &["ModifyingUser"],
    ),
    kind("Microsoft-Windows-DNS-Client", &[3006, 3008, 3018, 3020], &[Connected], &["QueryName"], LOGGED_BY),
    kind("Microsoft-Windows-Bits-Client", &[3], &[], &["processPath", "jobTitle"], &["jobOwner"]),
    kind("Microsoft-Windows-Bits-Client", &[59, 60, 61], &[Downloaded], &["url"], NOBODY),
    kind(SESSIONS, &[21, 22, 23, 24, 25, 39, 40], &[LoggedOn], &["User"], &["User"]),
    kind(REMOTE, &[1149], &[LoggedOn], &["Param1"], &["Param1"]),
    kind("Microsoft-Windows-RemoteDesktopServices-RdpCoreTS", &[98, 131], &[Connected], &["ClientIP"], NOBODY),
    kind("Microsoft-Windows-SMBServer", &[551, 1009], &[], &["ClientName"], NOBODY),
    kind("Microsoft-Windows-SMBClient", &[31001], &[Connected], &["ServerName"], NOBODY),
    kind(
        "Microsoft-Windows-SMBClient",
        &[30800, 30801, 30802, 30803, 30804, 30805, 30806, 30807, 30808, 30809],
        &[],
        &["ServerName"],
        NOBODY,
    ),
    kind(
        "Microsoft-Windows-Shell-Core",
        &[9705, 9706, 9707, 9708],
        &[Executed(RunTime::LastActivity)],
        &["Command", "KeyName"],
        LOGGED_BY,
    ),
    kind(
        "Microsoft-Windows-Application-Experience",
        &[500, 505],
        &[Executed(RunTime::LastActivity)],
        &["ExePath"],
        LOGGED_BY,
    ),
    kind("Microsoft-Windows-Ntfs", &[4, 9, 98, 3079], &[], &["DeviceName", "DriveName"], NOBODY),
    kind("Microsoft-Windows-Winlogon", &[811, 812], &[], &[], NOBODY),
    kind("Microsoft-Windows-WinRM", &[6, 91, 142, 169], &[Connected], &["connection", "resourceUri"], LOGGED_BY),
    kind("Microsoft-Windows-Kernel-EventTracing", &[2, 3, 4], &[], &["SessionName"], LOGGED_BY),
    kind("Microsoft-Windows-VHDMP", &[1, 2], &[Opened], &["VhdFile", "VhdFileName"], LOGGED_BY),
    kind("Microsoft Office*", &[300], &[], &["Data[0]"], NOBODY),
    kind("OpenSSH", &[4], &[Connected], &["payload"], NOBODY),
];

/// The rows of one provider by event id, and the row for all other ids where there is one.
#[derive(Debug, Default)]
pub(super) struct OfProvider {
    by_id: HashMap<u64, &'static Kind, RandomState>,
    other: Option<&'static Kind>,
}

impl OfProvider {
    /// The row of an event; `None` when it is not kept.
    pub(super) fn find(&self, event_id: u64) -> Option<&'static Kind> {
        self.by_id.get(&event_id).copied().or(self.other)
    }
}

fn of_provider(name: &str, guid: &str) -> OfProvider {
    let is_sysmon = guid.eq_ignore_ascii_case(SYSMON_GUID);
    let mut found = OfProvider::default();
    let fits = |kind: &&Kind| match kind.provider.strip_suffix('*') {
        Some(start) => name.get(..start.len()).is_some_and(|name| name.eq_ignore_ascii_case(start)),
        None => {
            kind.provider.eq_ignore_ascii_case(name)
                || kind.provider.eq_ignore_ascii_case(guid)
                || (is_sysmon && kind.provider == SYSMON)
        }
    };
    for kind in KINDS.iter().filter(fits) {
        for id in kind.ids {
            found.by_id.entry(*id).or_insert(kind);
        }
        if kind.ids.is_empty() {
            found.other.get_or_insert(kind);
        }
    }
    found
}

/// Most providers that are remembered; a log has a few hundred, a hostile one could have one per record.
const MAX_PROVIDERS: usize = 4096;

/// Looks providers up, remembering those it has seen.
#[derive(Default)]
pub(super) struct Kinds(HashMap<(String, String), Rc<OfProvider>>);

impl Kinds {
    /// The rows of a provider.
    pub(super) fn of(&mut self, name: &str, guid: &str) -> Rc<OfProvider> {
        if self.0.len() >= MAX_PROVIDERS {
            self.0.clear();
        }
        let key = (name.to_owned(), guid.to_owned());
        self.0.entry(key).or_insert_with(|| Rc::new(of_provider(name, guid))).clone()
    }
}

/// Whether an event is a process start.
pub(super) fn is_process_start(provider: &str, guid: &str, event_id: u64) -> bool {
    (event_id == 4688 && provider.eq_ignore_ascii_case(SECURITY)) || (event_id == 1 && is_sysmon(provider, guid))
}

/// Whether a provider is Sysmon's.
pub(super) fn is_sysmon(provider: &str, guid: &str) -> bool {
    provider.eq_ignore_ascii_case(SYSMON) || guid.eq_ignore_ascii_case(SYSMON_GUID)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_provider_decides_with_the_number() {
        let mut kinds = Kinds::default();
        let mut find = |name, guid, id| kinds.of(name, guid).find(id);
        assert_eq!(find(SECURITY, "", 4688).unwrap().claims, &[Executed(RunTime::Start)]);
        assert!(find("Microsoft-Windows-Kernel-General", "", 4688).is_none());
        assert!(find("Microsoft-Windows-Power-Troubleshooter", "", 1).is_none(), "1 is many things");
        assert_eq!(find("microsoft-windows-sysmon", "", 1).unwrap().subject, &["Image"]);
        assert!(find("Renamed", "{5770385F-C22A-43E0-BF4C-06F5698FFBD9}", 255).is_some());
        assert!(find("MSDTC 2", "", 4202).is_some());
        assert!(find("", "", 0).is_none());
    }

    #[test]
    fn no_event_stands_in_two_rows() {
        let mut seen = std::collections::BTreeSet::new();
        for kind in KINDS {
            for id in kind.ids.iter().copied().chain(kind.ids.is_empty().then_some(u64::MAX)) {
                assert!(seen.insert((kind.provider, id)), "{} {id}", kind.provider);
            }
        }
    }
}
