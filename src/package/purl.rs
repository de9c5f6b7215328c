//! Package URLs: `pkg:type/namespace/name@version?qualifiers`; purl-spec, with the rules of each type.

use std::{collections::BTreeMap, str::FromStr};

use super::{Ecosystem, OsRelease, Package, Source, normal_python_name, rpm};

/// The purl of `package`; `os` names the distribution of system packages.
pub fn purl(package: &Package, os: Option<&OsRelease>) -> String {
    let (scope, name) = match package.ecosystem {
        // The scope of an npm package, @scope/name, is the namespace.
        Ecosystem::Npm => package.name.rsplit_once('/').unwrap_or(("", &package.name)),
        // Their names are paths, of which the last part is the purl's name.
        Ecosystem::Golang | Ecosystem::Composer | Ecosystem::Swift => {
            package.name.rsplit_once('/').unwrap_or(("", &package.name))
        }
        Ecosystem::Maven => package.name.rsplit_once(':').unwrap_or(("", &package.name)),
        system if system.is_system() => (os.map_or("", |os| os.id.as_str()), package.name.as_str()),
        _ => ("", package.name.as_str()),
    };
    let mut purl = format!("pkg:{}/", package.ecosystem.as_str());
    // Segment by segment: an empty one would not survive parsing.
    for segment in scope.split('/').filter(|segment| !segment.is_empty()) {
        encode(segment, &mut purl);
        purl.push('/');
    }
    encode(name, &mut purl);
    // An rpm's epoch is a qualifier.
    let (epoch, version) = match package.version.split_once(':') {
        Some((epoch, version)) if package.ecosystem == Ecosystem::Rpm => (Some(epoch), version),
        _ => (None, package.version.as_str()),
    };
    if !version.is_empty() {
        purl.push('@');
        encode(version, &mut purl);
    }
    // Sorted by key, as the canonical form wants; a qualifier without a value is left out.
    let system = package.ecosystem.is_system();
    let arch = package.arch.as_deref().filter(|arch| !arch.is_empty()).map(|arch| ("arch", arch.to_owned()));
    let distro = os.filter(|os| system && !os.id.is_empty()).map(|os| {
        let release = if os.version.is_empty() { &os.codename } else { &os.version };
        let separator = if release.is_empty() { "" } else { "-" };
        ("distro", format!("{}{separator}{release}", os.id))
    });
    let epoch = epoch.map(|epoch| ("epoch", epoch.to_owned()));
    let module =
        package.module.as_ref().filter(|module| package.ecosystem == Ecosystem::Rpm && !module.is_empty());
    let module = module.map(|module| (MODULE[0], module.clone()));
    for (index, (key, value)) in [arch, distro, epoch, module].into_iter().flatten().enumerate() {
        purl.push(if index == 0 { '?' } else { '&' });
        purl.push_str(key);
        purl.push('=');
        encode(&value, &mut purl);
    }
    purl
}

/// Qualifiers that name an rpm's module: purl-spec has none; Red Hat's guide to its purls has the first, which is written
/// here, and Trivy writes the second.
const MODULE: [&str; 2] = ["rpmmod", "modularitylabel"];

/// Percent-encodes everything but letters, digits and `-._~:`.
fn encode(text: &str, into: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~:".contains(&byte) {
            into.push(char::from(byte));
        } else {
            into.push_str(&format!("%{byte:02X}"));
        }
    }
}

/// A package URL in its parts, percent-decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Purl {
    /// The type, in lower case, such as `deb`.
    pub kind: String,
    /// Segments joined by slashes; empty where there is none.
    pub namespace: String,
    /// The name, never empty.
    pub name: String,
    /// Empty where there is none.
    pub version: String,
    /// By their keys in lower case.
    pub qualifiers: BTreeMap<String, String>,
}

