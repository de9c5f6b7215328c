//! `os-release`, os-release(5); and the older files that name a system or its release, which matter where it is missing.

use super::{Error, Fact, OsRelease, file_name, utf8};

/// Files of one line, the release; written by the packages base-files and alpine-base.
const ONE_LINE: [&str; 2] = ["debian_version", "alpine-release"];

/// `os-release value`: bytes of one value.
const MOST_VALUE_BYTES: usize = 4096;

/// Whose mere presence names a system; written by Arch's package filesystem.
const ARCH: &str = "arch-release";

/// Files that name the system where there is no `os-release`, the first that is there. A rebuild of Red Hat's keeps
/// `redhat-release` beside its own, Oracle's with Red Hat's name in it.
pub const OLDER_FILES: [&str; 13] = [
    "etc/oracle-release",
    "etc/enterprise-release",
    "etc/almalinux-release",
    "etc/rocky-release",
    "etc/centos-release",
    "etc/fedora-release",
    "etc/redhat-release",
    "etc/system-release",
    "etc/SuSE-release",
    "etc/lsb-release",
    "etc/openwrt_release",
    "etc/system-release-cpe",
    "etc/arch-release",
];

/// What a system's name in a line such as `CentOS Linux release 7.6.1810 (Core)` starts with, and its `ID`. The longer
/// stand before the shorter.
const PRODUCTS: [(&str, &str); 14] = [
    ("AlmaLinux", "almalinux"),
    ("Amazon Linux", "amzn"),
    ("CentOS", "centos"),
    ("CloudLinux", "cloudlinux"),
    ("Enterprise Linux Enterprise Linux", "ol"),
    ("Fedora", "fedora"),
    ("Oracle Linux", "ol"),
    ("Red Hat", "rhel"),
    ("Rocky Linux", "rocky"),
    ("SUSE Linux Enterprise Desktop", "sled"),
    ("SUSE Linux Enterprise Server", "sles"),
    ("Scientific Linux", "scientific"),
    ("Virtuozzo Linux", "virtuozzo"),
    ("openSUSE", "opensuse"),
];

/// Vendors in a platform's name of the Common Platform Enumeration, which `system-release-cpe` holds, and the `ID` of each.
const VENDORS: [(&str, &str); 8] = [
    ("almalinux", "almalinux"),
    ("amazon", "amzn"),
    ("centos", "centos"),
    ("fedoraproject", "fedora"),
    ("oracle", "ol"),
    ("redhat", "rhel"),
    ("rocky", "rocky"),
    ("scientificlinux", "scientific"),
];

/// Release and name of each, as `VERSION_ID` and `VERSION_CODENAME` have them.
const CODENAMES: [(&str, &str, &str); 14] = [
    ("debian", "8", "jessie"),
    ("debian", "9", "stretch"),
    ("debian", "10", "buster"),
    ("debian", "11", "bullseye"),
    ("debian", "12", "bookworm"),
    ("debian", "13", "trixie"),
    ("debian", "14", "forky"),
    ("ubuntu", "14.04", "trusty"),
    ("ubuntu", "16.04", "xenial"),
    ("ubuntu", "18.04", "bionic"),
    ("ubuntu", "20.04", "focal"),
    ("ubuntu", "22.04", "jammy"),
    ("ubuntu", "24.04", "noble"),
    ("ubuntu", "26.04", "resolute"),
];

impl OsRelease {
    /// The release that `VERSION_CODENAME` is the name of, where that is known: `13` of Debian's `trixie`.
    pub fn version_of_codename(&self) -> Option<&'static str> {
        Self::version_of(&self.id, &self.codename)
    }

    /// The release that `codename` is the name of under the system `id`, where that is known.
    pub fn version_of(id: &str, codename: &str) -> Option<&'static str> {
        let named = |(of, _, name): &&(&str, &str, &str)| *of == id && *name == codename;
        CODENAMES.iter().find(named).map(|(_, version, _)| *version)
    }

    /// The release: `VERSION_ID`, else what the codename stands for, as in Debian's testing, which has no number before it
    /// is released; else the codename.
    pub fn release(&self) -> &str {
        match self.version.as_str() {
            "" => self.version_of_codename().unwrap_or(&self.codename),
            version => version,
        }
    }
}

