//! Interfaces that answer page by page. Their records are gathered in one file, in the form in which one answer has them: the
//! first time all of them, from then on what changed since is added to a copy of it, and of each record the newest counts when
//! the file is read. A page that came is kept: who is cut off goes on from there.

mod github;
mod nvd;

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    path::Path,
    time::Duration,
};

use jiff::Timestamp;
use reqwest::{
    StatusCode, Url,
    header::{self, HeaderMap, HeaderName, HeaderValue},
};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::{Error, Fault, Fetched, Job, error::Passing, published::below};
use crate::{
    digest::Hasher,
    feeds::{catalog::Interface, http::excerpt, http::is_redirect, store::State, store::each_chunk},
};

/// Bytes of one page, as they are written.
const MOST_PAGE_BYTES: u64 = 64 << 20;

/// Bytes of an id, a time or a cursor: they are kept while pages come.
const MOST_WORD_BYTES: usize = 1 << 10;

/// What changed may be a fifth of all: then all of it is fetched again, so that no record is kept over and over.
const CHANGED_SHARE: u64 = 5;

/// Pages that are older were of another time: one begins anew.
const LONGEST_PAUSE_SECONDS: i64 = 7 * 24 * 60 * 60;

/// What interfaces want to be shown. It is sent to the addresses of its source alone, and never written down.
#[derive(Clone, Default)]
pub struct Keys {
    nvd: Option<String>,
    github: Option<String>,
}

/// Nobody sees them.
impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys")
    }
}

impl Keys {
    /// Of the variables that `STELLA_NVD_API_KEY`, `STELLA_GITHUB_TOKEN` and `GITHUB_TOKEN` name.
    pub fn of(variable: impl Fn(&str) -> Option<String>) -> Self {
        let text = |name| variable(name).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
        let [nvd, github] =
            [&[nvd::KEY][..], &github::TOKENS].map(|names| names.iter().find_map(|name| text(name)));
        Self { nvd, github }
    }
}

/// How the file of an interface stands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Pages {
    /// Until when the file knows of everything, in the interface's words; empty while not all of it was fetched.
    pub until: String,
    /// The file's size when all of it was fetched.
    pub whole_bytes: u64,
    /// What is being fetched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub begun: Option<Begun>,
}

/// Pages that came, in the file's part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Begun {
    /// Who is asked.
    url: String,
    /// When it began, RFC 3339.
    at: String,
    /// What is asked for, in the interface's words; empty for all of it.
    window: String,
    /// The next page, in the interface's words; empty for the first.
    next: String,
    /// Until when these pages know of everything.
    until: String,
    /// The first record of the page that came last.
    first: String,
    /// Records that there are, as far as the interface says.
    total: u64,
    /// Bytes of the part that are whole pages.
    size_bytes: u64,
}

/// One page.
struct Page {
    /// Its records, as they stand in the file.
    records: Vec<u8>,
    /// The id of the first of them; empty where there is none.
    first: String,
    /// The page after it.
    next: Option<String>,
    until: String,
    total: u64,
}

/// How the file of an interface begins, what stands between two of its records or pages, and how it ends.
struct Form {
    open: &'static [u8],
    between: &'static [u8],
    close: &'static [u8],
}

/// A request.
struct Ask {
    url: Url,
    headers: HeaderMap,
    body: Option<Vec<u8>>,
}

impl Interface {
    fn form(self) -> Form {
        match self {
            Self::Nvd => nvd::FORM,
            Self::GitHub => github::FORM,
        }
    }
}

