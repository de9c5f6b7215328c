//! What a directory means by its name and the names above it: where metadata is that of an installed package.
//!
//! The names are those by which a program reaches the directory: behind a link they are the link's, not its target's.

use super::Form;

/// What a directory is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Place {
    /// Nothing to us.
    #[default]
    Plain,
    /// `node_modules`, or one of the folders that Node looks into below a home directory.
    NodeModules,
    /// `node_modules/@SCOPE`.
    NodeScope,
    /// A Node package.
    NodePackage,
    /// A directory of one, in which a bundler may have put a copy of another.
    NodePart,
    /// As a package, with a dot before its name: caches of tools, and what a broken install left behind. Or a version in
    /// [`Self::DenoPackage`].
    NodeHidden,
    /// `npm`, as Deno calls what it keeps for programs to run with: `npm/HOST/NAME/VERSION`.
    DenoCache,
    /// A registry in it.
    DenoRegistry,
    /// `@SCOPE` in a registry.
    DenoScope,
    /// A name in a registry or a scope.
    DenoPackage,
    /// `*.dist-info`, `*.egg-info` or `EGG-INFO`.
    Python,
    /// `site-packages` or `dist-packages`.
    PythonSite,
    /// `specifications` of RubyGems, and `default` in it.
    Gems,
    /// `vendor`, which Composer fills.
    Vendor,
    /// `vendor/composer`.
    Composer,
    /// `conda-meta`.
    Conda,
}

impl Place {
    /// The directory called `name` in this one.
    pub fn enter(self, name: &[u8]) -> Self {
        match (self, name) {
            (_, b"node_modules" | b".node_modules" | b".node_libraries") => Self::NodeModules,
            _ if is_python_metadata(name) || name.eq_ignore_ascii_case(b"EGG-INFO") => Self::Python,
            (Self::NodeModules, [b'@', ..]) => Self::NodeScope,
            (Self::NodeModules | Self::NodeScope, [b'.', ..]) => Self::NodeHidden,
            (Self::NodeModules | Self::NodeScope, _) => Self::NodePackage,
            // Below `vendor`, or whatever a project calls it.
            (_, b"composer") => Self::Composer,
            (Self::Gems, b"default") | (_, b"specifications") => Self::Gems,
            (_, b"site-packages" | b"dist-packages") => Self::PythonSite,
            (_, b"vendor") => Self::Vendor,
            (_, b"conda-meta") => Self::Conda,
            (Self::DenoCache, name) if name.contains(&b'.') => Self::DenoRegistry,
            (Self::DenoRegistry, [b'@', ..]) => Self::DenoScope,
            (Self::DenoRegistry | Self::DenoScope, _) => Self::DenoPackage,
            (Self::DenoPackage, [b'0'..=b'9', ..]) => Self::NodeHidden,
            (Self::NodePackage | Self::NodePart, _) => Self::NodePart,
            (_, b"npm") => Self::DenoCache,
            _ => Self::Plain,
        }
    }

    /// Names of the files in which an installed package tells what it is.
    pub fn metadata(self) -> &'static [&'static str] {
        match self {
            Self::NodePackage | Self::NodePart | Self::NodeHidden => &["package.json"],
            Self::Python => &["METADATA", "PKG-INFO"],
            _ => &[],
        }
    }

    /// Whether metadata here must name a package.
    pub fn must_tell(self) -> bool {
        !matches!(self, Self::NodeHidden | Self::NodePart)
    }

    /// What a file of this name tells of here: installed packages, in a file of that form.
    pub fn tells(self, name: &[u8]) -> Option<Form> {
        let (stem, extension) = split(name)?;
        let is = |text: &str| extension.eq_ignore_ascii_case(text.as_bytes());
        // Nearly every file of an image comes by here.
        match (self, extension.len()) {
            (_, 3) if ["jar", "war", "ear"].into_iter().any(is) => Some(Form::Jar),
            // Elsewhere they are nobody's: setuptools brings one among its tests.
            (Self::PythonSite, 3) if is("egg") => Some(Form::Egg),
            (Self::Gems, _) if is("gemspec") => Some(Form::Gem),
            (Self::Composer, 4) if name == b"installed.json" => Some(Form::Composer),
            (Self::Conda, 4) if is("json") => Some(Form::Conda),
            (_, 4) if is("json") && ends_with(stem, b".deps") => Some(Form::Nuget),
            _ => None,
        }
    }
}

