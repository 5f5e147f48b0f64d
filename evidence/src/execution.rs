//! One run of the tool, everything that was joined to it, and the answers that a report gives.
//!
//! These types are the published shape of `report.json`; a change here is a change of its schema.

use crate::record::{Facts, Locator};
use crate::rule::JoinRule;

use crate::state::{Answer, RegistrationState, RegistryView};
use crate::technique::Tool;
use crate::time::Filetime;
use crate::value::Value;
use serde::Serialize;

/// A place in the evidence that supports a statement: which artifact, which object, its hash, where in it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Citation {
    /// Artifact id.
    pub artifact: String,
    /// Original path of the object.
    pub item: String,
    /// SHA-256 of the object's stored bytes.
    pub sha256: String,
    /// Where in it.
    pub locator: Locator,
    /// Rule by which it was joined.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<JoinRule>,
    /// How sure the join is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confidence: Option<Confidence>,
    /// Id of the row of the timeline in which the record stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event_id: Option<String>,
    /// Whether the record was recovered from where nothing counts it any more: free space of a log, free cells of a hive.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub recovered: bool,
}

/// Confidence classes C1 to C4: what kind of statement the evidence allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Confidence {
    /// C1: a kernel, audit or driver record, or the bytes of the object itself. "Recorded".
    Direct,
    /// C2: two independent artifacts agree, or the meaning of one implies it. "Established by … and …".
    Strong,
    /// C3: fits, other explanations are plausible. "Consistent with".
    Circumstantial,
    /// C4: existence only. "Present on the system".
    Presence,
}

/// What the command line asks the tool to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// regasm: register.
    Register,
    /// regasm: unregister.
    Unregister,
    /// regasm: write a .reg file; nothing of the assembly runs.
    Regfile,
    /// Print the usage text.
    Usage,
    /// The tool refuses this command line.
    Invalid,
    /// regsvcs: install into a COM+ application.
    CoplusInstall,
    /// regsvcs: remove from a COM+ application.
    CoplusUninstall,
    /// The command line is not known.
    Unknown,
}

/// Why the image is, or may be, the tool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Identity {
    /// It says so itself, by its version resource or its CLI name with Microsoft's key token, and ran from a .NET framework
    /// directory; or its bytes are those of such a file of the host.
    Proven,
    /// It ran from a .NET framework directory under the tool's name.
    ByPath,
    /// Its file name says so, or it says so itself and lay elsewhere: anybody can write that.
    ByName,
}

/// How well the run is identified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Identified {
    /// A process record.
    Full,
    /// A trace without a process id, such as a prefetch run.
    Anonymous,
}

/// What became of the assembly file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AssemblyState {
    /// Collected as it was.
    Present,
    /// Known to be deleted, content not obtained.
    Deleted,
    /// Deleted and recovered.
    Recovered,
    /// Looked for where the command line points, not there.
    Absent,
    /// On another machine, not collected.
    Remote,
    /// Several files could be meant, or the directory is not known.
    Unresolved,
    /// The command line is not known.
    Unknown,
}

/// The process that started the tool.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Parent {
    /// Image path as recorded.
    pub image: Option<String>,
    /// Command line as recorded.
    pub command_line: Option<String>,
    /// Process id.
    pub pid: Option<u64>,
}

/// The account that the tool ran as.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct User {
    /// Security identifier.
    pub sid: Option<String>,
    /// `DOMAIN\name` as recorded.
    pub name: Option<String>,
    /// Integrity level: low, medium, medium_plus, high, system.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub integrity: Option<String>,
    /// Whether the token was elevated, with the reading used.
    pub elevated: Reasoned,
    /// Logon session, as recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logon_id: Option<String>,
    /// Which artifact named the account when no process record did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub named_by: Option<String>,
}

/// An answer with its reason and its citations.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Reasoned {
    /// The answer.
    pub state: Answer,
    /// Why, in a sentence.
    pub because: String,
    /// What supports it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub citations: Vec<Citation>,
}

impl Default for Reasoned {
    fn default() -> Self {
        Reasoned { state: Answer::Unknown, because: "nothing was recorded about it".to_owned(), citations: Vec::new() }
    }
}

