//! Which layers are the base image's, and which lines made the others: the surest that can be told, for each image that is
//! gated.
//!
//! Findings say `base` or `app` by it and no verdict depends on it, so that whatever cannot be told here is said and ends
//! nothing: a base image that has moved on, or cannot be had, is everyday in a pipeline.

use stella::{
    api::ImageClaim,
    base::{self, Base, By},
    dockerfile::{self, Argument, Disagreement, Lines, Placed},
    image::Image,
    report::{BaseArgument, Text, Written},
};

use super::{
    image::{self, Opened, OpenedImage, Options, Reference},
    log::Log,
    progress::Progress,
    settings::{BaseSettings, Dockerfile},
};

/// What is said of the Dockerfile: on stderr, and in the reports, where the lines are missed. Each sentence once.
struct Said {
    log: Log,
    notes: Vec<String>,
}

impl Said {
    fn warn(&mut self, text: String) {
        if !self.notes.contains(&text) {
            self.log.warn(&text);
            self.notes.push(text);
        }
    }

    fn note(&mut self, text: String) {
        if !self.notes.contains(&text) {
            self.log.note(&text);
            self.notes.push(text);
        }
    }
}

/// Finds the base of each opened image; where nothing surer is known, what its history reads stays. Gives what a report
/// should say of it: why there are no lines.
pub fn recognise(settings: &BaseSettings, options: &Options, opened: &mut Opened, log: Log) -> Vec<String> {
    let mut said = Said { log, notes: Vec::new() };
    // Without layers of its own, such as an SBOM's, it says itself what it knows.
    if opened.inventory().is_some() {
        let dockerfile = settings.dockerfile.as_ref().filter(|file| file.given).map(|_| "--dockerfile");
        for option in dockerfile.into_iter().chain(settings.image.as_ref().map(|_| "--base")) {
            said.warn(format!(
                "{option} has no effect: an SBOM says itself which layers are the base image's"
            ));
        }
        return said.notes;
    }
    // A directory was built from no Dockerfile: one that lies about says nothing of it.
    let is_directory = opened.images.iter().any(|opened| opened.image.is_directory());
    let dockerfile = settings.dockerfile.as_ref().filter(|file| file.of_caller || !is_directory);
    if let (Some(why), None, false) = (&settings.unread, &settings.dockerfile, is_directory) {
        said.note(format!(
            "{why}: findings have no line of it; give the Dockerfile that the image was built from with --dockerfile FILE"
        ));
    }
    if let (Some(target), None) = (&settings.target, &settings.dockerfile) {
        said.warn(format!(
            "--dockerfile-target {target} has no effect: no Dockerfile is at hand; give one with --dockerfile"
        ));
    }
    let found: Vec<Found> = opened
        .images
        .iter()
        .map(|opened_image| {
            let image = &opened_image.image;
            let placed = dockerfile.and_then(|file| placed(file, settings, opened_image, &mut said));
            let base = named(settings, image, options, log)
                .or_else(|| placed.as_ref().map(|placed| by_dockerfile(placed, image)))
                .or_else(|| by_annotations(opened, image, options, log));
            let Some((file, placed)) = dockerfile.zip(placed) else {
                return Found { base, ..Found::default() };
            };
            let is_named_there = base.as_ref().is_some_and(|base| base.by == By::Dockerfile);
            let base_argument = placed.argument.as_ref().filter(|_| is_named_there);
            let text = file.in_checkout();
            let base_argument = base_argument.map(|argument| by_argument(text.as_ref(), argument));
            if text.is_none() {
                said.note(format!(
                    "Dockerfile {} lies outside of the checkout: it tells the base image, and findings have no line of it",
                    file.origin
                ));
            }
            let written = text.map(|text| written(&text, &placed)).unwrap_or_default();
            Found { base, written, base_argument }
        })
        .collect();
    for (opened, found) in opened.images.iter_mut().zip(found) {
        opened.image.base = found.base.or(opened.image.base.take());
        opened.written = found.written;
        opened.base_argument = found.base_argument;
    }
    said.notes
}

