//! The brokers: how each is started as a plain process, with the settings that its components count on.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::ValueEnum;

use crate::failure::{During as _, Failure, Result};
use crate::service::{Place, Process, Ready, Service, find, version};

/// A broker that the suite can start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Broker {
    /// Redis streams
    Redis,
    /// RabbitMQ
    Rabbitmq,
    /// MQTT 3.1.1: Mosquitto
    Mqtt,
    /// Kafka, one node; KAFKA_LIBS is a folder with its jars (see docs/conformance.md)
    Kafka,
    /// Pulsar, standalone; PULSAR_LIBS is a folder with its jars
    Pulsar,
}

/// The user and password that a broker is given.
pub(crate) struct Login<'a> {
    pub(crate) user: &'a str,
    pub(crate) password: &'a str,
}

/// Three ports of the broker's.
#[derive(Clone, Copy)]
pub(crate) struct BrokerPorts {
    /// For clients.
    pub(crate) clients: u16,
    /// Between its own parts.
    pub(crate) inner: u16,
    /// RabbitMQ's epmd.
    pub(crate) names: u16,
}

const RABBITMQ: &str = "/usr/lib/rabbitmq/bin";

// === impl Broker ===

impl Broker {
    /// Its name, on the command line and as a folder.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Redis => "redis",
            Self::Rabbitmq => "rabbitmq",
            Self::Mqtt => "mqtt",
            Self::Kafka => "kafka",
            Self::Pulsar => "pulsar",
        }
    }

    /// How long it may take until what a dead replica held is handled. Redis claims that after a minute, and its
    /// component looks for such every 15 s.
    pub(crate) fn recovery(self) -> Duration {
        match self {
            Self::Redis => Duration::from_secs(100),
            Self::Rabbitmq | Self::Mqtt | Self::Kafka | Self::Pulsar => Duration::from_secs(45),
        }
    }

    /// What runs, with its version.
    pub(crate) fn version(self) -> Result<String> {
        Ok(match self {
            Self::Redis => format!("Redis {}", version(&redis()?, "--version")),
            Self::Rabbitmq => format!("RabbitMQ {}", rabbitmq_version()),
            Self::Mqtt => format!("Mosquitto {}", version(&mosquitto()?, "-h")),
            Self::Kafka => format!("Kafka {}", jar_version("KAFKA_LIBS", "kafka_2.13-")?),
            Self::Pulsar => format!("Pulsar {}", jar_version("PULSAR_LIBS", "pulsar-broker-")?),
        })
    }

    /// Its files, and how it is started.
    pub(crate) fn service(self, root: &Path, ports: BrokerPorts, login: &Login<'_>) -> Result<Service> {
        match self {
            Self::Redis => redis_service(root, ports, login),
            Self::Rabbitmq => rabbitmq_service(root, ports, login),
            Self::Mqtt => mosquitto_service(root, ports, login),
            Self::Kafka => kafka_service(root, ports),
            Self::Pulsar => pulsar_service(root, ports),
        }
    }
}

fn redis() -> Result<PathBuf> {
    find("redis-server", &[], "redis-server")
}

fn redis_service(root: &Path, ports: BrokerPorts, login: &Login<'_>) -> Result<Service> {
    let place = Place::new(root, "redis", "redis")?;
    let (port, password) = (ports.clients, login.password);
    let folder = place.folder.display();
    // As the local system has it: to the log before the publisher is answered, synced once a second.
    let config = format!(
        "bind 127.0.0.1\nport {port}\nrequirepass {password}\ndir \"{folder}\"\nappendonly yes\nappendfsync everysec\nsave \"\"\n"
    );
    let config = place.write("redis.conf", &config)?;
    Ok(Service {
        main: place.process("redis", redis()?).args([config.display().to_string()]),
        helper: None,
        port,
        ready: Ready::Redis {
            password: password.to_owned(),
        },
    })
}

fn rabbitmq_version() -> String {
    let folders = std::fs::read_dir("/usr/lib/rabbitmq/lib")
        .into_iter()
        .flatten()
        .flatten();
    folders
        .filter_map(|folder| folder.file_name().into_string().ok())
        .find_map(|name| name.strip_prefix("rabbitmq_server-").map(str::to_owned))
        .unwrap_or_else(|| "?".to_owned())
}

