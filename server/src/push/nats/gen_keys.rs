//! Generates the nkeys of an installation, and says where each one goes.

use std::fmt;
use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use kez_core::nkey::{PublicNkey, Role, SecretNkey};
use rand_core::CryptoRng;

use crate::files::give_to_owner_of_folder;

/// The file that `deploy/nats.conf` includes.
pub const KEYS_CONF: &str = "nats-keys.conf";
const ISSUER: &str = "nats-issuer.nk";
const CALLOUT: &str = "nats-callout.nk";
const SERVER: &str = "nats-server.nk";

/// The generated keys. The text is for the operator: the lines for the brokers' configuration and the flags.
pub struct GeneratedKeys {
    folder: PathBuf,
    /// Vouches for clients.
    pub issuer: PublicNkey,
    /// Answers the auth callout.
    pub callout: PublicNkey,
    /// Publishes and receives hints.
    pub server: PublicNkey,
}

/// Generates the keys and writes three seeds, readable only by their owner, and the lines for the brokers.
///
/// # Errors
/// When a file already exists (nothing is overwritten), or cannot be written.
pub fn generate(folder: &Path, rng: &mut impl CryptoRng) -> io::Result<GeneratedKeys> {
    fs::create_dir_all(folder)?;
    let mut make = |file: &str, role| {
        let nkey = SecretNkey::random(role, rng);
        write_new(&folder.join(file), &format!("{}\n", *nkey.seed_text()), 0o600)?;
        Ok::<_, io::Error>(nkey.public())
    };
    let keys = GeneratedKeys {
        issuer: make(ISSUER, Role::Account)?,
        callout: make(CALLOUT, Role::User)?,
        server: make(SERVER, Role::User)?,
        folder: folder.to_owned(),
    };
    write_new(&folder.join(KEYS_CONF), &keys.conf(), 0o644)?;
    Ok(keys)
}

/// Whether a folder holds every file that [`generate`] writes.
pub fn is_complete(folder: &Path) -> bool {
    [ISSUER, CALLOUT, SERVER, KEYS_CONF].iter().all(|file| folder.join(file).is_file())
}

impl GeneratedKeys {
    /// The lines for the brokers' configuration.
    pub fn conf(&self) -> String {
        let Self { issuer, callout, server, .. } = self;
        format!("KEZ_ISSUER: {issuer}\nKEZ_CALLOUT: {callout}\nKEZ_SERVER: {server}\n")
    }

    /// The flags of this server.
    pub fn flags(&self) -> [(&'static str, PathBuf); 3] {
        [
            ("--nats-creds", self.folder.join(SERVER)),
            ("--nats-callout-creds", self.folder.join(CALLOUT)),
            ("--nats-issuer-seed-file", self.folder.join(ISSUER)),
        ]
    }
}

impl fmt::Display for GeneratedKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let conf = self.folder.join(KEYS_CONF);
        writeln!(f, "# {}, which deploy/nats.conf includes:", conf.display())?;
        write!(f, "{}", self.conf())?;
        write!(f, "\n# Flags of every node of this server:")?;
        for (flag, file) in self.flags() {
            write!(f, "\n{flag} {}", file.display())?;
        }
        Ok(())
    }
}

fn write_new(file: &Path, text: &str, mode: u32) -> io::Result<()> {
    let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", file.display()));
    let write = || {
        let mut open = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?;
        open.write_all(text.as_bytes())?;
        // Not with `mode`, which the umask of the process would narrow.
        open.set_permissions(Permissions::from_mode(mode))?;
        open.sync_all()?;
        give_to_owner_of_folder(file)
    };
    write().map_err(named)
}

#[cfg(test)]
mod tests {
    use getrandom::SysRng;
    use getrandom::rand_core::UnwrapErr;

    use super::*;
    use crate::push::nats::credentials::{Credentials, read_issuer};

    #[test]
    fn key_files_are_private_and_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let keys = generate(folder.path(), &mut UnwrapErr(SysRng)).unwrap();
        let [(_, server), (_, callout), (_, issuer)] = keys.flags();
        assert_eq!(read_issuer(&issuer).unwrap().public(), keys.issuer);
        assert!(!keys.to_string().contains(fs::read_to_string(&issuer).unwrap().trim()));
        for (file, public) in [(server, keys.server), (callout, keys.callout)] {
            let Ok(Credentials::Nkey(nkey)) = Credentials::read(&file) else { panic!("no nkey") };
            assert_eq!(nkey.public(), public);
            assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
            assert!(read_issuer(&file).is_err());
            let seed = fs::read_to_string(&file).unwrap();
            assert!(!keys.to_string().contains(seed.trim()), "what is shown holds no seed");
        }
        let conf = fs::read_to_string(folder.path().join(KEYS_CONF)).unwrap();
        assert_eq!(conf, keys.conf());
        let again = generate(folder.path(), &mut UnwrapErr(SysRng)).err().unwrap();
        assert_eq!(again.kind(), io::ErrorKind::AlreadyExists);
    }
}
