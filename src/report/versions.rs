//! Paths without what the next release changes in them.

use std::borrow::Cow;

/// What stands where a version was.
const VERSION: &str = "VERSION";
/// Words that are a version wherever a number follows: `v2`, `r123`, `SR1`.
const MARKS: [&str; 8] = ["v", "r", "rc", "sr", "alpha", "beta", "build", "rev"];
/// Words that belong to the version before them: `1.0.SNAPSHOT`, `2rc1`.
const STAGES: [&str; 21] = [
    "alpha", "beta", "build", "cr", "dev", "dirty", "ea", "esr", "final", "ga", "hotfix", "lts", "nightly",
    "post", "pre", "preview", "rc", "release", "rev", "snapshot", "sp",
];
/// Those that do so only with a number, because alone they are the name of something: `1.0b2`, `8u402`, `2024w01`.
const NUMBERED: [&str; 15] =
    ["a", "b", "c", "deb", "el", "fc", "git", "m", "p", "patch", "r", "u", "ubuntu", "v", "w"];
/// Names that look like a commit.
const NAMES: [&str; 1] = ["ed25519"];
/// Words behind a version that tell files of one release apart: what for, for which machine, in which form.
const KINDS: [&str; 46] = [
    "aarch",
    "aarch64",
    "all",
    "amd64",
    "any",
    "arm",
    "arm64",
    "armel",
    "armhf",
    "armv6",
    "armv7",
    "armv7l",
    "i386",
    "i586",
    "i686",
    "loong64",
    "noarch",
    "ppc64",
    "ppc64el",
    "ppc64le",
    "riscv64",
    "s390x",
    "x64",
    "x86",
    "darwin",
    "gnu",
    "linux",
    "macos",
    "musl",
    "osx",
    "universal2",
    "win32",
    "win64",
    "windows",
    "bin",
    "doc",
    "javadoc",
    "sources",
    "src",
    "test",
    "tests",
    "7z",
    "bz2",
    "info",
    "lz4",
    "mp3",
];

/// A path without the versions in it, which stays the same from release to release: `app-1.0.0-rc.1.jar` is `app-VERSION.jar`.
///
/// The words of each part are parted by every sign that is neither letter nor digit. A version begins with
///
/// - a number: `app-41.jar`, `postgresql/15/bin`; but for the one of `x86_64`;
/// - a number with a word that counts releases: `v2`, `r123`, `2rc1`, `8u402`, `2024a`;
/// - a number with full stops, glued to a name: `python3.11` is `pythonVERSION`; or one of six digits and more;
/// - a commit, a digest or a UUID: hexadecimal, letters and digits mixed, or of eight digits; `g2414721`, as `git describe`
///   writes it; a digest as Nix writes it.
///
/// Whatever follows in the part belongs to it, `1.0.0-canary-abc123+def`, but for what tells files of one release apart at the
/// end: `-linux-x86_64`, `-sources`, `.tar.gz`. One that the part begins with stands before a name, so that it lasts only as long
/// as there are numbers, `2026-01-15-backup`.
///
/// It is a trade. A short number glued to a name stays, because it mostly belongs to it and a reader has to know the file again:
/// `lib64`, `log4j2`, `sha256`, `jdk17`. So a release that changes just that is another path. And paths that only a version or
/// what follows it tells apart become one: both files then stand in one alert.
pub fn without_versions(path: &str) -> Cow<'_, str> {
    if !path.split(is_sign).any(|word| word.contains(is_digit) || is_digest(word)) {
        return path.into();
    }
    let mut out = String::with_capacity(path.len());
    for part in path.split_inclusive('/') {
        add_part(part, &mut out);
    }
    out.into()
}

