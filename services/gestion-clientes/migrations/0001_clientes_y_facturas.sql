-- Read models. The documents in the state store are the truth; these tables can be made again from them.
-- Common subset of SQLite and Postgres.

-- The index of clients' documents. A row stands here before its document does (version 0: pending), so no document can
-- exist that this table does not know; a sweeper settles what a crash left pending. `UPDATE clientes SET version = 0`
-- makes the sweeper read every document again: that is the rebuild.
-- No password, not even its hash: that stays in the document.
CREATE TABLE clientes (
    id TEXT PRIMARY KEY,
    nombre TEXT NOT NULL DEFAULT '',
    apellidos TEXT NOT NULL DEFAULT '',
    correo TEXT NOT NULL DEFAULT '', -- not unique: the same address twice is two clients
    -- Moments are milliseconds since the Unix epoch.
    fecha_creacion BIGINT NOT NULL DEFAULT 0,
    fecha_actualizacion BIGINT NOT NULL DEFAULT 0,
    anunciado BIGINT NOT NULL, -- when the row was written: the age of a pending one
    version BIGINT NOT NULL DEFAULT 0 -- of the document; never goes back
);

CREATE INDEX clientes_pendientes ON clientes (anunciado) WHERE version = 0;

CREATE TABLE facturas (
    id TEXT PRIMARY KEY, -- idCorrelacion
    id_cliente TEXT NOT NULL, -- no foreign key: whose payments these are is for the documents to say
    medio_pago TEXT NOT NULL,
    monto BIGINT NOT NULL, -- minor units
    moneda TEXT NOT NULL,
    estado TEXT NOT NULL,
    periodo_fin BIGINT NOT NULL DEFAULT 0, -- end of the paid period; 0 unless CONFIRMADO
    version BIGINT NOT NULL -- of the document; never goes back
);

-- A client's invoices in the order of their ids, and the end of a client's last paid period.
CREATE INDEX facturas_cliente ON facturas (id_cliente, id);
CREATE INDEX facturas_plan ON facturas (id_cliente, estado, periodo_fin);
