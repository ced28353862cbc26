-- Whose payment an event is about: a client streams its own only. What was stored before says so in `pagos`.
ALTER TABLE eventos ADD COLUMN id_cliente TEXT NOT NULL DEFAULT '';
UPDATE eventos SET id_cliente = COALESCE(
    (SELECT pagos.id_cliente FROM pagos WHERE pagos.id_correlacion = eventos.id_correlacion), '');
CREATE INDEX eventos_cliente ON eventos (id_cliente, numero);
