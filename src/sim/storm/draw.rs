//! A storm as it is drawn from its seed: the routing file, the weather, the calls.

use std::fmt::Write as _;
use std::time::Duration;

use fastrand::Rng;

use super::weather::{Sky, Spell, Weather, spells};
use crate::ai::router::{CallFacts, Policy, Residency};
use crate::base::{Lang, Moment};

/// What the weather leaves the callers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Shelter {
    /// The box's own engines are always well.
    Box,
    /// They are not, but one provider in India is, and every call may go there.
    Provider,
    /// As the first; the first provider in order is well again from some moment on.
    Comeback,
    /// Nobody is safe.
    None,
}

#[derive(Clone, Debug)]
pub(super) struct ProviderDrawn {
    pub(super) name: String,
    pub(super) residency: Residency,
    /// Requests a minute, and at once.
    pub(super) rate: Option<(u32, u32)>,
    pub(super) concurrency: Option<u32>,
    pub(super) deadlines: [u64; 4],
    /// Paise, by minute, thousand characters, million tokens in and out. All nought is free.
    pub(super) price: [u32; 4],
    /// One model for everything, or one for each stage.
    pub(super) one_model: bool,
    /// A model that goes on with an answer begins it again.
    pub(super) repeats: bool,
}

#[derive(Clone, Debug)]
pub(super) struct CallDrawn {
    pub(super) facts: CallFacts,
    pub(super) language: Lang,
    pub(super) starts: Moment,
    pub(super) turns: u32,
    pub(super) until: Moment,
    /// The strictest policy that concerns it, worked out here and not by the router.
    pub(super) policy: Policy,
}

#[derive(Clone, Debug)]
pub(super) struct Drawn {
    pub(super) shelter: Shelter,
    pub(super) providers: Vec<ProviderDrawn>,
    pub(super) sky: Sky,
    pub(super) calls: Vec<CallDrawn>,
    pub(super) file: String,
    pub(super) budgets: Vec<(String, u64)>,
    pub(super) hedge: bool,
    pub(super) interval: Duration,
}

const TENANTS: [&str; 3] = ["t0", "t1", "t2"];
const CAMPAIGNS: [&str; 2] = ["c0", "c1"];
const CLASSES: [&str; 2] = ["d0", "d1"];
const LANGUAGES: [Lang; 3] = [Lang::Hi, Lang::En, Lang::Ta];
/// Outages are over by then.
const WEATHER_UNTIL: u64 = 110_000;

impl Drawn {
    pub(super) fn draw(rng: &mut Rng) -> Self {
        let shelter = match rng.u8(0..10) {
            0..=4 => Shelter::Box,
            5 | 6 => Shelter::Provider,
            7 => Shelter::Comeback,
            _ => Shelter::None,
        };
        let providers = providers(rng, shelter);
        let interval = rng.u64(1..=10);
        let hedge = shelter != Shelter::Comeback && rng.u8(0..3) == 0;
        let sky = sky(rng, shelter, &providers);
        let policies = Policies::draw(rng, shelter);
        let calm = sky.calm_from() + Duration::from_secs(interval) + Duration::from_secs(8);
        let calls = (0..if shelter == Shelter::Comeback { 1 } else { rng.usize(1..=4) })
            .map(|_| call(rng, shelter, &policies, calm))
            .collect();
        let budgets: Vec<(String, u64)> = if shelter == Shelter::Comeback {
            Vec::new()
        } else {
            let budget = |tenant: &&str| (rng.u8(0..3) == 0).then(|| ((*tenant).to_owned(), rng.u64(0..60)));
            TENANTS.iter().filter_map(budget).collect()
        };
        let mut drawn = Self {
            shelter,
            providers,
            sky,
            calls,
            file: String::new(),
            budgets,
            hedge,
            interval: Duration::from_secs(interval),
        };
        drawn.file = drawn.written(rng, &policies);
        drawn
    }

