//! PHP versions: parts by PHP's version_compare, which Composer uses; its documentation has the order of the words.

use std::cmp::Ordering;

use super::{Number, split_digits};

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part<'a> {
    /// Any other word, and they are all alike.
    Other,
    Dev,
    Alpha,
    Beta,
    Candidate,
    /// Nothing more: a release.
    End,
    Number(Number<'a>),
    Patch,
    /// `#`, PHP's sign for any number: as good as each of them, and as none.
    Any,
}

impl Part<'_> {
    fn compare(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Any, Self::Any | Self::End | Self::Number(_))
            | (Self::End | Self::Number(_), Self::Any) => Ordering::Equal,
            (Self::Any, other) => Self::End.cmp(other),
            (one, Self::Any) => one.cmp(&Self::End),
            _ => self.cmp(other),
        }
    }
}

/// The parts: divided at `.`, `-`, `_`, `+` and between digits and the rest.
fn parts(version: &str) -> Vec<Part<'_>> {
    let version = version.trim();
    let mut rest = version.strip_prefix(['v', 'V']).unwrap_or(version);
    let divides = |c: char| matches!(c, '.' | '-' | '_' | '+');
    let mut parts = Vec::new();
    loop {
        rest = rest.trim_start_matches(divides);
        if rest.is_empty() {
            return parts;
        }
        let (digits, after) = split_digits(rest);
        if digits.is_empty() {
            let end = rest.find(|c: char| divides(c) || c.is_ascii_digit()).unwrap_or(rest.len());
            parts.push(word(&rest[..end]));
            rest = &rest[end..];
        } else {
            parts.push(Part::Number(Number::new(digits)));
            rest = after;
        }
    }
}

fn word(text: &str) -> Part<'_> {
    match text.to_ascii_lowercase().as_str() {
        "dev" => Part::Dev,
        "a" | "alpha" => Part::Alpha,
        "b" | "beta" => Part::Beta,
        "rc" | "c" => Part::Candidate,
        "pl" | "p" | "patch" => Part::Patch,
        "#" => Part::Any,
        _ => Part::Other,
    }
}

pub(super) fn compare(a: &str, b: &str) -> Ordering {
    let (a, b) = (parts(a), parts(b));
    (0..a.len().max(b.len()))
        .map(|index| a.get(index).unwrap_or(&Part::End).compare(b.get(index).unwrap_or(&Part::End)))
        .find(|order| order.is_ne())
        .unwrap_or(Ordering::Equal)
}

pub(super) fn valid(version: &str) -> bool {
    let parts = parts(version);
    matches!(parts.first(), Some(Part::Number(_)))
        && !parts.contains(&Part::Other)
        && version.trim().bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_+".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_and_validity() {
        for pair in
            ["1.0-foo", "1.0-dev", "1.0a1", "1.0-beta2", "1.0RC1", "1.0", "1.0.1", "1.0pl1", "1.1", "10"]
                .windows(2)
        {
            assert_eq!(compare(pair[0], pair[1]), Ordering::Less, "{pair:?}");
        }
        assert_eq!(compare("v1.0-RC1", "1.0.rc.1"), Ordering::Equal);
        assert!(
            valid("v2.1.3") && valid("1.0-beta2") && !valid("dev-master") && !valid("") && !valid("1.0-foo")
        );
    }
}
