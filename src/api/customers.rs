//! `/customers` and `/api/customers`: whom the box calls.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, put};
use axum::{Json, Router};
use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::{IntoParams, OpenApi, ToSchema};
use uuid::Uuid;

use super::csv::{self, Table};
use super::cursor::Cursors;
use super::etag::{self, IfMatch, IfMatchMaybe};
use super::extract::{Body, Key, Params, page, wants_csv};
use super::guard::Tenant;
use super::{ApiDeps, Problem};
use crate::auth::{Permission, Principal};
use crate::base::event::CallState;
use crate::base::phone::Phone;
use crate::base::secret::KeyedHash;
use crate::base::{Lang, limits, mask};
use crate::call::lifecycle;
use crate::store::StoreError;
use crate::store::customers::{self, Customer, Fields, Filter, PRIORITY_USUAL, Pool};

#[derive(OpenApi)]
#[openapi(
    paths(list, table, create, show, replace, change, remove, status),
    tags((name = "customers", description = "Customers and leads"))
)]
pub(super) struct Doc;

pub(super) fn routes() -> Router<ApiDeps> {
    let mut routes = Router::new();
    for base in ["/customers", "/api/customers"] {
        routes = routes
            .route(base, get(list).post(create))
            .route(&format!("{base}/{{id}}"), get(show).put(replace).patch(change).delete(remove))
            .route(&format!("{base}/{{id}}/status"), put(status));
    }
    routes.route("/api/customers.csv", get(table))
}

/// A customer or lead. Without the permission `personal_read`, name, number and account are masked and
/// free texts are left out.
#[derive(Serialize, ToSchema)]
pub(super) struct CustomerView {
    id: Uuid,
    name: String,
    #[schema(example = "+919876543210")]
    phone_number: String,
    external_id: Option<String>,
    state: Option<String>,
    district: Option<String>,
    language_code: Option<Lang>,
    loan_id: Option<String>,
    loan_type: Option<String>,
    amount_paise: Option<i64>,
    outstanding_paise: Option<i64>,
    #[schema(format = Date)]
    due_date: Option<String>,
    call_status: CallState,
    owner: Option<String>,
    pool: Option<Pool>,
    /// 0 to 9, higher is sooner.
    #[schema(maximum = 9)]
    priority: u8,
    callback_at_ms: Option<i64>,
    next_action: Option<String>,
    comments: Option<String>,
    #[schema(value_type = Object)]
    custom: Map<String, Value>,
    upload_id: Option<Uuid>,
    last_call_id: Option<String>,
    last_call_at_ms: Option<i64>,
    created_ms: i64,
    updated_ms: i64,
    version: i64,
    masked: bool,
}

impl CustomerView {
    pub(super) fn of(customer: Customer, who: &Principal) -> Self {
        let Customer {
            id,
            fields: f,
            status,
            upload_id,
            last_call_id,
            last_call_at_ms,
            created_ms,
            updated_ms,
            version,
        } = customer;
        let masked = !who.may(Permission::PersonalRead);
        let free = |text: Option<String>| text.filter(|_| !masked);
        let numbered = |text: Option<String>| if masked { text.map(|text| mask::number(&text)) } else { text };
        Self {
            id,
            name: if masked { mask::name(&f.name) } else { f.name },
            phone_number: if masked { f.phone.to_string() } else { f.phone.reveal().to_owned() },
            external_id: numbered(Some(f.external_id).filter(|id| !id.is_empty())),
            state: f.state,
            district: f.district,
            language_code: f.language,
            loan_id: numbered(f.loan_id),
            loan_type: f.loan_type,
            amount_paise: f.amount_paise,
            outstanding_paise: f.outstanding_paise,
            due_date: f.due_date,
            call_status: status,
            owner: f.owner,
            pool: f.pool,
            priority: f.priority,
            callback_at_ms: f.callback_at_ms,
            next_action: free(f.next_action),
            comments: free(f.comments),
            custom: if masked { Map::new() } else { f.custom },
            upload_id,
            last_call_id,
            last_call_at_ms,
            created_ms,
            updated_ms,
            version,
            masked,
        }
    }
}