/// Adds a part of a path, without its versions.
fn add_part(part: &str, out: &mut String) {
    let pieces: Vec<_> = part.split_inclusive(is_sign).collect();
    let word = |at: usize| pieces.get(at).map_or("", |piece| piece.trim_end_matches(is_sign));
    let sign = |at: usize| &pieces[at][word(at).len()..];
    let before = |at: usize| at.checked_sub(1).map_or("", word);
    let version = |at: usize| {
        let has_fraction = sign(at) == "." && word(at + 1).starts_with(is_digit);
        if is_half_of_machine(before(at), word(at)) { None } else { version(word(at), has_fraction) }
    };
    let belongs =
        |at: usize| is_one(word(at), &STAGES) || is_of_uuid(word(at)) || word(at).contains(is_digit);
    let mut at = 0;
    while at < pieces.len() {
        let Some(start) = version(at) else {
            out.push_str(pieces[at]);
            at += 1;
            continue;
        };
        out.push_str(&word(at)[..start]);
        out.push_str(VERSION);
        // What tells files apart begins with the sign before it.
        let is_first = (0..at).all(|at| word(at).is_empty()) && start == 0;
        let last = if is_first {
            (at + 1..pieces.len()).find(|at| !belongs(*at)).unwrap_or(pieces.len()) - 1
        } else {
            let tells = |at: &usize| {
                let is_extension = sign(at - 1) == "." && is_extension(word(*at));
                word(*at).is_empty() || is_extension || is_kind(before(*at), word(*at))
            };
            (at + 1..pieces.len()).rev().take_while(tells).last().unwrap_or(pieces.len()) - 1
        };
        out.push_str(sign(last));
        at = last + 1;
        if !is_first {
            out.extend(pieces[at..].iter().copied());
            return;
        }
    }
}

/// Where in a word a version begins that lasts to its end.
fn version(word: &str, has_fraction: bool) -> Option<usize> {
    if word.is_empty() || NAMES.contains(&word) {
        return None;
    }
    let name = word.trim_end_matches(is_digit);
    if name.is_empty() || is_release(word) || is_digest(word) {
        return Some(0);
    }
    if has_fraction && name.len() < word.len() {
        return Some(name.len());
    }
    let is_long = |start: &usize| {
        word.len() >= start + 6 && word.as_bytes()[*start..start + 6].iter().all(u8::is_ascii_digit)
    };
    (0..word.len()).find(is_long)
}

/// A mark with its number, a number with its stage, or both; a year with a letter.
fn is_release(word: &str) -> bool {
    let number = word.trim_start_matches(|c: char| c.is_ascii_alphabetic());
    let mark = &word[..word.len() - number.len()];
    let is_of_year = || number.len() == 5 && number[..4].bytes().all(|byte| byte.is_ascii_digit());
    number.starts_with(is_digit)
        && (mark.is_empty() || is_one(mark, &MARKS))
        && (is_stage(number) || mark.is_empty() && is_of_year())
}

/// Numbers, stages and letters that count, to the end of the word.
fn is_stage(word: &str) -> bool {
    let mut rest = word.trim_start_matches(is_digit);
    while !rest.is_empty() {
        let (name, number) = rest.split_at(rest.find(is_digit).unwrap_or(rest.len()));
        rest = number.trim_start_matches(is_digit);
        if !(is_one(name, &STAGES) || !number.is_empty() && is_one(name, &NUMBERED)) {
            return false;
        }
    }
    true
}

/// Of a commit, short or whole, or of a file: by SHA-1, SHA-256 or anything between. Of letters alone, of eight.
fn is_digest(word: &str) -> bool {
    let is_of_git = |word: &str| (7..=64).contains(&word.len()) && is_hexadecimal(word);
    let is_of_nix =
        || word.len() == 32 && word.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_lowercase());
    if !word.contains(is_digit) {
        return word.len() == 8 && is_hexadecimal(word);
    }
    is_of_git(word.strip_prefix('g').unwrap_or(word)) || is_of_nix()
}

/// The parts in the middle of 8-4-4-4-12 digits; the others are digests by themselves.
fn is_of_uuid(word: &str) -> bool {
    word.len() == 4 && is_hexadecimal(word)
}

/// `.jar`, `.tar.gz`; what is of a version is none: `.Final`, `.deadbeef`.
fn is_extension(word: &str) -> bool {
    word.bytes().all(|byte| byte.is_ascii_alphabetic()) && !is_one(word, &STAGES) && !is_digest(word)
}

