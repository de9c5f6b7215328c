//! Annotations of GitHub Actions.
