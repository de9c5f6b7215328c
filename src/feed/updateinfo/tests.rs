use super::*;
use crate::{
    advisory::{Compiler, End, Range, Snapshot},
    feed::{Outcome, import::import_document},
    finding::Severity,
    version::Scheme,
};

fn read(text: &str) -> (Outcome, Snapshot) {
    let mut compiler = Compiler::default();
    let outcome = import_document("updateinfo.xml", text.as_bytes(), &mut compiler);
    (outcome, Snapshot::from_bytes(compiler.to_bytes().unwrap()).unwrap())
}

fn update(kind: &str, id: &str, collection: &str, package: &str) -> String {
    format!(
        r#"<update author="linux-security@amazon.com" from="linux-security@amazon.com" status="final" type="{kind}" version="1.4">
        <id>{id}</id><title>Amazon Linux 2 - {id}: important priority package update for a &amp; b</title>
        <issued date="2022-06-06 17:58" /><updated date="2022-11-17 19:23" /><severity>Important</severity>
        <description><![CDATA[Package <updates> are available]]></description>
        <references><reference href="http://cve.mitre.org/cgi-bin/cvename.cgi?name=CVE-1&amp;a" id="CVE-1" title="" type="cve" />
        <reference href="https://rhn.redhat.com/errata/" id="RHSA-2011:1245" title="" type="redhat"></reference>
        <reference href="" id="CVE-2" type="cve"/></references>
        <pkglist><collection short="{collection}"><name>Amazon Linux</name>{package}</collection></pkglist></update>"#
    )
}

fn document(updates: &str) -> String {
    format!("<?xml version=\"1.0\" ?>\n<updates>{updates}</updates>\n")
}

const A: &str = r#"<package arch="x86_64" epoch="0" name="a" release="2.amzn2" version="1.0"><filename>Packages/a-1.0-2.amzn2.x86_64.rpm</filename></package>
    <package arch="aarch64" epoch="0" name="a" release="2.amzn2" version="1.0"><filename>Packages/a-1.0-2.amzn2.aarch64.rpm</filename></package>
    <package arch="noarch" epoch="32" name="a-doc" release="2.amzn2" version="1.0"/>"#;

#[test]
fn updates_by_installed_package() {
    let updates = [
        update("security", "ALAS2-2022-1", "amazon-linux-2", A),
        update("security", "ALAS-2011-1", "amazon-linux-ami", A),
        update("security", "ALAS2LIVEPATCH-2022-001", "amazon-linux-2---livepatch", A),
        update("bugfix", "ALAS2-2022-2", "amazon-linux-2", A),
        update("security", "ALAS2-2022-3", "amazon-linux-2", ""),
    ];
    let (outcome, snapshot) = read(&document(&updates.concat()));
    assert_eq!((outcome.read, outcome.kept), (5, 2));
    let reasons: Vec<_> = outcome.reasons.iter().map(|(reason, count)| (reason.as_str(), *count)).collect();
    assert_eq!(
        reasons,
        [
            ("a repository that is not supported yet", 1),
            ("mends no vulnerability", 1),
            ("names no package", 2),
        ]
    );
    let found = snapshot.lookup("Amazon Linux:2", "a").unwrap();
    let aliases: Vec<_> = found.iter().map(|advisory| advisory.aliases.join(" ")).collect();
    assert_eq!(aliases, ["CVE-1", "CVE-2"], "it stands for two vulnerabilities");
    assert_eq!((found[0].id.as_str(), found[0].source.as_str()), ("ALAS2-2022-1", "amazon"));
    assert_eq!(found[0].severity, Severity::High);
    assert!(found[0].summary.ends_with("important priority package update for a & b"));
    let fix = |package: &str| snapshot.lookup("Amazon Linux:2", package).unwrap()[0].ranges.clone();
    let until = |fix: &str| vec![Range { introduced: None, end: End::Fixed(fix.into()) }];
    assert_eq!((fix("a"), fix("a-doc")), (until("1.0-2.amzn2"), until("32:1.0-2.amzn2")));
    assert_eq!(snapshot.lookup("Amazon Linux:1", "a").unwrap()[0].id, "ALAS-2011-1");
    assert_eq!(snapshot.feeds()[0].as_of, "2022-11-17T19:23:00Z");
}

