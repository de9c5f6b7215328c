//! The round trips of the real gate, where the programs are built beside this test.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::{image, link};
use crate::{
    gate::Gate,
    server::Server,
    statistics::Summary,
    wan::{Front, INITIAL_WINDOW_BYTES, bare_exchange},
};

const OS_RELEASE: &str = "ID=debian\nVERSION_ID=\"12\"\n";
const STATUS: &str =
    "Package: zlib1g\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1:1.2.13\n";

const SAMPLES: usize = 3;

/// `target/PROFILE/NAME`, or `None` with the reason printed.
fn program(name: &str) -> Option<PathBuf> {
    let test = std::env::current_exe().unwrap();
    let path = test.parent().unwrap().parent().unwrap().join(name);
    if path.exists() {
        return Some(path);
    }
    println!("skipped: {} is not built", path.display());
    None
}

#[test]
fn a_gate_costs_three_round_trips_and_one_more_for_a_layer() {
    let (Some(stella), Some(stella_server)) = (program("stella"), program("stella-server")) else { return };
    let work = tempfile::tempdir().unwrap();
    let work = work.path();
    let advisories = work.join("advisories");
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/advisories");
    let import = Command::new(&stella)
        .args(["feeds", "import"])
        .arg(fixtures)
        .arg("--advisories")
        .arg(&advisories)
        .output()
        .unwrap();
    assert!(import.status.success(), "{import:?}");

    for round_trip_ms in [20, 50] {
        let Some(link) = link(round_trip_ms) else { return };
        let data = work.join(format!("data-{round_trip_ms}"));
        fs::create_dir(&data).unwrap();
        let more = ["--advisories".to_owned(), advisories.display().to_string()];
        let server = link.in_server(|| Server::start(&stella_server, &data, &more)).unwrap().unwrap();
        let backend = server.url.strip_prefix("http://").unwrap().parse().unwrap();
        let front = Front::start(&link, backend).unwrap();
        let gate = Gate {
            stella: stella.clone(),
            arguments: vec!["--server".to_owned(), front.url.clone(), "--no-cache".to_owned()],
            environment: vec![("SSL_CERT_FILE", front.authorities_pem().display().to_string())],
            work: work.to_owned(),
        };
        let run = |layout: &Path, hits: usize, misses: usize| {
            let image = format!("oci:{}", layout.display());
            let gated = link.in_client(|| gate.expect(&image, hits, misses)).unwrap().unwrap();
            (gated.ended.wall_ms, front.take_count())
        };
        let base = image::layer(&[("etc/os-release", OS_RELEASE), ("var/lib/dpkg/status", STATUS)]);
        let (mut known_ms, mut missing_ms, mut floor_ms) = (Vec::new(), Vec::new(), Vec::new());
        for sample in 0..=SAMPLES {
            let layout = work.join(format!("image-{round_trip_ms}-{sample}"));
            let package = format!("Metadata-Version: 2.1\nName: jinja2\nVersion: 2.{sample}\n");
            let package =
                image::layer(&[("usr/lib/python3/dist-packages/jinja2.dist-info/METADATA", &package)]);
            image::write(&layout, &[base.clone(), package]);
            if sample == 0 {
                // The server learns the lower layer; both sides are warm.
                run(&layout, 0, 2);
                continue;
            }
            let (wall_ms, count) = run(&layout, 1, 1);
            println!("one layer missing: {wall_ms:.1} ms, {count:?}");
            missing_ms.push(wall_ms);
            assert_eq!((count.connections, count.round_trips), (1, 4), "{count:?}");
            assert!(count.largest_flight_bytes <= INITIAL_WINDOW_BYTES, "{count:?}");
            let (wall_ms, count) = run(&layout, 2, 0);
            println!("all layers known: {wall_ms:.1} ms, {count:?}");
            known_ms.push(wall_ms);
            assert_eq!((count.connections, count.round_trips), (1, 3), "{count:?}");
            assert!(count.largest_flight_bytes <= INITIAL_WINDOW_BYTES, "{count:?}");
            floor_ms.push(bare_exchange(&link, &front).unwrap());
            front.take_count();
        }
        for (what, samples_ms) in [("known", known_ms), ("missing", missing_ms), ("floor", floor_ms)] {
            println!("{round_trip_ms} ms, {what}: {:?}", Summary::of(&samples_ms));
        }
        server.stop().unwrap();
    }
}
