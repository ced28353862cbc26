//! Every request that we send, judged by Stripe's own stripe-mock, which refuses what its OpenAPI description does not
//! know. It keeps no books: what is judged is form, not behaviour.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use async_trait::async_trait;
use integracion_pagos::adapters::pasarela::stripe::{Conexion, Metodo, MetodosDePago};
use integracion_pagos::adapters::pasarela::{Pasarela as _, PasarelaStripe, Respuesta};
use integracion_pagos::domain::{IdAutorizacion, IdCargo};
use seedwork::{Dinero, IdCorrelacion, MedioPago, Moneda};

use crate::servicio::id;

/// stripe-mock at work.
struct Mock {
    child: Child,
    address: String,
    lines: Receiver<String>,
}

/// A client's stored means, as a shop has it.
struct Guardado;

#[async_trait]
impl MetodosDePago for Guardado {
    async fn metodo(&self, _: &IdCorrelacion, _: MedioPago) -> Respuesta<Metodo> {
        Respuesta::Hecho(Metodo {
            id: "pm_card_visa".to_owned(),
            customer: Some("cus_1".to_owned()),
        })
    }
}

impl Mock {
    fn start() -> Self {
        let path = binary();
        assert!(path.exists(), "stripe-mock is not built; run: tools/build stripe-mock");
        let mut child = Command::new(path)
            .args([
                "-http-addr",
                "127.0.0.1:0",
                "-https-addr",
                "127.0.0.1:0",
                "-strict-version-check",
            ])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap()).lines();
        let said = output.by_ref().map_while(Result::ok);
        let address = said
            .filter_map(|line| line.strip_prefix("Listening for HTTP at address: ").map(str::to_owned))
            .next();
        let (sender, lines) = channel();
        // Read to the end, or it would block on a full pipe.
        std::thread::spawn(move || output.map_while(Result::ok).for_each(|line| drop(sender.send(line))));
        Self {
            child,
            address: address.expect("stripe-mock says where it listens"),
            lines,
        }
    }

    /// The request that it judged last, and the status that it gave.
    fn judged(&self) -> (String, String) {
        let mut request = String::new();
        loop {
            let line = self
                .lines
                .recv_timeout(Duration::from_secs(10))
                .expect("stripe-mock says what it answers");
            if let Some(line) = line.strip_prefix("Request: ") {
                line.clone_into(&mut request);
            } else if let Some((_, status)) = line.split_once("status=") {
                return (request, status.to_owned());
            }
        }
    }
}

impl Drop for Mock {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Where `tools/build stripe-mock` puts it.
fn binary() -> PathBuf {
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tools/build");
    let output = Command::new(tools).args(["--where", "stripe-mock"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    PathBuf::from(String::from_utf8(output.stdout).unwrap().trim())
}

#[tokio::test]
async fn every_request_is_one_that_stripe_knows() {
    let mock = Mock::start();
    let conexion = Conexion {
        url: format!("http://{}", mock.address),
        secreto: "sk_test_123".to_owned().into(),
        version: "2026-08-26.dahlia".to_owned(),
        timeout: Duration::from_secs(10),
    };
    let stripe = PasarelaStripe::new(conexion, Arc::new(Guardado)).unwrap();
    let (id, dinero) = (id("p-1"), Dinero::from_minor(2_400, Moneda::USD).unwrap());
    let promise = IdAutorizacion::parse("pi_1").unwrap();
    let cargo = IdCargo::parse("ch_1").unwrap();
    let ok = |what: &str| assert_eq!(mock.judged(), (what.to_owned(), "200".to_owned()));

    // Its answers are of no payment of ours, which is why none of them is taken for one.
    let answer = stripe.autorizar(&id, MedioPago::TarjetaCredito, dinero).await;
    ok("POST /v1/payment_intents");
    assert!(matches!(answer, Respuesta::Incierto(reason) if reason.motivo == "RespuestaIlegible"));
    stripe.capturar(&id, &promise, dinero).await;
    ok("POST /v1/payment_intents/pi_1/capture");
    stripe.anular(&id, &promise).await;
    ok("POST /v1/payment_intents/pi_1/cancel");
    let answer = stripe.reembolsar(&id, &cargo, dinero).await;
    ok("POST /v1/refunds");
    assert!(
        matches!(answer, Respuesta::Hecho(_)),
        "a refund as Stripe writes it is read"
    );
    let page = stripe.cuentas(1_795_543_200_000, Some("pi_0")).await.unwrap();
    ok("GET /v1/payment_intents");
    assert_eq!(page.cuentas, [], "what carries no identity of ours is somebody else's");
    assert_eq!(stripe.pago_de("pi_1").await.unwrap(), None);
    ok("GET /v1/payment_intents/pi_1");

    // The requests of a look, as the adapter writes them.
    let get = |path: &str| {
        let request = reqwest::Client::new().get(format!("http://{}{path}", mock.address));
        request.bearer_auth("sk_test_123").send()
    };
    get("/v1/payment_intents/search?query=metadata%5B%22idCorrelacion%22%5D%3A%22p-1%22")
        .await
        .unwrap();
    ok("GET /v1/payment_intents/search");
    get("/v1/refunds?charge=ch_1&limit=100").await.unwrap();
    ok("GET /v1/refunds");
    // And the judge can say no.
    get("/v1/refunds?novelty=1").await.unwrap();
    assert_eq!(mock.judged(), ("GET /v1/refunds".to_owned(), "400".to_owned()));
}
