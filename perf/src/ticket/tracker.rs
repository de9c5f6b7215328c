//! The issues of a project, on GitLab or GitHub.

use std::{path::PathBuf, thread, time::Duration};

use serde_json::{Value, json};

use super::{
    Outcome,
    client::{Client, Error},
    text::Ticket,
};

/// On every ticket: what is looked through before one is opened.
pub const LABEL: &str = "stella-perf";

const PAGE: usize = 100;
const PAGES: u32 = 20;
/// How often one ticket is tried.
const ATTEMPTS: u32 = 3;
/// Before the second attempt; twice that before the third.
const PAUSE: Duration = Duration::from_secs(1);
/// The longest that is waited where the tracker says how long.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Where the issues are.
pub struct Tracker {
    kind: Kind,
    client: Client,
    /// The path of the project's issues.
    issues: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    GitLab,
    GitHub,
}

/// Where the run can be looked at.
pub fn run_address(variable: &dyn Fn(&str) -> Option<String>) -> Option<String> {
    let github = || {
        let [server, project, run] =
            ["GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_RUN_ID"].map(variable);
        Some(format!("{}/{}/actions/runs/{}", server?, project?, run?))
    };
    variable("CI_JOB_URL").or_else(github)
}

impl Tracker {
    /// The tracker that the CI's variables name.
    pub fn of(variable: &dyn Fn(&str) -> Option<String>) -> Result<Self, Error> {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        let authorities = set("STELLA_PERF_CA_FILE").map(PathBuf::from);
        let token = |token: Option<String>, missing: &'static str| {
            let token = token.ok_or(Error::Setting(missing))?;
            let token = token.trim().to_owned();
            if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
                return Err(Error::Setting("the token holds characters that no token has"));
            }
            Ok(token)
        };
        if let (Some(base), Some(project)) = (set("CI_API_V4_URL"), set("CI_PROJECT_ID")) {
            let token = token(
                set("STELLA_PERF_TOKEN"),
                "STELLA_PERF_TOKEN is not set (CI_JOB_TOKEN cannot open issues: GitLab gives job tokens no access to them)",
            )?;
            if !project.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(Error::Setting("CI_PROJECT_ID is no number"));
            }
            let client = Client::new(&base, vec![("PRIVATE-TOKEN", token)], authorities.as_deref())?;
            return Ok(Self { kind: Kind::GitLab, client, issues: format!("projects/{project}/issues") });
        }
        if let (Some(base), Some(project)) = (set("GITHUB_API_URL"), set("GITHUB_REPOSITORY")) {
            let token = token(
                set("STELLA_PERF_TOKEN").or_else(|| set("GITHUB_TOKEN")),
                "neither STELLA_PERF_TOKEN nor GITHUB_TOKEN is set",
            )?;
            let word = |part: &str| {
                !matches!(part, "" | "." | "..")
                    && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
            };
            if project.split('/').count() != 2 || !project.split('/').all(word) {
                return Err(Error::Setting("GITHUB_REPOSITORY is not OWNER/NAME"));
            }
            let headers = vec![
                ("Authorization", format!("Bearer {token}")),
                ("Accept", "application/vnd.github+json".to_owned()),
                ("X-GitHub-Api-Version", "2022-11-28".to_owned()),
            ];
            let client = Client::new(&base, headers, authorities.as_deref())?;
            return Ok(Self { kind: Kind::GitHub, client, issues: format!("repos/{project}/issues") });
        }
        Err(Error::Setting("no variables of GitLab's or GitHub's CI name a project"))
    }

    /// Opens a ticket unless it is open. What is tried again is the look and the opening together: an issue whose answer
    /// got lost is found, not opened twice.
    pub fn file(&self, ticket: &Ticket) -> Result<Outcome, Error> {
        let mut attempt = 1;
        loop {
            let error = match self.look_and_open(ticket) {
                Err(error) if attempt < ATTEMPTS => error,
                result => return result,
            };
            match error {
                Error::Limited(Some(wait)) if wait <= LONGEST_PAUSE => thread::sleep(wait),
                Error::Server(_) => thread::sleep(PAUSE * attempt),
                error => return Err(error),
            }
            attempt += 1;
        }
    }

    fn look_and_open(&self, ticket: &Ticket) -> Result<Outcome, Error> {
        match self.look(&ticket.marker)? {
            Some(number) => Ok(Outcome::WasOpen(number)),
            None => self.open(ticket),
        }
    }

    /// The open issue with this marker. Pages are counted here, no address of the server's is followed.
    fn look(&self, marker: &str) -> Result<Option<u64>, Error> {
        let state = match self.kind {
            Kind::GitLab => "opened",
            Kind::GitHub => "open",
        };
        for page in 1..=PAGES {
            let issues = self
                .client
                .get(&format!("{}?state={state}&labels={LABEL}&per_page={PAGE}&page={page}", self.issues))?;
            // A server may give fewer a page than it is asked for: the last page is the empty one.
            let issues = issues.as_array().ok_or(Error::Answer)?;
            if issues.is_empty() {
                return Ok(None);
            }
            for issue in issues {
                if self.text(issue)?.lines().any(|line| line.trim() == marker) {
                    return self.number(issue).map(Some);
                }
            }
        }
        Err(Error::Pages(PAGES))
    }

    fn open(&self, ticket: &Ticket) -> Result<Outcome, Error> {
        let body = match self.kind {
            Kind::GitLab => json!({"title": ticket.title, "description": ticket.body, "labels": LABEL}),
            Kind::GitHub => json!({"title": ticket.title, "body": ticket.body, "labels": [LABEL]}),
        };
        let issue = self.client.post(&self.issues, &body)?;
        let number = self.number(&issue)?;
        let labels = issue["labels"].as_array().ok_or(Error::Answer)?;
        let labelled = labels.iter().any(|label| label == LABEL || label["name"] == LABEL);
        Ok(if labelled { Outcome::Opened(number) } else { Outcome::OpenedWithoutLabel(number) })
    }

    fn number(&self, issue: &Value) -> Result<u64, Error> {
        let key = match self.kind {
            Kind::GitLab => "iid",
            Kind::GitHub => "number",
        };
        issue[key].as_u64().ok_or(Error::Answer)
    }

    /// The description; nothing where there is none, or where GitHub lists a pull request among the issues.
    fn text<'a>(&self, issue: &'a Value) -> Result<&'a str, Error> {
        let key = match self.kind {
            Kind::GitLab => "description",
            Kind::GitHub => "body",
        };
        match &issue[key] {
            Value::String(text) if issue["pull_request"].is_null() => Ok(text),
            Value::String(_) | Value::Null if issue.is_object() => Ok(""),
            _ => Err(Error::Answer),
        }
    }
}
