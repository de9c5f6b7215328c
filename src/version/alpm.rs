//! Arch Linux versions: `[epoch:]version[-release]`, ordered as pacman's vercmp(8) does. Near to rpm's order, but letters that
//! follow are older than nothing (`1.0rc` is before `1.0`), and how much stands between two runs counts.

use std::cmp::Ordering;

use super::{
    Number,
    rpm::{epoch, split_letters},
    split_digits,
};

pub(super) fn compare(a: &str, b: &str) -> Ordering {
    let parts = |version: &'_ str| -> (String, Option<String>) {
        match version.rsplit_once('-') {
            Some((version, release)) => (version.to_owned(), Some(release.to_owned())),
            None => (version.to_owned(), None),
        }
    };
    let ((epoch_a, a), (epoch_b, b)) = (epoch(a.trim()), epoch(b.trim()));
    let ((version_a, release_a), (version_b, release_b)) = (parts(a), parts(b));
    epoch_a.cmp(&epoch_b).then_with(|| compare_part(&version_a, &version_b)).then_with(|| {
        // A version without a release stands for all of its releases.
        release_a.zip(release_b).map_or(Ordering::Equal, |(a, b)| compare_part(&a, &b))
    })
}

fn compare_part(mut a: &str, mut b: &str) -> Ordering {
    loop {
        let (rest_a, rest_b) = (skip(a), skip(b));
        if rest_a.is_empty() || rest_b.is_empty() {
            (a, b) = (rest_a, rest_b);
            break;
        }
        let between = (a.len() - rest_a.len()).cmp(&(b.len() - rest_b.len()));
        if between.is_ne() {
            return between;
        }
        let ((digits_a, after_a), (digits_b, after_b)) = (split_digits(rest_a), split_digits(rest_b));
        let order = match (digits_a.is_empty(), digits_b.is_empty()) {
            (false, false) => {
                (a, b) = (after_a, after_b);
                Number::new(digits_a).cmp(&Number::new(digits_b))
            }
            (false, true) => return Ordering::Greater,
            (true, false) => return Ordering::Less,
            (true, true) => {
                let ((letters_a, after_a), (letters_b, after_b)) =
                    (split_letters(rest_a), split_letters(rest_b));
                (a, b) = (after_a, after_b);
                letters_a.cmp(letters_b)
            }
        };
        if order.is_ne() {
            return order;
        }
        if a.is_empty() || b.is_empty() {
            break;
        }
    }
    let begins_with_letter = |text: &str| text.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic());
    match (a.is_empty(), b.is_empty()) {
        (true, true) => Ordering::Equal,
        (true, false) if begins_with_letter(b) => Ordering::Greater,
        (true, false) => Ordering::Less,
        (false, _) if begins_with_letter(a) => Ordering::Less,
        (false, _) => Ordering::Greater,
    }
}

fn skip(text: &str) -> &str {
    text.trim_start_matches(|c: char| !c.is_ascii_alphanumeric())
}

pub(super) fn valid(version: &str) -> bool {
    let (_, rest) = epoch(version);
    !rest.is_empty()
        && !rest.starts_with('-')
        && rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._+~-".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// vercmp(8) has the first two lines as its examples.
    #[test]
    fn order() {
        let rows: [&[&str]; 3] = [
            &["1.0a", "1.0b", "1.0beta", "1.0p", "1.0pre", "1.0rc", "1.0", "1.0.a", "1.0.1"],
            &["1", "1.0", "1.1", "1.1.1", "1.2", "2.0", "3.0.0"],
            &["1.0-1", "1.0-2", "1.0.1-1", "1:0.1-1", "2:0"],
        ];
        for row in rows {
            for pair in row.windows(2) {
                assert_eq!(compare(pair[0], pair[1]), Ordering::Less, "{pair:?}");
                assert_eq!(compare(pair[1], pair[0]), Ordering::Greater, "{pair:?}");
            }
        }
        assert_eq!(compare("1.0", "1.0-7"), Ordering::Equal);
        assert_eq!(compare("0:1.0-1", "1.0-1"), Ordering::Equal);
    }
}
