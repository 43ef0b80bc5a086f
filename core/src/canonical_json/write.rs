//! The canonical text of a JSON value (RFC 8785, section 3.2).

use serde_json::{Map, Number, Value};

use super::MAX_INTEGER;

pub(super) fn value(value: &Value, out: &mut String) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Number(number) => write_number(number, out),
        Value::String(text) => write_string(text, out),
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                separate(index, out);
                self::value(item, out);
            }
            out.push(']');
        }
        Value::Object(fields) => object(fields, out),
    }
}

/// Writes the members sorted by the UTF-16 code units of their names (section 3.2.3).
pub(super) fn object(fields: &Map<String, Value>, out: &mut String) {
    let mut members: Vec<(&String, &Value)> = fields.iter().collect();
    members.sort_by(|(name, _), (other, _)| name.encode_utf16().cmp(other.encode_utf16()));
    out.push('{');
    for (index, (name, member)) in members.into_iter().enumerate() {
        separate(index, out);
        write_string(name, out);
        out.push(':');
        value(member, out);
    }
    out.push('}');
}

fn separate(index: usize, out: &mut String) {
    if index > 0 {
        out.push(',');
    }
}

/// Escapes only the characters that need it, each in its shortest form (section 3.2.2.2).
fn write_string(text: &str, out: &mut String) {
    out.push('"');
    let mut rest = text;
    // Such characters are rare, and each is one byte.
    while let Some(at) = rest.bytes().position(|byte| matches!(byte, b'"' | b'\\' | ..b' ')) {
        let (plain, special) = rest.split_at(at);
        out.push_str(plain);
        let (special, after) = special.split_at(1);
        match special {
            "\"" => out.push_str("\\\""),
            "\\" => out.push_str("\\\\"),
            "\u{8}" => out.push_str("\\b"),
            "\t" => out.push_str("\\t"),
            "\n" => out.push_str("\\n"),
            "\u{c}" => out.push_str("\\f"),
            "\r" => out.push_str("\\r"),
            control => control.bytes().for_each(|byte| out.push_str(&format!("\\u{byte:04x}"))),
        }
        rest = after;
    }
    out.push_str(rest);
    out.push('"');
}

/// Treats every number as an IEEE 754 double (section 3.2.2.3).
fn write_number(number: &Number, out: &mut String) {
    let exact = |integer: &i64| integer.unsigned_abs() <= MAX_INTEGER;
    match (number.as_i64().filter(exact), number.as_f64()) {
        (Some(integer), _) => out.push_str(&integer.to_string()),
        (None, Some(double)) => write_double(double, out),
        (None, None) => {}
    }
}

/// Writes a finite number as ECMAScript does (ECMA-262, `Number::toString`, with the even digit of its note 2, which
/// RFC 8785 requires).
fn write_double(number: f64, out: &mut String) {
    // The shortest digits that parse back to this number, and the position of the point: "1.25e-7".
    let shortest = shortest(number.abs());
    let (mantissa, exponent) = shortest.split_once('e').unwrap_or((&shortest, "0"));
    let digits = mantissa.replace('.', "");
    let point = exponent.parse::<i32>().unwrap_or(0) + 1;
    if number < 0.0 {
        out.push('-');
    }
    match usize::try_from(point) {
        Ok(point @ 1..=21) => match digits.split_at_checked(point) {
            Some((whole, "")) => out.push_str(whole),
            Some((whole, fraction)) => out.extend([whole, ".", fraction]),
            None => out.extend([&digits, "0".repeat(point - digits.len()).as_str()]),
        },
        _ if (-5..=0).contains(&point) => {
            out.extend(["0.", &"0".repeat(point.unsigned_abs() as usize), &digits]);
        }
        _ => {
            let (first, rest) = digits.split_at(1);
            let dot = if rest.is_empty() { "" } else { "." };
            let sign = if point > 0 { "+" } else { "-" };
            out.extend([first, dot, rest, "e", sign, &(point - 1).unsigned_abs().to_string()]);
        }
    }
}

/// The shortest digits that parse back to `number`, in scientific notation. Of several candidates, the nearest one; of
/// two equally near, the one whose last digit is even.
fn shortest(number: f64) -> String {
    // The standard library does not specify which of two equally near candidates it prints. It does round to a given
    // number of digits with ties to even. Next to a power of two the result may be a different number; then there was
    // only one candidate.
    let some = format!("{number:e}");
    let digits = some.bytes().take_while(|byte| *byte != b'e').filter(u8::is_ascii_digit).count();
    let nearest = format!("{number:.*e}", digits.saturating_sub(1));
    if nearest.parse() == Ok(number) { nearest } else { some }
}
