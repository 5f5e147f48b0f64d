//! One run of the tool on its way into the report.

use super::computers::Own;
use super::files::{self, Files, Mark};
use super::identity::Basis;
use super::place;
use super::prefetch::{PrefetchFile, Slot};
use super::process::{Process, ProcessId, Processes};
use super::same_file::Standing;
use super::source::{Cited, Places, Source};
use super::traces::{self, ToolTrace, Trace};
use super::unread::{Because, Unread};
use super::verdict::{self, Known, Marked};
use super::word;
use crate::command::{self, Asker, Command, Machine, Resolution, View};
use crate::host::Host;
use crate::paths::{self, Form, PathKey};
use evidence::{
    Answer, AssemblyReference, AssemblyState, Citation, Confidence, Execution, Facts, Filetime, Identified, Identity,
    IfSameFile, ItemId, ItemStatus, JoinRule, MethodVerdict, Mode, Parent, Proof, Reasoned, Related, Tool, User,
};

/// Most entries of a run's picture.
const MOST_RELATED: usize = 300;
const SECOND: i64 = 10_000_000;

/// A run, before the registrations are tied to it.
pub(super) struct Run {
    pub(super) process: Option<ProcessId>,
    pub(super) tool: Tool,
    pub(super) basis: Basis,
    /// Start for joins and for the order.
    pub(super) start: Option<Filetime>,
    pub(super) slots: Vec<Slot>,
    /// Other traces of it, and how sure that is.
    pub(super) traces: Vec<(Trace, Confidence)>,
    /// Positions of runs that this anonymous one could be.
    pub(super) could_be: Vec<usize>,
    pub(super) command: Option<Command>,
    pub(super) assembly: AssemblyReference,
    pub(super) item: Option<ItemId>,
    /// The assembly's path as the tool named it, where Windows made another of it: what it registered has this one.
    pub(super) named: Option<String>,
    pub(super) stream: Option<String>,
    pub(super) no_facts: String,
    /// Whether the file that is judged is the one that was there when it started.
    pub(super) same: Option<Standing>,
    /// A registration that this run wrote.
    pub(super) registered: Option<Cited>,
    /// What the registration that it wrote says of the assembly's name.
    pub(super) registered_name: Option<String>,
    pub(super) registrations: Vec<Related>,
}

/// What shows that the assembly was loaded, or at least opened.
enum Load {
    /// A record of the load.
    Recorded(Cited),
    /// The list of a prefetch file, which does not say in which run a file was opened.
    Listed(Cited),
}

impl Load {
    fn cited(&self) -> &Cited {
        match self {
            Load::Recorded(cited) | Load::Listed(cited) => cited,
        }
    }
}

/// Why nothing is known of the content of a deleted assembly.
fn deleted(because: Option<Because>) -> String {
    because.map_or("The assembly was deleted and its content was not recovered", Because::of_deleted).to_owned()
}

/// What runs need to be described.
pub(super) struct Context<'a> {
    pub(super) host: &'a Host,
    /// What decides there which file a path means.
    pub(super) machine: Machine,
    pub(super) files: &'a Files<'a>,
    pub(super) unread: &'a Unread,
    pub(super) prefetch: &'a [PrefetchFile],
    pub(super) places: &'a Places<'a>,
    /// Which computers are this host.
    pub(super) own: &'a Own,
}

impl<'a> Context<'a> {
    /// For runs of another computer, of which nothing is in this host's evidence but their records.
    pub(super) fn elsewhere(
        host: &'a Host,
        files: &'a Files<'a>,
        unread: &'a Unread,
        places: &'a Places<'a>,
        own: &'a Own,
    ) -> Self {
        Context { host, machine: Machine::default(), files, unread, prefetch: &[], places, own }
    }
}

