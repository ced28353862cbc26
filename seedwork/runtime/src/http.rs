//! The HTTP client towards what is not behind the sidecar: the gateway, the message provider, an issuer of tokens. And how a
//! text is written in an address.

use reqwest::{Client, ClientBuilder};

/// A client to be given its time-outs and built. TLS is rustls on ring, its roots the system's; a proxy that the
/// environment names is not asked: what we talk to is named by our own settings.
pub fn client() -> ClientBuilder {
    // Fails when it was done before, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder().no_proxy()
}

/// A text as one segment of a path or one value of a query (RFC 3986: all but the unreserved is encoded).
pub fn percent_encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_stays_within_its_place_in_the_path() {
        assert_eq!(percent_encode("c-1_2.3~"), "c-1_2.3~");
        assert_eq!(percent_encode("a/../b?x=1#ñ"), "a%2F..%2Fb%3Fx%3D1%23%C3%B1");
    }
}
