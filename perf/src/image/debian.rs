//! A Debian 12 system: packages with their files, and what dpkg knows of them.

use std::{collections::BTreeMap, fmt::Write as _, io};

use super::{
    binary,
    layer::Layer,
    table,
    text::{self, Style},
};
use crate::random::Random;

const TABLE: &str = include_str!("debian.tsv");
const LIBRARIES: &str = "usr/lib/x86_64-linux-gnu";
const OS_RELEASE: &[u8] =
    b"PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nNAME=\"Debian GNU/Linux\"\nVERSION_ID=\"12\"\n\
    VERSION=\"12 (bookworm)\"\nVERSION_CODENAME=bookworm\nID=debian\nHOME_URL=\"https://www.debian.org/\"\n\
    SUPPORT_URL=\"https://www.debian.org/support\"\nBUG_REPORT_URL=\"https://bugs.debian.org/\"\n";
/// The layers that install packages, bottom to top, as the table names them.
const LAYERS: [&str; 3] = ["base", "certificates", "python"];

struct Package {
    layer: &'static str,
    name: &'static str,
    version: &'static str,
    architecture: &'static str,
    multi_arch: &'static str,
    section: &'static str,
    priority: &'static str,
    installed_kb: &'static str,
    source: &'static str,
    programs: Files,
    others: Files,
    depends: &'static str,
}

/// How many files of a kind, and their size together.
struct Files {
    count: usize,
    size_bytes: usize,
}

fn files(count: &str, size_kb: &str) -> io::Result<Files> {
    Ok(Files { count: table::number(count)?, size_bytes: table::number(size_kb)? << 10 })
}

fn packages() -> io::Result<Vec<Package>> {
    let package = |row: [&'static str; 14]| {
        let [layer, name, version, architecture, multi_arch, section, priority, installed_kb, source, ..] =
            row;
        let [.., program_count, programs_kb, other_count, others_kb, depends] = row;
        let (programs, others) = (files(program_count, programs_kb)?, files(other_count, others_kb)?);
        Ok(Package {
            layer,
            name,
            version,
            architecture,
            multi_arch,
            section,
            priority,
            installed_kb,
            source,
            programs,
            others,
            depends,
        })
    };
    table::rows(TABLE)?.into_iter().map(package).collect()
}

/// The base: a minimal system without documentation.
pub fn base(layer: &mut Layer) -> io::Result<()> {
    for (name, target) in
        [("bin", "usr/bin"), ("sbin", "usr/sbin"), ("lib", "usr/lib"), ("lib64", "usr/lib64")]
    {
        layer.link(name, target)?;
    }
    for name in [
        "boot",
        "dev",
        "home",
        "media",
        "mnt",
        "opt",
        "proc",
        "run/lock",
        "srv",
        "sys",
        "usr/lib64",
        "usr/games",
    ] {
        layer.directory(name)?;
    }
    layer.directory_with("root", 0o700)?;
    layer.directory_with("tmp", 0o1777)?;
    layer.directory_with("var/tmp", 0o1777)?;
    layer.link("var/run", "/run")?;
    layer.file("usr/lib/os-release", OS_RELEASE)?;
    layer.link("etc/os-release", "../usr/lib/os-release")?;
    layer.file("etc/debian_version", b"12.4\n")?;
    layer.file("etc/hostname", b"localhost\n")?;
    layer.file("etc/passwd", b"root:x:0:0:root:/root:/bin/bash\ndaemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin\n\
        www-data:x:33:33:www-data:/var/www:/usr/sbin/nologin\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n")?;
    layer.file("etc/group", b"root:x:0:\ndaemon:x:1:\nwww-data:x:33:\nnogroup:x:65534:\n")?;
    layer.file("etc/apt/sources.list.d/debian.sources", b"Types: deb\nURIs: http://deb.debian.org/debian\n\
        Suites: bookworm bookworm-updates\nComponents: main\nSigned-By: /usr/share/keyrings/debian-archive-keyring.gpg\n")?;
    for name in ["available", "diversions", "statoverride", "lock"] {
        layer.file(&format!("var/lib/dpkg/{name}"), b"")?;
    }
    install(layer, "base")
}

