//! Histories as Docker 20.10's classic builder and buildah 1.28 wrote them for the Dockerfile here; those of BuildKit are
//! put together by its source (`frontend/dockerfile/dockerfile2llb/convert.go`).

use super::*;
use crate::image::{History, Platform};

const DOCKERFILE: &str = r#"# syntax=docker/dockerfile:1
ARG TAG=base
ARG UNUSED
FROM team/os:12 AS build
RUN echo build > /out.txt

FROM team/${TAG}:1 as mid
maintainer me <me@example.org>
LABEL a=b c="d e"
LABEL old style
ARG VERSION=1.0
ARG EMPTY
ENV FOO=bar BAZ="$FOO qux" V=$VERSION
ENV OLD style value
WORKDIR /srv/app
WORKDIR rel
RUN echo "$VERSION" > /v.txt && \
    # a comment
    echo two \
    three > /w.txt
RUN ["/bin/sh", "-c", "echo exec > /e.txt"]
COPY a.txt src/x /dest/
COPY --from=build /out.txt /out.txt
COPY --chown=1:1 a.txt /owned.txt
ADD a.txt b* /added/
EXPOSE 80 443/tcp
VOLUME /data /data2
VOLUME ["/json"]
USER 1000:1000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=5s CMD echo ok
SHELL ["/bin/bash", "-c"]
USER root
RUN echo bash > /b.txt
ONBUILD RUN echo x

FROM mid
WORKDIR /srv/final
ADD src /app
ENTRYPOINT ["/bin/x", "-v"]
CMD run it
HEALTHCHECK NONE
"#;

const CLASSIC: &[(bool, &str)] = &[
    (true, "/bin/sh -c #(nop) ADD file:c2bb990b in / "),
    (false, "/bin/sh -c #(nop)  CMD [\"bash\"]"),
    (true, "/bin/sh -c echo base > /base.txt"),
    (false, "/bin/sh -c #(nop)  ONBUILD RUN echo onbuild > /onbuild.txt"),
    (false, "/bin/sh -c #(nop)  ONBUILD COPY a.txt /onb/"),
    (false, "/bin/sh -c #(nop)  CMD [\"bash\"]"),
    (true, "/bin/sh -c echo onbuild > /onbuild.txt"),
    (true, "/bin/sh -c #(nop) COPY file:2cc6f752 in /onb/ "),
    (false, "/bin/sh -c #(nop)  MAINTAINER me <me@example.org>"),
    (false, "/bin/sh -c #(nop)  LABEL a=b c=d e"),
    (false, "/bin/sh -c #(nop)  LABEL old=style"),
    (false, "/bin/sh -c #(nop)  ARG VERSION=1.0"),
    (false, "/bin/sh -c #(nop)  ARG EMPTY"),
    (false, "/bin/sh -c #(nop)  ENV FOO=bar BAZ= qux V=2.0"),
    (false, "/bin/sh -c #(nop)  ENV OLD=style value"),
    (true, "/bin/sh -c #(nop) WORKDIR /srv/app"),
    (true, "/bin/sh -c #(nop) WORKDIR /srv/app/rel"),
    (true, "|1 VERSION=2.0 /bin/sh -c echo \"$VERSION\" > /v.txt &&     echo two     three > /w.txt"),
    (true, "|1 VERSION=2.0 /bin/sh -c echo exec > /e.txt"),
    (true, "/bin/sh -c #(nop) COPY multi:e5125b4c in /dest/ "),
    (true, "/bin/sh -c #(nop) COPY file:2d53e25b in /out.txt "),
    (true, "/bin/sh -c #(nop) COPY --chown=1:1file:2cc6f752 in /owned.txt "),
    (true, "/bin/sh -c #(nop) ADD multi:a6b8092a in /added/ "),
    (false, "/bin/sh -c #(nop)  EXPOSE 443/tcp 80"),
    (false, "/bin/sh -c #(nop)  VOLUME [/data /data2]"),
    (false, "/bin/sh -c #(nop)  VOLUME [/json]"),
    (false, "/bin/sh -c #(nop)  USER 1000:1000"),
    (false, "/bin/sh -c #(nop)  STOPSIGNAL SIGTERM"),
    (false, "/bin/sh -c #(nop)  HEALTHCHECK &{[\"CMD-SHELL\" \"echo ok\"] \"5s\" \"0s\" \"0s\" '\\x00'}"),
    (false, "/bin/bash -c #(nop)  SHELL [/bin/bash -c]"),
    (false, "/bin/bash -c #(nop)  USER root"),
    (true, "|1 VERSION=2.0 /bin/bash -c echo bash > /b.txt"),
    (false, "/bin/bash -c #(nop)  ONBUILD RUN echo x"),
    (false, "/bin/bash -c echo x"),
    (true, "/bin/bash -c #(nop) WORKDIR /srv/final"),
    (true, "/bin/bash -c #(nop) ADD dir:3c78f8b3 in /app "),
    (false, "/bin/bash -c #(nop)  ENTRYPOINT [\"/bin/x\" \"-v\"]"),
    (false, "/bin/bash -c #(nop)  CMD [\"/bin/bash\" \"-c\" \"run it\"]"),
    (false, "/bin/bash -c #(nop)  HEALTHCHECK &{[\"NONE\"] \"0s\" \"0s\" \"0s\" '\\x00'}"),
    (false, "/bin/bash -c #(nop)  LABEL by=cli"),
    (false, "/bin/bash -c #(nop)  LABEL x=y z"),
];

