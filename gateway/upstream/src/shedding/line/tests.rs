use std::collections::VecDeque;
use std::time::Duration;

use proptest::prelude::*;

use super::*;

fn rules(max_in_flight: u32, max_waiting: u32) -> SheddingRules {
    SheddingRules { max_in_flight, max_waiting, wait: Duration::from_millis(100) }
}

fn line(max_in_flight: u32, max_waiting: u32) -> Line {
    Line { rules: Some(rules(max_in_flight, max_waiting)), ..Line::default() }
}

fn claim(line: &mut Line, ticket: Ticket) -> bool {
    line.claim(ticket, Waker::noop())
}

#[test]
fn first_come_first_served() {
    let mut line = line(1, 2);
    assert_eq!(line.enter(), Entry::In);
    let (Entry::Waits(first), Entry::Waits(second)) = (line.enter(), line.enter()) else { panic!() };
    assert_eq!(line.enter(), Entry::Full);
    assert!(!claim(&mut line, second) && !claim(&mut line, first));
    assert!(line.leave().is_some());
    assert_eq!(line.waiting(), 1);
    let Entry::Waits(third) = line.enter() else { panic!("who comes now overtakes nobody") };
    assert!(!claim(&mut line, second) && !claim(&mut line, third));
    assert!(claim(&mut line, first));
    assert!(!claim(&mut line, first), "a place is given once");
}

#[test]
fn who_gives_up_lets_the_next_in() {
    let mut line = line(1, 3);
    line.enter();
    let (Entry::Waits(first), Entry::Waits(second), Entry::Waits(third)) = (line.enter(), line.enter(), line.enter())
    else {
        panic!()
    };
    claim(&mut line, third);
    assert!(line.give_up(second).is_none());
    line.leave();
    assert!(line.give_up(first).is_some(), "called, and gone: the place is the third's");
    assert!(claim(&mut line, third));
}

#[test]
fn no_wait_means_no_line() {
    let mut line = Line { rules: Some(SheddingRules { wait: Duration::ZERO, ..rules(1, 100) }), ..Line::default() };
    assert_eq!((line.enter(), line.enter()), (Entry::In, Entry::Full));
    let mut line = self::line(1, 0);
    assert_eq!((line.enter(), line.enter()), (Entry::In, Entry::Full));
}

#[test]
fn other_rules_count_at_once() {
    let mut line = line(1, 10);
    line.enter();
    let tickets: Vec<Ticket> = (0..5)
        .map(|_| match line.enter() {
            Entry::Waits(ticket) => ticket,
            other => panic!("{other:?}"),
        })
        .collect();
    for ticket in &tickets {
        claim(&mut line, *ticket);
    }
    assert_eq!(line.set_rules(Some(rules(3, 10))).len(), 2);
    assert!(tickets[..2].iter().all(|ticket| claim(&mut line, *ticket)));
    assert_eq!(line.set_rules(Some(rules(1, 1))).len(), 0);
    assert_eq!(line.enter(), Entry::Full);
    // Three are in where one may be: two have to leave before the next is called.
    assert_eq!((line.leave().is_some(), line.leave().is_some(), line.leave().is_some()), (false, false, true));
    assert_eq!(line.set_rules(None).len(), 2, "without rules nobody waits");
    assert_eq!((line.waiting(), line.enter()), (0, Entry::In));
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Enter,
    Leave,
    /// The so-many-th of those that ever waited looks whether it is its turn, or goes away.
    Claim(usize),
    GiveUp(usize),
}

proptest! {
    /// Against a plain list of who is in and who waits.
    #[test]
    fn agrees_with_a_list(
        max_in_flight in 1_u32..5,
        max_waiting in 0_u32..5,
        steps in prop::collection::vec(
            prop_oneof![
                Just(Step::Enter),
                Just(Step::Leave),
                (0_usize..8).prop_map(Step::Claim),
                (0_usize..8).prop_map(Step::GiveUp),
            ],
            1..200,
        ),
    ) {
        let mut line = line(max_in_flight, max_waiting);
        // Who is in; who has been called; who waits.
        let (mut inside, mut called, mut waiting) = (0_usize, Vec::new(), VecDeque::new());
        let mut all = Vec::new();
        for step in steps {
            match step {
                Step::Enter => match line.enter() {
                    Entry::In => {
                        prop_assert!(waiting.is_empty());
                        inside += 1;
                    }
                    Entry::Waits(ticket) => {
                        waiting.push_back(ticket);
                        all.push(ticket);
                    }
                    Entry::Full => prop_assert_eq!(waiting.len(), max_waiting as usize),
                },
                Step::Leave if inside > 0 => {
                    line.leave();
                    inside -= 1;
                }
                Step::Leave => {}
                Step::Claim(nth) => {
                    let Some(&ticket) = all.iter().rev().nth(nth) else { continue };
                    let due = called.contains(&ticket);
                    prop_assert_eq!(line.claim(ticket, Waker::noop()), due);
                    called.retain(|other| *other != ticket);
                    inside += usize::from(due);
                }
                Step::GiveUp(nth) => {
                    let Some(&ticket) = all.iter().rev().nth(nth) else { continue };
                    line.give_up(ticket);
                    called.retain(|other| *other != ticket);
                    waiting.retain(|other| *other != ticket);
                }
            }
            while inside + called.len() < max_in_flight as usize
                && let Some(next) = waiting.pop_front()
            {
                called.push(next);
            }
            prop_assert_eq!(line.waiting(), waiting.len());
            prop_assert_eq!(line.taken as usize, inside + called.len());
            prop_assert!(line.taken <= max_in_flight);
        }
    }
}
