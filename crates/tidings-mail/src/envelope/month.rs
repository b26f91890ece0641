//! Month names as log writers spell them, in the languages that mail hosts run in.
//!
//! `strftime("%b")` follows the locale: `journalctl -o short`, Dovecot's `log_timestamp` and some
//! syslog daemons write it so. Names are matched without case and without a closing dot. Where two
//! languages use one word for different months, the reading of the larger one is taken (`lis` is
//! November in Polish and Czech, October in Croatian).

/// Month 1 to 12 of a three-letter English name in any case, which is what nearly every line has.
pub(super) fn english(name: [u8; 3]) -> Option<u8> {
    let lower = [name[0] | 0x20, name[1] | 0x20, name[2] | 0x20];
    Some(match &lower {
        b"jan" => 1,
        b"feb" => 2,
        b"mar" => 3,
        b"apr" => 4,
        b"may" => 5,
        b"jun" => 6,
        b"jul" => 7,
        b"aug" => 8,
        b"sep" => 9,
        b"oct" => 10,
        b"nov" => 11,
        b"dec" => 12,
        _ => return None,
    })
}

/// Longest spelling in [`NAMES`], in bytes, with room for a dot.
const LONGEST: usize = 20;

/// The month that the word at the head of `text` names, and the bytes it takes, with its dot.
///
/// Takes a word of letters, in any language of the table, or `11月` as Chinese and Japanese write.
pub(super) fn any(text: &[u8]) -> Option<(u8, usize)> {
    if let Some(found) = numbered(text) {
        return Some(found);
    }
    let end = text
        .iter()
        .take(LONGEST + 1)
        .position(|byte| !byte.is_ascii_alphabetic() && *byte < 0x80)
        .unwrap_or(text.len().min(LONGEST + 1));
    let word = &text[..end];
    let month = lookup(word)?;
    let dot = usize::from(text.get(end) == Some(&b'.'));
    Some((month, end + dot))
}

/// `11月` and `11월`.
fn numbered(text: &[u8]) -> Option<(u8, usize)> {
    let digits = text
        .iter()
        .take(2)
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    let month = text[..digits]
        .iter()
        .fold(0, |sum, digit| sum * 10 + (digit - b'0'));
    let sign = text.get(digits..digits + 3)?;
    let is_sign = sign == "月".as_bytes() || sign == "월".as_bytes();
    (is_sign && (1..=12).contains(&month)).then_some((month, digits + 3))
}

fn lookup(word: &[u8]) -> Option<u8> {
    if word.is_empty() || word.len() > LONGEST {
        return None;
    }
    let mut folded = [0_u8; LONGEST * 2];
    let folded = fold(word, &mut folded);
    NAMES
        .iter()
        .position(|names| names.split(' ').any(|name| name.as_bytes() == folded))
        .and_then(|index| u8::try_from(index + 1).ok())
}

/// Lower case, with the accented letters of Latin scripts taken down to plain ones: `Févr`, `févr`
/// and Latin-1 `f\xe9vr` all become `fevr`.
fn fold<'a>(word: &[u8], out: &'a mut [u8; LONGEST * 2]) -> &'a [u8] {
    let mut length = 0;
    let text = std::str::from_utf8(word);
    match text {
        Ok(text) => {
            for letter in text.chars().flat_map(char::to_lowercase) {
                let letter = plain(letter);
                let room = &mut out[length..];
                if room.len() < letter.len_utf8() {
                    break;
                }
                length += letter.encode_utf8(room).len();
            }
        }
        // Latin-1, as old hosts wrote: each byte is the code point of its letter.
        Err(_) => {
            for byte in word {
                let letter = plain(char::from(byte.to_ascii_lowercase()));
                let room = &mut out[length..];
                if room.len() < letter.len_utf8() {
                    break;
                }
                length += letter.encode_utf8(room).len();
            }
        }
    }
    &out[..length]
}

fn plain(letter: char) -> char {
    match letter {
        'à' | 'á' | 'â' | 'ã' | 'ä' | 'å' | 'Ä' => 'a',
        'é' | 'è' | 'ê' | 'ë' | 'ě' | 'É' => 'e',
        'í' | 'î' => 'i',
        'ó' | 'ô' | 'ö' => 'o',
        'ú' | 'û' | 'ü' | 'ů' | 'Û' => 'u',
        'ç' | 'č' => 'c',
        'ğ' => 'g',
        'ř' => 'r',
        'ş' | 'š' | 'ș' => 's',
        'ź' | 'ž' | 'ż' => 'z',
        other => other,
    }
}

/// January to December: English, German, French, Spanish, Italian, Portuguese, Catalan, Dutch,
/// Swedish, Danish, Norwegian, Finnish, Polish, Czech, Hungarian, Romanian, Turkish, Russian;
/// folded by [`fold`].
const NAMES: [&str; 12] = [
    "jan january januar janner janv janvier ene enero gen gennaio gener janeiro januari tammi sty led ian oca янв января",
    "feb february februar febr fevr fev fevrier febrero febbraio fevereiro februari helmi lut uno sub фев февраля",
    "mar march marz mrz mars marc mrt marzo marco maart maalis bre мар марта",
    "apr april avr avril abr abril aprile huhti kwi dub nis апр апреля",
    "may mai maj mei mag mayo maggio maio maig touko kve мая май",
    "jun june juni juin junio giu giugno junho juny kesa cze iun haz июн июня cvn",
    "jul july juli juil juillet julio lug luglio julho heina lip iul tem июл июля cvc cec",
    "aug august aou aout ago agosto augustus augusti elo sie srp agu авг августа",
    "sep sept september septembre septiembre set settembre setembro syys wrz zar eyl сен сент сентября",
    "oct october okt oktober octobre octubre ott ottobre out outubro loka paz rij eki окт октября",
    "nov november novembre noviembre novembro marras lis noi kas ноя нояб ноября",
    "dec december dez dezember decembre dic diciembre dicembre dezembro des desember desembre joulu gru pro ara дек декабря",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_many_languages() {
        let cases: &[(&[u8], u8, usize)] = &[
            (b"Nov 22", 11, 3),
            (b"Dez 22", 12, 3),
            ("Mär 3".as_bytes(), 3, 4),
            (b"M\xe4r 3", 3, 3),
            (b"Mrz  5", 3, 3),
            ("févr. 3".as_bytes(), 2, 6),
            (b"f\xe9vr. 3", 2, 5),
            ("août 3".as_bytes(), 8, 5),
            (b"d\xe9c. 3", 12, 4),
            (b"juil. 3", 7, 5),
            (b"ene 3", 1, 3),
            (b"gen 3", 1, 3),
            (b"mrt. 3", 3, 4),
            (b"out 3", 10, 3),
            ("paź 3".as_bytes(), 10, 4),
            (b"wrz 3", 9, 3),
            (b"lis 3", 11, 3),
            ("ноя 3".as_bytes(), 11, 6),
            ("11月 22".as_bytes(), 11, 5),
            ("Ağu 2".as_bytes(), 8, 4),
        ];
        for (text, month, length) in cases {
            let shown = String::from_utf8_lossy(text);
            assert_eq!(any(text), Some((*month, *length)), "{shown}");
        }
        assert_eq!(any(b"mx postfix"), None);
        assert_eq!(any(b"13\xe6\x9c\x88 1"), None);
        assert_eq!(any(b""), None);
    }

    #[test]
    fn three_letters() {
        assert_eq!(english(*b"NOV"), Some(11));
        assert_eq!(english(*b"mx "), None);
    }
}