/// Of `buildah bud --layers`. Without it the layers are fewer, and the texts are the same.
const BUILDAH: &[(bool, &str)] = &[
    (true, "/bin/sh -c #(nop) ADD file:c2bb990b in / "),
    (false, "/bin/sh -c #(nop)  CMD [\"bash\"]"),
    (false, "/bin/sh -c echo base > /base.txt"),
    (false, "/bin/sh -c #(nop) ONBUILD RUN echo onbuild > /onbuild.txt"),
    (false, "/bin/sh -c #(nop) ONBUILD COPY a.txt /onb/"),
    (true, "/bin/sh -c #(nop) CMD [\"bash\"]"),
    (true, "/bin/sh -c echo onbuild > /onbuild.txt"),
    (true, "/bin/sh -c #(nop) COPY file:ce45aed3 in /onb/ "),
    (false, "/bin/sh -c #(nop) maintainer me <me@example.org>"),
    (false, "/bin/sh -c #(nop) LABEL a=b c=\"d e\""),
    (false, "/bin/sh -c #(nop) LABEL old style"),
    (false, "/bin/sh -c #(nop) ARG VERSION"),
    (false, "/bin/sh -c #(nop) ARG VERSION"),
    (false, "/bin/sh -c #(nop) ENV FOO=bar BAZ=\"$FOO qux\" V=$VERSION"),
    (false, "/bin/sh -c #(nop) ENV OLD style value"),
    (false, "/bin/sh -c #(nop) WORKDIR /srv/app"),
    (false, "/bin/sh -c #(nop) WORKDIR rel"),
    (true, "|1 VERSION=2.0 /bin/sh -c echo \"$VERSION\" > /v.txt &&     echo two     three > /w.txt"),
    (true, "|1 VERSION=2.0 /bin/sh -c [\"/bin/sh\", \"-c\", \"echo exec > /e.txt\"]"),
    (true, "/bin/sh -c #(nop) COPY multi:73dd1a8e in /dest/ "),
    (true, "/bin/sh -c #(nop) COPY file:1d559ac8 in /out.txt "),
    (true, "/bin/sh -c #(nop) COPY file:a88a0e58 in /owned.txt "),
    (true, "/bin/sh -c #(nop) ADD multi:cd5188f7 in /added/ "),
    (false, "/bin/sh -c #(nop) EXPOSE 80 443/tcp"),
    (false, "/bin/sh -c #(nop) VOLUME /data /data2"),
    (false, "/bin/sh -c #(nop) VOLUME [\"/json\"]"),
    (false, "/bin/sh -c #(nop) USER 1000:1000"),
    (false, "/bin/sh -c #(nop) STOPSIGNAL SIGTERM"),
    (false, "/bin/sh -c #(nop) HEALTHCHECK --interval=5s CMD echo ok"),
    (false, "/bin/sh -c #(nop) SHELL [\"/bin/bash\", \"-c\"]"),
    (false, "/bin/sh -c #(nop) USER root"),
    (true, "|1 VERSION=2.0 /bin/sh -c echo bash > /b.txt"),
    (false, "/bin/sh -c #(nop) ONBUILD RUN echo x"),
    (false, "/bin/sh -c #(nop) WORKDIR /srv/final"),
    (true, "/bin/sh -c #(nop) ADD dir:cd38b33c in /app "),
    (false, "/bin/sh -c #(nop) ENTRYPOINT [\"/bin/x\", \"-v\"]"),
    (false, "/bin/sh -c #(nop) CMD run it"),
    (false, "/bin/sh -c #(nop) HEALTHCHECK NONE"),
    (false, "/bin/sh -c #(nop) LABEL \"by\"=\"cli\""),
    (false, "/bin/sh -c #(nop) LABEL \"x\"=\"y z\""),
];

