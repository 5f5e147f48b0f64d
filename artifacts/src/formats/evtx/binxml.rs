//! Binary XML: templates and their instances.
//!
//! A record is nearly always one template instance: a reference to a definition in the same chunk, and an array of
//! typed values. The definition is read once per chunk into a small tree; what is wanted of a record is then taken
//! straight from the value array.

use super::chunk::{u16_at, u32_at};
use super::value::{BINXML, RawValue, push_text};
use evidence::Filetime;
use std::collections::HashMap;
use std::rc::Rc;

/// Deepest nesting of elements and of fragments in fragments. Windows' own templates stay below ten.
const MAX_DEPTH: u32 = 32;
/// Most values in one instance; Windows' own stay below a hundred.
const MAX_VALUES: u32 = 4096;
/// Most text that one record may render to.
const MAX_TEXT: usize = 4 << 20;

/// Why a record could not be rendered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RenderError {
    /// A token, size or offset that cannot be.
    Malformed {
        /// Offset in the chunk.
        offset: usize,
    },
    /// Nested deeper, or larger, than anything Windows writes.
    TooLarge,
}

/// A piece of text or of structure inside an element or an attribute.
#[derive(Clone, Debug)]
pub enum Node {
    /// An element.
    Element(Rc<Element>),
    /// Literal text.
    Text(String),
    /// The value with this index.
    Substitution(u16),
}

/// An element of a template.
#[derive(Clone, Debug)]
pub struct Element {
    /// Name.
    pub name: Rc<str>,
    /// Attributes.
    pub attributes: Vec<(Rc<str>, Vec<Node>)>,
    /// Content.
    pub content: Vec<Node>,
}

impl Element {
    fn child(&self, name: &str) -> Option<&Element> {
        self.content.iter().find_map(|node| match node {
            Node::Element(element) if &*element.name == name => Some(&**element),
            _ => None,
        })
    }

    fn attribute(&self, name: &str) -> Option<&[Node]> {
        self.attributes.iter().find(|(key, _)| &**key == name).map(|(_, nodes)| &nodes[..])
    }
}

/// Where a value of the System part comes from.
#[derive(Clone, Debug)]
enum Place {
    Nowhere,
    Literal(String),
    Value(u16),
}

impl Place {
    fn of(nodes: Option<&[Node]>) -> Place {
        match nodes {
            Some([Node::Substitution(index)]) => Place::Value(*index),
            Some(nodes) if !nodes.is_empty() => nodes
                .iter()
                .map(|node| if let Node::Text(text) = node { Some(text.as_str()) } else { None })
                .collect::<Option<String>>()
                .map_or(Place::Nowhere, Place::Literal),
            _ => Place::Nowhere,
        }
    }
}

/// Takes a value: the path of element names to it, the `Name` attribute of a `Data` element, and the text.
pub type OnValue<'a> = dyn FnMut(&[Rc<str>], Option<&str>, String) + 'a;

/// A definition and where the values that decide stand.
#[derive(Debug)]
struct Template {
    root: Rc<Element>,
    event_id: Place,
    provider: Place,
    provider_guid: Place,
    channel: Place,
    time: Place,
}

impl Template {
    fn new(root: Rc<Element>) -> Template {
        let system = root.child("System");
        let content = |name: &str| Place::of(system.and_then(|system| system.child(name)).map(|one| &one.content[..]));
        let attribute = |element: &str, name: &str| {
            Place::of(system.and_then(|system| system.child(element)).and_then(|one| one.attribute(name)))
        };
        Template {
            event_id: content("EventID"),
            channel: content("Channel"),
            provider: attribute("Provider", "Name"),
            provider_guid: attribute("Provider", "Guid"),
            time: attribute("TimeCreated", "SystemTime"),
            root,
        }
    }
}

/// The values by which it is decided whether a record is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SystemValues {
    /// EventID.
    pub event_id: u64,
    /// Provider name.
    pub provider: String,
    /// Provider GUID in braces.
    pub provider_guid: String,
    /// Channel.
    pub channel: String,
    /// TimeCreated as a FILETIME, where the record has it in this form.
    pub time: Option<u64>,
}

/// Templates of one chunk, read as they are met.
pub struct Templates<'a> {
    data: &'a [u8],
    known: HashMap<u32, Rc<Template>>,
}

/// One template instance: its definition and values.
struct Instance<'a> {
    template: Rc<Template>,
    values: Vec<RawValue<'a>>,
}

