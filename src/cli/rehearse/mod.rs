//! `vaani rehearse`: a synthetic caller dials the box over the carrier's real protocol, speaks,
//! listens with speech recognition of its own, and checks language, content and timing of what it
//! hears.

mod call;
mod dial;
mod judge;
mod report;
mod scenario;

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use futures_util::{StreamExt, stream};

use self::call::{Caller, Target};
use self::report::Summary;
use self::scenario::Scenario;
use super::carrier::{Browsers, Exchanges, Transport, exotel_call};
use super::daemon::Daemon;
use super::local::Local;
use crate::ai::engines::{Voices, Whisper};
use crate::base::Clock;
use crate::base::limits::ENGINE_READY_WITHIN;
use crate::base::secret::Secret;
use crate::base::tasks::Scope;
use crate::config::Settings;
use crate::telephony::local::server::SOCKET;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Names of scenarios in config/rehearsals, or files; none: all shipped ones but `demo`.
    scenarios: Vec<String>,
    /// A running box, `http://127.0.0.1:8080`; without it one is started for the rehearsal. The auth
    /// token and the API token are those of this configuration.
    #[arg(long, value_name = "URL")]
    against: Option<String>,
    /// How the call comes in.
    #[arg(long, value_enum, default_value = "twilio")]
    transport: Transport,
    /// The caller's voice variant of espeak-ng.
    #[arg(long, default_value = "m3")]
    voice: String,
    /// Noise on the caller's line: decibels of speech over noise.
    #[arg(long, value_name = "DB")]
    snr: Option<f32>,
    /// Share of the caller's frames that get lost, percent.
    #[arg(long, value_name = "PERCENT")]
    loss: Option<f32>,
    /// Frames arrive up to this late, milliseconds.
    #[arg(long, value_name = "MS")]
    jitter: Option<u64>,
    /// Calls at the same time.
    #[arg(long, default_value_t = 1)]
    at_once: usize,
    /// One JSON object a turn, and a last one with the summary.
    #[arg(long)]
    json: bool,
}

pub async fn run(args: Args, settings: &Settings) -> anyhow::Result<ExitCode> {
    let scenarios = scenario::load(&settings.data.config_dir.join("rehearsals"), &args.scenarios)?;
    let own = match &args.against {
        Some(_) => None,
        None => Some(Daemon::start(settings, args.at_once + 8, true).await?),
    };
    let target = match &own {
        Some(daemon) => Target {
            url: daemon.url.clone(),
            public_url: daemon.url.clone(),
            auth_token: daemon.auth_token.clone(),
            exotel: Some(exotel_call(settings, &daemon.url, &daemon.url, Some(&daemon.exotel))?),
            api_token: daemon.api_token.clone(),
            exchanges: daemon.exchanges.clone(),
            browsers: Some(daemon.browsers.clone()),
            handsets: daemon.handsets.clone(),
        },
        None => running(&args, settings)?,
    };
    let local = Local::new(settings);
    let outcome = rehearse(&args, &target, &local, &scenarios).await;
    local.stop().await;
    if let Some(daemon) = own {
        daemon.stop().await?;
    }
    let summary = outcome?;
    summary.print(args.json)?;
    Ok(ExitCode::from(u8::from(!summary.is_good())))
}

/// A box that runs with this configuration.
fn running(args: &Args, settings: &Settings) -> anyhow::Result<Target> {
    let url: crate::telephony::public_url::PublicUrl = args.against.as_deref().unwrap_or_default().parse()?;
    let api_token = match &settings.api.token {
        Some(token) => token.clone(),
        None => {
            let file = settings.state.dir.join("api-token");
            let text = std::fs::read_to_string(&file)
                .with_context(|| format!("the box's API token is needed; could not read {}", file.display()))?;
            Secret::new(text.trim())
        }
    };
    let public_url = match &settings.http.public_base_url {
        Some(public) => public.parse()?,
        None => url.clone(),
    };
    let (auth_token, exotel) = match args.transport {
        Transport::Twilio => {
            let unsigned = "no Twilio auth token is configured here, so the call cannot be signed; set TWILIO_AUTH_TOKEN to the box's";
            (settings.twilio.auth_token.clone().context(unsigned)?, None)
        }
        Transport::Exotel => (Secret::default(), Some(exotel_call(settings, &url, &public_url, None)?)),
        Transport::Asterisk | Transport::Audiosocket | Transport::Freeswitch | Transport::Webrtc | Transport::Local => {
            (Secret::default(), None)
        }
    };
    let browsers = match args.transport {
        Transport::Webrtc => {
            let unset = "browsers call over HTTPS; set webrtc.enabled in vaani.toml and start the box anew";
            let listens = settings.http.tls_listen.filter(|_| settings.webrtc.enabled).context(unset)?;
            Some(Browsers::of(settings, &settings.state.dir, listens, false)?)
        }
        _ => None,
    };
    Ok(Target {
        url,
        public_url,
        auth_token,
        exotel,
        api_token,
        exchanges: Exchanges::of(settings),
        browsers,
        handsets: settings.state.dir.join(SOCKET),
    })
}

async fn rehearse(args: &Args, target: &Target, local: &Local, scenarios: &[Scenario]) -> anyhow::Result<Summary> {
    let clock = Clock::system();
    let tasks = Scope::new();
    let voices = Voices::start(&local.setup);
    let ear = Whisper::start(&local.setup);
    voices.ready(ENGINE_READY_WITHIN).await.context("the caller has no voice")?;
    ear.ready(ENGINE_READY_WITHIN).await.context("the caller has no ears")?;
    let caller = Caller {
        target,
        voices,
        ear,
        variant: &args.voice,
        snr: args.snr,
        loss: args.loss,
        jitter: args.jitter,
        transport: args.transport,
        http: crate::telephony::far::client()?,
        tasks: tasks.clone(),
        clock,
    };
    let caller = Arc::new(caller);
    caller.wait_until_ready().await?;
    let mut summary = Summary::default();
    let mut calls = stream::iter(scenarios)
        .map(|scenario| {
            let caller = Arc::clone(&caller);
            async move { (scenario, caller.play(scenario).await) }
        })
        .buffered(args.at_once.max(1));
    while let Some((scenario, result)) = calls.next().await {
        summary.add(scenario, result, args.json)?;
    }
    tasks.stop();
    Ok(summary)
}
