//! A handset's socket breaks, and the handset comes back.

use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::time::timeout;
use vaani::base::event::{EndCause, Event};
use vaani::base::{CallId, Lang};
use vaani::telephony::far::{AfterCut, FarCall, Network};
use vaani::telephony::local::carrier::DialOptions;
use vaani::telephony::local::wire::{Decoder, Message, Start, printed, read_proof};

use super::ear::{counts, resumes};
use crate::support::{Daemon, impatient_config, root, until};

const FOR_HANDSETS: [(&str, &str); 2] = [("VAANI_PRIVACY__TRANSCRIPTS", "true"), ("VAANI_LOCAL__ENABLED", "true")];
const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handsets_call_goes_on_over_another_socket() {
    let (state, config) = (tempfile::tempdir().unwrap(), impatient_config());
    let daemon = Daemon::start(state.path(), config.path(), true, &FOR_HANDSETS).await;
    let dial = async |after_cut: AfterCut| -> FarCall {
        let mut options = DialOptions::new(daemon.handsets());
        options.agent = Some("helpdesk".to_owned());
        options.language = Some(Lang::Hi);
        options.network = Network { after_cut, ..Network::default() };
        daemon.dial_handset(options).await
    };
    resumes(&daemon, dial).await;
    daemon.stop().await;
}

/// A handset by hand.
struct Handset {
    socket: UnixStream,
    decoder: Decoder,
}

impl Handset {
    async fn lift(at: &Path, start: &Start) -> Self {
        let mut socket = UnixStream::connect(at).await.unwrap();
        socket.write_all(&printed(&Message::Start(start.clone()))).await.unwrap();
        Self { socket, decoder: Decoder::default() }
    }

    async fn next(&mut self) -> Option<Message> {
        let mut piece = [0; 4_096];
        loop {
            if let Some(message) = self.decoder.take() {
                return Some(message);
            }
            match timeout(PATIENCE, self.socket.read(&mut piece)).await.expect("the box says something") {
                Ok(length @ 1..) => self.decoder.push(&piece[..length]),
                _ => return None,
            }
        }
    }

    /// What it is told to show if it has to come back.
    async fn proof(&mut self) -> String {
        loop {
            if let Message::Fact(fact) = self.next().await.expect("the call is taken")
                && let Some(proof) = read_proof(&fact)
            {
                return proof;
            }
        }
    }

    /// Why the box does not take it.
    async fn refused(mut self) -> String {
        match self.next().await {
            Some(Message::Over(why)) => why,
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_is_carried_on_by_its_own_handset_alone() {
    let state = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(state.path(), &root().join("config"), true, &FOR_HANDSETS).await;
    let name = format!("handset-{}", CallId::new());
    let (at, agent) = (daemon.handsets(), Some("helpdesk".to_owned()));
    let start = |proof: Option<&str>| Start {
        name: name.clone(),
        agent: agent.clone(),
        full_duplex: true,
        proof: proof.map(str::to_owned),
        ..Start::default()
    };
    let mut first = Handset::lift(&at, &start(None)).await;
    let proof = first.proof().await;
    assert_eq!(counts(&daemon.facts(&name).await), (0, 0, 0));

    // While the first one is there, and by nobody else ever.
    for (shown, why) in
        [(None, "not its handset"), (Some("wrong"), "not its handset"), (Some(&*proof), "has its handset")]
    {
        let refused = Handset::lift(&at, &start(shown)).await.refused().await;
        assert!(refused.contains(why), "{shown:?}: {refused}");
    }
    assert_eq!(counts(&daemon.facts(&name).await), (0, 0, 0), "the first one is not disturbed");

    // It may come back before the box has noticed, and again and again.
    let mut handset = first;
    for times in 1..=2 {
        drop(handset);
        let thief = Handset::lift(&at, &start(Some("wrong"))).await.refused().await;
        assert!(thief.contains("not its handset"), "{thief}");
        handset = Handset::lift(&at, &start(Some(&proof))).await;
        until("the line is back", async || (counts(&daemon.facts(&name).await) == (times, times, 0)).then_some(()))
            .await;
    }
    handset.socket.write_all(&printed(&Message::Over(String::new()))).await.unwrap();
    let (facts, cause) = daemon.ended(&name).await;
    assert_eq!((cause, counts(&facts)), (EndCause::CallerHungUp, (2, 2, 1)), "{facts:#?}");
    assert!(facts.iter().any(|event| matches!(event, Event::MediaBack { .. })));
    let refused = Handset::lift(&at, &start(Some(&proof))).await.refused().await;
    assert!(refused.contains("over"), "{refused}");
    daemon.stop().await;
}
