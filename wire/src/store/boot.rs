//! This machine's current boot, which data that was not synced may not outlive, and the clock of its filesystems.

use crate::metadata::Timestamp;
use std::sync::OnceLock;

/// Returns this machine's boot id; all zero if unknown.
pub(crate) fn boot_id() -> [u8; 16] {
    static BOOT: OnceLock<[u8; 16]> = OnceLock::new();
    *BOOT.get_or_init(|| {
        let simulated = simulated();
        let text = simulated.or_else(|| std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok());
        let digits: String = text.unwrap_or_default().chars().filter(char::is_ascii_hexdigit).collect();
        u128::from_str_radix(&digits, 16).unwrap_or(0).to_be_bytes()
    })
}

/// A boot id set by tests, which cut the power of a disk but not of the machine. Release builds ignore it.
fn simulated() -> Option<String> {
    cfg!(debug_assertions).then(|| std::env::var("FTPX_BOOT_ID").ok()).flatten()
}

/// Returns the current time by the clock that dates changes on this machine's filesystems: later changes never get an earlier
/// time.
#[must_use]
pub fn file_clock() -> Timestamp {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::RealtimeCoarse);
    Timestamp { seconds: now.tv_sec, nanos: u32::try_from(now.tv_nsec).unwrap_or(0) }
}
