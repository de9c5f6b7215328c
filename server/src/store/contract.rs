//! The one test that every backend passes.

use stella::{api::Pair, digest::Digest, policy::Class};

use super::{Owner, Sent, Space, Store, Stored, Upload};

/// The bound on scans that a backend under test is opened with.
pub const SCANS_KEPT: u64 = 3;

fn owner(tenant: &str, scope: &str) -> Owner {
    Owner { tenant: tenant.into(), class: Class::Trusted, scope: scope.into() }
}

fn space(tenant: &str, analyzer: &str) -> Space {
    Space { owner: owner(tenant, ""), schema: 1, analyzer: analyzer.into() }
}

fn upload<'a>(scan: &'a str, space: &'a Space, layer: &[u8], bytes: &'a [u8]) -> Upload<'a> {
    let diff_id = Digest::of(layer);
    Upload {
        scan,
        space,
        diff_id,
        blob: Some(Digest::of(diff_id.bytes())),
        content: Digest::of(bytes),
        bytes,
    }
}

/// Writes what [`read`] looks for.
pub fn write(store: &dyn Store) {
    let space = space("default", "a");
    store.open_scan("scan-1", b"request").unwrap();
    assert_eq!(store.put_fragment(&upload("scan-1", &space, b"layer", b"fragment")).unwrap(), Stored::New);
}

/// Finds what [`write`] was told is kept.
pub fn read(store: &dyn Store) {
    let space = space("default", "a");
    let layer = Digest::of(b"layer");
    let content = Digest::of(b"fragment");
    let blob = Digest::of(layer.bytes());
    store.ping().unwrap();
    assert_eq!(store.layers(&space, &[layer, blob]).unwrap(), [Some(content), None]);
    assert_eq!(store.fragment(&space, layer, content).unwrap().as_deref(), Some(b"fragment".as_slice()));
    assert_eq!(store.pairs(&space.owner, &[Pair { blob, diff_id: layer }]).unwrap(), [true]);
    let scan = store.scan("scan-1").unwrap().unwrap();
    assert_eq!(scan.request, b"request");
    assert_eq!(scan.sent, [Sent { diff_id: layer, blob: Some(blob), content }]);
    assert_eq!(scan.answer, None);
}

/// The whole contract, on an empty store that keeps [`SCANS_KEPT`] scans.
pub fn holds(store: &dyn Store) {
    assert_eq!(store.scan("scan-1").unwrap(), None);
    write(store);
    read(store);
    spaces_are_apart(store);
    layers_are_disputed(store);
    pairs_are_disputed(store);
    scans_are_bounded(store);
}

fn spaces_are_apart(store: &dyn Store) {
    let layer = Digest::of(b"layer");
    for other in [space("default", "b"), space("other", "a"), Space { schema: 2, ..space("default", "a") }] {
        assert_eq!(store.layers(&other, &[layer]).unwrap(), [None], "{other:?}");
        assert_eq!(store.fragment(&other, layer, Digest::of(b"fragment")).unwrap(), None, "{other:?}");
    }
    // Names that give the same text when they are put one after the other.
    let [first, second] = [owner("ab", "c"), owner("a", "bc")];
    let pair = Pair { blob: Digest::of(b"x"), diff_id: Digest::of(b"y") };
    store.add_pairs(&first, &[pair]).unwrap();
    assert_eq!(store.pairs(&first, &[pair]).unwrap(), [true]);
    assert_eq!(store.pairs(&second, &[pair]).unwrap(), [false]);
}

fn layers_are_disputed(store: &dyn Store) {
    let space = space("default", "a");
    let layer = Digest::of(b"layer");
    assert_eq!(store.put_fragment(&upload("scan-1", &space, b"layer", b"fragment")).unwrap(), Stored::Same);
    assert_eq!(store.layers(&space, &[layer]).unwrap(), [Some(Digest::of(b"fragment"))]);
    assert_eq!(store.put_fragment(&upload("scan-2", &space, b"layer", b"forged")).unwrap(), Stored::Disputed);
    assert_eq!(store.layers(&space, &[layer]).unwrap(), [None]);
    // The honest one again does not settle it: else the last to speak would win.
    assert_eq!(
        store.put_fragment(&upload("scan-3", &space, b"layer", b"fragment")).unwrap(),
        Stored::Disputed
    );
    assert_eq!(store.layers(&space, &[layer]).unwrap(), [None]);
    for bytes in [b"fragment".as_slice(), b"forged"] {
        assert_eq!(store.fragment(&space, layer, Digest::of(bytes)).unwrap().as_deref(), Some(bytes));
    }
}

fn pairs_are_disputed(store: &dyn Store) {
    let owner = owner("default", "");
    let [right, wrong] = [b"right", b"wrong"]
        .map(|layer: &[u8; 5]| Pair { blob: Digest::of(b"blob"), diff_id: Digest::of(layer) });
    store.add_pairs(&owner, &[right]).unwrap();
    assert_eq!(store.pairs(&owner, &[right, wrong]).unwrap(), [true, false]);
    store.add_pairs(&owner, &[wrong]).unwrap();
    assert_eq!(store.pairs(&owner, &[right, wrong]).unwrap(), [false, false]);
}

fn scans_are_bounded(store: &dyn Store) {
    for name in ["scan-4", "scan-5", "scan-6"] {
        store.open_scan(name, b"{}").unwrap();
        store.close_scan(name, b"answer").unwrap();
    }
    assert_eq!(store.scan("scan-1").unwrap(), None, "the oldest goes");
    assert_eq!(store.newest_scans(2).unwrap(), ["scan-6", "scan-5"]);
    assert_eq!(store.scan("scan-4").unwrap().unwrap().answer.as_deref(), Some(b"answer".as_slice()));
    // A scan that missed nothing was never opened.
    store.close_scan("scan-7", b"answer").unwrap();
    assert_eq!(store.scan("scan-7").unwrap().unwrap().request, b"");
}
