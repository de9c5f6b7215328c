//! The `*.gemspec` that RubyGems writes into `specifications` for each installed gem: Ruby code of a fixed shape, with a
//! comment before it, `# stub: NAME VERSION PLATFORM REQUIRE_PATHS`, from which RubyGems itself lists its gems.

use super::{Ecosystem, Error, Fact, Form, Package, at_place, holds, split, utf8};

/// By name, or by the code's first call.
pub(super) fn recognise(path: &str, head: &[u8]) -> bool {
    // What RubyGems writes starts with a comment on the encoding, or right away.
    let code = || (head.starts_with(b"# ") || head.starts_with(b"Gem")) && holds(head, NEW.as_bytes());
    !head.is_empty() && (path.ends_with(".gemspec") || code())
}

/// The call that makes a specification.
const NEW: &str = "Gem::Specification.new";

/// Reads name and version. Elsewhere than in `specifications`, a file without them is a source's, whose version is code.
pub(super) fn read(path: &str, bytes: &[u8]) -> Result<Option<Fact>, Error> {
    let (_, directory) = split(path);
    let is_placed = split(directory.strip_suffix("/default").unwrap_or(directory)).0 == "specifications";
    at_place(is_placed, utf8(bytes).and_then(package).and_then(|package| Fact::one(Form::Gem, package)))
}

fn package(text: &str) -> Result<Package, Error> {
    let (mut name, mut version) = (None, None);
    let mut variable = None;
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        let wrong = |why: String| Error::Line { line: index + 1, why };
        if line == "__END__" {
            break;
        }
        // A second stub, right after it, names the parts that are built.
        let first = name.is_none() && variable.is_none();
        if let Some(stub) = line.strip_prefix("# stub: ").filter(|_| first) {
            let mut words = stub.split_ascii_whitespace();
            let (Some(first), Some(second)) = (words.next(), words.next()) else {
                return Err(wrong("a stub without name and version".to_owned()));
            };
            set(&mut name, first).map_err(wrong)?;
            set(&mut version, second).map_err(wrong)?;
        } else if variable.is_none() {
            variable = line.split_once(NEW).and_then(|(_, block)| block_variable(block));
        } else if let Some((what, value)) = variable.and_then(|variable| assignment(line, variable)) {
            match what {
                "name" => set(&mut name, value).map_err(wrong)?,
                "version" => set(&mut version, value).map_err(wrong)?,
                _ => {}
            }
        }
    }
    if variable.is_none() {
        return Err(Error::Field("Gem::Specification.new"));
    }
    let name = name.ok_or(Error::Field("name"))?;
    Ok(Package::new(Ecosystem::Gem, name, version.ok_or(Error::Field("version"))?))
}

/// Keeps what the stub and the code say, which is the same.
fn set<'a>(slot: &mut Option<&'a str>, value: &'a str) -> Result<(), String> {
    match slot.replace(value) {
        Some(before) if before != value => Err(format!("{value}, and before it {before}")),
        _ => Ok(()),
    }
}

/// `spec` of ` do |spec|` and `{ |spec|`.
fn block_variable(block: &str) -> Option<&str> {
    let variable = block.split('|').nth(1)?.trim();
    (!variable.is_empty() && !variable.contains(char::is_whitespace)).then_some(variable)
}

/// Attribute and literal of `VARIABLE.ATTRIBUTE = LITERAL`.
fn assignment<'a>(line: &'a str, variable: &str) -> Option<(&'a str, &'a str)> {
    let (attribute, value) = line.strip_prefix(variable)?.strip_prefix('.')?.split_once('=')?;
    let value = value.trim();
    let version = value.strip_prefix("Gem::Version.new(").or_else(|| value.strip_prefix("Gem::Version.new "));
    Some((attribute.trim_end(), literal(version.unwrap_or(value).trim_start())?))
}

