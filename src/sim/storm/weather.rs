//! What goes wrong with whom, and when.

use std::time::Duration;

use fastrand::Rng;

use crate::base::Moment;

/// How one member answers at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Weather {
    Fine,
    /// Connections are refused.
    Down,
    /// Nothing ever comes back.
    Hanging,
    /// The first piece is late.
    Slow,
    /// Piece after piece, but hardly any.
    Dripping,
    /// 429; `Retry-After` in seconds, if it says so.
    Limited {
        retry_after: Option<u64>,
    },
    /// 500.
    Failing,
    Refusing,
    /// The key is not taken.
    Denying,
    Garbage,
    /// Ends in the middle.
    BreakingOff,
    /// Falls silent in the middle.
    Stalling,
    /// Each request has its own luck.
    Changing,
}

impl Weather {
    /// Of a provider outside. `mild` leaves out what keeps it away longer than its outage lasts.
    pub(super) fn draw(rng: &mut Rng, mild: bool) -> Self {
        match rng.u8(0..15) {
            0 | 1 => Self::Down,
            2 | 3 => Self::Hanging,
            4 => Self::Slow,
            5 => Self::Dripping,
            6 => Self::Limited { retry_after: (!mild && rng.u8(0..4) > 0).then(|| rng.u64(1..45)) },
            7 => Self::Failing,
            8 => Self::Refusing,
            9 if !mild => Self::Denying,
            10 => Self::Garbage,
            11 => Self::BreakingOff,
            12 => Self::Stalling,
            _ => Self::Changing,
        }
    }

    /// Of a worker of the box: it dies, or has too much to do.
    pub(super) fn draw_local(rng: &mut Rng) -> Self {
        match rng.u8(0..5) {
            0 | 1 => Self::Down,
            2 => Self::Limited { retry_after: None },
            3 => Self::Hanging,
            _ => Self::Stalling,
        }
    }

    /// What it means for one request.
    pub(super) fn of_request(self, rng: &mut Rng) -> Self {
        match self {
            Self::Changing if rng.bool() => Self::Fine,
            Self::Changing => match Self::draw(rng, true) {
                Self::Changing => Self::Failing,
                other => other,
            },
            other => other,
        }
    }

    /// Does its host answer a probe?
    pub(super) const fn is_there(self) -> bool {
        !matches!(self, Self::Down | Self::Hanging)
    }
}

/// One stretch of time.
#[derive(Clone, Copy, Debug, serde::Serialize)]
pub struct Spell {
    #[serde(serialize_with = "millis")]
    pub from: Moment,
    #[serde(serialize_with = "millis")]
    pub until: Moment,
    pub weather: Weather,
}

fn millis<S: serde::Serializer>(at: &Moment, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_u64(at.as_millis())
}

/// The weather of every provider, and of the way to all of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Sky {
    /// By provider; the box's own workers come first.
    pub(super) spells: Vec<Vec<Spell>>,
    /// The whole network outside is gone; `true`: without a word, connections just hang.
    pub(super) gone: Vec<(Moment, Moment, bool)>,
}

impl Sky {
    pub(super) fn at(&self, provider: usize, outside: bool, now: Moment) -> Weather {
        if outside && let Some((.., silent)) = self.gone.iter().find(|(from, until, _)| *from <= now && now < *until) {
            return if *silent { Weather::Hanging } else { Weather::Down };
        }
        let spells = self.spells.get(provider).map_or(&[][..], Vec::as_slice);
        spells.iter().find(|s| s.from <= now && now < s.until).map_or(Weather::Fine, |s| s.weather)
    }

    /// From here on everything is well.
    pub(super) fn calm_from(&self) -> Moment {
        let spells = self.spells.iter().flatten().map(|s| s.until);
        spells.chain(self.gone.iter().map(|(_, until, _)| *until)).max().unwrap_or(Moment::ZERO)
    }
}

/// A worker that gives no sign of life is killed and started again within this time.
const WORKER_SILENT_MAX: Duration = Duration::from_secs(8);

/// Bad stretches between `from` and `until`, with fine ones between them.
pub(super) fn spells(rng: &mut Rng, until: Moment, of_the_box: bool) -> Vec<Spell> {
    let draw = |rng: &mut Rng| if of_the_box { Weather::draw_local(rng) } else { Weather::draw(rng, false) };
    let mut all = Vec::new();
    let mut at = Moment::from_millis(if rng.bool() { 0 } else { rng.u64(0..40_000) });
    while at < until {
        let weather = draw(rng);
        let mut lasts = Duration::from_millis(rng.u64(500..60_000));
        if of_the_box && matches!(weather, Weather::Hanging | Weather::Stalling) {
            lasts = lasts.min(WORKER_SILENT_MAX);
        }
        let end = (at + lasts).min(until);
        all.push(Spell { from: at, until: end, weather });
        at = end + Duration::from_millis(if rng.u8(0..3) == 0 { 0 } else { rng.u64(500..45_000) });
    }
    all
}
