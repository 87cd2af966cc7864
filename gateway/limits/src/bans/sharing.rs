//! How gateways tell each other of offences and bans, in the background.
//!
//! - Offences are counted by a script, per address, in a slot of the address's own: so `after` of them within `per`
//!   make a ban whichever gateways saw them, and one script makes it only once.
//! - Bans and lifts stand in one directory, numbered in order of arrival. Every gateway reads what is new every
//!   [`READ_EVERY`], so a ban made on one holds on all after about half a second; a gateway that starts reads it all.
//! - Addresses are named by a keyed hash and stand in sealed entries only: who reads Redis learns none. Who writes to it
//!   can spoil the counts of whoever offends anyway, but ban nobody else, and nobody for longer than the rules say. An
//!   old entry that is put back is older than the lift that every gateway remembers.
//! - While Redis is away nothing is kept for it. When it is back, each gateway tells of the bans and lifts it made that
//!   still matter, so it does not matter what Redis has forgotten.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rampart_store::{Arg, ClusterKey, Key, Redis, Script, Unavailable, Value};
use tokio::time::{Instant, sleep, timeout};

use super::outbox::Told;
use super::raw::{BY_HAND, Ban};
use super::subject::Subject;
use super::{BanState, Bans, Held, MAX_BANS, Origin};
use crate::micros::Micros;

/// How often the directory is read.
const READ_EVERY: Duration = Duration::from_millis(400);

/// How long nothing is exchanged after Redis refused a command.
const REFUSED_PAUSE: Duration = Duration::from_secs(5);

/// Entries in one reply at most.
const PAGE: usize = 500;

/// Pages in one go at most: the whole directory, and as much again.
const PAGES: usize = 2 * MAX_BANS / PAGE;

/// Microseconds of numbers that are read again each time: after a failover the clock of the new master may lag.
const OVERLAP_US: u64 = 2 * Micros::SECOND;

/// By how much two readings of one moment of the server may differ: the longest command deadline.
const CLOCK_SLACK_US: u64 = Micros::SECOND;

/// How long the mark of the directory lasts, in milliseconds: a week.
const MARK_MS: i64 = 7 * 86_400 * 1_000;

const VERSION: u32 = 1;

/// What entries are sealed for.
const DOMAIN: &str = "ban";

/// One gateway's side of the exchange.
struct Exchange<'a, C> {
    bans: &'a Bans,
    clock: C,
    scripts: Scripts,
    /// The number up to which the directory was read.
    read_up_to: u64,
    /// Is lost with the directory.
    mark: Option<Bytes>,
    /// The server's clock less this one's, in microseconds.
    ahead_us: i64,
    /// Whether the others are to be told again what this gateway banned and lifted.
    tell_again: bool,
}

struct Scripts {
    offence: Script,
    pardon: Script,
    publish: Script,
    read: Script,
}

/// What an entry says; its moments are the server's.
#[derive(Debug, PartialEq, Eq)]
struct Entry {
    lifted: bool,
    made: u64,
    until: u64,
    forget: u64,
    level: u32,
    address: IpAddr,
    ban: Arc<str>,
    reason: Arc<str>,
}

impl Bans {
    /// Exchanges offences and bans with the other gateways, for ever.
    pub(crate) async fn run(&self, redis: impl Fn() -> Option<Redis>, clock: impl Fn() -> Micros) {
        let mut exchange = Exchange::new(self, clock);
        let mut read: Option<Instant> = None;
        loop {
            let _ = timeout(READ_EVERY, self.0.outbox.arrived.notified()).await;
            let redis = redis();
            self.0.outbox.open(redis.is_some());
            let Some(redis) = redis else { continue };
            if !redis.usable() {
                exchange.lost();
                continue;
            }
            let due = read.is_none_or(|read| read.elapsed() >= READ_EVERY);
            match exchange.exchange(&redis, due).await {
                Ok(()) if due => read = Some(Instant::now()),
                Ok(()) => {}
                Err(error) => {
                    exchange.lost();
                    if matches!(error, Unavailable::Refused(_)) {
                        // It is there and will refuse again: no rights, no memory.
                        log::warn!("limits: bans are not shared: {error}");
                        sleep(REFUSED_PAUSE).await;
                    }
                }
            }
        }
    }
}

