//! Programs that were installed without a package manager, told by the version that they carry, each as the program itself
//! prints or keeps it. Adding one is a line in [`PROGRAMS`].
//!
//! A file is searched if its name is a program's, and believed only if all that is found agrees: a program whose version is
//! not certain is not reported.

use std::{collections::BTreeSet, io::Read as _};

use memchr::memmem;

use super::{seek, unreadable};
use crate::package::{Error, File, file_name};

/// A program and how it tells its version.
struct Program {
    /// Its usual name.
    name: &'static str,
    /// What names of its files begin with; no letter follows.
    files: &'static [&'static str],
    /// What the version begins with.
    start: Start,
    /// What stands before the version.
    before: &'static str,
    /// What may stand after it; `0` is any digit.
    after: &'static [&'static str],
}

/// What a version begins with.
enum Start {
    Any,
    /// This text.
    With(&'static str),
    /// The number in the file's name, as `python3.11` has it; for programs whose version stands alone.
    Number,
    /// Anything, but the version is also the beginning of a build's name, `VERSION` `HOST-TIME` and a commit without
    /// anything between: Redis keeps its version alone, among those of its commands.
    Build,
}

use Start::{Any, Build, Number, With};

const fn program(
    name: &'static str,
    files: &'static [&'static str],
    start: Start,
    before: &'static str,
    after: &'static [&'static str],
) -> Program {
    Program { name, files, start, before, after }
}

#[rustfmt::skip]
const PROGRAMS: &[Program] = &[
    program("bash", &["bash"], Any, "@(#)Bash version ", &["("]),
    program("bun", &["bun"], Any, "Bun/", &["\0"]),
    program("busybox", &["busybox"], Any, "BusyBox v", &[" (", "\0"]),
    program("curl", &["curl"], Any, "curl/", &["\0"]),
    program("curl", &["libcurl"], Any, "libcurl/", &["\0"]),
    program("deno", &["deno"], Any, "Deno/", &["+", "Deno/"]),
    program("dovecot", &["dovecot"], Any, "Dovecot v", &[" ("]),
    program("git", &["git"], Any, "git/", &["\0"]),
    program("haproxy", &["haproxy"], Any, " version ", &[", released 0"]),
    program("httpd", &["httpd", "apache2"], Any, "\0Apache/", &[" ("]),
    program("lighttpd", &["lighttpd"], Any, "lighttpd/", &["\0", " ("]),
    program("lua", &["lua"], Any, "$LuaVersion: Lua ", &["  Copyright"]),
    program("mariadb", &["mariadbd", "mysqld"], Any, "\0", &["-MariaDB"]),
    program("memcached", &["memcached"], Any, "memcached ", &["\n", "\0"]),
    program("nginx", &["nginx"], Any, "nginx version: nginx/", &["\n", " (", "\0"]),
    program("node", &["node", "libnode"], Any, "node.js/v", &["\0"]),
    program("openresty", &["nginx", "openresty"], Any, "nginx version: openresty/", &["\n", " (", "\0"]),
    // Two blanks before the date: the parts for FIPS in it tell versions of their own, with one.
    program("openssl", &["openssl", "libcrypto", "libssl"], Any, "OpenSSL ", &["  0", "-fips  0"]),
    program("openssl", &["openssl", "libcrypto", "libssl"], With("3."), "OpenSSL ", &[" 0"]),
    program("openssl", &["openssl", "libcrypto", "libssl"], With("4."), "OpenSSL ", &[" 0"]),
    program("perl", &["perl", "libperl"], With("5."), "\0v", &["\0"]),
    program("php", &["php", "libphp"], Any, "X-Powered-By: PHP/", &["\0"]),
    program("postgresql", &["postgres"], Any, "postgres (PostgreSQL) ", &["\n", " ("]),
    program("proftpd", &["proftpd"], Any, "ProFTPD Version ", &["\0"]),
    program("python", &["python", "libpython"], Number, "\0", &["\0"]),
    // A linker keeps one copy of a text that is also another's end, such as that of the directory it was built for.
    program("python", &["python", "libpython"], Number, "/", &["\0"]),
    program("redis", &["redis-server", "redis-check", "redis-sentinel"], Build, "\0", &["\0"]),
    program("ruby", &["ruby", "libruby"], Any, "\0ruby ", &["p0", " (0"]),
    program("rust", &["rustc"], Any, "rustc version ", &[" ("]),
    program("sqlite", &["sqlite3", "libsqlite3"], With("3."), "\0", &["\0"]),
    program("squid", &["squid"], Any, "squid/", &["\0"]),
    program("valkey", &["valkey-server", "valkey-check", "valkey-sentinel"], Build, "\0", &["\0"]),
    program("varnish", &["varnishd"], Any, "varnish-", &[" revision"]),
];

