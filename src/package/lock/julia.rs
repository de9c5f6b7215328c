//! Julia's `Manifest.toml`, formats 1 and 2; Pkg's documentation, "Project.toml and Manifest.toml".

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::Deserialize;

use super::{
    super::{Ecosystem, file_name},
    Error, Package,
    entries::Entries,
    toml,
};

/// What tells the formats apart; the first has packages at the top.
#[derive(Deserialize)]
struct Head {
    manifest_format: Option<String>,
    /// Version of Julia, and so of each of its own packages that does not give one.
    julia_version: Option<String>,
}

#[derive(Deserialize)]
struct Second {
    #[serde(default)]
    deps: Entries<Vec<Locked>>,
}

#[derive(Deserialize)]
struct Locked {
    uuid: String,
    version: Option<String>,
    deps: Option<Needed>,
}

/// What a package needs: by name where that is clear, else by name and UUID.
#[derive(Deserialize)]
#[serde(untagged)]
enum Needed {
    Names(Vec<String>),
    Uuids(BTreeMap<String, String>),
}

/// `Manifest-v1.11.toml`, for one version of Julia.
pub(super) fn is_named(path: &str) -> bool {
    let name = file_name(path);
    name.starts_with("Manifest-v") || name.starts_with("JuliaManifest-v")
}

/// Every package; one whose version nothing tells has an empty one.
pub(super) fn read(bytes: &[u8]) -> Result<Vec<Package>, Error> {
    let head: Head = match toml::read(bytes) {
        Ok(head) => head,
        // A package may have one of these names, in the first format.
        Err(_) => Head { manifest_format: None, julia_version: None },
    };
    let Entries(locked) = match head.manifest_format {
        Some(format) if !format.starts_with("1.") => toml::read::<Second>(bytes)?.deps,
        _ => toml::read(bytes)?,
    };
    let count: HashMap<&str, usize> = locked.iter().map(|(name, all)| (name.as_str(), all.len())).collect();
    let each = locked.iter().flat_map(|(name, all)| all.iter().map(move |one| (name, one)));
    let known: HashSet<(&str, &str)> =
        each.clone().map(|(name, one)| (name.as_str(), one.uuid.as_str())).collect();
    let mut packages = Vec::new();
    for (name, one) in each {
        let missing = match &one.deps {
            None => None,
            Some(Needed::Names(names)) => names.iter().find(|name| count.get(name.as_str()) != Some(&1)),
            Some(Needed::Uuids(uuids)) => uuids
                .iter()
                .find(|(name, uuid)| !known.contains(&(name.as_str(), uuid.as_str())))
                .map(|(name, _)| name),
        };
        if let Some(missing) = missing {
            let why = format!("{name} needs {missing}, of which there is none or more than one");
            return Err(Error::Damaged { form: "Manifest.toml", why });
        }
        let version = one.version.as_deref().or(head.julia_version.as_deref()).unwrap_or_default();
        packages.push(Package::new(Ecosystem::Julia, name, version));
    }
    Ok(packages)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_formats() {
        let first = b"[[A]]\ndeps = [\"B\"]\nuuid = \"1\"\nversion = \"0.1.0\"\n[[B]]\nuuid = \"2\"\n";
        let second = b"julia_version = \"1.10.0\"\nmanifest_format = \"2.0\"\n[[deps.A]]\nuuid = \"1\"\nversion = \"0.1.0\"\n
            [deps.A.deps]\nB = \"2\"\n[[deps.B]]\nuuid = \"2\"\n[registries.General]\nuuid = \"3\"\n";
        for (text, version) in [(&first[..], ""), (second, "1.10.0")] {
            let want = [("A", "0.1.0"), ("B", version)].map(|(n, v)| Package::new(Ecosystem::Julia, n, v));
            assert_eq!(read(text).unwrap(), want);
        }
        assert_eq!(read(b"manifest_format = \"2.0\"\n"), Ok(Vec::new()));
    }

    #[test]
    fn malformed() {
        let other = "[[A]]\nuuid = \"1\"\n[A.deps]\nB = \"3\"\n[[B]]\nuuid = \"2\"\n";
        for wrong in [
            "[",
            "[[A]]\n",
            "[[A]]\nuuid = 1\n",
            "[A]\nuuid = \"1\"\n",
            "manifest_format = \"2.0\"\ndeps = 1\n",
            other,
        ] {
            assert!(read(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }
}
