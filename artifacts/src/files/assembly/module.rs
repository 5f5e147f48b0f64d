//! One assembly's metadata with the look-ups that the rules of the tools need: names, attributes, methods of types.

use super::framework::{claims_to_be_framework, is_framework};
pub(super) use crate::formats::cli::Argument;
use crate::formats::cli::{MAX_BLOB, Metadata, Table, coded, fixed_arguments, generic_base};
use sha1::{Digest, Sha1};
use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{BuildHasher, RandomState};

/// Most types, methods and attributes that are looked at; a large honest assembly has a tenth of it.
const MAX_TYPES: u32 = 1 << 19;
const MAX_METHODS: u32 = 1 << 22;
const MAX_ATTRIBUTES: usize = 1 << 19;
/// Most constructors of attributes that are told apart, and most methods with the attributes of the tools.
const MAX_KINDS: usize = 1 << 14;
const MAX_HOOKED: usize = 1 << 12;
/// Longest names that are kept, bytes: of all attributes together, and of all assemblies that are referred to.
const MAX_ATTRIBUTE_NAMES: usize = 2 << 20;
const MAX_REFERENCE_NAMES: usize = 256 << 10;
/// Deepest nesting of types that is followed, and the longest full name that it gives, bytes. The runtime takes no name of
/// more than 1023 bytes.
const MAX_NESTING: usize = 64;
const MAX_FULL_NAME: usize = 16 << 10;

/// Namespace of the attributes for COM, with the dot.
pub(super) const INTEROP: &str = "System.Runtime.InteropServices.";
/// Namespace of the attributes for COM+, with the dot.
pub(super) const SERVICES: &str = "System.EnterpriseServices.";

/// Where a referenced type comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// This very assembly.
    Own,
    /// The .NET Framework.
    Framework,
    /// Another assembly, by row of AssemblyRef.
    Foreign(u32),
    /// The reference leads nowhere.
    Nowhere,
}

/// A type by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TypeName {
    pub(super) full: String,
    pub(super) origin: Origin,
}

/// What a type extends.
pub(super) enum Base {
    /// Nothing: System.Object itself, an interface, a module.
    None,
    /// A type of this assembly, by row.
    Own(u32),
    /// A type that is only referred to.
    Named(TypeName),
}

/// The name of an assembly.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct AssemblyName {
    pub(super) name: String,
    pub(super) version: [u16; 4],
    pub(super) culture: String,
    pub(super) public_key: Vec<u8>,
    /// Lower-case hexadecimal, empty when there is none.
    pub(super) token: String,
}

impl AssemblyName {
    pub(super) fn version_text(&self) -> String {
        let [major, minor, build, revision] = self.version;
        format!("{major}.{minor}.{build}.{revision}")
    }

    pub(super) fn culture_text(&self) -> &str {
        if self.culture.is_empty() { "neutral" } else { &self.culture }
    }

    pub(super) fn token_text(&self) -> &str {
        if self.token.is_empty() { "null" } else { &self.token }
    }

    pub(super) fn display(&self) -> String {
        let (version, culture, token) = (self.version_text(), self.culture_text(), self.token_text());
        format!("{}, Version={version}, Culture={culture}, PublicKeyToken={token}", self.name)
    }

    /// Whether a reference of this name means the framework.
    pub(super) fn is_framework(&self) -> bool {
        is_framework(&self.name, &self.token)
    }
}

/// The token of a public key: the last eight bytes of its SHA-1, in turned order.
fn token_of(public_key: &[u8]) -> String {
    if public_key.is_empty() {
        return String::new();
    }
    Sha1::digest(public_key).iter().rev().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// A custom attribute.
pub(super) struct Attribute<'m> {
    pub(super) kind: &'m TypeName,
    /// `None` when the value is damaged.
    pub(super) arguments: Option<Vec<Argument>>,
}

impl Attribute<'_> {
    /// The first argument, if it is a text.
    pub(super) fn text(&self) -> Option<&str> {
        match self.arguments.as_ref()?.first()? {
            Argument::Text(text) => text.as_deref(),
            _ => None,
        }
    }
}

/// Methods of one type that carry the attributes, in stored order, and whether the attribute is surely the framework's.
#[derive(Clone, Debug, Default)]
pub(super) struct Hooked {
    pub(super) register: Vec<(u32, bool)>,
    pub(super) unregister: Vec<(u32, bool)>,
}

