//! Whether a method of the assembly is expected to have run, and how far the proof reaches.
//!
//! The rules follow the order in which the tools work: a type's keys are written before its register method
//! is called, and removed after its unregister method was. Writing them needs an elevated token, so a plain
//! registration by a standard user fails before the method, while an unregistration fails after it.
//!
//! Reference: Microsoft, *RegistrationServices class* (reference source), *ComRegisterFunctionAttribute*.

use super::process::Note;
use super::source::{Cited, Places};
use crate::words::list;
use evidence::{
    Answer, Citation, Confidence, Facts, MethodVerdict, Mode, ProgramKind, Proof, Reasoned, Role, Step, Told,
};

/// What is known about a run.
pub(super) struct Known<'a> {
    pub(super) mode: Mode,
    /// Why the tool refuses the command line.
    pub(super) invalid: Option<&'a str>,
    pub(super) elevated: &'a Reasoned,
    pub(super) exit: Option<u64>,
    /// Generation of the CLR that the tool ran under: 1, 2 or 4.
    pub(super) clr: Option<u32>,
    /// Whether the command line names an assembly.
    pub(super) named: bool,
    /// What the reader of the collected assembly found.
    pub(super) facts: Option<&'a Facts>,
    pub(super) facts_cited: Option<Cited>,
    /// Why there are no facts.
    pub(super) no_facts: &'a str,
    /// Why the facts may not be those of the file that ran.
    pub(super) doubt: Option<String>,
    /// What raises that doubt.
    pub(super) doubt_cited: &'a [Cited],
    pub(super) mark: Marked,
    pub(super) stream: Option<&'a str>,
    /// Whether a prefetch file of the run was read, with its list of opened files.
    pub(super) listed: bool,
    /// The assembly was among the loaded or opened files.
    pub(super) loaded: Option<&'a Cited>,
    /// Its registration was written by this run.
    pub(super) registered: Option<&'a Cited>,
    pub(super) child: Option<&'a Note>,
    pub(super) connection: Option<&'a Note>,
    /// A child or connection of which it is not known whether the tool or the CLR made it of itself, and why.
    pub(super) unclear: Option<&'a (Note, &'static str)>,
    pub(super) injected: Option<&'a Note>,
}

/// The mark of the assembly, cited.
#[derive(Clone)]
pub(super) enum Marked {
    Zone(u32, Cited),
    Listed(Cited),
    None,
    Unseen,
}

impl Marked {
    fn cited(&self) -> Option<&Cited> {
        match self {
            Marked::Zone(_, cited) | Marked::Listed(cited) => Some(cited),
            Marked::None | Marked::Unseen => None,
        }
    }
}

/// A hook of the assembly, as its reader found it.
fn hook(facts: &Facts, role: Role) -> (Answer, String) {
    let Some(found) = facts.role(role) else {
        return (Answer::Unknown, "the reader of the file does not say".to_owned());
    };
    let state = found.text_of(Role::State).and_then(Answer::named).unwrap_or(Answer::Unknown);
    (state, found.text_of(Role::Because).unwrap_or_default().to_owned())
}

/// What the rules say before anything observed is weighed.
struct Prediction {
    runs: Answer,
    which: Option<&'static str>,
    because: String,
}

impl Prediction {
    fn new(runs: Answer, which: Option<&'static str>, because: impl Into<String>) -> Self {
        Prediction { runs, which, because: because.into() }
    }
}

fn predict(known: &Known<'_>) -> Prediction {
    match known.mode {
        Mode::Usage => Prediction::new(
            Answer::No,
            None,
            "The command line names no assembly to work on or asks for help, so the tool prints its usage text and ends.",
        ),
        Mode::Invalid => {
            let reason = known.invalid.unwrap_or("it is not valid");
            Prediction::new(
                Answer::No,
                None,
                format!("The tool refuses this command line before it loads an assembly: {reason}."),
            )
        }
        Mode::Regfile => Prediction::new(
            Answer::No,
            None,
            "With /regfile the tool loads the assembly for inspection only and writes a .reg file; no method of it runs.",
        ),
        Mode::Unknown => Prediction::new(
            Answer::Unknown,
            None,
            "The command line is not known, so neither is the assembly or what was asked of it.",
        ),
        Mode::Register => register(known),
        Mode::Unregister => unregister(known),
        Mode::CoplusInstall => install(known),
        Mode::CoplusUninstall => uninstall(known),
    }
}

