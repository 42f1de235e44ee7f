//! `vaani call --local`: a call with the box's own microphone and speaker, for bring-up, an intercom or a
//! kiosk. While the daemon runs it is called over the socket of its handsets; otherwise this process holds
//! the exchange itself for as long as the call lasts.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::Value;
use tokio::net::UnixStream;
use tokio::sync::mpsc;

use super::output::{complain, line};
use super::terminal::{Meter, Terminal};
use crate::app::{self, App};
use crate::base::Lang;
use crate::base::audio::LINE_RATE;
use crate::base::limits::ENGINE_READY_WITHIN;
use crate::base::tasks::Scope;
use crate::base::{CallId, Clock};
use crate::call::script::Script;
use crate::config::Settings;
use crate::media::{resample, wav};
use crate::telephony::local::handset::{self, News, Over, Wish};
use crate::telephony::local::server::SOCKET;
use crate::telephony::local::sound::{self, Audio};
use crate::telephony::local::wire::Start;

/// News that the screen has not shown yet.
const NEWS: usize = 256;
/// A device has so long to let go, and a recording to be written.
const LET_GO_WITHIN: Duration = Duration::from_secs(10);

#[derive(Debug, clap::Args)]
pub struct Args {
    /// With this machine's own microphone and speaker; there is no other way yet.
    #[arg(long, required = true)]
    local: bool,
    /// The agent to talk to; by default the box's default one. `echo` plays back what it hears.
    #[arg(long)]
    agent: Option<String>,
    /// The language to talk in; otherwise the agent greets in its own and follows yours.
    #[arg(long, value_name = "TAG")]
    language: Option<Lang>,
    /// Microphone and speaker by their ALSA name or a part of their description; `null`: none at all.
    #[arg(long, value_name = "NAME")]
    device: Option<String>,
    /// Another microphone than `--device`.
    #[arg(long, value_name = "NAME")]
    microphone: Option<String>,
    /// Another speaker than `--device`.
    #[arg(long, value_name = "NAME")]
    speaker: Option<String>,
    /// A WAV file instead of a microphone (then there is no speaker either).
    #[arg(long = "in", value_name = "FILE")]
    input: Option<PathBuf>,
    /// Where to write what the speaker would have played, as WAV.
    #[arg(long = "out", value_name = "FILE")]
    output: Option<PathBuf>,
    /// The microphone is shut while the agent speaks, but for a voice louder than its echo. Usual for a sound
    /// card.
    #[arg(long, conflicts_with = "full_duplex")]
    half_duplex: bool,
    /// The microphone is always open: for a headset. Usual without a sound card.
    #[arg(long)]
    full_duplex: bool,
    /// Hang up after so many seconds.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=7_200))]
    seconds: Option<u32>,
}

impl Args {
    fn has_no_card(&self) -> bool {
        self.input.is_some() || self.output.is_some() || self.device.as_deref() == Some("null")
    }
}

pub async fn run(args: Args, settings: &Settings) -> anyhow::Result<ExitCode> {
    let scripts = app::load_scripts(settings)?;
    let Some(script) = scripts.get(args.agent.as_deref()) else {
        let known: Vec<_> = scripts.all().map(|script| script.name().to_owned()).collect();
        complain(&format!("no agent is called so; there are {}", known.join(", ")));
        return Ok(ExitCode::from(2));
    };
    // Before engines are loaded for nothing.
    let device = open(&args).await?;
    let socket = settings.state.dir.join(SOCKET);
    let over = match UnixStream::connect(&socket).await {
        Ok(stream) => lift(&args, device, script.name(), (stream, &socket)).await?,
        Err(_) => {
            let app = alone(settings).await?;
            let held = with_own(&args, &app, device, &script, &socket).await;
            app.stop().await;
            held?
        }
    };
    Ok(match over {
        Over::HungUp => ExitCode::SUCCESS,
        Over::ByBox(reason) if reason.is_empty() => ExitCode::SUCCESS,
        Over::ByBox(reason) => {
            complain(&format!("the box did not take the call: {reason}"));
            ExitCode::from(1)
        }
        Over::NoSound => {
            complain("the microphone brings no sound any more; is it still there?");
            ExitCode::from(1)
        }
        Over::Lost => {
            complain("the box is gone; see its log");
            ExitCode::from(1)
        }
    })
}

