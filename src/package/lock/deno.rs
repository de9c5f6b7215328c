//! Deno's `deno.lock`, versions 1 to 5; Deno's documentation of its lock file. npm's packages are given; modules of JSR and
//! from addresses are not, since they are of no [`Ecosystem`].

use serde::{Deserialize, de::IgnoredAny};

use super::{
    super::{Ecosystem, Error, Package},
    entries::Entries,
    text,
};

/// Read first: it says where npm's packages are.
#[derive(Deserialize)]
struct Version {
    version: String,
}

#[derive(Deserialize)]
struct Two {
    npm: Option<Packages>,
}

#[derive(Deserialize)]
struct Packages {
    packages: Keys,
}

#[derive(Deserialize)]
struct Three {
    packages: Option<Npm>,
}

#[derive(Deserialize)]
struct Npm {
    npm: Option<Keys>,
}

/// `NAME@VERSION`, with `_NAME@VERSION` after it for each peer.
type Keys = Entries<IgnoredAny>;

/// Reads npm's packages.
pub(super) fn read(bytes: &[u8]) -> Result<Vec<Package>, Error> {
    let wrong = |why| Error::Damaged { form: "deno.lock", why };
    let Version { version } = text::json(bytes)?;
    let keys = match version.as_str() {
        "1" => None,
        "2" => text::json::<Two>(bytes)?.npm.map(|npm| npm.packages),
        "3" => text::json::<Three>(bytes)?.packages.and_then(|packages| packages.npm),
        "4" | "5" => text::json::<Npm>(bytes)?.npm,
        _ => return Err(wrong(format!("version {version} is not known"))),
    };
    let package = |(key, _): (String, IgnoredAny)| {
        let at = key.char_indices().skip(1).find(|(_, character)| *character == '@');
        let at = at.ok_or_else(|| wrong(format!("the key `{key}` is not NAME@VERSION")))?.0;
        let version = key[at + 1..].split('_').next().unwrap_or_default();
        Ok(Package::new(Ecosystem::Npm, &key[..at], version))
    };
    keys.unwrap_or_default().into_iter().map(package).collect()
}

#[cfg(test)]
pub(super) const SAMPLES: [&str; 3] = [
    r#"{ "version": "2", "remote": {}, "npm": { "specifiers": { "a": "a@1.0.0" },
        "packages": { "a@1.0.0": { "integrity": "sha512-x", "dependencies": {} } } } }"#,
    r#"{ "version": "3", "packages": { "specifiers": {}, "jsr": { "@std/path@1.0.0": {} },
        "npm": { "@s/a@1.0.0-rc.1_b@2.0.0__c@3.0.0": {} } }, "remote": {} }"#,
    r#"{ "version": "5", "specifiers": { "npm:a@1": "1.0.0" }, "jsr": { "@std/path@1.0.0": {} },
        "npm": { "packages@1.0.0": { "tarball": "https://example.org/a.tgz" } },
        "redirects": {}, "workspace": { "dependencies": [] } }"#,
];

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<String> {
        super::super::names(read(text.as_bytes()))
    }

    #[test]
    fn each_version() {
        assert_eq!(names(r#"{"version": "1", "remote": {}}"#), [""; 0]);
        assert_eq!(names(SAMPLES[0]), ["a@1.0.0"]);
        assert_eq!(names(SAMPLES[1]), ["@s/a@1.0.0-rc.1"]);
        assert_eq!(names(SAMPLES[2]), ["packages@1.0.0"]);
        assert_eq!(names(r#"{"version": "4", "remote": {}}"#), [""; 0]);
    }

    #[test]
    fn errors_name_the_place() {
        let why = |text: &str| read(text.as_bytes()).unwrap_err().to_string();
        assert!(why("{}").contains("version"));
        assert_eq!(why(r#"{"version": "6"}"#), "deno.lock: version 6 is not known");
        assert!(why(r#"{"version": "5", "npm": {"a": {}}}"#).contains("the key `a` is not NAME@VERSION"));
        assert!(why(r#"{"version": "3", "packages": {"npm": {"a@1": {}, "a@1": {}}}}"#).contains("twice"));
        assert!(why(r#"{"version": "5", "npm": {"a@1": {}, "a@1": {}}}"#).contains("twice"));
        assert!(why("{\"version\": \"5\",\n\"npm\": []}").contains("at line 2"));
    }
}
