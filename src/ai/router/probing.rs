//! When hosts outside the box are probed, and what the answers mean. How one is asked is handed in.

use std::time::Duration;

use futures_util::future::join_all;
use url::Url;

use super::plan::Planner;

/// For one answer; less when rounds are closer together.
const WITHIN_MAX: Duration = Duration::from_secs(3);
const WITHIN_MIN: Duration = Duration::from_secs(1);
/// Between two rounds, however many providers fall into doubt.
const INTERVAL_MIN: Duration = Duration::from_millis(200);

/// Asks for ever, while something outside is not well. A provider that kept a call waiting is asked at
/// once: if it answers it was only slow.
pub async fn rounds<A>(planner: &Planner, answers: impl Fn(Url) -> A)
where
    A: Future<Output = bool>,
{
    let interval = planner.table().offline().interval.max(INTERVAL_MIN);
    let within = interval.clamp(WITHIN_MIN, WITHIN_MAX);
    let asked = async |url: &Url| tokio::time::timeout(within, answers(url.clone())).await.unwrap_or(false);
    let mut rounds = tokio::time::interval(interval);
    // A round that waits in vain takes as long as the pause between two; the next one follows at once.
    rounds.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = rounds.tick() => {}
            () = planner.doubt_arises() => tokio::time::sleep(INTERVAL_MIN).await,
        }
        let places = planner.to_probe();
        if places.is_empty() {
            continue;
        }
        let candidates = planner.table().candidates();
        let address = |place: &usize| candidates.get(*place).and_then(|c| c.provider.base_url.as_ref());
        let mut hosts: Vec<&Url> = places.iter().filter_map(address).collect();
        hosts.sort();
        hosts.dedup();
        let of_host = async |url: &Url| {
            let answered = asked(url).await;
            if answered {
                // At once: by the end of the round it may be wrong.
                places.iter().filter(|place| address(place) == Some(url)).for_each(|place| planner.reachable(*place));
            }
            answered
        };
        let named = &planner.table().offline().probes;
        let of_hosts = join_all(hosts.iter().map(|url| of_host(url)));
        let of_named = join_all(named.iter().map(asked));
        let (of_hosts, of_named) = tokio::join!(of_hosts, of_named);
        let there = |url: &Url| hosts.iter().zip(&of_hosts).any(|(host, answered)| *host == url && *answered);
        let answered: Vec<usize> = places.iter().copied().filter(|place| address(place).is_some_and(there)).collect();
        let others = of_named.into_iter().filter(|answered| *answered).count();
        planner.probed(&places, &answered, others);
    }
}
