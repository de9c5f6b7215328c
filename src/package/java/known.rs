//! Projects whose builds leave no `pom.properties` in their archives, and whose advisories people wait for.
//!
//! A group cannot be had from an archive without one: manifests name vendors and modules, and a wrong group matches no
//! advisory, silently. So a group is only given where both the artifact's name and the classes in the archive are a
//! known project's.

/// A row: artifacts, a directory of classes that they hold (none if empty), the first major version, the group, and the artifact where
/// the file is named otherwise.
struct Known {
    artifacts: &'static [&'static str],
    classes: &'static str,
    since: u32,
    group: &'static str,
    artifact: Option<&'static str>,
}

const fn row(
    group: &'static str,
    classes: &'static str,
    since: u32,
    artifacts: &'static [&'static str],
) -> Known {
    Known { artifacts, classes, since, group, artifact: None }
}

const fn renamed(
    group: &'static str,
    classes: &'static str,
    file: &'static [&'static str],
    artifact: &'static str,
) -> Known {
    Known { artifacts: file, classes, since: 0, group, artifact: Some(artifact) }
}

/// `*` at an end stands for anything. The first row that fits counts.
const KNOWN: &[Known] = &[
    // Starters are empty; Spring keeps these names for its own.
    row("org.springframework.boot", "", 0, &["spring-boot-starter", "spring-boot-starter-*"]),
    row("org.springframework.boot", "org/springframework/boot/", 0, &["spring-boot", "spring-boot-*"]),
    row("org.springframework.security", "org/springframework/security/", 0, &["spring-security-*"]),
    row("org.springframework.integration", "org/springframework/integration/", 0, &["spring-integration-*"]),
    row("org.springframework.session", "org/springframework/session/", 0, &["spring-session-*"]),
    row("org.springframework.kafka", "org/springframework/kafka/", 0, &["spring-kafka"]),
    row("org.springframework.amqp", "org/springframework/amqp/", 0, &["spring-amqp", "spring-rabbit"]),
    row("org.springframework.ldap", "org/springframework/ldap/", 0, &["spring-ldap-core"]),
    row("org.springframework.graphql", "org/springframework/graphql/", 0, &["spring-graphql"]),
    row(
        "org.springframework",
        "org/springframework/",
        0,
        &[
            "spring-aop",
            "spring-aspects",
            "spring-beans",
            "spring-context",
            "spring-context-indexer",
            "spring-context-support",
            "spring-core",
            "spring-expression",
            "spring-instrument",
            "spring-jdbc",
            "spring-jms",
            "spring-messaging",
            "spring-orm",
            "spring-oxm",
            "spring-r2dbc",
            "spring-test",
            "spring-tx",
            "spring-web",
            "spring-webflux",
            "spring-webmvc",
            "spring-websocket",
        ],
    ),
    row("org.springframework", "org/apache/commons/logging/", 0, &["spring-jcl"]),
    row("org.apache.tomcat.embed", "org/apache/", 0, &["tomcat-embed-*"]),
    row("org.apache.tomcat", "org/apache/", 0, &["tomcat-*"]),
    renamed("org.apache.tomcat", "org/apache/catalina/", &["catalina"], "tomcat-catalina"),
    renamed("org.apache.tomcat", "org/apache/catalina/", &["catalina-ant"], "tomcat-catalina-ant"),
    renamed("org.apache.tomcat", "org/apache/catalina/ha/", &["catalina-ha"], "tomcat-catalina-ha"),
    renamed("org.apache.tomcat", "org/apache/catalina/tribes/", &["catalina-tribes"], "tomcat-tribes"),
    renamed("org.apache.tomcat", "org/apache/jasper/", &["jasper"], "tomcat-jasper"),
    renamed("org.apache.tomcat", "org/apache/el/", &["jasper-el"], "tomcat-jasper-el"),
    row(
        "org.bouncycastle",
        "org/bouncycastle/",
        0,
        &["bc-fips", "bcjmail-*", "bcmail-*", "bcpg-*", "bcpkix-*", "bcprov-*", "bctls-*", "bcutil-*"],
    ),
    row(
        "org.apache.kafka",
        "org/apache/kafka/",
        0,
        &["connect-runtime", "kafka-clients", "kafka-server", "kafka-streams"],
    ),
    row("org.apache.kafka", "kafka/", 0, &["kafka_2.*"]),
    row("org.apache.lucene", "org/apache/lucene/", 0, &["lucene-*"]),
    row("org.apache.solr", "org/apache/solr/", 0, &["solr-core", "solr-solrj"]),
    row("org.apache.zookeeper", "org/apache/zookeeper/", 0, &["zookeeper"]),
    row("org.apache.ant", "org/apache/tools/ant/", 0, &["ant", "ant-launcher"]),
    row("org.apache.velocity", "org/apache/velocity/", 0, &["velocity", "velocity-engine-core"]),
    row("org.elasticsearch", "org/elasticsearch/", 0, &["elasticsearch"]),
    row("org.elasticsearch.client", "org/elasticsearch/client/", 0, &["elasticsearch-rest-client"]),
    row("org.opensearch", "org/opensearch/", 0, &["opensearch"]),
    row("org.hibernate.orm", "org/hibernate/", 6, &["hibernate-core"]),
    row("org.hibernate", "org/hibernate/", 0, &["hibernate-core"]),
    row("org.apache.groovy", "groovy/lang/", 4, &["groovy", "groovy-all"]),
    row("org.codehaus.groovy", "groovy/lang/", 0, &["groovy", "groovy-all"]),
    row(
        "org.jetbrains.kotlin",
        "kotlin/",
        0,
        &[
            "kotlin-reflect",
            "kotlin-stdlib",
            "kotlin-stdlib-common",
            "kotlin-stdlib-jdk7",
            "kotlin-stdlib-jdk8",
        ],
    ),
    row("io.ktor", "io/ktor/", 0, &["ktor-*"]),
    row("io.grpc", "io/grpc/", 0, &["grpc-*"]),
    row("io.micrometer", "io/micrometer/", 0, &["micrometer-*"]),
    row("io.projectreactor.netty", "reactor/netty/", 0, &["reactor-netty-*"]),
    row("io.projectreactor", "reactor/core/", 0, &["reactor-core"]),
    row("com.squareup.okhttp3", "okhttp3/", 0, &["okhttp", "okhttp-jvm"]),
    row("com.squareup.okio", "okio/", 0, &["okio", "okio-jvm"]),
    row("com.squareup.retrofit2", "retrofit2/", 0, &["retrofit"]),
    row("mysql", "com/mysql/", 0, &["mysql-connector-java"]),
    row("com.mysql", "com/mysql/", 0, &["mysql-connector-j"]),
    row("com.h2database", "org/h2/", 0, &["h2"]),
    row("org.hsqldb", "org/hsqldb/", 0, &["hsqldb"]),
    row("org.mongodb", "com/mongodb/", 0, &["mongo-java-driver", "mongodb-driver", "mongodb-driver-*"]),
    row("org.mongodb", "org/bson/", 0, &["bson"]),
    row("org.postgresql", "org/postgresql/", 0, &["postgresql"]),
    row(
        "com.google.protobuf",
        "com/google/protobuf/",
        0,
        &["protobuf-java", "protobuf-java-util", "protobuf-javalite"],
    ),
    row(
        "io.opentelemetry",
        "io/opentelemetry/",
        0,
        &["opentelemetry-api", "opentelemetry-context", "opentelemetry-sdk"],
    ),
    row("net.java.dev.jna", "com/sun/jna/", 0, &["jna", "jna-platform"]),
    row("com.mchange", "com/mchange/v2/c3p0/", 0, &["c3p0"]),
    row("com.thoughtworks.xstream", "com/thoughtworks/xstream/", 0, &["xstream"]),
    row("com.github.luben", "com/github/luben/zstd/", 0, &["zstd-jni"]),
    row("org.xerial.snappy", "org/xerial/snappy/", 0, &["snappy-java"]),
    row("org.lz4", "net/jpountz/", 0, &["lz4-java"]),
    row("org.scala-lang", "scala/", 0, &["scala-library"]),
    row("com.typesafe.akka", "akka/", 0, &["akka-actor_2.*", "akka-http-core_2.*", "akka-http_2.*"]),
    row("org.dom4j", "org/dom4j/", 2, &["dom4j"]),
    row("junit", "junit/", 0, &["junit"]),
    row("commons-logging", "org/apache/commons/logging/", 0, &["commons-logging"]),
    row("commons-collections", "org/apache/commons/collections/", 0, &["commons-collections"]),
    row("org.tukaani", "org/tukaani/xz/", 0, &["xz"]),
    row("dom4j", "org/dom4j/", 0, &["dom4j"]),
    row("log4j", "org/apache/log4j/", 0, &["log4j"]),
    row("xerces", "org/apache/xerces/", 0, &["xercesImpl"]),
    row("xalan", "org/apache/xalan/", 0, &["xalan"]),
    row("org.mozilla", "org/mozilla/javascript/", 0, &["rhino"]),
    row("org.ow2.asm", "org/objectweb/asm/", 4, &["asm", "asm-*"]),
    row("asm", "org/objectweb/asm/", 0, &["asm", "asm-*"]),
];

/// A project that an artifact may be: the directory of classes that must be there, unless it is empty, and its name `GROUP:ARTIFACT`.
pub(super) fn project(artifact: &str, version: &str) -> Option<(&'static str, String)> {
    let major = version.split(|c: char| !c.is_ascii_digit()).next().and_then(|major| major.parse().ok());
    let fits = |pattern: &&str| match pattern.strip_suffix('*') {
        Some(prefix) => artifact.starts_with(prefix),
        None => artifact == *pattern,
    };
    let known = KNOWN.iter().find(|known| {
        known.artifacts.iter().any(fits)
            && (known.since == 0 || major.is_some_and(|major: u32| major >= known.since))
    })?;
    Some((known.classes, format!("{}:{}", known.group, known.artifact.unwrap_or(artifact))))
}
