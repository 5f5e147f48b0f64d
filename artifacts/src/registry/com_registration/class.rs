//! One registration as its keys and values say.

use super::fields;
use super::{CLASS, RECORD, name_of};
use crate::formats::hive::{Data, Key, Value as Stored};
use evidence::{
    Claim, Field, Fields, Filetime, Integrity, Locator, Meaning, Moment, Record, RegistrationState as State,
    RegistryView, Timestamp, Value,
};
use std::ops::ControlFlow;

/// A key with the place and time that a record needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) path: String,
    pub(super) offset: u64,
    pub(super) last_written: u64,
}

impl Place {
    fn of(key: &Key<'_>, path: String) -> Self {
        Place { path, offset: key.offset(), last_written: key.last_written() }
    }

    fn locator(&self) -> Locator {
        Locator::RegistryKey { key: self.path.clone(), value: None, offset: self.offset }
    }

    fn moment(&self) -> Option<Moment> {
        let timestamp = Timestamp::filetime(self.last_written)?;
        Some(Moment { locator: Some(Box::new(self.locator())), ..Moment::at(Meaning::KEY_WRITTEN, timestamp) })
    }
}

/// Most bytes that one registration keeps of its names and values, with what holds them. Registrations that an
/// installer or a tool wrote have some hundreds.
pub(super) const MOST_OF_ONE: usize = 1 << 20;

/// How much may still be kept of a registration, so that one made for it does not fill the memory.
pub(super) struct Room {
    left: usize,
    /// Whether something had no room.
    pub(super) short: bool,
}

impl Room {
    pub(super) fn new(bytes: usize) -> Self {
        Room { left: bytes, short: false }
    }

    /// Takes room for a text and what holds it; breaks when there is none.
    fn take(&mut self, length: usize) -> ControlFlow<()> {
        match self.left.checked_sub(length.saturating_add(96)) {
            Some(left) => {
                self.left = left;
                ControlFlow::Continue(())
            }
            None => {
                self.left = 0;
                self.short = true;
                ControlFlow::Break(())
            }
        }
    }

    /// Notes at a key that something had no room.
    fn report(&self, key: &Key<'_>) {
        if self.short {
            key.note_limit(
                format!("a registration has more than {MOST_OF_ONE} bytes of names and values"),
                "what comes after them is left out of its record",
            );
        }
    }
}

/// The values of `InprocServer32`, of one of its version keys or of a version of a value type.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Server {
    /// The default value: the DLL.
    pub(super) dll: Option<String>,
    pub(super) threading_model: Option<String>,
    /// Class, Assembly, RuntimeVersion, CodeBase, as far as they are there.
    pub(super) managed: Vec<(&'static str, String)>,
    /// Everything else.
    pub(super) other: Vec<(String, Value)>,
}

impl Server {
    pub(super) fn of<'r>(values: impl Iterator<Item = Stored<'r>>, room: &mut Room) -> Self {
        let mut server = Server::default();
        for value in values {
            let name = value.name();
            let managed = fields::MANAGED.map(|field| field.name).into_iter().find(|managed| name.is(managed));
            let text = value.text();
            let shown = if text.is_none() { Some(shown(&value)) } else { None };
            let length = text.as_ref().map_or(0, String::len) + shown.as_ref().map_or(0, length_of);
            if room.take(length + value.name_length()).is_break() {
                break;
            }
            match (managed, text) {
                (Some(name), Some(text)) => server.managed.push((name, text)),
                (None, Some(text)) if name.is_empty() => server.dll = Some(text),
                (None, Some(text)) if name.is("ThreadingModel") => server.threading_model = Some(text),
                (_, Some(text)) => server.other.push((name.to_string(), Value::from(text))),
                (_, None) => server.other.extend(shown.map(|shown| (name.to_string(), shown))),
            }
        }
        server
    }

    /// Whether the runtime's loader is the server, or values are there that only it reads.
    pub(super) fn is_managed(&self) -> bool {
        !self.managed.is_empty() || self.dll.as_deref().is_some_and(names_loader)
    }

    fn managed_fields(&self, fields: &mut Vec<(String, Value)>) {
        for field in fields::MANAGED {
            if let Some((_, text)) = self.managed.iter().find(|(stored, _)| *stored == field.name) {
                fields.push((field.name.to_owned(), Value::from(text.as_str())));
            }
        }
    }
}

/// What one version of a value type takes in memory beside its values: its fields, and three times its path.
const ONE_RECORD: usize = size_of::<Registration>() + 1_024;