fn history(entries: &[(bool, &str)]) -> Vec<History> {
    let entry =
        |(layer, text): &(bool, &str)| History { created_by: (*text).to_owned(), empty_layer: !layer };
    entries.iter().map(entry).collect()
}

fn place(text: &str, target: Option<&str>, entries: &[(bool, &str)]) -> Result<Placed, Disagreement> {
    let layers = entries.iter().filter(|(layer, _)| *layer).count();
    Dockerfile::parse(text).unwrap().place(target, &platform(), &history(entries), layers)
}

fn platform() -> Platform {
    "linux/arm/v7".parse().unwrap()
}

/// `START-END` of each layer, `-` for none, behind the number of the base's and its name.
fn shown(text: &str, target: Option<&str>, entries: &[(bool, &str)]) -> String {
    let placed = match place(text, target, entries) {
        Ok(placed) => placed,
        Err(why) => return why.to_string(),
    };
    let lines = placed.layers.iter().map(|lines| match lines {
        None => "-".to_owned(),
        Some(Lines { start, end }) if start == end => start.to_string(),
        Some(Lines { start, end }) => format!("{start}-{end}"),
    });
    let from = placed.from.as_deref().unwrap_or("?");
    format!("{} of {from}: {}", placed.base_layers, lines.collect::<Vec<_>>().join(" "))
}

#[test]
fn the_classic_builder() {
    let want = "2 of team/base:1: - - 7 7 15 16 17-20 21 22 23 24 25 34 38 39";
    assert_eq!(shown(DOCKERFILE, None, CLASSIC), want);
    // A stage that others are built from, as an image of its own.
    let mid = &CLASSIC[..33];
    let want = "2 of team/base:1: - - 7 7 15 16 17-20 21 22 23 24 25 34";
    assert_eq!(shown(DOCKERFILE, Some("MID"), mid), want);
    assert_eq!(shown(DOCKERFILE, Some("1"), mid), want);
    assert_eq!(place(DOCKERFILE, None, mid), Err(Disagreement::Target("mid".to_owned())));
    assert_eq!(place(DOCKERFILE, Some("nosuch"), mid), Err(Disagreement::NoStage("nosuch".to_owned())));
}

#[test]
fn buildah() {
    let want = "2 of team/base:1: - - 7 7 17-20 21 22 23 24 25 34 39";
    assert_eq!(shown(DOCKERFILE, None, BUILDAH), want);
    // Without `--layers` a stage is one layer, on its last entry, whatever that is.
    let mut whole = BUILDAH.to_vec();
    whole.iter_mut().skip(6).for_each(|entry| entry.0 = false);
    for last in [32, 39] {
        whole[last].0 = true;
    }
    assert_eq!(shown(DOCKERFILE, None, &whole), "2 of team/base:1: - - 7-34 38-39");
    // `--squash` leaves nothing to compare.
    assert!(place(DOCKERFILE, None, &[(true, BUILDAH[39].1)]).is_err());
}