/// What is spoken into and listened to.
enum Device {
    Card(Audio),
    Null { speaks: Vec<i16>, keeps: Option<PathBuf> },
}

async fn open(args: &Args) -> anyhow::Result<Device> {
    if !args.has_no_card() {
        return card(args).await.map(Device::Card);
    }
    let speaks = match &args.input {
        Some(file) => {
            let bytes = std::fs::read(file).with_context(|| format!("could not read {}", file.display()))?;
            let (rate, pcm) = wav::read(&bytes).with_context(|| format!("could not use {}", file.display()))?;
            resample::convert(&pcm, rate, LINE_RATE)
        }
        None => Vec::new(),
    };
    Ok(Device::Null { speaks, keeps: args.output.clone() })
}

#[cfg(feature = "sound-card")]
async fn card(args: &Args) -> anyhow::Result<Audio> {
    let microphone = args.microphone.clone().or_else(|| args.device.clone());
    let speaker = args.speaker.clone().or_else(|| args.device.clone());
    let opened = tokio::task::spawn_blocking(move || sound::open_card(microphone.as_deref(), speaker.as_deref()));
    opened.await?.context("no sound; --device null calls without a sound card, --in FILE with a recording")
}

#[cfg(not(feature = "sound-card"))]
async fn card(_: &Args) -> anyhow::Result<Audio> {
    anyhow::bail!(
        "this vaani was built without the feature `sound-card`: build it with libasound2-dev and pkg-config installed and without --no-default-features, or call with --device null or --in FILE"
    )
}

/// An exchange of this process alone, when no daemon runs.
async fn alone(settings: &Settings) -> anyhow::Result<App> {
    let mut settings = settings.clone();
    settings.local.enabled = true;
    // This process is here for one call: nobody else is to reach it.
    settings.http.listen = ([127, 0, 0, 1], 0).into();
    settings.http.tls_listen = None;
    settings.webrtc.enabled = false;
    settings.asterisk.audiosocket_listen = None;
    settings.freeswitch.outbound_listen = None;
    settings.freeswitch.event_socket = None;
    App::start(settings).await.context(
        "no exchange for this call; if `vaani serve` runs with this state directory, set [local] enabled = true and start it anew",
    )
}

/// The call, once the engines that it needs are there.
async fn with_own(args: &Args, app: &App, device: Device, script: &Script, socket: &Path) -> anyhow::Result<Over> {
    if !script.is_echo() {
        complain("loading the engines …");
        app.engines_ready(ENGINE_READY_WITHIN).await.context(
            "the engines could not be loaded; `vaani doctor` says what is missing and how to get it, `--agent echo` tests microphone and speaker without them",
        )?;
    }
    let stream = UnixStream::connect(socket).await.with_context(|| {
        format!("the box does not listen for handsets at {} (a path may have 107 bytes)", socket.display())
    })?;
    lift(args, device, script.name(), (stream, socket)).await
}

/// Holds the call over the box's socket, then lets the device go.
async fn lift(args: &Args, device: Device, agent: &str, socket: (UnixStream, &Path)) -> anyhow::Result<Over> {
    let tasks = Scope::new();
    let mut audio = match device {
        Device::Card(mut audio) => {
            audio.forget();
            audio
        }
        Device::Null { speaks, keeps } => {
            let print: fn(&[i16]) -> Vec<u8> = |pcm| wav::write(LINE_RATE, pcm);
            sound::open_null(speaks, keeps.map(|file| (file, print)), &tasks)
        }
    };
    line(&format!("{agent}, {}; Ctrl-C hangs up", audio.name))?;
    let over = hold(args, socket, &mut audio).await;
    let Audio { microphone, speaker, counts, over: let_go, .. } = audio;
    drop((microphone, speaker));
    if let Ok(Ok(Err(error))) = tokio::time::timeout(LET_GO_WITHIN, let_go).await {
        return Err(error).context("what was played could not be written");
    }
    line(&format!("sound: {counts}"))?;
    over
}

