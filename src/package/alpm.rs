//! pacman's local database: a directory for each package, whose file `desc` has a name in `%` on a line of its own, then
//! its values, then a blank line; alpm-db-desc(5).

use super::{Ecosystem, Error, Fact, Package, Source, count::hold_text, holds, utf8};

/// By content: the first field is the package's name, and nothing else starts so.
pub(super) fn recognise(path: &str, head: &[u8]) -> bool {
    let placed = path.ends_with("/desc") && path.contains("pacman/local/");
    placed || (head.starts_with(b"%NAME%") && holds(head, b"%VERSION%"))
}

/// Reads name, version, base and architecture.
pub(super) fn read(_path: &str, bytes: &[u8]) -> Result<Option<Fact>, Error> {
    let (mut name, mut version, mut base, mut arch) = (None, None, None, None);
    let mut lines = utf8(bytes)?.lines().enumerate();
    while let Some((index, line)) = lines.next() {
        let slot = match line.trim() {
            "%NAME%" => &mut name,
            "%VERSION%" => &mut version,
            "%BASE%" => &mut base,
            "%ARCH%" => &mut arch,
            _ => continue,
        };
        let value = lines.next().map(|(_, value)| value.trim()).filter(|value| !value.is_empty());
        // A second one could make one reader see another package than the next.
        if value.is_none_or(|value| value.starts_with('%')) || slot.is_some() {
            return Err(Error::Line { line: index + 1, why: format!("{line} is empty or comes twice") });
        }
        *slot = value;
    }
    let name = name.ok_or(Error::Field("%NAME%"))?;
    let version = version.ok_or(Error::Field("%VERSION%"))?;
    hold_text([name, version].map(str::len).iter().sum())?;
    let source = base.filter(|base| *base != name);
    let source = source.map(|base| Source { name: base.to_owned(), version: version.to_owned() });
    let arch = arch.map(str::to_owned);
    Ok(Some(Fact::Alpm { package: Package { arch, source, ..Package::new(Ecosystem::Alpm, name, version) } }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DESC: &str = "%NAME%\nlibelf\n\n%VERSION%\n0.190-1\n\n%BASE%\nelfutils\n\n%DESC%\nHandles ELF\n\n\
        %ARCH%\nx86_64\n\n%DEPENDS%\nglibc\nzlib\n\n";

    #[test]
    fn one_package() {
        assert!(recognise("data/odd", DESC.as_bytes()) && recognise("var/lib/pacman/local/a-1/desc", b""));
        let Ok(Some(Fact::Alpm { package })) = read("", DESC.as_bytes()) else { panic!() };
        assert_eq!((package.name.as_str(), package.arch.as_deref()), ("libelf", Some("x86_64")));
        assert_eq!(package.source(), ("elfutils", "0.190-1"));
    }

    #[test]
    fn what_names_no_package_is_an_error() {
        for text in
            ["", "%NAME%\na\n", "%NAME%\n\n%VERSION%\n1\n", "%NAME%\na\n\n%NAME%\nb\n\n%VERSION%\n1\n"]
        {
            assert!(read("", text.as_bytes()).is_err(), "{text:?}");
        }
    }
}
