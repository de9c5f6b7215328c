//! Package URLs: `pkg:type/namespace/name@version?qualifiers`; purl-spec, with the rules of each type.

use super::{Ecosystem, OsRelease, Package};

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
    for (index, (key, value)) in [arch, distro, epoch].into_iter().flatten().enumerate() {
        purl.push(if index == 0 { '?' } else { '&' });
        purl.push_str(key);
        purl.push('=');
        encode(&value, &mut purl);
    }
    purl
}

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

#[cfg(test)]
mod tests {
    use super::*;

    fn package(ecosystem: Ecosystem, name: &str, version: &str, arch: Option<&str>) -> Package {
        let (name, version) = (name.to_owned(), version.to_owned());
        Package { ecosystem, name, version, arch: arch.map(str::to_owned), source: None }
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
}
