//! RPM versions: `[epoch:]version[-release]`, ordered as rpm's own comparison does; rpm-version(7).

use std::cmp::Ordering;

use super::{Number, split_digits};

/// Epoch, version, release.
fn parts(version: &str) -> (Number<'_>, &str, Option<&str>) {
    let (epoch, rest) = epoch(version);
    let (version, release) =
        rest.rsplit_once('-').map_or((rest, None), |(version, release)| (version, Some(release)));
    (epoch, version, release)
}

/// The epoch and what follows it. What stands before a colon is an epoch only if it is a number.
pub(super) fn epoch(version: &str) -> (Number<'_>, &str) {
    match version.split_once(':') {
        Some((epoch, rest)) if epoch.bytes().all(|byte| byte.is_ascii_digit()) => (Number::new(epoch), rest),
        _ => (Number::default(), version),
    }
}

pub(super) fn compare(a: &str, b: &str) -> Ordering {
    let (a, b) = (parts(a.trim()), parts(b.trim()));
    a.0.cmp(&b.0).then_with(|| compare_part(a.1, b.1)).then_with(|| match (a.2, b.2) {
        (Some(a), Some(b)) => compare_part(a, b),
        (a, b) => a.is_some().cmp(&b.is_some()),
    })
}

/// Goes through both strings run by run, digits by value and letters by bytes; what is neither only divides. A tilde is older
/// than nothing, a caret newer than nothing and older than anything else.
fn compare_part(mut a: &str, mut b: &str) -> Ordering {
    loop {
        (a, b) = (skip(a), skip(b));
        for (sign, than_end) in [('~', Ordering::Less), ('^', Ordering::Greater)] {
            match (a.strip_prefix(sign), b.strip_prefix(sign)) {
                (Some(rest_a), Some(rest_b)) => {
                    (a, b) = (rest_a, rest_b);
                    break;
                }
                (Some(_), None) => return if b.is_empty() { than_end } else { Ordering::Less },
                (None, Some(_)) => return if a.is_empty() { than_end.reverse() } else { Ordering::Greater },
                (None, None) => {}
            }
        }
        if is_divider(a) || is_divider(b) {
            continue;
        }
        let ((digits_a, rest_a), (digits_b, rest_b)) = (split_digits(a), split_digits(b));
        let order = match (digits_a.is_empty(), digits_b.is_empty()) {
            (false, false) => {
                (a, b) = (rest_a, rest_b);
                Number::new(digits_a).cmp(&Number::new(digits_b))
            }
            _ if a.is_empty() || b.is_empty() => return a.len().cmp(&b.len()),
            // Digits are newer than letters.
            (false, true) => return Ordering::Greater,
            (true, false) => return Ordering::Less,
            (true, true) => {
                let ((letters_a, rest_a), (letters_b, rest_b)) = (split_letters(a), split_letters(b));
                (a, b) = (rest_a, rest_b);
                letters_a.cmp(letters_b)
            }
        };
        if order.is_ne() {
            return order;
        }
    }
}

/// Whether a run of digits or letters cannot begin here, and the end is not reached.
fn is_divider(text: &str) -> bool {
    text.bytes().next().is_some_and(|byte| !byte.is_ascii_alphanumeric())
}

fn skip(text: &str) -> &str {
    text.trim_start_matches(|c: char| !c.is_ascii_alphanumeric() && c != '~' && c != '^')
}

pub(super) fn split_letters(text: &str) -> (&str, &str) {
    text.split_at(text.bytes().position(|byte| !byte.is_ascii_alphabetic()).unwrap_or(text.len()))
}

pub(super) fn valid(version: &str) -> bool {
    let (_, rest) = epoch(version);
    !rest.is_empty()
        && !rest.starts_with('-')
        && rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._+%{}~^-".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order() {
        for (a, b) in [
            ("1.0~rc1-1", "1.0-1"),
            ("1.0-1", "1.0^git1-1"),
            ("1.0^git1", "1.0.1"),
            ("1.0~rc1^git1", "1.0"),
            ("1.0~rc1", "1.0~rc1^git1"),
            ("9:1", "10:0"),
            ("2.2", "1:1.0"),
            ("1.a", "1.1"),
            ("1.0", "1.0a"),
            ("1.0-1.el9", "1.0-1.el9_4"),
            ("3.0.7-24.el9", "3.0.7-25.el9_3"),
        ] {
            assert_eq!(compare(a, b), Ordering::Less, "{a} {b}");
        }
        for (a, b) in [("0:1.0-1", "1.0-1"), ("1.001", "1.1"), ("1..0", "1.0"), ("1_0", "1.0")] {
            assert_eq!(compare(a, b), Ordering::Equal, "{a} {b}");
        }
    }

    #[test]
    fn validity() {
        assert!(valid("1:2.39-22.el9_4") && valid("20240101") && valid("1.0~rc1^git1-1"));
        for bad in ["", "-1", "a:1", "1 2", "ä"] {
            assert!(!valid(bad), "{bad}");
        }
    }
}
