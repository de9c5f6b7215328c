//! Python's requirements files, `requirements.txt` and those named alike; pip's documentation, "Requirements File Format",
//! and PEP 508. Only what is pinned to one version is a package: what a range would have given is not known, and is said.

use super::{
    super::{Ecosystem, file_name, normal_python_name},
    Error, Package, Packages, Unpinned, text,
};

/// `*requirements*.txt`, and every `.txt` of a directory `requirements`.
pub(super) fn is_named(path: &str) -> bool {
    let mut parts = path.rsplit('/');
    let name = parts.next().unwrap_or_default();
    name.contains("requirements") || parts.next() == Some("requirements")
}

/// Reads the pins. Other files that a line includes are read for themselves.
pub(super) fn read(bytes: &[u8]) -> Result<Vec<Package>, Error> {
    let mut packages = Packages::default();
    each(bytes, |requirement| packages.extend(pin(requirement)))?;
    Ok(packages.into_vec())
}

/// What is asked for and not pinned.
pub(super) fn unpinned(path: &str, bytes: &[u8]) -> Result<Unpinned, Error> {
    let mut unpinned = Unpinned::default();
    each(bytes, |requirement| {
        unpinned.extend(loose(path, requirement));
        Ok(())
    })?;
    Ok(unpinned)
}

/// Gives each requirement: a line, joined with those that it goes on in.
fn each(bytes: &[u8], mut give: impl FnMut(&str) -> Result<(), Error>) -> Result<(), Error> {
    let text = text::decode_ascii(bytes)?;
    let mut logical = String::new();
    for line in text.lines() {
        // A comment ends what the lines before it continued, and is never continued itself.
        let comment = line.trim_start().starts_with('#');
        match line.strip_suffix('\\') {
            Some(part) if !comment => logical.push_str(part),
            _ => {
                logical.push_str(if comment { "" } else { line });
                give(&logical)?;
                logical.clear();
            }
        }
    }
    give(&logical)
}

/// Whether a file that the one at `path` includes is read for itself. It is named from the directory that that one is in.
fn is_read(path: &str, included: &str) -> bool {
    let mut directory = path.rsplit_once('/').map(|split| split.0);
    let mut below = Vec::new();
    for part in included.split('/').filter(|part| !matches!(*part, "" | ".")) {
        if part != ".." {
            below.push(part);
        } else if below.pop().is_none() {
            // What lies above all that is read is not read.
            let Some(left) = directory else { return false };
            directory = left.rsplit_once('/').map(|split| split.0);
        }
    }
    let Some(name) = below.pop() else { return false };
    let within = below.last().copied().or(directory.map(file_name)).unwrap_or_default();
    name.ends_with(".txt") && !included.contains("://") && is_named(&format!("{within}/{name}"))
}

/// What a requirement of the file at `path` asks for, if that is no pin, and nothing of the project's own: those lie in its
/// directory.
pub(super) fn loose<'t>(path: &str, requirement: &'t str) -> Option<&'t str> {
    let requirement = requirement.trim();
    let word = |text: &'_ str| text.split_whitespace().next().map_or(0, str::len);
    let option = |names: [&str; 2]| {
        let rest = names.into_iter().find_map(|name| requirement.strip_prefix(name))?;
        let value = rest.trim_start_matches(|c: char| c.is_whitespace() || c == '=');
        Some(&value[..word(value)])
    };
    let is_local = |value: &str| !value.contains("://") || value.starts_with("file:");
    if let Some(editable) = option(["--editable", "-e"]) {
        return Some(editable).filter(|value| !is_local(value));
    }
    if let Some(file) = option(["--requirement", "-r"]) {
        return (!file.is_empty() && !is_read(path, file)).then_some(requirement);
    }
    if requirement.starts_with('-') || pin(requirement).is_some() {
        return None;
    }
    let (name, rest) = name(requirement)?;
    if rest.starts_with(':') || rest.starts_with('+') {
        let address = &requirement[..word(requirement)];
        return Some(address).filter(|address| !is_local(address));
    }
    // Anything else is prose, or a path.
    let rest = rest.trim_start();
    let is_requirement =
        rest.is_empty() || rest.starts_with(['[', '(', '<', '>', '=', '!', '~', ';', '@', '#', '-']);
    is_requirement.then_some(name)
}

/// Whether a line asks for a package, or includes a file that may.
pub(super) fn is_requirement(line: &str) -> bool {
    pin(line).is_some() || loose("", line).is_some()
}

/// The name that a requirement begins with, and the rest.
fn name(requirement: &str) -> Option<(&str, &str)> {
    let in_name = |character: char| character.is_ascii_alphanumeric() || "-_.".contains(character);
    let rest = requirement.trim_start_matches(in_name);
    let name = &requirement[..requirement.len() - rest.len()];
    // Others are an option, a path.
    name.starts_with(|character: char| character.is_ascii_alphanumeric()).then_some((name, rest))
}

