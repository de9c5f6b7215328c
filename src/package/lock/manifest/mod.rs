//! Manifests, which say what a project asks for and leave the versions to a lock file: whether they ask for anything, and
//! which files would say the versions. That is told from their text, in the way of people who write such files and not as
//! each tool would; where it cannot be told, they ask.

mod asks;

use super::{nuget, requirements};

/// What one kind of tool reads.
struct Tool {
    /// Names of its manifests; a name that begins with `*` is an ending.
    manifests: &'static [&'static str],
    /// Whether a manifest asks for packages.
    asks: fn(bytes: &[u8]) -> bool,
    /// What names the versions, beside the manifest or in a directory above, where it is for a whole workspace.
    above: &'static [&'static str],
    /// What names the versions beside it only.
    beside: &'static [&'static str],
}

const PYTHON_LOCKS: &[&str] = &["poetry.lock", "pdm.lock", "Pipfile.lock", "pylock.toml", "requirements.txt"];

/// An element, whatever blank is before its attributes.
const PACKAGE_REFERENCES: [&str; 4] =
    ["<PackageReference ", "<PackageReference\t", "<PackageReference\r", "<PackageReference\n"];

/// Every kind of tool; each has a bit in [`Tools`], by its position.
const TOOLS: [Tool; 20] = [
    Tool {
        manifests: &["package.json"],
        // `node::read` tells.
        asks: |_| false,
        above: &[
            "package-lock.json",
            "npm-shrinkwrap.json",
            "yarn.lock",
            "pnpm-lock.yaml",
            "bun.lock",
            "bun.lockb",
            "deno.lock",
        ],
        beside: &[],
    },
    Tool {
        manifests: &["deno.json", "deno.jsonc"],
        asks: |bytes| asks::has(bytes, &["\"npm:", "\"jsr:"]),
        above: &["deno.lock"],
        beside: &[],
    },
    Tool {
        manifests: &["pyproject.toml", "Pipfile"],
        asks: asks::python_asks,
        above: &["uv.lock"],
        beside: PYTHON_LOCKS,
    },
    Tool {
        manifests: &["setup.py", "setup.cfg"],
        asks: asks::setup_asks,
        above: &["uv.lock"],
        beside: PYTHON_LOCKS,
    },
    // What pip-tools and uv compile.
    Tool {
        manifests: &["requirements.in"],
        asks: |bytes| asks::lines(bytes).any(requirements::is_requirement),
        above: &[],
        beside: &["requirements.txt", "pylock.toml"],
    },
    Tool { manifests: &["Cargo.toml"], asks: asks::cargo_asks, above: &["Cargo.lock"], beside: &[] },
    Tool {
        manifests: &["go.mod"],
        asks: |bytes| asks::has(bytes, &["require"]) && super::go::is_partial(bytes),
        above: &[],
        beside: &["go.sum"],
    },
    Tool {
        manifests: &["Gemfile"],
        asks: |bytes| asks::lines(bytes).any(|line| asks::starts(line, &["gem", "gemspec"])),
        above: &[],
        beside: &["Gemfile.lock"],
    },
    Tool {
        manifests: &["gems.rb"],
        asks: |bytes| asks::lines(bytes).any(|line| asks::starts(line, &["gem", "gemspec"])),
        above: &[],
        beside: &["gems.locked"],
    },
    Tool { manifests: &["composer.json"], asks: asks::composer_asks, above: &[], beside: &["composer.lock"] },
    Tool {
        manifests: &["*.csproj", "*.fsproj", "*.vbproj", "Directory.Build.props", "Directory.Build.targets"],
        asks: |bytes| asks::has(bytes, &PACKAGE_REFERENCES),
        above: &["Directory.Packages.props"],
        beside: &["packages.lock.json"],
    },
    Tool {
        manifests: &["build.gradle", "build.gradle.kts"],
        asks: asks::gradle_asks,
        above: &[],
        beside: &["gradle.lockfile"],
    },
    Tool {
        manifests: &["build.sbt"],
        asks: |bytes| asks::has(bytes, &["libraryDependencies"]),
        above: &["build.sbt.lock"],
        beside: &[],
    },
    Tool { manifests: &["pubspec.yaml"], asks: asks::pub_asks, above: &["pubspec.lock"], beside: &[] },
    Tool {
        manifests: &["mix.exs"],
        asks: |bytes| asks::lines(bytes).any(asks::mix_asks),
        above: &["mix.lock"],
        beside: &[],
    },
    Tool {
        manifests: &["Podfile"],
        asks: |bytes| asks::lines(bytes).any(|line| asks::starts(line, &["pod"])),
        above: &[],
        beside: &["Podfile.lock"],
    },
    Tool {
        manifests: &["Package.swift"],
        asks: |bytes| asks::has(bytes, &[".package("]) && asks::has(bytes, &["url:", "id:"]),
        above: &["Package.resolved"],
        beside: &[],
    },
    Tool {
        manifests: &["conanfile.txt", "conanfile.py"],
        asks: |bytes| asks::has(bytes, &["requires"]),
        above: &[],
        beside: &["conan.lock"],
    },
    Tool {
        manifests: &["Project.toml", "JuliaProject.toml"],
        asks: |bytes| asks::of_toml(bytes, |julia: &asks::Julia| !julia.deps.is_empty()),
        above: &["Manifest.toml", "JuliaManifest.toml"],
        beside: &[],
    },
    // `r::read` tells.
    Tool { manifests: &["DESCRIPTION"], asks: |_| false, above: &[], beside: &["renv.lock"] },
];

