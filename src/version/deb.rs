//! Debian versions: `[epoch:]upstream[-revision]`, deb-version(7).

use std::cmp::Ordering;

use super::{Number, split_digits};

/// Epoch, upstream version, revision. What stands before a colon is an epoch only if it is a number.
fn parts(version: &str) -> (Number<'_>, &str, &str) {
    let (epoch, rest) = match version.split_once(':') {
        Some((epoch, rest)) if !epoch.is_empty() && epoch.bytes().all(|byte| byte.is_ascii_digit()) => {
            (Number::new(epoch), rest)
        }
        _ => (Number::default(), version),
    };
    let (upstream, revision) = rest.rsplit_once('-').unwrap_or((rest, ""));
    (epoch, upstream, revision)
}

pub(super) fn compare(a: &str, b: &str) -> Ordering {
    let (a, b) = (parts(a.trim()), parts(b.trim()));
    a.0.cmp(&b.0).then_with(|| compare_part(a.1, b.1)).then_with(|| compare_part(a.2, b.2))
}

/// Goes through both strings in turns: a run of anything but digits by character, then a run of digits by value.
fn compare_part(mut a: &str, mut b: &str) -> Ordering {
    while !a.is_empty() || !b.is_empty() {
        let (text_a, rest_a) = split_text(a);
        let (text_b, rest_b) = split_text(b);
        let ((digits_a, rest_a), (digits_b, rest_b)) = (split_digits(rest_a), split_digits(rest_b));
        // The end of a run counts as a character, so that a tilde sorts even before it.
        let weights = |text: &'_ str| text.bytes().map(weight).chain([END]).collect::<Vec<_>>();
        let order = weights(text_a).cmp(&weights(text_b));
        let order = order.then_with(|| Number::new(digits_a).cmp(&Number::new(digits_b)));
        if order.is_ne() {
            return order;
        }
        (a, b) = (rest_a, rest_b);
    }
    Ordering::Equal
}

fn split_text(text: &str) -> (&str, &str) {
    text.split_at(text.find(|character: char| character.is_ascii_digit()).unwrap_or(text.len()))
}

const END: u16 = 1;

/// A tilde before the end, letters before everything else.
fn weight(byte: u8) -> u16 {
    match byte {
        b'~' => 0,
        byte if byte.is_ascii_alphabetic() => u16::from(byte) + END,
        byte => u16::from(byte) + END + 256,
    }
}

pub(super) fn valid(version: &str) -> bool {
    let (_, upstream, _) = parts(version);
    let epoch_is_number = version
        .split_once(':')
        .is_none_or(|(epoch, _)| !epoch.is_empty() && epoch.bytes().all(|byte| byte.is_ascii_digit()));
    epoch_is_number
        && !upstream.is_empty()
        && version.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".+-~:".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order() {
        for (a, b) in [
            ("1.0~rc1-1", "1.0-1"),
            ("1.0~~", "1.0~"),
            ("9:1", "10:0"),
            ("1.2.3-1~deb12u1", "1.2.3-1"),
            ("3.0.11-1~deb12u2", "3.0.13-1~deb12u1"),
            ("1.0", "1.0+b1"),
            ("1.0a", "1.0+"),
            ("1.9", "1.10"),
            ("5:27.5.1-1~debian.12~bookworm", "5:28.0.0-1"),
        ] {
            assert_eq!(compare(a, b), Ordering::Less, "{a} {b}");
        }
        assert_eq!(compare("0:1.0-0", "1.0"), Ordering::Equal);
        assert_eq!(compare("1.001", "1.1"), Ordering::Equal);
    }

    #[test]
    fn validity() {
        assert!(valid("1:2.39.5-0+deb12u1") && valid("2024a") && valid("r12.1-3"));
        for bad in ["", "-1", "a:1", ":1", "1 2", "1_2", "ä"] {
            assert!(!valid(bad), "{bad}");
        }
    }
}
