-- The canonical bytes of a rule package, by their hash.
SELECT canonical FROM rule_package WHERE hash = $1
