//! Text in the columns of a terminal, where a character takes none, one or two of them (Unicode Standard Annex 11).
//!
//! All text here is [`plain`](super::text::plain) already.

use std::borrow::Cow;

use unicode_width::UnicodeWidthChar as _;

/// Columns that a text takes.
pub(super) fn width(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { steps(text).map(|step| step.columns).sum() }
}

/// The text cut to so many columns, with an ellipsis at its end where it was cut.
pub(super) fn fit(text: &str, columns: usize) -> Cow<'_, str> {
    let Some(room) = room(text, columns) else { return text.into() };
    let mut taken = 0;
    let fits = |step: &Step| {
        taken += step.columns;
        taken <= room
    };
    let end = steps(text).take_while(fits).last().map_or(0, |step| step.end);
    format!("{}{ELLIPSIS}", &text[..end]).into()
}

/// As [`fit`], but cut at its beginning: of a path and a line the end matters.
pub(super) fn fit_end(text: &str, columns: usize) -> Cow<'_, str> {
    let Some(room) = room(text, columns) else { return text.into() };
    let mut left = width(text);
    let start = steps(text).find(|step| {
        // A mark goes with the character that it stands on.
        let begins = left <= room && step.columns > 0;
        left -= step.columns;
        begins
    });
    format!("{ELLIPSIS}{}", &text[start.map_or(text.len(), |step| step.start)..]).into()
}

const ELLIPSIS: char = '…';

/// Columns that are left beside an ellipsis; `None` where the text needs none.
fn room(text: &str, columns: usize) -> Option<usize> {
    (width(text) > columns).then(|| columns.saturating_sub(1))
}

/// A character, and the columns that it takes.
struct Step {
    start: usize,
    end: usize,
    columns: usize,
}

fn steps(text: &str) -> impl Iterator<Item = Step> {
    let mut before = 0;
    text.char_indices().map(move |(start, c)| {
        let columns = match c {
            // It makes a picture, of two columns, of the character before.
            '\u{fe0f}' if before == 1 => 1,
            c => c.width().unwrap_or(0),
        };
        before = columns;
        Step { start, end: start + c.len_utf8(), columns }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_measured_as_a_terminal_shows_them() {
        for (text, columns) in [
            ("", 0),
            ("openssl", 7),
            ("日本語", 6),
            ("😀", 2),
            ("\u{2764}\u{fe0f}", 2),
            ("e\u{301}te\u{301}", 3),
            ("שלום", 4),
        ] {
            assert_eq!(width(text), columns, "{text}");
        }
    }

    #[test]
    fn what_is_too_wide_is_cut() {
        for (text, columns, front, end) in [
            ("openssl", 7, "openssl", "openssl"),
            ("openssl", 5, "open…", "…nssl"),
            ("日本語", 5, "日本…", "…本語"),
            ("日本語", 4, "日…", "…語"),
            ("ae\u{301}io", 3, "ae\u{301}…", "…io"),
            ("ae\u{301}io", 2, "a…", "…o"),
            ("e\u{301}e\u{301}", 1, "…", "…"),
            ("😀😀", 1, "…", "…"),
            ("ab", 0, "…", "…"),
            ("", 0, "", ""),
        ] {
            assert_eq!(fit(text, columns), front, "{text} in {columns}");
            assert_eq!(fit_end(text, columns), end, "{text} in {columns}");
        }
    }
}
