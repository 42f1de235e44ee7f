use super::super::bench::{Bench, CALLER};
use crate::base::event::{CallState, EndCause, Event};
use crate::telephony::leg::{Exchange, LegEnd, Refusal};
use crate::telephony::transfer::Way;

impl Bench {
    fn new_call() -> Self {
        Self::new(Way::InBox, false, std::time::Duration::ZERO)
    }

    fn has(&self, wanted: fn(&Event) -> bool) -> bool {
        self.view().events.iter().any(|record| wanted(&record.event))
    }
}

#[tokio::test]
async fn a_call_whose_media_broke_is_carried_on_by_another_connection() {
    let bench = Bench::new_call();
    let (call, mut leg) = bench.call();
    leg.until_sound().await;
    assert_eq!(bench.connect(call).err(), Some(Refusal::UnknownCall), "its media is there");
    leg.end(LegEnd::Lost).await;
    assert!(bench.registry.media_over(CALLER).await, "the carrier is to connect it again");
    bench.until("the break is noted", || bench.has(|e| *e == Event::MediaLost).then_some(())).await;
    assert_eq!(bench.announce(CALLER, None), Ok(call), "it is the same call");
    let mut back = bench.connect(call).unwrap();
    back.until_sound().await;
    assert_eq!(bench.connect(call).err(), Some(Refusal::UnknownCall), "one connection a break");
    assert!(bench.has(|e| matches!(e, Event::MediaBack { .. })));
    assert_eq!((bench.view().state, bench.registry.admission().live()), (CallState::InProgress, 1));
    back.end(LegEnd::HungUp).await;
    assert_eq!(bench.cause().await, EndCause::CallerHungUp);
    assert!(!bench.registry.media_over(CALLER).await, "nothing waits for it");
    assert!(bench.connect(call).is_err());
}

#[tokio::test]
async fn the_carriers_last_word_ends_a_call_that_waits_for_its_media() {
    let bench = Bench::new_call();
    let (_, leg) = bench.call();
    leg.end(LegEnd::Lost).await;
    bench.until("the break is noted", || bench.has(|e| *e == Event::MediaLost).then_some(())).await;
    bench.registry.carrier_state(CALLER, CallState::Completed);
    assert_eq!(bench.cause().await, EndCause::MediaLost);
    bench.until("its place is free", || (bench.registry.admission().live() == 0).then_some(())).await;
}

#[tokio::test]
async fn a_carrier_is_believed_that_says_the_media_is_over() {
    let bench = Bench::new_call();
    let (call, mut leg) = bench.call();
    leg.until_sound().await;
    // The socket's peer vanished: nothing tells the leg.
    assert!(bench.registry.media_over(CALLER).await);
    let mut back = bench.connect(call).unwrap();
    back.until_sound().await;
    let closed = async { while leg.commands.recv().await.is_some() {} };
    tokio::time::timeout(std::time::Duration::from_secs(5), closed).await.expect("the old leg is let go");
    back.end(LegEnd::HungUp).await;
    assert_eq!(bench.cause().await, EndCause::CallerHungUp);
}

#[tokio::test]
async fn calls_that_never_had_media_or_are_nobodys_do_not_wait_for_it() {
    let bench = Bench::new_call();
    assert!(!bench.registry.media_over("nobody").await);
    bench.announce(CALLER, None).unwrap();
    assert!(!bench.registry.media_over(CALLER).await);
}

#[tokio::test]
async fn a_call_that_ends_just_now_does_not_wait() {
    let bench = Bench::new_call();
    let (_, mut leg) = bench.call();
    leg.until_sound().await;
    let asking = bench.registry.media_over(CALLER);
    leg.end(LegEnd::HungUp).await;
    assert!(!asking.await, "it hung up while the carrier asked");
    assert_eq!(bench.cause().await, EndCause::CallerHungUp);
}
