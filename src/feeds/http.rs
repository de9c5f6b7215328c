//! What every HTTP client of the program has in common: the server's, the registries', that of the feeds.

use std::{path::PathBuf, sync::Once, time::Duration};

use jiff::{Timestamp, fmt::rfc2822::DateTimeParser};
use reqwest::{
    ClientBuilder, Url,
    header::{self, HeaderMap, HeaderName},
    redirect,
};

/// Who asks.
pub const USER_AGENT: &str = concat!("stella/", env!("CARGO_PKG_VERSION"));

/// What a server can ask for at most; more is as good as never, and no sum of times is beyond what a clock knows.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 60 * 60);

/// How much of an answer that is no problem document is shown.
const EXCERPT_CHARS: usize = 200;

/// A client that says who asks and follows no redirect by itself: whoever asks looks where it leads.
pub fn builder(user_agent: &str, connect_timeout: Duration) -> ClientBuilder {
    install_tls_provider();
    reqwest::Client::builder()
        .user_agent(user_agent)
        .connect_timeout(connect_timeout)
        .redirect(redirect::Policy::none())
        .tcp_nodelay(true)
}

/// Lets a client trust the authorities of these PEM files too.
pub fn trusting(authorities: &[PathBuf], mut http: ClientBuilder) -> Result<ClientBuilder, String> {
    for path in authorities {
        let failed = |why: String| format!("the authority {}: {why}", path.display());
        let pem = std::fs::read(path).map_err(|error| failed(error.to_string()))?;
        let bundle = reqwest::Certificate::from_pem_bundle(&pem).map_err(|error| failed(chain(&error)))?;
        http = http.tls_certs_merge(bundle);
    }
    Ok(http)
}

/// A client of what `url` leads to. `authorities` are trusted beside the system's, where TLS is spoken: to read the system's
/// takes longer than a whole gate.
pub fn suited(url: &Url, authorities: &[PathBuf], http: ClientBuilder) -> Result<ClientBuilder, String> {
    // A proxy's loopback is another machine's.
    let http = if is_loopback(url) { http.no_proxy() } else { http };
    if url.scheme() == "http" { Ok(http.tls_certs_only([])) } else { trusting(authorities, http) }
}

/// Whether an address is of this machine.
pub fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Whether nobody can read or change what goes to `next`, where an answer of `url` leads to. From this machine, plain HTTP may lead
/// to this machine.
pub fn is_sealed(url: &Url, next: &Url) -> bool {
    next.scheme() == "https" || (url.scheme() == "http" && next.scheme() == "http" && is_loopback(next))
}

/// Whether an answer leads elsewhere, rather than being one.
pub fn is_redirect(status: reqwest::StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

/// How long a server wants to be left alone: RFC 9110, 10.2.3. Seconds, or a date, which counts from the date of the answer itself,
/// so that nobody's clock need agree with ours.
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: HeaderName| headers.get(name)?.to_str().ok().map(str::trim);
    let after = text(header::RETRY_AFTER)?;
    let seconds = match after.parse() {
        Ok(seconds) => seconds,
        Err(_) => {
            let until = http_date(after)?.as_second() - http_date(text(header::DATE)?)?.as_second();
            u64::try_from(until).unwrap_or_default()
        }
    };
    Some(Duration::from_secs(seconds).min(LONGEST_WAIT))
}

/// `Wed, 21 Oct 2015 07:28:00 GMT`: RFC 9110, 5.6.7. Its two older forms nobody sends any more.
fn http_date(text: &str) -> Option<Timestamp> {
    DateTimeParser::new().relaxed_weekday(true).parse_timestamp(text).ok()
}

/// Once for the whole program; another part of it may have been first.
fn install_tls_provider() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| drop(rustls::crypto::ring::default_provider().install_default()));
}

/// An address as it may be shown: without what stands before an `@`.
pub fn shown(address: &str) -> String {
    match address.rsplit_once('@') {
        Some((_, host)) => format!("…@{}", excerpt(host)),
        None => excerpt(address),
    }
}

/// The beginning of a text that is not ours, without what could steer a terminal.
pub fn excerpt(text: &str) -> String {
    let text = text.trim();
    let clean = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    let mut excerpt: String = clean.take(EXCERPT_CHARS).collect();
    if text.chars().nth(EXCERPT_CHARS).is_some() {
        excerpt.push('…');
    }
    excerpt
}

/// An error with its causes: reqwest's own first line says next to nothing.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_seconds_or_a_date() {
        let wait = |after: &str, date: Option<&str>| {
            let mut headers = HeaderMap::new();
            headers.insert(header::RETRY_AFTER, after.parse().unwrap());
            if let Some(date) = date {
                headers.insert(header::DATE, date.parse().unwrap());
            }
            retry_after(&headers).map(|wait| wait.as_secs())
        };
        let date = Some("Wed, 21 Oct 2015 07:28:00 GMT");
        assert_eq!(wait("7", None), Some(7));
        assert_eq!(wait("99999999999", None), Some(LONGEST_WAIT.as_secs()));
        assert_eq!(wait("Wed, 21 Oct 2015 07:28:09 GMT", date), Some(9));
        assert_eq!(wait("Wed, 21 Oct 2015 07:00:00 GMT", date), Some(0));
        for (after, date) in [("Wed, 21 Oct 2015 07:28:09 GMT", None), ("soon", date), ("-1", date)] {
            assert_eq!(wait(after, date), None, "{after}");
        }
    }
}
