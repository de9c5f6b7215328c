//! CPE names in version 2.3, as formatted strings: NIST IR 7695, section 6.2.
//!
//! ```text
//! cpe:2.3:part:vendor:product:version:update:edition:language:sw_edition:target_sw:target_hw:other
//! ```

use std::{borrow::Cow, fmt};

/// The ecosystem of what is said of products, by their CPE names.
pub(crate) const FEED: &str = "cpe";

/// A name. Its values are as they are written: `*` is any, `-` is none, and a backslash quotes the character after it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Cpe<'a> {
    /// `a` application, `o` operating system, `h` hardware.
    pub part: &'a str,
    pub vendor: &'a str,
    pub product: &'a str,
    pub version: &'a str,
    pub update: &'a str,
    /// The software that the product runs in, such as `wordpress` or `node.js`.
    pub target_sw: &'a str,
}

impl<'a> Cpe<'a> {
    /// `None` if it has not exactly the values that it must have, each of at least one character.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        let mut values = [""; 11];
        let mut count = 0;
        let mut rest = text.strip_prefix("cpe:2.3:")?;
        loop {
            let (value, after) = first(rest);
            *values.get_mut(count).filter(|_| !value.is_empty())? = value;
            count += 1;
            match after {
                Some(after) => rest = after,
                None => break,
            }
        }
        let [part, vendor, product, version, update, _, _, _, target_sw, _, _] = values;
        (count == values.len()).then_some(Self { part, vendor, product, version, update, target_sw })
    }

    /// `vendor:product`, and `:target_sw` where that says anything, in lower case and without quotes; a colon in one of them
    /// stays quoted. `None` if vendor or product is a pattern.
    pub(super) fn package(&self) -> Option<String> {
        let mut name = String::with_capacity(self.vendor.len() + self.product.len() + 1);
        let target = [self.target_sw].into_iter().filter(|value| !is_any(value) && *value != "-");
        for value in [self.vendor, self.product].into_iter().chain(target) {
            if !name.is_empty() {
                name.push(':');
            }
            let value = unquoted(value)?;
            match value.contains([':', '\\']) {
                true => name.push_str(&value.replace('\\', "\\\\").replace(':', "\\:")),
                false => name.push_str(&value),
            }
        }
        name.make_ascii_lowercase();
        Some(name)
    }
}

/// A product, as [`Cpe::package`] names it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Product {
    /// The whole name.
    pub(crate) key: String,
    pub(crate) vendor: String,
    pub(crate) product: String,
    /// The software that it runs in; empty where that does not matter.
    pub(crate) target: String,
}

impl Product {
    pub(crate) fn of(key: String) -> Option<Self> {
        let mut parts = [const { String::new() }; 3];
        let mut rest = Some(key.as_str());
        for part in &mut parts {
            let Some(text) = rest else { break };
            let (value, after) = first(text);
            *part = unquoted(value)?.into_owned();
            rest = after;
        }
        let [vendor, product, target] = parts;
        (rest.is_none() && !product.is_empty()).then_some(Self { key, vendor, product, target })
    }
}

/// The CPE name of all its versions.
impl fmt::Display for Product {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quoted = |text: &str| {
            let mut out = String::with_capacity(text.len());
            for letter in text.chars() {
                if letter.is_ascii() && !letter.is_ascii_alphanumeric() && !"_-.".contains(letter) {
                    out.push('\\');
                }
                out.push(letter);
            }
            if out.is_empty() { "*".to_owned() } else { out }
        };
        let Self { vendor, product, target, .. } = self;
        let [vendor, product, target] = [vendor, product, target].map(|text| quoted(text));
        write!(f, "cpe:2.3:a:{vendor}:{product}:*:*:*:*:*:{target}:*:*")
    }
}

/// Whether it is the value that stands for every other.
pub(super) fn is_any(value: &str) -> bool {
    value == "*"
}

/// A value without its quotes; `None` if it is a pattern: `?` and `*` without a quote are.
pub(super) fn unquoted(value: &str) -> Option<Cow<'_, str>> {
    if !value.contains(['\\', '?', '*']) {
        return Some(Cow::Borrowed(value));
    }
    let mut text = String::with_capacity(value.len());
    let mut characters = value.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => text.push(characters.next()?),
            '?' | '*' => return None,
            _ => text.push(character),
        }
    }
    Some(Cow::Owned(text))
}

/// The value before the first colon that is not quoted, and what follows the colon.
fn first(text: &str) -> (&str, Option<&str>) {
    let mut quoted = false;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if quoted => quoted = false,
            b'\\' => quoted = true,
            b':' => return (&text[..at], Some(&text[at + 1..])),
            _ => {}
        }
    }
    (text, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_and_quotes() {
        let cpe = Cpe::parse(r"cpe:2.3:a:A\:b:c\+\+\\:1\.0\:rc\*:-:*:*:*:node.js:*:*").unwrap();
        assert_eq!((cpe.part, cpe.version, cpe.update), ("a", r"1\.0\:rc\*", "-"));
        assert_eq!(cpe.package().unwrap(), r"a\:b:c++\\:node.js");
        assert_eq!(unquoted(cpe.version).unwrap(), "1.0:rc*");
        let plain = Cpe::parse("cpe:2.3:a:apache:http_server:2.4.1:*:*:*:*:*:*:*").unwrap();
        assert_eq!(plain.package().unwrap(), "apache:http_server");
        assert!(is_any(plain.update) && !is_any(r"\*"));
    }

    #[test]
    fn products_by_their_names() {
        for text in
            [r"cpe:2.3:a:a\:b:c\+\+\\:*:*:*:*:*:node.js:*:*", "cpe:2.3:a:apache:http_server:*:*:*:*:*:*:*:*"]
        {
            let key = Cpe::parse(text).unwrap().package().unwrap();
            assert_eq!(Product::of(key).unwrap().to_string(), text);
        }
        assert_eq!(Product::of("a".into()), None);
        assert_eq!(Product::of("a:b:c:d".into()), None);
    }

    #[test]
    fn patterns_have_no_name() {
        let package = |text| Cpe::parse(text).unwrap().package();
        assert_eq!(package("cpe:2.3:a:*:b:*:*:*:*:*:*:*:*"), None);
        assert_eq!(package("cpe:2.3:a:a:b?:*:*:*:*:*:*:*:*"), None);
        assert_eq!(unquoted(r"1\"), None);
    }

    #[test]
    fn what_is_no_name() {
        for text in [
            "",
            "cpe:/a:apache:http_server:2.4.1",
            "cpe:2.3:a:apache:http_server",
            "cpe:2.3:a:apache:http_server:2.4.1:*:*:*:*:*:*",
            "cpe:2.3:a:apache:http_server:2.4.1:*:*:*:*:*:*:*:*",
            "cpe:2.3:a::http_server:2.4.1:*:*:*:*:*:*:*",
            r"cpe:2.3:a:apache:http_server:2.4.1:*:*:*:*:*:*\:*",
        ] {
            assert_eq!(Cpe::parse(text), None, "{text}");
        }
    }
}
