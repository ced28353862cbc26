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
        }
    }

    /// The folder under `dapr-components` with its hardened YAML.
    pub(crate) fn folder(self) -> &'static str {
        match self {
            Self::Redis => "local",
            Self::Rabbitmq | Self::Mqtt | Self::Kafka => self.name(),
        }
    }

    /// How long it may take until what a dead replica held is handled. Redis claims that after a minute, and its
    /// component looks for such every 15 s.
    pub(crate) fn recovery(self) -> Duration {
        match self {
            Self::Redis => Duration::from_secs(100),
            Self::Rabbitmq | Self::Mqtt | Self::Kafka => Duration::from_secs(45),
        }
    }

    /// What runs, with its version.
    pub(crate) fn version(self) -> Result<String> {
        Ok(match self {
            Self::Redis => format!("Redis {}", version(&redis()?, "--version")),
            Self::Rabbitmq => format!("RabbitMQ {}", rabbitmq_version()),
            Self::Mqtt => format!("Mosquitto {}", version(&mosquitto()?, "-h")),
            Self::Kafka => format!("Kafka {}", kafka_version()?),
        })
    }

    /// Its files, and how it is started.
    pub(crate) fn service(self, root: &Path, ports: BrokerPorts, login: &Login<'_>) -> Result<Service> {
        match self {
            Self::Redis => redis_service(root, ports, login),
            Self::Rabbitmq => rabbitmq_service(root, ports, login),
            Self::Mqtt => mosquitto_service(root, ports, login),
            Self::Kafka => kafka_service(root, ports),
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

/// The folder with Kafka's jars.
fn kafka_libs() -> Result<PathBuf> {
    #[expect(
        clippy::disallowed_methods,
        reason = "where the jars are is a matter of this broker alone"
    )]
    let folder = std::env::var("KAFKA_LIBS").ok().map(PathBuf::from);
    folder.filter(|folder| folder.is_dir()).ok_or_else(|| {
        Failure("KAFKA_LIBS must name a folder with the jars of org.apache.kafka:kafka_2.13 (docs/conformance.md says how to get them)".to_owned())
    })
}

fn kafka_version() -> Result<String> {
    let files = std::fs::read_dir(kafka_libs()?).during("read KAFKA_LIBS")?;
    let version = files
        .flatten()
        .filter_map(|file| file.file_name().into_string().ok())
        .find_map(|name| Some(name.strip_prefix("kafka_2.13-")?.strip_suffix(".jar")?.to_owned()));
    Ok(version.unwrap_or_else(|| "?".to_owned()))
}

fn kafka_service(root: &Path, ports: BrokerPorts) -> Result<Service> {
    let java = find("java", &[], "openjdk-17-jre-headless")?;
    let jars = format!("{}/*", kafka_libs()?.display());
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
