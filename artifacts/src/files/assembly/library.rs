//! The assembly in question together with those that lie beside it, and the chain of base classes through them.

use super::module::{AssemblyName, Base, Module, Origin, TypeName};
use crate::formats::cli::Metadata;
use crate::formats::pages::Pages;
use crate::formats::pe::Pe;
use evidence::{Input, Siblings};

/// Most assemblies beside the one in question that are read.
const MAX_SIBLINGS: usize = 32;
/// Most that is held of the file of one of them, bytes.
const SIBLING_HELD: u64 = 128 << 10;
/// What is given of a folder: a base class of an assembly can lie in another file there.
pub(super) const SIBLINGS: Siblings =
    Siblings { endings: &[".dll", ".exe"], longest: 8 << 20, most: 16, held: SIBLING_HELD };
/// Most that is kept of what is read in all of them, bytes.
const MAX_SIBLING_BYTES: usize = 4 << 20;
/// Most memory that the assemblies beside the one in question take in bytes, whatever their length: what is held and read
/// of them, and what is known of the attributes of one while it is read.
pub(super) const SIBLINGS_MEMORY: u64 = 16 << 20;
/// Longest chain of base classes that is followed.
const MAX_CHAIN: usize = 64;

/// The assemblies that lie in the same folder, to be read where they are.
pub(super) fn siblings<'a>(input: &Input<'a>) -> Vec<Pages<'a>> {
    let folder = |path: &str| path.rsplit_once('\\').map(|(folder, _)| folder.to_uppercase());
    let own = folder(input.original_path);
    let is_one = |path: &str| SIBLINGS.has_name(path) && folder(path) == own;
    let beside = input.companions.iter().filter(|(path, _)| is_one(path)).take(MAX_SIBLINGS);
    beside.map(|(_, bytes)| Pages::program(*bytes, SIBLING_HELD)).collect()
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
    pub(super) fn new(main: Metadata<'a>, siblings: &'a [Pages<'a>]) -> Self {
        let mut modules = vec![Module::new(main)];
        let mut left = MAX_SIBLING_BYTES;
        for file in siblings {
            let metadata = Pe::parse(file)
                .ok()
                .and_then(|pe| pe.cli_header().and_then(|address| Metadata::parse(&pe, address).ok()));
            let Some(mut module) = metadata.map(Module::new) else { continue };
            module.forget_attributes();
            // What cannot be read is as good as not there: what depends on it becomes unknown.
            let is_read = module.assembly.is_some() && module.limits.is_empty() && !module.metadata.is_unread();
            if let Some(rest) = left.checked_sub(module.kept()).filter(|_| is_read) {
                left = rest;
                modules.push(module);
            }
        }
        Library { modules }
    }

    /// Whether something of the files was asked for and could not be read.
    pub(super) fn is_unread(&self) -> bool {
        self.modules.iter().any(|module| module.metadata.is_unread())
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
