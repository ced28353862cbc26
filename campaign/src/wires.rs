//! Which wires there are, and parts that are told to use them.

use std::collections::BTreeMap;
use std::fs;

use local::error::During as _;
use local::part::Part;
use local::parts::Context;
use local::ports::Ports;
use local::render::{fill_in, values};
use local::settings::Profile;
use local::status::write_atomically;
use seedwork::App;

use crate::Outcome;
use crate::proxy::{Mode, Wire};

/// The hundred ports after the system's own are the wires'.
const FIRST: u16 = 100;

/// Every wire, by what it joins: `operator → kube-apiserver`.
pub(crate) struct Wires(Vec<(String, Wire)>);

/// The port of ours that leads to `target`: by its place among the system's own ports, so that it can be worked out.
fn before(ports: Ports, target: u16) -> u16 {
    ports.base() + FIRST + (target - ports.base())
}

/// Redis has a wire for each sidecar, so its port alone does not tell which.
fn before_redis(ports: Ports, app: App) -> u16 {
    // Sidecars have ten ports each and use five.
    before(ports, ports.sidecar(app).public) + 1
}

/// The gateway has two who call it.
fn before_pasarela(ports: Ports, app: App) -> u16 {
    before(ports, ports.sidecar(app).public) + 2
}

/// Who calls the gateway, and the variable that tells where it is.
const CALLERS: [(App, &str); 2] = [
    (App::IntegracionPagos, "PASARELA_URL"),
    (App::Notificaciones, "PROVEEDOR_URL"),
];

/// Each wire by its name: our port and where it leads, for each of its ports.
fn ends(ports: Ports) -> Vec<(String, Vec<(u16, u16)>)> {
    let mut ends: Vec<(String, Vec<(u16, u16)>)> = vec![
        (
            "operator → kube-apiserver".to_owned(),
            vec![(before(ports, ports.kube_apiserver()), ports.kube_apiserver())],
        ),
        (
            "kube-apiserver → etcd".to_owned(),
            vec![(before(ports, ports.etcd()), ports.etcd())],
        ),
    ];
    for app in App::ALL {
        let sidecar = ports.sidecar(app);
        let pair = |port| (before(ports, port), port);
        ends.push((
            format!("{0} → daprd-{0}", app.id()),
            vec![pair(sidecar.http), pair(sidecar.grpc)],
        ));
        ends.push((format!("daprd-{0} → {0}", app.id()), vec![pair(ports.app(app))]));
        ends.push((
            format!("daprd-{} → redis", app.id()),
            vec![(before_redis(ports, app), ports.redis())],
        ));
    }
    for (app, _) in CALLERS {
        ends.push((
            format!("{} → pasarela-simulada", app.id()),
            vec![(before_pasarela(ports, app), ports.pasarela())],
        ));
    }
    ends
}

// === impl Wires ===

impl Wires {
    /// Opens them all.
    pub(crate) async fn open(ports: Ports) -> Outcome<Self> {
        let mut all = Vec::new();
        for (name, ends) in ends(ports) {
            let wire = Wire::open(&ends).await;
            let wire = wire.map_err(|why| format!("{why}\n{}", elsewhere(ports)))?;
            all.push((name, wire));
        }
        Ok(Self(all))
    }

    /// Their names.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    /// Changes one.
    pub(crate) fn set(&self, name: &str, mode: Mode) {
        if let Some((_, wire)) = self.0.iter().find(|(known, _)| known == name) {
            wire.set(mode);
        }
    }

    /// Opens every one.
    pub(crate) fn heal(&self) {
        for (_, wire) in &self.0 {
            wire.set(Mode::Open);
        }
    }
}

/// What a person may do about a port that cannot be had.
fn elsewhere(ports: Ports) -> String {
    let base = ports.base();
    let other = if base < 60_000 { base + 1000 } else { 23_000 };
    format!(
        "End what holds it, or use other ports: {} (everything listens between there and 200 above)",
        Profile::Campaign.moved(other)
    )
}

/// The parts, told to use the wires, with more in the environment of some.
pub(crate) fn rewire(
    context: &Context,
    parts: Vec<Part>,
    more: &BTreeMap<&str, Vec<(&str, String)>>,
) -> local::Result<Vec<Part>> {
    let ports = context.settings.ports;
    let kubeconfig = wired_kubeconfig(context)?;
    let mut wired = Vec::new();
    for mut part in parts {
        if part.name == "operator" {
            part = part.env("KUBECONFIG", &kubeconfig);
        }
        if part.name == "kube-apiserver" {
            let etcd = format!("--etcd-servers=http://127.0.0.1:{}", before(ports, ports.etcd()));
            replace_flag(&mut part, "--etcd-servers=", etcd)?;
        }
        for app in App::ALL {
            let sidecar = ports.sidecar(app);
            if part.name == app.id() {
                part = part
                    .env("DAPR_HTTP_PORT", before(ports, sidecar.http).to_string())
                    .env("DAPR_GRPC_PORT", before(ports, sidecar.grpc).to_string());
            }
            if part.name == format!("daprd-{}", app.id()) {
                let folder = wired_resources(context, app)?;
                replace_flag(&mut part, "--resources-path=", format!("--resources-path={folder}"))?;
                let app_port = format!("--app-port={}", before(ports, ports.app(app)));
                replace_flag(&mut part, "--app-port=", app_port)?;
            }
        }
        for (app, variable) in CALLERS {
            if part.name == app.id() {
                let url = format!("http://127.0.0.1:{}", before_pasarela(ports, app));
                part = part.env(variable, url);
            }
        }
        for (name, value) in more.get(part.name.as_str()).into_iter().flatten() {
            part = part.env(name, value);
        }
        wired.push(part);
    }
    Ok(wired)
}

