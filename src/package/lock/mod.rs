//! Lock files and manifests: what a project asks for. In an image they are reported and not counted, since nothing says
//! that what they name was installed.
//!
//! They are told by their names alone, as their own tools tell them. A reader takes the whole file and gives the packages
//! that the project is made of and made with:
//! - those for development too, and those for some platforms only. Left out are what Conan needs to build, and what pnpm
//!   before version 9, NuGet's `packages.config` and sbt mark as for development;
//! - not the project itself, but the members of its workspace where the file gives them names as packages of their own
//!   (npm and Bun do; Yarn and pnpm do not);
//! - by their own names, whatever the project calls them;
//! - with no version where the file says none, as of what is from a repository.
//!
//! What a file asks for and gives no version is spoken of: a manifest without a lock file, a requirement without a pin, a
//! dependency of Maven's that only its parent knows more of.
//!
//! A version of a form that is not known is an error: what it would say is not guessed. Adding a form is a new file here
//! and a line in [`FORMS`].

use self::line::Form;
pub use self::{line::Lines, manifest::Locks};
use super::{Error, Fact, Package, Unpinned, count, count::Packages, entries, file_name};

mod bun;
mod bundler;
mod cargo;
mod cocoapods;
mod composer;
mod conan;
mod conda;
mod deno;
mod go;
mod gradle;
mod json;
mod julia;
mod line;
mod manifest;
mod mix;
mod npm;
mod nuget;
mod pipenv;
mod pnpm;
mod pom;
mod properties;
mod pub_dev;
mod python;
mod renv;
mod requirements;
mod sbt;
mod swift;
mod text;
mod toml;
mod xml;
mod yaml;
mod yarn;

/// `lock file size`: bytes of one file. The lock file of a large monorepo has some 10 MiB.
const MAX_BYTES: usize = 32 << 20;

/// Tells from a path with the right ending whether the file is of a form.
type Named = fn(path: &str) -> bool;

/// Reads one lock file.
type Read = fn(bytes: &[u8]) -> Result<Vec<Package>, Error>;

/// Every form, by file name: what reads it, and how its lines name packages.
const FORMS: &[(&str, Read, Form)] = &[
    ("Cargo.lock", cargo::read, line::TOML),
    ("Gemfile.lock", bundler::read, line::GEMFILE),
    ("JuliaManifest.toml", julia::read, line::TOML),
    ("Manifest.toml", julia::read, line::TOML),
    ("Package.resolved", swift::read, line::PINS),
    ("Pipfile.lock", pipenv::read, line::PIPENV),
    ("Podfile.lock", cocoapods::read, line::PODFILE),
    ("build.sbt.lock", sbt::read, line::SBT),
    ("bun.lock", bun::read, line::BUN),
    ("bun.lockb", bun::read_binary, line::NONE),
    ("composer.lock", composer::read, line::COMPOSER),
    ("conan.lock", conan::read, line::CONAN),
    ("deno.lock", deno::read, line::DENO),
    ("environment.yaml", conda::read, line::ENVIRONMENT),
    ("environment.yml", conda::read, line::ENVIRONMENT),
    ("gems.locked", bundler::read, line::GEMFILE),
    ("go.mod", go::read_mod, line::GO_MOD),
    ("go.sum", go::read_sum, line::GO_SUM),
    ("mix.lock", mix::read, line::MIX),
    ("npm-shrinkwrap.json", npm::read, line::JSON),
    ("package-lock.json", npm::read, line::JSON),
    ("packages.config", nuget::read_config, line::CONFIG),
    ("packages.lock.json", nuget::read_lock, line::JSON),
    ("pdm.lock", python::read, line::PYTHON_TOML),
    ("pnpm-lock.yaml", pnpm::read, line::PNPM),
    ("poetry.lock", python::read, line::PYTHON_TOML),
    ("pom.xml", pom::read, line::POM),
    ("pubspec.lock", pub_dev::read, line::PUBSPEC),
    ("pylock.toml", python::read, line::PYTHON_TOML),
    ("pyproject.toml", python::read_project, line::PYTHON_TOML),
    ("renv.lock", renv::read, line::JSON),
    ("uv.lock", python::read_uv, line::PYTHON_TOML),
    ("yarn.lock", yarn::read, line::YARN),
];

/// Forms of which a part of the name tells: its ending, which nearly no other file of an image has, and then the rest.
const ENDINGS: &[(&str, Named, Read, Form)] = &[
    (".txt", requirements::is_named, requirements::read, line::REQUIREMENTS),
    (".lockfile", gradle::is_named, gradle::read, line::GRADLE),
    (".lock.json", nuget::is_of_project, nuget::read_lock, line::JSON),
    (".config", nuget::is_of_project, nuget::read_config, line::CONFIG),
    (".props", nuget::is_props, nuget::read_props, line::PROPS),
    (".toml", python::is_pylock, python::read, line::PYTHON_TOML),
    (".toml", julia::is_named, julia::read, line::TOML),
];

