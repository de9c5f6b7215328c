//! Tiny images in every source's form, honest and forged.

use std::{collections::BTreeSet, fs, io::Write as _, path::Path};

use serde_json::{Value, json};
use stella::{
    digest::Digest,
    layer::{self, Limits},
};

use super::*;

/// A layer with one file: its tar, whose digest is the diff ID.
pub(super) fn layer(file: &str, content: &str) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    member(&mut builder, file, content.as_bytes());
    builder.into_inner().unwrap()
}

pub(super) fn member<W: std::io::Write>(builder: &mut tar::Builder<W>, path: &str, bytes: &[u8]) {
    let mut header = tar::Header::new_gnu();
    header.set_size(bytes.len() as u64);
    header.set_mode(0o644);
    builder.append_data(&mut header, path, bytes).unwrap();
}

pub(super) fn config(architecture: &str, layers: &[Vec<u8>]) -> Vec<u8> {
    let ids: Vec<_> = layers.iter().map(|layer| Digest::of(layer)).collect();
    let history: Vec<_> = (0..layers.len()).map(|i| json!({ "created_by": format!("COPY {i}") })).collect();
    let rootfs = json!({ "type": "layers", "diff_ids": ids });
    json!({ "os": "linux", "architecture": architecture, "rootfs": rootfs, "history": history })
        .to_string()
        .into_bytes()
}

/// A directory that becomes an OCI layout.
struct Layout {
    directory: tempfile::TempDir,
}

