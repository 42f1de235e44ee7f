//! What works beside the calls: webhooks, backups, the databases' upkeep, the nightly sweep, the audit
//! log's signed heads.

use std::sync::Arc;

use futures_util::FutureExt;

use crate::auth::audit::Audit;
use crate::base::tasks::Scope;
use crate::base::{Clock, limits};
use crate::config::Settings;
use crate::delivery::objects::{Key, Objects};
use crate::delivery::{self, Delivery, DeliveryMetrics, ShapeSettings, SystemNames};
use crate::ops::backups::{self, Backups, Plan};
use crate::ops::notice::{Notice, Tell};
use crate::ops::sweep::{Remove, Sweep};
use crate::ops::upkeep::Upkeep;
use crate::store::backup::Source;
use crate::store::disk::DiskState;
use crate::store::journal::Derive;
use crate::store::{Vault, customers, dnd};

#[derive(Clone)]
pub(super) struct Keepers {
    pub(super) audit: Audit,
    pub(super) delivery: Delivery,
    pub(super) backups: Backups,
    pub(super) upkeep: Upkeep,
    sweep: Sweep,
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
        let audit = Audit::new(vault.clone(), clock);
        let sweep = Sweep {
            vault: vault.clone(),
            audit: audit.clone(),
            clock,
            retention: settings.retention,
            remove: Some(removing(Objects::open(settings, vault.clone())?)),
            chores: Vec::new(),
        };
        Ok(Self {
            audit,
            delivery,
            backups: Backups::new(plan, clock, scope.clone(), Arc::clone(&tell)),
            upkeep: Upkeep::new(vault.clone(), DiskState::default(), clock, tell),
            sweep,
        })
    }

    /// What the journal does besides, in the transaction of each record.
    pub(super) fn derive(&self, settings: &Settings) -> Vec<Derive> {
        let number_of: delivery::NumberOf = Arc::new(|db, hash| customers::phone_of(db, hash).ok().flatten());
        let shapes = ShapeSettings { words: settings.privacy.transcripts, number_of: Some(number_of) };
        // Who says "do not call me" is on the list before it is told to anybody.
        vec![Arc::new(dnd::heard), Arc::new(customers::follow), delivery::announce(shapes, &self.delivery)]
    }

    /// Begins the work; it ends with the scope.
    pub(super) fn start(&self, vault: &Vault, scope: &Scope) {
        self.backups.run();
        self.upkeep.run(scope);
        scope.spawn("audit heads", self.audit.clone().sign_heads(scope.clone()));
        scope.spawn("retention", self.sweep.clone().nightly(scope.clone()));
        let (delivery, tasks) = (self.delivery.clone(), scope.clone());
        let runtime = tokio::runtime::Handle::current();
        vault.on_tenants(move |id, db| {
            let _inside = runtime.enter();
            match db {
                Some(db) => delivery.open(id, db.clone(), &tasks),
                None => delivery.close(id),
            }
        });
        scope.spawn("tenants", notice_tenants(vault.clone(), scope.clone()));
    }
}

/// Looks for tenants that the command line has made or removed.
async fn notice_tenants(vault: Vault, scope: Scope) {
    loop {
        tokio::select! {
            () = scope.stopped() => return,
            () = tokio::time::sleep(limits::TENANTS_LOOK) => {}
        }
        let looking = vault.clone();
        if let Ok(Err(error)) = tokio::task::spawn_blocking(move || looking.refresh()).await {
            tracing::error!(%error, "tenants that were made or removed cannot be taken notice of");
        }
    }
}

fn removing(objects: Objects) -> Remove {
    Arc::new(move |tenant, name| {
        let objects = objects.clone();
        async move {
            // A name that is none of ours was never put.
            let Some(key) = Key::parse(&name) else { return Ok(()) };
            objects.delete(&tenant, &key).await.map(drop).map_err(|error| error.to_string())
        }
        .boxed()
    })
}

fn say(notice: Notice) {
    let Notice { code, about, raised, severe, text, fix } = notice;
    match (raised, severe) {
        (true, true) => tracing::error!(code, about, text, fix, "something needs a person"),
        (true, false) => tracing::warn!(code, about, text, fix, "something is not as it should be"),
        (false, _) => tracing::info!(code, about, "it is well again"),
    }
}
