//! `vaani bench legs`: what a telephone leg costs, and how late its frames are when there are many.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use futures_util::StreamExt as _;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde::Serialize;
use tokio::time::sleep;

use super::load::{Load, Measured};
use super::speaker::{Dial, Sound};
use crate::base::audio::LINE_RATE;
use crate::base::tasks::Scope;
use crate::base::{CallId, Clock, limits};
use crate::cli::carrier::{Carrier, exotel_call};
use crate::cli::daemon::{Daemon, Usage};
use crate::cli::output::{complain, json_line, line};
use crate::config::Settings;
use crate::media::{resample, wav};
use crate::telephony::far;
use crate::telephony::twilio::carrier as twilio;

/// Calls set up at the same time.
const DIALLING: usize = 16;
/// The window's last frames are still on their way when it is closed.
const RETURNED_PERCENT: u64 = 99;
/// After the last leg is up, before measuring.
const SETTLE: Duration = Duration::from_secs(3);

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Legs at the same time.
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u32).range(1..=2_000))]
    calls: u32,
    /// How long to measure.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=250))]
    seconds: u32,
    /// Agent that answers; it must play back what it hears.
    #[arg(long, default_value = "echo")]
    agent: String,
    /// How the calls come in.
    #[arg(long, value_enum, default_value = "twilio")]
    transport: Carrier,
    /// WAV file with the callers' speech, instead of the starter voice's samples.
    #[arg(long, value_name = "FILE")]
    speech: Option<PathBuf>,
    /// One JSON object on stdout.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Report {
    calls: u32,
    seconds: u32,
    cpu_percent_per_leg: f64,
    rss_bytes_per_leg: u64,
    frame_lateness_ms: Spread,
    /// Frames so late that a carrier's buffer of [`limits::PLAYOUT_LEAD`] would have run dry.
    underruns: usize,
    cpu_percent: f64,
    idle_rss_bytes: u64,
    private_bytes_per_leg: u64,
    threads: u64,
    frames_sent: u64,
    frames_returned: u64,
    /// There and back at best, the same for every leg: the box's own waiting for its next frame. 0 for
    /// browsers, whose frames the box sends at its own beat.
    quickest_echo_ms: Spread,
    /// How late the load itself was; part of the lateness above.
    generator_lateness_ms: Spread,
    legs_ended_early: usize,
    cores: usize,
}

#[derive(Debug, Default, Serialize)]
struct Spread {
    p50: f64,
    p99: f64,
    max: f64,
}

pub(super) async fn run(args: Args, settings: &Settings) -> anyhow::Result<ExitCode> {
    raise_descriptor_limit(args.calls);
    let sound = sound(&args, settings)?;
    let daemon = Daemon::start(settings, args.calls as usize + 8, false).await?;
    let measured = measure(&args, settings, &daemon, sound).await;
    daemon.stop().await?;
    let report = measured?;
    if args.json {
        json_line(&report)?;
    } else {
        print(&report)?;
    }
    let whole = report.legs_ended_early == 0 && report.frames_returned * 100 >= report.frames_sent * RETURNED_PERCENT;
    if !whole {
        complain("frames were lost or legs ended early: the figures above are not those of a whole run");
    }
    Ok(ExitCode::from(u8::from(!whole)))
}

async fn measure(args: &Args, settings: &Settings, daemon: &Daemon, sound: Arc<Sound>) -> anyhow::Result<Report> {
    let (scope, clock) = (Scope::new(), Clock::system());
    let http = far::client()?;
    let exotel = exotel_call(settings, &daemon.url, &daemon.url, Some(&daemon.exotel))?;
    let options = || match args.transport {
        Carrier::Twilio => {
            let mut options = twilio::DialOptions::new(daemon.url.clone(), daemon.auth_token.clone());
            options.path = format!("/voice/incoming?agent={}", args.agent);
            options.http = Some(http.clone());
            Dial::Twilio(Box::new(options))
        }
        Carrier::Webrtc => Dial::Webrtc(Box::new(daemon.browsers.call(Some(&args.agent), &daemon.api_token))),
        Carrier::Exotel => {
            let mut options = exotel.clone();
            options.call_sid = CallId::new().to_string().replace('-', "");
            options.query = vec![("agent".to_owned(), args.agent.clone())];
            options.http = Some(http.clone());
            Dial::Exotel(Box::new(options))
        }
    };
    // One call first: what is set up once belongs to the daemon, not to a leg.
    let mut warm_up = Load::start(Arc::clone(&sound), &scope, clock);
    let began = clock.now();
    warm_up.add(options()).await.context("could not set up a call")?;
    sleep(SETTLE).await;
    let echoed = warm_up.finish(began, clock.now()).await;
    if echoed.returned == 0 {
        bail!("agent {:?} does not play back what it hears", args.agent);
    }
    sleep(Duration::from_secs(1)).await;
    let idle = daemon.usage()?;

    let mut load = Load::start(sound, &scope, clock);
    let dialled: Vec<_> = (0..args.calls).map(|_| load.add(options())).collect();
    let mut dialled = futures_util::stream::iter(dialled).buffer_unordered(DIALLING);
    while let Some(leg) = dialled.next().await {
        leg.context("could not set up a call")?;
    }
    sleep(SETTLE).await;
    let (from, before) = (clock.now(), daemon.usage()?);
    sleep(Duration::from_secs(u64::from(args.seconds))).await;
    let (to, after) = (clock.now(), daemon.usage()?);
    // The last frames of the window may still be on their way back.
    sleep(Duration::from_millis(500)).await;
    let measured = load.finish(from, to).await;
    Ok(report(args, &idle, &before, &after, to.since(from), measured))
}

