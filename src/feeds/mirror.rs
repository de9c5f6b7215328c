//! Addresses that a user gives instead of the publishers' own.

use std::collections::BTreeMap;

use reqwest::Url;

use super::{
    Error,
    catalog::{self, Source},
    http::{is_loopback, shown},
};

/// Addresses by source, in the order in which they are asked.
#[derive(Debug, Default)]
pub struct Mirrors(BTreeMap<&'static str, Vec<Url>>);

impl Mirrors {
    /// Of `SOURCE=URL` each.
    pub fn parse(texts: &[String]) -> Result<Self, Error> {
        let mut mirrors = Self::default();
        for text in texts.iter().map(|text| text.trim()).filter(|text| !text.is_empty()) {
            let wrong = |why: &str| {
                let text = text
                    .split_once('=')
                    .map_or_else(|| shown(text), |(name, url)| format!("{name}={}", shown(url)));
                Error::usage(format!("--mirror {text}: {why}"))
            };
            let (name, url) = text.split_once('=').ok_or_else(|| wrong("write SOURCE=URL"))?;
            let source = Source::named(name)
                .ok_or_else(|| wrong("no such source").advise(format!("one of: {}", catalog::names())))?;
            let mut url = Url::parse(url).map_err(|error| wrong(&error.to_string()))?;
            if url.scheme() != "https" && !(url.scheme() == "http" && is_loopback(&url)) {
                return Err(wrong("no https address: anybody could change what is read").advise(
                    "serve it by https, with --ca FILE for an authority of your own; or fetch it yourself and hand the file to `feeds import`",
                ));
            }
            if !url.username().is_empty() || url.password().is_some() {
                return Err(wrong("credentials do not belong into an address"));
            }
            if url.query().is_some() || url.fragment().is_some() {
                return Err(wrong("a query or a fragment does not belong into it"));
            }
            if !url.path().ends_with('/') {
                url.set_path(&format!("{}/", url.path()));
            }
            mirrors.0.entry(source.name).or_default().push(url);
        }
        Ok(mirrors)
    }

    /// Where a source is asked for.
    pub fn of(&self, source: &Source) -> Vec<Url> {
        let own = || source.addresses.iter().filter_map(|address| address.parse().ok()).collect();
        self.0.get(source.name).cloned().unwrap_or_else(own)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_safe_and_keep_their_order() {
        let parse =
            |texts: &[&str]| Mirrors::parse(&texts.iter().map(|&text| text.to_owned()).collect::<Vec<_>>());
        let mirrors =
            parse(&["osv=https://a.example/osv", "osv=http://127.0.0.1:1/", "kev=https://k.example", ""])
                .unwrap();
        let of = |name| {
            mirrors.of(Source::named(name).unwrap()).iter().map(|url| url.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(of("osv"), ["https://a.example/osv/", "http://127.0.0.1:1/"]);
        assert_eq!(of("kev"), ["https://k.example/"]);
        assert_eq!(of("wolfi"), ["https://packages.wolfi.dev/os/"]);
        for wrong in [
            "osv",
            "nosuch=https://a.example/",
            "osv=http://a.example/",
            "osv=file:///etc/",
            "osv=https://user:secret@a.example/",
            "osv=https://a.example/?x",
        ] {
            let failure = parse(&[wrong]).unwrap_err();
            assert!(
                failure.message.contains("--mirror") && !failure.message.contains("secret"),
                "{failure:?}"
            );
        }
    }
}
