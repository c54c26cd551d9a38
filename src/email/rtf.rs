//! The rich text body inside a winmail.dat: LZFu unpacked (MS-OXRTFCP), then its words read.
//!
//! Reads what a person sees as text: paragraphs, tabs, characters of any code page. Fonts, pictures, fields of
//! programs and HTML that was wrapped up in the rich text (MS-OXRTFEX) are passed over.

use super::charset;
use super::clean::TEXT_LIMIT_BYTES;

/// Bytes that one body may unfold to.
const UNPACKED_LIMIT_BYTES: usize = 4 * TEXT_LIMIT_BYTES;

/// Groups inside each other; deeper ones are read as if they were this deep.
const DEPTH_LIMIT: usize = 256;

/// What every dictionary begins with (MS-OXRTFCP section 2.1.2.1).
const DICTIONARY_START: &[u8] = b"{\\rtf1\\ansi\\mac\\deff0\\deftab720{\\fonttbl;}{\\f0\\fnil \\froman \\fswiss \\fmodern \\fscript \\fdecor MS Sans SerifSymbolArialTimes New RomanCourier{\\colortbl\\red0\\green0\\blue0\r\n\\par \\pard\\plain\\f0\\fs20\\b\\i\\u\\tab\\tx";

/// Bytes of the dictionary, a ring.
const DICTIONARY_BYTES: usize = 4096;

/// Unpacks a compressed rich text (MS-OXRTFCP section 2.1.3); what a cut one holds is given.
pub(super) fn unpack(packed: &[u8]) -> Option<Vec<u8>> {
    const COMPRESSED: &[u8] = b"LZFu";
    const UNCOMPRESSED: &[u8] = b"MELA";
    let kind = packed.get(8..12)?;
    let data = packed.get(16..)?;
    if kind == UNCOMPRESSED {
        return data.get(..data.len().min(UNPACKED_LIMIT_BYTES)).map(<[u8]>::to_vec);
    }
    (kind == COMPRESSED).then(|| unfold(data))
}

fn unfold(data: &[u8]) -> Vec<u8> {
    let mut ring = Ring::new();
    let mut out = Vec::new();
    let mut input = data.iter().copied();
    while let Some(control) = input.next() {
        for bit in 0..8 {
            if out.len() >= UNPACKED_LIMIT_BYTES {
                return out;
            }
            let Some(byte) = input.next() else { return out };
            if control & (1 << bit) == 0 {
                out.push(ring.write(byte));
                continue;
            }
            let Some(low) = input.next() else { return out };
            let reference = u16::from_be_bytes([byte, low]);
            let (from, length) = (usize::from(reference >> 4), usize::from(reference & 0xf) + 2);
            if from == ring.at {
                return out;
            }
            for step in 0..length {
                let copied = ring.read(from + step);
                out.push(ring.write(copied));
            }
        }
    }
    out
}

/// The last 4 KiB that were written.
struct Ring {
    bytes: Vec<u8>,
    at: usize,
}

impl Ring {
    fn new() -> Self {
        let mut bytes = DICTIONARY_START.to_vec();
        bytes.resize(DICTIONARY_BYTES, 0);
        Self { bytes, at: DICTIONARY_START.len() }
    }

    fn read(&self, at: usize) -> u8 {
        self.bytes.get(at % DICTIONARY_BYTES).copied().unwrap_or_default()
    }

    fn write(&mut self, byte: u8) -> u8 {
        if let Some(slot) = self.bytes.get_mut(self.at) {
            *slot = byte;
        }
        self.at = (self.at + 1) % DICTIONARY_BYTES;
        byte
    }
}

/// What a group says of the text in it.
#[derive(Debug, Clone, Copy)]
struct Group {
    hidden: bool,
    /// Characters that stand behind a `\u` for readers without Unicode.
    substitutes: usize,
}

/// The words of a rich text.
pub(super) fn text(rtf: &[u8]) -> String {
    let mut reader = Reader {
        out: String::new(),
        bytes: Vec::new(),
        charset: "windows-1252".to_owned(),
        groups: Vec::new(),
        group: Group { hidden: false, substitutes: 1 },
        skipped: 0,
        surrogate: None,
    };
    let mut rest = rtf;
    while let Some((byte, tail)) = rest.split_first() {
        if reader.out.len() > TEXT_LIMIT_BYTES {
            break;
        }
        rest = match byte {
            b'{' => {
                reader.open();
                tail
            }
            b'}' => {
                reader.close();
                tail
            }
            b'\\' => reader.control(tail),
            b'\r' | b'\n' | 0 => tail,
            byte => {
                reader.byte(*byte);
                tail
            }
        };
    }
    reader.flush();
    reader.out
}

