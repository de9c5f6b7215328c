//! Platforms as an engine compares them: by containerd's normal form (`platforms/database.go`).

use stella::image::Platform;

/// Whether `platform` is among those asked for; all are where none was named.
///
/// A part that `platform` leaves open fits all: engines fill it in from the host.
pub(super) fn wanted(platform: &Platform, platforms: &[Platform]) -> bool {
    let found = normal(platform);
    let fits = |asked: &str, found: &str| found.is_empty() || asked == found;
    platforms.is_empty()
        || platforms.iter().any(|wanted| {
            let asked = normal(wanted);
            fits(&asked.os, &found.os)
                && fits(&asked.architecture, &found.architecture)
                && (wanted.variant.is_empty() || asked.variant == found.variant)
        })
}

/// Whether an index and a config say the same, as far as both say something; variants are often left out.
pub(super) fn agree(index: &Platform, config: &Platform) -> bool {
    let (index, config) = (normal(index), normal(config));
    [(index.os, config.os), (index.architecture, config.architecture)]
        .iter()
        .all(|(index, config)| index == config || index.is_empty() || config.is_empty())
}

/// The platform that builders give to what cannot run.
pub(super) fn is_unknown(platform: &Platform) -> bool {
    let Platform { os, architecture, .. } = normal(platform);
    [os, architecture].iter().all(|part| part == "unknown")
}

fn normal(platform: &Platform) -> Platform {
    let lower = |text: &str| text.to_ascii_lowercase();
    let (os, architecture, variant) =
        (lower(&platform.os), lower(&platform.architecture), lower(&platform.variant));
    let (architecture, variant) = match (architecture.as_str(), variant.as_str()) {
        ("i386", _) => ("386", ""),
        ("x86_64" | "x86-64" | "amd64", "v1") => ("amd64", ""),
        ("x86_64" | "x86-64", variant) => ("amd64", variant),
        ("aarch64" | "arm64", "" | "8" | "v8" | "v8.0") => ("arm64", "v8"),
        ("aarch64", variant) => ("arm64", variant),
        ("armhf", _) | ("arm", "" | "7") => ("arm", "v7"),
        ("armel", _) | ("arm", "6") => ("arm", "v6"),
        ("arm", "5") => ("arm", "v5"),
        ("arm", "8") => ("arm", "v8"),
        other => other,
    };
    let os = if os == "macos" { "darwin".to_owned() } else { os };
    Platform { os, architecture: architecture.to_owned(), variant: variant.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_platform_has_many_spellings() {
        for (asked, found, fits) in [
            ("linux/amd64", "Linux/x86_64", true),
            ("linux/amd64", "linux/amd64/v3", true),
            ("linux/amd64/v3", "linux/amd64/v1", false),
            ("linux/arm64", "linux/aarch64/8", true),
            ("linux/arm64/v8", "linux/arm64", true),
            ("linux/arm/v7", "linux/armhf", true),
            ("linux/arm/v6", "linux/arm", false),
            ("linux/amd64", "windows/amd64", false),
            ("linux/amd64", "linux/386", false),
        ] {
            let [asked, found]: [Platform; 2] = [asked, found].map(|text| text.parse().unwrap());
            assert_eq!(wanted(&found, std::slice::from_ref(&asked)), fits, "{asked} {found}");
        }
        let open = Platform { os: String::new(), architecture: "amd64".into(), variant: String::new() };
        let linux: Platform = "linux/amd64".parse().unwrap();
        assert!(wanted(&open, std::slice::from_ref(&linux)) && agree(&linux, &open));
        assert!(!agree(&linux, &"linux/arm64".parse().unwrap()));
        assert!(is_unknown(&"Unknown/unknown".parse().unwrap()) && !is_unknown(&linux));
    }
}
