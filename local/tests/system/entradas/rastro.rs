//! What requests leave behind.

use std::collections::BTreeSet;

use checker::Accepted;
use seedwork::App;
use serde_json::{Value, json};

use crate::system::{Outcome, System, ensure, eventually, text};

/// Everything that a request can leave behind.
#[derive(Debug, Default)]
pub(super) struct Footprint {
    sagas: BTreeSet<String>,
    pagos: BTreeSet<String>,
    facturas: BTreeSet<String>,
    clientes: BTreeSet<String>,
    notificaciones: BTreeSet<String>,
    referencias: BTreeSet<String>,
}

// === impl Footprint ===

impl Footprint {
    pub(super) async fn of(system: &System) -> Outcome<Self> {
        let sagas = system.sagas().list(&Default::default()).await.map_err(text)?;
        let facturas = format!("/facturacion?limite=100&idCliente={}", system.cliente);
        let lines = system.world.movimientos().await.map_err(text)?;
        Ok(Self {
            sagas: sagas.items.into_iter().filter_map(|saga| saga.metadata.name).collect(),
            pagos: pagos(system).await?,
            facturas: ids(system, App::GestionClientes, &facturas).await?,
            clientes: ids(system, App::GestionClientes, "/clientes/cliente?limite=100").await?,
            notificaciones: ids(system, App::Notificaciones, "/notificaciones/notificacion?limite=100").await?,
            referencias: lines.into_iter().map(|line| line.referencia).collect(),
        })
    }
}

/// The ids of a whole list.
async fn ids(system: &System, app: App, path: &str) -> Outcome<BTreeSet<String>> {
    let mut all = BTreeSet::new();
    let mut cursor = String::new();
    loop {
        let url = system.world.url(app, &format!("{path}{cursor}"));
        let response = system.world.http().get(&url).send().await.map_err(text)?;
        let next = response
            .headers()
            .get("x-next-cursor")
            .and_then(|next| next.to_str().ok())
            .map(str::to_owned);
        let page: Value = response.json().await.map_err(text)?;
        let page = page.as_array().ok_or_else(|| format!("{url} is no list: {page}"))?;
        all.extend(page.iter().filter_map(|one| one["id"].as_str().map(str::to_owned)));
        match next {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return Ok(all),
        }
    }
}

/// The ids of all payments that the BFF knows of.
async fn pagos(system: &System) -> Outcome<BTreeSet<String>> {
    let query = "query($cursor: String) { pagos(limite: 100, cursor: $cursor) { pagos { idCorrelacion } cursor } }";
    let mut all = BTreeSet::new();
    let mut cursor = Value::Null;
    loop {
        let data = system
            .world
            .graphql(query, json!({ "cursor": cursor }), None)
            .await
            .map_err(text)?;
        let page = data["pagos"]["pagos"].as_array().cloned().unwrap_or_default();
        all.extend(
            page.iter()
                .filter_map(|pago| pago["idCorrelacion"].as_str().map(str::to_owned)),
        );
        cursor = data["pagos"]["cursor"].clone();
        if cursor.is_null() {
            return Ok(all);
        }
    }
}

/// What is there now and was not before is what the good requests made.
pub(super) async fn nothing_but(system: &System, before: &Footprint, good: &[Accepted]) -> Outcome {
    let Footprint {
        sagas,
        pagos,
        facturas,
        clientes,
        notificaciones,
        referencias,
    } = eventually("the two notifications to be listed", async || {
        // Those of the payments are made by then; those of the door are listed at once or, by command, soon.
        let now = Footprint::of(system).await?;
        let new = now.notificaciones.difference(&before.notificaciones).count();
        ensure(new >= good.len() + 2, || format!("{new} new notifications"))?;
        Ok(now)
    })
    .await?;
    let known: BTreeSet<String> = good.iter().map(|payment| payment.id.to_string()).collect();
    let only = |what: &str, now: &BTreeSet<String>, before: &BTreeSet<String>| {
        let new: BTreeSet<String> = now.difference(before).cloned().collect();
        ensure(new == known, || {
            format!("new {what} are {new:?}, the good requests are {known:?}")
        })
    };
    only("payments", &pagos, &before.pagos)?;
    only("invoices", &facturas, &before.facturas)?;
    only("references in the ledger", &referencias, &before.referencias)?;
    let names: BTreeSet<String> = good.iter().map(|payment| payment.id.resource_name()).collect();
    let unknown: Vec<_> = sagas
        .iter()
        .filter(|name| !names.contains(*name) && !before.sagas.contains(*name))
        .collect();
    ensure(unknown.is_empty(), || format!("nobody asked for {unknown:?}"))?;
    let added = clientes.difference(&before.clientes).count();
    ensure(added == 2, || format!("two clients were registered, {added} are new"))?;
    // One for each payment, two at the door, and the notice of the reversal.
    let added = notificaciones.difference(&before.notificaciones).count();
    ensure(added == good.len() + 3, || format!("{added} notifications are new"))
}
