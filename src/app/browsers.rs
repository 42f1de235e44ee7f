//! Calls from browsers: the transport's routes behind the guard, the page, and HTTPS by the box itself.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use anyhow::Context as _;
use axum::Router;
use axum::extract::Request;
use axum::http::header;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::serve::ListenerExt as _;
use tokio::net::TcpListener;

use crate::api::guard::{self, Peer, Tenant};
use crate::auth::{Gate, Permission, Principal};
use crate::base::tasks::Scope;
use crate::base::{Clock, TenantId};
use crate::call::registry::Registry;
use crate::call::script::Scripts;
use crate::config::Settings;
use crate::ops::tls::{Authority, Identity, LOOK, TlsListener};
use crate::telephony::webrtc::{
    self, AgentCard, Caller, Facts, Standing, WebrtcDeps, WebrtcMetrics, WebrtcSettings, places,
};

/// What the transport needs of the box.
pub(super) struct Surroundings {
    pub(super) registry: Registry,
    pub(super) scripts: Arc<Scripts>,
    pub(super) facts: Facts,
    pub(super) metrics: WebrtcMetrics,
    pub(super) clock: Clock,
    pub(super) scope: Scope,
}

/// The transport and its page, each behind the guard.
pub(super) fn routes(settings: &Settings, of: Surroundings, gate: Gate) -> Router {
    if !settings.webrtc.enabled {
        return Router::new();
    }
    let Surroundings { registry, scripts, facts, metrics, clock, scope } = of;
    let webrtc = &settings.webrtc;
    let deps = WebrtcDeps {
        settings: WebrtcSettings {
            addresses: webrtc.addresses.clone(),
            ports: webrtc.udp_ports.clone(),
            guests: webrtc.guests.clone(),
        },
        exchange: Arc::new(registry),
        agents: Arc::new(move || cards(&scripts)),
        facts,
        clock,
        tasks: scope,
        metrics,
    };
    webrtc::routes(deps)
        .merge(webrtc::pages())
        .route_layer(middleware::from_fn(introduce))
        .route_layer(middleware::from_fn_with_state(gate, guard::guard))
}

fn cards(scripts: &Scripts) -> Vec<AgentCard> {
    let default = scripts.get(None).map(|script| script.name().to_owned());
    let card = |script: &Arc<crate::call::script::Script>| AgentCard {
        name: script.name().to_owned(),
        languages: script.languages().to_vec(),
        default: default.as_deref() == Some(script.name()),
        tenant: script.concerns(None, None, None).tenant_id(),
    };
    scripts.all().map(card).collect()
}

/// Tells the transport who asks, in its own words.
async fn introduce(mut request: Request, next: Next) -> Response {
    let parts = request.extensions();
    let address = parts.get::<Peer>().map_or(IpAddr::from([0, 0, 0, 0]), |peer| peer.address);
    let standing = match parts.get::<Principal>() {
        Some(principal) => Standing::Known {
            actor: principal.actor(),
            may_call: principal.may(Permission::CallsPlace),
            tenant: reach(principal, parts.get::<Tenant>()),
        },
        None => Standing::Nobody,
    };
    request.extensions_mut().insert(Caller { standing, address });
    next.run(request).await
}

/// Whoever sees the whole box may call every agent, whatever tenant is looked at.
fn reach(principal: &Principal, tenant: Option<&Tenant>) -> Option<TenantId> {
    let own = principal.tenant.as_ref()?;
    Some(tenant.map_or_else(|| own.clone(), |tenant| tenant.id.clone()))
}

/// HTTPS by the box itself.
pub(super) struct Https {
    listener: TcpListener,
    identity: Arc<Identity>,
    authority: Authority,
    host: String,
    public: Option<String>,
}

