//! Reads wanted layers of a directory, an archive or a registry, several at a time.

use std::{
    collections::BTreeSet,
    io::{self, Read},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use stella::{
    digest::Digest,
    inventory::Weight,
    layer::{self, Analysed, Expected, Limits},
};

use super::{Error, OpenedImage, Place, Progress, store::Store};

/// One layer to be read.
struct Job<'a> {
    diff_id: Digest,
    place: &'a Place,
    size_bytes: u64,
    /// Position among the results.
    index: usize,
}

/// Each wanted layer once, in image order; the biggest is begun first, so that no thread is left alone with it.
pub(super) fn analyse(
    store: &Store,
    image: &OpenedImage,
    wanted: &[Digest],
    limits: &Limits,
    threads: usize,
    progress: &dyn Progress,
) -> Result<Vec<Analysed>, Error> {
    let mut jobs = jobs(store, image, wanted)?;
    progress.begin(jobs.len(), Some(jobs.iter().map(|job| job.size_bytes).fold(0, u64::saturating_add)));
    let results: Vec<Mutex<Option<Result<Analysed, Error>>>> =
        jobs.iter().map(|_| Mutex::new(None)).collect();
    jobs.sort_by_key(|job| (std::cmp::Reverse(job.size_bytes), job.index));
    let next = AtomicUsize::new(0);
    let weight = Mutex::new(Weight::default());
    let work = || {
        while let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
            let result = read(store, job, limits, progress).and_then(|analysed| {
                lock(&weight).add(&analysed.fragment)?;
                Ok(analysed)
            });
            match &result {
                Ok(analysed) => progress.analysed(analysed),
                // Nothing more is begun; what runs comes to its end.
                Err(_) => next.store(jobs.len(), Ordering::Relaxed),
            }
            *lock(&results[job.index]) = Some(result);
        }
    };
    thread::scope(|scope| {
        for _ in 1..threads.min(jobs.len()) {
            scope.spawn(work);
        }
        work();
    });
    // After an error some have no result; the error is there, and the first in image order is told.
    results.into_iter().filter_map(|result| result.into_inner().unwrap_or_else(|e| e.into_inner())).collect()
}

fn jobs<'a>(store: &Store, image: &'a OpenedImage, wanted: &[Digest]) -> Result<Vec<Job<'a>>, Error> {
    let mut left: BTreeSet<Digest> = wanted.iter().copied().collect();
    let mut jobs = Vec::new();
    for (layer, place) in image.image.layers.iter().zip(&image.places) {
        let Some(place) = place else { continue };
        if left.remove(&layer.diff_id) {
            let size_bytes = store.size_bytes(place)?;
            jobs.push(Job { diff_id: layer.diff_id, place, size_bytes, index: jobs.len() });
        }
    }
    Ok(jobs)
}

fn read(store: &Store, job: &Job, limits: &Limits, progress: &dyn Progress) -> Result<Analysed, Error> {
    let reader = store.layer(job.place)?;
    let expected = Expected { blob: job.place.blob, diff_id: Some(job.diff_id) };
    layer::analyse(Counted { reader, progress }, expected, limits).map_err(|source| Error::Layer {
        diff_id: job.diff_id,
        name: job.place.name.clone(),
        place: store.place(),
        source: Box::new(source),
    })
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// A reader that tells how far it is.
pub(super) struct Counted<'a, R> {
    pub reader: R,
    pub progress: &'a dyn Progress,
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(buffer)?;
        self.progress.read(count as u64);
        Ok(count)
    }
}
