//! What the system has spent so far: CPU and memory of each process, writes to the API server.

use std::collections::BTreeMap;

use local::layout::Layout;
use local::status::Status;
use local::world::World;

use crate::{Outcome, text};

/// Spent since the start of each process.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cost {
    /// CPU by process, in milliseconds.
    pub(crate) cpu: BTreeMap<String, f64>,
    /// Resident memory by process, in MiB.
    pub(crate) memory: BTreeMap<String, f64>,
    /// Writes on payments that were accepted, by verb.
    pub(crate) writes: BTreeMap<String, f64>,
}

/// `_SC_CLK_TCK` of Linux, on every architecture that we build for: proc(5) counts in hundredths of a second.
const MS_PER_TICK: f64 = 10.0;

// === impl Cost ===

impl Cost {
    /// Looks.
    pub(crate) async fn now(world: &World, layout: &Layout) -> Outcome<Self> {
        let status = Status::of_running(layout.state()).map_err(text)?;
        let status = status.ok_or("nothing runs here; start it with `make up`")?;
        let mut cost = Self::default();
        for part in status.parts {
            let Some(process) = part.process else { continue };
            let (cpu, memory) = process_cost(process.pid)?;
            cost.cpu.insert(part.part.clone(), cpu);
            cost.memory.insert(part.part, memory);
        }
        let (cpu, memory) = process_cost(std::process::id())?;
        cost.cpu.insert("(this load)".to_owned(), cpu);
        cost.memory.insert("(this load)".to_owned(), memory);
        cost.writes = writes(world).await?;
        Ok(cost)
    }
}

/// Milliseconds of CPU and MiB of memory of a process, from proc(5).
fn process_cost(pid: u32) -> Outcome<(f64, f64)> {
    let read = |file: &str| std::fs::read_to_string(format!("/proc/{pid}/{file}")).map_err(text);
    let stat = read("stat")?;
    // The name, in parentheses, may hold blanks.
    let fields: Vec<&str> = stat
        .rsplit_once(')')
        .map_or("", |(_, rest)| rest)
        .split_whitespace()
        .collect();
    let ticks = |nth: usize| {
        fields
            .get(nth)
            .and_then(|field| field.parse::<f64>().ok())
            .unwrap_or_default()
    };
    let resident = read("status")?;
    let resident = resident.lines().find_map(|line| {
        line.strip_prefix("VmRSS:")?
            .split_whitespace()
            .next()?
            .parse::<f64>()
            .ok()
    });
    Ok((
        (ticks(11) + ticks(12)) * MS_PER_TICK,
        resident.unwrap_or_default() / 1024.0,
    ))
}

async fn writes(world: &World) -> Outcome<BTreeMap<String, f64>> {
    let request = http::Request::get("/metrics").body(Vec::new()).map_err(text)?;
    let metrics = world.kube().request_text(request).await.map_err(text)?;
    let mut writes = BTreeMap::new();
    for line in metrics
        .lines()
        .filter(|line| line.starts_with("apiserver_request_total{"))
    {
        let label = |name: &str| {
            line.split_once(&format!("{name}=\""))
                .and_then(|(_, rest)| rest.split_once('"'))
                .map(|(value, _)| value)
        };
        let verb = label("verb").unwrap_or_default();
        let accepted = matches!(label("code"), Some("200" | "201"));
        if accepted && label("resource") == Some("paymentsagas") && matches!(verb, "POST" | "PUT" | "PATCH" | "DELETE")
        {
            let subresource = label("subresource")
                .filter(|text| !text.is_empty())
                .map(|text| format!(" {text}"));
            let count: f64 = line
                .rsplit_once(' ')
                .and_then(|(_, count)| count.parse().ok())
                .unwrap_or_default();
            *writes
                .entry(format!("{verb}{}", subresource.unwrap_or_default()))
                .or_insert(0.0) += count;
        }
    }
    Ok(writes)
}
