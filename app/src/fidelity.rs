//! Checks whether the page in the browser is still the one that the server sent. Hydration walks both in parallel and
//! stops the whole app where they differ. So a page that extensions or proxies have changed is mounted from scratch.

use leptos::prelude::document;
use web_sys::Element;

/// The id of the root element of the app.
pub const ROOT_ID: &str = "app";
/// The attribute on that element that holds the number of elements and comments in it.
const NODES: &str = "data-nodes";
/// `NodeFilter.SHOW_ELEMENT | NodeFilter.SHOW_COMMENT`.
const ELEMENTS_AND_COMMENTS: u32 = 0x1 | 0x80;

/// Writes the node count of the app into the document.
#[cfg(feature = "ssr")]
pub(crate) fn with_node_count(html: &str) -> String {
    let root = format!("<div id=\"{ROOT_ID}\"");
    let Some((before, app)) = html.split_once(&root) else { return html.to_owned() };
    let app_end = app.rfind("</div></body>").unwrap_or(app.len());
    format!("{before}{root} {NODES}=\"{}\"{app}", node_count(&app[..app_end]))
}

/// The number of elements and comments in some HTML. Text contains no `<`, because it is escaped.
#[cfg(feature = "ssr")]
fn node_count(html: &str) -> usize {
    html.as_bytes()
        .windows(2)
        .filter(|pair| pair[0] == b'<' && (pair[1].is_ascii_alphabetic() || pair[1] == b'!'))
        .count()
}

/// The root element of the app, and whether its node count is still the one that the server wrote. Browser only.
pub fn root() -> Option<(Element, bool)> {
    let root = document().get_element_by_id(ROOT_ID)?;
    let walker = document().create_tree_walker_with_what_to_show(&root, ELEMENTS_AND_COMMENTS).ok()?;
    let mut nodes = 0;
    while let Ok(Some(_)) = walker.next_node() {
        nodes += 1;
    }
    let as_served = root.get_attribute(NODES).and_then(|count| count.parse().ok()) == Some(nodes);
    Some((root, as_served))
}

#[cfg(all(test, feature = "ssr"))]
mod tests {
    use super::{node_count, with_node_count};

    #[test]
    fn elements_and_comments_are_counted() {
        assert_eq!(node_count("<p class=\"x\">1 &lt; 2<!----> <br><svg><path d=\"m\"></path></svg></p>"), 5);
    }

    #[test]
    fn only_nodes_of_the_app_are_counted() {
        let html = "<body><div id=\"app\"><p>x</p><div></div></div></body></html>";
        assert_eq!(
            with_node_count(html),
            "<body><div id=\"app\" data-nodes=\"2\"><p>x</p><div></div></div></body></html>"
        );
    }
}
