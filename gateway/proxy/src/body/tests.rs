//! Bodies over an in-memory HTTP/1 connection, in all sizes around Pingora's 64 KiB window.

use std::sync::Arc;

use pingora::protocols::Stream;
use tokio::io::{AsyncWriteExt, DuplexStream, duplex};

use super::*;
use crate::Metrics;
use crate::budget::BodyBudget;

const SIZES: [usize; 8] = [0, 1, 65_535, 65_536, 65_537, 131_073, 1 << 20, 10 << 20];

fn body(size: usize) -> Vec<u8> {
    (0..=250u8).cycle().take(size).collect()
}

fn want(limit_bytes: u64) -> Want {
    Want { limit_bytes, prefix_bytes: None, deadline: Duration::from_secs(20) }
}

fn budget(limit: u64) -> Arc<BodyBudget> {
    BodyBudget::new(limit, &Metrics::default())
}

async fn session(head: String, send: impl AsyncFnOnce(DuplexStream) + 'static) -> Session {
    let (mut client, server) = duplex(32 * 1024);
    tokio::task::spawn_local(async move {
        client.write_all(head.as_bytes()).await.unwrap();
        send(client).await;
    });
    let mut session = Session::new_h1(Box::new(server) as Stream);
    assert!(session.downstream_session.read_request().await.unwrap());
    session
}

async fn with_length(bytes: Vec<u8>) -> Session {
    let head = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", bytes.len());
    session(head, async move |mut client| {
        let _ = client.write_all(&bytes).await;
        std::future::pending::<()>().await;
    })
    .await
}

async fn chunked(bytes: Vec<u8>) -> Session {
    session("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned(), async move |mut client| {
        for chunk in bytes.chunks(10_007) {
            let _ = client.write_all(format!("{:x}\r\n", chunk.len()).as_bytes()).await;
            let _ = client.write_all(chunk).await;
            let _ = client.write_all(b"\r\n").await;
        }
        let _ = client.write_all(b"0\r\n\r\n").await;
        std::future::pending::<()>().await;
    })
    .await
}

fn local(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, test);
}

#[test]
fn every_size_arrives_whole_and_names_its_carriage() {
    local(async {
        for size in SIZES {
            let sent = body(size);
            for declared in [true, false] {
                let mut session = if declared { with_length(sent.clone()).await } else { chunked(sent.clone()).await };
                let budget = budget(64 << 20);
                let mut permit = budget.permit();
                let read = read(&mut session, want(16 << 20), &mut permit).await.unwrap();
                assert!(read.bytes == sent, "{size} {declared}");
                assert!(read.whole);
                assert_eq!(budget.used_bytes(), size as u64);
                let expect = match size {
                    0 => Carriage::Nothing,
                    1..=65_536 => Carriage::Replayed,
                    _ if declared => Carriage::Replaced(read.bytes.clone()),
                    _ => Carriage::Subrequest,
                };
                assert_eq!(read.carriage, expect, "{size} {declared}");
                // What makes Pingora run the body filter: a retry buffer with something in it.
                let runs = session.get_retry_buffer().is_some();
                assert_eq!(runs, size > 0 && (declared || size <= 65_536), "{size} {declared}");
            }
        }
    });
}

#[test]
fn too_long_by_declaration_is_refused_before_reading() {
    local(async {
        let mut session = with_length(body(2_000)).await;
        let fault = read(&mut session, want(1_999), &mut budget(1 << 20).permit()).await.unwrap_err();
        assert_eq!(fault, BodyFault::TooLarge { limit_bytes: 1_999 });
        assert_eq!(session.body_bytes_read(), 0);
    });
}

#[test]
fn too_long_by_count_is_refused() {
    local(async {
        let mut session = chunked(body(200_000)).await;
        let fault = read(&mut session, want(100_000), &mut budget(1 << 20).permit()).await.unwrap_err();
        assert_eq!(fault, BodyFault::TooLarge { limit_bytes: 100_000 });
        assert!(session.body_bytes_read() < 180_000);
    });
}

