//! `--print-settings`: each setting with its value and where that comes from.

use std::path::Path;

use stella::report::plain;

use super::{Advisories, Environment, File, GateSettings, file::NAME};
use crate::{
    args::Origins,
    client::shown,
    exit::Failure,
    output::{Format as _, Output, ReportFormat},
};

/// What a value is of that nobody set.
const DEFAULT: &str = "default";

/// A setting as it is printed.
struct Row {
    name: &'static str,
    /// Empty for none.
    value: String,
    from: String,
}

/// A table of all settings, one per line.
pub fn table(
    settings: &GateSettings,
    origins: &Origins,
    environment: &Environment,
) -> Result<String, Failure> {
    let file = File::read(Path::new(""))?;
    let keys = file.keys();
    let mut rows = rows(settings, origins, &keys);
    rows.sort_by_key(|row| row.name);
    let ci = &settings.ci;
    let said = [("commit", &ci.commit), ("branch", &ci.branch), ("pull request", &ci.pull_request)];
    let said = said.into_iter().filter_map(|(name, said)| {
        let said = said.as_ref()?;
        Some(Row { name, value: said.text.clone(), from: said.by.clone() })
    });
    rows.extend(said);
    rows.extend(of_others(settings, environment));
    let width = rows.iter().map(|row| row.name.len()).max().unwrap_or_default();
    let line = |row: Row| {
        let value = if row.value.is_empty() { "-" } else { &row.value };
        format!("{:width$}  {}  ({})\n", row.name, plain(value), plain(&row.from))
    };
    Ok(rows.into_iter().map(line).collect())
}

/// What is said by variables that other programs read too.
fn of_others(settings: &GateSettings, environment: &Environment) -> Vec<Row> {
    let first = |names: &[&'static str]| names.iter().copied().find(|name| environment.has(name));
    let row = |name, value: String, from: Option<&str>| Row {
        name,
        value,
        from: from.unwrap_or(DEFAULT).to_owned(),
    };
    let engine = &settings.source.options.engine;
    let host = engine.unknown.clone().or_else(|| engine.host.as_deref().map(shown)).unwrap_or_default();
    let mut rows = vec![
        row("engine", host, first(&["DOCKER_HOST", "DOCKER_CONTEXT"])),
        row("now", settings.now.to_string(), first(&["SOURCE_DATE_EPOCH"])),
    ];
    for (name, variables) in [
        ("proxy for https", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"].as_slice()),
        ("proxy for http", &["HTTP_PROXY", "http_proxy", "ALL_PROXY"]),
        ("no proxy for", &["NO_PROXY", "no_proxy"]),
    ] {
        let from = first(variables);
        let value = from.and_then(|name| environment.text(name)).map(shown).unwrap_or_default();
        rows.push(row(name, value, from));
    }
    rows
}

fn rows(settings: &GateSettings, origins: &Origins, in_file: &[String]) -> Vec<Row> {
    let GateSettings { source, base, .. } = settings;
    let row = |name: &'static str, value: String| {
        let of_file = || in_file.iter().any(|key| key == name).then(|| NAME.to_owned());
        let from = origins.get(name).map(str::to_owned).or_else(of_file);
        Row { name, value, from: from.unwrap_or_else(|| DEFAULT.to_owned()) }
    };
    let path = |path: Option<&Path>| path.map(|path| path.display().to_string()).unwrap_or_default();
    let flag = |is_set: bool| if is_set { "yes" } else { "no" }.to_owned();
    let list = |texts: Vec<String>| texts.join(", ");
    let image = Row {
        from: match (&settings.ci.image, origins.get("image")) {
            (Some(said), None) => said.by.clone(),
            (_, from) => from.unwrap_or(DEFAULT).to_owned(),
        },
        ..row("image", source.text.clone())
    };
    let policies = settings.policies.iter().map(|policy| policy.origin.clone()).collect::<Vec<_>>();
    let policy = if policies.is_empty() { vec!["standard".to_owned()] } else { policies };
    // Each of these two makes policies.
    let mut said = ["policy", "fail-on"].map(|name| row(name, String::new()).from).to_vec();
    said.retain(|from| from != DEFAULT);
    said.dedup();
    let said = if said.is_empty() { DEFAULT.to_owned() } else { said.join(", ") };
    let dockerfile = base.dockerfile.as_ref();
    vec![
        image,
        row(
            "advisories",
            match &settings.advisories {
                Advisories::Demo => "demo".to_owned(),
                Advisories::File(file) => path(Some(file)),
                Advisories::Nowhere => String::new(),
            },
        ),
        row("allow-skipped", list(settings.allow_skipped.clone())),
        row("base", base.image.as_ref().map(|(text, _)| text.clone()).unwrap_or_default()),
        row("ca", list(source.authorities.iter().map(|file| path(Some(file))).collect())),
        row("cache-dir", path(source.cache.as_deref())),
        row("deadline", format!("{} s", source.options.registry.deadline.as_secs())),
        row("dockerfile", path(dockerfile.map(|file| file.path.as_path()))),
        row("dockerfile-target", base.target.clone().unwrap_or_default()),
        row("fail-on", settings.fail_on.map(|severity| severity.as_str().to_owned()).unwrap_or_default()),
        row("identity", format!("{:?}", source.identity).to_ascii_lowercase()),
        row("limit", list(source.given_limits.clone())),
        row("max-wait", format!("{} s", source.max_wait.as_secs())),
        row("name", settings.name.clone().unwrap_or_default()),
        row("no-cache", flag(source.cache.is_none())),
        row("on-error", format!("{:?}", settings.on_error).to_ascii_lowercase()),
        row("output", list(settings.outputs.iter().map(output).collect())),
        row("platform", list(source.options.platforms.iter().map(ToString::to_string).collect())),
        Row { from: said, ..row("policy", list(policy)) },
        row("sbom-signer", list(settings.signers.iter().map(|signer| signer.file.clone()).collect())),
        row("server", source.server.as_ref().map(|server| shown(&server.url)).unwrap_or_default()),
        row("show-ignored", flag(settings.show_ignored)),
        row("threads", source.threads.to_string()),
        row("timings", flag(settings.timings)),
        row("verify", if settings.verify_all { "all" } else { "new" }.to_owned()),
    ]
}

/// A report as `-o` takes it.
fn output(output: &Output) -> String {
    let name = ReportFormat::NAMES.iter().find(|(_, format)| *format == output.format);
    let name = name.map(|(name, _)| *name).unwrap_or_default();
    match &output.file {
        Some(file) => format!("{name}={}", file.display()),
        None => name.to_owned(),
    }
}