fn rabbitmq_service(root: &Path, ports: BrokerPorts, login: &Login<'_>) -> Result<Service> {
    let server = find("rabbitmq-server", &[], "rabbitmq-server")?;
    // The script on the PATH only changes to the user that the package made; we have our own way.
    let script = Path::new(RABBITMQ).join("rabbitmq-server");
    let server = if script.is_file() { script } else { server };
    let place = Place::new(root, "rabbitmq", "rabbitmq")?;
    let config = place.write(
        "rabbitmq.conf",
        &format!(
            "listeners.tcp.default = 127.0.0.1:{}\ndefault_user = {}\ndefault_pass = {}\nloopback_users = none\n\
             log.console = true\nlog.file = false\nvm_memory_high_watermark.absolute = 512MB\n\
             disk_free_limit.absolute = 50MB\n",
            ports.clients, login.user, login.password
        ),
    )?;
    let plugins = place.write("enabled_plugins", "[].\n")?;
    place.write(".erlang.cookie", &format!("{}COOKIE", login.password))?;
    // The name server would be left behind as a daemon if the broker started it.
    let names = place.process("epmd", find("epmd", &[], "erlang-base")?).args([
        "-address",
        "127.0.0.1",
        "-port",
        &ports.names.to_string(),
    ]);
    let main = place
        .process("rabbitmq", server)
        .env("ERL_EPMD_PORT", ports.names.to_string())
        .env("ERL_EPMD_ADDRESS", "127.0.0.1")
        .env("RABBITMQ_NODENAME", format!("conformance{}@localhost", ports.clients))
        .env("RABBITMQ_DIST_PORT", ports.inner.to_string())
        .env("RABBITMQ_CONFIG_FILE", config.display().to_string())
        .env("RABBITMQ_CONF_ENV_FILE", "/dev/null")
        .env("RABBITMQ_ENABLED_PLUGINS_FILE", plugins.display().to_string())
        .env("RABBITMQ_MNESIA_BASE", place.folder.join("data").display().to_string())
        .env("RABBITMQ_LOG_BASE", place.folder.join("logs").display().to_string())
        // Idle schedulers spin by default, on a machine that others use, too.
        .env(
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS",
            "+sbwt none +sbwtdcpu none +sbwtdio none",
        );
    Ok(Service {
        main,
        helper: Some(names),
        port: ports.clients,
        ready: Ready::Listens,
    })
}

fn mosquitto() -> Result<PathBuf> {
    find("mosquitto", &[], "mosquitto")
}

fn mosquitto_service(root: &Path, ports: BrokerPorts, login: &Login<'_>) -> Result<Service> {
    let server = mosquitto()?;
    let place = Place::new(root, "mosquitto", "mosquitto")?;
    let passwords = place.folder.join("passwords");
    let passwords = passwords.display();
    place
        .process("mosquitto_passwd", find("mosquitto_passwd", &[], "mosquitto")?)
        .args(["-b", "-c", &passwords.to_string(), login.user, login.password])
        .run()?;
    let config = place.write(
        "mosquitto.conf",
        &format!(
            "listener {} 127.0.0.1\nallow_anonymous false\npassword_file {passwords}\n\
             persistence true\npersistence_location {}/\nautosave_on_changes true\nautosave_interval 1\n\
             max_queued_messages 20000\nmax_inflight_messages 32\npersistent_client_expiration 1d\n",
            ports.clients,
            place.folder.display()
        ),
    )?;
    Ok(Service {
        main: place
            .process("mosquitto", server)
            .args(["-c", &config.display().to_string()]),
        helper: None,
        port: ports.clients,
        ready: Ready::Listens,
    })
}

/// The folder with the jars of a broker that no package has.
fn jars(setting: &str) -> Result<PathBuf> {
    #[expect(
        clippy::disallowed_methods,
        reason = "where the jars are is a matter of this broker alone"
    )]
    let folder = std::env::var(setting).ok().map(PathBuf::from);
    folder.filter(|folder| folder.is_dir()).ok_or_else(|| {
        Failure(format!(
            "{setting} must name a folder with the broker's jars: docs/conformance.md says how to get them"
        ))
    })
}

