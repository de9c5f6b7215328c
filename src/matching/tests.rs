use super::*;
use crate::{
    advisory::{Compiler, End, State},
    digest::Digest,
    image::Platform,
    package::{Package, Source},
};

fn advisory(id: &str, aliases: &[&str], severity: Severity, ends: &[(&str, &str)]) -> Advisory {
    let range = |(from, fixed): &(&str, &str)| Range {
        introduced: (*from != "0").then(|| from.to_string()),
        end: if fixed.is_empty() { End::Open } else { End::Fixed(fixed.to_string()) },
    };
    Advisory {
        id: id.into(),
        source: "test".into(),
        aliases: aliases.iter().map(|alias| alias.to_string()).collect(),
        summary: String::new(),
        severity,
        state: State::Affected,
        ranges: ends.iter().map(range).collect(),
        versions: Vec::new(),
    }
}

fn snapshot(advisories: &[(&str, &str, Advisory)]) -> Snapshot {
    let mut compiler = Compiler::default();
    for (ecosystem, package, advisory) in advisories {
        compiler.add(ecosystem, package, "", advisory.clone());
    }
    Snapshot::from_bytes(compiler.to_bytes().unwrap()).unwrap()
}

fn installed(ecosystem: Ecosystem, name: &str, version: &str, source: Option<(&str, &str)>) -> Installed {
    let source = source.map(|(name, version)| Source { name: name.into(), version: version.into() });
    let package = Package { source, ..Package::new(ecosystem, name, version) };
    let paths = vec!["var/lib/dpkg/status".into()];
    Installed { package, layer: 0, paths, identities: Vec::new(), built_using: Vec::new() }
}

fn run(os: Option<(&str, &str)>, packages: Vec<Installed>, snapshot: &Snapshot) -> Matched {
    run_with(false, os, packages, snapshot)
}

fn run_with(
    by_cpe: bool,
    os: Option<(&str, &str)>,
    packages: Vec<Installed>,
    snapshot: &Snapshot,
) -> Matched {
    let os =
        os.map(|(id, version)| OsRelease { id: id.into(), version: version.into(), ..OsRelease::default() });
    let platform = Platform { os: "linux".into(), architecture: "amd64".into(), variant: String::new() };
    let image = Image::new(Digest::of(b"config"), platform, vec![Digest::of(b"layer")], &[]).unwrap();
    findings(&Inventory { os, packages, ..Inventory::default() }, &image, snapshot, by_cpe).unwrap()
}

fn told(matched: &Matched) -> Vec<(&str, &str, Severity, Option<&str>)> {
    matched
        .findings
        .iter()
        .map(|f| (f.id.as_str(), f.package.name.as_str(), f.severity, f.fixed_in.as_deref()))
        .collect()
}

#[test]
fn a_release_without_its_number() {
    for (id, version, codename, want) in [
        ("debian", "", "trixie", "Debian:13"),
        ("debian", "", "buster", "Debian:10"),
        ("debian", "12", "bookworm", "Debian:12"),
        ("debian", "", "unheard", "Debian:unheard"),
        ("kali", "", "trixie", "kali:trixie"),
    ] {
        let (version, codename) = (version.to_owned(), codename.to_owned());
        let os = OsRelease { id: id.to_owned(), version, codename, ..OsRelease::default() };
        assert_eq!(feed_of(Ecosystem::Deb, Some(&os)).as_deref(), Some(want));
    }
}

#[test]
fn releases_as_their_feeds_name_them() {
    for (ecosystem, id, version, want) in [
        (Ecosystem::Deb, "ubuntu", "22.04", "Ubuntu:22.04:LTS"),
        (Ecosystem::Deb, "ubuntu", "24.04.1", "Ubuntu:24.04:LTS"),
        (Ecosystem::Deb, "ubuntu", "24.10", "Ubuntu:24.10"),
        (Ecosystem::Deb, "ubuntu", "25.04", "Ubuntu:25.04"),
        (Ecosystem::Deb, "ubuntu", "", "ubuntu"),
        (Ecosystem::Apk, "wolfi", "20230201", "Wolfi"),
        (Ecosystem::Apk, "chainguard", "20230214", "Chainguard"),
        (Ecosystem::Deb, "wolfi", "20230201", "wolfi:20230201"),
        (Ecosystem::Rpm, "amzn", "2", "Amazon Linux:2"),
        (Ecosystem::Rpm, "amzn", "2023", "Amazon Linux:2023"),
        (Ecosystem::Rpm, "amzn", "2023.0.20230315", "Amazon Linux:2023"),
        (Ecosystem::Rpm, "amzn", "2018.03", "Amazon Linux:1"),
        (Ecosystem::Rpm, "amzn", "", "amzn"),
    ] {
        let os = OsRelease { id: id.into(), version: version.into(), ..OsRelease::default() };
        assert_eq!(feed_of(ecosystem, Some(&os)).as_deref(), Some(want), "{id} {version}");
    }
    let focal = OsRelease { id: "ubuntu".into(), codename: "focal".into(), ..OsRelease::default() };
    assert_eq!(feed_of(Ecosystem::Deb, Some(&focal)).as_deref(), Some("Ubuntu:20.04:LTS"));
}