impl<'a> Templates<'a> {
    /// No template is known yet.
    pub fn new(chunk: &'a [u8]) -> Self {
        Templates { data: chunk, known: HashMap::new() }
    }

    /// What decides about the record whose binary XML lies at `from..to`.
    pub fn system(&mut self, from: usize, to: usize) -> Result<SystemValues, RenderError> {
        let instance = self.instance(from, to, 0)?;
        let template = &instance.template;
        let text = |place: &Place| match place {
            Place::Nowhere => String::new(),
            Place::Literal(text) => text.clone(),
            Place::Value(index) => {
                let mut out = String::new();
                if let Some(value) = instance.values.get(usize::from(*index)) {
                    value.render(&mut out);
                }
                out
            }
        };
        let event_id = match &template.event_id {
            Place::Value(index) => instance.values.get(usize::from(*index)).and_then(RawValue::number),
            Place::Literal(text) => text.trim().parse().ok(),
            Place::Nowhere => None,
        };
        // A forwarded event can carry its time as text.
        let time = match &template.time {
            Place::Value(index) => instance.values.get(usize::from(*index)).and_then(RawValue::filetime),
            _ => None,
        };
        let time = time.or_else(|| Filetime::parse_utc(&text(&template.time)).map(|time| time.0));
        Ok(SystemValues {
            event_id: event_id.ok_or(RenderError::Malformed { offset: from })?,
            provider: text(&template.provider),
            provider_guid: text(&template.provider_guid),
            channel: text(&template.channel),
            time,
        })
    }

    /// Walks the whole record: calls `on_value` with the path of element names, the `Name` attribute of the innermost
    /// element where it has one, and the text; attributes come with their own name as the last of the path, after `@`.
    pub fn render(&mut self, from: usize, to: usize, on_value: &mut OnValue<'_>) -> Result<(), RenderError> {
        let instance = self.instance(from, to, 0)?;
        let mut path = Vec::new();
        let mut budget = MAX_TEXT;
        self.walk(&instance.template.root.clone(), &instance.values, 0, &mut path, &mut budget, on_value)
    }

    fn walk(
        &mut self,
        element: &Element,
        values: &[RawValue<'a>],
        depth: u32,
        path: &mut Vec<Rc<str>>,
        budget: &mut usize,
        on_value: &mut OnValue<'_>,
    ) -> Result<(), RenderError> {
        if depth > MAX_DEPTH {
            return Err(RenderError::TooLarge);
        }
        path.push(element.name.clone());
        let mut name = None;
        for (key, nodes) in &element.attributes {
            let text = joined(nodes, values, budget)?;
            if &**key == "Name" && &*element.name == "Data" {
                name = text;
            } else if let Some(text) = text {
                path.push(format!("@{key}").into());
                on_value(path, None, text);
                path.pop();
            }
        }
        let mut text: Option<String> = None;
        for node in &element.content {
            match node {
                Node::Element(child) => self.walk(child, values, depth + 1, path, budget, on_value)?,
                Node::Text(literal) => text.get_or_insert_default().push_str(literal),
                Node::Substitution(index) => {
                    let Some(value) = values.get(usize::from(*index)).copied() else { continue };
                    if value.kind == BINXML {
                        if !value.data.is_empty() {
                            self.walk_fragment(value, depth + 1, path, budget, on_value)?;
                        }
                    } else if !value.is_null() {
                        value.render(text.get_or_insert_default());
                    }
                }
            }
        }
        if let Some(text) = text {
            *budget = budget.checked_sub(text.len()).ok_or(RenderError::TooLarge)?;
            on_value(path, name.as_deref(), text);
        }
        path.pop();
        Ok(())
    }

    fn walk_fragment(
        &mut self,
        value: RawValue<'a>,
        depth: u32,
        path: &mut Vec<Rc<str>>,
        budget: &mut usize,
        on_value: &mut OnValue<'_>,
    ) -> Result<(), RenderError> {
        let instance = self.instance(value.offset, value.offset + value.data.len(), depth)?;
        self.walk(&instance.template.root.clone(), &instance.values, depth + 1, path, budget, on_value)
    }

    /// Reads a fragment: an optional fragment header, then a template instance or a plain element.
    fn instance(&mut self, from: usize, to: usize, depth: u32) -> Result<Instance<'a>, RenderError> {
        if depth > MAX_DEPTH {
            return Err(RenderError::TooLarge);
        }
        let malformed = |offset| RenderError::Malformed { offset };
        let mut at = from;
        while self.data.get(at) == Some(&0x0F) {
            at += 4;
        }
        if at >= to {
            return Err(malformed(at));
        }
        if self.data.get(at) != Some(&0x0C) {
            let mut reader = Reader { data: self.data, at, end: to, depth, in_template: false };
            let root = Rc::new(reader.element()?);
            return Ok(Instance { template: Rc::new(Template::new(root)), values: Vec::new() });
        }
        let identity = u32_at(self.data, at + 2);
        let definition = u32_at(self.data, at + 6).ok_or(malformed(at))?;
        // In slack the place of a definition is often overwritten; it begins with the identity that the instance names.
        if identity.is_none() || u32_at(self.data, definition as usize + 4) != identity {
            return Err(malformed(at));
        }
        at += 10;
        // The definition itself follows where it is used for the first time.
        if definition as usize == at {
            let size = u32_at(self.data, at + 20).ok_or(malformed(at))? as usize;
            at = at.checked_add(24 + size).filter(|end| *end <= to).ok_or(malformed(at))?;
        }
        let template = self.template(definition, depth)?;
        let count = u32_at(self.data, at).ok_or(malformed(at))?;
        let table = at + 4;
        if count > MAX_VALUES || table + count as usize * 4 > to {
            return Err(malformed(at));
        }
        let mut offset = table + count as usize * 4;
        let mut values = Vec::with_capacity(count as usize);
        for index in 0..count as usize {
            let size = usize::from(u16_at(self.data, table + index * 4).ok_or(malformed(table))?);
            let kind = self.data[table + index * 4 + 2];
            let data = self.data.get(offset..offset + size).filter(|_| offset + size <= to).ok_or(malformed(offset))?;
            values.push(RawValue { kind, data, offset });
            offset += size;
        }
        Ok(Instance { template, values })
    }

