//! Which package of which release a product of a document is.

use std::collections::HashMap;

use super::document::{ProductTree, Text};
use crate::{
    advisory::scheme,
    package::{Purl, module_stream},
};

/// Most steps from a component to the product that it is part of: a package, its module, the product.
const MOST_STEPS: usize = 4;

/// The products of a document, by their ids.
pub(super) struct Products<'a> {
    cpe: HashMap<&'a str, &'a str>,
    purl: HashMap<&'a str, &'a str>,
    /// What each is made of: the part, and the whole that it is part of.
    parts: HashMap<&'a str, (&'a str, &'a str)>,
}

/// A package of a release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    /// The feed of the release, such as `Red Hat:9`.
    pub feed: String,
    /// The rpm, or the source rpm where `is_source`; one of a module stands behind it: `nodejs:18/nodejs`.
    pub name: String,
    pub is_source: bool,
    /// `[EPOCH:]VERSION-RELEASE`, if it has one.
    pub version: Option<String>,
}

/// Why a product is left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Left {
    Product,
    Stream,
    Kind,
    Module,
    Unknown,
    /// Of the release that this feed is of, which may miss it.
    NotUnderstood(String),
}

impl Left {
    pub(super) fn reason(&self) -> &'static str {
        match self {
            Self::Product => "another product than a release of the system",
            Self::Stream => "a stream of extended support",
            Self::Kind => "no rpm",
            Self::Module => "a module as a whole",
            Self::Unknown => "not in the product tree",
            Self::NotUnderstood(_) => "not understood",
        }
    }
}

impl<'a> Products<'a> {
    pub(super) fn new(tree: &'a ProductTree<'a>) -> Self {
        let helper = |name: fn(&'a super::document::Helper<'a>) -> Option<&'a Text<'a>>| {
            let products = tree.branches.0.iter();
            let named = products.filter_map(move |product| {
                Some((&*product.product_id, &**name(product.product_identification_helper.as_ref()?)?))
            });
            named.collect::<HashMap<_, _>>()
        };
        let parts = tree.relationships.iter().map(|relation| {
            let whole = &*relation.relates_to_product_reference;
            (&*relation.full_product_name.product_id, (&*relation.product_reference, whole))
        });
        Self {
            cpe: helper(|helper| helper.cpe.as_ref()),
            purl: helper(|helper| helper.purl.as_ref()),
            parts: parts.collect(),
        }
    }

    /// The package that the product `id` is.
    pub(super) fn find(&self, id: &str) -> Result<Found, Left> {
        let is_whole = self.cpe.contains_key(id) || self.purl.contains_key(id);
        let left = if is_whole { Left::Product } else { Left::Unknown };
        let &(component, mut whole) = self.parts.get(id).ok_or(left)?;
        // What stands between is the module that the package is part of.
        let mut between = None;
        for _ in 0..MOST_STEPS {
            let Some(&(part, next)) = self.parts.get(whole) else { break };
            (between, whole) = (Some(part), next);
        }
        let feed = feed(self.cpe.get(whole).ok_or(Left::Product)?)?;
        let module = match between {
            Some(between) => match self.module(between) {
                Some(module) => Some(module),
                None => return Err(Left::NotUnderstood(feed)),
            },
            None => None,
        };
        self.package(component, module, feed)
    }

    /// A module's name and stream, such as `nodejs:18`: `pkg:rpmmod/redhat/nodejs@18:8060020211207143026:ad008a3a`.
    fn module(&self, id: &str) -> Option<String> {
        let purl: Purl = self.purl.get(id)?.parse().ok().filter(|purl: &Purl| purl.kind == "rpmmod")?;
        module_stream(&format!("{}:{}", purl.name, purl.version))
    }