/// The hook of the assembly with every doubt about it; `Err` when the question ends there.
fn expected(known: &Known<'_>, role: Role, which: &'static str) -> Result<String, Prediction> {
    let Some(facts) = known.facts else {
        let because = format!(
            "{}, so whether it has {} {which} method that can run is not known.",
            known.no_facts,
            if which == "unregister" { "an" } else { "a" }
        );
        return Err(Prediction::new(Answer::Unknown, Some(which), because));
    };
    if let Some(doubt) = &known.doubt {
        return Err(Prediction::new(Answer::Unknown, Some(which), format!("{doubt}.")));
    }
    match facts.text_of(Role::Kind).and_then(ProgramKind::named) {
        Some(ProgramKind::Managed) | None => {}
        Some(kind) => {
            let kind = if kind == ProgramKind::Native { "a native program" } else { "not a program" };
            let because = format!("The file is {kind}, and the tool can load .NET assemblies only.");
            return Err(Prediction::new(Answer::No, Some(which), because));
        }
    }
    match hook(facts, role) {
        (Answer::Yes, because) => match refusal(known) {
            Refusal::None => Ok(because),
            Refusal::Sure(because) => Err(Prediction::new(Answer::No, Some(which), because)),
            Refusal::NotKnown(because) => Err(Prediction::new(Answer::Unknown, Some(which), because)),
        },
        (answer, because) => {
            let words = if answer == Answer::No { "No" } else { "It is not known whether any" };
            let because = format!("{words} {which} method of the assembly can run in this mode: {because}.");
            Err(Prediction::new(answer, Some(which), because))
        }
    }
}

/// The generation of the CLR that a program was built for, by the version in its metadata, and by the core library that it
/// refers to where that is no version. `None` where neither says it, or one says other than the other.
pub(super) fn built_for(facts: &Facts) -> Option<u32> {
    let cli = facts.role(Role::Cli)?;
    let first = |text: &str| text.split('.').next()?.parse::<u32>().ok();
    let metadata = cli.text_of(Role::RuntimeVersion).and_then(|text| first(text.trim().strip_prefix(['v', 'V'])?));
    let core = cli.role(Role::References).into_iter().flat_map(Told::texts).find_map(|reference| {
        let (name, rest) = reference.split_once(',')?;
        let version = rest.split(',').find_map(|part| part.trim().strip_prefix("Version="))?;
        name.eq_ignore_ascii_case("mscorlib").then(|| first(version)).flatten()
    });
    let known = metadata.or(core)?;
    // A core library of version 4 is in no CLR before.
    if core.is_some_and(|core| core >= 4) != (known >= 4) && core.is_some() {
        return None;
    }
    matches!(known, 1 | 2 | 4).then_some(known)
}

/// Whether the CLR refuses to load the assembly because it was built for a newer one.
enum Refusal {
    None,
    Sure(String),
    NotKnown(String),
}

