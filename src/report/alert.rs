//! Findings that a report shows as one.

use std::{borrow::Cow, cmp::Reverse, collections::BTreeSet};

use super::{
    Judged, ScanResult,
    fix::{Ways, fix, way},
    place::{Place, places},
    text::cut,
    words::{self, count},
};
use crate::{
    digest::Digest,
    finding::{Confidence, Finding, Severity},
    policy::Action,
};

/// Longest id of a rule, in characters.
const MAX_RULE: usize = 255;
/// Most versions, files, instructions or ways out that one text lists.
const MAX_PARTS: usize = 20;

/// Findings of one kind, of all platforms, in the order of the results. Never empty.
pub(super) struct Group<'a>(Vec<(&'a ScanResult, &'a Judged)>);

/// The findings by what makes them one, in the order of that; one with several keys is in several groups. What the policy ignores
/// is in only where it is asked for.
pub(super) fn groups<'a, K: Ord, I: IntoIterator<Item = K>>(
    results: &'a [ScanResult],
    ignored: bool,
    keys: impl Fn(&'a ScanResult, &'a Judged) -> I,
) -> Vec<(K, Group<'a>)> {
    let mut keyed = Vec::new();
    for result in results {
        for judged in result.findings.iter().filter(|judged| ignored || !is_ignored(judged)) {
            keyed.extend(keys(result, judged).into_iter().map(|key| (key, (result, judged))));
        }
    }
    // Stable: findings of one key keep their order.
    keyed.sort_by(|(one, _), (other, _)| one.cmp(other));
    let mut groups: Vec<(K, Group<'a>)> = Vec::with_capacity(keyed.len());
    for (key, found) in keyed {
        match groups.last_mut() {
            Some((last, group)) if *last == key => group.0.push(found),
            _ => groups.push((key, Group(vec![found]))),
        }
    }
    groups
}

/// Whether the policy waives a finding.
pub(super) fn is_ignored(judged: &Judged) -> bool {
    judged.decision.action == Some(Action::Ignore)
}

impl<'a> Group<'a> {
    /// Each with the result that it stands in.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&'a ScanResult, &'a Judged)> {
        self.0.iter().copied()
    }

    /// The one that stands for all.
    pub(super) fn first(&self) -> (&'a ScanResult, &'a Judged) {
        self.0[0]
    }

    /// All findings.
    pub(super) fn findings(&self) -> impl Iterator<Item = &'a Finding> {
        self.iter().map(|(_, judged)| &judged.finding)
    }

    /// The worst.
    pub(super) fn severity(&self) -> Severity {
        self.findings().map(|finding| finding.severity).max().unwrap_or_default()
    }

    /// That, and whose word it is.
    pub(super) fn severity_words(&self) -> Cow<'static, str> {
        self.findings().max_by_key(|finding| finding.severity).map(words::severity).unwrap_or_default()
    }

    /// Whether one of its findings is of the very package.
    pub(super) fn is_sure(&self) -> bool {
        self.findings().any(|finding| finding.confidence == Confidence::High)
    }

    /// Whether the policy ignores all of it.
    pub(super) fn is_ignored(&self) -> bool {
        self.iter().all(|(_, judged)| is_ignored(judged))
    }

    /// The lower, the later a limit cuts it: worst first, and what is ignored last.
    pub(super) fn rank(&self) -> (bool, Reverse<Severity>) {
        (self.is_ignored(), Reverse(self.severity()))
    }

    /// What to do, each thing once.
    pub(super) fn fix(&self) -> String {
        if let [(result, judged)] = self.0.as_slice() {
            return fix(result, judged);
        }
        // One step for several findings is said once.
        let mut ways = Ways::default();
        let others = self.iter().filter(|(result, judged)| !ways.add(way(result, judged), MAX_PARTS)).count();
        let mut text = ways.text();
        if others > 0 {
            text.push_str(&format!(" Not listed: the ways out of {}.", count(others, "more finding")));
        }
        text
    }

    /// What the policy does about it, and by which rules, in one sentence: the strictest of its findings' decisions; `None`
    /// where no rule matched.
    pub(super) fn decision(&self) -> Option<String> {
        let decisions = || self.iter().map(|(_, judged)| &judged.decision);
        let action = decisions().filter_map(|decision| decision.action).max()?;
        let does = match action {
            Action::Fail => "Fails the gate",
            Action::Warn => "Warns",
            Action::Ignore => "Ignored",
        };
        let rules = decisions().filter(|decision| decision.action == Some(action));
        let rules = listed(rules.filter_map(|decision| decision.rule.as_deref()));
        Some([does, " by rule ", &rules, "."].concat())
    }

    /// The texts of its findings, [listed].
    pub(super) fn list(&self, of: impl Fn(&'a Finding) -> &'a [String]) -> Cow<'a, str> {
        listed(self.findings().flat_map(of).map(String::as_str))
    }

    /// The versions of the package.
    pub(super) fn versions(&self) -> Cow<'a, str> {
        self.list(|finding| std::slice::from_ref(&finding.package.version))
    }

    /// The files it was read from.
    pub(super) fn paths(&self) -> Cow<'a, str> {
        self.list(|finding| &finding.paths)
    }

    /// What made the layers.
    pub(super) fn instructions(&self) -> Cow<'a, str> {
        self.list(|finding| std::slice::from_ref(&finding.layer.instruction))
    }
}

