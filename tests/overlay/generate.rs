//! Random stacks, the same for the same number. Few names and few places, so that layers meet.

use super::stack::{Layer, Put, Stack, What};

/// SplitMix64: small, and the same on every machine.
pub struct Random(u64);

impl Random {
    /// The numbers of one stack of one seed.
    pub fn new(seed: u64, stack: u64) -> Self {
        let mut mixed = Self(seed);
        let start = mixed.next() ^ stack.wrapping_mul(0xd134_2543_de82_ef95);
        Self(start)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).unwrap()
    }

    /// True `percent` times in a hundred.
    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}

/// Names with a newline, a backslash, an escape's look, bytes that are no UTF-8, and one beside another in no order that
/// escaping keeps.
const NAMES: [&[u8]; 14] = [
    b"a",
    b"b",
    b"c",
    b"d",
    b"l",
    b"a b",
    b"n\nl",
    br"b\s",
    br"\xff",
    b"\xff\xfe",
    "é".as_bytes(),
    b".h",
    b"a.jar",
    b"_",
];

/// Directories where packages are, or that links make such.
const PLACES: [&str; 22] = [
    "",
    "opt",
    "opt/a",
    "data",
    "data/dpkg",
    "etc",
    "usr/lib",
    "var/lib",
    "var/lib/dpkg",
    "var/lib/dpkg/status.d",
    "var/lib/dpkg/info",
    "lib/apk/db",
    "usr/lib/apk/db",
    "app/node_modules",
    "app/node_modules/a",
    "app/node_modules/@s/b",
    "app/node_modules/a/node_modules/b",
    "opt/node_modules/a",
    "usr/lib/site-packages",
    "usr/lib/site-packages/six-1.dist-info",
    "usr/lib/site-packages/b.egg-info",
    "opt/six-1.dist-info",
];