/// What is set of a customer.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CustomerInput {
    #[serde(default)]
    name: String,
    /// Any form in which it is written in India, or + and the country code.
    #[schema(example = "98765 43210")]
    phone_number: String,
    #[serde(default)]
    external_id: Option<String>,
    #[serde(default)]
    state: Option<String>,
    #[serde(default)]
    district: Option<String>,
    #[serde(default)]
    #[schema(example = "hi-IN")]
    language_code: Option<String>,
    #[serde(default)]
    loan_id: Option<String>,
    #[serde(default)]
    loan_type: Option<String>,
    #[serde(default)]
    #[schema(minimum = 0)]
    amount_paise: Option<i64>,
    #[serde(default)]
    #[schema(minimum = 0)]
    outstanding_paise: Option<i64>,
    #[serde(default)]
    #[schema(format = Date)]
    due_date: Option<String>,
    #[serde(default)]
    owner: Option<String>,
    #[serde(default)]
    pool: Option<Pool>,
    #[serde(default)]
    #[schema(minimum = 0, maximum = 9)]
    priority: Option<u8>,
    #[serde(default)]
    callback_at_ms: Option<i64>,
    #[serde(default)]
    next_action: Option<String>,
    #[serde(default)]
    comments: Option<String>,
    #[serde(default)]
    #[schema(value_type = Object)]
    custom: Map<String, Value>,
}

fn no(field: &str, what: &str) -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "not possible", format!("{field} {what}"))
}

impl CustomerInput {
    fn of(f: &Fields) -> Self {
        let f = f.clone();
        Self {
            name: f.name,
            phone_number: f.phone.reveal().to_owned(),
            external_id: Some(f.external_id).filter(|id| !id.is_empty()),
            state: f.state,
            district: f.district,
            language_code: f.language.map(|language| language.tag().to_owned()),
            loan_id: f.loan_id,
            loan_type: f.loan_type,
            amount_paise: f.amount_paise,
            outstanding_paise: f.outstanding_paise,
            due_date: f.due_date,
            owner: f.owner,
            pool: f.pool,
            priority: Some(f.priority),
            callback_at_ms: f.callback_at_ms,
            next_action: f.next_action,
            comments: f.comments,
            custom: f.custom,
        }
    }

    fn fields(self, deps: &ApiDeps) -> Result<Fields, Problem> {
        let phone = Phone::of_customer(&self.phone_number).map_err(|why| no("phone_number:", &why.to_string()))?;
        let language = self.language_code.map(|text| text.parse::<Lang>()).transpose();
        let state = match self.state {
            Some(state) => Some(deps.lists.state(&state).ok_or_else(|| {
                no(
                    "state:",
                    "this is no state or union territory of India; write its name or code, such as Karnataka or KA",
                )
            })?),
            None => None,
        };
        let fields = Fields {
            external_id: self.external_id.unwrap_or_default(),
            name: self.name,
            phone,
            state,
            district: self.district,
            language: language.map_err(|error| no("language_code:", &error.to_string()))?,
            loan_id: self.loan_id,
            loan_type: self.loan_type,
            amount_paise: self.amount_paise,
            outstanding_paise: self.outstanding_paise,
            due_date: self.due_date,
            owner: self.owner,
            pool: self.pool,
            priority: self.priority.unwrap_or(PRIORITY_USUAL),
            callback_at_ms: self.callback_at_ms,
            next_action: self.next_action,
            comments: self.comments,
            custom: self.custom,
        };
        customers::check(&fields).map_err(|(field, what)| no(field, &what))?;
        Ok(fields)
    }
}

/// Which customers, and how many.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Query {
    /// Exactly this number, in any form.
    phone_number: Option<String>,
    external_id: Option<String>,
    loan_id: Option<String>,
    status: Option<CallState>,
    owner: Option<String>,
    pool: Option<Pool>,
    state: Option<String>,
    language_code: Option<String>,
    upload_id: Option<Uuid>,
    /// To be called back before this time, milliseconds since 1970.
    callback_before_ms: Option<i64>,
    #[param(minimum = 1, maximum = 500)]
    limit: Option<usize>,
    /// From `next` of the page before.
    cursor: Option<String>,
}

impl Query {
    fn filter(&self, deps: &ApiDeps) -> Result<Filter, Problem> {
        let phone = self.phone_number.as_deref().map(Phone::written).transpose();
        let phone = phone.map_err(|why| Problem::bad_request(format!("phone_number: {why}")))?;
        let language = self.language_code.as_deref().map(str::parse::<Lang>).transpose();
        Ok(Filter {
            phone_hash: phone.map(|phone| phone_hash(deps).of(phone.reveal())),
            external_id: self.external_id.clone(),
            loan_id: self.loan_id.clone(),
            status: self.status,
            owner: self.owner.clone(),
            pool: self.pool,
            state: self.state.as_deref().map(|state| deps.lists.state(state).unwrap_or_else(|| state.to_owned())),
            language: language.map_err(|error| Problem::bad_request(error.to_string()))?,
            upload_id: self.upload_id,
            callback_before_ms: self.callback_before_ms,
        })
    }
}

