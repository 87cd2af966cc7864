//! Layouts against the slow way: every entry on every text of its chain.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use proptest::prelude::*;

use super::*;

/// Everything that a layout gives for one value: entry, text, transformations.
#[derive(Default)]
struct Collected {
    pairs: Vec<(u16, Vec<u8>, Vec<Transformation>)>,
    spent: usize,
    budget: Option<usize>,
}

impl Sink for Collected {
    fn candidate(&mut self, entry: u16, text: &Text<'_>) -> ControlFlow<()> {
        self.pairs.push((entry, text.bytes.to_vec(), text.made_by().to_vec()));
        ControlFlow::Continue(())
    }

    fn spend(&mut self, bytes: usize) -> ControlFlow<()> {
        self.spent += bytes;
        if self.budget.is_some_and(|budget| self.spent > budget) {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }
}

fn collect(layout: &Layout, scratch: &mut Scratch, domain: u8, name: &[u8], bytes: &[u8]) -> Collected {
    let mut sink = Collected::default();
    assert!(layout.value(&Value { domain, name, bytes }, scratch, &mut sink).is_continue());
    sink
}

fn entry(domains: u64, chain: &[Transformation], literals: &[&str]) -> Entry {
    let literals = literals.iter().map(|literal| literal.as_bytes().to_vec()).collect();
    Entry {
        looks: vec![Look { domains, ..Look::default() }],
        chain: chain.into(),
        multi_match: false,
        requires: Clauses::any_of(literals),
    }
}

#[test]
fn names_choose_entries() {
    let named = |only: Option<&[&str]>, except: &[&str]| {
        let list = |names: &[&str]| names.iter().map(|name| name.as_bytes().into()).collect();
        Entry { looks: vec![Look { domains: 0b11, only: only.map(list), except: list(except) }], ..Entry::default() }
    };
    let entries =
        [named(None, &[]), named(Some(&["Host"]), &[]), named(None, &["referer", "HOST"]), named(Some(&["a"]), &["A"])];
    let layout = Layout::new(&entries).unwrap();
    for (domain, name, expect) in [
        (0, "accept", vec![0, 2]),
        (0, "host", vec![0, 1]),
        (1, "HoSt", vec![0, 1]),
        (0, "Referer", vec![0]),
        (0, "a", vec![0, 2]),
        (2, "host", vec![]),
    ] {
        let found = collect(&layout, &mut Scratch::default(), domain, name.as_bytes(), b"x");
        assert_eq!(found.pairs.iter().map(|pair| pair.0).collect::<Vec<_>>(), expect, "{domain} {name}");
    }
    assert!(layout.looks_at(1) && !layout.looks_at(2));
}

#[test]
fn a_text_names_the_steps_that_made_it() {
    use Transformation::{HtmlEntityDecode, Lowercase, UrlDecodeUni};
    let layout = Layout::new(&[entry(1, &[UrlDecodeUni, HtmlEntityDecode, Lowercase], &["attack"])]).unwrap();
    for (value, expect) in [
        ("an attack", Some(vec![])),
        ("an Att%61ck", Some(vec![UrlDecodeUni, Lowercase])),
        ("an &#65;ttack", Some(vec![HtmlEntityDecode, Lowercase])),
        ("an att ack", None),
    ] {
        let found = collect(&layout, &mut Scratch::default(), 0, b"", value.as_bytes());
        assert_eq!(found.pairs.into_iter().next().map(|pair| pair.2), expect, "{value}");
    }
}

#[test]
fn a_sink_that_has_enough_is_left_alone() {
    use Transformation::{Lowercase, Uppercase};
    let layout = Layout::new(&[entry(1, &[Lowercase], &[]), entry(1, &[Uppercase], &[])]).unwrap();
    let mut sink = Collected { budget: Some(5), ..Collected::default() };
    let value = Value { domain: 0, name: b"", bytes: b"Abcdef" };
    assert!(layout.value(&value, &mut Scratch::default(), &mut sink).is_break());
    assert_eq!((sink.pairs.len(), sink.spent), (0, 6));
}

/// The pairs that an entry must be given: each distinct text of its chain that holds a literal of every clause.
fn slow(entry: &Entry, value: &[u8]) -> BTreeSet<Vec<u8>> {
    let mut texts = vec![value.to_vec()];
    for step in &entry.chain {
        let (last, mut out) = (texts.last().cloned().unwrap_or_default(), Vec::new());
        let changed = step.apply(&last, &mut out);
        texts.push(if changed { out } else { last });
    }
    let chosen = if entry.multi_match { texts.as_slice() } else { &texts[texts.len() - 1..] };
    chosen.iter().filter(|text| entry.requires.admit(text)).cloned().collect()
}

fn any_entry() -> impl Strategy<Value = Entry> {
    use Transformation::{
        CmdLine, CompressWhitespace, HtmlEntityDecode, Length, Lowercase, RemoveNulls, ReplaceComments, UrlDecodeUni,
    };
    let step = prop::sample::select(vec![
        Lowercase,
        UrlDecodeUni,
        HtmlEntityDecode,
        RemoveNulls,
        CmdLine,
        CompressWhitespace,
        ReplaceComments,
        Length,
    ]);
    let clause = prop::collection::vec("[ab'<%]{1,6}".prop_map(String::into_bytes), 0..4).prop_map(Clauses::any_of);
    let byte = prop::sample::select(b"ab'<%".to_vec()).prop_map(|byte| Clauses::any_byte([byte]));
    let clauses = prop_oneof![3 => clause, 1 => byte];
    (1u64..8, prop::collection::vec(step, 0..4), any::<bool>(), clauses).prop_map(
        |(domains, chain, multi_match, requires)| Entry {
            looks: vec![Look { domains, ..Look::default() }],
            chain: chain.into(),
            multi_match,
            requires,
        },
    )
}

proptest! {
    #[test]
    fn gives_what_the_slow_way_gives(
        entries in prop::collection::vec(any_entry(), 1..12),
        values in prop::collection::vec("[abAB'<>% +0/*^;&#\0]{0,40}", 1..5),
    ) {
        let layout = Layout::new(&entries).unwrap();
        let mut scratch = Scratch::default();
        for (value, domain) in values.iter().zip([0, 1, 2, 3].into_iter().cycle()) {
            let found = collect(&layout, &mut scratch, domain, b"", value.as_bytes());
            for (number, entry) in (0u16..).zip(&entries) {
                let looks = entry.looks[0].domains >> domain & 1 == 1;
                let expect = if looks { slow(entry, value.as_bytes()) } else { BTreeSet::new() };
                let given: Vec<_> = found.pairs.iter().filter(|pair| pair.0 == number).map(|pair| pair.1.clone()).collect();
                let distinct: BTreeSet<_> = given.iter().cloned().collect();
                prop_assert_eq!(&distinct, &expect, "{:?} on {}", entry, value);
            }
        }
    }
}