#[test]
fn buildkit() {
    let text = r#"ARG FROM=debian
FROM --platform=$BUILDPLATFORM ${FROM}:${RELEASE:-12} AS base
ARG A
RUN --mount=type=cache,target=/c \
  make \

  # within
  all

FROM base
WORKDIR /
RUN <<EOF
set -e
# not a comment of the Dockerfile
echo "$A"
EOF
RUN cat <<-'ONE' > /1 && cat <<TWO > /2
	RUN one
	ONE
two
TWO
RUN <<EOF
#!/bin/sh
EOF
COPY --link <<EOF x* ./conf.d/
FROM nothing
EOF
COPY --chmod=0644 [ "a b", "/c d/" ]
ONBUILD COPY . /src
ENTRYPOINT exec run
"#;
    let entries = [
        (true, "RUN /bin/sh -c debootstrap # buildkit"),
        (false, "CMD [\"bash\"]"),
        (false, "ARG A=1"),
        (true, "RUN |1 A=1 /bin/sh -c make   all # buildkit"),
        (false, "WORKDIR /"),
        (true, "RUN |1 A=1 /bin/sh -c set -e\n# not a comment of the Dockerfile\necho \"$A\"\n # buildkit"),
        (
            true,
            "RUN |1 A=1 /bin/sh -c cat <<-'ONE' > /1 && cat <<TWO > /2\n\tRUN one\nONE\ntwo\nTWO # buildkit",
        ),
        (true, "RUN |1 A=1 /bin/sh -c /dev/pipes/EOF # buildkit"),
        (true, "COPY x* <<EOF ./conf.d/ # buildkit"),
        (true, "COPY --chmod=0644 a b /c d/ # buildkit"),
        (false, "ENTRYPOINT [\"/bin/sh\" \"-c\" \"exec run\"]"),
    ];
    assert_eq!(shown(text, None, &entries), "1 of debian:12: - 4-8 12-16 17-21 22-24 25-27 28");
}

#[test]
fn where_the_base_ends() {
    let copy = (true, "COPY a /a # buildkit");
    let base = (true, "ADD rootfs.tar / # buildkit");
    for (text, entries, want) in [
        ("FROM scratch\nCOPY a /a", &[copy][..], "0 of scratch: 2"),
        ("FROM scratch\nCOPY a /a", &[base, copy], "it starts from scratch, and the image has more below"),
        ("FROM x\nCOPY a /a", &[copy], "no layer of the image is left for the one that it starts from"),
        ("FROM x\nCOPY a /a", &[base, copy], "1 of x: - 2"),
        (
            "FROM scratch\nADD rootfs.tar /",
            &[(true, "/bin/sh -c #(nop) ADD file:c2bb in / ")],
            "0 of scratch: 2",
        ),
        ("FROM x\nCOPY a /", &[base, copy], "line 2 is not what the image's history has there"),
        // Variables that only the build knows: an image by its form, or what could be a stage.
        ("ARG V\nFROM x:$V\nCOPY a /a", &[base, copy], "1 of ?: - 3"),
        ("ARG V\nFROM $V\nCOPY a /a", &[base, copy], "1 of ?: - 3"),
        ("ARG V\nFROM ${V:-$W} AS a\nFROM a\nCOPY a /a", &[base, copy], "1 of ?: - 4"),
        ("ARG V=1\nARG W=${V}2\nFROM x:${W:+y}$W${U:-z}\nCOPY a /a", &[base, copy], "1 of x:y12z: - 4"),
        ("FROM x AS a\nFROM a AS a\nCOPY a /a", &[base, copy], "1 of x: - 3"),
        // Nothing that agrees but its kind, and nothing at all.
        (
            "FROM x\nCOPY . .",
            &[base, (true, "/bin/sh -c #(nop) COPY dir:2cc6 in . ")],
            "it has no instruction whose text a history repeats",
        ),
        ("FROM x\nCOPY b /a", &[base, copy], "line 2 is not what the image's history has there"),
        ("FROM x", &[base, copy], "it has no instruction whose text a history repeats"),
        ("FROM x\nCOPY a /b", &[base, copy], "line 2 is not what the image's history has there"),
        ("FROM x\nCOPY a /a\nCMD a", &[base, copy], "line 3 is not what the image's history has there"),
        (
            "FROM x\nRUN b",
            &[base, (true, "/bin/sh -c a && b")],
            "line 2 is not what the image's history has there",
        ),
        // The mark of what is no command is told by the shell in front of it.
        (
            "FROM x\nSHELL [\"perl\"]\nRUN b",
            &[base, (false, "perl #(nop)  SHELL [perl]"), (true, "perl b")],
            "line 3 is not what the image's history has there",
        ),
        (
            "FROM x\nSHELL [\"perl\", \"-e\"]\nRUN b",
            &[base, (false, "SHELL [perl -e]"), (true, "RUN perl -e b # buildkit")],
            "1 of x: - 3",
        ),
        (
            "FROM x\nRUN b",
            &[
                base,
                (false, "SHELL [pwsh -Command $A = 'b';]"),
                (true, "RUN pwsh -Command $A = 'b'; b # buildkit"),
            ],
            "1 of x: - 2",
        ),
    ] {
        assert_eq!(shown(text, None, entries), want, "{text}");
    }
    let read = Dockerfile::parse("FROM x\nCOPY a /a").unwrap();
    assert_eq!(read.place(None, &platform(), &history(&[copy]), 2), Err(Disagreement::NoHistory));
    assert_eq!(read.place(None, &platform(), &[], 0), Err(Disagreement::NoHistory));
    let long = vec![copy; MAX_HISTORY + 1];
    let long = history(&long);
    let too_long = Err(Disagreement::TooLong(MAX_HISTORY + 1));
    assert_eq!(read.place(None, &platform(), &long, long.len()), too_long);
}

