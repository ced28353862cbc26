//! One state of everything, small enough to keep millions of.

use super::engine::{Asked, Value};
use super::message::Sent;
use super::participants::{Doc, Gateway, Pago, Participants, Verdict};

/// The operator's durable record, a second replica, the people, the participants, the network.
///
/// The network is the set of all messages ever sent: each may be delivered at any time, in any order, any number of
/// times, or never. So losses, duplicates, delays and reorderings are unbounded and cost no counter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct World {
    /// What the API server holds.
    pub(crate) record: Value,
    /// What the second replica goes by: what it read, possibly long ago, or what it went ahead to from there. The first
    /// reads just before each decision. Nothing else of a replica survives, so a crash is a replica that reads again.
    pub(crate) snapshot: Value,
    /// What the second replica read: its writes are over this and nothing else.
    pub(crate) base: Value,
    pub(crate) asked: Asked,
    pub(crate) participants: Participants,
    pub(crate) sent: Sent,
}

/// A world in 91 bits.
pub(crate) type Packed = u128;

/// Appends fields to a number, lowest first.
struct Packer {
    packed: Packed,
    width: u32,
}

/// Takes them out again in the same order.
struct Unpacker(Packed);

const DOCS: [Doc; 4] = [Doc::Nothing, Doc::Did, Doc::Refused, Doc::Undone];
const PAGOS: [Pago; 7] = [
    Pago::Nothing,
    Pago::Prepared,
    Pago::Did,
    Pago::Refused,
    Pago::Reverting,
    Pago::Refunding,
    Pago::Undone,
];
const VERDICTS: [Verdict; 3] = [Verdict::Unasked, Verdict::Approved, Verdict::Declined];

// === impl World ===

impl World {
    pub(crate) const START: Self = Self {
        record: 0,
        snapshot: 0,
        base: 0,
        asked: Asked {
            cancel: false,
            retry: false,
            resolve: false,
        },
        participants: Participants::START,
        sent: Sent(0),
    };

    pub(crate) fn pack(self) -> Packed {
        let Self {
            record,
            snapshot,
            base,
            asked,
            participants,
            sent,
        } = self;
        let Participants {
            facturacion,
            confirmacion,
            pago,
            notificacion,
            told,
            gateway,
        } = participants;
        let Gateway {
            verdict,
            captures,
            refunds,
            charged_back,
            in_flight,
        } = gateway;
        let mut packer = Packer { packed: 0, width: 0 };
        packer.push(record, 14);
        packer.push(snapshot, 14);
        packer.push(base, 14);
        packer.push(asked.bits(), 3);
        for doc in [facturacion, confirmacion, notificacion] {
            packer.push(place(&DOCS, &doc), 2);
        }
        packer.push(place(&PAGOS, &pago), 3);
        packer.push(place(&VERDICTS, &verdict), 2);
        packer.push(captures, 2);
        packer.push(refunds, 2);
        packer.push(charged_back, 1);
        packer.push(in_flight, 1);
        packer.push(told, 1);
        packer.push(sent.0, 28);
        packer.packed
    }

    pub(crate) fn unpack(packed: Packed) -> Self {
        let mut fields = Unpacker(packed);
        let (record, snapshot, base) = (fields.wide(14), fields.wide(14), fields.wide(14));
        let asked = Asked::from_bits(fields.narrow(3));
        let [facturacion, confirmacion, notificacion] = [(); 3].map(|()| DOCS[usize::from(fields.narrow(2))]);
        let pago = PAGOS[usize::from(fields.narrow(3))];
        let gateway = Gateway {
            verdict: VERDICTS[usize::from(fields.narrow(2))],
            captures: fields.narrow(2),
            refunds: fields.narrow(2),
            charged_back: fields.narrow(1) != 0,
            in_flight: fields.narrow(1) != 0,
        };
        let told = fields.narrow(1) != 0;
        let sent = Sent(u32::try_from(fields.0).unwrap_or(u32::MAX));
        let participants = Participants {
            facturacion,
            confirmacion,
            pago,
            notificacion,
            told,
            gateway,
        };
        Self {
            record,
            snapshot,
            base,
            asked,
            participants,
            sent,
        }
    }
}

fn place<T: PartialEq>(all: &[T], one: &T) -> u8 {
    let place = all.iter().position(|each| each == one).unwrap_or(0);
    u8::try_from(place).unwrap_or(u8::MAX)
}

// === impl Packer ===

impl Packer {
    fn push(&mut self, field: impl Into<Packed>, width: u32) {
        self.packed |= field.into() << self.width;
        self.width += width;
    }
}

// === impl Unpacker ===

impl Unpacker {
    fn wide(&mut self, width: u32) -> u16 {
        let field = self.0 & ((1 << width) - 1);
        self.0 >>= width;
        u16::try_from(field).unwrap_or(u16::MAX)
    }

    fn narrow(&mut self, width: u32) -> u8 {
        u8::try_from(self.wide(width)).unwrap_or(u8::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::super::message::Message;
    use super::*;

    #[test]
    fn a_world_survives_being_packed() {
        let gateway = Gateway {
            verdict: Verdict::Declined,
            captures: 2,
            refunds: 1,
            charged_back: true,
            in_flight: true,
        };
        let world = World {
            record: 16_383,
            snapshot: 8_191,
            base: 4_097,
            asked: Asked {
                cancel: false,
                retry: true,
                resolve: true,
            },
            participants: Participants {
                facturacion: Doc::Undone,
                confirmacion: Doc::Did,
                pago: Pago::Undone,
                notificacion: Doc::Refused,
                told: true,
                gateway,
            },
            sent: Sent::default().with(Message::Chargeback).with(Message::ALL[0]),
        };
        assert_eq!(World::unpack(world.pack()), world);
        assert_eq!(World::unpack(World::START.pack()), World::START);
    }
}
