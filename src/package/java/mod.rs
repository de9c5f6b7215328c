//! Java archives, those inside them included.
//!
//! A file that is named as a Java archive and is none is told apart by its bytes. No bytes, or text (a page of an error,
//! a pointer of Git LFS, a placeholder), is no archive and hides none: nothing is said. An archive that is cut or broken
//! is an error: no virtual machine reads it either, and what it was cannot be told. Inside of another archive a broken
//! one is a package by its file name, which no advisory can be found for, so that its neighbours are still known.

mod file_name;
mod identity;
mod known;
mod manifest;
mod pom;

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, Read as _, SeekFrom, Write as _},
    ops::Range,
};

use file_name::FileName;
use identity::{Identity, Itself, Own};
use manifest::Manifest;
use pom::Coordinates;

use super::{
    Ecosystem, Error, Fact, File, Form, Package,
    archive::{Archive, DEPTH, Entry, FORM, METADATA_ENTRY_BYTES, Spent, damaged},
    count::hold_packages,
};

/// Up to this size memory holds a nested archive that is compressed.
const MEMORY_BYTES: usize = 3 << 20;
/// What the list of an archive's members costs beside their names.
const MEMBER_BYTES: usize = 96;
const MANIFEST: &[u8] = b"META-INF/MANIFEST.MF";

/// By name, or by content: an archive that begins with what Java's begin with. Those behind a script or an executable are
/// told by what they hold.
pub(super) fn recognise(path: &str, head: &[u8]) -> bool {
    let name = super::file_name(path);
    if file_name::is_java(name) {
        return !head.is_empty();
    }
    let first = head.get(30..).unwrap_or_default();
    let starts = [&b"META-INF/"[..], b"BOOT-INF/", b"WEB-INF/"];
    head.starts_with(b"PK\x03\x04")
        && (file_name::may_be_java(name) || starts.iter().any(|start| first.starts_with(start)))
}

/// Whether a member of an archive says that it is one of Java's.
pub(super) fn is_of_java(member: &[u8]) -> bool {
    member.eq_ignore_ascii_case(MANIFEST)
        || member.ends_with(b".class")
        || member.starts_with(b"BOOT-INF/")
        || member.starts_with(b"WEB-INF/")
}

/// Reads all packages.
pub(super) fn read(path: &str, file: &mut dyn File) -> Result<Option<Fact>, Error> {
    let end = file.seek(SeekFrom::End(0)).map_err(damaged)?;
    let mut search = Search::default();
    search.archive(file, 0..end, super::file_name(path), 0)?;
    let packages: Vec<_> = search.packages.into_iter().collect();
    Ok((!packages.is_empty()).then_some(Fact::Installed { form: Form::Jar, packages }))
}

/// By name: what Maven leaves in an archive, where one was unpacked.
pub(super) fn recognise_unpacked(path: &str, _: &[u8]) -> bool {
    path.ends_with("/pom.properties") && Coordinates::of_path(path).group.is_some()
}

/// Reads the project that an archive was unpacked from, or that was shaded into it.
pub(super) fn read_unpacked(path: &str, bytes: &[u8]) -> Result<Option<Fact>, Error> {
    if bytes.len() as u64 > METADATA_ENTRY_BYTES {
        return Err(Error::Limit { name: "archive metadata entry", limit: METADATA_ENTRY_BYTES });
    }
    let package = Coordinates::of_properties(bytes).or(Coordinates::of_path(path)).package();
    Ok(package.map(|package| Fact::Installed { form: Form::Jar, packages: vec![package] }))
}

/// What is found in one file.
#[derive(Default)]
struct Search {
    packages: BTreeSet<Package>,
    spent: Spent,
}

/// Entries of one archive that matter.
#[derive(Default)]
struct Members {
    manifest: Option<Entry>,
    /// Maven's files by path, of two with one path the last, as Java reads them.
    maven: BTreeMap<String, Entry>,
    /// By file name. Other loaders than Java's read these, and may take another of two with one path: all count.
    nested: Vec<(String, Entry)>,
    has_classes: bool,
    is_application: bool,
}

impl Search {
    /// Adds what an archive holds, if it is one. The depth is bounded, and recursion with it.
    fn archive(
        &mut self,
        file: &mut dyn File,
        within: Range<u64>,
        name: &str,
        depth: u64,
    ) -> Result<(), Error> {
        if depth > DEPTH {
            return Err(Error::Limit { name: "archive depth", limit: DEPTH });
        }
        let Some(mut archive) = Archive::open(file, within.clone(), &mut self.spent)? else {
            return no_archive(file, within, name);
        };
        let members = self.members(&mut archive)?;
        self.itself(&mut archive, name, &members)?;
        for (name, entry) in members.nested {
            self.spent.nested()?;
            match self.nested(&mut archive, &name, entry, depth + 1) {
                Err(Error::Damaged { form: FORM, .. }) => {
                    let FileName { artifact, version, .. } = FileName::of(&name);
                    let version = version.unwrap_or_default();
                    self.add(Package::new(Ecosystem::Maven, artifact, version))?;
                }
                other => other?,
            }
        }
        Ok(())
    }

