//! Composition root: builds every room, wires the channels, owns the shutdown. The only place that
//! knows every room.

mod browsers;
mod connect;
mod dialers;
mod exchanges;
pub(crate) mod exotel;
mod health;
mod keepers;
mod keeping;
mod lines;
mod local;
mod probe;
mod tenants;
mod watching;

use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::Context;
use axum::serve::ListenerExt;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::ai::engines::{Llama, Setup, Voices, Whisper};
use crate::ai::hardware::Hardware;
use crate::ai::line_cache::LineCache;
use crate::ai::router::bill::Bill;
use crate::ai::router::{self, CallFacts, Planner, Router, Table};
use crate::ai::tts::Tts;
use crate::api::http_metrics;
use crate::api::linger::linger;
use crate::api::{self, ApiDeps, BudgetGauges, Live, Metrics, RouterGauges};
use crate::auth::audit::Audit;
use crate::auth::{Gate, GateDeps};
use crate::base::event::{Event, Record};
use crate::base::secret::KeyedHash;
use crate::base::tasks::Scope;
use crate::base::{Clock, TenantId, limits};
use crate::call::admission::Admission;
use crate::call::driver::Engines;
use crate::call::registry::{Deps, Observer, Registry};
use crate::call::script::{Bounds, Script, Scripts};
use crate::config::Settings;
use crate::dialogue::intent::Matcher;
use crate::dialogue::shelf::Shelf;
use crate::ops::notify;
use crate::store::Vault;
use crate::store::journal::Journal;
use crate::store::ledger::{self, Ledger, Purse};
use crate::telephony::exotel::{ExotelDeps, ExotelMetrics, Flows};
use crate::telephony::leg::Exchange;
use crate::telephony::signature::Keys;
use crate::telephony::stream::StreamMetrics;
use crate::telephony::twilio::{TwilioDeps, TwilioMetrics, TwilioSettings};
use crate::telephony::webrtc::{Facts, WebrtcMetrics};

use exchanges::ExchangeMetrics;
use health::Parts;
use keepers::Keepers;
use keeping::{
    catch_up, close_lost_calls, forget_half_lists, invite_first_admin, kept_secret, load_lists, only_one, open_vault,
};
use lines::{Prompts, render_ahead};
use tenants::AgentTenants;
use watching::{Sources, Watching};

/// The running daemon.
pub struct App {
    settings: Settings,
    scope: Scope,
    engine_scope: Scope,
    registry: Registry,
    vault: Vault,
    audit: Audit,
    ledger: ledger::Writer,
    engines: Arc<Local>,
    address: SocketAddr,
    tls_address: Option<SocketAddr>,
    signals: Signals,
    _lock: std::fs::File,
}

/// The local engines as processes, for health.
struct Local {
    stt: Whisper,
    llm: Llama,
    tts: Voices,
}

/// The catalogues, agents and what is made of them.
pub fn load_scripts(settings: &Settings) -> anyhow::Result<Scripts> {
    let config = &settings.data.config_dir;
    let shelf = Shelf::load(config)?;
    let catalogue = Arc::new(shelf.catalogue);
    let matcher = Arc::new(Matcher::new(&catalogue));
    let bounds = Bounds { max_duration: settings.calls.max_duration, inactivity: settings.calls.inactivity };
    let states = shelf.states;
    let scripts = shelf
        .agents
        .agents
        .into_values()
        .map(|agent| {
            let states = states.get(&agent.states).cloned().unwrap_or_default();
            let tenant = agent.routing.tenant.parse().unwrap_or_else(|_| TenantId::default_tenant());
            let script = Script::new(agent, states, Arc::clone(&catalogue), Arc::clone(&matcher), bounds);
            if settings.recording.allows(&tenant) { script.recorded() } else { script }
        })
        .collect();
    let scripts = Scripts::new(scripts, &settings.calls.default_agent);
    if scripts.get(None).is_none() {
        anyhow::bail!(
            "there is no agent {:?} in {}; set calls.default_agent in vaani.toml to one that exists",
            settings.calls.default_agent,
            config.join("agents").display()
        );
    }
    Ok(scripts)
}

