//! `build.sbt.lock` of sbt-dependency-lock; the plugin's documentation.

use serde::Deserialize;

use super::{
    super::Ecosystem,
    Error, Package, Packages,
    entries::{List, Named, Names},
    text,
};

#[derive(Deserialize)]
struct Lock {
    dependencies: Named<Locked>,
}

#[derive(Deserialize)]
struct Locked {
    org: String,
    name: String,
    version: String,
    /// Such as `compile` and `test`.
    #[serde(default)]
    configurations: List<String>,
}

impl Names for Locked {
    fn name(self, packages: &mut Packages) -> Result<(), Error> {
        let List(of) = self.configurations;
        let is_of_tests_alone = !of.is_empty() && of.iter().all(|one| one.starts_with("test"));
        let package = Package::new(Ecosystem::Maven, format!("{}:{}", self.org, self.name), self.version);
        if is_of_tests_alone { Ok(()) } else { packages.push(package) }
    }
}

/// Every dependency but those of tests alone.
pub(super) fn read(bytes: &[u8]) -> Result<Vec<Package>, Error> {
    let lock: Lock = text::json(bytes)?;
    Ok(lock.dependencies.0.into_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependencies() {
        let lock = br#"{"lockVersion": 1, "dependencies": [{"org": "a.b", "name": "c_2.13", "version": "1", "artifacts": []},
            {"org": "d", "name": "e", "version": "2", "configurations": ["provided", "test"]},
            {"org": "f", "name": "g", "version": "3", "configurations": ["test", "test-internal"]}]}"#;
        let want = [("a.b:c_2.13", "1"), ("d:e", "2")]
            .map(|(name, version)| Package::new(Ecosystem::Maven, name, version));
        assert_eq!(read(lock).unwrap(), want);
        for wrong in [
            "{}",
            r#"{"dependencies": [{"org": "a", "name": "b"}]}"#,
            r#"{"dependencies": [], "dependencies": []}"#,
        ] {
            assert!(matches!(read(wrong.as_bytes()), Err(Error::Json(_))), "{wrong}");
        }
    }
}
