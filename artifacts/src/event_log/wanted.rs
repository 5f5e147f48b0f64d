//! Which events the technique needs: by provider, because the same number means different things under different ones.

use evidence::Claim;

/// A provider by name, and the numbers of its events that are kept; none means all.
type Row = (&'static str, &'static [u64]);

/// Every event that is kept. Names as the providers write them; older Windows versions have other names for some.
static WANTED: &[Row] = &[
    // Processes, logons, tasks, services, objects, connections, policy, accounts, presence.
    (
        "Microsoft-Windows-Security-Auditing",
        &[
            4616, 4624, 4625, 4634, 4647, 4648, 4656, 4657, 4660, 4663, 4672, 4673, 4674, 4688, 4689, 4697, 4698, 4699,
            4700, 4701, 4702, 4703, 4719, 4720, 4728, 4732, 4738, 4739, 4778, 4779, 4800, 4801, 4802, 4803, 4904, 4905,
            4907, 4964, 5140, 5145, 5154, 5156, 5157, 5158,
        ],
    ),
    ("Microsoft-Windows-Eventlog", &[104, 1100, 1101, 1102, 1104, 1105, 1108]),
    ("Microsoft-Windows-Sysmon", &[]),
    // System.
    ("Service Control Manager", &[7034, 7035, 7036, 7040, 7045]),
    ("Microsoft-Windows-Kernel-General", &[1, 12, 13]),
    ("EventLog", &[6005, 6006, 6008, 6009, 6013]),
    ("Microsoft-Windows-Kernel-Power", &[41]),
    ("User32", &[1074]),
    ("Microsoft-Windows-UserPnp", &[20001, 20003]),
    ("Microsoft-Windows-DistributedCOM", &[10010, 10016]),
    ("DCOM", &[10010, 10016]),
    // Application.
    ("MsiInstaller", &[1033, 1034, 1035, 1038, 1040, 1042, 11707, 11708, 11724]),
    ("Microsoft-Windows-RestartManager", &[10000, 10001]),
    (".NET Runtime", &[1022, 1023, 1025, 1026]),
    ("Application Error", &[1000]),
    ("Windows Error Reporting", &[1001]),
    ("Microsoft-Windows-Complus", &[]),
    ("Microsoft-Windows-COM+", &[]),
    ("COM+", &[]),
    ("Microsoft-Windows-EventSystem", &[4354, 4355, 4356, 4625]),
    ("EventSystem", &[4354, 4355, 4356, 4625]),
    ("MSDTC", &[]),
    ("Microsoft-Windows-MSDTC", &[]),
    ("MSDTC 2", &[]),
    ("Microsoft-Windows-MSDTC 2", &[]),
    ("Microsoft-Windows-User Profiles Service", &[1, 2, 5, 67, 1530, 1531, 1534]),
    // Channels of their own.
    ("Microsoft-Windows-TaskScheduler", &[100, 102, 106, 107, 108, 110, 118, 119, 129, 140, 141, 142, 200, 201, 322]),
    ("Microsoft-Windows-PowerShell", &[4103, 4104, 4105, 4106, 40961, 40962, 53504]),
    ("PowerShell", &[400, 403, 600, 800]),
    ("Microsoft-Windows-WMI-Activity", &[5857, 5858, 5859, 5860, 5861]),
    (
        "Microsoft-Windows-Windows Defender",
        &[1006, 1007, 1015, 1116, 1117, 1118, 1119, 1121, 1122, 1129, 2050, 2051, 5001, 5004, 5007, 5010, 5012, 5013],
    ),
    ("Microsoft-Windows-AppLocker", &[8002, 8003, 8004, 8005, 8006, 8007]),
    ("Microsoft-Windows-CodeIntegrity", &[3033, 3076, 3077, 3089, 3099]),
    (
        "Microsoft-Windows-Windows Firewall With Advanced Security",
        &[2002, 2003, 2004, 2005, 2006, 2033, 2052, 2059, 2060, 2071, 2073, 2097, 2099],
    ),
    ("Microsoft-Windows-DNS-Client", &[3006, 3008, 3018, 3020]),
    ("Microsoft-Windows-Bits-Client", &[3, 59, 60, 61]),
    ("Microsoft-Windows-TerminalServices-LocalSessionManager", &[21, 22, 23, 24, 25, 39, 40]),
    ("Microsoft-Windows-TerminalServices-RemoteConnectionManager", &[1149]),
    ("Microsoft-Windows-RemoteDesktopServices-RdpCoreTS", &[98, 131]),
    ("Microsoft-Windows-SMBServer", &[551, 1009]),
    ("Microsoft-Windows-SMBClient", &[31001, 30800, 30801, 30802, 30803, 30804, 30805, 30806, 30807, 30808, 30809]),
    ("Microsoft-Windows-Shell-Core", &[9705, 9706, 9707, 9708]),
    ("Microsoft-Windows-Application-Experience", &[500, 505]),
    ("Microsoft-Windows-Ntfs", &[4, 9, 98, 3079]),
    ("Microsoft-Windows-Winlogon", &[811, 812]),
    ("Microsoft-Windows-WinRM", &[6, 91, 142, 169]),
    ("Microsoft-Windows-Kernel-EventTracing", &[2, 3, 4]),
    ("Microsoft-Windows-VHDMP", &[1, 2]),
    ("Microsoft Office 16 Alerts", &[300]),
    ("OpenSSH", &[4]),
];

