//! Logging in: name and password, or a token from the realm that the registry names.
//!
//! Distribution's token specification: a GET with name and password or with nothing, a POST for an identity token.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use reqwest::{
    Response, StatusCode, Url,
    header::{self, HeaderMap, HeaderValue},
};
use serde::Deserialize;

use super::{
    Error,
    challenge::{self, Challenge},
    client::{Client, Fault, words},
    credentials::Secret,
};
use crate::client::is_loopback;

/// How a token's server knows this program.
const CLIENT_ID: &str = "stella";

/// Bytes of one answer of a token's server.
const MOST_TOKEN_BYTES: usize = 1 << 20;

#[derive(Deserialize)]
struct TokenJson {
    token: Option<String>,
    access_token: Option<String>,
}

impl Client {
    /// Gets what the registry wants after an answer of 401; false if there is nothing else to try.
    ///
    /// `refused` is what was sent. One request logs in, others that were refused meanwhile take what it got.
    pub async fn authorize(
        &self,
        headers: &HeaderMap,
        refused: Option<&HeaderValue>,
        attempts: usize,
    ) -> Result<bool, Fault> {
        let _turn = self.authorizing.lock().await;
        if self.authorization().as_ref() != refused {
            return Ok(true);
        }
        let headers =
            headers.get_all(header::WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok());
        let challenges: Vec<Challenge> = headers.flat_map(challenge::parse).collect();
        let credentials = self.credentials().await;
        let bearer = challenges.iter().find(|challenge| matches!(challenge, Challenge::Bearer { .. }));
        let value = match (bearer, &credentials.secret) {
            (Some(_), Some(Secret::Bearer(token))) => format!("Bearer {token}"),
            (Some(Challenge::Bearer { realm, service, scope }), secret) => {
                let scope =
                    scope.clone().unwrap_or_else(|| format!("repository:{}:pull", self.name.repository));
                let token = self.token(realm, service.as_deref(), &scope, secret.as_ref(), attempts).await?;
                format!("Bearer {token}")
            }
            (_, Some(Secret::Password { user, password })) if challenges.contains(&Challenge::Basic) => {
                basic(user, password)
            }
            _ => return Ok(false),
        };
        let value = HeaderValue::from_str(&value)
            .map_err(|_| self.answer("a token", "it holds what cannot be sent back".to_owned()))?;
        if refused == Some(&value) {
            return Ok(false);
        }
        self.set_authorization(value);
        Ok(true)
    }

    async fn token(
        &self,
        realm: &str,
        service: Option<&str>,
        scope: &str,
        secret: Option<&Secret>,
        attempts: usize,
    ) -> Result<String, Fault> {
        let mut url = self.realm(realm)?;
        let what =
            format!("a token for {} from {}", self.name.repository, url.host_str().unwrap_or_default());
        let http = self.http(&url)?;
        let request = match secret {
            Some(Secret::Identity(token)) => {
                let mut form = vec![("grant_type", "refresh_token"), ("refresh_token", token.as_str())];
                form.extend([("client_id", CLIENT_ID), ("scope", scope)]);
                form.extend(service.map(|service| ("service", service)));
                http.post(url)
                    .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
                    .body(encoded(&form))
            }
            Some(Secret::Password { user, password }) => {
                url.query_pairs_mut().append_pair("account", user);
                http.get(query(url, service, scope))
                    .header(header::AUTHORIZATION, sensitive(basic(user, password)))
            }
            Some(Secret::Bearer(_)) | None => http.get(query(url, service, scope)),
        };
        // A redirect is not followed: it would carry what proves who asks.
        let response = request.send().await.map_err(|error| self.broken(&what, error, attempts))?;
        if response.status() != StatusCode::OK {
            return Err(self.refused(&what, response, attempts).await);
        }
        let body = self.body(response, &what, attempts).await?;
        let TokenJson { token, access_token } = serde_json::from_slice(&body)
            .map_err(|_| self.answer(&what, "it is no JSON with a token".to_owned()))?;
        match [token, access_token].into_iter().flatten().find(|token| !token.is_empty()) {
            Some(token) => Ok(token),
            None => Err(self.answer(&what, "it holds no token".to_owned()).into()),
        }
    }

    async fn refused(&self, what: &str, response: Response, attempts: usize) -> Fault {
        let status = response.status();
        if !matches!(status.as_u16(), 400 | 404 | 405) {
            return self.failure(what, response, attempts).await;
        }
        // Servers of tokens say it in many ways that they do not know who asks.
        let (registry, what, login) =
            (self.name.registry.clone(), what.to_owned(), self.name.registry.clone());
        let words = words(response).await;
        let (status, tried) = (status.as_u16(), self.tried());
        Fault::Final(Error::Refused { registry, what, status, words, tried, login })
    }

    async fn body(&self, mut response: Response, what: &str, attempts: usize) -> Result<Vec<u8>, Fault> {
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.broken(what, error, attempts))? {
            if chunk.len() > MOST_TOKEN_BYTES - body.len() {
                let (registry, what) = (self.name.registry.clone(), what.to_owned());
                let most = MOST_TOKEN_BYTES as u64;
                return Err(Error::Limit { registry, what, limit: "token size", most }.into());
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    /// The realm's address, if what proves who asks may be sent there: over TLS, or on this machine where the registry
    /// is here too and speaks none.
    fn realm(&self, realm: &str) -> Result<Url, Error> {
        let refuse = |why: &str| Error::Realm {
            registry: self.name.registry.clone(),
            realm: crate::client::excerpt(realm),
            why: why.to_owned(),
        };
        let url = Url::parse(realm).map_err(|_| refuse("it is no address"))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(refuse("it holds credentials"));
        }
        match url.scheme() {
            "https" if url.has_host() => Ok(url),
            "http" if is_loopback(&url) && self.base.scheme() == "http" => Ok(url),
            "http" => Err(refuse("anybody on the way could read what is sent there")),
            _ => Err(refuse("it is no https address")),
        }
    }
}

fn query(mut url: Url, service: Option<&str>, scope: &str) -> Url {
    if let Some(service) = service {
        url.query_pairs_mut().append_pair("service", service);
    }
    url.query_pairs_mut().append_pair("scope", scope).append_pair("client_id", CLIENT_ID);
    url
}

/// `application/x-www-form-urlencoded`, which is what an address writes behind its question mark.
fn encoded(form: &[(&str, &str)]) -> String {
    let Ok(mut url) = Url::parse("http://form") else { return String::new() };
    url.query_pairs_mut().extend_pairs(form);
    url.query().unwrap_or_default().to_owned()
}

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

fn sensitive(text: String) -> HeaderValue {
    // Base64 is always fit for a header.
    let mut value = HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static(""));
    value.set_sensitive(true);
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_escaped() {
        assert_eq!(encoded(&[("a", "b c&d=e"), ("é", "+")]), "a=b+c%26d%3De&%C3%A9=%2B");
    }
}