    fn template(&mut self, offset: u32, depth: u32) -> Result<Rc<Template>, RenderError> {
        if let Some(template) = self.known.get(&offset) {
            return Ok(template.clone());
        }
        let at = offset as usize;
        let malformed = RenderError::Malformed { offset: at };
        let size = u32_at(self.data, at + 20).ok_or(malformed)? as usize;
        let mut start = at + 24;
        let end = start.checked_add(size).filter(|end| *end <= self.data.len()).ok_or(malformed)?;
        while self.data.get(start) == Some(&0x0F) {
            start += 4;
        }
        let mut reader = Reader { data: self.data, at: start, end, depth, in_template: true };
        let template = Rc::new(Template::new(Rc::new(reader.element()?)));
        self.known.insert(offset, template.clone());
        Ok(template)
    }
}

/// The text of an attribute; `None` when all it has is a missing value.
fn joined(nodes: &[Node], values: &[RawValue<'_>], budget: &mut usize) -> Result<Option<String>, RenderError> {
    let mut text: Option<String> = None;
    for node in nodes {
        match node {
            Node::Text(literal) => text.get_or_insert_default().push_str(literal),
            Node::Substitution(index) => {
                if let Some(value) = values.get(usize::from(*index)).filter(|value| !value.is_null()) {
                    value.render(text.get_or_insert_default());
                }
            }
            Node::Element(_) => {}
        }
    }
    *budget = budget.checked_sub(text.as_ref().map_or(0, String::len)).ok_or(RenderError::TooLarge)?;
    Ok(text)
}

/// Reads tokens of a definition.
struct Reader<'a> {
    data: &'a [u8],
    at: usize,
    end: usize,
    depth: u32,
    /// Elements of a definition say which value they depend on; those of a record that uses none do not.
    in_template: bool,
}

