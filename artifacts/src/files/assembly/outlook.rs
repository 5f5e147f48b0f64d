//! What of an assembly would run, for each of the ways in which the tools use it.
//!
//! The tools go through the registrable types and call one method for each. A method that they cannot call is an error
//! that ends the run, so it decides about the types behind it as well.

use super::fields;
use super::module::Module;
use super::types::{Hook, Known, Type};
use crate::formats::pe::{Directory, Pe};
use evidence::{Answer, Field, Value};

/// Most reasons that are listed in one answer.
const MAX_REASONS: usize = 5;

/// IMAGE_FILE_DLL.
const IS_LIBRARY: u16 = 0x2000;

/// An answer with its reasons.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Outlook {
    pub(super) state: Answer,
    pub(super) because: Vec<String>,
}

impl Outlook {
    fn new(state: Answer, because: impl Into<String>) -> Self {
        Outlook { state, because: vec![because.into()] }
    }

    /// A yes is no more than open where something is missing that might say no.
    pub(super) fn unless(mut self, is_missing: bool, what: &str) -> Self {
        if is_missing && self.state == Answer::Yes {
            self.state = Answer::Unknown;
            self.because.push(what.to_owned());
        }
        self
    }

    pub(super) fn as_value(&self) -> Value {
        Value::Map(vec![
            (fields::outlook::STATE.name.to_owned(), self.state.name().into()),
            (fields::outlook::BECAUSE.name.to_owned(), self.because.join("; ").into()),
        ])
    }
}

/// Gathers what decides about one of the two attributes, type by type in stored order.
#[derive(Default)]
struct Walk {
    runs: Vec<String>,
    open: Vec<String>,
    never: Vec<String>,
    /// The first method that ends the run with an error.
    error: Option<String>,
}

fn add(list: &mut Vec<String>, text: impl FnOnce() -> String) {
    if list.len() < MAX_REASONS {
        list.push(text());
    } else if list.len() == MAX_REASONS {
        list.push("and more".to_owned());
    }
}

impl Walk {
    fn take(&mut self, one: &Type, hook: &Known<Hook>) {
        match hook {
            Known::No => {}
            Known::Unknown(why) if one.is_registrable() => add(&mut self.open, || format!("{}: {why}", one.name)),
            Known::Unknown(_) => {}
            Known::Yes(hook) if !one.is_registrable() => add(&mut self.never, || {
                format!("{} is not called: {} is not registrable ({})", hook.title(), one.name, one.because.join(", "))
            }),
            Known::Yes(hook) => match (&hook.runs, &self.error) {
                (Known::Yes(()), None) => add(&mut self.runs, || {
                    let whose = if hook.declared_by == one.name { String::new() } else { format!(" for {}", one.name) };
                    format!("{} is called{whose}", hook.title())
                }),
                // Whether the tool gets there depends on its order, which need not be the stored one.
                (Known::Yes(()), Some(error)) => add(&mut self.open, || {
                    format!("{} is called unless the tool first ends with an error at {error}", hook.title())
                }),
                (Known::Unknown(why), _) => add(&mut self.open, || format!("{}: {why}", hook.title())),
                (Known::No, _) => {
                    let what = format!("{} cannot be called: {}", hook.title(), hook.because.join(", "));
                    self.error.get_or_insert_with(|| hook.title());
                    add(&mut self.never, || what);
                }
            },
        }
    }

    fn outlook(self, which: &str, doubts: &[String], bases: &[String]) -> Outlook {
        if !self.runs.is_empty() {
            let mut because = self.runs;
            // The tool lists all types before it calls anything, which fails when a base class is missing.
            because.extend(bases.first().map(|base| format!("if all types can be loaded ({base})")));
            return Outlook { state: Answer::Yes, because };
        }
        let open: Vec<String> = self.open.into_iter().chain(doubts.iter().cloned()).collect();
        if !open.is_empty() {
            return Outlook { state: Answer::Unknown, because: open };
        }
        if !self.never.is_empty() {
            return Outlook { state: Answer::No, because: self.never };
        }
        Outlook::new(Answer::No, format!("no registrable type has a method with the attribute {which}"))
    }
}

/// Takes the types one after the other and answers at the end.
#[derive(Default)]
pub(super) struct Outlooks {
    register: Walk,
    unregister: Walk,
    serviced: Vec<String>,
    serviced_open: Vec<String>,
    own_attributes: Vec<String>,
}

impl Outlooks {
    pub(super) fn take(&mut self, one: &Type) {
        self.register.take(one, &one.register);
        self.unregister.take(one, &one.unregister);
        if one.is_registrable() {
            match &one.serviced {
                Known::Yes(()) => add(&mut self.serviced, || one.name.clone()),
                Known::Unknown(why) => add(&mut self.serviced_open, || format!("{}: {why}", one.name)),
                Known::No => {}
            }
            one.own_attributes.iter().for_each(|name| add(&mut self.own_attributes, || name.clone()));
        }
    }

