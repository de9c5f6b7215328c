//! Which layers are the base image's, and which lines made the others: the surest that can be told, for each image that is
//! gated.
//!
//! Findings say `base` or `app` by it and no verdict depends on it, so that whatever cannot be told here is said and ends
//! nothing: a base image that has moved on, or cannot be had, is everyday in a pipeline.

use stella::{
    api::ImageClaim,
    base::{self, Base, By},
    dockerfile::{self, Disagreement, Lines, Placed},
    image::Image,
    report::Written,
};

use super::{
    image::{self, Opened, OpenedImage, Options, Reference},
    log::Log,
    progress::Progress,
    settings::{BaseSettings, Dockerfile},
};

/// Finds the base of each opened image; where nothing surer is known, what its history reads stays.
pub fn recognise(settings: &BaseSettings, options: &Options, opened: &mut Opened, log: Log) {
    // Without layers of its own, such as an SBOM's, it says itself what it knows.
    if opened.inventory().is_some() {
        let dockerfile = settings.dockerfile.as_ref().filter(|file| file.given).map(|_| "--dockerfile");
        for option in dockerfile.into_iter().chain(settings.image.as_ref().map(|_| "--base")) {
            log.warn(format_args!(
                "{option} has no effect: an SBOM says itself which layers are the base image's"
            ));
        }
        return;
    }
    if let (Some(target), None) = (&settings.target, &settings.dockerfile) {
        log.warn(format_args!(
            "--dockerfile-target {target} has no effect: no Dockerfile is at hand; give one with --dockerfile"
        ));
    }
    let found: Vec<(Option<Base>, Vec<Option<Written>>)> = opened
        .images
        .iter()
        .map(|opened_image| {
            let image = &opened_image.image;
            let placed = placed(settings, opened_image, log);
            let base = named(settings, image, options, log)
                .or_else(|| placed.as_ref().map(|placed| by_dockerfile(placed, image)))
                .or_else(|| by_annotations(opened, image, options, log));
            let written =
                settings.dockerfile.as_ref().zip(placed).map(|(file, placed)| written(file, &placed));
            (base, written.unwrap_or_default())
        })
        .collect();
    for (opened, (base, written)) in opened.images.iter_mut().zip(found) {
        opened.image.base = base.or(opened.image.base.take());
        opened.written = written;
    }
}

/// By the image that the caller names.
fn named(settings: &BaseSettings, image: &Image, options: &Options, log: Log) -> Option<Base> {
    let (text, reference) = settings.image.as_ref()?;
    match layers(reference, image, options, log) {
        Ok(layers) => Some(Base { layers, by: By::Layers, name: Some(text.clone()) }),
        Err(why) => {
            let (what, why) = match why {
                Unfit::Unopened(why) => ("could not be opened for", why),
                Unfit::Another(why) => ("is not the base image of", why),
            };
            log.warn(format_args!(
                "--base {text} {what} {}: {why}; what is base is told without it",
                image.platform
            ));
            None
        }
    }
}

/// A Dockerfile that agrees with the history, beside it.
fn placed(settings: &BaseSettings, opened: &OpenedImage, log: Log) -> Option<Placed> {
    let (dockerfile, image) = (settings.dockerfile.as_ref()?, &opened.image);
    let origin = &dockerfile.origin;
    let placed = dockerfile::Dockerfile::parse(&dockerfile.text).map(|read| {
        read.place(settings.target.as_deref(), &image.platform, &image.history, image.layers.len())
    });
    let why = match placed {
        Ok(Ok(placed)) => {
            if !dockerfile.given {
                log.note(format_args!(
                    "{origin} agrees with the image's history: it tells the base image, and the line of each layer"
                ));
            }
            say_unsure(origin, &placed, log);
            return Some(placed);
        }
        Ok(Err(why @ (Disagreement::Target(_) | Disagreement::Stages(_)))) if !dockerfile.given => {
            log.note(format_args!(
                "{origin} tells nothing of the image: {why}; say with --dockerfile-target which was built"
            ));
            return None;
        }
        Ok(Err(why @ Disagreement::NoHistory)) if matches!(opened.claim, ImageClaim::Engine { .. }) => {
            format!("{why}; the engine does not always say it, `docker save` and docker-archive:FILE do")
        }
        Ok(Err(why)) => why.to_string(),
        Err(error) => error.to_string(),
    };
    // One that only lies about may be another image's.
    if dockerfile.given {
        log.warn(format_args!(
            "Dockerfile {origin}: it does not tell how the image was made: {why}; give the one that the image was built from, and \
             --dockerfile-target where a stage was built"
        ));
    }
    None
}

