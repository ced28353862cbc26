//! The state of a client's plan, whatever its payments do.

use std::sync::Arc;

use futures::future::join_all;
use seedwork::contrato::Comando;
use seedwork_runtime::now_ms;

use crate::fixture::{CONFIRMAR, CREAR, REVERTIR, REVERTIR_CONFIRMACION, Service, comando, service};

/// Time passes: a paid period ended this long ago.
async fn end_period(service: &Service, id: &str) {
    sqlx::query("UPDATE facturas SET periodo_fin = $1 WHERE id = $2")
        .bind(now_ms() - 1)
        .bind(id)
        .execute(&service.pool)
        .await
        .unwrap();
}

#[tokio::test]
async fn the_plan_is_paid_while_any_period_runs_and_overdue_after_the_last() {
    let service = service().await;
    let ana = service.ana().await;
    for id in ["p-1", "p-2"] {
        service.command(CREAR, id, &ana).await;
        service.command(CONFIRMAR, id, &ana).await;
    }
    end_period(&service, "p-1").await;
    assert_eq!(service.plan(&ana).await, "PAGADO", "the second period still runs");
    end_period(&service, "p-2").await;
    assert_eq!(service.plan(&ana).await, "ATRASADO");
    assert_eq!(
        service.get("/clientes/cliente").await.json()[0]["estadoPlan"],
        "ATRASADO",
        "lists agree"
    );
    service.command(REVERTIR_CONFIRMACION, "p-1", &ana).await;
    assert_eq!(service.plan(&ana).await, "ATRASADO", "the second was paid all the same");
    service.command(REVERTIR_CONFIRMACION, "p-2", &ana).await;
    assert_eq!(service.plan(&ana).await, "PENDIENTE");
    service.command(CREAR, "p-3", &ana).await;
    service.command(CONFIRMAR, "p-3", &ana).await;
    assert_eq!(service.plan(&ana).await, "PAGADO");
}

#[tokio::test]
async fn nobody_else_pays_for_a_client() {
    let service = service().await;
    let (ana, eva) = (service.ana().await, service.ana().await);
    service.command(CREAR, "p-1", &ana).await;
    service.command(CONFIRMAR, "p-1", &ana).await;
    assert_eq!(
        (service.plan(&ana).await.as_str(), service.plan(&eva).await.as_str()),
        ("PAGADO", "PENDIENTE")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_and_reverted_payments_of_a_client_leave_the_plan_right() {
    let service = service().await;
    let ana = service.ana().await;
    let reversed = |n: usize| n.is_multiple_of(2);
    let payments = (0..12).map(|n| {
        let participation = Arc::clone(&service.app.participation);
        let mut actions = vec![CREAR, CONFIRMAR];
        if reversed(n) {
            actions.extend([REVERTIR_CONFIRMACION, REVERTIR]);
        }
        let orders: Vec<Comando> = actions
            .into_iter()
            .map(|a| comando(a, &format!("p-{n}"), &ana))
            .collect();
        tokio::spawn(async move {
            for order in orders {
                // Every delivery comes twice, at the same time.
                let (one, two) = tokio::join!(participation.receive(order.clone()), participation.receive(order));
                one.unwrap();
                two.unwrap();
            }
        })
    });
    for payment in join_all(payments).await {
        payment.unwrap();
    }
    for n in 0..12 {
        let expected = if reversed(n) { "CANCELADO" } else { "CONFIRMADO" };
        assert_eq!(service.estado(&format!("p-{n}")).await, expected, "p-{n}");
    }
    assert_eq!(service.plan(&ana).await, "PAGADO");
    for n in (0..12).filter(|n| !reversed(*n)) {
        assert_eq!(service.plan(&ana).await, "PAGADO", "before p-{n} is undone");
        service.command(REVERTIR_CONFIRMACION, &format!("p-{n}"), &ana).await;
    }
    assert_eq!(service.plan(&ana).await, "PENDIENTE");
}
