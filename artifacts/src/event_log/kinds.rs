//! Which events the technique needs: what each tells and may support, which of its values say what and whom it is about,
//! its sentence, and what its values are to those who do not know it. Names of values stand here and nowhere else.
//!
//! To keep another event, add its number to a row of its provider or write a new row. The provider decides together with
//! the number, because the same number means different things under different providers.
//!
//! The time of a record that shows a run is its start, its end or the like ([`RunTime`]): only a start, or an activity of
//! an image that the record names, shows that a run took place at a time. What a policy allows or a scheduler starts is of
//! a run that has a record of its own.

use super::{CHANNEL, naming};
use evidence::Claim::{self, *};
use evidence::{Connection, Field, Logged, RecordType, Recorder, Role, RunTime, Tells};
use foldhash::fast::RandomState;
use std::collections::HashMap;
use std::rc::Rc;

type Names = &'static [&'static str];

/// One row: events of a provider that are alike.
#[derive(Debug)]
pub(super) struct Kind {
    /// The type of their records.
    pub(super) of: RecordType,
    /// Fields that say what a record is about, the first that it has.
    pub(super) subject: Names,
    /// Fields that say whom it is about, the first that names an account. `System.UserID` is the account that logged,
    /// which is the one concerned only for some providers.
    pub(super) user: Names,
}

/// What all events have in common, for `docs/records.md`.
const SAYS: &str = "One record per kept event. All values are text as the provider's tools render them: numbers decimal, `HexInt` \
    and size types `0x…`, GUIDs in braces and lower case (in whatever spelling where the log stores them as text), \
    SIDs as `S-1-…`, FILETIME and SYSTEMTIME as RFC 3339, truth as `true`, `false`, or the number where it is \
    another one, bytes in upper-case hexadecimal, several values of one field joined with `, `. `%%1936` and its \
    like stay as they are.\n\n\
    `System.Provider`, `System.ProviderGuid`, `System.EventID`, `System.Qualifiers`, `System.Version`, \
    `System.Level`, `System.Task`, `System.Opcode`, `System.Keywords`, `System.Channel`, `System.Computer`, \
    `System.EventRecordID`, `System.ProcessID`, `System.ThreadID`, `System.UserID`, `System.ActivityID`, any \
    further one under its own name; then each named value of EventData or UserData under its own name \
    (`NewProcessName`, `CommandLine`, …; UserData by the innermost element's name, an attribute as \
    `Element.Attribute`), unnamed `Data` as `Data[0]`, `Data[1]`, … (a missing one keeps its number; each member \
    of a text array has its own). A name that an event has more than once is `Name`, `Name[1]`, … \
    `RenderingInfo.…` is what a collector added to a forwarded event. A recovered record whose field names were \
    overwritten has its values as `Data[n]`.\n\n\
    Moment: `Event Recorded` = TimeCreated. Locator: EVTX record; its number is that of the record header, which \
    an exported log counts anew (`System.EventRecordID` is the original one). Integrity `Recovered` for deleted \
    and slack records and for those in chunks that the log does not count or that have no header, `Corrupted` \
    where the chunk's checksum does not match or a record could not be decoded to its end. `subject`: the process \
    image, object, or task the event is about, else the channel. `user`: SID, or the account's name where the \
    event gives only that (Sysmon).";

/// A row that tells nothing yet but what its records may support.
const fn kind(
    provider: &'static str,
    ids: &'static [u64],
    claims: &'static [Claim],
    subject: Names,
    user: Names,
) -> Kind {
    let logged = Some(Logged { provider, ids });
    let of = RecordType::named("windows:evtx:record");
    Kind {
        of: RecordType { tells: Tells::Event, claims, shared: naming::FIELDS, logged, says: SAYS, ..of },
        subject,
        user,
    }
}

impl Kind {
    /// The same row with a sentence.
    const fn says(self, message: &'static str) -> Kind {
        Kind { of: RecordType { message, ..self.of }, ..self }
    }

    /// The same row with what the events tell, and the fields that say it.
    const fn tells(self, tells: Tells, fields: &'static [Field]) -> Kind {
        Kind { of: RecordType { tells, fields, ..self.of }, ..self }
    }

    /// The same row with fields that say what ran.
    const fn fields(self, fields: &'static [Field]) -> Kind {
        Kind { of: RecordType { fields, ..self.of }, ..self }
    }

    const fn logged(&self) -> Logged {
        match self.of.logged {
            Some(logged) => logged,
            None => Logged { provider: "", ids: &[] },
        }
    }
}

/// A field in a role.
const fn field(name: &'static str, role: Role, says: &'static str) -> Field {
    Field::text(name, says).role(role)
}

const SECURITY: &str = "Microsoft-Windows-Security-Auditing";
const SYSMON: &str = "Microsoft-Windows-Sysmon";
/// Sysmon's driver and service may be renamed; its provider keeps this.
const SYSMON_GUID: &str = "{5770385f-c22a-43e0-bf4c-06f5698ffbd9}";
const COMPLUS_GUID: &str = "{0f177893-4a9c-4709-b921-f432d67f43d5}";
const EVENTLOG: &str = "Microsoft-Windows-Eventlog";
const CONTROL: &str = "Service Control Manager";
const KERNEL: &str = "Microsoft-Windows-Kernel-General";
const TASKS: &str = "Microsoft-Windows-TaskScheduler";
const POWERSHELL: &str = "Microsoft-Windows-PowerShell";
const CORE: &str = "PowerShellCore";
const WMI: &str = "Microsoft-Windows-WMI-Activity";
const DEFENDER: &str = "Microsoft-Windows-Windows Defender";
const APPLOCKER: &str = "Microsoft-Windows-AppLocker";
const FIREWALL: &str = "Microsoft-Windows-Windows Firewall With Advanced Security";
const DNS: &str = "Microsoft-Windows-DNS-Client";
const PROFILES: &str = "Microsoft-Windows-User Profiles Service";
const SESSIONS: &str = "Microsoft-Windows-TerminalServices-LocalSessionManager";
const REMOTE: &str = "Microsoft-Windows-TerminalServices-RemoteConnectionManager";

