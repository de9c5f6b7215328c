//! Maven versions: tokens between dots, hyphens and turns from digits to letters; the "Version Order Specification" of Maven's
//! POM reference.

use std::cmp::Ordering;

use super::{Number, split_digits};

/// A token with what stands before it. `.qualifier` and `-qualifier` are before `-number`, that before `.number`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Token<'a> {
    dot: bool,
    value: Value<'a>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Value<'a> {
    Qualifier(Qualifier),
    Number(Number<'a>),
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Qualifier {
    Alpha,
    Beta,
    Milestone,
    Candidate,
    Snapshot,
    Release,
    ServicePack,
    /// Any other, by its letters.
    Other(String),
}

impl Qualifier {
    /// `text` is in lower case; `short`: a number follows directly.
    fn new(text: &str, short: bool) -> Self {
        match text {
            "alpha" => Self::Alpha,
            "a" if short => Self::Alpha,
            "beta" => Self::Beta,
            "b" if short => Self::Beta,
            "milestone" => Self::Milestone,
            "m" if short => Self::Milestone,
            "rc" | "cr" => Self::Candidate,
            "snapshot" => Self::Snapshot,
            "" | "final" | "ga" | "release" => Self::Release,
            "sp" => Self::ServicePack,
            other => Self::Other(other.to_owned()),
        }
    }
}

impl Token<'_> {
    fn is_null(&self) -> bool {
        match &self.value {
            Value::Number(number) => *number == Number::default(),
            Value::Qualifier(qualifier) => *qualifier == Qualifier::Release,
        }
    }

    /// What pads the other side opposite to this token.
    fn null(&self) -> Self {
        let value = if self.dot && matches!(self.value, Value::Number(_)) {
            Value::Number(Number::default())
        } else {
            Value::Qualifier(Qualifier::Release)
        };
        Self { dot: self.dot, value }
    }

    fn compare(&self, other: &Self) -> Ordering {
        match (&self.value, &other.value) {
            (Value::Qualifier(a), Value::Qualifier(b)) => a.cmp(b),
            (Value::Qualifier(_), Value::Number(_)) => Ordering::Less,
            (Value::Number(_), Value::Qualifier(_)) => Ordering::Greater,
            (Value::Number(a), Value::Number(b)) => self.dot.cmp(&other.dot).then_with(|| a.cmp(b)),
        }
    }
}

/// The tokens; those that mean nothing are trimmed from the end, and before each hyphen.
fn tokens(version: &str) -> Vec<Token<'_>> {
    let mut tokens: Vec<Token<'_>> = Vec::new();
    let (mut rest, mut dot) = (version.trim(), true);
    loop {
        let (digits, after) = split_digits(rest);
        let value = if digits.is_empty() {
            let end = rest.find(|c: char| c == '.' || c == '-' || c.is_ascii_digit()).unwrap_or(rest.len());
            let (text, after) = rest.split_at(end);
            rest = after;
            if text.is_empty() {
                Value::Number(Number::default())
            } else {
                let short = rest.starts_with(|c: char| c.is_ascii_digit());
                Value::Qualifier(Qualifier::new(&text.to_lowercase(), short))
            }
        } else {
            rest = after;
            Value::Number(Number::new(digits))
        };
        tokens.push(Token { dot, value });
        match rest.as_bytes() {
            [] => break,
            [b'.', ..] => (rest, dot) = (&rest[1..], true),
            [b'-', ..] => (rest, dot) = (&rest[1..], false),
            // A turn from digits to letters or back is as a hyphen.
            _ => dot = false,
        }
    }
    let mut trimmed: Vec<Token<'_>> = Vec::with_capacity(tokens.len());
    for token in tokens {
        if !token.dot {
            trim(&mut trimmed);
        }
        trimmed.push(token);
    }
    trim(&mut trimmed);
    trimmed
}

fn trim(tokens: &mut Vec<Token<'_>>) {
    while tokens.last().is_some_and(Token::is_null) {
        tokens.pop();
    }
}

pub(super) fn compare(a: &str, b: &str) -> Ordering {
    let (a, b) = (tokens(a), tokens(b));
    (0..a.len().max(b.len()))
        .map(|index| match (a.get(index), b.get(index)) {
            (Some(a), Some(b)) => a.compare(b),
            (Some(a), None) => a.compare(&a.null()),
            (None, Some(b)) => b.null().compare(b),
            (None, None) => Ordering::Equal,
        })
        .find(|order| order.is_ne())
        .unwrap_or(Ordering::Equal)
}

/// Maven orders any text; what begins with no number is no version that anybody ranges over.
pub(super) fn valid(version: &str) -> bool {
    version.starts_with(|c: char| c.is_ascii_digit())
        && version.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._+-".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of the specification, and what it says of qualifiers.
    #[test]
    fn order() {
        let ordered = [
            "1-alpha2",
            "1-alpha10",
            "1-beta",
            "1-m1",
            "1-milestone2",
            "1-rc",
            "1-snapshot",
            "1",
            "1-sp",
            "1-foo2",
            "1-foo10",
            "1-1",
            "1-2",
            "1.1",
        ];
        for pair in ordered.windows(2) {
            assert_eq!(compare(pair[0], pair[1]), Ordering::Less, "{pair:?}");
            assert_eq!(compare(pair[1], pair[0]), Ordering::Greater, "{pair:?}");
        }
        for (a, b) in [
            ("1.0.0-foo.0.0", "1-foo"),
            ("1.foo", "1-foo"),
            ("1.ga", "1.0"),
            ("1a1", "1-alpha-1"),
            ("1.0.0-0.0.0", "1"),
        ] {
            assert_eq!(compare(a, b), Ordering::Equal, "{a} {b}");
        }
    }
}