#[test]
fn texts_that_are_no_dockerfile() {
    for (text, want) in [
        ("", Error::NoStage),
        ("# only\n", Error::NoStage),
        ("ARG A=1\n", Error::NoStage),
        ("RUN a\nFROM x\n", Error::Order(1)),
        ("\nFROM\n", Error::Arguments(2)),
        ("FROM --platform=x\n", Error::Arguments(1)),
        ("FROM x\n\nroot:x:0:0\n", Error::Word(3)),
        ("FROM x\nRUN <<EOF\na\n", Error::HereDocument(2)),
        // Read by a builder that knows no here-documents it is none either: the first reason stands.
        ("FROM x\nRUN\n", Error::Arguments(2)),
    ] {
        assert_eq!(Dockerfile::parse(text), Err(want), "{text:?}");
        assert!(!want.to_string().contains("root"));
    }
    let large = format!("FROM x\n{}", "#".repeat(MAX_BYTES));
    assert_eq!(Dockerfile::parse(&large), Err(Error::Size(large.len())));
}

#[test]
fn lines_and_escapes() {
    let lines = |text: &str| -> Vec<(usize, usize)> {
        let read = Dockerfile::parse(text).unwrap();
        read.stages[0].instructions.iter().map(|found| (found.lines.start, found.lines.end)).collect()
    };
    assert_eq!(lines("\u{feff}FROM x\r\nRUN a \\  \r\n\r\n b\r\n# c\r\nCMD d\r\n"), [(2, 4), (6, 6)]);
    assert_eq!(lines("# escape=`\nFROM x\nRUN a \\\nRUN b `\n c\n"), [(3, 3), (4, 5)]);
    assert_eq!(lines("# a comment\n# escape=`\nFROM x\nRUN a \\\n b\n"), [(4, 5)]);
    assert_eq!(lines("FROM x\nRUN echo \\\\\nRUN b\n"), [(2, 2), (3, 3)]);
    assert_eq!(lines("FROM x\nRUN a \\\n"), [(2, 2)]);
    assert_eq!(lines("FROM x\nRUN echo $((1<<2)) <<<x a<<b\nRUN b\n"), [(2, 2), (3, 3)]);
    assert_eq!(lines("FROM x\nONBUILD RUN <<E\nRUN\nE\nUSER a"), [(2, 4), (5, 5)]);
    // What is no directive ends them.
    assert_eq!(lines("# syntax=x\n# check=y\n# escape=`\nFROM x\nRUN a `\n b\n"), [(5, 6)]);
    for end in ["# other=1\n", "# escape=\n", "#!x=1\n", "\n"] {
        assert_eq!(lines(&format!("{end}# escape=`\nFROM x\nRUN a \\\n b\n")), [(4, 5)], "{end:?}");
    }
}