/// The reader for a file of this name, and how its lines name packages.
fn form(path: &str) -> Option<(Read, &'static Form)> {
    let name = file_name(path);
    let whole = FORMS.iter().find(|(known, ..)| *known == name).map(|(_, read, form)| (*read, form));
    let by_ending = || ENDINGS.iter().find(|(ending, named, ..)| name.ends_with(ending) && named(path));
    whole.or_else(|| by_ending().map(|(_, _, read, form)| (*read, form)))
}

/// Whether a file is a lock file, or a manifest, by its name.
pub fn is_lock_file(path: &str) -> bool {
    form(path).is_some() || manifest::is_named(file_name(path))
}

/// The packages of a lock file; none where it is no form that is known.
pub fn locked(path: &str, bytes: &[u8]) -> Result<Vec<Package>, Error> {
    match read(path, bytes)? {
        Some(Fact::Locked { packages, .. }) => Ok(packages),
        _ => Ok(Vec::new()),
    }
}

pub(super) fn recognise(path: &str, _head: &[u8]) -> bool {
    is_lock_file(path)
}

/// Reads all packages.
pub(super) fn read(path: &str, bytes: &[u8]) -> Result<Option<Fact>, Error> {
    if bytes.len() > MAX_BYTES {
        return Err(Error::Limit { name: "lock file size", limit: MAX_BYTES as u64 });
    }
    let read = form(path);
    let mut packages = read.map_or(Ok(Vec::new()), |(read, _)| read(bytes))?;
    count::check(&packages)?;
    packages.sort_unstable();
    packages.dedup();
    let name = file_name(path);
    let is_partial = manifest::asks(name, bytes);
    let unpinned = match name {
        "environment.yaml" | "environment.yml" => conda::unpinned(path, bytes)?,
        "pom.xml" => pom::unpinned(bytes)?,
        _ if name.ends_with(".txt") && requirements::is_named(path) => requirements::unpinned(path, bytes)?,
        _ => Unpinned::default(),
    };
    Ok((read.is_some() || is_partial).then_some(Fact::Locked { packages, is_partial, unpinned }))
}

