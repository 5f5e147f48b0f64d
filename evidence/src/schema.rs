//! What the records of one type hold, declared beside the parser that makes them.
//!
//! Everything that is derived from a record asks its type: the sentence of a row, the columns, the coverage, the
//! documentation, and who correlates it. A field's name is known to the file that declares it and to nobody else; others
//! ask for its [`Role`].

use crate::claim::{Claim, RunTime};
use crate::time::Filetime;
use crate::value::{Value, ValueRef};

/// What the values of a field are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldKind {
    /// Text as stored.
    Text,
    /// A number.
    Number,
    /// A moment that only describes; the moments of a record are no fields.
    Time,
    /// Yes or no.
    Flag,
    /// Several texts or numbers.
    List,
    /// Named values.
    Map(&'static [Field]),
    /// Several maps of the same named values.
    Maps(&'static [Field]),
}

/// A named value of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its name in rows and reports.
    pub name: &'static str,
    /// What its values are.
    pub kind: FieldKind,
    /// What it is to those who do not know the artifact.
    pub role: Option<Role>,
    /// What stands in it, for `docs/records.md`.
    pub says: &'static str,
}

impl Field {
    const fn new(name: &'static str, kind: FieldKind, says: &'static str) -> Field {
        Field { name, kind, role: None, says }
    }

    /// A field with text.
    pub const fn text(name: &'static str, says: &'static str) -> Field {
        Field::new(name, FieldKind::Text, says)
    }

    /// A field with a number.
    pub const fn number(name: &'static str, says: &'static str) -> Field {
        Field::new(name, FieldKind::Number, says)
    }

    /// A field with a moment.
    pub const fn time(name: &'static str, says: &'static str) -> Field {
        Field::new(name, FieldKind::Time, says)
    }

    /// A field with yes or no.
    pub const fn flag(name: &'static str, says: &'static str) -> Field {
        Field::new(name, FieldKind::Flag, says)
    }

    /// A field with several values.
    pub const fn list(name: &'static str, says: &'static str) -> Field {
        Field::new(name, FieldKind::List, says)
    }

    /// A field with named values.
    pub const fn map(name: &'static str, members: &'static [Field], says: &'static str) -> Field {
        Field::new(name, FieldKind::Map(members), says)
    }

    /// A field with several maps.
    pub const fn maps(name: &'static str, members: &'static [Field], says: &'static str) -> Field {
        Field::new(name, FieldKind::Maps(members), says)
    }

    /// The same field in a role.
    #[must_use]
    pub const fn role(self, role: Role) -> Field {
        Field { role: Some(role), ..self }
    }

    /// The fields of its members, where its values have any.
    pub const fn members(&self) -> &'static [Field] {
        match self.kind {
            FieldKind::Map(members) | FieldKind::Maps(members) => members,
            _ => &[],
        }
    }
}