#[test]
fn words_of_a_command() {
    let read = |text: &str| {
        let read = Dockerfile::parse(&format!("FROM x\n{text}")).unwrap();
        let found = &read.stages[0].instructions[0];
        let names: Vec<_> = found.documents.iter().map(|document| document.name.as_str()).collect();
        format!("{} {:?} {}", read.stages[0].instructions.len(), names, found.text)
    };
    for (text, want) in [
        ("RUN a << E\nx\nE", "1 [\"E\"] a << E"),
        ("RUN <<'A B' <<\\C\nA B\nC", "1 [\"A B\", \"C\"] <<'A B' <<\\C"),
        // Of the shell, not of the Dockerfile.
        ("RUN a \"b <<E\" 'c <<E' d\\ <<E", "1 [] a \"b <<E\" 'c <<E' d\\ <<E"),
        ("RUN echo $((1 << 2))\nRUN b", "2 [] echo $((1 << 2))"),
        ("RUN [\"a\", \"<<E\"]", "1 [] [\"a\", \"<<E\"]"),
        ("RUN --mount=type=bind,source=\"a b\" --x c --d", "1 [] c --d"),
        ("RUN --x -- --c", "1 [] --c"),
        ("LABEL --x=y", "1 [] --x=y"),
    ] {
        assert_eq!(read(text), want);
    }
}

#[test]
fn which_stage() {
    let base = (true, "ADD rootfs.tar / # buildkit");
    let copy = (true, "COPY a /a # buildkit");
    let cmd = (false, "CMD [\"a\"]");
    let twins = "FROM x AS a\nCOPY a /a\nCMD [\"a\"]\nFROM x AS b\nCOPY a /a\nCMD [\"a\"]\n";
    let both = "its last stage agrees with the image's history, and stage \"a\" does too";
    assert_eq!(shown(twins, None, &[base, copy, cmd]), both);
    assert_eq!(shown(twins, Some("b"), &[base, copy, cmd]), "1 of x: - 5");
    // A stage that the last one is built from says nothing else.
    assert_eq!(shown("FROM x AS a\nCOPY a /a\nFROM a", None, &[base, copy]), "1 of x: - 2");
    let platform =
        "ARG TARGETARCH\nARG V=$TARGETVARIANT\nFROM x AS at-arm-v7\nFROM at-$TARGETARCH-$V\nCOPY a /a";
    assert_eq!(shown(platform, None, &[base, copy]), "1 of x: - 5");
}

/// A `FROM` that names arguments: the image as BuildKit makes it, and whose default its version is.
#[test]
fn an_image_by_arguments() {
    let entries = [(true, "ADD rootfs.tar / # buildkit"), (true, "COPY a /a # buildkit")];
    for (arguments, from, want) in [
        ("ARG TAG=12.4", "debian:${TAG}", "debian:12.4 TAG 1"),
        ("ARG TAG=12.4", "debian:$TAG-slim", "debian:12.4-slim TAG 1"),
        ("ARG TAG=12.4", "debian:v${TAG}", "debian:v12.4 TAG 1"),
        ("ARG BASE=debian:12.4", "\"${BASE}\"", "debian:12.4 BASE 1"),
        ("ARG BASE=debian", "$BASE", "debian BASE 1"),
        ("ARG A=b \\\n  # c\n  TAG=12.4\nARG TAG", "debian:${TAG}", "debian:12.4 TAG 3"),
        ("ARG V=12\nARG TAG=${V}.4", "debian:${TAG}", "debian:12.4 TAG 2"),
        ("ARG TAG=1\nARG TAG=2", "debian:${TAG}", "debian:2 TAG 2"),
        // The version is the FROM's own.
        ("ARG REGISTRY=e.com:5000", "$REGISTRY/debian:12.4", "e.com:5000/debian:12.4"),
        ("ARG REGISTRY=e.com:5000", "$REGISTRY/debian", "e.com:5000/debian"),
        ("ARG KIND=slim", "debian:12.4-$KIND", "debian:12.4-slim"),
        ("ARG D=sha256:0", "debian:12@$D", "debian:12@sha256:0 D 1"),
        ("ARG TAG=12", "debian:$TAG@sha256:0", "debian:12@sha256:0"),
        ("ARG A", "a:$TARGETARCH", "a:arm"),
        // The word of a variable's own.
        ("ARG BASE", "${BASE-debian}", "debian BASE 2"),
        ("ARG BASE", "${BASE:-debian:12}", "debian:12 BASE 2"),
        ("ARG BASE=", "${BASE:-debian}", "debian BASE 2"),
        ("ARG BASE=a", "${BASE:-debian}", "a BASE 1"),
        ("ARG BASE=a", "${BASE-debian}", "a BASE 1"),
        ("ARG BASE=a", "${BASE:?wanted}", "a BASE 1"),
        ("ARG BASE=a", "${BASE:+x}", "x BASE 2"),
        ("ARG BASE=", "x${BASE:+y}", "x"),
        ("ARG BASE=", "x${BASE+y}", "xy"),
        ("ARG OTHER=debian:12", "${BASE:-${OTHER}}", "debian:12 BASE 2"),
        // Only the build knows.
        ("ARG BASE", "$BASE", "?"),
        ("ARG BASE", "${BASE:?wanted}", "?"),
        ("ARG BASE=a", "${BASE%b}", "?"),
        ("ARG BASE=a", "${BASE", "?"),
    ] {
        let placed = place(&format!("{arguments}\nFROM {from}\nCOPY a /a\n"), None, &entries).unwrap();
        let argument = placed.argument.map(|argument| format!(" {} {}", argument.name, argument.line));
        let shown = placed.from.as_deref().unwrap_or("?").to_owned() + &argument.unwrap_or_default();
        assert_eq!(shown, want, "{arguments} {from}");
    }
}

