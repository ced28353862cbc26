//! `local status`: what runs, whether it answers, and what it takes.

use std::io::IsTerminal;
use std::path::Path;

use futures::future::join_all;
use seedwork::contrato::App;

use super::down::left_behind;
use super::{others, typed};
use crate::error::Result;
use crate::layout::Layout;
use crate::out::say;
use crate::part::{Part, read_parts};
use crate::ready;
use crate::settings::Profile;
use crate::status::{PartStatus, State, Status};
use crate::table::{self, Seen};
use crate::tools::PASARELA;

/// Prints the table of each system that runs; for who names no profile, of every one.
pub async fn status(root: &Path, profiles: &[Profile]) -> Result<()> {
    let mut running = false;
    for profile in profiles.iter().copied().chain(others(profiles)) {
        let layout = Layout::new(root, profile);
        let Some(status) = Status::of_running(layout.state())? else {
            let left = left_behind(layout.state()).len();
            if left > 0 {
                say(format!(
                    "the `{}` system has {left} processes that nobody looks after: {} ends them",
                    profile.name(),
                    typed(profile, "down")
                ));
                running = true;
            }
            continue;
        };
        running = true;
        say(format!("the `{}` system", profile.name()));
        let parts = read_parts(layout.state())?;
        let seen = join_all(status.parts.iter().map(|part| look(part, &parts))).await;
        say(table::draw(&status, &seen, std::io::stdout().is_terminal()));
        let own = status.supervisor.memory_kib().unwrap_or_default();
        say(format!(
            "  {:<18} process {}, {} MiB",
            "supervisor",
            status.supervisor.pid,
            own.div_ceil(1024)
        ));
        say(addresses(&layout, &parts));
    }
    if !running {
        say("nothing is running");
    }
    Ok(())
}

async fn look(status: &PartStatus, parts: &[Part]) -> Seen {
    let trouble = match parts.iter().find(|part| part.name == status.part) {
        Some(part) if status.state == State::Ready => ready::check(&part.ready).await.err(),
        _ => None,
    };
    Seen {
        memory_kib: status.process.and_then(|process| process.memory_kib()),
        trouble,
    }
}

/// Where a person goes from here.
pub(super) fn addresses(layout: &Layout, parts: &[Part]) -> String {
    let pages = [
        ("GraphQL", App::Bff.id(), "/v1"),
        ("events (SSE)", App::Bff.id(), "/stream"),
        ("clients, invoices", App::GestionClientes.id(), "/spec"),
        ("payments", App::IntegracionPagos.id(), "/spec"),
        ("notifications", App::Notificaciones.id(), "/spec"),
        ("gateway simulator", PASARELA, "/resultados"),
        ("traces", "jaeger", "/api/services"),
    ];
    let mut text = String::new();
    for (what, name, path) in pages {
        if let Some(port) = parts
            .iter()
            .find(|part| part.name == name)
            .and_then(|part| part.ports.first())
        {
            text.push_str(&format!("  {what:<18} http://127.0.0.1:{port}{path}\n"));
        }
    }
    let admin = layout.admin_kubeconfig();
    text.push_str(&format!(
        "  {:<18} export KUBECONFIG={}; kubectl get paymentsagas\n",
        "kubectl",
        admin.display()
    ));
    text
}
