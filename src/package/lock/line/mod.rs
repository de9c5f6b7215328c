//! The lines of a lock file that name its packages.
//!
//! The readers of JSON, TOML and YAML keep no lines. So a lock file is gone through once more, line by line, as its own tool
//! writes it: each form says here what the beginning of an entry looks like. What else names a package does not look so: a
//! comment, another package's list of dependencies.

#[cfg(test)]
mod tests;

use std::collections::HashMap;

use super::{
    super::{Ecosystem, Package, file_name, normal_python_name},
    bundler, conda, go, gradle, nuget, pnpm, pom, requirements, swift, yarn,
};

/// Where a lock file names its packages.
#[derive(Debug)]
pub struct Lines {
    /// By name and version.
    lines: HashMap<(String, String), usize>,
    normal: fn(&str) -> String,
}

/// What a piece of a line says.
enum Says {
    /// The entry of a package of this name begins.
    Name(String),
    /// The version of the entry that began last.
    Version(String),
    /// Name and version at once.
    Both(String, String),
}

/// How the lines of a form are read.
struct Form {
    says: fn(piece: &str) -> Option<Says>,
    /// What ends a piece, beside the line's end.
    ends: &'static [char],
    /// The key at the left margin under which the packages are; empty where they may be anywhere.
    under: &'static str,
    /// The name as the file's packages have it.
    normal: fn(&str) -> String,
}

impl Lines {
    /// Goes through a lock file, known by its name; one of no known form, or a damaged one, has no lines.
    pub fn of(path: &str, text: &str) -> Self {
        let text = text.trim_start_matches('\u{feff}');
        let mut found = Self { lines: HashMap::new(), normal: str::to_owned };
        let mut add = |line, package: Package| {
            found.add(line, package.name, package.version);
            Ok(())
        };
        let name = file_name(path);
        // What is there is kept where the rest is damaged.
        let _ = match name {
            "pom.xml" => pom::each(text.as_bytes(), |line, name, version| {
                version.map_or(Ok(()), |version| add(line, Package::new(Ecosystem::Maven, name, version)))
            }),
            _ if name.ends_with(".config") => nuget::each_of_config(text.as_bytes(), add),
            _ if nuget::is_props(name) => nuget::each_of_props(text.as_bytes(), add),
            _ => {
                found.read(&form(name), text);
                Ok(())
            }
        };
        found
    }

    fn read(&mut self, form: &Form, text: &str) {
        self.normal = form.normal;
        let mut is_inside = form.under.is_empty();
        let mut began = None;
        for (line, number) in text.lines().zip(1..) {
            if !form.under.is_empty() && line.starts_with(char::is_alphabetic) {
                is_inside = line.starts_with(form.under);
            }
            for piece in line.split_inclusive(form.ends).filter(|_| is_inside) {
                match (form.says)(piece) {
                    Some(Says::Name(name)) => began = Some((number, name)),
                    Some(Says::Version(version)) => {
                        if let Some((number, name)) = began.take() {
                            self.add(number, name, version);
                        }
                    }
                    Some(Says::Both(name, version)) => self.add(number, name, version),
                    None => {}
                }
            }
        }
    }

    /// The first entry of a package is the one.
    fn add(&mut self, line: usize, name: String, version: String) {
        self.lines.entry(((self.normal)(&name), version)).or_insert(line);
    }

    /// The line, from 1, at which the entry of a package begins; `None` where it is written in another way.
    pub fn line(&self, package: &Package) -> Option<usize> {
        self.lines.get(&((self.normal)(&package.name), package.version.clone())).copied()
    }
}

