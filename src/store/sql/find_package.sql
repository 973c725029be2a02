-- The canonical bytes of a package that was ever published.
SELECT canonical FROM rule_package WHERE hash = $1::bytea
