"""Basic insurance, critical illness and medical aid as an OpenFisca tax-benefit system.

The same rules as `settlement-rules/examples/features/take-in-scope-first`, in the way that country packages are written:
variables with formulas, and dated parameters in YAML.
"""

from pathlib import Path

from openfisca_core.taxbenefitsystems import TaxBenefitSystem

from onestop_layers import entities

HERE = Path(__file__).parent


class ThreeLayers(TaxBenefitSystem):
    """Who pays what of a hospital stay."""

    def __init__(self) -> None:
        super().__init__(entities.ALL)
        self.add_variables_from_directory(str(HERE / "variables"))
        self.load_parameters(str(HERE / "parameters"))
