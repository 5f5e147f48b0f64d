//! What the leads loop follows: files that records name.

/// A file that a record names and that should therefore be collected.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lead {
    /// A path, verbatim: drive letter, device, volume GUID, `file:///` or UNC form.
    Path(String),
    /// A file of another artifact, which Windows was told to keep there: where it is missing, that artifact lacks it.
    KeptAt {
        /// Id of that artifact, which parses the file.
        artifact: &'static str,
        /// The path, as for [`Lead::Path`].
        path: String,
    },
    /// A program that ran from where a copy of a tool could lie under another name: its bytes tell whether it is one.
    Program(String),
    /// What else a record of a program names, to be followed if that program turns out to be one of the tools.
    IfTool {
        /// Path of the program, as for [`Lead::Path`].
        program: String,
        /// What is followed; a command line is read as that of the tool.
        lead: Box<Lead>,
    },
    /// A command line of some program, to be read with the grammar of the tools.
    CommandLine {
        /// Image path of the process, verbatim, where the record has it.
        image: Option<String>,
        /// The command line, verbatim.
        command_line: String,
        /// Current directory, verbatim, where the record has it.
        current_directory: Option<String>,
    },
}
