//! Advisories in YAML, one a file.

use serde::de::DeserializeOwned;
use serde_saphyr::{MessageFormatter, UserMessageFormatter};

use super::{sink::Sink, walk::Document};

/// Longest file; the longest real ones have some 30 kB.
const MOST_BYTES: usize = 1 << 20;

/// Counts and reads the only record of `document`; what is too long or malformed is left and named.
pub(super) fn record<T: DeserializeOwned>(document: &Document, sink: &mut Sink<'_>) -> Option<T> {
    sink.count();
    let Document { name, bytes, .. } = document;
    if bytes.len() > MOST_BYTES {
        sink.skip(name.clone(), "over the limit `feed YAML bytes`", &format!("more than {MOST_BYTES} bytes"));
        return None;
    }
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: 16,
            max_documents: 1,
            max_aliases: 0,
            max_anchors: 0,
            max_nodes: 100_000,
            max_events: 200_000,
            max_total_scalar_bytes: MOST_BYTES,
        },
        with_snippet: false,
    };
    let read = str::from_utf8(bytes).map_err(|error| error.to_string()).and_then(|text| {
        let read = serde_saphyr::from_str_with_options(text, options);
        read.map_err(|error| match error.location() {
            Some(at) => format!("line {}: {}", at.line(), UserMessageFormatter.format_message(&error)),
            None => UserMessageFormatter.format_message(&error).into_owned(),
        })
    });
    match read {
        Ok(record) => Some(record),
        Err(why) => {
            sink.skip(name.clone(), "malformed", &why);
            None
        }
    }
}

/// Whether a line near the beginning of `document`, which is YAML by its name, begins with `key`.
pub(super) fn has_key(document: &Document, key: &str) -> bool {
    (document.is_named(".yml") || document.is_named(".yaml"))
        && document.head().split(|&byte| byte == b'\n').any(|line| line.starts_with(key.as_bytes()))
}

/// The name of its file, without folders and what it ends with.
pub(super) fn stem(document: &Document) -> &str {
    let file = document.name.rsplit(['/', '\\']).next().unwrap_or_default();
    file.rsplit_once(".y").map_or(file, |(stem, _)| stem)
}
