//! Java archives made by the real tools and read by the real Java, where they are there; skipped, and said so, where
//! they are not.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says what it leaves out"
)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use stella::package::{Fact, Read, recognise};

/// `NAME@VERSION` of all packages.
fn packages(path: &Path) -> Result<BTreeSet<String>, String> {
    let bytes = fs::read(path).unwrap();
    let Some(Read::Parts(read)) = recognise(path.to_str().unwrap(), &bytes[..bytes.len().min(4096)]) else {
        return Err("not recognised".to_owned());
    };
    match read(path.to_str().unwrap(), &mut fs::File::open(path).unwrap()) {
        Ok(Some(Fact::Installed { packages, .. })) => {
            Ok(packages.iter().map(|package| format!("{}@{}", package.name, package.version)).collect())
        }
        Ok(None) => Ok(BTreeSet::new()),
        Ok(Some(other)) => panic!("{other:?}"),
        Err(error) => Err(error.to_string()),
    }
}

/// What a tool prints; `None`, and a line that says why, where there is no such tool or it fails.
fn run(directory: &Path, command: &[&str]) -> Option<String> {
    let output = Command::new(command[0]).args(&command[1..]).current_dir(directory).output();
    match output {
        Ok(output) if output.status.success() => Some(String::from_utf8(output.stdout).unwrap()),
        Ok(output) => {
            let why = [output.stdout, output.stderr].concat();
            println!(
                "skipped: {command:?}: {}",
                String::from_utf8_lossy(&why).lines().next().unwrap_or_default()
            );
            None
        }
        Err(error) => {
            println!("skipped: {}: {error}", command[0]);
            None
        }
    }
}

fn pom(root: &Path, group: &str, artifact: &str, version: &str) {
    let directory = root.join(format!("META-INF/maven/{group}/{artifact}"));
    fs::create_dir_all(&directory).unwrap();
    let text = format!("groupId={group}\nartifactId={artifact}\nversion={version}\n");
    fs::write(directory.join("pom.properties"), text).unwrap();
}

