//! Where a file lies in the checkout that it is of, as code scanning names it.

use std::path::{Component, Path, PathBuf};

/// What lies in the root of a checkout.
const MARK: &str = ".git";

/// The path of a file from the root of its checkout, which is the nearest directory above with a `.git`, or else the working
/// directory; parts divided by slashes. `None` for a file of elsewhere, and for names that are no text.
pub fn place(file: &Path) -> Option<String> {
    let here = std::env::current_dir().ok()?;
    // Links are not followed: the name is the checkout's own.
    let whole = clean(&here.join(file))?;
    let root = whole.ancestors().skip(1).find(|above| above.join(MARK).exists()).unwrap_or(&here);
    let parts = whole.strip_prefix(root).ok()?.components().map(|part| part.as_os_str().to_str());
    Some(parts.collect::<Option<Vec<_>>>()?.join("/"))
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
