//! Prefixes of subjects: answered or handed on.

/// "Fwd:" and its kin, without the colon.
const FORWARD: &[&str] = &[
    "fw",
    "fwd",
    "wg",
    "tr",
    "rv",
    "i",
    "enc",
    "vb",
    "vl",
    "pd",
    "ilt",
    "i̇lt",
    "iletilen",
    "továbbítás",
    "továbbította",
    "vidarebefordrat",
    "videresend",
    "videresendt",
    "videresendelse",
    "fs",
    "doorst",
    "redir",
    "redir.",
    "reenv",
    "res fwd",
    "trans",
    "пересл",
    "на переслано",
    "переслано",
    "пд",
    "fwd fwd",
    "转发",
    "轉寄",
    "轉發",
    "転送",
    "전달",
    "הועבר",
    "إعادة توجيه",
    "προωθ",
    "прѓ",
    "tf",
    "prosl",
    "prosleđeno",
    "proslijeđeno",
    "posred",
    "edasi",
    "fwd: fwd",
    "ff",
];

/// "Re:" and its kin, without the colon.
const REPLY: &[&str] = &[
    "re",
    "aw",
    "antw",
    "antwort",
    "sv",
    "res",
    "rif",
    "r",
    "odp",
    "ynt",
    "yan",
    "ref",
    "re^2",
    "回复",
    "回覆",
    "答复",
    "返信",
    "답장",
    "השב",
    "ответ",
    "відп",
    "απ",
    "σχετ",
    "vá",
    "bls",
    "atb",
    "ats",
];

/// What the outermost prefix of a subject says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Prefix {
    Forward,
    Reply,
}

/// The outermost prefix of a folded subject, and the bytes it takes with its colon.
pub(in super::super) fn prefix(folded: &str) -> Option<(Prefix, usize)> {
    let (head, _) = folded.split_once(':')?;
    let word = head.trim();
    let bare = word.split_once(['[', '(']).map_or(word, |(bare, _)| bare.trim_end());
    let kind = if FORWARD.contains(&bare) {
        Prefix::Forward
    } else if REPLY.contains(&bare) {
        Prefix::Reply
    } else {
        return None;
    };
    Some((kind, head.len() + 1))
}