impl<'a, C: Fn() -> Micros> Exchange<'a, C> {
    fn new(bans: &'a Bans, clock: C) -> Self {
        let scripts = Scripts {
            offence: Script::new("offence", VERSION, include_str!("offence.lua")),
            pardon: Script::new("pardon", VERSION, include_str!("pardon.lua")),
            publish: Script::new("publish", VERSION, include_str!("publish.lua")),
            read: Script::new("read", VERSION, include_str!("read.lua")),
        };
        Self { bans, clock, scripts, read_up_to: 0, mark: None, ahead_us: 0, tell_again: true }
    }

    /// Redis is away: what waits for it is given up, and told anew later where it still matters.
    fn lost(&mut self) {
        while self.bans.0.outbox.pop().is_some() {
            self.bans.0.metrics.unshared.inc();
        }
        self.read_up_to = 0;
        self.tell_again = true;
    }

    async fn exchange(&mut self, redis: &Redis, read: bool) -> Result<(), Unavailable> {
        if read || self.tell_again {
            self.read(redis).await?;
        }
        if self.tell_again {
            for (subject, held) in self.own() {
                self.publish(redis, subject, &held).await?;
            }
            self.tell_again = false;
        }
        while let Some(told) = self.bans.0.outbox.pop() {
            self.tell(redis, told).await?;
        }
        Ok(())
    }

    /// Bans and lifts that were made here and still matter.
    fn own(&self) -> Vec<(Subject, Held)> {
        let now = (self.clock)();
        let matters = |held: &Held| held.state.origin != Origin::Shared && (held.lifted || held.is_active(now));
        let held = self.bans.0.held.read();
        held.iter().filter(|(_, held)| matters(held)).map(|(subject, held)| (*subject, held.clone())).collect()
    }

    async fn tell(&mut self, redis: &Redis, told: Told) -> Result<(), Unavailable> {
        match told {
            Told::Offence { ban, subject, code, at, reached } => {
                self.offence(redis, &ban, subject, &code, at, reached).await
            }
            Told::Made { subject, state } => {
                let forget = state.until;
                self.publish(redis, subject, &Held { state, lifted: false, forget }).await
            }
            Told::Lifted { subject, state } => {
                self.pardon(redis, subject).await?;
                let forget = state.until;
                self.publish(redis, subject, &Held { state, lifted: true, forget }).await
            }
        }
    }

    async fn offence(
        &mut self,
        redis: &Redis,
        ban: &Ban,
        subject: Subject,
        code: &str,
        at: Micros,
        reached: bool,
    ) -> Result<(), Unavailable> {
        let who = name(redis.cluster_key(), subject);
        let keys = [log_key(redis, &who, &ban.name), record_key(redis, &who)];
        let age = (self.clock)().0.saturating_sub(at.0);
        let args = [
            Arg::from(ban.after),
            whole(ban.per_us),
            Arg::Int(reached.into()),
            whole(ban.hold_us),
            Arg::from(ban.escalate),
            whole(ban.up_to_us),
            whole(age),
        ];
        let answer = redis.eval(&self.scripts.offence, &keys, &args).await?;
        let numbers: Vec<u64> = answer.list().iter().filter_map(unsigned).collect();
        let [verdict, now, made, until, level] = *numbers else { return Ok(()) };
        self.synchronise(now);
        if verdict == 0 {
            return Ok(());
        }
        self.banned(redis, ban, subject, code, verdict == 1, (made, until, level)).await
    }

    /// All gateways together have banned, or one of them had already.
    async fn banned(
        &mut self,
        redis: &Redis,
        ban: &Ban,
        subject: Subject,
        code: &str,
        news: bool,
        (made, until, level): (u64, u64, u64),
    ) -> Result<(), Unavailable> {
        let now = (self.clock)();
        // What the script answers was not sealed.
        let until = self.here(until).min(Micros(now.0.saturating_add(ban.up_to_us)));
        let made = self.here(made).min(now);
        let origin = if news { Origin::Here } else { Origin::Shared };
        let own = self.bans.0.held.read().get(&subject).filter(|held| held.is_active(now)).cloned();
        let known = own.is_some();
        let state = match own {
            // The level of all gateways together: the ban may last longer than this one knew.
            Some(held) if held.state.until >= until => held.state,
            Some(held) => BanState { until, level: narrow(level), ..held.state },
            None => BanState {
                network: subject.network(),
                ban: Arc::clone(&ban.name),
                reason: code.into(),
                made,
                until,
                level: narrow(level),
                origin,
            },
        };
        let forget = Micros(state.until.0.saturating_add(ban.up_to_us));
        let held = Held { state, lifted: false, forget };
        if !known {
            self.bans.0.metrics.made(&ban.name, origin);
            self.bans.acquit(subject);
        }
        self.bans.hold(subject, held.clone(), now);
        if news || !known { self.publish(redis, subject, &held).await } else { Ok(()) }
    }

