//! Maven's `pom.xml`; the POM reference. One file is read alone, so what only a parent or an imported list of versions
//! says is not known: it is not guessed, and what lacks its version by that is said.

use std::collections::HashMap;

use super::{
    super::Ecosystem,
    Error, Package, Packages, Unpinned, properties,
    xml::{self, Element},
};

/// What tells dependencies apart: group, artifact, type, classifier.
type Key = [String; 4];

/// What begins and ends a property.
const MARKS: (&str, &str) = ("${", "}");

struct Dependency {
    /// `GROUP:ARTIFACT`, as written where the file does not tell what that stands for.
    name: String,
    /// Where the file tells all of it.
    key: Option<Key>,
    /// With the line that says it. Empty where it cannot be told, which must not fall back on the managed one.
    version: Option<(usize, String)>,
}

/// The dependencies of whatever scope of which the file tells the version; not what a profile adds, nor plugins.
pub(super) fn read(bytes: &[u8]) -> Result<Vec<Package>, Error> {
    let mut packages = Packages::default();
    each(bytes, |name, told| match told {
        Some((_, version)) => packages.push(Package::new(Ecosystem::Maven, name, version)),
        None => Ok(()),
    })?;
    Ok(packages.into_vec())
}

/// The dependencies of which it does not: a parent or an imported list may say the version, or a range asks for any.
pub(super) fn unpinned(bytes: &[u8]) -> Result<Unpinned, Error> {
    let mut unpinned = Unpinned::default();
    each(bytes, |name, told| {
        unpinned.extend(told.is_none().then_some(name.as_str()));
        Ok(())
    })?;
    Ok(unpinned)
}

/// Gives each dependency by `GROUP:ARTIFACT`, and where the file tells its version, the line that says it, and the version.
pub(super) fn each(
    bytes: &[u8],
    mut give: impl FnMut(String, Option<(usize, &str)>) -> Result<(), Error>,
) -> Result<(), Error> {
    let root = xml::read(bytes, "project")?;
    let values = Values::of(&root)?;
    let managed = match root.child("dependencyManagement")? {
        Some(management) => dependencies(management, &values)?,
        None => Vec::new(),
    };
    let told = |one: Dependency| Some((one.key?, one.version?));
    let managed: HashMap<Key, (usize, String)> = managed.into_iter().filter_map(told).collect();
    for Dependency { name, key, version } in dependencies(&root, &values)? {
        // Whose name is not told has no version either.
        let told = key.as_ref().and_then(|key| version.as_ref().or_else(|| managed.get(key)));
        give(name, told.and_then(|(line, version)| Some((*line, single(version)?))))?;
    }
    Ok(())
}

/// The one version that a requirement allows: `1.0`, as recommended, and `[1.0]`; not `[1.0,2.0)` or `LATEST`.
fn single(requirement: &str) -> Option<&str> {
    let version =
        requirement.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(requirement).trim();
    let part = |byte: u8| byte.is_ascii_alphanumeric() || b"._-+".contains(&byte);
    (!version.is_empty() && version.bytes().all(part) && !matches!(version, "LATEST" | "RELEASE"))
        .then_some(version)
}

/// The dependencies listed in an element.
fn dependencies<'a>(within: &'a Element, values: &Values<'a>) -> Result<Vec<Dependency>, Error> {
    let mut dependencies = Vec::new();
    let Some(list) = within.child("dependencies")? else { return Ok(dependencies) };
    for element in list.children.iter().filter(|element| element.name == "dependency") {
        let given =
            |name| Ok::<_, Error>(element.child(name)?.map(Element::text).filter(|text| !text.is_empty()));
        let (Some(group), Some(artifact)) = (given("groupId")?, given("artifactId")?) else {
            return Err(element.error("a dependency has `groupId` and `artifactId`"));
        };
        let kind = given("type")?.unwrap_or("jar");
        let classifier = given("classifier")?.unwrap_or_default();
        let version = element.child("version")?.filter(|version| !version.text().is_empty());
        let version =
            version.map(|version| (values.line(version), values.expand(version.text()).unwrap_or_default()));
        let (name, key) = match [group, artifact, kind, classifier].map(|text| values.expand(text)) {
            [Some(group), Some(artifact), Some(kind), Some(classifier)] => {
                (format!("{group}:{artifact}"), Some([group, artifact, kind, classifier]))
            }
            _ => (format!("{group}:{artifact}"), None),
        };
        dependencies.push(Dependency { name, key, version });
    }
    Ok(dependencies)
}