#[test]
fn a_spent_budget_refuses() {
    local(async {
        let budget = budget(100_000);
        let mut session = with_length(body(100_001)).await;
        {
            let mut permit = budget.permit();
            assert_eq!(read(&mut session, want(1 << 20), &mut permit).await.unwrap_err(), BodyFault::BudgetSpent);
        }
        assert_eq!(budget.used_bytes(), 0);
    });
}

#[test]
fn a_slow_body_is_cut_by_the_total_deadline() {
    local(async {
        tokio::time::pause();
        let head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n".to_owned();
        let mut session = session(head, async |mut client| {
            for _ in 0..100 {
                tokio::time::sleep(Duration::from_secs(5)).await;
                let _ = client.write_all(b"x").await;
            }
        })
        .await;
        let began = tokio::time::Instant::now();
        let fault = read(&mut session, want(1 << 20), &mut budget(1 << 20).permit()).await.unwrap_err();
        assert_eq!(fault, BodyFault::Timeout);
        assert_eq!(began.elapsed().as_secs(), 20);
    });
}

#[test]
fn a_body_that_ends_early_is_incomplete() {
    local(async {
        for head in [
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nshort",
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nshort\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nshort\r\n",
        ] {
            let mut session = session(head.to_owned(), async |client| drop(client)).await;
            let fault = read(&mut session, want(1 << 20), &mut budget(1 << 20).permit()).await.unwrap_err();
            assert_eq!(fault, BodyFault::Incomplete, "{head}");
        }
    });
}

#[test]
fn a_prefix_leaves_the_rest_on_the_connection() {
    local(async {
        for declared in [true, false] {
            let sent = body(300_000);
            let mut session = if declared { with_length(sent.clone()).await } else { chunked(sent.clone()).await };
            let want = Want { prefix_bytes: Some(64 << 10), ..want(16 << 20) };
            let read = read(&mut session, want, &mut budget(1 << 20).permit()).await.unwrap();
            assert!(!read.whole);
            assert!(read.bytes.len() >= 64 << 10 && sent.starts_with(&read.bytes));
            assert_eq!(read.carriage, Carriage::Prepended(read.bytes.clone()));
            assert!(session.get_retry_buffer().is_none());
            let mut next = session.read_request_body().await.unwrap();
            read.carriage.fill(&mut next);
            assert!(sent.starts_with(&next.unwrap()));
        }
    });
}

#[test]
fn a_body_shorter_than_the_prefix_is_whole() {
    local(async {
        for size in SIZES.into_iter().filter(|size| *size < 131_073) {
            for declared in [true, false] {
                let sent = body(size);
                let mut session = if declared { with_length(sent.clone()).await } else { chunked(sent.clone()).await };
                let want = Want { prefix_bytes: Some(256 << 10), ..want(16 << 20) };
                let read = read(&mut session, want, &mut budget(1 << 20).permit()).await.unwrap();
                assert!(read.whole && read.bytes == sent);
                let runs = session.get_retry_buffer().is_some();
                match read.carriage {
                    Carriage::Nothing => assert_eq!(size, 0),
                    Carriage::Replayed | Carriage::Replaced(_) => assert!(runs, "{size} {declared}"),
                    Carriage::Subrequest => assert!(!runs && !declared, "{size}"),
                    Carriage::Prepended(_) => panic!("nothing follows"),
                }
            }
        }
    });
}

#[test]
fn the_filter_fills_each_carriage() {
    let whole = Bytes::from_static(b"whole");
    let check = |carriage: Carriage, given: Option<&'static str>, expect: Option<&str>| {
        let mut chunk = given.map(|text| Bytes::from_static(text.as_bytes()));
        carriage.fill(&mut chunk);
        assert_eq!(chunk.as_deref(), expect.map(str::as_bytes), "{carriage:?}");
    };
    check(Carriage::Nothing, Some("x"), Some("x"));
    check(Carriage::Replayed, Some("x"), Some("x"));
    check(Carriage::Replaced(whole.clone()), Some("le"), Some("whole"));
    check(Carriage::Prepended(whole.clone()), Some(" more"), Some("whole more"));
    check(Carriage::Prepended(whole.clone()), Some(""), Some("whole"));
    check(Carriage::Prepended(whole), None, Some("whole"));
}
