//! What a crash on the way of a new client leaves, and how it is settled.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use gestion_clientes::domain::cliente::DatosCliente;
use gestion_clientes::domain::instante::Instante;
use seedwork::App as AppId;
use seedwork_runtime::sidecar::{Event, Invoked, MemorySidecar, SidecarError, Stored};
use seedwork_runtime::{Expect, Secret, Sidecar, now_ms};
use serde_json::json;
use sqlx::AnyPool;

use crate::fixture::{Service, assemble, database, service};

/// What a crash between row and document, or between document and projection, leaves.
async fn leave_pending(service: &Service, id: &str, age_ms: i64, documented_as: Option<&str>) {
    if let Some(source) = documented_as {
        let text = service
            .sidecar
            .get(&format!("cliente:{source}"))
            .await
            .unwrap()
            .unwrap()
            .value;
        let text = String::from_utf8(text).unwrap().replace(source, id);
        service
            .sidecar
            .put(&format!("cliente:{id}"), text.into_bytes(), Expect::Absent)
            .await
            .unwrap();
    }
    sqlx::query("INSERT INTO clientes (id, anunciado) VALUES ($1, $2)")
        .bind(id)
        .bind(now_ms() - age_ms)
        .execute(&service.pool)
        .await
        .unwrap();
}

async fn rows(service: &Service) -> Vec<(String, i64)> {
    sqlx::query_as("SELECT id, version FROM clientes WHERE id LIKE 'crash%' ORDER BY id")
        .fetch_all(&service.pool)
        .await
        .unwrap()
}

#[tokio::test]
async fn the_sweeper_settles_what_a_crash_left() {
    let service = service().await;
    let ana = service.ana().await;
    leave_pending(&service, "crash-1-document", 10_000, Some(&ana)).await;
    leave_pending(&service, "crash-2-nothing", 61_000, None).await;
    leave_pending(&service, "crash-3-maybe", 30_000, None).await;
    leave_pending(&service, "crash-4-under-way", 0, Some(&ana)).await;
    assert_eq!(
        service
            .app
            .clientes
            .settle_pending(Instante::from_ms(now_ms()))
            .await
            .unwrap(),
        3
    );
    let left = [("crash-1-document", 1), ("crash-3-maybe", 0), ("crash-4-under-way", 0)];
    assert_eq!(rows(&service).await, left.map(|(id, version)| (id.to_owned(), version)));
    // Only what is projected is listed.
    assert_eq!(
        service.get("/clientes/cliente").await.json().as_array().unwrap().len(),
        2
    );
}

#[tokio::test]
async fn a_client_that_is_asked_for_does_not_wait_for_the_sweeper() {
    let service = service().await;
    let ana = service.ana().await;
    leave_pending(&service, "crash-1", 0, Some(&ana)).await;
    leave_pending(&service, "crash-2", 0, None).await;
    assert_eq!(service.get("/clientes/cliente/crash-1").await.json()["nombre"], "Ana");
    service.get("/clientes/cliente/crash-2").await.problem(404);
}

#[tokio::test]
async fn the_read_model_is_made_again_from_the_documents() {
    let service = service().await;
    let ana = service.ana().await;
    let before = service.get(&format!("/clientes/cliente/{ana}")).await.json();
    sqlx::query("UPDATE clientes SET version = 0, nombre = '', correo = '', fecha_creacion = 0")
        .execute(&service.pool)
        .await
        .unwrap();
    service
        .app
        .clientes
        .settle_pending(Instante::from_ms(now_ms() + 120_000))
        .await
        .unwrap();
    let list = service.get("/clientes/cliente").await.json();
    assert_eq!(list, json!([before]));
}

/// A state store that looks into the database at each write, and can refuse it.
struct Spy {
    inner: MemorySidecar,
    pool: AnyPool,
    refuses: bool,
    seen: Mutex<Vec<i64>>,
}

#[async_trait]
impl Sidecar for Spy {
    async fn get(&self, key: &str) -> Result<Option<Stored>, SidecarError> {
        self.inner.get(key).await
    }
    async fn put(&self, key: &str, value: Vec<u8>, expect: Expect) -> Result<(), SidecarError> {
        let id = key.strip_prefix("cliente:").unwrap();
        let query = sqlx::query_scalar("SELECT version FROM clientes WHERE id = $1").bind(id);
        let version = query.fetch_one(&self.pool).await.unwrap();
        self.seen.lock().unwrap().push(version);
        if self.refuses {
            return Err(SidecarError::Unavailable {
                doing: "write".to_owned(),
                source: "planted by the test".into(),
            });
        }
        self.inner.put(key, value, expect).await
    }
    async fn publish(&self, topic: &str, event: Event) -> Result<(), SidecarError> {
        self.inner.publish(topic, event).await
    }
    async fn invoke_get(&self, app: AppId, path: &str) -> Result<Invoked, SidecarError> {
        self.inner.invoke_get(app, path).await
    }
    async fn ready(&self) -> Result<(), SidecarError> {
        self.inner.ready().await
    }
}

#[tokio::test]
async fn the_row_stands_before_the_document_does() {
    for refuses in [false, true] {
        let (pool, _folder) = database().await;
        let spy = Spy {
            inner: MemorySidecar::default(),
            pool: pool.clone(),
            refuses,
            seen: Mutex::default(),
        };
        let spy = Arc::new(spy);
        let app = assemble(&[], spy.clone(), &pool).await;
        let datos = DatosCliente {
            nombre: "Ana".to_owned(),
            apellidos: "Peña".to_owned(),
            correo: "ana@example.com".to_owned(),
        };
        let created = app
            .clientes
            .crear(datos, Secret::from("s3cr3ta!".to_owned()), None)
            .await;
        assert_eq!(created.is_err(), refuses);
        assert_eq!(*spy.seen.lock().unwrap(), [0], "pending at the moment of the write");
        assert_eq!(app.clientes.list("", 10).await.unwrap().len(), usize::from(!refuses));
    }
}
