//! The way out of a finding, in one sentence: the package, the version that mends it and, where it is known, the very line
//! to change.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashSet},
};

use super::{
    Judged, Os, ScanResult, Written,
    place::of_layer,
    text::{image_name, image_tag},
    words::count,
};
use crate::{
    finding::{Finding, FindingPackage, Status},
    package::Ecosystem,
};

/// Most lines that one sentence lists.
const MAX_LINES: usize = 5;

/// What to do about a finding. Of untrusted text: each report writes it in its own form.
pub(super) fn fix(result: &ScanResult, judged: &Judged) -> String {
    way(result, judged).text()
}

/// A step, which may be one for several findings, and where it is to be taken.
pub(super) struct Way<'a> {
    /// What is to be done.
    step: Step,
    /// On these lines; some may be there twice.
    lines: Vec<(&'a str, usize)>,
    /// Which part of the step is needed, where that is less.
    part: String,
}

/// Ways out of several findings, each step once, in the order of their words.
#[derive(Default)]
pub(super) struct Ways<'a>(BTreeMap<Step, Way<'a>>);

impl<'a> Ways<'a> {
    /// Adds a way, unless its step would be one more than `most`; says whether it did.
    pub(super) fn add(&mut self, way: Way<'a>, most: usize) -> bool {
        if let Some(known) = self.0.get_mut(&way.step) {
            known.join(way);
        } else if self.0.len() < most {
            self.0.insert(way.step.clone(), way);
        } else {
            return false;
        }
        true
    }

    /// A sentence for each.
    pub(super) fn text(&self) -> String {
        self.0.values().map(Way::text).collect::<Vec<_>>().join(" ")
    }
}

/// What is to be done, in words, and how its lines follow.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Step(String, Lines);

/// What lines are to a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Lines {
    /// None are known, or its words have them.
    None,
    /// They are to be changed.
    Changed,
    /// They brought the package.
    Bring,
}

impl Way<'_> {
    /// Takes the lines of another finding with the same step. Which part of it is needed is said only where all need the same.
    fn join(&mut self, other: Self) {
        self.lines.extend(other.lines);
        if self.part != other.part {
            self.part.clear();
        }
    }

    /// Its lines once each, in order, and how many.
    fn listed(&self) -> (String, usize) {
        // Nearly always there is one.
        if let [(file, line)] = self.lines[..] {
            return ([file, ":", &line.to_string()].concat(), 1);
        }
        let mut seen = HashSet::new();
        let mut lines = self.lines.iter().filter(|line| seen.insert(**line));
        let first = lines.by_ref().take(MAX_LINES).map(|(file, line)| format!("{file}:{line}"));
        let mut listed = first.collect::<Vec<_>>().join(", ");
        let more = lines.count();
        if more > 0 {
            listed.push_str(&format!(" and {}", count(more, "more line")));
        }
        (listed, seen.len())
    }

    /// One sentence.
    fn text(&self) -> String {
        let Step(words, lines) = &self.step;
        match lines {
            Lines::None => [words, &*self.part, "."].concat(),
            Lines::Changed => [words, " in ", &self.listed().0, &self.part, "."].concat(),
            Lines::Bring => {
                let (lines, count) = self.listed();
                let bring = if count == 1 { " brings" } else { " bring" };
                [words, ", which ", &lines, bring, &self.part, "."].concat()
            }
        }
    }
}