impl Layout {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir_all(directory.path().join("blobs/sha256")).unwrap();
        fs::write(directory.path().join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
        Self { directory }
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    fn blob(&self, bytes: &[u8]) -> Digest {
        let digest = Digest::of(bytes);
        fs::write(self.path().join(store::blob_name(digest)), bytes).unwrap();
        digest
    }

    fn json(&self, media_type: &str, value: &Value) -> Value {
        let bytes = value.to_string().into_bytes();
        json!({ "mediaType": media_type, "digest": self.blob(&bytes), "size": bytes.len() })
    }

    /// Stores an image and gives its descriptor.
    fn image(&self, architecture: &str, layers: &[Vec<u8>], media_type: &str) -> Value {
        let config = config(architecture, layers);
        let stored = |layer: &Vec<u8>| {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(layer).unwrap();
            let bytes = encoder.finish().unwrap();
            json!({ "mediaType": media_type, "digest": self.blob(&bytes), "size": bytes.len() })
        };
        let config = json!({ "mediaType": "application/vnd.oci.image.config.v1+json",
            "digest": self.blob(&config), "size": config.len() });
        let layers: Vec<_> = layers.iter().map(stored).collect();
        self.json(MANIFEST, &json!({ "schemaVersion": 2, "config": config, "layers": layers }))
    }

    fn index(&self, manifests: &[Value]) {
        let index = json!({ "schemaVersion": 2, "manifests": manifests });
        fs::write(self.path().join("index.json"), index.to_string()).unwrap();
    }

    fn open(&self, tag: &str) -> Result<Opened, Error> {
        self.open_for(tag, &[])
    }

    fn open_for(&self, tag: &str, platforms: &[&str]) -> Result<Opened, Error> {
        let platforms = platforms.iter().map(|text| text.parse().unwrap()).collect();
        let options = Options { platforms, ..Options::default() };
        open(&format!("oci:{}{tag}", self.path().display()).parse().unwrap(), &options)
    }
}

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

fn named(mut descriptor: Value, name: &str) -> Value {
    descriptor["annotations"] = json!({ "org.opencontainers.image.ref.name": name });
    descriptor
}

fn on(mut descriptor: Value, os: &str, architecture: &str) -> Value {
    descriptor["platform"] = json!({ "os": os, "architecture": architecture });
    descriptor
}

fn bare(path: &Path) -> Result<Opened, Error> {
    open(&path.to_str().unwrap().parse().unwrap(), &Options::default())
}

/// Reads `wanted` of the only image; the diff IDs read.
fn read(opened: &Opened, wanted: &[Digest]) -> Result<Vec<Digest>, Error> {
    let read = opened.analyse(&opened.images[0], wanted, &Limits::default(), 3, &())?;
    Ok(read.iter().map(|analysed| analysed.fragment.diff_id).collect())
}

fn diff_ids(opened: &Opened) -> Vec<Digest> {
    opened.images[0].image.layers.iter().map(|layer| layer.diff_id).collect()
}

#[test]
fn oci_layout_reads_what_is_wanted() {
    let layout = Layout::new();
    let layers = [layer("a", "1"), layer("b", &"2".repeat(9000)), layer("a", "1"), layer("c", "3")];
    layout.index(&[layout.image("amd64", &layers, GZIP)]);
    let opened = bare(layout.path()).unwrap();
    assert_eq!(opened.taken_for, format!("oci:{}", layout.path().display()));
    assert!(opened.images[0].content_addressed && opened.skipped.is_empty());
    assert_eq!(opened.images[0].image.layers[3].instruction, "COPY 3");
    let ids = diff_ids(&opened);
    assert_eq!(read(&opened, &[ids[3], ids[0], ids[2]]).unwrap(), [ids[0], ids[3]]);
    // What nobody wants is not touched: it may be gone.
    let blob = opened.images[0].image.layers[1].blob.clone().unwrap();
    fs::remove_file(layout.path().join(store::blob_name(blob.digest))).unwrap();
    assert_eq!(read(&opened, &[ids[0]]).unwrap(), [ids[0]]);
    let error = read(&opened, &ids).unwrap_err();
    assert!(matches!(&error, Error::Missing { name, .. } if name.contains(&blob.digest.hex())), "{error}");
}

#[test]
fn forged_layers_and_documents_are_refused_with_both_digests() {
    let layout = Layout::new();
    layout.index(&[layout.image("amd64", &[layer("a", "1")], GZIP)]);
    let opened = layout.open("").unwrap();
    let blob = opened.images[0].image.layers[0].blob.clone().unwrap();
    fs::write(layout.path().join(store::blob_name(blob.digest)), layer("a", "2")).unwrap();
    let error = read(&opened, &diff_ids(&opened)).unwrap_err();
    let forged = Digest::of(&layer("a", "2"));
    assert!(matches!(error, Error::Layer { source, .. }
        if matches!(*source, layer::Error::Blob { expected, found } if expected == blob.digest && found == forged)));

    let config = store::blob_name(opened.images[0].image.config_digest);
    fs::write(layout.path().join(config), config_of_another()).unwrap();
    let found = Digest::of(&config_of_another());
    assert!(matches!(layout.open("").unwrap_err(), Error::Digest { found: f, .. } if f == found));
}

fn config_of_another() -> Vec<u8> {
    config("amd64", &[layer("a", "2")])
}

#[test]
fn tags() {
    let layout = Layout::new();
    let [one, two] = ["1", "2"].map(|content| layout.image("amd64", &[layer("a", content)], GZIP));
    layout.index(&[named(one.clone(), "v1"), named(two.clone(), "r.io/app:v2")]);
    let error = layout.open("").unwrap_err();
    assert!(matches!(&error, Error::Tag { there, .. } if *there == ["r.io/app:v2", "v1"]), "{error}");
    let digest = |tag| layout.open(tag).unwrap().images[0].image.digest().to_string();
    assert_eq!(digest(":v1"), one["digest"]);
    for tag in [":v2", ":r.io/app:v2", &format!(":{}", two["digest"].as_str().unwrap())] {
        assert_eq!(digest(tag), two["digest"], "{tag}");
    }
    let name = |tag| layout.open(tag).unwrap().name;
    assert_eq!((name(":v1"), name(":v2").as_deref()), (None, Some("r.io/app:v2")), "a tag alone is no name");
    assert!(matches!(layout.open(":v3").unwrap_err(), Error::Tag { wanted: Some(tag), .. } if tag == "v3"));
    layout.index(&[one, two]);
    assert!(matches!(layout.open("").unwrap_err(), Error::Tag { wanted: None, .. }), "two of one platform");
}

#[test]
fn names_are_as_engines_show_them() {
    for (name, want) in [
        ("docker.io/library/app:1", "app:1"),
        ("docker.io/team/app:1", "team/app:1"),
        ("r.io/library/app:1", "r.io/library/app:1"),
    ] {
        assert_eq!(familiar(name), want);
    }
}

#[test]
fn platforms_attestations_and_artifacts() {
    let layout = Layout::new();
    let [amd64, arm64] = ["amd64", "arm64"].map(|a| on(layout.image(a, &[layer("a", a)], GZIP), "linux", a));
    let config = json!({ "os": "unknown", "architecture": "unknown",
        "rootfs": { "type": "layers", "diff_ids": [Digest::of(b"{}")] } });
    let statement = layout.json("application/vnd.in-toto+json", &json!({}));
    let attestation = json!({ "schemaVersion": 2, "layers": [statement],
        "config": layout.json("application/vnd.oci.image.config.v1+json", &config) });
    let bare_attestation = layout.json(MANIFEST, &attestation);
    let mut attestation = on(bare_attestation.clone(), "unknown", "unknown");
    attestation["annotations"] = json!({ "vnd.docker.reference.type": "attestation-manifest" });
    // An annotation does not take a real platform out of the gate.
    let mut disguised = on(layout.image("riscv64", &[layer("a", "r")], GZIP), "linux", "riscv64");
    disguised["annotations"] = attestation["annotations"].clone();
    let chart_config = layout.json("application/vnd.cncf.helm.config.v1+json", &json!({}));
    let chart = layout.json(MANIFEST, &json!({ "schemaVersion": 2, "config": chart_config, "layers": [] }));
    let manifests = json!({ "schemaVersion": 2, "manifests": [arm64, attestation, disguised, amd64] });
    layout.index(&[named(layout.json(INDEX, &manifests), "latest"), chart, bare_attestation]);

    let opened = layout.open("").unwrap();
    let platforms: Vec<_> = opened.images.iter().map(|opened| opened.image.platform.to_string()).collect();
    assert_eq!(platforms, ["linux/amd64", "linux/arm64", "linux/riscv64"]);
    let skipped: Vec<_> = opened.skipped.iter().map(|skipped| skipped.name.as_str()).collect();
    assert_eq!(skipped, ["manifest:application/vnd.cncf.helm.config.v1+json"]);
    let one = layout.open_for("", &["linux/arm64/v8"]).unwrap();
    assert_eq!(one.images.len(), 1);
    assert_eq!(one.images[0].image.platform.architecture, "arm64");
    let error = layout.open_for("", &["linux/amd64", "linux/s390x"]).unwrap_err();
    assert!(
        matches!(&error, Error::Platform { wanted, there, .. } if wanted == "linux/s390x" && there.len() == 3)
    );
    layout.index(&[attestation]);
    assert!(matches!(layout.open("").unwrap_err(), Error::Nothing { .. }));
}

#[test]
fn statements_are_neither_images_nor_skips() {
    let layout = Layout::new();
    let image = on(layout.image("amd64", &[layer("a", "1")], GZIP), "linux", "amd64");
    let empty = layout.json("application/vnd.oci.empty.v1+json", &json!({}));
    let image_config = |diff_id: &Value| {
        let config = json!({ "os": "linux", "architecture": "s390x",
            "rootfs": { "type": "layers", "diff_ids": [diff_id] } });
        layout.json("application/vnd.oci.image.config.v1+json", &config)
    };
    let bundle = "application/vnd.dev.sigstore.bundle.v0.3+json";
    for media_type in ["application/vnd.in-toto+json", "application/vnd.dsse.envelope.v1+json", bundle] {
        let statement = layout.json(media_type, &json!({}));
        let manifest = |config: &Value, layers: &[&Value]| {
            layout.json(
                MANIFEST,
                &json!({ "schemaVersion": 2, "config": config, "layers": layers, "subject": image }),
            )
        };
        let referrer = manifest(&empty, &[&statement]);
        let cosigned = on(manifest(&image_config(&statement["digest"]), &[&statement]), "linux", "s390x");
        layout.index(&[image.clone(), referrer.clone(), cosigned]);
        let opened = layout.open("").unwrap();
        assert_eq!((opened.images.len(), opened.skipped.as_slice()), (1, [].as_slice()), "{media_type}");
        assert_eq!(opened.attestations.len(), 2);

        // Something else among the layers, or a file system that is called a statement, hides nothing.
        let hidden = layer("{\"a\"", "2");
        let mut called =
            json!({ "mediaType": media_type, "digest": layout.blob(&hidden), "size": hidden.len() });
        let mixed = manifest(
            &empty,
            &[&statement, &json!({ "mediaType": GZIP, "digest": called["digest"], "size": 1 })],
        );
        layout.index(&[image.clone(), mixed]);
        assert_eq!(layout.open("").unwrap().skipped.len(), 1);
        let with_layer = on(manifest(&image_config(&called["digest"]), &[&called]), "linux", "s390x");
        layout.index(&[image.clone(), with_layer]);
        assert_eq!(layout.open("").unwrap().images.len(), 2);
        // Nor do bytes that are not those of the digest.
        fs::write(layout.path().join(store::blob_name(Digest::of(&hidden))), "{}").unwrap();
        layout.index(&[image.clone(), manifest(&empty, &[&called])]);
        assert_eq!(layout.open("").unwrap().skipped.len(), 1);
        called["digest"] = json!(Digest::of(b"nowhere"));
        layout.index(&[image.clone(), manifest(&empty, &[&called])]);
        assert_eq!(layout.open("").unwrap().skipped.len(), 1);
    }
}

#[test]
fn bills_count_if_they_name_this_manifest() {
    let layout = Layout::new();
    let image = layout.image("amd64", &[layer("a", "1")], GZIP);
    let other = layout.image("arm64", &[layer("a", "2")], GZIP);
    let hex = |image: &Value| image["digest"].as_str().unwrap().replace("sha256:", "");
    let says = |image: &Value, predicate_type: &str, predicate: Value| {
        json!({ "_type": "https://in-toto.io/Statement/v1", "predicateType": predicate_type, "predicate": predicate,
            "subject": [{ "name": "_", "digest": { "sha256": hex(image) } }] })
    };
    let statement = |value: &Value| layout.json("application/vnd.in-toto+json", value);
    let (spdx, cyclonedx) = ("https://spdx.dev/Document", "https://cyclonedx.org/bom");
    let good = statement(&says(&image, spdx, json!({ "name": "good" })));
    let envelope = says(&image, cyclonedx, json!({ "name": "sealed" })).to_string();
    let envelope = json!({ "payloadType": "application/vnd.in-toto+json", "signatures": [],
        "payload": STANDARD.encode(envelope) });
    let sealed = layout.json("application/vnd.dsse.envelope.v1+json", &envelope);
    let bundle =
        layout.json("application/vnd.dev.sigstore.bundle.v0.3+json", &json!({ "dsseEnvelope": envelope }));
    let changed = statement(&says(&image, spdx, json!({ "name": "changed" })));
    let mut huge = statement(&says(&image, spdx, json!({ "name": "huge" })));
    huge["size"] = json!((64 << 20) + 1);
    let layers = json!([
        good,
        sealed,
        bundle,
        changed,
        huge,
        statement(&says(&other, spdx, json!({ "name": "of another image" }))),
        statement(&says(&image, "https://slsa.dev/provenance/v1", json!({}))),
        statement(&json!({ "predicateType": spdx, "predicate": {} })),
        layout.json("application/vnd.in-toto+json", &json!("words")),
    ]);
    let attestation = |layers: &Value| {
        let ids: Vec<_> = layers.as_array().unwrap().iter().map(|layer| layer["digest"].clone()).collect();
        let config = json!({ "os": "unknown", "architecture": "unknown",
            "rootfs": { "type": "layers", "diff_ids": ids } });
        let config = layout.json("application/vnd.oci.image.config.v1+json", &config);
        layout.json(MANIFEST, &json!({ "schemaVersion": 2, "config": config, "layers": layers }))
    };
    let mut marked = on(attestation(&layers), "unknown", "unknown");
    marked["annotations"] = json!({ "vnd.docker.reference.digest": image["digest"] });
    let mut of_another = on(attestation(&json!([good])), "unknown", "unknown");
    of_another["annotations"] = json!({ "vnd.docker.reference.digest": other["digest"] });
    layout.index(&[on(image.clone(), "linux", "amd64"), marked, of_another]);
    fs::write(layout.path().join("blobs/sha256").join(hex(&changed)), "{}").unwrap();

    let names = |opened: &Opened| {
        let Attested { sboms, skipped } = opened.attested_sboms(&opened.images[0], &[]).unwrap();
        let sboms =
            sboms.iter().map(|sbom| serde_json::from_slice::<Value>(&sbom.bytes).unwrap()["name"].clone());
        (sboms.collect::<Vec<_>>(), skipped.into_iter().map(|skipped| skipped.why).collect::<Vec<_>>())
    };
    for opened in [layout.open("").unwrap(), layout.open_for("", &["linux/amd64"]).unwrap()] {
        let (sboms, skipped) = names(&opened);
        assert_eq!(sboms, ["good", "sealed", "sealed"]);
        assert_eq!(skipped.len(), 3, "{skipped:?}");
        for why in ["was changed", "`statement size`", "not a statement"] {
            assert!(skipped.iter().any(|skipped| skipped.contains(why)), "{why}: {skipped:?}");
        }
    }
}

#[test]
fn nesting_is_bounded() {
    let layout = Layout::new();
    let nest = |inner: Value| layout.json(INDEX, &json!({ "manifests": [inner] }));
    let mut descriptor = layout.image("amd64", &[layer("a", "1")], GZIP);
    for _ in 0..3 {
        descriptor = nest(descriptor);
    }
    layout.index(&[descriptor.clone()]);
    assert_eq!(layout.open("").unwrap().images.len(), 1);
    layout.index(&[nest(descriptor)]);
    assert!(matches!(layout.open("").unwrap_err(), Error::Limit { limit: "index depth", .. }));
    layout.index(&vec![nest(json!({ "digest": Digest::of(b""), "size": 0 })); 2]);
    assert!(matches!(layout.open("").unwrap_err(), Error::Missing { .. }));
    fs::write(layout.path().join("index.json"), r#"{"manifests":3}"#).unwrap();
    assert!(matches!(layout.open("").unwrap_err(), Error::Document { .. }));
}

#[test]
fn unreadable_layers_are_skipped_by_name() {
    for (media_type, name) in [
        ("application/vnd.oci.image.layer.v1.tar+gzip+encrypted", "encrypted-layer"),
        ("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", "foreign-layer"),
        ("application/x-other", "unknown-layer"),
    ] {
        let layout = Layout::new();
        layout.index(&[layout.image("amd64", &[layer("a", "1")], media_type)]);
        let opened = layout.open("").unwrap();
        let ids = diff_ids(&opened);
        if name == "foreign-layer" {
            // Its bytes were copied along, so it can be read after all.
            assert!(opened.images[0].skipped.is_empty());
            assert_eq!(read(&opened, &ids).unwrap(), ids);
            let blob = opened.images[0].image.layers[0].blob.clone().unwrap().digest;
            fs::remove_file(layout.path().join(store::blob_name(blob))).unwrap();
        }
        let opened = layout.open("").unwrap();
        let skipped = &opened.images[0].skipped;
        assert_eq!((skipped[0].name.as_str(), skipped[0].what.clone()), (name, ids[0].to_string()));
        assert_eq!(read(&opened, &ids).unwrap(), []);
    }
}

#[cfg(unix)]
#[test]
fn a_pipe_does_not_hang() {
    let layout = Layout::new();
    layout.index(&[layout.image("amd64", &[layer("a", "1")], GZIP)]);
    let opened = layout.open("").unwrap();
    let blob =
        layout.path().join(store::blob_name(opened.images[0].image.layers[0].blob.clone().unwrap().digest));
    fs::remove_file(&blob).unwrap();
    // Sockets and pipes are both no regular files; a socket can be made without a foreign call.
    let _listener = std::os::unix::net::UnixListener::bind(layout.path().join("s")).unwrap();
    std::os::unix::fs::symlink(layout.path().join("s"), &blob).unwrap();
    assert!(matches!(read(&opened, &diff_ids(&opened)), Err(Error::NotRegular { .. })));
}

/// `docker save`: up to Docker 24, or later with an OCI layout in the same tar.
pub(super) fn saved(path: &Path, layers: &[Vec<u8>], stored: &[Vec<u8>], newer: bool) {
    let config = config("amd64", layers);
    let hex = Digest::of(&config).hex();
    let mut builder = tar::Builder::new(fs::File::create(path).unwrap());
    let mut names = Vec::new();
    let mut seen = BTreeSet::new();
    for (index, (named, bytes)) in layers.iter().zip(stored).enumerate() {
        let digest = Digest::of(named);
        let name = if newer { store::blob_name(digest) } else { format!("{index:064}/layer.tar") };
        if seen.insert(digest) {
            member(&mut builder, &name, bytes);
        } else if !newer {
            let first = layers.iter().position(|layer| layer == named).unwrap();
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(tar::EntryType::Symlink);
            header.set_size(0);
            builder.append_link(&mut header, &name, format!("../{first:064}/layer.tar")).unwrap();
        }
        names.push(name);
    }
    let config_name = if newer { format!("blobs/sha256/{hex}") } else { format!("{hex}.json") };
    member(&mut builder, &config_name, &config);
    if newer {
        let layer = |bytes: &Vec<u8>| {
            json!({ "mediaType": "application/vnd.oci.image.layer.v1.tar",
                "digest": Digest::of(bytes), "size": bytes.len() })
        };
        let layers: Vec<_> = layers.iter().map(layer).collect();
        let manifest = json!({ "schemaVersion": 2, "layers": layers, "config": {
            "mediaType": "application/vnd.oci.image.config.v1+json",
            "digest": Digest::of(&config), "size": config.len() } });
        let manifest = manifest.to_string().into_bytes();
        let digest = Digest::of(&manifest);
        member(&mut builder, &store::blob_name(digest), &manifest);
        let index =
            json!({ "manifests": [{ "mediaType": MANIFEST, "digest": digest, "size": manifest.len() }] });
        member(&mut builder, "index.json", index.to_string().as_bytes());
        member(&mut builder, "oci-layout", b"{}");
    }
    let entry = json!([{ "Config": config_name, "RepoTags": ["app:v1"], "Layers": names }]);
    member(&mut builder, "manifest.json", entry.to_string().as_bytes());
    builder.into_inner().unwrap();
}

#[test]
fn docker_archives_of_both_forms() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.tar");
    let layers = [layer("a", "1"), layer("b", "2"), layer("a", "1")];
    let forged = [layer("a", "1"), layer("b", "forged"), layer("a", "1")];
    let ids = layers.each_ref().map(|layer| Digest::of(layer));
    for newer in [false, true] {
        saved(&path, &layers, &layers, newer);
        let opened = bare(&path).unwrap();
        assert_eq!(opened.taken_for, format!("docker-archive:{}", path.display()));
        assert_eq!(opened.images[0].content_addressed, newer);
        assert_eq!(opened.images[0].image.manifest_digest.is_some(), newer);
        assert_eq!(read(&opened, &ids).unwrap(), [ids[0], ids[1]]);
        let tag = |tag| {
            open(&format!("docker-archive:{}:{tag}", path.display()).parse().unwrap(), &Options::default())
        };
        assert_eq!(tag("v1").unwrap().images.len(), 1);
        assert_eq!(opened.name.as_deref(), Some("app:v1"));
        assert!(matches!(tag("v2"), Err(Error::Tag { .. })));

        saved(&path, &layers, &forged, newer);
        let opened = bare(&path).unwrap();
        assert_eq!(read(&opened, &[ids[0]]).unwrap(), [ids[0]]);
        let Error::Layer { source, .. } = read(&opened, &ids).unwrap_err() else { unreachable!() };
        let text = source.to_string();
        assert!(text.contains(&ids[1].hex()) && text.contains(&Digest::of(&forged[1]).hex()), "{text}");
    }
}

#[test]
fn oci_archive_equals_its_directory() {
    let layout = Layout::new();
    layout.index(&[named(layout.image("amd64", &[layer("a", "1"), layer("b", "2")], GZIP), "v1")]);
    let path = layout.path().join("a.tar");
    let mut builder = tar::Builder::new(fs::File::create(&path).unwrap());
    for name in ["./oci-layout", "index.json"] {
        member(&mut builder, name, &fs::read(layout.path().join(name)).unwrap());
    }
    builder.append_dir_all("blobs", layout.path().join("blobs")).unwrap();
    builder.into_inner().unwrap();
    let (archive, directory) = (bare(&path).unwrap(), layout.open("").unwrap());
    assert_eq!(archive.taken_for, format!("oci-archive:{}", path.display()));
    assert_eq!(archive.images[0].image, directory.images[0].image);
    let ids = diff_ids(&archive);
    assert_eq!(read(&archive, &ids).unwrap(), ids);
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    assert!(matches!(bare(&path), Err(Error::Archive { .. } | Error::Missing { .. })));
}

#[test]
fn a_directory_is_one_layer_named_by_what_it_says() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    fs::create_dir_all(at("usr/lib")).unwrap();
    fs::create_dir(at("etc")).unwrap();
    fs::write(at("usr/lib/os-release"), "ID=debian\nVERSION_ID=12\n").unwrap();
    std::os::unix::fs::symlink("../usr/lib/os-release", at("etc/os-release")).unwrap();
    fs::write(at(".wh.etc"), "a file of that name, no whiteout").unwrap();
    let opened = bare(directory.path()).unwrap();
    assert_eq!(opened.taken_for, format!("dir:{}", directory.path().display()));
    let layers = opened.analyse(&opened.images[0], &diff_ids(&opened), &Limits::default(), 1, &()).unwrap();
    assert_eq!(layers[0].fragment.diff_id, diff_ids(&opened)[0]);
    let inventory =
        stella::inventory::merge(&[&layers[0].fragment], stella::inventory::LockFiles::Counted).unwrap();
    assert_eq!((inventory.os.unwrap().id.as_str(), inventory.files), ("debian", 2));
    fs::write(at("usr/lib/more"), "").unwrap();
    assert_ne!(diff_ids(&bare(directory.path()).unwrap()), diff_ids(&opened));
}

