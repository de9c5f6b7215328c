//! Where a file lies in the checkout that it is of, as code scanning names it.

use std::path::{Component, Path, PathBuf};

/// What lies in the root of a checkout.
const MARK: &str = ".git";

/// The path of a file from the root of its checkout, which is the nearest directory above with a `.git`, or else the working
/// directory; parts divided by slashes. `None` for a file of elsewhere, and for names that are no text.
pub fn place(file: &Path) -> Option<String> {
    let (whole, root) = (whole(file)?, root(file)?);
    let parts = whole.strip_prefix(root).ok()?.components().map(|part| part.as_os_str().to_str());
    Some(parts.collect::<Option<Vec<_>>>()?.join("/"))
}

/// The root of the checkout that a file would be of.
pub fn root(file: &Path) -> Option<PathBuf> {
    let whole = whole(file)?;
    let root = whole.ancestors().skip(1).find(|above| above.join(MARK).exists());
    root.map(Path::to_owned).or_else(|| std::env::current_dir().ok())
}

/// The path from the file system's root. Links are not followed: the name is the checkout's own.
fn whole(file: &Path) -> Option<PathBuf> {
    clean(&std::env::current_dir().ok()?.join(file))
}

/// Without `.` and `..`.
fn clean(path: &Path) -> Option<PathBuf> {
    let mut clean = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => clean.pop().then_some(())?,
            part => clean.push(part),
        }
    }
    Some(clean)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn from_the_root_of_the_checkout() {
        let root = tempfile::tempdir().unwrap();
        let checkout = root.path().join("work");
        std::fs::create_dir_all(checkout.join(MARK)).unwrap();
        for (file, want) in [
            ("Dockerfile", "Dockerfile"),
            ("./service/Dockerfile", "service/Dockerfile"),
            ("a/../b/c", "b/c"),
        ] {
            assert_eq!(place(&checkout.join(file)).as_deref(), Some(want), "{file}");
        }
        assert_eq!(place(&root.path().join("Dockerfile")), None);
    }
}
