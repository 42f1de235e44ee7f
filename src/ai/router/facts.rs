//! What is known of a turn when somebody must be chosen for it. Texts are empty where nothing is
//! known; a rule that asks for a certain value does not match then.

use super::candidates::Stage;
use super::dialect::Dialect;
use crate::base::Lang;

#[derive(Clone, Debug, PartialEq)]
pub struct Facts {
    pub stage: Stage,
    pub language: Lang,
    pub dialect: Option<Dialect>,
    /// Where the call comes from, by carrier or number; lower case.
    pub region: String,
    /// How sure the language is, 0 to 1.
    pub confidence: f64,
    pub tenant: String,
    pub campaign: String,
    pub data_class: String,
    /// What the tenant pays for.
    pub tier: String,
    /// State or union territory in the customer's record; lower case.
    pub caller_state: String,
    /// 0 to 23, on the site's clock.
    pub hour: u8,
}

impl Facts {
    /// Nothing known but what is asked for and in which language.
    pub const fn new(stage: Stage, language: Lang) -> Self {
        Self {
            stage,
            language,
            dialect: None,
            region: String::new(),
            confidence: 1.0,
            tenant: String::new(),
            campaign: String::new(),
            data_class: String::new(),
            tier: String::new(),
            caller_state: String::new(),
            hour: 12,
        }
    }

    /// Regions are compared in lower case.
    pub fn from_region(mut self, region: &str) -> Self {
        self.region = region.trim().to_lowercase();
        self
    }

    pub fn from_state(mut self, state: &str) -> Self {
        self.caller_state = state.trim().to_lowercase();
        self
    }
}
