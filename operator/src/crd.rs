//! The `PaymentSaga` resource, and the rules that the API server itself enforces.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, CustomResourceExt as _};
use saga::{Aviso, Cause, Politica, StepState};
use schemars::JsonSchema;
use seedwork::{MedioPago, Moneda, Phase, Step};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// A payment: a saga over billing, the gateway and notifications. It ends Completed, or everything it did is undone
/// (Compensated), or it is Stalled in plain sight with its reason.
#[derive(CustomResource, Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "pagos.saludtech.dev",
    version = "v1alpha1",
    kind = "PaymentSaga",
    namespaced,
    status = "PaymentSagaStatus",
    shortname = "psaga",
    category = "pagos",
    derive = "PartialEq",
    selectable = ".spec.idCliente",
    selectable = ".status.phase",
    printcolumn = r#"{"name":"Phase","type":"string","jsonPath":".status.phase"}"#,
    printcolumn = r#"{"name":"Step","type":"string","jsonPath":".status.step","description":"steps issued / all"}"#,
    printcolumn = r#"{"name":"Reason","type":"string","jsonPath":".status.reason"}"#,
    printcolumn = r#"{"name":"Cliente","type":"string","jsonPath":".spec.idCliente"}"#,
    printcolumn = r#"{"name":"Monto","type":"string","jsonPath":".spec.monto"}"#,
    printcolumn = r#"{"name":"Moneda","type":"string","jsonPath":".spec.moneda"}"#,
    printcolumn = r#"{"name":"Duration","type":"string","jsonPath":".status.duration","priority":1}"#,
    printcolumn = r#"{"name":"Trace","type":"string","jsonPath":".status.traceId","priority":1}"#,
    printcolumn = r#"{"name":"Message","type":"string","jsonPath":".status.message","priority":1}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase")]
pub struct PaymentSagaSpec {
    /// Who pays: 1 to 128 printable characters. Whether the client exists is for step 1 to say.
    pub id_cliente: String,

    /// With what.
    pub medio_pago: MedioPago,

    /// How much, as decimal text: more than 0, at most 1000000, no more decimals than the currency has.
    pub monto: String,

    /// ISO 4217 currency code.
    #[serde(default = "usd")]
    pub moneda: String,

    /// Steps, deadlines and back-offs. Filled in by the operator when the payment starts, then immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub politica: Option<Politica>,

    /// Publish nothing and let no deadline run while true. Answers are still recorded.
    #[serde(default, skip_serializing_if = "is_false")]
    pub suspend: bool,

    /// Undo everything, if the payment has not ended. Never goes back to false.
    #[serde(default, skip_serializing_if = "is_false")]
    pub cancel: bool,
}

/// What is recorded of a payment. Written by the operator only.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PaymentSagaStatus {
    /// Where the payment stands; derived from the steps.
    pub phase: Phase,

    /// Grows with each transition.
    pub secuencia: u64,

    /// Steps issued / all.
    pub step: String,

    /// Each step, in order.
    pub steps: Vec<StepStatus>,

    /// Whether the client was told of the reversal.
    pub aviso: Aviso,

    /// Why everything is undone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,

    /// Why the payment did not, or does not yet, complete: a stable code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,

    /// The same as a sentence, with the remedy where a person is needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,

    /// Completed, Compensated, Stalled; Ready once ended well or undone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,

    /// The generation of the spec that was acted on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,

    /// The engine that wrote this; an older one leaves it alone.
    pub engine_version: u32,

    /// The W3C trace id of the payment's one trace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,

    /// When the payment began, RFC 3339.
    pub start_time: String,

    /// When it ended, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completion_time: Option<String>,

    /// How long it took, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration: Option<String>,

    /// The value of the retry annotation that was acted on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_seen: Option<String>,

    /// The last word of a person (`resolved-by`) that was acted on: it ended a stalled undo by hand, or found none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved_by: Option<String>,
}

/// What is recorded of one step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StepStatus {
    /// Which step.
    pub name: Step,

    /// Where it stands.
    pub state: StepState,

    /// When it last changed its state, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,

    /// Why, when it did not simply work: a stable code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,

    /// The same as a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// Version of the recorded state's meaning. Grows when an older operator must not touch what a newer one wrote.
///
/// 2: a step after the one being done may have been asked for without a record ([`saga::may_wait`]).
pub const ENGINE_VERSION: u32 = 2;