fn report(args: &Args, idle: &Usage, before: &Usage, after: &Usage, window: Duration, measured: Measured) -> Report {
    let legs = u64::from(args.calls);
    let cpu_percent = (after.cpu_seconds - before.cpu_seconds) / window.as_secs_f64() * 100.0;
    let lead = u32::try_from(limits::PLAYOUT_LEAD.as_micros()).unwrap_or(u32::MAX);
    Report {
        calls: args.calls,
        seconds: args.seconds,
        cpu_percent_per_leg: round(cpu_percent / f64::from(args.calls), 4),
        rss_bytes_per_leg: after.rss_bytes.saturating_sub(idle.rss_bytes) / legs,
        underruns: measured.lateness.iter().filter(|late| **late > lead).count(),
        frame_lateness_ms: Spread::of(measured.lateness),
        cpu_percent: round(cpu_percent, 2),
        idle_rss_bytes: idle.rss_bytes,
        private_bytes_per_leg: after.private_bytes.saturating_sub(idle.private_bytes) / legs,
        threads: after.threads,
        frames_sent: measured.sent,
        frames_returned: measured.returned,
        quickest_echo_ms: Spread::of(measured.quickest),
        generator_lateness_ms: Spread::of(measured.own_lateness),
        legs_ended_early: measured.ended_early,
        cores: std::thread::available_parallelism().map_or(1, usize::from),
    }
}

impl Spread {
    fn of(mut microseconds: Vec<u32>) -> Self {
        microseconds.sort_unstable();
        let at = |share: f64| {
            let last = microseconds.len().saturating_sub(1);
            let place = (last as f64 * share).round() as usize;
            round(f64::from(microseconds.get(place).copied().unwrap_or(0)) / 1_000.0, 3)
        };
        Self { p50: at(0.5), p99: at(0.99), max: at(1.0) }
    }
}

fn round(value: f64, digits: i32) -> f64 {
    let scale = 10_f64.powi(digits);
    (value * scale).round() / scale
}

fn print(report: &Report) -> std::io::Result<()> {
    let Report { frame_lateness_ms: late, generator_lateness_ms: own, quickest_echo_ms: quickest, .. } = report;
    line(&format!("{} legs for {} s on {} cores", report.calls, report.seconds, report.cores))?;
    let (one, all) = (report.cpu_percent_per_leg, report.cpu_percent);
    line(&format!("  cpu        {one:.3} % of a core a leg, {all:.1} % in all"))?;
    let (leg, idle) = (report.rss_bytes_per_leg / 1024, report.idle_rss_bytes >> 20);
    line(&format!("  memory     {leg} KiB a leg over {idle} MiB idle"))?;
    let Spread { p50, p99, max } = late;
    line(&format!("  lateness   p50 {p50} ms, p99 {p99} ms, max {max} ms; {} underruns", report.underruns))?;
    let Spread { p50, p99, max } = own;
    line(&format!("  the load's p50 {p50} ms, p99 {p99} ms, max {max} ms (part of the above)"))?;
    line(&format!("  echo       {} ms at best (median of the legs)", quickest.p50))?;
    let (sent, back, ended) = (report.frames_sent, report.frames_returned, report.legs_ended_early);
    line(&format!("  frames     {sent} sent, {back} back; {ended} legs ended early"))
}

/// The callers' speech, with pauses, so that turns begin and end.
fn sound(args: &Args, settings: &Settings) -> anyhow::Result<Arc<Sound>> {
    let files = match &args.speech {
        Some(file) => vec![file.clone()],
        None => samples(&settings.data.models_dir.join("starter/tts/samples"))?,
    };
    let mut spoken = Vec::new();
    for file in files {
        let bytes = std::fs::read(&file).with_context(|| format!("could not read {}", file.display()))?;
        let (rate, pcm) = wav::read(&bytes).with_context(|| format!("could not use {}", file.display()))?;
        spoken.extend(resample::convert(&pcm, rate, LINE_RATE));
        spoken.resize(spoken.len() + LINE_RATE as usize, 0);
    }
    Ok(Arc::new(match args.transport {
        Carrier::Twilio => Sound::of_twilio(&spoken),
        Carrier::Exotel => Sound::of_exotel(&spoken),
        Carrier::Webrtc => Sound::of_webrtc(&spoken)?,
    }))
}

fn samples(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let advice = || format!("there is no speech in {}; name a WAV file with --speech", folder.display());
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .with_context(advice)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "wav"))
        .collect();
    files.sort();
    if files.is_empty() { bail!(advice()) } else { Ok(files) }
}

/// Every leg takes a descriptor here and one in the daemon, which inherits the limit.
fn raise_descriptor_limit(calls: u32) {
    let limit = getrlimit(Resource::Nofile);
    let wanted = u64::from(calls) * 2 + 256;
    if limit.current.is_some_and(|current| current < wanted) {
        let current = Some(limit.maximum.map_or(wanted, |maximum| maximum.min(wanted)));
        if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current, maximum: limit.maximum }) {
            tracing::warn!(%error, "the limit of open files could not be raised");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spreads_are_read_off_the_sorted_list() {
        let spread = Spread::of((0..=1_000).rev().map(|n| n * 100).collect());
        assert_eq!((spread.p50, spread.p99, spread.max), (50.0, 99.0, 100.0));
        let nothing = Spread::of(Vec::new());
        assert_eq!((nothing.p50, nothing.max), (0.0, 0.0));
    }
}
