//! Which lock file of a checkout an image is built from.

use stella::dockerfile::{AtHand, Source};

/// Directories beside what an image is built from: what is asked for there counts only where the image's Dockerfile lies there
/// too, or copies it by name.
const BESIDE: [&str; 8] = ["doc", "docs", "example", "examples", "fixtures", "test", "testdata", "tests"];

/// Whether the image was built from a lock file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Copied {
    /// The Dockerfile copies it, or a directory that it is in.
    ByName,
    /// The Dockerfile copies everything that it is built from.
    WithAll,
    /// Nothing says so.
    Not,
    /// Nothing says so, and it lies [`BESIDE`].
    Beside,
}

/// The less, the likelier an image is built from a lock file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rank {
    /// Whether it was.
    pub copied: Copied,
    /// Directories to go up from the image's Dockerfile, and then down, to the file.
    way: (usize, usize),
}

/// The rank of each file for an image whose Dockerfile lies in the directory `near`, and which of its instructions have the file.
pub fn ranks<'a>(
    near: &str,
    files: impl Iterator<Item = &'a str>,
    sources: &[Source],
) -> Vec<(Rank, AtHand)> {
    let near: Vec<_> = parts(near).collect();
    let files: Vec<Vec<_>> = files.map(|file| parts(file).collect()).collect();
    let rank = |file: &Vec<_>| {
        let (up, down) = way(&near, file);
        Rank { copied: if is_beside(down) { Copied::Beside } else { Copied::Not }, way: (up, down.len()) }
    };
    let mut ranks: Vec<_> = files.iter().map(rank).collect();
    let mut at_hand = vec![AtHand::default(); files.len()];
    for source in sources {
        let copied = if source.is_all() { Copied::WithAll } else { Copied::ByName };
        for index in taken(source, &near, &files, &ranks) {
            ranks[index].copied = ranks[index].copied.min(copied);
            at_hand[index].add(source);
        }
    }
    ranks.into_iter().zip(at_hand).collect()
}

/// Positions of the files that a source of the Dockerfile names.
///
/// A path is one from the Dockerfile's directory, or from the next above it in which it names a file; where there is none, from
/// any other, because what is copied must be somewhere. Everything is what lies in or below the Dockerfile's directory, or in
/// one above it: what lies in one beside it is of another image as likely.
fn taken(source: &Source, near: &[&str], files: &[Vec<&str>], ranks: &[Rank]) -> Vec<usize> {
    let those = |are: &dyn Fn(usize, &[&str]) -> bool| -> Vec<usize> {
        files.iter().enumerate().filter(|(index, file)| are(*index, file)).map(|(index, _)| index).collect()
    };
    let is_beside_it = |index: usize| ranks[index].copied == Copied::Beside;
    if source.is_all() {
        return those(&|index, _| {
            let (up, down) = ranks[index].way;
            (up == 0 || down == 0) && !is_beside_it(index)
        });
    }
    let from = |context: &[&str]| {
        those(&|_, file| {
            let path = file.strip_prefix(context);
            path.and_then(|path| source.below(path)).is_some_and(|below| !is_beside(below))
        })
    };
    let contexts = (0..=near.len()).rev().map(|length| &near[..length]);
    contexts
        .map(from)
        .find(|taken| !taken.is_empty())
        .unwrap_or_else(|| those(&|index, file| source.ends(file) && !is_beside_it(index)))
}

/// Whether the way down to a file leads through a directory [`BESIDE`] what is built.
fn is_beside(down: &[&str]) -> bool {
    down.iter().any(|directory| BESIDE.contains(directory))
}

/// From a directory to a file: how many directories up, and which ones then down.
fn way<'p, 'a>(from: &[&str], file: &'p [&'a str]) -> (usize, &'p [&'a str]) {
    let directory = &file[..file.len().saturating_sub(1)];
    let shared = from.iter().zip(directory).take_while(|(a, b)| a == b).count();
    (from.len() - shared, &directory[shared..])
}

fn parts(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|part| !part.is_empty())
}

#[cfg(test)]
mod tests {
    use stella::dockerfile::{Dockerfile, Lines};

    use super::*;

