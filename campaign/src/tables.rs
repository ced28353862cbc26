//! What stands in the databases of the parts. Read as files, by the readers' door of SQLite: nothing here can change one,
//! and no part has to answer.

use std::collections::BTreeMap;

use checker::{Factura, Importe, Mensaje, Movimiento, Notificacion, Pago, Seen, TipoMovimiento, Version};
use local::layout::Layout;
use seedwork::{App, Dinero, IdCorrelacion, Moneda, Phase};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool, SqlitePoolOptions, SqliteRow};
use sqlx::{Row as _, Sqlite};

use crate::{Outcome, text};

/// The databases.
pub(crate) struct Tables {
    bff: SqlitePool,
    gestion_clientes: SqlitePool,
    integracion_pagos: SqlitePool,
    notificaciones: SqlitePool,
    operator: SqlitePool,
    pasarela: SqlitePool,
}

// === impl Tables ===

impl Tables {
    /// Those of a system that was up once.
    pub(crate) fn open(layout: &Layout) -> Self {
        let pool = |name: &str| {
            let file = layout.data().join(format!("{name}.db"));
            let options = SqliteConnectOptions::new().filename(file).read_only(true);
            // A connection is let go: a reader that holds on keeps the writer's log from being cut.
            let pool = SqlitePoolOptions::new().max_connections(1);
            pool.idle_timeout(std::time::Duration::from_secs(1))
                .connect_lazy_with(options)
        };
        Self {
            bff: pool(App::Bff.id()),
            gestion_clientes: pool(App::GestionClientes.id()),
            integracion_pagos: pool(App::IntegracionPagos.id()),
            notificaciones: pool(App::Notificaciones.id()),
            operator: pool(App::Operator.id()),
            pasarela: pool("pasarela"),
        }
    }

    /// Requests at both doors whose payment is not known to have ended.
    pub(crate) async fn open_requests(&self) -> Outcome<u64> {
        let open = "SELECT COUNT(*) FROM solicitudes WHERE estado = 'abierta'";
        Ok(count(&self.bff, open).await? + count(&self.gestion_clientes, open).await?)
    }

