//! Dart versions: Semantic Versioning 2.0.0, in which a build is newer than none and builds are in order too; the
//! `pub_semver` package's documentation.

use std::cmp::Ordering;

use super::{Number, split_digits};

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Identifier<'a> {
    Number(Number<'a>),
    Text(&'a str),
}

struct Version<'a> {
    core: Vec<Number<'a>>,
    before: Option<Vec<Identifier<'a>>>,
    build: Vec<Identifier<'a>>,
}

fn parse(text: &str) -> Version<'_> {
    let text = text.trim().trim_start_matches(['v', '=']);
    let (text, build) = text.split_once('+').map_or((text, None), |(text, build)| (text, Some(build)));
    let (core, before) = text.split_once('-').map_or((text, None), |(core, before)| (core, Some(before)));
    let mut core: Vec<Number<'_>> = core.split('.').map(|part| Number::new(split_digits(part).0)).collect();
    while core.last() == Some(&Number::default()) {
        core.pop();
    }
    Version { core, before: before.map(identifiers), build: build.map(identifiers).unwrap_or_default() }
}

fn identifiers(text: &str) -> Vec<Identifier<'_>> {
    let identifier = |part| match split_digits(part) {
        (digits, "") if !digits.is_empty() => Identifier::Number(Number::new(digits)),
        _ => Identifier::Text(part),
    };
    text.split('.').map(identifier).collect()
}

pub(super) fn compare(a: &str, b: &str) -> Ordering {
    let (a, b) = (parse(a), parse(b));
    let before = match (&a.before, &b.before) {
        (Some(a), Some(b)) => a.cmp(b),
        (a, b) => b.is_some().cmp(&a.is_some()),
    };
    a.core.cmp(&b.core).then(before).then_with(|| a.build.cmp(&b.build))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order() {
        for (a, b) in [
            ("1.0.0-a", "1.0.0"),
            ("1.0.0", "1.0.0+1"),
            ("1.0.0+9", "1.0.0+a"),
            ("1.0.0-rc.2", "1.0.0-rc.10"),
        ] {
            assert_eq!(compare(a, b), Ordering::Less, "{a} {b}");
            assert_eq!(compare(b, a), Ordering::Greater, "{b} {a}");
        }
        assert_eq!(compare("1.0", "1.0.0"), Ordering::Equal);
    }
}
