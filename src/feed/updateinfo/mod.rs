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

mod repository;

use std::collections::BTreeSet;

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
use crate::advisory::State;
use repository::Repository;

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
            sink.broken(document.name.clone(), &why);
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
    /// Names of collections, and their packages.
    collections: Vec<(String, Vec<Listed>)>,
}

/// A package as an update lists it.
struct Listed {
    name: String,
    /// `1:`, or nothing.
    epoch: String,
    version: String,
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
                packages.push(Listed { name, epoch, version: format!("{version}-{release}") });
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
        let mut not_understood = BTreeSet::new();
        // An id is of one repository.
        let scope = collections.first().map(|(collection, _)| collection.clone()).unwrap_or_default();
        for (collection, listed) in collections {
            let Some(repository) = Repository::of(&collection) else {
                sink.skip(id.clone(), "a repository that is not supported yet", &collection);
                continue;
            };
            for Listed { name, epoch, version } in listed {
                let Some(range) = repository.range(&epoch, &version) else {
                    sink.skip(id.clone(), "not understood", &format!("{name} {version} in {collection}"));
                    not_understood.insert(repository.ecosystem.clone());
                    continue;
                };
                packages.push(Package {
                    ecosystem: repository.ecosystem.clone(),
                    name,
                    severity,
                    state: State::Affected,
                    ranges: vec![range],
                    versions: Vec::new(),
                });
            }
        }
        if !not_understood.is_empty() {
            sink.not_understood();
        } else if packages.is_empty() {
            return sink.skip(id, "names no package", "");
        }
        if !packages.is_empty() {
            sink.kept();
        }
        // It stands for each of them.
        let mut names: Vec<_> = cves.into_iter().map(|cve| vec![cve]).collect();
        if names.is_empty() {
            names.push(Vec::new());
        }
        let time = time(&updated).or_else(|| time(&issued));
        let summary = summary_line(&title);
        sink.claim(&scope, Claim { database: "amazon", id, time, summary, names, packages, not_understood });
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

/// A time as Amazon writes it, without a zone and sometimes without seconds. Taken for UTC; it decides only which of two
/// words of one id is the newer.
fn time(text: &str) -> Option<Timestamp> {
    let civil = || Offset::UTC.to_timestamp(text.parse::<DateTime>().ok()?).ok();
    text.parse().ok().or_else(civil)
}

#[cfg(test)]
mod tests;