/// Reference: Microsoft, *HRESULT values of the CLR* (`COR_E_NEWER_RUNTIME`, 0x8013101B).
fn refusal(known: &Known<'_>) -> Refusal {
    // What is written after the load shows that it took place.
    if known.registered.is_some() || known.clr == Some(4) {
        return Refusal::None;
    }
    let built = known.facts.and_then(built_for);
    match (known.clr, built) {
        (Some(clr), Some(built)) if built <= clr => Refusal::None,
        // Every CLR that has the tools loads what was built for the first.
        (None, Some(1)) => Refusal::None,
        (Some(clr), Some(built)) => {
            let refused = format!(
                "The assembly was built for version {built} of the CLR, and the tool is the one of version {clr}, which \
                 refuses to load an assembly that was built for a newer one (BadImageFormatException, 0x8013101B)"
            );
            match known.exit {
                Some(0) => Refusal::NotKnown(format!(
                    "{refused}; yet the tool ended with success, which contradicts that, so under which CLR it ran is not known."
                )),
                _ => Refusal::Sure(format!("{refused}, so no method of it is expected to have run.")),
            }
        }
        (Some(clr), None) => Refusal::NotKnown(format!(
            "The tool is the one of version {clr} of the CLR, which refuses to load an assembly that was built for a newer \
             one, and which version this one was built for is not known."
        )),
        (None, built) => {
            let of = built.map_or_else(|| "a version that is not known".to_owned(), |built| format!("version {built}"));
            Refusal::NotKnown(format!(
                "The assembly was built for {of} of the CLR, and under which version the tool ran is not known; an older one \
                 than that of the assembly refuses to load it."
            ))
        }
    }
}

/// Whether the load itself is doubtful, where nothing shows that it took place.
fn load_doubt(known: &Known<'_>) -> Option<String> {
    if known.loaded.is_some() || known.registered.is_some() {
        return None;
    }
    let mark = match &known.mark {
        _ if known.clr == Some(2) => None,
        Marked::Zone(zone @ (3 | 4), _) => Some(format!(
            "the file has a Zone.Identifier of zone {zone}, and version 4 of the CLR may refuse to load it (0x80131515)"
        )),
        Marked::Listed(_) => Some(
            "the file table lists a Zone.Identifier of the file, and what is in it was not collected; version 4 of the CLR \
             may refuse to load a file of zone 3 or 4 (0x80131515)"
                .to_owned(),
        ),
        Marked::Unseen => Some(
            "the source does not show the alternate streams of the file, so it is not known whether it has a \
             Zone.Identifier; version 4 of the CLR may refuse to load a file of zone 3 or 4 (0x80131515)"
                .to_owned(),
        ),
        Marked::Zone(..) | Marked::None => None,
    };
    let stream = known.stream.map(|stream| {
        format!("the assembly is in the alternate data stream \"{stream}\", which most versions of .NET refuse to open")
    });
    stream.or(mark)
}

fn yes_unless(doubt: Option<String>, which: &'static str, because: String) -> Prediction {
    match doubt {
        None => Prediction::new(Answer::Yes, Some(which), because),
        Some(doubt) => Prediction::new(Answer::Unknown, Some(which), format!("{because} But {doubt}.")),
    }
}

fn register(known: &Known<'_>) -> Prediction {
    let which = "register";
    let wrote = known.registered.is_some();
    if known.elevated.state == Answer::No && !wrote {
        if known.exit == Some(0) {
            if let Err(prediction) = expected(known, Role::OnRegister, which)
                && prediction.runs == Answer::No
            {
                return prediction;
            }
            return Prediction::new(
                Answer::Unknown,
                Some(which),
                "The token was not elevated, which normally stops a registration before the method; yet the tool ended \
                 with success. The class keys may have existed below the user's own Software\\Classes, where such a \
                 registration succeeds and the method runs.",
            );
        }
        return Prediction::new(
            Answer::No,
            Some(which),
            "The token was not elevated: writing the class keys fails for the first type, before its register method is \
             reached. (A user who created the same keys below their own Software\\Classes beforehand is the exception.)",
        );
    }
    let because = match expected(known, Role::OnRegister, which) {
        Ok(because) => because,
        Err(prediction) => return prediction,
    };
    let because = format!("The assembly has a register method that can run ({because})");
    match (known.elevated.state, known.exit) {
        _ if wrote => yes_unless(
            load_doubt(known),
            which,
            format!("{because}, and it is called after the class keys, which were written."),
        ),
        (Answer::Yes, Some(0)) => yes_unless(
            load_doubt(known),
            which,
            format!("{because}, the token was elevated and the tool ended with success."),
        ),
        (Answer::Yes, None) => yes_unless(load_doubt(known), which, format!("{because}, and the token was elevated.")),
        (_, Some(0)) => yes_unless(load_doubt(known), which, format!("{because}, and the tool ended with success.")),
        (_, Some(exit)) => Prediction::new(
            Answer::Unknown,
            Some(which),
            format!(
                "{because}, but the tool ended with the error {exit}; whether it failed before or after is not recorded."
            ),
        ),
        (_, None) => Prediction::new(
            Answer::Unknown,
            Some(which),
            format!("{because}, but whether the token was elevated and how the tool ended is not recorded."),
        ),
    }
}

