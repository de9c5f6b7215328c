//! Packages that no feed of their own speaks of, by the CPE name of their product: what NVD says of products of all kinds.
//!
//! A guess, for NVD knows nothing of packages: a product of the same name may be another, a distribution may have mended the
//! version that it keeps, and a configuration's conditions are not looked at. So it is off unless a policy says `cpe: true`,
//! and all that it finds is of low confidence. Looked up are
//!
//! - programs that are known by the version that they carry;
//! - packages of a system without a feed, and those of a system that its feed has never spoken of: they are somebody else's;
//! - packages of a language whose ecosystem has no feed in the snapshot.
//!
//! The product has the package's name, or that of its source, in lower case; `-` and `_` are one. Where several vendors have
//! one of that name it is the vendor that is called like the product or like a part of the package's name (`guzzlehttp` of
//! `guzzlehttp/psr7`); where there is no such vendor, none.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Error, Matched, feed::Subject, finding, group::Said, layer_of, of_the_vulnerability, why_unjudged,
};
use crate::{
    advisory::Snapshot,
    feed::cpe::{FEED, Product},
    finding::Confidence,
    image::Image,
    inventory::{Installed, Skipped},
    package::{Ecosystem, OsRelease, Package, Source, purl},
    version::Scheme,
};

/// Orders versions of no certain scheme: numbers as numbers, `rc` before its release, letters after it (`1.1.1k`).
const SCHEME: Scheme = Scheme::Maven;

/// Products that are called otherwise than the programs, by vendor and product.
const PROGRAMS: &[(&str, &[(&str, &str)])] = &[
    ("bash", &[("gnu", "bash")]),
    ("curl", &[("haxx", "curl"), ("haxx", "libcurl")]),
    ("git", &[("git-scm", "git"), ("git", "git")]),
    ("httpd", &[("apache", "http_server")]),
    ("nginx", &[("f5", "nginx"), ("f5", "nginx_open_source"), ("nginx", "nginx")]),
    ("node", &[("nodejs", "node.js")]),
    ("redis", &[("redis", "redis"), ("redislabs", "redis")]),
    ("ruby", &[("ruby-lang", "ruby")]),
    ("rust", &[("rust-lang", "rust")]),
    ("squid", &[("squid-cache", "squid")]),
    ("valkey", &[("lfprojects", "valkey")]),
    ("varnish", &[("varnish-software", "varnish_cache"), ("varnish_cache_project", "varnish_cache")]),
];

/// What NVD calls the software that a language's packages run in.
fn target(ecosystem: Ecosystem) -> &'static str {
    match ecosystem {
        Ecosystem::Npm => "node.js",
        Ecosystem::Pypi | Ecosystem::Conda => "python",
        Ecosystem::Gem => "ruby",
        Ecosystem::Golang => "go",
        Ecosystem::Cargo => "rust",
        _ => "",
    }
}

/// What NVD says of `packages`.
pub(super) fn findings(
    packages: &[&Installed],
    image: &Image,
    os: Option<&OsRelease>,
    snapshot: &Snapshot,
) -> Result<Matched, Error> {
    let mut matched = Matched::default();
    if packages.is_empty() {
        return Ok(matched);
    }
    if !snapshot.covers(FEED) {
        let what = super::packages(packages.len());
        let why =
            "a policy asks for matching by CPE, and the advisory snapshot has nothing of NVD".to_owned();
        matched.skipped.push(Skipped { name: format!("advisories:{FEED}"), what, why });
        return Ok(matched);
    }
    matched.asked(FEED);
    let mut wanted: BTreeSet<String> = BTreeSet::new();
    for installed in packages {
        wanted.extend(names(&installed.package).map(spelling));
        wanted.extend(of_program(&installed.package).iter().map(|(_, product)| spelling(product)));
    }
    let mut products: BTreeMap<String, Vec<Product>> = BTreeMap::new();
    for product in snapshot.names(FEED)?.into_iter().filter_map(Product::of) {
        let name = spelling(&product.product);
        if wanted.contains(&name) {
            products.entry(name).or_default().push(product);
        }
    }
    for installed in packages {
        let version = version(&installed.package);
        let mut known = BTreeSet::new();
        for product in candidates(&installed.package, &products) {
            let name = product.key.as_str().into();
            let subject = Subject { name, version: &version, whole: None, is_installed: false };
            let Said { groups, unjudged, .. } = Said::of(snapshot, FEED, &subject, SCHEME)?;
            if !unjudged.is_empty() {
                matched.skipped.push(Skipped {
                    name: "unknown-version-order".into(),
                    what: purl(&installed.package, os),
                    why: why_unjudged(SCHEME, &version, &unjudged),
                });
            }
            for group in groups {
                let mut found =
                    finding(&group, installed, &subject, SCHEME, &layer_of(installed, image)?, os);
                // One vulnerability may be of several names of one product.
                if !known.insert(found.id.clone()) {
                    continue;
                }
                let upstream = Source { name: product.product.clone(), version: version.clone() };
                found.package.source =
                    Some(upstream).filter(|source| source.version != installed.package.version);
                found.confidence = Confidence::Low;
                for claim in &mut found.claims {
                    claim.cpe = product.to_string();
                }
                of_the_vulnerability(&mut found, snapshot)?;
                matched.findings.push(found);
            }
        }
    }
    Ok(matched)
}