/// Longer than any version with what stands around it.
const MATCH_BYTES: usize = 256;
/// No version is longer.
const VERSION_BYTES: usize = 40;
/// A program that carries more versions than this has none.
const MAX_VERSIONS: usize = 128;

/// What the program is, name and version, if its name is one in the table and its version is certain.
pub(super) fn find(path: &str, file: &mut dyn File) -> Result<Option<(&'static str, String)>, Error> {
    let file_name = file_name(path);
    let mut searches: Vec<Search> = PROGRAMS.iter().filter_map(|program| program.search(file_name)).collect();
    if searches.is_empty() {
        return Ok(None);
    }
    each_piece(file, |piece| searches.iter_mut().for_each(|search| search.take(piece)))?;
    for Search { program, mut versions, .. } in searches {
        if matches!(program.start, Build) && versions.len() <= MAX_VERSIONS {
            versions = named_by_build(file, &versions)?;
        }
        if versions.len() == 1 {
            return Ok(versions.pop_first().map(|version| (program.name, version)));
        }
    }
    Ok(None)
}

/// The search for one program's version in one file.
struct Search {
    program: &'static Program,
    /// What stands before the version, and its beginning.
    needle: String,
    versions: BTreeSet<String>,
}

impl Program {
    /// The search in a file of this name; `None` if it is no name of the program.
    fn search(&'static self, file_name: &str) -> Option<Search> {
        let rest = self.files.iter().find_map(|stem| file_name.strip_prefix(stem))?;
        if rest.starts_with(|c: char| c.is_ascii_alphabetic()) {
            return None;
        }
        let start = match self.start {
            With(text) => text,
            Number => {
                let number = rest.split(|c: char| c != '.' && !c.is_ascii_digit()).next()?;
                number.trim_end_matches('.')
            }
            Any | Build => "",
        };
        Some(Search { program: self, needle: format!("{}{start}", self.before), versions: BTreeSet::new() })
    }
}

impl Search {
    fn take(&mut self, piece: &[u8]) {
        let before = self.program.before;
        let alone = matches!(before, "\0" | "/");
        for at in memmem::find_iter(piece, &self.needle) {
            if self.versions.len() > MAX_VERSIONS {
                break;
            }
            // Numbers of two parts stand alone in many places and mean many things.
            let whole = |version: &&str| !alone || version.split('.').count() >= 3;
            let found = version(&piece[at + before.len()..], self.program.after).filter(whole);
            self.versions.extend(found.map(str::to_owned));
        }
    }
}

/// The shortest version that `text` begins with and that something of `after` follows.
fn version<'a>(text: &'a [u8], after: &[&str]) -> Option<&'a str> {
    if !text.first()?.is_ascii_digit() {
        return None;
    }
    let legal = |byte: &u8| byte.is_ascii_alphanumeric() || b".+~_-".contains(byte);
    let length = text.iter().take(VERSION_BYTES).take_while(|byte| legal(byte)).count();
    let follows = |rest: &[u8], after: &str| {
        let same = |(want, byte): (u8, &u8)| want == *byte || (want == b'0' && byte.is_ascii_digit());
        rest.len() >= after.len() && after.bytes().zip(rest).all(same)
    };
    let end = (1..=length).find(|end| after.iter().any(|after| follows(&text[*end..], after)))?;
    let version = without_commit(std::str::from_utf8(&text[..end]).ok()?);
    let (first, rest) = version.split_once('.')?;
    let number = |text: &str| text.starts_with(|c: char| c.is_ascii_digit());
    (first.bytes().all(|byte| byte.is_ascii_digit()) && number(rest)).then_some(version)
}

/// `2.8.3-86e043a` is 2.8.3, built from that commit.
fn without_commit(version: &str) -> &str {
    match version.rsplit_once('-') {
        Some((before, commit))
            if (7..=12).contains(&commit.len()) && commit.bytes().all(|byte| byte.is_ascii_hexdigit()) =>
        {
            before
        }
        _ => version,
    }
}

/// Those of `versions` that a build's name begins with, the longest where one begins another.
fn named_by_build(file: &mut dyn File, versions: &BTreeSet<String>) -> Result<BTreeSet<String>, Error> {
    // A time in seconds and a short commit are 18 characters.
    const BUILD_BYTES: usize = 18;
    let mut named: BTreeSet<String> = BTreeSet::new();
    each_piece(file, |piece| {
        for version in versions {
            let build = |at: usize| {
                let rest = &piece[at + version.len()..];
                let part = |byte: &u8| byte.is_ascii_alphanumeric() || b".-_".contains(byte);
                let length =
                    rest.iter().take(MATCH_BYTES - VERSION_BYTES).take_while(|byte| part(byte)).count();
                length >= BUILD_BYTES && rest.get(length) == Some(&0)
            };
            // Few are looked at: more in one piece are no version of a program's.
            if memmem::find_iter(piece, version).take(MAX_VERSIONS).any(build) {
                named.insert(version.clone());
            }
        }
    })?;
    let longest =
        |version: &String| !named.iter().any(|other| other != version && other.starts_with(version.as_str()));
    Ok(named.iter().filter(|version| longest(version)).cloned().collect())
}

