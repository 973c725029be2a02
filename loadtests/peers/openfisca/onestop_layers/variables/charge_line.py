"""The split of a line by the catalogue."""

from numpy import inf, maximum, where
from openfisca_core.indexed_enums import Enum
from openfisca_core.periods import DateUnit
from openfisca_core.variables import Variable

from onestop_layers.entities import ChargeLine
from onestop_layers.money import to_fen


class CatalogueClass(Enum):
    A = "Wholly in scope"
    B = "The patient first pays a share"
    C = "Out of catalogue"


class catalogue_class(Variable):
    value_type = Enum
    possible_values = CatalogueClass
    default_value = CatalogueClass.A
    entity = ChargeLine
    definition_period = DateUnit.DAY
    label = "Class of the item"


class amount(Variable):
    value_type = float
    entity = ChargeLine
    definition_period = DateUnit.DAY
    label = "Charge of the line, in yuan"


class quantity(Variable):
    value_type = float
    entity = ChargeLine
    definition_period = DateUnit.DAY
    label = "How many"


class ceiling_price(Variable):
    value_type = float
    default_value = inf
    entity = ChargeLine
    definition_period = DateUnit.DAY
    label = "What one may cost at most, in yuan"


class own_advance_ratio(Variable):
    value_type = float
    default_value = -1
    entity = ChargeLine
    definition_period = DateUnit.DAY
    label = "The item's own advance ratio; below nothing where it has none"


class over_limit(Variable):
    value_type = float
    entity = ChargeLine
    definition_period = DateUnit.DAY
    label = "Above the ceiling price"

    def formula(line, period):
        at_ceiling = to_fen(line("quantity", period) * line("ceiling_price", period))
        return maximum(line("amount", period) - at_ceiling, 0)


class line_advance(Variable):
    value_type = float
    entity = ChargeLine
    definition_period = DateUnit.DAY
    label = "What the patient pays of the line before anybody else"

    def formula(line, period, parameters):
        item_class = line("catalogue_class", period)
        of_class = where(item_class == CatalogueClass.B, parameters(period).catalogue.class_b_advance, 0)
        own = line("own_advance_ratio", period)
        ratio = where(own < 0, of_class, own)
        within = line("amount", period) - line("over_limit", period)
        return where(item_class == CatalogueClass.C, 0, to_fen(ratio * within))


class line_in_scope(Variable):
    value_type = float
    entity = ChargeLine
    definition_period = DateUnit.DAY
    label = "What the funds may look at"

    def formula(line, period):
        within = line("amount", period) - line("over_limit", period)
        out = line("catalogue_class", period) == CatalogueClass.C
        return where(out, 0, within - line("line_advance", period))
