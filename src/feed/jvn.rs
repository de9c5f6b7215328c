//! JVN iPedia, Japan's database of vulnerabilities (IPA and JPCERT/CC), as jvndb.jvn.jp publishes it for each year in two
//! forms, which the MyJVN API answers with too: summaries in JVNRSS 2.0 with mod_sec (`jvndb_2024.rdf`,
//! `getVulnOverviewList`) and whole notices in VULDEF 3.2 (`jvndb_detail_2024.rdf`, `getVulnDetailInfo`).
//!
//! Both speak of one CVE in the same words, so the newer counts.

use super::{
    Cut, Source, cvss,
    notice::{Notice, Rating},
    sink::Sink,
    walk::Document,
    xml::{self, Leaf, Place},
};

/// Documents of JVN.
pub(super) struct Jvn;

impl Source for Jvn {
    fn name(&self) -> &'static str {
        "jvn"
    }

    fn knows(&self, document: &Document) -> bool {
        let named = document.is_named(".rdf") || document.is_named(".xml");
        named && (is_detail(document) || document.mentions("//jvn.jp/rss/mod_sec/"))
    }

    fn read(&self, document: &Document, sink: &mut Sink<'_>) {
        if is_detail(document) {
            xml::records(document, ["VULDEF-Document", "Vulinfo"], sink, detail, hand_over);
        } else {
            xml::records(document, ["RDF", "item"], sink, summary, hand_over);
        }
    }

    /// Summaries are a tenth of the size, and the list before them would be in each piece.
    fn cut(&self, document: &Document) -> Option<Cut> {
        is_detail(document).then_some(Cut { record: "<Vulinfo>", close: "</VULDEF-Document>" })
    }
}

fn hand_over(notice: Notice, place: Place<'_>, sink: &mut Sink<'_>) {
    notice.hand_over("jvn", place, sink);
}

fn is_detail(document: &Document) -> bool {
    document.mentions("<VULDEF-Document")
}

/// One element of an `item` of JVNRSS.
fn summary(notice: &mut Notice, path: &[&str], leaf: &Leaf<'_>) {
    let attribute = |name| leaf.attribute(name).unwrap_or_default();
    match path {
        ["identifier"] => notice.id = leaf.text.to_owned(),
        ["references"] => notice.name(&attribute("id")),
        ["cpe"] => notice.products = true,
        ["cvss"] => {
            notice
                .ratings
                .push(Rating { vector: attribute("vector"), word: cvss::word(&attribute("severity")) });
        }
        ["modified"] => notice.time = leaf.text.parse().ok(),
        _ => {}
    }
}

