-- Until when one process has the delivery of a payment's notification to itself (ms since the epoch); 0 for nobody.
ALTER TABLE notificaciones ADD COLUMN turno BIGINT NOT NULL DEFAULT 0;
