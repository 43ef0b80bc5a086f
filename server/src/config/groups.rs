//! Limits of devices and groups.

use clap::Args;

/// The flags of groups. `--limits off` lifts all of them.
#[derive(Args, Clone, Copy, Debug)]
pub struct GroupConfig {
    /// Claims of key packages per hour by one account, each handle counted.
    #[arg(long, env = "KEZ_CHAT_GROUP_CLAIMS_PER_HOUR", default_value = "600", value_name = "CLAIMS")]
    pub group_claims_per_hour: u32,

    /// Claims per hour of the key packages of one account by another account that it has accepted.
    #[arg(long, env = "KEZ_CHAT_GROUP_CLAIMS_KNOWN_PER_HOUR", default_value = "60", value_name = "CLAIMS")]
    pub group_claims_known_per_hour: u32,

    /// Claims per hour of the key packages of one account by another account that it has not accepted.
    #[arg(
        long,
        env = "KEZ_CHAT_GROUP_CLAIMS_STRANGER_PER_HOUR",
        default_value = "10",
        value_name = "CLAIMS"
    )]
    pub group_claims_stranger_per_hour: u32,
}
