//! The JSON report: [`Report`] as it is. Its JSON Schema is `schemas/report.schema.json`.
//!
//! Every report that is JSON is written here, because JSON is printed to logs and terminals too: what would act there is
//! escaped, which no reader of JSON sees.

use std::{cell::Cell, io};

use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};

use super::{Report, text::acts};

/// Writes the report, indented by two spaces, with a newline at the end.
pub fn write(report: &Report, out: &mut dyn io::Write) -> io::Result<()> {
    pretty(report, out)
}

/// Any value, indented by two spaces, with a newline at the end.
pub(super) fn pretty(value: &impl Serialize, out: &mut dyn io::Write) -> io::Result<()> {
    let mut out = io::BufWriter::new(out);
    value.serialize(&mut Serializer::with_formatter(&mut out, Harmless::default()))?;
    io::Write::write_all(&mut out, b"\n")?;
    io::Write::flush(&mut out)
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

/// Indents by two spaces; writes whatever [acts] as `\uXXXX`, and one of two hashes, by which a log's reader knows a command.
#[derive(Default)]
struct Harmless {
    /// Arrays and objects that are open.
    depth: usize,
    /// Whether the one that was opened last holds anything.
    filled: bool,
}

/// A new line, and more indentation than any report has.
const LINE: &[u8] = b"\n                                                                ";

impl Harmless {
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

    fn next<W: ?Sized + io::Write>(&mut self, first: bool, out: &mut W) -> io::Result<()> {
        if !first {
            out.write_all(b",")?;
        }
        self.line(out)
    }

    fn close<W: ?Sized + io::Write>(&mut self, sign: &[u8], out: &mut W) -> io::Result<()> {
        self.depth -= 1;
        if self.filled {
            self.line(out)?;
        }
        // Whatever this stands in holds it.
        self.filled = true;
        out.write_all(sign)
    }
}

impl Formatter for Harmless {
    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, out: &mut W, text: &str) -> io::Result<()> {
        // Nearly every text.
        if text.is_ascii() && memchr::memchr2(b'#', 0x7f, text.as_bytes()).is_none() {
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
        self.open(b"[", out)
    }

    fn end_array<W: ?Sized + io::Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.close(b"]", out)
    }

    fn begin_array_value<W: ?Sized + io::Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.next(first, out)
    }

    fn end_array_value<W: ?Sized + io::Write>(&mut self, _out: &mut W) -> io::Result<()> {
        self.filled = true;
        Ok(())
    }

    fn begin_object<W: ?Sized + io::Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.open(b"{", out)
    }

    fn end_object<W: ?Sized + io::Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.close(b"}", out)
    }

    fn begin_object_key<W: ?Sized + io::Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.next(first, out)
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

    #[test]
    fn indented_as_everybody_does() {
        let deep = (0..40).fold(serde_json::json!(1), |inside, _| serde_json::json!([inside, []]));
        let value = serde_json::json!({ "a": [], "b": {}, "c": [1, [2, {}], { "d": null }], "e": { "f": "" }, "g": deep });
        let mut out = Vec::new();
        pretty(&value, &mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), serde_json::to_string_pretty(&value).unwrap() + "\n");
    }

    #[test]
    fn no_log_is_commanded_and_no_cursor_moved() {
        let text = "##[error] ### \u{9b}31m\u{7f}\u{1b}\u{202e}\u{e0001} \u{65e5}\u{1f600}";
        let mut out = Vec::new();
        pretty(&[text], &mut out).unwrap();
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
        pretty(&(list, Later(|| bytes.get())), &mut Counted { out: &mut out, bytes: &bytes }).unwrap();
        let (list, then): (Vec<String>, usize) = serde_json::from_slice(&out).unwrap();
        assert_eq!(list.len(), 5);
        assert!((50_000..out.len()).contains(&then));
        assert_eq!(bytes.get(), out.len());
    }
}
