//! Addresses outside a browser, read by the same standard. Nothing that the server renders holds a link of other people; tests do.

use url::Url;

use super::Address;

/// Reads a web address. `None` where a browser would not open it.
pub(crate) fn read_address(address: &str) -> Option<Address> {
    let url = Url::parse(address).ok()?;
    let has_user_info = !url.username().is_empty() || url.password().is_some();
    let host = url.host_str().filter(|host| !host.is_empty())?.to_owned();
    Some(Address { host, has_user_info })
}
