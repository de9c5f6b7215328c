//! The Docker engine: what it says of an image without exporting it.

use std::{path::PathBuf, thread, time::Duration};

use bollard::{API_DEFAULT_VERSION, Docker, models::ImageHistoryResponseItem};
use futures_util::StreamExt as _;
use stella::{
    api::ImageClaim,
    base::Named,
    digest::Digest,
    image::{History, Image, Platform},
    layer::{Analysed, Limits},
};

use super::{Error, Opened, OpenedImage, Options, Progress, Source, export, platform, reference};
use crate::client::shown;

/// Where an engine listens if nobody says otherwise.
const DEFAULT_HOST: &str =
    if cfg!(windows) { "npipe:////./pipe/docker_engine" } else { "unix:///var/run/docker.sock" };

/// How long the engine may take to answer a question.
const ANSWER_WAIT: Duration = Duration::from_secs(30);

/// How long the engine may take to say whether a word that is a path is an image too.
const HINT_WAIT: Duration = Duration::from_secs(5);

/// How long an export may be silent: older engines put the whole tar together before its first byte.
const EXPORT_WAIT: Duration = Duration::from_secs(600);

/// Chunks on their way from the engine to the analysis; one has at most some hundred kilobytes.
const CHUNKS: usize = 32;

/// How to reach the engine: the values of the variables that Docker's own program reads.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EngineAddress {
    /// `DOCKER_HOST`; the system's default socket where `None` or empty.
    pub host: Option<String>,
    /// `DOCKER_TLS_VERIFY` is set to anything but the empty string.
    pub tls_verify: bool,
    /// `DOCKER_CERT_PATH`, or where Docker keeps its certificates: holds `ca.pem`, `cert.pem`, `key.pem`.
    pub certificates: Option<PathBuf>,
    /// Why it is not known which engine is meant.
    pub unknown: Option<String>,
}

impl EngineAddress {
    fn host(&self) -> &str {
        self.host.as_deref().filter(|host| !host.is_empty()).unwrap_or(DEFAULT_HOST)
    }

    /// As people read it: nobody's password.
    fn shown(&self) -> String {
        shown(self.host())
    }

    fn wrong(&self, why: impl Into<String>) -> Error {
        Error::EngineAddress { address: self.shown(), why: why.into() }
    }

    async fn connect(&self) -> Result<Docker, Error> {
        if let Some(why) = &self.unknown {
            return Err(self.wrong(why));
        }
        let host = self.host();
        let (scheme, _) = host.split_once("://").ok_or_else(|| {
            self.wrong("it names no scheme; write unix:///run/docker.sock or tcp://host:2375 in DOCKER_HOST")
        })?;
        let (wait, version) = (ANSWER_WAIT.as_secs(), API_DEFAULT_VERSION);
        let client = match scheme {
            "unix" | "npipe" => Docker::connect_with_socket(host, wait, version),
            "tcp" | "https" if self.tls_verify || scheme == "https" => {
                let directory = self.certificates.as_ref().ok_or_else(|| {
                    self.wrong("TLS is asked for; set DOCKER_CERT_PATH to the directory of ca.pem, cert.pem and key.pem")
                })?;
                let [key, certificate, authority] =
                    ["key.pem", "cert.pem", "ca.pem"].map(|name| directory.join(name));
                Docker::connect_with_ssl(host, &key, &certificate, &authority, wait, version)
            }
            "tcp" | "http" => Docker::connect_with_http(host, wait, version),
            _ => Err(self.wrong(format!(
                "{scheme}:// is not built yet; forward the engine's socket and set DOCKER_HOST to unix:// or tcp://"
            )))?,
        };
        let client = client.map_err(|error| self.failed(&error))?;
        client.negotiate_version().await.map_err(|error| self.failed(&error))
    }

    fn failed(&self, error: &bollard::errors::Error) -> Error {
        let address = self.shown();
        let why = chain(error);
        match error {
            bollard::errors::Error::DockerResponseServerError { .. }
            | bollard::errors::Error::JsonDataError { .. }
            | bollard::errors::Error::APIVersionParseError {} => Error::EngineFailed { address, why },
            _ => Error::EngineUnreachable { address, why },
        }
    }
}

