use super::super::bench::{Bench, CALLER};
use super::*;
use crate::base::event::{EndCause, Event, NotReached, TransferStep};
use crate::telephony::leg::{Exchange, LegCommand, LegEnd, LegEvent};

#[tokio::test]
async fn a_caller_whom_the_carrier_takes_may_come_back_to_the_same_call() {
    let bench = Bench::new(Way::LetGo, false, Duration::ZERO);
    let (call, mut leg) = bench.call();
    leg.until(LegCommand::Hangup).await;
    let seeking = bench.registry.goes_to_person(CALLER).expect("the carrier is told whom to ring");
    assert_eq!(seeking.to, Destination::Extension("1001".to_owned()));
    assert_eq!(bench.registry.goes_to_person("somebody else"), None);
    leg.end(LegEnd::ClosedByUs).await;
    bench.registry.person(CALLER, PersonNews::NotReached(Refused::NoAnswer));
    bench.step(TransferStep::NotReached).await;
    assert_eq!((bench.view().state, bench.registry.admission().live()), (CallState::AgentTransfer, 1));

    assert_eq!(bench.announce(CALLER, None), Ok(call));
    let back = bench.connect(call).unwrap();
    bench.until("the agent has the caller", || (bench.view().state == CallState::InProgress).then_some(())).await;
    assert!(bench.connect(call).is_err(), "one call has one leg");
    back.end(LegEnd::HungUp).await;
    assert_eq!(bench.cause().await, EndCause::CallerHungUp);
    assert!(lock(&bench.carrier.orders).is_empty(), "the box rang nobody itself");
    assert_eq!(bench.registry.goes_to_person(CALLER), None);
}

#[tokio::test]
async fn a_caller_who_stays_with_the_person_ends_by_the_carriers_word() {
    let bench = Bench::new(Way::LetGo, false, Duration::ZERO);
    let (_, mut leg) = bench.call();
    leg.until(LegCommand::Hangup).await;
    leg.end(LegEnd::ClosedByUs).await;
    bench.registry.person(CALLER, PersonNews::Talking);
    bench.step(TransferStep::HandedOn).await;
    bench.registry.carrier_state(CALLER, CallState::Completed);
    assert_eq!(bench.cause().await, EndCause::Transferred);
    bench.until("its place is free", || (bench.registry.admission().live() == 0).then_some(())).await;
}

#[tokio::test]
async fn two_lines_of_one_carrier_are_joined_and_the_box_waits_for_the_end() {
    let bench = Bench::new(Way::Join, true, Duration::ZERO);
    let (_, caller) = bench.call();
    let order = bench.order().await;
    assert_eq!(bench.announce("P1", Some(order.call)), Ok(order.call));
    assert_eq!(bench.announce("P2", Some(order.call)), Err(Refusal::UnknownCall), "one line, one name");
    bench.registry.carrier_state("P1", CallState::Ringing);
    bench.step(TransferStep::Ringing).await;
    let person = bench.connect(order.call).unwrap();
    assert!(bench.connect(order.call).is_err(), "one line has one leg");
    bench.step(TransferStep::Told).await;
    assert_eq!((bench.registry.live().len(), bench.registry.admission().live()), (1, 1));
    person.events.send(LegEvent::Dtmf('1')).await.unwrap();
    bench.step(TransferStep::HandedOn).await;
    assert_eq!(*lock(&bench.carrier.joined), [(CALLER.to_owned(), "P1".to_owned())]);
    caller.end(LegEnd::HungUp).await;
    person.end(LegEnd::ClosedByUs).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(bench.view().cause, None, "they are still talking");
    bench.registry.carrier_state(CALLER, CallState::Completed);
    assert_eq!(bench.cause().await, EndCause::Transferred);
    assert!(lock(&bench.carrier.hung_up).is_empty());
}

#[tokio::test]
async fn lines_that_cannot_be_joined_stay_with_the_box() {
    let bench = Bench::new(Way::Join, false, Duration::ZERO);
    let (_, caller) = bench.call();
    let order = bench.order().await;
    bench.registry.named(order.call, "P1");
    let mut person = bench.connect(order.call).unwrap();
    bench.step(TransferStep::Told).await;
    person.events.send(LegEvent::Dtmf('1')).await.unwrap();
    bench.step(TransferStep::Joined).await;
    for n in 0..10 {
        caller.events.send(LegEvent::Audio { pcm: vec![1_234; 160], at_ms: n * 20 }).await.unwrap();
    }
    person.until(LegCommand::Audio(vec![1_234; 160])).await;
    caller.end(LegEnd::HungUp).await;
    person.until(LegCommand::Hangup).await;
    assert_eq!(bench.cause().await, EndCause::Transferred);
    assert!(lock(&bench.registry.0.persons).is_empty());
}

#[tokio::test]
async fn a_line_that_the_carrier_names_too_late_is_ended_all_the_same() {
    let bench = Bench::new(Way::InBox, false, Duration::from_millis(300));
    let (_, caller) = bench.call();
    let order = bench.order().await;
    caller.end(LegEnd::HungUp).await;
    assert_eq!(bench.cause().await, EndCause::CallerHungUp);
    let ended = || lock(&bench.carrier.hung_up).first().cloned();
    assert_eq!(bench.until("the person's line is ended", ended).await, "P1");
    assert!(bench.announce("P1", Some(order.call)).is_err() && bench.connect(order.call).is_err());
    let given_up = |e: &Event| matches!(e, Event::Transfer { why: Some(NotReached::GivenUp), .. });
    assert!(bench.view().events.iter().any(|r| given_up(&r.event)));
}