impl Run {
    pub(super) fn of_process(
        id: ProcessId,
        process: &Process,
        tool: Tool,
        basis: Basis,
        slots: Vec<Slot>,
        context: &Context<'_>,
    ) -> Self {
        let mut line = process.start.command_line.clone();
        if line.is_none()
            && context.host.setting("ProcessCreationIncludeCmdLine_Enabled") == Some("1")
            && process.has_audit
        {
            // With the policy on, an empty field is an empty command line.
            line = Some(String::new());
        }
        let command = line.map(|line| command::read(tool, &line));
        let mut run = Run {
            process: Some(id),
            tool,
            basis,
            start: process.start_for_joins(),
            slots,
            traces: Vec::new(),
            could_be: Vec::new(),
            command,
            assembly: unknown_assembly("the command line is not known"),
            item: None,
            named: None,
            stream: None,
            no_facts: "The assembly was not collected".to_owned(),
            same: None,
            registered: None,
            registered_name: None,
            registrations: Vec::new(),
        };
        run.find_assembly(Some(process), context);
        run.settle(Some(process), context);
        run
    }

    pub(super) fn of_slot(slot: Slot, could_be: Vec<usize>, context: &Context<'_>) -> Self {
        let mut run = Run {
            process: None,
            tool: slot.tool,
            basis: slot.basis.clone(),
            start: Some(slot.at),
            slots: vec![slot],
            traces: Vec::new(),
            could_be,
            command: None,
            assembly: unknown_assembly("the command line is not known"),
            item: None,
            named: None,
            stream: None,
            no_facts: "The assembly is not known".to_owned(),
            same: None,
            registered: None,
            registered_name: None,
            registrations: Vec::new(),
        };
        run.find_assembly(None, context);
        run.settle(None, context);
        run
    }

    /// A run that only traces show, of which none has a process.
    pub(super) fn of_traces(traces: Vec<ToolTrace>) -> Option<Self> {
        let first = traces.first()?;
        let bound = traces.iter().filter_map(|found| found.trace.not_after()).min();
        // A start is recorded a few seconds late where another trace shows that it ran before.
        let start = traces.iter().filter_map(|found| found.trace.started()).min();
        let start = start.map(|start| bound.map_or(start, |bound| start.min(bound)));
        Some(Run {
            process: None,
            tool: first.tool,
            basis: first.basis.clone(),
            start,
            slots: Vec::new(),
            traces: traces.into_iter().map(|found| (found.trace, Confidence::Strong)).collect(),
            could_be: Vec::new(),
            command: None,
            assembly: unknown_assembly("the command line is not known"),
            item: None,
            named: None,
            stream: None,
            no_facts: "The assembly is not known".to_owned(),
            same: None,
            registered: None,
            registered_name: None,
            registrations: Vec::new(),
        })
    }