/// A `FROM` whose name only the build knows: an image, or the stage before it that did what the history has.
#[test]
fn a_name_of_the_build() {
    let base = (true, "ADD rootfs.tar / # buildkit");
    let (one, two) = ((true, "RUN /bin/sh -c one # buildkit"), (true, "RUN /bin/sh -c two # buildkit"));
    let (copy, paths) = ((true, "COPY a /a # buildkit"), (true, "COPY x /y # buildkit"));
    let unnamed = |line: usize| Disagreement::Unnamed(line).to_string();
    let stages = "ARG V\nFROM x AS a\nRUN one\nFROM y AS b\nRUN two\n";
    let end = "FROM $V\nCOPY a /a";
    let twins = format!("ARG V\nFROM x AS a\nRUN one\nFROM y AS b\nRUN one\n{end}");
    let of_a_stage = format!("ARG V\nFROM x AS a\nRUN one\nFROM a AS b\n{end}");
    let (plain, only_paths) = (format!("{stages}{end}"), format!("ARG V\nFROM x AS a\nCOPY $A $B\n{end}"));
    for (text, entries, want) in [
        (plain.as_str(), &[base, one, copy][..], "1 of x: - 3 7".to_owned()),
        (&plain, &[base, two, copy], "1 of y: - 5 7".to_owned()),
        (&plain, &[base, copy], "1 of ?: - 7".to_owned()),
        (&plain, &[base, one], "its last stage is not what was built; stage \"a\" agrees".to_owned()),
        (&plain, &[base, paths], "line 7 is not what the image's history has there".to_owned()),
        // Which of them, or whether it is one at all, is not certain.
        (&twins, &[base, one, copy], unnamed(6)),
        (&only_paths, &[base, paths, copy], unnamed(4)),
        (&only_paths, &[base, one, copy], "2 of ?: - - 5".to_owned()),
        // Two names of what is one.
        (&of_a_stage, &[base, one, copy], "1 of x: - 3 6".to_owned()),
        ("ARG V\nFROM x AS a\nENV A=b\nFROM $V\nCOPY a /a", &[base, copy], "1 of ?: - 5".to_owned()),
        // A stage that is told may start from another that is not.
        (
            "ARG V\nARG W\nFROM x AS a\nRUN one\nFROM $V AS b\nRUN two\nFROM $W\nCOPY a /a",
            &[base, one, two, copy],
            unnamed(7),
        ),
    ] {
        assert_eq!(shown(text, None, entries), want, "{text}");
    }
    let many: String = (0..40).map(|index| format!("FROM x AS s{index}\nRUN one\n")).collect();
    assert_eq!(shown(&format!("ARG V\n{many}{end}"), None, &[base, one, copy]), unnamed(82));
}

