//! Python 3.12 and distributions installed with pip.

use std::{fmt::Write as _, io};

use super::{binary, debian, layer::Layer, table, text};
use crate::random::Random;

const TABLE: &str = include_str!("pypi.tsv");
const ROOT: &str = "usr/local/lib/python3.12";

/// One distribution as pip installs it.
pub struct Distribution<'a> {
    /// As its metadata spells it.
    pub name: &'a str,
    /// As released.
    pub version: &'a str,
    /// The package that is imported.
    pub module: &'a str,
    /// Its sources.
    pub sources: Files,
    /// Its extension modules.
    pub extensions: Files,
    /// Whatever else it holds, and what kind that is.
    pub others: (Files, &'a str),
}

/// How many files, and their size together.
#[derive(Debug, Clone, Copy)]
pub struct Files {
    /// How many.
    pub count: usize,
    /// Of all of them.
    pub size_bytes: usize,
}

impl Files {
    /// None.
    pub const NONE: Self = Self { count: 0, size_bytes: 0 };

    /// `count` files of `size_kb` together.
    pub const fn of(count: usize, size_kb: usize) -> Self {
        Self { count, size_bytes: size_kb << 10 }
    }
}

/// The interpreter and its library under `/usr/local`, with pip.
pub fn runtime(layer: &mut Layer) -> io::Result<()> {
    debian::install(layer, "python")?;
    let mut random = Random::of("python");
    layer.file("usr/local/bin/python3.12", &binary::elf(&mut random, 14_400))?;
    for name in ["python3", "python"] {
        layer.link(&format!("usr/local/bin/{name}"), "python3.12")?;
    }
    layer.file("usr/local/lib/libpython3.12.so.1.0", &binary::elf(&mut random, 7_600 << 10))?;
    layer.link("usr/local/lib/libpython3.12.so", "libpython3.12.so.1.0")?;
    for (index, size) in random.split(5800 << 10, 76).into_iter().enumerate() {
        let name = text::name(&mut random);
        let path = format!("{ROOT}/lib-dynload/_{name}{index}.cpython-312-x86_64-linux-gnu.so");
        layer.file(&path, &binary::elf(&mut random, size))?;
    }
    for (index, size) in random.split(1600 << 10, 230).into_iter().enumerate() {
        let path = format!("usr/local/include/python3.12/{}{index}.h", text::name(&mut random));
        layer.file(&path, &text::write(&mut random, text::HEADER, size))?;
    }
    modules(layer, ROOT, Files::of(1060, 15_600), true)?;
    layer.file("usr/local/bin/pip3.12", script("pip").as_bytes())?;
    let pip = Distribution {
        name: "pip",
        version: "23.0.1",
        module: "pip",
        sources: Files::of(505, 5700),
        extensions: Files::NONE,
        others: (Files::NONE, "data"),
    };
    let site = format!("{ROOT}/site-packages");
    modules(layer, &format!("{site}/pip"), pip.sources, true)?;
    metadata(layer, &site, &pip)
}

fn script(module: &str) -> String {
    format!("#!/usr/local/bin/python3.12\nimport sys\nfrom {module} import main\nsys.exit(main())\n")
}

/// Every distribution of the table.
pub fn site_packages(layer: &mut Layer) -> io::Result<()> {
    for row in table::rows(TABLE)? {
        let [name, version, module, sources, sources_kb, extensions, extensions_kb, others, others_kb, kind] =
            row;
        let files =
            |count, size_kb| io::Result::Ok(Files::of(table::number(count)?, table::number(size_kb)?));
        let distribution = Distribution {
            name,
            version,
            module,
            sources: files(sources, sources_kb)?,
            extensions: files(extensions, extensions_kb)?,
            others: (files(others, others_kb)?, kind),
        };
        install(layer, &format!("{ROOT}/site-packages"), &distribution)?;
    }
    Ok(())
}

/// The names and versions of the table, as a requirements file has them.
pub fn requirements() -> io::Result<String> {
    let mut out = String::new();
    for [name, version, ..] in table::rows::<10>(TABLE)? {
        // Writing to a string cannot fail.
        let _ = writeln!(out, "{name}=={version}");
    }
    Ok(out)
}

