//! The bytes of one file: only if they changed, from where they broke off, no more than wanted, and the right ones.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Write as _},
    path::Path,
};

use crate::digest::{Digest, Hasher};
use reqwest::{
    StatusCode,
    header::{self, HeaderMap, HeaderName, HeaderValue},
};

use super::{
    Error, Fault, Fetched, Job,
    error::Passing,
    form,
    published::{Checksum, Target},
    request::Answer,
};
use crate::feeds::store::{Beginning, State, each_chunk};

/// What is not worth compressing on its way.
const PACKED: &[&str] = &[".gz", ".zip", ".zst"];

impl Job<'_> {
    /// Fetches the file, unless the server says that it is the one that is here.
    pub async fn download(&mut self, target: &Target) -> Result<Fetched, Fault> {
        let url = target.url.to_string();
        let part = self.place.part();
        let io = |source| Error::Io { path: part.clone(), source };
        let begun = self.state.beginning.as_ref().filter(|begun| begun.url == url);
        let mut at_bytes = match begun {
            Some(_) => fs::metadata(&part).map_or(0, |part| part.len()),
            None => 0,
        };
        let resumed = begun.filter(|_| at_bytes > 0).cloned();
        // A published checksum says it better, and no server can say that nothing changed when it did.
        let held =
            target.checksum.is_none() && self.state.url == url && self.place.file(&self.state).is_some();
        let compressible = !PACKED.iter().any(|end| self.file.name.ends_with(end));
        let headers = ask(&self.state, resumed.as_ref(), at_bytes, held, compressible);
        let mut answer = self.fetcher.http.get(&target.url, &headers, &mut self.clock).await?;
        match (answer.response.status(), &resumed) {
            (StatusCode::NOT_MODIFIED, None) if held => return Ok(Fetched::Unchanged),
            (StatusCode::OK, _) => at_bytes = 0,
            (StatusCode::PARTIAL_CONTENT, Some(begun)) if is_rest(&answer, begun, at_bytes) => {}
            (StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE, Some(_)) => {
                let why = "gives another part than was asked for".to_owned();
                self.discard()?;
                return Err(Fault::passing(Error::Answer { url, why }));
            }
            _ => return Err(answer.refused()),
        }
        check_encoding(&answer)?;
        let text = |name: HeaderName| Some(answer.response.headers().get(name)?.to_str().ok()?.to_owned());
        let (etag, last_modified) = (text(header::ETAG), text(header::LAST_MODIFIED));
        let most_bytes = self.fetcher.limits.size_bytes;
        let too_large = || Error::TooLarge { url: url.clone(), most_bytes };
        if answer.response.content_length().is_some_and(|length| length > most_bytes.saturating_sub(at_bytes))
        {
            self.discard()?;
            return Err(too_large().into());
        }
        if at_bytes == 0 {
            let strong = etag.clone().filter(|etag| !etag.starts_with("W/"));
            self.state.beginning = strong.map(|etag| Beginning { url: url.clone(), etag });
            self.save()?;
        }
        let (mut file, mut hasher) = open(&part, at_bytes).map_err(io)?;
        let began_bytes = at_bytes;
        loop {
            let chunk = answer.chunk(at_bytes, &self.clock).await.map_err(|fault| {
                let kept = at_bytes > began_bytes && self.state.beginning.is_some();
                let passing = fault.passing.map(|passing| Passing { progress: kept, ..passing });
                Fault { passing, ..fault }
            })?;
            let Some(chunk) = chunk else { break };
            at_bytes += chunk.len() as u64;
            if at_bytes > most_bytes {
                drop(file);
                self.discard()?;
                return Err(too_large().into());
            }
            file.write_all(&chunk).map_err(io)?;
            hasher.update(&chunk);
            self.fetcher.bar.bytes(chunk.len() as u64);
        }
        file.sync_all().map_err(io)?;
        drop((file, answer));
        let digest = hasher.finish();
        let wrong = match target.checksum {
            Some(checksum) => match found(&part, digest, checksum, most_bytes).await {
                Ok(found) if found == checksum.digest => None,
                Ok(found) => Some(Error::Checksum { url: url.clone(), found, want: checksum.digest }),
                Err(error) => {
                    Some(Error::Answer { url: url.clone(), why: format!("cannot be unpacked: {error}") })
                }
            },
            None => File::open(&part)
                .and_then(|file| form::mismatch(&self.file.name, file))
                .map_err(io)?
                .map(|why| Error::Answer { url: url.clone(), why }),
        };
        if let Some(wrong) = wrong {
            self.discard()?;
            return Err(wrong.into());
        }
        let packed = compressible && is_gzip(&part).map_err(io)?;
        self.place.keep(packed).map_err(io)?;
        let now = super::now();
        self.state = State {
            part: self.file.part.clone(),
            url,
            etag,
            last_modified,
            published: target.checksum.map(|checksum| checksum.digest),
            digest: Some(digest),
            size_bytes: at_bytes,
            packed,
            fetched: Some(now.clone()),
            checked: Some(now),
            error: None,
            beginning: None,
            pages: None,
        };
        Ok(Fetched::New(at_bytes))
    }

    /// Forgets what was begun.
    fn discard(&mut self) -> Result<(), Error> {
        self.state.beginning = None;
        let part = self.place.part();
        match fs::remove_file(&part) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => Err(Error::Io { path: part, source }),
            _ => self.save(),
        }
    }
}

