//! A view of a JSON Schema as `schemars` writes it for Rust types (draft 2020-12): what a value may be, key by key.
//!
//! Only what the derive produces is understood; anything else is left to serde, which reads the value afterwards.

use serde_json::{Map, Value as Json};

/// A schema and the root that its references point into.
#[derive(Clone, Copy)]
pub(crate) struct Schema<'s> {
    root: &'s Json,
    own: &'s Json,
}

/// What a schema says about a key of a table.
pub(crate) enum Property<'s> {
    /// The key is named by the schema.
    Named(Schema<'s>),
    /// Any name is good: the names are the admin's.
    Open(Schema<'s>),
    /// Any key is good and nothing is known about it.
    Anything,
    /// There is no such key.
    Unknown,
}

impl<'s> Schema<'s> {
    pub(crate) fn root(root: &'s Json) -> Self {
        Self { root, own: root }
    }

    fn of(self, own: &'s Json) -> Self {
        Self { root: self.root, own }
    }

    fn object(self) -> Option<&'s Map<String, Json>> {
        self.own.as_object()
    }

    pub(crate) fn keyword(self, name: &str) -> Option<&'s Json> {
        self.object().and_then(|object| object.get(name))
    }

    pub(crate) fn text(self, name: &str) -> Option<&'s str> {
        self.keyword(name).and_then(Json::as_str)
    }

    /// The schemas that a value may fit instead of each other; references followed, `null` left out.
    ///
    /// Keywords beside `$ref`, `anyOf` or `oneOf` are descriptions and defaults, so they may be dropped.
    pub(crate) fn alternatives(self) -> Vec<Self> {
        let mut found = Vec::new();
        self.collect(&mut found, 0);
        found
    }

    fn collect(self, found: &mut Vec<Self>, depth: usize) {
        /// References and alternatives inside each other; a type that needs more is a mistake.
        const DEPTH: usize = 16;
        if depth > DEPTH {
            return;
        }
        if let Some(target) = self.text("$ref") {
            if let Some(own) = target.strip_prefix('#').and_then(|pointer| self.root.pointer(pointer)) {
                self.of(own).collect(found, depth + 1);
            }
            return;
        }
        let choices = self.keyword("anyOf").or_else(|| self.keyword("oneOf")).and_then(Json::as_array);
        if let Some(choices) = choices {
            for choice in choices {
                self.of(choice).collect(found, depth + 1);
            }
        } else if self.text("type") != Some("null") {
            found.push(self);
        }
    }

    /// The types by name, `null` left out; empty if any type will do.
    pub(crate) fn types(self) -> Vec<&'s str> {
        let names = match self.keyword("type") {
            Some(Json::String(name)) => vec![name.as_str()],
            Some(Json::Array(names)) => names.iter().filter_map(Json::as_str).collect(),
            _ => match (self.keyword("const"), self.keyword("enum")) {
                (Some(Json::String(_)), _) | (_, Some(_)) => vec!["string"],
                _ => Vec::new(),
            },
        };
        names.into_iter().filter(|name| *name != "null").collect()
    }

    /// The only strings that fit, if the schema lists them.
    pub(crate) fn choices(self) -> Option<Vec<&'s str>> {
        match (self.keyword("const"), self.keyword("enum")) {
            (Some(Json::String(only)), _) => Some(vec![only]),
            (_, Some(Json::Array(all))) => Some(all.iter().filter_map(Json::as_str).collect()),
            _ => None,
        }
    }

    pub(crate) fn items(self) -> Option<Self> {
        self.keyword("items").filter(|items| items.is_object()).map(|items| self.of(items))
    }

    pub(crate) fn property(self, key: &str) -> Property<'s> {
        if let Some(named) = self.properties().and_then(|properties| properties.get(key)) {
            return Property::Named(self.of(named));
        }
        match self.keyword("additionalProperties") {
            Some(Json::Bool(false)) => Property::Unknown,
            Some(open @ Json::Object(_)) => Property::Open(self.of(open)),
            _ => Property::Anything,
        }
    }

    /// Names of the keys that the schema knows.
    pub(crate) fn keys(self) -> impl Iterator<Item = &'s str> {
        self.properties().into_iter().flat_map(|properties| properties.keys().map(String::as_str))
    }

    /// Names of the keys that must be present.
    pub(crate) fn required(self) -> impl Iterator<Item = &'s str> {
        let names = self.keyword("required").and_then(Json::as_array);
        names.into_iter().flatten().filter_map(Json::as_str)
    }

    fn properties(self) -> Option<&'s Map<String, Json>> {
        self.keyword("properties").and_then(Json::as_object)
    }
}
