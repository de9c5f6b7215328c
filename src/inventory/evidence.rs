//! What the image says of its system beside the package databases, weighed against them: a database that was emptied or
//! cut, or a release that is not the packages', must not make a clean result.

use std::collections::{BTreeSet, HashSet};

use super::{
    Skipped,
    databases::{Databases, Files, OS_RELEASE, packages},
    merged::{Merged, Said, skip},
};
use crate::{
    layer::path::escape,
    package::{Ecosystem, Fact, OsRelease, Package, file_name},
};

/// One kind of package database, and what tells that an image must have it.
struct System {
    ecosystem: Ecosystem,
    name: &'static str,
    /// `ID`s of `os-release`.
    distributions: &'static [&'static str],
    /// Files that only a system of this kind has.
    traces: &'static [&'static str],
    /// Its program, which others offer as a package too.
    program: &'static str,
}

const SYSTEMS: [System; 5] = [
    System {
        ecosystem: Ecosystem::Deb,
        name: "dpkg",
        distributions: &[
            "debian",
            "ubuntu",
            "devuan",
            "kali",
            "raspbian",
            "linuxmint",
            "pop",
            "elementary",
            "neon",
            "zorin",
            "parrot",
            "deepin",
            "pureos",
        ],
        traces: &["etc/debian_version"],
        program: "usr/bin/dpkg",
    },
    System {
        ecosystem: Ecosystem::Apk,
        name: "apk",
        distributions: &["alpine", "wolfi", "chainguard", "postmarketos"],
        traces: &["etc/alpine-release"],
        program: "sbin/apk",
    },
    System {
        ecosystem: Ecosystem::Rpm,
        name: "rpm",
        distributions: &[
            "rhel",
            "centos",
            "fedora",
            "rocky",
            "almalinux",
            "ol",
            "amzn",
            "sles",
            "sled",
            "sle_hpc",
            "sl-micro",
            "sle-micro",
            "opensuse-leap",
            "opensuse-tumbleweed",
            "photon",
            "mariner",
            "azurelinux",
            "openeuler",
            "anolis",
            "virtuozzo",
            "cloudlinux",
            "eurolinux",
            "miraclelinux",
            "scientific",
        ],
        traces: &["etc/redhat-release", "etc/SuSE-release"],
        program: "usr/bin/rpm",
    },
    System {
        ecosystem: Ecosystem::Alpm,
        name: "pacman",
        distributions: &["arch", "archarm", "manjaro", "endeavouros", "garuda", "cachyos", "artix"],
        traces: &["etc/arch-release"],
        program: "usr/bin/pacman",
    },
    System {
        ecosystem: Ecosystem::Opkg,
        name: "opkg",
        distributions: &["openwrt"],
        traces: &["etc/openwrt_release"],
        program: "bin/opkg",
    },
];

/// What dpkg keeps of each package beside its database.
const DPKG_INFO: &str = "var/lib/dpkg/info";
/// Changes that dpkg has not written into its database yet, in files named by number.
const DPKG_UPDATES: &str = "var/lib/dpkg/updates";

/// Names every contradiction. `found` are the packages of all databases.
pub(super) fn weigh(
    merged: &Merged<'_>,
    databases: &Databases<'_>,
    files: &Files<'_>,
    os: Option<&OsRelease>,
    found: &[&Package],
    skipped: &mut Vec<Skipped>,
) {
    let mut say = |what: String, why: String| skipped.push(skip("package-database", what, why));
    // What an unread database lacks is not known, and that it is unread is said.
    if files.iter().all(|(_, file)| matches!(file.said, Said::Fact(_))) {
        absent(merged, databases, files, os, found, &mut say);
        info(merged, files, &mut say);
    }
    if let Ok(updates) = merged.tree.find(DPKG_UPDATES.as_bytes(), true) {
        let numbered = |name: &Vec<u8>| name.iter().all(u8::is_ascii_digit);
        if merged.entries(updates.id).iter().any(numbered) {
            let why =
                "changes that are not in the package database yet; `dpkg --configure -a` writes them there";
            say(DPKG_UPDATES.to_owned(), why.to_owned());
        }
    }
    if let Some(os) = os
        && let Some(why) = another_release(os, &witnesses(merged, os), found)
    {
        skipped.push(skip("os-release", title(os), why));
    }
}

/// Systems that the image shows and of which it has no packages.
fn absent(
    merged: &Merged<'_>,
    databases: &Databases<'_>,
    files: &Files<'_>,
    os: Option<&OsRelease>,
    found: &[&Package],
    say: &mut impl FnMut(String, String),
) {
    let has = |ecosystem: Ecosystem| found.iter().any(|package| package.ecosystem == ecosystem);
    let known = SYSTEMS.iter().find(|system| os.is_some_and(|os| system.distributions.contains(&&*os.id)));
    let mut named = None;
    if let Some(os) = os
        && known.map_or(files.is_empty(), |system| !has(system.ecosystem))
    {
        named = known.map(|system| system.ecosystem);
        let why = match files.is_empty() {
            true => "the image names its system, and no package database of it was found",
            false => "the image names its system, and its package database has no packages of that kind",
        };
        say(title(os), why.to_owned());
    }
    for system in &SYSTEMS {
        if has(system.ecosystem) || named == Some(system.ecosystem) {
            continue;
        }
        let name = system.name;
        if let Some(layer) = databases.had.get(&system.ecosystem) {
            let why =
                format!("layer {layer} still had packages in a database of {name}, and the image has none");
            say(name.to_owned(), why);
        } else if let Some(trace) = trace(merged, system, found) {
            say(trace.to_owned(), format!("a trace of {name}, and the image has no packages of it"));
        }
    }
}