const SUBJECT_USER: Names = &["SubjectUserSid"];
const TARGET_USER: Names = &["TargetUserSid", "TargetSid", "SubjectUserSid"];
const TARGET_NAME: Names = &["TargetUserName"];
const LOGGED_BY: Names = &["System.UserID"];
const USER: Names = &["User"];
const TARGET_FILE: Names = &["TargetFilename"];
const NOBODY: Names = &[];
const SCRIPT: Names = &["Path", "ScriptBlockId"];

const STARTED: &[Claim] = &[Executed(RunTime::Start)];
const ENDED: &[Claim] = &[Executed(RunTime::End)];
const ACTIVE: &[Claim] = &[Executed(RunTime::LastActivity)];
const SCHEDULED: &[Claim] = &[Executed(RunTime::Scheduled)];
const ALLOWED: &[Claim] = &[Executed(RunTime::Allowed)];
const FAILED: &[Claim] = &[Executed(RunTime::Failed)];

const COMMAND_LINE: Field = field("CommandLine", Role::CommandLine, "the command line");
const BY_NAME: Field = field("SubjectUserName", Role::ByName, "name of the account that did it");
const BY_DOMAIN: Field = field("SubjectDomainName", Role::ByDomain, "its domain");
const TARGET_ACCOUNT: Field = field("TargetUserName", Role::UserName, "name of the account");
const TARGET_DOMAIN: Field = field("TargetDomainName", Role::UserDomain, "its domain");
const TARGET_LOGON: Field = field("TargetLogonId", Role::LogonId, "number of its logon session");

/// What the audit of process creation says. The target is the account that the process runs as, where the event has one.
const AUDITED_START: &[Field] = &[
    field("NewProcessId", Role::Pid, "number of the new process"),
    field("NewProcessName", Role::Image, "path of its image"),
    COMMAND_LINE,
    field("ProcessId", Role::ParentPid, "number of the process that started it"),
    field("ParentProcessName", Role::ParentImage, "path of that one's image"),
    field("TargetUserSid", Role::UserSid, "the account that it runs as"),
    TARGET_ACCOUNT,
    TARGET_DOMAIN,
    TARGET_LOGON,
    field("SubjectUserSid", Role::BySid, "the account that started it"),
    BY_NAME,
    BY_DOMAIN,
    field("SubjectLogonId", Role::ByLogonId, "number of its logon session"),
    field("MandatoryLabel", Role::Integrity, "SID of the integrity level"),
    field("TokenElevationType", Role::ElevationType, "%%1936 default, %%1937 elevated, %%1938 limited"),
];
const AUDITED_END: &[Field] = &[
    field("ProcessId", Role::Pid, "number of the process"),
    field("ProcessName", Role::Image, "path of its image"),
    field("Status", Role::ExitStatus, "exit status"),
];
const AUDITED_CLOCK: &[Field] = &[
    field("PreviousTime", Role::ClockBefore, "what the clock showed before"),
    field("NewTime", Role::ClockAfter, "what it showed after that"),
    field("ProcessName", Role::Image, "path of the image of the process that changed it"),
    BY_NAME,
    BY_DOMAIN,
];
const KERNEL_CLOCK: &[Field] = &[
    field("OldTime", Role::ClockBefore, "what the clock showed before"),
    field("NewTime", Role::ClockAfter, "what it showed after that"),
    Field::text("Reason", "1 a program changed it, 2 it was set by the hardware's clock, 3 the time zone was changed"),
    field("ProcessName", Role::Image, "path of the image of the process that changed it"),
];
const LOGON: &[Field] = &[
    TARGET_ACCOUNT,
    TARGET_DOMAIN,
    TARGET_LOGON,
    field("LogonType", Role::LogonType, "type of the logon"),
    field("IpAddress", Role::Address, "address that it came from"),
];
const FILTERED_PID: Field = field("ProcessID", Role::Pid, "number of the process");
const APPLICATION: Field = field("Application", Role::Image, "device path of its image");
const FILTERED: &[Field] = &[
    FILTERED_PID,
    APPLICATION,
    field("Direction", Role::Direction, "%%14592 inbound, %%14593 outbound"),
    field("DestAddress", Role::Address, "address of the other end"),
    field("DestPort", Role::Port, "port of the other end"),
];
const BOUND: &[Field] = &[
    FILTERED_PID,
    APPLICATION,
    field("SourceAddress", Role::Address, "local address"),
    field("SourcePort", Role::Port, "local port"),
];
const FILTERED_CONNECTION: Tells =
    Tells::Connection(Connection { opened: "14593", unsaid: false, accepted: "accepted a connection from" });

