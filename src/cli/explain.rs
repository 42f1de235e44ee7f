//! `vaani explain`: what the box makes of a text, without a call and without a model.

use std::io::{BufRead, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, bail};

use crate::base::Lang;
use crate::config::Settings;
use crate::dialogue::book::Catalogue;
use crate::dialogue::ending::Expects;
use crate::dialogue::explain::{ExplainInput, Explained, Role, explain};
use crate::dialogue::intent::Matcher;

/// Say what the box makes of a text: language, spoken form, end of turn, intent, slots, policy
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Language of the call (hi-IN, ta-IN …); the text may be in another one
    #[arg(long, value_name = "TAG")]
    language: Option<Lang>,
    /// What the call waits for: anything yes_no amount date name digits digits:N
    #[arg(long, value_name = "KIND", default_value = "anything")]
    expects: Expects,
    /// Who says it: caller or agent; without it everything is explained
    #[arg(long, value_name = "ROLE")]
    role: Option<RoleArg>,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
    /// Texts; - reads JSON lines {"text":…,"language":…,"expects":…,"role":…} and prints the same
    #[arg(required = true, value_name = "TEXT")]
    texts: Vec<String>,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum RoleArg {
    Caller,
    Agent,
}

/// Bytes of one line of standard input; a longer one is no utterance.
const LINE_MAX: u64 = 4 * 1024 * 1024;

/// `config` is the configuration's folder if one was named.
pub fn run(args: Args, config: Option<&Path>) -> anyhow::Result<ExitCode> {
    let prompts = Settings::load(config)?.data.config_dir.join("prompts");
    let catalogue = Catalogue::load(&prompts).context("failed to load the message catalogues")?;
    let matcher = Matcher::new(&catalogue);
    let role = args.role.map(|r| match r {
        RoleArg::Caller => Role::Caller,
        RoleArg::Agent => Role::Agent,
    });
    let mut out = std::io::stdout().lock();
    let mut failed = false;
    for text in &args.texts {
        if text == "-" {
            failed |= !read_lines(&catalogue, &matcher, &mut std::io::stdin().lock(), &mut out)?;
            continue;
        }
        let input = ExplainInput { text: text.clone(), language: args.language, expects: args.expects, role };
        let explained = explain(&catalogue, &matcher, &input);
        if args.json {
            write_json(&mut out, &explained)?;
        } else {
            write!(out, "{}", readable(&explained))?;
        }
    }
    out.flush()?;
    Ok(if failed { ExitCode::from(1) } else { ExitCode::SUCCESS })
}

/// Answers every line; one that is no input is reported with its number and the rest goes on.
fn read_lines(
    catalogue: &Catalogue,
    matcher: &Matcher,
    input: &mut dyn BufRead,
    out: &mut dyn Write,
) -> anyhow::Result<bool> {
    if std::io::stdin().is_terminal() {
        eprintln!("reading JSON lines; end with Ctrl-D");
    }
    let mut fine = true;
    for number in 1.. {
        let mut line = Vec::new();
        let read = std::io::Read::take(&mut *input, LINE_MAX).read_until(b'\n', &mut line)?;
        if read == 0 {
            break;
        }
        if read as u64 == LINE_MAX {
            bail!("line {number} is longer than {LINE_MAX} bytes");
        }
        let line = String::from_utf8_lossy(&line);
        if line.trim().is_empty() {
            continue;
        }
        match serde_json::from_str::<ExplainInput>(&line) {
            Ok(input) => write_json(out, &explain(catalogue, matcher, &input))?,
            Err(error) => {
                eprintln!("line {number}: {error}");
                fine = false;
            }
        }
    }
    Ok(fine)
}

fn write_json(out: &mut dyn Write, explained: &Explained) -> anyhow::Result<()> {
    serde_json::to_writer(&mut *out, explained)?;
    writeln!(out)?;
    Ok(())
}

fn readable(explained: &Explained) -> String {
    let value = serde_json::to_value(explained).unwrap_or_default();
    let mut block = String::new();
    for key in [
        "text",
        "language",
        "language_confidence",
        "dialect",
        "evidence",
        "spoken",
        "turn_complete",
        "utterance_class",
        "intent",
        "slots",
        "policy",
    ] {
        let shown = match value.get(key) {
            None | Some(serde_json::Value::Null) => continue,
            Some(serde_json::Value::String(text)) => text.clone(),
            Some(serde_json::Value::Array(items)) => {
                items.iter().filter_map(|i| i.as_str()).collect::<Vec<_>>().join(", ")
            }
            Some(other) => other.to_string(),
        };
        block.push_str(&format!("{:<20} {shown}\n", key.replace('_', " ")));
    }
    block.push('\n');
    block
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers(lines: &str) -> (bool, Vec<serde_json::Value>) {
        let catalogue =
            Catalogue::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("config/prompts")).expect("shipped");
        let matcher = Matcher::new(&catalogue);
        let mut out = Vec::new();
        let fine = read_lines(&catalogue, &matcher, &mut lines.as_bytes(), &mut out).expect("read");
        let text = String::from_utf8(out).expect("utf8");
        (fine, text.lines().map(|l| serde_json::from_str(l).expect("json")).collect())
    }

    #[test]
    fn json_lines_in_json_lines_out() {
        let (fine, out) =
            answers("{\"text\":\"किस्त कितनी है\",\"language\":\"hi-IN\"}\n\n{\"text\":\"ஆமா\",\"role\":\"caller\"}\n");
        assert!(fine);
        let [first, second] = out.as_slice() else { panic!("{out:?}") };
        assert_eq!(first["language"], "hi-IN");
        assert_eq!(first["intent"], "ask_amount");
        assert_eq!(first["turn_complete"], true);
        assert_eq!(first["utterance_class"], "answer");
        assert_eq!(second["language"], "ta-IN");
        assert_eq!(second["utterance_class"], "backchannel");
        assert_eq!(second["policy"], serde_json::Value::Null);
        assert_eq!(first["policy"]["allowed"], true);
        for key in ["text", "language_confidence", "dialect", "spoken", "slots"] {
            assert!(first.get(key).is_some(), "{key}");
        }
    }

    #[test]
    fn a_wrong_line_is_reported_and_the_rest_answered() {
        let (fine, out) = answers("nonsense\n{\"text\":\"yes\"}\n{\"text\":5}\n");
        assert!(!fine);
        assert_eq!(out.len(), 1);
    }
}
