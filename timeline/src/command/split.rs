//! How a command line becomes arguments, as the CLR and the Microsoft C runtime split it.
//!
//! Reference: Microsoft, *CommandLineToArgvW function*; *Parsing C command-line arguments*; the first token
//! follows the CLR, which reads it to the first white space outside quotes.

/// One argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    /// The argument with its quotes taken off.
    pub(crate) text: String,
    /// Byte offset in the command line at which it starts.
    pub(crate) start: usize,
    /// Byte offset just behind it.
    pub(crate) end: usize,
}

fn is_space(character: char) -> bool {
    character == ' ' || character == '\t'
}

/// The program and the arguments of a command line. `None` for a line of nothing but white space.
pub(crate) fn split(line: &str) -> (Option<Token>, Vec<Token>) {
    // White space in front of the first token makes that token empty for the C runtime. The tools never see
    // their own name, so skipping it changes nothing about the arguments that follow.
    let start = line.len() - line.trim_start_matches(is_space).len();
    if start == line.len() {
        return (None, Vec::new());
    }
    let mut quoted = false;
    let mut text = String::new();
    let mut end = line.len();
    for (at, character) in line[start..].char_indices() {
        match character {
            '"' => quoted = !quoted,
            character if is_space(character) && !quoted => {
                end = start + at;
                break;
            }
            character => text.push(character),
        }
    }
    (Some(Token { text, start, end }), arguments(line, end))
}

/// The arguments of the part of a line that starts at byte `from`.
pub(crate) fn arguments(line: &str, from: usize) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut characters = line[from..].char_indices().map(|(at, character)| (from + at, character)).peekable();
    loop {
        while characters.next_if(|(_, character)| is_space(*character)).is_some() {}
        let Some(&(start, _)) = characters.peek() else { break };
        let mut text = String::new();
        let mut quoted = false;
        let mut end = line.len();
        while let Some(&(at, character)) = characters.peek() {
            if is_space(character) && !quoted {
                end = at;
                break;
            }
            let mut backslashes = 0;
            while characters.next_if(|(_, character)| *character == '\\').is_some() {
                backslashes += 1;
            }
            if characters.next_if(|(_, character)| *character == '"').is_some() {
                text.extend(std::iter::repeat_n('\\', backslashes / 2));
                if backslashes % 2 == 1 {
                    text.push('"');
                } else {
                    // A doubled quote inside quotes is a quote, and ends them.
                    if quoted && characters.next_if(|(_, character)| *character == '"').is_some() {
                        text.push('"');
                    }
                    quoted = !quoted;
                }
            } else if backslashes > 0 {
                text.extend(std::iter::repeat_n('\\', backslashes));
            } else {
                text.push(character);
                characters.next();
            }
        }
        tokens.push(Token { text, start, end });
    }
    tokens
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(line: &str) -> Vec<String> {
        let (program, arguments) = split(line);
        program.into_iter().chain(arguments).map(|token| token.text).collect()
    }

    #[test]
    fn as_documented() {
        // The first four are the table of CommandLineToArgvW's documentation.
        for (line, wanted) in [
            (r#"x "a b c" d e"#, &["x", "a b c", "d", "e"][..]),
            (r#"x "ab\"c" "\\" d"#, &["x", "ab\"c", "\\", "d"]),
            (r#"x a\\\b d"e f"g h"#, &["x", r"a\\\b", "de fg", "h"]),
            (r#"x a\\\"b c d"#, &["x", r#"a\"b"#, "c", "d"]),
            (r#"x a\\\\"b c" d e"#, &["x", r"a\\b c", "d", "e"]),
            (r#"x "a""b" c"#, &["x", "a\"b c"]),
            (r#"x """" y"#, &["x", "\" y"]),
            (r#"x "" y"#, &["x", "", "y"]),
            (r#"x "a b"#, &["x", "a b"]),
            (r#"x "C:\a b\\" c"#, &["x", r"C:\a b\", "c"]),
            ("x  a\t b ", &["x", "a", "b"]),
            (r#""C:\a b\regasm.exe" /u"#, &[r"C:\a b\regasm.exe", "/u"]),
            (r"C:\a\b\ c", &[r"C:\a\b\", "c"]),
            (r#""..\RegAsm.exe"/u"C:\a b\x.dll""#, &[r"..\RegAsm.exe/uC:\a b\x.dll"]),
            (r#"a"b c"d e"#, &["ab cd", "e"]),
            ("  regasm x.dll", &["regasm", "x.dll"]),
            ("", &[]),
            ("   ", &[]),
        ] {
            assert_eq!(texts(line), wanted, "{line}");
        }
    }

    #[test]
    fn places_of_the_tokens() {
        let line = r#"regasm  "a b.dll" /u"#;
        let (program, arguments) = split(line);
        let program = program.unwrap();
        assert_eq!(&line[program.start..program.end], "regasm");
        assert_eq!(&line[arguments[0].start..arguments[0].end], r#""a b.dll""#);
        assert_eq!(&line[arguments[1].start..arguments[1].end], "/u");
    }

    #[test]
    fn hostile_text_does_not_panic() {
        let long = "\"\\".repeat(40_000);
        for line in ["\0", "\u{fffd}\u{202e}\"", "ä\"ö\\\"", &long, "\\", "\"", "x \\\\\\"] {
            let _ = texts(line);
        }
    }
}
