//! Every row × every role.

use std::collections::BTreeSet;

use super::*;
use crate::auth::role::Role;
use crate::auth::{Kind, Principal};

fn of(role: Role) -> Principal {
    Principal::new(Kind::Nobody, "test", role, None)
}

#[test]
fn no_route_has_two_rows_and_every_row_is_well_formed() {
    let mut seen = BTreeSet::new();
    for row in TABLE {
        assert!(seen.insert((row.method, row.path)), "{} {} stands twice", row.method, row.path);
        assert!(matches!(row.method, "GET" | "POST" | "PUT" | "PATCH" | "DELETE" | "OPTIONS"), "{}", row.method);
        assert!(row.path.starts_with('/') && !row.path.ends_with('/'), "{}", row.path);
    }
}

#[test]
fn every_row_lets_exactly_the_roles_of_its_permission() {
    for row in TABLE {
        for role in Role::ALL {
            let expected = match row.needs {
                Need::Nobody | Need::Anybody => true,
                Need::May(permission) => role.may(permission),
            };
            assert_eq!(row.needs.lets(Some(&of(role))), expected, "{role} × {} {}", row.method, row.path);
        }
        let public = row.needs == Need::Nobody;
        assert_eq!(row.needs.lets(None), public, "a stranger × {} {}", row.method, row.path);
    }
}

/// Public routes are few and known by name: one more is a decision, not a slip.
#[test]
fn public_routes_are_these() {
    let public: Vec<String> = TABLE
        .iter()
        .filter(|row| row.needs == Need::Nobody)
        .map(|row| format!("{} {}", row.method, row.path))
        .collect();
    assert_eq!(
        public,
        [
            "GET /health",
            "GET /metrics",
            "POST /api/setup",
            "GET /api/login",
            "POST /api/login",
            "POST /api/login/reset",
            "GET /api/oidc/login",
            "GET /api/oidc/callback",
            "GET /ws/dashboard/{id}",
            "GET /api/openapi.json",
            "GET /webrtc",
            "POST /webrtc/{agent}",
            "OPTIONS /webrtc/{agent}",
            "POST /webrtc/session/{id}",
            "PATCH /webrtc/session/{id}",
            "DELETE /webrtc/session/{id}",
            "OPTIONS /webrtc/session/{id}",
            "GET /call",
            "GET /call/call.css",
            "GET /call/call.js",
            "GET /ca.crt",
        ]
    );
}

#[test]
fn rows_are_found_by_template_and_method() {
    assert_eq!(needs("HEAD", "/api/me"), Some(Need::Anybody));
    assert_eq!(needs("DELETE", "/sessions/{id}"), Some(Need::May(Permission::CallsControl)));
    for (method, path) in [("GET", "/sessions/1"), ("PATCH", "/sessions"), ("get", "/sessions"), ("GET", "")] {
        assert_eq!(needs(method, path), None, "{method} {path}");
    }
}
