-- Common subset of SQLite and Postgres. Dates are RFC 3339 text in UTC to the second: they sort as text and are served
-- as they are stored.
CREATE TABLE notificaciones (
    id TEXT PRIMARY KEY,
    -- The payment it tells of; empty for one made over HTTP.
    id_correlacion TEXT NOT NULL,
    tipo TEXT NOT NULL,
    medio TEXT NOT NULL,
    valor TEXT NOT NULL,
    estado TEXT NOT NULL,
    fecha_creacion TEXT NOT NULL,
    fecha_actualizacion TEXT NOT NULL,
    -- The version of the document that this row shows. A row never goes back to an older one.
    version BIGINT NOT NULL,
    -- 0 once the document is known to be stored; until then, when to look at it next (ms since the epoch). The row
    -- comes first, so that this table names every document of a notification made over HTTP.
    pendiente BIGINT NOT NULL
);

-- The order of lists and their cursors.
CREATE INDEX notificaciones_orden ON notificaciones (fecha_creacion, id);
CREATE INDEX notificaciones_de_pago ON notificaciones (id_correlacion, fecha_creacion, id);
CREATE INDEX notificaciones_pendientes ON notificaciones (pendiente) WHERE pendiente > 0;
