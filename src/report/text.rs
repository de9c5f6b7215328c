//! Untrusted text made fit to print. Names, versions, summaries, instructions and paths come from images and feeds;
//! a report must not let them move a cursor, hide a line, command a runner or break a format.

use std::borrow::Cow;

use crate::digest::Digest;

/// The text on one line, without anything that a terminal, a log, a CI runner or XML 1.0 would act on: runs of white space
/// become one space; other control characters, marks that turn the writing direction, invisible characters, noncharacters
/// and the sign that makes a [command](commands) are written as `\u{…}`.
pub fn plain(text: &str) -> Cow<'_, str> {
    if is_harmless(text) && !text.trim_ascii_start().starts_with("::") {
        return Cow::Borrowed(text);
    }
    let fine = |c: char| c == ' ' || !(c.is_whitespace() || acts(c));
    if text.chars().all(fine) && commands(text).next().is_none() {
        return Cow::Borrowed(text);
    }
    let mut commands = commands(text).peekable();
    let mut out = String::with_capacity(text.len());
    let mut space = false;
    for (at, c) in text.char_indices() {
        if c.is_whitespace() {
            space = true;
            continue;
        }
        if space && !out.is_empty() {
            out.push(' ');
        }
        space = false;
        if acts(c) || commands.next_if_eq(&at).is_some() {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

/// Whether a text is of ASCII's visible characters alone, and none is a hash. Nearly every one is, and is looked at a thousand times
/// over; most are short, so that eight bytes at a time are faster than more.
pub(super) fn is_harmless(text: &str) -> bool {
    const HIGHEST_BITS: u64 = of_each(0x80);
    let text = text.as_bytes();
    let are_harmless = |bytes: &[u8; 8]| {
        let bytes = u64::from_ne_bytes(*bytes);
        // The highest bit of a byte says that it is above `~`, below a blank, or a hash. A carry to the next byte comes only from one
        // that is itself harmful.
        let high = bytes | bytes.wrapping_add(of_each(1));
        let low = bytes.wrapping_sub(of_each(b' '));
        let hash = (bytes ^ of_each(b'#')).wrapping_sub(of_each(1));
        (high | low | hash) & HIGHEST_BITS == 0
    };
    match text.last_chunk() {
        Some(last) => text.as_chunks().0.iter().all(are_harmless) && are_harmless(last),
        None => text.iter().all(|byte| matches!(byte, b' '..=b'~' if *byte != b'#')),
    }
}

const fn of_each(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}

/// Where a sign makes a text a command to the runner that reads the log, in order. GitHub's takes `##[name]` anywhere in a
/// line and `::name::` where a line begins (actions/runner, `ActionCommand.cs`); Azure's and TeamCity's take `##vso[` and
/// `##teamcity[`.
fn commands(text: &str) -> impl Iterator<Item = usize> {
    let start = text.len() - text.trim_start().len();
    let colon = text[start..].starts_with("::").then_some(start);
    let hashes = memchr::memmem::find_iter(text.as_bytes(), b"##").map(|at| at + 1);
    let hash = hashes.filter(|hash| {
        let name = text[hash + 1..].trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '-');
        name.starts_with(['[', '#'])
    });
    colon.into_iter().chain(hash)
}

/// Whether a character does something instead of being seen.
pub(super) fn acts(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
        || matches!(c, '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}')
        || (u32::from(c) & 0xfffe) == 0xfffe
        || matches!(c, '\u{fdd0}'..='\u{fdef}' | '\u{e0000}'..='\u{e007f}')
}

/// The text made [plain] and cut to at most `limit` characters, with an ellipsis where it was cut. Nearly every one is given
/// back as it came.
pub(super) fn cut<'a>(text: impl Into<Cow<'a, str>>, limit: usize) -> Cow<'a, str> {
    let text = text.into();
    if text.len() <= limit && matches!(plain(&text), Cow::Borrowed(_)) {
        return text;
    }
    // An escape is ten characters at most, so a prefix is enough: a text of megabytes costs no more than a line.
    let prefix = text.char_indices().nth(limit.saturating_add(1)).map_or(&*text, |(end, _)| &text[..end]);
    let plain = plain(prefix);
    if prefix.len() == text.len() && plain.chars().count() <= limit {
        return plain.into_owned().into();
    }
    let mut out: String = plain.chars().take(limit.saturating_sub(1)).collect();
    out.push('…');
    out.into()
}

/// The text [cut], and no part of it a link: in SARIF's messages and in Markdown one is `[text](target)`. Brackets alone mean
/// nothing there, and stay: `urllib3[secure]==1.23` is what a reader has to find.
pub(super) fn unlinked<'a>(text: impl Into<Cow<'a, str>>, limit: usize) -> Cow<'a, str> {
    let text = cut(text, limit);
    if text.contains("](") { cut(text.replace("](", "] ("), limit) } else { text }
}

/// The text [unlinked], without the signs that begin a tag or code, and no definition of a link, which is not shown: for
/// readers of which it is not known whether they take a line for Markdown.
pub(super) fn inert<'a>(text: impl Into<Cow<'a, str>>, limit: usize) -> Cow<'a, str> {
    let text = unlinked(text, limit);
    if memchr::memchr3(b'<', b'>', b'`', text.as_bytes()).is_none() && !text.contains("]:") {
        return text;
    }
    let harmless = |c| match c {
        '<' => '‹',
        '>' => '›',
        '`' => '\'',
        c => c,
    };
    cut(text.replace("]:", "] :"), limit).chars().map(harmless).collect()
}