/// `NAME@VERSION` of each package, in order, for tests.
#[cfg(test)]
fn names(packages: Result<Vec<Package>, Error>) -> Vec<String> {
    packages.unwrap().into_iter().map(|package| package.name + "@" + &package.version).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Good files, by name.
    const SAMPLES: &[(&str, &[&str])] = &[
        ("Package.resolved", &swift::SAMPLES),
        ("Podfile.lock", &[cocoapods::SAMPLE]),
        ("bun.lock", &[bun::SAMPLE]),
        ("composer.lock", &[composer::SAMPLE]),
        ("conan.lock", &conan::SAMPLES),
        ("deno.lock", &deno::SAMPLES),
        ("mix.lock", &[mix::SAMPLE]),
        ("package-lock.json", &[npm::SAMPLE]),
        ("pnpm-lock.yaml", &pnpm::SAMPLES),
        ("pubspec.lock", &[pub_dev::SAMPLE]),
        ("renv.lock", &[renv::SAMPLE]),
        ("yarn.lock", &yarn::SAMPLES),
    ];

    /// One good file of each form.
    const GOOD: &[(&str, &str)] = &[
        ("a/requirements-dev.txt", "a[b,c]==1.0 ; x \\\n --hash=sha256:0\n# d\ne===2 # f\n-r g\n"),
        ("Pipfile.lock", r#"{"_meta": {"a": 1}, "default": {"b": {"version": "==1.0"}, "c": {"path": "."}}}"#),
        ("poetry.lock", "[[package]]\nname = \"a\"\nversion = '1'\nfiles = [{ file = \"b\" }]\n[package.extras]\nc = ['''d''']\n"),
        ("uv.lock", "[[package]]\nname = \"a\"\nversion = \"1\"\nsource = { editable = \".\" }\n[manifest]\nmembers = ['a']\n"),
        ("pylock.toml", "[[packages]]\nname = \"a\"\nversion = \"1\"\n"),
        ("environment.yml", "dependencies:\n  - c::a=1=b\n  - &x d==2\n  - *x\n  - pip:\n    - e==3\n    - \"f\"\n"),
        ("Cargo.lock", "version = 4\n[[package]]\nname = \"a\"\nversion = \"1\"\n[root]\nname = \"b\"\nversion = \"2\"\n"),
        ("go.mod", "go 1.21rc1\ntoolchain go1.22.1-x\nrequire (\n a v1 // indirect\n `b` v2\n)\nreplace a v1 => \"../c\"\n"),
        ("go.sum", "a v1.0.0 h1:b=\na v1.1.0/go.mod h1:c=\n\n"),
        ("Gemfile.lock", "GEM\n  remote: a\n  specs:\n    b (1-x86)\n      c (>= 1)\n\nDEPENDENCIES\n  b!\n"),
        ("gradle.lockfile", "# a\nb:c:1=d,e\nempty=\n"),
        ("build.sbt.lock", r#"{"dependencies": [{"org": "a", "name": "b", "version": "1", "configurations": ["test", "c"]}]}"#),
        ("packages.lock.json", r#"{"version": 1, "dependencies": {"net6.0": {"a": {"resolved": "1"}, "b": {}}}}"#),
        ("packages.config", "<?xml version='1.0'?>\n<packages><package id=\"a\" version='1'/><!-- b --></packages>"),
        (
            "Directory.Packages.props",
            "<Project><PropertyGroup><a>1</a></PropertyGroup><ItemGroup>\n<PackageVersion Include='b' Version='[$(a)]'/>\n</ItemGroup></Project>",
        ),
        (
            "pom.xml",
            "<project><version>1</version><properties><a>${b}</a><b>2&#46;&lt;</b></properties><dependencies><dependency>
            <groupId>c</groupId><artifactId><![CDATA[d]]></artifactId><version>${version}</version></dependency></dependencies></project>",
        ),
        ("Manifest.toml", "manifest_format = \"2.0\"\n[[deps.A]]\nuuid = \"1\"\nversion = \"1\"\n[deps.A.deps]\nA = \"1\"\n"),
    ];

    /// Pieces that mean something in one form or another.
    const PIECES: &[&str] = &[
        "\n",
        " ",
        "\"",
        "'",
        "'''",
        "\\",
        "[",
        "[[",
        "]",
        "{",
        "}",
        "(",
        ")",
        "<",
        "</",
        ">",
        "<!--",
        "<![CDATA[",
        "&",
        "${",
        "$(",
        "=",
        "==",
        "=>",
        "//",
        ":",
        "- ",
        "*x",
        "&x",
        ",",
        "#",
        "@",
        "\u{feff}",
        "\u{e9}",
        "\0",
        "1e999",
        "null",
        "-1",
        "<<: *x",
    ];

    /// Every good file.
    fn samples() -> impl Iterator<Item = (&'static str, &'static str)> {
        let many = SAMPLES.iter().flat_map(|(path, texts)| texts.iter().map(move |text| (*path, *text)));
        many.chain(GOOD.iter().copied())
    }

    /// A reader may err, and what it gives is sorted; that it returns at all is the test.
    fn holds(path: &str, bytes: &[u8]) {
        if let Ok(fact) = read(path, bytes) {
            let Some(Fact::Locked { packages, .. }) = fact else { panic!("{path} is not known") };
            assert!(packages.is_sorted());
        }
    }

    #[test]
    fn told_by_name_in_any_directory() {
        for path in [
            "yarn.lock",
            "a/b/yarn.lock",
            "go.mod",
            "packages.a.lock.json",
            "b/packages.a.config",
            "pylock.dev.toml",
            "Manifest-v1.11.toml",
        ] {
            assert!(recognise(path, b""), "{path}");
        }
        for path in ["a/my-yarn.lock", "node_modules/.package-lock.json", "a/go.mod.txt", "a/go.mod/b"] {
            assert!(!recognise(path, b""), "{path}");
        }
    }

    #[test]
    fn good_files_have_packages() {
        for (path, text) in samples() {
            let fact = read(path, text.as_bytes()).unwrap();
            assert!(matches!(fact, Some(Fact::Locked { packages, .. }) if !packages.is_empty()), "{path}");
        }
    }

    #[test]
    fn sizes_are_bounded() {
        for (text, name) in [
            (" ".repeat(MAX_BYTES + 1), "lock file size"),
            ("\n".repeat(text::MAX_PARTS + 1), "lock file parts"),
        ] {
            assert!(
                matches!(read("go.sum", text.as_bytes()), Err(Error::Limit { name: of, .. }) if of == name)
            );
        }
        let long = " ".repeat((16 << 20) + 1);
        for (path, name) in
            [("uv.lock", "TOML size"), ("pubspec.lock", "YAML size"), ("environment.yml", "YAML size")]
        {
            let read = read(path, long.as_bytes());
            assert!(matches!(read, Err(Error::Limit { name: of, .. }) if of == name), "{path}");
        }
        // In whatever encoding.
        let pins = ["a==1\n".repeat(text::MAX_PARTS + 1).as_bytes(), b"\xff"].concat();
        assert!(matches!(read("requirements.txt", &pins), Err(Error::Limit { name: "lock file parts", .. })));
        let deep = format!(r#"{{"packages": {{"": {{"resolved": [{}0]}}}}}}"#, "[],".repeat(1000));
        assert!(read("package-lock.json", deep.as_bytes()).is_ok());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn arbitrary_bytes(bytes in prop::collection::vec(any::<u8>(), 0..256), text in "\\PC{0,100}") {
            for (path, _) in samples() {
                holds(path, &bytes);
                holds(path, text.as_bytes());
            }
        }

        #[test]
        fn damaged_files(edits in prop::collection::vec((any::<u16>(), 0..6_usize, 0..PIECES.len(), 0..3_usize), 1..6)) {
            for (path, text) in samples() {
                let mut bytes = text.as_bytes().to_vec();
                for (at, removed, piece, times) in &edits {
                    let start = usize::from(*at) % (bytes.len() + 1);
                    let end = (start + removed).min(bytes.len());
                    bytes.splice(start..end, PIECES[*piece].repeat(*times).into_bytes());
                }
                holds(path, &bytes);
            }
        }
    }
}