    /// The routing file.
    fn written(&self, rng: &mut Rng, policies: &Policies) -> String {
        let mut text = String::new();
        let out = &mut text;
        policies.write(out);
        let cloud_first = self.shelter == Shelter::Comeback || rng.u8(0..3) > 0;
        line(out, format_args!("order: {}", if cloud_first { "cloud_first" } else { "local_first" }));
        line(out, format_args!("hedge: {}", self.hedge));
        line(out, format_args!("offline:\n  interval_seconds: {}", self.interval.as_secs()));
        if rng.bool() {
            line(out, format_args!("  probes: [\"https://probe.example.org/\"]"));
        }
        if !self.budgets.is_empty() {
            line(out, format_args!("budgets:"));
            for (tenant, paise) in &self.budgets {
                line(out, format_args!("  {tenant}: {{paise_per_day: {paise}}}"));
            }
        }
        if self.shelter == Shelter::Comeback {
            line(out, format_args!("languages:"));
            for language in LANGUAGES {
                line(out, format_args!("  {}: {{priority_providers: [p0]}}", language.iso()));
            }
        } else {
            self.write_rules(out, rng);
        }
        line(out, format_args!("providers:"));
        for (at, provider) in self.providers.iter().enumerate().skip(1) {
            provider.write(out, at);
        }
        text
    }

    fn write_rules(&self, out: &mut String, rng: &mut Rng) {
        let some = |rng: &mut Rng| {
            let mut names: Vec<&str> = self.providers.iter().map(|p| p.name.as_str()).collect();
            rng.shuffle(&mut names);
            names.truncate(rng.usize(1..=names.len()));
            names.join(", ")
        };
        let mut listed: Vec<Lang> = LANGUAGES.into_iter().filter(|_| rng.bool()).collect();
        listed.dedup();
        if !listed.is_empty() {
            line(out, format_args!("languages:"));
            for language in listed {
                line(out, format_args!("  {}: {{priority_providers: [{}]}}", language.iso(), some(rng)));
            }
        }
        const CONDITIONS: [&str; 7] = [
            "language == 'hi'",
            "tenant == 't1'",
            "tier == 'gold' and language != 'en'",
            "campaign == 'c0' or data_class == 'd1'",
            "offline",
            "confidence < 0.97",
            "region == 'kerala'",
        ];
        let rules: Vec<&str> = CONDITIONS.into_iter().filter(|_| rng.u8(0..4) == 0).collect();
        if !rules.is_empty() {
            line(out, format_args!("routing_rules:"));
            for (at, condition) in rules.into_iter().enumerate() {
                line(out, format_args!("  r{at}: {{condition: \"{condition}\", priority_providers: [{}]}}", some(rng)));
            }
        }
    }

    /// The spells, for whoever looks at one storm.
    pub(super) fn weather(&self) -> Vec<(String, Vec<Spell>)> {
        self.providers.iter().map(|p| p.name.clone()).zip(self.sky.spells.iter().cloned()).collect()
    }
}

fn line(out: &mut String, what: std::fmt::Arguments<'_>) {
    // Writing to a String never fails.
    let _ = writeln!(out, "{what}");
}

