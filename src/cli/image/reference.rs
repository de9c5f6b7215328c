//! What the caller names: a source and the rest of the text.

use std::{
    convert::Infallible,
    path::{Path, PathBuf},
    str::FromStr,
};

use super::Error;

/// Where an image comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// The Docker engine.
    Docker,
    /// A registry.
    Registry,
    /// An OCI image layout in a directory.
    Oci,
    /// An OCI image layout in a tar.
    OciArchive,
    /// What `docker save` writes.
    DockerArchive,
    /// The files of a host directory.
    Dir,
    /// A software bill of materials.
    Sbom,
}

const SCHEMES: &[(&str, Scheme)] = &[
    ("docker", Scheme::Docker),
    ("registry", Scheme::Registry),
    ("oci", Scheme::Oci),
    ("oci-archive", Scheme::OciArchive),
    ("docker-archive", Scheme::DockerArchive),
    ("dir", Scheme::Dir),
    ("sbom", Scheme::Sbom),
];

impl Scheme {
    /// The word before the colon.
    pub fn name(self) -> &'static str {
        SCHEMES.iter().find(|(_, scheme)| *scheme == self).map_or("", |(name, _)| name)
    }
}

/// An IMAGE argument. Parsing touches no file: what a bare word means is found out when it is opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// `None` for a bare word.
    pub scheme: Option<Scheme>,
    /// What follows the scheme.
    pub rest: String,
}

impl FromStr for Reference {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        let known = text.split_once(':').and_then(|(word, rest)| {
            SCHEMES.iter().find(|(name, _)| *name == word).map(|(_, scheme)| (*scheme, rest))
        });
        Ok(match known {
            Some((scheme, rest)) => Self { scheme: Some(scheme), rest: rest.to_owned() },
            None => Self { scheme: None, rest: text.to_owned() },
        })
    }
}

/// Splits `PATH[:TAG]`. Both may hold colons, so the longest prefix that exists is the path.
pub fn path_and_tag(text: &str) -> Result<(PathBuf, Option<String>), Error> {
    if Path::new(text).exists() {
        return Ok((text.into(), None));
    }
    let split = text.rmatch_indices(':').map(|(at, _)| (&text[..at], &text[at + 1..]));
    for (path, tag) in split {
        if !path.is_empty() && !tag.is_empty() && Path::new(path).exists() {
            return Ok((path.into(), Some(tag.to_owned())));
        }
    }
    Err(Error::NoSuchPath { path: text.into() })
}

/// Whether an engine may be asked for it: the text becomes part of a URL's path.
pub fn is_image_reference(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._-/:@".contains(c);
    !text.is_empty()
        && text.len() <= 512
        && text.chars().all(allowed)
        && text.split('/').all(|part| part.starts_with(|c: char| c.is_ascii_alphanumeric()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scheme_or_bare() {
        let parse = |text: &str| text.parse::<Reference>().unwrap();
        assert_eq!(parse("oci:a:b"), Reference { scheme: Some(Scheme::Oci), rest: "a:b".into() });
        assert_eq!(parse("python:3"), Reference { scheme: None, rest: "python:3".into() });
        assert_eq!(parse("oci-archive:x").scheme.unwrap().name(), "oci-archive");
    }

    #[test]
    fn longest_path_wins() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
        std::fs::create_dir(at("a")).unwrap();
        std::fs::create_dir(at("a:b")).unwrap();
        assert_eq!(path_and_tag(&at("a")).unwrap(), (at("a").into(), None));
        assert_eq!(path_and_tag(&at("a:b")).unwrap(), (at("a:b").into(), None));
        assert_eq!(path_and_tag(&at("a:b:c")).unwrap(), (at("a:b").into(), Some("c".into())));
        assert_eq!(path_and_tag(&at("a:r:5/x:1")).unwrap(), (at("a").into(), Some("r:5/x:1".into())));
        assert!(matches!(path_and_tag(&at("z:1")), Err(Error::NoSuchPath { .. })));
    }

    #[test]
    fn references_cannot_leave_their_place_in_a_url() {
        for good in ["a", "r.io:5000/a/b:v1", "a@sha256:00"] {
            assert!(is_image_reference(good), "{good}");
        }
        for bad in ["", "../containers", "a/../b", "a?x=1", "a#b", "a b", "/a", "a//b", "a%2e"] {
            assert!(!is_image_reference(bad), "{bad}");
        }
    }
}
