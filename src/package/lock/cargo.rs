//! Rust's `Cargo.lock`, versions 1 to 4; Cargo's book, "Cargo.toml vs Cargo.lock", and its own `encode.rs`, which says
//! what each version changed: never how a package is named.

use serde::Deserialize;

use super::{super::Ecosystem, Error, Package, toml};

#[derive(Deserialize)]
struct Lock {
    /// The project itself, in the oldest files.
    root: Option<Locked>,
    #[serde(default)]
    package: Vec<Locked>,
}

#[derive(Deserialize)]
struct Locked {
    name: String,
    version: String,
}

/// Every package, members of the workspace included.
pub(super) fn read(bytes: &[u8]) -> Result<Vec<Package>, Error> {
    let lock: Lock = toml::read(bytes)?;
    let locked = lock.root.into_iter().chain(lock.package);
    Ok(locked.map(|locked| Package::new(Ecosystem::Cargo, locked.name, locked.version)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_version() {
        let oldest =
            "[root]\nname = \"a\"\nversion = \"0.1.0\"\ndependencies = [\n \"b 1.0.0 (registry+x)\",\n]\n
            [[package]]\nname = \"b\"\nversion = \"1.0.0\"\nsource = \"registry+x\"\n
            [metadata]\n\"checksum b 1.0.0 (registry+x)\" = \"00\"\n";
        let newest = "version = 4\n[[package]]\nname = \"a\"\nversion = \"0.1.0\"\ndependencies = [\"b\"]\n
            [[package]]\nname = \"b\"\nversion = \"1.0.0\"\nsource = \"git+https://x?branch=a%2Fb#1\"\nchecksum = \"00\"\n
            [[patch.unused]]\nname = \"c\"\nversion = \"3.0.0\"\n";
        let want = [("a", "0.1.0"), ("b", "1.0.0")].map(|(n, v)| Package::new(Ecosystem::Cargo, n, v));
        for lock in [oldest, newest] {
            assert_eq!(read(lock.as_bytes()).unwrap(), want);
        }
        let twice = "[[package]]\nname = \"a\"\nname = \"b\"\nversion = \"1\"\n";
        assert!(matches!(read(twice.as_bytes()), Err(Error::Line { line: 3, .. })));
        assert!(matches!(read(b"[[package]]\nname = \"a\"\n"), Err(Error::Line { .. })));
    }
}