fn title(os: &OsRelease) -> String {
    format!("{} {}", os.id, os.version).trim().to_owned()
}

fn trace(merged: &Merged<'_>, system: &System, found: &[&Package]) -> Option<&'static str> {
    let program = file_name(system.program);
    // A link to BusyBox is no dpkg, and a package of another system may bring one.
    let is_program = |path: &str| {
        let real = merged.tree.find(path.as_bytes(), true).ok();
        real.is_some_and(|real| real.path.ends_with(program.as_bytes()))
            && !found.iter().any(|package| package.name == program)
    };
    let there = |path: &&&str| merged.tree.find(path.as_bytes(), true).is_ok();
    system.traces.iter().find(there).copied().or_else(|| Some(system.program).filter(|path| is_program(path)))
}

/// Packages of which dpkg keeps a list of files and which are in no database.
fn info(merged: &Merged<'_>, files: &Files<'_>, say: &mut impl FnMut(String, String)) {
    let Ok(directory) = merged.tree.find(DPKG_INFO.as_bytes(), true) else { return };
    let mut there: HashSet<String> = HashSet::new();
    let mut removed: HashSet<&str> = HashSet::new();
    for (_, file) in files {
        for package in packages(*file).iter().filter(|package| package.ecosystem == Ecosystem::Deb) {
            there.insert(package.name.clone());
            there.extend(package.arch.as_ref().map(|arch| format!("{}:{arch}", package.name)));
        }
        if let Said::Fact(fact) = file.said
            && let Fact::Dpkg { removed: names, .. } = &fact.fact
        {
            removed.extend(names.iter().map(String::as_str));
        }
    }
    let mut missing = BTreeSet::new();
    for file in merged.names(directory.id, |name| name.ends_with(b".list") || name.ends_with(b".md5sums")) {
        let Some((package, kind)) = file.rsplit_once('.') else { continue };
        // Of a removed package the list stays, the hashes do not.
        let name = package.split(':').next().unwrap_or_default();
        if !(there.contains(package) || kind == "list" && removed.contains(name)) {
            missing.insert(package.to_owned());
        }
    }
    if !missing.is_empty() {
        let names = missing.iter().take(3).cloned().collect::<Vec<_>>().join(", ");
        let (count, more) = (missing.len(), if missing.len() > 3 { ", …" } else { "" });
        let verb = if count == 1 { "package has" } else { "packages have" };
        let why = format!("{count} {verb} files here and no entry in the package database: {names}{more}");
        say(escape(&directory.path), why);
    }
}

/// Why the release that `os-release` names is not the one of the rest of the image. Derivatives number on their own.
fn another_release(os: &OsRelease, witnesses: &[(&str, String)], found: &[&Package]) -> Option<String> {
    let against =
        |what: &str, said: &str| format!("VERSION_ID is {:?}, and {what} says {said:?}", os.version);
    if let Some(version) = os.version_of_codename().filter(|version| *version != os.version) {
        return (!os.version.is_empty())
            .then(|| against("VERSION_CODENAME", &format!("{}, which is {version}", os.codename)));
    }
    let release = branch(&os.id, &os.version)?;
    for (path, version) in witnesses {
        if branch(&os.id, version).is_some_and(|other| other != release) {
            return Some(against(path, version));
        }
    }
    let (ecosystem, witness) = match os.id.as_str() {
        "debian" => (Ecosystem::Deb, "base-files"),
        "alpine" => (Ecosystem::Apk, "alpine-release"),
        _ => return None,
    };
    let packages = || found.iter().filter(|package| package.ecosystem == ecosystem);
    // The versions of these follow the release.
    let other = |package: &&&Package| {
        package.name == witness
            && (branch(&os.id, &package.version) != Some(release) || package.version.contains("ubuntu"))
    };
    if let Some(package) = packages().find(other) {
        return Some(against(&format!("package {witness}"), &package.version));
    }
    // One package of a later release may be pinned; most of them are the release.
    let marks = packages().filter_map(|package| Some((debian_marks(&package.version).max()?, package)));
    let (later, rest): (Vec<_>, Vec<_>) =
        marks.filter(|_| ecosystem == Ecosystem::Deb).partition(|(mark, _)| *mark > release.0);
    let (_, package) = later.first().filter(|_| later.len() > rest.len())?;
    Some(against(&format!("package {}", package.name), &package.version))
}

/// The part of a version that names a release: Debian's major number, Alpine's branch.
fn branch(id: &str, version: &str) -> Option<(u32, u32)> {
    match id {
        "debian" => Some((number(version)?, 0)),
        "alpine" => {
            let (major, rest) = version.split_once('.')?;
            Some((number(major)?, number(rest)?))
        }
        _ => None,
    }
}

/// The releases that a Debian version names as those it was built for, as in `1.2-3+deb12u1` and `1.2-3~bpo12+1`.
fn debian_marks(version: &str) -> impl Iterator<Item = u32> {
    let marks = ["+deb", "~deb", "+bpo", "~bpo"].into_iter();
    let numbers =
        marks.flat_map(|mark| version.match_indices(mark).map(|(at, mark)| &version[at + mark.len()..]));
    // Backports to the releases 5 to 7 wrote 50 to 70.
    numbers.filter_map(number).filter(|mark| *mark < 50)
}

/// What else in the image names its release: path, and what it says.
fn witnesses(merged: &Merged<'_>, os: &OsRelease) -> Vec<(&'static str, String)> {
    let fact = |path: &str| match merged.find_file(path)?.1.said {
        Said::Fact(fact) => Some(&fact.fact),
        _ => None,
    };
    let older =
        ["etc/debian_version", "etc/alpine-release"].into_iter().filter_map(|path| match fact(path)? {
            Fact::Release { version } => Some((path, version.clone())),
            _ => None,
        });
    let other = OS_RELEASE.into_iter().filter_map(|path| match fact(path)? {
        Fact::OsRelease(release) if release.id == os.id => Some((path, release.version.clone())),
        _ => None,
    });
    older.chain(other).collect()
}

/// The number at the start of a text.
fn number(text: &str) -> Option<u32> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text[..end].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why(id: &str, version: &str, packages: &[(Ecosystem, &str, &str)]) -> Option<String> {
        let os = OsRelease { id: id.to_owned(), version: version.to_owned(), ..OsRelease::default() };
        let package =
            |(ecosystem, name, version): &(Ecosystem, &str, &str)| Package::new(*ecosystem, *name, *version);
        let packages: Vec<Package> = packages.iter().map(package).collect();
        another_release(&os, &[], &packages.iter().collect::<Vec<_>>())
    }

    #[test]
    fn distributions_are_written_as_they_are_read() {
        let names = SYSTEMS.iter().flat_map(|system| system.distributions);
        assert_eq!(names.filter(|name| **name != name.to_ascii_lowercase()).count(), 0);
    }

    #[test]
    fn witnesses_that_contradict() {
        let os = |id: &str, version: &str, codename: &str| OsRelease {
            id: id.to_owned(),
            version: version.to_owned(),
            codename: codename.to_owned(),
            ..OsRelease::default()
        };
        for (os, witness, contradicts) in [
            (os("debian", "12", "bookworm"), "12.5", false),
            (os("debian", "12", "bookworm"), "trixie/sid", false),
            (os("debian", "11", "bullseye"), "12.5", true),
            (os("debian", "11", "bookworm"), "11.9", true),
            (os("debian", "", "trixie"), "trixie/sid", false),
            (os("ubuntu", "22.04", "jammy"), "bookworm/sid", false),
            (os("ubuntu", "20.04", "jammy"), "bookworm/sid", true),
            (os("kali", "2024.1", "kali-rolling"), "kali-rolling", false),
            (os("alpine", "3.19.1", ""), "3.19.4", false),
            (os("alpine", "3.18.1", ""), "3.19.4", true),
        ] {
            let why = another_release(&os, &[("etc/witness", witness.to_owned())], &[]);
            assert_eq!(why.is_some(), contradicts, "{os:?} {witness}: {why:?}");
        }
    }

    #[test]
    fn releases() {
        let (deb, apk) = (Ecosystem::Deb, Ecosystem::Apk);
        for (id, version, package, contradicts) in [
            ("debian", "12", (deb, "base-files", "12.4+deb12u5"), false),
            ("debian", "11", (deb, "base-files", "12.4"), true),
            ("debian", "13", (deb, "base-files", "12.4"), true),
            ("debian", "12", (deb, "base-files", "12ubuntu4.4"), true),
            ("debian", "12", (deb, "tar", "1.34-1+deb11u1"), false),
            ("debian", "11", (deb, "tar", "1.34-1+deb12u1"), true),
            ("debian", "11", (deb, "systemd", "252.39-1~deb12u2"), true),
            ("debian", "11", (deb, "curl", "8.1-1~bpo12+1"), true),
            ("debian", "7", (deb, "curl", "7.26-1~bpo70+1"), false),
            ("debian", "12", (deb, "php", "8.3+0~20240101+debian13~1"), false),
            ("debian", "", (deb, "base-files", "13.8"), false),
            ("ubuntu", "22.04", (deb, "base-files", "12ubuntu4.4"), false),
            ("alpine", "3.19.1", (apk, "alpine-release", "3.19.4-r0"), false),
            ("alpine", "3.18.4", (apk, "alpine-release", "3.19.1-r0"), true),
            ("alpine", "3.21.0_alpha20240807", (apk, "alpine-release", "3.21.0_alpha20240807-r0"), false),
        ] {
            assert_eq!(why(id, version, &[package]).is_some(), contradicts, "{id} {version} {package:?}");
        }
    }
}
