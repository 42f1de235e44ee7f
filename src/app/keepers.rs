//! What works beside the calls: webhooks, backups, the databases' upkeep, the nightly sweep, the audit
//! log's signed heads.

use std::sync::Arc;

use futures_util::FutureExt;

use crate::auth::audit::Audit;
use crate::base::Clock;
use crate::base::tasks::Scope;
use crate::config::Settings;
use crate::delivery::objects::{Key, Objects};
use crate::delivery::recordings::Recordings;
use crate::delivery::{self, Delivery, DeliveryMetrics, ShapeSettings, SystemNames};
use crate::ops::backups::{self, Backups, Plan};
use crate::ops::notice::Tell;
use crate::ops::sweep::{Chore, Remove, Sweep};
use crate::ops::upkeep::Upkeep;
use crate::store::backup::Source;
use crate::store::journal::Derive;
use crate::store::{Vault, customers, dnd};

#[derive(Clone)]
pub(super) struct Keepers {
    pub(super) audit: Audit,
    pub(super) delivery: Delivery,
    pub(super) backups: Backups,
    pub(super) upkeep: Upkeep,
    pub(super) recordings: Recordings,
    sweep: Sweep,
    objects: Objects,
}

impl Keepers {
    /// `look`: something has changed that health must see at once.
    pub(super) fn new(
        settings: &Settings,
        vault: &Vault,
        clock: Clock,
        scope: &Scope,
        look: Tell,
    ) -> anyhow::Result<Self> {
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
        let objects = Objects::open(settings, vault.clone())?;
        let parts = objects.clone();
        let chore: Chore = Arc::new(move || {
            let parts = parts.clone();
            async move { Ok(parts.sweep().await as u64) }.boxed()
        });
        let sweep = Sweep {
            vault: vault.clone(),
            audit: audit.clone(),
            clock,
            retention: settings.retention,
            remove: Some(removing(objects.clone())),
            chores: vec![("object parts", chore)],
        };
        Ok(Self {
            audit,
            delivery,
            backups: Backups::new(plan, clock, scope.clone(), Arc::clone(&look)),
            upkeep: Upkeep::new(vault.clone(), clock, look),
            recordings: Recordings::new(
                vault.clone(),
                objects.clone(),
                clock,
                settings.recording.clone(),
                settings.privacy.transcripts,
            ),
            sweep,
            objects,
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
    pub(super) fn start(&self, vault: &Vault, scope: &Scope) -> std::io::Result<()> {
        self.recordings.start(scope)?;
        self.backups.run();
        self.upkeep.run(scope);
        scope.spawn("audit heads", self.audit.clone().sign_heads(scope.clone()));
        let objects = self.objects.clone();
        scope.spawn("object parts", async move {
            let parts = objects.sweep().await;
            if parts > 0 {
                tracing::info!(parts, "removed what had died on its way into the object store");
            }
        });
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
        Ok(())
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
