//! Limits that keep a server usable under abuse: who may register, how much each sender may send, how much an inbox
//! holds, and when the disk counts as full.

use clap::{Args, ValueEnum};
use kez_core::api::RegistrationMode;
use kez_core::envelope;

use super::size::bytes;
use crate::edge::limits::Rates;
use crate::operations::disk::DiskLimits;

/// The flags against abuse. `--limits off` lifts all of them except `--registration`.
#[derive(Args, Clone, Copy, Debug)]
pub struct AbuseConfig {
    /// Who may register: anyone (open), holders of an invitation (invite), or no one (closed).
    #[arg(long, env = "KEZ_CHAT_REGISTRATION", default_value = "open", value_name = "open|invite|closed")]
    pub registration: Registration,

    /// Concurrent connections from one client network (an IPv4 address, an IPv6 /64) without a trusted proxy; live
    /// streams are not counted.
    #[arg(long, env = "KEZ_CHAT_CONNECTIONS_PER_NETWORK", default_value = "256", value_name = "CONNECTIONS")]
    pub connections_per_network: u32,

    /// Handles claimed, and nkeys bound, per minute from one client network; the burst is twice as large.
    #[arg(long, env = "KEZ_CHAT_REGISTRATIONS_PER_MINUTE", default_value = "10", value_name = "REQUESTS")]
    pub registrations_per_minute: u32,

    /// Lookups per minute from one client network, by handle, key, WebFinger or profile page; the burst is twice as
    /// large.
    #[arg(long, env = "KEZ_CHAT_LOOKUPS_PER_MINUTE", default_value = "60", value_name = "REQUESTS")]
    pub lookups_per_minute: u32,

    /// Inbox pages read, and live streams opened, per minute from one client network; the burst is half as large.
    #[arg(long, env = "KEZ_CHAT_READS_PER_MINUTE", default_value = "600", value_name = "REQUESTS")]
    pub reads_per_minute: u32,

    /// Signed requests per minute from one client network, from all signers together; the burst is half as large.
    #[arg(long, env = "KEZ_CHAT_SIGNED_PER_MINUTE", default_value = "1200", value_name = "REQUESTS")]
    pub signed_per_minute: u32,

    /// Concurrent live streams of one inbox.
    #[arg(long, env = "KEZ_CHAT_STREAMS_PER_INBOX", default_value = "64", value_name = "STREAMS")]
    pub streams_per_inbox: u32,

    /// Concurrent live streams of one client network.
    #[arg(long, env = "KEZ_CHAT_STREAMS_PER_NETWORK", default_value = "1024", value_name = "STREAMS")]
    pub streams_per_network: u32,

    /// Messages per minute from one sender to recipients who have accepted the sender.
    #[arg(long, env = "KEZ_CHAT_KNOWN_PER_MINUTE", default_value = "60", value_name = "MESSAGES")]
    pub known_per_minute: u32,

    /// Messages per day from one sender to recipients who have accepted the sender.
    #[arg(long, env = "KEZ_CHAT_KNOWN_PER_DAY", default_value = "2000", value_name = "MESSAGES")]
    pub known_per_day: u32,

    /// Messages per minute from one signed-in sender to recipients who have not accepted the sender.
    #[arg(long, env = "KEZ_CHAT_STRANGER_PER_MINUTE", default_value = "10", value_name = "MESSAGES")]
    pub stranger_per_minute: u32,

    /// Messages per minute from one signed-in sender to one recipient.
    #[arg(long, env = "KEZ_CHAT_PAIR_PER_MINUTE", default_value = "60", value_name = "MESSAGES")]
    pub pair_per_minute: u32,

    /// Messages per minute from one client network (an IPv4 address, an IPv6 /64) that no sender's own allowance
    /// covers.
    #[arg(long, env = "KEZ_CHAT_NETWORK_PER_MINUTE", default_value = "300", value_name = "MESSAGES")]
    pub network_per_minute: u32,

    /// The largest envelope, in bytes, that no sender's own allowance covers.
    #[arg(
        long,
        env = "KEZ_CHAT_ANONYMOUS_BYTES",
        default_value_t = envelope::MAX_BYTES as u64,
        value_parser = bytes,
        value_name = "SIZE"
    )]
    pub anonymous_bytes: u64,

    /// The number of zero bits of a proof of work; each bit doubles the cost for a sender beyond its network's
    /// allowance.
    #[arg(
        long,
        env = "KEZ_CHAT_WORK_BITS",
        default_value = "20",
        value_parser = clap::value_parser!(u8).range(1..=40),
        value_name = "BITS"
    )]
    pub work_bits: u8,

    /// The largest number of messages that wait in an inbox until the owner acknowledges them.
    #[arg(long, env = "KEZ_CHAT_INBOX_MESSAGES", default_value = "100000", value_name = "MESSAGES")]
    pub inbox_messages: u64,

    /// The largest total size of the envelopes in an inbox, in bytes.
    #[arg(long, env = "KEZ_CHAT_INBOX_BYTES", default_value = "1GiB", value_parser = bytes, value_name = "SIZE")]
    pub inbox_bytes: u64,

    /// The largest number of message requests in an inbox: messages from senders whom the owner has not accepted. One
    /// network and one key get a tenth of it each, senders without an account half of it.
    #[arg(long, env = "KEZ_CHAT_REQUESTS_MESSAGES", default_value = "1000", value_name = "MESSAGES")]
    pub requests_messages: u64,

    /// The largest total size of the message requests in an inbox, in bytes, shared in the same way.
    #[arg(long, env = "KEZ_CHAT_REQUESTS_BYTES", default_value = "64MiB", value_parser = bytes, value_name = "SIZE")]
    pub requests_bytes: u64,

    /// When this percentage of the disk is in use, only users who know each other can write.
    #[arg(
        long,
        env = "KEZ_CHAT_DISK_REQUESTS_PERCENT",
        default_value = "80",
        value_parser = clap::value_parser!(u8).range(0..=100),
        value_name = "PERCENT"
    )]
    pub disk_requests_percent: u8,

    /// When this percentage of the disk is in use, nothing is accepted; reading and deleting continue.
    #[arg(
        long,
        env = "KEZ_CHAT_DISK_WRITES_PERCENT",
        default_value = "90",
        value_parser = clap::value_parser!(u8).range(0..=100),
        value_name = "PERCENT"
    )]
    pub disk_writes_percent: u8,

    /// While this many bytes are free, the disk counts as empty enough, whatever the percentage.
    #[arg(long, env = "KEZ_CHAT_DISK_AMPLE_BYTES", default_value = "2GiB", value_parser = bytes, value_name = "SIZE")]
    pub disk_ample_bytes: u64,
}

impl AbuseConfig {
    /// When the disk counts as full.
    pub const fn disk_limits(&self) -> DiskLimits {
        DiskLimits {
            ample_bytes: self.disk_ample_bytes,
            requests_percent: self.disk_requests_percent,
            writes_percent: self.disk_writes_percent,
        }
    }

    /// The request rates of one client network, per minute.
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
    /// Anyone.
    Open,
    /// Holders of an invitation.
    Invite,
    /// No one.
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
