//! How old the advisories may be that a verdict rests on.

use std::cmp::Reverse;

use jiff::civil::Date;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Action, Outcome, Policy, Reason, RuleRef, Verdict};
use crate::advisory::Feed;

/// What one policy says of old advisories.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FeedAge {
    /// Older than this is too old.
    pub max_days: u32,
    /// What a feed that is too old does to the gate.
    pub when_older: Action,
}

impl Default for FeedAge {
    /// Where no policy says anything: after a long weekend nobody is told, after a week everybody is.
    fn default() -> Self {
        Self { max_days: 5, when_older: Action::Warn }
    }
}

/// Advisories that are too old: what became known since is not among them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OldFeed {
    /// The feed, as `snapshot` names it.
    pub name: String,
    /// The last day (UTC) of which it certainly knows, YYYY-MM-DD; `null` where nobody knows.
    pub known_until: Option<String>,
    /// How many days ago that was.
    pub days: Option<i32>,
}

/// Most feeds that one sentence names.
const NAMED: usize = 3;

/// What the name begins with under which reports have the age of the feeds among the rules; the days follow.
const RULE: &str = "advisories older than";

/// Whether a rule of that name could be taken for the age of the feeds, which no policy file may say.
pub(super) fn is_reserved(name: &str) -> bool {
    let plain = name.to_lowercase().split_whitespace().collect::<Vec<_>>().join(" ");
    plain.starts_with(RULE)
}

impl OldFeed {
    /// The feed, if it is older than so many days.
    fn of(feed: &Feed, today: Date, max_days: u32) -> Option<Self> {
        let days = feed.age_days(today);
        let is_old = days.is_none_or(|days| days > i64::from(max_days));
        let days = days.map(|days| i32::try_from(days).unwrap_or(i32::MAX));
        let known_until = days.and(feed.known_until()).map(|day| day.to_string());
        is_old.then(|| Self { name: feed.name.clone(), known_until, days })
    }

    fn text(&self) -> String {
        match (&self.known_until, self.days) {
            (Some(day), Some(days)) => format!("{} knows nothing after {day}, {days} days ago", self.name),
            _ => format!("nobody knows how old {} is", self.name),
        }
    }
}

