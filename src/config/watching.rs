//! How the box watches itself: when it raises an alert, and who gets its traces.

use std::time::Duration;

use super::tree::Fields;
use crate::base::secret::Secret;

/// When something is wrong enough to wake somebody.
#[derive(Clone, Debug)]
pub struct Alerts {
    /// Something must be wrong for this long before it is told, and well for this long before it is
    /// told that it is over.
    pub raise_after: Duration,
    pub clear_after: Duration,
    /// The same alert is not raised twice within this time.
    pub quiet: Duration,
    /// Failures are counted over this time.
    pub window: Duration,
    /// Percent of requests to engines, of ended calls and of HTTP requests.
    pub engine_faults_percent: u32,
    pub failed_calls_percent: u32,
    pub http_errors_percent: u32,
    /// Room on the disk of the state directory: below the first a warning, below the second an error.
    pub disk_low_mb: u32,
    pub disk_full_mb: u32,
    /// Days that the certificate of `http.public_base_url` must still hold: warning and error.
    pub certificate_days: u32,
    pub certificate_last_days: u32,
    /// The last good backup may be so old.
    pub backup_hours: u32,
    /// Webhooks waiting, and how long the oldest may wait.
    pub outbox_waiting: u32,
    pub outbox_minutes: u32,
    /// Codes that are never told.
    pub off: Vec<String>,
}

/// OpenTelemetry.
#[derive(Clone, Debug)]
pub struct Telemetry {
    /// `None`: no traces.
    pub otlp_endpoint: Option<String>,
    /// Value of the `Authorization` header.
    pub otlp_authorization: Option<Secret>,
    /// So many calls of a hundred are traced.
    pub sample_percent: u32,
}

impl Default for Alerts {
    fn default() -> Self {
        Self {
            raise_after: Duration::from_secs(30),
            clear_after: Duration::from_secs(120),
            quiet: Duration::from_secs(15 * 60),
            window: Duration::from_secs(5 * 60),
            engine_faults_percent: 20,
            failed_calls_percent: 10,
            http_errors_percent: 5,
            disk_low_mb: 2_048,
            disk_full_mb: 200,
            certificate_days: 21,
            certificate_last_days: 7,
            backup_hours: 26,
            outbox_waiting: 1_000,
            outbox_minutes: 30,
            off: Vec::new(),
        }
    }
}

impl Alerts {
    pub(super) fn read(mut fields: Fields<'_>) -> Self {
        let by = Self::default();
        let seconds = |time: Duration| u32::try_from(time.as_secs()).unwrap_or(u32::MAX);
        let time = |seconds: u32| Duration::from_secs(seconds.into());
        let mut alerts = Self {
            raise_after: time(fields.whole("raise_after_seconds", seconds(by.raise_after), 0, 3_600)),
            clear_after: time(fields.whole("clear_after_seconds", seconds(by.clear_after), 0, 3_600)),
            quiet: time(60 * fields.whole("quiet_minutes", seconds(by.quiet) / 60, 0, 1_440)),
            window: time(60 * fields.whole("window_minutes", seconds(by.window) / 60, 1, 60)),
            engine_faults_percent: fields.whole("engine_faults_percent", by.engine_faults_percent, 1, 100),
            failed_calls_percent: fields.whole("failed_calls_percent", by.failed_calls_percent, 1, 100),
            http_errors_percent: fields.whole("http_errors_percent", by.http_errors_percent, 1, 100),
            disk_low_mb: fields.whole("disk_low_mb", by.disk_low_mb, 1, 10_000_000),
            disk_full_mb: 0,
            certificate_days: fields.whole("certificate_days", by.certificate_days, 1, 365),
            certificate_last_days: 0,
            backup_hours: fields.whole("backup_hours", by.backup_hours, 1, 8_760),
            outbox_waiting: fields.whole("outbox_waiting", by.outbox_waiting, 1, 10_000_000),
            outbox_minutes: fields.whole("outbox_minutes", by.outbox_minutes, 1, 10_080),
            off: Vec::new(),
        };
        let (low, days) = (alerts.disk_low_mb, alerts.certificate_days);
        alerts.disk_full_mb = fields.whole("disk_full_mb", by.disk_full_mb.min(low), 1, low);
        alerts.certificate_last_days =
            fields.whole("certificate_last_days", by.certificate_last_days.min(days), 1, days);
        alerts.off = fields.or("off", Vec::new());
        fields.finish();
        alerts
    }
}

impl Telemetry {
    pub(super) fn read(mut fields: Fields<'_>) -> Self {
        let otlp_endpoint = fields.optional::<String>("otlp_endpoint").and_then(|(text, at)| {
            let wanted = text.trim().trim_end_matches('/');
            if wanted.is_empty() {
                return None;
            }
            if let Err(fault) = super::validate::base_url(wanted) {
                fields.refuse(
                    &at,
                    format!(
                        "`telemetry.otlp_endpoint` is {text:?}, {fault}; write for example \"http://127.0.0.1:4318/v1/traces\""
                    ),
                );
            }
            Some(wanted.to_owned())
        });
        let otlp_authorization = fields.optional::<String>("otlp_authorization").and_then(|(text, at)| {
            let text = text.trim();
            if !text.chars().all(|c| c == ' ' || c.is_ascii_graphic()) {
                fields
                    .refuse(&at, "`telemetry.otlp_authorization` is no header's value; write for example \"Bearer …\"");
            }
            (!text.is_empty()).then(|| Secret::new(text))
        });
        let sample_percent = fields.whole("sample_percent", 100, 1, 100);
        fields.finish();
        Self { otlp_endpoint, otlp_authorization, sample_percent }
    }
}
