//! Template definitions of binary XML, compiled to the list of places where an event gets its values from.
//!
//! A definition is an XML tree with numbered holes. Events of one kind share it, so it is read once per chunk: into one
//! [`Column`] for each attribute and each element with content, already labelled, and into the places of the System part
//! that decide whether an event is wanted at all.

use super::chunk::CHUNK_SIZE;
use super::value::push_utf16;
use evidence::FieldName;
use evidence::le::{u16_at, u32_at};
use foldhash::fast::RandomState;
use std::collections::HashMap;
use std::ops::Range;
use std::rc::Rc;

/// Deepest nesting of elements. Windows' own templates stay below ten.
const MAX_DEPTH: u32 = 32;
/// Longest name of an element or attribute in UTF-16 units.
const MAX_NAME: usize = 255;
/// Most bytes of definitions read in one chunk. Definitions cannot overlap, so they fit into the chunk once.
const MAX_DEFINITIONS: usize = 2 * CHUNK_SIZE;
/// Most columns whose names are compared with each other.
const MOST_COMPARED: usize = 128;
/// Header of a definition: offset of the next one, GUID, size.
const DEFINITION_HEADER: usize = 24;

/// Why binary XML could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Undecodable {
    /// A token, size or offset that cannot be.
    Malformed {
        /// Offset in the chunk.
        offset: usize,
    },
    /// More than a record of a chunk can hold.
    TooLarge,
    /// The definition that names some of the values is not there any more; they were given by number.
    Nameless,
}

/// In which part of an event something stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// Outside: the root element itself.
    Root,
    /// A child of the root element, or its attributes.
    Event,
    /// Below `System`, which the service writes.
    System,
    /// Below `EventData`, `UserData` or their like, which the provider writes.
    Data,
    /// Below `RenderingInfo`, which a collector adds to forwarded events.
    Rendering,
}

impl Part {
    /// The part that the content of an element belongs to.
    fn inside(self, element: &str) -> Part {
        match (self, element) {
            (Part::Root, _) => Part::Event,
            (Part::Event, "System") => Part::System,
            (Part::Event, "RenderingInfo") => Part::Rendering,
            (Part::Event, _) => Part::Data,
            (other, _) => other,
        }
    }
}

/// Where a value stands in the XML of an event.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// Part of the event.
    pub part: Part,
    /// Name of the element.
    pub element: &'a str,
    /// Name of the attribute; `None` for the content of the element.
    pub attribute: Option<&'a str>,
    /// The element's own `Name` attribute, where the template spells it out.
    pub name: Option<&'a str>,
}

/// What a value is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Label {
    /// Of no interest.
    Skip,
    /// This name.
    Named(FieldName),
    /// One of a sequence without names.
    Numbered,
}

/// Gives the label of a place.
pub type Naming = fn(&Place<'_>) -> Label;

/// A piece of text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    Literal(String),
    /// The substitution value with this index.
    Value(u16),
}

/// One attribute, or the content of one element.
#[derive(Debug)]
pub(super) struct Column {
    pub(super) label: Label,
    /// The part that a fragment in its content belongs to.
    pub(super) inside: Part,
    /// Where its pieces stand in [`Template::pieces`].
    pub(super) pieces: Range<usize>,
}

/// Where a value that decides about a record comes from.
#[derive(Clone, Debug, Default)]
pub(super) enum Source {
    #[default]
    Nowhere,
    Literal(String),
    Value(u16),
}

impl Source {
    fn of(pieces: &[Piece]) -> Source {
        match pieces {
            [Piece::Literal(text)] => Source::Literal(text.clone()),
            [Piece::Value(index)] => Source::Value(*index),
            _ => Source::Nowhere,
        }
    }
}

/// A compiled definition.
#[derive(Debug, Default)]
pub(super) struct Template {
    pub(super) columns: Vec<Column>,
    pub(super) pieces: Vec<Piece>,
    pub(super) event_id: Source,
    pub(super) provider: Source,
    pub(super) provider_guid: Source,
    pub(super) channel: Source,
    pub(super) time: Source,
}

/// The definitions of one chunk, compiled as they are met. One that cannot be read is remembered as well, since
/// thousands of records may refer to it.
pub(super) struct Definitions<'a> {
    data: &'a [u8],
    naming: Naming,
    known: HashMap<(u32, Part), Result<Rc<Template>, Undecodable>, RandomState>,
    bytes_left: usize,
    scratch: String,
}

impl<'a> Definitions<'a> {
    pub(super) fn new(data: &'a [u8], naming: Naming) -> Self {
        Definitions { data, naming, known: HashMap::default(), bytes_left: MAX_DEFINITIONS, scratch: String::new() }
    }

    /// The definition at `offset`, for an instance that stands in `part` and gives `id` as the start of its GUID.
    pub(super) fn get(&mut self, offset: u32, id: u32, part: Part) -> Result<Rc<Template>, Undecodable> {
        let at = offset as usize;
        // A stale record may point to where another definition, or none, stands by now.
        if u32_at(self.data, at.saturating_add(4)) != Some(id) {
            return Err(Undecodable::Malformed { offset: at });
        }
        if let Some(known) = self.known.get(&(offset, part)) {
            return known.clone();
        }
        let compiled = self.compile(at, part).map(Rc::new);
        self.known.insert((offset, part), compiled.clone());
        compiled
    }

