//! What stands before every handler. `Principal` and `Tenant` are extractors: a handler that names one
//! gets what the guard found out, never what the request says of itself.

use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;

use super::Problem;
use crate::auth::Principal;
use crate::base::ids::TenantId;
use crate::store::database::Database;

/// Chooses the tenant, for whoever may see several.
pub const TENANT_HEADER: &str = "x-vaani-tenant";

/// The tenant the request is about, and its database.
#[derive(Clone)]
pub struct Tenant {
    pub id: TenantId,
    pub db: Database,
}

impl<S: Sync> FromRequestParts<S> for Principal {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parts.extensions.get().cloned().ok_or_else(Problem::unauthorized)
    }
}

impl<S: Sync> FromRequestParts<S> for Tenant {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parts.extensions.get().cloned().ok_or_else(|| {
            Problem::new(
                StatusCode::NOT_FOUND,
                "no such tenant",
                format!("name one that exists in the header {TENANT_HEADER}"),
            )
        })
    }
}