/// The assembly that the command line names.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AssemblyReference {
    /// The argument as written.
    pub argument: Option<String>,
    /// Where it points, with the directory of the process applied.
    pub resolved_path: Option<String>,
    /// How it was resolved, in words.
    pub resolution: String,
    /// SHA-256 of the collected file.
    pub sha256: Option<String>,
    /// What became of it.
    pub state: AssemblyState,
    /// Path of the file that is judged, where that is another one than the path to which the command line points: the file
    /// that ran had been moved away.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub judged: Option<String>,
    /// Whether the file with this hash is the one that was there when the tool ran; only where there is a hash.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub same_file: Option<Reasoned>,
    /// Other files that could be meant.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub candidates: Vec<String>,
}

/// Whether a method of the assembly is expected to have run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MethodVerdict {
    /// The answer.
    pub runs: Answer,
    /// `register` or `unregister`.
    pub which: Option<&'static str>,
    /// Why, in sentences.
    pub because: String,
    /// What supports it.
    pub citations: Vec<Citation>,
    /// Where the answer is not known because the file now there may be another than the one that ran: what it would be if it
    /// were the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub if_same_file: Option<IfSameFile>,
}

/// A verdict on a condition that is not established: that the file now there is the one that ran.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct IfSameFile {
    /// The answer.
    pub runs: Answer,
    /// `register` or `unregister`.
    pub which: Option<&'static str>,
    /// Why, in sentences.
    pub because: String,
}

/// Something that happened around a run: an entry of its picture.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Related {
    /// When, UTC.
    pub at: Filetime,
    /// What, in words.
    pub what: String,
    /// A stable class: `process`, `registry`, `file`, `network`, `dns`, `image`, `logon`, `other`.
    pub class: &'static str,
    /// What supports it, with the join rule.
    pub citation: Citation,
}

/// One run of RegAsm.exe or RegSvcs.exe.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Execution {
    /// Stable id: `E1`, `E2`, … in order of time.
    pub id: String,
    /// Which tool.
    pub tool: Tool,
    /// Image path as recorded by the anchor.
    pub image: String,
    /// True when the file name is not the tool's.
    pub renamed: bool,
    /// True when the file says that it is the tool, with Microsoft's key token, and its bytes are not those of the host's own
    /// copy for the same CLR and processor.
    pub patched: bool,
    /// Why we believe that it is the tool.
    pub identity: Identity,
    /// The same in words, for a sentence: what says so, and what was not checked.
    pub identity_because: String,
    /// How well the run is identified.
    pub identified: Identified,
    /// Command line as recorded, every character kept.
    pub command_line: Option<String>,
    /// Directory of the process as recorded.
    pub current_directory: Option<String>,
    /// Start as recorded, UTC.
    pub started: Option<Filetime>,
    /// Start corrected for known changes of the host's clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_corrected: Option<Filetime>,
    /// Start in the host's local time with its offset, by the rule valid at that date.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_local: Option<String>,
    /// A moment at which, or before which, it started, where no start is recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_after: Option<Filetime>,
    /// End as recorded, UTC.
    pub ended: Option<Filetime>,
    /// Exit status, where a record has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<u64>,
    /// Process id; absent for anonymous runs.
    pub pid: Option<u64>,
    /// Sysmon's process GUID.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub process_guid: Option<String>,
    /// Computer that the records name; of a run that only traces of this host show, the host.
    pub computer: Option<String>,
    /// Whether that is another computer than the host that the evidence is of.
    pub another_computer: Answer,
    /// Parent process.
    pub parent: Option<Parent>,
    /// Account; null for anonymous runs that nothing ties to one.
    pub user: Option<User>,
    /// What the command line asks for.
    pub mode: Mode,
    /// Options and warnings from the command line, as written and as read.
    pub options: Vec<String>,
    /// What is odd about the command line.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// The assembly.
    pub assembly: AssemblyReference,
    /// Whether a method is expected to have run.
    pub method: MethodVerdict,
    /// Highest step of the proof ladder that the evidence reaches, `L1` to `L5`, and what stopped the next.
    pub proof: Proof,
    /// Every record that belongs to this run.
    pub sources: Vec<Citation>,
    /// What happened around it.
    pub related: Vec<Related>,
    /// Confidence of the whole cluster: that of its weakest necessary join.
    pub confidence: Confidence,
    /// Other runs that an anonymous one could be the same as.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub merge_candidates: Vec<String>,
}

/// A step of the proof ladder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Step {
    /// The tool is present.
    L0,
    /// It ran.
    L1,
    /// It ran with this assembly.
    L2,
    /// It opened or loaded the assembly.
    L3,
    /// A method of the assembly is expected to have run.
    L4,
    /// An effect was observed.
    L5,
}

impl Step {
    /// All, from the lowest on.
    pub const ALL: [Step; 6] = [Step::L0, Step::L1, Step::L2, Step::L3, Step::L4, Step::L5];
}

