//! The fields of the volatile state's records. Beside each that the system did not give stands `NAME_error`, which says why.

use evidence::{Field, Role};

pub(super) const COMPUTER: Field = Field::text("Computer", "name of the computer").role(Role::Computer);
pub(super) const API: Field = Field::text("Api", "functions of Windows that gave it");
pub(super) const TAKEN: Field = Field::time("Taken", "when the snapshot was taken");

pub(super) const SYSTEM_TIME: Field = Field::time("SystemTime", "what the clock showed");
pub(super) const UPTIME_MS: Field = Field::number("UptimeMs", "milliseconds since the start");
pub(super) const BOOTED: Field = Field::time("Booted", "the first less the second");
pub(super) const TIME_ZONE: Field = Field::text("TimeZone", "key name of the time zone");
pub(super) const ACTIVE_TIME_BIAS: Field = Field::number("ActiveTimeBias", "minutes, as the registry has it");
pub(super) const SET_BY: Field = Field::text("SetBy", "the time service's setting: what sets the clock");
pub(super) const SERVERS: Field = Field::text("Servers", "the time service's setting: from which servers");
pub(super) const LAST_KNOWN_GOOD_TIME: Field = Field::time("LastKnownGoodTime", "the time service's last word");
pub(super) const CLOCK: &[Field] = &[
    SYSTEM_TIME,
    UPTIME_MS,
    BOOTED,
    TIME_ZONE,
    ACTIVE_TIME_BIAS,
    SET_BY,
    SERVERS,
    LAST_KNOWN_GOOD_TIME,
    COMPUTER,
    API,
    TAKEN,
];

pub(super) const PROCESS_ID: Field = Field::number("ProcessId", "number of the process").role(Role::Pid);
pub(super) const PARENT_PROCESS_ID: Field =
    Field::number("ParentProcessId", "number of the process that started it").role(Role::ParentPid);
pub(super) const PROCESS_NAME: Field = Field::text("Name", "name of the image").role(Role::Name);
pub(super) const COLLECTOR: Field =
    Field::flag("Collector", "true for comtrail itself, which no conclusion is drawn from").role(Role::Collector);
pub(super) const IMAGE: Field = Field::text("Image", "path of the image").role(Role::Image);
pub(super) const NATIVE_IMAGE: Field = Field::text("NativeImage", "device path of the image");
pub(super) const COMMAND_LINE: Field =
    Field::text("CommandLine", "from the process' own memory, where it can rewrite it").role(Role::CommandLine);
pub(super) const CURRENT_DIRECTORY: Field = Field::text("CurrentDirectory", "likewise").role(Role::CurrentDirectory);
pub(super) const USER_SID: Field = Field::text("UserSid", "SID of the account").role(Role::UserSid);
pub(super) const INTEGRITY_SID: Field = Field::text("IntegritySid", "SID of the integrity level").role(Role::Integrity);
pub(super) const ELEVATION_TYPE: Field =
    Field::number("ElevationType", "1 default, 2 full, 3 limited").role(Role::ElevationType);
pub(super) const ELEVATED: Field = Field::flag("Elevated", "whether the token is elevated");
pub(super) const SESSION_ID: Field = Field::number("SessionId", "number of the session");
pub(super) const LOGON_ID: Field = Field::text("LogonId", "number of the logon session").role(Role::LogonId);
pub(super) const MODULES: Field =
    Field::list("Modules", "loaded images; of the tools, dllhost and their children only");
pub(super) const PROCESS: &[Field] = &[
    PROCESS_ID,
    PARENT_PROCESS_ID,
    PROCESS_NAME,
    COLLECTOR,
    IMAGE,
    NATIVE_IMAGE,
    COMMAND_LINE,
    CURRENT_DIRECTORY,
    USER_SID,
    INTEGRITY_SID,
    ELEVATION_TYPE,
    ELEVATED,
    SESSION_ID,
    LOGON_ID,
    MODULES,
    COMPUTER,
    API,
    TAKEN,
];

pub(super) const PROTOCOL: Field = Field::text("Protocol", "TCP or UDP");
pub(super) const LOCAL: Field = Field::text("Local", "own address and port").role(Role::Local);
pub(super) const REMOTE: Field = Field::text("Remote", "other address and port").role(Role::Remote);
pub(super) const CONNECTION_STATE: Field =
    Field::text("State", "state of a TCP connection").role(Role::ConnectionState);
pub(super) const OWNER: Field = Field::number("ProcessId", "number of the process that owns it").role(Role::Pid);
pub(super) const CONNECTION: &[Field] = &[PROTOCOL, LOCAL, REMOTE, CONNECTION_STATE, OWNER, COMPUTER, API, TAKEN];

pub(super) const LOOKED_UP: Field = Field::text("Name", "name that was looked up").role(Role::Name);
pub(super) const DNS_TYPE: Field = Field::number("Type", "type of the DNS record");
pub(super) const DNS_NAME: &[Field] = &[LOOKED_UP, DNS_TYPE, COMPUTER, API, TAKEN];

