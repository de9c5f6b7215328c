//! dpkg's `status` file and the files of `status.d`; deb-control(5), and distroless images for the latter.

use std::collections::BTreeMap;

use super::{
    Ecosystem, Error, Fact, Owned, Package, Source,
    count::{Count, hold_text, text_bytes},
    lossy, owned,
};

/// By their place, or as a stanza with a `Status`. Package indexes of apt start alike, have no `Status`, and are left
/// out; so is dpkg's backup of its own file: a link that leads to one of them is named as not read by the merge.
pub(super) fn recognise(path: &str, head: &[u8]) -> bool {
    let mut names = path.rsplit('/');
    let (name, parent) = (names.next().unwrap_or_default(), names.next());
    let placed = parent == Some("status.d") || (name == "status" && parent == Some("dpkg"));
    placed || (name != "status-old" && is_stanza(head) && (name == "status" || has_field(head, b"\nstatus")))
}

/// Whether `head` starts with a package's name.
pub(super) fn is_stanza(head: &[u8]) -> bool {
    field_at(head, b"package")
}

/// Whether `head` has a field; `name` begins with the line's end before it.
pub(super) fn has_field(head: &[u8], name: &[u8]) -> bool {
    head.iter().enumerate().any(|(at, byte)| *byte == b'\n' && field_at(&head[at..], name))
}

/// Whether `head` starts with a field of this name; dpkg takes blanks before the colon.
fn field_at(head: &[u8], name: &[u8]) -> bool {
    head.split_at_checked(name.len()).is_some_and(|(start, rest)| {
        start.eq_ignore_ascii_case(name)
            && rest.iter().find(|byte| !matches!(byte, b' ' | b'\t')) == Some(&b':')
    })
}

/// Reads all stanzas, as lib/dpkg/parse.c does.
pub(super) fn read(path: &str, bytes: &[u8]) -> Result<Option<Fact>, Error> {
    // Each file of status.d is a package that is there; beside it lies one with the hashes of the package's files.
    let part = path.rsplit('/').nth(1) == Some("status.d");
    let lines = || bytes.strip_suffix(b"\n").unwrap_or(bytes).split(|byte| *byte == b'\n').map(lossy);
    if path.ends_with(".md5sums") && (bytes.is_empty() || lines().all(|line| is_hash(&line))) {
        let mut hashes = Found::default();
        for (package, line) in lines().filter_map(|line| Some((owned::package(path)?, line))) {
            let file = line.split_once(' ').map_or("", |(_, file)| file.trim_start_matches([' ', '*']));
            hashes.owned.add(file, package);
        }
        return Ok(Some(hashes.fact()));
    }
    let found = status(bytes, Ecosystem::Deb, part)?;
    match part && found.stanzas == 0 {
        true => Err(Error::Field("package in a file of status.d")),
        false => Ok(Some(found.fact())),
    }
}

/// Reads the stanzas of a file in the form of dpkg's `status`. One without a `Status` is no package that is installed,
/// except in files of their own, where `is_part`.
pub(super) fn status(bytes: &[u8], ecosystem: Ecosystem, is_part: bool) -> Result<Found, Error> {
    // dpkg reads bytes: a maintainer's name in another encoding is no reason to know nothing of the system.
    let mut found = Found::default();
    let start = || Stanza { is_part, ..Stanza::default() };
    let mut stanza = start();
    let mut number = 0;
    for line in bytes.strip_suffix(b"\n").unwrap_or(bytes).split(|byte| *byte == b'\n') {
        number += 1;
        let wrong = |why: String| Error::Line { line: number, why };
        let line = Line::of(line);
        if line.is_text && line.text.trim_matches(BLANKS).is_empty() {
            found.add(std::mem::replace(&mut stanza, start()), ecosystem, number)?;
        } else if line.text.starts_with(BLANKS) {
            stanza.go_on(line).map_err(wrong)?;
        } else {
            stanza.set(line).map_err(wrong)?;
        }
    }
    found.add(stanza, ecosystem, number)?;
    found.packages.sort_unstable();
    found.packages.dedup();
    found.removed.sort_unstable();
    found.removed.dedup();
    for sources in found.built_using.values_mut() {
        sources.sort_unstable();
        sources.dedup();
    }
    Ok(found)
}

/// What C's `isspace` takes, the line's end left out.
const BLANKS: [char; 5] = [' ', '\t', '\u{b}', '\u{c}', '\r'];

/// A line, up to the first byte that is not UTF-8.
struct Line<'a> {
    text: &'a str,
    /// Whether that is all of it.
    is_text: bool,
}

