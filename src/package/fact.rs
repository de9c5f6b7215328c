//! What one file says, as a fragment keeps it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Error, OsRelease, Owned, Package, Source,
    count::{Packages, text_bytes},
};

/// What one file says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Fact {
    /// An `os-release` file, or another that names a system and its release.
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
        /// Names of packages of which only configuration is left, or an installation that never got far, sorted.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        removed: Vec<String>,
        /// As of apk.
        #[serde(skip)]
        owned: Owned,
        /// By the name of a package: sources of which it holds compiled parts, from `Built-Using` and
        /// `Static-Built-Using`.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        built_using: BTreeMap<String, Vec<Source>>,
    },
    /// An apk `installed` database.
    Apk {
        /// All packages.
        packages: Vec<Package>,
        /// Which of the layer's files are theirs: never in a fragment, where each file names its owner.
        #[serde(skip)]
        owned: Owned,
    },
    /// An opkg `status` file.
    Opkg {
        /// Packages whose files are there.
        packages: Vec<Package>,
    },
    /// The file `desc` of one package in pacman's database.
    Alpm {
        /// The package.
        package: Package,
    },
    /// An rpm database.
    Rpm {
        /// All packages.
        packages: Vec<Package>,
        /// As of apk.
        #[serde(skip)]
        owned: Owned,
        /// The file itself, until it is known whether there is a log of changes to it: never in a fragment.
        #[serde(skip)]
        database: Option<Vec<u8>>,
    },
    /// A log of changes to an rpm database: never in a fragment.
    #[serde(skip)]
    RpmJournal {
        /// The file.
        log: Vec<u8>,
    },
    /// The list of a package's files that dpkg keeps: never in a fragment, as of apk.
    #[serde(skip)]
    DpkgFiles {
        /// One package.
        owned: Owned,
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
        /// As of what is locked: whether it asks for others.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        is_partial: bool,
        /// Whether it is for no registry: nobody else's, so far as it tells.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        is_private: bool,
    },
    /// Packages that are installed, in a file of any other form.
    Installed {
        /// The file's form.
        form: Form,
        /// The packages, sorted, each once; the one that the file itself is, and those inside it.
        packages: Vec<Package>,
    },
    /// Packages that a lock file or a manifest names. Nothing says that they are there.
    Locked {
        /// The packages, sorted, each once.
        packages: Vec<Package>,
        /// Whether others are needed beside them, which another file of the project names.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        is_partial: bool,
        /// What it asks for without one version, so that nothing tells what that will be.
        #[serde(default, skip_serializing_if = "Unpinned::is_none")]
        unpinned: Unpinned,
    },
}

impl Fact {
    /// Whether all that it had to say was of other files.
    pub(crate) fn is_told(&self) -> bool {
        matches!(self, Self::DpkgFiles { .. } | Self::RpmJournal { .. })
    }

    /// How many packages it names, and the bytes of their text.
    pub(crate) fn weight(&self) -> (u64, u64) {
        let packages = match self {
            Self::Dpkg { packages, .. }
            | Self::Apk { packages, .. }
            | Self::Opkg { packages }
            | Self::Rpm { packages, .. }
            | Self::Installed { packages, .. }
            | Self::Locked { packages, .. } => &packages[..],
            Self::Alpm { package } | Self::Python { package } | Self::Node { package, .. } => {
                std::slice::from_ref(package)
            }
            Self::OsRelease(_) | Self::Release { .. } | Self::RpmJournal { .. } | Self::DpkgFiles { .. } => {
                &[]
            }
        };
        (packages.len() as u64, packages.iter().map(text_bytes).sum::<usize>() as u64)
    }

    /// Takes out what it says of other files: that is for the layer to know.
    pub(crate) fn take_owned(&mut self) -> Owned {
        if let Self::Rpm { database, .. } = self {
            *database = None;
        }
        match self {
            Self::Dpkg { owned, .. }
            | Self::Apk { owned, .. }
            | Self::Rpm { owned, .. }
            | Self::DpkgFiles { owned } => std::mem::take(owned),
            _ => Owned::default(),
        }
    }

    pub(super) fn installed(form: Form, packages: Packages) -> Self {
        Self::Installed { form, packages: packages.into_sorted() }
    }

    /// A file of one package.
    pub(super) fn one(form: Form, package: Package) -> Result<Self, Error> {
        Ok(Self::installed(form, Packages::of([package])?))
    }
}

/// What a file asks for without naming one version.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Unpinned {
    /// How many there are.
    pub count: usize,
    /// The first ones, as written, cut where they are long.
    pub first: Vec<String>,
}

impl Unpinned {
    /// How many are shown, and how much of each.
    const SHOWN: (usize, usize) = (3, 60);

    /// Whether there are none.
    pub fn is_none(&self) -> bool {
        self.count == 0
    }
}

impl<'t> FromIterator<&'t str> for Unpinned {
    fn from_iter<I: IntoIterator<Item = &'t str>>(all: I) -> Self {
        let mut unpinned = Self::default();
        unpinned.extend(all);
        unpinned
    }
}

impl<'t> Extend<&'t str> for Unpinned {
    fn extend<I: IntoIterator<Item = &'t str>>(&mut self, all: I) {
        for one in all {
            self.count += 1;
            if self.first.len() < Self::SHOWN.0 {
                self.first.push(one.chars().take(Self::SHOWN.1).collect());
            }
        }
    }
}

/// Forms of files that tell of installed packages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// `*.jar` and its kin, nested ones included; Maven's `pom.properties` where one was unpacked.
    Jar,
    /// An executable that carries its packages: Go's build information, cargo-auditable's section.
    Executable,
    /// A program known by the version that it carries.
    Program,
    /// Packages of Python or Node in an archive that they run out of: zip applications, Yarn's cache, `*.asar`.
    Archive,
    /// A zipped Python distribution, `*.egg`.
    Egg,
    /// `*.gemspec` in `specifications`.
    Gem,
    /// Composer's `vendor/composer/installed.json`.
    Composer,
    /// .NET's `*.deps.json`.
    Nuget,
    /// A package's file in `conda-meta`.
    Conda,
    /// `DESCRIPTION` of an R package that is installed.
    R,
    /// `NAME.app` of an Erlang or Elixir application.
    Elixir,
    /// Bitnami's `.spdx-NAME.spdx`.
    Bitnami,
}

impl Form {
    /// Whether the packages are there wherever the file lies; otherwise only at the places where programs look.
    pub fn anywhere(self) -> bool {
        !matches!(self, Self::Egg | Self::Gem | Self::Composer | Self::Conda)
    }
}
