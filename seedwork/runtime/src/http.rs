//! The HTTP client towards what is not behind the sidecar: the gateway, the message provider, an issuer of tokens.

use reqwest::{Client, ClientBuilder};

/// A client to be given its time-outs and built. TLS is rustls on ring, its roots the system's; a proxy that the
/// environment names is not asked: what we talk to is named by our own settings.
pub fn client() -> ClientBuilder {
    // Fails when it was done before, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder().no_proxy()
}
