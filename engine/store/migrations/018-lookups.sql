-- A leg's rate is looked up by its prefixes, whoever's rates they are: the indexes of 003 are of one or the other alone.
CREATE INDEX rates_by_prefix ON rates (leg_kind, direction, prefix, effective_at_ms);
