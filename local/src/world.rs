//! A client's view of the running system: its doors, its screens, and the gateway's own ledger.

mod counts;

use std::path::Path;
use std::time::Duration;

use checker::{Accepted, Movimiento};
use kube::Client;
use seedwork::contrato::App;
use seedwork::{Dinero, IdCliente, IdCorrelacion, Moneda};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::error::{During, Error, Result};
use crate::issuer::{Issuer, Subject};
use crate::kubernetes;
use crate::layout::Layout;
use crate::ports::Ports;
use crate::wait::until;

pub use self::counts::ApiRequest;

/// The password of every client that is made here: it may stand nowhere.
pub const CONTRASENA: &str = "clave-de-prueba";

/// The running system.
#[derive(Clone)]
pub struct World {
    http: reqwest::Client,
    ports: Ports,
    kube: Client,
    /// What our applications are shown.
    authorization: Option<String>,
}

/// A payment as the BFF shows it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Pago {
    /// Its phase, or `Solicitado` / `Rechazado` while there is no saga.
    pub fase: String,
    /// How far it got: `2/4`.
    pub step: Option<String>,
    /// Why it did not complete: a stable code.
    pub motivo: Option<String>,
    /// The same as a sentence.
    pub mensaje: Option<String>,
    /// The trace of it.
    pub trace_id: Option<String>,
    /// Whether it has ended.
    pub terminado: bool,
    /// Its steps.
    #[serde(default)]
    pub pasos: Vec<Paso>,
}

/// One step of a payment as the BFF shows it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Paso {
    /// Which step.
    pub nombre: String,
    /// Its state.
    pub estado: String,
}

// === impl World ===

impl World {
    /// The system on these ports; the cluster through this kubeconfig.
    pub async fn new(ports: Ports, kubeconfig: &Path) -> Result<Self> {
        Ok(Self {
            http: http_client()?,
            ports,
            kube: kubernetes::client(kubeconfig).await?,
            authorization: None,
        })
    }

    /// The system whose services these local ports lead to; the cluster of the current context.
    pub async fn of_current_context(ports: Ports) -> Result<Self> {
        let kube = Client::try_default()
            .await
            .during("find the cluster of the current context")?;
        Ok(Self {
            http: http_client()?,
            ports,
            kube,
            authorization: None,
        })
    }

    /// The same, seen by whoever has this token: our applications are shown it, nobody else is.
    #[must_use]
    pub fn showing(mut self, token: &str) -> Self {
        self.authorization = Some(format!("Bearer {token}"));
        self
    }

    /// The same, seen by an operator, where this state dir has an issuer of tokens. A system that asks nobody does not
    /// look at what it is shown.
    pub fn of_an_operator(self, layout: &Layout) -> Result<Self> {
        /// Longer than any demo or check.
        const LASTS: Duration = Duration::from_secs(4 * 3600);
        match Issuer::found(layout)? {
            Some(issuer) => {
                let operator = Subject::Operador("local".to_owned());
                Ok(self.showing(&issuer.token(&operator, LASTS)?))
            }
            None => Ok(self),
        }
    }

