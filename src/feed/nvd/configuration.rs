//! What NVD says of products, by their CPE names.
//!
//! Each criterion of an application that is `vulnerable` becomes a package `vendor:product`, with `:target_sw` where the name
//! has one. Edition, language and the like are not looked at. A claim says more than its configuration in three ways: it knows
//! no "only together with", no "on this platform", and no first version that is itself unaffected (`versionStartExcluding`).
//! What can only be on another system than Linux, or on hardware, is left. So are operating systems and hardware themselves:
//! no package of an image is one.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::{
    advisory::{End, Range, State},
    feed::{
        cpe::{self, Cpe},
        json::Text,
        sink::Package,
    },
    finding::Severity,
};

#[derive(Deserialize)]
pub(super) struct Configuration<'a> {
    /// `AND`: each of the nodes must hold; otherwise any.
    #[serde(borrow)]
    operator: Option<Text<'a>>,
    negate: Option<bool>,
    #[serde(borrow)]
    nodes: Option<Vec<Node<'a>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Node<'a> {
    #[serde(borrow)]
    operator: Option<Text<'a>>,
    negate: Option<bool>,
    #[serde(borrow)]
    cpe_match: Option<Vec<Criterion<'a>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Criterion<'a> {
    /// `false`: only where the others of the configuration run.
    vulnerable: bool,
    #[serde(borrow)]
    criteria: Text<'a>,
    #[serde(borrow)]
    version_start_including: Option<Text<'a>>,
    #[serde(borrow)]
    version_start_excluding: Option<Text<'a>>,
    #[serde(borrow)]
    version_end_including: Option<Text<'a>>,
    #[serde(borrow)]
    version_end_excluding: Option<Text<'a>>,
}

/// For each reason, the first criterion that was left for it.
type Left<'a> = BTreeMap<&'static str, &'a str>;

const NEGATED: &str = "a negated configuration";
const ELSEWHERE: &str = "on hardware or another system than Linux";
const NO_APPLICATION: &str = "an operating system or hardware";
const NO_NAME: &str = "no CPE name of one product";
const NO_VERSION: &str = "no versions that are understood";

/// The packages that `configurations` speak of, and what is left.
pub(super) fn packages<'a>(configurations: &'a [Configuration<'a>]) -> (Vec<Package>, Left<'a>) {
    let (mut packages, mut left) = (Vec::new(), Left::new());
    for configuration in configurations {
        let nodes = configuration.nodes.as_deref().unwrap_or_default();
        // Of all nodes together, those that name nothing vulnerable say where.
        let is_platform = |node: &&Node<'_>| !node.criteria().iter().any(|criterion| criterion.vulnerable);
        let elsewhere = is_and(&configuration.operator)
            && nodes
                .iter()
                .filter(is_platform)
                .any(|node| node.criteria().iter().all(Criterion::is_elsewhere));
        for node in nodes {
            let reason = if configuration.negate == Some(true) || node.negate == Some(true) {
                Some(NEGATED)
            } else {
                (elsewhere || node.is_elsewhere()).then_some(ELSEWHERE)
            };
            for criterion in node.criteria().iter().filter(|criterion| criterion.vulnerable) {
                match reason.map_or_else(|| criterion.package(), Err) {
                    Ok(package) => packages.push(package),
                    Err(reason) => {
                        left.entry(reason).or_insert(&criterion.criteria);
                    }
                }
            }
        }
    }
    (packages, left)
}

fn is_and(operator: &Option<Text<'_>>) -> bool {
    operator.as_deref() == Some("AND")
}

impl<'a> Node<'a> {
    fn criteria(&self) -> &[Criterion<'a>] {
        self.cpe_match.as_deref().unwrap_or_default()
    }

    /// Whether its own criteria must hold together, and one of them never does in an image.
    fn is_elsewhere(&self) -> bool {
        let platforms = || self.criteria().iter().filter(|criterion| !criterion.vulnerable);
        is_and(&self.operator) && platforms().any(Criterion::is_elsewhere)
    }
}

impl Criterion<'_> {
    /// Whether it names hardware, or a system that an image of Linux is not.
    fn is_elsewhere(&self) -> bool {
        const SYSTEMS: [(&str, &str); 3] = [("microsoft", ""), ("apple", ""), ("google", "android")];
        Cpe::parse(&self.criteria).is_some_and(|cpe| {
            let is =
                |(vendor, product): &(&str, &str)| cpe.vendor == *vendor && cpe.product.starts_with(product);
            cpe.part == "h" || cpe.part == "o" && SYSTEMS.iter().any(is)
        })
    }

    fn package(&self) -> Result<Package, &'static str> {
        let cpe = Cpe::parse(&self.criteria).ok_or(NO_NAME)?;
        if cpe.part != "a" {
            return Err(NO_APPLICATION);
        }
        let name = cpe.package().ok_or(NO_NAME)?;
        // No update (`-`) is the releases themselves, which are all that a range tells apart. Those of one update are left: their
        // place among the releases is not told.
        let is_range = cpe::is_any(cpe.version) && (cpe::is_any(cpe.update) || cpe.update == "-");
        let (ranges, versions) = match self.range() {
            Some(range) if is_range => (vec![range?], vec![]),
            None if is_range => (vec![Range { introduced: None, end: End::Open }], vec![]),
            None if cpe.version != "-" => (vec![], vec![version(&cpe).ok_or(NO_VERSION)?]),
            _ => return Err(NO_VERSION),
        };
        let (severity, state) = (Severity::Unknown, State::Affected); // the fact beside it says how bad
        Ok(Package { ecosystem: cpe::FEED.into(), name, severity, state, ranges, versions })
    }

    /// The range that is given beside the name, if one is.
    fn range(&self) -> Option<Result<Range, &'static str>> {
        let Self { version_start_including: from, version_start_excluding: after, .. } = self;
        let Self { version_end_including: last, version_end_excluding: fixed, .. } = self;
        let text = |text: &Text<'_>| text.to_string();
        let end = match (last, fixed) {
            (None, None) if from.is_none() && after.is_none() => return None,
            (None, None) => End::Open,
            (Some(last), None) => End::LastAffected(text(last)),
            (None, Some(fixed)) => End::Fixed(text(fixed)),
            (Some(_), Some(_)) => return Some(Err(NO_VERSION)),
        };
        match (from, after) {
            (Some(_), Some(_)) => Some(Err(NO_VERSION)),
            _ => Some(Ok(Range { introduced: from.as_ref().or(after.as_ref()).map(text), end })),
        }
    }
}

/// The one version that a name gives. An update follows it as a pre-release or a build does in most schemes: `1.0-rc1`.
fn version(cpe: &Cpe<'_>) -> Option<String> {
    let version = cpe::unquoted(cpe.version)?;
    match cpe.update {
        "*" | "-" => Some(version.into_owned()),
        update => Some(format!("{version}-{}", cpe::unquoted(update)?)),
    }
}
