//! What is wrong with a policy, and where.

use std::fmt;

/// What is wrong with a policy; shown as `origin:line:column: problem`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{origin}:{line}:{column}: {problem}")]
pub struct Error {
    /// Where the policy comes from.
    pub origin: String,
    /// Line of the offending text, from 1.
    pub line: u64,
    /// Column of the offending text in characters, from 1.
    pub column: u64,
    /// What is wrong there.
    pub problem: Problem,
}

/// What is wrong at one place of a policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// No YAML, or not of the shape; in words.
    #[error("{0}")]
    Form(String),
    /// A key that the form does not have.
    #[error("unknown key `{key}`{}; it takes {}", Nearest(key, accepted), accepted.join(", "))]
    UnknownKey {
        /// As written.
        key: String,
        /// Keys that may stand there.
        accepted: Vec<&'static str>,
    },
    /// A word that is none of a closed list.
    #[error("unknown {what} `{found}`{}; it is one of {}", Nearest(found, accepted), accepted.join(", "))]
    UnknownWord {
        /// What the list is of.
        what: &'static str,
        /// As written.
        found: String,
        /// The list.
        accepted: Vec<&'static str>,
    },
    /// Another version of the form.
    #[error("version {0} of the policy form is not known; this program reads version 1")]
    Version(u64),
    /// No rule at all.
    #[error("no rules: the gate would pass whatever is found; write a rule, or leave the policy out")]
    NoRules,
    /// A rule without a condition.
    #[error("rule `{0}` has an empty `when`: give at least one of {conditions}", conditions = super::file::CONDITIONS)]
    EmptyWhen(String),
    /// A condition with an empty list, which nothing can match.
    #[error("`{0}` is empty: name at least one")]
    EmptyList(&'static str),
    /// Two conditions on one thing.
    #[error("`severity` and `severity_at_least` in one rule: keep one of them")]
    TwoSeverities,
    /// A name that an earlier rule has.
    #[error("rule name `{name}` is taken by the rule in line {first_line}; names must differ")]
    DuplicateName {
        /// As written.
        name: String,
        /// Line of the earlier rule's name.
        first_line: u64,
    },
    /// A name that only the program gives.
    #[error("rule name `{0}` is what reports call the age of the advisories: give the rule another name")]
    ReservedName(String),
    /// A day that is none.
    #[error("`until` is `{0}`; it must be a day of the calendar in the form YYYY-MM-DD")]
    Date(String),
    /// A waiver that nobody accounts for.
    #[error("rule `{0}` ignores findings without saying why: add a `reason`")]
    IgnoreWithoutReason(String),
    /// A text that is empty, too long, or holds what cannot be printed.
    #[error("`{field}` must be 1 to {limit} printable characters")]
    Text {
        /// Key of the text.
        field: &'static str,
        /// Most characters.
        limit: usize,
    },
    /// A name that is in a list already, where the first place counts.
    #[error("`{0}` is named twice: only its first place counts, so name it once")]
    NamedTwice(String),
    /// More days than anyone counts.
    #[error("`max_age_days` must be a number from 0 to {0}")]
    Days(u32),
    /// No fraction.
    #[error("`{0}` must be a number from 0 to 1")]
    Fraction(&'static str),
    /// A wildcard where only whole names are compared.
    #[error("`{0}`: `cve` takes whole names, without wildcards")]
    Wildcard(String),
    /// A policy larger than anyone writes.
    #[error("the policy has {found} bytes; the limit `policy size` is {limit}")]
    Size {
        /// Bytes of the text.
        found: usize,
        /// The limit.
        limit: usize,
    },
    /// More rules than anyone writes.
    #[error("the policy has {found} rules; the limit `policy rules` is {limit}")]
    Rules {
        /// Rules of the policy.
        found: usize,
        /// The limit.
        limit: usize,
    },
}

/// ` (did you mean ...?)`, or nothing where no accepted word is close.
struct Nearest<'a>(&'a str, &'a [&'static str]);

impl fmt::Display for Nearest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = self.0.to_lowercase();
        if found.len() > 40 {
            return Ok(());
        }
        let nearest = self.1.iter().map(|word| (distance(&found, word), word)).min();
        match nearest {
            Some((distance, word)) if distance * 3 <= word.len() => write!(f, " (did you mean `{word}`?)"),
            _ => Ok(()),
        }
    }
}

/// Letters to insert, drop or change to get from one word to the other; Levenshtein's distance.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in to.iter().enumerate() {
            let change = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = change.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn close_words_are_proposed_and_far_ones_are_not() {
        let accepted = ["critical", "high", "medium", "low"];
        assert_eq!(Nearest("hihg", &accepted).to_string(), "");
        assert_eq!(Nearest("hig", &accepted).to_string(), " (did you mean `high`?)");
        assert_eq!(Nearest("CRITCAL", &accepted).to_string(), " (did you mean `critical`?)");
        assert_eq!(Nearest("banana", &accepted).to_string(), "");
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
