//! The part of the record that only a .NET assembly has.

use super::fields;
use super::library::{Library, siblings};
use super::map;
use super::module::{AssemblyName, Attribute, Module};
use super::outlook::{self, Outlook, Outlooks};
use super::types::{ClassId, Hook, Known, Type, Types, imported};
use crate::formats::cli::{Argument, Metadata, Table};
use crate::formats::pe::Pe;
use evidence::{Answer, Field, IdSource, Input, ProblemKind, Sink, Value, hex};

/// Most types that are listed; what is asked of them is answered for all.
const MAX_LISTED: usize = 500;
/// Most bytes of names in a list of types or of native functions.
const MAX_LISTED_NAMES: usize = 2 << 20;
/// Most native functions that are listed.
const MAX_NATIVE: u32 = 4096;
/// Longest argument of an attribute that is shown, characters.
const MAX_ARGUMENT: usize = 512;

const UNREAD: &str = "parts of the file or of one beside it could not be read";

type Named = Vec<(Field, Value)>;

fn answers(answers: [(Field, Outlook); 5]) -> impl Iterator<Item = (Field, Value)> {
    answers.into_iter().map(|(name, outlook)| (name, outlook.as_value()))
}

/// The answers for a file that claims to be an assembly and cannot be read as one.
pub(super) fn unreadable(why: &str) -> Named {
    answers(outlook::unreadable(why)).collect()
}

/// What the assembly declares and what of it would run.
pub(super) fn describe(
    pe: &Pe<'_>,
    cli_header: u32,
    input: &Input<'_>,
    malformed: &mut Vec<String>,
    sink: &mut Sink<'_>,
) -> Named {
    let metadata = match Metadata::parse(pe, cli_header) {
        Ok(metadata) => metadata,
        Err(why) => {
            malformed.push(why.clone());
            sink.problem(
                ProblemKind::BadSignature { offset: 0, expected: "CLI metadata".into(), actual: why.clone() },
                None,
                "the file claims to be a .NET assembly and its metadata cannot be read",
                super::UNKNOWN,
            );
            return unreadable(&why);
        }
    };
    malformed.extend(metadata.malformed.iter().cloned());
    let siblings = siblings(input);
    let library = Library::new(metadata, &siblings);
    let module = library.main();
    malformed.extend(module.impostors.iter().cloned());
    let mut doubts = doubts(module);
    for limit in &module.limits {
        sink.problem(ProblemKind::LimitReached, None, *limit, "types or methods may have been missed");
    }
    let types = Types::new(&library);
    let mut outlooks = Outlooks::default();
    let (mut first, mut rest) = (Listed::default(), Listed::default());
    let (mut registrable, mut hooked) = (0u64, 0u64);
    // The first row stands for the module and is no type.
    for row in 2..=module.type_count() {
        let Some(one) = types.read(row) else { continue };
        outlooks.take(&one);
        registrable += u64::from(one.is_registrable());
        hooked += u64::from(one.has_hook());
        if let ClassId::Unusable(text) = &one.clsid
            && malformed.len() < 100
        {
            malformed.push(format!("the Guid of {} is no id: {text}", one.name));
        }
        let list = if one.has_hook() { &mut first } else { &mut rest };
        list.take(row, &one);
    }
    // Types with a method that would run come first where there is no room for all.
    let mut listed: Vec<(u32, Value)> = first.types.into_iter().chain(rest.types).take(MAX_LISTED).collect();
    listed.sort_by_key(|(row, _)| *row);
    let (visible, type_library) = (types.is_com_visible(), types.type_library());
    let mut members = assembly(module);
    members.push((fields::cli::COM_VISIBLE, visible.into()));
    push_id(
        &mut members,
        [fields::cli::TYPE_LIB_ID, fields::cli::TYPE_LIB_ID_FROM, fields::cli::TYPE_LIB_ID_VARIANT_B],
        &type_library,
    );
    members.push((
        fields::cli::REFERENCES,
        module.references().iter().map(AssemblyName::display).collect::<Vec<_>>().into(),
    ));
    members.push((fields::cli::NATIVE_FUNCTIONS, native_functions(module).into()));
    members
        .push((fields::cli::ATTRIBUTES, Value::List(module.of_assembly().map(|one| attribute_value(&one)).collect())));
    members.push((fields::cli::MODULE_INITIALIZER, module.static_constructor(1).is_some().into()));
    members.push((fields::cli::TYPE_COUNT, module.metadata.rows(Table::TypeDef).into()));
    members.push((fields::cli::REGISTRABLE_COUNT, registrable.into()));
    members.push((fields::cli::HOOKED_COUNT, hooked.into()));
    members.push((fields::cli::TYPES, Value::List(listed.into_iter().map(|(_, value)| value).collect())));
    let mut named = vec![(fields::CLI, map(members))];
    // Only what was asked for is read, so what could not be is known last.
    let is_unread = library.is_unread();
    doubts.extend(is_unread.then(|| UNREAD.to_owned()));
    let found = outlooks.answers(pe, module, &doubts);
    named.extend(answers(found.map(|(name, outlook)| (name, outlook.unless(is_unread, UNREAD)))));
    named
}

