//! BDU, the database of threats to the security of information that Russia's FSTEC keeps, as bdu.fstec.ru publishes it
//! whole: `vulxml.zip`, which holds one document of half a gigabyte (`export/export.xml`, or `vullist.xml` by itself).
//!
//! There is no published schema; the form is that of the export of 2024 to 2026: `vulnerabilities/vul` with `identifier`,
//! `cvss`, `cvss3` and `cvss4`, each a `vector` without the prefix of its version, and `identifiers/identifier` by type.

use jiff::Timestamp;

use super::{
    Cut, Source, cvss,
    notice::{Notice, Rating},
    sink::Sink,
    walk::Document,
    xml::{self, Leaf, Place},
};
use crate::finding::Severity;

/// The export of BDU.
pub(super) struct Bdu;

impl Source for Bdu {
    fn name(&self) -> &'static str {
        "bdu"
    }

    fn knows(&self, document: &Document) -> bool {
        document.is_named(".xml") && document.mentions("<vulnerabilities") && document.mentions("<vul>")
    }

    fn read(&self, document: &Document, sink: &mut Sink<'_>) {
        xml::records(document, ["vulnerabilities", "vul"], sink, Vul::leaf, Vul::hand_over);
    }

    fn cut(&self, _document: &Document) -> Option<Cut> {
        Some(Cut { record: "<vul>", close: "</vulnerabilities>" })
    }
}

#[derive(Default)]
struct Vul {
    notice: Notice,
    /// How bad, in a sentence for each version of CVSS.
    severity: String,
}

impl Vul {
    fn leaf(&mut self, path: &[&str], leaf: &Leaf<'_>) {
        let Self { notice, severity } = self;
        match path {
            ["identifier"] => notice.id = leaf.text.to_owned(),
            ["identifiers", "identifier"] if leaf.attribute("type").is_some_and(|kind| kind == "CVE") => {
                notice.name(leaf.text);
            }
            // An empty one stands for none.
            ["cvss" | "cvss3" | "cvss4", "vector"] if !leaf.text.is_empty() => {
                notice.ratings.push(Rating { vector: leaf.text.to_owned(), word: None });
            }
            ["severity"] => *severity = leaf.text.to_owned(),
            ["vulnerable_software", "soft", "name"] => notice.products = true,
            ["last_upd_date"] => notice.time = day(leaf.text).or(notice.time),
            ["publication_date"] => notice.time = notice.time.or_else(|| day(leaf.text)),
            _ => {}
        }
    }

    fn hand_over(self, place: Place<'_>, sink: &mut Sink<'_>) {
        let Self { mut notice, severity } = self;
        // A vector has no prefix; which version 3 it is stands in the sentence alone, and changes no score.
        let third = if severity.contains("CVSS 3.1") { "CVSS:3.1/" } else { "CVSS:3.0/" };
        for Rating { vector, .. } in &mut notice.ratings {
            match cvss::version(vector) {
                Some(3) if !vector.starts_with("CVSS:") => vector.insert_str(0, third),
                Some(4) if !vector.starts_with("CVSS:") => vector.insert_str(0, "CVSS:4.0/"),
                _ => {}
            }
        }
        notice.ratings.push(Rating { vector: String::new(), word: word(&severity) });
        notice.hand_over("bdu", place, sink);
    }
}

/// `10.01.2024`, the day of a month of a year, as the beginning of that day.
fn day(text: &str) -> Option<Timestamp> {
    let mut parts = text.splitn(3, '.');
    let (day, month, year) = (parts.next()?, parts.next()?, parts.next()?);
    format!("{year}-{month}-{day}T00:00:00Z").parse().ok()
}

