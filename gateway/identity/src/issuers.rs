//! The issuers at work: their keys, fetched and kept, and the tokens that were checked already.
//!
//! Lives beside the snapshot and survives reloads. A request checks tokens with the rules of its own snapshot and with
//! the keys that are there now; so issuers are looked up by name *and* by where their keys come from, and the keys of
//! a source that left the configuration stay until the reload after.
//!
//! Nothing here waits but [`Issuers::refresh`] and [`Issuers::run`].

mod metrics;
mod remote;
mod seen;
mod state;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use serde_json::{Map, Value};
use tokio::sync::Notify;
use tokio::time::timeout;

use self::metrics::IssuerMetrics;
use self::remote::Remote;
use self::seen::{Good, Seen, TokenHash};
use crate::issuer::{Issuer, KeySource};
use crate::jwks::KeySet;
use crate::jwt::{Compact, Flaw, MAX_TOKEN_BYTES, Token, object};

pub use metrics::Metrics;
pub use state::{KeysState, KeysStatus};

/// How often it is looked whether keys are due.
const TICK: Duration = Duration::from_secs(1);

/// The keys of all issuers, and the tokens that were checked already.
pub struct Issuers {
    slots: ArcSwap<Slots>,
    seen: Seen,
    metrics: Metrics,
    reconciling: Mutex<()>,
    /// There are new issuers.
    changed: Notify,
}

type Slots = HashMap<Arc<str>, Arc<Slot>>;

/// An issuer of the configuration, by name.
struct Slot {
    metrics: Arc<IssuerMetrics>,
    /// The one that is configured, where keys are published, and then one that was configured before.
    remotes: Vec<Arc<Remote>>,
}

/// What became of a token.
#[derive(Debug, Clone)]
pub enum Verification {
    /// It is good.
    Good(Arc<Token>),
    /// It is not.
    Refused {
        /// Why.
        flaw: Flaw,
        /// The issuer that it claims to be of, where that is one of the candidates.
        issuer: Option<Arc<str>>,
    },
    /// It names a key that is not known, and asking the issuer may help: await [`Issuers::refresh`], then
    /// [`Issuers::verify_again`].
    UnknownKey(MissingKey),
}

/// A key that a token names, and that is not in the set where it was looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingKey {
    /// The name of the issuer's table.
    pub issuer: Arc<str>,
    /// The digest of the set; none if there was no set to look in.
    looked_in: Option<[u8; 16]>,
    /// How many fetches had begun then: a later one that succeeds is proof that the issuer has no such key.
    begun: u64,
}

// === impl Issuers ===

impl Issuers {
    /// No issuers yet.
    pub fn new() -> Self {
        Self {
            slots: ArcSwap::default(),
            seen: Seen::new(),
            metrics: Metrics::default(),
            reconciling: Mutex::new(()),
            changed: Notify::new(),
        }
    }

    /// What is counted.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Takes over the issuers of a new snapshot, before it serves. Keys of sources that stay are kept; those of others
    /// are kept until the next call, for requests of the snapshot before.
    pub fn reconcile(&self, issuers: &[Arc<Issuer>]) {
        let _one_at_a_time = self.reconciling.lock();
        let before = self.slots.load_full();
        let mut slots: Slots = issuers.iter().map(|issuer| self.slot(issuer, before.get(&issuer.name))).collect();
        for (name, slot) in before.iter().filter(|(name, _)| !issuers.iter().any(|issuer| issuer.name == **name)) {
            let remotes: Vec<_> = slot.remotes.iter().filter(|remote| !remote.retire()).cloned().collect();
            if remotes.is_empty() {
                self.metrics.forget(name);
            } else {
                slots.insert(Arc::clone(name), Arc::new(Slot { metrics: Arc::clone(&slot.metrics), remotes }));
            }
        }
        self.slots.store(Arc::new(slots));
        self.changed.notify_one();
    }

