//! Identifies this machine's current boot: data that was not synced in an earlier one may be lost.

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