    /// Files, the likeliest first, with whether a Dockerfile of these instructions in `near` copies them.
    fn ranked<'a>(near: &str, instructions: &str, files: &[&'a str]) -> Vec<(&'a str, Copied)> {
        let dockerfile = Dockerfile::parse(&format!("FROM a\n{instructions}\n")).unwrap();
        let ranks = ranks(near, files.iter().copied(), &dockerfile.sources(None));
        let mut ranked: Vec<_> = ranks.into_iter().zip(files).collect();
        ranked.sort_by_key(|((rank, _), file)| (*rank, *file));
        ranked.into_iter().map(|((rank, _), file)| (*file, rank.copied)).collect()
    }

    /// Those that are copied.
    fn copied<'a>(near: &str, instructions: &str, files: &[&'a str]) -> Vec<&'a str> {
        let ranked = ranked(near, instructions, files).into_iter();
        ranked.filter(|(_, copied)| *copied <= Copied::WithAll).map(|(file, _)| file).collect()
    }

    #[test]
    fn the_nearest_is_first() {
        let files = ["go.mod", "a/b/c/go.mod", "a/go.mod", "a/b/go.mod", "z/go.mod"];
        let ranked: Vec<_> = ranked("a/b", "RUN x", &files).into_iter().map(|(file, _)| file).collect();
        assert_eq!(ranked, ["a/b/go.mod", "a/b/c/go.mod", "a/go.mod", "go.mod", "z/go.mod"]);
    }

    #[test]
    fn a_copied_one_comes_before_a_nearer_one() {
        let files = ["package-lock.json", "web/package-lock.json"];
        for instructions in ["COPY web/package-lock.json ./", "COPY web /web\nCOPY . /app"] {
            assert_eq!(ranked("", instructions, &files)[0], (files[1], Copied::ByName), "{instructions}");
        }
        assert_eq!(ranked("", "COPY . /app", &files)[0], (files[0], Copied::WithAll));
    }

    #[test]
    fn what_merely_lies_around_is_not_copied() {
        let files = ["api/package-lock.json", "web/package-lock.json", "xapi/go.mod"];
        for (near, instructions, want) in [
            ("", "RUN npm install lodash@4", &[][..]),
            ("", "COPY --from=build /api /api", &[]),
            ("", "COPY <<EOF /api\nx\nEOF", &[]),
            ("", "ADD https://example.com/api/package-lock.json /", &[]),
            ("", "COPY main.js api", &[]),
            ("", "COPY api/package.json ./", &[]),
            ("", "RUN --mount=type=cache,target=api npm ci", &[]),
            ("", "RUN --mount=type=bind,from=api,target=/a npm ci", &[]),
            // A context is the Dockerfile's directory or one above it.
            ("api", "COPY . /app", &["api/package-lock.json"]),
            ("build", "COPY . /app", &[]),
            ("", "COPY *.json ./", &[]),
            ("", "COPY package*.json ./", &[]),
        ] {
            assert_eq!(copied(near, instructions, &files), want, "{instructions} in {near}");
        }
    }

    #[test]
    fn the_dockerfile_says_what_it_copies() {
        let files =
            ["api/package-lock.json", "web/package-lock.json", "x/api/package-lock.json", "xapi/go.mod"];
        for (near, instructions, want) in [
            ("", "COPY api/package-lock.json ./", &["api/package-lock.json"][..]),
            (
                "",
                "COPY [\"api/package.json\", \"./api/package-lock.json\", \"./\"]",
                &["api/package-lock.json"],
            ),
            ("", "COPY --chown=a:b api/package*.json ./", &["api/package-lock.json"]),
            ("", "COPY /api ../web/ /app/", &["api/package-lock.json", "web/package-lock.json"]),
            ("", "ADD ./api /app", &["api/package-lock.json"]),
            ("", "COPY ?pi/*.json /app", &["api/package-lock.json"]),
            ("", "COPY x /x", &["x/api/package-lock.json"]),
            (
                "",
                "RUN --mount=type=bind,source=api/package-lock.json,target=package-lock.json npm ci",
                &files[..1],
            ),
            (
                "",
                "RUN --mount=target=/src npm ci",
                &["api/package-lock.json", "web/package-lock.json", "xapi/go.mod", "x/api/package-lock.json"],
            ),
            // From a directory above, where there is none in the Dockerfile's own.
            ("build", "COPY api/package-lock.json ./", &["api/package-lock.json"]),
            ("x", "COPY api/package-lock.json ./", &["x/api/package-lock.json"]),
            ("x/api", "COPY package-lock.json ./", &["x/api/package-lock.json"]),
            // From a directory that the Dockerfile does not lie in.
            (
                "build",
                "COPY package-lock.json ./",
                &["api/package-lock.json", "web/package-lock.json", "x/api/package-lock.json"],
            ),
            ("build", "COPY go.mod ./", &["xapi/go.mod"]),
            // A variable may be any directories.
            ("", "COPY ${DIR}/go.mod ./", &["xapi/go.mod"]),
            ("x", "COPY $DIR/package-lock.json ./", &["x/api/package-lock.json"]),
            ("x", "COPY $DIR /app", &["x/api/package-lock.json"]),
        ] {
            assert_eq!(copied(near, instructions, &files), want, "{instructions} in {near}");
        }
    }

    #[test]
    fn what_a_stage_copies_is_for_those_that_need_it() {
        let files = ["api/go.mod", "web/go.mod"];
        for (last, want) in [
            ("FROM a", &[][..]),
            ("FROM API", &["api/go.mod"]),
            ("FROM a\nCOPY --from=web --link / /", &["web/go.mod"]),
            ("FROM a\nCOPY --from=1 / /", &["api/go.mod"]),
            ("FROM a\nRUN --mount=type=bind,from=web,target=/web x", &["web/go.mod"]),
            ("FROM both AS last\nFROM last", &files),
            ("ARG FROM=api\nFROM $FROM", &files),
            ("FROM a\nCOPY --from=image / /", &[]),
        ] {
            let stages =
                "FROM a AS api\nCOPY api /\nFROM a AS web\nCOPY web /\nFROM web AS both\nCOPY --from=api / /";
            assert_eq!(copied("", &format!("{stages}\n{last}"), &files), want, "{last}");
        }
    }

    #[test]
    fn what_is_copied_is_at_hand_from_there_on() {
        let text = "FROM a AS deps\nCOPY go.mod /\nFROM a AS base\nRUN x\nCOPY Cargo.lock /\nFROM base\nRUN x\n\
                    RUN --mount=source=poetry.lock,target=/x x\nRUN x\nCOPY yarn.lock /\nRUN x\nCOPY --from=deps / /\n";
        let dockerfile = Dockerfile::parse(text).unwrap();
        let files = ["go.mod", "Cargo.lock", "poetry.lock", "yarn.lock", "uv.lock"];
        let ranks = ranks("", files.into_iter(), &dockerfile.sources(None));
        let has = |line| -> Vec<_> {
            let lines = Lines { start: line, end: line };
            let has = ranks.iter().zip(files).filter(|((_, at_hand), _)| at_hand.is_for(lines));
            has.map(|(_, file)| file).collect()
        };
        // Of what nobody takes, nothing is said.
        assert_eq!(has(4), ["go.mod", "uv.lock"]);
        assert_eq!(has(5), ["go.mod", "Cargo.lock", "uv.lock"]);
        assert_eq!(has(8), ["go.mod", "Cargo.lock", "poetry.lock", "uv.lock"]);
        assert_eq!(has(9), ["go.mod", "Cargo.lock", "uv.lock"]);
        assert_eq!(has(11), ["go.mod", "Cargo.lock", "yarn.lock", "uv.lock"]);
    }

    #[test]
    fn what_lies_beside_is_for_what_lies_there_too() {
        for (near, instructions, file, is_copied) in [
            ("", "COPY . .", "docs/requirements.txt", false),
            ("service", "COPY . .", "service/tests/fixtures/old/package-lock.json", false),
            ("", "COPY service .", "service/tests/package-lock.json", false),
            ("", "COPY requirements.txt .", "docs/requirements.txt", false),
            ("", "COPY docs/requirements.txt .", "docs/requirements.txt", true),
            ("", "COPY docs .", "docs/requirements.txt", true),
            ("docs", "COPY . .", "docs/requirements.txt", true),
            ("docs/site", "COPY . .", "docs/requirements.txt", true),
            ("docs", "COPY . .", "docs/examples/requirements.txt", false),
            ("", "COPY . .", "latest/go.mod", true),
        ] {
            assert_eq!(
                !copied(near, instructions, &[file]).is_empty(),
                is_copied,
                "{instructions} {file} in {near}"
            );
        }
        assert_eq!(ranked("", "RUN x", &["docs/go.mod"]), [("docs/go.mod", Copied::Beside)]);
    }
}
