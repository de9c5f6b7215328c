//! Where a build's command line sends what it builds, and how that is taken out of it.

use std::{ffi::OsString, path::PathBuf};

use super::{
    Command,
    exporter::{Exporter, truth},
};
use crate::exit::Failure;

/// Where a build leaves what it built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// In the tool's own store, if anywhere.
    Store,
    /// In the engine, and nothing else would do.
    Load,
    /// In the registries that its names are of.
    Push,
    /// In an archive, as this scheme has it.
    Archive(&'static str, PathBuf),
    /// In a file or a directory, as no image.
    Elsewhere,
}

impl Command {
    /// Where the image is to go.
    pub fn output(&self) -> Result<Output, Failure> {
        let exporters = self.exporters()?;
        let file = |exporter: &Exporter| {
            let scheme = match exporter.kind.as_str() {
                "oci" => "oci-archive",
                "docker" => "docker-archive",
                _ => return None,
            };
            let is_archive = exporter.attribute("tar").is_none_or(|tar| truth(tar) == Some(true));
            let dest = exporter.attribute("dest").filter(|dest| is_archive && *dest != "-")?;
            Some(Output::Archive(scheme, dest.into()))
        };
        Ok(if self.switch("--push")? || exporters.iter().any(Exporter::pushes) {
            Output::Push
        } else if self.loads()? {
            Output::Load
        } else if exporters.is_empty() || exporters.iter().any(|exporter| exporter.kind == "image") {
            Output::Store
        } else {
            exporters.iter().find_map(file).unwrap_or(Output::Elsewhere)
        })
    }

    /// Whether it is to be in the engine, wherever else.
    pub fn loads(&self) -> Result<bool, Failure> {
        Ok(self.switch("--load")? || self.exporters()?.iter().any(Exporter::loads))
    }

    /// Takes away what pushes and what loads; files that are written beside stay, and so do the names. Gives how the image was to be
    /// written, for the exporter that takes their place.
    pub fn forget_output(&mut self) -> Result<String, Failure> {
        let names = if self.last("--tag").is_none() { self.names() } else { Vec::new() };
        let mut manner = String::new();
        let mut kept = Vec::new();
        for argument in std::mem::take(&mut self.arguments) {
            let exporter = argument.value_of("--output").map(exporter).transpose()?;
            let replaced = exporter.filter(|exporter| exporter.pushes() || exporter.loads());
            if let Some(exporter) = &replaced {
                manner.push_str(&exporter.manner());
            }
            if replaced.is_none() && !argument.is("--push") && !argument.is("--load") {
                kept.push(argument);
            }
        }
        self.arguments = kept;
        for name in names.iter().rev() {
            self.add("--tag", name);
        }
        Ok(manner)
    }

    /// Every `--output` of it.
    pub fn exporters(&self) -> Result<Vec<Exporter>, Failure> {
        self.values("--output").map(exporter).collect()
    }
}

fn exporter(text: &OsString) -> Result<Exporter, Failure> {
    let unreadable = || Failure::usage(format!("--output {}: no Unicode", text.display()));
    Exporter::parse(text.to_str().ok_or_else(unreadable)?)
}

#[cfg(test)]
mod tests {
    use super::{super::tests::command, *};

    #[test]
    fn what_comes_out_is_told() {
        for (line, output, names) in [
            ("docker build .", Output::Store, ""),
            ("docker build -t a --tag=b:1 -tc .", Output::Store, "a b:1 c"),
            ("docker buildx build --load -t a .", Output::Load, "a"),
            (
                "buildah bud -t docker:1 -t r.example:5000/oci:1 .",
                Output::Store,
                "docker:1 r.example:5000/oci:1",
            ),
            ("docker build -t oci:1 .", Output::Store, "oci:1"),
            ("docker buildx build --push=true -t a .", Output::Push, "a"),
            ("docker buildx build --push=1 -t a .", Output::Push, "a"),
            ("docker buildx build --push --push=false -t a .", Output::Store, "a"),
            ("docker buildx build -qo type=registry -t a .", Output::Push, "a"),
            ("docker buildx build -qotype=image,Push=t -qta .", Output::Push, "a"),
            ("docker buildx build -Dotype=registry -ta .", Output::Push, "a"),
            ("docker buildx build -qDo type=registry -ta .", Output::Push, "a"),
            ("docker buildx build --push -t --push=false .", Output::Push, "--push=false"),
            ("docker buildx build --push -f --push=false --label=--push=false -t a .", Output::Push, "a"),
            ("docker buildx build --push -t a -- --push=false", Output::Push, "a"),
            ("docker buildx build -D=false -ta --memory-swap -1 .", Output::Store, "a"),
            ("docker buildx build -o out -o type=registry -t a .", Output::Push, "a"),
            ("docker buildx build -o type=registry -t a .", Output::Push, "a"),
            ("docker buildx build -o type=image,\"name=a,b\",push=true .", Output::Push, "a b"),
            ("docker buildx build -o type=image,name=b,push=true -t a .", Output::Push, "a"),
            ("docker buildx build --output=type=docker .", Output::Load, ""),
            (
                "docker buildx build --output type=docker,dest=x.tar .",
                Output::Archive("docker-archive", "x.tar".into()),
                "",
            ),
            (
                "docker buildx build -o type=oci,dest=x.tar .",
                Output::Archive("oci-archive", "x.tar".into()),
                "",
            ),
            ("docker buildx build -o type=oci,dest=x,tar=false .", Output::Elsewhere, ""),
            ("docker buildx build -o out .", Output::Elsewhere, ""),
        ] {
            let command = command(line).unwrap();
            assert_eq!(
                (command.output().unwrap(), command.names().join(" ")),
                (output, names.to_owned()),
                "{line}"
            );
        }
    }

    #[test]
    fn only_what_publishes_is_replaced() {
        let line = "docker buildx build --push -o type=registry,compression=zstd --output=x -oy --load -t a --iidfile id .";
        let mut command = command(line).unwrap();
        assert_eq!(command.forget_output().unwrap(), ",compression=zstd");
        command.add("--output", "type=oci,dest=f.tar");
        let words: Vec<_> = command.words().into_iter().map(|word| word.into_string().unwrap()).collect();
        let kept = "docker buildx build --output=type=oci,dest=f.tar --output=x -oy -t a --iidfile id .";
        assert_eq!(words.join(" "), kept);
        assert_eq!(command.id_file(), Some("id".into()));
        assert_eq!(command.target(), None);
    }

    #[test]
    fn names_of_exporters_outlive_them() {
        for (line, names) in [
            ("docker buildx build -o type=docker,name=a .", "--tag=a "),
            ("docker buildx build -o type=image,\"name=a,b\",push=true .", "--tag=a --tag=b "),
            ("docker buildx build -o type=registry,name=b --tag=a .", "--tag=a "),
        ] {
            let mut command = command(line).unwrap();
            command.forget_output().unwrap();
            let words: Vec<_> = command.words().into_iter().map(|word| word.into_string().unwrap()).collect();
            assert_eq!(words.join(" "), format!("docker buildx build {names}."), "{line}");
        }
    }
}
