//! Composer's `composer.lock`; Composer's documentation of the lock file. Names are in lower case, as Packagist compares
//! them; versions are as tagged, such as `v1.0.2` or `dev-main`.

use serde::Deserialize;

use super::{
    super::Ecosystem,
    Error, Package, Packages,
    entries::{Named, Names},
    text,
};

#[derive(Deserialize)]
struct File {
    packages: Named<Locked>,
    /// `null` where Composer was told to leave them out.
    #[serde(rename = "packages-dev")]
    packages_dev: Option<Named<Locked>>,
}

#[derive(Deserialize)]
struct Locked {
    name: String,
    version: String,
}

impl Names for Locked {
    fn name(self, packages: &mut Packages) -> Result<(), Error> {
        packages.push(Package::new(Ecosystem::Composer, self.name.to_lowercase(), self.version))
    }
}

/// Reads all packages, those for development included.
pub(super) fn read(bytes: &[u8]) -> Result<Vec<Package>, Error> {
    let file: File = text::json(bytes)?;
    let mut packages = file.packages.0;
    packages.extend(file.packages_dev.unwrap_or_default().0)?;
    Ok(packages.into_vec())
}

#[cfg(test)]
pub(super) const SAMPLE: &str = r#"{ "content-hash": "0123",
    "packages": [ { "name": "Acme/Log", "version": "v1.0.2", "require": { "php": ">=8" } } ],
    "packages-dev": [ { "name": "acme/test", "version": "dev-main", "source": null } ],
    "aliases": [], "platform": {} }"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_lists() {
        let packages = read(SAMPLE.as_bytes()).unwrap();
        let names: Vec<_> = packages.iter().map(|p| (p.name.as_str(), p.version.as_str())).collect();
        assert_eq!(names, [("acme/log", "v1.0.2"), ("acme/test", "dev-main")]);
        assert_eq!(read(br#"{"packages": [], "packages-dev": null}"#), Ok(Vec::new()));
    }

    #[test]
    fn errors_name_the_place() {
        let why = |text: &str| read(text.as_bytes()).unwrap_err().to_string();
        assert!(why("{}").contains("packages"));
        assert!(why("{\"packages\": [\n{\"name\": \"a/b\", \"version\": 1}]}").contains("at line 2"));
        assert!(why(r#"{"packages": [], "packages": []}"#).contains("duplicate field `packages`"));
    }
}