    fn members(&mut self, archive: &mut Archive<'_>) -> Result<Members, Error> {
        let mut members = Members::default();
        archive.entries(&mut self.spent, |spent, path, entry| {
            members.has_classes |= path.ends_with(b".class");
            members.is_application |= path.starts_with(b"BOOT-INF/") || path.starts_with(b"WEB-INF/");
            if path.eq_ignore_ascii_case(MANIFEST) {
                members.manifest = Some(entry);
            } else if path.ends_with(b"/pom.properties") || path.ends_with(b"/pom.xml") {
                spent.kept(path.len() + MEMBER_BYTES)?;
                members.maven.insert(String::from_utf8_lossy(path).into_owned(), entry);
            } else {
                let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
                let name = String::from_utf8_lossy(name);
                if file_name::may_be_java(&name) {
                    spent.kept(name.len() + MEMBER_BYTES)?;
                    members.nested.push((name.into_owned(), entry));
                }
            }
            Ok(())
        })?;
        Ok(members)
    }

    /// Adds what an archive is, without those inside it.
    fn itself(&mut self, archive: &mut Archive<'_>, name: &str, members: &Members) -> Result<(), Error> {
        let mut manifest = Manifest::default();
        if let Some(entry) = members.manifest
            && let Some(bytes) = self.metadata(archive, entry, Manifest::ends)?
        {
            manifest = Manifest::parse(&bytes);
        }
        let mut projects = Vec::new();
        for (path, entry) in &members.maven {
            let of_path = Coordinates::of_path(path);
            let beside = path.strip_suffix("pom.xml").map(|directory| format!("{directory}pom.properties"));
            if beside
                .as_ref()
                .is_some_and(|beside| of_path.group.is_none() || members.maven.contains_key(beside))
            {
                continue;
            }
            let project = match self.metadata(archive, *entry, |_| false)? {
                Some(bytes) if beside.is_some() => {
                    // A tree of it is built, which costs far more than to decompress it.
                    self.spent.bytes(bytes.len() * 16)?;
                    of_path.or(Coordinates::of_xml(&bytes))
                }
                Some(bytes) => Coordinates::of_properties(&bytes).or(of_path),
                None => of_path,
            };
            self.spent.kept(project.size_bytes())?;
            projects.push(project);
        }
        let file_name = FileName::of(name);
        let of_name = file_name::is_java(name) || members.manifest.is_some() && file_name::may_be_java(name);
        let Members { has_classes, is_application, .. } = *members;
        let own = Own {
            file_name,
            is_java: of_name || has_classes,
            has_classes,
            is_application,
            manifest,
            projects,
        };
        let Identity { packages, itself } = own.identify();
        for package in packages {
            self.add(package)?;
        }
        if let Some(Itself { mut package, known }) = itself {
            if let Some((classes, name)) = known
                && (classes.is_empty() || self.holds(archive, classes)?)
            {
                package.name = name;
            }
            self.add(package)?;
        }
        Ok(())
    }

    fn add(&mut self, package: Package) -> Result<(), Error> {
        self.spent.kept(package.name.len() + package.version.len() + MEMBER_BYTES)?;
        self.packages.insert(package);
        hold_packages(self.packages.len())?;
        Ok(())
    }

    /// Whether there are classes below a directory.
    fn holds(&mut self, archive: &mut Archive<'_>, directory: &str) -> Result<bool, Error> {
        let mut holds = false;
        archive.entries(&mut self.spent, |_, path, _| {
            holds |= path.starts_with(directory.as_bytes()) && path.ends_with(b".class");
            Ok(())
        })?;
        Ok(holds)
    }

    /// Reads an entry up to where it is enough; `None` where Java could not read it either.
    fn metadata(
        &mut self,
        archive: &mut Archive<'_>,
        entry: Entry,
        enough: impl Fn(&[u8]) -> bool,
    ) -> Result<Option<Vec<u8>>, Error> {
        match archive.metadata(entry, &mut self.spent, enough) {
            Ok(None) => Err(Error::Limit { name: "archive metadata entry", limit: METADATA_ENTRY_BYTES }),
            Err(Error::Damaged { .. }) => Ok(None),
            other => other,
        }
    }

    /// Reads an archive inside another: in place where it is stored, put aside where it is compressed.
    fn nested(
        &mut self,
        archive: &mut Archive<'_>,
        name: &str,
        entry: Entry,
        depth: u64,
    ) -> Result<(), Error> {
        if entry.is_stored() {
            let within = archive.locate(entry)?;
            return self.archive(archive.file(), within, name, depth);
        }
        let mut aside = tempfile::spooled_tempfile(MEMORY_BYTES);
        let mut contents = archive.contents(entry)?;
        let mut buffer = vec![0; 1 << 16];
        let mut end = 0;
        loop {
            let read = contents.read(&mut buffer).map_err(damaged)?;
            if read == 0 {
                break;
            }
            self.spent.bytes(read)?;
            let lost = |why: io::Error| Error::Damaged { form: "temporary file", why: why.to_string() };
            aside.write_all(&buffer[..read]).map_err(lost)?;
            end += read as u64;
        }
        drop((contents, buffer));
        self.archive(&mut aside, 0..end, name, depth)
    }
}

/// What is no archive: nothing, or an error where it must have been one.
fn no_archive(file: &mut dyn File, within: Range<u64>, name: &str) -> Result<(), Error> {
    let mut head = Vec::new();
    file.seek(SeekFrom::Start(within.start)).map_err(damaged)?;
    file.take((within.end - within.start).min(512)).read_to_end(&mut head).map_err(damaged)?;
    let is_text = !head.contains(&0)
        && std::str::from_utf8(&head).map_or_else(|error| error.error_len().is_none(), |_| true);
    if head.starts_with(b"PK") || file_name::is_java(name) && !is_text {
        return Err(damaged("no end record"));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
