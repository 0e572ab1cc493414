//! Which run of this machine's system it is: what was not synced in another one may be gone.

use std::sync::OnceLock;

/// Tells one run of this machine's system from another; all zero if that cannot be told.
pub(crate) fn boot_id() -> [u8; 16] {
    static BOOT: OnceLock<[u8; 16]> = OnceLock::new();
    *BOOT.get_or_init(|| {
        let simulated = simulated();
        let text = simulated.or_else(|| std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok());
        let digits: String = text.unwrap_or_default().chars().filter(char::is_ascii_hexdigit).collect();
        u128::from_str_radix(&digits, 16).unwrap_or(0).to_be_bytes()
    })
}

/// Tests cut the power of a disk, and not that of the machine. Programs that are built for use do not look at it.
fn simulated() -> Option<String> {
    cfg!(debug_assertions).then(|| std::env::var("FTPX_BOOT_ID").ok()).flatten()
}