    fn package(&self, id: &str, module: Option<String>, feed: String) -> Result<Found, Left> {
        let Some(purl) = self.purl.get(id) else { return plain(id, feed) };
        let Ok(purl) = purl.parse::<Purl>() else { return Err(Left::NotUnderstood(feed)) };
        let module = match purl.kind.as_str() {
            "rpm" => match purl.qualifiers.get("rpmmod").map(|label| module_stream(label)) {
                Some(None) => return Err(Left::NotUnderstood(feed)),
                Some(stream) => stream,
                None => module,
            },
            // `pkg:rpmmod/redhat/nodejs:18/nodejs`: a package of a module.
            "rpmmod" => Some(purl.namespace.split_once('/').ok_or(Left::Module)?.1.to_owned()),
            _ => return Err(Left::Kind),
        };
        let version = Some(&purl.version).filter(|version| !version.is_empty());
        let epoch = purl.qualifiers.get("epoch").filter(|epoch| *epoch != "0");
        let version = version.map(|version| match epoch {
            Some(epoch) => format!("{epoch}:{version}"),
            None => version.clone(),
        });
        let arch = purl.qualifiers.get("arch").map(String::as_str);
        let is_source = matches!(arch, Some("src" | "nosrc")) || purl.kind == "rpmmod";
        let name = module.map(|module| format!("{module}/")).unwrap_or_default() + &purl.name;
        Ok(Found { feed, name, is_source, version })
    }
}

/// What SUSE names without a purl: `NAME`, `NAME-VERSION-RELEASE` or `NAME-VERSION-RELEASE.ARCH`, of which the name may look
/// like the others. So the version is taken for one where a digit begins it, and the release too.
fn plain(id: &str, feed: String) -> Result<Found, Left> {
    const ARCHES: [&str; 12] = [
        "aarch64",
        "aarch64_ilp32",
        "i586",
        "i686",
        "ia64",
        "noarch",
        "ppc",
        "ppc64",
        "ppc64le",
        "s390",
        "s390x",
        "x86_64",
    ];
    let nothing =
        |name: &str| Found { feed: feed.clone(), name: name.to_owned(), is_source: false, version: None };
    // Older documents of Red Hat: a package of a module, or the path of a container image.
    if let Some((module, _)) = id.split_once('/') {
        return if module.contains(':') { Ok(nothing(id)) } else { Err(Left::Kind) };
    }
    let stem = id.rsplit_once('.').filter(|(_, arch)| ARCHES.contains(arch)).map_or(id, |(stem, _)| stem);
    let digit = |text: &str| text.starts_with(|first: char| first.is_ascii_digit());
    let versioned = stem.rmatch_indices('-').nth(1).map(|(at, _)| stem.split_at(at));
    let versioned = versioned.map(|(name, version)| (name, &version[1..]));
    Ok(match versioned {
        Some((name, version)) if digit(version) && version.split('-').all(digit) => {
            Found { version: Some(version.to_owned()), ..nothing(name) }
        }
        _ => nothing(id),
    })
}

/// The feed of the release that a product with this `cpe` belongs to.
///
/// OSV names an ecosystem after the whole CPE, `Red Hat:enterprise_linux:9::baseos`, or after the product, `SUSE:Linux
/// Enterprise Module for Basesystem 15 SP5`. An image tells its release and not which repositories a package came from; a
/// release has one rpm of a name, whichever has it. So the repositories of a release are one feed, by the number that
/// os-release gives it: `Red Hat:9`; SUSE's server, its modules and its long service are `SUSE:15.5`.
fn feed(cpe: &str) -> Result<String, Left> {
    let mut parts = cpe.strip_prefix("cpe:/").ok_or(Left::Product)?.split(':').skip(1);
    let mut part = || parts.next().unwrap_or_default();
    let (vendor, product, version, update) = (part(), part(), part(), part());
    let feed = match (vendor, product) {
        ("redhat", "enterprise_linux") => {
            Ok(format!("Red Hat:{}", version.split('.').next().unwrap_or_default()))
        }
        (
            "redhat",
            "enterprise_linux_eus"
            | "rhel_aus"
            | "rhel_e4s"
            | "rhel_els"
            | "rhel_eus"
            | "rhel_eus_long_life"
            | "rhel_mission_critical"
            | "rhel_tus",
        ) => Err(Left::Stream),
        ("suse", "sles" | "suse_sles" | "sles-ltss" | "suse_sles_ltss" | "sles-ltss-extended-security") => {
            Ok(sles(version, update))
        }
        ("suse", product) if product.starts_with("sle-module-") => Ok(sles(version, update)),
        ("opensuse", "leap") => Ok(format!("openSUSE:{version}")),
        ("opensuse", "tumbleweed") => Ok("openSUSE:tumbleweed".into()),
        _ => Err(Left::Product),
    };
    feed.and_then(|feed| scheme(&feed).map(|_| feed).ok_or(Left::Product))
}

