//! YAML as lock files use it: maps, lists and scalars, no anchors.

use serde::de::DeserializeOwned;
use serde_saphyr::{MessageFormatter, UserMessageFormatter};

use super::{
    super::{Error, utf8},
    text::hold_parsed,
};

/// `lock file nodes`: most maps, lists and scalars of a file. The lock file of a large monorepo has some 500,000.
const MAX_NODES: usize = 1_000_000;

/// Reads every document that is not empty.
pub(super) fn documents<T: DeserializeOwned>(bytes: &[u8]) -> Result<Vec<T>, Error> {
    hold_parsed("YAML size", bytes)?;
    let text = utf8(bytes)?;
    serde_saphyr::from_multiple_with_options(text, options()).map_err(|error| yaml_error(&error))
}

/// Reads the only document.
pub(super) fn document<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    hold_parsed("YAML size", bytes)?;
    let text = utf8(bytes)?;
    serde_saphyr::from_str_with_options(text, options()).map_err(|error| yaml_error(&error))
}

fn options() -> serde_saphyr::Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: 16,
            max_documents: 8,
            max_aliases: 0,
            max_anchors: 0,
            max_nodes: MAX_NODES,
            max_events: 2 * MAX_NODES,
            max_total_scalar_bytes: usize::MAX,
        },
        merge_keys: serde_saphyr::options::MergeKeyPolicy::Error,
        with_snippet: false,
    }
}

fn yaml_error(error: &serde_saphyr::Error) -> Error {
    let why = UserMessageFormatter.format_message(error).into_owned();
    match error.location() {
        Some(at) => Error::Line { line: usize::try_from(at.line()).unwrap_or(usize::MAX), why },
        None => Error::Damaged { form: "YAML", why },
    }
}
