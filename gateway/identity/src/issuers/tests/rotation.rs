//! Keys that are fetched from a server that rotates them, is slow, answers nonsense, or is gone.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{advance, pause, resume, sleep};

use super::*;

/// What a server of keys says, and how often it was asked. Stopped when it is dropped.
struct KeyServer {
    port: u16,
    said: Arc<Said>,
    task: JoinHandle<()>,
}

struct Said {
    status: Mutex<&'static str>,
    body: Mutex<String>,
    delay: Mutex<Duration>,
    asked: AtomicUsize,
}

impl Drop for KeyServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl KeyServer {
    async fn start(keys: &[String]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let said = Arc::new(Said {
            status: Mutex::new("200 OK"),
            body: Mutex::new(set_of(keys)),
            delay: Mutex::new(Duration::ZERO),
            asked: AtomicUsize::new(0),
        });
        let port = listener.local_addr().unwrap().port();
        Self { port, task: tokio::spawn(Self::serve(listener, Arc::clone(&said))), said }
    }

    async fn serve(listener: TcpListener, said: Arc<Said>) {
        let mut open = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            open.spawn(Self::answer(stream, Arc::clone(&said)));
        }
    }

    async fn answer(mut stream: TcpStream, said: Arc<Said>) {
        let mut head = [0; 4_096];
        if !matches!(stream.read(&mut head).await, Ok(count) if count > 0) {
            return;
        }
        said.asked.fetch_add(1, Ordering::Relaxed);
        let delay = *said.delay.lock();
        let text = {
            let (status, body) = (said.status.lock(), said.body.lock());
            format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
        };
        if delay > Duration::ZERO {
            sleep(delay).await;
        }
        let _ = stream.write_all(text.as_bytes()).await;
    }

    fn say(&self, status: &'static str, body: String) {
        *self.said.status.lock() = status;
        *self.said.body.lock() = body;
    }

    fn publish(&self, keys: &[String]) {
        self.say("200 OK", set_of(keys));
    }

    fn asked(&self) -> usize {
        self.said.asked.load(Ordering::Relaxed)
    }

    fn issuer(&self, lines: &str) -> Arc<Issuer> {
        let url = format!("http://127.0.0.1:{}/jwks.json", self.port);
        let lines = format!("algorithms = [\"ES256\"]\njwks_url = \"{url}\"\n{lines}");
        Arc::new(issuer(&table(&lines), b"", b""))
    }
}

/// A key with a name.
struct Named {
    signer: Signer,
    id: String,
}

impl Named {
    fn new(id: &str) -> Self {
        Self { signer: Signer::es256(), id: id.to_owned() }
    }

    fn jwk(&self) -> String {
        self.signer.jwk(&format!("\"kid\":\"{}\"", self.id))
    }

