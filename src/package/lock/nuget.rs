//! NuGet's files of a project: `packages.lock.json`, `packages.config`, and the versions that all projects of a directory
//! share, `Directory.Packages.props`; Microsoft's documentation of NuGet and MSBuild.

use std::collections::{BTreeSet, HashMap};

use serde::{Deserialize, Deserializer, de::DeserializeSeed};

use super::{
    super::{Ecosystem, count::Count, file_name},
    Error, Package, Packages,
    entries::{Entries, each},
    properties, text, xml,
};

/// What begins and ends a property.
const MARKS: (&str, &str) = ("$(", ")");

#[derive(Deserialize)]
struct Lock {
    #[serde(default)]
    dependencies: Frameworks,
}

/// By target framework, then by name. Of one framework after the other only the packages are kept.
#[derive(Default)]
struct Frameworks(Packages);

impl<'de> Deserialize<'de> for Frameworks {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (mut packages, mut known, mut count) = (Packages::default(), BTreeSet::new(), Count::default());
        let take = |framework: String, all: Entries<Locked>| {
            count.add(framework.len())?;
            let named = all.into_iter().filter_map(|(name, locked)| Some((name, locked.resolved?)));
            packages.extend(named.map(|(name, version)| Package::new(Ecosystem::Nuget, name, version)))?;
            match known.replace(framework) {
                Some(twice) => Err(Error::Database(format!("the key `{twice}` is there twice"))),
                None => Ok(()),
            }
        };
        each(take).deserialize(deserializer)?;
        Ok(Self(packages))
    }
}

#[derive(Deserialize)]
struct Locked {
    /// Not there for another project of the solution.
    resolved: Option<String>,
}

/// `packages.PROJECT.lock.json` and `packages.PROJECT.config`, where projects share a directory.
pub(super) fn is_of_project(path: &str) -> bool {
    let name = file_name(path);
    name.starts_with("packages.")
}

/// Reads `packages.lock.json`: the packages of every target.
pub(super) fn read_lock(bytes: &[u8]) -> Result<Vec<Package>, Error> {
    let lock: Lock = text::json(bytes)?;
    Ok(lock.dependencies.0.into_vec())
}

/// Reads `packages.config`.
pub(super) fn read_config(bytes: &[u8]) -> Result<Vec<Package>, Error> {
    let mut packages = Packages::default();
    each_of_config(bytes, |_, package| packages.push(package))?;
    Ok(packages.into_vec())
}

/// Gives each package of a `packages.config` with its line. What is there only to build, such as a compiler, is no part of the
/// project.
pub(super) fn each_of_config(
    bytes: &[u8],
    mut give: impl FnMut(usize, Package) -> Result<(), Error>,
) -> Result<(), Error> {
    let root = xml::read(bytes, "packages")?;
    for element in root.children.iter().filter(|element| element.name == "package") {
        let given = |name| element.attribute(name).filter(|value| !value.is_empty());
        let (Some(name), Some(version)) = (given("id"), given("version")) else {
            return Err(element.error("a package has `id` and `version`"));
        };
        if !given("developmentDependency").is_some_and(|only| only.eq_ignore_ascii_case("true")) {
            give(element.line, Package::new(Ecosystem::Nuget, name, version))?;
        }
    }
    Ok(())
}

/// `*Packages.props`, in whatever case.
pub(super) fn is_props(path: &str) -> bool {
    let name = file_name(path);
    let ending = name.len().checked_sub("packages.props".len()).and_then(|start| name.get(start..));
    ending.is_some_and(|ending| ending.eq_ignore_ascii_case("packages.props"))
}

/// Reads a `*.Packages.props`.
pub(super) fn read_props(bytes: &[u8]) -> Result<Vec<Package>, Error> {
    let mut packages = Packages::default();
    each_of_props(bytes, |_, package| packages.push(package))?;
    Ok(packages.into_vec())
}

