//! Idempotency: which keys are being worked on, and what a key was answered.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use sqlx::SqliteConnection;

use crate::{
    ejecucion::Respuesta,
    problema::{Fallo, Problema},
};

/// Whose keys: the gateway and the message provider are two systems and do not share them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Ambito {
    Pasarela,
    Mensajes,
}

/// An idempotency key, 1 to 255 visible characters.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Clave {
    pub(crate) ambito: Ambito,
    pub(crate) valor: String,
}

/// The keys being worked on, each with its request. Memory only, on purpose: a process that dies leaves none behind.
#[derive(Clone, Debug, Default)]
pub(crate) struct EnCurso {
    // A std mutex: it is held for one map operation and never across an await.
    claves: Arc<Mutex<HashMap<Clave, String>>>,
}

/// The right to work on a key, until it is dropped.
#[derive(Debug)]
pub(crate) struct Turno {
    en_curso: EnCurso,
    pub(crate) clave: Clave,
}

// === impl EnCurso ===

impl EnCurso {
    /// Takes the key, or says why not: it is taken for the same request, or for another one.
    pub(crate) fn tomar(&self, clave: Clave, solicitud: &str) -> Result<Turno, Problema> {
        match self.claves().entry(clave) {
            Entry::Occupied(otra) if otra.get() == solicitud => Err(Problema::clave_en_curso()),
            Entry::Occupied(_) => Err(Problema::clave_reutilizada()),
            Entry::Vacant(libre) => {
                let clave = libre.key().clone();
                libre.insert(solicitud.to_owned());
                Ok(Turno {
                    en_curso: self.clone(),
                    clave,
                })
            }
        }
    }

    fn claves(&self) -> MutexGuard<'_, HashMap<Clave, String>> {
        // Each critical section is a single map operation: a panic elsewhere cannot leave it half done.
        self.claves.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Turno ===

impl Drop for Turno {
    fn drop(&mut self) {
        self.en_curso.claves().remove(&self.clave);
    }
}

// === impl Ambito ===

impl Ambito {
    pub(crate) fn nombre(self) -> &'static str {
        match self {
            Self::Pasarela => "pasarela",
            Self::Mensajes => "mensajes",
        }
    }

    pub(crate) fn por_nombre(nombre: &str) -> Option<Self> {
        [Self::Pasarela, Self::Mensajes]
            .into_iter()
            .find(|ambito| ambito.nombre() == nombre)
    }
}

// === impl Clave ===

impl Clave {
    /// What the key was answered, if it was; refused when that was another request, or while it waits to be recorded.
    pub(crate) async fn respuesta(
        &self,
        conn: &mut SqliteConnection,
        solicitud: &str,
    ) -> Result<Option<Respuesta>, Fallo> {
        let stored: Option<(String, i64, String)> =
            sqlx::query_as("SELECT solicitud, status, cuerpo FROM respuestas WHERE ambito = ? AND clave = ?")
                .bind(self.ambito.nombre())
                .bind(&self.valor)
                .fetch_optional(&mut *conn)
                .await?;
        if let Some((otra, status, cuerpo)) = stored {
            if otra != solicitud {
                return Err(Problema::clave_reutilizada().into());
            }
            let status = u16::try_from(status).map_err(|_| Fallo::Unknown(format!("the status {status}")))?;
            return Ok(Some(Respuesta {
                status,
                cuerpo: serde_json::from_str(&cuerpo)?,
            }));
        }
        let landing: Option<String> =
            sqlx::query_scalar("SELECT solicitud FROM aterrizajes WHERE ambito = ? AND clave = ?")
                .bind(self.ambito.nombre())
                .bind(&self.valor)
                .fetch_optional(conn)
                .await?;
        match landing {
            None => Ok(None),
            Some(misma) if misma == solicitud => Err(Problema::clave_en_curso().into()),
            Some(_) => Err(Problema::clave_reutilizada().into()),
        }
    }

    /// Stores the key's answer; part of the transaction that did the work.
    pub(crate) async fn guardar(
        &self,
        conn: &mut SqliteConnection,
        solicitud: &str,
        respuesta: &Respuesta,
    ) -> Result<(), Fallo> {
        sqlx::query("INSERT INTO respuestas (ambito, clave, solicitud, status, cuerpo) VALUES (?, ?, ?, ?, ?)")
            .bind(self.ambito.nombre())
            .bind(&self.valor)
            .bind(solicitud)
            .bind(i64::from(respuesta.status))
            .bind(serde_json::to_string(&respuesta.cuerpo)?)
            .execute(conn)
            .await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_free_again_once_its_turn_is_over() {
        let en_curso = EnCurso::default();
        let clave = Clave {
            ambito: Ambito::Pasarela,
            valor: "k".into(),
        };
        let turno = en_curso.tomar(clave.clone(), "a").unwrap();
        assert_eq!(
            en_curso.tomar(clave.clone(), "a").unwrap_err(),
            Problema::clave_en_curso()
        );
        assert_eq!(
            en_curso.tomar(clave.clone(), "b").unwrap_err(),
            Problema::clave_reutilizada()
        );
        let message_key = Clave {
            ambito: Ambito::Mensajes,
            ..clave.clone()
        };
        assert!(en_curso.tomar(message_key, "b").is_ok());
        drop(turno);
        assert!(en_curso.tomar(clave, "b").is_ok());
    }
}
