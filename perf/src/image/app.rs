//! The application of the delta scenario: the layer that each build makes anew.

use std::io;

use super::{
    binary,
    layer::Layer,
    node,
    python::{self, Distribution, Files},
    text,
};
use crate::random::Random;

/// Which build of the application.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// The one that is known.
    V1,
    /// One source file has one more line.
    V2,
}

/// Files of the whole application, and their size together; a vendored package and a web page's are among them.
const FILES: usize = 217;
const SIZE_BYTES: usize = 9 << 20;
/// Files that are not pictures.
const TEXTS: usize = 190;

/// Writes `/app`.
pub fn write(layer: &mut Layer, version: Version) -> io::Result<()> {
    layer.file("app/requirements.txt", python::requirements()?.as_bytes())?;
    for (name, version, sources) in
        [("requests", "2.19.1", (18, 168)), ("urllib3", "1.24", (38, 330)), ("six", "1.12.0", (1, 32))]
    {
        let distribution = Distribution {
            name,
            version,
            module: name,
            sources: Files::of(sources.0, sources.1),
            extensions: Files::NONE,
            others: (Files::NONE, "data"),
        };
        python::install(layer, "app/vendor", &distribution)?;
    }
    let packages = [("axios", "0.18.0"), ("lodash.template", "4.4.0"), ("minimist", "0.0.8")];
    node::project(layer, "app/web", &packages)?;
    let mut random = Random::of("application");
    for index in 0..TEXTS.saturating_sub(layer.file_count()) {
        let path = format!("app/src/shop/{}_{index}.py", text::name(&mut random));
        let size = 1000 + random.below(7000);
        let mut source = text::write(&mut random, text::PYTHON, size);
        if index == 0 && version == Version::V2 {
            source.extend_from_slice(b"# changed in v2\n");
        }
        layer.file(&path, &source)?;
    }
    let pictures = FILES - layer.file_count();
    let size = SIZE_BYTES.saturating_sub(layer.file_bytes()) / pictures.max(1);
    for index in 0..pictures {
        layer.file(&format!("app/static/img/asset{index:03}.png"), &binary::picture(&mut random, size))?;
    }
    Ok(())
}