/// Sysmon's driver and service may be renamed; its provider GUID stays.
const SYSMON_GUID: &str = "{5770385F-C22A-43E0-BF4C-06F5698FFBD9}";

/// Whether an event is kept.
pub(super) fn is_wanted(provider: &str, provider_guid: &str, event_id: u64) -> bool {
    if provider_guid.eq_ignore_ascii_case(SYSMON_GUID) {
        return true;
    }
    WANTED
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(provider))
        .is_some_and(|(_, numbers)| numbers.is_empty() || numbers.contains(&event_id))
}

/// Whether a provider is Sysmon's.
pub(super) fn is_sysmon(provider: &str, provider_guid: &str) -> bool {
    provider.eq_ignore_ascii_case("Microsoft-Windows-Sysmon") || provider_guid.eq_ignore_ascii_case(SYSMON_GUID)
}

/// What an event may support.
pub(super) fn claims(provider: &str, sysmon: bool, event_id: u64) -> &'static [Claim] {
    if sysmon {
        return match event_id {
            1 | 5 => &[Claim::Executed],
            3 | 22 => &[Claim::Connected],
            7 => &[Claim::Opened, Claim::Present],
            11 | 15 | 29 => &[Claim::Present],
            12..=14 => &[Claim::Installed],
            19..=21 => &[Claim::Persisted],
            23 | 26 => &[Claim::Deleted],
            _ => &[],
        };
    }
    match (provider, event_id) {
        ("Microsoft-Windows-Security-Auditing", 4688 | 4689) => &[Claim::Executed],
        ("Microsoft-Windows-Security-Auditing", 4624 | 4634 | 4647 | 4648 | 4672 | 4778 | 4779) => &[Claim::LoggedOn],
        ("Microsoft-Windows-Security-Auditing", 4697 | 4698 | 4702) => &[Claim::Persisted],
        ("Microsoft-Windows-Security-Auditing", 4657) => &[Claim::Installed],
        ("Microsoft-Windows-Security-Auditing", 4660) => &[Claim::Deleted],
        ("Microsoft-Windows-Security-Auditing", 4663 | 5145) => &[Claim::Opened],
        ("Microsoft-Windows-Security-Auditing", 5154 | 5156 | 5158) => &[Claim::Connected],
        ("Service Control Manager", 7045) => &[Claim::Persisted],
        ("MsiInstaller", 1033 | 11707) => &[Claim::Installed],
        ("Microsoft-Windows-TaskScheduler", 106 | 140) => &[Claim::Persisted],
        ("Microsoft-Windows-TaskScheduler", 129 | 200) => &[Claim::Executed],
        ("Microsoft-Windows-WMI-Activity", 5861) => &[Claim::Persisted],
        ("Microsoft-Windows-DNS-Client", _) => &[Claim::Connected],
        ("Microsoft-Windows-Bits-Client", 3 | 59) => &[Claim::Downloaded],
        ("Microsoft-Windows-TerminalServices-LocalSessionManager", 21..=25) => &[Claim::LoggedOn],
        ("Microsoft-Windows-TerminalServices-RemoteConnectionManager", 1149) => &[Claim::LoggedOn],
        ("Application Error", 1000) | (".NET Runtime", 1026) => &[Claim::Executed],
        _ => &[],
    }
}

/// Fields that say what an event is about, the first that it has.
pub(super) const SUBJECTS: [&str; 14] = [
    "NewProcessName",
    "TargetFilename",
    "TargetObject",
    "ImageLoaded",
    "Image",
    "ProcessName",
    "Application",
    "TaskName",
    "ServiceName",
    "ObjectName",
    "QueryName",
    "Path",
    "FullFilePath",
    "TargetUserName",
];

/// Fields with the SID of the account concerned, the first that it has.
pub(super) const USERS: [&str; 4] = ["TargetUserSid", "SubjectUserSid", "TargetUser", "System.UserID"];
