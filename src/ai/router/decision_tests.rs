//! The order on a small table, and what must hold for every state there can be.

use proptest::prelude::*;

use super::*;
use crate::ai::router::dialect::Dialect;
use crate::base::Lang;

/// Two on the box, one in the rack, two in India, two abroad.
const FILE: &str = r#"
residency:
  default: any
  tenants: {bank: local_only, shop: india_only}
  data_classes: {health: local_only}
order: local_first
budgets:
  shop: {paise_per_day: 100}
languages:
  hi: {priority_providers: [sarvam, local]}
  ml:
    priority_providers: [local]
    dialects:
      malabar: {priority_providers: [abroad/two]}
routing_rules:
  kerala:
    condition: "region == 'kerala' and language == 'ml'"
    priority_providers: [sarvam, abroad]
    min_confidence: 0.8
  nights:
    condition: "hour >= 21 or hour < 7"
    priority_providers: [rack]
providers:
  rack:
    kind: openai
    base_url: http://10.0.0.2:8000/v1
    residency: on_box
    models:
      big: {capabilities: [stt, llm, tts]}
  sarvam:
    residency: india
    secret: sarvam_key
    models:
      s: {capabilities: [stt, tts], price: {paise_per_minute: 50}}
      t: {capabilities: [stt, llm], price: {paise_per_minute: 20}}
  abroad:
    kind: openai
    base_url: https://api.example.com/v1
    residency: abroad
    secret: abroad_key
    models:
      one: {capabilities: [stt, llm], price: {paise_per_minute: 30}, accuracy_score: 0.99}
      two: {capabilities: [stt, llm, tts], languages: [en, ml], price: {paise_per_minute: 30}, accuracy_score: 0.5}
  nowhere:
    models:
      n: {capabilities: [stt]}
"#;

fn table() -> Table {
    Table::from_text(FILE).unwrap().0
}

fn attempts(table: &Table, facts: &Facts, state: &State) -> String {
    decide(table, facts, state).record(table).attempts.join(" ")
}

#[test]
fn a_box_without_a_routing_file_asks_its_own_engines() {
    let table = Table::local_only();
    let state = State::fresh(&table, Moment::ZERO);
    for (stage, expected) in [(Stage::Stt, "local/whisper"), (Stage::Llm, "local/llama"), (Stage::Tts, "local/speech")]
    {
        let decision = decide(&table, &Facts::new(stage, Lang::Or), &state);
        assert_eq!(decision.record(&table).attempts, [expected]);
        assert_eq!(decision.considered.len(), 3);
    }
}

#[test]
fn rules_come_before_lists_and_lists_before_policy() {
    let table = table();
    let stt = |lang| Facts::new(Stage::Stt, lang);
    let cases: [(Facts, &str, Option<&str>); 9] = [
        // Nothing said: on the box first, then by merit.
        (stt(Lang::En), "local/whisper rack/big abroad/one sarvam/t sarvam/s abroad/two", None),
        // The language's list.
        (stt(Lang::Hi), "sarvam/t sarvam/s local/whisper rack/big abroad/one", None),
        // A dialect's list before its language's.
        (
            Facts { dialect: Some(Dialect::Malabar), ..stt(Lang::Ml) },
            "abroad/two local/whisper rack/big abroad/one sarvam/t sarvam/s",
            None,
        ),
        // A dialect of another language says nothing.
        (
            Facts { dialect: Some(Dialect::Malabar), ..stt(Lang::En) },
            "local/whisper rack/big abroad/one sarvam/t sarvam/s abroad/two",
            None,
        ),
        // A rule before everything.
        (
            Facts { dialect: Some(Dialect::Malabar), ..stt(Lang::Ml).from_region("Kerala") },
            "sarvam/t sarvam/s abroad/two abroad/one local/whisper rack/big",
            Some("kerala"),
        ),
        // A rule that is not sure enough.
        (
            Facts { confidence: 0.79, ..stt(Lang::Ml).from_region("kerala") },
            "local/whisper rack/big abroad/one sarvam/t sarvam/s abroad/two",
            None,
        ),
        // Two rules: the first, then the second.
        (
            Facts { hour: 22, ..stt(Lang::Ml).from_region("kerala") },
            "sarvam/t sarvam/s abroad/one abroad/two rack/big local/whisper",
            Some("kerala"),
        ),
        (Facts { hour: 3, ..stt(Lang::Hi) }, "rack/big sarvam/t sarvam/s local/whisper abroad/one", Some("nights")),
        // Hard rules stand above all of it.
        (
            Facts { tenant: "bank".into(), ..stt(Lang::Ml).from_region("kerala") },
            "local/whisper rack/big",
            Some("kerala"),
        ),
    ];
    for (facts, expected, rule) in cases {
        let state = State::fresh(&table, Moment::ZERO);
        assert_eq!(attempts(&table, &facts, &state), expected, "{facts:?}");
        assert_eq!(decide(&table, &facts, &state).rule.as_deref(), rule, "{facts:?}");
    }
}