/// The version in the name of a jar.
fn jar_version(setting: &str, prefix: &str) -> Result<String> {
    let files = std::fs::read_dir(jars(setting)?).during(format!("read {setting}"))?;
    let version = files
        .flatten()
        .filter_map(|file| file.file_name().into_string().ok())
        .find_map(|name| Some(name.strip_prefix(prefix)?.strip_suffix(".jar")?.to_owned()));
    Ok(version.unwrap_or_else(|| "?".to_owned()))
}

fn java() -> Result<PathBuf> {
    find("java", &[], "openjdk-17-jre-headless")
}

fn kafka_service(root: &Path, ports: BrokerPorts) -> Result<Service> {
    let java = java()?;
    let jars = format!("{}/*", jars("KAFKA_LIBS")?.display());
    let place = Place::new(root, "kafka", "nobody")?;
    let (clients, inner) = (ports.clients, ports.inner);
    let data = place.folder.join("data");
    let config = place.write(
        "server.properties",
        &format!(
            "process.roles=broker,controller\nnode.id=1\ncontroller.quorum.voters=1@127.0.0.1:{inner}\n\
             listeners=PLAINTEXT://127.0.0.1:{clients},CONTROLLER://127.0.0.1:{inner}\n\
             advertised.listeners=PLAINTEXT://127.0.0.1:{clients}\ncontroller.listener.names=CONTROLLER\n\
             log.dirs={}\nnum.partitions=8\noffsets.topic.replication.factor=1\noffsets.topic.num.partitions=4\n\
             transaction.state.log.replication.factor=1\ntransaction.state.log.min.isr=1\n\
             group.initial.rebalance.delay.ms=0\n",
            data.display()
        ),
    )?;
    let config = config.display().to_string();
    let run = |name: &str, class: &str, args: &[&str]| -> Process {
        place
            .process(name, java.clone())
            .args([
                "-Xmx512m",
                "-Xshare:auto",
                "-XX:TieredStopAtLevel=1",
                "-cp",
                &jars,
                class,
            ])
            .args(args.iter().copied())
    };
    run(
        "kafka-format",
        "kafka.tools.StorageTool",
        &["format", "-t", "ConformanceConformanc", "-c", &config],
    )
    .run()?;
    Ok(Service {
        main: run("kafka", "kafka.Kafka", &[&config]),
        helper: None,
        port: clients,
        ready: Ready::Listens,
    })
}

/// What Pulsar and its store reach into, which Java 17 has closed.
const OPENED: [&str; 10] = [
    "java.base/java.io",
    "java.base/java.nio",
    "java.base/java.lang",
    "java.base/java.util.zip",
    "java.base/jdk.internal.misc",
    "java.base/jdk.internal.platform",
    "java.base/sun.net",
    "java.base/sun.nio.ch",
    "java.management/sun.management",
    "jdk.management/com.sun.management.internal",
];

fn pulsar_service(root: &Path, ports: BrokerPorts) -> Result<Service> {
    let place = Place::new(root, "pulsar", "nobody")?;
    let BrokerPorts { clients, inner, names } = ports;
    let config = place.write(
        "standalone.conf",
        &format!(
            "brokerServicePort={clients}\nwebServicePort={inner}\nbindAddress=127.0.0.1\nadvertisedAddress=127.0.0.1\n\
             clusterName=standalone\nmanagedLedgerDefaultEnsembleSize=1\nmanagedLedgerDefaultWriteQuorum=1\n\
             managedLedgerDefaultAckQuorum=1\nloadBalancerEnabled=false\n"
        ),
    )?;
    let within = |name: &str| place.folder.join(name).display().to_string();
    let main = place
        .process("pulsar", java()?)
        .args(["-Xmx512m", "-XX:MaxDirectMemorySize=512m", "-XX:TieredStopAtLevel=1"])
        .args(OPENED.map(|package| format!("--add-opens={package}=ALL-UNNAMED")))
        .args(["-cp", &format!("{}/*", jars("PULSAR_LIBS")?.display())])
        .args([
            "org.apache.pulsar.PulsarStandaloneStarter",
            "-nss",
            "-nfw",
            "-a",
            "127.0.0.1",
        ])
        .args(["--config", &config.display().to_string()])
        .args([
            "--metadata-dir",
            &within("metadata"),
            "--bookkeeper-dir",
            &within("bookkeeper"),
        ])
        .args(["--bookkeeper-port", &names.to_string()]);
    Ok(Service {
        main,
        helper: None,
        port: clients,
        ready: Ready::Listens,
    })
}