/// The text of a string literal without escapes, if nothing that changes it comes after.
fn literal(code: &str) -> Option<&str> {
    let (rest, close) = match code.strip_prefix("%q").or_else(|| code.strip_prefix("%Q")) {
        Some(rest) => {
            let open = rest.chars().next()?;
            let close = match open {
                '{' => '}',
                '(' => ')',
                '[' => ']',
                '<' => '>',
                other if other.is_ascii_punctuation() => other,
                _ => return None,
            };
            (rest.get(open.len_utf8()..)?, close)
        }
        None => (code.strip_prefix(['"', '\''])?, code.chars().next()?),
    };
    let (text, rest) = rest.split_once(close)?;
    let rest = rest.trim_start_matches(')').trim_start_matches(".freeze").trim_start();
    let ends = rest.is_empty() || rest.starts_with(['#', ';', ')']) || rest.starts_with("if ");
    let plain = !text.is_empty() && !text.contains(['\\', '#']) && !text.contains(char::is_whitespace);
    (ends && plain).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> Option<(String, String)> {
        match read("gems/specifications/a-1.gemspec", text.as_bytes()) {
            Ok(Some(Fact::Installed { packages, .. })) => {
                let [package] = &packages[..] else { panic!("{packages:?}") };
                Some((package.name.clone(), package.version.clone()))
            }
            _ => None,
        }
    }

    #[test]
    fn shapes_of_all_times() {
        let want = |name: &str, version: &str| Some((name.to_owned(), version.to_owned()));
        for (text, expected) in [
            (
                "# -*- encoding: utf-8 -*-\n# stub: nokogiri 1.15.4 x86_64-linux lib\n# stub: ext/a/extconf.rb\n\nGem::Specification.new do |s|\n  \
                 s.name = \"nokogiri\".freeze\n  s.version = \"1.15.4\"\n  s.platform = \"x86_64-linux\".freeze\nend\n",
                want("nokogiri", "1.15.4"),
            ),
            (
                "Gem::Specification.new do |spec|\n spec.name = %q{rake}\n spec.version = '0.8.7'\nend",
                want("rake", "0.8.7"),
            ),
            (
                "Gem::Specification.new { |gem|\ngem.name='a'\ngem.version=Gem::Version.new(\"1.0\")\n}",
                want("a", "1.0"),
            ),
            (
                "Gem::Specification.new do |s|\ns.name = \"a\".freeze # it\ns.version = \"1\" if x\nend",
                want("a", "1"),
            ),
            ("# stub: a 1 ruby lib\nGem::Specification.new do |s|\nend", want("a", "1")),
        ] {
            assert_eq!(told(text), expected, "{text}");
        }
    }

    #[test]
    fn what_names_no_gem_is_an_error() {
        for text in [
            "",
            "Gem::Specification.new do |spec|\ns.name = \"a\"\ns.version = \"1\"\nend",
            "Gem::Specification.new do |s|\ns.name = \"a\"\nend",
            "Gem::Specification.new do |s|\ns.name = \"a\" + \"b\"\ns.version = \"1\"\nend",
            "Gem::Specification.new do |s|\ns.name = \"a\"\ns.version = A::VERSION\nend",
            "Gem::Specification.new do |s|\ns.name = \"a#{x}\"\ns.version = \"1\"\nend",
            "# stub: a 1 ruby lib\nGem::Specification.new do |s|\ns.name = \"a\"\ns.version = \"2\"\nend",
            "# stub: a\nGem::Specification.new do |s|\ns.name = \"a\"\ns.version = \"2\"\nend",
            "__END__\nGem::Specification.new do |s|\ns.name = \"a\"\ns.version = \"2\"\nend",
        ] {
            assert_eq!(told(text), None, "{text}");
            assert!(read("specifications/default/a.gemspec", text.as_bytes()).is_err());
            assert_eq!(read("gems/a-1/a.gemspec", text.as_bytes()), Ok(None));
        }
    }

    #[test]
    fn told_by_name_or_content() {
        assert!(recognise("x/any", b"# -*- encoding: utf-8 -*-\n\nGem::Specification.new do |s|\n"));
        assert!(recognise("specifications/a.gemspec", b"x"));
        assert!(!recognise("a.rb", b"require 'x'\nGem::Specification.new"));
    }
}
