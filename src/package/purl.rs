//! Package URLs; purl-spec.

use super::Package;
use super::OsRelease;

/// The purl of `package`; `os` names the distribution of system packages.
pub fn purl(_package: &Package, _os: Option<&OsRelease>) -> String {
    unimplemented!()
}