/// [What to do](fix) about a finding.
pub(super) fn way<'a>(result: &'a ScanResult, judged: &'a Judged) -> Way<'a> {
    let Finding { package, fixed_in, status, .. } = &judged.finding;
    let name = &package.name;
    let Some(fixed_in) = fixed_in else {
        let words = match status {
            Status::Fixed => ["A fixed version of ", name, " is not named"].concat(),
            Status::Affected => ["No fixed version of ", name, " is known"].concat(),
            Status::Undetermined => ["It is not known yet whether ", name, " is affected"].concat(),
            Status::Postponed => ["The fix of ", name, " is put off to a later update"].concat(),
            Status::NoDsa => ["No update of ", name, " is made for this alone, as it is minor"].concat(),
            Status::Subscription => {
                ["A fixed version of ", name, " is only for those with a subscription for extended support"]
                    .concat()
            }
            Status::Ignored => [name, " will not be fixed"].concat(),
            Status::EndOfLife => [name, " is not supported any more, and will not be fixed"].concat(),
        };
        return Way { step: Step(words, Lines::None), lines: Vec::new(), part: String::new() };
    };
    let fixed_in = as_written(fixed_in, package);
    let to = target(judged).unwrap_or(fixed_in.clone());
    let part = if to == fixed_in { String::new() } else { [" (this is fixed in ", &*fixed_in, ")"].concat() };
    let name = if is_toolchain(package) { "Go" } else { name };
    let build = if package.built_from().is_some() { "its build of " } else { "" };
    let update = || ["Update ", name, " to ", build, &to].concat();
    let line = |written: &'a Written| (written.file.as_str(), written.line);
    let layer = of_layer(result, judged);
    let (step, lines) = if let Some(asked) = &judged.asked {
        let words = match (&asked.pin, words(judged)) {
            (Some(pin), Some(words)) => format!("Change {pin} to {words}"),
            _ => update(),
        };
        // The line that asks for the package, and those of the other lock files that it was read from.
        let others = judged.found.get(1..).unwrap_or_default();
        (Step(words, Lines::Changed), std::iter::once(&asked.written).chain(others).map(line).collect())
    } else if is_of_base(judged) {
        let of = if build.is_empty() { "" } else { "of " };
        let words = format!("{}, with {name} {of}{to}", base_image(result, layer));
        (Step(words, Lines::None), Vec::new())
    } else {
        let lines = if layer.is_some() { Lines::Bring } else { Lines::None };
        (Step(update(), lines), layer.map(line).into_iter().collect())
    };
    Way { step, lines, part }
}

/// ` and N more`: the lock files that a package was read from beside the first.
pub(super) fn and_more(judged: &Judged) -> String {
    let more = judged.found.len().saturating_sub(1);
    if more == 0 { String::new() } else { format!(" and {more} more") }
}

/// The version to update to, as one writes it: one step for all findings of a package. `None` where no fix is known.
pub(super) fn target(judged: &Judged) -> Option<Cow<'_, str>> {
    let version = judged.update_to.as_ref().or(judged.finding.fixed_in.as_ref())?;
    Some(as_written(version, &judged.finding.package))
}

/// A version of an advisory as one writes it. Advisories have those of Go's modules without the `v` that `go.mod` and `go install`
/// want (<https://go.dev/ref/mod#versions>), and at times those of tags, which Composer takes.
///
/// A version of the source stands behind the source's name, where the package's own may be another.
fn as_written<'a>(version: &'a str, package: &FindingPackage) -> Cow<'a, str> {
    if let Some(source) = package.built_from() {
        return format!("{} {version}", source.name).into();
    }
    let bare = without_v(version);
    if is_toolchain(package) {
        return toolchain(bare).into();
    }
    let is_of_v = package.ecosystem == Ecosystem::Golang || without_v(&package.version) != package.version;
    if is_of_v && bare.starts_with(|c: char| c.is_ascii_digit()) {
        return format!("v{bare}").into();
    }
    version.into()
}

/// `1.2` of `v1.2`; other texts as they are.
pub(super) fn without_v(version: &str) -> &str {
    let bare = version.strip_prefix('v').filter(|bare| bare.starts_with(|c: char| c.is_ascii_digit()));
    bare.unwrap_or(version)
}

/// Whether a package is Go's own library, which comes with its toolchain.
pub(super) fn is_toolchain(package: &FindingPackage) -> bool {
    package.ecosystem == Ecosystem::Golang && package.name == "stdlib"
}

/// Go as it numbers itself (<https://go.dev/doc/toolchain#version>): `1.22.1`, and `1.22rc1` for `1.22.0-rc.1`.
fn toolchain(version: &str) -> String {
    match version.split_once("-rc.") {
        Some((release, candidate)) => {
            format!("{}rc{candidate}", release.strip_suffix(".0").unwrap_or(release))
        }
        None => version.to_owned(),
    }
}

