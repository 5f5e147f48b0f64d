//! Which types of an assembly the tools process, and which of their methods would run.
//!
//! Reference: Microsoft, `System.Runtime.InteropServices.RegistrationServices` (microsoft/referencesource).

use super::clsid::Identity;
use crate::formats::cli::{Metadata, Table, coded, compressed};
use evidence::Value;
use std::collections::{HashMap, HashSet};

const INTEROP: &str = "System.Runtime.InteropServices.";

/// A custom attribute: full name of its type, whether that type is defined in this very assembly, and its arguments.
struct Attribute {
    name: String,
    is_own: bool,
    arguments: Vec<u8>,
}

impl Attribute {
    /// The first fixed argument as a string.
    fn text(&self) -> Option<String> {
        let data = self.arguments.get(2..)?;
        if data.first() == Some(&0xFF) {
            return None;
        }
        let (length, head) = compressed(data)?;
        let text = data.get(head..head.checked_add(length as usize)?)?;
        Some(String::from_utf8_lossy(text).into_owned())
    }
}

/// A method with one of the two hook attributes.
#[derive(Clone, Debug)]
pub(super) struct Hook {
    method: String,
    token: u32,
    declared_by: String,
    /// Empty when the method can run.
    wrong: Vec<&'static str>,
}

/// Whether something holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Known<T> {
    Yes(T),
    No,
    /// Not to be decided from this file alone.
    Unknown(String),
}

/// One type.
pub(super) struct Type {
    pub(super) name: String,
    pub(super) token: u32,
    pub(super) because: Vec<String>,
    pub(super) clsid: String,
    pub(super) clsid_from: &'static str,
    pub(super) prog_id: Option<String>,
    pub(super) is_value: bool,
    pub(super) serviced: Known<()>,
    pub(super) register: Known<Hook>,
    pub(super) unregister: Known<Hook>,
}

/// What an assembly declares.
pub(super) struct Declared {
    pub(super) identity: Identity,
    pub(super) culture: String,
    pub(super) public_key: Vec<u8>,
    pub(super) mvid: Option<String>,
    pub(super) com_visible: bool,
    pub(super) type_library: String,
    pub(super) references: Vec<String>,
    pub(super) native_functions: Vec<String>,
    pub(super) types: Vec<Type>,
    pub(super) type_count: u32,
    pub(super) fake_attributes: Vec<String>,
}

/// Most types that are listed in full; what is asked of them is answered for all.
pub(super) const MAX_LISTED: usize = 500;

struct Reader<'a, 'b> {
    metadata: &'b Metadata<'a>,
    /// Attributes by owning table and row.
    attributes: HashMap<(u8, u32), Vec<Attribute>>,
    enclosing: HashMap<u32, u32>,
    generic: HashSet<u32>,
}

/// Reads what the assembly declares.
pub(super) fn read(metadata: &Metadata<'_>) -> Declared {
    let mut reader =
        Reader { metadata, attributes: HashMap::new(), enclosing: HashMap::new(), generic: HashSet::new() };
    for row in 1..=metadata.rows(Table::NestedClass) {
        if let (Some(nested), Some(outer)) =
            (metadata.cell(Table::NestedClass, row, 0), metadata.cell(Table::NestedClass, row, 1))
        {
            reader.enclosing.insert(nested, outer);
        }
    }
    for row in 1..=metadata.rows(Table::GenericParam) {
        let owner = metadata.cell(Table::GenericParam, row, 2).and_then(|raw| coded::TYPE_OR_METHOD_DEF.decode(raw));
        if let Some((0x02, owner)) = owner {
            reader.generic.insert(owner);
        }
    }
    reader.read_attributes();
    reader.declared()
}

impl Reader<'_, '_> {
    fn read_attributes(&mut self) {
        let metadata = self.metadata;
        // MethodDef rows belong to the type whose list they lie in.
        let mut owner_of = vec![0u32; metadata.rows(Table::MethodDef) as usize + 1];
        for row in 1..=metadata.rows(Table::TypeDef) {
            for method in metadata.range(Table::TypeDef, row, 5, Table::MethodDef) {
                if let Some(slot) = owner_of.get_mut(method as usize) {
                    *slot = row;
                }
            }
        }
        for row in 1..=metadata.rows(Table::CustomAttribute) {
            let cell = |column| metadata.cell(Table::CustomAttribute, row, column);
            let Some(parent) = cell(0).and_then(|raw| coded::HAS_CUSTOM_ATTRIBUTE.decode(raw)) else { continue };
            if !matches!(parent.0, 0x02 | 0x06 | 0x20) {
                continue;
            }
            let Some((table, constructor)) = cell(1).and_then(|raw| coded::CUSTOM_ATTRIBUTE_TYPE.decode(raw)) else {
                continue;
            };
            let (name, is_own) = if table == 0x06 {
                let Some(owner) = owner_of.get(constructor as usize) else { continue };
                (self.type_name(*owner), true)
            } else {
                let class = metadata
                    .cell(Table::MemberRef, constructor, 0)
                    .and_then(|raw| coded::MEMBER_REF_PARENT.decode(raw));
                match class {
                    Some((0x01, row)) => (self.reference_name(row), false),
                    Some((0x02, row)) => (self.type_name(row), true),
                    _ => continue,
                }
            };
            let arguments = cell(2).and_then(|index| metadata.blob(index)).unwrap_or(&[]).to_vec();
            self.attributes.entry(parent).or_default().push(Attribute { name, is_own, arguments });
        }
    }

