//! .NET's `*.deps.json`, which lies beside a program and says what its host loads; the runtime configuration specification
//! of dotnet/sdk ("runtime-configuration-file.md").

use std::collections::BTreeMap;

use serde::{Deserialize, de::IgnoredAny};

use super::{Ecosystem, Error, Fact, Form, Package, is_json_with, json};

/// By name, or by its keys.
pub(super) fn recognise(path: &str, head: &[u8]) -> bool {
    is_named(path) || is_json_with(head, &["\"runtimeTarget\"", "\"targets\""])
}

fn is_named(path: &str) -> bool {
    let end = path.get(path.len().saturating_sub(".deps.json".len())..);
    end.is_some_and(|end| end.eq_ignore_ascii_case(".deps.json"))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Dependencies {
    runtime_target: Option<RuntimeTarget>,
    #[serde(default)]
    targets: BTreeMap<String, BTreeMap<String, Target>>,
    libraries: Option<BTreeMap<String, Library>>,
}

#[derive(Deserialize)]
struct RuntimeTarget {
    name: Option<String>,
}

type Assets = Option<BTreeMap<String, IgnoredAny>>;

/// What a library brings for one target, by kind.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Target {
    runtime: Assets,
    runtime_targets: Assets,
    native: Assets,
    resources: Assets,
}

impl Target {
    /// Whether it is more than a name among the dependencies; `_._` is the name of a file that stands for none.
    fn ships(&self) -> bool {
        let real = |path: &String| !path.ends_with("_._");
        [&self.runtime, &self.runtime_targets, &self.native, &self.resources]
            .into_iter()
            .any(|assets| assets.as_ref().is_some_and(|assets| assets.keys().any(real)))
    }
}

#[derive(Deserialize)]
struct Library {
    #[serde(rename = "type", default)]
    kind: String,
}

/// Reads the packages, projects and packs of the runtime that bring files for the target that runs. Of those that this
/// target does not describe nothing says that they bring none.
pub(super) fn read(path: &str, bytes: &[u8]) -> Result<Option<Fact>, Error> {
    match json::<Dependencies>(bytes).and_then(packages) {
        Err(_) if !is_named(path) => Ok(None),
        packages => Ok(packages?.map(|packages| Fact::installed(Form::Nuget, packages))),
    }
}

/// `None` for a file without libraries, which is of another form.
fn packages(file: Dependencies) -> Result<Option<Vec<Package>>, Error> {
    let Some(libraries) = file.libraries else { return Ok(None) };
    let name = file.runtime_target.and_then(|target| target.name);
    let target = name.and_then(|name| file.targets.get(&name));
    let ships = |key: &String| target.and_then(|target| target.get(key)).is_none_or(Target::ships);
    let mut packages = Vec::new();
    for (key, library) in libraries.iter().filter(|(key, _)| ships(key)) {
        let kind = library.kind.to_ascii_lowercase();
        if !matches!(kind.as_str(), "package" | "project" | "runtimepack") {
            continue;
        }
        let Some((name, version)) =
            key.split_once('/').filter(|(name, version)| !name.is_empty() && !version.is_empty())
        else {
            return Err(Error::Json(format!("library {key:?} is not NAME/VERSION")));
        };
        // Packs of the runtime are packages by the name after this.
        let name =
            if kind == "runtimepack" { name.strip_prefix("runtimepack.").unwrap_or(name) } else { name };
        packages.push(Package::new(Ecosystem::Nuget, name, version));
    }
    Ok(Some(packages))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> Vec<String> {
        let Ok(Some(Fact::Installed { packages, .. })) = read("", text.as_bytes()) else { panic!("{text}") };
        packages.iter().map(|package| format!("{} {}", package.name, package.version)).collect()
    }

    #[test]
    fn what_brings_files_for_the_target_that_runs() {
        let text = |running: &str| {
            format!(
                r#"{{"runtimeTarget": {{"name": "{running}", "signature": ""}}, "targets": {{"net8": {{}}, "net8/linux-x64": {{
                "app/1.0.0": {{"dependencies": {{"A": "1"}}, "runtime": {{"app.dll": {{}}}}}},
                "A/1.0": {{"runtime": {{"lib/a.dll": {{}}}}}},
                "N/1.0": {{"runtimeTargets": {{"runtimes/n.so": {{}}}}}},
                "L/1.0": {{"resources": {{"lib/de/l.resources.dll": {{"locale": "de"}}}}}},
                "Meta/1.0": {{"dependencies": {{"A": "1.0"}}}},
                "Empty/1.0": {{"runtime": {{"lib/netstandard1.0/_._": {{}}}}}},
                "runtimepack.Microsoft.NETCore.App.Runtime.linux-x64/8.0.0": {{"native": {{"libclrjit.so": {{}}}}}}}}}},
                "libraries": {{"app/1.0.0": {{"type": "project"}}, "A/1.0": {{"type": "package", "sha512": ""}},
                "N/1.0": {{"type": "package"}}, "L/1.0": {{"type": "package"}}, "Meta/1.0": {{"type": "package"}},
                "Empty/1.0": {{"type": "package"}}, "R/1.0.0.0": {{"type": "reference"}}, "Far/1.0": {{"type": "package"}},
                "runtimepack.Microsoft.NETCore.App.Runtime.linux-x64/8.0.0": {{"type": "runtimepack"}}}}}}"#
            )
        };
        let shipped = [
            "A 1.0",
            "Far 1.0",
            "L 1.0",
            "Microsoft.NETCore.App.Runtime.linux-x64 8.0.0",
            "N 1.0",
            "app 1.0.0",
        ];
        assert_eq!(told(&text("net8/linux-x64")), shipped);
        assert_eq!(told(&text("net9")).len(), shipped.len() + 2);
        assert!(recognise("x/any", text("net8").as_bytes()));
    }

    #[test]
    fn of_another_form() {
        assert_eq!(read("a.deps.json", b"{}"), Ok(None));
        for broken in [
            "",
            "[]",
            r#"{"libraries": {"a": {"type": "package"}}}"#,
            r#"{"libraries": {"/1": {"type": "package"}}}"#,
        ] {
            assert!(read("a.deps.json", broken.as_bytes()).is_err(), "{broken}");
        }
    }
}
