//! Parsers of advisory feeds.
