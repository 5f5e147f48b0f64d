//! One line a file, in columns that fit the terminal.

use crate::progress::printable;
use crate::summary::{Page, cut};
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
    /// Columns with a lower number are left out first; the highest ones stay.
    pub(crate) weight: u8,
}

impl Column {
    /// A text that may be cut to so many characters.
    pub(crate) fn text(title: &'static str, least: Option<usize>, weight: u8) -> Self {
        Column { title, is_number: false, least, is_whole_or_least: false, weight }
    }

    /// A number, which is never cut.
    pub(crate) fn number(title: &'static str, weight: u8) -> Self {
        Column { title, is_number: true, least: None, is_whole_or_least: false, weight }
    }

    /// A SHA-256, of which the first and last characters tell whether it may be the one that was written down.
    pub(crate) fn sha256(weight: u8) -> Self {
        Column { title: "SHA-256", is_number: false, least: Some(11), is_whole_or_least: true, weight }
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
}

impl<const N: usize> Table<N> {
    pub(crate) fn new(columns: [Column; N]) -> Self {
        Table { columns, rows: Vec::new() }
    }

    pub(crate) fn push(&mut self, row: [Cell; N]) {
        self.rows.push(row);
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
        let widths = self.widths(page.width);
        let titles = self.columns.map(|column| Cell::styled(column.title, Style::new().bold()));
        for row in std::iter::once(&titles).chain(&self.rows) {
            let mut line = String::new();
            let mut after = 0;
            for ((cell, column), width) in row.iter().zip(&self.columns).zip(widths) {
                let Some(width) = width else { continue };
                let text = cut(&cell.text, width);
                let fill = " ".repeat(width - text.chars().count());
                line.push_str(&" ".repeat(after));
                let text = cell.style.apply_to(text);
                line.push_str(&if column.is_number { format!("{fill}{text}") } else { format!("{text}{fill}") });
                after = GAP;
            }
            writeln!(out, "{}", line.trim_end())?;
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
