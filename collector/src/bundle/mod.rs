//! The bundle: a BagIt 1.0 bag in a zip archive, as `docs/bundle.md` describes it. Written here, verified here, and
//! read back here.

mod actions;
mod failures;
mod items;
mod kept;
mod name;
mod reader;
mod seal;
mod verify;
mod writer;

pub(crate) use actions::ActionLog;
pub use items::{AcceptedItems, ItemTable};
pub use kept::{Kept, kept};
pub(crate) use name::Names;
pub use name::encoded_name;
pub use reader::{BundleReader, OpenBundle};
pub use seal::ToolFacts;
pub(crate) use seal::{BagInfo, Sums, seal};
#[doc(hidden)]
pub use verify::examine_bundle;
pub(crate) use verify::verify_open;
pub use verify::{VerifyReport, Wrong, WrongKind, verify};
pub use writer::refuse_destination;
pub(crate) use writer::{Destination, Writer};

/// Files that describe the bag's content.
const OBJECTS: &str = "metadata/objects.jsonl";
const FAILURES: &str = "metadata/failures.jsonl";
const ACTIONS: &str = "metadata/actions.jsonl";
const HOST: &str = "metadata/host.json";
const TOOL: &str = "metadata/tool.json";
const TAG_MANIFEST: &str = "tagmanifest-sha256.txt";

/// The member of `bag-info.txt` with the last hash of the action log.
const ACTION_LOG_HASH: &str = "Collector-Action-Log-SHA256";
