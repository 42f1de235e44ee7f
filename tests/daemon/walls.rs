//! Two tenants on one daemon, and everything of the API asked for by everybody. Whoever belongs to one
//! of them must get nothing of the other, learn nothing of it from how they are refused, and change
//! nothing of it; and every role may on every route what the tables say.
//!
//! What is asked is read from the daemon's own `/api/openapi.json` and from the table of routes, so a
//! route that is new fails here until `walls/ways.rs` says how it is asked.

mod callers;
mod dump;
mod seed;
mod ways;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::StreamExt as _;
use reqwest::Method;
use serde_json::json;
use tempfile::TempDir;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use vaani::auth::Role;
use vaani::auth::access::{Need, TABLE};
use vaani::auth::role::Permission;
use vaani::base::Clock;
use vaani::base::event::{CallState, Event};
use vaani::store::Vault;
use vaani::store::crypt::MasterKey;
use vaani::telephony::far::FarCall;

use crate::support::{Daemon, impatient_config};
use callers::{Answer, Ask, Box_, By, Caller, Sent};
use seed::Side;
use ways::{ask, filled, names_things, sought};

/// The rates are another test's.
const SETTINGS: [(&str, &str); 4] = [
    ("VAANI_AUTH__LIMITS__KEY_PER_SECOND", "100000"),
    ("VAANI_AUTH__LIMITS__KEY_BURST", "1000000"),
    ("VAANI_AUTH__LIMITS__ADDRESS_PER_SECOND", "100000"),
    ("VAANI_AUTH__LIMITS__ADDRESS_BURST", "1000000"),
];

/// A daemon with two tenants and a live call of each.
struct World {
    daemon: Daemon,
    owner: Box_,
    bank: Side,
    clinic: Side,
    calls: [FarCall; 2],
    /// An admin of the bank who has logged in.
    banker: Caller,
    state: TempDir,
    _config: TempDir,
}

impl World {
    async fn new() -> Self {
        let (state, config) = (tempfile::tempdir().unwrap(), impatient_config());
        let (mut bank, mut clinic) = (Side::new("oindrila", "983334"), Side::new("zubeida", "981112"));
        let vault = Vault::open(state.path(), MasterKey::load(state.path()).unwrap(), Clock::system()).unwrap();
        for side in [&mut bank, &mut clinic] {
            side.write_agents(config.path());
            side.write_store(&vault).await;
        }
        vault.close();
        let daemon = Daemon::start(state.path(), config.path(), false, &SETTINGS).await;
        let owner = Box_(daemon.api());
        // The clinic's last list has a number that the bank comes to in no walk.
        bank.make(&owner, 2).await;
        clinic.make(&owner, 100).await;
        let mut people = Vec::new();
        let mut calls = Vec::new();
        for side in [&mut bank, &mut clinic] {
            let login = format!("{}.admin@example.com", side.word);
            people.push(owner.person(&login, Role::Admin, Some(&side.tenant)).await.0);
            let login = format!("{}.staff@example.com", side.word);
            let (_, session) = owner.person(&login, Role::Viewer, Some(&side.tenant)).await;
            side.put("session", &session);
            let mut options = daemon.call();
            options.path = format!("/voice/incoming?agent={}", side.agent("echo"));
            options.from.clone_from(&side.phone);
            let call = daemon.dial(options).await.unwrap();
            let live = |event: &Event| matches!(event, Event::StateChanged { to: CallState::InProgress, .. });
            daemon.fact(call.carrier_call(), "media", 0, live).await;
            side.put("call", &daemon.id(call.carrier_call()).await.to_string());
            side.put("call", call.carrier_call());
            calls.push(call);
        }
        let calls = calls.try_into().unwrap_or_else(|_| panic!("two calls"));
        let banker = people.swap_remove(0);
        Self { daemon, owner, bank, clinic, calls, banker, state, _config: config }
    }

