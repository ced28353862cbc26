-- The common subset of SQLite and Postgres. Empty text and 0 stand for "none": one kind of emptiness, no NULLs.

-- What people may see of a payment: a projection of its document, which `version` guards against going back.
-- Amounts are minor units of `moneda`; times are milliseconds since the epoch.
CREATE TABLE pagos (
    id TEXT PRIMARY KEY,
    id_cliente TEXT NOT NULL,
    medio_pago TEXT NOT NULL,
    monto BIGINT NOT NULL,
    moneda TEXT NOT NULL,
    estado TEXT NOT NULL,
    pasarela TEXT NOT NULL,
    autorizacion TEXT NOT NULL DEFAULT '',
    cargo TEXT NOT NULL DEFAULT '',
    cobrado BIGINT NOT NULL DEFAULT 0,
    reembolso TEXT NOT NULL DEFAULT '',
    motivo TEXT NOT NULL DEFAULT '',
    mensaje TEXT NOT NULL DEFAULT '',
    contracargo TEXT NOT NULL DEFAULT '',
    discrepancia TEXT NOT NULL DEFAULT '',
    version BIGINT NOT NULL,
    creado BIGINT NOT NULL,
    actualizado BIGINT NOT NULL
);
-- Pages are cut along (creado, id), newest first, over all payments or one client's.
CREATE INDEX pagos_creado ON pagos (creado, id);
CREATE INDEX pagos_cliente ON pagos (id_cliente, creado, id);

-- Chargebacks on their way to the operator. A row is written before the payment's document (`guardado` 0), so that no
-- stored chargeback can be forgotten; `atendido` 1 once the operator has acknowledged it.
CREATE TABLE contracargos (
    id TEXT PRIMARY KEY,
    motivo TEXT NOT NULL,
    traceparent TEXT NOT NULL DEFAULT '',
    guardado BIGINT NOT NULL DEFAULT 0,
    atendido BIGINT NOT NULL DEFAULT 0,
    intentos BIGINT NOT NULL DEFAULT 0,
    proximo BIGINT NOT NULL
);
CREATE INDEX contracargos_proximo ON contracargos (atendido, proximo);