pub(super) const ACCOUNT_NAME: Field = Field::text("Name", "the account's name").role(Role::UserName);
pub(super) const PACKAGE: Field = Field::text("Package", "authentication package");
pub(super) const LOGON_TYPE: Field = Field::number("LogonType", "type of the logon").role(Role::LogonType);
pub(super) const SESSION: &[Field] =
    &[LOGON_ID, USER_SID, ACCOUNT_NAME, PACKAGE, LOGON_TYPE, SESSION_ID, COMPUTER, API, TAKEN];

pub(super) const SERVICE_NAME: Field = Field::text("Name", "name of the service").role(Role::Name);
pub(super) const DISPLAY_NAME: Field = Field::text("DisplayName", "its name for people");
pub(super) const SERVICE_TYPE: Field = Field::number("Type", "type of the service");
pub(super) const SERVICE_STATE: Field = Field::number("State", "state of the service");
pub(super) const SERVICE_PROCESS: Field =
    Field::number("ProcessId", "number of the process that it runs in").role(Role::Pid);
pub(super) const START_TYPE: Field = Field::number("StartType", "2 automatic, 3 on demand, 4 disabled");
pub(super) const SERVICE_COMMAND_LINE: Field = Field::text("ServiceCommandLine", "what starts it");
pub(super) const ACCOUNT: Field = Field::text("Account", "account that it runs as");
pub(super) const SERVICE: &[Field] = &[
    SERVICE_NAME,
    DISPLAY_NAME,
    SERVICE_TYPE,
    SERVICE_STATE,
    SERVICE_PROCESS,
    START_TYPE,
    SERVICE_COMMAND_LINE,
    ACCOUNT,
    COMPUTER,
    API,
    TAKEN,
];

pub(super) const ACTION_COMMAND_LINE: Field = Field::text("CommandLine", "command line of an action");
pub(super) const DIRECTORY: Field = Field::text("Directory", "directory that it starts in");
pub(super) const CLASS: Field = Field::text("Class", "class id of a handler");
pub(super) const DATA: Field = Field::text("Data", "what the handler is given");
pub(super) const KIND: Field = Field::text("Kind", "`mail`");
pub(super) const MESSAGE: Field = Field::text("Message", "title of a message");
const ACTION: &[Field] = &[ACTION_COMMAND_LINE, DIRECTORY, CLASS, DATA, KIND, MESSAGE];

pub(super) const TASK_NAME: Field = Field::text("TaskName", "path of the task").role(Role::Name);
pub(super) const TASK_ID: Field = Field::text("TaskId", "its GUID");
pub(super) const AUTHOR: Field = Field::text("Author", "author, as registered");
pub(super) const DATE: Field = Field::text("Date", "date, as registered");
pub(super) const SOURCE: Field = Field::text("Source", "source, as registered");
pub(super) const IN_TREE: Field = Field::flag("InTree", "false: in no folder, so that no tool of Windows shows it");
pub(super) const SECURITY_DESCRIPTOR: Field = Field::flag("SecurityDescriptor", "false: hidden from the tools");
pub(super) const ACTIONS: Field =
    Field::maps("Actions", ACTION, "what it does: `CommandLine` and `Directory`, or `Class` and `Data`");
pub(super) const ACTIONS_INCOMPLETE: Field =
    Field::flag("ActionsIncomplete", "true where not all actions could be read");
pub(super) const LAST_RESULT: Field = Field::number("LastResult", "0 or an HRESULT");
pub(super) const TASK: &[Field] = &[
    TASK_NAME,
    TASK_ID,
    AUTHOR,
    DATE,
    SOURCE,
    IN_TREE,
    SECURITY_DESCRIPTOR,
    ACTIONS,
    ACTIONS_INCOMPLETE,
    LAST_RESULT,
    COMPUTER,
    API,
    TAKEN,
];

pub(super) const PATH: Field = Field::text("Path", "path of the file").role(Role::Path);
pub(super) const SIZE: Field = Field::number("Size", "size in bytes").role(Role::Size);
pub(super) const SHA256: Field = Field::text("Sha256", "SHA-256 of the file").role(Role::Sha256);
pub(super) const IMAGE_SHA256: Field =
    Field::text("ImageSha256", "SHA-256 as Authenticode takes it").role(Role::ImageSha256);
pub(super) const IMAGE_SHA1: Field = Field::text("ImageSha1", "SHA-1 as Authenticode takes it");
pub(super) const SIGNATURE: Field = Field::text(
    "Signature",
    "`signed digest is the file's`, `signed digest is another file's`, `signed digest of an unknown kind`, `none in the file`",
);
pub(super) const SIGNER: Field = Field::text("Signer", "subject of the certificate, as RFC 4514 writes names");
pub(super) const ISSUER: Field = Field::text("Issuer", "issuer of the certificate, likewise");
pub(super) const SERIAL_NUMBER: Field = Field::text("SerialNumber", "its serial number, hexadecimal");
pub(super) const IMAGE_FILE: &[Field] =
    &[PATH, SIZE, SHA256, IMAGE_SHA256, IMAGE_SHA1, SIGNATURE, SIGNER, ISSUER, SERIAL_NUMBER, COMPUTER, API, TAKEN];
