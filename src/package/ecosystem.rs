//! Where packages come from.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
    /// Arch and its kin, installed by pacman.
    Alpm,
    /// OpenWrt and its kin, installed by opkg.
    Opkg,
    /// Bitnami's components, which they install without a package manager.
    Bitnami,
    /// Python.
    Pypi,
    /// Node.js.
    Npm,
    /// Java; names are `GROUP:ARTIFACT`.
    Maven,
    /// Go; names are module paths, `stdlib` is the toolchain's library.
    Golang,
    /// Rust.
    Cargo,
    /// Ruby.
    Gem,
    /// PHP.
    Composer,
    /// .NET.
    Nuget,
    /// Dart.
    Pub,
    /// Elixir and Erlang.
    Hex,
    /// R.
    Cran,
    /// Conda.
    Conda,
    /// C and C++, by Conan.
    Conan,
    /// Swift and Objective-C, by CocoaPods.
    Cocoapods,
    /// Swift; names are repository addresses without scheme.
    Swift,
    /// Julia.
    Julia,
    /// Programs that came without a package manager, known by the version that they carry.
    Generic,
}

impl Ecosystem {
    /// Every ecosystem.
    pub const ALL: [Self; 23] = [
        Self::Deb,
        Self::Apk,
        Self::Rpm,
        Self::Alpm,
        Self::Opkg,
        Self::Bitnami,
        Self::Pypi,
        Self::Npm,
        Self::Maven,
        Self::Golang,
        Self::Cargo,
        Self::Gem,
        Self::Composer,
        Self::Nuget,
        Self::Pub,
        Self::Hex,
        Self::Cran,
        Self::Conda,
        Self::Conan,
        Self::Cocoapods,
        Self::Swift,
        Self::Julia,
        Self::Generic,
    ];

    /// The purl type.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deb => "deb",
            Self::Apk => "apk",
            Self::Rpm => "rpm",
            Self::Alpm => "alpm",
            Self::Opkg => "opkg",
            Self::Bitnami => "bitnami",
            Self::Pypi => "pypi",
            Self::Npm => "npm",
            Self::Maven => "maven",
            Self::Golang => "golang",
            Self::Cargo => "cargo",
            Self::Gem => "gem",
            Self::Composer => "composer",
            Self::Nuget => "nuget",
            Self::Pub => "pub",
            Self::Hex => "hex",
            Self::Cran => "cran",
            Self::Conda => "conda",
            Self::Conan => "conan",
            Self::Cocoapods => "cocoapods",
            Self::Swift => "swift",
            Self::Julia => "julia",
            Self::Generic => "generic",
        }
    }

    /// Whether packages are a distribution's, whose release says which advisories speak of them.
    pub fn is_system(self) -> bool {
        matches!(self, Self::Deb | Self::Apk | Self::Rpm | Self::Alpm | Self::Opkg)
    }
}