/// `routing.yaml` of the configuration; without one the box asks its own engines only.
pub fn load_table(settings: &Settings) -> anyhow::Result<Table> {
    let path = settings.data.config_dir.join("routing.yaml");
    if !path.exists() {
        return Ok(Table::local_only());
    }
    let (table, remarks) = Table::load(&path)?;
    for remark in remarks {
        tracing::warn!("{remark}");
    }
    Ok(table)
}

impl App {
    /// Builds everything and opens the port. Calls are taken once this returns; engines may still
    /// be loading, which callers notice as a filler at most.
    pub async fn start(settings: Settings) -> anyhow::Result<Self> {
        let clock = Clock::system();
        let scope = Scope::new();
        let engine_scope = Scope::new();
        let state = &settings.state.dir;
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(state)
            .with_context(|| format!("could not make the state directory {}", state.display()))?;
        let lock = only_one(state)?;
        let scripts = Arc::new(load_scripts(&settings)?);
        let api_token = match &settings.api.token {
            Some(token) => token.clone(),
            None => kept_secret(&state.join("api-token"))?,
        };
        let vault = open_vault(state, clock)?;
        let tenants = AgentTenants::new(&vault, &scripts)?;
        let phone_hash = KeyedHash::of_key(&vault.master().derive("phone hash"));
        let bell: Arc<tokio::sync::Notify> = Arc::default();
        let ringing = Arc::clone(&bell);
        let keepers = Keepers::new(&settings, &vault, clock, &scope, Arc::new(move |_| ringing.notify_one()))?;
        let journal = Journal::new(vault.clone(), keepers.derive(&settings));
        let pages = settings.http.public_base_url.iter().map(|url| url.trim_end_matches('/').to_owned());
        let live = Live::new(pages.collect());
        let watching = live.clone();
        let watching_box = Watching::start(&settings, clock, &scope, &vault, &keepers, &live, bell)?;
        let lists = load_lists(&settings)?;
        forget_half_lists(&vault, &lists, clock);
        close_lost_calls(&journal, clock).await;

        let listener = TcpListener::bind(settings.http.listen).await.with_context(|| {
            format!(
                "could not listen on {}; is another vaani running? Set http.listen in vaani.toml or use --listen",
                settings.http.listen
            )
        })?;
        let address = listener.local_addr()?;
        let https = browsers::Https::open(&settings, clock).await?;
        let tls_address = https.as_ref().map(browsers::Https::address).transpose()?;
        let signals = Signals::catch()?;

        let setup = Setup::new(&settings, &Hardware::detect(), engine_scope.clone(), clock);
        let local =
            Arc::new(Local { stt: Whisper::start(&setup), llm: Llama::start(&setup), tts: Voices::start(&setup) });
        let table = load_table(&settings)?;
        let connected = connect::connect(&table, &local, clock)?;
        let told: Arc<OnceLock<Registry>> = Arc::default();
        let keeper = Arc::clone(&told);
        let book: router::plan::Book = Arc::new(move |call, routed| {
            if let (Some(registry), Some(call)) = (keeper.get(), call) {
                registry.routed(call, routed);
            }
        });
        let (ledger, known) = Ledger::open(state, clock.day());
        let purse = Purse::default();
        let planner = Planner::new(table, connected.missing, clock, book).remembering(known, purse.clone());
        let planner = Arc::new(planner);
        let measuring = Arc::clone(&planner);
        let ledger = ledger.keep(&purse, clock, move || measuring.measured())?;
        let router = Arc::new(Router::new(Arc::clone(&planner), connected.members));
        let tts: Arc<dyn Tts> = Arc::new(LineCache::new(router.clone()));
        let engines = Engines { stt: router.clone(), llm: router, tts: tts.clone() };

        let twilio_metrics = TwilioMetrics::default();
        let exotel_metrics = ExotelMetrics::default();
        let exchange_metrics = ExchangeMetrics::default();
        let local_metrics = StreamMetrics::default();
        let (webrtc_metrics, facts) = (WebrtcMetrics::default(), Facts::default());
        let gauges = RouterGauges::new(Arc::clone(&planner), clock);
        let metrics = Metrics::new(|registry| {
            twilio_metrics.register(registry);
            exotel_metrics.register(registry);
            exchange_metrics.register(registry);
            webrtc_metrics.register(registry);
            local_metrics.register(registry.sub_registry_with_prefix("local"));
            keepers.delivery.metrics().register(registry);
            keepers.recordings.metrics().register(registry);
            registry.register_collector(Box::new(gauges));
            watching_box.register(&vault, registry);
        });
        let metrics = Arc::new(metrics.by_tenant(|registry| {
            keepers.delivery.metrics().register_by_tenant(registry);
            registry.register_collector(Box::new(BudgetGauges::new(Arc::clone(&planner))));
        }));
        let observing = Arc::clone(&metrics);
        let knowing = Arc::clone(&planner);
        let pricing = Arc::clone(&planner);
        let mut observers: Vec<Observer> = vec![
            Arc::new(move |record: &Record| observing.observe(record)),
            Arc::new(move |record: &Record| watching.observe(record)),
            Arc::new({
                let facts = facts.clone();
                move |record: &Record| facts.observe(record)
            }),
            Arc::new(move |record: &Record| match &record.event {
                Event::CallInitiated { concerns, .. } => {
                    knowing.know(record.call, CallFacts::of(concerns));
                }
                Event::SpeechStarted { turn } => knowing.turn(record.call, *turn),
                Event::CallEnded { .. } => knowing.forget(record.call),
                _ => {}
            }),
        ];
        observers.push(watching_box.of_calls(journal.clone()));
        let registry = Registry::new(Deps {
            clock,
            scope: scope.clone(),
            journal: journal.clone(),
            engines: engines.clone(),
            scripts: Arc::clone(&scripts),
            admission: Admission::new(settings.calls.max_calls.min(limits::CALLS_MAX)),
            room: {
                let planner = Arc::clone(&planner);
                Arc::new(move |script, concerns, language| {
                    planner.has_room(script.stages(), language, &CallFacts::of(concerns))
                })
            },
            vault: vault.clone(),
            phone_hash,
            keep_words: settings.privacy.transcripts,
            reels: Some(Arc::new(keepers.recordings.clone())),
            mute_keys: settings.recording.mute_keys,
            observers,
            prices: Arc::new(move |call, bill: &Bill| pricing.cost(call, bill)),
        });
        let (calls, counting) = (registry.clone(), Arc::clone(&metrics));
        planner.on_offline(move |offline| {
            counting.offline(offline);
            calls.tell_all(&Event::Reachability { offline });
        });
        // The only one who sets it; decisions before the first call have nobody to tell.
        let _ = told.set(registry.clone());
        if planner.is_outside_allowed() {
            scope.spawn("provider probes", probe::watch(Arc::clone(&planner), scope.clone()));
        }
        scope.spawn("sweep", registry.clone().sweep());
        let wordings = Arc::clone(&scripts);
        tokio::task::spawn_blocking(move || wordings.all().for_each(|script| script.warm()));
        scope.spawn("fixed lines", render_ahead(Arc::clone(&scripts), Arc::clone(&tts), scope.clone()));

        keepers.start(&vault, &scope).context("could not start what writes recordings")?;
        scope.spawn("tenants", tenants.clone().notice(scope.clone()));
        let later = catch_up(vault.clone(), journal.clone(), lists.clone(), clock, scope.clone());
        scope.spawn("late facts", later);

        let public = settings.http.public_base_url.clone().unwrap_or_else(|| format!("http://{address}"));
        let mut twilio = TwilioSettings::new(
            Keys { auth_token: settings.twilio.auth_token.clone(), shared: Vec::new() },
            public.parse()?,
        );
        twilio.previous_auth_token = settings.twilio.previous_auth_token.clone();
        twilio.spoken_busy = settings.calls.busy_line;
        twilio.require_upgrade_signature = settings.twilio.require_stream_signature;
        let prompts = Arc::new(Prompts { scripts: Arc::clone(&scripts), tts });
        let flows = Arc::new(Flows::new(settings.exotel.flow_connects).returning(settings.exotel.flow_returns));
        let exotel = ExotelDeps {
            settings: exotel::settings(&settings, &public)?,
            flows: Arc::clone(&flows),
            exchange: Arc::new(registry.clone()),
            lines: Arc::clone(&prompts) as Arc<_>,
            clock,
            tasks: scope.clone(),
            metrics: exotel_metrics,
        };
        let twilio = TwilioDeps {
            settings: twilio,
            exchange: Arc::new(registry.clone()),
            prompts,
            clock,
            tasks: scope.clone(),
            metrics: twilio_metrics,
        };
        if let Some(rest) = dialers::twilio(&settings, &public)?.map(Arc::new) {
            registry.dial_through(Arc::clone(&rest) as _);
            registry.transfer_through(rest);
        }
        if let Some(dialer) = dialers::exotel(&settings, &public)? {
            registry.dial_through(Arc::new(dialer));
        }
        registry.transfer_through(flows);
        let exchange: Arc<dyn Exchange> = Arc::new(registry.clone());
        let exchanges =
            exchanges::start(&settings, &public, Arc::clone(&exchange), clock, &scope, exchange_metrics).await?;
        for dialer in exchanges.dialers {
            registry.dial_through(dialer);
        }
        registry.transfer_through(exchanges.transferer);
        local::start(&settings, exchange, facts.clone(), clock, &scope, local_metrics);
        let engines_of_box = Arc::clone(&local);
        let twilio_ready = settings.twilio.auth_token.is_some();
        let health = Arc::new(Parts {
            local,
            planner: Arc::clone(&planner),
            journal: journal.clone(),
            twilio_ready,
            exotel: settings.exotel.readiness(),
            exchanges: exchanges.health,
            alerts: watching_box.alerts.clone(),
        });
        let sources = Sources {
            parts: Arc::clone(&health),
            planner: Arc::clone(&planner),
            journal,
            vault: vault.clone(),
            keepers: keepers.clone(),
            tenants,
        };
        watching_box.run(&settings, setup.clone(), clock, &scope, sources);
        let gate = GateDeps {
            vault: vault.clone(),
            audit: keepers.audit.clone(),
            clock,
            settings: settings.auth.clone(),
            base_url: public,
            token: api_token,
        };
        let gate = tokio::task::spawn_blocking(move || Gate::new(gate)).await??;
        invite_first_admin(&gate, &scope).await;
        scope.spawn("access sweep", sweep_access(gate.clone(), scope.clone()));
        let browsers = browsers::Surroundings {
            registry: registry.clone(),
            scripts: Arc::clone(&scripts),
            facts,
            metrics: webrtc_metrics,
            clock,
            scope: scope.clone(),
        };
        let mut browsers = browsers::routes(&settings, browsers, gate.clone());
        if let Some(https) = &https {
            browsers = browsers.merge(https.certificate(gate.clone()));
        }
        let api = ApiDeps {
            registry: registry.clone(),
            metrics,
            health,
            engines,
            planner,
            scripts,
            vault: vault.clone(),
            clock,
            audit: keepers.audit.clone(),
            lists,
            live,
            readings: api::Readings::default(),
            gate,
            delivery: keepers.delivery.clone(),
            recordings: keepers.recordings.clone(),
            keeping: api::backups::Keeping {
                backups: keepers.backups.clone(),
                upkeep: keepers.upkeep.clone(),
                audit: keepers.audit.clone(),
            },
            tasks: scope.clone(),
        };
        let (meter, counted_by) = (api.metrics.http().clone(), watching_box.of_requests());
        let carriers = crate::telephony::twilio::routes(twilio)
            .merge(crate::telephony::exotel::routes(exotel))
            .merge(exchanges.router);
        let router: axum::Router = api::routes(api).merge(carriers).merge(browsers);
        let router = linger(http_metrics::watch(router, meter, clock, counted_by));
        if let Some(https) = https {
            https.serve(router.clone(), clock, &scope)?;
        }
        let stopping = scope.clone();
        let listener = listener.tap_io(|stream| {
            // 20 ms frames must not wait for each other.
            if let Err(error) = stream.set_nodelay(true) {
                tracing::debug!(%error, "TCP_NODELAY could not be set");
            }
        });
        let router = router.into_make_service_with_connect_info::<SocketAddr>();
        scope.spawn("http", async move {
            let served = axum::serve(listener, router).with_graceful_shutdown(async move { stopping.stopped().await });
            if let Err(error) = served.await {
                tracing::error!(%error, "the HTTP server ended");
            }
        });
        tracing::info!(%address, ?tls_address, "vaani is listening");
        Ok(Self {
            settings,
            scope,
            engine_scope,
            registry,
            vault,
            audit: keepers.audit,
            ledger,
            engines: engines_of_box,
            address,
            tls_address,
            signals,
            _lock: lock,
        })
    }

    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where HTTPS is served.
    pub const fn tls_address(&self) -> Option<SocketAddr> {
        self.tls_address
    }

