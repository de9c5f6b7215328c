//! Ruby versions: runs of digits and of letters, a run of letters being before any number; Gem::Version's documentation.

use std::cmp::Ordering;

use super::{Number, rpm::split_letters, split_digits};

/// Letters are before numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Segment<'a> {
    Text(&'a str),
    Number(Number<'a>),
}

const ZERO: Segment<'_> = Segment::Number(Number(""));

/// The segments, without the zeros before the first letters and at the end.
fn segments(version: &str) -> Vec<Segment<'_>> {
    let mut segments = Vec::new();
    let mut rest = version.trim();
    while let Some(first) = rest.chars().next() {
        if first.is_ascii_digit() {
            let (digits, after) = split_digits(rest);
            segments.push(Segment::Number(Number::new(digits)));
            rest = after;
        } else if first.is_ascii_alphabetic() {
            let (letters, after) = split_letters(rest);
            segments.push(Segment::Text(letters));
            rest = after;
        } else {
            // A hyphen is read as `.pre.`.
            if first == '-' {
                segments.push(Segment::Text("pre"));
            }
            rest = &rest[first.len_utf8()..];
        }
    }
    let letters = segments.iter().position(|segment| matches!(segment, Segment::Text(_)));
    let mut after = segments.split_off(letters.unwrap_or(segments.len()));
    for part in [&mut segments, &mut after] {
        while part.last() == Some(&ZERO) {
            part.pop();
        }
    }
    segments.append(&mut after);
    segments
}

pub(super) fn compare(a: &str, b: &str) -> Ordering {
    let (a, b) = (segments(a), segments(b));
    let at = |segments: &[Segment<'_>], index: usize| segments.get(index).copied().unwrap_or(ZERO).cmp(&ZERO);
    (0..a.len().max(b.len()))
        .map(|index| match (a.get(index), b.get(index)) {
            (Some(a), Some(b)) => a.cmp(b),
            (Some(_), None) => at(&a, index),
            _ => at(&b, index).reverse(),
        })
        .find(|order| order.is_ne())
        .unwrap_or(Ordering::Equal)
}

/// `[0-9]+(\.[0-9a-zA-Z]+)*(-[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?`
pub(super) fn valid(version: &str) -> bool {
    let (core, suffix) =
        version.trim().split_once('-').map_or((version.trim(), None), |(core, suffix)| (core, Some(suffix)));
    let part = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let hyphened = |text: &str| {
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    core.split('.').all(part)
        && core.split('.').next().is_some_and(|first| first.bytes().all(|byte| byte.is_ascii_digit()))
        && suffix.is_none_or(|suffix| suffix.split('.').all(hyphened))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_and_validity() {
        for (a, b) in
            [("1.0.b1", "1.0"), ("1.0.a.9", "1.0.a10"), ("1.0-1", "1.0"), ("3.2", "3.10"), ("1.a", "1.b")]
        {
            assert_eq!(compare(a, b), Ordering::Less, "{a} {b}");
            assert_eq!(compare(b, a), Ordering::Greater, "{b} {a}");
        }
        for (a, b) in [("1", "1.0.0"), ("1.0.a2", "1.a.2"), ("1.0.0.pre.0", "1-0")] {
            assert_eq!(compare(a, b), Ordering::Equal, "{a} {b}");
        }
        assert!(valid("1.2.3.rc1") && valid("1.0-x86") && !valid("a.1") && !valid("1..2") && !valid(""));
    }
}