/// The package of a requirement such as `name[extra] == 1.0 ; marker`, if it is pinned to one version.
pub(super) fn pin(requirement: &str) -> Option<Package> {
    let (name, rest) = name(requirement.trim())?;
    let mut rest = rest.trim_start();
    if let Some(extras) = rest.strip_prefix('[') {
        rest = extras.split_once(']')?.1.trim_start();
    }
    let rest = rest.strip_prefix('(').unwrap_or(rest);
    let specifiers = rest.split([';', '#', ')']).next().unwrap_or_default();
    let version = specifiers.split(',').find_map(|specifier| {
        let version = specifier.trim_start().strip_prefix("==")?;
        let mut words = version.strip_prefix('=').unwrap_or(version).split_whitespace();
        let version = words.next()?;
        // Options such as `--hash` may follow; their values may hold commas.
        words.next().is_none_or(|option| option.starts_with("--")).then_some(version)
    })?;
    let in_version = |character: char| character.is_ascii_alphanumeric() || ".+!-_".contains(character);
    let whole =
        version.starts_with(|first: char| first.is_ascii_alphanumeric()) && version.chars().all(in_version);
    whole.then(|| Package::new(Ecosystem::Pypi, normal_python_name(name), version))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pins(text: &str) -> String {
        let pins =
            read(text.as_bytes()).unwrap().into_iter().map(|package| package.name + "@" + &package.version);
        pins.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn named() {
        for path in
            ["requirements.txt", "a/requirements-dev.txt", "a/dev-requirements.txt", "requirements/prod.txt"]
        {
            assert!(is_named(path), "{path}");
        }
        assert!(!is_named("requirements/a/readme.txt") && !is_named("readme.txt"));
    }

    #[test]
    fn requirements() {
        for (text, want) in [
            ("Zope.Event==5.0", "zope-event@5.0"),
            ("a===2020.01-custom_1", "a@2020.01-custom_1"),
            ("a==1!2.0.post1+local.7", "a@1!2.0.post1+local.7"),
            ("a (==1.0)\nb[x](== 2.0); python_version < \"3\"", "a@1.0 b@2.0"),
            ("a==1.0,<2\nb>=1,==1.5", "a@1.0 b@1.5"),
            ("a==1.0 --hash=sha256:0,1 --hash=sha256:2\nb==2\t--config-settings=\"x, y\"", "a@1.0 b@2"),
            ("a~=1.4\nb>=1\nc<2\nd!=1\ne\nf==1.*\ng>1,<2", ""),
            ("-r other.txt\n-c pins.txt\n-e .\n--index-url https://x\n-e git+https://x#egg=a==1", ""),
            ("a @ https://x/a-1.0.tar.gz\n./a-1.0.whl\nhttps://x/a==1.0\na==${VERSION}\na==1 2\n==1", ""),
            ("a==\\\n1.0 \\\n  ; x\nb=\\\n# comment\nc==3\n#d==4 \\\ne==5", "a@1.0 c@3 e@5"),
            ("a==1.0 # x \\\nb==2\nc==3\\", "a@1.0 c@3"),
            ("a==1.0\r\nb==2.0\\\r\n;x\r\n", "a@1.0 b@2.0"),
            ("\u{feff}a==1.0", "a@1.0"),
            ("a[x==1.0\n[x]==1\n]==1\n(==1\na[]]==1", ""),
        ] {
            assert_eq!(pins(text), want, "{text}");
        }
        assert_eq!(read(b"# caf\xe9\na==1").unwrap().len(), 1);
        assert_eq!(read(b"\xfe\xff\0a\0=\0=\x001").unwrap().len(), 1);
        assert_eq!(read(b"\xfe\xff\0a\0"), Err(Error::Encoding(4)));
    }

    #[test]
    fn what_is_not_pinned() {
        for (text, want) in [
            ("requests\nrequests>=2\nDjango[x] ~= 4.0 ; python_version > '3'", "requests requests Django"),
            ("a==1.*\nb @ https://x/b.whl\nc (>1)\nd # e", "a b c d"),
            ("git+https://x/y@main#egg=z\n-e git+https://x/w", "git+https://x/y@main#egg=z git+https://x/w"),
            ("a==1\n\n# b\n-e .\n--editable=./c\n./d\n--index-url https://x\n-c constraints.txt", ""),
            ("-r requirements-dev.txt\n-r base.in", "-r base.in"),
            ("Python 3.8 or later is wanted", ""),
        ] {
            assert_eq!(
                unpinned("requirements.txt", text.as_bytes()).unwrap().first.join(" "),
                want.split(' ').take(3).collect::<Vec<_>>().join(" "),
                "{text}"
            );
        }
        let many = unpinned("requirements.txt", b"a\nb\nc\nd\n").unwrap();
        assert_eq!((many.count, many.first.len()), (4, 3));
    }

    #[test]
    fn included_files() {
        for (path, included, want) in [
            ("requirements/dev.txt", "base.txt", true),
            ("a/requirements/dev.txt", "./base.txt", true),
            ("requirements/dev.txt", "../requirements.txt", true),
            ("requirements/dev.txt", "../base.txt", false),
            ("requirements/dev.txt", "../../requirements.txt", false),
            ("requirements.txt", "requirements/base.txt", true),
            ("requirements.txt", "requirements/../base.txt", false),
            ("requirements.txt", "requirements/base.in", false),
            ("requirements.txt", "https://x/requirements.txt", false),
        ] {
            let requirement = format!("-r {included}");
            let read = unpinned(path, requirement.as_bytes()).unwrap().is_none();
            assert_eq!(read, want, "{path} {included}");
        }
    }
}
