//! Packages, and the analysers that find them in single files.
//!
//! An analyser sees one file: its path and its bytes. It never sees an image, so its word about a file holds in
//! whatever image the file's layer is used. Adding one is a new file here and a line in [`ANALYSERS`].

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

mod apk;
mod dpkg;
mod node;
mod os_release;
mod place;
mod purl;
mod python;
mod rpm;

pub use place::{Place, is_python_metadata};
pub use purl::purl;
pub(crate) use python::normal_name as normal_python_name;

/// Why a file that matters could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Not text.
    #[error("not UTF-8 at byte {0}")]
    Encoding(usize),
    /// A line that breaks the file's form.
    #[error("line {line}: {why}")]
    Line {
        /// From 1.
        line: usize,
        /// What is wrong.
        why: String,
    },
    /// Not JSON of the shape.
    #[error("not valid JSON: {0}")]
    Json(String),
    /// A database that breaks its form.
    #[error("{0}")]
    Database(String),
    /// A field that must be there.
    #[error("no {0}")]
    Field(&'static str),
}

/// Reads one whole file; `None` when it turns out to be something else.
pub type Read = fn(path: &str, bytes: &[u8]) -> Result<Option<Fact>, Error>;

/// Tells from a path and the first bytes (4 KiB, or the whole file) whether a file may matter.
type Recognise = fn(path: &str, head: &[u8]) -> bool;

/// Every analyser: how to tell its files, and how to read them.
///
/// Files are told by content where the content has a shape of its own, because a link in another layer may lead to
/// them from anywhere.
const ANALYSERS: &[(Recognise, Read)] = &[
    (dpkg::recognise, dpkg::read),
    (apk::recognise, apk::read),
    (python::recognise, python::read),
    (node::recognise, node::read),
    (os_release::recognise, os_release::read),
    (rpm::recognise, rpm::read),
];

/// The analyser for a file, if it may matter.
pub fn recognise(path: &str, head: &[u8]) -> Option<Read> {
    ANALYSERS.iter().find(|(recognise, _)| recognise(path, head)).map(|(_, read)| *read)
}

fn utf8(bytes: &[u8]) -> Result<&str, Error> {
    std::str::from_utf8(bytes).map_err(|error| Error::Encoding(error.valid_up_to()))
}

/// Where a package comes from; named as the type of its purl.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Ecosystem {
    /// Debian and its kin, installed by dpkg.
    Deb,
    /// Alpine and its kin, installed by apk.
    Apk,
    /// Red Hat, SUSE, Amazon and their kin, installed by rpm.
    Rpm,
    /// Python.
    Pypi,
    /// Node.js.
    Npm,
}

impl Ecosystem {
    /// The purl type.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deb => "deb",
            Self::Apk => "apk",
            Self::Rpm => "rpm",
            Self::Pypi => "pypi",
            Self::Npm => "npm",
        }
    }
}

/// One installed package.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Package {
    /// Where it comes from.
    pub ecosystem: Ecosystem,
    /// Name as the ecosystem normalises it.
    pub name: String,
    /// Version as installed.
    pub version: String,
    /// Architecture, where the ecosystem has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arch: Option<String>,
    /// The source package it was built from; `None` means the package itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
}

/// A distribution's source package; its advisories are written against this.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Source {
    /// Name of the source package.
    pub name: String,
    /// Version of the source package.
    pub version: String,
}

impl Package {
    /// Name and version that advisories are written against.
    pub fn source(&self) -> (&str, &str) {
        self.source.as_ref().map_or((&self.name, &self.version), |source| (&source.name, &source.version))
    }
}

/// What `os-release` says; os-release(5).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OsRelease {
    /// `ID`, such as `debian`.
    pub id: String,
    /// `VERSION_ID`, such as `12`; empty on rolling releases.
    #[serde(default)]
    pub version: String,
    /// `VERSION_CODENAME`, such as `bookworm`; empty where there is none.
    #[serde(default)]
    pub codename: String,
}

/// What one file says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Fact {
    /// An `os-release` file.
    OsRelease(OsRelease),
    /// A file that names the system's release and nothing else, such as `etc/debian_version`.
    Release {
        /// As written, such as `12.5` or `3.18.4`.
        version: String,
    },
    /// A dpkg `status` file, or one file of `status.d`.
    Dpkg {
        /// Packages whose files are there, whatever state their configuration is in.
        packages: Vec<Package>,
        /// Names of packages of which only configuration is left, sorted.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        removed: Vec<String>,
    },
    /// An apk `installed` database.
    Apk {
        /// All packages.
        packages: Vec<Package>,
    },
    /// An rpm database.
    Rpm {
        /// All packages.
        packages: Vec<Package>,
    },
    /// Metadata of one Python distribution.
    Python {
        /// The distribution.
        package: Package,
    },
    /// A `package.json` with a name. Without a version, that is empty.
    Node {
        /// The package.
        package: Package,
    },
}
