//! Purls as they are written, and as other tools write them.

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