/// Sysmon's driver sees what happens, and its service writes the record, which can be minutes later.
const UTC_TIME: Field = field("UtcTime", Role::HappenedAt, "when it happened, UTC");
const PID: Field = field("ProcessId", Role::Pid, "number of the process");
const GUID: Field = field("ProcessGuid", Role::ProcessGuid, "what Sysmon numbers it by for ever");
const IMAGE: Field = field("Image", Role::Image, "path of its image");
const ACTOR: &[Field] = &[UTC_TIME, PID, GUID, IMAGE];
const SYSMON_START: &[Field] = &[
    UTC_TIME,
    PID,
    GUID,
    IMAGE,
    COMMAND_LINE,
    field("CurrentDirectory", Role::CurrentDirectory, "its current directory"),
    field("ParentProcessId", Role::ParentPid, "number of the process that started it"),
    field("ParentProcessGuid", Role::ParentGuid, "what Sysmon numbers that one by"),
    field("ParentImage", Role::ParentImage, "path of that one's image"),
    field("ParentCommandLine", Role::ParentCommandLine, "that one's command line"),
    field("User", Role::UserName, "the account that it runs as, with its domain"),
    field("LogonId", Role::LogonId, "number of its logon session"),
    field("IntegrityLevel", Role::Integrity, "integrity level, a word"),
    field("OriginalFileName", Role::OriginalFileName, "file name that the version resource gives"),
    field("Description", Role::Description, "description that it gives"),
    field("Company", Role::Company, "company that it gives"),
    field("Hashes", Role::Hashes, "hashes of the image, each with its name"),
];
const ON_FILE: &[Field] = &[
    UTC_TIME,
    PID,
    GUID,
    IMAGE,
    field("TargetFilename", Role::File, "path of the file"),
    field("Hashes", Role::Hashes, "hashes of the file, each with its name"),
];
const ON_REGISTRY: &[Field] = &[
    UTC_TIME,
    PID,
    GUID,
    IMAGE,
    field("TargetObject", Role::RegistryTarget, "key or value"),
    field("EventType", Role::RegistryAct, "what was done to it"),
    field("Details", Role::RegistryValue, "what was written"),
];
const SYSMON_CONNECTION: Tells =
    Tells::Connection(Connection { opened: "true", unsaid: true, accepted: "accepted a connection at" });
const CONNECTED: &[Field] = &[
    UTC_TIME,
    PID,
    GUID,
    IMAGE,
    field("Initiated", Role::Direction, "whether the process opened it"),
    field("DestinationIp", Role::Address, "address of the destination"),
    field("DestinationPort", Role::Port, "port of the destination"),
    field("DestinationHostname", Role::AddressName, "host name of the destination"),
];
/// Whether Sysmon found a signature on an image, and whose.
pub(super) const SIGNATURE: Field = Field::text("Signature", "who signed it");
pub(super) const SIGNATURE_STATUS: Field = Field::text("SignatureStatus", "whether the signature is valid");
const LOADED: &[Field] = &[
    UTC_TIME,
    PID,
    GUID,
    IMAGE,
    field("ImageLoaded", Role::LoadedImage, "path of the image that was loaded"),
    field("Hashes", Role::Hashes, "hashes of that image, each with its name"),
    SIGNATURE,
    SIGNATURE_STATUS,
];
/// The process to which another did something; Sysmon spells the name of its GUID in two ways.
const TARGET: &[Field] = &[
    UTC_TIME,
    field("TargetProcessId", Role::Pid, "number of the process"),
    field("TargetProcessGuid", Role::ProcessGuid, "what Sysmon numbers it by for ever"),
    field("TargetProcessGUID", Role::ProcessGuid, "the same"),
    field("TargetImage", Role::Image, "path of its image"),
    field("SourceImage", Role::SourceImage, "path of the image of the process that did it"),
    field("GrantedAccess", Role::Access, "rights that it got"),
];
const PIPE: &[Field] = &[UTC_TIME, PID, GUID, IMAGE, field("PipeName", Role::Pipe, "name of the pipe")];
const TASK_START: &[Field] = &[
    field("ProcessID", Role::Pid, "number of the process"),
    field("Path", Role::Image, "its image, as the task names it"),
    field("TaskName", Role::Task, "path of the task"),
];
const TASK_ACTION: &[Field] = &[
    field("ActionName", Role::Image, "the program of the action, as the task names it"),
    field("TaskName", Role::Task, "path of the task"),
];
const TASK_MADE: &[Field] = &[
    field("TaskName", Role::Task, "path of the task"),
    field("TaskContent", Role::TaskDefinition, "definition of the task, XML"),
    field("TaskContentNew", Role::TaskDefinition, "the same of a task that was changed"),
    field("ClientProcessId", Role::Pid, "number of the process that asked for it"),
];
const TASK_NAME: &[Field] = &[field("TaskName", Role::Task, "path of the task")];
const APPLOCKER_FIELDS: &[Field] = &[
    field("TargetProcessId", Role::Pid, "number of the process"),
    field("FullFilePath", Role::Image, "path of the file"),
    field("FilePath", Role::Image, "the same with variables of AppLocker"),
];
const CRASHED: &[Field] =
    &[field("AppPath", Role::Image, "path of the image"), field("ProcessId", Role::Pid, "number of the process")];
const FIXED: &[Field] = &[field("ExePath", Role::Image, "path of the image")];

