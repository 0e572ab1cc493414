//! The results as text for a terminal.

use crate::report::{Figures, Table};

/// Draws one direction's rows.
pub(crate) fn render(table: &Table) -> String {
    let title = format!("{} {}", table.work, table.direction.name());
    let title = title.trim_start();
    let heading = [
        title,
        "median s",
        "min s",
        "x ours",
        table.yardstick,
        "CPU s client",
        "server",
        "peak MiB client",
        "server",
        "runs",
    ];
    let rows: Vec<_> = table.rows.iter().map(cells).collect();
    let widths: Vec<_> = (0..heading.len())
        .map(|column| {
            rows.iter().map(|row| row[column].len()).chain([heading[column].len()]).max().unwrap_or(0)
        })
        .collect();
    let lines = std::iter::once(heading.map(str::to_owned)).chain(rows).map(|row| line(&row, &widths));
    lines.collect::<Vec<_>>().join("\n")
}

/// Bytes in MiB.
pub(crate) fn mib(bytes: u64) -> String {
    format!("{:.1}", bytes as f64 / 1_048_576.0)
}

fn cells(row: &Figures) -> [String; 10] {
    // A run that was ended early took longer than this.
    let more = if row.timed_out { ">" } else { "" };
    let runs = match &row.failure {
        Some(_) => "FAILED".to_owned(),
        None => row.runs.len().to_string(),
    };
    [
        row.name.to_owned(),
        number(row.median_seconds, more, 3),
        number(row.minimum_seconds, more, 3),
        number(row.ratio_to_ours, more, 2),
        number(row.score, "", 1),
        number(row.client_cpu_seconds, "", 2),
        number(row.server_cpu_seconds, "", 2),
        row.client_peak_bytes.map_or_else(nothing, mib),
        row.server_peak_bytes.map_or_else(nothing, mib),
        runs,
    ]
}

fn number(value: Option<f64>, prefix: &str, decimals: usize) -> String {
    value.map_or_else(nothing, |value| format!("{prefix}{value:.decimals$}"))
}

fn nothing() -> String {
    "-".to_owned()
}

/// Names to the left, numbers to the right.
fn line(cells: &[String], widths: &[usize]) -> String {
    let mut line = format!("{:<width$}", cells[0], width = widths[0]);
    for (cell, width) in cells.iter().zip(widths).skip(1) {
        line.push_str(&format!("  {cell:>width$}"));
    }
    line
}
