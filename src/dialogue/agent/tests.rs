use super::*;

const HELPDESK: &str = include_str!("../../../config/agents/helpdesk.toml");

fn one(text: &str) -> Result<Agent, ConfigError> {
    AgentFile::from_texts([("x", text)]).map(|mut file| file.agents.remove("x").expect("there"))
}

const SMALL: &str =
    "name = \"x\"\npersona = \"Asha\"\ncompany = \"K\"\ngoal = \"help\"\nlanguages = [\"hi-IN\", \"ta-IN\"]\n";

#[test]
fn the_shipped_agents_are_complete() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/agents");
    let file = AgentFile::load(&dir).expect("accepted");
    assert_eq!(file.agents.keys().collect::<Vec<_>>(), ["echo", "frontdesk", "helpdesk", "reminder"]);
    assert_eq!(file.get("echo").expect("there").mode, Mode::Echo);
    let frontdesk = file.get("frontdesk").expect("there");
    assert!(frontdesk.ways.free && !frontdesk.ways.choose && !frontdesk.ways.flow);
    assert_eq!(file.get("reminder").expect("there").opening, Opening::Outbound);
    let helpdesk = file.get("helpdesk").expect("there");
    assert!(helpdesk.ways.flow && helpdesk.ways.choose && helpdesk.ways.free && helpdesk.menu);
    for lang in Lang::ALL {
        assert!(lang.writes(helpdesk.persona.get(lang).chars().next().expect("a letter")), "{lang}");
        let facts = helpdesk.facts(lang);
        assert_eq!(facts.get("loan_id"), Some("LN-20391"));
        assert!(lang.writes(facts.get("name").expect("a name").chars().next().expect("a letter")), "{lang}");
        assert_eq!(helpdesk.language_of(helpdesk.key_of(lang).expect("a key")), Some(lang));
    }
    assert_eq!((helpdesk.key_of(Lang::En), helpdesk.key_of(Lang::Or)), (Some('1'), Some('*')));
    assert_eq!(helpdesk.language_of('#'), None);
}

#[test]
fn a_small_file_gets_the_defaults() {
    let agent = one(SMALL).expect("accepted");
    assert_eq!(agent.default_language, Lang::Hi);
    assert_eq!(agent.limits.max_call, Duration::from_secs(900));
    assert_eq!(agent.intents.len(), Intent::ALL.len());
    assert!(agent.disclosure && !agent.menu && agent.facts.is_empty());
    assert_eq!(agent.persona.get(Lang::Or), "Asha");
}

#[test]
fn facts_fill_placeholders_with_the_month_in_the_callers_language() {
    let agent =
        AgentFile::from_texts([("helpdesk", HELPDESK)]).expect("accepted").agents.remove("helpdesk").expect("there");
    let prompts = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/prompts");
    let catalogue = crate::dialogue::book::Catalogue::load(&prompts).expect("accepted");
    let book = catalogue.book(Lang::Ta).expect("a book");
    let mut facts = agent.facts(Lang::Ta);
    facts.set("emi_amount", "₹9,999");
    let vars = facts.vars(book);
    let of = |name: &str| vars.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str());
    assert_eq!(of("due_date"), Some(format!("5 {}", book.months[5]).as_str()));
    assert_eq!((of("amount"), of("phone")), (Some("₹9,999"), Some("1800 123 4567")));
    assert_eq!(vars.len(), 7);
    let borrowed: Vec<(&str, &str)> = vars.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let reply = catalogue.reply(Lang::Ta, Intent::AskAmount, 0, &borrowed).expect("a line");
    assert!(reply.contains("₹9,999"), "{reply}");
}

