//! The pages by name, with path, title and description. Shared by the server, which renders them, and the browser.

/// A page whose HTML is the same for every user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Page {
    /// `/`
    Home,
    /// `/join`
    Join,
    /// `/restore`
    Restore,
    /// `/link`
    Link,
    /// `/messages`, without a conversation.
    Messages,
    /// `/messages/{who}` and `/messages/g/{gid}`, for any `who` and `gid`.
    Thread,
    /// `/g`, where a link to a group leads.
    JoinGroup,
    /// `/settings`
    Settings,
    /// `/security`
    Security,
    /// Any other path.
    NotFound,
}

impl Page {
    /// All pages.
    pub const ALL: [Self; 10] = [
        Self::Home,
        Self::Join,
        Self::Restore,
        Self::Link,
        Self::Messages,
        Self::Thread,
        Self::JoinGroup,
        Self::Settings,
        Self::Security,
        Self::NotFound,
    ];

    /// The page at a path; [`Page::NotFound`] if there is none. Profiles (`/u/{handle}`) are not included.
    pub fn at(path: &str) -> Self {
        match path.trim_end_matches('/') {
            "" => Self::Home,
            "/join" => Self::Join,
            "/restore" => Self::Restore,
            "/link" => Self::Link,
            "/messages" => Self::Messages,
            "/g" => Self::JoinGroup,
            "/settings" => Self::Settings,
            "/security" => Self::Security,
            other => match other.strip_prefix("/messages/") {
                Some(who) if !who.strip_prefix("g/").unwrap_or(who).contains('/') => Self::Thread,
                _ => Self::NotFound,
            },
        }
    }

    /// A path of the page.
    pub fn path(self) -> &'static str {
        match self {
            Self::Home => "/",
            Self::Join => "/join",
            Self::Restore => "/restore",
            Self::Link => "/link",
            Self::Messages => "/messages",
            Self::Thread => "/messages/-",
            Self::JoinGroup => "/g",
            Self::Settings => "/settings",
            Self::Security => "/security",
            Self::NotFound => "/-",
        }
    }

    /// The document's title.
    pub fn title(self) -> &'static str {
        match self {
            Self::Home => "KEZ Chat: messages only the two of you can read",
            Self::Join => "Create account · KEZ Chat",
            Self::Restore => "Restore account · KEZ Chat",
            Self::Link => "Link this browser · KEZ Chat",
            Self::Messages | Self::Thread => "KEZ Chat",
            Self::JoinGroup => "Invitation to a group · KEZ Chat",
            Self::Settings => "Settings · KEZ Chat",
            Self::Security => "Security · KEZ Chat",
            Self::NotFound => "Not found · KEZ Chat",
        }
    }

    /// One sentence for search engines and link previews.
    pub fn description(self) -> &'static str {
        match self {
            Self::Home => {
                "An end-to-end encrypted messenger. Your keys stay in your browser; the server stores only what it \
                 cannot read."
            }
            Self::Join => "Choose a handle and create an account. No phone number, no e-mail address.",
            Self::Restore => "Restore your account with its 24-word recovery phrase.",
            Self::Link => "Link this browser to an account that another browser has.",
            Self::Messages | Self::Thread => "Your conversations, readable only in this browser.",
            Self::JoinGroup => "Ask to join an end-to-end encrypted group.",
            Self::Settings => "Your keys, and the appearance and storage of KEZ Chat in this browser.",
            Self::Security => "What the server sees, what it does not, and what KEZ Chat verifies.",
            Self::NotFound => "There is no page at this address.",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Page;

    #[test]
    fn every_page_is_found_under_its_own_path() {
        for page in Page::ALL {
            assert_eq!(Page::at(page.path()), page);
        }
    }

    #[test]
    fn all_conversations_share_one_page() {
        assert_eq!(Page::at("/messages/bob"), Page::Thread);
        assert_eq!(Page::at("/messages/bob@kez.lat"), Page::Thread);
        assert_eq!(Page::at("/messages/g/0123456789abcdef0123456789abcdef"), Page::Thread);
        assert_eq!(Page::at("/messages/"), Page::Messages);
        assert_eq!(Page::at("/messages/a/b"), Page::NotFound);
        assert_eq!(Page::at("/elsewhere"), Page::NotFound);
    }
}
