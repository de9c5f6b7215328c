//! The repositories of Amazon Linux: the core of each generation, and the second one's extras.
//!
//! An extra has newer versions of packages that the core has too, or that several extras have, and an installed package does not
//! tell where it is from. But most extras are one line of versions, and named after it: `php8.1` has 8.1.29, and no other extra
//! and not the core has any 8.1. So what it says holds from the beginning of its line on. What it has beside that, such as
//! extensions with numbers of their own, cannot be told from others.

use crate::{
    advisory::{End, Range},
    version::Scheme,
};

/// Extras without a line that nobody else has the packages of.
const ALONE: [&str; 1] = ["docker"];

/// Where an update is published.
pub(super) struct Repository {
    /// Of its generation, such as `Amazon Linux:2`.
    pub(super) ecosystem: String,
    /// The line of versions that it has; empty where it has all of them.
    line: String,
}

impl Repository {
    /// By the name of a collection: `amazon-linux-2`, `amazon-linux-2023`, `amazon-linux-ami` of the first generation. An extra
    /// has its name behind that: `amazon-linux-2---kernel-5.15`.
    pub(super) fn of(collection: &str) -> Option<Self> {
        let name = collection.strip_prefix("amazon-linux-")?;
        let (generation, line) = match name.split_once("---") {
            None => (name, ""),
            Some(("2", extra)) => {
                let line = extra.trim_start_matches(|letter: char| !letter.is_ascii_digit());
                (!line.is_empty() || ALONE.contains(&extra)).then_some(("2", line))?
            }
            Some(_) => return None,
        };
        let generation = if generation == "ami" { "1" } else { generation };
        let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        let known =
            !generation.is_empty() && !generation.contains('.') && is_number(generation) && is_number(line);
        known.then(|| Self { ecosystem: format!("Amazon Linux:{generation}"), line: line.to_owned() })
    }

    /// What an update to `version`, with `epoch` before it, mends; `None` where that cannot be told.
    pub(super) fn range(&self, epoch: &str, version: &str) -> Option<Range> {
        let end = End::Fixed(format!("{epoch}{version}"));
        if self.line.is_empty() {
            return Some(Range { introduced: None, end });
        }
        let rest = version.strip_prefix(&self.line)?;
        let of_line = rest.starts_with(['.', '-']) && Scheme::Rpm.check(version).is_ok();
        of_line.then(|| Range { introduced: Some(format!("{epoch}{}", self.line)), end })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repositories_by_name() {
        for (collection, want) in [
            ("amazon-linux-2", "Amazon Linux:2 "),
            ("amazon-linux-2023", "Amazon Linux:2023 "),
            ("amazon-linux-ami", "Amazon Linux:1 "),
            ("amazon-linux-2---php8.1", "Amazon Linux:2 8.1"),
            ("amazon-linux-2---kernel-5.15", "Amazon Linux:2 5.15"),
            ("amazon-linux-2---java-openjdk11", "Amazon Linux:2 11"),
            ("amazon-linux-2---docker", "Amazon Linux:2 "),
            ("amazon-linux-2---firefox", ""),
            ("amazon-linux-2---mate-desktop1.x", ""),
            ("amazon-linux-2---", ""),
            ("amazon-linux-2023---kernel-livepatch", ""),
            ("amazon-linux-", ""),
            ("fedora-2", ""),
        ] {
            let told = Repository::of(collection)
                .map(|Repository { ecosystem, line }| format!("{ecosystem} {line}"));
            assert_eq!(told.unwrap_or_default(), want, "{collection}");
        }
    }
}
