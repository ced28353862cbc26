//! The laws of a participant, for both of our steps, whether or not the client exists.

use std::sync::Arc;

use seedwork::Step;
use seedwork_runtime::participant::laws::Laws;
use seedwork_runtime::sidecar::MemorySidecar;
use seedwork_runtime::{Expect, Sidecar};

use crate::fixture::database;

const STEPS: [Step; 2] = [Step::CrearFacturacion, Step::ConfirmarFacturacion];

#[tokio::test]
async fn the_laws_hold_for_a_client_that_exists() {
    let sidecar = Arc::new(MemorySidecar::default());
    sidecar
        .put("cliente:c-1", b"{}".to_vec(), Expect::Absent)
        .await
        .unwrap();
    hold(sidecar).await;
}

#[tokio::test]
async fn the_laws_hold_for_a_client_that_does_not_exist() {
    hold(Arc::new(MemorySidecar::default())).await;
}

async fn hold(sidecar: Arc<dyn Sidecar>) {
    let (pool, _folder) = database().await;
    let participation = gestion_clientes::participation(Arc::clone(&sidecar), pool);
    Laws {
        participation,
        sidecar,
        run: "m".to_owned(),
        cliente: "c-1".to_owned(),
    }
    .hold_for(&STEPS)
    .await;
}
