//! The JSON report: [`Report`] as it is. Its JSON Schema is `schemas/report.schema.json`.
//!
//! Every report that is JSON is written here, because JSON is printed to logs and terminals too: what would act there is
//! escaped, which no reader of JSON sees.

use std::{
    cell::{Cell, RefCell},
    io::{self, Write as _},
};

use serde::{Serialize, ser::Error as _};
use serde_json::{
    ser::{Formatter, Serializer},
    value::RawValue,
};

use super::{
    Report,
    text::{acts, is_harmless},
};
use crate::digest::Hasher;

/// Writes the report, indented by two spaces, each finding on a line of its own, with a newline at the end.
pub fn write(report: &Report, out: &mut dyn io::Write) -> io::Result<()> {
    pretty(report, 2, out)
}

/// Any value, indented by two spaces, with a newline at the end. What stands in so many lists, one in another, is on one line:
/// a finding is found whole by `grep`, and a third less is written.
pub(super) fn pretty(value: &impl Serialize, lists: usize, out: &mut dyn io::Write) -> io::Result<()> {
    whole(value, lists, io::BufWriter::new(out))
}

fn whole(value: &impl Serialize, lists: usize, mut out: impl io::Write) -> io::Result<()> {
    value.serialize(&mut Serializer::with_formatter(&mut out, Harmless::new(lists)))?;
    out.write_all(b"\n")?;
    out.flush()
}

/// Where a document is written that is named by its content. As a value, it is the name: a UUID made of all that stands
/// before it in the document, of which it is the last member.
pub(super) struct Named<'a>(RefCell<io::BufWriter<Hashed<'a>>>);

impl<'a> Named<'a> {
    pub(super) fn new(out: &'a mut dyn io::Write) -> Self {
        Self(RefCell::new(io::BufWriter::new(Hashed { out, hasher: Hasher::default() })))
    }

    /// As the function [`pretty`].
    pub(super) fn pretty(&self, document: &impl Serialize, lists: usize) -> io::Result<()> {
        whole(document, lists, self)
    }
}

impl io::Write for &Named<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().write(bytes)
    }

    // JSON is written in small pieces.
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.borrow_mut().write_all(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.borrow_mut().flush()
    }
}

impl Serialize for Named<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = self.0.borrow_mut();
        out.flush().map_err(S::Error::custom)?;
        let name = out.get_ref().hasher.clone().finish().uuid();
        // What writes the name borrows it again.
        drop(out);
        serializer.serialize_str(&format!("urn:uuid:{name}"))
    }
}

/// Hashes what is written.
struct Hashed<'a> {
    out: &'a mut dyn io::Write,
    hasher: Hasher,
}

impl io::Write for Hashed<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// A value that is made when its turn comes.
pub(super) struct Later<F>(pub(super) F);

impl<T: Serialize, F: Fn() -> T> Serialize for Later<F> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (self.0)().serialize(serializer)
    }
}

/// A list whose items are made one by one while it is written: how much was written may end it.
pub(super) struct List<F>(pub(super) F);

impl<I: Iterator<Item: Serialize>, F: Fn() -> I> Serialize for List<F> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq((self.0)())
    }
}

/// Counts the bytes that are written, give or take a buffer.
pub(super) struct Counted<'a> {
    /// Where they go.
    pub(super) out: &'a mut dyn io::Write,
    /// How many went.
    pub(super) bytes: &'a Cell<usize>,
}

impl io::Write for Counted<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.bytes.set(self.bytes.get() + written);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// A value on one line, as it will stand in a document: for those whose length has to be known before.
pub(super) fn line(value: &impl Serialize) -> Box<RawValue> {
    let mut line = Vec::with_capacity(LINE_BYTES);
    // Memory takes everything, and what is written to it is JSON.
    let _ = value.serialize(&mut Serializer::with_formatter(&mut line, Harmless::new(0)));
    let line = String::from_utf8(line).unwrap_or_default();
    RawValue::from_string(line).unwrap_or_default()
}