/// By name, or by content, since a link may give the file any name: lines of `KEY=value` with an `ID` among them, or a
/// line that starts with the name of a system.
pub(super) fn recognise(path: &str, head: &[u8]) -> bool {
    let name = file_name(path);
    if name == "os-release" || name == "system-release-cpe" || ONE_LINE.contains(&name) {
        return !head.is_empty();
    }
    name == ARCH || assignments(head) || product(head)
}

/// Whether a text is lines of `KEY=value` with an `ID` among them, os-release's or lsb-release's.
fn assignments(head: &[u8]) -> bool {
    let key = |byte: &u8| byte.is_ascii_uppercase() || *byte == b'_' || byte.is_ascii_digit();
    let assignment = |line: &[u8]| {
        line.iter()
            .position(|byte| *byte == b'=')
            .is_some_and(|equals| equals > 0 && line[..equals].iter().all(key))
    };
    let lines = || head.split(|byte| *byte == b'\n').take(64);
    let is_line = |line: &[u8]| line.is_empty() || line.starts_with(b"#") || assignment(line);
    // Nearly every file of an image comes by here, and ends here. The last line of a cut head may be cut itself.
    lines().next().is_some_and(is_line)
        && lines().any(|line| line.starts_with(b"ID=") || line.starts_with(b"DISTRIB_ID="))
        && (head.len() >= 4096 || lines().all(is_line))
}

/// Whether a short text starts with the name of a system and has a release.
fn product(head: &[u8]) -> bool {
    head.len() <= 256 && std::str::from_utf8(head).is_ok_and(|text| from_product(text).is_some())
}

/// Reads whichever of the files it is.
pub(super) fn read(path: &str, bytes: &[u8]) -> Result<Option<Fact>, Error> {
    let text = utf8(bytes)?;
    let release = match file_name(path) {
        name if ONE_LINE.contains(&name) => {
            let version = text.trim();
            let one_word = version.len() <= 64 && !version.contains(char::is_whitespace);
            return Ok(one_word.then(|| Fact::Release { version: version.to_owned() }));
        }
        ARCH => Some(OsRelease { id: "arch".to_owned(), ..OsRelease::default() }),
        "system-release-cpe" => from_platform(text),
        "os-release" => Some(from_assignments(text)?.ok_or(Error::Field("ID"))?),
        _ => match from_product(text) {
            Some(release) => Some(release),
            None => from_assignments(text)?,
        },
    };
    Ok(release.map(Fact::OsRelease))
}

