//! Who takes part: two clients with a payment each, an operator, and tokens that hold and that do not.

use std::time::Duration;

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use local::issuer::{AUDIENCE, ISSUER, Issuer, Subject};
use local::world::World;
use seedwork::{App, IdCliente, IdCorrelacion};
use serde_json::{Value, json};

use crate::system::{Outcome, PATIENCE, System, ensure, eventually, text};

/// How far the clocks of an issuer and a service may be apart: so long a token holds after its end.
const LEEWAY: u64 = 60;

/// A client, its payment and its token.
pub(super) struct Cliente {
    pub(super) id: IdCliente,
    pub(super) pago: IdCorrelacion,
    /// The notification about it.
    pub(super) aviso: String,
    pub(super) token: String,
    pub(super) world: World,
}

/// All of them.
pub(super) struct Cast {
    pub(super) ana: Cliente,
    pub(super) beto: Cliente,
    pub(super) operador: String,
    pub(super) ports: World,
    /// A report of the reconciliation.
    informe: String,
    key: EncodingKey,
    kid: String,
}

// === impl Cast ===

impl Cast {
    pub(super) async fn gather(system: &System) -> Outcome<Self> {
        let issuer = Issuer::found(&system.layout).map_err(text)?;
        let issuer = issuer.ok_or("the system has no issuer of tokens")?;
        let pem = std::fs::read(system.layout.token_key()).map_err(text)?;
        let published = std::fs::read(system.layout.jwks()).map_err(text)?;
        let published: Value = serde_json::from_slice(&published).map_err(text)?;
        let token = |subject: &Subject| issuer.token(subject, Duration::from_secs(3600)).map_err(text);
        let operador = token(&Subject::Operador("olga".to_owned()))?;
        let olga = system.world.clone().showing(&operador);
        // First: what else asks for one finds that this one has long ended.
        let informe = reconciled(&olga).await?;
        let client = async |name: &str| -> Outcome<Cliente> {
            let correo = format!("{name}@example.com");
            let id = olga
                .cliente(name, &correo, &format!("auth-{name}"))
                .await
                .map_err(text)?;
            let token = token(&Subject::Cliente(id.to_string()))?;
            let world = system.world.clone().showing(&token);
            let pago = paid(&world, &id).await?;
            let aviso = about(&olga, &pago).await?;
            Ok(Cliente {
                id,
                pago,
                aviso,
                token,
                world,
            })
        };
        Ok(Self {
            ana: client("Ana").await?,
            beto: client("Beto").await?,
            operador,
            ports: system.world.clone(),
            informe,
            key: EncodingKey::from_ec_pem(&pem).map_err(text)?,
            kid: published["keys"][0]["kid"].as_str().unwrap_or_default().to_owned(),
        })
    }

    /// A token of a client that is good for so many more seconds, the leeway included; 0: it has ended.
    pub(super) fn ends_in(&self, id: &IdCliente, seconds: u64) -> Outcome<String> {
        let mut header = Header::new(Algorithm::ES256);
        header.kid = Some(self.kid.clone());
        let exp = jsonwebtoken::get_current_timestamp() - LEEWAY + seconds;
        let claims = json!({"iss": ISSUER, "aud": AUDIENCE, "sub": id, "iat": exp - 60, "nbf": exp - 60, "exp": exp});
        encode(&header, &claims, &self.key).map_err(text)
    }

    /// The claims of one token under the signature of another.
    pub(super) fn forged(&self) -> Outcome<String> {
        let (claims, _) = self.ana.token.rsplit_once('.').ok_or("a token has three parts")?;
        let (_, signature) = self.beto.token.rsplit_once('.').ok_or("a token has three parts")?;
        Ok(format!("{claims}.{signature}"))
    }

    /// A template with what is Ana's, and the report, in place of the words.
    pub(super) fn fill(&self, template: &str) -> String {
        template
            .replace("CLIENTE", self.ana.id.as_str())
            .replace("PAGO", self.ana.pago.as_str())
            .replace("AVISO", &self.ana.aviso)
            .replace("INFORME", &self.informe)
    }

    /// The address of a page.
    pub(super) fn url(&self, app: App, path: &str) -> String {
        self.ports.url(app, path)
    }
}

// === impl Cliente ===

impl Cliente {
    /// What of its own is in a text.
    pub(super) fn told_in(&self, text: &str) -> Option<&str> {
        let marks = [self.id.as_str(), self.pago.as_str(), &self.aviso];
        marks.into_iter().find(|mark| text.contains(mark))
    }
}

/// The id of the notification about a payment.
async fn about(world: &World, pago: &IdCorrelacion) -> Outcome<String> {
    let page = format!("/notificaciones/notificacion?idCorrelacion={pago}");
    let (status, list) = world.get(&world.url(App::Notificaciones, &page)).await.map_err(text)?;
    let id = list[0]["id"].as_str().map(str::to_owned);
    id.ok_or_else(|| format!("no notification about {pago}: {status} {list}"))
}

/// Has our books compared with the gateway's, and answers the id of the report once that has ended.
async fn reconciled(world: &World) -> Outcome<String> {
    let url = world.url(App::IntegracionPagos, "/conciliacion");
    let id = eventually("a reconciliation to begin", async || {
        let (status, informe) = world.post(&url, &json!({}), None).await.map_err(text)?;
        let id = informe["id"].as_str().filter(|_| status == 202).map(str::to_owned);
        id.ok_or_else(|| format!("POST /conciliacion answers {status} {informe}"))
    })
    .await?;
    let page = format!("{url}/{id}");
    eventually("a reconciliation to end", async || {
        let (status, informe) = world.get(&page).await.map_err(text)?;
        let ended = status == 200 && informe["estado"] != "EN_CURSO";
        ensure(ended, || format!("it answers {status} {informe}"))
    })
    .await?;
    Ok(id)
}

/// Pays and waits for the end, seen with the payer's own token.
pub(super) async fn paid(world: &World, id: &IdCliente) -> Outcome<IdCorrelacion> {
    let accepted = world.pagar(id, "24.00").await.map_err(text)?;
    world.until_ended(&accepted.id, PATIENCE).await.map_err(text)?;
    Ok(accepted.id)
}
