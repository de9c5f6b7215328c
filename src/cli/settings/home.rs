//! Where a user's files are: as the XDG base directory specification has it, on Windows in the profile. Of the variables alone:
//! asking the system's databases for a user loads libraries into a program that is static.

use std::path::PathBuf;

use super::Environment;

/// The user's home; `None` where nothing says so.
pub fn home(environment: &Environment) -> Option<PathBuf> {
    directory(environment, if cfg!(windows) { "USERPROFILE" } else { "HOME" })
}

/// Where fragments are kept.
pub fn cache(environment: &Environment) -> Option<PathBuf> {
    ours(
        environment,
        if cfg!(windows) { ("LOCALAPPDATA", "AppData/Local") } else { ("XDG_CACHE_HOME", ".cache") },
    )
}

/// Where the advisories are.
pub fn data(environment: &Environment) -> Option<PathBuf> {
    ours(
        environment,
        if cfg!(windows) { ("APPDATA", "AppData/Roaming") } else { ("XDG_DATA_HOME", ".local/share") },
    )
}

/// The program's own in the directory of a variable, or in that of the home.
fn ours(environment: &Environment, (variable, of_home): (&str, &str)) -> Option<PathBuf> {
    let base = directory(environment, variable).or_else(|| Some(home(environment)?.join(of_home)));
    base.map(|base| base.join("stella"))
}

/// One that is relative would be another in each directory: it counts for none, as the specification says.
fn directory(environment: &Environment, variable: &str) -> Option<PathBuf> {
    environment.path(variable).filter(|path| path.is_absolute())
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn variables_say_where_and_else_the_home() {
        let of = |variables: &[(&str, &str)]| {
            let environment = variables
                .iter()
                .map(|(name, value)| ((*name).into(), (*value).into()))
                .collect::<Environment>();
            (cache(&environment), data(&environment), home(&environment))
        };
        let all = |texts: [Option<&str>; 3]| {
            let [cache, data, home] = texts.map(|text| text.map(PathBuf::from));
            (cache, data, home)
        };
        assert_eq!(of(&[]), all([None; 3]));
        assert_eq!(of(&[("HOME", "here"), ("XDG_CACHE_HOME", "there")]), all([None; 3]));
        assert_eq!(
            of(&[("HOME", "/h")]),
            all([Some("/h/.cache/stella"), Some("/h/.local/share/stella"), Some("/h")])
        );
        assert_eq!(
            of(&[("HOME", "/h"), ("XDG_CACHE_HOME", "/c"), ("XDG_DATA_HOME", "/d")]),
            all([Some("/c/stella"), Some("/d/stella"), Some("/h")])
        );
        assert_eq!(of(&[("XDG_CACHE_HOME", "/c")]), all([Some("/c/stella"), None, None]));
    }
}
