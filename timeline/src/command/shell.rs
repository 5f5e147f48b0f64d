//! The commands that a line of cmd.exe's language runs.
//!
//! Reference: Microsoft, *cmd*, *start*, *call*, *if*, *for* (Windows commands).

use super::split;

/// The simple commands of a line, in order, with carets and redirections in front taken off.
pub(super) fn commands(line: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut current = String::new();
    let mut quoted = false;
    let mut depth = 0u32;
    let mut characters = line.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' => {
                quoted = !quoted;
                current.push('"');
            }
            character if quoted => current.push(character),
            '^' => current.extend(characters.next()),
            // `2>&1` is a redirection, not the end of a command.
            '&' if current.ends_with(['>', '<']) => current.push('&'),
            '&' | '|' | '\n' | '\r' => found.push(std::mem::take(&mut current)),
            '(' if is_set(&current) => {
                let set: String = characters.by_ref().take_while(|character| *character != ')').collect();
                if let Some(command) = set.trim().strip_prefix('\'').and_then(|set| set.strip_suffix('\'')) {
                    // `for /f %i in ('command')` runs the command.
                    found.push(command.to_owned());
                }
                current.clear();
            }
            '(' if opens_block(&current) => {
                depth += 1;
                found.push(std::mem::take(&mut current));
            }
            ')' if depth > 0 => {
                depth -= 1;
                found.push(std::mem::take(&mut current));
            }
            character => current.push(character),
        }
    }
    found.push(current);
    found.iter().map(|command| without_decoration(command).to_owned()).filter(|command| !command.is_empty()).collect()
}

fn first_word(command: &str) -> String {
    command.trim_start_matches(['@', ' ', '\t']).split([' ', '\t', '/']).next().unwrap_or_default().to_ascii_lowercase()
}

/// Whether a parenthesis that follows opens the set of a `for`.
fn is_set(before: &str) -> bool {
    first_word(before) == "for" && before.trim_end().to_ascii_lowercase().ends_with(" in")
}

/// Whether a parenthesis that follows opens a block of commands; elsewhere it is an ordinary character.
fn opens_block(before: &str) -> bool {
    before.trim_matches(['@', ' ', '\t']).is_empty() || matches!(first_word(before).as_str(), "if" | "else" | "do")
}

/// Takes off what may stand in front of a command: `@`, `do`, `else`, redirections.
fn without_decoration(command: &str) -> &str {
    let mut command = command;
    loop {
        let before = command.len();
        command = command.trim_matches([' ', '\t', '@', ',', ';', '=']);
        for word in ["do", "else"] {
            if let Some(rest) = crate::paths::strip_prefix_any_case(command, word)
                && rest.starts_with([' ', '\t', '('])
            {
                command = rest.trim_start_matches([' ', '\t', '(']);
            }
        }
        let target = command.trim_start_matches(|character: char| character.is_ascii_digit());
        if let Some(target) = target.strip_prefix(['>', '<']) {
            let target = target.trim_start_matches(['>', ' ']);
            let end = match target.strip_prefix('"') {
                Some(inner) => inner.find('"').map_or(target.len(), |at| at + 2),
                None => target.find([' ', '\t']).unwrap_or(target.len()),
            };
            command = &target[end..];
        }
        if command.len() == before {
            return command;
        }
    }
}

/// Program and the rest of a simple command. An unquoted `/` ends the program's name.
pub(super) fn program(command: &str) -> (String, &str) {
    let mut name = String::new();
    let mut quoted = false;
    for (at, character) in command.char_indices() {
        match character {
            '"' => quoted = !quoted,
            ' ' | '\t' | ',' | ';' | '=' if !quoted => return (name, &command[at..]),
            '/' if !quoted && !name.is_empty() => return (name, &command[at..]),
            character => name.push(character),
        }
    }
    (name, "")
}

