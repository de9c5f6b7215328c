//! XML of project files, as a tree that is bounded in depth and size.

use std::borrow::Cow;

use quick_xml::{
    Reader,
    events::{BytesStart, Event},
};

use super::{Error, text};

/// `XML depth`: elements within each other.
const MAX_DEPTH: usize = 64;
/// `XML elements`: elements and attributes of one file.
const MAX_ELEMENTS: usize = 200_000;
/// `XML attributes`: attributes of one element.
const MAX_ATTRIBUTES: usize = 64;

/// An element; names are without their prefix.
#[derive(Debug, Default)]
pub(super) struct Element {
    pub(super) name: String,
    /// The line it starts on, from 1.
    pub(super) line: usize,
    attributes: Vec<(String, String)>,
    /// Its own text, without that of its children.
    text: String,
    pub(super) children: Vec<Element>,
}

impl Element {
    /// The value of an attribute, without blanks around it.
    pub(super) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value.trim())
    }

    /// Its own text, without blanks around it.
    pub(super) fn text(&self) -> &str {
        self.text.trim()
    }

    /// The child of that name, of which there must not be two.
    pub(super) fn child(&self, name: &str) -> Result<Option<&Element>, Error> {
        let mut all = self.children.iter().filter(|child| child.name == name);
        match (all.next(), all.next()) {
            (_, Some(second)) => Err(second.error(format!("a second `{name}`"))),
            (first, None) => Ok(first),
        }
    }

    /// An error at its line.
    pub(super) fn error(&self, why: impl Into<String>) -> Error {
        Error::Line { line: self.line, why: why.into() }
    }
}

/// Reads a document and holds its root to a name.
pub(super) fn read(bytes: &[u8], root: &str) -> Result<Element, Error> {
    let text = text::decode_ascii(bytes)?;
    let mut reader = Reader::from_str(&text);
    // The elements around the place of reading, below one that is no element and will hold the root.
    let mut open = vec![Element::default()];
    let (mut line, mut counted, mut elements) = (1, 0, 0);
    loop {
        let at = usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX).min(text.len());
        line += text.as_bytes()[counted..at].iter().filter(|byte| **byte == b'\n').count();
        counted = at;
        let wrong = |why: String| Error::Line { line, why };
        let event = reader.read_event().map_err(|error| wrong(error.to_string()))?;
        if let Event::Start(start) | Event::Empty(start) = &event {
            limit("XML depth", open.len(), MAX_DEPTH)?;
            let element = element(start, line)?;
            elements += 1 + element.attributes.len();
            limit("XML elements", elements, MAX_ELEMENTS)?;
            open.push(element);
        }
        let Some(inner) = open.last_mut() else { return Err(wrong("an end too many".to_owned())) };
        match event {
            Event::Start(_) | Event::Comment(_) | Event::PI(_) | Event::Decl(_) | Event::DocType(_) => {}
            Event::Text(part) => inner.text.push_str(&String::from_utf8_lossy(&part)),
            Event::CData(part) => inner.text.push_str(&String::from_utf8_lossy(&part)),
            Event::GeneralRef(reference) => {
                let whole = format!("&{};", String::from_utf8_lossy(&reference));
                inner.text.push_str(&unescape(&whole));
            }
            Event::Empty(_) | Event::End(_) => {
                let Some(ended) = open.pop() else { return Err(wrong("an end too many".to_owned())) };
                let Some(outer) = open.last_mut() else { return Err(wrong("an end too many".to_owned())) };
                outer.children.push(ended);
            }
            Event::Eof => break,
        }
    }
    match open.pop() {
        Some(document) if open.is_empty() => match document.child(root)? {
            Some(_) => Ok(document.children.into_iter().find(|child| child.name == root).unwrap_or_default()),
            None => Err(Error::Line { line: 1, why: format!("no `{root}`") }),
        },
        Some(unended) => Err(unended.error(format!("`{}` does not end", unended.name))),
        None => Err(Error::Line { line, why: "an end too many".to_owned() }),
    }
}

fn limit(name: &'static str, value: usize, limit: usize) -> Result<(), Error> {
    if value <= limit { Ok(()) } else { Err(Error::Limit { name, limit: limit as u64 }) }
}

fn element(start: &BytesStart<'_>, line: usize) -> Result<Element, Error> {
    let utf8 = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let mut attributes = Vec::new();
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|error| Error::Line { line, why: error.to_string() })?;
        attributes.push((utf8(attribute.key.as_ref()), unescape(&utf8(&attribute.value)).into_owned()));
        limit("XML attributes", attributes.len(), MAX_ATTRIBUTES)?;
    }
    Ok(Element { name: utf8(start.local_name().as_ref()), line, attributes, ..Element::default() })
}

/// Text with the references of XML itself resolved. What a document type declares stays as it is written: no name and no
/// version has an ampersand, so it is left out there.
fn unescape(text: &str) -> Cow<'_, str> {
    quick_xml::escape::unescape(text).unwrap_or(Cow::Borrowed(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trees() {
        let text = b"\xef\xbb\xbf<?xml version='1.0'?>\n<!-- <a/> --><m:a xmlns:m='x' b=' 1&amp;2 '>\n t<![CDATA[<]]>&#65;&lt;&x; <c/><d\n/></m:a>\n";
        let root = read(text, "a").unwrap();
        assert_eq!((root.name.as_str(), root.line, root.text()), ("a", 2, "t<A<&x;"));
        assert_eq!(root.attribute("b"), Some("1&2"));
        assert_eq!((root.child("c").unwrap().unwrap().line, root.children.len()), (3, 2));
        assert!(root.child("x").unwrap().is_none());
        assert_eq!(
            read(b"<?xml version='1.0' encoding='latin1'?><a>\xe9</a>", "a").unwrap().text(),
            "\u{1a}"
        );
        assert_eq!(read(b"\xff\xfe<\0a\0/\0>\0", "a").unwrap().name, "a");
    }

    #[test]
    fn malformed() {
        for (text, line) in [
            ("<a>\n<b></a>", 2),
            ("<a>\n<b>", 2),
            ("</a>", 1),
            ("<b/>", 1),
            ("", 1),
            ("<a/>\n<a/>", 2),
            ("<a>\n<b c='1' c='2'/></a>", 2),
            ("<a>\n<", 2),
        ] {
            let read = read(text.as_bytes(), "a");
            assert!(matches!(read, Err(Error::Line { line: at, .. }) if at == line), "{text} {read:?}");
        }
    }

    #[test]
    fn bounds() {
        let many: String = (0..100).map(|index| format!(" b{index}='1'")).collect();
        for (text, name) in [
            ("<a>".repeat(100_000), "XML depth"),
            (format!("<a>{}</a>", "<b/>".repeat(MAX_ELEMENTS)), "XML elements"),
            (format!("<a{many}/>"), "XML attributes"),
        ] {
            assert!(matches!(read(text.as_bytes(), "a"), Err(Error::Limit { name: of, .. }) if of == name));
        }
    }
}