impl Job<'_> {
    /// Fetches what an interface has, or what changed of it.
    pub async fn pages(&mut self, base: &Url, interface: Interface) -> Result<Fetched, Fault> {
        let url = below(base, &self.file.path);
        let mut came = false;
        self.gather(&url, interface, &mut came).await.map_err(|fault| {
            let passing = fault.passing.map(|passing| Passing { progress: came, ..passing });
            Fault { passing, ..fault }
        })
    }

    async fn gather(&mut self, url: &Url, interface: Interface, came: &mut bool) -> Result<Fetched, Fault> {
        let form = interface.form();
        let io = |path: &Path| {
            let path = path.to_owned();
            move |source| Error::Io { path, source }
        };
        let part = self.place.part();
        let mut begun = match self.going_on(url) {
            Some(begun) => begun,
            None => self.begin(url, interface).map_err(io(&part))?,
        };
        let mut file = OpenOptions::new().write(true).open(&part).map_err(io(&part))?;
        // What is behind it is half a page.
        file.set_len(begun.size_bytes).map_err(io(&part))?;
        file.seek(SeekFrom::End(0)).map_err(io(&part))?;
        loop {
            let page = match interface {
                Interface::Nvd => self.nvd_page(url, &begun).await,
                Interface::GitHub => self.github_page(url, &begun).await,
            };
            let page = match page {
                Ok(page) => page,
                Err(fault) => {
                    if fault.passing.is_none() && matches!(fault.error, Error::Answer { .. }) {
                        // It does not fit what came before; another time begins anew.
                        self.forget_pages();
                    }
                    return Err(fault);
                }
            };
            if [&page.first, &page.until]
                .into_iter()
                .chain(&page.next)
                .any(|text| text.len() > MOST_WORD_BYTES)
            {
                self.forget_pages();
                let why = format!("has an id or a cursor of more than {MOST_WORD_BYTES} bytes");
                return Err(Error::Answer { url: url.to_string(), why }.into());
            }
            if !page.records.is_empty() && page.first == begun.first {
                // What is on the page that was asked for would be missed.
                self.forget_pages();
                let why = format!("gives the page with {} again, in place of the next", excerpt(&page.first));
                return Err(Error::Answer { url: url.to_string(), why }.into());
            }
            if !page.records.is_empty() {
                let open_bytes = if begun.window.is_empty() { form.open.len() as u64 } else { 0 };
                let between = if begun.size_bytes > open_bytes { form.between } else { b"" };
                begun.size_bytes += (between.len() + page.records.len()) as u64;
                let most_bytes = self.fetcher.limits.size_bytes;
                let held_bytes = if begun.window.is_empty() { 0 } else { self.state.size_bytes };
                if begun.size_bytes + form.close.len() as u64 + held_bytes > most_bytes {
                    self.forget_pages();
                    return Err(Error::TooLarge { url: url.to_string(), most_bytes }.into());
                }
                let written = file.write_all(between).and_then(|()| file.write_all(&page.records));
                written.and_then(|()| file.sync_data()).map_err(io(&part))?;
                self.fetcher.bar.bytes(page.records.len() as u64);
            }
            (begun.until, begun.first, begun.total) = (page.until, page.first, page.total);
            let Some(next) = page.next else { break };
            begun.next = next;
            *came = true;
            self.state.pages.get_or_insert_default().begun = Some(begun.clone());
            self.save()?;
        }
        drop(file);
        self.finish(url, &form, &begun).map_err(|source| Error::Io { path: part.clone(), source }.into())
    }

    /// What was begun and can go on.
    fn going_on(&self, url: &Url) -> Option<Begun> {
        let begun = self.state.pages.as_ref()?.begun.clone()?;
        let at: Timestamp = begun.at.parse().ok()?;
        let age = Timestamp::now().duration_since(at).as_secs();
        let is_there = fs::metadata(self.place.part()).is_ok_and(|part| part.len() >= begun.size_bytes)
            && (begun.window.is_empty() || self.place.file(&self.state).is_some());
        (begun.url == url.as_str() && is_there && (0..LONGEST_PAUSE_SECONDS).contains(&age)).then_some(begun)
    }

    /// Makes the part: the beginning of another file, or of what is to be added to the one that is there.
    fn begin(&mut self, url: &Url, interface: Interface) -> io::Result<Begun> {
        let window = self.window(url, interface).unwrap_or_default();
        let open = if window.is_empty() { interface.form().open } else { b"" };
        fs::write(self.place.part(), open)?;
        self.state.pages.get_or_insert_default().begun = None;
        Ok(Begun {
            url: url.to_string(),
            at: super::now(),
            window,
            next: String::new(),
            until: String::new(),
            first: String::new(),
            total: 0,
            size_bytes: open.len() as u64,
        })
    }

    /// What is to be asked for so that the file has everything again; `None` where that is all.
    fn window(&self, url: &Url, interface: Interface) -> Option<String> {
        let pages = self.state.pages.as_ref().filter(|pages| !pages.until.is_empty())?;
        let path = self.place.file(&self.state).filter(|_| self.state.url == url.as_str())?;
        let changed = self.state.size_bytes.saturating_sub(pages.whole_bytes);
        let is_usable = changed <= pages.whole_bytes / CHANGED_SHARE
            && ends_with(&path, interface.form().close).unwrap_or_default();
        let now = Timestamp::now();
        match interface {
            _ if !is_usable => None,
            Interface::Nvd => nvd::window(&pages.until, now),
            Interface::GitHub => github::window(&pages.until, now),
        }
    }

    fn forget_pages(&mut self) {
        if let Some(pages) = &mut self.state.pages {
            pages.begun = None;
        }
        // It is begun anew in any case.
        let _ = fs::remove_file(self.place.part());
    }

    /// Makes the part the file, or adds it to the file, unless it has all of it. It is as new as the first page was.
    fn finish(&mut self, url: &Url, form: &Form, begun: &Begun) -> io::Result<Fetched> {
        let part = self.place.part();
        let mut pages = self.state.pages.clone().unwrap_or_default();
        pages.begun = None;
        if !begun.until.is_empty() {
            pages.until = begun.until.clone();
        }
        let checked = Some(begun.at.clone());
        if !begun.window.is_empty() {
            let file = self.place.file(&self.state);
            let file = file.ok_or_else(|| io::Error::other("what changed belongs to a file that is gone"))?;
            if begun.size_bytes == 0 || has(&file, &part, form)? {
                fs::remove_file(&part)?;
                (self.state.pages, self.state.checked) = (Some(pages), checked);
                return Ok(Fetched::Unchanged);
            }
            // From here on the part is no longer what pages brought: who is killed now begins anew.
            self.state.pages.get_or_insert_default().begun = None;
            self.place.write_state(&self.state)?;
            add(&file, &part, form)?;
        }
        let mut file = OpenOptions::new().append(true).open(&part)?;
        file.write_all(form.close)?;
        file.sync_all()?;
        let mut hasher = Hasher::default();
        each_chunk(File::open(&part)?, |chunk| {
            hasher.update(chunk);
            Ok(())
        })?;
        let size_bytes = fs::metadata(&part)?.len();
        if begun.window.is_empty() {
            pages.whole_bytes = size_bytes;
        }
        self.place.keep(false)?;
        self.state = State {
            part: self.file.part.clone(),
            url: url.to_string(),
            digest: Some(hasher.finish()),
            size_bytes,
            fetched: Some(super::now()),
            checked,
            pages: Some(pages),
            ..State::default()
        };
        Ok(Fetched::New(begun.size_bytes))
    }

    /// One answer, whole.
    async fn answer(&mut self, ask: &Ask, most_bytes: u64) -> Result<Answered, Fault> {
        let mut answer =
            self.fetcher.http.ask(&ask.url, &ask.headers, ask.body.clone(), &mut self.clock).await?;
        let wrong = |why: String| Error::Answer { url: ask.url.to_string(), why };
        let status = answer.response.status();
        if is_redirect(status) {
            // What is shown to one address is not for another.
            return Err(wrong(format!(
                "answered {status}: an interface that is asked with a key leads nowhere else"
            ))
            .into());
        }
        let headers = answer.response.headers().clone();
        let is_gzip = match headers.get(header::CONTENT_ENCODING).map(HeaderValue::as_bytes) {
            None | Some(b"identity") => false,
            Some(b"gzip" | b"x-gzip") => true,
            Some(_) => return Err(wrong("is encoded as nobody asked for".to_owned()).into()),
        };
        let refused = (status != StatusCode::OK).then(|| answer.refused());
        let too_large = || Error::TooLarge { url: ask.url.to_string(), most_bytes };
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk(body.len() as u64, &self.clock).await? {
            if (body.len() + chunk.len()) as u64 > most_bytes {
                return Err(too_large().into());
            }
            body.extend_from_slice(&chunk);
        }
        drop(answer);
        if is_gzip {
            let mut unpacked = Vec::new();
            let read = flate2::read::MultiGzDecoder::new(body.as_slice())
                .take(most_bytes + 1)
                .read_to_end(&mut unpacked);
            read.map_err(|error| Fault::passing(wrong(format!("cannot be unpacked: {error}"))))?;
            if unpacked.len() as u64 > most_bytes {
                return Err(too_large().into());
            }
            body = unpacked;
        }
        Ok(Answered { status, headers, body, refused })
    }

    /// Leaves the interface alone before the next request.
    async fn pause(&mut self, url: &Url, pause: Duration) -> Result<(), Fault> {
        if Instant::now() + pause >= self.clock.until {
            return Err(Error::Late { url: url.to_string(), deadline: self.clock.deadline }.into());
        }
        tokio::time::sleep(pause).await;
        Ok(())
    }
}

