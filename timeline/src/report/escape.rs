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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deceptive_characters() {
        for character in "\u{202e}\u{2066}\0\n\t\u{7f}\u{85}\u{200b}\u{feff}\u{2028}".chars() {
            assert!(is_deceptive(character), "{character:?}");
        }
        assert!(!"aé漢😀 \u{a0}עא".chars().any(is_deceptive));
    }
}