impl<'a> Line<'a> {
    fn of(bytes: &'a [u8]) -> Self {
        match bytes.utf8_chunks().next() {
            None => Self { text: "", is_text: true },
            Some(chunk) => Self { text: chunk.valid(), is_text: chunk.invalid().is_empty() },
        }
    }
}

/// A line of md5sum(1): the hash, then a path.
fn is_hash(line: &str) -> bool {
    let hash = |hash: &str| hash.len() == 32 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
    // A backslash before it says that the path is escaped.
    let line = line.strip_prefix('\\').unwrap_or(line);
    line.split_once(' ').is_some_and(|(start, path)| hash(start) && !path.trim().is_empty())
}

/// What a file says.
#[derive(Default)]
pub(super) struct Found {
    stanzas: usize,
    /// Of packages and of what is in `Built-Using`.
    count: Count,
    pub(super) packages: Vec<Package>,
    removed: Vec<String>,
    owned: Owned,
    built_using: BTreeMap<String, Vec<Source>>,
}

impl Found {
    /// Adds what a stanza says that ends on `line`.
    fn add(&mut self, mut stanza: Stanza<'_>, ecosystem: Ecosystem, line: usize) -> Result<(), Error> {
        if !stanza.started {
            return Ok(());
        }
        self.stanzas += 1;
        let built_using = std::mem::take(&mut stanza.built_using);
        match stanza.read(ecosystem).map_err(|why| Error::Line { line, why })? {
            State::There(package) => {
                self.count.add(text_bytes(&package))?;
                let mut found = Vec::new();
                for source in sources(&built_using) {
                    self.count.add(source.name.len() + source.version.len())?;
                    found.push(source);
                }
                if !found.is_empty() {
                    self.built_using.entry(package.name.clone()).or_default().append(&mut found);
                }
                self.packages.push(package);
            }
            State::Removed(name) => {
                self.count.add(name.len())?;
                self.removed.push(name.to_owned());
            }
            State::Never => {}
        }
        Ok(())
    }

    fn fact(self) -> Fact {
        let Self { packages, removed, built_using, owned, .. } = self;
        Fact::Dpkg { packages, removed, built_using, owned }
    }
}

/// The sources in `NAME (= VERSION), …`; what is of no such form says nothing.
fn sources(text: &str) -> impl Iterator<Item = Source> {
    text.split(',').filter_map(|part| {
        let (name, version) = part.split_once('(')?;
        let version = version.trim().strip_suffix(')')?.trim_start().strip_prefix('=')?;
        let (name, version) = (name.trim().to_owned(), version.trim().to_owned());
        (!name.is_empty() && !version.is_empty()).then_some(Source { name, version })
    })
}

/// What dpkg says of one package.
enum State<'a> {
    There(Package),
    /// Nothing but configuration is left, or nothing is known but the name.
    Removed(&'a str),
    Never,
}

#[derive(Default)]
struct Stanza<'a> {
    /// Whether no `Status` means that the package is there.
    is_part: bool,
    started: bool,
    package: Option<&'a str>,
    version: Option<&'a str>,
    arch: Option<&'a str>,
    source: Option<&'a str>,
    status: Option<&'a str>,
    /// The values of both fields, after a comma each.
    built_using: String,
    /// Whether the last field is one of them.
    in_built_using: bool,
}

impl<'a> Stanza<'a> {
    /// A line that continues the last field.
    fn go_on(&mut self, line: Line<'_>) -> Result<(), String> {
        if self.in_built_using {
            self.build(&line)?;
        }
        if self.started { Ok(()) } else { Err("a continuation of nothing".to_owned()) }
    }

    /// Adds to what the package was built with.
    fn build(&mut self, value: &Line<'_>) -> Result<(), String> {
        hold_text(self.built_using.len() + value.text.len()).map_err(|error| error.to_string())?;
        self.built_using.push_str(value.text);
        if value.is_text { Ok(()) } else { Err("field Built-Using is not UTF-8".to_owned()) }
    }

