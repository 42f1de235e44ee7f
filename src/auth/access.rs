//! The table of routes: every HTTP route of the daemon that is no carrier's webhook, with what it
//! needs. `api/guard.rs` looks each request up here before anybody handles it; a route without a row
//! answers 403 and fails the test in `api/guard.rs` that walks all routers.
//!
//! `HEAD` counts as `GET`. Each part adds its rows in a block of its own.

use super::principal::Principal;
use super::role::Permission;

/// What a route needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Public: nobody is asked who they are.
    Nobody,
    /// Anybody who is known.
    Anybody,
    May(Permission),
}

/// One route.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    pub method: &'static str,
    /// As the router knows it: `/api/users/{id}`.
    pub path: &'static str,
    pub needs: Need,
}

const fn row(method: &'static str, path: &'static str, needs: Need) -> Row {
    Row { method, path, needs }
}

use Need::{Anybody, May, Nobody};
use Permission as P;

#[rustfmt::skip]
pub const TABLE: &[Row] = &[
    // The box.
    row("GET",    "/health",                      Nobody),
    row("GET",    "/metrics",                     Nobody),
    row("GET",    "/api/alerts",                  May(P::SystemRead)),
    // Live calls.
    row("GET",    "/sessions",                    May(P::CallsRead)),
    row("GET",    "/sessions/{id}",               May(P::CallsRead)),
    row("DELETE", "/sessions/{id}",               May(P::CallsControl)),
    // Engines.
    row("POST",   "/ai/process",                  May(P::AskAi)),
    row("GET",    "/api/ai/costs",                May(P::AiRead)),
    row("GET",    "/api/ai/quality",              May(P::AiRead)),
    row("GET",    "/api/calls/{id}",              May(P::CallsRead)),
    row("GET",    "/api/calls/{id}/decisions",    May(P::AiRead)),
    row("GET",    "/api/callbacks",               May(P::CallbacksWork)),
    row("DELETE", "/api/callbacks/{id}",          May(P::CallbacksWork)),
    // Protection.
    row("GET",    "/api/audit",                   May(P::AuditRead)),
    row("GET",    "/api/audit/head",              May(P::AuditRead)),
    row("POST",   "/api/audit/verify",            May(P::AuditRead)),
    row("GET",    "/api/consents",                May(P::CustomersRead)),
    row("POST",   "/api/consents",                May(P::ConsentsWrite)),
    row("POST",   "/api/consents/history",        May(P::CustomersRead)),
    row("POST",   "/api/consents/check",          May(P::CustomersRead)),
    row("POST",   "/api/dnd",                     May(P::ConsentsWrite)),
    row("POST",   "/api/dnd/remove",              May(P::ConsentsWrite)),
    row("POST",   "/api/dnd/check",               May(P::CustomersRead)),
    row("GET",    "/api/dnd/lists",               May(P::CustomersRead)),
    row("POST",   "/api/dnd/lists",               May(P::ConsentsWrite)),
    row("GET",    "/api/dnd/lists/{number}/numbers", May(P::CustomersRead)),
    row("GET",    "/api/dnd/lists/{number}/rejects", May(P::CustomersRead)),
    row("POST",   "/api/privacy/export",          May(P::DataExport)),
    row("POST",   "/api/privacy/erase",           May(P::DataErase)),
    row("GET",    "/api/holds",                   May(P::HoldsManage)),
    row("POST",   "/api/holds",                   May(P::HoldsManage)),
    row("DELETE", "/api/holds/{id}",              May(P::HoldsManage)),
    // Access.
    row("POST",   "/api/setup",                   Nobody),
    row("GET",    "/api/login",                   Nobody),
    row("POST",   "/api/login",                   Nobody),
    row("POST",   "/api/login/reset",             Nobody),
    row("GET",    "/api/oidc/login",              Nobody),
    row("GET",    "/api/oidc/callback",           Nobody),
    row("POST",   "/api/logout",                  Anybody),
    row("GET",    "/api/me",                      Anybody),
    row("POST",   "/api/me/password",             May(P::Own)),
    row("POST",   "/api/me/totp",                 May(P::Own)),
    row("POST",   "/api/me/totp/confirm",         May(P::Own)),
    row("DELETE", "/api/me/totp",                 May(P::Own)),
    row("GET",    "/api/me/sessions",             May(P::Own)),
    row("DELETE", "/api/me/sessions",             May(P::Own)),
    row("DELETE", "/api/me/sessions/{id}",        May(P::Own)),
    row("GET",    "/api/users",                   May(P::UsersManage)),
    row("POST",   "/api/users",                   May(P::UsersManage)),
    row("GET",    "/api/users/{id}",              May(P::UsersManage)),
    row("PUT",    "/api/users/{id}",              May(P::UsersManage)),
    row("DELETE", "/api/users/{id}",              May(P::UsersManage)),
    row("POST",   "/api/users/{id}/reset",        May(P::UsersManage)),
    row("GET",    "/api/keys",                    May(P::TokensManage)),
    row("POST",   "/api/keys",                    May(P::TokensManage)),
    row("GET",    "/api/keys/{id}",               May(P::TokensManage)),
    row("DELETE", "/api/keys/{id}",               May(P::TokensManage)),
    row("POST",   "/api/tokens",                  May(P::TokensIssue)),
    row("DELETE", "/api/tokens/{jti}",            May(P::TokensIssue)),
    row("GET",    "/api/tenants",                 May(P::TenantsManage)),
    row("POST",   "/api/tenants",                 May(P::TenantsManage)),
    row("GET",    "/api/tenants/{id}",            May(P::TenantsManage)),
    row("PUT",    "/api/tenants/{id}",            May(P::TenantsManage)),
    row("DELETE", "/api/tenants/{id}",            May(P::TenantsManage)),
    // Webhooks.
    row("GET",    "/api/webhooks",                May(P::WebhooksManage)),
    row("POST",   "/api/webhooks",                May(P::WebhooksManage)),
    row("GET",    "/api/webhooks/{id}",           May(P::WebhooksManage)),
    row("PUT",    "/api/webhooks/{id}",           May(P::WebhooksManage)),
    row("DELETE", "/api/webhooks/{id}",           May(P::WebhooksManage)),
    row("POST",   "/api/webhooks/{id}/rotate",    May(P::WebhooksManage)),
    row("POST",   "/api/webhooks/{id}/test",      May(P::WebhooksManage)),
    row("GET",    "/api/webhooks/{id}/deliveries", May(P::WebhooksManage)),
    row("POST",   "/api/webhooks/{id}/replay",    May(P::WebhooksManage)),
    row("GET",    "/api/outbox",                  May(P::WebhooksManage)),
    row("GET",    "/api/outbox/dead",             May(P::WebhooksManage)),
    row("POST",   "/api/outbox/{id}/replay",      May(P::WebhooksManage)),
    // Backups and storage.
    row("GET",    "/api/backups",                 May(P::SystemRead)),
    row("POST",   "/api/backups",                 May(P::BackupRun)),
    row("GET",    "/api/backups/{name}/verify",   May(P::BackupRun)),
    row("GET",    "/api/system/storage",          May(P::SystemRead)),
    // Records.
    row("GET",    "/customers",                   May(P::CustomersRead)),
    row("POST",   "/customers",                   May(P::CustomersWrite)),
    row("GET",    "/customers/{id}",              May(P::CustomersRead)),
    row("PUT",    "/customers/{id}",              May(P::CustomersWrite)),
    row("PATCH",  "/customers/{id}",              May(P::CustomersWrite)),
    row("DELETE", "/customers/{id}",              May(P::CustomersWrite)),
    row("PUT",    "/customers/{id}/status",       May(P::CustomersWrite)),
    row("GET",    "/api/customers",               May(P::CustomersRead)),
    row("POST",   "/api/customers",               May(P::CustomersWrite)),
    row("GET",    "/api/customers.csv",           May(P::DataExport)),
    row("GET",    "/api/customers/{id}",          May(P::CustomersRead)),
    row("PUT",    "/api/customers/{id}",          May(P::CustomersWrite)),
    row("PATCH",  "/api/customers/{id}",          May(P::CustomersWrite)),
    row("DELETE", "/api/customers/{id}",          May(P::CustomersWrite)),
    row("PUT",    "/api/customers/{id}/status",   May(P::CustomersWrite)),
    row("POST",   "/upload-customers",            May(P::CustomersImport)),
    row("GET",    "/api/uploads",                 May(P::CustomersImport)),
    row("POST",   "/api/uploads",                 May(P::CustomersImport)),
    row("GET",    "/api/uploads/{id}",            May(P::CustomersImport)),
    row("GET",    "/api/uploads/{id}/rejects",    May(P::CustomersImport)),
    row("GET",    "/api/uploads/{id}/rejects.csv", May(P::CustomersImport)),
    row("GET",    "/api/calls",                   May(P::CallsRead)),
    row("GET",    "/api/calls.csv",               May(P::DataExport)),
    row("GET",    "/api/calls/status/{id}",       May(P::CallsRead)),
    row("GET",    "/api/calls/{id}/turns",        May(P::CallsRead)),
    row("GET",    "/api/calls/{id}/events",       May(P::CallsRead)),
    row("GET",    "/api/calls/{id}/recording",    May(P::TranscriptsRead)),
    row("DELETE", "/api/calls/{id}/recording",    May(P::DataErase)),
    row("POST",   "/api/calls/{id}/recording/stop", May(P::CallsControl)),
    row("POST",   "/api/calls/initiate",          May(P::CallsPlace)),
    row("POST",   "/trigger-call/{id}",           May(P::CallsPlace)),
    row("POST",   "/trigger-bulk-calls",          May(P::CallsPlace)),
    row("GET",    "/api/documents",               May(P::AgentsRead)),
    row("GET",    "/api/documents/{kind}/{name}", May(P::AgentsRead)),
    row("PUT",    "/api/documents/{kind}/{name}", May(P::AgentsWrite)),
    row("GET",    "/api/documents/{kind}/{name}/versions", May(P::AgentsRead)),
    row("GET",    "/api/documents/{kind}/{name}/versions/{number}", May(P::AgentsRead)),
    row("GET",    "/api/documents/{kind}/{name}/versions/{number}/diff", May(P::AgentsRead)),
    row("POST",   "/api/documents/{kind}/{name}/versions/{number}/activate", May(P::AgentsWrite)),
    row("GET",    "/api/analytics",               May(P::CallsRead)),
    row("GET",    "/api/system/stats",            May(P::SystemRead)),
    row("GET",    "/api/live",                    May(P::LiveWatch)),
    row("POST",   "/api/live/ticket",             May(P::LiveWatch)),
    // Shows its ticket, or a session or token, to the handler itself.
    row("GET",    "/ws/dashboard/{id}",           Nobody),
    row("GET",    "/api/openapi.json",            Nobody),
    // Browsers' calls. Whoever may call, and guests of the networks that are configured: the handlers look.
    row("GET",    "/webrtc",                      Nobody),
    row("POST",   "/webrtc/{agent}",              Nobody),
    row("OPTIONS", "/webrtc/{agent}",             Nobody),
    row("POST",   "/webrtc/session/{id}",         Nobody),
    row("PATCH",  "/webrtc/session/{id}",         Nobody),
    row("DELETE", "/webrtc/session/{id}",         Nobody),
    row("OPTIONS", "/webrtc/session/{id}",        Nobody),
    // A page that holds nothing of anybody, and what a browser needs to trust the box.
    row("GET",    "/call",                        Nobody),
    row("GET",    "/call/call.css",               Nobody),
    row("GET",    "/call/call.js",                Nobody),
    row("GET",    "/ca.crt",                      Nobody),
];

/// What `method` on the route `path` needs; `None`: it has no row and nobody passes.
pub fn needs(method: &str, path: &str) -> Option<Need> {
    let method = if method == "HEAD" { "GET" } else { method };
    TABLE.iter().find(|row| row.path == path && row.method == method).map(|row| row.needs)
}

/// The methods that have a row at `path`, for `Allow`.
pub fn methods(path: &str) -> Vec<&'static str> {
    let mut methods: Vec<&str> = TABLE.iter().filter(|row| row.path == path).map(|row| row.method).collect();
    if methods.contains(&"GET") {
        methods.push("HEAD");
    }
    methods
}

impl Need {
    /// Whether `principal` (if anybody is known) is let through.
    pub fn lets(self, principal: Option<&Principal>) -> bool {
        match self {
            Self::Nobody => true,
            Self::Anybody => principal.is_some(),
            Self::May(permission) => principal.is_some_and(|principal| principal.may(permission)),
        }
    }
}

#[cfg(test)]
#[path = "access_tests.rs"]
mod tests;
