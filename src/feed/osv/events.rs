//! Events of a range, and the schema's algorithm that gives them a meaning.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::Value;

use crate::{
    advisory::{End, Range},
    version::Scheme,
};

/// One event as it is written: a version by kind. The schema wants one kind each; where there are several, the order
/// of the kinds is theirs.
pub(super) struct EventJson(Vec<(Kind, Value)>);

impl<'de> Deserialize<'de> for EventJson {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        struct Event;
        impl<'de> Visitor<'de> for Event {
            type Value = EventJson;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an event")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<EventJson, A::Error> {
                let mut kinds = Vec::with_capacity(1);
                while let Some(kind) = map.next_entry()? {
                    kinds.push(kind);
                }
                kinds.sort_by(|(a, _): &(Kind, Value), (b, _)| a.cmp(b));
                Ok(EventJson(kinds))
            }
        }
        json.deserialize_map(Event)
    }
}

/// What happens at a version.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Introduced,
    Fixed,
    LastAffected,
    Limit,
    /// Of a newer schema, or a slip.
    Other(String),
}

impl<'de> Deserialize<'de> for Kind {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        struct Name;
        impl Visitor<'_> for Name {
            type Value = Kind;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a kind of event")
            }

            fn visit_str<E>(self, name: &str) -> Result<Kind, E> {
                Ok(match name {
                    "introduced" => Kind::Introduced,
                    "fixed" => Kind::Fixed,
                    "last_affected" => Kind::LastAffected,
                    "limit" => Kind::Limit,
                    other => Kind::Other(other.to_owned()),
                })
            }
        }
        json.deserialize_str(Name)
    }
}

type Event<'a> = (&'a Kind, &'a str);

/// The ranges that `events` describe; an error is the part of them that nobody here understands.
pub(super) fn ranges(scheme: Scheme, events: &[EventJson]) -> Result<Vec<Range>, String> {
    let mut known = Vec::with_capacity(events.len());
    for (kind, version) in events.iter().flat_map(|EventJson(kinds)| kinds) {
        match (kind, version) {
            (Kind::Other(name), _) => return Err(format!("an event of unknown kind {name:?}")),
            (_, Value::Null) => {}
            (_, Value::String(version)) => known.push((kind, version.as_str())),
            (kind, _) => return Err(format!("{kind:?} without a version")),
        }
    }
    Ok(flatten(scheme, &known))
}

