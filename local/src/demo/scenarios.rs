//! The seven payments, and what must come out of each.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use checker::{Accepted, Saldo, saldos};
use kube::api::{Api, DynamicObject, Patch, PatchParams};
use kube::discovery::ApiResource;
use nix::sys::signal::Signal;
use seedwork::{IdCliente, IdCorrelacion};

use super::Stage;
use crate::error::{Error, Result};
use crate::kubernetes::NAMESPACE;
use crate::out::say;
use crate::status::{State, Status};
use crate::wait::{TimedOut, until};
use crate::world::{Pago, accepted};

/// How long one payment may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// The client of `examples/paymentsaga.yaml`: made under this key, it always has the same id.
pub(crate) const EXAMPLE_CLIENT_KEY: &str = "cliente-de-ejemplo";

/// Plays them all; answers the payment that was declined, whose trace is shown.
pub(super) async fn all(stage: &mut Stage) -> Result<Accepted> {
    let ana = stage
        .world
        .cliente("Ana", "ana@example.com", EXAMPLE_CLIENT_KEY)
        .await?;
    let berta = stage.world.cliente("Berta", "berta@example.com", "berta").await?;
    let rosa = stage.world.cliente("Rosa", "rechaza-todo@example.com", "rosa").await?;

    stage.title(1, "a payment that goes through", "24.00");
    let (pago, end) = stage.pay(&ana, "24.00").await?;
    stage.ends(&pago, &end, "Completed", None).await?;
    stage.plan(&ana, "PAGADO").await?;
    stage.told(&pago, &["ALERTA"]).await?;

    stage.title(2, "a card that is declined", "24.01");
    let (declined, end) = stage.pay(&berta, "24.01").await?;
    stage.ends(&declined, &end, "Compensated", Some("PagoFallido")).await?;
    stage.plan(&berta, "PENDIENTE").await?;
    stage.told(&declined, &["ALERTA-REVERSION"]).await?;

    stage.title(3, "a gateway that takes the money and never answers", "24.12");
    let (pago, end) = stage.pay(&ana, "24.12").await?;
    stage.ends(&pago, &end, "Completed", None).await?;

    stage.title(4, "a client that does not exist", "24.00");
    let nadie = IdCliente::parse("abcd-1234").map_err(|error| Error::advice(error.to_string()))?;
    let (pago, end) = stage.pay(&nadie, "24.00").await?;
    stage
        .ends(&pago, &end, "Compensated", Some("FacturacionFallida"))
        .await?;
    stage.told(&pago, &[]).await?;

    stage.title(
        5,
        "a notification that every medium refuses (policy Compensate)",
        "24.00",
    );
    let (pago, end) = stage.pay(&rosa, "24.00").await?;
    stage
        .ends(&pago, &end, "Compensated", Some("NotificacionFallida"))
        .await?;
    stage.plan(&rosa, "PENDIENTE").await?;

    stage.title(6, "the operator is killed with -9 while the gateway works", "24.15");
    let (pago, end) = kill_the_operator(stage, &ana).await?;
    stage.ends(&pago, &end, "Completed", None).await?;

    stage.title(
        7,
        "a payment made with kubectl apply -f examples/paymentsaga.yaml",
        "24.00",
    );
    let (pago, end) = apply_the_example(stage, &ana).await?;
    stage.ends(&pago, &end, "Completed", None).await?;
    Ok(declined)
}

async fn kill_the_operator(stage: &mut Stage, cliente: &IdCliente) -> Result<(Accepted, Pago)> {
    let payment = stage.world.pagar(cliente, "24.15").await?;
    let id = payment.id.clone();
    stage.accepted.push(payment.clone());
    say(format!("  {}", id.resource_name()));
    let resource: Api<DynamicObject> = Api::namespaced_with(stage.world.kube().clone(), NAMESPACE, &payment_sagas());
    until("the resource to show step 2 issued", PATIENCE, async || {
        let object = resource
            .get(&id.resource_name())
            .await
            .map_err(|error| error.to_string())?;
        let steps = &object.data["status"]["steps"];
        let issued = steps[1]["state"] == "Issued";
        if issued {
            Ok(())
        } else {
            Err(format!("its steps are {steps}"))
        }
    })
    .await
    .map_err(|late| stuck(&late))?;
    let old = operator(stage)?.ok_or_else(|| Error::advice("the operator does not run: `make status`"))?;
    old.signal(Signal::SIGKILL);
    let new = until("another operator", PATIENCE, async || match operator(stage) {
        Ok(Some(new)) if new.pid != old.pid => Ok(new),
        _ => Err("the supervisor has not started one yet".to_owned()),
    })
    .await
    .map_err(|late| stuck(&late))?;
    say(format!(
        "  resource shows step 2 (RealizarPago) Issued: kill -9 {}; started again as {}",
        old.pid, new.pid
    ));
    let end = stage.follow(&id).await?;
    Ok((payment, end))
}

