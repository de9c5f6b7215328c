//! The names of forms and databases, a closed set: what is held names them by reference.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use super::SOURCES;

/// One of the names. By this word serde does not see a text that it might borrow.
pub(super) type Name = &'static str;

/// Databases whose word a claim or a fact may be.
const DATABASES: &[&str] = &[
    "alpine",
    "amazon",
    "bdu",
    "bitnami",
    "chainguard",
    "cisa-adp",
    "cisa-kev",
    "cve",
    "debian",
    "debian-tracker",
    "epss",
    "friendsofphp",
    "github",
    "go",
    "haskell",
    "julia",
    "jvn",
    "nvd",
    "openssf",
    "osv",
    "psf",
    "pypa",
    "r",
    "redhat",
    "rubysec",
    "rustsec",
    "suse",
    "ubuntu",
    "wolfi",
];

/// Those that say how bad a vulnerability is.
pub fn raters() -> impl Iterator<Item = &'static str> {
    DATABASES.iter().copied().filter(|name| !["cisa-kev", "epss"].contains(name))
}

/// Where files are counted that no source knows.
pub(super) const NO_SOURCE: &str = "files";

/// The name that `text` is.
pub(super) fn known(text: &str) -> Option<Name> {
    let forms = SOURCES.iter().map(|source| source.name());
    DATABASES.iter().copied().chain(forms).chain([NO_SOURCE]).find(|name| *name == text)
}

pub(super) fn serialize<S: Serializer>(name: &Name, serializer: S) -> Result<S::Ok, S::Error> {
    name.serialize(serializer)
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Name, D::Error> {
    let text = String::deserialize(deserializer)?;
    known(&text).ok_or_else(|| D::Error::custom("no name that is known"))
}
