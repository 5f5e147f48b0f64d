//! The description of a file for people: the answer first, then what the file is. Lines fit a terminal of 80 columns.

use crate::progress::printable;
use evidence::{Fields, Problem, Value, ValueRef};
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
pub(super) const COMMANDS: [(&str, &str, &str); 5] = [
    ("regasm", "regasm", "ExecutesOnRegister"),
    ("regasm /u", "/u", "ExecutesOnUnregister"),
    ("regsvcs", "regsvcs", "ExecutesForRegsvcs"),
    ("its rollback", "rollback", "ExecutesForRegsvcsRollback"),
    ("loading it", "load", "ExecutesOnLoad"),
];

/// Writes the description of one file.
pub(super) fn write(path: &str, fields: Option<&Fields>, problems: &[Problem], out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{}", printable(path))?;
    let mut page = Page { out };
    if let Some(fields) = fields {
        page.answer(fields)?;
        if let Some(cli) = fields.get("Cli") {
            page.identity(cli)?;
            page.types(cli)?;
            page.native(cli)?;
        }
        page.file(fields)?;
        page.version(fields)?;
        page.text(fields)?;
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

fn part<'a>(value: impl Into<ValueRef<'a>>, name: &str) -> &'a str {
    value.into().get(name).and_then(Value::as_text).unwrap_or("")
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
    fn answer(&mut self, fields: &Fields) -> io::Result<()> {
        let kind = fields.text("Kind").unwrap_or("");
        let what = match kind {
            "managed" => "a .NET assembly",
            "native" => "a native program or library",
            "" => "an alternate stream",
            _ => "not a program",
        };
        self.line("kind", what)?;
        self.heading("Would the tools run code of it?")?;
        if kind != "managed" {
            return self.line("no", &format!("it is {what}; regasm and regsvcs load .NET assemblies only"));
        }
        let mut may_run = false;
        for (label, _, name) in COMMANDS {
            if let Some(outlook) = fields.get(name) {
                let state = part(outlook, "State");
                may_run |= state != "no";
                self.line(label, &format!("{}: {}", state.to_uppercase(), part(outlook, "Because")))?;
            }
        }
        let rights =
            "Registering needs an administrator. regasm /u does not, and regsvcs without rights ends in its rollback.";
        if may_run { self.line("", rights) } else { Ok(()) }
    }

    fn identity(&mut self, cli: ValueRef<'_>) -> io::Result<()> {
        self.heading("Assembly")?;
        if let Some(assembly) = cli.get("Assembly") {
            self.line("name", part(assembly, "Name"))?;
            self.line("version", part(assembly, "Version"))?;
            self.line("culture", part(assembly, "Culture"))?;
            let flags = cli.get("Flags");
            let is_signed =
                flags.and_then(|flags| flags.get("StrongNameSigned")).and_then(Value::as_bool) == Some(true);
            let signed = match (part(assembly, "PublicKeyToken"), is_signed) {
                ("null", _) => "none".to_owned(),
                (token, true) => format!("public key token {token}, signed (not verified)"),
                (token, false) => format!("public key token {token}, not signed"),
            };
            self.line("strong name", &signed)?;
        }
        self.line("runtime", part(cli, "RuntimeVersion"))?;
        self.line("module id", part(cli, "Mvid"))?;
        self.line("type library", &format!("{} ({})", part(cli, "TypeLibId"), part(cli, "TypeLibIdFrom")))?;
        if cli.get("ComVisible").and_then(Value::as_bool) == Some(false) {
            self.line("COM", "ComVisible(false) hides its types unless they say otherwise")?;
        }
        for reference in cli.get("References").map(Value::items).unwrap_or(&[]).iter().take(MOST) {
            let display = reference.as_text().unwrap_or("");
            self.line("refers to", &display.replace(", Culture=neutral", ""))?;
        }
        Ok(())
    }

    fn types(&mut self, cli: ValueRef<'_>) -> io::Result<()> {
        let number = |name: &str| cli.get(name).and_then(Value::as_number).unwrap_or(0);
        self.heading("Types that regasm registers, and methods with its attributes")?;
        let types = cli.get("Types").map(Value::items).unwrap_or(&[]);
        let (hooked, plain): (Vec<&Value>, Vec<&Value>) =
            types.iter().partition(|one| one.get("Register").is_some() || one.get("Unregister").is_some());
        for one in hooked.into_iter().chain(plain).take(MOST) {
            let is_registrable = one.get("Registrable").and_then(Value::as_bool) == Some(true);
            let mut facts = vec![part(one, "Name").to_owned()];
            if !is_registrable {
                let because: Vec<&str> =
                    one.get("Because").map(Value::items).unwrap_or(&[]).iter().filter_map(Value::as_text).collect();
                facts.push(format!("is not registered: {}", because.join(", ")));
            }
            self.line("type", &facts.join(" "))?;
            if is_registrable {
                let place = if one.get("ValueType").is_some() { "Record" } else { "CLSID" };
                self.line(&format!("  {place}"), &format!("{} ({})", part(one, "Clsid"), part(one, "ClsidFrom")))?;
                self.line("  ProgId", part(one, "ProgId"))?;
                if part(one, "ServicedComponent") != "no" {
                    self.line("  serviced", part(one, "ServicedComponent"))?;
                }
            }
            for (label, name) in [("  register", "Register"), ("  unregister", "Unregister")] {
                let Some(hook) = one.get(name) else { continue };
                let method = match part(hook, "Method") {
                    "" => String::new(),
                    method => format!("{}.{method} {}, ", part(hook, "DeclaredBy"), part(hook, "Token")),
                };
                let place = match part(hook, "DefinedIn") {
                    "" => String::new(),
                    place => format!("in {place}, "),
                };
                let runs = match part(hook, "Runs") {
                    "yes" => "runs",
                    "no" => "does not run",
                    _ => "not known",
                };
                self.line(label, &format!("{method}{place}{runs}: {}", part(hook, "Because")))?;
            }
        }
        let all = number("RegistrableCount").max(types.len() as u64);
        match types.len() {
            0 => self.line("none", "of its types can be registered"),
            shown if shown.min(MOST) < all as usize => {
                self.line("", &format!("and {} more, see --json", all as usize - shown.min(MOST)))
            }
            _ => Ok(()),
        }
    }

    fn native(&mut self, cli: ValueRef<'_>) -> io::Result<()> {
        let functions = cli.get("NativeFunctions").map(Value::items).unwrap_or(&[]);
        if functions.is_empty() {
            return Ok(());
        }
        self.heading("Native functions that it can call")?;
        for function in functions.iter().take(MOST) {
            self.line("", function.as_text().unwrap_or(""))?;
        }
        if functions.len() > MOST {
            self.line("", &format!("and {} more, see --json", functions.len() - MOST))?;
        }
        Ok(())
    }

    fn file(&mut self, fields: &Fields) -> io::Result<()> {
        self.heading("File")?;
        for (label, name) in [
            ("SHA-256", "Sha256"),
            ("SHA-1", "Sha1"),
            ("MD5", "Md5"),
            ("image hash", "ImageSha256"),
            ("stream", "Name"),
            ("machine", "Machine"),
            ("first bytes", "FirstBytes"),
        ] {
            self.line(label, fields.text(name).unwrap_or(""))?;
        }
        self.line("size", &format!("{} bytes", fields.number("Size").unwrap_or(0)))?;
        if let Some(stamp) = fields.get("Timestamp") {
            let raw = stamp.get("Raw").and_then(Value::as_number).unwrap_or(0);
            let text = match (stamp.get("Time").and_then(Value::as_time), part(stamp, "Reading")) {
                (Some(time), _) => format!("{time}; anybody can set it"),
                (None, "hash") => format!("none: {raw:#010x} is a hash of a reproducible build"),
                (None, _) => format!("none: {raw:#010x} is no possible time"),
            };
            self.line("link time", &text)?;
        }
        if let Some(debug) = fields.get("Debug") {
            self.line("PDB", part(debug, "PdbPath"))?;
            let age = debug.get("Age").and_then(Value::as_number).unwrap_or(0);
            let id = part(debug, "Guid");
            self.line("PDB id", &if id.is_empty() { String::new() } else { format!("{id}, age {age}") })?;
        }
        if let Some(is_signed) = fields.get("Signed").and_then(ValueRef::as_bool) {
            self.line("certificates", if is_signed { "there; whether they are valid is not checked" } else { "none" })?;
        }
        for section in fields.get("Sections").map(ValueRef::items).unwrap_or(&[]).iter().take(MOST) {
            let number = |name: &str| section.get(name).and_then(Value::as_number).unwrap_or(0);
            let entropy = part(section, "Entropy");
            let entropy = if entropy.is_empty() { String::new() } else { format!(", entropy {entropy}") };
            let text =
                format!("{:<8} {} bytes at {:#x}{entropy}", part(section, "Name"), number("Size"), number("Offset"));
            self.line("section", &text)?;
        }
        let imports = fields.get("Imports").map(ValueRef::items).unwrap_or(&[]);
        for library in imports.iter().take(MOST) {
            let functions = library.get("Functions").map(Value::items).unwrap_or(&[]);
            let text = match functions {
                [one] => format!("{}: {}", part(library, "Library"), one.as_text().unwrap_or("")),
                all => format!("{}: {} functions", part(library, "Library"), all.len()),
            };
            self.line("imports", &text)?;
        }
        Ok(())
    }

    fn version(&mut self, fields: &Fields) -> io::Result<()> {
        let Some(ValueRef::Map(version)) = fields.get("Version") else { return Ok(()) };
        self.heading("Version resource, which anybody can set")?;
        for (name, text) in version.iter().take(MOST) {
            self.line_at(WIDE_INDENT, name, text.as_text().unwrap_or(""))?;
        }
        Ok(())
    }

    fn text(&mut self, fields: &Fields) -> io::Result<()> {
        let Some(text) = fields.text("Text") else { return Ok(()) };
        self.heading("Text")?;
        for line in text.lines().take(200) {
            writeln!(self.out, "    {}", printable(line))?;
        }
        Ok(())
    }
}
