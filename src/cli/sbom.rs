//! `stella sbom`: what an image holds, as a document.

use std::path::Path;

use stella::{inventory::LockFiles, report::Run, sbom::Sbom};

use super::{
    analyse::{Analyser, Look, inventory, only_image, open},
    args, base,
    exit::{Exit, Failure},
    log::Log,
    name,
    output::{Output, SbomFormat},
    progress::Progress,
    settings::{self, BaseSettings, Environment, File, SourceSettings},
};

/// Writes every SBOM, then says what was not looked at. Where none can be made, one that an earlier run left is not taken for it.
pub fn run(args: &args::Sbom, log: Log, environment: &Environment) -> Result<Exit, Failure> {
    let outputs = Output::<SbomFormat>::parse_all(&args.output)?;
    write(args, &outputs, log, environment).inspect_err(|_| {
        for failure in outputs.iter().filter_map(|output| output.remove().err()) {
            log.error(&failure.message);
        }
    })
}

fn write(
    args: &args::Sbom,
    outputs: &[Output<SbomFormat>],
    log: Log,
    environment: &Environment,
) -> Result<Exit, Failure> {
    let file = File::read(Path::new(""))?;
    let image = settings::image(args.image.image.as_deref(), environment)?;
    let source = SourceSettings::new(&image, &args.source, &file, environment)?;
    let name = name::given(args.name.as_deref())?;
    let base_settings = BaseSettings::new(&args.base, &file)?;
    let now = settings::now(environment)?;
    let mut opened = open(&source, log)?;
    base::recognise(&base_settings, &source.options, &mut opened, log);
    let image = only_image(&opened)?;
    if source.server.is_some() {
        log.note("the server is not asked: an SBOM is made on this machine");
    }
    let fragments = match opened.inventory() {
        Some(_) => None,
        None => {
            let progress = Progress::new(log);
            let mut skipped = image.skipped.clone();
            skipped.extend_from_slice(&opened.skipped);
            let look = Look {
                source: &source,
                verify_all: false,
                opened: &opened,
                image,
                skipped: &skipped,
                progress: &progress,
            };
            let mut run = Run::default();
            let fragments = Analyser::new(&source).fragments(&look, &mut run)?;
            for note in &run.notes {
                log.note(note);
            }
            Some(fragments)
        }
    };
    let stack = fragments.as_ref().map(|fragments| fragments.stack(&image.image)).unwrap_or_default();
    let lock_files = if args.rootfs { LockFiles::Reported } else { LockFiles::of(&image.image) };
    let inventory = inventory(&source, &opened, image, lock_files, &stack)?;
    let reference = name::reference(&name::called(name.as_deref(), &opened).name, &source.text);
    let sbom = Sbom { reference, image: image.image.clone(), inventory };
    let mut unwritten = Vec::new();
    for output in outputs {
        unwritten.extend(output.write(|out| output.format.write(&sbom, None, now, out)).err());
    }
    for failure in &unwritten {
        log.error(&failure.message);
    }
    let mut missed: Vec<_> = sbom.inventory.skipped.iter().collect();
    missed.retain(|skipped| !args.allow_skipped.iter().any(|allowed| skipped.is_meant(allowed)));
    for skipped in &missed {
        log.skipped(skipped);
    }
    if missed.is_empty() && unwritten.is_empty() {
        return Ok(Exit::Pass);
    }
    if !missed.is_empty() {
        let mut names: Vec<_> = missed.iter().map(|skipped| skipped.name.as_str()).collect();
        names.dedup();
        log.error(format_args!(
            "SBOM INCOMPLETE: {} was not looked at in full, which the SBOM says; allow it by name with --allow-skipped {}",
            source.text,
            names.join(",")
        ));
    }
    Ok(Exit::Unfinished)
}