/// What is known of a type without following anything: the row of its static constructor in the low bits, and flags.
#[derive(Clone, Copy, Debug, Default)]
struct Facts(u32);

impl Facts {
    const DEFAULT_CONSTRUCTOR: u32 = 1 << 31;
    const GENERIC: u32 = 1 << 30;
    const ROW: u32 = (1 << 30) - 1;

    fn has(self, flag: u32) -> bool {
        self.0 & flag != 0
    }
}

pub(super) struct Module<'a> {
    pub(super) metadata: Metadata<'a>,
    /// The assembly's own name; `None` for a module without a manifest.
    pub(super) assembly: Option<AssemblyName>,
    /// Methods with the attributes, by type.
    pub(super) hooked: BTreeMap<u32, Hooked>,
    /// Attributes that look like those of the framework and are not.
    pub(super) impostors: BTreeSet<String>,
    /// Limits of ours that were reached; what depends on them is not known.
    pub(super) limits: Vec<&'static str>,
    references: Vec<AssemblyName>,
    kinds: Vec<TypeName>,
    /// Kind of attribute by stored constructor.
    constructors: HashMap<u32, usize>,
    /// Owning row and attribute row, sorted.
    type_attributes: Vec<(u32, u32)>,
    assembly_attributes: Vec<u32>,
    /// In which type each lies, 0 for none; empty where none lies in another.
    enclosing: Vec<u32>,
    facts: Vec<Facts>,
    /// What the module itself defines counts as the framework's.
    is_framework: bool,
    by_name: OnceCell<ByName>,
}

/// Types by a number made of their full name.
struct ByName {
    hasher: RandomState,
    /// Number and row, sorted.
    rows: Vec<(u32, u32)>,
}

impl ByName {
    fn number(hasher: &RandomState, name: &str) -> u32 {
        hasher.hash_one(name) as u32
    }
}

impl<'a> Module<'a> {
    pub(super) fn new(metadata: Metadata<'a>) -> Self {
        let mut module = Module {
            metadata,
            assembly: None,
            hooked: BTreeMap::new(),
            impostors: BTreeSet::new(),
            limits: Vec::new(),
            references: Vec::new(),
            kinds: Vec::new(),
            constructors: HashMap::new(),
            type_attributes: Vec::new(),
            assembly_attributes: Vec::new(),
            enclosing: Vec::new(),
            facts: Vec::new(),
            is_framework: false,
            by_name: OnceCell::new(),
        };
        module.read_names();
        module.read_types();
        module.read_attributes();
        module
    }

    fn read_names(&mut self) {
        let metadata = &self.metadata;
        if metadata.rows(Table::Assembly) > 0 {
            let public_key = metadata.blob_of(Table::Assembly, 1, 6).unwrap_or_default().into_owned();
            if public_key.len() as u64 == MAX_BLOB {
                self.limits.push("its public key is longer than is looked at");
            }
            let (name, token) = (metadata.name(Table::Assembly, 1, 7), token_of(&public_key));
            self.is_framework = claims_to_be_framework(&name, &token);
            self.assembly = Some(AssemblyName {
                name,
                version: version(metadata, Table::Assembly, 1, 1),
                culture: metadata.name(Table::Assembly, 1, 8),
                token,
                public_key,
            });
        }
        let mut room = MAX_REFERENCE_NAMES;
        for row in 1..=metadata.rows(Table::AssemblyRef).min(4096) {
            let key = metadata.blob_of(Table::AssemblyRef, row, 5).unwrap_or_default();
            let is_full_key = metadata.cell(Table::AssemblyRef, row, 4).unwrap_or(0) & 1 != 0;
            let reference = AssemblyName {
                name: metadata.name(Table::AssemblyRef, row, 6),
                version: version(metadata, Table::AssemblyRef, row, 0),
                culture: metadata.name(Table::AssemblyRef, row, 7),
                token: if is_full_key { token_of(&key) } else { key.iter().map(|b| format!("{b:02x}")).collect() },
                public_key: Vec::new(),
            };
            let length = reference.name.len() + reference.culture.len() + reference.token.len();
            let Some(left) = room.checked_sub(length) else {
                self.limits.push("the names of the assemblies that it refers to are longer than is looked at");
                break;
            };
            room = left;
            self.references.push(reference);
        }
    }