struct Reader {
    out: String,
    /// Bytes in the code page that are not yet decoded.
    bytes: Vec<u8>,
    charset: String,
    groups: Vec<Group>,
    group: Group,
    /// Substitutes that are still to be passed over.
    skipped: usize,
    /// The first half of a pair of UTF-16.
    surrogate: Option<u16>,
}

impl Reader {
    fn open(&mut self) {
        self.flush();
        if self.groups.len() < DEPTH_LIMIT {
            self.groups.push(self.group);
        }
    }

    fn close(&mut self) {
        self.flush();
        self.skipped = 0;
        if let Some(group) = self.groups.pop() {
            self.group = group;
        }
    }

    fn byte(&mut self, byte: u8) {
        if self.skipped > 0 {
            self.skipped -= 1;
        } else if !self.group.hidden {
            self.bytes.push(byte);
        }
    }

    fn say(&mut self, text: &str) {
        self.flush();
        if !self.group.hidden {
            self.out.push_str(text);
        }
    }

    fn flush(&mut self) {
        if !self.bytes.is_empty() {
            self.out.push_str(&charset::decode(&self.bytes, Some(&self.charset)));
            self.bytes.clear();
        }
    }

    /// Reads what stands behind a backslash; gives what follows it.
    fn control<'a>(&mut self, rest: &'a [u8]) -> &'a [u8] {
        let Some((first, tail)) = rest.split_first() else { return rest };
        if first.is_ascii_alphabetic() {
            return self.word(rest);
        }
        match first {
            b'\'' => {
                let code = tail.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
                if let Some(byte) = code.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
                    self.byte(byte);
                }
                return tail.get(2..).unwrap_or_default();
            }
            b'\\' | b'{' | b'}' => self.byte(*first),
            b'~' => self.say(" "),
            b'_' => self.say("-"),
            b'\r' | b'\n' => self.say("\n"),
            // A group that only some readers know: fields of programs, wrapped HTML.
            b'*' => self.group.hidden = true,
            _ => {}
        }
        tail
    }

    /// A control word, its number and the blank that ends it.
    fn word<'a>(&mut self, rest: &'a [u8]) -> &'a [u8] {
        let letters = rest.iter().take(32).take_while(|b| b.is_ascii_alphabetic()).count();
        let (name, tail) = rest.split_at(letters);
        let sign = usize::from(tail.first() == Some(&b'-'));
        let digits = tail.iter().skip(sign).take(10).take_while(|b| b.is_ascii_digit()).count();
        let number = if digits > 0 { tail.get(..sign + digits) } else { None };
        let value: Option<i32> =
            number.and_then(|n| std::str::from_utf8(n).ok()).and_then(|n| n.parse().ok());
        let tail = tail.get(number.map_or(0, <[u8]>::len)..).unwrap_or_default();
        self.obey(name, value);
        tail.strip_prefix(b" ").unwrap_or(tail)
    }

    fn obey(&mut self, name: &[u8], value: Option<i32>) {
        match name {
            b"par" | b"line" | b"row" | b"sect" | b"page" => self.say("\n"),
            b"tab" | b"cell" => self.say("\t"),
            b"emdash" => self.say("—"),
            b"endash" => self.say("–"),
            b"bullet" => self.say("•"),
            b"lquote" | b"rquote" => self.say("'"),
            b"ldblquote" | b"rdblquote" => self.say("\""),
            b"u" => self.unicode(value.unwrap_or_default()),
            b"uc" => self.group.substitutes = usize::try_from(value.unwrap_or(1)).unwrap_or(1).min(8),
            b"ansicpg" => {
                if let Some(name) =
                    value.and_then(|page| u32::try_from(page).ok()).and_then(charset::of_code_page)
                {
                    self.charset = name;
                }
            }
            b"fonttbl" | b"colortbl" | b"stylesheet" | b"info" | b"pict" | b"object" | b"header"
            | b"footer" | b"listtable" | b"rsidtbl" | b"generator" => self.group.hidden = true,
            _ => {}
        }
    }

    /// `\u8364?`: a unit of UTF-16, written as a signed number.
    fn unicode(&mut self, value: i32) {
        let unit = u16::try_from(value.rem_euclid(0x1_0000)).unwrap_or_default();
        let units = [self.surrogate.take().unwrap_or(unit), unit];
        let is_pair = units.first() != units.last();
        if !is_pair && (0xD800..0xDC00).contains(&unit) {
            self.surrogate = Some(unit);
        } else {
            let units = if is_pair { units.as_slice() } else { units.get(1..).unwrap_or_default() };
            let text: String =
                char::decode_utf16(units.iter().copied()).map(|c| c.unwrap_or('\u{fffd}')).collect();
            self.say(&text);
        }
        self.skipped = self.group.substitutes;
    }
}
