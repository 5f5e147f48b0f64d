//! The HTML being written: what comes from the evidence is always escaped, and citations get their numbers.

use crate::declared::Declared;
use crate::report::changed::RESTS_ON_CHANGED;
use crate::report::escape::is_deceptive;
use evidence::{Answer, Citation, Filetime};
use std::collections::{BTreeSet, HashMap};
use std::fmt::Display;

/// An HTML text in the making. Markup can only be a text of this program.
#[derive(Default)]
pub(super) struct Page {
    out: String,
    /// What the sources are called.
    pub(super) declared: Declared,
    /// Cited places in the order of their first mention.
    cited: Vec<Citation>,
    numbers: HashMap<(String, String), usize>,
    /// What links may lead to, and whether it was written already.
    targets: HashMap<String, bool>,
    /// Original paths of the objects that were changed after they were sealed.
    changed: BTreeSet<String>,
}

impl Page {
    /// A page on which these ids will stand. What a limit leaves out is not among them, and no link leads to it.
    pub(super) fn new(declared: Declared, targets: impl Iterator<Item = String>) -> Self {
        Page { declared, targets: targets.map(|target| (target, false)).collect(), ..Page::default() }
    }

    /// What a source is called.
    pub(super) fn source(&mut self, source: &str) -> &mut Self {
        self.text(self.declared.title(source))
    }

    /// Marks from now on every citation of these objects, which were changed after they were sealed.
    pub(super) fn mark_changed(&mut self, paths: &BTreeSet<String>) {
        self.changed.clone_from(paths);
    }

    /// Says behind an entry that it rests on a changed object.
    pub(super) fn rests(&mut self, on_changed: bool) -> &mut Self {
        if on_changed {
            self.raw(" <strong class=\"altered\">").text(RESTS_ON_CHANGED).raw("</strong>");
        }
        self
    }

    /// ` id="…"` for a target, the first time.
    pub(super) fn anchor(&mut self, target: &str) -> &mut Self {
        if let Some(written @ false) = self.targets.get_mut(target) {
            *written = true;
            self.raw(" id=\"").plain(target).raw("\"");
        }
        self
    }

    /// A link to a target, or only the words where the page does not have it.
    pub(super) fn link(&mut self, target: &str, words: &str) -> &mut Self {
        if self.targets.contains_key(target) {
            self.raw("<a href=\"#").plain(target).raw("\">").text(words).raw("</a>")
        } else {
            self.text(words)
        }
    }

    /// The beginning of a link in a picture, or of a group where the page does not have the target; says which.
    pub(super) fn begin_svg_link(&mut self, target: &str) -> bool {
        let is_there = self.targets.contains_key(target);
        match is_there {
            true => self.raw("<a href=\"#").plain(target).raw("\">"),
            false => self.raw("<g>"),
        };
        is_there
    }