/// Types that are listed, by row.
#[derive(Default)]
struct Listed {
    types: Vec<(u32, Value)>,
    names: usize,
}

impl Listed {
    fn take(&mut self, row: u32, one: &Type) {
        if self.types.len() < MAX_LISTED && self.names < MAX_LISTED_NAMES {
            self.names += one.name.len() + one.attributes.iter().map(String::len).sum::<usize>();
            self.types.push((row, type_value(one)));
        }
    }
}

/// What could hide a method of the tools from us.
fn doubts(module: &Module<'_>) -> Vec<String> {
    let metadata = &module.metadata;
    let mut doubts: Vec<String> = module.limits.iter().map(|limit| (*limit).to_owned()).collect();
    doubts.extend(metadata.lost.iter().cloned());
    let files = (1..=metadata.rows(Table::File).min(64)).filter(|row| metadata.cell(Table::File, *row, 0) == Some(0));
    doubts.extend(
        files.map(|row| format!("the file {} of the assembly was not read", metadata.name(Table::File, row, 1))),
    );
    doubts.truncate(5);
    doubts
}

fn assembly(module: &Module<'_>) -> Named {
    let metadata = &module.metadata;
    let flag = |bit: u32| Value::Bool(metadata.flags & bit != 0);
    let mut members = vec![
        (fields::cli::RUNTIME_VERSION, metadata.runtime_version.clone().into()),
        (
            fields::cli::FLAGS,
            map(vec![
                (fields::flags::IL_ONLY, flag(1)),
                (fields::flags::REQUIRES_32_BIT, flag(2)),
                (fields::flags::STRONG_NAME_SIGNED, flag(8)),
                (fields::flags::NATIVE_ENTRY_POINT, flag(0x10)),
                (fields::flags::PREFERS_32_BIT, flag(0x20000)),
            ]),
        ),
    ];
    if metadata.is_native_image {
        members.push((fields::cli::NATIVE_IMAGE, true.into()));
    }
    let mvid = metadata.cell(Table::Module, 1, 2).and_then(|index| metadata.guid(index));
    members.extend(mvid.map(|mvid| (fields::cli::MVID, mvid.into())));
    if let Some(own) = &module.assembly {
        members.push((
            fields::cli::ASSEMBLY,
            map(vec![
                (fields::assembly::NAME, own.name.clone().into()),
                (fields::assembly::VERSION, own.version_text().into()),
                (fields::assembly::CULTURE, own.culture_text().into()),
                (fields::assembly::PUBLIC_KEY_TOKEN, own.token_text().into()),
                (fields::assembly::PUBLIC_KEY, hex(&own.public_key).into()),
                (fields::assembly::DISPLAY_NAME, own.display().into()),
            ]),
        ));
        members.push((fields::cli::STRONG_NAME_SIGNATURE, metadata.has_strong_name_signature.into()));
    }
    members
}

fn native_functions(module: &Module<'_>) -> Vec<String> {
    let mut names = 0;
    let all = (1..=module.metadata.rows(Table::ImplMap).min(MAX_NATIVE)).map(|row| imported(module, row));
    all.take_while(|name| {
        names += name.len();
        names <= MAX_LISTED_NAMES
    })
    .collect()
}

fn attribute_value(attribute: &Attribute<'_>) -> Value {
    let mut members = vec![(fields::attribute::NAME, Value::from(attribute.kind.full.clone()))];
    match &attribute.arguments {
        None => members.push((fields::attribute::DAMAGED, true.into())),
        Some(arguments) if !arguments.is_empty() => {
            members
                .push((fields::attribute::ARGUMENTS, arguments.iter().map(argument_text).collect::<Vec<_>>().into()));
        }
        Some(_) => {}
    }
    map(members)
}

