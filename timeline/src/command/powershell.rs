//! The commands that a line of PowerShell's language runs, as far as they stand in it literally.
//!
//! Names put together at run time (`'reg' + 'asm'`) are not found: only the machine could compute them.
//!
//! Reference: Microsoft, *about_PowerShell_exe*, *about_Operators* (call operator), *Start-Process*.

use super::split::Token;

/// What powershell.exe is asked to run.
pub(super) enum Program {
    /// Text in PowerShell's language.
    Text(String),
    /// Nothing that stands on the command line.
    None,
}

/// Finds the program text in the arguments of powershell.exe or pwsh.exe.
pub(super) fn program(tokens: &[Token], is_pwsh: bool) -> Program {
    let joined =
        |tokens: &[Token]| Program::Text(tokens.iter().map(|token| token.text.as_str()).collect::<Vec<_>>().join(" "));
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        at += 1;
        let Some(name) = token.text.strip_prefix(['-', '/', '\u{2013}', '\u{2014}']) else {
            // Windows PowerShell takes the first free word as a command, PowerShell 6 and later as a file.
            return if is_pwsh { Program::None } else { joined(&tokens[at - 1..]) };
        };
        let name = name.split(':').next().unwrap_or(name).to_ascii_lowercase();
        let short_for = |whole: &str, least: usize| name.len() >= least && whole.starts_with(&name);
        if name == "ec" || short_for("encodedcommand", 1) {
            return tokens.get(at).and_then(|token| decode(&token.text)).map_or(Program::None, Program::Text);
        } else if name == "cwa" || short_for("commandwithargs", 8) {
            return tokens.get(at).map_or(Program::None, |token| Program::Text(token.text.clone()));
        } else if short_for("command", 1) {
            return joined(tokens.get(at..).unwrap_or_default());
        } else if short_for("file", 1) {
            return Program::None;
        } else if ["ep", "if", "of", "ea", "wd"].contains(&name.as_str())
            || short_for("executionpolicy", 2)
            || short_for("version", 1)
            || short_for("windowstyle", 1)
            || short_for("inputformat", 2)
            || short_for("outputformat", 1)
            || short_for("psconsolefile", 1)
            || short_for("configurationname", 6)
            || short_for("configurationfile", 14)
            || short_for("workingdirectory", 2)
            || short_for("settingsfile", 3)
            || short_for("custompipename", 2)
            || short_for("encodedarguments", 9)
        {
            at += 1;
        }
    }
    Program::None
}

/// Base64 of UTF-16LE text; `None` where it is not that.
pub(super) fn decode(base64: &str) -> Option<String> {
    let mut bits = 0u32;
    let mut count = 0;
    let mut bytes = Vec::with_capacity(base64.len() / 4 * 3);
    for character in base64.bytes().filter(|byte| !byte.is_ascii_whitespace()) {
        let value = match character {
            b'A'..=b'Z' => character - b'A',
            b'a'..=b'z' => character - b'a' + 26,
            b'0'..=b'9' => character - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            b'=' => break,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
            bits &= (1 << count) - 1;
        }
    }
    let units: Vec<u16> = bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
    (!units.is_empty()).then(|| String::from_utf16_lossy(&units))
}

/// A piece of a script between separators.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Piece {
    /// The text, trimmed, quotes kept.
    pub(super) text: String,
    /// The text in front of the parenthesis in which it stands, trimmed and in lower case.
    pub(super) before: String,
}

/// Cuts a script where a new command can begin: `;`, `|`, newline, braces, parentheses.
pub(super) fn pieces(script: &str) -> Vec<Piece> {
    let mut found = Vec::new();
    let mut current = String::new();
    let mut before = String::new();
    let mut characters = script.chars().peekable();
    let mut close = |current: &mut String, before: &mut String, next: &str| {
        let text = std::mem::take(current).trim().to_owned();
        let front = if next == "(" { text.to_lowercase() } else { String::new() };
        if !text.is_empty() {
            found.push(Piece { text, before: std::mem::take(before) });
        }
        *before = front;
    };
    while let Some(character) = characters.next() {
        match character {
            '\'' | '"' | '\u{2018}' | '\u{2019}' | '\u{201C}' | '\u{201D}' => {
                let quote = if matches!(character, '\'' | '\u{2018}' | '\u{2019}') { '\'' } else { '"' };
                current.push(quote);
                while let Some(inner) = characters.next() {
                    let ends = match quote {
                        '\'' => matches!(inner, '\'' | '\u{2018}' | '\u{2019}'),
                        _ => matches!(inner, '"' | '\u{201C}' | '\u{201D}'),
                    };
                    if inner == '`' && quote == '"' {
                        current.extend(characters.next());
                    } else if ends && characters.peek() == Some(&inner) {
                        // A doubled quote is one quote of the text; inside the piece it stands escaped.
                        characters.next();
                        current.push('\u{1}');
                    } else if ends {
                        current.push(quote);
                        break;
                    } else {
                        current.push(inner);
                    }
                }
            }
            '`' => current.extend(characters.next()),
            '#' if current.trim_end().len() < current.len() || current.is_empty() => {
                while characters.next_if(|character| *character != '\n').is_some() {}
            }
            ';' | '\n' | '\r' | '|' | '{' | '}' | ')' => close(&mut current, &mut before, ""),
            '(' => close(&mut current, &mut before, "("),
            '&' if !current.trim().is_empty() => {
                characters.next_if_eq(&'&');
                close(&mut current, &mut before, "");
            }
            character => current.push(character),
        }
    }
    close(&mut current, &mut before, "");
    found
}