/// `15` and `sp5` are release 15.5; from 16 on it is `16` and `16.0`.
fn sles(version: &str, update: &str) -> String {
    match update.strip_prefix("sp") {
        Some(pack) => format!("SUSE:{version}.{pack}"),
        None if update.starts_with(|first: char| first.is_ascii_digit()) => format!("SUSE:{update}"),
        None => format!("SUSE:{version}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn feeds_of_products() {
        let feed = |cpe: &str| feed(cpe).unwrap_or_else(|left| left.reason().to_owned());
        for (cpe, want) in [
            ("cpe:/o:redhat:enterprise_linux:9::baseos", "Red Hat:9"),
            ("cpe:/a:redhat:enterprise_linux:8::appstream", "Red Hat:8"),
            ("cpe:/o:redhat:enterprise_linux:7", "Red Hat:7"),
            ("cpe:/o:redhat:enterprise_linux:10.1", "Red Hat:10"),
            ("cpe:/a:redhat:rhel_eus:9.2::appstream", Left::Stream.reason()),
            ("cpe:/o:redhat:rhel_els:7", Left::Stream.reason()),
            ("cpe:/a:redhat:rhel_software_collections:3::el7", Left::Product.reason()),
            ("cpe:/a:redhat:openshift:4.16::el9", Left::Product.reason()),
            ("cpe:/o:redhat:enterprise_linux", Left::Product.reason()),
            ("cpe:/o:suse:sles:15:sp5", "SUSE:15.5"),
            ("cpe:/o:suse:sles-ltss:15", "SUSE:15"),
            ("cpe:/o:suse:sle-module-basesystem:15:sp4", "SUSE:15.4"),
            ("cpe:/o:suse:sles:16:16.0:server", "SUSE:16.0"),
            ("cpe:/o:suse:sle-ha:15:sp4", Left::Product.reason()),
            ("cpe:/o:opensuse:leap:15.6", "openSUSE:15.6"),
            ("cpe:/o:opensuse:tumbleweed", "openSUSE:tumbleweed"),
            ("cpe:2.3:a:samba:samba:4.19.2:*:*:*:*:*:*:*", Left::Product.reason()),
        ] {
            assert_eq!(feed(cpe), want, "{cpe}");
        }
    }

    #[test]
    fn names_without_a_purl() {
        let plain = |id: &str| {
            let found = plain(id, String::new()).map_err(|left| left.reason())?;
            Ok::<_, &str>((found.name, found.version.unwrap_or_default()))
        };
        for (id, name, version) in [
            ("samba-client-32bit-4.19.2+git.322.7e92-1.1", "samba-client-32bit", "4.19.2+git.322.7e92-1.1"),
            ("chromium-51.0.2704.103-85.3.x86_64", "chromium", "51.0.2704.103-85.3"),
            ("libImlib2-1-1.4.5-5.1.noarch", "libImlib2-1", "1.4.5-5.1"),
            ("libImlib2-1", "libImlib2-1", ""),
            ("gpg2", "gpg2", ""),
            ("python3-2to3", "python3-2to3", ""),
            ("nodejs:16/nodejs", "nodejs:16/nodejs", ""),
        ] {
            assert_eq!(plain(id), Ok((name.to_owned(), version.to_owned())), "{id}");
        }
        assert_eq!(plain("openshift4/ose-cli"), Err(Left::Kind.reason()));
    }
}
