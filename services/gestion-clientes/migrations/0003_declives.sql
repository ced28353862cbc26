-- What the gateway said of the decline that an invoice was cancelled by: `suave`, `duro`, or nothing.
ALTER TABLE facturas ADD COLUMN declive TEXT NOT NULL DEFAULT '';