/// Gives each item of a `*.Packages.props` with the line that says its version. A version is what the packages get, unless a
/// range or a pattern says otherwise.
pub(super) fn each_of_props(
    bytes: &[u8],
    mut give: impl FnMut(usize, Package) -> Result<(), Error>,
) -> Result<(), Error> {
    let root = xml::read(bytes, "Project")?;
    let groups =
        |name| root.children.iter().filter(move |group| group.name == name).flat_map(|group| &group.children);
    // MSBuild minds no case in the names of properties.
    let properties: HashMap<String, &xml::Element> =
        groups("PropertyGroup").map(|property| (property.name.to_lowercase(), property)).collect();
    let value = |name: &str| properties.get(&name.to_lowercase()).map(|value| (value.text(), value.line));
    let expand = |text: &str| properties::expand(text, MARKS, |name| value(name).map(|(text, _)| text));
    for item in groups("ItemGroup") {
        if !matches!(item.name.as_str(), "PackageReference" | "PackageVersion" | "GlobalPackageReference") {
            continue;
        }
        let Some(name) = item.attribute("Include").or_else(|| item.attribute("Update")) else { continue };
        let version = match item.attribute("Version") {
            Some(version) => Some((version, item.line)),
            None => item.child("Version")?.map(|version| (version.text(), version.line)),
        };
        let Some((written, line)) = version else { continue };
        let (Some(name), Some(version)) = (expand(name), expand(written)) else { continue };
        // Brackets around one version ask for exactly that one.
        let version =
            version.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(&version).trim();
        let one = version.starts_with(|first: char| first.is_ascii_digit())
            && version.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-+".contains(&byte));
        if one && !name.is_empty() {
            give(
                properties::line(written, line, MARKS, value),
                Package::new(Ecosystem::Nuget, name, version),
            )?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(packages: Result<Vec<Package>, Error>) -> String {
        super::super::names(packages).join(" ")
    }

    #[test]
    fn locks() {
        let lock = br#"{"version": 2, "dependencies": {"net6.0": {"A.B": {"type": "CentralTransitive", "resolved": "1.0"},
            "own": {"type": "Project"}}, "net6.0/linux-x64": {"C": {"type": "Direct", "resolved": "2.0-rc.1"}}}}"#;
        assert_eq!(names(read_lock(lock)), "A.B@1.0 C@2.0-rc.1");
        for wrong in [
            "[]",
            r#"{"dependencies": {"a": {"b": {"resolved": 1}}}}"#,
            r#"{"dependencies": {"a": {}, "a": {}}}"#,
        ] {
            assert!(matches!(read_lock(wrong.as_bytes()), Err(Error::Json(_))), "{wrong}");
        }
    }

    #[test]
    fn configs() {
        let config = b"<packages><package id='A' version='1.0'/><package id='B' version='2' developmentDependency='True'/></packages>";
        assert_eq!(names(read_config(config)), "A@1.0");
        let wrong = read_config(b"<packages>\n<package id='A'/></packages>");
        assert!(matches!(wrong, Err(Error::Line { line: 2, .. })), "{wrong:?}");
    }

    #[test]
    fn props() {
        let props = b"<Project><PropertyGroup><X>1.2</X><Y>$(x).3</Y></PropertyGroup><ItemGroup>
            <PackageVersion Include='A' Version='$(Y)'/><PackageVersion Include='B'><Version> 2.0 </Version></PackageVersion>
            <GlobalPackageReference Include='C' Version='[3.0]'/><PackageVersion Include='D' Version='[1,2)'/>
            <PackageVersion Include='E' Version='4.*'/><PackageVersion Include='F' Version='$(Z)'/>
            <PackageVersion Remove='G' Version='1'/></ItemGroup></Project>";
        assert_eq!(names(read_props(props)), "A@1.2.3 B@2.0 C@3.0");
        assert!(is_props("a/Directory.Packages.props") && is_props("packages.props"));
        assert!(!is_props("Directory.Build.props") && !is_props("\u{e9}ackages.props"));
    }
}
