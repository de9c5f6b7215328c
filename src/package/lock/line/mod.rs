//! The lines of a lock file that say the versions of its packages: those that an update changes.
//!
//! The readers of JSON, TOML and YAML keep no lines. So a lock file is gone through once more, line by line, as its own tool
//! writes it: each form says here what the beginning of an entry looks like. What else names a package does not look so: a
//! comment, another package's list of dependencies.

#[cfg(test)]
mod tests;

use std::collections::HashMap;

use super::{
    super::{Error, Package, normal_python_name},
    bundler, conda, form, go, gradle, nuget, pnpm, pom, requirements, swift, yarn,
};

/// Where a lock file says the versions of its packages.
#[derive(Debug)]
pub struct Lines {
    /// By name and version.
    lines: HashMap<(String, String), usize>,
    normal: fn(&str) -> String,
}

/// What a piece of a line says.
pub(super) enum Says {
    /// The entry of a package of this name begins.
    Name(String),
    /// The version of the entry that began last.
    Version(String),
    /// Name and version at once.
    Both(String, String),
}

/// How the entries of a form are found.
pub(super) enum Form {
    /// By the pieces of its lines.
    Pieces(Pieces),
    /// By its reader, which keeps the lines.
    Whole(fn(bytes: &[u8], found: &mut Lines) -> Result<(), Error>),
}

/// How the lines of a form are read.
pub(super) struct Pieces {
    says: fn(piece: &str) -> Option<Says>,
    /// What ends a piece, beside the line's end.
    ends: &'static [char],
    /// The key at the left margin under which the packages are; empty where they may be anywhere.
    under: &'static str,
    /// The name as the file's packages have it.
    normal: fn(&str) -> String,
}

impl Form {
    const fn lines(says: fn(&str) -> Option<Says>) -> Self {
        Self::Pieces(Pieces { says, ends: &[], under: "", normal: str::to_owned })
    }

    /// Of JSON, in whose lines there may be several.
    const fn json(says: fn(&str) -> Option<Says>, normal: fn(&str) -> String) -> Self {
        Self::Pieces(Pieces { says, ends: &['{', '[', ','], under: "", normal })
    }

    const fn python(says: fn(&str) -> Option<Says>) -> Self {
        Self::Pieces(Pieces { says, ends: &[], under: "", normal: normal_python_name })
    }
}

pub(super) const BUN: Form = Form::lines(bun);
pub(super) const COMPOSER: Form = Form::json(json, str::to_lowercase);
pub(super) const CONAN: Form = Form::json(conan, str::to_owned);
pub(super) const CONFIG: Form = Form::Whole(|bytes, found| {
    nuget::each_of_config(bytes, |line, package| found.add_package(line, package))
});
pub(super) const DENO: Form = Form::json(deno, str::to_owned);
pub(super) const ENVIRONMENT: Form = Form::python(environment);
pub(super) const GEMFILE: Form = Form::lines(gemfile);
pub(super) const GO_MOD: Form = Form::lines(go_mod);
pub(super) const GO_SUM: Form = Form::lines(|line| both(go::read_sum(line.as_bytes()).ok()?.pop()?));
pub(super) const GRADLE: Form = Form::lines(|line| both(gradle::read(line.as_bytes()).ok()?.pop()?));
pub(super) const JSON: Form = Form::json(json, str::to_owned);
pub(super) const MIX: Form = Form::lines(mix);
/// Of bytes that are no text.
pub(super) const NONE: Form = Form::lines(|_| None);
pub(super) const PINS: Form = Form::json(pins, str::to_owned);
pub(super) const PIPENV: Form = Form::json(json, normal_python_name);
pub(super) const PNPM: Form =
    Form::Pieces(Pieces { says: pnpm_lock, ends: &[], under: "packages:", normal: str::to_owned });
pub(super) const PODFILE: Form = Form::lines(podfile);
pub(super) const POM: Form = Form::Whole(|bytes, found| {
    pom::each(bytes, |name, told| {
        if let Some((line, version)) = told {
            found.add(line, name, version.to_owned());
        }
        Ok(())
    })
});
pub(super) const PROPS: Form =
    Form::Whole(|bytes, found| nuget::each_of_props(bytes, |line, package| found.add_package(line, package)));
pub(super) const PUBSPEC: Form = Form::lines(pubspec);
pub(super) const PYTHON_TOML: Form = Form::python(toml);
pub(super) const REQUIREMENTS: Form =
    Form::python(|line| both(requirements::pin(line.trim_end_matches('\\'))?));
pub(super) const SBT: Form = Form::json(json, artifact);
pub(super) const TOML: Form = Form::lines(toml);
pub(super) const YARN: Form = Form::lines(yarn_lock);

impl Lines {
    /// Goes through a lock file, known by its path; one of no known form, or a damaged one, has no lines.
    pub fn of(path: &str, text: &str) -> Self {
        let text = text.trim_start_matches('\u{feff}');
        let mut found = Self { lines: HashMap::new(), normal: str::to_owned };
        match form(path).map(|(_, form)| form) {
            Some(Form::Pieces(pieces)) => found.read(pieces, text),
            // What is there is kept where the rest is damaged.
            Some(Form::Whole(read)) => _ = read(text.as_bytes(), &mut found),
            None => {}
        }
        found
    }

    fn read(&mut self, form: &Pieces, text: &str) {
        self.normal = form.normal;
        let mut is_inside = form.under.is_empty();
        let mut began = None;
        for (line, number) in text.lines().zip(1..) {
            if !form.under.is_empty() && line.starts_with(char::is_alphabetic) {
                is_inside = line.starts_with(form.under);
            }
            for piece in line.split_inclusive(form.ends).filter(|_| is_inside) {
                match (form.says)(piece) {
                    Some(Says::Name(name)) => began = Some(name),
                    Some(Says::Version(version)) => {
                        if let Some(name) = began.take() {
                            self.add(number, name, version);
                        }
                    }
                    Some(Says::Both(name, version)) => self.add(number, name, version),
                    None => {}
                }
            }
        }
    }

    fn add_package(&mut self, line: usize, package: Package) -> Result<(), Error> {
        self.add(line, package.name, package.version);
        Ok(())
    }

    /// The first entry of a package is the one.
    fn add(&mut self, line: usize, name: String, version: String) {
        self.lines.entry(((self.normal)(&name), version)).or_insert(line);
    }

    /// The line, from 1, at which a package's entry, or the property that it names, says the version; `None` where it is
    /// written in another way.
    pub fn line(&self, package: &Package) -> Option<usize> {
        self.lines.get(&((self.normal)(&package.name), package.version.clone())).copied()
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
