//! Which layers of an image are its base image's, and what it is called.
//!
//! | how it is known | `By` |
//! | --- | --- |
//! | the layers of an image that the caller names lie at the bottom | `Layers` |
//! | a Dockerfile agrees with the history: what lies below its instructions | `Dockerfile` |
//! | the image names its base by digest, and the layers of that lie at the bottom | `Annotations` |
//! | the history: what lies below the last command that layers follow | `History`, a guess |
//!
//! The caller knows more than one of them at times and takes the first. Nothing in a verdict depends on it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    digest::Digest,
    dockerfile::Entry,
    image::{History, Image},
};

/// The base image of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Base {
    /// So many layers, from the bottom, are the base image's; none where it was built from nothing.
    pub layers: usize,
    /// How that is known.
    pub by: By,
    /// The base image, as whoever knew it calls it: the caller, the Dockerfile, the image's annotations or labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// How a base image is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum By {
    /// The caller named it, and its layers are the lowest of the image.
    Layers,
    /// A Dockerfile agrees with the image's history.
    Dockerfile,
    /// The image names its digest, and its layers are the lowest of the image.
    Annotations,
    /// The image's history reads so: a guess.
    History,
}

/// Bytes of a base image's name; a longer one is none.
const MAX_NAME_BYTES: usize = 1024;

const NAME: &str = "org.opencontainers.image.base.name";
const DIGEST: &str = "org.opencontainers.image.base.digest";

/// What an image says of its base image, in annotations or labels (OCI image-spec, `annotations.md`): a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// Such as `docker.io/library/debian:12`.
    pub name: String,
    /// Of its manifest or index.
    pub digest: Option<Digest>,
}

impl Named {
    /// Of annotations or labels.
    pub fn new<'a>(said: impl Fn(&str) -> Option<&'a String>) -> Option<Self> {
        let name = said(NAME).filter(|name| !name.is_empty() && name.len() <= MAX_NAME_BYTES)?;
        Some(Self { name: name.clone(), digest: said(DIGEST).and_then(|digest| digest.parse().ok()) })
    }

    /// Of the annotations of a manifest, or the labels of a config.
    pub(crate) fn read(document: &[u8]) -> Option<Self> {
        #[derive(Deserialize)]
        struct Said {
            #[serde(default)]
            annotations: Option<BTreeMap<String, String>>,
            #[serde(default)]
            config: Option<Config>,
        }
        #[derive(Deserialize)]
        struct Config {
            #[serde(default, rename = "Labels")]
            labels: Option<BTreeMap<String, String>>,
        }
        // What cannot be read here names nothing; nothing depends on it.
        let said: Said = serde_json::from_slice(document).ok()?;
        let all = said.annotations.or_else(|| said.config?.labels)?;
        Self::new(|key| all.get(key))
    }
}

/// Whether the labels of an image speak of its base image's base: they are inherited, annotations are not.
pub(crate) fn inherits_labels(history: &[History]) -> bool {
    let Some(end) = end(history) else { return false };
    let says = |entry: &History| entry.created_by.contains(NAME);
    history[..end].iter().any(says) && !history[end..].iter().any(says)
}

/// The base image as the history tells, oldest first: what lies below the last command that layers follow.
pub fn by_history(history: &[History]) -> Option<Base> {
    let layers = history[..end(history)?].iter().filter(|entry| !entry.empty_layer).count();
    (layers > 0).then_some(Base { layers, by: By::History, name: None })
}

/// A base image ends with the command that it runs, and what is built upon it adds layers behind that.
fn end(history: &[History]) -> Option<usize> {
    let last_layer = history.iter().rposition(|entry| !entry.empty_layer)?;
    let is_command = |entry: &History| matches!(Entry::word(&entry.created_by), "CMD" | "ENTRYPOINT");
    history[..last_layer].iter().rposition(|entry| entry.empty_layer && is_command(entry))
}

/// How many layers of `image` are those of `base`, all of which must be its lowest; else the first that differs.
pub fn by_layers(base: &Image, image: &Image) -> Result<usize, usize> {
    let differs = |index: &usize| {
        image.layers.get(*index).map(|layer| layer.diff_id) != Some(base.layers[*index].diff_id)
    };
    match (0..base.layers.len()).find(differs) {
        Some(index) => Err(index),
        None => Ok(base.layers.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layers(entries: &[(&str, bool)]) -> Option<usize> {
        let entry =
            |(text, layer): &(&str, bool)| History { created_by: (*text).to_owned(), empty_layer: !layer };
        by_history(&entries.iter().map(entry).collect::<Vec<_>>()).map(|base| base.layers)
    }

    #[test]
    fn histories() {
        let debian =
            [("/bin/sh -c #(nop) ADD file:1 in / ", true), ("/bin/sh -c #(nop)  CMD [\"bash\"]", false)];
        let python = [("RUN /bin/sh -c make # buildkit", true), ("CMD [\"python3\"]", false)];
        let app =
            [("COPY . /app # buildkit", true), ("ENTRYPOINT [\"/app/run\"]", false), ("CMD [\"-v\"]", false)];
        assert_eq!(layers(&debian), None);
        assert_eq!(layers(&[debian, python].concat()), Some(1));
        assert_eq!(layers(&[&debian[..], &python, &app].concat()), Some(2));
        assert_eq!(layers(&app), None);
        assert_eq!(layers(&[("CMD [\"a\"]", false), ("COPY a /", true)]), None);
        assert_eq!(layers(&[("COPY CMD /", true), ("RUN CMD", false), ("COPY a /", true)]), None);
    }

    #[test]
    fn labels_are_inherited() {
        let history = |texts: &[(&str, bool)]| -> Vec<History> {
            let entry = |(text, layer): &(&str, bool)| History {
                created_by: (*text).to_owned(),
                empty_layer: !layer,
            };
            texts.iter().map(entry).collect()
        };
        let label = ("LABEL org.opencontainers.image.base.name=a", false);
        let (below, above) = (("ADD a /", true), [("CMD [\"a\"]", false), ("COPY a /", true)]);
        assert!(inherits_labels(&history(&[&[below, label][..], &above].concat())));
        assert!(!inherits_labels(&history(&[&[below][..], &above, &[label]].concat())));
        assert!(!inherits_labels(&history(&[&[below, label][..], &above, &[label]].concat())));
        // Of the command line, which BuildKit leaves out of the history.
        assert!(!inherits_labels(&history(&[&[below][..], &above].concat())));
    }

    #[test]
    fn what_an_image_says() {
        let digest = Digest::of(b"base");
        let said = format!(r#"{{"{NAME}":"debian:12","{DIGEST}":"{digest}"}}"#);
        let named = Named { name: "debian:12".to_owned(), digest: Some(digest) };
        for (document, want) in [
            (format!(r#"{{"annotations":{said},"config":{{"digest":"x"}}}}"#), Some(&named)),
            (format!(r#"{{"config":{{"Labels":{said}}}}}"#), Some(&named)),
            (format!(r#"{{"annotations":{{"{DIGEST}":"{digest}"}}}}"#), None),
            (format!(r#"{{"annotations":{{"{NAME}":"{}"}}}}"#, "a".repeat(MAX_NAME_BYTES + 1)), None),
            (r#"{"config":{"Labels":null}}"#.to_owned(), None),
            (r#"{"config":{"Labels":[]}}"#.to_owned(), None),
        ] {
            assert_eq!(Named::read(document.as_bytes()).as_ref(), want, "{document}");
        }
    }
}
