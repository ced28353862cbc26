//! What a verdict is made of, gathered from the running system: its screens, its resources, the gateway's ledger.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::time::Duration;

use checker::{Accepted, Door, Evidence, Factura, Histories, Importe, Notificacion, Pago, Request, Seen, Version};
use futures::StreamExt as _;
use kube::Api;
use kube::api::{DynamicObject, GroupVersionKind, ListParams};
use kube::discovery::ApiResource;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event, watcher};
use seedwork::contrato::App;
use seedwork::{Dinero, IdCliente, IdCorrelacion, MedioPago, Moneda, Phase, SolicitudPago};
use serde_json::{Value, json};
use tokio::sync::watch::{Receiver, Sender, channel};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::error::{During, Error, Result};
use crate::world::World;

/// A watch of every `PaymentSaga`, from when it is opened until it is closed. It survives an API server that is away: what
/// it missed meanwhile shows as a gap in a history.
pub struct Watch {
    task: JoinHandle<()>,
    seen: Receiver<Histories>,
}

// === impl Watch ===

impl Watch {
    /// Watches the payments of a namespace. `at_ms` of each version is milliseconds since `clock`.
    pub fn open(world: &World, namespace: &str, clock: Instant) -> Self {
        let sagas = sagas(world, namespace);
        let (seeing, seen) = channel(Histories::default());
        let task = tokio::spawn(async move {
            let mut events = pin!(watcher(sagas, watcher::Config::default()).default_backoff());
            while let Some(event) = events.next().await {
                match event {
                    // What is deleted is shown as it was in the end.
                    Ok(Event::Apply(object) | Event::InitApply(object) | Event::Delete(object)) => {
                        see(&seeing, object, clock.elapsed());
                    }
                    // An error is a pause: the watcher lists again.
                    Ok(Event::Init | Event::InitDone) | Err(_) => {}
                }
            }
        });
        Self { task, seen }
    }

