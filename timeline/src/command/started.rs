//! Whether the command line of another program would start one of the tools.
//!
//! What counts is the program position: `cmd /c regasm x.dll` starts the tool, `findstr regasm` and
//! `copy regasm.exe x.exe` only mention it.

use super::{powershell, shell, split, tool_named};
use crate::paths;
use evidence::Tool;

/// A start of one of the tools that another program's command line asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Started {
    /// Which tool.
    pub tool: Tool,
    /// The command as it stands inside the command line, the program's name first.
    pub command: String,
}

/// How deep wrappers may be nested; the rest is not looked at.
const DEEPEST: u32 = 8;
/// Most starts kept of one command line.
const MOST: usize = 32;

/// The starts of the tools that a process with this image and command line asks for. Nothing for a process
/// that is itself the tool by its name.
pub fn started_tools(image: Option<&str>, command_line: &str) -> Vec<Started> {
    let mut found = Found { starts: Vec::new() };
    let (Some(program), _) = split::split(command_line) else { return Vec::new() };
    let name = image.map_or(program.text.as_str(), |image| image);
    if tool_named(name).is_some() {
        return Vec::new();
    }
    let mut rest = &command_line[program.end..];
    let raw = &command_line[program.start..program.end];
    if paths::stem(name) == "cmd" {
        // `cmd/c regasm`: the switch is glued to the name.
        if let Some(at) = raw.find('/') {
            rest = &command_line[program.start + at..];
        }
    }
    found.wrapper(&paths::stem(name), rest, 0);
    found.starts
}

struct Found {
    starts: Vec<Started>,
}

impl Found {
    fn push(&mut self, tool: Tool, command: &str) {
        let command = command.trim();
        if self.starts.len() < MOST && !self.starts.iter().any(|start| start.command == command) {
            self.starts.push(Started { tool, command: command.to_owned() });
        }
    }

    /// A program with the text of its arguments.
    fn run(&mut self, program: &str, rest: &str, text: &str, depth: u32) {
        match tool_named(program) {
            Some(tool) => self.push(tool, text),
            None => self.wrapper(&paths::stem(program), rest, depth + 1),
        }
    }

    /// A command line as CreateProcess gets it.
    fn line(&mut self, line: &str, depth: u32) {
        let line = line.trim();
        let (Some(program), more) = split::split(line) else { return };
        let end = if tool_named(&program.text).is_some() { program.end } else { unquoted_path(line, &program, &more) };
        self.run(&line[..end].replace('"', ""), &line[end..], line, depth);
    }

    /// What a program that starts others does with its arguments.
    fn wrapper(&mut self, name: &str, rest: &str, depth: u32) {
        if depth > DEEPEST {
            return;
        }
        match name {
            "cmd" => self.cmd(rest, depth),
            "powershell" | "pwsh" => {
                let tokens = split::arguments(rest, 0);
                if let powershell::Program::Text(script) = powershell::program(&tokens, name == "pwsh") {
                    self.script(&script, depth);
                }
            }
            "wmic" => {
                let words = texts(rest);
                let create = words.windows(2).position(|pair| {
                    pair[0].eq_ignore_ascii_case("call") && pair[1].trim_end_matches(',').eq_ignore_ascii_case("create")
                });
                if let Some(line) = create.and_then(|at| words.get(at + 2)) {
                    self.line(unquoted(line.trim_end_matches(',')), depth);
                }
            }
            "schtasks" => {
                if let Some(line) = value_of(rest, &["/tr", "-tr"]) {
                    self.line(&single_to_double(&line), depth);
                }
            }
            "at" => {
                let tokens = split::arguments(rest, 0);
                let time = |text: &str| text.starts_with(|first: char| first.is_ascii_digit()) && text.contains(':');
                let Some(at) = tokens.iter().position(|token| time(&token.text)) else { return };
                if let Some(command) = tokens[at + 1..].iter().find(|token| !token.text.starts_with('/')) {
                    self.line(unquoted(&rest[command.start..]), depth);
                }
            }
            "forfiles" => {
                if let Some(line) = value_of(rest, &["/c", "-c"]) {
                    self.line(&line.replace("0x22", "\""), depth);
                }
            }
            "pcalua" => {
                if let Some(program) = value_of(rest, &["-a", "/a"]) {
                    let arguments = value_of(rest, &["-c", "/c"]).unwrap_or_default();
                    self.run(&program, &arguments, &format!("{program} {arguments}"), depth);
                }
            }
            "conhost" => {
                let tokens = split::arguments(rest, 0);
                let mut tokens = tokens.iter();
                while let Some(token) = tokens.next() {
                    match token.text.as_str() {
                        "--width" | "--height" | "--signal" | "--server" | "--feature" => {
                            tokens.next();
                        }
                        text if text.starts_with('-') || text.starts_with("0x") => {}
                        _ => return self.line(&rest[token.start..], depth),
                    }
                }
            }
            "runas" => {
                if let Some(line) = texts(rest).iter().find(|word| !word.starts_with('/')) {
                    self.line(line, depth);
                }
            }
            "explorer" => {
                if let [only] = texts(rest).as_slice()
                    && !only.starts_with('/')
                {
                    self.run(only, "", only, depth);
                }
            }
            _ => {}
        }
    }

