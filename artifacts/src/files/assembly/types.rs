//! Which types of an assembly the tools process, and which of their methods would run.
//!
//! Reference: Microsoft, `System.Runtime.InteropServices.RegistrationServices` (microsoft/referencesource).

use super::clsid::Identity;
use super::library::{Chain, End, Library};
use super::module::{Argument, Attribute, Base, Module, Origin, SERVICES, TypeName, is_interop};
use crate::formats::cli::{ParameterKind, Table, method_shape};

/// Whether something holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Known<T> {
    Yes(T),
    No,
    /// Not to be decided from the files that are there.
    Unknown(String),
}

/// A method with one of the two hook attributes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hook {
    pub(super) method: String,
    pub(super) token: u32,
    /// File offset of its row, in the assembly that defines it.
    pub(super) offset: Option<u64>,
    /// Full name of the type that defines it.
    pub(super) declared_by: String,
    /// The other assembly that defines it.
    pub(super) assembly: Option<String>,
    /// Whether the tool can call it.
    pub(super) runs: Known<()>,
    /// Why it can be called, or not.
    pub(super) because: Vec<String>,
}

impl Hook {
    /// Type, method and token.
    pub(super) fn title(&self) -> String {
        let place = self.assembly.as_ref().map_or_else(String::new, |assembly| format!(" in {assembly}"));
        format!("{}.{} ({:#010x}){place}", self.declared_by, self.method, self.token)
    }
}

/// One type.
pub(super) struct Type {
    pub(super) name: String,
    pub(super) token: u32,
    /// Why it is not registrable; empty when it is.
    pub(super) because: Vec<&'static str>,
    pub(super) clsid: ClassId,
    pub(super) prog_id: Option<String>,
    pub(super) is_value: bool,
    pub(super) serviced: Known<()>,
    pub(super) register: Known<Hook>,
    pub(super) unregister: Known<Hook>,
    pub(super) static_constructor: Option<u32>,
    pub(super) attributes: Vec<String>,
    /// Attributes whose class this file itself defines.
    pub(super) own_attributes: Vec<String>,
}

/// A class id and where it comes from.
pub(super) enum ClassId {
    /// The attribute gives it.
    Given(String),
    /// The runtime derives it; the second is that of the other derivation.
    Derived(String, String),
    /// The attribute gives something that is no id.
    Unusable(String),
}

impl Type {
    /// Whether the tools process it.
    pub(super) fn is_registrable(&self) -> bool {
        self.because.is_empty()
    }

    pub(super) fn has_hook(&self) -> bool {
        self.register != Known::No || self.unregister != Known::No
    }
}

/// Reads the types of the main assembly.
pub(super) struct Types<'l, 'a> {
    library: &'l Library<'a>,
    module: &'l Module<'a>,
    identity: Identity,
    assembly_visible: Option<bool>,
}

impl<'l, 'a> Types<'l, 'a> {
    pub(super) fn new(library: &'l Library<'a>) -> Self {
        let module = library.main();
        let assembly = module.assembly.clone().unwrap_or_default();
        let compatible = module.of_assembly().find(|one| is_real(one, "ComCompatibleVersion"));
        let identity = Identity {
            name: assembly.name,
            version: compatible.and_then(|one| four_numbers(&one)).unwrap_or(assembly.version),
            public_key: assembly.public_key,
        };
        Types { library, module, identity, assembly_visible: com_visible(module.of_assembly()) }
    }

    /// Whether types without an attribute of their own are visible to COM.
    pub(super) fn is_com_visible(&self) -> bool {
        self.assembly_visible.unwrap_or(true)
    }

    /// Id of the type library that is made of the assembly.
    pub(super) fn type_library(&self) -> ClassId {
        let given = self.module.of_assembly().find(|one| is_real(one, "Guid"));
        match given.map(|one| one.text().unwrap_or_default().to_owned()) {
            Some(text) => given_id(text),
            None => ClassId::Derived(self.identity.type_library(), self.identity.type_library_of_variant_b()),
        }
    }

