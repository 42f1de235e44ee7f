//! What requests cost however they end, budgets over starts, and an order that learns.

use proptest::prelude::*;

use super::super::Decision;
use super::*;
use crate::ai::stt::{Awaited, Listening, SttOpening};
use crate::base::event::Stage;
use crate::base::money::Money;
use crate::store::ledger::{Kept, Purse};
use crate::store::spending::{Row, Spending, Sum};

/// `a/m` and `b/m` cost the same, a paisa a token and ten a character; two tenants have a budget.
fn priced(more: &str) -> Table {
    let provider = |name: &str| {
        format!(
            "  {name}:\n    kind: openai\n    base_url: http://127.0.0.1:9/{name}\n    residency: abroad\n    \
             auth: {{style: none}}\n    deadlines_ms: {{stt: 200, llm_first_token: 200, tts_first_audio: 200, piece: 200}}\n    \
             models:\n      m: {{capabilities: [stt, llm, tts], price: {{paise_per_minute: 60, paise_per_1k_chars: 10000, \
             paise_per_1m_tokens_in: 1000000, paise_per_1m_tokens_out: 1000000}}}}\n"
        )
    };
    let budgets = "budgets: {bank-a: {paise_per_day: 20}, bank-b: {paise_per_day: 20}}\n";
    let text = format!(
        "residency: {{default: any}}\norder: cloud_first\n{budgets}{more}providers:\n{}{}",
        provider("a"),
        provider("b")
    );
    Table::from_text(&text).unwrap_or_else(|error| panic!("{error}")).0
}

const A_FIRST: &str = "languages: {hi: {priority_providers: [a, b]}}\n";

fn router(a: &Arc<Scripted>, b: &Arc<Scripted>, more: &str, kept: Kept) -> Bench {
    let table = priced(more);
    let told: Arc<Mutex<Vec<Routed>>> = Arc::default();
    let keeper = Arc::clone(&told);
    let book = Arc::new(move |_, routed| keeper.lock().unwrap().push(routed));
    let member = |candidate: &Candidate| match &*candidate.provider.name {
        "a" => member(a),
        "b" => member(b),
        _ => Member::default(),
    };
    let members = table.candidates().iter().map(member).collect();
    let local = table.candidates().iter().filter(|c| &*c.provider.name == "local");
    let missing = local.map(|c| (c.name.to_string(), "not wanted here".to_owned())).collect();
    let planner = Planner::new(table, missing, Clock::system(), book).remembering(kept, Purse::default());
    Bench { router: Router::new(Arc::new(planner), members), told }
}

fn member(who: &Arc<Scripted>) -> Member {
    Member { on_box: false, takes_style: false, stt: Some(who.clone()), llm: Some(who.clone()), tts: Some(who.clone()) }
}

fn question(call: Option<CallId>) -> LlmRequest {
    // 16 letters are four tokens, and four for the message.
    LlmRequest { call, messages: vec![Message::new(Role::User, "how much is due?")], ..llm_request(false, None) }
}

fn charges(routed: &Routed) -> Vec<(&str, u64, bool)> {
    let charges = routed.charges.iter().map(|c| (c.candidate.as_str(), c.paise.whole_paise(), c.estimated));
    charges.collect()
}

#[tokio::test]
async fn whoever_was_asked_is_paid_however_it_ends() {
    // scripts of a and b, and what is owed: 8 paise for the question, one for four letters of answer
    let cases: [(&[&str], &[&str], &[(&str, u64, bool)]); 5] = [
        (&["abcdefgh."], &[], &[("a/m", 10, true)]),
        (&["U"], &["abcd."], &[("b/m", 9, true)]),
        (&["-"], &["abcd."], &[("a/m", 8, true), ("b/m", 9, true)]),
        (&["abcdefghU"], &["ijkl."], &[("a/m", 10, true), ("b/m", 15, true)]),
        (&["N"], &["O"], &[]),
    ];
    for (of_a, of_b, owed) in cases {
        let (a, b) = (scripted("a", of_a), scripted("b", of_b));
        let bench = router(&a, &b, A_FIRST, Kept::default());
        written(&bench.router, question(None)).await;
        let told = bench.told.lock().unwrap();
        assert_eq!(charges(&told[0]), owed, "{of_a:?} {of_b:?}");
        let sum: Money = told[0].charges.iter().map(|c| c.paise).sum();
        assert_eq!(told[0].cost_paise, sum);
        let spent: Money = bench.router.planner().spent_since(0).iter().map(|(_, sum)| sum.paise).sum();
        assert_eq!(spent, sum, "what is told is what is booked");
    }
}

