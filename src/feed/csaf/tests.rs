use super::*;
use crate::{
    advisory::{Advisory, Compiler, Snapshot},
    feed::{Outcome, import::import_document},
};

fn read(text: &str) -> (Outcome, Snapshot) {
    let mut compiler = Compiler::default();
    let outcome = import_document("2024/cve-2024-1.json", text.as_bytes(), &mut compiler);
    (outcome, Snapshot::from_bytes(compiler.to_bytes().unwrap()).unwrap())
}

/// Feed, name, state and end of the only advisory for a package.
fn said(snapshot: &Snapshot, feed: &str, name: &str) -> (State, Option<String>, Severity) {
    let [Advisory { state, ranges, severity, .. }] = &snapshot.lookup(feed, name).unwrap()[..] else {
        panic!("not one advisory for {name} in {feed}")
    };
    let end = ranges.first().map(|range| match &range.end {
        End::Fixed(version) => version.clone(),
        other => format!("{other:?}"),
    });
    (*state, end, *severity)
}

fn head(category: &str, publisher: &str, id: &str, more: &str) -> String {
    format!(
        r#""document": {{
            "aggregate_severity": {{"namespace": "https://rating.example/", "text": "moderate"}},
            "category": "{category}", "csaf_version": "2.0",
            "notes": [{{"category": "description", "text": "Words of it.", "title": "Description of the CVE"}}],
            "publisher": {{"category": "vendor", "name": "Security", "namespace": "{publisher}"}},
            "title": "SUSE CVE {id}",
            "tracking": {{"current_release_date": "2024-08-04T10:17:22+02:00", "id": "{id}", {more} "version": "3"}}}}"#
    )
}

fn product(kind: &str, id: &str, helper: &str) -> String {
    format!(
        r#"{{"category": "{kind}", "name": "{id}",
            "product": {{"name": "{id}", "product_id": "{id}", "product_identification_helper": {{{helper}}}}}}}"#
    )
}

fn part(of: &str, component: &str) -> String {
    format!(
        r#"{{"category": "default_component_of",
            "full_product_name": {{"name": "{component} as a component of {of}", "product_id": "{of}:{component}"}},
            "product_reference": "{component}", "relates_to_product_reference": "{of}"}}"#
    )
}

const RED_HAT: &str = "https://www.redhat.com";

