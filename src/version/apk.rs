//! Alpine versions: `digits(.digits)*[letter](_suffix[digits])*[~hash][-r digits]`, as apk-tools reads them.
//!
//! apk reads both versions in step, token by token, and stops where they differ; so do we, because that also
//! settles strings which no grammar covers. Source: the manual page apk-package(5) and the behaviour of apk-tools 2.

use std::cmp::Ordering;

use super::{Number, split_digits};

/// What the next token is. Where one version goes on and the other does not, the kind decides: the lower kind wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// After a dot: leading zeros make it a fraction.
    Component,
    Digits,
    Letter,
    Suffix,
    SuffixNumber,
    Hash,
    Revision,
    End,
    /// No version goes on like this: whatever ends here or goes on well is the newer.
    Invalid,
}

/// The value of a token. A run of leading zeros in a fraction sorts below every number, the longer the lower.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Value<'a> {
    /// Suffixes of versions before the release, counted up to -1; zeros in front of a fraction.
    Below(isize),
    Number(Number<'a>),
    Letter(u8),
    Suffix(usize),
    Hash(&'a str),
}

const SUFFIXES_BEFORE: [&str; 4] = ["alpha", "beta", "pre", "rc"];
const SUFFIXES_AFTER: [&str; 5] = ["cvs", "svn", "git", "hg", "p"];

/// A version, read so far.
#[derive(Clone, Copy)]
struct Reader<'a> {
    rest: &'a str,
    next: Kind,
}

impl<'a> Reader<'a> {
    fn new(version: &'a str) -> Self {
        Self { rest: version, next: Kind::Digits }
    }

    /// Reads the token announced by `next`, and finds out what follows.
    fn token(&mut self) -> Value<'a> {
        let zero = Value::Number(Number::default());
        if self.rest.is_empty() {
            self.next = Kind::End;
            return zero;
        }
        let value = match self.next {
            Kind::Component if self.rest.starts_with('0') => {
                let digits = self.rest.trim_start_matches('0');
                let zeros = self.rest.len() - digits.len();
                self.rest = digits;
                // The digits behind the zeros are a token of their own, with nothing in between.
                self.next = if digits.is_empty() { Kind::End } else { Kind::Digits };
                return Value::Below(isize::try_from(zeros).map_or(isize::MIN, |zeros| -zeros));
            }
            Kind::Component | Kind::Digits | Kind::SuffixNumber | Kind::Revision => {
                let (digits, rest) = split_digits(self.rest);
                self.rest = rest;
                Value::Number(Number::new(digits))
            }
            Kind::Letter => {
                let letter = self.rest.as_bytes()[0];
                self.rest = &self.rest[1..];
                Value::Letter(letter)
            }
            Kind::Suffix => match self.suffix() {
                Some(value) => value,
                None => {
                    self.next = Kind::Invalid;
                    return Value::Below(-1);
                }
            },
            Kind::Hash => {
                let end = self.rest.bytes().position(|byte| !byte.is_ascii_hexdigit());
                let (hash, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
                self.rest = rest;
                Value::Hash(hash)
            }
            Kind::Invalid | Kind::End => {
                self.next = Kind::Invalid;
                return Value::Below(-1);
            }
        };
        self.next = self.following();
        value
    }

