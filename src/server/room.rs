//! How many connections are taken, in all and from one address, and how long each may keep us waiting.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::limits;

/// What bounds the connections of one listener: [`limits`], but where it is configured, and in tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Connections in all.
    pub connections_max: usize,
    /// Connections from one address.
    pub per_address_max: usize,
    /// How long one may take to greet by TLS, and how long then to begin.
    pub greeting_max: Duration,
    /// How long an HTTP/1 connection may rest, or take for the head of a request.
    pub head_max: Duration,
    /// How long the other end may take nothing of what it asked for.
    pub stall_max: Duration,
    /// How long a gRPC message may take to arrive and be answered; streams go on for longer once they are answered.
    pub call_max: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            connections_max: limits::CONNECTIONS_MAX,
            per_address_max: limits::CONNECTIONS_PER_ADDRESS_MAX,
            greeting_max: limits::GREETING_MAX,
            head_max: limits::HEAD_WAIT_MAX,
            stall_max: limits::WRITE_STALL_MAX,
            call_max: limits::GRPC_CALL_MAX,
        }
    }
}

/// Why a connection is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Full {
    /// There are as many as we take.
    All,
    /// There are as many as we take from one address.
    Address,
}

/// Connections that are there, by where they come from.
#[derive(Debug)]
pub(super) struct Room {
    connections_max: usize,
    per_address_max: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    by_address: BTreeMap<IpAddr, usize>,
}

/// A connection's place, for as long as it lives.
#[derive(Debug)]
pub(super) struct Place {
    room: Arc<Room>,
    address: IpAddr,
}

impl Room {
    pub(super) fn new(bounds: &Bounds) -> Self {
        let Bounds { connections_max, per_address_max, .. } = *bounds;
        Self { connections_max, per_address_max, taken: Mutex::default() }
    }

    /// A place for a connection from an address.
    pub(super) fn take(self: &Arc<Self>, address: IpAddr) -> Result<Place, Full> {
        let address = counted_as(address);
        // Nothing in here can panic half way.
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if self.connections_max <= taken.all {
            return Err(Full::All);
        }
        let from_there = taken.by_address.get(&address).copied().unwrap_or_default();
        if self.per_address_max <= from_there {
            return Err(Full::Address);
        }
        taken.by_address.insert(address, from_there.saturating_add(1));
        taken.all = taken.all.saturating_add(1);
        Ok(Place { room: Arc::clone(self), address })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.room.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.all = taken.all.saturating_sub(1);
        let left = taken.by_address.get(&self.address).copied().unwrap_or_default();
        match left.saturating_sub(1) {
            0 => taken.by_address.remove(&self.address),
            left => taken.by_address.insert(self.address, left),
        };
    }
}

/// Whoever has one address of IPv6 has a network of them.
fn counted_as(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_in_all_and_by_where_they_come_from() {
        let bounds = Bounds { connections_max: 3, per_address_max: 2, ..Bounds::default() };
        let room = Arc::new(Room::new(&bounds));
        let take = |address: &str| room.take(address.parse().unwrap());
        let first = take("10.0.0.1").unwrap();
        let _mapped = take("::ffff:10.0.0.1").unwrap();
        assert_eq!(take("10.0.0.1").unwrap_err(), Full::Address);
        let _other = take("2001:db8::1").unwrap();
        assert_eq!(take("10.0.0.2").unwrap_err(), Full::All);
        drop(first);
        let _same_network = take("2001:db8::2").unwrap();
        assert_eq!(take("2001:db8::3").unwrap_err(), Full::All);
        drop(_other);
        drop(_same_network);
        drop(_mapped);
        assert_eq!(room.taken.lock().unwrap().by_address.len(), 0);
        assert_eq!(room.taken.lock().unwrap().all, 0);
    }
}
