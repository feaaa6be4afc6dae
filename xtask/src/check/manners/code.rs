//! Just enough of Rust's grammar to find attributes, calls and test modules without being misled by comments and texts.

use std::ops::Range;

/// The text with every comment, string and character literal replaced by spaces. Lines stay where they are.
pub(super) fn blank_comments_and_literals(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        let previous_is_word = code.chars().next_back().is_some_and(is_word);
        if let Some(length) = comment_or_literal_length(rest, previous_is_word) {
            let (blanked, after) = rest.split_at(length);
            code.extend(blanked.chars().map(|letter| if letter == '\n' { '\n' } else { ' ' }));
            rest = after;
        } else {
            code.push(next);
            rest = &rest[next.len_utf8()..];
        }
    }
    code
}

/// One attribute in blanked code.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Attribute {
    /// From `#` to behind `]`.
    pub(super) range: Range<usize>,
    /// True for `#![…]`.
    pub(super) is_inner: bool,
    /// What is between the brackets, without white space.
    pub(super) body: String,
}

/// All attributes in blanked code, in order.
pub(super) fn attributes(code: &str) -> Vec<Attribute> {
    let mut found = Vec::new();
    for (begin, _) in code.match_indices('#') {
        let after_hash = &code[begin + 1..];
        let is_inner = after_hash.starts_with('!');
        let open = begin + 1 + usize::from(is_inner);
        if code[open..].starts_with('[') {
            let end = end_of_group(code, open);
            let body = code[open + 1..end].trim_end_matches(']');
            let body = body.chars().filter(|letter| !letter.is_whitespace()).collect();
            found.push(Attribute { range: begin..end, is_inner, body });
        }
    }
    found
}

/// All words (names and keywords) in blanked code, each with its place.
pub(super) fn words(code: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut from = 0;
    std::iter::from_fn(move || {
        let begin = from + code[from..].find(is_word)?;
        let end = code[begin..].find(|letter| !is_word(letter)).map_or(code.len(), |length| begin + length);
        from = end;
        Some((begin, &code[begin..end]))
    })
}

/// Where the item ends that begins here: behind its `;` or behind the brace that closes it.
pub(super) fn end_of_item(code: &str, begin: usize) -> usize {
    let mut at = begin;
    while let Some(letter) = code[at..].chars().next() {
        match letter {
            '(' | '[' => at = end_of_group(code, at),
            '{' => return end_of_group(code, at),
            ';' => return at + 1,
            _ => at += letter.len_utf8(),
        }
    }
    code.len()
}

/// The line of a place; the first is 1.
pub(super) fn line_of(code: &str, place: usize) -> usize {
    code[..place].matches('\n').count() + 1
}

/// Behind the bracket that closes the one at `open`.
fn end_of_group(code: &str, open: usize) -> usize {
    let mut depth = 0_usize;
    for (offset, letter) in code[open..].char_indices() {
        match letter {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return open + offset + letter.len_utf8();
        }
    }
    code.len()
}

fn is_word(letter: char) -> bool {
    letter == '_' || letter.is_alphanumeric()
}

/// How long the comment or literal is that `rest` begins with; `None` if it begins with neither.
fn comment_or_literal_length(rest: &str, previous_is_word: bool) -> Option<usize> {
    if rest.starts_with("//") {
        return Some(rest.find('\n').unwrap_or(rest.len()));
    }
    if rest.starts_with("/*") {
        return Some(block_comment_length(rest));
    }
    if let Some(content) = rest.strip_prefix('"') {
        return Some(1 + length_until_quote(content, '"'));
    }
    if rest.starts_with('\'') {
        return character_length(rest);
    }
    if previous_is_word { None } else { raw_string_length(rest) }
}

fn block_comment_length(rest: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < rest.len() {
        let ahead = &rest.as_bytes()[at..];
        if ahead.starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if ahead.starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    rest.len()
}

/// The length up to and with the quote that no backslash escapes.
fn length_until_quote(rest: &str, quote: char) -> usize {
    let mut is_escaped = false;
    for (offset, letter) in rest.char_indices() {
        if !is_escaped && letter == quote {
            return offset + 1;
        }
        is_escaped = !is_escaped && letter == '\\';
    }
    rest.len()
}

/// Tells `'a'` and `'\n'` from the lifetime `'a`.
fn character_length(rest: &str) -> Option<usize> {
    let content = &rest[1..];
    let first = content.chars().next()?;
    if first == '\\' {
        return Some(1 + length_until_quote(content, '\''));
    }
    content[first.len_utf8()..].starts_with('\'').then(|| first.len_utf8() + 2)
}

/// `r"…"`, `r#"…"#`, `br"…"`, `cr"…"`.
fn raw_string_length(rest: &str) -> Option<usize> {
    let prefix = ["r", "br", "cr"]
        .into_iter()
        .find(|prefix| rest.strip_prefix(prefix).is_some_and(|after| after.starts_with(['#', '"'])))?;
    let after_prefix = &rest[prefix.len()..];
    let content = after_prefix.trim_start_matches('#');
    let hashes = after_prefix.len() - content.len();
    let content = content.strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let begin_length = prefix.len() + hashes + 1;
    Some(content.find(&end).map_or(rest.len(), |length| begin_length + length + end.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_are_blanked_and_the_rest_stays() {
        for (text, code) in [
            ("a // b\nc", "a     \nc"),
            ("a /* b /* c */ \n */ d", "a              \n    d"),
            (r#"f("a \" b", c)"#, "f(        , c)"),
            (r##"f(r#"a " b"#, c)"##, "f(          , c)"),
            (r#"f(b"a", br"\", c)"#, "f(b   ,      , c)"),
            (r#"'"' '\'' '\\' x"#, "              x"),
            ("fn f<'a>(x: &'a str)", "fn f<'a>(x: &'a str)"),
            ("r#type for\"x\"", "r#type for   "),
            ("\"never closed", "             "),
        ] {
            assert_eq!(blank_comments_and_literals(text), code, "{text}");
        }
    }

    #[test]
    fn attributes_are_found_with_their_bodies() {
        let code = "#![a]\n#[cfg(all( test, b[0] ))] # [c] #x";
        let found: Vec<(bool, String)> =
            attributes(code).into_iter().map(|attribute| (attribute.is_inner, attribute.body)).collect();
        assert_eq!(found, [(true, "a".to_owned()), (false, "cfg(all(test,b[0]))".to_owned())]);
    }

    #[test]
    fn an_item_ends_behind_its_brace_or_semicolon() {
        for (item, end) in [
            ("mod a; mod b;", "mod a;"),
            ("mod a { fn f() {} } mod b;", "mod a { fn f() {} }"),
            ("fn f(a: [u8; 3]) {} fn g() {}", "fn f(a: [u8; 3]) {}"),
            ("mod a {", "mod a {"),
        ] {
            assert_eq!(&item[..end_of_item(item, 0)], end);
        }
    }

    #[test]
    fn words_come_with_their_places() {
        let found: Vec<(usize, &str)> = words("a.b_1(ä)").collect();
        assert_eq!(found, [(0, "a"), (2, "b_1"), (6, "ä")]);
    }
}