/// Declares the roles with what each means.
macro_rules! roles {
    ($(#[doc = $says:literal] $name:ident,)+) => {
        /// What a field is to those who do not know the artifact that declares it. Several fields of a type can have one
        /// role; the first that the record has is meant.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Role {
            $(#[doc = $says] $name,)+
        }
    };
}

roles! {
    /// Path of the image of the process that the record is about, verbatim.
    Image,
    /// The command line of that process, verbatim.
    CommandLine,
    /// Number of that process.
    Pid,
    /// Folder of the profile of the user concerned.
    Profile,
    /// 32 or 64: the kind of the process.
    Bits,
    // Events
    /// What Sysmon numbers that process by for ever.
    ProcessGuid,
    /// Its current directory, verbatim.
    CurrentDirectory,
    /// Number of the process that started it.
    ParentPid,
    /// What Sysmon numbers that process by.
    ParentGuid,
    /// Path of the image of that process, verbatim.
    ParentImage,
    /// The command line of that process, verbatim.
    ParentCommandLine,
    /// Security identifier of the account concerned: of the one that a process runs as, or that logged on.
    UserSid,
    /// Name of that account, with its domain where no field has that.
    UserName,
    /// Domain of that account.
    UserDomain,
    /// Number of its logon session.
    LogonId,
    /// Security identifier of the account that did it.
    BySid,
    /// Name of that account.
    ByName,
    /// Domain of that account.
    ByDomain,
    /// Number of its logon session.
    ByLogonId,
    /// Integrity level: the SID of a label, or a word.
    Integrity,
    /// Type of elevation of a token, as stored.
    ElevationType,
    /// File name that the version resource of an image gives.
    OriginalFileName,
    /// Description that the version resource of an image gives.
    Description,
    /// Company that the version resource of an image gives.
    Company,
    /// Hashes of an image, each with its name: `SHA256=…,MD5=…`.
    Hashes,
    /// Exit status of a process.
    ExitStatus,
    /// Image of the process that did something to the process that the record is about, verbatim.
    SourceImage,
    /// Rights with which a process was opened.
    Access,
    /// What was done to the image of a process.
    Tampering,
    /// A file that was written, deleted or changed, verbatim.
    File,
    /// An image that a process loaded, verbatim.
    LoadedImage,
    /// Key or value of the registry.
    RegistryTarget,
    /// What was done to it.
    RegistryAct,
    /// What was written into it.
    RegistryValue,
    /// Address of the other end of a connection, or of the end that is told of.
    Address,
    /// Port of that end.
    Port,
    /// Host name of that end.
    AddressName,
    /// Which side opened a connection.
    Direction,
    /// Name that was looked up.
    QueryName,
    /// What the lookup gave.
    QueryResults,
    /// Name of a pipe.
    Pipe,
    /// Name of a scheduled task.
    Task,
    /// The definition of a scheduled task, XML.
    TaskDefinition,
    /// Type of a logon, a number.
    LogonType,
    /// When the system started.
    SystemStart,
    /// What the clock showed before it was changed.
    ClockBefore,
    /// What it showed after that.
    ClockAfter,
    /// When it happened, where that is not when it was recorded.
    HappenedAt,
    /// Number that a record got when it was first logged.
    RecordNumber,
    /// The log that was cleared.
    ClearedLog,
    /// The computer that logged an event.
    Computer,
    /// Name of the provider of an event.
    Provider,
    /// Number of an event.
    EventId,
    /// The channel that a log is of.
    Channel,
    /// How many records a log holds.
    Records,
    /// How many records were recovered from where a log keeps none.
    Recovered,
    /// Time of the first record of a log.
    FirstRecord,
    /// Time of the last record of a log.
    LastRecord,
    /// Numbers of records that a log should hold and does not, as ranges.
    MissingRecords,
    /// How many chunks of a log are missing.
    MissingChunks,
    /// The format of a log that is not read.
    UnreadFormat,
    // Other records
    /// Name of what the record is about, as stored.
    Name,
    /// Path of a file, verbatim.
    Path,
    /// The value of what the record names, verbatim.
    Value,
    /// Size in bytes.
    Size,
    /// State of what the record is about, one of those that `evidence` names.
    State,
    /// Why an answer is what it is.
    Because,
    /// What kind of thing it is, one of those that `evidence` names.
    Kind,
    /// SHA-256 of a file, hexadecimal.
    Sha256,
    /// SHA-1 of a file, hexadecimal.
    Sha1,
    /// MD5 of a file, hexadecimal.
    Md5,
    /// SHA-256 of a program file as Authenticode takes it, hexadecimal.
    ImageSha256,
    /// What a file holds, as text.
    Text,
    /// First bytes of a file, hexadecimal.
    FirstBytes,
    /// Files that a record lists.
    Files,
    /// How often a program ran in all.
    RunCount,
    /// What was done to a file, several names.
    Reasons,
    /// Whether a file is there, and not deleted.
    InUse,
    /// Whether a file is a folder.
    Directory,
    /// Whether every folder of a path is certain.
    PathCertain,
    /// Names of a file's alternate streams.
    Streams,
    /// Further paths of a file.
    Links,
    /// Number of a file record of NTFS.
    FileEntry,
    /// Sequence number of that record.
    FileSequence,
    /// Whether a file is asked for, under whichever name.
    Followed,
    /// Whether nothing is missing of what a record tells of.
    Whole,
    /// Domain of the computer.
    Domain,
    /// Control set that is in use.
    ControlSet,
    /// Product name of Windows.
    Product,
    /// Build number of Windows.
    Build,
    /// Build of Windows with its branch and the processor that it was made for.
    BuildLab,
    /// Minutes that local time is behind UTC.
    Bias,
    /// Further minutes in standard time.
    StandardBias,
    /// Further minutes in daylight saving time.
    DaylightBias,
    /// Minutes that local time was behind UTC when the record was written.
    ActiveBias,
    /// When standard time begins, eight numbers.
    StandardDate,
    /// When daylight saving time begins, eight numbers.
    DaylightDate,
    /// Whether the clock does not follow daylight saving time.
    DaylightOff,
    /// Rules of a time zone.
    Rules,
    /// Year in which a rule holds.
    Year,
    /// GUID of a GPT partition.
    PartitionGuid,
    /// Signature of an MBR disk.
    DiskSignature,
    /// Offset in bytes.
    Offset,
    /// Device of a volume.
    Device,
    /// Class id of a COM class.
    ClassId,
    /// Where the class id comes from.
    ClassIdFrom,
    /// View of the registry, one of those that `evidence` names.
    View,
    /// Server of a COM class.
    Server,
    /// Full name of a class.
    Class,
    /// Display name of the assembly of a class.
    AssemblyName,
    /// Version of the .NET runtime that is asked for.
    RuntimeVersion,
    /// Where an assembly is to be loaded from.
    CodeBase,
    /// Threading model of a COM class.
    ThreadingModel,
    /// Programmatic identifier of a COM class.
    ProgId,
    /// Implemented categories of a COM class.
    Categories,
    /// Versions of a COM class.
    Versions,
    /// Processor that a program is for.
    Machine,
    /// What the CLI header and the metadata of an assembly say.
    Cli,
    /// Identity of an assembly.
    Assembly,
    /// Display name of an assembly.
    DisplayName,
    /// Version.
    Version,
    /// Culture of an assembly.
    Culture,
    /// Token of an assembly's public key.
    PublicKeyToken,
    /// Flags of the CLI header.
    Flags,
    /// Whether the CLI header says that the assembly is signed with a strong name.
    StrongNameSigned,
    /// Module version id.
    Mvid,
    /// Id of the type library of an assembly.
    TypeLibId,
    /// Where the id of the type library comes from.
    TypeLibIdFrom,
    /// Whether the types of an assembly are visible to COM.
    ComVisible,
    /// Assemblies that an assembly refers to, by display name.
    References,
    /// Native functions that an assembly declares.
    NativeFunctions,
    /// Types of an assembly.
    Types,
    /// How many types of an assembly the tools would register.
    RegistrableCount,
    /// Whether the tools would register a type.
    Registrable,
    /// Whether a type is a value type.
    ValueType,
    /// Whether a type is a serviced component.
    ServicedComponent,
    /// The method that registering calls.
    Register,
    /// The method that unregistering calls.
    Unregister,
    /// Name of a method.
    Method,
    /// Type that declares a method.
    DeclaredBy,
    /// Another assembly that defines a method.
    DefinedIn,
    /// Metadata token.
    Token,
    /// Whether a method would run.
    Runs,
    /// Whether regasm would run code of the file when it registers.
    OnRegister,
    /// Whether regasm would run code of the file when it unregisters.
    OnUnregister,
    /// Whether regsvcs would run code of the file.
    ForRegsvcs,
    /// Whether regsvcs would run code of the file when it rolls back.
    ForRegsvcsRollback,
    /// Whether loading alone would run code of the file.
    OnLoad,
    /// The time stamp of a program file.
    Timestamp,
    /// A number as stored.
    Raw,
    /// How a time stamp is to be read, one of the ways that `evidence` names.
    Reading,
    /// A moment.
    Time,
    /// Debug record of a program file.
    Debug,
    /// An identifier.
    Guid,
    /// How often something was written anew.
    Age,
    /// Path of the debug symbols.
    PdbPath,
    /// Whether a program file has a security directory.
    Signed,
    /// Sections of a program file.
    Sections,
    /// Entropy, bits for each byte.
    Entropy,
    /// Libraries that a program file imports from.
    Imports,
    /// Name of an imported library.
    Library,
    /// Functions that are imported.
    Functions,
    /// Strings of a version resource.
    VersionStrings,
    /// Whether the process is the collection itself.
    Collector,
    /// Whether the places of the record count in the decompressed data of its object.
    Decompressed,
    /// Own end of a connection.
    Local,
    /// Other end of a connection.
    Remote,
    /// State of a connection as the system names it.
    ConnectionState,
}

/// What recorded a process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Recorder {
    /// The audit of process creation.
    #[default]
    Audit,
    /// Sysmon.
    Sysmon,
    /// The list of running processes of a live host.
    Live,
}