/// What did not come about in time, and where to look.
fn stuck(late: &TimedOut) -> Error {
    Error::advice(format!("{late}; `make status` and `make logs S=operator` say more"))
}

fn operator(stage: &Stage) -> Result<Option<crate::process::Identity>> {
    let status = Status::of_running(stage.layout.state())?;
    let parts = status.map(|status| status.parts).unwrap_or_default();
    Ok(parts
        .into_iter()
        .find(|part| part.part == "operator" && part.state != State::BackOff)
        .and_then(|p| p.process))
}

/// What `kubectl` calls it.
pub(super) fn payment_sagas() -> ApiResource {
    let kind = kube::api::GroupVersionKind::gvk("pagos.saludtech.dev", "v1alpha1", "PaymentSaga");
    ApiResource::from_gvk_with_plural(&kind, "paymentsagas")
}

async fn apply_the_example(stage: &mut Stage, cliente: &IdCliente) -> Result<(Accepted, Pago)> {
    let file = stage.layout.root().join("examples/paymentsaga.yaml");
    let text = std::fs::read_to_string(&file).map_err(|error| Error::advice(format!("{}: {error}", file.display())))?;
    let object: DynamicObject = serde_yaml_ng::from_str(&text).map_err(|source| Error::Yaml {
        what: file.display().to_string(),
        source,
    })?;
    let name = object.metadata.name.clone().unwrap_or_default();
    if object.data["spec"]["idCliente"] != cliente.as_str() {
        return Err(Error::advice(format!(
            "{} names another client than {cliente}",
            file.display()
        )));
    }
    apply(stage, &file, &name, &object).await?;
    let id =
        IdCorrelacion::from_resource_name(&name).ok_or_else(|| Error::advice("the example's name is no pago-…"))?;
    let payment = accepted(
        id,
        cliente.clone(),
        object.data["spec"]["monto"].as_str().unwrap_or_default(),
    )?;
    stage.accepted.push(payment.clone());
    let end = stage.follow(&payment.id).await?;
    Ok((payment, end))
}

async fn apply(stage: &Stage, file: &Path, name: &str, object: &DynamicObject) -> Result<()> {
    let mut kubectl = Command::new("kubectl");
    kubectl
        .arg("apply")
        .arg("-f")
        .arg(file)
        .env("KUBECONFIG", stage.layout.admin_kubeconfig());
    match kubectl.output() {
        Ok(output) if output.status.success() => {
            say(format!("  {}", String::from_utf8_lossy(&output.stdout).trim()));
            Ok(())
        }
        Ok(output) => Err(Error::advice(format!(
            "kubectl apply: {}",
            String::from_utf8_lossy(&output.stderr)
        ))),
        // There is no kubectl here: the same request, made by ourselves.
        Err(_) => {
            let api: Api<DynamicObject> = Api::namespaced_with(stage.world.kube().clone(), NAMESPACE, &payment_sagas());
            api.patch(name, &PatchParams::apply("demo").force(), &Patch::Apply(object))
                .await
                .map_err(|error| Error::advice(format!("the example is refused: {error}")))?;
            say(format!("  paymentsaga.pagos.saludtech.dev/{name} created"));
            Ok(())
        }
    }
}

// === impl Stage ===

impl Stage {
    fn title(&self, number: usize, what: &str, monto: &str) {
        say(format!(
            "\n{} {}",
            self.paint.strong(format!("{number}. {what}")),
            self.paint.faint(format!("({monto} USD)"))
        ));
    }

