//! Whether the text of a manifest asks for packages.

use std::collections::BTreeMap;

use serde::{Deserialize, de::IgnoredAny};

use super::super::{entries::Entries, text, toml};

/// Whether one of `words` is in the text.
pub(super) fn has(bytes: &[u8], words: &[&str]) -> bool {
    words.iter().any(|word| crate::package::holds(bytes, word.as_bytes()))
}

/// Lines without blanks around them; comments of the kinds that there are, left out.
pub(super) fn lines(bytes: &[u8]) -> impl Iterator<Item = &str> {
    let lines = bytes.split(|byte| *byte == b'\n').filter_map(|line| std::str::from_utf8(line).ok());
    lines.map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#') && !line.starts_with("//"))
}

/// Whether a line begins with one of `words`, as a whole word.
pub(super) fn starts(line: &str, words: &[&str]) -> bool {
    let is = |word: &&str| {
        line.strip_prefix(word)
            .is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_'))
    };
    words.iter().any(is)
}

/// Whether a document asks; one that cannot be read may.
pub(super) fn of_toml<T: serde::de::DeserializeOwned>(bytes: &[u8], asks: impl Fn(&T) -> bool) -> bool {
    toml::read::<T>(bytes).map_or(true, |document| asks(&document))
}

pub(super) type Named<V = IgnoredAny> = BTreeMap<String, V>;

#[derive(Deserialize)]
pub(super) struct Julia {
    #[serde(default)]
    pub(super) deps: Named,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Cargo {
    #[serde(flatten)]
    own: CargoDependencies,
    #[serde(default)]
    workspace: CargoDependencies,
    #[serde(default)]
    target: Named<CargoDependencies>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "kebab-case")]
