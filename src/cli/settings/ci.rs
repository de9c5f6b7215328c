//! What a CI platform says about the build that it runs: the image, where it knows one, and of what it was built.
//!
//! Variables as their documentation has them: GitHub "Variables reference"; GitLab "Predefined CI/CD variables", and for the
//! image what its own container scanning reads; Jenkins' Git and branch plugins; CircleCI "Built-in environment variables";
//! Azure "Use predefined variables"; Bitbucket "Variables and secrets"; Woodpecker and Drone "Environment variables";
//! Buildkite "Environment variables".

use stella::report::Build;

use super::Environment;

/// One platform and its variables. Of several the first that has a value counts.
struct Platform {
    name: &'static str,
    /// A variable that only it sets, and the value, where any other would be another platform's.
    mark: (&'static str, Option<&'static str>),
    commit: &'static [&'static str],
    branch: &'static [&'static str],
    pull_request: &'static [&'static str],
}

/// In the order in which they are asked: Woodpecker sets some variables of Drone and GitLab, Buildkite's agents run anywhere.
const PLATFORMS: [Platform; 10] = [
    Platform {
        name: "woodpecker",
        mark: ("CI", Some("woodpecker")),
        commit: &["CI_COMMIT_SHA"],
        branch: &["CI_COMMIT_SOURCE_BRANCH", "CI_COMMIT_BRANCH"],
        pull_request: &["CI_COMMIT_PULL_REQUEST"],
    },
    Platform {
        name: "drone",
        mark: ("DRONE", None),
        commit: &["DRONE_COMMIT_SHA"],
        branch: &["DRONE_SOURCE_BRANCH", "DRONE_BRANCH"],
        pull_request: &["DRONE_PULL_REQUEST"],
    },
    Platform {
        name: "gitlab",
        mark: ("GITLAB_CI", None),
        commit: &["CI_COMMIT_SHA"],
        branch: &["CI_MERGE_REQUEST_SOURCE_BRANCH_NAME", "CI_COMMIT_BRANCH"],
        pull_request: &["CI_MERGE_REQUEST_IID"],
    },
    Platform {
        name: "github",
        mark: ("GITHUB_ACTIONS", None),
        commit: &["GITHUB_SHA"],
        branch: &["GITHUB_HEAD_REF", "GITHUB_REF_NAME"],
        pull_request: &[],
    },
    Platform {
        name: "azure",
        mark: ("TF_BUILD", None),
        commit: &["BUILD_SOURCEVERSION"],
        branch: &["SYSTEM_PULLREQUEST_SOURCEBRANCH", "BUILD_SOURCEBRANCH"],
        pull_request: &["SYSTEM_PULLREQUEST_PULLREQUESTNUMBER", "SYSTEM_PULLREQUEST_PULLREQUESTID"],
    },
    Platform {
        name: "bitbucket",
        mark: ("BITBUCKET_BUILD_NUMBER", None),
        commit: &["BITBUCKET_COMMIT"],
        branch: &["BITBUCKET_BRANCH"],
        pull_request: &["BITBUCKET_PR_ID"],
    },
    Platform {
        name: "circleci",
        mark: ("CIRCLECI", None),
        commit: &["CIRCLE_SHA1"],
        branch: &["CIRCLE_BRANCH"],
        pull_request: &["CIRCLE_PULL_REQUEST"],
    },
    Platform {
        name: "buildkite",
        mark: ("BUILDKITE", None),
        commit: &["BUILDKITE_COMMIT"],
        branch: &["BUILDKITE_BRANCH"],
        pull_request: &["BUILDKITE_PULL_REQUEST"],
    },
    Platform {
        name: "jenkins",
        mark: ("JENKINS_URL", None),
        commit: &["GIT_COMMIT"],
        branch: &["CHANGE_BRANCH", "BRANCH_NAME", "GIT_BRANCH"],
        pull_request: &["CHANGE_ID"],
    },
    Platform { name: "other", mark: ("CI", None), commit: &[], branch: &[], pull_request: &[] },
];

/// A text, and the variable that has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// What is said.
    pub text: String,
    /// By what.
    pub by: String,
}

