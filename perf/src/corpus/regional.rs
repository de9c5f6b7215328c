//! The export of BDU, Russia's database: `vulxml.zip` with one XML document of all its entries.
//!
//! There is no published schema and no real entry at hand. The elements are those that public readers of the export name;
//! an entry is as long as in the real one, which has half a gigabyte for some 80,000. Every entry but a few names CVEs, mostly
//! those that [`super::nvd`] has.

use std::{
    fmt::Write as _,
    io::Write as _,
    path::{Path, PathBuf},
};

use zip::ZipWriter;

use super::{
    archive::{Archive, Content, create, member},
    nvd, package, prose,
    record::cve,
};
use crate::{Failure, random::Random};

const MEMBER: &str = "export/export.xml";
const VENDORS: usize = 3000;

/// Severity in words, with scores of CVSS 2.0 and 3.0 and their vectors.
const RATINGS: [[&str; 5]; 4] = [
    ["Критический", "10", "AV:N/AC:L/Au:N/C:C/I:C/A:C", "9,8", "AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"],
    ["Высокий", "7,8", "AV:N/AC:L/Au:N/C:C/I:N/A:N", "7,5", "AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N"],
    ["Средний", "4,3", "AV:N/AC:M/Au:N/C:N/I:P/A:N", "6,1", "AV:N/AC:L/PR:N/UI:R/S:C/C:L/I:L/A:N"],
    ["Низкий", "1,2", "AV:L/AC:H/Au:N/C:P/I:N/A:N", "2,5", "AV:L/AC:H/PR:L/UI:N/S:U/C:L/I:N/A:N"],
];

/// Writes `directory/BDU/vulxml.zip` with `count` entries.
pub fn write(directory: &Path, count: usize) -> Result<Archive, Failure> {
    let path: PathBuf = ["BDU", "vulxml.zip"].iter().collect();
    let mut zip = ZipWriter::new(create(&directory.join(&path))?);
    zip.start_file(MEMBER, member())?;
    let mut out = Content::new(zip);
    out.write_all(b"<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<vulnerabilities>\n")?;
    for index in 0..count {
        out.write_all(vulnerability(index).as_bytes())?;
    }
    out.write_all(b"</vulnerabilities>\n")?;
    let (zip, content, size_bytes) = out.finish();
    zip.finish()?.into_inner()?.sync_all()?;
    Ok(Archive {
        path,
        source: "bdu".to_owned(),
        records: count as u64,
        size_bytes,
        content: content.to_string(),
        ..Archive::default()
    })
}

/// Entry number `index`.
pub fn vulnerability(index: usize) -> String {
    let mut random = Random::of(&format!("BDU {index}"));
    let random = &mut random;
    let year = 2025 - random.skewed(11);
    let cves: Vec<String> = (0..random.spread(&[0, 1, 1, 1, 1, 1, 3, 8])).map(|_| name(random)).collect();
    let mut out = String::with_capacity(8 << 10);
    // Writing to a string cannot fail.
    let mut line = |name: &str, text: &str| {
        let _ = writeln!(out, "    <{name}>{text}</{name}>");
    };
    let size = random.spread(&[60, 90, 120, 160, 210, 270, 400, 600]);
    line("identifier", &format!("BDU:{year}-{}", 900_000 + index));
    line("name", &format!("Уязвимость &quot;{}&quot;", words(random, size)));
    let size = random.spread(&[100, 170, 220, 280, 350, 450, 1000, 2500]);
    line("description", &words(random, size));
    line("vulnerable_software", &software(random));
    line("environment", &systems(random));
    let weakness = 20 + random.below(1300);
    let described = words(random, 60);
    let weakness = format!("<identifier>CWE-{weakness}</identifier><name>{described}</name>");
    line("cwes", &format!("<cwe>{weakness}</cwe>"));
    line("identify_date", &day(random, year));
    line("publication_date", &day(random, year));
    line("last_upd_date", &day(random, 2025));
    let [word, second, vector, third, of_third] = *random.pick(&RATINGS);
    line("cvss", &format!("<vector score=\"{second}\">{vector}</vector>"));
    line("cvss3", &format!("<vector score=\"{third}\">{of_third}</vector>"));
    line("cvss4", "<vector score=\"\"></vector>");
    let said = |version: &str, score: &str| {
        format!("{word} уровень опасности (базовая оценка CVSS {version} составляет {score})")
    };
    line("severity", &[said("2.0", second), said("3.0", third)].join("\n"));
    line("solution", &solution(random));
    line("vul_status", "Подтверждена производителем");
    line("exploit_status", random.pick::<&str>(&["Данные уточняются", "Существует", "Отсутствует"]));
    line("fix_status", random.pick::<&str>(&["Уязвимость устранена", "Информация отсутствует"]));
    line("sources", &links(random));
    let identifiers: String = cves
        .iter()
        .map(|cve| {
            let link = format!("https://nvd.example.org/vuln/detail/{cve}");
            format!("<identifier type=\"CVE\" link=\"{link}\">{cve}</identifier>")
        })
        .collect();
    line("identifiers", &identifiers);
    line("vul_class", &words(random, 40));
    format!("  <vul>\n{out}  </vul>\n")
}

