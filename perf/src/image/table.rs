//! Tables of names and versions: tab-separated lines, the first of which names the columns.

use std::io;

/// The rows of `text`, `N` columns each.
pub fn rows<const N: usize>(text: &'static str) -> io::Result<Vec<[&'static str; N]>> {
    let row = |line: &'static str| {
        let fields: Vec<&str> = line.split('\t').collect();
        <[&str; N]>::try_from(fields)
            .map_err(|fields| io::Error::other(format!("{} columns of {N}: {line}", fields.len())))
    };
    text.lines().skip(1).map(row).collect()
}

/// A number of a table.
pub fn number(field: &str) -> io::Result<usize> {
    field.parse().map_err(|error| io::Error::other(format!("{field:?}: {error}")))
}
