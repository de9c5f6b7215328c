//! An attested SBOM held against what was found: each is a claim of another, and where they differ a reader wants to know.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Found, Sbom};
use crate::{
    digest::Digest,
    inventory::Inventory,
    package::{Ecosystem, OsRelease, Package, purl},
};

/// One package of which SBOM and image say different things.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Difference {
    /// The SBOM has it, the image does not: it was removed later, or never was there.
    OnlyAttested(String),
    /// The image has it, the SBOM does not: it came in after the SBOM was made, or its writer cannot read the kind.
    OnlyImage(String),
    /// Both have it, in other versions.
    Version {
        /// Purl of what the SBOM says.
        attested: String,
        /// Purl of what the image holds.
        image: String,
    },
}

/// How a report shows an SBOM that came with the image: `run.attested`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Attested {
    /// Form and version, such as `SPDX 2.3`.
    pub format: String,
    /// SHA-256 of the configured public key that signed it for this image, as SubjectPublicKeyInfo; absent where none did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signer: Option<Digest>,
    /// Whether it was taken for the image's inventory: no layer was looked into, and there is nothing to differ from.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub alone: bool,
    /// Packages that it names.
    pub packages: usize,
    /// Packages that only the SBOM has.
    pub only_attested: usize,
    /// Packages that only the image has.
    pub only_image: usize,
    /// Packages that both have, in other versions.
    pub other_version: usize,
    /// The differences, sorted, at most [`Attested::MOST`] of them.
    pub differences: Vec<Difference>,
}

impl Attested {
    /// Differences that a result shows; more tell no more.
    pub const MOST: usize = 100;

    /// Holds an SBOM that came with the image against what was found in it.
    pub fn new(attested: &Found, analysed: &Inventory) -> Self {
        let mut differences = differences(&attested.sbom, analysed);
        let count = |kind: fn(&Difference) -> bool| differences.iter().filter(|one| kind(one)).count();
        Self {
            format: attested.form.clone(),
            signer: None,
            alone: false,
            packages: attested.sbom.inventory.packages.len(),
            only_attested: count(|one| matches!(one, Difference::OnlyAttested(_))),
            only_image: count(|one| matches!(one, Difference::OnlyImage(_))),
            other_version: count(|one| matches!(one, Difference::Version { .. })),
            differences: {
                differences.truncate(Self::MOST);
                differences
            },
        }
    }
}

/// By ecosystem and name, the versions that are there.
type Versions<'a> = BTreeMap<(Ecosystem, &'a str), BTreeMap<&'a str, &'a Package>>;

/// Where an SBOM and an analysed image differ in their packages: by ecosystem, name and version, sorted.
///
/// Layers, files and architectures are not compared: few tools write them.
pub fn differences(attested: &Sbom, analysed: &Inventory) -> Vec<Difference> {
    let (ours, theirs) = (versions(analysed), versions(&attested.inventory));
    let names: BTreeSet<_> = ours.keys().chain(theirs.keys()).copied().collect();
    let none = BTreeMap::new();
    let mut found = Vec::new();
    for name in names {
        let (ours, theirs) = (ours.get(&name).unwrap_or(&none), theirs.get(&name).unwrap_or(&none));
        let missing =
            |here: &BTreeMap<&str, &Package>, there: &BTreeMap<&str, &Package>, os: Option<&OsRelease>| {
                let only = here.iter().filter(|(version, _)| !there.contains_key(*version));
                only.map(|(_, package)| purl(package, os)).collect::<Vec<String>>()
            };
        let mut only_attested = missing(theirs, ours, attested.inventory.os.as_ref()).into_iter();
        let mut only_image = missing(ours, theirs, analysed.os.as_ref()).into_iter();
        loop {
            found.push(match (only_attested.next(), only_image.next()) {
                (Some(attested), Some(image)) => Difference::Version { attested, image },
                (Some(attested), None) => Difference::OnlyAttested(attested),
                (None, Some(image)) => Difference::OnlyImage(image),
                (None, None) => break,
            });
        }
    }
    found.sort_unstable();
    found
}

fn versions(inventory: &Inventory) -> Versions<'_> {
    let mut versions = Versions::new();
    for installed in &inventory.packages {
        let package = &installed.package;
        let of_name = versions.entry((package.ecosystem, package.name.as_str())).or_default();
        of_name.insert(package.version.as_str(), package);
    }
    versions
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        digest::Digest,
        image::{Image, Platform},
        inventory::Presence,
    };

    fn inventory(packages: &[(&str, &str)]) -> Inventory {
        let installed = |(name, version): &(&str, &str)| {
            Presence::default().of(Package::new(Ecosystem::Npm, *name, *version), 0)
        };
        Inventory { packages: packages.iter().map(installed).collect(), ..Inventory::default() }
    }

    fn sbom(packages: &[(&str, &str)]) -> Sbom {
        let platform = Platform { os: String::new(), architecture: String::new(), variant: String::new() };
        let image = Image {
            manifest_digest: None,
            config_digest: Digest::of(b""),
            platform,
            layers: Vec::new(),
            base: None,
            named_base: None,
            history: Vec::new(),
        };
        Sbom { reference: String::new(), image, inventory: inventory(packages) }
    }

    #[test]
    fn each_kind() {
        let attested = sbom(&[("a", "1"), ("b", "1"), ("b", "2"), ("c", "1"), ("d", "1")]);
        let analysed =
            inventory(&[("a", "1"), ("b", "2"), ("b", "3"), ("b", "4"), ("e", "1"), ("d", "1"), ("d", "1")]);
        let purl = |text: &str| format!("pkg:npm/{text}");
        let mut want = vec![
            Difference::OnlyAttested(purl("c@1")),
            Difference::OnlyImage(purl("b@4")),
            Difference::OnlyImage(purl("e@1")),
            Difference::Version { attested: purl("b@1"), image: purl("b@3") },
        ];
        want.sort_unstable();
        assert_eq!(differences(&attested, &analysed), want);
        assert_eq!(differences(&attested, &attested.inventory), []);
        let shown = Attested::new(&Found { form: "SPDX 2.3".into(), sbom: attested }, &inventory(&[]));
        assert_eq!(
            (shown.packages, shown.only_attested, shown.only_image, shown.other_version),
            (5, 5, 0, 0)
        );
    }
}