    fn reference_name(&self, row: u32) -> String {
        full_name(&self.metadata.name(Table::TypeRef, row, 2), &self.metadata.name(Table::TypeRef, row, 1))
    }

    /// Full name with the enclosing types before it, joined by `+`.
    fn type_name(&self, row: u32) -> String {
        let mut name =
            full_name(&self.metadata.name(Table::TypeDef, row, 2), &self.metadata.name(Table::TypeDef, row, 1));
        let mut current = row;
        for _ in 0..64 {
            let Some(outer) = self.enclosing.get(&current).copied() else { break };
            name = format!(
                "{}+{name}",
                full_name(&self.metadata.name(Table::TypeDef, outer, 2), &self.metadata.name(Table::TypeDef, outer, 1))
            );
            current = outer;
        }
        name
    }

    fn attribute(&self, table: u8, row: u32, name: &str) -> Option<&Attribute> {
        self.attributes.get(&(table, row))?.iter().find(|one| !one.is_own && one.name == name)
    }

    fn interop(&self, table: u8, row: u32, name: &str) -> Option<&Attribute> {
        self.attribute(table, row, &format!("{INTEROP}{name}Attribute"))
    }

    /// `ComVisible`, where it is given.
    fn com_visible(&self, table: u8, row: u32) -> Option<bool> {
        self.interop(table, row, "ComVisible").map(|one| one.arguments.get(2) != Some(&0))
    }

    fn declared(&self) -> Declared {
        let metadata = self.metadata;
        let number = |column| metadata.cell(Table::Assembly, 1, column).unwrap_or(0) as u16;
        let version = [number(1), number(2), number(3), number(4)];
        let public_key =
            metadata.cell(Table::Assembly, 1, 6).and_then(|index| metadata.blob(index)).unwrap_or(&[]).to_vec();
        let compatible = self.interop(0x20, 1, "ComCompatibleVersion").and_then(|one| {
            let part = |index: usize| {
                let bytes = one.arguments.get(2 + index * 4..6 + index * 4)?;
                Some(u32::from_le_bytes(bytes.try_into().ok()?) as u16)
            };
            Some([part(0)?, part(1)?, part(2)?, part(3)?])
        });
        let identity = Identity {
            name: metadata.name(Table::Assembly, 1, 7),
            version: compatible.unwrap_or(version),
            public_key: public_key.clone(),
        };
        let type_library = self
            .interop(0x20, 1, "Guid")
            .and_then(Attribute::text)
            .map_or_else(|| identity.type_library(), |text| braced(&text));
        let com_visible = self.com_visible(0x20, 1).unwrap_or(true);
        let type_count = metadata.rows(Table::TypeDef);
        let types = (2..=type_count).map(|row| self.read_type(row, &identity, com_visible)).collect();
        let fake_attributes = self
            .attributes
            .values()
            .flatten()
            .filter(|one| one.is_own && one.name.starts_with(INTEROP))
            .map(|one| one.name.clone())
            .collect::<std::collections::BTreeSet<_>>()
            .into_iter()
            .collect();
        let references = (1..=metadata.rows(Table::AssemblyRef).min(4096))
            .map(|row| {
                let part = |column| metadata.cell(Table::AssemblyRef, row, column).unwrap_or(0);
                format!(
                    "{}, Version={}.{}.{}.{}",
                    metadata.name(Table::AssemblyRef, row, 6),
                    part(0),
                    part(1),
                    part(2),
                    part(3)
                )
            })
            .collect();
        let native_functions = (1..=metadata.rows(Table::ImplMap).min(4096))
            .map(|row| {
                let module = metadata.cell(Table::ImplMap, row, 3).unwrap_or(0);
                format!("{}!{}", metadata.name(Table::ModuleRef, module, 0), metadata.name(Table::ImplMap, row, 2))
            })
            .collect();
        Declared {
            identity: Identity { version, ..identity },
            culture: metadata.name(Table::Assembly, 1, 8),
            public_key,
            mvid: metadata.cell(Table::Module, 1, 2).and_then(|index| metadata.guid(index)),
            com_visible,
            type_library,
            references,
            native_functions,
            types,
            type_count,
            fake_attributes,
        }
    }