/// Goes through a file in pieces that overlap by [`MATCH_BYTES`].
fn each_piece(file: &mut dyn File, mut take: impl FnMut(&[u8])) -> Result<(), Error> {
    const PIECE_BYTES: u64 = 256 << 10;
    seek(file, 0)?;
    let mut piece = Vec::new();
    while file.take(PIECE_BYTES).read_to_end(&mut piece).map_err(unreadable)? > 0 {
        take(&piece);
        piece.drain(..piece.len().saturating_sub(MATCH_BYTES));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use proptest::prelude::*;

    use super::*;

    fn told(path: &str, bytes: &[u8]) -> Option<(&'static str, String)> {
        find(path, &mut Cursor::new(bytes)).unwrap()
    }

    #[test]
    fn versions_as_programs_carry_them() {
        for (path, bytes, name, want) in [
            ("usr/sbin/nginx", &b"\0nginx version: nginx/1.25.3 (Ubuntu)\n\0OpenSSL 3.0.2 15 Mar 2022\0"[..], "nginx", "1.25.3"),
            ("nginx", b"nginx version: openresty/1.21.4.1\n\0", "openresty", "1.21.4.1"),
            ("lib/libcrypto.so.3", b"\0OpenSSL 3.0.22 25 Aug 2026\0", "openssl", "3.0.22"),
            ("lib/libssl.so.1.1", b"\0OpenSSL 1.1.1w  11 Sep 2023\0", "openssl", "1.1.1w"),
            (
                "a.libs/libcrypto-d3570994.so.1.0.2k",
                b"\0OpenSSL 1.0.2k-fips  26 Jan 2017\0OpenSSL 1.0.1e-fips 11 Feb 2013\0MD4 part of OpenSSL 1.0.2k  26 Jan 2017\0",
                "openssl",
                "1.0.2k",
            ),
            ("bin/python3.13", b"\x001.2.13\x003.13.0rc1\x003.13\0", "python", "3.13.0rc1"),
            ("lib/libpython3.6m.so.1.0", b"\0/opt/python/3.6.15\x003.11.2\0", "python", "3.6.15"),
            ("bin/redis-server", b"\x002.6.0\x007.0.1\x007.0.15\0A7.0.151790282056000000000\0", "redis", "7.0.15"),
            ("bin/redis-server", b"\x002.6.0\x006.2.5\x006.2.58f1c18bfd7fc-1728390128000000000\0", "redis", "6.2.5"),
            ("bin/ruby", b"\0ruby 3.1.2p20 (2022-04-12 revision 4491bb740a) [x86_64-linux]\0", "ruby", "3.1.2"),
            ("bin/ruby", b"\0ruby 3.4.1 (2024-12-25 revision 48d4efcb85) +PRISM\0", "ruby", "3.4.1"),
            ("sbin/haproxy", b"\0HAProxy version \0 version 2.8.3-86e043a, released 2023/09/07\0", "haproxy", "2.8.3"),
            ("sbin/mysqld", b"\x005.5.5-\x0010.11.19-MariaDB\0", "mariadb", "10.11.19"),
            ("bin/deno", b"node-globals2.9.6Deno/2.9.6Deno/2.9.6+e518fb", "deno", "2.9.6"),
        ] {
            assert_eq!(told(path, bytes), Some((name, want.to_owned())), "{path}");
        }
    }

    #[test]
    fn what_is_not_certain() {
        for (path, bytes) in [
            ("bin/nodemon", &b"node.js/v20.1.0\0"[..]),
            ("bin/node", b"node.js/vX\0node.js/v20\0"),
            ("bin/node", b"node.js/v20.1.0\0node.js/v20.1.1\0"),
            ("bin/node", b"node.js/v20.1.0"),
            ("bin/sqlite3", b"\x001.2.13\0"),
            ("bin/python3.11", b"\x003.12.1\0"),
            ("bin/redis-server", b"\x002.6.0\x007.0.15\0"),
        ] {
            assert_eq!(told(path, bytes), None, "{path}");
        }
    }

    #[test]
    fn a_version_between_two_pieces() {
        for at in (256 << 10) - 30..(256 << 10) + 10 {
            let mut bytes = vec![b'.'; at];
            bytes.extend_from_slice(b"node.js/v20.11.1\0");
            assert_eq!(told("bin/node", &bytes), Some(("node", "20.11.1".into())), "{at}");
        }
    }

    #[test]
    fn any_bytes_have_a_version_or_none() {
        proptest!(|(bytes in "[0-9.\0v/+-]{0,400}", name in prop::sample::select(vec!["redis-server", "python3", "perl"]))| {
            let _ = told(name, bytes.as_bytes());
        });
    }
}
