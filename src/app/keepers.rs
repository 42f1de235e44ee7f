//! What works beside the calls: webhooks, backups, the databases' upkeep, the audit log's signed heads.

use std::sync::Arc;
use std::time::Duration;

use crate::auth::audit::Audit;
use crate::base::Clock;
use crate::base::tasks::Scope;
use crate::config::Settings;
use crate::delivery::{self, Delivery, DeliveryMetrics, ShapeSettings, SystemNames};
use crate::ops::backups::{self, Backups, Plan};
use crate::ops::notice::{Notice, Tell};
use crate::ops::upkeep::Upkeep;
use crate::store::backup::Source;
use crate::store::disk::DiskState;
use crate::store::journal::Derive;
use crate::store::{Vault, customers};

/// How often the box looks for tenants that the command line has made or removed.
const TENANTS_LOOK: Duration = Duration::from_secs(3);

#[derive(Clone)]
pub(super) struct Keepers {
    pub(super) audit: Audit,
    pub(super) delivery: Delivery,
    pub(super) backups: Backups,
    pub(super) upkeep: Upkeep,
}

impl Keepers {
    pub(super) fn new(settings: &Settings, vault: &Vault, clock: Clock, scope: &Scope) -> anyhow::Result<Self> {
        let tell: Tell = Arc::new(say);
        let delivery = Delivery::new(&settings.webhooks, Arc::new(SystemNames), clock, DeliveryMetrics::default())?;
        let source = Source {
            state: settings.state.dir.clone(),
            config: Some(settings.data.config_dir.clone()),
            master: vault.master().clone(),
        };
        let plan = Plan {
            source,
            depot: backups::depot(settings)?,
            rhythm: settings.backup.rhythm,
            keep: settings.backup.keep,
        };
        Ok(Self {
            audit: Audit::new(vault.clone(), clock),
            delivery,
            backups: Backups::new(plan, clock, scope.clone(), Arc::clone(&tell)),
            upkeep: Upkeep::new(vault.clone(), DiskState::default(), clock, tell),
        })
    }

    /// What the journal does besides, in the transaction of each record.
    pub(super) fn derive(&self, settings: &Settings) -> Vec<Derive> {
        let number_of: delivery::NumberOf = Arc::new(|db, hash| customers::phone_of(db, hash).ok().flatten());
        let shapes = ShapeSettings { words: settings.privacy.transcripts, number_of: Some(number_of) };
        vec![delivery::announce(shapes, &self.delivery)]
    }

    /// Begins the work; it ends with the scope.
    pub(super) fn start(&self, vault: &Vault, scope: &Scope) {
        self.backups.run();
        self.upkeep.run(scope);
        scope.spawn("audit heads", self.audit.clone().sign_heads(scope.clone()));
        let (delivery, tasks) = (self.delivery.clone(), scope.clone());
        let runtime = tokio::runtime::Handle::current();
        vault.on_tenants(move |id, db| {
            let _inside = runtime.enter();
            match db {
                Some(db) => delivery.open(id, db.clone(), &tasks),
                None => delivery.close(id),
            }
        });
        let (vault, stop) = (vault.clone(), scope.clone());
        scope.spawn("tenants", async move {
            loop {
                tokio::select! {
                    () = stop.stopped() => return,
                    () = tokio::time::sleep(TENANTS_LOOK) => {}
                }
                let looking = vault.clone();
                match tokio::task::spawn_blocking(move || looking.refresh()).await {
                    Ok(Err(error)) => tracing::error!(%error, "tenants that were made or removed cannot be taken notice of"),
                    Ok(Ok(())) | Err(_) => {}
                }
            }
        });
    }
}

fn say(notice: Notice) {
    let Notice { code, about, raised, severe, text, fix } = notice;
    match (raised, severe) {
        (true, true) => tracing::error!(code, about, text, fix, "something needs a person"),
        (true, false) => tracing::warn!(code, about, text, fix, "something is not as it should be"),
        (false, _) => tracing::info!(code, about, "it is well again"),
    }
}
