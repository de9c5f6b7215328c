//! Properties in project files: `${name}` of Maven, `$(name)` of MSBuild.

/// Replacements of one value, so that properties that name each other come to an end.
const MAX_STEPS: usize = 32;
/// Bytes of one value: no name and no version is longer.
const MAX_BYTES: usize = 256;

/// `text` with every property replaced; `None` where the file does not say one, or says it by itself. `marks` begin and end
/// a property, such as `${` and `}`.
pub(super) fn expand<'a>(
    text: &str,
    marks: (&str, &str),
    value: impl Fn(&str) -> Option<&'a str>,
) -> Option<String> {
    let (begin, end) = marks;
    let mut text = Some(text).filter(|text| text.len() <= MAX_BYTES)?.to_owned();
    for _ in 0..MAX_STEPS {
        // The last one that begins has no other within it.
        let Some(start) = text.rfind(begin) else { return Some(text) };
        let inner = start + begin.len();
        let length = text[inner..].find(end)?;
        let replacement = value(text[inner..inner + length].trim())?;
        if text.len() + replacement.len() > MAX_BYTES {
            return None;
        }
        text.replace_range(start..inner + length + end.len(), replacement);
    }
    None
}

/// The line at which a text says what it says: that of the property which it names and nothing else, else its own.
pub(super) fn line<'a>(
    mut text: &'a str,
    mut line: usize,
    (begin, end): (&str, &str),
    value: impl Fn(&str) -> Option<(&'a str, usize)>,
) -> usize {
    for _ in 0..MAX_STEPS {
        let name = text.strip_prefix(begin).and_then(|rest| rest.strip_suffix(end));
        let Some(property) = name.and_then(|name| value(name.trim())) else { break };
        (text, line) = property;
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expands() {
        let value = |name: &str| match name {
            "a" => Some("1"),
            "b" => Some("${a}.${a}"),
            "loop" => Some("x${loop}"),
            "1" => Some("inner"),
            _ => None,
        };
        for (text, want) in [
            ("x", Some("x")),
            ("${b}-${a}", Some("1.1-1")),
            ("${${a}}", Some("inner")),
            ("${none}", None),
            ("${loop}", None),
            ("${a", None),
            ("}$a{", Some("}$a{")),
        ] {
            assert_eq!(expand(text, ("${", "}"), value).as_deref(), want, "{text}");
        }
        assert_eq!(expand(&"x".repeat(2000), ("${", "}"), value), None);
        let long = "x".repeat(2000);
        assert_eq!(expand("${long}", ("${", "}"), |_| Some(&long)), None);
    }

    #[test]
    fn lines() {
        let value = |name: &str| match name {
            "a" => Some(("1", 7)),
            "b" => Some(("${a}", 8)),
            "loop" => Some(("${loop}", 9)),
            _ => None,
        };
        for (text, want) in [
            ("1", 1),
            ("${a}", 7),
            ("${ b }", 7),
            ("${a}.${a}", 1),
            ("2.${a}", 1),
            ("${none}", 1),
            ("${loop}", 9),
            ("", 1),
        ] {
            assert_eq!(line(text, 1, ("${", "}"), value), want, "{text}");
        }
    }
}
