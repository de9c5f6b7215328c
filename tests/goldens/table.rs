//! What is held against what, what is not, and every difference with its reason.

/// A golden report by its name without `.json.golden`, and what it is of: folders of `fixtures/repo`, files of
/// `fixtures/sbom`, the system of an image.
///
/// One form of the system that `centos-7` is of is not here: an attestation is taken along with its image, and not as a file.
pub const CASES: &[(&str, &str)] = &[
    ("alpine-310", "system/alpine-310"),
    ("bun", "repo/bun"),
    ("cargo.lock", "repo/cargo"),
    ("centos-7", "sbom/centos-7-cyclonedx.json"),
    ("centos-7", "sbom/centos-7-spdx.json"),
    ("centos-7", "sbom/centos-7-spdx.txt"),
    ("cocoapods", "repo/cocoapods"),
    ("composer.lock", "repo/composer"),
    ("composer.vendor", "repo/composer-vendor"),
    ("conan", "repo/conan"),
    ("conda-cyclonedx", "repo/conda"),
    ("conda-environment-cyclonedx", "repo/conda-environment"),
    ("conda-spdx", "repo/conda"),
    ("dockerfile", "repo/dockerfile"),
    ("dockerfile-custom-policies", "repo/custom-policy"),
    ("dockerfile_file_pattern", "repo/dockerfile_file_pattern"),
    ("dotnet", "repo/dotnet"),
    ("fluentd-multiple-lockfiles", "sbom/fluentd-multiple-lockfiles-cyclonedx.json"),
    ("fluentd-multiple-lockfiles-short.cdx", "sbom/fluentd-multiple-lockfiles-cyclonedx.json"),
    ("gomod", "repo/gomod"),
    ("gomod-skip", "repo/gomod"),
    ("gomod-vex", "repo/gomod"),
    ("gradle", "repo/gradle"),
    ("helm", "repo/helm"),
    ("helm_badname", "repo/helm_badname"),
    ("helm_testchart", "repo/helm_testchart"),
    ("helm_testchart.overridden", "repo/helm_values"),
    ("julia-spdx", "repo/julia"),
    ("license-cyclonedx", "sbom/license-cyclonedx.json"),
    ("minikube-kbom", "sbom/minikube-kbom.json"),
    ("mix.lock", "repo/mixlock"),
    ("npm", "repo/npm"),
    ("npm-cyclonedx", "repo/npm"),
    ("npm-ubuntu-severity", "repo/npm"),
    ("npm-with-dev", "repo/npm"),
    ("nuget", "repo/nuget"),
    ("packagesprops", "repo/packagesprops"),
    ("pip", "repo/pip"),
    ("pipenv", "repo/pipenv"),
    ("pnpm", "repo/pnpm"),
    ("poetry", "repo/poetry"),
    ("pom", "repo/pom"),
    ("pom-cyclonedx", "repo/pom"),
    ("pubspec.lock", "repo/pubspec"),
    ("pylock", "repo/pylock"),
    ("sbt", "repo/sbt"),
    ("secrets", "repo/secrets"),
    ("swift", "repo/swift"),
    ("terraform-remote-module", "repo/terraform"),
    ("test-repo", "repo/trivy-ci-test"),
    ("uv", "repo/uv"),
    ("yarn", "repo/yarn"),
];

/// Goldens that are not held, by reason.
pub const OUT: &[(&str, &[&str])] = &[
    (
        "the image, or the disk, is not in the suites",
        &[
            "almalinux-8.json",
            "alpine-39-high-critical.json",
            "alpine-39-ignore-cveids.json",
            "alpine-39-skip.json",
            "alpine-39.json",
            "alpine-distroless.json",
            "amazon-1.json",
            "amazon-2.json",
            "amazonlinux2-gp2-x86-vm.json",
            "busybox-with-lockfile.json",
            "centos-6.json",
            "centos-7-ignore-unfixed.json",
            "centos-7-medium.json",
            "debian-buster-ignore-unfixed.json",
            "debian-buster.json",
            "debian-stretch.json",
            "distroless-base.json",
            "distroless-python27.json",
            "fluentd-gems.json",
            "fluentd-multiple-lockfiles.cdx.json",
            "mariner-1.0.json",
            "opensuse-leap-151.json",
            "opensuse-tumbleweed.json",
            "oraclelinux-8.json",
            "photon-30.json",
            "rockylinux-8.json",
            "sl-micro-rancher5.4.json",
            "spring4shell-jre11.json",
            "spring4shell-jre8.json",
            "ubi-7-comprehensive.json",
            "ubi-7.json",
            "ubuntu-1804-ignore-unfixed.json",
            "ubuntu-1804.json",
            "ubuntu-gp2-x86-vm.json",
        ],
    ),
    (
        "a report that is held as JSON, in another form",
        &[
            "alpine-310.asff",
            "alpine-310.gitlab",
            "alpine-310.gitlab-codequality",
            "alpine-310.gsbom",
            "alpine-310.html",
            "alpine-310.junit",
            "alpine-310.sarif",
            "npm.gitlab",
            "secrets.asff",
            "convert/npm-with-suppressed.json",
            "convert/npm.json",
        ],
    ),
    ("what a running cluster holds", &["k8s/summary-ids.json"]),
    ("what a plugin printed", &["count-0.1.0-plugin-with-before-flag.txt", "count-0.2.0-plugin.txt"]),
    (
        "settings of Terraform, of folders in that of terraform-remote-module",
        &[
            "terraform-exclude-misconfs-remote-module.json",
            "terraform-opentofu-registry.json",
            "terraform-remote-module-in-child.json",
            "terraform-remote-submodule.json",
            "terraform-terraform-registry.json",
        ],
    ),
];

