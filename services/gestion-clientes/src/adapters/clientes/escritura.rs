//! How a client comes to be, and how it changes.

use seedwork::{Fault, IdCliente};
use seedwork_runtime::intake::{IdempotencyKey, KeyInUse};
use seedwork_runtime::sidecar::{Document, load, save};
use seedwork_runtime::{Expect, Secret, new_id};
use uuid::Uuid;

use super::documento::{Alta, Documento, could_be_ours, key, keyed_id};
use super::{ClienteVisto, Clientes, ahora};
use crate::domain::cliente::{self, Cliente, DatosCliente};
use crate::domain::plan::EstadoPlan;

/// Under which id a client is registered.
#[derive(Debug, Clone)]
pub enum Identidad<'a> {
    /// A new one.
    Nueva,
    /// The one that the key stands for: a repeat finds the client that is there.
    Clave(IdempotencyKey<'a>),
    /// Its own, which its token says. Under a key a repeat finds the client that is there.
    Propia {
        /// Which.
        id: IdCliente,
        /// The key that the request came under.
        clave: Option<IdempotencyKey<'a>>,
    },
}

/// What must be there for a change to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condicion {
    /// Whatever is there: the change is made on what it finds, and never on what somebody else changes meanwhile.
    Cualquiera,
    /// One of these versions.
    Una(Vec<i64>),
}

