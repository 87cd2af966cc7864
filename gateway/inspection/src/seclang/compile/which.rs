//! Which rules a reference means: by id, tag or message.
//!
//! A tag or message is compared as a whole, as in ModSecurity v3. Where no rule has exactly this one, it is taken as a
//! pattern that has to match somewhere, as in v2: v3 would do nothing then, and rule sets written for v2 are common.

use regex::bytes::RegexBuilder;

use super::super::ast::IdRange;
use super::draft::Draft;

/// What references are compared with, rule by rule.
#[derive(Debug, Default)]
pub(super) struct Subjects(Vec<Subject>);

#[derive(Debug)]
struct Subject {
    id: u32,
    /// Those without macros.
    tags: Vec<Box<[u8]>>,
    msg: Option<Box<[u8]>>,
}

impl Subjects {
    /// The rules as they are.
    pub(super) fn of(rules: &[Draft]) -> Self {
        let subject = |draft: &Draft| Subject {
            id: draft.id,
            tags: draft.tags().map(Into::into).collect(),
            msg: draft.message().map(Into::into),
        };
        Self(rules.iter().map(subject).collect())
    }

    /// How many rules there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Positions of the rules with an id of the range.
    pub(super) fn with_id(&self, range: IdRange) -> Vec<usize> {
        self.positions(|subject| (range.first..=range.last).contains(&subject.id))
    }

    /// Positions of the rules with such a tag.
    pub(super) fn with_tag(&self, tag: &[u8]) -> Vec<usize> {
        self.with_text(tag, |subject, test| subject.tags.iter().any(|own| test(own)))
    }

    /// Positions of the rules with such a message.
    pub(super) fn with_msg(&self, msg: &[u8]) -> Vec<usize> {
        self.with_text(msg, |subject, test| subject.msg.as_ref().is_some_and(|own| test(own)))
    }

    fn with_text(&self, text: &[u8], any: impl Fn(&Subject, &dyn Fn(&[u8]) -> bool) -> bool) -> Vec<usize> {
        let exact = self.positions(|subject| any(subject, &|own| own == text));
        if !exact.is_empty() {
            return exact;
        }
        let pattern =
            std::str::from_utf8(text).ok().and_then(|text| RegexBuilder::new(text).unicode(false).build().ok());
        pattern.map_or_else(Vec::new, |pattern| self.positions(|subject| any(subject, &|own| pattern.is_match(own))))
    }

    fn positions(&self, meant: impl Fn(&Subject) -> bool) -> Vec<usize> {
        self.0.iter().enumerate().filter(|(_, subject)| meant(subject)).map(|(at, _)| at).collect()
    }
}