/// Why a text is no package URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PurlError {
    /// It is something else.
    #[error("it does not begin with `pkg:`")]
    Scheme,
    /// No type, or one of other characters than letters, digits, `.`, `+` and `-`.
    #[error("it has no valid type")]
    Kind,
    /// Nothing where the name belongs.
    #[error("it has no name")]
    Name,
    /// A qualifier without a key, or with one of other characters than a type's and `_`.
    #[error("it has a qualifier without a valid key")]
    Qualifier,
    /// A `%` without two digits, or bytes that are no text.
    #[error("it is not percent-encoded UTF-8")]
    Encoding,
}

impl FromStr for Purl {
    type Err = PurlError;

    fn from_str(text: &str) -> Result<Self, PurlError> {
        let rest = match text.get(..4) {
            Some(scheme) if scheme.eq_ignore_ascii_case("pkg:") => text[4..].trim_start_matches('/'),
            _ => return Err(PurlError::Scheme),
        };
        let rest = rest.split_once('#').map_or(rest, |(rest, _subpath)| rest);
        let (rest, pairs) = rest.split_once('?').unwrap_or((rest, ""));
        let (kind, path) = rest.split_once('/').ok_or(PurlError::Name)?;
        if !is_word(kind, ".+-") || !kind.starts_with(|first: char| first.is_ascii_alphabetic()) {
            return Err(PurlError::Kind);
        }
        // The `@` of a scope stands at the start of a segment; some writers do not encode it.
        let (path, version) = match path.rsplit_once('@') {
            Some((before, version)) if !before.is_empty() && !before.ends_with('/') => (before, version),
            _ => (path, ""),
        };
        let mut segments = path
            .split('/')
            .filter(|segment| !segment.is_empty())
            .map(decode)
            .collect::<Result<Vec<String>, _>>()?;
        let name = segments.pop().filter(|name| !name.is_empty()).ok_or(PurlError::Name)?;
        let mut qualifiers = BTreeMap::new();
        for pair in pairs.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').ok_or(PurlError::Qualifier)?;
            if !is_word(key, ".-_") {
                return Err(PurlError::Qualifier);
            }
            if !value.is_empty() {
                qualifiers.insert(key.to_ascii_lowercase(), decode(value)?);
            }
        }
        Ok(Self {
            kind: kind.to_ascii_lowercase(),
            namespace: segments.join("/"),
            name,
            version: decode(version)?,
            qualifiers,
        })
    }
}

impl Purl {
    /// The package, with its source where a qualifier names one; `None` for types of no ecosystem here.
    pub fn package(&self) -> Option<Package> {
        let ecosystem = Ecosystem::ALL.into_iter().find(|ecosystem| ecosystem.as_str() == self.kind)?;
        let (scope, name) = (self.namespace.as_str(), self.name.as_str());
        let name = match ecosystem {
            Ecosystem::Pypi => normal_python_name(name),
            // The namespace is the distribution's, or the vendor's.
            system if system.is_system() => name.to_owned(),
            _ if scope.is_empty() => name.to_owned(),
            Ecosystem::Maven => format!("{scope}:{name}"),
            _ => format!("{scope}/{name}"),
        };
        // An epoch of nought is the same as none.
        let epoch = self.qualifiers.get("epoch").filter(|epoch| *epoch != "0" && !self.version.contains(':'));
        let version = match epoch {
            Some(epoch) if matches!(ecosystem, Ecosystem::Rpm | Ecosystem::Deb) => {
                format!("{epoch}:{}", self.version)
            }
            _ => self.version.clone(),
        };
        let arch = self.qualifiers.get("arch").filter(|_| ecosystem.is_system()).cloned();
        let mut package = Package { arch, ..Package::new(ecosystem, name, version) };
        let module = MODULE.iter().find_map(|key| self.qualifiers.get(*key));
        package.module = module.filter(|_| ecosystem == Ecosystem::Rpm).cloned();
        let upstream = self.qualifiers.get("upstream").filter(|_| ecosystem.is_system());
        package.set_source(upstream.and_then(|upstream| source(upstream, &package.version)));
        Some(package)
    }

