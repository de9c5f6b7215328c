//! Lock files and manifests: what a project asks for. In an image they are reported and not counted, since nothing says
//! that what they name was installed.
//!
//! They are told by their names alone, as their own tools tell them. A reader takes the whole file and gives every package
//! of the project, as a rule those for development included; adding one is a new file here and a line in [`FORMS`].

use super::{Error, Fact, Package};

mod bundler;
mod cargo;
mod conda;
mod go;
mod gradle;
mod julia;
mod nuget;
mod pipenv;
mod pom;
mod properties;
mod python;
mod requirements;
mod sbt;
mod text;
mod toml;
mod xml;

/// `lock file size`: bytes of one file.
const MAX_BYTES: usize = 16 << 20;
/// `lock file parts`: line ends, commas and opening braces of one file, which bound what is read from it.
const MAX_PARTS: usize = 500_000;

/// Tells from a path with the right ending whether the file is of a form.
type Named = fn(path: &str) -> bool;

/// Reads one lock file.
type Read = fn(bytes: &[u8]) -> Result<Vec<Package>, Error>;

/// Every form, by file name.
const FORMS: &[(&str, Read)] = &[
    ("Pipfile.lock", pipenv::read),
    ("poetry.lock", python::read),
    ("pdm.lock", python::read),
    ("pylock.toml", python::read),
    ("uv.lock", python::read_uv),
    ("pyproject.toml", python::read_project),
    ("environment.yml", conda::read),
    ("environment.yaml", conda::read),
    ("Cargo.lock", cargo::read),
    ("go.mod", go::read_mod),
    ("go.sum", go::read_sum),
    ("Gemfile.lock", bundler::read),
    ("gems.locked", bundler::read),
    ("pom.xml", pom::read),
    ("build.sbt.lock", sbt::read),
    ("packages.lock.json", nuget::read_lock),
    ("packages.config", nuget::read_config),
    ("Manifest.toml", julia::read),
    ("JuliaManifest.toml", julia::read),
];

/// Forms of which a part of the name tells: its ending, which nearly no other file of an image has, and then the rest.
const ENDINGS: &[(&str, Named, Read)] = &[
    (".txt", requirements::is_named, requirements::read),
    (".lockfile", gradle::is_named, gradle::read),
    (".lock.json", nuget::is_of_project, nuget::read_lock),
    (".config", nuget::is_of_project, nuget::read_config),
    (".props", nuget::is_props, nuget::read_props),
    (".toml", python::is_pylock, python::read),
    (".toml", julia::is_named, julia::read),
];

/// The reader for a file of this name.
fn form(path: &str) -> Option<Read> {
    let name = path.rsplit('/').next().unwrap_or_default();
    let whole = FORMS.iter().find(|(known, _)| *known == name).map(|(_, read)| *read);
    let by_ending = || ENDINGS.iter().find(|(ending, named, _)| name.ends_with(ending) && named(path));
    whole.or_else(|| by_ending().map(|(_, _, read)| *read))
}

/// Whether a file is a lock file by its name.
pub fn is_lock_file(path: &str) -> bool {
    form(path).is_some()
}

pub(super) fn recognise(path: &str, _head: &[u8]) -> bool {
    is_lock_file(path)
}

/// Reads all packages.
pub(super) fn read(path: &str, bytes: &[u8]) -> Result<Option<Fact>, Error> {
    let Some(read) = form(path) else { return Ok(None) };
    let parts = bytes.iter().filter(|byte| b"\n,{".contains(byte)).count();
    for (name, value, limit) in
        [("lock file size", bytes.len(), MAX_BYTES), ("lock file parts", parts, MAX_PARTS)]
    {
        if value > limit {
            return Err(Error::Limit { name, limit: limit as u64 });
        }
    }
    let mut packages = read(bytes)?;
    packages.sort();
    packages.dedup();
    Ok(Some(Fact::Locked { packages }))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

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

    #[test]
    fn good_files_have_packages() {
        for (path, text) in GOOD {
            let fact = read(path, text.as_bytes()).unwrap();
            assert!(matches!(fact, Some(Fact::Locked { packages }) if !packages.is_empty()), "{path}");
        }
        assert!(!recognise("a/go.mod.txt", b"") && !recognise("a/go.mod/b", b"") && recognise("go.mod", b""));
        for path in ["packages.a.lock.json", "b/packages.a.config", "pylock.dev.toml", "Manifest-v1.11.toml"]
        {
            assert!(recognise(path, b""), "{path}");
        }
    }

    #[test]
    fn sizes_are_bounded() {
        for (text, name) in
            [(" ".repeat(MAX_BYTES + 1), "lock file size"), ("\n".repeat(MAX_PARTS + 1), "lock file parts")]
        {
            assert!(
                matches!(read("go.sum", text.as_bytes()), Err(Error::Limit { name: of, .. }) if of == name)
            );
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..256)) {
            for (path, _) in GOOD {
                let _ = read(path, &bytes);
            }
        }

        #[test]
        fn no_damage_panics(edits in proptest::collection::vec((any::<u16>(), 0..6_usize, 0..PIECES.len(), 0..3_usize), 1..6)) {
            for (path, text) in GOOD {
                let mut bytes = text.as_bytes().to_vec();
                for (at, removed, piece, times) in &edits {
                    let start = usize::from(*at) % (bytes.len() + 1);
                    let end = (start + removed).min(bytes.len());
                    bytes.splice(start..end, PIECES[*piece].repeat(*times).into_bytes());
                }
                let _ = read(path, &bytes);
            }
        }
    }
}
