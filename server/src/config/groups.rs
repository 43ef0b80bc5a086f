//! Limits of devices and groups.

use clap::Args;

use super::operations::Retention;
use super::size::bytes;
use crate::store::usage::{Held, Quota};

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

    /// Groups created per day by one account.
    #[arg(long, env = "KEZ_CHAT_GROUP_CREATIONS_PER_DAY", default_value = "100", value_name = "GROUPS")]
    pub group_creations_per_day: u32,

    /// Commits per minute by one account, in all groups.
    #[arg(long, env = "KEZ_CHAT_GROUP_COMMITS_PER_MINUTE", default_value = "30", value_name = "COMMITS")]
    pub group_commits_per_minute: u32,

    /// Requests per hour of one account to join groups by invitations.
    #[arg(long, env = "KEZ_CHAT_GROUP_REQUESTS_PER_HOUR", default_value = "20", value_name = "REQUESTS")]
    pub group_requests_per_hour: u32,

    /// The largest number of items in the log of a group.
    #[arg(long, env = "KEZ_CHAT_GROUP_ITEMS", default_value = "100000", value_name = "ITEMS")]
    pub group_items: u64,

    /// The largest total size of the items in the log of a group, in bytes.
    #[arg(long, env = "KEZ_CHAT_GROUP_BYTES", default_value = "256MiB", value_parser = bytes, value_name = "SIZE")]
    pub group_bytes: u64,

    /// How long the items of groups are kept, such as 30d, or forever. "--limits off" does not change it.
    #[arg(long, env = "KEZ_CHAT_GROUP_RETENTION", default_value = "30d", value_name = "TIME|forever")]
    pub group_retention: Retention,
}

impl GroupConfig {
    /// How much the log of a group may hold.
    pub fn quota(&self) -> Quota {
        Quota { waiting: self.group_items, bytes: self.group_bytes, requests: Held::default() }
    }
}