    /// Its process, where a record has it.
    pub(super) fn process_in<'p>(&self, processes: &'p Processes) -> Option<&'p Process> {
        processes.get(self.process?)
    }

    /// When it started, at the latest.
    pub(super) fn not_after(&self) -> Option<Filetime> {
        self.traces.iter().filter_map(|(trace, _)| trace.not_after()).min()
    }

    fn find_assembly(&mut self, process: Option<&Process>, context: &Context<'_>) {
        let Some(command) = &self.command else {
            self.assembly_from_prefetch(context);
            return;
        };
        let Some(argument) = command.assembly.clone() else {
            self.assembly.resolution = "the command line names no assembly".to_owned();
            return;
        };
        let own = process.and_then(|process| process.start.current_directory.clone());
        let inherited = process.and_then(|process| process.parent_directory.clone()).filter(|_| own.is_none());
        let directory = own.as_deref().or(inherited.as_deref());
        let asker = Asker {
            current_directory: directory,
            image: process.map(|process| process.start.image.as_str()),
            is_32_bit: process.and_then(|process| place::is_32_bit(process, context.files)),
            computer: process.map(|process| process.computer.as_str()),
        };
        let mut resolution = command::resolve(self.tool, &argument, &asker, &context.machine);
        if inherited.is_some() && paths::form(&argument) == Form::Relative {
            resolution.rule.push_str(
                "; the directory is that of the parent process, which a child inherits unless told otherwise",
            );
        }
        self.stream.clone_from(&resolution.stream);
        self.assembly = AssemblyReference {
            argument: Some(argument.clone()),
            resolved_path: None,
            resolution: String::new(),
            sha256: None,
            state: AssemblyState::Unresolved,
            candidates: Vec::new(),
            judged: None,
            same_file: None,
        };
        self.choose(&argument, directory, &resolution, context);
        self.assembly.resolution = format!("{}{}", resolution.rule, self.assembly.resolution);
    }

    /// Picks the candidate that exists, or else the likeliest one.
    fn choose(&mut self, argument: &str, directory: Option<&str>, resolution: &Resolution, context: &Context<'_>) {
        let files = context.files;
        let assembly = &mut self.assembly;
        let found = resolution.candidates.iter().find_map(|path| files.find(path).map(|found| (path, found)));
        if let Some((path, found)) = found {
            if self.is_in_doubt(path, resolution) {
                return;
            }
            let assembly = &mut self.assembly;
            let others = resolution.candidates.iter().filter(|other| *other != path && files.find(other).is_some());
            assembly.candidates = others.cloned().collect();
            assembly.resolved_path = Some(path.clone());
            let certain = PathKey::new(path).volume == PathKey::new(&found.path).volume;
            if !certain {
                assembly.resolution.push_str("; that the volume is the same one is assumed");
            }
            self.take(found.item, &found.sha256, found.status, found.recovery.is_some());
            return;
        }
        if let Some(path) = resolution.candidates.iter().find(|path| files.traced(path) == Some(true)) {
            if self.is_in_doubt(path, resolution) {
                return;
            }
            self.assembly.resolved_path = Some(path.clone());
            self.assembly.state = AssemblyState::Deleted;
            self.no_facts = deleted(context.unread.any_of(std::iter::once(path.as_str())));
            return;
        }
        if resolution.display_name {
            self.no_facts =
                "The assembly is named by its identity, which the evidence does not lead to a file".to_owned();
            return;
        }
        if resolution.remote.is_some() {
            assembly.resolved_path = resolution.candidates.first().cloned();
            assembly.state = AssemblyState::Remote;
            self.no_facts = "The assembly is on another machine and was not collected".to_owned();
            return;
        }
        if resolution.incomplete {
            assembly.candidates = files.named(paths::file_name(argument));
            assembly.candidates.extend(resolution.candidates.iter().cloned());
            self.no_facts = "Which file the command line means is not known".to_owned();
            return;
        }
        let in_directory = directory
            .map(|directory| paths::join(directory, argument))
            .filter(|_| paths::form(argument) == Form::Relative)
            .map(|path| resolution.views.iter().find(|view| view.from == path).map_or(path, |view| view.path.clone()));
        let likeliest = in_directory
            .filter(|path| resolution.candidates.contains(path))
            .or_else(|| resolution.candidates.first().cloned());
        if likeliest.as_deref().is_some_and(|path| self.is_in_doubt(path, resolution)) {
            return;
        }
        let assembly = &mut self.assembly;
        assembly.candidates =
            resolution.candidates.iter().filter(|path| Some(*path) != likeliest.as_ref()).cloned().collect();
        assembly.resolved_path = likeliest;
        if let Some(path) = &assembly.resolved_path
            && resolution.is_own_share
            && !context.unread.was_looked_for(path)
        {
            assembly.state = AssemblyState::Unknown;
            assembly.resolution.push_str(Because::NotLookedFor.of_path());
            self.no_facts = "The assembly was not looked for in the folder that is shared".to_owned();
            return;
        }
        let because = context.unread.any_of(resolution.candidates.iter().map(String::as_str));
        let is_listed = resolution.candidates.iter().all(|path| files.lists(path));
        self.not_found(because.or_else(|| (!is_listed).then_some(Because::NoFileSystem)));
    }

    /// Says which file the redirector made of the path. Where that is not known, both stay candidates, and neither is judged.
    fn is_in_doubt(&mut self, path: &str, resolution: &Resolution) -> bool {
        let is_of = |view: &&View| view.path == path || !view.is_sure && view.from == path;
        let Some(view) = resolution.views.iter().find(is_of) else { return false };
        self.assembly.resolution.push_str(&view.words);
        self.named = Some(view.from.clone());
        if !view.is_sure {
            self.assembly.resolved_path = None;
            self.assembly.candidates = vec![view.path.clone(), view.from.clone()];
            self.no_facts = "Which of two files the command line means is not known".to_owned();
        }
        !view.is_sure
    }

    /// The file is not in the evidence, or that cannot be said.
    fn not_found(&mut self, because: Option<Because>) {
        match because {
            None => {
                self.assembly.state = AssemblyState::Absent;
                self.no_facts = "The assembly is not in the evidence".to_owned();
            }
            Some(because) => {
                self.assembly.state = AssemblyState::Unknown;
                self.assembly.resolution.push_str(because.of_path());
                self.no_facts = because.of_assembly().to_owned();
            }
        }
    }

    pub(super) fn take(&mut self, item: ItemId, sha256: &str, status: ItemStatus, recovered: bool) {
        self.item = Some(item);
        self.assembly.state = match (status, recovered) {
            (ItemStatus::Failed, _) => {
                self.no_facts = "The assembly is there, but could not be read".to_owned();
                self.assembly.resolution.push_str("; the file is there, but could not be read");
                AssemblyState::Unknown
            }
            (_, true) => AssemblyState::Recovered,
            (_, false) => AssemblyState::Present,
        };
        if status != ItemStatus::Failed {
            self.assembly.sha256 = Some(sha256.to_owned());
        }
    }

    /// Without a command line the list of the prefetch file may still tell what the tool opened.
    fn assembly_from_prefetch(&mut self, context: &Context<'_>) {
        let Some(file) = self.slots.first().and_then(|slot| context.prefetch.get(slot.file)) else { return };
        let found = file.foreign_programs();
        let shown = |path: &str| context.host.with_letter(path).map_or_else(|| path.to_owned(), |(path, _)| path);
        match found.as_slice() {
            [] => {}
            [only] => {
                self.assembly.resolution =
                    "the only program outside Windows in the list of the prefetch file; in which of its runs it was opened is not recorded"
                        .to_owned();
                let path = shown(only);
                let because = context.unread.any_of(std::iter::once(&**only));
                self.assembly.resolved_path = Some(path);
                if let Some(found) = context.files.find(only) {
                    let (path, item, sha256) = (found.path.to_owned(), found.item, found.sha256.to_owned());
                    let (status, recovered) = (found.status, found.recovery.is_some());
                    self.assembly.resolved_path = Some(path);
                    self.take(item, &sha256, status, recovered);
                } else if context.files.traced(only) == Some(true) {
                    self.assembly.state = AssemblyState::Deleted;
                    self.no_facts = deleted(because);
                } else {
                    self.not_found(because);
                }
            }
            several => {
                self.assembly.resolution =
                    "the command line is not known; programs outside Windows in the list of the prefetch file"
                        .to_owned();
                self.assembly.candidates = several.iter().map(|path| shown(path)).collect();
            }
        }
    }

    pub(super) fn mode(&self) -> Mode {
        self.command.as_ref().map_or(Mode::Unknown, |command| command.mode)
    }

    /// The window in which keys that the run wrote were last changed.
    pub(super) fn wrote_between(&self, process: Option<&Process>) -> Option<(Filetime, Filetime)> {
        let start = self.start?;
        // By the clock of the start, whatever it showed at the end.
        let lasted = process.and_then(|process| Some(process.ended?.ticks_since(process.started?)));
        let ended = lasted.and_then(|ticks| start.checked_add_ticks(ticks));
        let until = match ended.or_else(|| process.and_then(Process::ended_as_recorded)) {
            Some(ended) => ended.checked_add_ticks(5 * SECOND)?,
            None => start.checked_add_ticks(60 * SECOND)?,
        };
        Some((start.checked_add_ticks(-SECOND)?, until))
    }

    /// The facts of its assembly.
    pub(super) fn facts<'a>(&self, files: &'a Files) -> Option<&'a Facts> {
        files.facts_of(self.item?).map(|(facts, _)| facts)
    }

    /// The run as the report shows it.
    pub(super) fn describe(&self, id: String, process: Option<&Process>, context: &Context<'_>) -> Execution {
        let elevated = process.map_or_else(Reasoned::default, |process| elevation(process, context.places));
        let loaded = self.loaded(process, context);
        let (method, proof) = self.judge(process, &elevated, loaded.as_ref(), context);
        let image = self.image(process, context);
        let started = process.map_or(self.start, Process::started_as_recorded);
        let command = self.command.as_ref();
        Execution {
            id,
            tool: self.tool,
            renamed: command::tool_named(&image).is_none(),
            patched: self.basis.is_patched,
            identity: self.basis.identity,
            identity_because: self.basis.because.clone(),
            identified: if process.is_some() { Identified::Full } else { Identified::Anonymous },
            command_line: process.and_then(|process| process.start.command_line.clone()),
            current_directory: process.and_then(|process| process.start.current_directory.clone()),
            started,
            started_corrected: process.and_then(|process| process.started?.corrected()),
            started_local: started.and_then(|at| context.host.local(at)),
            not_after: self.not_after().filter(|_| self.is_by_traces(process)),
            ended: process.and_then(Process::ended_as_recorded),
            exit_code: process.and_then(|process| process.exit),
            pid: process.and_then(|process| process.pid),
            process_guid: process.and_then(|process| process.start.guid.as_ref()).map(|guid| format!("{{{guid}}}")),
            computer: match process {
                Some(process) => Some(process.computer.clone()).filter(|name| !name.is_empty()),
                None => context.host.name.clone(),
            },
            another_computer: Answer::Unknown,
            parent: process.and_then(parent),
            user: match process {
                Some(process) => user(process, elevated, context.host),
                None => self.named_user(context.host),
            },
            mode: self.mode(),
            options: command.map(|command| command.options.clone()).unwrap_or_default(),
            warnings: self.warnings(process),
            assembly: AssemblyReference { same_file: self.same_file(context), ..self.assembly.clone() },
            method,
            proof,
            sources: self.sources(process, context.places),
            related: self.related(process, started, context),
            confidence: match (self.basis.identity, process) {
                (Identity::ByName, _) => Confidence::Circumstantial,
                (_, Some(process)) if process.is_recovered() => Confidence::Strong,
                (_, Some(_)) => Confidence::Direct,
                (_, None) => Confidence::Strong,
            },
            merge_candidates: Vec::new(),
            image,
        }
    }

    /// Path of its program.
    fn image(&self, process: Option<&Process>, context: &Context<'_>) -> String {
        let of_slot = || {
            let file = self.slots.first().and_then(|slot| context.prefetch.get(slot.file));
            file.map(|file| file.path.clone())
        };
        let of_trace = || self.traces.first().map(|(trace, _)| trace.image.clone());
        process.map(|process| process.start.image.clone()).or_else(of_slot).or_else(of_trace).unwrap_or_default()
    }

    /// Whether nothing but traces shows it.
    fn is_by_traces(&self, process: Option<&Process>) -> bool {
        process.is_none() && self.slots.is_empty()
    }

    /// The records that show it, by the rules that joined them.
    fn sources(&self, process: Option<&Process>, places: &Places) -> Vec<Citation> {
        let of_process = process.map(|process| process.sources.as_slice()).unwrap_or_default();
        let mut sources: Vec<_> = of_process.iter().map(|cited| places.cite(cited)).collect();
        for cited in self.slots.iter().flat_map(|slot| &slot.sources) {
            let rule = if process.is_some() { JoinRule::J7 } else { JoinRule::Anchor };
            sources.push(places.cite(&cited.source.clone().by(rule, Confidence::Strong)));
        }
        for (trace, confidence) in &self.traces {
            let rule = if self.is_by_traces(process) { JoinRule::Anchor } else { trace.rule() };
            let cited = trace.sources.iter().map(|source| source.clone().by(rule, *confidence));
            sources.extend(cited.map(|cited| places.cite(&cited)));
        }
        sources
    }

    /// What of it is odd, or not recorded.
    fn warnings(&self, process: Option<&Process>) -> Vec<String> {
        let command = self.command.as_ref();
        let mut warnings = command.map(|command| command.warnings.clone()).unwrap_or_default();
        if let Some(reason) = command.and_then(|command| command.invalid.as_ref()) {
            warnings.push(format!("invalid: {reason}"));
        }
        if let (Some(predicted), Some(exit)) =
            (command.and_then(|command| command.predicted_exit), process.and_then(|process| process.exit))
            && u64::from(predicted) != exit
        {
            warnings.push(format!(
                "exit_status: by its command line it should have ended with {predicted}, and it ended with {exit}"
            ));
        }
        if process.is_some_and(Process::is_recovered) {
            warnings.push(
                "recovered: every record of this process lay in the free space of a log, where it can be old or damaged"
                    .to_owned(),
            );
        }
        if process.is_some_and(|process| !process.has_sysmon && !process.has_audit && !process.has_live) {
            warnings
                .push("no_start_record: the start of this process is not recorded; other records of it are".to_owned());
        }
        warnings
    }

    /// The account of a run without a process record, where a trace names it.
    fn named_user(&self, host: &Host) -> Option<User> {
        let (artifact, sid) = self.traces.iter().find_map(|(trace, _)| Some((trace.artifact, trace.user.clone()?)))?;
        let name = host.user_name(&sid).map(str::to_owned);
        Some(User { name, sid: Some(sid), named_by: Some(artifact.to_owned()), ..User::default() })
    }

    /// What shows that the assembly was loaded, or at least opened.
    fn loaded(&self, process: Option<&Process>, context: &Context<'_>) -> Option<Load> {
        let path = self.assembly.resolved_path.as_deref()?;
        let key = PathKey::new(path);
        let image = process.and_then(|process| process.loaded.iter().find(|one| one.image.same_file(&key)));
        if let Some(one) = image {
            return Some(Load::Recorded(one.cited.clone()));
        }
        let file =
            self.slots.iter().filter_map(|slot| context.prefetch.get(slot.file)).find(|file| file.lists(path))?;
        // The list is that of the newest runs together. It proves the load in this run only if there was no other.
        let confidence = if file.run_count == Some(1) { Confidence::Strong } else { Confidence::Circumstantial };
        Some(Load::Listed(file.source.clone().by(JoinRule::J7, confidence)))
    }

    /// Generation of the CLR that it ran under: that of its framework folder, or what the collected program was built for.
    fn clr(&self, process: Option<&Process>, context: &Context<'_>) -> Option<u32> {
        let image = self.image(process, context);
        if let Some(clr) = word::framework_of(&PathKey::new(&image)) {
            return Some(clr);
        }
        let found =
            context.files.find(&image).filter(|found| self.start.is_none_or(|start| !found.is_newer_than(start)))?;
        let (facts, _) = context.files.facts_of(found.item)?;
        verdict::built_for(facts)
    }

    fn judge(
        &self,
        process: Option<&Process>,
        elevated: &Reasoned,
        loaded: Option<&Load>,
        context: &Context<'_>,
    ) -> (MethodVerdict, Proof) {
        let facts = self.item.and_then(|item| context.files.facts_of(item));
        let registered_other = self.registered_other(context.files);
        let doubt = match (&registered_other, &self.same) {
            _ if facts.is_none() => None,
            (Some(words), _) => Some(words.clone()),
            (None, Some(standing)) => standing.doubt(self.assembly.judged.is_some()),
            (None, None) => None,
        };
        let doubt_cited = self.same.as_ref().filter(|_| doubt.is_some()).map(|one| one.cited.as_slice());
        let by = |source: Source| source.by(JoinRule::J10, Confidence::Strong);
        let mark = match self.assembly.resolved_path.as_deref().map(|path| context.files.mark_of(path)) {
            Some(Mark::Zone(zone, source)) => Marked::Zone(zone, by(source)),
            Some(Mark::Listed(source)) => Marked::Listed(by(source)),
            Some(Mark::None) => Marked::None,
            Some(Mark::Unseen) | None => Marked::Unseen,
        };
        // A list does not show that this run loaded the file, so it takes no doubt away.
        let certain_load = match loaded {
            Some(Load::Recorded(cited)) if cited.confidence != Confidence::Circumstantial => Some(cited),
            _ => None,
        };
        let known = |doubt: Option<String>| Known {
            mode: self.mode(),
            invalid: self.command.as_ref().and_then(|command| command.invalid.as_deref()),
            elevated,
            exit: process.and_then(|process| process.exit),
            clr: self.clr(process, context),
            named: self.assembly.argument.is_some() && !matches!(self.mode(), Mode::Usage | Mode::Invalid),
            facts: facts.as_ref().map(|(facts, _)| *facts),
            facts_cited: facts.as_ref().and_then(|(_, source)| source.clone()).map(|source| {
                source.by(JoinRule::J10, if doubt.is_some() { Confidence::Circumstantial } else { Confidence::Strong })
            }),
            no_facts: &self.no_facts,
            doubt_cited: doubt_cited.unwrap_or_default(),
            doubt,
            mark: mark.clone(),
            stream: self.stream.as_deref(),
            listed: !self.slots.is_empty(),
            loaded: certain_load,
            registered: self.registered.as_ref(),
            child: process.and_then(|process| process.child.as_deref()),
            connection: process.and_then(|process| process.connection.as_deref()),
            unclear: process.and_then(|process| process.unclear.as_deref()),
            injected: process.and_then(|process| process.injected.as_deref()),
        };
        let mut method = verdict::method(&known(doubt.clone()), context.places);
        if doubt.is_some() && registered_other.is_none() && method.runs == Answer::Unknown {
            let MethodVerdict { runs, which, because, .. } = verdict::method(&known(None), context.places);
            method.if_same_file = Some(IfSameFile { runs, which, because });
        }
        if self.basis.identity == Identity::ByName {
            method = verdict::of_unproven(method);
        }
        let known = Known { loaded: loaded.map(Load::cited), ..known(doubt) };
        let proof = verdict::proof(&known, &method, self.basis.identity != Identity::ByName);
        (method, proof)
    }

    /// That the assembly which it registered has another name than the file that is judged.
    fn registered_other(&self, files: &Files) -> Option<String> {
        let (registered, own) = (self.registered_name.as_deref()?, files::assembly_name(self.facts(files)?)?);
        (!registered.eq_ignore_ascii_case(own)).then(|| {
            format!(
                "The run registered the assembly {registered}, and the file that is now at that path is {own}, another \
                 assembly; so its methods are not those that ran"
            )
        })
    }

    /// Whether the file that is judged is the one that ran, for the report.
    fn same_file(&self, context: &Context<'_>) -> Option<Reasoned> {
        let standing = self.same.as_ref()?;
        if let Some(because) = self.registered_other(context.files) {
            return Some(Reasoned { state: Answer::No, because, citations: Vec::new() });
        }
        let citations = standing.cited.iter().map(|cited| context.places.cite(cited)).collect();
        Some(Reasoned { state: standing.state, because: standing.because.clone(), citations })
    }

    fn related(&self, process: Option<&Process>, started: Option<Filetime>, context: &Context<'_>) -> Vec<Related> {
        let places = context.places;
        let mut found: Vec<Related> = self.registrations.clone();
        if let Some(process) = process {
            found.extend(process.notes.iter().map(|note| Related {
                at: note.at,
                what: note.what.clone(),
                class: note.class,
                citation: places.cite(&note.cited),
            }));
            if let (Some(cited), Some(at)) = (&process.parent_cited, started) {
                let image = process.start.parent_image.as_deref().unwrap_or("its parent");
                found.push(Related {
                    at,
                    what: format!("started by {image}"),
                    class: "process",
                    citation: places.cite(cited),
                });
            }
        }
        if let (Some(path), Some(from)) = (self.assembly.resolved_path.as_deref(), self.start) {
            let to = process.and_then(Process::ended_as_recorded).unwrap_or(from);
            found.extend(context.files.around(path, from, to, places));
        }
        found.sort_by(|a, b| (a.at, a.class, &a.what, &a.citation).cmp(&(b.at, b.class, &b.what, &b.citation)));
        found.dedup();
        if found.len() > MOST_RELATED {
            // What is nearest to the start is kept.
            if let Some(from) = self.start {
                found.sort_by_key(|one| one.at.ticks_since(from).unsigned_abs());
            }
            found.truncate(MOST_RELATED);
            found.sort_by(|a, b| (a.at, a.class, &a.what, &a.citation).cmp(&(b.at, b.class, &b.what, &b.citation)));
        }
        found
    }

    /// How many entries of its picture are left out.
    pub(super) fn left_out(process: Option<&Process>) -> u64 {
        process.map_or(0, |process| process.notes_left_out)
    }
}