    /// What was seen so far.
    pub fn histories(&self) -> Histories {
        self.seen.borrow().clone()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn see(seen: &Sender<Histories>, object: DynamicObject, at: Duration) {
    // What cannot be read is no payment: of one that was accepted, the judge misses a version or all of them.
    let Ok(version) = version(object) else { return };
    let at_ms = i64::try_from(at.as_millis()).unwrap_or(i64::MAX);
    seen.send_modify(|histories| histories.see(Version { at_ms, ..version }));
}

fn sagas(world: &World, namespace: &str) -> Api<DynamicObject> {
    let kind = GroupVersionKind::gvk("pagos.saludtech.dev", "v1alpha1", "PaymentSaga");
    let resource = ApiResource::from_gvk_with_plural(&kind, "paymentsagas");
    Api::namespaced_with(world.kube().clone(), namespace, &resource)
}

fn version(object: DynamicObject) -> Result<Version> {
    let name = object.metadata.name.clone().unwrap_or_default();
    let read = serde_json::to_value(object).and_then(serde_json::from_value);
    read.map_err(|source| Error::Json { what: name, source })
}

// === impl World ===

impl World {
    /// Gathers what a verdict on these payments is made of, once they have come to rest: what every screen shows of them,
    /// their resources where they have not left, and the gateway's whole ledger. Paid as [`World::pagar`] does.
    pub async fn evidence(
        &self,
        namespace: &str,
        accepted: &[Accepted],
        contracargos: BTreeSet<IdCorrelacion>,
    ) -> Result<Evidence> {
        let (mut sagas, mut facturas, mut planes) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let (mut pagos, mut notificaciones) = (BTreeMap::new(), BTreeMap::new());
        for Accepted { id, id_cliente, .. } in accepted {
            sagas.extend(self.seen(id).await?.map(|seen| (id.clone(), seen)));
            facturas.extend(self.invoice(id).await?.map(|factura| (id.clone(), factura)));
            pagos.extend(self.payment(id).await?.map(|pago| (id.clone(), pago)));
            notificaciones.insert(id.clone(), self.notices(id).await?);
            if !planes.contains_key(id_cliente) {
                planes.insert(id_cliente.clone(), self.plan(id_cliente).await?);
            }
        }
        Ok(Evidence {
            requests: accepted.iter().map(request).collect::<Result<_>>()?,
            sagas: Some(sagas),
            histories: Some(self.resources(namespace, accepted).await?),
            facturas: Some(facturas),
            planes: Some(existing(planes)),
            pagos: Some(pagos),
            notificaciones: Some(notificaciones),
            movimientos: Some(self.movimientos().await?),
            contracargos,
            ..Evidence::default()
        })
    }

    async fn seen(&self, id: &IdCorrelacion) -> Result<Option<Seen>> {
        let query = "query($id: String!) { pago(idCorrelacion: $id) { fase terminado monto moneda } }";
        let data = self.graphql(query, json!({ "id": id }), None).await?;
        let pago = &data["pago"];
        let Some(phase) = Phase::ALL.into_iter().find(|phase| pago["fase"] == phase.as_str()) else {
            return Ok(None);
        };
        Ok(Some(Seen {
            phase,
            ended: pago["terminado"] == true,
            importe: importe(&pago["monto"], &pago["moneda"])?,
        }))
    }

    async fn invoice(&self, id: &IdCorrelacion) -> Result<Option<Factura>> {
        let Some(row) = self.factura_row(id).await? else {
            return Ok(None);
        };
        Ok(Some(Factura {
            estado: text(&row["estado"]),
            importe: Some(importe(&row["monto"], &row["moneda"])?),
        }))
    }

    async fn payment(&self, id: &IdCorrelacion) -> Result<Option<Pago>> {
        let url = self.url(App::IntegracionPagos, &format!("/pagos/{id}"));
        let Some(row) = self.page(&url).await? else {
            return Ok(None);
        };
        let cobrado = Some(&row["montoCobrado"]).filter(|cobrado| !cobrado.is_null());
        Ok(Some(Pago {
            estado: text(&row["estado"]),
            importe: importe(&row["monto"], &row["moneda"])?,
            cobrado: cobrado.map(|cobrado| importe(cobrado, &row["moneda"])).transpose()?,
        }))
    }

    async fn notices(&self, id: &IdCorrelacion) -> Result<Vec<Notificacion>> {
        let rows = self.notificacion_rows(id).await?;
        let one = |row: &Value| Notificacion {
            tipo: text(&row["tipo"]),
            estado: text(&row["estado"]),
        };
        Ok(rows.iter().map(one).collect())
    }

    /// The resources of these payments as they are now; those that have left are not among them.
    async fn resources(&self, namespace: &str, accepted: &[Accepted]) -> Result<Histories> {
        let listed = sagas(self, namespace).list(&ListParams::default()).await;
        let listed = listed.during("list the PaymentSagas")?;
        let own: BTreeSet<String> = accepted.iter().map(|payment| payment.id.resource_name()).collect();
        let ours = |object: &DynamicObject| object.metadata.name.as_ref().is_some_and(|name| own.contains(name));
        listed.items.into_iter().filter(ours).map(version).collect()
    }
}

fn request(accepted: &Accepted) -> Result<Request> {
    let Accepted { id, id_cliente, minor } = accepted;
    let dinero = Dinero::from_minor(*minor, Moneda::USD);
    let dinero = dinero.map_err(|error| Error::advice(format!("monto {minor} {error}")))?;
    let solicitud = SolicitudPago {
        id_cliente: id_cliente.clone(),
        medio_pago: MedioPago::TarjetaCredito,
        dinero,
    };
    Ok(Request::accepted(id.clone(), Door::Bff, solicitud, None))
}

fn existing(planes: BTreeMap<IdCliente, Option<String>>) -> BTreeMap<IdCliente, String> {
    planes.into_iter().filter_map(|(id, plan)| Some((id, plan?))).collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// Amounts are shown as numbers of two decimals, which a float of this size gives back as they were.
fn importe(monto: &Value, moneda: &Value) -> Result<Importe> {
    let read = Moneda::parse(&text(moneda)).and_then(|moneda| Dinero::parse(&monto.to_string(), moneda));
    read.map(Importe::from)
        .map_err(|error| Error::advice(format!("a row says monto {monto} {moneda}, which {error}")))
}
