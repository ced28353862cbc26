//! What the ledger says. SQLite writes each row as the JSON that the caller gets.

use serde_json::{Value, json};
use sqlx::SqliteConnection;

use crate::{libro::Libro, problema::Fallo};

const AUTORIZACIONES: &str = "
    SELECT json_object('id', id, 'estado', iif(anulada, 'anulada', 'autorizada'), 'monto', monto, 'moneda', moneda,
                       'medioPago', medio_pago, 'clave', clave, 'fecha', fecha)
    FROM autorizaciones WHERE referencia = ? ORDER BY rowid";

const CARGOS: &str = "
    SELECT json_object('id', c.id, 'autorizacion', c.autorizacion, 'estado', 'capturado', 'monto', c.monto,
                       'moneda', a.moneda,
                       'reembolsado', (SELECT COALESCE(SUM(r.monto), 0) FROM reembolsos r WHERE r.cargo = c.id),
                       'contracargado', json(iif(EXISTS (SELECT 1 FROM contracargos k WHERE k.cargo = c.id),
                                                 'true', 'false')),
                       'clave', c.clave, 'fecha', c.fecha)
    FROM cargos c JOIN autorizaciones a ON a.id = c.autorizacion WHERE a.referencia = ? ORDER BY c.rowid";

const REEMBOLSOS: &str = "
    SELECT json_object('id', r.id, 'cargo', r.cargo, 'estado', 'reembolsado', 'monto', r.monto, 'moneda', a.moneda,
                       'clave', r.clave, 'fecha', r.fecha)
    FROM reembolsos r JOIN cargos c ON c.id = r.cargo JOIN autorizaciones a ON a.id = c.autorizacion
    WHERE a.referencia = ? ORDER BY r.rowid";

const REFERENCIAS: &str = "
    SELECT referencia, CAST(strftime('%s', MAX(fecha)) AS INTEGER) * 1000 FROM movimientos
    WHERE fecha >= strftime('%Y-%m-%dT%H:%M:%fZ', ?1 / 1000.0, 'unixepoch') AND referencia > ?2
    GROUP BY referencia ORDER BY referencia LIMIT ?3";

const MOVIMIENTOS: &str = "
    SELECT numero, json_object('numero', numero, 'tipo', tipo, 'id', id, 'referencia', referencia, 'monto', monto,
                               'moneda', moneda, 'clave', clave, 'fecha', fecha)
    FROM movimientos WHERE numero >= ? ORDER BY numero LIMIT ?";

const MENSAJES: &str = "
    SELECT numero, json_object('numero', numero, 'id', id, 'referencia', referencia, 'medio', medio,
                               'destino', destino, 'asunto', asunto, 'texto', texto, 'estado', 'entregado',
                               'clave', clave, 'fecha', fecha)
    FROM mensajes WHERE numero >= ?1 AND (?3 IS NULL OR referencia = ?3) ORDER BY numero LIMIT ?2";

/// A page of a numbered list: from a number on, at most so many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pagina {
    /// The first number wanted.
    pub(crate) desde: i64,
    pub(crate) limite: i64,
}

/// Which references are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Movidas<'a> {
    /// Those that moved at or after this moment, in milliseconds since the epoch.
    pub(crate) desde_ms: i64,
    /// Those behind this one; empty for all.
    pub(crate) despues_de: &'a str,
    pub(crate) limite: i64,
}

// === impl Libro ===

impl Libro {
    /// Everything under a reference, in one snapshot; empty lists when it is unknown.
    pub(crate) async fn referencia(&self, referencia: &str) -> Result<Value, Fallo> {
        let mut snapshot = self.readers().begin().await?;
        Ok(json!({
            "referencia": referencia,
            "autorizaciones": lista(&mut snapshot, AUTORIZACIONES, referencia).await?,
            "cargos": lista(&mut snapshot, CARGOS, referencia).await?,
            "reembolsos": lista(&mut snapshot, REEMBOLSOS, referencia).await?,
        }))
    }

    /// A page of the references that moved since a moment, each with everything under it, in the order of their names.
    pub(crate) async fn referencias(&self, movidas: Movidas<'_>) -> Result<Value, Fallo> {
        let Movidas {
            desde_ms,
            despues_de,
            limite,
        } = movidas;
        let filas: Vec<(String, i64)> = sqlx::query_as(REFERENCIAS)
            .bind(desde_ms)
            .bind(despues_de)
            .bind(limite.saturating_add(1))
            .fetch_all(self.readers())
            .await?;
        let mas = i64::try_from(filas.len()).is_ok_and(|filas| filas > limite);
        let enteras = filas.len() - usize::from(mas);
        let mut referencias = Vec::new();
        for (referencia, movida_ms) in filas.into_iter().take(enteras) {
            let mut todo = self.referencia(&referencia).await?;
            todo["movidaMs"] = movida_ms.into();
            referencias.push(todo);
        }
        let siguiente = referencias
            .last()
            .filter(|_| mas)
            .map(|ultima| ultima["referencia"].clone());
        Ok(json!({ "referencias": referencias, "siguiente": siguiente }))
    }

    /// A page of what happened to money, in commit order.
    pub(crate) async fn movimientos(&self, pagina: Pagina) -> Result<Value, Fallo> {
        let filas = sqlx::query_as(MOVIMIENTOS)
            .bind(pagina.desde)
            .bind(pagina.limite)
            .fetch_all(self.readers())
            .await?;
        let (movimientos, siguiente) = pagina.leida(&filas)?;
        Ok(json!({ "movimientos": movimientos, "siguiente": siguiente }))
    }

    /// A page of the delivered messages, of one reference or of all.
    pub(crate) async fn mensajes(&self, referencia: Option<&str>, pagina: Pagina) -> Result<Value, Fallo> {
        let filas: Vec<_> = sqlx::query_as(MENSAJES)
            .bind(pagina.desde)
            .bind(pagina.limite)
            .bind(referencia)
            .fetch_all(self.readers())
            .await?;
        let (mensajes, siguiente) = pagina.leida(&filas)?;
        Ok(json!({ "mensajes": mensajes, "siguiente": siguiente }))
    }

    /// Whether the ledger can be read.
    pub(crate) async fn is_usable(&self) -> bool {
        sqlx::query("SELECT 1 FROM movimientos LIMIT 1")
            .execute(self.readers())
            .await
            .is_ok()
    }
}

async fn lista(conn: &mut SqliteConnection, consulta: &'static str, referencia: &str) -> Result<Vec<Value>, Fallo> {
    let filas: Vec<String> = sqlx::query_scalar(consulta).bind(referencia).fetch_all(conn).await?;
    Ok(filas
        .iter()
        .map(|fila| serde_json::from_str(fila))
        .collect::<Result<_, _>>()?)
}

// === impl Pagina ===

impl Pagina {
    /// The rows that were read, and the number to ask for next.
    fn leida(self, filas: &[(i64, String)]) -> Result<(Vec<Value>, i64), Fallo> {
        let siguiente = filas.last().map_or(self.desde, |(numero, _)| numero + 1);
        let filas = filas
            .iter()
            .map(|(_, fila)| serde_json::from_str(fila))
            .collect::<Result<_, _>>()?;
        Ok((filas, siguiente))
    }
}
