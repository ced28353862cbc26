-- Whom a notification is for; empty for nobody.
ALTER TABLE notificaciones ADD COLUMN id_cliente TEXT NOT NULL DEFAULT '';
-- What tells the request that made it from another under the same Idempotency-Key; empty for a payment's.
ALTER TABLE notificaciones ADD COLUMN huella TEXT NOT NULL DEFAULT '';
-- Until when its delivery is tried (ms since the epoch); 0 for one that is not for delivery by the sweep.
ALTER TABLE notificaciones ADD COLUMN plazo BIGINT NOT NULL DEFAULT 0;

CREATE INDEX notificaciones_de_cliente ON notificaciones (id_cliente, fecha_creacion, id);
