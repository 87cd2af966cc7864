//! The connection of the writer: opening, making, moving aside; inserting and deleting.

use std::fs::{self, DirBuilder, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, Transaction, TransactionBehavior, params};

use crate::time::Timestamp;

use super::schema::{self, Owner};
use super::{ActionRow, EventRow, Retention, Row, StoreError};

/// How long SQLite waits for another process that writes.
pub(super) const BUSY: Duration = Duration::from_secs(5);
/// A file gives space back to the disk when more than one page in so many is unused.
const UNUSED_PAGES: i64 = 4;
/// And at most so many pages of 4 KiB at a time.
const PAGES_GIVEN_BACK: i64 = 2_048;

pub(super) struct Database {
    connection: Connection,
    path: PathBuf,
    identity: (u64, u64),
}

/// One of the two tables that retention looks after.
#[derive(Clone, Copy, Debug)]
pub(super) enum Table {
    Event,
    Action,
}

// === impl Database ===

impl Database {
    /// Opens or makes the file. One that is damaged is moved aside; the text says so.
    pub(super) fn open_or_begin_anew(path: &Path, now: Timestamp) -> Result<(Self, Option<String>), StoreError> {
        match Self::open(path) {
            Err(StoreError::Sqlite { source, .. }) if is_damage(&source) => {
                Self::replace(path, &source, now).map(|(database, text)| (database, Some(text)))
            }
            opened => Ok((opened?, None)),
        }
    }

    /// Moves a damaged file aside and begins a new one; the text says so.
    pub(super) fn replace(path: &Path, damage: &rusqlite::Error, now: Timestamp) -> Result<(Self, String), StoreError> {
        let aside = move_aside(path, now)?;
        let text = format!("{} is damaged ({damage}): moved to {}, begun anew", path.display(), aside.display());
        Ok((Self::open(path)?, text))
    }

    fn open(path: &Path) -> Result<Self, StoreError> {
        let sqlite = |source| StoreError::Sqlite { path: path.to_owned(), source };
        let identity = make_file(path).map_err(|source| StoreError::File { path: path.to_owned(), source })?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags(path, flags).map_err(sqlite)?;
        connection.busy_timeout(BUSY).map_err(sqlite)?;
        match schema::owner(&connection).map_err(sqlite)? {
            Owner::Stranger => return Err(StoreError::NotOurs { path: path.to_owned() }),
            Owner::Rampart(found) if found > schema::VERSION => {
                return Err(StoreError::TooNew { path: path.to_owned(), found, known: schema::VERSION });
            }
            Owner::Nobody | Owner::Rampart(_) => {}
        }
        prepare(&mut connection).map_err(sqlite)?;
        Ok(Self { connection, path: path.to_owned(), identity })
    }

    /// Whether the path still names the file that is open: somebody may have deleted or replaced it.
    pub(super) fn is_in_place(&self) -> bool {
        fs::metadata(&self.path).is_ok_and(|metadata| (metadata.dev(), metadata.ino()) == self.identity)
    }

    /// Writes the rows in one transaction: all or none.
    pub(super) fn insert(&mut self, rows: &[Row]) -> rusqlite::Result<()> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for row in rows {
            match row {
                Row::Event(event) => insert_event(&transaction, event)?,
                Row::Action(action) => insert_action(&transaction, action)?,
            }
        }
        transaction.commit()
    }

    /// Deletes at most `most` of the rows that are not to be kept, oldest first. Returns how many those were.
    pub(super) fn expire(&mut self, table: Table, keep: Retention, now: Timestamp, most: u64) -> rusqlite::Result<u64> {
        let name = table.name();
        let count = format!("SELECT count(*) FROM {name}");
        let rows: i64 = self.connection.prepare_cached(&count)?.query_row([], |row| row.get(0))?;
        let surplus = u64::try_from(rows).unwrap_or(0).saturating_sub(keep.rows).min(most);
        let cutoff = now.minus(keep.age).millis();
        let delete = |condition: &str| {
            format!(
                "DELETE FROM {name} WHERE id IN (SELECT id FROM {name} WHERE {condition} ORDER BY time, id LIMIT ?1)"
            )
        };
        let limit = |rows: u64| i64::try_from(rows).unwrap_or(i64::MAX);
        let mut deleted = self.connection.prepare_cached(&delete("true"))?.execute([limit(surplus)])?;
        let left = most.saturating_sub(surplus);
        deleted += self.connection.prepare_cached(&delete("time < ?2"))?.execute([limit(left), cutoff])?;
        Ok(u64::try_from(deleted).unwrap_or(u64::MAX))
    }

    /// Gives unused space back to the disk, some at a time, when there is much of it.
    pub(super) fn shrink(&self) -> rusqlite::Result<()> {
        let number = |pragma: &str| self.connection.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
        if number("freelist_count")? * UNUSED_PAGES > number("page_count")? {
            let mut vacuum = self.connection.prepare(&format!("PRAGMA incremental_vacuum({PAGES_GIVEN_BACK})"))?;
            let mut steps = vacuum.query([])?;
            while steps.next()?.is_some() {}
        }
        Ok(())
    }

    /// Folds the WAL into the file, which then holds everything.
    pub(super) fn close(self) -> rusqlite::Result<()> {
        self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        self.connection.close().map_err(|(_, error)| error)
    }
}

