//! What one archive is, without those inside it: Maven's own files first, then the manifest, then the file name.
//!
//! Advisories are found by `GROUP:ARTIFACT`. Where the group is not certain, the name is the artifact alone: a guessed
//! group would match nothing, and nobody would know. Where no version is to be had, it is empty.

use super::{file_name::FileName, known, manifest::Manifest, pom::Coordinates};
use crate::package::{Ecosystem, Package};

/// What one archive shows of itself.
pub(super) struct Own<'a> {
    /// The last part of its path.
    pub file_name: FileName<'a>,
    /// Whether the name says that it is Java's, or classes lie in it.
    pub is_java: bool,
    /// Whether classes lie in it.
    pub has_classes: bool,
    /// Whether it is laid out as an application, which brings its libraries and is none of them.
    pub is_application: bool,
    pub manifest: Manifest,
    /// Of every project of Maven's in it; several where an archive was made of others.
    pub projects: Vec<Coordinates>,
}

/// The packages of one archive.
#[derive(Default)]
pub(super) struct Identity {
    /// Those that are certain.
    pub packages: Vec<Package>,
    /// The archive, where it is none of them.
    pub itself: Option<Itself>,
}

/// What an archive is by manifest and file name.
pub(super) struct Itself {
    pub package: Package,
    /// The name that it has if it holds classes below a directory.
    pub known: Option<(&'static str, String)>,
}

impl Own<'_> {
    /// Names it.
    ///
    /// Archives of sources and documentation hold nothing that runs, and are no packages. Those of a Java runtime are
    /// parts of it; it is known by itself. An archive of neither name, version nor classes is nothing.
    pub(super) fn identify(mut self) -> Identity {
        let mut identity = Identity::default();
        if self.file_name.is_documentation() && !self.has_classes || self.is_of_the_runtime() {
            return identity;
        }
        let own = self.own_project();
        if let Some(own) = own {
            let version = self.version();
            let own = &mut self.projects[own];
            own.version = own.version.take().or(version);
        }
        identity.packages.extend(self.projects.iter().filter_map(Coordinates::package));
        if own.is_none() && self.is_java {
            identity.itself = self.itself();
        }
        identity
    }

    fn itself(&self) -> Option<Itself> {
        let (name, version) = self.declared().or_else(|| self.assumed())?;
        // What was renamed may still be a known project's by its title.
        let title = self.manifest.get("implementation-title").unwrap_or_default();
        let known = known::project(&name, &version).or_else(|| known::project(title, &version));
        let known = known.filter(|_| !self.is_application);
        Some(Itself { package: Package::new(Ecosystem::Maven, name, version), known })
    }

    /// Which of the projects the archive itself is: the one that is named as it is, or the only one, unless the
    /// archive's version is another.
    fn own_project(&self) -> Option<usize> {
        let names = [
            Some(self.file_name.artifact),
            Some(self.file_name.stem),
            self.manifest.get("implementation-title"),
            self.manifest.get("bundle-symbolicname").map(symbolic_name),
        ];
        let named = |project: &Coordinates| {
            let artifact = project.artifact.as_deref();
            artifact.is_some() && names.contains(&artifact)
        };
        if let Some(named) = self.projects.iter().position(named) {
            return Some(named);
        }
        let [only] = &self.projects[..] else { return None };
        // Of another version it is one that was shaded into an archive without a project of its own.
        let own = self.file_name.version.map(str::to_owned).or_else(|| self.version());
        let other = match (&own, &only.version) {
            (Some(own), Some(other)) => !agree(own, other),
            _ => false,
        };
        (!other).then_some(0)
    }

    /// Name and version as builds declare them with their group.
    fn declared(&self) -> Option<(String, String)> {
        let get = |name| self.manifest.get(name);
        // Jenkins's plugins.
        if let (Some(group), Some(version)) = (get("group-id"), get("plugin-version")) {
            let artifact = get("artifact-id").or(get("short-name")).or(get("extension-name"))?;
            let version = version.split(' ').next().unwrap_or_default();
            return Some((format!("{group}:{artifact}"), version.to_owned()));
        }
        // Gradle's Nebula plugins: `GROUP#ARTIFACT;VERSION`.
        let (group, rest) = get("implementation-title")?.split_once('#')?;
        let (artifact, version) = rest.split_once(';')?;
        Some((format!("{group}:{artifact}"), version.to_owned()))
    }

    /// The artifact alone, where there is a version, or at least classes.
    fn assumed(&self) -> Option<(String, String)> {
        let version = self.version();
        if version.is_none() && !self.has_classes {
            return None;
        }
        let title = self.manifest.get("implementation-title").filter(|title| is_artifact(title));
        let version = version.unwrap_or_default();
        // A file that is named by a version, or as a known project, has not been renamed.
        let artifact = self.file_name.artifact;
        let by_name = self.file_name.version.is_some() || known::project(artifact, &version).is_some();
        let name = title.filter(|_| !by_name).unwrap_or(artifact);
        Some((name.to_owned(), version))
    }

    /// The manifest's version; as the file name writes it where both mean the same, for manifests pad and decorate.
    fn version(&self) -> Option<String> {
        let attributes =
            ["plugin-version", "implementation-version", "bundle-version", "specification-version"];
        let mut declared = attributes.iter().filter_map(|name| {
            let version = self.manifest.get(name)?.split_whitespace().next()?;
            version.contains(|c: char| c.is_ascii_digit()).then_some(version)
        });
        let named = self.file_name.version;
        if let Some(named) = named
            && declared.clone().any(|declared| agree(named, declared))
        {
            return Some(named.to_owned());
        }
        declared.next().or(named).map(str::to_owned)
    }

    fn is_of_the_runtime(&self) -> bool {
        self.projects.is_empty()
            && self.manifest.get("specification-title") == Some("Java Platform API Specification")
    }
}

/// A bundle's name without its directives.
fn symbolic_name(value: &str) -> &str {
    value.split(';').next().unwrap_or_default().trim()
}

/// Whether a title is of the form of an artifact's name.
fn is_artifact(title: &str) -> bool {
    title.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
}

/// Whether two versions begin with the same numbers.
fn agree(one: &str, other: &str) -> bool {
    let numbers = |version: &str| {
        let end = version.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(version.len());
        let numbers = version[..end].split('.').map(|number| number.trim_start_matches('0').to_owned());
        let mut numbers: Vec<_> = numbers.collect();
        while numbers.last().is_some_and(String::is_empty) {
            numbers.pop();
        }
        numbers
    };
    numbers(one) == numbers(other)
}
