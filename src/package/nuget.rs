//! .NET's `*.deps.json`, which lies beside a program and says what its host loads; the runtime configuration specification
//! of dotnet/sdk ("runtime-configuration-file.md").

use std::{collections::BTreeMap, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, IgnoredAny, MapAccess, Visitor},
};
use serde_json::value::RawValue;

use super::{
    Ecosystem, Error, Fact, Form, Package,
    count::{Count, Packages},
    entries::each,
    is_json_with, json,
};

/// By name, or by its keys.
pub(super) fn recognise(path: &str, head: &[u8]) -> bool {
    is_named(path) || is_json_with(head, &["\"runtimeTarget\"", "\"targets\""])
}

fn is_named(path: &str) -> bool {
    let end = path.get(path.len().saturating_sub(".deps.json".len())..);
    end.is_some_and(|end| end.eq_ignore_ascii_case(".deps.json"))
}

/// The two large maps stay text until it is known what of them counts.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Dependencies<'a> {
    runtime_target: Option<RuntimeTarget>,
    /// By target, then by library.
    #[serde(borrow)]
    targets: Option<&'a RawValue>,
    #[serde(borrow)]
    libraries: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct RuntimeTarget {
    name: Option<String>,
}

/// What a library brings for one target, by kind.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
struct Target {
    runtime: Assets,
    runtime_targets: Assets,
    native: Assets,
    resources: Assets,
}

impl Target {
    /// Whether it is more than a name among the dependencies.
    fn ships(&self) -> bool {
        [&self.runtime, &self.runtime_targets, &self.native, &self.resources]
            .into_iter()
            .any(|assets| assets.0)
    }
}

/// Whether there are files, by path, or `null`; `_._` is the name of a file that stands for none.
#[derive(Default)]
struct Assets(bool);

impl<'de> Deserialize<'de> for Assets {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self(false))
    }
}

impl<'de> Visitor<'de> for Assets {
    type Value = Self;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a map")
    }

    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self, A::Error> {
        let mut ships = false;
        while let Some((path, _)) = map.next_entry::<String, IgnoredAny>()? {
            ships |= !path.ends_with("_._");
        }
        Ok(Self(ships))
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
    match json(bytes).and_then(packages) {
        Err(error) if !is_named(path) && !error.is_limit() => Ok(None),
        packages => Ok(packages?.map(|packages| Fact::installed(Form::Nuget, packages))),
    }
}

/// `None` for a file without libraries, which is of another form.
fn packages(file: Dependencies<'_>) -> Result<Option<Packages>, Error> {
    let Some(libraries) = file.libraries else { return Ok(None) };
    let running = file.runtime_target.and_then(|target| target.name);
    let mut target = None;
    go_through(file.targets, |name, of_name: &RawValue| {
        if running.as_ref() == Some(&name) {
            target = Some(of_name);
        }
        Ok(())
    })?;
    let (mut ships, mut count) = (BTreeMap::new(), Count::default());
    go_through(target, |key, target: Target| {
        count.add(key.len())?;
        ships.insert(key, target.ships());
        Ok(())
    })?;
    let mut packages = Packages::default();
    go_through(Some(libraries), |key, Library { kind }| {
        let kind = kind.to_ascii_lowercase();
        if !ships.get(&key).copied().unwrap_or(true)
            || !matches!(&*kind, "package" | "project" | "runtimepack")
        {
            return Ok(());
        }
        let Some((name, version)) =
            key.split_once('/').filter(|(name, version)| !name.is_empty() && !version.is_empty())
        else {
            return Err(Error::Database(format!("library {key:?} is not NAME/VERSION")));
        };
        // Packs of the runtime are packages by the name after this.
        let name =
            if kind == "runtimepack" { name.strip_prefix("runtimepack.").unwrap_or(name) } else { name };
        packages.push(Package::new(Ecosystem::Nuget, name, version))
    })?;
    Ok(Some(packages))
}

/// Hands over each entry of a map, if it is there.
fn go_through<'a, V: Deserialize<'a>>(
    map: Option<&'a RawValue>,
    take: impl FnMut(String, V) -> Result<(), Error>,
) -> Result<(), Error> {
    let Some(map) = map else { return Ok(()) };
    let mut json = serde_json::Deserializer::from_str(map.get());
    each(take).deserialize(&mut json).map_err(|error| Error::Json(error.to_string()))
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
