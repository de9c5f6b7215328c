//! .NET versions: Semantic Versioning 2.0.0 with up to four numbers and labels in any case; NuGet's "Package versioning".

use std::cmp::Ordering;

use super::{Number, split_digits};

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Version<'a> {
    core: [Number<'a>; 4],
    stage: Stage<'a>,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Stage<'a> {
    Before(Vec<Label<'a>>),
    Final,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Label<'a> {
    Number(Number<'a>),
    /// In lower case.
    Text(String),
}

/// The version, and whether all of the text was as the rules say. Build metadata is dropped.
fn parse(text: &str) -> (Version<'_>, bool) {
    let text = text.trim();
    let (text, build) = text.split_once('+').map_or((text, None), |(text, build)| (text, Some(build)));
    let (numbers, labels) = text.split_once('-').map_or((text, None), |(core, labels)| (core, Some(labels)));
    let mut core = [Number::default(); 4];
    let mut valid = true;
    for (index, part) in numbers.split('.').enumerate() {
        let (digits, rest) = split_digits(part);
        match core.get_mut(index) {
            Some(number) => *number = Number::new(digits),
            None => valid = false,
        }
        valid &= !digits.is_empty() && rest.is_empty();
    }
    let legal = |text: &str| {
        text.split('.').all(|part| {
            !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        })
    };
    valid &= labels.is_none_or(legal) && build.is_none_or(legal);
    let stage = labels.map_or(Stage::Final, |labels| Stage::Before(labels.split('.').map(label).collect()));
    (Version { core, stage }, valid)
}

fn label(text: &str) -> Label<'_> {
    match split_digits(text) {
        (digits, "") if !digits.is_empty() => Label::Number(Number::new(digits)),
        _ => Label::Text(text.to_ascii_lowercase()),
    }
}

pub(super) fn compare(a: &str, b: &str) -> Ordering {
    parse(a).0.cmp(&parse(b).0)
}

pub(super) fn valid(version: &str) -> bool {
    parse(version).1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_and_validity() {
        for (a, b) in [("1.0.0-beta", "1.0.0"), ("1.0", "1.0.0.1"), ("1.0-rc.2", "1.0-RC.10"), ("1-1", "1-a")]
        {
            assert_eq!(compare(a, b), Ordering::Less, "{a} {b}");
        }
        assert_eq!(compare("1.0.0-BETA+x", "1-beta"), Ordering::Equal);
        assert!(valid("4.0.0.1-preview.2+abc") && !valid("1.2.3.4.5") && !valid("1.x") && !valid(""));
    }
}
