//! OSV records, schema 1.x (ossf.github.io/osv-schema), as osv.dev, GitHub, PyPA and others publish them.
//!
//! A document is one record, an array of records (`.json`), or one record per line (`.jsonl`). What is left is named:
//! withdrawn records, ecosystems that are not supported yet, ranges of git commits alone.

mod document;
mod events;
mod record;
mod suse;

pub(super) use document::Osv;
