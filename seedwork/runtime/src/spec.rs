//! `GET /spec` and `GET /docs`: what a service serves, as an OpenAPI 3.1 document and as a page to try it on.
//!
//! Routes and document come from the same `#[utoipa::path]`, so they cannot differ. What the shell does for every
//! route (who asks, faults of ours) is declared here, once.

use std::borrow::Cow;
use std::collections::BTreeMap;

use axum::Router;
use axum::http::{StatusCode, header};
use axum::routing::get;
use utoipa::openapi::path::{HttpMethod, Operation, OperationBuilder, PathItem};
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, Schema, Type};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{Components, ContentBuilder, OpenApi, Ref, RefOr, Response, ResponseBuilder};
use utoipa::{IntoResponses, PartialSchema, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_swagger_ui::{Config, SwaggerUi};

use crate::problem::Problem;

/// What a document says of its service.
#[derive(Debug, Clone, Copy)]
pub struct Info {
    /// Its name.
    pub title: &'static str,
    /// What it is for, in Markdown.
    pub description: &'static str,
}

/// The name of the security scheme.
const BEARER: &str = "bearer";

/// Adds `GET /spec` and `GET /docs` to the routes that the document is about. Neither asks who asks.
pub fn finish(router: OpenApiRouter, info: Info) -> Router {
    let text = json(&document(&router, info));
    let page = Config::new(["/spec"])
        // The default sends the document's address to a validator elsewhere.
        .validator_url("none")
        .try_it_out_enabled(true);
    let spec = get(move || {
        let text = text.clone();
        async move { ([(header::CONTENT_TYPE, "application/json")], text) }
    });
    Router::from(router)
        .route("/spec", spec)
        .merge(SwaggerUi::new("/docs").config(page))
}

/// The document of a service's routes, as `/spec` serves it and as `spec.json` keeps it.
pub fn document<S: Clone + Send + Sync + 'static>(router: &OpenApiRouter<S>, info: Info) -> OpenApi {
    let mut api = router.get_openapi().clone();
    let mut about = utoipa::openapi::Info::new(info.title, env!("CARGO_PKG_VERSION"));
    about.description = Some(info.description.to_owned());
    about.license = Some(
        utoipa::openapi::LicenseBuilder::new()
            .name("Apache-2.0")
            .identifier(Some("Apache-2.0"))
            .build(),
    );
    api.info = about;
    for item in api.paths.paths.values_mut() {
        for operation in operations(item) {
            declare_the_shell(operation);
        }
    }
    let open = [
        ("/health", "health", "Whether the service can work", health()),
        (
            "/spec",
            "spec",
            "This document",
            answer("This document", "application/json", anything()),
        ),
    ];
    for (path, id, summary, ok) in open {
        let mut operation = OperationBuilder::new()
            .operation_id(Some(id))
            .summary(Some(summary))
            .response("200", ok)
            .build();
        operation.responses.responses.extend(Unavailable::responses());
        operation.security = Some(Vec::new());
        api.paths
            .paths
            .insert(path.to_owned(), PathItem::new(HttpMethod::Get, operation));
    }
    let components = api.components.get_or_insert_with(Components::new);
    components
        .schemas
        .insert(Problem::name().into_owned(), Problem::schema());
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("JWT")
        .description(Some(
            "A token of the issuer that the deployment names. Needed where it runs with AUTH=jwt.",
        ))
        .build();
    components.add_security_scheme(BEARER, SecurityScheme::Http(bearer));
    // The empty one: a deployment with AUTH=none asks nobody.
    let none: [&str; 0] = [];
    api.security = Some(vec![
        SecurityRequirement::new(BEARER, none),
        SecurityRequirement::default(),
    ]);
    api
}

/// The document as text, a line break at its end.
pub fn json(document: &OpenApi) -> String {
    // A document is maps of strings all the way down; what cannot be written cannot be made.
    let mut text = document.to_pretty_json().unwrap_or_default();
    text.push('\n');
    text
}

