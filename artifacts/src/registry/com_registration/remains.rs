//! What is left of registrations that were deleted.

use super::super::Hive;
use super::class::{Kind, MOST_OF_ONE, Place, Registration, Room, Server, Version};
use super::search::Registrations;
use super::{VALUE, Views, fields};
use crate::formats::hive::{DeletedKey, DeletedValue, Recovered};
use evidence::{Claim, Fields, Integrity, Locator, ProblemKind, Record, RegistrationState as State, Sink};
use std::collections::BTreeMap;

/// Most bytes of paths and values of deleted keys that are looked at. Keys and values can be named many times.
const MAX_TEXT: usize = 32 << 20;
/// Most bytes of class paths that are held at a time, with what holds them.
const MOST_KEPT: usize = 4 << 20;

/// Gives a record for each class whose deleted keys show a managed registration that is not the current one,
/// and one for each deleted value that only such registrations have and that no key claims.
pub(super) fn read(
    hive: &Hive<'_>,
    views: Views,
    current: &Registrations<'_>,
    user: Option<&str>,
    sink: &mut Sink<'_>,
) {
    let recovered = hive.recovered();
    let mut left = MAX_TEXT;
    let (classes, mut all) = by_class(&recovered, &mut left);
    for keys in classes.into_values() {
        let (registrations, whole) = registrations(&recovered, &keys, views, &mut left);
        all &= whole;
        for registration in registrations {
            // What is still there unchanged was only moved inside the hive.
            if !current.of_id(&registration.id).any(|other| covers(&other, &registration)) {
                sink.record(registration.record(State::Deleted, user.map(str::to_owned)));
            }
        }
    }
    for value in recovered.values().filter_map(|value: DeletedValue<'_>| value.value()) {
        let Some(name) = fields::MANAGED.map(|field| field.name).into_iter().find(|name| value.name().is(name)) else {
            continue;
        };
        left = left.saturating_sub(value.bytes().len());
        if left == 0 {
            break;
        }
        let Some(text) = value.text().filter(|text| value.whole && !text.is_empty()) else { continue };
        let mut fields = Fields::new();
        fields.push(fields::VALUE_NAME.name, name);
        fields.push(fields::VALUE.name, text.as_str());
        fields.push(fields::STATE.name, State::Deleted.name());
        sink.record(Record {
            artifact: super::ARTIFACT.id,
            of: &VALUE,
            subject: text,
            user: user.map(str::to_owned),
            moments: Vec::new(),
            fields,
            claims: &[Claim::Installed, Claim::Deleted],
            locator: Locator::ByteRange { offset: value.offset, length: 20 },
            integrity: Integrity::Recovered,
        });
    }
    if !all || left == 0 {
        sink.problem(
            ProblemKind::LimitReached,
            None,
            "the hive has more deleted keys or values than are looked at",
            "some deleted registrations may be missing",
        );
    }
}

/// The numbers of the deleted keys of each class by its path in upper case, and whether these are all. Several deleted
/// copies of one key may exist, by offset.
fn by_class(recovered: &Recovered<'_>, left: &mut usize) -> (BTreeMap<String, Vec<u32>>, bool) {
    let mut classes: BTreeMap<String, Vec<u32>> = BTreeMap::new();
    let mut room = MOST_KEPT;
    for (index, key) in recovered.keys().enumerate() {
        let (path, _) = key.path();
        let Some(rest) = left.checked_sub(path.len()) else { return (classes, false) };
        *left = rest;
        let Some(class) = class_path(&path) else { continue };
        let class = path[..class].to_uppercase();
        let Some(rest) = room.checked_sub(class.len() + 96) else { return (classes, false) };
        // Another key of the same class costs its number only.
        room = if classes.contains_key(&class) { room.saturating_sub(8) } else { rest };
        classes.entry(class).or_default().extend(u32::try_from(index));
    }
    (classes, !recovered.limit_reached)
}

/// How many bytes of a path lead to a class key, if it lies at or below one: `…CLSID\{…}`.
fn class_path(path: &str) -> Option<usize> {
    let mut start = 0;
    let mut under_clsid = false;
    for name in path.split('\\') {
        let end = start + name.len();
        if under_clsid && name.starts_with('{') {
            return Some(end);
        }
        under_clsid = name.eq_ignore_ascii_case("CLSID");
        start = end + 1;
    }
    None
}

