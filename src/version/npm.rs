//! Node.js versions: Semantic Versioning 2.0.0, section 11, with the leniency of npm: a leading `v` or `=`, and
//! parts that are missing count as zero.

use std::cmp::Ordering;

use super::{Number, split_digits};

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Version<'a> {
    core: [Number<'a>; 3],
    stage: Stage<'a>,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage<'a> {
    Before(Vec<Identifier<'a>>),
    Final,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Identifier<'a> {
    Number(Number<'a>),
    Text(&'a str),
}

/// The version, and whether all of the text was as the rules say. Build metadata is dropped.
fn parse(text: &str) -> (Version<'_>, bool) {
    let text = text.trim();
    let text = text.trim_start_matches(['v', '=']).trim_start();
    let (text, build) = text.split_once('+').map_or((text, None), |(text, build)| (text, Some(build)));
    let mut core = [Number::default(); 3];
    let (first, mut rest) = split_digits(text);
    let mut valid = !first.is_empty();
    core[0] = Number::new(first);
    for number in &mut core[1..] {
        let Some((digits, after)) = rest.strip_prefix('.').map(split_digits) else { break };
        if digits.is_empty() {
            break;
        }
        *number = Number::new(digits);
        rest = after;
    }
    let (extra, before) = rest.split_once('-').map_or((rest, None), |(extra, before)| (extra, Some(before)));
    valid &= extra.is_empty();
    let stage = match before {
        // What follows a fourth part is not a pre-release of the first three.
        Some(before) if extra.is_empty() => Stage::Before(before.split('.').map(identifier).collect()),
        _ => Stage::Final,
    };
    let legal = |text: &str| {
        let part = |part: &str| {
            !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        };
        text.split('.').all(part)
    };
    valid &= build.is_none_or(legal) && before.is_none_or(legal);
    (Version { core, stage }, valid)
}

fn identifier(text: &str) -> Identifier<'_> {
    match split_digits(text) {
        (digits, "") => Identifier::Number(Number::new(digits)),
        _ => Identifier::Text(text),
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
    fn order() {
        let ordered = [
            "0.9",
            "1.0.0-1",
            "1.0.0-alpha",
            "1.0.0-alpha.1",
            "1.0.0-alpha.beta",
            "1.0.0-rc.1",
            "1.0.0",
            "1.0.10",
        ];
        for pair in ordered.windows(2) {
            assert_eq!(compare(pair[0], pair[1]), Ordering::Less, "{pair:?}");
        }
        assert_eq!(compare("v1.2.0+build.5", "= 1.2"), Ordering::Equal);
    }

    #[test]
    fn validity() {
        assert!(valid("1.2.3-rc.1+5114f85") && valid("1") && valid("v2.0"));
        for bad in ["", "x", "1.x", "1.2.3.4", "1.2.3-", "1.2.3-a..b", "latest", "file:../x", "1.2.3 || 2"] {
            assert!(!valid(bad), "{bad}");
        }
    }
}
