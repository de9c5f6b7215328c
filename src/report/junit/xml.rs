//! JUnit's elements as XML 1.0.
//!
//! quick-xml writes and escapes. What the format is, its readers say: there is no standard, so that a suite and a case have just
//! the attributes that they share.

use std::{borrow::Cow, collections::HashMap, io, io::Write as _};

use jiff::Timestamp;
use quick_xml::{
    Writer,
    escape::partial_escape,
    events::{BytesDecl, BytesText, Event},
};

/// More than the tags of a suite and of its properties take without its name.
const TAGS_BYTES: usize = 512;

/// A suite whose cases are written as they come: how many there are is known only then, and stands before them.
pub(super) struct Suite {
    /// Its name, and the class of its cases.
    name: String,
    /// RFC 3339, UTC.
    timestamp: String,
    properties: Writer<Vec<u8>>,
    cases: Writer<Vec<u8>>,
    names: Names,
    tests: usize,
    errors: usize,
    failures: usize,
    skipped: usize,
}

/// One case. Its texts are [plain](super::super::plain), but for line feeds within an outcome.
pub(super) struct Case {
    /// Its name; the suite tells it apart from others of that name.
    pub(super) name: String,
    /// The file of the checkout that it is about, and the line, from 1.
    pub(super) place: Option<(String, usize)>,
    /// How it went.
    pub(super) outcome: Outcome,
}

/// How a case went.
pub(super) enum Outcome {
    /// Well, and what it put out.
    Passed(Option<String>),
    /// Not as it should.
    Failed(Cause),
    /// Nobody can tell.
    Error(Cause),
    /// Not asked for.
    Skipped(Cause),
}

/// Why a case did not pass. Readers show the message, which is an attribute, or the text of the element.
pub(super) struct Cause {
    /// One or two words.
    pub(super) kind: String,
    /// All of it. Its first line is the message.
    pub(super) text: String,
}

/// Writes what stands before the suites.
pub(super) fn begin(out: &mut dyn io::Write) -> io::Result<()> {
    Writer::new(&mut *out).write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    out.write_all(b"\n<testsuites>\n")
}

/// Writes what stands behind them.
pub(super) fn end(out: &mut dyn io::Write) -> io::Result<()> {
    out.write_all(b"</testsuites>\n")
}

impl Suite {
    /// Without cases. No other suite of the file may have its name. A moment that is none is the epoch.
    pub(super) fn new(name: String, now: &str) -> Self {
        let seconds = now.parse::<Timestamp>().map_or(0, |now| now.as_second().max(0));
        Self {
            name,
            timestamp: Timestamp::from_second(seconds).unwrap_or_default().to_string(),
            properties: Writer::new(Vec::new()),
            cases: Writer::new(Vec::new()),
            names: Names::default(),
            tests: 0,
            errors: 0,
            failures: 0,
            skipped: 0,
        }
    }

    /// How many cases it has.
    pub(super) fn tests(&self) -> usize {
        self.tests
    }

    /// Most bytes that it takes so far.
    pub(super) fn bytes(&self) -> usize {
        // An escape is six bytes at most.
        TAGS_BYTES + 6 * self.name.len() + self.properties.get_ref().len() + self.cases.get_ref().len()
    }

    /// Adds something to know of all its cases.
    pub(super) fn say(&mut self, name: &str, value: &str) -> io::Result<()> {
        let property = self.properties.create_element("property");
        property.with_attributes([("name", name), ("value", value)]).write_empty()?;
        self.properties.get_mut().write_all(b"\n")
    }

    /// Adds a case, unless [`bytes`](Self::bytes) would be more than `most`; whether it did.
    pub(super) fn add(&mut self, mut case: Case, most: usize) -> io::Result<bool> {
        let start = self.cases.get_ref().len();
        case.name = self.names.tell_apart(case.name);
        case.write(&self.name, &mut self.cases)?;
        if self.bytes() > most {
            self.cases.get_mut().truncate(start);
            return Ok(false);
        }
        self.tests += 1;
        match case.outcome {
            Outcome::Passed(_) => {}
            Outcome::Failed(_) => self.failures += 1,
            Outcome::Error(_) => self.errors += 1,
            Outcome::Skipped(_) => self.skipped += 1,
        }
        Ok(true)
    }

