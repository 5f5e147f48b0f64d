//! COM registrations: those that the hives hold, and those that Sysmon saw being written.
//!
//! Reference: Microsoft, *Registering Assemblies with COM*; the values are those that RegAsm documents.

use super::log_event::ActivityKind;
use super::process::ProcessId;
use super::source::{Cited, Places, Source};
use crate::declared::Declared;
use crate::event::Event;
use crate::paths;
use evidence::{
    Citation, Confidence, Filetime, ItemId, JoinRule, Registration, RegistrationState, RegistryView, Role, Tells, Told,
    Value,
};
use std::collections::BTreeMap;

/// Most registrations of hives, and most class ids collected from events.
const MOST: usize = 100_000;

/// A registration before it is tied to runs.
pub(super) struct Draft {
    pub(super) registration: Registration,
    /// The process that wrote it, for registrations seen as events.
    pub(super) process: Option<ProcessId>,
    /// The records, with their rule.
    pub(super) cited: Vec<Cited>,
}

/// Whose writes belong together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct GroupKey {
    clsid: String,
    view: RegistryView,
    user: Option<String>,
    /// The process by our number, or what the record says of it.
    writer: Writer,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Writer {
    Known(ProcessId),
    Named(String),
}

#[derive(Default)]
struct Group {
    first: Option<Filetime>,
    item: Option<ItemId>,
    values: BTreeMap<String, String>,
    versions: BTreeMap<String, Vec<(String, Value)>>,
    categories: Vec<String>,
    cited: Vec<Cited>,
}

/// The registrations seen so far.
#[derive(Default)]
pub(super) struct Registrations {
    hives: Vec<Draft>,
    groups: BTreeMap<GroupKey, Group>,
    pub(super) left_out: u64,
}

/// A registry path of a COM class, taken apart.
#[derive(Debug, PartialEq, Eq)]
struct ClassPath {
    clsid: String,
    view: RegistryView,
    user: Option<String>,
    /// Components behind the class id.
    rest: Vec<String>,
}

/// Reads `HKCR\WOW6432Node\CLSID\{…}\InprocServer32\Class` and its relatives.
fn class_path(target: &str) -> Option<ClassPath> {
    let parts: Vec<&str> = target.split('\\').collect();
    let at = parts.windows(2).position(|pair| {
        pair[0].eq_ignore_ascii_case("CLSID")
            && pair[1].len() == 38
            && pair[1].starts_with('{')
            && pair[1].ends_with('}')
    })?;
    let before = &parts[..at];
    let has = |name: &str| before.iter().any(|part| part.eq_ignore_ascii_case(name));
    let hive = before.first().copied().unwrap_or_default();
    let in_user = hive.eq_ignore_ascii_case("HKU") || hive.eq_ignore_ascii_case("HKCU") || has("USER");
    let sid = before.iter().find(|part| part.to_ascii_uppercase().starts_with("S-1-5-21-"));
    Some(ClassPath {
        clsid: parts[at + 1].to_uppercase(),
        view: if in_user {
            RegistryView::User
        } else if has("WOW6432Node") {
            RegistryView::Bits32
        } else {
            RegistryView::Bits64
        },
        user: sid.filter(|_| in_user).map(|sid| sid.to_uppercase().trim_end_matches("_CLASSES").to_owned()),
        rest: parts[at + 2..].iter().map(|part| (*part).to_owned()).collect(),
    })
}

