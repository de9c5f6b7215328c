//! Where a finding is shown: the line of the checkout that can be changed.

use std::borrow::Cow;

use super::{Judged, ScanResult, Written, versions::without_versions};
use crate::package::is_lock_file;

/// A file and a line of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place<'a> {
    /// Path of the file, its parts divided by slashes. Untrusted: each report writes it in its own form.
    pub(super) file: Cow<'a, str>,
    /// From 1.
    pub(super) line: usize,
    /// What GitHub knows the line by; `None` where the file is none of the checkout.
    pub(super) line_hash: Option<&'a str>,
}

impl<'a> Place<'a> {
    fn of(written: &'a Written) -> Self {
        Self { file: written.file.as_str().into(), line: written.line, line_hash: Some(&written.line_hash) }
    }

    /// Whether the checkout has the file.
    pub(super) fn is_in_checkout(&self) -> bool {
        self.line_hash.is_some()
    }

    /// The file, where the checkout has it.
    pub(super) fn in_checkout(&self) -> Option<&str> {
        self.line_hash.map(|_| &*self.file)
    }
}

/// The places of a finding: one, unless it was read from several lock files.
pub(super) fn places<'a>(result: &'a ScanResult, judged: &'a Judged) -> impl Iterator<Item = Place<'a>> {
    std::iter::once(place(result, judged)).chain(judged.found.iter().skip(1).map(Place::of))
}

/// The place of a finding: the line of a file that it was read from, or of a lock file that asks for the package; else the
/// instruction of the Dockerfile that made the layer; where neither is known, the image's name as a folder and the package's
/// file in it, [without the versions](without_versions) that the next release changes.
///
/// It is one line, the first: a pull request shows only what lies on changed lines throughout.
pub(super) fn place<'a>(result: &'a ScanResult, judged: &'a Judged) -> Place<'a> {
    if let Some(written) = written(result, judged) {
        return Place::of(written);
    }
    let name = result.image.name();
    // Versions may also change which path is the first.
    let paths = judged.finding.paths.iter().map(|path| without_versions(path.trim_start_matches('/')));
    let file = paths.min().map_or(name.into(), |path| format!("{name}/{path}").into());
    Place { file, line: 1, line_hash: None }
}

/// The lines of the checkout that brought the package.
fn written<'a>(result: &'a ScanResult, judged: &'a Judged) -> Option<&'a Written> {
    let in_lock_file = judged.asked.as_ref().filter(|asked| is_lock_file(&asked.written.file));
    let in_file = judged.found.first().or(in_lock_file.map(|asked| &asked.written));
    in_file.or_else(|| of_layer(result, judged))
}

/// The lines of the Dockerfile that made the finding's layer.
pub(super) fn of_layer<'a>(result: &'a ScanResult, judged: &Judged) -> Option<&'a Written> {
    result.image.layers.get(judged.finding.layer.index)?.written.as_ref()
}