fn argument_text(argument: &Argument) -> String {
    match argument {
        Argument::Text(Some(text)) => text.chars().take(MAX_ARGUMENT).collect(),
        Argument::Text(None) => "null".to_owned(),
        Argument::Number(number) => number.to_string(),
        Argument::Flag(flag) => flag.to_string(),
    }
}

fn push_id(members: &mut Named, [name, from, variant_b]: [Field; 3], id: &ClassId) {
    match id {
        ClassId::Given(id) => members.extend([(name, id.clone().into()), (from, IdSource::Attribute.name().into())]),
        ClassId::Derived(id, other) => {
            members.extend([
                (name, id.clone().into()),
                (from, IdSource::Derived.name().into()),
                (variant_b, other.clone().into()),
            ]);
        }
        ClassId::Unusable(_) => members.push((from, IdSource::Unusable.name().into())),
    }
}

fn type_value(one: &Type) -> Value {
    let mut members: Named = vec![
        (fields::of_type::NAME, one.name.clone().into()),
        (fields::of_type::TOKEN, format!("{:#010x}", one.token).into()),
        (fields::of_type::REGISTRABLE, one.is_registrable().into()),
    ];
    if !one.because.is_empty() {
        members.push((fields::of_type::BECAUSE, one.because.clone().into()));
    }
    push_id(
        &mut members,
        [fields::of_type::CLSID, fields::of_type::CLSID_FROM, fields::of_type::CLSID_VARIANT_B],
        &one.clsid,
    );
    members.extend(one.prog_id.as_ref().map(|prog_id| (fields::of_type::PROG_ID, prog_id.clone().into())));
    if one.is_value {
        members.push((fields::of_type::VALUE_TYPE, true.into()));
    }
    let serviced = match &one.serviced {
        Known::Yes(()) => Answer::Yes.name().to_owned(),
        Known::No => Answer::No.name().to_owned(),
        Known::Unknown(why) => format!("{}: {why}", Answer::Unknown.name()),
    };
    members.push((fields::of_type::SERVICED_COMPONENT, serviced.into()));
    if let Some(token) = one.static_constructor {
        members.push((fields::of_type::STATIC_CONSTRUCTOR, format!("{token:#010x}").into()));
    }
    if !one.attributes.is_empty() {
        members.push((fields::of_type::ATTRIBUTES, one.attributes.clone().into()));
    }
    for (name, hook) in [(fields::of_type::REGISTER, &one.register), (fields::of_type::UNREGISTER, &one.unregister)] {
        match hook {
            Known::Yes(hook) => members.push((name, hook_value(hook, one.is_registrable()))),
            Known::Unknown(why) => {
                members.push((
                    name,
                    map(vec![
                        (fields::hook::RUNS, Answer::Unknown.name().into()),
                        (fields::hook::BECAUSE, why.clone().into()),
                    ]),
                ));
            }
            Known::No => {}
        }
    }
    map(members)
}

fn hook_value(hook: &Hook, is_registrable: bool) -> Value {
    let mut because = hook.because.clone();
    let runs = match (&hook.runs, is_registrable) {
        (_, false) => {
            because.push("the type is not registrable".to_owned());
            Answer::No
        }
        (Known::Yes(()), true) => Answer::Yes,
        (Known::No, true) => Answer::No,
        (Known::Unknown(why), true) => {
            because.push(why.clone());
            Answer::Unknown
        }
    };
    let mut members = vec![
        (fields::hook::TOKEN, Value::from(format!("{:#010x}", hook.token))),
        (fields::hook::METHOD, hook.method.clone().into()),
        (fields::hook::DECLARED_BY, hook.declared_by.clone().into()),
    ];
    members.extend(hook.assembly.as_ref().map(|assembly| (fields::hook::DEFINED_IN, assembly.clone().into())));
    members.extend(hook.offset.map(|offset| (fields::hook::OFFSET, offset.into())));
    members.push((fields::hook::RUNS, runs.name().into()));
    because.dedup();
    members.push((fields::hook::BECAUSE, because.join("; ").into()));
    map(members)
}
