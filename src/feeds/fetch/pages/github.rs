//! GitHub's advisories by GraphQL: `securityAdvisories` with the vulnerabilities of each, in the order in which they were
//! updated. <https://docs.github.com/en/graphql/reference/security-advisories>,
//! <https://docs.github.com/en/graphql/overview/rate-limits-and-query-limits-for-the-graphql-api>.

use std::time::Duration;

use jiff::{Timestamp, ToSpan as _};
use reqwest::{Url, header};
use serde_json::{Value, json};

use super::{Answered, Ask, Begun, Error, Fault, Form, Job, Page, headers};
use crate::feeds::{fetch::error::Passing, http::retry_after};

/// The variables of the token, the first that is set counts.
pub const TOKENS: [&str; 2] = ["STELLA_GITHUB_TOKEN", "GITHUB_TOKEN"];

/// One answer after the other.
pub const FORM: Form = Form { open: b"", between: b"\n", close: b"\n" };

/// Between two requests.
const PAUSE: Duration = Duration::from_millis(200);

/// Where it does not say how long it wants to be left alone.
const RATE_WINDOW: Duration = Duration::from_secs(60);

/// Bytes of a page with all that belongs to it; one has some hundred thousand.
const MOST_BYTES: u64 = 8 << 20;

/// What changed is asked for from so long before the newest that came: one may be seen later than it was updated.
const OVERLAP_HOURS: i64 = 2;

/// Pages of the vulnerabilities of one advisory.
const MOST_INNER_PAGES: usize = 100;

const ADVISORIES: &str = "query($after:String,$since:DateTime){securityAdvisories(first:100,after:$after,updatedSince:$since,\
    orderBy:{field:UPDATED_AT,direction:ASC}){pageInfo{hasNextPage endCursor}nodes{ghsaId summary severity updatedAt withdrawnAt \
    identifiers{value}cvssSeverities{cvssV3{vectorString}cvssV4{vectorString}}vulnerabilities(first:100){pageInfo{hasNextPage \
    endCursor}nodes{package{ecosystem name}vulnerableVersionRange firstPatchedVersion{identifier}}}}}}";

const VULNERABILITIES: &str = "query($id:String!,$after:String){securityAdvisory(ghsaId:$id){vulnerabilities(first:100,after:$after)\
    {pageInfo{hasNextPage endCursor}nodes{package{ecosystem name}vulnerableVersionRange firstPatchedVersion{identifier}}}}}";

/// What was updated since the newest that came.
pub fn window(until: &str, now: Timestamp) -> Option<String> {
    let until: Timestamp = until.parse().ok()?;
    Some(until.min(now).checked_sub(OVERLAP_HOURS.hours()).ok()?.to_string())
}

