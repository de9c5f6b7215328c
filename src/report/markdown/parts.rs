//! What Markdown is made of here: code spans, sentences, links, lists and tables. Whatever comes in is untrusted.

use super::{END_BYTES, MAX_ITEMS, MAX_NAME, MAX_PROSE};
use crate::report::{Judged, publisher::Publisher, text::cut, words::count};

/// An advisory's id, and a link to it where its form says who publishes it.
pub(in crate::report) fn id(id: &str) -> String {
    match Publisher::of(id) {
        Some(publisher) => ["[", &code(id), "](", &publisher.page(id), ")"].concat(),
        None => code(id),
    }
}

/// A list of as many items as `room` bytes hold, and the number of the others; nothing where there are none.
pub(super) fn list<T>(items: &[T], room: usize, noun: &str, item: impl Fn(&T) -> String) -> String {
    let mut out = String::new();
    for (index, line) in items.iter().map(item).enumerate() {
        if index == MAX_ITEMS || out.len() + line.len() + END_BYTES > room {
            out.push_str(&format!("- and {}\n", count(items.len() - index, &format!("more {noun}"))));
            break;
        }
        out.push_str(&format!("- {line}\n"));
    }
    if !out.is_empty() {
        out.push('\n');
    }
    out
}

/// A table of as many rows as there is room for until the page is `end` bytes long, folded from the row `shown` on. Gives
/// how many rows it has.
pub(super) fn table<const N: usize>(
    page: &mut String,
    head: &str,
    findings: &[&Judged],
    shown: usize,
    end: usize,
    row: impl Fn(&Judged) -> [String; N],
) -> usize {
    let mut written = 0;
    page.push_str(head);
    for judged in findings {
        // A bar would end a cell. It is in code spans only, which know no escape: it is written as `plain` would.
        let line = format!("| {} |\n", row(judged).map(|cell| cell.replace('|', "\\u{7c}")).join(" | "));
        if page.len() + line.len() + head.len() + END_BYTES > end {
            break;
        }
        if written == shown {
            let rest = findings.len() - shown;
            page.push_str(&format!("\n<details>\n<summary>{rest} more</summary>\n\n{head}"));
        }
        page.push_str(&line);
        written += 1;
    }
    page.push('\n');
    if written > shown {
        page.push_str("</details>\n\n");
    }
    written
}

/// Untrusted text as a code span (CommonMark, section 6.1), in which nothing means anything but the backtick that ends it.
pub(super) fn code(text: &str) -> String {
    let mut span = String::new();
    add_code(text, &mut span);
    span
}

fn add_code(text: &str, out: &mut String) {
    let text = cut(text, MAX_NAME);
    match text.trim() {
        // An empty span would be two backticks, which open a longer one.
        "" => out.push_str("`-`"),
        text if text.contains('`') => out.extend(["`", &text.replace('`', "\\u{60}"), "`"]),
        text => out.extend(["`", text, "`"]),
    }
}

/// Untrusted sentences: what is no [word] stands in code spans. Never at the start of a line, where a number is a list.
pub(in crate::report) fn prose(text: &str) -> String {
    let text = cut(text, MAX_PROSE);
    let mut out = String::with_capacity(text.len() + text.len() / 4);
    for text in text.split(' ').filter(|word| !word.is_empty()) {
        if !out.is_empty() {
            out.push(' ');
        }
        let start = text.trim_start_matches('(');
        let core = start.trim_end_matches(['.', ',', ';', ':', ')']);
        let (before, after) = (&text[..text.len() - start.len()], &start[core.len()..]);
        match core {
            "" => add_code(text, &mut out),
            _ if word(core) => out.push_str(text),
            _ => {
                out.push_str(before);
                add_code(core, &mut out);
                out.push_str(after);
            }
        }
    }
    out
}

/// Whether a word means nothing to anyone but readers: it is of letters, or a short number. Seven hexadecimal digits may be
/// a commit, and `www` with the full stop of a sentence is a link.
fn word(text: &str) -> bool {
    let is_commit = |part: &str| part.len() >= 7 && part.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_word =
        |part: &str| !matches!(part, "" | "www") && part.chars().all(char::is_alphabetic) && !is_commit(part);
    text.split(['-', '\'']).all(is_word) || text.len() < 7 && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_stay_readable() {
        for (text, want) in [
            (
                "1 high finding with a fix: CVE-2024-1 in zlib 1.0-1 (fixed in 1.1), it's well-known.",
                "1 high finding with a fix: `CVE-2024-1` in zlib `1.0-1` (fixed in `1.1`), it's well-known.",
            ),
            (
                "see www.evil.example, @all #1 GH-1 :+1: !2",
                "see `www.evil.example`, `@all` `#1` `GH-1` `:+1`: `!2`",
            ),
            ("*a* _b_ [c](d) `e` <f> & 日本語", "`*a*` `_b_` `[c](d`) `\\u{60}e\\u{60}` `<f>` `&` 日本語"),
            ("defaced deadbeef 1234567 decade www. a", "`defaced` `deadbeef` `1234567` decade `www`. a"),
            (" (.) - -- ", "`(.)` `-` `--`"),
            ("", ""),
        ] {
            assert_eq!(prose(text), want);
        }
    }

    #[test]
    fn code_spans_end_where_they_should() {
        for (text, want) in
            [("a|b", "`a|b`"), ("", "`-`"), (" ", "`-`"), ("``", "`\\u{60}\\u{60}`"), ("a\nb", "`a b`")]
        {
            assert_eq!(code(text), want);
        }
    }

    #[test]
    fn only_ids_of_known_form_are_links() {
        assert_eq!(id("CVE-2024-1"), "[`CVE-2024-1`](https://www.cve.org/CVERecord?id=CVE-2024-1)");
        assert_eq!(id("OWN-1"), "`OWN-1`");
    }
}
