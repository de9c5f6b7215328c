//! Node.js and packages installed with npm.

use std::{collections::BTreeMap, io};

use serde::Serialize;

use super::{binary, layer::Layer, table, text};
use crate::random::Random;

const TABLE: &str = include_str!("npm.tsv");

/// `package.json`, as far as an installed package's says what matters.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Manifest<'a> {
    name: &'a str,
    version: &'a str,
    description: String,
    license: &'a str,
    main: &'a str,
    author: String,
    repository: String,
    keywords: Vec<&'a str>,
    dependencies: BTreeMap<&'a str, String>,
}

/// `package-lock.json`, form 3.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Lock<'a> {
    name: &'a str,
    version: &'a str,
    lockfile_version: u32,
    requires: bool,
    packages: BTreeMap<String, Locked<'a>>,
}

#[derive(Serialize)]
struct Locked<'a> {
    version: &'a str,
    resolved: String,
    integrity: String,
    license: &'a str,
}

/// One installed package: the names from the outermost to its own, and its version.
struct Package {
    names: Vec<&'static str>,
    version: &'static str,
}

impl Package {
    fn all() -> io::Result<Vec<Self>> {
        let package = |[path, version]: [&'static str; 2]| Self { names: path.split('>').collect(), version };
        Ok(table::rows(TABLE)?.into_iter().map(package).collect())
    }

    fn name(&self) -> &'static str {
        self.names.last().copied().unwrap_or_default()
    }

    /// Relative to the project.
    fn path(&self) -> String {
        format!("node_modules/{}", self.names.join("/node_modules/"))
    }
}

fn license(name: &str) -> &'static str {
    const LICENSES: [&str; 7] = ["MIT", "MIT", "MIT", "MIT", "ISC", "BSD-3-Clause", "Apache-2.0"];
    LICENSES[Random::of(name).below(LICENSES.len())]
}

/// The interpreter under `/usr/local`.
pub fn runtime(layer: &mut Layer) -> io::Result<()> {
    let mut random = Random::of("node");
    layer.file("usr/local/bin/node", &binary::elf(&mut random, 90 << 20))?;
    layer.link("usr/local/bin/nodejs", "node")?;
    for (index, size) in random.split(1400 << 10, 110).into_iter().enumerate() {
        let path = format!("usr/local/include/node/{}{index}.h", text::name(&mut random));
        layer.file(&path, &text::write(&mut random, text::HEADER, size))?;
    }
    let npm = "usr/local/lib/node_modules/npm";
    install(layer, &Package::all()?, npm, ("npm", "8.19.4"))?;
    layer.link("usr/local/bin/npm", "../lib/node_modules/npm/index.js")
}

/// The project's own manifest and lock file in `/app`.
pub fn manifest(layer: &mut Layer) -> io::Result<()> {
    let packages = Package::all()?;
    let dependencies = packages.iter().filter(|package| package.names.len() == 1).step_by(60);
    let manifest = Manifest {
        name: "shop-frontend",
        version: "1.4.2",
        description: text::phrase(&mut Random::of("shop-frontend")),
        license: "MIT",
        main: "server.js",
        author: String::new(),
        repository: String::new(),
        keywords: Vec::new(),
        dependencies: dependencies.map(|package| (package.name(), package.version.to_owned())).collect(),
    };
    layer.file("app/package.json", &serde_json::to_vec_pretty(&manifest)?)?;
    let locked = packages.iter().map(|package| (package.path(), locked(package.name(), package.version)));
    lock(layer, "app", manifest.name, manifest.version, locked.collect())
}

fn locked<'a>(name: &str, version: &'a str) -> Locked<'a> {
    let short = name.rsplit('/').next().unwrap_or(name);
    Locked {
        version,
        resolved: format!("https://registry.npmjs.org/{name}/-/{short}-{version}.tgz"),
        integrity: format!("sha512-{}==", Random::of(&format!("{name} {version}")).hex(86)),
        license: license(name),
    }
}

fn lock(
    layer: &mut Layer,
    directory: &str,
    name: &str,
    version: &str,
    packages: BTreeMap<String, Locked<'_>>,
) -> io::Result<()> {
    let lock = Lock { name, version, lockfile_version: 3, requires: true, packages };
    layer.file(&format!("{directory}/package-lock.json"), &serde_json::to_vec_pretty(&lock)?)
}