    /// Method, path and the parameters of the query of every operation that is described or has a row.
    async fn operations(&self) -> BTreeMap<(String, String), Vec<String>> {
        let document = self.owner.of("default", &Ask::get("/api/openapi.json")).await.json();
        let mut found = BTreeMap::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                let parameters = operation["parameters"].as_array().into_iter().flatten();
                let of_query = parameters.filter(|parameter| parameter["in"] == "query");
                let names = of_query.map(|parameter| parameter["name"].as_str().unwrap().to_owned()).collect();
                found.insert((method.to_uppercase(), path.clone()), names);
            }
        }
        for row in TABLE {
            found.entry((row.method.to_owned(), row.path.to_owned())).or_default();
        }
        assert!(found.len() >= TABLE.len() && found.len() > 100, "{} operations", found.len());
        found
    }

    /// Nothing of the clinic in an answer but what was said in the request.
    fn hides_the_clinic(&self, who: &Caller, asked: &Ask, answer: &Answer) {
        let (said, told) = (asked.said(), answer.text());
        for needle in &self.clinic.needles {
            let needle = needle.to_lowercase();
            let Some(at) = told.find(&needle).filter(|_| !said.contains(&needle)) else { continue };
            let around: String = told[..at].chars().rev().take(300).collect::<Vec<_>>().into_iter().rev().collect();
            panic!("{who:?} asked {asked:?} and was told {needle:?} after: {around}");
        }
    }
}

/// The same whether the clinic has such a thing or nobody has.
fn same(who: &Caller, twins: &[(String, String)], asked: (&Ask, &Answer), nobodys: (&Ask, &Answer)) {
    let replaced = |answer: &Answer| {
        let told = answer.timeless().to_lowercase();
        twins.iter().fold(told, |told, (theirs, nobodys)| told.replace(&theirs.to_lowercase(), &nobodys.to_lowercase()))
    };
    assert_eq!(
        replaced(asked.1),
        replaced(nobodys.1),
        "{who:?} can tell what the clinic has from what nobody has: {:?} against {:?}",
        asked.0,
        nobodys.0
    );
}