/// Whether a server path names `mscoree.dll`, with or without folder, quotes, variables or extension.
fn names_loader(server: &str) -> bool {
    let name = server.rsplit(['\\', '/']).next().unwrap_or_default();
    let name = name.trim_matches(|c: char| c == '"' || c.is_whitespace()).trim_end_matches('.').to_lowercase();
    name.strip_suffix(".dll").unwrap_or(&name) == "mscoree"
}

/// A value of a type that the record does not name, as text people can read.
fn shown(value: &Stored<'_>) -> Value {
    match value.data() {
        Data::Text(text) => Value::from(text),
        Data::Texts(texts) => Value::from(texts),
        Data::Number(number) => Value::from(number),
        Data::Bytes(bytes) => {
            // Hexadecimal of the first bytes; nothing in a registration is longer.
            Value::from(bytes.iter().take(256).map(|byte| format!("{byte:02x}")).collect::<String>())
        }
    }
}

/// How many bytes a value of [`shown`] holds.
fn length_of(value: &Value) -> usize {
    value.as_text().map_or(8, str::len) + value.items().iter().map(|item| 32 + length_of(item)).sum::<usize>()
}

/// A version key below `InprocServer32`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Version {
    pub(super) name: String,
    pub(super) last_written: u64,
    pub(super) server: Server,
}

/// What kind of thing is registered.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    /// A class below `CLSID`.
    Class,
    /// A version of a value type below `Record`.
    Record {
        /// The version key's name.
        version: String,
    },
}

/// One registration.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Registration {
    pub(super) kind: Kind,
    /// Name of the key, upper case.
    pub(super) id: String,
    pub(super) view: RegistryView,
    /// Path of the key of the class, or of the version of a value type.
    pub(super) key: String,
    /// Every key whose time counts, the most telling first.
    pub(super) places: Vec<Place>,
    pub(super) server: Server,
    pub(super) versions: Vec<Version>,
    /// Name, ProgId, Categories, TypeLib, AppId, TreatAs.
    pub(super) surroundings: Vec<(Field, Value)>,
    pub(super) integrity: Integrity,
}

impl Registration {
    /// The registration of a key below `CLSID`, if it is one of a managed class. `parent` is the path of `CLSID`.
    pub(super) fn of_class(key: &Key<'_>, parent: &str, view: RegistryView) -> Option<Registration> {
        // The first subkey of each of these names.
        const PARTS: [&str; 5] = ["InprocServer32", "ProgId", "TypeLib", "TreatAs", "Implemented Categories"];
        let mut parts = PARTS.map(|_| None);
        for subkey in key.subkeys() {
            let part = PARTS.iter().position(|part| subkey.name().is(part));
            if let Some(part) = part.map(|index| &mut parts[index]).filter(|part| part.is_none()) {
                *part = Some(subkey);
            }
        }
        let [inproc, prog_id, type_lib, treat_as, categories] = parts;
        let inproc = inproc?;
        let mut room = Room::new(MOST_OF_ONE);
        let server = Server::of(inproc.values(), &mut room);
        let mut versions = Vec::new();
        for version in inproc.subkeys() {
            if room.take(name_of(&version).len()).is_break() {
                break;
            }
            let (name, last_written) = (name_of(&version), version.last_written());
            versions.push(Version { name, last_written, server: Server::of(version.values(), &mut room) });
        }
        if !server.is_managed() && !versions.iter().any(|version| !version.server.managed.is_empty()) {
            return None;
        }
        let path = format!("{parent}\\{}", name_of(key));
        let default_of = |key: Option<Key<'_>>| key?.value("")?.text();
        let mut surroundings = Vec::new();
        let mut push = |field, text: Option<String>| {
            let text = text.filter(|text| room.take(text.len()).is_continue());
            surroundings.extend(text.map(|text| (field, Value::from(text))));
        };
        push(fields::NAME, key.value("").and_then(|value| value.text()));
        push(fields::PROG_ID, default_of(prog_id));
        push(fields::TYPE_LIB, default_of(type_lib));
        push(fields::APP_ID, key.value("AppID").and_then(|value| value.text()));
        push(fields::TREAT_AS, default_of(treat_as));
        if let Some(categories) = categories {
            let names = categories.subkeys().map(|category| name_of(&category));
            let names: Vec<String> = names.take_while(|name| room.take(name.len()).is_continue()).collect();
            surroundings.push((fields::CATEGORIES, Value::from(names)));
        }
        room.report(key);
        Some(Registration {
            kind: Kind::Class,
            id: name_of(key).to_uppercase(),
            view,
            places: vec![Place::of(&inproc, format!("{path}\\{}", name_of(&inproc))), Place::of(key, path.clone())],
            key: path,
            server,
            versions,
            surroundings,
            integrity: Integrity::Intact,
        })
    }

