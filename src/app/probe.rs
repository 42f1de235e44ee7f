//! Finds out whether the world outside the box is there: asks the hosts of providers that fail, and
//! the addresses named for it. Any answer counts, were it only an error. Nothing of a call is sent.

use std::sync::Arc;

use reqwest::Client;
use url::Url;

use crate::ai::providers;
use crate::ai::router::{Planner, probing};
use crate::api::Component;
use crate::base::tasks::Scope;

/// Probes until the daemon stops, while something outside is not well.
pub(super) async fn watch(planner: Arc<Planner>, scope: Scope) {
    let http = match providers::http::client() {
        Ok(http) => http,
        Err(error) => {
            tracing::error!(%error, "providers cannot be probed");
            return;
        }
    };
    tokio::select! {
        () = scope.stopped() => {}
        () = probing::rounds(&planner, |url| answers(http.clone(), url)) => {}
    }
}

/// Whether anything at all answers there. The address goes without path and query: they may mean
/// something, or hold a key.
async fn answers(http: Client, mut root: Url) -> bool {
    root.set_path("/");
    root.set_query(None);
    http.head(root).send().await.is_ok()
}

/// For `/health`; nothing if nobody outside is configured.
pub(super) fn component(planner: &Planner) -> Option<Component> {
    let outside = planner.outside();
    if outside.is_empty() {
        return None;
    }
    let offline = planner.is_offline();
    let well = outside.iter().all(|(_, how)| how.starts_with("ready"));
    Some(Component {
        name: "providers".to_owned(),
        // Calls go on without them.
        status: if well && !offline { "ok" } else { "degraded" },
        detail: if offline {
            "offline: nothing outside the box can be reached; calls go on with the box's own engines".to_owned()
        } else {
            String::new()
        },
        facts: serde_json::json!({ "offline": offline, "candidates": outside.into_iter().collect::<std::collections::BTreeMap<_, _>>() }),
    })
}