/// What is told of one image.
#[derive(Default)]
struct Found {
    base: Option<Base>,
    written: Vec<Option<Written>>,
    base_argument: Option<BaseArgument>,
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
fn placed(
    dockerfile: &Dockerfile,
    settings: &BaseSettings,
    opened: &OpenedImage,
    said: &mut Said,
) -> Option<Placed> {
    let image = &opened.image;
    let origin = &dockerfile.origin;
    let placed = dockerfile::Dockerfile::parse(&dockerfile.text).map(|read| {
        read.place(settings.target.as_deref(), &image.platform, &image.history, image.layers.len())
    });
    let mut way_out = "if the image was built from another, give that one with --dockerfile FILE";
    let why = match placed {
        Ok(Ok(placed)) => {
            if !dockerfile.given {
                said.log.note(format_args!(
                    "{origin} agrees with the image's history: it tells the base image, and the line of each layer"
                ));
            }
            if let Some(unsure) = unsure(&placed) {
                said.warn(format!("Dockerfile {origin}: {unsure}"));
            }
            for layer in &placed.together {
                if let Some(Lines { start, end }) = placed.layers[*layer] {
                    said.log.note(format_args!(
                        "Dockerfile {origin}: lines {start} to {end} made layer {layer} together: its findings stand on the first"
                    ));
                }
            }
            return Some(placed);
        }
        Ok(Err(why @ (Disagreement::Target(_) | Disagreement::Stages(_)))) => {
            way_out = "say with --dockerfile-target which was built";
            why.to_string()
        }
        Ok(Err(why @ Disagreement::NoHistory)) if matches!(opened.claim, ImageClaim::Engine { .. }) => {
            format!("{why}; the engine does not always say it, `docker save` and docker-archive:FILE do")
        }
        Ok(Err(why)) => why.to_string(),
        Err(error) => error.to_string(),
    };
    if dockerfile.given {
        said.warn(format!(
            "Dockerfile {origin}: it does not tell how the image was made: {why}; give the one that the image was built from, and \
             --dockerfile-target where a stage was built"
        ));
    } else {
        // It only lies about, and may be another image's.
        said.note(format!(
            "{origin} tells nothing of the image, so that findings have no line of it: {why}; {way_out}"
        ));
    }
    None
}

/// Most layers without a line that are named.
const MAX_NAMED: usize = 10;

/// Which of the image's own layers have no line.
fn unsure(placed: &Placed) -> Option<String> {
    let own = placed.layers.iter().enumerate().skip(placed.base_layers);
    let unsure: Vec<String> =
        own.filter(|(_, lines)| lines.is_none()).map(|(layer, _)| layer.to_string()).collect();
    let more = unsure.len().saturating_sub(MAX_NAMED);
    let named = unsure[..unsure.len() - more].join(", ");
    Some(match (unsure.len(), more) {
        (0, _) => return None,
        (1, _) => format!("it is not certain what made layer {named}: its findings have no line"),
        (_, 0) => format!("it is not certain what made layers {named}: their findings have no line"),
        _ => {
            format!("it is not certain what made layers {named} and {more} more: their findings have no line")
        }
    })
}

fn by_dockerfile(placed: &Placed, image: &Image) -> Base {
    let said = image.named_base.as_ref().map(|named| named.name.clone());
    Base { layers: placed.base_layers, by: By::Dockerfile, name: placed.from.clone().or(said) }
}

/// Where each layer's instruction is written; those of the base image are where the image starts from it.
fn written(text: &Text, placed: &Placed) -> Vec<Option<Written>> {
    let layer = |(index, lines): (usize, &Option<Lines>)| {
        let from = (index < placed.base_layers).then_some(&placed.from_lines);
        let lines = lines.as_ref().or(from)?;
        text.written(lines.start, lines.end)
    };
    placed.layers.iter().enumerate().map(layer).collect()
}

fn by_argument(text: Option<&Text>, argument: &Argument) -> BaseArgument {
    let written = text.and_then(|text| text.written(argument.line, argument.line));
    BaseArgument { name: argument.name.clone(), written }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_without_a_line_are_named_and_counted() {
        let unsure = |none: usize| {
            let line = Lines { start: 1, end: 1 };
            let mut layers = vec![None, Some(line)];
            layers.extend(vec![None; none]);
            unsure(&Placed {
                base_layers: 1,
                from: None,
                argument: None,
                from_lines: line,
                layers,
                together: Vec::new(),
            })
        };
        assert_eq!(unsure(0), None);
        let said = |text: &str| Some(format!("it is not certain what made {text} have no line"));
        assert_eq!(unsure(1), said("layer 2: its findings"));
        assert_eq!(unsure(2), said("layers 2, 3: their findings"));
        assert_eq!(unsure(13), said("layers 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 and 3 more: their findings"));
    }
}
