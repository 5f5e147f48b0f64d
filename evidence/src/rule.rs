//! The rules by which records are joined to a run.

use serde::{Serialize, Serializer};

/// Declares the rules once: what stands behind each is its documentation, the legend of the report, and the table in
/// `docs/report.md`, which a test compares.
macro_rules! rules {
    ($(#[doc = $meaning:literal] $name:ident = $id:literal,)+) => {
        /// A rule by which a record, or an object, was joined to a run; it stands on the citation.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum JoinRule {
            $(#[doc = $meaning] $name,)+
        }

        impl JoinRule {
            /// Every rule.
            pub const ALL: &[JoinRule] = &[$(JoinRule::$name),+];

            /// Its name in reports.
            pub fn id(self) -> &'static str {
                match self {
                    $(JoinRule::$name => $id,)+
                }
            }

            /// What it goes by, in words.
            pub fn meaning(self) -> &'static str {
                let text: &'static str = match self {
                    $(JoinRule::$name => $meaning,)+
                };
                text.trim_start()
            }
        }
    };
}

rules! {
    /// the record or trace by which the run, the attempt or the registration was identified
    Anchor = "anchor",
    /// Sysmon's process GUID, or a further copy of the record by which it was identified
    J1 = "J1",
    /// process id and image: of a start that Sysmon and Security record within 2 s, and of records without a process GUID
    J2 = "J2",
    /// the end of the process with this process id and image
    J3 = "J3",
    /// the parent by its process id
    J4 = "J4",
    /// the logon session
    J5 = "J5",
    /// a prefetch file of the same path: a run in it from 1 s before to 12 s after the start, or its list of opened files
    J7 = "J7",
    /// a trace of the program's name, of the same account: by its time, as J18; what is written when a program ends is at the recorded end
    J8 = "J8",
    /// the file at the path of the assembly: its content, its streams, and what the file system records of it
    J10 = "J10",
    /// a registration of the assembly, established where it was written while the run lasted
    J11 = "J11",
    /// a network connection, by process GUID or id
    J12 = "J12",
    /// a name that was looked up, by process GUID or id
    J13 = "J13",
    /// the scheduled task that started the process, by the process id that the task scheduler recorded
    J16 = "J16",
    /// a trace of the program's path, of the same account: a start is that of the run, a last activity is within it or, without a recorded end, within the boot; a time by which it had run is after its start
    J18 = "J18",
}

impl Serialize for JoinRule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.id())
    }
}