fn unknown_assembly(because: &str) -> AssemblyReference {
    AssemblyReference {
        argument: None,
        resolved_path: None,
        resolution: because.to_owned(),
        sha256: None,
        state: AssemblyState::Unknown,
        candidates: Vec::new(),
        judged: None,
        same_file: None,
    }
}

fn parent(process: &Process) -> Option<Parent> {
    let start = &process.start;
    let parent = Parent {
        image: start.parent_image.clone(),
        command_line: start.parent_command_line.clone(),
        pid: start.parent_pid,
    };
    (parent != Parent::default()).then_some(parent)
}

fn user(process: &Process, elevated: Reasoned, host: &Host) -> Option<User> {
    let start = &process.start;
    let sid = start.sid.clone().or_else(|| start.user.as_deref().and_then(|name| host.sid_of(name)).map(str::to_owned));
    let name = start.user.clone().or_else(|| sid.as_deref().and_then(|sid| host.user_name(sid)).map(str::to_owned));
    if sid.is_none() && name.is_none() && start.integrity.is_none() && start.logon_id.is_none() {
        return None;
    }
    Some(User {
        sid,
        name,
        integrity: start.integrity.map(str::to_owned),
        elevated,
        logon_id: start.logon_id.clone(),
        named_by: None,
    })
}

