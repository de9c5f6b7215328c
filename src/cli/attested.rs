//! SBOMs that came with the image. One that a configured signer signed for its manifest is taken for its inventory; every
//! other is a claim of the build that is gated, and only held against what was found.

use stella::{
    digest::Digest,
    image::{Image, Layer},
    inventory::{Inventory, Skipped},
    report::Run,
    sbom::{self, Attested, Found, Sbom},
    signer::Signer,
};

use super::{gate::Job, image::AttestedSbom};

/// An inventory that was not found in the image's layers.
pub struct Given {
    /// The image; above its layers one more, if need be, for packages of which nobody says the layer.
    pub image: Image,
    /// What it holds, as it was given.
    pub inventory: Inventory,
}

impl Given {
    /// What of `job` could not be looked at: the layers are not looked for.
    pub fn skipped(job: &Job<'_>) -> Vec<Skipped> {
        let is_layer = |skipped: &Skipped| job.image.skipped.contains(skipped);
        job.skipped.iter().filter(|skipped| !is_layer(skipped)).cloned().collect()
    }
}

/// The SBOMs that statements make of the job's image. Where they cannot be had nothing is missing: the image itself is there.
pub fn find(job: &Job<'_>, run: &mut Run) -> Vec<AttestedSbom> {
    let signers = &job.settings.signers;
    let _bar = job.progress.begin("looking for SBOMs of the image");
    match job.opened.attested_sboms(job.image, signers) {
        Ok(attested) => {
            // Who waits for a signed one wants to know why there is none.
            for Skipped { what, why, .. } in attested.skipped.iter().filter(|_| !signers.is_empty()) {
                run.notes.push(format!("what is attested with the image in {what} was not read: {why}"));
            }
            attested.sboms
        }
        Err(error) => {
            run.notes.push(format!("SBOMs attested with the image were not looked at: {error}"));
            Vec::new()
        }
    }
}

/// The inventory that a configured signer states: the first, by digest, of the signed SBOMs that can be read whole.
pub fn signed(job: &Job<'_>, sboms: &[AttestedSbom], run: &mut Run) -> Option<Given> {
    let signers = &job.settings.signers;
    if signers.is_empty() || job.settings.verify_all {
        return None;
    }
    let signer = |sbom: &AttestedSbom| signers.iter().find(|signer| Some(signer.fingerprint) == sbom.signer);
    let mut signed: Vec<(&AttestedSbom, &Signer)> =
        sboms.iter().filter_map(|sbom| Some((sbom, signer(sbom)?))).collect();
    // Wherever they lie, and in whatever order they are listed.
    signed.sort_by_key(|(sbom, _)| sbom.digest);
    for (AttestedSbom { digest, bytes, .. }, Signer { file, fingerprint, .. }) in &signed {
        match whole(bytes) {
            Ok(found) => {
                run.notes.push(format!(
                    "no layer was looked into: {file} signed the SBOM that is attested with the image in {digest}"
                ));
                let shown = Attested::new(&found, &found.sbom.inventory);
                run.attested.push(Attested { signer: Some(*fingerprint), alone: true, ..shown });
                let by = format!("attested by {fingerprint}, {}", found.form);
                return Some(given(found.sbom, by, *digest, &job.image.image));
            }
            Err(why) => run.notes.push(format!(
                "the image was analysed although {file} signed the SBOM that is attested with it in {digest}: {why}"
            )),
        }
    }
    if signed.is_empty() {
        run.notes.push(
            "the image was analysed: no SBOM is attested with it that one of --sbom-signer signed for this manifest"
                .to_owned(),
        );
    }
    None
}

/// Reads an SBOM that nothing else is looked at beside: it must tell all that it names.
fn whole(bytes: &[u8]) -> Result<Found, String> {
    let found = sbom::read(bytes).map_err(|error| error.to_string())?;
    let Inventory { os, packages, skipped, .. } = &found.sbom.inventory;
    if let [Skipped { name, what, why }, ..] = skipped.as_slice() {
        return Err(format!("it does not tell all: {name}: {what} ({why}), {} in all", skipped.len()));
    }
    if packages.is_empty() {
        return Err("it names no package of a kind that is read".to_owned());
    }
    if os.is_none() && packages.iter().any(|installed| installed.package.ecosystem.is_system()) {
        return Err("it names packages of a system, and not which system".to_owned());
    }
    Ok(found)
}

/// Puts what `sbom` says into the layers of `image`; what it says of no layer, or of others, is of `statement`.
fn given(sbom: Sbom, by: String, statement: Digest, image: &Image) -> Given {
    let Sbom { image: claimed, mut inventory, .. } = sbom;
    let mut image = image.clone();
    let own = image.layers.len();
    let is_at =
        |diff_id: Digest, index: usize| image.layers.get(index).is_some_and(|layer| layer.diff_id == diff_id);
    let position = |(index, layer): (usize, &Layer)| {
        let found = || image.layers.iter().position(|own| own.diff_id == layer.diff_id);
        // One layer may be there several times.
        if is_at(layer.diff_id, index) { index } else { found().unwrap_or(own) }
    };
    let positions: Vec<usize> = claimed.layers.iter().enumerate().map(position).collect();
    for installed in &mut inventory.packages {
        installed.layer = positions.get(installed.layer).copied().unwrap_or(own);
    }
    inventory.packages.sort_unstable();
    inventory.packages.dedup();
    if inventory.packages.iter().any(|installed| installed.layer == own) {
        image.layers.push(Layer { diff_id: statement, blob: None, instruction: String::new() });
    }
    inventory.given = Some(by);
    Given { image, inventory }
}

/// Holds SBOMs that came with the image against what was found in it.
pub fn cross_check(sboms: Vec<AttestedSbom>, inventory: &Inventory, run: &mut Run) {
    for AttestedSbom { digest, bytes, signer, .. } in sboms {
        match sbom::read(&bytes) {
            Ok(found) => {
                let attested = Attested { signer, ..Attested::new(&found, inventory) };
                let differ = attested.only_attested + attested.only_image + attested.other_version;
                let Attested { format, packages, .. } = &attested;
                let by = signer.map(|key| format!(", signed by {key}")).unwrap_or_default();
                run.notes.push(match differ {
                    0 => format!(
                        "an SBOM attested with the image ({format}{by}) names the same {packages} packages"
                    ),
                    _ => format!(
                        "an SBOM attested with the image ({format}{by}) differs from it in {differ} packages"
                    ),
                });
                run.attested.push(attested);
            }
            Err(error) => run.notes.push(format!("an SBOM attested with the image, {digest}: {error}")),
        }
    }
}
