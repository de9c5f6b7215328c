//! Where exactly a file is, and the checksum that is published of it.

use crate::digest::Digest;
use reqwest::Url;
use serde::Deserialize;

use super::{Error, Fault, Job};
use crate::feeds::catalog::Published;

/// What is to be fetched.
#[derive(Debug)]
pub struct Target {
    pub url: Url,
    /// What it must turn out to be, where that is published.
    pub checksum: Option<Checksum>,
}

/// A published SHA-256.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checksum {
    pub digest: Digest,
    /// Whether it is of what the file holds unpacked, if it is packed by gzip.
    pub unpacked: bool,
}

impl Job<'_> {
    /// Finds the file below `base`.
    pub async fn locate(&mut self, base: &Url) -> Result<Target, Fault> {
        let path = self.file.path.clone();
        let unpacked = |digest| Some(Checksum { digest, unpacked: true });
        Ok(match self.file.source.published {
            Published::Nothing | Published::Pages(_) => Target { url: below(base, &path), checksum: None },
            Published::Meta => {
                let beside = format!("{}.meta", path.trim_end_matches(".json.gz"));
                let digest = self.said(base, &beside, of_meta).await?;
                Target { url: below(base, &path), checksum: unpacked(digest) }
            }
            Published::List(list) => {
                let name = self.file.name.clone();
                let digest = self.said(base, list, |text| of_list(text, &name)).await?;
                Target { url: below(base, &path), checksum: unpacked(digest) }
            }
            Published::Latest => {
                let latest = below(base, &path);
                let text = self.fetcher.http.text(&latest, &mut self.clock).await?;
                let name = of_latest(&text).ok_or_else(|| wrong(&latest, "names no archive"))?;
                Target {
                    url: latest.join(name).map_err(|_| wrong(&latest, "names no archive"))?,
                    checksum: None,
                }
            }
            Published::Repository => {
                let list = below(base, &path);
                let text = self.fetcher.http.text(&list, &mut self.clock).await?;
                let root = of_mirrors(&text, &list).ok_or_else(|| wrong(&list, "names no mirror"))?;
                let index = below(&root, "repodata/repomd.xml");
                let text = self.fetcher.http.text(&index, &mut self.clock).await?;
                let (path, digest) =
                    of_index(&text).ok_or_else(|| wrong(&index, "names no updateinfo with a sha256"))?;
                let url = root.join(&path).ok().filter(|url| crate::feeds::http::is_sealed(&root, url));
                let url = url.ok_or_else(|| wrong(&index, "leads to no safe address"))?;
                Target { url, checksum: Some(Checksum { digest, unpacked: false }) }
            }
        })
    }

    /// What the first of all addresses says of the file, so that no other can lie about it. Where it cannot be asked, the
    /// mirror's own word has to do, and that is said.
    async fn said(
        &mut self,
        base: &Url,
        path: &str,
        read: impl Fn(&str) -> Option<Digest>,
    ) -> Result<Digest, Fault> {
        let first = below(&self.mirrors[0], path);
        let own = below(base, path);
        let url = match self.fetcher.http.text(&first, &mut self.clock).await {
            Ok(text) => {
                return read(&text).ok_or_else(|| wrong(&first, "has no checksum of the file").into());
            }
            Err(fault) if own == first => return Err(fault),
            Err(fault) => {
                let error = fault.error;
                self.fetcher.tell.note(format_args!("{error}; the checksum is that of {own}"));
                own
            }
        };
        let text = self.fetcher.http.text(&url, &mut self.clock).await?;
        read(&text).ok_or_else(|| wrong(&url, "has no checksum of the file").into())
    }
}

fn wrong(url: &Url, why: &str) -> Error {
    Error::Answer { url: url.to_string(), why: why.to_owned() }
}

/// Spaces and the like are escaped; a name cannot lead out of the address.
pub fn below(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty().extend(path.split('/'));
    }
    url
}

fn sha256(hex: &str) -> Option<Digest> {
    format!("sha256:{}", hex.trim().to_ascii_lowercase()).parse().ok()
}

/// A line `sha256:HEX` among others.
fn of_meta(text: &str) -> Option<Digest> {
    text.lines().find_map(|line| sha256(line.trim().strip_prefix("sha256:")?))
}