/// Tools whose lock files are somewhere, as bits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tools(u32);

/// The lock files of one directory, and of those above it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Locks {
    above: Tools,
    beside: Tools,
}

impl Locks {
    /// What a directory in this one has before its own files are seen.
    pub fn enter(self) -> Self {
        Self { above: self.above, beside: Tools::default() }
    }

    /// Adds a file of the directory, if it is a lock file.
    pub fn add(&mut self, name: &str) {
        let name = match name {
            name if nuget::is_props(name) => "Directory.Packages.props",
            name if nuget::is_of_project(name) && name.ends_with(".lock.json") => "packages.lock.json",
            name if super::python::is_pylock(name) => "pylock.toml",
            name if super::julia::is_named(name) => "Manifest.toml",
            name => name,
        };
        for (tool, bit) in TOOLS.iter().zip(0_u32..) {
            self.above.0 |= u32::from(tool.above.contains(&name)) << bit;
            self.beside.0 |= u32::from(tool.beside.contains(&name)) << bit;
        }
    }

    /// Adds what is installed for the manifest called `manifest`, which says as much as a lock file.
    pub fn add_installed(&mut self, manifest: &str) {
        if let Some((bit, tool)) = tool(manifest) {
            let tools = if tool.above.is_empty() { &mut self.beside } else { &mut self.above };
            tools.0 |= 1 << bit;
        }
    }

    /// The lock files that a manifest of the directory wants, where none of them is there.
    pub fn wanted(self, manifest: &str) -> Option<String> {
        let (bit, tool) = tool(manifest)?;
        let there = (self.above.0 | self.beside.0) >> bit & 1 == 1;
        (!there).then(|| tool.above.iter().chain(tool.beside).copied().collect::<Vec<_>>().join(", "))
    }
}

fn tool(name: &str) -> Option<(u32, &'static Tool)> {
    let is = |known: &&str| match known.strip_prefix('*') {
        Some(ending) => name.len() > ending.len() && name.ends_with(ending),
        None => name == *known,
    };
    let mut tools = (0_u32..).zip(&TOOLS);
    tools.find(|(_, tool)| tool.manifests.iter().any(&is))
}

/// Whether a file of this name is a manifest that is told by its text.
pub(super) fn is_named(name: &str) -> bool {
    !matches!(name, "package.json" | "DESCRIPTION") && tool(name).is_some()
}

