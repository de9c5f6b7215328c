//! dpkg's `status` file and the files of `status.d`; deb-control(5), and distroless images for the latter.

use super::{Ecosystem, Error, Fact, Owned, Package, Source, owned};

/// By their place, or as a stanza with a `Status`. Package indexes of apt start alike, have no `Status`, and are left
/// out; so is dpkg's backup of its own file: a link that leads to one of them is named as not read by the merge.
pub(super) fn recognise(path: &str, head: &[u8]) -> bool {
    let mut names = path.rsplit('/');
    let (name, parent) = (names.next().unwrap_or_default(), names.next());
    let placed = parent == Some("status.d") || (name == "status" && parent == Some("dpkg"));
    let package = || field_at(head, b"package");
    let status = || head.windows(7).enumerate().any(|(at, _)| field_at(&head[at..], b"\nstatus"));
    placed || (name != "status-old" && package() && (name == "status" || status()))
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
    // dpkg reads bytes: a maintainer's name in another encoding is no reason to know nothing of the system.
    let text = String::from_utf8_lossy(bytes);
    let mut found = Found::default();
    // Beside each file of status.d lies one with the hashes of the package's files.
    if path.ends_with(".md5sums") && text.lines().all(is_hash) {
        for (package, line) in text.lines().filter_map(|line| Some((owned::package(path)?, line))) {
            let file = line.split_once(' ').map_or("", |(_, file)| file.trim_start_matches([' ', '*']));
            found.owned.add(file, package);
        }
        return Ok(Some(found.fact()));
    }
    let mut stanza = Stanza::default();
    let mut stanzas = 0;
    for (index, line) in text.lines().enumerate() {
        let wrong = |why: String| Error::Line { line: index + 1, why };
        if line.trim_matches(BLANKS).is_empty() {
            found.add(std::mem::take(&mut stanza)).map_err(wrong)?;
        } else if line.starts_with(BLANKS) {
            if !stanza.started {
                return Err(wrong("a continuation of nothing".to_owned()));
            }
        } else {
            stanzas += usize::from(!stanza.started);
            stanza.set(line).map_err(wrong)?;
        }
    }
    found.add(stanza).map_err(|why| Error::Line { line: text.lines().count(), why })?;
    if stanzas == 0 && path.rsplit('/').nth(1) == Some("status.d") {
        return Err(Error::Field("package in a file of status.d"));
    }
    Ok(Some(found.fact()))
}

/// What C's `isspace` takes, the line's end left out.
const BLANKS: [char; 5] = [' ', '\t', '\u{b}', '\u{c}', '\r'];

/// A line of md5sum(1): the hash, then a path.
fn is_hash(line: &str) -> bool {
    let hash = |hash: &str| hash.len() == 32 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
    // A backslash before it says that the path is escaped.
    let line = line.strip_prefix('\\').unwrap_or(line);
    line.split_once(' ').is_some_and(|(start, path)| hash(start) && !path.trim().is_empty())
}

#[derive(Default)]
struct Found {
    packages: Vec<Package>,
    removed: Vec<String>,
    owned: Owned,
}

impl Found {
    fn add(&mut self, stanza: Stanza<'_>) -> Result<(), String> {
        if stanza.started {
            match stanza.read()? {
                State::There(package) => self.packages.push(package),
                State::Removed(name) => self.removed.push(name.to_owned()),
                State::Never => {}
            }
        }
        Ok(())
    }

    fn fact(mut self) -> Fact {
        self.packages.sort();
        self.packages.dedup();
        self.removed.sort();
        self.removed.dedup();
        Fact::Dpkg { packages: self.packages, removed: self.removed, owned: self.owned }
    }
}

/// What dpkg says of one package.
enum State<'a> {
    There(Package),
    /// Nothing but configuration is left.
    Removed(&'a str),
    Never,
}

#[derive(Default)]
struct Stanza<'a> {
    started: bool,
    package: Option<&'a str>,
    version: Option<&'a str>,
    arch: Option<&'a str>,
    source: Option<&'a str>,
    status: Option<&'a str>,
}

impl<'a> Stanza<'a> {
    fn set(&mut self, line: &'a str) -> Result<(), String> {
        self.started = true;
        let (field, value) = line.split_once(':').ok_or("neither a field nor a continuation")?;
        let field = field.trim_end_matches(BLANKS);
        if field.is_empty() || field.contains(|c: char| c.is_ascii_whitespace() || c.is_ascii_control()) {
            return Err("a field's name is empty or holds blanks".to_owned());
        }
        let slot = match field.to_ascii_lowercase().as_str() {
            "package" => &mut self.package,
            "version" => &mut self.version,
            "architecture" => &mut self.arch,
            "source" => &mut self.source,
            "status" => &mut self.status,
            _ => return Ok(()),
        };
        if value.contains(char::REPLACEMENT_CHARACTER) {
            return Err(format!("field {field} is not UTF-8"));
        }
        match slot.replace(value.trim()) {
            None => Ok(()),
            Some(_) => Err(format!("a second field {field}")),
        }
    }

    fn read(self) -> Result<State<'a>, String> {
        let name = self.package.filter(|name| !name.is_empty()).ok_or("a package without a name")?;
        // "want flag state": `deinstall ok config-files` has left nothing but configuration behind.
        match self.status.and_then(|status| status.split_ascii_whitespace().nth(2)) {
            Some("not-installed") => return Ok(State::Never),
            Some("config-files") => return Ok(State::Removed(name)),
            _ => {}
        }
        let version = self.version.filter(|version| !version.is_empty());
        let version = version.ok_or_else(|| format!("package {name} has no version"))?;
        let source = self.source.map(|source| match source.split_once('(') {
            Some((name, version)) => (name.trim(), version.trim_end_matches(')').trim()),
            None => (source, version),
        });
        Ok(State::There(Package {
            ecosystem: Ecosystem::Deb,
            name: name.to_owned(),
            version: version.to_owned(),
            arch: self.arch.map(str::to_owned),
            source: source
                .filter(|source| *source != (name, version))
                .map(|(name, version)| Source { name: name.to_owned(), version: version.to_owned() }),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
