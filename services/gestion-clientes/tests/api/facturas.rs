//! Invoices, as the commands of the saga leave them.

use gestion_clientes::domain::factura::{EstadoFactura, Factura};
use gestion_clientes::domain::instante::Instante;
use seedwork::{Action, IdCorrelacion, Message, Outcome, Reason, SolicitudPago};
use seedwork_runtime::{Sidecar, now_ms};
use serde_json::json;

use crate::fixture::{CONFIRMAR, CREAR, REVERTIR, REVERTIR_CONFIRMACION, Service, comando, motivo, service};

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

async fn periodo_fin(service: &Service, id: &str) -> i64 {
    let query = sqlx::query_scalar("SELECT periodo_fin FROM facturas WHERE id = $1").bind(id);
    query.fetch_one(&service.pool).await.unwrap()
}

#[tokio::test]
async fn a_payment_is_an_invoice_that_is_issued_then_confirmed() {
    let service = service().await;
    let ana = service.ana().await;
    assert_eq!(service.command(CREAR, "p-1", &ana).await, Outcome::Done);
    let issued = service.get("/facturacion/p-1").await.json();
    let expected = json!({"estado": "PAGO_ENVIADO", "id": "p-1", "idCliente": ana, "medioPago": "PSE",
                          "moneda": "USD", "monto": 24.10});
    assert_eq!((issued, service.plan(&ana).await.as_str()), (expected, "PENDIENTE"));

    let before = now_ms();
    assert_eq!(service.command(CONFIRMAR, "p-1", &ana).await, Outcome::Done);
    let after = now_ms();
    assert_eq!(
        (service.estado("p-1").await.as_str(), service.plan(&ana).await.as_str()),
        ("CONFIRMADO", "PAGADO")
    );
    let fin = periodo_fin(&service, "p-1").await;
    assert!((before + 30 * DAY_MS..=after + 30 * DAY_MS).contains(&fin), "{fin}");
    let confirmed = service.get("/facturacion/p-1").await.json();
    assert_eq!(confirmed["vence"].as_str().unwrap().len(), 20);
    assert_eq!(
        confirmed["vence"], confirmed["periodoFin"],
        "it falls due when its period ends"
    );
}

#[tokio::test]
async fn a_repeated_confirmation_does_not_lengthen_the_period() {
    let service = service().await;
    let ana = service.ana().await;
    service.command(CREAR, "p-1", &ana).await;
    service.command(CONFIRMAR, "p-1", &ana).await;
    let fin = periodo_fin(&service, "p-1").await;
    assert_eq!(service.command(CONFIRMAR, "p-1", &ana).await, Outcome::Done);
    assert_eq!(periodo_fin(&service, "p-1").await, fin);
}

#[tokio::test]
async fn an_undone_payment_leaves_a_cancelled_invoice_and_the_plan_as_it_was() {
    let service = service().await;
    let ana = service.ana().await;
    service.command(CREAR, "p-1", &ana).await;
    service.command(CONFIRMAR, "p-1", &ana).await;
    assert_eq!(service.command(REVERTIR_CONFIRMACION, "p-1", &ana).await, Outcome::Done);
    assert_eq!(
        (service.estado("p-1").await.as_str(), service.plan(&ana).await.as_str()),
        ("PAGO_ENVIADO", "PENDIENTE")
    );
    assert_eq!(service.command(REVERTIR, "p-1", &ana).await, Outcome::Done);
    assert_eq!(service.estado("p-1").await, "CANCELADO");
    // A late confirmation and a late original change nothing.
    assert_eq!(motivo(&service.command(CONFIRMAR, "p-1", &ana).await), "Revertido");
    assert_eq!(motivo(&service.command(CREAR, "p-1", &ana).await), "Revertido");
    assert_eq!(
        (service.estado("p-1").await.as_str(), service.plan(&ana).await.as_str()),
        ("CANCELADO", "PENDIENTE")
    );
}

#[tokio::test]
async fn a_client_that_does_not_exist_is_refused_in_step_1_by_name() {
    let service = service().await;
    // `a||b` is no key of a state store, which refuses it: it must not be asked, or this were taken for an outage.
    for (n, nobody) in ["abcd-1234", "a||b", "Peña 7"].into_iter().enumerate() {
        let outcome = service.command(CREAR, &format!("p-{n}"), nobody).await;
        let mensaje = format!("no existe un cliente con el id {nobody}");
        assert_eq!(outcome, Outcome::Refused(Reason::new("ClienteInexistente", mensaje)));
    }
    service.get("/facturacion/p-0").await.problem(404); // not asked for at this door, and no invoice
}

