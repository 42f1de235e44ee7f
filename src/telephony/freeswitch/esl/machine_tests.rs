//! The session against scripts: what FreeSWITCH sends and what is ordered go in, the journal that comes
//! out is compared.

use proptest::prelude::*;

use super::*;

fn at(ms: u64) -> Moment {
    Moment::from_millis(ms)
}

fn journal(session: &mut Session) -> Vec<String> {
    std::iter::from_fn(|| session.poll())
        .map(|output| match output {
            Output::Send(text) => text.trim_end().replace('\n', " | "),
            Output::Ready(channel) => format!("ready {:?}", channel.as_ref().and_then(|c| c.channel())),
            Output::Event(event) => format!("event {} {:?}", event.name(), event.channel()),
            Output::Answer { id, reply } => format!("{id} {reply:?}"),
            Output::Close(reason) => format!("close {reason:?}"),
        })
        .collect()
}

fn hear(session: &mut Session, text: &str) -> Vec<String> {
    session.handle(at(0), Input::Bytes(text.as_bytes()));
    journal(session)
}

fn order(session: &mut Session, id: u64, order: Order) -> Vec<String> {
    session.handle(at(0), Input::Order { id, order });
    journal(session)
}

fn reply(text: &str) -> String {
    format!("Content-Type: command/reply\nReply-Text: {text}\n\n")
}

fn event(body: &str) -> String {
    format!("Content-Length: {}\nContent-Type: text/event-json\n\n{body}", body.len())
}

fn ours() -> Session {
    Session::new(Side::Ours { password: Secret::new("ClueCon") }, at(0))
}

fn ready() -> Session {
    let mut session = ours();
    assert_eq!(hear(&mut session, "Content-Type: auth/request\n\n"), ["auth ClueCon"]);
    assert_eq!(hear(&mut session, &reply("+OK accepted")), [EVENTS]);
    assert_eq!(hear(&mut session, &reply("+OK event listener enabled json")), ["ready None"]);
    session
}

fn job(line: &str) -> Order {
    Order::Job { line: line.to_owned(), within: Duration::from_secs(10) }
}

#[test]
fn a_wrong_password_and_a_strange_address_are_told_apart() {
    let mut session = ours();
    hear(&mut session, "Content-Type: auth/request\n\n");
    assert_eq!(hear(&mut session, &reply("-ERR invalid")), ["close Password"]);
    let mut session = ours();
    let text = "Content-Type: text/rude-rejection\nContent-Length: 24\n\nAccess Denied, go away.\n";
    assert_eq!(hear(&mut session, text), ["close Rejected"]);
    let mut session = ours();
    session.handle(at(5_000), Input::Tick);
    assert_eq!(journal(&mut session), ["close Silent"]);
    assert_eq!(hear(&mut ours(), "HTTP/1.1 400 Bad Request\nContent-Length: x\n\n"), ["close Broken(Length)"]);
}

