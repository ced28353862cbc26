-- Webhooks name a payment by the gateway's own ids.
CREATE INDEX pagos_autorizacion ON pagos (autorizacion);
CREATE INDEX pagos_cargo ON pagos (cargo);

-- Calls to the gateway, by payment and operation: how often it was made and what was said last. For people; nothing is
-- decided by it.
CREATE TABLE intentos (
    pago TEXT NOT NULL,
    operacion TEXT NOT NULL,
    veces BIGINT NOT NULL,
    primero BIGINT NOT NULL,
    ultimo BIGINT NOT NULL,
    resultado TEXT NOT NULL,
    motivo TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (pago, operacion)
);

-- Webhook events that were acted on: a repeat does nothing. A row is written after the act, which may be repeated; so
-- an event that dies half-way is acted on again.
CREATE TABLE eventos_webhook (
    id TEXT PRIMARY KEY,
    tipo TEXT NOT NULL,
    recibido BIGINT NOT NULL
);
CREATE INDEX eventos_webhook_recibido ON eventos_webhook (recibido);

-- What a webhook told that does not fit our books and reverses nothing: for a person.
CREATE TABLE avisos (
    evento TEXT PRIMARY KEY,
    pago TEXT NOT NULL,
    nombre TEXT NOT NULL,
    detalle TEXT NOT NULL,
    recibido BIGINT NOT NULL
);
CREATE INDEX avisos_pago ON avisos (pago, recibido);

-- Reconciliations: each comparison of our books with the gateway's, and the differences it found. `estado` is
-- EN_CURSO, TERMINADA or FALLIDA.
CREATE TABLE conciliaciones (
    id TEXT PRIMARY KEY,
    estado TEXT NOT NULL,
    pasarela TEXT NOT NULL,
    desde BIGINT NOT NULL,
    empezada BIGINT NOT NULL,
    terminada BIGINT NOT NULL DEFAULT 0,
    pagos BIGINT NOT NULL DEFAULT 0,
    cuentas BIGINT NOT NULL DEFAULT 0,
    en_movimiento BIGINT NOT NULL DEFAULT 0,
    diferencias BIGINT NOT NULL DEFAULT 0,
    detalle TEXT NOT NULL DEFAULT ''
);
CREATE INDEX conciliaciones_empezada ON conciliaciones (empezada);

CREATE TABLE diferencias (
    conciliacion TEXT NOT NULL,
    numero BIGINT NOT NULL,
    nombre TEXT NOT NULL,
    referencia TEXT NOT NULL,
    aqui TEXT NOT NULL,
    pasarela TEXT NOT NULL,
    PRIMARY KEY (conciliacion, numero)
);
