//! `/api/openapi.json`: what the API is, made from the code that serves it.
//!
//! Promise: whatever every operation has in common (who may, which problems) is said once, here, from
//! the table of routes; `tests/api/openapi.json` is what was last agreed to.

use std::sync::LazyLock;

use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Map, Value, json};
use utoipa::OpenApi;

use super::{ApiDeps, Problem};
use crate::auth::access::{self, Need};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "vaani",
        description = "A voice exchange for the customer's rack. Times are milliseconds since 1970 (UTC), money is \
            paise, lists go on by the cursor in `next`, errors are problems (RFC 9457) that say what to do."
    ),
    components(schemas(Problem))
)]
struct Frame;

/// The documents of all parts, by name.
fn parts() -> Vec<(&'static str, utoipa::openapi::OpenApi)> {
    vec![
        ("alerts", super::alerts::Doc::openapi()),
        ("health", super::health::Doc::openapi()),
        ("metrics", super::metrics::Doc::openapi()),
        ("sessions", super::sessions::Doc::openapi()),
        ("ai", super::ai::Doc::openapi()),
        ("callbacks", super::callbacks::Doc::openapi()),
        ("costs", super::costs::Doc::openapi()),
        ("customers", super::customers::Doc::openapi()),
        ("uploads", super::uploads::Doc::openapi()),
        ("calls", super::calls::Doc::openapi()),
        ("recordings", super::recordings::Doc::openapi()),
        ("dialling", super::dialling::Doc::openapi()),
        ("documents", super::documents::Doc::openapi()),
        ("analytics", super::analytics::Doc::openapi()),
        ("stats", super::stats::Doc::openapi()),
        ("live", super::live::Doc::openapi()),
        ("audit", super::audit::Doc::openapi()),
        ("consents", super::consents::Doc::openapi()),
        ("dnd", super::dnd::Doc::openapi()),
        ("privacy", super::privacy::Doc::openapi()),
        ("webhooks", super::webhooks::Doc::openapi()),
        ("backups", super::backups::Doc::openapi()),
        ("login", super::login::Doc::openapi()),
        ("me", super::me::Doc::openapi()),
        ("users", super::users::Doc::openapi()),
        ("tokens", super::tokens::Doc::openapi()),
        ("tenants", super::tenants::Doc::openapi()),
    ]
}

/// The document of all parts.
fn whole() -> Value {
    let mut all = as_json(Frame::openapi());
    all["info"]["version"] = json!(env!("CARGO_PKG_VERSION"));
    for (name, part) in parts() {
        add(&mut all, name, as_json(part));
    }
    all
}

/// What utoipa has made can be written as JSON.
fn as_json(document: utoipa::openapi::OpenApi) -> Value {
    serde_json::to_value(document).unwrap_or_default()
}

/// Adds a part. Two parts may call different things by one name: the later one's is told apart by the
/// name of its part.
fn add(all: &mut Value, name: &str, mut part: Value) {
    let known = all["components"]["schemas"].as_object().cloned().unwrap_or_default();
    let own = part["components"]["schemas"].as_object().cloned().unwrap_or_default();
    let twice: Vec<String> = own
        .iter()
        .filter(|(name, schema)| known.get(*name).is_some_and(|other| other != *schema))
        .map(|(name, _)| name.clone())
        .collect();
    for schema in twice {
        let capital = name[..1].to_uppercase() + &name[1..];
        rename(&mut part, &schema, &format!("{capital}{schema}"));
    }
    for place in ["/paths", "/components/schemas"] {
        let Some(Value::Object(more)) = part.pointer_mut(place).map(Value::take) else { continue };
        let Some(Value::Object(to)) = all.pointer_mut(place) else { continue };
        for (key, value) in more {
            match (to.get_mut(&key), value) {
                (Some(Value::Object(methods)), Value::Object(more)) if place == "/paths" => methods.extend(more),
                (_, value) => {
                    to.insert(key, value);
                }
            }
        }
    }
    if let Value::Array(tags) = part["tags"].take() {
        let known = all["tags"].as_array().cloned().unwrap_or_default();
        let new = tags.into_iter().filter(|tag| !known.iter().any(|other| other["name"] == tag["name"]));
        all["tags"] = known.iter().cloned().chain(new).collect();
    }
}

