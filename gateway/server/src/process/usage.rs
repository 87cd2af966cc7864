//! What the process itself uses, as the standard `process_*` metrics, read from `/proc/self` when they are asked for.
//! Where there is no `/proc` they are left out.

use std::fs;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use rampart_record::Timestamp;

/// Clock ticks in a second as `/proc` counts them: 100 on every Linux (USER_HZ is part of the kernel's ABI).
const TICKS_PER_SECOND: f64 = 100.0;

/// One reading of `/proc/self`. (Nothing else of `/proc` is read: a confined service sees only processes there.)
#[derive(Debug, Clone, Copy, PartialEq)]
struct Usage {
    cpu_seconds: f64,
    threads: i64,
    virtual_bytes: i64,
    resident_bytes: i64,
    descriptors: i64,
}

/// Registers `process_cpu_seconds_total`, `process_resident_memory_bytes` and the like.
#[derive(Debug)]
pub(crate) struct UsageCollector {
    /// When the process started.
    pub(crate) started: Timestamp,
}

impl Collector for UsageCollector {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), std::fmt::Error> {
        let Some(usage) = Usage::read() else { return Ok(()) };
        let cpu = ConstCounter::new(usage.cpu_seconds);
        cpu.encode(encoder.encode_descriptor(
            "process_cpu_seconds",
            "CPU time used, user and system",
            None,
            cpu.metric_type(),
        )?)?;
        let gauges = [
            ("process_resident_memory_bytes", "Memory in use", usage.resident_bytes),
            ("process_virtual_memory_bytes", "Address space in use", usage.virtual_bytes),
            ("process_threads", "Threads", usage.threads),
            ("process_open_fds", "Open file descriptors", usage.descriptors),
        ];
        for (name, help, value) in gauges {
            let gauge = ConstGauge::new(value);
            gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)?;
        }
        let start =
            ConstGauge::new(std::time::Duration::from_millis(self.started.millis().unsigned_abs()).as_secs_f64());
        let help = "When the process started, in seconds since 1970";
        start.encode(encoder.encode_descriptor("process_start_time_seconds", help, None, start.metric_type())?)
    }
}

impl Usage {
    fn read() -> Option<Self> {
        let stat = fs::read_to_string("/proc/self/stat").ok()?;
        let descriptors = fs::read_dir("/proc/self/fd").ok()?.count();
        let page_bytes = i64::try_from(rustix::param::page_size()).ok()?;
        Self::parse(&stat, descriptors, page_bytes)
    }

    /// Fields by proc(5): after the command in parentheses comes field 3, the state.
    fn parse(stat: &str, descriptors: usize, page_bytes: i64) -> Option<Self> {
        let (_, rest) = stat.rsplit_once(')')?;
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        let field = |number: usize| fields.get(number - 3)?.parse::<f64>().ok();
        let whole = |number: usize| fields.get(number - 3)?.parse::<i64>().ok();
        Some(Self {
            cpu_seconds: (field(14)? + field(15)?) / TICKS_PER_SECOND,
            threads: whole(20)?,
            virtual_bytes: whole(23)?,
            resident_bytes: whole(24)? * page_bytes,
            descriptors: i64::try_from(descriptors).ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_counted_after_the_command_even_when_it_holds_spaces_and_parentheses() {
        let stat = "42 (a b) c) S 1 2 3 4 5 6 7 8 9 10 250 50 0 0 20 0 7 0 1000 8192 3 18446744073709551615";
        let usage = Usage::parse(stat, 12, 4096);
        let expect =
            Usage { cpu_seconds: 3.0, threads: 7, virtual_bytes: 8192, resident_bytes: 3 * 4096, descriptors: 12 };
        assert_eq!(usage, Some(expect));
        assert_eq!(Usage::parse("nonsense", 0, 1), None);
    }

    #[test]
    fn this_process_has_a_size() {
        let usage = Usage::read().unwrap();
        assert!(usage.resident_bytes > 0 && usage.threads > 0 && usage.descriptors > 0);
    }
}
