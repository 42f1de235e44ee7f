//! The box looks at itself: gathers facts, judges them, and hands what is to be shown to the alerts.
//! Promise: a look that hangs is itself a finding, and never keeps the daemon from anything.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::Notify;
use url::Url;

use super::alerts::Alerts;
use super::health::{
    Board, Certificate, FILES, Facts, Finding, Severity, Synchronised, examine, fetch_certificate, is_synchronised,
    judge,
};
use super::lately::Lately;
use crate::ai::engines::Setup;
use crate::ai::hardware::Hardware;
use crate::base::tasks::Scope;
use crate::base::{Clock, Moment, limits};
use crate::config::Settings;

/// Gives what only the running daemon knows; called every few seconds.
pub type FactsSource = Arc<dyn Fn() -> BoxFuture<'static, Facts> + Send + Sync>;

pub struct Watch {
    pub settings: Settings,
    pub setup: Setup,
    pub clock: Clock,
    pub facts: FactsSource,
    pub lately: Arc<Lately>,
    pub alerts: Alerts,
    /// Rung when there is something to be seen at once.
    pub bell: Arc<Notify>,
}

/// What is not looked at every time, and when it was.
#[derive(Default)]
struct Slow {
    at: Option<Moment>,
    found: Vec<Finding>,
    synchronised: Option<Synchronised>,
    certificate_at: Option<Moment>,
    certificate: Option<Result<Certificate, String>>,
}

impl Watch {
    /// Until the daemon stops.
    pub async fn run(self, scope: Scope) {
        let (mut board, mut slow, mut told) = (Board::default(), Slow::default(), BTreeMap::new());
        loop {
            let shown = self.look(&mut board, &mut slow).await;
            tell(&shown, &mut told);
            self.alerts.look(self.clock.now(), shown);
            tokio::select! {
                () = scope.stopped() => return,
                () = tokio::time::sleep(limits::HEALTH_LOOK) => {}
                () = self.bell.notified() => {}
            }
        }
    }

    async fn look(&self, board: &mut Board, slow: &mut Slow) -> Vec<Finding> {
        let within = limits::HEALTH_LOOK_MAX;
        if slow.at.is_none_or(|at| self.clock.now().since(at) >= limits::HEALTH_LOOK_SLOW) {
            match tokio::time::timeout(within, self.look_slowly()).await {
                Ok((found, synchronised)) => (slow.found, slow.synchronised) = (found, Some(synchronised)),
                Err(_) => slow.found = vec![stuck("files of the state directory")],
            }
            slow.at = Some(self.clock.now());
        }
        self.look_at_certificate(slow).await;
        let mut found = slow.found.clone();
        match tokio::time::timeout(within, (self.facts)()).await {
            Ok(mut facts) => {
                facts.wall_ms = self.clock.wall_ms();
                facts.synchronised = facts.synchronised.or(slow.synchronised);
                facts.certificate = facts.certificate.or_else(|| slow.certificate.clone());
                facts.rates = facts.rates.or_else(|| Some(self.lately.rates(self.clock.now())));
                // The daemon knows more of its disk, and newer: writes that fail.
                found.retain(|finding| finding.code != "disk" || finding.about == FILES || facts.disk.is_none());
                found.extend(judge(&self.settings.alerts, &facts));
            }
            Err(_) => found.push(stuck("databases and parts")),
        }
        board.show(self.clock.now(), found)
    }

    async fn look_slowly(&self) -> (Vec<Finding>, Synchronised) {
        let (settings, setup) = (self.settings.clone(), self.setup.clone());
        let files = tokio::task::spawn_blocking(move || examine(&settings, &setup, &Hardware::detect()));
        let (files, synchronised) = tokio::join!(files, is_synchronised());
        (files.unwrap_or_else(|_| vec![stuck("files of the state directory")]), synchronised)
    }

    async fn look_at_certificate(&self, slow: &mut Slow) {
        let Some(url) = self.settings.http.public_base_url.as_ref().filter(|url| url.starts_with("https://")) else {
            return;
        };
        let Ok(url) = url.parse::<Url>() else { return };
        // One that could not be read is tried again sooner.
        let wait = match &slow.certificate {
            Some(Ok(_)) => limits::CERTIFICATE_LOOK,
            _ => 10 * limits::HEALTH_LOOK_SLOW,
        };
        if slow.certificate_at.is_none_or(|at| self.clock.now().since(at) >= wait) {
            slow.certificate = Some(fetch_certificate(&url, Duration::from_secs(5)).await);
            slow.certificate_at = Some(self.clock.now());
        }
    }
}

fn stuck(what: &str) -> Finding {
    Finding::error(
        "stuck_check",
        format!("looking at {what} takes longer than {} s", limits::HEALTH_LOOK_MAX.as_secs()),
        "look whether the disk answers (dmesg, iostat); calls that are live go on",
    )
    .about(what)
}