fn usd() -> String {
    Moneda::USD.as_str().to_owned()
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_false(value: &bool) -> bool {
    !*value
}

// === impl PaymentSaga ===

impl PaymentSaga {
    /// Whether its record says that it has ended.
    pub fn has_ended(&self) -> bool {
        let status = self.status.as_ref();
        status.is_some_and(|status| status.completion_time.is_some())
    }
}

/// The definition, with its CEL rules, and with the payment described where kube says only what it derived the type from.
pub fn definition() -> Result<CustomResourceDefinition, serde_json::Error> {
    let mut value = serde_json::to_value(PaymentSaga::crd())?;
    if let Some(schema) = value.pointer_mut("/spec/versions/0/schema/openAPIV3Schema") {
        add_rules(schema);
        let spec = &mut schema["properties"]["spec"]["description"];
        let payment = std::mem::replace(spec, json!("What was asked for. Only suspend and cancel may change."));
        schema["description"] = payment;
    }
    serde_json::from_value(value)
}

/// The definition as YAML, as it is committed and applied.
pub fn yaml() -> Result<String, Box<dyn std::error::Error + Send + Sync>> {
    Ok(serde_yaml_ng::to_string(&definition()?)?)
}

/// Where a schema has its rules.
const VALIDATIONS: &str = "x-kubernetes-validations";

/// Of a value that stays what it was when the resource was made.
const UNCHANGED: &str = "self == oldSelf";

const POLITICA_IS_FIXED: &str = "politica is fixed once the payment has started";

fn rule(rule: impl Into<String>, message: &str) -> Value {
    json!({"rule": rule.into(), "message": message})
}

fn add_rules(schema: &mut Value) {
    schema[VALIDATIONS] = json!([rule(
        "self.metadata.name.matches('^pago-[a-z0-9]([-a-z0-9]*[a-z0-9])?$') && self.metadata.name.size() <= 63",
        "metadata.name must be pago- and the idCorrelacion: lower-case letters, digits and inner hyphens, at most 63",
    )]);
    // A rule stands at the value it judges: reading a field of an object costs the API server its whole schema, at every write.
    let spec = &mut schema["properties"]["spec"];
    spec[VALIDATIONS] = json!([
        rule("!has(oldSelf.politica) || has(self.politica)", POLITICA_IS_FIXED),
        rule(
            "!has(oldSelf.cancel) || !oldSelf.cancel || (has(self.cancel) && self.cancel)",
            "cancel never goes back: what was undone stays undone",
        ),
        rule(decimals_rule(), "monto must have no more decimals than its currency"),
    ]);
    let unchanged = || {
        rule(
            UNCHANGED,
            "a payment cannot be changed: make another one (only suspend and cancel may be set)",
        )
    };
    let printable = rule(
        r"self.matches('^[^\\x00-\\x1f\\x7f]*[^\\s\\x00-\\x1f\\x7f][^\\x00-\\x1f\\x7f]*$')",
        "idCliente must be 1 to 128 printable characters",
    );
    let properties = &mut spec["properties"];
    merge(
        &mut properties["idCliente"],
        json!({"minLength": 1, "maxLength": 128, VALIDATIONS: [printable, unchanged()]}),
    );
    merge(&mut properties["medioPago"], json!({VALIDATIONS: [unchanged()]}));
    let more_than_nothing = rule("double(self) > 0.0", "monto must be greater than 0");
    let at_most = rule("double(self) <= 1000000.0", "monto must be at most 1000000");
    merge(
        &mut properties["monto"],
        json!({"maxLength": 11, "pattern": r"^[0-9]{1,7}(\.[0-9]{1,3})?$", VALIDATIONS: [more_than_nothing, at_most, unchanged()]}),
    );
    let codes: Vec<_> = Moneda::all().collect();
    merge(
        &mut properties["moneda"],
        json!({"minLength": 3, "maxLength": 3, "enum": codes, VALIDATIONS: [unchanged()]}),
    );
    merge(
        &mut properties["politica"]["properties"]["pasos"],
        json!({"minItems": 1, "maxItems": Step::ALL.len()}),
    );

    // One value with one owner: a policy is fixed, a status is the operator's. Otherwise the API server keeps for each of
    // their fields who set it, which is 1.1 of the 3.8 kB of a payment, worked out again at every write.
    // And no policy is no value: `null` would be one that no rule of the policy is asked about.
    merge(
        &mut properties["politica"],
        json!({"x-kubernetes-map-type": "atomic", "nullable": false, VALIDATIONS: [rule(UNCHANGED, POLITICA_IS_FIXED)]}),
    );
    merge(
        &mut schema["properties"]["status"],
        json!({"x-kubernetes-map-type": "atomic"}),
    );

    let status = &mut schema["properties"]["status"]["properties"];
    let moves = rule(
        phase_rule(),
        "the phase moves only as the engine's table allows; Compensated is final",
    );
    merge(&mut status["phase"], json!({VALIDATIONS: [moves]}));
    let forward = rule("self >= oldSelf", "secuencia never goes back");
    merge(&mut status["secuencia"], json!({VALIDATIONS: [forward]}));
    merge(&mut status["steps"], json!({"maxItems": Step::ALL.len()}));
    merge(
        &mut status["conditions"],
        json!({"maxItems": 8, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]}),
    );
}

/// The decimals of each currency, as CEL.
fn decimals_rule() -> String {
    let listed = |decimals| {
        let codes = Moneda::all()
            .filter(|moneda| moneda.decimals() == decimals)
            .map(|moneda| format!("'{moneda}'"));
        format!("self.moneda in [{}]", codes.collect::<Vec<_>>().join(","))
    };
    format!(
        "!self.monto.contains('.') || self.monto.split('.')[1].size() <= ({} ? 0 : ({} ? 3 : 2))",
        listed(0),
        listed(3)
    )
}

/// The engine's own table of phase moves, as CEL.
fn phase_rule() -> String {
    let moves = Phase::ALL.into_iter().filter_map(|from| {
        let to: Vec<_> = Phase::ALL
            .into_iter()
            .filter(|to| saga::allowed(Some(from), *to))
            .collect();
        let names: Vec<_> = to.iter().map(|to| format!("'{to}'")).collect();
        (!to.is_empty()).then(|| format!("(oldSelf == '{from}' && self in [{}])", names.join(", ")))
    });
    let table: Vec<_> = std::iter::once(UNCHANGED.to_owned()).chain(moves).collect();
    table.join(" || ")
}

fn merge(target: &mut Value, more: Value) {
    if let (Some(target), Value::Object(more)) = (target.as_object_mut(), more) {
        target.extend(more);
    }
}