    /// The arguments of cmd.exe.
    fn cmd(&mut self, rest: &str, depth: u32) {
        let mut strip = false;
        let mut text = rest.trim_start();
        while let Some(switch) = text.strip_prefix(['/', '-']) {
            let Some(letter) = switch.chars().next() else { return };
            let after = &switch[letter.len_utf8()..];
            match letter.to_ascii_lowercase() {
                'c' | 'k' | 'r' => {
                    for reading in shell::readings(after, strip) {
                        self.batch(&reading, depth);
                    }
                    return;
                }
                's' => strip = true,
                _ => {}
            }
            // Switches may follow each other without a space: `/d/c`.
            let end = after.find([' ', '\t', '/']).unwrap_or(after.len());
            text = after[end..].trim_start();
        }
    }

    /// Text in cmd.exe's language.
    fn batch(&mut self, text: &str, depth: u32) {
        if depth > DEEPEST {
            return;
        }
        for command in shell::commands(text) {
            let (program, rest) = shell::program(&command);
            match program.to_ascii_lowercase().as_str() {
                "start" => {
                    if let Some(line) = shell::started(rest) {
                        self.line(line, depth);
                    }
                }
                "call" => self.batch(rest, depth + 1),
                "if" => self.batch(shell::conditional(rest), depth + 1),
                _ => self.run(&program, rest, &command, depth),
            }
        }
    }

    /// Text in PowerShell's language.
    fn script(&mut self, script: &str, depth: u32) {
        if depth > DEEPEST {
            return;
        }
        let makes_process = script.to_ascii_lowercase().contains("win32_process");
        for piece in powershell::pieces(script) {
            let words = powershell::words(&piece.text);
            let Some((first, quoted)) = words.first() else { continue };
            // What stands in the parentheses of a method call.
            if piece.before.ends_with("::start") {
                let rest = line_of(&words[1..]);
                self.run(first, &rest, &format!("{first} {rest}"), depth);
                continue;
            }
            if makes_process && (piece.before.ends_with(".create") || piece.before.ends_with("::create")) {
                self.line(first, depth);
                continue;
            }
            if matches!(piece.before.as_str(), "iex" | "invoke-expression") && *quoted {
                self.script(first, depth + 1);
                continue;
            }
            let command = powershell::command(&piece.text);
            let called = command.strip_prefix('&').or_else(|| command.strip_prefix(". "));
            let words = powershell::words(called.unwrap_or(command));
            let Some((first, quoted)) = words.first() else { continue };
            if *quoted && called.is_none() {
                continue;
            }
            self.statement(first, &words[1..], makes_process, depth);
        }
    }

    fn statement(&mut self, name: &str, words: &[(String, bool)], makes_process: bool, depth: u32) {
        match name.to_ascii_lowercase().as_str() {
            "start-process" | "saps" | "start" => {
                let (mut program, mut arguments) = (None, Vec::new());
                let mut words = words.iter().peekable();
                while let Some((word, quoted)) = words.next() {
                    let option = word.strip_prefix('-').filter(|_| !quoted).map(str::to_ascii_lowercase);
                    match option {
                        Some(option) if !option.is_empty() && "filepath".starts_with(&option) => {
                            program = words.next().map(|(word, _)| word.clone());
                        }
                        Some(option)
                            if !option.is_empty() && ("argumentlist".starts_with(&option) || option == "args") =>
                        {
                            while let Some((word, _)) =
                                words.next_if(|(word, quoted)| *quoted || !is_start_process_option(word))
                            {
                                arguments.push(word.clone());
                            }
                        }
                        Some(option) if takes_value(&option) => {
                            words.next();
                        }
                        Some(_) => {}
                        None if program.is_none() => program = Some(word.clone()),
                        None => arguments.push(word.clone()),
                    }
                }
                if let Some(program) = program {
                    let rest = arguments.join(" ");
                    self.run(&program, &rest, &format!("{program} {rest}"), depth);
                }
            }
            "invoke-expression" | "iex" => {
                let text: Vec<&str> =
                    words.iter().map(|(word, _)| word.as_str()).filter(|word| !is_word(word, "-command")).collect();
                self.script(&text.join(" "), depth + 1);
            }
            "invoke-item" | "ii" => {
                if let Some((path, _)) = words.iter().find(|(word, _)| !word.starts_with('-')) {
                    self.run(path, "", path, depth);
                }
            }
            "invoke-wmimethod" | "iwmi" | "invoke-cimmethod" if makes_process => {
                for (word, _) in words.iter().filter(|(_, quoted)| *quoted) {
                    self.line(word, depth);
                }
            }
            name_and_value if makes_process && name_and_value.starts_with("commandline=") => {
                self.line(name.get("commandline=".len()..).unwrap_or_default(), depth);
            }
            _ => {
                let rest = line_of(words);
                self.run(name, &rest, &format!("{name} {rest}"), depth);
            }
        }
    }
}