/// One line in the log for each finding that is new or has become worse, and one when it is gone.
fn tell(shown: &[Finding], told: &mut BTreeMap<(&'static str, String), Severity>) {
    let key = |finding: &Finding| (finding.code, finding.about.clone());
    let worst = |finding: &Finding| told.get(&key(finding)).copied().unwrap_or(Severity::Fine).max(finding.severity);
    let wrong: BTreeMap<_, _> = shown.iter().filter(|f| !f.is_fine()).map(|f| (key(f), worst(f))).collect();
    for finding in shown.iter().filter(|f| !f.is_fine() && told.get(&key(f)).is_none_or(|was| *was < f.severity)) {
        let Finding { code, about, text, fix, severity } = finding;
        if *severity == Severity::Error {
            tracing::error!(code, about, text, fix, "the box found something wrong with itself");
        } else {
            tracing::warn!(code, about, text, fix, "the box found something wrong with itself");
        }
    }
    for (code, about) in told.keys().filter(|key| !wrong.contains_key(*key)) {
        tracing::info!(code, %about, "what the box found wrong is mended");
    }
    *told = wrong;
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;
    use crate::ops::alerts::AlertEvent;
    use crate::ops::health::OutboxFacts;

    fn settings(state: &std::path::Path) -> Settings {
        let mut settings = Settings::load(None).unwrap();
        settings.state.dir = state.to_owned();
        settings.alerts.raise_after = Duration::ZERO;
        settings.alerts.clear_after = Duration::ZERO;
        settings.alerts.quiet = Duration::ZERO;
        settings
    }

    fn watch(
        state: &std::path::Path,
        facts: FactsSource,
        told: tokio::sync::mpsc::UnboundedSender<AlertEvent>,
    ) -> Watch {
        let (settings, clock) = (settings(state), Clock::system());
        let setup = Setup::new(&settings, &Hardware::detect(), Scope::new(), clock);
        let alerts = Alerts::new(
            &settings.alerts,
            clock,
            vec![Arc::new(move |event: &AlertEvent| drop(told.send(event.clone())))],
        );
        let lately = Arc::new(Lately::new(&settings.alerts, clock));
        Watch { settings, setup, clock, facts, lately, alerts, bell: Arc::default() }
    }

    async fn until(
        told: &mut tokio::sync::mpsc::UnboundedReceiver<AlertEvent>,
        event_type: &str,
        code: &str,
    ) -> AlertEvent {
        loop {
            let event = tokio::time::timeout(Duration::from_secs(60), told.recv()).await.expect("in time").unwrap();
            if event.event_type == event_type && event.alert.code == code {
                return event;
            }
        }
    }

    #[tokio::test]
    async fn what_becomes_wrong_is_told_and_so_is_its_end() {
        let dir = tempfile::tempdir().unwrap();
        let damaged = Arc::new(AtomicBool::new(true));
        let (looking, (tell, mut told)) = (Arc::clone(&damaged), tokio::sync::mpsc::unbounded_channel());
        let facts: FactsSource = Arc::new(move || {
            let corrupt = looking.load(Ordering::Relaxed).then(|| "page 3".to_owned());
            let outbox = Some(OutboxFacts::default());
            let databases =
                vec![crate::ops::health::DatabaseFacts { name: "acme".to_owned(), corrupt, ..Default::default() }];
            Box::pin(async move { Facts { databases, outbox, ..Facts::default() } })
        });
        let watch = watch(dir.path(), facts, tell);
        let (alerts, scope) = (watch.alerts.clone(), Scope::new());
        scope.spawn("watch", watch.run(scope.clone()));
        let raised = until(&mut told, "alert.raised", "database").await;
        assert_eq!(raised.alert.about, "acme");
        assert!(alerts.findings().iter().any(|f| f.code == "outbox" && f.is_fine()));
        damaged.store(false, Ordering::Relaxed);
        let cleared = until(&mut told, "alert.cleared", "database").await;
        assert_eq!(cleared.alert.id, raised.alert.id);
        scope.stop();
        assert!(scope.join(Duration::from_secs(20)).await);
    }

    #[tokio::test(start_paused = true)]
    async fn facts_that_never_come_are_a_finding() {
        let dir = tempfile::tempdir().unwrap();
        let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
        let never: FactsSource = Arc::new(|| Box::pin(std::future::pending()));
        let watch = watch(dir.path(), never, tell);
        let scope = Scope::new();
        scope.spawn("watch", watch.run(scope.clone()));
        let raised = until(&mut told, "alert.raised", "stuck_check").await;
        assert!(raised.alert.text.contains("databases and parts"), "{raised:?}");
        scope.stop();
    }
}