    fn compile(&mut self, at: usize, part: Part) -> Result<Template, Undecodable> {
        let malformed = Undecodable::Malformed { offset: at };
        let size = u32_at(self.data, at + DEFINITION_HEADER - 4).ok_or(malformed)? as usize;
        let start = at + DEFINITION_HEADER;
        let end = start.checked_add(size).filter(|end| *end <= self.data.len()).ok_or(malformed)?;
        self.element(start, end, part, true)
    }

    /// Compiles the element at `from`, behind an optional fragment header. Only elements of definitions have a
    /// dependency id.
    pub(super) fn element(
        &mut self,
        from: usize,
        to: usize,
        part: Part,
        in_definition: bool,
    ) -> Result<Template, Undecodable> {
        self.bytes_left = self.bytes_left.checked_sub(to.saturating_sub(from)).ok_or(Undecodable::TooLarge)?;
        let mut compiler = Compiler {
            definitions: self,
            at: from,
            end: to,
            in_definition,
            pieces: Vec::new(),
            template: Template::default(),
        };
        while compiler.peek() == Some(0x0F) {
            compiler.skip(4)?;
        }
        compiler.element(part, 0)?;
        let mut template = compiler.template;
        number_repeated(&mut template.columns);
        Ok(template)
    }
}

/// A name that a template uses again gets its place in the sequence: `Name`, `Name[1]`, `Name[2]`.
fn number_repeated(columns: &mut [Column]) {
    let is_repeated = |(at, column): (usize, &Column)| match &column.label {
        Label::Named(name) => columns[..at].iter().any(|other| matches!(&other.label, Label::Named(n) if n == name)),
        Label::Skip | Label::Numbered => false,
    };
    // Nearly no template has any; those with more columns than Windows' own are not compared one by one.
    if columns.len() <= MOST_COMPARED && !columns.iter().enumerate().any(is_repeated) {
        return;
    }
    let mut seen: HashMap<String, usize> = HashMap::new();
    for column in columns {
        if let Label::Named(name) = &mut column.label {
            let times = seen.entry(name.as_str().to_owned()).and_modify(|times| *times += 1).or_insert(0);
            if *times > 0 {
                *name = FieldName::kept(&format!("{}[{times}]", name.as_str()));
            }
        }
    }
}

struct Compiler<'d, 'a> {
    definitions: &'d mut Definitions<'a>,
    at: usize,
    end: usize,
    in_definition: bool,
    /// Pieces of the elements that are open, the innermost last.
    pieces: Vec<Piece>,
    template: Template,
}

impl Compiler<'_, '_> {
    fn malformed(&self) -> Undecodable {
        Undecodable::Malformed { offset: self.at }
    }

    fn peek(&self) -> Option<u8> {
        self.definitions.data.get(self.at).copied().filter(|_| self.at < self.end)
    }

    fn skip(&mut self, count: usize) -> Result<(), Undecodable> {
        self.at = self.at.checked_add(count).filter(|at| *at <= self.end).ok_or(self.malformed())?;
        Ok(())
    }

    fn byte(&mut self) -> Result<u8, Undecodable> {
        let byte = self.peek().ok_or(self.malformed())?;
        self.at += 1;
        Ok(byte)
    }

    fn word(&mut self) -> Result<u16, Undecodable> {
        let word = u16_at(self.definitions.data, self.at).ok_or(self.malformed())?;
        self.skip(2)?;
        Ok(word)
    }

    fn long(&mut self) -> Result<u32, Undecodable> {
        let long = u32_at(self.definitions.data, self.at).ok_or(self.malformed())?;
        self.skip(4)?;
        Ok(long)
    }

    /// A size and where what it measures ends.
    fn extent(&mut self) -> Result<usize, Undecodable> {
        let size = self.long()? as usize;
        self.at.checked_add(size).filter(|end| *end <= self.end).ok_or(self.malformed())
    }

    /// A name stands where it is used first and is referred to by its offset from then on.
    fn name(&mut self) -> Result<FieldName, Undecodable> {
        let offset = self.long()?;
        let at = offset as usize;
        let data = self.definitions.data;
        let length = usize::from(u16_at(data, at.saturating_add(6)).ok_or(self.malformed())?);
        if at == self.at {
            self.skip(10 + length * 2)?;
        }
        if length > MAX_NAME {
            return Err(Undecodable::TooLarge);
        }
        let text = data.get(at + 8..at + 8 + length * 2).ok_or(self.malformed())?;
        // A stale record may point to where something else stands by now; a name has a hash before it.
        let (units, _) = text.as_chunks::<2>();
        let hash = units
            .iter()
            .fold(0u32, |hash, unit| hash.wrapping_mul(65_599).wrapping_add(u32::from(u16::from_le_bytes(*unit))));
        if u16_at(data, at + 4) != Some((hash & 0xFFFF) as u16) {
            return Err(self.malformed());
        }
        self.definitions.scratch.clear();
        push_utf16(text, &mut self.definitions.scratch);
        Ok(FieldName::kept(&self.definitions.scratch))
    }

