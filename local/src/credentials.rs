//! Keys, certificates and tokens: made once per state dir, of use to nobody else.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use serde_json::json;

use crate::error::{During, Result};
use crate::layout::Layout;
use crate::status::write_durably;

/// The user that the operator is to the API server.
pub const OPERATOR_USER: &str = "saga-operator";

/// What our processes know each other by.
///
/// No `Debug`: these are secrets.
#[derive(Clone)]
pub struct Tokens {
    /// Application → its sidecar.
    pub dapr_api: String,
    /// Sidecar → its application.
    pub app_api: String,
    /// Sidecar → Redis.
    pub redis: String,
}

/// The files the API server is started with.
#[derive(Debug, Clone)]
pub struct ServerFiles {
    /// Whom it trusts.
    pub ca: PathBuf,
    /// Its certificate.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// The key that service account tokens are signed with.
    pub service_account_key: PathBuf,
    /// The key they are verified with.
    pub service_account_public: PathBuf,
}

/// Reads the tokens of this state dir, making what is missing.
pub fn tokens(layout: &Layout) -> Result<Tokens> {
    Ok(Tokens {
        dapr_api: token(&layout.credentials().join("dapr-api-token"))?,
        app_api: token(&layout.credentials().join("app-api-token"))?,
        redis: token(&layout.credentials().join("redis-password"))?,
    })
}

fn token(file: &Path) -> Result<String> {
    // An empty one is no token: what a power cut left of a file.
    let made = fs::metadata(file).is_ok_and(|file| file.len() > 0);
    if !made {
        let random: [u8; 24] = rand::random();
        let text: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        write_durably(file, text.as_bytes())?;
    }
    fs::read_to_string(file).during(format!("read {}", file.display()))
}

/// Holds the address that they were made for. Written last, so that a run that was cut short is done again.
const MADE_FOR: &str = "server-url";

/// Whether the certificates and the two kubeconfigs are there, and for this port.
pub fn are_for(layout: &Layout, port: u16) -> bool {
    fs::read_to_string(layout.credentials().join(MADE_FOR)).is_ok_and(|made_for| made_for == server_url(port))
}

fn server_url(port: u16) -> String {
    format!("https://127.0.0.1:{port}")
}

/// Makes the certificates and the two kubeconfigs, unless that was done before for this port.
pub fn cluster(layout: &Layout, port: u16) -> Result<ServerFiles> {
    let file = |name: &str| layout.credentials().join(name);
    let files = ServerFiles {
        ca: file("ca.crt"),
        certificate: file("apiserver.crt"),
        key: file("apiserver.key"),
        service_account_key: file("service-account.key"),
        service_account_public: file("service-account.pub"),
    };
    if are_for(layout, port) {
        return Ok(files);
    }

    let server = server_url(port);
    let ca_key = KeyPair::generate()?;
    let mut ca = named("local CA");
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
    let ca_pem = ca.self_signed(&ca_key)?.pem();
    let issuer = Issuer::new(ca, ca_key);
    write_durably(&files.ca, ca_pem.as_bytes())?;

    let mut apiserver = CertificateParams::new(["localhost".to_owned(), "127.0.0.1".to_owned()])?;
    apiserver.distinguished_name.push(DnType::CommonName, "kube-apiserver");
    let (certificate, key) = signed(apiserver, ExtendedKeyUsagePurpose::ServerAuth, &issuer)?;
    write_durably(&files.certificate, certificate.as_bytes())?;
    write_durably(&files.key, key.as_bytes())?;

    let service_account = KeyPair::generate()?;
    write_durably(&files.service_account_key, service_account.serialize_pem().as_bytes())?;
    write_durably(
        &files.service_account_public,
        service_account.public_key_pem().as_bytes(),
    )?;

    let mut admin = named("admin");
    admin
        .distinguished_name
        .push(DnType::OrganizationName, "system:masters");
    let people = [
        (admin, layout.admin_kubeconfig()),
        (named(OPERATOR_USER), layout.operator_kubeconfig()),
    ];
    for (params, kubeconfig) in people {
        let (certificate, key) = signed(params, ExtendedKeyUsagePurpose::ClientAuth, &issuer)?;
        write_durably(
            &kubeconfig,
            kubeconfig_text(&server, &ca_pem, &certificate, &key).as_bytes(),
        )?;
    }
    write_durably(&file(MADE_FOR), server.as_bytes())?;
    Ok(files)
}