/// The key by which numbers are looked up; the same that calls' callers are known by.
pub(super) fn phone_hash(deps: &ApiDeps) -> KeyedHash {
    KeyedHash::of_key(&deps.vault.master().derive("phone hash"))
}

pub(super) fn now_ms(deps: &ApiDeps) -> i64 {
    i64::try_from(deps.clock.unix_ms(deps.clock.now())).unwrap_or(i64::MAX)
}

/// One page.
#[derive(Serialize, ToSchema)]
pub(super) struct CustomerPage {
    items: Vec<CustomerView>,
    /// The cursor of the next page; `null` on the last one.
    next: Option<String>,
}

/// Customers, newest first. With `Accept: text/csv` as a table.
#[utoipa::path(
    get, path = "/api/customers", tag = "customers", params(Query),
    responses((status = 200, body = CustomerPage, content_type = "application/json"))
)]
pub(super) async fn list(
    State(deps): State<ApiDeps>,
    tenant: Tenant,
    who: Principal,
    headers: HeaderMap,
    Params(query): Params<Query>,
) -> Result<Response, Problem> {
    if wants_csv(&headers) {
        return export(deps, tenant, who, query).await;
    }
    let (found, next) = one_page(&deps, &tenant, &query, page(query.limit)?).await?;
    let items = found.into_iter().map(|customer| CustomerView::of(customer, &who)).collect();
    Ok(Json(CustomerPage { items, next }).into_response())
}

async fn one_page(
    deps: &ApiDeps,
    tenant: &Tenant,
    query: &Query,
    most: usize,
) -> Result<(Vec<Customer>, Option<String>), Problem> {
    let filter = query.filter(deps)?;
    let cursors = Cursors::new(deps, tenant, "customers", &filter);
    let after = cursors.place::<Uuid>(query.cursor.as_deref())?;
    let mut found = tenant.db.read(move |db| customers::list(db, &filter, after, most + 1)).await?;
    let next = cursors.cut(&mut found, most, |last| last.id.to_string());
    Ok((found, next))
}

/// Customers as a table; at most 10,000, the rest by the cursor in the `link` header.
#[utoipa::path(
    get, path = "/api/customers.csv", tag = "customers", params(Query),
    responses((status = 200, body = String, content_type = "text/csv"))
)]
pub(super) async fn table(
    State(deps): State<ApiDeps>,
    tenant: Tenant,
    who: Principal,
    Params(query): Params<Query>,
) -> Result<Response, Problem> {
    export(deps, tenant, who, query).await
}

async fn export(deps: ApiDeps, tenant: Tenant, who: Principal, query: Query) -> Result<Response, Problem> {
    csv::may_export(&who)?;
    let most = query.limit.unwrap_or(limits::CSV_ROWS_MAX).clamp(1, limits::CSV_ROWS_MAX);
    let (found, next) = one_page(&deps, &tenant, &query, most).await?;
    deps.audit.note(Some(&tenant.id), &who, "customers.export", "", json!({ "rows": found.len() })).await?;
    let mut table = Table::new(&[
        "id",
        "name",
        "phone_number",
        "external_id",
        "state",
        "district",
        "language_code",
        "loan_id",
        "loan_type",
        "amount",
        "outstanding",
        "due_date",
        "call_status",
        "owner",
        "pool",
        "priority",
        "callback_at",
        "next_action",
        "comments",
        "last_call_id",
        "last_call_at",
        "created_at",
        "updated_at",
    ]);
    for customer in found {
        let c = CustomerView::of(customer, &who);
        table.row([
            c.id.to_string().into(),
            c.name.as_str().into(),
            c.phone_number.as_str().into(),
            csv::text(c.external_id.as_deref()),
            csv::text(c.state.as_deref()),
            csv::text(c.district.as_deref()),
            csv::shown(c.language_code),
            csv::text(c.loan_id.as_deref()),
            csv::text(c.loan_type.as_deref()),
            csv::rupees(c.amount_paise),
            csv::rupees(c.outstanding_paise),
            csv::text(c.due_date.as_deref()),
            customers::status_name(c.call_status).into(),
            csv::text(c.owner.as_deref()),
            csv::text(c.pool.map(Pool::as_str)),
            c.priority.to_string().into(),
            csv::time(c.callback_at_ms),
            csv::text(c.next_action.as_deref()),
            csv::text(c.comments.as_deref()),
            csv::text(c.last_call_id.as_deref()),
            csv::time(c.last_call_at_ms),
            csv::time(Some(c.created_ms)),
            csv::time(Some(c.updated_ms)),
        ]);
    }
    table.respond("customers", next.as_deref())
}

