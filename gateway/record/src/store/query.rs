//! Searching the store: filters, newest first, a page at a time, from any process.
//!
//! Every filter has an index that ends in time, so a page is read without sorting. Which index leads is decided here, by
//! how few rows a filter usually leaves, and not by the planner's guess; the other filters are tried on the rows that it
//! finds. A page continues before the last row of the page before (its time and id), so rows that arrive meanwhile
//! neither repeat nor shift anything. The file is opened for reading only.

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use rusqlite::types::Value;
use rusqlite::{Connection, ErrorCode, OpenFlags, params_from_iter};
use serde::de::DeserializeOwned;
use serde::{Serialize, Serializer};

use crate::event::{AdminAction, Outcome, SecurityEvent};
use crate::time::Timestamp;
use crate::verdict::Verdict;

use super::schema::{self, Owner};

/// The most records that one page holds.
pub const MAX_PAGE: u32 = 1_000;
/// How long a reader waits for a writer that is opening or closing the file.
const BUSY: Duration = Duration::from_secs(5);

/// Which security events to show. What is `None` does not filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventQuery {
    /// From this time on.
    pub since: Option<Timestamp>,
    /// Before this time.
    pub until: Option<Timestamp>,
    /// Of this client.
    pub client: Option<IpAddr>,
    /// On the route of this name.
    pub route: Option<String>,
    /// With this verdict.
    pub verdict: Option<Verdict>,
    /// That the rule of this id matched.
    pub rule: Option<String>,
    /// With this code.
    pub code: Option<String>,
    /// With this request id.
    pub request_id: Option<String>,
    /// At most so many: 1 to [`MAX_PAGE`].
    pub limit: u32,
    /// The page after the one that gave this cursor.
    pub before: Option<Cursor>,
}

/// Which admin actions to show. What is `None` does not filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActionQuery {
    /// From this time on.
    pub since: Option<Timestamp>,
    /// Before this time.
    pub until: Option<Timestamp>,
    /// By this actor.
    pub actor: Option<String>,
    /// Of this kind.
    pub action: Option<String>,
    /// That ended so.
    pub outcome: Option<Outcome>,
    /// At most so many: 1 to [`MAX_PAGE`].
    pub limit: u32,
    /// The page after the one that gave this cursor.
    pub before: Option<Cursor>,
}

/// Records, newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Page<T> {
    /// The records.
    pub items: Vec<T>,
    /// Where the next page begins; `None` when this was the last.
    pub next: Option<Cursor>,
}

/// A place between two records, as text: `1763643642123-42`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor {
    time: Timestamp,
    id: i64,
}

/// The text is no cursor.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no cursor: use the `next` of the page before")]
pub struct BadCursor(String);

/// A query cannot be answered.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// There is no such file.
    #[error("there is no store at {}: has the gateway run with this [storage] path?", .0.display())]
    Missing(PathBuf),
    /// The file is not one that this program can read.
    #[error("{} is no store that this version of Rampart can read", .0.display())]
    Foreign(PathBuf),
    /// The page is empty or too large.
    #[error("a page holds 1 to {MAX_PAGE} records, not {0}")]
    Limit(u32),
    /// A record is not what it should be.
    #[error("record {id} cannot be read: {source}")]
    Record {
        /// Its row.
        id: i64,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// SQLite refuses.
    #[error("cannot read {}: {source}", path.display())]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        source: rusqlite::Error,
    },
}

/// A store opened for reading, beside whoever writes it.
#[derive(Debug)]
pub struct Reader {
    connection: Connection,
    path: PathBuf,
}

/// A query as SQL, and its parameters in order.
#[derive(Debug)]
pub(super) struct Statement {
    pub(super) sql: String,
    pub(super) values: Vec<Value>,
}

/// A statement being put together.
struct Builder {
    conditions: Vec<String>,
    values: Vec<Value>,
}

// === impl Reader ===