    fn read_type(&self, row: u32, identity: &Identity, assembly_visible: bool) -> Type {
        let metadata = self.metadata;
        let flags = metadata.cell(Table::TypeDef, row, 0).unwrap_or(0);
        let name = self.type_name(row);
        let base = self.base_of(row);
        let is_value = matches!(&base, Base::Other(name) if name == "System.ValueType" || name == "System.Enum");
        let mut because = Vec::new();
        if !self.is_exported(row) {
            because.push("the type is not public, or lies in one that is not".to_owned());
        }
        if flags & 0x20 != 0 {
            because.push("it is an interface".to_owned());
        }
        if flags & 0x80 != 0 {
            because.push("it is abstract".to_owned());
        }
        if self.generic.contains(&row) {
            because.push("it is generic".to_owned());
        }
        if !is_value && !self.has_default_constructor(row) {
            because.push("it has no public constructor without parameters".to_owned());
        }
        if !self.com_visible(0x02, row).unwrap_or(assembly_visible) {
            because.push("ComVisible(false) hides it".to_owned());
        }
        let explicit = self.interop(0x02, row, "Guid").and_then(Attribute::text);
        Type {
            token: 0x0200_0000 | row,
            clsid_from: if explicit.is_some() { "attribute" } else { "derived" },
            clsid: explicit.map_or_else(|| identity.clsid(&name), |text| braced(&text)),
            prog_id: match self.interop(0x02, row, "ProgId") {
                // An empty ProgId means that the class has none.
                Some(attribute) => attribute.text().filter(|text| !text.is_empty()),
                None => Some(name.clone()),
            },
            is_value,
            serviced: self.is_serviced(row),
            register: self.hook(row, "ComRegisterFunction"),
            unregister: self.hook(row, "ComUnregisterFunction"),
            because,
            name,
        }
    }

    fn is_exported(&self, row: u32) -> bool {
        let mut current = row;
        for _ in 0..64 {
            match self.metadata.cell(Table::TypeDef, current, 0).unwrap_or(0) & 7 {
                1 => return true,
                2 => match self.enclosing.get(&current) {
                    Some(outer) => current = *outer,
                    None => return false,
                },
                _ => return false,
            }
        }
        false
    }

    fn has_default_constructor(&self, row: u32) -> bool {
        self.metadata.range(Table::TypeDef, row, 5, Table::MethodDef).any(|method| {
            let metadata = self.metadata;
            metadata.cell(Table::MethodDef, method, 2).unwrap_or(0) & 7 == 6
                && metadata.name(Table::MethodDef, method, 3) == ".ctor"
                && metadata.cell(Table::MethodDef, method, 4).and_then(|index| metadata.blob(index))
                    == Some(&[0x20, 0, 1])
        })
    }

    fn base_of(&self, row: u32) -> Base {
        let raw = self.metadata.cell(Table::TypeDef, row, 3).unwrap_or(0);
        match coded::TYPE_DEF_OR_REF.decode(raw) {
            Some((_, 0)) | None => Base::None,
            Some((0x02, row)) => Base::Own(row),
            Some((0x01, row)) => Base::Other(self.reference_name(row)),
            Some(_) => Base::Other("a constructed type".to_owned()),
        }
    }

    /// The type and its bases inside this assembly, nearest first, and the first base outside.
    fn chain(&self, row: u32) -> (Vec<u32>, Option<String>) {
        let (mut rows, mut current) = (vec![row], row);
        loop {
            match self.base_of(current) {
                Base::None => return (rows, None),
                Base::Other(name) => return (rows, Some(name)),
                Base::Own(next) if rows.contains(&next) || rows.len() > 64 => return (rows, None),
                Base::Own(next) => {
                    rows.push(next);
                    current = next;
                }
            }
        }
    }

    fn is_serviced(&self, row: u32) -> Known<()> {
        match self.chain(row).1 {
            Some(name) if name == "System.EnterpriseServices.ServicedComponent" => Known::Yes(()),
            Some(name) if !is_of_framework(&name) => {
                Known::Unknown(format!("its base {name} lies in another assembly"))
            }
            _ => Known::No,
        }
    }

    /// The nearest method with the attribute, on the type or its bases.
    fn hook(&self, row: u32, attribute: &str) -> Known<Hook> {
        let (rows, outside) = self.chain(row);
        for owner in rows {
            for method in self.metadata.range(Table::TypeDef, owner, 5, Table::MethodDef) {
                if self.interop(0x06, method, attribute).is_some() {
                    return Known::Yes(self.read_hook(owner, method));
                }
            }
        }
        match outside {
            Some(name) if !is_of_framework(&name) => Known::Unknown(format!(
                "its base {name} lies in another assembly, which may have such a method and was not read"
            )),
            _ => Known::No,
        }
    }

