//! Elixir's `mix.lock`: a map in Elixir's own syntax, `"APP": {:hex, :PACKAGE, "VERSION", …}`; Mix's and Hex's documentation
//! of dependencies.
//!
//! Packages from Hex are given. What is from a repository has no version there and is left out.

use std::collections::BTreeSet;

use super::{
    super::{Ecosystem, count::Count, utf8},
    Error, Package, Packages,
};

/// `mix.lock depth`: most brackets that are open at once. Mix writes five.
const MAX_DEPTH: usize = 64;

/// Reads all packages from Hex.
pub(super) fn read(bytes: &[u8]) -> Result<Vec<Package>, Error> {
    let mut tokens = Tokens { text: utf8(bytes)?, at: 0, line: 1 };
    let mut packages = Packages::default();
    let (mut keys, mut count) = (BTreeSet::new(), Count::default());
    match tokens.next()? {
        // Mix takes an empty file for an empty map.
        None => return Ok(Vec::new()),
        Some(Token::Open('%')) => {}
        Some(_) => return Err(tokens.error("expected `%{`")),
    }
    loop {
        let key = match tokens.next()? {
            Some(Token::Close('}')) => break,
            Some(Token::Key(key)) => key,
            Some(Token::Text(key)) => match tokens.next()? {
                Some(Token::Arrow) => key,
                _ => return Err(tokens.error("expected `=>`")),
            },
            _ => return Err(tokens.error("expected the name of a dependency")),
        };
        count.add(0)?;
        if !keys.insert(key) {
            return Err(tokens.error(&format!("the key `{key}` is there twice")));
        }
        if tokens.next()? != Some(Token::Open('{')) {
            return Err(tokens.error("expected `{`"));
        }
        packages.extend(tokens.dependency()?)?;
        match tokens.next()? {
            Some(Token::Comma) => {}
            Some(Token::Close('}')) => break,
            _ => return Err(tokens.error("expected `,` or `}`")),
        }
    }
    match tokens.next()? {
        None => Ok(packages.into_vec()),
        Some(_) => Err(tokens.error("more after the map")),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token<'a> {
    /// `%` stands for `%{`, which opens a map.
    Open(char),
    Close(char),
    Comma,
    Arrow,
    /// `"TEXT"`, escapes as written: no name and no version has any.
    Text(&'a str),
    /// `:ATOM` or `:"ATOM"`.
    Atom(&'a str),
    /// `KEY:` or `"KEY":`.
    Key(&'a str),
    /// A number, `true`, `false` or `nil`.
    Word,
}

struct Tokens<'a> {
    text: &'a str,
    at: usize,
    line: usize,
}

impl<'a> Tokens<'a> {
    /// The rest of a tuple whose bracket was read; a package if it is one from Hex.
    fn dependency(&mut self) -> Result<Option<Package>, Error> {
        let mut package = None;
        let mut open = vec!['}'];
        // Of the tuple itself, separated by commas.
        let mut element = 0;
        let (mut is_hex, mut name) = (false, None);
        loop {
            let token = self.next()?.ok_or_else(|| self.error("the file ends here, inside of a tuple"))?;
            match (token, open.len(), element) {
                (Token::Open(bracket), ..) => {
                    if open.len() == MAX_DEPTH {
                        return Err(Error::Limit { name: "mix.lock depth", limit: MAX_DEPTH as u64 });
                    }
                    open.push(if bracket == '[' { ']' } else { '}' });
                }
                (Token::Close(bracket), ..) => {
                    if open.pop() != Some(bracket) {
                        return Err(self.error(&format!("unexpected `{bracket}`")));
                    }
                    if open.is_empty() {
                        break;
                    }
                }
                (Token::Comma, 1, _) => element += 1,
                (Token::Atom(atom), 1, 0) => is_hex = atom == "hex",
                (Token::Atom(atom), 1, 1) => name = Some(atom),
                (Token::Text(version), 1, 2) => {
                    package = name.map(|name| Package::new(Ecosystem::Hex, name, version));
                }
                _ => {}
            }
        }
        match (is_hex, package) {
            (true, None) => Err(self.error("a package from Hex without name or version")),
            (true, package) => Ok(package),
            (false, _) => Ok(None),
        }
    }

    fn next(&mut self) -> Result<Option<Token<'a>>, Error> {
        loop {
            let rest = &self.text[self.at..];
            let Some(first) = rest.chars().next() else { return Ok(None) };
            let (length, token) = match first {
                '\n' => {
                    self.line += 1;
                    self.at += 1;
                    continue;
                }
                _ if first.is_whitespace() => {
                    self.at += first.len_utf8();
                    continue;
                }
                '#' => {
                    self.at += rest.find('\n').unwrap_or(rest.len());
                    continue;
                }
                '%' if rest.starts_with("%{") => (2, Token::Open('%')),
                '{' | '[' => (1, Token::Open(first)),
                '}' | ']' => (1, Token::Close(first)),
                ',' => (1, Token::Comma),
                '=' if rest.starts_with("=>") => (2, Token::Arrow),
                '"' => {
                    let (length, text) = self.string(rest)?;
                    match rest[length..].starts_with(':') {
                        true => (length + 1, Token::Key(text)),
                        false => (length, Token::Text(text)),
                    }
                }
                ':' if rest.starts_with(":\"") => {
                    let (length, text) = self.string(&rest[1..])?;
                    (length + 1, Token::Atom(text))
                }
                ':' => {
                    let atom = word(&rest[1..]);
                    (1 + atom.len(), Token::Atom(atom))
                }
                _ => {
                    let word = word(rest);
                    match rest[word.len()..].starts_with(':') {
                        _ if word.is_empty() => return Err(self.error(&format!("unexpected `{first}`"))),
                        true => (word.len() + 1, Token::Key(word)),
                        false => (word.len(), Token::Word),
                    }
                }
            };
            self.at += length;
            return Ok(Some(token));
        }
    }

    /// Length of the string at the start of `text` with its quotes, and what is between them.
    fn string(&mut self, text: &'a str) -> Result<(usize, &'a str), Error> {
        let mut escaped = false;
        for (index, byte) in text.bytes().enumerate().skip(1) {
            match byte {
                b'\n' => return Err(self.error("a string does not end")),
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => return Ok((index + 1, &text[1..index])),
                _ => {}
            }
        }
        Err(self.error("a string does not end"))
    }

    fn error(&self, why: &str) -> Error {
        Error::Line { line: self.line, why: why.to_owned() }
    }
}

/// What is at the start of `text` of a name, a number or a dotted version.
fn word(text: &str) -> &str {
    let in_word = |c: char| c.is_alphanumeric() || "_@.?!-".contains(c);
    &text[..text.find(|c| !in_word(c)).unwrap_or(text.len())]
}

#[cfg(test)]
pub(super) const SAMPLE: &str = r#"%{
  # comment, with "quotes
  "bunt": {:hex, :bunt, "0.2.0", "951c", [:mix], [], "hexpm", "7af5"},
  "app": {:hex, :"other-name", "1.0.0-rc.1", "f51f", [:mix, :rebar3],
    [{:bunt, "~> 0.2.0", [hex: :bunt, repo: "hexpm", optional: false]}], "hexpm:acme", "6255"},
  "old" => {:hex, :old, "0.1.0"},
  "esaml": {:git, "https://github.com/x/esaml.git", "4294", [tag: "v1", depth: 1, sparse: nil]},
  json: {:hex, :json, "1.4.1", %{a: "}"}},
}
"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_source() {
        let packages = read(SAMPLE.as_bytes()).unwrap();
        let names: Vec<_> = packages.iter().map(|p| (p.name.as_str(), p.version.as_str())).collect();
        assert_eq!(
            names,
            [("bunt", "0.2.0"), ("other-name", "1.0.0-rc.1"), ("old", "0.1.0"), ("json", "1.4.1")]
        );
        for empty in ["", "%{}\n", "%{ }"] {
            assert_eq!(read(empty.as_bytes()), Ok(Vec::new()));
        }
    }

    #[test]
    fn errors_name_the_place() {
        let why = |text: &str| read(text.as_bytes()).unwrap_err().to_string();
        assert_eq!(why("[]"), "line 1: expected `%{`");
        assert_eq!(why("%{\n<<<<<<< HEAD\n"), "line 2: unexpected `<`");
        assert_eq!(why("%{\n\"a\": {:hex, :a, 1},\n"), "line 2: a package from Hex without name or version");
        assert_eq!(why("%{\n\"a\": {:git},\n\n\"a\": {:git}}"), "line 4: the key `a` is there twice");
        assert_eq!(why("%{\"a\": {:hex, [}"), "line 1: unexpected `}`");
        assert_eq!(why("%{\n\"a\": {:hex"), "line 2: the file ends here, inside of a tuple");
        assert_eq!(why("%{\"a"), "line 1: a string does not end");
        assert_eq!(why("%{} x"), "line 1: more after the map");
        assert!(why(&format!("%{{\"a\": {}", "{".repeat(100_000))).contains("mix.lock depth"));
    }
}