/// Why a client was not written.
#[derive(Debug, thiserror::Error)]
pub enum Rechazo {
    /// The key stands for another client.
    #[error("the key was used before with another client")]
    ClaveUsada,
    /// Another request under the key is being answered.
    #[error(transparent)]
    EnCurso(#[from] KeyInUse),
    /// The client of this token is registered already.
    #[error("the client is registered already")]
    YaExiste,
    /// No client can have this id.
    #[error("no client can have this id")]
    IdImposible,
    /// There is no such client.
    #[error("there is no such client")]
    Inexistente,
    /// It is not any more what the caller saw.
    #[error("the client was changed meanwhile")]
    Cambiado,
    /// Anything else.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// How often a change may lose a race before it is left to the caller.
const RACES: usize = 16;

// === impl Clientes ===

impl Clientes {
    /// Registers a client. On a fault it may turn out to be registered all the same, or not.
    pub async fn crear(
        &self,
        datos: DatosCliente,
        contrasena: Secret,
        identidad: Identidad<'_>,
    ) -> Result<ClienteVisto, Rechazo> {
        let stands_for = |clave: IdempotencyKey<'_>| keyed_id(clave.scope, clave.key);
        let (id, clave) = match identidad {
            Identidad::Nueva => (made(new_id())?, None),
            Identidad::Clave(clave) => (made(stands_for(clave))?, Some(stands_for(clave))),
            Identidad::Propia { id, .. } if !could_be_ours(id.as_str()) => return Err(Rechazo::IdImposible),
            Identidad::Propia { id, clave: None } if self.find(id.as_str()).await?.is_some() => {
                return Err(Rechazo::YaExiste);
            }
            Identidad::Propia { id, clave } => (id, clave.map(stands_for)),
        };
        let _held = clave.map(|_| self.claves.hold(id.as_str())).transpose()?;
        if clave.is_some()
            && let Some(known) = self.known(&id, &datos, &contrasena, clave).await?
        {
            return Ok(known);
        }
        let huella = self.hasher.hash(contrasena.clone()).await?;
        let ahora = ahora();
        let cliente = Cliente {
            id,
            datos,
            fecha_creacion: ahora,
            fecha_actualizacion: ahora,
        };
        let documento = Documento::nuevo(cliente, huella, clave);
        let Documento { version, cliente, .. } = &documento;
        self.tabla.announce(&cliente.id, *version, ahora).await?;
        match save(self.sidecar.as_ref(), &key(&cliente.id), &documento, Expect::Absent).await {
            Ok(()) => {}
            // With our own write, repeated on its way, or with another request for the same client.
            Err(fault @ Fault::Conflict(_)) => {
                let known = self.known(&cliente.id, &cliente.datos, &contrasena, clave).await?;
                return known.ok_or(Rechazo::Fault(fault));
            }
            Err(fault) => return Err(fault.into()),
        }
        self.tabla.project(cliente, *version).await?;
        Ok(ClienteVisto {
            cliente: cliente.clone(),
            version: *version,
            estado_plan: EstadoPlan::at(ahora, None),
        })
    }

    /// The client that stands under `id`, if it was registered with this. If with anything else:
    /// [`Rechazo::ClaveUsada`] when it was under this very key, [`Rechazo::YaExiste`] when it was not.
    async fn known(
        &self,
        id: &IdCliente,
        datos: &DatosCliente,
        contrasena: &Secret,
        clave: Option<Uuid>,
    ) -> Result<Option<ClienteVisto>, Rechazo> {
        let Some(documento) = load::<Documento>(self.sidecar.as_ref(), &key(id)).await?.value else {
            return Ok(None);
        };
        let Alta {
            datos: known,
            contrasena: huella,
        } = documento.alta();
        if known != *datos || !self.hasher.matches(contrasena.clone(), huella).await? {
            let key_reused = clave.is_some_and(|clave| documento.bajo(clave));
            return Err(if key_reused {
                Rechazo::ClaveUsada
            } else {
                Rechazo::YaExiste
            });
        }
        self.tabla.project(&documento.cliente, documento.version).await?;
        Ok(self.find(id.as_str()).await?)
    }

    /// Changes a client's data, and its password if there is one. What is there already is not written again. On a
    /// fault it may turn out to be changed all the same, or not.
    pub async fn actualizar(
        &self,
        id: &IdCliente,
        datos: &DatosCliente,
        contrasena: Option<Secret>,
        condicion: &Condicion,
    ) -> Result<ClienteVisto, Rechazo> {
        if !could_be_ours(id.as_str()) {
            return Err(Rechazo::Inexistente);
        }
        let huella = match contrasena {
            Some(contrasena) => Some(self.hasher.hash(contrasena).await?),
            None => None,
        };
        let mut own: Option<Documento> = None;
        for _ in 0..RACES {
            let Document { value, expect } = load::<Documento>(self.sidecar.as_ref(), &key(id)).await?;
            let actual = value.ok_or(Rechazo::Inexistente)?;
            // The race may have been with our own write, whose answer was lost or which was repeated on its way.
            let made = own.take().is_some_and(|own| own.is(&actual));
            if !made && !condicion.holds(actual.version) {
                return Err(Rechazo::Cambiado);
            }
            let changes = actual.cliente.datos != *datos || huella.is_some();
            if !made && changes {
                let ahora = ahora();
                let cliente = cliente::actualizar(&actual.cliente, datos.clone(), ahora);
                let next = actual.con(cliente, huella.clone());
                self.tabla.announce(id, next.version, ahora).await?;
                match save(self.sidecar.as_ref(), &key(id), &next, expect).await {
                    Ok(()) => self.tabla.project(&next.cliente, next.version).await?,
                    Err(Fault::Conflict(_)) => {
                        own = Some(next);
                        continue; // read again, then decide again
                    }
                    Err(fault) => return Err(fault.into()),
                }
            } else {
                self.tabla.project(&actual.cliente, actual.version).await?;
            }
            return self.find(id.as_str()).await?.ok_or(Rechazo::Inexistente);
        }
        Err(Fault::Conflict(format!("{} changes faster than it can be read", key(id))).into())
    }
}

fn made(id: Uuid) -> Result<IdCliente, Fault> {
    IdCliente::parse(id.hyphenated().to_string())
        .map_err(|error| Fault::bug("failed to make the id of a client", error))
}

// === impl Condicion ===

impl Condicion {
    fn holds(&self, version: i64) -> bool {
        match self {
            Self::Cualquiera => true,
            Self::Una(versions) => versions.contains(&version),
        }
    }
}

// === impl Rechazo ===

impl From<seedwork_runtime::sidecar::SidecarError> for Rechazo {
    fn from(error: seedwork_runtime::sidecar::SidecarError) -> Self {
        Self::Fault(error.into())
    }
}