/// One image of one engine, to be exported if layers are wanted.
#[derive(Debug)]
pub(super) struct Connection {
    address: EngineAddress,
    /// As the engine names it: what is exported is what was asked about, even if the tag has moved since.
    id: String,
}

/// Asks the engine what the image is. Nothing is exported.
pub(super) fn open(name: &str, options: &Options, taken_for: String) -> Result<Opened, Error> {
    if !reference::is_image_reference(name) {
        return Err(Error::Reference { text: name.to_owned() });
    }
    let address = options.engine.clone();
    let host = address.shown();
    let (inspected, history) = on_runtime(async || {
        let docker = address.connect().await?;
        let missing = |error| match error {
            bollard::errors::Error::DockerResponseServerError { status_code: 404, .. } => {
                Error::NoImage { reference: name.to_owned(), address: host.clone() }
            }
            error => address.failed(&error),
        };
        let inspected = docker.inspect_image(name).await.map_err(missing)?;
        let id = inspected.id.clone().unwrap_or_default();
        if !reference::is_image_reference(&id) {
            return Err(Error::EngineClaim {
                address: host.clone(),
                reference: name.to_owned(),
                why: format!("its ID is {id:?}"),
            });
        }
        let history = docker.image_history(&id).await.map_err(missing)?;
        Ok((inspected, history))
    })?;
    let claim = |why: String| Error::EngineClaim { address: host.clone(), reference: name.to_owned(), why };
    let digest = |text: &str| text.parse::<Digest>().map_err(|error| claim(error.to_string()));
    let id = inspected.id.unwrap_or_default();
    let layers = inspected.root_fs.and_then(|root| root.layers).unwrap_or_default();
    let diff_ids = layers.iter().map(|text| digest(text)).collect::<Result<Vec<_>, _>>()?;
    let platform = Platform {
        os: inspected.os.unwrap_or_default(),
        architecture: inspected.architecture.unwrap_or_default(),
        variant: inspected.variant.unwrap_or_default(),
    };
    if !platform::wanted(&platform, &options.platforms) {
        let wanted = options.platforms.iter().map(Platform::to_string).collect::<Vec<_>>().join(", ");
        return Err(Error::Platform { place: taken_for, wanted, there: vec![platform.to_string()] });
    }
    // Podman names IDs without the algorithm.
    let image_id = if id.contains(':') { digest(&id)? } else { digest(&format!("sha256:{id}"))? };
    let name = called(name, image_id, inspected.repo_tags.unwrap_or_default());
    let history = instructions(&history, diff_ids.len());
    let mut image = Image::new(image_id, platform.clone(), diff_ids.clone(), &history)
        .map_err(|error| claim(error.to_string()))?;
    image.take_labels(
        inspected
            .config
            .and_then(|config| config.labels)
            .and_then(|labels| Named::new(|key| labels.get(key))),
    );
    let opened = OpenedImage {
        image,
        claim: ImageClaim::Engine { image_id, platform, diff_ids, history },
        content_addressed: false,
        skipped: Vec::new(),
        written: Vec::new(),
        base_argument: None,
        places: Vec::new(),
    };
    let source = Source::Engine(Connection { address, id });
    let (images, skipped, attestations) = (vec![opened], Vec::new(), Vec::new());
    Ok(Opened { taken_for, doubt: None, name, images, skipped, source, attestations })
}

/// What an image is called that was asked for by its ID, or by the beginning of it.
pub(super) fn called(asked: &str, id: Digest, mut tags: Vec<String>) -> Option<String> {
    let is_tag =
        |tag: &String| tag.strip_prefix(asked).is_some_and(|rest| rest.is_empty() || rest == ":latest");
    let is_id = id.hex().starts_with(asked.strip_prefix("sha256:").unwrap_or(asked));
    if !is_id || tags.iter().any(is_tag) {
        return None;
    }
    tags.retain(|tag| reference::is_image_reference(tag));
    tags.sort_unstable();
    Some(tags.into_iter().next().unwrap_or_else(|| id.to_string()))
}