#[test]
fn what_is_installed_is_matched_where_advisories_name_that() {
    let high = |id, fixed| advisory(id, &[], Severity::High, &[("0", fixed)]);
    let snapshot = snapshot(&[
        ("Amazon Linux:2", "openssl-libs", high("CVE-1", "1:1.0.2k-24.amzn2.0.2")),
        ("Amazon Linux:2", "openssl", high("CVE-2", "1:9-1")),
        ("Amazon Linux:2", "bind-libs", high("CVE-3", "32:9.11.4-2.amzn2")),
    ]);
    let libs = installed(
        Ecosystem::Rpm,
        "openssl-libs",
        "1:1.0.2k-24.amzn2.0.1",
        Some(("openssl", "1:1.0.2k-24.amzn2.0.1")),
    );
    let matched = run(Some(("amzn", "2")), vec![libs], &snapshot);
    assert_eq!(told(&matched), [("CVE-1", "openssl-libs", Severity::High, Some("1:1.0.2k-24.amzn2.0.2"))]);
    assert_eq!(matched.findings[0].package.source, None, "the fix is a version of the package itself");
}

#[test]
fn system_packages_match_by_source_and_release() {
    let snapshot = snapshot(&[
        ("Debian:12", "openssl", advisory("CVE-1", &[], Severity::High, &[("0", "3.0.9-1")])),
        ("Debian:13", "openssl", advisory("CVE-2", &[], Severity::High, &[("0", "")])),
        ("Alpine:v3.19", "openssl", advisory("CVE-3", &[], Severity::Low, &[("0", "3.1.4-r6")])),
    ]);
    let libssl = installed(Ecosystem::Deb, "libssl3", "3.0.8-1+b1", Some(("openssl", "3.0.8-1")));
    let matched = run(Some(("debian", "12")), vec![libssl.clone()], &snapshot);
    assert_eq!(told(&matched), [("CVE-1", "libssl3", Severity::High, Some("3.0.9-1"))]);
    assert_eq!(matched.skipped, []);
    let alpine = installed(Ecosystem::Apk, "libcrypto3", "3.1.4-r5", Some(("openssl", "3.1.4-r5")));
    let matched = run(Some(("alpine", "3.19.1")), vec![alpine], &snapshot);
    assert_eq!(told(&matched), [("CVE-3", "libcrypto3", Severity::Low, Some("3.1.4-r6"))]);
}

#[test]
fn rpms_match_by_their_own_names_and_by_source_where_no_version_counts() {
    let fixed = |id, fix| advisory(id, &[], Severity::High, &[("0", fix)]);
    let snapshot = snapshot(&[
        ("Red Hat:9", "perl", fixed("CVE-1", "4:5.32.1-482.el9")),
        ("Red Hat:9", "perl-libs", fixed("CVE-1", "4:5.32.1-482.el9")),
        ("Red Hat:9", "perl", fixed("CVE-2", "")),
        ("Red Hat:9", "nodejs:18/nodejs", fixed("CVE-3", "1:18.2.0-1")),
    ]);
    let found = |name: &str, version: &str, source: Option<(&str, &str)>, module: Option<&str>| {
        let mut package = installed(Ecosystem::Rpm, name, version, source);
        package.package.module = module.map(str::to_owned);
        let matched = run(Some(("rhel", "9.4")), vec![package], &snapshot);
        assert!(matched.findings.iter().all(|finding| finding.package.source.is_none()));
        let told =
            told(&matched).into_iter().map(|(id, .., fix)| format!("{id} {}", fix.unwrap_or_default()));
        told.collect::<Vec<_>>()
    };
    let perl = Some(("perl", "4:5.32.1-481.el9"));
    assert_eq!(found("perl-libs", "4:5.32.1-481.el9", perl, None), ["CVE-1 4:5.32.1-482.el9", "CVE-2 "]);
    // Its source has an epoch that nothing in the package tells.
    assert_eq!(found("perl-Errno", "1.30-481.el9", Some(("perl", "5.32.1-481.el9")), None), ["CVE-2 "]);
    let module = Some("nodejs:18:9030020231120082734:rhel9");
    assert_eq!(found("nodejs", "1:18.1.0-1", None, module), ["CVE-3 1:18.2.0-1"]);
    assert_eq!(found("nodejs", "1:16.1.0-1", None, None), [""; 0], "the plain package is another");
}

