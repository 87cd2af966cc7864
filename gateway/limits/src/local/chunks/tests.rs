use std::collections::VecDeque;

use proptest::prelude::*;

use super::*;

const PLENTY: usize = 1 << 20;

#[derive(Debug, Clone)]
enum Step {
    Push { list: usize, count: u64 },
    DropFront { list: usize, count: usize },
    DropBack { list: usize, count: u64 },
    Remove { list: usize, back: usize, count: u64 },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let list = 0..3_usize;
    let step = prop_oneof![
        4 => (list.clone(), 1..20_u64).prop_map(|(list, count)| Step::Push { list, count }),
        1 => (list.clone(), 0..30_usize).prop_map(|(list, count)| Step::DropFront { list, count }),
        1 => (list.clone(), 0..30_u64).prop_map(|(list, count)| Step::DropBack { list, count }),
        1 => (list, 0..40_usize, 0..25_u64).prop_map(|(list, back, count)| Step::Remove { list, back, count }),
    ];
    proptest::collection::vec(step, 1..120)
}

fn contents(chunks: &Chunks, log: Option<Log>) -> Vec<u64> {
    log.map(|log| chunks.iter(log).collect()).unwrap_or_default()
}

proptest! {
    #[test]
    fn lists_are_queues(steps in steps()) {
        let mut chunks = Chunks::default();
        let mut logs = [None::<Log>; 3];
        let mut expect: [VecDeque<u64>; 3] = Default::default();
        for (index, step) in steps.into_iter().enumerate() {
            let moment = index as u64 + 1;
            match step {
                Step::Push { list, count } => {
                    let moments = std::iter::repeat_n(moment, usize::try_from(count).unwrap());
                    logs[list] = match logs[list] {
                        None => chunks.list(moments.clone(), PLENTY),
                        Some(log) => chunks.push(log, moment, count, PLENTY),
                    };
                    prop_assert!(logs[list].is_some());
                    expect[list].extend(moments);
                }
                Step::DropFront { list, count } => {
                    let until = expect[list].get(count).copied().unwrap_or(u64::MAX);
                    logs[list] = logs[list].and_then(|log| chunks.drop_front(log, |moment| moment < until));
                    expect[list].retain(|moment| *moment >= until);
                }
                Step::DropBack { list, count } => {
                    logs[list] = logs[list].and_then(|log| chunks.drop_back(log, count));
                    let keep = expect[list].len().saturating_sub(usize::try_from(count).unwrap());
                    expect[list].truncate(keep);
                }
                Step::Remove { list, back, count } => {
                    let at = expect[list].len().saturating_sub(back + 1);
                    let moment = expect[list].get(at).copied().unwrap_or(0);
                    logs[list] = logs[list].and_then(|log| chunks.remove(log, moment, count));
                    let mut left = count;
                    expect[list].retain(|other| {
                        let removed = *other == moment && left > 0;
                        left -= u64::from(removed);
                        !removed
                    });
                }
            }
            for (log, expect) in logs.iter().zip(&expect) {
                prop_assert_eq!(&contents(&chunks, *log), &Vec::from(expect.clone()));
                let Some(log) = log else { continue };
                prop_assert_eq!(usize::from(log.len()), expect.len());
                for (index, moment) in expect.iter().enumerate() {
                    prop_assert_eq!(chunks.nth(*log, index as u64), Some(*moment));
                }
                prop_assert_eq!(chunks.nth(*log, expect.len() as u64), None);
            }
        }
        for log in logs.into_iter().flatten() {
            chunks.free(log);
        }
        prop_assert_eq!(chunks.free_len, chunks.pages.len() * PAGE, "every chunk came back");
    }
}

#[test]
fn what_does_not_fit_changes_nothing() {
    let bound = 2 * PAGE_BYTES + 100;
    let mut chunks = Chunks::default();
    let full = chunks.list(std::iter::repeat_n(5, 2 * PAGE * MOMENTS), bound).unwrap();
    assert!(chunks.bytes() <= bound);
    assert_eq!(chunks.push(full, 6, 1, bound), None);
    assert_eq!(chunks.list(std::iter::once(1), bound), None);
    assert_eq!(usize::from(full.len()), 2 * PAGE * MOMENTS);
    let half = chunks.drop_back(full, u64::from(full.len()) / 2).unwrap();
    assert!(chunks.push(half, 6, 1, bound).is_some());
}
