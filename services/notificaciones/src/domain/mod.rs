//! What a notification is and how it gets on. Sync and pure: time, ids and answers are arguments.

pub mod avisos;
pub mod estado;
pub mod medio;
pub mod notificacion;
pub mod nueva;
pub mod plantilla;
pub mod tipo;

pub use avisos::{Avisos, Cual};
pub use estado::{Estado, Intento, TransicionIlegal, Veredicto};
pub use medio::Medio;
pub use notificacion::{Mensaje, Notificacion};
pub use nueva::{CampoInvalido, Factura, Nueva};
pub use plantilla::Texto;
pub use tipo::Tipo;