/// From `ID`, `VERSION_ID`, `VERSION_CODENAME`, `SUPPORT_END` and `NAME`; without an `ID`, from the keys of lsb-release.
fn from_assignments(text: &str) -> Result<Option<OsRelease>, Error> {
    const KEYS: [&str; 8] = [
        "ID",
        "VERSION_ID",
        "VERSION_CODENAME",
        "SUPPORT_END",
        "NAME",
        "DISTRIB_ID",
        "DISTRIB_RELEASE",
        "DISTRIB_CODENAME",
    ];
    let mut values: [Option<String>; KEYS.len()] = Default::default();
    for (index, line) in text.lines().enumerate() {
        let Some((key, value)) = line.trim().split_once('=') else { continue };
        let Some(slot) = KEYS.iter().position(|known| *known == key).and_then(|at| values.get_mut(at)) else {
            continue;
        };
        if value.len() > MOST_VALUE_BYTES {
            let over = Error::Limit { name: "os-release value", limit: MOST_VALUE_BYTES as u64 };
            return Err(Error::Line { line: index + 1, why: over.to_string() });
        }
        // A shell takes the last one; others take the first.
        if slot.replace(unquote(value.trim())).is_some() {
            return Err(Error::Line { line: index + 1, why: format!("a second {key}") });
        }
    }
    let [id, version, codename, support_end, name, lsb_id, lsb_version, lsb_codename] =
        values.map(Option::unwrap_or_default);
    let mut release = OsRelease { id, version, codename, support_end };
    if release.id.is_empty() {
        release = OsRelease { id: lsb_id, version: lsb_version, codename: lsb_codename, ..release };
        // So Arch says that it has no releases.
        if release.version == "rolling" {
            release.version.clear();
        }
    }
    if name == "CentOS Stream" && release.codename.is_empty() {
        "stream".clone_into(&mut release.codename);
    }
    // The specification wants lower case, and feeds are found by this name: `Alpine` is no system beside `alpine`.
    release.id.make_ascii_lowercase();
    Ok((!release.id.is_empty()).then_some(release))
}

/// From a line such as `Rocky Linux release 8.10 (Green Obsidian)`; SUSE leaves `release` out, and gives the service pack
/// on a line of its own.
fn from_product(text: &str) -> Option<OsRelease> {
    let line = text.lines().next()?.trim();
    let (name, id) = PRODUCTS.iter().find(|(name, _)| line.starts_with(name))?;
    let suse = line.contains("SUSE");
    let rest = line.get(name.len()..)?;
    let rest = if suse { rest.strip_prefix(' ')? } else { rest.split_once(" release ")?.1 };
    let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
    let mut version = rest.get(..end)?.trim_end_matches('.').to_owned();
    if !version.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let pack = text.lines().find_map(|line| line.strip_prefix("PATCHLEVEL")?.trim_start().strip_prefix('='));
    if let Some(pack) = pack.map(str::trim).filter(|pack| suse && *pack != "0" && !pack.is_empty()) {
        version = format!("{version}.{pack}");
    }
    let codename = if line.starts_with("CentOS Stream") { "stream" } else { "" }.to_owned();
    Some(OsRelease { id: (*id).to_owned(), version, codename, ..OsRelease::default() })
}

/// From a platform's name, `cpe:/o:VENDOR:PRODUCT:VERSION…` or `cpe:2.3:o:VENDOR:PRODUCT:VERSION…`.
fn from_platform(text: &str) -> Option<OsRelease> {
    let text = text.trim();
    let rest = text.strip_prefix("cpe:/o:").or_else(|| text.strip_prefix("cpe:2.3:o:"))?;
    let mut parts = rest.split(':');
    let (vendor, _, version) = (parts.next()?, parts.next()?, parts.next()?);
    let (_, id) = VENDORS.iter().find(|(known, _)| *known == vendor)?;
    let plain = version.starts_with(|c: char| c.is_ascii_digit()) && version.len() <= 64;
    plain.then(|| OsRelease { id: (*id).to_owned(), version: version.to_owned(), ..OsRelease::default() })
}

