//! The GET routes.

use std::{collections::HashMap, ops::RangeInclusive};

use axum::{
    Json,
    extract::{Query, State},
};
use serde_json::Value;

use super::{Estado, Tramo};
use crate::{
    consultas::{Movidas, Pagina},
    problema::{Fallo, Problema},
    resultados,
};

type Parametros = Query<HashMap<String, String>>;

pub(crate) async fn referencia(State(simulador): Estado, Tramo(referencia): Tramo) -> Result<Json<Value>, Fallo> {
    Ok(Json(simulador.libro.referencia(&referencia).await?))
}

pub(crate) async fn referencias(State(simulador): Estado, Query(parametros): Parametros) -> Result<Json<Value>, Fallo> {
    let movidas = Movidas {
        // The year 9999: what SQLite's dates reach to.
        desde_ms: entero(&parametros, "movidasDesde", 0, 0..=253_402_300_799_000)?,
        despues_de: parametros.get("despuesDe").map_or("", String::as_str),
        limite: entero(&parametros, "limite", 100, 1..=1_000)?,
    };
    Ok(Json(simulador.libro.referencias(movidas).await?))
}

pub(crate) async fn movimientos(State(simulador): Estado, Query(parametros): Parametros) -> Result<Json<Value>, Fallo> {
    Ok(Json(simulador.libro.movimientos(Pagina::leer(&parametros)?).await?))
}

pub(crate) async fn mensajes(State(simulador): Estado, Query(parametros): Parametros) -> Result<Json<Value>, Fallo> {
    let referencia = parametros.get("referencia").map(String::as_str);
    Ok(Json(
        simulador.libro.mensajes(referencia, Pagina::leer(&parametros)?).await?,
    ))
}

pub(crate) async fn resultados() -> Json<Value> {
    Json(resultados::tabla_json())
}

// === impl Pagina ===

impl Pagina {
    fn leer(parametros: &HashMap<String, String>) -> Result<Self, Problema> {
        Ok(Self {
            desde: entero(parametros, "desde", 1, 0..=i64::MAX - 1)?,
            limite: entero(parametros, "limite", 100, 1..=1_000)?,
        })
    }
}

fn entero(
    parametros: &HashMap<String, String>,
    nombre: &str,
    ausente: i64,
    rango: RangeInclusive<i64>,
) -> Result<i64, Problema> {
    let Some(texto) = parametros.get(nombre) else {
        return Ok(ausente);
    };
    texto
        .parse()
        .ok()
        .filter(|numero| rango.contains(numero))
        .ok_or_else(|| {
            Problema::invalido(
                nombre,
                &format!("debe ser un entero de {} a {}", rango.start(), rango.end()),
            )
        })
}