impl Job<'_> {
    pub(super) async fn github_page(&mut self, url: &Url, begun: &Begun) -> Result<Page, Fault> {
        if !begun.next.is_empty() {
            self.pause(url, PAUSE).await?;
        }
        let text = |text: &str| if text.is_empty() { Value::Null } else { text.into() };
        let variables = json!({ "after": text(&begun.next), "since": text(&begun.window) });
        let mut left_bytes = MOST_BYTES;
        let mut data = self.query(url, ADVISORIES, &variables, &mut left_bytes).await?;
        let wrong = |why: &str| Error::Answer { url: url.to_string(), why: why.to_owned() };
        let list = data.get_mut("securityAdvisories").ok_or_else(|| wrong("has no advisories"))?;
        let next = cursor(list, &begun.next).map_err(wrong)?;
        let Some(nodes) = nodes(list) else { return Err(wrong("has no advisories").into()) };
        nodes.retain(|node| !node.is_null());
        if nodes.is_empty() && next.is_some() {
            return Err(wrong("is an empty page, and says that there are more").into());
        }
        let mut until = begun.until.clone();
        for node in &mut *nodes {
            let time = node["updatedAt"].as_str().unwrap_or_default().to_owned();
            let id = node["ghsaId"].as_str().unwrap_or_default().to_owned();
            let updated: Option<Timestamp> = time.parse().ok();
            if updated.is_none() || id.is_empty() {
                return Err(wrong("has an advisory without an id or a time").into());
            };
            // All are of one form and in UTC, so the order of the texts is theirs.
            until = until.max(time);
            let Some(list) = node.get_mut("vulnerabilities") else {
                return Err(wrong("has an advisory without vulnerabilities").into());
            };
            self.rest(url, &id, list, &mut left_bytes).await?;
        }
        let first = nodes.first().and_then(|node| node["ghsaId"].as_str()).unwrap_or_default().to_owned();
        let total = begun.total + nodes.len() as u64;
        let records = if nodes.is_empty() {
            Vec::new()
        } else {
            let nodes = std::mem::take(nodes);
            json!({ "data": { "securityAdvisories": { "nodes": nodes } } }).to_string().into_bytes()
        };
        Ok(Page { records, first, next, until, total })
    }

    /// Adds the vulnerabilities of one advisory that are on further pages.
    async fn rest(
        &mut self,
        url: &Url,
        id: &str,
        list: &mut Value,
        left_bytes: &mut u64,
    ) -> Result<(), Fault> {
        let wrong = |why: &str| Error::Answer { url: url.to_string(), why: format!("{id}: {why}") };
        let mut next = cursor(list, "").map_err(wrong)?;
        let mut pages = 0;
        while let Some(after) = next {
            pages += 1;
            if pages > MOST_INNER_PAGES {
                return Err(wrong("has more pages of vulnerabilities than anybody wants").into());
            }
            self.pause(url, PAUSE).await?;
            let variables = json!({ "id": id, "after": after });
            let mut data = self.query(url, VULNERABILITIES, &variables, left_bytes).await?;
            let more = data.pointer_mut("/securityAdvisory/vulnerabilities");
            let more = more.ok_or_else(|| wrong("has no vulnerabilities"))?;
            next = cursor(more, &after).map_err(wrong)?;
            match (nodes(list), nodes(more)) {
                (Some(list), Some(more)) => list.append(more),
                _ => return Err(wrong("has no vulnerabilities").into()),
            }
        }
        if let Some(list) = list.as_object_mut() {
            list.remove("pageInfo"); // all of them are here
        }
        Ok(())
    }

    /// The `data` of one answer.
    async fn query(
        &mut self,
        url: &Url,
        query: &str,
        variables: &Value,
        left_bytes: &mut u64,
    ) -> Result<Value, Fault> {
        let Some(token) = self.fetcher.keys.github.clone() else {
            let why = format!("{url}: it answers nobody without a token: set {}", TOKENS.join(" or "));
            return Err(Error::Client(why).into());
        };
        let mut headers = headers(Some((header::AUTHORIZATION, format!("bearer {token}"))))?;
        headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
        let body = json!({ "query": query, "variables": variables }).to_string().into_bytes();
        let ask = Ask { url: url.clone(), headers, body: Some(body) };
        let mut answered = self.answer(&ask, *left_bytes).await?;
        *left_bytes -= answered.body.len() as u64;
        let after = wait(&answered);
        let passing = |after: Option<Duration>| Some(Passing { after, progress: false });
        if let Some(fault) = answered.refused.take() {
            let said: Option<Value> = serde_json::from_slice(&answered.body).ok();
            let said = said.as_ref().and_then(|said| said["message"].as_str());
            let error = said.map_or(fault.error, |text| answered.says(url, text));
            let passing = if after.is_some() { passing(after) } else { fault.passing };
            return Err(Fault { error, passing });
        }
        let wrong = |why: String| Error::Answer { url: url.to_string(), why };
        let mut answer: Value = serde_json::from_slice(&answered.body)
            .map_err(|error| Fault::passing(wrong(format!("is no answer to a query: {error}"))))?;
        if let Some(first) = answer["errors"].as_array().and_then(|errors| errors.first()) {
            let text = first["message"].as_str().unwrap_or("an error without a word");
            let is_rate = first["type"] == "RATE_LIMITED";
            let error = answered.says(url, text);
            let passing = if is_rate { passing(after.or(Some(RATE_WINDOW))) } else { None };
            return Err(Fault { error, passing });
        }
        Ok(answer.get_mut("data").map(Value::take).unwrap_or_default())
    }
}

/// What a list has.
fn nodes(list: &mut Value) -> Option<&mut Vec<Value>> {
    list.get_mut("nodes")?.as_array_mut()
}

/// How long it wants to be left alone: `Retry-After`, or until its count begins anew where nothing is left of it.
fn wait(answered: &Answered) -> Option<Duration> {
    retry_after(&answered.headers).or_else(|| {
        let is_used = answered.header("x-ratelimit-remaining")?.trim() == "0";
        let reset: i64 = answered.header("x-ratelimit-reset")?.trim().parse().ok()?;
        let seconds = u64::try_from(reset - Timestamp::now().as_second()).unwrap_or_default();
        is_used.then(|| Duration::from_secs(seconds.min(24 * 60 * 60)))
    })
}

/// Where the next page of a list begins.
fn cursor(list: &Value, before: &str) -> Result<Option<String>, &'static str> {
    let info = &list["pageInfo"];
    match (info["hasNextPage"].as_bool(), info["endCursor"].as_str()) {
        (Some(false), _) => Ok(None),
        (Some(true), Some(next)) if !next.is_empty() && next != before => Ok(Some(next.to_owned())),
        (Some(true), _) => Err("says that there is another page, and not where"),
        (None, _) => Err("does not say whether there is another page"),
    }
}
