//! Versions that are numbers and nothing else, of any count, a longer one newer than its beginning: R (`.` and `-` divide;
//! "Writing R Extensions", 1.1.1) and Haskell (the Haskell Package Versioning Policy).

use std::cmp::Ordering;

use super::Number;

fn parts(version: &str) -> impl Iterator<Item = Number<'_>> {
    version.trim().split(['.', '-']).map(Number::new)
}

pub(super) fn compare(a: &str, b: &str) -> Ordering {
    parts(a).cmp(parts(b))
}

pub(super) fn valid(version: &str) -> bool {
    version.trim().split(['.', '-']).all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_and_validity() {
        assert_eq!(compare("0.1-4", "0.1.18"), Ordering::Less);
        assert_eq!(compare("1.0", "1.0.0"), Ordering::Less);
        assert_eq!(compare("1.01", "1-1"), Ordering::Equal);
        assert!(valid("1.0-3") && !valid("1.0a") && !valid("") && !valid("1..2"));
    }
}
