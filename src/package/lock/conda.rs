//! Conda's `environment.yml`, as `conda env export` writes it; conda's documentation, "Managing environments" and
//! "Package match specifications".

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{Error as _, MapAccess, Visitor},
};

use super::{super::Ecosystem, Error, Package, Unpinned, requirements, text};

#[derive(Deserialize)]
struct Environment {
    dependencies: Option<Vec<Dependency>>,
}

enum Dependency {
    /// A match specification.
    Conda(String),
    /// Requirements that pip installs.
    Pip(Vec<String>),
}

impl<'de> Deserialize<'de> for Dependency {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Dependency;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a package, or `pip` with a list")
            }

            fn visit_str<E>(self, specification: &str) -> Result<Self::Value, E> {
                Ok(Dependency::Conda(specification.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut requirements = Vec::new();
                while let Some(installer) = map.next_key::<String>()? {
                    if installer != "pip" {
                        return Err(A::Error::custom(format_args!("unknown installer {installer:?}")));
                    }
                    requirements = map.next_value::<Option<_>>()?.unwrap_or_default();
                }
                Ok(Dependency::Pip(requirements))
            }
        }
        deserializer.deserialize_any(Either)
    }
}

fn dependencies(bytes: &[u8]) -> Result<Vec<Dependency>, Error> {
    Ok(text::yaml::<Environment>(bytes)?.dependencies.unwrap_or_default())
}

/// What is asked for without one version.
pub(super) fn unpinned(path: &str, bytes: &[u8]) -> Result<Unpinned, Error> {
    let dependencies = dependencies(bytes)?;
    let loose = dependencies.iter().flat_map(|dependency| match dependency {
        Dependency::Conda(specification) if named(specification).is_some() => Vec::new(),
        Dependency::Conda(specification) => vec![specification.as_str()],
        Dependency::Pip(requirements) => {
            requirements.iter().filter_map(|one| requirements::loose(path, one)).collect()
        }
    });
    // A bare `pip` only makes way for the list of what it installs.
    Ok(loose.filter(|name| *name != "pip").collect())
}

/// The packages of which a version is named; ranges and patterns are left out.
pub(super) fn read(bytes: &[u8]) -> Result<Vec<Package>, Error> {
    let mut packages = Vec::new();
    for dependency in dependencies(bytes)? {
        match dependency {
            Dependency::Conda(specification) => packages.extend(named(&specification)),
            Dependency::Pip(requirements) => {
                packages.extend(requirements.iter().filter_map(|requirement| requirements::pin(requirement)));
            }
        }
    }
    Ok(packages)
}

/// Reads `CHANNEL::NAME=VERSION=BUILD`, of which channel and build may be missing and blanks may stand for the equals
/// signs. One sign asks for any version that starts so, and is what an export without builds writes of the whole version.
pub(super) fn named(specification: &str) -> Option<Package> {
    let specification = specification.rsplit("::").next()?.trim();
    let name_end =
        specification.find(|character: char| character.is_whitespace() || "=<>!~[".contains(character))?;
    let (name, rest) = specification.split_at(name_end);
    let rest = rest.trim_start();
    let rest = rest.strip_prefix("==").or_else(|| rest.strip_prefix('=')).unwrap_or(rest).trim_start();
    let version = rest.split(|character: char| character.is_whitespace() || character == '=').next()?;
    let in_version = |character: char| character.is_ascii_alphanumeric() || "._+!-".contains(character);
    let whole =
        version.starts_with(|first: char| first.is_ascii_alphanumeric()) && version.chars().all(in_version);
    // Conda's names are lower case, however they are written.
    (whole && !name.is_empty()).then(|| Package::new(Ecosystem::Conda, name.to_lowercase(), version))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn specifications() {
        for (specification, want) in [
            ("bzip2=1.0.8=h998d150_5", Some(("bzip2", "1.0.8"))),
            ("conda-forge/linux-64::NumPy==1!2.0", Some(("numpy", "1!2.0"))),
            ("a 1.0 py39_0", Some(("a", "1.0"))),
            ("a = 1.0", Some(("a", "1.0"))),
            ("a", None),
            ("a>=1.0", None),
            ("a >=1.0,<2", None),
            ("a=1.0.*", None),
            ("a=1.0|2.0", None),
            ("a!=1.0", None),
            ("a[version='1.0']", None),
            ("=1.0", None),
        ] {
            let want = want.map(|(name, version)| Package::new(Ecosystem::Conda, name, version));
            assert_eq!(named(specification), want, "{specification}");
        }
    }

    #[test]
    fn environments() {
        let text = b"name: x\ndependencies:\n  - a=1\n  - pip\n  - pip:\n    - B_c==2.0\n    - d>=1\n    - -r r.txt\n";
        let want = [Package::new(Ecosystem::Conda, "a", "1"), Package::new(Ecosystem::Pypi, "b-c", "2.0")];
        assert_eq!(read(text).unwrap(), want);
        for empty in ["name: x\n", "dependencies:\n", "dependencies: []\n", "dependencies:\n- pip:\n"] {
            assert_eq!(read(empty.as_bytes()), Ok(Vec::new()), "{empty}");
        }
        for (wrong, line) in [
            ("dependencies: a\n", 1),
            ("dependencies:\n- a\n- 1\n", 3),
            ("dependencies:\n- npm: [a]\n", 2),
            ("dependencies:\n- a\ndependencies:\n- b\n", 3),
        ] {
            let read = read(wrong.as_bytes());
            assert!(matches!(read, Err(Error::Line { line: at, .. }) if at == line), "{wrong} {read:?}");
        }
    }
}