/// How an event tells of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Connection {
    /// What [`Role::Direction`] says when the process opened it, without its percent signs.
    pub opened: &'static str,
    /// Whether the process opened it when the event does not say.
    pub unsaid: bool,
    /// Words before the end of one that it accepted.
    pub accepted: &'static str,
}

/// What a type of records tells, for those who make more of it than a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tells {
    /// Nothing but its row and its claims.
    Row,
    /// An event of a log, and nothing but its row and its claims.
    Event,
    /// A process started.
    ProcessStart(Recorder),
    /// A process ended.
    ProcessEnd,
    /// The task scheduler started a process.
    TaskStart,
    /// The task scheduler started an action, without the number of its process.
    TaskAction,
    /// A scheduled task was made or changed.
    TaskMade,
    /// An account logged on.
    Logon,
    /// The system started.
    SystemStart,
    /// The service that keeps the logs started.
    LogStart,
    /// The audit of the system started, which it does once in each boot.
    AuditStart,
    /// The system, or the service that keeps the logs, stopped.
    SystemStop,
    /// The system had stopped without being shut down.
    UncleanStop,
    /// The clock was changed.
    ClockChange,
    /// A log was cleared.
    LogCleared,
    /// A process wrote a file: these words and the file.
    FileWritten(&'static str),
    /// A process deleted a file: these words and the file.
    FileDeleted(&'static str),
    /// A process did something else to a file, or was kept from it: these words and the file.
    FileTouched(&'static str),
    /// A process loaded an image.
    ImageLoaded,
    /// A process changed the registry.
    RegistryChange,
    /// A process has a connection.
    Connection(Connection),
    /// A process was kept from a connection.
    ConnectionBlocked,
    /// A process opened a local port.
    PortOpened,
    /// A process looked a name up.
    DnsQuery,
    /// A process made a pipe or connected to one.
    Pipe,
    /// The image of a process was replaced.
    Tampering,
    /// Another process started a thread in a process.
    RemoteThread,
    /// Another process opened a process.
    ProcessOpened,
    /// What one log file holds.
    Log,
    /// Where the registry keeps a log.
    LogPlace,
    /// A process of a live host.
    LiveProcess,
    /// A session of a live host.
    LiveSession,
    /// A connection of a live host.
    LiveConnection,
    /// The last starts of a program, and the files that it opened.
    Prefetch,
    /// A class that is registered for COM.
    ComClass,
    /// What is in a program file.
    ProgramFile,
    /// An alternate stream.
    Stream,
    /// A change of a file.
    FileChange,
    /// The time of which a journal has the changes of files.
    FileChanges,
    /// A file or folder of a volume.
    File,
    /// The name of the computer.
    HostName,
    /// The version of Windows.
    HostSystem,
    /// The time zone that is set.
    TimeZone,
    /// The rules of a time zone.
    TimeZoneRules,
    /// An account.
    Account,
    /// A volume and its drive letter.
    Volume,
    /// A folder that the host shares.
    Share,
    /// A network address of the host.
    Address,
    /// A setting of the host.
    Setting,
}

impl Tells {
    /// Whether it describes the host itself: what it was when its hives were last written, with nothing that happened.
    pub fn is_of_the_host(self) -> bool {
        matches!(
            self,
            Tells::HostName
                | Tells::HostSystem
                | Tells::TimeZone
                | Tells::TimeZoneRules
                | Tells::Account
                | Tells::Volume
                | Tells::Share
                | Tells::Address
                | Tells::Setting
        )
    }
}

/// Which events of a log are of one type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Logged {
    /// Name of their provider in any case, with `*` at the end for every name that begins so; or its GUID in braces, for a
    /// provider that can be installed under another name.
    pub provider: &'static str,
    /// Their event ids; none means every one that no other type of the provider has.
    pub ids: &'static [u64],
}

/// A channel of the event logs of which more is known than its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Channel {
    /// Its name.
    pub name: &'static str,
    /// Other channels that tell as much.
    pub also: &'static [&'static str],
    /// Name of its file before Windows Vista, without ending.
    pub before_vista: Option<&'static str>,
    /// Whether its records show processes, and so could show a run.
    pub shows_processes: bool,
    /// Whether it is where Windows puts what other computers forward.
    pub is_forwarded: bool,
    /// What the absence of a record in it means, to go on after a semicolon; empty where it tells nothing of the tools.
    pub absence: &'static str,
}

