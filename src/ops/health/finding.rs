//! One thing that was looked at.

use serde::Serialize;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// All is well; said so that nobody wonders whether it was looked at.
    Fine,
    /// Calls are answered, but something is not as it should be.
    Warning,
    /// Calls cannot be answered as they should, or data is in danger.
    Error,
}

impl Severity {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fine => "fine",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Finding {
    /// A row of the catalogue.
    pub code: &'static str,
    pub severity: Severity,
    pub text: String,
    /// What to do; empty when all is well.
    pub fix: String,
    /// Which of several (a database, an engine); empty if there is only one.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub about: String,
}

impl Finding {
    pub fn fine(code: &'static str, text: impl Into<String>) -> Self {
        Self { code, severity: Severity::Fine, text: text.into(), fix: String::new(), about: String::new() }
    }

    pub fn warning(code: &'static str, text: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { code, severity: Severity::Warning, text: text.into(), fix: fix.into(), about: String::new() }
    }

    pub fn error(code: &'static str, text: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { code, severity: Severity::Error, text: text.into(), fix: fix.into(), about: String::new() }
    }

    #[must_use]
    pub fn about(self, what: impl Into<String>) -> Self {
        Self { about: what.into(), ..self }
    }

    pub fn is_fine(&self) -> bool {
        self.severity == Severity::Fine
    }
}
