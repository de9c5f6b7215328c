//! Conda's `conda-meta/NAME-VERSION-BUILD.json`, one file for each package of an environment. A package that is a Python
//! distribution is that too, by the metadata that it brings.

use serde::Deserialize;

use super::{Ecosystem, Error, Fact, Form, Package, at_place, is_json_with, json, split};

/// By place, or by keys that stand at its beginning, because they are sorted.
pub(super) fn recognise(path: &str, head: &[u8]) -> bool {
    is_placed(path) || is_json_with(head, &["\"build\"", "\"build_number\"", "\"channel\""])
}

fn is_placed(path: &str) -> bool {
    let (name, directory) = split(path);
    name.ends_with(".json") && split(directory).0 == "conda-meta"
}

#[derive(Deserialize)]
struct Record {
    name: String,
    version: String,
}

/// Reads name and version.
pub(super) fn read(path: &str, bytes: &[u8]) -> Result<Option<Fact>, Error> {
    at_place(is_placed(path), package(bytes).and_then(|package| Fact::one(Form::Conda, package)))
}

fn package(bytes: &[u8]) -> Result<Package, Error> {
    let Record { name, version } = json(bytes)?;
    match name.trim().is_empty() || version.trim().is_empty() {
        true => Err(Error::Field("name and version")),
        false => Ok(Package::new(Ecosystem::Conda, name, version)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_package() {
        let text =
            br#"{"build": "h5eee18b_0", "build_number": 0, "channel": "main", "depends": [], "name": "zlib",
            "paths_data": {"paths": [{"name": "x"}]}, "version": "1.2.13"}"#;
        assert!(recognise("x/any", text) && recognise("opt/conda/conda-meta/zlib-1.2.13-0.json", b""));
        assert!(!recognise("opt/conda/conda-meta/history", b"==> 2024 <=="));
        let Ok(Some(Fact::Installed { packages, .. })) = read("", text) else { panic!() };
        assert_eq!(packages, [Package::new(Ecosystem::Conda, "zlib", "1.2.13")]);
        for broken in ["{}", "[]", r#"{"name": "a"}"#, r#"{"name": "", "version": "1"}"#] {
            assert!(read("conda-meta/a.json", broken.as_bytes()).is_err(), "{broken}");
            assert_eq!(read("", broken.as_bytes()), Ok(None), "{broken}");
        }
    }
}