/// Installs the packages of a layer, and leaves a database of those below it too.
pub fn install(layer: &mut Layer, name: &str) -> io::Result<()> {
    let known = LAYERS.iter().position(|layer| *layer == name).map_or(&LAYERS[..], |at| &LAYERS[..=at]);
    let packages = packages()?;
    for package in packages.iter().filter(|package| package.layer == name) {
        layer.take_paths();
        unpack(layer, package)?;
        let paths = layer.take_paths();
        register(layer, package, &paths)?;
    }
    let installed: BTreeMap<_, _> = packages
        .iter()
        .filter(|package| known.contains(&package.layer))
        .map(|package| (package.name, package))
        .collect();
    let mut status = String::new();
    for package in installed.values() {
        stanza(&mut status, package);
    }
    layer.file("var/lib/dpkg/status", status.as_bytes())?;
    layer.file("var/lib/dpkg/status-old", status.as_bytes())?;
    let mut random = Random::of("debconf");
    let templates =
        text::write(&mut random, &["Name: @/@", "Description-@.UTF-8: $", "Type: @\n", " $."], 750 << 10);
    layer.file("var/cache/debconf/templates.dat", &templates)?;
    layer.file("var/cache/debconf/templates.dat-old", &templates)
}

fn stanza(out: &mut String, package: &Package) {
    let mut random = Random::of(&format!("stanza {}", package.name));
    let team = text::name(&mut random);
    let mut field = |name: &str, value: &str| {
        if value != "-" {
            // Writing to a string cannot fail.
            let _ = writeln!(out, "{name}: {value}");
        }
    };
    field("Package", package.name);
    field("Status", "install ok installed");
    field("Priority", package.priority);
    field("Section", package.section);
    field("Installed-Size", package.installed_kb);
    field("Maintainer", &format!("The {team} maintainers <{team}@example.org>"));
    field("Architecture", package.architecture);
    field("Multi-Arch", package.multi_arch);
    field("Source", package.source);
    field("Version", package.version);
    field("Depends", package.depends);
    field("Description", &text::phrase(&mut random));
    for _ in 0..2 + random.below(6) {
        let _ = writeln!(out, " {},\n {}.", text::phrase(&mut random), text::phrase(&mut random));
    }
    let _ = writeln!(out, "Homepage: https://example.org/{team}/\n");
}

fn unpack(layer: &mut Layer, package: &Package) -> io::Result<()> {
    let name = package.name;
    let mut random = Random::of(&format!("{name} {}", package.version));
    let sizes = random.split(package.programs.size_bytes, package.programs.count);
    for (index, size) in sizes.into_iter().enumerate() {
        let bytes = binary::elf(&mut random, size);
        program(layer, &mut random, package, index, &bytes)?;
    }
    let sizes = random.split(package.others.size_bytes, package.others.count);
    let mut last = String::new();
    for (index, size) in sizes.into_iter().enumerate() {
        let word = text::name(&mut random);
        let (path, bytes) = match name {
            "tzdata" => {
                let zone = format!("{}/{word}{index}", random.pick(&AREAS));
                let path = format!("usr/share/zoneinfo/{zone}");
                layer.link(&format!("usr/share/zoneinfo/posix/{zone}"), &format!("../../{zone}"))?;
                if index % 3 == 2 {
                    layer.hard_link(&path, &last)?;
                    continue;
                }
                // Three files' size for the two that have their own.
                (path, binary::zone(&mut random, size * 3 / 2))
            }
            "ca-certificates" => {
                let path = format!("usr/share/ca-certificates/mozilla/{word}_{index}.crt");
                layer.link(&format!("etc/ssl/certs/{word}_{index}.pem"), &format!("/{path}"))?;
                layer.link(&format!("etc/ssl/certs/{}.0", random.hex(8)), &format!("{word}_{index}.pem"))?;
                (path, certificate(&mut random, size))
            }
            _ => {
                let (directory, style): (String, Style) = match (name, index % 3) {
                    ("perl-base", group) => {
                        (format!("{LIBRARIES}/perl-base/{}", ["unicore", "IO", "File"][group]), text::PERL)
                    }
                    (_, 0) => (format!("etc/{name}.d"), text::SHELL),
                    (_, 1) => (format!("usr/share/{name}"), text::DATA),
                    _ => (format!("usr/lib/{name}"), text::SHELL),
                };
                (format!("{directory}/{word}{index}"), text::write(&mut random, style, size))
            }
        };
        layer.file(&path, &bytes)?;
        last = path;
    }
    let copyright = text::write(&mut random, text::PROSE, 2500);
    layer.file(&format!("usr/share/doc/{name}/copyright"), &copyright)
}