    fn read_types(&mut self) {
        let metadata = &self.metadata;
        let (types, methods) = (self.type_count(), metadata.rows(Table::MethodDef).min(MAX_METHODS));
        if types < metadata.rows(Table::TypeDef) || methods < metadata.rows(Table::MethodDef) {
            self.limits.push("there are more types or methods than are looked at");
        }
        let nested = metadata.rows(Table::NestedClass).min(MAX_TYPES);
        self.enclosing = vec![0; if nested > 0 { types as usize + 1 } else { 0 }];
        for row in 1..=nested {
            let cell = |column| metadata.cell(Table::NestedClass, row, column);
            if let (Some(nested), Some(outer)) = (cell(0), cell(1))
                && let Some(slot) = self.enclosing.get_mut(nested as usize)
            {
                *slot = outer;
            }
        }
        self.facts = vec![Facts::default(); types as usize + 1];
        for row in 1..=metadata.rows(Table::GenericParam).min(MAX_METHODS) {
            if let Some((0x02, owner)) = metadata.target(Table::GenericParam, row, 2)
                && let Some(facts) = self.facts.get_mut(owner as usize)
            {
                facts.0 |= Facts::GENERIC;
            }
        }
        // Lists of sound metadata do not overlap; those of hostile ones could make every type own every method.
        let mut budget = method_budget(types, methods);
        for row in 1..=types {
            let list = metadata.method_list(row);
            budget = match budget.checked_sub(u64::from(list.end - list.start)) {
                Some(left) => left,
                None => {
                    self.limits.push("the method lists of the types overlap");
                    break;
                }
            };
            let Some(facts) = self.facts.get_mut(row as usize) else { break };
            for method in metadata.methods_of(row) {
                let Some(name) = metadata.cell(Table::MethodDef, method, 3) else { continue };
                if metadata.begins_with(name, b'.') {
                    special_method(metadata, method, &metadata.name_bytes(name), facts);
                }
            }
        }
    }

    /// The types that these methods belong to; where several have one in their list, the first.
    fn owners_of(&self, mut methods: BTreeSet<u32>) -> HashMap<u32, u32> {
        let metadata = &self.metadata;
        let mut owners = HashMap::new();
        let mut budget = method_budget(self.type_count(), metadata.rows(Table::MethodDef));
        for row in 1..=self.type_count() {
            let list = metadata.method_list(row);
            let own: Vec<u32> = if metadata.is_indirect() {
                let Some(left) = budget.checked_sub(u64::from(list.end - list.start)) else { break };
                budget = left;
                metadata.methods_of(row).filter(|method| methods.contains(method)).collect()
            } else {
                methods.range(list).copied().collect()
            };
            for method in own {
                methods.remove(&method);
                owners.entry(method).or_insert(row);
            }
            if methods.is_empty() {
                break;
            }
        }
        owners
    }

    /// The types of the attributes' constructors that this module itself defines.
    fn owners_of_constructors(&self) -> HashMap<u32, u32> {
        let metadata = &self.metadata;
        let own = (1..=metadata.rows(Table::CustomAttribute)).filter_map(|row| {
            match metadata.target(Table::CustomAttribute, row, 1) {
                Some((0x06, method)) => Some(method),
                _ => None,
            }
        });
        let mut methods = BTreeSet::new();
        for method in own {
            if methods.len() > MAX_KINDS {
                break;
            }
            methods.insert(method);
        }
        self.owners_of(methods)
    }

