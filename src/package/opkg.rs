//! opkg's `status` file, of OpenWrt and its kin: dpkg's form with states of its own, and a time of installation.

use super::{Ecosystem, Error, Fact, dpkg};

/// By its place, or as a stanza with the time of installation, which dpkg does not write. At dpkg's own place a file is
/// dpkg's.
pub(super) fn recognise(path: &str, head: &[u8]) -> bool {
    let mut names = path.rsplit('/');
    let (name, parent) = (names.next(), names.next());
    let placed = name == Some("status") && parent == Some("opkg");
    let other = matches!(parent, Some("dpkg" | "status.d"));
    placed || (!other && dpkg::is_stanza(head) && dpkg::has_field(head, b"\ninstalled-time"))
}

/// Reads all stanzas.
pub(super) fn read(_path: &str, bytes: &[u8]) -> Result<Option<Fact>, Error> {
    let found = dpkg::status(bytes, Ecosystem::Opkg, false)?;
    Ok(Some(Fact::Opkg { packages: found.packages }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATUS: &str = "Package: libc\nVersion: 1.2.4-4\nDepends: libgcc1\nStatus: install user installed\n\
        Essential: yes\nArchitecture: x86_64\nSource: package/libs/toolchain\nInstalled-Time: 1696001234\n\n\
        Package: gone\nVersion: 1\nStatus: deinstall user not-installed\nArchitecture: all\n";

    #[test]
    fn packages_that_are_installed() {
        let Ok(Some(Fact::Opkg { packages })) = read("", STATUS.as_bytes()) else { panic!() };
        let [package] = &packages[..] else { panic!("{packages:?}") };
        assert_eq!((package.name.as_str(), package.version.as_str()), ("libc", "1.2.4-4"));
        assert_eq!((package.arch.as_deref(), &package.source), (Some("x86_64"), &None));
        assert!(read("", b"Package: a\nStatus: install user installed\n").is_err());
    }

    #[test]
    fn told_by_content_or_place() {
        assert!(recognise("usr/lib/opkg/status", b""));
        assert!(recognise("data/odd", STATUS.as_bytes()));
        assert!(!recognise("var/lib/dpkg/status", STATUS.as_bytes()));
        assert!(!recognise("data/odd", b"Package: a\nStatus: install ok installed\n"));
    }
}