    /// The release that the qualifier `distro` names, `ID-VERSION`, or `VERSION` behind a namespace.
    pub fn distro(&self) -> Option<OsRelease> {
        let distro = self.qualifiers.get("distro")?;
        let digit = |text: &str| text.starts_with(|first: char| first.is_ascii_digit());
        let (id, release) = match distro.rsplit_once('-') {
            Some((id, release)) if digit(release) && !digit(id) => (id, release),
            Some((id, release)) if id == self.namespace => (id, release),
            _ if *distro == self.namespace => (self.namespace.as_str(), ""),
            _ => (self.namespace.as_str(), distro.as_str()),
        };
        if id.is_empty() {
            return None;
        }
        let (version, codename) = if digit(release) { (release, "") } else { ("", release) };
        Some(OsRelease {
            id: os_id(id).to_owned(),
            version: version.to_owned(),
            codename: codename.to_owned(),
            ..OsRelease::default()
        })
    }
}

/// `ID` of os-release for a name that another tool gives to a distribution.
pub fn os_id(name: &str) -> &str {
    match name {
        "alma" => "almalinux",
        "amazon" => "amzn",
        "cbl-mariner" => "mariner",
        "opensuse.leap" => "opensuse-leap",
        "opensuse.tumbleweed" => "opensuse-tumbleweed",
        "oracle" => "ol",
        "redhat" => "rhel",
        "suse linux enterprise server" => "sles",
        id => id,
    }
}

/// Syft's `upstream`: a source rpm's file name, `NAME@VERSION`, or a name of the package's own version.
fn source(upstream: &str, version: &str) -> Option<Source> {
    if upstream.ends_with(".src.rpm") {
        let (name, release) = rpm::source_of(upstream)?;
        // A source rpm's file name has no epoch; it is that of the package.
        let epoch = version.split_once(':').map_or(String::new(), |(epoch, _)| format!("{epoch}:"));
        return Some(Source { name: name.to_owned(), version: format!("{epoch}{release}") });
    }
    let (name, version) = upstream.split_once('@').unwrap_or((upstream, version));
    (!name.is_empty()).then(|| Source { name: name.to_owned(), version: version.to_owned() })
}

fn is_word(text: &str, more: &str) -> bool {
    !text.is_empty() && text.chars().all(|letter| letter.is_ascii_alphanumeric() || more.contains(letter))
}