#[tokio::test]
async fn an_answer_that_nobody_waits_for_any_more_is_told_and_paid_as_far_as_it_came() {
    let (a, b) = (scripted("a", &["abcdefgh-", "-"]), scripted("b", &[]));
    let bench = router(&a, &b, A_FIRST, Kept::default());
    drop(bench.router.generate(question(None)));
    assert_eq!(bench.told.lock().unwrap().len(), 0, "nobody was asked");
    let mut stream = bench.router.generate(question(None));
    stream.next().await.unwrap().unwrap();
    drop(stream);
    // Before the first piece.
    let mut stream = bench.router.generate(question(None));
    assert!(tokio::time::timeout(Duration::from_millis(20), stream.next()).await.is_err());
    drop(stream);
    let told = bench.told.lock().unwrap();
    assert_eq!(charges(&told[0]), [("a/m", 10, true)]);
    assert_eq!(told[0].usage.tokens_out, 2);
    assert_eq!((charges(&told[1]), &*told[1].tried[0].outcome), (vec![("a/m", 8, true)], "given_up"));
    assert_eq!(told[1].answered_by, None);
}

#[tokio::test]
async fn sound_and_letters_are_charged_by_the_second_and_the_letter() {
    let (a, b) = (scripted("a", &["w", "9."]), scripted("b", &[]));
    let bench = router(&a, &b, A_FIRST, Kept::default());
    let request = SttRequest {
        call: None,
        audio: vec![0; 160_000].into(),
        hint: LanguageHint::Fixed(Lang::Hi),
        words: None,
        speculative: false,
    };
    bench.router.transcribe(request).await.unwrap();
    let clause =
        TtsRequest { call: None, text: "abcde".into(), language: Lang::Hi, voice: None, pace: 1.0, rate: 8_000 };
    bench.router.speak(clause).for_each(|_| async {}).await;
    let told = bench.told.lock().unwrap();
    assert_eq!(charges(&told[0]), [("a/m", 10, false)], "ten seconds at a paisa each");
    // Five letters at ten paise, and 0.9 s at a paisa.
    assert_eq!(told[1].charges[0].paise, Money::from_millipaise(50_900));
    assert_eq!((told[1].usage.chars, told[1].usage.audio_ms), (5, 900));
}

/// Listens for ever, or until the utterance ends.
struct Ear;

impl Stt for Ear {
    fn id(&self) -> &'static str {
        "ear"
    }

    fn transcribe(&self, _: SttRequest) -> BoxFuture<'static, Result<SttText, Fault>> {
        std::future::pending().boxed()
    }

    fn listens(&self) -> bool {
        true
    }

    fn listen(&self, _: SttOpening) -> Option<Listening> {
        let (sound, mut heard) = tokio::sync::mpsc::channel(4);
        let (_, answer) = tokio::sync::oneshot::channel();
        let pump = async move { while heard.recv().await.is_some() {} };
        Some(Listening { sound, pump: pump.boxed(), answer: Awaited { by: 0, answer } })
    }
}

#[tokio::test]
async fn whoever_listened_to_what_was_given_up_is_paid_for_as_long_as_it_lasted() {
    let told: Arc<Mutex<Vec<Routed>>> = Arc::default();
    let keeper = Arc::clone(&told);
    let table = priced(A_FIRST);
    let ear =
        |c: &Candidate| Member { stt: (&*c.provider.name == "a").then(|| Arc::new(Ear) as _), ..Member::default() };
    let members = table.candidates().iter().map(ear).collect();
    let book = Arc::new(move |_, routed| keeper.lock().unwrap().push(routed));
    let router = Router::new(Arc::new(Planner::new(table, BTreeMap::new(), Clock::system(), book)), members);
    let opening =
        || SttOpening { call: None, audio: vec![0; 16_000].into(), hint: LanguageHint::Fixed(Lang::Hi), words: None };
    // To its end: whoever asks for the answer pays.
    let Listening { sound, pump, answer: _ } = router.listen(opening()).unwrap();
    drop(sound);
    pump.await;
    // Never begun.
    drop(router.listen(opening()).unwrap());
    assert_eq!(told.lock().unwrap().len(), 0);
    let Listening { sound: _sound, pump, answer: _ } = router.listen(opening()).unwrap();
    assert!(tokio::time::timeout(Duration::from_millis(30), pump).await.is_err());
    let told = told.lock().unwrap();
    assert_eq!((told.len(), &*told[0].tried[0].outcome), (1, "given_up"));
    assert!(told[0].usage.audio_ms >= 1_030 && told[0].cost_paise >= Money::from_millipaise(1_030), "{told:?}");
}

fn call_of(bench: &Bench, tenant: &str) -> CallId {
    let call = CallId::new();
    bench.router.planner().know(call, CallFacts { tenant: tenant.to_owned(), ..CallFacts::default() });
    call
}