#[test]
fn everybody_passed_over_has_a_reason() {
    let table = table();
    let now = Moment::from_millis(1_000);
    let fresh = || State::fresh(&table, now);
    let id = |name: &str| table.named(name).unwrap().id;
    let standing = |name: &str, standing: Standing| {
        let mut state = fresh();
        state.standings[id(name).index()] = standing;
        state
    };
    let circuit = |name: &str, circuit: Circuit| standing(name, Standing { circuit, ..Standing::default() });
    let hi = Facts::new(Stage::Stt, Lang::Hi);
    let shop = Facts { tenant: "shop".into(), ..hi.clone() };
    let health = Facts { data_class: "health".into(), tenant: "shop".into(), ..hi.clone() };
    let ms = Moment::from_millis;
    let cases: [(&Facts, State, &str, &str); 14] = [
        (&hi, fresh(), "local/llama", "passed over: it does not do stt"),
        (&hi, fresh(), "abroad/two", "passed over: it does not know the language"),
        (&hi, fresh(), "nowhere/n", "passed over: the routing file gives no address for it"),
        (&shop, fresh(), "abroad/one", "passed over: residency india_only and its servers are abroad"),
        (&health, fresh(), "sarvam/s", "passed over: residency local_only and its servers are in India"),
        (
            &hi,
            State { offline: true, ..fresh() },
            "sarvam/s",
            "passed over: the box is offline and its servers are outside",
        ),
        (&hi, State { offline: true, ..fresh() }, "rack/big", "chosen as number 2"),
        (
            &shop,
            State { spent_paise_today: [("shop".to_owned(), 100)].into(), ..fresh() },
            "sarvam/t",
            "passed over: the tenant's budget of 100 paise a day is used up and it costs money",
        ),
        (
            &shop,
            State { spent_paise_today: [("shop".to_owned(), 99)].into(), ..fresh() },
            "sarvam/t",
            "chosen as number 1",
        ),
        (
            &hi,
            circuit("sarvam/t", Circuit::Open { until: ms(1_250) }),
            "sarvam/t",
            "passed over: it failed too often and rests for 250 ms more",
        ),
        (&hi, circuit("sarvam/t", Circuit::Open { until: ms(1_000) }), "sarvam/t", "chosen as number 1"),
        (
            &hi,
            circuit("sarvam/t", Circuit::HalfOpen { probe_free: false }),
            "sarvam/t",
            "passed over: it failed too often and is being probed",
        ),
        (
            &hi,
            standing("sarvam/t", Standing { rate_tokens: Some(0), ..Standing::default() }),
            "sarvam/t",
            "passed over: its rate limit is used up",
        ),
        (
            &hi,
            standing("local/whisper", Standing { saturated: true, ..Standing::default() }),
            "local/whisper",
            "passed over: it has no free slot",
        ),
    ];
    for (facts, state, name, expected) in cases {
        let record = decide(&table, facts, &state).record(&table);
        let row = record.considered.iter().find(|row| row.candidate == name).unwrap();
        assert_eq!(row.sentence, expected, "{name}");
        let json = serde_json::to_value(row).unwrap();
        assert_eq!(json.get("rank").is_some(), expected.starts_with("chosen"), "{json}");
        assert_eq!(json.pointer("/reason/why").is_some(), expected.starts_with("passed"), "{json}");
    }
}

#[test]
fn a_busy_engine_is_asked_when_nobody_else_is_left() {
    let table = table();
    let mut state = State::fresh(&table, Moment::ZERO);
    for standing in &mut state.standings {
        standing.saturated = true;
    }
    let bank = Facts { tenant: "bank".into(), ..Facts::new(Stage::Stt, Lang::Hi) };
    assert_eq!(attempts(&table, &bank, &state), "local/whisper rack/big");
}

#[test]
fn what_was_measured_outweighs_what_was_written() {
    let table = table();
    let mut state = State::fresh(&table, Moment::ZERO);
    let facts = Facts::new(Stage::Llm, Lang::En);
    assert_eq!(attempts(&table, &facts, &state), "local/llama rack/big abroad/one sarvam/t abroad/two");
    let slow = table.named("sarvam/t").unwrap().id.index();
    state.standings[slow].p95 = Some(Duration::from_secs(9));
    state.standings[slow].success_rate = Some(0.6);
    assert_eq!(attempts(&table, &facts, &state), "local/llama rack/big abroad/one abroad/two sarvam/t");
    state.standings[slow].success_rate = Some(f32::NAN);
    assert_eq!(decide(&table, &facts, &state).attempts.len(), 5, "a strange measurement changes the order only");
}

