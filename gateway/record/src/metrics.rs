//! What the writers count, by writer (`access`, `events`, `admin`, `store`): nothing else ever becomes a label.
//!
//! Counters are taken in hand once per writer (`Meter`), so the way of a request pays one atomic addition at most. The
//! depth of the queues is read when somebody looks, not kept up to date.

use std::fmt;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::{MetricType, TypedMetric};
use prometheus_client::registry::{Registry, Unit};

/// The counts of all writers; clones share them.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    lines: Family<Label, Counter>,
    bytes: Family<Label, Counter>,
    dropped: Family<Label, Counter>,
    write_errors: Family<Label, Counter>,
    queues: Queues,
}

/// The counters of one writer.
#[derive(Clone, Debug)]
pub(crate) struct Meter {
    pub(crate) lines: Counter,
    pub(crate) bytes: Counter,
    pub(crate) dropped: Counter,
    pub(crate) write_errors: Counter,
}

/// Something of which one can ask how full it is.
pub(crate) trait Depth: Send + Sync {
    /// Bytes waiting.
    fn queued_bytes(&self) -> usize;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Label {
    journal: &'static str,
}

#[derive(Clone, Default)]
struct Queues(Arc<Mutex<Vec<Queue>>>);

type Queue = (Label, Weak<dyn Depth>);

// === impl Metrics ===

impl Metrics {
    /// Adds the metrics to a registry whose prefix is `rampart`: they are called `rampart_record_*`.
    pub fn register(&self, registry: &mut Registry) {
        let registry = registry.sub_registry_with_prefix("record");
        registry.register("lines", "Records written", self.lines.clone());
        registry.register_with_unit("written", "Bytes of records written", Unit::Bytes, self.bytes.clone());
        registry.register("dropped", "Records lost because a writer could not keep up", self.dropped.clone());
        registry.register("write_errors", "Writes that failed and are tried again", self.write_errors.clone());
        registry.register_collector(Box::new(self.queues.clone()));
    }

    /// The counters of the writer `journal`, which appear from now on even when they are zero.
    pub(crate) fn meter(&self, journal: &'static str) -> Meter {
        let label = Label { journal };
        Meter {
            lines: self.lines.get_or_create_owned(&label),
            bytes: self.bytes.get_or_create_owned(&label),
            dropped: self.dropped.get_or_create_owned(&label),
            write_errors: self.write_errors.get_or_create_owned(&label),
        }
    }

    /// From now on the depth of this queue is shown, as long as it lives.
    pub(crate) fn watch(&self, journal: &'static str, queue: Weak<dyn Depth>) {
        let mut queues = self.queues.0.lock();
        queues.retain(|(label, queue)| label.journal != journal && queue.strong_count() > 0);
        queues.push((Label { journal }, queue));
    }
}

// === impl Queues ===

impl Collector for Queues {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let help = "Bytes of records waiting to be written";
        let kind = <ConstGauge<u64> as TypedMetric>::TYPE;
        debug_assert!(matches!(kind, MetricType::Gauge));
        let mut metric = encoder.encode_descriptor("queue", help, Some(&Unit::Bytes), kind)?;
        for (label, queue) in self.0.lock().iter() {
            let Some(queue) = queue.upgrade() else { continue };
            let depth = ConstGauge::new(u64::try_from(queue.queued_bytes()).unwrap_or(u64::MAX));
            depth.encode(metric.encode_family(label)?)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Queues {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Queues").field(&self.0.lock().len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus_client::encoding::text::encode;

    struct Full(usize);

    impl Depth for Full {
        fn queued_bytes(&self) -> usize {
            self.0
        }
    }

    fn text(metrics: &Metrics) -> String {
        let mut registry = Registry::with_prefix("rampart");
        metrics.register(&mut registry);
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        text
    }

    #[test]
    fn every_count_has_its_name_and_the_writers_label() {
        let metrics = Metrics::default();
        let meter = metrics.meter("access");
        meter.lines.inc_by(3);
        meter.bytes.inc_by(900);
        meter.dropped.inc();
        metrics.meter("store").write_errors.inc();
        let queue: Arc<dyn Depth> = Arc::new(Full(77));
        metrics.watch("access", Arc::downgrade(&queue));
        let text = text(&metrics);
        for line in [
            "rampart_record_lines_total{journal=\"access\"} 3\n",
            "rampart_record_written_bytes_total{journal=\"access\"} 900\n",
            "rampart_record_dropped_total{journal=\"access\"} 1\n",
            "rampart_record_write_errors_total{journal=\"access\"} 0\n",
            "rampart_record_write_errors_total{journal=\"store\"} 1\n",
            "# TYPE rampart_record_queue_bytes gauge\n",
            "rampart_record_queue_bytes{journal=\"access\"} 77\n",
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
    }

    #[test]
    fn a_queue_is_shown_as_long_as_it_lives() {
        let metrics = Metrics::default();
        let (first, second): (Arc<dyn Depth>, Arc<dyn Depth>) = (Arc::new(Full(1)), Arc::new(Full(2)));
        metrics.watch("access", Arc::downgrade(&first));
        metrics.watch("access", Arc::downgrade(&second));
        assert_eq!(text(&metrics).matches("rampart_record_queue_bytes{").count(), 1, "the later one of a name");
        drop(second);
        assert_eq!(text(&metrics).matches("rampart_record_queue_bytes{").count(), 0);
    }
}
