//! Which layers of an image are its base image's.
//!
//! The history tells: a base image ends with the command that it runs, and what is built upon it adds layers behind that.
//! This is how the builders of Docker, buildah and BuildKit write a history, and a guess all the same; the result says that
//! it is the history's word.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::image::History;

/// The base image of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Base {
    /// So many layers, from the bottom, are the base image's.
    pub layers: usize,
    /// How that is known.
    pub by: By,
}

/// How a base image is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum By {
    /// The image's history reads so.
    History,
}

/// The base image as the history tells, oldest first: what lies below the last command that layers follow.
pub fn by_history(history: &[History]) -> Option<Base> {
    let last_layer = history.iter().rposition(|entry| !entry.empty_layer)?;
    let end =
        history[..last_layer].iter().rposition(|entry| entry.empty_layer && is_command(&entry.created_by))?;
    let layers = history[..end].iter().filter(|entry| !entry.empty_layer).count();
    (layers > 0).then_some(Base { layers, by: By::History })
}

/// `CMD` or `ENTRYPOINT`, as the classic builder, buildah and BuildKit write it.
fn is_command(created_by: &str) -> bool {
    let instruction = created_by.strip_prefix("/bin/sh -c #(nop)").unwrap_or(created_by).trim_start();
    let word = instruction.split(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or_default();
    word == "CMD" || word == "ENTRYPOINT"
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
}