fn unregister(known: &Known<'_>) -> Prediction {
    let which = "unregister";
    let because = match expected(known, Role::OnUnregister, which) {
        Ok(because) => because,
        Err(prediction) => return prediction,
    };
    let because = format!("The assembly has an unregister method that can run ({because})");
    match (known.elevated.state, known.exit) {
        (Answer::No, Some(0)) => {
            yes_unless(load_doubt(known), which, format!("{because}, and it is called before any key is removed."))
        }
        (Answer::No | Answer::Unknown, Some(100)) => yes_unless(
            load_doubt(known),
            which,
            format!(
                "{because}. It is called before the keys are removed, so it is expected to have run although the tool \
                 ended with the error 100: removing the keys is what a token without elevation is refused."
            ),
        ),
        (Answer::Yes, Some(100)) => Prediction::new(
            Answer::Unknown,
            Some(which),
            format!(
                "{because}, but the tool ended with the error 100 although the token was elevated: it may have failed \
                 before the method or in it."
            ),
        ),
        _ => yes_unless(
            load_doubt(known),
            which,
            format!(
                "{because}, and it is called before any key is removed, whatever the token; no earlier registration is needed."
            ),
        ),
    }
}

fn install(known: &Known<'_>) -> Prediction {
    let wrote = known.registered.is_some();
    match (known.elevated.state, wrote) {
        (Answer::Yes, _) | (_, true) => {
            let which = "register";
            let because = match expected(known, Role::ForRegsvcs, which) {
                Ok(because) => because,
                Err(prediction) => return prediction,
            };
            let because = format!("The assembly meets what regsvcs asks for and has a register method ({because})");
            match known.exit {
                Some(exit) if exit != 0 && !wrote => Prediction::new(
                    Answer::Unknown,
                    Some(which),
                    format!(
                        "{because}, but the tool ended with the error {exit:#x}; a failure rolls back and may call the unregister method."
                    ),
                ),
                _ => yes_unless(load_doubt(known), which, format!("{because}, and the token was elevated.")),
            }
        }
        (Answer::No, false) => {
            let which = "unregister";
            let because = match expected(known, Role::ForRegsvcsRollback, which) {
                Ok(because) => because,
                Err(prediction) => return prediction,
            };
            let because = format!(
                "The token was not elevated, so the registration is refused, and the rollback unregisters the assembly, \
                 whose unregister method can run ({because})"
            );
            if known.exit == Some(0) {
                let because = format!("{because}; yet the tool ended with success, which contradicts that.");
                return Prediction::new(Answer::Unknown, Some(which), because);
            }
            yes_unless(load_doubt(known), which, format!("{because}. This follows the logic of the 2.0 generation."))
        }
        (Answer::Unknown, false) => match expected(known, Role::ForRegsvcs, "register") {
            Err(prediction) if prediction.runs == Answer::No => Prediction { which: None, ..prediction },
            _ => Prediction::new(
                Answer::Unknown,
                None,
                "Whether the token was elevated is not recorded: with it the register method is called, without it the \
                 rollback calls the unregister method.",
            ),
        },
    }
}

fn uninstall(known: &Known<'_>) -> Prediction {
    let which = "unregister";
    let because = match expected(known, Role::OnUnregister, which) {
        Ok(because) => because,
        Err(prediction) => return prediction,
    };
    let because = format!("The assembly has an unregister method that can run ({because})");
    if known.exit == Some(0) {
        return yes_unless(load_doubt(known), which, format!("{because}, and the tool ended with success."));
    }
    Prediction::new(
        Answer::Unknown,
        Some(which),
        format!(
            "{because}, but it is only called when the COM+ application existed, and the evidence does not show that; \
             without the application the tool fails before it."
        ),
    )
}

