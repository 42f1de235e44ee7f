//! `/api/audit`: who did what, and the proof that nobody has changed it.

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, OpenApi, ToSchema};

use super::cursor::Cursors;
use super::extract::{Body, Params, page};
use super::guard::Tenant;
use super::{ApiDeps, Problem};
use crate::auth::Principal;
use crate::base::{TenantId, limits};
use crate::store::Database;
use crate::store::audit::{self, Chain, Filter, Head, Kept, Report};

#[derive(OpenApi)]
#[openapi(paths(list, head, verify), tags((name = "audit", description = "Who did what")))]
pub(super) struct Doc;

pub(super) fn routes() -> Router<ApiDeps> {
    Router::new()
        .route("/api/audit", get(list))
        .route("/api/audit/head", get(head))
        .route("/api/audit/verify", post(verify))
}

/// Whose log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Of {
    #[default]
    Tenant,
    /// Logins, users, keys, settings of the box as a whole; only for whoever belongs to no tenant.
    Box,
}

impl Of {
    /// The chain's tenant and its database.
    fn chosen(self, deps: &ApiDeps, tenant: &Tenant, who: &Principal) -> Result<(Option<TenantId>, Database), Problem> {
        match self {
            Self::Tenant => Ok((Some(tenant.id.clone()), tenant.db.clone())),
            Self::Box if who.tenant.is_none() => Ok((None, deps.vault.system().clone())),
            Self::Box => Err(Problem::new(
                StatusCode::FORBIDDEN,
                "not allowed",
                "the box's own log is for its admins; leave `of` out for your tenant's",
            )),
        }
    }
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Query {
    #[serde(default)]
    #[param(inline)]
    of: Of,
    /// `customer.edit`, or `customer.` for all that begin so.
    what: Option<String>,
    /// Id of the account.
    who: Option<String>,
    /// Id of what it was done to.
    about: Option<String>,
    /// Milliseconds since 1970 UTC, inclusive.
    from_ms: Option<u64>,
    /// Exclusive.
    until_ms: Option<u64>,
    cursor: Option<String>,
    limit: Option<usize>,
}

/// One page.
#[derive(Serialize, ToSchema)]
pub(super) struct AuditPage {
    items: Vec<Kept>,
    /// The cursor of the next page; `null` on the last one.
    next: Option<String>,
}

/// Entries, newest first.
#[utoipa::path(get, path = "/api/audit", tag = "audit", params(Query), responses((status = 200, body = AuditPage)))]
pub(super) async fn list(
    State(deps): State<ApiDeps>,
    tenant: Tenant,
    who: Principal,
    Params(query): Params<Query>,
) -> Result<Json<AuditPage>, Problem> {
    let Query { of, cursor, limit, .. } = query;
    let (_, db) = of.chosen(&deps, &tenant, &who)?;
    let filter = Filter {
        what: query.what,
        who: query.who,
        about: query.about,
        from_ms: query.from_ms,
        until_ms: query.until_ms,
    };
    let cursors = Cursors::new(&deps, &tenant, "audit", &(of, &filter));
    let (before, most) = (cursors.place::<u64>(cursor.as_deref())?, page(limit)?);
    let mut items = db.read(move |db| audit::list(db, &filter, before, most + 1)).await?;
    let next = cursors.cut(&mut items, most, |last| last.seq.to_string());
    Ok(Json(AuditPage { items, next }))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    #[serde(default)]
    #[param(inline)]
    of: Of,
}

/// Signed heads, for somebody who keeps them elsewhere.
#[derive(Serialize, ToSchema)]
pub(super) struct Heads {
    /// Ed25519, hexadecimal.
    public_key: String,
    /// Newest first.
    heads: Vec<Head>,
}

/// Signs the newest entry and shows the newest signed heads: keep them, and `verify` against them later.
#[utoipa::path(get, path = "/api/audit/head", tag = "audit", params(Which), responses((status = 200, body = Heads)))]
pub(super) async fn head(
    State(deps): State<ApiDeps>,
    tenant: Tenant,
    who: Principal,
    Params(Which { of }): Params<Which>,
) -> Result<Json<Heads>, Problem> {
    let (chosen, db) = of.chosen(&deps, &tenant, &who)?;
    deps.audit.sign_now().await?;
    let chain = Chain::of(chosen.as_ref());
    let heads = db.read(move |db| audit::heads(db, &chain, limits::AUDIT_HEADS_SHOWN)).await?;
    Ok(Json(Heads { public_key: deps.audit.verifier().to_hex(), heads }))
}

/// What to check against.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Against {
    #[serde(default)]
    of: Of,
    /// Heads that were kept elsewhere.
    #[serde(default)]
    #[schema(max_items = 10_000)]
    heads: Vec<Head>,
}

/// Checks the whole chain, against signed heads kept by the box and those in the request.
#[utoipa::path(
    post, path = "/api/audit/verify", tag = "audit", request_body = Against,
    responses((status = 200, description = "Sound or not: see `wrong`.", body = Report))
)]
pub(super) async fn verify(
    State(deps): State<ApiDeps>,
    tenant: Tenant,
    who: Principal,
    Body(Against { of, heads }): Body<Against>,
) -> Result<Json<Report>, Problem> {
    let (chosen, _) = of.chosen(&deps, &tenant, &who)?;
    let report = deps.audit.verify(chosen.as_ref(), heads).await?;
    let detail = json!({ "entries": report.entries, "sound": report.is_sound() });
    deps.audit.note(chosen.as_ref(), &who, "audit.verify", "", detail).await?;
    Ok(Json(report))
}
