//! The way out of a finding, in one sentence: the package, the version that mends it and, where it is known, the very line
//! to change.

use super::{
    Judged, ScanResult, Written,
    place::of_layer,
    text::{image_name, image_tag},
    words::count,
};
use crate::finding::{Finding, Status};

/// Most lines that one sentence lists.
const MAX_LINES: usize = 5;

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
    let to = target(judged).unwrap_or(fixed_in);
    // Which part of the way this one needs.
    let this = if to == fixed_in { String::new() } else { format!(" (this is fixed in {fixed_in})") };
    if let Some(asked) = &judged.asked {
        let line = lines(judged, &asked.written);
        return match (&asked.pin, words(judged)) {
            (Some(pin), Some(words)) => format!("Change {pin} to {words} in {line}{this}."),
            _ => format!("Update {name} to {to} in {line}{this}."),
        };
    }
    if is_of_base(judged) {
        return format!("{}, with {name} {to}{this}.", base_image(result, of_layer(result, judged)));
    }
    let layer = of_layer(result, judged);
    let place = layer.map(|written| format!(", which {}:{} brings", written.file, written.line));
    format!("Update {name} to {to}{}{this}.", place.unwrap_or_default())
}

/// The line that asks for the package, and those of the other lock files that it was read from.
fn lines(judged: &Judged, asked: &Written) -> String {
    let others = judged.found.get(1..).unwrap_or_default();
    let written = std::iter::once(asked).chain(others).take(MAX_LINES);
    let mut lines = written.map(|line| format!("{}:{}", line.file, line.line)).collect::<Vec<_>>().join(", ");
    let more = (others.len() + 1).saturating_sub(MAX_LINES);
    if more > 0 {
        lines.push_str(&format!(" and {}", count(more, "more line")));
    }
    lines
}

/// ` and N more`: the lock files that a package was read from beside the first.
pub(super) fn and_more(judged: &Judged) -> String {
    let more = judged.found.len().saturating_sub(1);
    if more == 0 { String::new() } else { format!(" and {more} more") }
}

/// The version to update to: one step for all findings of a package. `None` where no fix is known.
pub(super) fn target(judged: &Judged) -> Option<&String> {
    judged.update_to.as_ref().or(judged.finding.fixed_in.as_ref())
}

/// What the words of an instruction that pin the package are to be changed into; `None` where none do, or no fix is known.
pub(super) fn words(judged: &Judged) -> Option<String> {
    let pin = judged.asked.as_ref()?.pin.as_ref()?;
    Some(repinned(pin, &judged.finding.package.version, target(judged)?))
}

/// A pin of another version; one that does not write the epoch does not write the other's either.
fn repinned(pin: &str, version: &str, fixed_in: &str) -> String {
    let without_epoch = |version: &str| version.split_once(':').map_or(version, |(_, rest)| rest).to_owned();
    match pin.strip_suffix(version) {
        Some(name) => format!("{name}{fixed_in}"),
        None => {
            let name = pin.strip_suffix(&without_epoch(version)).unwrap_or(pin);
            format!("{name}{}", without_epoch(fixed_in))
        }
    }
}

/// Whether another base image is the way out.
pub(super) fn is_of_base(judged: &Judged) -> bool {
    let Finding { fixed_in, layer, .. } = &judged.finding;
    layer.base == Some(true) && fixed_in.is_some() && judged.asked.is_none()
}

/// What the base image brought is mended by another base image: which, as the beginning of a sentence. `from` is where the
/// image starts from it.
pub(super) fn base_image(result: &ScanResult, from: Option<&Written>) -> String {
    let from = from.map(|from| format!(" ({}:{})", from.file, from.line)).unwrap_or_default();
    let base = result.image.base.as_ref().and_then(|base| base.name.as_deref());
    let Some(base) = base else { return format!("Build on a newer base image{from}") };
    match image_tag(base) {
        Some(tag) if says_version(tag) => {
            format!("Take a newer tag of the base image {} than {tag}{from}", image_name(base))
        }
        // A tag that moves is pulled again, unless a digest holds it.
        _ => match base.split_once('@') {
            Some((tagged, _)) => format!("Take a newer digest of the base image {tagged}{from}"),
            None => format!("Build on a newer pull of the base image {base}{from}"),
        },
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
    fn a_pin_keeps_its_form() {
        assert_eq!(repinned("curl=1-1", "1-1", "1-2"), "curl=1-2");
        assert_eq!(repinned("openssl-1.0-1.el9", "1:1.0-1.el9", "1:1.1-1.el9"), "openssl-1.1-1.el9");
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
