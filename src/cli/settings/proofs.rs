//! What may prove to a server who asks: of the CI platform, or a token, as `--identity` wants it.

use super::Environment;
use crate::{args::Identity, client::Proof, exit::Failure};

/// Where GitHub Actions gives its word, and the job's own token for that.
const ASK_AT: &str = "ACTIONS_ID_TOKEN_REQUEST_URL";
const ASK_WITH: &str = "ACTIONS_ID_TOKEN_REQUEST_TOKEN";

/// What proves to a server who asks, in the order in which it is tried.
pub fn of(identity: Identity, environment: &Environment) -> Result<Vec<Proof>, Failure> {
    let text = |name: &str| environment.text(name).map(str::to_owned);
    let word = match (text("STELLA_ID_TOKEN"), text(ASK_AT), text(ASK_WITH)) {
        (Some(word), ..) => Some(Proof::Word(word)),
        (None, Some(url), Some(token)) => Some(Proof::Asked { url, token }),
        (None, None, None) => None,
        // Half of what a platform says is no reason to ask as somebody else.
        (None, ..) if !matches!(identity, Identity::Auto | Identity::Oidc) => None,
        (None, url, _) => {
            let (there, missing) = if url.is_some() { (ASK_AT, ASK_WITH) } else { (ASK_WITH, ASK_AT) };
            return Err(Failure::usage(format!(
                "who asks cannot be proved: there is {there}, but no {missing}"
            ))
            .advise(
                "pass both on to the step, or ask with a token or nothing: --identity token, or anonymous",
            ));
        }
    };
    let token = text("STELLA_TOKEN").map(Proof::Token);
    let missing = |what, advice| {
        let name = if identity == Identity::Oidc { "oidc" } else { "token" };
        Failure::usage(format!("--identity {name} (STELLA_IDENTITY): there is {what}")).advise(advice)
    };
    match identity {
        Identity::Auto => Ok(word.into_iter().chain(token).collect()),
        Identity::Oidc => word.map(|word| vec![word]).ok_or_else(|| {
            missing(
                "no word of a CI platform",
                "GitHub gives it to a job with `permissions: id-token: write`, GitLab to one with `id_tokens: STELLA_ID_TOKEN`",
            )
        }),
        Identity::Token => token.map(|token| vec![token]).ok_or_else(|| {
            missing(
                "no token in STELLA_TOKEN",
                "set STELLA_TOKEN to a token of the server's, or ask without one: --identity anonymous, or auto where a CI platform's word counts too",
            )
        }),
        Identity::Anonymous => Ok(Vec::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asks_is_proved_as_the_caller_wants() {
        use Identity::{Anonymous, Auto, Oidc, Token};
        let word = [("STELLA_ID_TOKEN", "w"), ("STELLA_TOKEN", "")];
        let both = [
            ("STELLA_TOKEN", "t"),
            ("ACTIONS_ID_TOKEN_REQUEST_URL", "u"),
            ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "j"),
        ];
        for (identity, variables, want) in [
            (Auto, [].as_slice(), Some([].as_slice())),
            (Auto, &word, Some(&["oidc"])),
            (Auto, &both, Some(&["oidc", "token"])),
            // Nobody is anonymous, nor another, who wanted to say who it is.
            (Auto, &both[..2], None),
            (Auto, &both[2..], None),
            (Oidc, &both, Some(&["oidc"])),
            (Oidc, &both[1..2], None),
            (Oidc, &both[..1], None),
            (Token, &both[..2], Some(&["token"])),
            (Token, &word, None),
            (Anonymous, &both, Some(&[])),
        ] {
            let environment = variables.iter().map(|(name, value)| (name.into(), value.into())).collect();
            let kinds = of(identity, &environment).ok().map(|found| found.iter().map(Proof::kind).collect());
            assert_eq!(kinds, want.map(<[_]>::to_vec), "{identity:?} {variables:?}");
        }
    }
}