const AREAS: [&str; 8] =
    ["Africa", "America", "Asia", "Atlantic", "Australia", "Europe", "Indian", "Pacific"];

fn program(
    layer: &mut Layer,
    random: &mut Random,
    package: &Package,
    index: usize,
    bytes: &[u8],
) -> io::Result<()> {
    let name = package.name;
    if !name.starts_with("lib") {
        let path = match index {
            0 => format!("usr/bin/{name}"),
            _ => format!("usr/bin/{name}-{}{index}", text::name(random)),
        };
        return layer.file(&path, bytes);
    }
    if package.programs.count > 3 {
        return layer.file(&format!("{LIBRARIES}/{name}/{}{index}.so", text::name(random)), bytes);
    }
    let stem = name.trim_end_matches(|character: char| !character.is_ascii_alphabetic());
    let short = match index {
        0 => format!("{stem}.so.{}", 1 + random.below(8)),
        _ => format!("{stem}-{}.so.1", text::name(random)),
    };
    let long = format!("{short}.{}.0", random.below(30));
    layer.file(&format!("{LIBRARIES}/{long}"), bytes)?;
    layer.link(&format!("{LIBRARIES}/{short}"), &long)
}

/// What dpkg keeps of a package beside its status.
fn register(layer: &mut Layer, package: &Package, paths: &[String]) -> io::Result<()> {
    let mut random = Random::of(&format!("info {}", package.name));
    let suffix = if package.multi_arch == "same" { ":amd64" } else { "" };
    let info = format!("var/lib/dpkg/info/{}{suffix}", package.name);
    let list: String = paths.iter().map(|path| format!("/{path}\n")).collect();
    layer.file(&format!("{info}.list"), format!("/.\n{list}").as_bytes())?;
    let sums: String = paths.iter().map(|path| format!("{}  {path}\n", random.hex(32))).collect();
    layer.file(&format!("{info}.md5sums"), sums.as_bytes())?;
    if package.section == "libs" {
        let size = 1000 + random.below(40_000);
        layer.file(&format!("{info}.symbols"), &text::write(&mut random, text::SYMBOLS, size))?;
        layer.file(&format!("{info}.triggers"), b"# Triggers\nactivate-noawait ldconfig\n")?;
    } else if random.below(2) == 0 {
        layer.file(&format!("{info}.postinst"), &text::write(&mut random, text::SHELL, 1800))?;
    }
    Ok(())
}

/// A certificate in PEM of about `size` bytes.
pub fn certificate(random: &mut Random, size: usize) -> Vec<u8> {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = b"-----BEGIN CERTIFICATE-----\n".to_vec();
    while out.len() + 90 < size {
        out.extend((0..64).map(|_| *random.pick(DIGITS)));
        out.push(b'\n');
    }
    out.extend_from_slice(b"-----END CERTIFICATE-----\n");
    out
}