/// Goldens, a line that only one of the two has (`-` the golden, `+` Stella, `?` a name of what Stella says it did not look
/// at), and why.
pub const DIFFERENT: &[(&[&str], &str, &str)] = &[
    (
        &["alpine-310"],
        "? advisories:Alpine:v3.10",
        "the advisories are handed over as OSV's, which of Alpine has the repository main alone, and that is said",
    ),
    (&["bun"], "+ pkg:npm/%40types/bun@1.2.14", FOR_DEVELOPMENT),
    (&["bun"], "+ pkg:npm/%40types/node@22.15.21", FOR_DEVELOPMENT),
    (&["bun"], "+ pkg:npm/bun-types@1.2.14", FOR_DEVELOPMENT),
    (&["bun"], "+ pkg:npm/undici-types@6.21.0", FOR_DEVELOPMENT),
    (&["cargo.lock"], "+ pkg:cargo/winapi-i686-pc-windows-gnu@0.4.0", FOR_DEVELOPMENT),
    (&["cargo.lock"], "+ pkg:cargo/winapi-x86_64-pc-windows-gnu@0.4.0", FOR_DEVELOPMENT),
    (&["cargo.lock"], "+ pkg:cargo/winapi@0.3.9", FOR_DEVELOPMENT),
    (&["centos-7"], "- CVE-2018-0734 openssl-libs 1:1.0.2k-16.el7 low", OF_CENTOS),
    (&["centos-7"], "- CVE-2019-1559 openssl-libs 1:1.0.2k-16.el7 medium", OF_CENTOS),
    (&["centos-7"], "- CVE-2019-18276 bash 4.2.46-31.el7 low", OF_CENTOS),
    (&["centos-7"], "? advisories:centos:7.6.1810", OF_CENTOS),
    (&["cocoapods"], "- CVE-2022-3215 _NIODataStructures 2.41.0 medium Podfile.lock", OF_PODS),
    (&["cocoapods"], "? advisories:cocoapods", OF_PODS),
    (&["composer.vendor"], "- CVE-2022-24775 guzzlehttp/psr7 1.8.3 high installed.json", OF_COMPOSER),
    (
        &["composer.vendor"],
        "+ CVE-2022-24775 guzzlehttp/psr7 1.8.3 high vendor/composer/installed.json",
        OF_COMPOSER,
    ),
    (
        &["conda-cyclonedx", "conda-environment-cyclonedx", "conda-spdx"],
        "? advisories:conda",
        "nobody publishes advisories for conda, the databases here neither, and that is said",
    ),
    (
        &[
            "dockerfile",
            "dockerfile-custom-policies",
            "dockerfile_file_pattern",
            "helm",
            "helm_badname",
            "helm_testchart",
            "helm_testchart.overridden",
            "secrets",
            "terraform-remote-module",
        ],
        "? no-packages",
        "the golden is of settings or secrets, which are not looked for; that there is no package is said",
    ),
    (
        &["gomod", "gomod-skip", "gomod-vex"],
        "+ GMS-2022-20 github.com/docker/distribution v2.7.1+incompatible unknown submod/go.sum",
        "one finding of all files that name the package, and go.sum is one of them",
    ),
    (
        &["gomod", "gomod-vex"],
        "+ GMS-2022-20 github.com/docker/distribution v2.7.1+incompatible unknown submod2/go.sum",
        OF_GO_SUM,
    ),
    (
        &["gomod-skip"],
        "+ GMS-2022-20 github.com/docker/distribution v2.7.1+incompatible unknown submod2/go.sum",
        "a setting that leaves a file out; here no path is left out",
    ),
    (
        &["gomod", "gomod-vex"],
        "- GMS-2022-20 github.com/docker/distribution v2.7.1+incompatible unknown submod2/go.mod",
        OF_GO_SUM,
    ),
    (
        &["gomod-vex"],
        "+ CVE-2022-23628 github.com/open-policy-agent/opa v0.35.0 medium go.mod",
        "a VEX document takes it away there; none is read here, and a policy can ignore it",
    ),
    (&["julia-spdx"], "? advisories:Julia", "the databases have nothing for Julia, and that is said"),
    (&["minikube-kbom"], "- CVE-2023-2431 k8s.io/kubelet 1.27.0 low Kubernetes", OF_CLUSTERS),
    (&["minikube-kbom"], "? sbom:k8s", OF_CLUSTERS),
    (&["minikube-kbom"], "? sbom:no-purl", OF_CLUSTERS),
    (&["minikube-kbom"], "? sbom:oci", OF_CLUSTERS),
    (
        &["npm", "npm-ubuntu-severity", "npm-with-dev"],
        "+ CVE-2019-11358 jquery 3.3.9 medium node_modules/jquery/package.json",
        INSTALLED,
    ),
    (&["npm-ubuntu-severity"], "- CVE-2019-11358 jquery 3.3.9 low package-lock.json", BY_UBUNTU),
    (&["npm-ubuntu-severity"], "+ CVE-2019-11358 jquery 3.3.9 medium package-lock.json", BY_UBUNTU),
    (
        &["npm", "npm-cyclonedx"],
        "+ pkg:npm/z-lock@1.0.0",
        "it is for development, and all the same installed: node_modules has it",
    ),
    (&["pip"], "- CVE-2019-14806 Werkzeug 0.11 high requirements.txt", NORMAL_NAME),
    (&["pip"], "+ CVE-2019-14806 werkzeug 0.11 high requirements.txt", NORMAL_NAME),
    (&["pip"], "- CVE-2020-28724 Werkzeug 0.11 medium requirements.txt", NORMAL_NAME),
    (&["pip"], "+ CVE-2020-28724 werkzeug 0.11 medium requirements.txt", NORMAL_NAME),
    (&["pip"], "? unpinned", "MarkupSafe has no one version there; both leave it out, and here that is said"),
    (
        &["pnpm"],
        "+ CVE-2019-10744 lodash 4.17.4 critical node_modules/.pnpm/lodash@4.17.4/node_modules/lodash/package.json",
        INSTALLED,
    ),
    (
        &["pnpm"],
        "+ CVE-2019-11358 jquery 3.3.9 medium node_modules/.pnpm/jquery@3.3.9/node_modules/jquery/package.json",
        INSTALLED,
    ),
    (&["pom-cyclonedx"], "- pkg:maven/com.example/log4shell@1.0-SNAPSHOT", THE_PROJECT),
    (
        &["pom-cyclonedx"],
        "+ pkg:maven/javax.servlet/javax.servlet-api@4.0.1",
        "of the scope `provided`: a server that runs the project has it",
    ),
    (&["pom-cyclonedx"], "+ pkg:maven/org.junit.jupiter/junit-jupiter-api@5.7.1", FOR_DEVELOPMENT),
    (&["pom-cyclonedx"], "+ pkg:maven/org.junit.jupiter/junit-jupiter-engine@5.7.1", FOR_DEVELOPMENT),
    (&["yarn"], "+ CVE-2019-11358 jquery 3.2.1 medium node_modules/jquery/package.json", INSTALLED),
    (&["yarn"], "+ pkg:npm/asap@2.0.6", FOR_DEVELOPMENT),
    (&["yarn"], "+ pkg:npm/promise@8.0.3", FOR_DEVELOPMENT),
    (&["yarn"], "- pkg:npm/integration@1.0.0", THE_PROJECT),
];

/// A directory is a project that was made with them; an image counts what is installed in it, and no lock file.
const FOR_DEVELOPMENT: &str =
    "for development; of a directory these count too, of an image what is installed";
const INSTALLED: &str = "it is installed there as well: one finding of all files that name the package";
/// That the rpms of the two are often the same is no word of CentOS, whose updates end years before Red Hat's.
const OF_CENTOS: &str =
    "Red Hat's advisories are of its own builds; CentOS has none that are read, and that is said";
const OF_PODS: &str =
    "OSV has no ecosystem for CocoaPods, whose packages run on Apple's systems; that is said";
const OF_COMPOSER: &str = "it lies where Composer writes it; elsewhere a file of that name is anybody's";
const OF_GO_SUM: &str = "go.sum names the version, and the go.mod beside it does not";
const OF_CLUSTERS: &str =
    "what a cluster is made of is no package of an image; each is named as not looked at";
const BY_UBUNTU: &str =
    "a setting that puts Ubuntu's word first; here the ecosystem's database has the first word";
const NORMAL_NAME: &str = "names of PyPI are written in their normal form";
const THE_PROJECT: &str = "the project itself, which no other installs; what it needs is what is looked up";