/// One element of a `Vulinfo` of VULDEF.
fn detail(notice: &mut Notice, path: &[&str], leaf: &Leaf<'_>) {
    match path {
        ["VulinfoID"] => notice.id = leaf.text.to_owned(),
        ["VulinfoData", "Related", "RelatedItem", "VulinfoID"] => notice.name(leaf.text),
        ["VulinfoData", "Affected", "AffectedItem", "Name" | "ProductName" | "Cpe"] => notice.products = true,
        // A `Cvss` has its severity before its vector.
        ["VulinfoData", "Impact", "Cvss", "Severity"] => {
            notice.ratings.push(Rating { vector: String::new(), word: cvss::word(leaf.text) });
        }
        ["VulinfoData", "Impact", "Cvss", "Vector"] => {
            if notice.ratings.last().is_none_or(|rating| !rating.vector.is_empty()) {
                notice.ratings.push(Rating::default());
            }
            if let Some(rating) = notice.ratings.last_mut() {
                rating.vector = leaf.text.to_owned();
            }
        }
        ["VulinfoData", "DateLastUpdated"] => notice.time = leaf.text.parse().ok(),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        advisory::{Compiler, Fact, Snapshot},
        feed::{Outcome, import::import_document},
        finding::Severity,
    };

    fn read(name: &str, bytes: &[u8]) -> (Outcome, Snapshot) {
        let mut compiler = Compiler::default();
        let outcome = import_document(name, bytes, &mut compiler);
        (outcome, Snapshot::from_bytes(compiler.to_bytes().unwrap()).unwrap())
    }

    fn fact(snapshot: &Snapshot, id: &str) -> Fact {
        let said = snapshot.facts(id).unwrap().into_iter().find(|(database, _)| database == "jvn");
        said.map(|(_, fact)| fact).unwrap_or_default()
    }

    const RSS: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://purl.org/rss/1.0/"
 xmlns:dcterms="http://purl.org/dc/terms/" xmlns:sec="http://jvn.jp/rss/mod_sec/">
 <channel rdf:about="https://jvndb.jvn.jp/ja/rss/years/jvndb_2023.rdf"><title>JVNDB</title></channel>
 <item rdf:about="https://jvndb.jvn.jp/ja/contents/2023/JVNDB-2023-000001.html">
  <description>二つの脆弱性&#13;&lt;&amp;</description>
  <sec:identifier>JVNDB-2023-000001</sec:identifier>
  <sec:references source="JVN" id="JVN#16765254">https://jvn.jp/</sec:references>
  <sec:references source="CVE" id="CVE-2022-46648">https://www.cve.org/</sec:references>
  <sec:references source="NVD" id="CVE-2022-46648"/>
  <sec:references source="CVE" id="CVE-2022-47318"/>
  <sec:cpe version="2.2" vendor="x" product="y">cpe:/a:x:y</sec:cpe>
  <sec:cvss version="3.0" score="5.5" type="Base" severity="Medium" vector="CVSS:3.0/AV:N/AC:L/PR:L/UI:R/S:U/C:L/I:L/A:L"/>
  <sec:cvss version="2.0" score="9.3" type="Base" severity="High" vector="AV:N/AC:M/Au:N/C:C/I:C/A:C"/>
  <dcterms:modified>2023-01-05T12:02+09:00</dcterms:modified>
 </item>
 <item><sec:identifier>JVNDB-2023-000002</sec:identifier>
  <sec:cvss version="3.0" severity="Critical" vector="?"/><sec:references id="CWE-94"/></item>
 <item><sec:identifier/></item>
</rdf:RDF>"#;

    #[test]
    fn a_summary_speaks_of_each_cve_that_it_names() {
        let (outcome, snapshot) = read("jvndb_2023.rdf", RSS.as_bytes());
        assert_eq!((outcome.read, outcome.kept), (3, 2));
        let reasons: Vec<_> =
            outcome.reasons.iter().map(|(reason, count)| (reason.as_str(), *count)).collect();
        let products = ("products by CPE or in words, not by package", 1);
        assert_eq!(reasons, [("a CVSS vector that is not understood", 1), ("malformed", 1), products]);
        for id in ["CVE-2022-46648", "CVE-2022-47318"] {
            let fact = fact(&snapshot, id);
            let vector = "CVSS:3.0/AV:N/AC:L/PR:L/UI:R/S:U/C:L/I:L/A:L";
            assert_eq!((fact.severity, fact.vector.as_str()), (Severity::Medium, vector));
        }
        assert_eq!(
            fact(&snapshot, "JVNDB-2023-000002").severity,
            Severity::Critical,
            "its word, by its own id"
        );
        assert!(snapshot.facts("JVNDB-2023-000001").unwrap().is_empty());
        assert!(snapshot.facts("CWE-94").unwrap().is_empty());
    }

    #[test]
    fn a_notice_in_full_says_the_same() {
        let text = r#"<?xml version="1.0" encoding="UTF-8" ?>
<VULDEF-Document version="3.2" xmlns="http://jvn.jp/vuldef/"><Vulinfo><VulinfoID>JVNDB-2022-000001</VulinfoID><VulinfoData>
 <Affected><AffectedItem><Name>n</Name><VersionNumber/></AffectedItem></Affected>
 <Impact><Cvss version="2.0"><Severity type="Base">Low</Severity><Base>3.5</Base><Vector>AV:N/AC:M/Au:S/C:N/I:P/A:N</Vector></Cvss>
 <Cvss version="3.0"><Severity type="Base">Medium</Severity><Base>4.8</Base>
  <Vector>CVSS:3.0/AV:N/AC:L/PR:H/UI:R/S:C/C:L/I:L/A:N</Vector></Cvss><ImpactItem/></Impact>
 <Related><RelatedItem type="advisory"><Name>CVE</Name><VulinfoID>CVE-2021-20877</VulinfoID></RelatedItem></Related>
 <DateLastUpdated>2022-01-19T12:05:15+09:00</DateLastUpdated></VulinfoData></Vulinfo>
 <status:Status xmlns:status="http://jvndb.jvn.jp/myjvn/Status" retCd="0"/></VULDEF-Document>"#;
        let (outcome, snapshot) = read("jvndb_detail_2022.rdf", text.as_bytes());
        assert_eq!((outcome.read, outcome.kept, outcome.skipped), (1, 1, 1), "the products are left");
        let fact = fact(&snapshot, "CVE-2021-20877");
        let vector = "CVSS:3.0/AV:N/AC:L/PR:H/UI:R/S:C/C:L/I:L/A:N";
        assert_eq!((fact.severity, fact.vector.as_str()), (Severity::Medium, vector));
        let none = r#"<VULDEF-Document><status:Status retCd="1" errMsg="x"/></VULDEF-Document>"#;
        let (outcome, _) = read("a.xml", none.as_bytes());
        assert_eq!(outcome.named().first().unwrap().why, "no record in it");
    }

    #[test]
    fn the_newer_word_counts() {
        let item = |severity: &str, time: &str| {
            format!(
                r#"<item><sec:identifier>JVNDB-1</sec:identifier><sec:cvss severity="{severity}"/>
                <dcterms:modified>{time}</dcterms:modified></item>"#
            )
        };
        let (newer, older) = (item("Low", "2024-01-02T00:00+09:00"), item("High", "2024-01-01T23:00+09:00"));
        for items in [[&newer, &older], [&older, &newer]] {
            let text = format!("<rdf:RDF a='http://jvn.jp/rss/mod_sec/'>{}{}</rdf:RDF>", items[0], items[1]);
            let (outcome, snapshot) = read("a.rdf", text.as_bytes());
            assert_eq!(outcome.read, 2);
            assert_eq!(fact(&snapshot, "JVNDB-1").severity, Severity::Low);
        }
    }
}
