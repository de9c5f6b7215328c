//! Gradle's lock files: `gradle.lockfile`, `buildscript-gradle.lockfile`, and before Gradle 7 one for each configuration in
//! `gradle/dependency-locks`; Gradle's manual, "Locking Versions".

use super::{super::Ecosystem, Error, Package, Packages, text};

/// `*gradle.lockfile`, and every `.lockfile` of a directory `dependency-locks`.
pub(super) fn is_named(path: &str) -> bool {
    let mut parts = path.rsplit('/');
    let name = parts.next().unwrap_or_default();
    name.ends_with("gradle.lockfile") || parts.next() == Some("dependency-locks")
}

/// Reads lines `GROUP:ARTIFACT:VERSION=CONFIGURATIONS`; the older form has no configurations.
pub(super) fn read(bytes: &[u8]) -> Result<Vec<Package>, Error> {
    let text = text::decode(bytes)?;
    let mut packages = Packages::default();
    for (line, number) in text.lines().zip(1..) {
        let line = line.trim();
        let module = line.split('=').next().unwrap_or_default().trim_end();
        // Configurations without any dependency stand on a line of their own.
        if line.is_empty() || line.starts_with('#') || (module == "empty" && line != module) {
            continue;
        }
        let parts: Vec<&str> = module.splitn(4, ':').collect();
        let [group, artifact, version] = parts[..] else {
            return Err(Error::Line {
                line: number,
                why: "not a group, an artifact and a version".to_owned(),
            });
        };
        if [group, artifact, version].contains(&"") {
            return Err(Error::Line { line: number, why: "an empty group, artifact or version".to_owned() });
        }
        packages.push(Package::new(Ecosystem::Maven, format!("{group}:{artifact}"), version))?;
    }
    Ok(packages.into_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms() {
        let want = [Package::new(Ecosystem::Maven, "a.b:c", "1.0-jre")];
        for text in [
            "# x\r\na.b:c:1.0-jre=compileClasspath,test\r\nempty=\r\n",
            "\na.b:c:1.0-jre\n",
            "a.b:c:1.0-jre=",
        ] {
            assert_eq!(read(text.as_bytes()).unwrap(), want, "{text}");
        }
        assert!(
            is_named("app/buildscript-gradle.lockfile")
                && is_named("gradle/dependency-locks/compile.lockfile")
        );
        assert!(!is_named("gradle/other.lockfile"));
        for text in ["\nempty", "\na:b", "\na:b:1:2=x", "\n:b:1=x", "\na:b:=x"] {
            assert!(matches!(read(text.as_bytes()), Err(Error::Line { line: 2, .. })), "{text}");
        }
    }
}