#[test]
fn names_and_versions_as_each_language_writes_them() {
    let high = |id, fixed| advisory(id, &[], Severity::High, &[("0", fixed)]);
    let snapshot = snapshot(&[
        ("Go", "golang.org/x/net", high("GO-1", "0.17.0")),
        ("Go", "stdlib", high("GO-2", "1.21.3")),
        ("crates.io", "time", high("RUSTSEC-1", "0.2.23")),
        ("Maven", "org.apache.logging.log4j:log4j-core", high("CVE-1", "2.15.0")),
        ("NuGet", "Newtonsoft.Json", high("GHSA-1", "13.0.1")),
        ("ConanCenter", "pcre", high("CVE-2", "8.45")),
        ("ConanCenter", "openssl", high("CVE-3", "1.1.1")),
    ]);
    let ids = |ecosystem, name: &str, version: &str| {
        let matched = run(None, vec![installed(ecosystem, name, version, None)], &snapshot);
        let skipped = matched.skipped.iter().map(|skipped| skipped.name.clone());
        matched.findings.iter().map(|finding| finding.id.clone()).chain(skipped).collect::<Vec<_>>()
    };
    assert_eq!(ids(Ecosystem::Golang, "golang.org/x/net", "v0.7.0"), ["GO-1"]);
    assert_eq!(ids(Ecosystem::Golang, "golang.org/x/net", "v0.0.0-20220722155237-a158d28d115b"), ["GO-1"]);
    assert_eq!(ids(Ecosystem::Golang, "golang.org/x/net", "v0.17.0"), [""; 0]);
    assert_eq!(ids(Ecosystem::Golang, "golang.org/x/net", "(devel)"), ["unknown-version-order"]);
    assert_eq!(ids(Ecosystem::Conan, "pcre", "8.43"), ["CVE-2"]);
    assert_eq!(ids(Ecosystem::Conan, "openssl", "1.1.1q"), ["unknown-version-order"]);
    assert_eq!(ids(Ecosystem::Golang, "stdlib", "1.21.0-rc.2"), ["GO-2"]);
    assert_eq!(ids(Ecosystem::Cargo, "time", "0.1.43"), ["RUSTSEC-1"]);
    assert_eq!(ids(Ecosystem::Nuget, "newtonsoft.json", "12.0.3"), ["GHSA-1"]);
    assert_eq!(ids(Ecosystem::Maven, "org.apache.logging.log4j:log4j-core", "2.14.1"), ["CVE-1"]);
    // Without a group it may be the one that is hit.
    assert_eq!(ids(Ecosystem::Maven, "log4j-core", "2.14.1"), ["unnamed-package"]);
    assert_eq!(ids(Ecosystem::Maven, "log4j-core", "2.17.0"), [""; 0]);
    assert_eq!(ids(Ecosystem::Maven, "log4j-core", ""), ["unnamed-package"]);
    assert_eq!(ids(Ecosystem::Maven, "app", "1.0"), [""; 0]);
}

#[test]
fn what_others_packed_is_judged_by_what_it_is() {
    let snapshot = snapshot(&[
        ("Debian:12", "python-django", advisory("CVE-1", &[], Severity::High, &[("0", "3.2")])),
        ("PyPI", "django", advisory("CVE-2", &[], Severity::High, &[("0", "99")])),
    ]);
    let with_django = |name: &str| {
        let identities = vec![Package::new(Ecosystem::Pypi, "django", "3.2")];
        Installed { identities, ..installed(Ecosystem::Deb, name, "3.2", Some((name, "3.2"))) }
    };
    let ids = |name| told(&run(Some(("debian", "12")), vec![with_django(name)], &snapshot)).len();
    assert_eq!(ids("python-django"), 0, "the distribution speaks of it");
    assert_eq!(ids("somebodys-agent"), 1);
}

#[test]
fn what_no_feed_covers_is_never_clean() {
    let snapshot = snapshot(&[("Debian:12", "zlib", advisory("CVE-1", &[], Severity::High, &[("0", "")]))]);
    let deb = || installed(Ecosystem::Deb, "zlib1g", "1.3", Some(("zlib", "1.3")));
    let names = |os, packages| {
        let matched = run(os, packages, &snapshot);
        assert_eq!(matched.findings, []);
        matched.skipped.into_iter().map(|skipped| (skipped.name, skipped.what)).collect::<Vec<_>>()
    };
    let skip = |name: &str, what: &str| vec![(name.to_owned(), what.to_owned())];
    assert_eq!(names(Some(("debian", "14")), vec![deb(), deb()]), skip("advisories:Debian:14", "2 packages"));
    assert_eq!(
        names(Some(("ubuntu", "24.04")), vec![deb()]),
        skip("advisories:Ubuntu:24.04:LTS", "1 package")
    );
    assert_eq!(names(None, vec![deb()]), skip("advisories:deb", "1 package"));
    let npm = installed(Ecosystem::Npm, "ws", "1.0.0", None);
    assert_eq!(names(None, vec![npm]), skip("advisories:npm", "1 package"));
    let edge = installed(Ecosystem::Apk, "musl", "1.2.5-r1", None);
    assert_eq!(
        names(Some(("alpine", "3.21.0_alpha20240807")), vec![edge]),
        skip("advisories:Alpine:edge", "1 package")
    );
}

