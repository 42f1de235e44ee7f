//! `vaani doctor`: what is wrong with this box and how to mend it.

use std::process::ExitCode;
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use super::output::{json_line, line};
use crate::ai::engines::Setup;
use crate::ai::hardware::Hardware;
use crate::app;
use crate::base::Clock;
use crate::base::secret::Secret;
use crate::base::tasks::Scope;
use crate::config::Settings;
use crate::ops::health::{
    CATALOGUE, Facts, Finding, Severity, causes_only, entry, examine, fetch_certificate, is_synchronised, judge,
};

/// For the daemon on this machine, and for the public address.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Debug, clap::Args)]
pub struct Args {
    /// One JSON object a finding.
    #[arg(long)]
    json: bool,
    /// Ask the public address for its certificate too.
    #[arg(long)]
    online: bool,
    /// Every code there is, with what it means.
    #[arg(long)]
    list: bool,
}

/// A row of the catalogue, as `--list` shows it.
#[derive(Serialize)]
struct Row {
    code: &'static str,
    title: &'static str,
    depends_on: &'static [&'static str],
    visible_after_seconds: u64,
    alerts_from: Option<Severity>,
}

pub async fn run(args: Args, settings: &Settings) -> anyhow::Result<ExitCode> {
    if args.list {
        return list(args.json);
    }
    let hardware = Hardware::detect();
    let clock = Clock::system();
    let setup = Setup::new(settings, &hardware, Scope::new(), clock);
    let mut found = examine(settings, &setup, &hardware);
    found.push(match app::load_scripts(settings) {
        Ok(_) => Finding::fine("configuration", "agents and prompts load"),
        Err(error) => Finding::error(
            "configuration",
            format!("{error:#}"),
            "mend the file and line named; `vaani config check` shows all faults",
        ),
    });
    let daemon = daemon(settings).await;
    let told: Vec<&str> = daemon.iter().map(|finding| finding.code).collect();
    let mut facts = Facts { wall_ms: clock.wall_ms(), ..Facts::default() };
    if !told.contains(&"clock") {
        facts.synchronised = Some(is_synchronised().await);
    }
    let public = settings.http.public_base_url.as_ref().filter(|url| url.starts_with("https://"));
    if args.online
        && let Some(public) = public
    {
        facts.certificate = Some(fetch_certificate(&public.parse()?, PATIENCE).await);
    }
    let here = judge(&settings.alerts, &facts);
    // What was looked at here is newer than what the daemon remembers.
    let seen: Vec<&str> = found.iter().chain(&here).map(|finding| finding.code).collect();
    let remembered = daemon.into_iter().filter(|finding| !seen.contains(&finding.code)).collect::<Vec<_>>();
    found.extend(here);
    found.extend(remembered);
    let found = causes_only(found);
    for finding in &found {
        if args.json {
            json_line(finding)?;
        } else {
            let mark = match finding.severity {
                Severity::Fine => "ok     ",
                Severity::Warning => "warning",
                Severity::Error => "ERROR  ",
            };
            line(&format!("{mark} {:15} {}", finding.code, finding.text))?;
            if !finding.fix.is_empty() {
                line(&format!("                        to mend it: {}", finding.fix))?;
            }
        }
    }
    Ok(ExitCode::from(u8::from(found.iter().any(|f| f.severity == Severity::Error))))
}

fn list(json: bool) -> anyhow::Result<ExitCode> {
    for row in CATALOGUE {
        let shown = Row {
            code: row.code,
            title: row.title,
            depends_on: row.depends_on,
            visible_after_seconds: row.visible_after.as_secs(),
            alerts_from: row.alerts_from,
        };
        if json {
            json_line(&shown)?;
        } else {
            let alert = if row.alerts_from.is_some() { "alert" } else { "     " };
            line(&format!("{:15} {alert} {}", row.code, row.title))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// What a running daemon says of itself: all of it to whoever has the box's token, as the user who
/// runs the daemon does; else what everybody may know.
async fn daemon(settings: &Settings) -> Vec<Finding> {
    let base = format!("http://{}", settings.http.listen);
    let ask = |path: &'static str, token: Option<&Secret>| {
        let (url, token) = (format!("{base}{path}"), token.cloned());
        async move {
            let client = reqwest::Client::builder().timeout(PATIENCE).no_proxy().build().ok()?;
            let mut request = client.get(&url);
            if let Some(token) = token {
                request = request.bearer_auth(token.expose());
            }
            request.send().await.ok()?.json::<Value>().await.ok()
        }
    };
    let Some(health) = ask("/health", None).await else {
        return vec![Finding::warning(
            "daemon",
            format!("no daemon answers at {base}/health"),
            "start it: systemctl start vaani, or scripts/run in a checkout",
        )];
    };
    let status = health["status"].as_str().unwrap_or("unknown");
    let mut found = vec![Finding::fine("daemon", format!("the daemon answers; its health is {status}"))];
    let kept = || std::fs::read_to_string(settings.state.dir.join("api-token")).ok().map(|t| Secret::new(t.trim()));
    let all = match settings.api.token.clone().or_else(kept) {
        Some(token) => ask("/api/alerts", Some(&token)).await,
        None => None,
    };
    match all.as_ref().and_then(|all| all["findings"].as_array()).filter(|all| !all.is_empty()) {
        Some(all) => found.extend(all.iter().filter_map(finding)),
        None => {
            found.extend(health["findings"].as_array().into_iter().flatten().filter_map(finding));
            found.extend(health["components"].as_array().into_iter().flatten().filter_map(part));
        }
    }
    found
}

/// A finding of the daemon; codes of another version are left out.
fn finding(told: &Value) -> Option<Finding> {
    let code = entry(told["code"].as_str()?)?.code;
    let text = |field: &str| told[field].as_str().unwrap_or_default().to_owned();
    let fix =
        if text("fix").is_empty() { "run this as the daemon's user to hear more".to_owned() } else { text("fix") };
    Some(
        match told["severity"].as_str()? {
            "fine" => Finding::fine(code, text("text")),
            "warning" => Finding::warning(code, text("text"), fix),
            _ => Finding::error(code, text("text"), fix),
        }
        .about(text("about")),
    )
}

fn part(told: &Value) -> Option<Finding> {
    let (name, detail) = (told["name"].as_str()?, told["detail"].as_str().unwrap_or_default());
    match told["status"].as_str()? {
        "ok" => None,
        "down" => Some(Finding::error("component", format!("{name} is down"), detail).about(name)),
        status => Some(Finding::warning("component", format!("{name} is {status}"), detail).about(name)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_another_version_of_the_daemon_says_is_taken_as_far_as_it_is_known() {
        let told = finding(&json!({"code": "audit", "severity": "error", "text": "broken", "fix": "verify"})).unwrap();
        assert_eq!((told.code, told.severity, told.fix.as_str()), ("audit", Severity::Error, "verify"));
        assert!(finding(&json!({"code": "of a later version", "severity": "error", "text": "x"})).is_none());
        assert!(finding(&json!({"code": 7})).is_none());
        let public = finding(&json!({"code": "disk", "severity": "warning", "text": "nearly full"})).unwrap();
        assert!(!public.fix.is_empty());
        assert!(part(&json!({"name": "engine/stt", "status": "ok"})).is_none());
        assert_eq!(part(&json!({"name": "engine/stt", "status": "down"})).unwrap().severity, Severity::Error);
    }
}
