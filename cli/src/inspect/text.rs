//! The description of a file for people: the answer first, then what the file is. Lines fit a terminal of 80 columns.

use crate::progress::printable;
use evidence::{Answer, Problem, ProgramKind, Record, Role, StampReading, Told, Tool, ValueRef};
use std::io::{self, Write};

/// Columns of a line; longer words, such as paths, are not broken.
const WIDTH: usize = 80;
/// Where the text of a line begins: behind a label, so that a SHA-256 just fits.
const INDENT: usize = 16;
/// The same for the long names of a version resource.
const WIDE_INDENT: usize = 23;
/// Most entries of a list that are shown; `--json` shows all.
const MOST: usize = 25;

/// What may run code of an assembly, the same in a list, and the fact that says whether it does.
pub(super) const COMMANDS: [(&str, &str, Role); 5] = [
    (Tool::Regasm.name(), Tool::Regasm.name(), Role::OnRegister),
    ("regasm /u", "/u", Role::OnUnregister),
    (Tool::Regsvcs.name(), Tool::Regsvcs.name(), Role::ForRegsvcs),
    ("its rollback", "rollback", Role::ForRegsvcsRollback),
    ("loading it", "load", Role::OnLoad),
];

/// Writes the description of one file.
pub(super) fn write(path: &str, record: Option<&Record>, problems: &[Problem], out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{}", printable(path))?;
    let mut page = Page { out };
    if let Some(record) = record {
        page.answer(record)?;
        if let Some(cli) = record.role(Role::Cli) {
            page.identity(cli)?;
            page.types(cli)?;
            page.native(cli)?;
        }
        page.file(record)?;
        page.version(record)?;
        page.text(record)?;
    }
    if !problems.is_empty() {
        page.heading("Problems")?;
        for problem in problems {
            let particulars = problem.kind.particulars();
            let particulars = if particulars.is_empty() { particulars } else { format!(" ({particulars})") };
            page.line_at(4, "", &format!("{}{particulars}; {}", problem.what, problem.effect))?;
        }
    }
    writeln!(page.out)
}

fn part(told: Told<'_>, role: Role) -> &str {
    told.text_of(role).unwrap_or("")
}

struct Page<'a> {
    out: &'a mut dyn Write,
}

