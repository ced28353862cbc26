//! What must hang from what, as trees: service and span, a child two columns further in than its parent.

/// A span hangs from a span, or is the root: `service name`.
pub(super) type Edge = (Option<String>, String);

/// The edges of trees; each top of `steps` hangs from the line of the door that ends in "…".
pub(super) fn edges(door: &str, steps: &[&str]) -> Vec<Edge> {
    let knot = door
        .lines()
        .find_map(|line| line.strip_suffix('…'))
        .map(|line| line.trim().to_owned());
    let mut edges = Vec::new();
    for (tree, top) in std::iter::once((door, None)).chain(steps.iter().map(|step| (*step, knot.clone()))) {
        let mut above: Vec<String> = Vec::new();
        for line in tree.lines().filter(|line| !line.is_empty()) {
            let name = line.trim().trim_end_matches('…').to_owned();
            above.truncate((line.len() - line.trim_start().len()) / 2);
            edges.push((above.last().cloned().or_else(|| top.clone()), name.clone()));
            above.push(name);
        }
    }
    edges
}

// The doors; the steps hang from the line that ends in "…".

pub(super) const DOOR: &str = "
bff POST /v1 mutation
  bff send SolicitarPago
    operator receive SolicitarPago…";
pub(super) const DOOR_OF_GESTION: &str = "
gestion-clientes POST /facturacion/realizar-pago
  gestion-clientes send SolicitarPago
    operator receive SolicitarPago…";
pub(super) const RESOURCE: &str = "
operator kubectl apply…";

// The steps. Where a payment goes on by itself is told to the BFF only if it stays there, and then from its root.

pub(super) const CREAR_FACTURACION: &str = "
operator send CrearFacturacion
  gestion-clientes receive CrearFacturacion
    operator receive FacturacionCreada";
pub(super) const REALIZAR_PAGO: &str = "
operator send RealizarPago
  integracion-pagos receive RealizarPago
    integracion-pagos autorizar
      pasarela-simulada POST /autorizaciones
    integracion-pagos capturar
      pasarela-simulada POST /autorizaciones/{id}/captura
    operator receive PagoRealizado";
pub(super) const PAGO_FALLIDO: &str = "
operator send RealizarPago
  integracion-pagos receive RealizarPago
    integracion-pagos autorizar
      pasarela-simulada POST /autorizaciones
    operator receive PagoFallido
      bff receive SagaActualizada";
pub(super) const CONFIRMAR_FACTURACION: &str = "
operator send ConfirmarFacturacion
  gestion-clientes receive ConfirmarFacturacion
    operator receive FacturacionConfirmada";
pub(super) const CREAR_NOTIFICACION: &str = "
operator send CrearNotificacion
  notificaciones receive CrearNotificacion
    gestion-clientes GET /clientes/cliente/{id}
    notificaciones POST /mensajes
      pasarela-simulada POST /mensajes
    operator receive NotificacionCreada
      bff receive SagaActualizada
        operator receive FinalRecibido";
pub(super) const NOTIFICACION_FALLIDA: &str = "
operator send CrearNotificacion
  notificaciones receive CrearNotificacion
    gestion-clientes GET /clientes/cliente/{id}
    notificaciones POST /mensajes
      pasarela-simulada POST /mensajes
    operator receive NotificacionFallida
      bff receive SagaActualizada";
pub(super) const REVERTIR_NOTIFICACION: &str = "
operator send RevertirNotificacion
  notificaciones receive RevertirNotificacion
    operator receive NotificacionRevertida
      bff receive SagaActualizada";
pub(super) const REVERTIR_CONFIRMACION: &str = "
operator send RevertirConfirmacion
  gestion-clientes receive RevertirConfirmacion
    operator receive ConfirmacionRevertida
      bff receive SagaActualizada";
pub(super) const REEMBOLSAR: &str = "
operator send RevertirPago
  integracion-pagos receive RevertirPago
    integracion-pagos reembolsar
      pasarela-simulada POST /cargos/{id}/reembolso
    operator receive PagoRevertido
      bff receive SagaActualizada";
pub(super) const NADA_QUE_REEMBOLSAR: &str = "
operator send RevertirPago
  integracion-pagos receive RevertirPago
    operator receive PagoRevertido
      bff receive SagaActualizada";
pub(super) const REVERTIR_FACTURACION: &str = "
operator send RevertirFacturacion
  gestion-clientes receive RevertirFacturacion
    operator receive FacturacionRevertida
      bff receive SagaActualizada";
pub(super) const AVISAR: &str = "
operator send AvisarReversion
  notificaciones receive AvisarReversion
    gestion-clientes GET /clientes/cliente/{id}
    notificaciones POST /mensajes
      pasarela-simulada POST /mensajes
    operator receive ReversionAvisada
      bff receive SagaActualizada
        operator receive FinalRecibido";
// The notice's deadline is the operator's own doing: nobody's message leads to that last state.
pub(super) const AVISO_FALLIDO: &str = "
operator send AvisarReversion
  notificaciones receive AvisarReversion
    notificaciones POST /mensajes
      pasarela-simulada POST /mensajes
    operator receive AvisoReversionFallido
operator send SagaActualizada
  bff receive SagaActualizada
    operator receive FinalRecibido";

pub(super) const ALL_STEPS: &[&str] = &[
    CREAR_FACTURACION,
    REALIZAR_PAGO,
    CONFIRMAR_FACTURACION,
    CREAR_NOTIFICACION,
];
