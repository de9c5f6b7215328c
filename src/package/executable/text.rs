//! Text files that stand beside programs and tell their version: the JDK's `release`, Go's `VERSION`, Erlang's
//! `OTP_VERSION`.

use crate::package::file_name;

/// By name and content.
pub(super) fn recognise(path: &str, head: &[u8]) -> bool {
    let contains = |text: &[u8]| head.windows(text.len()).any(|window| window == text);
    match file_name(path) {
        "release" => contains(b"JAVA_VERSION=\""),
        "VERSION" => head.starts_with(b"go1."),
        "OTP_VERSION" => head.first().is_some_and(u8::is_ascii_digit),
        _ => false,
    }
}

/// The program and its version; `None` if it is not certain.
pub(super) fn find(path: &str, text: &str) -> Option<(&'static str, String)> {
    let first = text.lines().next()?.trim();
    let (name, version) = match file_name(path) {
        "release" => {
            let value = |key: &str| {
                let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix("=\""))?;
                line.trim_end().strip_suffix('"')
            };
            // Oracle's own builds are another product, under another licence.
            let name = if value("BUILD_TYPE") == Some("commercial") { "jdk" } else { "openjdk" };
            (name, value("JAVA_VERSION")?)
        }
        "VERSION" => ("go", first.strip_prefix("go")?),
        _ => ("erlang", first),
    };
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b".+~_-".contains(&byte);
    let certain = version.starts_with(|c: char| c.is_ascii_digit()) && version.bytes().all(legal);
    certain.then(|| (name, version.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_beside_programs() {
        let openjdk = "IMPLEMENTOR=\"Eclipse Adoptium\"\nJAVA_VERSION=\"1.8.0_392\"\n";
        let oracle = "BUILD_TYPE=\"commercial\"\nJAVA_VERSION=\"21.0.1\"\n";
        for (path, text, want) in [
            ("opt/java/release", openjdk, Some(("openjdk", "1.8.0_392"))),
            ("opt/java/release", oracle, Some(("jdk", "21.0.1"))),
            ("usr/local/go/VERSION", "go1.22.1\ntime 2024-03-05T22:18:55Z\n", Some(("go", "1.22.1"))),
            ("usr/lib/go-1.19/VERSION", "go1.19.8", Some(("go", "1.19.8"))),
            ("lib/erlang/releases/25/OTP_VERSION", "25.2.3\n", Some(("erlang", "25.2.3"))),
            ("usr/local/go/VERSION", "go1.22 1", None),
        ] {
            assert!(recognise(path, text.as_bytes()));
            assert_eq!(find(path, text), want.map(|(name, version)| (name, version.to_owned())), "{path}");
        }
        assert!(!recognise("app/VERSION", b"1.0\n") && !recognise("etc/release", b"NAME=x\n"));
    }
}
