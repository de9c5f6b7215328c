//! Package URLs; purl-spec.

use super::OsRelease;
use super::Package;

/// The purl of `package`; `os` names the distribution of system packages.
pub fn purl(_package: &Package, _os: Option<&OsRelease>) -> String {
    unimplemented!()
}
