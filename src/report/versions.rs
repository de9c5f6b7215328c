//! Paths without what the next release changes in them.

use std::borrow::Cow;

/// What stands where a version was.
const VERSION: &str = "VERSION";
/// Signs that hold a version together: `1.0-beta_2+git3`.
const JOINTS: [&str; 6] = ["-", "_", ".", "+", "~", ":"];
/// Words that are a version wherever a number follows: `v2`, `r123`.
const MARKS: [&str; 7] = ["v", "r", "rc", "alpha", "beta", "build", "rev"];
/// Words that belong to the version before them: `1.0-SNAPSHOT`, `2rc1`.
const STAGES: [&str; 21] = [
    "alpha", "beta", "build", "cr", "dev", "dirty", "ea", "esr", "final", "ga", "hotfix", "lts", "nightly",
    "post", "pre", "preview", "rc", "release", "rev", "snapshot", "sp",
];
/// Those that do so only with a number, because alone they are the name of something: `1.0b2`, `8u402`, `1-3ubuntu2`, not `1.0.deb`.
const NUMBERED: [&str; 14] =
    ["a", "b", "c", "deb", "el", "fc", "git", "m", "p", "patch", "r", "u", "ubuntu", "v"];
/// Names that look like a commit.
const NAMES: [&str; 1] = ["ed25519"];

/// A path without the versions in it, which stays the same from release to release: `app-1.0.0-rc.1.jar` is `app-VERSION.jar`.
///
/// Its words are parted by every sign that is neither letter nor digit. A version is
///
/// - a number: `app-41.jar`, `2026-01-15`, `postgresql/15/bin`; but for the one of `x86_64`;
/// - a number with a word that counts releases: `v2`, `r123`, `2rc1`, `8u402`;
/// - a number with full stops, glued to a name: `python3.11` is `pythonVERSION`; or one of six digits and more;
/// - a commit, a digest or a UUID: hexadecimal, letters and digits mixed; `g2414721`, as `git describe` writes it;
///   a digest as Nix writes it;
/// - what goes on behind one: `1.0-beta-2`, `1.0.Final`, `1.1.1w`, `1.2.3-14-g2414721`.
///
/// It is a trade. A short number glued to a name stays, because it mostly belongs to it and a reader has to know the file again:
/// `lib64`, `log4j2`, `sha256`, `jdk17`. So a release that changes just that is another path. And paths that only a number
/// tells apart become one: both files then stand in one alert.
pub fn without_versions(path: &str) -> Cow<'_, str> {
    if !path.bytes().any(|byte| byte.is_ascii_digit()) {
        return path.into();
    }
    let mut out = String::with_capacity(path.len());
    // The word before, and where that was a version, the sign behind it, which is not written yet.
    let (mut before, mut joint) = ("", None);
    let mut pieces = path.split_inclusive(is_sign).peekable();
    while let Some(piece) = pieces.next() {
        let word = piece.trim_end_matches(is_sign);
        let sign = &piece[word.len()..];
        let has_fraction = sign == "." && pieces.peek().is_some_and(|next| next.starts_with(is_digit));
        let start = version(word, has_fraction, before, joint);
        if start != Some(0) || joint.is_none() {
            out.push_str(joint.unwrap_or_default());
            out.push_str(&word[..start.unwrap_or(word.len())]);
            out.push_str(start.map_or("", |_| VERSION));
        }
        joint = start.and(Some(sign)).filter(|sign| JOINTS.contains(sign));
        if joint.is_none() {
            out.push_str(sign);
        }
        before = word;
    }
    out.push_str(joint.unwrap_or_default());
    out.into()
}

/// Where in a word a version begins that lasts to its end. The word stands behind the word `before`; `joint` parts them where
/// that one was a version.
fn version(word: &str, has_fraction: bool, before: &str, joint: Option<&str>) -> Option<usize> {
    let has_digit = word.contains(is_digit);
    if word.is_empty()
        || !has_digit && joint.is_none()
        || NAMES.contains(&word)
        || (before, word) == ("x86", "64")
    {
        return None;
    }
    let name = word.trim_end_matches(is_digit);
    let goes_on = joint.is_some_and(|joint| {
        joint == "." && word.starts_with(is_digit)
            || is_stage(word)
            || joint == "-" && is_of_uuid(before, word)
    });
    if name.is_empty() || goes_on || is_release(word) || is_digest(word) {
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

/// A mark with its number, or a number with its stage.
fn is_release(word: &str) -> bool {
    if word.starts_with(is_digit) {
        return is_stage(word);
    }
    let mark = word.trim_end_matches(is_digit);
    mark.len() < word.len() && is_one(mark, &MARKS)
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

/// Of a commit, short or whole, or of a file: by SHA-1, SHA-256 or anything between.
fn is_digest(word: &str) -> bool {
    let is_of_git = |word: &str| (7..=64).contains(&word.len()) && is_hexadecimal(word);
    let is_of_nix =
        || word.len() == 32 && word.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_lowercase());
    word.contains(is_digit) && (is_of_git(word.strip_prefix('g').unwrap_or(word)) || is_of_nix())
}

/// 8-4-4-4-12 digits; the first eight are a digest by themselves.
fn is_of_uuid(before: &str, word: &str) -> bool {
    matches!((before.len(), word.len()), (8 | 4, 4) | (4, 12))
        && is_hexadecimal(before)
        && is_hexadecimal(word)
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
            (".pnpm/@a+b@1.2.3_c@4.5/node_modules", ".pnpm/@a+b@VERSION_c@VERSION/node_modules"),
            ("log4j-1.2-api-2.17.1-sources.jar", "log4j-VERSION-api-VERSION-sources.jar"),
            ("jre1.8.0_402-b06/lib", "jreVERSION/lib"),
            ("1.2.3", "VERSION"),
            ("日本-1.2-é1.2/ü20260101é", "日本-VERSION-éVERSION/üVERSION"),
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
