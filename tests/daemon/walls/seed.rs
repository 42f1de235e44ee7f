//! What is planted in a tenant: something of every kind that has an id, each with a word in it that
//! stands nowhere else.

use std::collections::BTreeMap;
use std::path::Path;

use reqwest::Method;
use serde_json::{Value, json};
use vaani::base::event::{
    Attempted, CallState, Concerns, Direction, EndCause, Event, Record, Routed, Speaker, Stage, Usage, Waterfall, Way,
};
use vaani::base::money::Money;
use vaani::base::phone::Phone;
use vaani::base::secret::{KeyedHash, Secret};
use vaani::base::{CallId, Clock, EndpointId, Lang};
use vaani::store::callbacks::{self, Callback};
use vaani::store::journal::Journal;
use vaani::store::outbox::{self, Fate, Settled};
use vaani::store::webhooks::{self, Circuit, Endpoint, Numbers};
use vaani::store::{StoreError, Vault};

use super::callers::Box_;

/// Ids by kind. Of some kinds there are several, and each is tried.
pub(super) type Ids = BTreeMap<&'static str, Vec<String>>;

/// One of the two tenants.
pub(super) struct Side {
    /// In small letters in the tenant's id, in every name and in every text of it.
    pub(super) word: &'static str,
    pub(super) tenant: String,
    /// Of a customer with calls and consents; nobody of the other tenant ever writes it.
    pub(super) phone: String,
    /// Of another customer; the other tenant writes it into its own lists.
    pub(super) touched: String,
    pub(super) ids: Ids,
    /// What must be in nobody else's answers.
    pub(super) needles: Vec<String>,
    /// How this tenant's telephone numbers begin.
    prefix: &'static str,
}

impl Side {
    pub(super) fn new(word: &'static str, prefix: &'static str) -> Self {
        let number = |n: u32| format!("+91{prefix}{n:04}");
        let (phone, touched) = (number(1), number(2));
        let tenant = format!("firm-{word}");
        let needles = vec![word.to_owned(), mark(word), phone[3..].to_owned()];
        Self { word, tenant, phone, touched, ids: Ids::new(), needles, prefix }
    }

    fn number(&self, n: u32) -> String {
        format!("+91{}{n:04}", self.prefix)
    }

    /// The agents of this tenant's files: one that plays back what it hears, one that talks.
    pub(super) fn write_agents(&self, config: &Path) {
        for (shipped, kind) in [("echo", "echo"), ("helpdesk", "desk")] {
            let text = std::fs::read_to_string(config.join(format!("agents/{shipped}.toml"))).unwrap();
            let name = self.agent(kind);
            let own = text.replace(&format!("name = \"{shipped}\""), &format!("name = \"{name}\""));
            assert_ne!(own, text, "the shipped agent {shipped} is written in another way");
            let own = own.replace("inactivity_seconds = 60", "inactivity_seconds = 300");
            let text = format!("{own}\n[routing]\ntenant = \"{}\"\n", self.tenant);
            std::fs::write(config.join(format!("agents/{name}.toml")), text).unwrap();
        }
    }

    pub(super) fn agent(&self, kind: &str) -> String {
        format!("{}-{kind}", self.word)
    }

    /// By the id's kind.
    pub(super) fn id(&self, kind: &str) -> &str {
        &self.ids.get(kind).unwrap_or_else(|| panic!("no {kind} was planted"))[0]
    }

    pub(super) fn put(&mut self, kind: &'static str, id: &str) {
        self.needles.push(id.to_owned());
        self.ids.entry(kind).or_default().push(id.to_owned());
    }

    /// Kept before the daemon starts: what it would make of calls and of failing webhooks.
    pub(super) async fn write_store(&mut self, vault: &Vault) {
        let clock = Clock::system();
        let now_ms = clock.unix_ms(clock.now());
        let db = vault.create_tenant(&self.tenant.parse().unwrap(), &format!("Firm of {}", self.word)).unwrap();
        let hasher = KeyedHash::of_key(&vault.master().derive("phone hash"));
        let hash = hasher.of(&self.phone);
        self.needles.extend([hash.clone(), hasher.of(&self.number(20))]);
        let journal = Journal::new(vault.clone(), Vec::new());
        for n in 0..2 {
            let call = CallId::new();
            let carrier = format!("CA{:032x}", fastrand::u128(..));
            for (ms, event) in self.facts(&carrier, &hash).into_iter().enumerate() {
                let call_ms = ms as u64 * 1_000;
                journal
                    .append_durable(Record { call, unix_ms: now_ms - 60_000 + call_ms, call_ms, event })
                    .await
                    .unwrap();
            }
            if n == 0 {
                self.put("call", &call.to_string());
                self.put("call", &carrier);
            } else {
                self.needles.extend([call.to_string(), carrier]);
            }
        }
        let wish = Callback {
            id: CallId::new(),
            phone: Phone::written(&self.phone).unwrap(),
            phone_hash: hash,
            agent: self.agent("echo"),
            language: Lang::Hi,
            asked_unix_ms: now_ms,
        };
        self.put("callback", &wish.id.to_string());
        db.write_blocking(move |db| callbacks::want(db, &wish)).unwrap();
        self.write_outbox(&db, now_ms);
    }