    fn element(&mut self, part: Part, depth: u32) -> Result<(), Undecodable> {
        if depth > MAX_DEPTH {
            return Err(Undecodable::TooLarge);
        }
        let token = self.byte()?;
        if !matches!(token, 0x01 | 0x41) {
            return Err(self.malformed());
        }
        if self.in_definition {
            self.skip(2)?;
        }
        let end = self.extent()?;
        let element = self.name()?;
        let inside = part.inside(element.as_str());
        let name = if token == 0x41 { self.attributes(element.as_str(), inside)? } else { None };
        match self.byte()? {
            0x03 => return Ok(()),
            0x02 => {}
            _ => return Err(self.malformed()),
        }
        let first = self.pieces.len();
        loop {
            match self.peek().filter(|_| self.at < end).ok_or(self.malformed())? {
                0x04 => break self.skip(1)?,
                0x01 | 0x41 => self.element(inside, depth + 1)?,
                _ => self.piece(first)?,
            }
        }
        let place = Place { part: inside, element: element.as_str(), attribute: None, name: name.as_deref() };
        self.column(&place, first);
        Ok(())
    }

    /// Reads the attributes; returns the `Name` of a `Data` element, which names its content and is no value itself.
    fn attributes(&mut self, element: &str, inside: Part) -> Result<Option<String>, Undecodable> {
        let mut name = None;
        let end = self.extent()?;
        while self.at < end && matches!(self.peek(), Some(0x06 | 0x46)) {
            self.skip(1)?;
            let attribute = self.name()?;
            let first = self.pieces.len();
            while self.at < end && !matches!(self.peek(), Some(0x06 | 0x46)) {
                self.piece(first)?;
            }
            match &mut self.pieces[first..] {
                [Piece::Literal(text)] if inside == Part::Data && element == "Data" && attribute.as_str() == "Name" => {
                    name = Some(std::mem::take(text));
                    self.pieces.truncate(first);
                }
                _ => {
                    let place = Place { part: inside, element, attribute: Some(attribute.as_str()), name: None };
                    self.column(&place, first);
                }
            }
        }
        Ok(name)
    }

    /// The pieces from `first` on are what stands in this place.
    fn column(&mut self, place: &Place<'_>, first: usize) {
        let start = self.template.pieces.len();
        self.template.pieces.extend(self.pieces.drain(first..));
        let pieces = &self.template.pieces[start..];
        if pieces.is_empty() {
            return;
        }
        if place.part == Part::System {
            match (place.element, place.attribute) {
                ("EventID", None) => self.template.event_id = Source::of(pieces),
                ("Channel", None) => self.template.channel = Source::of(pieces),
                ("Provider", Some("Name")) => self.template.provider = Source::of(pieces),
                ("Provider", Some("Guid")) => self.template.provider_guid = Source::of(pieces),
                ("TimeCreated", Some("SystemTime")) => self.template.time = Source::of(pieces),
                _ => {}
            }
        }
        let label = (self.definitions.naming)(place);
        let pieces = start..self.template.pieces.len();
        self.template.columns.push(Column { label, inside: place.part, pieces });
    }

    /// Text, a character or entity, or a substitution; an instruction to another program is passed over.
    /// It belongs to what began with the piece `first`.
    fn piece(&mut self, first: usize) -> Result<(), Undecodable> {
        let piece = match self.byte()? & 0x3F {
            0x05 => {
                if self.byte()? != 0x01 {
                    return Err(self.malformed());
                }
                self.text()?
            }
            0x07 => self.text()?,
            0x08 => char::from_u32(u32::from(self.word()?)).unwrap_or(char::REPLACEMENT_CHARACTER).into(),
            0x09 => match self.name()?.as_str() {
                "amp" => "&".into(),
                "lt" => "<".into(),
                "gt" => ">".into(),
                "quot" => "\"".into(),
                "apos" => "'".into(),
                other => format!("&{other};"),
            },
            0x0A => {
                self.name()?;
                return Ok(());
            }
            0x0B => {
                self.text()?;
                return Ok(());
            }
            0x0D | 0x0E => {
                let index = self.word()?;
                self.skip(1)?;
                self.pieces.push(Piece::Value(index));
                return Ok(());
            }
            _ => return Err(self.malformed()),
        };
        match self.pieces[first..].last_mut() {
            Some(Piece::Literal(text)) => text.push_str(&piece),
            _ => self.pieces.push(Piece::Literal(piece)),
        }
        Ok(())
    }

    /// Text with its length before it.
    fn text(&mut self) -> Result<String, Undecodable> {
        let length = usize::from(self.word()?) * 2;
        let bytes = self.definitions.data.get(self.at..self.at + length).ok_or(self.malformed())?;
        self.skip(length)?;
        let mut text = String::with_capacity(length / 2);
        push_utf16(bytes, &mut text);
        Ok(text)
    }
}
