//! The images that figures are taken on: written from a seed, the same bytes on every machine, with nothing but this program.
//!
//! Sizes, numbers of files and how well they compress follow images that were built from real packages. Names and versions
//! are real ones of some years ago, so that advisories hit; what the files say is generated.

mod app;
mod binary;
mod debian;
mod layer;
mod layout;
mod node;
mod python;
mod recipe;
mod table;
mod text;

use std::{
    collections::BTreeMap,
    fs, io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use layout::Compression;
use recipe::{CONTENTS, Content, RECIPES, Recipe};

/// Says what a directory holds; the last file to be written.
const STAMP: &str = "images.json";
/// Docker's and zstd's defaults.
const GZIP_LEVEL: u32 = 6;
const ZSTD_LEVEL: i32 = 3;

/// All that decides what the images hold: every file of this module but its tests.
const SOURCES: [&[u8]; 15] = [
    include_bytes!("app.rs"),
    include_bytes!("binary.rs"),
    include_bytes!("debian.rs"),
    include_bytes!("debian.tsv"),
    include_bytes!("layer.rs"),
    include_bytes!("layout.rs"),
    include_bytes!("mod.rs"),
    include_bytes!("node.rs"),
    include_bytes!("npm.tsv"),
    include_bytes!("pypi.tsv"),
    include_bytes!("python.rs"),
    include_bytes!("../random.rs"),
    include_bytes!("recipe.rs"),
    include_bytes!("table.rs"),
    include_bytes!("text.rs"),
];

/// Why there are no images.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What reading or writing met.
    #[error("{path}: {source}")]
    File {
        /// Where.
        path: PathBuf,
        /// What happened.
        source: io::Error,
    },
    /// The recipe has no such image.
    #[error("the recipe has no image {0:?}")]
    Unknown(String),
    /// Nothing that is not ours is replaced.
    #[error("{0}: holds something else than images of this program")]
    Foreign(PathBuf),
}

/// Where to write them.
#[derive(clap::Args)]
pub struct Arguments {
    /// A directory that is not there, is empty, or holds images of this program.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
}

/// Every image, in one directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Set {
    /// Digest of the recipe, hexadecimal.
    pub recipe: String,
    /// In the recipe's order.
    pub images: Vec<Image>,
}

/// One image and its forms. Paths are relative to the directory in the stamp, and joined to it in what [`write`] returns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// Such as `delta-v1`.
    pub name: String,
    /// OCI layout with gzip layers.
    pub gzip: PathBuf,
    /// OCI layout with zstd layers.
    pub zstd: PathBuf,
    /// What `docker save` writes: layers uncompressed.
    pub archive: Option<PathBuf>,
    /// Of the layers, bottom to top: `sha256:` and 64 digits.
    pub diff_ids: Vec<String>,
}

impl Set {
    /// The image of that name.
    pub fn image(&self, name: &str) -> Result<&Image, Error> {
        self.images.iter().find(|image| image.name == name).ok_or_else(|| Error::Unknown(name.to_owned()))
    }

    fn within(mut self, directory: &Path) -> Self {
        for image in &mut self.images {
            for path in [&mut image.gzip, &mut image.zstd].into_iter().chain(&mut image.archive) {
                *path = directory.join(&*path);
            }
        }
        self
    }
}

/// Where a cache keeps them: beside those of other recipes, which other builds of this program may be at.
pub fn directory_name() -> String {
    format!("images-{}", &recipe_digest()[..12])
}

/// Writes every image into `directory`, unless it holds them; one that holds another recipe's is replaced.
///
/// A directory appears whole or not at all: it is written beside its place and renamed.
pub fn write(directory: &Path) -> Result<Set, Error> {
    write_recipes(directory, &RECIPES)
}

fn write_recipes(directory: &Path, recipes: &[Recipe]) -> Result<Set, Error> {
    let recipe = recipe_digest();
    if let Some(set) = stored(directory)? {
        if set.recipe == recipe {
            return Ok(set.within(directory));
        }
        fs::remove_dir_all(directory).map_err(at(directory))?;
    } else if fs::read_dir(directory).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(Error::Foreign(directory.to_owned()));
    }
    let parent = match directory.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    fs::create_dir_all(parent).map_err(at(parent))?;
    let work = tempfile::Builder::new()
        .prefix(".images-")
        .permissions(fs::Permissions::from_mode(0o755))
        .tempdir_in(parent)
        .map_err(at(parent))?;
    let set = Set { recipe, images: images(work.path(), recipes).map_err(at(work.path()))? };
    let stamp = serde_json::to_vec_pretty(&set).map_err(io::Error::from);
    stamp.and_then(|stamp| fs::write(work.path().join(STAMP), stamp)).map_err(at(work.path()))?;
    match fs::rename(work.path(), directory) {
        Ok(()) => drop(work.keep()),
        // Another process was first.
        Err(_) if stored(directory)?.is_some_and(|stored| stored == set) => {}
        Err(error) => return Err(at(directory)(error)),
    }
    Ok(set.within(directory))
}

