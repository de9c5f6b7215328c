//! Go's `go.mod` and `go.sum`; the Go Modules Reference.

use std::collections::{BTreeMap, HashMap, btree_map::Entry};

use super::{super::Ecosystem, Error, Package, Packages, text};
use crate::version::Scheme;

/// What `go.mod` says of the modules it builds with.
#[derive(Default)]
struct Module<'a> {
    /// Path, version, and whether it is there for another module's sake.
    required: Vec<(&'a str, &'a str, bool)>,
    /// By path, and version where one is given.
    replaced: HashMap<(&'a str, Option<&'a str>), Replacement<'a>>,
    /// Of the `go` line.
    language: Option<GoVersion>,
    /// Of the `toolchain` line.
    toolchain: Option<GoVersion>,
}

/// Path and version of the module taken instead; none where that is a directory.
type Replacement<'a> = Option<(&'a str, &'a str)>;

/// Reads `go.mod`: the modules it requires, with what replaces them, and the standard library of the toolchain that it asks
/// for.
pub(super) fn read_mod(bytes: &[u8]) -> Result<Vec<Package>, Error> {
    Module::parse(&text::decode(bytes)?)?.packages()
}

/// Whether a `go.mod` leaves modules out that the modules it requires need, so that only `go.sum` has all.
pub(super) fn is_partial(bytes: &[u8]) -> bool {
    text::decode(bytes).is_ok_and(|text| Module::parse(&text).is_ok_and(|module| !module.is_complete()))
}

impl<'a> Module<'a> {
    fn parse(text: &'a str) -> Result<Self, Error> {
        let mut module = Module::default();
        let mut block = None;
        for (line, number) in text.lines().zip(1..) {
            let (line, comment) = split_comment(line);
            let words = words(line).map_err(|why| Error::Line { line: number, why: why.to_owned() })?;
            let read = match (block, words.as_slice()) {
                (_, []) => Ok(()),
                (Some(_), [")"]) => {
                    block = None;
                    Ok(())
                }
                (None, [directive, "("]) => {
                    block = Some(*directive);
                    Ok(())
                }
                (Some(directive), words) => module.line(directive, words, comment),
                (None, [directive, words @ ..]) => module.line(directive, words, comment),
            };
            read.map_err(|why| Error::Line { line: number, why: why.to_owned() })?;
        }
        match block {
            None => Ok(module),
            Some(_) => Err(Error::Damaged { form: "go.mod", why: "a block does not end".to_owned() }),
        }
    }