    async fn pardon(&self, redis: &Redis, subject: Subject) -> Result<(), Unavailable> {
        let who = name(redis.cluster_key(), subject);
        let rules = self.bans.0.rules.load_full();
        let mut keys = vec![record_key(redis, &who)];
        keys.extend(rules.iter().map(|rule| log_key(redis, &who, &rule.ban.name)));
        redis.eval(&self.scripts.pardon, &keys, &[]).await.map(drop)
    }

    async fn publish(&mut self, redis: &Redis, subject: Subject, held: &Held) -> Result<(), Unavailable> {
        let who = name(redis.cluster_key(), subject);
        let entry = Entry {
            lifted: held.lifted,
            made: self.there(held.state.made),
            until: self.there(held.state.until),
            forget: self.there(held.forget),
            level: held.state.level,
            address: held.state.network.addr(),
            ban: Arc::clone(&held.state.ban),
            reason: Arc::clone(&held.state.reason),
        };
        let Ok(sealed) = redis.cluster_key().seal(DOMAIN, &who, entry.write().as_bytes()) else {
            return Ok(());
        };
        let now = (self.clock)().0;
        let args = [
            Arg::from(who.to_vec()),
            whole(now.saturating_sub(held.state.made.0)),
            whole(held.forget.0.saturating_sub(now).max(1)),
            Arg::from(sealed),
            Arg::Int(i64::try_from(MAX_BANS).unwrap_or(i64::MAX)),
        ];
        let [entries, order, ends, _] = directory(redis);
        redis.eval(&self.scripts.publish, &[entries, order, ends], &args).await.map(drop)
    }

    /// Reads what is new in the directory.
    async fn read(&mut self, redis: &Redis) -> Result<(), Unavailable> {
        let [entries, order, _, mark] = directory(redis);
        let keys = [entries, order, mark];
        let mut from = self.read_up_to.saturating_sub(OVERLAP_US);
        for _ in 0..PAGES {
            let fresh = format!("{:016x}", (self.clock)().0);
            let page = i64::try_from(PAGE).unwrap_or(i64::MAX);
            let args = [whole(from), Arg::Int(page), Arg::from(fresh), Arg::Int(MARK_MS)];
            let answer = redis.eval(&self.scripts.read, &keys, &args).await?;
            let [now, mark, news @ ..] = answer.list() else { return Ok(()) };
            self.synchronise(unsigned(now).unwrap_or(0));
            if self.mark.as_ref() != mark.bytes() {
                // Another directory than before: the old one is lost.
                self.tell_again |= self.mark.is_some();
                self.mark = mark.bytes().cloned();
            }
            for item in news.chunks_exact(3) {
                let [number, who, entry] = item else { continue };
                from = from.max(unsigned(number).unwrap_or(0));
                self.learn(redis.cluster_key(), who, entry);
            }
            self.read_up_to = self.read_up_to.max(from);
            if news.len() < 3 * PAGE {
                break;
            }
        }
        Ok(())
    }

    /// Takes over an entry, unless something later is known.
    fn learn(&mut self, key: &ClusterKey, who: &Value, entry: &Value) {
        let (Some(who), Some(entry)) = (who.bytes(), entry.bytes()) else { return };
        let sealed = entry.iter().position(|byte| *byte == b':').and_then(|colon| entry.get(colon + 1..));
        let opened = sealed.and_then(|sealed| key.open(DOMAIN, who, sealed).ok());
        let Some(entry) = opened.and_then(|text| Entry::read(&text)) else {
            self.bans.0.metrics.forged.inc();
            return;
        };
        let subject = Subject::of(entry.address);
        let state = BanState {
            network: subject.network(),
            made: self.here(entry.made),
            until: self.here(entry.until),
            level: entry.level,
            origin: Origin::Shared,
            ban: entry.ban,
            reason: entry.reason,
        };
        let held = Held { lifted: entry.lifted, forget: self.here(entry.forget), state };
        self.bans.learn(subject, held, (self.clock)());
    }

