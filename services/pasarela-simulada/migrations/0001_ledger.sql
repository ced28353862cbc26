-- The simulator's whole memory. Every table is written in the same transaction as the stored answer of the call that
-- caused it, so a process that is killed at any point has either done all of a call or none of it.

-- What happened to money, in commit order: there is one writer, so `numero` never skips back. Never edited (triggers below).
CREATE TABLE movimientos (
    numero     INTEGER PRIMARY KEY AUTOINCREMENT,
    tipo       TEXT NOT NULL CHECK (tipo IN ('autorizacion', 'anulacion', 'captura', 'reembolso', 'contracargo')),
    id         TEXT NOT NULL,
    referencia TEXT NOT NULL,
    monto      INTEGER NOT NULL,
    moneda     TEXT NOT NULL,
    clave      TEXT NOT NULL,
    fecha      TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
) STRICT;
CREATE TRIGGER movimientos_no_update BEFORE UPDATE ON movimientos BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER movimientos_no_delete BEFORE DELETE ON movimientos BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;

-- `referencia` is deliberately not unique: a caller that sends another key must show as a second authorisation.
CREATE TABLE autorizaciones (
    id         TEXT PRIMARY KEY,
    referencia TEXT NOT NULL,
    monto      INTEGER NOT NULL,
    moneda     TEXT NOT NULL,
    medio_pago TEXT NOT NULL,
    -- The row of the outcome table that was chosen; captures, voids and refunds follow it too.
    resultado  TEXT NOT NULL,
    anulada    INTEGER NOT NULL DEFAULT 0,
    clave      TEXT NOT NULL,
    fecha      TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
) STRICT;
CREATE INDEX autorizaciones_referencia ON autorizaciones (referencia);

CREATE TABLE cargos (
    id           TEXT PRIMARY KEY,
    autorizacion TEXT NOT NULL REFERENCES autorizaciones (id),
    monto        INTEGER NOT NULL,
    clave        TEXT NOT NULL,
    fecha        TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
) STRICT;
CREATE INDEX cargos_autorizacion ON cargos (autorizacion);

CREATE TABLE reembolsos (
    id    TEXT PRIMARY KEY,
    cargo TEXT NOT NULL REFERENCES cargos (id),
    monto INTEGER NOT NULL,
    clave TEXT NOT NULL,
    fecha TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
) STRICT;
CREATE INDEX reembolsos_cargo ON reembolsos (cargo);

CREATE TABLE contracargos (
    id    TEXT PRIMARY KEY,
    cargo TEXT NOT NULL REFERENCES cargos (id),
    monto INTEGER NOT NULL,
    clave TEXT NOT NULL,
    fecha TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
) STRICT;
CREATE INDEX contracargos_cargo ON contracargos (cargo);

-- The message provider's own ledger: what was delivered. Refused messages are not in it.
CREATE TABLE mensajes (
    numero     INTEGER PRIMARY KEY AUTOINCREMENT,
    id         TEXT NOT NULL,
    referencia TEXT NOT NULL,
    medio      TEXT NOT NULL,
    destino    TEXT NOT NULL,
    asunto     TEXT,
    texto      TEXT NOT NULL,
    clave      TEXT NOT NULL,
    fecha      TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
) STRICT;
CREATE INDEX mensajes_referencia ON mensajes (referencia);

-- Idempotency: the answer that a key got, and the request that got it. The gateway and the message provider (`ambito`)
-- do not share keys. There is no "in flight" row on purpose: that is process memory, so a kill frees it.
CREATE TABLE respuestas (
    ambito    TEXT NOT NULL,
    clave     TEXT NOT NULL,
    solicitud TEXT NOT NULL,
    status    INTEGER NOT NULL,
    cuerpo    TEXT NOT NULL,
    PRIMARY KEY (ambito, clave)
) STRICT, WITHOUT ROWID;

-- How often an operation was asked for, behind "the first call" in the outcome table.
CREATE TABLE llamadas (
    operacion TEXT NOT NULL,
    resultado TEXT NOT NULL,
    sujeto    TEXT NOT NULL,
    veces     INTEGER NOT NULL,
    PRIMARY KEY (operacion, resultado, sujeto)
) STRICT, WITHOUT ROWID;

-- Calls that were accepted and are to be recorded later (outcome …17).
CREATE TABLE aterrizajes (
    ambito    TEXT NOT NULL,
    clave     TEXT NOT NULL,
    solicitud TEXT NOT NULL,
    vence_ms  INTEGER NOT NULL,
    PRIMARY KEY (ambito, clave)
) STRICT, WITHOUT ROWID;
CREATE INDEX aterrizajes_vence ON aterrizajes (vence_ms);

PRAGMA user_version = 1;
