//! How texts are compared in a search: without case and without the accents of Latin letters. No words are cut out of a text,
//! so a search finds parts of words, and texts in languages without spaces.

/// Letters with accents, after the letter that they are compared as.
const ACCENTS: &[(char, &str)] = &[
    ('a', "àáâãäåāăąǎȁȃạảấầẩẫậắằẳẵặ"),
    ('c', "çćĉċč"),
    ('d', "ďđ"),
    ('e', "èéêëēĕėęěȅȇẹẻẽếềểễệ"),
    ('g', "ĝğġģ"),
    ('h', "ĥħ"),
    ('i', "ìíîïĩīĭįıǐịỉ"),
    ('j', "ĵ"),
    ('k', "ķ"),
    ('l', "ĺļľŀł"),
    ('n', "ñńņňŉ"),
    ('o', "òóôõöøōŏőǒơọỏốồổỗộớờởỡợ"),
    ('r', "ŕŗř"),
    ('s', "śŝşšș"),
    ('t', "ţťŧț"),
    ('u', "ùúûüũūŭůűųǔưụủứừửữự"),
    ('w', "ŵ"),
    ('y', "ýÿŷỳỵỷỹ"),
    ('z', "źżž"),
];

/// The characters that a character is compared as. Combining accents (U+0300 to U+036F) are left out.
fn folded(c: char) -> impl Iterator<Item = char> {
    let plain = |c: char| match c {
        'a'..='z' | '0'..='9' | ' ' => Some(c),
        '\u{300}'..='\u{36f}' => None,
        '\u{80}'.. => {
            Some(ACCENTS.iter().find(|(_, accented)| accented.contains(c)).map_or(c, |(plain, _)| *plain))
        }
        _ => Some(c),
    };
    c.to_lowercase().filter_map(plain)
}

/// A text as it is compared.
pub(super) fn fold(text: &str) -> String {
    text.chars().flat_map(folded).collect()
}

/// Marks the characters of a text that match one of the words, which are folded.
pub(super) fn matches(text: &[char], words: &[String]) -> Vec<bool> {
    let mut plain = String::new();
    // The character that each byte of `plain` comes from.
    let mut from = Vec::new();
    for (at, c) in text.iter().enumerate() {
        plain.extend(folded(*c));
        from.resize(plain.len(), at);
    }
    let mut marks = vec![false; text.len()];
    for word in words.iter().filter(|word| !word.is_empty()) {
        for (start, found) in plain.match_indices(word.as_str()) {
            for at in from.get(start..start + found.len()).unwrap_or_default() {
                marks[*at] = true;
            }
        }
    }
    marks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_and_accents_are_ignored() {
        for (text, as_) in
            [("Ça Và", "ca va"), ("ŁÓDŹ", "lodz"), ("e\u{301}", "e"), ("Straße", "straße"), ("東京", "東京")]
        {
            assert_eq!(fold(text), as_);
        }
        assert_eq!(fold("ΣΊΣΥΦΟΣ"), fold("σίσυφοσ"));
    }

    #[test]
    fn marks_follow_character_boundaries() {
        let marked = |text: &str, word: &str| {
            let chars: Vec<char> = text.chars().collect();
            let marks = matches(&chars, &[fold(word)]);
            chars.iter().zip(marks).filter(|(_, mark)| *mark).map(|(c, _)| *c).collect::<String>()
        };
        assert_eq!(marked("Un café, deux CAFÉS", "cafe"), "caféCAFÉ");
        assert_eq!(marked("İstanbul", "ist"), "İst");
        assert_eq!(marked("東京都", "京"), "京");
        assert_eq!(marked("nothing", "x"), "");
    }
}
