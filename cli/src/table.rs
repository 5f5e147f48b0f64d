//! One line a file, in columns that fit the terminal.

use crate::progress::printable;
use crate::summary::{Page, cut, cut_at_end};
use console::Style;
use std::io::{self, Write};

/// Columns between two cells.
const GAP: usize = 2;

/// What a column may lose where the terminal is narrow.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Column {
    /// What stands above it.
    pub(crate) title: &'static str,
    /// Whether its cells end below each other, as numbers do.
    pub(crate) is_number: bool,
    /// The least width that still says something; as wide as its cells where there is none.
    pub(crate) least: Option<usize>,
    /// Whether only the whole or the least of it is worth showing, as of a hash.
    pub(crate) is_whole_or_least: bool,
    /// Whether its end is cut off, instead of its middle: of a list what stands first says most.
    pub(crate) is_cut_at_end: bool,
    /// Columns with a lower number are left out first; the highest ones stay.
    pub(crate) weight: u8,
}

impl Column {
    /// A text that may be cut to so many characters.
    pub(crate) fn text(title: &'static str, least: Option<usize>, weight: u8) -> Self {
        Column { title, is_number: false, least, is_whole_or_least: false, is_cut_at_end: false, weight }
    }

    /// A number, which is never cut.
    pub(crate) fn number(title: &'static str, weight: u8) -> Self {
        Column { title, is_number: true, least: None, is_whole_or_least: false, is_cut_at_end: false, weight }
    }

    /// A SHA-256, of which the first and last characters tell whether it may be the one that was written down.
    pub(crate) fn sha256(weight: u8) -> Self {
        Column {
            title: "SHA-256",
            is_number: false,
            least: Some(11),
            is_whole_or_least: true,
            is_cut_at_end: false,
            weight,
        }
    }

    /// The same, cut at its end where it is cut.
    pub(crate) fn cut_at_end(self) -> Self {
        Column { is_cut_at_end: true, ..self }
    }
}

/// One cell, and how it is marked on a terminal.
pub(crate) struct Cell {
    text: String,
    style: Style,
}

impl Cell {
    pub(crate) fn new(text: impl AsRef<str>) -> Self {
        Cell::styled(text, Style::new())
    }

    pub(crate) fn styled(text: impl AsRef<str>, style: Style) -> Self {
        Cell { text: printable(text.as_ref()), style }
    }

    fn width(&self) -> usize {
        self.text.chars().count()
    }
}

/// Rows of cells, as many as there are columns.
pub(crate) struct Table<const N: usize> {
    columns: [Column; N],
    rows: Vec<[Cell; N]>,
    /// A hash for each row, or none, which always stands there as a whole: it is compared with a written one.
    hashes: Vec<String>,
}

/// Characters of a SHA-256 in hexadecimal.
const HASH: usize = 64;

impl<const N: usize> Table<N> {
    pub(crate) fn new(columns: [Column; N]) -> Self {
        Table { columns, rows: Vec::new(), hashes: Vec::new() }
    }

    pub(crate) fn push(&mut self, row: [Cell; N]) {
        self.rows.push(row);
    }

    /// A row with its hash, which stands below it where the page is too narrow.
    pub(crate) fn push_with_hash(&mut self, row: [Cell; N], hash: Option<String>) {
        self.hashes.resize(self.rows.len(), String::new());
        self.rows.push(row);
        self.hashes.push(hash.unwrap_or_default());
    }

