//! Executables built here, and what their own tools say of them: `go version -m` of Go programs, the JSON that
//! cargo-auditable's section holds of Rust programs. Skipped, and said so, where the tool is not there.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test's helpers end the test")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{Cursor, Read as _, Write as _},
    path::{Path, PathBuf},
    process::{Command, Output},
};

use proptest::prelude::*;
use stella::package::{Ecosystem, Fact, Form, Package, Read, recognise};

/// Packages of a file, as the engine reads it.
fn packages(path: &Path) -> Vec<Package> {
    let mut file = fs::File::open(path).unwrap();
    let mut head = Vec::new();
    std::io::Read::by_ref(&mut file).take(4096).read_to_end(&mut head).unwrap();
    let name = path.file_name().unwrap().to_str().unwrap();
    let Some(Read::Parts(read)) = recognise(name, &head) else { panic!("{name} is no executable") };
    match read(name, &mut file).unwrap() {
        Some(Fact::Installed { form: Form::Executable, packages }) => packages,
        None => Vec::new(),
        other => panic!("{name}: {other:?}"),
    }
}

fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

/// Go's modules, in a directory that serves as a module proxy: nothing comes from a network.
fn module_proxy(root: &Path) -> String {
    for (module, version) in [
        ("example.com/plain", "v1.2.3"),
        ("example.com/old", "v1.0.0"),
        ("example.com/fork", "v1.1.0-rc.1"),
        ("example.com/local", "v0.1.0"),
        ("example.com/big", "v2.0.0+incompatible"),
        ("example.com/dated", "v0.0.0-20240102030405-0123456789ab"),
    ] {
        let directory = root.join(module).join("@v");
        fs::create_dir_all(&directory).unwrap();
        let file = |extension: &str| directory.join(format!("{version}.{extension}"));
        // A fork keeps the name that it is imported by.
        let name = if module == "example.com/fork" { "example.com/old" } else { module };
        let manifest = format!("module {name}\n");
        fs::write(file("info"), format!("{{\"Version\":\"{version}\",\"Time\":\"2024-01-02T03:04:05Z\"}}"))
            .unwrap();
        fs::write(file("mod"), &manifest).unwrap();
        let mut zip = zip::ZipWriter::new(fs::File::create(file("zip")).unwrap());
        let package = module.rsplit('/').next().unwrap().replace("fork", "old");
        let mut add = |name: &str, text: &str| {
            let options = zip::write::SimpleFileOptions::default();
            zip.start_file(format!("{module}@{version}/{name}"), options).unwrap();
            zip.write_all(text.as_bytes()).unwrap();
        };
        // A module of a later major version without a manifest is what `+incompatible` means.
        if !version.ends_with("+incompatible") {
            add("go.mod", &manifest);
        }
        add("a.go", &format!("package {package}\n\nfunc Name() string {{ return \"{package}\" }}\n"));
        zip.finish().unwrap();
    }
    format!("file://{}", root.display())
}

const MAIN: &str = r#"package main

import (
	"example.com/big"
	"example.com/dated"
	"example.com/local"
	"example.com/old"
	"example.com/plain"
)

func main() { println(big.Name(), dated.Name(), local.Name(), old.Name(), plain.Name()) }
"#;

const MANIFEST: &str = "module example.com/main

go 1.18

require (
	example.com/big v2.0.0+incompatible
	example.com/dated v0.0.0-20240102030405-0123456789ab
	example.com/local v0.1.0
	example.com/old v1.0.0
	example.com/plain v1.2.3
)

replace example.com/old => example.com/fork v1.1.0-rc.1

replace example.com/local => ./local
";

/// What `go version -m` says, as packages: the line of a module, or that of what replaces it. Its own name stays where
/// that has no version.
fn told(text: &str) -> BTreeSet<(String, String)> {
    let mut lines = text.lines();
    let toolchain = lines.next().unwrap().rsplit(": go").next().unwrap().split(' ').next().unwrap();
    let mut modules = vec![("stdlib".to_owned(), toolchain.to_owned())];
    for line in lines {
        let fields: Vec<&str> = line.trim_start_matches('\t').split('\t').collect();
        match fields[..] {
            ["mod" | "dep", path, version, ..] => modules.push((path.into(), version.into())),
            ["=>", _, "(devel)", ..] => modules.last_mut().unwrap().1 = "(devel)".into(),
            ["=>", path, version, ..] => *modules.last_mut().unwrap() = (path.into(), version.into()),
            _ => {}
        }
    }
    modules.into_iter().collect()
}

