//! The HTTP client that asks our own parts on this machine.

use reqwest::{Client, ClientBuilder};

/// A client to be given its time-out and built. A proxy that the environment names is not asked about this machine.
pub fn client() -> ClientBuilder {
    // The workspace's reqwest has TLS and wants to be told by whom; that it was told before is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder().no_proxy()
}
