//! What a crash on the way of a new client, or of a change, leaves, and how it is settled.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use gestion_clientes::domain::cliente::DatosCliente;
use gestion_clientes::domain::instante::Instante;
use gestion_clientes::{App, ClienteVisto, Condicion, Identidad, Rechazo};
use seedwork::{App as AppId, IdCliente};
use seedwork_runtime::sidecar::{Event, Invoked, MemorySidecar, SidecarError, Stored};
use seedwork_runtime::sql::Pool;
use seedwork_runtime::{Expect, Secret, Sidecar, now_ms};
use serde_json::json;
use tempfile::TempDir;

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

#[tokio::test]
async fn a_row_of_before_the_clock_was_set_back_is_looked_at_and_not_given_up() {
    let service = service().await;
    let ana = service.ana().await;
    leave_pending(&service, "crash-1", -3_600_000, Some(&ana)).await;
    leave_pending(&service, "crash-2", -3_600_000, None).await;
    leave_pending(&service, "crash-3", -1_000, None).await; // of a clock that is a little ahead
    let now = Instante::from_ms(now_ms());
    assert_eq!(service.app.clientes.settle_pending(now).await.unwrap(), 2);
    let left = [("crash-1", 1), ("crash-2", 0), ("crash-3", 0)];
    assert_eq!(rows(&service).await, left.map(|(id, version)| (id.to_owned(), version)));
}

/// A state store that looks into the database at each write, and can refuse it; at each read somebody may announce what
/// was left.
struct Spy {
    inner: MemorySidecar,
    pool: Pool,
    refuses: bool,
    announces: bool,
    seen: Mutex<Vec<i64>>,
}

#[async_trait]
impl Sidecar for Spy {
    async fn get(&self, key: &str) -> Result<Option<Stored>, SidecarError> {
        let read = self.inner.get(key).await;
        if self.announces {
            sqlx::query("UPDATE clientes SET anunciado = $1 WHERE 'cliente:' || id = $2")
                .bind(now_ms())
                .bind(key)
                .execute(&self.pool)
                .await
                .unwrap();
        }
        read
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
            announces: false,
            seen: Mutex::default(),
        };
        let spy = Arc::new(spy);
        let app = assemble(&[], spy.clone(), &pool).await;
        let contrasena = Secret::from("s3cr3ta!".to_owned());
        let created = app.clientes.crear(datos("Ana"), contrasena, Identidad::Nueva).await;
        assert_eq!(created.is_err(), refuses);
        assert_eq!(*spy.seen.lock().unwrap(), [0], "pending at the moment of the write");
        assert_eq!(app.clientes.list("", 10).await.unwrap().len(), usize::from(!refuses));
    }
}

#[tokio::test]
async fn what_is_announced_again_while_it_is_judged_stays_announced() {
    let (pool, _folder) = database().await;
    let spy = Spy {
        inner: MemorySidecar::default(),
        pool: pool.clone(),
        refuses: false,
        announces: true,
        seen: Mutex::default(),
    };
    let app = assemble(&[], Arc::new(spy), &pool).await;
    let contrasena = Secret::from("s3cr3ta!".to_owned());
    let created = app.clientes.crear(datos("Ana"), contrasena, Identidad::Nueva).await;
    let ana = created.unwrap().cliente.id;
    // A change that was left, and a client that never came to be.
    for statement in [
        "UPDATE clientes SET esperada = 2, anunciado = $1 WHERE id = $2",
        "INSERT INTO clientes (id, anunciado) SELECT 'crash-1', $1 FROM clientes WHERE id = $2",
    ] {
        sqlx::query(statement)
            .bind(now_ms() - 61_000)
            .bind(ana.as_str())
            .execute(&pool)
            .await
            .unwrap();
    }
    let now = Instante::from_ms(now_ms());
    assert_eq!(app.clientes.settle_pending(now).await.unwrap(), 2);
    assert_eq!(pending(&pool).await, 2);
}

/// A state store that dies around a write: before it, or after it was made. Or it lives, and takes our own write for
/// somebody else's, as one does whose answer was lost.
struct Dying {
    inner: MemorySidecar,
    when: AtomicU8,
}

const ALIVE: u8 = 0;
const BEFORE: u8 = 1;
const AFTER: u8 = 2;
const MISTAKEN: u8 = 3;

