//! When each release of a distribution ends: the day after which its vendor gives no more security updates to everybody.
//!
//! Support that is sold beyond that day (ESM, ELS, LTSS, Debian's ELTS) does not count. Debian's LTS does: it is free of
//! charge, and its updates come by the same archive. A day that the vendor has not published, or of which sources say
//! different things, is not here.

use super::OsRelease;

/// By `ID`, sorted: releases, as many parts of `VERSION_ID` as name one, in ascending order, each with its last day.
const ENDS: &[(&str, &[(&str, &str)])] = &[
    // wiki.almalinux.org, release notes
    ("almalinux", &[("8", "2029-03-01"), ("9", "2032-05-31"), ("10", "2035-05-31")]),
    // alpinelinux.org/releases
    (
        "alpine",
        &[
            ("2.1", "2012-11-01"),
            ("2.2", "2013-05-01"),
            ("2.3", "2013-11-01"),
            ("2.4", "2014-05-01"),
            ("2.5", "2014-11-01"),
            ("2.6", "2015-05-01"),
            ("2.7", "2015-11-01"),
            ("3.0", "2016-05-01"),
            ("3.1", "2016-11-01"),
            ("3.2", "2017-05-01"),
            ("3.3", "2017-11-01"),
            ("3.4", "2018-05-01"),
            ("3.5", "2018-11-01"),
            ("3.6", "2019-05-01"),
            ("3.7", "2019-11-01"),
            ("3.8", "2020-05-01"),
            ("3.9", "2020-11-01"),
            ("3.10", "2021-05-01"),
            ("3.11", "2021-11-01"),
            ("3.12", "2022-05-01"),
            ("3.13", "2022-11-01"),
            ("3.14", "2023-05-01"),
            ("3.15", "2023-11-01"),
            ("3.16", "2024-05-23"),
            ("3.17", "2024-11-22"),
            ("3.18", "2025-05-09"),
            ("3.19", "2025-11-01"),
            ("3.20", "2026-04-01"),
            ("3.21", "2026-11-01"),
            ("3.22", "2027-05-01"),
            ("3.23", "2027-11-01"),
        ],
    ),
    // aws.amazon.com, FAQs of each; of the first, the end of its maintenance
    (
        "amzn",
        &[
            ("2", "2026-06-30"),
            ("2010.11", "2023-12-31"),
            ("2011.09", "2023-12-31"),
            ("2012.03", "2023-12-31"),
            ("2012.09", "2023-12-31"),
            ("2013.03", "2023-12-31"),
            ("2013.09", "2023-12-31"),
            ("2014.03", "2023-12-31"),
            ("2014.09", "2023-12-31"),
            ("2015.03", "2023-12-31"),
            ("2015.09", "2023-12-31"),
            ("2016.03", "2023-12-31"),
            ("2016.09", "2023-12-31"),
            ("2017.03", "2023-12-31"),
            ("2017.09", "2023-12-31"),
            ("2018.03", "2023-12-31"),
            ("2023", "2029-06-30"),
        ],
    ),
    // centos.org/download and its end-of-life page; from 9 on there is Stream alone
    (
        "centos",
        &[
            ("5", "2017-03-31"),
            ("6", "2020-11-30"),
            ("7", "2024-06-30"),
            ("8", "2021-12-31"),
            ("9", "2027-05-31"),
            ("10", "2030-01-01"),
        ],
    ),
    // wiki.debian.org/LTS and debian.csv of distro-info-data; the end of LTS
    (
        "debian",
        &[
            ("6", "2016-02-29"),
            ("7", "2018-05-31"),
            ("8", "2020-06-30"),
            ("9", "2022-06-30"),
            ("10", "2024-06-30"),
            ("11", "2026-08-31"),
            ("12", "2028-06-30"),
            ("13", "2030-06-30"),
        ],
    ),
    // fedorapeople.org/groups/schedule; since 36 `SUPPORT_END` says it too
    (
        "fedora",
        &[
            ("20", "2015-06-23"),
            ("21", "2015-12-01"),
            ("22", "2016-07-19"),
            ("23", "2016-12-20"),
            ("24", "2017-08-08"),
            ("25", "2017-12-12"),
            ("26", "2018-05-29"),
            ("27", "2018-11-30"),
            ("28", "2019-05-28"),
            ("29", "2019-11-26"),
            ("30", "2020-05-26"),
            ("31", "2020-11-24"),
            ("32", "2021-05-25"),
            ("33", "2021-11-30"),
            ("34", "2022-06-07"),
            ("35", "2022-12-13"),
            ("36", "2023-05-16"),
            ("37", "2023-12-05"),
            ("38", "2024-05-21"),
            ("39", "2024-11-26"),
            ("40", "2025-05-13"),
            ("41", "2025-12-15"),
            ("42", "2026-05-13"),
            ("43", "2026-12-09"),
        ],
    ),
    // learn.microsoft.com, Azure Linux support lifecycle
    ("mariner", &[("2.0", "2025-07-31")]),
    // oracle.com, Elastic Support Policies for Oracle Linux; the end of Premier Support
    (
        "ol",
        &[
            ("5", "2017-06-30"),
            ("6", "2021-03-31"),
            ("7", "2024-12-31"),
            ("8", "2029-07-31"),
            ("9", "2032-06-30"),
            ("10", "2035-06-30"),
        ],
    ),
    // openeuler.org/en/download/archive; of a release with service packs, which `VERSION_ID` does not name, the last one's
    // day. 24.03 is not here: more of them may come
    (
        "openeuler",
        &[
            ("20.03", "2025-11-30"),
            ("22.03", "2026-06-30"),
            ("23.03", "2023-09-30"),
            ("23.09", "2024-03-31"),
            ("24.09", "2025-03-31"),
            ("25.03", "2025-09-30"),
            ("25.09", "2026-03-31"),
            ("26.09", "2027-03-31"),
        ],
    ),
    // en.opensuse.org/Lifetime
    (
        "opensuse",
        &[("13.2", "2017-01-17"), ("42.1", "2017-05-17"), ("42.2", "2018-01-26"), ("42.3", "2019-07-01")],
    ),
    // en.opensuse.org/Lifetime
    (
        "opensuse-leap",
        &[
            ("15.0", "2019-12-03"),
            ("15.1", "2021-02-02"),
            ("15.2", "2022-01-04"),
            ("15.3", "2022-12-31"),
            ("15.4", "2023-12-07"),
            ("15.5", "2024-12-31"),
            ("15.6", "2026-04-30"),
            ("16.0", "2027-10-31"),
        ],
    ),
    // github.com/vmware/photon/wiki
    ("photon", &[("1.0", "2022-02-28")]),
    // access.redhat.com/support/policy/updates/errata; the end of Maintenance Support
    (
        "rhel",
        &[
            ("5", "2017-03-31"),
            ("6", "2020-11-30"),
            ("7", "2024-06-30"),
            ("8", "2029-05-31"),
            ("9", "2032-05-31"),
            ("10", "2035-05-31"),
        ],
    ),
    // wiki.rockylinux.org/rocky/version
    ("rocky", &[("8", "2029-05-31"), ("9", "2032-05-31"), ("10", "2035-05-31")]),
    // scientificlinux.org
    ("scientific", &[("6", "2020-11-30"), ("7", "2024-06-30")]),
    // suse.com/lifecycle; the end of general support of each service pack
    (
        "sles",
        &[
            ("10", "2007-12-31"),
            ("10.1", "2008-11-30"),
            ("10.2", "2010-04-11"),
            ("10.3", "2011-10-11"),
            ("10.4", "2013-07-31"),
            ("11", "2010-12-31"),
            ("11.1", "2012-08-31"),
            ("11.2", "2014-01-31"),
            ("11.3", "2016-01-31"),
            ("11.4", "2019-03-31"),
            ("12", "2016-06-30"),
            ("12.1", "2017-05-31"),
            ("12.2", "2018-03-31"),
            ("12.3", "2019-06-30"),
            ("12.4", "2020-06-30"),
            ("12.5", "2024-10-31"),
            ("15", "2019-12-31"),
            ("15.1", "2021-01-31"),
            ("15.2", "2021-12-31"),
            ("15.3", "2022-12-31"),
            ("15.4", "2023-12-31"),
            ("15.5", "2024-12-31"),
            ("15.6", "2025-12-31"),
            ("15.7", "2031-07-31"),
        ],
    ),
    // ubuntu.csv of distro-info-data; the end of standard support
    (
        "ubuntu",
        &[
            ("12.04", "2017-04-28"),
            ("12.10", "2014-05-16"),
            ("13.04", "2014-01-27"),
            ("13.10", "2014-07-17"),
            ("14.04", "2019-04-25"),
            ("14.10", "2015-07-23"),
            ("15.04", "2016-02-04"),
            ("15.10", "2016-07-28"),
            ("16.04", "2021-04-30"),
            ("16.10", "2017-07-20"),
            ("17.04", "2018-01-13"),
            ("17.10", "2018-07-19"),
            ("18.04", "2023-05-31"),
            ("18.10", "2019-07-18"),
            ("19.04", "2020-01-23"),
            ("19.10", "2020-07-17"),
            ("20.04", "2025-05-29"),
            ("20.10", "2021-07-22"),
            ("21.04", "2022-01-20"),
            ("21.10", "2022-07-14"),
            ("22.04", "2027-06-01"),
            ("22.10", "2023-07-20"),
            ("23.04", "2024-01-25"),
            ("23.10", "2024-07-11"),
            ("24.04", "2029-05-31"),
            ("24.10", "2025-07-10"),
            ("25.04", "2026-01-15"),
            ("25.10", "2026-07-09"),
            ("26.04", "2031-05-29"),
        ],
    ),
];

