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
mod purl;
mod python;

pub use purl::purl;

/// Where a package comes from; named as the type of its purl.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Ecosystem {
    /// Debian and its kin, installed by dpkg.
    Deb,
    /// Alpine and its kin, installed by apk.
    Apk,
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
    /// A dpkg `status` file, or one file of `status.d`.
    Dpkg {
        /// Packages whose files are there, whatever state their configuration is in.
        packages: Vec<Package>,
    },
    /// An apk `installed` database.
    Apk {
        /// All packages.
        packages: Vec<Package>,
    },
    /// Metadata of one Python distribution.
    Python {
        /// The distribution.
        package: Package,
    },
    /// A `package.json` with name and version.
    Node {
        /// The package.
        package: Package,
    },
}
