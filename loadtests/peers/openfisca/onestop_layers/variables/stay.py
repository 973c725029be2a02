"""Facts of a stay, and the sums of its lines."""

from openfisca_core.periods import DateUnit
from openfisca_core.variables import Variable

from onestop_layers.entities import Stay


class hospital_level(Variable):
    value_type = int
    default_value = 3
    entity = Stay
    definition_period = DateUnit.DAY
    label = "1 primary, 2 secondary, 3 tertiary"


class low_income(Variable):
    value_type = bool
    entity = Stay
    definition_period = DateUnit.DAY
    label = "The person is of a low-income family"


class critical_entered_before(Variable):
    value_type = float
    entity = Stay
    definition_period = DateUnit.DAY
    label = "Burden of earlier stays of the year that entered critical illness"


class aid_paid_before(Variable):
    value_type = float
    entity = Stay
    definition_period = DateUnit.DAY
    label = "Aid paid for earlier stays of the year"


class total(Variable):
    value_type = float
    entity = Stay
    definition_period = DateUnit.DAY
    label = "All charges"

    def formula(stay, period):
        return stay.sum(stay.members("amount", period))


class in_scope(Variable):
    value_type = float
    entity = Stay
    definition_period = DateUnit.DAY
    label = "What the funds may look at"

    def formula(stay, period):
        return stay.sum(stay.members("line_in_scope", period))


class advance(Variable):
    value_type = float
    entity = Stay
    definition_period = DateUnit.DAY
    label = "What the patient pays of class B before anybody else"

    def formula(stay, period):
        return stay.sum(stay.members("line_advance", period))