impl Registrations {
    /// A registration that a hive holds. Every record is taken once.
    pub(super) fn add_hive(&mut self, event: &Event, places: &Places) {
        if !event.is_first() {
            return;
        }
        if self.hives.len() >= MOST {
            self.left_out += 1;
            return;
        }
        let record = &event.record;
        let text = |role| record.text_of(role).map(str::to_owned);
        let Some(clsid) = text(Role::ClassId) else { return };
        let last_written = event.record.moments.first().and_then(|moment| moment.when.sort_key());
        let source = Source::whole(event);
        let registration = Registration {
            id: String::new(),
            clsid,
            view: record.text_of(Role::View).and_then(RegistryView::named).unwrap_or(RegistryView::Bits64),
            hive: places.path(event.item),
            user: event.record.user.clone(),
            server: text(Role::Server),
            class: text(Role::Class),
            assembly: text(Role::AssemblyName),
            runtime_version: text(Role::RuntimeVersion),
            code_base: text(Role::CodeBase),
            loads: None,
            threading_model: text(Role::ThreadingModel),
            prog_id: text(Role::ProgId),
            last_written,
            state: record.text_of(Role::State).and_then(RegistrationState::named).unwrap_or(RegistrationState::Current),
            versions: record.role(Role::Versions).map(|told| told.value.items()).unwrap_or_default().to_vec(),
            categories: record.role(Role::Categories).into_iter().flat_map(Told::texts).map(str::to_owned).collect(),
            executions: Vec::new(),
            assemblies: Vec::new(),
            sources: Vec::new(),
        };
        self.hives.push(Draft {
            registration,
            process: None,
            cited: vec![source.by(JoinRule::Anchor, Confidence::Direct)],
        });
    }

    /// A registry write that Sysmon saw. `process` is the writer's entry where it is of interest, `writer`
    /// what the record says of it.
    pub(super) fn add_write(
        &mut self,
        process: Option<ProcessId>,
        writer: &str,
        kind: &ActivityKind,
        at: Option<Filetime>,
        source: &Source,
    ) {
        let ActivityKind::Registry { target, details, event } = kind else { return };
        let Some(path) = class_path(target) else { return };
        let is_set = event.eq_ignore_ascii_case("SetValue");
        let is_create = event.eq_ignore_ascii_case("CreateKey");
        if !is_set && !is_create {
            return;
        }
        let key = GroupKey {
            clsid: path.clsid,
            view: path.view,
            user: path.user,
            writer: process.map_or_else(|| Writer::Named(writer.to_owned()), Writer::Known),
        };
        if !self.groups.contains_key(&key) && self.groups.len() >= MOST {
            self.left_out += 1;
            return;
        }
        let rest: Vec<&str> = path.rest.iter().map(String::as_str).collect();
        let is = |part: &str, name: &str| part.eq_ignore_ascii_case(name);
        let value = details.clone().unwrap_or_default();
        let mut placed: Option<(&str, Option<&str>)> = None;
        let mut category = None;
        match rest.as_slice() {
            [server, name] if is(server, "InprocServer32") && is_set => placed = Some((name, None)),
            [server, version, name] if is(server, "InprocServer32") && is_set => placed = Some((name, Some(version))),
            [prog_id, name] if is(prog_id, "ProgId") && is(name, "(Default)") && is_set => {
                placed = Some(("ProgId", None))
            }
            [categories, id, ..] if is(categories, "Implemented Categories") => category = Some((*id).to_owned()),
            _ => return,
        }
        let group = self.groups.entry(key).or_default();
        group.first = group.first.or(at);
        group.item = group.item.or(Some(source.item));
        if let Some(category) = category
            && !group.categories.contains(&category)
        {
            group.categories.push(category);
        }
        match placed {
            Some((name, None)) => {
                group.values.insert(name.to_ascii_lowercase(), value);
            }
            Some((name, Some(version))) if group.versions.len() < 64 => {
                let values = group.versions.entry(version.to_owned()).or_default();
                if values.len() < 64 {
                    values.push((name.to_owned(), Value::Text(value)));
                }
            }
            _ => {}
        }
        if group.cited.len() < 64 {
            group.cited.push(source.clone().by(JoinRule::J11, Confidence::Direct));
        }
    }

