//! What is counted.

use prometheus_client::registry::Registry;

use super::*;
use crate::access::AccessMetrics;
use crate::cors::PreflightAnswer;

#[test]
fn what_became_of_callers_is_counted_by_words() {
    let metrics = AccessMetrics::default();
    let mut registry = Registry::default();
    metrics.register(&mut registry);
    let access = good("{ issuers = \"both\", api_keys = true, scopes = [\"agents:read\"] }");
    for lines in [
        &["Authorization: Bearer alice@both"][..],
        &["Authorization: Bearer bob@both"],
        &["X-Api-Key: KEY"],
        &["Authorization: Bearer expired@both"],
        &["Authorization: Bearer rotated@both"],
        &[],
    ] {
        metrics.count(&with(lines, |headers| access.check(headers, &tokens(), now())));
    }
    metrics.count(&Checked::Anonymous);
    let none = Written { scopes: vec![], claims: json!({}) };
    metrics.count(&with(&["Authorization: Bearer alice@both"], |headers| access.check(headers, &none, now())));
    metrics.count_preflight(&PreflightAnswer { status: 204, fields: Vec::new(), refused: None });
    metrics.count_preflight(&PreflightAnswer { status: 403, fields: Vec::new(), refused: Some("no") });
    metrics.count_cors_refused();

    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
    let mut lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    lines.sort_unstable();
    assert_eq!(
        lines,
        [
            "rampart_cors_decisions_total{outcome=\"preflight\"} 1",
            "rampart_cors_decisions_total{outcome=\"preflight_refused\"} 1",
            "rampart_cors_decisions_total{outcome=\"refused\"} 1",
            "rampart_identity_checks_total{kind=\"api_key\",outcome=\"known\"} 1",
            "rampart_identity_checks_total{kind=\"jwt\",outcome=\"known\"} 2",
            "rampart_identity_checks_total{kind=\"jwt\",outcome=\"scope\"} 1",
            "rampart_identity_checks_total{kind=\"none\",outcome=\"anonymous\"} 1",
            "rampart_identity_checks_total{kind=\"none\",outcome=\"expired\"} 1",
            "rampart_identity_checks_total{kind=\"none\",outcome=\"missing\"} 1",
        ]
    );
}