fn rename(part: &mut Value, from: &str, to: &str) {
    fn refer(value: &mut Value, from: &str, to: &str) {
        match value {
            Value::Object(map) => {
                if map.get("$ref").and_then(Value::as_str) == Some(from) {
                    map.insert("$ref".to_owned(), json!(to));
                }
                map.values_mut().for_each(|value| refer(value, from, to));
            }
            Value::Array(list) => list.iter_mut().for_each(|value| refer(value, from, to)),
            _ => {}
        }
    }
    if let Some(schemas) = part["components"]["schemas"].as_object_mut()
        && let Some(schema) = schemas.remove(from)
    {
        schemas.insert(to.to_owned(), schema);
    }
    refer(part, &format!("#/components/schemas/{from}"), &format!("#/components/schemas/{to}"));
}

/// Addresses that are served the same way under a second name, as older clients know them.
const ALSO: [(&str, &str); 4] = [
    ("/api/customers", "/customers"),
    ("/api/customers/{id}", "/customers/{id}"),
    ("/api/customers/{id}/status", "/customers/{id}/status"),
    ("/api/uploads", "/upload-customers"),
];

/// Statuses that come with a problem, and when.
const PROBLEMS: [(&str, &str); 14] = [
    ("400", "The request was not understood."),
    ("401", "Nobody knows who you are."),
    ("403", "You may not."),
    ("404", "There is no such thing."),
    ("409", "It cannot be done as things stand."),
    ("412", "Somebody else has changed it meanwhile."),
    ("413", "The body is too large."),
    ("415", "The body is of another kind."),
    ("422", "The request was understood and cannot be carried out."),
    ("428", "The version must be named."),
    ("429", "Too many requests."),
    ("500", "The box could not do it."),
    ("503", "The box is busy or stopping."),
    ("507", "The disk is full."),
];

/// The document as JSON.
pub(super) fn document() -> &'static Value {
    static DOCUMENT: LazyLock<Value> = LazyLock::new(|| {
        let mut document = whole();
        complete(&mut document);
        document
    });
    &DOCUMENT
}

fn complete(document: &mut Value) {
    if let Some(paths) = document["paths"].as_object_mut() {
        for (path, also) in ALSO {
            if let Some(mut item) = paths.get(path).cloned() {
                if also == "/upload-customers"
                    && let Some(item) = item.as_object_mut()
                {
                    item.retain(|method, _| method == "post");
                }
                for operation in item.as_object_mut().into_iter().flat_map(Map::values_mut) {
                    operation["summary"] = json!(format!("The same as {path}."));
                    operation["operationId"] =
                        json!(format!("{}_also", operation["operationId"].as_str().unwrap_or_default()));
                }
                paths.insert(also.to_owned(), item);
            }
        }
        for (path, item) in paths.iter_mut() {
            for (method, operation) in item.as_object_mut().into_iter().flatten() {
                if let Some(operation) = operation.as_object_mut() {
                    finish(path, method, operation);
                }
            }
        }
    }
    let schemes = &mut document["components"]["securitySchemes"];
    *schemes = json!({
        "bearer": { "type": "http", "scheme": "bearer", "description": "The box's token, an API key or a short-lived token." },
        "session": { "type": "apiKey", "in": "cookie", "name": "__Host-vaani", "description": "Of a person who has logged in (`vaani` where the box is reached over plain http); changes also need the header x-csrf-token." },
    });
}

/// What the table of routes says of one operation, and the problems it may answer with.
fn finish(path: &str, method: &str, operation: &mut Map<String, Value>) {
    let needs = access::needs(&method.to_uppercase(), path);
    let security = if needs == Some(Need::Nobody) { json!([]) } else { json!([{ "bearer": [] }, { "session": [] }]) };
    operation.insert("security".to_owned(), security);
    if let Some(Need::May(permission)) = needs {
        operation.insert("x-permission".to_owned(), json!(permission.as_str()));
    }
    // Operation ids are unique across parts only with the path in them.
    let id: String = path.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    operation.insert("operationId".to_owned(), json!(format!("{method}{}", id.trim_end_matches('_'))));
    let in_path = path.contains('{');
    let has_body = operation.contains_key("requestBody");
    let changes = method != "get";
    let versioned = operation.get("parameters").and_then(Value::as_array).is_some_and(|all| {
        all.iter().any(|p| p["name"].as_str().is_some_and(|name| name.eq_ignore_ascii_case("if-match")))
    });
    let stored = path.starts_with("/api") || path.contains("customers") || path.starts_with("/trigger");
    let fits = |status: &str| match status {
        "400" => true,
        "401" | "403" | "429" => needs != Some(Need::Nobody) || path.starts_with("/ws"),
        "404" => in_path || stored,
        "409" | "422" => changes,
        "412" | "428" => versioned,
        "413" | "415" => has_body,
        "500" | "503" => true,
        _ => stored,
    };
    let responses = operation.entry("responses").or_insert_with(|| json!({}));
    if let Some(responses) = responses.as_object_mut() {
        let schema = json!({ "$ref": "#/components/schemas/Problem" });
        let content = json!({ "application/problem+json": { "schema": schema } });
        for (status, when) in PROBLEMS.into_iter().filter(|(status, _)| fits(status)) {
            responses.entry(status).or_insert_with(|| json!({ "description": when }));
        }
        // Health says with the same words that all is well and that it is not.
        for (status, response) in responses.iter_mut().filter(|_| path != "/health") {
            if status.starts_with(['4', '5']) {
                response["content"] = content.clone();
            }
        }
    }
}