#[test]
fn a_release_of_which_a_repository_is_missing_is_named() {
    let mut compiler = Compiler::default();
    compiler.add("Alpine:v3.99", "musl", "", advisory("CVE-1", &[], Severity::High, &[("0", "1.2.5-r1")]));
    compiler.add_missing("Alpine:v3.99", "community");
    let compile = |compiler: Compiler| Snapshot::from_bytes(compiler.to_bytes().unwrap()).unwrap();
    let snapshot = compile(compiler);
    let skipped = |names: &[&str]| {
        let packages = names.iter().map(|name| installed(Ecosystem::Apk, name, "1.2.5-r1", None)).collect();
        run(Some(("alpine", "3.99.1")), packages, &snapshot).skipped
    };
    assert_eq!(skipped(&["musl"]), [], "the feed speaks of it");
    let [gap] = &skipped(&["musl", "redis", "podman"])[..] else { panic!("one gap") };
    assert_eq!((gap.name.as_str(), gap.what.as_str()), ("advisories:Alpine:v3.99", "2 packages"));
    assert!(gap.why.contains("the repository community of Alpine:v3.99"), "{}", gap.why);
}

#[test]
fn what_cannot_be_compared_is_named() {
    let mut listed = advisory("CVE-2", &[], Severity::High, &[]);
    listed.versions = vec!["latest".into()];
    let snapshot = snapshot(&[
        ("npm", "a", advisory("CVE-1", &[], Severity::High, &[("0", "2.0.0")])),
        ("npm", "a", listed),
        ("npm", "a", advisory("CVE-3", &[], Severity::High, &[("0", "")])),
        ("npm", "b", advisory("CVE-4", &[], Severity::High, &[("0", "soon")])),
    ]);
    let packages =
        vec![installed(Ecosystem::Npm, "a", "latest", None), installed(Ecosystem::Npm, "b", "1.0.0", None)];
    let matched = run(None, packages, &snapshot);
    assert_eq!(matched.findings.iter().map(|f| f.id.as_str()).collect::<Vec<_>>(), ["CVE-2", "CVE-3"]);
    let what: Vec<_> = matched.skipped.iter().map(|skipped| skipped.what.as_str()).collect();
    assert_eq!(what, ["pkg:npm/a@latest", "pkg:npm/b@1.0.0"]);
    assert!(matched.skipped[0].why.contains("CVE-1") && !matched.skipped[0].why.contains("CVE-2"));
}

#[test]
fn a_listed_version_is_all_its_builds() {
    let mut listed = advisory("CVE-1", &[], Severity::High, &[]);
    listed.versions = vec!["2.0.0".into(), "2.1.0+cpu".into()];
    let snapshot = snapshot(&[("PyPI", "torch", listed)]);
    for (version, hits) in
        [("2.0.0+cpu", 1), ("2.0+cu117", 1), ("2.1.0+cpu", 1), ("2.1.0", 0), ("2.1.0+a", 0)]
    {
        let matched = run(None, vec![installed(Ecosystem::Pypi, "torch", version, None)], &snapshot);
        assert_eq!(matched.findings.len(), hits, "{version}");
    }
}

#[test]
fn one_vulnerability_is_one_finding() {
    let snapshot = snapshot(&[
        ("Debian:12", "p", advisory("CVE-2024-2", &["GHSA-2"], Severity::Low, &[("0", "")])),
        ("Debian:12", "p", advisory("DSA-1", &["CVE-2024-2"], Severity::High, &[("0", "1.5")])),
        ("Debian:12", "p", advisory("DSA-1", &["CVE-2024-3"], Severity::Unknown, &[("0", "1.5")])),
        ("Debian:12", "p", advisory("OTHER-1", &["GHSA-2"], Severity::Critical, &[("0", "1.2")])),
        ("Debian:12", "p", advisory("X-2", &["Y"], Severity::Low, &[("0", "")])),
        ("Debian:12", "p", advisory("X-1", &["Y"], Severity::Low, &[("0", "")])),
    ]);
    let matched = run(Some(("debian", "12")), vec![installed(Ecosystem::Deb, "p", "1.0", None)], &snapshot);
    let told = told(&matched);
    assert_eq!(told[0], ("CVE-2024-2", "p", Severity::Critical, Some("1.5")));
    assert_eq!(told[1], ("X-1", "p", Severity::Low, None));
    assert_eq!(told[2], ("CVE-2024-3", "p", Severity::Unknown, Some("1.5")));
    assert_eq!(matched.findings[0].aliases, ["DSA-1", "GHSA-2", "OTHER-1"]);
    assert_eq!((told.len(), matched.findings[1].status), (3, Status::Affected));
}