#[test]
fn answers_find_their_orders() {
    let mut session = ready();
    assert_eq!(order(&mut session, 1, Order::Api("status".to_owned())), ["api status"]);
    assert_eq!(
        order(&mut session, 2, job("originate x &park()")),
        ["bgapi originate x &park() | Job-UUID: 00000000-0000-0000-0000-000000000002"]
    );
    order(&mut session, 3, job("uuid_kill u"));
    assert_eq!(hear(&mut session, "Content-Type: api/response\nContent-Length: 2\n\nUP"), [r#"1 Ok("UP")"#]);
    assert!(hear(&mut session, &reply("+OK Job-UUID: 00000000-0000-0000-0000-000000000002")).is_empty());
    assert_eq!(hear(&mut session, &reply("-ERR no such command")), [r#"3 Err("no such command")"#]);
    let done = |id, body: &str| {
        event(&format!(
            r#"{{"Event-Name":"BACKGROUND_JOB","Job-UUID":"00000000-0000-0000-0000-00000000000{id}","_body":"{body}"}}"#
        ))
    };
    assert_eq!(hear(&mut session, &done(2, "-ERR USER_BUSY\\n")), [r#"2 Err("USER_BUSY")"#]);
    assert!(hear(&mut session, &done(2, "+OK again")).is_empty(), "one answer each");
    assert!(hear(&mut session, &done(9, "+OK of somebody else")).is_empty());
}

#[test]
fn events_are_handed_on() {
    let mut session = ready();
    assert_eq!(
        hear(&mut session, &event(r#"{"Event-Name":"DTMF","Unique-ID":"u1","DTMF-Digit":"5"}"#)),
        [r#"event DTMF Some("u1")"#]
    );
    assert!(hear(&mut session, &event("not json")).is_empty() && hear(&mut session, &event("[]")).is_empty());
}

#[test]
fn what_was_under_way_when_it_broke_is_lost() {
    let mut session = ready();
    order(&mut session, 1, Order::Api("a".to_owned()));
    order(&mut session, 2, job("b"));
    hear(&mut session, "");
    session.handle(at(1), Input::Gone);
    assert_eq!(journal(&mut session), ["1 Lost", "2 Lost", "close Closed"]);
    assert_eq!(order(&mut session, 3, job("c")), ["3 Unsent"], "nothing was done, and it is told");
    session.handle(at(9_999), Input::Gone);
    assert_eq!((journal(&mut session), session.deadline()), (vec![], None));
}

#[test]
fn silence_is_asked_and_then_believed() {
    let mut session = ready();
    order(&mut session, 1, job("a"));
    hear(&mut session, &reply("+OK"));
    assert_eq!(session.deadline(), Some(at(10_000)));
    session.handle(at(10_000), Input::Tick);
    assert_eq!(journal(&mut session), ["1 Lost"]);
    session.handle(at(20_000), Input::Tick);
    assert_eq!(journal(&mut session), ["api status"]);
    session.handle(at(24_999), Input::Tick);
    assert!(journal(&mut session).is_empty());
    session.handle(at(25_000), Input::Tick);
    assert_eq!(journal(&mut session), ["close Silent"]);
}

#[test]
fn freeswitch_opens_a_connection_for_one_channel() {
    let mut session = Session::new(Side::Theirs, at(0));
    assert_eq!(journal(&mut session), ["connect"]);
    let channel = "Content-Type: command/reply\nReply-Text: %2BOK\nEvent-Name: CHANNEL_DATA\nUnique-ID: u1\nCaller-Caller-ID-Number: %2B919876543210\n\n";
    assert_eq!(hear(&mut session, channel), ["myevents json", "linger 5", r#"ready Some("u1")"#]);
    hear(&mut session, &reply("+OK Events Enabled"));
    hear(&mut session, &reply("+OK will linger"));
    assert_eq!(
        order(&mut session, 1, Order::Execute { application: "answer", argument: "" }),
        ["sendmsg | call-command: execute | execute-app-name: answer | execute-app-arg:  | event-lock: true"]
    );
    assert_eq!(
        order(&mut session, 2, Order::Execute { application: "hangup", argument: "USER_BUSY" }),
        ["sendmsg | call-command: hangup | hangup-cause: USER_BUSY"]
    );
    let notice = "Content-Type: text/disconnect-notice\nContent-Disposition: linger\nContent-Length: 3\n\nbye";
    assert!(hear(&mut session, notice).is_empty());
    assert_eq!(hear(&mut session, &notice.replace("linger", "disconnect")), ["1 Lost", "2 Lost", "close Closed"]);
    let mut session = Session::new(Side::Theirs, at(0));
    journal(&mut session);
    assert_eq!(hear(&mut session, &reply("+OK")), ["close Refused"], "without a channel it is of no use");
}

#[derive(Clone, Debug)]
enum Step {
    Text(String),
    Bytes(Vec<u8>),
    Order(Order),
    Gone,
    Later(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let texts = vec![
        "Content-Type: auth/request\n\n".to_owned(),
        reply("+OK"),
        reply("+OK"),
        reply("-ERR no"),
        "Content-Type: api/response\nContent-Length: 3\n\n+OK".to_owned(),
        event(r#"{"Event-Name":"BACKGROUND_JOB","Job-UUID":"00000000-0000-0000-0000-000000000002","_body":"+OK"}"#),
        event(r#"{"Event-Name":"DTMF","Unique-ID":"u","DTMF-Digit":"1"}"#),
    ];
    prop_oneof![
        12 => proptest::sample::select(texts).prop_map(Step::Text),
        1 => proptest::collection::vec(any::<u8>(), 0..20).prop_map(Step::Bytes),
        4 => Just(Step::Order(Order::Api("x".to_owned()))),
        4 => Just(Step::Order(job("x"))),
        1 => Just(Step::Gone),
        2 => (0..8_000_u64).prop_map(Step::Later),
    ]
}

proptest! {
    /// Whatever happens: ready once at most, one answer an order, all of them by the close, nothing of
    /// the peer after it.
    #[test]
    fn no_history_breaks_the_promises(steps in proptest::collection::vec(step(), 0..60), theirs in any::<bool>()) {
        let side = if theirs { Side::Theirs } else { Side::Ours { password: Secret::new("p") } };
        let mut session = Session::new(side, at(0));
        let (mut now, mut id, mut closed, mut readied) = (0, 0, false, 0);
        let mut open = std::collections::HashSet::new();
        for step in steps {
            let was_closed = closed;
            match step {
                Step::Text(text) => session.handle(at(now), Input::Bytes(text.as_bytes())),
                Step::Bytes(bytes) => session.handle(at(now), Input::Bytes(&bytes)),
                Step::Order(order) => {
                    id += 1;
                    open.insert(id);
                    session.handle(at(now), Input::Order { id, order });
                }
                Step::Gone => session.handle(at(now), Input::Gone),
                Step::Later(ms) => {
                    now += ms;
                    session.handle(at(now), Input::Tick);
                }
            }
            while let Some(output) = session.poll() {
                match output {
                    Output::Answer { id, .. } => prop_assert!(open.remove(&id), "two answers to {id}"),
                    other if was_closed => prop_assert!(false, "{other:?} after the close"),
                    Output::Ready(_) => readied += 1,
                    Output::Close(_) => closed = true,
                    Output::Send(text) => prop_assert!(text.ends_with("\n\n") && text.matches("\n\n").count() == 1),
                    Output::Event(_) => {}
                }
            }
            prop_assert!(readied <= 1 && (!closed || open.is_empty()));
        }
    }
}
