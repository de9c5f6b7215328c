//! Packages: names of common ones, invented ones beside them, and histories of versions that lead to a fix.

use super::prose;
use crate::random::Random;

/// A package of a language, and a version that is newer than what old images hold.
pub struct Known {
    /// Its name.
    pub name: &'static str,
    /// The version that a fix is in.
    pub latest: &'static str,
}

macro_rules! known {
    ($($name:literal $latest:literal),* $(,)?) => { &[$(Known { name: $name, latest: $latest }),*] };
}

/// Debian's source packages of a small image with Python, with a version of Debian 12; those with most advisories first.
pub const DEBIAN: &[Known] = known![
    "glibc" "2.36-9+deb12u14", "perl" "5.36.0-7+deb12u3", "systemd" "252.39-1~deb12u2", "openssl" "3.0.17-1~deb12u2",
    "gnutls28" "3.7.9-2+deb12u7", "krb5" "1.20.1-2+deb12u4", "ncurses" "6.4-4", "expat" "2.5.0-1+deb12u2",
    "apt" "2.6.1", "util-linux" "2.38.1-5+deb12u3", "sqlite3" "3.40.1-2+deb12u2", "pam" "1.5.2-6+deb12u2",
    "gnupg2" "2.2.40-1.1+deb12u2", "shadow" "1:4.13+dfsg1-1+deb12u2", "bash" "5.2.15-2", "dpkg" "1.21.23",
    "tar" "1.34+dfsg-1.2+deb12u1", "libgcrypt20" "1.10.1-3+deb12u1", "libtasn1-6" "4.19.0-2+deb12u1",
    "gzip" "1.12-1", "zlib" "1:1.2.13.dfsg-1", "coreutils" "9.1-1", "bzip2" "1.0.8-5", "pcre2" "10.42-1",
    "nettle" "3.8.1-2", "e2fsprogs" "1.47.0-2", "lz4" "1.9.4-1", "libzstd" "1.5.4+dfsg2-5", "libsepol" "3.4-2.1",
    "libcap2" "1:2.66-4+deb12u3", "p11-kit" "0.24.1-2", "db5.3" "5.3.28+dfsg2-1", "libidn2" "2.3.3-1",
    "gcc-12" "12.2.0-14+deb12u1", "audit" "1:3.0.9-1", "grep" "3.8-5", "libseccomp" "2.5.4-1+deb12u1",
    "acl" "2.3.1-3", "libffi" "3.4.4-1", "libxcrypt" "1:4.4.33-2", "findutils" "4.9.0-4",
    "xz-utils" "5.4.1-1+deb12u1", "gmp" "2:6.2.1+dfsg1-1.1", "readline" "8.2-1.3", "libtirpc" "1.3.3+ds-1",
    "keyutils" "1.6.3-2", "libnsl" "1.3.0-2", "ca-certificates" "20230311", "adduser" "3.134",
    "attr" "1:2.5.1-4", "base-files" "12.4+deb12u15", "cdebconf" "0.270", "dash" "0.5.12-2", "debconf" "1.5.82",
    "debianutils" "5.7-0.5~deb12u1", "diffutils" "1:3.8-4", "libcap-ng" "0.8.3-1", "libgpg-error" "1.46-1",
    "libmd" "1.0.4-2", "libselinux" "3.4-1", "libsemanage" "3.4-1", "libunistring" "1.0-2",
    "mawk" "1.3.4.20200120-3.1", "sed" "4.9-1+deb12u1", "sysvinit" "3.06-4", "tzdata" "2026b-0+deb12u1",
    "usrmerge" "37~deb12u1", "xxhash" "0.8.1-1",
];

/// Debian's source packages that have many advisories and are in no small image.
pub const DEBIAN_LARGE: &[&str] = &[
    "wireshark",
    "webkit2gtk",
    "thunderbird",
    "imagemagick",
    "xen",
    "qemu",
    "ffmpeg",
    "tiff",
    "phpmyadmin",
    "binutils",
    "wpewebkit",
    "wordpress",
    "apache2",
    "vim",
    "samba",
    "tcpdump",
    "clamav",
    "cacti",
    "ghostscript",
    "mediawiki",
    "mariadb",
    "postgresql-15",
    "php8.2",
    "nodejs",
    "ruby3.1",
    "openjdk-17",
    "tomcat10",
    "nginx",
    "bind9",
    "curl",
    "libxml2",
    "poppler",
    "graphicsmagick",
    "exiv2",
    "libvncserver",
    "freeradius",
    "asterisk",
    "dovecot",
    "exim4",
    "postfix",
    "squid",
    "haproxy",
    "varnish",
    "mutt",
    "gimp",
    "inkscape",
    "libreoffice",
    "vlc",
    "mpv",
    "radare2",
    "openexr",
    "jasper",
    "openjpeg2",
    "libraw",
    "giflib",
    "libarchive",
    "rust-openssl",
    "golang-1.19",
    "docker.io",
    "containerd",
    "runc",
    "podman",
    "libvirt",
    "openvswitch",
    "frr",
    "ntp",
    "chrony",
    "cups",
    "avahi",
    "dnsmasq",
    "python3.11",
    "git",
    "subversion",
    "mercurial",
    "jenkins",
    "zabbix",
    "nagios4",
    "icinga2",
    "grafana",
    "redis",
];