    /// Why a type is not processed by the tools; empty when it is.
    fn obstacles(&self, row: u32, is_value: bool) -> Vec<&'static str> {
        let flags = self.module.flags(row);
        let mut because = Vec::new();
        if !self.module.is_exported(row) {
            because.push(if flags & 7 == 2 { "it lies in a type that is not public" } else { "it is not public" });
        }
        if flags & 0x20 != 0 {
            because.push("it is an interface");
        } else if flags & 0x80 != 0 {
            because.push("it is abstract");
        }
        if self.module.is_generic(row) {
            because.push("it is generic");
        }
        if !is_value && flags & 0x20 == 0 && !self.module.has_default_constructor(row) {
            because.push("it has no public constructor without parameters");
        }
        match com_visible(self.module.of_type(row)) {
            Some(false) => because.push("ComVisible(false) stands on it"),
            None if !self.is_com_visible() => because.push("ComVisible(false) stands on the assembly"),
            _ => {}
        }
        because
    }

    /// The type in this row; `None` for one that is neither registrable nor has a method with the attributes itself.
    pub(super) fn read(&self, row: u32) -> Option<Type> {
        let module = self.module;
        let is_value = self.is_value(row);
        let because = self.obstacles(row, is_value);
        if !because.is_empty() && !module.hooked.contains_key(&row) {
            return None;
        }
        let chain = self.library.chain(row);
        let name = module.type_name(row);
        let given = module.of_type(row).find(|one| is_real(one, "Guid"));
        let prog_id = match module.of_type(row).find(|one| is_real(one, "ProgId")) {
            // An empty ProgId means that the class has none.
            Some(attribute) => attribute.text().filter(|text| !text.is_empty()).map(str::to_owned),
            None => Some(name.clone()),
        };
        let (mut attributes, mut own_attributes) = (Vec::new(), Vec::new());
        for one in module.of_type(row).take(64) {
            attributes.push(one.kind.full.clone());
            if one.kind.origin == Origin::Own {
                own_attributes.push(one.kind.full.clone());
            }
        }
        Some(Type {
            token: 0x0200_0000 | row,
            because,
            clsid: match given.map(|one| one.text().unwrap_or_default().to_owned()) {
                Some(text) => given_id(text),
                None => ClassId::Derived(self.identity.clsid(&name), self.identity.clsid_of_variant_b(&name)),
            },
            prog_id: prog_id.filter(|_| !is_value),
            is_value,
            serviced: serviced(&chain),
            register: self.hook(&chain, true),
            unregister: self.hook(&chain, false),
            static_constructor: module.static_constructor(row).map(|method| 0x0600_0000 | method),
            attributes,
            own_attributes,
            name,
        })
    }

    fn is_value(&self, row: u32) -> bool {
        let base = match self.module.base(row) {
            Base::Named(name) => name,
            Base::Own(base) => self.module.own_type(base),
            Base::None => return false,
        };
        // System.Enum extends System.ValueType and is a class all the same.
        base.origin == Origin::Framework
            && matches!(base.full.as_str(), "System.ValueType" | "System.Enum")
            && self.module.own_type(row) != TypeName { full: "System.Enum".to_owned(), origin: Origin::Framework }
    }

    /// The method that the tool calls for a type: on the nearest type of the chain that has one.
    fn hook(&self, chain: &Chain, is_register: bool) -> Known<Hook> {
        for (index, row) in &chain.links {
            let module = self.library.module(*index);
            let Some(hooked) = module.hooked.get(row) else { continue };
            let methods = if is_register { &hooked.register } else { &hooked.unregister };
            let Some(first) = methods.first() else { continue };
            let mut hook = read_hook(module, *row, *first);
            if *index > 0 {
                hook.assembly = module.assembly.as_ref().map(|assembly| assembly.display());
            }
            if methods.len() > 1 {
                // The tool calls the first and stops with an error at the second. Reflection need not give them in the
                // stored order, so when they differ it is open which one that is.
                let all: Vec<Hook> = methods.iter().map(|method| read_hook(module, *row, *method)).collect();
                hook.because.push(format!("{} methods of the type have the attribute; only one is called", all.len()));
                if all.iter().any(|other| other.runs != hook.runs) {
                    hook.runs = Known::Unknown("one of them can be called and another cannot".to_owned());
                }
            }
            return Known::Yes(hook);
        }
        match &chain.end {
            End::Open(why) => Known::Unknown(why.clone()),
            End::Root | End::Framework(_) => Known::No,
        }
    }
}