fn is_kind(before: &str, word: &str) -> bool {
    is_one(word, &KINDS) || is_half_of_machine(before, word)
}

/// The number of `x86_64` and `aarch_64`.
fn is_half_of_machine(before: &str, word: &str) -> bool {
    word == "64" && matches!(before, "x86" | "aarch")
}

fn is_hexadecimal(word: &str) -> bool {
    word.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn is_one(word: &str, words: &[&str]) -> bool {
    words.iter().any(|one| one.eq_ignore_ascii_case(word))
}

fn is_sign(c: char) -> bool {
    c.is_ascii() && !c.is_ascii_alphanumeric()
}

fn is_digit(c: char) -> bool {
    c.is_ascii_digit()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lose_their_versions() {
        for (path, want) in [
            ("app/app-1.0.0.jar", "app/app-VERSION.jar"),
            ("a-2.0rc1/b-1.0.Final.jar", "a-VERSION/b-VERSION.jar"),
            (
                "lib/python3.11/site-packages/urllib3-1.23.dist-info/METADATA",
                "lib/pythonVERSION/site-packages/urllib3-VERSION.dist-info/METADATA",
            ),
            ("usr/lib/x86_64-linux-gnu/libssl.so.1.1", "usr/lib/x86_64-linux-gnu/libssl.so.VERSION"),
            ("opt/tool_1.2-3_amd64.deb", "opt/tool_VERSION_amd64.deb"),
            (".pnpm/@a+b@1.2.3_c@4.5/node_modules", ".pnpm/@a+b@VERSION/node_modules"),
            ("log4j-1.2-api-2.17.1-sources.jar", "log4j-VERSION-sources.jar"),
            ("2026-01-15-app-1.0-edge.tar.gz", "VERSION-app-VERSION.tar.gz"),
            ("netty-4.1.1.Final-linux-x86_64.jar", "netty-VERSION-linux-x86_64.jar"),
            (".1.0/-2-a", ".VERSION/-VERSION-a"),
            ("jre1.8.0_402-b06/lib", "jreVERSION/lib"),
            ("1.2.3", "VERSION"),
            ("日本-1.2-é1.2/ü20260101é", "日本-VERSION/üVERSION"),
            ("/a//1--b/", "/a//VERSION--b/"),
            ("1-", "VERSION-"),
            ("", ""),
        ] {
            assert_eq!(without_versions(path), want);
        }
    }

    #[test]
    fn releases_have_one_path() {
        for (old, new) in [
            ("app-41.jar", "app-42.jar"),
            ("app-9.jar", "app-10.jar"),
            ("opt/app/9/app.jar", "opt/app/10/app.jar"),
            ("app-1.0.jar", "app-1.0.1.jar"),
            ("app-1.0-beta-2.jar", "app-1.0.jar"),
            ("app-1.0.0-rc.1.jar", "app-1.0.0.jar"),
            ("app-1.0.0.RC2.jar", "app-1.0.0.Final.jar"),
            ("app-1.0-SNAPSHOT.jar", "app-1.0-20260101.120000-3.jar"),
            ("app-2026-01-15.tar", "app-2026-11-02.tar"),
            ("app-20260101.tar", "app-20260202.tar"),
            ("app20260101.tar", "app20260202.tar"),
            ("app-20260101T120000Z.tar", "app-20260202T130000Z.tar"),
            ("app-1.2.3.jar", "app-1.2.3-14-g2414721.jar"),
            ("app-1.2.3-14-g2414721-dirty.jar", "app-1.3.0-1-g3f2a9bc.jar"),
            ("app-2414721.jar", "app-3f2a9bc.jar"),
            ("app/3F2A9BC/main", "app/b7e23ec29af22b0b4e41da31e868d57226121c84/main"),
            (
                "app/550e8400-e29b-41d4-a716-446655440000/main",
                "app/6ba7b810-9dad-11d1-80b4-00c04fd430c8/main",
            ),
            (
                "nix/store/2bcv91i8fahqghn8dmyr791iaycbsjdd-app-1.2/bin",
                "nix/store/7n3vbbjqjkzv5xzp0hxkgmqhxqlkgd1v-app-1.3/bin",
            ),
            ("openssl-1.1.1w/lib", "openssl-1.1.1t/lib"),
            ("app-1.0+git3.jar", "app-1.0+git4.jar"),
            ("app-1.0+build.17.jar", "app-1.0+build.18.jar"),
            ("app-build.17.jar", "app-build.18.jar"),
            ("app-build17.jar", "app-build18.jar"),
            ("v1/app", "v2/app"),
            ("app_v1.js", "app_v2.js"),
            ("app-v1.2.js", "app-1.3.js"),
            ("app-r123.js", "app-r124.js"),
            ("app-rc1.js", "app-rc2.js"),
            ("app_1.0-3ubuntu2.deb", "app_1.0-4.deb"),
            ("app-1.0-1.el9.x86_64.rpm", "app-1.1-2.el9.x86_64.rpm"),
            ("jdk-8u402-b06/lib", "jdk-8u412-b08/lib"),
            ("firefox-115.0esr/omni.ja", "firefox-128.1esr/omni.ja"),
            ("lib/python3.9/a", "lib/python3.13/a"),
            ("app-1.0.0+abc", "app-1.0.0+abd"),
            ("app@1.0.0-canary-abc123", "app@1.0.0-canary-def456"),
            ("app-1.0.0-edge", "app-1.1.0-stable"),
            ("app-1.0.0-1-gabcdefa", "app-1.0.0"),
            ("app.deadbeef", "app.a41d8cd0"),
            ("app.deadbeef.js", "app.a41d8cd0.js"),
            ("app-2023b", "app-2024a"),
            ("app-2024w01", "app-2024w02"),
            ("Hoxton.SR1", "Hoxton.SR2"),
            ("v1beta1/app", "v1/app"),
            ("app-1.0-edge.1-linux-arm64.tar.gz", "app-1.1-linux-arm64.tar.gz"),
            (".pnpm/a@1.0_b@2.0/a", ".pnpm/a@1.0_b@2.1/a"),
        ] {
            assert_eq!(without_versions(old), without_versions(new));
        }
    }

    #[test]
    fn other_files_have_other_paths() {
        for (one, other) in [
            ("app-1.0.jar", "app-1.0.war"),
            ("app-1.0.jar", "app-1.0-sources.jar"),
            ("app-1.0.jar", "api-1.0.jar"),
            ("app-1.0.tar.bz2", "app-1.0.tar.lz4"),
            ("app_1.0.deb", "app_1.0"),
            ("app-1.0.patch", "app-1.0"),
            ("app_1.0_amd64.deb", "app_1.0_arm64.deb"),
            ("app-1.0-i386", "app-1.0-x86_64"),
            ("app-1.0-linux-x86_64.jar", "app-1.0-linux-aarch_64.jar"),
            ("app-1.0-edge.jar", "app-1.0-edge.war"),
            ("2026-01-15-app.tar", "2026-01-15-api.tar"),
            (
                "store/2bcv91i8fahqghn8dmyr791iaycbsjdd-app-1.2",
                "store/2bcv91i8fahqghn8dmyr791iaycbsjdd-api-1.2",
            ),
            ("lib32/a", "lib64/a"),
            ("lib/log4j.jar", "lib/log4j2.jar"),
            ("a.sha256", "a.md5"),
            ("jdk17/a", "jdk21/a"),
            ("bin/python2", "bin/python3"),
            ("utf8", "utf16"),
            ("id_ed25519", "id_rsa2048"),
            ("7z", "7za"),
            ("a2to3", "2to3"),
            ("decade/a", "facade/a"),
        ] {
            assert_ne!(without_versions(one), without_versions(other));
        }
        for whole in [
            "usr/lib64/x86_64/i386/arm64/armv7l/s390x/ppc64le",
            "sha256/md5/utf8/base64/ed25519/secp256k1/crc32",
            "log4j2.jar/jdk17/python3/urllib3/h2/d3/2to3/7z/3d/node_modules/lodash/package.json",
        ] {
            assert_eq!(without_versions(whole), whole);
        }
    }
}
