//! Which IP addresses a configured host may lead to (protection against server-side request forgery). Pure: no
//! resolving here; the caller connects to the very address that was vetted.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Why an address may not be connected to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forbidden {
    /// The machine itself.
    Loopback,
    /// A private network: RFC 1918, carrier-grade NAT (RFC 6598), unique local (RFC 4193).
    Private,
    /// Link-local, where clouds serve their metadata (169.254.169.254, fd00:ec2::254).
    LinkLocal,
    /// Not one host on the internet: unspecified, multicast, broadcast, documentation, benchmarking, reserved.
    Special,
    /// IPv6 that carries an IPv4 address through a tunnel (6to4, Teredo, local NAT64).
    Tunnel,
}

impl fmt::Display for Forbidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Loopback => "it is the machine itself (network.allow_private_hosts would allow it)",
            Self::Private => "it is in a private network (network.allow_private_hosts would allow it)",
            Self::LinkLocal => "it is a link-local address",
            Self::Special => "it is not an address of a host on the internet",
            Self::Tunnel => "it is an address of a tunnel into IPv4",
        })
    }
}

/// Whether `address` may be connected to. `allow_private` opens loopback and private networks, never the others.
///
/// # Errors
/// The rule that forbids it.
pub fn vet(address: IpAddr, allow_private: bool) -> Result<(), Forbidden> {
    let found = match address {
        IpAddr::V4(v4) => vet_v4(v4),
        IpAddr::V6(v6) => vet_v6(v6),
    };
    match found {
        Err(Forbidden::Loopback | Forbidden::Private) if allow_private => Ok(()),
        other => other,
    }
}

/// IANA special-purpose registry for IPv4 (RFC 6890 and its updates).
const fn vet_v4(address: Ipv4Addr) -> Result<(), Forbidden> {
    match address.octets() {
        [127, ..] => Err(Forbidden::Loopback),
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] | [100, 64..=127, ..] => Err(Forbidden::Private),
        [169, 254, ..] => Err(Forbidden::LinkLocal),
        [0 | 224..=255, ..]
        | [192, 0, 0 | 2, _]
        | [192, 88, 99, _]
        | [198, 18 | 19, ..]
        | [198, 51, 100, _]
        | [203, 0, 113, _] => Err(Forbidden::Special),
        _ => Ok(()),
    }
}

/// IANA special-purpose registry for IPv6. An address that carries an IPv4 address is judged by that one.
fn vet_v6(address: Ipv6Addr) -> Result<(), Forbidden> {
    /// AWS serves its metadata here, inside the unique local range.
    const AWS_METADATA: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);
    if address.is_loopback() {
        return Err(Forbidden::Loopback);
    }
    if address == AWS_METADATA {
        return Err(Forbidden::LinkLocal);
    }
    match address.segments() {
        // IPv4-mapped (RFC 4291), IPv4-compatible, translated (RFC 2765) and NAT64 (RFC 6052).
        [0, 0, 0, 0, 0, 0xffff, high, low]
        | [0, 0, 0, 0, 0xffff, 0, high, low]
        | [0, 0, 0, 0, 0, 0, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => vet_v4(embedded(high, low)),
        [0x64, 0xff9b, ..] | [0x2002, ..] | [0x2001, 0, ..] => Err(Forbidden::Tunnel),
        [0xfc00..=0xfdff, ..] => Err(Forbidden::Private),
        [0xfe80..=0xfeff, ..] => Err(Forbidden::LinkLocal),
        [0x2000..=0x3fff, second, ..] => match (address.segments()[0], second) {
            // IETF protocol assignments, documentation.
            (0x2001, 0x0001..=0x01ff | 0x0db8) | (0x3fff, 0..=0x0fff) => Err(Forbidden::Special),
            _ => Ok(()),
        },
        _ => Err(Forbidden::Special),
    }
}

const fn embedded(high: u16, low: u16) -> Ipv4Addr {
    let [a, b] = high.to_be_bytes();
    let [c, d] = low.to_be_bytes();
    Ipv4Addr::new(a, b, c, d)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Result<(), Forbidden> {
        vet(text.parse().unwrap(), false)
    }

    #[test]
    fn public_addresses_are_allowed() {
        for text in
            ["8.8.8.8", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8"]
        {
            assert_eq!(check(text), Ok(()), "{text}");
        }
    }

    #[test]
    fn every_way_into_the_own_network_is_forbidden() {
        for (text, why) in [
            ("127.0.0.1", Forbidden::Loopback),
            ("127.255.255.254", Forbidden::Loopback),
            ("::1", Forbidden::Loopback),
            ("::ffff:127.0.0.1", Forbidden::Loopback),
            ("::127.0.0.1", Forbidden::Loopback),
            ("64:ff9b::7f00:1", Forbidden::Loopback),
            ("10.1.2.3", Forbidden::Private),
            ("172.16.0.1", Forbidden::Private),
            ("192.168.1.1", Forbidden::Private),
            ("100.64.0.1", Forbidden::Private),
            ("fd12::1", Forbidden::Private),
            ("::ffff:10.0.0.1", Forbidden::Private),
            ("64:ff9b::a00:1", Forbidden::Private),
            ("169.254.169.254", Forbidden::LinkLocal),
            ("fd00:ec2::254", Forbidden::LinkLocal),
            ("fe80::1", Forbidden::LinkLocal),
            ("fec0::1", Forbidden::LinkLocal),
            ("::ffff:169.254.169.254", Forbidden::LinkLocal),
            ("64:ff9b:1::1", Forbidden::Tunnel),
            ("2002:7f00:1::", Forbidden::Tunnel),
            ("2001:0:1::1", Forbidden::Tunnel),
            ("0.0.0.0", Forbidden::Special),
            ("::", Forbidden::Special),
            ("224.0.0.1", Forbidden::Special),
            ("255.255.255.255", Forbidden::Special),
            ("198.18.0.1", Forbidden::Special),
            ("2001:db8::1", Forbidden::Special),
            ("ff02::1", Forbidden::Special),
        ] {
            assert_eq!(check(text), Err(why), "{text}");
        }
    }

    #[test]
    fn allowing_private_hosts_does_not_open_the_metadata_service() {
        let allowed = |text: &str| vet(text.parse().unwrap(), true).is_ok();
        assert!(allowed("127.0.0.1") && allowed("10.0.0.1") && allowed("fd12::1"));
        assert!(!allowed("169.254.169.254") && !allowed("fd00:ec2::254") && !allowed("0.0.0.0"));
    }
}
