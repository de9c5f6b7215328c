//! Large XML documents, one record at a time: the whole is never held as a tree.
//!
//! What is read is XML 1.0 in UTF-8 that needs nothing else to be understood. Document types, entities but XML's own five,
//! and processing instructions are refused, so nothing is ever expanded or loaded.

use std::{borrow::Cow, str};

use quick_xml::{
    Reader, escape,
    events::{BytesStart, Event},
};

use super::{sink::Sink, walk::Document};

/// `XML depth`: elements within each other.
const MAX_DEPTH: usize = 64;

/// An element without children.
pub(super) struct Leaf<'a> {
    start: &'a BytesStart<'a>,
    /// Its text, without blanks around it.
    pub(super) text: &'a str,
}

impl Leaf<'_> {
    /// The value of an attribute, by its name without prefix; one that is malformed is none.
    pub(super) fn attribute(&self, name: &str) -> Option<String> {
        let mut attributes = self.start.attributes();
        attributes.with_checks(false); // each against all before it: a hostile element has a million
        let mut named = attributes
            .filter_map(Result::ok)
            .filter(|attribute| attribute.key.local_name().as_ref() == name.as_bytes());
        Some(escape::unescape(str::from_utf8(&named.next()?.value).ok()?).ok()?.trim().to_owned())
    }
}

/// Where a record is, as messages name it.
pub(super) type Place<'a> = &'a dyn Fn() -> String;