fn strings(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn made_by_the_jar_tool() {
    let temporary = tempfile::tempdir().unwrap();
    let root = temporary.path();
    pom(&root.join("one"), "com.example", "one", "1.0");
    pom(&root.join("two"), "com.example", "two", "2.0");
    let jar = |arguments: &[&str]| run(root, &[&["jar"], arguments].concat()).is_some();
    fs::write(root.join("title"), "Implementation-Title: three\nImplementation-Version: 3.0\n").unwrap();
    for directory in ["app/BOOT-INF/lib", "war/WEB-INF/lib", "ear/lib", "plain"] {
        fs::create_dir_all(root.join(directory)).unwrap();
    }
    fs::write(root.join("plain/A.class"), [0xCA, 0xFE, 0xBA, 0xBE]).unwrap();
    if !jar(&["cf", "app/BOOT-INF/lib/one-1.0.jar", "-C", "one", "."]) {
        return;
    }
    assert!(jar(&["c0f", "app/BOOT-INF/lib/two-2.0.jar", "-C", "two", "."]));
    assert!(jar(&["cfm", "app/BOOT-INF/lib/three.jar", "title", "-C", "plain", "."]));
    assert!(jar(&["c0f", "war/WEB-INF/lib/app.jar", "-C", "app", "."]));
    assert!(jar(&["cf", "ear/web.war", "-C", "war", "."]));
    assert!(jar(&["cf", "enterprise.ear", "-C", "ear", "."]));
    let all = strings(&["com.example:one@1.0", "com.example:two@2.0", "three@3.0"]);
    assert_eq!(packages(&root.join("enterprise.ear")).unwrap(), all);
    // Found by content too, behind a script too, and after an update.
    assert!(jar(&["uf", "war/WEB-INF/lib/app.jar", "-C", "plain", "."]));
    let app = fs::read(root.join("war/WEB-INF/lib/app.jar")).unwrap();
    fs::write(root.join("service"), &app).unwrap();
    let mut with_itself = all;
    with_itself.insert("service@".to_owned());
    assert_eq!(packages(&root.join("service")).unwrap(), with_itself);
    fs::write(root.join("service"), [b"#!/bin/sh\nexec java -jar \"$0\" \"$@\"\n", &app[..]].concat())
        .unwrap();
    assert_eq!(packages(&root.join("service")).unwrap(), with_itself);
    let one = fs::read(root.join("app/BOOT-INF/lib/one-1.0.jar")).unwrap();
    fs::write(root.join("cut.jar"), &one[..one.len() / 2]).unwrap();
    assert!(packages(&root.join("cut.jar")).unwrap_err().contains("zip"));
}

/// Prints, for each file of a directory, what Java's own reader sees of Maven's files in it.
const ORACLE: &str = r#"
import java.io.*;
import java.util.*;
import java.util.zip.*;

public class Oracle {
    static String known(String value, String other) {
        value = value == null ? "" : value.strip();
        return value.isEmpty() || value.contains("${") || value.contains("@") ? other : value;
    }

    public static void main(String[] arguments) throws Exception {
        PrintStream out = new PrintStream(new FileOutputStream(FileDescriptor.out), false, "UTF-8");
        for (File file : new File(arguments[0]).listFiles()) {
            TreeSet<String> found = new TreeSet<>();
            try (ZipFile zip = new ZipFile(file)) {
                for (ZipEntry listed : Collections.list(zip.entries())) {
                    String name = listed.getName();
                    if (!name.endsWith("/pom.properties")) continue;
                    String[] parts = name.split("/", -1);
                    int n = parts.length;
                    boolean maven = n >= 5 && parts[n - 5].equals("META-INF") && parts[n - 4].equals("maven");
                    Properties properties = new Properties();
                    try (InputStream in = zip.getInputStream(zip.getEntry(name))) {
                        properties.load(new ByteArrayInputStream(in.readAllBytes()));
                    } catch (IOException error) {
                        properties.clear();
                    }
                    String group = known(properties.getProperty("groupId"), maven ? known(parts[n - 3], "") : "");
                    String artifact = known(properties.getProperty("artifactId"), maven ? known(parts[n - 2], "") : "");
                    String version = known(properties.getProperty("version"), "");
                    if (!artifact.isEmpty()) found.add((group.isEmpty() ? "" : group + ":") + artifact + "@" + version);
                }
                out.println(file.getName() + "\tread\t" + String.join("\t", found));
            } catch (IOException | RuntimeException error) {
                out.println(file.getName() + "\trefused\t" + error);
            }
        }
        out.flush();
    }
}
"#;

/// Damaged and twisted archives: whatever Java can still read of them is read, and as Java reads it.
#[test]
fn the_same_as_java() {
    let temporary = tempfile::tempdir().unwrap();
    let root = temporary.path();
    fs::write(root.join("Oracle.java"), ORACLE).unwrap();
    for (directory, version) in [("plain", "1.0"), ("other", "2.0")] {
        pom(&root.join(directory), "com.example", "one", version);
        pom(&root.join(directory), "com.example", "two", version);
        let archive = format!("{directory}.zip");
        let storing = if directory == "plain" { "c0Mf" } else { "cMf" };
        if run(root, &["jar", storing, &archive, "-C", directory, "."]).is_none() {
            return;
        }
    }
    let [stored, deflated] = ["plain.zip", "other.zip"].map(|name| fs::read(root.join(name)).unwrap());
    let archives = root.join("archives");
    fs::create_dir(&archives).unwrap();
    let write = |name: String, bytes: &[u8]| fs::write(archives.join(name), bytes).unwrap();
    for (kind, archive) in [("stored", &stored), ("deflated", &deflated)] {
        write(format!("{kind}.jar"), archive);
        for length in [1, 21, 22, 100, 65_535, 65_536, 65_614, 65_615, 66_000] {
            write(format!("{kind}-after{length}.jar"), &[archive, &vec![b'x'; length][..]].concat());
            write(format!("{kind}-before{length}.jar"), &[&vec![b'x'; length][..], archive].concat());
        }
        write(format!("{kind}-twice.jar"), &[&stored[..], archive].concat());
        write(format!("{kind}-in-comment.jar"), &[archive, &archive[archive.len() - 22..]].concat());
    }
    // Numerical Recipes' generator: the same mutations every time.
    let mut state = 1_u32;
    let mut random = |below: usize| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as usize % below
    };
    for number in 0..3000 {
        let mut bytes = if random(2) == 0 { stored.clone() } else { deflated.clone() };
        for _ in 0..=random(3) {
            // Half of them in the central directory and its end.
            let at = if random(2) == 0 { random(bytes.len()) } else { bytes.len() - 1 - random(500) };
            let interesting = [0, 1, 8, 0xFF, b'/', b'P', bytes[at] ^ 1, bytes[at].wrapping_add(1)];
            bytes[at] = interesting[random(interesting.len())];
        }
        write(format!("mutated{number}.jar"), &bytes);
    }
    let Some(said) = run(root, &["java", "Oracle.java", archives.to_str().unwrap()]) else { return };
    let (mut read, mut refused, mut laxer) = (0, 0, 0);
    for line in said.lines() {
        let mut fields = line.split('\t');
        let (name, verdict) = (fields.next().unwrap(), fields.next().unwrap());
        let own = packages(&archives.join(name));
        if verdict == "read" {
            let java = fields.filter(|field| !field.is_empty()).map(str::to_owned).collect();
            assert_eq!(own, Ok(java), "{name}");
            read += 1;
        } else {
            refused += 1;
            laxer += usize::from(own.is_ok_and(|own| !own.is_empty()));
        }
    }
    println!("{read} read alike; of {refused} that Java refuses, {laxer} are read");
    assert!(read > 1000 && refused > 500);
}

