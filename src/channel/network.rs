//! The surface's list of allowed sender addresses: single addresses and CIDR blocks.

use std::net::IpAddr;

/// A block of addresses. IPv4 addresses written as IPv6 (`::ffff:a.b.c.d`) count as IPv4.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix_bits: u8,
}

impl Network {
    /// Reads `203.0.113.0/24`, `2001:db8::/32` or a single address.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (address, bits) =
            text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let address = address.parse::<IpAddr>().ok()?.to_canonical();
        let most = if address.is_ipv4() { 32 } else { 128 };
        let prefix_bits = match bits {
            None => most,
            Some(bits) => bits.parse::<u8>().ok().filter(|bits| *bits <= most)?,
        };
        Some(Self { address, prefix_bits })
    }

    /// Whether `peer` is in it.
    #[must_use]
    pub fn contains(&self, peer: IpAddr) -> bool {
        let differs = match (self.address, peer.to_canonical()) {
            (IpAddr::V4(ours), IpAddr::V4(theirs)) => {
                (u128::from(u32::from(ours)) ^ u128::from(u32::from(theirs))) << 96
            }
            (IpAddr::V6(ours), IpAddr::V6(theirs)) => u128::from(ours) ^ u128::from(theirs),
            _ => return false,
        };
        differs.leading_zeros() >= u32::from(self.prefix_bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_hold_what_they_say() {
        for (block, peer, inside) in [
            ("203.0.113.0/24", "203.0.113.9", true),
            ("203.0.113.0/24", "203.0.114.9", false),
            ("203.0.113.0/24", "::ffff:203.0.113.9", true),
            ("203.0.113.7", "203.0.113.7", true),
            ("203.0.113.7", "203.0.113.6", false),
            ("0.0.0.0/0", "8.8.8.8", true),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("2001:db8::/32", "2001:db8:1::1", true),
            ("2001:db8::/32", "2001:db9::1", false),
        ] {
            let network = Network::parse(block).unwrap();
            assert_eq!(network.contains(peer.parse().unwrap()), inside, "{block} {peer}");
        }
        for text in ["", "1.2.3", "1.2.3.4/33", "::/129", "host", "1.2.3.4/-1"] {
            assert_eq!(Network::parse(text), None, "{text}");
        }
    }
}