/// Whether the mode can reach a method at all.
fn can_run(mode: Mode) -> bool {
    matches!(mode, Mode::Register | Mode::Unregister | Mode::CoplusInstall | Mode::CoplusUninstall)
}

/// Whether the assembly has a method that can run in this mode, so that an effect can be its doing. What is not known of the
/// file, the token or the CLR leaves that unknown: fewer records never make an effect that of a method.
fn reachable(known: &Known<'_>) -> Answer {
    if known.mode == Mode::Unknown {
        return Answer::Unknown;
    }
    if !can_run(known.mode) {
        return Answer::No;
    }
    let Some(facts) = known.facts.filter(|_| known.doubt.is_none()) else { return Answer::Unknown };
    if facts.text_of(Role::Kind).and_then(ProgramKind::named).is_some_and(|kind| kind != ProgramKind::Managed) {
        return Answer::No;
    }
    let roles: &[Role] = match (known.mode, known.elevated.state) {
        (Mode::Register, _) => &[Role::OnRegister],
        (Mode::CoplusInstall, _) if known.registered.is_some() => &[Role::ForRegsvcs],
        (Mode::CoplusInstall, Answer::Yes) => &[Role::ForRegsvcs],
        (Mode::CoplusInstall, Answer::No) => &[Role::ForRegsvcsRollback],
        (Mode::CoplusInstall, Answer::Unknown) => &[Role::ForRegsvcs, Role::ForRegsvcsRollback],
        _ => &[Role::OnUnregister],
    };
    let all = |answer| roles.iter().all(|role| hook(facts, *role).0 == answer);
    match refusal(known) {
        _ if all(Answer::No) => Answer::No,
        Refusal::None if all(Answer::Yes) => Answer::Yes,
        _ => Answer::Unknown,
    }
}

/// Weighs what the process was seen to do against the prediction.
fn weigh_effect(known: &Known<'_>, prediction: &mut Prediction) {
    let reachable = reachable(known);
    let Some(effect) = known.child.or(known.connection) else {
        let Some((note, why)) = known.unclear else { return };
        // What the CLR refuses to load makes no connection, so one that may be the CLR's own changes nothing.
        let refused = matches!(refusal(known), Refusal::Sure(_));
        if prediction.runs == Answer::No && reachable != Answer::No && !refused {
            prediction.runs = Answer::Unknown;
        }
        let whose = if reachable == Answer::No { "other code in it" } else { "a method of the assembly" };
        prediction.because.push_str(&format!(
            " The process {}; whether that was the tool's own doing or the effect of {whose} is not known: {why}.",
            note.what
        ));
        return;
    };
    let observed = format!("The process {}", effect.what);
    match reachable {
        Answer::Yes if prediction.runs == Answer::Yes => {
            prediction.because.push_str(&format!(" {observed}, which fits."));
        }
        Answer::Yes => {
            prediction.because = format!(
                "{observed}, which the tool itself does not do. What would be expected without that: {}",
                prediction.because
            );
            prediction.runs = Answer::Yes;
        }
        Answer::No => prediction.because.push_str(&format!(
            " Yet the process {}, which the tool itself does not do: other code ran in it.",
            effect.what
        )),
        Answer::Unknown => {
            prediction.runs = Answer::Unknown;
            prediction.because.push_str(&format!(
                " {observed}, which the tool itself does not do; whether a method of the assembly did it or other code that \
                 ran in the process is not known."
            ));
        }
    }
}

