//! Requirements on versions, such as `~> 1.2.3, >= 1.2.3.1`, as stretches of the order of versions, and what lies outside of
//! them: databases of Ruby and Rust list the versions that are not affected.

use std::cmp::Ordering;

use crate::{
    advisory::{End, Range},
    version::Scheme,
};

/// A place in the order: just before `version`, or just after it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Cut {
    version: String,
    after: bool,
}

impl Cut {
    fn before(version: impl Into<String>) -> Option<Self> {
        Some(Self { version: version.into(), after: false })
    }

    fn after(version: impl Into<String>) -> Option<Self> {
        Some(Self { version: version.into(), after: true })
    }

    fn compare(&self, other: &Self, scheme: Scheme) -> Ordering {
        scheme.compare(&self.version, &other.version).then(self.after.cmp(&other.after))
    }
}

/// All versions between two places; `None` is the beginning, or the end, of all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stretch {
    from: Option<Cut>,
    to: Option<Cut>,
}

impl Stretch {
    /// What `requirement` takes in: all of its parts, divided by commas, hold. An error is a part that nobody here
    /// understands.
    pub(super) fn of(scheme: Scheme, requirement: &str) -> Result<Self, String> {
        let all = Self { from: None, to: None };
        requirement.split(',').try_fold(all, |stretch, part| {
            let part = comparison(scheme, part).ok_or_else(|| format!("the requirement {requirement:?}"))?;
            Ok(stretch.within(part, scheme))
        })
    }

    /// What lies in both.
    fn within(self, other: Self, scheme: Scheme) -> Self {
        let pick = |a: Option<Cut>, b: Option<Cut>, wanted: Ordering| match (a, b) {
            (Some(a), Some(b)) => Some(if a.compare(&b, scheme) == wanted { a } else { b }),
            (a, b) => a.or(b),
        };
        Self {
            from: pick(self.from, other.from, Ordering::Greater),
            to: pick(self.to, other.to, Ordering::Less),
        }
    }

    /// As advisories write it; `None` when nothing lies in it.
    pub(super) fn range(self, scheme: Scheme) -> Option<Range> {
        if let (Some(from), Some(to)) = (&self.from, &self.to)
            && from.compare(to, scheme).is_ge()
        {
            return None;
        }
        let introduced =
            self.from.map(|cut| if cut.after { next(scheme, &cut.version) } else { cut.version });
        let end = match self.to {
            None => End::Open,
            Some(Cut { version, after: true }) => End::LastAffected(version),
            Some(Cut { version, after: false }) => End::Fixed(version),
        };
        Some(Range { introduced, end })
    }
}

/// Everything that none of `stretches` takes in.
pub(super) fn outside(scheme: Scheme, mut stretches: Vec<Stretch>) -> Vec<Range> {
    stretches.sort_by(|a, b| match (&a.from, &b.from) {
        (Some(a), Some(b)) => a.compare(b, scheme),
        (a, b) => a.is_some().cmp(&b.is_some()),
    });
    let mut ranges = Vec::new();
    // Where the next gap begins at the earliest.
    let mut from: Option<Cut> = None;
    for stretch in stretches {
        if stretch.clone().range(scheme).is_none() {
            continue;
        }
        if let Some(to) = stretch.from {
            let reached = from.as_ref().is_some_and(|from| from.compare(&to, scheme).is_ge());
            if !reached {
                ranges.extend(Stretch { from: from.take(), to: Some(to) }.range(scheme));
            }
        }
        let Some(end) = stretch.to else { return ranges };
        from = match from {
            Some(from) if from.compare(&end, scheme).is_ge() => Some(from),
            _ => Some(end),
        };
    }
    ranges.extend(Stretch { from, to: None }.range(scheme));
    ranges
}

/// One part of a requirement, such as `>= 1.2`. Numbers that are missing count as zero, in Rust too: rustsec's own export
/// reads them so.
fn comparison(scheme: Scheme, text: &str) -> Option<Stretch> {
    let text = text.trim();
    let at = text.find(|c: char| !"<>=~^!".contains(c)).unwrap_or(text.len());
    let (operator, version) = (&text[..at], text[at..].trim());
    scheme.check(version).ok()?;
    let (before, after) = (Cut::before(version), Cut::after(version));
    let (from, to) = match (operator, scheme) {
        (">=", _) => (before, None),
        (">", _) => (after, None),
        ("<", _) => (None, before),
        ("<=", _) => (None, after),
        ("=" | "==", _) | ("", Scheme::Rubygems | Scheme::Composer) => (before, after),
        // Up to the next number but one, and its pre-releases, which have letters.
        ("~>", Scheme::Rubygems) => {
            let mut kept = numbers(version);
            kept.truncate(kept.len().saturating_sub(1).max(1));
            (before, Cut::before(format!("{}.a", join(&bumped(kept)?))))
        }
        // Up to the next change of the first number that is not zero, and its pre-releases.
        ("^" | "", Scheme::Semver) => {
            let mut kept = numbers(version);
            kept.truncate(1 + kept.iter().position(|number| *number != 0).unwrap_or(kept.len()));
            let mut next = bumped(kept)?;
            next.resize(3, 0);
            (before, Cut::before(format!("{}-0", join(&next))))
        }
        _ => return None,
    };
    Some(Stretch { from, to })
}