impl ProviderDrawn {
    fn write(&self, out: &mut String, at: usize) {
        let url = match self.residency {
            Residency::OnBox => format!("http://10.0.0.{at}:8000/v1"),
            Residency::India => format!("https://{}.example.in/v1", self.name),
            Residency::Abroad => format!("https://{}.example.com/v1", self.name),
        };
        line(out, format_args!("  {}:\n    kind: openai\n    base_url: {url}", self.name));
        line(out, format_args!("    residency: {}\n    secret: {}_key", self.residency.as_str(), self.name));
        let [stt, llm, tts, piece] = self.deadlines;
        line(
            out,
            format_args!(
                "    deadlines_ms: {{stt: {stt}, llm_first_token: {llm}, tts_first_audio: {tts}, piece: {piece}}}"
            ),
        );
        if let Some((per_minute, burst)) = self.rate {
            line(out, format_args!("    rate_limit: {{per_minute: {per_minute}, burst: {burst}}}"));
        }
        if let Some(most) = self.concurrency {
            line(out, format_args!("    concurrency: {most}"));
        }
        let [minute, chars, tokens_in, tokens_out] = self.price;
        let price = format!(
            "{{paise_per_minute: {minute}, paise_per_1k_chars: {chars}, paise_per_1m_tokens_in: {tokens_in}, \
             paise_per_1m_tokens_out: {tokens_out}}}"
        );
        line(out, format_args!("    models:"));
        let models: &[(&str, &str)] = if self.one_model {
            &[("all", "stt, llm, tts")]
        } else {
            &[("ear", "stt"), ("mind", "llm"), ("voice", "tts")]
        };
        // Said in full, since a kind of provider may not know all of them.
        let languages = Lang::ALL.map(Lang::iso).join(", ");
        for (model, can) in models {
            line(
                out,
                format_args!("      {model}: {{capabilities: [{can}], languages: [{languages}], price: {price}}}"),
            );
        }
    }
}

/// The first is the box itself.
fn providers(rng: &mut Rng, shelter: Shelter) -> Vec<ProviderDrawn> {
    let plain = ProviderDrawn {
        name: "local".to_owned(),
        residency: Residency::OnBox,
        rate: None,
        concurrency: None,
        deadlines: [4_000, 4_000, 3_000, 4_000],
        price: [0; 4],
        one_model: false,
        repeats: false,
    };
    let mut all = vec![plain.clone()];
    for at in 0..rng.usize(2..=5) {
        // Together they leave room below the time in which a turn must be answered.
        let deadlines = [rng.u64(800..=4_000), rng.u64(800..=3_000), rng.u64(500..=2_000), rng.u64(500..=1_500)];
        let provider = ProviderDrawn {
            name: format!("p{at}"),
            residency: [Residency::OnBox, Residency::India, Residency::India, Residency::Abroad, Residency::Abroad]
                [rng.usize(0..5)],
            rate: (rng.u8(0..3) == 0).then(|| (rng.u32(5..120), rng.u32(1..6))),
            concurrency: (rng.u8(0..3) == 0).then(|| rng.u32(1..4)),
            deadlines,
            price: if rng.u8(0..3) == 0 {
                [0; 4]
            } else {
                [rng.u32(0..200), rng.u32(0..500), rng.u32(0..50_000), rng.u32(0..100_000)]
            },
            one_model: rng.bool(),
            repeats: rng.u8(0..3) == 0,
        };
        all.push(match (at, shelter) {
            // Nothing but the weather keeps anybody from asking this one.
            (0, Shelter::Provider | Shelter::Comeback) => {
                ProviderDrawn { residency: Residency::India, rate: None, concurrency: None, price: [0; 4], ..provider }
            }
            _ => provider,
        });
    }
    all
}

fn sky(rng: &mut Rng, shelter: Shelter, providers: &[ProviderDrawn]) -> Sky {
    let until = Moment::from_millis(WEATHER_UNTIL);
    let mut sky = Sky::default();
    for at in 0..providers.len() {
        sky.spells.push(match (at, shelter) {
            (0, Shelter::Box | Shelter::Comeback) => Vec::new(),
            (0, _) => spells(rng, until, true),
            (1, Shelter::Provider) => Vec::new(),
            (1, Shelter::Comeback) => {
                let until = Moment::from_millis(rng.u64(10_000..70_000));
                let weather = Weather::draw(rng, true);
                vec![Spell { from: Moment::ZERO, until, weather }]
            }
            _ if rng.u8(0..5) == 0 => Vec::new(),
            _ if shelter == Shelter::Comeback => Vec::new(),
            _ => spells(rng, until, false),
        });
    }
    if matches!(shelter, Shelter::Box | Shelter::None) && rng.u8(0..3) == 0 {
        let from = Moment::from_millis(rng.u64(0..60_000));
        sky.gone.push((from, from + Duration::from_millis(rng.u64(2_000..50_000)), rng.bool()));
    }
    sky
}