#[test]
fn names_that_another_ecosystem_links_are_one_vulnerability() {
    let fixed = |id, aliases: &[&str], fix| advisory(id, aliases, Severity::High, &[("0", fix)]);
    let snapshot = snapshot(&[
        ("Wolfi", "p", fixed("CVE-1", &[], "1.0-r2")),
        ("Wolfi", "p", fixed("GHSA-1", &[], "1.0-r2")),
        ("Wolfi", "p", fixed("GHSA-2", &[], "1.0-r3")),
        ("PyPI", "p", fixed("GHSA-1", &["CVE-1"], "2")),
    ]);
    let matched = run(Some(("wolfi", "1")), vec![installed(Ecosystem::Apk, "p", "1.0-r1", None)], &snapshot);
    let ids: Vec<_> = matched.findings.iter().map(|finding| finding.id.as_str()).collect();
    assert_eq!(ids, ["CVE-1", "GHSA-2"]);
    assert_eq!(
        (matched.findings[0].aliases.as_slice(), matched.findings[0].claims.len()),
        (["GHSA-1".to_owned()].as_slice(), 2)
    );
}

/// As Canonical publishes: one record for all releases, those past their support under `Pro` alone.
#[test]
fn what_ubuntu_says_of_extended_support_alone_is_found_and_has_no_fix_for_everybody() {
    let affected = |ecosystem: &str, fixed: &str| {
        let fixed = if fixed.is_empty() { String::new() } else { format!(r#",{{"fixed":"{fixed}"}}"#) };
        format!(
            r#"{{"package":{{"ecosystem":"{ecosystem}","name":"p","purl":"pkg:deb/ubuntu/p?arch=source"}},
                "ranges":[{{"type":"ECOSYSTEM","events":[{{"introduced":"0"}}{fixed}]}}],"versions":["0.9-1"],
                "ecosystem_specific":{{"binaries":[]}}}}"#
        )
    };
    let record = |number: u8, affected: &[String]| {
        format!(
            r#"{{"schema_version":"1.7.0","id":"UBUNTU-CVE-2025-{number}","upstream":["CVE-2025-{number}"],
                "modified":"2025-07-01T00:00:00Z","severity":[{{"type":"Ubuntu","score":"medium"}}],"affected":[{}]}}"#,
            affected.join(",")
        )
    };
    let (plain, pro) = ("Ubuntu:18.04:LTS", "Ubuntu:Pro:18.04:LTS");
    let records = [
        record(1, &[affected(pro, "1.0-1ubuntu1+esm1"), affected("Ubuntu:22.04:LTS", "2.0-1")]),
        record(2, &[affected(pro, "")]),
        // The feed for everybody speaks of these.
        record(3, &[affected(plain, "1.0-1"), affected(pro, "1.0-1ubuntu1+esm1")]),
        record(4, &[affected(plain, ""), affected(pro, "1.0-1ubuntu1+esm1")]),
        record(5, &[affected(plain, "1.0-2")]),
    ];
    let file = tempfile::Builder::new().suffix(".json").tempfile().unwrap();
    std::fs::write(file.path(), format!("[{}]", records.join(","))).unwrap();
    let memory = crate::feed::Memory::default();
    let (mut compiler, mut import) = (Compiler::default(), crate::feed::Import::new(&memory));
    let part = crate::feed::read(file.path(), std::num::NonZeroUsize::MIN, &memory, &|_| ()).unwrap();
    import.add(file.path(), part, None).unwrap();
    import.compile(&mut compiler);
    let snapshot = Snapshot::from_bytes(compiler.to_bytes().unwrap()).unwrap();
    let told = |release, version| {
        let package = installed(Ecosystem::Deb, "p", version, None);
        let matched = run(Some(("ubuntu", release)), vec![package], &snapshot);
        assert_eq!(matched.skipped, []);
        let told = matched.findings.iter().map(|finding| {
            let offered = finding.claims[0].fixed_in.as_deref().unwrap_or("-");
            let fix = finding.fixed_in.as_deref().unwrap_or("-");
            format!("{} {:?} {fix} {offered}", finding.id, finding.status)
        });
        told.collect::<Vec<_>>()
    };
    assert_eq!(
        told("18.04", "1.0-1"),
        [
            "CVE-2025-1 Subscription - 1.0-1ubuntu1+esm1",
            "CVE-2025-2 Affected - -",
            "CVE-2025-4 Affected - -",
            "CVE-2025-5 Fixed 1.0-2 1.0-2",
        ]
    );
    assert_eq!(told("18.04", "1.0-2+esm1"), ["CVE-2025-2 Affected - -", "CVE-2025-4 Affected - -"]);
    assert_eq!(told("22.04", "1.0-1"), ["CVE-2025-1 Fixed 2.0-1 2.0-1"]);
}

#[test]
fn the_fix_is_the_lowest_that_helps() {
    let snapshot = snapshot(&[
        ("PyPI", "p", advisory("PYSEC-1", &["CVE-1"], Severity::Low, &[("0", "2.2.5"), ("2.3.0", "2.3.2")])),
        ("PyPI", "p", advisory("GHSA-1", &["CVE-1"], Severity::Low, &[("0", "2.3.1")])),
    ]);
    let fix = |version| {
        let matched = run(None, vec![installed(Ecosystem::Pypi, "p", version, None)], &snapshot);
        matched.findings.first().and_then(|finding| finding.fixed_in.clone())
    };
    assert_eq!(fix("2.0").as_deref(), Some("2.3.2"), "2.2.5 and 2.3.1 are still hit by the other source");
    assert_eq!(fix("2.3.1").as_deref(), Some("2.3.2"));
    assert_eq!(fix("2.3.2"), None);
}