/// The only layer of a stage, on its last entry.
#[test]
fn whose_layer() {
    let base =
        [(true, "/bin/sh -c #(nop) ADD file:c2bb in / "), (false, "/bin/sh -c #(nop)  CMD [\"bash\"]")];
    let (run, copy) = ((false, "/bin/sh -c test"), (true, "/bin/sh -c #(nop) COPY file:2cc6 in /a "));
    let (classic, buildah) = ((false, "/bin/sh -c #(nop)  ENV A=b"), (false, "/bin/sh -c #(nop) ENV A=b"));
    for (more, want) in [
        (&[run, classic, copy][..], "1 of x: - 4"),
        (&[run, buildah, copy], "1 of x: - 2-4"),
        (&[run, (false, "ENV A=b"), (true, "COPY a /a # buildkit")], "1 of x: - 4"),
    ] {
        let entries = [&base[..], more].concat();
        assert_eq!(shown("FROM x\nRUN test\nENV A=b\nCOPY a /a", None, &entries), want);
    }
    let entries = [&base[..], &[run, copy]].concat();
    assert_eq!(shown("FROM x\nRUN test\nCOPY a /a", None, &entries), "1 of x: - -");
    let user = (true, "/bin/sh -c #(nop) USER b");
    for (text, more, together) in [
        ("FROM x\nCOPY a /a\nUSER b", &[(false, copy.1), user][..], &[][..]),
        ("FROM x\nRUN test\nCOPY a /a\nUSER b", &[run, (false, copy.1), user], &[1]),
    ] {
        assert_eq!(place(text, None, &[&base[..], more].concat()).unwrap().together, together);
    }
}

/// Values that name each other would double with each line.
#[test]
fn hostile_dockerfiles_are_bounded() {
    let mut text = "ARG A0=xxxxxxxxxxxxxxxx\n".to_owned();
    for index in 1..10_000 {
        text.push_str(&format!("ARG A{index}=$A{0}$A{0}\n", index - 1));
    }
    text.push_str("FROM x:$A9999\nCOPY a /a\n");
    assert_eq!(shown(&text, None, &[(true, "ADD x / "), (true, "COPY a /a")]), "1 of ?: - 10002");
    // Many stages, each of which would be tried; many labels, each of which could be of the command line.
    let mut text = "FROM x AS s0\n".to_owned();
    for index in 1..10_000 {
        text.push_str(&format!("FROM s{} AS s{index}\nLABEL a=b\n", index - 1));
    }
    assert!(place(&text, None, &[(true, "ADD x /"); MAX_HISTORY]).is_err());
    assert!(place(&text, None, &[(false, "LABEL a=b"); MAX_HISTORY][1..]).is_err());
    // Each of them may be meant by a name that only the build knows.
    text.push_str("FROM $UNKNOWN\nCOPY a /a\n");
    let mut entries = vec![(false, "LABEL a=b"); MAX_HISTORY];
    (entries[0], entries[MAX_HISTORY - 1]) = ((true, "ADD x /"), (true, "COPY a /a"));
    assert!(place(&text, None, &entries).is_err());
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(2_000))]
    /// No text and no history is a panic.
    #[test]
    fn whatever_is_written(
        pieces in proptest::collection::vec(proptest::sample::select(vec![
            "FROM ", "x", " AS ", "\n", "RUN ", "COPY ", "ONBUILD ", "<<", "<<-E", "E", "\"", "\\", "`", "# escape=`", "\\\n",
            "$", "{", "}", ":-", ":+", "[", "]", "\t", " ", "é", "LABEL ", "ARG ", "=", "--", "scratch", "/", "\u{feff}", "\r",
        ]), 0..40),
        entries in proptest::collection::vec(
            (proptest::bool::ANY, "(RUN|LABEL|ONBUILD|/bin/sh -c #.nop.)? ?(RUN|COPY)? ?[x/ ]{0,3}"),
            0..6,
        ),
    ) {
        let text = format!("FROM x\n{}", pieces.concat());
        if let Ok(read) = Dockerfile::parse(&text) {
            let history = history(&entries.iter().map(|(layer, text)| (*layer, text.as_str())).collect::<Vec<_>>());
            let layers = history.iter().filter(|entry| !entry.empty_layer).count();
            if let Ok(placed) = read.place(None, &platform(), &history, layers) {
                proptest::prop_assert_eq!(placed.layers.len(), layers);
                proptest::prop_assert!(placed.base_layers <= layers);
            }
        }
    }
}
