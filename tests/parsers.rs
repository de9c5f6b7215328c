//! Lock files, manifests and metadata of installed packages, held against the expected packages of another project's
//! parser tests: `extract-trivy-parsers` of `../shared/suites`. Skipped, and said so, where the suite is not there.

mod suite;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    io::Cursor,
};

use serde::Deserialize;
use stella::package::{Error, Fact, Package, Read, recognise};

/// One line of `expected.jsonl`.
#[derive(Deserialize)]
struct Case {
    parser: String,
    input: String,
    error: bool,
    packages: Vec<Expected>,
}

#[derive(Deserialize)]
struct Expected {
    name: String,
    version: String,
}

/// The name by which each parser's files are told; the suite's own names are those of its tests.
fn file_name(parser: &str) -> Option<&'static str> {
    Some(match parser {
        "c/conan" => "conan.lock",
        "conda/environment" => "environment.yml",
        "conda/meta" => "opt/conda/conda-meta/a-1-0.json",
        "dart/pub" => "pubspec.lock",
        "dotnet/core_deps" => "a.deps.json",
        "golang/binary" => "usr/bin/a",
        "golang/mod" => "go.mod",
        "golang/sum" => "go.sum",
        "gradle/lockfile" => "gradle.lockfile",
        "hex/mix" => "mix.lock",
        "julia/manifest" => "Manifest.toml",
        "nodejs/bun" => "bun.lock",
        "nodejs/npm" => "package-lock.json",
        "nodejs/packagejson" => "node_modules/a/package.json",
        "nodejs/pnpm" => "pnpm-lock.yaml",
        "nodejs/yarn" => "yarn.lock",
        "nuget/config" => "packages.config",
        "nuget/lock" => "packages.lock.json",
        "nuget/packagesprops" => "Directory.Packages.props",
        "php/composer" => "composer.lock",
        "python/packaging" => "a.dist-info/METADATA",
        "python/pip" => "requirements.txt",
        "python/pipenv" => "Pipfile.lock",
        "python/poetry" => "poetry.lock",
        "python/pylock" => "pylock.toml",
        "python/pyproject" => "pyproject.toml",
        "python/uv" => "uv.lock",
        "ruby/bundler" => "Gemfile.lock",
        "ruby/gemspec" => "specifications/a-1.gemspec",
        "rust/binary" => "usr/bin/a",
        "rust/cargo" => "Cargo.lock",
        "sbt/lockfile" => "build.sbt.lock",
        "swift/cocoapods" => "Podfile.lock",
        "swift/swift" => "Package.resolved",
        _ => return None,
    })
}

/// Cases that are not held: input, which of the cases of that input, and the reason.
const SKIPPED: &[(&str, usize, &str)] = &[
    (
        "dart/pub/testdata/happy.lock",
        1,
        "the file says 0.0.0, as another case of the same file expects; 3.3.0 is the least Flutter that will do",
    ),
    (
        "golang/mod/testdata/replaced/go.mod",
        1,
        "the other parser's setting that takes no notice of `replace`; what is built is what replaces",
    ),
    (
        "nodejs/packagejson/testdata/invalid_name.json",
        0,
        "npm would not publish a package of that name; one that is installed all the same is better named than not",
    ),
    (
        "nuget/lock/testdata/packages_lock_multi.json",
        0,
        "35 of the 40 packages that the file resolves; five under .NETStandard,Version=v1.0 are as the others there",
    ),
    (
        "python/pip/testdata/requirements_compatible.txt",
        0,
        "the other parser's setting that takes the lower bound of a range for a version; \
         requirements_operator.txt has the same lines and expects none",
    ),
];

/// What has no content to be told by; both stand for executables without build information.
const TOLD_BY_CONTENT: [&str; 2] = ["golang/binary/testdata/dummy", "rust/binary/testdata/dummy"];

fn read(path: &str, bytes: &[u8]) -> Option<Result<Vec<Package>, Error>> {
    let fact = match recognise(path, &bytes[..bytes.len().min(4096)])? {
        Read::Whole(read) => read(path, bytes),
        Read::Parts(read) => read(path, &mut Cursor::new(bytes)),
    };
    Some(fact.map(|fact| match fact {
        Some(Fact::Installed { packages, .. } | Fact::Locked { packages, .. }) => packages,
        Some(Fact::Python { package } | Fact::Node { package, .. }) => vec![package],
        _ => Vec::new(),
    }))
}

/// How two packages are the same here: the suite keeps a language's spelling of names, and says `unknown` where there is
/// no version.
fn key(name: &str, version: &str) -> (String, String) {
    (name.to_lowercase().replace(['_', '.'], "-"), if version == "unknown" { "" } else { version }.to_owned())
}

fn judge(case: &Case, bytes: &[u8]) -> Result<(), String> {
    let path = file_name(&case.parser).ok_or("no such parser")?;
    let Some(read) = read(path, bytes) else {
        let expected = case.error && TOLD_BY_CONTENT.contains(&case.input.as_str());
        return if expected { Ok(()) } else { Err("nobody knows the file".to_owned()) };
    };
    match (read, case.error) {
        (Err(_), true) => Ok(()),
        (Ok(packages), true) => Err(format!("{} packages instead of an error", packages.len())),
        (Err(error), false) => Err(error.to_string()),
        (Ok(packages), false) => {
            let got: BTreeSet<_> = packages.iter().map(|p| key(&p.name, &p.version)).collect();
            let want: BTreeSet<_> = case.packages.iter().map(|p| key(&p.name, &p.version)).collect();
            let mut why = String::new();
            for (sign, (name, version)) in
                want.difference(&got).map(|p| ('-', p)).chain(got.difference(&want).map(|p| ('+', p))).take(6)
            {
                let _ = write!(why, " {sign}{name}@{version}");
            }
            if why.is_empty() { Ok(()) } else { Err(why) }
        }
    }
}

#[test]
fn packages_of_lock_files_and_metadata() {
    let name = "extract-trivy-parsers";
    let Some(files) = suite::files(name) else { return };
    let expected = str::from_utf8(&files[&format!("{name}/expected.jsonl")]).unwrap();
    let (mut passed, mut skipped, mut failed) = (0, 0, Vec::new());
    let mut seen = BTreeMap::new();
    for line in expected.lines() {
        let case: Case = serde_json::from_str(line).unwrap();
        let count = seen.entry(case.input.clone()).or_insert(0_usize);
        let of_input = *count;
        *count += 1;
        if let Some((input, _, why)) =
            SKIPPED.iter().find(|(input, of, _)| *input == case.input && *of == of_input)
        {
            println!("skipped {input}: {why}");
            skipped += 1;
            continue;
        }
        match judge(&case, &files[&format!("{name}/inputs/{}", case.input)]) {
            Ok(()) => passed += 1,
            Err(why) => failed.push((case.input, why)),
        }
    }
    println!("{name}: {passed} passed, {} failed, {skipped} skipped", failed.len());
    for (input, why) in &failed {
        println!("failed {input}: {why}");
    }
    assert!(failed.is_empty());
}