/// The form of a file of this name.
fn form(name: &str) -> Form {
    const JSON: &[char] = &['{', '[', ','];
    let line = |says| Form { says, ends: &[], under: "", normal: str::to_owned };
    let pieces = |says| Form { ends: JSON, ..line(says) };
    let python = |form| Form { normal: normal_python_name, ..form };
    match name {
        "Gemfile.lock" | "gems.locked" => line(gemfile),
        "Package.resolved" => pieces(pins),
        "Pipfile.lock" => python(pieces(json)),
        "Podfile.lock" => line(podfile),
        "build.sbt.lock" => Form { normal: artifact, ..pieces(json) },
        "bun.lock" => line(bun),
        "composer.lock" => Form { normal: str::to_lowercase, ..pieces(json) },
        "conan.lock" => pieces(conan),
        "deno.lock" => pieces(deno),
        "environment.yaml" | "environment.yml" => python(line(environment)),
        "go.mod" => line(go_mod),
        "go.sum" => line(|line| both(go::read_sum(line.as_bytes()).ok()?.pop()?)),
        "mix.lock" => line(mix),
        "pdm.lock" | "poetry.lock" | "uv.lock" => python(line(toml)),
        "pnpm-lock.yaml" => Form { under: "packages:", ..line(pnpm_lock) },
        "pubspec.lock" => line(pubspec),
        "yarn.lock" => line(yarn_lock),
        _ if name.ends_with(".txt") => {
            python(line(|line| both(requirements::pin(line.trim_end_matches('\\'))?)))
        }
        _ if name.ends_with(".lockfile") => line(|line| both(gradle::read(line.as_bytes()).ok()?.pop()?)),
        _ if name.starts_with("pylock.") => python(line(toml)),
        _ if name.ends_with(".toml") || name == "Cargo.lock" => line(toml),
        _ => pieces(json),
    }
}

fn both(package: Package) -> Option<Says> {
    Some(Says::Both(package.name, package.version))
}

/// The artifact of `GROUP:ARTIFACT`: sbt's file has the group on a line of its own.
fn artifact(name: &str) -> String {
    name.rsplit(':').next().unwrap_or(name).to_owned()
}

/// What is between the quotes that a text begins with.
fn quoted(text: &str) -> Option<&str> {
    let text = text.trim_start();
    let quote = text.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    text[1..].split(quote).next()
}

/// `[[package]]`, then `name = "NAME"` and `version = "VERSION"`; Julia's is `[[deps.NAME]]`.
fn toml(line: &str) -> Option<Says> {
    if let Some(table) = line.strip_prefix("[[") {
        return Some(Says::Name(table.split(']').next()?.rsplit('.').next()?.to_owned()));
    }
    match line.split_once('=')? {
        ("name ", value) => Some(Says::Name(quoted(value)?.to_owned())),
        ("version ", value) => Some(Says::Version(quoted(value)?.to_owned())),
        _ => None,
    }
}

/// Key and value of `"KEY": VALUE`.
fn field(piece: &str) -> Option<(&str, &str)> {
    let (key, value) = piece.trim().strip_prefix('"')?.split_once('"')?;
    Some((key, value.trim_start().strip_prefix(':')?.trim()))
}

/// `"NAME": {`, where npm's name is the end of a path, or `"name": "NAME"`; then `"version": "VERSION"`, which NuGet calls
/// `resolved`, and before which Pipenv writes `==`.
fn json(piece: &str) -> Option<Says> {
    match field(piece)? {
        (key, "{") => Some(Says::Name(key.rsplit("node_modules/").next()?.to_owned())),
        ("name", value) => Some(Says::Name(quoted(value)?.to_owned())),
        ("version" | "Version" | "resolved", value) => {
            Some(Says::Version(quoted(value)?.trim_start_matches('=').to_owned()))
        }
        _ => None,
    }
}

/// `"location": "ADDRESS"`, which was `repositoryURL`, then `"version": "VERSION"`, which may be a branch.
fn pins(piece: &str) -> Option<Says> {
    match field(piece)? {
        ("location" | "repositoryURL", value) => Some(Says::Name(swift::name(quoted(value)?))),
        ("version" | "branch", value) => Some(Says::Version(quoted(value)?.to_owned())),
        _ => None,
    }
}

/// `"NAME@VERSION": {`, with `_` and its peers behind.
fn deno(piece: &str) -> Option<Says> {
    let (key, "{") = field(piece)? else { return None };
    let (name, version) = yarn::split(key);
    Some(Says::Both(name.to_owned(), version.split('_').next()?.to_owned()))
}

/// `"PATH": ["NAME@VERSION", ...]`.
fn bun(line: &str) -> Option<Says> {
    let (_, list) = field(line)?;
    let (name, version) = yarn::split(quoted(list.strip_prefix('[')?)?);
    Some(Says::Both(name.to_owned(), version.to_owned()))
}

