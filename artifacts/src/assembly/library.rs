//! The assembly in question together with those that lie beside it, and the chain of base classes through them.

use super::module::{AssemblyName, Base, Module, Origin, TypeName};
use crate::formats::cli::Metadata;
use crate::formats::pe::Pe;
use evidence::Input;

/// Most assemblies beside the one in question that are read, and their largest size together, bytes.
const MAX_SIBLINGS: usize = 32;
const MAX_SIBLING_BYTES: u64 = 128 << 20;
/// Longest chain of base classes that is followed.
const MAX_CHAIN: usize = 64;

/// The bytes of the assemblies that lie in the same folder.
pub(super) fn read_siblings(input: &Input<'_>) -> Vec<Vec<u8>> {
    let folder = |path: &str| path.rsplit_once('\\').map(|(folder, _)| folder.to_uppercase());
    let own = folder(input.original_path);
    let mut left = MAX_SIBLING_BYTES;
    let mut siblings = Vec::new();
    for (path, bytes) in &input.companions {
        let name = path.to_ascii_lowercase();
        if siblings.len() >= MAX_SIBLINGS || folder(path) != own || !(name.ends_with(".dll") || name.ends_with(".exe"))
        {
            continue;
        }
        // What cannot be read is as good as not there: what depends on it becomes unknown.
        if let Ok(Some(data)) = bytes.read_all(left) {
            left -= data.len() as u64;
            siblings.push(data);
        }
    }
    siblings
}

/// The assembly in question first, then its siblings.
pub(super) struct Library<'a> {
    modules: Vec<Module<'a>>,
}

/// A type and the types that it extends, nearest first.
pub(super) struct Chain {
    /// Module and row.
    pub(super) links: Vec<(usize, u32)>,
    pub(super) end: End,
}

/// Where a chain of base classes ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// At a type without a base.
    Root,
    /// At a class of the framework, by full name.
    Framework(String),
    /// At a class that could not be read, and why.
    Open(String),
}

impl<'a> Library<'a> {
    pub(super) fn new(main: Metadata<'a>, siblings: &'a [Vec<u8>]) -> Self {
        let mut modules = vec![Module::new(main)];
        for data in siblings {
            let metadata = Pe::parse(data, data.len() as u64)
                .ok()
                .and_then(|pe| pe.cli_header().and_then(|address| Metadata::parse(&pe, data, address).ok()));
            modules.extend(metadata.map(Module::new).filter(|module| module.assembly.is_some()));
        }
        Library { modules }
    }

    pub(super) fn main(&self) -> &Module<'a> {
        &self.modules[0]
    }

    pub(super) fn module(&self, index: usize) -> &Module<'a> {
        &self.modules[index]
    }

    /// The module that a reference means.
    fn meant(&self, wanted: &AssemblyName) -> Option<usize> {
        self.modules.iter().position(|module| {
            module.assembly.as_ref().is_some_and(|own| {
                own.name.eq_ignore_ascii_case(&wanted.name) && (wanted.token.is_empty() || own.token == wanted.token)
            })
        })
    }

    /// A type of the main module with everything that it extends.
    pub(super) fn chain(&self, row: u32) -> Chain {
        let mut links = vec![(0, row)];
        let end = loop {
            let (module, row) = links[links.len() - 1];
            let next = match self.modules[module].base(row) {
                Base::None => break End::Root,
                Base::Own(base) => Ok((module, base)),
                Base::Named(TypeName { full, origin: Origin::Framework }) => break End::Framework(full),
                Base::Named(name) => self.found(module, name),
            };
            match next {
                Ok(next) if links.contains(&next) => break End::Open("its base classes form a circle".to_owned()),
                Ok(_) if links.len() >= MAX_CHAIN => {
                    break End::Open(format!("it has more than {MAX_CHAIN} base classes"));
                }
                Ok(next) => links.push(next),
                Err(why) => break End::Open(why),
            }
        };
        Chain { links, end }
    }

    /// Where a class that a module only refers to is defined.
    fn found(&self, mut module: usize, name: TypeName) -> Result<(usize, u32), String> {
        let TypeName { full, mut origin } = name;
        for _ in 0..=MAX_SIBLINGS {
            let assembly = match origin {
                Origin::Own => {
                    let row = self.modules[module].type_named(&full);
                    return row.map(|row| (module, row)).ok_or(format!("its base class {full} is not in the file"));
                }
                Origin::Foreign(row) => self.modules[module].reference(row),
                Origin::Framework | Origin::Nowhere => None,
            };
            let Some(assembly) = assembly else { return Err(format!("its base class {full} cannot be read")) };
            let Some(meant) = self.meant(assembly) else {
                return Err(format!("its base class {full} lies in {}, which was not read", assembly.display()));
            };
            if let Some(row) = self.modules[meant].type_named(&full) {
                return Ok((meant, row));
            }
            let Some(next) = self.modules[meant].forwarded_to(&full) else {
                return Err(format!("its base class {full} is not in {}", assembly.display()));
            };
            (module, origin) = (meant, Origin::Foreign(next));
        }
        Err(format!("its base class {full} is passed on in a circle"))
    }
}