/// Every event that is kept.
static KINDS: &[Kind] = &[
    // Security. A target account is the one that the new process or session belongs to.
    kind(SECURITY, &[4688], STARTED, &["NewProcessName"], TARGET_USER)
        .tells(Tells::ProcessStart(Recorder::Audit), AUDITED_START)
        .says("Process {NewProcessId} {NewProcessName} started[ by {SubjectDomainName}\\{SubjectUserName}][, parent {ProcessId}][ {ParentProcessName}][, command line: {CommandLine}]"),
    kind(SECURITY, &[4689], ENDED, &["ProcessName"], SUBJECT_USER)
        .tells(Tells::ProcessEnd, AUDITED_END)
        .says("Process {ProcessId} {ProcessName} ended[ with status {Status}]"),
    kind(SECURITY, &[4624], &[LoggedOn], TARGET_NAME, TARGET_USER)
        .tells(Tells::Logon, LOGON)
        .says("{TargetDomainName}\\{TargetUserName} logged on, type {LogonType}, logon {TargetLogonId}[ from {IpAddress}]"),
    kind(SECURITY, &[4634], &[LoggedOn], TARGET_NAME, TARGET_USER)
        .says("{TargetDomainName}\\{TargetUserName} logged off, logon {TargetLogonId}"),
    kind(SECURITY, &[4647], &[LoggedOn], TARGET_NAME, TARGET_USER)
        .says("{TargetDomainName}\\{TargetUserName} asked to log off, logon {TargetLogonId}"),
    kind(SECURITY, &[4800, 4801, 4802, 4803, 4964], &[LoggedOn], TARGET_NAME, TARGET_USER),
    kind(SECURITY, &[4625], &[], TARGET_NAME, TARGET_USER),
    kind(SECURITY, &[4648], &[LoggedOn], &["ProcessName", "TargetUserName"], SUBJECT_USER)
        .says("{SubjectUserName} used the credentials of {TargetDomainName}\\{TargetUserName}[ in {ProcessName}][ for {TargetServerName}]"),
    kind(SECURITY, &[4672], &[LoggedOn], &["SubjectUserName"], SUBJECT_USER)
        .says("Special privileges for {SubjectDomainName}\\{SubjectUserName}, logon {SubjectLogonId}"),
    kind(SECURITY, &[4778, 4779], &[LoggedOn], &["AccountName"], NOBODY),
    kind(SECURITY, &[4697], &[Persisted, Installed], &["ServiceFileName", "ServiceName"], SUBJECT_USER)
        .says("Service {ServiceName} was installed: {ServiceFileName}"),
    kind(SECURITY, &[4698], &[Persisted], &["TaskName"], SUBJECT_USER)
        .tells(Tells::TaskMade, TASK_MADE)
        .says("Scheduled task {TaskName} was created[ by {SubjectUserName}]"),
    kind(SECURITY, &[4702], &[Persisted], &["TaskName"], SUBJECT_USER)
        .tells(Tells::TaskMade, TASK_MADE)
        .says("Scheduled task {TaskName} was changed[ by {SubjectUserName}]"),
    kind(SECURITY, &[4700], &[Persisted], &["TaskName"], SUBJECT_USER),
    kind(SECURITY, &[4699], &[Deleted], &["TaskName"], SUBJECT_USER)
        .says("Scheduled task {TaskName} was deleted[ by {SubjectUserName}]"),
    kind(SECURITY, &[4701], &[], &["TaskName"], SUBJECT_USER),
    kind(SECURITY, &[4657], &[Installed], &["ObjectName"], SUBJECT_USER)
        .says("Registry value {ObjectValueName} of {ObjectName} was set[ by {ProcessName}][, process {ProcessId}]"),
    kind(SECURITY, &[4663], &[Opened], &["ObjectName"], SUBJECT_USER)
        .says("{ObjectName} was accessed[ by {ProcessName}][, process {ProcessId}]"),
    kind(SECURITY, &[4656], &[Opened], &["ObjectName"], SUBJECT_USER),
    kind(SECURITY, &[4660], &[Deleted], &["ProcessName"], SUBJECT_USER),
    kind(SECURITY, &[5140], &[Opened, Connected], &["RelativeTargetName", "ShareName"], SUBJECT_USER)
        .says("Share {ShareName} was opened[ from {IpAddress}]"),
    kind(SECURITY, &[5145], &[Opened, Connected], &["RelativeTargetName", "ShareName"], SUBJECT_USER)
        .says("{RelativeTargetName} of share {ShareName} was opened[ from {IpAddress}]"),
    kind(SECURITY, &[5154], &[Connected], &["Application"], NOBODY),
    kind(SECURITY, &[5156], &[Connected], &["Application"], NOBODY)
        .tells(FILTERED_CONNECTION, FILTERED)
        .says("Connection allowed for {Application}, process {ProcessID|ProcessId}, {SourceAddress}:{SourcePort} and {DestAddress}:{DestPort}"),
    kind(SECURITY, &[5157], &[], &["Application"], NOBODY).tells(Tells::ConnectionBlocked, FILTERED),
    kind(SECURITY, &[5158], &[Connected], &["Application"], NOBODY).tells(Tells::PortOpened, BOUND),
    kind(SECURITY, &[4616], &[], &["ProcessName", "SubjectUserName"], SUBJECT_USER)
        .tells(Tells::ClockChange, AUDITED_CLOCK)
        .says("The clock was changed from {PreviousTime} to {NewTime}[ by {ProcessName}]"),
    kind(SECURITY, &[4673, 4674, 4703], &[], &["ProcessName", "SubjectUserName"], SUBJECT_USER),
    kind(SECURITY, &[4907], &[], &["ObjectName"], SUBJECT_USER),
    kind(SECURITY, &[4719], &[], &["AuditSourceName", "SubjectUserName"], SUBJECT_USER)
        .says("The audit policy was changed[ by {SubjectUserName}][: {AuditPolicyChanges}]"),
    kind(SECURITY, &[4739, 4904, 4905], &[], &["AuditSourceName", "SubjectUserName"], SUBJECT_USER),
    kind(SECURITY, &[4720, 4728, 4732, 4738], &[], TARGET_NAME, SUBJECT_USER),
    kind(SECURITY, &[4608], &[], &[], NOBODY).tells(Tells::AuditStart, &[]).says("The system started"),
    kind(SECURITY, &[4609], &[], &[], NOBODY),
    kind(EVENTLOG, &[1102], &[Deleted], &["System.Channel"], SUBJECT_USER)
        .tells(Tells::LogCleared, &[BY_NAME, BY_DOMAIN, naming::CHANNEL.role(Role::ClearedLog)])
        .says("The Security log was cleared[ by {SubjectDomainName}\\{SubjectUserName}]"),
    kind(EVENTLOG, &[104], &[Deleted], &["Channel"], LOGGED_BY)
        .tells(Tells::LogCleared, &[BY_NAME, BY_DOMAIN, field("Channel", Role::ClearedLog, "the log that was cleared")])
        .says("The log {Channel} was cleared[ by {SubjectDomainName}\\{SubjectUserName}]"),
    kind(EVENTLOG, &[1100, 1101, 1104, 1105, 1108], &[], &[], NOBODY),
    // Sysmon. It names accounts in words; the account that logs is always the system's.
    kind(SYSMON, &[1], STARTED, &["Image"], USER)
        .tells(Tells::ProcessStart(Recorder::Sysmon), SYSMON_START)
        .says("Process {ProcessId} {Image} started[ by {User}][, parent {ParentProcessId}][ {ParentImage}][, command line: {CommandLine}]"),
    kind(SYSMON, &[5], ENDED, &["Image"], USER)
        .tells(Tells::ProcessEnd, ACTOR)
        .says("Process {ProcessId} {Image} ended"),
    kind(SYSMON, &[2], &[Present], TARGET_FILE, USER)
        .tells(Tells::FileTouched("changed the creation time of"), ON_FILE)
        .says("{Image}, process {ProcessId}, changed the creation time of {TargetFilename} from {PreviousCreationUtcTime} to {CreationUtcTime}"),
    kind(SYSMON, &[3], &[Connected], &["Image"], USER)
        .tells(SYSMON_CONNECTION, CONNECTED)
        .says("{Image}, process {ProcessId}, connection {Protocol} {SourceIp}:{SourcePort} to {DestinationIp}:{DestinationPort}[ {DestinationHostname}]"),
    kind(SYSMON, &[22], &[Connected], &["QueryName"], USER)
        .tells(Tells::DnsQuery, &[
            UTC_TIME,
            PID,
            GUID,
            IMAGE,
            field("QueryName", Role::QueryName, "name that was looked up"),
            field("QueryResults", Role::QueryResults, "what it gave"),
        ])
        .says("{Image}, process {ProcessId}, looked up {QueryName}[: {QueryResults:300}]"),
    kind(SYSMON, &[6], &[Present, Opened], &["ImageLoaded"], USER).says("Driver {ImageLoaded} was loaded"),
    kind(SYSMON, &[7], &[Present, Opened], &["ImageLoaded"], USER)
        .tells(Tells::ImageLoaded, LOADED)
        .says("{Image}, process {ProcessId}, loaded {ImageLoaded}"),
    kind(SYSMON, &[8], &[], &["TargetImage"], &["SourceUser"])
        .tells(Tells::RemoteThread, TARGET)
        .says("{SourceImage}, process {SourceProcessId}, started a thread in {TargetImage}, process {TargetProcessId}"),
    kind(SYSMON, &[10], &[], &["TargetImage"], &["SourceUser"])
        .tells(Tells::ProcessOpened, TARGET)
        .says("{SourceImage}, process {SourceProcessId}, opened {TargetImage}, process {TargetProcessId}[, access {GrantedAccess}]"),
    kind(SYSMON, &[9], &[Opened], &["Device"], USER).says("{Image}, process {ProcessId}, read the disk {Device}"),
    kind(SYSMON, &[11], &[Present], TARGET_FILE, USER)
        .tells(Tells::FileWritten("created"), ON_FILE)
        .says("{Image}, process {ProcessId}, created {TargetFilename}"),
    kind(SYSMON, &[15], &[Present], TARGET_FILE, USER)
        .tells(Tells::FileWritten("created the stream"), ON_FILE)
        .says("{Image}, process {ProcessId}, created the stream {TargetFilename}[: {Contents:300}]"),
    kind(SYSMON, &[29], &[Present], TARGET_FILE, USER)
        .tells(Tells::FileWritten("wrote the program"), ON_FILE)
        .says("{Image}, process {ProcessId}, wrote the program {TargetFilename}"),
    kind(SYSMON, &[12], &[Installed], &["TargetObject"], USER)
        .tells(Tells::RegistryChange, ON_REGISTRY)
        .says("{Image}, process {ProcessId}: {EventType} {TargetObject}"),
    kind(SYSMON, &[13], &[Installed], &["TargetObject"], USER)
        .tells(Tells::RegistryChange, ON_REGISTRY)
        .says("{Image}, process {ProcessId}, set {TargetObject} to {Details:300}"),
    kind(SYSMON, &[14], &[Installed], &["TargetObject"], USER)
        .tells(Tells::RegistryChange, ON_REGISTRY)
        .says("{Image}, process {ProcessId}, renamed {TargetObject} to {NewName}"),
    kind(SYSMON, &[17], &[], &["PipeName"], USER)
        .tells(Tells::Pipe, PIPE)
        .says("{Image}, process {ProcessId}, created the pipe {PipeName}"),
    kind(SYSMON, &[18], &[], &["PipeName"], USER)
        .tells(Tells::Pipe, PIPE)
        .says("{Image}, process {ProcessId}, connected to the pipe {PipeName}"),
    kind(SYSMON, &[19, 20, 21], &[Persisted], &["Name", "Consumer"], USER),
    kind(SYSMON, &[23, 26], &[Deleted], TARGET_FILE, USER)
        .tells(Tells::FileDeleted("deleted"), ON_FILE)
        .says("{Image}, process {ProcessId}, deleted {TargetFilename}"),
    kind(SYSMON, &[27, 28], &[], TARGET_FILE, USER).tells(Tells::FileTouched("wrote the program"), ON_FILE),
    kind(SYSMON, &[25], &[], &["Image"], USER)
        .tells(Tells::Tampering, &[UTC_TIME, PID, GUID, IMAGE, field("Type", Role::Tampering, "what was done to the image")])
        .says("{Image}, process {ProcessId}, was tampered with: {Type}"),
    kind(SYSMON, &[4], &[], &["Image"], USER).says("Sysmon is {State}"),
    kind(SYSMON, &[16], &[], &["Image"], USER).says("The configuration of Sysmon was changed: {Configuration}"),
    kind(SYSMON, &[], &[], &["Image"], USER),
    // System.
    kind(CONTROL, &[7045], &[Persisted, Installed], &["ImagePath", "ServiceName"], LOGGED_BY)
        .says("Service {ServiceName} was installed: {ImagePath}"),
    kind(CONTROL, &[7036], &[], &["param1"], LOGGED_BY).says("Service {param1} is now {param2}"),
    kind(CONTROL, &[7034, 7035, 7040], &[], &["param1"], LOGGED_BY),
    kind(KERNEL, &[1], &[], &[], NOBODY).tells(Tells::ClockChange, KERNEL_CLOCK).says("The clock was changed from {OldTime} to {NewTime}"),
    kind(KERNEL, &[12], &[], &[], NOBODY)
        .tells(Tells::SystemStart, &[field("StartTime", Role::SystemStart, "when the system started")])
        .says("The system started[ at {StartTime}]"),
    kind(KERNEL, &[13], &[], &[], NOBODY).tells(Tells::SystemStop, &[]).says("The system stopped[ at {StopTime}]"),
    kind("EventLog", &[6005], &[], &[], NOBODY).tells(Tells::LogStart, &[]).says("The event log service started"),
    kind("EventLog", &[6006], &[], &[], NOBODY).tells(Tells::SystemStop, &[]).says("The event log service stopped"),
    kind("EventLog", &[6008], &[], &[], NOBODY).tells(Tells::UncleanStop, &[]).says("The last shutdown was unexpected"),
    kind("EventLog", &[6009, 6013], &[], &[], NOBODY),
    kind("Microsoft-Windows-Kernel-Power", &[41], &[], &[], NOBODY).tells(Tells::UncleanStop, &[]),
    kind("User32", &[1074], &[], &["param1"], LOGGED_BY),
    kind("Microsoft-Windows-UserPnp", &[20001, 20003], &[Installed], &["DriverName", "ServiceName"], NOBODY),
    kind("Microsoft-Windows-DistributedCOM", &[10010, 10016], &[], &["param4", "param1"], LOGGED_BY),
    kind("DCOM", &[10010, 10016], &[], &["param4", "param1"], LOGGED_BY),
    // Application.
    kind("MsiInstaller", &[1033, 11707], &[Installed], &["Data[0]"], LOGGED_BY),
    kind("MsiInstaller", &[1034, 11724], &[Deleted], &["Data[0]"], LOGGED_BY),
    kind("MsiInstaller", &[1035, 1038, 1040, 1042, 11708], &[], &["Data[0]"], LOGGED_BY),
    kind("Microsoft-Windows-RestartManager", &[10000, 10001], &[], &[], LOGGED_BY),
    kind(".NET Runtime", &[1026], FAILED, &["Data[0]"], NOBODY).says("A .NET program failed: {Data[0]:300}"),
    kind(".NET Runtime", &[1022, 1023, 1025], FAILED, &["Data[0]"], NOBODY),
    kind("Application Error", &[1000], FAILED, &["AppPath", "Data[10]", "AppName", "Data[0]"], NOBODY)
        .fields(CRASHED)
        .says("{AppName|Data[0]} failed in {ModuleName|Data[3]}, exception {ExceptionCode|Data[6]}"),
    kind("Windows Error Reporting", &[1001], FAILED, &["P1", "Data[5]"], NOBODY)
        .says("Error report {EventName|Data[2]}: {P1|Data[5]}"),
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
    kind(TASKS, &[106], &[Persisted], &["TaskName"], &["UserContext", "UserName"])
        .tells(Tells::TaskMade, TASK_NAME)
        .says("Scheduled task {TaskName} was registered[ by {UserContext}]"),
    kind(TASKS, &[140], &[Persisted], &["TaskName"], &["UserContext", "UserName"])
        .tells(Tells::TaskMade, TASK_NAME)
        .says("Scheduled task {TaskName} was changed[ by {UserName}]"),
    kind(TASKS, &[141], &[Deleted], &["TaskName"], &["UserName"])
        .says("Scheduled task {TaskName} was deleted[ by {UserName}]"),
    kind(TASKS, &[129], SCHEDULED, &["Path", "TaskName"], NOBODY)
        .tells(Tells::TaskStart, TASK_START)
        .says("Scheduled task {TaskName} started process {ProcessID} {Path}"),
    kind(TASKS, &[200], SCHEDULED, &["ActionName", "TaskName"], NOBODY)
        .tells(Tells::TaskAction, TASK_ACTION)
        .says("Scheduled task {TaskName} started the action {ActionName}"),
    kind(TASKS, &[201], SCHEDULED, &["ActionName", "TaskName"], NOBODY)
        .says("Scheduled task {TaskName} ended the action {ActionName}[ with {ResultCode}]"),
    kind(TASKS, &[100, 102, 110], SCHEDULED, &["TaskName"], &["UserContext"]),
    kind(TASKS, &[107, 108, 118, 119, 142, 322], &[], &["TaskName"], &["UserName"]),
    kind(POWERSHELL, &[4103], ACTIVE, SCRIPT, LOGGED_BY).says("PowerShell ran: {Payload:300}"),
    kind(POWERSHELL, &[4104], ACTIVE, SCRIPT, LOGGED_BY)
        .says("PowerShell script[ {Path}], part {MessageNumber} of {MessageTotal}: {ScriptBlockText:300}"),
    kind(POWERSHELL, &[4105, 4106], ACTIVE, SCRIPT, LOGGED_BY),
    kind(CORE, &[4103, 4104, 4105, 4106], ACTIVE, SCRIPT, LOGGED_BY),
    kind(POWERSHELL, &[40961, 40962, 53504], ACTIVE, &[], LOGGED_BY),
    kind(CORE, &[40961, 40962, 53504], ACTIVE, &[], LOGGED_BY),
    kind("PowerShell", &[400], ACTIVE, &["Data[0]"], NOBODY).says("PowerShell started: {Data[2]:300}"),
    kind("PowerShell", &[403, 600, 800], ACTIVE, &["Data[0]"], NOBODY),
    kind(WMI, &[5857], ACTIVE, &["ProviderPath", "ProviderName"], NOBODY)
        .says("WMI provider {ProviderName} was loaded from {ProviderPath}"),
    kind(WMI, &[5858], &[], &["Operation"], USER),
    kind(WMI, &[5859, 5860], &[], &["Query", "Provider"], USER),
    kind(WMI, &[5861], &[Persisted], &["ESS", "CONSUMER"], NOBODY).says("WMI binding {CONSUMER} in {Namespace}"),
    kind(DEFENDER, &[1116], &[Present], &["Path"], &["Detection User", "User"])
        .says("Defender detected {Threat Name} in {Path}[, process {Process Name}]"),
    kind(DEFENDER, &[1117], &[Present], &["Path"], &["Detection User", "User"])
        .says("Defender acted on {Threat Name} in {Path}: {Action Name}"),
    kind(DEFENDER, &[1006, 1007, 1015, 1118, 1119], &[Present], &["Path"], &["Detection User", "User"]),
    kind(DEFENDER, &[1121], &[], &["Path"], USER)
        .says("Defender blocked {Path} by rule {ID}[, process {Process Name}]"),
    kind(DEFENDER, &[1122, 1129], &[], &["Path"], USER),
    kind(DEFENDER, &[5007], &[], &["New Value", "Filename"], NOBODY)
        .says("The configuration of Defender was changed to {New Value}"),
    kind(DEFENDER, &[2050, 2051, 5001, 5004, 5010, 5012, 5013], &[], &["New Value", "Filename"], NOBODY),
    kind(APPLOCKER, &[8002, 8003, 8005, 8006], ALLOWED, &["FullFilePath", "FilePath"], &["TargetUser"])
        .fields(APPLOCKER_FIELDS),
    kind(APPLOCKER, &[8004, 8007], &[Present], &["FullFilePath", "FilePath"], &["TargetUser"]),
    kind("Microsoft-Windows-CodeIntegrity", &[3033, 3076, 3077], &[Present], &["File Name", "FileNameBuffer"], NOBODY),
    kind("Microsoft-Windows-CodeIntegrity", &[3089, 3099], &[], &["PolicyName"], NOBODY),
    kind(
        FIREWALL,
        &[2002, 2003, 2004, 2005, 2006, 2033, 2052, 2059, 2060, 2071, 2073, 2097, 2099],
        &[],
        &["ApplicationPath", "RuleName"],
        &["ModifyingUser"],
    ),
    kind(DNS, &[3006], &[Connected], &["QueryName"], LOGGED_BY).says("Name lookup of {QueryName}"),
    kind(DNS, &[3008], &[Connected], &["QueryName"], LOGGED_BY)
        .says("Name lookup of {QueryName} ended with {QueryStatus}[: {QueryResults}]"),
    kind(DNS, &[3018, 3020], &[Connected], &["QueryName"], LOGGED_BY),
    kind("Microsoft-Windows-Bits-Client", &[3], &[], &["processPath", "jobTitle"], &["jobOwner"]),
    kind("Microsoft-Windows-Bits-Client", &[59, 60, 61], &[Downloaded], &["url"], NOBODY),
    kind(SESSIONS, &[21], &[LoggedOn], USER, USER).says("{User} logged on to session {SessionID}[ from {Address}]"),
    kind(SESSIONS, &[24], &[LoggedOn], USER, USER).says("{User} disconnected session {SessionID}[ from {Address}]"),
    kind(SESSIONS, &[25], &[LoggedOn], USER, USER).says("{User} reconnected session {SessionID}[ from {Address}]"),
    kind(SESSIONS, &[22, 23, 39, 40], &[LoggedOn], USER, USER),
    kind(REMOTE, &[1149], &[LoggedOn], &["Param1"], &["Param1"])
        .says("Remote desktop authentication of {Param2}\\{Param1} from {Param3}"),
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
    kind("Microsoft-Windows-Shell-Core", &[9705, 9706, 9707, 9708], ACTIVE, &["Command", "KeyName"], LOGGED_BY),
    kind("Microsoft-Windows-Application-Experience", &[500, 505], ACTIVE, &["ExePath"], LOGGED_BY).fields(FIXED),
    kind("Microsoft-Windows-Ntfs", &[4, 9, 98, 3079], &[], &["DeviceName", "DriveName"], NOBODY),
    kind("Microsoft-Windows-Winlogon", &[811, 812], &[], &[], NOBODY),
    kind("Microsoft-Windows-WinRM", &[6, 91, 142, 169], &[Connected], &["connection", "resourceUri"], LOGGED_BY),
    kind("Microsoft-Windows-Kernel-EventTracing", &[2, 3, 4], &[], &["SessionName"], LOGGED_BY),
    kind("Microsoft-Windows-VHDMP", &[1, 2], &[Opened], &["VhdFile", "VhdFileName"], LOGGED_BY),
    kind("Microsoft Office*", &[300], &[], &["Data[0]"], NOBODY),
    kind("OpenSSH", &[4], &[Connected], &["payload"], NOBODY),
];