/// A document of Red Hat's: its products and components, and what `vulnerability` says.
fn red_hat(vulnerability: &str) -> String {
    let cpe = |id: &str, cpe: &str| product("product_name", id, &format!(r#""cpe": "{cpe}""#));
    let purl = |id: &str, purl: &str| product("product_version", id, &format!(r#""purl": "pkg:{purl}""#));
    let products = [
        cpe("AppStream-9.3.0.Z.MAIN", "cpe:/a:redhat:enterprise_linux:9::appstream"),
        cpe("AppStream-8.9.0.Z.MAIN", "cpe:/a:redhat:enterprise_linux:8::appstream"),
        cpe("AppStream-9.2.0.Z.EUS", "cpe:/a:redhat:rhel_eus:9.2::appstream"),
        cpe("red_hat_enterprise_linux_9", "cpe:/o:redhat:enterprise_linux:9"),
        cpe("9Base-RHOSE-4.16", "cpe:/a:redhat:openshift:4.16::el9"),
    ];
    let components = [
        purl("vim-2:8.2-9.el9.src", "rpm/redhat/vim@8.2-9.el9?arch=src&epoch=2"),
        purl("vim-minimal-2:8.2-9.el9.x86_64", "rpm/redhat/vim-minimal@8.2-9.el9?arch=x86_64&epoch=2"),
        purl("vim-minimal-2:8.2-12.el9.x86_64", "rpm/redhat/vim-minimal@8.2-12.el9?arch=x86_64&epoch=2"),
        purl("vim-debuginfo-2:8.2-9.el9.x86_64", "rpm/redhat/vim-debuginfo@8.2-9.el9?arch=x86_64&epoch=2"),
        purl(
            "nodejs-1:18.1-1.module+el8.x86_64",
            "rpm/redhat/nodejs@18.1-1.module%2Bel8?arch=x86_64&epoch=1",
        ),
        purl("nodejs:18:8090:rhel8", "rpmmod/redhat/nodejs@18:8090:rhel8"),
        purl("npm-0:9-1.module.x86_64", "rpm/redhat/npm@9-1.module?arch=x86_64&rpmmod=nodejs:18:8090:rhel8"),
        purl("gcc", "rpm/redhat/gcc?arch=src"),
        purl("zip", "rpm/redhat/zip?arch=src"),
        purl("zlib", "rpm/redhat/zlib?arch=src"),
        purl("tar", "rpm/redhat/tar?arch=src"),
        purl("bash", "rpm/redhat/bash?arch=src"),
        purl("sed", "rpm/redhat/sed?arch=src"),
        purl("php:8.2/php", "rpm/redhat/php@8.2?arch=src&rpmmod=php:8.2"),
        purl("flat", "rpm/redhat/flat?arch=src&rpmmod=rhel10"),
        purl("ose-cli", "oci/ose-cli?tag=v4"),
    ];
    let main = "AppStream-9.3.0.Z.MAIN";
    let module = "AppStream-8.9.0.Z.MAIN:nodejs:18:8090:rhel8";
    let mut parts = vec![
        part("AppStream-9.2.0.Z.EUS", "vim-minimal-2:8.2-9.el9.x86_64"),
        part("9Base-RHOSE-4.16", "vim-minimal-2:8.2-9.el9.x86_64"),
        part("AppStream-8.9.0.Z.MAIN", "nodejs:18:8090:rhel8"),
        part(module, "nodejs-1:18.1-1.module+el8.x86_64"),
        part("AppStream-8.9.0.Z.MAIN", "npm-0:9-1.module.x86_64"),
    ];
    for rpm in [
        "8.2-9.el9.src",
        "minimal-2:8.2-9.el9.x86_64",
        "minimal-2:8.2-12.el9.x86_64",
        "debuginfo-2:8.2-9.el9.x86_64",
    ] {
        let name = if rpm.ends_with("src") { format!("vim-2:{rpm}") } else { format!("vim-{rpm}") };
        parts.push(part(main, &name));
    }
    for name in ["gcc", "zip", "zlib", "tar", "bash", "sed", "php:8.2/php", "flat", "ose-cli"] {
        parts.push(part("red_hat_enterprise_linux_9", name));
    }
    let document = head("csaf_vex", RED_HAT, "CVE-2024-1", r#""status": "final","#);
    format!(
        r#"{{{document}, "product_tree": {{"branches": [{{"branches": [
            {{"branches": [{}], "category": "product_family", "name": "Red Hat Enterprise Linux"}},
            {{"branches": [{}], "category": "architecture", "name": "x86_64"}}],
            "category": "vendor", "name": "Red Hat"}}], "relationships": [{}]}},
            "vulnerabilities": [{{"cve": "CVE-2024-1", {vulnerability} "title": "vim: a \"word\" too long"}}]}}"#,
        products.join(","),
        components.join(","),
        parts.join(",")
    )
}

