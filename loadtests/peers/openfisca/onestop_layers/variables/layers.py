"""The three layers, in the order in which they pay."""

from numpy import maximum, minimum, select, where
from openfisca_core.periods import DateUnit
from openfisca_core.variables import Variable

from onestop_layers.entities import Stay
from onestop_layers.money import to_fen


class basic_pay(Variable):
    value_type = float
    entity = Stay
    definition_period = DateUnit.DAY
    label = "Basic medical insurance"

    def formula(stay, period, parameters):
        basic = parameters(period).basic
        level = stay("hospital_level", period)
        is_level = [level == 1, level == 2]
        deductible = select(is_level, [basic.deductible.primary, basic.deductible.secondary], basic.deductible.tertiary)
        ratio = select(is_level, [basic.ratio.primary, basic.ratio.secondary], basic.ratio.tertiary)
        return to_fen(ratio * maximum(stay("in_scope", period) - deductible, 0))


class critical_pay(Variable):
    value_type = float
    entity = Stay
    definition_period = DateUnit.DAY
    label = "Critical-illness insurance"

    def formula(stay, period, parameters):
        critical = parameters(period).critical
        low_income = stay("low_income", period)
        deductible = critical.deductible * where(low_income, critical.tilt.deductible_times, 1)
        points = where(low_income, critical.tilt.ratio_plus, 0)

        def pay_for(burden):
            bands = critical.bands.calc(maximum(burden, deductible)) - critical.bands.calc(deductible)
            return to_fen(bands + points * maximum(burden - deductible, 0))

        before = stay("critical_entered_before", period)
        entering = stay("in_scope", period) - stay("basic_pay", period) + stay("advance", period)
        return pay_for(before + entering) - pay_for(before)


class aid_pay(Variable):
    value_type = float
    entity = Stay
    definition_period = DateUnit.DAY
    label = "Medical aid"

    def formula(stay, period, parameters):
        aid = parameters(period).aid
        left = stay("in_scope", period) - stay("basic_pay", period)
        # What critical illness pays is taken out of what is in scope first.
        left = maximum(left - stay("critical_pay", period), 0)
        available = maximum(aid.ceiling - stay("aid_paid_before", period), 0)
        return stay("low_income", period) * minimum(to_fen(aid.ratio * left), available)


class patient_pay(Variable):
    value_type = float
    entity = Stay
    definition_period = DateUnit.DAY
    label = "What is left to the patient"

    def formula(stay, period):
        paid = stay("basic_pay", period) + stay("critical_pay", period) + stay("aid_pay", period)
        return stay("total", period) - paid