fn ask(
    state: &State,
    resumed: Option<&Beginning>,
    at_bytes: u64,
    held: bool,
    compressible: bool,
) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let mut set = |name: HeaderName, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    };
    set(header::ACCEPT_ENCODING, if compressible { "gzip" } else { "identity" });
    if let Some(begun) = resumed {
        set(header::RANGE, &format!("bytes={at_bytes}-"));
        set(header::IF_RANGE, &begun.etag);
    } else if held {
        if let Some(etag) = &state.etag {
            set(header::IF_NONE_MATCH, etag);
        }
        if let Some(last_modified) = &state.last_modified {
            set(header::IF_MODIFIED_SINCE, last_modified);
        }
    }
    headers
}

/// Whether an answer is the rest of what was begun: RFC 9110, 14.4 and 15.3.7.
fn is_rest(answer: &Answer, begun: &Beginning, at_bytes: u64) -> bool {
    let headers = answer.response.headers();
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let from = text(header::CONTENT_RANGE).and_then(|range| range.strip_prefix("bytes ")?.split_once('-'));
    let is_from = from.is_some_and(|(from, _)| from.trim().parse() == Ok(at_bytes));
    is_from && text(header::ETAG).is_none_or(|etag| etag == begun.etag)
}

/// What a server does to a file on its way must be what can be undone: gzip or nothing.
fn check_encoding(answer: &Answer) -> Result<(), Error> {
    match answer.response.headers().get(header::CONTENT_ENCODING).map(HeaderValue::as_bytes) {
        None | Some(b"identity" | b"gzip" | b"x-gzip") => Ok(()),
        Some(other) => {
            let why = format!("is encoded as {:?}, which nobody asked for", String::from_utf8_lossy(other));
            Err(Error::Answer { url: answer.url.to_string(), why })
        }
    }
}

/// The part, to go on with after `at_bytes`, and a hasher that has taken these.
fn open(part: &Path, at_bytes: u64) -> io::Result<(File, Hasher)> {
    let mut hasher = Hasher::default();
    if at_bytes == 0 {
        return Ok((File::create(part)?, hasher));
    }
    each_chunk(File::open(part)?, |chunk| {
        hasher.update(chunk);
        Ok(())
    })?;
    Ok((OpenOptions::new().append(true).open(part)?, hasher))
}

fn is_gzip(path: &Path) -> io::Result<bool> {
    let mut head = Vec::new();
    File::open(path)?.take(2).read_to_end(&mut head)?;
    Ok(head == [0x1f, 0x8b])
}

/// What a checksum is to be held against. To unpack a large file takes a while, in which others are fetched.
async fn found(part: &Path, digest: Digest, checksum: Checksum, most_bytes: u64) -> io::Result<Digest> {
    if !checksum.unpacked || !is_gzip(part)? {
        return Ok(digest);
    }
    let part = part.to_owned();
    let work = move || {
        let (mut hasher, mut size_bytes) = (Hasher::default(), 0);
        let packed = io::BufReader::with_capacity(128 << 10, File::open(part)?);
        each_chunk(flate2::bufread::MultiGzDecoder::new(packed), |chunk| {
            size_bytes += chunk.len() as u64;
            if size_bytes > most_bytes {
                return Err(io::Error::other(format!(
                    "unpacked over the limit of {most_bytes} bytes (--max-size)"
                )));
            }
            hasher.update(chunk);
            Ok(())
        })?;
        Ok(hasher.finish())
    };
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}