/// Every package of the table, installed in `/app/node_modules`.
pub fn modules(layer: &mut Layer) -> io::Result<()> {
    let packages = Package::all()?;
    for package in &packages {
        install(layer, &packages, &format!("app/{}", package.path()), (package.name(), package.version))?;
    }
    Ok(())
}

/// A small project that `packages` (names and versions) are installed in.
pub fn project(layer: &mut Layer, directory: &str, packages: &[(&str, &str)]) -> io::Result<()> {
    let known = Package::all()?;
    for (name, version) in packages {
        let root = format!("{directory}/node_modules/{name}");
        let mut random = Random::of(&format!("{root} {version}"));
        let count = 4 + random.below(9);
        fill(layer, &mut random, &known, &root, (name, version), count)?;
    }
    let dependencies: BTreeMap<_, _> = packages.iter().copied().collect();
    let manifest = serde_json::json!({ "name": "web", "version": "0.1.0", "dependencies": dependencies });
    layer.file(&format!("{directory}/package.json"), &serde_json::to_vec_pretty(&manifest)?)?;
    let path = |name| format!("node_modules/{name}");
    let packages = packages.iter().map(|(name, version)| (path(name), locked(name, version)));
    lock(layer, directory, "web", "0.1.0", packages.collect())
}

/// The project's own sources.
pub fn sources(layer: &mut Layer) -> io::Result<()> {
    for number in 0..40 {
        let mut random = Random::of(&format!("source {number}"));
        let size = 200 + random.below(4000);
        layer.file(&format!("app/src/m{number}.js"), &text::write(&mut random, text::JAVASCRIPT, size))?;
    }
    Ok(())
}

/// A package: few files in most, hundreds in some.
fn install(
    layer: &mut Layer,
    known: &[Package],
    root: &str,
    (name, version): (&str, &str),
) -> io::Result<()> {
    let mut random = Random::of(&format!("{root} {version}"));
    let count = match random.below(16) {
        0 => 40 + random.below(220),
        1..5 => 10 + random.below(30),
        _ => 2 + random.below(7),
    };
    fill(layer, &mut random, known, root, (name, version), count)
}

fn fill(
    layer: &mut Layer,
    random: &mut Random,
    known: &[Package],
    root: &str,
    (name, version): (&str, &str),
    count: usize,
) -> io::Result<()> {
    let needs = (0..random.below(6)).map(|_| random.pick(known));
    let manifest = Manifest {
        dependencies: needs.map(|package| (package.name(), format!("^{}", package.version))).collect(),
        name,
        version,
        description: text::phrase(random),
        license: license(name),
        main: "index.js",
        author: format!("{} <{}@example.org>", text::name(random), text::name(random)),
        repository: format!("https://example.org/{name}.git"),
        keywords: (0..random.below(8)).map(|_| text::name(random)).collect(),
    };
    layer.file(&format!("{root}/package.json"), &serde_json::to_vec_pretty(&manifest)?)?;
    layer.file(&format!("{root}/LICENSE"), &text::write(random, text::PROSE, 1070))?;
    let size = 300 + (random.below(1000) << random.below(5));
    layer.file(&format!("{root}/README.md"), &text::write(random, text::MARKDOWN, size))?;
    let mut directory = root.to_owned();
    for index in 0..count {
        let word = text::name(random);
        if index % 24 == 3 {
            directory = format!("{root}/{}/{word}", random.pick(&["lib", "dist", "src", "es"]));
        }
        let mut size = (40 + random.below(90)) << random.below(8);
        if random.below(50) == 0 {
            size *= 32;
        }
        let (ending, style) = match random.below(20) {
            0..2 => ("d.ts", text::TYPESCRIPT),
            2..4 => ("js.map", text::SOURCE_MAP),
            4 => ("md", text::MARKDOWN),
            5 => ("json", text::DATA),
            _ => ("js", text::JAVASCRIPT),
        };
        let path = match index {
            0 => format!("{root}/index.js"),
            _ => format!("{directory}/{word}{index}.{ending}"),
        };
        layer.file(&path, &text::write(random, style, size))?;
    }
    Ok(())
}