/// A flag that is not there is an error: the wire that it leads to would cut nothing.
fn replace_flag(part: &mut Part, start: &str, flag: String) -> local::Result<()> {
    let found = part.args.iter_mut().find(|arg| arg.starts_with(start));
    let missing = || local::Error::advice(format!("{} has no flag {start}: its wire would cut nothing", part.name));
    *found.ok_or_else(missing)? = flag;
    Ok(())
}

/// The operator's kubeconfig, leading over its wire; the server's certificate names the machine, not the port.
fn wired_kubeconfig(context: &Context) -> local::Result<String> {
    let ports = context.settings.ports;
    let own = context.layout.operator_kubeconfig();
    let content = fs::read_to_string(&own).during(format!("read {}", own.display()))?;
    let wired = wired(&content, ports)?;
    let file = context.layout.state().join("operator-wired.kubeconfig");
    write_atomically(&file, wired.as_bytes())?;
    Ok(file.display().to_string())
}

/// A kubeconfig with the wire's port in the server's place. One that names another server is an error: the wire would cut
/// nothing.
fn wired(kubeconfig: &str, ports: Ports) -> local::Result<String> {
    let server = |port: u16| format!("https://127.0.0.1:{port}");
    let own = server(ports.kube_apiserver());
    if !kubeconfig.contains(&own) {
        let why = format!("the operator's kubeconfig does not name {own}: its wire would cut nothing");
        return Err(local::Error::advice(why));
    }
    Ok(kubeconfig.replace(&own, &server(before(ports, ports.kube_apiserver()))))
}

/// What a sidecar loads, with a broker behind its own wire.
fn wired_resources(context: &Context, app: App) -> local::Result<String> {
    let source = context.layout.root().join("dapr-components/local");
    let folder = context.layout.state().join(format!("dapr/resources-{}", app.id()));
    fs::create_dir_all(&folder).during(format!("make the folder {}", folder.display()))?;
    let mut known = values(&context.settings, context.layout.state(), &context.tokens.redis);
    let port = before_redis(context.settings.ports, app);
    known.insert("REDIS_PORT".to_owned(), port.to_string());
    let reading = || format!("read {}", source.display());
    for entry in fs::read_dir(&source).during(reading())? {
        let file = entry.during(reading())?.path();
        let name = file.file_name().map(|name| name.to_string_lossy().into_owned());
        // `config.yaml` is the sidecar's configuration, which holds no address of the broker.
        let Some(name) = name.filter(|name| name.ends_with(".yaml") && name != "config.yaml") else {
            continue;
        };
        let template = fs::read_to_string(&file).during(format!("read {}", file.display()))?;
        let filled =
            fill_in(&template, &known).map_err(|why| local::Error::advice(format!("{}: {why}", file.display())))?;
        write_atomically(&folder.join(name), filled.as_bytes())?;
    }
    Ok(folder.display().to_string())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_two_wires_share_a_port_and_each_has_a_name_of_its_own() {
        let wires = ends(Ports::from_base(23_000).unwrap());
        let names: BTreeSet<&str> = wires.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!((names.len(), wires.len()), (19, 19));
        let ours: Vec<u16> = wires
            .iter()
            .flat_map(|(_, ends)| ends.iter().map(|(port, _)| *port))
            .collect();
        let distinct: BTreeSet<u16> = ours.iter().copied().collect();
        assert_eq!(distinct.len(), ours.len());
        // The system has the hundred ports before.
        assert!(
            distinct.iter().all(|port| (23_100..23_200).contains(port)),
            "{distinct:?}"
        );
    }

    #[tokio::test]
    async fn who_finds_a_port_of_a_wire_taken_is_told_who_holds_it_and_how_to_use_others() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        // The first wire leads to the API server.
        let some = Ports::from_base(23_000).unwrap();
        let base = port - (before(some, some.kube_apiserver()) - some.base());
        let opened = Wires::open(Ports::from_base(base).unwrap()).await;
        let why = opened.map(drop).unwrap_err();
        let holder = format!("(process {})", std::process::id());
        assert!(why.contains(&format!("port {port}")) && why.contains(&holder), "{why}");
        let other = if base < 60_000 { base + 1000 } else { 23_000 };
        assert!(why.contains(&format!(": PORT_BASE={other} make campaign ")), "{why}");
    }

    #[test]
    fn what_is_not_found_cannot_be_led_over_a_wire() {
        let mut part = Part::new("kube-apiserver", "kube-apiserver").arg("--etcd-servers=http://127.0.0.1:1");
        replace_flag(
            &mut part,
            "--etcd-servers=",
            "--etcd-servers=http://127.0.0.1:2".to_owned(),
        )
        .unwrap();
        assert_eq!(part.args, ["--etcd-servers=http://127.0.0.1:2"]);
        assert!(replace_flag(&mut part, "--etcd-server=", String::new()).is_err());
        let ports = Ports::from_base(23_000).unwrap();
        let server = format!("server: https://127.0.0.1:{}", ports.kube_apiserver());
        let led = format!("server: https://127.0.0.1:{}", before(ports, ports.kube_apiserver()));
        assert_eq!(wired(&server, ports).unwrap(), led);
        assert!(wired("server: https://localhost:23000", ports).is_err());
    }
}