    /// The five answers by name of their field. `doubts` is what could hide a method from us.
    pub(super) fn answers(mut self, pe: &Pe<'_>, module: &Module<'_>, doubts: &[String]) -> [(Field, Outlook); 5] {
        let load = on_load(pe, module, &self.serviced_open);
        let Some(assembly) = &module.assembly else {
            let mut answers = match doubts.first() {
                None => NAMES.map(|name| {
                    (
                        name,
                        Outlook::new(
                            Answer::No,
                            "it is a module without an assembly's manifest, which the tools cannot load",
                        ),
                    )
                }),
                Some(doubt) => unreadable(&format!("no manifest of an assembly was found, and {doubt}")),
            };
            answers[4].1 = load;
            return answers;
        };
        for one in module.of_assembly().filter(|one| one.kind.origin == super::module::Origin::Own) {
            add(&mut self.own_attributes, || one.kind.full.clone());
        }
        let register = self.register.outlook("ComRegisterFunction", doubts, &self.serviced_open);
        let unregister = self.unregister.outlook("ComUnregisterFunction", doubts, &self.serviced_open);
        let condition = if assembly.public_key.is_empty() {
            Err(Outlook::new(Answer::No, "regsvcs refuses it: it has no strong name"))
        } else if !self.serviced.is_empty() {
            let names = self.serviced.join(", ");
            match module.metadata.flags & 8 != 0 {
                true => Ok(format!("it has a strong name and a serviced component ({names})")),
                false => Err(Outlook::new(
                    Answer::Unknown,
                    format!(
                        "it has a serviced component ({names}) and a public key, but is not signed: it loads only where \
                         the check of signatures is turned off for it"
                    ),
                )),
            }
        } else if !self.serviced_open.is_empty() {
            let open = self.serviced_open.join("; ");
            Err(Outlook::new(Answer::Unknown, format!("whether it has a serviced component is not known: {open}")))
        } else if let Some(doubt) = doubts.first() {
            Err(Outlook::new(Answer::Unknown, format!("whether it has a serviced component is not known: {doubt}")))
        } else {
            Err(Outlook::new(Answer::No, "regsvcs finds no registrable type in it that extends ServicedComponent"))
        };
        let own_attributes = &self.own_attributes;
        let under_regsvcs = |hook: &Outlook, takes_attributes: bool| match &condition {
            Err(no) => no.clone(),
            Ok(why) => {
                let mut outlook = hook.clone();
                if takes_attributes && outlook.state == Answer::No && !own_attributes.is_empty() {
                    // Reading all attributes of a type makes each of them, and these run code of the file.
                    let names = own_attributes.join(", ");
                    outlook = Outlook::new(
                        Answer::Unknown,
                        format!("regsvcs may make attributes that this file defines: {names}"),
                    );
                }
                outlook.because.insert(0, why.clone());
                outlook
            }
        };
        let for_regsvcs = under_regsvcs(&register, true);
        let rollback = under_regsvcs(&unregister, false);
        [(NAMES[0], register), (NAMES[1], unregister), (NAMES[2], for_regsvcs), (NAMES[3], rollback), (NAMES[4], load)]
    }
}

const NAMES: [Field; 5] = [
    fields::EXECUTES_ON_REGISTER,
    fields::EXECUTES_ON_UNREGISTER,
    fields::EXECUTES_FOR_REGSVCS,
    fields::EXECUTES_FOR_REGSVCS_ROLLBACK,
    fields::EXECUTES_ON_LOAD,
];

/// The five answers for a file whose types cannot be read.
pub(super) fn unreadable(why: &str) -> [(Field, Outlook); 5] {
    NAMES.map(|name| (name, Outlook::new(Answer::Unknown, why)))
}

/// Whether loading alone runs code of the file. Code in intermediate language does not run by loading: not even the
/// module's initialiser, which waits for the first use of the module.
fn on_load(pe: &Pe<'_>, module: &Module<'_>, open: &[String]) -> Outlook {
    if module.metadata.flags & 1 != 0 {
        return match open.first() {
            Some(open) => Outlook::new(
                Answer::Unknown,
                format!("it has intermediate code only, but loading it loads other assemblies ({open})"),
            ),
            None => Outlook::new(Answer::No, "it has intermediate code only, none of which runs by loading"),
        };
    }
    if pe.characteristics & IS_LIBRARY == 0 {
        return Outlook::new(
            Answer::Unknown,
            "it is a program (.exe) with native code: whether another program can load it is not known",
        );
    }
    let callbacks = pe.directory(Directory::Tls).is_some();
    if pe.entry_point == 0 && !callbacks {
        return Outlook::new(Answer::No, "it may have native code, but no entry point that loading would call");
    }
    if !callbacks && is_runtime_stub(pe) {
        return Outlook::new(Answer::No, "its entry point only jumps into the runtime");
    }
    if !callbacks && pe.file.failed() > 0 {
        return Outlook::new(Answer::Unknown, "it has native code, and where loading it enters could not be read");
    }
    let which =
        if callbacks { "thread local storage callbacks and its entry point run" } else { "its entry point runs" };
    Outlook::new(
        Answer::Yes,
        format!("it has native code: {which} when it is loaded (entry point {:#x})", pe.entry_point),
    )
}

/// Whether the entry point is the jump to mscoree that compilers write for managed code: `jmp [address]`, and nothing
/// but mscoree is imported.
fn is_runtime_stub(pe: &Pe<'_>) -> bool {
    let is_jump = pe.u16_at(pe.entry_point) == Some(0x25FF);
    let imports = pe.imports();
    is_jump && matches!(&imports.libraries[..], [(library, _)] if library.eq_ignore_ascii_case("mscoree.dll"))
}
