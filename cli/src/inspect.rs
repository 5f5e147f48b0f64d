//! `comtrail inspect`: what a file is and whether the tools would run its code. Files are read, never loaded.

use crate::parse::parse;
use crate::progress::printable;
use evidence::{Focus, Input, Problem, Record, Value};
use std::io::{self, Write};
use std::path::PathBuf;

/// Largest file that is read.
const MAX_FILE: u64 = 256 << 20;

/// Describes the files. Returns whether all could be read without a problem.
pub(crate) fn run(files: &[PathBuf], json: bool, out: &mut dyn Write) -> anyhow::Result<bool> {
    let mut whole = true;
    let mut list = Vec::new();
    for path in files {
        let shown = path.display().to_string();
        let (record, problems) = match std::fs::metadata(path).and_then(|facts| {
            if facts.len() > MAX_FILE {
                Err(io::Error::other("it is larger than 256 MiB"))
            } else {
                std::fs::read(path)
            }
        }) {
            Ok(bytes) => describe(&shown, &bytes),
            Err(error) => {
                whole = false;
                if json {
                    list.push(serde_json::json!({"path": shown, "error": error.to_string()}));
                } else {
                    writeln!(out, "{}\n  cannot be read: {error}\n", printable(&shown))?;
                }
                continue;
            }
        };
        whole &= problems.is_empty();
        if json {
            list.push(serde_json::json!({
                "path": shown, "facts": record.as_ref().map(|record| &record.fields), "problems": problems,
            }));
        } else {
            write_text(&shown, record.as_ref(), &problems, out)?;
        }
    }
    if json {
        serde_json::to_writer_pretty(&mut *out, &list)?;
        writeln!(out)?;
    }
    Ok(whole)
}

fn describe(path: &str, bytes: &[u8]) -> (Option<Record>, Vec<Problem>) {
    let Some(artifact) = artifacts::by_id("assembly") else { return (None, Vec::new()) };
    let mut found = None;
    let bytes = bytes.to_vec();
    let focus = Focus::default();
    // The name alone: a colon or backslash in a local path must not be taken for a stream or a folder of Windows.
    let name = path.rsplit(['/', '\\']).next().unwrap_or(path);
    let input = Input { original_path: name, bytes: &bytes, companions: Vec::new(), focus: &focus };
    let problems = parse(artifact, &input, &mut |record| found = Some(record));
    (found, problems)
}

fn write_text(path: &str, record: Option<&Record>, problems: &[Problem], out: &mut dyn Write) -> anyhow::Result<()> {
    writeln!(out, "{}", printable(path))?;
    let mut line = |name: &str, text: &str| writeln!(out, "  {name:<22} {}", printable(text));
    if let Some(record) = record {
        let fields = &record.fields;
        let cli = fields.get("Cli");
        if cli.is_some() {
            for (label, key) in [
                ("regasm runs code", "ExecutesOnRegister"),
                ("regasm /u runs code", "ExecutesOnUnregister"),
                ("regsvcs runs code", "ExecutesForRegsvcs"),
                ("its rollback runs code", "ExecutesForRegsvcsRollback"),
                ("loading runs code", "ExecutesOnLoad"),
            ] {
                if let Some(outlook) = fields.get(key) {
                    let part = |name: &str| outlook.get(name).and_then(Value::as_text).unwrap_or("");
                    line(label, &format!("{}: {}", part("State"), part("Because")))?;
                }
            }
        } else {
            line("regasm runs code", "no: it is not a .NET assembly that can be read")?;
        }
        line("kind", fields.text("Kind").unwrap_or(""))?;
        if let Some(cli) = cli {
            let part = |name: &str| cli.get(name).and_then(Value::as_text).unwrap_or("");
            let name = cli.get("Assembly").and_then(|assembly| assembly.get("DisplayName")).and_then(Value::as_text);
            line("identity", name.unwrap_or(""))?;
            line("runtime", part("RuntimeVersion"))?;
            line("mvid", part("Mvid"))?;
            line("type library", part("TypeLibId"))?;
            for one in cli.get("Types").map(Value::items).unwrap_or(&[]) {
                let part = |name: &str| one.get(name).and_then(Value::as_text).unwrap_or("");
                if one.get("Registrable").and_then(Value::as_bool) == Some(true) {
                    line("class", &format!("{} {} ({})", part("Clsid"), part("Name"), part("ClsidFrom")))?;
                }
                for (label, key) in [("  on register", "Register"), ("  on unregister", "Unregister")] {
                    if let Some(hook) = one.get(key) {
                        let part = |name: &str| hook.get(name).and_then(Value::as_text).unwrap_or("");
                        line(
                            label,
                            &format!(
                                "{} {} of {}: {}",
                                part("Token"),
                                part("Method"),
                                part("DeclaredBy"),
                                part("Because")
                            ),
                        )?;
                    }
                }
            }
            for function in cli.get("NativeFunctions").map(Value::items).unwrap_or(&[]).iter().take(20) {
                line("native function", function.as_text().unwrap_or(""))?;
            }
        }
        line("sha256", fields.text("Sha256").unwrap_or(""))?;
        line("sha1", fields.text("Sha1").unwrap_or(""))?;
        line("md5", fields.text("Md5").unwrap_or(""))?;
        if let Some(hash) = fields.text("ImageSha256") {
            line("image sha256", hash)?;
        }
        line("size", &fields.number("Size").unwrap_or(0).to_string())?;
        if let Some(machine) = fields.text("Machine") {
            line("machine", machine)?;
        }
        if let Some(stamp) = fields.get("Timestamp") {
            let reading = stamp.get("Reading").and_then(Value::as_text).unwrap_or("");
            let time = stamp.get("Time").and_then(Value::as_time).map(|time| time.to_string());
            line("link time", &time.unwrap_or_else(|| format!("none; the stored number is {reading}")))?;
        }
        if let Some(Value::Map(version)) = fields.get("Version") {
            for (name, text) in version {
                line(&format!("version: {name}"), text.as_text().unwrap_or(""))?;
            }
        }
        if let Some(pdb) = fields.get("Debug").and_then(|debug| debug.get("PdbPath")).and_then(Value::as_text) {
            line("pdb", pdb)?;
        }
        if let Some(signed) = fields.get("Signed").and_then(Value::as_bool) {
            line("certificates", if signed { "there; whether they are valid is not checked" } else { "none" })?;
        }
    }
    for problem in problems {
        line("problem", &format!("{} {}; {}", problem.what, problem.kind.particulars(), problem.effect))?;
    }
    writeln!(out)?;
    Ok(())
}