/// Whether the engine has an image of this name.
pub(super) fn has(name: &str, address: &EngineAddress) -> Result<bool, Error> {
    on_runtime(async || {
        let asking = async {
            match address.connect().await?.inspect_image(name).await {
                Ok(_) => Ok(true),
                Err(bollard::errors::Error::DockerResponseServerError { status_code: 404, .. }) => Ok(false),
                Err(error) => Err(address.failed(&error)),
            }
        };
        tokio::time::timeout(HINT_WAIT, asking).await.unwrap_or_else(|_| {
            let why = format!("no answer within {} s", HINT_WAIT.as_secs());
            Err(Error::EngineUnreachable { address: address.shown(), why })
        })
    })
}

impl Connection {
    /// Exports the image if a layer is wanted; download and analysis overlap, and the export ends with the last
    /// wanted layer.
    pub fn analyse(
        &self,
        image: &Image,
        wanted: &[Digest],
        limits: &Limits,
        progress: &dyn Progress,
    ) -> Result<Vec<Analysed>, Error> {
        if !image.layers.iter().any(|layer| wanted.contains(&layer.diff_id)) {
            return Ok(Vec::new());
        }
        thread::scope(|scope| {
            let (sender, receiver) = tokio::sync::mpsc::channel(CHUNKS);
            let pump = scope.spawn(move || {
                on_runtime(async || {
                    let docker = self.address.connect().await?.with_timeout(EXPORT_WAIT);
                    let mut stream = docker.export_image(&self.id);
                    loop {
                        let next = tokio::time::timeout(EXPORT_WAIT, stream.next()).await;
                        let silent = || Error::EngineUnreachable {
                            address: self.address.shown(),
                            why: format!("its export was silent for {} s", EXPORT_WAIT.as_secs()),
                        };
                        let Some(chunk) = next.map_err(|_| silent())? else { return Ok(()) };
                        let chunk = chunk.map_err(|error| self.address.failed(&error))?;
                        // Nobody reads on: all that was wanted is there.
                        if sender.send(chunk).await.is_err() {
                            return Ok(());
                        }
                    }
                })
            });
            let reader = export::Chunks::new(receiver);
            let result = export::analyse(reader, &self.address.shown(), image, wanted, limits, progress);
            // Where the export broke off, its own error says more than that of the reader.
            let pumped = pump.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            result.or_else(|error| pumped.and(Err(error)))
        })
    }
}

/// The history, oldest first, with a guess of which entries made a layer: the engine does not say.
///
/// Entries with a size made one. Of those without, an instruction that only changes the config never did. Empty where
/// neither count fits the layers: no instruction is better than a wrong one.
fn instructions(newest_first: &[ImageHistoryResponseItem], layers: usize) -> Vec<History> {
    let sized = |item: &ImageHistoryResponseItem| item.size > 0;
    let maybe = |item: &ImageHistoryResponseItem| item.size > 0 || !is_metadata(&item.created_by);
    let rules: [&dyn Fn(&ImageHistoryResponseItem) -> bool; 2] = [&sized, &maybe];
    let fits = rules.into_iter().find(|made| newest_first.iter().filter(|item| made(item)).count() == layers);
    let Some(made) = fits else { return Vec::new() };
    let entry = |item: &ImageHistoryResponseItem| History {
        created_by: item.created_by.clone(),
        empty_layer: !made(item),
    };
    newest_first.iter().rev().map(entry).collect()
}

/// Instructions that change the config alone.
const METADATA: &[&str] = &[
    "ARG",
    "CMD",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "HEALTHCHECK",
    "LABEL",
    "MAINTAINER",
    "ONBUILD",
    "SHELL",
    "STOPSIGNAL",
    "USER",
    "VOLUME",
];

fn is_metadata(created_by: &str) -> bool {
    let text = created_by.split_once("#(nop)").map_or(created_by, |(_, text)| text);
    text.split_whitespace().next().is_some_and(|word| METADATA.contains(&word))
}

/// Runs `work` on a thread with a runtime of its own, so that callers may be in a runtime or not.
fn on_runtime<T: Send>(work: impl AsyncFnOnce() -> Result<T, Error> + Send) -> Result<T, Error> {
    thread::scope(|scope| {
        let running = scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let runtime = runtime.map_err(|source| Error::Read {
                name: "an event loop".to_owned(),
                place: "this system".to_owned(),
                source,
            })?;
            runtime.block_on(work())
        });
        running.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// An error with all its causes: the client's first line alone says little.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.contains(&next) {
            text = format!("{text}: {next}");
        }
        cause = error.source();
    }
    text
}
