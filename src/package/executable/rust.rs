//! Rust programs that were built with cargo-auditable: the section `.dep-v0` holds the crates, as JSON that zlib compressed;
//! cargo-auditable's PARSING.md.

use std::io::Read as _;

use flate2::read::ZlibDecoder;
use serde::Deserialize;

use super::{Layout, seek};
use crate::package::{Ecosystem, Error, File, Package};

/// The most that the list of crates may take, the limit that its authors name.
const LIST_BYTES: u64 = 8 << 20;

#[derive(Deserialize)]
struct List {
    packages: Vec<Crate>,
}

#[derive(Deserialize)]
struct Crate {
    name: String,
    version: String,
    /// `runtime` where it is not said. Another is `build`: it ran while the program was built, and is not in it.
    kind: Option<String>,
}

/// The crates of a Rust program, itself among them; none if it does not say.
pub(super) fn packages(layout: &Layout, file: &mut dyn File) -> Result<Vec<Package>, Error> {
    let Some(region) = layout.rust else { return Ok(Vec::new()) };
    let damaged = |why: String| Error::Damaged { form: "cargo-auditable's list", why };
    seek(file, region.offset)?;
    let mut json = Vec::new();
    let inflated = ZlibDecoder::new(file.take(region.size)).take(LIST_BYTES + 1).read_to_end(&mut json);
    inflated.map_err(|error| damaged(error.to_string()))?;
    if json.len() as u64 > LIST_BYTES {
        return Err(Error::Limit { name: "cargo-auditable's list", limit: LIST_BYTES });
    }
    let list: List = serde_json::from_slice(&json).map_err(|error| damaged(error.to_string()))?;
    let inside =
        list.packages.into_iter().filter(|one| one.kind.as_deref().is_none_or(|kind| kind == "runtime"));
    Ok(inside.map(|one| Package::new(Ecosystem::Cargo, one.name, one.version)).collect())
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write as _};

    use flate2::{Compression, write::ZlibEncoder};

    use super::{super::layout::elf::made::elf, *};

    fn read(json: &[u8], left_out: usize) -> Result<Vec<Package>, Error> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(json).unwrap();
        let section = encoder.finish().unwrap();
        let mut file = Cursor::new(elf(false, true, &[(".dep-v0", &section[..section.len() - left_out])]));
        let layouts = Layout::read(&mut file)?.unwrap();
        packages(&layouts[0], &mut file)
    }

    #[test]
    fn crates_of_the_program_alone() {
        let json = br#"{"packages":[
            {"name":"app","version":"0.1.0","source":"local","dependencies":[1],"root":true},
            {"name":"cc","version":"1.0.0","source":"crates.io","kind":"build"},
            {"name":"libc","version":"0.2.1","source":"crates.io","kind":"runtime"}],"format":8}"#;
        let cargo = |name, version| Package::new(Ecosystem::Cargo, name, version);
        assert_eq!(read(json, 0), Ok(vec![cargo("app", "0.1.0"), cargo("libc", "0.2.1")]));
        assert!(matches!(read(json, 9), Err(Error::Damaged { .. })));
        assert!(matches!(read(b"{}", 0), Err(Error::Damaged { .. })));
    }

    #[test]
    fn a_list_that_would_fill_memory() {
        let limit = Error::Limit { name: "cargo-auditable's list", limit: LIST_BYTES };
        assert_eq!(read(&vec![b' '; 9 << 20], 0), Err(limit));
    }
}
