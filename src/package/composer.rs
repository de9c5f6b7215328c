//! Composer's `vendor/composer/installed.json`: since Composer 2 an object with `packages`, before it an array of them. The
//! root package is not in it; those for development are, where they are installed.

use serde::Deserialize;

use super::{
    Ecosystem, Error, Fact, Form, Package, at_place,
    count::Packages,
    entries::{Named, Names},
    is_json_with, json, split,
};

/// By place, or by a key that nobody else writes.
pub(super) fn recognise(path: &str, head: &[u8]) -> bool {
    is_placed(path) || is_json_with(head, &["\"name\"", "\"version_normalized\""])
}

fn is_placed(path: &str) -> bool {
    let (name, directory) = split(path);
    name == "installed.json" && split(directory).0 == "composer"
}

#[derive(Deserialize)]
struct Installed {
    packages: Named<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    name: String,
    version: String,
}

/// Reads all packages.
pub(super) fn read(path: &str, bytes: &[u8]) -> Result<Option<Fact>, Error> {
    at_place(is_placed(path), packages(bytes).map(|packages| Fact::installed(Form::Composer, packages)))
}

fn packages(bytes: &[u8]) -> Result<Packages, Error> {
    // Before the first package of a new project, Composer 1 writes an empty array.
    let packages: Named<Entry> = match bytes.trim_ascii_start().first() {
        Some(b'[') => json(bytes)?,
        _ => json::<Installed>(bytes)?.packages,
    };
    Ok(packages.0)
}

impl Names for Entry {
    fn name(self, packages: &mut Packages) -> Result<(), Error> {
        // Names are the same in any case.
        packages.push(Package::new(Ecosystem::Composer, self.name.to_lowercase(), version(&self.version)))
    }
}

/// Without the `v` of a tag.
fn version(version: &str) -> &str {
    let number =
        version.strip_prefix(['v', 'V']).filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    number.unwrap_or(version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms() {
        let entries = r#"[{"name": "Symfony/Console", "version": "v5.4.1", "version_normalized": "5.4.1.0"},
            {"name": "a/dev", "version": "dev-main"}, {"name": "a/vx", "version": "vx"}]"#;
        for text in [
            entries.to_owned(),
            format!(r#"{{"packages": {entries}, "dev": true, "dev-package-names": ["a/dev"]}}"#),
        ] {
            assert!(recognise("x/any", text.as_bytes()));
            let Ok(Some(Fact::Installed { packages, .. })) = read("", text.as_bytes()) else {
                panic!("{text}")
            };
            let got: Vec<_> = packages.iter().map(|p| format!("{} {}", p.name, p.version)).collect();
            assert_eq!(got, ["a/dev dev-main", "a/vx vx", "symfony/console 5.4.1"]);
        }
        assert!(matches!(read("", b"[]"), Ok(Some(Fact::Installed { packages, .. })) if packages.is_empty()));
        for broken in ["", "{}", "[{}]", r#"{"packages": [{"name": "a/b"}]}"#, r#"{"packages": 1}"#] {
            assert!(read("vendor/composer/installed.json", broken.as_bytes()).is_err(), "{broken}");
            assert_eq!(read("", broken.as_bytes()), Ok(None), "{broken}");
        }
    }
}
