use super::{app::Version, recipe::Step, *};

/// The smallest image that has every form.
const SMALL: [Recipe; 1] = [Recipe {
    name: "small",
    steps: &[
        Step::Layer(Content::Account),
        Step::Layer(Content::NodeSources),
        Step::Layer(Content::Settings),
        Step::Setting("CMD [\"sh\"]"),
    ],
    environment: "A=b",
    command: &["sh"],
    archive: true,
}];

/// Every file below `directory` and what it holds.
fn contents(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let (mut found, mut open) = (BTreeMap::new(), vec![directory.to_owned()]);
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                found.insert(path.strip_prefix(directory).unwrap().to_owned(), fs::read(&path).unwrap());
            }
        }
    }
    found
}

#[test]
fn the_delta_scenario_is_these_layers() {
    let diff_ids = |recipe: &Recipe| {
        let layers: Vec<Content> = recipe.layers().collect();
        in_parallel(&layers, |content| Ok(sha256(&content.write()?))).unwrap()
    };
    let [v1, _, _] = &RECIPES;
    let expected = [
        "3f2d5cf65c20ea23e1456d457cd58cc4fdbabc9521b012e57c068e920b46eabd",
        "06e8930a7f6188638f4ed7d859d243bf99bf0fe5ef8a1590419b95f58521ceb0",
        "3a901b9e8c5368cf86c5dd294866eb3dbe04c5e1199a8b0c53615d5fea270e1e",
        "4e305a2ea22e02e0f16a2e03d8539fc1c52524819682a5b3978fce7fb3e76efb",
        "b7975135d6b834d8e2dca3b10d182660e51bd45f59e29507bfc700d462232b59",
        "d683c885609fdd64591a0f40147c5d953a2a62f12f39ce0d6876c6e1f888f72f",
        "1a53ab17baf8660672ddee4e59446d02e7e207ffc57d092c122eb2337f7d11dd",
    ];
    assert_eq!(diff_ids(v1), expected);
    assert_eq!(
        sha256(&Content::App(Version::V2).write().unwrap()),
        "c143401194311185c52b78db018e86b64fc162b7f81541b41eafcbb399a5478e"
    );
}

#[test]
fn the_second_version_has_one_new_layer() {
    let [v1, v2, _] = &RECIPES;
    let pairs: Vec<_> = v1.layers().zip(v2.layers()).filter(|(first, second)| first != second).collect();
    assert_eq!(v1.layers().count(), 7);
    assert_eq!(pairs, [(Content::App(Version::V1), Content::App(Version::V2))]);
    let [first, second] = [Version::V1, Version::V2].map(|version| {
        let bytes = Content::App(version).write().unwrap();
        let mut archive = tar::Archive::new(&bytes[..]);
        let files = archive
            .entries()
            .unwrap()
            .map(Result::unwrap)
            .filter(|entry| entry.header().entry_type().is_file());
        files
            .map(|mut entry| {
                let (path, mut content) = (entry.path().unwrap().into_owned(), Vec::new());
                io::Read::read_to_end(&mut entry, &mut content).unwrap();
                (path, content)
            })
            .collect::<BTreeMap<_, _>>()
    });
    assert_eq!((first.len(), second.len()), (217, 217));
    assert!(first.keys().eq(second.keys()));
    assert_eq!(first.iter().filter(|(path, content)| second[*path] != **content).count(), 1);
}

#[test]
fn writing_twice_gives_the_same_bytes() {
    let work = tempfile::tempdir().unwrap();
    let [first, second] = ["first", "second"].map(|name| {
        let directory = work.path().join(name);
        write_recipes(&directory, &SMALL).unwrap();
        contents(&directory)
    });
    assert_eq!(first.len(), 2 * (2 + 2 + 3) + 1 + 1);
    assert!(first == second);
}

