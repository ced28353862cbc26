//! The state stores: how each is started as a plain process.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::ValueEnum;

use crate::brokers::Login;
use crate::failure::Result;
use crate::service::{Place, Ready, Service, find, version};

/// A state store that the suite can start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Store {
    /// SQLite, within the sidecar
    Sqlite,
    /// PostgreSQL
    Postgresql,
    /// MariaDB, by the MySQL component
    Mysql,
}

const POSTGRESQL: [&str; 4] = [
    "/usr/lib/postgresql/17/bin",
    "/usr/lib/postgresql/16/bin",
    "/usr/lib/postgresql/15/bin",
    "/usr/lib/postgresql/14/bin",
];

// === impl Store ===

impl Store {
    /// Its name, on the command line and as a folder.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgresql => "postgresql",
            Self::Mysql => "mysql",
        }
    }

    /// The folder under `dapr-components` with its hardened YAML.
    pub(crate) fn folder(self) -> &'static str {
        match self {
            Self::Sqlite => "local",
            Self::Postgresql | Self::Mysql => self.name(),
        }
    }

    /// What runs, with its version.
    pub(crate) fn version(self) -> Result<String> {
        Ok(match self {
            Self::Sqlite => "SQLite in daprd".to_owned(),
            Self::Postgresql => format!("PostgreSQL {}", version(&postgresql("postgres")?, "--version")),
            Self::Mysql => format!("MariaDB {}", version(&mariadb()?, "--version")),
        })
    }

    /// Its files, and how it is started; SQLite has no process of its own.
    pub(crate) fn service(self, root: &Path, port: u16, login: &Login<'_>) -> Result<Option<Service>> {
        match self {
            Self::Sqlite => Ok(None),
            Self::Postgresql => postgresql_service(root, port, login).map(Some),
            Self::Mysql => mariadb_service(root, port, login).map(Some),
        }
    }

    /// What the placeholders of its component stand for.
    pub(crate) fn values(self, port: u16, login: &Login<'_>) -> BTreeMap<String, String> {
        let database = match self {
            Self::Postgresql => "postgres",
            Self::Sqlite | Self::Mysql => "pagos",
        };
        [
            ("STORE_HOST", "127.0.0.1".to_owned()),
            ("STORE_PORT", port.to_string()),
            ("STORE_USER", login.user.to_owned()),
            ("STORE_PASSWORD", login.password.to_owned()),
            ("STORE_DATABASE", database.to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }
}

fn postgresql(program: &str) -> Result<PathBuf> {
    find(program, &POSTGRESQL, "postgresql")
}

fn postgresql_service(root: &Path, port: u16, login: &Login<'_>) -> Result<Service> {
    let place = Place::new(root, "postgresql", "postgres")?;
    let data = place.folder.join("data").display().to_string();
    let password = place.write("password", login.password)?.display().to_string();
    place
        .process("initdb", postgresql("initdb")?)
        .args(["-D", &data, "-U", login.user, "--pwfile", &password])
        .args([
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C",
            "--no-instructions",
            "--no-sync",
        ])
        .run()?;
    let folder = place.folder.display().to_string();
    let main = place
        .process("postgres", postgresql("postgres")?)
        .args(["-D", &data, "-p", &port.to_string(), "-k", &folder])
        .args(["-c", "listen_addresses=127.0.0.1", "-c", "shared_buffers=32MB"]);
    let ready = [
        postgresql("pg_isready")?.display().to_string(),
        "-h".to_owned(),
        "127.0.0.1".to_owned(),
        "-p".to_owned(),
        port.to_string(),
    ];
    Ok(Service {
        main,
        helper: None,
        port,
        ready: Ready::Command(ready.into()),
    })
}

fn mariadb() -> Result<PathBuf> {
    find("mariadbd", &[], "mariadb-server")
}

fn mariadb_service(root: &Path, port: u16, login: &Login<'_>) -> Result<Service> {
    let place = Place::new(root, "mariadb", "mysql")?;
    let data = format!("--datadir={}", place.folder.join("data").display());
    place
        .process("mariadb-install-db", find("mariadb-install-db", &[], "mariadb-server")?)
        .args([
            "--no-defaults",
            &data,
            "--skip-test-db",
            "--auth-root-authentication-method=normal",
        ])
        .run()?;
    let Login { user, password } = login;
    let accounts = place.write(
        "accounts.sql",
        &format!(
            "CREATE USER IF NOT EXISTS '{user}'@'127.0.0.1' IDENTIFIED BY '{password}';\n\
             GRANT ALL ON *.* TO '{user}'@'127.0.0.1';\n"
        ),
    )?;
    let folder = place.folder.display();
    let main = place.process("mariadbd", mariadb()?).args([
        "--no-defaults".to_owned(),
        data,
        format!("--port={port}"),
        "--bind-address=127.0.0.1".to_owned(),
        "--skip-name-resolve".to_owned(),
        format!("--socket={folder}/socket"),
        format!("--pid-file={folder}/pid"),
        format!("--init-file={}", accounts.display()),
        "--innodb-buffer-pool-size=32M".to_owned(),
    ]);
    Ok(Service {
        main,
        helper: None,
        port,
        ready: Ready::Listens,
    })
}