    /// Everything that happens on a call, with words.
    fn facts(&self, carrier: &str, hash: &str) -> Vec<Event> {
        let word = self.word;
        let concerns =
            Concerns { tenant: self.tenant.clone(), campaign: format!("{word}-campaign"), ..Concerns::default() };
        let tried = Attempted { candidate: format!("{word}/model"), outcome: "answered".to_owned(), took_ms: 80 };
        let routed = Routed {
            stage: Stage::Llm,
            language: Lang::Hi,
            answered_by: Some(tried.candidate.clone()),
            tried: vec![tried],
            passed_over: Vec::new(),
            rule: Some(format!("{word}-rule")),
            offline: false,
            cost_paise: Money::ZERO,
            turn: 1,
            usage: Usage::default(),
            charges: Vec::new(),
        };
        vec![
            Event::CallInitiated {
                transport: "twilio".to_owned(),
                carrier_call: Some(carrier.to_owned()),
                direction: Direction::Inbound,
                agent: self.agent("echo"),
                caller_hash: Some(hash.to_owned()),
                concerns: Box::new(concerns),
                customer: None,
            },
            Event::StateChanged { from: CallState::Ringing, to: CallState::InProgress },
            Event::Heard {
                turn: 1,
                by: Speaker::Caller,
                language: Lang::Hi,
                confidence: 0.9,
                text: format!("{word} has a fever"),
            },
            Event::Routed(Box::new(routed)),
            Event::TurnAnswered {
                turn: 1,
                language: Lang::Hi,
                intent: Some(format!("{word}_intent")),
                way: Way::Flow,
                waterfall: Waterfall::default(),
            },
            Event::Said {
                turn: 1,
                language: Lang::Hi,
                text: format!("get well, {word}"),
                heard: format!("get well, {word}"),
                cut: false,
            },
            Event::Action { action: format!("[[NOTE {word}]]"), done: true },
            Event::CallEnded { outcome: CallState::Completed, cause: EndCause::Goodbye, duration_ms: 7_000, turns: 1 },
        ]
    }

    /// A webhook that is switched off, so that nothing moves by itself, with letters of every state.
    fn write_outbox(&mut self, db: &vaani::store::Database, now_ms: u64) {
        let endpoint = Endpoint {
            id: EndpointId::new(),
            url: format!("https://{}.example.com/hook", self.word),
            about: format!("the house of {}", self.word),
            events: vec!["*".to_owned()],
            numbers: Numbers::default(),
            ordered: false,
            enabled: false,
            disabled_why: String::new(),
            version: 1,
            created_ms: now_ms,
            updated_ms: now_ms,
        };
        let (id, about) = (endpoint.id, self.id("call").to_owned());
        self.put("webhook", &id.to_string());
        let body = format!("{{\"of\":\"{}\"}}", self.word);
        let fates = [None, None, Some(Fate::Delivered), Some(Fate::Dead), Some(Fate::Dead)];
        let letters = db
            .write_blocking(move |db| {
                webhooks::insert(db, &endpoint, &Secret::random()?)?;
                let mut letters = Vec::new();
                for fate in fates {
                    let letter = outbox::enqueue(db, now_ms, id, "call.ended", &about, &body)?;
                    letters.push(letter);
                    let Some(fate) = fate else { continue };
                    let settled = Settled {
                        id: letter,
                        endpoint: id,
                        fate,
                        attempts: 3,
                        status: Some(500),
                        error: "HTTP 500".to_owned(),
                        circuit: Circuit::default(),
                        disable: None,
                    };
                    outbox::settle(db, &settled, now_ms)?;
                }
                Ok::<_, StoreError>(letters)
            })
            .unwrap();
        for letter in letters {
            self.put("letter", &letter.to_string());
        }
    }