    fn suffix(&mut self) -> Option<Value<'a>> {
        let take = |names: &[&str]| {
            names.iter().enumerate().find_map(|(index, name)| Some((index, self.rest.strip_prefix(name)?)))
        };
        let (value, rest) = match take(&SUFFIXES_BEFORE) {
            Some((index, rest)) => {
                let place = isize::try_from(SUFFIXES_BEFORE.len() - index).ok()?;
                (Value::Below(-place), rest)
            }
            None => take(&SUFFIXES_AFTER).map(|(index, rest)| (Value::Suffix(index), rest))?,
        };
        self.rest = rest;
        Some(value)
    }

    fn letter_at(&self, index: usize) -> bool {
        self.rest.as_bytes().get(index).is_some_and(u8::is_ascii_alphabetic)
    }

    /// A dot with a letter behind it: worth less than the letter alone.
    fn is_hollow(&self) -> bool {
        self.next == Kind::Component && self.letter_at(0)
    }

    /// The kind of the next token, its separator taken. Tokens come in a fixed order, with three ways back.
    fn following(&mut self) -> Kind {
        let Some(&first) = self.rest.as_bytes().first() else { return Kind::End };
        let last = self.next;
        let (kind, separator) = match (last, first) {
            (Kind::Component | Kind::Digits, b'a'..=b'z') => (Kind::Letter, 0),
            (Kind::Letter, b'0'..=b'9') => (Kind::Digits, 0),
            (Kind::Suffix, b'0'..=b'9') => (Kind::SuffixNumber, 0),
            (_, b'.') => (Kind::Component, 1),
            (_, b'_') => (Kind::Suffix, 1),
            (_, b'~') => (Kind::Hash, 1),
            // No number means revision 0, a word means that this is no revision at all.
            (_, b'-') if self.rest.starts_with("-r") && !self.letter_at(2) => (Kind::Revision, 2),
            _ => (Kind::Invalid, 0),
        };
        self.rest = &self.rest[separator..];
        let back = matches!(
            (last, kind),
            (Kind::Digits, Kind::Component)
                | (Kind::SuffixNumber, Kind::Suffix)
                | (Kind::Letter, Kind::Digits)
        );
        if kind < last && !back { Kind::Invalid } else { kind }
    }
}

pub(super) fn compare(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (Reader::new(a), Reader::new(b));
    while a.next == b.next && !matches!(a.next, Kind::End | Kind::Invalid) {
        let order = a.token().cmp(&b.token());
        if order.is_ne() {
            return order;
        }
    }
    if a.next == b.next {
        return Ordering::Equal;
    }
    // One goes on where the other ends: it is the newer, unless it goes on to a version before the release.
    let before_release =
        |mut reader: Reader<'_>| reader.next == Kind::Suffix && matches!(reader.token(), Value::Below(_));
    match (before_release(a), before_release(b)) {
        (true, _) => Ordering::Less,
        (_, true) => Ordering::Greater,
        _ => (b.is_hollow(), b.next).cmp(&(a.is_hollow(), a.next)),
    }
}

pub(super) fn valid(version: &str) -> bool {
    let mut reader = Reader::new(version);
    if !version.starts_with(|first: char| first.is_ascii_digit()) {
        return false;
    }
    while !matches!(reader.next, Kind::End | Kind::Invalid) {
        reader.token();
    }
    reader.next == Kind::End
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order() {
        for (a, b) in [
            ("3.1.4-r4", "3.1.4-r5"),
            ("1.2_alpha1", "1.2_beta"),
            ("1.2_rc3", "1.2"),
            ("1.2", "1.2_p1"),
            ("1.2_git20200101", "1.2_git20200102"),
            ("1.01", "1.1"),
            ("1.001", "1.01"),
            ("1.0", "1.0.1"),
            ("9.9", "10"),
            ("1.1.1t", "1.1.1u-r0"),
        ] {
            assert_eq!(compare(a, b), Ordering::Less, "{a} {b}");
            assert_eq!(compare(b, a), Ordering::Greater, "{b} {a}");
        }
        assert_eq!(compare("1-r1", "1-r01"), Ordering::Equal);
    }

    #[test]
    fn validity() {
        for good in ["1.2.3-r0", "1.1.1w-r1", "2.0_rc1_p2-r3", "20230506-r0", "0.1~1a2b3c-r1", "6.6.2p1"] {
            assert!(valid(good), "{good}");
        }
        for bad in ["", "a1", "1.2_blah", "1-ruff", "1.0-1", "1.2.0A", "1 "] {
            assert!(!valid(bad), "{bad}");
        }
    }
}
