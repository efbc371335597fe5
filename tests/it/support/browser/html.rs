//! The forms and links of a page, as far as tests press and follow them. Not a parser of HTML: our own
//! pages and those of the test provider are well-formed.

use url::Url;

/// A form, ready to be filled in and sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Form {
    /// Absolute; the page's own address where the form names none.
    pub(crate) action: Url,
    pub(crate) post: bool,
    /// What it would send as it stands: inputs with a name, without those of buttons.
    pub(crate) fields: Vec<(String, String)>,
    /// Name and value of each submit button, empty where it has none, with its text.
    pub(crate) buttons: Vec<(String, String, String)>,
}

/// A link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) href: Url,
    pub(crate) text: String,
}

#[derive(Debug)]
struct Tag<'a> {
    name: String,
    attributes: Vec<(String, String)>,
    /// The text up to the next tag of the same name that closes.
    after: &'a str,
}

impl Tag<'_> {
    fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// Its text, without tags inside, white space joined.
    fn text(&self) -> String {
        let end = format!("</{}", self.name);
        let inside = self
            .after
            .to_ascii_lowercase()
            .find(&end)
            .map_or(self.after, |end| &self.after[..end]);
        text_of(inside)
    }
}

/// The forms of a page.
pub(crate) fn forms(page: &str, url: &Url) -> Vec<Form> {
    let mut forms: Vec<Form> = Vec::new();
    let mut open = false;
    for tag in tags(page) {
        let value = |name: &str| tag.attribute(name).unwrap_or_default().to_owned();
        match tag.name.as_str() {
            "form" => {
                open = true;
                let action = tag.attribute("action").filter(|action| !action.is_empty());
                forms.push(Form {
                    action: url
                        .join(action.unwrap_or(url.as_str()))
                        .expect("an address"),
                    post: value("method").eq_ignore_ascii_case("post"),
                    fields: Vec::new(),
                    buttons: Vec::new(),
                });
            }
            "/form" => open = false,
            "input" | "button" if open => {
                let form = forms.last_mut().expect("one is open");
                let kind = tag.attribute("type").unwrap_or(match tag.name.as_str() {
                    "button" => "submit",
                    _ => "text",
                });
                let ticked = tag.attribute("checked").is_some();
                match kind {
                    "submit" => form
                        .buttons
                        .push((value("name"), value("value"), tag.text())),
                    "button" | "reset" | "image" => {}
                    "checkbox" | "radio" if !ticked => {}
                    _ if value("name").is_empty() => {}
                    _ => form.fields.push((value("name"), value("value"))),
                }
            }
            _ => {}
        }
    }
    forms
}

/// The links of a page.
pub(crate) fn links(page: &str, url: &Url) -> Vec<Link> {
    tags(page)
        .iter()
        .filter(|tag| tag.name == "a")
        .filter_map(|tag| {
            Some(Link {
                href: url.join(tag.attribute("href")?).ok()?,
                text: tag.text(),
            })
        })
        .collect()
}

/// What a person reads, on one line.
pub(crate) fn text_of(page: &str) -> String {
    let mut text = String::new();
    let mut rest = page;
    while let Some((before, tag)) = rest.split_once('<') {
        text.push_str(before);
        text.push(' ');
        let lower = tag.to_ascii_lowercase();
        let hidden = ["style", "script", "!--"]
            .into_iter()
            .find(|name| lower.starts_with(name));
        let end = match hidden {
            Some("!--") => lower.find("-->").map(|end| end + 3),
            Some(name) => lower
                .find(&format!("</{name}"))
                .and_then(|close| Some(close + lower[close..].find('>')? + 1)),
            None => end_of_tag(tag).map(|end| end + 1),
        };
        rest = end.map_or("", |end| &tag[end..]);
    }
    text.push_str(rest);
    unescape(&text)
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}

fn tags(page: &str) -> Vec<Tag<'_>> {
    let mut tags = Vec::new();
    let mut rest = page;
    while let Some((_, tag)) = rest.split_once('<') {
        if tag.starts_with("!--") {
            rest = tag.split_once("-->").map_or("", |(_, rest)| rest);
            continue;
        }
        let Some(end) = end_of_tag(tag) else { break };
        rest = &tag[end + 1..];
        let inside = tag[..end].trim_end_matches('/');
        let name_end = inside.find(char::is_whitespace).unwrap_or(inside.len());
        tags.push(Tag {
            name: inside[..name_end].to_ascii_lowercase(),
            attributes: attributes(&inside[name_end..]),
            after: rest,
        });
    }
    tags
}

/// Where `>` stands outside quotes.
fn end_of_tag(tag: &str) -> Option<usize> {
    let mut quote = None;
    tag.char_indices().find_map(|(place, c)| {
        match (quote, c) {
            (None, '>') => return Some(place),
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), c) if open == c => quote = None,
            _ => {}
        }
        None
    })
}

fn attributes(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let name_end = rest
            .find(|c: char| c == '=' || c.is_whitespace())
            .unwrap_or(rest.len());
        let name = rest[..name_end].to_ascii_lowercase();
        rest = rest[name_end..].trim_start();
        let mut value = "";
        if let Some(after) = rest.strip_prefix('=') {
            rest = after.trim_start();
            (value, rest) = match rest.chars().next() {
                Some(quote @ ('"' | '\'')) => {
                    rest[1..].split_once(quote).unwrap_or((&rest[1..], ""))
                }
                _ => rest.split_once(char::is_whitespace).unwrap_or((rest, "")),
            };
        }
        found.push((name, unescape(value)));
        rest = rest.trim_start();
    }
    found
}

/// Character references, as far as template engines write them.
pub(crate) fn unescape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        plain.push_str(before);
        let reference = after.find(';').and_then(|end| {
            let name = &after[..end];
            let number = |digits: &str, radix| {
                u32::from_str_radix(digits, radix)
                    .ok()
                    .and_then(char::from_u32)
            };
            let character = match name {
                "amp" => Some('&'),
                "lt" => Some('<'),
                "gt" => Some('>'),
                "quot" => Some('"'),
                "apos" => Some('\''),
                "nbsp" => Some('\u{a0}'),
                _ => match name.strip_prefix('#') {
                    Some(hex) if hex.starts_with(['x', 'X']) => number(&hex[1..], 16),
                    Some(decimal) => number(decimal, 10),
                    None => None,
                },
            };
            character.map(|character| (character, end + 1))
        });
        if let Some((character, length)) = reference {
            plain.push(character);
            rest = &after[length..];
        } else {
            plain.push('&');
            rest = after;
        }
    }
    plain + rest
}
