//! What a rehearsal prints: a line a turn, a summary at the end.

use serde::Serialize;

use super::scenario::{Scenario, Turn};
use crate::base::Lang;
use crate::base::event::Waterfall;

/// Turns that must pass, of a hundred.
const PASS_PERCENT: usize = 95;

#[derive(Clone, Debug, Serialize)]
pub(super) struct TurnReport {
    pub scenario: String,
    pub language: Lang,
    pub turn: usize,
    pub caller_said: String,
    pub heard: String,
    pub agent_said: String,
    pub agent_heard_back: String,
    pub agent_language: Option<Lang>,
    pub intent: Option<String>,
    pub way: Option<String>,
    /// From the caller's last sound to the first of the agent's, at the caller's ear.
    pub voice_to_voice_ms: Option<u64>,
    pub waterfall: Option<Waterfall>,
    /// From the caller's first sound to the agent's silence, when the agent was interrupted.
    pub stopped_after_ms: Option<u32>,
    /// The same at the caller's ear, with all that the carrier had begun to play.
    pub silent_after_ms: Option<u64>,
    /// Frames of the agent that were heard although the box had thrown them away; `None` where the transport
    /// has no such thing.
    pub frames_after_clear: Option<usize>,
    pub passed: bool,
    pub faults: Vec<String>,
    #[serde(skip)]
    pub ended: bool,
}

impl TurnReport {
    /// A turn that never took place.
    pub(super) fn lost(scenario: &Scenario, number: usize, turn: &Turn, why: &str) -> Self {
        Self {
            scenario: scenario.name.clone(),
            language: scenario.language,
            turn: number + 1,
            caller_said: turn.says.clone(),
            heard: String::new(),
            agent_said: String::new(),
            agent_heard_back: String::new(),
            agent_language: None,
            intent: None,
            way: None,
            voice_to_voice_ms: None,
            waterfall: None,
            stopped_after_ms: None,
            silent_after_ms: None,
            frames_after_clear: None,
            passed: false,
            faults: vec![why.to_owned()],
            ended: true,
        }
    }
}

#[derive(Clone, Debug, Default)]
pub(super) struct Summary {
    calls: usize,
    broken_calls: Vec<String>,
    turns: Vec<TurnReport>,
}

#[derive(Debug, Serialize)]
struct Last<'a> {
    passed: usize,
    failed: usize,
    calls: usize,
    languages: usize,
    /// Calls whose every answer was in the caller's language.
    calls_in_the_right_language: usize,
    broken_calls: &'a [String],
    voice_to_voice_ms_median: Option<u64>,
    endpoint_ms_median: Option<u64>,
    /// The longest that an interrupted agent spoke on.
    barge_in_ms_max: Option<u32>,
    /// The same at the caller's ear.
    silent_ms_max: Option<u64>,
    /// From the caller's first speech frame to silence at the caller's ear, over all interruptions.
    barge_in_ms: Option<BargeIn>,
    /// From the end-of-turn decision to the first frame, divided by the engines' own working times
    /// for the same turns: below 1, the overlap more than pays for the plumbing.
    after_endpoint_over_engines: Option<f64>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct BargeIn {
    p50: u64,
    max: u64,
    interruptions: usize,
    /// Must be 0; `None` where the transport has no clear that the caller sees.
    frames_after_clear: Option<usize>,
}

impl BargeIn {
    fn of(turns: &[TurnReport]) -> Option<Self> {
        let mut times: Vec<u64> = turns.iter().filter_map(|turn| turn.silent_after_ms).collect();
        times.sort_unstable();
        Some(Self {
            p50: *times.get(times.len() / 2)?,
            max: *times.last()?,
            interruptions: times.len(),
            frames_after_clear: turns.iter().filter_map(|turn| turn.frames_after_clear).reduce(|sum, more| sum + more),
        })
    }
}

impl Summary {
    /// Prints a call's turns as they come.
    pub(super) fn add(
        &mut self,
        scenario: &Scenario,
        result: anyhow::Result<Vec<TurnReport>>,
        json: bool,
    ) -> anyhow::Result<()> {
        self.calls += 1;
        let mut turns = match result {
            Ok(turns) => turns,
            Err(error) => {
                self.broken_calls.push(format!("{}: {error:#}", scenario.name));
                eprintln!("{}: {error:#}", scenario.name);
                Vec::new()
            }
        };
        for (number, turn) in scenario.turns.iter().enumerate().skip(turns.len()) {
            turns.push(TurnReport::lost(scenario, number, turn, "the call ended before"));
        }
        if !json {
            println!("── {} ({}, {}) ──", scenario.name, scenario.language.english_name(), scenario.language);
        }
        for turn in &turns {
            if json {
                println!("{}", serde_json::to_string(turn)?);
            } else {
                show(turn);
            }
        }
        self.turns.extend(turns);
        Ok(())
    }

    fn passed(&self) -> usize {
        self.turns.iter().filter(|t| t.passed).count()
    }

    fn right_language(&self) -> usize {
        let wrong = |name: &str| {
            self.turns.iter().any(|t| t.scenario == name && t.agent_language.is_some_and(|l| l != t.language))
        };
        let mut names: Vec<&str> = self.turns.iter().map(|t| t.scenario.as_str()).collect();
        names.dedup();
        names.into_iter().filter(|name| !wrong(name)).count()
    }