/// What every route may answer, whatever its handler says.
fn declare_the_shell(operation: &mut Operation) {
    let mut shell = Unauthorized::responses();
    shell.extend(Forbidden::responses());
    shell.extend(OurFault::responses());
    shell.extend(Unavailable::responses());
    if operation.request_body.is_some() {
        shell.extend(BadRequest::responses());
        shell.extend(TooLarge::responses());
        shell.extend(UnsupportedMediaType::responses());
    }
    let asks_nobody = operation.security.as_ref().is_some_and(Vec::is_empty);
    for (status, response) in shell {
        if asks_nobody && matches!(status.as_str(), "401" | "403") {
            continue;
        }
        operation.responses.responses.entry(status).or_insert(response);
    }
    // OpenAPI 3.1 wants a description of each answer; who has no more to say says what the status means.
    for (status, response) in &mut operation.responses.responses {
        if let RefOr::T(response) = response
            && response.description.is_empty()
        {
            let known = status.parse().ok().and_then(|code: StatusCode| code.canonical_reason());
            response.description = known.unwrap_or("An answer").to_owned();
        }
    }
}

/// What is wrong with a document, a sentence for each: answers without a description, operations without a name of
/// their own, references that lead nowhere.
#[cfg(any(test, feature = "test-support"))]
pub fn faults(document: &OpenApi) -> Vec<String> {
    use serde_json::Map;

    let document = serde_json::to_value(document).unwrap_or_default();
    let mut faults = Vec::new();
    let mut names = std::collections::BTreeSet::new();
    let items = document["paths"].as_object().into_iter().flatten();
    for (path, item) in items {
        for (method, operation) in item.as_object().into_iter().flatten() {
            let name = operation["operationId"].as_str().unwrap_or_default();
            if name.is_empty() || !names.insert(name) {
                faults.push(format!("{method} {path}: the operationId `{name}` is not its own"));
            }
            for (status, response) in operation["responses"].as_object().into_iter().flatten() {
                if response["description"].as_str().is_none_or(str::is_empty) && response["$ref"].is_null() {
                    faults.push(format!("{method} {path}: {status} has no description"));
                }
            }
        }
    }
    let mut todo = vec![&document];
    while let Some(value) = todo.pop() {
        let pointer = value["$ref"].as_str();
        if let Some(pointer) = pointer.filter(|pointer| document.pointer(pointer.trim_start_matches('#')).is_none()) {
            faults.push(format!("{pointer} leads nowhere"));
        }
        todo.extend(value.as_object().into_iter().flat_map(Map::values));
        todo.extend(value.as_array().into_iter().flatten());
    }
    faults
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let PathItem {
        get,
        put,
        post,
        delete,
        options,
        head,
        patch,
        ..
    } = item;
    [get, put, post, delete, options, head, patch].into_iter().flatten()
}

fn answer(description: &str, content_type: &str, schema: impl Into<RefOr<Schema>>) -> Response {
    let content = ContentBuilder::new().schema(Some(schema)).build();
    ResponseBuilder::new()
        .description(description)
        .content(content_type, content)
        .build()
}

fn anything() -> Schema {
    Schema::Object(ObjectBuilder::new().schema_type(Type::Object).build())
}

fn health() -> Response {
    let status = ObjectBuilder::new()
        .schema_type(Type::Object)
        .property("status", ObjectBuilder::new().schema_type(Type::String))
        .required("status")
        .build();
    answer(
        "Sidecar and database answer",
        "application/json",
        Schema::Object(status),
    )
}