fn named(common_name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params
}

fn signed(
    mut params: CertificateParams,
    purpose: ExtendedKeyUsagePurpose,
    issuer: &Issuer<'_, KeyPair>,
) -> Result<(String, String)> {
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![purpose];
    let key = KeyPair::generate()?;
    Ok((params.signed_by(&key, issuer)?.pem(), key.serialize_pem()))
}

/// A kubeconfig is YAML, hence JSON will do. Everything is embedded, so that the file can be copied anywhere.
fn kubeconfig_text(server: &str, ca: &str, certificate: &str, key: &str) -> String {
    let embed = |pem: &str| base64(pem.as_bytes());
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "local", "cluster": {"server": server, "certificate-authority-data": embed(ca)}}],
        "users": [{"name": "local", "user": {
            "client-certificate-data": embed(certificate), "client-key-data": embed(key),
        }}],
        "contexts": [{"name": "local", "context": {
            "cluster": "local", "user": "local", "namespace": crate::kubernetes::NAMESPACE,
        }}],
        "current-context": "local",
    });
    format!("{config:#}\n")
}

/// Sixteen lines are less than a dependency.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let group = [chunk[0], *chunk.get(1).unwrap_or(&0), *chunk.get(2).unwrap_or(&0)];
        let bits = u32::from_be_bytes([0, group[0], group[1], group[2]]);
        for place in 0..4 {
            let index = usize::try_from((bits >> (18 - 6 * place)) & 63).unwrap_or_default();
            text.push(if place <= chunk.len() {
                char::from(ALPHABET[index])
            } else {
                '='
            });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::settings::Profile;

    #[test]
    fn base64_pads_to_groups_of_four() {
        let vectors = [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foobar", "Zm9vYmFy"),
        ];
        for (plain, encoded) in vectors {
            assert_eq!(base64(plain.as_bytes()), encoded);
        }
    }

    #[test]
    fn credentials_are_made_once_and_only_their_owner_can_read_them() {
        let checkout = tempfile::tempdir().unwrap();
        let layout = Layout::new(checkout.path(), Profile::Up);
        layout.create().unwrap();
        let first = tokens(&layout).unwrap();
        cluster(&layout, 17003).unwrap();
        let kubeconfig = fs::read(layout.admin_kubeconfig()).unwrap();

        assert_eq!(tokens(&layout).unwrap().dapr_api, first.dapr_api);
        assert_ne!(first.dapr_api, first.app_api);
        cluster(&layout, 17003).unwrap();
        assert_eq!(fs::read(layout.admin_kubeconfig()).unwrap(), kubeconfig);
        for file in fs::read_dir(layout.credentials()).unwrap() {
            assert_eq!(file.unwrap().metadata().unwrap().permissions().mode() & 0o777, 0o600);
        }
        assert_eq!(
            fs::metadata(layout.state()).unwrap().permissions().mode() & 0o777,
            0o700
        );

        cluster(&layout, 18003).unwrap();
        assert_ne!(
            fs::read(layout.admin_kubeconfig()).unwrap(),
            kubeconfig,
            "the port is in it"
        );
    }

    #[test]
    fn a_token_that_a_power_cut_left_empty_is_made_anew() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        fs::write(&file, "").unwrap();
        let made = token(&file).unwrap();
        assert_eq!(made.len(), 48);
        assert_eq!(token(&file).unwrap(), made);
    }

    #[test]
    fn a_kubeconfig_is_read_by_the_client_and_names_the_namespace() {
        let checkout = tempfile::tempdir().unwrap();
        let layout = Layout::new(checkout.path(), Profile::Demo);
        layout.create().unwrap();
        cluster(&layout, 17003).unwrap();
        let config = kube::config::Kubeconfig::read_from(layout.operator_kubeconfig()).unwrap();
        let context = config.contexts[0].context.as_ref().unwrap();
        assert_eq!(context.namespace.as_deref(), Some("pagos"));
        assert_eq!(
            config.clusters[0].cluster.as_ref().unwrap().server.as_deref(),
            Some("https://127.0.0.1:17003")
        );
    }
}