/// A file's name before and behind its last dot.
fn split(name: &[u8]) -> Option<(&[u8], &[u8])> {
    let dot = name.iter().rposition(|byte| *byte == b'.')?;
    Some((&name[..dot], &name[dot + 1..]))
}

/// Whether a file or directory of this name is metadata of a Python distribution; `importlib.metadata` folds the case.
pub fn is_python_metadata(name: &[u8]) -> bool {
    ends_with(name, b".dist-info") || ends_with(name, b".egg-info")
}

/// Whether `name` is more than this suffix and ends with it, in any case.
fn ends_with(name: &[u8], suffix: &[u8]) -> bool {
    let stem = name.len().saturating_sub(suffix.len());
    stem > 0 && name[stem..].eq_ignore_ascii_case(suffix)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(path: &str) -> Place {
        path.split('/').fold(Place::Plain, |place, name| place.enter(name.as_bytes()))
    }

    #[test]
    fn places() {
        for (path, want) in [
            ("app/node_modules", Place::NodeModules),
            ("app/node_modules/a", Place::NodePackage),
            ("app/node_modules/@s", Place::NodeScope),
            ("app/node_modules/@s/a", Place::NodePackage),
            ("app/node_modules/a/dist/esm", Place::NodePart),
            ("app/node_modules/a/npm/b.c", Place::NodePart),
            ("app/node_modules/a/node_modules/b", Place::NodePackage),
            ("app/node_modules/.cache", Place::NodeHidden),
            ("app/node_modules/.pnpm/a@1/node_modules/a", Place::NodePackage),
            ("app/src/a", Place::Plain),
            ("deno-dir/npm/registry.npmjs.org/a/1.0.0", Place::NodeHidden),
            (".cache/deno/npm/registry.npmjs.org/@s/a/1.0.0-rc.1", Place::NodeHidden),
            ("deno-dir/npm/registry.npmjs.org/a/1.0.0/dist", Place::Plain),
            ("usr/lib/node_modules/npm", Place::NodePackage),
            ("usr/share/npm/a/1.0.0", Place::Plain),
            ("lib/six-1.DIST-INFO", Place::Python),
            ("lib/x.egg-info", Place::Python),
            ("lib/six.egg/EGG-INFO", Place::Python),
            ("lib/.egg-info", Place::Plain),
            ("gems/specifications/default", Place::Gems),
            ("srv/vendor/composer", Place::Composer),
            ("srv/3rdparty/composer", Place::Composer),
        ] {
            assert_eq!(place(path), want, "{path}");
        }
    }

    #[test]
    fn files_that_tell() {
        for (directory, name, want) in [
            ("opt", "a.jar", Some(Form::Jar)),
            ("opt", "A.WAR", Some(Form::Jar)),
            ("opt", "jar", None),
            ("lib/site-packages", "six.egg", Some(Form::Egg)),
            ("lib/site-packages/pkg_resources/tests", "six.egg", None),
            ("g/specifications", "rack.gemspec", Some(Form::Gem)),
            ("g/rack", "rack.gemspec", None),
            ("srv/vendor/composer", "installed.json", Some(Form::Composer)),
            ("srv/vendor", "installed.json", None),
            ("app", "web.deps.json", Some(Form::Nuget)),
            ("app", "deps.json", None),
            ("opt/conda-meta", "zlib-1.json", Some(Form::Conda)),
        ] {
            assert_eq!(place(directory).tells(name.as_bytes()), want, "{directory}/{name}");
        }
    }
}
