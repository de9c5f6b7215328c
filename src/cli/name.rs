//! What reports call an image: the same in every build and on every machine, whatever file the image was built into.

use std::path::Path;

use stella::report::{NO_NAME, without_versions};

use super::{
    exit::Failure,
    image::{Opened, Reference, Scheme, is_image_reference, path_and_tag},
    settings::checkout,
};

/// The name that the caller gives, checked.
pub fn given(name: Option<&str>) -> Result<Option<String>, Failure> {
    match name.filter(|name| !name.is_empty()) {
        None => Ok(None),
        Some(name) if is_image_reference(name) => Ok(Some(name.to_owned())),
        Some(name) => Err(Failure::usage(format!("--name {name:?} is no name of an image"))
            .advise("write one such as team/app or registry.example/team/app:1.2")),
    }
}

/// What the image is called: as the caller says, else as the source says, else by its path. Empty where the reference is a name.
pub fn called(given: Option<&str>, opened: &Opened) -> String {
    if let Some(name) = given.or(opened.name.as_deref()) {
        return name.to_owned();
    }
    let (scheme, path) = opened.taken_for.split_once(':').unwrap_or_default();
    if [Scheme::Docker, Scheme::Registry].iter().any(|named| named.name() == scheme) {
        return String::new();
    }
    by_path(Path::new(path))
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
    let path = path_and_tag(&rest).map_or_else(|_| rest.into(), |(path, _)| path);
    by_path(&path)
}

/// As an SBOM names its image: as it is [called], else as the caller wrote it.
pub fn reference(called: &str, written: &str) -> String {
    if called.is_empty() { written.to_owned() } else { called.to_owned() }
}

/// Of what the checkout holds its path there, which tells it from another; of what lies elsewhere only its own name, because the
/// directories are made anew by every build.
fn by_path(path: &Path) -> String {
    let own = || path.canonicalize().ok().and_then(|path| Some(path.file_name()?.to_str()?.to_owned()));
    let name = checkout::place(path).filter(|place| !place.is_empty()).or_else(own).unwrap_or_default();
    let stem = [".tar", ".tar.gz", ".tar.zst", ".json"].iter().find_map(|end| name.strip_suffix(end));
    let name = without_versions(stem.unwrap_or(&name));
    // What is left may hold anything that a path may, and no part of it is a tag.
    let name: String = name.chars().map(|c| if matches!(c, ':' | '@') { '-' } else { c }).collect();
    if name.is_empty() { NO_NAME.to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_elsewhere_has_its_own_name() {
        let root = tempfile::tempdir().unwrap();
        for (file, name) in [
            ("api:1@x.tar", "api-1-x"),
            ("api-1.2.3.tar", "api-VERSION"),
            ("app.json", "app"),
            ("rootfs", "rootfs"),
            ("日本.tar", "日本"),
        ] {
            let path = root.path().join(file);
            std::fs::write(&path, "").unwrap();
            assert_eq!(by_path(&path), name);
        }
    }

    #[test]
    fn what_the_checkout_holds_has_its_path() {
        assert_eq!(by_path(Path::new("./src/../src/cli")), "src/cli");
        assert_eq!(by_path(Path::new("no such file")), "image");
    }

    #[test]
    fn a_name_is_one() {
        assert_eq!(given(Some("team/app:1")).unwrap().as_deref(), Some("team/app:1"));
        assert_eq!(given(Some("")).unwrap(), None);
        assert!(given(Some("../app")).unwrap_err().message.contains("--name \"../app\""));
    }
}