/// Turns events into ranges, as the schema's evaluation algorithm reads them: sorted by version, each opens or closes;
/// then what lies before no limit is cut off.
fn flatten(scheme: Scheme, events: &[Event<'_>]) -> Vec<Range> {
    let from_start = |version: &str| version == "0";
    let (limits, mut sorted): (Vec<_>, Vec<_>) =
        events.iter().copied().partition(|(kind, _)| matches!(kind, Kind::Limit));
    // Stable: at one version the order of the document decides.
    sorted.sort_by(|(_, a), (_, b)| from_start(b).cmp(&from_start(a)).then_with(|| scheme.compare(a, b)));
    let mut ranges = Vec::new();
    // Events without a beginning speak of everything before.
    let has_start = sorted.iter().any(|(kind, _)| matches!(kind, Kind::Introduced));
    let mut open = (!has_start && !events.is_empty()).then_some(None);
    for (kind, version) in sorted {
        let end = match kind {
            Kind::Fixed => End::Fixed(version.to_owned()),
            Kind::LastAffected => End::LastAffected(version.to_owned()),
            _ => {
                open.get_or_insert_with(|| (!from_start(version)).then(|| version.to_owned()));
                continue;
            }
        };
        if let Some(introduced) = open.take() {
            ranges.push(Range { introduced, end });
        }
    }
    if let Some(introduced) = open {
        ranges.push(Range { introduced, end: End::Open });
    }
    // `BeforeLimits` of the schema: below any limit is enough, so the highest counts, and `*` is above all.
    let highest = limits.iter().map(|(_, version)| *version).max_by(|a, b| scheme.compare(a, b));
    if let Some(limit) = highest.filter(|_| limits.iter().all(|(_, version)| *version != "*")) {
        ranges.retain(|range| {
            range.introduced.as_deref().is_none_or(|first| scheme.compare(first, limit).is_lt())
        });
        for Range { end, .. } in &mut ranges {
            let within = match end {
                End::Fixed(end) => scheme.compare(end, limit).is_le(),
                End::LastAffected(end) => scheme.compare(end, limit).is_lt(),
                End::Limit(_) | End::Open => false,
            };
            if !within {
                *end = End::Limit(limit.to_owned());
            }
        }
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranges(scheme: Scheme, events: &str) -> String {
        let events: Vec<EventJson> = serde_json::from_str(events).unwrap();
        let show = |range: Range| {
            let from = range.introduced.unwrap_or_default();
            match range.end {
                End::Fixed(end) => format!("[{from},{end})"),
                End::LastAffected(end) => format!("[{from},{end}]"),
                End::Limit(end) => format!("[{from},{end}|"),
                End::Open => format!("[{from},"),
            }
        };
        match super::ranges(scheme, &events) {
            Ok(ranges) => ranges.into_iter().map(show).collect::<Vec<_>>().join(" "),
            Err(what) => what,
        }
    }

    #[test]
    fn events_become_ranges() {
        let npm = |events| ranges(Scheme::Npm, events);
        assert_eq!(npm(r#"[{"introduced":"0"},{"fixed":"2.0.0"}]"#), "[,2.0.0)");
        let shuffled = r#"[{"fixed":"10.1.0"},{"introduced":"10.0.0"},{"fixed":"9.3.0"},{"introduced":"0"}]"#;
        assert_eq!(npm(shuffled), "[,9.3.0) [10.0.0,10.1.0)");
        assert_eq!(npm(r#"[{"introduced":"1.0.0"},{"last_affected":"1.5.0"}]"#), "[1.0.0,1.5.0]");
        assert_eq!(npm(r#"[{"introduced":"1.0.0"}]"#), "[1.0.0,");
        assert_eq!(npm(r#"[{"introduced":"0"},{"fixed":"1.2.0"},{"fixed":"2.1.0"}]"#), "[,1.2.0)");
        assert_eq!(npm(r#"[{"fixed":"2.0.0"}]"#), "[,2.0.0)");
        assert_eq!(ranges(Scheme::Deb, r#"[{"introduced":"0"},{"fixed":"0"}]"#), "[,0)");
        assert_eq!(ranges(Scheme::Deb, r#"[{"introduced":"0"},{"fixed":"1.0~rc1-1"}]"#), "[,1.0~rc1-1)");
    }

    /// `BeforeLimits` of the schema: "If limit is present and version < evt.limit, return true", for any of them; "*" is
    /// infinity.
    #[test]
    fn below_any_limit_is_in_range() {
        let npm = |events| ranges(Scheme::Npm, events);
        assert_eq!(npm(r#"[{"introduced":"1.0.0"},{"limit":"2.0.0"}]"#), "[1.0.0,2.0.0|");
        assert_eq!(npm(r#"[{"introduced":"1.0.0"},{"limit":"2.0.0"},{"limit":"4.0.0"}]"#), "[1.0.0,4.0.0|");
        assert_eq!(npm(r#"[{"limit":"3.0.0"},{"introduced":"0"},{"limit":"*"}]"#), "[,");
        let closed = r#"[{"introduced":"1.0.0"},{"fixed":"1.5.0"},{"introduced":"2.0.0"},{"last_affected":"2.5.0"},
            {"introduced":"3.0.0"},{"limit":"2.2.0"}]"#;
        assert_eq!(npm(closed), "[1.0.0,1.5.0) [2.0.0,2.2.0|");
        assert_eq!(npm(r#"[{"introduced":"1.0.0"},{"fixed":"2.0.0"},{"limit":"2.0.0"}]"#), "[1.0.0,2.0.0)");
        assert_eq!(npm(r#"[{"limit":"2.0.0"}]"#), "[,2.0.0|");
    }

    #[test]
    fn several_kinds_in_one_event() {
        let npm = |events| ranges(Scheme::Npm, events);
        assert_eq!(npm(r#"[{"fixed":"1.0.0","introduced":"0"}]"#), "[,1.0.0)");
        assert_eq!(npm(r#"[{"last_affected":"2.0.0","introduced":"1.0.0","limit":null}]"#), "[1.0.0,2.0.0]");
        assert_eq!(
            npm(r#"[{"introduced":"0"},{"mended":{"in":1}}]"#),
            r#"an event of unknown kind "mended""#
        );
        assert_eq!(npm(r#"[{"fixed":5}]"#), "Fixed without a version");
    }
}
