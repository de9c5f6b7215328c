//! SUSE's records, which name their products and rpms in a way of their own (ftp.suse.com/pub/projects/security/osv).
//!
//! An ecosystem is a product, `SUSE:Linux Enterprise Module for Basesystem 15 SP5`, and an image tells no more than its release;
//! a package is a source, and beside it stands what was built of all sources of the record:
//!
//! ```json
//! {"package": {"ecosystem": "openSUSE:Leap 15.6", "name": "cpio"},
//!  "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "2.13-150400.3.6.1"}]}],
//!  "ecosystem_specific": {"binaries": [{"cpio": "2.13-150400.3.6.1", "cpio-lang": "2.13-150400.3.6.1"}]}}
//! ```
//!
//! So the products of a release are one feed, and rpms are taken, as of the CSAF documents. Only what is fixed has a record.

use super::record::Affected;
use crate::{
    advisory::{End, Range, State},
    feed::sink::Package,
    finding::Severity,
    version::Scheme,
};

/// The feed of the release that a product is of, such as `SUSE:15.5`; `None` for what is no product of SUSE's, an error for one
/// that no image is of by its os-release.
pub(super) fn feed(ecosystem: &str) -> Result<Option<String>, ()> {
    let Some((family @ ("SUSE" | "openSUSE"), product)) = ecosystem.split_once(':') else { return Ok(None) };
    let release = match (family, product.strip_prefix("Linux Enterprise ")) {
        // Long service is of the same packages.
        ("SUSE", Some(product)) => {
            let product = product.split("-LTSS").next().unwrap_or_default();
            match product.strip_prefix("Server ") {
                Some(release) => numbers(release),
                None => product.strip_prefix("Module for ").and_then(of_module),
            }
        }
        ("openSUSE", _) if product == "Tumbleweed" => Some("tumbleweed".to_owned()),
        ("openSUSE", _) => product.strip_prefix("Leap ").and_then(numbers),
        _ => None,
    };
    release.map(|release| Some(format!("{family}:{release}"))).ok_or(())
}

/// `15 SP5` is release 15.5; there are `15` and `16.0` too.
fn numbers(release: &str) -> Option<String> {
    let is_number =
        |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let numbers = match release.split_once(" SP") {
        Some((version, pack)) => format!("{version}.{pack}"),
        None => release.to_owned(),
    };
    is_number(&numbers).then_some(numbers)
}

/// The release behind a module's name, which may end in a number itself: `Python 3 15 SP5`.
fn of_module(module: &str) -> Option<String> {
    let words = if module.rsplit(' ').next()?.starts_with("SP") { 2 } else { 1 };
    let (at, _) = module.rmatch_indices(' ').nth(words - 1)?;
    numbers(&module[at + 1..])
}