/// Whether a manifest asks for packages in versions that it does not say.
pub(super) fn asks(name: &str, bytes: &[u8]) -> bool {
    tool(name).is_some_and(|(_, tool)| (tool.asks)(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_asks() {
        for (name, text) in [
            ("deno.json", r#"{"imports": {"chalk": "npm:chalk@5"}}"#),
            ("pyproject.toml", "[project]\ndependencies = ['a>=1']\n"),
            ("pyproject.toml", "[project.optional-dependencies]\nx = ['a']\n"),
            ("pyproject.toml", "[dependency-groups]\ndev = ['a']\n"),
            ("pyproject.toml", "[tool.poetry.dependencies]\npython = '^3'\na = '*'\n"),
            ("pyproject.toml", "[tool.poetry.group.dev.dependencies]\na = '*'\n"),
            ("pyproject.toml", "[tool.uv]\ndev-dependencies = ['a']\n"),
            ("pyproject.toml", "dependencies = \n["),
            ("Pipfile", "[packages]\na = '*'\n"),
            ("setup.py", "setup(\n    install_requires=['a'])\n"),
            ("setup.py", "setup(install_requires=[\n  # b\n  'a'])\n"),
            ("setup.py", "a['install_requires'] += read('x')\n"),
            ("setup.cfg", "[options]\ninstall_requires =\n  a\n"),
            ("setup.cfg", "[options]\ninstall_requires = file: x\n"),
            ("pyproject.toml", "[project]\ndynamic = ['dependencies']\n"),
            ("Cargo.toml", "[dependencies]\na = '1'\n"),
            ("Cargo.toml", "[target.'cfg(unix)'.dependencies]\na = { version = '1' }\n"),
            ("Cargo.toml", "[workspace.dependencies]\na = '1'\n"),
            ("Cargo.toml", "[dependencies]\na = {{ template }}\n"),
            ("Gemfile", "source 'x'\n  gem 'rack'\n"),
            ("gems.rb", "gemspec\n"),
            ("composer.json", r#"{"require-dev": {"a/b": "*"}}"#),
            ("composer.json", "{"),
            ("a.csproj", "<Project><ItemGroup><PackageReference Include='a'/></ItemGroup></Project>"),
            ("a.csproj", "<ItemGroup><PackageReference\r\n  Include='a'/></ItemGroup>"),
            ("Directory.Build.targets", "<ItemGroup><PackageReference\tInclude='a'/></ItemGroup>"),
            ("requirements.in", "# a\nb==1\n"),
            ("requirements.in", "-r base.in\n"),
            ("build.gradle", "dependencies {\n  implementation 'a:b:1'\n}"),
            ("build.gradle.kts", "dependencies {\n  implementation(libs.a)\n}"),
            ("build.sbt", "libraryDependencies += \"a\" %% \"b\" % \"1\""),
            ("pubspec.yaml", "name: x\ndependencies:\n  a: ^1\n"),
            ("mix.exs", "defp deps do\n  [\n    {:a, \"~> 1\"}\n  ]\nend\n"),
            ("mix.exs", "def deps, do: [{:a, \"~> 1\"}]\n"),
            ("Podfile", "target 'x' do\n  pod 'A'\nend\n"),
            ("Package.swift", ".package(url: \"https://x\", from: \"1\")"),
            ("conanfile.txt", "[requires]\na/1\n"),
            ("Project.toml", "[deps]\nA = \"1\"\n"),
        ] {
            assert!(is_named(name) && asks(name, text.as_bytes()), "{name} {text}");
        }
    }

    #[test]
    fn what_does_not_ask() {
        for (name, text) in [
            ("deno.json", r#"{"tasks": {}}"#),
            ("pyproject.toml", "[build-system]\nrequires = ['setuptools']\n[project]\ndependencies = []\n"),
            ("pyproject.toml", "[tool.poetry.dependencies]\npython = '^3'\n"),
            ("pyproject.toml", "[tool.black]\nline-length = 99\n"),
            ("setup.py", "from setuptools import setup\nsetup(name='a', packages=find_packages())\n"),
            ("setup.py", "setup(\n# install_requires=['a']\n{'install_requires': [\n]})\n"),
            (
                "setup.cfg",
                "[options]\npackages = find:\ninstall_requires =\n\n[options.x]\n a = dependencies\n",
            ),
            ("pyproject.toml", "[project]\ndynamic = ['version']\n"),
            ("Cargo.toml", "[package]\nname = 'a'\n[dependencies]\nb = { path = '../b', version = '1' }\n"),
            ("Gemfile", "source 'x'\n# gem 'rack'\n"),
            ("composer.json", r#"{"require": {"php": ">=8", "ext-json": "*"}}"#),
            ("a.csproj", "<Project><ItemGroup><ProjectReference Include='b'/></ItemGroup></Project>"),
            ("build.gradle", "apply plugin: 'a:b'\ndependencies {\n  implementation project(':b')\n}"),
            ("pubspec.yaml", "dependencies:\n# a: 1\nflutter:\n  assets:\n"),
            ("mix.exs", "defp deps do\n  []\nend\n"),
            ("mix.exs", "dialyzer: [plt_file: {:no_warn, \"a.plt\"}],\ndef deps, do: []\n"),
            ("requirements.in", "# a\n--index-url https://x\n-c b.txt\n"),
            ("Package.swift", ".package(path: \"../a\")"),
            ("Project.toml", "name = \"A\"\n"),
        ] {
            assert!(is_named(name) && !asks(name, text.as_bytes()), "{name} {text}");
        }
    }

    #[test]
    fn what_is_read_is_bounded() {
        let names =
            |count: usize| (0..count).map(|at| format!("\"ext-{at}\":0")).collect::<Vec<_>>().join(",");
        let manifest = |count| format!("{{\"require\": {{{}}}}}", names(count));
        assert!(!asks("composer.json", manifest(75_000).as_bytes()));
        // No longer read, so that it may ask.
        assert!(asks("composer.json", manifest(75_001).as_bytes()));
    }

    #[test]
    fn locks_beside_and_above() {
        let mut root = Locks::default();
        assert_eq!(root.wanted("Gemfile").as_deref(), Some("Gemfile.lock"));
        assert_eq!(root.wanted("readme"), None);
        for name in ["yarn.lock", "requirements.txt", "packages.a.lock.json", "pylock.dev.toml"] {
            root.add(name);
        }
        for manifest in ["package.json", "setup.py", "A.csproj", "pyproject.toml"] {
            assert_eq!(root.wanted(manifest), None, "{manifest}");
        }
        assert_eq!(root.wanted("requirements.in"), None);
        // A workspace has one for all its members; others have one for each project.
        let member = root.enter();
        assert_eq!(member.wanted("package.json"), None);
        assert!(
            member.wanted("pyproject.toml").is_some_and(|wanted| wanted.starts_with("uv.lock, poetry.lock"))
        );
        assert!(member.wanted("A.csproj").is_some());
        let mut installed = Locks::default();
        installed.add_installed("package.json");
        assert_eq!(installed.enter().wanted("package.json"), None);
    }
}
