-- A client can change. The version that a write under way is about to make; the row is pending while it is greater than
-- `version`, and a sweeper settles what a crash left so.
ALTER TABLE clientes ADD COLUMN esperada BIGINT NOT NULL DEFAULT 0;

DROP INDEX clientes_pendientes;
CREATE INDEX clientes_pendientes ON clientes (anunciado) WHERE version = 0 OR version < esperada;

-- Moments are milliseconds since the Unix epoch; 0 for what was not kept, or did not happen.
ALTER TABLE facturas ADD COLUMN emitida BIGINT NOT NULL DEFAULT 0;
ALTER TABLE facturas ADD COLUMN cancelada BIGINT NOT NULL DEFAULT 0;
-- Why it was cancelled.
ALTER TABLE facturas ADD COLUMN motivo TEXT NOT NULL DEFAULT '';
ALTER TABLE facturas ADD COLUMN mensaje TEXT NOT NULL DEFAULT '';
-- Of which invoice it is the automatic retry, and which one; empty and 0 for what a person asked for.
ALTER TABLE facturas ADD COLUMN reintento_de TEXT NOT NULL DEFAULT '';
ALTER TABLE facturas ADD COLUMN intento BIGINT NOT NULL DEFAULT 0;

CREATE INDEX facturas_vencimientos ON facturas (periodo_fin) WHERE estado = 'CONFIRMADO';
CREATE INDEX facturas_declinadas ON facturas (cancelada) WHERE estado = 'CANCELADO' AND reintento_de = '';

-- Which reminders were told: one of each kind for an invoice. A lost row costs a repeat under the same Idempotency-Key.
CREATE TABLE recordatorios (
    id_factura TEXT NOT NULL,
    clase TEXT NOT NULL,
    enviado BIGINT NOT NULL,
    PRIMARY KEY (id_factura, clase)
);

-- The automatic retries of declined payments. A row stands here before its request is taken, so that its invoice, in
-- whichever replica it is issued, knows what it is. No read model: nothing else knows of an attempt that has no invoice.
CREATE TABLE reintentos (
    id TEXT PRIMARY KEY, -- idCorrelacion of the retry
    primera TEXT NOT NULL, -- idCorrelacion of the payment that was declined first
    intento BIGINT NOT NULL, -- from 1
    id_cliente TEXT NOT NULL,
    creado BIGINT NOT NULL,
    UNIQUE (primera, intento)
);

CREATE INDEX reintentos_cliente ON reintentos (id_cliente);
