//! Whether a path gives much less than it gave last.

use std::collections::BTreeMap;

use crate::report::plain;

/// What is lost of a feed, in words; `None` where no more is gone than publishers take back. Who publishes, or whoever stands in
/// between, may give a file that is whole and nearly empty, and nothing found in it is no good news.
pub fn lost(last: &BTreeMap<String, u64>, now: &BTreeMap<String, u64>) -> Option<String> {
    let much = |(name, old): (&String, &u64)| {
        let lost = old.saturating_sub(now.get(name).copied().unwrap_or_default());
        is_much(lost, *old).then(|| format!("lost {lost} of {old} records of {}", plain(name)))
    };
    let mut all = last.iter().filter_map(much);
    match (all.next(), all.count()) {
        (None, _) => lost_all(last, now),
        (first, 0) => first,
        (Some(first), more) => Some(format!("{first}, and much of {more} more feeds")),
    }
}

/// Where nothing is left of something.
pub fn lost_all(last: &BTreeMap<String, u64>, now: &BTreeMap<String, u64>) -> Option<String> {
    let any = |feeds: &BTreeMap<String, u64>| feeds.values().any(|count| *count > 0);
    (any(last) && !any(now)).then(|| "lost all of its records".to_owned())
}

/// As the server's trial has it, more than a fifth and more than 50. Nothing tries this one, so also most of what is small; but a
/// record or two of an ecosystem that a path hardly speaks of come and go.
fn is_much(lost: u64, of: u64) -> bool {
    let over = |percent: u128, count| lost > count && u128::from(lost) * 100 > u128::from(of) * percent;
    over(20, 50) || over(50, 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_little_may_go_and_most_may_not() {
        let text = |last: &[(&str, u64)], now: &[(&str, u64)]| {
            let [last, now] = [last, now].map(|counts| {
                counts.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect::<BTreeMap<_, _>>()
            });
            lost(&last, &now).unwrap_or_default()
        };
        for (old, new) in [(1000, 800), (1000, 1001), (50, 40), (20, 10), (10, 1), (0, 0)] {
            assert_eq!(text(&[("npm", old)], &[("npm", new)]), "", "{old} {new}");
        }
        assert_eq!(text(&[("npm", 1000)], &[("npm", 799)]), "lost 201 of 1000 records of npm");
        assert_eq!(text(&[("npm", 40)], &[("npm", 1)]), "lost 39 of 40 records of npm");
        assert_eq!(
            text(&[("a", 100), ("b", 9), ("nvd", 99)], &[("b", 9)]),
            "lost 100 of 100 records of a, and much of 1 more feeds"
        );
        assert_eq!(text(&[("npm", 1)], &[]), "lost all of its records");
        assert_eq!(text(&[("npm", 9), ("PyPI", 1)], &[("npm", 9)]), "");
    }
}