impl Reader {
    /// Opens the store at `path`. A directory that may not be written is no hindrance as long as no gateway is running.
    pub fn open(path: &Path) -> Result<Self, QueryError> {
        if !path.exists() {
            return Err(QueryError::Missing(path.to_owned()));
        }
        let sqlite = |source| QueryError::Sqlite { path: path.to_owned(), source };
        let connection = match connect(path) {
            // Without write access to the folder SQLite cannot share a WAL; where there is none, nothing is shared.
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::CannotOpen) && !has_wal(path) => {
                connect_immutable(path).map_err(sqlite)?
            }
            connected => connected.map_err(sqlite)?,
        };
        match schema::owner(&connection).map_err(sqlite)? {
            Owner::Rampart(schema::VERSION) => Ok(Self { connection, path: path.to_owned() }),
            _ => Err(QueryError::Foreign(path.to_owned())),
        }
    }

    /// A page of security events.
    pub fn events(&self, query: &EventQuery) -> Result<Page<SecurityEvent>, QueryError> {
        self.page(&query.statement()?, query.limit)
    }

    /// A page of admin actions.
    pub fn actions(&self, query: &ActionQuery) -> Result<Page<AdminAction>, QueryError> {
        self.page(&query.statement()?, query.limit)
    }

    fn page<T: DeserializeOwned>(&self, statement: &Statement, limit: u32) -> Result<Page<T>, QueryError> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let sqlite = |source| QueryError::Sqlite { path: self.path.clone(), source };
        let mut prepared = self.connection.prepare_cached(&statement.sql).map_err(sqlite)?;
        let mut rows = prepared.query(params_from_iter(&statement.values)).map_err(sqlite)?;
        let mut page = Page { items: Vec::new(), next: None };
        let mut last = None;
        while let Some(row) = rows.next().map_err(sqlite)? {
            // The statement asks for one more than the page holds, to know whether there is another page.
            if page.items.len() == limit {
                page.next = last;
                break;
            }
            let read = || Ok::<_, rusqlite::Error>((row.get(0)?, row.get(1)?, row.get_ref(2)?.as_str()?));
            let (time, id, line) = read().map_err(sqlite)?;
            page.items.push(serde_json::from_str(line).map_err(|source| QueryError::Record { id, source })?);
            last = Some(Cursor { time: Timestamp::from_millis(time), id });
        }
        Ok(page)
    }

    /// Reads as where the folder may not be written, which tests cannot have: they often run as root.
    #[cfg(test)]
    pub(super) fn of_read_only_folder(path: &Path) -> rusqlite::Result<Self> {
        Ok(Self { connection: connect_immutable(path)?, path: path.to_owned() })
    }

    #[cfg(test)]
    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let connection =
        Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(BUSY)?;
    // The first read is what opens the WAL.
    connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
    Ok(connection)
}

/// <https://sqlite.org/uri.html#uriimmutable>
fn connect_immutable(path: &Path) -> rusqlite::Result<Connection> {
    let escaped = path.to_string_lossy().replace('%', "%25").replace('?', "%3f").replace('#', "%23");
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
    Connection::open_with_flags(format!("file:{escaped}?immutable=1"), flags)
}

fn has_wal(path: &Path) -> bool {
    let mut name = path.as_os_str().to_owned();
    name.push("-wal");
    Path::new(&name).exists()
}

// === impl EventQuery ===

impl Default for EventQuery {
    /// The newest hundred of all.
    fn default() -> Self {
        Self {
            since: None,
            until: None,
            client: None,
            route: None,
            verdict: None,
            rule: None,
            code: None,
            request_id: None,
            limit: 100,
            before: None,
        }
    }
}

impl EventQuery {
    pub(super) fn statement(&self) -> Result<Statement, QueryError> {
        let mut builder = Builder::new();
        let leads_by_rule = self.rule.is_some() && self.request_id.is_none();
        let index = self.leading_index();
        builder.equal("e.request_id", self.request_id.clone());
        if leads_by_rule {
            builder.equal("r.rule", self.rule.clone());
        } else if let Some(rule) = &self.rule {
            let known =
                "EXISTS (SELECT 1 FROM event_rule AS r WHERE r.rule = ? AND r.time = e.time AND r.event = e.id)";
            builder.condition(known, [rule.clone().into()]);
        }
        builder.equal("e.client", self.client.map(|client| client.to_string()));
        builder.equal("e.code", self.code.clone());
        builder.equal("e.route", self.route.clone());
        builder.equal("e.verdict", self.verdict.map(|verdict| verdict.as_str().to_owned()));
        let (time, id) = if leads_by_rule { ("r.time", "r.event") } else { ("e.time", "e.id") };
        builder.between(time, id, self.since, self.until, self.before);
        let tables = if leads_by_rule {
            "event_rule AS r CROSS JOIN event AS e ON e.id = r.event".to_owned()
        } else {
            format!("event AS e INDEXED BY {index}")
        };
        builder.finish(&tables, time, id, "e.line", self.limit)
    }