impl Page<'_> {
    fn heading(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.out, "\n{text}")
    }

    /// A label and its text, broken at spaces. Nothing is written for an empty text.
    fn line(&mut self, label: &str, text: &str) -> io::Result<()> {
        self.line_at(INDENT, label, text)
    }

    fn line_at(&mut self, indent: usize, label: &str, text: &str) -> io::Result<()> {
        let text = printable(text);
        let mut rows = vec![String::new()];
        for word in text.split(' ') {
            let last = rows.len() - 1;
            let row = &mut rows[last];
            if row.is_empty() {
                row.push_str(word);
            } else if indent + row.chars().count() + 1 + word.chars().count() <= WIDTH {
                row.push(' ');
                row.push_str(word);
            } else {
                rows.push(word.to_owned());
            }
        }
        if text.trim().is_empty() {
            return Ok(());
        }
        let label = format!("  {}", printable(label));
        let gap = if label.chars().count() < indent { "" } else { " " };
        writeln!(self.out, "{label:<indent$}{gap}{}", rows[0])?;
        for row in &rows[1..] {
            writeln!(self.out, "{:indent$}{row}", "")?;
        }
        Ok(())
    }

    /// Whether the tools would run code of it, and why.
    fn answer(&mut self, record: &Record) -> io::Result<()> {
        let kind = record.text_of(Role::Kind).and_then(ProgramKind::named);
        let what = match kind {
            Some(ProgramKind::Managed) => "a .NET assembly",
            Some(ProgramKind::Native) => "a native program or library",
            None => "an alternate stream",
            Some(ProgramKind::NotPe) => "not a program",
        };
        self.line("kind", what)?;
        self.heading("Would the tools run code of it?")?;
        if kind != Some(ProgramKind::Managed) {
            return self.line("no", &format!("it is {what}; regasm and regsvcs load .NET assemblies only"));
        }
        let mut may_run = false;
        for (label, _, role) in COMMANDS {
            if let Some(outlook) = record.role(role) {
                let state = part(outlook, Role::State);
                may_run |= Answer::named(state) != Some(Answer::No);
                self.line(label, &format!("{}: {}", state.to_uppercase(), part(outlook, Role::Because)))?;
            }
        }
        let rights =
            "Registering needs an administrator. regasm /u does not, and regsvcs without rights ends in its rollback.";
        if may_run { self.line("", rights) } else { Ok(()) }
    }

    fn identity(&mut self, cli: Told<'_>) -> io::Result<()> {
        self.heading("Assembly")?;
        if let Some(assembly) = cli.role(Role::Assembly) {
            self.line("name", part(assembly, Role::Name))?;
            self.line("version", part(assembly, Role::Version))?;
            self.line("culture", part(assembly, Role::Culture))?;
            let flags = cli.role(Role::Flags);
            let is_signed =
                flags.and_then(|flags| flags.role(Role::StrongNameSigned)).and_then(Told::flag) == Some(true);
            let signed = match (part(assembly, Role::PublicKeyToken), is_signed) {
                ("null", _) => "none".to_owned(),
                (token, true) => format!("public key token {token}, signed (not verified)"),
                (token, false) => format!("public key token {token}, not signed"),
            };
            self.line("strong name", &signed)?;
        }
        self.line("runtime", part(cli, Role::RuntimeVersion))?;
        self.line("module id", part(cli, Role::Mvid))?;
        self.line("type library", &format!("{} ({})", part(cli, Role::TypeLibId), part(cli, Role::TypeLibIdFrom)))?;
        if cli.role(Role::ComVisible).and_then(Told::flag) == Some(false) {
            self.line("COM", "ComVisible(false) hides its types unless they say otherwise")?;
        }
        for display in cli.role(Role::References).into_iter().flat_map(Told::texts).take(MOST) {
            self.line("refers to", &display.replace(", Culture=neutral", ""))?;
        }
        Ok(())
    }

    fn types(&mut self, cli: Told<'_>) -> io::Result<()> {
        self.heading("Types that regasm registers, and methods with its attributes")?;
        let types: Vec<Told<'_>> = cli.role(Role::Types).into_iter().flat_map(Told::items).collect();
        let has_hook = |one: &Told<'_>| [Role::Register, Role::Unregister].iter().any(|role| one.role(*role).is_some());
        let (hooked, plain): (Vec<Told<'_>>, Vec<Told<'_>>) = types.iter().partition(|one| has_hook(one));
        for one in hooked.into_iter().chain(plain).take(MOST) {
            let is_registrable = one.role(Role::Registrable).and_then(Told::flag) == Some(true);
            let mut facts = vec![part(one, Role::Name).to_owned()];
            if !is_registrable {
                let because: Vec<&str> = one.role(Role::Because).into_iter().flat_map(Told::texts).collect();
                facts.push(format!("is not registered: {}", because.join(", ")));
            }
            self.line("type", &facts.join(" "))?;
            if is_registrable {
                let place = if one.role(Role::ValueType).is_some() { "Record" } else { "CLSID" };
                self.line(
                    &format!("  {place}"),
                    &format!("{} ({})", part(one, Role::ClassId), part(one, Role::ClassIdFrom)),
                )?;
                self.line("  ProgId", part(one, Role::ProgId))?;
                if Answer::named(part(one, Role::ServicedComponent)) != Some(Answer::No) {
                    self.line("  serviced", part(one, Role::ServicedComponent))?;
                }
            }
            for (label, role) in [("  register", Role::Register), ("  unregister", Role::Unregister)] {
                let Some(hook) = one.role(role) else { continue };
                let method = match part(hook, Role::Method) {
                    "" => String::new(),
                    method => format!("{}.{method} {}, ", part(hook, Role::DeclaredBy), part(hook, Role::Token)),
                };
                let place = match part(hook, Role::DefinedIn) {
                    "" => String::new(),
                    place => format!("in {place}, "),
                };
                let runs = match Answer::named(part(hook, Role::Runs)) {
                    Some(Answer::Yes) => "runs",
                    Some(Answer::No) => "does not run",
                    _ => "not known",
                };
                self.line(label, &format!("{method}{place}{runs}: {}", part(hook, Role::Because)))?;
            }
        }
        let registrable = cli.role(Role::RegistrableCount).and_then(Told::number).unwrap_or(0);
        let all = registrable.max(types.len() as u64);
        match types.len() {
            0 => self.line("none", "of its types can be registered"),
            shown if shown.min(MOST) < all as usize => {
                self.line("", &format!("and {} more, see --json", all as usize - shown.min(MOST)))
            }
            _ => Ok(()),
        }
    }

    fn native(&mut self, cli: Told<'_>) -> io::Result<()> {
        let functions: Vec<&str> = cli.role(Role::NativeFunctions).into_iter().flat_map(Told::texts).collect();
        if functions.is_empty() {
            return Ok(());
        }
        self.heading("Native functions that it can call")?;
        for function in functions.iter().take(MOST) {
            self.line("", function)?;
        }
        if functions.len() > MOST {
            self.line("", &format!("and {} more, see --json", functions.len() - MOST))?;
        }
        Ok(())
    }

    fn file(&mut self, record: &Record) -> io::Result<()> {
        self.heading("File")?;
        for (label, role) in [
            ("SHA-256", Role::Sha256),
            ("SHA-1", Role::Sha1),
            ("MD5", Role::Md5),
            ("image hash", Role::ImageSha256),
            ("stream", Role::Name),
            ("machine", Role::Machine),
            ("first bytes", Role::FirstBytes),
        ] {
            self.line(label, record.text_of(role).unwrap_or(""))?;
        }
        self.line("size", &format!("{} bytes", record.role(Role::Size).and_then(Told::number).unwrap_or(0)))?;
        if let Some(stamp) = record.role(Role::Timestamp) {
            let raw = stamp.role(Role::Raw).and_then(Told::number).unwrap_or(0);
            let text =
                match (stamp.role(Role::Time).and_then(Told::time), StampReading::named(part(stamp, Role::Reading))) {
                    (Some(time), _) => format!("{time}; anybody can set it"),
                    (None, Some(StampReading::Hash)) => format!("none: {raw:#010x} is a hash of a reproducible build"),
                    (None, _) => format!("none: {raw:#010x} is no possible time"),
                };
            self.line("link time", &text)?;
        }
        if let Some(debug) = record.role(Role::Debug) {
            self.line("PDB", part(debug, Role::PdbPath))?;
            let age = debug.role(Role::Age).and_then(Told::number).unwrap_or(0);
            let id = part(debug, Role::Guid);
            self.line("PDB id", &if id.is_empty() { String::new() } else { format!("{id}, age {age}") })?;
        }
        if let Some(is_signed) = record.role(Role::Signed).and_then(Told::flag) {
            self.line("certificates", if is_signed { "there; whether they are valid is not checked" } else { "none" })?;
        }
        for section in record.role(Role::Sections).into_iter().flat_map(Told::items).take(MOST) {
            let number = |role| section.role(role).and_then(Told::number).unwrap_or(0);
            let entropy = part(section, Role::Entropy);
            let entropy = if entropy.is_empty() { String::new() } else { format!(", entropy {entropy}") };
            let text = format!(
                "{:<8} {} bytes at {:#x}{entropy}",
                part(section, Role::Name),
                number(Role::Size),
                number(Role::Offset)
            );
            self.line("section", &text)?;
        }
        for library in record.role(Role::Imports).into_iter().flat_map(Told::items).take(MOST) {
            let functions: Vec<&str> = library.role(Role::Functions).into_iter().flat_map(Told::texts).collect();
            let text = match functions.as_slice() {
                [one] => format!("{}: {one}", part(library, Role::Library)),
                all => format!("{}: {} functions", part(library, Role::Library), all.len()),
            };
            self.line("imports", &text)?;
        }
        Ok(())
    }

    fn version(&mut self, record: &Record) -> io::Result<()> {
        let Some(ValueRef::Map(version)) = record.role(Role::VersionStrings).map(|told| told.value) else {
            return Ok(());
        };
        self.heading("Version resource, which anybody can set")?;
        for (name, text) in version.iter().take(MOST) {
            self.line_at(WIDE_INDENT, name, text.as_text().unwrap_or(""))?;
        }
        Ok(())
    }

    fn text(&mut self, record: &Record) -> io::Result<()> {
        let Some(text) = record.text_of(Role::Text) else { return Ok(()) };
        self.heading("Text")?;
        for line in text.lines().take(200) {
            writeln!(self.out, "    {}", printable(line))?;
        }
        Ok(())
    }
}