struct CargoDependencies {
    #[serde(default)]
    dependencies: Named<CargoDependency>,
    #[serde(default)]
    dev_dependencies: Named<CargoDependency>,
    #[serde(default)]
    build_dependencies: Named<CargoDependency>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum CargoDependency {
    Table { path: Option<IgnoredAny> },
    Version(IgnoredAny),
}

pub(super) fn cargo_asks(bytes: &[u8]) -> bool {
    let of = |all: &CargoDependencies| {
        let all = [&all.dependencies, &all.dev_dependencies, &all.build_dependencies].into_iter();
        // What lies in the same project needs nothing said of it.
        all.flat_map(BTreeMap::values).any(|one| !matches!(one, CargoDependency::Table { path: Some(_) }))
    };
    of_toml(bytes, |cargo: &Cargo| of(&cargo.own) || of(&cargo.workspace) || cargo.target.values().any(of))
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Python {
    project: Option<PythonProject>,
    #[serde(default)]
    dependency_groups: Named<Vec<IgnoredAny>>,
    tool: Option<PythonTools>,
    /// Of a `Pipfile`.
    #[serde(default)]
    packages: Named,
    #[serde(default)]
    dev_packages: Named,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct PythonProject {
    /// What the tool that builds it finds out elsewhere.
    #[serde(default)]
    dynamic: Vec<String>,
    #[serde(default)]
    dependencies: Vec<IgnoredAny>,
    #[serde(default)]
    optional_dependencies: Named<Vec<IgnoredAny>>,
}

#[derive(Deserialize)]
struct PythonTools {
    poetry: Option<Poetry>,
    pdm: Option<DevelopmentOnly>,
    uv: Option<DevelopmentOnly>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct DevelopmentOnly {
    dev_dependencies: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Poetry {
    #[serde(default)]
    dependencies: Named,
    #[serde(default)]
    dev_dependencies: Named,
    #[serde(default)]
    group: Named<PoetryGroup>,
}

#[derive(Deserialize)]
struct PoetryGroup {
    #[serde(default)]
    dependencies: Named,
}

/// Whether a `setup.py` or a `setup.cfg` requires something: a value of `install_requires` that is no empty list.
pub(super) fn setup_asks(bytes: &[u8]) -> bool {
    let Ok(text) = text::decode_ascii(bytes) else { return true };
    let mut end = 0;
    text.split_inclusive('\n').any(|line| {
        end += line.len();
        let Some(at) = line.find(REQUIRES).filter(|_| !line.trim_start().starts_with('#')) else {
            return false;
        };
        // A key of a table may stand in quotes, and in brackets.
        let rest = line[at + REQUIRES.len()..].trim_start_matches(['"', '\'', ']', ' ', '\t', '+']);
        let Some(value) = rest.strip_prefix(['=', ':']) else { return false };
        let below = || text[end..].lines().find(|line| is_of_file(line));
        match value.trim() {
            // In `setup.cfg` the lines of a value are indented.
            "" => below().is_some_and(|line| line.starts_with(char::is_whitespace)),
            list if list.starts_with(['[', '(']) => {
                let first = Some(list[1..].trim_start()).filter(|first| is_of_file(first));
                first.or_else(below).is_some_and(|first| !first.trim_start().starts_with([']', ')']))
            }
            _ => true,
        }
    })
}

const REQUIRES: &str = "install_requires";

/// Whether a line is neither blank nor a comment.
fn is_of_file(line: &str) -> bool {
    !line.trim_start().is_empty() && !line.trim_start().starts_with('#')
}

/// Whether a `pyproject.toml` or a `Pipfile` asks.
pub(super) fn python_asks(bytes: &[u8]) -> bool {
    let some = |groups: &Named<Vec<IgnoredAny>>| groups.values().any(|group| !group.is_empty());
    let Ok(python) = toml::read::<Python>(bytes) else { return has(bytes, &["dependencies", "packages"]) };
    let of_project = python.project.is_some_and(|project| {
        !project.dependencies.is_empty()
            || some(&project.optional_dependencies)
            || project.dynamic.iter().any(|field| field == "dependencies")
    });
    let of_tools = python.tool.is_some_and(|tools| {
        let development = [tools.pdm, tools.uv].into_iter().flatten();
        let of_poetry = tools.poetry.is_some_and(|poetry| {
            // The version of Python itself stands among them.
            poetry.dependencies.keys().any(|name| name != "python")
                || !poetry.dev_dependencies.is_empty()
                || poetry.group.values().any(|group| !group.dependencies.is_empty())
        });
        of_poetry || development.filter(|tool| tool.dev_dependencies.is_some()).count() > 0
    });
    let of_pipenv = !python.packages.is_empty() || !python.dev_packages.is_empty();
    of_project || of_tools || of_pipenv || some(&python.dependency_groups)
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Composer {
    #[serde(default)]
    require: Entries<IgnoredAny>,
    #[serde(default)]
    require_dev: Entries<IgnoredAny>,
}

/// Packages have a vendor; PHP itself and its extensions stand among them without one.
pub(super) fn composer_asks(bytes: &[u8]) -> bool {
    text::json::<Composer>(bytes).map_or(true, |composer| {
        composer.require.0.keys().chain(composer.require_dev.0.keys()).any(|name| name.contains('/'))
    })
}

/// Whether a line of a `mix.exs` is a dependency, or the list that has some.
pub(super) fn mix_asks(line: &str) -> bool {
    line.trim_start_matches('[').starts_with("{:") || (line.contains("deps") && line.contains("{:"))
}

/// Coordinates in quotes, or names from a catalogue, behind the word for dependencies.
pub(super) fn gradle_asks(bytes: &[u8]) -> bool {
    let coordinates = |line: &str| {
        let mut quoted = line.split(['"', '\'']).skip(1).step_by(2);
        quoted.any(|text| text.contains(':') && !text.starts_with(':') && !text.contains("://"))
    };
    let mut lines = lines(bytes).skip_while(|line| !line.contains("dependencies"));
    lines.any(|line| line.contains("libs.") || line.contains("group:") || coordinates(line))
}

/// An indented line below one of the lists of dependencies.
pub(super) fn pub_asks(bytes: &[u8]) -> bool {
    let mut inside = false;
    bytes.split(|byte| *byte == b'\n').any(|line| match line.trim_ascii() {
        [] | [b'#', ..] => false,
        _ if line.first().is_some_and(u8::is_ascii_whitespace) => inside,
        heading => {
            inside = matches!(heading, b"dependencies:" | b"dev_dependencies:");
            false
        }
    })
}
