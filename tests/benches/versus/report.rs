//! The results: figures of each contender, for the table and as JSON.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::contenders::{Direction, OURS};
use crate::measure::Sample;
use crate::procfs;
use crate::rounds::Row;
use crate::stage::Stage;
use crate::table;

/// The results of one invocation.
#[derive(Serialize)]
pub(crate) struct Report {
    case: &'static str,
    smoke: bool,
    /// A description of the measurement and its network.
    setting: String,
    cores: usize,
    /// How many processes wanted a core in the minute before: disturbance by others.
    load: f64,
    tables: Vec<Table>,
    /// Version strings of the other tools.
    versions: BTreeMap<&'static str, String>,
    /// This process's own peak memory: a client's measured peak is never lower.
    own_peak_bytes: Option<u64>,
    failures: Vec<String>,
}

impl Report {
    pub(crate) fn new(stage: &Stage<'_>, case: &'static str, setting: String) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let load = procfs::load();
        println!("{case}: {setting}; {cores} cores, load before it {load:.1}");
        Self {
            case,
            smoke: stage.args.smoke,
            setting,
            cores,
            load,
            tables: vec![],
            versions: BTreeMap::new(),
            own_peak_bytes: None,
            failures: vec![],
        }
    }

    /// Adds the rows of one direction and prints them.
    pub(crate) fn add(&mut self, direction: Direction, rows: Vec<Row>, yardstick: Yardstick) {
        self.add_titled("", direction, rows, yardstick);
    }

    /// The same, with a title for the work.
    pub(crate) fn add_titled(
        &mut self,
        work: &'static str,
        direction: Direction,
        rows: Vec<Row>,
        yardstick: Yardstick,
    ) {
        let ours = rows.iter().find(|row| row.name == OURS).and_then(|row| median(&row.samples, seconds));
        let rows = rows.into_iter().map(|row| Figures::new(row, ours, yardstick)).collect();
        let table = Table { work, direction, yardstick: yardstick.title(), rows };
        println!("\n{}", table::render(&table));
        self.tables.push(table);
    }

    /// Takes over what a stage has noted.
    pub(crate) fn include(&mut self, stage: Stage<'_>) {
        let (versions, failures) = stage.into_account();
        self.versions.extend(versions);
        self.failures.extend(failures);
    }

    /// Completes the report.
    pub(crate) fn close(mut self, stage: Stage<'_>) -> Self {
        self.include(stage);
        self.closed()
    }

    /// Completes a report that includes all its stages.
    pub(crate) fn closed(mut self) -> Self {
        self.own_peak_bytes = procfs::peak_of(std::process::id());
        let floor = self.own_peak_bytes.map(table::mib).unwrap_or_default();
        println!("\nMemory is that of an end's largest process; a client's shows as {floor} MiB or more.");
        for version in self.versions.values() {
            println!("  {version}");
        }
        for failure in &self.failures {
            println!("FAILED: {failure}");
        }
        self
    }

    pub(crate) fn succeeded(&self) -> bool {
        self.failures.is_empty()
    }
}

/// The rows of one direction.
#[derive(Serialize)]
pub(crate) struct Table {
    /// Title of the work, if it is only a part.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(crate) work: &'static str,
    pub(crate) direction: Direction,
    /// The unit of the rows' `score`.
    pub(crate) yardstick: &'static str,
    pub(crate) rows: Vec<Figures>,
}

/// A contender's runs and the figures derived from them. Without a finished run there are no figures.
#[derive(Serialize)]
pub(crate) struct Figures {
    pub(crate) name: &'static str,
    pub(crate) median_seconds: Option<f64>,
    pub(crate) minimum_seconds: Option<f64>,
    /// This median divided by ours.
    pub(crate) ratio_to_ours: Option<f64>,
    /// The median in the table's unit.
    pub(crate) score: Option<f64>,
    pub(crate) client_cpu_seconds: Option<f64>,
    pub(crate) server_cpu_seconds: Option<f64>,
    pub(crate) client_peak_bytes: Option<u64>,
    pub(crate) server_peak_bytes: Option<u64>,
    /// The only run was ended early; its seconds are those until then.
    pub(crate) timed_out: bool,
    pub(crate) failure: Option<String>,
    pub(crate) runs: Vec<Sample>,
}