/// Room for nearly every line.
const LINE_BYTES: usize = 2_048;

/// Writes whatever [acts] as `\uXXXX`, and one of two hashes, by which a log's reader knows a command. Each value has a line,
/// two spaces further in than what it stands in, down to the lists whose items are one line each.
struct Harmless {
    /// Lists in one another, of which the items of the innermost are one line each.
    lists: usize,
    /// Lists that are open.
    open_lists: usize,
    /// Lists and objects that are open.
    depth: usize,
    /// Whether the one that was opened last holds anything.
    filled: bool,
}

/// A new line, and more indentation than any report has.
const LINE: &[u8] = b"\n                                                                ";

impl Harmless {
    fn new(lists: usize) -> Self {
        Self { lists, open_lists: 0, depth: 0, filled: false }
    }

    /// Whether the items of the list that was opened last have a line each.
    fn has_lines(&self) -> bool {
        self.open_lists <= self.lists
    }

    /// Whether the members of the object that was opened last have a line each.
    fn has_member_lines(&self) -> bool {
        self.open_lists < self.lists
    }

    fn line<W: ?Sized + io::Write>(&self, out: &mut W) -> io::Result<()> {
        let columns = 2 * self.depth;
        match LINE.get(..=columns) {
            Some(line) => out.write_all(line),
            None => write!(out, "\n{:columns$}", ""),
        }
    }

    fn open<W: ?Sized + io::Write>(&mut self, sign: &[u8], out: &mut W) -> io::Result<()> {
        self.depth += 1;
        self.filled = false;
        out.write_all(sign)
    }

    fn next<W: ?Sized + io::Write>(&mut self, first: bool, lines: bool, out: &mut W) -> io::Result<()> {
        match (first, lines) {
            (true, true) => {}
            (true, false) => return Ok(()),
            (false, true) => out.write_all(b",")?,
            (false, false) => return out.write_all(b", "),
        }
        self.line(out)
    }

    fn close<W: ?Sized + io::Write>(&mut self, sign: &[u8], lines: bool, out: &mut W) -> io::Result<()> {
        self.depth -= 1;
        if self.filled && lines {
            self.line(out)?;
        }
        // Whatever this stands in holds it.
        self.filled = true;
        out.write_all(sign)
    }
}