/// The rpms of an entry of `feed`, each with its first version with the fix; an error says what is not understood.
pub(super) fn packages(entry: &Affected, feed: &str, severity: Severity) -> Result<Vec<Package>, String> {
    let mut wrong = None;
    let (ranges, versions) = entry.versions(Scheme::Rpm, &mut |what| wrong = Some(what));
    if let Some(wrong) = wrong {
        return Err(wrong);
    }
    let is_fix = |range: &Range| range.introduced.is_none() && matches!(range.end, End::Fixed(_));
    if !versions.is_empty() || !ranges.iter().all(is_fix) {
        return Err("more than versions with the fix".to_owned());
    }
    let lists = entry.binaries().into_iter().flatten();
    let rpms = lists.flat_map(|list| list.as_object().into_iter().flatten()).map(|(name, version)| {
        let version = version.as_str().filter(|version| Scheme::Rpm.check(version).is_ok());
        let version = version.ok_or_else(|| format!("the version of {name}"))?.to_owned();
        Ok(Package {
            ecosystem: feed.to_owned(),
            name: name.clone(),
            severity,
            state: State::Affected,
            ranges: vec![Range { introduced: None, end: End::Fixed(version) }],
            versions: Vec::new(),
        })
    });
    let rpms = rpms.collect::<Result<Vec<_>, String>>()?;
    if rpms.is_empty() { Err("no rpm is named".to_owned()) } else { Ok(rpms) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        advisory::{Compiler, Snapshot},
        feed::import::import_document,
    };

    #[test]
    fn feeds_of_products() {
        for (ecosystem, want) in [
            ("SUSE:Linux Enterprise Server 15 SP5", Ok(Some("SUSE:15.5"))),
            ("SUSE:Linux Enterprise Server 15 SP5-LTSS", Ok(Some("SUSE:15.5"))),
            ("SUSE:Linux Enterprise Server 12 SP5-LTSS Extended Security", Ok(Some("SUSE:12.5"))),
            ("SUSE:Linux Enterprise Server 12-LTSS", Ok(Some("SUSE:12"))),
            ("SUSE:Linux Enterprise Server 16.0", Ok(Some("SUSE:16.0"))),
            ("SUSE:Linux Enterprise Module for Basesystem 15 SP5", Ok(Some("SUSE:15.5"))),
            ("SUSE:Linux Enterprise Module for Python 3 15 SP5", Ok(Some("SUSE:15.5"))),
            ("SUSE:Linux Enterprise Module for Basesystem 15", Ok(Some("SUSE:15"))),
            ("openSUSE:Leap 15.6", Ok(Some("openSUSE:15.6"))),
            ("openSUSE:Tumbleweed", Ok(Some("openSUSE:tumbleweed"))),
            ("SUSE:Linux Enterprise Server for SAP Applications 15 SP5", Err(())),
            ("SUSE:Linux Enterprise Server 12 SP2-BCL", Err(())),
            ("SUSE:Linux Enterprise Micro 5.5", Err(())),
            ("SUSE:Linux Enterprise Module for Containers", Err(())),
            ("SUSE:Linux Enterprise Server ", Err(())),
            ("SUSE:Package Hub 12", Err(())),
            ("openSUSE:Leap 15.5 NonFree", Err(())),
            ("openSUSE:Leap Micro 5.5", Err(())),
            ("SUSE", Ok(None)),
            ("Debian:12", Ok(None)),
        ] {
            assert_eq!(feed(ecosystem), want.map(|feed| feed.map(str::to_owned)), "{ecosystem}");
        }
    }

    /// As SUSE has them: the same rpms beside each source and product.
    #[test]
    fn an_update_is_of_the_rpms_that_were_built() {
        let entry = |product: &str, source: &str, specific: &str| {
            format!(
                r#"{{"package":{{"ecosystem":"{product}","name":"{source}","purl":"pkg:rpm/suse/{source}&distro=x"}},
                "ranges":[{{"type":"ECOSYSTEM","events":[{{"introduced":"0"}},{{"fixed":"5.1-85.3"}}]}}]{specific}}}"#
            )
        };
        let built =
            r#","ecosystem_specific":{"binaries":[{"chromium":"5.1-85.3","libImlib2-1":"1.4.5-5.1"}]}"#;
        let (server, leap) = ("SUSE:Linux Enterprise Server 15 SP5-LTSS", "openSUSE:Leap 15.5");
        let module = "SUSE:Linux Enterprise Module for Basesystem 15 SP5";
        let entries = [
            entry(server, "chromium", built),
            entry(server, "imlib2", built),
            entry(module, "chromium", &built.replace("85.3", "86.1")),
            entry(leap, "chromium", built),
            entry("SUSE:Package Hub 12", "chromium", built),
            entry(leap, "other", ""),
            entry(leap, "other", &built.replace("\"5.1-85.3\"", "7")),
            entry(leap, "other", built).replace("\"introduced\":\"0\"", "\"introduced\":\"1\""),
        ];
        let text = format!(
            r#"{{"id":"SUSE-SU-2024:1-1","modified":"2024-01-27T18:38:10Z","related":["CVE-2024-1","CVE-2024-2"],
            "summary":"Security update for chromium","affected":[{}]}}"#,
            entries.join(",")
        );
        let mut compiler = Compiler::default();
        let outcome = import_document("a.json", text.as_bytes(), &mut compiler);
        let snapshot = Snapshot::from_bytes(compiler.to_bytes().unwrap()).unwrap();
        let said = |feed: &str, name: &str| {
            let ends = |range: &Range| match &range.end {
                End::Fixed(fix) => fix.clone(),
                other => format!("{other:?}"),
            };
            let found = snapshot.lookup(feed, name).unwrap().into_iter();
            let tell = found.map(|found| {
                let fixes: Vec<_> = found.ranges.iter().map(ends).collect();
                format!("{} {} {} {}", found.source, found.id, found.aliases.join("+"), fixes.join("+"))
            });
            tell.collect::<Vec<_>>()
        };
        let each = |fixes: &str| {
            ["CVE-2024-1", "CVE-2024-2"].map(|cve| format!("suse SUSE-SU-2024:1-1 {cve} {fixes}"))
        };
        assert_eq!(said("SUSE:15.5", "chromium"), each("5.1-85.3+5.1-86.1"));
        assert_eq!(said("SUSE:15.5", "libImlib2-1"), each("1.4.5-5.1"));
        assert_eq!(said("openSUSE:15.5", "chromium"), each("5.1-85.3"));
        assert_eq!((said("SUSE:15.5", "imlib2"), said("SUSE:12", "chromium")), (Vec::new(), Vec::new()));
        let reasons: Vec<_> =
            outcome.reasons.iter().map(|(reason, count)| (reason.as_str(), *count)).collect();
        assert_eq!(
            reasons,
            [("a product of SUSE that is no release of the system", 1), ("not understood", 3)]
        );
        assert_eq!((outcome.kept, outcome.not_understood), (1, 1));
        let leap = snapshot.feeds().into_iter().find(|feed| feed.name == "openSUSE:15.5").unwrap();
        assert_eq!((leap.records, leap.not_understood), (1, 1));
    }
}