/// The types of all records of the artifact: the rows, and what a log holds as a whole.
pub(super) static RECORDS: [&RecordType; KINDS.len() + 1] = {
    let mut all = [&CHANNEL; KINDS.len() + 1];
    let mut row = 0;
    while row < KINDS.len() {
        all[row] = &KINDS[row].of;
        row += 1;
    }
    all
};

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
    let fits = |kind: &&Kind| match kind.logged().provider.strip_suffix('*') {
        Some(start) => name.get(..start.len()).is_some_and(|name| name.eq_ignore_ascii_case(start)),
        None => {
            let provider = kind.logged().provider;
            provider.eq_ignore_ascii_case(name)
                || provider.eq_ignore_ascii_case(guid)
                || (is_sysmon && provider == SYSMON)
        }
    };
    for kind in KINDS.iter().filter(fits) {
        for id in kind.logged().ids {
            found.by_id.entry(*id).or_insert(kind);
        }
        if kind.logged().ids.is_empty() {
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

/// The type of the records of an event; `None` when it is not kept.
pub(crate) fn event_type(provider: &str, guid: &str, event_id: u64) -> Option<&'static RecordType> {
    of_provider(provider, guid).find(event_id).map(|kind| &kind.of)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_provider_decides_with_the_number() {
        let mut kinds = Kinds::default();
        let mut find = |name, guid, id| kinds.of(name, guid).find(id);
        assert_eq!(find(SECURITY, "", 4688).unwrap().of.claims, &[Executed(RunTime::Start)]);
        assert!(find("Microsoft-Windows-Kernel-General", "", 4688).is_none());
        assert!(find("Microsoft-Windows-Power-Troubleshooter", "", 1).is_none(), "1 is many things");
        assert_eq!(find("microsoft-windows-sysmon", "", 1).unwrap().subject, &["Image"]);
        assert!(find("Renamed", "{5770385F-C22A-43E0-BF4C-06F5698FFBD9}", 255).is_some());
        assert!(find("MSDTC 2", "", 4202).is_some());
        assert!(find("", "", 0).is_none());
    }

    #[test]
    fn what_ended_failed_was_scheduled_or_allowed_is_no_run_of_its_own() {
        let others = [
            (SECURITY, 4689),
            (SYSMON, 5),
            (TASKS, 129),
            (TASKS, 200),
            (TASKS, 201),
            ("Windows Error Reporting", 1001),
            (".NET Runtime", 1026),
            (APPLOCKER, 8002),
        ];
        for (provider, id) in others {
            let claims = event_type(provider, "", id).unwrap().claims;
            let time = claims.iter().find_map(|claim| claim.run_time());
            assert!(time.is_some_and(|time| !time.shows_a_run()), "{provider} {id}: {time:?}");
        }
    }

    #[test]
    fn every_row_is_declared_once() {
        for kind in KINDS {
            assert_eq!(RECORDS.iter().filter(|of| std::ptr::eq(**of, &kind.of)).count(), 1);
        }
        assert_eq!(RECORDS.len(), KINDS.len() + 1);
        assert!(RECORDS.iter().any(|of| std::ptr::eq(*of, &CHANNEL)));
    }

    #[test]
    fn what_a_process_does_names_the_process() {
        for kind in KINDS.iter().filter(|kind| !matches!(kind.of.tells, Tells::Event)) {
            let has = |role| kind.of.in_role(role).next().is_some();
            let of_no_process = [
                Tells::Logon,
                Tells::SystemStart,
                Tells::LogStart,
                Tells::AuditStart,
                Tells::ClockChange,
                Tells::TaskMade,
                Tells::TaskAction,
                Tells::SystemStop,
                Tells::UncleanStop,
                Tells::LogCleared,
            ];
            assert_eq!(has(Role::Pid) && has(Role::Image), !of_no_process.contains(&kind.of.tells), "{:?}", kind.of);
        }
    }

    #[test]
    fn no_event_stands_in_two_rows() {
        let mut seen = std::collections::BTreeSet::new();
        for kind in KINDS {
            let Logged { provider, ids } = kind.logged();
            for id in ids.iter().copied().chain(ids.is_empty().then_some(u64::MAX)) {
                assert!(seen.insert((provider, id)), "{provider} {id}");
            }
        }
    }
}
