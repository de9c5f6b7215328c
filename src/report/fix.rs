//! The way out of a finding, in one sentence: the package, the version that mends it and, where it is known, the very line
//! to change.

use super::{Judged, ScanResult, Written, place::of_layer};
use crate::finding::{Finding, Status};

/// What to do about a finding. Of untrusted text: each report writes it in its own form.
pub(super) fn fix(result: &ScanResult, judged: &Judged) -> String {
    let Finding { package, fixed_in, status, .. } = &judged.finding;
    let name = &package.name;
    let Some(fixed_in) = fixed_in else {
        return match status {
            Status::Fixed => format!("A fixed version of {name} is not named."),
            Status::Affected => format!("No fixed version of {name} is known."),
        };
    };
    if let Some(asked) = &judged.asked {
        let line = format!("{}:{}", asked.written.file, asked.written.line);
        return match &asked.pin {
            // The version is a part of the pin, or it would not be one.
            Some(pin) => {
                format!("Change {pin} to {} in {line}.", pin.replacen(&package.version, fixed_in, 1))
            }
            None => format!("Update {name} to {fixed_in} in {line}."),
        };
    }
    if judged.finding.layer.base == Some(true) {
        return format!("{}, with {name} {fixed_in}.", base_image(result, of_layer(result, judged)));
    }
    let layer = of_layer(result, judged);
    let place = layer.map(|written| format!(", which {}:{} brings", written.file, written.line));
    format!("Update {name} to {fixed_in}{}.", place.unwrap_or_default())
}

/// What the base image brought is mended by another base image: which, as the beginning of a sentence. `from` is where the
/// image starts from it.
pub(super) fn base_image(result: &ScanResult, from: Option<&Written>) -> String {
    let from = from.map(|from| format!(" ({}:{})", from.file, from.line)).unwrap_or_default();
    let base = result.image.base.as_ref().and_then(|base| base.name.as_deref());
    match base.map(parted) {
        Some((image, Some(tag), _)) if says_version(tag) => {
            format!("Take a newer tag of the base image {image} than {tag}{from}")
        }
        Some((image, tag, true)) => {
            let tag = tag.map(|tag| format!(":{tag}")).unwrap_or_default();
            format!("Take a newer digest of the base image {image}{tag}{from}")
        }
        Some((image, tag, false)) => {
            let tag = tag.map(|tag| format!(":{tag}")).unwrap_or_default();
            format!("Build on a newer pull of the base image {image}{tag}{from}")
        }
        None => format!("Build on a newer base image{from}"),
    }
}

/// A reference's name and tag, and whether a digest pins it.
fn parted(reference: &str) -> (&str, Option<&str>, bool) {
    let (name, pinned) = match reference.split_once('@') {
        Some((name, _)) => (name, true),
        None => (reference, false),
    };
    let last = name.rfind('/').map_or(0, |slash| slash + 1);
    // A colon before the last slash is a registry's port.
    match name[last..].split_once(':') {
        Some((_, tag)) => (&name[..name.len() - tag.len() - 1], Some(tag), pinned),
        None => (name, None, pinned),
    }
}

/// Whether a tag names one version for good, as `12.5` and `3.19.1-slim` do and `12`, `stable` and `bookworm` do not.
fn says_version(tag: &str) -> bool {
    let version = tag.strip_prefix('v').unwrap_or(tag).split('-').next().unwrap_or_default();
    let mut parts = version.split('.');
    parts.clone().count() > 1
        && parts.all(|part| part.bytes().all(|byte| byte.is_ascii_digit()) && !part.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_parted() {
        assert_eq!(parted("debian:12"), ("debian", Some("12"), false));
        assert_eq!(parted("r.example:5000/team/base"), ("r.example:5000/team/base", None, false));
        assert_eq!(parted("debian:12@sha256:0"), ("debian", Some("12"), true));
        assert_eq!(parted("debian@sha256:0"), ("debian", None, true));
    }

    #[test]
    fn a_tag_with_two_numbers_says_its_version() {
        for (tag, says) in [
            ("12.5", true),
            ("v1.2.3-slim", true),
            ("12", false),
            ("bookworm", false),
            ("1.x", false),
            ("", false),
        ] {
            assert_eq!(says_version(tag), says, "{tag}");
        }
    }
}