    /// A token, different for each number.
    fn token(&self, number: usize) -> String {
        let header = format!(r#"{{"alg":"ES256","kid":"{}"}}"#, self.id);
        self.signer.token(&header, &claims(&format!(",\"jti\":\"{number}\"")))
    }
}

/// As a request does it: a key that is not known is asked for once.
async fn verify(issuers: &Issuers, issuer: &Arc<Issuer>, token: &str) -> Result<(), Flaw> {
    let candidates = std::slice::from_ref(issuer);
    let mut verdict = issuers.verify(candidates, token.as_bytes(), at(NOW_S));
    if let Verification::UnknownKey(missing) = &verdict {
        issuers.refresh(missing).await;
        verdict = issuers.verify_again(candidates, token.as_bytes(), at(NOW_S), missing);
    }
    match verdict {
        Verification::Good(_) => Ok(()),
        Verification::Refused { flaw, .. } => Err(flaw),
        Verification::UnknownKey(missing) => panic!("asked twice for {missing:?}"),
    }
}

fn started(issuer: &Arc<Issuer>) -> Arc<Issuers> {
    let issuers = Arc::new(Issuers::new());
    issuers.reconcile(std::slice::from_ref(issuer));
    issuers
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_check_fails_while_keys_rotate_under_load() {
    const ROTATIONS: usize = 20;
    let first = Named::new("key-0");
    let server = KeyServer::start(&[first.jwk()]).await;
    let issuer = server.issuer("cooldown = \"1m\"");
    let issuers = started(&issuer);
    let current = Arc::new(Mutex::new(Arc::new(first)));
    let stop = Arc::new(AtomicBool::new(false));
    let mut tasks = JoinSet::new();
    for task in 0..8 {
        let (issuers, issuer) = (Arc::clone(&issuers), Arc::clone(&issuer));
        let (current, stop) = (Arc::clone(&current), Arc::clone(&stop));
        tasks.spawn(async move {
            let mut checked = 0;
            while !stop.load(Ordering::Relaxed) {
                let key = Arc::clone(&current.lock());
                let result = verify(&issuers, &issuer, &key.token(task * 1_000_000 + checked)).await;
                assert_eq!(result, Ok(()), "check {checked} of task {task}, {}", key.id);
                checked += 1;
                tokio::task::yield_now().await;
            }
            checked
        });
    }
    for rotation in 1..=ROTATIONS {
        // Sooner after each other than requests are that looked before.
        sleep(Duration::from_millis(150)).await;
        let next = Named::new(&format!("key-{rotation}"));
        // The issuer signs with a key from the moment in which it publishes it.
        let before = current.lock().jwk();
        server.publish(&[before, next.jwk()]);
        *current.lock() = Arc::new(next);
    }
    sleep(Duration::from_millis(500)).await;
    stop.store(true, Ordering::Relaxed);
    let checked: usize = tasks.join_all().await.into_iter().sum();
    assert!(checked > 1_000, "{checked}");
    assert!((1 + ROTATIONS..=2 * (1 + ROTATIONS)).contains(&server.asked()), "asked {} times", server.asked());
}

/// Who looked in the set before does not have the one after fetched again, which would begin a cooldown.
#[tokio::test]
async fn a_late_wish_for_keys_that_came_meanwhile_is_granted_without_a_fetch() {
    let (key, next) = (Named::new("one"), Named::new("two"));
    let server = KeyServer::start(&[key.jwk()]).await;
    let issuer = server.issuer("cooldown = \"1h\"");
    let issuers = started(&issuer);
    assert_eq!(verify(&issuers, &issuer, &key.token(0)).await, Ok(()));
    let look = |key: &Named| match issuers.verify(std::slice::from_ref(&issuer), key.token(0).as_bytes(), at(NOW_S)) {
        Verification::UnknownKey(missing) => missing,
        other => panic!("{other:?}"),
    };
    let (early, late) = (look(&next), look(&next));
    server.publish(&[key.jwk(), next.jwk()]);
    assert!(issuers.refresh(&early).await && issuers.refresh(&late).await);
    assert_eq!(server.asked(), 2);
    // So the next rotation, just after, is followed too.
    let third = Named::new("three");
    let missing = look(&third);
    server.publish(&[next.jwk(), third.jwk()]);
    assert!(issuers.refresh(&missing).await);
    assert_eq!(verify(&issuers, &issuer, &third.token(1)).await, Ok(()));
    assert_eq!(server.asked(), 3);
}

#[tokio::test]
async fn many_requests_share_one_fetch() {
    let key = Arc::new(Named::new("one"));
    let server = KeyServer::start(&[key.jwk()]).await;
    *server.said.delay.lock() = Duration::from_millis(200);
    let issuer = server.issuer("");
    let issuers = started(&issuer);
    let mut tasks = JoinSet::new();
    for number in 0..100 {
        let (issuers, issuer, key) = (Arc::clone(&issuers), Arc::clone(&issuer), Arc::clone(&key));
        tasks.spawn(async move { verify(&issuers, &issuer, &key.token(number)).await });
    }
    assert!(tasks.join_all().await.iter().all(|result| *result == Ok(())));
    assert_eq!(server.asked(), 1);
}

#[tokio::test]
async fn made_up_key_names_do_not_hammer_the_issuer() {
    let key = Named::new("one");
    let server = KeyServer::start(&[key.jwk()]).await;
    let issuer = server.issuer("cooldown = \"1s\"");
    let issuers = started(&issuer);
    assert_eq!(verify(&issuers, &issuer, &key.token(0)).await, Ok(()));
    for number in 0..500 {
        let stranger = Named { signer: Signer::es256(), id: format!("made-up-{number}") };
        let refused = verify(&issuers, &issuer, &stranger.token(number)).await;
        // Asked for, it is not there; during the cooldown nobody knows.
        let expect = if number == 0 { vec![Flaw::UnknownKey] } else { vec![Flaw::UnknownKey, Flaw::KeysUnavailable] };
        assert!(refused.is_err_and(|flaw| expect.contains(&flaw)), "{number}: {refused:?}");
        assert_eq!(verify(&issuers, &issuer, &key.token(number)).await, Ok(()));
    }
    assert!((2..=4).contains(&server.asked()), "asked {} times", server.asked());
    // After the cooldown a real rotation is followed.
    sleep(Duration::from_millis(1_100)).await;
    let next = Named::new("two");
    server.publish(&[next.jwk()]);
    assert_eq!(verify(&issuers, &issuer, &next.token(1)).await, Ok(()));
    // The old key left the set, and with it what was known of its tokens.
    assert_eq!(verify(&issuers, &issuer, &key.token(0)).await, Err(Flaw::UnknownKey));
}

/// Whoever keeps the cooldown alive with made-up names does not get those refused as forgers who come with the next key.
#[tokio::test]
async fn a_rotation_during_a_cooldown_is_told_from_a_forgery() {
    let (key, next, stranger) = (Named::new("one"), Named::new("two"), Named::new("made-up"));
    let server = KeyServer::start(&[key.jwk()]).await;
    let issuer = server.issuer("cooldown = \"10s\"");
    let issuers = started(&issuer);
    assert_eq!(verify(&issuers, &issuer, &key.token(0)).await, Ok(()));
    for round in 0..3 {
        // The issuer was asked after the token came, and does not know it.
        assert_eq!(verify(&issuers, &issuer, &stranger.token(round)).await, Err(Flaw::UnknownKey), "{round}");
        pause();
        advance(Duration::from_secs(9)).await;
        resume();
        let before_cooled = verify(&issuers, &issuer, &stranger.token(round)).await;
        assert_eq!(before_cooled, Err(Flaw::KeysUnavailable), "{round}");
        pause();
        advance(Duration::from_secs(2)).await;
        resume();
    }
    assert_eq!(verify(&issuers, &issuer, &stranger.token(9)).await, Err(Flaw::UnknownKey));
    server.publish(&[key.jwk(), next.jwk()]);
    let asked = server.asked();
    assert_eq!(verify(&issuers, &issuer, &next.token(0)).await, Err(Flaw::KeysUnavailable));
    assert_eq!(server.asked(), asked, "the cooldown holds");
    pause();
    advance(Duration::from_secs(11)).await;
    resume();
    assert_eq!(verify(&issuers, &issuer, &next.token(0)).await, Ok(()));
    // Those who come while a fetch is under way are answered by the one after it.
    let issuers = &issuers;
    *server.said.delay.lock() = Duration::from_millis(300);
    let (first, second) = (stranger.token(10), stranger.token(11));
    let late = async {
        sleep(Duration::from_millis(100)).await;
        verify(issuers, &issuer, &second).await
    };
    let both = tokio::join!(verify(issuers, &issuer, &first), late);
    assert_eq!(both, (Err(Flaw::UnknownKey), Err(Flaw::UnknownKey)));
    assert_eq!(server.asked(), asked + 3);
}

#[tokio::test]
async fn the_last_good_keys_stay_during_an_outage() {
    let (key, next) = (Named::new("one"), Named::new("two"));
    let server = KeyServer::start(&[key.jwk()]).await;
    let issuer = server.issuer("cooldown = \"1s\"");
    let issuers = started(&issuer);
    assert_eq!(verify(&issuers, &issuer, &key.token(0)).await, Ok(()));
    let private = key.jwk().replace("\"kid\"", "\"d\":\"AAAA\",\"kid\"");
    let nonsense = [
        ("500 Oops", set_of(&[next.jwk()])),
        ("404 Not Found", String::new()),
        ("204 No Content", String::new()),
        ("302 Found", set_of(&[next.jwk()])),
        ("200 OK", "<html>We are down for maintenance</html>".to_owned()),
        ("200 OK", String::new()),
        ("200 OK", set_of(&[])),
        ("200 OK", set_of(&[private])),
        ("200 OK", "x".repeat(crate::jwks::MAX_SET_BYTES + 1)),
    ];
    for (index, (status, body)) in nonsense.into_iter().enumerate() {
        server.say(status, body);
        let asked = server.asked();
        assert_eq!(verify(&issuers, &issuer, &next.token(index)).await, Err(Flaw::KeysUnavailable), "{status}");
        assert_eq!(server.asked(), asked + 1, "{status}");
        // A cooldown follows every failure.
        for number in 0..20 {
            assert_eq!(verify(&issuers, &issuer, &next.token(number)).await, Err(Flaw::KeysUnavailable));
            assert_eq!(verify(&issuers, &issuer, &key.token(1_000 + number)).await, Ok(()));
        }
        assert_eq!(server.asked(), asked + 1, "{status}");
        pause();
        advance(Duration::from_secs(2)).await;
        resume();
    }
    let url_port = server.port;
    drop(server);
    assert_eq!(verify(&issuers, &issuer, &next.token(99)).await, Err(Flaw::KeysUnavailable));
    assert_eq!(verify(&issuers, &issuer, &key.token(99)).await, Ok(()), "port {url_port} is closed");
    // Too long is too long.
    pause();
    advance(Duration::from_hours(24)).await;
    resume();
    assert_eq!(verify(&issuers, &issuer, &key.token(99)).await, Err(Flaw::KeysUnavailable));
}

#[tokio::test]
async fn what_is_held_of_an_issuer_is_shown() {
    let (key, next) = (Named::new("one"), Named::new("two"));
    let server = KeyServer::start(&[key.jwk(), next.jwk()]).await;
    let issuer = server.issuer("stale = \"1h\"");
    let issuers = started(&issuer);
    let check = |status: &str, held: usize, age_s: Option<u64>| {
        let keys = issuers.keys_of(&issuer);
        assert_eq!((keys.status.as_str(), keys.held, keys.age.map(|age| age.as_secs())), (status, held, age_s));
    };
    let pass = async |seconds| {
        pause();
        advance(Duration::from_secs(seconds)).await;
        resume();
    };
    check("unavailable", 0, None);
    assert_eq!(verify(&issuers, &issuer, &key.token(0)).await, Ok(()));
    check("current", 2, Some(0));
    pass(600).await;
    check("current", 2, Some(600));
    server.say("500 Oops", String::new());
    assert_eq!(verify(&issuers, &issuer, &Named::new("three").token(0)).await, Err(Flaw::KeysUnavailable));
    check("kept", 2, Some(600));
    pass(3_601).await;
    check("unavailable", 0, Some(4_201));
    server.publish(&[next.jwk()]);
    assert_eq!(verify(&issuers, &issuer, &next.token(0)).await, Ok(()));
    check("current", 1, Some(0));
}

#[test]
fn configured_keys_are_shown_as_such() {
    let secret = Arc::new(issuer(&table("algorithms = [\"HS256\"]\nkey = \"secret://env/KEY\""), SECRET, b""));
    let expect = KeysState { status: KeysStatus::Configured, held: 1, age: None };
    // Those of a snapshot that is not taken over yet, too.
    assert_eq!(Issuers::new().keys_of(&secret), expect);
    assert_eq!(started(&secret).keys_of(&secret), expect);
}

#[tokio::test]
async fn an_issuer_that_was_never_reached() {
    let key = Named::new("one");
    let server = KeyServer::start(&[key.jwk()]).await;
    server.say("503 Busy", String::new());
    let issuer = server.issuer("");
    let issuers = started(&issuer);
    assert_eq!(verify(&issuers, &issuer, &key.token(0)).await, Err(Flaw::KeysUnavailable));
    // A slow one costs a request its patience, not the connection.
    pause();
    advance(Duration::from_secs(11)).await;
    resume();
    server.publish(&[key.jwk()]);
    assert_eq!(verify(&issuers, &issuer, &key.token(0)).await, Ok(()));
    assert_eq!(issuers.slots.load()["main"].metrics.verified.get(), 1);
}

#[tokio::test]
async fn keys_are_fetched_beforehand_and_again_when_they_are_due() {
    let (key, next) = (Named::new("one"), Named::new("two"));
    let server = KeyServer::start(&[key.jwk()]).await;
    let issuer = server.issuer("refresh = \"1m\"");
    let issuers = started(&issuer);
    let running = Arc::clone(&issuers);
    let task = tokio::spawn(async move { running.run().await });
    let wait_for = async |count: usize| {
        for _ in 0..500 {
            if server.asked() == count {
                return;
            }
            sleep(Duration::from_millis(10)).await;
        }
        panic!("asked {} times, not {count}", server.asked());
    };
    wait_for(1).await;
    sleep(Duration::from_millis(100)).await;
    let known = issuers.verify(std::slice::from_ref(&issuer), key.token(0).as_bytes(), at(NOW_S));
    assert!(matches!(known, Verification::Good(_)), "{known:?}");
    server.publish(&[key.jwk(), next.jwk()]);
    pause();
    advance(Duration::from_secs(61)).await;
    resume();
    wait_for(2).await;
    sleep(Duration::from_millis(100)).await;
    let known = issuers.verify(std::slice::from_ref(&issuer), next.token(0).as_bytes(), at(NOW_S));
    assert!(matches!(known, Verification::Good(_)), "{known:?}");
    task.abort();
}

#[tokio::test]
async fn attempts_become_rare_while_the_issuer_is_gone() {
    let server = KeyServer::start(&[]).await;
    let issuer = server.issuer("");
    drop(server);
    let issuers = started(&issuer);
    let running = Arc::clone(&issuers);
    let task = tokio::spawn(async move { running.run().await });
    pause();
    // Ten minutes: at 0, 1, 3, 7, 15, 31 and 63 seconds, and then every minute.
    sleep(Duration::from_mins(10)).await;
    resume();
    task.abort();
    let mut text = String::new();
    let mut registry = prometheus_client::registry::Registry::default();
    issuers.metrics().register(&mut registry);
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
    let line = text.lines().find(|line| line.contains("key_fetches_total") && line.contains("unreachable")).unwrap();
    let attempts: u32 = line.rsplit(' ').next().unwrap().parse().unwrap();
    assert!((12..=17).contains(&attempts), "{line}");
}

#[tokio::test]
async fn keys_survive_a_reload() {
    let key = Named::new("one");
    let server = KeyServer::start(&[key.jwk()]).await;
    let before = server.issuer("");
    let issuers = started(&before);
    assert_eq!(verify(&issuers, &before, &key.token(0)).await, Ok(()));
    // Other rules, the same keys: nothing is fetched.
    let after = server.issuer("leeway = \"5s\"\nrefresh = \"2m\"");
    issuers.reconcile(std::slice::from_ref(&after));
    assert_eq!(verify(&issuers, &after, &key.token(1)).await, Ok(()));
    assert_eq!(server.asked(), 1);
    // Keys from elsewhere: a request that began before still has the old ones, until the reload after.
    let other_key = Named::new("one");
    let other = KeyServer::start(&[other_key.jwk()]).await;
    let moved = other.issuer("");
    issuers.reconcile(std::slice::from_ref(&moved));
    assert_eq!(verify(&issuers, &after, &key.token(2)).await, Ok(()));
    assert_eq!(verify(&issuers, &moved, &other_key.token(3)).await, Ok(()));
    assert_eq!(verify(&issuers, &moved, &key.token(4)).await, Err(Flaw::Signature));
    assert_eq!(verify(&issuers, &after, &other_key.token(5)).await, Err(Flaw::Signature));
    issuers.reconcile(std::slice::from_ref(&moved));
    assert_eq!(verify(&issuers, &after, &key.token(6)).await, Err(Flaw::KeysUnavailable));
    // And gone, with its series.
    issuers.reconcile(&[]);
    issuers.reconcile(&[]);
    assert!(issuers.slots.load().is_empty());
    assert!(!issuers.refresh(&MissingKey::of("main")).await);
}
