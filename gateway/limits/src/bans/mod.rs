//! Bans: who is refused too often is not listened to for a time.
//!
//! Offences are counted here at once, and told to the shared store afterwards, which counts those of all gateways
//! together. Whoever reaches the number first, a gateway alone or the store, makes the ban; it is published there, and
//! every gateway learns it within a second ([`sharing`]). Without a store each gateway bans for itself. Asking whether
//! an address is banned never waits for anything but a lock on a table in memory.
//!
//! A ban holds for an IPv4 address or an IPv6 /64. A repeat lasts longer, as long as the one before is remembered.
//! Lifting a ban forgets it. Never here: a clear address in the store.

mod metrics;
mod outbox;
mod raw;
mod sharing;
mod subject;
mod suspects;
mod table;

#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use ipnet::IpNet;
use parking_lot::{Mutex, RwLock};

pub(crate) use metrics::BanMetrics;
pub use raw::{Ban, MAX_AFTER, RawBan};

use crate::Micros;
use crate::micros::micros;
use outbox::{Outbox, Told};
use raw::BY_HAND;
use subject::Subject;
use suspects::Suspects;
use table::Table;

/// Addresses that are banned or remembered at the same time at most. Beyond it, of a few the one goes that ends first.
pub const MAX_BANS: usize = 100_000;

/// A ban by hand is no longer, in microseconds: 365 days.
const LONGEST_US: u64 = 365 * 86_400 * Micros::SECOND;

/// A lift is remembered for so many microseconds at least, so that a gateway which did not hear of it does not bring
/// the ban back: an hour.
const LIFT_REMEMBERED_US: u64 = 3_600 * Micros::SECOND;

/// Entries that are looked at with each new one, to drop those that have run out.
const SWEPT: usize = 4;

/// Who is banned. Cheap to clone; clones are the same table. Lives beside the snapshot and survives reloads.
#[derive(Debug, Clone)]
pub struct Bans(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    rules: ArcSwap<Vec<Arc<Rule>>>,
    held: RwLock<Table<Subject, Held>>,
    /// The length of `held`, so that a gateway without bans does not even take the lock.
    count: AtomicUsize,
    outbox: Outbox,
    metrics: BanMetrics,
}

#[derive(Debug)]
struct Rule {
    ban: Arc<Ban>,
    suspects: Mutex<Suspects>,
}

/// One banned address or network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BanState {
    /// What is banned: an IPv4 address or an IPv6 /64.
    pub network: IpNet,
    /// The `[ban.NAME]` that did it, or `admin`.
    pub ban: Arc<str>,
    /// The code of the last offence, or what the admin wrote.
    pub reason: Arc<str>,
    /// When it was made.
    pub made: Micros,
    /// When it ends.
    pub until: Micros,
    /// How often in a row, from 1.
    pub level: u32,
    /// Who made it.
    pub origin: Origin,
}

/// Who made a ban.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Origin {
    /// This gateway.
    Here,
    /// Another one, or all together.
    Shared,
    /// Somebody, by hand, at this gateway.
    Admin,
}

/// A ban, or the memory of one that has ended or was lifted.
#[derive(Debug, Clone)]
struct Held {
    state: BanState,
    lifted: bool,
    /// When it is forgotten.
    forget: Micros,
}

impl Origin {
    const ALL: [Self; 3] = [Self::Here, Self::Shared, Self::Admin];

    /// Its name in metrics and records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Here => "here",
            Self::Shared => "shared",
            Self::Admin => "admin",
        }
    }
}

impl BanState {
    /// Whole seconds until it ends, at least 1.
    pub fn retry_after_s(&self, now: Micros) -> u64 {
        self.until.seconds_from(now).max(1)
    }
}

impl Held {
    fn is_active(&self, now: Micros) -> bool {
        !self.lifted && self.state.until > now
    }
}

impl Default for Bans {
    fn default() -> Self {
        Self::new(BanMetrics::default())
    }
}

impl Bans {
    pub(crate) fn new(metrics: BanMetrics) -> Self {
        Self(Arc::new(Inner {
            rules: ArcSwap::from_pointee(Vec::new()),
            held: RwLock::new(Table::new(MAX_BANS)),
            count: AtomicUsize::new(0),
            outbox: Outbox::default(),
            metrics,
        }))
    }

    /// Takes the bans of a new snapshot. Offences counted for a ban that stayed as it was stay counted; bans that were
    /// made stay, unless the rule's new allow list names the address.
    pub(crate) fn reconcile(&self, bans: &[Arc<Ban>]) {
        let inner = &*self.0;
        let before = inner.rules.load_full();
        let same = |ban: &Arc<Ban>| before.iter().find(|rule| rule.ban == *ban).cloned();
        let anew = |ban: &Arc<Ban>| Arc::new(Rule { ban: Arc::clone(ban), suspects: Mutex::new(Suspects::new(ban)) });
        let after: Vec<_> = bans.iter().map(|ban| same(ban).unwrap_or_else(|| anew(ban))).collect();
        for gone in before.iter().filter(|rule| bans.iter().all(|ban| ban.name != rule.ban.name)) {
            inner.metrics.forget(&gone.ban.name);
        }
        inner.rules.store(Arc::new(after));
        let mut held = inner.held.write();
        held.sweep(MAX_BANS, |held| held.lifted || !self.is_allowed(&held.state));
        self.counted(&held);
    }

    /// The ban that holds for `address`, if one does.
    pub fn banned(&self, address: IpAddr, now: Micros) -> Option<BanState> {
        if self.0.count.load(Ordering::Relaxed) == 0 {
            return None;
        }
        let subject = Subject::of(address);
        let state =
            self.0.held.read().get(&subject).filter(|held| held.is_active(now)).map(|held| held.state.clone())?;
        self.0.metrics.refused.inc();
        Some(state)
    }