#[test]
fn what_red_hat_says_of_a_release() {
    let (outcome, snapshot) = read(&red_hat(
        r#""product_status": {
            "fixed": ["AppStream-9.3.0.Z.MAIN:vim-2:8.2-9.el9.src", "AppStream-9.3.0.Z.MAIN:vim-minimal-2:8.2-12.el9.x86_64",
                "AppStream-9.3.0.Z.MAIN:vim-minimal-2:8.2-9.el9.x86_64",
                "AppStream-9.3.0.Z.MAIN:vim-debuginfo-2:8.2-9.el9.x86_64",
                "AppStream-9.2.0.Z.EUS:vim-minimal-2:8.2-9.el9.x86_64",
                "9Base-RHOSE-4.16:vim-minimal-2:8.2-9.el9.x86_64",
                "AppStream-8.9.0.Z.MAIN:nodejs:18:8090:rhel8:nodejs-1:18.1-1.module+el8.x86_64",
                "AppStream-8.9.0.Z.MAIN:npm-0:9-1.module.x86_64", "nobody:knows", "9Base-RHOSE-4.16"],
            "known_affected": ["red_hat_enterprise_linux_9:gcc", "red_hat_enterprise_linux_9:zip",
                "red_hat_enterprise_linux_9:zlib", "red_hat_enterprise_linux_9:tar",
                "red_hat_enterprise_linux_9:php:8.2/php", "red_hat_enterprise_linux_9:flat",
                "red_hat_enterprise_linux_9:ose-cli"],
            "known_not_affected": ["red_hat_enterprise_linux_9:bash"],
            "under_investigation": ["red_hat_enterprise_linux_9:sed", "red_hat_enterprise_linux_9:gcc"]},
           "remediations": [
            {"category": "vendor_fix", "details": "Fixed", "product_ids": [], "url": "https://errata.example/1"},
            {"category": "workaround", "details": "Mitigation", "product_ids": ["red_hat_enterprise_linux_9:gcc"]},
            {"category": "none_available", "details": "Affected", "product_ids": ["red_hat_enterprise_linux_9:gcc"]},
            {"category": "none_available", "details": "Fix deferred", "product_ids": ["red_hat_enterprise_linux_9:zip"]},
            {"category": "no_fix_planned", "details": "Will not fix", "product_ids": ["red_hat_enterprise_linux_9:zlib"]},
            {"category": "no_fix_planned", "details": "Out of support scope",
                "product_ids": ["red_hat_enterprise_linux_9:tar"]}],
           "scores": [{"cvss_v3": {"baseScore": 5.9, "version": "3.1",
                "vectorString": "CVSS:3.1/AV:N/AC:H/PR:N/UI:N/S:U/C:N/I:N/A:H"}, "products": []}],
           "threats": [{"category": "impact", "details": "Low", "product_ids": ["red_hat_enterprise_linux_9:zip"]},
            {"category": "exploit_status", "details": "None"},
            {"category": "impact", "details": "Important", "product_ids": ["red_hat_enterprise_linux_9:gcc"]}],"#,
    ));
    let (open, high) = (|| Some("Open".to_owned()), Severity::High);
    let fixed = |version: &str| (State::Affected, Some(version.to_owned()), high);
    assert_eq!(said(&snapshot, "Red Hat:9", "vim-minimal"), fixed("2:8.2-12.el9"), "the higher of two fixes");
    assert_eq!(said(&snapshot, "Red Hat:8", "nodejs:18/nodejs"), fixed("1:18.1-1.module+el8"));
    assert_eq!(said(&snapshot, "Red Hat:8", "nodejs:18/npm"), fixed("9-1.module"));
    assert_eq!(said(&snapshot, "Red Hat:9", "gcc"), (State::Affected, open(), high));
    assert_eq!(said(&snapshot, "Red Hat:9", "zip"), (State::Postponed, open(), Severity::Low));
    assert_eq!(said(&snapshot, "Red Hat:9", "zlib"), (State::Ignored, open(), high));
    assert_eq!(said(&snapshot, "Red Hat:9", "tar"), (State::EndOfLife, open(), high));
    assert_eq!(said(&snapshot, "Red Hat:9", "sed"), (State::Undetermined, open(), high));
    assert_eq!(said(&snapshot, "Red Hat:9", "bash"), (State::NotAffected, None, Severity::Unknown));
    assert_eq!(said(&snapshot, "Red Hat:9", "php:8.2/php"), (State::Affected, open(), high));
    for name in ["vim", "vim-debuginfo", "nodejs", "npm", "php", "flat"] {
        assert_eq!(snapshot.lookup("Red Hat:9", name).unwrap(), [], "{name}");
        assert_eq!(snapshot.lookup("Red Hat:8", name).unwrap(), [], "{name}");
    }
    let advisory = &snapshot.lookup("Red Hat:9", "gcc").unwrap()[0];
    assert_eq!((advisory.id.as_str(), advisory.source.as_str()), ("CVE-2024-1", "redhat"));
    assert_eq!(advisory.summary, "vim: a \"word\" too long");
    let (database, fact) = &snapshot.facts("CVE-2024-1").unwrap()[0];
    assert_eq!(database, "redhat");
    assert_eq!((fact.severity, fact.vector.as_str()), (high, "CVSS:3.1/AV:N/AC:H/PR:N/UI:N/S:U/C:N/I:N/A:H"));
    assert_eq!((outcome.read, outcome.kept, outcome.not_understood), (1, 1, 1));
    let reasons: Vec<_> = outcome.reasons.iter().map(|(reason, count)| (reason.as_str(), *count)).collect();
    assert_eq!(
        reasons,
        [
            ("a stream of extended support", 1),
            ("another product than a release of the system", 1),
            ("no rpm", 1),
            ("not in the product tree", 1),
            ("not understood", 1),
        ]
    );
    let why: Vec<_> = outcome.named().into_iter().map(|skipped| skipped.why.as_str()).collect();
    assert!(why.contains(&"another product than a release of the system: 2 of its products"), "{why:?}");
    let feed = snapshot.feeds().into_iter().find(|feed| feed.name == "Red Hat:9").unwrap();
    assert_eq!((feed.as_of.as_str(), feed.not_understood), ("2024-08-04T08:17:22Z", 1));
}

const SUSE: &str = "https://www.suse.com/";