    fn set(&mut self, line: Line<'a>) -> Result<(), String> {
        self.started = true;
        let is_text = line.is_text;
        let (field, value) = match line.text.split_once(':') {
            Some(parts) => parts,
            None if is_text => return Err("neither a field nor a continuation".to_owned()),
            // A field with such a name is none that is read.
            None => {
                self.in_built_using = false;
                return Ok(());
            }
        };
        let field = field.trim_end_matches(BLANKS);
        if field.is_empty() || field.contains(|c: char| c.is_ascii_whitespace() || c.is_ascii_control()) {
            return Err("a field's name is empty or holds blanks".to_owned());
        }
        self.in_built_using = false;
        let slot = match field.to_ascii_lowercase().as_str() {
            "built-using" | "static-built-using" => {
                self.in_built_using = true;
                self.built_using.push(',');
                return self.build(&Line { text: value, is_text });
            }
            "package" => &mut self.package,
            "version" => &mut self.version,
            "architecture" => &mut self.arch,
            "source" => &mut self.source,
            "status" => &mut self.status,
            _ => return Ok(()),
        };
        if !is_text {
            return Err(format!("field {field} is not UTF-8"));
        }
        match slot.replace(value.trim()) {
            None => hold_text(value.len()).map_err(|error| error.to_string()),
            Some(_) => Err(format!("a second field {field}")),
        }
    }

