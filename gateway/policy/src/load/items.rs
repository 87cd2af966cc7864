//! The rules directory item by item: what fits its schema, with the place where it stands.

use std::collections::BTreeMap;

use rampart_identity::{RawApiKey, RawCors, RawIssuer};
use rampart_inspection::{Placed, RawCase, RawExclusion, RawProfile, RawRule};
use rampart_limits::{RawBan, RawQuota};
use rampart_settings::{Checked, Document, Place, Report, Shape};
use rampart_upstream::RawResilience;
use serde::de::DeserializeOwned;

use crate::config::check_name;
use crate::raw_rules::RawRoute;

/// Tables with names, each once.
pub(super) type Named<'p, T> = BTreeMap<String, Placed<'p, T>>;

/// Every item of every file that fits its schema, with its place.
#[derive(Default)]
pub(super) struct Items<'p> {
    pub(super) routes: Vec<Placed<'p, RawRoute>>,
    pub(super) rules: Vec<Placed<'p, RawRule>>,
    pub(super) cases: Vec<Placed<'p, RawCase>>,
    pub(super) exclusions: Vec<Placed<'p, RawExclusion>>,
    pub(super) profiles: Named<'p, RawProfile>,
    pub(super) quotas: Named<'p, RawQuota>,
    pub(super) bans: Named<'p, RawBan>,
    pub(super) issuers: Named<'p, RawIssuer>,
    pub(super) api_keys: Vec<Placed<'p, RawApiKey>>,
    pub(super) cors: Named<'p, RawCors>,
    pub(super) resilience: Named<'p, RawResilience>,
}

impl<'p> Items<'p> {
    /// Takes what `document` holds; what does not fit is reported.
    pub(super) fn collect(&mut self, shape: &Shape, document: &'p Document, report: &'p Report) {
        let checked = shape.check(document, report);
        let root = document.root(report);
        self.routes.extend(list(&checked, &root.key("route"), "name"));
        self.rules.extend(list(&checked, &root.key("rule"), "id"));
        self.cases.extend(list(&checked, &root.key("case"), ""));
        self.exclusions.extend(list(&checked, &root.key("exclusion"), ""));
        self.api_keys.extend(list(&checked, &root.key("api_key"), "name"));
        named(&checked, "profile", &root, &mut self.profiles);
        named(&checked, "quota", &root, &mut self.quotas);
        named(&checked, "ban", &root, &mut self.bans);
        named(&checked, "issuer", &root, &mut self.issuers);
        named(&checked, "cors", &root, &mut self.cors);
        named(&checked, "resilience", &root, &mut self.resilience);
    }
}

/// The tables `[kind.NAME]` that fit their schema. The names of the others are excused: they were reported.
fn named<'p, T: DeserializeOwned>(checked: &Checked, kind: &str, root: &Place<'p>, known: &mut Named<'p, T>) {
    let tables = root.key(kind);
    for name in tables.keys() {
        let place = tables.key(name);
        check_name(kind, name, &place);
        let Some(raw) = checked.read(&place) else {
            place.report().excuse(name);
            continue;
        };
        if let Some(first) = known.get(name) {
            let help = format!("the other one is at {}", first.place.location());
            place.error_at_key(format!("the {kind} \"{name}\" is defined twice"), Some(help));
            continue;
        }
        known.insert(name.to_owned(), Placed { raw, place });
    }
}

/// The items of an array of tables that fit their schema. The others were reported; the names in their key `name` are
/// excused.
fn list<'p, T: DeserializeOwned>(checked: &Checked, place: &Place<'p>, name: &str) -> Vec<Placed<'p, T>> {
    let item = |place: Place<'p>| {
        let raw = checked.read(&place);
        if raw.is_none()
            && let Some(name) = place.key(name).text()
        {
            place.report().excuse(name);
        }
        raw.map(|raw| Placed { raw, place })
    };
    place.items().into_iter().filter_map(item).collect()
}
