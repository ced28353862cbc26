//! The reading of a POST: its key, its fields, and the connection it came on.

use axum::{
    body::Bytes,
    extract::{ConnectInfo, FromRequest, FromRequestParts, Request},
};

use super::corte::Corte;
use crate::{
    campos::{self, Campos},
    problema::Problema,
};

/// A call that has a key and a readable body.
pub(crate) struct Llamada {
    pub(crate) clave: String,
    pub(crate) campos: Campos,
    pub(crate) corte: Corte,
}

// === impl Llamada ===

impl<S: Send + Sync> FromRequest<S> for Llamada {
    type Rejection = Problema;

    async fn from_request(request: Request, state: &S) -> Result<Self, Self::Rejection> {
        let (mut parts, body) = request.into_parts();
        let clave = campos::clave(&parts.headers)?;
        let ConnectInfo(corte) = ConnectInfo::from_request_parts(&mut parts, state)
            .await
            .map_err(|_| Problema::error_interno())?;
        let body = Bytes::from_request(Request::from_parts(parts, body), state)
            .await
            .map_err(|rejection| Problema::cuerpo_ilegible(rejection.status(), &rejection.body_text()))?;
        Ok(Self {
            clave,
            campos: Campos::leer(&body)?,
            corte,
        })
    }
}
