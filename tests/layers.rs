//! Layers read from bytes, and fragments merged: what no single module can show.

#![expect(clippy::unwrap_used, reason = "a test's helpers end the test")]

use std::io::Write;

use stella::{
    digest::Digest,
    inventory::{self, EntryKind, LockFiles},
    layer::{self, Analysed, Error, Expected, Fragment, Limits},
};

const ANY: Expected = Expected { blob: None, diff_id: None };

/// Entries of a tar, in order.
enum Put<'a> {
    File(&'a str, &'a str),
    Directory(&'a str),
    Link(&'a str, &'a str),
    Hard(&'a str, &'a str),
}
use Put::{Directory, File, Hard, Link};

fn tar(entries: &[Put<'_>]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for entry in entries {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o755);
        let (path, data, kind, target) = match entry {
            File(path, data) => (path, *data, tar::EntryType::Regular, None),
            Directory(path) => (path, "", tar::EntryType::Directory, None),
            Link(path, target) => (path, "", tar::EntryType::Symlink, Some(target)),
            Hard(path, target) => (path, "", tar::EntryType::Link, Some(target)),
        };
        header.set_entry_type(kind);
        header.set_size(data.len() as u64);
        // As written: the crate's own setters refuse what hostile layers hold.
        let name = &mut header.as_old_mut().name;
        name[..path.len()].copy_from_slice(path.as_bytes());
        if let Some(target) = target {
            header.as_old_mut().linkname[..target.len()].copy_from_slice(target.as_bytes());
        }
        header.set_cksum();
        builder.append(&header, data.as_bytes()).unwrap();
    }
    builder.into_inner().unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn analyse(bytes: &[u8]) -> Result<Analysed, Error> {
    layer::analyse(bytes, ANY, &Limits::default())
}

fn fragment(entries: &[Put<'_>]) -> Fragment {
    analyse(&tar(entries)).unwrap().fragment
}

fn paths(stack: &[Fragment]) -> Vec<String> {
    let stack: Vec<&Fragment> = stack.iter().collect();
    let entries = inventory::listing(&stack).unwrap();
    entries.into_iter().filter(|e| e.kind != EntryKind::Directory).map(|e| e.path).collect()
}

#[test]
fn every_compression_gives_the_same_fragment() {
    let plain = tar(&[File("etc/os-release", "ID=debian\nVERSION_ID=12\n"), Link("bin", "usr/bin")]);
    let (left, right) = plain.split_at(700);
    let forms = [
        plain.clone(),
        gzip(&plain),
        [gzip(left), gzip(b""), gzip(right)].concat(),
        zstd::encode_all(plain.as_slice(), 3).unwrap(),
        [zstd::encode_all(left, 3).unwrap(), zstd::encode_all(right, 3).unwrap()].concat(),
    ];
    for blob in &forms {
        let expected = Expected { blob: Some(Digest::of(blob)), diff_id: Some(Digest::of(&plain)) };
        let analysed = layer::analyse(blob.as_slice(), expected, &Limits::default()).unwrap();
        assert_eq!(analysed.fragment, analyse(&plain).unwrap().fragment);
        assert_eq!((analysed.blob, analysed.blob_bytes), (Digest::of(blob), blob.len() as u64));
    }
}

#[test]
fn a_forged_layer_is_named_with_both_digests() {
    let honest = tar(&[File("a", "honest")]);
    let forged = tar(&[File("a", "forged")]);
    for (blob, broken) in [(gzip(&honest), gzip(&forged)), (gzip(&honest), b"\x1f\x8b\x08rubbish".to_vec())] {
        let expected = Expected { blob: Some(Digest::of(&blob)), diff_id: Some(Digest::of(&honest)) };
        match layer::analyse(broken.as_slice(), expected, &Limits::default()) {
            Err(Error::Blob { expected, found }) => {
                assert_eq!((expected, found), (Digest::of(&blob), Digest::of(&broken)));
            }
            other => panic!("{other:?}"),
        }
    }
    let expected = Expected { blob: None, diff_id: Some(Digest::of(&honest)) };
    for broken in [forged.clone(), b"no tar at all".repeat(100)] {
        match layer::analyse(broken.as_slice(), expected, &Limits::default()) {
            Err(Error::DiffId { expected, found }) => {
                assert_eq!((expected, found), (Digest::of(&honest), Digest::of(&broken)));
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn what_stands_behind_the_end_is_hashed_wherever_a_buffer_ends() {
    // Tar writers fill up to 10 KiB with zeros; the reader's buffer ends anywhere in there.
    for blocks in 200..300 {
        let data = "x".repeat(512 * blocks);
        let mut tar = tar(&[File("a", &data)]);
        tar.resize(tar.len().next_multiple_of(10 << 10) + (10 << 10), 0);
        for bytes in [tar.clone(), gzip(&tar)] {
            assert_eq!(analyse(&bytes).unwrap().fragment.diff_id, Digest::of(&tar), "{blocks} blocks");
        }
    }
}

#[test]
fn what_engines_refuse_is_refused_by_name() {
    let whole = tar(&[File("a", "x"), File("b", "y")]);
    let mut lone_zero = whole.clone();
    lone_zero.splice(1024..1024, [0; 512]);
    for (bytes, words) in [
        (gzip(&whole)[..40].to_vec(), "gzip stream cannot be read"),
        ([gzip(&whole), b"rubbish behind the end".to_vec()].concat(), "gzip stream cannot be read"),
        (whole[..1100].to_vec(), "ends inside an entry"),
        (lone_zero, "single block of zeros"),
        (b"no tar at all".repeat(100), "checksum"),
        (b"BZh91AY".to_vec(), "bzip2 compression"),
        (tar(&[File("../../etc/passwd", "x")]), "leads out of the image"),
        (tar(&[File("/etc/passwd", "x")]), "absolute path"),
        (tar(&[File("d", "x"), File("d/e", "x")]), "not a directory"),
        (tar(&[Link("l", "l"), File("l/x", "x")]), "leads nowhere"),
        (tar(&[File("a", "x"), File(".wh.a", "")]), "do not agree"),
        (tar(&[File(".wh.d", ""), Directory("d")]), "do not agree"),
        (tar(&[File(".wh..wh..opq", "")]), "opaque marker in the root"),
        (tar(&[File(".wh.", "")]), "whiteout prefix"),
        (tar(&[Directory("d"), Hard("h", "d")]), "hard link to a directory"),
        (tar(&[Directory("d"), Link("l", "d"), File("l/.wh.a", "")]), "through a link"),
        (tar(&[Directory("d"), Link("l", "d"), File("l/new/.wh.a", "")]), "through a link"),
        (tar(&[File("f", ""), Link("l", "f/../d"), File("l/x", "")]), "not a directory"),
    ] {
        let error = analyse(&bytes).unwrap_err().to_string();
        assert!(error.contains(words), "{error:?} should say {words:?}");
    }
}

#[test]
fn limits_are_named() {
    let many: Vec<String> = (0..50).map(|n| format!("f{n}")).collect();
    let entries: Vec<Put<'_>> = many.iter().map(|name| File(name, STATUS)).collect();
    let bytes = tar(&entries);
    let standard = Limits::default;
    for (limits, name) in [
        (Limits { layer_entries: 20, ..standard() }, "layer entries"),
        (Limits { layer_names_bytes: 20, ..standard() }, "layer names"),
        (Limits { layer_size_bytes: 4000, ..standard() }, "layer size"),
        (Limits { path_bytes: 1, ..standard() }, "path length"),
        (Limits { layer_packages: 20, ..standard() }, "layer packages"),
        (Limits { layer_package_text_bytes: 20, ..standard() }, "layer package text"),
    ] {
        let error = layer::analyse(gzip(&bytes).as_slice(), ANY, &limits).unwrap_err().to_string();
        assert!(error.contains(&format!("`{name}`")), "{error}");
    }
    let limits = Limits { database_bytes: 5, ..standard() };
    let fragment = layer::analyse(bytes.as_slice(), ANY, &limits).unwrap().fragment;
    assert_eq!(fragment.unread.len(), 50);
    let encoded = fragment.encode().unwrap();
    assert_eq!(Fragment::decode(&encoded, &standard()).unwrap(), fragment);
    let small = Limits { fragment_bytes: 10, ..standard() };
    assert!(Fragment::decode(&encoded, &small).unwrap_err().to_string().contains("`fragment size`"));
}

#[test]
fn layers_stack_as_overlayfs_stacks_them() {
    let base = || {
        fragment(&[
            Directory("d"),
            File("d/a", "1"),
            File("d/b", "1"),
            Directory("e"),
            File("e/x", "1"),
            Link("s", "d"),
            File("f", "1"),
        ])
    };
    for (name, upper, want) in [
        ("whiteout", vec![File("d/.wh.a", "")], vec!["d/b", "e/x", "f", "s"]),
        (
            "opaque after its siblings",
            vec![File("d/c", ""), File("d/.wh..wh..opq", "")],
            vec!["d/c", "e/x", "f", "s"],
        ),
        ("directory in place of a link", vec![File("s/n", "")], vec!["d/a", "d/b", "e/x", "f", "s/n"]),
        ("file in place of a directory", vec![File("d", "")], vec!["d", "e/x", "f", "s"]),
        ("whiteout of a directory", vec![File(".wh.d", "")], vec!["e/x", "f", "s"]),
        (
            "link of the same layer",
            vec![Directory("e"), Link("l", "e"), File("l/y", "")],
            vec!["d/a", "d/b", "e/x", "e/y", "f", "l", "s"],
        ),
    ] {
        assert_eq!(paths(&[base(), fragment(&upper)]), want, "{name}");
    }
}

const STATUS: &str = "Package: NAME\nStatus: install ok installed\nArchitecture: amd64\nVersion: VERSION\n\n";

fn status(packages: &[(&str, &str)]) -> String {
    packages.iter().map(|(name, version)| STATUS.replace("NAME", name).replace("VERSION", version)).collect()
}

/// `(name, version, layer)` of every package.
fn packages(stack: &[Fragment]) -> Vec<(String, String, usize)> {
    let stack: Vec<&Fragment> = stack.iter().collect();
    let merged = inventory::merge(&stack, LockFiles::Reported).unwrap();
    assert_eq!(merged.skipped, []);
    merged.packages.into_iter().map(|p| (p.package.name, p.package.version, p.layer)).collect()
}

fn at(name: &str, version: &str, layer: usize) -> (String, String, usize) {
    (name.to_owned(), version.to_owned(), layer)
}

#[test]
fn a_package_belongs_to_the_start_of_its_last_unbroken_presence() {
    let db = |list: &[(&str, &str)]| fragment(&[File("var/lib/dpkg/status", &status(list))]);
    let stack = [
        db(&[("a", "1"), ("b", "1"), ("c", "1")]),
        db(&[("a", "1"), ("b", "2")]),
        db(&[("a", "1"), ("b", "2"), ("c", "1")]),
    ];
    assert_eq!(packages(&stack), [at("a", "1", 0), at("b", "2", 1), at("c", "1", 2)]);
}

#[test]
fn a_database_behind_a_link_of_another_layer() {
    let stack = [
        fragment(&[Directory("data"), Link("var/lib/dpkg", "/data/dpkg")]),
        fragment(&[File("data/dpkg/status", &status(&[("a", "1")]))]),
        fragment(&[File("data/elsewhere", &status(&[("b", "1")]))]),
        fragment(&[Link("data/dpkg/status", "../elsewhere")]),
    ];
    assert_eq!(packages(&stack[..2]), [at("a", "1", 1)]);
    assert_eq!(packages(&stack), [at("b", "1", 3)]);
}

#[test]
fn metadata_goes_with_its_directory() {
    let wheel = |name: &str, version: &str| {
        (
            format!("lib/{name}-{version}.dist-info/METADATA"),
            format!("Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n\n"),
        )
    };
    let (path, data) = wheel("six", "1.12.0");
    let base = || {
        fragment(&[
            File(&path, &data),
            File("app/node_modules/a/package.json", r#"{"name":"a","version":"1.0.0"}"#),
        ])
    };
    assert_eq!(packages(&[base()]), [at("six", "1.12.0", 0), at("a", "1.0.0", 0)]);
    // The same bytes again are no new package; an opaque directory that brings them again neither.
    assert_eq!(packages(&[base(), base()]), packages(&[base()]));
    let again = fragment(&[File("lib/.wh..wh..opq", ""), File(&path, &data)]);
    assert_eq!(packages(&[base(), again]), packages(&[base()]));
    let gone = fragment(&[File("lib", "a file now"), File("app/node_modules/.wh.a", "")]);
    assert_eq!(packages(&[base(), gone]), []);
    let moved = fragment(&[
        Hard("keep/six-1.12.0.dist-info/METADATA", &path),
        File("lib/.wh.six-1.12.0.dist-info", ""),
    ]);
    assert_eq!(packages(&[base(), moved])[0], at("six", "1.12.0", 1));
    let itself = fragment(&[Hard(&path, &path)]);
    assert_eq!(packages(&[base(), itself]), packages(&[base()]));
}

#[test]
fn a_package_hard_linked_from_a_store_is_seen() {
    let package = r#"{"name":"lodash","version":"4.17.4"}"#;
    let path = "srv/node_modules/lodash/package.json";
    let stored = fragment(&[File("root/store/00/abc", package), Hard(path, "root/store/00/abc")]);
    assert_eq!(packages(&[stored]), [at("lodash", "4.17.4", 0)]);
    // What Node reads and we cannot is said, wherever a link leads to it.
    let twice = fragment(&[
        File("opt/a/package.json", r#"{"name":"a","version":"1","version":"2"}"#),
        Link("app/node_modules/a", "/opt/a"),
    ]);
    assert_eq!(inventory::merge(&[&twice], LockFiles::Reported).unwrap().skipped[0].name, "package-metadata");
}

#[test]
fn a_database_that_is_none_is_not_a_clean_image() {
    let layer = fragment(&[File("var/lib/dpkg/status", "rubbish\n")]);
    let merged = inventory::merge(&[&layer], LockFiles::Reported).unwrap();
    assert_eq!(merged.skipped[0].name, "package-database");
    let backup = fragment(&[
        File("var/lib/dpkg/status-old", &status(&[("a", "1")])),
        Link("var/lib/dpkg/status", "status-old"),
    ]);
    assert_eq!(inventory::merge(&[&backup], LockFiles::Reported).unwrap().skipped.len(), 1);
    // A link makes a file of another kind of it.
    for (path, data) in
        [("var/lib/dpkg/status", r#"{"name":"a","version":"1"}"#), ("etc/os-release", "P:musl\nV:1\n")]
    {
        let layer = fragment(&[File("data/x", data), Hard(path, "data/x")]);
        let skipped = inventory::merge(&[&layer], LockFiles::Reported).unwrap().skipped;
        assert_eq!((skipped.len(), skipped[0].what.as_str()), (1, path));
    }
}

#[test]
fn a_file_is_what_its_place_makes_of_it_however_the_entry_is_spelled() {
    // Without a status, its place alone tells what it is.
    let part = "Package: a\nVersion: 1\n";
    for entries in [
        vec![File("var/lib/dpkg/./status.d//a", part)],
        vec![Directory("var/lib/dpkg/status.d"), Link("l", "/var/lib/dpkg/status.d"), File("l/a", part)],
        vec![Directory("var/lib"), Link("l", "var/lib"), File("l/dpkg/status.d/a", part)],
    ] {
        assert_eq!(packages(&[fragment(&entries)]), [at("a", "1", 0)]);
    }
}

#[test]
fn a_system_whose_packages_are_not_read_is_not_a_clean_image() {
    let alpine = "C:Q1x=\nP:musl\nV:1.2.4-r2\nA:x86_64\n\n";
    for (entries, what) in [
        (
            vec![File("etc/os-release", "ID=rocky\nVERSION_ID=8.5\n"), File("var/lib/rpm/Index.db", "x")],
            vec!["rocky 8.5", "var/lib/rpm/Index.db"],
        ),
        (
            vec![File("etc/os-release", "ID=arch\n"), Directory("var/lib/pacman/local/a-1")],
            vec!["arch", "var/lib/pacman/local/a-1"],
        ),
        (vec![File("var/lib/rpm/.rpm.lock", "")], vec![]),
        (vec![File("etc/os-release", "ID=alpine\n"), File("lib/apk/db/installed", "")], vec!["alpine"]),
        (vec![File("etc/os-release", "ID=alpine\n"), File("lib/apk/db/installed", alpine)], vec![]),
    ] {
        let layer = fragment(&entries);
        let skipped = inventory::merge(&[&layer], LockFiles::Reported).unwrap().skipped;
        assert!(skipped.iter().all(|skipped| skipped.name == "package-database"));
        assert_eq!(skipped.iter().map(|skipped| skipped.what.as_str()).collect::<Vec<_>>(), what);
    }
}

#[test]
fn a_file_of_status_d_is_a_package() {
    let part = |name: &str, version: &str| format!("Package: {name}\nVersion: {version}\n");
    let (a, a2, b) = (part("a", "1"), part("a", "2"), part("b", "1"));
    let at_d = |name: &str| format!("var/lib/dpkg/status.d/{name}");
    let stack = [
        fragment(&[File(&at_d("a"), &a), File(&at_d("b"), &b)]),
        fragment(&[File(&at_d("a"), &a2)]),
        fragment(&[File(&at_d("b"), &b), Link(&at_d("c"), "b")]),
    ];
    assert_eq!(packages(&stack), [at("a", "2", 1), at("b", "1", 0)]);
    let moved = fragment(&[File(&at_d("moved"), &b), File(&at_d(".wh.b"), "")]);
    assert_eq!(packages(&[fragment(&[File(&at_d("b"), &b)]), moved]), [at("b", "1", 0)]);
}

#[test]
fn a_file_of_a_system_package_is_that_package() {
    let six = "lib/python3/dist-packages/six-1.16.0.egg-info";
    let metadata = "Metadata-Version: 2.1\nName: six\nVersion: 1.16.0\n\n";
    let database = || status(&[("python3-six", "1.16.0-4")]);
    let list = ("var/lib/dpkg/info/python3-six.list", format!("/.\n/usr/lib\n/{six}\n"));
    let system = || {
        fragment(&[
            File("var/lib/dpkg/status", &database()),
            File(list.0, &list.1),
            File(six, metadata),
            File("srv/node_modules/a/package.json", r#"{"name":"a","version":"1.0.0"}"#),
        ])
    };
    let identities = |stack: &[Fragment]| {
        let stack: Vec<&Fragment> = stack.iter().collect();
        let merged = inventory::merge(&stack, LockFiles::Reported).unwrap();
        let names = merged.packages.into_iter().flat_map(|package| package.identities);
        names.map(|package| package.name).collect::<Vec<_>>()
    };
    let both = [at("python3-six", "1.16.0-4", 0), at("a", "1.0.0", 0)];
    assert_eq!(packages(&[system()]), both);
    assert_eq!(identities(&[system()]), ["six"]);
    // Touched by a later layer, it is whose it was.
    assert_eq!(packages(&[system(), fragment(&[File(six, metadata)])]), both);
    // A later layer's word that a file of its own came with an older package is not believed.
    let forged = fragment(&[
        File("srv/node_modules/b/package.json", r#"{"name":"b","version":"1.0.0"}"#),
        File(list.0, "/srv/node_modules/b/package.json\n"),
    ]);
    assert!(packages(&[system(), forged]).contains(&at("b", "1.0.0", 1)));
    // Nor is a list of a package that is not there.
    let lone = [
        File("var/lib/dpkg/info/other.list", "/lib/python3/dist-packages/six-1.16.0.egg-info\n"),
        File(six, metadata),
    ];
    assert_eq!(identities(&[fragment(&lone)]), [""; 0]);
    // Nor does a list speak of a lower layer's file: counted twice, and matched as both.
    let apart = [
        fragment(&[File(six, metadata)]),
        fragment(&[File("var/lib/dpkg/status", &database()), File(list.0, &list.1)]),
    ];
    assert_eq!(packages(&apart), [at("python3-six", "1.16.0-4", 1), at("six", "1.16.0", 0)]);
    assert_eq!(identities(&apart), [""; 0]);
}

#[test]
fn lock_files_are_counted_in_a_directory_and_reported_in_an_image() {
    let lock = "version = 4\n\n[[package]]\nname = \"libc\"\nversion = \"0.2.1\"\n";
    let layer = fragment(&[
        File("app/Cargo.lock", lock),
        File("app/node_modules/x/Cargo.lock", lock),
        File("srv/Cargo.lock", "rubbish ["),
    ]);
    let names = |lock_files| {
        let merged = inventory::merge(&[&layer], lock_files).unwrap();
        let locks: Vec<_> =
            merged.lock_files.iter().map(|lock| (lock.path.as_str(), lock.packages)).collect();
        assert_eq!(locks, [("app/Cargo.lock", 1), ("app/node_modules/x/Cargo.lock", 1)]);
        let paths = merged.packages.into_iter().flat_map(|package| package.paths);
        let skipped = merged.skipped.into_iter().map(|skipped| skipped.what);
        (paths.collect::<Vec<_>>(), skipped.collect::<Vec<_>>())
    };
    let none = Vec::<String>::new;
    assert_eq!(names(LockFiles::Reported), (none(), none()));
    assert_eq!(
        names(LockFiles::Counted),
        (vec!["app/Cargo.lock".to_owned()], vec!["srv/Cargo.lock".to_owned()])
    );
}

#[test]
fn what_a_directory_asks_for_has_versions_or_is_spoken_of() {
    let asks = r#"{"name": "a", "dependencies": {"b": "^1"}}"#;
    let cargo = "[dependencies]\nlibc = \"0.2\"\n";
    let pom = "<project><dependencies><dependency><groupId>g</groupId><artifactId>a</artifactId></dependency></dependencies></project>";
    let layer = fragment(&[
        File("web/package.json", asks),
        File("locked/package.json", asks),
        File("locked/yarn.lock", "# yarn lockfile v1\n"),
        File("locked/packages/own/package.json", asks),
        File("installed/package.json", asks),
        File("installed/node_modules/b/package.json", asks),
        File("rust/Cargo.toml", cargo),
        File("rust/member/Cargo.toml", cargo),
        File("rust/vendor/b/Cargo.toml", cargo),
        File("rust/src/testdata/b/Cargo.toml", cargo),
        File("tool/fixtures/requirements.txt", "requests\n"),
        File("quiet/package.json", r#"{"name": "a"}"#),
        File("quiet/pyproject.toml", "[tool.black]\nline-length = 99\n"),
        File("py/pyproject.toml", "[project]\ndependencies = [\"requests\"]\n"),
        File("tool/requirements.txt", "requests\nflask>=2\nsix==1.16.0\n"),
        File("java/pom.xml", pom),
        File("deno/npm/registry.npmjs.org/b/1.0.0/package.json", asks),
    ]);
    let skipped = |lock_files| {
        let skipped = inventory::merge(&[&layer], lock_files).unwrap().skipped.into_iter();
        skipped.map(|skipped| format!("{} {}", skipped.name, skipped.what)).collect::<Vec<_>>()
    };
    assert_eq!(
        skipped(LockFiles::Counted),
        [
            "manifest-without-lock py/pyproject.toml",
            "manifest-without-lock rust/Cargo.toml",
            "manifest-without-lock rust/member/Cargo.toml",
            "manifest-without-lock web/package.json",
            "unpinned java/pom.xml",
            "unpinned tool/requirements.txt",
        ]
    );
    assert_eq!(skipped(LockFiles::Reported), [""; 0]);
}

#[test]
fn go_sum_counts_where_go_mod_leaves_modules_out() {
    let sum = "a.org/x v1.0.0 h1:a=\na.org/y v1.0.0 h1:b=\n";
    for (language, want) in [("1.17", vec!["a.org/x"]), ("1.16", vec!["a.org/x", "a.org/y"])] {
        let module = format!("module a.org/m\n\ngo {language}\n\nrequire a.org/x v1.0.0\n");
        let layer = fragment(&[File("go.mod", &module), File("go.sum", sum)]);
        let merged = inventory::merge(&[&layer], LockFiles::Counted).unwrap();
        assert_eq!(merged.packages.iter().map(|one| one.package.name.as_str()).collect::<Vec<_>>(), want);
        assert_eq!(merged.lock_files.len(), 2);
    }
}

#[test]
fn links_cost_what_they_are_and_no_more() {
    // A directory of many packages, reached by many names: each is one look.
    let many: Vec<(String, String)> =
        (0..300).map(|n| (format!("opt/m/p{n}"), format!("d{n}/node_modules"))).collect();
    let entries: Vec<Put<'_>> =
        many.iter().flat_map(|(package, link)| [Directory(package), Link(link, "/opt/m")]).collect();
    assert_eq!(packages(&[fragment(&entries)]), []);
    // Links through forty others, each of many components.
    let long = "x/../".repeat(19);
    let chain: Vec<(String, String)> =
        (0..35).map(|n| (format!("c{n}"), format!("{long}c{}", n + 1))).collect();
    let users: Vec<String> = (0..8000).map(|n| format!("u/{n}/node_modules")).collect();
    let mut entries = vec![Directory("x"), Directory("c35")];
    entries.extend(chain.iter().map(|(name, target)| Link(name, target)));
    entries.extend(users.iter().map(|name| Link(name, "/c0")));
    let error = inventory::merge(&[&fragment(&entries)], LockFiles::Reported).unwrap_err().to_string();
    assert!(error.contains("`merge steps`"), "{error}");
}
