//! `vaani doctor`: what is wrong with this box and how to mend it.

use std::process::ExitCode;
use std::time::Duration;

use serde_json::Value;

use super::output::{json_line, line};
use crate::ai::engines::Setup;
use crate::ai::hardware::Hardware;
use crate::app;
use crate::base::Clock;
use crate::base::tasks::Scope;
use crate::config::Settings;
use crate::ops::health::{Finding, Severity, examine};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// One JSON object a finding.
    #[arg(long)]
    json: bool,
}

pub async fn run(args: Args, settings: &Settings) -> anyhow::Result<ExitCode> {
    let hardware = Hardware::detect();
    let setup = Setup::new(settings, &hardware, Scope::new(), Clock::system());
    let mut found = examine(settings, &setup, &hardware);
    found.push(match app::load_scripts(settings) {
        Ok(_) => Finding {
            code: "configuration",
            severity: Severity::Fine,
            text: "agents and prompts load".to_owned(),
            fix: String::new(),
        },
        Err(error) => Finding {
            code: "configuration",
            severity: Severity::Error,
            text: format!("{error:#}"),
            fix: "mend the file and line named; `vaani config check` shows all faults".to_owned(),
        },
    });
    found.extend(daemon(settings).await);
    found.sort_by_key(|f| std::cmp::Reverse(f.severity));
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

/// What a running daemon says of itself.
async fn daemon(settings: &Settings) -> Vec<Finding> {
    let url = format!("http://{}/health", settings.http.listen);
    let asked = async {
        let client = reqwest::Client::builder().timeout(Duration::from_secs(3)).no_proxy().build().ok()?;
        client.get(&url).send().await.ok()?.json::<Value>().await.ok()
    };
    let Some(health) = asked.await else {
        return vec![Finding {
            code: "daemon",
            severity: Severity::Warning,
            text: format!("no daemon answers at {url}"),
            fix: "start it: systemctl start vaani, or scripts/run in a checkout".to_owned(),
        }];
    };
    let mut found = vec![Finding {
        code: "daemon",
        severity: Severity::Fine,
        text: format!("the daemon answers; its health is {}", health["status"].as_str().unwrap_or("unknown")),
        fix: String::new(),
    }];
    for part in health["components"].as_array().into_iter().flatten() {
        let status = part["status"].as_str().unwrap_or_default();
        if status != "ok" {
            let name = part["name"].as_str().unwrap_or_default();
            found.push(Finding {
                code: "daemon",
                severity: if status == "down" { Severity::Error } else { Severity::Warning },
                text: format!("{name} is {status}"),
                fix: part["detail"].as_str().unwrap_or_default().to_owned(),
            });
        }
    }
    found
}
