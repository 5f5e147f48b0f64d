//! What a record may support.

/// What the time of a record that shows a run is to that run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RunTime {
    /// Its start.
    Start,
    /// Its end.
    End,
    /// A time at which it ran, or just after which it had ended: the last that is known of it.
    LastActivity,
    /// A time by which it had run, nobody knows how long before: when a key or a list that names it was last written.
    Before,
    /// It ran some time between the first and the last moment of the record.
    Window,
    /// When a scheduler started it.
    Scheduled,
    /// When a policy let it run.
    Allowed,
    /// When it failed.
    Failed,
}

impl RunTime {
    /// Whether a record with such a time shows a run by itself. Others belong to runs that better records show, or show
    /// none: a start that a policy allowed may have failed.
    pub fn shows_a_run(self) -> bool {
        matches!(self, RunTime::Start | RunTime::LastActivity | RunTime::Before | RunTime::Window)
    }
}

/// What a record may support. How much it weighs is decided later, as data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Claim {
    /// A program ran, and what the record's time is to that run.
    Executed(RunTime),
    /// A file was there.
    Present,
    /// A file was opened.
    Opened,
    /// A component was installed or registered.
    Installed,
    /// Something starts by itself.
    Persisted,
    /// A file came from elsewhere.
    Downloaded,
    /// A network connection or name lookup.
    Connected,
    /// A session began or ended.
    LoggedOn,
    /// Something was removed.
    Deleted,
}

impl Claim {
    /// The stable name.
    pub fn name(self) -> &'static str {
        match self {
            Claim::Executed(_) => "executed",
            Claim::Present => "present",
            Claim::Opened => "opened",
            Claim::Installed => "installed",
            Claim::Persisted => "persisted",
            Claim::Downloaded => "downloaded",
            Claim::Connected => "connected",
            Claim::LoggedOn => "logged_on",
            Claim::Deleted => "deleted",
        }
    }

    /// What the record's time is to a run, where it shows one.
    pub fn run_time(self) -> Option<RunTime> {
        match self {
            Claim::Executed(time) => Some(time),
            _ => None,
        }
    }
}
