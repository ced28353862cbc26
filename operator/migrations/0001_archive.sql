-- Finished sagas live here after they have left the API server; etcd keeps only the unfinished and the fresh.
CREATE TABLE archivo (
    id_correlacion TEXT PRIMARY KEY,
    secuencia BIGINT NOT NULL,
    -- The whole resource as JSON: a re-applied or charged-back payment is restored from it.
    recurso TEXT NOT NULL,
    -- 1 once the BFF has confirmed that it stores this end; until then it is told again at `proximo` (ms, epoch).
    acusado BIGINT NOT NULL DEFAULT 0,
    intentos BIGINT NOT NULL DEFAULT 0,
    proximo BIGINT NOT NULL
);
CREATE INDEX archivo_por_avisar ON archivo (acusado, proximo);