    /// Writes the table. The folder that all first cells have in common stands once, above them.
    pub(crate) fn write(mut self, page: &Page, out: &mut dyn Write) -> io::Result<()> {
        let names: Vec<&str> = self.rows.iter().map(|row| row[0].text.as_str()).collect();
        let folder = common_folder(&names).to_owned();
        if !folder.is_empty() {
            page.wrapped(out, "in ", "   ", &folder)?;
            for row in &mut self.rows {
                row[0].text.drain(..folder.len());
            }
        }
        let room = page.width.checked_sub(GAP + HASH).filter(|room| {
            let whole = self.widths(usize::MAX);
            !self.hashes.is_empty() && whole.iter().flatten().sum::<usize>() + GAP * (N - 1) <= *room
        });
        let widths = self.widths(room.unwrap_or(page.width));
        let titles = self.columns.map(|column| Cell::styled(column.title, Style::new().bold()));
        let above = room.map_or_else(String::new, |_| "SHA-256".to_owned());
        let hashes = std::iter::once(above).chain(self.hashes).chain(std::iter::repeat(String::new()));
        for (row, hash) in std::iter::once(&titles).chain(&self.rows).zip(hashes) {
            let mut line = String::new();
            let mut after = 0;
            for ((cell, column), width) in row.iter().zip(&self.columns).zip(widths) {
                let Some(width) = width else { continue };
                let text = if column.is_cut_at_end { cut_at_end(&cell.text, width) } else { cut(&cell.text, width) };
                let fill = " ".repeat(width - text.chars().count());
                line.push_str(&" ".repeat(after));
                let text = cell.style.apply_to(text);
                line.push_str(&if column.is_number { format!("{fill}{text}") } else { format!("{text}{fill}") });
                after = GAP;
            }
            if room.is_some() && !hash.is_empty() {
                line.push_str(&" ".repeat(GAP));
                line.push_str(&hash);
            }
            writeln!(out, "{}", line.trim_end())?;
            if room.is_none() && !hash.is_empty() {
                writeln!(out, "  {hash}")?;
            }
        }
        Ok(())
    }

    /// The width of each column; `None` for one that is left out.
    fn widths(&self, width: usize) -> [Option<usize>; N] {
        let mut widths: [Option<usize>; N] = std::array::from_fn(|index| {
            let cells = self.rows.iter().map(|row| row[index].width());
            cells.chain([self.columns[index].title.chars().count()]).max()
        });
        let over = |widths: &[Option<usize>; N]| {
            let shown = widths.iter().flatten();
            let gaps = GAP * shown.clone().count().saturating_sub(1);
            (shown.sum::<usize>() + gaps).saturating_sub(width)
        };
        let mut by_weight: Vec<usize> = (0..N).collect();
        by_weight.sort_by_key(|index| self.columns[*index].weight);
        // The last give way first: what stands in front names the row.
        let shrink = |widths: &mut [Option<usize>; N]| {
            for index in (0..N).rev() {
                let (now, least) = (widths[index], self.columns[index].least);
                if let (Some(now), Some(least)) = (now, least) {
                    let least = least.min(now);
                    widths[index] = Some(match (over(widths), self.columns[index].is_whole_or_least) {
                        (1.., true) => least,
                        (over, _) => now.saturating_sub(over).max(least),
                    });
                }
            }
        };
        let natural = widths;
        shrink(&mut widths);
        for left_out in 1..N {
            if over(&widths) == 0 {
                break;
            }
            widths = natural;
            by_weight.iter().take(left_out).for_each(|index| widths[*index] = None);
            shrink(&mut widths);
        }
        // Where even that is too wide, the first of those that are left gives way.
        if let Some(first) = widths.iter().position(Option::is_some) {
            widths[first] = widths[first].map(|now| now.saturating_sub(over(&widths)).max(1));
        }
        widths
    }
}

/// The folder that all paths begin with, with the separator at its end.
fn common_folder<'a>(paths: &[&'a str]) -> &'a str {
    let [first, rest @ ..] = paths else { return "" };
    if rest.is_empty() {
        return "";
    }
    let ends = first.char_indices().filter(|(_, character)| std::path::is_separator(*character)).map(|(at, _)| at + 1);
    let shared = ends.take_while(|end| rest.iter().all(|path| path.starts_with(&first[..*end])));
    shared.last().map_or("", |end| &first[..end])
}