/// What an image is called that has no name.
pub const NO_NAME: &str = "image";

/// The name of an image without scheme, tag and digest: what stays the same from build to build.
pub fn image_name(reference: &str) -> &str {
    let name = name_and_tag(reference).0.trim_matches('/');
    if name.is_empty() { NO_NAME } else { name }
}

/// The tag of an image, where its reference has one.
pub fn image_tag(reference: &str) -> Option<&str> {
    name_and_tag(reference).1
}

fn name_and_tag(reference: &str) -> (&str, Option<&str>) {
    let name = SCHEMES.iter().find_map(|scheme| reference.strip_prefix(scheme)).unwrap_or(reference);
    let name = name.split_once('@').map_or(name, |(name, _)| name);
    // An image given by its ID has neither: `sha256` would be the name of every one.
    if name.starts_with("sha256:") && name.parse::<Digest>().is_ok() {
        return ("", None);
    }
    let end = name.rfind('/').map_or(0, |slash| slash + 1);
    // A colon before the last slash is a registry's port.
    match name[end..].find(':').map(|colon| end + colon) {
        Some(colon) => (&name[..colon], Some(&name[colon + 1..])),
        None => (name, None),
    }
}

const SCHEMES: &[&str] =
    &["docker:", "registry:", "oci:", "oci-archive:", "docker-archive:", "dir:", "sbom:"];

/// A number with its thousands parted by commas.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Bytes as megabytes with one digit behind the point.
pub(super) fn megabytes(bytes: u64) -> String {
    format!("{}.{} MB", grouped(bytes / 1_000_000), bytes % 1_000_000 / 100_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_acts_survives() {
        assert_eq!(plain("COPY . /app"), "COPY . /app");
        assert_eq!(plain("a\n\t b"), "a b");
        assert_eq!(plain("\u{1b}[31mred\u{9b}0m\u{7}"), "\\u{1b}[31mred\\u{9b}0m\\u{7}");
        assert_eq!(plain("a\u{202e}b\u{2066}c\u{feff}d\u{ffff}"), "a\\u{202e}b\\u{2066}c\\u{feff}d\\u{ffff}");
        assert_eq!(plain("日本 😀 שלום"), "日本 😀 שלום");
    }

    #[test]
    fn what_is_harmless_is_known_by_every_byte() {
        for byte in 0..=u8::MAX {
            let c = char::from(byte);
            for before in 0..20 {
                let text = [&"x".repeat(before), &*c.to_string(), &" ~".repeat(4)].concat();
                assert_eq!(is_harmless(&text), matches!(c, ' '..='~' if c != '#'), "{text:?}");
                assert!(is_harmless(&text[..before]));
            }
        }
    }

    #[test]
    fn no_runner_is_commanded() {
        for (text, want) in [
            ("::error::x", "\\u{3a}:error::x"),
            (" \n::add-mask::x", "\\u{3a}:add-mask::x"),
            ("a::b", "a::b"),
            ("x ##[error]y", "x #\\u{23}[error]y"),
            ("###[error]", "#\\u{23}#[error]"),
            ("##vso[task.setvariable]", "#\\u{23}vso[task.setvariable]"),
            ("# a ## b", "# a ## b"),
        ] {
            assert_eq!(plain(text), want, "{text:?}");
        }
    }

    #[test]
    fn cuts_at_characters() {
        assert_eq!(cut("日本語", 3), "日本語");
        assert_eq!(cut("日本語だ", 3), "日本…");
        assert_eq!(cut("x".repeat(100_000), 1_024).chars().count(), 1_024);
        assert!(cut("\u{1b}".repeat(100), 20).chars().count() <= 20);
    }

    #[test]
    fn no_sign_begins_a_link_or_a_tag() {
        for (text, want) in [
            ("urllib3[secure]==1.23", "urllib3[secure]==1.23"),
            ("[a](b) <img> `c` @d\n", "[a] (b) ‹img› 'c' @d"),
            ("![a]](b)[c][d] [e]: f", "![a]] (b)[c][d] [e] : f"),
            ("[a]\u{200b}(b)", "[a]\\u{200b}(b)"),
        ] {
            assert_eq!(inert(text, 40), want);
        }
        assert_eq!(unlinked("a[b](c)]: <d>", 40), "a[b] (c)]: <d>");
        for limit in 1..12 {
            let text = inert("](]:](]:](", limit);
            assert!(text.chars().count() <= limit && !text.contains("](") && !text.contains("]:"), "{text}");
        }
    }

    #[test]
    fn image_names_lose_scheme_tag_and_digest() {
        for (reference, name) in [
            ("app:ci", "app"),
            ("docker:registry.example:5000/team/app:1.2", "registry.example:5000/team/app"),
            ("registry:ghcr.io/team/app@sha256:0123", "ghcr.io/team/app"),
            ("app:1@sha256:0123", "app"),
            ("oci:build/out:latest", "build/out"),
            ("docker-archive:/builds/app.tar", "builds/app.tar"),
            ("docker:", "image"),
            ("docker:sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", "image"),
            ("", "image"),
        ] {
            assert_eq!(image_name(reference), name, "{reference}");
        }
        assert_eq!(image_tag("docker:r.example:5000/team/app:1.2@sha256:0"), Some("1.2"));
        assert_eq!(image_tag("docker:r.example:5000/team/app"), None);
    }

    #[test]
    fn groups_thousands() {
        for (number, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (12_345_678, "12,345,678")] {
            assert_eq!(grouped(number), text);
        }
    }
}
