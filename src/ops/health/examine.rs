//! All checks, in the order of the catalogue.

use std::path::Path;

use super::facts::Facts;
use super::finding::Finding;
use super::{
    agents, audit, backup, certificate, clock, component, database, disk, engines, exotel, journal, master_key, memory,
    models, offline, outbox, processor, public_url, rates, recordings, speech_library, state, twilio,
};
use crate::ai::engines::Setup;
use crate::ai::hardware::Hardware;
use crate::config::{Alerts, Settings};

/// What can be seen without a running daemon: machine, files, settings.
pub fn examine(settings: &Settings, setup: &Setup, hardware: &Hardware) -> Vec<Finding> {
    let credentials = std::env::var_os("CREDENTIALS_DIRECTORY");
    let mut found = vec![processor::check(hardware), memory::check(hardware)];
    found.extend(engines::check(setup));
    found.push(speech_library::check(&setup.lib_dir));
    found.push(models::check(settings));
    found.push(state::check(&settings.state.dir));
    found.extend(disk::check(&settings.state.dir, &settings.alerts));
    found.push(master_key::check(&settings.state.dir, credentials.as_deref().map(Path::new)));
    found.push(twilio::check(settings));
    found.push(exotel::check(settings));
    found.push(public_url::check(settings));
    found
}

/// What follows from facts that somebody handed in.
pub fn judge(limits: &Alerts, facts: &Facts) -> Vec<Finding> {
    let mut found = Vec::new();
    found.extend(facts.synchronised.map(|how| clock::check(facts.wall_ms, how)));
    found.extend(facts.certificate.as_ref().map(|read| certificate::check(read.as_ref(), facts.wall_ms, limits)));
    found.extend(component::check(&facts.components));
    found.extend(facts.offline.map(offline::check));
    found.extend(facts.disk.map(|look| disk::check_now(look, limits)));
    found.extend(database::check(&facts.databases));
    found.extend(agents::check(&facts.agents));
    found.extend(facts.journal.map(journal::check));
    found.extend(facts.backup.as_ref().map(|last| backup::check(last, facts.wall_ms, limits.backup_hours)));
    found.extend(audit::check(&facts.audit));
    found.extend(facts.outbox.as_ref().map(|waiting| outbox::check(waiting, facts.wall_ms, limits)));
    found.extend(facts.recordings.as_ref().map(recordings::check));
    found.extend(facts.rates.iter().flat_map(|rates| rates::check(rates, limits)));
    found
}

#[cfg(test)]
mod tests {
    use super::super::{
        AgentFacts, AuditFacts, BackupFacts, Component, DatabaseFacts, JournalFacts, OutboxFacts, Rate, Rates,
        RecordingFacts, Synchronised, entry,
    };
    use super::*;
    use crate::store::disk::{Look, Room};

    /// All that can be handed in, wrong if `bad`.
    fn facts(bad: bool) -> Facts {
        let some = |text: &str| bad.then(|| text.to_owned());
        let rate = Rate { all: 100, failed: if bad { 90 } else { 0 }, was_high: false };
        Facts {
            wall_ms: 1_800_000_000_000,
            components: vec![Component {
                name: "engine/stt".to_owned(),
                status: if bad { "down" } else { "ok" },
                detail: String::new(),
                facts: serde_json::Value::Null,
            }],
            offline: Some(bad),
            disk: Some(Look {
                room: if bad { Room::Full } else { Room::Enough },
                free_bytes: 1 << 40,
                total_bytes: 1 << 41,
            }),
            agents: vec![AgentFacts { shut: some("it was removed"), ..AgentFacts::default() }],
            journal: Some(JournalFacts { lost: u64::from(bad), waiting: 0 }),
            databases: vec![DatabaseFacts { corrupt: some("page 3"), ..DatabaseFacts::default() }],
            backup: Some(BackupFacts {
                scheduled: true,
                last_good_ms: Some(1_799_999_999_000),
                last_error: some("full"),
            }),
            audit: vec![AuditFacts { broken: some("entry 5"), ..AuditFacts::default() }],
            outbox: Some(OutboxFacts { waiting: if bad { 100_000 } else { 0 }, ..OutboxFacts::default() }),
            recordings: Some(RecordingFacts { broken_off: u64::from(bad), ..RecordingFacts::default() }),
            certificate: Some(if bad {
                Err("nobody answers".to_owned())
            } else {
                Ok(super::super::Certificate { until_ms: 1_900_000_000_000, trusted: Some(true) })
            }),
            synchronised: Some(if bad { Synchronised::No } else { Synchronised::Yes }),
            rates: Some(Rates { engine_faults: rate, failed_calls: rate, http_errors: rate }),
        }
    }

    #[test]
    fn every_finding_is_in_the_catalogue_and_every_bad_one_says_what_to_do() {
        for bad in [false, true] {
            let found = judge(&Alerts::default(), &facts(bad));
            assert_eq!(found.len(), 15);
            for finding in found {
                assert!(entry(finding.code).is_some(), "{}", finding.code);
                assert_eq!(finding.is_fine(), !bad, "{finding:?}");
                assert_eq!(finding.fix.is_empty(), !bad, "{finding:?}");
            }
        }
    }

    #[test]
    fn of_what_nobody_knows_nothing_is_said() {
        assert!(judge(&Alerts::default(), &Facts::default()).is_empty());
    }
}