impl Channel {
    /// A channel of which nothing is declared but its name and what an absence means.
    pub const fn named(name: &'static str, absence: &'static str) -> Channel {
        Channel { name, also: &[], before_vista: None, shows_processes: false, is_forwarded: false, absence }
    }

    /// Whether it has this name, in any case.
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }

    /// Whether this path is that of its file in the folder of the logs.
    pub fn is_file(&self, path: &str) -> bool {
        let name = path.rsplit(['\\', '/']).next().unwrap_or(path);
        name.strip_suffix(".evtx").is_some_and(|stem| stem.replace("%4", "/") == self.name)
    }
}

/// A type of records.
#[derive(Debug)]
pub struct RecordType {
    /// Its name in plaso's manner, `windows:prefetch:execution`.
    pub name: &'static str,
    /// What it tells.
    pub tells: Tells,
    /// What its records may support; one record can support less.
    pub claims: &'static [Claim],
    /// The named values that its records can have.
    pub fields: &'static [Field],
    /// Those that they share with records of other types.
    pub shared: &'static [Field],
    /// Which events its records are, where they are events of a log.
    pub logged: Option<Logged>,
    /// What is known of the logs that its records are about.
    pub channels: &'static [Channel],
    /// The sentence of a row, a pattern: `{Name}` is a field, `{A|B}` the first of several that has a value, `{Name:80}` at
    /// most so many characters of it, `{@subject}` the record's subject; what stands in `[…]` is left out when a field in it
    /// has no value. Empty where the subject says it.
    pub message: &'static str,
    /// What the absence of a record means, to go on after a semicolon.
    pub absence: &'static str,
    /// Whether Windows keeps such a record of each run unless it is set otherwise. Only then does it tell something that
    /// there is none of a tool.
    pub of_each_run: bool,
    /// What its moments, its subject and its place are, for `docs/records.md`.
    pub says: &'static str,
}

