//! `stella layers`: the delta as a table; and the looks inside that tests and bug reports need.

use std::{collections::BTreeSet, io::Write, path::Path};

use stella::{
    api::MissingRequest,
    digest::Digest,
    inventory::{self, Inventory, LockFiles},
    layer::{Fragment, SCHEMA},
    report::plain,
};

use super::{
    analyse,
    args::{Debug, Layers},
    cache::Cache,
    client::{Client, USER_AGENT},
    exit::{Exit, Failure},
    image::{Attested, AttestedSbom, Opened, OpenedImage, open},
    log::Log,
    progress::Progress,
    settings::{self, Environment, File, SourceSettings},
};

/// Runs `stella layers`.
pub fn run(args: &Layers, log: Log, environment: &Environment) -> Result<Exit, Failure> {
    let source = source(args, &File::read(Path::new(""))?, environment)?;
    let opened = analyse::open(&source, log)?;
    let mut out = std::io::stdout().lock();
    for opened in &opened.images {
        let image = &opened.image;
        let bar = Progress::new(log).begin("asking which layers are known");
        let missing = missing(&source, opened, log)?;
        drop(bar);
        let mut print = || -> std::io::Result<()> {
            writeln!(out, "{} {}", image.digest(), image.platform)?;
            writeln!(out, "{:>3}  {:<71}  {:>11}  {:<4}  INSTRUCTION", "#", "DIFF ID", "SIZE", "")?;
            for (index, layer) in image.layers.iter().enumerate() {
                let size = layer.blob.as_ref().map_or("-".to_owned(), |blob| blob.size_bytes.to_string());
                let known = if missing.contains(&layer.diff_id) { "miss" } else { "hit" };
                let instruction = plain(&layer.instruction);
                let instruction: String = instruction.chars().take(80).collect();
                writeln!(out, "{index:>3}  {}  {size:>11}  {known:<4}  {instruction}", layer.diff_id)?;
            }
            Ok(())
        };
        if let Err(error) = print()
            && error.kind() != std::io::ErrorKind::BrokenPipe
        {
            return Err(Failure::unfinished(format!("stdout: {error}")));
        }
    }
    Ok(Exit::Pass)
}

fn source(args: &Layers, file: &File, environment: &Environment) -> Result<SourceSettings, Failure> {
    let image = settings::image(args.image.image.as_deref(), environment)?;
    SourceSettings::new(&image, &args.source, file, environment)
}

fn missing(source: &SourceSettings, opened: &OpenedImage, log: Log) -> Result<BTreeSet<Digest>, Failure> {
    let diff_ids: Vec<Digest> = opened.image.layers.iter().map(|layer| layer.diff_id).collect();
    if let Some(server) = &source.server {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Failure::unfinished(format!("no event loop: {error}")))?;
        let client = Client::new(server, USER_AGENT, log).map_err(Failure::usage)?;
        let request = MissingRequest { schema: SCHEMA, analyzer: source.limits.analyzer(), diff_ids };
        let answer = runtime.block_on(client.missing(&request)).map_err(Failure::unfinished)?;
        return Ok(answer.missing.into_iter().collect());
    }
    let open = |directory| Cache::open(directory, &source.limits).ok();
    let cache = source.cache.as_deref().and_then(open);
    let known =
        |diff_id| cache.as_ref().is_some_and(|cache| cache.fragment(diff_id, &source.limits).is_some());
    Ok(diff_ids.into_iter().filter(|diff_id| !known(*diff_id)).collect())
}

/// Runs `stella debug`. What an inventory misses is said on stderr.
pub fn debug(command: &Debug, log: Log, environment: &Environment) -> Result<Exit, Failure> {
    let (Debug::Listing(args) | Debug::Inventory(args) | Debug::Attested(args)) = command;
    let source = source(args, &File::default(), environment)?;
    let opened = open(&source.reference, &source.options).map_err(Failure::from)?;
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    let mut missed = BTreeSet::new();
    for image in &opened.images {
        let fragments = match command {
            Debug::Listing(_) | Debug::Inventory(_) => fragments(&source, &opened, image)?,
            Debug::Attested(_) => Vec::new(),
        };
        let fragments: Vec<&Fragment> = fragments.iter().collect();
        let lines: Vec<String> = match command {
            Debug::Listing(_) => lines(&inventory::listing(&fragments).map_err(|error| {
                Failure::unfinished(format!("{} ({}): {error}", source.text, image.image.platform))
            })?),
            Debug::Inventory(_) => {
                let lock_files = LockFiles::of(&image.image);
                let Inventory { packages, skipped, .. } =
                    analyse::inventory(&source, &opened, image, lock_files, &fragments)?;
                missed.extend(skipped);
                lines(&packages)
            }
            Debug::Attested(_) => attested(&opened, image),
        }?;
        for line in lines {
            writeln!(out, "{line}").map_err(|error| Failure::unfinished(format!("stdout: {error}")))?;
        }
    }
    out.flush().map_err(|error| Failure::unfinished(format!("stdout: {error}")))?;
    missed.iter().for_each(|skipped| log.skipped(skipped));
    Ok(if missed.is_empty() { Exit::Pass } else { Exit::Unfinished })
}

fn attested(opened: &Opened, image: &OpenedImage) -> Result<Vec<String>, Failure> {
    let Attested { sboms, skipped } = opened.attested_sboms(image, &[]).map_err(Failure::from)?;
    let platform = image.image.platform.to_string();
    let found = sboms.iter().map(|AttestedSbom { predicate_type, media_type, digest, bytes, .. }| {
        serde_json::json!({ "platform": platform, "predicate_type": predicate_type, "media_type": media_type,
            "digest": digest, "sbom": Digest::of(bytes), "size_bytes": bytes.len() })
    });
    let skipped = skipped.iter().map(
        |skipped| serde_json::json!({ "platform": platform, "skipped": skipped.what, "why": skipped.why }),
    );
    lines(&found.chain(skipped).collect::<Vec<_>>())
}

fn lines(rows: &[impl serde::Serialize]) -> Result<Vec<String>, Failure> {
    rows.iter().map(|row| serde_json::to_string(row).map_err(Failure::unfinished)).collect()
}

/// Every layer's fragment, read anew.
fn fragments(
    source: &SourceSettings,
    opened: &Opened,
    image: &OpenedImage,
) -> Result<Vec<Fragment>, Failure> {
    let diff_ids: BTreeSet<Digest> = image.image.layers.iter().map(|layer| layer.diff_id).collect();
    let wanted: Vec<Digest> = diff_ids.into_iter().collect();
    let analysed =
        opened.analyse(image, &wanted, &source.limits, source.threads, &()).map_err(Failure::from)?;
    let find = |diff_id| analysed.iter().find(|layer| layer.fragment.diff_id == diff_id);
    let layers = image.image.layers.iter();
    Ok(layers
        .map(|layer| {
            find(layer.diff_id).map_or_else(|| Fragment::unseen(layer.diff_id), |l| l.fragment.clone())
        })
        .collect())
}
