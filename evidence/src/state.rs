//! States that a parser records and others ask for, each with its one spelling.

use serde::{Serialize, Serializer};

/// Declares states with their names.
macro_rules! states {
    ($(#[doc = $says:literal] $state:ident { $(#[doc = $meaning:literal] $name:ident = $spelled:literal,)+ })+) => {$(
        #[doc = $says]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $state {
            $(#[doc = $meaning] $name,)+
        }

        impl $state {
            /// The stable name.
            pub const fn name(self) -> &'static str {
                match self {
                    $($state::$name => $spelled,)+
                }
            }

            /// The state of this name.
            pub fn named(name: &str) -> Option<$state> {
                match name {
                    $($spelled => Some($state::$name),)+
                    _ => None,
                }
            }
        }

        impl Serialize for $state {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.name())
            }
        }
    )+};
}

states! {
    /// Yes, no, or not known.
    Answer {
        /// Yes.
        Yes = "yes",
        /// No.
        No = "no",
        /// Not known; the reason always stands beside it.
        Unknown = "unknown",
    }

    /// Where a registration of a class is.
    RegistrationState {
        /// In the hive after its logs, or in one that needs none.
        Current = "current",
        /// In the hive only after its logs were applied.
        LogOnly = "log_only",
        /// In the hive as stored, not or not so after the logs.
        BeforeLog = "before_log",
        /// In freed cells of the hive.
        Deleted = "deleted",
        /// In a shadow copy.
        ShadowCopy = "shadow_copy",
        /// Known from event records.
        Event = "event",
    }

    /// The part of the registry in which a class is registered.
    RegistryView {
        /// That of 32-bit programs.
        Bits32 = "32",
        /// That of 64-bit programs.
        Bits64 = "64",
        /// A user's own classes.
        User = "user",
    }

    /// What kind of file a program file is.
    ProgramKind {
        /// It has a CLI header.
        Managed = "managed",
        /// It is a program without one.
        Native = "native",
        /// It is no program.
        NotPe = "not_pe",
    }

    /// How the time stamp of a program file is to be read.
    StampReading {
        /// As a time.
        Time = "time",
        /// As the hash of a reproducible build.
        Hash = "hash",
        /// As nothing: no compiler ran then.
        Impossible = "impossible",
    }

    /// Where an id of a class or a type library comes from.
    IdSource {
        /// An attribute gives it.
        Attribute = "attribute",
        /// The runtime derives it from the names.
        Derived = "derived",
        /// An attribute gives something that is no id.
        Unusable = "attribute, which is no id",
    }
}