impl Figures {
    fn new(row: Row, ours: Option<f64>, yardstick: Yardstick) -> Self {
        let runs = row.samples;
        let median_seconds = median(&runs, seconds);
        let arrived = runs.iter().find_map(|run| run.arrived_bytes);
        Self {
            name: row.name,
            median_seconds,
            minimum_seconds: runs.iter().map(|run| run.seconds).min_by(f64::total_cmp),
            ratio_to_ours: median_seconds.zip(ours).map(|(theirs, ours)| theirs / ours),
            score: match yardstick {
                Yardstick::NetworkBytes => median(&runs, |run| Some(run.network_bytes? as f64 / 1e6)),
                Yardstick::Throughput(_)
                | Yardstick::Items(_)
                | Yardstick::LinkShare { .. }
                | Yardstick::RoundTrips { .. } => {
                    median_seconds.and_then(|median| yardstick.score(median, arrived))
                }
            },
            client_cpu_seconds: median(&runs, |run| Some(run.client_cpu_seconds)),
            server_cpu_seconds: median(&runs, |run| Some(run.server?.cpu_seconds)),
            client_peak_bytes: runs.iter().map(|run| run.client_peak_bytes).max(),
            server_peak_bytes: runs.iter().filter_map(|run| run.server?.peak_bytes).max(),
            timed_out: runs.iter().any(|run| run.timed_out),
            failure: row.failure,
            runs,
        }
    }
}

/// Converts a case's time to a score.
#[derive(Clone, Copy)]
pub(crate) enum Yardstick {
    /// MiB per second of this many bytes.
    Throughput(u64),
    /// Items per second of this many.
    Items(u64),
    /// Percent of a link's rate in Mbit/s that this many bytes used, from start to exit.
    LinkShare { bytes: u64, rate_mbit: f64 },
    /// Round trips of this many milliseconds, from start to exit.
    RoundTrips { rtt_ms: f64 },
    /// Megabytes on the network, both ways together.
    NetworkBytes,
}

impl Yardstick {
    fn title(self) -> &'static str {
        match self {
            Yardstick::Throughput(_) => "MiB/s",
            Yardstick::Items(_) => "files/s",
            Yardstick::LinkShare { .. } => "% of link",
            Yardstick::RoundTrips { .. } => "round trips",
            Yardstick::NetworkBytes => "MB on the network",
        }
    }

    /// Returns the score; `arrived` bytes had come when a run was ended early.
    fn score(self, seconds: f64, arrived: Option<u64>) -> Option<f64> {
        match self {
            Yardstick::Throughput(bytes) => Some(arrived.unwrap_or(bytes) as f64 / MIB / seconds),
            Yardstick::Items(count) => arrived.is_none().then_some(count as f64 / seconds),
            Yardstick::LinkShare { bytes, rate_mbit } => {
                Some(arrived.unwrap_or(bytes) as f64 * 8.0 / (rate_mbit * 1e6) / seconds * 100.0)
            }
            Yardstick::NetworkBytes => None, // which time does not tell
            Yardstick::RoundTrips { rtt_ms } => arrived.is_none().then_some(seconds * 1e3 / rtt_ms),
        }
    }
}

fn seconds(sample: &Sample) -> Option<f64> {
    Some(sample.seconds)
}

fn median(samples: &[Sample], of: impl Fn(&Sample) -> Option<f64>) -> Option<f64> {
    let mut values: Vec<_> = samples.iter().filter_map(of).collect();
    values.sort_by(f64::total_cmp);
    let (lower, upper) = (values.get(values.len().saturating_sub(1) / 2)?, values.get(values.len() / 2)?);
    Some((lower + upper) / 2.0)
}

const MIB: f64 = 1_048_576.0;