fn answer(status: StatusCode, customer: Customer, who: &Principal) -> Response {
    let version = customer.version;
    (status, [etag::header_of(version)], Json(CustomerView::of(customer, who))).into_response()
}

/// Adds a customer.
#[utoipa::path(
    post, path = "/api/customers", tag = "customers", request_body = CustomerInput,
    responses((status = 201, body = CustomerView, headers(("etag" = String), ("location" = String))))
)]
pub(super) async fn create(
    State(deps): State<ApiDeps>,
    tenant: Tenant,
    who: Principal,
    Body(input): Body<CustomerInput>,
) -> Result<Response, Problem> {
    let customer = Customer::new(input.fields(&deps)?, now_ms(&deps));
    let (row, hash, audit, by) = (customer.clone(), phone_hash(&deps), deps.audit.clone(), who.clone());
    tenant
        .db
        .write(move |db| {
            customers::insert(db, &row, &hash)?;
            audit.note_in(db, &by, "customer.add", &row.id.to_string(), json!({}))?;
            Ok(())
        })
        .await?;
    let place = format!("/api/customers/{}", customer.id);
    let mut response = answer(StatusCode::CREATED, customer, &who);
    if let Ok(place) = place.parse() {
        response.headers_mut().insert(header::LOCATION, place);
    }
    Ok(response)
}

fn nobody() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "not found", "there is no customer with this id")
}

/// One customer.
#[utoipa::path(
    get, path = "/api/customers/{id}", tag = "customers", params(("id" = Uuid, Path)),
    responses((status = 200, body = CustomerView, headers(("etag" = String))), (status = 304, description = "You have it."))
)]
pub(super) async fn show(
    tenant: Tenant,
    who: Principal,
    headers: HeaderMap,
    Key(id): Key,
) -> Result<Response, Problem> {
    let found = tenant.db.read(move |db| customers::get(db, id)).await?.ok_or_else(nobody)?;
    if etag::is_known(&headers, found.version) {
        return Ok((StatusCode::NOT_MODIFIED, [etag::header_of(found.version)]).into_response());
    }
    Ok(answer(StatusCode::OK, found, &who))
}

/// Carries out a change of one customer, if it is still at the version that the client has read.
async fn changed(
    deps: &ApiDeps,
    tenant: &Tenant,
    who: &Principal,
    id: Uuid,
    version: &IfMatch,
    what: &'static str,
    change: impl FnOnce(&Connection, Customer) -> Result<Result<(Customer, Value), Problem>, StoreError> + Send + 'static,
) -> Result<Customer, Problem> {
    let (audit, who, version) = (deps.audit.clone(), who.clone(), version.clone());
    tenant
        .db
        .write(move |db| {
            let Some(kept) = customers::get(db, id)? else { return Ok(Err(nobody())) };
            if let Err(problem) = version.check(kept.version) {
                return Ok(Err(problem));
            }
            match change(db, kept)? {
                Ok((after, detail)) => {
                    audit.note_in(db, &who, what, &id.to_string(), detail)?;
                    Ok(Ok(after))
                }
                Err(problem) => Ok(Err(problem)),
            }
        })
        .await?
}

/// The names of what differs, for the audit log; never the values.
fn differences(before: &Fields, after: &Fields) -> Value {
    let as_map = |f: &Fields| match serde_json::to_value(CustomerInput::of(f)) {
        Ok(Value::Object(map)) => map,
        _ => Map::new(),
    };
    let (before, after) = (as_map(before), as_map(after));
    let names: Vec<&String> =
        after.iter().filter(|(name, value)| before.get(*name) != Some(*value)).map(|(name, _)| name).collect();
    json!({ "fields": names })
}

/// Replaces everything that is set of a customer.
#[utoipa::path(
    put, path = "/api/customers/{id}", tag = "customers", request_body = CustomerInput,
    params(("id" = Uuid, Path), ("if-match" = String, Header, description = "The ETag of what was read, or *.")),
    responses((status = 200, body = CustomerView, headers(("etag" = String))))
)]
pub(super) async fn replace(
    State(deps): State<ApiDeps>,
    tenant: Tenant,
    who: Principal,
    version: IfMatch,
    Key(id): Key,
    Body(input): Body<CustomerInput>,
) -> Result<Response, Problem> {
    let (fields, hash, now) = (input.fields(&deps)?, phone_hash(&deps), now_ms(&deps));
    let after = changed(&deps, &tenant, &who, id, &version, "customer.edit", move |db, kept| {
        let detail = differences(&kept.fields, &fields);
        Ok(Ok((customers::update(db, id, kept.version, &fields, &hash, now)?, detail)))
    })
    .await?;
    Ok(answer(StatusCode::OK, after, &who))
}

