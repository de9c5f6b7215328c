//! What several sources say of one vulnerability in one package, and whose word counts.

use std::{
    cmp::Reverse,
    collections::{BTreeSet, HashMap},
};

use super::{affects, feed::Subject};
use crate::{
    advisory::{self, Advisory, End, Glance, Known, Snapshot, State},
    finding::{Claim, Severity, Status},
    version::Scheme,
};

/// How well a source knows a package, the best first: the distribution's or the ecosystem's own database and those who
/// curate it, then those who named the vulnerability, then NVD. Debian's tracker is what others of Debian are made of.
fn rank(source: &str) -> u8 {
    match source {
        "debian-tracker" => 0,
        "cve" | "cisa-adp" => 2,
        "nvd" => 3,
        _ => 1,
    }
}

/// One source's word.
struct Word {
    advisory: Advisory,
    /// Whether the installed version is affected.
    affected: bool,
}

/// What is said of one vulnerability in one package.
#[derive(Default)]
pub(super) struct Group {
    words: Vec<Word>,
    pub(super) names: BTreeSet<String>,
}

/// What is said of one package.
#[derive(Default)]
pub(super) struct Said {
    /// Vulnerabilities that it has, by the word of those who know it best.
    pub(super) groups: Vec<Group>,
    /// Advisories that cannot be held against the version.
    pub(super) unjudged: Vec<Advisory>,
    /// Whether the feed speaks of it at all, whichever version.
    pub(super) is_known: bool,
}

impl Said {
    /// What `snapshot` knows of a package.
    pub(super) fn of(
        snapshot: &Snapshot,
        ecosystem: &str,
        subject: &Subject<'_>,
        scheme: Scheme,
    ) -> Result<Self, advisory::Error> {
        let version = subject.version;
        let certain = scheme.check(version).is_ok();
        let known = snapshot.known(ecosystem, &subject.name)?;
        let of_whole = subject.whole.as_deref().map(|name| snapshot.known(ecosystem, name)).transpose()?;
        let affected = |glance: &Glance<'_>| {
            glance.state != State::NotAffected
                && affects(scheme, version, certain, glance.ranges, glance.versions)
        };
        let of_whole = of_whole.iter().flat_map(glances).filter(|(_, _, glance)| of_every_version(glance));
        let all: Vec<_> = glances(&known).into_iter().chain(of_whole).collect();
        let hits = all.iter().filter(|(_, _, glance)| affected(glance));
        let worst = hits.map(|(_, _, glance)| rank(glance.source)).max();
        let mut words = Vec::new();
        let mut said = Self { is_known: !all.is_empty(), ..Self::default() };
        for (known, index, glance) in all {
            let affected = affected(&glance);
            let judged = affected || judgeable(scheme, certain, &glance);
            if !judged {
                said.unjudged.push(known.advisory(index)?);
            } else if affected || worst.is_some_and(|worst| rank(glance.source) < worst) {
                // Of those that do not hit, only who knows the package better than one that does may matter.
                words.push(Word { advisory: known.advisory(index)?, affected });
            }
        }
        said.groups = group(words);
        said.groups.retain(|group| group.deciding().next().is_some());
        Ok(said)
    }
}

impl Said {
    /// What `extended` says of a package beyond what `feed` speaks of: vulnerabilities that this one does not name for any
    /// version. Of the others the feed for everybody knows best what everybody has.
    pub(super) fn beyond(
        snapshot: &Snapshot,
        extended: &str,
        feed: &str,
        subject: &Subject<'_>,
        scheme: Scheme,
    ) -> Result<Self, advisory::Error> {
        let mut said = Self::of(snapshot, extended, subject, scheme)?;
        if said.groups.is_empty() && said.unjudged.is_empty() {
            return Ok(said);
        }
        let known = snapshot.known(feed, &subject.name)?;
        let mut names = BTreeSet::new();
        for index in 0..known.len() {
            let Advisory { id, aliases, .. } = known.advisory(index)?;
            names.extend(aliases.into_iter().chain([id]));
        }
        let is_new = |group: &Group| {
            let has_cve = group.cves().next().is_some();
            !group
                .names
                .iter()
                .filter(|name| !has_cve || name.starts_with("CVE-"))
                .any(|name| names.contains(name))
        };
        said.groups.retain(&is_new);
        said.unjudged
            .retain(|advisory| is_new(&Group::of(Word { advisory: advisory.clone(), affected: false })));
        Ok(said)
    }
}

fn glances<'a>(known: &'a Known<'a>) -> Vec<(&'a Known<'a>, usize, Glance<'a>)> {
    (0..known.len()).filter_map(|index| Some((known, index, known.glance(index)?))).collect()
}

/// Whether it says one thing of all versions, so that none is compared.
fn of_every_version(glance: &Glance<'_>) -> bool {
    glance.versions.is_empty() && glance.ranges.iter().all(|range| range.bounds().next().is_none())
}

/// Whether a "not affected" can be believed: the version and all ends of the ranges have a certain place in the order.
fn judgeable(scheme: Scheme, certain: bool, glance: &Glance<'_>) -> bool {
    glance.state == State::NotAffected || super::judgeable(scheme, certain, glance.ranges)
}

impl Group {
    fn of(word: Word) -> Self {
        let names = word.advisory.aliases.iter().chain([&word.advisory.id]).cloned().collect();
        Self { words: vec![word], names }
    }