    /// A link to a file below the page's own folder.
    pub(super) fn file(&mut self, path: &str, words: &str) -> &mut Self {
        let mut address = String::with_capacity(path.len());
        for byte in path.bytes() {
            if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'/') {
                address.push(char::from(byte));
            } else {
                address.push_str(&format!("%{byte:02X}"));
            }
        }
        self.raw("<a href=\"").plain(&address).raw("\">").text(words).raw("</a>")
    }

    /// Markup.
    pub(super) fn raw(&mut self, markup: &'static str) -> &mut Self {
        self.out.push_str(markup);
        self
    }

    /// A number as it is. Only types whose digits need no escaping are given here.
    pub(super) fn number(&mut self, number: impl Into<f64>) -> &mut Self {
        let number: f64 = number.into();
        let text = format!("{number:.1}");
        self.out.push_str(text.strip_suffix(".0").unwrap_or(&text));
        self
    }

    /// Text of any origin.
    pub(super) fn text(&mut self, text: &str) -> &mut Self {
        self.escape(text, true);
        self
    }

    /// Text of any origin inside of an attribute's quotes or of an SVG title.
    pub(super) fn plain(&mut self, text: &str) -> &mut Self {
        self.escape(text, false);
        self
    }

    /// What displays itself, escaped.
    pub(super) fn show(&mut self, what: impl Display) -> &mut Self {
        let text = what.to_string();
        self.text(&text)
    }

    fn escape(&mut self, text: &str, marked: bool) {
        for character in text.chars() {
            match character {
                '<' => self.out.push_str("&lt;"),
                '>' => self.out.push_str("&gt;"),
                '&' => self.out.push_str("&amp;"),
                '"' => self.out.push_str("&quot;"),
                '\'' => self.out.push_str("&#39;"),
                _ if is_deceptive(character) => {
                    if marked {
                        self.out.push_str("<span class=\"odd\">");
                    }
                    self.out.extend(character.escape_unicode());
                    if marked {
                        self.out.push_str("</span>");
                    }
                }
                _ => self.out.push(character),
            }
        }
    }

    /// Text as code: every space kept.
    pub(super) fn code(&mut self, text: &str) -> &mut Self {
        self.raw("<code>").text(text).raw("</code>")
    }

    /// A time as people are shown every time. What is exact stands in the citation.
    pub(super) fn time(&mut self, at: Filetime) -> &mut Self {
        self.raw("<span class=\"mono\">").text(&at.in_words()).raw("</span>")
    }

    /// Links to citations, at most `most` of them.
    pub(super) fn cite(&mut self, citations: &[Citation], most: usize) -> &mut Self {
        for citation in citations.iter().take(most) {
            let number = self.cited_number(citation);
            self.raw(" <a class=\"c\" href=\"#c").show(number).raw("\">[").show(number);
            self.raw(if self.is_changed(citation) { " changed]</a>" } else { "]</a>" });
        }
        if let Some(rest @ [_, ..]) = citations.get(most..) {
            let changed = rest.iter().filter(|citation| self.is_changed(citation)).count();
            self.raw(" <span class=\"c soft\">and ").show(rest.len()).raw(" more");
            if changed > 0 {
                self.raw(", ").show(changed).raw(" changed");
            }
            self.raw("</span>");
        }
        self
    }

    fn is_changed(&self, citation: &Citation) -> bool {
        self.changed.contains(&citation.item)
    }

    /// The number of a cited place.
    pub(super) fn cited_number(&mut self, citation: &Citation) -> usize {
        // The path as well, since two empty files have the same hash.
        let key = (format!("{} {}", citation.sha256, citation.item), citation.locator.to_string());
        let next = self.cited.len() + 1;
        let number = *self.numbers.entry(key).or_insert(next);
        if number == next {
            self.cited.push(citation.clone());
        }
        number
    }

    /// Every cited place, by object in the order of first mention, each with its number.
    pub(super) fn cited(&self) -> Vec<(&Citation, Vec<(usize, &Citation)>)> {
        let mut objects: Vec<(&Citation, Vec<(usize, &Citation)>)> = Vec::new();
        let mut positions: HashMap<(&str, &str), usize> = HashMap::new();
        for (index, citation) in self.cited.iter().enumerate() {
            let position = *positions.entry((&citation.item, &citation.sha256)).or_insert_with(|| {
                objects.push((citation, Vec::new()));
                objects.len() - 1
            });
            objects[position].1.push((index + 1, citation));
        }
        objects
    }

    /// `<dt>` and the start of `<dd>`.
    pub(super) fn fact(&mut self, name: &'static str) -> &mut Self {
        self.raw("<dt>").raw(name).raw("</dt><dd>")
    }

    /// A fact of code, where there is one.
    pub(super) fn code_fact(&mut self, name: &'static str, value: Option<&str>) {
        if let Some(value) = value {
            self.fact(name).code(value).raw("</dd>");
        }
    }

    pub(super) fn finish(self) -> String {
        self.out
    }
}

/// The class of an answer in the style sheet.
pub(super) fn answer_class(answer: Answer) -> &'static str {
    match answer {
        Answer::Yes => "yes",
        Answer::No => "no",
        Answer::Unknown => "unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use evidence::Locator;

    #[test]
    fn nothing_of_the_evidence_becomes_markup() {
        let mut page = Page::default();
        page.text("<script>\"'&\u{202e}x").raw("|").plain("a\"\n");
        assert_eq!(page.finish(), "&lt;script&gt;&quot;&#39;&amp;<span class=\"odd\">\\u{202e}</span>x|a&quot;\\u{a}");
    }

    #[test]
    fn a_place_has_one_number() {
        let citation = |record_id| Citation {
            artifact: "event-log".to_owned(),
            item: "a.evtx".to_owned(),
            sha256: "00".to_owned(),
            locator: Locator::EvtxRecord { record_id, offset: 0 },
            rule: None,
            confidence: None,
            event_id: None,
            recovered: false,
        };
        let mut page = Page::default();
        page.cite(&[citation(1), citation(2), citation(1)], 2).cite(&[citation(2)], 5);
        assert_eq!(page.cited()[0].1.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [1, 2]);
        assert!(page.finish().contains("and 1 more"));
    }
}
