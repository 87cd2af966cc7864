//! Bans: which there are, new ones, and their end.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use axum::extract::rejection::JsonRejection;
use axum::extract::{ConnectInfo, Path, State};
use axum::response::Response;
use axum::{Extension, Json};
use http::StatusCode;
use rampart_limits::BanState;
use rampart_proxy::steady;
use rampart_record::Outcome;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Endpoints, answer, note};

/// How long a ban lasts where the order does not say.
const DEFAULT: Duration = Duration::from_hours(1);
/// How long one may last at most, in seconds: a year.
const LONGEST_S: u64 = 365 * 24 * 3_600;

/// The bans in force.
pub(super) async fn list(State(endpoints): State<Endpoints>) -> Response {
    let now = steady();
    let bans = endpoints.shared.runtime.limits().bans().list(now);
    let body: Vec<Value> = bans.iter().map(shown).collect();
    answer::json(StatusCode::OK, &body)
}

/// An address to ban.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Order {
    address: IpAddr,
    /// Seconds.
    for_s: Option<u64>,
    /// Why, for those who list the bans.
    reason: Option<String>,
}

/// Bans an address.
pub(super) async fn add(
    State(endpoints): State<Endpoints>,
    Extension(ConnectInfo(peer)): Extension<ConnectInfo<SocketAddr>>,
    order: Result<Json<Order>, JsonRejection>,
) -> Response {
    let bad = |detail: &str| {
        note(&endpoints, peer, "ban", None, Outcome::Refused, Some(detail.to_owned()));
        answer::problem(StatusCode::BAD_REQUEST, "bad_order", detail)
    };
    let order = match order {
        Ok(Json(order)) => order,
        Err(rejection) => {
            let wanted =
                "send {\"address\": \"203.0.113.9\", \"for_s\": 3600, \"reason\": \"...\"} as application/json";
            return bad(&format!("{}; {wanted}", rejection.body_text()));
        }
    };
    let seconds = order.for_s.unwrap_or(DEFAULT.as_secs());
    if seconds == 0 || seconds > LONGEST_S {
        return bad("for_s is from 1 to 31536000 seconds");
    }
    let lasting = Duration::from_secs(seconds);
    let reason = order.reason.as_deref().unwrap_or("by hand");
    let ban = endpoints.shared.runtime.limits().bans().add(order.address, lasting, reason, steady());
    let target = Some(order.address.to_string());
    note(&endpoints, peer, "ban", target, Outcome::Done, Some(format!("for {seconds} s: {reason}")));
    answer::json(StatusCode::CREATED, &shown(&ban))
}

/// Ends a ban.
pub(super) async fn lift(
    State(endpoints): State<Endpoints>,
    Extension(ConnectInfo(peer)): Extension<ConnectInfo<SocketAddr>>,
    Path(address): Path<String>,
) -> Response {
    let Ok(address) = address.parse::<IpAddr>() else {
        note(&endpoints, peer, "lift_ban", None, Outcome::Refused, Some("not an address".to_owned()));
        return answer::problem(StatusCode::BAD_REQUEST, "bad_order", "not an IP address");
    };
    let lifted = endpoints.shared.runtime.limits().bans().lift(address, steady());
    let outcome = if lifted { Outcome::Done } else { Outcome::Refused };
    note(&endpoints, peer, "lift_ban", Some(address.to_string()), outcome, None);
    if lifted {
        answer::json(StatusCode::OK, &json!({ "lifted": address }))
    } else {
        answer::problem(StatusCode::NOT_FOUND, "not_banned", "this address is not banned")
    }
}

fn shown(ban: &BanState) -> Value {
    json!({
        "network": ban.network.to_string(), "ban": &*ban.ban, "reason": &*ban.reason, "left_s": ban.retry_after_s(steady()),
        "level": ban.level, "origin": ban.origin.as_str(),
    })
}