    fn read_attributes(&mut self) {
        let metadata = &self.metadata;
        let own_constructors = self.owners_of_constructors();
        let mut room = MAX_ATTRIBUTE_NAMES;
        let mut kinds: Vec<TypeName> = Vec::new();
        let mut constructors = HashMap::new();
        let (mut type_attributes, mut assembly_attributes) = (Vec::new(), Vec::new());
        let (mut register, mut unregister) = (BTreeSet::new(), BTreeSet::new());
        let mut limit = None;
        for row in 1..=metadata.rows(Table::CustomAttribute) {
            let Some((owner_table, owner)) = metadata.target(Table::CustomAttribute, row, 0) else { continue };
            if !matches!(owner_table, 0x02 | 0x06 | 0x20) {
                continue;
            }
            let Some(stored) = metadata.cell(Table::CustomAttribute, row, 1) else { continue };
            if type_attributes.len() >= MAX_ATTRIBUTES
                || kinds.len() >= MAX_KINDS
                || register.len() + unregister.len() >= MAX_HOOKED
                || room == 0
            {
                limit = Some("there are more attributes than are looked at");
                break;
            }
            let kind: usize = *constructors.entry(stored).or_insert_with(|| {
                let kind = self.attribute_type(stored, &own_constructors);
                room = room.saturating_sub(kind.full.len());
                kinds.push(kind);
                kinds.len() - 1
            });
            match owner_table {
                0x02 => type_attributes.push((owner, row)),
                0x06 if kinds[kind].origin != Origin::Own => {
                    let methods = if is_interop(&kinds[kind], "ComRegisterFunction") {
                        &mut register
                    } else if is_interop(&kinds[kind], "ComUnregisterFunction") {
                        &mut unregister
                    } else {
                        continue;
                    };
                    // An attribute of the framework counts; one of another assembly may lead on to the framework's.
                    methods.insert((owner, kinds[kind].origin == Origin::Framework));
                }
                0x20 if assembly_attributes.len() < 256 => assembly_attributes.push(row),
                _ => {}
            }
        }
        type_attributes.sort_unstable();
        type_attributes.shrink_to_fit();
        let owners = self.owners_of(register.iter().chain(&unregister).map(|(method, _)| *method).collect());
        let mut hooked: BTreeMap<u32, Hooked> = BTreeMap::new();
        for (methods, is_register) in [(register, true), (unregister, false)] {
            for (method, is_certain) in methods {
                let Some(owner) = owners.get(&method) else { continue };
                let hooked = hooked.entry(*owner).or_default();
                let list = if is_register { &mut hooked.register } else { &mut hooked.unregister };
                list.retain(|(known, _)| *known != method);
                list.push((method, is_certain));
            }
        }
        let impostors = kinds.iter().filter_map(|kind| self.impostor(kind)).take(50).collect();
        self.limits.extend(limit);
        (self.kinds, self.constructors, self.impostors, self.hooked) = (kinds, constructors, impostors, hooked);
        (self.type_attributes, self.assembly_attributes) = (type_attributes, assembly_attributes);
    }

    /// Says so when this attribute is named like one of the framework's and is none.
    fn impostor(&self, kind: &TypeName) -> Option<String> {
        let from = match kind.origin {
            Origin::Framework => return None,
            Origin::Own => "this file itself".to_owned(),
            Origin::Foreign(row) => self.reference(row).map_or_else(String::new, AssemblyName::display),
            Origin::Nowhere => "nowhere".to_owned(),
        };
        let is_named_so = kind.full.starts_with(INTEROP) || kind.full.starts_with(SERVICES);
        is_named_so.then(|| format!("the attribute {} comes from {from}", kind.full))
    }

    /// The type of the attribute that this stored constructor makes.
    fn attribute_type(&self, stored: u32, owners: &HashMap<u32, u32>) -> TypeName {
        let nowhere = TypeName { full: String::new(), origin: Origin::Nowhere };
        match coded::CUSTOM_ATTRIBUTE_TYPE.decode(stored) {
            Some((0x06, method)) => owners.get(&method).map_or(nowhere, |owner| self.own_type(*owner)),
            Some((0x0A, member)) => match self.metadata.target(Table::MemberRef, member, 0) {
                Some((0x01, row)) => self.referenced(row),
                Some((0x02, row)) => self.own_type(row),
                _ => nowhere,
            },
            _ => nowhere,
        }
    }

    /// A type of the module itself; those of the framework's own assemblies are the framework's.
    pub(super) fn own_type(&self, row: u32) -> TypeName {
        let origin = if self.is_framework { Origin::Framework } else { Origin::Own };
        TypeName { full: self.type_name(row), origin }
    }

    /// Number of types that are looked at; the first is the module itself.
    pub(super) fn type_count(&self) -> u32 {
        self.metadata.rows(Table::TypeDef).min(MAX_TYPES)
    }

