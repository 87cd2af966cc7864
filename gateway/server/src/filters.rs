//! The filters of an audit query, as the command line and the admin API share them: words in, a checked query out.

use clap::Args;
use rampart_record::{ActionQuery, Clock, EventQuery, Outcome, SystemClock, Timestamp};
use rampart_settings::Duration;
use serde::Deserialize;

/// Records on a page when nothing else is said.
const PAGE_DEFAULT: u32 = 100;

/// A filter that cannot be understood.
#[derive(Debug, thiserror::Error)]
#[error("{name}: {reason}")]
pub(crate) struct BadFilter {
    name: &'static str,
    reason: String,
}

/// Filters that events and admin actions have in common.
#[derive(Debug, Clone, Default, Args, Deserialize)]
#[serde(default)]
pub(crate) struct Span {
    /// From this time on: RFC 3339, a date, or how long ago (30m, 24h, 7d)
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Before this time
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// At most so many, 1 to 1,000
    #[arg(long, value_name = "N")]
    limit: Option<String>,
    /// The page after the one whose `next` this was
    #[arg(long, value_name = "CURSOR")]
    before: Option<String>,
}

/// Filters of security events; all that are given must hold.
#[derive(Debug, Clone, Default, Args, Deserialize)]
#[serde(default)]
pub(crate) struct EventFilters {
    #[command(flatten)]
    #[serde(flatten)]
    span: Span,
    /// Of this client address
    #[arg(long, value_name = "ADDRESS")]
    client: Option<String>,
    /// On the route of this name
    #[arg(long, value_name = "NAME")]
    route: Option<String>,
    /// With this verdict: pass, would_block, block, limited, refused, error
    #[arg(long, value_name = "VERDICT")]
    verdict: Option<String>,
    /// That the rule of this id matched
    #[arg(long, value_name = "ID")]
    rule: Option<String>,
    /// With this code (json_depth, body_too_large ...)
    #[arg(long, value_name = "CODE")]
    code: Option<String>,
    /// With this request id (the X-Request-Id of the answer)
    #[arg(long, value_name = "ID")]
    request_id: Option<String>,
}

/// Filters of admin actions; all that are given must hold.
#[derive(Debug, Clone, Default, Args, Deserialize)]
#[serde(default)]
pub(crate) struct ActionFilters {
    #[command(flatten)]
    #[serde(flatten)]
    span: Span,
    /// By this actor
    #[arg(long, value_name = "NAME")]
    actor: Option<String>,
    /// Of this kind (reload ...)
    #[arg(long, value_name = "WORD")]
    action: Option<String>,
    /// That ended so: done, refused, failed
    #[arg(long, value_name = "WORD")]
    outcome: Option<String>,
}

impl EventFilters {
    /// The query that these words mean.
    ///
    /// # Errors
    /// Names the first filter that cannot be understood.
    pub(crate) fn query(&self) -> Result<EventQuery, BadFilter> {
        Ok(EventQuery {
            since: time("since", self.span.since.as_deref())?,
            until: time("until", self.span.until.as_deref())?,
            client: parsed("client", self.client.as_deref())?,
            route: self.route.clone(),
            verdict: parsed("verdict", self.verdict.as_deref())?,
            rule: self.rule.clone(),
            code: self.code.clone(),
            request_id: self.request_id.clone(),
            limit: parsed("limit", self.span.limit.as_deref())?.unwrap_or(PAGE_DEFAULT),
            before: parsed("before", self.span.before.as_deref())?,
        })
    }
}

impl ActionFilters {
    /// The query that these words mean.
    ///
    /// # Errors
    /// Names the first filter that cannot be understood.
    pub(crate) fn query(&self) -> Result<ActionQuery, BadFilter> {
        Ok(ActionQuery {
            since: time("since", self.span.since.as_deref())?,
            until: time("until", self.span.until.as_deref())?,
            actor: self.actor.clone(),
            action: self.action.clone(),
            outcome: outcome(self.outcome.as_deref())?,
            limit: parsed("limit", self.span.limit.as_deref())?.unwrap_or(PAGE_DEFAULT),
            before: parsed("before", self.span.before.as_deref())?,
        })
    }
}

fn outcome(text: Option<&str>) -> Result<Option<Outcome>, BadFilter> {
    let known = |text: &str| Outcome::ALL.into_iter().find(|outcome| outcome.as_str() == text);
    let bad = |text: &str| BadFilter { name: "outcome", reason: format!("{text:?} is not done, refused or failed") };
    text.map(|text| known(text).ok_or_else(|| bad(text))).transpose()
}

/// A point in time, or how long ago it was.
fn time(name: &'static str, text: Option<&str>) -> Result<Option<Timestamp>, BadFilter> {
    let Some(text) = text else { return Ok(None) };
    match text.parse::<Duration>() {
        Ok(ago) => Ok(Some(SystemClock.now().minus(ago.get()))),
        Err(_) => parsed(name, Some(text)),
    }
}

fn parsed<T: std::str::FromStr>(name: &'static str, text: Option<&str>) -> Result<Option<T>, BadFilter>
where
    T::Err: std::fmt::Display,
{
    text.map(|text| text.parse().map_err(|error: T::Err| BadFilter { name, reason: error.to_string() })).transpose()
}

#[cfg(test)]
mod tests {
    use axum::extract::Query;

    use super::*;

    fn events(query: &str) -> Result<EventQuery, String> {
        let uri = format!("/admin/events?{query}").parse().unwrap();
        let Query(filters) = Query::<EventFilters>::try_from_uri(&uri).map_err(|error| error.body_text())?;
        filters.query().map_err(|error| error.to_string())
    }

    #[test]
    fn words_of_a_url_become_a_query() {
        let query = events("since=2026-11-20T10:00:00Z&client=192.0.2.1&verdict=block&rule=sqli&limit=7").unwrap();
        assert_eq!(query.since.unwrap().to_string(), "2026-11-20T10:00:00.000Z");
        assert_eq!(query.client, "192.0.2.1".parse().ok());
        assert_eq!(
            (query.verdict, query.rule.as_deref(), query.limit),
            (Some(rampart_record::Verdict::Block), Some("sqli"), 7)
        );
        assert_eq!(events("").unwrap(), EventQuery::default());
    }

    #[test]
    fn how_long_ago_is_a_time() {
        let ago = events("since=1h").unwrap().since.unwrap();
        let expect = SystemClock.now().minus(std::time::Duration::from_hours(1));
        assert!(expect.since(ago) < std::time::Duration::from_mins(1) && ago <= expect);
    }

    #[test]
    fn what_cannot_be_understood_is_named() {
        for (query, name) in [
            ("client=me", "client"),
            ("verdict=maybe", "verdict"),
            ("since=soon", "since"),
            ("before=x", "before"),
            ("limit=many", "limit"),
        ] {
            let error = events(query).unwrap_err();
            assert!(error.contains(name), "{query}: {error}");
        }
    }
}
