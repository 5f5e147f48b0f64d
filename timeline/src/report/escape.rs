//! What text of the evidence must not do to its reader: control characters and characters that change or
//! hide the reading order are shown as `\u{…}`, whatever the format.

/// Whether a character is shown as an escape: it would be invisible, move the cursor, or reverse text.
pub(crate) fn is_deceptive(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{00AD}' | '\u{061C}' | '\u{115F}' | '\u{1160}' | '\u{180E}' | '\u{3164}' | '\u{FEFF}'
            | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}'
            | '\u{FFF9}'..='\u{FFFB}' | '\u{E0000}'..='\u{E007F}')
}

/// Appends a text with every deceptive character as its escape.
pub(crate) fn push_visible(text: &str, out: &mut String) {
    for character in text.chars() {
        if is_deceptive(character) {
            out.extend(character.escape_unicode());
        } else {
            out.push(character);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deceptive_characters_become_visible() {
        let mut out = String::new();
        push_visible("a\u{202e}lld.\0\n\u{200b}\u{85}é", &mut out);
        assert_eq!(out, r"a\u{202e}lld.\u{0}\u{a}\u{200b}\u{85}é");
    }
}
