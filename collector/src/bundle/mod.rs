//! The bundle: a BagIt 1.0 bag in a zip archive, as `docs/bundle.md` describes it. Written here, verified here, and
//! read back here.

mod about;
mod actions;
mod failures;
mod flowing;
mod items;
pub(crate) mod journal;
mod kept;
mod labels;
mod name;
mod parts;
mod reader;
mod reserve;
mod seal;
mod stored;
mod verified;
mod verify;
mod verifying;
mod writer;

pub use about::ToolFacts;
pub(crate) use about::{About, Status, Sums};
pub(crate) use actions::ActionLog;
pub(crate) use failures::from_json as problem_of;
pub use items::{AcceptedItems, ItemTable};
pub use kept::{Kept, kept};
pub(crate) use labels::{COUNT, FIRST_PART, FIRST_PART_LOG, GROUP, value};
pub(crate) use name::Names;
pub use name::encoded_name;
pub use reader::{BundleReader, OpenBundle};
pub(crate) use reserve::{Need, Reserve};
pub(crate) use seal::{BagInfo, host, seal, tool};
#[doc(hidden)]
pub use verified::examine_bundle;
pub use verified::verify;
pub(crate) use verified::{read_back_bytes, verify_bytes};
pub use verify::{Part, Structure, VerifyReport, Wrong, WrongKind};
pub use writer::refuse_destination;
pub(crate) use writer::{Destination, Output, Writer};

/// Files that describe the bag's content.
const OBJECTS: &str = "metadata/objects.jsonl";
const FAILURES: &str = "metadata/failures.jsonl";
const ACTIONS: &str = "metadata/actions.jsonl";
const HOST: &str = "metadata/host.json";
const TOOL: &str = "metadata/tool.json";
const TAG_MANIFEST: &str = "tagmanifest-sha256.txt";

/// The member of `bag-info.txt` with the last hash of the action log.
pub(crate) const ACTION_LOG_HASH: &str = "Collector-Action-Log-SHA256";