/// Packages of PyPI; those with most advisories first.
pub const PYPI: &[Known] = known![
    "django" "5.0.9", "pillow" "10.4.0", "urllib3" "2.2.2", "cryptography" "43.0.1", "aiohttp" "3.10.5",
    "werkzeug" "3.0.4", "numpy" "2.1.0", "requests" "2.32.3", "lxml" "5.3.0", "jinja2" "3.1.4", "flask" "3.0.3",
    "pyyaml" "6.0.1", "sqlalchemy" "2.0.32", "certifi" "2024.7.4", "idna" "3.7", "celery" "5.4.0", "gunicorn" "23.0.0",
    "redis" "5.0.8", "itsdangerous" "2.2.0", "kombu" "5.4.0", "sqlparse" "0.5.1", "click" "8.1.7", "six" "1.16.0",
    "pytz" "2024.1", "chardet" "5.2.0", "cffi" "1.17.0", "greenlet" "3.0.3", "amqp" "5.2.0", "billiard" "4.2.0",
    "vine" "5.1.0", "pycparser" "2.22", "markupsafe" "2.1.5", "setuptools" "72.1.0", "wheel" "0.44.0", "pip" "24.2",
    "tornado" "6.4.1", "twisted" "24.7.0", "paramiko" "3.4.1", "pyjwt" "2.9.0", "markdown" "3.7", "bleach" "6.1.0",
    "httplib2" "0.22.0", "scipy" "1.14.1", "pandas" "2.2.2", "tensorflow" "2.17.0", "ansible" "10.3.0", "salt" "3007.1",
    "plone" "6.0.13", "apache-airflow" "2.10.0", "notebook" "7.2.2",
];

/// Packages of npm; those with most advisories first.
pub const NPM: &[Known] = known![
    "electron" "32.0.1", "lodash" "4.17.21", "minimist" "1.2.6", "node-forge" "1.3.1", "qs" "6.11.0", "express" "4.20.0",
    "handlebars" "4.7.8", "undici" "6.19.8", "next" "14.2.7", "marked" "14.0.0", "tar" "6.2.1", "parse-server" "7.2.0",
    "semver" "7.5.2", "json5" "2.2.2", "loader-utils" "3.2.1", "ansi-regex" "6.0.1", "glob-parent" "5.1.2",
    "postcss" "8.4.31", "braces" "3.0.3", "micromatch" "4.0.8", "ws" "8.17.1", "minimatch" "3.0.5", "ajv" "6.12.3",
    "webpack-dev-server" "4.15.2", "follow-redirects" "1.15.6", "ansi-html" "0.0.9", "immer" "9.0.6", "ini" "1.3.6",
    "tough-cookie" "4.1.3", "word-wrap" "1.2.4", "kind-of" "6.0.3", "shell-quote" "1.7.3", "async" "3.2.2",
    "browserslist" "4.16.5", "elliptic" "6.5.7", "nth-check" "2.0.1", "serialize-javascript" "6.0.2", "ssri" "8.0.1",
    "terser" "5.14.2", "axios" "1.7.4", "jquery" "3.5.0", "bootstrap" "5.0.0", "angular" "1.8.3", "moment" "2.29.4",
    "vite" "5.4.2", "sequelize" "6.37.3", "mongoose" "8.5.3", "swagger-ui" "5.17.14", "tinymce" "7.3.0", "ghost" "5.89.5",
];

/// The invented name number `number` of an ecosystem.
pub fn invented(ecosystem: &str, number: usize) -> String {
    let mut random = Random::of(&format!("package {ecosystem} {number}"));
    let (first, second) = (prose::name(&mut random), prose::name(&mut random));
    // The number keeps two apart that were dealt the same words.
    match random.below(4) {
        0 => format!("{first}{number}"),
        1 => format!("{first}-{second}{number}"),
        2 => format!("lib{first}{number}"),
        _ => format!("{first}-{second}-{number}"),
    }
}

/// `count` versions `a.b.c` of a package below major version `below`, ascending.
pub fn history(name: &str, below: usize, count: usize) -> Vec<String> {
    let mut random = Random::of(&format!("history {name}"));
    let (mut major, mut minor, mut patch) = (0, 0, 0);
    let mut versions = Vec::with_capacity(count);
    for index in 0..count {
        let reached = index * below / count.max(1);
        if reached > major {
            (major, minor, patch) = (reached, 0, 0);
        } else if random.chance(250) {
            (minor, patch) = (minor + 1, 0);
        } else {
            patch += 1;
        }
        versions.push(format!("{major}.{minor}.{patch}"));
    }
    versions
}

/// The first number of a version.
pub fn major(version: &str) -> usize {
    version.split('.').next().and_then(|number| number.parse().ok()).unwrap_or(0)
}