    fn slot(&self, issuer: &Issuer, before: Option<&Arc<Slot>>) -> (Arc<str>, Arc<Slot>) {
        let metrics = before.map_or_else(|| Arc::new(self.metrics.of(&issuer.name)), |slot| Arc::clone(&slot.metrics));
        let (mut same, others): (Vec<_>, Vec<_>) = before.map(|slot| slot.remotes.clone()).unwrap_or_default().into_iter().partition(
            |remote| matches!(issuer.source(), KeySource::Published(published) if published.digest == remote.digest()),
        );
        if let KeySource::Published(published) = issuer.source() {
            match same.first() {
                Some(remote) => remote.renew(published),
                None => same.push(Arc::new(Remote::new(&issuer.name, published, &metrics))),
            }
        }
        same.extend(others.into_iter().filter(|remote| !remote.retire()));
        (Arc::clone(&issuer.name), Arc::new(Slot { metrics, remotes: same }))
    }

    /// Checks a token as one of those of `candidates` that it claims to be of (by its `iss`).
    ///
    /// A key that is not known, while a cooldown forbids to ask for it, is [`Flaw::KeysUnavailable`]: it may have been
    /// published since. Else whoever keeps the cooldown alive with made-up names would have everybody's tokens called bad
    /// while the issuer rotates its keys.
    pub fn verify(&self, candidates: &[Arc<Issuer>], token: &[u8], now: SystemTime) -> Verification {
        self.look(candidates, token, now, None)
    }

    /// Checks it once more, after [`Issuers::refresh`] because of `missing`; never [`Verification::UnknownKey`]. If the key
    /// is still not known, that is [`Flaw::UnknownKey`] only where a fetch that began after the first look has succeeded.
    pub fn verify_again(
        &self,
        candidates: &[Arc<Issuer>],
        token: &[u8],
        now: SystemTime,
        missing: &MissingKey,
    ) -> Verification {
        self.look(candidates, token, now, Some(missing))
    }

    fn look(
        &self,
        candidates: &[Arc<Issuer>],
        token: &[u8],
        now: SystemTime,
        missing: Option<&MissingKey>,
    ) -> Verification {
        if token.len() > MAX_TOKEN_BYTES {
            return Verification::refused(Flaw::TooLarge, None);
        }
        let slots = self.slots.load();
        let hash = self.seen.hash(token);
        if let Some(known) = hash.and_then(|hash| self.known(&slots, candidates, hash, now)) {
            return known;
        }
        let read = Compact::read(token).and_then(|compact| {
            let claims = object(&compact.claims).ok_or(Flaw::Json)?;
            Ok((compact, claims))
        });
        let (compact, claims) = match read {
            Ok(read) => read,
            Err(flaw) => return Verification::refused(flaw, None),
        };
        let says = claims.get("iss").and_then(Value::as_str);
        let mut verdict = Verification::refused(Flaw::Issuer, None);
        for issuer in candidates.iter().filter(|issuer| issuer.may_be(says)) {
            let asked = Asked { issuer, slot: slots.get(&issuer.name).map(|slot| &**slot) };
            match asked.check(&compact, &claims, now, missing) {
                Ok(good) => {
                    let token_of = Arc::clone(&good.token);
                    if let Some(hash) = hash {
                        self.seen.put(hash, issuer.digest(), token.len(), good);
                    }
                    return Verification::Good(token_of);
                }
                // Where several issuers may have signed it, one that may know more is asked before it is refused.
                Err(refused) if !matches!(verdict, Verification::UnknownKey(_)) => verdict = refused,
                Err(_) => {}
            }
        }
        verdict
    }

    /// What is known about the token from before.
    fn known(
        &self,
        slots: &Slots,
        candidates: &[Arc<Issuer>],
        hash: TokenHash,
        now: SystemTime,
    ) -> Option<Verification> {
        candidates.iter().find_map(|issuer| {
            let asked = Asked { issuer, slot: slots.get(&issuer.name).map(|slot| &**slot) };
            let good = self.seen.get(hash, issuer.digest(), asked.keys()?.digest())?;
            Some(match issuer.check_times(&good.times, now) {
                Ok(()) => {
                    asked.count(|metrics| metrics.known.inc());
                    Verification::Good(good.token)
                }
                Err(flaw) => asked.refused(flaw),
            })
        })
    }

