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
mod tests;