    /// Everything, the hives first. Of the event ones only managed classes are kept.
    pub(super) fn finish(self, declared: Declared, places: &Places) -> Vec<Draft> {
        let mut found = self.hives;
        let version_name = declared.member(Tells::ComClass, Role::Versions, Role::Version).unwrap_or_default();
        for (key, group) in self.groups {
            let value = |name: &str| group.values.get(name).cloned();
            let managed = value("(default)")
                .is_some_and(|server| paths::file_name(&server).eq_ignore_ascii_case("mscoree.dll"))
                || (value("class").is_some() && value("assembly").is_some())
                || !group.versions.is_empty();
            if !managed {
                continue;
            }
            let versions = group.versions.iter().map(|(version, values)| {
                let mut members = vec![(version_name.to_owned(), Value::Text(version.clone()))];
                members.extend(values.iter().cloned());
                Value::Map(members)
            });
            let registration = Registration {
                id: String::new(),
                clsid: key.clsid,
                view: key.view,
                hive: group.item.map(|item| places.path(item)).unwrap_or_default(),
                user: key.user,
                server: value("(default)"),
                class: value("class"),
                assembly: value("assembly"),
                runtime_version: value("runtimeversion"),
                code_base: value("codebase"),
                loads: None,
                threading_model: value("threadingmodel"),
                prog_id: value("progid"),
                last_written: group.first,
                state: RegistrationState::Event,
                versions: versions.collect(),
                categories: group.categories,
                executions: Vec::new(),
                assemblies: Vec::new(),
                sources: Vec::new(),
            };
            let process = match key.writer {
                Writer::Known(id) => Some(id),
                Writer::Named(_) => None,
            };
            found.push(Draft { registration, process, cited: group.cited });
        }
        found
    }
}

impl Draft {
    /// The report's form.
    pub(super) fn into_registration(mut self, places: &Places) -> Registration {
        let mut sources: Vec<Citation> = self
            .cited
            .iter()
            .map(|cited| if cited.rule == JoinRule::Anchor { places.plain(&cited.source) } else { places.cite(cited) })
            .collect();
        sources.dedup();
        self.registration.sources = sources;
        self.registration
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn class_paths() {
        const ID: &str = "{17C7DA62-8517-3DF1-A67C-BD4BCD2C5C3F}";
        for (path, view, user, rest) in [
            (r"HKCR\WOW6432Node\CLSID\{ID}\InprocServer32\Class", "32", None, r"InprocServer32\Class"),
            (r"HKCR\CLSID\{ID}\InprocServer32\(Default)", "64", None, r"InprocServer32\(Default)"),
            (r"HKLM\SOFTWARE\Classes\CLSID\{ID}\ProgId\(Default)", "64", None, r"ProgId\(Default)"),
            (r"HKLM\SOFTWARE\WOW6432Node\Classes\CLSID\{ID}", "32", None, ""),
            (
                r"HKU\S-1-5-21-1-2-3-1104_Classes\CLSID\{ID}\InprocServer32\0.0.0.0\CodeBase",
                "user",
                Some("S-1-5-21-1-2-3-1104"),
                r"InprocServer32\0.0.0.0\CodeBase",
            ),
            (
                r"HKU\S-1-5-21-1-2-3-1104\Software\Classes\clsid\{ID}\InprocServer32\Class",
                "user",
                Some("S-1-5-21-1-2-3-1104"),
                r"InprocServer32\Class",
            ),
        ] {
            let found = class_path(&path.replace("{ID}", ID)).unwrap();
            assert_eq!((found.clsid.as_str(), found.view.name()), (ID, view), "{path}");
            assert_eq!(found.user.as_deref(), user, "{path}");
            assert_eq!(found.rest.join("\\"), rest, "{path}");
        }
        for path in [r"HKLM\SOFTWARE\Microsoft", r"HKCR\CLSID", r"HKCR\CLSID\{x}\InprocServer32", ""] {
            assert_eq!(class_path(path), None, "{path}");
        }
    }
}