/// Holds the call, with keys from the terminal and what happens on the screen.
async fn hold(args: &Args, socket: (UnixStream, &Path), audio: &mut Audio) -> anyhow::Result<Over> {
    let start = Start {
        name: format!("handset-{}", CallId::new()),
        agent: args.agent.clone(),
        language: args.language,
        full_duplex: args.full_duplex || (args.has_no_card() && !args.half_duplex),
        proof: None,
    };
    let (wish, wishes) = mpsc::channel(16);
    let (tell, mut news) = mpsc::channel(NEWS);
    let terminal = Terminal::listen(wish.clone());
    let clock = Clock::system();
    let until = args.seconds.map(|seconds| clock.now() + Duration::from_secs(u64::from(seconds)));
    let show = async {
        let mut meter = Meter::new(std::io::stderr().is_terminal());
        while let Some(told) = news.recv().await {
            match told {
                News::Level(level) => meter.show(level),
                News::Fact(text) => {
                    if let Some(words) = told_words(&text) {
                        meter.clear();
                        line(&words)?;
                    }
                }
            }
        }
        meter.clear();
        Ok::<(), std::io::Error>(())
    };
    let hang_up = async {
        let mut term = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
        let time = async {
            match until {
                Some(at) => tokio::time::sleep_until(clock.instant(at).into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = term.recv() => {}
            () = time => {}
        }
        let _ = wish.send(Wish::HangUp).await; // a call that is over needs no telling
        std::future::pending::<std::io::Result<Over>>().await
    };
    let (stream, box_at) = socket;
    let call = handset::hold(stream, box_at, start, audio, wishes, tell);
    let held = async {
        tokio::select! {
            over = call => over,
            over = hang_up => over,
        }
    };
    let (over, shown) = tokio::join!(held, show);
    drop(terminal);
    shown?;
    Ok(over?)
}

/// A line for the screen; `None`: this fact is not for people.
fn told_words(fact: &str) -> Option<String> {
    let fact: Value = serde_json::from_str(fact).ok()?;
    let text = || fact["text"].as_str().filter(|text| !text.is_empty());
    match fact["t"].as_str()? {
        "heard" => Some(format!("  you    {}", text()?)),
        "said" if fact["cut"] == true => Some(format!("  agent  {} …", fact["heard"].as_str().unwrap_or_default())),
        "said" => Some(format!("  agent  {}", text()?)),
        "key" => Some("  (key)".to_owned()),
        "gone" => Some("  (the line broke; calling again)".to_owned()),
        "back" => Some("  (the line is back)".to_owned()),
        "ended" => {
            let seconds = fact["duration_ms"].as_u64().unwrap_or(0) / 1_000;
            Some(format!("over after {seconds} s: {}", fact["cause"].as_str().unwrap_or("?")))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_become_lines() {
        for (fact, expected) in [
            (r#"{"t":"heard","text":"नमस्ते"}"#, Some("  you    नमस्ते")),
            (r#"{"t":"said","text":"Your EMI is due.","heard":"","cut":false}"#, Some("  agent  Your EMI is due.")),
            (r#"{"t":"said","text":"Your EMI is due.","heard":"Your EMI","cut":true}"#, Some("  agent  Your EMI …")),
            (r#"{"t":"ended","cause":"goodbye","duration_ms":61500}"#, Some("over after 61 s: goodbye")),
            (r#"{"t":"gone"}"#, Some("  (the line broke; calling again)")),
            (r#"{"t":"waterfall"}"#, None),
            (r#"{"t":"heard","text":""}"#, None),
            ("nonsense", None),
        ] {
            assert_eq!(told_words(fact).as_deref(), expected, "{fact}");
        }
    }
}