#[test]
fn a_finding_keeps_the_beginning_of_an_instruction() {
    let mut image = Image::new(
        Digest::of(b"config"),
        Platform { os: "linux".into(), architecture: "amd64".into(), variant: String::new() },
        vec![Digest::of(b"layer")],
        &[],
    )
    .unwrap();
    let installed = installed(Ecosystem::Npm, "a", "1", None);
    for (characters, kept) in [(10, 10), (MAX_INSTRUCTION, MAX_INSTRUCTION), (100_000, MAX_INSTRUCTION)] {
        image.layers[0].instruction = "é".repeat(characters);
        let layer = layer_of(&installed, &image).unwrap();
        assert_eq!(layer.instruction.chars().count(), kept);
    }
}

#[test]
fn an_update_is_to_a_version_that_nothing_else_hits() {
    let high = |id: &str, ends: &[(&str, &str)]| advisory(id, &[], Severity::High, ends);
    let snapshot = snapshot(&[
        ("PyPI", "cryptography", high("CVE-1", &[("0", "39.0.1")])),
        // Not of the installed version, and one has no fix.
        ("PyPI", "cryptography", high("CVE-2", &[("3.1", "41.0.6")])),
        ("PyPI", "cryptography", high("CVE-3", &[("41", "42.0.2")])),
        ("PyPI", "cryptography", high("CVE-4", &[("42", "")])),
        ("Debian:12", "util-linux", high("CVE-5", &[("0", "2.38.1-5+deb12u1")])),
        ("Debian:12", "util-linux", high("CVE-6", &[("2.38.1-5+deb12u1", "2.38.1-5+deb12u3")])),
    ]);
    let package = |ecosystem, name: &str, source: Option<&str>| FindingPackage {
        name: name.into(),
        version: "1:0".into(),
        ecosystem,
        purl: String::new(),
        source: source.map(|name| Source { name: name.into(), version: "0".into() }),
    };
    let debian = OsRelease { id: "debian".into(), version: "12".into(), ..OsRelease::default() };
    let free = |package: &FindingPackage, fix| free_of_known(package, Some(&debian), &snapshot, fix).unwrap();
    let python = package(Ecosystem::Pypi, "Cryptography", None);
    assert_eq!(free(&python, "39.0.1"), "42.0.2");
    assert_eq!(free(&python, "42.0.2"), "42.0.2");
    assert_eq!(free(&python, "not a version"), "not a version");
    let bsdutils = package(Ecosystem::Deb, "bsdutils", Some("util-linux"));
    assert_eq!(free(&bsdutils, "2.38.1-5+deb12u1"), "2.38.1-5+deb12u3");
    assert_eq!(free(&package(Ecosystem::Rpm, "bsdutils", None), "1"), "1");

    let chain: Vec<_> = (1..=MAX_STEPS + 5)
        .map(|at| {
            ("npm", "a", high(&format!("CVE-{at}"), &[(&format!("{at}.0.0"), &format!("{}.0.0", at + 1))]))
        })
        .collect();
    let snapshot = self::snapshot(&chain);
    let far = free_of_known(&package(Ecosystem::Npm, "a", None), None, &snapshot, "1.0.0").unwrap();
    assert_eq!(far, format!("{}.0.0", MAX_STEPS + 1));
}

/// A word of another source.
fn by(source: &str, mut advisory: Advisory) -> Advisory {
    advisory.source = source.into();
    advisory
}