/// Installs a distribution into `site`.
pub fn install(layer: &mut Layer, site: &str, distribution: &Distribution<'_>) -> io::Result<()> {
    let Distribution { module, sources, extensions, others: (others, kind), .. } = distribution;
    let root = format!("{site}/{module}");
    let mut random = Random::of(&format!("{root} {}", distribution.version));
    layer.take_paths();
    if sources.count == 1 {
        layer.file(&format!("{root}.py"), &text::write(&mut random, text::PYTHON, sources.size_bytes))?;
    } else {
        modules(layer, &root, *sources, false)?;
    }
    for (index, size) in random.split(extensions.size_bytes, extensions.count).into_iter().enumerate() {
        let name = text::name(&mut random);
        let path = format!("{root}/_{name}{index}.cpython-312-x86_64-linux-gnu.so");
        layer.file(&path, &binary::elf(&mut random, size))?;
    }
    for (index, size) in random.split(others.size_bytes, others.count).into_iter().enumerate() {
        let name = text::name(&mut random);
        let (path, bytes) = match (*kind, index % 2) {
            ("locale", 0) => (
                format!("{root}/conf/locale/l{}/LC_MESSAGES/{name}{index}.po", index / 4),
                text::write(&mut random, text::CATALOGUE, size),
            ),
            ("locale", _) => (
                format!("{root}/conf/locale/l{}/LC_MESSAGES/{name}{index}.mo", index / 4),
                binary::catalogue(&mut random, size),
            ),
            ("zone", _) => (format!("{root}/zoneinfo/{name}/{name}{index}"), binary::zone(&mut random, size)),
            ("certificate", _) => (format!("{root}/cacert.pem"), debian::certificate(&mut random, size)),
            ("header", _) => {
                (format!("{root}/include/{name}{index}.h"), text::write(&mut random, text::HEADER, size))
            }
            (_, 0) => (format!("{root}/data/{name}{index}.csv"), text::write(&mut random, text::DATA, size)),
            _ => (format!("{root}/data/{name}{index}.txt"), text::write(&mut random, text::PROSE, size)),
        };
        layer.file(&path, &bytes)?;
    }
    metadata(layer, site, distribution)
}

/// A tree of modules; with what the interpreter compiles them to, if `compiled`.
fn modules(layer: &mut Layer, root: &str, files: Files, compiled: bool) -> io::Result<()> {
    let mut random = Random::of(&format!("modules {root}"));
    let mut directory = root.to_owned();
    for (index, size) in random.split(files.size_bytes, files.count).into_iter().enumerate() {
        let name = match index % 9 {
            0 => {
                if index > 0 {
                    directory = format!("{root}/{}{}", text::name(&mut random), index / 9);
                }
                "__init__".to_owned()
            }
            place => format!("{}{place}", text::name(&mut random)),
        };
        layer.file(&format!("{directory}/{name}.py"), &text::write(&mut random, text::PYTHON, size))?;
        if compiled {
            let bytes = binary::pyc(&mut random, size * 9 / 10);
            layer.file(&format!("{directory}/__pycache__/{name}.cpython-312.pyc"), &bytes)?;
        }
    }
    Ok(())
}

/// The `.dist-info` directory of what was added since the paths were last taken.
fn metadata(layer: &mut Layer, site: &str, distribution: &Distribution<'_>) -> io::Result<()> {
    let Distribution { name, version, module, .. } = distribution;
    let mut random = Random::of(&format!("metadata {name} {version}"));
    let info = format!("{name}-{version}.dist-info");
    let mut text = format!("Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n");
    for (field, value) in [
        ("Summary", text::phrase(&mut random)),
        ("Home-page", format!("https://example.org/{module}")),
        ("Author", text::name(&mut random).to_owned()),
        ("License", (*random.pick(&["MIT", "BSD-3-Clause", "Apache-2.0", "BSD"])).to_owned()),
        ("Classifier", "Programming Language :: Python :: 3".to_owned()),
        ("Classifier", "Operating System :: OS Independent".to_owned()),
        ("Requires-Python", ">=3.6".to_owned()),
    ] {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{field}: {value}");
    }
    let size = 1000 + random.below(8000);
    text.push('\n');
    text.push_str(&String::from_utf8_lossy(&text::write(&mut random, text::MARKDOWN, size)));
    let installed = layer.take_paths();
    let mut record = String::new();
    for path in installed.iter().filter_map(|path| path.strip_prefix(site)?.strip_prefix('/')) {
        if path.contains('.') {
            let size = random.below(40_000);
            let _ = writeln!(record, "{path},sha256={},{size}", random.hex(43));
        }
    }
    let _ = writeln!(record, "{info}/RECORD,,");
    layer.file(&format!("{site}/{info}/METADATA"), text.as_bytes())?;
    layer.file(&format!("{site}/{info}/RECORD"), record.as_bytes())?;
    layer.file(
        &format!("{site}/{info}/WHEEL"),
        b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    )?;
    layer.file(&format!("{site}/{info}/INSTALLER"), b"pip\n")?;
    layer.file(&format!("{site}/{info}/top_level.txt"), format!("{module}\n").as_bytes())?;
    layer.file(&format!("{site}/{info}/LICENSE"), &text::write(&mut random, text::PROSE, 1500))
}