impl Https {
    /// Opens the port, with a certificate to show. `None`: it is not wanted.
    pub(super) async fn open(settings: &Settings, clock: Clock) -> anyhow::Result<Option<Self>> {
        let Some(address) = settings.http.tls_listen else { return Ok(None) };
        let listener = TcpListener::bind(address).await.with_context(|| {
            format!("could not listen on {address} for HTTPS; set http.tls_listen in vaani.toml to a free port")
        })?;
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().to_ascii_lowercase();
        let authority = Authority::open(&settings.state.dir, &host, clock)?;
        let public = settings.http.public_base_url.clone();
        let names = names(&host, public.as_deref());
        let identity = Arc::new(Identity::new(authority.clone(), &names, clock)?);
        Ok(Some(Self { listener, identity, authority, host, public }))
    }

    pub(super) fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// What browsers must trust, for everybody to fetch.
    pub(super) fn certificate(&self, gate: Gate) -> Router {
        let authority = self.authority.clone();
        let serve = move || {
            let authority = authority.clone();
            async move {
                let read = tokio::task::spawn_blocking(move || authority.certificate()).await;
                match read {
                    Ok(Ok(pem)) => {
                        let file = "attachment; filename=\"vaani-ca.crt\"";
                        let headers =
                            [(header::CONTENT_TYPE, "application/x-x509-ca-cert"), (header::CONTENT_DISPOSITION, file)];
                        (headers, pem).into_response()
                    }
                    _ => axum::http::StatusCode::NOT_FOUND.into_response(),
                }
            }
        };
        Router::new().route("/ca.crt", get(serve)).route_layer(middleware::from_fn_with_state(gate, guard::guard))
    }

    /// Serves until the scope stops; the certificate is looked after meanwhile.
    pub(super) fn serve(self, router: Router, clock: Clock, scope: &Scope) -> anyhow::Result<()> {
        let Self { listener, identity, host, public, .. } = self;
        let listener = TlsListener::new(listener, Arc::clone(&identity).settings()?, scope)?;
        let stopping = scope.clone();
        scope.spawn("https", async move {
            let router = router.into_make_service_with_connect_info::<SocketAddr>();
            let served = axum::serve(listener.tap_io(|_| {}), router)
                .with_graceful_shutdown(async move { stopping.stopped().await });
            if let Err(error) = served.await {
                tracing::error!(%error, "the HTTPS server ended");
            }
        });
        let stopping = scope.clone();
        scope.spawn("certificate", async move {
            loop {
                tokio::select! {
                    () = stopping.stopped() => return,
                    () = tokio::time::sleep(LOOK) => {}
                }
                let (identity, names) = (Arc::clone(&identity), names(&host, public.as_deref()));
                let renewed = tokio::task::spawn_blocking(move || identity.renew(&names, clock)).await;
                if let Ok(Err(error)) = renewed {
                    tracing::error!(%error, "the box's certificate could not be looked after; the old one is shown");
                }
            }
        });
        Ok(())
    }
}

/// What the box is reached by: its name, the same as multicast DNS spells it, and its addresses.
fn names(host: &str, public: Option<&str>) -> Vec<String> {
    let mut names = Vec::new();
    let mut add = |name: String| {
        if !name.is_empty() && !names.contains(&name) {
            names.push(name);
        }
    };
    let plain =
        |name: &str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.'));
    if plain(host) {
        add(host.to_owned());
        let first = host.split('.').next().unwrap_or(host);
        add(format!("{first}.local"));
    }
    add("localhost".to_owned());
    let url = public.and_then(|url| url.parse::<url::Url>().ok());
    add(url.and_then(|url| url.host_str().map(|host| host.trim_matches(['[', ']']).to_owned())).unwrap_or_default());
    for ip in places::usable() {
        add(ip.to_string());
    }
    add("127.0.0.1".to_owned());
    add("::1".to_owned());
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_certificate_names_what_the_box_is_reached_by() {
        let names = names("Box7.example.in".to_ascii_lowercase().as_str(), Some("https://voice.example.in:8443/x"));
        assert_eq!(names[..4], ["box7.example.in", "box7.local", "localhost", "voice.example.in"]);
        assert!(names.contains(&"127.0.0.1".to_owned()) && names.contains(&"::1".to_owned()));
        assert_eq!(super::names("", None)[0], "localhost");
        assert_eq!(super::names("odd name\n", None)[0], "localhost");
    }
}