    /// A type of another assembly: full name and where it comes from.
    pub(super) fn referenced(&self, row: u32) -> TypeName {
        let metadata = &self.metadata;
        let mut full = full_name(&metadata.name(Table::TypeRef, row, 2), &metadata.name(Table::TypeRef, row, 1));
        let mut current = row;
        for _ in 0..MAX_NESTING {
            if full.len() > MAX_FULL_NAME {
                break;
            }
            let origin = match metadata.target(Table::TypeRef, current, 0) {
                Some((0x01, outer)) => {
                    let outer_name = metadata.name(Table::TypeRef, outer, 1);
                    full = format!("{}+{full}", full_name(&metadata.name(Table::TypeRef, outer, 2), &outer_name));
                    current = outer;
                    continue;
                }
                Some((0x23, assembly)) => match self.reference(assembly) {
                    Some(name) if name.is_framework() => Origin::Framework,
                    Some(_) => Origin::Foreign(assembly),
                    None => Origin::Nowhere,
                },
                Some((0x00, _)) => Origin::Own,
                _ => Origin::Nowhere,
            };
            return TypeName { full, origin };
        }
        TypeName { full, origin: Origin::Nowhere }
    }

    /// A referenced assembly by row.
    pub(super) fn reference(&self, row: u32) -> Option<&AssemblyName> {
        self.references.get((row as usize).checked_sub(1)?)
    }

    /// Every referenced assembly.
    pub(super) fn references(&self) -> &[AssemblyName] {
        &self.references
    }

    /// Full name of a type, with the enclosing types before it, joined by `+`.
    pub(super) fn type_name(&self, row: u32) -> String {
        let own = |row| {
            let metadata = &self.metadata;
            full_name(&metadata.name(Table::TypeDef, row, 2), &metadata.name(Table::TypeDef, row, 1))
        };
        let mut parts = vec![own(row)];
        let (mut current, mut length) = (row, parts[0].len());
        while let Some(outer) = self.enclosing(current)
            && parts.len() <= MAX_NESTING
            && length <= MAX_FULL_NAME
        {
            let name = own(outer);
            length += name.len();
            parts.push(name);
            current = outer;
        }
        parts.reverse();
        parts.join("+")
    }

    fn enclosing(&self, row: u32) -> Option<u32> {
        self.enclosing.get(row as usize).copied().filter(|outer| *outer != 0)
    }

    /// The row of the type with this full name. Where it stands twice, the first counts.
    pub(super) fn type_named(&self, name: &str) -> Option<u32> {
        let ByName { hasher, rows } = self.by_name.get_or_init(|| {
            let hasher = RandomState::new();
            let number = |row| ByName::number(&hasher, &self.type_name(row));
            let mut rows: Vec<(u32, u32)> = (1..=self.type_count()).map(|row| (number(row), row)).collect();
            rows.sort_unstable();
            ByName { hasher, rows }
        });
        let number = ByName::number(hasher, name);
        let start = rows.partition_point(|(other, _)| *other < number);
        let mut same = rows[start..].iter().take_while(|(other, _)| *other == number);
        same.find(|(_, row)| self.type_name(*row) == name).map(|(_, row)| *row)
    }

    /// The assembly that a type of this name was moved to.
    pub(super) fn forwarded_to(&self, name: &str) -> Option<u32> {
        let metadata = &self.metadata;
        (1..=metadata.rows(Table::ExportedType).min(MAX_TYPES)).find_map(|row| {
            let Some((0x23, assembly)) = metadata.target(Table::ExportedType, row, 4) else { return None };
            let own =
                full_name(&metadata.name(Table::ExportedType, row, 3), &metadata.name(Table::ExportedType, row, 2));
            (own == name).then_some(assembly)
        })
    }

    /// What a type extends. A constructed type (`Base<int>`) stands for the generic one.
    pub(super) fn base(&self, row: u32) -> Base {
        let target = match self.metadata.target(Table::TypeDef, row, 3) {
            Some((0x1B, row)) => {
                self.metadata.blob_of(Table::TypeSpec, row, 0).as_deref().and_then(generic_base).or(Some((0x1B, row)))
            }
            target => target,
        };
        match target {
            None => Base::None,
            Some((0x02, row)) => Base::Own(row),
            Some((0x01, row)) => Base::Named(self.referenced(row)),
            Some(_) => Base::Named(TypeName { full: "a type that cannot be read".to_owned(), origin: Origin::Nowhere }),
        }
    }

    pub(super) fn flags(&self, row: u32) -> u32 {
        self.metadata.cell(Table::TypeDef, row, 0).unwrap_or(0)
    }

    fn facts(&self, row: u32) -> Facts {
        self.facts.get(row as usize).copied().unwrap_or_default()
    }

    pub(super) fn is_generic(&self, row: u32) -> bool {
        self.facts(row).has(Facts::GENERIC)
    }