impl Formatter for Harmless {
    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, out: &mut W, text: &str) -> io::Result<()> {
        if is_harmless(text) {
            return out.write_all(text.as_bytes());
        }
        let mut written = 0;
        let mut last = ' ';
        for (at, c) in text.char_indices() {
            // All of ASCII that acts is escaped by JSON's own rules, but for this one.
            let harmful = if c.is_ascii() { c == '\u{7f}' || c == '#' && last == '#' } else { acts(c) };
            if harmful {
                out.write_all(&text.as_bytes()[written..at])?;
                for unit in c.encode_utf16(&mut [0; 2]) {
                    write!(out, "\\u{unit:04x}")?;
                }
                written = at + c.len_utf8();
            }
            last = c;
        }
        out.write_all(&text.as_bytes()[written..])
    }

    fn begin_array<W: ?Sized + io::Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.open_lists += 1;
        self.open(b"[", out)
    }

    fn end_array<W: ?Sized + io::Write>(&mut self, out: &mut W) -> io::Result<()> {
        let lines = self.has_lines();
        self.open_lists -= 1;
        self.close(b"]", lines, out)
    }

    fn begin_array_value<W: ?Sized + io::Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.next(first, self.has_lines(), out)
    }

    fn end_array_value<W: ?Sized + io::Write>(&mut self, _out: &mut W) -> io::Result<()> {
        self.filled = true;
        Ok(())
    }

    fn begin_object<W: ?Sized + io::Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.open(b"{", out)
    }

    fn end_object<W: ?Sized + io::Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.close(b"}", self.has_member_lines(), out)
    }

    fn begin_object_key<W: ?Sized + io::Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.next(first, self.has_member_lines(), out)
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, out: &mut W) -> io::Result<()> {
        out.write_all(b": ")
    }

    fn end_object_value<W: ?Sized + io::Write>(&mut self, _out: &mut W) -> io::Result<()> {
        self.filled = true;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;

    #[test]
    fn indented_as_everybody_does() {
        let deep = (0..40).fold(serde_json::json!(1), |inside, _| serde_json::json!([inside, []]));
        let value = serde_json::json!({ "a": [], "b": {}, "c": [1, [2, {}], { "d": null }], "e": { "f": "" }, "g": deep });
        let mut out = Vec::new();
        pretty(&value, usize::MAX, &mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), serde_json::to_string_pretty(&value).unwrap() + "\n");
    }

    #[test]
    fn an_item_is_one_line() {
        let value = serde_json::json!({ "a": [[{ "b": [1, 2], "c": {} }, []], 3], "d": { "e": [] } });
        for (lists, want) in [
            (0, "{\"a\": [[{\"b\": [1, 2], \"c\": {}}, []], 3], \"d\": {\"e\": []}}\n"),
            (
                1,
                "{\n  \"a\": [\n    [{\"b\": [1, 2], \"c\": {}}, []],\n    3\n  ],\n  \"d\": {\n    \"e\": []\n  }\n}\n",
            ),
        ] {
            let mut out = Vec::new();
            pretty(&value, lists, &mut out).unwrap();
            assert_eq!(String::from_utf8(out).unwrap(), want);
        }
    }

    #[test]
    fn a_document_is_named_by_what_stands_before_its_name() {
        let named = |text: &str| {
            let mut bytes = Vec::new();
            {
                let out = Named::new(&mut bytes);
                out.pretty(&(text, &out), 1).unwrap();
            }
            let [_, name] = serde_json::from_slice::<[String; 2]>(&bytes).unwrap();
            let before = bytes.strip_suffix(format!("\"{name}\"\n]\n").as_bytes()).unwrap();
            assert_eq!(name, format!("urn:uuid:{}", Digest::of(before).uuid()));
            name
        };
        let long = "x".repeat(100_000);
        assert_eq!(named(&long), named(&long));
        assert_ne!(named(&long), named("else"));
        // Where nothing can be written there is no name either.
        let mut none: &mut [u8] = &mut [];
        let out = Named::new(&mut none);
        out.pretty(&[&out], 1).unwrap_err();
    }

    #[test]
    fn no_log_is_commanded_and_no_cursor_moved() {
        let text = "##[error] ### \u{9b}31m\u{7f}\u{1b}\u{202e}\u{e0001} \u{65e5}\u{1f600}";
        let mut out = Vec::new();
        pretty(&[text], 1, &mut out).unwrap();
        let written = String::from_utf8(out).unwrap();
        assert_eq!(
            written,
            "[\n  \"#\\u0023[error] #\\u0023\\u0023 \\u009b31m\\u007f\\u001b\\u202e\\udb40\\udc01 \u{65e5}\u{1f600}\"\n]\n"
        );
        assert_eq!(serde_json::from_str::<[String; 1]>(&written).unwrap()[0], text);
    }

    #[test]
    fn a_list_ends_where_enough_is_written() {
        let bytes = Cell::new(0);
        let text = "x".repeat(10_000);
        let list = List(|| std::iter::repeat(&text).take_while(|_| bytes.get() < 50_000));
        let mut out = Vec::new();
        pretty(&(list, Later(|| bytes.get())), 1, &mut Counted { out: &mut out, bytes: &bytes }).unwrap();
        let (list, then): (Vec<String>, usize) = serde_json::from_slice(&out).unwrap();
        assert_eq!(list.len(), 5);
        assert_eq!(line(&list).get(), format!("[{}]", vec![format!("\"{text}\""); 5].join(", ")));
        assert!((50_000..out.len()).contains(&then));
        assert_eq!(bytes.get(), out.len());
    }
}