/// Each text that is not empty once, in order, parted by commas.
fn listed<'a>(texts: impl Iterator<Item = &'a str>) -> Cow<'a, str> {
    let mut texts = texts.filter(|text| !text.is_empty());
    // Nearly always there is one, and this is asked a thousand times over.
    let Some(first) = texts.next() else { return "".into() };
    let Some(second) = texts.next() else { return first.into() };
    let texts: BTreeSet<&str> = [first, second].into_iter().chain(texts).collect();
    let mut listed = texts.iter().take(MAX_PARTS).copied().collect::<Vec<_>>().join(", ");
    if texts.len() > MAX_PARTS {
        listed.push_str(&format!(" and {} more", texts.len() - MAX_PARTS));
    }
    listed.into()
}

/// What one place shows: findings with one id in packages of one name.
pub(super) struct Alert<'a> {
    /// Id and package. Without the package, two packages with one CVE would be one alert: platforms tell alerts apart by
    /// rule and place.
    pub(super) rule: Cow<'a, str>,
    /// Where.
    pub(super) place: Place<'a>,
    /// Which one it is of the rule's alerts in its file of the checkout, or of those outside of the checkout; from 1, in the
    /// order of their places.
    occurrence: usize,
    /// What.
    pub(super) group: Group<'a>,
}

/// All alerts, worst first, then by rule and place: those outside of the checkout before those in it.
///
/// Of several files with one place there is one alert, which lists them.
pub(super) fn alerts(results: &[ScanResult], ignored: bool) -> Vec<Alert<'_>> {
    let groups = groups(results, ignored, |result, judged| {
        let Finding { id, package, .. } = &judged.finding;
        let rule = cut([id, "-", &package.name].concat(), MAX_RULE);
        // What is counted together stands together.
        places(result, judged).map(move |place| (rule.clone(), place.is_in_checkout(), place))
    });
    let mut alerts: Vec<Alert<'_>> = Vec::with_capacity(groups.len());
    for ((rule, _, place), group) in groups {
        let is_same =
            |last: &&Alert<'_>| last.rule == rule && last.place.in_checkout() == place.in_checkout();
        let same = alerts.last().filter(is_same);
        let occurrence = same.map_or(1, |last| last.occurrence + 1);
        alerts.push(Alert { rule, place, occurrence, group });
    }
    // Stable: rule and place keep their order.
    alerts.sort_by_cached_key(|alert| alert.group.rank());
    alerts
}

impl Alert<'_> {
    /// All of it in one line of untrusted text, with [what to do](Group::fix).
    pub(super) fn message(&self, fix: &str) -> String {
        let group = &self.group;
        let finding = &group.first().1.finding;
        let (versions, severity) = (group.versions(), group.severity_words());
        let decision = group.decision();
        let (paths, instructions) = (group.paths(), group.instructions());
        let layer = finding.layer.index.to_string();
        let mut parts: Vec<&str> = Vec::with_capacity(20);
        parts.extend([&finding.package.name, " ", &versions, " has ", &finding.id, " (", &severity, "). "]);
        if let Some(decision) = &decision {
            parts.extend([decision, " "]);
        }
        parts.push(fix);
        if !paths.is_empty() {
            parts.extend([" Found in ", &paths, "."]);
        }
        if !instructions.is_empty() {
            parts.extend([" Layer ", &layer, ": ", &instructions]);
        }
        parts.concat()
    }

    /// Names the alert from build to build, and no other one in the report: of lines and of files outside of the checkout only
    /// their order counts, of versions and tags nothing. Where the same problem comes into one more file, or leaves one, the
    /// alerts of its other files may change their numbers, but how many there are is right.
    pub(super) fn fingerprint(&self) -> String {
        let (result, judged) = self.group.first();
        let (image, ecosystem) = (result.image.name(), judged.finding.package.ecosystem.as_str());
        let Self { rule, place, occurrence, .. } = self;
        // A file has a name, so an empty one is none of the checkout.
        let file = place.in_checkout().unwrap_or_default();
        let parts = [&**rule, ecosystem, image, file, &occurrence.to_string()];
        Digest::of(parts.join("\0").as_bytes()).hex()
    }
}
