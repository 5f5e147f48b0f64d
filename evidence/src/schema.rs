//! What the records of one type hold, declared beside the parser that makes them.
//!
//! Everything that is derived from a record asks its type: the sentence of a row, the columns, the coverage, the
//! documentation, and who correlates it. A field's name is known to the file that declares it and to nobody else; others
//! ask for its [`Role`].

use crate::record::{Claim, Record};
use crate::time::Filetime;
use crate::value::ValueRef;

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

    /// Its value in a record.
    pub fn of<'r>(&self, record: &'r Record) -> Option<ValueRef<'r>> {
        record.fields.get(self.name)
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
    /// Folder of the profile of the user who ran it.
    Profile,
    /// 32 or 64: the kind of the process.
    Bits,
}

/// What a type of records tells, for those who make more of it than a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tells {
    /// Nothing but its row and its claims.
    Row,
    /// An event of a log.
    Event,
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
    /// A setting of the host.
    Setting,
}

impl Tells {
    /// Whether it describes the host itself: what it was when its hives were last written, with nothing that happened.
    pub fn is_of_the_host(self) -> bool {
        match self {
            Tells::HostName
            | Tells::HostSystem
            | Tells::TimeZone
            | Tells::TimeZoneRules
            | Tells::Account
            | Tells::Volume
            | Tells::Setting => true,
            Tells::Row
            | Tells::Event
            | Tells::Log
            | Tells::LogPlace
            | Tells::LiveProcess
            | Tells::LiveSession
            | Tells::LiveConnection
            | Tells::Prefetch
            | Tells::ComClass
            | Tells::ProgramFile
            | Tells::Stream
            | Tells::FileChange
            | Tells::File => false,
        }
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
    /// The sentence of a row, a pattern: `{Name}` is a field, `{A|B}` the first of several that has a value, `{Name:80}` at
    /// most so many characters of it, `{@subject}` the record's subject; what stands in `[…]` is left out when a field in it
    /// has no value. Empty where the subject says it.
    pub message: &'static str,
    /// What the absence of a record means, to go on after a semicolon.
    pub absence: &'static str,
    /// What its moments, its subject and its place are, for `docs/records.md`.
    pub says: &'static str,
}

impl RecordType {
    /// A type of which nothing is declared but its name.
    pub const fn named(name: &'static str) -> RecordType {
        RecordType { name, tells: Tells::Row, claims: &[], fields: &[], message: "", absence: "", says: "" }
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
        let of_role = self.members.iter().filter(|field| field.role == Some(role));
        let mut found = of_role.filter_map(|field| Some((field, self.value.get(field.name)?)));
        found.next().map(|(field, value)| Told { value: value.view(), members: field.members() })
    }

    /// The members of a list.
    pub fn items(self) -> impl Iterator<Item = Told<'r>> {
        self.value.items().iter().map(move |item| Told { value: item.view(), members: self.members })
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

impl Record {
    /// The value in a role.
    pub fn role(&self, role: Role) -> Option<Told<'_>> {
        let of_role = self.of.fields.iter().filter(|field| field.role == Some(role));
        let mut found = of_role.filter_map(|field| Some((field, field.of(self)?)));
        found.next().map(|(field, value)| Told { value, members: field.members() })
    }
}
