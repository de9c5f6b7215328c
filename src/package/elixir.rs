//! `ebin/NAME.app` of an Erlang or Elixir application: the Erlang term `{application, NAME, [{vsn, "VERSION"}, …]}.`;
//! app(4). Applications of Erlang and Elixir themselves are among them, under names that Hex keeps from everybody else.

use super::{Ecosystem, Error, Fact, Form, Package, at_place, split, utf8};

/// By what the term starts with.
pub(super) fn recognise(_path: &str, head: &[u8]) -> bool {
    if !matches!(head.first(), Some(b'{' | b'%' | b' ' | b'\n' | b'\r' | b'\t')) {
        return false;
    }
    let mut tokens = Tokens(head);
    tokens.next() == Some(Token::Mark(b'{')) && tokens.next() == Some(Token::Atom(b"application"))
}

/// Reads name and version. Elsewhere than in `ebin` a broken one is a template, or the source's own.
pub(super) fn read(path: &str, bytes: &[u8]) -> Result<Option<Fact>, Error> {
    let is_placed = split(split(path).1).0 == "ebin";
    at_place(is_placed, package(bytes).and_then(|package| Fact::one(Form::Elixir, package)))
}

fn package(bytes: &[u8]) -> Result<Package, Error> {
    let damaged = |why: &str| Error::Damaged { form: "application resource file", why: why.to_owned() };
    let mut tokens = Tokens(bytes);
    let (open, application, comma) = (tokens.next(), tokens.next(), tokens.next());
    let start = (open, application, comma);
    if start != (Some(Token::Mark(b'{')), Some(Token::Atom(b"application")), Some(Token::Mark(b','))) {
        return Err(damaged("it does not start with {application,"));
    }
    let Some(Token::Atom(name)) = tokens.next() else { return Err(damaged("no name")) };
    let mut version = None;
    // Within `{application, NAME, [`, which is two deep, the properties are tuples.
    let mut depth = 1_usize;
    let mut last = [None; 3];
    for token in tokens {
        match token {
            Token::Mark(b'{' | b'[') => depth += 1,
            Token::Mark(b'}' | b']') => {
                depth = depth.checked_sub(1).ok_or_else(|| damaged("a bracket too many"))?
            }
            Token::Text(text) if depth == 3 => {
                let property = [Some(Token::Mark(b'{')), Some(Token::Atom(b"vsn")), Some(Token::Mark(b','))];
                if last == property && version.replace(text).is_some_and(|before| before != text) {
                    return Err(damaged("a second vsn"));
                }
            }
            _ => {}
        }
        last = [last[1], last[2], Some(token)];
    }
    if depth != 0 {
        return Err(damaged("it ends within a term"));
    }
    let version = utf8(version.ok_or(Error::Field("vsn"))?)?;
    if version.is_empty() || version.contains('\\') {
        return Err(damaged("a vsn that is empty or holds escapes"));
    }
    Ok(Package::new(Ecosystem::Hex, utf8(name)?, version))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token<'a> {
    /// A bracket, a comma, or anything else of one byte.
    Mark(u8),
    /// An atom, a number or a variable; quotes are dropped.
    Atom(&'a [u8]),
    /// A string; escapes are kept as they are.
    Text(&'a [u8]),
}

/// What is left of the text.
struct Tokens<'a>(&'a [u8]);

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        loop {
            self.0 = self.0.trim_ascii_start();
            match *self.0.first()? {
                b'%' => {
                    let end = self.0.iter().position(|byte| *byte == b'\n').unwrap_or(self.0.len());
                    self.0 = &self.0[end..];
                }
                quote @ (b'"' | b'\'') => {
                    let text = self.quoted(quote);
                    return Some(if quote == b'"' { Token::Text(text) } else { Token::Atom(text) });
                }
                byte => {
                    let word = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'@' | b'-');
                    let end = self.0.iter().position(|byte| !word(byte)).unwrap_or(self.0.len());
                    let (atom, rest) = self.0.split_at(end.max(1));
                    self.0 = rest;
                    return Some(if end == 0 { Token::Mark(byte) } else { Token::Atom(atom) });
                }
            }
        }
    }
}

impl<'a> Tokens<'a> {
    /// The text up to the next `quote` that no backslash stands before; all of the rest where there is none.
    fn quoted(&mut self, quote: u8) -> &'a [u8] {
        let inner = self.0.get(1..).unwrap_or_default();
        let mut escaped = false;
        let end = inner.iter().position(|byte| {
            let ends = *byte == quote && !escaped;
            escaped = *byte == b'\\' && !escaped;
            ends
        });
        let end = end.unwrap_or(inner.len());
        self.0 = inner.get(end + 1..).unwrap_or_default();
        inner.get(..end).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> Option<(String, String)> {
        match read("lib/a-1/ebin/a.app", text.as_bytes()) {
            Ok(Some(Fact::Installed { packages, .. })) => {
                packages.first().map(|p| (p.name.clone(), p.version.clone()))
            }
            _ => None,
        }
    }

    #[test]
    fn name_and_version() {
        let elixir = "{application,jason,\n [{modules,['Elixir.Jason',jason_x]},\n  {optional_applications,[]},\n  \
            {description,\"a \\\"{vsn, \"},\n  {env,[{vsn,\"9.9\"}]},\n  {vsn,\"1.4.1\"}]}.\n";
        assert_eq!(told(elixir), Some(("jason".to_owned(), "1.4.1".to_owned())));
        let erlang =
            "%% coding: utf-8\n{application , 'my-app', [ {vsn, \"2.0-rc.1\"} , {registered, []}]} .";
        assert!(recognise("x/any", erlang.as_bytes()));
        assert_eq!(told(erlang), Some(("my-app".to_owned(), "2.0-rc.1".to_owned())));
    }

    #[test]
    fn what_names_no_application_is_an_error() {
        for text in [
            "",
            "{application, a, [{vsn, git}]}.",
            "{application, a, [{vsn, \"1\"}",
            "{application, a, [{vsn, \"1\"}]}}.",
            "{application, a, [{vsn, \"1\"}, {vsn, \"2\"}]}.",
            "{application, a, [{env, [{vsn, \"1\"}]}]}.",
            "{application, \"a\", [{vsn, \"1\"}]}.",
            "{appl, a, [{vsn, \"1\"}]}.",
        ] {
            assert_eq!(told(text), None, "{text}");
            assert!(read("ebin/a.app", text.as_bytes()).is_err(), "{text}");
            assert_eq!(read("src/a.app.src", text.as_bytes()), Ok(None), "{text}");
        }
        assert!(!recognise("a.json", b"{\"application\": 1}"));
    }
}
