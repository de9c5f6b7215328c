//! Suites of other projects, which lie beside the checkout: `../shared/suites`, or where `STELLA_SHARED` says.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a suite that cannot be read fails the test, and one that is not there is said"
)]

use std::{collections::BTreeMap, io::Read, path::PathBuf};

/// Every file of a suite by its path, which begins with the suite's name; `None`, and said so, where the suite is not there.
pub fn files(name: &str) -> Option<BTreeMap<String, Vec<u8>>> {
    let shared = std::env::var_os("STELLA_SHARED")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared"), PathBuf::from);
    let Ok(packed) = std::fs::File::open(shared.join(format!("suites/{name}.tar.zst"))) else {
        println!("skipped: the suite {name} is not beside this checkout");
        return None;
    };
    Some(unpack(zstd::Decoder::new(packed).unwrap()))
}

/// Every file of a tar by its path.
pub fn unpack(tar: impl Read) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in tar::Archive::new(tar).entries().unwrap() {
        let mut entry = entry.unwrap();
        if entry.header().entry_type().is_file() {
            let path = entry.path().unwrap().display().to_string();
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).unwrap();
            files.insert(path, bytes);
        }
    }
    files
}