impl Reader<'_> {
    fn malformed(&self) -> RenderError {
        RenderError::Malformed { offset: self.at }
    }

    fn byte(&mut self) -> Result<u8, RenderError> {
        let byte = self.data.get(self.at).copied().filter(|_| self.at < self.end).ok_or(self.malformed())?;
        self.at += 1;
        Ok(byte)
    }

    fn skip(&mut self, count: usize) -> Result<(), RenderError> {
        self.at = self.at.checked_add(count).filter(|at| *at <= self.end).ok_or(self.malformed())?;
        Ok(())
    }

    fn word(&mut self) -> Result<u16, RenderError> {
        let word = u16_at(self.data, self.at).ok_or(self.malformed())?;
        self.skip(2)?;
        Ok(word)
    }

    fn long(&mut self) -> Result<u32, RenderError> {
        let long = u32_at(self.data, self.at).ok_or(self.malformed())?;
        self.skip(4)?;
        Ok(long)
    }

    /// A name, which stands where it is used first and is referred to by its offset afterwards.
    fn name(&mut self) -> Result<Rc<str>, RenderError> {
        let offset = self.long()? as usize;
        let length = usize::from(u16_at(self.data, offset + 6).ok_or(self.malformed())?);
        let text = self.data.get(offset + 8..offset + 8 + length * 2).ok_or(self.malformed())?;
        let hash = text.chunks_exact(2).fold(0u32, |hash, unit| {
            hash.wrapping_mul(65_599).wrapping_add(u32::from(u16::from_le_bytes([unit[0], unit[1]])))
        });
        if u16_at(self.data, offset + 4) != Some((hash & 0xFFFF) as u16) {
            return Err(self.malformed());
        }
        if offset == self.at {
            self.skip(10 + length * 2)?;
        }
        let mut name = String::with_capacity(length);
        push_text(text, &mut name);
        Ok(name.into())
    }

    fn element(&mut self) -> Result<Element, RenderError> {
        if self.depth > MAX_DEPTH {
            return Err(RenderError::TooLarge);
        }
        let token = self.byte()?;
        if token & 0x0F != 0x01 {
            return Err(self.malformed());
        }
        if self.in_template {
            self.skip(2)?;
        }
        let size = self.long()? as usize;
        let end = self.at.checked_add(size).filter(|end| *end <= self.end).ok_or(self.malformed())?;
        let mut element = Element { name: self.name()?, attributes: Vec::new(), content: Vec::new() };
        if token & 0x40 != 0 {
            let list = self.long()? as usize;
            let list_end = self.at.checked_add(list).filter(|at| *at <= end).ok_or(self.malformed())?;
            while self.at < list_end && self.data[self.at] & 0x0F == 0x06 {
                self.byte()?;
                let name = self.name()?;
                let mut nodes = Vec::new();
                while self.at < list_end && self.data[self.at] & 0x0F != 0x06 {
                    nodes.push(self.piece()?);
                }
                element.attributes.push((name, nodes));
            }
        }
        match self.byte()? & 0x0F {
            0x03 => return Ok(element),
            0x02 => {}
            _ => return Err(self.malformed()),
        }
        loop {
            let token = *self.data.get(self.at).filter(|_| self.at < end).ok_or(self.malformed())?;
            match token & 0x0F {
                0x04 => {
                    self.byte()?;
                    return Ok(element);
                }
                0x01 => {
                    self.depth += 1;
                    let child = self.element()?;
                    self.depth -= 1;
                    element.content.push(Node::Element(Rc::new(child)));
                }
                _ => {
                    let piece = self.piece()?;
                    element.content.push(piece);
                }
            }
        }
    }

    /// Text, an entity or a substitution.
    fn piece(&mut self) -> Result<Node, RenderError> {
        let token = self.byte()?;
        match token & 0x0F {
            0x05 => {
                let kind = self.byte()?;
                let length = usize::from(self.word()?);
                if kind != 0x01 {
                    return Err(self.malformed());
                }
                self.text(length)
            }
            0x07 => {
                let length = usize::from(self.word()?);
                self.text(length)
            }
            0x08 => {
                let code = u32::from(self.word()?);
                Ok(Node::Text(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER).to_string()))
            }
            0x09 => {
                let name = self.name()?;
                let text = match &*name {
                    "amp" => "&",
                    "lt" => "<",
                    "gt" => ">",
                    "quot" => "\"",
                    "apos" => "'",
                    other => return Ok(Node::Text(format!("&{other};"))),
                };
                Ok(Node::Text(text.to_owned()))
            }
            0x0D | 0x0E => {
                let index = self.word()?;
                self.byte()?;
                Ok(Node::Substitution(index))
            }
            _ => Err(self.malformed()),
        }
    }

    fn text(&mut self, length: usize) -> Result<Node, RenderError> {
        let bytes = self.data.get(self.at..self.at + length * 2).ok_or(self.malformed())?;
        let mut text = String::with_capacity(length);
        push_text(bytes, &mut text);
        self.skip(length * 2)?;
        Ok(Node::Text(text))
    }
}