    fn read(self, ecosystem: Ecosystem) -> Result<State<'a>, String> {
        let name = self.package.filter(|name| !name.is_empty()).ok_or("a package without a name")?;
        let version = self.version.filter(|version| !version.is_empty());
        // "want flag state", in any case: `deinstall ok config-files` has left nothing but configuration behind.
        let state = |status: &str| status.split_ascii_whitespace().nth(2).map(str::to_ascii_lowercase);
        match (self.status.map(|status| state(status).unwrap_or_default()).as_deref(), version) {
            (None, _) if !self.is_part => return Ok(State::Never),
            (Some("not-installed"), _) => return Ok(State::Never),
            (Some("config-files"), _) | (Some("half-installed"), None) => return Ok(State::Removed(name)),
            _ => {}
        }
        let version = version.ok_or_else(|| format!("package {name} has no version"))?;
        // opkg's `Source` is a path in the tree that it was built from.
        let source =
            self.source.filter(|_| ecosystem == Ecosystem::Deb).map(|source| match source.split_once('(') {
                Some((name, version)) => (name.trim(), version.trim_end_matches(')').trim()),
                None => (source, version),
            });
        Ok(State::There(Package {
            arch: self.arch.map(str::to_owned),
            source: source
                .filter(|source| *source != (name, version))
                .map(|(name, version)| Source { name: name.to_owned(), version: version.to_owned() }),
            ..Package::new(ecosystem, name, version)
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::{super::count::MOST_PACKAGES, *};

    const STATUS: &str = "Package: libssl3\nStatus: install ok installed\nArchitecture: amd64\nSource: openssl\n\
        Version: 3.0.11-1~deb12u2\nDescription: x\n Package: not-one\n\n\
        Package: jq\nStatus: deinstall ok config-files\nVersion: 1.6-2.1\n\n\
        Package: perl-base\nStatus: hold ok half-configured\nVersion: 5.36.0-7\nSource: perl (5.36.0-7+x)\n";

    #[test]
    fn states_and_sources() {
        let read = read("var/lib/dpkg/status", STATUS.as_bytes());
        let Ok(Some(Fact::Dpkg { packages, removed, .. })) = read else { panic!("{read:?}") };
        let got: Vec<_> = packages.iter().map(|p| (p.name.as_str(), p.source())).collect();
        assert_eq!(
            got,
            [("libssl3", ("openssl", "3.0.11-1~deb12u2")), ("perl-base", ("perl", "5.36.0-7+x"))]
        );
        assert_eq!(removed, ["jq"]);
    }

    #[test]
    fn states_are_those_of_dpkg() {
        let count = |status: &str| match read("dpkg/status", format!("Package: a\n{status}\n").as_bytes()) {
            Ok(Some(Fact::Dpkg { packages, removed, .. })) => Some((packages.len(), removed.len())),
            _ => None,
        };
        for (status, want) in [
            ("Status: hold ok installed\nVersion: 1", Some((1, 0))),
            ("Status: install reinstreq half-installed\nVersion: 1", Some((1, 0))),
            ("Status: install reinstreq half-installed", Some((0, 1))),
            ("Status: install ok triggers-awaited\nVersion: 1", Some((1, 0))),
            ("Status: install ok unpacked\nVersion: 1", Some((1, 0))),
            ("Status: deinstall ok Config-Files\nVersion: 1", Some((0, 1))),
            ("Status: purge ok not-installed\nVersion: 1", Some((0, 0))),
            ("Version: 1", Some((0, 0))),
            ("Status: install ok unpacked", None),
        ] {
            assert_eq!(count(status), want, "{status}");
        }
    }

    #[test]
    fn sources_inside() {
        let text = "Package: a\nVersion: 1\nBuilt-Using: gcc-12 (= 12.2.0-14),\n golang-1.19 (= 1.19.8-2)\n\
            Static-Built-Using: rust-x (= 1), broken, gcc-12 (= 12.2.0-14)\nDescription: x\n y (= 1)\n";
        let Ok(Some(Fact::Dpkg { built_using, .. })) = read("status.d/a", text.as_bytes()) else { panic!() };
        let got: Vec<_> = built_using["a"].iter().map(|s| format!("{} {}", s.name, s.version)).collect();
        assert_eq!(got, ["gcc-12 12.2.0-14", "golang-1.19 1.19.8-2", "rust-x 1"]);
        let Ok(Some(fact)) = read("status.d/a", b"Package: a\nVersion: 1\n") else { panic!() };
        assert!(!serde_json::to_string(&fact).unwrap().contains("built"));
    }

    #[test]
    fn what_is_inside_is_bounded_as_packages_are() {
        let read = |inside: &str, count: usize| {
            let text = format!("Package: a\nVersion: 1\nBuilt-Using: {}\n", inside.repeat(count));
            read("status.d/a", text.as_bytes()).map(|_| ())
        };
        let name = |read: Result<(), Error>| read.unwrap_err().to_string();
        assert_eq!(read("a(=1),", MOST_PACKAGES - 1), Ok(()));
        assert!(name(read("a(=1),", MOST_PACKAGES)).contains("`packages of a file`"));
        assert!(name(read("a,", 10 << 20)).contains("`text of packages`"));
    }

    #[test]
    fn other_encodings() {
        for (text, want) in [
            (&b"Package: a\nVersion: 1\nMaintainer: J\xf6rg\n \xf6\nF\xf6: x\n\xf6\n"[..], None),
            (b"Package: \xf6\nVersion: 1\n", Some(1)),
            (b"Package: a\nVersion: 1\nBuilt-Using: a (= 1),\n \xf6 (= 1)\n", Some(4)),
        ] {
            let line = match read("status.d/a", text) {
                Err(Error::Line { line, .. }) => Some(line),
                read => read.map(|_| None).unwrap(),
            };
            assert_eq!(line, want, "{text:?}");
        }
    }

    #[test]
    fn told_by_content_or_place() {
        assert!(recognise("data/odd-name", STATUS.as_bytes()));
        assert!(recognise("data/odd-name", b"Package : a\nstatus\t: install ok installed\n"));
        assert!(recognise("var/lib/dpkg/status.d/base.md5sums", b"d41d8cd9  usr/share/x\n"));
        assert!(recognise("var/lib/dpkg/status", b""));
        assert!(!recognise("var/lib/apt/lists/x_Packages", b"Package: base-files\nVersion: 12\n"));
        assert!(!recognise("var/lib/dpkg/status-old", STATUS.as_bytes()));
    }

    #[test]
    fn what_dpkg_would_not_read_is_an_error() {
        for (text, line, why) in [
            ("Package: a\nStatus: install ok installed\n", 2, "package a has no version"),
            ("Package: a\nVersion: 1\nVersion: 2\n", 3, "a second field Version"),
            ("Package: a\nVersion: 1\n\n\u{b}Package: b\nVersion: 1\n", 4, "a continuation of nothing"),
            ("Version: 1\n\n", 2, "a package without a name"),
            ("Package: a\nrubbish\n", 2, "neither a field nor a continuation"),
            ("Pack age: a\n", 1, "a field's name is empty or holds blanks"),
        ] {
            let error = Error::Line { line, why: why.to_owned() };
            assert_eq!(read("var/lib/dpkg/status", text.as_bytes()), Err(error), "{text:?}");
        }
    }

    #[test]
    fn files_of_status_d() {
        let count = |name: &str, text: &str| match read(&format!("status.d/{name}"), text.as_bytes()) {
            Ok(Some(Fact::Dpkg { packages, .. })) => Some(packages.len()),
            _ => None,
        };
        let hashes = "d41d8cd98f00b204e9800998ecf8427e  usr/share/doc/a b\n";
        assert_eq!(count("a", "Package : a\nVersion: 1\n"), Some(1));
        assert_eq!(count("a", ""), None);
        assert_eq!(count("a", hashes), None);
        assert_eq!(count("a.md5sums", hashes), Some(0));
        assert_eq!(count("a.md5sums", "Package: a\nVersion: 1\n"), Some(1));
        assert_eq!(count("a.md5sums", &format!("{hashes}Package: a\nVersion: 1\n")), None);
    }
}