fn is_word(word: &str, wanted: &str) -> bool {
    word.eq_ignore_ascii_case(wanted)
}

fn takes_value(option: &str) -> bool {
    [
        "workingdirectory",
        "windowstyle",
        "verb",
        "credential",
        "redirectstandardoutput",
        "redirectstandarderror",
        "redirectstandardinput",
    ]
    .iter()
    .any(|whole| option.len() >= 2 && whole.starts_with(option))
}

fn is_start_process_option(word: &str) -> bool {
    let Some(option) = word.strip_prefix('-').map(str::to_ascii_lowercase) else { return false };
    let switches = ["wait", "passthru", "nonewwindow", "loaduserprofile", "usenewenvironment"];
    takes_value(&option) || switches.iter().any(|whole| option.len() >= 2 && whole.starts_with(&option))
}

fn texts(rest: &str) -> Vec<String> {
    split::arguments(rest, 0).into_iter().map(|token| token.text).collect()
}

/// The argument that follows one of these switches.
pub(crate) fn value_of(rest: &str, switches: &[&str]) -> Option<String> {
    let words = texts(rest);
    let at = words.iter().position(|word| switches.iter().any(|switch| word.eq_ignore_ascii_case(switch)))?;
    words.get(at + 1).cloned()
}

/// Words as one command line, with quotes where a word has white space.
fn line_of(words: &[(String, bool)]) -> String {
    let quoted = |word: &String| if word.contains([' ', '\t']) { format!("\"{word}\"") } else { word.clone() };
    words.iter().map(|(word, _)| quoted(word)).collect::<Vec<_>>().join(" ")
}

/// Text without one pair of quotes round all of it.
fn unquoted(text: &str) -> &str {
    let text = text.trim();
    for quote in ['"', '\''] {
        if let Some(inner) = text.strip_prefix(quote).and_then(|text| text.strip_suffix(quote))
            && !inner.contains(quote)
        {
            return inner;
        }
    }
    text
}

/// Task commands quote with `'` inside `"`.
fn single_to_double(line: &str) -> String {
    if line.starts_with('\'') { line.replace('\'', "\"") } else { line.to_owned() }
}

/// Where the program's path ends in `C:\Program Files\x\regasm.exe y`: CreateProcess tries an unquoted path
/// word by word. The words are joined as long as they can be one path, and only to reach the tool's name.
fn unquoted_path(line: &str, program: &split::Token, more: &[split::Token]) -> usize {
    if line.starts_with('"')
        || paths::form(&program.text) != paths::Form::Drive
        || program.text.to_lowercase().ends_with(".exe")
    {
        return program.end;
    }
    for token in more {
        let raw = &line[token.start..token.end];
        if raw.contains([':', '"']) || raw.starts_with(['/', '-', '\\']) {
            break;
        }
        if raw.contains('\\') && tool_named(raw).is_some() {
            return token.end;
        }
    }
    program.end
}

#[cfg(test)]
mod tests {
    use super::*;

    fn starts(image: &str, line: &str) -> Vec<String> {
        started_tools((!image.is_empty()).then_some(image), line).into_iter().map(|start| start.command).collect()
    }