    pub(super) fn has_default_constructor(&self, row: u32) -> bool {
        self.facts(row).has(Facts::DEFAULT_CONSTRUCTOR)
    }

    /// The type's static constructor, by row of MethodDef.
    pub(super) fn static_constructor(&self, row: u32) -> Option<u32> {
        Some(self.facts(row).0 & Facts::ROW).filter(|method| *method != 0)
    }

    /// Whether a type is public, and nested public all the way out.
    pub(super) fn is_exported(&self, row: u32) -> bool {
        let mut current = row;
        for _ in 0..=MAX_NESTING {
            match self.flags(current) & 7 {
                1 => return true,
                2 => match self.enclosing(current) {
                    Some(outer) => current = outer,
                    None => return false,
                },
                _ => return false,
            }
        }
        false
    }

    fn attribute(&self, row: u32) -> Option<Attribute<'_>> {
        let metadata = &self.metadata;
        let stored = metadata.cell(Table::CustomAttribute, row, 1)?;
        let kind = self.kinds.get(*self.constructors.get(&stored)?)?;
        let signature = match coded::CUSTOM_ATTRIBUTE_TYPE.decode(stored)? {
            (0x06, method) => metadata.blob_of(Table::MethodDef, method, 4),
            (_, member) => metadata.blob_of(Table::MemberRef, member, 2),
        };
        let value = metadata.blob_of(Table::CustomAttribute, row, 2).unwrap_or_default();
        Some(Attribute { kind, arguments: fixed_arguments(&signature.unwrap_or_default(), &value) })
    }

    /// The attributes of a type.
    pub(super) fn of_type(&self, row: u32) -> impl Iterator<Item = Attribute<'_>> {
        let start = self.type_attributes.partition_point(|(owner, _)| *owner < row);
        let own = self.type_attributes[start..].iter().take_while(move |(owner, _)| *owner == row);
        own.filter_map(|(_, attribute)| self.attribute(*attribute))
    }

    /// Forgets what is only asked of the assembly in question, not of those beside it.
    pub(super) fn forget_attributes(&mut self) {
        (self.kinds, self.constructors) = (Vec::new(), HashMap::new());
        (self.type_attributes, self.assembly_attributes) = (Vec::new(), Vec::new());
        self.impostors.clear();
    }

    /// About how many bytes it takes without its attributes, with the types by name.
    pub(super) fn kept(&self) -> usize {
        let names = self.references.iter().map(|one| size_of::<AssemblyName>() + one.name.len() + one.culture.len());
        self.facts.len() * 16 + names.sum::<usize>() + self.hooked.len() * 160
    }

    /// The attributes of the assembly.
    pub(super) fn of_assembly(&self) -> impl Iterator<Item = Attribute<'_>> {
        self.assembly_attributes.iter().filter_map(|row| self.attribute(*row))
    }
}

/// Whether this is the framework's attribute of that short name.
pub(super) fn is_interop(kind: &TypeName, name: &str) -> bool {
    kind.full.strip_prefix(INTEROP).and_then(|rest| rest.strip_prefix(name)) == Some("Attribute")
}

/// How many methods of types are looked at before their lists must overlap.
fn method_budget(types: u32, methods: u32) -> u64 {
    u64::from(methods) * 2 + u64::from(types) + 1024
}

/// Notes a constructor, whose name begins with a dot.
fn special_method(metadata: &Metadata<'_>, method: u32, name: &[u8], facts: &mut Facts) {
    let flags = metadata.cell(Table::MethodDef, method, 2).unwrap_or(0);
    if name == b".cctor" {
        facts.0 = facts.0 & !Facts::ROW | method & Facts::ROW;
    } else if name == b".ctor" && flags & 7 == 6 && flags & 0x10 == 0 {
        let signature = metadata.blob_of(Table::MethodDef, method, 4);
        if signature.as_deref() == Some(&[0x20, 0, 1]) {
            facts.0 |= Facts::DEFAULT_CONSTRUCTOR;
        }
    }
}

fn version(metadata: &Metadata<'_>, table: Table, row: u32, first: usize) -> [u16; 4] {
    [0, 1, 2, 3].map(|part| metadata.cell(table, row, first + part).unwrap_or(0) as u16)
}

fn full_name(namespace: &str, name: &str) -> String {
    if namespace.is_empty() { name.to_owned() } else { format!("{namespace}.{name}") }
}