    fn synchronise(&mut self, server: u64) {
        if server > 0 {
            self.ahead_us = signed(server).saturating_sub(signed((self.clock)().0));
        }
    }

    /// A moment of the server, by this gateway's clock.
    fn here(&self, server: u64) -> Micros {
        Micros(server.saturating_add_signed(self.ahead_us.saturating_neg()))
    }

    fn there(&self, here: Micros) -> u64 {
        here.0.saturating_add_signed(self.ahead_us)
    }
}

impl Bans {
    /// Takes over what another gateway did, unless something later is known or the address is never banned here.
    pub(super) fn learn(&self, subject: Subject, new: Held, now: Micros) {
        let known = self.0.held.read().get(&subject).map(|held| (held.lifted, held.state.made));
        let is_known = |(lifted, made): (bool, Micros)| {
            // The same entry, read again, by a clock that was compared with the server's anew.
            let slack = if lifted == new.lifted { CLOCK_SLACK_US } else { 0 };
            made.0.saturating_add(slack) >= new.state.made.0
        };
        if known.is_some_and(is_known) || new.forget <= now {
            return;
        }
        if !new.lifted && self.is_allowed(&new.state) {
            return;
        }
        if !new.lifted {
            let rules = self.0.rules.load();
            let ours = rules.iter().find(|rule| rule.ban.name == new.state.ban).map(|rule| Arc::clone(&rule.ban.name));
            // Bans of rules that this gateway does not have are counted with those by hand: no label is made up.
            self.0.metrics.made(&ours.unwrap_or_else(|| BY_HAND.into()), Origin::Shared);
        }
        self.acquit(subject);
        self.hold(subject, new, now);
    }
}

impl Entry {
    fn write(&self) -> String {
        let kind = if self.lifted { "lift" } else { "ban" };
        let ban = self.ban.replace('\n', " ");
        let Self { made, until, forget, level, address, reason, .. } = self;
        format!("{kind}\n{made}\n{until}\n{forget}\n{level}\n{address}\n{ban}\n{reason}")
    }

    fn read(text: &[u8]) -> Option<Self> {
        let mut parts = std::str::from_utf8(text).ok()?.splitn(8, '\n');
        let lifted = match parts.next()? {
            "ban" => false,
            "lift" => true,
            _ => return None,
        };
        Some(Self {
            lifted,
            made: parts.next()?.parse().ok()?,
            until: parts.next()?.parse().ok()?,
            forget: parts.next()?.parse().ok()?,
            level: parts.next()?.parse().ok()?,
            address: parts.next()?.parse().ok()?,
            ban: parts.next()?.into(),
            reason: parts.next()?.into(),
        })
    }
}

/// What an address is called in Redis.
fn name(key: &ClusterKey, subject: Subject) -> [u8; 16] {
    key.hash(DOMAIN, &[&subject.bytes()])
}

fn log_key(redis: &Redis, who: &[u8; 16], ban: &str) -> Key {
    redis.key("offences", who, ban.as_bytes())
}

fn record_key(redis: &Redis, who: &[u8; 16]) -> Key {
    redis.key("banned", who, b"")
}

/// Entries, their order, their ends, and the mark.
fn directory(redis: &Redis) -> [Key; 4] {
    [&b"entries"[..], b"order", b"ends", b"mark"].map(|part| redis.key("bans", b"all", part))
}

fn unsigned(value: &Value) -> Option<u64> {
    value.int().and_then(|number| u64::try_from(number).ok())
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn whole(number: u64) -> Arg {
    Arg::Int(signed(number))
}

fn narrow(level: u64) -> u32 {
    u32::try_from(level).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_read_back() {
        let entry = Entry {
            lifted: false,
            made: 1,
            until: 2,
            forget: 3,
            level: 4,
            address: "2001:db8::".parse().unwrap(),
            ban: "scanners".into(),
            reason: "said:\nno more".into(),
        };
        assert_eq!(Entry::read(entry.write().as_bytes()), Some(entry));
        for bad in
            ["", "ban", "ban\n1\n2\n3\n4\n::1\nname", "unban\n1\n2\n3\n4\n::1\nname\n", "ban\n-1\n2\n3\n4\n::1\na\nb"]
        {
            assert_eq!(Entry::read(bad.as_bytes()), None, "{bad:?}");
        }
    }
}