fn go(directory: &Path, proxy: &str) -> Command {
    let mut go = Command::new("go");
    go.current_dir(directory)
        .env("GOPROXY", proxy)
        .env("GOMODCACHE", directory.join("modules"))
        .envs([
            ("GOFLAGS", "-mod=mod -modcacherw"),
            ("GOSUMDB", "off"),
            ("GOTOOLCHAIN", "local"),
            ("GO111MODULE", "on"),
        ])
        .env("CGO_ENABLED", "0");
    go
}

#[test]
fn go_programs_hold_what_go_version_says() {
    if Command::new("go").arg("version").output().is_err() {
        println!("skipped: go is not there");
        return;
    }
    let root = tempfile::tempdir().unwrap();
    let proxy = module_proxy(&root.path().join("proxy"));
    let source = root.path().join("main");
    fs::create_dir_all(source.join("local")).unwrap();
    fs::write(source.join("main.go"), MAIN).unwrap();
    fs::write(source.join("go.mod"), MANIFEST).unwrap();
    fs::write(source.join("local/go.mod"), "module example.com/local\n").unwrap();
    fs::write(source.join("local/a.go"), "package local\n\nfunc Name() string { return \"here\" }\n")
        .unwrap();

    let mut built_forms = Vec::new();
    // For each other system Go compiles its own library first, which takes half a minute.
    let full = std::env::var_os("STELLA_TEST_FULL").is_some_and(|value| value == "1");
    for (name, flags, system, processor) in [
        ("plain", &[][..], "linux", "amd64"),
        ("stripped", &["-ldflags=-s -w"], "linux", "amd64"),
        ("pie", &["-buildmode=pie"], "linux", "amd64"),
        ("named", &["-ldflags=-X main.version=v9.9.9"], "linux", "amd64"),
        ("arm64", &[], "linux", "arm64"),
        ("s390x", &[], "linux", "s390x"),
        ("386", &[], "linux", "386"),
        ("windows.exe", &[], "windows", "amd64"),
        ("darwin", &[], "darwin", "arm64"),
    ] {
        if !full && (system, processor) != ("linux", "amd64") {
            println!("skipped: {name} for {system} on {processor}, with STELLA_TEST_FULL=1 only");
            continue;
        }
        built_forms.push(name);
        let built = source.join(name);
        let mut build = go(&source, &proxy);
        build.env("GOOS", system).env("GOARCH", processor);
        run(build.arg("build").args(flags).arg("-o").arg(&built).arg("."));
        let output = run(go(&source, &proxy).args(["version", "-m"]).arg(&built));
        let want = told(&String::from_utf8(output.stdout).unwrap());
        assert_eq!(want.len(), 7, "{name}: {want:?}");
        let found = packages(&built);
        assert!(found.iter().all(|package| package.ecosystem == Ecosystem::Golang));
        let found: BTreeSet<_> = found.into_iter().map(|package| (package.name, package.version)).collect();
        assert_eq!(found, want, "{name}");
        assert!(found.contains(&("example.com/fork".into(), "v1.1.0-rc.1".into())));
        assert!(found.contains(&("example.com/local".into(), "(devel)".into())));
        assert!(found.contains(&("example.com/big".into(), "v2.0.0+incompatible".into())));
    }

    // Whatever becomes of their bytes, they end in packages or an error.
    for name in
        ["plain", "386", "windows.exe", "darwin"].into_iter().filter(|name| built_forms.contains(name))
    {
        let good = fs::read(source.join(name)).unwrap();
        let headers = good.len() - 8192..good.len();
        proptest!(|(at in prop_oneof![0..1024_usize, headers], value: u8, size in 4096..good.len(), cut: bool)| {
            let mut bent = good.clone();
            bent[at] = value;
            bent.truncate(if cut { size } else { good.len() });
            if let Some(Read::Parts(read)) = recognise(name, &bent[..4096]) {
                let _ = read(name, &mut Cursor::new(bent));
            }
        });
    }

    // Without modules there is the toolchain's library alone.
    let single = root.path().join("single");
    fs::create_dir_all(&single).unwrap();
    fs::write(single.join("main.go"), "package main\n\nfunc main() {}\n").unwrap();
    let build = ["build", "-o", "single", "main.go"];
    run(go(&single, &proxy).env("GO111MODULE", "off").env("GOFLAGS", "").args(build));
    let [stdlib] = &packages(&single.join("single"))[..] else { panic!() };
    assert_eq!(stdlib.name, "stdlib");

    // With no section headers left, the build information is where the data begins.
    let mut bare = fs::read(source.join("stripped")).unwrap();
    bare[0x28..0x30].fill(0);
    bare[0x3c..0x40].fill(0);
    fs::write(source.join("bare"), &bare).unwrap();
    assert_eq!(packages(&source.join("bare")), packages(&source.join("stripped")));
}

