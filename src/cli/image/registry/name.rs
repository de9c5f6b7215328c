//! The name of an image in a registry, as Docker reads it (distribution's `reference` grammar).

use std::{fmt, str::FromStr};

use stella::digest::Digest;

use super::Error;

/// Docker's own registry, which is what a name without one means.
const HUB: &str = "docker.io";

/// Where that registry's API is.
const HUB_API: &str = "registry-1.docker.io";

/// Most characters of host and repository together.
const MOST_NAME_CHARS: usize = 255;

/// Most characters of a tag.
const MOST_TAG_CHARS: usize = 128;

/// `[HOST[:PORT]/]REPOSITORY[:TAG][@DIGEST]`, in full: what was left out is filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::image) struct Name {
    /// Host and port; `docker.io` where none was named.
    pub registry: String,
    /// Such as `library/python`.
    pub repository: String,
    /// `latest` where neither a tag nor a digest was named.
    pub tag: Option<String>,
    /// What the manifest must be; it wins over the tag.
    pub digest: Option<Digest>,
}

impl Name {
    /// Host and port of the API.
    pub fn api(&self) -> &str {
        if self.registry == HUB { HUB_API } else { &self.registry }
    }

    /// Whether Docker itself would name no registry here.
    pub fn is_hub(&self) -> bool {
        self.registry == HUB
    }

    /// What the registry knows the manifest by.
    pub fn reference(&self) -> String {
        match (&self.digest, &self.tag) {
            (Some(digest), _) => digest.to_string(),
            (None, tag) => tag.clone().unwrap_or_else(|| "latest".to_owned()),
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        match &self.digest {
            Some(digest) => write!(f, "@{digest}"),
            None => Ok(()),
        }
    }
}

impl FromStr for Name {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let wrong = |why: String| Error::Reference { text: text.to_owned(), why };
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => {
                (rest, Some(digest.parse().map_err(|error| wrong(format!("its digest: {error}")))?))
            }
            None => (text, None),
        };
        let last = rest.rfind('/').map_or(0, |slash| slash + 1);
        let (rest, tag) = match rest[last..].find(':') {
            Some(colon) => (&rest[..last + colon], Some(&rest[last + colon + 1..])),
            None => (rest, None),
        };
        if let Some(tag) = tag.filter(|tag| !is_tag(tag)) {
            return Err(wrong(format!("{tag:?} is no tag")));
        }
        let (registry, path) = match rest.split_once('/').filter(|(first, _)| is_registry(first)) {
            Some((host, path)) => (host, path),
            None => (HUB, rest),
        };
        if !is_host(registry) {
            return Err(wrong(format!("{registry:?} is no HOST[:PORT]")));
        }
        let registry = if registry == "index.docker.io" { HUB } else { registry };
        let repository = match path {
            path if registry == HUB && !path.contains('/') => format!("library/{path}"),
            path => path.to_owned(),
        };
        if let Some(part) = repository.split('/').find(|part| !is_component(part)) {
            return Err(wrong(format!("{part:?} is no part of a repository's name")));
        }
        if registry.len() + 1 + repository.len() > MOST_NAME_CHARS {
            return Err(wrong(format!("its name is longer than {MOST_NAME_CHARS} characters")));
        }
        let tag = match (tag, digest) {
            (None, None) => Some("latest".to_owned()),
            (tag, _) => tag.map(str::to_owned),
        };
        Ok(Self { registry: registry.to_owned(), repository, tag, digest })
    }
}

/// Whether the first part of a name is a registry's host: else it is a part of a repository of Docker's own.
fn is_registry(first: &str) -> bool {
    first == "localhost"
        || first.contains(['.', ':', '['])
        || first.contains(|c: char| c.is_ascii_uppercase())
}

fn is_host(text: &str) -> bool {
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, rest)) => {
            if address.parse::<std::net::Ipv6Addr>().is_err() {
                return false;
            }
            if rest.is_empty() {
                return true;
            }
            match rest.strip_prefix(':') {
                Some(port) => ("v6", Some(port)),
                None => return false,
            }
        }
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    let is_label = |label: &str| {
        !label.is_empty()
            && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    host.split('.').all(is_label) && port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0))
}

/// Lower-case letters and digits, parted by one dot, one or two low lines, or hyphens.
fn is_component(text: &str) -> bool {
    let is_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let separators: Vec<&str> = text.split(is_word).filter(|part| !part.is_empty()).collect();
    text.starts_with(is_word)
        && text.ends_with(is_word)
        && separators.iter().all(|part| matches!(*part, "." | "_" | "__") || part.chars().all(|c| c == '-'))
}

fn is_tag(text: &str) -> bool {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.len() <= MOST_TAG_CHARS
        && text.starts_with(is_word)
        && text.chars().all(|c| is_word(c) || matches!(c, '.' | '-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_is_filled_in() {
        let digest = Digest::of(b"");
        for (text, full, reference) in [
            ("python", "docker.io/library/python:latest", "latest"),
            ("python:3", "docker.io/library/python:3", "3"),
            ("index.docker.io/a/b", "docker.io/a/b:latest", "latest"),
            ("localhost/a:v1", "localhost/a:v1", "v1"),
            ("localhost:5000", "docker.io/library/localhost:5000", "5000"),
            ("127.0.0.1:5000/a/b-c__d.e:1", "127.0.0.1:5000/a/b-c__d.e:1", "1"),
            ("[::1]:5000/a", "[::1]:5000/a:latest", "latest"),
            ("Host/a", "Host/a:latest", "latest"),
        ] {
            let name: Name = text.parse().unwrap();
            assert_eq!((name.to_string().as_str(), name.reference().as_str()), (full, reference), "{text}");
        }
        for text in ["r.io/a", "r.io/a:1"] {
            let name: Name = format!("{text}@{digest}").parse().unwrap();
            assert_eq!(name.to_string(), format!("{text}@{digest}"));
            assert_eq!(name.reference(), digest.to_string());
        }
        assert_eq!("python".parse::<Name>().unwrap().api(), "registry-1.docker.io");
    }

    #[test]
    fn names_that_no_registry_has() {
        let long = "a".repeat(256);
        for text in [
            "",
            "a:",
            "a@",
            "a@md5:00",
            "r.io/",
            "r.io//a",
            "r.io/A",
            "r.io/a..b",
            "r.io/a___b",
            "r.io/-a",
            "r.io/../v2",
            "r.io/a?b",
            "a b",
            "r.io:0/a",
            "r.io:99999/a",
            "-r.io/a",
            "r.io/a:b c",
            "u:p@r.io/a",
            "[::1/a",
            "[x]/a",
            "https://r.io/a",
            "a:-1",
            &long,
        ] {
            assert!(matches!(text.parse::<Name>(), Err(Error::Reference { .. })), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn nothing_panics_and_what_is_read_is_read_again(text in "[a-zA-Z0-9._:@/\\[\\]-]{0,40}|\\PC{0,20}") {
            if let Ok(name) = text.parse::<Name>() {
                proptest::prop_assert_eq!(name.to_string().parse::<Name>().unwrap(), name);
            }
        }
    }
}
