//! The findings of a table: which columns it has, and how wide they are.

use std::borrow::Cow;

use crate::{
    finding::Severity,
    report::{
        Judged,
        alert::is_ignored,
        columns::{fit, fit_end, width},
        fix::{and_more, target},
        text::{cut, plain},
        words::{self, action},
    },
};

/// A column of the findings.
pub(super) struct Column {
    pub(super) head: &'static str,
    /// Narrowest that it is made to fit a terminal.
    pub(super) least: usize,
    /// How its cells are cut.
    pub(super) cut: fn(&str, usize) -> Cow<'_, str>,
}

pub(super) const fn column(head: &'static str, least: usize) -> Column {
    Column { head, least, cut: fit }
}

pub(super) const COLUMNS: [Column; 7] = [
    column("SEVERITY", usize::MAX),
    column("ID", 19), // a name of GitHub's
    column("PACKAGE", 12),
    column("VERSION", 10),
    column("UPDATE TO", 12),
    Column { cut: fit_end, ..column("CHANGE IN", 14) },
    column("RULE", 8),
];
pub(super) const ID: usize = 1;
pub(super) const PACKAGE: usize = 2;
pub(super) const VERSION: usize = 3;
pub(super) const UPDATE_TO: usize = 4;
pub(super) const CHANGE_IN: usize = 5;
pub(super) const RULE: usize = 6;

/// The columns that a narrow terminal does without, the least useful first. Before the fix is left out it is cut.
pub(super) const DROPPED: [usize; 6] = [VERSION, RULE, CHANGE_IN, UPDATE_TO, UPDATE_TO, PACKAGE];
/// The fix is shown whole up to here, as long as there is a less useful column.
pub(super) const WHOLE_FIX: usize = 40;

/// Columns between two cells, and before the first.
pub(super) const GAP: usize = 2;
/// Longest cell, in characters, however wide the terminal.
pub(super) const MAX_CELL: usize = 120;
/// Narrowest terminal that lines are made to fit.
pub(super) const MIN_WIDTH: usize = 20;
/// A finding's cells.
pub(super) struct Row<'a> {
    pub(super) cells: [Cow<'a, str>; COLUMNS.len()],
    pub(super) severity: Severity,
    pub(super) ignored: bool,
}

/// A finding's cells, each plain and of bounded length.
pub(super) fn row(judged: &Judged) -> Row<'_> {
    let Judged { finding, decision, asked, .. } = judged;
    // Without a fix there is nothing to change to.
    let asked = asked.as_ref().filter(|_| finding.fixed_in.is_some());
    let change_in = asked.map(|asked| {
        let line = format!("{}:{}{}", asked.written.file, asked.written.line, and_more(judged));
        fit_end(&plain(&line), MAX_CELL).into_owned().into()
    });
    let rule = decision.rule.as_ref().map(|rule| format!("{}: {rule}", action(decision.action)));
    Row {
        cells: [
            match words::unsure(finding) {
                "" => finding.severity.as_str().into(),
                unsure => [finding.severity.as_str(), unsure].concat().into(),
            },
            cell(&finding.id),
            cell(&finding.package.name),
            cell(&finding.package.version),
            cell(target(judged).unwrap_or_default()),
            change_in.unwrap_or(NOTHING.into()),
            rule.map_or(NOTHING.into(), cell),
        ],
        severity: finding.severity,
        ignored: is_ignored(judged),
    }
}

/// Stands in a cell where there is nothing to say.
pub(super) const NOTHING: &str = "-";

pub(super) fn cell<'a>(text: impl Into<Cow<'a, str>>) -> Cow<'a, str> {
    let text = cut(text, MAX_CELL);
    if text.is_empty() { NOTHING.into() } else { text }
}

/// The columns that are shown, and how wide: as wide as their cells; where a line does not fit, the least useful are
/// dropped, and the widest made narrower.
pub(super) fn columns(rows: &[Row<'_>], limit: Option<usize>) -> Vec<(usize, usize)> {
    let mut widths = COLUMNS.each_ref().map(|column| column.head.len());
    for row in rows {
        for (widest, cell) in widths.iter_mut().zip(&row.cells) {
            *widest = (*widest).max(width(cell));
        }
    }
    let mut shown: Vec<usize> = (0..COLUMNS.len()).collect();
    if rows.iter().all(|row| row.cells[CHANGE_IN] == NOTHING) {
        shown.retain(|column| *column != CHANGE_IN);
    }
    let Some(limit) = limit else {
        return shown.into_iter().map(|column| (column, widths[column])).collect();
    };
    let mut least: Vec<usize> =
        widths.iter().zip(&COLUMNS).map(|(width, column)| column.least.min(*width)).collect();
    let cut_fix = std::mem::replace(&mut least[UPDATE_TO], widths[UPDATE_TO].min(WHOLE_FIX));
    let over = |shown: &[usize], widths: &[usize]| {
        let wide: usize = shown.iter().map(|column| GAP + widths[*column]).sum();
        wide.saturating_sub(limit)
    };
    for dropped in DROPPED {
        if over(&shown, &least) == 0 {
            break;
        }
        if dropped == UPDATE_TO && least[UPDATE_TO] > cut_fix {
            least[UPDATE_TO] = cut_fix;
        } else {
            shown.retain(|column| *column != dropped);
        }
    }
    while over(&shown, &widths) > 0 {
        let wider = shown.iter().copied().filter(|column| widths[*column] > least[*column]);
        match wider.max_by_key(|column| widths[*column]) {
            Some(widest) => widths[widest] -= 1,
            // Severity and id alone.
            None => widths[ID] = widths[ID].saturating_sub(over(&shown, &widths)).max(1),
        }
    }
    shown.into_iter().map(|column| (column, widths[column])).collect()
}