fn also(path: &str, query: &str) -> String {
    format!("{path}{}{query}", if path.contains('?') { '&' } else { '?' })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_gets_learns_or_changes_anything_of_another_tenant() {
    let world = World::new().await;
    let operations = world.operations().await;
    let (bank, clinic, nobody) = (&world.bank, &world.clinic, world.clinic.nobodys());
    let twins = clinic.twins(&nobody);
    let cursors = cursors_of_the_clinic(&world, &operations).await;
    used_by_the_clinic(&world).await;
    reads_on(&world).await;

    let mut callers = vec![world.owner.stranger(), world.banker.clone()];
    for role in Role::ALL {
        callers.push(world.owner.key(role, Some(&bank.tenant)).await);
    }
    callers.push(world.owner.token(Role::Admin, &bank.tenant).await);
    sees_its_own(&world, &operations, &callers[2]).await;
    let before = dump::of(world.state.path(), &clinic.tenant);
    let mut n = 0;
    let mut tried = BTreeSet::new();
    for who in &callers {
        for ((method, route), parameters) in &operations {
            // It ends the session that asks; the clinic has no part in it.
            if route == "/api/logout" && who.by == By::Person {
                continue;
            }
            for (path, nobodys) in filled(route, clinic).into_iter().zip(filled(route, &nobody)) {
                n += 1;
                let theirs = ask(method, route, path, clinic, n);
                let nobodys = ask(method, route, nobodys, &nobody, n);
                let answer = who.ask(&theirs).await;
                world.hides_the_clinic(who, &theirs, &answer);
                if names_things(method, route) {
                    same(who, &twins, (&theirs, &answer), (&nobodys, &who.ask(&nobodys).await));
                }
                let mut variants = vec![
                    (
                        theirs.clone().with("x-vaani-tenant", &clinic.tenant),
                        nobodys.clone().with("x-vaani-tenant", &nobody.tenant),
                    ),
                    (
                        Ask {
                            path: also(&theirs.path, &format!("x-vaani-tenant={}", clinic.tenant)),
                            ..theirs.clone()
                        },
                        Ask {
                            path: also(&nobodys.path, &format!("x-vaani-tenant={}", nobody.tenant)),
                            ..nobodys.clone()
                        },
                    ),
                ];
                if method == "GET" {
                    variants
                        .push((theirs.clone().with("if-none-match", "*"), nobodys.clone().with("if-none-match", "*")));
                    variants
                        .push((theirs.clone().with("accept", "text/csv"), nobodys.clone().with("accept", "text/csv")));
                }
                for (at, (theirs, nobodys)) in variants.into_iter().enumerate() {
                    let answer = who.ask(&theirs).await;
                    world.hides_the_clinic(who, &theirs, &answer);
                    if names_things(method, route) || at < 2 && who.by != By::Stranger && !is_public(method, route) {
                        same(who, &twins, (&theirs, &answer), (&nobodys, &who.ask(&nobodys).await));
                    }
                }
            }
            looks_for_things(&world, who, method, route, parameters, &cursors, &twins).await;
            tried.insert((method.clone(), route.clone()));
        }
    }
    assert!(TABLE.iter().all(|row| tried.contains(&(row.method.to_owned(), row.path.to_owned()))));
    assert_eq!(tried.len(), operations.len());
    let after = dump::of(world.state.path(), &clinic.tenant);
    for (table, rows) in &before {
        assert_eq!(rows, &after[table], "the bank changed the clinic's {table}");
    }
    assert!(before.values().filter(|rows| !rows.is_empty()).count() >= 20, "little was planted: {before:#?}");

    Box::pin(watches_its_own(world)).await;
}

fn is_public(method: &str, route: &str) -> bool {
    TABLE.iter().any(|row| row.method == method && row.path == route && row.needs == Need::Nobody)
}

/// The cursor of the second page of every list, as the clinic gets it.
async fn cursors_of_the_clinic(
    world: &World,
    operations: &BTreeMap<(String, String), Vec<String>>,
) -> BTreeMap<String, String> {
    let mut cursors = BTreeMap::new();
    for ((method, route), parameters) in operations {
        if method != "GET" || !parameters.iter().any(|name| name == "cursor") {
            continue;
        }
        let path = &filled(route, &world.clinic)[0];
        let answer = world.owner.of(&world.clinic.tenant, &Ask::get(also(path, "limit=1"))).await;
        let link = answer.link().map(str::to_owned);
        let next = answer.json()["next"].as_str().map(str::to_owned).or(link);
        cursors.insert(
            route.clone(),
            next.unwrap_or_else(|| panic!("plant more for a second page of {route}: {answer:?}")),
        );
    }
    cursors
}

/// Lists asked for by the clinic's things, with its cursors, after its last event.
async fn looks_for_things(
    world: &World,
    who: &Caller,
    method: &str,
    route: &str,
    parameters: &[String],
    cursors: &BTreeMap<String, String>,
    twins: &[(String, String)],
) {
    if method != "GET" {
        return;
    }
    let path = filled(route, &world.bank).swap_remove(0);
    let nobody = world.clinic.nobodys();
    for parameter in parameters {
        let values = sought(parameter, &world.clinic).into_iter().flatten();
        let nobodys = sought(parameter, &nobody).into_iter().flatten();
        for (value, nobodys) in values.zip(nobodys) {
            let theirs = Ask::get(also(&path, &format!("{parameter}={value}")));
            let nobodys = Ask::get(also(&path, &format!("{parameter}={nobodys}")));
            let answer = who.ask(&theirs).await;
            world.hides_the_clinic(who, &theirs, &answer);
            // What comes after an id in the order of ids is told of everybody's.
            if parameter != "after" {
                same(who, twins, (&theirs, &answer), (&nobodys, &who.ask(&nobodys).await));
            }
        }
    }
    if let Some(cursor) = cursors.get(route) {
        for path in [filled(route, &world.bank), filled(route, &world.clinic)].concat() {
            let theirs = Ask::get(also(&path, &format!("cursor={cursor}")));
            let answer = who.ask(&theirs).await;
            world.hides_the_clinic(who, &theirs, &answer);
            assert!(answer.status.is_client_error(), "{who:?} goes on in the clinic's list: {theirs:?} {answer:?}");
        }
    }
    if parameters.iter().any(|name| name == "last_event_id") {
        let events = world.owner.of(&world.clinic.tenant, &Ask::get("/api/live?last_event_id=x")).await;
        let id = events.body.lines().rev().find_map(|line| line.strip_prefix("id: ")).expect("an event of the clinic");
        for asked in [Ask::get(also(&path, &format!("last_event_id={id}"))), Ask::get(&path).with("last-event-id", id)]
        {
            world.hides_the_clinic(who, &asked, &who.ask(&asked).await);
        }
    }
}

/// A request of the clinic with a key that the bank then uses for the same request.
async fn used_by_the_clinic(world: &World) {
    let body = json!({ "name": "the same", "phone_number": "+919711111111" });
    let customer = Ask {
        method: Method::POST,
        path: "/api/customers".to_owned(),
        headers: vec![("idempotency-key", "one-and-the-same".to_owned())],
        sent: Sent::Json(body),
    };
    let mut made = BTreeSet::new();
    for tenant in [&world.clinic.tenant, &world.bank.tenant] {
        let answer = world.owner.of(tenant, &customer).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        assert!(made.insert(answer.json()["id"].as_str().unwrap().to_owned()), "{tenant} got the other's answer");
        let again = world.owner.of(tenant, &customer).await;
        assert!(made.contains(again.json()["id"].as_str().unwrap()), "{again:?}");
    }
}

/// A page that asks for a live call again and again is one reading in the audit log.
async fn reads_on(world: &World) {
    let live = &world.bank.ids["call"][2];
    let read = async |way: &str| assert_eq!(world.banker.ask(&Ask::get(format!("{way}{live}"))).await.status, 200);
    // The test itself has looked at the call too, as the box.
    let noted = async || {
        let log = Ask::get(format!("/api/audit?what=transcript.view&about={live}"));
        let log = world.banker.ask(&log).await.json();
        log["items"].as_array().unwrap().iter().filter(|entry| entry["who"]["kind"] == "user").count()
    };
    for _ in 0..5 {
        read("/sessions/").await;
        read("/api/calls/").await;
    }
    assert_eq!(noted().await, 1);
    world.banker.ask(&Ask::get(format!("/api/calls/{live}/events"))).await;
    assert_eq!(noted().await, 2, "another way of reading is another entry");
}

/// So that the walk can fail: whoever has it in the bank is shown the bank's things by every route that
/// shows things, and all that was planted is found.
async fn sees_its_own(world: &World, operations: &BTreeMap<(String, String), Vec<String>>, admin: &Caller) {
    let mut unseen: BTreeSet<&String> = world.bank.needles.iter().collect();
    for (method, route) in operations.keys().filter(|(method, _)| method == "GET") {
        let mut shown = false;
        for path in filled(route, &world.bank) {
            let mut asked = ask(method, route, path, &world.bank, 0);
            if route == "/api/live" {
                asked = asked.with("last-event-id", "x");
            }
            for asked in [asked.clone(), asked.with("accept", "text/csv")] {
                let told = admin.ask(&asked).await.text();
                let (said, before) = (asked.said(), unseen.len());
                unseen.retain(|needle| !told.contains(&needle.to_lowercase()));
                let own = world
                    .bank
                    .needles
                    .iter()
                    .any(|needle| told.contains(&needle.to_lowercase()) && !said.contains(&needle.to_lowercase()));
                shown |= own || unseen.len() < before;
            }
        }
        let meant = !ways::SHOW_NOTHING.contains(&route.as_str());
        assert_eq!(shown, meant, "GET {route} shows something of the bank to its admin");
    }
    let by_nature = |needle: &&String| {
        // Shown once, or not at all.
        needle.as_str() == world.bank.id("session")
            || needle.as_str() == world.bank.id("token")
            || needle.ends_with(".backup")
    };
    let unseen: Vec<_> = unseen.into_iter().filter(|needle| !by_nature(needle)).collect();
    assert!(unseen.is_empty(), "planted and shown nowhere: {unseen:?}");
}

/// Streams: the bank's watchers hear the end of the bank's call and nothing of the clinic's.
async fn watches_its_own(world: World) {
    let World { daemon, owner, bank, clinic, calls, .. } = world;
    let key = owner.key(Role::Admin, Some(&bank.tenant)).await;
    let ticket = key.ask(&Ask { method: Method::POST, ..Ask::get("/api/live/ticket") }).await.json();
    let ticket = ticket["ticket"].as_str().unwrap().to_owned();
    let open = async |path: String, headers: &[(&'static str, String)]| {
        let mut request = owner.0.socket(&path).into_client_request().unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        tokio_tungstenite::connect_async(request).await
    };
    let by_key = open("/ws/dashboard/a?last_event_id=x".to_owned(), key.headers()).await.unwrap().0;
    let elsewhere =
        also(&format!("/ws/dashboard/b?ticket={ticket}&last_event_id=x"), &format!("x-vaani-tenant={}", clinic.tenant));
    let by_ticket = open(elsewhere, &[]).await.unwrap().0;
    for (path, headers) in [
        (format!("/ws/dashboard/c?ticket={ticket}"), Vec::new()),
        (format!("/ws/dashboard/c?x-vaani-tenant={}", clinic.tenant), key.headers().to_vec()),
        ("/ws/dashboard/c".to_owned(), vec![key.headers()[0].clone(), ("x-vaani-tenant", clinic.tenant.clone())]),
    ] {
        assert!(open(path.clone(), &headers).await.is_err(), "{path} was opened");
    }
    // The clinic's first, so that it would be heard.
    for call in calls.iter().rev() {
        call.hang_up().await.unwrap();
        daemon.ended(call.carrier_call()).await;
    }
    for mut socket in [by_key, by_ticket] {
        let mut heard = String::new();
        while !(heard.contains("call_ended") && heard.contains(bank.word)) {
            let message = timeout(Duration::from_secs(20), socket.next()).await.expect("the bank's call ended");
            heard += &message.unwrap().unwrap().to_string().to_lowercase();
        }
        for needle in &clinic.needles {
            assert!(!heard.contains(&needle.to_lowercase()), "a watcher of the bank heard {needle:?}: {heard}");
        }
    }
    daemon.stop().await;
}

/// Answers of the kind "the box could not", where that is the honest one here: lists are not called
/// yet, and no engine runs.
fn is_honest(route: &str, status: u16) -> bool {
    match status {
        501 => route == "/trigger-bulk-calls",
        502 => route == "/ai/process",
        503 => route == "/health",
        _ => status < 500,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_role_may_on_every_route_what_the_tables_say() {
    let world = World::new().await;
    let operations = world.operations().await;
    let bank = &world.bank;
    let mut callers = vec![world.owner.stranger(), world.banker.clone()];
    for role in Role::ALL {
        for tenant in [Some(bank.tenant.as_str()), None] {
            callers.push(world.owner.key(role, tenant).await);
            if role != Role::Service {
                let login = format!("walker.{role}.{}@example.com", tenant.is_some());
                callers.push(world.owner.person(&login, role, tenant).await.0);
            }
        }
        callers.push(world.owner.token(role, &bank.tenant).await);
    }
    // What names tenants on the page for Prometheus, which everybody may read.
    for who in &callers {
        let page = who.ask(&Ask::get("/metrics")).await;
        let (named, may) = (page.body.contains(bank.word), who.may(Permission::MetricsRead));
        assert!(page.status.is_success() && named == may, "{who:?} × /metrics: {}", page.body);
    }
    // Whoever may less goes first; leaving comes last, since a session ends with it.
    callers.reverse();
    let mut order: Vec<_> = operations.keys().collect();
    order.sort_by_key(|(method, route)| (route == "/api/logout", method == "DELETE"));
    let mut n = 0;
    for who in &callers {
        for (method, route) in &order {
            let row = TABLE.iter().find(|row| row.method == *method && row.path == *route);
            let needs = row.unwrap_or_else(|| panic!("{method} {route} has no row")).needs;
            for path in filled(route, bank) {
                n += 1;
                let mut asked = ask(method, route, path, bank, n);
                if who.by != By::Stranger {
                    asked = asked.with("x-vaani-tenant", &bank.tenant);
                }
                let answer = who.ask(&asked).await;
                let status = answer.status.as_u16();
                let about = || format!("{who:?} × {method} {route}: {answer:?}");
                assert!(is_honest(route, status), "{}", about());
                match needs {
                    Need::Nobody => {}
                    _ if who.by == By::Stranger => assert_eq!(status, 401, "{}", about()),
                    // People's own affairs, which programs have none of.
                    Need::May(Permission::Own) if who.by != By::Person => assert_eq!(status, 403, "{}", about()),
                    // A token issues no tokens.
                    Need::May(Permission::TokensIssue) if who.by == By::Token && *method == "POST" => {
                        assert_eq!(status, 403, "{}", about());
                    }
                    Need::May(permission) if !who.may(permission) => assert_eq!(status, 403, "{}", about()),
                    Need::Anybody | Need::May(_) => assert_ne!(status, 403, "{}", about()),
                }
            }
        }
    }
    assert!(n > 3_000, "{n} requests");
    for call in &world.calls {
        // One of them was ended by whoever might.
        let _ = call.hang_up().await;
        world.daemon.ended(call.carrier_call()).await;
    }
    world.daemon.stop().await;
}