#[test]
fn an_extra_speaks_of_its_own_line_of_versions() {
    let php = r#"<package arch="x86_64" epoch="0" name="php-cli" release="1.amzn2" version="8.1.29"/>
        <package arch="x86_64" epoch="1" name="php-fpm" release="1.amzn2" version="8.1.29"/>
        <package arch="x86_64" epoch="0" name="php-pecl-redis" release="1.amzn2" version="5.3.7"/>"#;
    let docker = r#"<package arch="x86_64" epoch="0" name="docker" release="1.amzn2" version="20.10.25"/>"#;
    let updates = [
        update("security", "ALAS2PHP8.1-2024-1", "amazon-linux-2---php8.1", php),
        update("security", "ALAS2PHP8.2-2024-1", "amazon-linux-2---php8.2", &php.replace("8.1.29", "8.2.20")),
        update("security", "ALAS2DOCKER-2024-1", "amazon-linux-2---docker", docker),
        // One id in two repositories.
        update("security", "ALAS2-2024-1", "amazon-linux-2", &docker.replace("docker", "a")),
        update("security", "ALAS2-2024-1", "amazon-linux-2---redis6", &docker.replace("20.10.25", "6.2.14")),
    ];
    let (outcome, snapshot) = read(&document(&updates.concat()));
    assert_eq!((outcome.read, outcome.kept, outcome.not_understood), (5, 5, 2));
    assert_eq!(outcome.reasons.into_iter().collect::<Vec<_>>(), [("not understood".to_owned(), 2)]);
    let hits = |name: &str, version: &str| {
        let found = snapshot.lookup("Amazon Linux:2", name).unwrap().into_iter();
        let hit = found.filter(|advisory| {
            advisory.aliases == ["CVE-1"]
                && advisory.ranges.iter().any(|range| range.contains(Scheme::Rpm, version))
        });
        hit.map(|advisory| advisory.id).collect::<Vec<_>>().join(" ")
    };
    for (name, version, want) in [
        ("php-cli", "5.4.16-46.amzn2", ""),
        ("php-cli", "8.1.0-1.amzn2", "ALAS2PHP8.1-2024-1"),
        ("php-cli", "8.1.29-1.amzn2", ""),
        ("php-cli", "8.2.0-1.amzn2", "ALAS2PHP8.2-2024-1"),
        ("php-cli", "8.10.0-1.amzn2", ""),
        ("php-fpm", "1:8.1.28-1.amzn2", "ALAS2PHP8.1-2024-1"),
        ("php-fpm", "8.1.28-1.amzn2", ""),
        ("docker", "18.06-1.amzn2", "ALAS2DOCKER-2024-1"),
        ("a", "1-1", "ALAS2-2024-1"),
    ] {
        assert_eq!(hits(name, version), want, "{name} {version}");
    }
    let feed = snapshot.feeds().into_iter().find(|feed| feed.name == "Amazon Linux:2").unwrap();
    assert_eq!(feed.not_understood, 2);
}

#[test]
fn a_malformed_update_costs_itself() {
    let bad = r#"<package name="a" version="&bomb;"/>"#;
    let long = format!("<!--{}-->{A}", "- ".repeat(2 << 20));
    let updates = [
        update("security", "ALAS2-1", "amazon-linux-2", bad),
        update("security", "ALAS2-2", "amazon-linux-2", r#"<package name="a"/>"#),
        update("security", "&bomb;", "amazon-linux-2", A),
        update("security", "", "amazon-linux-2", A),
        update("security", "ALAS2-3", "amazon-linux-2", &long),
        "<update/>".to_owned(),
        update("security", "ALAS2-4", "amazon-linux-2", A),
    ];
    let (outcome, snapshot) = read(&document(&updates.concat()));
    assert_eq!((outcome.read, outcome.kept, outcome.skipped), (7, 1, 6));
    let named: Vec<_> = outcome.named().into_iter().map(|skipped| skipped.what.clone()).collect();
    let place = |index| format!("updateinfo.xml, update {index}");
    assert_eq!(named, [1, 2, 3, 4, 5, 6].map(place));
    assert_eq!(snapshot.lookup("Amazon Linux:2", "a").unwrap()[0].id, "ALAS2-4");
}

#[test]
fn what_cannot_be_trusted_ends_the_file() {
    let one = update("security", "ALAS2-1", "amazon-linux-2", A);
    let whole = document(&one);
    for (text, kept) in [
        (whole.replace("<updates>", "<!DOCTYPE a [<!ENTITY b \"c\">]><updates>"), 0),
        (whole.replace("</updates>", ""), 1),
        (format!("{whole}&bomb;"), 1),
        (document(&format!("{one}{}", one.replace("</pkglist>", ""))), 1),
        (document(&format!("{one}{}", &one[..200])).replace("</updates>", ""), 1),
    ] {
        let (outcome, _) = read(&text);
        let last = (outcome.kept, outcome.skipped, outcome.read);
        assert_eq!(last, (kept, 1, kept + 1), "{:?}", outcome.named());
        assert!(outcome.named().first().unwrap().why.starts_with("malformed from here on"));
    }
}

#[test]
fn times() {
    for (text, want) in [
        ("2022-11-17 19:23", Some("2022-11-17T19:23:00Z")),
        ("2023-02-22 23:22:00", Some("2023-02-22T23:22:00Z")),
        ("2024-01-01T00:00:00Z", Some("2024-01-01T00:00:00Z")),
        ("soon", None),
    ] {
        assert_eq!(time(text).map(|time| time.to_string()).as_deref(), want, "{text}");
    }
}