    #[test]
    fn attempts_by_cmd() {
        let cmd = r"C:\Windows\System32\cmd.exe";
        for (image, line, wanted) in [
            (
                cmd,
                r#""C:\Windows\system32\cmd.exe" /c "C:\Windows\Microsoft.NET\Framework\v4.0.30319\regasm.exe /U T1121.dll""#,
                r"C:\Windows\Microsoft.NET\Framework\v4.0.30319\regasm.exe /U T1121.dll",
            ),
            (cmd, r#""C:\Windows\system32\cmd.exe" /c "regasm.exe /U missing.dll""#, "regasm.exe /U missing.dll"),
            (cmd, "cmd /c regasm x.dll", "regasm x.dll"),
            (cmd, "cmd.exe/c regasm x.dll", "regasm x.dll"),
            (cmd, "cmd /d/c regasm/u x.dll", "regasm/u x.dll"),
            (cmd, "cmd /s /k \"regasm x.dll\"", "regasm x.dll"),
            (cmd, "cmd /V:ON /r regsvcs x.dll", "regsvcs x.dll"),
            (cmd, "cmd /c echo a & regasm x.dll", "regasm x.dll"),
            (cmd, "cmd /c cd C:\\x && regasm x.dll || echo no", "regasm x.dll"),
            (cmd, "cmd /c \"type x | (regasm x.dll)\"", "regasm x.dll"),
            (cmd, "cmd /c r^e^gasm x.dll", "regasm x.dll"),
            (cmd, r#"cmd /c "C:\Program Files\x\regasm.exe""#, r#""C:\Program Files\x\regasm.exe""#),
            (
                cmd,
                r#"cmd /c ""C:\Program Files\x\regasm.exe" "a b.dll"""#,
                r#""C:\Program Files\x\regasm.exe" "a b.dll""#,
            ),
            (cmd, r#"cmd /c start "" /min regasm x.dll"#, "regasm x.dll"),
            (cmd, "cmd /c call regasm x.dll", "regasm x.dll"),
            (cmd, "cmd /c if exist x.dll regasm x.dll", "regasm x.dll"),
            (cmd, "cmd /c for %i in (*.dll) do regasm %i", "regasm %i"),
            (cmd, "cmd /c >nul regasm x.dll", "regasm x.dll"),
            (
                cmd,
                r"cmd /c %windir%\Microsoft.NET\Framework\v4.0.30319\regasm.exe x.dll",
                r"%windir%\Microsoft.NET\Framework\v4.0.30319\regasm.exe x.dll",
            ),
            (cmd, "cmd /c cmd /c regasm x.dll", "regasm x.dll"),
            (cmd, "cmd /c powershell -c regasm x.dll", "regasm x.dll"),
            ("", r"cmd /c start C:\Program Files\x\regasm.exe x.dll", r"C:\Program Files\x\regasm.exe x.dll"),
        ] {
            assert_eq!(starts(image, line), [wanted], "{line}");
        }
    }

    #[test]
    fn attempts_by_powershell() {
        let ps = r"C:\Windows\System32\WindowsPowerShell\v1.0\powershell.exe";
        for (image, line, wanted) in [
            (ps, "powershell -c regasm x.dll", "regasm x.dll"),
            (
                ps,
                "powershell.exe -nop -w hidden -ep bypass -Command \"& 'C:\\a b\\regasm.exe' /u x.dll\"",
                "C:\\a b\\regasm.exe /u x.dll",
            ),
            (ps, "powershell regsvcs.exe x.dll", "regsvcs.exe x.dll"),
            (
                ps,
                "powershell -c \"cd C:\\x; Start-Process -Wait -FilePath regasm.exe -ArgumentList '/u','x.dll'\"",
                "regasm.exe /u x.dll",
            ),
            (ps, "powershell -c \"start regasm '/u x.dll'\"", "regasm /u x.dll"),
            (ps, "powershell -c \"iex 'regasm /u x.dll'\"", "regasm /u x.dll"),
            (ps, "powershell -c \"iex ('regasm /u x.dll')\"", "regasm /u x.dll"),
            (ps, "powershell -c \"if (Test-Path x) { regasm x.dll }\"", "regasm x.dll"),
            (ps, "powershell -c \"$o = regasm x.dll\"", "regasm x.dll"),
            (ps, "powershell -c \"[Diagnostics.Process]::Start('regasm.exe','/u x.dll')\"", "regasm.exe \"/u x.dll\""),
            (ps, "powershell -c \"([wmiclass]'Win32_Process').Create('regasm.exe /u x.dll')\"", "regasm.exe /u x.dll"),
            (ps, "powershell -c \"cmd /c 'regasm /u x.dll'\"", "regasm /u x.dll"),
            // "regasm /u x.dll", UTF-16LE, base64 by coreutils.
            (ps, "powershell -enc cgBlAGcAYQBzAG0AIAAvAHUAIAB4AC4AZABsAGwA", "regasm /u x.dll"),
            (ps, "powershell -NoP -e cgBlAGcAYQBzAG0AIAAvAHUAIAB4AC4AZABsAGwA", "regasm /u x.dll"),
            ("", "pwsh -Command regasm x.dll", "regasm x.dll"),
        ] {
            assert_eq!(starts(image, line), [wanted], "{line}");
        }
    }

    #[test]
    fn attempts_by_other_programs() {
        for (line, wanted) in [
            ("wmic process call create \"regasm.exe /u x.dll\"", "regasm.exe /u x.dll"),
            ("wmic /node:h process call create 'regasm.exe'", "regasm.exe"),
            (
                r#"schtasks /create /tn x /sc once /st 00:00 /tr "C:\x\regasm.exe /u x.dll""#,
                r"C:\x\regasm.exe /u x.dll",
            ),
            (r#"schtasks /create /tn x /tr "'C:\a b\regasm.exe' /u x.dll""#, r#""C:\a b\regasm.exe" /u x.dll"#),
            ("at 13:00 /interactive regasm.exe x.dll", "regasm.exe x.dll"),
            (r#"at \\h 13:00 "cmd /c regasm x.dll""#, "regasm x.dll"),
            (r#"forfiles /p c:\windows /m notepad.exe /c "cmd /c regasm x.dll""#, "regasm x.dll"),
            (r#"forfiles /c "C:\x\regasm.exe 0x22a b.dll0x22""#, r#"C:\x\regasm.exe "a b.dll""#),
            (r"pcalua.exe -a C:\x\regasm.exe -c x.dll", r"C:\x\regasm.exe x.dll"),
            ("conhost.exe --headless regasm x.dll", "regasm x.dll"),
            ("conhost regasm x.dll", "regasm x.dll"),
            ("runas /user:x \"regasm x.dll\"", "regasm x.dll"),
        ] {
            assert_eq!(starts("", line), [wanted], "{line}");
        }
    }

    #[test]
    fn mentions() {
        for (image, line) in [
            (r"C:\Windows\System32\findstr.exe", "findstr /s regasm *.txt"),
            ("", "findstr regasm"),
            ("", "tasklist /fi \"imagename eq regasm.exe\""),
            ("", "where regasm"),
            ("", "notepad regasm.txt"),
            ("", r"notepad C:\x\regasm.exe"),
            ("", r"xcopy C:\x\regasm.exe x.exe"),
            ("", r"cmd /c copy C:\x\regasm.exe x.exe"),
            ("", "cmd /c dir regasm.exe"),
            ("", "cmd /c echo regasm x.dll"),
            ("", "cmd /c \"findstr regasm x & where regasm\""),
            ("", "cmd /c echo a ^& regasm"),
            ("", "cmd /c echo \"a & regasm\""),
            ("", r#"cmd /c start "C:\x\regasm.exe""#),
            ("", "cmd /c for %i in (regasm.exe) do copy %i x"),
            ("", "cmd /k"),
            ("", "cmd"),
            ("", "powershell -c \"Get-Item regasm.exe\""),
            ("", "powershell -c \"Copy-Item C:\\x\\regasm.exe x.exe\""),
            ("", "powershell -c \"'regasm'\""),
            ("", "powershell -c \"Write-Host 'a; regasm x'\""),
            ("", "powershell -c \"@('regasm','regsvcs')\""),
            ("", "powershell -c \"a # regasm\""),
            ("", "powershell -File regasm.ps1"),
            ("", "powershell -enc AAAA"),
            ("", "pwsh regasm.ps1"),
            ("", "wmic process where name='regasm.exe' get commandline"),
            ("", "schtasks /query /tn regasm"),
            ("", "taskkill /im regasm.exe"),
            ("", r"C:\Windows\system32\conhost.exe 0xffffffff -ForceV1"),
            ("", "explorer /select,C:\\x\\regasm.exe"),
            (r"C:\x\RegAsm.exe", "regasm cmd /c regasm"),
            ("", ""),
            ("", "   "),
        ] {
            assert_eq!(starts(image, line), [""; 0], "{line}");
        }
    }

    #[test]
    fn hostile_lines_end() {
        let nested = format!("{}regasm", "cmd /c ".repeat(3_000));
        assert_eq!(starts("", &nested), [""; 0], "deeper than we look");
        for piece in ["\"", "'", "(", "{", "`", "^", "& ", "| ", "\u{202e}", "if ", "for ", "iex '"] {
            for shell in ["cmd /c ", "powershell -c "] {
                let _ = starts("", &format!("{shell}{}", piece.repeat(10_000)));
            }
        }
    }
}