/// Reads the records of `document`, the elements that `names` leads to: the root's name, then theirs, both without prefix.
/// Each is counted; `leaf` gathers what it wants of one, with the path to it from the record, and `done` hands it over.
/// Of a document that is malformed the records before are read, and the place is named.
pub(super) fn records<T: Default>(
    document: &Document,
    names: [&str; 2],
    sink: &mut Sink<'_>,
    leaf: fn(&mut T, &[&str], &Leaf<'_>),
    done: fn(T, Place<'_>, &mut Sink<'_>),
) {
    let bytes = document.bytes.strip_prefix(BOM).unwrap_or(&document.bytes);
    let before = document.offset + (document.bytes.len() - bytes.len()) as u64;
    let place = |at: usize| format!("{}, byte {}", document.name, at as u64 + before);
    let (text, not_text) = match str::from_utf8(bytes) {
        Ok(text) => (text, None),
        Err(error) => {
            let (valid, _) = bytes.split_at(error.valid_up_to());
            (str::from_utf8(valid).unwrap_or_default(), Some(error.valid_up_to()))
        }
    };
    let mut any = false;
    let most = sink.record_bytes();
    let read = read(text, names, most, leaf, &mut |begins, size_bytes, record| {
        any = true;
        let place = || place(begins);
        if sink.count_sized(&place, size_bytes) {
            done(record, &place, sink);
        }
        !sink.over()
    });
    let error = match (read, not_text) {
        (Ok(Ended::Early), _) => return,
        // Of another encoding that is the better word: it says why.
        (Err(error), _) if error.why.starts_with(ENCODING) => error,
        (_, Some(at)) => Malformed { at, why: "not UTF-8".to_owned() },
        (Err(error), None) => error,
        (Ok(Ended::Whole), None) if any => return,
        (Ok(Ended::Whole), None) => return sink.skip(document.name.clone(), "no record in it", ""),
    };
    sink.broken(place(error.at), &error.why);
}

const BOM: &[u8] = b"\xef\xbb\xbf";
const ENCODING: &str = "encoding";

/// Why a document cannot be read on, and the byte from which.
struct Malformed {
    at: usize,
    why: String,
}

/// How far a document was read.
enum Ended {
    Whole,
    /// Nobody wanted more of it.
    Early,
}

/// Gives each record to `each`, with the byte that it begins at and its size, until that says `false`. Of one that has more
/// than `most_bytes` no more is gathered.
fn read<T: Default>(
    text: &str,
    names: [&str; 2],
    most_bytes: usize,
    leaf: fn(&mut T, &[&str], &Leaf<'_>),
    each: &mut dyn FnMut(usize, usize, T) -> bool,
) -> Result<Ended, Malformed> {
    let mut reader = Reader::from_str(text);
    reader.config_mut().expand_empty_elements = true; // `<a/>` is `<a></a>`
    let mut path: Vec<&str> = Vec::new();
    let (mut begins, mut record) = (0, T::default());
    // The innermost element and its text, as long as it has no children.
    let mut innermost: Option<(BytesStart<'_>, Cow<'_, str>)> = None;
    loop {
        let at = position(&reader);
        let wrong = |why: String| Malformed { at, why };
        let event = reader.read_event();
        let event = event.map_err(|error| {
            let at = usize::try_from(reader.error_position()).unwrap_or(at);
            Malformed { at, why: error.to_string() }
        })?;
        let written = text.get(at..position(&reader)).unwrap_or_default();
        match event {
            Event::Start(start) => {
                if path.len() == MAX_DEPTH {
                    return Err(wrong(format!("over the limit `XML depth` of {MAX_DEPTH}")));
                }
                path.push(local_name(written));
                if path == names {
                    (begins, record) = (at, T::default());
                }
                innermost = Some((start, Cow::Borrowed("")));
            }
            Event::End(_) => {
                if path == names {
                    let size_bytes = position(&reader) - begins;
                    if !each(begins, size_bytes, std::mem::take(&mut record)) {
                        return Ok(Ended::Early);
                    }
                } else if let Some((start, text)) = &innermost
                    && let Some(path) = path.strip_prefix(&names)
                    && at - begins <= most_bytes
                {
                    leaf(&mut record, path, &Leaf { start, text: text.trim() });
                }
                path.pop();
                innermost = None;
            }
            Event::Text(_) => add(&mut innermost, Cow::Borrowed(written)),
            Event::CData(_) => {
                let inside = written.strip_prefix("<![CDATA[").and_then(|rest| rest.strip_suffix("]]>"));
                add(&mut innermost, Cow::Borrowed(inside.unwrap_or_default()));
            }
            Event::GeneralRef(_) => match escape::unescape(written) {
                Ok(character) => add(&mut innermost, character),
                Err(_) => return Err(wrong(format!("{written:?}: no entity of XML itself"))),
            },
            Event::Decl(declaration) => {
                if let Some(Ok(encoding)) = declaration.encoding()
                    && !encoding.eq_ignore_ascii_case(b"utf-8")
                {
                    let encoding = String::from_utf8_lossy(&encoding);
                    return Err(wrong(format!("{ENCODING} {encoding:?}: only UTF-8 is read")));
                }
            }
            Event::DocType(_) => return Err(wrong("a document type, which is not read".to_owned())),
            Event::PI(_) => return Err(wrong("a processing instruction, which is not followed".to_owned())),
            Event::Comment(_) | Event::Empty(_) => {}
            Event::Eof => {
                return match path.last() {
                    Some(name) => Err(wrong(format!("`{name}` does not end"))),
                    None => Ok(Ended::Whole),
                };
            }
        }
    }
}

fn position(reader: &Reader<&[u8]>) -> usize {
    usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX)
}

/// The name in a start tag, `<m:name attribute="">`, without its prefix.
fn local_name(tag: &str) -> &str {
    let tag = tag.strip_prefix('<').unwrap_or(tag);
    let name =
        tag.split(|c: char| c.is_ascii_whitespace() || c == '/' || c == '>').next().unwrap_or_default();
    name.split_once(':').map_or(name, |(_, local)| local)
}

fn add<'a>(innermost: &mut Option<(BytesStart<'_>, Cow<'a, str>)>, part: Cow<'a, str>) {
    if let Some((_, text)) = innermost {
        if text.is_empty() {
            *text = part;
        } else {
            text.to_mut().push_str(&part);
        }
    }
}