/// The words of a piece; `true` for a word that is one quoted string.
pub(super) fn words(piece: &str) -> Vec<(String, bool)> {
    let mut found = Vec::new();
    let mut word = String::new();
    let (mut any, mut only_quoted) = (false, true);
    let mut characters = piece.chars();
    while let Some(character) = characters.next() {
        match character {
            '\'' | '"' => {
                any = true;
                for inner in characters.by_ref() {
                    match inner {
                        inner if inner == character => break,
                        '\u{1}' => word.push(character),
                        inner => word.push(inner),
                    }
                }
            }
            ' ' | '\t' | ',' => {
                if any {
                    found.push((std::mem::take(&mut word), only_quoted));
                }
                (any, only_quoted) = (false, true);
            }
            character => {
                (any, only_quoted) = (true, false);
                word.push(character);
            }
        }
    }
    if any {
        found.push((word, only_quoted));
    }
    found
}

/// The piece without an assignment, cast or keyword in front of its command.
pub(super) fn command(piece: &str) -> &str {
    let mut piece = piece.trim_start();
    loop {
        let before = piece.len();
        if piece.starts_with('$') {
            let name = piece.find(|character: char| !(character.is_alphanumeric() || "$_:.".contains(character)));
            let rest = name.map_or("", |at| piece[at..].trim_start());
            if let Some(rest) = rest.strip_prefix('=').or_else(|| rest.strip_prefix("+=")) {
                piece = rest.trim_start();
            }
        }
        if piece.starts_with('[') {
            // A cast in front of a command, `[void]`; types in front of `::` are kept.
            if let Some(at) = piece.find(']').filter(|at| !piece[at + 1..].starts_with(':')) {
                piece = piece[at + 1..].trim_start();
            }
        }
        for word in ["return ", "else ", "do ", "try ", "finally "] {
            if let Some(rest) = crate::paths::strip_prefix_any_case(piece, word) {
                piece = rest.trim_start();
            }
        }
        if piece.len() == before {
            return piece;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encoded_commands() {
        // "regasm" in UTF-16LE, encoded with coreutils.
        assert_eq!(decode("cgBlAGcAYQBzAG0A").as_deref(), Some("regasm"));
        assert_eq!(decode("!"), None);
        assert_eq!(decode(""), None);
    }

    #[test]
    fn pieces_of_a_script() {
        let texts = |script: &str| pieces(script).into_iter().map(|piece| piece.text).collect::<Vec<_>>();
        assert_eq!(texts("a; b | c\nd && e"), ["a", "b", "c", "d", "e"]);
        assert_eq!(texts("& 'x;y' /u"), ["& 'x;y' /u"]);
        assert_eq!(texts("icm { regasm x }"), ["icm", "regasm x"]);
        assert_eq!(texts("a # regasm\nb"), ["a", "b"]);
        assert_eq!(texts("re`gasm"), ["regasm"]);
        let start = pieces("[Diagnostics.Process]::Start('regasm.exe', '/u x')");
        assert_eq!(start[1].before, "[diagnostics.process]::start");
        assert_eq!(start[1].text, "'regasm.exe', '/u x'");
    }

    #[test]
    fn words_and_fronts() {
        assert_eq!(
            words("a 'b ''c' \"d\""),
            [("a".to_owned(), false), ("b ".to_owned() + "c", true), ("d".to_owned(), true)]
        );
        assert_eq!(command("$x = regasm y"), "regasm y");
        assert_eq!(command("[void] regasm y"), "regasm y");
        assert_eq!(command("[a]::b"), "[a]::b");
    }
}