/// A vulnerability that NVD has, or an older one.
fn name(random: &mut Random) -> String {
    let year = if random.chance(700) { *random.pick(&nvd::YEARS) } else { 2012 + random.below(11) };
    cve(year, random.below(nvd::COUNT / nvd::YEARS.len()))
}

/// About `size` letters.
fn words(random: &mut Random, size: usize) -> String {
    prose::cyrillic(&prose::details(random, size))
}

fn software(random: &mut Random) -> String {
    let count = random.spread(&[1, 1, 1, 2, 5, 12, 40, 110]);
    (0..count)
        .map(|_| {
            let vendor = package::invented("BDU", random.skewed(VENDORS));
            let (product, version) = (prose::name(random), version(random));
            let kind = random.pick::<&str>(&[
                "Операционная система",
                "Прикладное ПО информационных систем",
                "Сетевое программное средство",
            ]);
            format!(
                "\n      <soft>\n        <vendor>{vendor} Inc.</vendor>\n        <name>{vendor} {product}</name>\n        \
                 <version>{version}</version>\n        <platform></platform>\n        <types>\n          \
                 <type>{kind}</type>\n        </types>\n      </soft>"
            )
        })
        .collect()
}

fn version(random: &mut Random) -> String {
    let version = prose::version(random);
    if random.chance(500) { format!("от {version} до {}", prose::version(random)) } else { version }
}

fn systems(random: &mut Random) -> String {
    let count = random.spread(&[0, 0, 0, 0, 2, 6, 25, 60]);
    (0..count)
        .map(|_| {
            let vendor = package::invented("BDU", random.skewed(VENDORS));
            let version = prose::version(random);
            format!(
                "\n      <os>\n        <vendor>{vendor} Inc.</vendor>\n        <name>{vendor}</name>\n        \
                 <version>{version}</version>\n        <platform>64-bit</platform>\n      </os>"
            )
        })
        .collect()
}

/// Advice, and where each vendor gives more.
fn solution(random: &mut Random) -> String {
    let size = random.spread(&[40, 100, 170, 270, 400, 600, 1500, 3500]);
    let advice = words(random, size);
    format!("{advice}\n{}", links(random))
}

fn links(random: &mut Random) -> String {
    let count = random.spread(&[1, 1, 2, 3, 5, 8, 25, 60]);
    let links: Vec<String> = (0..count)
        .map(|_| {
            let name = prose::name(random);
            prose::url(random, name)
        })
        .collect();
    links.join("\n")
}

/// A day of `year` as BDU writes it.
fn day(random: &mut Random, year: usize) -> String {
    format!("{:02}.{:02}.{year}", 1 + random.below(28), 1 + random.below(12))
}