impl Verdict {
    /// Takes the age of the feeds into account that it rests on: the strictest word of the policies holds.
    pub fn consider_age<'a>(
        &mut self,
        policies: &[Policy],
        feeds: impl Iterator<Item = &'a Feed> + Clone,
        today: Date,
    ) {
        // The most general one always speaks, so that one after it, such as a checkout's, can only tighten it.
        let first = policies.first().and_then(|policy| policy.feeds).unwrap_or_default();
        let others = policies.iter().enumerate().skip(1);
        let others = others.filter_map(|(index, policy)| Some((index, policy.feeds?)));
        let said = [(0, first)].into_iter().chain(others);
        for (policy, FeedAge { max_days, when_older }) in said {
            let mut old: Vec<OldFeed> =
                feeds.clone().filter_map(|feed| OldFeed::of(feed, today, max_days)).collect();
            old.sort_by_key(|feed| Reverse(feed.days.unwrap_or(i32::MAX))); // stable: names stay in order
            let Some(oldest) = old.first() else { continue };
            let rule = format!("{RULE} {max_days} days");
            let mut message = old.iter().take(NAMED).map(OldFeed::text).collect::<Vec<_>>().join("; ");
            if old.len() > NAMED {
                message += &format!("; and {} more are too old", old.len() - NAMED);
            }
            message += if oldest.days.is_some() {
                ": run `feeds update`"
            } else {
                ": run `feeds update`, or tell `feeds import` by --fetched"
            };
            if let Some(policy) = self.policies.get_mut(policy) {
                policy.rules.push(RuleRef { name: rule.clone(), action: when_older, expired: false });
            }
            self.reasons.push(Reason { rule, policy, action: when_older, findings: 0, message });
            self.outcome = self.outcome.max(Outcome::of(Some(when_older)));
            self.degraded.extend(old);
        }
        self.reasons.sort_by_key(|reason| Reverse(reason.action)); // stable
        self.degraded.sort_by(|one, other| one.name.cmp(&other.name));
        self.degraded.dedup();
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;
    use crate::policy::{Class, evaluate};

    const TODAY: Date = date(2026, 6, 15);

    fn feed(name: &str, checked: Option<Date>, as_of: &str) -> Feed {
        Feed { name: name.into(), checked, as_of: as_of.into(), ..Feed::default() }
    }

    fn run(policies: &[&str], feeds: &[Feed]) -> Verdict {
        let text = |feeds: &&str| {
            format!("version: 1\n{feeds}rules:\n  - {{name: a, when: {{fixable: true}}, action: fail}}\n")
        };
        let policies: Vec<Policy> =
            policies.iter().map(|feeds| Policy::parse("p.yaml", &text(feeds)).unwrap()).collect();
        let (_, mut verdict) = evaluate(&policies, Vec::new(), TODAY, Class::Trusted);
        verdict.consider_age(&policies, feeds.iter(), TODAY);
        verdict
    }

    #[test]
    fn five_days_are_not_too_old_and_six_are_a_warning() {
        let five = feed("npm", Some(date(2026, 6, 10)), "2020-01-01T00:00:00Z");
        let verdict = run(&[""], &[five]);
        assert_eq!((verdict.outcome, verdict.reasons.len(), verdict.degraded.len()), (Outcome::Pass, 0, 0));
        let feeds = [feed("npm", None, "2026-06-09T23:59:59Z"), feed("nvd", None, "")];
        let verdict = run(&[""], &feeds);
        assert_eq!((verdict.outcome, verdict.degraded.len()), (Outcome::Warn, 2));
        assert_eq!(
            verdict.reasons[0].message,
            "nobody knows how old nvd is; npm knows nothing after 2026-06-09, 6 days ago: \
             run `feeds update`, or tell `feeds import` by --fetched"
        );
        assert_eq!(verdict.policies[0].rules.last().unwrap().name, "advisories older than 5 days");
    }

    #[test]
    fn what_is_of_a_far_future_is_of_unknown_age() {
        let days = |as_of| run(&[""], &[feed("npm", None, as_of)]).degraded.first().map(|old| old.days);
        assert_eq!(days("2027-06-15T12:00:00Z"), None);
        assert_eq!(days("2027-06-16T00:00:00Z"), Some(None));
        assert_eq!(days("9999-01-01T00:00:00Z"), Some(None));
        assert_eq!(days("0001-01-01T00:00:00Z"), Some(Some(739_781)));
        // A verdict for a moment of the past, on what was checked since.
        assert!(run(&[""], &[feed("npm", Some(date(2026, 9, 1)), "")]).degraded.is_empty());
    }

    #[test]
    fn the_strictest_word_holds() {
        let week = [feed("npm", Some(date(2026, 6, 8)), "")];
        let outcome = |policies: &[&str]| run(policies, &week).outcome;
        assert_eq!(outcome(&["feeds: {max_age_days: 7}\n"]), Outcome::Pass);
        assert_eq!(outcome(&["feeds: {when_older: fail}\n", ""]), Outcome::Fail);
        assert_eq!(
            outcome(&["feeds: {max_age_days: 6, when_older: fail}\n", "feeds: {when_older: ignore}\n"]),
            Outcome::Fail
        );
        assert_eq!(outcome(&["", "feeds: {max_age_days: 99, when_older: ignore}\n"]), Outcome::Warn);
        let ignored = run(&["feeds: {when_older: ignore}\n"], &week);
        assert_eq!((ignored.outcome, ignored.degraded.len()), (Outcome::Pass, 1), "it is said all the same");
    }
}
