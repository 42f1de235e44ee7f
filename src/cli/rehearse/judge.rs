//! Was the turn heard, understood and answered? What is said is compared in spoken form, so that
//! "5200" and the words for it are the same.

use super::scenario::Turn;
use crate::ai::score::character_error_rate;
use crate::base::Lang;
use crate::dialogue::speak;

/// More wrong characters than these, and it was not heard.
const HEARD_CER_MAX: f32 = 0.30;
const HEARD_BACK_CER_MAX: f32 = 0.25;

/// Everything known about one turn.
#[derive(Clone, Debug, Default)]
pub(super) struct Evidence {
    pub says: String,
    pub heard: String,
    pub agent_said: String,
    pub agent_heard_back: String,
    pub heard_back_language: Option<Lang>,
    pub said_language: Option<Lang>,
    pub intent: Option<String>,
    pub way: Option<String>,
    pub answered: bool,
    /// The agent was broken off by a backchannel and went on, so that a part was heard twice.
    pub resumed: bool,
}

fn spoken(language: Lang, text: &str) -> String {
    speak::spoken(language, text)
}

/// Why the turn does not pass; empty if it does.
pub(super) fn faults(evidence: &Evidence, language: Lang, turn: &Turn) -> Vec<String> {
    let Turn { intents, contains, ways, .. } = turn;
    let mut faults = Vec::new();
    let cer = character_error_rate(&spoken(language, &evidence.says), &spoken(language, &evidence.heard));
    if cer > HEARD_CER_MAX {
        faults.push(format!("not heard: {:.0} % of the characters are wrong", cer * 100.0));
    }
    if !evidence.answered {
        faults.push("not answered".to_owned());
    }
    if let Some(said) = evidence.said_language.filter(|l| *l != language) {
        faults.push(format!("answered in {said}"));
    }
    if let (false, Some(intent)) = (intents.is_empty(), &evidence.intent)
        && !intents.contains(intent)
    {
        faults.push(format!("taken for {intent}"));
    }
    if let (false, Some(way)) = (ways.is_empty(), &evidence.way)
        && !ways.contains(way)
    {
        faults.push(format!("answered the way {way}"));
    }
    if turn.agent_goes_on && !evidence.resumed {
        faults.push("the agent did not go on".to_owned());
    }
    let answer = spoken(language, &evidence.agent_said).to_lowercase();
    // Number words change their endings before another word; the figures do not.
    let figures = evidence.agent_said.replace(',', "");
    let holds =
        |part: &String| answer.contains(&spoken(language, part).to_lowercase()) || figures.contains(part.as_str());
    if !contains.is_empty() && !contains.iter().any(holds) {
        faults.push(format!("the answer has none of {contains:?}"));
    }
    if evidence.answered && !evidence.resumed {
        let cer = character_error_rate(&answer, &spoken(language, &evidence.agent_heard_back));
        if cer > HEARD_BACK_CER_MAX {
            let heard = &evidence.agent_heard_back;
            let wrong = cer * 100.0;
            faults.push(format!(
                "the answer cannot be understood: {wrong:.0} % of the characters are wrong in {heard:?}"
            ));
        }
        if let Some(sounds) = evidence.heard_back_language.filter(|l| *l != language) {
            faults.push(format!("the answer sounds like {sounds}"));
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> Evidence {
        Evidence {
            says: "what is my amount".into(),
            heard: "what is my amount".into(),
            agent_said: "Your EMI amount is ₹5,200.".into(),
            agent_heard_back: "your emi amount is 5200 rupees".into(),
            heard_back_language: Some(Lang::En),
            said_language: Some(Lang::En),
            intent: Some("ask_amount".into()),
            way: Some("flow".into()),
            answered: true,
            resumed: false,
        }
    }

    #[test]
    fn a_good_turn_passes_and_each_fault_is_told() {
        let turn: Turn = toml::from_str(
            "says = 'what is my amount'\nintents = ['ask_amount']\ncontains = ['5200']\nways = ['flow', 'choose']",
        )
        .unwrap();
        assert_eq!(faults(&good(), Lang::En, &turn), Vec::<String>::new());
        let cases: [(fn(&mut Evidence), &str); 7] = [
            (|e| e.way = Some("free".into()), "the way free"),
            (|e| e.heard = "how old is the moon tonight".into(), "not heard"),
            (|e| e.answered = false, "not answered"),
            (|e| e.said_language = Some(Lang::Hi), "answered in hi-IN"),
            (|e| e.intent = Some("goodbye".into()), "taken for goodbye"),
            (|e| e.agent_heard_back = "something else was said here".into(), "cannot be understood"),
            (|e| e.heard_back_language = Some(Lang::Ta), "sounds like ta-IN"),
        ];
        for (spoil, expected) in cases {
            let mut evidence = good();
            spoil(&mut evidence);
            let told = faults(&evidence, Lang::En, &turn).join("; ");
            assert!(told.contains(expected), "{expected}: {told}");
        }
        let mut wrong_fact = good();
        wrong_fact.agent_said = "Your EMI amount is ₹4,100.".into();
        wrong_fact.agent_heard_back = "your emi amount is 4100 rupees".into();
        assert!(faults(&wrong_fact, Lang::En, &turn)[0].contains("none of"));
        let goes_on = Turn { agent_goes_on: true, ..turn };
        assert!(faults(&good(), Lang::En, &goes_on)[0].contains("did not go on"));
        let resumed = Evidence { resumed: true, agent_heard_back: "your emi your emi amount".into(), ..good() };
        assert_eq!(faults(&resumed, Lang::En, &goes_on), Vec::<String>::new());
    }
}