/// CentOS Stream 8 has the `ID` and the `VERSION_ID` of CentOS Linux 8; centos.org.
const CENTOS_STREAM_8: &str = "2024-05-31";

/// The last day of support as `YYYY-MM-DD`: what the system's own `SUPPORT_END` says, else what its vendor has published;
/// `None` where neither is known, and for rolling releases.
pub fn end_of_life(os: &OsRelease) -> Option<&str> {
    if is_date(&os.support_end) {
        return Some(&os.support_end);
    }
    if os.id == "centos" && os.codename == "stream" && os.version == "8" {
        return Some(CENTOS_STREAM_8);
    }
    let at = ENDS.binary_search_by_key(&os.id.as_str(), |(id, _)| id).ok()?;
    let (_, releases) = ENDS.get(at)?;
    // All releases of a distribution have as many parts, but for a first release and Amazon's years: `15` is not `15.8`.
    let exact = |version: &str| releases.iter().find(|(release, _)| *release == version).map(|(_, day)| *day);
    let parts = releases.iter().map(|(release, _)| release.split('.').count()).max()?;
    let end = os.version.match_indices('.').nth(parts - 1).map_or(os.version.len(), |(end, _)| end);
    exact(os.version.get(..end)?)
}

/// Whether `text` is a day of the calendar as `YYYY-MM-DD`.
fn is_date(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let [year, month, day] = parts[..] else { return false };
    let number = |text: &str, digits: usize| {
        let plain = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<u16>().ok().filter(|_| plain)
    };
    let (Some(year), Some(month), Some(day)) = (number(year, 4), number(month, 2), number(day, 2)) else {
        return false;
    };
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => 0,
    };
    (1..=days).contains(&day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(id: &str, version: &str, codename: &str) -> Option<String> {
        let (id, version, codename) = (id.to_owned(), version.to_owned(), codename.to_owned());
        end_of_life(&OsRelease { id, version, codename, ..OsRelease::default() }).map(str::to_owned)
    }

    #[test]
    fn sorted_and_of_days() {
        assert!(ENDS.windows(2).all(|pair| pair[0].0 < pair[1].0));
        for (id, releases) in ENDS {
            let numbers =
                |release: &str| release.split('.').map(|part| part.parse().unwrap()).collect::<Vec<u32>>();
            assert!(releases.windows(2).all(|pair| numbers(pair[0].0) < numbers(pair[1].0)), "{id}");
            assert!(releases.iter().all(|(_, day)| is_date(day)), "{id}");
        }
        for text in ["", "2024-13-01", "2023-02-29", "2024-2-1", "2024-01-00", "2024-01-01-1", "+024-01-01"] {
            assert!(!is_date(text), "{text}");
        }
    }

    #[test]
    fn by_the_parts_that_name_a_release() {
        for (id, version, codename, want) in [
            ("debian", "12", "bookworm", Some("2028-06-30")),
            ("debian", "12.5", "", Some("2028-06-30")),
            ("debian", "", "sid", None),
            ("alpine", "3.18.4", "", Some("2025-05-09")),
            ("alpine", "3", "", None),
            ("alpine", "3.24.0_alpha20260101", "", None),
            ("ubuntu", "22.04", "jammy", Some("2027-06-01")),
            ("rhel", "8.10", "", Some("2029-05-31")),
            ("sles", "15.5", "", Some("2024-12-31")),
            ("sles", "15", "", Some("2019-12-31")),
            ("sles", "15.8", "", None),
            ("amzn", "2", "", Some("2026-06-30")),
            ("amzn", "2018.03", "", Some("2023-12-31")),
            ("amzn", "2013.09", "", Some("2023-12-31")),
            ("amzn", "2022", "", None),
            ("openeuler", "22.03", "", Some("2026-06-30")),
            ("openeuler", "24.03", "", None),
            ("opensuse-leap", "16.0", "", Some("2027-10-31")),
            ("centos", "8", "", Some("2021-12-31")),
            ("centos", "8", "stream", Some("2024-05-31")),
            ("opensuse-leap", "15.2.1", "", Some("2022-01-04")),
            ("opensuse-tumbleweed", "20220412", "", None),
            ("arch", "", "", None),
            ("wolfi", "20230201", "", None),
        ] {
            assert_eq!(end(id, version, codename).as_deref(), want, "{id} {version}");
        }
    }

    #[test]
    fn its_own_word_wins() {
        let own = |support_end: &str| OsRelease {
            id: "fedora".to_owned(),
            version: "36".to_owned(),
            support_end: support_end.to_owned(),
            ..OsRelease::default()
        };
        assert_eq!(end_of_life(&own("2023-05-17")), Some("2023-05-17"));
        assert_eq!(end_of_life(&own("soon")), Some("2023-05-16"));
    }
}
