//! Where a file lies in the checkout that it is of, as code scanning names it.

use std::{
    env,
    path::{Path, PathBuf},
    sync::LazyLock,
};

/// What lies in the root of a checkout: a directory, or the file of a worktree.
const MARK: &str = ".git";

/// Variables in which a CI system says where its checkout is: GitHub and its kin, GitLab, Azure, Jenkins, Woodpecker.
const VARIABLES: [&str; 5] =
    ["GITHUB_WORKSPACE", "CI_PROJECT_DIR", "BUILD_SOURCESDIRECTORY", "WORKSPACE", "CI_WORKSPACE"];

/// What they say, read once.
static WORKSPACES: LazyLock<Vec<PathBuf>> =
    LazyLock::new(|| VARIABLES.iter().filter_map(env::var_os).map(PathBuf::from).collect());

/// The path of a file from the root of the checkout that is gated, parts divided by slashes. `None` for a file of elsewhere,
/// and for names that are no text.
pub fn place(file: &Path) -> Option<String> {
    place_from(Path::new("."), file, &WORKSPACES)
}

/// The root of the checkout that a file would be of.
pub fn root(file: &Path) -> Option<PathBuf> {
    root_from(Path::new("."), file, &WORKSPACES)
}

fn place_from(here: &Path, file: &Path, workspaces: &[PathBuf]) -> Option<String> {
    let (root, file) = (root_from(here, file, workspaces)?, here.join(file).canonicalize().ok()?);
    let parts = file.strip_prefix(root).ok()?.components().map(|part| part.as_os_str().to_str());
    Some(parts.collect::<Option<Vec<_>>>()?.join("/"))
}

/// The nearest directory at or above `here` with a `.git`. Where there is none, the file may be of a checkout that is entered
/// from outside; a checkout without it, copied into a build or fetched as an archive, is the first of `workspaces` that holds
/// `here`; at last, `here` stands for the root.
///
/// Links are followed: a platform shows files, and a link of the checkout is none.
fn root_from(here: &Path, file: &Path, workspaces: &[PathBuf]) -> Option<PathBuf> {
    let file = here.join(file).canonicalize().ok()?;
    let here = here.canonicalize().ok()?;
    let root_of =
        |path: &'_ Path| path.ancestors().find(|above| above.join(MARK).exists()).map(Path::to_owned);
    let workspace = || {
        let mut workspaces = workspaces.iter().filter_map(|path| path.canonicalize().ok());
        workspaces.find(|workspace| here.starts_with(workspace))
    };
    Some(root_of(&here).or_else(|| root_of(&file)).or_else(workspace).unwrap_or(here))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// `work` is a checkout, `tree` a worktree of it, `other` another one, `plain` none.
    fn checkouts() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        for directory in ["work/.git", "work/service/deep", "tree/service", "other/.git", "plain/service"] {
            fs::create_dir_all(at(directory)).unwrap();
        }
        fs::write(at("tree/.git"), "gitdir: ../work/.git/worktrees/tree\n").unwrap();
        for checkout in ["work", "tree", "other", "plain"] {
            fs::write(at(checkout).join("Dockerfile"), "FROM x\n").unwrap();
        }
        for service in ["work/service", "tree/service", "plain/service"] {
            fs::write(at(service).join("Containerfile"), "FROM x\n").unwrap();
        }
        root
    }

    fn placed(root: &Path, here: &str, file: &str) -> Option<String> {
        place_from(&root.join(here), &root.join(here).join(file), &[])
    }

    #[test]
    fn from_the_root_of_the_checkout() {
        let root = checkouts();
        for (here, file, want) in [
            ("work", "Dockerfile", Some("Dockerfile")),
            ("work", "./service/Containerfile", Some("service/Containerfile")),
            ("work/service/deep", "../Containerfile", Some("service/Containerfile")),
            ("work/service/deep", "../../Dockerfile", Some("Dockerfile")),
            ("work", "service/../Dockerfile", Some("Dockerfile")),
            // A worktree is a checkout of its own.
            ("tree/service", "Containerfile", Some("service/Containerfile")),
            ("tree", "../work/Dockerfile", None),
            // Neither is another checkout's Dockerfile this one's.
            ("work", "../other/Dockerfile", None),
            ("work", "../plain/Dockerfile", None),
            // Entered from outside, or none at all.
            ("plain", "../work/service/Containerfile", Some("service/Containerfile")),
            ("plain", "service/Containerfile", Some("service/Containerfile")),
            ("plain/service", "../Dockerfile", None),
            ("work", "nosuch", None),
        ] {
            assert_eq!(placed(root.path(), here, file).as_deref(), want, "{file} in {here}");
        }
    }

    #[test]
    fn from_where_the_system_says() {
        let root = checkouts();
        let at = |name: &str| root.path().join(name);
        for (here, file, workspaces, want) in [
            (
                "plain/service",
                "Containerfile",
                &["", "nosuch", "other", "plain"][..],
                Some("service/Containerfile"),
            ),
            ("plain/service", "../Dockerfile", &["plain"], Some("Dockerfile")),
            ("plain/service", "../Dockerfile", &["plain/service/Containerfile", "plai"], None),
            // What lies in the checkout is surer.
            ("work/service", "Containerfile", &["."], Some("service/Containerfile")),
            ("plain", "../work/service/Containerfile", &["."], Some("service/Containerfile")),
        ] {
            let named = |name: &&str| if name.is_empty() { PathBuf::new() } else { at(name) };
            let workspaces: Vec<_> = workspaces.iter().map(named).collect();
            let found = place_from(&at(here), &at(here).join(file), &workspaces);
            assert_eq!(found.as_deref(), want, "{file} in {here}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn links_lead_to_files() {
        use std::os::unix::{ffi::OsStrExt, fs::symlink};

        let root = checkouts();
        let at = |name: &str| root.path().join(name);
        symlink("work", at("entrance")).unwrap();
        symlink("service", at("work/linked")).unwrap();
        symlink("service/Containerfile", at("work/Containerfile")).unwrap();
        symlink("../other/Dockerfile", at("work/elsewhere")).unwrap();
        symlink("../work/service/deep", at("other/deep")).unwrap();
        for (here, file, want) in [
            ("entrance", "Dockerfile", Some("Dockerfile")),
            ("work", "../entrance/Dockerfile", Some("Dockerfile")),
            ("work", "linked/Containerfile", Some("service/Containerfile")),
            ("work", "Containerfile", Some("service/Containerfile")),
            ("work", "elsewhere", None),
            // What is above a link is above what it leads to.
            ("work", "../other/deep/../Containerfile", Some("service/Containerfile")),
        ] {
            assert_eq!(placed(root.path(), here, file).as_deref(), want, "{file} in {here}");
        }
        // A backslash is a letter here, and other bytes than text are no name.
        for (name, want) in [(&b"a\\b"[..], Some("a\\b")), (b"\xff", None)] {
            let name = Path::new(std::ffi::OsStr::from_bytes(name));
            fs::write(at("work").join(name), "FROM x\n").unwrap();
            assert_eq!(place_from(&at("work"), name, &[]).as_deref(), want);
        }
    }
}