    pub(super) fn is_good(&self) -> bool {
        self.broken_calls.is_empty()
            && self.right_language() == self.calls
            && self.passed() * 100 >= self.turns.len() * PASS_PERCENT
    }

    pub(super) fn print(&self, json: bool) -> anyhow::Result<()> {
        let mut languages: Vec<Lang> = self.turns.iter().map(|t| t.language).collect();
        languages.sort();
        languages.dedup();
        let falls: Vec<&Waterfall> = self.turns.iter().filter_map(|t| t.waterfall.as_ref()).collect();
        let last = Last {
            passed: self.passed(),
            failed: self.turns.len() - self.passed(),
            calls: self.calls,
            languages: languages.len(),
            calls_in_the_right_language: self.right_language(),
            broken_calls: &self.broken_calls,
            voice_to_voice_ms_median: median(self.turns.iter().filter_map(|t| t.voice_to_voice_ms).collect()),
            endpoint_ms_median: median(falls.iter().filter_map(|w| w.endpoint.map(u64::from)).collect()),
            barge_in_ms_max: self.turns.iter().filter_map(|t| t.stopped_after_ms).max(),
            silent_ms_max: self.turns.iter().filter_map(|t| t.silent_after_ms).max(),
            barge_in_ms: BargeIn::of(&self.turns),
            after_endpoint_over_engines: overlap(&falls),
        };
        if json {
            println!("{}", serde_json::to_string(&last)?);
            return Ok(());
        }
        println!();
        println!(
            "{} of {} turns heard and answered as expected, {} calls in {} languages, {} held in the caller's language",
            last.passed,
            self.turns.len(),
            last.calls,
            last.languages,
            last.calls_in_the_right_language
        );
        if let (Some(voice), Some(endpoint)) = (last.voice_to_voice_ms_median, last.endpoint_ms_median) {
            println!(
                "median from the caller's last sound to the agent's first: {voice} ms, of it waiting for the end of the turn: {endpoint} ms"
            );
        }
        if let Some(ms) = last.barge_in_ms_max {
            println!("an interrupted agent fell silent within {ms} ms");
        }
        if let Some(BargeIn { p50, max, interruptions, frames_after_clear }) = &last.barge_in_ms {
            let after = frames_after_clear.map_or_else(String::new, |n| format!("; {n} frames after a clear"));
            println!(
                "at the caller's ear, from the first sound of {interruptions} interruptions: p50 {p50} ms, max {max} ms{after}"
            );
        }
        if let Some(ratio) = last.after_endpoint_over_engines {
            println!("time after the end-of-turn decision over the engines' own times: {ratio:.2}");
        }
        for broken in &self.broken_calls {
            println!("BROKEN {broken}");
        }
        Ok(())
    }
}

fn show(turn: &TurnReport) {
    println!("  caller  {}", turn.caller_said);
    if turn.heard != turn.caller_said {
        println!("  heard   {}", turn.heard);
    }
    println!("  agent   {}", turn.agent_said);
    if let Some(w) = &turn.waterfall {
        let stage = |name: &str, ms: Option<u32>| ms.map(|ms| format!("{name} {ms}")).unwrap_or_default();
        let stages = [
            stage("text", w.stt_final),
            stage("first token", w.llm_first_token),
            stage("first clause", w.first_clause),
            stage("first sound", w.tts_first_audio),
            stage("end of turn", w.endpoint),
            stage("first frame", w.first_frame_out),
        ];
        let stages: Vec<_> = stages.into_iter().filter(|s| !s.is_empty()).collect();
        println!(
            "          {} ms after the caller's last word ({})",
            stages.join(", "),
            turn.way.as_deref().unwrap_or("")
        );
    }
    if !turn.passed {
        println!("  FAILED  {}", turn.faults.join("; "));
    }
}

fn median(mut values: Vec<u64>) -> Option<u64> {
    values.sort_unstable();
    values.get(values.len() / 2).copied()
}

/// Time beyond the endpoint over the engines' own times, over all turns together.
fn overlap(falls: &[&Waterfall]) -> Option<f64> {
    let (mut after, mut engines) = (0.0, 0.0);
    for fall in falls {
        if let (Some(out), Some(endpoint)) = (fall.first_frame_out, fall.endpoint) {
            after += f64::from(out.saturating_sub(endpoint));
            engines += [fall.stt_took, fall.llm_took, fall.tts_took].into_iter().flatten().map(f64::from).sum::<f64>();
        }
    }
    (engines > 0.0).then(|| after / engines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interruptions_are_summed_up() {
        let scenario: Scenario = toml::from_str("language = \"en-IN\"\n[[turns]]\nsays = \"a\"").expect("a scenario");
        let turn = |silent_after_ms, frames_after_clear| TurnReport {
            silent_after_ms,
            frames_after_clear,
            ..TurnReport::lost(&scenario, 0, &scenario.turns[0], "")
        };
        assert_eq!(BargeIn::of(&[turn(None, None)]), None);
        let some = [turn(Some(180), Some(0)), turn(None, None), turn(Some(140), Some(2)), turn(Some(160), None)];
        let expected = BargeIn { p50: 160, max: 180, interruptions: 3, frames_after_clear: Some(2) };
        assert_eq!(BargeIn::of(&some), Some(expected));
        assert_eq!(BargeIn::of(&[turn(Some(90), None)]).unwrap().frames_after_clear, None);
    }
}
