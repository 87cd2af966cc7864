//! Patterns of SecLang that run by back-tracking, as a metric: the engine counts for the whole process.

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use rampart_inspection::backtracking_gave_up;

/// Registers `rampart_inspection_backtracking_gave_up_total`.
#[derive(Debug)]
pub(super) struct PatternsCollector;

impl Collector for PatternsCollector {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), std::fmt::Error> {
        let counter = ConstCounter::new(backtracking_gave_up());
        counter.encode(encoder.encode_descriptor(
            "inspection_backtracking_gave_up",
            "Values on which a SecLang pattern that back-tracks reached its bound and counted as no match",
            None,
            counter.metric_type(),
        )?)
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;
    use prometheus_client::registry::Registry;

    use super::*;

    #[test]
    fn the_prefix_of_the_registry_holds() {
        let mut registry = Registry::default();
        registry.sub_registry_with_prefix("rampart").register_collector(Box::new(PatternsCollector));
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        assert!(text.contains("\nrampart_inspection_backtracking_gave_up_total 0\n"), "{text}");
    }
}