    /// How much is not done yet, by what that is.
    pub(crate) async fn left(&self) -> [(&'static str, Outcome<u64>); 4] {
        // An end is confirmed by the BFF, a chargeback by the operator; the document of a notification is stored.
        let ends = "SELECT COUNT(*) FROM archivo WHERE acusado = 0";
        let chargebacks = "SELECT COUNT(*) FROM contracargos WHERE atendido = 0";
        let notifications = "SELECT COUNT(*) FROM notificaciones WHERE pendiente > 0";
        [
            ("open requests at the doors", self.open_requests().await),
            ("ends that the BFF has not confirmed", count(&self.operator, ends).await),
            (
                "chargebacks that are not acknowledged",
                count(&self.integracion_pagos, chargebacks).await,
            ),
            (
                "notifications to settle",
                count(&self.notificaciones, notifications).await,
            ),
        ]
    }

    /// The gateway's ledger.
    pub(crate) async fn movimientos(&self) -> Outcome<Vec<Movimiento>> {
        let query = "SELECT tipo, referencia, clave, monto, moneda FROM movimientos ORDER BY numero";
        rows(&self.pasarela, query, |row| {
            let tipo: String = row.try_get("tipo").map_err(text)?;
            Ok(Movimiento {
                tipo: tipo_movimiento(&tipo)?,
                referencia: row.try_get("referencia").map_err(text)?,
                clave: row.try_get("clave").map_err(text)?,
                monto: row.try_get("monto").map_err(text)?,
                moneda: moneda(row)?,
            })
        })
        .await
    }

    /// The message provider's ledger, which the gateway's process keeps.
    pub(crate) async fn mensajes(&self) -> Outcome<Vec<Mensaje>> {
        let query = "SELECT referencia, clave FROM mensajes ORDER BY numero";
        rows(&self.pasarela, query, |row| {
            Ok(Mensaje {
                referencia: row.try_get("referencia").map_err(text)?,
                clave: row.try_get("clave").map_err(text)?,
            })
        })
        .await
    }

    /// The invoices.
    pub(crate) async fn facturas(&self) -> Outcome<BTreeMap<IdCorrelacion, Factura>> {
        let query = "SELECT id, estado, monto, moneda FROM facturas";
        let facturas = rows(&self.gestion_clientes, query, |row| {
            let factura = Factura {
                estado: row.try_get("estado").map_err(text)?,
                importe: Some(importe(row, "monto")?),
            };
            Ok((id(row, "id")?, factura))
        });
        Ok(facturas.await?.into_iter().collect())
    }

    /// The payments of integración-pagos.
    pub(crate) async fn pagos(&self) -> Outcome<BTreeMap<IdCorrelacion, Pago>> {
        let query = "SELECT id, estado, monto, moneda, cobrado FROM pagos";
        let pagos = rows(&self.integracion_pagos, query, |row| {
            let cobrado = importe(row, "cobrado")?;
            let pago = Pago {
                estado: row.try_get("estado").map_err(text)?,
                importe: importe(row, "monto")?,
                // 0 stands for none there.
                cobrado: (cobrado.minor != 0).then_some(cobrado),
            };
            Ok((id(row, "id")?, pago))
        });
        Ok(pagos.await?.into_iter().collect())
    }

    /// The notifications of each payment.
    pub(crate) async fn notificaciones(&self) -> Outcome<BTreeMap<IdCorrelacion, Vec<Notificacion>>> {
        let query = "SELECT id_correlacion, tipo, estado FROM notificaciones WHERE id_correlacion <> '' ORDER BY fecha_creacion, id";
        let found = rows(&self.notificaciones, query, |row| {
            let notificacion = Notificacion {
                tipo: row.try_get("tipo").map_err(text)?,
                estado: row.try_get("estado").map_err(text)?,
            };
            Ok((id(row, "id_correlacion")?, notificacion))
        });
        let mut by_payment: BTreeMap<IdCorrelacion, Vec<Notificacion>> = BTreeMap::new();
        for (id, notificacion) in found.await? {
            by_payment.entry(id).or_default().push(notificacion);
        }
        Ok(by_payment)
    }

    /// The payments as the BFF shows them.
    pub(crate) async fn screens(&self) -> Outcome<BTreeMap<IdCorrelacion, Seen>> {
        let query = "SELECT id_correlacion, fase, ended, monto, moneda FROM pagos";
        let screens = rows(&self.bff, query, |row| {
            let fase: String = row.try_get("fase").map_err(text)?;
            let ended: i64 = row.try_get("ended").map_err(text)?;
            // `Solicitado` and `Rechazado` are no phases: there is no saga, which is what the judge is to find.
            let Some(phase) = Phase::ALL.into_iter().find(|phase| phase.as_str() == fase) else {
                return Ok(None);
            };
            // Decimal text there.
            let monto: String = row.try_get("monto").map_err(text)?;
            let dinero = Dinero::parse(&monto, moneda(row)?).map_err(|error| format!("monto {monto} {error}"))?;
            let seen = Seen {
                phase,
                ended: ended != 0,
                importe: dinero.into(),
            };
            Ok(Some((id(row, "id_correlacion")?, seen)))
        });
        Ok(screens.await?.into_iter().flatten().collect())
    }

    /// The archived resources, and the text of each for whoever searches them.
    pub(crate) async fn archive(&self, mut see: impl FnMut(&str)) -> Outcome<BTreeMap<IdCorrelacion, Version>> {
        let archived = rows(&self.operator, "SELECT id_correlacion, recurso FROM archivo", |row| {
            let recurso: String = row.try_get("recurso").map_err(text)?;
            see(&recurso);
            let version: Version = serde_json::from_str(&recurso).map_err(text)?;
            Ok((id(row, "id_correlacion")?, version))
        });
        Ok(archived.await?.into_iter().collect())
    }
}

async fn count(pool: &SqlitePool, query: &'static str) -> Outcome<u64> {
    let count: i64 = sqlx::query_scalar::<Sqlite, i64>(query)
        .fetch_one(pool)
        .await
        .map_err(text)?;
    Ok(u64::try_from(count).unwrap_or(0))
}

async fn rows<T>(
    pool: &SqlitePool,
    query: &'static str,
    mut read: impl FnMut(&SqliteRow) -> Outcome<T>,
) -> Outcome<Vec<T>> {
    let rows = sqlx::query::<Sqlite>(query).fetch_all(pool).await.map_err(text)?;
    rows.iter().map(&mut read).collect()
}

fn id(row: &SqliteRow, column: &str) -> Outcome<IdCorrelacion> {
    let id: String = row.try_get(column).map_err(text)?;
    IdCorrelacion::parse(id.as_str()).map_err(|error| format!("{column} {id} {error}"))
}

fn moneda(row: &SqliteRow) -> Outcome<Moneda> {
    let code: String = row.try_get("moneda").map_err(text)?;
    Moneda::parse(&code).map_err(|error| format!("moneda {code} {error}"))
}

fn importe(row: &SqliteRow, column: &str) -> Outcome<Importe> {
    Ok(Importe {
        minor: row.try_get(column).map_err(text)?,
        moneda: moneda(row)?,
    })
}

fn tipo_movimiento(tipo: &str) -> Outcome<TipoMovimiento> {
    serde_json::from_value(serde_json::Value::String(tipo.to_owned())).map_err(text)
}
