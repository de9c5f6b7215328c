//! Whether a download has the form that its name tells, by its first bytes: who is asked for a file may answer with the page of a
//! login or of a proxy, and say that all is well.

use std::io::{self, BufReader, Read};

use flate2::bufread::MultiGzDecoder;

use crate::feeds::http::excerpt;

/// Bytes that are looked at.
const HEAD_BYTES: u64 = 512;

const ZIP: &[u8] = b"PK";
const GZIP: &[u8] = &[0x1f, 0x8b];
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];

/// Why `file`, which is to be called `name`, is something else; `None` where it may be what it is called.
pub(super) fn mismatch(name: &str, mut file: impl Read) -> io::Result<Option<String>> {
    let mut head = Vec::new();
    file.by_ref().take(HEAD_BYTES).read_to_end(&mut head)?;
    let inner = name.strip_suffix(".gz");
    let is_archive = name.ends_with(".zip") || name.ends_with(".zst");
    // What a server compressed on its way has the name of what it holds.
    if head.starts_with(GZIP) && !is_archive {
        head = unpacked(head.chain(file));
    } else if inner.is_some() {
        return Ok(Some(told("gzip", &head)));
    }
    Ok(unmet(inner.unwrap_or(name), &head).map(|form| told(form, &head)))
}

/// The form that the name tells, if the bytes are not of it.
fn unmet(name: &str, head: &[u8]) -> Option<&'static str> {
    let text = head.strip_prefix("\u{feff}".as_bytes()).unwrap_or(head).trim_ascii_start();
    let is =
        |start: &str| text.get(..start.len()).is_some_and(|text| text.eq_ignore_ascii_case(start.as_bytes()));
    let is_page = is("<html") || is("<!doctype html");
    let (form, fits) = match name.rsplit_once('.').map_or("", |(_, end)| end) {
        "zip" => ("zip", head.starts_with(ZIP)),
        "zst" => ("zstd", head.starts_with(ZSTD)),
        "json" => ("JSON", is("{") || is("[")),
        "xml" | "rdf" => ("XML", is("<") && !is_page),
        _ => ("a feed", !is_page && !head.is_empty()),
    };
    (!fits).then_some(form)
}

fn told(form: &str, head: &[u8]) -> String {
    match head {
        [] => format!("is empty, and not {form}"),
        head => format!("is not {form}; it begins with {:?}", excerpt(&String::from_utf8_lossy(head))),
    }
}

/// The beginning of what a gzip holds, as far as it can be unpacked.
fn unpacked(file: impl Read) -> Vec<u8> {
    let mut text = Vec::new();
    // What is wrong further on is met when all of it is read.
    let _ = MultiGzDecoder::new(BufReader::new(file)).take(HEAD_BYTES).read_to_end(&mut text);
    text
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::{Compression, write::GzEncoder};

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut packed = GzEncoder::new(Vec::new(), Compression::default());
        packed.write_all(bytes).unwrap();
        packed.finish().unwrap()
    }

    fn why(name: &str, bytes: &[u8]) -> Option<String> {
        mismatch(name, bytes).unwrap()
    }

    #[test]
    fn a_file_begins_as_its_name_says() {
        for (name, bytes) in [
            ("a.zip", &b"PK\x03\x04"[..]),
            ("a.tar.zst", b"\x28\xb5\x2f\xfd"),
            ("a.json", b"\xef\xbb\xbf \r\n{}"),
            ("a.json", b"[]"),
            ("a.xml", b"<?xml version=\"1.0\"?>"),
            ("a.rdf", b"<rdf:RDF>"),
            ("a.csv", b"cve,epss"),
        ] {
            assert_eq!(why(name, bytes), None, "{name} {bytes:?}");
            if !name.ends_with(".zip") && !name.ends_with(".zst") {
                assert_eq!(why(name, &gzip(bytes)), None, "{name}, compressed on its way");
                assert_eq!(why(&format!("{name}.gz"), &gzip(bytes)), None, "{name}.gz");
            }
        }
        assert_eq!(why("a.tar.gz", &gzip(&[b'a'; 100_000])), None);
    }

    #[test]
    fn a_page_is_no_feed() {
        for page in ["<html>login</html>", "\u{feff}\n <!DOCTYPE HTML><title>x</title>"] {
            for name in ["a.zip", "a.tar.zst", "a.json", "a.xml", "a.rdf", "a.csv", "a.gz", "a.json.gz", "a"]
            {
                assert!(why(name, page.as_bytes()).is_some(), "{name} {page}");
                assert!(why(name, &gzip(page.as_bytes())).is_some(), "{name} {page}, compressed");
                assert!(why(name, b"").is_some(), "{name}, empty");
            }
        }
        assert_eq!(
            why("a.json", b"<html>\x1b[2J").unwrap(),
            "is not JSON; it begins with \"<html> [2J\"",
            "nothing that steers a terminal"
        );
        assert_eq!(why("a.zip", b"").unwrap(), "is empty, and not zip");
        assert!(why("a.json", b"no json").is_some());
    }
}
