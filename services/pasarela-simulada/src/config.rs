//! What the environment decides; parsed once, in `main`.

use std::net::{IpAddr, Ipv6Addr};

use clap::{Parser, ValueEnum};

/// A card gateway and message provider to develop and test against.
#[derive(Clone, Debug, Parser)]
#[command(name = "pasarela-simulada", version)]
pub struct Config {
    /// Address to listen on; `::` is every address, those of IPv4 too.
    #[arg(long, env = "HOST", default_value_t = IpAddr::V6(Ipv6Addr::UNSPECIFIED))]
    pub host: IpAddr,

    /// HTTP port; 0 takes a free one.
    #[arg(long, env = "PORT", default_value_t = 7100)]
    pub port: u16,

    /// SQLite file that holds the ledger.
    #[arg(
        long,
        env = "DATABASE_URL",
        default_value = "sqlite://pasarela.db?mode=rwc",
        hide_env_values = true
    )]
    pub database_url: String,

    /// How long a slow answer takes, in milliseconds.
    #[arg(long, env = "SLOW_MS", default_value_t = 2_000)]
    pub slow_ms: u64,

    /// How long after its call a late capture is recorded, in milliseconds.
    #[arg(long, env = "LATE_MS", default_value_t = 3_000)]
    pub late_ms: u64,

    /// How long a connection that gets no answer is held before it is closed, in milliseconds.
    #[arg(long, env = "TIMEOUT_MS", default_value_t = 30_000)]
    pub timeout_ms: u64,

    /// OTLP gRPC collector, such as `http://127.0.0.1:4317`; without it no trace is exported.
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT")]
    pub otel_exporter_otlp_endpoint: Option<String>,

    /// Log filter, such as `info` or `pasarela_simulada=debug`.
    #[arg(long, env = "RUST_LOG", default_value = "info")]
    pub rust_log: String,

    /// Shape of the log lines.
    #[arg(long, env = "LOG_FORMAT", value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
}

/// Shape of the log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}
