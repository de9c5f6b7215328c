//! Advisories of several sources that speak of one vulnerability.

use std::collections::{BTreeSet, HashMap};

use super::affects;
use crate::{
    advisory::{Advisory, End},
    version::Scheme,
};

/// Advisories of one package that speak of one vulnerability.
#[derive(Default)]
pub(super) struct Group {
    pub(super) advisories: Vec<Advisory>,
    pub(super) names: BTreeSet<String>,
}

impl Group {
    fn of(advisory: Advisory) -> Self {
        let names = advisory.aliases.iter().chain([&advisory.id]).cloned().collect();
        Self { advisories: vec![advisory], names }
    }

    fn extend(&mut self, other: Self) {
        self.advisories.extend(other.advisories);
        self.names.extend(other.names);
    }

    pub(super) fn cves(&self) -> impl Iterator<Item = &String> {
        self.names.iter().filter(|name| name.starts_with("CVE-"))
    }
}

/// Joins advisories that share a CVE; those without one by any name that they share. A bulletin's own number joins
/// nothing while there is a CVE: it stands for several vulnerabilities.
pub(super) fn group(hits: Vec<Advisory>) -> Vec<Group> {
    let is_cve = |name: &&String| name.starts_with("CVE-");
    let (with_cve, without): (Vec<_>, Vec<_>) =
        hits.into_iter().map(Group::of).partition(|group| group.cves().next().is_some());
    let mut groups: Vec<Group> = Vec::new();
    // Which group a name leads to. A group that was merged into another is left empty, and no name leads to it.
    let mut by_name: HashMap<String, usize> = HashMap::new();
    for single in with_cve {
        // One advisory may name two CVEs that were apart until now.
        let joins: BTreeSet<usize> = single.cves().filter_map(|cve| by_name.get(cve).copied()).collect();
        let target = joins.first().copied().unwrap_or_else(|| {
            groups.push(Group::default());
            groups.len() - 1
        });
        let merged =
            joins.into_iter().skip(1).map(|index| std::mem::take(&mut groups[index])).collect::<Vec<_>>();
        for part in merged.into_iter().chain([single]) {
            by_name.extend(part.cves().map(|cve| (cve.clone(), target)));
            groups[target].extend(part);
        }
    }
    for (index, group) in groups.iter().enumerate() {
        for name in group.names.iter().filter(|name| !is_cve(name)) {
            by_name.entry(name.clone()).or_insert(index);
        }
    }
    for single in without {
        let target = single.names.iter().find_map(|name| by_name.get(name).copied()).unwrap_or_else(|| {
            groups.push(Group::default());
            groups.len() - 1
        });
        for name in &single.names {
            by_name.entry(name.clone()).or_insert(target);
        }
        groups[target].extend(single);
    }
    groups.retain(|group| !group.advisories.is_empty());
    groups.iter_mut().for_each(|group| group.advisories.sort());
    groups
}

/// The lowest fix above `version` that no advisory of the group still hits. Where sources disagree, so that each fix is
/// hit by another source, the highest: a fix that a source names is better news than none.
pub(super) fn fix(group: &Group, scheme: Scheme, version: &str) -> Option<String> {
    let ranges = group.advisories.iter().flat_map(|advisory| &advisory.ranges);
    let mut fixes: Vec<&String> = ranges
        .filter_map(|range| match &range.end {
            End::Fixed(fix) if scheme.compare(fix, version).is_gt() => Some(fix),
            _ => None,
        })
        .collect();
    fixes.sort_by(|a, b| scheme.compare(a, b).then_with(|| a.cmp(b)));
    let clean = |fix: &&&String| {
        !group.advisories.iter().any(|hit| affects(scheme, fix, true, &hit.ranges, &hit.versions))
    };
    fixes.iter().find(clean).or(fixes.last()).map(|fix| (*fix).clone())
}