/// Files where packages are, with the kind of contents that belongs there.
const FILES: [(&str, Fit); 19] = [
    ("var/lib/dpkg/status", Fit::Dpkg),
    ("data/dpkg/status", Fit::Dpkg),
    ("data/status", Fit::Dpkg),
    ("var/lib/dpkg/status.d/a", Fit::DpkgPart),
    ("var/lib/dpkg/status.d/b", Fit::DpkgPart),
    ("var/lib/dpkg/info/a.list", Fit::Plain),
    ("lib/apk/db/installed", Fit::Apk),
    ("usr/lib/apk/db/installed", Fit::Apk),
    ("etc/os-release", Fit::OsRelease),
    ("usr/lib/os-release", Fit::OsRelease),
    ("etc/debian_version", Fit::Version),
    ("app/node_modules/a/package.json", Fit::Node),
    ("app/node_modules/@s/b/package.json", Fit::Node),
    ("app/node_modules/a/node_modules/b/package.json", Fit::Node),
    ("opt/a/package.json", Fit::Node),
    ("usr/lib/site-packages/six-1.dist-info/METADATA", Fit::Python),
    ("usr/lib/site-packages/b.egg-info", Fit::Python),
    ("usr/lib/site-packages/b.egg-info/PKG-INFO", Fit::Python),
    ("opt/six-1.dist-info/METADATA", Fit::Python),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fit {
    Plain,
    Dpkg,
    DpkgPart,
    Apk,
    OsRelease,
    Version,
    Node,
    Python,
}

const FITS: [Fit; 8] =
    [Fit::Plain, Fit::Dpkg, Fit::DpkgPart, Fit::Apk, Fit::OsRelease, Fit::Version, Fit::Node, Fit::Python];

/// A stack of one to eight layers, seldom more; empty and repeated ones among them.
pub fn stack(random: &mut Random) -> Stack {
    let count = match random.below(20) {
        0 => 1,
        1 => 9 + random.below(8),
        2..8 => 2,
        _ => 3 + random.below(6),
    };
    let mut maker = Maker { hard_links: random.chance(50), known: Vec::new() };
    let mut layers: Vec<Layer> = Vec::new();
    for _ in 0..count {
        let layer = match random.below(20) {
            0 => Layer::new(),
            1 | 2 if !layers.is_empty() => random.pick(&layers).clone(),
            _ => {
                // All of a base image's places at once, or a few entries that change them.
                let entries = if random.chance(25) { 10 + random.below(20) } else { 1 + random.below(7) };
                (0..entries).map(|_| maker.put(random)).collect()
            }
        };
        layers.push(layer);
    }
    Stack(layers)
}

/// Makes the entries of one stack.
struct Maker {
    /// Whether there are hard links. The engine reads a file once, under its first name: then every file is such that its
    /// contents tell what it is, whatever its name.
    hard_links: bool,
    /// Paths of the entries so far.
    known: Vec<Vec<u8>>,
}

impl Maker {
    fn put(&mut self, random: &mut Random) -> Put {
        let (path, fit) = self.path(random);
        let (directory, name) = match path.iter().rposition(|byte| *byte == b'/') {
            Some(slash) => (path[..=slash].to_vec(), path[slash + 1..].to_vec()),
            None => (Vec::new(), path.clone()),
        };
        let put = match random.below(100) {
            0..12 => {
                Put { path: [&directory, b".wh.".as_slice(), &name].concat(), what: What::File(Vec::new()) }
            }
            12..18 => {
                Put { path: [&path, b"/.wh..wh..opq".as_slice()].concat(), what: What::File(Vec::new()) }
            }
            18..30 => Put { path: path.clone(), what: What::Directory },
            30..45 => Put { path: path.clone(), what: What::Link(self.target(random, &directory)) },
            45..54 if self.hard_links => {
                Put { path: path.clone(), what: What::HardLink(self.hard_target(random)) }
            }
            54..57 => Put { path: path.clone(), what: What::Pipe },
            // A file there would be in the way of much.
            _ if PLACES.iter().any(|place| place.as_bytes() == path) && random.chance(80) => {
                Put { path: path.clone(), what: What::Directory }
            }
            _ => Put { path: path.clone(), what: What::File(self.contents(random, fit)) },
        };
        self.known.push(path);
        Put { path: spelled(random, put.path), ..put }
    }

    /// A path, and what fits there: one that an entry had, something above or below one, or a new one.
    fn path(&self, random: &mut Random) -> (Vec<u8>, Fit) {
        let path = match random.below(13) {
            0..3 if !self.known.is_empty() => random.pick(&self.known).clone(),
            3 if !self.known.is_empty() => {
                let path = random.pick(&self.known);
                let slashes: Vec<usize> = (0..path.len()).filter(|at| path[*at] == b'/').collect();
                if slashes.is_empty() { path.clone() } else { path[..*random.pick(&slashes)].to_vec() }
            }
            4 if !self.known.is_empty() => {
                [random.pick(&self.known).as_slice(), b"/", *random.pick(&NAMES)].concat()
            }
            5 | 6 => {
                let place = random.pick(&PLACES).as_bytes();
                if place.is_empty() { b"opt".to_vec() } else { place.to_vec() }
            }
            7 => {
                let place = random.pick(&PLACES).as_bytes();
                let name = *random.pick(&NAMES);
                if place.is_empty() { name.to_vec() } else { [place, b"/", name].concat() }
            }
            _ => random.pick(&FILES).0.as_bytes().to_vec(),
        };
        let fit = FILES.iter().find(|(file, _)| file.as_bytes() == path).map(|(_, fit)| *fit);
        let fit = match fit {
            Some(fit) if self.hard_links || random.chance(85) => fit,
            None if self.hard_links => Fit::Plain,
            _ => *random.pick(&FITS),
        };
        (path, fit)
    }

    /// The target of a symbolic link: absolute, relative, through other links and directories, dangling, in a circle.
    fn target(&self, random: &mut Random, directory: &[u8]) -> Vec<u8> {
        let (to, _) = self.path(random);
        let depth = directory.iter().filter(|byte| **byte == b'/').count();
        match random.below(10) {
            0 => random
                .pick(&[b"/".as_slice(), b".", b"..", b"nowhere", b"/no/where", b"../../../../etc", b"//"])
                .to_vec(),
            1 => random.pick(&NAMES).to_vec(),
            2..5 => [b"../".repeat(depth), to].concat(),
            6 => [b"../".repeat(depth), to, random.pick(&[b"/".as_slice(), b"/.", b"/.."]).to_vec()].concat(),
            5 => [b"../".repeat(depth), random.pick(&PLACES).as_bytes().to_vec(), b"/../".to_vec(), to]
                .concat(),
            _ => [b"/".as_slice(), &to].concat(),
        }
    }

    fn hard_target(&self, random: &mut Random) -> Vec<u8> {
        // Mostly what is there: a hard link to nothing is refused.
        let to = match random.chance(85) && !self.known.is_empty() {
            true => random.pick(&self.known).clone(),
            false => self.path(random).0,
        };
        if random.chance(20) { [b"/".as_slice(), &to].concat() } else { to }
    }

    fn contents(&self, random: &mut Random, fit: Fit) -> Vec<u8> {
        if !self.hard_links && random.chance(6) {
            return random.pick(&[b"".as_slice(), b"rubbish\n", b"\xff\0{"]).to_vec();
        }
        let number = 1 + random.below(2);
        match fit {
            Fit::Plain => b"x".to_vec(),
            Fit::Dpkg => {
                let mut text = String::new();
                for name in ["a", "b", "libc6", "base-files", "gone"] {
                    if random.chance(60) || self.hard_links && name == "a" {
                        let state =
                            if name == "gone" { "deinstall ok config-files" } else { "install ok installed" };
                        let version = if random.chance(70) { 1 } else { 2 };
                        text += &format!(
                            "Package: {name}\nStatus: {state}\nArchitecture: amd64\nSource: src\nVersion: {version}\n\n"
                        );
                    }
                }
                text.into_bytes()
            }
            Fit::DpkgPart => {
                let name = random.pick(&["a", "b", "libc6"]);
                // Without a status, as distroless images have them, only its place tells what it is.
                let status =
                    if self.hard_links || random.chance(50) { "Status: install ok installed\n" } else { "" };
                format!("Package: {name}\n{status}Version: {number}\nArchitecture: amd64\n").into_bytes()
            }
            Fit::Apk => {
                let mut text = String::new();
                for name in ["musl", "zlib", "b"] {
                    if random.chance(60) || self.hard_links && name == "musl" {
                        text += &format!("C:Q1x=\nP:{name}\nV:{number}\nA:x86_64\no:src\n\n");
                    }
                }
                text.into_bytes()
            }
            Fit::OsRelease => random
                .pick(&[
                    "ID=debian\nVERSION_ID=\"12\"\nVERSION_CODENAME=bookworm\n",
                    "ID=debian\nVERSION_ID=\"11\"\n",
                    "NAME=Alpine\nID=alpine\nVERSION_ID=3.19.1\n",
                    "ID=arch\n",
                ])
                .as_bytes()
                .to_vec(),
            Fit::Version if self.hard_links => b"x".to_vec(),
            Fit::Version => random.pick(&["12.5\n", "11.9\n", "not one word\n"]).as_bytes().to_vec(),
            Fit::Node => {
                let name = random.pick(&["a", "b", "@s/b"]);
                match random.below(8) {
                    0 => format!("{{\"name\":\"{name}\"}}"),
                    1 => "{\"type\":\"module\"}".to_owned(),
                    _ => format!("{{\"name\":\"{name}\",\"version\":\"{number}.0.0\"}}"),
                }
                .into_bytes()
            }
            Fit::Python => {
                let name = random.pick(&["six", "b", "Zope.Interface"]);
                let fields = format!("Name: {name}\nVersion: {number}\n");
                // What does not start as the specification wants it is told by its name.
                let head = "Metadata-Version: 2.1\n";
                if self.hard_links || random.chance(80) { head.to_owned() + &fields } else { fields + head }
                    .into_bytes()
            }
        }
    }
}

/// The same path as another tool would write it.
fn spelled(random: &mut Random, path: Vec<u8>) -> Vec<u8> {
    match random.below(20) {
        0 => [b"./".as_slice(), &path].concat(),
        1 => [b"x/../".as_slice(), &path].concat(),
        2 => match path.iter().position(|byte| *byte == b'/') {
            Some(slash) => [&path[..slash], b"/./", &path[slash..]].concat(),
            None => path,
        },
        _ => path,
    }
}
