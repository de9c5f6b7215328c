//! What an image may have been built from: where to find it.

use std::path::{Path, PathBuf};

use stella::report::Text;

use super::{
    super::{args::Base, exit::Failure, image::Reference},
    File, Links, checkout, reference, text,
};

/// The text of a Dockerfile.
#[derive(Debug)]
pub struct Dockerfile {
    /// Its path, and who named it.
    pub origin: String,
    /// Where it lies.
    pub path: PathBuf,
    /// Not parsed yet.
    pub text: String,
    /// Whether somebody named it; else it was found in the working directory, and may be another image's.
    pub given: bool,
    /// Whether it was named for this image, by the caller; the checkout's settings name one for whatever is gated there.
    pub of_caller: bool,
}

/// Names that builders look for in a directory.
const DOCKERFILES: &[&str] = &["Dockerfile", "Containerfile"];

impl Dockerfile {
    /// What the caller names, else what the checkout's settings name.
    fn named(given: Option<&Path>, file: &File) -> Result<Option<Self>, Failure> {
        if let Some(path) = given {
            let origin = path.display().to_string();
            let text = text::read(path, "dockerfile", Links::Follow)
                .map_err(|error| Failure::usage(format!("--dockerfile {origin} {error}")))?;
            return Ok(Some(Self { origin, path: path.to_owned(), text, given: true, of_caller: true }));
        }
        file.dockerfile(Path::new(""))
    }

    /// What lies in the working directory; else why one that lies there is not read.
    fn found() -> Result<Option<Self>, String> {
        let mut unread = Ok(None);
        for name in DOCKERFILES {
            match text::read(Path::new(name), "dockerfile", Links::Refuse) {
                Ok(text) => {
                    let (origin, path) = ((*name).to_owned(), PathBuf::from(name));
                    return Ok(Some(Self { origin, path, text, given: false, of_caller: false }));
                }
                Err(error) if error.is_absent() => {}
                Err(error) => unread = unread.and(Err(format!("{name} {error}"))),
            }
        }
        unread
    }

    /// It as a file of the checkout; `None` for one of elsewhere.
    pub fn in_checkout(&self) -> Option<Text> {
        Some(Text::new(checkout::place(&self.path)?, self.text.clone()))
    }
}

/// Where to look for what the base image is.
#[derive(Debug)]
pub struct BaseSettings {
    /// The base image, as the caller wrote it, and parsed.
    pub image: Option<(String, Reference)>,
    /// The Dockerfile that the image may have been built from.
    pub dockerfile: Option<Dockerfile>,
    /// Why the one in the working directory, which nobody named, is not read.
    pub unread: Option<String>,
    /// Its stage; the last where absent.
    pub target: Option<String>,
}

impl BaseSettings {
    /// Resolves the base image's part of a command line.
    pub fn new(args: &Base, file: &File) -> Result<Self, Failure> {
        let (dockerfile, unread) = match Dockerfile::named(args.dockerfile.as_deref(), file)? {
            Some(named) => (Some(named), None),
            None => Dockerfile::found().map_or_else(|why| (None, Some(why)), |found| (found, None)),
        };
        Ok(Self {
            image: args.base.as_ref().map(|text| (text.clone(), reference(text))),
            dockerfile,
            unread,
            target: args.dockerfile_target.clone().or_else(|| file.dockerfile_target.clone()),
        })
    }
}
