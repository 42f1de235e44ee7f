//! Receivers in the site's own network, whose certificates are of the site's own authority.

use std::sync::Arc;

use vaani::base::{Clock, DeliveryId};
use vaani::config::{Roots, Webhooks};
use vaani::delivery::{self, Delivery, DeliveryMetrics, Outcome, SystemNames};
use vaani::store::webhooks::{Letter, Secrets};

use crate::authority;
use crate::receiver::Receiver;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_behind_an_authority_of_the_sites_own_is_told_by_whoever_trusts_it() {
    let (receiver, plain) = Receiver::start(0).await;
    let (ca, at) = authority::in_front_of(plain);
    let sending = |roots: Roots| {
        let settings = Webhooks {
            allow_private: vec!["127.0.0.1".parse().unwrap()],
            allow_http: false,
            give_up_hours: 1,
            parallel: 1,
            keep_days: 1,
            roots,
        };
        Delivery::new(&settings, Arc::new(SystemNames), Clock::system(), DeliveryMetrics::default()).unwrap()
    };
    let letter = Letter {
        id: DeliveryId::new(),
        url: format!("https://{at}/hook"),
        body: "{}".to_owned(),
        secrets: Secrets { current: delivery::new_secret().unwrap(), old: None },
    };
    let Outcome::Failed { why, .. } = sending(Roots::default()).try_once(&letter).await else {
        panic!("a stranger was believed")
    };
    assert_eq!(why, "its certificate is not trusted");
    assert!(receiver.arrived().is_empty());
    let trusting = sending(Roots::of_pem(&ca).unwrap());
    assert_eq!(trusting.try_once(&letter).await, Outcome::Delivered { status: 200 });
    assert_eq!(receiver.arrived().len(), 1);
}
