use super::*;

/// A resolver that answers as it is told, one answer after the other, the last one for ever.
struct Told {
    answers: Vec<Vec<&'static str>>,
    asked: std::sync::atomic::AtomicUsize,
}

fn told(answers: &[&[&'static str]]) -> Arc<Told> {
    Arc::new(Told { answers: answers.iter().map(|a| a.to_vec()).collect(), asked: Default::default() })
}

impl Lookup for Told {
    fn lookup(&self, _: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        let at = self.asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed).min(self.answers.len() - 1);
        let answer = self.answers[at].iter().map(|ip| ip.parse().unwrap()).collect();
        Box::pin(async move { Ok(answer) })
    }
}

fn guard(allowed: &[&str], allow_http: bool) -> Guard {
    Guard::new(allowed.iter().map(|n| n.parse().unwrap()).collect(), allow_http, Arc::new(SystemNames))
}

#[test]
fn only_plainly_public_addresses_are_permitted() {
    let strict = guard(&[], false);
    for refused in [
        "0.0.0.0",
        "0.1.2.3",
        "10.0.0.1",
        "10.255.255.255",
        "100.64.0.1",
        "100.127.255.255",
        "100.100.100.200",
        "127.0.0.1",
        "127.1.2.3",
        "127.255.255.255",
        "169.254.0.1",
        "169.254.169.254",
        "169.254.170.2",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.1",
        "192.0.0.192",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.0.1",
        "192.168.255.255",
        "198.18.0.1",
        "198.19.255.255",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.255",
        "168.63.129.16",
        // IPv6, and IPv4 in its clothes.
        "::",
        "::1",
        "::127.0.0.1",
        "::8.8.8.8",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:8.8.8.8",
        "::ffff:169.254.169.254",
        "64:ff9b::7f00:1",
        "64:ff9b::808:808",
        "64:ff9b:1::1",
        "100::1",
        "2001::1",
        "2001:0:53aa:64c::1",
        "2001:10::1",
        "2001:20::1",
        "2001:db8::1",
        "2002:7f00:1::1",
        "2002:808:808::1",
        "3fff::1",
        "4000::1",
        "5f00::1",
        "fc00::1",
        "fd00::1",
        "fd00:ec2::254",
        "fe80::1",
        "febf::1",
        "fec0::1",
        "ff02::1",
        "ff0e::1",
    ] {
        assert!(!strict.permits(refused.parse().unwrap()), "{refused}");
    }
    for permitted in [
        "1.1.1.1",
        "8.8.8.8",
        "9.255.255.255",
        "11.0.0.1",
        "100.63.255.255",
        "100.128.0.1",
        "126.255.255.255",
        "128.0.0.1",
        "169.253.0.1",
        "172.15.255.255",
        "172.32.0.1",
        "192.0.1.1",
        "192.167.255.255",
        "192.169.0.1",
        "198.17.255.255",
        "198.20.0.1",
        "223.255.255.255",
        "2606:4700::1111",
        "2a00:1450::1",
        "2400:cb00::1",
    ] {
        assert!(strict.permits(permitted.parse().unwrap()), "{permitted}");
    }
}

#[test]
fn networks_are_opened_by_name_and_metadata_only_by_its_very_address() {
    let open = guard(&["10.0.0.0/8", "169.254.0.0/16", "fd00::/8", "127.0.0.1"], false);
    for (ip, permitted) in [
        ("10.1.2.3", true),
        ("192.168.1.1", false),
        ("127.0.0.1", true),
        ("127.0.0.2", false),
        ("169.254.1.1", true),
        ("169.254.169.254", false),
        ("fd12::1", true),
        ("fd00:ec2::254", false),
        // Opening 10/8 opens no other spelling of it.
        ("::ffff:10.1.2.3", false),
        ("64:ff9b::a01:203", false),
    ] {
        assert_eq!(open.permits(ip.parse().unwrap()), permitted, "{ip}");
    }
    assert!(guard(&["169.254.169.254"], false).permits("169.254.169.254".parse().unwrap()));
    assert!(guard(&["168.63.129.16/32"], false).permits("168.63.129.16".parse().unwrap()));
}

#[test]
fn addresses_are_read_in_every_spelling() {
    use Refusal::{Credentials, Fragment, NotAUrl, NotHttps, Private, TooLong};
    let strict = guard(&[], false);
    let long = format!("https://example.in/{}", "a".repeat(2_000));
    let cases: [(&str, Result<(), Refusal>); 47] = [
        ("https://example.in/hooks", Ok(())),
        ("https://example.in:8443/hooks?x=1", Ok(())),
        ("HTTPS://EXAMPLE.IN/", Ok(())),
        ("https://8.8.8.8/", Ok(())),
        ("https://[2606:4700::1111]/", Ok(())),
        ("https://बैंक.भारत/hooks", Ok(())),
        ("http://example.in/", Err(NotHttps)),
        ("ftp://example.in/", Err(NotAUrl)),
        ("file:///etc/passwd", Err(NotAUrl)),
        ("gopher://127.0.0.1:6379/_x", Err(NotAUrl)),
        ("unix:/run/docker.sock", Err(NotAUrl)),
        ("javascript:alert(1)", Err(NotAUrl)),
        ("", Err(NotAUrl)),
        ("https://", Err(NotAUrl)),
        ("https://./", Err(NotAUrl)),
        ("//example.in", Err(NotAUrl)),
        ("example.in", Err(NotAUrl)),
        ("https://exa mple.in/", Err(NotAUrl)),
        ("https://example.in/\r\nx: y", Err(NotAUrl)),
        ("https://example.in/\u{0}", Err(NotAUrl)),
        ("https://example.in:0/", Err(NotAUrl)),
        ("https://example.in:99999/", Err(NotAUrl)),
        ("https://user:secret@example.in/", Err(Credentials)),
        ("https://user@example.in/", Err(Credentials)),
        ("https://example.in#@127.0.0.1/", Err(Fragment)),
        ("https://127.0.0.1/", Err(Private)),
        ("https://127.1/", Err(Private)),
        ("https://127.0.1/", Err(Private)),
        ("https://2130706433/", Err(Private)),
        ("https://0x7f000001/", Err(Private)),
        ("https://0x7f.0.0.1/", Err(Private)),
        ("https://0177.0.0.1/", Err(Private)),
        ("https://017700000001/", Err(Private)),
        ("https://127.0.0.1./", Err(Private)),
        ("https://１２７.0.0.1/", Err(Private)),
        ("https://0/", Err(Private)),
        ("https://3232235777/", Err(Private)),
        ("https://169.254.169.254/latest/meta-data/", Err(Private)),
        ("https://[::1]/", Err(Private)),
        ("https://[::]/", Err(Private)),
        ("https://[::ffff:127.0.0.1]/", Err(Private)),
        ("https://[::ffff:7f00:1]/", Err(Private)),
        ("https://[0:0:0:0:0:ffff:a00:1]/", Err(Private)),
        ("https://[fe80::1]/", Err(Private)),
        ("https://localhost/", Err(Private)),
        ("https://LOCALHOST.:8080/", Err(Private)),
        (&long, Err(TooLong)),
    ];
    for (text, wanted) in cases {
        assert_eq!(strict.check(text).map(drop), wanted, "{text}");
    }
    let open = guard(&["127.0.0.0/8"], true);
    for fine in ["http://127.0.0.1:8080/x", "http://localhost/", "http://0x7f.1/", "http://example.in/"] {
        assert!(open.check(fine).is_ok(), "{fine}");
    }
    assert_eq!(open.check("http://[::1]/").map(drop), Err(Refusal::Private));
}

#[tokio::test]
async fn a_name_gives_only_the_addresses_that_are_permitted() {
    let resolve = async |answers: &[&[&'static str]]| {
        let guard = Guard::new(Vec::new(), false, told(answers));
        guard
            .addresses("example.in".to_owned())
            .await
            .map(|found| found.iter().map(ToString::to_string).collect::<Vec<_>>())
    };
    assert_eq!(resolve(&[&["8.8.8.8", "2606:4700::1111"]]).await.unwrap(), ["8.8.8.8", "2606:4700::1111"]);
    assert_eq!(resolve(&[&["127.0.0.1", "8.8.8.8", "::1"]]).await.unwrap(), ["8.8.8.8"]);
    assert_eq!(resolve(&[&["10.0.0.1", "::ffff:10.0.0.1"]]).await, Err(Refusal::Private));
    assert_eq!(resolve(&[&[]]).await, Err(Refusal::Unknown));
    let nobody = Guard::new(Vec::new(), false, Arc::new(SystemNames));
    assert_eq!(nobody.addresses("no-such-name.invalid".to_owned()).await, Err(Refusal::Unknown));
}

/// The client itself, with the guard as its resolver: what it connects to is what the guard saw.
#[tokio::test]
async fn a_name_that_changes_between_check_and_connection_gains_nothing() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let url = format!("http://rebound.example.in:{port}/");
    let letter = |url: &str| crate::store::webhooks::Letter {
        id: crate::base::DeliveryId::new(),
        url: url.to_owned(),
        body: "{}".to_owned(),
        secrets: crate::store::webhooks::Secrets { current: super::super::new_secret().unwrap(), old: None },
    };
    let send = async |guard: Guard| {
        let post = super::super::post::Post::new(guard, crate::base::Clock::system(), &Default::default()).unwrap();
        tokio::time::timeout(std::time::Duration::from_millis(600), post.send(&letter(&url))).await
    };
    // Public when it is written down, private when it is sent: refused, and nobody connects.
    let names = told(&[&["127.0.0.1"]]);
    let guard = Guard::new(Vec::new(), true, names.clone());
    assert!(guard.check(&url).is_ok(), "a name says nothing yet");
    let refused = super::super::post::Outcome::Failed {
        status: None,
        why: "the address is not allowed".to_owned(),
        retry_after: None,
    };
    assert_eq!(send(guard).await.unwrap(), refused);
    // First a permitted address where nobody answers, afterwards this machine: one attempt resolves
    // once and goes where it resolved to, the next is refused.
    let names = told(&[&["127.0.0.7"], &["127.0.0.1"]]);
    let guard = Guard::new(vec!["127.0.0.7".parse().unwrap()], true, names.clone());
    assert_ne!(send(guard.clone()).await, Ok(refused.clone()));
    assert_eq!(names.asked.load(std::sync::atomic::Ordering::Relaxed), 1, "one attempt asks once");
    assert_eq!(send(guard).await.unwrap(), refused);
    let reached = tokio::time::timeout(std::time::Duration::from_millis(50), listener.accept()).await;
    assert!(reached.is_err(), "somebody connected to a private address");
}