/// What the words that pin the package are to be changed into; `None` where none do, or no version of the
/// package with a fix is known.
pub(super) fn words(judged: &Judged) -> Option<String> {
    let pin = judged.asked.as_ref()?.pin.as_ref()?;
    let package = &judged.finding.package;
    if package.built_from().is_some() {
        return None;
    }
    let target = target(judged)?;
    Some(match pin.split_once(' ') {
        Some((directive @ "go", _)) if is_toolchain(package) => format!("{directive} {target}"),
        Some((directive @ "toolchain", _)) if is_toolchain(package) => format!("{directive} go{target}"),
        _ => repinned(pin, &package.version, &target),
    })
}

/// A pin of another version. One that does not write the epoch does not write the other's either, and so it is with a `v`.
fn repinned(pin: &str, version: &str, fixed_in: &str) -> String {
    let (version, fixed_in) = (without_v(version), without_v(fixed_in));
    let without_epoch = |version: &str| version.split_once(':').map_or(version, |(_, rest)| rest).to_owned();
    match pin.strip_suffix(version) {
        Some(name) => format!("{name}{fixed_in}"),
        None => {
            let name = pin.strip_suffix(&without_epoch(version)).unwrap_or(pin);
            format!("{name}{}", without_epoch(fixed_in))
        }
    }
}

/// Whether another base image is the way out.
pub(super) fn is_of_base(judged: &Judged) -> bool {
    let Finding { fixed_in, layer, .. } = &judged.finding;
    layer.base == Some(true) && fixed_in.is_some() && judged.asked.is_none()
}

/// What the base image brought is mended by another base image: which, as the beginning of a sentence. `from` is where the
/// image starts from it.
///
/// The default of an argument is only what may have been built with.
pub(super) fn base_image(result: &ScanResult, from: Option<&Written>) -> String {
    let argument = result.image.base_argument.as_ref();
    let line = argument.and_then(|argument| argument.written.as_ref()).or(from);
    let line = line.map(|line| format!(" ({}:{})", line.file, line.line)).unwrap_or_default();
    let base = result.image.base.as_ref().and_then(|base| base.name.as_deref());
    let Some(base) = base.filter(|base| !contradicts(base, result.looked_at.os.as_ref())) else {
        let given = argument.map(|argument| format!(" than the build was given as {}", argument.name));
        return format!("Build on a newer base image{}{line}", given.unwrap_or_default());
    };
    let name = argument.map(|argument| argument.name.as_str());
    let default = name.map(|name| format!(", by the default of {name}")).unwrap_or_default();
    match image_tag(base) {
        Some(tag) if says_version(tag) => {
            let default = name.map(|name| format!(", the default of {name}")).unwrap_or_default();
            format!("Take a newer tag of the base image {} than {tag}{default}{line}", image_name(base))
        }
        // A tag that moves is pulled again, unless a digest holds it.
        _ => match base.split_once('@') {
            Some((tagged, _)) => format!("Take a newer digest of the base image {tagged}{default}{line}"),
            None => format!("Build on a newer pull of the base image {base}{default}{line}"),
        },
    }
}

/// Systems whose own images are called by the `ID` in their os-release.
const SYSTEMS: [&str; 6] = ["almalinux", "alpine", "centos", "debian", "fedora", "ubuntu"];

/// Whether an image of a system, such as `debian:12.4`, cannot be below what was found: another system, or another number
/// where both say one.
fn contradicts(base: &str, os: Option<&Os>) -> bool {
    let name = image_name(base).rsplit('/').next().unwrap_or_default();
    let Some(os) = os.filter(|os| SYSTEMS.contains(&name) && SYSTEMS.contains(&os.id.as_str())) else {
        return false;
    };
    fn numbers(version: &str) -> impl Iterator<Item = u32> {
        version.split(['.', '-']).map_while(|number| number.parse().ok())
    }
    let tag = image_tag(base).unwrap_or_default();
    name != os.id || numbers(tag).zip(numbers(&os.version)).any(|(tag, os)| tag != os)
}