/// The verdict: the prediction, unless an effect of a method was observed.
pub(super) fn method(known: &Known<'_>, places: &Places) -> MethodVerdict {
    let mut prediction = predict(known);
    let mut citations: Vec<Citation> = known.elevated.citations.clone();
    citations.extend(known.facts_cited.iter().map(|cited| places.cite(cited)));
    citations.extend(known.doubt_cited.iter().map(|cited| places.cite(cited)));
    citations.extend(known.mark.cited().map(|cited| places.cite(cited)));
    citations.extend([known.loaded, known.registered].into_iter().flatten().map(|cited| places.cite(cited)));
    let shown = known.child.or(known.connection).or(known.unclear.map(|(note, _)| note));
    citations.extend(shown.map(|note| places.cite(&note.cited)));
    weigh_effect(known, &mut prediction);
    if let Some(injected) = known.injected {
        citations.push(places.cite(&injected.cited));
        prediction.because.push_str(&format!(" Code was put into the process from outside: {}.", injected.what));
    }
    if let Some((Answer::Yes, because)) = known.facts.map(|facts| hook(facts, Role::OnLoad))
        && can_run(known.mode)
    {
        prediction.because.push_str(&format!(" Apart from that, code of the file runs when it is loaded ({because})."));
    }
    citations.dedup();
    let Prediction { runs, which, because } = prediction;
    MethodVerdict { runs, which, because, citations, if_same_file: None }
}

/// The same where nothing proves that the program is the tool: what the tool would do says nothing certain of it.
pub(super) fn of_unproven(method: MethodVerdict) -> MethodVerdict {
    if method.runs == Answer::Unknown {
        return MethodVerdict { if_same_file: None, ..method };
    }
    let because = format!(
        "Whether the program is the tool is not proven, so what it did with the assembly is not known. If it is: {}",
        method.because
    );
    MethodVerdict { runs: Answer::Unknown, which: None, because, ..method }
}

/// What a method that ran would need beyond a loaded assembly: only what is not known.
fn next_of_loaded(known: &Known<'_>, method: &MethodVerdict) -> String {
    if method.runs == Answer::No {
        return "nothing: no method of it is expected to run in this mode".to_owned();
    }
    let mut needed = Vec::new();
    if known.facts.is_none() {
        needed.push("the assembly itself");
    } else if known.doubt.is_some() {
        needed.push("the assembly as it was when the tool ran");
    }
    if known.elevated.state == Answer::Unknown {
        needed.push("the token");
    }
    if known.exit.is_none() {
        needed.push("how the process ended");
    }
    match needed.as_slice() {
        [] => "a recorded effect of the method: a child process, a connection, a file, a registry value".to_owned(),
        needed => list(needed),
    }
}

/// What would show that a named assembly was loaded: only what this run could have left and what is not there.
fn next_of_named(known: &Known<'_>) -> String {
    let mut missing = vec!["image loads in Sysmon"];
    if !known.listed {
        missing.push("the prefetch list");
    }
    if matches!(known.mode, Mode::Register | Mode::CoplusInstall) {
        missing.push("the registry keys it writes");
    }
    format!("a record that the assembly was loaded: {}", missing.join(", "))
}