#[test]
fn every_kind_of_fault_gives_one_clear_message() {
    let cases: &[(&str, &str, &str)] = &[
        (
            "name = \"x\"",
            "name = \"y\"",
            "x.toml:1: `name` is \"y\" in x.toml; write `name = \"x\"` or rename the file",
        ),
        ("name = \"x\"\n", "", "x.toml:1: `name` is missing; write for example `name = \"x\"`"),
        ("persona = \"Asha\"", "persona = \"\"", "x.toml:2: `persona` is empty; write the words, or remove the line"),
        (
            "persona = \"Asha\"",
            "persona = { hi-IN = \"आशा\" }",
            "x.toml:2: `persona` lacks ta-IN; write it, or `default = \"…\"` for all others",
        ),
        (
            "persona = \"Asha\"",
            "persona = { default = \"A\", xx = \"B\" }",
            "x.toml:2: `persona.xx` is no language; write a tag such as hi-IN, or default",
        ),
        ("company = \"K\"", "company = 5", "x.toml:3: `company` is a whole number; write a text in quotes"),
        ("company = \"K\"\n", "", "x.toml:1: `company` is missing; write for example `company = \"Kaveri Finance\"`"),
        (
            "goal = \"help\"\n",
            "",
            "x.toml:1: `goal` is missing; write for example `goal = \"answer questions about the loan\"`",
        ),
        ("goal = \"help\"", "gaol = \"help\"", "x.toml:1: `goal` is missing"),
        (
            "\"hi-IN\", \"ta-IN\"",
            "",
            "x.toml:5: `languages` is empty; write at least one, such as [\"hi-IN\", \"en-IN\"]",
        ),
        (
            "\"hi-IN\", \"ta-IN\"",
            "\"hi\", \"fr\"",
            "x.toml:5: `languages[2]` is \"fr\"; write a language such as \"hi-IN\"",
        ),
        ("\"hi-IN\", \"ta-IN\"", "\"hi\", \"hi-IN\"", "x.toml:5: `languages[2]` names \"hi-IN\" twice; remove one"),
        ("\n", "\nmode = \"talk\"\n", "x.toml:2: `mode` is \"talk\"; write one of \"converse\", \"echo\""),
        ("\n", "\nopening = 1\n", "x.toml:2: `opening` is a whole number; write a text in quotes"),
        (
            "\n",
            "\ndefault_language = \"en-IN\"\n",
            "x.toml:2: `default_language` is en-IN, which is not among `languages`; add it there or write \"hi-IN\"",
        ),
        ("\n", "\nmenu = \"yes\"\n", "x.toml:2: `menu` is a text; write true or false"),
        ("\n", "\nstates = \"../etc\"\n", "x.toml:2: `states` is \"../etc\"; write the name of a table without .toml"),
        (
            "\n",
            "\nintents = [\"sing\"]\n",
            "x.toml:2: `intents[1]` is \"sing\"; write the name of an intent, such as \"ask_amount\"",
        ),
        ("\n", "\nrules = [\"\"]\n", "x.toml:2: `rules[1]` is empty; write the words, or remove it"),
        ("\n", "\nnever_say = \"word\"\n", "x.toml:2: `never_say` is a text; write a list in square brackets"),
        (
            "END",
            "[ways]\nuse = [\"guess\"]\n",
            "x.toml:7: `ways.use[1]` is \"guess\"; write \"flow\", \"choose\" or \"free\"",
        ),
        ("END", "[ways]\nuse = []\n", "x.toml:7: `ways.use` is empty; write at least one of"),
        ("END", "[ways]\nflow_at_least = 86\n", "x.toml:7: `ways.flow_at_least` is 86; write a number from 0.0 to 1.0"),
        ("END", "[ways]\nuses = []\n", "x.toml:7: unknown key `ways.uses`; write `ways.use`"),
        (
            "END",
            "[facts]\n\"amount due\" = 5200\n",
            "x.toml:7: `facts.amount due` is a whole number; write a text in quotes",
        ),
        (
            "END",
            "[facts]\namount = \"1\"\nemi = \"2\"\n",
            "x.toml:8: the fact \"emi\" means the same as \"amount\"; remove one",
        ),
        (
            "END",
            "[facts]\n\"a:b\" = \"1\"\n",
            "x.toml:7: the fact \"a:b\" has no usable name; write plain words without a colon",
        ),
        (
            "END",
            "[limits]\nmax_call_seconds = 5\n",
            "x.toml:7: `limits.max_call_seconds` is 5; write a number from 10 to 3600",
        ),
        ("END", "[limits]\nreprompt = 2\n", "x.toml:7: unknown key `limits.reprompt`; write `limits.reprompts`"),
        ("END", "[voices]\nxx = \"piper\"\n", "x.toml:7: `voices.xx` is no language; write a tag such as hi-IN"),
        (
            "END",
            "[voices]\nbn-IN = \"piper\"\n",
            "x.toml:7: `voices.bn-IN` is for a language that is not among `languages`",
        ),
        (
            "END",
            "[voices]\nhi-IN = \"\"\n",
            "x.toml:7: `voices.hi-IN` is empty; write \"piper\", \"espeak\" or a voice's id",
        ),
        ("END", "=", "x.toml:6: is not valid TOML"),
    ];
    for (from, to, message) in cases {
        let text = if *from == "END" { format!("{SMALL}{to}") } else { SMALL.replacen(from, to, 1) };
        let error = one(&text).expect_err(&text);
        assert!(error.problems[0].to_string().starts_with(message), "{text}\n{error}");
        let expected = if to.contains("gaol") { 2 } else { 1 };
        assert_eq!(error.problems.len(), expected, "{error}");
    }
    let long = SMALL.replace("help", &"h".repeat(501));
    assert!(one(&long).expect_err("refused").to_string().starts_with("x.toml:4: `goal` is longer than 500 characters"));
    let echo = "name = \"x\"\nmode = \"echo\"\npersona = \"E\"\ncompany = \"K\"\n";
    assert_eq!(one(echo).expect("an echo needs no goal").goal, "");
}
