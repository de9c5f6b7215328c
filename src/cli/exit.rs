//! Exit codes: a documented contract.

use std::process::ExitCode;

/// How the program ends. Every report is written before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exit {
    /// 0: the gate passed (warnings allowed), or the command did its work.
    Pass,
    /// 1: the policy says no; the last lines on stderr say which rule and which findings.
    Fail,
    /// 2: the call is wrong: flags, configuration, policy file.
    Usage,
    /// 3: could not finish, or could not look. Never a silent pass.
    Unfinished,
    /// The code of a build that failed, so that nothing was gated; never 0.
    Build(u8),
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Pass => Self::SUCCESS,
            Exit::Fail => Self::from(1),
            Exit::Usage => Self::from(2),
            Exit::Unfinished => Self::from(3),
            Exit::Build(code) => Self::from(code),
        }
    }
}

/// An error on its way out: what went wrong, the way out for the user, and the exit code it means.
#[derive(Debug)]
pub struct Failure {
    /// [`Exit::Usage`] or [`Exit::Unfinished`].
    pub exit: Exit,
    /// What went wrong and where.
    pub message: String,
    /// What to do about it; empty where the message says it.
    pub advice: String,
}

impl Failure {
    /// The call is wrong.
    pub fn usage(message: impl ToString) -> Self {
        Self { exit: Exit::Usage, message: message.to_string(), advice: String::new() }
    }

    /// The work could not be finished.
    pub fn unfinished(message: impl ToString) -> Self {
        Self { exit: Exit::Unfinished, message: message.to_string(), advice: String::new() }
    }

    /// Adds what to do about it.
    pub fn advise(mut self, advice: impl ToString) -> Self {
        self.advice = advice.to_string();
        self
    }
}

impl From<super::image::Error> for Failure {
    fn from(error: super::image::Error) -> Self {
        if let super::image::Error::Ambiguous { .. } = error {
            return Self::usage(error);
        }
        let failure = Self::unfinished(&error);
        match error.way_out() {
            Some(way) => failure.advise(format!("an image that is meant to be so: {way}")),
            None => failure,
        }
    }
}

impl From<super::remote::Error> for Failure {
    fn from(error: super::remote::Error) -> Self {
        match error {
            super::remote::Error::Image(error) => error.into(),
            other => Self::unfinished(other),
        }
    }
}
