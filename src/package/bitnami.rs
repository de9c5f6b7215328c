//! `/opt/bitnami/COMPONENT/.spdx-COMPONENT.spdx`: a software bill of materials (SPDX 2.3, JSON) for what Bitnami installs
//! without a package manager.

use serde::Deserialize;

use super::{
    Ecosystem, Error, Fact, Form, Package, Source,
    count::Packages,
    entries::{Named, Names},
    holds, is_json_with, json, normal_python_name, split,
};

/// By name, or as SPDX that speaks of Bitnami.
pub(super) fn recognise(path: &str, head: &[u8]) -> bool {
    is_named(path) || (is_json_with(head, &["\"spdxVersion\""]) && holds(head, b"pkg:bitnami/"))
}

fn is_named(path: &str) -> bool {
    let (name, _) = split(path);
    name.starts_with(".spdx-") && name.ends_with(".spdx")
}

#[derive(Deserialize)]
struct Document {
    #[serde(rename = "spdxVersion")]
    _version: String,
    #[serde(default)]
    packages: Named<Entry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    #[serde(default)]
    external_refs: Named<Reference>,
}

impl Names for Entry {
    fn name(self, packages: &mut Packages) -> Result<(), Error> {
        packages.extend(self.external_refs.0)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Reference {
    reference_type: String,
    reference_locator: String,
}

impl Names for Reference {
    fn name(self, packages: &mut Packages) -> Result<(), Error> {
        let purl = Some(self.reference_locator).filter(|_| self.reference_type == "purl");
        packages.extend(purl.as_deref().and_then(package))
    }
}

/// Reads all packages that have a purl of an ecosystem known here; those of the system are in its own database. A file
/// that names nothing of Bitnami's is somebody else's.
pub(super) fn read(path: &str, bytes: &[u8]) -> Result<Option<Fact>, Error> {
    let document: Document = match json(bytes) {
        // Its packages count wherever it lies.
        Err(error) if is_named(path) || error.is_limit() => {
            return Err(Error::Damaged { form: "SPDX", why: error.to_string() });
        }
        Err(_) => return Ok(None),
        Ok(document) => document,
    };
    let packages = document.packages.0;
    let bitnami = packages.iter().any(|package| package.ecosystem == Ecosystem::Bitnami);
    Ok(bitnami.then(|| Fact::installed(Form::Bitnami, packages)))
}

/// The package of a purl, `pkg:TYPE/NAMESPACE/NAME@VERSION?QUALIFIERS#SUBPATH`.
fn package(purl: &str) -> Option<Package> {
    let rest = purl.strip_prefix("pkg:")?.split('#').next()?;
    let (rest, qualifiers) = rest.split_once('?').unwrap_or((rest, ""));
    let (kind, rest) = rest.trim_start_matches('/').split_once('/')?;
    // An `@` of a scope is percent-encoded, and no version has a slash.
    let (path, version) = rest.rsplit_once('@').filter(|(_, version)| !version.contains('/'))?;
    let ecosystem = Ecosystem::ALL.into_iter().find(|known| known.as_str().eq_ignore_ascii_case(kind))?;
    let (path, version) = (decode(path.trim_matches('/'))?, decode(version)?);
    if ecosystem.is_system() || path.is_empty() || version.is_empty() {
        return None;
    }
    let name = match ecosystem {
        Ecosystem::Maven => path.replacen('/', ":", 1),
        Ecosystem::Pypi => normal_python_name(&path),
        _ => path,
    };
    let arch = qualifiers.split('&').find_map(|pair| pair.strip_prefix("arch=")).map(str::to_owned);
    let source = upstream(ecosystem, &version)
        .map(|version| Source { name: name.clone(), version: version.to_owned() });
    Some(Package {
        arch: arch.filter(|_| ecosystem == Ecosystem::Bitnami),
        source,
        ..Package::new(ecosystem, name, version)
    })
}

/// The version without Bitnami's own revision, `-NUMBER`: advisories know only the component's.
fn upstream(ecosystem: Ecosystem, version: &str) -> Option<&str> {
    let (upstream, revision) = version.rsplit_once('-').filter(|_| ecosystem == Ecosystem::Bitnami)?;
    let number = !revision.is_empty() && revision.bytes().all(|byte| byte.is_ascii_digit());
    (number && !upstream.is_empty()).then_some(upstream)
}

/// Percent-decodes.
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        if *byte == b'%' {
            let (digits, after) = rest.split_at_checked(2)?;
            rest = after;
            let digit = |byte: &u8| char::from(*byte).to_digit(16);
            let [high, low] = digits else { return None };
            bytes.push(u8::try_from(digit(high)? * 16 + digit(low)?).ok()?);
        } else {
            bytes.push(*byte);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(purls: &[&str]) -> Option<Vec<String>> {
        let entry = |purl: &&str| {
            format!(
                r#"{{"name": "x", "externalRefs": [{{"referenceType": "purl", "referenceLocator": "{purl}"}}]}}"#
            )
        };
        let entries: Vec<String> = purls.iter().map(entry).collect();
        let text = format!(r#"{{"spdxVersion": "SPDX-2.3", "packages": [{}]}}"#, entries.join(","));
        match read("opt/bitnami/a/.spdx-a.spdx", text.as_bytes()).unwrap()? {
            Fact::Installed { packages, .. } => Some(
                packages
                    .iter()
                    .map(|p| format!("{} {} {}", p.ecosystem.as_str(), p.name, p.version))
                    .collect(),
            ),
            _ => None,
        }
    }

    #[test]
    fn its_packages_and_what_they_bring() {
        let got = told(&[
            "pkg:bitnami/postgresql@15.3.0-2?arch=arm64&distro=debian-12",
            "pkg:maven/co.elastic.apm/apm-agent@1.36.0",
            "pkg:npm/%40babel/core@7.0.0",
            "pkg:pypi/Zope.Interface@5",
            "pkg:golang/github.com/a/b@v1.2.3#sub",
            "pkg:deb/debian/bash@5",
            "pkg:unheard/of@1",
            "pkg:npm/noversion",
        ]);
        assert_eq!(
            got.unwrap(),
            [
                "bitnami postgresql 15.3.0-2",
                "pypi zope-interface 5",
                "npm @babel/core 7.0.0",
                "maven co.elastic.apm:apm-agent 1.36.0",
                "golang github.com/a/b v1.2.3",
            ]
        );
        assert_eq!(told(&["pkg:npm/a@1"]), None);
        assert_eq!(told(&[]), None);
    }

    #[test]
    fn advisories_know_the_version_without_revision() {
        let source = |purl: &str| package(purl).map(|package| package.source().1.to_owned());
        for (purl, want) in [
            ("pkg:bitnami/redis@7.2.1-0", "7.2.1"),
            ("pkg:bitnami/redis@7.2.1", "7.2.1"),
            ("pkg:bitnami/redis@7.2.1-rc1", "7.2.1-rc1"),
            ("pkg:npm/a@1.0.0-1", "1.0.0-1"),
        ] {
            assert_eq!(source(purl).as_deref(), Some(want), "{purl}");
        }
        assert_eq!(source("pkg:npm/a%zz@1"), None);
    }

    #[test]
    fn told_by_name_or_content() {
        assert!(recognise("opt/bitnami/a/.spdx-a.spdx", b""));
        assert!(recognise("x", b"{\"spdxVersion\": \"SPDX-2.3\", \"x\": \"pkg:bitnami/a@1\"}"));
        assert!(!recognise("x.json", b"{\"spdxVersion\": \"SPDX-2.3\"}"));
        assert!(read("a/.spdx-a.spdx", br#"{"invalid": "data"}"#).is_err());
        assert_eq!(read("a.json", br#"{"invalid": "data"}"#), Ok(None));
    }
}