/// What cmd.exe would run for the text behind `/c`: with its outer quotes kept, with them taken off, or
/// both where only the file system could tell.
pub(super) fn readings(text: &str, always_strip: bool) -> Vec<String> {
    let text = text.trim_start();
    let Some(inner) = text.strip_prefix('"') else { return vec![text.to_owned()] };
    let stripped = match inner.rfind('"') {
        Some(at) => format!("{}{}", &inner[..at], &inner[at + 1..]),
        None => inner.to_owned(),
    };
    let between = inner.split('"').next().unwrap_or_default();
    let plain =
        !always_strip && text.matches('"').count() == 2 && !between.contains(['&', '<', '>', '(', ')', '@', '^', '|']);
    if plain { vec![text.to_owned(), stripped] } else { vec![stripped] }
}

/// The command line that `start` runs, from the text behind it.
pub(super) fn started(rest: &str) -> Option<&str> {
    let tokens = split::arguments(rest, 0);
    let mut tokens = tokens.iter().peekable();
    // The first quoted word is the window's title.
    tokens.next_if(|token| rest[token.start..].starts_with('"'));
    while let Some(token) = tokens.next() {
        let lower = token.text.to_ascii_lowercase();
        if !lower.starts_with('/') {
            return Some(&rest[token.start..]);
        }
        if matches!(lower.as_str(), "/d" | "/node" | "/affinity" | "/machine") {
            tokens.next();
        }
    }
    None
}

/// The command that `if` runs, from the text behind it.
pub(super) fn conditional(rest: &str) -> &str {
    let tokens = split::arguments(rest, 0);
    let mut at = 0;
    while tokens.get(at).is_some_and(|token| matches!(token.text.to_ascii_lowercase().as_str(), "/i" | "not")) {
        at += 1;
    }
    let words = |at: usize| tokens.get(at).map_or("", |token| token.text.as_str());
    at += match words(at).to_ascii_lowercase().as_str() {
        "exist" | "defined" | "errorlevel" | "cmdextversion" => 2,
        word if word.contains("==") && !word.ends_with("==") => 1,
        word if word.ends_with("==") => 2,
        _ => 3,
    };
    tokens.get(at).map_or("", |token| &rest[token.start..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn simple_commands() {
        for (line, wanted) in [
            ("a & b && c || d | e", &["a", "b", "c", "d", "e"][..]),
            ("(a x) & b", &["a x", "b"]),
            ("reg^asm /u x.dll", &["regasm /u x.dll"]),
            ("echo \"a & b\" & c", &["echo \"a & b\"", "c"]),
            ("echo a ^& b", &["echo a & b"]),
            ("@a >nul 2>&1 & >out.txt b", &["a >nul 2>&1", "b"]),
            ("copy a(1).txt b", &["copy a(1).txt b"]),
            ("if exist x (a) else b", &["if exist x", "a", "b"]),
            ("for %i in (regasm.exe) do copy %i x", &["copy %i x"]),
            ("for /f %i in ('regasm x') do y", &["regasm x", "y"]),
            ("", &[]),
        ] {
            assert_eq!(commands(line), wanted, "{line}");
        }
    }

    #[test]
    fn outer_quotes() {
        assert_eq!(readings(r#""a.exe /U b.dll""#, false), [r#""a.exe /U b.dll""#, "a.exe /U b.dll"]);
        assert_eq!(readings(r#""a b.exe" "c""#, false), [r#"a b.exe" "c"#]);
        assert_eq!(readings(r#""a & b""#, false), ["a & b"]);
        assert_eq!(readings("a \"b\"", false), ["a \"b\""]);
        assert_eq!(readings(r#""a b""#, true), ["a b"]);
    }

    #[test]
    fn start_and_if() {
        assert_eq!(started(r#" "" /min /d C:\x regasm.exe x"#), Some("regasm.exe x"));
        assert_eq!(started(" /b regasm.exe"), Some("regasm.exe"));
        assert_eq!(started(r#" "C:\regasm.exe""#), None);
        assert_eq!(conditional(" not exist x regasm y"), "regasm y");
        assert_eq!(conditional(" /i a==b regasm y"), "regasm y");
        assert_eq!(conditional(" a EQU b regasm y"), "regasm y");
    }
}
