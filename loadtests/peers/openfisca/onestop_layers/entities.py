"""A stay is a group of charge lines."""

from openfisca_core.entities import build_entity

ChargeLine = build_entity(key="charge_line", plural="charge_lines", label="A line of a hospital bill", is_person=True)

Stay = build_entity(
    key="stay",
    plural="stays",
    label="A stay in hospital",
    roles=[{"key": "line", "plural": "lines", "label": "Its charges"}],
)

ALL = [ChargeLine, Stay]