    /// Made through the API, as people would.
    pub(super) async fn make(&mut self, owner: &Box_, lists: usize) {
        let word = self.word;
        let of = async |method: Method, path: &str, body: &Value| owner.made(&self.tenant, method, path, body).await;
        let mut put: Vec<(&'static str, String)> = Vec::new();
        let text = |value: &Value, field: &str| value[field].as_str().unwrap_or_else(|| panic!("{value}")).to_owned();
        for (n, phone) in [&self.phone, &self.touched].into_iter().enumerate() {
            let customer = json!({
                "name": format!("{word} the {n}th"), "phone_number": phone, "external_id": format!("{word}-{n}"),
                "loan_id": format!("{word}-loan-{n}"), "comments": format!("{word} pays late"), "owner": format!("{word}-owner"),
                "next_action": format!("ask {word}"), "custom": { "note": word },
            });
            put.push(("customer", text(&of(Method::POST, "/api/customers", &customer).await, "id")));
            let consent = json!({
                "phone_number": phone, "purpose": "promotional", "channel": "voice", "status": "given",
                "explicit": true, "notice": format!("{word}-notice"),
            });
            of(Method::POST, "/api/consents", &consent).await;
            let list = format!(
                "name,phone_number\n{word} {n},{}\nthe reject {word},12\n{word} again,13\n",
                self.number(10 + n as u32)
            );
            let path = format!("/upload-customers?file_name={word}-{n}.csv");
            put.push(("upload", text(&owner.sent(&self.tenant, &path, "text/csv", list).await, "id")));
        }
        let customer = put[0].1.clone();
        for n in 0..2 {
            let hold = json!({ "customer_id": customer, "reason": format!("the case {n} of {word}") });
            put.push(("hold", text(&of(Method::POST, "/api/holds", &hold).await, "id")));
        }
        let by_hand = json!({ "phone_number": self.phone, "reason": format!("{word} asked") });
        of(Method::POST, "/api/dnd", &by_hand).await;
        for n in 0..lists {
            let numbers: String = (20..24).map(|n| format!("{}\n", self.number(n))).collect();
            let path = format!("/api/dnd/lists?name={word}-{n}&kind=own");
            let brought =
                owner.sent(&self.tenant, &path, "text/csv", format!("phone\n{numbers}nonsense\nrubbish\n")).await;
            if n + 1 == lists {
                put.push(("list", brought["list"].to_string()));
            }
        }
        for (kind, name) in [("agent", format!("{word}-words")), ("prompt", format!("{word}-prompt"))] {
            for n in 0..2 {
                let path = format!("/api/documents/{kind}/{name}?activate=true&note={}", mark(word));
                owner.written(&self.tenant, &path, n == 0, format!("name = \"{} {n}\"\n", mark(word))).await;
            }
        }
        put.extend([("kind", "agent".to_owned()), ("name", format!("{word}-words")), ("version", "2".to_owned())]);
        let key = json!({ "name": format!("{word}-key"), "role": "viewer" , "tenant": self.tenant });
        put.push(("key", text(&of(Method::POST, "/api/keys", &key).await, "id")));
        let token = json!({ "name": format!("{word}-token"), "role": "viewer" });
        put.push(("token", text(&of(Method::POST, "/api/tokens", &token).await, "jti")));
        let user = json!({ "login": format!("{word}@example.com"), "name": format!("{word} who works"), "role": "viewer", "tenant": self.tenant });
        put.push(("user", text(&of(Method::POST, "/api/users", &user).await["user"], "id")));
        put.extend([
            ("tenant", self.tenant.clone()),
            ("backup", format!("{word}.backup")),
            ("page", "mine".to_owned()),
        ]);
        for (kind, id) in put {
            // Whose data the other tenant asks to be erased stands in that tenant's own audit log.
            let asked_for = kind == "customer" && self.ids.contains_key(kind);
            if asked_for || matches!(kind, "kind" | "version" | "page" | "list") {
                self.ids.entry(kind).or_default().push(id);
            } else {
                self.put(kind, &id);
            }
        }
    }

    /// The same kinds, of nobody: in the same shape, so that answers can be compared sign by sign.
    pub(super) fn nobodys(&self) -> Self {
        let ids = self.ids.iter().map(|(kind, ids)| {
            let ids =
                ids.iter().map(|id| if matches!(*kind, "kind" | "version" | "page") { id.clone() } else { twin(id) });
            (*kind, ids.collect())
        });
        let mut nobody = Self::new("nobodyy", "900000");
        assert_eq!(nobody.word.len(), self.word.len());
        nobody.ids = ids.collect();
        nobody
    }

    /// Whatever of this tenant may stand in a request, with what stands there in nobody's.
    pub(super) fn twins(&self, nobody: &Self) -> Vec<(String, String)> {
        let ids = self.ids.iter().filter(|(kind, _)| !matches!(**kind, "kind" | "version" | "page" | "list"));
        let ids = ids.flat_map(|(kind, ids)| ids.iter().cloned().zip(nobody.ids[kind].iter().cloned()));
        let phones = [(self.phone.clone(), nobody.phone.clone()), (self.touched.clone(), nobody.touched.clone())];
        ids.chain(phones).chain([(self.word.to_owned(), nobody.word.to_owned())]).collect()
    }
}

/// For what is named by the word itself: a second word that no request has in it.
fn mark(word: &str) -> String {
    word.chars().rev().collect()
}

/// An id of the same kind that nobody has.
fn twin(id: &str) -> String {
    if id.parse::<i64>().is_ok() {
        return "987654".to_owned();
    }
    let mut twin: Vec<char> = id.chars().collect();
    for sign in twin.iter_mut().rev().filter(|c| c.is_ascii_alphanumeric()).take(4) {
        *sign = match *sign {
            '0'..='8' => char::from(*sign as u8 + 1),
            '9' => '0',
            'f' => 'a',
            'z' | 'Z' => 'b',
            other => char::from(other as u8 + 1),
        };
    }
    twin.into_iter().collect()
}