/// Residency as it stands in the file.
struct Policies {
    default: Policy,
    tenants: Vec<(&'static str, Policy)>,
    campaigns: Vec<(&'static str, Policy)>,
    classes: Vec<(&'static str, Policy)>,
}

impl Policies {
    fn draw(rng: &mut Rng, shelter: Shelter) -> Self {
        // Where a provider in India is the shelter, everybody may go at least there.
        let least = usize::from(matches!(shelter, Shelter::Provider | Shelter::Comeback));
        let one = |rng: &mut Rng| Policy::ALL[rng.usize(least..3)].1;
        let default = if rng.u8(0..4) > 0 { Policy::Any } else { one(rng) };
        let mut some = |names: &[&'static str]| -> Vec<(&'static str, Policy)> {
            let mut rows = Vec::new();
            for name in names {
                if rng.bool() {
                    rows.push((*name, one(rng)));
                }
            }
            rows
        };
        Self { default, tenants: some(&TENANTS), campaigns: some(&CAMPAIGNS), classes: some(&CLASSES) }
    }

    fn write(&self, out: &mut String) {
        line(out, format_args!("residency:\n  default: {}", self.default.as_str()));
        for (key, rows) in [("tenants", &self.tenants), ("campaigns", &self.campaigns), ("data_classes", &self.classes)]
        {
            if !rows.is_empty() {
                line(out, format_args!("  {key}:"));
            }
            for (name, policy) in rows {
                line(out, format_args!("    {name}: {}", policy.as_str()));
            }
        }
    }

    /// Worked out by counting, so that a slip in the router's own way of doing it shows.
    fn of(&self, facts: &CallFacts) -> Policy {
        let concerned = self.tenants.iter().filter(|(name, _)| *name == facts.tenant);
        let concerned = concerned.chain(self.campaigns.iter().filter(|(name, _)| *name == facts.campaign));
        let concerned = concerned.chain(self.classes.iter().filter(|(name, _)| *name == facts.data_class));
        let all: Vec<Policy> = concerned.map(|(_, policy)| *policy).chain([self.default]).collect();
        if all.contains(&Policy::LocalOnly) {
            Policy::LocalOnly
        } else if all.contains(&Policy::IndiaOnly) {
            Policy::IndiaOnly
        } else {
            Policy::Any
        }
    }
}

fn call(rng: &mut Rng, shelter: Shelter, policies: &Policies, calm: Moment) -> CallDrawn {
    let one = |rng: &mut Rng, of: &[&str]| of.get(rng.usize(0..=of.len())).map_or(String::new(), |s| (*s).to_owned());
    let facts = CallFacts {
        tenant: one(rng, &TENANTS),
        campaign: one(rng, &CAMPAIGNS),
        data_class: one(rng, &CLASSES),
        tier: one(rng, &["gold"]),
        region: one(rng, &["kerala"]),
        ..CallFacts::default()
    };
    let policy = policies.of(&facts);
    let language = LANGUAGES[rng.usize(0..LANGUAGES.len())];
    let starts = Moment::from_millis(rng.u64(0..60_000));
    if shelter == Shelter::Comeback {
        // It lasts until the provider must have been found well again, and a few turns more.
        let until = calm + Duration::from_secs(60);
        return CallDrawn { facts, language, starts: Moment::from_millis(0), turns: 60, until, policy };
    }
    let until = starts + Duration::from_secs(rng.u64(30..150));
    CallDrawn { facts, language, starts, turns: rng.u32(1..=8), until, policy }
}