/// Says which layers have no line, and which have many.
fn say_unsure(origin: &str, placed: &Placed, log: Log) {
    for (layer, lines) in placed.layers.iter().enumerate().skip(placed.base_layers) {
        match lines {
            None => log.warn(format_args!(
                "Dockerfile {origin}: it is not certain what made layer {layer}: its findings have no line"
            )),
            Some(Lines { start, end }) if placed.together.contains(&layer) => log.note(format_args!(
                "Dockerfile {origin}: lines {start} to {end} made layer {layer} together: its findings stand on the first"
            )),
            Some(_) => {}
        }
    }
}

fn by_dockerfile(placed: &Placed, image: &Image) -> Base {
    let said = image.named_base.as_ref().map(|named| named.name.clone());
    Base { layers: placed.base_layers, by: By::Dockerfile, name: placed.from.clone().or(said) }
}

/// Where each layer's instruction is written; those of the base image are where the image starts from it.
fn written(dockerfile: &Dockerfile, placed: &Placed) -> Vec<Option<Written>> {
    let Some(text) = dockerfile.in_checkout() else { return Vec::new() };
    let layer = |(index, lines): (usize, &Option<Lines>)| {
        let from = (index < placed.base_layers).then_some(&placed.from_lines);
        let lines = lines.as_ref().or(from)?;
        text.written(lines.start, lines.end)
    };
    placed.layers.iter().enumerate().map(layer).collect()
}

/// By the digest that the image names, of the registry that it is of.
fn by_annotations(opened: &Opened, image: &Image, options: &Options, log: Log) -> Option<Base> {
    let named = image.named_base.as_ref()?;
    let reference = opened.beside(&named.name, named.digest?)?;
    match layers(&reference, image, options, log) {
        Ok(layers) => Some(Base { layers, by: By::Annotations, name: Some(named.name.clone()) }),
        Err(Unfit::Unopened(why) | Unfit::Another(why)) => {
            log.note(format_args!("the base image that the image names, {}: {why}", reference.rest));
            None
        }
    }
}

/// Why an image is not taken for the base.
enum Unfit {
    /// It could not be looked at.
    Unopened(String),
    /// It is something else.
    Another(String),
}

/// How many layers of `image` those of another image are, opened for the same platform.
fn layers(reference: &Reference, image: &Image, options: &Options, log: Log) -> Result<usize, Unfit> {
    let _bar = Progress::new(log).begin("opening the base image");
    let options = Options { platforms: vec![image.platform.clone()], ..options.clone() };
    let opened = image::open(reference, &options).map_err(|error| Unfit::Unopened(error.to_string()))?;
    let [found] = opened.images.as_slice() else {
        return Err(Unfit::Another(format!("it is {} images", opened.images.len())));
    };
    let base = &found.image;
    match base::by_layers(base, image) {
        Ok(0) => Err(Unfit::Another("it has no layers".to_owned())),
        Ok(layers) => Ok(layers),
        Err(index) => {
            let has = image.layers.get(index).map(|layer| layer.diff_id.to_string());
            let has = has.unwrap_or_else(|| "none".to_owned());
            let found = base.layers[index].diff_id;
            Err(Unfit::Another(format!("its layer {index} is {found}, the image's is {has}")))
        }
    }
}