impl RecordType {
    /// A type of which nothing is declared but its name.
    pub const fn named(name: &'static str) -> RecordType {
        RecordType {
            name,
            tells: Tells::Row,
            claims: &[],
            fields: &[],
            shared: &[],
            logged: None,
            channels: &[],
            message: "",
            absence: "",
            of_each_run: false,
            says: "",
        }
    }

    /// Whether its records can show that a program ran, whatever else is known of it.
    pub fn shows_runs(&self) -> bool {
        self.claims.iter().filter_map(|claim| claim.run_time()).any(RunTime::shows_a_run)
    }

    /// Whether its records are events of a log.
    pub const fn is_event(&self) -> bool {
        self.logged.is_some()
    }

    /// The fields in a role.
    pub fn in_role(&self, role: Role) -> impl Iterator<Item = &'static Field> + use<> {
        self.fields.iter().chain(self.shared).filter(move |field| field.role == Some(role))
    }
}

/// A type is declared once, so it is the same as itself only.
impl PartialEq for RecordType {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
    }
}

impl Eq for RecordType {}

/// A value and what is declared of it.
#[derive(Clone, Copy, Debug)]
pub struct Told<'r> {
    /// The value.
    pub value: ValueRef<'r>,
    members: &'static [Field],
}

impl<'r> Told<'r> {
    /// The member in a role.
    pub fn role(self, role: Role) -> Option<Told<'r>> {
        told(self.members.iter().filter(|field| field.role == Some(role)), |name| self.value.get(name).map(Value::view))
    }

    /// The members of a list.
    pub fn items(self) -> impl ExactSizeIterator<Item = Told<'r>> {
        self.value.items().iter().map(move |item| Told { value: item.view(), members: self.members })
    }

    /// The text of the member in a role.
    pub fn text_of(self, role: Role) -> Option<&'r str> {
        self.role(role)?.text()
    }

    /// The texts of a list.
    pub fn texts(self) -> impl Iterator<Item = &'r str> {
        self.value.items().iter().filter_map(Value::as_text)
    }

    /// The text, if it is one.
    pub fn text(self) -> Option<&'r str> {
        self.value.as_text()
    }

    /// The number, if it is one or a text that spells one.
    pub fn number(self) -> Option<u64> {
        self.value.as_number()
    }

    /// The flag, if it is one.
    pub fn flag(self) -> Option<bool> {
        self.value.as_bool()
    }

    /// The moment, if it is one.
    pub fn time(self) -> Option<Filetime> {
        self.value.as_time()
    }
}

/// The first field in a role that has a value.
pub(crate) fn told<'r>(
    in_role: impl Iterator<Item = &'static Field>,
    value: impl Fn(&str) -> Option<ValueRef<'r>>,
) -> Option<Told<'r>> {
    let mut found = in_role.filter_map(|field| Some((field, value(field.name)?)));
    found.next().map(|(field, value)| Told { value, members: field.members() })
}