fn decode(text: &str) -> Result<String, PurlError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || rest.next().and_then(|digit| char::from(digit).to_digit(16)?.try_into().ok());
        let (high, low): (Option<u8>, Option<u8>) = (digit(), digit());
        bytes.push(high.zip(low).map(|(high, low)| high << 4 | low).ok_or(PurlError::Encoding)?);
    }
    String::from_utf8(bytes).map_err(|_| PurlError::Encoding)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn package(ecosystem: Ecosystem, name: &str, version: &str, arch: Option<&str>) -> Package {
        Package { arch: arch.map(str::to_owned), ..Package::new(ecosystem, name, version) }
    }

    #[test]
    fn each_type() {
        let os = |id: &str, version: &str| OsRelease {
            id: id.into(),
            version: version.into(),
            ..OsRelease::default()
        };
        let debian = package(Ecosystem::Deb, "libstdc++6", "1:12.2.0-14+deb12u1", Some("amd64"));
        assert_eq!(
            purl(&debian, Some(&os("debian", "12"))),
            "pkg:deb/debian/libstdc%2B%2B6@1:12.2.0-14%2Bdeb12u1?arch=amd64&distro=debian-12"
        );
        assert_eq!(purl(&debian, None), "pkg:deb/libstdc%2B%2B6@1:12.2.0-14%2Bdeb12u1?arch=amd64");
        let alpine = package(Ecosystem::Apk, "openssl", "3.1.4-r5", Some("x86_64"));
        assert_eq!(
            purl(&alpine, Some(&os("alpine", "3.19.1"))),
            "pkg:apk/alpine/openssl@3.1.4-r5?arch=x86_64&distro=alpine-3.19.1"
        );
        let node = Package {
            module: Some("nodejs:12:8030020200410173826:30b713e6".into()),
            ..package(Ecosystem::Rpm, "nodejs", "1:12.16.1-2.module+el8.1.0", Some("x86_64"))
        };
        assert_eq!(
            purl(&node, Some(&os("rhel", "8.2"))),
            "pkg:rpm/rhel/nodejs@12.16.1-2.module%2Bel8.1.0?arch=x86_64&distro=rhel-8.2&epoch=1\
             &rpmmod=nodejs:12:8030020200410173826:30b713e6"
        );
        let python = package(Ecosystem::Pypi, "requests", "2.31.0", None);
        assert_eq!(purl(&python, Some(&os("debian", "12"))), "pkg:pypi/requests@2.31.0");
        let node = package(Ecosystem::Npm, "@babel/core", "7.0.0-rc.1", None);
        assert_eq!(purl(&node, None), "pkg:npm/%40babel/core@7.0.0-rc.1");
    }

    #[test]
    fn hostile_names_stay_one_name() {
        let node = package(Ecosystem::Npm, "a@1?x=y#z ü", "1 2", None);
        assert_eq!(purl(&node, None), "pkg:npm/a%401%3Fx%3Dy%23z%20%C3%BC@1%202");
    }

    fn read(text: &str) -> Package {
        text.parse::<Purl>().unwrap().package().unwrap()
    }

    #[test]
    fn as_other_tools_write_them() {
        for (text, name, version) in [
            ("pkg:npm/@example/bootstrap@5.0.2", "@example/bootstrap", "5.0.2"),
            ("pkg:npm/@example/bootstrap", "@example/bootstrap", ""),
            ("PKG://Maven/org.a/b@1?type=jar#x/y", "org.a:b", "1"),
            ("pkg:golang/github.com/a/b@v0.1.1-0.2022", "github.com/a/b", "v0.1.1-0.2022"),
            ("pkg:pypi/Ruamel_Yaml@1%2B2+3", "ruamel-yaml", "1+2+3"),
            ("pkg:deb/ubuntu/libcrypt1@4.4.27-1?epoch=1&distro=ubuntu-22.04", "libcrypt1", "1:4.4.27-1"),
            ("pkg:rpm/redhat/bash@5.1-6?epoch=", "bash", "5.1-6"),
            ("pkg:bitnami/geos@3.8.3", "geos", "3.8.3"),
        ] {
            let package = read(text);
            assert_eq!((package.name.as_str(), package.version.as_str()), (name, version), "{text}");
        }
        assert_eq!("pkg:k8s/a%2Fb@1".parse::<Purl>().unwrap().package(), None);
        for (text, why) in [
            ("invalid-purl-format", PurlError::Scheme),
            ("pkg:invalid", PurlError::Name),
            ("pkg:npm/", PurlError::Name),
            ("pkg:n_m/a", PurlError::Kind),
            ("pkg:npm/a%4", PurlError::Encoding),
            ("pkg:npm/a%ff", PurlError::Encoding),
            ("pkg:npm/a?b", PurlError::Qualifier),
            ("pk\u{e9}:npm/a", PurlError::Scheme),
        ] {
            assert_eq!(text.parse::<Purl>(), Err(why), "{text}");
        }
    }

    #[test]
    fn sources_and_distributions() {
        for (text, source) in [
            ("pkg:deb/debian/zlib1g@1:1.2-1?upstream=zlib", ("zlib", "1:1.2-1")),
            ("pkg:deb/debian/a@1-1%2Bb1?upstream=s%401-1", ("s", "1-1")),
            (
                "pkg:rpm/rhel/libssl@3.0-1.el9?epoch=1&upstream=openssl-3.0-1.el9.src.rpm",
                ("openssl", "1:3.0-1.el9"),
            ),
            ("pkg:apk/alpine/libssl3@3.1-r5?upstream=openssl", ("openssl", "3.1-r5")),
            ("pkg:npm/a@1?upstream=b", ("a", "1")),
        ] {
            assert_eq!(read(text).source(), source, "{text}");
        }
        for (text, id, version, codename) in [
            ("pkg:apk/alpine/musl@1?distro=3.16.0", "alpine", "3.16.0", ""),
            ("pkg:deb/debian/a@1?distro=debian-12", "debian", "12", ""),
            ("pkg:deb/debian/a@1?distro=bookworm", "debian", "", "bookworm"),
            ("pkg:deb/debian/a@1?distro=debian-sid", "debian", "", "sid"),
            ("pkg:deb/a@1?distro=debian-12", "debian", "12", ""),
            ("pkg:rpm/opensuse/a@1?distro=opensuse-leap-15.5", "opensuse-leap", "15.5", ""),
            ("pkg:rpm/redhat/a@1?distro=redhat-8.5", "rhel", "8.5", ""),
            ("pkg:apk/wolfi/a@1?distro=wolfi", "wolfi", "", ""),
        ] {
            let (id, version, codename) = (id.into(), version.into(), codename.into());
            let want = OsRelease { id, version, codename, ..OsRelease::default() };
            assert_eq!(text.parse::<Purl>().unwrap().distro(), Some(want), "{text}");
        }
        assert_eq!("pkg:deb/a@1?distro=12".parse::<Purl>().unwrap().distro(), None);
    }

    #[test]
    fn modules() {
        for (text, module) in [
            (
                "pkg:rpm/redhat/a@1-1?rpmmod=squid:4:8030020200828070549:30b713e6",
                Some("squid:4:8030020200828070549:30b713e6"),
            ),
            (
                "pkg:rpm/fedora/a@1-1?arch=x86_64&modularitylabel=nodejs%3A14%3A8060%3Ae6",
                Some("nodejs:14:8060:e6"),
            ),
            ("pkg:rpm/redhat/a@1-1?rpmmod=", None),
            ("pkg:deb/debian/a@1-1?rpmmod=a:1", None),
        ] {
            assert_eq!(read(text).module.as_deref(), module, "{text}");
        }
    }

    /// Names as each ecosystem writes them.
    fn packages() -> impl Strategy<Value = Package> {
        let word = "[a-z0-9@][a-zA-Z0-9 @:?#%&=+~._\u{fc}-]{0,8}";
        let version = "[0-9a-z.+~^@/ -]{0,8}";
        let (arch, module) = ("[a-z0-9_]{0,4}", "([a-z0-9+&=#-]{1,4}:[0-9a-z. ]{1,4})?");
        let parts = (0..Ecosystem::ALL.len(), word, word, version, "([1-9]:)?", arch, module);
        parts.prop_map(|(index, scope, name, version, epoch, arch, module)| {
            let ecosystem = Ecosystem::ALL[index];
            let name = match ecosystem {
                Ecosystem::Maven => format!("{}:{}", scope.replace(':', ""), name.replace(':', "")),
                Ecosystem::Npm | Ecosystem::Golang | Ecosystem::Composer | Ecosystem::Swift => {
                    format!("{scope}/{name}")
                }
                Ecosystem::Pypi => normal_python_name(&name),
                _ => name,
            };
            let is_rpm = ecosystem == Ecosystem::Rpm;
            let version = if is_rpm { epoch + &version } else { version };
            let arch = (ecosystem.is_system() && !arch.is_empty()).then_some(arch);
            let module = (is_rpm && !module.is_empty()).then_some(module);
            Package { arch, module, ..Package::new(ecosystem, name, version) }
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(package in packages(), id in "[a-z]{0,6}", version in "[0-9.]{0,4}") {
            let os = OsRelease { id, version, ..OsRelease::default() };
            for os in [None, Some(&os)] {
                let text = purl(&package, os);
                let read = text.parse::<Purl>().map_err(|error| TestCaseError::fail(format!("{text}: {error}")))?;
                prop_assert_eq!(read.package(), Some(package.clone()), "{}", text);
            }
        }

        #[test]
        fn nothing_panics(text in "(pkg:)?[a-z]{0,3}/?[^a]{0,20}(%[0-9a-f\u{e9}]{0,2}|[?&=@#/]){0,6}") {
            if let Ok(purl) = text.parse::<Purl>() {
                let _ = (purl.package(), purl.distro());
            }
        }
    }
}
