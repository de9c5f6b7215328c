//! Who publishes an advisory, by the form of its id.

/// A publisher of advisories.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Publisher {
    /// What its ids begin with, before the first hyphen.
    pub(super) prefix: &'static str,
    /// Its pages' addresses, up to the id.
    address: &'static str,
}

impl Publisher {
    /// The publisher of an advisory; `None` for an id of no known form. An id of a known form can be put into an address as it is.
    pub(super) fn of(id: &str) -> Option<&'static Self> {
        let (prefix, rest) = id.split_once('-')?;
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b':';
        if rest.is_empty() || id.len() > MAX_ID || !rest.bytes().all(is_plain) {
            return None;
        }
        PUBLISHERS.iter().find(|publisher| publisher.prefix == prefix)
    }

    /// Where it explains an advisory.
    pub(super) fn page(&self, id: &str) -> String {
        [self.address, id].concat()
    }
}

/// Longest id, in bytes.
const MAX_ID: usize = 40;

/// Those that are read most, of the OSV schema's list of databases. CVE names have pages at cve.org, not always at osv.dev.
const PUBLISHERS: &[Publisher] = &[
    Publisher { prefix: "CVE", address: "https://www.cve.org/CVERecord?id=" },
    Publisher { prefix: "GHSA", address: "https://github.com/advisories/" },
    Publisher { prefix: "USN", address: "https://ubuntu.com/security/notices/" },
    Publisher { prefix: "RHSA", address: "https://access.redhat.com/errata/" },
    Publisher { prefix: "DSA", address: "https://security-tracker.debian.org/tracker/" },
    Publisher { prefix: "DLA", address: "https://security-tracker.debian.org/tracker/" },
    osv("ALPINE"),
    osv("ALSA"),
    osv("BIT"),
    osv("CGA"),
    osv("DEBIAN"),
    osv("GO"),
    osv("HSEC"),
    osv("MAL"),
    osv("MGASA"),
    osv("OSV"),
    osv("PSF"),
    osv("PYSEC"),
    osv("RLSA"),
    osv("RSEC"),
    osv("RUSTSEC"),
    osv("SUSE"),
    osv("UBUNTU"),
];

const fn osv(prefix: &'static str) -> Publisher {
    Publisher { prefix, address: "https://osv.dev/vulnerability/" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ids_of_known_form_have_a_page() {
        let page = |id: &str| Publisher::of(id).map(|publisher| publisher.page(id));
        assert_eq!(page("CVE-2024-1").as_deref(), Some("https://www.cve.org/CVERecord?id=CVE-2024-1"));
        assert_eq!(page("RHSA-2024:1").as_deref(), Some("https://access.redhat.com/errata/RHSA-2024:1"));
        assert_eq!(page("GO-2024-1").as_deref(), Some("https://osv.dev/vulnerability/GO-2024-1"));
        let long = format!("CVE-{}", "1".repeat(40));
        for id in ["CVE-", "CVE", "CVE-2024-1)", "CVE-1 x", "OWN-1", "GHSA-a/../b", "cve-2024-1", &long] {
            assert_eq!(page(id), None, "{id}");
        }
    }
}
