//! Just as much XML as EC2's answers need.

/// An element and what is in it.
#[derive(Debug, Clone)]
pub(super) struct Element {
    name: &'static str,
    content: Content,
}

#[derive(Debug, Clone)]
enum Content {
    Text(String),
    Elements(Vec<Element>),
}

impl Element {
    /// An element with a text.
    pub(super) fn text(name: &'static str, text: impl Into<String>) -> Self {
        Self { name, content: Content::Text(text.into()) }
    }

    /// An element with elements.
    pub(super) fn of(name: &'static str, elements: impl IntoIterator<Item = Self>) -> Self {
        Self { name, content: Content::Elements(elements.into_iter().collect()) }
    }

    /// A list as EC2 writes it.
    pub(super) fn list<E: IntoIterator<Item = Self>>(
        name: &'static str,
        items: impl IntoIterator<Item = E>,
    ) -> Self {
        Self::of(name, items.into_iter().map(|item| Self::of("item", item)))
    }

    /// The document with this element as its root.
    pub(super) fn to_document(&self) -> String {
        let mut document = r#"<?xml version="1.0" encoding="UTF-8"?>"#.to_owned();
        self.write_to(&mut document);
        document
    }

    fn write_to(&self, document: &mut String) {
        let Self { name, content } = self;
        document.extend(["<", name, ">"]);
        match content {
            Content::Text(text) => document.push_str(&escaped(text)),
            Content::Elements(elements) => elements.iter().for_each(|element| element.write_to(document)),
        }
        document.extend(["</", name, ">"]);
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_escaped_and_lists_have_items() {
        let list = Element::list("set", [[Element::text("key", "a < b & c")], [Element::text("key", "d")]]);
        assert_eq!(
            list.to_document(),
            r#"<?xml version="1.0" encoding="UTF-8"?><set><item><key>a &lt; b &amp; c</key></item><item><key>d</key></item></set>"#
        );
    }
}