fn suse(category: &str, id: &str, statuses: &str) -> String {
    let cpe = |id: &str, cpe: &str| product("product_name", id, &format!(r#""cpe": "{cpe}""#));
    let products = [
        cpe("SUSE Linux Enterprise Module for Basesystem 15 SP5", "cpe:/o:suse:sle-module-basesystem:15:sp5"),
        cpe("SUSE Linux Enterprise Server 15 SP5-LTSS", "cpe:/o:suse:sles-ltss:15:sp5"),
        cpe("SUSE Linux Enterprise Module for Basesystem 15 SP5", "cpe:/o:suse:sle-module-basesystem:15:sp5"),
        cpe("SUSE Manager Proxy 4.2", "cpe:/o:suse:suse-manager-proxy:4.2"),
        cpe("openSUSE Leap 15.6", "cpe:/o:opensuse:leap:15.6"),
        product("product_version", "ctdb", r#""cpe": "cpe:2.3:a:ctdb_project:ctdb:*:*:*:*:*:*:*:*""#),
        product("product_version", "ctdb-4.15-150500.1.1", ""),
        product("product_version", "ctdb-4.15-150500.1.1.x86_64", ""),
    ];
    let server = "SUSE Linux Enterprise Server 15 SP5-LTSS";
    let parts = [
        part("SUSE Linux Enterprise Module for Basesystem 15 SP5", "ctdb"),
        part("SUSE Manager Proxy 4.2", "ctdb"),
        part("openSUSE Leap 15.6", "ctdb"),
        part(server, "ctdb-4.15-150500.1.1"),
        part(server, "ctdb-4.15-150500.1.1.x86_64"),
    ];
    format!(
        r#"{{{}, "product_tree": {{"branches": [{{"branches": [{}], "category": "vendor", "name": "SUSE"}}],
            "relationships": [{}]}}, "vulnerabilities": [{{"cve": "CVE-2024-2", "product_status": {{{statuses}}},
            "threats": [{{"category": "impact", "date": "2024-01-01T00:00:00Z", "details": "important"}}],
            "title": "CVE-2024-2"}}]}}"#,
        head(category, SUSE, id, ""),
        products.join(","),
        parts.join(",")
    )
}

#[test]
fn what_suse_says_of_a_release() {
    let (outcome, snapshot) = read(&suse(
        "csaf_vex",
        "CVE-2024-2",
        r#""recommended": ["SUSE Linux Enterprise Server 15 SP5-LTSS:ctdb-4.15-150500.1.1"],
           "known_affected": ["SUSE Linux Enterprise Module for Basesystem 15 SP5:ctdb", "SUSE Manager Proxy 4.2:ctdb"],
           "known_not_affected": ["openSUSE Leap 15.6:ctdb"]"#,
    ));
    let fixed = Some("4.15-150500.1.1".to_owned());
    let server = "SUSE:15.5";
    assert_eq!(said(&snapshot, server, "ctdb"), (State::Affected, fixed, Severity::High), "one has the fix");
    assert_eq!(said(&snapshot, "openSUSE:15.6", "ctdb"), (State::NotAffected, None, Severity::Unknown));
    let advisory = &snapshot.lookup(server, "ctdb").unwrap()[0];
    assert_eq!((advisory.source.as_str(), advisory.summary.as_str()), ("suse", "Words of it."));
    assert_eq!((outcome.read, outcome.kept, outcome.skipped), (1, 1, 1));
}

#[test]
fn an_advisory_stands_for_each_of_its_vulnerabilities() {
    let (outcome, snapshot) = read(&suse(
        "csaf_security_advisory",
        "SUSE-SU-2024:1-1",
        r#""recommended": ["SUSE Linux Enterprise Server 15 SP5-LTSS:ctdb-4.15-150500.1.1.x86_64"]"#,
    ));
    let advisory = &snapshot.lookup("SUSE:15.5", "ctdb").unwrap()[0];
    assert_eq!(
        (advisory.id.as_str(), &advisory.aliases[..]),
        ("SUSE-SU-2024:1-1", &["CVE-2024-2".to_owned()][..])
    );
    assert_eq!((outcome.kept, outcome.skipped), (1, 0));
}

#[test]
fn what_is_left_has_its_reason() {
    let why = |text: &str| {
        let (outcome, _) = read(text);
        assert_eq!((outcome.read, outcome.kept, outcome.skipped), (1, 0, 1));
        outcome.named().first().unwrap().why.clone()
    };
    let only = |category, publisher, more| format!("{{{}}}", head(category, publisher, "CVE-2024-3", more));
    assert_eq!(why(&only("csaf_vex", SUSE, "")), "names no vulnerability");
    assert_eq!(why(&only("csaf_vex", RED_HAT, r#""status": "deleted","#)), "withdrawn");
    assert!(why(&only("csaf_vex", "https://other.example", "")).starts_with("CSAF of another publisher"));
    assert!(why(&only("csaf_base", SUSE, "")).starts_with("CSAF of another category"));
    assert!(why(&only("csaf_vex", SUSE, r#""status": 7,"#)).starts_with("malformed: "));
    assert!(why(&only("csaf_vex", SUSE, "")[..400]).starts_with("malformed: "));
}