/// The first version after `version`. Where the order has none, one that nobody publishes and few others are before.
fn next(scheme: Scheme, version: &str) -> String {
    if scheme != Scheme::Semver {
        return format!("{version}.0.1.a");
    }
    let (version, _build) = version.split_once('+').unwrap_or((version, ""));
    let mut last = numbers(version);
    last.resize(3, 0);
    match bumped(last) {
        Some(next) if !version.contains('-') => format!("{}-0", join(&next)),
        _ => format!("{version}.0"),
    }
}

/// The numbers that `version` begins with.
fn numbers(version: &str) -> Vec<u64> {
    version.split(['.', '-', '+']).map_while(|part| part.parse().ok()).collect()
}

/// The last one higher.
fn bumped(mut numbers: Vec<u64>) -> Option<Vec<u64>> {
    let last = numbers.last_mut()?;
    *last = last.checked_add(1)?;
    Some(numbers)
}

fn join(numbers: &[u64]) -> String {
    numbers.iter().map(u64::to_string).collect::<Vec<_>>().join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn affected(scheme: Scheme, unaffected: &[&str]) -> String {
        let stretches =
            unaffected.iter().map(|text| Stretch::of(scheme, text)).collect::<Result<Vec<_>, _>>();
        let show = |range: Range| {
            let from = range.introduced.unwrap_or_default();
            match range.end {
                End::Fixed(end) | End::Limit(end) => format!("[{from},{end})"),
                End::LastAffected(end) => format!("[{from},{end}]"),
                End::Open => format!("[{from},"),
            }
        };
        match stretches {
            Ok(stretches) => outside(scheme, stretches).into_iter().map(show).collect::<Vec<_>>().join(" "),
            Err(what) => what,
        }
    }

    #[test]
    fn ruby() {
        let affected = |unaffected: &[&str]| affected(Scheme::Rubygems, unaffected);
        assert_eq!(affected(&[]), "[,");
        assert_eq!(affected(&[">= 1.2.3"]), "[,1.2.3)");
        assert_eq!(affected(&[">= 1.7.7", "~> 1.5.5", "~> 1.6.8"]), "[,1.5.5) [1.6.a,1.6.8) [1.7.a,1.7.7)");
        assert_eq!(affected(&["~> 3.2.22, >= 3.2.22.5", ">= 4.2"]), "[,3.2.22.5) [3.3.a,4.2)");
        assert_eq!(affected(&["~> 2.0.0.rc1", "~> 3", "< 1.0"]), "[1.0,2.0.0.rc1) [2.1.a,3) [4.a,");
        assert_eq!(affected(&["<= 1.3", "> 2.0"]), "[1.3.0.1.a,2.0]");
        assert_eq!(affected(&["= 1.1", "1.3"]), "[,1.1) [1.1.0.1.a,1.3) [1.3.0.1.a,");
        assert_eq!(affected(&["< 2", "< 1", "~> 1.4", "> 3, < 2", ">= 1.9"]), "", "all of it overlaps");
        for left in ["!= 1.0", "~ 1.0", "^ 1.0", ">= ", "a", "", ">= 1,"] {
            assert_eq!(affected(&[left]), format!("the requirement {left:?}"));
        }
    }

    #[test]
    fn rust() {
        let affected = |unaffected: &[&str]| affected(Scheme::Semver, unaffected);
        assert_eq!(affected(&["^0.6.2", ">= 0.7.6", "< 0.6.0"]), "[0.6.0,0.6.2) [0.7.0-0,0.7.6)");
        assert_eq!(affected(&["^1.7.5", ">= 2.6.0"]), "[,1.7.5) [2.0.0-0,2.6.0)");
        assert_eq!(affected(&["^ 0.0.3"]), "[,0.0.3) [0.0.4-0,");
        assert_eq!(affected(&["^0.0"]), "[,0.0) [0.1.0-0,");
        assert_eq!(affected(&["< 1.4.1", "> 1.4.1"]), "[1.4.1,1.4.1]");
        assert_eq!(affected(&["<= 0.3.9"]), "[0.3.10-0,");
        assert_eq!(affected(&["<= 1.0.0-rc.1+build"]), "[1.0.0-rc.1.0,");
        assert_eq!(affected(&[">= 0.23, < 0.23.13", "< 0.23", ">= 0.23.18"]), "[0.23.13,0.23.18)");
        assert_eq!(affected(&["~> 1.0"]), "the requirement \"~> 1.0\"");
        assert_eq!(affected(&["^18446744073709551615.0.0"]), "the requirement \"^18446744073709551615.0.0\"");
    }
}
