//! Version order of each ecosystem. Knows only strings.
//!
//! Ordering never fails: the package managers themselves put any two strings in an order, and so does
//! [`Scheme::compare`]. But an order of something that is no version is a guess, and a guess must not become a
//! silent "not affected"; so whoever judges asks [`Scheme::check`] first and reports what does not pass.

use std::cmp::Ordering;

mod alpm;
mod apk;
mod composer;
mod deb;
mod maven;
mod npm;
mod nuget;
mod numbers;
mod pub_dev;
mod pypi;
mod rpm;
mod rubygems;

/// How an ecosystem writes and orders versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// Debian: deb-version(7).
    Deb,
    /// Alpine: what apk-tools accepts and orders.
    Apk,
    /// Python: PEP 440.
    Pypi,
    /// Node.js: Semantic Versioning 2.0.0, with npm's leniency.
    Npm,
    /// Go, Rust, Elixir, Swift and whoever else writes Semantic Versioning 2.0.0; ordered as Node.js.
    Semver,
    /// Red Hat, SUSE, Amazon and all that install by rpm: rpm-version(7).
    Rpm,
    /// Arch Linux: vercmp(8).
    Alpm,
    /// Java: Maven's version order.
    Maven,
    /// .NET: NuGet's package versioning.
    Nuget,
    /// Ruby: Gem::Version.
    Rubygems,
    /// PHP: Composer.
    Composer,
    /// Dart: `pub_semver`.
    Pub,
    /// R.
    Cran,
    /// Haskell: the Package Versioning Policy.
    Hackage,
}

/// A string that is no version of its ecosystem.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{version:?} is not a version as {} writes it", scheme.as_str())]
pub struct Error {
    /// Whose rules were asked.
    pub scheme: Scheme,
    /// The string, cut to 100 characters.
    pub version: String,
}

impl Scheme {
    /// The ecosystem's name in messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deb => "Debian",
            Self::Apk => "Alpine",
            Self::Pypi => "PEP 440",
            Self::Npm | Self::Semver | Self::Pub => "semver",
            Self::Rpm => "rpm",
            Self::Alpm => "Arch Linux",
            Self::Maven => "Maven",
            Self::Nuget => "NuGet",
            Self::Rubygems => "RubyGems",
            Self::Composer => "Composer",
            Self::Cran => "R",
            Self::Hackage => "Haskell",
        }
    }

    /// Which of two versions is the newer; deterministic for any two strings, right for those that pass
    /// [`Scheme::check`].
    pub fn compare(self, a: &str, b: &str) -> Ordering {
        match self {
            Self::Deb => deb::compare(a, b),
            Self::Apk => apk::compare(a, b),
            Self::Pypi => pypi::compare(a, b),
            Self::Npm | Self::Semver => npm::compare(a, b),
            Self::Rpm => rpm::compare(a, b),
            Self::Alpm => alpm::compare(a, b),
            Self::Maven => maven::compare(a, b),
            Self::Nuget => nuget::compare(a, b),
            Self::Rubygems => rubygems::compare(a, b),
            Self::Composer => composer::compare(a, b),
            Self::Pub => pub_dev::compare(a, b),
            Self::Cran | Self::Hackage => numbers::compare(a, b),
        }
    }

    /// How an installed version stands to one that somebody named. It differs from [`Scheme::compare`] in Python, where a
    /// name without a local part speaks of all builds of its version: 2.0.0+cpu is 2.0.0 (PEP 440, "Version matching").
    pub fn compare_with_named(self, installed: &str, named: &str) -> Ordering {
        match self {
            Self::Pypi if !named.contains('+') => pypi::compare(pypi::public(installed), named),
            _ => self.compare(installed, named),
        }
    }

    /// Whether `version` is written as the ecosystem's rules say, so that its place in the order is certain.
    pub fn check(self, version: &str) -> Result<(), Error> {
        let valid = match self {
            Self::Deb => deb::valid(version),
            Self::Apk => apk::valid(version),
            Self::Pypi => pypi::valid(version),
            Self::Npm | Self::Semver | Self::Pub => npm::valid(version),
            Self::Rpm => rpm::valid(version),
            Self::Alpm => alpm::valid(version),
            Self::Maven => maven::valid(version),
            Self::Nuget => nuget::valid(version),
            Self::Rubygems => rubygems::valid(version),
            Self::Composer => composer::valid(version),
            Self::Cran | Self::Hackage => numbers::valid(version),
        };
        if valid { Ok(()) } else { Err(Error { scheme: self, version: version.chars().take(100).collect() }) }
    }
}

/// A number of any length, as its digits: versions hold dates, hashes and attacks that fit no integer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Number<'a>(&'a str);

impl<'a> Number<'a> {
    /// Takes a string of ASCII digits; the empty string is zero.
    fn new(digits: &'a str) -> Self {
        Self(digits.trim_start_matches('0'))
    }
}

impl Ord for Number<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.0.len(), self.0).cmp(&(other.0.len(), other.0))
    }
}

impl PartialOrd for Number<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Splits `text` after its leading ASCII digits.
fn split_digits(text: &str) -> (&str, &str) {
    let end = text.bytes().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    text.split_at(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_any_length() {
        assert!(Number::new("0099") < Number::new("100"));
        assert!(Number::new("99999999999999999999999998") < Number::new("99999999999999999999999999"));
        assert_eq!(Number::new("000"), Number::new(""));
    }

    /// An order that contradicts itself would make a range's ends meaningless.
    #[test]
    fn every_order_is_antisymmetric_on_any_text() {
        use proptest::prelude::*;
        proptest!(|(a in "[0-9a-z.~+:_ !-]{0,12}", b in "\\PC{0,8}|[0-9.]{1,6}(-r[0-9])?")| {
            for scheme in [
                Scheme::Deb, Scheme::Apk, Scheme::Pypi, Scheme::Npm, Scheme::Rpm, Scheme::Alpm, Scheme::Maven,
                Scheme::Nuget, Scheme::Rubygems, Scheme::Composer, Scheme::Pub, Scheme::Cran,
            ] {
                prop_assert_eq!(scheme.compare(&a, &b), scheme.compare(&b, &a).reverse());
                prop_assert_eq!(scheme.compare(&a, &a), Ordering::Equal);
                let _ = scheme.check(&b);
            }
        });
    }
}