    fn read_hook(&self, owner: u32, method: u32) -> Hook {
        let metadata = self.metadata;
        let mut wrong = Vec::new();
        if metadata.cell(Table::MethodDef, method, 2).unwrap_or(0) & 0x10 == 0 {
            wrong.push("the method is not static");
        }
        let signature =
            metadata.cell(Table::MethodDef, method, 4).and_then(|index| metadata.blob(index)).unwrap_or(&[]);
        // Default convention, one parameter, void, then string or System.Type.
        let is_type = signature.get(3) == Some(&0x12)
            && signature
                .get(4..)
                .and_then(compressed)
                .and_then(|(raw, _)| coded::TYPE_DEF_OR_REF.decode(raw))
                .is_some_and(|(table, row)| table == 0x01 && self.reference_name(row) == "System.Type");
        if signature.first() != Some(&0)
            || signature.get(1) != Some(&1)
            || !(signature.get(3) == Some(&0x0E) || is_type)
        {
            wrong.push("it does not take exactly one string or type");
        }
        if signature.get(2) != Some(&1) {
            wrong.push("it returns a value");
        }
        if metadata.cell(Table::MethodDef, method, 0).unwrap_or(0) == 0 {
            wrong.push("it has no body");
        }
        Hook {
            method: metadata.name(Table::MethodDef, method, 3),
            token: 0x0600_0000 | method,
            declared_by: self.type_name(owner),
            wrong,
        }
    }
}

enum Base {
    None,
    Own(u32),
    Other(String),
}

/// Framework bases that are known to have none of the two hooks.
fn is_of_framework(name: &str) -> bool {
    name.starts_with("System.") || name == "a constructed type"
}

fn full_name(namespace: &str, name: &str) -> String {
    if namespace.is_empty() { name.to_owned() } else { format!("{namespace}.{name}") }
}

fn braced(guid: &str) -> String {
    format!("{{{}}}", guid.trim_matches(['{', '}']).to_uppercase())
}

impl Type {
    /// Whether the tools process it.
    pub(super) fn is_registrable(&self) -> bool {
        self.because.is_empty()
    }

    /// The type as a value of the record.
    pub(super) fn as_value(&self) -> Value {
        let mut members: Vec<(String, Value)> = vec![
            ("Name".into(), self.name.clone().into()),
            ("Token".into(), format!("{:#010x}", self.token).into()),
            ("Registrable".into(), self.is_registrable().into()),
        ];
        if !self.because.is_empty() {
            members.push(("Because".into(), self.because.clone().into()));
        }
        members.push(("Clsid".into(), self.clsid.clone().into()));
        members.push(("ClsidFrom".into(), self.clsid_from.into()));
        if let Some(prog_id) = &self.prog_id {
            members.push(("ProgId".into(), prog_id.clone().into()));
        }
        if self.is_value {
            members.push(("ValueType".into(), true.into()));
        }
        members.push((
            "ServicedComponent".into(),
            match &self.serviced {
                Known::Yes(()) => "yes".into(),
                Known::No => "no".into(),
                Known::Unknown(why) => format!("unknown: {why}").into(),
            },
        ));
        for (name, hook) in [("Register", &self.register), ("Unregister", &self.unregister)] {
            match hook {
                Known::Yes(hook) => members.push((name.into(), hook.as_value())),
                Known::Unknown(why) => members.push((
                    name.into(),
                    Value::Map(vec![("Runs".into(), "unknown".into()), ("Because".into(), why.clone().into())]),
                )),
                Known::No => {}
            }
        }
        Value::Map(members)
    }
}

impl Hook {
    fn as_value(&self) -> Value {
        let because =
            if self.wrong.is_empty() { "static, void, one string or type".to_owned() } else { self.wrong.join("; ") };
        Value::Map(vec![
            ("Token".into(), format!("{:#010x}", self.token).into()),
            ("Method".into(), self.method.clone().into()),
            ("DeclaredBy".into(), self.declared_by.clone().into()),
            ("Runs".into(), if self.wrong.is_empty() { "yes" } else { "no" }.into()),
            ("Because".into(), because.into()),
        ])
    }

    /// Whether the tool can call it, and if not why.
    pub(super) fn can_run(&self) -> Result<String, String> {
        let name = format!("{}.{} ({:#010x})", self.declared_by, self.method, self.token);
        if self.wrong.is_empty() {
            Ok(name)
        } else {
            Err(format!("{name} cannot be called: {}", self.wrong.join("; ")))
        }
    }
}
