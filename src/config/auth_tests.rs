//! `[auth]` and what is wrong with it.

use std::time::Duration;

use super::{Auth, Environment, Settings};

/// The settings of a `vaani.toml` with this text, or the faults.
fn load(text: &str, variables: &[(&str, &str)]) -> Result<Auth, Vec<String>> {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("vaani.toml"), text).unwrap();
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let environment = Environment { variables, working: dir.path().to_owned(), program: "/usr/bin/vaani".into() };
    let prefix = format!("{}/", dir.path().display());
    match Settings::load_from(Some(dir.path()), &environment) {
        Ok(settings) => Ok(settings.auth),
        Err(error) => Err(error.problems.iter().map(|p| p.to_string().replace(&prefix, "")).collect()),
    }
}

const OIDC: &str = "[auth.oidc]\nissuer = \"https://login.example.in\"\nclient_id = \"vaani\"\n";

#[test]
fn without_a_word_there_are_local_users_with_safe_sessions() {
    let auth = load("", &[]).unwrap();
    assert_eq!((auth.session, auth.idle), (Duration::from_secs(43_200), Duration::from_secs(1_800)));
    assert!(auth.oidc.is_none() && auth.require_totp_for.is_empty() && auth.trusted_proxies.len() == 2);
    // The sections as they are shipped, empty.
    assert!(load("[auth.oidc]\n[auth.oidc.roles]\n[auth.oidc.tenants]\n", &[]).unwrap().oidc.is_none());
}

#[test]
fn single_sign_on_is_read_with_its_tables() {
    let text = format!(
        "{OIDC}scopes = [\"groups\"]\ntenant = \"*\"\ntenant_claim = \"org\"\n\
         [auth.oidc.roles]\n\"vaani admins\" = \"admin\"\n[auth.oidc.tenants]\n\"Bank of Asha\" = \"asha\"\n"
    );
    let oidc = load(&text, &[("VAANI_AUTH__OIDC__CLIENT_SECRET", "0123456789abcdef")]).unwrap().oidc.unwrap();
    assert_eq!(oidc.roles["vaani admins"], "admin");
    assert_eq!(oidc.tenants["Bank of Asha"].as_str(), "asha");
    assert_eq!((oidc.tenant, oidc.role_claim.as_str(), &oidc.scopes[..]), (None, "groups", &["groups".to_owned()][..]));
    assert!(oidc.client_secret.unwrap().matches("0123456789abcdef"));
    // A secret may come from systemd.
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("oidc_client_secret"), "fedcba9876543210\n").unwrap();
    let credentials = [("CREDENTIALS_DIRECTORY", dir.path().to_str().unwrap())];
    let text = format!("{OIDC}default_role = \"viewer\"\n");
    let oidc = load(&text, &credentials).unwrap().oidc.unwrap();
    assert!(oidc.client_secret.unwrap().matches("fedcba9876543210"));
    assert_eq!(oidc.tenant.unwrap().as_str(), "default");
}

#[test]
fn each_mistake_is_named_with_its_line() {
    let with_oidc = |more: &str| format!("{OIDC}default_role = \"viewer\"\n{more}");
    let https = "[http]\npublic_base_url = \"https://box.example.in\"\n[auth.oidc]\nissuer = \"http://login\"\nclient_id = \"v\"\ndefault_role = \"viewer\"\n";
    let cases = [
        ("[auth]\nsession_hours = 0\n".to_owned(), "vaani.toml:2: `auth.session_hours` is 0"),
        ("[auth]\nsession_hours = 1\nidle_minutes = 90\n".to_owned(), "vaani.toml:3: `auth.idle_minutes` is longer"),
        ("[auth]\nrequire_totp_for = [\"root\"]\n".to_owned(), "names the role \"root\"; write one of admin"),
        ("[auth]\ntrusted_proxies = [\"proxy\"]\n".to_owned(), "`auth.trusted_proxies` holds \"proxy\""),
        ("[auth.limits]\nkey_burst = 0\n".to_owned(), "`auth.limits.key_burst` is 0"),
        (OIDC.to_owned(), "gives nobody a role"),
        ("[auth.oidc]\nissuer = \"https://x.in\"\n".to_owned(), "`auth.oidc.issuer` stands alone"),
        ("[auth.oidc]\nclient_id = \"v\"\n".to_owned(), "`auth.oidc.client_id` stands alone"),
        (
            "[auth.oidc]\nissuer = \"login\"\nclient_id = \"v\"\ndefault_role = \"viewer\"\n".to_owned(),
            "which is no URL",
        ),
        (https.to_owned(), "is no https address"),
        (with_oidc("tenant = \"../x\"\n"), "`auth.oidc.tenant` is \"../x\""),
        (with_oidc("client_secret = \"short\"\n"), "`auth.oidc.client_secret` is no usable secret"),
        (with_oidc("client_sceret = \"0123456789\"\n"), "write `auth.oidc.client_secret`"),
        (with_oidc("[auth.oidc.roles]\nx = \"service\"\n"), "that role is for API keys"),
        (with_oidc("[auth.oidc.roles]\nx = 7\n"), "vaani.toml:6: `auth.oidc.roles.x` is"),
        (with_oidc("[auth.oidc.tenants]\nx = \"A B\"\n"), "`auth.oidc.tenants.x` is no tenant's id"),
    ];
    for (text, expected) in cases {
        let faults = load(&text, &[]).expect_err(&text);
        assert_eq!(faults.len(), 1, "{text}: {faults:?}");
        assert!(faults[0].contains(expected), "{text}: {faults:?}");
    }
}
