//! Parses web addresses outside a browser, by the same standard. The server renders no links from other users; the
//! tests do.

use url::Url;

use super::Address;

/// Parses a web address. `None` if a browser would not open it.
pub(crate) fn read_address(address: &str) -> Option<Address> {
    let url = Url::parse(address).ok()?;
    let has_user_info = !url.username().is_empty() || url.password().is_some();
    let host = url.host_str().filter(|host| !host.is_empty())?.to_owned();
    Some(Address { host, has_user_info })
}