    /// Serves until SIGTERM or SIGINT, then lets live calls finish and ends everything.
    pub async fn run_until_told(mut self) {
        notify::notify("READY=1");
        if let Some(interval) = notify::watchdog_interval() {
            let scope = self.scope.clone();
            self.scope.spawn("watchdog", async move {
                while !scope.is_stopping() {
                    notify::notify("WATCHDOG=1");
                    tokio::time::sleep(interval).await;
                }
            });
        }
        self.signals.told_to_stop().await;
        tracing::info!("stopping: no new calls; live calls may finish");
        notify::notify("STOPPING=1");
        tokio::select! {
            () = self.registry.drain(self.settings.calls.drain) => {}
            () = self.signals.told_to_stop() => tracing::warn!("told twice; not waiting for live calls"),
        }
        self.end().await;
    }

    /// Until all engines of the box are loaded, or one cannot be.
    pub async fn engines_ready(&self, within: Duration) -> anyhow::Result<()> {
        let Local { stt, llm, tts } = self.engines.as_ref();
        stt.ready(within).await.context("speech recognition")?;
        llm.ready(within).await.context("the language model")?;
        tts.ready(within).await.context("the voices")?;
        Ok(())
    }

    /// Ends everything without waiting to be told: live calls hear no more.
    pub async fn stop(self) {
        self.registry.drain(Duration::from_secs(2)).await;
        self.end().await;
    }

