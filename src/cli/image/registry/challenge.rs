//! `WWW-Authenticate`: how a registry wants to be asked (RFC 9110, 11.6.1; distribution's token specification).

use std::collections::BTreeMap;

/// One way to log in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Challenge {
    /// A token from `realm`.
    Bearer {
        /// The address that gives tokens.
        realm: String,
        /// Whom the token is for.
        service: Option<String>,
        /// What it has to allow.
        scope: Option<String>,
    },
    /// Name and password with each request.
    Basic,
}

/// The challenges of one header that are understood, in its order. Anything may stand in it.
pub(super) fn parse(header: &str) -> Vec<Challenge> {
    let mut challenges = Vec::new();
    let mut current: Option<(String, BTreeMap<String, String>)> = None;
    let mut rest = header;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        let word_end = rest.find([' ', '\t', ',', '=']).unwrap_or(rest.len());
        let word = &rest[..word_end];
        if word.is_empty() {
            break;
        }
        rest = rest[word_end..].trim_start_matches([' ', '\t']);
        let Some(value) = rest.strip_prefix('=') else {
            challenges.extend(current.take().and_then(understood));
            current = Some((word.to_ascii_lowercase(), BTreeMap::new()));
            continue;
        };
        let (value, after) = value_of(value.trim_start_matches([' ', '\t']));
        rest = after;
        if let Some((_, parameters)) = &mut current {
            parameters.entry(word.to_ascii_lowercase()).or_insert(value);
        }
    }
    challenges.extend(current.and_then(understood));
    challenges
}

/// A token or a quoted string, and what follows it.
fn value_of(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([' ', '\t', ',']).unwrap_or(text.len());
        return (text[..end].to_owned(), &text[end..]);
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, c)) = characters.next() {
        match c {
            '"' => return (value, &quoted[at + 1..]),
            '\\' => value.extend(characters.next().map(|(_, c)| c)),
            c => value.push(c),
        }
    }
    (value, "")
}

fn understood((scheme, mut parameters): (String, BTreeMap<String, String>)) -> Option<Challenge> {
    match scheme.as_str() {
        "basic" => Some(Challenge::Basic),
        "bearer" => Some(Challenge::Bearer {
            realm: parameters.remove("realm")?,
            service: parameters.remove("service").filter(|text| !text.is_empty()),
            scope: parameters.remove("scope").filter(|text| !text.is_empty()),
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_registries_write() {
        let bearer = |realm: &str, service: Option<&str>, scope: Option<&str>| Challenge::Bearer {
            realm: realm.to_owned(),
            service: service.map(str::to_owned),
            scope: scope.map(str::to_owned),
        };
        for (header, challenges) in [
            (
                r#"Bearer realm="https://a/t",service="r",scope="repository:a/b:pull,push""#,
                vec![bearer("https://a/t", Some("r"), Some("repository:a/b:pull,push"))],
            ),
            (r#"Basic realm="basic-realm""#, vec![Challenge::Basic]),
            (r#"basic"#, vec![Challenge::Basic]),
            (
                r#"Negotiate, BASIC realm=x, Bearer realm = "a\"b" , service="" "#,
                vec![Challenge::Basic, bearer("a\"b", None, None)],
            ),
            ("Negotiate abc==, Basic", vec![Challenge::Basic]),
            (r#"Bearer service="r""#, vec![]),
            (r#"Bearer realm="open"#, vec![bearer("open", None, None)]),
            ("", vec![]),
            (",=,= =", vec![]),
        ] {
            assert_eq!(parse(header), challenges, "{header}");
        }
    }

    proptest::proptest! {
        #[test]
        fn nothing_panics(header in "(Bearer|Basic|[a-z]{1,3}|[ ,=\"\\\\]|\\PC){0,30}") {
            parse(&header);
        }
    }
}