fn of_list(text: &str, name: &str) -> Option<Digest> {
    #[derive(Deserialize)]
    struct Entry {
        filename: String,
        sha256: String,
    }
    let entries: Vec<Entry> = serde_json::from_str(text).ok()?;
    sha256(&entries.iter().find(|entry| entry.filename == name)?.sha256)
}

/// One file name, such as `csaf_vex_2026-08-09.tar.zst`.
fn of_latest(text: &str) -> Option<&str> {
    let name = text.trim();
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    (plain && !name.starts_with('.') && name.ends_with(".tar.zst")).then_some(name)
}

/// The first of the mirrors, one a line; a repository's root.
fn of_mirrors(text: &str, list: &Url) -> Option<Url> {
    let line = text.lines().map(str::trim).find(|line| !line.is_empty())?.replace("$basearch", "x86_64");
    let root = list.join(&format!("{}/", line.trim_end_matches('/'))).ok()?;
    crate::feeds::http::is_sealed(list, &root).then_some(root)
}

/// Path and SHA-256 of `updateinfo`, as createrepo writes them: `data[@type]` with `checksum[@type]` and `location/@href`.
fn of_index(text: &str) -> Option<(String, Digest)> {
    let document = roxmltree::Document::parse(text).ok()?;
    let data =
        document.root_element().children().find(|node| node.attribute("type") == Some("updateinfo"))?;
    // By local names: the document has a namespace.
    let child = |name: &str| data.children().find(|node| node.tag_name().name() == name);
    let checksum = child("checksum").filter(|node| node.attribute("type") == Some("sha256"))?;
    Some((child("location")?.attribute("href")?.to_owned(), sha256(checksum.text()?)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    fn url(text: &str) -> Url {
        text.parse().unwrap()
    }

    #[test]
    fn paths_stay_below_their_address() {
        let base = url("https://h.example/feeds/");
        assert_eq!(
            below(&base, "Rocky Linux/all.zip").as_str(),
            "https://h.example/feeds/Rocky%20Linux/all.zip"
        );
        assert_eq!(below(&base, "../x").as_str(), "https://h.example/feeds/x");
    }

    #[test]
    fn checksums_are_read_in_their_publishers_forms() {
        let want = Digest::of(b"abc");
        let meta = format!(
            "lastModifiedDate:2026-01-19T16:00:01-05:00\r\nsize:3\r\nsha256:{}\r\n",
            HEX.to_uppercase()
        );
        assert_eq!(of_meta(&meta), Some(want));
        assert_eq!(of_meta("<html>sha256:no"), None);
        let list = format!(
            r#"[{{"filename":"a.rdf","sha256":"{HEX}","size":3}},{{"filename":"b.rdf","sha256":""}}]"#
        );
        assert_eq!(
            (of_list(&list, "a.rdf"), of_list(&list, "b.rdf"), of_list(&list, "c")),
            (Some(want), None, None)
        );
        let index = format!(
            r#"<repomd xmlns="http://linux.duke.edu/metadata/repo"><data type="primary"/><data type="updateinfo">
            <checksum type="sha256">{HEX}</checksum><location href="repodata/u.xml.gz"/></data></repomd>"#
        );
        assert_eq!(of_index(&index), Some(("repodata/u.xml.gz".to_owned(), want)));
        assert_eq!(of_index(&index.replace("sha256", "sha")), None);
    }

    #[test]
    fn a_text_that_names_a_file_names_nothing_else() {
        assert_eq!(of_latest("csaf_vex_2026-08-09.tar.zst\n"), Some("csaf_vex_2026-08-09.tar.zst"));
        for wrong in ["", "../x.tar.zst", "https://h/x.tar.zst", "a.tar.zst b.tar.zst", "<html>", ".tar.zst"]
        {
            assert_eq!(of_latest(wrong), None, "{wrong}");
        }
        let list = url("https://h.example/core/latest/x86_64/mirror.list");
        let root = |text| of_mirrors(text, &list).map(String::from);
        assert_eq!(
            root("\nhttps://m.example/core/$basearch\nhttps://n/\n").unwrap(),
            "https://m.example/core/x86_64/"
        );
        assert_eq!(root("http://m.example/core/"), None);
        assert_eq!(root(""), None);
    }
}
