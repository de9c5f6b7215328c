//! Files that name a system or its packages, of two other projects' tests: `osdb-trivy` and `osrelease-syft` of
//! `../shared/suites`. Skipped, and said so, where the suites are not there.
//!
//! What those projects expect is in part in their code alone, which is not here: the expected values below are read from
//! the files, and where the projects are known to expect something else, the reason stands beside it.

#![expect(clippy::unwrap_used, reason = "a suite that cannot be read must fail the test")]

mod suite;

use std::{collections::BTreeMap, io::Cursor};

use stella::package::{Error, Fact, OsRelease, Read, end_of_life, recognise};

/// What a file says.
#[derive(Debug, Clone, Copy)]
enum Want {
    /// A system: `ID VERSION_ID`, and the last day of its support where that is known.
    System(&'static str, Option<&'static str>),
    /// A release and nothing else.
    Release(&'static str),
    /// How many packages, and some of them: name, version, source, version of the source.
    Packages(usize, &'static [[&'static str; 4]]),
    /// Nothing that a system or its packages are told by.
    Nothing,
    /// It is refused; this is part of why.
    Refused(&'static str),
}

use Want::{Nothing, Packages, Refused, Release, System};

/// By the file's path in its suite, or the end of it.
const WANTED: &[(&str, Want)] = &[
    // --- osdb-trivy
    ("debian_sid/etc/debian_version", Release("buster/sid")),
    ("debian_9/etc/debian_version", Release("9.8")),
    ("debian/empty", Nothing),
    ("release/activestate", System("activestate 1.0", None)),
    ("release/alma", System("almalinux 9.4", Some("2032-06-01"))),
    ("release/alpine", System("alpine 3.15.4", Some("2023-11-01"))),
    ("release/azurelinux-3.0", System("azurelinux 3.0", None)),
    ("release/bottlerocket", System("bottlerocket 1.34.0", None)),
    ("release/centos", System("centos 7", Some("2024-06-30"))),
    ("release/centos-stream", System("centos 8", Some("2024-05-31"))),
    ("release/coreos", System("coreos 3.15.4", None)),
    ("release/echo", System("echo 1", None)),
    ("release/fedora", System("fedora 42", Some("2026-05-13"))),
    ("release/mariner-1.0", System("mariner 1.0", None)),
    ("release/mariner-2.0", System("mariner 2.0", Some("2025-07-31"))),
    ("release/minimos", System("minimos 20241031", None)),
    // Trivy takes no file without `ID`; behind any name but its own it is nobody's file here.
    ("release/no-id", Nothing),
    // Trivy leaves a system without a release out; the merge completes it from `alpine-release`, or says that it cannot.
    ("release/no-version", System("alpine ", None)),
    ("release/opensuseleap-15.2.1", System("opensuse-leap 15.2.1", Some("2022-01-04"))),
    ("release/opensuseleap-42.3", System("opensuse 42.3", Some("2019-07-01"))),
    ("release/opensusetumbleweed", System("opensuse-tumbleweed 20220412", None)),
    ("release/oracle", System("ol 8.10", Some("2029-07-31"))),
    ("release/photon", System("photon 4.0", None)),
    ("release/rhel", System("rhel 9.4", Some("2032-05-31"))),
    ("release/rocky", System("rocky 9.3", Some("2032-05-31"))),
    ("release/slemicro", System("sle-micro 5.3", None)),
    ("release/slemicro-rancher", System("sle-micro-rancher 5.4", None)),
    ("release/slemicro6.0", System("sl-micro 6.0", None)),
    ("release/sles", System("sles 15.3", Some("2022-12-31"))),
    ("release/unknown", System("unknown 4.3.2", None)),
    ("alma/almalinux-release", System("almalinux 8.4", Some("2029-03-01"))),
    ("centos/centos-release", System("centos 7.6.1810", Some("2024-06-30"))),
    ("fedora_29/fedora-release", System("fedora 29", Some("2019-11-26"))),
    ("oracle_7/oracle-release", System("ol 7.6", Some("2024-12-31"))),
    ("redhat_6/redhat-release", System("rhel 6.2", Some("2020-11-30"))),
    ("rocky/rocky-release", System("rocky 8.4", Some("2029-05-31"))),
    ("not_redhatbase/empty", Nothing),
    ("ubuntu/invalid", Nothing),
    ("ubuntu/lsb-release", System("ubuntu 18.04", Some("2023-05-31"))),
    (
        // The two stanzas at which Trivy complains have no `Status`: to dpkg they are not installed.
        "corrupsed.txtar:var/lib/dpkg/status",
        Packages(
            4,
            &[
                ["libgcc1", "1:5.1.1-12ubuntu1", "gcc-5", "5.1.1-12ubuntu1"],
                ["libpam-modules-bin", "1.1.8-3.1ubuntu3", "pam", "1.1.8-3.1ubuntu3"],
                ["libpam-runtime", "1.1.8-3.1ubuntu3", "pam", "1.1.8-3.1ubuntu3"],
                ["makedev", "2.3.1-93ubuntu1", "makedev", "2.3.1-93ubuntu1"],
            ],
        ),
    ),
    (
        "digest.txtar:var/lib/dpkg/status",
        Packages(2, &[["sed", "4.4-2", "sed", "4.4-2"], ["tar", "1.34+dfsg-1", "tar", "1.34+dfsg-1"]]),
    ),
    ("md5sums.txtar:var/lib/dpkg/status", Packages(1, &[["tar", "1.29b-2", "tar", "1.29b-2"]])),
    (
        "only-apt.txtar:var/lib/dpkg/status",
        Packages(1, &[["apt", "1.6.3ubuntu0.1", "apt", "1.6.3ubuntu0.1"]]),
    ),
    (
        "third-party.txtar:var/lib/dpkg/status",
        Packages(
            2,
            &[
                ["docker-ce", "5:20.10.7~3-0~debian-buster", "docker-ce", "5:20.10.7~3-0~debian-buster"],
                ["apt", "1.6.3ubuntu0.1", "apt", "1.6.3ubuntu0.1"],
            ],
        ),
    ),
    (
        // Of one of its 91 packages only configuration is left.
        "valid.txtar:var/lib/dpkg/status",
        Packages(
            90,
            &[
                ["bash", "4.4.18-2ubuntu1", "bash", "4.4.18-2ubuntu1"],
                ["fdisk", "2.31.1-0.4ubuntu3.1", "util-linux", "2.31.1-0.4ubuntu3.1"],
                ["libgcc1", "1:8-20180414-1ubuntu2", "gcc-8", "8-20180414-1ubuntu2"],
            ],
        ),
    ),
    // Trivy drops the stanza without a version and keeps the rest; apk itself refuses such a database, and so would miss
    // whatever it was that broke.
    ("pkg/apk/apk", Refused("a package without name or version")),
    // --- osrelease-syft
    // Syft reads no release without a dot here.
    ("bad-redhat-release", System("centos 5", Some("2017-03-31"))),
    ("bad-system-release-cpe", Nothing),
    ("centos-8", System("centos 8", Some("2021-12-31"))),
    ("debian-8", System("debian 8", Some("2020-06-30"))),
    ("rhel-8", System("rhel 8.1", Some("2029-05-31"))),
    ("ubuntu-20.04", System("ubuntu 20.04", Some("2025-05-29"))),
    ("unprintable", System("debian 8", Some("2020-06-30"))),
    // Syft gives a system without a name; here it is said that the file names none.
    ("missing-id/usr/lib/os-release", Refused("no ID")),
    ("missing-version/usr/lib/os-release", Refused("no ID")),
    ("unknown-id/usr/lib/os-release", System("my-awesome-distro 8", None)),
    ("almalinux/from-os-release/etc/os-release", System("almalinux 8.4", Some("2029-03-01"))),
    ("almalinux/from-redhat-release/etc/redhat-release", System("almalinux 8.10", Some("2029-03-01"))),
    ("alpine/etc/os-release", System("alpine 3.11.6", Some("2021-11-01"))),
    ("amazon/etc/os-release", System("amzn 2", Some("2026-06-30"))),
    ("arch/etc/os-release", System("arch ", None)),
    ("centos/usr/lib/os-release", System("centos 8", Some("2021-12-31"))),
    ("centos5/etc/redhat-release", System("centos 5.7", Some("2017-03-31"))),
    ("centos6/etc/system-release-cpe", System("centos 6", Some("2020-11-30"))),
    ("custom/etc/os-release", System("scientific 8", None)),
    ("from-debian_version/etc/debian_version", Release("10.8")),
    // Syft completes the release from debian_version, as the merge does here.
    ("from-debian_version/etc/os-release", System("debian ", None)),
    ("debian/from-os-release/usr/lib/os-release", System("debian 8", Some("2020-06-30"))),
    ("with-point-release/etc/debian_version", Release("13.5")),
    ("with-point-release/etc/os-release", System("debian 13", Some("2030-06-30"))),
    ("os/empty/etc/os-release", Nothing),
    ("fedora/usr/lib/os-release", System("fedora 36", Some("2023-05-16"))),
    ("mariner/etc/os-release", System("mariner 1.0", None)),
    ("opensuse-leap/etc/os-release", System("opensuse-leap 15.2", Some("2022-01-04"))),
    ("oraclelinux/etc/os-release", System("ol 8.3", Some("2029-07-31"))),
    ("photon/etc/os-release", System("photon 2.0", None)),
    ("redhat/from-os-release/usr/lib/os-release", System("rhel 7.3", Some("2024-06-30"))),
    ("redhat/from-redhat-release/etc/redhat-release", System("rhel 8.10", Some("2029-05-31"))),
    ("rockylinux/from-os-release/etc/os-release", System("rocky 8.4", Some("2029-05-31"))),
    ("rockylinux/from-redhat-release/etc/redhat-release", System("rocky 8.10", Some("2029-05-31"))),
    ("scientific/from-os-release/etc/os-release", System("scientific 7.5", Some("2024-06-30"))),
    ("scientific/from-redhat-release/etc/redhat-release", System("scientific 7.9", Some("2024-06-30"))),
    ("os/sles/etc/os-release", System("sles 15.2", Some("2021-12-31"))),
    ("os/ubuntu/etc/os-release", System("ubuntu 20.04", Some("2025-05-29"))),
    ("wolfi/etc/os-release", System("wolfi 20220914", None)),
];

