//! What keeps a server usable while somebody tries to fill it: who may register, how much each sender may send, how much
//! an inbox holds, and when the disk counts as full.

use clap::{Args, ValueEnum};
use kez_core::api::RegistrationMode;
use kez_core::envelope;

use super::size::bytes;
use crate::limits::Rates;

/// The flags against abuse. `--limits off` lifts all of them but `--registration`.
#[derive(Args, Clone, Copy, Debug)]
pub struct AbuseConfig {
    /// Who may register: anybody, whoever holds an invitation, or nobody.
    #[arg(long, env = "KEZ_CHAT_REGISTRATION", default_value = "open", value_name = "open|invite|closed")]
    pub registration: Registration,

    /// Connections at once from one client network (an IPv4 address, an IPv6 /64) that calls without a trusted proxy; live
    /// streams are not counted.
    #[arg(long, env = "KEZ_CHAT_CONNECTIONS_PER_NETWORK", default_value = "256", value_name = "CONNECTIONS")]
    pub connections_per_network: u32,

    /// Handles claimed, and nkeys bound, a minute from one client network; twice as many at once.
    #[arg(long, env = "KEZ_CHAT_REGISTRATIONS_PER_MINUTE", default_value = "10", value_name = "REQUESTS")]
    pub registrations_per_minute: u32,

    /// Look-ups a minute from one client network, by handle, key, WebFinger or profile page; twice as many at once.
    #[arg(long, env = "KEZ_CHAT_LOOKUPS_PER_MINUTE", default_value = "60", value_name = "REQUESTS")]
    pub lookups_per_minute: u32,

    /// Pages of inboxes read, and live streams opened, a minute from one client network; half as many at once.
    #[arg(long, env = "KEZ_CHAT_READS_PER_MINUTE", default_value = "600", value_name = "REQUESTS")]
    pub reads_per_minute: u32,

    /// Signed requests a minute from one client network, whoever signed; half as many at once.
    #[arg(long, env = "KEZ_CHAT_SIGNED_PER_MINUTE", default_value = "1200", value_name = "REQUESTS")]
    pub signed_per_minute: u32,

    /// Live streams at once of one inbox.
    #[arg(long, env = "KEZ_CHAT_STREAMS_PER_INBOX", default_value = "64", value_name = "STREAMS")]
    pub streams_per_inbox: u32,

    /// Live streams at once of one client network.
    #[arg(long, env = "KEZ_CHAT_STREAMS_PER_NETWORK", default_value = "1024", value_name = "STREAMS")]
    pub streams_per_network: u32,

    /// Messages a minute from one sender to people who have accepted them.
    #[arg(long, env = "KEZ_CHAT_KNOWN_PER_MINUTE", default_value = "60", value_name = "MESSAGES")]
    pub known_per_minute: u32,

    /// Messages a day from one sender to people who have accepted them.
    #[arg(long, env = "KEZ_CHAT_KNOWN_PER_DAY", default_value = "2000", value_name = "MESSAGES")]
    pub known_per_day: u32,

    /// Messages a minute from one signed-in sender to people who have not accepted them.
    #[arg(long, env = "KEZ_CHAT_STRANGER_PER_MINUTE", default_value = "10", value_name = "MESSAGES")]
    pub stranger_per_minute: u32,

    /// Messages a minute from one signed-in sender to one recipient.
    #[arg(long, env = "KEZ_CHAT_PAIR_PER_MINUTE", default_value = "60", value_name = "MESSAGES")]
    pub pair_per_minute: u32,

    /// Messages a minute from one client network (an IPv4 address, an IPv6 /64) that no sender's own allowance covers.
    #[arg(long, env = "KEZ_CHAT_NETWORK_PER_MINUTE", default_value = "300", value_name = "MESSAGES")]
    pub network_per_minute: u32,

    /// The most bytes of an envelope that no sender's own allowance covers.
    #[arg(
        long,
        env = "KEZ_CHAT_ANONYMOUS_BYTES",
        default_value_t = envelope::MAX_BYTES as u64,
        value_parser = bytes,
        value_name = "SIZE"
    )]
    pub anonymous_bytes: u64,

    /// How many zero bits a proof of work needs; each doubles what a sender beyond its network's allowance pays.
    #[arg(
        long,
        env = "KEZ_CHAT_WORK_BITS",
        default_value = "20",
        value_parser = clap::value_parser!(u8).range(1..=40),
        value_name = "BITS"
    )]
    pub work_bits: u8,

    /// The most messages that wait in an inbox until their owner acknowledges them.
    #[arg(long, env = "KEZ_CHAT_INBOX_MESSAGES", default_value = "100000", value_name = "MESSAGES")]
    pub inbox_messages: u64,

    /// The most bytes of envelopes that an inbox holds.
    #[arg(long, env = "KEZ_CHAT_INBOX_BYTES", default_value = "1GiB", value_parser = bytes, value_name = "SIZE")]
    pub inbox_bytes: u64,

    /// The most message requests in an inbox: messages from senders whom its owner has not accepted. One network and one key
    /// have a tenth of it each, senders without an account half of it.
    #[arg(long, env = "KEZ_CHAT_REQUESTS_MESSAGES", default_value = "1000", value_name = "MESSAGES")]
    pub requests_messages: u64,

    /// The most bytes of message requests in an inbox, shared in the same way.
    #[arg(long, env = "KEZ_CHAT_REQUESTS_BYTES", default_value = "64MiB", value_parser = bytes, value_name = "SIZE")]
    pub requests_bytes: u64,

    /// From so many per cent of the disk in use on, only people who know each other can write.
    #[arg(
        long,
        env = "KEZ_CHAT_DISK_REQUESTS_PERCENT",
        default_value = "80",
        value_parser = clap::value_parser!(u8).range(0..=100),
        value_name = "PERCENT"
    )]
    pub disk_requests_percent: u8,

    /// From so many per cent of the disk in use on, nothing is taken in; reading and deleting go on.
    #[arg(
        long,
        env = "KEZ_CHAT_DISK_WRITES_PERCENT",
        default_value = "90",
        value_parser = clap::value_parser!(u8).range(0..=100),
        value_name = "PERCENT"
    )]
    pub disk_writes_percent: u8,

    /// While so many bytes are free, the disk counts as empty enough, whatever the per cent.
    #[arg(long, env = "KEZ_CHAT_DISK_AMPLE_BYTES", default_value = "2GiB", value_parser = bytes, value_name = "SIZE")]
    pub disk_ample_bytes: u64,
}

impl AbuseConfig {
    /// What one client network may ask for in a minute.
    pub const fn rates(&self) -> Rates {
        Rates {
            registrations: self.registrations_per_minute,
            lookups: self.lookups_per_minute,
            signed: self.signed_per_minute,
            reads: self.reads_per_minute,
        }
    }
}

/// Who may register.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Registration {
    /// Anybody.
    Open,
    /// Whoever holds an invitation.
    Invite,
    /// Nobody.
    Closed,
}

impl From<Registration> for RegistrationMode {
    fn from(registration: Registration) -> Self {
        match registration {
            Registration::Open => Self::Open,
            Registration::Invite => Self::Invite,
            Registration::Closed => Self::Closed,
        }
    }
}
