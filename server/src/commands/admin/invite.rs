//! `kez-chat-server admin invite ...`: invitations for a server with `--registration invite`.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use getrandom::SysRng;
use getrandom::rand_core::UnwrapErr;
use kez_core::handle::ServerName;
use kez_core::invite::InviteCode;
use kez_core::time::Timestamp;
use serde_json::{Value, json};

use crate::clock::{Clock, SystemClock};
use crate::commands::{Database, Failure, Output, Report, report};
use crate::config::{HttpUrl, origin};
use crate::store::invites::{Invite, NewInvite};

const SECONDS_A_DAY: u64 = 24 * 60 * 60;

/// The actions on invitations.
#[derive(Debug, Subcommand)]
pub(in crate::commands) enum InviteCommand {
    /// Create an invitation and print its code, which cannot be looked up later.
    Create(Create),
    /// List all invitations, newest first.
    List(List),
    /// Revoke an invitation; the accounts created with it remain.
    Revoke(Revoke),
}

impl InviteCommand {
    pub(super) fn run(self) -> ExitCode {
        match self {
            Self::Create(command) => report::perform(command.output, command.run()),
            Self::List(command) => report::perform(command.output, command.run()),
            Self::Revoke(command) => report::perform(command.output, command.run()),
        }
    }
}

/// See [`InviteCommand::Create`].
#[derive(Debug, Args)]
pub(in crate::commands) struct Create {
    /// A label for the operator.
    #[arg(long, default_value = "", value_name = "TEXT")]
    label: String,
    /// How many accounts it can create.
    #[arg(long, default_value = "1", value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    uses: u64,
    /// How many days it is valid.
    #[arg(long, default_value = "7", value_name = "DAYS", value_parser = clap::value_parser!(u64).range(1..=3650))]
    days: u64,
    /// The public address of the server, for the link; defaults to https:// and the name of the server.
    #[arg(long, env = "KEZ_CHAT_PUBLIC_URL", value_parser = origin, value_name = "URL")]
    public_url: Option<HttpUrl>,
    /// The name of the server, for the link.
    #[arg(long, env = "KEZ_CHAT_SERVER", value_name = "NAME")]
    server: Option<ServerName>,
    #[command(flatten)]
    database: Database,
    #[command(flatten)]
    output: Output,
}

impl Create {
    async fn run(self) -> Result<Report, Failure> {
        let code = InviteCode::random(&mut UnwrapErr(SysRng));
        let now = SystemClock.now();
        let new = NewInvite {
            hash: code.hash(),
            label: self.label,
            uses: self.uses,
            now,
            expires_at: Timestamp::from_unix(now.unix() + self.days * SECONDS_A_DAY),
        };
        let store = self.database.open().await?;
        let invite = store.create_invite(new).await;
        store.close().await;
        let invite = invite.map_err(Failure::failed)?;
        let path = format!("/join#invite={code}");
        let site = self.public_url.map(|url| url.to_string());
        let site = site.or_else(|| self.server.map(|server| format!("https://{server}")));
        let (link, told) = match site {
            Some(site) => (format!("{site}{path}"), ""),
            None => (path, " on your server"),
        };
        let text = format!("{code}\nlink: {link}{told}\n{}", line(&invite, now));
        let mut json = describe(&invite, now);
        if let Value::Object(fields) = &mut json {
            fields.insert("code".to_owned(), json!(code.to_string()));
            fields.insert("link".to_owned(), json!(link));
        }
        Ok(Report::new(text, json))
    }
}

/// See [`InviteCommand::List`].
#[derive(Debug, Args)]
pub(in crate::commands) struct List {
    #[command(flatten)]
    database: Database,
    #[command(flatten)]
    output: Output,
}

impl List {
    async fn run(self) -> Result<Report, Failure> {
        let store = self.database.open_read_only().await?;
        let invites = store.invites().await;
        store.close().await;
        let (invites, now) = (invites.map_err(Failure::failed)?, SystemClock.now());
        let lines: Vec<String> = invites.iter().map(|invite| line(invite, now)).collect();
        let text = if lines.is_empty() { "no invitations".to_owned() } else { lines.join("\n") };
        let json: Vec<Value> = invites.iter().map(|invite| describe(invite, now)).collect();
        Ok(Report::new(text, json!({ "invites": json })))
    }
}

/// See [`InviteCommand::Revoke`].
#[derive(Debug, Args)]
pub(in crate::commands) struct Revoke {
    /// Its number, as shown by `list`.
    id: i64,
    #[command(flatten)]
    database: Database,
    #[command(flatten)]
    output: Output,
}

impl Revoke {
    async fn run(self) -> Result<Report, Failure> {
        let store = self.database.open().await?;
        let revoked = store.revoke_invite(self.id).await;
        store.close().await;
        if revoked.map_err(Failure::failed)? {
            Ok(Report::new(
                format!("invitation {} has ended", self.id),
                json!({ "id": self.id, "revoked": true }),
            ))
        } else {
            Err(Failure::no(format!("there is no invitation with the number {}", self.id)))
        }
    }
}

fn line(invite: &Invite, now: Timestamp) -> String {
    let Invite { id, label, uses, used, expires_at, .. } = invite;
    let state = if invite.counts(now) { "open" } else { "over" };
    format!("{id}  {state}  used {used} of {uses}  until {expires_at}  {label}").trim_end().to_owned()
}

fn describe(invite: &Invite, now: Timestamp) -> Value {
    json!({
        "id": invite.id,
        "label": invite.label,
        "uses": invite.uses,
        "used": invite.used,
        "created_at": invite.created_at,
        "expires_at": invite.expires_at,
        "revoked": invite.revoked,
        "open": invite.counts(now),
    })
}
