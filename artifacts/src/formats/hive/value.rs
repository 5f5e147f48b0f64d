//! A value and what its type makes of its bytes.

use super::Note;
use super::cells::{Cells, Name, ValueNode};
use super::damage::Damage;
use evidence::le::u64_at;
use evidence::{ProblemKind, name};
use std::borrow::Cow;

/// Most bytes of one value that are read. Windows' own values end far below this.
pub const MAX_DATA: u64 = 4 << 20;

/// A value. Its data is read when it is asked for.
#[derive(Clone)]
pub struct Value<'r> {
    cells: Cells<'r>,
    node: ValueNode<'r>,
    /// Who is told of data that is not read to its end.
    damage: Option<&'r Damage>,
    /// The data as the strict reader found it.
    strict: Option<&'r [u8]>,
    /// Stored type number, 1 for REG_SZ. Any number occurs.
    pub type_code: u32,
    /// Byte offset of the value's structure in the hive file.
    pub offset: u64,
    /// Whether name and data are all there.
    pub whole: bool,
}

/// A value's data as its type says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Data {
    /// REG_SZ, REG_EXPAND_SZ, REG_LINK: up to the first NUL.
    Text(String),
    /// REG_MULTI_SZ.
    Texts(Vec<String>),
    /// REG_DWORD, REG_DWORD_BIG_ENDIAN, REG_QWORD of their full length.
    Number(u64),
    /// Anything else.
    Bytes(Vec<u8>),
}

impl<'r> Value<'r> {
    pub(super) fn of_node(cells: Cells<'r>, node: ValueNode<'r>, damage: Option<&'r Damage>) -> Self {
        let whole = node.name().1 && cells.for_each_piece(&node, &mut |_, _| {});
        Value { type_code: node.type_code(), offset: node.offset, cells, node, damage, strict: None, whole }
    }

    /// A value that the strict reader has read without an error; `bytes` where it has them in one piece.
    pub(super) fn of_strict(
        cells: Cells<'r>,
        node: ValueNode<'r>,
        damage: &'r Damage,
        strict: Option<&'r [u8]>,
    ) -> Self {
        let (type_code, offset) = (node.type_code(), node.offset);
        Value { type_code, offset, cells, node, damage: Some(damage), strict, whole: true }
    }

    /// Name; empty for the default value of the key.
    pub fn name(&self) -> Name<'_> {
        self.node.name().0
    }

    /// How many bytes its name takes.
    pub fn name_length(&self) -> usize {
        self.node.name_length()
    }

    /// How many bytes of data the value claims to have.
    pub fn data_length(&self) -> u64 {
        self.node.data_length()
    }

    /// The data as far as it is there, and at most [`MAX_DATA`] bytes of it.
    pub fn bytes(&self) -> Cow<'r, [u8]> {
        if let Some(bytes) = self.strict {
            return Cow::Borrowed(bytes);
        }
        let data = self.cells.data(&self.node, MAX_DATA);
        if data.len() as u64 == MAX_DATA
            && self.data_length() > MAX_DATA
            && let Some(damage) = self.damage
        {
            let what = format!("a value is {} bytes long; the first {MAX_DATA} were read", self.data_length());
            let effect = "what stands behind in it was not looked at";
            damage.note(Note::new(ProblemKind::LimitReached, what, effect).at(self.offset));
        }
        data
    }

    /// The data as its type says. Data that does not fit its type stays bytes.
    pub fn data(&self) -> Data {
        let bytes = &*self.bytes();
        match (self.type_code, bytes.len()) {
            (1 | 2 | 6, _) => Data::Text(text(bytes)),
            (7, _) => Data::Texts(texts(bytes)),
            (4, 4) => Data::Number(u64::from(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))),
            (5, 4) => Data::Number(u64::from(u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))),
            (11, 8) => Data::Number(u64_at(bytes, 0).unwrap_or(0)),
            _ => Data::Bytes(bytes.to_vec()),
        }
    }

    /// The text of a text value; `None` for other types.
    pub fn text(&self) -> Option<String> {
        matches!(self.type_code, 1 | 2 | 6).then(|| text(&self.bytes()))
    }

    /// The number of a numeric value; `None` for other types.
    pub fn number(&self) -> Option<u64> {
        match self.data() {
            Data::Number(number) if self.type_code != 3 => Some(number),
            _ => None,
        }
    }
}

/// UTF-16 up to the first NUL; an odd last byte is dropped as Windows drops it.
fn text(bytes: &[u8]) -> String {
    let units = bytes.chunks_exact(2).map(|unit| u16::from_le_bytes([unit[0], unit[1]])).take_while(|unit| *unit != 0);
    name::shown_utf16(units)
}

fn texts(bytes: &[u8]) -> Vec<String> {
    let units: Vec<u16> = bytes.chunks_exact(2).map(|unit| u16::from_le_bytes([unit[0], unit[1]])).collect();
    let mut texts: Vec<String> =
        units.split(|unit| *unit == 0).map(|units| name::shown_utf16(units.iter().copied())).collect();
    while texts.last().is_some_and(String::is_empty) {
        texts.pop();
    }
    texts
}