    /// The address of a page of one of our applications.
    pub fn url(&self, app: App, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.ports.app(app))
    }

    /// The address of a page of the gateway.
    pub fn pasarela(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.ports.pasarela())
    }

    /// The address of a page of Jaeger's query API.
    pub fn jaeger(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.ports.jaeger_query())
    }

    /// The HTTP client.
    pub fn http(&self) -> &reqwest::Client {
        &self.http
    }

    /// The cluster.
    pub fn kube(&self) -> &Client {
        &self.kube
    }

    fn shown(&self, request: reqwest::RequestBuilder, url: &str) -> reqwest::RequestBuilder {
        let ours = App::ALL.iter().any(|app| url.starts_with(&self.url(*app, "/")));
        match &self.authorization {
            Some(authorization) if ours => request.header("authorization", authorization),
            Some(_) | None => request,
        }
    }

    /// `GET`, as JSON with the status.
    pub async fn get(&self, url: &str) -> Result<(u16, Value)> {
        let response = self
            .shown(self.http.get(url), url)
            .send()
            .await
            .map_err(|error| unreachable_page(url, &error))?;
        let status = response.status().as_u16();
        let text = response.text().await.map_err(|error| unreachable_page(url, &error))?;
        Ok((status, serde_json::from_str(&text).unwrap_or(Value::String(text))))
    }

    /// `GET` of something that may not be there: 404 says so. Any other refusal says nothing about it and is an error.
    pub(crate) async fn page(&self, url: &str) -> Result<Option<Value>> {
        match self.get(url).await? {
            (200, body) => Ok(Some(body)),
            (404, _) => Ok(None),
            (status, body) => Err(Error::advice(format!("{url} answers {status}: {body}"))),
        }
    }

    /// `POST` of JSON, with an optional `Idempotency-Key`.
    pub async fn post(&self, url: &str, body: &Value, key: Option<&str>) -> Result<(u16, Value)> {
        let mut request = self
            .shown(self.http.post(url), url)
            .header("content-type", "application/json")
            .body(body.to_string());
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        let response = request.send().await.map_err(|error| unreachable_page(url, &error))?;
        let status = response.status().as_u16();
        let text = response.text().await.map_err(|error| unreachable_page(url, &error))?;
        Ok((status, serde_json::from_str(&text).unwrap_or(Value::String(text))))
    }

    /// A GraphQL request; errors in it are an error here.
    pub async fn graphql(&self, query: &str, variables: Value, key: Option<&str>) -> Result<Value> {
        let url = self.url(App::Bff, "/v1");
        let (_, answer) = self
            .post(&url, &json!({"query": query, "variables": variables}), key)
            .await?;
        match answer.get("errors") {
            Some(errors) => Err(Error::advice(format!("GraphQL refuses: {errors}"))),
            None => Ok(answer["data"].clone()),
        }
    }

    /// Makes a client and answers its id. The same key gives the same client.
    pub async fn cliente(&self, nombre: &str, correo: &str, key: &str) -> Result<IdCliente> {
        let body = json!({"nombre": nombre, "apellidos": "Pérez", "correo": correo, "contrasena": CONTRASENA});
        let (status, answer) = self
            .post(&self.url(App::GestionClientes, "/clientes/cliente"), &body, Some(key))
            .await?;
        let id = answer["id"].as_str().filter(|_| status == 200);
        let id = id.ok_or_else(|| Error::advice(format!("POST /clientes/cliente answers {status}: {answer}")))?;
        IdCliente::parse(id).map_err(|error| Error::advice(format!("a client's id {error}")))
    }

    /// Asks for a payment through the BFF, as the original's clients do.
    pub async fn pagar(&self, id_cliente: &IdCliente, monto: &str) -> Result<Accepted> {
        self.mutate(id_cliente, monto, None).await
    }

    /// The same under an `Idempotency-Key`: a repeat is the same payment.
    pub async fn pagar_with_key(&self, id_cliente: &IdCliente, monto: &str, key: &str) -> Result<Accepted> {
        self.mutate(id_cliente, monto, Some(key)).await
    }

    async fn mutate(&self, id_cliente: &IdCliente, monto: &str, key: Option<&str>) -> Result<Accepted> {
        let query =
            "mutation($pago: RealizarPagoInput!) { realizarPago(pago: $pago) { mensaje codigo idCorrelacion } }";
        let number: Value = serde_json::from_str(monto).unwrap_or(Value::Null);
        let pago = json!({"medioPago": "TarjetaCredito", "idCliente": id_cliente, "monto": number});
        let data = self.graphql(query, json!({ "pago": pago }), key).await?;
        let id = data["realizarPago"]["idCorrelacion"].as_str().unwrap_or_default();
        let id = IdCorrelacion::parse(id).map_err(|error| Error::advice(format!("an idCorrelacion {error}")))?;
        accepted(id, id_cliente.clone(), monto)
    }

    /// A payment, if the BFF knows it.
    pub async fn pago(&self, id: &IdCorrelacion) -> Result<Option<Pago>> {
        let query = "query($id: String!) { pago(idCorrelacion: $id) { fase step motivo mensaje traceId terminado pasos { nombre estado } } }";
        let data = self.graphql(query, json!({ "id": id }), None).await?;
        Ok(serde_json::from_value(data["pago"].clone()).ok())
    }

    /// Waits until a payment has ended.
    pub async fn until_ended(&self, id: &IdCorrelacion, patience: Duration) -> Result<Pago> {
        let what = format!("the end of {id}");
        let ended = until(&what, patience, async || match self.pago(id).await {
            Ok(Some(pago)) if pago.terminado => Ok(pago),
            Ok(Some(pago)) => Err(format!("it is {} {}", pago.fase, pago.step.unwrap_or_default())),
            Ok(None) => Err("the BFF does not know it yet".to_owned()),
            Err(error) => Err(error.to_string()),
        });
        ended.await.map_err(|late| Error::advice(late.to_string()))
    }

    /// The state of a payment's invoice.
    pub async fn factura(&self, id: &IdCorrelacion) -> Result<Option<String>> {
        let factura = self.factura_row(id).await?;
        Ok(factura.and_then(|factura| factura["estado"].as_str().map(str::to_owned)))
    }

    /// A payment's invoice, as gestión-clientes shows it.
    pub(crate) async fn factura_row(&self, id: &IdCorrelacion) -> Result<Option<Value>> {
        let url = self.url(App::GestionClientes, &format!("/facturacion/{id}"));
        // Before step 1 there is a request and no invoice.
        let invoice = |row: &Value| !matches!(row["estado"].as_str(), None | Some("SOLICITADO" | "RECHAZADO"));
        Ok(self.page(&url).await?.filter(invoice))
    }

    /// The plan of a client.
    pub async fn plan(&self, id: &IdCliente) -> Result<Option<String>> {
        let url = self.url(App::GestionClientes, &format!("/clientes/cliente/{id}"));
        let cliente = self.page(&url).await?;
        Ok(cliente.and_then(|cliente| cliente["estadoPlan"].as_str().map(str::to_owned)))
    }

    /// The types of a payment's notifications.
    pub async fn notificaciones(&self, id: &IdCorrelacion) -> Result<Vec<String>> {
        let rows = self.notificacion_rows(id).await?;
        Ok(rows
            .iter()
            .filter_map(|one| one["tipo"].as_str().map(str::to_owned))
            .collect())
    }

    /// A payment's notifications, as notificaciones shows them.
    pub(crate) async fn notificacion_rows(&self, id: &IdCorrelacion) -> Result<Vec<Value>> {
        let url = self.url(
            App::Notificaciones,
            &format!("/notificaciones/notificacion?idCorrelacion={id}"),
        );
        // Of a payment that told nobody the list is empty, and there.
        let rows = self.page(&url).await?.and_then(|list| list.as_array().cloned());
        rows.ok_or_else(|| Error::advice(format!("{url} answers no list")))
    }

    /// The gateway's whole ledger.
    pub async fn movimientos(&self) -> Result<Vec<Movimiento>> {
        let mut all = Vec::new();
        let mut from = 1;
        loop {
            let (_, page) = self
                .get(&self.pasarela(&format!("/movimientos?desde={from}&limite=1000")))
                .await?;
            let lines: Vec<Movimiento> =
                serde_json::from_value(page["movimientos"].clone()).map_err(|source| Error::Json {
                    what: "the gateway's ledger".into(),
                    source,
                })?;
            if lines.is_empty() {
                return Ok(all);
            }
            all.extend(lines);
            from = page["siguiente"].as_i64().unwrap_or(i64::MAX);
        }
    }
}