/// How far the proof reaches.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Proof {
    /// The highest step that the evidence reaches, from `L1` on.
    pub level: Step,
    /// The highest step that a record or an object shows: at most `L3` without an observed effect.
    pub shown: Step,
    /// The highest step that is expected by the rules of the tool: `L4` where a method is expected to have run, otherwise what
    /// is shown.
    pub expected: Step,
    /// What it means, in a sentence.
    pub statement: String,
    /// Steps up to the level that are concluded from others, and of which no record or object tells by itself.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub inferred: Vec<Step>,
    /// What is missing for the next step.
    pub next_needs: String,
}

/// A process of another program whose own command would start the tool.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Attempt {
    /// Stable id: `A1`, `A2`, … in order of time.
    pub id: String,
    /// Command line as recorded.
    pub command_line: String,
    /// Image path as recorded.
    pub image: String,
    /// Process id.
    pub pid: Option<u64>,
    /// Start as recorded, UTC.
    pub started: Option<Filetime>,
    /// The command that would start the tool, as it stands inside the command line.
    pub command: String,
    /// Execution that followed, if one did.
    pub led_to: Option<String>,
    /// Every record of it.
    pub sources: Vec<Citation>,
}

/// A file with the name of the tool that is not the tool, and ran.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Lookalike {
    /// Image path as recorded.
    pub image: String,
    /// Process id of its first run.
    pub pid: Option<u64>,
    /// Start of that run as recorded, UTC.
    pub started: Option<Filetime>,
    /// Command line of that run as recorded.
    pub command_line: Option<String>,
    /// Why it is not the tool.
    pub because: String,
    /// Its runs, in the order of time.
    pub runs: Vec<LookalikeRun>,
    /// Every record of it.
    pub sources: Vec<Citation>,
}

/// A run of such a file.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LookalikeRun {
    /// Process id.
    pub pid: Option<u64>,
    /// Start as recorded, UTC.
    pub started: Option<Filetime>,
    /// Command line as recorded.
    pub command_line: Option<String>,
    /// Every record of it.
    pub sources: Vec<Citation>,
}

/// A COM registration of a managed class.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Registration {
    /// Stable id: `R1`, `R2`, … in the order of the report.
    pub id: String,
    /// Class id, upper case in braces.
    pub clsid: String,
    /// Where in the registry.
    pub view: RegistryView,
    /// Original path of the hive, or of the event log for state `event`.
    pub hive: String,
    /// SID, for a user's hive.
    pub user: Option<String>,
    /// Default value of InprocServer32.
    pub server: Option<String>,
    /// Class value.
    pub class: Option<String>,
    /// Assembly value.
    pub assembly: Option<String>,
    /// RuntimeVersion value.
    pub runtime_version: Option<String>,
    /// CodeBase value.
    pub code_base: Option<String>,
    /// ThreadingModel value.
    pub threading_model: Option<String>,
    /// ProgId.
    pub prog_id: Option<String>,
    /// Last-written time of InprocServer32; for state `event`, of the first event.
    pub last_written: Option<Filetime>,
    /// In which state.
    pub state: RegistrationState,
    /// Version subkeys and everything else that the record stores.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub versions: Vec<Value>,
    /// Implemented categories with the spelling of their creator.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub categories: Vec<String>,
    /// Executions that this belongs to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub executions: Vec<String>,
    /// Assemblies (SHA-256) whose computed class id this is.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub assemblies: Vec<String>,
    /// The file that COM would load for it, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loads: Option<Loads>,
    /// Every record of it.
    pub sources: Vec<Citation>,
}

impl Registration {
    /// Whether COM would use it, as the hives are in the evidence: it also replays the hive's transaction logs.
    pub fn is_current(&self) -> bool {
        matches!(self.state, RegistrationState::Current | RegistrationState::LogOnly)
    }

    /// Whether it is worth a look of its own: it belongs to a run, names a code base or has a collected file, is in a user's
    /// hive, is not simply present, or has the managed category as the two tools spell it; installers and Windows itself
    /// write `45E7`.
    pub fn is_notable(&self) -> bool {
        const TOOL_SPELLING: &str = "-45e7-";
        self.code_base.is_some()
            || !self.executions.is_empty()
            || !self.assemblies.is_empty()
            || self.view == RegistryView::User
            || self.state != RegistrationState::Current
            || self.categories.iter().any(|category| category.contains(TOOL_SPELLING))
    }