/// What the platform says; of what it says nothing, nothing. Any of it may be words of whoever opened a pull request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ci {
    /// The platform's name; `None` outside of any.
    pub platform: Option<&'static str>,
    /// The image that was built.
    pub image: Option<Said>,
    /// The commit that was built.
    pub commit: Option<Said>,
    /// The branch; of a pull request, the one that is to be merged.
    pub branch: Option<Said>,
    /// The number of the pull or merge request.
    pub pull_request: Option<Said>,
}

impl Ci {
    /// Asks the platform's variables.
    pub fn of(environment: &Environment) -> Self {
        let is_marked = |platform: &&Platform| {
            let (name, value) = platform.mark;
            environment.text(name).is_some_and(|found| value.is_none_or(|value| found == value))
        };
        let Some(platform) = PLATFORMS.iter().find(is_marked) else { return Self::default() };
        let first = |names: &[&str]| names.iter().find_map(|name| said(environment, name));
        Self {
            platform: Some(platform.name),
            image: if platform.name == "gitlab" { of_gitlab(environment) } else { None },
            commit: first(platform.commit),
            branch: first(platform.branch).map(|branch| without(branch, "refs/heads/")),
            pull_request: match platform.name {
                "github" => of_github(environment),
                // A word where there is none; an address with the number at its end.
                "buildkite" => first(platform.pull_request).filter(|number| number.text != "false"),
                "circleci" => first(platform.pull_request).map(last_part),
                _ => first(platform.pull_request),
            },
        }
    }

    /// What a report keeps of it.
    pub fn build(&self) -> Option<Build> {
        let text = |said: &Option<Said>| said.as_ref().map(|said| said.text.clone());
        Some(Build {
            platform: self.platform?.to_owned(),
            commit: text(&self.commit),
            branch: text(&self.branch),
            pull_request: text(&self.pull_request),
        })
    }
}

fn said(environment: &Environment, name: &str) -> Option<Said> {
    environment.text(name).map(|text| Said { text: text.to_owned(), by: name.to_owned() })
}

fn without(said: Said, prefix: &str) -> Said {
    let text = said.text.strip_prefix(prefix).unwrap_or(&said.text).to_owned();
    Said { text, ..said }
}

fn last_part(said: Said) -> Said {
    let text = said.text.rsplit('/').next().unwrap_or_default().to_owned();
    Said { text, ..said }
}

/// `refs/pull/NUMBER/merge` is what a pull request's build checks out.
fn of_github(environment: &Environment) -> Option<Said> {
    let said = said(environment, "GITHUB_REF")?;
    let number = said.text.strip_prefix("refs/pull/")?.split('/').next()?.to_owned();
    Some(Said { text: number, ..said })
}

