//! One Markdown table, its columns aligned so that it reads in a terminal too.

use std::fmt::Write as _;

use stella::report::plain;

/// A table on its way.
pub struct Table {
    headings: Vec<(&'static str, bool)>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// Columns by heading, and whether each holds numbers, which stand to the right.
    pub fn new(headings: impl IntoIterator<Item = (&'static str, bool)>) -> Self {
        Self { headings: headings.into_iter().collect(), rows: Vec::new() }
    }

    /// One more row; text that nobody here wrote comes [`escaped`].
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// Writes it, with an empty line after it.
    pub fn write(&self, out: &mut String) {
        let length = |text: &str| text.chars().count();
        let widths: Vec<usize> = (self.headings.iter().enumerate())
            .map(|(column, (heading, _))| {
                let cells = self.rows.iter().filter_map(|row| row.get(column)).map(|cell| length(cell));
                cells.max().unwrap_or(0).max(length(heading)).max(3)
            })
            .collect();
        let mut line = |cells: &[&str]| {
            for ((cell, (_, number)), width) in cells.iter().zip(&self.headings).zip(&widths) {
                // Writing to a string cannot fail.
                let _ =
                    if *number { write!(out, "| {cell:>width$} ") } else { write!(out, "| {cell:<width$} ") };
            }
            out.push_str("|\n");
        };
        line(&self.headings.iter().map(|(heading, _)| *heading).collect::<Vec<_>>());
        let rules: Vec<String> = (self.headings.iter().zip(&widths))
            .map(
                |((_, number), &width)| if *number { "-".repeat(width - 1) + ":" } else { "-".repeat(width) },
            )
            .collect();
        line(&rules.iter().map(String::as_str).collect::<Vec<_>>());
        for row in &self.rows {
            line(&row.iter().map(String::as_str).collect::<Vec<_>>());
        }
        out.push('\n');
    }
}

/// Text that nobody here wrote, on one line, none of it taken for Markdown or HTML.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in plain(text).chars() {
        if "\\`*_[]<>&|~#!".contains(character) {
            out.push('\\');
        }
        out.push(character);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_cells_stay_cells() {
        let mut table = Table::new([("name", false), ("n", true)]);
        table.row([escaped("a|b\nc"), "5".to_owned()]);
        table.row(["µs".to_owned(), "1,000".to_owned()]);
        let mut out = String::new();
        table.write(&mut out);
        assert_eq!(
            out,
            "| name   |     n |\n| ------ | ----: |\n| a\\|b c |     5 |\n| µs     | 1,000 |\n\n"
        );
    }
}