fn at(path: &Path) -> impl Fn(io::Error) -> Error {
    move |source| Error::File { path: path.to_owned(), source }
}

/// The set that `directory` says it holds.
fn stored(directory: &Path) -> Result<Option<Set>, Error> {
    let path = directory.join(STAMP);
    match fs::read(&path) {
        Ok(bytes) => {
            serde_json::from_slice(&bytes).map(Some).map_err(|_| Error::Foreign(directory.to_owned()))
        }
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Ok(None)
        }
        Err(error) => Err(at(&path)(error)),
    }
}

fn recipe_digest() -> String {
    let mut hash = Sha256::new();
    for source in SOURCES {
        hash.update(Sha256::digest(source));
    }
    hex(&hash.finalize())
}

/// A layer in every form.
struct Layer {
    diff_id: String,
    /// Uncompressed, where an archive needs it.
    tar: Option<Vec<u8>>,
    gzip: Vec<u8>,
    zstd: Vec<u8>,
}

impl Layer {
    fn of(content: Content, keep_tar: bool) -> io::Result<Self> {
        let tar = content.write()?;
        let mut encoder = flate2::write::GzEncoder::new(
            Vec::with_capacity(tar.len() / 2),
            flate2::Compression::new(GZIP_LEVEL),
        );
        io::Write::write_all(&mut encoder, &tar)?;
        Ok(Self {
            diff_id: sha256(&tar),
            gzip: encoder.finish()?,
            zstd: zstd::encode_all(&tar[..], ZSTD_LEVEL)?,
            tar: keep_tar.then_some(tar),
        })
    }

    fn compressed(&self, compression: Compression) -> &[u8] {
        match compression {
            Compression::Gzip => &self.gzip,
            Compression::Zstd => &self.zstd,
        }
    }
}

/// Writes the images into `directory`; paths are relative to it.
fn images(directory: &Path, recipes: &[Recipe]) -> io::Result<Vec<Image>> {
    let used =
        |content: &Content| recipes.iter().any(|recipe| recipe.layers().any(|layer| layer == *content));
    let contents: Vec<Content> = CONTENTS.into_iter().filter(used).collect();
    let archived = |content| {
        recipes.iter().any(|recipe| recipe.archive && recipe.layers().any(|layer| layer == content))
    };
    let layers = in_parallel(&contents, |content| Layer::of(*content, archived(*content)))?;
    in_parallel(recipes, |recipe| {
        let place = |content| contents.iter().position(|one| *one == content);
        let layers: Vec<&Layer> = recipe.layers().filter_map(|content| layers.get(place(content)?)).collect();
        image(directory, recipe, &layers)
    })
}

fn image(directory: &Path, recipe: &Recipe, layers: &[&Layer]) -> io::Result<Image> {
    let diff_ids: Vec<&str> = layers.iter().map(|layer| layer.diff_id.as_str()).collect();
    let config = layout::config(recipe, &diff_ids);
    let paths = Compression::ALL.map(|compression| match compression {
        Compression::Gzip => PathBuf::from(recipe.name),
        Compression::Zstd => PathBuf::from(format!("{}-zstd", recipe.name)),
    });
    for (path, compression) in paths.iter().zip(Compression::ALL) {
        let blobs: Vec<&[u8]> = layers.iter().map(|layer| layer.compressed(compression)).collect();
        layout::write(&directory.join(path), &config, &blobs, compression)?;
    }
    let archive = recipe.archive.then(|| PathBuf::from(format!("{}.tar", recipe.name)));
    if let Some(path) = &archive {
        let kept: Option<Vec<&[u8]>> = layers.iter().map(|layer| layer.tar.as_deref()).collect();
        let tars = kept.ok_or_else(|| io::Error::other("a layer's tar was not kept"))?;
        let tag = format!("stella-perf/{}:latest", recipe.name);
        layout::archive(&directory.join(path), &tag, &config, &tars)?;
    }
    let [gzip, zstd] = paths;
    let diff_ids = diff_ids.iter().map(|id| format!("sha256:{id}")).collect();
    Ok(Image { name: recipe.name.to_owned(), gzip, zstd, archive, diff_ids })
}

/// `work` on each of `items`, on every processor; results keep the order of the items.
fn in_parallel<T: Sync, R: Send>(
    items: &[T],
    work: impl Fn(&T) -> io::Result<R> + Sync,
) -> io::Result<Vec<R>> {
    let next = AtomicUsize::new(0);
    let results = Mutex::new(BTreeMap::new());
    let run = || {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(index) else { break };
            let result = work(item);
            results.lock().unwrap_or_else(PoisonError::into_inner).insert(index, result);
        }
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from).min(items.len()) {
            scope.spawn(run);
        }
    });
    results.into_inner().unwrap_or_else(PoisonError::into_inner).into_values().collect()
}

fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;