    /// The index of the filter that usually leaves the fewest rows.
    fn leading_index(&self) -> &'static str {
        match self {
            Self { request_id: Some(_), .. } => "event_request",
            Self { client: Some(_), .. } => "event_client",
            Self { code: Some(_), .. } => "event_code",
            Self { route: Some(_), .. } => "event_route",
            Self { verdict: Some(_), .. } => "event_verdict",
            _ => "event_time",
        }
    }
}

// === impl ActionQuery ===

impl Default for ActionQuery {
    /// The newest hundred of all.
    fn default() -> Self {
        Self { since: None, until: None, actor: None, action: None, outcome: None, limit: 100, before: None }
    }
}

impl ActionQuery {
    pub(super) fn statement(&self) -> Result<Statement, QueryError> {
        let index = match self {
            Self { actor: Some(_), .. } => "admin_action_actor",
            Self { action: Some(_), .. } => "admin_action_action",
            Self { outcome: Some(_), .. } => "admin_action_outcome",
            _ => "admin_action_time",
        };
        let mut builder = Builder::new();
        builder.equal("a.actor", self.actor.clone());
        builder.equal("a.action", self.action.clone());
        builder.equal("a.outcome", self.outcome.map(|outcome| outcome.as_str().to_owned()));
        builder.between("a.time", "a.id", self.since, self.until, self.before);
        builder.finish(&format!("admin_action AS a INDEXED BY {index}"), "a.time", "a.id", "a.line", self.limit)
    }
}

// === impl Builder ===

impl Builder {
    fn new() -> Self {
        Self { conditions: Vec::new(), values: Vec::new() }
    }

    fn condition(&mut self, sql: &str, values: impl IntoIterator<Item = Value>) {
        self.conditions.push(sql.to_owned());
        self.values.extend(values);
    }

    fn equal(&mut self, column: &str, value: Option<String>) {
        if let Some(value) = value {
            self.condition(&format!("{column} = ?"), [value.into()]);
        }
    }

    /// The span of time, less what earlier pages have shown. One bound at each end, so that an index can use both.
    fn between(
        &mut self,
        time: &str,
        id: &str,
        since: Option<Timestamp>,
        until: Option<Timestamp>,
        before: Option<Cursor>,
    ) {
        let until = until.map(|time| Cursor { time, id: i64::MIN });
        if let Some(end) = until.into_iter().chain(before).min() {
            self.condition(&format!("({time}, {id}) < (?, ?)"), [end.time.millis().into(), end.id.into()]);
        }
        if let Some(since) = since {
            self.condition(&format!("{time} >= ?"), [since.millis().into()]);
        }
    }

    fn finish(mut self, tables: &str, time: &str, id: &str, line: &str, limit: u32) -> Result<Statement, QueryError> {
        if limit == 0 || limit > MAX_PAGE {
            return Err(QueryError::Limit(limit));
        }
        let conditions = if self.conditions.is_empty() { "true".to_owned() } else { self.conditions.join(" AND ") };
        self.values.push(Value::from(limit + 1));
        let sql = format!(
            "SELECT {time}, {id}, {line} FROM {tables} WHERE {conditions} ORDER BY {time} DESC, {id} DESC LIMIT ?"
        );
        Ok(Statement { sql, values: self.values })
    }
}

// === impl Cursor ===

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.time.millis(), self.id)
    }
}

impl FromStr for Cursor {
    type Err = BadCursor;

    fn from_str(text: &str) -> Result<Self, BadCursor> {
        let number = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?;
        let parts = text.split_once('-').and_then(|(time, id)| Some((number(time)?, number(id)?)));
        let (time, id) = parts.ok_or_else(|| BadCursor(text.to_owned()))?;
        Ok(Self { time: Timestamp::from_millis(time), id })
    }
}

impl Serialize for Cursor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
