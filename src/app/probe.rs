//! Finds out whether the world outside the box is there: asks the hosts of providers that fail, and
//! the addresses named for it. Any answer counts, were it only an error. Nothing of a call is sent.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use reqwest::Client;
use url::Url;

use crate::ai::providers;
use crate::ai::router::Planner;
use crate::api::Component;
use crate::base::tasks::Scope;

/// For one answer.
const WITHIN: Duration = Duration::from_secs(3);

/// Probes until the daemon stops, while something outside is not well.
pub(super) async fn watch(planner: Arc<Planner>, scope: Scope) {
    let http = match providers::http::client() {
        Ok(http) => http,
        Err(error) => {
            tracing::error!(%error, "providers cannot be probed");
            return;
        }
    };
    let interval = planner.table().offline().interval.max(Duration::from_millis(200));
    loop {
        tokio::select! {
            () = scope.stopped() => return,
            () = tokio::time::sleep(interval) => {}
        }
        let places = planner.to_probe();
        if places.is_empty() {
            continue;
        }
        let candidates = planner.table().candidates();
        let hosts: Vec<(usize, Url)> = places
            .into_iter()
            .filter_map(|place| Some((place, candidates.get(place)?.provider.base_url.clone()?)))
            .collect();
        let named = &planner.table().offline().probes;
        let of_hosts = join_all(hosts.iter().map(|(_, url)| answers(&http, url)));
        let of_named = join_all(named.iter().map(|url| answers(&http, url)));
        let (of_hosts, of_named) = tokio::join!(of_hosts, of_named);
        let answered: Vec<usize> =
            hosts.iter().zip(of_hosts).filter(|(_, answered)| *answered).map(|((place, _), _)| *place).collect();
        let others = of_named.into_iter().filter(|answered| *answered).count();
        planner.probed(hosts.len() + named.len(), &answered, others);
    }
}

/// Whether anything at all answers there. The address goes without path and query: they may mean
/// something, or hold a key.
async fn answers(http: &Client, url: &Url) -> bool {
    let mut root = url.clone();
    root.set_path("/");
    root.set_query(None);
    matches!(tokio::time::timeout(WITHIN, http.head(root).send()).await, Ok(Ok(_)))
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
