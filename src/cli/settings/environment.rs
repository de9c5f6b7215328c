//! The variables of the process, as they were when it began, beside those that whoever started it means instead.

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    ffi::{OsStr, OsString},
    path::PathBuf,
};

/// Variables by name. One that is empty is as good as none: CI systems pass those that nobody set as empty ones.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    all: BTreeMap<OsString, OsString>,
    /// Of those, what is another than the process's.
    set: BTreeSet<OsString>,
}

impl Environment {
    /// The process's.
    pub fn of_process() -> Self {
        env::vars_os().collect()
    }

    /// A text; `None` also for what is no Unicode.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.value(name)?.to_str()
    }

    /// A path.
    pub fn path(&self, name: &str) -> Option<PathBuf> {
        self.value(name).map(PathBuf::from)
    }

    /// Whether it is there.
    pub fn has(&self, name: &str) -> bool {
        self.value(name).is_some()
    }

    /// Every name that begins with a prefix and has a value, without the prefix.
    pub fn names<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = &'a str> {
        let names =
            self.all.iter().filter(|(_, value)| !value.is_empty()).filter_map(|(name, _)| name.to_str());
        names.filter_map(move |name| name.strip_prefix(prefix))
    }

    /// Every value whose name begins with a prefix.
    pub fn values<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = &'a OsStr> {
        let is_meant = move |name: &OsString| name.to_str().is_some_and(|name| name.starts_with(prefix));
        self.all.iter().filter(move |(name, _)| is_meant(name)).map(|(_, value)| value.as_os_str())
    }

    /// What another value than the process's is meant for.
    pub fn set(&mut self, name: &str, value: impl Into<OsString>) {
        self.all.insert(name.into(), value.into());
        self.set.insert(name.into());
    }

    /// What is another than the process's: programs that are started are to have it too.
    pub fn overrides(&self) -> Vec<(OsString, OsString)> {
        let value = |name: &OsString| Some((name.clone(), self.all.get(name)?.clone()));
        self.set.iter().filter_map(value).collect()
    }

    fn value(&self, name: &str) -> Option<&OsStr> {
        self.all.get(OsStr::new(name)).map(OsString::as_os_str).filter(|value| !value.is_empty())
    }
}

impl FromIterator<(OsString, OsString)> for Environment {
    fn from_iter<T: IntoIterator<Item = (OsString, OsString)>>(variables: T) -> Self {
        // Windows does not tell cases apart, and neither do those who set them there.
        let fold = |name: OsString| match name.to_str() {
            Some(text) if cfg!(windows) => text.to_ascii_uppercase().into(),
            _ => name,
        };
        let all = variables.into_iter().map(|(name, value)| (fold(name), value)).collect();
        Self { all, set: BTreeSet::new() }
    }
}

#[cfg(test)]
impl<const N: usize> From<[(&str, &str); N]> for Environment {
    fn from(variables: [(&str, &str); N]) -> Self {
        variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect()
    }
}