/// `"NAME/VERSION#REVISION"`, by itself or behind a key.
fn conan(piece: &str) -> Option<Says> {
    let reference = piece.rsplit('"').nth(1)?.split(['@', '#', '%', ':']).next()?;
    let (name, version) = reference.split_once('/')?;
    Some(Says::Both(name.to_owned(), version.to_owned()))
}

/// `NAME (VERSION)` four deep; what it needs is six deep.
fn gemfile(line: &str) -> Option<Says> {
    let gem = line.strip_prefix("    ").filter(|line| !line.starts_with(' '))?;
    both(bundler::gem(gem.trim_end())?)
}

/// `- NAME (VERSION)` two deep; what it needs is four deep.
fn podfile(line: &str) -> Option<Says> {
    let pod = line.strip_prefix("  - ")?.trim_end().trim_end_matches(':').trim_matches('"');
    let (name, version) = pod.strip_suffix(')')?.split_once(" (")?;
    Some(Says::Both(name.to_owned(), version.to_owned()))
}

/// `- NAME=VERSION=BUILD`, and in pip's list `- NAME==VERSION`.
fn environment(line: &str) -> Option<Says> {
    let asked = line.trim().strip_prefix("- ")?.trim_matches(['"', '\'']);
    both(requirements::pin(asked).or_else(|| conda::named(asked))?)
}

/// `require NAME VERSION`, in a block without the word, and `replace OTHER => NAME VERSION`; of the standard library, the
/// version of Go.
fn go_mod(line: &str) -> Option<Says> {
    match go::words(go::split_comment(line).0).ok()?[..] {
        ["go" | "toolchain", _] => both(go::read_mod(line.as_bytes()).ok()?.pop()?),
        [.., name, version] => Some(Says::Both(name.to_owned(), version.to_owned())),
        _ => None,
    }
}

/// `"APP": {:hex, :NAME, "VERSION", ...`.
fn mix(line: &str) -> Option<Says> {
    let line = line.trim_start();
    let (name, rest) = line.split_once("{:hex, :").filter(|_| !line.starts_with('#'))?.1.split_once(',')?;
    Some(Says::Both(name.trim_matches('"').to_owned(), quoted(rest)?.to_owned()))
}

/// `NAME@VERSION:` two deep.
fn pnpm_lock(line: &str) -> Option<Says> {
    let key = line.strip_prefix("  ").filter(|line| !line.starts_with(' '))?.trim_end();
    let key = key.strip_suffix(" {}").unwrap_or(key).strip_suffix(':')?.trim_matches(['"', '\'']);
    let (name, version) = pnpm::of_any_version(key)?;
    Some(Says::Both(name.to_owned(), version.to_owned()))
}

/// `NAME:` two deep, then `version: "VERSION"` four deep.
fn pubspec(line: &str) -> Option<Says> {
    if let Some(version) = line.strip_prefix("    version: ") {
        return Some(Says::Version(version.trim_matches(['"', '\'']).to_owned()));
    }
    let name = line.strip_prefix("  ").filter(|line| !line.starts_with(' '))?;
    Some(Says::Name(name.strip_suffix(':')?.to_owned()))
}

/// `NAME@RANGE, NAME@RANGE:`, then `version "VERSION"` two deep, or `version: VERSION`. Where that is an alias, Yarn 2 and later
/// write `resolution: "NAME@npm:VERSION"`.
fn yarn_lock(line: &str) -> Option<Says> {
    if !line.starts_with([' ', '#']) {
        return Some(Says::Name(yarn::package_name(line.trim_end().strip_suffix(':')?)?));
    }
    let (key, value) = line.strip_prefix("  ")?.split_once(' ')?;
    let value = value.trim().trim_matches('"');
    match key.trim_end_matches(':').trim_matches('"') {
        "version" => Some(Says::Version(value.to_owned())),
        "resolution" => {
            let (name, reference) = yarn::split(value);
            Some(Says::Both(name.to_owned(), reference.strip_prefix("npm:")?.to_owned()))
        }
        _ => None,
    }
}