fn read_hook(module: &Module<'_>, owner: u32, (method, is_certain): (u32, bool)) -> Hook {
    let metadata = &module.metadata;
    let cell = |column| metadata.cell(Table::MethodDef, method, column).unwrap_or(0);
    let (address, implementation, flags) = (cell(0), cell(1), cell(2));
    let mut wrong = Vec::new();
    if flags & 0x10 == 0 {
        wrong.push("it is not static");
    }
    match metadata.blob_of(Table::MethodDef, method, 4).as_deref().and_then(method_shape) {
        None => wrong.push("its signature cannot be read"),
        Some(shape) => {
            let is_accepted = match shape.first {
                Some(ParameterKind::Text) => true,
                Some(ParameterKind::Class(0x01, row)) => is_type(&module.referenced(row)),
                Some(ParameterKind::Class(0x02, row)) => is_type(&module.own_type(row)),
                _ => false,
            };
            if !shape.returns_nothing {
                wrong.push("it returns a value");
            } else if shape.parameters != 1 || !is_accepted {
                wrong.push("it does not take exactly one System.String or System.Type");
            }
            if shape.is_generic {
                wrong.push("it is generic");
            }
            if !shape.is_ordinary {
                wrong.push("it takes a variable number of arguments");
            }
        }
    }
    // A static method without a body of its own runs only as a native function of another library.
    let is_native = flags & 0x2000 != 0;
    if address == 0 && !is_native && wrong.is_empty() {
        wrong.push("it has no body");
    }
    let (runs, because) = if !wrong.is_empty() {
        (Known::No, wrong.into_iter().map(str::to_owned).collect())
    } else if !is_certain {
        let why = "its attribute is named like the framework's and comes from another assembly".to_owned();
        (Known::Unknown(why.clone()), vec![why])
    } else {
        let mut because = vec!["static, void, one parameter".to_owned()];
        if is_native {
            because.push(format!("it stands for {}", native_function(module, method)));
        } else if implementation & 3 == 1 {
            because.push("its body is native code".to_owned());
        }
        (Known::Yes(()), because)
    };
    Hook {
        method: metadata.name(Table::MethodDef, method, 3),
        token: 0x0600_0000 | method,
        offset: metadata.row_offset(Table::MethodDef, method),
        declared_by: module.type_name(owner),
        assembly: None,
        runs,
        because,
    }
}

fn is_type(name: &TypeName) -> bool {
    name.full == "System.Type" && name.origin == Origin::Framework
}

/// The native function that a method stands for, `kernel32.dll!WinExec`.
fn native_function(module: &Module<'_>, method: u32) -> String {
    let metadata = &module.metadata;
    let row = (1..=metadata.rows(Table::ImplMap).min(1 << 20))
        .find(|row| metadata.target(Table::ImplMap, *row, 1) == Some((0x06, method)));
    row.map_or_else(|| "a native function".to_owned(), |row| imported(module, row))
}

/// Library and function of a row of ImplMap.
pub(super) fn imported(module: &Module<'_>, row: u32) -> String {
    let metadata = &module.metadata;
    let library = metadata.cell(Table::ImplMap, row, 3).unwrap_or(0);
    format!("{}!{}", metadata.name(Table::ModuleRef, library, 0), metadata.name(Table::ImplMap, row, 2))
}

fn serviced(chain: &Chain) -> Known<()> {
    match &chain.end {
        End::Framework(name) => match name.strip_prefix(SERVICES) {
            Some("ServicedComponent" | "CompensatingResourceManager.Compensator") => Known::Yes(()),
            _ => Known::No,
        },
        End::Open(why) => Known::Unknown(why.clone()),
        End::Root => Known::No,
    }
}

/// Whether this is that attribute, from the framework.
pub(super) fn is_real(attribute: &Attribute<'_>, name: &str) -> bool {
    attribute.kind.origin != Origin::Own && is_interop(attribute.kind, name)
}

/// What `ComVisible` says, where it stands. The runtime takes one that it cannot read as false.
fn com_visible<'m>(mut attributes: impl Iterator<Item = Attribute<'m>>) -> Option<bool> {
    let attribute = attributes.find(|one| is_real(one, "ComVisible"))?;
    Some(attribute.arguments.is_some_and(|arguments| arguments.first() == Some(&Argument::Flag(true))))
}

fn four_numbers(attribute: &Attribute<'_>) -> Option<[u16; 4]> {
    let numbers: Vec<u16> = attribute
        .arguments
        .as_ref()?
        .iter()
        .filter_map(|one| match one {
            // The runtime keeps the low half.
            Argument::Number(number) => Some(*number as u16),
            _ => None,
        })
        .collect();
    numbers.try_into().ok()
}

fn given_id(text: String) -> ClassId {
    let digits: String = text.chars().filter(|c| *c != '-').collect();
    let is_id = text.len() == 36
        && digits.len() == 32
        && digits.chars().all(|c| c.is_ascii_hexdigit())
        && [8, 13, 18, 23].iter().all(|at| text.as_bytes()[*at] == b'-');
    if is_id { ClassId::Given(format!("{{{}}}", text.to_uppercase())) } else { ClassId::Unusable(text) }
}
