//! What one file names, counted while it is read: a file that names more than any real one is an error before it fills the
//! memory.

use super::{Error, Package};

/// `packages of a file`: most packages that one file may name. The largest database of a real system has some ten
/// thousand, the lock file of a large monorepo some thirty thousand. Read, merged and matched, each costs some 2 KiB.
pub(super) const MOST_PACKAGES: usize = 75_000;

/// `text of packages`: bytes of all names, versions and sources that one file may name. Those of a large system are 2 MiB.
pub(super) const MOST_TEXT_BYTES: usize = 8 << 20;

/// What was counted of one file.
#[derive(Debug, Default)]
pub(super) struct Count {
    packages: usize,
    text_bytes: usize,
}

impl Count {
    /// Adds a package, or what stands for one, with the length of its text.
    pub(super) fn add(&mut self, text_bytes: usize) -> Result<(), Error> {
        self.packages += 1;
        self.text_bytes = self.text_bytes.saturating_add(text_bytes);
        hold_packages(self.packages)?;
        hold_text(self.text_bytes)
    }
}

/// Whether one file may name so many packages.
pub(super) fn hold_packages(packages: usize) -> Result<(), Error> {
    hold("packages of a file", packages, MOST_PACKAGES)
}

/// Whether so much text may be kept of one file.
pub(super) fn hold_text(text_bytes: usize) -> Result<(), Error> {
    hold("text of packages", text_bytes, MOST_TEXT_BYTES)
}

fn hold(name: &'static str, value: usize, limit: usize) -> Result<(), Error> {
    if value <= limit { Ok(()) } else { Err(Error::Limit { name, limit: limit as u64 }) }
}

/// Packages of one file.
#[derive(Debug, Default)]
pub(super) struct Packages {
    all: Vec<Package>,
    count: Count,
}

impl Packages {
    /// Those of a file that names few or many.
    pub(super) fn of(packages: impl IntoIterator<Item = Package>) -> Result<Self, Error> {
        let mut bounded = Self::default();
        bounded.extend(packages)?;
        Ok(bounded)
    }

    pub(super) fn extend(&mut self, packages: impl IntoIterator<Item = Package>) -> Result<(), Error> {
        packages.into_iter().try_for_each(|package| self.push(package))
    }

    pub(super) fn push(&mut self, package: Package) -> Result<(), Error> {
        self.count.add(text_bytes(&package))?;
        self.all.push(package);
        Ok(())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    pub(super) fn iter(&self) -> std::slice::Iter<'_, Package> {
        self.all.iter()
    }

    /// In the order in which they came.
    pub(super) fn into_vec(self) -> Vec<Package> {
        self.all
    }

    /// Sorted, each once.
    pub(super) fn into_sorted(self) -> Vec<Package> {
        let mut all = self.all;
        all.sort_unstable();
        all.dedup();
        all
    }
}

impl IntoIterator for Packages {
    type Item = Package;
    type IntoIter = std::vec::IntoIter<Package>;

    fn into_iter(self) -> Self::IntoIter {
        self.all.into_iter()
    }
}

/// Holds packages that were read with another bound.
pub(super) fn check(packages: &[Package]) -> Result<(), Error> {
    let mut count = Count::default();
    packages.iter().try_for_each(|package| count.add(text_bytes(package)))
}

/// The length of what is kept of a package.
pub(super) fn text_bytes(package: &Package) -> usize {
    let Package { name, version, arch, source, module, .. } = package;
    let source = source.as_ref().map_or(0, |source| source.name.len() + source.version.len());
    let length = |text: &Option<String>| text.as_ref().map_or(0, String::len);
    name.len() + version.len() + length(arch) + source + length(module)
}

#[cfg(test)]
mod tests {
    use super::{super::Ecosystem, *};

    #[test]
    fn number_and_text_are_bounded() {
        let over = |packages: Result<Packages, Error>| match packages {
            Err(Error::Limit { name, .. }) => name,
            _ => "",
        };
        let package = |name: &str| Package::new(Ecosystem::Pypi, name, "1");
        let few = Packages::of((0..MOST_PACKAGES).map(|_| package("a")));
        assert_eq!(few.map(Packages::into_sorted), Ok(vec![package("a")]));
        let many = (0..=MOST_PACKAGES).map(|_| package("a"));
        assert_eq!(over(Packages::of(many)), "packages of a file");
        let long = "a".repeat(MOST_TEXT_BYTES / 2);
        assert_eq!(over(Packages::of([package(&long), package(&long[4..])])), "");
        assert_eq!(over(Packages::of([package(&long), package(&long)])), "text of packages");
    }
}