/// Whether the token was elevated: the integrity label decides, the elevation type where there is none.
fn elevation(process: &Process, places: &Places) -> Reasoned {
    let start = &process.start;
    let kind = start.elevation.as_deref();
    let (state, mut because) = match start.integrity {
        Some(level @ ("high" | "system")) => (Answer::Yes, format!("its integrity level was {level}")),
        Some(level) => (Answer::No, format!("its integrity level was {level}")),
        None => match (kind, start.sid.as_deref()) {
            (Some("%%1937"), _) => (Answer::Yes, "its token was of the elevated type (%%1937)".to_owned()),
            (Some("%%1938"), _) => (Answer::No, "its token was the limited half of a split one (%%1938)".to_owned()),
            (_, Some("S-1-5-18")) => (Answer::Yes, "it ran as the system".to_owned()),
            (Some("%%1936"), _) => (
                Answer::Unknown,
                "its token was of the default type (%%1936), which administrators without UAC, services and standard \
                 users have alike, and no integrity level was recorded"
                    .to_owned(),
            ),
            _ => return Reasoned::default(),
        },
    };
    let contradicts = matches!(
        (start.integrity, kind),
        (Some("high" | "system"), Some("%%1938")) | (Some("low" | "medium"), Some("%%1937"))
    );
    if contradicts {
        because.push_str(&format!("; the type of its token ({}) says otherwise", kind.unwrap_or_default()));
    }
    let citations = process.sources.first().map(|cited| places.cite(cited)).into_iter().collect();
    Reasoned { state, because, citations }
}

/// Names the runs to which the traces belong, and gives those that are runs of their own; `until` gives the end of the boot
/// of a moment.
pub(super) fn tie_traces(
    traces: Vec<ToolTrace>,
    joined: Vec<Option<(usize, Confidence)>>,
    runs: &mut [Run],
    until: &dyn Fn(Filetime) -> Option<Filetime>,
) -> Vec<Vec<ToolTrace>> {
    let mut alone = Vec::new();
    for (found, joined) in traces.into_iter().zip(joined) {
        match joined.and_then(|(run, confidence)| Some((runs.get_mut(run)?, confidence))) {
            Some((run, confidence)) => run.traces.push((found.trace, confidence)),
            None => alone.push(found),
        }
    }
    traces::gather(alone, until)
}