/// Every crate that the section's JSON names as part of the program; read by Python, from objcopy's copy of the section.
fn listed(built: &Path) -> BTreeSet<(String, String)> {
    const READ: &str = "import json, sys, zlib
for p in json.loads(zlib.decompress(open(sys.argv[1], 'rb').read()))['packages']:
    if p.get('kind', 'runtime') == 'runtime': print(p['name'], p['version'])";
    let section = built.with_extension("section");
    run(Command::new("objcopy")
        .args(["--dump-section", &format!(".dep-v0={}", section.display())])
        .arg(built));
    let output = run(Command::new("python3").args(["-c", READ]).arg(&section));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| line.split_once(' ').unwrap()).map(|(a, b)| (a.into(), b.into())).collect()
}

/// A package of two crates, one of them for building alone, with no dependency from anywhere else.
fn rust_package(root: &Path) -> PathBuf {
    let files = BTreeMap::from([
        (
            "Cargo.toml",
            "[package]\nname = \"app\"\nversion = \"0.3.1\"\nedition = \"2021\"\nbuild = \"build.rs\"\n[workspace]\n\
             [dependencies]\npart = { path = \"part\" }\n[build-dependencies]\ntool = { path = \"tool\" }\n",
        ),
        ("build.rs", "fn main() { tool::run(); }"),
        ("src/main.rs", "fn main() { println!(\"{}\", part::name()); }"),
        ("part/Cargo.toml", "[package]\nname = \"part\"\nversion = \"1.0.0-beta.2\"\nedition = \"2021\"\n"),
        ("part/src/lib.rs", "pub fn name() -> &'static str { \"part\" }"),
        ("tool/Cargo.toml", "[package]\nname = \"tool\"\nversion = \"2.0.0\"\nedition = \"2021\"\n"),
        ("tool/src/lib.rs", "pub fn run() {}"),
    ]);
    for (name, text) in files {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    root.to_owned()
}

#[test]
fn rust_programs_hold_what_cargo_auditable_wrote() {
    let tools = ["cargo-auditable", "objcopy", "python3"];
    if let Some(missing) = tools.iter().find(|tool| Command::new(tool).arg("--version").output().is_err()) {
        println!("skipped: {missing} is not there");
        return;
    }
    let root = tempfile::tempdir().unwrap();
    let source = rust_package(root.path());
    let cargo = |arguments: &[&str]| {
        let mut cargo = Command::new("cargo");
        cargo.current_dir(&source).env("CARGO_TARGET_DIR", source.join("target")).env_remove("RUSTFLAGS");
        run(cargo.args(arguments));
    };
    cargo(&["auditable", "build", "--offline"]);
    let built = source.join("target/debug/app");
    let found = packages(&built);
    assert!(found.iter().all(|package| package.ecosystem == Ecosystem::Cargo));
    let found: BTreeSet<_> = found.into_iter().map(|package| (package.name, package.version)).collect();
    let crates = [("app", "0.3.1"), ("part", "1.0.0-beta.2")];
    assert_eq!(found, crates.iter().map(|(a, b)| ((*a).into(), (*b).into())).collect());
    assert_eq!(found, listed(&built));
    // What names the symbols can go; the section stays.
    run(Command::new("strip").arg(&built));
    assert_eq!(packages(&built).len(), 2);
}