#[tokio::test]
async fn a_used_up_budget_closes_what_costs_money_to_its_tenant_alone_and_stays_used_up() {
    let (a, b) = (scripted("a", &["abcdefgh."; 6]), scripted("b", &[]));
    let bench = router(&a, &b, A_FIRST, Kept::default());
    let (first, second) = (call_of(&bench, "bank-a"), call_of(&bench, "bank-b"));
    for _ in 0..2 {
        assert_eq!(written(&bench.router, question(Some(first))).await, "abcdefgh done(a)");
    }
    let refused = |told: &str| told.starts_with(" fault(router");
    assert!(refused(&written(&bench.router, question(Some(first))).await), "20 of 20 paise are gone");
    assert_eq!(written(&bench.router, question(Some(second))).await, "abcdefgh done(a)");
    let told = bench.told.lock().unwrap().clone();
    assert!(told[2].passed_over.iter().any(|p| p.candidate == "a/m" && p.reason.contains("budget of 20 paise")));
    let left: Vec<_> = bench.router.planner().budgets().iter().map(|b| b.2.whole_paise()).collect();
    assert_eq!(left, [20, 10]);

    // The next run.
    let mut spending = Spending::default();
    bench.router.planner().spent_since(0).into_iter().for_each(|(row, sum)| spending.add(row, sum));
    let bench = router(&a, &b, A_FIRST, Kept { spending: spending.clone(), measures: Vec::new() });
    let (first, second) = (call_of(&bench, "bank-a"), call_of(&bench, "bank-b"));
    assert!(refused(&written(&bench.router, question(Some(first))).await));
    assert_eq!(written(&bench.router, question(Some(second))).await, "abcdefgh done(a)");

    // The next day.
    let mut yesterday = Spending::default();
    spending.rows().for_each(|(row, sum)| yesterday.add(Row { day: row.day - 1, ..row.clone() }, *sum));
    let bench = router(&a, &b, A_FIRST, Kept { spending: yesterday, measures: Vec::new() });
    let first = call_of(&bench, "bank-a");
    assert_eq!(written(&bench.router, question(Some(first))).await, "abcdefgh done(a)");
}

fn order(decision: &Decision) -> Vec<usize> {
    decision.attempts.iter().map(|id| id.index()).filter(|place| *place > 2).collect()
}

#[tokio::test]
async fn the_order_learns_from_failures_and_the_next_run_remembers() {
    let (a, b) = (scripted("a", &["U", "U"]), scripted("b", &["x."; 12]));
    let bench = router(&a, &b, "", Kept::default());
    let ask = |bench: &Bench| order(&bench.router.planner().consider(Stage::Llm, Lang::Hi, &CallFacts::default()));
    assert_eq!(ask(&bench), [3, 4], "equal: as in the file");
    for _ in 0..10 {
        written(&bench.router, question(None)).await;
    }
    assert_eq!(a.left(), 1, "after one failure the other one is asked");
    assert_eq!(ask(&bench), [4, 3]);
    let measures = bench.router.planner().measured();
    let names: Vec<_> = measures.iter().map(|m| (&*m.candidate, m.requests, m.failures)).collect();
    assert_eq!(names, [("a/m", 1, 1), ("b/m", 10, 0)]);

    let kept = |measures| Kept { spending: Spending::default(), measures };
    let bench = router(&a, &b, "", kept(measures.clone()));
    assert_eq!(ask(&bench), [4, 3]);
    let tail = bench.router.planner().ledger.tail(4, Stage::Llm, Lang::Hi);
    assert!(tail.is_some(), "hedging needs no new measurements");
    assert_eq!(bench.router.planner().measured(), measures);
    // Days later nobody is held to it; who has left the file is kept a while, then forgotten.
    let aged = |days: u64, candidate: &str| {
        let aged = measures.iter().cloned().map(|mut m| {
            m.at_unix_ms -= days * 86_400_000;
            m.candidate = m.candidate.replace("a/", candidate);
            m
        });
        aged.collect::<Vec<_>>()
    };
    assert_eq!(ask(&router(&a, &b, "", kept(aged(5, "a/")))), [3, 4]);
    let strangers = |days| router(&a, &b, "", kept(aged(days, "gone/"))).router.planner().measured().len();
    assert_eq!((strangers(5), strangers(20)), (2, 1));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn whatever_happens_the_books_agree(scripts in proptest::collection::vec("[a-dUO]{0,4}[.UB]", 1..5), gone in 0_usize..6) {
        let rounds = scripts.len().min(2);
        let mut scripts: Vec<&'static str> = scripts.into_iter().map(|s| &*s.leak()).collect();
        scripts.extend(["x."; 20]);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (a, b) = (scripted("a", &scripts), scripted("b", &["x.", "yU", "z.", "x.", "U", "x.", "x.", "yB", "x.", "x.", "x.", "x.", "x.", "x."]));
        let bench = router(&a, &b, A_FIRST, Kept::default());
        runtime.block_on(async {
            for _ in 0..rounds {
                let mut stream = bench.router.generate(question(None)).take(gone + 1);
                while stream.next().await.is_some() {}
            }
        });
        let told = bench.told.lock().unwrap();
        let booked: Sum = bench.router.planner().spent_since(0).into_iter().fold(Sum::default(), |mut all, (_, sum)| {
            all += sum;
            all
        });
        let charged: Money = told.iter().flat_map(|r| &r.charges).map(|c| c.paise).sum();
        prop_assert_eq!(booked.paise, charged);
        prop_assert_eq!(told.iter().map(|r| r.cost_paise).sum::<Money>(), charged);
        prop_assert_eq!(booked.requests as usize, told.iter().map(|r| r.charges.len()).sum::<usize>());
    }
}
