//! Updates of an rpm repository that mend vulnerabilities: its `updateinfo.xml`, Amazon Linux's.
//!
//! Each repository has one, named in its `repodata/repomd.xml` (cdn.amazonlinux.com, `2/core/…` and
//! `al2023/core/…`). The form is that of libcreaterepo_c ("UpdateInfo"), which has no version.
//!
//! ```xml
//! <updates>
//!   <update author="linux-security@amazon.com" status="final" type="security" version="1.4">
//!     <id>ALAS2023-2023-001</id><title>... package update for rsyslog</title>
//!     <issued date="2023-02-17 20:41:00"/><updated date="2023-02-22 23:22:00"/><severity>Important</severity>
//!     <references><reference href="..." id="CVE-2022-24903" title="" type="cve"/></references>
//!     <pkglist><collection short="amazon-linux-2023"><name>Amazon Linux 2023</name>
//!       <package arch="x86_64" epoch="0" name="rsyslog" release="3.amzn2023.0.2" version="8.2204.0">
//!         <filename>Packages/rsyslog-8.2204.0-3.amzn2023.0.2.x86_64.rpm</filename></package>
//!     </collection></pkglist>
//!   </update>
//! </updates>
//! ```
//!
//! Packages are named as they are installed, not by what they were built from. Nothing is said of what is not fixed yet.
//! Extras are left: they have other versions of packages that the core repository has too, and a package does not tell
//! which of them it is from.

use jiff::{Timestamp, civil::DateTime, tz::Offset};
use quick_xml::{
    Reader,
    escape::unescape,
    events::{BytesStart, Event},
};

use super::{
    Source, cvss,
    sink::{Claim, Package, Sink, summary_line},
    walk::Document,
};
use crate::advisory::{End, Range, State};

pub(super) struct Updateinfo;

impl Source for Updateinfo {
    fn name(&self) -> &'static str {
        "updateinfo"
    }

    fn knows(&self, document: &Document) -> bool {
        document.is_named(".xml") && document.mentions("<updates")
    }

    fn read(&self, document: &Document, sink: &mut Sink<'_>) {
        let mut reading = Reading { name: &document.name, sink, update: None, text: String::new(), index: 0 };
        if let Err(why) = reading.all(&document.bytes)
            && !sink.over()
        {
            sink.count();
            sink.skip(document.name.clone(), "malformed from here on", &why);
        }
    }
}

/// A document, one update after another.
struct Reading<'r, 'b> {
    /// The document's.
    name: &'r str,
    sink: &'r mut Sink<'b>,
    /// The one that is being read.
    update: Option<Update>,
    /// What stands in the element that began last.
    text: String,
    /// How many updates began.
    index: u64,
}

impl Reading<'_, '_> {
    /// An error is of what comes after the last update that was taken.
    fn all(&mut self, bytes: &[u8]) -> Result<(), String> {
        let mut reader = Reader::from_reader(bytes);
        let mut depth = 0u64;
        while !self.sink.over() {
            let from = reader.buffer_position();
            let event = reader.read_event().map_err(|error| format!("byte {from}: {error}"))?;
            if let Some(update) = &mut self.update {
                update.long = reader.buffer_position() - update.starts > self.sink.most_record_bytes();
            }
            match event {
                // What a document type declares may grow without end, and no repository has one.
                Event::DocType(_) => return Err(format!("byte {from}: a document type")),
                Event::Start(start) => {
                    depth += 1;
                    self.begin(&start, from);
                }
                Event::Empty(start) => {
                    self.begin(&start, from);
                    self.end(start.name().as_ref());
                }
                Event::End(end) => {
                    depth = depth.saturating_sub(1);
                    self.end(end.name().as_ref());
                }
                Event::Text(part) => self.add(&String::from_utf8_lossy(&part)),
                Event::CData(part) => self.add(&String::from_utf8_lossy(&part)),
                Event::GeneralRef(reference) => {
                    let whole = format!("&{};", String::from_utf8_lossy(&reference));
                    match (unescape(&whole), &mut self.update) {
                        (Ok(letter), _) => self.add(&letter),
                        (Err(error), Some(update)) => update.wrong = Some(error.to_string()),
                        (Err(error), None) => return Err(format!("byte {from}: {error}")),
                    }
                }
                Event::Eof if depth == 0 => return Ok(()),
                Event::Eof => return Err("it ends before its end".to_owned()),
                Event::Comment(_) | Event::PI(_) | Event::Decl(_) => {}
            }
        }
        Ok(())
    }

    fn begin(&mut self, start: &BytesStart<'_>, from: u64) {
        self.text.clear();
        let begins = start.name().as_ref() == b"update";
        match &mut self.update {
            Some(update) if begins => update.wrong = Some("an update inside an update".to_owned()),
            None if begins => {
                self.index += 1;
                self.update = Some(Update { starts: from, ..Update::default() });
            }
            _ => {}
        }
        if let Some(update) = self.update.as_mut().filter(|update| !update.long && update.wrong.is_none())
            && let Err(why) = update.element(start)
        {
            update.wrong = Some(why);
        }
    }

    fn add(&mut self, text: &str) {
        if self.update.as_ref().is_some_and(|update| !update.long) {
            self.text.push_str(text);
        }
    }

    fn end(&mut self, name: &[u8]) {
        if name == b"update" {
            if let Some(update) = self.update.take() {
                let (name, index) = (self.name, self.index);
                update.take(&|| format!("{name}, update {index}"), self.sink);
            }
        } else if let Some(update) = &mut self.update {
            update.end(name, self.text.trim());
        }
        self.text.clear();
    }
}