pub(super) fn routes() -> Router<ApiDeps> {
    Router::new().route("/api/openapi.json", get(show))
}

async fn show() -> impl IntoResponse {
    ([(header::CACHE_CONTROL, "no-cache")], Json(document()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const AGREED: &str = "tests/api/openapi.json";

    #[test]
    fn the_document_is_the_one_that_was_agreed_to() {
        let now = serde_json::to_string_pretty(document()).unwrap() + "\n";
        if std::env::var_os("VAANI_ACCEPT").is_some() {
            std::fs::write(AGREED, now).unwrap();
            return;
        }
        let agreed = std::fs::read_to_string(AGREED).unwrap_or_default();
        let differs = now.lines().zip(agreed.lines()).position(|(a, b)| a != b);
        assert!(
            now == agreed,
            "the API is not the one of {AGREED} any more (first difference in line {}); if that is meant, run\n\n    \
             VAANI_ACCEPT=1 cargo test --workspace --lib api::openapi\n\nand commit the file",
            differs.map_or(agreed.lines().count(), |line| line + 1)
        );
    }

    #[test]
    fn parts_that_call_different_things_by_one_name_are_told_apart() {
        let part = |kind: &str| {
            json!({
                "paths": { format!("/{kind}"): { "get": { "schema": { "$ref": "#/components/schemas/Kind" } } } },
                "components": { "schemas": { "Kind": { "type": kind }, "Same": { "type": "string" } } },
            })
        };
        let mut all = part("string");
        add(&mut all, "lists", part("integer"));
        assert_eq!(all["components"]["schemas"]["Kind"]["type"], "string");
        assert_eq!(all["components"]["schemas"]["ListsKind"]["type"], "integer");
        assert_eq!(all["paths"]["/integer"]["get"]["schema"]["$ref"], "#/components/schemas/ListsKind");
        assert_eq!(all["paths"]["/string"]["get"]["schema"]["$ref"], "#/components/schemas/Kind");
        assert_eq!(all["components"]["schemas"].as_object().unwrap().len(), 3);
    }

    #[test]
    fn every_operation_has_a_row_in_the_table_of_routes() {
        for (path, item) in document()["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                assert!(access::needs(&method.to_uppercase(), path).is_some(), "{method} {path} has no row");
                assert!(operation["summary"].is_string(), "{method} {path} says nothing of itself");
            }
        }
    }

    #[test]
    fn every_problem_is_described_as_one() {
        for (path, item) in document()["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                for (status, response) in operation["responses"].as_object().unwrap() {
                    let bad = status.starts_with(['4', '5']) && path != "/health";
                    let problem = response["content"]["application/problem+json"].is_object();
                    assert_eq!(bad, problem, "{method} {path} {status}");
                }
            }
        }
    }

    #[test]
    fn every_reference_leads_somewhere() {
        fn walk(value: &Value, whole: &Value) {
            match value {
                Value::Object(map) => {
                    if let Some(Value::String(to)) = map.get("$ref") {
                        let found = whole.pointer(to.trim_start_matches('#'));
                        assert!(found.is_some(), "{to} leads nowhere");
                    }
                    map.values().for_each(|value| walk(value, whole));
                }
                Value::Array(list) => list.iter().for_each(|value| walk(value, whole)),
                _ => {}
            }
        }
        walk(document(), document());
    }
}