/// A payment that a door said yes to.
pub fn accepted(id: IdCorrelacion, id_cliente: IdCliente, monto: &str) -> Result<Accepted> {
    let dinero = Dinero::parse(monto, Moneda::USD).map_err(|error| Error::advice(format!("monto {monto} {error}")))?;
    Ok(Accepted {
        id,
        id_cliente,
        minor: dinero.minor(),
    })
}

fn http_client() -> Result<reqwest::Client> {
    let builder = crate::http::client().timeout(Duration::from_secs(10));
    builder
        .build()
        .map_err(|error| Error::advice(format!("the HTTP client cannot be made: {error}")))
}

fn unreachable_page(url: &str, error: &reqwest::Error) -> Error {
    Error::advice(format!(
        "{url} does not answer: {error}; `make status` says how the parts are"
    ))
}

#[cfg(test)]
mod tests {
    use axum::extract::Path;
    use axum::http::StatusCode;
    use axum::routing::get;

    use super::*;

    #[tokio::test]
    async fn only_404_says_that_there_is_nothing() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let door = format!("http://{}", listener.local_addr().unwrap());
        let answer = async move |Path(status): Path<u16>| (StatusCode::from_u16(status).unwrap(), "[7]");
        let router = axum::Router::new().route("/{status}", get(answer));
        tokio::spawn(async move { axum::serve(listener, router).await });
        let nobody = kube::Config::new(http::Uri::from_static("http://127.0.0.1:1"));
        let world = World {
            http: http_client().unwrap(),
            ports: Ports::from_base(20_000).unwrap(),
            kube: Client::try_from(nobody).unwrap(),
            authorization: None,
        };
        let page = async |status: u16| world.page(&format!("{door}/{status}")).await;
        assert_eq!(page(200).await.unwrap(), Some(json!([7])));
        assert_eq!(page(404).await.unwrap(), None);
        for status in [401, 429, 500, 503] {
            let said = page(status).await.unwrap_err().to_string();
            assert_eq!(said, format!("{door}/{status} answers {status}: [7]"));
        }
    }
}
