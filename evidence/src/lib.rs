//! The vocabulary of comtrail: the words that collector, artifacts and timeline share.
//!
//! *Item* is an acquired object, *record* what an artifact stores in it, *event* one moment of a record,
//! *claim* what a record may support, *problem* what went wrong and what it costs. There is no I/O here.

mod artifact;
mod bytes;
mod claim;
mod execution;
mod format;
mod group;
mod guard;
mod guid;
mod hex;
mod hive;
mod input;
mod item;
mod items;
pub mod le;
mod lead;
pub mod name;
mod problem;
mod problems;
mod record;
mod rule;
mod schema;
mod sink;
mod state;
pub mod technique;
mod time;
mod value;

pub use artifact::{Artifact, Beside, Container, Memory, Output, Parse, Phase, Reads, Siblings};
pub use bytes::Bytes;
pub use claim::{Claim, RunTime};
pub use execution::{
    AssemblyFile, AssemblyReference, AssemblyState, Assessment, Attempt, Citation, Clearing, Confidence, Coverage,
    CoverageState, Execution, Finding, Identified, Identity, IfSameFile, Loads, Lookalike, LookalikeRun, MethodVerdict,
    Mode, Parent, Presence, Proof, Reasoned, Registration, Related, RulesUsed, Step, UnknownKind, User,
};
pub use format::{FORMAT_HEAD, Format};
pub use group::Group;
pub use guard::guarded;
pub use guid::guid_text;
pub use hex::hex;
pub use hive::Hive;
pub use input::{Focus, Input};
pub use item::{FileTimes, Item, ItemId, ItemStatus, Macb, Method, Recovery, StoredRange};
pub use items::{Items, KeyIndex};
pub use lead::Lead;
pub use problem::{LEADS_UNREAD, Problem, ProblemKind, Stage};
pub use problems::Problems;
pub use record::{Facts, Integrity, Locator, Meaning, Moment, Record};
pub use rule::JoinRule;
pub use schema::{Channel, Connection, Field, FieldKind, Logged, RecordType, Recorder, Role, Tells, Told};
pub use sink::{Crew, Sink};
pub use state::{Answer, IdSource, ProgramKind, RegistrationState, RegistryView, StampReading};
pub use technique::Tool;
pub use time::{Civil, Encoding, Filetime, Precision, Timestamp, When, Zone};
pub use value::{FieldName, FieldValue, Fields, Value, ValueRef};
