//! The tables are made again from the documents.

use std::sync::Arc;

use async_trait::async_trait;
use gestion_clientes::Reconstruccion;
use gestion_clientes::domain::instante::Instante;
use seedwork::App;
use seedwork_runtime::sidecar::{Event, Invoked, MemorySidecar, SidecarError, Stored};
use seedwork_runtime::sql::Pool;
use seedwork_runtime::{Expect, Sidecar, now_ms};
use sqlx::Row as _;
use sqlx::any::AnyRow;

use crate::fixture::{ANA, CONFIRMAR, CREAR, REVERTIR, Service, service};

/// Every cell of a table, as text.
async fn cells(service: &Service, query: &'static str) -> Vec<Vec<String>> {
    let rows = sqlx::query(query).fetch_all(&service.pool).await.unwrap();
    let cell = |row: &AnyRow, n| {
        let text = row.try_get::<String, _>(n);
        text.unwrap_or_else(|_| row.try_get::<i64, _>(n).unwrap().to_string())
    };
    rows.iter()
        .map(|row| (0..row.len()).map(|n| cell(row, n)).collect())
        .collect()
}

async fn both(service: &Service) -> [Vec<Vec<String>>; 2] {
    [
        cells(service, "SELECT * FROM clientes ORDER BY id").await,
        cells(service, "SELECT * FROM facturas ORDER BY id").await,
    ]
}

async fn damage(service: &Service, statements: &[&'static str]) {
    for statement in statements {
        sqlx::query(*statement).execute(&service.pool).await.unwrap();
    }
}

async fn rebuild(service: &Service) -> Reconstruccion {
    gestion_clientes::rebuild_over(service.sidecar.clone(), service.pool.clone())
        .await
        .unwrap()
}

/// Two clients, one of them changed, and three invoices: confirmed, cancelled for a reason, and taken at this door.
async fn lived() -> Service {
    let service = service().await;
    let (ana, eva) = (service.ana().await, service.ana().await);
    let changed = ANA.replace("Ana", "Eva").replace("s3cr3ta!", "0tr4-clave");
    service.put(&format!("/clientes/cliente/{eva}"), changed, &[]).await;
    service.command(CREAR, "p-1", &ana).await;
    service.command(CONFIRMAR, "p-1", &ana).await;
    service.command(CREAR, "p-2", &eva).await;
    service.undo(REVERTIR, "p-2", &eva, "FondosInsuficientes").await;
    let taken = service.asked(&ana).await;
    service.command(CREAR, &taken, &ana).await;
    service
}

#[tokio::test]
async fn damaged_tables_are_rebuilt_the_same() {
    let service = lived().await;
    let before = both(&service).await;
    for statements in [
        &[
            "UPDATE clientes SET nombre = 'x', correo = '', fecha_creacion = 7, version = 99, esperada = 0, anunciado = 1",
        ][..],
        &["UPDATE clientes SET version = 0, esperada = 0"],
        &[
            "UPDATE facturas SET estado = 'PAGO_ENVIADO', periodo_fin = 0, monto = 1, cancelada = 0, motivo = '', version = 99",
        ],
        // A reminder names the invoice that it was about.
        &[
            "INSERT INTO recordatorios (id_factura, clase, enviado) VALUES ('p-1', 'ANTES', 1)",
            "DELETE FROM facturas WHERE id = 'p-1'",
        ],
        // Rows that are gone are found again by whatever else names them: a request or an invoice.
        &["DELETE FROM clientes"],
        &["DELETE FROM facturas WHERE id NOT IN ('p-1', 'p-2')"],
    ] {
        damage(&service, statements).await;
        assert_ne!(both(&service).await, before, "{statements:?}");
        let told = rebuild(&service).await;
        assert_eq!(both(&service).await, before, "{statements:?}");
        let expected = Reconstruccion {
            clientes: 2,
            facturas: 3,
            sin_documento: 0,
        };
        assert_eq!(told, expected, "{statements:?}");
    }
    rebuild(&service).await;
    assert_eq!(both(&service).await, before, "what is right stays as it is");
}

#[tokio::test]
async fn what_is_announced_stays_so_until_it_is_given_up() {
    let service = lived().await;
    let before = both(&service).await;
    damage(
        &service,
        &["UPDATE clientes SET nombre = 'x', version = 99, esperada = 100"],
    )
    .await;
    rebuild(&service).await;
    let pending = cells(
        &service,
        "SELECT COUNT(*) FROM clientes WHERE nombre <> 'x' AND version < esperada",
    );
    assert_eq!(pending.await, [["2"]]);
    let later = Instante::from_ms(now_ms() + 61_000);
    assert_eq!(service.app.clientes.settle_pending(later).await.unwrap(), 2);
    assert_eq!(both(&service).await, before);
}

#[tokio::test]
async fn a_row_without_a_document_is_counted_and_left() {
    let service = lived().await;
    damage(
        &service,
        &[
            "INSERT INTO clientes (id, nombre, anunciado, version) VALUES ('nobody', 'Nadie', 1, 1)",
            "INSERT INTO facturas (id, id_cliente, medio_pago, monto, moneda, estado, version)
             VALUES ('p-9', 'nobody-else', 'PSE', 1, 'USD', 'PAGO_ENVIADO', 1)",
        ],
    )
    .await;
    let before = both(&service).await;
    let told = rebuild(&service).await;
    assert_eq!(
        told,
        Reconstruccion {
            clientes: 2,
            facturas: 3,
            sin_documento: 2
        }
    );
    assert_eq!(both(&service).await, before);
}

/// A state store in which somebody writes right after each read.
struct Busy {
    inner: Arc<MemorySidecar>,
    pool: Pool,
}

#[async_trait]
impl Sidecar for Busy {
    async fn get(&self, key: &str) -> Result<Option<Stored>, SidecarError> {
        let read = self.inner.get(key).await;
        // What the service's own projection does meanwhile.
        for statement in [
            "UPDATE clientes SET nombre = 'Luz', version = version + 1 WHERE 'cliente:' || id = $1",
            "UPDATE facturas SET estado = 'CANCELADO', periodo_fin = 0, version = version + 1
             WHERE 'factura:' || id = $1",
        ] {
            sqlx::query(statement).bind(key).execute(&self.pool).await.unwrap();
        }
        read
    }
    async fn put(&self, key: &str, value: Vec<u8>, expect: Expect) -> Result<(), SidecarError> {
        self.inner.put(key, value, expect).await
    }
    async fn publish(&self, topic: &str, event: Event) -> Result<(), SidecarError> {
        self.inner.publish(topic, event).await
    }
    async fn invoke_get(&self, app: App, path: &str) -> Result<Invoked, SidecarError> {
        self.inner.invoke_get(app, path).await
    }
    async fn ready(&self) -> Result<(), SidecarError> {
        self.inner.ready().await
    }
}

#[tokio::test]
async fn a_rebuild_does_not_undo_what_is_written_meanwhile() {
    let service = lived().await;
    let busy = Busy {
        inner: service.sidecar.clone(),
        pool: service.pool.clone(),
    };
    gestion_clientes::rebuild_over(Arc::new(busy), service.pool.clone())
        .await
        .unwrap();
    let [clientes, facturas] = both(&service).await;
    assert!(
        clientes.iter().all(|row| row.contains(&"Luz".to_owned())),
        "{clientes:?}"
    );
    assert!(
        facturas.iter().all(|row| row.contains(&"CANCELADO".to_owned())),
        "{facturas:?}"
    );
}