    /// The file that COM would load then, where an ordinary user or another computer may decide what is in it.
    pub fn of_users(&self) -> Option<&Loads> {
        self.loads.as_ref().filter(|loads| self.is_current() && loads.user_writable != Some(false))
    }
}

/// The file that a registration leads to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Loads {
    /// Its path: that of the registration, else that of the collected assembly which has the class.
    pub path: String,
    /// What kind of folder it is in, by the rules.
    pub place: String,
    /// Whether Windows lets ordinary users write there unless somebody changes it; `None` for a share or an address. The
    /// permissions of the folder itself were not read.
    pub user_writable: Option<bool>,
}

/// A collected file that a run or a registration is about, or that was asked for.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AssemblyFile {
    /// Original path.
    pub path: String,
    /// SHA-256.
    pub sha256: String,
    /// `complete`, `partial`, or how a deleted file was recovered.
    pub state: String,
    /// Everything that the assembly reader found.
    pub facts: Facts,
    /// Executions that name it.
    pub executions: Vec<String>,
    /// Contents of small alternate streams such as Zone.Identifier.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub streams: Vec<Facts>,
    /// What supports it.
    pub sources: Vec<Citation>,
}

/// That a log was cleared.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Clearing {
    /// When, as recorded, UTC.
    pub at: Option<Filetime>,
    /// Account that did it, as recorded.
    pub by: Option<String>,
    /// The record.
    pub citation: Citation,
}

/// What was done with a source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CoverageState {
    /// Nobody looked for it, or where it would lie could not be looked at.
    #[default]
    NotSearched,
    /// It was looked for and was not there.
    Absent,
    /// The host has it, and it was not read.
    NotRead,
    /// It was read.
    Read,
}

/// How far one source reaches in time, so that a missing record can be read rightly.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Coverage {
    /// Channel, or artifact id.
    pub source: String,
    /// What was done with it.
    pub state: CoverageState,
    /// Why it was not read whole, where it was not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partly: Option<String>,
    /// Whether there was anything at all.
    pub present: bool,
    /// Original path.
    pub item: Option<String>,
    /// How many records.
    pub records: u64,
    /// First record, UTC.
    pub first: Option<Filetime>,
    /// Last record, UTC.
    pub last: Option<Filetime>,
    /// Missing record numbers and silent stretches, in words.
    pub gaps: Vec<String>,
    /// Records that say that the log was cleared.
    pub cleared: Vec<Citation>,
    /// When that was and who did it, as the same records say.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub clearings: Vec<Clearing>,
    /// What a missing record of this source means, in words.
    pub meaning: String,
}

impl Coverage {
    /// That of a source of which nothing is known yet.
    pub fn named(source: &str) -> Coverage {
        Coverage { source: source.to_owned(), ..Coverage::default() }
    }
}

/// Whether a finding is so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Presence {
    /// It is so.
    Present,
    /// It is not so.
    Absent,
    /// It is not known; the reason stands beside it.
    Unknown,
}

/// Why a finding is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum UnknownKind {
    /// The host could have shown it: not collected, unreadable, cleared, rolled over or switched off.
    CouldHaveShown,
    /// No version of the program reads the trace yet.
    NotRead,
    /// A list or a rule that nobody supplied.
    NotSupplied,
    /// Nothing on this host could show it.
    NotObservable,
}

/// A question of the rules about a run, answered.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    /// Id in the rules, `F-CMD-WRITABLE`.
    pub id: &'static str,
    /// What it says where it is present, in the words of the rules.
    pub title: String,
    /// Whether it is so.
    pub state: Presence,
    /// Why it is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unknown: Option<UnknownKind>,
    /// Why, in a sentence without its full stop.
    pub because: String,
    /// Confidence class of the weakest fact that it needs.
    pub class: Confidence,
    /// Decibans that it counts: half of its weight where the evidence is only consistent with it.
    pub counts: i64,
    /// What supports it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub citations: Vec<Citation>,
}

/// The rules that were used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RulesUsed {
    /// Their version, as they say it.
    pub version: String,
    /// SHA-256 of their file.
    pub sha256: String,
}

/// Decision of the later assessment.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Assessment {
    /// `escalate`, `investigate` or `explained`.
    pub verdict: String,
    /// Deciban.
    pub score: i64,
    /// With every unknown absent.
    pub low: i64,
    /// With every unknown present.
    pub high: i64,
    /// Hard rules that fired.
    pub hard_rules: Vec<String>,
    /// Best supported benign explanation.
    pub hypothesis: Option<String>,
    /// SHA-256 of the rules used.
    pub rules_sha256: String,
}