/// `1,234,567`.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns() -> [Column; 4] {
        let (file, state) = (Column::text("file", Some(12), 9), Column::text("state", None, 8));
        [file, state, Column::number("bytes", 1), Column::sha256(5)]
    }

    fn written(width: usize, names: &[&str]) -> Vec<String> {
        let mut table = Table::new(columns());
        for (name, size) in names.iter().zip([7u64, 1_234_567, 89]) {
            let hash = "0123456789abcdef".repeat(4);
            table.push([Cell::new(name), Cell::new("complete"), Cell::new(grouped(size)), Cell::new(hash)]);
        }
        let mut out = Vec::new();
        table.write(&Page { width }, &mut out).unwrap();
        String::from_utf8(out).unwrap().lines().map(str::to_owned).collect()
    }

    #[test]
    fn columns_stand_below_each_other_and_fit() {
        let names = ["/cases/a/WS-FIN-07-20260304T141233Z.zip", "/cases/a/b.zip", "/cases/c.zip"];
        for width in [44, 50, 80, 140] {
            let lines = written(width, &names);
            assert!(lines.iter().all(|line| line.chars().count() <= width), "{width}: {lines:#?}");
            assert_eq!(lines[0], "in /cases/");
            assert_eq!(lines.len(), 5);
            let state = lines[1].find("state").unwrap();
            for line in &lines[2..] {
                let at: String = line.chars().skip(state).take(8).collect();
                assert_eq!(at, "complete", "{width}: {line}");
            }
            assert!(lines[3].starts_with("a/b.zip ") && lines[4].starts_with("c.zip "), "{lines:#?}");
        }
        let wide = written(140, &names);
        assert!(wide[2].starts_with("a/WS-FIN-07-20260304T141233Z.zip  complete          7  0123"), "{}", wide[2]);
        assert!(wide[2].ends_with(&"0123456789abcdef".repeat(4)) && wide[3].contains("  1,234,567  "), "{wide:#?}");
        let middle = written(100, &names);
        assert!(middle[3].contains("1,234,567") && middle[2].ends_with("  01234…bcdef"), "{middle:#?}");
        let narrow = written(44, &names);
        assert!(!narrow[1].contains("bytes") && narrow[1].contains("SHA-256"), "{narrow:#?}");
    }

    #[test]
    fn a_hash_that_is_compared_stands_there_as_a_whole() {
        let hash = "0123456789abcdef".repeat(4);
        for width in [50, 80, 140] {
            let mut table = Table::new([Column::text("file", Some(12), 9), Column::text("state", None, 8)]);
            table.push_with_hash([Cell::new("a.zip"), Cell::new("complete and valid")], Some(hash.clone()));
            table.push_with_hash([Cell::new("b.zip"), Cell::new("not verified")], None);
            let mut out = Vec::new();
            table.write(&Page { width }, &mut out).unwrap();
            let text = String::from_utf8(out).unwrap();
            let lines: Vec<&str> = text.lines().collect();
            let beside = width == 140;
            assert_eq!(lines.len(), if beside { 3 } else { 4 }, "{text}");
            assert_eq!(lines[0].contains("SHA-256"), beside, "{text}");
            let one = if beside { lines[1] } else { lines[2] };
            assert!(one.ends_with(&format!("  {hash}")) && lines[1].starts_with("a.zip  complete and valid"), "{text}");
        }
        let mut table = Table::new([Column::text("file", Some(12), 9), Column::text("by", Some(8), 8).cut_at_end()]);
        table.push([Cell::new("a.dll"), Cell::new("YES: regasm, /u; perhaps load".repeat(2))]);
        let mut out = Vec::new();
        table.write(&Page { width: 24 }, &mut out).unwrap();
        assert!(String::from_utf8(out).unwrap().ends_with("a.dll  YES: regasm, /u;…\n"));
    }

    #[test]
    fn what_names_hold_moves_no_line() {
        let lines = written(50, &["a\u{1b}[2J\n.zip", "b.zip"]);
        assert_eq!(lines.len(), 3);
        assert!(lines.iter().all(|line| !line.contains('\u{1b}')));
        assert_eq!(common_folder(&["/a/bc", "/a/bd"]), "/a/");
        assert_eq!(common_folder(&["/a/bc"]), "");
        assert_eq!(common_folder(&["x", "x"]), "");
        assert_eq!(grouped(1_000), "1,000");
        assert_eq!([0, 999, 1_000_000].map(grouped), ["0", "999", "1,000,000"]);
    }
}
