//! Parses web addresses with the browser's own parser.

use super::Address;

/// Parses a web address. `None` if the browser would not open it.
pub(crate) fn read_address(address: &str) -> Option<Address> {
    let url = web_sys::Url::new(address).ok()?;
    let has_user_info = !url.username().is_empty() || !url.password().is_empty();
    Some(Address { host: url.hostname(), has_user_info }).filter(|address| !address.host.is_empty())
}