    /// Notes that a request of `address` was refused with `code`; the ban, if this one was one too many.
    pub fn offence(&self, address: IpAddr, code: &str, now: Micros) -> Option<BanState> {
        let rules = self.0.rules.load();
        let subject = Subject::of(address);
        let mut made = None;
        for rule in rules.iter().filter(|rule| rule.ban.counts(code) && !rule.ban.allows(address)) {
            if self.is_banned(subject, now) {
                break;
            }
            self.0.metrics.offence(&rule.ban.name);
            let reached = rule.suspects.lock().offended(subject, now);
            if reached {
                made = Some(self.make(rule, subject, code, now));
            }
            let ban = Arc::clone(&rule.ban);
            self.tell(Told::Offence { ban, subject, code: code.into(), at: now, reached });
        }
        made
    }

    /// The bans that hold, those that end first in front.
    pub fn list(&self, now: Micros) -> Vec<BanState> {
        let held = self.0.held.read();
        let mut list: Vec<_> =
            held.iter().filter(|(_, held)| held.is_active(now)).map(|(_, held)| held.state.clone()).collect();
        drop(held);
        list.sort_by_key(|state| (state.until, state.network));
        list
    }

    /// Bans an address (IPv6: its /64) by hand, for `hold` and for what `reason` says; at most a year. Allow lists do
    /// not hinder it: an admin means what he asks for.
    pub fn add(&self, address: IpAddr, hold: Duration, reason: &str, now: Micros) -> BanState {
        let subject = Subject::of(address);
        let state = BanState {
            network: subject.network(),
            ban: BY_HAND.into(),
            reason: reason.into(),
            made: now,
            until: Micros(now.0.saturating_add(micros(hold).min(LONGEST_US))),
            level: 1,
            origin: Origin::Admin,
        };
        self.0.metrics.made(&state.ban, Origin::Admin);
        self.hold(subject, Held { forget: state.until, state: state.clone(), lifted: false }, now);
        self.tell(Told::Made { subject, state: state.clone() });
        state
    }

    /// Lifts the ban of an address, on every gateway, and forgets that there was one; false if there was none. The
    /// others are told in any case.
    pub fn lift(&self, address: IpAddr, now: Micros) -> bool {
        let subject = Subject::of(address);
        let was = self.0.held.read().get(&subject).cloned();
        let found = was.as_ref().is_some_and(|held| held.is_active(now));
        let state = BanState {
            network: subject.network(),
            ban: was.as_ref().map_or_else(|| BY_HAND.into(), |held| Arc::clone(&held.state.ban)),
            reason: "lifted".into(),
            made: now,
            until: was.map_or(now, |held| held.state.until).max(Micros(now.0.saturating_add(LIFT_REMEMBERED_US))),
            level: 0,
            origin: Origin::Admin,
        };
        self.hold(subject, Held { forget: state.until, state: state.clone(), lifted: true }, now);
        self.acquit(subject);
        if found {
            self.0.metrics.lifted.inc();
        }
        self.tell(Told::Lifted { subject, state });
        found
    }

    /// Bans after the offence one too many. Another gateway may have been faster: then its ban is held already.
    fn make(&self, rule: &Rule, subject: Subject, code: &str, now: Micros) -> BanState {
        let level = self.next_level(subject, now);
        let state = BanState {
            network: subject.network(),
            ban: Arc::clone(&rule.ban.name),
            reason: code.into(),
            made: now,
            until: Micros(now.0.saturating_add(rule.ban.length_us(level))),
            level,
            origin: Origin::Here,
        };
        self.0.metrics.made(&state.ban, Origin::Here);
        let forget = Micros(state.until.0.saturating_add(rule.ban.up_to_us));
        self.hold(subject, Held { state: state.clone(), lifted: false, forget }, now);
        state
    }

    fn next_level(&self, subject: Subject, now: Micros) -> u32 {
        let held = self.0.held.read();
        let before = held.get(&subject).filter(|held| held.forget > now).map_or(0, |held| held.state.level);
        before.saturating_add(1)
    }

    fn is_banned(&self, subject: Subject, now: Micros) -> bool {
        self.0.held.read().get(&subject).is_some_and(|held| held.is_active(now))
    }

    /// Whether the rule that a ban refers to never bans its address.
    fn is_allowed(&self, state: &BanState) -> bool {
        let rules = self.0.rules.load();
        rules.iter().any(|rule| rule.ban.name == state.ban && rule.ban.allows(state.network.addr()))
    }

    fn hold(&self, subject: Subject, new: Held, now: Micros) {
        let mut held = self.0.held.write();
        held.sweep(SWEPT, |held| held.forget > now);
        // Of those that are looked at, lifts and bans that have ended rank below bans that hold.
        let gone = held.insert(subject, new, |held| if held.is_active(now) { held.state.until.0 } else { 0 });
        if gone.is_some_and(|gone| gone.is_active(now)) {
            self.0.metrics.pushed_out.inc();
        }
        self.counted(&held);
    }

    fn counted(&self, held: &Table<Subject, Held>) {
        self.0.count.store(held.len(), Ordering::Relaxed);
        self.0.metrics.held.set(i64::try_from(held.len()).unwrap_or(i64::MAX));
    }

    fn acquit(&self, subject: Subject) {
        for rule in self.0.rules.load().iter() {
            rule.suspects.lock().acquit(subject);
        }
    }

    fn tell(&self, told: Told) {
        if !self.0.outbox.push(told) {
            self.0.metrics.unshared.inc();
        }
    }
}