#[test]
fn what_no_feed_speaks_of_may_be_matched_by_cpe() {
    let of = |id, fixed| by("nvd", advisory(id, &[], Severity::Unknown, &[("0", fixed)]));
    let deb = || advisory("CVE-9", &[], Severity::High, &[("0", "1")]);
    let snapshot = snapshot(&[
        ("cpe", "nodejs:node.js", of("CVE-1", "20.1.0")),
        ("cpe", "a:node", of("CVE-2", "99")),
        ("cpe", "only-vendor:some_agent", of("CVE-3", "2.0")),
        ("cpe", "only-vendor:some_agent:jenkins", of("CVE-4", "2.0")),
        ("cpe", "one:twice", of("CVE-5", "2.0")),
        ("cpe", "other:twice", of("CVE-6", "2.0")),
        ("cpe", "named:named", of("CVE-7", "2.0")),
        ("cpe", "other:named", of("CVE-8", "2.0")),
        ("cpe", "named_project:named", of("CVE-7", "2.0")),
        ("cpe", "x:spoken", of("CVE-9", "2.0")),
        ("Debian:12", "spoken", deb()),
    ]);
    let found = |os, installed: Installed| {
        let off = run(os, vec![installed.clone()], &snapshot);
        let on = run_with(true, os, vec![installed], &snapshot);
        assert_eq!((off.findings, off.skipped), (vec![], on.skipped.clone()), "what is not covered stays so");
        assert!(on.findings.iter().all(|finding| finding.confidence == Confidence::Low));
        on.findings
    };
    let ids = |os, installed| {
        found(os, installed).into_iter().map(|finding| finding.id).collect::<Vec<_>>().join(" ")
    };
    let generic = |name, version| installed(Ecosystem::Generic, name, version, None);
    let node = found(None, generic("node", "20.0.1"));
    assert_eq!((node[0].id.as_str(), node[0].fixed_in.as_deref()), ("CVE-1", Some("20.1.0")));
    assert_eq!(node[0].claims[0].cpe, "cpe:2.3:a:nodejs:node.js:*:*:*:*:*:*:*:*");
    assert_eq!((node.len(), &node[0].package.source), (1, &None));
    assert_eq!(ids(None, generic("node", "20.1.0")), "");
    assert_eq!(ids(None, generic("twice", "1.0")), "", "nobody knows which");
    assert_eq!(ids(None, generic("named", "1.0")), "CVE-7", "once");

    let debian = Some(("debian", "12"));
    let agent = || installed(Ecosystem::Deb, "some-agent", "1:1.9~beta1-2", None);
    let found = found(debian, agent());
    assert_eq!(found[0].id, "CVE-3");
    let upstream = Source { name: "some_agent".into(), version: "1.9-beta1".into() };
    assert_eq!(found[0].package.source, Some(upstream), "whose version the fix is");
    assert_eq!(ids(Some(("kali", "1")), agent()), "CVE-3", "a system without a feed");
    assert_eq!(
        ids(debian, installed(Ecosystem::Deb, "spoken", "1.5", None)),
        "",
        "its own feed speaks of it"
    );
    assert_eq!(ids(None, installed(Ecosystem::Npm, "@x/twice", "1.0.0", None)), "");
    assert_eq!(ids(None, installed(Ecosystem::Composer, "one/twice", "v1.0", None)), "CVE-5");

    let without = self::snapshot(&[("Debian:12", "spoken", deb())]);
    let matched = run_with(true, debian, vec![agent()], &without);
    assert_eq!(matched.skipped[0].name, "advisories:cpe");
    assert_eq!(run(debian, vec![agent()], &without).skipped, []);
}

fn claimed(finding: &Finding) -> Vec<(&str, bool, Option<&str>)> {
    finding
        .claims
        .iter()
        .map(|claim| (claim.source.as_str(), claim.affected, claim.fixed_in.as_deref()))
        .collect()
}

#[test]
fn who_knows_the_package_best_decides() {
    let word = |source, id, aliases: &[&str], fixed| {
        by(source, advisory(id, aliases, Severity::High, &[("0", fixed)]))
    };
    let snapshot = snapshot(&[
        // The tracker has the fix that the copy does not know yet.
        ("Debian:12", "curl", word("debian-tracker", "CVE-1", &[], "1.0")),
        ("Debian:12", "curl", word("debian", "CVE-1", &[], "")),
        ("Debian:12", "curl", word("debian", "CVE-2", &[], "3.0")),
        // Equals are both heard, and NVD where nobody else speaks.
        ("npm", "a", word("github", "GHSA-1", &["CVE-3"], "3.0.0")),
        ("npm", "a", word("cve", "CVE-3", &[], "4.0.0")),
        ("npm", "a", word("nvd", "CVE-4", &[], "5.0.0")),
        ("npm", "a", word("github", "GHSA-5", &["CVE-5"], "1.0.0")),
        ("npm", "a", word("cve", "CVE-5", &[], "9.0.0")),
    ]);
    let matched =
        run(Some(("debian", "12")), vec![installed(Ecosystem::Deb, "curl", "2.0", None)], &snapshot);
    assert_eq!(told(&matched), [("CVE-2", "curl", Severity::High, Some("3.0"))]);
    let matched = run(None, vec![installed(Ecosystem::Npm, "a", "2.0.0", None)], &snapshot);
    assert_eq!(
        told(&matched),
        [("CVE-3", "a", Severity::High, Some("3.0.0")), ("CVE-4", "a", Severity::High, Some("5.0.0"))]
    );
    let both = [("github", true, Some("3.0.0")), ("cve", true, Some("4.0.0"))];
    assert_eq!(claimed(&matched.findings[0]), both);
}

#[test]
fn states_of_a_distribution_come_through() {
    let stands = |id: &str, state, ranges: &[(&str, &str)]| {
        let advisory = advisory(id, &[], Severity::Low, ranges);
        by("debian-tracker", Advisory { state, ..advisory })
    };
    let open = [("0", "")];
    let snapshot = snapshot(&[
        ("Debian:12", "a", stands("CVE-1", State::NoDsa, &open)),
        ("Debian:12", "a", stands("CVE-2", State::EndOfLife, &open)),
        ("Debian:12", "a", stands("CVE-3", State::NotAffected, &[])),
        ("Debian:12", "a", stands("CVE-4", State::Postponed, &[("0", "2.0")])),
        ("Debian:12", "a", by("debian", advisory("CVE-3", &[], Severity::High, &open))),
    ]);
    let matched = run(Some(("debian", "12")), vec![installed(Ecosystem::Deb, "a", "1.0", None)], &snapshot);
    let statuses: Vec<_> =
        matched.findings.iter().map(|finding| (finding.id.as_str(), finding.status)).collect();
    assert_eq!(
        statuses,
        [("CVE-1", Status::NoDsa), ("CVE-2", Status::EndOfLife), ("CVE-4", Status::Fixed)],
        "the tracker's word that it is not affected stands against its copy's"
    );
    assert_eq!(matched.skipped, []);
}