    /// Fetches the keys of an issuer because a token names one that is not there. Whoever calls this while a fetch is
    /// under way waits for that one; nobody waits longer than 3 seconds. True if the keys are other than those in which
    /// it was looked for, at once where they are so already; false at once during a cooldown.
    pub async fn refresh(&self, missing: &MissingKey) -> bool {
        let slot = self.slots.load().get(&missing.issuer).cloned();
        match slot.as_ref().and_then(|slot| slot.remotes.first()) {
            Some(remote) => remote.ask(missing.looked_in).await,
            None => false,
        }
    }

    /// Fetches keys when they are due, for as long as the process lives.
    pub async fn run(&self) {
        loop {
            for slot in self.slots.load().values() {
                slot.remotes.iter().for_each(Remote::fetch_if_due);
            }
            // Woken by `reconcile`, or by the time.
            let _ = timeout(TICK, self.changed.notified()).await;
        }
    }
}

impl Default for Issuers {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Issuers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let slots = self.slots.load();
        f.debug_list().entries(slots.keys()).finish()
    }
}

// === impl MissingKey ===

impl MissingKey {
    /// Of an issuer without any keys so far.
    #[cfg(test)]
    pub(crate) fn of(issuer: &str) -> Self {
        Self { issuer: issuer.into(), looked_in: None, begun: 0 }
    }
}

// === impl Verification ===

impl Verification {
    fn refused(flaw: Flaw, issuer: Option<Arc<str>>) -> Self {
        Self::Refused { flaw, issuer }
    }
}

/// An issuer that is asked about a token, with the rules of the request's snapshot and what the process knows of it.
struct Asked<'i> {
    issuer: &'i Issuer,
    slot: Option<&'i Slot>,
}

impl Asked<'_> {
    fn keys(&self) -> Option<Arc<KeySet>> {
        self.issuer.fixed_keys().cloned().or_else(|| self.remote()?.keys())
    }

    /// Whether the token is one of this issuer's; `missing` is what was asked for because of it.
    fn check(
        &self,
        compact: &Compact<'_>,
        claims: &Map<String, Value>,
        now: SystemTime,
        missing: Option<&MissingKey>,
    ) -> Result<Good, Verification> {
        let refused = |flaw| self.refused(flaw);
        self.issuer.check_header(compact).map_err(refused)?;
        let Some(keys) = self.keys() else { return Err(self.unknown(Flaw::KeysUnavailable, None, missing)) };
        if let Err(unverified) = keys.check(compact) {
            return Err(if unverified.another_may {
                self.unknown(unverified.flaw, Some(*keys.digest()), missing)
            } else {
                refused(unverified.flaw)
            });
        }
        let (token, times) = self.issuer.check_claims(claims.clone(), now).map_err(refused)?;
        self.count(|metrics| metrics.verified.inc());
        Ok(Good { token: Arc::new(token), times, keys: *keys.digest() })
    }

    /// Where its keys come from, if they are published.
    fn remote(&self) -> Option<&Arc<Remote>> {
        let KeySource::Published(published) = self.issuer.source() else { return None };
        self.slot?.remotes.iter().find(|remote| remote.digest() == published.digest)
    }

    fn count(&self, what: impl FnOnce(&IssuerMetrics) -> u64) {
        if let Some(slot) = self.slot {
            what(&slot.metrics);
        }
    }

    fn refused(&self, flaw: Flaw) -> Verification {
        if let Some(slot) = self.slot {
            slot.metrics.refused(flaw);
        }
        Verification::refused(flaw, Some(Arc::clone(&self.issuer.name)))
    }

    /// What is said of a token whose key is not known: to ask the issuer, if that was not done and is allowed now; the flaw,
    /// if it was asked with success since the token was seen; else that nobody knows.
    fn unknown(&self, flaw: Flaw, looked_in: Option<[u8; 16]>, missing: Option<&MissingKey>) -> Verification {
        let Some(remote) = self.remote() else { return self.refused(flaw) };
        match missing {
            None => match remote.may_ask() {
                Some(begun) => {
                    let issuer = Arc::clone(&self.issuer.name);
                    Verification::UnknownKey(MissingKey { issuer, looked_in, begun })
                }
                None => self.refused(Flaw::KeysUnavailable),
            },
            Some(missing) if missing.issuer == self.issuer.name && remote.succeeded_after(missing.begun) => {
                self.refused(flaw)
            }
            Some(_) => self.refused(Flaw::KeysUnavailable),
        }
    }
}

#[cfg(test)]
mod tests;
