//! The tables, and how a file of an older version becomes one of this.
//!
//! `user_version` counts the migrations that a file has been through, `application_id` says whose file it is. Every index
//! ends in time, and SQLite ends it in the row id: so each filter finds its rows newest first without sorting.

use rusqlite::{Connection, TransactionBehavior};

/// `RAMP`: the file is Rampart's. <https://sqlite.org/fileformat2.html#application_id>
pub(super) const APPLICATION_ID: i64 = 0x5241_4D50;

/// What turns version N into N + 1. Never change one that has been released: add the next.
const MIGRATIONS: [&str; VERSION as usize] = ["
    CREATE TABLE event (
        id         INTEGER PRIMARY KEY,
        time       INTEGER NOT NULL, -- milliseconds since 1970
        request_id TEXT NOT NULL,
        client     TEXT NOT NULL,
        route      TEXT,
        verdict    TEXT NOT NULL,
        code       TEXT,
        line       TEXT NOT NULL     -- the whole event as JSON
    ) STRICT;
    CREATE INDEX event_time ON event (time);
    CREATE INDEX event_request ON event (request_id, time);
    CREATE INDEX event_client ON event (client, time);
    CREATE INDEX event_route ON event (route, time);
    CREATE INDEX event_verdict ON event (verdict, time);
    CREATE INDEX event_code ON event (code, time);

    CREATE TABLE event_rule (
        rule  TEXT NOT NULL,
        time  INTEGER NOT NULL,
        event INTEGER NOT NULL REFERENCES event (id) ON DELETE CASCADE,
        PRIMARY KEY (rule, time, event)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX event_rule_event ON event_rule (event);

    CREATE TABLE admin_action (
        id      INTEGER PRIMARY KEY,
        time    INTEGER NOT NULL,
        actor   TEXT NOT NULL,
        action  TEXT NOT NULL,
        outcome TEXT NOT NULL,
        line    TEXT NOT NULL
    ) STRICT;
    CREATE INDEX admin_action_time ON admin_action (time);
    CREATE INDEX admin_action_actor ON admin_action (actor, time);
    CREATE INDEX admin_action_action ON admin_action (action, time);
    CREATE INDEX admin_action_outcome ON admin_action (outcome, time);
"];

/// The version that this program writes and reads.
pub(super) const VERSION: u32 = 1;

/// Whose file it is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// Nobody's yet: there is nothing in it.
    Nobody,
    /// Rampart's, of this version.
    Rampart(u32),
    /// Another program's.
    Stranger,
}

pub(super) fn owner(connection: &Connection) -> rusqlite::Result<Owner> {
    let number = |pragma: &str| connection.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    Ok(match (number("application_id")?, number("user_version")?) {
        (APPLICATION_ID, version) => Owner::Rampart(u32::try_from(version).unwrap_or(u32::MAX)),
        (0, 0) if tables == 0 => Owner::Nobody,
        _ => Owner::Stranger,
    })
}

/// Brings the file to this version, one transaction a step; another process may be doing the same.
pub(super) fn migrate(connection: &mut Connection) -> rusqlite::Result<()> {
    loop {
        let step = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let version: u32 = step.pragma_query_value(None, "user_version", |row| row.get(0))?;
        let Some(migration) = usize::try_from(version).ok().and_then(|version| MIGRATIONS.get(version)) else {
            return step.commit();
        };
        step.execute_batch(migration)?;
        step.pragma_update(None, "application_id", APPLICATION_ID)?;
        step.pragma_update(None, "user_version", version + 1)?;
        step.commit()?;
    }
}
