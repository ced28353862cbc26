-- Payments as their clients see them: the highest state that was heard, never an older one.
CREATE TABLE pagos (
    id_correlacion TEXT PRIMARY KEY,
    secuencia BIGINT NOT NULL,
    fase TEXT NOT NULL,
    id_cliente TEXT NOT NULL,
    -- Amounts are decimal text, exact; never a float.
    monto TEXT NOT NULL,
    moneda TEXT NOT NULL,
    medio_pago TEXT NOT NULL,
    step TEXT NOT NULL,
    motivo TEXT NOT NULL,
    mensaje TEXT NOT NULL,
    -- The whole state, JSON. The columns above are for people with a SQL prompt and for the filters.
    estado TEXT NOT NULL,
    inicio TEXT NOT NULL,
    fin TEXT NOT NULL,
    ended BIGINT NOT NULL,
    -- When the payment was first heard of: the order of the list. Never updated, so a page does not shift.
    creado_ms BIGINT NOT NULL,
    -- When a silent payment is asked about next, and how often it was.
    proxima_ms BIGINT NOT NULL,
    preguntas BIGINT NOT NULL
);
CREATE INDEX pagos_creado ON pagos (creado_ms, id_correlacion);
CREATE INDEX pagos_cliente ON pagos (id_cliente, creado_ms, id_correlacion);
CREATE INDEX pagos_proxima ON pagos (ended, proxima_ms);

-- The number of the last event. It is taken in the transaction that writes the event, and its row stays locked until
-- that commits, so events become visible in the order of their numbers. A sequence does not promise that.
CREATE TABLE contador (
    id BIGINT PRIMARY KEY,
    n BIGINT NOT NULL
);
INSERT INTO contador (id, n) VALUES (1, 0);

-- Every transition, for SSE and subscriptions. `numero` is the SSE event id. Old ones are pruned.
CREATE TABLE eventos (
    numero BIGINT PRIMARY KEY,
    id_correlacion TEXT NOT NULL,
    datos TEXT NOT NULL,
    creado_ms BIGINT NOT NULL
);
CREATE INDEX eventos_pago ON eventos (id_correlacion, numero);