prop_compose! {
    fn any_standing()(
        circuit in prop_oneof![
            Just(Circuit::Closed),
            (0_u64..20).prop_map(|ms| Circuit::Open { until: Moment::from_millis(ms) }),
            any::<bool>().prop_map(|probe_free| Circuit::HalfOpen { probe_free }),
        ],
        rate_tokens in prop::option::of(0_u32..3),
        saturated in any::<bool>(),
        p95 in prop::option::of((0_u64..20_000).prop_map(Duration::from_millis)),
        success_rate in prop::option::of(any::<f32>()),
    ) -> Standing {
        Standing { circuit, rate_tokens, saturated, p50: None, p95, success_rate }
    }
}

prop_compose! {
    fn any_case()(
        stage in prop::sample::select(Stage::ALL.to_vec()),
        language in prop::sample::select(Lang::ALL.to_vec()),
        dialect in prop::option::of(prop::sample::select(Dialect::ALL.to_vec())),
        region in prop::sample::select(vec!["", "kerala", "goa"]),
        tenant in prop::sample::select(vec!["", "bank", "shop"]),
        data_class in prop::sample::select(vec!["", "health"]),
        (confidence, hour, offline, now, spent) in (any::<f64>(), 0_u8..24, any::<bool>(), 0_u64..20, 0_u64..200),
        standings in prop::collection::vec(any_standing(), 0..12),
    ) -> (Facts, State) {
        let facts = Facts {
            dialect,
            region: region.to_owned(),
            tenant: tenant.to_owned(),
            data_class: data_class.to_owned(),
            confidence,
            hour,
            ..Facts::new(stage.1, language)
        };
        let spent_paise_today = [(tenant.to_owned(), spent)].into();
        (facts, State { now: Moment::from_millis(now), offline, standings, spent_paise_today })
    }
}

proptest! {
    #[test]
    fn hard_rules_hold_in_every_state((facts, state) in any_case()) {
        let table = table();
        let policy = table.residency().strictest(&facts.tenant, &facts.campaign, &facts.data_class);
        let decision = decide(&table, &facts, &state);
        for id in &decision.attempts {
            let candidate = table.candidate(*id).unwrap();
            let standing = state.standing(*id);
            prop_assert!(policy.admits(candidate.provider.residency), "{}", candidate.name);
            prop_assert!(candidate.serves(facts.stage) && candidate.speaks(facts.language) && candidate.is_reachable());
            prop_assert!(!state.offline || candidate.provider.residency == Residency::OnBox);
            match standing.circuit {
                Circuit::Open { until } => prop_assert!(state.now >= until, "attempted before its probe"),
                Circuit::HalfOpen { probe_free } => prop_assert!(probe_free),
                Circuit::Closed => {}
            }
            prop_assert!(standing.rate_tokens != Some(0));
            let spent = state.spent_paise_today.get(&facts.tenant).copied().unwrap_or(0);
            prop_assert!(facts.tenant != "shop" || spent < 100 || candidate.price.is_free());
        }
    }

    #[test]
    fn the_order_is_total_stable_and_complete((facts, state) in any_case()) {
        let table = table();
        let decision = decide(&table, &facts, &state);
        prop_assert_eq!(&decision, &decide(&table, &facts, &state));
        prop_assert_eq!(decision.considered.len(), table.candidates().len());
        let mut chosen = Vec::new();
        for (row, candidate) in decision.considered.iter().zip(table.candidates()) {
            prop_assert_eq!(row.candidate, candidate.id);
            match row.verdict {
                Verdict::Chosen(rank) => {
                    prop_assert_eq!(decision.attempts.get(usize::from(rank)), Some(&row.candidate));
                    chosen.push(rank);
                }
                Verdict::PassedOver(reason) => {
                    prop_assert!(!decision.attempts.contains(&row.candidate));
                    prop_assert!(reason.sentence().starts_with("passed over: "));
                }
            }
        }
        chosen.sort_unstable();
        prop_assert_eq!(chosen.len(), decision.attempts.len());
        prop_assert!(chosen.iter().enumerate().all(|(i, rank)| usize::from(*rank) == i));
    }

    #[test]
    fn taking_one_away_keeps_the_order_of_the_rest((facts, state) in any_case()) {
        let table = table();
        let before = decide(&table, &facts, &State { standings: vec![Standing::default(); 12], ..state.clone() });
        let Some(first) = before.attempts.first() else { return Ok(()) };
        let mut standings = vec![Standing::default(); 12];
        standings[first.index()].rate_tokens = Some(0);
        let after = decide(&table, &facts, &State { standings, ..state });
        prop_assert_eq!(&after.attempts[..], &before.attempts[1..]);
    }
}
