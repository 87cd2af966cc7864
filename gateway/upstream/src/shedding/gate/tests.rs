use std::sync::atomic::AtomicU32;
use std::task::Wake;
use std::thread::Thread;

use super::*;
use crate::metrics::Metrics;

const MS: Duration = Duration::from_millis(1);

fn gate(max_in_flight: u32, max_waiting: u32) -> Arc<Gate> {
    let gate = Gate::new(Metrics::default().shedding(&"agents".into()));
    gate.set_rules(Some(&SheddingRules { max_in_flight, max_waiting, wait: 100 * MS }));
    Arc::new(gate)
}

fn poll(waiter: &mut Waiter) -> Poll<Slot> {
    Pin::new(waiter).poll(&mut Context::from_waker(std::task::Waker::noop()))
}

#[test]
fn a_request_waits_until_another_ends() {
    let (gate, now) = (gate(1, 1), Instant::now());
    let Admit::Go(slot) = gate.admit(now) else { panic!() };
    let Admit::Wait(mut waiter) = gate.admit(now) else { panic!() };
    assert_eq!(waiter.deadline(), now + 100 * MS);
    let Admit::Shed { retry_after_s: 1 } = gate.admit(now) else { panic!() };
    assert!(poll(&mut waiter).is_pending());
    drop(slot);
    let Poll::Ready(slot) = poll(&mut waiter) else { panic!() };
    drop(waiter);
    let Admit::Wait(_) = gate.admit(now) else { panic!("the place is taken") };
    drop(slot);
    let Admit::Go(_) = gate.admit(now) else { panic!("the place is free") };
}

#[test]
fn a_waiter_that_is_dropped_after_its_call_passes_the_place_on() {
    let (gate, now) = (gate(1, 2), Instant::now());
    let Admit::Go(slot) = gate.admit(now) else { panic!() };
    let (Admit::Wait(first), Admit::Wait(mut second)) = (gate.admit(now), gate.admit(now)) else { panic!() };
    drop(slot);
    assert!(poll(&mut second).is_pending());
    assert_eq!(first.gave_up(), 1);
    assert!(poll(&mut second).is_ready());
}

#[test]
fn without_a_limit_nothing_is_counted() {
    let (gate, now) = (gate(1, 0), Instant::now());
    gate.set_rules(None);
    let slots: Vec<Admit> = (0..1_000).map(|_| gate.admit(now)).collect();
    assert!(slots.iter().all(|admit| matches!(admit, Admit::Go(_))));
    gate.set_rules(Some(&SheddingRules { max_in_flight: 1, max_waiting: 0, wait: MS }));
    let Admit::Go(_slot) = gate.admit(now) else { panic!("those from before do not count") };
    drop(slots);
    let Admit::Shed { .. } = gate.admit(now) else { panic!("and give nothing back") };
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Waits as a thread until it is called; a wake-up that was lost makes the test run into the time limit of the park.
fn block_on(waiter: Waiter) -> Slot {
    let waker = Arc::new(Unpark(std::thread::current())).into();
    let (mut waiter, began) = (Box::pin(waiter), Instant::now());
    loop {
        if let Poll::Ready(slot) = waiter.as_mut().poll(&mut Context::from_waker(&waker)) {
            return slot;
        }
        std::thread::park_timeout(Duration::from_secs(20));
        assert!(began.elapsed() < Duration::from_secs(20), "nobody was woken");
    }
}

#[test]
fn threads_never_exceed_the_limit_and_all_get_through() {
    let (gate, inside) = (gate(3, 100), AtomicU32::new(0));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..500 {
                    let _slot = match gate.admit(Instant::now()) {
                        Admit::Go(slot) => slot,
                        Admit::Wait(waiter) => block_on(waiter),
                        Admit::Shed { .. } => panic!("the line has room for all"),
                    };
                    assert!(inside.fetch_add(1, Ordering::SeqCst) < 3);
                    std::thread::yield_now();
                    inside.fetch_sub(1, Ordering::SeqCst);
                }
            });
        }
    });
    assert_eq!(gate.line.lock().waiting(), 0);
}
