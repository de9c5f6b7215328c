//! Whose word of how bad a finding is counts: `severity_from`.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::{
    feed,
    finding::{Claim, Finding, Severity},
};

/// Stands for whoever knows the package best: its distribution, its ecosystem, and those who curate advisories of it.
const OWN: &str = "own";

/// A name that `severity_from` takes.
#[derive(Debug)]
pub(super) struct Rater;

impl Rater {
    /// All of them.
    pub(super) fn names() -> Vec<&'static str> {
        std::iter::once(OWN).chain(feed::raters()).collect()
    }
}

impl JsonSchema for Rater {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Rater".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "enum": Self::names() })
    }
}

/// How bad a finding is by the first of `order` who rates it, and who that is; `None` where none of them does. Of several
/// words of one the worst counts. What it says of the package comes before what it says of the vulnerability.
pub(super) fn by<'a>(finding: &'a Finding, order: &[&str]) -> Option<(Severity, &'a str)> {
    if order.is_empty() {
        return None; // nearly always, and asked once for each finding
    }
    order.iter().find_map(|name| {
        let speaks = |claim: &&Claim| {
            claim.affected && if *name == OWN { claim.is_own() } else { is(&claim.source, name) }
        };
        let claims = finding.claims.iter().filter(speaks).map(|claim| (claim.severity, &*claim.source));
        let ratings = finding.ratings.iter().filter(|rating| is(&rating.source, name) && !rating.rejected);
        let ratings = ratings.map(|rating| (rating.severity, &*rating.source));
        let known = |(severity, _): &(Severity, &str)| *severity != Severity::Unknown;
        claims.filter(known).max().or_else(|| ratings.filter(known).max())
    })
}

/// Whether `source` is `name`, or a part of it: Debian's tracker is `debian-tracker`.
fn is(source: &str, name: &str) -> bool {
    source.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}
