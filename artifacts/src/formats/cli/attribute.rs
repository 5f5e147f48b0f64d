//! Custom attributes: the arguments that their constructor gets.
//!
//! Reference: ECMA-335, partition II, section 23.3.

use super::compressed;

/// Most arguments that are read.
const MAX_ARGUMENTS: u32 = 16;

/// One fixed argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Argument {
    /// A text, or the name of a type; `None` is null.
    Text(Option<String>),
    /// A number or character.
    Number(i64),
    /// A truth value.
    Flag(bool),
}

/// The arguments of a custom attribute, as far as their types are simple ones: `signature` is that of the constructor,
/// `blob` the value. An argument of an enumeration type, whose size only its definition tells, is read as four bytes.
/// `None` when the blob does not begin as the format demands.
pub fn fixed_arguments(signature: &[u8], blob: &[u8]) -> Option<Vec<Argument>> {
    let mut blob = blob.strip_prefix(&[1, 0])?;
    let mut arguments = Vec::new();
    let Some((count, head)) = signature.get(1..).and_then(compressed) else { return Some(arguments) };
    // Constructors return nothing, which is one byte.
    let mut types = signature.get(1 + head + 1..).unwrap_or(&[]);
    for _ in 0..count.min(MAX_ARGUMENTS) {
        let Some((argument, rest_of_types, rest)) = one(types, blob) else { break };
        arguments.push(argument);
        (types, blob) = (rest_of_types, rest);
    }
    Some(arguments)
}

fn one<'t, 'b>(types: &'t [u8], blob: &'b [u8]) -> Option<(Argument, &'t [u8], &'b [u8])> {
    let (kind, mut types) = types.split_first()?;
    let number = |size: usize, is_signed: bool| {
        let bytes = blob.get(..size)?;
        let mut all = [if is_signed && bytes[size - 1] & 0x80 != 0 { 0xFF } else { 0 }; 8];
        all[..size].copy_from_slice(bytes);
        Some((Argument::Number(i64::from_le_bytes(all)), &blob[size..]))
    };
    let (argument, rest) = match kind {
        0x02 => (Argument::Flag(*blob.first()? != 0), &blob[1..]),
        0x04 => number(1, true)?,
        0x05 => number(1, false)?,
        0x06 => number(2, true)?,
        0x03 | 0x07 => number(2, false)?,
        0x08 => number(4, true)?,
        0x09 => number(4, false)?,
        0x0A | 0x0B => number(8, true)?,
        0x0E => text(blob)?,
        // A class can only be System.Type, a value type only an enumeration.
        0x11 | 0x12 => {
            let (_, length) = compressed(types)?;
            types = &types[length..];
            if *kind == 0x12 { text(blob)? } else { number(4, true)? }
        }
        _ => return None,
    };
    Some((argument, types, rest))
}

fn text(blob: &[u8]) -> Option<(Argument, &[u8])> {
    if blob.first() == Some(&0xFF) {
        return Some((Argument::Text(None), &blob[1..]));
    }
    let (length, head) = compressed(blob)?;
    let end = head.checked_add(length as usize)?;
    let text = String::from_utf8_lossy(blob.get(head..end)?).into_owned();
    Some((Argument::Text(Some(text)), &blob[end..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments() {
        let text = |text: &str| Argument::Text(Some(text.to_owned()));
        // ComVisible(false)
        assert_eq!(fixed_arguments(&[0x20, 1, 1, 2], &[1, 0, 0, 0, 0]), Some(vec![Argument::Flag(false)]));
        // ProgId("ab"), ProgId(null)
        assert_eq!(fixed_arguments(&[0x20, 1, 1, 0x0E], b"\x01\0\x02ab\0\0"), Some(vec![text("ab")]));
        assert_eq!(fixed_arguments(&[0x20, 1, 1, 0x0E], b"\x01\0\xFF\0\0"), Some(vec![Argument::Text(None)]));
        // ComCompatibleVersion(1, 0, 3300, -1)
        let blob = [1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0xE4, 0x0C, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0];
        let numbers = [1, 0, 3300, -1].map(Argument::Number).to_vec();
        assert_eq!(fixed_arguments(&[0x20, 4, 1, 8, 8, 8, 8], &blob), Some(numbers));
        // An enumeration, then a type.
        let blob = b"\x01\0\x02\0\0\0\x01T\0\0";
        let found = fixed_arguments(&[0x20, 2, 1, 0x11, 0x15, 0x12, 0x19], blob);
        assert_eq!(found, Some(vec![Argument::Number(2), text("T")]));
    }

    #[test]
    fn damaged_values() {
        assert_eq!(fixed_arguments(&[0x20, 1, 1, 2], &[]), None);
        assert_eq!(fixed_arguments(&[0x20, 1, 1, 2], &[2, 0, 1]), None);
        assert_eq!(fixed_arguments(&[], &[1, 0]), Some(vec![]));
        assert_eq!(fixed_arguments(&[0x20, 1, 1, 0x0E], &[1, 0, 9, b'a']), Some(vec![]));
        assert_eq!(
            fixed_arguments(&[0x20, 0xDF, 0xFF, 0xFF, 0xFF, 1, 2], &[1, 0, 1]),
            Some(vec![Argument::Flag(true)])
        );
    }
}