// === impl Table ===

impl Table {
    fn name(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::Action => "admin_action",
        }
    }
}

/// Whether the file itself is at fault, so that no later try can succeed.
pub(super) fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}

fn prepare(connection: &mut Connection) -> rusqlite::Result<()> {
    // Only a file without tables can still be told how it vacuums.
    connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
    // A crash of the machine may lose the last batches, never the file: <https://sqlite.org/wal.html#performance_considerations>
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.query_row("PRAGMA journal_size_limit = 67108864", [], |_| Ok(()))?;
    connection.set_prepared_statement_cache_capacity(32);
    schema::migrate(connection)
}

/// Makes the file before SQLite does, so that not everybody may read it; the files beside it take over its mode.
fn make_file(path: &Path) -> std::io::Result<(u64, u64)> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.exists()) {
        DirBuilder::new().recursive(true).mode(0o750).create(folder)?;
    }
    let file = OpenOptions::new().append(true).create(true).mode(0o640).open(path)?;
    let metadata = file.metadata()?;
    Ok((metadata.dev(), metadata.ino()))
}

/// Renames the file and what stands beside it: `NAME.corrupt-TIME`.
fn move_aside(path: &Path, now: Timestamp) -> Result<PathBuf, StoreError> {
    let with_suffix = |path: &Path, suffix: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    };
    let stamp = format!(".corrupt-{}", now.compact());
    let candidates = std::iter::once(stamp.clone()).chain((1..1_000).map(|twin| format!("{stamp}-{twin:03}")));
    let free = candidates.map(|suffix| with_suffix(path, &suffix)).find(|aside| fs::symlink_metadata(aside).is_err());
    let aside = free.unwrap_or_else(|| with_suffix(path, &stamp));
    fs::rename(path, &aside).map_err(|source| StoreError::File { path: path.to_owned(), source })?;
    for beside in ["-wal", "-shm"] {
        match fs::rename(with_suffix(path, beside), with_suffix(&aside, beside)) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                return Err(StoreError::File { path: with_suffix(path, beside), source });
            }
            _ => {}
        }
    }
    Ok(aside)
}

fn insert_event(transaction: &Transaction<'_>, event: &EventRow) -> rusqlite::Result<()> {
    let time = event.time.millis();
    transaction
        .prepare_cached(
            "INSERT INTO event (time, request_id, client, route, verdict, code, line) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .execute(params![
            time,
            event.request_id,
            event.client.to_string(),
            event.route.as_deref(),
            event.verdict.as_str(),
            event.code,
            event.line,
        ])?;
    let id = transaction.last_insert_rowid();
    let mut link = transaction.prepare_cached("INSERT INTO event_rule (rule, time, event) VALUES (?1, ?2, ?3)")?;
    event.rules.iter().try_for_each(|rule| link.execute(params![&**rule, time, id]).map(drop))
}

fn insert_action(transaction: &Transaction<'_>, action: &ActionRow) -> rusqlite::Result<()> {
    transaction
        .prepare_cached("INSERT INTO admin_action (time, actor, action, outcome, line) VALUES (?1, ?2, ?3, ?4, ?5)")?
        .execute(params![action.time.millis(), action.actor, action.action, action.outcome.as_str(), action.line,])?;
    Ok(())
}
