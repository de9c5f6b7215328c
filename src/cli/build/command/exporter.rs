//! What `--output` of a build says: which exporters of BuildKit write what was built, and where to.
//!
//! Read as buildx reads it (`util/buildflags/export.go` of github.com/docker/buildx): fields of CSV, keys trimmed and in any case,
//! a single word is a directory; and as BuildKit does its truths, with Go's `strconv.ParseBool`.

use crate::exit::Failure;

/// One exporter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exporter {
    /// Such as `image`, `registry`, `oci`, `docker`, `local` and `tar`.
    pub kind: String,
    fields: Vec<(String, String)>,
    pushes: bool,
}

/// Those of BuildKit and buildx: what any other did with an image could not be told.
const KINDS: [&str; 7] = ["cacheonly", "docker", "image", "local", "oci", "registry", "tar"];

/// Attributes that say where an image goes, and nothing of what it is.
const PLACES: [&str; 8] =
    ["type", "dest", "name", "push", "unpack", "store", "registry.insecure", "name-canonical"];

impl Exporter {
    /// Reads one value of `--output`.
    pub fn parse(text: &str) -> Result<Self, Failure> {
        let fields = fields(text);
        if let [only] = fields.as_slice()
            && !only.contains('=')
        {
            let dest = ("dest".to_owned(), only.clone());
            let kind = if only == "-" { "tar" } else { "local" };
            return Ok(Self { kind: kind.to_owned(), fields: vec![dest], pushes: false });
        }
        let wrong = |why: String| Failure::usage(format!("--output {text}: {why}"));
        let mut pairs: Vec<(String, String)> = Vec::new();
        for field in fields {
            let (key, value) =
                field.split_once('=').ok_or_else(|| wrong(format!("{field:?} is no NAME=VALUE")))?;
            let key = key.trim().to_ascii_lowercase();
            if pairs.iter().any(|(known, _)| *known == key) {
                return Err(wrong(format!("{key} stands there twice")).advise("say it once"));
            }
            pairs.push((key, value.to_owned()));
        }
        let of = |name: &str| pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        let Some(kind) = of("type").map(str::to_owned) else {
            return Err(Failure::usage(format!("--output {text} says no type")));
        };
        if !KINDS.contains(&kind.as_str()) {
            let known = KINDS.join(", ");
            return Err(wrong(format!("{kind:?} is no exporter that is known here"))
                .advise(format!("write one of: {known}")));
        }
        if of("push-by-digest").is_some_and(|by| truth(by) != Some(false)) {
            return Err(wrong("an image is pushed by a name here".to_owned())
                .advise("leave push-by-digest away, and give --tag NAME"));
        }
        let pushes = match of("push") {
            // Without a value it is one.
            Some("") => true,
            Some(push) => {
                truth(push).ok_or_else(|| wrong(format!("push={push} is neither true nor false")))?
            }
            None => false,
        };
        // buildx has this one push whatever it says of that.
        let pushes = pushes || kind == "registry";
        Ok(Self { kind, fields: pairs, pushes })
    }

    /// Whether it makes the image public.
    pub fn pushes(&self) -> bool {
        self.pushes
    }

    /// Whether it puts the image into the engine, and writes no file.
    pub fn loads(&self) -> bool {
        self.kind == "docker" && self.attribute("dest").is_none()
    }

    /// The value of an attribute.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Its attributes that say how an image is written, for another exporter: as `,NAME=VALUE` each.
    pub fn manner(&self) -> String {
        let manner = self.fields.iter().filter(|(key, _)| !PLACES.contains(&key.as_str()));
        manner.map(|(key, value)| format!(",{}", quoted(&format!("{key}={value}")))).collect()
    }
}

/// The fields of one line of CSV.
fn fields(text: &str) -> Vec<String> {
    let mut fields = Vec::new();
    let (mut field, mut quoted) = (String::new(), false);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.next_if_eq(&'"').is_some() => field.push('"'),
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(std::mem::take(&mut field)),
            c => field.push(c),
        }
    }
    fields.push(field);
    fields
}

/// A field as CSV has it.
fn quoted(field: &str) -> String {
    if field.contains([',', '"']) { format!("\"{}\"", field.replace('"', "\"\"")) } else { field.to_owned() }
}

/// Go's `strconv.ParseBool`.
pub fn truth(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_pushes_is_known_to_push() {
        for (text, kind, pushes) in [
            ("type=registry", "registry", true),
            ("type=image,push=true", "image", true),
            ("type=image,Push=1", "image", true),
            ("type=image, push=T", "image", true),
            ("type=image,push=", "image", true),
            ("type=image,\"name=a,b\",push=True", "image", true),
            ("type=image,push=false", "image", false),
            ("type=registry,push=0", "registry", true),
            ("type=oci,dest=f.tar", "oci", false),
            ("out", "local", false),
            ("-", "tar", false),
        ] {
            let exporter = Exporter::parse(text).unwrap();
            assert_eq!((exporter.kind.as_str(), exporter.pushes()), (kind, pushes), "{text}");
        }
        for wrong in [
            "type=image,push=yes",
            "type=image,x",
            "dest=x",
            "type=image,push=true,push-by-digest=true",
            // Of two the last counts, there.
            "type=oci,dest=a.tar,type=registry",
            "type=image,push=false,Push=true",
            "type=oci,dest=old.tar,dest=new.tar",
            // Its last line is dropped, there.
            "type=registry\n",
            "type=Registry",
            "type=new",
        ] {
            assert!(Exporter::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn how_it_is_written_is_kept() {
        let exporter =
            Exporter::parse("type=registry,name=a,compression=zstd,\"annotation.x=a,\"\"b\"\"\"").unwrap();
        assert_eq!(exporter.manner(), ",compression=zstd,\"annotation.x=a,\"\"b\"\"\"");
        assert_eq!(exporter.attribute("name"), Some("a"));
    }
}
