-- What differs, kept on this machine to be counted and told from.
CREATE TABLE {kept} AS
{differences}
