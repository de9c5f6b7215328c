//! `renv.lock` of R's renv; renv's documentation of its lock file. Packages from Bioconductor and from repositories are
//! there as those from CRAN.

use serde::Deserialize;

use super::{
    super::{Ecosystem, Error, Package},
    entries::Entries,
    text,
};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct File {
    #[serde(default)]
    packages: Entries<Locked>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Locked {
    /// As the key, if it is there.
    package: Option<String>,
    version: String,
}

/// Reads all packages.
pub(super) fn read(bytes: &[u8]) -> Result<Vec<Package>, Error> {
    let file: File = text::json(bytes)?;
    let package = |(key, locked): (String, Locked)| {
        Package::new(Ecosystem::Cran, locked.package.unwrap_or(key), locked.version)
    };
    Ok(file.packages.into_iter().map(package).collect())
}

#[cfg(test)]
pub(super) const SAMPLE: &str = r#"{ "R": { "Version": "4.2.0", "Repositories": [] }, "Packages": {
    "markdown": { "Package": "markdown", "Version": "1.0-1", "Source": "Repository", "Repository": "CRAN" },
    "skeleton": { "Version": "0.0.1", "Source": "GitHub", "RemoteHost": "api.github.com" } } }"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_source() {
        let packages = read(SAMPLE.as_bytes()).unwrap();
        let names: Vec<_> = packages.iter().map(|p| (p.name.as_str(), p.version.as_str())).collect();
        assert_eq!(names, [("markdown", "1.0-1"), ("skeleton", "0.0.1")]);
        assert_eq!(read(br#"{"R": {}}"#), Ok(Vec::new()));
    }

    #[test]
    fn errors_name_the_place() {
        let why = |text: &str| read(text.as_bytes()).unwrap_err().to_string();
        assert!(why("{\"Packages\": {\n\"a\": {\"Version\": 1}}}").contains("at line 2"));
        assert!(why(r#"{"Packages": {"a": {}}}"#).contains("Version"));
        assert!(why(r#"{"Packages": []}"#).contains("expected a map"));
    }
}