    fn extend(&mut self, other: Self) {
        self.words.extend(other.words);
        self.names.extend(other.names);
    }

    pub(super) fn cves(&self) -> impl Iterator<Item = &String> {
        self.names.iter().filter(|name| name.starts_with("CVE-"))
    }

    /// The advisories that decide: those of the sources that know the package best. None if these say that it is not affected.
    pub(super) fn deciding(&self) -> impl Iterator<Item = &Advisory> {
        let best = self.words.iter().map(|word| rank(&word.advisory.source)).min();
        let best = self.words.iter().filter(move |word| Some(rank(&word.advisory.source)) == best);
        best.filter(|word| word.affected).map(|word| &word.advisory)
    }

    /// How bad, by the best of those who say, and who that is; of equally good ones the worst counts.
    pub(super) fn severity(&self) -> (Severity, &str) {
        let affected = self.words.iter().filter(|word| word.affected).map(|word| &word.advisory);
        let rated = affected.filter(|advisory| advisory.severity != Severity::Unknown);
        let key = |advisory: &&Advisory| (rank(&advisory.source), Reverse(advisory.severity));
        rated.min_by_key(key).map_or_else(Default::default, |advisory| (advisory.severity, &*advisory.source))
    }

    /// What those who decide say of a fix, where they name none.
    pub(super) fn status(&self) -> Status {
        status(self.deciding().map(|advisory| advisory.state).max().unwrap_or_default())
    }

    /// Everybody's word, those who know the package best first.
    pub(super) fn claims(&self, scheme: Scheme, version: &str) -> Vec<Claim> {
        let claim = |word: &Word| {
            let Word { advisory, affected } = word;
            let fixed_in = lowest_fix(&[advisory], scheme, version).filter(|_| *affected);
            let status = if fixed_in.is_some() { Status::Fixed } else { status(advisory.state) };
            let (source, id) = (advisory.source.clone(), advisory.id.clone());
            Claim {
                source,
                id,
                affected: *affected,
                severity: advisory.severity,
                status,
                fixed_in,
                cpe: String::new(),
            }
        };
        let mut claims: Vec<Claim> = self.words.iter().map(claim).collect();
        claims.sort_by(|a, b| rank(&a.source).cmp(&rank(&b.source)).then_with(|| a.cmp(b)));
        claims.dedup();
        claims
    }
}

fn status(state: State) -> Status {
    match state {
        State::Affected | State::NotAffected => Status::Affected,
        State::Undetermined => Status::Undetermined,
        State::Postponed => Status::Postponed,
        State::NoDsa => Status::NoDsa,
        State::Ignored => Status::Ignored,
        State::EndOfLife => Status::EndOfLife,
    }
}

/// Joins advisories that share a CVE; those without one by any name that they share. A bulletin's own number joins
/// nothing while there is a CVE: it stands for several vulnerabilities.
fn group(words: Vec<Word>) -> Vec<Group> {
    let is_cve = |name: &&String| name.starts_with("CVE-");
    let (with_cve, without): (Vec<_>, Vec<_>) =
        words.into_iter().map(Group::of).partition(|group| group.cves().next().is_some());
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
        let joins: Vec<usize> = single.names.iter().filter_map(|name| by_name.get(name).copied()).collect();
        // It may be of one vulnerability with a CVE: another CVE is another. Groups without one are of the same.
        let (of_cve, alike): (Vec<usize>, BTreeSet<usize>) = {
            let has_cve = |index: &usize| groups[*index].cves().next().is_some();
            (
                joins.iter().copied().filter(has_cve).collect(),
                joins.iter().copied().filter(|index| !has_cve(index)).collect(),
            )
        };
        let target = of_cve.first().or(alike.first()).copied().unwrap_or_else(|| {
            groups.push(Group::default());
            groups.len() - 1
        });
        for index in alike.into_iter().filter(|index| *index != target) {
            let part = std::mem::take(&mut groups[index]);
            by_name.extend(part.names.iter().map(|name| (name.clone(), target)));
            groups[target].extend(part);
        }
        for name in &single.names {
            by_name.entry(name.clone()).or_insert(target);
        }
        groups[target].extend(single);
    }
    groups.retain(|group| !group.words.is_empty());
    groups.iter_mut().for_each(|group| group.words.sort_by(|a, b| a.advisory.cmp(&b.advisory)));
    groups
}

/// The lowest fix above `version` that no advisory which decides still hits. Where sources disagree, so that each fix is
/// hit by another source, the highest: a fix that a source names is better news than none.
pub(super) fn fix(group: &Group, scheme: Scheme, version: &str) -> Option<String> {
    lowest_fix(&group.deciding().collect::<Vec<_>>(), scheme, version)
}

fn lowest_fix(advisories: &[&Advisory], scheme: Scheme, version: &str) -> Option<String> {
    let ranges = advisories.iter().flat_map(|advisory| &advisory.ranges);
    let mut fixes: Vec<&String> = ranges
        .filter_map(|range| match &range.end {
            End::Fixed(fix) if scheme.compare(fix, version).is_gt() => Some(fix),
            _ => None,
        })
        .collect();
    fixes.sort_by(|a, b| scheme.compare(a, b).then_with(|| a.cmp(b)));
    let clean =
        |fix: &&&String| !advisories.iter().any(|hit| affects(scheme, fix, true, &hit.ranges, &hit.versions));
    fixes.iter().find(clean).or(fixes.last()).map(|fix| (*fix).clone())
}
