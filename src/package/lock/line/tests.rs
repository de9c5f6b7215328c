//! A file of each form, and the line of a package in it.

use super::*;
use crate::package::Ecosystem;

/// A small file of each form, as its tool writes it. `>` stands before the line that says the package's version; before it,
/// others ask for the package and, where the form has comments, one names it.
const FILES: &[(&str, Ecosystem, &str, &str, &str)] = &[
    (
        "package-lock.json",
        Ecosystem::Npm,
        "lodash",
        "4.17.4",
        r#"
 {
   "name": "app",
   "lockfileVersion": 1,
   "dependencies": {
     "async": {
       "version": "2.6.0",
       "requires": {
         "lodash": "4.17.4"
       },
       "dependencies": {
         "lodash": {
           "version": "4.17.21"
         }
       }
     },
     "lodash": {
>      "version": "4.17.4",
       "resolved": "https://registry.npmjs.org/lodash/-/lodash-4.17.4.tgz"
     }
   }
 }"#,
    ),
    (
        "npm-shrinkwrap.json",
        Ecosystem::Npm,
        "@types/node",
        "4.17.4",
        r#"
 {
   "lockfileVersion": 3,
   "packages": {
     "": {
       "dependencies": {
         "@types/node": "4.17.4"
       }
     },
     "node_modules/a": {
       "version": "4.17.4",
       "dependencies": {
         "@types/node": "4.17.4"
       },
       "engines": {
         "node": ">=6"
       }
     },
     "node_modules/a/node_modules/@types/node": {
>      "version": "4.17.4"
     },
     "node_modules/node": {
       "version": "4.17.4"
     }
   }
 }"#,
    ),
    (
        "yarn.lock",
        Ecosystem::Npm,
        "lodash",
        "4.17.4",
        r#"
 # yarn lockfile v1
 # lodash@4.17.4:
 "@types/lodash@^4":
   version "4.17.4"
 async@^2.6.0:
   version "2.6.0"
   dependencies:
     lodash "4.17.4"
 lodash@^4, "lodash@>= 4.17.4":
>  version "4.17.4"
   resolved "https://registry.yarnpkg.com/lodash/-/lodash-4.17.4.tgz#7820"
"#,
    ),
    (
        "yarn.lock",
        Ecosystem::Npm,
        "lodash",
        "4.17.4",
        r#"
 # lodash@npm:4.17.4
 __metadata:
   version: 6

 "async@npm:^2":
   version: 2.6.0
   resolution: "async@npm:2.6.0"
   dependencies:
     lodash: 4.17.4
   languageName: node

 "lodash@npm:4.17.4, lodash@npm:^4":
>  version: 4.17.4
   resolution: "lodash@npm:4.17.4"
"#,
    ),
    (
        "pnpm-lock.yaml",
        Ecosystem::Npm,
        "@s/a",
        "1.0.0",
        r#"
 lockfileVersion: '9.0'
 # '@s/a@1.0.0':
 overrides:
   '@s/a@1.0.0': 1.0.0
 patchedDependencies:
   '@s/a@1.0.0':
     hash: abc
 importers:
   .:
     dependencies:
       '@s/a':
         specifier: 1.0.0
         version: 1.0.0
 packages:
   # '@s/a@1.0.0':
   '@s/a@1.0.0-rc.1':
     resolution: {integrity: sha512-x}
>  '@s/a@1.0.0':
     resolution: {integrity: sha512-x}
 snapshots:
   '@s/a@1.0.0(react@17.0.0)': {}
"#,
    ),
    (
        "pnpm-lock.yaml",
        Ecosystem::Npm,
        "lodash",
        "4.17.4",
        r#"
 lockfileVersion: '6.0'
 dependencies:
   lodash:
     specifier: 4.17.4
     version: 4.17.4
 packages:
   /async@2.6.0(@s/b@1.0.0):
     dependencies:
       lodash: 4.17.4
>  /lodash@4.17.4(@s/b@1.0.0):
     dev: false
"#,
    ),
    (
        "pnpm-lock.yaml",
        Ecosystem::Npm,
        "@s/b",
        "1.0.0",
        r#"
 lockfileVersion: 5.4
 dependencies:
   '@s/b': 1.0.0
 packages:
   /async/2.6.0:
     dependencies:
       '@s/b': 1.0.0
>  /@s/b/1.0.0_react@17.0.2:
     resolution: {integrity: sha512-x}
"#,
    ),
    (
        "bun.lock",
        Ecosystem::Npm,
        "b",
        "1.0.0",
        r#"
 {
   "lockfileVersion": 1,
   "workspaces": { "": { "dependencies": { "b": "1.0.0" } } },
   "packages": {
     // "b": ["b@1.0.0", "", {}, "sha512-x"],
     "a": ["a@1.0.0", "", { "dependencies": { "b": "1.0.0" } }, "sha512-x"],
>    "a/b": ["b@1.0.0", "", {}, "sha512-x"],
   }
 }"#,
    ),
    (
        "deno.lock",
        Ecosystem::Npm,
        "b",
        "1.0.0",
        r#"
 {
   "version": "5",
   "specifiers": {
     "npm:b@1.0.0": "1.0.0"
   },
   "npm": {
     "a@2.0.0": {
       "integrity": "sha512-x",
       "dependencies": ["b@1.0.0"]
     },
>    "b@1.0.0_c@2.0.0": {
       "integrity": "sha512-x"
     }
   }
 }"#,
    ),
    (
        "poetry.lock",
        Ecosystem::Pypi,
        "foo-bar",
        "1.23",
        r#"
 # name = "foo-bar", version = "1.23"
 [[package]]
 name = "botocore"
 version = "1.23"
 [package.dependencies]
 Foo_Bar = "1.23"

 [[package]]
 name = "Foo_Bar"
>version = "1.23"
"#,
    ),
    (
        "uv.lock",
        Ecosystem::Pypi,
        "urllib3",
        "1.23",
        r#"
 version = 1

 [[package]]
 name = "requests"
 version = "1.23"
 source = { registry = "https://pypi.org/simple" }
 dependencies = [
     { name = "urllib3", version = "1.23" },
 ]

 [[package]]
 name = "urllib3"
>version = "1.23"
"#,
    ),
    (
        "pylock.dev.toml",
        Ecosystem::Pypi,
        "b",
        "2",
        "
 lock-version = '1.0'
 [[packages]]
 name = 'a'
 version = '2'
 dependencies = [{name = 'b'}]
 [[packages.wheels]]
 name = 'a-2-py3-none-any.whl'
 [[packages]]
 name = 'b'
>version = '2'
",
    ),
    (
        "Pipfile.lock",
        Ecosystem::Pypi,
        "urllib3",
        "1.23",
        r#"
 {
     "_meta": {
         "sources": [{"name": "pypi", "url": "https://pypi.org/simple"}]
     },
     "default": {
         "requests": {
             "hashes": ["sha256:0"],
             "markers": "urllib3 == '1.23'",
             "version": "==1.23"
         },
         "urllib3": {
             "hashes": [
                 "sha256:0",
                 "sha256:1"
             ],
             "index": "pypi",
>            "version": "==1.23"
         }
     }
 }"#,
    ),
    (
        "requirements/dev.txt",
        Ecosystem::Pypi,
        "urllib3",
        "1.23",
        r"
 # pinned: urllib3==1.23
 # urllib3==1.23
 requests==2.19.1 \
     --hash=sha256:0 \
     --hash=sha256:1
     # via urllib3==1.23
 my-urllib3==1.23
>urllib3[secure]==1.23 \
     --hash=sha256:0
",
    ),
    (
        "environment.yml",
        Ecosystem::Conda,
        "numpy",
        "1.2",
        "
 dependencies:
   # - numpy=1.2
   - numpydoc=1.2=py_0
>  - conda-forge::numpy=1.2=py_0
   - pip:
     - numpy==1.2
",
    ),
    (
        "Cargo.lock",
        Ecosystem::Cargo,
        "rand",
        "0.8.5",
        r#"
 # rand 0.8.5
 version = 3

 [[package]]
 name = "app"
 version = "0.8.5"
 dependencies = [
  "rand 0.8.5",
  "rand 0.7.3",
 ]

 [[package]]
 name = "rand"
 version = "0.7.3"

 [[package]]
 name = "rand"
>version = "0.8.5"
"#,
    ),
    (
        "composer.lock",
        Ecosystem::Composer,
        "symfony/http-kernel",
        "v4.0.0",
        r#"
 {
     "packages": [
         {
             "name": "a/b",
             "version": "v4.0.0",
             "require": {
                 "symfony/http-kernel": "v4.0.0"
             },
             "authors": [
                 {
                     "name": "A"
                 }
             ]
         },
         {
             "name": "Symfony/http-kernel",
>            "version": "v4.0.0"
         }
     ]
 }"#,
    ),
    (
        "go.mod",
        Ecosystem::Golang,
        "golang.org/x/net",
        "v0.1.0",
        "
 module example.com/a
 go 1.21
 // golang.org/x/net v0.1.0 is kept back
 require (
 \tgolang.org/x/net/v2 v2.1.0 // needs golang.org/x/net v0.1.0
 \t// golang.org/x/net v0.1.0
>\tgolang.org/x/net v0.1.0 // indirect
 )
",
    ),
    (
        "go.mod",
        Ecosystem::Golang,
        "e.com/fork",
        "v1.0.1",
        "
 require e.com/a v1.0.0
>replace e.com/a v1.0.0 => e.com/fork v1.0.1 // a fix
",
    ),
    ("go.mod", Ecosystem::Golang, "stdlib", "v1.21.3", "\n // go 1.21.3\n go 1.21\n>toolchain go1.21.3\n"),
    (
        "go.sum",
        Ecosystem::Golang,
        "e.com/a",
        "v1.0.0",
        "
 e.com/a/v2 v1.0.0 h1:x=
 e.com/a v0.9.0 h1:x=
>e.com/a v1.0.0 h1:x=
 e.com/a v1.0.0/go.mod h1:x=
",
    ),
    (
        "Gemfile.lock",
        Ecosystem::Gem,
        "actionview",
        "5.0.0",
        "
 GEM
   remote: https://rubygems.org/
   specs:
     actionpack (5.0.0)
       actionview (= 5.0.0)
       rack (~> 2.0)
>    actionview (5.0.0)
       activesupport (= 5.0.0)
 DEPENDENCIES
   actionview (= 5.0.0)
 CHECKSUMS
   actionview (5.0.0) sha256=x
",
    ),
    (
        "gems.locked",
        Ecosystem::Gem,
        "b",
        "1",
        "\n GEM\n   specs:\n     a (1)\n       b (1)\n>    b (1-x86_64-linux)\n",
    ),
    (
        "Podfile.lock",
        Ecosystem::Cocoapods,
        "A/Core",
        "4.2.0",
        "
 PODS:
   - A (4.2.0):
     - A/Core (= 4.2.0)
>  - A/Core (4.2.0)
 DEPENDENCIES:
   - A/Core (4.2.0)
",
    ),
    (
        "Package.resolved",
        Ecosystem::Swift,
        "github.com/x/a",
        "1.0.0",
        r#"
 {
   "pins" : [
     {
       "identity" : "a-b",
       "kind" : "remoteSourceControl",
       "location" : "https://github.com/x/a-b",
       "state" : {
         "revision" : "0123",
         "version" : "1.0.0"
       }
     },
     {
       "identity" : "a",
       "location" : "https://github.com/x/a.git",
       "state" : {
         "revision" : "0123",
>        "version" : "1.0.0"
       }
     }
   ],
   "version" : 2
 }"#,
    ),
    (
        "pom.xml",
        Ecosystem::Maven,
        "org.apache.logging.log4j:log4j-core",
        "2.14.1",
        "
 <project>
   <properties>
     <java.version>17</java.version>
>    <log4j.version>2.14.1</log4j.version>
   </properties>
   <!-- log4j-core 2.14.1
   <dependency>
     <groupId>org.apache.logging.log4j</groupId>
     <artifactId>log4j-core</artifactId>
     <version>2.14.1</version>
   </dependency> -->
   <dependencies>
     <dependency>
       <groupId>g</groupId>
       <artifactId>a</artifactId>
       <version>2.14.1</version>
       <exclusions>
         <exclusion>
           <groupId>org.apache.logging.log4j</groupId>
           <artifactId>log4j-core</artifactId>
         </exclusion>
       </exclusions>
     </dependency>
     <dependency>
       <groupId>org.apache.logging.log4j</groupId>
       <artifactId>log4j-core</artifactId>
       <version>${log4j.version}</version>
     </dependency>
   </dependencies>
 </project>
",
    ),
    (
        "pom.xml",
        Ecosystem::Maven,
        "g:a",
        "1.0",
        "
 <project>
   <properties><a>1.0</a></properties>
   <dependencyManagement>
     <dependencies>
       <dependency>
         <groupId>g</groupId>
         <artifactId>a</artifactId>
>        <version>1.0</version>
       </dependency>
     </dependencies>
   </dependencyManagement>
   <dependencies>
     <dependency>
       <groupId>g</groupId>
       <artifactId>a</artifactId>
     </dependency>
   </dependencies>
 </project>
",
    ),
    (
        "pom.xml",
        Ecosystem::Maven,
        "g:a",
        "1.0",
        "
 <project>
   <dependencies>
     <dependency><groupId>g</groupId><artifactId>a</artifactId></dependency>
   </dependencies>
   <dependencyManagement>
     <dependencies>
>      <dependency><groupId>g</groupId><artifactId>a</artifactId><version>1.0</version></dependency>
     </dependencies>
   </dependencyManagement>
 </project>
",
    ),
    (
        "gradle.lockfile",
        Ecosystem::Maven,
        "g:a",
        "1.0",
        "\n # g:a:1.0\n g:a-b:1.0=x\n h.g:a:1.0=x\n>g:a:1.0=compileClasspath\n empty=\n",
    ),
    (
        "build.sbt.lock",
        Ecosystem::Maven,
        "g:b",
        "1.0",
        r#"
 {
   "dependencies" : [
     {
       "org" : "g",
       "name" : "a",
       "version" : "1.0"
     },
     {
       "org" : "g",
       "name" : "b",
>      "version" : "1.0"
     }
   ]
 }"#,
    ),
    (
        "packages.lock.json",
        Ecosystem::Nuget,
        "Newtonsoft.Json",
        "12.0.1",
        r#"
 {
   "version": 1,
   "dependencies": {
     "net6.0": {
       "A": {
         "type": "Direct",
         "requested": "[12.0.1, )",
         "resolved": "12.0.1",
         "dependencies": {
           "Newtonsoft.Json": "12.0.1"
         }
       },
       "Newtonsoft.Json": {
         "type": "Transitive",
>        "resolved": "12.0.1"
       }
     }
   }
 }"#,
    ),
    (
        "packages.config",
        Ecosystem::Nuget,
        "A",
        "1.0",
        "
 <packages>
   <!-- <package id=\"A\" version=\"1.0\" /> -->
   <package id=\"A.B\" version=\"1.0\" />
>  <package id=\"A\" version=\"1.0\" />
 </packages>
",
    ),
    (
        "Directory.Packages.props",
        Ecosystem::Nuget,
        "A",
        "1.0",
        "
 <Project>
   <PropertyGroup>
     <W>1.0</W>
>    <V>1.0</V>
   </PropertyGroup>
   <ItemGroup>
     <!-- <PackageVersion Include=\"A\" Version=\"1.0\" /> -->
     <PackageVersion Include=\"A\" Version=\"$(V)\" />
   </ItemGroup>
 </Project>
",
    ),
    (
        "Directory.Packages.props",
        Ecosystem::Nuget,
        "A",
        "1.0",
        "
 <Project>
   <ItemGroup>
     <PackageVersion Include=\"A\">
>      <Version>1.0</Version>
     </PackageVersion>
   </ItemGroup>
 </Project>
",
    ),
    (
        "mix.lock",
        Ecosystem::Hex,
        "plug",
        "1.3.0",
        r#"
 %{
   # "plug": {:hex, :plug, "1.3.0", "0"},
   "phoenix": {:hex, :phoenix, "1.3.0", "0", [:mix], [{:plug, "1.3.0", [hex: :plug, repo: "hexpm"]}], "hexpm", "0"},
>  "plug": {:hex, :plug, "1.3.0", "0", [:mix], [], "hexpm", "0"},
 }
"#,
    ),
    (
        "pubspec.lock",
        Ecosystem::Pub,
        "http",
        "0.13.6",
        r#"
 # http 0.13.6
 packages:
   cronet_http:
     dependency: transitive
     description:
       name: cronet_http
       url: "https://pub.dev"
     source: hosted
     version: "0.13.6"
   http:
     dependency: "direct main"
     description:
       name: http
       url: "https://pub.dev"
     source: hosted
>    version: "0.13.6"
 sdks:
   dart: ">=2.18.0 <3.0.0"
"#,
    ),
    (
        "conan.lock",
        Ecosystem::Conan,
        "zlib",
        "1.2",
        r#"
 {
     "version": "0.5",
     "requires": [
         "minizlib/1.2#0123%1675278904.07",
>        "zlib/1.2#0123%1675278904.07"
     ],
     "build_requires": []
 }"#,
    ),
    (
        "renv.lock",
        Ecosystem::Cran,
        "markdown",
        "1.0-1",
        r#"
 {
   "Packages": {
     "knitr": {
       "Package": "knitr",
       "Version": "1.0-1",
       "Requirements": [
         "markdown"
       ]
     },
     "markdown": {
       "Package": "markdown",
>      "Version": "1.0-1"
     }
   }
 }"#,
    ),
    (
        "Manifest.toml",
        Ecosystem::Julia,
        "B",
        "1.0.0",
        "
 manifest_format = \"2.0\"
 [[deps.A]]
 deps = [\"B\"]
 uuid = \"1\"
 version = \"1.0.0\"
 [[deps.B]]
 uuid = \"2\"
>version = \"1.0.0\"
",
    ),
];

#[test]
fn each_form() {
    for (path, ecosystem, name, version, marked) in FILES {
        let marked = marked.strip_prefix('\n').unwrap_or(marked);
        let want = marked.lines().position(|line| line.starts_with('>')).unwrap() + 1;
        let text: String =
            marked.lines().flat_map(|line| [line.get(1..).unwrap_or_default(), "\n"]).collect();
        let package = Package::new(*ecosystem, *name, *version);
        let known = super::super::locked(path, text.as_bytes()).unwrap();
        assert!(known.contains(&package), "{path}: {known:?}");
        for text in [text.replace('\n', "\r\n"), text] {
            let lines = Lines::of(path, &text);
            assert_eq!(lines.line(&package), Some(want), "{path}: {name}");
            assert_eq!(lines.line(&Package::new(*ecosystem, "none", *version)), None);
            assert_eq!(lines.line(&Package::new(*ecosystem, *name, "999")), None);
        }
    }
}

#[test]
fn several_entries_on_a_line() {
    let text = r#"{"lockfileVersion": 3, "packages": {"node_modules/a": {"version": "1.0.0"}, "node_modules/b": {"version": "2.0.0"}}}"#;
    let lines = Lines::of("package-lock.json", text);
    assert_eq!(lines.line(&Package::new(Ecosystem::Npm, "b", "2.0.0")), Some(1));
    assert_eq!(lines.line(&Package::new(Ecosystem::Npm, "b", "1.0.0")), None);
}

#[test]
fn damaged_files_have_no_lines() {
    for path in ["pom.xml", "packages.config", "go.mod", "package-lock.json", "yarn.lock", "none"] {
        for text in ["", "<", "<project><dependencies>", "{\"", "\"\u{e9}", ":", "  :", "[[", "\u{feff}"] {
            assert_eq!(Lines::of(path, text).line(&Package::new(Ecosystem::Npm, "", "")), None);
        }
    }
}
