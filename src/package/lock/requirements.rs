//! Python's requirements files, `requirements.txt` and those named alike; pip's documentation, "Requirements File Format",
//! and PEP 508. Only what is pinned to one version is a package: what a range would have given is not known.

use super::{
    super::{Ecosystem, normal_python_name},
    Error, Package, Packages, text,
};

/// `*requirements*.txt`, and every `.txt` of a directory `requirements`.
pub(super) fn is_named(path: &str) -> bool {
    let mut parts = path.rsplit('/');
    let name = parts.next().unwrap_or_default();
    name.contains("requirements") || parts.next() == Some("requirements")
}

/// Reads the pins. Other files that a line includes are read for themselves.
pub(super) fn read(bytes: &[u8]) -> Result<Vec<Package>, Error> {
    let text = text::decode_ascii(bytes)?;
    let mut packages = Packages::default();
    let mut logical = String::new();
    for line in text.lines() {
        // A comment ends what the lines before it continued, and is never continued itself.
        let comment = line.trim_start().starts_with('#');
        match line.strip_suffix('\\') {
            Some(part) if !comment => logical.push_str(part),
            _ => {
                logical.push_str(if comment { "" } else { line });
                packages.extend(pin(&logical))?;
                logical.clear();
            }
        }
    }
    packages.extend(pin(&logical))?;
    Ok(packages.into_vec())
}

/// The package of a requirement such as `name[extra] == 1.0 ; marker`, if it is pinned to one version.
pub(super) fn pin(requirement: &str) -> Option<Package> {
    let requirement = requirement.trim();
    let in_name = |character: char| character.is_ascii_alphanumeric() || "-_.".contains(character);
    let rest = requirement.trim_start_matches(in_name);
    let name = &requirement[..requirement.len() - rest.len()];
    if !name.starts_with(|character: char| character.is_ascii_alphanumeric()) {
        return None; // an option, a path, an address
    }
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
}