/// Ends of paths that are not held, each with its reason.
const SKIPPED: &[(&str, &str)] = &[
    ("copyright", "licences are not read"),
    ("_status.json", "what a subscription allows says nothing of what is installed"),
    ("bin/busybox", "a program's own version, and no name of a system"),
    (".gitignore", "no part of the case"),
    (".md5sums", "the merge takes the names of these files, and nothing reads them"),
    ("dpkg/available", "what a mirror offered, and not what is installed"),
];

/// Every file of a suite, those of a text archive (`-- PATH --` before each) as `ARCHIVE:PATH`.
fn files(name: &str) -> Option<BTreeMap<String, Vec<u8>>> {
    let mut files = BTreeMap::new();
    for (path, bytes) in suite::files(name)? {
        if !path.ends_with(".txtar") {
            files.insert(path, bytes);
            continue;
        }
        let mut member = None;
        for line in String::from_utf8(bytes).unwrap().split_inclusive('\n') {
            if let Some(inner) = line.trim().strip_prefix("-- ").and_then(|rest| rest.strip_suffix(" --")) {
                member = Some(files.entry(format!("{path}:{inner}")).or_default());
            } else if let Some(member) = &mut member {
                member.extend_from_slice(line.as_bytes());
            }
        }
    }
    Some(files)
}

