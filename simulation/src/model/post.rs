//! The clients, their addresses, and the message provider: the double that the service's own tests use, with faults
//! around it.

use std::sync::Arc;

use async_trait::async_trait;
use notificaciones::adapters::mensajeria::{Entrega, Mensajeria, MensajeriaEnMemoria};
use notificaciones::domain::Mensaje;
use seedwork::{App, IdCliente, Reason};
use seedwork_runtime::sidecar::Invoked;

use crate::life::Life;
use crate::world::Part;

/// The clients that exist, and what becomes of a message to them.
pub const CLIENTS: [(&str, &str); 6] = [
    ("c-1", "ana@x.co"),
    ("c-2", "eva@x.co"),
    ("c-3", "luz+rechaza@x.co"),
    ("c-4", "rechaza-todo@x.co"),
    ("c-5", "lento@x.co"),
    ("c-6", "sol@x.co"),
];

/// Somebody who is no client.
pub const STRANGER: &str = "c-9";

/// The provider.
#[derive(Default)]
pub struct Post(Arc<MensajeriaEnMemoria>);

/// The way of one process to it.
pub struct Postman(pub Arc<Life>);

// === impl Post ===

impl Post {
    /// What was delivered.
    pub fn delivered(&self) -> Vec<Mensaje> {
        self.0.entregados()
    }

    /// What gestión-clientes answers to a question for a client.
    pub fn page(&self, app: App, path: &str) -> Invoked {
        let id = path
            .strip_prefix("/clientes/cliente/")
            .filter(|_| app == App::GestionClientes);
        let found = id.and_then(|id| CLIENTS.iter().find(|(known, _)| *known == id));
        match found {
            Some((id, correo)) => Invoked {
                status: 200,
                body: format!(r#"{{"id":"{id}","correo":"{correo}"}}"#).into_bytes(),
            },
            None => Invoked {
                status: 404,
                body: Vec::new(),
            },
        }
    }
}

/// The client of this number, who may not exist.
pub fn client(number: usize) -> IdCliente {
    let id = CLIENTS.get(number).map_or(STRANGER, |(id, _)| id);
    IdCliente::parse(id).unwrap_or_else(|error| panic!("{id}: {error}"))
}

#[async_trait]
impl Mensajeria for Postman {
    async fn entregar(&self, mensaje: &Mensaje) -> Entrega {
        let Self(life) = self;
        let silent = |why| Entrega::Incierto(Reason::new("MensajeriaNoDisponible", why));
        if let Err(why) = life.before(Part::Provider).await {
            return silent(why);
        }
        let world = life.world();
        let said = world.post.0.entregar(mensaje).await;
        if said == Entrega::Entregado {
            world.effects.told(&mensaje.clave);
        }
        world.note(|| format!("the provider answers {said:?} to {}", mensaje.clave));
        match life.answered(Part::Provider).await {
            Ok(()) => said,
            Err(why) => silent(why),
        }
    }
}