    /// The registrations of a key below `Record`, one for each version.
    pub(super) fn of_record(key: &Key<'_>, parent: &str, view: RegistryView) -> Vec<Registration> {
        let id = name_of(key);
        let mut found = Vec::new();
        let mut room = Room::new(MOST_OF_ONE);
        for version in key.subkeys() {
            if room.take(ONE_RECORD).is_break() {
                break;
            }
            let server = Server::of(version.values(), &mut room);
            if server.managed.is_empty() {
                continue;
            }
            let name = name_of(&version);
            let path = format!("{parent}\\{id}\\{name}");
            found.push(Registration {
                kind: Kind::Record { version: name },
                id: id.to_uppercase(),
                view,
                places: vec![Place::of(&version, path.clone())],
                key: path,
                server,
                versions: Vec::new(),
                surroundings: Vec::new(),
                integrity: Integrity::Intact,
            });
        }
        room.report(key);
        found
    }

    /// Whether this is a copy of another one under another path of the same view.
    pub(super) fn repeats(&self, other: &Registration) -> bool {
        self.view == other.view
            && self.id == other.id
            && self.kind == other.kind
            && self.server == other.server
            && self.versions == other.versions
            && self.surroundings == other.surroundings
    }

    /// Whether this is the other one in another state of the hive, in which cells may lie elsewhere.
    pub(super) fn unchanged_from(&self, other: &Registration) -> bool {
        let times = |one: &Registration| one.places.iter().map(|place| place.last_written).collect::<Vec<_>>();
        self.key == other.key && self.repeats(other) && times(self) == times(other)
    }

    /// The record of it.
    pub(super) fn record(&self, state: State, user: Option<String>) -> Record {
        let mut fields = Fields::new();
        fields.push(if self.kind == Kind::Class { fields::CLSID } else { fields::GUID }.name, self.id.as_str());
        fields.push(fields::VIEW.name, self.view.name());
        if let Kind::Record { version } = &self.kind {
            fields.push(fields::VERSION.name, version.as_str());
        }
        let surrounding = |fields: &mut Fields, field: Field| {
            let found = self.surroundings.iter().find(|(stored, _)| *stored == field);
            fields.push_some(field.name, found.map(|(_, value)| value.clone()));
        };
        surrounding(&mut fields, fields::NAME);
        fields.push_some(fields::SERVER.name, self.server.dll.as_deref());
        let mut managed = Vec::new();
        self.server.managed_fields(&mut managed);
        for (name, value) in managed {
            fields.push(name, value);
        }
        fields.push_some(fields::THREADING_MODEL.name, self.server.threading_model.as_deref());
        for field in [fields::PROG_ID, fields::CATEGORIES, fields::TYPE_LIB, fields::APP_ID, fields::TREAT_AS] {
            surrounding(&mut fields, field);
        }
        if !self.versions.is_empty() {
            fields.push(fields::VERSIONS.name, Value::List(self.versions.iter().map(Version::value).collect()));
        }
        if !self.server.other.is_empty() {
            fields.push(fields::OTHER.name, Value::Map(self.server.other.clone()));
        }
        fields.push(fields::STATE.name, state.name());
        fields.push(fields::KEY.name, self.key.as_str());
        let (claims, integrity): (&'static [Claim], _) = match state {
            State::Deleted => (&[Claim::Installed, Claim::Deleted], Integrity::Recovered),
            _ => (&[Claim::Installed], self.integrity),
        };
        let locator = self.places.iter().find(|place| place.path == self.key).or(self.places.first());
        Record {
            artifact: super::ARTIFACT.id,
            of: if self.kind == Kind::Class { &CLASS } else { &RECORD },
            subject: self.id.clone(),
            user,
            moments: self.places.iter().filter_map(Place::moment).collect(),
            fields,
            claims,
            locator: locator.map_or(Locator::Whole, Place::locator),
            integrity,
        }
    }
}

impl Version {
    fn value(&self) -> Value {
        let mut members = vec![(fields::VERSION.name.to_owned(), Value::from(self.name.as_str()))];
        self.server.managed_fields(&mut members);
        if let Some(dll) = &self.server.dll {
            members.push((fields::SERVER.name.to_owned(), Value::from(dll.as_str())));
        }
        members.extend(self.server.other.iter().cloned());
        if self.last_written != 0 {
            members.push((fields::LAST_WRITTEN.name.to_owned(), Value::Time(Filetime(self.last_written))));
        }
        Value::Map(members)
    }
}