#[test]
fn of_several_vulnerabilities_in_one_the_worst_counts() {
    let mut compiler = Compiler::default();
    let record = advisory("GO-1", &["CVE-1", "CVE-2"], Severity::Unknown, &[("0", "2.0.0")]);
    compiler.add("npm", "a", "", record);
    let rated = |severity| Fact { severity, ..Fact::default() };
    compiler.add_fact("CVE-1".into(), "nvd", rated(Severity::Low));
    compiler.add_fact("CVE-2".into(), "nvd", rated(Severity::Critical));
    let forecast = |probability| Some(Forecast { probability, percentile: 50_000 });
    compiler.add_fact("CVE-1".into(), "epss", Fact { forecast: forecast(10), ..Fact::default() });
    compiler.add_fact("CVE-2".into(), "epss", Fact { forecast: forecast(9), ..Fact::default() });
    let exploited = Some(advisory::Exploited { since: "2024-02-01".into(), ransomware: false });
    compiler.add_fact("CVE-2".into(), "cisa-kev", Fact { exploited, ..Fact::default() });
    let snapshot = Snapshot::from_bytes(compiler.to_bytes().unwrap()).unwrap();
    let matched = run(None, vec![installed(Ecosystem::Npm, "a", "1.0.0", None)], &snapshot);
    let finding = &matched.findings[0];
    assert_eq!((finding.id.as_str(), finding.severity), ("CVE-1", Severity::Critical));
    assert_eq!(finding.severity_source, "nvd");
    assert_eq!(finding.ratings.len(), 2);
    assert_eq!(finding.epss.as_ref().unwrap().probability, 10);
    assert_eq!(finding.exploited.as_ref().unwrap().source, "cisa-kev");
}

#[test]
fn records_without_a_cve_join_through_a_third() {
    let mut compiler = Compiler::default();
    for (id, names) in [("A-1", &["GHSA-a"][..]), ("B-2", &["GHSA-b"]), ("C-3", &["GHSA-a", "GHSA-b"])] {
        compiler.add("npm", "a", "", advisory(id, names, Severity::High, &[("0", "2.0.0")]));
    }
    let snapshot = Snapshot::from_bytes(compiler.to_bytes().unwrap()).unwrap();
    let matched = run(None, vec![installed(Ecosystem::Npm, "a", "1.0.0", None)], &snapshot);
    let ids: Vec<_> = matched.findings.iter().map(|finding| finding.id.as_str()).collect();
    assert_eq!(ids, ["A-1"]);
    assert_eq!(matched.findings[0].aliases.len(), 4);
}

#[test]
fn what_is_said_of_the_vulnerability_itself_is_shown() {
    let mut compiler = Compiler::default();
    compiler.add("npm", "a", "", advisory("CVE-1", &[], Severity::Unknown, &[("0", "2.0.0")]));
    let rated = |severity| Fact { severity, vector: "CVSS:3.1/x".into(), ..Fact::default() };
    compiler.add_fact("CVE-1".into(), "cve", rated(Severity::Critical));
    compiler.add_fact("CVE-1".into(), "nvd", rated(Severity::Medium));
    let since = |since: &str| Some(advisory::Exploited { since: since.into(), ransomware: true });
    compiler.add_fact("CVE-1".into(), "cisa-kev", Fact { exploited: since("2024-02-01"), ..Fact::default() });
    let forecast = Some(Forecast { probability: 94_321, percentile: 100_000 });
    compiler.add_fact("CVE-1".into(), "epss", Fact { forecast, ..Fact::default() });
    let snapshot = Snapshot::from_bytes(compiler.to_bytes().unwrap()).unwrap();
    let matched = run(None, vec![installed(Ecosystem::Npm, "a", "1.0.0", None)], &snapshot);
    let finding = &matched.findings[0];
    assert_eq!(finding.severity, Severity::Medium, "NVD's, where nobody who knows the package says");
    let sources: Vec<_> = finding.ratings.iter().map(|rating| rating.source.as_str()).collect();
    assert_eq!(sources, ["cve", "nvd"]);
    let json = serde_json::to_value(finding).unwrap();
    assert_eq!(json["epss"], serde_json::json!({"probability": 0.94321, "percentile": 1.0}));
    assert_eq!(
        json["exploited"],
        serde_json::json!({"source": "cisa-kev", "since": "2024-02-01", "ransomware": true})
    );
    assert_eq!(serde_json::from_value::<Finding>(json).unwrap(), *finding);
}
