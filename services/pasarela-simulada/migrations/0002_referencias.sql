-- What a comparison of books asks for: the references that moved since a moment, in the order of their names.
CREATE INDEX movimientos_fecha ON movimientos (fecha, referencia);

PRAGMA user_version = 2;