/// Changes some of it (JSON merge patch: `null` takes a value away).
#[utoipa::path(
    patch, path = "/api/customers/{id}", tag = "customers", request_body(content = Object),
    params(("id" = Uuid, Path), ("if-match" = String, Header, description = "The ETag of what was read, or *.")),
    responses((status = 200, body = CustomerView, headers(("etag" = String))))
)]
pub(super) async fn change(
    State(deps): State<ApiDeps>,
    tenant: Tenant,
    who: Principal,
    version: IfMatch,
    Key(id): Key,
    Body(patch): Body<Map<String, Value>>,
) -> Result<Response, Problem> {
    let (hash, now, asked) = (phone_hash(&deps), now_ms(&deps), deps.clone());
    let after = changed(&deps, &tenant, &who, id, &version, "customer.edit", move |db, kept| {
        let mut whole = serde_json::to_value(CustomerInput::of(&kept.fields))?;
        merge(&mut whole, Value::Object(patch));
        let input = match serde_json::from_value::<CustomerInput>(whole) {
            Ok(input) => input,
            Err(error) => return Ok(Err(Problem::bad_request(error.to_string()))),
        };
        let fields = match input.fields(&asked) {
            Ok(fields) => fields,
            Err(problem) => return Ok(Err(problem)),
        };
        let detail = differences(&kept.fields, &fields);
        Ok(Ok((customers::update(db, id, kept.version, &fields, &hash, now)?, detail)))
    })
    .await?;
    Ok(answer(StatusCode::OK, after, &who))
}

/// RFC 7396.
fn merge(target: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else {
        *target = patch;
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    if let Value::Object(target) = target {
        for (name, value) in patch {
            if value.is_null() {
                target.remove(&name);
            } else {
                merge(target.entry(name).or_insert(Value::Null), value);
            }
        }
    }
}

/// Takes a customer away. What the law obliges the box to keep of calls stays; see erasure for the rest.
#[utoipa::path(
    delete, path = "/api/customers/{id}", tag = "customers",
    params(("id" = Uuid, Path), ("if-match" = String, Header, description = "The ETag of what was read, or *.")),
    responses((status = 204, description = "Gone."))
)]
pub(super) async fn remove(
    State(deps): State<ApiDeps>,
    tenant: Tenant,
    who: Principal,
    version: IfMatch,
    Key(id): Key,
) -> Result<StatusCode, Problem> {
    changed(&deps, &tenant, &who, id, &version, "customer.delete", move |db, kept| {
        customers::delete(db, id, kept.version)?;
        Ok(Ok((kept, json!({}))))
    })
    .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A step in the life cycle.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct StatusInput {
    status: CallState,
}

/// Moves a customer on in the life cycle; steps that it does not have are refused.
#[utoipa::path(
    put, path = "/api/customers/{id}/status", tag = "customers", request_body = StatusInput,
    params(("id" = Uuid, Path), ("if-match" = Option<String>, Header, description = "The ETag of what was read; may be left out.")),
    responses((status = 200, body = CustomerView, headers(("etag" = String))))
)]
pub(super) async fn status(
    State(deps): State<ApiDeps>,
    tenant: Tenant,
    who: Principal,
    IfMatchMaybe(version): IfMatchMaybe,
    Key(id): Key,
    Body(StatusInput { status: to }): Body<StatusInput>,
) -> Result<Response, Problem> {
    // The seeds' clients send no ETag here; the life cycle itself refuses what is stale.
    let version = version.unwrap_or(IfMatch::Any);
    let now = now_ms(&deps);
    let after = changed(&deps, &tenant, &who, id, &version, "customer.status", move |db, kept| {
        let from = kept.status;
        let detail = json!({ "from": customers::status_name(from), "to": customers::status_name(to) });
        if from == to {
            return Ok(Ok((kept, detail)));
        }
        if !lifecycle::allowed(from, to) {
            return Ok(Err(Problem::new(
                StatusCode::CONFLICT,
                "not in this state",
                format!(
                    "a customer cannot go from {} to {}; what ended badly goes back to ready first",
                    customers::status_name(from),
                    customers::status_name(to)
                ),
            )));
        }
        Ok(Ok((customers::set_status(db, id, kept.version, to, now)?, detail)))
    })
    .await?;
    Ok(answer(StatusCode::OK, after, &who))
}