/// The image that GitLab's own jobs would scan (`doc/development/integrations/secure.md` of gitlab-org/gitlab): one of a registry,
/// whatever lies in the checkout under its name.
fn of_gitlab(environment: &Environment) -> Option<Said> {
    let in_registry = |said: Said| Said { text: format!("registry:{}", said.text), ..said };
    if let Some(said) = said(environment, "DOCKER_IMAGE") {
        return Some(in_registry(said));
    }
    let tag = environment.text("CI_APPLICATION_TAG").or_else(|| environment.text("CI_COMMIT_SHA"))?;
    let repository = said(environment, "CI_APPLICATION_REPOSITORY").or_else(|| {
        let registry = said(environment, "CI_REGISTRY_IMAGE")?;
        let branch = environment.text("CI_COMMIT_REF_SLUG")?;
        Some(Said { text: format!("{}/{branch}", registry.text), ..registry })
    })?;
    Some(in_registry(Said { text: format!("{}:{tag}", repository.text), ..repository }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_platform_in_its_own_words() {
        let sha = "0123456789abcdef0123456789abcdef01234567";
        let cases: [(&str, &[(&str, &str)]); 9] = [
            (
                "github",
                &[
                    ("GITHUB_ACTIONS", "true"),
                    ("GITHUB_SHA", sha),
                    ("GITHUB_HEAD_REF", "b"),
                    ("GITHUB_REF", "refs/pull/7/merge"),
                    ("GITHUB_REF_NAME", "7/merge"),
                ],
            ),
            (
                "gitlab",
                &[
                    ("GITLAB_CI", "true"),
                    ("CI", "true"),
                    ("CI_COMMIT_SHA", sha),
                    ("CI_MERGE_REQUEST_SOURCE_BRANCH_NAME", "b"),
                    ("CI_MERGE_REQUEST_IID", "7"),
                ],
            ),
            (
                "jenkins",
                &[("JENKINS_URL", "x"), ("GIT_COMMIT", sha), ("CHANGE_BRANCH", "b"), ("CHANGE_ID", "7")],
            ),
            (
                "circleci",
                &[
                    ("CIRCLECI", "true"),
                    ("CIRCLE_SHA1", sha),
                    ("CIRCLE_BRANCH", "b"),
                    ("CIRCLE_PULL_REQUEST", "https://g.example/o/r/pull/7"),
                ],
            ),
            (
                "azure",
                &[
                    ("TF_BUILD", "True"),
                    ("BUILD_SOURCEVERSION", sha),
                    ("SYSTEM_PULLREQUEST_SOURCEBRANCH", "refs/heads/b"),
                    ("SYSTEM_PULLREQUEST_PULLREQUESTID", "7"),
                ],
            ),
            (
                "bitbucket",
                &[
                    ("BITBUCKET_BUILD_NUMBER", "1"),
                    ("BITBUCKET_COMMIT", sha),
                    ("BITBUCKET_BRANCH", "b"),
                    ("BITBUCKET_PR_ID", "7"),
                ],
            ),
            (
                "woodpecker",
                &[
                    ("CI", "woodpecker"),
                    ("DRONE", "true"),
                    ("CI_COMMIT_SHA", sha),
                    ("CI_COMMIT_SOURCE_BRANCH", "b"),
                    ("CI_COMMIT_BRANCH", "main"),
                    ("CI_COMMIT_PULL_REQUEST", "7"),
                ],
            ),
            (
                "drone",
                &[
                    ("DRONE", "true"),
                    ("DRONE_COMMIT_SHA", sha),
                    ("DRONE_SOURCE_BRANCH", "b"),
                    ("DRONE_PULL_REQUEST", "7"),
                ],
            ),
            (
                "buildkite",
                &[
                    ("BUILDKITE", "true"),
                    ("BUILDKITE_COMMIT", sha),
                    ("BUILDKITE_BRANCH", "b"),
                    ("BUILDKITE_PULL_REQUEST", "7"),
                ],
            ),
        ];
        for (platform, variables) in cases {
            let environment = variables.iter().map(|(name, value)| (name.into(), value.into())).collect();
            let ci = Ci::of(&environment);
            let [commit, branch, number] =
                [&ci.commit, &ci.branch, &ci.pull_request].map(|said| said.as_ref().unwrap().text.as_str());
            assert_eq!((ci.platform, commit, branch, number), (Some(platform), sha, "b", "7"));
        }
        assert_eq!(Ci::of(&Environment::default()), Ci::default());
        assert_eq!(Ci::of(&[("CI", "true"), ("CI_COMMIT_SHA", sha)].into()).commit, None);
        assert_eq!(
            Ci::of(&[("BUILDKITE", "true"), ("BUILDKITE_PULL_REQUEST", "false")].into()).pull_request,
            None
        );
    }

    #[test]
    fn the_image_that_gitlab_would_scan() {
        let image = |variables: &[(&str, &str)]| {
            let gitlab = [("GITLAB_CI", "true"), ("CI_COMMIT_SHA", "0123")];
            let environment =
                variables.iter().chain(&gitlab).map(|(name, value)| (name.into(), value.into())).collect();
            Ci::of(&environment).image.map(|said| said.text)
        };
        assert_eq!(image(&[]), None);
        assert_eq!(image(&[("CI_APPLICATION_REPOSITORY", "r/a")]), Some("registry:r/a:0123".into()));
        let of_project = [("CI_REGISTRY_IMAGE", "r/a"), ("CI_COMMIT_REF_SLUG", "main")];
        assert_eq!(image(&of_project), Some("registry:r/a/main:0123".into()));
        assert_eq!(
            image(&[("CI_APPLICATION_REPOSITORY", "r/a"), ("CI_APPLICATION_TAG", "1")]),
            Some("registry:r/a:1".into())
        );
        assert_eq!(
            image(&[("CI_APPLICATION_REPOSITORY", "r/a"), ("DOCKER_IMAGE", "b:2")]),
            Some("registry:b:2".into())
        );
    }
}
