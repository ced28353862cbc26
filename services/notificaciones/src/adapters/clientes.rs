//! The client's address, asked of gestión-clientes by service invocation: the saga may not carry it.

use seedwork::{App, IdCliente, Reason};
use seedwork_runtime::Sidecar;
use seedwork_runtime::http::percent_encode;
use serde::Deserialize;

/// What gestión-clientes says of a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Consulta {
    /// The client's mail address.
    Correo(String),
    /// There is no such client.
    Inexistente,
    /// Nothing definite; ask again later.
    Incierta(Reason),
}

/// The part of a client that we read.
#[derive(Deserialize)]
struct Cliente {
    correo: String,
}

/// Asks for a client's mail address.
pub async fn correo_de(sidecar: &dyn Sidecar, cliente: &IdCliente) -> Consulta {
    let path = format!("/clientes/cliente/{}", percent_encode(cliente.as_str()));
    let answer = match sidecar.invoke_get(App::GestionClientes, &path).await {
        Ok(answer) => answer,
        Err(error) => {
            let source = std::error::Error::source(&error).map(ToString::to_string);
            tracing::warn!(%error, source, "unable to ask for a client's address");
            return incierta("no responde");
        }
    };
    match answer.status {
        200 => match serde_json::from_slice::<Cliente>(&answer.body) {
            Ok(Cliente { correo }) if !correo.trim().is_empty() => Consulta::Correo(correo),
            Ok(_) | Err(_) => incierta("respondió sin un correo"),
        },
        404 => Consulta::Inexistente,
        status => incierta(&format!("respondió HTTP {status}")),
    }
}

fn incierta(que: &str) -> Consulta {
    Consulta::Incierta(Reason::new("ClientesNoDisponible", format!("gestion-clientes {que}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use seedwork_runtime::sidecar::MemorySidecar;

    async fn ask(path: &str, status: u16, body: serde_json::Value) -> Consulta {
        let sidecar = MemorySidecar::default();
        sidecar.serve_page(App::GestionClientes, path, status, &body);
        correo_de(&sidecar, &IdCliente::parse("Peña/7?x#y").unwrap()).await
    }

    #[tokio::test]
    async fn only_a_404_says_that_there_is_no_client() {
        let path = "/clientes/cliente/Pe%C3%B1a%2F7%3Fx%23y";
        let page = serde_json::json!({"id": "c-1", "correo": "ana@x.co", "nombre": "Ana"});
        assert_eq!(ask(path, 200, page.clone()).await, Consulta::Correo("ana@x.co".into()));
        assert_eq!(ask(path, 404, serde_json::json!({})).await, Consulta::Inexistente);
        for (status, body) in [
            (500, page.clone()),
            (503, serde_json::json!({})),
            (302, page),
            (200, serde_json::json!({"correo": " "})),
            (200, serde_json::json!({"correo": null})),
            (200, serde_json::json!([])),
        ] {
            assert!(
                matches!(ask(path, status, body.clone()).await, Consulta::Incierta(_)),
                "{status} {body}"
            );
        }
    }
}