#[test]
fn every_form_holds_the_layers_that_it_names() {
    let work = tempfile::tempdir().unwrap();
    let directory = work.path().join("images");
    let set = write_recipes(&directory, &SMALL).unwrap();
    let [image] = &set.images[..] else { panic!() };
    for layout in [&image.gzip, &image.zstd] {
        let read = |descriptor: &serde_json::Value| {
            let digest = descriptor["digest"].as_str().unwrap().strip_prefix("sha256:").unwrap();
            let bytes = fs::read(layout.join("blobs/sha256").join(digest)).unwrap();
            assert_eq!(
                (sha256(&bytes).as_str(), bytes.len() as u64),
                (digest, descriptor["size"].as_u64().unwrap())
            );
            bytes
        };
        let json = |bytes: &[u8]| serde_json::from_slice::<serde_json::Value>(bytes).unwrap();
        let manifest = json(&read(&json(&fs::read(layout.join("index.json")).unwrap())["manifests"][0]));
        let diff_ids: Vec<String> = manifest["layers"]
            .as_array()
            .unwrap()
            .iter()
            .map(|layer| {
                let (bytes, mut tar) = (read(layer), Vec::new());
                match layer["mediaType"].as_str().unwrap().rsplit_once('+').unwrap().1 {
                    "gzip" => {
                        io::copy(&mut flate2::read::GzDecoder::new(&bytes[..]), &mut tar).map(drop).unwrap()
                    }
                    _ => tar = zstd::decode_all(&bytes[..]).unwrap(),
                }
                format!("sha256:{}", sha256(&tar))
            })
            .collect();
        let config = json(&read(&manifest["config"]));
        assert_eq!(diff_ids, image.diff_ids);
        assert_eq!(config["rootfs"]["diff_ids"], serde_json::json!(diff_ids));
        let layers = config["history"].as_array().unwrap().iter().filter(|step| step["empty_layer"] != true);
        assert_eq!(layers.count(), diff_ids.len());
    }
    let mut archive = tar::Archive::new(fs::File::open(image.archive.as_ref().unwrap()).unwrap());
    let mut layers = Vec::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        if entry.path().unwrap().ends_with("layer.tar") {
            let mut bytes = Vec::new();
            io::Read::read_to_end(&mut entry, &mut bytes).unwrap();
            layers.push(format!("sha256:{}", sha256(&bytes)));
        }
    }
    assert_eq!(layers, image.diff_ids);
}

#[test]
fn a_set_is_written_once_and_replaced_when_the_recipe_is_another() {
    let work = tempfile::tempdir().unwrap();
    let directory = work.path().join("images");
    let set = write_recipes(&directory, &SMALL).unwrap();
    let mark = set.images[0].gzip.join("mark");
    fs::write(&mark, "").unwrap();
    assert_eq!(write_recipes(&directory, &SMALL).unwrap(), set);
    assert!(mark.exists(), "the same recipe is not written again");
    let stamp = directory.join(STAMP);
    let text = fs::read_to_string(&stamp).unwrap();
    fs::write(&stamp, text.replace(&set.recipe, "another")).unwrap();
    assert_eq!(write_recipes(&directory, &SMALL).unwrap(), set);
    assert!(!mark.exists(), "another recipe's images are replaced");
    assert_eq!(fs::read_dir(work.path()).unwrap().count(), 1, "nothing is left beside it");
}

#[test]
fn what_is_not_ours_is_left_alone() {
    let work = tempfile::tempdir().unwrap();
    fs::write(work.path().join("index.json"), "{}").unwrap();
    assert!(matches!(write_recipes(work.path(), &SMALL), Err(Error::Foreign(path)) if path == work.path()));
    fs::write(work.path().join(STAMP), "{").unwrap();
    assert!(matches!(write_recipes(work.path(), &SMALL), Err(Error::Foreign(_))));
    assert_eq!(fs::read(work.path().join("index.json")).unwrap(), b"{}");
}

#[test]
fn the_digest_of_the_recipe_is_over_every_file() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/image");
    let mut files = contents(&directory);
    files.remove(Path::new("tests.rs"));
    // It stands above: the corpus draws from it too.
    files.insert("random.rs".into(), fs::read(directory.join("../random.rs")).unwrap());
    assert!(files.into_values().eq(SOURCES));
}
