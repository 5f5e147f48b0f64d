//! What a record may support.

/// What the time of a record that shows a run is to that run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RunTime {
    /// Its start.
    Start,
    /// Its end.
    End,
    /// A time at which it ran, the last that is known of it.
    LastActivity,
    /// It ran some time between the first and the last moment of the record.
    Window,
    /// When a scheduler started it.
    Scheduled,
    /// When a policy let it run.
    Allowed,
    /// When it failed.
    Failed,
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