/// Most deleted copies of one class, and most of its version keys, that are looked at.
const MOST_COPIES: usize = 1_000;

/// A deleted `InprocServer32` with the version keys that were in it, or version keys of one that is not deleted.
struct Remains {
    place: Place,
    server: Server,
    versions: Vec<Version>,
}

/// The registrations that the deleted keys of one class show, and whether these are all.
///
/// `left` is how many bytes of values may still be read; without values the keys are shown all the same.
fn registrations(recovered: &Recovered<'_>, keys: &[u32], views: Views, left: &mut usize) -> (Vec<Registration>, bool) {
    let with_path = || {
        let keys = keys.iter().filter_map(|index| recovered.key(*index as usize));
        keys.map(|key| (key.path().0, key))
    };
    // Upper and lower case can differ in length, so the class is cut from a path of its own.
    let first = with_path().next().map(|(path, _)| path);
    let Some(class) = first.as_deref().and_then(|path| path.get(..class_path(path)?)) else {
        return (Vec::new(), true);
    };
    let mut room = Room::new(2 * MOST_OF_ONE);
    let mut server_of = |key: &DeletedKey<'_>| {
        let values = key.values();
        let length = values.iter().map(|value| value.bytes().len()).sum::<usize>();
        *left = left.saturating_sub(length);
        // Each takes room, also one without values.
        if *left == 0 { Server::default() } else { Server::of(values.into_iter(), &mut room) }
    };
    let below = |path: &str| path.get(class.len()..).unwrap_or_default().trim_start_matches('\\').to_uppercase();
    let mut class_key = None;
    let mut whole = true;
    // By the offset of InprocServer32.
    let mut servers: BTreeMap<u64, Remains> = BTreeMap::new();
    let place =
        |path: String, key: &DeletedKey<'_>| Place { path, offset: key.offset(), last_written: key.last_written() };
    for (path, key) in with_path() {
        match below(&path).as_str() {
            "" => class_key = Some(place(path, &key)),
            "INPROCSERVER32" if servers.len() >= MOST_COPIES => whole = false,
            "INPROCSERVER32" => {
                let server = server_of(&key);
                servers.insert(key.offset(), Remains { place: place(path, &key), server, versions: Vec::new() });
            }
            _ => {}
        }
    }
    let mut versions = 0;
    for (path, key) in with_path() {
        let below = below(&path);
        let Some(name) = below.strip_prefix("INPROCSERVER32\\").filter(|name| !name.contains('\\')) else { continue };
        if versions >= MOST_COPIES {
            whole = false;
            break;
        }
        let server = server_of(&key);
        if server.managed.is_empty() && !is_version(name) {
            continue;
        }
        versions += 1;
        let remains = servers.entry(key.parent_offset()).or_insert_with(|| Remains {
            place: place(path, &key),
            server: Server::default(),
            versions: Vec::new(),
        });
        remains.versions.push(Version { name: key.name().to_string(), last_written: key.last_written(), server });
    }
    let id = class.rsplit('\\').next().unwrap_or_default().to_uppercase();
    let view = views.of_path(class);
    let found = servers
        .into_values()
        .filter(|remains| remains.server.is_managed() || !remains.versions.is_empty())
        .map(|remains| Registration {
            kind: Kind::Class,
            id: id.clone(),
            view,
            key: class.to_owned(),
            places: std::iter::once(remains.place).chain(class_key.clone()).collect(),
            server: remains.server,
            versions: remains.versions,
            surroundings: Vec::new(),
            integrity: Integrity::Recovered,
        })
        .collect();
    (found, whole && !room.short)
}

/// Whether a key's name is an assembly version, four numbers, as the framework names the keys below
/// `InprocServer32` of a managed class.
fn is_version(name: &str) -> bool {
    let parts: Vec<&str> = name.split('.').collect();
    parts.len() == 4 && parts.iter().all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Whether a live registration has everything that the deleted remains show.
fn covers(current: &Registration, remains: &Registration) -> bool {
    let has = |server: &Server, part: &Server| {
        part.managed.iter().all(|value| server.managed.contains(value))
            && (part.dll.is_none() || part.dll == server.dll)
    };
    current.id == remains.id
        && current.view == remains.view
        && has(&current.server, &remains.server)
        && remains.versions.iter().all(|version| {
            current.versions.iter().any(|other| other.name == version.name && has(&other.server, &version.server))
        })
}