/// What is read of one update.
#[derive(Default)]
struct Update {
    /// The byte it begins at.
    starts: u64,
    /// Over the limit of a record: nothing more of it is held.
    long: bool,
    /// What cannot be read of it.
    wrong: Option<String>,
    kind: String,
    id: String,
    title: String,
    severity: String,
    issued: String,
    updated: String,
    cves: Vec<String>,
    /// Names of collections, and name and version of each of their packages.
    collections: Vec<(String, Vec<(String, String)>)>,
}

impl Update {
    fn element(&mut self, start: &BytesStart<'_>) -> Result<(), String> {
        let value = |name: &str| attribute(start, name);
        match start.name().as_ref() {
            b"update" => self.kind = value("type")?,
            b"issued" => self.issued = value("date")?,
            b"updated" => self.updated = value("date")?,
            b"reference" if value("type")? == "cve" => self.cves.push(value("id")?),
            b"collection" => self.collections.push((value("short")?, Vec::new())),
            b"package" => {
                let (name, version, release) = (value("name")?, value("version")?, value("release")?);
                if [&name, &version, &release].iter().any(|part| part.is_empty()) {
                    return Err("a package without name, version or release".to_owned());
                }
                let epoch = match value("epoch")?.as_str() {
                    "" | "0" => String::new(),
                    epoch => format!("{epoch}:"),
                };
                let (_, packages) = self.collections.last_mut().ok_or("a package outside of a collection")?;
                packages.push((name, format!("{epoch}{version}-{release}")));
            }
            _ => {}
        }
        Ok(())
    }

    fn end(&mut self, name: &[u8], text: &str) {
        let field = match name {
            b"id" => &mut self.id,
            b"title" => &mut self.title,
            b"severity" => &mut self.severity,
            _ => return,
        };
        text.clone_into(field);
    }

    fn take(self, place: &dyn Fn() -> String, sink: &mut Sink<'_>) {
        sink.count();
        let Self { long, wrong, kind, id, title, severity, issued, updated, cves, collections, .. } = self;
        if long {
            let most = sink.most_record_bytes();
            return sink.skip(
                place(),
                "over the limit `feed record bytes`",
                &format!("more than {most} bytes"),
            );
        }
        if let Some(why) = wrong {
            return sink.skip(place(), "malformed", &why);
        }
        if id.is_empty() {
            return sink.skip(place(), "malformed", "the id is empty");
        }
        if kind != "security" {
            return sink.skip(id, "mends no vulnerability", &kind);
        }
        let severity = cvss::word(&severity).unwrap_or_default();
        let mut packages = Vec::new();
        for (collection, listed) in collections {
            let Some(ecosystem) = ecosystem(&collection) else {
                sink.skip(id.clone(), "a repository that is not supported yet", &collection);
                continue;
            };
            packages.extend(listed.into_iter().map(|(name, version)| Package {
                ecosystem: ecosystem.clone(),
                name,
                severity,
                state: State::Affected,
                ranges: vec![Range { introduced: None, end: End::Fixed(version) }],
                versions: Vec::new(),
            }));
        }
        if packages.is_empty() {
            return sink.skip(id, "names no package", "");
        }
        sink.kept();
        // It stands for each of them.
        let mut names: Vec<_> = cves.into_iter().map(|cve| vec![cve]).collect();
        if names.is_empty() {
            names.push(Vec::new());
        }
        let time = time(&updated).or_else(|| time(&issued));
        let summary = summary_line(&title);
        let claim = Claim { database: "amazon", id, time, summary, names, packages, ..Claim::default() };
        sink.claim("Amazon Linux", claim);
    }
}

/// The value of an attribute; empty where there is none.
fn attribute(start: &BytesStart<'_>, name: &str) -> Result<String, String> {
    let Some(found) = start.try_get_attribute(name).map_err(|error| error.to_string())? else {
        return Ok(String::new());
    };
    let text = String::from_utf8_lossy(&found.value);
    let text = unescape(&text).map_err(|error| error.to_string())?;
    Ok(text.trim().to_owned())
}

/// The ecosystem of a collection: `amazon-linux-2`, `amazon-linux-2023`, and `amazon-linux-ami` of the first generation.
/// Extras have a name behind that: `amazon-linux-2---kernel-5.15`.
fn ecosystem(collection: &str) -> Option<String> {
    let generation = match collection.strip_prefix("amazon-linux-")? {
        "ami" => "1",
        generation => generation,
    };
    let is_number = !generation.is_empty() && generation.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| format!("Amazon Linux:{generation}"))
}

/// A time as Amazon writes it, without a zone and sometimes without seconds. Taken for UTC; it decides only which of two
/// words of one id is the newer.
fn time(text: &str) -> Option<Timestamp> {
    let civil = || Offset::UTC.to_timestamp(text.parse::<DateTime>().ok()?).ok();
    text.parse().ok().or_else(civil)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        advisory::{Compiler, Snapshot},
        feed::{Outcome, import::import_document},
        finding::Severity,
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
            update("security", "ALAS2KERNEL-5.15-2022-001", "amazon-linux-2---kernel-5.15", A),
            update("bugfix", "ALAS2-2022-2", "amazon-linux-2", A),
            update("security", "ALAS2-2022-3", "amazon-linux-2", ""),
        ];
        let (outcome, snapshot) = read(&document(&updates.concat()));
        assert_eq!((outcome.read, outcome.kept), (5, 2));
        let reasons: Vec<_> =
            outcome.reasons.iter().map(|(reason, count)| (reason.as_str(), *count)).collect();
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
}