macro_rules! answers {
    ($($(#[$meta:meta])* $name:ident = $status:literal $description:literal;)*) => {
        $(
            $(#[$meta])*
            #[derive(Debug, Clone, Copy)]
            pub struct $name;

            impl IntoResponses for $name {
                fn responses() -> BTreeMap<String, RefOr<Response>> {
                    let schema = Ref::from_schema_name(Problem::name());
                    let response = answer($description, "application/problem+json", schema);
                    BTreeMap::from([($status.to_owned(), RefOr::T(response))])
                }
            }
        )*
    };
}

answers! {
    /// 400, for `responses(BadRequest)`.
    BadRequest = "400" "The request breaks a rule; `errors` has a sentence for each";
    /// 401. Declared for every route already.
    Unauthorized = "401" "Who asks is not known: no token, or one that does not hold";
    /// 403. Declared for every route already.
    Forbidden = "403" "The caller may not do this";
    /// 404, for `responses(NotFound)`.
    NotFound = "404" "There is no such thing, or it is not the caller's";
    /// 409, for `responses(Conflict)`.
    Conflict = "409" "Something else that is there, or under way, is in its way; with `Retry-After` it can be sent again";
    /// 409, for `responses(KeyInUse)`.
    KeyInUse = "409" "Another request under this `Idempotency-Key` is being answered; `Retry-After` says when to repeat this one";
    /// 412, for `responses(PreconditionFailed)`.
    PreconditionFailed = "412" "`If-Match` names another version than the one that is there";
    /// 413. Declared for every route with a body already.
    TooLarge = "413" "The body is too large";
    /// 415. Declared for every route with a body already.
    UnsupportedMediaType = "415" "The body is not JSON";
    /// 422, for `responses(Unprocessable)`.
    Unprocessable = "422" "It cannot be done in the state that things are in";
    /// 429, for `responses(TooManyRequests)`.
    TooManyRequests = "429" "Too many requests; `Retry-After` says when to come back";
    /// 500. Declared for every route already.
    OurFault = "500" "Something is wrong on our side";
    /// 503. Declared for every route already.
    Unavailable = "503" "A part of the system does not answer; try again";
}

// === impl Problem ===

impl PartialSchema for Problem {
    fn schema() -> RefOr<Schema> {
        let text = |description: &str| {
            ObjectBuilder::new()
                .schema_type(Type::String)
                .description(Some(description))
        };
        let status = ObjectBuilder::new()
            .schema_type(Type::Integer)
            .description(Some("The HTTP status"));
        let errors = ArrayBuilder::new()
            .items(ObjectBuilder::new().schema_type(Type::String))
            .description(Some("One sentence for each thing that is wrong"));
        let mut object = ObjectBuilder::new()
            .schema_type(Type::Object)
            .description(Some("An error (RFC 9457)"))
            .property("type", text("about:blank: the status says what kind it is"))
            .property("title", text("What kind it is, in words"))
            .property("status", status)
            .property("detail", text("Its sentences, joined"))
            .property("error", text("The same as detail"))
            .property("errors", errors);
        for name in ["type", "title", "status", "detail", "error", "errors"] {
            object = object.required(name);
        }
        RefOr::T(Schema::Object(object.build()))
    }
}

impl ToSchema for Problem {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("Problem")
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::http::Request;
    use serde_json::Value;
    use tower::ServiceExt as _;
    use utoipa_axum::routes;

    use super::*;
    use crate::problem::Json;

    #[derive(serde::Deserialize, ToSchema)]
    #[serde(deny_unknown_fields)]
    struct Nueva {
        #[schema(max_length = 8)]
        nombre: String,
        _nota: Option<String>,
    }

    /// A thing by its id.
    #[utoipa::path(get, path = "/cosas/{id}", params(("id" = String, Path)), responses((status = 200, body = String), NotFound))]
    async fn cosa(axum::extract::Path(id): axum::extract::Path<String>) -> Result<String, Problem> {
        Ok(id)
    }

    #[utoipa::path(post, path = "/cosas", request_body = Nueva, responses((status = 201, body = String), Conflict))]
    async fn nueva(Json(nueva): Json<Nueva>) -> (StatusCode, String) {
        (StatusCode::CREATED, nueva.nombre)
    }

    #[utoipa::path(post, path = "/aviso", security(), responses((status = 204)))]
    async fn aviso() -> StatusCode {
        StatusCode::NO_CONTENT
    }

    const INFO: Info = Info {
        title: "Cosas",
        description: "Things.",
    };

    fn routes() -> OpenApiRouter {
        OpenApiRouter::default()
            .routes(routes!(cosa))
            .routes(routes!(nueva))
            .routes(routes!(aviso))
    }

    fn app() -> Router {
        finish(routes(), INFO)
    }

    async fn get_page(path: &str) -> (StatusCode, String, Vec<u8>) {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let response = app().oneshot(request).await.unwrap();
        let status = response.status();
        let kind = response.headers().get(header::CONTENT_TYPE);
        let kind = kind.map(|kind| kind.to_str().unwrap().to_owned()).unwrap_or_default();
        let body = axum::body::to_bytes(response.into_body(), 4 << 20).await.unwrap();
        (status, kind, body.to_vec())
    }

    async fn served() -> Value {
        let (status, kind, body) = get_page("/spec").await;
        assert_eq!((status, kind.as_str()), (StatusCode::OK, "application/json"));
        serde_json::from_slice(&body).unwrap()
    }

    #[tokio::test]
    async fn the_document_is_openapi_3_1_and_says_what_the_shell_answers() {
        let spec = served().await;
        assert_eq!(spec["openapi"], "3.1.0");
        assert_eq!(spec["info"]["title"], "Cosas");
        let post = &spec["paths"]["/cosas"]["post"]["responses"];
        for status in ["201", "400", "401", "403", "409", "413", "415", "500", "503"] {
            assert!(post[status].is_object(), "{status}: {post:#}");
        }
        assert!(post["429"].is_null(), "who counts requests says so: {post:#}");
        let problem = &post["409"]["content"]["application/problem+json"]["schema"]["$ref"];
        assert_eq!(problem, "#/components/schemas/Problem");
        let get = &spec["paths"]["/cosas/{id}"]["get"]["responses"];
        assert!(get["404"].is_object() && get["413"].is_null(), "{get:#}");
        assert_eq!(spec["components"]["schemas"]["Nueva"]["additionalProperties"], false);
        assert_eq!(spec["components"]["securitySchemes"]["bearer"]["scheme"], "bearer");
        assert_eq!(spec["security"], serde_json::json!([{"bearer": []}, {}]));
        let aviso = &spec["paths"]["/aviso"]["post"];
        assert!(aviso["responses"]["401"].is_null(), "{aviso:#}");
    }

    #[tokio::test]
    async fn a_document_has_no_faults_and_a_bad_one_is_found_out() {
        assert_eq!(faults(&document(&routes(), INFO)), [""; 0]);
        let spec = served().await;
        assert_eq!(
            spec["paths"]["/cosas"]["post"]["responses"]["201"]["description"],
            "Created"
        );
        let mut bad = document(&routes(), INFO);
        bad.components = None;
        let health = bad.paths.paths["/health"].clone();
        bad.paths.paths.insert("/again".to_owned(), health);
        let found = faults(&bad).join("; ");
        assert!(
            found.contains("Problem leads nowhere") && found.contains("`health` is not its own"),
            "{found}"
        );
    }

    #[tokio::test]
    async fn a_problem_is_what_its_schema_says() {
        let problem = Problem::of(StatusCode::CONFLICT, "taken");
        let response = axum::response::IntoResponse::into_response(problem);
        let body = axum::body::to_bytes(response.into_body(), 4096).await.unwrap();
        let body: Value = serde_json::from_slice(&body).unwrap();
        let schema = serde_json::to_value(Problem::schema()).unwrap();
        let declared: Vec<_> = schema["properties"].as_object().unwrap().keys().cloned().collect();
        let sent: Vec<_> = body.as_object().unwrap().keys().cloned().collect();
        assert_eq!(declared, sent);
        assert_eq!(schema["required"].as_array().unwrap().len(), sent.len());
    }

    #[tokio::test]
    async fn the_page_and_what_it_is_made_of_are_served_from_here() {
        let (status, kind, body) = get_page("/docs/").await;
        assert_eq!((status, kind.as_str()), (StatusCode::OK, "text/html"));
        let page = String::from_utf8(body).unwrap();
        assert!(!page.contains("https://"), "{page}");
        let (status, _, body) = get_page("/docs/swagger-initializer.js").await;
        let script = String::from_utf8(body).unwrap();
        assert!(status == StatusCode::OK && script.contains("/spec"), "{script}");
        assert_eq!(get_page("/docs/swagger-ui-bundle.js").await.0, StatusCode::OK);
    }
}