/// Whether a tag names one version for good, as `12.5` and `3.19.1-slim` do and `12`, `stable` and `bookworm` do not.
fn says_version(tag: &str) -> bool {
    let version = tag.strip_prefix('v').unwrap_or(tag).split('-').next().unwrap_or_default();
    let mut parts = version.split('.');
    parts.clone().count() > 1
        && parts.all(|part| part.bytes().all(|byte| byte.is_ascii_digit()) && !part.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pin_keeps_its_form() {
        assert_eq!(repinned("curl=1-1", "1-1", "1-2"), "curl=1-2");
        assert_eq!(repinned("openssl-1.0-1.el9", "1:1.0-1.el9", "1:1.1-1.el9"), "openssl-1.1-1.el9");
        assert_eq!(repinned("e.com/a/cmd@v1.1.0", "v1.1.0", "v1.1.1"), "e.com/a/cmd@v1.1.1");
        assert_eq!(repinned("e.com/a@v1.1.0", "1.1.0", "1.1.1"), "e.com/a@v1.1.1");
        assert_eq!(repinned("acme/log:1.0.2", "v1.0.2", "v1.0.3"), "acme/log:1.0.3");
    }

    #[test]
    fn a_version_is_written_as_its_ecosystem_does() {
        let written = |ecosystem, name: &str, installed: &str, version| {
            let package = FindingPackage {
                name: name.to_owned(),
                version: installed.to_owned(),
                ecosystem,
                purl: String::new(),
                source: None,
            };
            as_written(version, &package).into_owned()
        };
        assert_eq!(written(Ecosystem::Golang, "golang.org/x/text", "v0.3.7", "0.3.8"), "v0.3.8");
        assert_eq!(written(Ecosystem::Golang, "golang.org/x/text", "0.3.7", "v0.3.8"), "v0.3.8");
        assert_eq!(written(Ecosystem::Golang, "stdlib", "v1.21.3", "v1.21.4"), "1.21.4");
        assert_eq!(written(Ecosystem::Composer, "acme/log", "v1.0.2", "1.0.3"), "v1.0.3");
        assert_eq!(written(Ecosystem::Composer, "acme/log", "1.0.2", "1.0.3"), "1.0.3");
        assert_eq!(written(Ecosystem::Npm, "a", "1.0.2", "1.0.3"), "1.0.3");
        assert_eq!(written(Ecosystem::Golang, "stdlib", "v1.21.3", "1.22.0-rc.1"), "1.22rc1");
    }

    #[test]
    fn a_system_contradicts_another_one_s_tag() {
        for (base, id, version, contradicted) in [
            ("debian:12.4", "debian", "12", false),
            ("debian:12.4-slim", "debian", "11", true),
            ("registry.example:5000/debian:12", "alpine", "3.19.1", true),
            ("alpine:3.19", "alpine", "3.19.1", false),
            ("alpine:3.18", "alpine", "3.19.1", true),
            ("ubuntu:22.04", "ubuntu", "22.10", true),
            ("debian:bookworm", "debian", "11", false),
            ("debian", "debian", "12", false),
            // An image of something else says nothing of its system.
            ("python:3.12", "debian", "12", false),
            ("debian:12.4", "acme", "1", false),
        ] {
            let os = Os { id: id.to_owned(), version: version.to_owned(), end_of_life: None };
            assert_eq!(contradicts(base, Some(&os)), contradicted, "{base}");
            assert!(!contradicts(base, None), "{base}");
        }
    }

    #[test]
    fn a_tag_with_two_numbers_says_its_version() {
        for (tag, says) in [
            ("12.5", true),
            ("v1.2.3-slim", true),
            ("12", false),
            ("bookworm", false),
            ("1.x", false),
            ("", false),
        ] {
            assert_eq!(says_version(tag), says, "{tag}");
        }
    }
}
