//! Payments, without a gateway, a clock or a database: values and one state machine.

pub mod conciliacion;
pub mod estado;
pub mod llamada;
pub mod pago;
pub mod vista;

pub use estado::EstadoPago;
pub use llamada::{Cobro, Contestacion, IdAutorizacion, IdCargo, IdReembolso, Llamada, Operacion};
pub use pago::{ContracargoGuardado, Instante, Movimiento, NombrePasarela, Pago};
pub use vista::{Discrepancia, EstadoVisible};