    async fn end(self) {
        self.scope.stop();
        if !self.scope.join(Duration::from_secs(5)).await {
            tracing::warn!("some tasks did not end in time");
        }
        self.engine_scope.stop();
        self.engine_scope.join(Duration::from_secs(5)).await;
        // What nobody can cut off unseen any more.
        if let Err(error) = self.audit.sign_now().await {
            tracing::error!(%error, "the heads of the audit log could not be signed");
        }
        let close = move || {
            self.vault.close();
            self.ledger.close();
        };
        if tokio::task::spawn_blocking(close).await.is_err() {
            tracing::error!("the databases and the ledger did not close");
        }
        tracing::info!("stopped");
    }
}

/// Forgets sessions, codes and tokens that are over.
async fn sweep_access(gate: Gate, scope: Scope) {
    loop {
        tokio::select! {
            () = scope.stopped() => return,
            () = tokio::time::sleep(limits::ACCESS_SWEEP) => {}
        }
        if let Err(error) = gate.sweep().await {
            tracing::error!(%error, "sessions that are over could not be forgotten");
        }
    }
}

/// The ways to tell the daemon to stop. Caught before the first call can come: a signal that nobody
/// has caught yet would kill it on the spot.
struct Signals {
    term: Signal,
    int: Signal,
}

impl Signals {
    fn catch() -> anyhow::Result<Self> {
        let catch = |kind| signal(kind).context("could not prepare for being told to stop");
        Ok(Self { term: catch(SignalKind::terminate())?, int: catch(SignalKind::interrupt())? })
    }

    async fn told_to_stop(&mut self) {
        tokio::select! {
            _ = self.term.recv() => {}
            _ = self.int.recv() => {}
        }
    }
}