fn read(path: &str, bytes: &[u8]) -> Result<Option<Fact>, Error> {
    let path = path.rsplit(':').next().unwrap();
    match recognise(path, &bytes[..bytes.len().min(4096)]) {
        None => Ok(None),
        Some(Read::Whole(read)) => read(path, bytes),
        Some(Read::Parts(read)) => read(path, &mut Cursor::new(bytes)),
    }
}

fn judge(want: Want, got: &Result<Option<Fact>, Error>) -> bool {
    match (want, got) {
        (System(system, end), Ok(Some(Fact::OsRelease(os)))) => {
            let OsRelease { id, version, .. } = os;
            format!("{id} {version}") == system && end_of_life(os) == end
        }
        (Release(want), Ok(Some(Fact::Release { version }))) => version == want,
        (Packages(count, some), Ok(Some(Fact::Dpkg { packages, .. } | Fact::Apk { packages, .. }))) => {
            let there = |[name, version, source, source_version]: &[&str; 4]| {
                packages.iter().any(|package| {
                    package.name == *name
                        && package.version == *version
                        && package.source() == (*source, *source_version)
                })
            };
            packages.len() == count && some.iter().all(there)
        }
        (Nothing, Ok(None)) => true,
        (Refused(why), Err(error)) => error.to_string().contains(why),
        _ => false,
    }
}

#[test]
fn systems_and_their_packages() {
    let (mut passed, mut skipped, mut failed) = (0, 0, Vec::new());
    for name in ["osdb-trivy", "osrelease-syft"] {
        let Some(files) = files(name) else { continue };
        for (path, bytes) in files {
            if let Some((_, why)) = SKIPPED.iter().find(|(end, _)| path.ends_with(end)) {
                println!("skipped {path}: {why}");
                skipped += 1;
                continue;
            }
            let ends = |end: &str| {
                path.strip_suffix(end).is_some_and(|start| start.is_empty() || start.ends_with('/'))
            };
            let want = WANTED.iter().filter(|(end, _)| ends(end)).max_by_key(|(end, _)| end.len());
            let got = read(&path, &bytes);
            match want {
                Some((_, want)) if judge(*want, &got) => passed += 1,
                Some((_, want)) => failed.push(format!("{path}: {want:?}, and it says {got:?}")),
                None => failed.push(format!("{path}: nothing says what is expected; it says {got:?}")),
            }
        }
    }
    println!("systems: {passed} passed, {} failed, {skipped} skipped", failed.len());
    for why in &failed {
        println!("failed {}", why.chars().take(600).collect::<String>());
    }
    assert!(failed.is_empty());
}

#[test]
fn the_rest_of_the_apk_database_is_read() {
    let Some(files) = files("osdb-trivy") else { return };
    let (_, bytes) = files.iter().find(|(path, _)| path.ends_with("pkg/apk/apk")).unwrap();
    let text = String::from_utf8(bytes.clone()).unwrap();
    let whole = text.replace("P:invalidPackageWithoutAVersion\n", "");
    let Ok(Some(Fact::Apk { packages, .. })) = read("lib/apk/db/installed", whole.as_bytes()) else {
        panic!()
    };
    let stanzas = whole.lines().filter(|line| line.starts_with("V:")).count();
    assert_eq!(packages.len(), stanzas);
    let got = |name: &str| packages.iter().find(|package| package.name == name).unwrap().source();
    assert_eq!(got("musl"), ("musl", "1.1.14-r10"));
    assert_eq!(got("libc-utils"), ("libc-dev", "0.7-r0"));
}