/// The step of the proof ladder.
pub(super) fn proof(known: &Known<'_>, method: &MethodVerdict, identified: bool) -> Proof {
    let recorded = known.loaded.is_some() || known.registered.is_some();
    let step = |level: Step, statement: String, next: &str| {
        let mut inferred = Vec::new();
        if !identified {
            inferred.extend([Step::L0, Step::L1]);
        }
        if matches!(level, Step::L4 | Step::L5) && !recorded {
            inferred.push(Step::L3);
        }
        if level == Step::L4 {
            inferred.push(Step::L4);
        }
        // A step is shown where a record or an object tells of it, and a conclusion is none.
        let shown = Step::ALL.into_iter().rfind(|one| *one <= level && !inferred.contains(one)).unwrap_or(Step::L0);
        let expected = if method.runs == Answer::Yes { shown.max(Step::L4) } else { shown };
        Proof { level, shown, expected, statement, inferred, next_needs: next.to_owned() }
    };
    let effect = known.child.or(known.connection);
    let ran = if identified { "The tool ran" } else { "The tool, or a program at this path, ran" };
    if !known.named && known.loaded.is_none() {
        let also = effect.map(|note| format!(" The process {}.", note.what)).unwrap_or_default();
        let next = match known.mode {
            Mode::Unknown => {
                "the command line: process auditing with command lines, Sysmon, or the memory of the machine"
            }
            _ => "nothing: this command line names no assembly",
        };
        return step(Step::L1, format!("{ran}.{also}"), next);
    }
    let executed = method.runs == Answer::Yes
        && (effect.is_some()
            || known.registered.is_some()
            || known.exit.is_some_and(|exit| exit == 0 || exit == 100 || known.mode == Mode::CoplusInstall));
    if executed && let Some(effect) = effect {
        return step(
            Step::L5,
            format!("{ran} with this assembly, and an effect was recorded: the process {}.", effect.what),
            "nothing",
        );
    }
    if executed {
        return step(
            Step::L4,
            format!(
                "{ran} with this assembly, and its {} method is expected to have run; the recorded outcome agrees.",
                method.which.unwrap_or("attributed")
            ),
            "a recorded effect of the method: a child process, a connection, a file, a registry value",
        );
    }
    if let Some(loaded) = known.loaded.or(known.registered) {
        let direct = match known.loaded {
            Some(_) if loaded.confidence == Confidence::Direct => "the assembly was loaded",
            Some(_) => "the assembly was opened by it",
            None => "the classes of the assembly were registered, for which it is loaded",
        };
        return step(Step::L3, format!("{ran} and {direct}."), &next_of_loaded(known, method));
    }
    step(Step::L2, format!("{ran} with this assembly on its command line."), &next_of_named(known))
}

#[cfg(test)]
mod tests {
    use super::*;
    use evidence::Value;

    /// A registration by version 4 of which nothing else is known.
    fn known<'a>(facts: Option<&'a Facts>, elevated: &'a Reasoned, exit: Option<u64>) -> Known<'a> {
        Known {
            mode: Mode::Register,
            invalid: None,
            elevated,
            exit,
            clr: Some(4),
            named: true,
            facts,
            facts_cited: None,
            no_facts: "",
            doubt: None,
            doubt_cited: &[],
            mark: Marked::None,
            stream: None,
            listed: false,
            loaded: None,
            registered: None,
            child: None,
            connection: None,
            unclear: None,
            injected: None,
        }
    }

    #[test]
    fn the_next_step_needs_only_what_is_missing() {
        let method = MethodVerdict {
            runs: Answer::Unknown,
            which: None,
            because: String::new(),
            citations: Vec::new(),
            if_same_file: None,
        };
        let facts = Facts::new(crate::testing::of("windows:pe:file"), Value::Map(Vec::new()));
        let elevated = Reasoned { state: Answer::Yes, ..Reasoned::default() };
        let unknown = Reasoned::default();
        let needs = |known: Known<'_>| next_of_loaded(&known, &method);
        assert_eq!(needs(known(None, &unknown, None)), "the assembly itself, the token and how the process ended");
        assert_eq!(needs(known(Some(&facts), &elevated, None)), "how the process ended");
        assert!(needs(known(Some(&facts), &elevated, Some(1))).starts_with("a recorded effect of the method"));
        let doubtful = Known { doubt: Some("made later".to_owned()), ..known(Some(&facts), &elevated, Some(0)) };
        assert_eq!(needs(doubtful), "the assembly as it was when the tool ran");
    }

    /// An exit status of 0 is what is expected of a run in which the method ran; no record says that the assembly was loaded.
    #[test]
    fn steps_that_are_concluded_are_not_called_recorded() {
        let method = MethodVerdict {
            runs: Answer::Yes,
            which: Some("register"),
            because: String::new(),
            citations: Vec::new(),
            if_same_file: None,
        };
        let elevated = Reasoned { state: Answer::Yes, ..Reasoned::default() };
        let proof = proof(&known(None, &elevated, Some(0)), &method, true);
        assert_eq!((proof.level, proof.inferred), (Step::L4, vec![Step::L3, Step::L4]));
        assert_eq!((proof.shown, proof.expected), (Step::L2, Step::L4));
    }
}