#[test]
fn a_file_is_no_directory_and_says_what_it_looks_like() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    let as_directory = || {
        let options = Options::default();
        open(&format!("dir:{}", path.display()).parse().unwrap(), &options).unwrap_err()
    };
    assert!(matches!(as_directory(), Error::NoSuchPath { .. }));
    let tar_of = |name: &str| {
        let mut builder = tar::Builder::new(Vec::new());
        member(&mut builder, name, b"{}");
        builder.into_inner().unwrap()
    };
    let sbom = br#"{"bomFormat":"CycloneDX","specVersion":"1.5"}"#;
    for (bytes, scheme) in [
        (tar_of("manifest.json"), Some("docker-archive")),
        (tar_of("index.json"), Some("oci-archive")),
        (tar_of("etc/passwd"), None),
        (sbom.to_vec(), Some("sbom")),
        (b"text".to_vec(), None),
    ] {
        fs::write(&path, bytes).unwrap();
        let error = as_directory();
        assert!(matches!(&error, Error::NotDirectory { scheme: found, .. } if *found == scheme), "{error:?}");
        assert!(scheme.is_none_or(|scheme| error.to_string().contains(&format!("{scheme}:/"))), "{error}");
    }
    fs::write(&path, b"\x1f\x8b\x08\0").unwrap();
    assert!(matches!(as_directory(), Error::Compressed { .. }));
}

#[test]
fn a_word_that_can_be_nothing_is_refused() {
    let nothing = Path::new("nowhere").join("no.tar").join("");
    assert!(matches!(bare(&nothing).unwrap_err(), Error::Reference { .. }));
}
