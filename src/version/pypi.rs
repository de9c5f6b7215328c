//! Python versions: `[N!]N(.N)*[{a|b|rc}N][.postN][.devN][+local]`, PEP 440 with its normalisation (appendix B).

use std::cmp::Ordering;

use super::{Number, split_digits};

/// A parsed version. The derived order goes by field and is PEP 440's.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Version<'a> {
    epoch: Number<'a>,
    /// Without trailing zeros: 1.0 is 1.
    release: Vec<Number<'a>>,
    stage: Stage<'a>,
    /// `None` sorts first: a post-release comes after its release.
    post: Option<Number<'a>>,
    dev: Dev<'a>,
    /// `None` sorts first.
    local: Option<Vec<Local<'a>>>,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage<'a> {
    /// A development release of the final release comes before its first alpha.
    BeforeAll,
    Before(Level, Number<'a>),
    Final,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Alpha,
    Beta,
    Candidate,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Dev<'a> {
    Number(Number<'a>),
    /// What is no development release comes after all of them.
    None,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Local<'a> {
    Text(&'a str),
    Number(Number<'a>),
}

/// Strings that are no version come before all versions, and among themselves by their bytes.
pub(super) fn compare(a: &str, b: &str) -> Ordering {
    let (lower_a, lower_b) = (a.trim().to_ascii_lowercase(), b.trim().to_ascii_lowercase());
    match (parse(&lower_a), parse(&lower_b)) {
        (Some(a), Some(b)) => a.cmp(&b),
        (Some(_), None) => Ordering::Greater,
        (None, Some(_)) => Ordering::Less,
        (None, None) => lower_a.cmp(&lower_b),
    }
}

/// The version without its local part, if it is one.
pub(super) fn public(version: &str) -> &str {
    match version.split_once('+') {
        Some((public, _)) if valid(version) => public,
        _ => version,
    }
}

pub(super) fn valid(version: &str) -> bool {
    parse(&version.trim().to_ascii_lowercase()).is_some()
}

fn parse(text: &str) -> Option<Version<'_>> {
    let text = text.strip_prefix('v').unwrap_or(text);
    let (epoch, rest) = match text.split_once('!') {
        Some((epoch, rest)) if split_digits(epoch).1.is_empty() && !epoch.is_empty() => {
            (Number::new(epoch), rest)
        }
        Some(_) => return None,
        None => (Number::default(), text),
    };
    let (rest, local) = match rest.split_once('+') {
        Some((rest, local)) => (rest, Some(parse_local(local)?)),
        None => (rest, None),
    };
    let (release, rest) = parse_release(rest)?;
    let mut rest = rest;
    let mut stage = None;
    for (label, level) in LEVELS {
        if let Some((number, after)) = labelled(rest, label) {
            (stage, rest) = (Some(Stage::Before(level, number)), after);
            break;
        }
    }
    let mut post = ["post", "rev", "r"].into_iter().find_map(|label| labelled(rest, label));
    if post.is_none()
        && let Some((digits, after)) = rest.strip_prefix('-').map(split_digits)
        && !digits.is_empty()
    {
        post = Some((Number::new(digits), after)); // the short form of a post-release, 1.0-1
    }
    let post = post.map(|(number, after)| {
        rest = after;
        number
    });
    let dev = match labelled(rest, "dev") {
        Some((number, after)) => {
            rest = after;
            Dev::Number(number)
        }
        None => Dev::None,
    };
    let stage = stage.unwrap_or(match (&post, &dev) {
        (None, Dev::Number(_)) => Stage::BeforeAll,
        _ => Stage::Final,
    });
    rest.is_empty().then_some(Version { epoch, release, stage, post, dev, local })
}

/// Spellings of a pre-release, longer ones first.
const LEVELS: [(&str, Level); 8] = [
    ("alpha", Level::Alpha),
    ("a", Level::Alpha),
    ("beta", Level::Beta),
    ("b", Level::Beta),
    ("preview", Level::Candidate),
    ("pre", Level::Candidate),
    ("rc", Level::Candidate),
    ("c", Level::Candidate),
];

fn parse_release(text: &str) -> Option<(Vec<Number<'_>>, &str)> {
    let (first, mut rest) = split_digits(text);
    if first.is_empty() {
        return None;
    }
    let mut release = vec![Number::new(first)];
    while let Some((digits, after)) = rest.strip_prefix('.').map(split_digits)
        && !digits.is_empty()
    {
        release.push(Number::new(digits));
        rest = after;
    }
    while release.last() == Some(&Number::default()) {
        release.pop();
    }
    Some((release, rest))
}

/// Takes `[-_.]label[-_.]number`, where both separators and the number may be missing.
fn labelled<'a>(text: &'a str, label: &str) -> Option<(Number<'a>, &'a str)> {
    let after = text.strip_prefix(SEPARATORS).unwrap_or(text).strip_prefix(label)?;
    let (digits, rest) = split_digits(after.strip_prefix(SEPARATORS).unwrap_or(after));
    // A separator without a number behind it belongs to what follows.
    if digits.is_empty() { Some((Number::default(), after)) } else { Some((Number::new(digits), rest)) }
}

const SEPARATORS: [char; 3] = ['-', '_', '.'];

fn parse_local(text: &str) -> Option<Vec<Local<'_>>> {
    let part = |part| match split_digits(part) {
        ("", "") => None,
        (digits, "") => Some(Local::Number(Number::new(digits))),
        _ if part.bytes().all(|byte| byte.is_ascii_alphanumeric()) => Some(Local::Text(part)),
        _ => None,
    };
    text.split(SEPARATORS).map(part).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_of_one_release() {
        let ordered = [
            "bulbasaur",
            "1.0.dev456",
            "1.0a1",
            "1.0a2.dev456",
            "1.0a12",
            "1.0b1.dev456",
            "1.0b2",
            "1.0b2.post345.dev456",
            "1.0b2.post345",
            "1.0rc1.dev456",
            "1.0rc1",
            "1.0",
            "1.0+abc.5",
            "1.0+abc.7",
            "1.0+5",
            "1.0.post456.dev34",
            "1.0.post456",
            "1.1.dev1",
            "2!0.1",
        ];
        for pair in ordered.windows(2) {
            assert_eq!(compare(pair[0], pair[1]), Ordering::Less, "{pair:?}");
        }
    }

    #[test]
    fn spellings_of_the_same_version() {
        for (a, b) in [
            ("1.0", "1"),
            ("v1.0-ALPHA.1", "1.0a1"),
            ("1.0-1", "1.0.post1"),
            ("1.0.r4", "1.0post4"),
            ("1.0c1", "1.0-preview_1"),
            ("01.02", "1.2"),
            ("1.0+ubuntu-1", "1.0+ubuntu.1"),
            (" 1.0a.dev1\n", "1.0a0.dev1"),
        ] {
            assert_eq!(compare(a, b), Ordering::Equal, "{a} {b}");
        }
    }

    #[test]
    fn public_versions() {
        for (version, want) in [("2.0.0+cpu", "2.0.0"), ("2.0", "2.0"), ("1.0+", "1.0+"), ("v1+a.5 ", "v1")] {
            assert_eq!(public(version), want);
        }
    }

    #[test]
    fn validity() {
        for bad in ["", "v", "1.0-bulbasaur", "1.0+", "1.0+a..b", "a!1", "1.0.", "1.0 1", "1.0devx"] {
            assert!(!valid(bad), "{bad}");
        }
    }
}
