//! Words of the line that introduces a quote: "On 3 May, Ann wrote:".

use crate::email::phrases::Phrases;

/// "wrote", in the forms mail programs use.
const VERBS: &[&str] = &[
    // English, German, Dutch, Afrikaans
    "wrote",
    "writes",
    "said",
    "says",
    "has written",
    "schrieb",
    "schreibt",
    "geschrieben",
    "schreef",
    "schrijft",
    "geschreven",
    "geskryf",
    "skryf",
    // Scandinavian, Icelandic, Finnish, Estonian, Latvian, Lithuanian
    "skrev",
    "skreiv",
    "skriver",
    "skrifaði",
    "kirjoitti",
    "kirjoittaa",
    "kirjutas",
    "rakstīja",
    "raksta",
    "rašė",
    "parašė",
    "rašo",
    // Romance
    "a écrit",
    "a ecrit",
    "écrivit",
    "écrit",
    "escribió",
    "escribio",
    "ha escrito",
    "escribe",
    "escreveu",
    "escribiu",
    "ha scritto",
    "scrisse",
    "scrive",
    "ha escrit",
    "va escriure",
    "a scris",
    "scrie",
    // Slavic
    "napisał",
    "napisała",
    "napisał(a)",
    "napisali",
    "pisze",
    "napsal",
    "napsala",
    "napsal(a)",
    "píše",
    "napísal",
    "napísala",
    "napísal(a)",
    "написал",
    "написала",
    "написал(а)",
    "пишет",
    "писал",
    "написав",
    "написав(ла)",
    "пише",
    "писав",
    "напісаў",
    "піша",
    "написа",
    "напиша",
    "napisao",
    "napisao/la",
    "napisala je",
    "je napisao/la",
    "piše",
    "napisal",
    "napisal/-a",
    "je napisal/-a",
    "написао",
    "написао/ла",
    "је написао/ла",
    // Hungarian, Greek, Turkish, Azerbaijani, Albanian, Basque, Irish, Welsh, Latin, Esperanto
    "írta",
    "ezt írta",
    "következőt írta",
    "írt",
    "έγραψε",
    "έγραψε/ε",
    "γράφει",
    "yazdı",
    "yazmış",
    "yazıb",
    "shkroi",
    "ka shkruar",
    "idatzi du",
    "idatzi zuen",
    "scríobh",
    "ysgrifennodd",
    "scripsit",
    "skribis",
    // Semitic, Iranian, Indic, Armenian, Georgian, Kazakh
    "كتب",
    "كتبت",
    "כתב",
    "כתבה",
    "نوشت",
    "نوشته است",
    "نے لکھا",
    "लिखा",
    "ने लिखा",
    "লিখেছেন",
    "লিখেছে",
    "எழுதியது",
    "எழுதினார்",
    "գրել է",
    "დაწერა",
    "жазды",
    // East and South-East Asia
    "写道",
    "寫道",
    "写到",
    "來信",
    "撰写",
    "のメール",
    "書きました",
    "さんのメッセージ",
    "님이 작성",
    "작성",
    "님이 씀",
    "썼습니다",
    "เขียนว่า",
    "เขียน",
    "viết",
    "đã viết",
    "menulis",
    "nagsulat",
    "sumulat",
];

/// The first words of such a line, before the date.
const LEADS: &[&str] = &[
    "on",
    "at",
    "in",
    "am",
    "den",
    "der",
    "d.",
    "dne",
    "dňa",
    "dana",
    "dnia",
    "w dniu",
    "le",
    "il",
    "el",
    "em",
    "no dia",
    "op",
    "på",
    "pada",
    "ngày",
    "în",
    "pe",
    "la",
    "a",
    "al",
    "del",
    "в",
    "на",
    "у",
    "дня",
    "την",
    "στις",
    "τη",
    "tarih",
    "vào",
    "ang",
    "ar",
    "2",
    "il giorno",
    "e",
    "dia",
    "vào lúc",
    "בתאריך",
    "ב-",
    "ב",
    "في",
    "در",
    "于",
    "於",
    "在",
    "ti.",
    "to.",
    "þann",
    "missatge",
    "kontakt",
    "wiadomość",
    "hau",
    "ในวันที่",
    "fre.",
    "lør.",
    "søn.",
    "man.",
    "ons.",
    "tor.",
    "tir.",
];

/// What stands alone before a name: "Quoting Ann:".
const INTROS: &[&str] = &[
    "quoting",
    "quoth",
    "zitat von",
    "citando",
    "citando a",
    "citat från",
    "citat af",
    "selon",
    "según",
    "according to",
    "excerpts from",
    "begin quoted",
    "in article",
    "in message",
    "* ",
    "цитирую",
    "цитат",
    "cytując",
    "bericht van",
];

static SAID: Phrases = Phrases::of(VERBS);
/// Characters at the end in which the longest verb is found, with a letter before it.
const TAIL_CHARS: usize = 64;

/// Whether the text is nothing but a verb of this kind.
pub(in super::super) fn is_verb(text: &str) -> bool {
    VERBS.contains(&text)
}

/// Whether the text says that somebody wrote.
pub(in super::super) fn has_verb(text: &str) -> bool {
    SAID.is_where(text, |place| {
        is_unspaced_phrase(place.phrase)
            || (!place.before.ends_with(char::is_alphanumeric)
                && !place.after.starts_with(char::is_alphanumeric))
    })
}

/// Whether "wrote" or its like are the last words.
pub(in super::super) fn has_verb_end(text: &str) -> bool {
    let tail = text.char_indices().rev().take(TAIL_CHARS).last().map_or(0, |(at, _)| at);
    SAID.is_where(text.get(tail..).unwrap_or_default(), |place| {
        place.after.is_empty()
            && (is_unspaced_phrase(place.phrase) || !place.before.ends_with(char::is_alphanumeric))
    })
}

fn is_unspaced_phrase(phrase: &str) -> bool {
    phrase.chars().next().is_some_and(super::is_unspaced)
}

/// Whether the text opens the way such lines do.
pub(in super::super) fn has_lead(text: &str) -> bool {
    LEADS.iter().any(|lead| {
        text.strip_prefix(lead).is_some_and(|rest| {
            rest.starts_with([' ', ',', '.']) || lead.chars().next().is_some_and(super::is_unspaced)
        })
    })
}

/// Whether the text opens with "quoting" or its like.
pub(in super::super) fn has_intro(text: &str) -> bool {
    INTROS.iter().any(|intro| text.starts_with(intro))
}