#[tokio::test]
async fn an_invoice_that_is_missing_or_cancelled_is_not_confirmed() {
    let service = service().await;
    let ana = service.ana().await;
    assert_eq!(
        motivo(&service.command(CONFIRMAR, "p-1", &ana).await),
        "FacturaInexistente"
    );
    service.command(CREAR, "p-2", &ana).await;
    service.command(REVERTIR, "p-2", &ana).await;
    assert_eq!(
        motivo(&service.command(CONFIRMAR, "p-2", &ana).await),
        "FacturaCancelada"
    );
    let id = IdCorrelacion::parse("p-2").unwrap();
    let documento = service.app.participation.document(&id).await.unwrap().value.unwrap();
    assert_eq!(
        documento.agregado.unwrap().estado,
        EstadoFactura::Cancelada,
        "a refusal keeps the invoice"
    );
}

#[tokio::test]
async fn the_projection_never_goes_back() {
    let service = service().await;
    let solicitud = SolicitudPago::parse("PSE", "c-1", "24.10", seedwork::Moneda::USD).unwrap();
    let issued = Factura {
        id: IdCorrelacion::parse("p-1").unwrap(),
        id_cliente: solicitud.id_cliente,
        medio_pago: solicitud.medio_pago,
        dinero: solicitud.dinero,
        estado: EstadoFactura::Emitida,
        emitida: Some(Instante::from_ms(1)),
        cancelacion: None,
        reintento: None,
    };
    let confirmed = Factura {
        estado: EstadoFactura::Confirmada {
            periodo_fin: Instante::from_ms(7),
        },
        ..issued.clone()
    };
    let facturas = &service.app.facturas;
    facturas.project(&confirmed, 2).await.unwrap();
    for late in [1, 2] {
        facturas.project(&issued, late).await.unwrap();
        assert_eq!(
            facturas.find(&issued.id).await.unwrap().as_ref(),
            Some(&confirmed),
            "version {late}"
        );
    }
    facturas.project(&issued, 3).await.unwrap();
    assert_eq!(facturas.find(&issued.id).await.unwrap(), Some(issued));
}

#[tokio::test]
async fn the_invoices_of_a_client_are_listed_page_by_page() {
    let service = service().await;
    let (ana, eva) = (service.ana().await, service.ana().await);
    for id in ["p-1", "p-2", "p-3"] {
        service.command(CREAR, id, &ana).await;
    }
    service.command(CREAR, "p-4", &eva).await;
    let page = service.get(&format!("/facturacion?idCliente={ana}&limite=2")).await;
    let ids = |page: &serde_json::Value| -> Vec<String> {
        page.as_array()
            .unwrap()
            .iter()
            .map(|f| f["id"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(
        (ids(&page.json()), page.header("x-next-cursor")),
        (vec!["p-1".into(), "p-2".into()], "p-2")
    );
    let page = service
        .get(&format!("/facturacion?idCliente={ana}&limite=2&cursor=p-2"))
        .await;
    assert_eq!(ids(&page.json()), ["p-3"]);
    assert!(page.headers.get("x-next-cursor").is_none());
    assert_eq!(service.get("/facturacion?idCliente=nadie").await.text, "[]");
    assert_eq!(
        service.get("/facturacion").await.problem(400),
        ["idCliente no puede estar vacío"]
    );
}

#[tokio::test]
async fn what_is_not_for_us_goes_to_the_dead_letters() {
    let service = service().await;
    for action in Action::all().filter(|action| ![CREAR, CONFIRMAR, REVERTIR, REVERTIR_CONFIRMACION].contains(action)) {
        let message = Message::Comando(comando(action, "p-1", "c-1"));
        assert_eq!(
            service.deliver(message.event_type(), &message.data().unwrap()).await,
            "DROP",
            "{action:?}"
        );
    }
    let final_recibido = Message::FinalRecibido {
        id_correlacion: IdCorrelacion::parse("p-1").unwrap(),
        secuencia: 1,
    };
    for (event_type, data) in [
        (final_recibido.event_type(), final_recibido.data().unwrap()),
        ("NoSeConoce", json!({})),
        (CREAR.command_type(), json!(null)),
    ] {
        assert_eq!(service.deliver(event_type, &data).await, "DROP", "{event_type}");
    }
    assert!(service.sidecar.get("factura:p-1").await.unwrap().is_none());
}

#[tokio::test]
async fn a_command_whose_request_breaks_a_rule_never_becomes_an_invoice() {
    let service = service().await;
    let ana = service.ana().await;
    let good = Message::Comando(comando(CREAR, "p-1", &ana)).data().unwrap();
    for (member, bad) in [
        ("monto", "-5"),
        ("monto", "0"),
        ("monto", "24.105"),
        ("medioPago", "Oro"),
        ("idCliente", ""),
    ] {
        let mut data = good.clone();
        data["solicitud"][member] = json!(bad);
        assert_eq!(
            service.deliver(CREAR.command_type(), &data).await,
            "DROP",
            "{member} {bad}"
        );
    }
    assert!(service.sidecar.get("factura:p-1").await.unwrap().is_none());
    assert_eq!(service.deliver(CREAR.command_type(), &good).await, "SUCCESS");
}