/// A value as a shell would read it.
fn unquote(value: &str) -> String {
    let inner = [('"', '"'), ('\'', '\'')]
        .iter()
        .find_map(|(open, close)| value.strip_prefix(*open)?.strip_suffix(*close))
        .unwrap_or(value);
    let mut text = String::with_capacity(inner.len());
    let mut characters = inner.chars();
    while let Some(c) = characters.next() {
        text.extend(if c == '\\' { characters.next() } else { Some(c) });
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_and_any_name() {
        let text = b"NAME=\"Debian GNU/Linux\"\nID=Debian\nVERSION_ID='12'\nVERSION_CODENAME=bookworm\n";
        assert!(recognise("usr/lib/elsewhere", text));
        assert!(!recognise("bin/script", b"#!/bin/sh\nID=x\necho hello\n"));
        let release = OsRelease {
            id: "debian".to_owned(),
            version: "12".to_owned(),
            codename: "bookworm".to_owned(),
            ..OsRelease::default()
        };
        assert_eq!(read("etc/os-release", text), Ok(Some(Fact::OsRelease(release))));
        assert_eq!(read("etc/os-release", b"NAME=x\n"), Err(Error::Field("ID")));
        assert!(read("etc/os-release", b"ID=debian\nVERSION_ID=12\nVERSION_ID=11\n").is_err());
        let version = "12.5".to_owned();
        assert_eq!(read("etc/debian_version", b"12.5\n"), Ok(Some(Fact::Release { version })));
    }

    #[test]
    fn files_beside_it() {
        let told = |path: &str, text: &str| {
            if !recognise(path, text.as_bytes()) {
                return None;
            }
            match read(path, text.as_bytes()) {
                Ok(Some(Fact::OsRelease(os))) => Some(format!("{} {} {}", os.id, os.version, os.codename)),
                _ => None,
            }
        };
        for (path, text, want) in [
            ("etc/redhat-release", "Red Hat Enterprise Linux Server release 6.9 (Santiago)\n", "rhel 6.9 "),
            ("etc/centos-release", "CentOS Linux release 7.6.1810 (Core) \n", "centos 7.6.1810 "),
            ("etc/centos-release", "CentOS Stream release 8\n", "centos 8 stream"),
            ("x/any-name", "Oracle Linux Server release 7.6\n", "ol 7.6 "),
            ("etc/system-release", "Amazon Linux AMI release 2018.03\n", "amzn 2018.03 "),
            ("etc/system-release", "Amazon Linux release 2 (Karoo)\n", "amzn 2 "),
            (
                "etc/SuSE-release",
                "SUSE Linux Enterprise Server 11 (x86_64)\nVERSION = 11\nPATCHLEVEL = 4\n",
                "sles 11.4 ",
            ),
            (
                "etc/SuSE-release",
                "openSUSE 13.2 (x86_64)\nVERSION = 13.2\nCODENAME = Harlequin\n",
                "opensuse 13.2 ",
            ),
            (
                "etc/lsb-release",
                "DISTRIB_ID=Ubuntu\nDISTRIB_RELEASE=18.04\nDISTRIB_CODENAME=bionic\n",
                "ubuntu 18.04 bionic",
            ),
            ("etc/openwrt_release", "DISTRIB_ID='OpenWrt'\nDISTRIB_RELEASE='23.05.0'\n", "openwrt 23.05.0 "),
            ("etc/lsb-release", "DISTRIB_ID=\"Arch\"\nDISTRIB_RELEASE=\"rolling\"\n", "arch  "),
            ("etc/arch-release", "", "arch  "),
            ("etc/system-release-cpe", "cpe:/o:centos:linux:6:GA\n", "centos 6 "),
            (
                "etc/os-release",
                "NAME=\"CentOS Stream\"\nID=\"centos\"\nVERSION_ID=\"9\"\n",
                "centos 9 stream",
            ),
        ] {
            assert_eq!(told(path, text).as_deref(), Some(want), "{path}: {text}");
        }
        for (path, text) in [
            ("etc/redhat-release", "Unheard Of release 3\n"),
            ("etc/redhat-release", "Fedora release Rawhide\n"),
            ("etc/system-release-cpe", "cpe:/o:centos:6:GA\n"),
            ("etc/motd", "Red Hat is a company\n"),
        ] {
            assert_eq!(told(path, text), None, "{path}: {text}");
        }
    }

    #[test]
    fn end_of_support() {
        let fact = read("etc/os-release", b"ID=fedora\nVERSION_ID=42\nSUPPORT_END=2026-05-13\n");
        assert!(matches!(fact, Ok(Some(Fact::OsRelease(os))) if os.support_end == "2026-05-13"));
    }
}
