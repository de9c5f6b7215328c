//! Which images there are, and which layers they are made of.

use std::io;

use super::{
    app::{self, Version},
    debian,
    layer::Layer,
    node, python,
};

/// What one layer holds; the largest come first, so that two threads end together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// Python distributions.
    SitePackages,
    /// npm packages.
    NodeModules,
    /// Node.js.
    Node,
    /// A minimal Debian.
    Base,
    /// Python.
    Python,
    /// Certificates and time zones.
    Certificates,
    /// The application of the delta scenario.
    App(Version),
    /// A project's `package.json` and lock file.
    NodeManifest,
    /// A project's sources.
    NodeSources,
    /// A user to run as.
    Account,
    /// A profile.
    Settings,
}

/// Every layer of every image.
pub const CONTENTS: [Content; 12] = [
    Content::SitePackages,
    Content::NodeModules,
    Content::Node,
    Content::Base,
    Content::Python,
    Content::Certificates,
    Content::App(Version::V1),
    Content::App(Version::V2),
    Content::NodeManifest,
    Content::NodeSources,
    Content::Account,
    Content::Settings,
];

/// One step of a build.
#[derive(Debug, Clone, Copy)]
pub enum Step {
    /// Makes a layer.
    Layer(Content),
    /// Sets something in the configuration: the instruction.
    Setting(&'static str),
}

/// How an image is built.
#[derive(Debug)]
pub struct Recipe {
    /// Its name.
    pub name: &'static str,
    /// From the base upwards.
    pub steps: &'static [Step],
    /// Beside `PATH`.
    pub environment: &'static str,
    /// What it runs.
    pub command: &'static [&'static str],
    /// Whether `docker save` of it is wanted too.
    pub archive: bool,
}

impl Recipe {
    /// Its layers, bottom to top.
    pub fn layers(&self) -> impl Iterator<Item = Content> {
        self.steps.iter().filter_map(|step| match step {
            Step::Layer(content) => Some(*content),
            Step::Setting(_) => None,
        })
    }
}

const fn delta(version: Version) -> [Step; 11] {
    [
        Step::Layer(Content::Base),
        Step::Setting("CMD [\"bash\"]"),
        Step::Layer(Content::Certificates),
        Step::Layer(Content::Python),
        Step::Layer(Content::Account),
        Step::Layer(Content::Settings),
        Step::Layer(Content::SitePackages),
        Step::Setting("ENV PYTHONUNBUFFERED=1"),
        Step::Setting("CMD [\"python3\"]"),
        Step::Layer(Content::App(version)),
        Step::Setting("CMD [\"python3\", \"/app/src/shop/main.py\"]"),
    ]
}

/// Every image.
pub const RECIPES: [Recipe; 3] = [
    Recipe {
        name: "delta-v1",
        steps: &delta(Version::V1),
        environment: "PYTHONUNBUFFERED=1",
        command: &["python3", "/app/src/shop/main.py"],
        archive: true,
    },
    Recipe {
        name: "delta-v2",
        steps: &delta(Version::V2),
        environment: "PYTHONUNBUFFERED=1",
        command: &["python3", "/app/src/shop/main.py"],
        archive: false,
    },
    Recipe {
        name: "many",
        steps: &[
            Step::Layer(Content::Base),
            Step::Setting("CMD [\"bash\"]"),
            Step::Layer(Content::Certificates),
            Step::Layer(Content::Node),
            Step::Layer(Content::NodeManifest),
            Step::Layer(Content::NodeModules),
            Step::Layer(Content::NodeSources),
            Step::Setting("ENV NODE_ENV=production"),
            Step::Setting("CMD [\"node\", \"src/m1.js\"]"),
        ],
        environment: "NODE_ENV=production",
        command: &["node", "src/m1.js"],
        archive: false,
    },
];

impl Content {
    /// The instruction that makes the layer.
    pub fn instruction(self) -> &'static str {
        match self {
            Self::Base => "ADD rootfs.tar /",
            Self::Certificates => {
                "RUN apt-get install -y --no-install-recommends ca-certificates netbase openssl"
            }
            Self::Python => "RUN make install",
            Self::Account => "RUN useradd -m app",
            Self::Settings => "COPY rootcfg/ /",
            Self::SitePackages => "RUN pip install -r requirements.txt",
            Self::App(_) => "COPY . /app",
            Self::Node => "RUN tar -C /usr/local -xf node.tar",
            Self::NodeManifest => "COPY package.json package-lock.json /app/",
            Self::NodeModules => "COPY node_modules /app/node_modules",
            Self::NodeSources => "COPY src /app/src",
        }
    }

    /// The layer's tar.
    pub fn write(self) -> io::Result<Vec<u8>> {
        let mut layer = Layer::new();
        match self {
            Self::Base => debian::base(&mut layer)?,
            Self::Certificates => debian::install(&mut layer, "certificates")?,
            Self::Python => python::runtime(&mut layer)?,
            Self::Account => account(&mut layer)?,
            Self::Settings => layer.file("etc/profile.d/app.sh", b"export PYTHONUNBUFFERED=1\n")?,
            Self::SitePackages => python::site_packages(&mut layer)?,
            Self::App(version) => app::write(&mut layer, version)?,
            Self::Node => node::runtime(&mut layer)?,
            Self::NodeManifest => node::manifest(&mut layer)?,
            Self::NodeModules => node::modules(&mut layer)?,
            Self::NodeSources => node::sources(&mut layer)?,
        }
        layer.finish()
    }
}

fn account(layer: &mut Layer) -> io::Result<()> {
    layer.file("etc/passwd", b"root:x:0:0:root:/root:/bin/bash\ndaemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin\n\
        www-data:x:33:33:www-data:/var/www:/usr/sbin/nologin\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n\
        app:x:1000:1000::/home/app:/bin/sh\n")?;
    layer.file("etc/group", b"root:x:0:\ndaemon:x:1:\nwww-data:x:33:\nnogroup:x:65534:\napp:x:1000:\n")?;
    for name in [".bashrc", ".profile", ".bash_logout"] {
        layer.file(&format!("home/app/{name}"), b"# ~/.profile: executed by the command interpreter\n")?;
    }
    Ok(())
}