/// An answer, and why it is none.
struct Answered {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
    refused: Option<Fault>,
}

impl Answered {
    fn header(&self, name: &'static str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Adds what the interface says of it to an error.
    fn says(&self, url: &Url, text: &str) -> Error {
        Error::Refused { url: url.to_string(), status: self.status, why: excerpt(text) }
    }
}

/// Whether the file ends with what the part has: of what changed last, interfaces tell again.
fn has(file: &Path, part: &Path, form: &Form) -> io::Result<bool> {
    let [held, count] = [fs::metadata(file)?.len(), fs::metadata(part)?.len()];
    match held.checked_sub(count + form.close.len() as u64) {
        Some(at) if count <= MOST_PAGE_BYTES => Ok(bytes(file, at, count)? == fs::read(part)?),
        _ => Ok(false),
    }
}

/// Makes the part the file's records and its own.
fn add(file: &Path, part: &Path, form: &Form) -> io::Result<()> {
    let mut both = tempfile::NamedTempFile::new_in(part.parent().unwrap_or(Path::new("")))?;
    let count = fs::metadata(file)?.len().saturating_sub(form.close.len() as u64);
    io::copy(&mut File::open(file)?.take(count), &mut both)?;
    both.write_all(form.between)?;
    io::copy(&mut File::open(part)?, &mut both)?;
    both.persist(part)?;
    Ok(())
}

fn bytes(path: &Path, at: u64, count: u64) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(at))?;
    let mut bytes = Vec::new();
    file.take(count).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn ends_with(path: &Path, end: &[u8]) -> io::Result<bool> {
    let size_bytes = fs::metadata(path)?.len();
    let Some(at) = size_bytes.checked_sub(end.len() as u64) else { return Ok(false) };
    Ok(bytes(path, at, end.len() as u64)? == end)
}

/// The headers of every request, and one that is a secret.
fn headers(secret: Option<(HeaderName, String)>) -> Result<HeaderMap, Error> {
    let mut headers = HeaderMap::new();
    headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
    if let Some((name, secret)) = secret {
        let value = HeaderValue::from_str(&secret);
        let mut value =
            value.map_err(|_| Error::Client(format!("the key for {name} is no text of a header")))?;
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    Ok(headers)
}