/// What `${name}` stands for: the properties, and the coordinates of the project and its parent.
struct Values<'a>(HashMap<String, &'a Element>);

impl<'a> Values<'a> {
    fn of(root: &'a Element) -> Result<Self, Error> {
        let mut values = HashMap::new();
        let parent = root.child("parent")?;
        for name in ["groupId", "artifactId", "version"] {
            let of_parent = match parent {
                Some(parent) => parent.child(name)?,
                None => None,
            };
            // Group and version are the parent's where the project does not give its own.
            let inherited = of_parent.filter(|_| name != "artifactId");
            let own = root.child(name)?.or(inherited);
            for prefix in ["project.", "pom.", ""] {
                values.extend(own.map(|own| (format!("{prefix}{name}"), own)));
                values.extend(of_parent.map(|value| (format!("{prefix}parent.{name}"), value)));
            }
        }
        for property in root.child("properties")?.map_or(&[][..], |properties| &properties.children) {
            // Names such as `project.version` keep their meaning.
            if property.name.starts_with("project.") {
                values.entry(property.name.clone()).or_insert(property);
            } else {
                values.insert(property.name.clone(), property);
            }
        }
        Ok(Self(values))
    }

    fn expand(&self, text: &str) -> Option<String> {
        properties::expand(text, MARKS, |name| Some(self.0.get(name)?.text()))
    }

    /// The line to change for another value of an element.
    fn line(&self, element: &'a Element) -> usize {
        properties::line(element.text(), element.line, MARKS, |name| {
            self.0.get(name).map(|property| (property.text(), property.line))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> String {
        let packages = read(text.as_bytes()).unwrap();
        let packages = packages.into_iter().map(|package| package.name + "@" + &package.version);
        packages.collect::<Vec<_>>().join(" ")
    }

    fn dependency(inner: &str) -> String {
        let [artifact, version, more] = [0, 1, 2].map(|part| inner.split(' ').nth(part).unwrap_or_default());
        let version =
            if version.is_empty() { String::new() } else { format!("<version>{version}</version>") };
        format!(
            "<dependency><groupId>g</groupId><artifactId>{artifact}</artifactId>{version}{more}</dependency>"
        )
    }

    #[test]
    fn versions() {
        let managed: String =
            ["m 1.0", "n ${x}", "o 3.0 <type>pom</type>", "p [1,2)"].map(dependency).concat();
        let listed: String = [
            "a 1.0 <scope>test</scope>",
            "b ${x}",
            "c ${project.version}",
            "d ${project.parent.artifactId}",
            "e ${revision}",
            "f [1.0]",
            "g [1.0,2.0)",
            "h LATEST",
            "m",
            "n",
            "o",
            "p",
            "q",
            "m ${none} <classifier>x</classifier>",
            "${pom.artifactId} ${version}",
            "r ${project.r}",
            "${none} 1.0",
        ]
        .map(dependency)
        .concat();
        let text = format!(
            "<project xmlns='http://maven.apache.org/POM/4.0.0'><parent><groupId>g</groupId><artifactId>par</artifactId><version>7</version></parent>
            <artifactId>own</artifactId><properties><x>2.${{y}}</x><y>5</y><project.r>6</project.r><project.version>8</project.version></properties>
            <dependencyManagement><dependencies>{managed}</dependencies></dependencyManagement>
            <dependencies>{listed}</dependencies><profiles><profile><dependencies/></profile></profiles></project>"
        );
        assert_eq!(names(&text), "g:a@1.0 g:b@2.5 g:c@7 g:d@par g:f@1.0 g:m@1.0 g:n@2.5 g:own@7 g:r@6");
        // `e` to `${none}`: nothing is left out without a word.
        let unpinned = unpinned(text.as_bytes()).unwrap();
        assert_eq!((unpinned.count, unpinned.first.join(" ")), (8, "g:e g:g g:h".to_owned()));
    }

    #[test]
    fn malformed() {
        for (text, line) in [
            ("<project>\n<dependencies><dependency/></dependencies></project>", 2),
            ("<project><dependencies/>\n<dependencies/></project>", 2),
            ("<a/>", 1),
            ("<project>", 1),
        ] {
            assert!(
                matches!(read(text.as_bytes()), Err(Error::Line { line: at, .. }) if at == line),
                "{text}"
            );
        }
    }
}