    async fn pay(&mut self, cliente: &IdCliente, monto: &str) -> Result<(Accepted, Pago)> {
        let payment = self.world.pagar(cliente, monto).await?;
        self.accepted.push(payment.clone());
        say(format!("  {}", payment.id.resource_name()));
        let end = self.follow(&payment.id).await?;
        Ok((payment, end))
    }

    /// Prints a payment's states as they change, until it has ended.
    async fn follow(&self, id: &IdCorrelacion) -> Result<Pago> {
        let started = Instant::now();
        let mut last = String::new();
        until(&format!("the end of {id}"), PATIENCE, async || {
            let pago = match self.world.pago(id).await {
                Ok(Some(pago)) => pago,
                Ok(None) => return Err("the BFF does not know it yet".to_owned()),
                Err(error) => return Err(error.to_string()),
            };
            let busy = pago
                .pasos
                .iter()
                .rfind(|paso| matches!(paso.estado.as_str(), "Issued" | "Undoing" | "UndoFailing"));
            let doing = busy
                .map(|paso| format!("{} {}", paso.nombre, paso.estado))
                .unwrap_or_default();
            let line = format!("{:<12} {:<4} {doing}", pago.fase, pago.step.clone().unwrap_or_default());
            if line != last {
                say(format!(
                    "  {} {line}",
                    self.paint.faint(format!("{:>6.2} s", started.elapsed().as_secs_f64()))
                ));
                last = line;
            }
            if pago.terminado {
                Ok(pago)
            } else {
                Err(format!("it is {}", pago.fase))
            }
        })
        .await
        .map_err(|late| stuck(&late))
    }

    fn expect(&mut self, holds: bool, what: &str) {
        say(format!(
            "  {} {what}",
            if holds {
                self.paint.good("ok")
            } else {
                self.paint.bad("NOT")
            }
        ));
        if !holds {
            self.failures.push(what.to_owned());
        }
    }

    /// The phase, the reason, the invoice and the money.
    async fn ends(&mut self, payment: &Accepted, end: &Pago, phase: &str, reason: Option<&str>) -> Result<()> {
        let why = end.motivo.as_deref();
        let sentence = end
            .mensaje
            .as_ref()
            .map(|text| format!(" — {text}"))
            .unwrap_or_default();
        self.expect(
            end.fase == phase && why == reason,
            &format!(
                "{} is {phase}{}{sentence}",
                payment.id.resource_name(),
                reason.map(|r| format!(", {r}")).unwrap_or_default()
            ),
        );
        let estado = self.world.factura(&payment.id).await?;
        let expected = match (phase, reason) {
            ("Completed", _) => Some("CONFIRMADO"),
            (_, Some("FacturacionFallida")) => None,
            _ => Some("CANCELADO"),
        };
        self.expect(
            estado.as_deref() == expected,
            &format!("invoice {}", expected.unwrap_or("was never issued")),
        );
        let saldos = saldos(&self.world.movimientos().await?);
        let Saldo {
            capturas,
            capturado,
            reembolsado,
            ..
        } = saldos.get(payment.id.as_str()).cloned().unwrap_or_default();
        let (held, once) = if phase == "Completed" {
            (payment.minor, capturas == 1)
        } else {
            (0, capturas <= 1)
        };
        let text =
            format!("gateway: {capturas} capture(s) of {capturado}, {reembolsado} refunded, {held} kept (cents)");
        self.expect(once && capturado - reembolsado == held, &text);
        Ok(())
    }

    async fn plan(&mut self, cliente: &IdCliente, expected: &str) -> Result<()> {
        let plan = self.world.plan(cliente).await?;
        self.expect(plan.as_deref() == Some(expected), &format!("plan {expected}"));
        Ok(())
    }

    async fn told(&mut self, payment: &Accepted, expected: &[&str]) -> Result<()> {
        let told = self.world.notificaciones(&payment.id).await?;
        let text = if expected.is_empty() {
            "nobody to tell".to_owned()
        } else {
            format!("client told: {}", expected.join(", "))
        };
        self.expect(told == expected, &text);
        Ok(())
    }
}
