//! TLS on the listening side: SNI, ALPN, new certificates, and the way from plain to TLS.

use rampart_tests::http1::tls;
use rampart_tests::setup::TLS_NAME;
use rampart_tests::wait::eventually_some;
use rampart_tests::{Authority, Connection, CountingOrigin, Gateway, Setup, shape};

async fn shown_certificate(gateway: &Gateway, name: &str, authority: &Authority) -> Option<Vec<u8>> {
    let wire = tls(gateway.addresses.tls, name, authority.client(&["http/1.1"])).await.ok()?;
    Some(wire.get_ref().1.peer_certificates()?.first()?.to_vec())
}

#[tokio::test(flavor = "multi_thread")]
async fn alpn_chooses_the_version() {
    let origin = CountingOrigin::start().await;
    let gateway = Setup::new(origin.address).tls().start().await;
    for (offered, chosen) in
        [(&["h2", "http/1.1"][..], Some(&b"h2"[..])), (&["http/1.1"], Some(b"http/1.1")), (&[], None)]
    {
        let wire = tls(gateway.addresses.tls, TLS_NAME, gateway.authority.client(offered)).await.unwrap();
        assert_eq!(wire.get_ref().1.alpn_protocol(), chosen, "{offered:?}");
    }
    assert_eq!(gateway.connect2().await.get("/").await.unwrap().status, 200);
    assert_eq!(gateway.connect_tls().await.ask(&shape::get("/")).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_name_gets_its_certificate() {
    let origin = CountingOrigin::start().await;
    let other = Authority::new();
    let certified = other.sign(&["other.test"]);
    let gateway = Setup::new(origin.address)
        .tls()
        .file("other.pem", &certified.certificate_pem)
        .file("other.key", &certified.key_pem)
        .config("[listener.secure.tls.sni.\"other.test\"]\ncert_file = \"other.pem\"\nkey_file = \"other.key\"")
        .start()
        .await;
    assert_eq!(shown_certificate(&gateway, "other.test", &other).await.as_deref(), Some(certified.der()));
    assert!(shown_certificate(&gateway, TLS_NAME, &gateway.authority).await.is_some());
    // An unknown name gets the default certificate, which such a client then does not accept.
    assert_eq!(shown_certificate(&gateway, "unknown.test", &gateway.authority).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_certificate_is_taken_up_without_a_restart() {
    let origin = CountingOrigin::start().await;
    let gateway = Setup::new(origin.address).tls().start().await;
    let before = shown_certificate(&gateway, TLS_NAME, &gateway.authority).await.unwrap();
    let mut kept = gateway.connect_tls().await;
    assert_eq!(kept.ask(&shape::get("/")).await.status, 200);

    let renewed = gateway.authority.sign(&[TLS_NAME]);
    renewed.write(gateway.folder(), "listener");
    gateway.admin("POST", "/admin/reload").await;
    let now = eventually_some("the new certificate is shown", async || {
        shown_certificate(&gateway, TLS_NAME, &gateway.authority).await.filter(|shown| *shown != before)
    })
    .await;
    assert_eq!(now, renewed.der());
    assert_eq!(kept.ask(&shape::get("/")).await.status, 200, "a connection from before lives on");

    // A certificate that does not belong to its key changes nothing.
    let stranger = Authority::new().sign(&[TLS_NAME]);
    gateway.replace("listener.pem", &stranger.certificate_pem);
    let refused = gateway.admin("POST", "/admin/reload").await;
    assert_ne!(refused.status, 200, "{}", refused.text());
    assert_eq!(shown_certificate(&gateway, TLS_NAME, &gateway.authority).await.as_deref(), Some(renewed.der()));
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_requests_are_sent_to_tls() {
    let origin = CountingOrigin::start().await;
    let gateway = Setup::new(origin.address).tls().redirect_to_tls().start().await;
    let response = gateway.get("/a/b?c=d%20e").await;
    assert!(matches!(response.status, 301 | 308), "{}", response.status);
    let location = response.header("location").expect("a redirect has a Location");
    assert_eq!(location, format!("https://gateway.test:{}/a/b?c=d%20e", gateway.addresses.tls.port()));
    origin.expect_untouched();
    assert_eq!(gateway.connect_tls().await.ask(&shape::get("/")).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_are_no_tls_are_cut_and_others_are_served() {
    let origin = CountingOrigin::start().await;
    let gateway = Setup::new(origin.address).tls().listener("header_deadline = \"2s\"").start().await;
    let mut plain = Connection::open(gateway.addresses.tls).await;
    let _ = plain.try_send(&shape::get("/")).await;
    plain.expect_close(std::time::Duration::from_secs(10)).await;
    assert_eq!(gateway.connect_tls().await.ask(&shape::get("/")).await.status, 200);
    assert_eq!(origin.requests(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn old_tls_is_not_spoken() {
    let origin = CountingOrigin::start().await;
    let gateway = Setup::new(origin.address).tls().start().await;
    let folder = gateway.folder().join("authority.pem");
    std::fs::write(&folder, gateway.authority.pem()).unwrap();
    let url = format!("https://{TLS_NAME}:{}/", gateway.addresses.tls.port());
    let resolve = format!("{TLS_NAME}:{}:127.0.0.1", gateway.addresses.tls.port());
    let common = ["--cacert", folder.to_str().unwrap(), "--resolve", &resolve];
    let old = rampart_tests::curl::curl(&[&common[..], &["--tls-max", "1.1", &url]].concat()).await;
    assert_ne!(old.exit, 0, "TLS 1.1 was accepted");
    let new = rampart_tests::curl::curl(&[&common[..], &["--http2", &url]].concat()).await;
    assert_eq!((new.status, new.version.as_str()), (200, "2"));
    let one = rampart_tests::curl::curl(&[&common[..], &["--http1.1", &url]].concat()).await;
    assert_eq!((one.status, one.version.as_str()), (200, "1.1"));
}