/// The rating that a sentence names last: those of newer versions of CVSS follow the older.
fn word(severity: &str) -> Option<Severity> {
    let severity = severity.to_lowercase();
    let words = [
        ("критическ", Severity::Critical),
        ("высок", Severity::High),
        ("средн", Severity::Medium),
        ("низк", Severity::Low),
    ];
    let named = words.iter().filter_map(|(stem, rating)| Some((severity.rfind(stem)?, *rating)));
    named.max().map(|(_, rating)| rating)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        advisory::{Compiler, Fact, Snapshot},
        feed::{Outcome, import::import_document},
    };

    fn read(bytes: &[u8]) -> (Outcome, Snapshot) {
        let mut compiler = Compiler::default();
        let outcome = import_document("export/export.xml", bytes, &mut compiler);
        (outcome, Snapshot::from_bytes(compiler.to_bytes().unwrap()).unwrap())
    }

    fn export(records: &str) -> String {
        format!("<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<vulnerabilities>{records}</vulnerabilities>")
    }

    fn fact(snapshot: &Snapshot, id: &str) -> Fact {
        let said = snapshot.facts(id).unwrap().into_iter().find(|(database, _)| database == "bdu");
        said.map(|(_, fact)| fact).unwrap_or_default()
    }

    const FULL: &str = r#"
  <vul>
    <identifier>BDU:2024-00001</identifier>
    <name>Уязвимость &quot;а&quot;</name>
    <vulnerable_software><soft><vendor>v</vendor><name>n</name><version>от 8.6 до 9.8</version><types><type>t</type></types></soft></vulnerable_software>
    <cwes><cwe><identifier>CWE-89</identifier></cwe></cwes>
    <publication_date>02.01.2024</publication_date><last_upd_date>10.01.2024</last_upd_date>
    <cvss><vector score="10">AV:N/AC:L/Au:N/C:C/I:C/A:C</vector></cvss>
    <cvss3><vector score="8,1">AV:N/AC:H/PR:N/UI:N/S:U/C:H/I:H/A:H</vector></cvss3>
    <cvss4><vector score="0"></vector></cvss4>
    <severity>Критический уровень опасности (оценка CVSS 2.0 составляет 10) Высокий уровень (оценка CVSS 3.1 составляет 8,1)</severity>
    <identifiers><identifier type="CVE" link="https://x/">CVE-2024-1111</identifier>
      <identifier type="CVE">CVE-2024-2222 </identifier><identifier type="DSA">DSA-1-1</identifier></identifiers>
  </vul>"#;

    #[test]
    fn a_record_speaks_of_each_cve_that_it_names() {
        let (outcome, snapshot) = read(export(FULL).as_bytes());
        assert_eq!((outcome.read, outcome.kept, outcome.skipped), (1, 1, 1), "the products are left");
        for id in ["CVE-2024-1111", "CVE-2024-2222"] {
            let fact = fact(&snapshot, id);
            let vector = "CVSS:3.1/AV:N/AC:H/PR:N/UI:N/S:U/C:H/I:H/A:H";
            assert_eq!((fact.severity, fact.vector.as_str()), (Severity::High, vector));
        }
    }

    #[test]
    fn what_names_no_cve_is_kept_by_its_own_id() {
        let record = "<vul><identifier>BDU:2024-00002</identifier><severity>Средний уровень</severity><identifiers/></vul>";
        let (outcome, snapshot) = read(export(record).as_bytes());
        assert_eq!((outcome.read, outcome.kept, outcome.skipped), (1, 1, 0));
        let fact = fact(&snapshot, "BDU:2024-00002");
        assert_eq!((fact.severity, fact.vector.as_str()), (Severity::Medium, ""));
    }

    #[test]
    fn days() {
        assert_eq!(day("10.01.2024").unwrap().to_string(), "2024-01-10T00:00:00Z");
        for text in ["", "2024-01-10", "31.02.2024", "1.2"] {
            assert_eq!(day(text), None, "{text}");
        }
    }

    #[test]
    fn the_last_sentence_counts() {
        assert_eq!(word("Высокий уровень (CVSS 2.0)\nКритический (CVSS 3.0)"), Some(Severity::Critical));
        assert_eq!(word("НИЗКИЙ"), Some(Severity::Low));
        assert_eq!(word("?"), None);
    }

    #[test]
    fn a_broken_document_keeps_what_came_before_and_names_the_byte() {
        let whole = export(&format!("{FULL}<vul><identifier>BDU:2</identifier></vul>"));
        let second = whole.find("<vul><identifier>BDU:2").unwrap();
        let broken = |text: String| {
            let (outcome, snapshot) = read(text.as_bytes());
            assert_eq!((outcome.read, outcome.kept), (2, 1), "{text}");
            assert_eq!(fact(&snapshot, "CVE-2024-1111").severity, Severity::High);
            let named =
                outcome.named().into_iter().find(|skipped| skipped.why.starts_with("malformed from here on"));
            let named = named.unwrap();
            let at = named.what.strip_prefix("export/export.xml, byte ").unwrap().parse::<usize>().unwrap();
            assert!(at >= second && at <= text.len(), "{at} {text}");
            named.why.clone()
        };
        let insert = |part: &str| [&whole[..second], part, &whole[second..]].concat();
        for (part, why) in [
            ("<a></b>", "expected `</a>`"),
            ("<a>&own;</a>", "no entity of XML itself"),
            ("<!DOCTYPE x [<!ENTITY own SYSTEM 'file:///etc/passwd'>]>", "a document type"),
            ("<?xml-stylesheet href='http://x/'?>", "a processing instruction"),
            (&"<a>".repeat(100), "XML depth"),
        ] {
            let said = broken(insert(part));
            assert!(said.contains(why), "{said}");
        }
        assert!(broken(whole[..second + 22].to_owned()).contains("does not end"));
        assert!(broken(format!("{}<a", &whole[..second])).contains("malformed"));
    }

    #[test]
    fn a_record_that_is_too_long_is_left() {
        let long = FULL
            .replace("CVE-2024-1111", "CVE-2024-7777")
            .replace("<cwes>", &format!("{}<cwes>", "<a/>".repeat(600_000)));
        let (outcome, snapshot) = read(export(&format!("{long}{FULL}")).as_bytes());
        assert_eq!((outcome.read, outcome.kept), (2, 1));
        assert!(outcome.reasons.contains_key("over the limit `feed record bytes`"));
        assert!(snapshot.facts("CVE-2024-7777").unwrap().is_empty());
    }

    #[test]
    fn other_encodings_are_named() {
        let said = |bytes: &[u8]| {
            let (outcome, _) = read(bytes);
            assert_eq!((outcome.read, outcome.kept), (1, 0));
            (*outcome.named().first().unwrap()).clone()
        };
        let mut text = b"<?xml version='1.0' encoding='windows-1251'?><vulnerabilities><vul>\xcf</vul></vulnerabilities>".to_vec();
        assert!(said(&text).why.contains("encoding \"windows-1251\": only UTF-8 is read"));
        text.drain(..45);
        let skipped = said(&text);
        let at = text.iter().position(|byte| *byte == 0xcf).unwrap();
        assert_eq!(skipped.what, format!("export/export.xml, byte {at}"));
        assert!(skipped.why.ends_with("not UTF-8"), "{skipped:?}");
    }
}