    fn line(&mut self, directive: &str, words: &[&'a str], comment: &str) -> Result<(), &'static str> {
        match (directive, words) {
            ("require", [path, version]) => {
                let indirect = comment.trim() == "indirect" || comment.trim_start().starts_with("indirect;");
                self.required.push((path, version, indirect));
            }
            ("require", _) => return Err("`require` wants a module and a version"),
            ("replace", words) => {
                let sides: Vec<_> = words.split(|word| *word == "=>").collect();
                let (old, new) = match sides[..] {
                    [[path], new] => ((*path, None), new),
                    [[path, version], new] => ((*path, Some(*version)), new),
                    _ => return Err("`replace` wants a module, `=>` and what replaces it"),
                };
                let new = match new {
                    [directory] if is_directory(directory) => None,
                    [path, version] => Some((*path, *version)),
                    _ => return Err("a replacement is a directory, or a module and a version"),
                };
                self.replaced.insert(old, new);
            }
            ("go", [version]) => {
                self.language = Some(GoVersion::parse(version).ok_or("not a version of Go")?);
            }
            ("toolchain", ["default"]) => {}
            ("toolchain", [name]) => {
                // A suffix, as in go1.21.3-custom, names who built it.
                let version = name.strip_prefix("go").and_then(|name| name.split('-').next());
                self.toolchain = Some(version.and_then(GoVersion::parse).ok_or("not a toolchain of Go")?);
            }
            ("go" | "toolchain", _) => return Err("one version wanted"),
            _ => {}
        }
        Ok(())
    }

    /// Before 1.17, which a file without a `go` line is of, the indirect ones are few and say little: `go.sum` has all.
    fn is_complete(&self) -> bool {
        self.language.as_ref().is_some_and(|go| go.is_since(17))
    }

    fn packages(self) -> Result<Vec<Package>, Error> {
        let complete = self.is_complete();
        let mut packages = Packages::default();
        for (path, version, _) in self.required.into_iter().filter(|(.., indirect)| complete || !indirect) {
            let instead = |version| self.replaced.get(&(path, version)).copied();
            if let Some((path, version)) =
                instead(Some(version)).or_else(|| instead(None)).unwrap_or(Some((path, version)))
            {
                packages.push(Package::new(Ecosystem::Golang, path, version))?;
            }
        }
        // From 1.21 on, the go command takes no older toolchain than the `go` line says.
        let enforced = self.language.filter(|go| go.is_since(21));
        if let Some(toolchain) = self.toolchain.or(enforced) {
            packages.push(Package::new(Ecosystem::Golang, "stdlib", toolchain.as_module_version()))?;
        }
        Ok(packages.into_vec())
    }
}

/// A release of Go, such as `1.21`, `1.21.3` or `1.21rc2`.
struct GoVersion {
    major: u32,
    minor: u32,
    /// `.3`, `rc2`, or empty.
    rest: String,
}

impl GoVersion {
    fn is_since(&self, minor: u32) -> bool {
        (self.major, self.minor) >= (1, minor)
    }

    fn parse(version: &str) -> Option<Self> {
        let number = |text: &str| -> Option<u32> {
            let plain = text.bytes().all(|byte| byte.is_ascii_digit());
            plain.then(|| text.parse().ok()).flatten()
        };
        let (major, rest) = version.split_once('.').unwrap_or((version, "0"));
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (minor, rest) = rest.split_at(digits);
        let end =
            rest.trim_start_matches(|character: char| character == '.' || character.is_ascii_lowercase());
        let known = rest.is_empty()
            || (number(end).is_some() && matches!(&rest[..rest.len() - end.len()], "." | "rc" | "beta"));
        known.then_some(Self { major: number(major)?, minor: number(minor)?, rest: rest.to_owned() })
    }

    /// As modules write versions: `v1.21.0`, `v1.21.3`, `v1.21.0-rc.2`.
    fn as_module_version(&self) -> String {
        let Self { major, minor, rest } = self;
        match rest.find(|character: char| character.is_ascii_digit()) {
            None => format!("v{major}.{minor}.0"),
            Some(_) if rest.starts_with('.') => format!("v{major}.{minor}{rest}"),
            Some(at) => format!("v{major}.{minor}.0-{}.{}", &rest[..at], &rest[at..]),
        }
    }
}

/// Whether a replacement is a directory: such paths start as no module's does.
fn is_directory(path: &str) -> bool {
    let drive = path.as_bytes().get(1) == Some(&b':');
    path.starts_with(['.', '/', '\\']) || drive
}

/// A line, and the comment at its end.
pub(super) fn split_comment(line: &str) -> (&str, &str) {
    let mut quote = None;
    let bytes = line.as_bytes();
    for (at, byte) in line.bytes().enumerate() {
        match quote {
            Some(open) if byte == open => quote = None,
            Some(_) => {}
            None if byte == b'"' || byte == b'`' => quote = Some(byte),
            None if bytes[at..].starts_with(b"//") => return (&line[..at], &line[at + 2..]),
            None => {}
        }
    }
    (line, "")
}

/// Most words of a line: none that is read has more than five.
const MAX_WORDS: usize = 64;

/// The words of a line; one in quotes is one word.
pub(super) fn words(line: &str) -> Result<Vec<&str>, &'static str> {
    let mut words = Vec::new();
    let mut rest = line.trim();
    while let Some(first) = rest.chars().next() {
        let (word, after) = if first == '"' || first == '`' {
            rest[1..].split_once(first).ok_or("a quote does not end")?
        } else if first == '(' || first == ')' {
            rest.split_at(1)
        } else {
            let end = |character: char| character.is_whitespace() || character == '(' || character == ')';
            rest.split_at(rest.find(end).unwrap_or(rest.len()))
        };
        if words.len() == MAX_WORDS {
            return Err("more than 64 words");
        }
        words.push(word);
        rest = after.trim_start();
    }
    Ok(words)
}

/// Reads `go.sum`, which has the sums of every version that was ever looked at: of each module the highest one is what a
/// build can have taken.
pub(super) fn read_sum(bytes: &[u8]) -> Result<Vec<Package>, Error> {
    let text = text::decode(bytes)?;
    let mut highest: BTreeMap<&str, &str> = BTreeMap::new();
    for (line, number) in text.lines().zip(1..) {
        let mut words = line.split_whitespace();
        let (module, version) = match (words.next(), words.next(), words.next(), words.next()) {
            (None, ..) => continue,
            (Some(module), Some(version), Some(_), None) => (module, version),
            _ => {
                return Err(Error::Line {
                    line: number,
                    why: "not a module, a version and a sum".to_owned(),
                });
            }
        };
        let version = version.strip_suffix("/go.mod").unwrap_or(version);
        match highest.entry(module) {
            Entry::Vacant(entry) => {
                entry.insert(version);
            }
            Entry::Occupied(mut entry) => {
                if Scheme::Semver.compare(entry.get(), version).is_lt() {
                    entry.insert(version);
                }
            }
        }
    }
    let package = |(module, version)| Package::new(Ecosystem::Golang, module, version);
    Ok(Packages::of(highest.into_iter().map(package))?.into_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn modules(packages: Result<Vec<Package>, Error>) -> String {
        let packages = packages.unwrap().into_iter().map(|package| package.name + "@" + &package.version);
        packages.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn requirements_and_their_replacements() {
        let text = "module \"a.b/c\" // x\ngo 1.17\nrequire(\n\t`d.e/f` v1.0.0 // indirect; y\n\tg.h/i v2.0.0+incompatible\n)\n
            exclude g.h/i v1.0.0\nretract [v1.0.0, v1.2.0] // why\nreplace (\n g.h/i => j.k/l v3.0.0\n
            g.h/i v2.0.0+incompatible => m.n/o v4.0.0\n d.e/f => \"../f f\" // not there\n)\ntool d.e/f/cmd\n";
        assert_eq!(modules(read_mod(text.as_bytes())), "m.n/o@v4.0.0");
        for (go, want) in [
            ("", "a@v1"),
            ("go 1.16\n", "a@v1"),
            ("go 1.20\n", "a@v1 b@v2"),
            ("go 1.21\n", "a@v1 b@v2 stdlib@v1.21.0"),
            ("go 1.22.3\n", "a@v1 b@v2 stdlib@v1.22.3"),
            ("go 1.21rc2\n", "a@v1 b@v2 stdlib@v1.21.0-rc.2"),
            ("go 1.20\ntoolchain go1.21.3-custom-1\n", "a@v1 b@v2 stdlib@v1.21.3"),
            ("go 1.21.0\ntoolchain default\n", "a@v1 b@v2 stdlib@v1.21.0"),
        ] {
            let text = format!("{go}require a v1\nrequire b v2 //indirect\n");
            assert_eq!(modules(read_mod(text.as_bytes())), want, "{go}");
        }
    }

    #[test]
    fn malformed() {
        for (text, line) in [
            ("\nrequire a\n", 2),
            ("require (\na b c\n)", 2),
            ("replace a =>\n", 1),
            ("replace a => b\n", 1),
            ("replace a b c => d e\n", 1),
            ("go 1.x\n", 1),
            ("go 1.21.3.4\n", 1),
            ("toolchain 1.21\n", 1),
            ("require \"a b\n", 1),
        ] {
            let read = read_mod(text.as_bytes());
            assert!(matches!(read, Err(Error::Line { line: at, .. }) if at == line), "{text} {read:?}");
        }
        assert!(read_mod(b"require (\na v1\n").is_err());
        assert!(matches!(read_sum(b"a v1 h1:\n\nb v1\n"), Err(Error::Line { line: 3, .. })));
    }

    #[test]
    fn sums() {
        let text =
            b"a v1.10.0 h1:x\na v1.10.0/go.mod h1:x\na v1.9.0/go.mod h1:x\nb v0.0.0-2020-a/go.mod h1:x\n";
        assert_eq!(modules(read_sum(text)), "a@v1.10.0 b@v0.0.0-2020-a");
    }
}