#[async_trait]
impl Sidecar for Dying {
    async fn get(&self, key: &str) -> Result<Option<Stored>, SidecarError> {
        self.inner.get(key).await
    }
    async fn put(&self, key: &str, value: Vec<u8>, expect: Expect) -> Result<(), SidecarError> {
        let dead = || {
            Err(SidecarError::Unavailable {
                doing: "write".to_owned(),
                source: "planted by the test".into(),
            })
        };
        match self.when.load(Ordering::SeqCst) {
            BEFORE => dead(),
            AFTER => {
                self.inner.put(key, value, expect).await?;
                dead()
            }
            MISTAKEN => {
                self.inner.put(key, value, expect).await?;
                Err(SidecarError::Conflict { key: key.to_owned() })
            }
            _ => self.inner.put(key, value, expect).await,
        }
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

fn datos(nombre: &str) -> DatosCliente {
    DatosCliente {
        nombre: nombre.to_owned(),
        apellidos: "Peña".to_owned(),
        correo: "ana@example.com".to_owned(),
    }
}

async fn listed(app: &App) -> Vec<String> {
    let list = app.clientes.list("", 10).await.unwrap();
    list.into_iter().map(|visto| visto.cliente.datos.nombre).collect()
}

/// How many writes are announced and not seen to have ended.
async fn pending(pool: &Pool) -> i64 {
    sqlx::query_scalar("SELECT COUNT(*) FROM clientes WHERE version = 0 OR version < esperada")
        .fetch_one(pool)
        .await
        .unwrap()
}

/// A client over a store that can die.
struct Registered {
    dying: Arc<Dying>,
    app: App,
    id: IdCliente,
    pool: Pool,
    _folder: TempDir,
}

impl Registered {
    async fn new() -> Self {
        let (pool, folder) = database().await;
        let dying = Arc::new(Dying {
            inner: MemorySidecar::default(),
            when: AtomicU8::new(ALIVE),
        });
        let app = assemble(&[], dying.clone(), &pool).await;
        let contrasena = Secret::from("s3cr3ta!".to_owned());
        let ana = app.clientes.crear(datos("Ana"), contrasena, Identidad::Nueva).await;
        Self {
            id: ana.unwrap().cliente.id,
            dying,
            app,
            pool,
            _folder: folder,
        }
    }

    /// A change to this name, its password too if there is one, while the store is as `when` says.
    async fn change(
        &self,
        when: u8,
        nombre: &str,
        contrasena: Option<&str>,
        condicion: &Condicion,
    ) -> Result<ClienteVisto, Rechazo> {
        self.dying.when.store(when, Ordering::SeqCst);
        let contrasena = contrasena.map(|text| Secret::from(text.to_owned()));
        let clientes = &self.app.clientes;
        let changed = clientes
            .actualizar(&self.id, &datos(nombre), contrasena, condicion)
            .await;
        self.dying.when.store(ALIVE, Ordering::SeqCst);
        changed
    }

    async fn settle(&self, later: i64) -> usize {
        let then = Instante::from_ms(now_ms() + later);
        self.app.clientes.settle_pending(then).await.unwrap()
    }
}

#[tokio::test]
async fn a_crash_at_any_point_of_a_change_is_settled_by_the_document() {
    for (when, expected) in [(BEFORE, "Ana"), (AFTER, "Eva")] {
        let it = Registered::new().await;
        let changed = it.change(when, "Eva", None, &Condicion::Cualquiera).await;
        assert!(changed.is_err(), "not acknowledged");
        assert_eq!(listed(&it.app).await, ["Ana"], "the old row stands meanwhile");
        assert_eq!(
            pending(&it.pool).await,
            1,
            "the row was pending before the document was written"
        );
        // Whoever asks for it does not wait for the sweeper, which does not wait for anybody.
        assert_eq!(it.settle(0).await, 0, "young");
        it.settle(6_000).await;
        assert_eq!(listed(&it.app).await, [expected]);
        let found = it.app.clientes.find(it.id.as_str()).await.unwrap().unwrap();
        assert_eq!(found.cliente.datos.nombre, expected);
        it.settle(61_000).await;
        assert_eq!(pending(&it.pool).await, 0, "an unwritten change is given up");
        // And the next change is made as if nothing had been.
        let changed = it.change(ALIVE, "Luz", None, &Condicion::Cualquiera).await;
        assert_eq!(changed.unwrap().cliente.datos.nombre, "Luz");
        assert_eq!(listed(&it.app).await, ["Luz"]);
    }
}

#[tokio::test]
async fn a_change_that_is_tried_again_has_its_whole_time_once_more() {
    let it = Registered::new().await;
    for _ in 0..2 {
        sqlx::query("UPDATE clientes SET anunciado = anunciado - 120000")
            .execute(&it.pool)
            .await
            .unwrap();
        let changed = it.change(BEFORE, "Eva", None, &Condicion::Cualquiera).await;
        assert!(changed.is_err());
    }
    it.settle(6_000).await;
    assert_eq!(pending(&it.pool).await, 1, "it may be written yet");
}

#[tokio::test]
async fn a_change_whose_answer_was_lost_is_known_as_its_callers_own() {
    for contrasena in [None, Some("0tr4-clave")] {
        let it = Registered::new().await;
        let seen = Condicion::Una(vec![1]);
        let changed = it.change(MISTAKEN, "Eva", contrasena, &seen).await.unwrap();
        assert_eq!((changed.version, changed.cliente.datos.nombre.as_str()), (2, "Eva"));
        assert_eq!(listed(&it.app).await, ["Eva"]);
        let again = it.change(ALIVE, "Luz", contrasena, &seen).await;
        assert!(matches!(again, Err(Rechazo::Cambiado)), "it is made: {again:?}");
    }
}