    /// Writes it.
    pub(super) fn write(&self, out: &mut dyn io::Write) -> io::Result<()> {
        let counts = [
            ("tests", self.tests),
            ("errors", self.errors),
            ("failures", self.failures),
            ("skipped", self.skipped),
        ];
        let mut xml = Writer::new(&mut *out);
        let mut suite = xml.create_element("testsuite").with_attribute(("name", self.name.as_str()));
        for (name, count) in counts {
            suite = suite.with_attribute((name, count.to_string().as_str()));
        }
        let when = [("time", "0"), ("timestamp", self.timestamp.as_str()), ("hostname", "localhost")];
        suite.with_attributes(when).write_inner_content(|xml| {
            xml.get_mut().write_all(b"\n")?;
            if !self.properties.get_ref().is_empty() {
                xml.create_element("properties").write_inner_content(|xml| {
                    xml.get_mut().write_all(b"\n")?;
                    xml.get_mut().write_all(self.properties.get_ref())
                })?;
                xml.get_mut().write_all(b"\n")?;
            }
            xml.get_mut().write_all(self.cases.get_ref())
        })?;
        out.write_all(b"\n")
    }
}

impl Case {
    fn write(&self, class: &str, xml: &mut Writer<Vec<u8>>) -> io::Result<()> {
        let mut case = xml.create_element("testcase");
        case = case.with_attributes([("classname", class), ("name", self.name.as_str())]);
        if let Some((file, line)) = &self.place {
            case = case.with_attributes([("file", file.as_str()), ("line", line.to_string().as_str())]);
        }
        case = case.with_attribute(("time", "0"));
        match &self.outcome {
            Outcome::Passed(None) => case.write_empty()?,
            Outcome::Passed(Some(output)) => case.write_inner_content(|xml| {
                // In there `[[ATTACHMENT|path]]` makes GitLab and Jenkins show a file of the job.
                let mut output = Cow::Borrowed(output.as_str());
                if output.contains("[[ATTACHMENT|") {
                    output = output.replace("[[ATTACHMENT|", "[ [ATTACHMENT|").into();
                }
                xml.create_element("system-out").write_text_content(text(&output))?;
                Ok(())
            })?,
            Outcome::Failed(cause) => case.write_inner_content(|xml| cause.write("failure", xml))?,
            Outcome::Error(cause) => case.write_inner_content(|xml| cause.write("error", xml))?,
            Outcome::Skipped(cause) => case.write_inner_content(|xml| cause.write("skipped", xml))?,
        };
        xml.get_mut().write_all(b"\n")
    }
}

impl Cause {
    fn write(&self, element: &str, xml: &mut Writer<Vec<u8>>) -> io::Result<()> {
        let message = self.text.lines().next().unwrap_or_default();
        let cause = xml.create_element(element);
        let cause = cause.with_attributes([("type", self.kind.as_str()), ("message", message)]);
        cause.write_text_content(text(&self.text))?;
        Ok(())
    }
}

/// What stands between tags, where quotes need no escape.
fn text(text: &str) -> BytesText<'_> {
    BytesText::from_escaped(partial_escape(text))
}

/// Readers keep only the first of several that have one name.
#[derive(Default)]
pub(super) struct Names(HashMap<String, usize>);

impl Names {
    /// The name, with a number behind it where it was given before.
    pub(super) fn tell_apart(&mut self, mut name: String) -> String {
        loop {
            let Some(times) = self.0.get_mut(&name) else {
                self.0.insert(name.clone(), 1);
                return name;
            };
            *times += 1;
            name = format!("{name} #{times}");
        }
    }
}