/// One spelling of a product's name for all that are in use.
fn spelling(name: &str) -> String {
    name.to_lowercase().replace('_', "-")
}

/// What the product may be called whose package this is: as its source, and as itself; of a path, the last part.
fn names(package: &Package) -> impl Iterator<Item = &str> {
    [package.source().0, &package.name].into_iter().map(|name| name.rsplit(['/', ':']).next().unwrap_or(name))
}

/// The products of a program that is called otherwise.
fn of_program(package: &Package) -> &'static [(&'static str, &'static str)] {
    let is_language = !package.ecosystem.is_system() && package.ecosystem != Ecosystem::Generic;
    let known = PROGRAMS.iter().find(|(program, _)| !is_language && *program == package.source().0);
    known.map_or(&[], |(_, products)| *products)
}

/// The products that a package may be of.
fn candidates<'a>(package: &Package, products: &'a BTreeMap<String, Vec<Product>>) -> Vec<&'a Product> {
    let called = |name: &str| {
        let runs_here =
            |product: &&Product| product.target.is_empty() || product.target == target(package.ecosystem);
        products.get(&spelling(name)).into_iter().flatten().filter(runs_here).collect::<Vec<_>>()
    };
    let of_program = of_program(package);
    if !of_program.is_empty() {
        let of = |(vendor, name): (&'static str, &'static str)| {
            called(name).into_iter().filter(move |product| product.vendor == vendor)
        };
        return of_program.iter().copied().flat_map(of).collect();
    }
    let found = names(package).map(called).find(|found| !found.is_empty()).unwrap_or_default();
    let vendors: BTreeSet<&str> = found.iter().map(|product| product.vendor.as_str()).collect();
    let is_known = |product: &&Product| {
        let vendor = spelling(&product.vendor);
        let name = spelling(&product.product);
        vendor.strip_suffix("-project").unwrap_or(&vendor) == name
            || package.name.split(['/', ':', '.']).any(|part| spelling(part) == vendor)
    };
    found.into_iter().filter(|product| vendors.len() == 1 || is_known(product)).collect()
}

/// The version of the product, as its makers write it: without what a distribution puts around it.
fn version(package: &Package) -> String {
    let mut version = package.source().1;
    if package.ecosystem.is_system() {
        version = version.split_once(':').map_or(version, |(_epoch, rest)| rest);
        version = version.rsplit_once('-').map_or(version, |(upstream, _revision)| upstream);
    }
    version = version
        .strip_prefix('v')
        .filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
        .unwrap_or(version);
    version = version.split('+').next().unwrap_or_default();
    let early = |text: &&str| ["alpha", "beta", "rc"].iter().any(|word| text.starts_with(word));
    let mut parts = version.split('~');
    let release = parts.next().unwrap_or_default();
    let version = match parts.next().filter(early) {
        Some(before) => format!("{release}-{before}"),
        None => release.to_owned(),
    };
    version.replace('_', "-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_as_their_makers_write_them() {
        for (ecosystem, version, want) in [
            (Ecosystem::Generic, "1.1.1k", "1.1.1k"),
            (Ecosystem::Deb, "5:20.10.5~3-0~debian-bullseye", "20.10.5"),
            (Ecosystem::Deb, "1:9.2p1-2+deb12u3", "9.2p1"),
            (Ecosystem::Deb, "3.0.0~rc1+dfsg-1", "3.0.0-rc1"),
            (Ecosystem::Apk, "9.3_p1-r4", "9.3-p1"),
            (Ecosystem::Rpm, "1:1.0.2k-24.amzn2", "1.0.2k"),
            (Ecosystem::Golang, "v1.2.3+incompatible", "1.2.3"),
            (Ecosystem::Conda, "vlatest", "vlatest"),
        ] {
            assert_eq!(super::version(&Package::new(ecosystem, "a", version)), want, "{version}");
        }
    }
}
