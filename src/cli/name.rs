//! What reports call an image: the same in every build and on every machine, whatever file the image was built into.

use std::path::Path;

use stella::{
    digest::Digest,
    report::{NO_NAME, image_name, without_versions},
};

use super::{
    exit::Failure,
    image::{Opened, Reference, Scheme, is_image_reference, path_and_tag},
    settings::checkout,
};

/// What an image is called.
#[derive(Debug, PartialEq, Eq)]
pub struct Called {
    /// The name, with its tag where there is one. Empty where the reference is a name.
    pub name: String,
    /// Why the next build may call it something else, or may call another image the same.
    pub doubt: Option<String>,
}

/// The name that the caller gives, checked: one that stays.
pub fn given(name: Option<&str>) -> Result<Option<String>, Failure> {
    let Some(name) = name else { return Ok(None) };
    let is_id = name.starts_with("sha256:") || format!("sha256:{name}").parse::<Digest>().is_ok();
    let wrong = if name.is_empty() {
        "--name is empty".to_owned()
    } else if is_id {
        format!("--name {name:?} is a digest, which every build changes")
    } else if !is_image_reference(name) {
        format!("--name {name:?} is no name of an image")
    } else {
        return Ok(Some(name.to_owned()));
    };
    Err(Failure::usage(wrong).advise("write one such as team/app or registry.example/team/app:1.2"))
}

/// What the image is called: as the caller says, else as the source says, else by its path.
pub fn called(given: Option<&str>, opened: &Opened) -> Called {
    let (scheme, path) = opened.taken_for.split_once(':').unwrap_or_default();
    let is_path = ![Scheme::Docker, Scheme::Registry].iter().any(|named| named.name() == scheme);
    let sure = |name: &str| Called { name: name.to_owned(), doubt: None };
    let called = match (given, opened.name.as_deref()) {
        (Some(name), _) => return sure(name),
        (None, Some(name)) => sure(name),
        (None, None) if is_path => by_path(path),
        (None, None) => return sure(""),
    };
    if image_name(&called.name) != NO_NAME {
        return called;
    }
    let doubt = "the image has no name: --name NAME tells its alerts apart from those of other images";
    Called { doubt: Some(doubt.to_owned()), ..called }
}

/// What an image would be called that was not opened: as [`called`], as far as that is known.
pub fn wanted(name: Option<&str>, image: &str) -> String {
    if let Ok(Some(name)) = given(name) {
        return name;
    }
    let Ok(Reference { scheme, rest }) = image.parse();
    let is_path = match scheme {
        Some(Scheme::Docker | Scheme::Registry) => false,
        Some(_) => true,
        None => Path::new(&rest).exists(),
    };
    if !is_path {
        return image.to_owned();
    }
    by_path(&rest).name
}

/// As an SBOM names its image: as it is [called], else as the caller wrote it.
pub fn reference(called: &str, written: &str) -> String {
    if called.is_empty() { written.to_owned() } else { called.to_owned() }
}

/// By a path, behind which a tag may stand: of what the checkout holds its path there, which tells it from another; of what lies
/// elsewhere only its own name, because the directories are made anew by every build. Neither says versions, and what has one or
/// lies elsewhere may be called anything by the next build.
fn by_path(path: &str) -> Called {
    let path = &path_and_tag(path).map_or_else(|_| path.into(), |(path, _)| path);
    let own = || path.canonicalize().ok().and_then(|path| Some(path.file_name()?.to_str()?.to_owned()));
    let placed = checkout::place(path).filter(|place| !place.is_empty());
    let is_elsewhere = placed.is_none();
    let name = placed.or_else(own).unwrap_or_default();
    let stem = [".tar", ".tar.gz", ".tar.zst", ".json"].iter().find_map(|end| name.strip_suffix(end));
    let stem = stem.unwrap_or(&name);
    let name = without_versions(stem);
    let may_change = is_elsewhere || name != stem;
    // What is left may hold anything that a path may, and no part of it is a tag.
    let name: String = name.chars().map(|c| if matches!(c, ':' | '@') { '-' } else { c }).collect();
    let name = if name.is_empty() { NO_NAME.to_owned() } else { name };
    let doubt = may_change.then(|| {
        format!("the image is called {name} after its path, and its alerts are known by that name: give --name NAME where the path may change from build to build")
    });
    Called { name, doubt }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_elsewhere_has_its_own_name() {
        let root = tempfile::tempdir().unwrap();
        for (file, name) in [
            ("api:1@x.tar", "api-VERSION"),
            ("api-1.2.3.tar", "api-VERSION"),
            ("app-42", "app-VERSION"),
            ("app.json", "app"),
            ("rootfs", "rootfs"),
            ("日本.tar", "日本"),
        ] {
            let path = root.path().join(file);
            std::fs::write(&path, "").unwrap();
            let called = by_path(path.to_str().unwrap());
            assert_eq!(called.name, name);
            assert!(called.doubt.unwrap().contains(&format!("called {name} after its path")));
        }
    }

    #[test]
    fn what_the_checkout_holds_has_its_path() {
        let sure = |name: &str| Called { name: name.to_owned(), doubt: None };
        assert_eq!(by_path("./src/../src/cli"), sure("src/cli"));
        let fixture = by_path("tests/fixtures/demo-image");
        assert_eq!(fixture, sure("tests/fixtures/demo-image"));
        assert_eq!(by_path("no such file").name, "image");
    }

    #[test]
    fn a_name_is_one() {
        for name in ["team/app:1", "app", "registry.example:5000/team/app@sha256:0123"] {
            assert_eq!(given(Some(name)).unwrap().as_deref(), Some(name));
        }
        assert_eq!(given(None).unwrap(), None);
        let id = "0123456789abcdef".repeat(4);
        for (name, why) in [
            ("", "--name is empty"),
            ("../app", "--name \"../app\" is no name of an image"),
            ("app\n", "--name \"app\\n\" is no name of an image"),
            ("a\u{202e}b", "is no name of an image"),
            (":1", "is no name of an image"),
            ("sha256:0123", "is a digest, which every build changes"),
            (&id, "is a digest, which every build changes"),
        ] {
            let message = given(Some(name)).unwrap_err().message;
            assert!(message.contains(why), "{message}");
        }
    }
}