/// Published archives, with Maven's own files and without.
const PUBLISHED: [&str; 14] = [
    "ch.qos.logback:logback-classic:1.6.2",
    "com.fasterxml.jackson.core:jackson-databind:2.21.3",
    "com.google.guava:guava:33.5.0-jre",
    "com.h2database:h2:2.3.230",
    "com.mysql:mysql-connector-j:9.4.0",
    "io.netty:netty-handler:4.2.20.Final",
    "org.apache.commons:commons-lang3:3.18.0",
    "org.apache.logging.log4j:log4j-core:2.25.3",
    "org.apache.tomcat.embed:tomcat-embed-core:11.0.27",
    "org.bouncycastle:bcprov-jdk18on:1.82",
    "org.jetbrains.kotlin:kotlin-stdlib:2.4.21",
    "org.postgresql:postgresql:42.7.8",
    "org.springframework.boot:spring-boot-loader:3.5.12",
    "org.springframework.security:spring-security-core:7.1.2",
];

#[test]
fn published_archives() {
    let temporary = tempfile::tempdir().unwrap();
    let root = temporary.path();
    let dependency = |coordinates: &str| {
        let parts: Vec<&str> = coordinates.split(':').collect();
        format!(
            "<dependency><groupId>{}</groupId><artifactId>{}</artifactId><version>{}</version><exclusions><exclusion>\
             <groupId>*</groupId><artifactId>*</artifactId></exclusion></exclusions></dependency>",
            parts[0], parts[1], parts[2]
        )
    };
    let dependencies: String = PUBLISHED.into_iter().map(dependency).collect();
    let project = format!(
        "<project><modelVersion>4.0.0</modelVersion><groupId>a</groupId><artifactId>a</artifactId>\
         <version>1</version><dependencies>{dependencies}</dependencies></project>"
    );
    fs::write(root.join("pom.xml"), project).unwrap();
    let library = "-DoutputDirectory=app/BOOT-INF/lib";
    if run(root, &["mvn", "-B", "-q", "dependency:copy-dependencies", library]).is_none() {
        return;
    }
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(root.join("app/BOOT-INF/lib")).unwrap() {
        let path: PathBuf = entry.unwrap().path();
        found.insert(path.file_name().unwrap().to_str().unwrap().to_owned(), packages(&path).unwrap());
    }
    let mut all = BTreeSet::new();
    for coordinates in PUBLISHED {
        let parts: Vec<&str> = coordinates.split(':').collect();
        let want = format!("{}:{}@{}", parts[0], parts[1], parts[2]);
        assert_eq!(found[&format!("{}-{}.jar", parts[1], parts[2])], strings(&[&want]));
        all.insert(want);
    }
    // The same inside of another, stored and compressed.
    for (name, options) in [("app.jar", "c0f"), ("app.war", "cf")] {
        if run(root, &["jar", options, name, "-C", "app", "."]).is_some() {
            assert_eq!(packages(&root.join(name)).unwrap(), all, "{name}");
        }
    }
}
