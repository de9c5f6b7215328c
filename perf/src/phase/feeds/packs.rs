//! A directory of real feeds: which paths an import is given, and its NVD-shaped records multiplied to as many as three years
//! have.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use serde::Deserialize;
use serde_json::value::RawValue;
use stella::digest::Digest;

use super::documents::{Documents, is_archive, is_document, sorted};
use crate::{
    Failure,
    corpus::{nvd, record::cve},
    random::Random,
};

/// How far into a document its form is looked for.
const HEAD_BYTES: usize = 4 << 10;
/// Where the numbers of copies begin: no other seeded record has them.
const FIRST_COPY: usize = 800_000;

/// Every archive below `folder` by itself, a folder with nothing but documents as a whole, and documents beside archives by
/// themselves; in the order of their names. What is neither, such as a README, is left.
pub fn paths(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    Ok(gather(folder)?.0)
}

/// The paths, and whether an archive is among them.
fn gather(folder: &Path) -> Result<(Vec<PathBuf>, bool), Failure> {
    let (mut paths, mut archives) = (Vec::new(), false);
    for path in sorted(folder)? {
        let name = path.display().to_string();
        if path.is_dir() {
            let (below, archive) = gather(&path)?;
            paths.extend(below);
            archives |= archive;
        } else if is_archive(&name) {
            paths.push(path);
            archives = true;
        } else if is_document(&name) {
            paths.push(path);
        }
    }
    if !archives && !paths.is_empty() {
        paths = vec![folder.to_owned()];
    }
    Ok((paths, archives))
}

/// Files with copies of the NVD-shaped records of `documents` under numbers of their own, so many that with those there are
/// `count`; none where there is no such record. They are written once into `cache`, under the name of `content`, the digest
/// of what is copied.
pub fn multiplied(
    documents: &Documents,
    content: Digest,
    count: usize,
    cache: &Path,
) -> Result<Vec<PathBuf>, Failure> {
    let name = Digest::of(format!("{count} {content}").as_bytes()).hex();
    let place = cache.join(format!("feeds-{}", &name[..12]));
    if !place.exists() {
        let made = tempfile::Builder::new().prefix(".feeds-").tempdir_in(cache)?;
        write(&records(documents)?, count, made.path())?;
        match fs::rename(made.path(), &place) {
            // Another run was faster.
            Err(_) if place.exists() => {}
            result => result?,
        }
    }
    sorted(&place)
}

#[derive(Deserialize)]
struct Page<'a> {
    #[serde(borrow)]
    vulnerabilities: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
struct Item {
    cve: Named,
}

#[derive(Deserialize)]
struct Named {
    id: String,
}

/// The NVD-shaped records, by id.
fn records(documents: &Documents) -> Result<BTreeMap<String, String>, Failure> {
    let records = Mutex::new(BTreeMap::new());
    documents.each(&|name: &str, bytes: &[u8]| {
        let head = &bytes[..bytes.len().min(HEAD_BYTES)];
        let form = br#""NVD_CVE""#; // the value of `format`
        if !head.windows(form.len()).any(|window| window == form) {
            return Ok(());
        }
        let page: Page<'_> = serde_json::from_slice(bytes).map_err(|error| format!("{name}: {error}"))?;
        for record in page.vulnerabilities {
            let item: Item =
                serde_json::from_str(record.get()).map_err(|error| format!("{name}: {error}"))?;
            let mut records = records.lock().unwrap_or_else(PoisonError::into_inner);
            records.insert(item.cve.id, record.get().to_owned());
        }
        Ok(())
    })?;
    Ok(records.into_inner().unwrap_or_else(PoisonError::into_inner))
}

/// Writes the copies, a file for each year; the years with fewest records get most.
fn write(records: &BTreeMap<String, String>, count: usize, directory: &Path) -> Result<(), Failure> {
    let all: Vec<(&String, &String)> = records.iter().collect();
    if all.is_empty() {
        return Ok(());
    }
    let mut years = nvd::YEARS.map(|year| {
        let of_year = format!("CVE-{year}-");
        (year, all.iter().filter(|(id, _)| id.starts_with(&of_year)).count(), Vec::new())
    });
    for index in 0..count.saturating_sub(all.len()) {
        if let Some((_, has, copies)) = years.iter_mut().min_by_key(|(_, has, _)| *has) {
            *has += 1;
            copies.push(index);
        }
    }
    for (year, _, copies) in years.iter().filter(|(_, _, copies)| !copies.is_empty()) {
        let texts = copies.iter().map(|index| {
            let (id, text) = Random::of(&format!("NVD copy {index}")).pick(&all);
            Ok(text.replace(id.as_str(), &cve(*year, FIRST_COPY + index)).into_bytes())
        });
        nvd::write_year(&directory.join(nvd::file_name(*year)), copies.len(), texts)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn archives_are_named_one_by_one_and_folders_as_a_whole() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        for name in ["a/x.json", "a/b/y.csv.gz", "c/d.tar.zst", "c/e/z.xml", "c/f.json", "NOTES.md", "g.zip"]
        {
            fs::create_dir_all(at(name).parent().unwrap()).unwrap();
            fs::write(at(name), "").unwrap();
        }
        let found = paths(directory.path()).unwrap();
        assert_eq!(found, ["a", "c/d.tar.zst", "c/e", "c/f.json", "g.zip"].map(at));
        assert_eq!(paths(&at("a")).unwrap(), [at("a")], "documents alone");
    }

    #[test]
    fn nvd_shaped_records_are_multiplied_and_no_others() {
        let directory = tempfile::tempdir().unwrap();
        let cache = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        let record =
            |id: &str| format!(r#"{{"cve":{{"id":"{id}","references":[{{"url":"https://x/{id}"}}]}}}}"#);
        let (a, b) = (record("CVE-2023-1"), record("CVE-2024-2"));
        let page = format!(r#"{{"resultsPerPage":2,"format":"NVD_CVE","vulnerabilities":[{a},{b}]}}"#);
        fs::write(at("page.json"), page).unwrap();
        fs::write(at("other.json"), r#"{"id":"A","details":"of \"NVD_CVE\""}"#).unwrap();
        let documents = |paths: Vec<PathBuf>| Documents::open(paths).unwrap();
        let of = |directory: &Path| documents(paths(directory).unwrap());
        let digest = of(directory.path()).digest(directory.path()).unwrap();
        let copies = multiplied(&of(directory.path()), digest, 11, cache.path()).unwrap();
        let ids: BTreeSet<String> = records(&documents(copies.clone())).unwrap().into_keys().collect();
        let of_year = |year: usize| ids.iter().filter(|id| id.starts_with(&format!("CVE-{year}-9"))).count();
        assert_eq!((ids.len(), nvd::YEARS.map(of_year)), (9, [3, 3, 3]));
        for (id, text) in records(&documents(copies.clone())).unwrap() {
            assert_eq!(text.matches(&id).count(), 2, "{text}");
        }
        fs::write(copies[0].with_file_name("kept.json"), "[]").unwrap();
        let again = multiplied(&of(directory.path()), digest, 11, cache.path()).unwrap();
        assert_eq!(again.len(), copies.len() + 1, "what is there is not written again");
        fs::remove_file(at("page.json")).unwrap();
        let other = of(directory.path()).digest(directory.path()).unwrap();
        assert_ne!(other, digest);
        assert!(multiplied(&of(directory.path()), other, 11, cache.path()).unwrap().is_empty());
    }
}
